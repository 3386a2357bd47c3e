"""Random schedules, zones and instants: SQL and Python name the same instants, and refuse in the same words.

PGCRON_PROOF=1 asks twenty times as often. Where the two time zone databases differ, the answers may: such a place is
looked for at each difference, named, and left out.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import psycopg
import pytest

from support.expressions import CHANGES, any_schedule
from support.sql_schedules import Answer, Question, answer_of_python, answers_of_sql
from support.zone_differences import difference_near, first_difference, unknown_to_one, winters_and_summers

SCALE = 20 if os.environ.get("PGCRON_PROOF") == "1" else 1
BATCHES = 10
QUESTIONS = 1_000 * SCALE
AT_ONCE = 500
MINUTE_S = 60
GOAL_PER_MINUTE = 20_000
NAMES = ("", "nightly report", "jöb 😀")
BITS = [
    *"0123456789*/,-#LWHR?$ \t@'\"\\µ",
    "mon",
    "jan",
    "H(",
    ")",
    "1#2",
    "5L",
    "15W",
    "@every ",
    "1h",
    "µs",
    "é",
    "\n",
    " 5 days",
]
WORDS = ["*", "0", "7", "*/2", "1-5", "1", "2-3", "H", "H/7", "0/4", "1,3", "5"]
STRANGE_WORDS = [
    "L",
    "15W",
    "1#5",
    "5L",
    "?",
    "9999",
    "0-59/3",
    "31",
    "r",
    "l-2",
    "sat-mon",
    "60",
    "mon",
    "2/0",
    "*/99",
    "fri-SUN",
]


def question(rng: random.Random, zones: list[str]) -> Question:
    """Half of them near a clock change, the others at any time in any zone."""
    if rng.random() < 0.5:
        zone, change = rng.choice(CHANGES)
        after = datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(seconds=rng.randint(-100_000, 20_000))
    else:
        zone = rng.choice(zones)
        after = datetime(rng.randint(1965, 2110), 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randint(0, 366 * 86_400))
    after += timedelta(microseconds=rng.choice((0, 1, 999_999)))
    return Question(
        text=any_schedule(rng, after.astimezone(ZoneInfo(zone))),
        zone=zone,
        after=after,
        n=rng.choice((1, 3, 3, 8)),
        anchor=rng.choice((None, after + timedelta(seconds=rng.randint(-(10**7), 10**7)))),
        name=rng.choice(NAMES),
        gap=rng.choice((None, None, None, "run_after", "skip")),
        fold=rng.choice((None, None, None, "first", "both", "second")),
    )


def places_of(asked: Question, answers: tuple[Answer, Answer]) -> list[datetime]:
    """Where to look for a difference of the zones: the question, and where the answers part."""
    pairs = zip(*([*answer, None] for answer in answers), strict=False)
    apart = next(pair for pair in pairs if pair[0] != pair[1])
    return [asked.after, *(datetime.fromtimestamp(instant, UTC) for instant in apart if isinstance(instant, int))]


@pytest.mark.long
@pytest.mark.parametrize("batch", range(BATCHES))
def test_both_engines_name_the_same_instants(sql_schedules: psycopg.Connection, batch: int) -> None:
    rng = random.Random(5_000 + batch)
    lacking = unknown_to_one(sql_schedules)
    zones = sorted(available_timezones() - lacking.keys() - {"Factory", "localtime"})
    tally: Counter[str] = Counter()
    differing: dict[str, str] = {}
    for _ in range(QUESTIONS // AT_ONCE):
        questions = [question(rng, zones) for _ in range(AT_ONCE)]
        for asked, sql in zip(questions, answers_of_sql(sql_schedules, questions), strict=True):
            python = answer_of_python(asked)
            tally["refused" if python and isinstance(python[0], str) else "no run" if not python else "runs"] += 1
            if sql != python:
                difference = difference_near(sql_schedules, asked.zone, places_of(asked, (python, sql)))
                assert difference, f"{asked}: Python {python}, SQL {sql}"
                differing[asked.zone] = str(difference)
                tally["left out"] += 1
    print(f"\n{QUESTIONS} comparisons: {dict(tally)}, 0 differences", *differing.values(), sep="\n  ")
    assert tally["runs"] > QUESTIONS * 0.9  # the questions are no empty ones
    assert tally["left out"] < QUESTIONS * 0.02


def gibberish(rng: random.Random) -> str:
    return "".join(rng.choices(BITS, k=rng.randint(0, 40)))


def almost_a_cron_text(rng: random.Random) -> str:
    fields = [rng.choices(WORDS if rng.random() < 0.9 else STRANGE_WORDS, k=rng.choice((1, 1, 2))) for _ in range(8)]
    return " ".join(",".join(items) for items in fields[: rng.choice((5, 5, 5, 6, 7, 4, 8))])


def test_both_engines_read_and_refuse_the_same_texts(sql_schedules: psycopg.Connection) -> None:
    rng = random.Random(6_000)
    tally: Counter[object] = Counter()
    for _ in range(6 * SCALE):
        texts = [gibberish(rng) if rng.random() < 0.3 else almost_a_cron_text(rng) for _ in range(AT_ONCE)]
        questions = [
            Question(text, "UTC", datetime(2026, 3, 4, tzinfo=UTC), n=2, name=rng.choice(NAMES)) for text in texts
        ]
        answers = answers_of_sql(sql_schedules, questions)
        for asked, sql in zip(questions, answers, strict=True):
            assert sql == answer_of_python(asked), asked
            tally[sql[0] if sql and isinstance(sql[0], str) else "taken"] += 1
    print(f"\n{tally.total()} texts, 0 differences: {dict(tally.most_common())}")
    assert len(tally) > 12  # kinds of refusals, and what is taken
    assert tally["taken"] > tally.total() / 10


@pytest.mark.long
def test_the_time_zone_databases_agree_or_their_differences_are_named(sql_schedules: psycopg.Connection) -> None:
    """What an operator should know: which zones the server and the workers read differently. Winters and summers from 1970 to 2040."""
    lacking = unknown_to_one(sql_schedules)
    zones = sorted(available_timezones() - lacking.keys() - {"Factory", "localtime"})
    found = [
        difference
        for zone in zones
        if (difference := first_difference(sql_schedules, zone, winters_and_summers(1970, 2040)))
    ]
    print(f"\n{len(zones)} zones, {len(found)} differ, {len(lacking)} unknown to one: {lacking}", *found, sep="\n  ")
    assert len(found) + len(lacking) < len(zones) / 10
    assert {zone for zone, _ in CHANGES}.isdisjoint({difference.zone for difference in found})


def test_it_is_fast_enough_for_a_table_of_jobs(sql_schedules: psycopg.Connection) -> None:
    """The goal is 20,000 a minute (benchmarks/schedules_in_sql.py shows seven times that); a busy machine passes too."""
    rng = random.Random(7_000)
    questions = [question(rng, ["Europe/Berlin"]) for _ in range(AT_ONCE)]
    started = time.perf_counter()
    answers_of_sql(sql_schedules, questions)
    per_minute = MINUTE_S / (time.perf_counter() - started) * sum(asked.n for asked in questions)
    print(f"\n{per_minute:,.0f} next runs a minute")
    assert per_minute > GOAL_PER_MINUTE
