"""Transactional handlers: effects, record and counters in one COMMIT, on a connection that nothing else uses meanwhile.

The guard: a savepoint of a random name and the transaction's id. Whatever a handler does to the transaction (a raw COMMIT,
a ROLLBACK, even COMMIT; BEGIN; SAVEPOINT x), at least one of them is gone at the end, and the run FAILED as tx_broken.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from psycopg.pq import TransactionStatus

from pgcron_py.domain.words import Reason, RunId, WorkerId
from pgcron_py.storage.runs import FINISH_RUN, MARK_BACKEND, Finish

BROKEN_HINT = "the handler ended the transaction that records its run: it must not COMMIT or ROLLBACK"


class TransactionBroken(Exception):
    """The handler ended or aborted the transaction that records its run."""

    reason = Reason.TX_BROKEN


class Guard:
    """The statements around a transactional handler, in their order. One connection, one run; sync and async share them."""

    def __init__(self, worker_id: WorkerId, run_id: RunId, timeout_ms: int | None) -> None:
        self.worker_id = worker_id
        self.run_id = run_id
        self.savepoint = f"pgcron_{secrets.token_hex(8)}"
        limit = 0 if timeout_ms is None else timeout_ms + 30_000
        self.limits = (
            "SELECT set_config('statement_timeout', %(limit)s, true), set_config('idle_in_transaction_session_timeout', %(limit)s, true), "
            "set_config('client_connection_check_interval', '1s', true), pg_current_xact_id()::text"
        )
        self.limit_values = {"limit": str(limit)}

    mark_backend = MARK_BACKEND

    def owner(self, is_pooled: bool) -> dict[str, Any]:
        return {"worker": self.worker_id, "run": self.run_id, "is_pooled": is_pooled}

    @property
    def check(self) -> str:
        return f"RELEASE SAVEPOINT {self.savepoint}"

    @property
    def undo(self) -> str:
        """What the handler wrote, for a run that turned out to have nothing to do."""
        return f"ROLLBACK TO SAVEPOINT {self.savepoint}"

    xact_id = "SELECT pg_current_xact_id()::text"
    finish = FINISH_RUN

    def finish_values(self, finish: Finish) -> dict[str, Any]:
        return {"worker": self.worker_id, "run": json.dumps(finish.as_json())}


def must_not_be_over(status: TransactionStatus) -> None:
    """Raises TransactionBroken when there is no transaction any more, healthy or not."""
    if status not in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        raise TransactionBroken(BROKEN_HINT)


def must_be_in_transaction(status: TransactionStatus) -> None:
    """Raises TransactionBroken unless the connection is in a healthy transaction."""
    if status == TransactionStatus.INERROR:
        raise TransactionBroken("a statement failed and its error was not raised again: the transaction is aborted")
    if status != TransactionStatus.INTRANS:
        raise TransactionBroken(BROKEN_HINT)
