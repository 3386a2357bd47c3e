"""What people do meanwhile: schedules change, jobs are disabled, enabled and run. Remembers what was acknowledged."""

from __future__ import annotations

from datetime import datetime

from chaos.storm.app import KINDS, SCHEDULES
from chaos.storm.arena import Arena, refused_or_away
from chaos.storm.plan import Step

EDITED_JOBS = (
    *(f"{kind}-{number}" for kind in KINDS for number in range(len(SCHEDULES))),
    "plain-jitter", "plain-deadline", "plain-skip", "plain-beside", "plain-strikes", "plain-queue", "plain-one", "plain-replace",
    "plain-kill", "plain-all",
)  # fmt: skip
# An edit before the former one was planned (no worker was alive) is accounted as if the former had never been made: a
# known limit of the product, so the storm waits.
RESCHEDULE = """
UPDATE pgcron.cron_job SET schedule = %s WHERE name = %s AND NOT needs_plan AND schedule <> %s RETURNING id, version, updated_at
"""

ENABLE = "UPDATE pgcron.cron_job SET is_enabled = true WHERE name = ANY (%s) AND NOT is_enabled AND NOT needs_plan"


class Edits:
    """exact: when the version of a job began, to the microsecond. last: the schedule that somebody was told is in force."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.exact: dict[tuple[str, int], datetime] = {}
        self.last: dict[str, str] = {}

    def make(self, step: Step) -> None:
        name = EDITED_JOBS[int(step.victim * len(EDITED_JOBS))]
        with refused_or_away():
            getattr(self, step.kind)(step, name)

    def reschedule(self, step: Step, name: str) -> None:
        schedule = step.choice(SCHEDULES)
        before = self.last.pop(name, None)  # should the reply be lost, nobody knows
        for row in self.arena.rows(RESCHEDULE, schedule, name, schedule):
            self.exact[str(row["id"]), row["version"]] = row["updated_at"]
            before = schedule
        if before is not None:
            self.last[name] = before

    def disable(self, step: Step, name: str) -> None:
        self.arena.rows("SELECT pgcron.disable(%s, 'the storm')", name)

    def enable(self, step: Step, name: str) -> None:
        """The named one, and the one that disables itself."""
        self.arena.rows(ENABLE, [name, "plain-strikes"])

    def run_now(self, step: Step, name: str) -> None:
        self.arena.rows("SELECT pgcron.run_now(%s)", name)

    def cancel(self, step: Step, name: str) -> None:
        self.arena.rows("SELECT pgcron.cancel_job(%s, 'the storm')", name)

    def enable_all(self) -> bool:
        """Whether all are, at last."""
        self.arena.rows(ENABLE, list(EDITED_JOBS))
        return not self.arena.rows(
            "SELECT 1 FROM pgcron.cron_job WHERE NOT is_enabled AND name <> 'plain-strikes' LIMIT 1"
        )
