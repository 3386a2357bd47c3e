"""Runs that ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pgcron_py.domain.words import RunId
from support.steps import Stage, success

# Ended runs never change and ids are their times: only a restore, which fires no trigger, could make them old.
AGE = """
UPDATE pgcron.cron_log SET id = (left(pgcron.uuid_v7_at(clock_timestamp() - {0})::text, 13) || substr(id::text, 14))::uuid,
  started_at = started_at - {0}, completed_at = completed_at - {0}, scheduled_for = scheduled_for - {0},
  covers_from = covers_from - {0}, covers_to = covers_to - {0} WHERE id = ANY (%s)
"""


def ended(stage: Stage, job: UUID, count: int, end: Callable[..., Any] = success) -> list[RunId]:
    worker, actor = stage.worker(), stage.actor()
    found = []
    for _ in range(count):
        stage.make_due(job)
        (run,) = actor.claim(worker)
        actor.finish(worker, end(stage, run))
        found.append(run)
    return found


def make_old(stage: Stage, runs: list[RunId], days: int) -> None:
    stage.do("SET session_replication_role = 'replica'")
    stage.do(AGE.format(f"interval '{days} days'"), runs)
    # The ledger began before them, and goes on where the job stands.
    stage.do("UPDATE pgcron.cron_job j SET ledger_from = j.ledger_from - interval '500 days'")
    stage.do("SET session_replication_role = 'origin'")
