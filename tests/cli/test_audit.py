"""`pgcron audit`: list, verify, revert."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg

Pgcron = Any


def test_changes_are_listed_verified_and_reverted(pgcron: Pgcron, job: str, connection: psycopg.Connection) -> None:
    pgcron("jobs", "edit", job, "--timeout", "90", "--reason", "it is slow")
    listed = pgcron("audit", "list", "--job", job, "--json").json
    assert [(it["action"], it["reason"]) for it in listed] == [("job_changed", "it is slow"), ("job_created", None)]
    assert "timeout_ms: 30000 -> 90000" in pgcron("audit", "list").out
    connection.execute("SELECT pgcron.seal_audit()")
    assert pgcron("audit", "verify").out == "the record is whole: 2 of 2 entries are sealed\n"
    assert pgcron("audit", "revert", listed[0]["audit_id"]).out == "nightly is as it was before that change\n"
    assert pgcron("jobs", "show", job, "--json").json["timeout_ms"] == 30_000
    connection.execute("SET session_replication_role = replica")
    connection.execute("DELETE FROM pgcron.cron_audit WHERE action = 'job_created'")
    forged = pgcron("audit", "verify")
    assert (forged.code, "the entry was deleted" in forged.out) == (3, True)
    assert "no audit entry is" in pgcron("audit", "revert", str(uuid4())).err
