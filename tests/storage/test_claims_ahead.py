"""A claim that is written before its instant: committed then, not before, and only if nobody did something that comes first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import psycopg
import pytest

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.job import Job
from pgcron_py.domain.words import WorkerId
from pgcron_py.storage import claim_writes, claims
from pgcron_workers.book import Book
from pgcron_workers.claiming import Claiming
from pgcron_workers.executors.base import Order
from support.operations import SILENT
from support.steps import HANDLER, Actor, Stage, decisions

SOON = 0.25  # seconds: the steps may take longer, and nothing depends on it


def instant_of(stage: Stage, job: UUID) -> datetime:
    at: datetime = stage.row("SELECT next_run_at FROM pgcron.cron_job WHERE id = %s", job)["next_run_at"]
    return at


def lock_ahead(actor: Actor, worker: WorkerId, at: datetime) -> list[Job]:
    async def steps(connection: psycopg.AsyncConnection) -> list[Job]:
        await claims.begin_claim(connection)
        view = await claims.look(connection, [HANDLER], None)
        _, jobs = await claims.lock_due_jobs(connection, worker, view, limit=10, window=10, ahead=at)
        return jobs

    return actor.do(steps)


def write_ahead(actor: Actor, worker: WorkerId, at: datetime, jobs: list[Job]) -> int:
    decided = decisions(at, jobs)
    actor.do(lambda c: claim_writes.write_claim(c, worker, decided, ahead=at))
    return sum(len(decision.runs) for _, decision in decided)


def held(stage: Stage, worker: WorkerId) -> tuple[Actor, datetime]:
    """Somebody who has written the claim of a job that is due soon, and the instant."""
    at = instant_of(stage, stage.job(due=-SOON))
    actor = stage.actor()
    assert write_ahead(actor, worker, at, lock_ahead(actor, worker, at)) == 1
    return actor, at


def commit(actor: Actor, at: datetime) -> None:
    actor.do(lambda connection: claims.commit_at(connection, at))


def test_it_is_committed_at_its_instant_and_its_run_begins_then(stage: Stage) -> None:
    actor, at = held(stage, stage.worker())
    assert stage.rows("SELECT FROM pgcron.cron_log") == []
    commit(actor, at)
    row = stage.row("SELECT clock_timestamp() AS now, * FROM pgcron.cron_log")
    assert row["started_at"] == row["scheduled_for"] == at <= row["now"]
    job = stage.row("SELECT * FROM pgcron.cron_job")
    assert (job["last_run_at"], job["covers_from"], job["running_count"]) == (at, at, 1)
    assert stage.broken_invariants() == []


def test_an_edit_that_waits_for_the_job_comes_first(stage: Stage) -> None:
    actor, at = held(stage, stage.worker())
    admin = stage.actor(stage.url)
    disabled = admin.start_saying("SELECT pgcron.disable('job')")
    admin.waits_for_a_lock()
    with pytest.raises(psycopg.errors.SerializationFailure):
        commit(actor, at)
    actor.rollback()
    disabled.result(10)
    assert stage.rows("SELECT FROM pgcron.cron_log") == []
    assert stage.row("SELECT is_enabled, running_count FROM pgcron.cron_job") == {
        "is_enabled": False,
        "running_count": 0,
    }
    assert stage.broken_invariants() == []


@pytest.mark.parametrize(
    "done", ["SELECT pgcron.pause_all()", "SELECT pgcron.set_limit('queue', 'default', 0)",
             "SELECT pgcron.set_blackout('b', clock_timestamp(), clock_timestamp() + interval '1 h')"],
)  # fmt: skip
def test_a_pause_of_the_fleet_and_a_new_rule_come_first(stage: Stage, done: str) -> None:
    actor, at = held(stage, stage.worker())
    stage.do(done)
    with pytest.raises(psycopg.errors.SerializationFailure):
        commit(actor, at)
    actor.rollback()
    assert stage.rows("SELECT FROM pgcron.cron_log") == []


def test_what_nobody_waits_for_is_not_in_its_way(stage: Stage) -> None:
    """Others that wait for one another are no business of its."""
    actor, at = held(stage, stage.worker())
    stage.job("other", due=None)
    one, two = stage.actor(stage.url), stage.actor(stage.url)
    one.say("BEGIN")
    one.say("SELECT pgcron.disable('other')")
    second = two.start_saying("SELECT pgcron.enable('other')")
    two.waits_for_a_lock()
    commit(actor, at)
    one.commit()
    second.result(10)
    assert len(stage.rows("SELECT FROM pgcron.cron_log")) == 1


def test_jobs_that_run_or_are_asked_to_run_are_left_to_a_claim_at_their_time(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    running, asked, quiet = (
        stage.job(name, due=0 if name == "running" else None) for name in ("running", "asked", "quiet")
    )
    assert len(actor.claim(worker)) == 1
    stage.do("SELECT pgcron.run_now('asked')")
    for job in (running, asked, quiet):
        stage.make_due(job, -SOON)
    at = instant_of(stage, quiet)
    assert [job.id for job in lock_ahead(actor, worker, at)] == [quiet]
    actor.rollback()


def test_two_workers_share_what_is_due_at_one_instant(stage: Stage) -> None:
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    jobs = [stage.job(f"job {index}", due=-SOON) for index in range(3)]
    at = instant_of(stage, jobs[-1])
    first = lock_ahead(one, worker, at)
    assert {job.id for job in first} == set(jobs)
    assert lock_ahead(two, worker, at) == []
    two.rollback()
    write_ahead(one, worker, at, first)
    commit(one, at)
    assert len(stage.rows("SELECT FROM pgcron.cron_log")) == 3


@pytest.mark.parametrize(
    "done", ["SELECT", "SELECT pgcron.pause_all()", "SELECT pgcron.set_limit('queue', 'default', 0)"]
)
def test_a_connection_is_warmed_up_whatever_it_would_give_way_to(stage: Stage, done: str) -> None:
    stage.do(done)
    actor = stage.actor()
    actor.do(claims.warm_up)
    assert actor.say("SELECT now() = clock_timestamp()") == [(False,)]
    assert actor.connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


class Starter:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def submit(self, orders: list[Order]) -> None:
        self.told.append(f"submit {len(orders)}")

    def make_ready(self, orders: list[Order]) -> None:
        self.told.append(f"ready {len(orders)}")

    def begin_ready(self) -> None:
        self.told.append("begin")

    def forget_ready(self) -> None:
        self.told.append("forget")


def claim_ahead(
    stage: Stage, actor: Actor, at: datetime, rooms: tuple[int, ...] = (300,), most: int = 300
) -> tuple[int | None, list[str], Book]:
    book, starter = Book(), Starter()
    claiming = Claiming(book, DatabaseClock(), SILENT, starter)
    claiming.worker_id = stage.worker()

    async def steps(connection: psycopg.AsyncConnection) -> int | None:
        view = await claims.look(connection, [HANDLER], None)
        return await claiming.claim_ahead(connection, [(view, room) for room in rooms], at, most)

    return actor.do(steps), starter.told, book


def test_its_runs_are_made_ready_before_and_begin_after_the_commit(stage: Stage) -> None:
    at = instant_of(stage, stage.job(due=-SOON))
    claimed, told, book = claim_ahead(stage, stage.actor(), at)
    assert (claimed, told, len(book.runs)) == (1, ["ready 1", "begin"], 1)


def test_it_takes_no_more_than_there_is_room_for_of_a_kind_and_of_all(stage: Stage) -> None:
    for index in range(9):
        at = instant_of(stage, stage.job(f"job {index}", due=-SOON))
    claimed, told, book = claim_ahead(stage, stage.actor(), at, rooms=(4, 4), most=6)
    assert (claimed, told, len(book.runs)) == (6, ["ready 4", "ready 2", "begin"], 6)


def test_runs_of_a_claim_that_gave_way_are_forgotten(stage: Stage) -> None:
    at = instant_of(stage, stage.job(due=-SOON))
    stage.do("CREATE FUNCTION pgcron.pauses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN UPDATE pgcron.cron_meta SET paused_at = clock_timestamp(); RETURN NULL; END $$")  # fmt: skip
    stage.do("CREATE TRIGGER pauses AFTER INSERT ON pgcron.cron_log EXECUTE FUNCTION pgcron.pauses()")
    claimed, told, book = claim_ahead(stage, stage.actor(), at)
    assert (claimed, told, book.runs) == (None, ["ready 1", "forget"], {})
    assert stage.rows("SELECT FROM pgcron.cron_log") == []


def test_runs_of_a_claim_that_the_database_refused_are_forgotten_and_the_jobs_are_left(stage: Stage) -> None:
    at = instant_of(stage, stage.job(due=-SOON))
    stage.do("ALTER TABLE pgcron.cron_log ADD CONSTRAINT refused CHECK (false)")
    claimed, told, book = claim_ahead(stage, stage.actor(), at)
    assert (claimed, told, book.runs) == (None, ["forget"], {})
    assert stage.row("SELECT running_count, next_run_at FROM pgcron.cron_job") == {
        "running_count": 0,
        "next_run_at": at,
    }
