"""Whatever is typed: a timetable or InvalidSchedule, quickly."""

import os
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgcron_py.errors import InvalidSchedule, ScheduleEngineError
from pgcron_py.timetable import Timetable, describe, next_runs, parse
from pgcron_py.timetable.days import _engines
from pgcron_py.timetable.grammar import _parse

NOW = datetime(2026, 3, 4, tzinfo=UTC)
EXAMPLES = 5_000 if os.environ.get("PGCRON_PROOF") == "1" else 500
CALM = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
BITS = st.sampled_from(
    [*"0123456789*/,-#LWHR?$ \t@", "mon", "jan", "H(", ")", "1#2", "5L", "15W", "@every ", "1h", "µs"]
)
WORDS = st.sampled_from(
    ["*", "0", "7", "*/2", "1-5", "L", "15W", "1#5", "5L", "?", "H", "H/7", "9999", "0-59/3", "31", "2"]
)
TEXTS = st.one_of(
    st.text(max_size=300), st.lists(BITS, max_size=60).map("".join), st.lists(WORDS, max_size=8).map(" ".join)
)


def parsed(text: str, name: str) -> tuple[Timetable | None, InvalidSchedule | None]:
    try:
        return parse(text, name=name), None
    except InvalidSchedule as refused:
        return None, refused


@CALM
@given(text=TEXTS, name=st.text(max_size=20))
def test_any_text_is_a_timetable_or_refused_politely(text: str, name: str) -> None:
    timetable, refused = parsed(text, name)
    if refused:
        assert refused.code
        assert refused.message
        assert 1 <= refused.column <= len(text) + 1
    if not timetable:
        return
    runs = next_runs(text, "America/New_York", NOW, 3, name=name)
    assert runs == sorted(set(runs))
    assert parse(timetable.canonical).canonical == timetable.canonical
    assert next_runs(timetable.canonical, "America/New_York", NOW, 3) == runs
    assert describe(text, "America/New_York", NOW, name=name).next_runs[:3] == tuple(runs)


PAIRS = ",".join(f"{n}-{n + 1}" for n in range(58))
WORST = {
    "minutes": f"{PAIRS[:246]} * * * *",
    "specials": "0 0 * * " + ",".join(["1#5", "2#5", "3#5", "0L", "4"] * 15)[:246],
    "leap Sunday": "0 0 29 2 */7",
    "a leap Sunday that never comes": "0 0 0 29 2 */7 2005-2031",
    "a leap day of the nearest kind that never comes": "0 0 0 29W 2 * 2001-2003,2005-2007,2009-2011,2013-2015",
    "30 February of 130 years": "0 0 0 30 2 * 1970-2099",
    "30 February, star": "0 0 30 2 */2",
    "a star at 256": "*" * 256,
    "commas": "," * 256,
    "many fields": "* " * 128,
    "a long number": "9" * 256,
    "a long duration": "@every " + "1ns" * 83,
    "many steps": "*" + "/1" * 127,
    "brackets": "H(" * 128,
    "hashes": "0 0 * * " + "#" * 248,
    "only 2099": "59 59 23 31 12 * 2099",
}


@pytest.mark.parametrize("label", WORST)
def test_the_worst_texts_cost_less_than_20_ms_of_cpu(label: str) -> None:
    next_runs("0 0 1 * *", "America/New_York", NOW, 1)  # the engine's import is paid once per process
    times = []
    for _ in range(3):
        _parse.cache_clear()
        _engines.of.cache_clear()
        started = time.process_time()
        with suppress(InvalidSchedule):
            next_runs(WORST[label], "America/New_York", NOW, 1)
        times.append(time.process_time() - started)
    assert min(times) < 0.020


def test_an_engine_failure_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engines.of("0 0 3 4 *")
    monkeypatch.setattr(engine._croniter, "get_next", lambda _: 1 / 0)
    with pytest.raises(ScheduleEngineError, match="ZeroDivisionError"):
        engine.on_or_after(datetime(2026, 1, 1).date())
    with pytest.raises(ScheduleEngineError, match="refused"):
        _engines.of("not a cron text")
