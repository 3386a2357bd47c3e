"""What needs somebody: from the checks of health, the jobs that fail and the runs that take too long, the most pressing first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from pgcron_admin.queries.overview import HealthCheckAnswer, StuckRun
from pgcron_admin.screens import formats
from pgcron_admin.screens.views import Row, job_path

TITLES = {
    "paused": "Scheduling is paused", "workers": "No worker is alive", "no_worker": "No worker has the handler", "late": "Jobs are late", "slow": "Runs are slow",
    "unsuccessful": "Jobs have not succeeded for too long", "overdue": "Jobs are overdue", "schedules": "Schedules can't be read", "lost_runs": "Runs are lost",
    "notifications": "Messages were not delivered", "schema": "The schema is not up to date", "notify_queue": "LISTEN and NOTIFY lag behind",
    "connections": "Connections run out", "bloat": "Tables are bloated",
}  # fmt: skip
# Where something can be done about it, and what that is called.
NEXT = {
    "paused": ("/settings/kill-switch", "Resume"), "workers": ("/workers", "Workers"), "no_worker": ("/alerts", "Alerts"), "late": ("/alerts", "Alerts"),
    "slow": ("/alerts", "Alerts"), "unsuccessful": ("/alerts", "Alerts"), "overdue": ("/jobs?show=overdue", "Jobs"), "schedules": ("/jobs", "Jobs"),
    "lost_runs": ("/runs?status=RUNNING", "Runs"), "notifications": ("/alerts/deliveries", "Deliveries"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attention:
    """why: in words. href, action: what to do next, and its name; '' for nothing here. enable: the path of the job to enable."""

    severity: Literal["critical", "warning"]
    what: str
    path: str
    why: str
    since: datetime | None
    href: str
    action: str
    enable: str = ""


def attention_of(
    checks: Sequence[HealthCheckAnswer], failing: Sequence[Row], stuck: Sequence[StuckRun]
) -> list[Attention]:
    """The check of failing jobs is left out: they come one by one."""
    found = [_of_check(check) for check in checks if check.state != "ok" and check.name != "failing"]
    found += [_of_job(job) for job in failing]
    found += [_of_run(run) for run in stuck]
    return sorted(found, key=lambda it: it.severity != "critical")


def _of_check(check: HealthCheckAnswer) -> Attention:
    href, action = NEXT.get(check.name, ("", ""))
    what = TITLES.get(check.name, check.name.replace("_", " "))
    return Attention(
        "critical" if check.state == "critical" else "warning", what, "", check.message, None, href, action
    )


def _of_job(job: Row) -> Attention:
    path, failures = (
        job_path(job["job"], job["job_id"]),
        formats.plural(job["consecutive_failures"], "failure", "failures"),
    )
    is_off = not job["is_enabled"] and job["disabled_by"] == "pgcron"
    why = f"{failures} in a row{', disabled' if is_off else ''}: {job['last_error'] or 'no message'}"
    return Attention(
        "critical" if is_off or job["consecutive_failures"] > 1 else "warning", job["job"], path, why, job["last_completed_at"],
        f"/runs?job={quote(job['job'], safe='')}&status=FAILED", "Failures", path if is_off else "",
    )  # fmt: skip


def _of_run(run: StuckRun) -> Attention:
    why = (
        f"runs for {formats.duration(run.running_ms)}, which is usually over after {formats.duration(run.expected_ms)}"
    )
    return Attention(
        "warning", run.job, job_path(run.job, run.job_id), why, run.started_at, f"/runs/{run.run_id}", "Run"
    )
