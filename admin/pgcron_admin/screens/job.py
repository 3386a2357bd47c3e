"""A job's page: how it is, how it went, and why; and what can be done to it there."""

from __future__ import annotations

import csv
import io
from typing import Any, LiteralString

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from psycopg.errors import LockNotAvailable, QueryCanceled

from pgcron_admin import commands
from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.parameters import instant_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.error_groups import group_of_run
from pgcron_admin.queries.job_history import SPANS, Range, buckets_of, days_of, durations_over, last_ends
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.calendar import calendar, first_day
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import NOTICES, Text, job_of, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run import GROUP_OVER
from pgcron_admin.screens.run_form import OVERLAPS, defaults
from pgcron_py.errors import JobNotFound, PgCronError
from pgcron_py.storage.sqlstates import http_status

SHOWN_RUNS = 8
ONE_SECOND: LiteralString = "SET LOCAL statement_timeout = '1s'"


def range_of(text: str) -> Range:
    return next((known for known in SPANS if known == text), "7d")


@get("/jobs/{key:str}", guards=[requires(Permission.VIEW)])
async def show_job(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], done: Text = "", range: Text = "7d",
) -> Response[str]:  # fmt: skip
    return await job_page(key, request, principal, pages, database, told=NOTICES.get(done), range_=range_of(range))


async def job_page(
    key: str, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, told: str | None = None,
    refused: PgCronError | None = None, status: int = 200, range_: Range = "7d", typed: dict[str, str] | None = None,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        now = fleet["now"]
        frame = await frame_of(connection, key, principal)
        runs = await many(
            connection, queries.RUNS, {"job": frame.id, "status": "", "before": None, "limit": SHOWN_RUNS}
        )
        steps = await many(connection, queries.EXPLAIN, {"name": frame.name})
        buckets = await buckets_of(connection, frame.id, range_, now)
        days = await days_of(connection, frame.id, first_day(now.date()))
        ends = await last_ends(connection, frame.id)
        failure = ends.get("failure")
        group = await group_of_run(connection, failure.id, now, GROUP_OVER) if failure else None
        statistics = await _statistics(connection, frame.name)
    return pages.show(
        request, principal, "job.html", http_status=status, title=frame.name, fleet=fleet, now=now, told=told, refused=refused, frame=frame, tab="",
        statistics=statistics, runs=[views.run_line(run) for run in runs], steps=steps, buckets=buckets, ranges=list(SPANS), range=range_,
        calendar=calendar(days, now.date()), ends=ends, error_group=group, typed=typed or {}, values=defaults(frame), problems={}, overlaps=OVERLAPS,
    )  # fmt: skip


async def _statistics(connection: Connection, name: str) -> list[views.Row] | None:
    """None for a job of which no worker has counted so many runs yet: they would have to be counted for this page."""
    try:
        async with connection.transaction():
            await connection.execute(ONE_SECOND)
            return await many(connection, queries.STATISTICS, {"name": name})
    except (QueryCanceled, LockNotAvailable):
        return None


@get("/jobs/{key:str}/durations/{kind:str}", guards=[requires(Permission.VIEW)])
async def show_durations(
    key: FromPath[str], kind: FromPath[str], database: NamedDependency[Database], range: Text = "7d"
) -> Response[bytes]:
    """What the chart shows: `json` for the chart, `csv` for people."""
    chosen = range_of(range)
    async with database.read() as connection:
        name, job = await job_of(connection, key)
        fleet = await one(connection, queries.FLEET)
        if kind != "csv":
            found = await durations_over(connection, job, chosen, fleet["now"])
            return Response(
                msgspec.json.encode(found), media_type="application/json", headers={"Cache-Control": "no-store"}
            )
        buckets = await buckets_of(connection, job, chosen, fleet["now"])
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["from", "runs", "failures", "p50_ms", "p95_ms", "max_ms"])
    rows.writerows(
        [bucket.at.isoformat(), bucket.runs, bucket.failures, bucket.p50, bucket.p95, bucket.most] for bucket in buckets
    )
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:60]
    header = {"Content-Disposition": f'attachment; filename="{safe}-durations-{chosen}.csv"'}
    return Response(text.getvalue().encode(), media_type="text/csv; charset=utf-8", headers=header)


# Permission, as the API asks for it, and what is told when it is done.
DEEDS = {
    "enable": (Permission.ENABLE, "enabled"),
    "disable": (Permission.ENABLE, "disabled"),
    "skip-next": (Permission.ENABLE, "skipped"),
}


def deed(word: str) -> Any:
    """The route of POST /jobs/{name}/{word}: done, then back to the job; or the job's page with what was refused."""
    permission, told = DEEDS[word]

    @post(f"/jobs/{{key:str}}/{word}", guards=[requires(permission)], name=f"page_{word}")
    async def do(
        key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
        database: NamedDependency[Database],
    ) -> Response[Any]:  # fmt: skip
        reason = data.get("reason", "").strip()[:1000] or None
        try:
            until = instant_of(data.get("until", "").strip()[:40] or None, "until")
            async with database.transaction(principal, reason=reason) as connection:
                name, job = await job_of(connection, key)
                row = await commands.locked(connection, job)
                if word == "disable":
                    await commands.disable(connection, row, reason, until)
                elif word == "enable":
                    await commands.enable(connection, row)
                else:
                    await commands.skip_next(connection, row)
        except JobNotFound:
            raise
        except PgCronError as error:
            return await job_page(
                key, request, principal, pages, database, refused=error, status=http_status(error), typed=data
            )
        return Redirect(f"{facts_of(request.scope).base_path}{views.job_path(name, job)}?done={told}", status_code=303)

    return do
