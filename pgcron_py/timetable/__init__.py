"""Schedules as values: parse, next runs, describe. Pure: `now` and `after` are passed in, and no clock is read.

The scheduler's way in: `parse(text, name=job_name).plan(zone, anchor=anchor_at)`, then `next_after`, `latest_before`,
`count_between`, `occurrences_between`. Grammar and rules: docs/schedules.md.
"""

from pgcron_py.timetable.cautions import Warning
from pgcron_py.timetable.compound import ExcludingPlan, compound, exclusion_of
from pgcron_py.timetable.describe import Description, describe, sentence
from pgcron_py.timetable.fields import FieldName
from pgcron_py.timetable.grammar import parse
from pgcron_py.timetable.jitter import jitter_offset, jittered_start
from pgcron_py.timetable.model import Field, Kind, Timetable
from pgcron_py.timetable.plan import DstFold, DstGap, Plan
from pgcron_py.timetable.runs import following, next_runs
from pgcron_py.timetable.zones import load_zone

__all__ = [
    "Description",
    "DstFold",
    "DstGap",
    "ExcludingPlan",
    "Field",
    "FieldName",
    "Kind",
    "Plan",
    "Timetable",
    "Warning",
    "compound",
    "describe",
    "exclusion_of",
    "following",
    "jitter_offset",
    "jittered_start",
    "load_zone",
    "next_runs",
    "parse",
    "sentence",
]
