"""Cron for Python services that already run PostgreSQL.

from pgcron_py import JobContext, PgCron

app = PgCron("billing", release="1.4")

@app.cron_job("close-day", "0 3 * * *", timezone="Europe/Berlin", transactional=True)
async def close_day(ctx: JobContext) -> None:
    await ctx.connection.execute("CALL close_day(%s)", (ctx.scheduled_for,))
"""

from pgcron_py.context import JobContext
from pgcron_py.errors import InvalidDeclaration, InvalidSchedule, PgCronError
from pgcron_py.outcomes import Fail, Retry, Skip
from pgcron_py.registry import PgCron, cron_job, handler
from pgcron_py.timetable import next_runs

__version__ = "0.1.0"

__all__ = [
    "Fail",
    "InvalidDeclaration",
    "InvalidSchedule",
    "JobContext",
    "PgCron",
    "PgCronError",
    "Retry",
    "Skip",
    "__version__",
    "cron_job",
    "handler",
    "next_runs",
]
