"""Sentences and warnings."""

from datetime import UTC, datetime

import pytest

from pgcron_py.timetable import Description, describe

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def told(text: str, zone: str = "America/New_York", after: datetime = NOW, **more: object) -> Description:
    return describe(text, zone, after, name="nightly", **more)  # type: ignore[arg-type]  # options by name


def codes(text: str, zone: str = "America/New_York", after: datetime = NOW) -> list[str]:
    return [warning.code for warning in told(text, zone, after).warnings]


SENTENCES = [
    ("*/5 * * * *", "Every 5 minutes, America/New_York time"),
    ("@daily", "At 00:00, America/New_York time"),
    ("30 2 * * mon-fri", "At 02:30, Monday through Friday, America/New_York time"),
    ("0 9 13 * 5", "At 09:00, on day 13 of the month, and also on every Friday, America/New_York time"),
    ("0 9 */15 * 1", "At 09:00, on days 1, 16 and 31 of the month, but only if it is a Monday, America/New_York time"),
    ("0 9 13 */2 5", None),
    ("0 0 * * 3,1#2", "At 00:00, on every Wednesday and on the second Monday of the month, America/New_York time"),
    ("0 0 15,L * *", "At 00:00, on day 15 and the last day of the month, America/New_York time"),
    ("0 0 LW * *", "At 00:00, on the last weekday of the month, America/New_York time"),
    ("0 0 31W * *", "At 00:00, on the weekday nearest day 31 of the month, America/New_York time"),
    ("@every 1h", "Every hour, counted from 1970-01-01T00:00:00+00:00, whatever clocks do"),
    ("@every 90s", "Every 1 minute 30 seconds, counted from 1970-01-01T00:00:00+00:00, whatever clocks do"),
    ("@reboot", "Once when the first worker starts while no other worker is alive"),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_a_schedule_is_told_in_one_sentence(text: str, sentence: str | None) -> None:
    assert told(text).sentence == sentence or sentence is None
    assert "\n" not in told(text).sentence


def test_a_hashed_schedule_says_so_and_shows_its_times() -> None:
    assert told("H 3 * * *").sentence.endswith("; H was chosen from the job's name")


def test_the_anchor_of_an_interval_is_named() -> None:
    assert "2026-03-01T08:30:00+00:00" in told("@every 1h", anchor=datetime(2026, 3, 1, 8, 30, tzinfo=UTC)).sentence


def test_five_runs_are_given_and_none_for_reboot() -> None:
    assert len(told("@daily").next_runs) == 5
    assert told("@reboot").next_runs == ()
    assert told("@reboot").warnings == ()


WARNINGS = [
    ("0 3 * * *", "UTC", []),
    ("*/5 * * * *", "America/New_York", []),  # crosses a change without a hitch
    ("0 12 L * *", "UTC", []),
    ("0 12 28 * *", "UTC", []),
    ("0 12 31 1,3 *", "UTC", []),
    ("0 12 13 * 5", "UTC", ["both_days"]),
    ("0 12 */2 * 1", "UTC", ["both_days", "uneven_step"]),
    ("0 12 31 * *", "UTC", ["short_months"]),
    ("0 12 28-31 * *", "UTC", ["short_months"]),
    ("0 12 30W * *", "UTC", ["short_months"]),
    ("0 12 * * 1#5", "UTC", ["fifth_weekday"]),
    ("*/7 * * * *", "UTC", ["uneven_step"]),
    ("H/7 * * * *", "UTC", ["uneven_step"]),
    ("0 */5 * * *", "UTC", ["uneven_step"]),
    ("0 0 1 */5 *", "UTC", ["uneven_step"]),
    ("0 0 * * */2", "UTC", ["uneven_step"]),
    ("30 seconds", "UTC", ["sub_minute"]),
    ("*/10 * * * * *", "UTC", ["sub_minute", "field_order"]),
    ("0 0 0 1 1 * 2028", "UTC", ["field_order", "far_away"]),
    ("0 0 0 1 1 * 2020", "UTC", ["field_order", "no_more_runs"]),
    ("0 0 29 2 *", "UTC", ["short_months", "far_away"]),
    ("30 2 * * *", "America/New_York", ["dst_gap", "dst_gap"]),
    ("30 1 * * *", "America/New_York", ["dst_fold"]),
    ("0 */2 * * *", "America/New_York", ["dst_gap", "dst_gap"]),
    ("0 2,3 * * *", "Europe/Berlin", ["dst_gap", "dst_fold", "dst_gap"]),
]


@pytest.mark.parametrize(("text", "zone", "expected"), WARNINGS)
def test_what_may_surprise_is_warned_about(text: str, zone: str, expected: list[str]) -> None:
    assert codes(text, zone) == expected


def test_a_gap_is_told_with_its_date_and_what_will_happen() -> None:
    fixed, wild = told("30 2 * * *").warnings[0], told("*/30 2 * * *").warnings[0]
    assert fixed.at == wild.at == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert fixed.message == "clocks skip 02:00-03:00 on 2026-03-08: runs once, at 03:00"
    assert wild.message == "clocks skip 02:00-03:00 on 2026-03-08: those runs are skipped"


def test_a_fold_is_told_with_its_date_and_what_will_happen() -> None:
    messages = {told(text).warnings[0].message for text in ("30 1 * * *", "*/30 1 * * *")}
    assert messages == {
        "clocks repeat 01:00-02:00 on 2026-11-01: runs in the first pass only",
        "clocks repeat 01:00-02:00 on 2026-11-01: runs in both passes",
    }
    assert "second pass only" in told("30 1 * * *", dst_fold="second").warnings[0].message


def test_changes_beyond_400_days_are_left_out() -> None:
    late = datetime(2025, 1, 1, tzinfo=UTC)
    assert [w.at for w in told("30 2 * * *", after=late).warnings] == [datetime(2025, 3, 9, 7, tzinfo=UTC)]


def test_losing_the_only_run_of_a_year_is_a_strong_warning_years_ahead() -> None:
    strong = [warning for warning in told("0 */30 2 13 3 *").warnings if warning.strong]
    assert [(w.code, w.at) for w in strong] == [("only_run_swallowed", datetime(2033, 3, 13, 7, tzinfo=UTC))]
    assert "the only run of the year 2033 is lost" in strong[0].message


def test_losing_the_only_run_of_a_month_is_a_strong_warning() -> None:
    strong = [warning for warning in told("*/30 2 * * 0#2").warnings if warning.strong]
    assert strong[0].message == "clocks skip 02:00-03:00 on 2026-03-08: the only run of March 2026 is lost"
    assert [f"{w.at:%Y-%m}" for w in strong] == ["2026-03", "2027-03"]  # later ones say nothing new


def test_a_fixed_time_job_loses_nothing_and_is_not_warned_strongly() -> None:
    assert not [warning for warning in told("30 2 13 3 *").warnings if warning.strong]


def test_a_skipped_day_is_told_with_both_dates() -> None:
    apia = told("0 12 * * *", "Pacific/Apia", datetime(2011, 12, 1, tzinfo=UTC)).warnings
    assert "clocks skip 2011-12-30 00:00 to 2011-12-31 00:00: runs once, at 00:00" in [w.message for w in apia]


def test_a_describer_that_fails_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import cron_descriptor

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(cron_descriptor, "ExpressionDescriptor", broken)
    assert told("0 3 * * *").sentence == "At 0 3 * * *, America/New_York time"
