"""What the grammar takes, and the canonical text it becomes."""

import pytest

from pgcron_py.timetable import FieldName, Kind, parse

CANONICAL = [
    # aliases, any case, blanks around
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("\t @DaiLy  ", "0 0 * * *"),
    ("@reboot", "@reboot"),
    # intervals
    ("@every 5m", "@every 5m"),
    ("@every 90m", "@every 1h30m"),
    ("@every 1h30m", "@every 1h30m"),
    ("@every  1000ms ", "@every 1s"),
    ("@every 500ms500000us", "@every 1s"),
    ("@every 999999µs1µs", "@every 1s"),
    ("@every 1000000000ns", "@every 1s"),
    ("@every 8784h", "@every 8784h"),
    ("1 second", "@every 1s"),
    ("30 seconds", "@every 30s"),
    ("  59   SECONDS ", "@every 59s"),
    # stars and lists
    ("* * * * *", "* * * * *"),
    ("*/1 * * * *", "* * * * *"),
    ("*,5 * * * *", "* * * * *"),
    ("5,* * * * *", "* * * * *"),
    ("*/5,3 * * * *", "*/5,3 * * * *"),
    ("3,*/20 * * * *", "0,3,20,40 * * * *"),
    ("*/2,1/2 * * * *", "* * * * *"),
    ("0/5 0/6 * * *", "*/5 */6 * * *"),
    ("0/1 * * * *", "* * * * *"),
    ("0-59 * * * *", "0-59 * * * *"),
    ("1/20 * * * *", "1,21,41 * * * *"),
    ("59/15 * * * *", "59 * * * *"),
    ("50-51/15 * * * *", "50 * * * *"),
    ("0 9-9 * * *", "0 9 * * *"),
    ("0 9-17/4 * * *", "0 9,13,17 * * *"),
    ("0 */6 * * *", "0 */6 * * *"),
    ("05 0003 * * *", "5 3 * * *"),
    ("5,1,3,2,5 * * * *", "1-3,5 * * * *"),
    # days
    ("0 0 ? * ?", "0 0 * * *"),
    ("0 0 L * *", "0 0 L * *"),
    ("0 0 $ * *", "0 0 L * *"),
    ("0 0 l,15 * *", "0 0 15,L * *"),
    ("0 0 15w * *", "0 0 15W * *"),
    ("0 0 LW * *", "0 0 LW * *"),
    ("0 0 * * 7", "0 0 * * 0"),
    ("0 0 * * sun", "0 0 * * 0"),
    ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
    ("0 0 * * Mon-FRI", "0 0 * * 1-5"),
    ("0 0 * * sun-tue", "0 0 * * 0-2"),
    ("0 0 * * sun-sun", "0 0 * * 0"),
    ("0 0 * * 0-7", "0 0 * * 0-6"),
    ("0 0 * * 5-7", "0 0 * * 0,5,6"),
    ("0 0 * * */7", "0 0 * * */7"),
    ("0 0 * * 1/2", "0 0 * * 1,3,5"),
    ("0 0 * * 7/2", "0 0 * * 0,2,4,6"),
    ("0 0 * * 1#2", "0 0 * * 1#2"),
    ("0 0 * * mon#2,7#1", "0 0 * * 0#1,1#2"),
    ("0 0 * * 5L", "0 0 * * 5L"),
    ("0 0 * * friL,7l", "0 0 * * 0L,5L"),
    ("0 0 * * 3,1#2", "0 0 * * 3,1#2"),
    ("0 0 1 jan-mar *", "0 0 1 1-3 *"),
    ("0 0 1 JAN,jul *", "0 0 1 1,7 *"),
    ("0 0 13 * 5", "0 0 13 * 5"),
    ("0 0 30 2 5", "0 0 30 2 5"),  # OR: the Fridays of February
    ("0 0 29 2 *", "0 0 29 2 *"),
    ("0 0 29 2 */7", "0 0 29 2 */7"),  # AND: a leap day that is a Sunday, every 28 years
    # 6 and 7 fields
    ("0/10 * * * * *", "*/10 * * * * *"),
    ("* * * * * *", "* * * * * *"),
    ("0 0 0 1 1 * 2030", "0 0 0 1 1 * 2030"),
    ("0 0 0 1 1 * 1970-1972", "0 0 0 1 1 * 1970-1972"),
    ("0 0 0 29 2 * 2024", "0 0 0 29 2 * 2024"),
    ("0 0 0 1 1 ? *", "0 0 0 1 1 * *"),
    ("0 0 0 1 1 * 2000/50", "0 0 0 1 1 * 2000,2050"),
    ("0 0 0 1 1 * */129", "0 0 0 1 1 * */129"),
    # tabs
    ("0\t0\t*\t*\t*", "0 0 * * *"),
]


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_a_text_becomes_its_canonical_form_and_that_form_is_stable(text: str, canonical: str) -> None:
    timetable = parse(text)
    assert timetable.canonical == canonical
    assert timetable.text == text
    assert parse(canonical).canonical == canonical


def test_kinds_are_told_apart() -> None:
    assert parse("@daily").kind is Kind.CRON
    assert parse("@every 5m").kind is Kind.INTERVAL
    assert parse("30 seconds").kind is Kind.INTERVAL
    assert parse("@reboot").kind is Kind.REBOOT


def test_fields_carry_names_values_and_columns() -> None:
    fields = parse("  0 9-11 * jan fri-sun").fields
    assert [field.name.value for field in fields] == ["minute", "hour", "day_of_month", "month", "day_of_week"]
    assert [field.column for field in fields] == [3, 5, 10, 12, 16]
    assert fields[1].values == (9, 10, 11)
    assert fields[4].values == (0, 5, 6)
    assert parse("@daily").field(FieldName.SECOND) is None


@pytest.mark.parametrize(
    ("text", "wildcard"),
    [
        ("30 2 * * *", False),
        ("0-59 0-23 * * *", False),
        ("3,*/20 2 * * *", False),
        ("*/30 2 * * *", True),
        ("0/30 2 * * *", True),
        ("0 * * * *", True),
        ("* 30 2 * * *", False),  # the second field is not asked
        ("5,* 2 * * *", True),
        ("@hourly", True),
        ("@daily", False),
        ("@every 5m", False),
    ],
)
def test_a_job_is_a_wildcard_job_when_minute_or_hour_begins_with_a_star(text: str, wildcard: bool) -> None:
    assert parse(text).wildcard is wildcard


@pytest.mark.parametrize(
    ("text", "sub_minute"),
    [
        ("* * * * *", False),
        ("30 * * * * *", False),
        ("0,30 * * * * *", True),
        ("59 seconds", True),
        ("@every 1m", False),
    ],
)
def test_sub_minute_is_known(text: str, sub_minute: bool) -> None:
    assert parse(text).sub_minute is sub_minute


def test_parsing_is_cached() -> None:
    assert parse("17 4 * * *") is parse("17 4 * * *")
    assert parse("17 4 * * *", name="a") is parse("17 4 * * *", name="b")
    assert parse("H 4 * * *", name="a") is not parse("H 4 * * *", name="b")
