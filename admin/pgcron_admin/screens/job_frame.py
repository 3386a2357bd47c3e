"""What all tabs of a job share: its name, how it is, what keeps it from running, what may be done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.controllers.cron_jobs import SQL_HANDLER
from pgcron_admin.database import Connection
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.arguments import Field, fields_of
from pgcron_admin.screens.jobs import job_of, last_runs, one
from pgcron_admin.screens.views import JobLine, Row

HANDLER: LiteralString = """
SELECT (SELECT count(*) FROM pgcron.workers w WHERE w.is_alive) AS workers,
  (SELECT count(*) FROM pgcron.workers w WHERE w.is_alive AND %(handler)s = ANY (w.handlers)) AS with_it,
  (SELECT h.parameters FROM pgcron.cron_handler h WHERE h.name = %(handler)s) AS parameters
"""
STATE: LiteralString = """
SELECT j.disabled_at, j.disabled_by, j.disabled_reason, j.disabled_until, j.skip_until, j.app, j.release, j.origin, j.undeclared_at
FROM pgcron.cron_job j WHERE j.id = %(job)s
"""
TABS = (
    ("", "Overview"), ("/runs", "Runs"), ("/timing", "Schedule"), ("/configuration", "Configuration"), ("/notifications", "Notifications"), ("/audit", "Audit"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobFrame:
    """job: its row of job_status and what is beside it. state: who disabled it, until when, and who declares it.

    is_handler_missing: workers live, and none has its handler. fields: of its arguments, where the handler's are known; None: JSON.
    """

    id: UUID
    name: str
    path: str
    job: Row
    line: JobLine
    state: Row
    workers: int
    is_handler_missing: bool
    parameters: dict[str, Any] | None
    fields: list[Field] | None
    may_set_arguments: bool
    tabs: list[tuple[str, str]]


async def frame_of(connection: Connection, key: str, principal: Principal) -> JobFrame:
    """Raises JobNotFound."""
    name, id_ = await job_of(connection, key)
    row = await one(connection, queries.JOB, {"job": id_})
    state = await one(connection, STATE, {"job": id_})
    handler = await one(connection, HANDLER, {"handler": row["handler"]})
    bars = await last_runs(connection, [id_])
    path = views.job_path(name, id_)
    tabs = [(path + end, word) for end, word in TABS if word != "Audit" or principal.may(Permission.AUDIT_READ)]
    return JobFrame(
        id=id_, name=name, path=path, job=row, line=views.job_line(row, bars[id_]), state=state, workers=handler["workers"],
        is_handler_missing=handler["workers"] > 0 and handler["with_it"] == 0, parameters=handler["parameters"],
        fields=fields_of(handler["parameters"], row["args"]), tabs=tabs,
        may_set_arguments=row["handler"] != SQL_HANDLER or principal.may(Permission.SQL_EDIT),
    )  # fmt: skip
