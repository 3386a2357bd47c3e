"""Every occurrence that a plan named is in exactly one stretch of the ledger; and what else the rows must say."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime

from pgcron_py.domain.words import Cause, Status
from pgcron_py.timetable import ExcludingPlan
from support.simulation.rows import Element, Era, Row

NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class Account:
    """occurrences = as_runs + in misses."""

    occurrences: int
    as_runs: int


def audited(row: Row) -> Account:
    """Raises AssertionError for what is wrong."""
    named = [instant for era in row.eras for instant in era.plan.occurrences_between(era.begins, era.ends, NO_LIMIT)]
    left_out = [instant for era in row.eras for instant in _left_out(era)]
    ends = row.ledger_from
    for element in row.whole_ledger():
        assert element.covers_from == ends < element.covers_to, f"a hole or an overlap at {ends}: {element}"
        ends = element.covers_to
        if element.word == "excluded":
            assert not named[bisect_right(named, element.covers_from) : bisect_right(named, element.covers_to)]
            _must_hold(
                element,
                left_out[bisect_right(left_out, element.covers_from) : bisect_right(left_out, element.covers_to)],
            )
            continue
        _must_hold(element, named[bisect_right(named, element.covers_from) : bisect_right(named, element.covers_to)])
    assert ends == row.covers_from
    counted = bisect_right(named, ends)
    assert counted == len(named), f"named and forgotten: {named[counted:][:3]}"
    _counters_are_exact(row)
    return Account(counted, sum(element.word == "run" for element in row.ledger))


def _left_out(era: Era) -> list[datetime]:
    """What the timetables name in excluded minutes."""
    if not isinstance(era.plan, ExcludingPlan):
        return []
    plan = era.plan.plan
    return [
        instant for instant in plan.occurrences_between(era.begins, era.ends, NO_LIMIT) if era.plan.is_excluded(instant)
    ]


def _must_hold(element: Element, named: list[datetime]) -> None:
    assert named, f"covers no occurrence: {element}"
    assert element.count == len(named) or (element.is_lower_bound and element.count <= len(named)), (
        f"{len(named)} in {element}"
    )
    assert (element.first, element.last) == (named[0], named[-1]), f"from {named[0]} to {named[-1]}: {element}"


def _counters_are_exact(row: Row) -> None:
    statuses = [run.status for run in row.runs.values()]
    assert (row.successes, row.failures) == (statuses.count(Status.SUCCESS), statuses.count(Status.FAILED))
    assert [run.seq for run in row.runs.values()] == list(range(1, row.run_seq + 1))
    scheduled = [run.scheduled_for for run in row.runs.values() if run.cause in (Cause.SCHEDULE, Cause.BUFFERED)]
    assert len(scheduled) == len(set(scheduled)), "an occurrence ran twice"
