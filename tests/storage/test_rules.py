"""Blackouts, limits, releases and jobs that run alone, as claims obey them: races as named steps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgcron_py.domain.words import JobId, RunId, WorkerId
from pgcron_py.storage import claim_writes, claims, rules
from support.steps import HANDLER, Actor, Stage, decisions, failure, success


@pytest.fixture(autouse=True)
def nothing_is_broken(stage: Stage) -> Iterator[None]:
    yield
    assert stage.broken_invariants() == []


def started(stage: Stage, worker: WorkerId) -> list[str]:
    """Names of the jobs that a claim starts."""
    ids = stage.actor().claim(worker)
    return [stage.row("SELECT j.name FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.id = %s", id_)["name"] for id_ in ids]  # fmt: skip


def misses(stage: Stage) -> list[tuple[str, int]]:
    return [
        (row["reason"], row["count"])
        for row in stage.rows("SELECT reason, count FROM pgcron.cron_miss ORDER BY covers_to")
    ]


def blackout(stage: Stage, action: str = "skip", **more: Any) -> datetime:
    """A window from an hour ago to an hour from now; its end."""
    names = "".join(f", p_{name} => %s" for name in more)
    stage.do(
        f"SELECT pgcron.set_blackout('maintenance', clock_timestamp() - interval '1 h', clock_timestamp() + interval '1 h', p_action => %s{names})",
        action, *more.values(),
    )  # fmt: skip
    ends: datetime = stage.row("SELECT ends_at FROM pgcron.cron_blackout")["ends_at"]
    return ends


def made_due_a_second_ago(stage: Stage, job: UUID) -> None:
    """On a whole second, as the schedule of every second names them."""
    stage.do(
        "UPDATE pgcron.cron_job j SET next_scheduled_for = due.at, next_run_at = due.at, covers_from = LEAST(covers_from, due.at - interval '1 s') "
        "FROM (SELECT date_trunc('second', clock_timestamp()) - interval '1 s' AS at) due WHERE j.id = %s", job,
    )  # fmt: skip


def end(stage: Stage, worker: WorkerId, run: RunId) -> None:
    stage.actor().finish(worker, success(stage, run))


# -- blackouts


def test_an_occurrence_in_a_skipping_window_is_a_miss(stage: Stage) -> None:
    worker, job = stage.worker(), stage.job(schedule="* * * * * *", due=None)
    made_due_a_second_ago(stage, job)
    blackout(stage)
    assert started(stage, worker) == []
    assert [reason for reason, _ in misses(stage)][-1] == "blackout"
    assert stage.row("SELECT next_run_at > clock_timestamp() - interval '1 s' AS goes_on FROM pgcron.cron_job WHERE id = %s", job)["goes_on"]  # fmt: skip


def test_an_occurrence_in_a_delaying_window_starts_when_it_ends(stage: Stage) -> None:
    worker, job = stage.worker(), stage.job()
    ends = blackout(stage, "delay")
    assert started(stage, worker) == []
    row = stage.row("SELECT next_run_at, next_scheduled_for < clock_timestamp() AS is_due FROM pgcron.cron_job WHERE id = %s", job)  # fmt: skip
    assert (row["next_run_at"], row["is_due"], misses(stage)) == (ends, True, [])
    stage.do("UPDATE pgcron.cron_blackout SET ends_at = clock_timestamp()")
    stage.do("UPDATE pgcron.cron_job SET next_run_at = clock_timestamp()")  # the end has come
    assert started(stage, worker) == ["job"]


@pytest.mark.parametrize(
    ("scope", "stays_out"), [({"tag": "billing"}, "a"), ({"job": "a"}, "a"), ({"tag": "other"}, "")]
)
def test_a_window_is_for_a_job_or_a_tag_or_all(stage: Stage, scope: dict[str, str], stays_out: str) -> None:
    worker = stage.worker()
    stage.job("a", tags=["billing"])
    stage.job("b")
    blackout(stage, **scope)
    assert sorted(started(stage, worker)) == [name for name in ("a", "b") if name != stays_out]


def test_a_window_that_comes_again_holds_from_each_time_of_its_schedule(stage: Stage) -> None:
    worker = stage.worker()
    stage.job()
    stage.do("SELECT pgcron.set_blackout('each minute', p_schedule => '* * * * *', p_duration => interval '2 min')")
    assert started(stage, worker) == []
    assert misses(stage)[-1][0] == "blackout"


def test_what_a_person_asks_for_runs_in_a_window_and_a_retry_waits_for_its_end(stage: Stage) -> None:
    worker, failed = stage.worker(), stage.job("failed", due=None)
    stage.job("asked", due=None)
    ends = blackout(stage)
    stage.do("SELECT pgcron.run_now('asked')")
    stage.do("INSERT INTO pgcron.cron_request (job_id, cause, attempt) VALUES (%s, 'retry', 2)", failed)
    assert started(stage, worker) == ["asked"]
    assert stage.row("SELECT next_request_at FROM pgcron.cron_job WHERE id = %s", failed) == {"next_request_at": ends}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("p_starts_at => now()", "either a begin and an end"),
        ("p_starts_at => now(), p_ends_at => now() - interval '1 h'", "not after its begin"),
        ("p_schedule => '* * * * *'", "either a begin and an end"),
        ("p_schedule => '99 * * * *', p_duration => interval '1 h'", "99"),
        ("p_schedule => '@reboot', p_duration => interval '1 h'", "@reboot"),
        ("p_schedule => '@daily', p_duration => interval '1 h', p_timezone => 'Mars/Phobos'", "unknown time zone"),
        ("p_starts_at => now(), p_ends_at => now() + interval '1 h', p_job => 'nobody'", "no job is named"),
    ],
)
def test_a_wrong_window_is_refused_with_a_hint(stage: Stage, arguments: str, message: str) -> None:
    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error, match=message) as refusal:
        connection.execute(f"SELECT pgcron.set_blackout('b', {arguments})")
    assert (refusal.value.sqlstate or "").startswith("PC")
    assert refusal.value.diag.message_hint


def test_rules_are_audited_and_told_to_the_fleet(stage: Stage) -> None:
    stage.do("LISTEN pgcron")
    blackout(stage)
    stage.do("SELECT pgcron.set_limit('queue', 'default', 1)")
    stage.do("UPDATE pgcron.cron_limit SET spent_until = clock_timestamp()")
    stage.do("SELECT pgcron.remove_blackout('maintenance')")
    stage.do("SELECT pgcron.remove_limit('queue', 'default')")
    actions = [row["action"] for row in stage.rows("SELECT action FROM pgcron.cron_audit ORDER BY at")]
    assert actions == ["blackout_set", "limit_set", "blackout_removed", "limit_removed"]
    heard = [note.payload for note in stage.audience.notifies(timeout=0.2)]
    assert heard == ["fleet"] * 4


# -- limits


@pytest.mark.parametrize(("kind", "name"), [("queue", "default"), ("tag", "db"), ("handler", HANDLER)])
def test_two_claimers_cannot_both_take_the_last_place(stage: Stage, kind: str, name: str) -> None:
    one, two = stage.actor(), stage.actor()
    first, second = stage.worker(), stage.worker()
    stage.do("SELECT pgcron.set_limit(%s, %s, 1)", kind, name)
    for job in ("a", "b"):
        stage.job(job, tags=["db"])
    now, jobs = one.begin_claim(first, limit=1)
    (run,) = one.write_claim(first, now, jobs)
    assert by_rules(two, second) == []  # the limit is locked: left to the one who holds it
    one.commit()
    assert by_rules(two, second) == []  # and now it is used
    one.finish(first, success(stage, run))
    assert len(by_rules(two, second)) == 1


def by_rules(actor: Actor, worker: WorkerId, release: str | None = None) -> list[RunId]:
    """A whole claim."""

    async def step(connection: psycopg.AsyncConnection) -> list[RunId]:
        await claims.begin_claim(connection)
        view = await claims.look(connection, [HANDLER], None)
        now, jobs, room, may_start = await claims.lock_by_rules(
            connection, worker, view, limit=100, window=1000, release=release
        )
        decided = decisions(now, jobs, room, may_start) if now else []
        await rules.spend(connection, room)
        await claim_writes.write_claim(connection, worker, decided)
        await connection.execute("COMMIT")
        return [run.id for _, decision in decided for run in decision.runs]

    return actor.do(step)


def test_a_claim_takes_no_more_than_a_limit_leaves(stage: Stage) -> None:
    worker = stage.worker()
    for number in range(6):
        stage.job(f"limited {number}", queue="small")
        stage.job(f"free {number}")
    stage.do("SELECT pgcron.set_limit('queue', 'small', 4)")
    actor = stage.actor()
    assert len(by_rules(actor, worker)) == 4 + 6
    assert by_rules(actor, worker) == []
    assert stage.row("SELECT count(*) FROM pgcron.cron_job WHERE claim_at <= clock_timestamp()") == {"count": 2}


def test_a_limit_of_none_closes_a_queue_and_its_jobs_do_not_crowd_out_others(stage: Stage) -> None:
    worker = stage.worker()
    for number in range(20):
        stage.job(f"closed {number}", due=100, tags=["closed"])
    stage.job("open", due=1)
    stage.do("SELECT pgcron.set_limit('tag', 'closed', 0)")

    async def narrow(connection: psycopg.AsyncConnection) -> list[str]:
        await claims.begin_claim(connection)
        view = await claims.look(connection, [HANDLER], None)
        _, jobs, _, _ = await claims.lock_by_rules(connection, worker, view, limit=5, window=5)
        await connection.execute("ROLLBACK")
        return [job.timing.name for job in jobs]

    assert stage.actor().do(narrow) == ["open"]


def test_starts_in_a_minute_are_a_bucket_that_fills_again(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    for number in range(5):
        stage.job(f"j{number}")
    stage.do("SELECT pgcron.set_limit('handler', %s, NULL, 1, 2)", HANDLER)
    stage.do(
        "UPDATE pgcron.cron_limit SET spent_until = clock_timestamp() - interval '1 h'"
    )  # a full bucket holds its burst
    assert len(by_rules(actor, worker)) == 2
    assert by_rules(actor, worker) == []
    stage.do("UPDATE pgcron.cron_limit SET spent_until = spent_until - interval '61 s'")  # a minute later
    assert len(by_rules(actor, worker)) == 1


def test_an_overlap_is_still_a_miss_where_the_limit_is_used_up(stage: Stage) -> None:
    worker, actor, job = stage.worker(), stage.actor(), stage.job()
    (run,) = by_rules(actor, worker)
    stage.do("SELECT pgcron.set_limit('queue', 'default', 1)")
    stage.make_due(job)
    assert by_rules(actor, worker) == []
    assert misses(stage) == [("overlap", 1)]
    end(stage, worker, run)


def test_who_looked_before_there_were_rules_claims_nothing(stage: Stage) -> None:
    worker = stage.worker()
    stage.job()

    async def step(connection: psycopg.AsyncConnection) -> list[Any]:
        view = await claims.look(connection, [HANDLER], None)
        assert not view.has_rules
        stage.do("SELECT pgcron.set_limit('queue', 'default', 0)")
        await claims.begin_claim(connection)
        _, jobs, _, _ = await claims.lock_by_rules(connection, worker, view, limit=9, window=9)
        await connection.execute("ROLLBACK")
        return jobs

    assert stage.begin(step(stage.actor().connection)).result(10) == []


# -- releases


@pytest.mark.parametrize(
    ("release", "least", "runs"),
    [
        ("1.10", "1.9", True),
        ("1.9", "1.10", False),
        ("v2.0.0", "2", True),
        ("dev", "1", False),
        (None, "1", False),
        ("1", None, True),
    ],
)
def test_only_a_new_enough_release_runs_it(stage: Stage, release: str | None, least: str | None, runs: bool) -> None:
    worker = stage.worker()
    stage.job(min_version=least)
    assert len(by_rules(stage.actor(), worker, release)) == runs


# -- alone


def alone(actor: Actor, worker: WorkerId, job: UUID) -> list[RunId]:
    """A claim of a job that runs alone; the gate is closed when it can't start yet."""

    async def step(connection: psycopg.AsyncConnection) -> list[RunId]:
        await claims.begin_claim(connection, alone=True)
        view = await claims.look(connection, [HANDLER], None)
        now, jobs, room, may_start = await claims.lock_by_rules(
            connection, worker, view, alone=JobId(job), limit=1, window=100
        )
        decided = (
            [(job, made) for job, made in decisions(now, jobs, room, may_start) if not made.is_empty] if now else []
        )
        await claim_writes.write_claim(connection, worker, decided)
        await connection.execute("COMMIT")
        if not decided:
            await rules.close_gate(connection, JobId(job), worker)
        return [run.id for _, decision in decided for run in decision.runs]

    return actor.do(step)


def test_a_job_that_runs_alone_waits_for_the_others_and_they_for_it(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    stage.job("other")
    lonely = stage.job("lonely", runs_alone=True, due=None)
    (run,) = by_rules(actor, worker)
    stage.make_due(lonely)
    stage.job("third")
    assert alone(actor, worker, lonely) == []  # `other` goes on
    assert by_rules(actor, worker) == []  # the gate is closed: `third` waits
    end(stage, worker, run)
    (lonely_run,) = alone(actor, worker, lonely)
    assert by_rules(actor, worker) == []
    end(stage, worker, lonely_run)
    assert len(by_rules(actor, worker)) == 1  # `third`


def test_a_claim_under_way_keeps_it_from_starting(stage: Stage) -> None:
    """A run that is not yet committed can't be seen: the lock that claims share says that there may be one."""
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    lonely = stage.job("lonely", runs_alone=True)
    stage.job("other")
    now, jobs = one.begin_claim(worker)
    (run,) = one.write_claim(worker, now, jobs)
    assert alone(two, worker, lonely) == []
    one.commit()
    assert alone(two, worker, lonely) == []
    end(stage, worker, run)
    assert len(alone(two, worker, lonely)) == 1


@pytest.mark.parametrize("how", ["disabled", "worker died", "no longer alone", "deleted"])
def test_the_gate_opens_when_nobody_will_go_through(stage: Stage, how: str) -> None:
    worker, dying, actor = stage.worker(), stage.worker(), stage.actor()
    stage.job("other")
    (run,) = by_rules(actor, worker)
    lonely = stage.job("lonely", runs_alone=True)
    stage.job("third")
    assert alone(actor, dying, lonely) == []
    assert by_rules(actor, worker) == []
    match how:
        case "disabled":
            stage.do("SELECT pgcron.disable('lonely')")
        case "worker died":
            stage.lapse(dying)
        case "no longer alone":
            stage.do("UPDATE pgcron.cron_job SET runs_alone = false, queue = 'elsewhere' WHERE name = 'lonely'")
        case _:
            stage.do("DELETE FROM pgcron.cron_job WHERE name = 'lonely'")
    stage.plan()
    assert "third" in _names(stage, by_rules(actor, worker))
    stage.actor().finish(worker, failure(stage, run))


def _names(stage: Stage, ids: list[RunId]) -> list[str]:
    return [row["name"] for row in stage.rows("SELECT j.name FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.id = ANY (%s)", ids)]  # fmt: skip


def test_only_an_exclusive_job_can_run_alone(stage: Stage) -> None:
    with (
        psycopg.connect(stage.url) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="alone_exclusive"),
    ):
        connection.execute(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, runs_alone, overlap_policy, is_exclusive) VALUES ('j', '@daily', 'h', true, 'allow_all', false)"
        )


def test_a_delayed_start_is_not_too_late(stage: Stage) -> None:
    """starting_deadline counts from the end of the window that delayed it."""
    worker, job = stage.worker(), stage.job(starting_deadline_ms=5000, due=600)
    ends = blackout(stage, "delay")
    stage.do("UPDATE pgcron.cron_job SET next_run_at = next_scheduled_for WHERE id = %s", job)
    assert started(stage, worker) == []
    stage.do("UPDATE pgcron.cron_blackout SET ends_at = clock_timestamp()")
    stage.do("UPDATE pgcron.cron_job SET next_run_at = clock_timestamp()")
    assert started(stage, worker) == ["job"]
    assert ends > stage.row("SELECT clock_timestamp() AS now")["now"] + timedelta(minutes=1)
