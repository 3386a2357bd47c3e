"""One run: its life, what came of it, its other attempts, and ending or repeating it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.error_groups import GroupOfRun, group_of_run
from pgcron_admin.queries.runs import RunAnswer, RunDetailAnswer, run_of
from pgcron_admin.screens import marks, queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.json_tree import Node, tree
from pgcron_admin.screens.life import Life, life_of
from pgcron_admin.screens.marks import Mark
from pgcron_admin.screens.output import LINES, last_lines
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.views import job_path
from pgcron_py.errors import NotFound, PgCronError
from pgcron_py.storage.sqlstates import http_status

GROUP_OVER = timedelta(days=7)
NOTICES = {
    "cancelled": "The worker is asked to end this run.",
    "forced": "The run is ended without asking it.",
    "retried": "Another run was asked for.",
}
# The last success is looked for among so many runs: a job may have failed for years.
JOB: LiteralString = """
SELECT j.is_enabled, j.max_attempts, j.average_duration, (SELECT jsonb_build_object('id', s.id, 'seq', s.seq) FROM (
    SELECT l.id, l.seq, l.status FROM pgcron.cron_log l WHERE l.job_id = j.id AND l.seq < %(seq)s ORDER BY l.seq DESC LIMIT 2000) s
  WHERE s.status = 'SUCCESS' ORDER BY s.seq DESC LIMIT 1) AS last_success,
  (SELECT l.completed_at FROM pgcron.cron_log l WHERE l.job_id = j.id AND l.seq < %(seq)s AND l.status = 'SUCCESS' AND l.seq > %(seq)s - 2000
    ORDER BY l.seq DESC LIMIT 1) AS last_success_at
FROM pgcron.cron_job j WHERE j.id = %(job)s
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    path: str
    seq: int
    attempt: int
    mark: Mark
    is_this: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its page shows it. error_group: None unless it failed. expected_ms: the mean of the job's successes."""

    run: RunDetailAnswer
    name: str
    job_path: str
    mark: Mark
    life: Life
    attempts: list[Attempt]
    attempts_most: int
    is_enabled: bool
    expected_ms: float | None
    args: Node
    result: Node | None
    metadata: Node | None
    progress: Node | None
    error_group: GroupOfRun | None
    last_success: dict[str, Any] | None
    last_success_at: datetime | None


def _view(run: RunDetailAnswer, job: dict[str, Any], group: GroupOfRun | None, now: datetime) -> RunView:
    return RunView(
        run=run, name=f"{run.job}#{run.seq}", job_path=job_path(run.job, run.job_id), mark=_mark(run), life=life_of(run.timeline, now),
        attempts=[_attempt(other, run.id) for other in run.attempts], attempts_most=job["max_attempts"], is_enabled=job["is_enabled"],
        expected_ms=job["average_duration"], args=tree(run.args), result=None if run.result is None else tree(run.result),
        metadata=tree(run.metadata) if run.metadata else None, progress=tree(run.progress) if run.progress else None, error_group=group,
        last_success=job["last_success"], last_success_at=job["last_success_at"],
    )  # fmt: skip


def _mark(run: RunAnswer) -> Mark:
    return marks.of_run(run.status, run.reason, was_skipped=run.skip_reason is not None)


def _attempt(run: RunAnswer, this: UUID) -> Attempt:
    return Attempt(f"/runs/{run.id}", run.seq, run.attempt, _mark(run), run.id == this)


async def view_of(connection: Connection, run_id: UUID, principal: Principal, now: datetime) -> RunView:
    """Raises NotFound."""
    run = await run_of(connection, run_id, with_trace=principal.may(Permission.TRACE_READ))
    job = await one(connection, JOB, {"job": run.job_id, "seq": run.seq})
    group = await group_of_run(connection, run_id, now, GROUP_OVER) if run.status == "FAILED" else None
    return _view(run, job, group, now)


@get("/runs/{run_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_run(
    run_id: FromPath[UUID], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    done: Text = "",
) -> Response[str]:  # fmt: skip
    return await _page(run_id, request, principal, pages, database, told=NOTICES.get(done))


async def _page(
    run_id: UUID, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, told: str | None = None,
    refused: PgCronError | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        view = await view_of(connection, run_id, principal, fleet["now"])
        # A part has no output: the browser has it already, and gets what comes line by line.
        lines = [] if request.headers.get("hx-request") == "true" else await last_lines(connection, run_id)
    return pages.show(
        request, principal, "run.html", http_status=status, title=view.name, fleet=fleet, now=fleet["now"], told=told, refused=refused, view=view,
        run=view.run, lines=lines, is_cut=len(lines) == LINES,
    )  # fmt: skip


@post("/runs/{run_id:uuid}/cancel", guards=[requires(Permission.TRIGGER)], name="page_cancel_run")
async def cancel_run(
    run_id: FromPath[UUID], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    reason, is_forced = data.get("reason", "").strip()[:1000] or None, data.get("force") == "1"
    try:
        async with database.transaction(principal, reason=reason) as connection:
            await commands.cancel_run(connection, run_id, reason, force=is_forced)
    except NotFound:
        raise
    except PgCronError as error:
        return await _page(run_id, request, principal, pages, database, refused=error, status=http_status(error))
    return _back(request, run_id, "forced" if is_forced else "cancelled")


@post("/runs/{run_id:uuid}/retry", guards=[requires(Permission.TRIGGER)], name="page_retry_run")
async def retry_run(
    run_id: FromPath[UUID], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    reason = data.get("reason", "").strip()[:1000] or None
    try:
        async with database.transaction(principal, reason=reason) as connection:
            await commands.retry_run(connection, run_id, reason)
    except NotFound:
        raise
    except PgCronError as error:
        return await _page(run_id, request, principal, pages, database, refused=error, status=http_status(error))
    return _back(request, run_id, "retried")


def _back(request: Request[Any, Any, Any], run_id: UUID, done: str) -> Redirect:
    return Redirect(f"{facts_of(request.scope).base_path}/runs/{run_id}?done={done}", status_code=303)
