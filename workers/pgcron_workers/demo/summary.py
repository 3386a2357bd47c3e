"""What the demo says at its end, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from pgcron_workers.demo.words import milliseconds


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one session. Times in ms or, with _s and `seconds`, in seconds; lag: scheduled runs, instant to start.

    caught_up: runs of occurrences from before the first worker (not in the lag). workers: alive just before the end.
    seconds: since the jobs could run. first_run_s: from the start of the command to the first recorded end of a run.
    """

    runs: int
    successes: int
    failures: int
    caught_up: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    invariant_violations: int
    workers: int
    seconds: float
    first_run_s: float | None
    violations: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        lines = [
            f"{self.runs} runs in {self.seconds:.1f} s by {self.workers} workers: {self.successes} succeeded, {self.failures} failed",
            f"lag: median {milliseconds(self.lag_p50_ms)}, 99 % within {milliseconds(self.lag_p99_ms)}",
            f"invariants: {self.invariant_violations or 'none'} broken",
            *(f"  {violation}" for violation in self.violations),
        ]
        if self.caught_up:
            lines.insert(1, f"{self.caught_up} of them caught up with what was due while nothing ran")
        return "\n".join(lines)

    def exit_code(self, *, was_interrupted: bool) -> int:
        """1 when an invariant is broken, or when it ran its time and nothing succeeded."""
        return int(self.invariant_violations > 0 or (self.successes == 0 and not was_interrupted))
