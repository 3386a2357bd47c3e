"""Leases: an outage takes nobody's, silence takes one's own, and a beat in the last moment keeps it."""

from __future__ import annotations

from uuid import UUID

from structlog import get_logger

from pgcron_py.domain.words import WorkerId
from pgcron_workers.reaper import Reaper
from support.steps import Stage

TTL = 10.0


def beat(stage: Stage, worker: WorkerId) -> None:
    stage.do("SELECT pgcron.beat(%s, '{}', NULL)", worker)


def silent(stage: Stage, worker: WorkerId, *, lapsed: float, nobody_beat_for: float) -> None:
    """The worker's lease ended `lapsed` seconds ago, and the last beat of anybody was before that, or not."""
    stage.do(
        "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - %s * interval '1 s' WHERE worker_id = %s",
        lapsed, worker,
    )  # fmt: skip
    stage.do("UPDATE pgcron.cron_reaper SET last_tick = clock_timestamp() - %s * interval '1 s'", nobody_beat_for)


def is_valid(stage: Stage, worker: UUID) -> bool:
    valid: bool = stage.row(
        "SELECT lease_until > clock_timestamp() AS valid FROM pgcron.cron_lease WHERE worker_id = %s", worker
    )["valid"]
    return valid


def reap(stage: Stage, worker: WorkerId) -> bool:
    reaper = Reaper(None, get_logger(), lambda: None)  # type: ignore[arg-type]  # one round on the actor's connection
    return stage.actor().do(lambda connection: reaper._reap(connection, worker))


def test_after_an_outage_the_leases_that_it_ended_are_renewed(stage: Stage) -> None:
    silenced, awake = stage.worker(ttl=TTL), stage.worker(ttl=TTL)
    silent(stage, silenced, lapsed=1, nobody_beat_for=0.8 * TTL)
    beat(stage, awake)
    assert is_valid(stage, silenced)
    assert not reap(stage, silenced)


def test_a_lease_is_renewed_for_an_outage_only_once_until_its_worker_beats_again(stage: Stage) -> None:
    silenced, awake = stage.worker(ttl=TTL), stage.worker(ttl=TTL)
    for expected in (True, False):
        silent(stage, silenced, lapsed=1, nobody_beat_for=0.8 * TTL)
        beat(stage, awake)
        assert is_valid(stage, silenced) is expected
    beat(stage, silenced)
    silent(stage, silenced, lapsed=1, nobody_beat_for=0.8 * TTL)
    beat(stage, awake)
    assert is_valid(stage, silenced)


def test_a_lease_that_ended_while_others_beat_or_before_the_outage_is_not_renewed(stage: Stage) -> None:
    silenced, awake = stage.worker(ttl=TTL), stage.worker(ttl=TTL)
    silent(stage, silenced, lapsed=1, nobody_beat_for=0)
    beat(stage, awake)
    assert not is_valid(stage, silenced)
    silent(stage, silenced, lapsed=0.9 * TTL, nobody_beat_for=0.8 * TTL)
    beat(stage, awake)
    assert not is_valid(stage, silenced)


def test_a_beat_without_an_outage_renews_nobody_elses_lease(stage: Stage) -> None:
    silenced, awake = stage.worker(ttl=TTL), stage.worker(ttl=TTL)
    silent(stage, silenced, lapsed=-1, nobody_beat_for=0.1)
    before = stage.row("SELECT lease_until FROM pgcron.cron_lease WHERE worker_id = %s", silenced)
    beat(stage, awake)
    assert stage.row("SELECT lease_until FROM pgcron.cron_lease WHERE worker_id = %s", silenced) == before


def test_a_lapsed_worker_is_reaped_with_its_runs(stage: Stage) -> None:
    stage.job()
    worker = stage.worker(ttl=TTL)
    stage.actor().claim(worker)
    stage.lapse(worker)
    assert reap(stage, worker)
    assert stage.row("SELECT state FROM pgcron.cron_worker") == {"state": "DEAD"}
    assert stage.row("SELECT status, reason FROM pgcron.cron_log") == {"status": "FAILED", "reason": "lost"}
    assert stage.broken_invariants() == []


def test_a_worker_that_beat_after_it_was_found_silent_is_not_reaped(stage: Stage) -> None:
    stage.job()
    worker = stage.worker(ttl=TTL)
    stage.actor().claim(worker)
    stage.lapse(worker)
    beat(stage, worker)
    assert not reap(stage, worker)
    assert stage.row("SELECT state FROM pgcron.cron_worker") == {"state": "LIVE"}
    assert stage.row("SELECT status FROM pgcron.cron_log") == {"status": "RUNNING"}
