"""For the tests of applications: run a job inline, let a clock of your own decide what is due. Nothing here needs a database.

from pgcron_py.testing import ManualClock, Schedules, run_due_now, run_job

The pytest plugin adds the fixtures pgcron_clock and pgcron_database. See docs/testing.md.
"""

from pgcron_py.testing.due import DueReport, Missed, Schedules, run_due_now, run_through
from pgcron_py.testing.inline import JobResult, arun_job, run_job
from pgcron_py.testing.manual_clock import ManualClock

__all__ = [
    "DueReport",
    "JobResult",
    "ManualClock",
    "Missed",
    "Schedules",
    "arun_job",
    "run_due_now",
    "run_job",
    "run_through",
]
