"""A parsed schedule as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pgcron_py.timetable.fields import FieldName

if TYPE_CHECKING:
    from pgcron_py.timetable.plan import DstFold, DstGap, Plan


class Kind(StrEnum):
    """What names the occurrences: a calendar, an interval, or the start of the fleet."""

    CRON = "cron"
    INTERVAL = "interval"
    REBOOT = "reboot"


@dataclass(frozen=True, slots=True)
class Field:
    """One field after parsing.

    text: canonical; `*` is kept where it leads, other items become values, names become numbers.
    values: sorted, Sunday = 0; empty when only specials are named.
    star: the field begins with `*`: what the day rule and the DST rule ask.
    specials: `L`, `LW`, `15W` (day of month); `1#2`, `5L` (day of week).
    steps: the n of each `*/n` and `H/n`, for warnings. column: where the user wrote it.
    """

    name: FieldName
    text: str
    values: tuple[int, ...]
    star: bool
    specials: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    hashed: bool = False
    column: int = 1

    @property
    def is_day(self) -> bool:
        return self.name in (FieldName.DAY_OF_MONTH, FieldName.DAY_OF_WEEK)

    @property
    def restricted(self) -> bool:
        return self.text != "*"


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule's text, understood.

    text: as the user wrote it. canonical: two texts with one canonical (and one zone, one name for `H`) run alike.
    fields: for kind cron, in the order second (6 and 7 fields), minute, hour, day_of_month, month, day_of_week, year.
    interval_seconds: for kind interval.
    """

    text: str
    canonical: str
    kind: Kind
    fields: tuple[Field, ...] = ()
    interval_seconds: int | None = None

    def __hash__(self) -> int:
        return hash((self.text, self.canonical))  # it keys the caches: not field by field

    def field(self, name: FieldName) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def wildcard(self) -> bool:
        """Debian cron's question: does the minute or the hour field begin with `*`? Decides what a DST change does."""
        return any(field.star for field in self.fields if field.name in (FieldName.MINUTE, FieldName.HOUR))

    @property
    def sub_minute(self) -> bool:
        """It can fire more than once in a minute."""
        second = self.field(FieldName.SECOND)
        return (self.interval_seconds or 60) < 60 or (second is not None and len(second.values) > 1)

    @property
    def hashed(self) -> bool:
        """An `H` was resolved with the job's name."""
        return any(field.hashed for field in self.fields)

    def plan(
        self,
        tz_name: str,
        *,
        anchor: datetime | None = None,
        dst_gap: DstGap | None = None,
        dst_fold: DstFold | None = None,
    ) -> Plan:
        """This timetable in a zone: what the scheduler asks for instants. Cached. Errors: see `plan.plan_for`."""
        from pgcron_py.timetable.plan import plan_for

        return plan_for(self, tz_name, anchor, dst_gap, dst_fold)
