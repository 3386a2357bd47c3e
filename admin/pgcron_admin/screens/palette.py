"""The command palette (Ctrl+K): screens, jobs, what can be done with them, and a run by its name or id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, LiteralString

from litestar import Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.database import Connection, Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import contains
from pgcron_admin.screens.jobs import ID, Text, many
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.views import job_path

SCREENS = (
    ("Overview", "/", "layout-dashboard", Permission.VIEW), ("Jobs", "/jobs", "calendar-clock", Permission.VIEW), ("Failing jobs", "/jobs?show=failing", "circle-x", Permission.VIEW),
    ("Disabled jobs", "/jobs?show=disabled", "circle-pause", Permission.VIEW), ("Runs", "/runs", "list-checks", Permission.VIEW),
    ("Runs that failed", "/runs?status=FAILED", "circle-x", Permission.VIEW), ("Running now", "/runs?status=RUNNING", "loader", Permission.VIEW),
    ("Timeline", "/timeline", "chart-gantt", Permission.VIEW), ("Workers", "/workers", "server", Permission.VIEW), ("Alerts", "/alerts", "bell", Permission.VIEW),
    ("Bulk actions", "/bulk", "list-checks", Permission.VIEW), ("Audit", "/audit", "scroll-text", Permission.AUDIT_READ), ("Settings", "/settings", "settings", Permission.VIEW),
)  # fmt: skip
JOBS_MOST, WITH_DEEDS = 8, 3
# Names that begin so come before those that hold it somewhere.
JOBS: LiteralString = """
SELECT j.name, j.id, j.is_enabled, j.is_locked FROM pgcron.cron_job j WHERE j.name ILIKE %(part)s
ORDER BY starts_with(lower(j.name), lower(%(text)s)) DESC, length(j.name), j.name LIMIT %(limit)s
"""
RUN = re.compile(r"(?P<job>.+)#(?P<seq>[0-9]{1,15})")
RUN_BY_SEQ: LiteralString = "SELECT run_id, run FROM pgcron.runs WHERE job = %(job)s AND seq = %(seq)s"
RUN_BY_ID: LiteralString = "SELECT run_id, run FROM pgcron.runs WHERE run_id = %(id)s"


@dataclass(frozen=True, slots=True)
class Choice:
    """post: the deed is done at once, by a form; else it leads somewhere."""

    words: str
    path: str
    icon: str
    group: str
    post: bool = False


@get("/palette", guards=[requires(Permission.VIEW)])
async def show_choices(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database], q: Text = "",
) -> Response[str]:  # fmt: skip
    """A list of what can be chosen, for what was typed."""
    text = q.strip()
    found = [
        Choice(words, path, icon, "Go to")
        for words, path, icon, needed in SCREENS
        if principal.may(needed) and text.lower() in words.lower()
    ]
    if text:
        async with database.read() as connection:
            runs = await _runs(connection, text)
            jobs = await many(connection, JOBS, {"part": contains(text), "text": text, "limit": JOBS_MOST})
        found = [
            *runs,
            *(Choice(job["name"], job_path(job["name"], job["id"]), "calendar-clock", "Jobs") for job in jobs),
            *found,
        ]
        found += [deed for job in jobs[:WITH_DEEDS] for deed in _deeds(job, principal)]
    return pages.show(request, principal, "palette.html", choices=found, text=text)


async def _runs(connection: Connection, text: str) -> list[Choice]:
    if ID.fullmatch(text):
        rows = await many(connection, RUN_BY_ID, {"id": text})
    elif match := RUN.fullmatch(text):
        rows = await many(connection, RUN_BY_SEQ, {"job": match["job"], "seq": int(match["seq"])})
    else:
        rows = []
    return [Choice(row["run"], f"/runs/{row['run_id']}", "list-checks", "Runs") for row in rows]


def _deeds(job: dict[str, Any], principal: Principal) -> list[Choice]:
    path, deeds = job_path(job["name"], job["id"]), list[Choice]()
    if principal.may(Permission.TRIGGER) and job["is_enabled"]:
        deeds.append(Choice(f"Run {job['name']} now", f"{path}/run", "play", "Do", post=True))
    if principal.may(Permission.ENABLE) and not job["is_enabled"]:
        deeds.append(Choice(f"Enable {job['name']}", f"{path}/enable", "power", "Do", post=True))
    if principal.may(Permission.SCHEDULE_EDIT) and not job["is_locked"]:
        deeds.append(Choice(f"Edit the schedule of {job['name']}", f"{path}/schedule", "calendar-cog", "Do"))
    return deeds
