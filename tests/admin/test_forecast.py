"""The forecast: its arithmetic, its occurrences from the database, and its bounds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from pgcron_admin.forecast import Group, Member, Window, first_starts, heat_of

MONDAY = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())


def member(name: str, mean_ms: float | None = None) -> Member:
    return Member(name, name, mean_ms)


def test_runs_count_for_whole_seconds_and_a_minute_for_its_fullest_one() -> None:
    window = Window(MONDAY, 3)
    window.add(Group([member("short", 80.0), member("long", 90_000.0)], [MONDAY, MONDAY + 60]))
    window.add(Group([member("unknown")], [MONDAY + 1, MONDAY + 61]))
    load = window.load()
    assert load.starts == [3, 3, 0]
    # long from 0 to 90 s and from 60 to 150 s: two of them from 60 s on, beside short in second 60 and unknown in second 61.
    assert load.concurrent == [2, 3, 1]
    assert load.total == 6


def test_what_lies_outside_the_window_does_not_count_and_what_runs_now_does() -> None:
    window = Window(MONDAY, 2)
    window.add(Group([member("x", 10_000.0)], [MONDAY - 1, MONDAY + 119, MONDAY + 120]))
    window.add_running([5, 70, 9999])
    assert window.load().starts == [0, 1]
    assert window.load().concurrent == [3, 2]


def test_occurrences_beyond_those_that_were_computed_go_on_as_often_as_they_came() -> None:
    window = Window(MONDAY, 10)
    window.add(
        Group(
            [member("each second", 500.0), member("twin", 2500.0)], [MONDAY + n for n in range(30)], is_complete=False
        )
    )
    load = window.load()
    assert load.starts == [120] * 10
    assert load.concurrent[5:] == [4] * 5  # one that takes a second, and three of the twin
    rare = Window(MONDAY, 10)
    rare.add(Group([member("x")], [MONDAY, MONDAY + 7200], is_complete=False))
    assert rare.load().starts == [1] + [0] * 9


def test_heat_is_by_the_hours_of_the_zone_where_clocks_change_too() -> None:
    begin = int(
        datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()
    )  # Sunday 00:00 in Berlin, whose clocks go from 2 to 3
    heat = heat_of(begin, [1] + [0] * 119 + [5], ZoneInfo("Europe/Berlin"))
    assert heat[6][0] == 1
    assert heat[6][3] == 5
    assert sum(map(sum, heat)) == 6


def test_the_first_starts_are_by_time_and_then_by_name() -> None:
    groups = [
        Group([member("b"), member("a")], [MONDAY, MONDAY + 60]),
        Group([member("c")], [MONDAY + 30, MONDAY + 90]),
    ]
    assert [(at - MONDAY, it.name) for at, it in first_starts(groups, 4)] == [(0, "a"), (0, "b"), (30, "c"), (60, "a")]
    assert first_starts(groups, 0) == []


@pytest.fixture
def connection(site: Any) -> Any:
    with psycopg.connect(site.db_url, autocommit=True) as found:
        yield found
        found.execute("DELETE FROM pgcron.cron_worker")
        found.execute("DELETE FROM pgcron.cron_job")


@pytest.fixture
def viewer(site: Any) -> Any:
    return site.session("viewer")


def job(connection: Any, name: str, schedule: str, mean_ms: int | None = None, **columns: object) -> str:
    given = {"name": name, "schedule": schedule, "handler": "h", **columns}
    statement = (
        f"INSERT INTO pgcron.cron_job ({', '.join(given)}) VALUES ({', '.join(['%s'] * len(given))}) RETURNING id"
    )
    (id_,) = connection.execute(statement, list(given.values())).fetchone()
    if mean_ms is not None:
        connection.execute(
            "UPDATE pgcron.cron_job SET success_count = 1, duration_sum_ms = %s WHERE id = %s", (mean_ms, id_)
        )
    return str(id_)


def midnight(days: int) -> datetime:
    """Each test has a day of its own: answers are kept for a moment."""
    return (datetime.now(UTC) + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def test_a_day_is_predicted_from_schedules_and_durations_against_the_capacity(connection: Any, viewer: Any) -> None:
    worker = connection.execute(
        "INSERT INTO pgcron.cron_worker (id, host, pid, version, concurrency) VALUES (gen_random_uuid(), 'h', 1, '1', 2) RETURNING id"
    ).fetchone()[0]
    connection.execute(
        "INSERT INTO pgcron.cron_lease (worker_id, lease_until, ttl_ms) VALUES (%s, clock_timestamp() + interval '1 h', 30000)", (worker,)
    )  # fmt: skip
    job(connection, "hourly", "0 * * * *", 600_000)
    twin = job(connection, "twin", "0 * * * *", 1000, tags=["mail"], queue="slow")
    job(connection, "noon", "0 12 * * *", 7_200_000)
    job(connection, "off", "* * * * *", is_enabled=False)
    begin = midnight(20)
    answer = viewer.http.get("/api/forecast", params={"from": begin.isoformat(), "minutes": 1440})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["jobs"], told["capacity"], told["starts"], told["isTruncated"]) == (3, 2, 49, False)
    assert len(told["startsPerMinute"]) == len(told["concurrentPerMinute"]) == 1440
    assert told["startsPerMinute"][720] == 3
    assert told["concurrentPerMinute"][719:731] == [0] + [3] + [2] * 9 + [1]
    assert told["minutesOverCapacity"] == 2  # at 12:00, and at 13:00 while the one of noon goes on
    assert [(it["concurrent"], it["starts"]) for it in told["peaks"][:2]] == [(3, 3), (3, 2)]
    assert sum(map(sum, told["heat"])) == 49
    assert told["heat"][begin.weekday()][12] == 3
    assert [it["job"] for it in told["upcoming"][:2]] == ["hourly", "twin"]
    assert told["upcoming"][1] == {
        "at": begin.isoformat().replace("+00:00", "Z"),
        "jobId": twin,
        "job": "twin",
        "expectedMs": 1000.0,
    }
    for query in ({"tag": "mail"}, {"queue": "slow"}, {"jobId": twin}):
        found = viewer.http.get("/api/forecast", params={"from": begin.isoformat(), **query}).json()
        assert (found["jobs"], found["starts"]) == (1, 24)


def test_jobs_of_one_timetable_are_computed_once_and_those_with_h_each(connection: Any, viewer: Any) -> None:
    for number in range(30):
        job(connection, f"spread {number}", "H * * * *")
        job(connection, f"Thursday {number}", "0 1 * * THU")
        job(connection, f"interval {number}", "@every 10m")
    told = viewer.http.get(
        "/api/forecast", params={"from": midnight(30).isoformat(), "minutes": 10080, "limit": 0}
    ).json()
    assert told["jobs"] == 90
    assert told["starts"] == 30 * 168 + 30 + 30 * 1008
    assert told["upcoming"] == []
    assert len([count for count in told["startsPerMinute"][:60] if count]) > 6, "they are spread"


def test_a_week_of_each_second_is_bounded_and_says_so(connection: Any, viewer: Any) -> None:
    for number in range(40):
        job(
            connection,
            f"each second {number}",
            "* * * * * *",
            timezone=("UTC", "Asia/Tokyo", "Europe/Berlin", "America/Lima")[number % 4],
        )
    began = time.monotonic()
    answer = viewer.http.get("/api/forecast", params={"from": midnight(40).isoformat(), "minutes": 10080})
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < 10
    told = answer.json()
    assert told["isTruncated"] is True
    assert told["estimatedJobs"] + told["jobsLeftOut"] == 40
    assert told["starts"] == (40 - told["jobsLeftOut"]) * 604_800
    assert len(told["upcoming"]) == 200


def test_a_zone_that_cannot_be_read_starts_nothing_and_breaks_nothing(connection: Any, viewer: Any) -> None:
    job(connection, "well", "@hourly")
    lost = job(connection, "lost", "@hourly")
    connection.execute("ALTER TABLE pgcron.cron_job DISABLE TRIGGER USER")
    connection.execute("UPDATE pgcron.cron_job SET timezone = 'Mars/Base' WHERE id = %s", (lost,))
    connection.execute("ALTER TABLE pgcron.cron_job ENABLE TRIGGER USER")
    told = viewer.http.get("/api/forecast", params={"from": midnight(50).isoformat()}).json()
    assert (told["jobs"], told["starts"]) == (2, 24)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"minutes": "0"}, "minutes"),
        ({"minutes": "10081"}, "minutes"),
        ({"from": "tomorrow"}, "from"),
        ({"from": "2001-01-01"}, "from"),
        ({"from": "8000-01-01"}, "from"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"limit": "1001"}, "limit"),
    ],
)
def test_a_window_that_is_none_is_refused_with_the_field(viewer: Any, query: dict[str, str], field: str) -> None:
    answer = viewer.http.get("/api/forecast", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
