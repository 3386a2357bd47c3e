"""Runs of the last 24 hours, in bars of five minutes, drawn here; and by the hour as a table, for those who don't see bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from markupsafe import Markup

from pgcron_admin.queries.overview import BucketAnswer

STEP = timedelta(minutes=5)
BARS, WIDTH, GAP, HEIGHT = 288, 4, 1, 96
KINDS = (("succeeded", "success"), ("running", "running"), ("timed_out", "waiting"), ("failed", "failed"))


@dataclass(frozen=True, slots=True)
class Hour:
    at: datetime
    runs: int
    failed: int
    href: str


@dataclass(frozen=True, slots=True)
class DayChart:
    """drawing: SVG rectangles within width x height. most: runs of the tallest bar."""

    drawing: Markup
    width: int
    height: int
    most: int
    hours: list[Hour]


def day_chart(begin: datetime, buckets: Sequence[BucketAnswer], base: str) -> DayChart:
    most = max((_all(bucket) for bucket in buckets), default=0)
    drawn = (_bar(begin, bucket, most, base) for bucket in buckets)
    return DayChart(Markup("".join(drawn)), BARS * WIDTH, HEIGHT, most, _hours(begin, buckets))


def _bar(begin: datetime, bucket: BucketAnswer, most: int, base: str) -> str:
    x, y, parts = round((bucket.at - begin) / STEP) * WIDTH, float(HEIGHT), ""
    for name, tone in KINDS:
        if count := getattr(bucket, name):
            height = max(count / most * (HEIGHT - 2), 1.5)
            y -= height
            parts += (
                f'<rect x="{x}" y="{y:.1f}" width="{WIDTH - GAP}" height="{height:.1f}" class="fill-{tone}"></rect>'
            )
    told = f"{bucket.at:%H:%M} UTC: {_all(bucket)} runs, {bucket.failed} failed, {bucket.timed_out} timed out"
    # Not in the order of tabs: 288 stops would be a wall, and the table has the hours.
    href = (base + _href(bucket.at, STEP)).replace("&", "&amp;")
    return f'<a href="{href}" tabindex="-1"><rect x="{x}" y="0" width="{WIDTH}" height="{HEIGHT}" fill="transparent"></rect>{parts}<title>{told}</title></a>'


def _hours(begin: datetime, buckets: Sequence[BucketAnswer]) -> list[Hour]:
    first = begin.replace(minute=0)
    hours = []
    for number in range(25):
        at = first + timedelta(hours=number)
        inside = [bucket for bucket in buckets if at <= bucket.at < at + timedelta(hours=1)]
        if inside:
            failed = sum(bucket.failed + bucket.timed_out for bucket in inside)
            hours.append(Hour(at, sum(map(_all, inside)), failed, _href(at, timedelta(hours=1))))
    return hours


def _all(bucket: BucketAnswer) -> int:
    return bucket.succeeded + bucket.failed + bucket.timed_out + bucket.running


def _href(at: datetime, length: timedelta) -> str:
    return "/runs?" + urlencode({"since": f"{at:%Y-%m-%dT%H:%M:%SZ}", "until": f"{at + length:%Y-%m-%dT%H:%M:%SZ}"})
