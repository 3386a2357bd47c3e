"""The audit: read, verified, undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.app.jobs import require
from pgcron_py.app.session import Caller, Connection, rows, transaction, value

LIST = """
SELECT audit_id, at, action, job, job_version, old_values, new_values, coalesce(actor, db_role) AS actor, reason, application, client_address
  FROM pgcron.audit WHERE %(job)s::uuid IS NULL OR job_id = %(job)s ORDER BY at DESC, audit_id LIMIT %(limit)s
"""
VERIFY = "SELECT position, audit_id, problem FROM pgcron.verify_audit()"
COUNTS = "SELECT (SELECT count(*) FROM pgcron.cron_audit), (SELECT count(*) FROM pgcron.cron_audit_seal)"
REVERT = "SELECT pgcron.revert(%(id)s)"


@dataclass(frozen=True, slots=True)
class Entry:
    """old_values, new_values: the fields that changed, or the whole definition of a job that was created or deleted."""

    audit_id: UUID
    at: datetime
    action: str
    job: str | None
    job_version: int | None
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    actor: str
    reason: str | None
    application: str | None
    client_address: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """position: in the chain; None for an entry that was never sealed."""

    position: int | None
    audit_id: UUID | None
    problem: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """entries, sealed: how many there are; what was written in the last seconds is not sealed yet."""

    entries: int
    sealed: int
    problems: Sequence[Problem]


def entries(connection: Connection, job: str | None, limit: int) -> Sequence[Entry]:
    """The newest first. Raises JobNotFound."""
    with transaction(connection):
        return rows(connection, Entry, LIST, {"job": None if job is None else require(connection, job), "limit": limit})


def verify(connection: Connection) -> Verdict:
    with transaction(connection, limit="300s"):
        problems = rows(connection, Problem, VERIFY)
        counts = connection.execute(COUNTS).fetchone()
        assert counts is not None
        return Verdict(counts[0], counts[1], problems)


def revert(connection: Connection, audit_id: UUID, caller: Caller) -> str:
    """The job's name. Raises NotFound, InvalidArguments, JobLocked."""
    with transaction(connection, caller):
        return str(value(connection, REVERT, {"id": audit_id}))
