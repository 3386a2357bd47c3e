"""What this installation is and how it is set: retention, defaults, versions, licences."""

from __future__ import annotations

from typing import Any, LiteralString

from litestar import Response, get
from litestar.di import NamedDependency

from pgcron_admin.controllers import overview
from pgcron_admin.definitions import DEFAULTS
from pgcron_admin.licences import front_end_packages, python_packages
from pgcron_admin.permissions import requires, signed_in
from pgcron_admin.principal import Permission
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.visits import Visit
from pgcron_admin.settings import PREFIX, AdminSettings
from pgcron_py.settings import Settings

OWN_RETENTION: LiteralString = """
SELECT name AS job, id AS job_id, retention_days, retention_count FROM pgcron.cron_job WHERE retention_days IS NOT NULL OR retention_count IS NOT NULL
ORDER BY name LIMIT 100
"""
OLDEST: LiteralString = "SELECT started_at AS at FROM pgcron.cron_log ORDER BY id LIMIT 1"
OWN_VALUES: LiteralString = """
SELECT count(*) AS jobs, count(*) FILTER (WHERE timeout_ms IS DISTINCT FROM %(timeout_ms)s) AS timeout_ms,
  count(*) FILTER (WHERE max_attempts <> %(max_attempts)s) AS max_attempts, count(*) FILTER (WHERE backoff_ms <> %(backoff_ms)s) AS backoff_ms,
  count(*) FILTER (WHERE backoff_max_ms <> %(backoff_max_ms)s) AS backoff_max_ms, count(*) FILTER (WHERE overlap_policy <> %(overlap_policy)s) AS overlap_policy,
  count(*) FILTER (WHERE catchup_policy <> %(catchup_policy)s) AS catchup_policy,
  count(*) FILTER (WHERE max_consecutive_failures IS DISTINCT FROM %(max_consecutive_failures)s) AS max_consecutive_failures,
  count(*) FILTER (WHERE notify_on_failure <> %(notify_on_failure)s) AS notify_on_failure, count(*) FILTER (WHERE queue <> %(queue)s) AS queue,
  count(*) FILTER (WHERE priority <> %(priority)s) AS priority, count(*) FILTER (WHERE jitter_ms <> %(jitter_ms)s) AS jitter_ms,
  count(*) FILTER (WHERE log_level <> %(log_level)s) AS log_level
FROM pgcron.cron_job
"""
SHOWN = (
    ("timeout_ms", "Timeout"), ("max_attempts", "Attempts"), ("backoff_ms", "First pause before a retry"), ("backoff_max_ms", "Longest pause"),
    ("overlap_policy", "When it is due while it runs"), ("catchup_policy", "What was due while no worker lived"),
    ("max_consecutive_failures", "Failures in a row that disable it"), ("notify_on_failure", "Tells failures"), ("queue", "Queue"), ("priority", "Priority"),
    ("jitter_ms", "Jitter"), ("log_level", "Output that is kept"),
)  # fmt: skip


@get("/settings", guards=[signed_in])
async def show_settings(visit: NamedDependency[Visit]) -> Response[Any]:
    return visit.back("/settings/preferences" if visit.principal.session_id else "/settings/about")


@get("/settings/retention", guards=[requires(Permission.VIEW)])
async def show_retention(visit: NamedDependency[Visit], settings: NamedDependency[AdminSettings]) -> Response[str]:
    about = await as_told(visit, settings)
    days = Settings.model_fields["log_retention_days"].default
    async with visit.database.read() as connection:
        oldest = await many(connection, OLDEST)
        return await visit.show(
            connection, "settings_retention.html", title="Retention and defaults", days=days, own=await many(connection, OWN_RETENTION),
            oldest=oldest[0]["at"] if oldest else None, about=about, defaults=[(word, name, DEFAULTS[name]) for name, word in SHOWN],
            changed=await one(connection, OWN_VALUES, {name: DEFAULTS[name] for name, _ in SHOWN}),
        )  # fmt: skip


@get("/settings/about", guards=[requires(Permission.VIEW)])
async def show_about(visit: NamedDependency[Visit], settings: NamedDependency[AdminSettings]) -> Response[str]:
    about = await as_told(visit, settings)
    # Of the settings those that anybody may see, as the environment names them.
    hidden = overview.HIDDEN
    told = [
        (PREFIX + name.upper(), ", ".join(value) if isinstance(value, tuple) else value)
        for name, value in settings.model_dump().items()
        if name not in hidden
    ]
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_about.html", title="About", about=about, python=python_packages(), front_end=front_end_packages(), settings=told
        )  # fmt: skip


async def as_told(visit: Visit, settings: AdminSettings) -> overview.AboutAnswer:
    answer: overview.AboutAnswer = await overview.show_settings.fn(database=visit.database, settings=settings)
    return answer
