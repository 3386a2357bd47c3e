"""The routes, a module for each subject.

How to add one:

1. Write it in the module of its subject, 15 to 30 lines at most: reads on the views through `database.read()`, writes
   through SQL functions in `database.transaction(principal, reason=…)`.

       @post("/cron-jobs/{job_id:uuid}/enable", status_code=200, guards=[requires(Permission.ENABLE)])
       async def enable(
           job_id: FromPath[UUID], data: JSONBody[EnableBody], database: NamedDependency[Database],
           principal: NamedDependency[Principal],
       ) -> JobAnswer: ...

   `database`, `principal`, `settings` and the other parts of app.py come by their names. Bodies and answers are structs of wire.py, in camelCase.
   `status_code` is said: Litestar's 201 for every POST is rarely right.
2. Say who may call it: `guards=[requires(Permission.…)]`, `[signed_in]`, `[in_person]` or `[open_to_all]` of permissions.py.
   Without, the application refuses to be built.
3. Raise errors of pgcron_py.errors; their statuses stand in pgcron_py/storage/sqlstates.py. A new class gets a row there.
4. Put it into API_ROUTES below.
5. Give it a row in the table of tests/admin/test_permissions.py; without one that test fails.

The OpenAPI document gets the errors, the security and the permission of a route by itself (openapi.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Router
from litestar.types import ControllerRouterHandler

from pgcron_admin.controllers import (
    alerts,
    audit,
    backfills,
    bulks,
    channels,
    cron_jobs,
    docs,
    events,
    fleet,
    forecast,
    job_changes,
    kill_switch,
    overview,
    runs,
    schedules,
    sessions,
    sign_in,
    users,
)

AUTH = Router(
    "/auth",
    tags=["sign-in"],
    route_handlers=[
        sign_in.sign_in,
        sign_in.sign_out,
        sign_in.me,
        sign_in.change_password,
        sign_in.show_link,
        sign_in.use_link,
    ],
)
SESSIONS = Router(
    "/",
    tags=["sessions and tokens"],
    route_handlers=[
        sessions.list_sessions,
        sessions.end_others,
        sessions.end_one,
        sessions.list_tokens,
        sessions.make_token,
        sessions.revoke_token,
    ],
)
USERS = Router(
    "/",
    tags=["users"],
    route_handlers=[users.list_users, users.list_roles, users.create_user, users.change_user, users.make_link],
)
JOBS = Router(
    "/",
    tags=["jobs"],
    route_handlers=[
        cron_jobs.list_jobs,
        cron_jobs.job_facets,
        cron_jobs.show_job,
        cron_jobs.list_logs,
        cron_jobs.show_statistics,
        cron_jobs.enable_job,
        cron_jobs.disable_job,
        cron_jobs.trigger_job,
        cron_jobs.change_schedule,
        job_changes.create_job,
        job_changes.change_job,
        job_changes.delete_job,
        job_changes.skip_next,
        job_changes.cancel_job,
    ],
)
RUNS = Router(
    "/",
    tags=["runs"],
    route_handlers=[
        runs.list_runs,
        runs.run_facets,
        runs.show_run,
        runs.show_output,
        runs.cancel_run,
        runs.retry_run,
        runs.list_requests,
        runs.show_request,
        runs.cancel_request,
        runs.list_misses,
        runs.show_ledger,
    ],
)
WORKERS = Router(
    "/",
    tags=["workers"],
    route_handlers=[fleet.list_workers, fleet.show_worker, fleet.drain_worker, fleet.list_handlers],
)
SCHEDULES = Router(
    "/",
    tags=["schedules"],
    route_handlers=[
        schedules.preview_schedule,
        schedules.show_next_runs,
        schedules.plan_schedule,
        schedules.explain_job,
    ],
)
BACKFILLS = Router(
    "/",
    tags=["backfills"],
    route_handlers=[
        backfills.create_backfill,
        backfills.list_backfills,
        backfills.show_backfill,
        backfills.cancel_backfill,
    ],
)
BULK = Router(
    "/",
    tags=["bulk actions"],
    route_handlers=[
        bulks.create_bulk,
        bulks.list_bulks,
        bulks.show_bulk,
        bulks.list_bulk_jobs,
        bulks.cancel_bulk,
    ],
)
FLEET = Router(
    "/",
    tags=["fleet"],
    route_handlers=[
        kill_switch.show_fleet,
        kill_switch.pause_fleet,
        kill_switch.resume_fleet,
        kill_switch.list_blackouts,
        kill_switch.set_blackout,
        kill_switch.remove_blackout,
        kill_switch.list_limits,
        kill_switch.set_limit,
        kill_switch.remove_limit,
    ],
)
ALERTS = Router(
    "/",
    tags=["alerts and channels"],
    route_handlers=[
        alerts.list_alerts,
        alerts.acknowledge_alert,
        alerts.list_messages,
        alerts.mark_read,
        channels.list_channels,
        channels.add_channel,
        channels.edit_channel,
        channels.remove_channel,
        channels.test_channel,
        channels.list_mutes,
        channels.mute,
        channels.unmute,
        channels.list_deliveries,
        channels.retry_deliveries,
    ],
)
AUDIT = Router(
    "/",
    tags=["audit"],
    route_handlers=[
        audit.list_entries,
        audit.export_entries,
        audit.verify_audit,
        audit.show_entry,
        audit.revert_entry,
    ],
)
LIVE = Router(
    "/",
    tags=["overview and live events"],
    route_handlers=[
        overview.show_overview,
        overview.list_health_checks,
        overview.show_settings,
        forecast.show_forecast,
        events.stream_events,
    ],
)
API_ROUTES: Sequence[ControllerRouterHandler] = (
    AUTH,
    SESSIONS,
    USERS,
    JOBS,
    RUNS,
    SCHEDULES,
    BACKFILLS,
    BULK,
    WORKERS,
    FLEET,
    ALERTS,
    AUDIT,
    LIVE,
    docs.docs_page,
    docs.docs_file,
)
