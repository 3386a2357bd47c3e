"""While others commit much, a backlog is claimed for a share of the time; single runs never wait."""

from __future__ import annotations

import threading

import psycopg
import pytest
from structlog import get_logger
from structlog.testing import capture_logs

from pgcron_workers.giving_way import BUSY, EVERY, FORGOTTEN, LARGE, LONGEST, GivingWay
from support.fleet import Fleet, wait_for
from support.steps import Stage

TRANSACTIONS = "DO $$ BEGIN FOR n IN 1..{} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
ROUND = 0.01  # seconds
SHARE = 0.25


class Rounds:
    """Rounds of claims by a clock of their own, on a real server."""

    def __init__(self, stage: Stage, share: float = SHARE) -> None:
        self.stage, self.actor, self.now = stage, stage.actor(), 100.0
        self.giving_way = GivingWay(get_logger(), share, clock=lambda: self.now)

    def rest_after(self, seconds: float, *, others: float = 0, runs: int = LARGE, took: float = ROUND) -> float:
        """Of a round that ends so much later, in which others wrote so many transactions a second."""
        if others:
            self.stage.do(TRANSACTIONS.format(round(others * seconds)))
        self.now += seconds
        self.actor.do(lambda connection: self.giving_way.after(connection, self.now - took, runs))
        return self.giving_way.rest


@pytest.fixture
def rounds(stage: Stage) -> Rounds:
    return Rounds(stage)


def test_who_is_alone_claims_at_full_speed(rounds: Rounds) -> None:
    assert [rounds.rest_after(EVERY, others=BUSY / 2) for _ in range(4)] == [0, 0, 0, 0]


def test_while_others_commit_much_it_claims_for_a_share_of_its_time(rounds: Rounds) -> None:
    with capture_logs() as logs:
        rounds.rest_after(EVERY)
        for _ in range(2):
            assert rounds.rest_after(EVERY, others=2 * BUSY) == pytest.approx(ROUND / SHARE - ROUND)
        assert rounds.rest_after(EVERY / 2) > 0  # it is too soon for another look
        rounds.now += 1
        assert rounds.rest_after(EVERY) == 0
    assert [line["event"] for line in logs] == ["gives_way", "claims_at_full_speed"]
    assert logs[0]["transactions_a_second"] >= 2 * BUSY


def test_several_workers_have_the_share_together(rounds: Rounds) -> None:
    for _ in range(3):
        rounds.stage.worker()
    rounds.rest_after(EVERY)
    assert rounds.rest_after(EVERY, others=2 * BUSY) == pytest.approx(3 * ROUND / SHARE - ROUND)


def test_however_slow_a_claim_was_it_does_not_rest_for_long(rounds: Rounds) -> None:
    rounds.rest_after(EVERY)
    assert rounds.rest_after(EVERY, others=2 * BUSY, took=10 * LONGEST) == pytest.approx(LONGEST)


def test_a_claim_of_few_runs_is_no_backlog(rounds: Rounds) -> None:
    rounds.rest_after(EVERY)
    assert rounds.rest_after(EVERY, others=2 * BUSY, runs=LARGE - 1) == 0


def test_with_the_whole_share_it_never_rests(stage: Stage) -> None:
    rounds = Rounds(stage, share=1)
    assert [rounds.rest_after(EVERY, others=2 * BUSY) for _ in range(3)] == [0, 0, 0]


def test_what_others_did_long_ago_says_nothing(rounds: Rounds) -> None:
    rounds.rest_after(EVERY)
    assert rounds.rest_after(FORGOTTEN, others=2 * BUSY) == 0


def test_a_worker_gives_way_until_the_others_are_done_and_runs_what_is_asked_for_meanwhile(fleet: Fleet) -> None:
    fleet.app("""
        @app.handler("noop")
        async def noop(): ...
    """)
    fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, is_exclusive, overlap_policy, max_running) "
        "SELECT 'job ' || n, '0 0 1 1 *', 'noop', false, 'allow_all', 100 FROM generate_series(1, 1000) n"
    )
    fleet.do(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) SELECT j.id, 'backfill', timestamptz '2026-01-01' + n * interval '1 min' "
        "FROM pgcron.cron_job j, generate_series(1, 15) n"
    )
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('asked', '0 0 1 1 *', 'noop')")
    is_over = threading.Event()

    def others() -> None:
        with psycopg.connect(fleet.url, autocommit=True) as connection:
            while not is_over.is_set():
                connection.execute(TRANSACTIONS.format(2000))

    thread = threading.Thread(target=others)
    thread.start()
    try:
        worker = fleet.start("--concurrency", "1000")
        worker.says('"gives_way"')
        fleet.do("SELECT pgcron.run_now('asked')")
        fleet.ended("asked")
    finally:
        is_over.set()
        thread.join()
    wait_for(
        lambda: not fleet.rows("SELECT FROM pgcron.cron_request WHERE state = 'PENDING' LIMIT 1"), "all is claimed"
    )
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []
