"""What the scheduler asks: next, latest, count, list. All bounded, all pure."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from pgcron_py.timetable import Plan, next_runs, parse
from pgcron_py.timetable.days import _Engine

NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
MONTH = timedelta(days=30)


def plan(text: str, zone: str = "UTC", anchor: datetime | None = None) -> Plan:
    return parse(text).plan(zone, anchor=anchor)


# The promise is 5 ms on a quiet machine (benchmarks/timetable.py shows it); a busy one must not fail the tests.
BUSY_LIMIT_MS = 20


def best_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times) * 1_000


def test_naive_datetimes_are_refused_in_words() -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="aware"):
        next_runs("@daily", "UTC", naive, 1)
    with pytest.raises(ValueError, match="aware"):
        next_runs("@every 5m", "UTC", NOW, 1, anchor=naive)
    with pytest.raises(ValueError, match="aware"):
        plan("@daily").latest_before(NOW, naive)


def test_instants_beyond_the_databases_years_are_refused() -> None:
    with pytest.raises(ValueError, match="1900"):
        next_runs("@daily", "UTC", datetime(1, 1, 1, tzinfo=UTC), 1)
    with pytest.raises(ValueError, match="9000"):
        next_runs("@daily", "UTC", datetime.max.replace(tzinfo=UTC), 1)


def test_the_end_of_time_is_no_error() -> None:
    last = datetime(8999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for text in ("* * * * * *", "@daily", "0 0 1 * *", "@every 8784h"):
        assert next_runs(text, "Europe/Berlin", last, 5) == []


def test_next_is_strictly_after_whatever_zone_the_question_has() -> None:
    tokyo = timezone(timedelta(hours=9))
    on_it = datetime(2026, 3, 4, 9, 0, tzinfo=tokyo)
    assert next_runs("0 0 * * *", "UTC", on_it, 1) == [datetime(2026, 3, 5, tzinfo=UTC)]
    assert next_runs("0 0 * * *", "UTC", on_it - timedelta(microseconds=1), 1) == [datetime(2026, 3, 4, tzinfo=UTC)]
    assert next_runs("0 0 * * *", "UTC", on_it, 1)[0].tzinfo is UTC


def test_years_that_are_past_have_no_next() -> None:
    assert next_runs("0 0 0 1 1 * 2020", "UTC", NOW, 3) == []
    assert next_runs("0 0 0 1 1 * 2030-2031", "UTC", NOW, 3) == [datetime(y, 1, 1, tzinfo=UTC) for y in (2030, 2031)]
    assert plan("0 0 0 1 1 * 2020").latest_before(NOW - timedelta(days=3650), NOW) == datetime(2020, 1, 1, tzinfo=UTC)


def test_reboot_names_no_instant() -> None:
    reboot = plan("@reboot")
    assert next_runs("@reboot", "UTC", NOW, 5) == []
    assert reboot.latest_before(NOW - MONTH, NOW) is None
    assert reboot.count_between(NOW - MONTH, NOW) == (0, True)


def test_intervals_hang_on_their_anchor_cut_to_the_second() -> None:
    anchor = datetime(2026, 3, 4, 5, 0, 1, 999, tzinfo=UTC)
    start = anchor.replace(microsecond=0)
    hourly = plan("@every 1h", anchor=anchor)
    assert hourly.next_after(anchor) == start + timedelta(hours=1)
    assert hourly.next_after(start) == start + timedelta(hours=1)
    assert hourly.latest_before(start, start + timedelta(hours=5)) == start + timedelta(hours=5)
    assert hourly.latest_before(start, start + timedelta(minutes=59)) is None
    assert next_runs("30 seconds", "UTC", anchor, 2, anchor=anchor) == [start + timedelta(seconds=s) for s in (30, 60)]


def test_intervals_without_an_anchor_hang_on_the_epoch() -> None:
    assert next_runs("@every 7s", "UTC", datetime(1970, 1, 1, tzinfo=UTC), 1) == [
        datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
    ]


def test_intervals_do_not_drift_over_ten_years() -> None:
    anchor = datetime(2016, 1, 1, tzinfo=UTC)
    late = plan("@every 7m", anchor=anchor).next_after(NOW)
    assert late
    assert (late - anchor) % timedelta(minutes=7) == timedelta(0)


def test_intervals_are_counted_by_arithmetic() -> None:
    every = plan("@every 1s", anchor=NOW)
    assert every.count_between(NOW - timedelta(days=3650), NOW) == (3650 * 86_400, True)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_month_of_seconds_is_counted_exactly_and_its_latest_found_in_five_ms(zone: str) -> None:
    seconds = plan("* * * * * *", zone)
    assert seconds.count_between(NOW - MONTH, NOW) == (30 * 86_400, True)
    assert seconds.latest_before(NOW - MONTH, NOW) == NOW.replace(microsecond=0)
    assert best_ms(lambda: seconds.count_between(NOW - MONTH, NOW)) < BUSY_LIMIT_MS
    assert best_ms(lambda: seconds.latest_before(NOW - MONTH, NOW)) < BUSY_LIMIT_MS


@pytest.mark.parametrize(
    "text", ["* * * * * *", "0 9 * * 1-5", "*/7 2 */2 * *", "0 0 1 * *", "0 9 13 * 5", "0 0 LW * *"]
)
def test_a_count_over_ten_years_gives_up_in_time_and_says_so(text: str) -> None:
    asked = plan(text, "America/New_York")
    since = NOW - timedelta(days=3650)
    count, exact = asked.count_between(since, NOW)
    assert not exact
    assert 0 < count <= 3653 * 86_400
    assert best_ms(lambda: asked.count_between(since, NOW)) < BUSY_LIMIT_MS


@pytest.mark.parametrize("text", ["*/7 2 */2 * *", "0 9 13 * 5", "0 0 LW * *", "* * * * * */3"])
def test_a_count_asks_croniter_a_bounded_number_of_times(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[date] = []
    answer = _Engine._ask

    def counted(engine: _Engine, day: date) -> date | None:
        asked.append(day)
        return answer(engine, day)

    monkeypatch.setattr(_Engine, "_ask", counted)
    plan(text, "America/New_York").count_between(NOW - timedelta(days=3650), NOW)
    assert len(asked) <= 30


def test_a_lower_bound_never_exceeds_the_truth() -> None:
    monthly = plan("0 0 1 * *", "Europe/Berlin")
    count, exact = monthly.count_between(NOW - timedelta(days=900), NOW)
    truth = len(monthly.occurrences_between(NOW - timedelta(days=900), NOW, 10**6))
    assert (count < truth and not exact) or (count == truth and exact)
    assert monthly.count_between(NOW - timedelta(days=300), NOW) == (10, True)


def test_empty_and_backward_windows_hold_nothing() -> None:
    daily = plan("@daily")
    for after, until in ((NOW, NOW), (NOW, NOW - MONTH)):
        assert daily.count_between(after, until) == (0, True)
        assert daily.latest_before(after, until) is None
        assert daily.occurrences_between(after, until, 10) == []


def test_windows_leave_out_their_first_end_and_keep_their_last() -> None:
    daily = plan("@daily")
    first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    assert daily.occurrences_between(first, last, 10) == [datetime(2026, 3, d, tzinfo=UTC) for d in (2, 3, 4)]
    assert daily.occurrences_between(first, last, 2) == [datetime(2026, 3, d, tzinfo=UTC) for d in (2, 3)]
    assert daily.count_between(first, last) == (3, True)
    assert daily.latest_before(first, last) == last


def test_the_latest_of_sparse_and_of_lumpy_timetables_is_found() -> None:
    since = datetime(1990, 1, 1, tzinfo=UTC)
    assert plan("0 0 29 2 *").latest_before(since, NOW) == datetime(2024, 2, 29, tzinfo=UTC)
    assert plan("0 0 29 2 */7").latest_before(since, NOW) == datetime(2004, 2, 29, tzinfo=UTC)
    assert plan("* * 25 12 *").latest_before(since, NOW) == datetime(2025, 12, 25, 23, 59, tzinfo=UTC)
    assert plan("*/5 * * 1 *").latest_before(since, NOW) == datetime(2026, 1, 31, 23, 55, tzinfo=UTC)


def test_a_leap_day_survives_the_year_2100() -> None:
    assert next_runs("0 0 29 2 *", "UTC", datetime(2096, 3, 1, tzinfo=UTC), 1) == [datetime(2104, 2, 29, tzinfo=UTC)]
    assert next_runs("0 0 29 2 */7", "UTC", datetime(2088, 3, 1, tzinfo=UTC), 1) == [datetime(2128, 2, 29, tzinfo=UTC)]


def test_nearest_weekdays_do_not_clamp() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert [f"{r:%m-%d}" for r in next_runs("0 0 31W * *", "UTC", start, 4)] == ["01-30", "03-31", "05-29", "07-31"]
    assert [f"{r:%m-%d}" for r in next_runs("0 0 LW * *", "UTC", start, 4)] == ["01-30", "02-27", "03-31", "04-30"]
    assert [f"{r:%Y-%m-%d}" for r in next_runs("0 0 29W 2 *", "UTC", start, 2)] == ["2028-02-29", "2032-02-27"]


def test_limits_bound_the_lists() -> None:
    assert len(next_runs("* * * * * *", "UTC", NOW, 10**9)) == 10_000
    assert next_runs("* * * * * *", "UTC", NOW, 0) == []
    assert next_runs("* * * * * *", "UTC", NOW, -1) == []


def test_years_are_found_from_any_instant_before_them() -> None:
    """From 1960 to 2099 are more years than croniter is told to look ahead."""
    new_year = datetime(2099, 1, 1, tzinfo=UTC)
    for year in (1900, 1960, 1969, 1970, 2098):
        assert next_runs("0 0 0 1 1 * 2099", "UTC", datetime(year, 7, 1, tzinfo=UTC), 2) == [new_year]
