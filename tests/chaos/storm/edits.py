"""What people do meanwhile: schedules change, jobs are disabled, enabled and run. Remembers what was acknowledged."""

from __future__ import annotations

from datetime import datetime

from chaos.storm.app import KINDS, SCHEDULES
from chaos.storm.arena import Arena, refused_or_away
from chaos.storm.plan import Step

EDITED_JOBS = (
    *(f"{kind}-{number}" for kind in KINDS for number in range(len(SCHEDULES))),
    "plain-jitter", "plain-deadline", "plain-skip", "plain-beside", "plain-strikes", "plain-queue", "plain-one", "plain-replace",
    "plain-kill", "plain-all", "plain-two", "plain-limited-0", "plain-limited-1",
)  # fmt: skip
# An edit before the former one was planned (no worker was alive) is accounted as if the former had never been made: a
# known limit of the product, so the storm waits.
RESCHEDULE = """
UPDATE pgcron.cron_job SET schedule = %s WHERE name = %s AND NOT needs_plan AND schedule <> %s RETURNING id, version, updated_at
"""

ENABLE = "UPDATE pgcron.cron_job SET is_enabled = true WHERE name = ANY (%s) AND NOT is_enabled AND NOT needs_plan"

BLACKOUT = """
SELECT pgcron.set_blackout('storm', clock_timestamp(), clock_timestamp() + %s * interval '1 s', p_tag => 'dark', p_action => %s)
"""
BACKFILL = "SELECT pgcron.backfill(%s, clock_timestamp() - interval '8 s', clock_timestamp() - interval '1 s', %s)"


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

    def blackout(self, step: Step, name: str) -> None:
        self.arena.rows(BLACKOUT, step.seconds(0.5, 4), step.choice(("skip", "delay")))

    def backfill(self, step: Step, name: str) -> None:
        """Only of handlers that may repeat an occurrence."""
        self.arena.rows(
            BACKFILL,
            f"idem-{'def' if step.victim < 0.5 else 'async'}-0",
            step.choice(("skip", "buffer_all", "buffer_one")),
        )

    def cancel(self, step: Step, name: str) -> None:
        self.arena.rows("SELECT pgcron.cancel_job(%s, 'the storm')", name)

    def enable_all(self) -> bool:
        """Whether all are, at last."""
        self.arena.rows(ENABLE, list(EDITED_JOBS))
        return not self.arena.rows(
            "SELECT 1 FROM pgcron.cron_job WHERE NOT is_enabled AND name <> 'plain-strikes' LIMIT 1"
        )
