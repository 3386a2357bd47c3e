"""Histograms: what goes in comes out within 5 %, and two are as good as one."""

from __future__ import annotations

import math
import random

import psycopg
import pytest


def exact(values: list[int], share: float) -> int:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def of(connection: psycopg.Connection, values: list[int]) -> str:
    (found,) = connection.execute(
        "SELECT pgcron.histogram_of((SELECT array_agg(pgcron.bucket_of(v)) FROM unnest(%s::bigint[]) v))::text",
        (values,),
    ).fetchone()
    return found


def quantile(connection: psycopg.Connection, histogram: str, share: float) -> float:
    (found,) = connection.execute("SELECT pgcron.quantile(%s::integer[], %s)", (histogram, share)).fetchone()
    return found


DRAWN = {
    "small": lambda r: r.randrange(0, 13),
    "around a second": lambda r: int(r.lognormvariate(7, 1)),
    "anything up to a month": lambda r: int(10 ** r.uniform(0, 9.4)),
    "one value": lambda r: 4711,
}


@pytest.mark.parametrize("kind", DRAWN)
def test_quantiles_are_within_five_percent(sql_schedules: psycopg.Connection, kind: str) -> None:
    values = [DRAWN[kind](random.Random(seed)) for seed in range(2000)]
    histogram = of(sql_schedules, values)
    for share in (0.001, 0.5, 0.9, 0.95, 0.99, 1):
        assert quantile(sql_schedules, histogram, share) == pytest.approx(exact(values, share), rel=0.05)


def test_every_millisecond_is_within_five_percent_and_small_ones_are_exact(sql_schedules: psycopg.Connection) -> None:
    query = """
        SELECT v, pgcron.bucket_ms(pgcron.bucket_of(v)) FROM (
          SELECT generate_series(0, 100000) UNION ALL SELECT (10 ^ (n / 100.0))::bigint FROM generate_series(500, 1500) n) x (v)
    """
    found = sql_schedules.execute(query).fetchall()
    assert [(v, ms) for v, ms in found if (v <= 11 and ms != v) or abs(ms - v) > 0.044 * v] == []


def test_two_histograms_add_up_to_that_of_all_values(sql_schedules: psycopg.Connection) -> None:
    draw = random.Random(7)
    parts = [[int(draw.lognormvariate(7, 2)) for _ in range(draw.randrange(0, 300))] for _ in range(20)]
    (added,) = sql_schedules.execute(
        "SELECT pgcron.histogram_sum(h)::text FROM unnest(%s::text[]) t, LATERAL (SELECT t::integer[] AS h) x",
        ([of(sql_schedules, part) for part in parts],),
    ).fetchone()
    assert added == of(sql_schedules, [value for part in parts for value in part])


def test_nothing_has_no_quantile(sql_schedules: psycopg.Connection) -> None:
    assert of(sql_schedules, []) is None
    assert quantile(sql_schedules, None, 0.5) is None
