"""The claim of what was just asked for by hand: one statement that decides only what needs no deciding, as the claim would."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.words import JobId, RunId, WorkerId
from pgcron_py.storage import claims
from support.steps import HANDLER, Actor, Stage

LEFT = "WHERE state = 'PENDING'"
# What the ids, clocks and counters of two jobs can't have in common.
WRITTEN_RUN = """
SELECT to_jsonb(l) - '{id,job_id,request_id,started_at}'::text[] AS run,
  to_jsonb(r) - '{id,job_id,run_id,run_after,created_at,ended_at,idempotency_key}'::text[] AS request, r.run_id = l.id AS is_answer, r.ended_at IS NOT NULL AS has_ended,
  to_jsonb(j) - '{id,name,anchor_at,ledger_from,covers_from,created_at,updated_at,last_run_at,next_run_at,next_scheduled_for,claim_at,replan_at,planned,planned_from}'::text[] AS job,
  j.last_run_at IS NOT NULL AS has_run, j.next_run_at = j.claim_at AS waits_for_its_schedule
  FROM pgcron.cron_log l JOIN pgcron.cron_request r ON r.id = l.request_id JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = %s
"""


def claim_asked(actor: Actor, worker: WorkerId, *jobs: UUID, handler: str = HANDLER) -> list[tuple[Job, NewRun]]:
    asked = {JobId(job): RunId(uuid4()) for job in jobs}
    found = actor.do(lambda c: claims.claim_asked(c, worker, asked, [handler], None, "1.0"))
    assert all(asked[job.id] == run.id for _, job, run in found)
    return [(job, run) for _, job, run in found]


def test_it_writes_what_the_claim_would(stage: Stage) -> None:
    worker = stage.worker()
    for name in ("asked", "claimed"):
        job = stage.job(name, due=None, args={"a": 1}, timeout_ms=5000)
        stage.do("SELECT pgcron.run_now(%s, p_args => '{\"a\": 2}')", name)
        if name == "asked":
            ((before, run),) = claim_asked(stage.actor(), worker, job)
        else:
            assert len(stage.actor().claim(worker)) == 1
    assert stage.row(WRITTEN_RUN, "asked") == stage.row(WRITTEN_RUN, "claimed")
    assert (before.timing.name, before.run_seq, before.timeout_ms, run.seq, run.request and run.request.args) == (
        "asked", 0, 5000, 1, {"a": 2},
    )  # fmt: skip
    assert stage.broken_invariants() == []


def test_of_jobs_of_which_nothing_was_asked_nothing_is_claimed(stage: Stage) -> None:
    due, far = stage.job("due"), stage.job("far", due=None)
    assert claim_asked(stage.actor(), stage.worker(), due, far, uuid4()) == []


@pytest.mark.parametrize(
    "obstacle",
    [
        "SELECT pgcron.pause_all()",
        "SELECT pgcron.set_limit('queue', 'default', 5)",
        "UPDATE pgcron.cron_job SET next_run_at = clock_timestamp(), next_scheduled_for = clock_timestamp()",
        "UPDATE pgcron.cron_job SET needs_plan = true",
        "UPDATE pgcron.cron_job SET min_version = '2'",
        "UPDATE pgcron.cron_job SET running_count = 1",
        "UPDATE pgcron.cron_request SET run_after = clock_timestamp() + interval '1 h'",
        "INSERT INTO pgcron.cron_request (job_id, cause) SELECT id, 'retry' FROM pgcron.cron_job",
        "UPDATE pgcron.cron_request SET cause = 'retry'",
        "UPDATE pgcron.cron_worker SET state = 'DEAD'",
        "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp()",
    ],
)
def test_what_needs_a_decision_is_left_to_the_claim(stage: Stage, obstacle: str) -> None:
    job, worker = stage.job(due=None), stage.worker()
    stage.do("SELECT pgcron.run_now('job')")
    stage.do(obstacle)
    assert claim_asked(stage.actor(), worker, job) == []
    assert stage.rows(f"SELECT FROM pgcron.cron_request {LEFT}") != []
    assert stage.rows("SELECT FROM pgcron.cron_log") == []


def test_handlers_of_others_are_left_to_them(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("SELECT pgcron.run_now('job')")
    assert claim_asked(stage.actor(), stage.worker(), job, handler="another") == []


def test_one_of_two_workers_gets_it_and_neither_waits(stage: Stage) -> None:
    job, worker = stage.job(due=None), stage.worker()
    stage.do("SELECT pgcron.run_now('job')")
    one, two = stage.actor(), stage.actor()
    one.say("BEGIN")
    assert len(claim_asked(one, worker, job)) == 1
    assert claim_asked(two, worker, job) == []
    one.commit()
    assert claim_asked(two, worker, job) == []
    assert stage.broken_invariants() == []
