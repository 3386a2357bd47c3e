"""What the grammar refuses: each with its code, field, column and a hint that helps."""

import pytest

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import parse

# text, code, field, column, a part of the hint
REFUSED = [
    ("", "empty", None, 1, "five fields"),
    (" \t ", "empty", None, 1, "five fields"),
    ("*" * 257, "too_long", None, 257, "ranges and steps"),
    ("0 0 * * *\n", "control_character", None, 10, "remove"),
    ("0 0 * \x00* *", "control_character", None, 7, "remove"),
    ("0 0 * * \x7f", "control_character", None, 9, "remove"),
    ("0\u00a00 * * *", "not_ascii", None, 2, "retype"),
    ("٣ 0 * * *", "not_ascii", None, 1, "retype"),
    ("0 0 * * mоn", "not_ascii", None, 10, "retype"),  # a Cyrillic o
    ("@every 5μs", "not_ascii", None, 9, "retype"),  # Greek mu; the micro sign is the unit
    ("µ 0 * * *", "syntax", "minute", 1, "write *"),
    # words
    ("@fortnightly", "unknown_alias", None, 1, "@daily"),
    (" @daily 5", "unknown_alias", None, 2, "@daily"),
    ("@", "unknown_alias", None, 1, "@daily"),
    ("TZ=UTC 0 0 * * *", "time_zone_prefix", None, 1, "set the job's time zone"),
    (" CRON_TZ=Europe/Berlin 0 0 * * *", "time_zone_prefix", None, 2, "set the job's time zone"),
    # intervals
    ("@every", "duration", "duration", 7, "@every 1h30m"),
    ("@every 5", "duration", "duration", 8, "units"),
    ("@every 5 m", "duration", "duration", 8, "without blanks"),
    ("@every 1h5x", "duration", "duration", 10, "units"),
    ("@every 2d", "duration", "duration", 8, "48h"),
    ("@every 1.5h", "duration", "duration", 8, "1h30m"),
    ("@every -5m", "duration", "duration", 8, "units"),
    ("@every 0s", "interval_range", "duration", 8, "8784h"),
    ("@every 8785h", "interval_range", "duration", 8, "8784h"),
    ("@every 1500ms", "interval_fraction", "duration", 8, "@every 1s"),
    ("@every 1ns", "interval_fraction", "duration", 8, "@every 1s"),
    ("0 seconds", "seconds_range", "duration", 1, None),
    ("60 seconds", "seconds_range", "duration", 1, "@every 60s"),
    ("5 minutes", "seconds_unit", "duration", 1, "@every 5m"),
    ("2 days", "seconds_unit", "duration", 1, "@every 48h"),
    # field counts
    ("*", "field_count", None, 2, "5: minute"),
    ("0 0 * *", "field_count", None, 8, "5: minute"),
    ("0 0 0 1 1 * 2030 x", "field_count", None, 18, "7: second first"),
    # numbers
    ("60 * * * *", "out_of_range", "minute", 1, "0 to 59"),
    ("0 24 * * *", "out_of_range", "hour", 3, "midnight is hour 0"),
    ("0 0 0 * *", "out_of_range", "day_of_month", 5, "1 to 31"),
    ("0 0 32 * *", "out_of_range", "day_of_month", 5, "1 to 31"),
    ("0 0 * 0 *", "out_of_range", "month", 7, "1 to 12"),
    ("0 0 * 13 *", "out_of_range", "month", 7, "1 to 12"),
    ("0 0 * * 8", "out_of_range", "day_of_week", 9, "0 to 7"),
    ("0 0 1 1 * 2030", "out_of_range", "day_of_week", 11, "seven fields"),
    ("0 0 0 1 1 * 1969", "out_of_range", "year", 13, "1970 to 2099"),
    ("0 0 0 1 1 * 2100", "out_of_range", "year", 13, "1970 to 2099"),
    ("60 0 0 1 1 *", "out_of_range", "second", 1, "0 to 59"),
    ("0,15,75 * * * *", "out_of_range", "minute", 6, "0 to 59"),
    ("0-75 * * * *", "out_of_range", "minute", 3, "0 to 59"),
    ("00005 * * * *", "number_too_long", "minute", 1, "0 to 59"),
    ("*/00005 * * * *", "number_too_long", "minute", 3, "0 to 59"),
    # names
    ("0 0 * foo *", "unknown_name", "month", 7, "jan, feb"),
    ("0 0 * * january", "unknown_name", "day_of_week", 9, "sun, mon"),
    ("0 0 * january *", "unknown_name", "month", 7, "jan, feb"),
    ("mon 0 * * *", "unknown_name", "minute", 1, "numbers"),
    ("0 0 * * mon-feb", "unknown_name", "day_of_week", 13, "sun, mon"),
    # ranges and steps
    ("0 22-2 * * *", "backward_range", "hour", 3, "write 22-23,0-2"),
    ("0 22-2/2 * * *", "backward_range", "hour", 3, "write 22-23/2,0-2/2"),
    ("59-0 * * * *", "backward_range", "minute", 1, "write 59,0"),
    ("0 0 28-3 * *", "backward_range", "day_of_month", 5, "write 28-31,1-3"),
    ("0 0 * nov-feb *", "backward_range", "month", 7, "write 11-12,1-2"),
    ("0 0 * * sat-mon", "backward_range", "day_of_week", 9, "write 6,0-1"),
    ("0 0 * * 7-2", "backward_range", "day_of_week", 9, "write 0-2"),
    ("0 0 0 1 1 * 2030-2028", "backward_range", "year", 13, "write 2028-2030"),
    ("*/0 * * * *", "step_zero", "minute", 3, "1 or more"),
    ("5/0 * * * *", "step_zero", "minute", 3, "1 or more"),
    ("*/60 * * * *", "step_too_large", "minute", 3, "@every 60m"),
    ("*/90 * * * *", "step_too_large", "minute", 3, "@every 90m"),
    ("*/60 0 0 * * *", "step_too_large", "second", 3, "@every 60s"),
    ("0 */24 * * *", "step_too_large", "hour", 5, "@every 24h"),
    ("0 2-23/24 * * *", "step_too_large", "hour", 8, "write 2"),
    ("0 0 */40 * *", "step_too_large", "day_of_month", 7, "@every 960h"),
    ("0 0 1 */13 *", "step_too_large", "month", 9, "at most 12"),
    ("0 0 * * */8", "step_too_large", "day_of_week", 11, "@every 192h"),
    ("0 0 0 1 1 * */130", "step_too_large", "year", 15, "at most 129"),
    ("H/60 * * * *", "step_too_large", "minute", 3, "@every 60m"),
    # shapes
    ("a-b-c * * * *", "syntax", "minute", 1, "write *"),
    ("1,,2 * * * *", "syntax", "minute", 3, "extra comma"),
    (",1 * * * *", "syntax", "minute", 1, "extra comma"),
    ("1, * * * *", "syntax", "minute", 3, "extra comma"),
    ("**/5 * * * *", "syntax", "minute", 1, "write *"),
    ("*-5 * * * *", "syntax", "minute", 1, "write *"),
    ("*/*/2 * * * *", "syntax", "minute", 1, "write *"),
    ("-5 * * * *", "syntax", "minute", 1, "first value"),
    ("1.5 * * * *", "syntax", "minute", 1, "write *"),
    ("+5 * * * *", "syntax", "minute", 1, "write *"),
    ("? * * * *", "question_mark", "minute", 1, "write *"),
    ("0 0 ?,5 * *", "question_mark", "day_of_month", 5, "write *"),
    ("0 0 ?/2 * *", "question_mark", "day_of_month", 5, "write *"),
    ("R * * * *", "random", "minute", 1, "use H"),
    ("0 R(0-7)/2 * * *", "random", "hour", 3, "use H"),
    ("H(0-29)/10 * * * *", "syntax", "minute", 1, "H/n"),
    ("H(29-0) * * * *", "backward_range", "minute", 1, None),
    ("H(0-60) * * * *", "out_of_range", "minute", 5, "0 to 59"),
    # special days
    ("0 0 L-3 * *", "last_offset", "day_of_month", 5, "L"),
    ("0 0 L-3W * *", "last_offset", "day_of_month", 5, "L"),
    ("0 0 15W,20 * *", "w_in_list", "day_of_month", 5, "job of its own"),
    ("0 0 1,LW * *", "w_in_list", "day_of_month", 5, "job of its own"),
    ("0 0 32W * *", "out_of_range", "day_of_month", 5, "1 to 31"),
    ("0 0 0W * *", "out_of_range", "day_of_month", 5, "1 to 31"),
    ("0 0 W * *", "unknown_name", "day_of_month", 5, "numbers"),
    ("0 0 15W * 1", "beside_restricted_day", "day_of_month", 5, "write * in day-of-week"),
    ("0 0 LW * */2", "beside_restricted_day", "day_of_month", 5, "write * in day-of-week"),
    ("0 0 13 * 1#1", "beside_restricted_day", "day_of_week", 10, "write * in day-of-month"),
    ("0 0 */2 * 5L", "beside_restricted_day", "day_of_week", 11, "write * in day-of-month"),
    ("0 0 * * 1#0", "nth_range", "day_of_week", 11, "5L"),
    ("0 0 * * 1#6", "nth_range", "day_of_week", 11, "5L"),
    ("0 0 * * 8#1", "out_of_range", "day_of_week", 9, "0 to 7"),
    ("0 0 * * mon-fri#1", "syntax", "day_of_week", 9, "mon#1,tue#1"),
    ("0 0 * * L", "syntax", "day_of_week", 9, "5L"),
    ("0 0 * * 15W", "syntax", "day_of_week", 9, "day-of-month"),
    ("0 0 1#2 * *", "syntax", "day_of_month", 5, "day-of-week"),
    ("0 0 * 1#2 *", "syntax", "month", 7, "day-of-week"),
    # never
    ("0 0 30 2 *", "never_fires", "day_of_month", 5, "write L"),
    ("0 0 31 4,6,9,11 *", "never_fires", "day_of_month", 5, "write L"),
    ("0 0 31W 2,4 *", "never_fires", "day_of_month", 5, "write L"),
    ("0 0 30 2 */2", "never_fires", "day_of_month", 5, "write L"),
    ("0 0 0 29 2 * 2023", "never_fires", "day_of_month", 7, "write L"),
    ("0 0 0 29W 2 * 2023", "never_fires", "day_of_month", 7, "write L"),
    ("0 0 0 29 2 */7 2005", "never_fires", "day_of_month", 7, "write L"),
]


@pytest.mark.parametrize(("text", "code", "field", "column", "hint"), REFUSED)
def test_a_text_is_refused_with_its_place_and_what_to_write_instead(
    text: str, code: str, field: str | None, column: int, hint: str | None
) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse(text)
    error = caught.value
    assert (error.code, error.field, error.column) == (code, field, column)
    assert error.message
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "refused", [row for row in REFUSED if row[1] == "backward_range" and (row[4] or "").startswith("write")]
)
def test_the_hint_of_a_backward_range_can_be_pasted(refused: tuple[str, str, str, int, str]) -> None:
    text, _, _, column, hint = refused
    end = text.find(" ", column)
    parse(text[: column - 1] + hint.removeprefix("write ") + (text[end:] if end >= 0 else ""))


@pytest.mark.parametrize(
    "refused", [row for row in REFUSED if "@every" in (row[4] or "") and "1h30m" not in (row[4] or "")]
)
def test_the_hint_of_a_long_step_can_be_pasted(refused: tuple[str, str, str, int, str]) -> None:
    parse(refused[4])


def test_years_that_are_past_are_a_valid_text() -> None:
    assert parse("0 0 0 1 1 * 1999").canonical == "0 0 0 1 1 * 1999"
