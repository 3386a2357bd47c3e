"""The filter of lists of runs as it stands in the URL: read, checked field by field, and written into links."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, LiteralString, get_args
from urllib.parse import urlencode
from uuid import UUID

from litestar.params import Parameter

from pgcron_admin.database import Connection
from pgcron_admin.parameters import instant_of
from pgcron_admin.queries.runs import Cause, Reason, RunFilter
from pgcron_admin.screens import marks
from pgcron_admin.screens.jobs import many, one_or_none
from pgcron_admin.screens.queries import JOB_OF
from pgcron_py.errors import InvalidArguments

Long = Annotated[str, Parameter(max_length=200)]
STATUSES: dict[str, str] = {"": "All", "RUNNING": "Running", "SUCCESS": "Success", "FAILED": "Failed"}
CAUSES: tuple[str, ...] = get_args(Cause)
REASONS: dict[str, str] = {reason: marks.REASONS.get(reason, "Error") for reason in get_args(Reason)}
GROUP = re.compile("[0-9a-f]{16}")
WORKERS: LiteralString = """
SELECT worker_id::text AS id, host || ', pid ' || pid AS name FROM pgcron.workers
WHERE is_alive OR coalesce(ended_at, beat_at, started_at) > clock_timestamp() - interval '24 hours' OR worker_id::text = %(chosen)s
ORDER BY started_at DESC LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """As it was typed. error: a group of errors. search: a part of the error."""

    status: str = ""
    job: str = ""
    cause: str = ""
    reason: str = ""
    worker: str = ""
    since: str = ""
    until: str = ""
    search: str = ""
    error: str = ""

    def query(self, **changes: str) -> str:
        """With its question mark; '' for none."""
        told = {name: value for name, value in (asdict(self) | changes).items() if value}
        return f"?{urlencode(told)}" if told else ""

    @property
    def is_any(self) -> bool:
        return self == Asked()


@dataclass(frozen=True, slots=True)
class Wanted:
    """problems: by field, what is wrong and what to do; then nothing is looked for. job_name: as it is, not as it was typed."""

    asked: Asked
    filter: RunFilter
    problems: dict[str, str] = field(default_factory=dict)

    def browser(self) -> dict[str, Any]:
        """For frontend/src/runs.js, which counts new runs that match. isOver: no new run can. isNarrow: it can't tell how many of those it isn't told."""
        asked, found = self.asked, self.filter
        told = {
            "status": asked.status, "job": str(found.job or ""), "cause": asked.cause, "reason": asked.reason, "worker": asked.worker,
            "search": asked.search,
        }  # fmt: skip
        return told | {"isOver": bool(asked.until or asked.error or self.problems), "isNarrow": any(told.values())}


async def wanted_of(connection: Connection, asked: Asked, job: UUID | None = None) -> Wanted:
    """job: in whose page the list is."""
    asked = replace(asked, **{name: value.strip() for name, value in asdict(asked).items()})
    problems: dict[str, str] = {}
    if job is None and asked.job:
        row = await one_or_none(connection, JOB_OF, {"key": asked.job})
        job = row["id"] if row else None
        if row is None:
            problems["job"] = f"No job is named {asked.job!r}: give the whole name, or search the jobs."
    for name, words, allowed in (
        ("status", "status", STATUSES),
        ("cause", "cause", CAUSES),
        ("reason", "reason", REASONS),
    ):
        if (value := getattr(asked, name)) and value not in allowed:
            problems[name] = f"{value!r} is no {words}: choose one of the list."
    if asked.error and not GROUP.fullmatch(asked.error):
        problems["error"] = f"{asked.error!r} names no group of errors: choose one of those that are listed."
    found: dict[str, Any] = {}
    for name in ("since", "until"):
        try:
            found[name] = instant_of(getattr(asked, name) or None, name)
        except InvalidArguments as error:
            problems[name] = f"{error}: {error.hint}"
    try:
        worker = UUID(asked.worker) if asked.worker else None
    except ValueError:
        worker, problems["worker"] = None, f"{asked.worker!r} is no worker: choose one of the list."
    if problems:
        return Wanted(asked, RunFilter(job=job), problems)
    status: Any = asked.status or None
    return Wanted(
        asked,
        RunFilter(
            job=job, status=status, cause=asked.cause or None, reason=asked.reason or None, worker=worker, search=asked.search or None,
            error_group=asked.error or None, **found,
        ),
    )  # fmt: skip


async def workers_to_choose(connection: Connection, chosen: str) -> list[dict[str, Any]]:
    return await many(connection, WORKERS, {"chosen": chosen})
