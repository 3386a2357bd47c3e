"""The audit: who changed what, from where and why; verified, exported, undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.parameters import Reason, instant, instant_of, words
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.audit import (
    AuditFilter,
    EntryAnswer,
    EntryDetailAnswer,
    all_entries,
    entry_of,
    page_of_entries,
)
from pgcron_admin.wire import Answer, Body
from pgcron_py.app.auditing import REVERT, VERIFY
from pgcron_py.errors import PgCronError

VERIFY_WITHIN_S = 60
PROBLEMS_MOST = 1000
NDJSON = "application/x-ndjson"
SUMMARY: LiteralString = "SELECT (SELECT count(*) FROM pgcron.cron_audit) AS entries, (SELECT count(*) FROM pgcron.cron_audit_seal) AS sealed"

Actor = Annotated[str | None, words("By this actor, such as web:ana.")]
Action = Annotated[str | None, words("This action, such as job_disabled.")]
JobId = Annotated[UUID | None, QueryParameter(name="jobId", description="About this job.")]
Since = Annotated[str | None, instant("Not before this.", "since")]
Until = Annotated[str | None, instant("Before this.", "until")]
Search = Annotated[str | None, words("A part of anything in an entry.")]

_verifying = asyncio.Lock()


class RevertBody(Body):
    """reason: for the audit."""

    reason: Reason | None = None


class RevertAnswer(Answer):
    """The job whose change was undone, and its version now."""

    job_id: UUID
    job: str
    version: int


class AuditProblemAnswer(Answer):
    """position: in the chain; null for an entry that was never sealed."""

    position: int | None
    audit_id: UUID | None
    problem: str


class VerdictAnswer(Answer):
    """isIntact: the chain has no break. What was written in the last seconds is not sealed yet. problems: the first thousand."""

    is_intact: bool
    entries: int
    sealed: int
    problems: list[AuditProblemAnswer]


@get("/audit", guards=[requires(Permission.AUDIT_READ)])
async def list_entries(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    actor: Actor = None,
    action: Action = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    search: Search = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[EntryAnswer]]:
    """Entries of the audit, the newest first. Further pages: the header `Link`."""
    wanted = _filter(actor, action, job_id, since, until, search)
    async with database.read() as connection:
        entries, following = await page_of_entries(connection, wanted, limit, cursor, cursors)
    return Response(entries, headers=link_to_next(request, following))


@get(
    "/audit/export", guards=[requires(Permission.AUDIT_READ)], media_type=NDJSON,
    responses={200: ResponseSpec(data_container=str, media_type=NDJSON, description="An entry on each line, as in the list.")},
)  # fmt: skip
async def export_entries(
    database: NamedDependency[Database],
    actor: Actor = None,
    action: Action = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    search: Search = None,
) -> Stream:
    """All entries of a filter, the newest first, as NDJSON. An export that could not be finished ends with a line `{"error": …}`."""
    wanted = _filter(actor, action, job_id, since, until, search)
    parts = all_entries(database, wanted)
    first: list[EntryAnswer] = await anext(
        parts, []
    )  # what is wrong with the database is an answer, not half an export

    async def lines() -> AsyncIterator[bytes]:
        try:
            yield _as_lines(first)
            async for part in parts:
                yield _as_lines(part)
        except PgCronError as error:
            yield msgspec.json.encode({"error": str(error)}) + b"\n"

    name = 'attachment; filename="pgcron-audit.ndjson"'
    return Stream(lines(), media_type=NDJSON, headers={"Content-Disposition": name})


@get("/audit/verify", guards=[requires(Permission.AUDIT_READ)])
async def verify_audit(database: NamedDependency[Database]) -> VerdictAnswer:
    """Follow the chain of hashes from its beginning: was anything changed or deleted since? One at a time; a long audit takes a while."""
    async with _verifying, database.read(VERIFY_WITHIN_S) as connection:
        rows = await (await connection.execute(VERIFY)).fetchmany(PROBLEMS_MOST)
        counts = await (await connection.execute(SUMMARY)).fetchone()
    assert counts is not None
    return VerdictAnswer(**counts, is_intact=not rows, problems=[AuditProblemAnswer(**row) for row in rows])


@get("/audit/{audit_id:uuid}", guards=[requires(Permission.AUDIT_READ)])
async def show_entry(audit_id: FromPath[UUID], database: NamedDependency[Database]) -> EntryDetailAnswer:
    """One entry, with what changed, field by field."""
    async with database.read() as connection:
        return await entry_of(connection, audit_id)


@post("/audit/{audit_id:uuid}/revert", status_code=200, guards=[requires(Permission.SCHEDULE_EDIT)])
async def revert_entry(
    audit_id: FromPath[UUID],
    data: JSONBody[RevertBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> RevertAnswer:
    """Undo one change of a job: its fields get their values from before."""
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(REVERT, {"id": audit_id})
        row = await (await connection.execute(REVERTED, {"id": audit_id})).fetchone()
    assert row is not None
    return RevertAnswer(**row)


REVERTED: LiteralString = """
SELECT j.id AS job_id, j.name AS job, j.version FROM pgcron.audit a JOIN pgcron.cron_job j ON j.id = a.job_id WHERE a.audit_id = %(id)s
"""


def _filter(
    actor: str | None, action: str | None, job: UUID | None, since: str | None, until: str | None, search: str | None
) -> AuditFilter:
    return AuditFilter(
        actor=actor, action=action, job=job, since=instant_of(since, "since"), until=instant_of(until, "until"), search=search
    )  # fmt: skip


def _as_lines(entries: list[EntryAnswer]) -> bytes:
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
