"""What the form of the schedule editor says, and what of it would change the job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from pgcron_admin.screens.forms import local_instant
from pgcron_admin.screens.views import Row
from pgcron_py.domain.job import Timing
from pgcron_py.errors import InvalidArguments
from pgcron_py.timetable import load_zone

DAY_S = 86_400
LOCAL = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Draft:
    """As it was typed. view_zone: of who looks. version: of the job when the form was opened. start, end: in the job's zone. jitter: seconds.

    extra, excluded: a schedule on each line.
    """

    schedule: str
    zone: str
    view_zone: str
    reason: str
    version: int
    start: str = ""
    end: str = ""
    jitter: str = ""
    extra: str = ""
    excluded: str = ""

    @classmethod
    def typed(cls, data: dict[str, str]) -> Draft:
        version = data.get("over") or data.get("version", "")
        return cls(
            data.get("schedule", "").strip()[:300], data.get("timezone", "").strip()[:64] or "UTC", data.get("view_zone", "").strip()[:64] or "UTC",
            data.get("reason", "").strip()[:1000], int(version) if version.isdecimal() and len(version) < 10 else 0, data.get("start", "").strip()[:40],
            data.get("end", "").strip()[:40], data.get("jitter", "").strip()[:20], data.get("extra", "")[:8000], data.get("excluded", "")[:8000],
        )  # fmt: skip

    @classmethod
    def of(cls, job: Row) -> Draft:
        zone = ZoneInfo(job["timezone"])
        return cls(
            job["schedule"], job["timezone"], "UTC", "", job["version"], _shown(job["start_at"], zone), _shown(job["end_at"], zone),
            f"{job['jitter_ms'] / 1000:g}" if job["jitter_ms"] else "", "\n".join(job["extra_schedules"]), "\n".join(job["excluded_schedules"]),
        )  # fmt: skip

    def has_more(self) -> bool:
        return bool(self.start or self.end or self.jitter or self.extra.strip() or self.excluded.strip())

    def timing(self, old: Timing) -> Timing:
        """The job's, as it would be. Raises UnknownTimeZone, InvalidArguments naming the field."""
        load_zone(self.zone)
        said = {"start": self.start, "end": self.end}
        return replace(
            old, schedule=self.schedule, timezone=self.zone, extra=_lines(self.extra), excluded=_lines(self.excluded),
            start_at=local_instant(said, "start", self.zone), end_at=local_instant(said, "end", self.zone),
        )  # fmt: skip

    def changes(self, job: Row, old: Timing) -> dict[str, Any]:
        """By column, only what differs. Raises as `timing` does."""
        new = self.timing(old)
        wanted = {
            "schedule": new.schedule, "timezone": new.timezone, "extra_schedules": list(new.extra),
            "excluded_schedules": list(new.excluded), "start_at": new.start_at, "end_at": new.end_at, "jitter_ms": self._jitter_ms(),
        }  # fmt: skip
        told = {name: value for name, value in wanted.items() if value != job[name]}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}

    def _jitter_ms(self) -> int:
        try:
            seconds = float(self.jitter.replace(",", ".") or 0)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= DAY_S:
            raise InvalidArguments(
                f"jitter: {self.jitter!r} is no number of seconds", hint="give 0 to 86400", field="jitter"
            )
        return round(seconds * 1000)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _shown(instant: datetime | None, zone: ZoneInfo) -> str:
    return "" if instant is None else instant.astimezone(zone).strftime(LOCAL).removesuffix(":00")
