"""One item of a cron field, read strictly: `*/5`, `9-17/2`, `H(0-7)`, `15W`, `mon#2`, …

Grammar and refusals: docs/schedules.md. Each refusal names the field, the column and what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable.fields import DAY_OF_MONTH, DAY_OF_WEEK, FieldSpec, compact, refusal
from pgcron_py.timetable.spreading import number_of

_VALUE = r"(?:[0-9]+|[a-z]+)"
_STAR = re.compile(r"\*(?:/(?P<step>[0-9]+))?")
_HASHED = re.compile(rf"h(?:\((?P<low>{_VALUE})-(?P<high>{_VALUE})\)|/(?P<step>[0-9]+))?")
_PLAIN = re.compile(rf"(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?(?:/(?P<step>[0-9]+))?")
_NEAREST = re.compile(r"(?P<low>[0-9]+|l)w")
_NTH = re.compile(rf"(?P<low>{_VALUE})#(?P<nth>[0-9]+)")
_LAST_WEEKDAY = re.compile(rf"(?P<low>[0-9]+|{'|'.join(DAY_OF_WEEK.words)})l")
_NUMBER_DIGITS = 4

# Things people bring from other crons, and what to write here.
_STRANGERS = (
    (
        re.compile(r"r(\(.*\))?(/.*)?"),
        "random",
        "R (random) is not supported",
        "use H: spread by the job's name, stable",
    ),
    (re.compile(r"l-[0-9]+w?"), "last_offset", "L-n is not supported", "use L, or a day such as 28"),
    (re.compile(r"h\(.*\)/.*"), "syntax", "H(a-b) takes no step", "write H/n or H(a-b)"),
    (re.compile(r".*\?.*"), "question_mark", "? stands alone, and only in a day field", "write *"),
    (re.compile(r"l"), "syntax", "L alone belongs to day-of-month", "for the last Friday write 5L in day-of-week"),
    (re.compile(r"(l|[0-9]+)w"), "syntax", "W belongs to day-of-month", "write 15W or LW in day-of-month"),
    (re.compile(r".+-.+#.*"), "syntax", "# takes one weekday", "write mon#1,tue#1"),
    (re.compile(r".*#.*"), "syntax", "# belongs to day-of-week", "write mon#2 in day-of-week for the second Monday"),
    (re.compile(r"-.*"), "syntax", "a negative number", "numbers are counted from the field's first value"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """values: what it names; step: the n of `*/n` and `H/n`; special: canonical `L`, `LW`, `15W`, `1#2`, `5L`."""

    values: frozenset[int] = frozenset()
    star: bool = False
    step: int = 1
    special: str = ""
    hashed: bool = False


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Reads one item; knows its field, its column in the user's text, and the seed of `H`."""

    spec: FieldSpec
    text: str
    column: int
    seed: str

    def read(self) -> Item:
        lowered = self.text.lower()
        if self.spec is DAY_OF_MONTH and lowered in ("l", "$"):
            return Item(special="L")
        if self.spec is DAY_OF_MONTH and (match := _NEAREST.fullmatch(lowered)):
            return self._nearest_weekday(match)
        if self.spec is DAY_OF_WEEK and (match := _NTH.fullmatch(lowered)):
            return self._nth(match)
        if self.spec is DAY_OF_WEEK and (match := _LAST_WEEKDAY.fullmatch(lowered)):
            return Item(special=f"{self._value(match, 'low') % 7}L")
        return self._numbers(lowered)

    def _numbers(self, lowered: str) -> Item:
        if match := _STAR.fullmatch(lowered):
            return self._star(self._step(match))
        if match := _HASHED.fullmatch(lowered):
            return self._hashed(match)
        if stranger := self._stranger(lowered):
            raise stranger
        if match := _PLAIN.fullmatch(lowered):
            return self._plain(match)
        raise self._refuse("syntax", f"cannot read {self.text!r}", hint=self._syntax_hint())

    def _star(self, step: int) -> Item:
        return Item(frozenset(range(self.spec.low, self.spec.last + 1, step)), star=True, step=step)

    def _plain(self, match: re.Match[str]) -> Item:
        low = self._value(match, "low")
        step = self._step(match)
        if match["high"] is not None:
            return Item(self._folded(range(low, self._range_end(match, low) + 1, step)))
        if match["step"] is None:
            return Item(self._folded(range(low, low + 1)))
        if low == 0 and self.spec.is_time:
            return self._star(step)  # `0/5` is written by people who mean `*/5`
        return Item(self._folded(range(low % 7 if self.spec is DAY_OF_WEEK else low, self.spec.last + 1, step)))

    def _range_end(self, match: re.Match[str], low: int) -> int:
        high = self._value(match, "high")
        if match["high"] == "sun" and match["low"] != "sun":
            high = 7  # `fri-sun` is 5-7
        if low > high:
            raise self._refuse(
                "backward_range", f"the range {self.text} runs backward", hint=self._turned(match, low, high)
            )
        return high

    def _turned(self, match: re.Match[str], low: int, high: int) -> str:
        if self.spec.name == "year":
            return f"write {high}-{low}"
        step = f"/{match['step']}" if match["step"] else ""
        ends = [(low, self.spec.last)] if low <= self.spec.last else []
        parts = [f"{a}-{b}{step}" if a < b else str(a) for a, b in [*ends, (self.spec.low, high)]]
        return f"write {','.join(parts)}"

    def _hashed(self, match: re.Match[str]) -> Item:
        low, high, step = self.spec.low, self.spec.hash_high, self._step(match)
        if match["low"] is not None:
            low = self._value(match, "low")
            high = self._range_end(match, low)
        if match["step"] is None:
            return Item(self._folded([low + self._draw(high - low + 1)]), hashed=True)
        offset = low + self._draw(min(step, high - low + 1))
        return Item(self._folded(range(offset, high + 1, step)), step=step, hashed=True)

    def _draw(self, size: int) -> int:
        """A number below `size`, the same for this job and field in every process and release."""
        return number_of(f"{self.seed}\0{self.spec.name.value}") % size

    def _nearest_weekday(self, match: re.Match[str]) -> Item:
        return Item(special="LW" if match["low"] == "l" else f"{self._value(match, 'low')}W")

    def _nth(self, match: re.Match[str]) -> Item:
        weekday = self._value(match, "low") % 7
        if match["nth"] not in ("1", "2", "3", "4", "5"):
            raise self._refuse(
                "nth_range",
                f"#{match['nth']}: a month has weekdays #1 to #5",
                match.start("nth"),
                "for the last one write 5L",
            )
        return Item(special=f"{weekday}#{match['nth']}")

    def _folded(self, values: range | list[int]) -> frozenset[int]:
        return frozenset(value % 7 for value in values) if self.spec is DAY_OF_WEEK else frozenset(values)

    def _value(self, match: re.Match[str], group: str) -> int:
        text, offset = match[group], match.start(group)
        number = self._number(text, offset) if text.isdigit() else self.spec.words.get(text)
        if number is None:
            raise self._refuse("unknown_name", f"{text!r} is not a {self.spec.name.words}", offset, self._names_hint())
        if not self.spec.low <= number <= self.spec.high:
            raise self._refuse(
                "out_of_range",
                f"{number} is outside {self.spec.low}-{self.spec.high}",
                offset,
                self._range_hint(number),
            )
        return number

    def _number(self, text: str, offset: int) -> int:
        if len(text) > _NUMBER_DIGITS:
            raise self._refuse("number_too_long", "a number has at most 4 digits", offset, self._range_hint(None))
        return int(text)

    def _step(self, match: re.Match[str]) -> int:
        if match["step"] is None:
            return 1
        offset = match.start("step")
        step = self._number(match["step"], offset)
        if step == 0:
            raise self._refuse("step_zero", "a step of 0 never moves", offset, "write a step of 1 or more")
        if step > self.spec.max_step:
            raise self._refuse(
                "step_too_large", f"step {step} is larger than the field", offset, self._step_hint(match, step)
            )
        return step

    def _step_hint(self, match: re.Match[str], step: int) -> str:
        low = match.groupdict().get("low")
        every = self.spec.every_hint(step)
        if low is not None and self.text[:1].lower() != "h":
            return f"a step longer than the field leaves only the first value: write {low}"
        return f"use {every}" if every else f"a step here is at most {self.spec.max_step}"

    def _stranger(self, lowered: str) -> InvalidSchedule | None:
        for pattern, code, message, hint in _STRANGERS:
            if pattern.fullmatch(lowered):
                return self._refuse(code, message, hint=hint)
        return None

    def _range_hint(self, number: int | None) -> str:
        if self.spec.name == "hour" and number == 24:
            return "midnight is hour 0"
        if self.spec is DAY_OF_WEEK and number is not None and number >= 1970:
            return "a year needs seven fields: second minute hour day-of-month month day-of-week year"
        return f"{self.spec.name.words} is {self.spec.low} to {self.spec.high}"

    def _names_hint(self) -> str:
        if not self.spec.words:
            return f"{self.spec.name.words} takes numbers, {self.spec.low} to {self.spec.high}"
        return f"write a number or one of {', '.join(self.spec.words)}"

    def _syntax_hint(self) -> str:
        sample = compact((self.spec.low, self.spec.low + 1, self.spec.low + 2))
        return f"write *, */n, a value, a range such as {sample}, or a list with commas and no blanks"

    def _refuse(self, code: str, message: str, offset: int = 0, hint: str | None = None) -> InvalidSchedule:
        return refusal(code, message, column=self.column + offset, spec=self.spec, hint=hint)
