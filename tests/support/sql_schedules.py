"""The same questions to Python's timetables and to those in SQL, many at once, answered in one shape.

An answer is a tuple: the instants as epoch seconds, or (code, field, column, message, hint) of the refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cache

import psycopg

from pgcron_py import errors
from pgcron_py.storage.sqlstates import translated
from pgcron_py.timetable import DstFold, DstGap, next_runs, parse

Answer = tuple[object, ...]
NO_ZONE: Answer = ("unknown time zone",)

# An error would end the statement, and with it all the other questions.
ASK = """
  CREATE OR REPLACE FUNCTION pg_temp.ask(schedule text, zone text, after timestamptz, n integer, anchor timestamptz, name text,
    dst_gap text, dst_fold text) RETURNS text[] LANGUAGE plpgsql AS $$
  DECLARE place text; hint text;
  BEGIN
    RETURN ARRAY(SELECT extract(epoch FROM runs)::bigint
                   FROM pgcron.next_runs(schedule, zone, after, n, anchor, name, dst_gap, dst_fold) runs);
  EXCEPTION WHEN SQLSTATE 'PC002' OR SQLSTATE 'PC013' THEN
    GET STACKED DIAGNOSTICS place = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN ARRAY[SQLSTATE, SQLERRM, place, hint];
  END $$
"""
ASK_ALL = """
  SELECT pg_temp.ask(q.schedule, q.zone, q.after, q.n, q.anchor, q.name, q.dst_gap, q.dst_fold)
    FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::integer[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
      WITH ORDINALITY q (schedule, zone, after, n, anchor, name, dst_gap, dst_fold, place)
   ORDER BY q.place
"""


@dataclass(frozen=True)
class Question:
    """The arguments of next_runs."""

    text: str
    zone: str
    after: datetime
    n: int = 3
    anchor: datetime | None = None
    name: str = ""
    gap: DstGap | None = None
    fold: DstFold | None = None


def told(error: errors.InvalidSchedule) -> Answer:
    return error.code, error.field, error.column, error.message, error.hint


def answer_of_python(q: Question) -> Answer:
    try:
        runs = next_runs(q.text, q.zone, q.after, q.n, anchor=q.anchor, name=q.name, dst_gap=q.gap, dst_fold=q.fold)
    except errors.InvalidSchedule as refusal:
        return told(refusal)
    except errors.UnknownTimeZone:
        return NO_ZONE
    return tuple(int(run.timestamp()) for run in runs)


def answers_of_sql(connection: psycopg.Connection, questions: Sequence[Question]) -> list[Answer]:
    connection.execute(ASK)
    columns = [list(column) for column in zip(*map(astuple, questions), strict=True)]
    return [_answer(answer) for (answer,) in connection.execute(ASK_ALL, columns)]


def _answer(answer: list[str]) -> Answer:
    if not answer or not answer[0].startswith("PC"):
        return tuple(map(int, answer))
    state, message, detail, hint = answer
    if state == "PC013":
        return NO_ZONE
    return *_place(detail), message, hint or None


@cache
def _place(detail: str) -> tuple[str, str | None, int]:
    facts = dict(fact.split(": ") for fact in detail.split(", "))
    return facts["code"], facts.get("field"), int(facts["column"])


def validated_by_sql(connection: psycopg.Connection, text: str, name: str = "") -> str | Answer:
    """The canonical form, or the refusal as an application sees it."""
    try:
        (canonical,) = connection.execute("SELECT pgcron.validate_schedule(%s, %s)", (text, name)).fetchone()
    except psycopg.Error as error:
        ours = translated(error)
        if not isinstance(ours, errors.InvalidSchedule):
            raise
        return told(ours)
    return canonical


def validated_by_python(text: str, name: str = "") -> str | Answer:
    try:
        return parse(text, name=name).canonical
    except errors.InvalidSchedule as refusal:
        return told(refusal)
