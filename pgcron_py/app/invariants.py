"""What must be true at any instant, asked of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgcron_py.app.session import Connection, rows, transaction, value

CHECK = "SELECT invariant, job, detail FROM pgcron.check_invariants()"
# Each invariant is one RETURN QUERY of the function: so the number shown is that of this very database.
COUNT = """
SELECT cardinality(regexp_split_to_array(p.prosrc, 'RETURN QUERY')) - 1 FROM pg_proc p
 WHERE p.oid = 'pgcron.check_invariants()'::regprocedure
"""


@dataclass(frozen=True, slots=True)
class Violation:
    """invariant: its name. detail: the evidence."""

    invariant: str
    job: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Invariants:
    count: int
    violations: Sequence[Violation]


def check_invariants(connection: Connection) -> Invariants:
    """Each statement may take 60 s: it reads every run."""
    with transaction(connection, limit="60s"):
        return Invariants(value(connection, COUNT), rows(connection, Violation, CHECK))
