"""What a job tells, to whom, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.controllers import channels, job_changes
from pgcron_admin.controllers.job_changes import JobBody
from pgcron_admin.database import Connection
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.channels import DeliveryAnswer
from pgcron_admin.screens import formats, views
from pgcron_admin.screens.channels import MARKS
from pgcron_admin.screens.forms import (
    Filled,
    ManyForm,
    as_duration,
    as_the_api,
    body_of,
    milliseconds,
    reason,
    text,
)
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import Text, job_of, many, one
from pgcron_admin.screens.run_form import OVERLAPS, defaults
from pgcron_admin.screens.visits import Visit
from pgcron_py.errors import InvalidArguments, JobNotFound, PgCronError

FIELDS = ("notifyOnFailure", "lateAfterMs", "slowAfterMs", "slowFactor", "mustSucceedEveryMs", "pingUrl", "reason")
NOTICES = {"saved": "The job's notifications were changed.", "tested": "A worker sends the test message now."}
LIMIT = 25

JOB: LiteralString = """
SELECT name AS job, id AS job_id, version, is_locked, notify_on_failure, max_consecutive_failures, late_after_ms, slow_after_ms, slow_factor,
  must_succeed_every_ms, ping_url FROM pgcron.cron_job WHERE id = %(job)s
"""
# As dispatch_outbox() chooses them; events are those of a job that a channel wants.
CHANNELS: LiteralString = """
SELECT c.id, c.name, c.address, c.is_enabled, c.events, pgcron.muted_until(c.id, j.id) AS muted_until FROM pgcron.cron_job j JOIN pgcron.cron_channel c
  ON (c.tags IS NULL OR j.tags && c.tags) AND (c.jobs IS NULL OR EXISTS (SELECT FROM unnest(c.jobs) p WHERE pgcron.name_matches(j.name, p)))
WHERE j.id = %(job)s ORDER BY c.name LIMIT 200
"""
# Its last messages, and pings that wait; from the alerts of the job, which an index finds.
DELIVERIES: LiteralString = """
SELECT d.id, d.kind, d.channel_id, c.name AS channel, coalesce(o.event, 'ping ' || d.ping) AS event, %(job)s::uuid AS job_id, NULL AS job, d.state,
  d.is_muted, d.attempts, d.created_at, d.ended_at, CASE WHEN d.state = 'PENDING' THEN d.next_attempt_at END AS next_attempt_at,
  d.claim_token IS NOT NULL AS is_on_its_way, d.last_error
FROM (SELECT x.* FROM pgcron.cron_alert a JOIN pgcron.cron_delivery x ON x.alert_id = a.id WHERE a.job_id = %(job)s
      UNION ALL SELECT x.* FROM pgcron.cron_delivery x WHERE x.job_id = %(job)s AND x.kind = 'ping' AND x.state = 'PENDING') d
  LEFT JOIN pgcron.cron_channel c ON c.id = d.channel_id LEFT JOIN pgcron.cron_outbox o ON o.id = d.outbox_id
ORDER BY d.seq DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that a job tells, or doesn't. when: in words; why_not: where it is off."""

    event: str
    when: str
    is_on: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """A channel that gets what this job tells. events: what it wants of it; None: all."""

    id: UUID
    name: str
    address: str
    is_enabled: bool
    events: list[str] | None
    muted_until: datetime | None


def tellings_of(job: Mapping[str, Any]) -> list[Telling]:
    tells: bool = job["notify_on_failure"]
    slow = [
        f"longer than {formats.duration(job['slow_after_ms'])}" if job["slow_after_ms"] else "",
        f"{job['slow_factor']:g} times what is usual" if job["slow_factor"] else "",
    ]  # fmt: skip
    silent = "this job tells nothing"

    def told(event: str, when: str, is_set: object = True) -> Telling:
        return Telling(event, when, tells and bool(is_set), silent if not tells else "no limit is set")

    most = job["max_consecutive_failures"]
    return [
        told("failed", "the first failure in a row"),
        told("recovered", "the first success after it"),
        told("auto_disabled", f"disabled after {formats.plural(most, 'failure', 'failures')} in a row" if most else "disabled by failures", most),
        told("missed", "an occurrence that became no run"),
        told("late", f"not started {formats.duration(job['late_after_ms'])} after it was due" if job["late_after_ms"] else "not started in time", job["late_after_ms"]),
        told("slow", "a run takes " + (" or ".join(filter(None, slow)) or "unusually long"), any(slow)),
        told("unsuccessful", f"no success for {formats.duration(job['must_succeed_every_ms'])}" if job["must_succeed_every_ms"] else "no success for too long", job["must_succeed_every_ms"]),
        told("no_worker", "no live worker has its handler"),
    ]  # fmt: skip


@get("/jobs/{key:str}/notifications", guards=[requires(Permission.VIEW)])
async def show_notifications(key: FromPath[str], visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    return await _page(key, visit, told=NOTICES.get(done))


@post("/jobs/{key:str}/notifications", guards=[requires(Permission.SCHEDULE_EDIT)])
async def change_notifications(key: FromPath[str], data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    async with visit.database.read() as connection:
        name, job = await job_of(connection, key)
    try:
        body = body_of(JobBody, _said(data))
        await as_the_api(
            job_changes.change_job, request=visit.request, job_id=job, data=body, principal=visit.principal, database=visit.database
        )  # fmt: skip
    except JobNotFound:
        raise
    except PgCronError as error:
        return await _page(key, visit, Filled(data, error, FIELDS))
    return visit.back(f"{views.job_path(name, job)}/notifications?done=saved")


@post("/jobs/{key:str}/notifications/test", guards=[requires(Permission.MANAGE)])
async def test_notifications(key: FromPath[str], data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """Through one of the channels that get what this job tells."""
    async with visit.database.read() as connection:
        name, job = await job_of(connection, key)
        known = await many(connection, CHANNELS, {"job": job})
    chosen = next((it["id"] for it in known if str(it["id"]) == text(data, "channel")), None)
    if chosen is None:
        raise InvalidArguments("this job tells nothing to that channel", hint="choose one of the list", field="channel")
    await as_the_api(channels.test_channel, channel_id=chosen, principal=visit.principal, database=visit.database)
    return visit.back(f"{views.job_path(name, job)}/notifications?done=tested")


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    """Empty fields take a limit away."""
    factor = text(data, "slowFactor")
    return {
        "notifyOnFailure": text(data, "notifyOnFailure") != "off", "slowFactor": factor or None, "pingUrl": text(data, "pingUrl") or None,
        "reason": reason(data), "version": text(data, "version") or None,
        **{name: milliseconds(data, name) for name in ("lateAfterMs", "slowAfterMs", "mustSucceedEveryMs")},
    }  # fmt: skip


async def _page(key: str, visit: Visit, form: Filled | None = None, told: str | None = None) -> Response[str]:
    async with visit.database.read() as connection:
        frame = await frame_of(connection, key, visit.principal)
        job_id = frame.id
        job = await one(connection, JOB, {"job": job_id})
        deliveries, receivers = await _deliveries(connection, job_id), await _receivers(connection, job_id)
        may_edit = visit.principal.may(Permission.SCHEDULE_EDIT)
        form = form or Filled(_kept(job, with_url=may_edit))
        return await visit.show(
            connection, "job_notifications.html", title=f"Notifications of {frame.name}", frame=frame, tab="/notifications", values=defaults(frame), problems={}, overlaps=OVERLAPS, told=told, refused=form.refused, form=form, notified=job,
            tellings=tellings_of(job), receivers=receivers, deliveries=deliveries,
            may_edit=may_edit and not job["is_locked"],
            why_not="This job is locked: change it in the code that declares it." if job["is_locked"] else "Changing it needs the permission cron.schedule.edit.",
        )  # fmt: skip


async def _receivers(connection: Connection, job: UUID) -> list[Receiver]:
    return [Receiver(**row) for row in await many(connection, CHANNELS, {"job": job})]


async def _deliveries(connection: Connection, job: UUID) -> list[tuple[DeliveryAnswer, Any]]:
    found = [DeliveryAnswer(**row) for row in await many(connection, DELIVERIES, {"job": job, "limit": LIMIT})]
    return [(delivery, MARKS[delivery.state]) for delivery in found]


def _kept(job: Mapping[str, Any], *, with_url: bool) -> dict[str, Any]:
    factor = job["slow_factor"]
    return {
        "notifyOnFailure": "on" if job["notify_on_failure"] else "off", "lateAfterMs": as_duration(job["late_after_ms"]),
        "slowAfterMs": as_duration(job["slow_after_ms"]), "slowFactor": "" if factor is None else f"{factor:g}",
        "mustSucceedEveryMs": as_duration(job["must_succeed_every_ms"]), "pingUrl": (job["ping_url"] or "") if with_url else "",
        "version": str(job["version"]),
    }  # fmt: skip
