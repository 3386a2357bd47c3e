"""The overview, health as the database sees it, and what this installation is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency

import pgcron_py
from pgcron_admin.database import Database
from pgcron_admin.kept import Kept
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.alerts import open_alerts, unread_messages
from pgcron_admin.queries.job_states import JobCounts, job_counts
from pgcron_admin.queries.kill_switch import FleetAnswer, fleet_of
from pgcron_admin.queries.overview import (
    Day,
    HealthCheckAnswer,
    NextStartAnswer,
    NowRunningAnswer,
    StuckRun,
    day_of,
    health_checks,
    next_starts,
    now_running,
    stuck_runs,
)
from pgcron_admin.settings import AdminSettings
from pgcron_admin.wire import Answer

DAY_KEPT_S = 10.0
ALERTS_MOST = 100
# What is nobody's business who only looks: where things are, and what they are signed or opened with.
HIDDEN = frozenset({
    "database_url", "secret", "metrics_token", "jwt_key", "jwt_jwks", "jwt_issuer", "jwt_audience", "trusted_proxies", "allowed_hosts",
})  # fmt: skip

DATABASE: LiteralString = """
SELECT m.schema_version, m.min_worker_schema, m.adopted_at, (SELECT max(a.version_num) FROM pgcron.alembic_version a) AS revision,
  current_setting('server_version') AS server_version, pg_is_in_recovery() AS is_standby, current_database() AS database,
  w.every_ms AS alerts_every_ms, w.no_worker_after_ms, w.silent_after_ms, b.per_second AS retries_per_second, b.burst AS retries_burst
FROM pgcron.cron_meta m, pgcron.cron_watch w, pgcron.cron_retry_budget b
"""


class AttentionAnswer(Answer):
    """One reason to look. what: which; see: the path of the API that tells more."""

    severity: Literal["critical", "warning"]
    what: str
    message: str
    see: str
    job_id: UUID | None
    since: datetime | None


class OverviewAnswer(Answer):
    """attention: the most pressing first. oldestRunningMs: null when nothing runs. openAlerts: at most 100 are counted."""

    fleet: FleetAnswer
    jobs: JobCounts
    day: Day
    oldest_running_ms: int | None
    open_alerts: int
    unread_messages: int
    attention: list[AttentionAnswer]
    running: list[NowRunningAnswer]
    upcoming: list[NextStartAnswer]


class DatabaseAbout(Answer):
    """revision: of the schema. isStandby: it only reads."""

    database: str
    server_version: str
    is_standby: bool
    schema_version: int
    min_worker_schema: int
    revision: str | None
    adopted_at: datetime
    alerts_every_ms: int
    no_worker_after_ms: int
    silent_after_ms: int
    retries_per_second: float
    retries_burst: int


class AboutAnswer(Answer):
    """version: of this admin. admin: its settings, without those that are secret or say where things are."""

    version: str
    licence: str
    database: DatabaseAbout
    admin: dict[str, Any]


class Days:
    """The figures of a day, kept for ten seconds: they are the costliest of the overview."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: Kept[Day] = Kept(DAY_KEPT_S)

    async def last(self) -> Day:
        return await self._kept.get("day", self._read)

    async def _read(self) -> Day:
        async with self._database.read() as connection:
            return await day_of(connection)


@get("/overview", guards=[requires(Permission.VIEW)])
async def show_overview(database: NamedDependency[Database], days: NamedDependency[Days]) -> OverviewAnswer:
    """The figures of the first page, and what needs somebody's attention."""
    day = await days.last()
    async with database.read() as connection:
        fleet, counts = await fleet_of(connection), await job_counts(connection)
        checks, stuck = await health_checks(connection), await stuck_runs(connection)
        running, upcoming = await now_running(connection), await next_starts(connection)
        alerts, unread = await open_alerts(connection, ALERTS_MOST), await unread_messages(connection)
    return OverviewAnswer(
        fleet=fleet, jobs=counts, day=day, oldest_running_ms=running[0].running_ms if running else None, open_alerts=len(alerts),
        unread_messages=unread, attention=_attention(checks, stuck), running=running, upcoming=upcoming,
    )  # fmt: skip


@get("/health-checks", guards=[requires(Permission.VIEW)])
async def list_health_checks(database: NamedDependency[Database]) -> list[HealthCheckAnswer]:
    """What is wrong, as the database sees it, also with no worker alive: a row for each check, the most pressing first."""
    async with database.read() as connection:
        return list(await health_checks(connection))


@get("/settings", guards=[requires(Permission.VIEW)])
async def show_settings(database: NamedDependency[Database], settings: NamedDependency[AdminSettings]) -> AboutAnswer:
    """Which version this is, at which revision its schema, and how it is set. Nothing secret."""
    async with database.read() as connection:
        row = await (await connection.execute(DATABASE)).fetchone()
    assert row is not None
    told = {_camel(name): value for name, value in settings.model_dump().items() if name not in HIDDEN}
    return AboutAnswer(version=pgcron_py.__version__, licence="Apache-2.0", database=DatabaseAbout(**row), admin=told)


# Where each check's rows are found.
SEE = {
    "paused": "/api/fleet", "workers": "/api/workers", "no_worker": "/api/alerts?kind=no_worker", "late": "/api/alerts?kind=late",
    "slow": "/api/alerts?kind=slow", "unsuccessful": "/api/alerts?kind=unsuccessful", "overdue": "/api/cron-jobs?state=overdue",
    "failing": "/api/cron-jobs?state=failing", "schedules": "/api/cron-jobs?state=invalid", "lost_runs": "/api/runs?status=RUNNING",
    "notifications": "/api/deliveries?state=GIVEN_UP",
}  # fmt: skip


def _attention(checks: Sequence[HealthCheckAnswer], stuck: Sequence[StuckRun]) -> list[AttentionAnswer]:
    """What the checks found comes in their order: the critical first."""
    found = [
        AttentionAnswer(
            severity=check.state, what=check.name, message=check.message, see=SEE.get(check.name, "/api/health-checks"), job_id=None, since=None
        )
        for check in checks
        if check.state != "ok"
    ]  # fmt: skip
    found += [
        AttentionAnswer(
            severity="warning", what="stuck_run", since=run.started_at, job_id=run.job_id, see=f"/api/runs/{run.run_id}",
            message=f"{run.job} runs since {run.running_ms // 1000} s, which is usually over after {run.expected_ms / 1000:.1f} s",
        )
        for run in stuck
    ]  # fmt: skip
    return sorted(found, key=lambda it: it.severity != "critical")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)
