"""pgcron runs list and show."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest


class TestList:
    def test_the_newest_run_comes_first(self, pgcron: Any, job: str, worker: Any, failure: Any) -> None:
        worker.ran(job)
        worker.ran(job, **failure)
        lines = pgcron("runs", "list").out.splitlines()
        assert lines[0].split() == ["run", "status", "cause", "due", "started", "took", "error"]
        assert [line.split()[0] for line in lines[1:]] == ["nightly#2", "nightly#1"]
        assert "FAILED (error)" in lines[1]
        assert lines[1].endswith("1.5 s  ValueError: boom")

    def test_json_names_each_run_and_its_times(self, pgcron: Any, job: str, worker: Any) -> None:
        worker.ran(job)
        (run,) = pgcron("runs", "list", "--json").json
        assert (run["run"], run["job"], run["seq"], run["duration"]) == ("nightly#1", "nightly", 1, 1500)
        assert run["started_at"].endswith("Z")

    def test_filters_narrow_the_list(self, pgcron: Any, job: str, worker: Any, failure: Any) -> None:
        pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "shop:close")
        worker.ran(job)
        worker.ran("x", **failure)

        def names(*filters: str) -> list[str]:
            return [run["run"] for run in pgcron("runs", "list", "--json", *filters).json]

        assert names("--job", "x") == ["x#1"]
        assert names("--status", "success") == ["nightly#1"]
        assert names("--cause", "schedule") == []
        assert names("--since", "1h") == ["x#1", "nightly#1"]
        assert names("--until", "1h") == []
        assert names("--since", "2999-01-01") == []
        assert names("--limit", "1") == ["x#1"]
        assert names("--job", "x", "--since", "1h", "--status", "FAILED") == ["x#1"]

    @pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "99999999d", "-1h", ""])
    def test_a_bad_time_is_refused(self, pgcron: Any, time: str) -> None:
        done = pgcron("runs", "list", "--since", time)
        assert done.code == (2 if time else 0)
        assert not time or f"Error: {time!r} is no time" in done.err

    def test_an_unknown_job_is_guessed(self, pgcron: Any, job: str) -> None:
        done = pgcron("runs", "list", "--job", "nightl")
        assert (done.code, done.err.splitlines()[1]) == (1, "  hint: did you mean 'nightly'?")


class TestShow:
    def test_a_run_is_found_by_name_id_and_prefix(self, pgcron: Any, job: str, worker: Any) -> None:
        run = str(worker.ran(job))
        for text in ("nightly#1", run, run.upper(), run[:13], run.replace("-", "")[:9]):
            assert pgcron("runs", "show", text, "--json").json["id"] == run

    def test_it_shows_error_trace_metadata_and_result(self, pgcron: Any, job: str, worker: Any, failure: Any) -> None:
        worker.ran(job, **failure, metadata={"n": 1})
        worker.ran(job, result=[1, 2])
        failed, good = pgcron("runs", "show", "nightly#1").out, pgcron("runs", "show", "nightly#2").out
        for part in (
            "FAILED (error), a strike",
            "ValueError: boom",
            "line 1",
            "line 2",
            '{"n": 1}',
            "host-1, pid 4711",
        ):
            assert part in failed
        assert "took 1.5 s" in good
        assert "[1, 2]" in good

    def test_it_tells_how_late_a_run_began(
        self, pgcron: Any, job: str, worker: Any, connection: psycopg.Connection
    ) -> None:
        request = pgcron("jobs", "run", job, "--json").json["request_id"]
        connection.execute(
            "UPDATE pgcron.cron_request SET created_at = created_at - interval '90 s' WHERE id = %s", (request,)
        )
        worker.begin(job, request)
        assert "1 min 30 s after it was due" in pgcron("runs", "show", "nightly#1").out
        assert 90_000 <= pgcron("runs", "show", "nightly#1", "--json").json["lag_ms"] < 100_000

    def test_letters_that_steer_a_terminal_are_taken_out(
        self, pgcron: Any, job: str, worker: Any, failure: Any
    ) -> None:
        worker.ran(job, **failure | {"error": "red \x1b[31m\x07"})
        shown = pgcron("runs", "show", "nightly#1").out
        assert "\x1b" not in shown
        assert "\x07" not in shown  # click takes out colours, not bells
        assert "\x07" not in pgcron("runs", "list").out

    def test_a_prefix_of_several_runs_asks_for_more(self, pgcron: Any, job: str, worker: Any) -> None:
        run = str(worker.ran(job))
        worker.ran(job)
        done = pgcron("runs", "show", run[:4])
        assert done.code == 1
        assert f"several runs begin with {run[:4]!r}" in done.err
        assert run in done.err

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("nightly#9", 1),
            ("0000", 1),
            ("nope#1", 1),
            ("abc", 2),
            ("nightly#x", 2),
            ("nightly#", 2),
            ("zzzz", 2),
            ("", 2),
        ],
    )
    def test_what_is_no_run_is_refused(self, pgcron: Any, job: str, text: str, code: int) -> None:
        assert pgcron("runs", "show", text).code == code
