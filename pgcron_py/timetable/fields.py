"""The seven fields of a cron text: their names, bounds and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pgcron_py.errors import InvalidSchedule


class FieldName(StrEnum):
    """The names that errors and `Timetable.fields` use."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY_OF_MONTH = "day_of_month"
    MONTH = "month"
    DAY_OF_WEEK = "day_of_week"
    YEAR = "year"

    @property
    def words(self) -> str:
        return self.value.replace("_", "-")


def _numbered(words: str, first: int) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), first)}


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What one field may hold.

    high: the largest number a user may write (7 is Sunday, as 0 is); last: where `*` and `v/n` end.
    hash_high: where `H` ends: 28 for days of the month, so that no month is skipped.
    unit_hours, unit: what one step is worth in an `@every`, for the hint beside a step that is too long.
    """

    name: FieldName
    low: int
    high: int
    last: int
    max_step: int
    hash_high: int
    every: str | None = None
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_day(self) -> bool:
        return self.name in (FieldName.DAY_OF_MONTH, FieldName.DAY_OF_WEEK)

    @property
    def is_time(self) -> bool:
        return self.name in (FieldName.SECOND, FieldName.MINUTE, FieldName.HOUR)

    def every_hint(self, step: int) -> str | None:
        """`*/90` in minutes as an `@every`, where one can say it."""
        match self.every:
            case None:
                return None
            case "d":
                return f"@every {step * 24}h" if step <= 366 else None
            case unit:
                return f"@every {step}{unit}"


SECOND = FieldSpec(FieldName.SECOND, 0, 59, 59, 59, 59, "s")
MINUTE = FieldSpec(FieldName.MINUTE, 0, 59, 59, 59, 59, "m")
HOUR = FieldSpec(FieldName.HOUR, 0, 23, 23, 23, 23, "h")
DAY_OF_MONTH = FieldSpec(FieldName.DAY_OF_MONTH, 1, 31, 31, 31, 28, "d")
MONTH = FieldSpec(
    FieldName.MONTH, 1, 12, 12, 12, 12, words=_numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)
)
DAY_OF_WEEK = FieldSpec(FieldName.DAY_OF_WEEK, 0, 7, 6, 7, 6, "d", words=_numbered("sun mon tue wed thu fri sat", 0))
YEAR = FieldSpec(FieldName.YEAR, 1970, 2099, 2099, 129, 2099)

FIVE = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)
LAYOUTS: Mapping[int, tuple[FieldSpec, ...]] = {5: FIVE, 6: (SECOND, *FIVE), 7: (SECOND, *FIVE, YEAR)}


def compact(values: tuple[int, ...]) -> str:
    """Sorted values as cron writes them: `0,5-7,9`. Three in a row make a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def refusal(
    code: str, message: str, *, column: int, spec: FieldSpec | None = None, hint: str | None = None
) -> InvalidSchedule:
    """An InvalidSchedule about one field (or the whole text), with the place in words."""
    where = f"{spec.name.words} (column {column}): " if spec else ""
    return InvalidSchedule(
        code=code, message=where + message, field=spec.name.value if spec else None, column=column, hint=hint
    )
