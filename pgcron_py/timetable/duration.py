"""`@every 1h30m` and pg_cron's `30 seconds`: fixed intervals, in whole seconds."""

from __future__ import annotations

import re

from pgcron_py.errors import InvalidSchedule

MAX_SECONDS = 366 * 86_400
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]{1,17})(ns|us|µs|ms|s|m|h)(?![a-zµ])")
_COUNTED = re.compile(r"(?P<count>[0-9]+)[ \t]+(?P<unit>[A-Za-z]+)")
_WORD_UNITS = {"minute": "m", "min": "m", "hour": "h", "sec": "s", "day": "d"}


def every_seconds(text: str, column: int) -> int:
    """The seconds of `1h30m`; `column` is where it stands in the user's text."""
    total, position = 0, 0
    while match := _PART.match(text, position):
        total += int(match[1]) * _NANOSECONDS[match[2]]
        position = match.end()
    if position < len(text) or not text:
        raise _refuse("duration", f"cannot read the duration {text!r}", column + position, _hint(text[position:]))
    seconds, rest = divmod(total, 10**9)
    if rest:
        raise _refuse("interval_fraction", "an interval is whole seconds", column, "the finest interval is @every 1s")
    return _checked(seconds, column)


def counted_seconds(text: str, column: int) -> int | None:
    """The seconds of `30 seconds`; None when the text is nothing of the kind."""
    match = _COUNTED.fullmatch(text)
    if not match:
        return None
    unit = match["unit"].lower()
    if unit not in ("second", "seconds"):
        raise _refuse(
            "seconds_unit", f"{match['unit']!r}: only seconds can be counted in words", column, _words_hint(match)
        )
    count = int(match["count"]) if len(match["count"]) <= 4 else MAX_SECONDS
    if not 1 <= count <= 59:
        raise _refuse(
            "seconds_range", "N seconds takes 1 to 59", column, f"use @every {match['count']}s" if count else None
        )
    return count


def spelled(seconds: int) -> str:
    """`5400` as `1h30m`."""
    hours, rest = divmod(seconds, 3600)
    minutes, second = divmod(rest, 60)
    return "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (second, "s")) if n)


def _checked(seconds: int, column: int) -> int:
    if not 1 <= seconds <= MAX_SECONDS:
        raise _refuse("interval_range", "an interval is 1 s to 366 days", column, "366 days are 8784h")
    return seconds


def _hint(rest: str) -> str:
    if days := re.match(r"([0-9]{1,3})d", rest):
        return f"days are hours here: write {int(days[1]) * 24}h"
    if re.match(r"[0-9]*\.[0-9]", rest):
        return "no fractions: write 1h30m for 1.5h"
    return "write numbers with units ns, us, ms, s, m, h, without blanks: @every 1h30m"


def _words_hint(match: re.Match[str]) -> str:
    unit = _WORD_UNITS.get(match["unit"].lower().removesuffix("s"))
    count = match["count"][:4].lstrip("0") or "1"
    if unit == "d":
        return f"use @every {int(count) * 24}h"
    return f"use @every {count}{unit}" if unit else "write 30 seconds, @every 5m or a cron text"


def _refuse(code: str, message: str, column: int, hint: str | None) -> InvalidSchedule:
    return InvalidSchedule(code=code, message=message, field="duration", column=column, hint=hint)
