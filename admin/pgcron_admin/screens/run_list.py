"""A page of runs with all that its template needs: for /runs, and for the tab of a job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.queries.runs import RunAnswer, RunFacetsAnswer, facets_of, page_of_runs
from pgcron_admin.screens import marks
from pgcron_admin.screens.jobs import many
from pgcron_admin.screens.queries import PAGE
from pgcron_admin.screens.run_filter import Asked, Wanted, wanted_of, workers_to_choose
from pgcron_admin.screens.views import RunLine, job_path
from pgcron_py.errors import InvalidArguments

DAY = timedelta(days=1)
NO_FACETS = RunFacetsAnswer(total=0, is_complete=True, statuses={}, reasons={}, causes={})
ZONES: LiteralString = "SELECT id, timezone FROM pgcron.cron_job WHERE id = ANY (%(ids)s)"
BY_ID: LiteralString = """
SELECT r.run_id, r.run, r.job, r.job_id, r.seq, r.status, r.reason, r.skip_reason, r.cause, r.attempt, r.scheduled_for, r.started_at, r.completed_at,
  r.duration_ms, r.lag_ms, r.error, r.requested_by, r.timezone FROM pgcron.runs r WHERE r.run_id = ANY (%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class RunList:
    """next_page: the cursor of the page that follows. over_day: the counts are of the last 24 hours, for no beginning was asked for."""

    wanted: Wanted
    runs: list[RunLine]
    facets: RunFacetsAnswer
    workers: list[dict[str, Any]]
    next_page: str | None
    is_first: bool
    over_day: bool

    @property
    def asked(self) -> Asked:
        return self.wanted.asked

    @property
    def newest(self) -> str:
        return str(self.runs[0].id) if self.runs else ""


async def run_list(
    connection: Connection, asked: Asked, cursor: str | None, cursors: Cursors, now: datetime, job: UUID | None = None
) -> RunList:
    """job: of this one only. A cursor that is none is no error here: the list begins at its beginning."""
    wanted = await wanted_of(connection, asked, job)
    workers = await workers_to_choose(connection, wanted.asked.worker)
    if wanted.problems:
        return RunList(wanted, [], NO_FACETS, workers, None, True, False)
    try:
        found, following = await page_of_runs(connection, wanted.filter, PAGE, cursor, cursors)
    except InvalidArguments:
        cursor = None
        found, following = await page_of_runs(connection, wanted.filter, PAGE, None, cursors)
    counted = wanted.filter if wanted.filter.since else replace(wanted.filter, since=now - DAY)
    facets = await facets_of(connection, counted)
    return RunList(
        wanted,
        await run_lines(connection, found),
        facets,
        workers,
        following,
        cursor is None,
        wanted.filter.since is None,
    )


async def run_lines(connection: Connection, runs: Iterable[RunAnswer]) -> list[RunLine]:
    found = list(runs)
    rows = await many(connection, ZONES, {"ids": list({run.job_id for run in found})})
    zones = {row["id"]: row["timezone"] for row in rows}
    return [line_of(run, zones.get(run.job_id, "UTC")) for run in found]


def line_of(run: RunAnswer, zone: str) -> RunLine:
    return RunLine(
        id=run.id, name=f"{run.job}#{run.seq}", job=run.job, job_path=job_path(run.job, run.job_id), seq=run.seq,
        mark=marks.of_run(run.status, run.reason, was_skipped=run.skip_reason is not None), cause=run.cause, attempt=run.attempt,
        scheduled_for=run.scheduled_for, started_at=run.started_at, completed_at=run.completed_at, duration_ms=run.duration, lag_ms=run.lag_ms,
        error=run.error, requested_by=run.requested_by, zone=zone,
    )  # fmt: skip
