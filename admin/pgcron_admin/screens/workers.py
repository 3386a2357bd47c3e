"""The workers of the fleet: who lives, what they have under way and what they lack, who has gone; and how the database sees it all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin import commands
from pgcron_admin.database import Connection
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.overview import health_checks
from pgcron_admin.screens import marks, queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import Text, many
from pgcron_admin.screens.marks import Mark
from pgcron_admin.screens.views import Row
from pgcron_admin.screens.visits import Visit
from pgcron_py.errors import PgCronError

LATE_BEAT = 0.5  # of its lease: two beats were due by then
RUNS_SHOWN = 8
RUNS_MOST = 100_000
# What each did in the last hour: its part of the log, which is in the order of ids, and never more than so many rows.
LAST_HOUR: LiteralString = """
WITH recent AS MATERIALIZED (SELECT l.worker_id, l.status FROM pgcron.cron_log l
  WHERE l.id >= pgcron.uuid_v7_at(clock_timestamp() - interval '1 hour') ORDER BY l.id DESC LIMIT %(most)s)
SELECT r.worker_id, count(*) AS runs, count(*) FILTER (WHERE r.status = 'FAILED') AS failures FROM recent r GROUP BY r.worker_id
"""
LOST: LiteralString = """
WITH recent AS MATERIALIZED (SELECT l.worker_id, l.reason FROM pgcron.cron_log l
  WHERE l.id >= pgcron.uuid_v7_at(clock_timestamp() - interval '24 hours') ORDER BY l.id DESC LIMIT %(most)s)
SELECT r.worker_id, count(*) AS runs FROM recent r WHERE r.reason = 'lost' AND r.worker_id = ANY (%(workers)s) GROUP BY r.worker_id
"""
RUNNING: LiteralString = """
SELECT r.worker_id, r.run_id, r.run, r.running_ms FROM pgcron.running r WHERE r.worker_id = ANY (%(workers)s) ORDER BY r.started_at LIMIT 2000
"""
# Handlers that jobs name and that others of the same application have: a release that is not rolled out everywhere, or another build.
NEEDED: LiteralString = "SELECT DISTINCT handler FROM pgcron.cron_job WHERE is_enabled"


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """row: of pgcron.workers. per_minute, failing: of the last hour. missing: handlers that its application has elsewhere. lost: its runs that others gave up."""

    row: Row
    mark: Mark
    is_late: bool
    runs: list[Row]
    per_minute: float
    failing: float | None
    missing: list[str]
    lost: int


@get("/workers", guards=[requires(Permission.VIEW)])
async def list_workers(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    return await _page(visit, told="The worker was asked to drain." if done == "drained" else None)


@post("/workers/{worker_id:uuid}/drain", guards=[requires(Permission.MANAGE)])
async def drain_worker(worker_id: FromPath[UUID], data: Form, visit: NamedDependency[Visit]) -> Response[Any]:
    reason = data.get("reason", "").strip()[:1000] or None
    try:
        async with visit.database.transaction(visit.principal, reason=reason) as connection:
            await commands.drain_worker(connection, worker_id, reason)
    except PgCronError as error:
        return await _page(visit, refused=error)
    return visit.back("/workers?done=drained")


async def _page(visit: Visit, told: str | None = None, refused: PgCronError | None = None) -> Response[str]:
    async with visit.database.read() as connection:
        cards = await _cards(connection)
        checks = await health_checks(connection)
        return await visit.show(
            connection, "workers.html", title="Workers", told=told, refused=refused, checks=checks, shown=RUNS_SHOWN,
            live=[card for card in cards if card.row["is_alive"]], gone=[card for card in cards if not card.row["is_alive"]],
        )  # fmt: skip


async def _cards(connection: Connection) -> list[WorkerCard]:
    rows = await many(connection, queries.WORKERS)
    live = [row for row in rows if row["is_alive"]]
    hour = {row["worker_id"]: row for row in await many(connection, LAST_HOUR, {"most": RUNS_MOST})}
    running: dict[UUID, list[Row]] = defaultdict(list)
    for run in await many(connection, RUNNING, {"workers": [row["worker_id"] for row in live]}):
        running[run["worker_id"]].append(run)
    dead = [row["worker_id"] for row in rows if row["state"] == "DEAD"]
    lost = (
        {row["worker_id"]: row["runs"] for row in await many(connection, LOST, {"workers": dead, "most": RUNS_MOST})}
        if dead
        else {}
    )
    needed = {row["handler"] for row in await many(connection, NEEDED)}
    of_app: dict[str | None, set[str]] = defaultdict(set)
    for row in live:
        of_app[row["app"]] |= needed.intersection(row["handlers"])
    return [
        _card(
            row,
            hour.get(row["worker_id"]),
            running[row["worker_id"]],
            of_app[row["app"]],
            lost.get(row["worker_id"], 0),
        )
        for row in rows
    ]


def _card(row: Row, hour: Row | None, runs: list[Row], of_app: set[str], lost: int) -> WorkerCard:
    missing = sorted(of_app.difference(row["handlers"])) if row["is_alive"] else []
    is_late = bool(row["is_alive"] and row["lease_left"] is not None and row["lease_left"] < LATE_BEAT)
    return WorkerCard(
        row, marks.of_worker(row["state"], row["is_alive"]), is_late, runs, hour["runs"] / 60 if hour else 0.0,
        hour["failures"] / hour["runs"] if hour and hour["runs"] else None, missing, lost,
    )  # fmt: skip
