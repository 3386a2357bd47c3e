"""Retention: old runs go in batches, counters and invariants stay, and what must stay stays."""

from __future__ import annotations

from uuid import UUID

import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import retention
from support.ageing import ended, make_old
from support.steps import Actor, Stage, failure, success


def purge(actor: Actor, days: int = 90, job: UUID | None = None, limit: int = 2) -> int:
    """Every batch of one pass."""
    total, after = 0, retention.BEGINNING
    while True:
        batch = retention.Batch(days, after, limit, job)
        deleted, last = actor.do(lambda c, it=batch: retention.purge_runs(c, it))
        total += deleted
        if last is None:
            return total
        after = last


def counters(stage: Stage) -> dict[str, object]:
    return stage.row(
        "SELECT success_count, failure_count, average_duration, archived_success, archived_failure FROM pgcron.cron_job WHERE name = 'job'"
    )


def without_ledger(stage: Stage) -> list[str]:
    """Broken invariants but those of the ledger, which a forged age breaks."""
    return [row["invariant"] for row in stage.broken_invariants() if not row["invariant"].startswith("ledger")]


def test_old_runs_go_and_the_counters_stay_exact(stage: Stage) -> None:
    job = stage.job(due=None)
    old, young = ended(stage, job, 5), ended(stage, job, 2)
    before = counters(stage)
    make_old(stage, old, 91)
    assert purge(stage.actor()) == 5
    assert [row["id"] for row in stage.rows("SELECT id FROM pgcron.cron_log ORDER BY seq")] == young
    after = counters(stage)
    assert (after["success_count"], after["average_duration"]) == (before["success_count"], before["average_duration"])
    assert after["archived_success"] == 5
    assert without_ledger(stage) == []
    assert purge(stage.actor()) == 0


def test_the_newest_run_strikes_that_count_and_what_runs_stay(stage: Stage) -> None:
    job = stage.job(due=None, max_consecutive_failures=None)
    runs = [*ended(stage, job, 1), *ended(stage, job, 2, lambda stage, run: failure(stage, run, Reason.ERROR))]
    idle = stage.job("idle", due=None)
    newest = ended(stage, idle, 1)
    make_old(stage, [*runs, *newest], 200)
    assert purge(stage.actor()) == 1  # the success before the strikes
    assert stage.row("SELECT consecutive_failures FROM pgcron.cron_job WHERE name = 'job'") == {
        "consecutive_failures": 2
    }
    assert without_ledger(stage) == []


def test_an_answered_request_goes_with_its_run(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("SELECT pgcron.run_now('job')")
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.finish(worker, success(stage, run))
    ended(stage, job, 1)
    stage.do("SET session_replication_role = 'replica'")
    stage.do(
        "UPDATE pgcron.cron_log SET id = pgcron.uuid_v7_at(clock_timestamp() - interval '99 days'), completed_at = completed_at - interval '99 days', started_at = started_at - interval '99 days' WHERE id = %s",
        run,
    )
    stage.do("SET session_replication_role = 'origin'")
    assert purge(actor) == 1
    assert stage.rows("SELECT * FROM pgcron.cron_request") == []
    assert without_ledger(stage) == []


@pytest.mark.parametrize(
    ("columns", "left"), [({"retention_days": 10}, 2), ({"retention_count": 3}, 3), ({"retention_days": 60}, 6)]
)
def test_a_job_says_how_long_and_how_many_of_its_runs_are_kept(
    stage: Stage, columns: dict[str, int], left: int
) -> None:
    job = stage.job(due=None, **columns)
    old = ended(stage, job, 4)
    ended(stage, job, 2)
    make_old(stage, old, 30)
    assert purge(stage.actor(), 7 if "retention_days" in columns else 60) == 0  # the fleet's retention is not for it
    jobs = stage.actor().do(retention.jobs_with_their_own)
    assert jobs == [job]
    purge(stage.actor(), 90, job)
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_log") == {"n": left}
    assert without_ledger(stage) == []


def test_a_job_that_is_held_is_left_for_the_next_pass_and_nobody_waits(stage: Stage) -> None:
    job = stage.job(due=None)
    old = ended(stage, job, 3)
    ended(stage, job, 1)
    make_old(stage, old, 100)
    holder = stage.actor()
    holder.say("BEGIN")
    holder.say("SELECT 1 FROM pgcron.cron_job WHERE id = %s FOR NO KEY UPDATE", job)
    assert purge(stage.actor()) == 0
    holder.rollback()
    assert purge(stage.actor()) == 3


def test_what_else_is_old_goes_too(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("SET session_replication_role = 'replica'")
    stage.do("UPDATE pgcron.cron_job SET ledger_from = ledger_from - interval '500 days'")
    old = "pgcron.uuid_v7_at(clock_timestamp() - interval '100 days')"
    then = "clock_timestamp() - interval '100 days'"
    stage.do(
        f"INSERT INTO pgcron.cron_miss (id, job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) SELECT {old}, %s, 'overlap', {then} - interval '1 s', {then}, {then}, {then}, 1",
        job,
    )
    stage.do(
        f"INSERT INTO pgcron.cron_request (id, job_id, state, ended_at) SELECT {old}, %s, 'CANCELLED', {then}", job
    )
    stage.do(f"INSERT INTO pgcron.cron_outbox (id, event) SELECT {old}, 'failed'")
    stage.do(f"INSERT INTO pgcron.cron_alert (id, kind, resolved_at) SELECT {old}, 'fleet_silent', {then}")
    stage.do(
        "INSERT INTO pgcron.cron_alert (id, kind) SELECT pgcron.uuid_v7_at('2020-01-01'), 'failing'"
    )  # it goes on: it stays
    stage.do(
        f"INSERT INTO pgcron.cron_worker (id, state, host, pid, version, concurrency, ended_at, started_at) SELECT {old}, 'GONE', 'h', 1, '0', 1, {then}, {then}"
    )
    stage.do(
        f"INSERT INTO pgcron.cron_backfill (id, job_id, from_at, to_at, overlap_policy, total, requested_by) SELECT {old}, %s, {then}, {then}, 'skip', 1, 'ana'",
        job,
    )
    for name, ends in (("over", then), ("on", "clock_timestamp() + interval '1 h'")):
        stage.do(
            f"INSERT INTO pgcron.cron_blackout (name, starts_at, ends_at) SELECT %s, {then} - interval '1 h', {ends}",
            name,
        )
    stage.do("SET session_replication_role = 'origin'")
    assert stage.actor().do(lambda c: retention.purge_rest(c, 90, 100)) == (7, retention.BEGINNING)
    assert stage.actor().do(lambda c: retention.purge_rest(c, 90, 100)) == (0, None)
