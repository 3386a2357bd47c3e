"""Schedules in SQL by the tables that Python's engine passes: texts, refusals, days, clock changes, zones, limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from unit.timetable.test_accepted_texts import CANONICAL
from unit.timetable.test_daylight_saving import OVERRIDES, TABLES
from unit.timetable.test_hashing import PINNED
from unit.timetable.test_refused_texts import REFUSED
from unit.timetable.test_weird_inputs import WORST
from unit.timetable.test_zones import BAD, GOOD

from pgcron_py import errors
from pgcron_py.storage.sqlstates import translated
from pgcron_py.timetable import parse
from support.sql_schedules import (
    NO_ZONE,
    Question,
    answer_of_python,
    answers_of_sql,
    told,
    validated_by_python,
    validated_by_sql,
)

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"
NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
NEXT = "SELECT * FROM pgcron.next_runs(%s, %s, %s, %s)"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(connection: psycopg.Connection, *arguments: object) -> list[datetime]:
    return [run for (run,) in connection.execute(NEXT, arguments)]


def storable(text: str) -> bool:
    """PostgreSQL takes no NUL in a text, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize(("text", "canonical"), CANONICAL)
def test_a_text_becomes_its_canonical_form(sql_schedules: psycopg.Connection, text: str, canonical: str) -> None:
    assert validated_by_sql(sql_schedules, text) == canonical


@pytest.mark.parametrize("text", [row[0] for row in REFUSED if storable(row[0])])
def test_a_text_is_refused_in_the_words_of_python(sql_schedules: psycopg.Connection, text: str) -> None:
    """Code, field, column, message and hint, as an application gets them from `storage.sqlstates`."""
    with pytest.raises(errors.InvalidSchedule) as refused:
        parse(text)
    assert validated_by_sql(sql_schedules, text) == told(refused.value)


QUOTES = [
    "' 0 * * *",
    "a'\" 0 * * *",
    'a" 0 * * *',
    "a\\b 0 * * *",
    "@every 1'\\h",
    "@a\t'b\"",
    "5\tmin",
    "😀 0 * * *",
    "\x7f",
]


@pytest.mark.parametrize("text", [*QUOTES, *filter(storable, WORST.values())])
def test_odd_texts_are_told_as_python_tells_them(sql_schedules: psycopg.Connection, text: str) -> None:
    assert validated_by_sql(sql_schedules, text) == validated_by_python(text)


def test_no_text_at_all_is_an_empty_one(sql_schedules: psycopg.Connection) -> None:
    assert validated_by_sql(sql_schedules, None) == validated_by_python("")  # type: ignore[arg-type]  # SQL has NULLs


def test_h_is_the_number_that_python_draws(sql_schedules: psycopg.Connection) -> None:
    assert validated_by_sql(sql_schedules, "H H H H H", "nightly report") == PINNED
    text = "H/7 H(1-30)  H(2-5) H H/5 H(mon-sat) H"
    for name in ("a", "b", "", "ünïcode 😀", "x" * 300):
        assert validated_by_sql(sql_schedules, text, name) == validated_by_python(text, name)


@pytest.mark.parametrize(
    ("zone", "text", "after", "expected"), [(z, *row) for z, rows in TABLES.items() for row in rows]
)
def test_debian_crons_rule_holds(
    sql_schedules: psycopg.Connection, zone: str, text: str, after: str, expected: list[str]
) -> None:
    assert runs(sql_schedules, text, zone, at(after), len(expected)) == [at(instant) for instant in expected]


@pytest.mark.parametrize(("text", "gap", "fold", "after", "expected"), OVERRIDES)
def test_a_job_may_choose_its_own_rule(
    sql_schedules: psycopg.Connection, text: str, gap: str | None, fold: str | None, after: str, expected: list[str]
) -> None:
    named = "SELECT * FROM pgcron.next_runs(%s, %s, %s, %s, p_dst_gap => %s, p_dst_fold => %s)"
    found = sql_schedules.execute(named, (text, "America/New_York", at(after), len(expected), gap, fold))
    assert [run for (run,) in found] == [at(instant) for instant in expected]


def test_zones_are_iana_names_spelled_exactly(sql_schedules: psycopg.Connection) -> None:
    posix = ["Etc/GMT+13", "Etc/GMT-15", "Foo/GMT+1", "UTC0", "FOO3BAR", "FOO", "CEST", "BST", "Interval", "default"]
    questions = [Question("@daily", zone, NOW) for zone in filter(storable, [*GOOD, *BAD, *posix])]
    answers = answers_of_sql(sql_schedules, questions)
    assert answers == [answer_of_python(question) for question in questions]
    assert answers.count(NO_ZONE) == len(questions) - len(GOOD)


def test_a_zone_whose_name_is_an_abbreviation_too_is_the_zone(sql_schedules: psycopg.Connection) -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    questions = [
        Question("0 12 * * *", zone, summer, n=1) for zone in ("CET", "MET", "EET", "WET", "EST", "MST", "HST")
    ]
    assert answers_of_sql(sql_schedules, questions) == [answer_of_python(question) for question in questions]


def test_an_unknown_zone_is_an_error_of_its_own_with_a_hint(sql_schedules: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        runs(sql_schedules, "@every 5m", "Mars/Olympus", NOW, 1)
    assert refusal.value.sqlstate == "PC013"
    ours = translated(refusal.value)
    assert isinstance(ours, errors.UnknownTimeZone)
    assert (ours.name, str(ours)) == ("Mars/Olympus", str(errors.UnknownTimeZone("Mars/Olympus")))
    assert ours.hint == errors.UnknownTimeZone("").hint == refusal.value.diag.message_hint


@pytest.mark.parametrize(
    "arguments",
    [
        ("@daily", "UTC", at("1899-12-31T00:00"), 1),
        ("@daily", "UTC", at("9001-01-01T00:00"), 1),
        ("@daily", "UTC", None, 1),
    ],
)
def test_instants_beyond_the_databases_years_are_refused(
    sql_schedules: psycopg.Connection, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(psycopg.errors.DatetimeFieldOverflow, match="1900"):
        runs(sql_schedules, *arguments)
    with pytest.raises(psycopg.errors.DatetimeFieldOverflow, match="p_anchor"):
        sql_schedules.execute("SELECT pgcron.next_runs('@every 1h', 'UTC', p_anchor => '-infinity')")


def test_an_unknown_rule_is_refused(sql_schedules: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="p_dst_gap is run_after or skip"):
        sql_schedules.execute("SELECT pgcron.next_runs('@daily', 'UTC', p_dst_gap => 'later')")


def test_the_end_of_time_is_no_error(sql_schedules: psycopg.Connection) -> None:
    last = datetime(8999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for text in ("* * * * * *", "@daily", "0 0 1 * *", "@every 8784h", "0 0 0 1 1 * 2099"):
        assert runs(sql_schedules, text, "Europe/Berlin", last, 5) == []


def test_years_are_found_from_any_instant_before_them(sql_schedules: psycopg.Connection) -> None:
    questions = [
        Question("0 0 0 1 1 * 2099", "UTC", at(f"{year}-07-01T00:00")) for year in (1900, 1968, 1969, 1999, 2098, 2099)
    ]
    assert answers_of_sql(sql_schedules, questions) == [answer_of_python(question) for question in questions]


def test_reboot_names_no_instant_and_n_bounds_the_answer(sql_schedules: psycopg.Connection) -> None:
    assert runs(sql_schedules, "@reboot", "UTC", NOW, 5) == []
    assert runs(sql_schedules, "@daily", "UTC", NOW, 0) == runs(sql_schedules, "@daily", "UTC", NOW, -1) == []
    assert len(runs(sql_schedules, "* * * * * *", "UTC", NOW, 20_000)) == 10_000


def test_without_further_arguments_it_is_the_next_five_from_now(sql_schedules: psycopg.Connection) -> None:
    found = [run for (run,) in sql_schedules.execute("SELECT pgcron.next_runs('@hourly', 'UTC')")]
    assert len(found) == 5
    assert timedelta(0) < found[0] - datetime.now(UTC) <= timedelta(hours=1)


def test_the_callers_settings_stay_what_they_were_and_change_nothing(sql_schedules: psycopg.Connection) -> None:
    questions = [Question("30 2 * * *", "America/New_York", at("2026-03-07T12:00")), Question("@every 90m", "UTC", NOW)]
    with sql_schedules.transaction():
        for setting in ("TimeZone = 'Asia/Kathmandu'", "IntervalStyle = 'sql_standard'", "DateStyle = 'SQL, DMY'"):
            sql_schedules.execute(f"SET LOCAL {setting}")
        sql_schedules.execute("SET LOCAL search_path = pg_temp")
        assert answers_of_sql(sql_schedules, questions) == [answer_of_python(asked) for asked in questions]
        assert sql_schedules.execute("SHOW TimeZone").fetchone() == ("Asia/Kathmandu",)


def test_no_locale_changes_what_a_text_means(sql_schedules: psycopg.Connection) -> None:
    has_turkish = sql_schedules.execute("SELECT 1 FROM pg_collation WHERE collname = 'tr-x-icu'").fetchone()
    if not has_turkish:
        pytest.skip("this server was built without ICU")
    for text in ("0 0 L JUL-DEC FRI", "@MIDNIGHT", "@FORTNIGHTLY", "5 MINUTES", "I 0 * * *"):
        turkish = "SELECT pgcron.next_runs(%s COLLATE \"tr-x-icu\", 'UTC', %s, 2)"
        plain = answers_of_sql(sql_schedules, [Question(text, "UTC", NOW, n=2)])
        try:
            found = tuple(int(run.timestamp()) for (run,) in sql_schedules.execute(turkish, (text, NOW)))
        except psycopg.Error as error:
            ours = translated(error)
            assert isinstance(ours, errors.InvalidSchedule)
            found = told(ours)
        assert [found] == plain


def test_every_function_is_pinned_to_its_schema(sql_schedules: psycopg.Connection) -> None:
    """By a search_path of its own, or parsed when it was made (`RETURN …`)."""
    loose = sql_schedules.execute("""
        SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND prosqlbody IS NULL
           AND (proname LIKE 'schedule%' OR proname IN ('next_runs', 'validate_schedule', 'check_schedule_text'))
           AND NOT coalesce(array_to_string(proconfig, ' ') LIKE 'search_path=pgcron, pg_catalog, pg_temp%', false)
    """).fetchall()
    assert loose == []


def test_every_role_of_ours_may_ask_and_nobody_else(
    owner_url: str, worker_url: str, reader_url: str, db_url: str
) -> None:
    for url in (owner_url, worker_url, reader_url):
        with psycopg.connect(url) as connection:
            assert len(runs(connection, "H 9 15W * *", "Europe/Berlin", NOW, 3)) == 3
            assert validated_by_sql(connection, "@daily") == "0 0 * * *"
            assert validated_by_sql(connection, "0 0 30 2 *") == validated_by_python("0 0 30 2 *")
    with psycopg.connect(db_url) as connection:
        for_all = connection.execute("""
            SELECT proname FROM pg_proc, LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) right_of
             WHERE pronamespace = 'pgcron'::regnamespace AND right_of.grantee = 0
        """).fetchall()
    assert for_all == []


def test_what_the_page_shows_is_true(sql_schedules: psycopg.Connection) -> None:
    block = re.search(r"^```sql\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert block
    *taken, refused = re.findall(r"^SELECT .*?;", block[1], re.MULTILINE)
    answers = [sql_schedules.execute(statement).fetchall() for statement in taken]
    assert len(answers[0]) == 5
    assert answers[-1] == [("0 0 15,L * *",)]
    with pytest.raises(psycopg.Error) as refusal:
        sql_schedules.execute(refused)
    told_there = refusal.value.diag
    shown = f"-- ERROR:  {told_there.message_primary}\n-- DETAIL:  {told_there.message_detail}\n-- HINT:  {told_there.message_hint}\n"
    assert shown in block[1]
