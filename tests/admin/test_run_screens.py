"""What screens of runs, jobs and the timeline make of rows: pure, and in microseconds; and the bound of an export."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.forecast import Group, Load, Member
from pgcron_admin.queries.job_history import Day
from pgcron_admin.queries.runs import Moment, RunFilter
from pgcron_admin.queries.timelines import PastMiss, PastRun
from pgcron_admin.screens import gantt, lanes, run_export
from pgcron_admin.screens.ansi import pieces, plain
from pgcron_admin.screens.arguments import fields_of, read_fields, read_json
from pgcron_admin.screens.axis import Axis
from pgcron_admin.screens.calendar import calendar
from pgcron_admin.screens.heat import hour_of, slot_of, tier_of, week_of
from pgcron_admin.screens.job_timing import coming
from pgcron_admin.screens.json_tree import NODES_MOST, Node, tree
from pgcron_admin.screens.life import life_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
JOB = UUID(int=7)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", [("plain", "")]),
        ("\x1b[31mred\x1b[0m", [("red", "ansi-1")]),
        ("\x1b[1;92mok\x1b[22m \x1b[39mend", [("ok", "ansi-bold ansi-10"), (" ", "ansi-10"), ("end", "")]),
        ("\x1b[38;5;196mfar\x1b[38;5;3mnear", [("far", ""), ("near", "ansi-3")]),
        ("\x1b[48;2;9;9;9;4mtrue", [("true", "ansi-under")]),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07\x1b[2K\x08!", [("link", ""), ("!", "")]),
        ("\x1b[", []),
    ],
)
def test_colours_become_classes_and_other_sequences_nothing(text: str, shown: list[tuple[str, str]]) -> None:
    assert [(piece.text, piece.classes) for piece in pieces(text)] == shown
    assert plain(text) == "".join(part for part, _ in shown)


def test_a_tree_of_json_is_bounded_and_says_what_it_leaves_out() -> None:
    found = tree({"a": [1, None, {"b": "x" * 5000}], "c": list(range(NODES_MOST))})
    assert [(child.key, child.kind, child.text) for child in found.children] == [
        ("a", "list", "3 items"),
        ("c", "list", "2000 items"),
    ]
    assert found.children[0].children[2].children[0].text.endswith("… (5000 characters)")
    assert found.children[1].left_out > 0

    def count(node: Node) -> int:
        return 1 + sum(map(count, node.children))

    assert count(found) <= NODES_MOST + 1


def test_a_life_is_a_wait_and_a_run_which_goes_on_until_now() -> None:
    moments = [Moment("due", NOON, 0), Moment("started", NOON + MINUTE, 0)]
    going = life_of(moments, NOON + 4 * MINUTE)
    assert [(part.part, part.width, part.milliseconds) for part in going.stretches] == [
        ("waits", 250, 60_000),
        ("runs", 750, 180_000),
    ]
    assert not going.is_over
    short = life_of(
        [
            Moment("due", NOON, 0),
            Moment("started", NOON + timedelta(milliseconds=1), 0),
            Moment("finished", NOON + HOUR, 0),
        ],
        NOON,
    )
    assert short.stretches[0].width == 20
    assert [
        part.width for part in life_of([Moment("started", NOON, 0), Moment("finished", NOON, 0)], NOON).stretches
    ] == [1000]


SCHEMA = {
    "properties": {"day": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}, "x": {"type": "number"}, "on": {"type": "boolean"},
                   "mode": {"enum": ["a", 2]}, "more": {"type": "object"}},
    "required": ["day", "n"],
}  # fmt: skip


def test_arguments_are_read_by_their_schema() -> None:
    fields = fields_of(SCHEMA, {"day": "now", "x": 0.5})
    assert fields is not None
    assert [(field.name, field.kind, field.is_required, field.value) for field in fields][:3] == [
        ("day", "text", True, "now"), ("n", "integer", True, ""), ("x", "number", False, "0.5"),
    ]  # fmt: skip
    typed = {
        "arg.day": "tomorrow",
        "arg.n": "3",
        "arg.x": "",
        "arg.on": "true",
        "arg.mode": "2",
        "arg.more": '{"a": 1}',
    }
    assert read_fields(fields, typed) == ({"day": "tomorrow", "n": 3, "on": True, "mode": 2, "more": {"a": 1}}, {})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("n", "", "n is needed"), ("n", "0", "less than 1"), ("n", "10", "more than 9"), ("n", "1.5", "no whole number"), ("n", "true", "no whole number"),
     ("x", "one", "no number"), ("on", "1", "neither yes nor no"), ("mode", '"b"', "none of the choices"), ("more", "{", "no JSON")],
)  # fmt: skip
def test_a_bad_argument_is_told_with_its_field_and_rule(name: str, text: str, told: str) -> None:
    fields = fields_of(SCHEMA, {})
    assert fields is not None
    _, problems = read_fields(fields, {"arg.day": "x", "arg.n": "1", f"arg.{name}": text})
    assert list(problems) == [f"arg.{name}"]
    assert told in problems[f"arg.{name}"]


def test_what_no_form_can_say_is_json() -> None:
    assert fields_of(None, {}) is None
    assert fields_of(SCHEMA, {"other": 1}) is None
    assert read_json(' {"a": 1} ') == ({"a": 1}, {})
    assert "no object" in read_json("[1]")[1]["args"]


def test_ticks_of_days_are_midnights_of_the_zone_also_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 3, 27, 12, tzinfo=UTC)
    axis = Axis(begin, begin + timedelta(days=4), berlin)
    assert [tick.word for tick in axis.ticks()] == ["Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar", "Tue 31 Mar"]
    xs = [tick.x for tick in axis.ticks()]
    assert round(xs[2] - xs[1], 1) == round(100 * 23 / 96, 1)
    assert [tick.word for tick in Axis(NOON + 5 * MINUTE, NOON + 65 * MINUTE, ZoneInfo("Asia/Kathmandu")).ticks()][
        :2
    ] == ["17:50", "18:00"]
    assert (axis.x(begin - HOUR), axis.x(begin + timedelta(days=9))) == (0, 100)


def _group(*starts: int, mean: float = 30_000, names: tuple[str, ...] = ("a",)) -> Group:
    return Group(
        [Member(str(UUID(int=n)), name, mean) for n, name in enumerate(names)],
        [int(NOON.timestamp()) + start for start in starts],
    )


def test_bars_that_touch_are_one_and_whiskers_end_at_the_edge() -> None:
    axis = Axis(NOON, NOON + HOUR, ZoneInfo("UTC"))
    second = 100 / 3600
    bars = lanes.bars_of(axis, [(int(NOON.timestamp()) + at, 60_000, 7_200_000, 1) for at in (0, 30, 1800)])
    assert [(bar.x, round(bar.width, 2), bar.count, bar.whisker) for bar in bars] == [
        (0, round(90 * second, 2), 2, None),
        (50, round(60 * second, 2), 1, 100),
    ]


def test_load_over_capacity_and_quiet_minutes_nearby() -> None:
    axis = Axis(NOON, NOON + 3 * MINUTE, ZoneInfo("UTC"))
    load = Load([5, 0, 1], [5, 2, 1], 6)
    row = lanes.load_row(axis, load, 2)
    assert [(column.concurrent, column.over > 0) for column in row.columns] == [(5, True), (2, False), (1, False)]
    assert row.minutes_over == 1
    chosen = lanes.minute_jobs(axis, load, [_group(0, 130, names=("b", "a"))], NOON, 1)
    assert chosen is not None
    assert ([name for _, name, _, _ in chosen.starts], chosen.quiet) == (
        ["a", "b"],
        [(NOON + MINUTE, 0), (NOON + 2 * MINUTE, 1)],
    )
    assert lanes.minute_jobs(axis, load, [], NOON - MINUTE, 1) is None


def test_lanes_of_tags_count_jobs_without_drawing_each() -> None:
    axis = Axis(NOON, NOON + HOUR, ZoneInfo("UTC"))
    found = lanes.tag_lanes(
        axis, [_group(0, 1800, names=("a", "b", "c"))], {UUID(int=0): ["x"], UUID(int=1): ["x", "y"]}
    )
    assert [(lane.name, lane.starts, [bar.count for bar in lane.bars]) for lane in found] == [
        ("x", 4, [2, 2]),
        ("no tag", 2, [1, 1]),
        ("y", 2, [1, 1]),
    ]


def test_heat_has_five_tiers_between_the_least_and_the_most() -> None:
    assert [tier_of(count, 10, 20) for count in (0, 10, 13, 15, 18, 20)] == [0, 1, 2, 3, 4, 5]
    assert tier_of(3, 3, 3) == 5
    heat = [[0] * 24 for _ in range(7)]
    heat[2][5], heat[3][5] = 9, 4
    week = week_of(heat)
    assert ([slot.word for slot in week.busiest], week.total) == (["Wed 05:00", "Thu 05:00"], 13)
    assert [slot_of(text) for text in ("0-13", "6-23", "7-0", "0-24", "a-1", "")] == [
        (0, 13),
        (6, 23),
        None,
        None,
        None,
        None,
    ]
    starts = [0] * 120
    starts[35], starts[95] = 2, 7
    minutes = hour_of(NOON - 30 * MINUTE, starts, ZoneInfo("UTC"), 2, 12)
    assert [(number, minute.cell.count) for number, minute in enumerate(minutes) if minute.cell.count] == [(5, 2)]
    assert minutes[5].at == NOON + 5 * MINUTE


def test_runs_that_overlap_lie_below_each_other() -> None:
    axis = Axis(NOON, NOON + HOUR, ZoneInfo("UTC"))
    runs = [
        PastRun(
            UUID(int=n),
            JOB,
            "a",
            n,
            "RUNNING" if end is None else "SUCCESS",
            None,
            None,
            NOON + begin * MINUTE,
            None if end is None else NOON + end * MINUTE,
        )
        for n, (begin, end) in enumerate([(0, 10), (5, 20), (12, 14), (50, None)])
    ]
    misses = [PastMiss(UUID(int=8), "b", "too_late", 1, NOON, NOON)]
    first, second = gantt.past_lanes(axis, runs, misses, NOON + HOUR)
    assert ([bar.y for bar in first.runs], first.overlaps, first.runs[-1].tone) == ([2, 16, 2, 2], 2, "running")
    assert (second.name, [miss.title for miss in second.misses], second.runs) == ("b", ["1 miss: too late"], [])


def test_a_calendar_shows_the_worst_of_each_day_and_nothing_of_days_to_come() -> None:
    today = date(2026, 3, 4)  # a Wednesday
    found = calendar([Day(today, 5, 1), Day(today - timedelta(days=1), 3, 0)], today)
    last = [row[-1] for row in found.rows]
    assert [day.worst for day in last] == ["none", "success", "failed", "outside", "outside", "outside", "outside"]
    assert ([len(row) for row in found.rows], found.total, found.failures) == ([13] * 7, 8, 1)


def test_a_change_of_the_clocks_is_noted_at_the_run_after_it() -> None:
    instants = [
        datetime(2026, 3, 28, 2, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 3, 30, 1, tzinfo=UTC),
    ]
    found = coming(instants, "Europe/Berlin", NOON, instants[0])
    assert [run.note for run in found] == [None, "clocks go forward by 60 minutes before it", None]
    assert [run.is_skipped for run in found] == [True, False, False]


def test_an_export_ends_with_what_is_left_out(web_url: str, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO pgcron.cron_worker (id, host, pid, version, concurrency) VALUES (gen_random_uuid(), 'h', 1, '1', 1)"
        )
        connection.execute("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('a', '@daily', 'x:y')")
        connection.execute(
            "INSERT INTO pgcron.cron_log (job_id, seq, status, cause, worker_id, handler, job_version, schedule, is_exclusive) "
            "SELECT j.id, n, 'RUNNING', 'manual', w.id, 'x:y', 1, '@daily', false FROM pgcron.cron_job j, pgcron.cron_worker w, generate_series(1, 25) n"
        )
    monkeypatch.setattr(run_export, "PART", 10)
    monkeypatch.setattr(run_export, "RUNS_MOST", 20)

    async def export() -> list[bytes]:
        database = Database(web_url)
        try:
            return [part async for part in run_export._ndjson(database, Cursors(b"key"), RunFilter())]
        finally:
            await database.close()

    lines = [json.loads(line) for line in b"".join(asyncio.run(export())).splitlines()]
    assert (len(lines), lines[-1]["note"].startswith("left out: older runs; an export has 20 at most")) == (21, True)
    assert len({line["id"] for line in lines[:-1]}) == 20
