"""Any sequence of what can happen to jobs, against a small model of what must come of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pgcron_py.domain.words import Reason, RunId
from pgcron_py.storage.runs import Finish
from support import operations as op
from support.snapshots import Snapshots
from support.steps import Stage, failure, success

PROOF = bool(os.environ.get("PGCRON_PROOF"))
SETTINGS = settings(
    max_examples=400 if PROOF else 20, stateful_step_count=60 if PROOF else 25, deadline=None, derandomize=not PROOF,
    database=None, suppress_health_check=list(HealthCheck),
)  # fmt: skip
NAMES = ("one", "two")
STRIKES = 2
SCHEDULES = ("0 0 29 2 *", "0 0 29 FEB *")  # far away: only `make_due` makes due
SEEN = """SELECT j.name, j.is_enabled, j.running_count AS running, j.consecutive_failures AS strikes, j.success_count AS successes,
  j.failure_count AS failures, (SELECT count(*) FROM pgcron.cron_request r WHERE r.job_id = j.id AND r.state = 'PENDING') AS pending,
  (SELECT coalesce(sum(m.count), 0)::int FROM pgcron.cron_miss m WHERE m.job_id = j.id AND m.reason = 'overlap') AS overlaps
  FROM pgcron.cron_job j ORDER BY j.name"""


@dataclass(slots=True)
class Model:
    """A job. is_late: it came due while it ran. counts: whether the end of its run can be a strike."""

    is_enabled: bool = True
    is_due: bool = False
    is_late: bool = False
    run: RunId | None = None
    counts: bool = True
    strikes: int = 0
    successes: int = 0
    failures: int = 0
    overlaps: int = 0
    pending: list[str] = field(default_factory=list)
    last_end: Finish | None = None

    def seen(self, name: str) -> dict[str, Any]:
        return {
            "name": name, "is_enabled": self.is_enabled, "running": int(self.run is not None), "strikes": self.strikes,
            "successes": self.successes, "failures": self.failures, "pending": len(self.pending), "overlaps": self.overlaps,
        }  # fmt: skip

    def claimed(self) -> str | None:
        """What a claim makes of it: schedule, manual or retry."""
        if not self.is_enabled:
            return None
        was_due, self.is_due = self.is_due, False
        if was_due and (self.run is not None or self.is_late):
            self.overlaps += 1
            was_due = False
        if was_due:
            return "schedule"
        return self.pending.pop(0) if self.pending and self.run is None else None

    def succeeded(self) -> None:
        self.run, self.strikes = None, 0
        self.successes += 1

    def failed(self, *, is_strike: bool) -> None:
        self.run = None
        self.failures += 1
        self.strikes += is_strike and self.counts
        if self.strikes >= STRIKES:
            self.disabled()

    def disabled(self) -> None:
        self.is_enabled = self.is_due = False
        self.pending.clear()

    def enabled(self) -> None:
        if not self.is_enabled:
            self.is_enabled, self.strikes, self.counts = True, 0, self.run is None


class Machine(RuleBasedStateMachine):
    """stage and snapshots are those of the test; the rows are put back for each example."""

    stage: Stage
    snapshots: Snapshots

    def __init__(self) -> None:
        super().__init__()
        self.snapshots.restore("start")
        self.jobs = {name: Model() for name in NAMES}
        self.actor = self.stage.helper
        self.worker = self.stage.worker()

    def say(self, statement: str, name: str) -> str | None:
        """The SQLSTATE of a refusal."""
        try:
            self.stage.do(statement, name)
        except psycopg.Error as error:
            return error.sqlstate
        return None

    def running(self) -> list[Model]:
        return [job for job in self.jobs.values() if job.run is not None]

    # -- people

    @rule(name=st.sampled_from(NAMES), schedule=st.sampled_from(SCHEDULES))
    def edit(self, name: str, schedule: str) -> None:
        changed = self.stage.rows(
            "UPDATE pgcron.cron_job SET schedule = %s WHERE name = %s AND schedule <> %s RETURNING id", schedule, name, schedule
        )  # fmt: skip
        if changed:
            self.jobs[name].is_due = False
        self.stage.plan()

    @rule(name=st.sampled_from(NAMES))
    def run_now(self, name: str) -> None:
        job = self.jobs.get(name)
        refusal = self.say("SELECT pgcron.run_now(%s)", name)
        if job is None:
            assert refusal == "PC007"
        elif not job.is_enabled:
            assert refusal == "PC004"
        elif job.run is not None:
            assert refusal == "PC005"
        elif "manual" in job.pending:
            assert refusal == "PC006"
        else:
            assert refusal is None
            job.pending.append("manual")

    @rule(name=st.sampled_from(NAMES))
    def enable(self, name: str) -> None:
        assert self.say("SELECT pgcron.enable(%s)", name) == (None if name in self.jobs else "PC007")
        self.stage.plan()
        if name in self.jobs:
            self.jobs[name].enabled()

    @rule(name=st.sampled_from(NAMES))
    def disable(self, name: str) -> None:
        assert self.say("SELECT pgcron.disable(%s)", name) == (None if name in self.jobs else "PC007")
        if name in self.jobs:
            self.jobs[name].disabled()

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        job = self.jobs.get(name)
        is_running = job is not None and job.run is not None
        assert self.say("DELETE FROM pgcron.cron_job WHERE name = %s", name) == ("PC008" if is_running else None)
        if not is_running:
            self.jobs.pop(name, None)

    # -- time and workers

    @rule(name=st.sampled_from(NAMES))
    def make_due(self, name: str) -> None:
        job = self.jobs.get(name)
        if job is not None and job.is_enabled:
            self.stage.make_due(self.stage.row("SELECT id FROM pgcron.cron_job WHERE name = %s", name)["id"])
            job.is_due, job.is_late = True, job.run is not None

    @rule()
    def claim(self) -> None:
        claimed = self.actor.claim(self.worker)
        rows = self.stage.rows(
            "SELECT j.name, l.cause, l.id FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.id = ANY (%s)", claimed
        )  # fmt: skip
        expected = {name: cause for name, job in self.jobs.items() if (cause := job.claimed()) is not None}
        assert {row["name"]: row["cause"] for row in rows} == expected
        for row in rows:
            self.jobs[row["name"]].run, self.jobs[row["name"]].counts = row["id"], True

    @precondition(running)
    @rule(end=st.sampled_from(["success", "failure", "retried"]))
    def finish(self, end: str) -> None:
        job = self.running()[0]
        assert job.run is not None
        again = {"is_strike": False, "retry_after_ms": 0, "retry_attempt": 2}
        job.last_end = (
            success(self.stage, job.run)
            if end == "success"
            else failure(self.stage, job.run, **(again if end == "retried" else {}))
        )
        assert self.actor.finish(self.worker, job.last_end) == {job.run: "recorded"}
        if end == "success":
            job.succeeded()
        else:
            job.failed(is_strike=end == "failure")
            job.pending += ["retry"] if end == "retried" and job.is_enabled else []

    @rule()
    def send_the_last_ends_again(self) -> None:
        ends = [job.last_end for job in self.jobs.values() if job.last_end is not None]
        assert self.actor.finish(self.worker, *ends) == {end.id: "already" for end in ends}

    @precondition(running)
    @rule()
    def lapse_and_be_reaped(self) -> None:
        late = [success(self.stage, job.run) for job in self.running() if job.run]
        self.stage.lapse(self.worker)
        assert self.actor.do(op.reap(self.worker))
        assert set(self.actor.finish(self.worker, *late).values()) == {"lost"}
        assert self.actor.claim(self.worker) == []
        for job in self.running():
            job.failed(is_strike=Reason.LOST.is_strike)
        self.worker = self.stage.worker()

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        assert self.stage.rows(SEEN) == [job.seen(name) for name, job in sorted(self.jobs.items())]
        assert self.stage.broken_invariants() == []


@pytest.mark.timeout(0)
def test_any_sequence_of_events_leaves_what_the_model_says_and_breaks_no_invariant(stage: Stage) -> None:
    for name in NAMES:
        stage.job(name, due=None, max_consecutive_failures=STRIKES)
    snapshots = Snapshots(stage)
    snapshots.keep("start")
    machine = type("Machine", (Machine,), {"stage": stage, "snapshots": snapshots})
    run_state_machine_as_test(machine, settings=SETTINGS)
