"""pgcron runs tail."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import psycopg
import pytest

LINE = "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text) VALUES (%s, %s, %s, %s, clock_timestamp(), %s)"
COMPLETE = "INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, is_complete) VALUES (%s, 3, 30, true)"


@pytest.fixture
def lines(connection: psycopg.Connection) -> Any:
    def write(run: uuid.UUID, *found: tuple[int, str, str | None, str]) -> None:
        for number, stream, level, text in found:
            connection.execute(LINE, (run, number, stream, level, text))

    return write


def test_it_prints_lines_in_their_order_with_levels_of_records(pgcron: Any, job: str, worker: Any, lines: Any) -> None:
    run = worker.ran(job)
    lines(run, (2, "log", "WARNING", "careful"), (1, "stdout", None, "one"), (3, "stderr", None, "\x1b[31mthree"))
    done = pgcron("runs", "tail", f"{job}#1")
    assert done.out.splitlines()[:2] == ["one", "WARNING careful"]
    assert "\x1b" not in done.out
    assert pgcron("runs", "tail", str(run), "--stream", "stdout").out == "one\n"


def test_json_is_an_object_for_each_line(pgcron: Any, job: str, worker: Any, lines: Any) -> None:
    import json

    lines(worker.ran(job), (1, "stdout", None, "one"), (2, "stdout", None, "two"))
    found = [json.loads(line) for line in pgcron("runs", "tail", f"{job}#1", "--json").out.splitlines()]
    assert [(line["line_no"], line["text"]) for line in found] == [(1, "one"), (2, "two")]


def test_follow_ends_with_the_run_and_misses_no_line(
    pgcron: Any, job: str, worker: Any, lines: Any, db_url: str
) -> None:
    run = worker.begin(job)
    lines(run[0], (1, "stdout", None, "first"))
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.append(pgcron("runs", "tail", f"{job}#1", "-f").out))
    reader.start()
    lines(run[0], (2, "stdout", None, "second"))
    worker.finish(run)
    lines(run[0], (3, "stdout", None, "last"))
    worker.connection.execute(COMPLETE, (run[0],))
    reader.join(20)
    assert seen == ["first\nsecond\nlast\n"]


def test_a_run_without_output_prints_nothing(pgcron: Any, job: str, worker: Any) -> None:
    worker.ran(job)
    for flags in ((), ("-f",)):
        done = pgcron("runs", "tail", f"{job}#1", *flags)
        assert (done.code, done.out) == (0, "")


def test_a_reader_may_tail_and_lines_go_with_their_run(
    pgcron: Any, job: str, worker: Any, lines: Any, reader_url: str, connection: psycopg.Connection
) -> None:
    run = worker.ran(job)
    lines(run, (1, "stdout", None, "one"))
    assert pgcron("runs", "tail", f"{job}#1", url=reader_url).out == "one\n"
    connection.execute("DELETE FROM pgcron.cron_log WHERE id = %s", (run,))
    assert connection.execute("SELECT count(*) FROM pgcron.cron_log_line").fetchone() == (0,)
