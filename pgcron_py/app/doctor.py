"""What is wrong, from outside: the view pgcron.health, and what only this side of the connection sees. No worker need be alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pgcron_py.app.database import current
from pgcron_py.app.session import Connection, rows, session, transaction, value
from pgcron_py.errors import InvalidArguments, PgCronError

State = Literal["ok", "warning", "critical", "unknown"]
ORDER: Sequence[State] = ("critical", "unknown", "warning", "ok")

HEALTH = "SELECT name, state, message, evidence FROM pgcron.health"
CLOCK = "SELECT clock_timestamp()"
CLOCK_MOST = timedelta(seconds=5)

ADVICE = {
    "reachable": "check --database-url or PGCRON_DATABASE_URL, and that the server runs",
    "schema": "`pgcron db adopt` if this copy shall run jobs of its own",
    "revision": "`pgcron db upgrade`",
    "clock": "set the clock of this host or of the server (NTP); jobs follow the server's",
    "paused": "`pgcron resume` when that is over",
    "workers": "start one: `pgcron worker --app MODULE`; `pgcron workers list --all` shows who left and who died",
    "overdue": "`pgcron jobs list` and `pgcron workers list`: is every worker busy, or does none serve their queue?",
    "unsuccessful": "`pgcron runs list JOB` shows what its runs came to",
    "no_worker": "deploy a worker whose application has the handler, or disable the job",
    "late": "more workers, a larger --concurrency, or another hour for the job",
    "slow": "`pgcron runs list JOB`; raise slow_after if that is what it takes now",
    "failing": "`pgcron runs list JOB --status FAILED`, then `pgcron jobs enable JOB`; `pgcron notify ack` says that you care",
    "schedules": "`pgcron jobs show JOB` says what is wrong with it",
    "lost_runs": "start a worker: it ends them, and retries those that may be repeated",
    "notifications": "`pgcron notify list` says why; then `pgcron notify retry`",
    "notify_queue": "some session LISTENs in a transaction that does not end: look for it in pg_stat_activity",
    "connections": "raise max_connections, or put a pooler before everything but the workers",
    "bloat": "end the transaction that holds vacuum back, or VACUUM the tables; is autovacuum on?",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. message: in words. advice: what to do; None when all is well."""

    name: str
    state: State
    message: str
    evidence: dict[str, Any]

    @property
    def advice(self) -> str | None:
        return None if self.state == "ok" else ADVICE.get(self.name)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "state": self.state, "message": self.message, "advice": self.advice, "evidence": self.evidence
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The worst first."""

    findings: Sequence[Finding]

    @property
    def state(self) -> State:
        return next((state for state in ORDER if any(it.state == state for it in self.findings)), "ok")


def diagnose(url: str) -> Diagnosis:
    """Makes every check that can be made. Raises InvalidArguments for a URL that is none."""
    try:
        with session(url) as connection, transaction(connection, limit="15s"):
            found = [_clock(connection), *rows(connection, Finding, HEALTH)]
        found.append(_revision(url))
    except InvalidArguments:
        raise
    except PgCronError as error:
        hint = f" ({error.hint})" if error.hint else ""
        found = [Finding("reachable", "unknown", f"{error}{hint}", {})]
    return Diagnosis(sorted(found, key=lambda it: ORDER.index(it.state)))


def _clock(connection: Connection) -> Finding:
    before = datetime.now(UTC)
    there: datetime = value(connection, CLOCK)
    after = datetime.now(UTC)
    difference = there - (before + (after - before) / 2)
    seconds = round(difference / timedelta(seconds=1), 1)
    state: State = "ok" if abs(difference) - (after - before) < CLOCK_MOST else "warning"
    text = f"the server's clock is {abs(seconds):g} s {'ahead of' if seconds > 0 else 'behind'} this host's"
    return Finding("clock", state, text, {"difference_s": seconds})


def _revision(url: str) -> Finding:
    state = current(url)
    facts = {"revision": state.revision, "head": state.head}
    if state.is_current:
        return Finding("revision", "ok", f"migrated to {state.revision}, the newest that is known here", facts)
    return Finding("revision", "warning", f"migrated to {state.revision}; here {state.head} is known", facts)
