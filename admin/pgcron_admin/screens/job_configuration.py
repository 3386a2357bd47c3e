"""The tab of a job with all of its definition: what each field means here, who may change it where; and deleting the job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import JobAnswer
from pgcron_admin.queries.jobs import job_of as answer_of
from pgcron_admin.screens import formats, queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import job_of, one
from pgcron_admin.screens.json_tree import tree
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_form import OVERLAPS, defaults
from pgcron_py.errors import InvalidArguments, JobNotFound, PgCronError
from pgcron_py.storage.sqlstates import http_status


@dataclass(frozen=True, slots=True)
class Setting:
    """column: what it is called in SQL and, in camel case, in the API."""

    word: str
    value: str | datetime
    column: str


@dataclass(frozen=True, slots=True)
class Group:
    word: str
    settings: list[Setting]


GROUPS: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    ("What runs", (("Handler", "handler"), ("Queue", "queue"), ("Priority", "priority"), ("Needs release", "min_version"), ("Runs alone", "runs_alone"),
                   ("Memory limit (MiB)", "memory_limit_mib"), ("Output kept", "log_level"))),
    ("When", (("Schedule", "schedule"), ("Time zone", "timezone"), ("Also", "extra_schedules"), ("But not", "excluded_schedules"), ("From", "start_at"),
              ("Until", "end_at"), ("Runs at most", "max_runs"), ("Jitter", "jitter_ms"), ("Hour that doesn't exist", "dst_gap"), ("Hour that comes twice", "dst_fold"))),
    ("How it runs", (("Timeout", "timeout_ms"), ("Attempts", "max_attempts"), ("Wait before the next", "backoff_ms"), ("at most", "backoff_max_ms"),
                     ("Retried on", "retry_on"), ("Not on", "no_retry_on"), ("Idempotent", "is_idempotent"))),
    ("When it is late or busy", (("Overlap", "overlap_policy"), ("Running at most", "max_running"), ("Catch-up", "catchup_policy"),
                                 ("Catches up over", "catchup_window_ms"), ("Too late after", "starting_deadline_ms"))),
    ("When it fails", (("Disabled after failures in a row", "max_consecutive_failures"), ("Notifies on failure", "notify_on_failure"),
                       ("Must succeed every", "must_succeed_every_ms"), ("Late after", "late_after_ms"), ("Slow after", "slow_after_ms"),
                       ("Slow at times the usual", "slow_factor"), ("Pings", "ping_url"))),
    ("What is kept", (("Runs for days", "retention_days"), ("Runs at most", "retention_count"))),
    ("Whose it is", (("Owner", "owner"), ("Tags", "tags"), ("Origin", "origin"), ("Declared by", "app"), ("Release", "release"),
                     ("Declared schedule", "declared_schedule"), ("Version", "version"), ("Created", "created_at"), ("Changed", "updated_at"))),
)  # fmt: skip


def groups_of(job: JobAnswer) -> list[Group]:
    return [
        Group(word, [Setting(name, _told(column, getattr(job, column)), column) for name, column in settings])
        for word, settings in GROUPS
    ]


def _told(column: str, value: Any) -> str | datetime:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.endswith("_ms"):
        return formats.duration(value)
    if isinstance(value, datetime):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@get("/jobs/{key:str}/configuration", guards=[requires(Permission.VIEW)])
async def show_configuration(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    return await _page(key, request, principal, pages, database)


async def _page(
    key: str, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, typed: str = "", problem: str | None = None,
    refused: PgCronError | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        frame = await frame_of(connection, key, principal)
        job = await answer_of(connection, frame.id, principal)
    return pages.show(
        request, principal, "job_configuration.html", http_status=status, title=f"Configuration of {frame.name}", fleet=fleet, now=fleet["now"], told=None,
        refused=refused, frame=frame, tab="/configuration", groups=groups_of(job), args=tree(job.args), typed=typed, problem=problem,
        values=defaults(frame), problems={}, overlaps=OVERLAPS,
    )  # fmt: skip


@post("/jobs/{key:str}/delete", guards=[requires(Permission.SCHEDULE_EDIT)])
async def delete_job(
    key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    typed, reason = data.get("confirm", "")[:300], data.get("reason", "").strip()[:1000] or None
    try:
        async with database.transaction(principal, reason=reason) as connection:
            name, job = await job_of(connection, key)
            row = await commands.locked(connection, job)
            if typed != name:
                raise InvalidArguments(
                    f"{typed!r} is not the name of this job: write {name!r} to delete it", field="confirm"
                )
            await commands.delete(connection, row)
    except JobNotFound:
        raise
    except InvalidArguments as error:
        return await _page(key, request, principal, pages, database, typed=typed, problem=str(error), status=400)
    except PgCronError as error:
        return await _page(
            key, request, principal, pages, database, typed=typed, refused=error, status=http_status(error)
        )
    return Redirect(facts_of(request.scope).base_path + "/jobs", status_code=303)
