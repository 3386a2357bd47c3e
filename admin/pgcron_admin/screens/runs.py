"""All runs: filtered by URL, page by page, several at a time, by group of errors."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import Parameter
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.error_groups import error_groups
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.entry import safe_path
from pgcron_admin.screens.jobs import ID, Text, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_filter import CAUSES, REASONS, STATUSES, Asked
from pgcron_admin.screens.run_list import BY_ID, run_list
from pgcron_py.errors import PgCronError

Cursor = Annotated[str, Parameter(max_length=1000)]
CHOICES = {"statuses": STATUSES, "causes": CAUSES, "reasons": REASONS}
WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DONE = re.compile("(retried|cancelled)-([0-9]{1,3})")
REFUSALS_SHOWN = 10


@get("/runs", guards=[requires(Permission.VIEW)])
async def list_runs(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    cursors: NamedDependency[Cursors], status: Text = "", job: Text = "", cause: Text = "", reason: Text = "", worker: Text = "", since: Text = "",
    until: Text = "", search: Text = "", error: Text = "", cursor: Cursor = "", done: Text = "",
) -> Response[str]:  # fmt: skip
    asked = Asked(status, job, cause, reason, worker, since, until, search, error)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        found = await run_list(connection, asked, cursor or None, cursors, fleet["now"])
    return pages.show(
        request, principal, "runs.html", http_status=400 if found.wanted.problems else 200, title="Runs", fleet=fleet, now=fleet["now"], told=told_of(done),
        list=found, **CHOICES,
    )  # fmt: skip


@get("/runs/rows", guards=[requires(Permission.VIEW)])
async def show_run_rows(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    ids: Annotated[str, Parameter(max_length=10_000)] = "", of: Text = "",
) -> Response[str]:  # fmt: skip
    """Rows that changed, each to be put in the place of the old one. of: `job`, where they stand without its name."""
    wanted = [UUID(text) for text in ids.split(",")[: queries.PAGE] if ID.fullmatch(text)]
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, BY_ID, {"ids": wanted})
    return pages.show(
        request, principal, "run_rows_live.html", now=fleet["now"], runs=[views.run_line(row) for row in rows], with_job=of != "job",
    )  # fmt: skip


@get("/runs/errors", guards=[requires(Permission.VIEW)])
async def list_errors(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    window: Text = "7d",
) -> Response[str]:  # fmt: skip
    chosen = window if window in WINDOWS else "7d"
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        groups = await error_groups(connection, fleet["now"], WINDOWS[chosen])
    return pages.show(
        request, principal, "run_errors.html", title="Errors", fleet=fleet, now=fleet["now"], told=None, groups=groups, window=chosen, windows=list(WINDOWS),
        most=max((group.count for group in groups), default=1),
    )  # fmt: skip


@post("/runs/bulk", guards=[requires(Permission.TRIGGER)])
async def change_runs(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
) -> Response[Any]:  # fmt: skip
    """The runs that were ticked, each by itself: one that is refused leaves the others alone."""
    form = await request.form()
    ids = [UUID(text) for text in form.getall("run", [])[: queries.PAGE] if ID.fullmatch(str(text))]
    word = "cancelled" if form.get("do") == "cancel" else "retried"
    refused: list[tuple[UUID, str]] = []
    for id_ in ids:
        try:
            async with database.transaction(principal) as connection:
                if word == "cancelled":
                    await commands.cancel_run(connection, id_, None, force=False)
                else:
                    await commands.retry_run(connection, id_, None)
        except PgCronError as error:
            refused.append((id_, str(error)))
    back = safe_path(str(form.get("back", "/runs")))
    if ids and not refused:
        joined = "&" if "?" in back else "?"
        return Redirect(f"{facts_of(request.scope).base_path}{back}{joined}done={word}-{len(ids)}", status_code=303)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        found = await run_list(connection, Asked(), None, cursors, fleet["now"])
    return pages.show(
        request, principal, "runs.html", http_status=409 if ids else 400, title="Runs", fleet=fleet, now=fleet["now"], told=None, list=found,
        refused=refused[:REFUSALS_SHOWN], refused_more=max(len(refused) - REFUSALS_SHOWN, 0), done_count=len(ids) - len(refused), back=back, word=word,
        **CHOICES,
    )  # fmt: skip


def told_of(done: str) -> str | None:
    match = DONE.fullmatch(done)
    if match is None:
        return None
    runs = f"{match[2]} run" if match[2] == "1" else f"{match[2]} runs"
    return f"{runs} asked for again." if match[1] == "retried" else f"The workers of {runs} are asked to end them."
