"""Who waits for whom, and what is looked at again after the wait."""

from __future__ import annotations

import psycopg
import pytest
from structlog import get_logger

from pgcron_py.storage import claims, runs
from pgcron_workers.reaper import Reaper
from support.steps import Stage, success


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a step may take longer than a worker would wait for a lock."""
    monkeypatch.setattr(claims, "BEGIN", claims.BEGIN.replace("lock_timeout = '1s'", "lock_timeout = '10s'"))


def test_a_finish_that_waits_for_its_job_holds_no_run(stage: Stage) -> None:
    """Job before run: the reaper, which has the job, must get the run."""
    job = stage.job()
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    (run,) = one.claim(worker)
    one.say("BEGIN")
    one.say("SELECT 1 FROM pgcron.cron_job WHERE id = %s FOR NO KEY UPDATE", job)
    end = success(stage, run)
    finishing = two.start(lambda connection: runs.finish_runs(connection, worker, [end]))
    two.waits_for_a_lock()
    one.say("SELECT 1 FROM pgcron.cron_log WHERE id = %s FOR UPDATE NOWAIT", run)
    one.commit()
    assert finishing.result(10) == {run: "recorded"}


def test_a_reaper_waits_for_the_claim_of_the_worker_it_buries_and_then_ends_its_run(stage: Stage) -> None:
    stage.job()
    worker, claimer, reaper = stage.worker(), stage.actor(), stage.actor()
    now, jobs = claimer.begin_claim(worker)
    stage.lapse(worker)
    duty = Reaper(None, get_logger(), lambda: None)  # type: ignore[arg-type]  # one round on the actor's connection
    reaping = reaper.start(lambda connection: duty._reap(connection, worker))
    reaper.waits_for_a_lock()
    (run,) = claimer.write_claim(worker, now, jobs)
    claimer.commit()
    assert reaping.result(10)
    assert stage.row("SELECT id, reason FROM pgcron.cron_log") == {"id": run, "reason": "lost"}
    assert stage.broken_invariants() == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE pgcron.cron_job SET next_run_at = next_run_at + interval '1 year'",  # as a claim does
        "SELECT pgcron.disable('job')",
        "UPDATE pgcron.cron_job SET schedule = '@hourly'",
    ],
)
def test_a_job_that_changed_after_the_claims_snapshot_is_looked_at_again_under_its_lock(
    stage: Stage, meanwhile: str
) -> None:
    """EvalPlanQual. The claim has its snapshot, and waits for its worker's row, before it comes to the job's."""
    stage.job()
    worker, other, claimer = stage.worker(), stage.actor(stage.url), stage.actor()
    other.say("BEGIN")
    other.say("SELECT 1 FROM pgcron.cron_worker FOR UPDATE")
    claiming = claimer.start(lambda connection: claimer.claim_steps(connection, worker))
    claimer.waits_for_a_lock()
    stage.do(meanwhile)
    other.commit()
    assert claiming.result(10) == (None, [])


def test_a_request_waits_for_whoever_has_its_job_and_is_refused_when_that_one_disabled_it(stage: Stage) -> None:
    job = stage.job(due=None)
    one, two = stage.actor(stage.url), stage.actor(stage.url)
    one.say("BEGIN")
    one.say("SELECT pgcron.disable('job')")
    asking = two.start_saying("INSERT INTO pgcron.cron_request (job_id) VALUES (%s)", job)
    two.waits_for_a_lock()
    one.commit()
    with pytest.raises(psycopg.Error, match="disabled"):
        asking.result(10)
    assert stage.broken_invariants() == []
