"""What is wrong and goes on, and the inbox that tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter, QueryParameter

from pgcron_admin.controllers import alerts
from pgcron_admin.cursors import Cursors
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.alerts import AlertAnswer, AlertState, page_of_alerts, page_of_messages
from pgcron_admin.queries.channels import mutes_of
from pgcron_admin.screens import formats, queries
from pgcron_admin.screens.forms import ManyForm, as_the_api, body_of, reason, text
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.marks import Mark
from pgcron_admin.screens.views import job_path
from pgcron_admin.screens.visits import Visit

PAGE = 50
StateWord = Annotated[str, QueryParameter(name="state", max_length=200)]  # `state` is Litestar's own
STATES: dict[str, str] = {"open": "Open", "unacknowledged": "Unacknowledged", "resolved": "Resolved", "all": "All"}
KINDS = {
    "failing": Mark("Failing", "circle-x", "failed"), "late": Mark("Late", "timer-off", "waiting"), "missed": Mark("Missed", "circle-slash", "waiting"),
    "slow": Mark("Slow", "hourglass", "waiting"), "unsuccessful": Mark("No success in time", "triangle-alert", "failed"),
    "no_worker": Mark("No worker", "server-off", "failed"), "fleet_silent": Mark("Fleet silent", "octagon-alert", "failed"),
}  # fmt: skip
NOTICES = {"acknowledged": "Acknowledged: it counts as trouble no more.", "read": "All messages are read."}


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert in the list. told: what is known of it, in a line."""

    id: UUID
    mark: Mark
    job: str | None
    job_path: str | None
    opened_at: datetime
    resolved_at: datetime | None
    count: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    muted_until: datetime | None
    told: str


def told_of(kind: str, detail: dict[str, Any]) -> str:
    if detail.get("error"):
        return f"{detail['run']}: {detail['error']}" if detail.get("run") else str(detail["error"])
    limit, took = formats.duration(detail.get("limit_ms")), formats.duration(detail.get("duration_ms"))
    match kind:
        case "slow":
            return f"takes {took}, usually no more than {limit}"
        case "late":
            return f"not started {limit} after it was due"
        case "missed":
            count = formats.plural(detail.get("misses") or 1, "occurrence", "occurrences")
            return f"{count} missed: {str(detail.get('reason', '')).replace('_', ' ')}"
        case "unsuccessful":
            return f"no success for {limit}"
        case "no_worker":
            return f"no live worker has its handler {detail.get('handler', '')}".strip()
        case _:
            return "no worker lives"


def line_of(alert: AlertAnswer, muted: dict[str | None, datetime]) -> AlertLine:
    path = job_path(alert.job, alert.job_id) if alert.job and alert.job_id else None
    until = (
        [at for at in (muted.get(alert.job), muted.get(None)) if at is not None] if alert.resolved_at is None else []
    )
    return AlertLine(
        alert.id, KINDS[alert.kind], alert.job, path, alert.opened_at, alert.resolved_at, alert.count, alert.acknowledged_at, alert.acknowledged_by,
        max(until, default=None), told_of(alert.kind, alert.detail),
    )  # fmt: skip


@get("/alerts", guards=[requires(Permission.VIEW)])
async def list_alerts(
    visit: NamedDependency[Visit], cursors: NamedDependency[Cursors], wanted: StateWord = "open", after: Text = "", done: Text = ""
) -> Response[str]:  # fmt: skip
    chosen: AlertState = wanted if wanted in STATES else "open"  # type: ignore[assignment]  # checked against its words
    async with visit.database.read() as connection:
        found, following = await page_of_alerts(connection, chosen, None, None, PAGE, after or None, cursors)
        now = (await one(connection, queries.FLEET))["now"]
        # Windows of all channels: others hold back only some of the messages.
        muted = {it.job: it.ends_at for it in await mutes_of(connection) if it.channel is None and it.starts_at <= now}
        return await visit.show(
            connection, "alerts.html", title="Alerts", told=NOTICES.get(done), alerts=[line_of(alert, muted) for alert in found], states=STATES,
            chosen=chosen, following=following, is_first=not after,
        )  # fmt: skip


@post("/alerts/{alert_id:uuid}/acknowledge", guards=[requires(Permission.ENABLE)])
async def acknowledge(alert_id: FromPath[UUID], data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    body = body_of(alerts.AcknowledgeBody, {"reason": reason(data)})
    await as_the_api(alerts.acknowledge_alert, alert_id=alert_id, data=body, principal=visit.principal, database=visit.database)  # fmt: skip
    return visit.back("/alerts?done=acknowledged")


@get("/alerts/inbox", guards=[requires(Permission.VIEW)])
async def show_inbox(
    visit: NamedDependency[Visit], cursors: NamedDependency[Cursors], show: Annotated[Literal["unread", "all"], Parameter()] = "unread", after: Text = "", done: Text = ""
) -> Response[str]:  # fmt: skip
    async with visit.database.read() as connection:
        found, following = await page_of_messages(connection, show == "all", PAGE, after or None, cursors)
        return await visit.show(
            connection, "alerts_inbox.html", title="Inbox", told=NOTICES.get(done), messages=found, chosen=show, following=following,
            is_first=not after,
        )  # fmt: skip


@post("/alerts/inbox/read", guards=[requires(Permission.ENABLE)])
async def mark_read(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """One message, or all."""
    one_of_them = text(data, "message")
    body = body_of(alerts.ReadBody, {"ids": [one_of_them] if one_of_them else None})
    await as_the_api(alerts.mark_read, data=body, principal=visit.principal, database=visit.database)
    return visit.back("/alerts/inbox" if one_of_them else "/alerts/inbox?done=read")
