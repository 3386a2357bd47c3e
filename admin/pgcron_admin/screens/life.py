"""A run's life as a bar: when it was due or asked for, when it started, when it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pgcron_admin.queries.runs import Moment

WIDTH = 1000
SHARE_LEAST = 0.02  # a wait of a millisecond is still seen

Part = Literal["waits", "runs"]
WORDS = {
    "due": "Due", "requested": "Asked for", "started": "Started", "cancel_requested": "Cancel asked for", "finished": "Finished",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """x, width: of 1000."""

    part: Part
    x: int
    width: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Point:
    word: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Life:
    """stretches: the wait, if there was one, and the run. is_over: it ended."""

    stretches: list[Stretch]
    points: list[Point]
    is_over: bool


def life_of(moments: Sequence[Moment], now: datetime) -> Life:
    at = {moment.what: moment.at for moment in moments}
    began, ended = at["started"], at.get("finished") or now
    waited_from = min((at[what] for what in ("due", "requested") if what in at), default=began)
    waited, ran = _between(waited_from, began), _between(began, ended)
    share = waited / (waited + ran) if waited + ran else 0.0
    if waited_from < began:
        share = min(max(share, SHARE_LEAST), 1 - SHARE_LEAST)
    split = round(share * WIDTH)
    waits = [Stretch("waits", 0, split, waited)] if split else []
    points = [Point(WORDS[moment.what], moment.at) for moment in moments]
    return Life([*waits, Stretch("runs", split, WIDTH - split, ran)], points, "finished" in at)


def _between(begin: datetime, end: datetime) -> int:
    return max(round((end - begin).total_seconds() * 1000), 0)
