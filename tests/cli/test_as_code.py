"""`pgcron export` and `apply`: a file round trip, the difference told, all or nothing, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

Pgcron = Any
FILE = """
jobs:
  nightly:
    schedule: 0 3 * * *
    handler: shop:close
    timezone: Europe/Berlin
    tags: [shop, night]
    timeout_ms: 60000
    end_at: 2030-01-01T00:00:00+00:00
  sweep:
    schedule: '@every 90m'
    handler: shop:sweep
    overlap_policy: allow_all
    max_running: 3
    is_enabled: false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.yaml"
    path.write_text(FILE)
    return path


def test_a_file_is_applied_and_what_is_exported_differs_in_nothing(
    pgcron: Pgcron, file: Path, connection: psycopg.Connection
) -> None:
    tried = pgcron("apply", str(file), "--dry-run")
    assert (
        tried.code,
        "+ nightly" in tried.out,
        "2 to create, 0 to change, 0 to delete: nothing was changed" in tried.out,
    ) == (0, True, True)
    assert connection.execute("SELECT count(*) FROM pgcron.cron_job").fetchone() == (0,)
    assert "applied: 2 to create" in pgcron("apply", str(file)).out
    rows = connection.execute(
        "SELECT name, is_enabled, is_exclusive, max_running, timezone, tags, end_at IS NOT NULL FROM pgcron.cron_job ORDER BY name"
    ).fetchall()
    assert rows == [
        ("nightly", True, True, 1, "Europe/Berlin", ["shop", "night"], True),
        ("sweep", False, False, 3, "UTC", [], False),
    ]
    exported = pgcron("export").out
    file.write_text(exported)
    assert pgcron("apply", str(file)).out == "nothing differs\n"
    assert connection.execute("SELECT count(DISTINCT transaction_id) FROM pgcron.cron_audit").fetchone() == (1,)


def test_changes_are_shown_with_old_and_new_and_left_out_fields_get_their_defaults(pgcron: Pgcron, file: Path) -> None:
    pgcron("apply", str(file))
    file.write_text(
        FILE.replace("0 3 * * *", "0 4 * * *")
        .replace("    timeout_ms: 60000\n", "")
        .replace("    is_enabled: false\n", "")
    )
    shown = pgcron("apply", str(file)).out
    assert '    schedule: "0 3 * * *" -> "0 4 * * *"' in shown
    assert "    timeout_ms: 60000 -> null" in shown
    assert "    is_enabled: false -> true" in shown
    assert pgcron("jobs", "show", "nightly", "--json").json["timeout_ms"] is None


def test_pruning_deletes_what_the_file_leaves_out_but_only_when_told(
    pgcron: Pgcron, file: Path, job: str, connection: psycopg.Connection
) -> None:
    connection.execute("UPDATE pgcron.cron_job SET name = 'by hand'")
    pgcron("apply", str(file))
    assert connection.execute("SELECT count(*) FROM pgcron.cron_job").fetchone() == (3,)
    asked = pgcron("apply", str(file), "--prune")
    assert (asked.code, "1 jobs would be deleted: by hand" in asked.err) == (1, True)
    assert "- by hand" in pgcron("apply", str(file), "--prune", "--yes").out
    assert connection.execute("SELECT count(*) FROM pgcron.cron_job").fetchone() == (2,)


def test_a_refusal_names_the_job_and_nothing_is_changed(
    pgcron: Pgcron, file: Path, connection: psycopg.Connection
) -> None:
    pgcron("apply", str(file))
    connection.execute("UPDATE pgcron.cron_job SET running_count = 1 WHERE name = 'sweep'")
    file.write_text(FILE[: FILE.index("  sweep")] + "  new:\n    schedule: '@daily'\n    handler: h\n")
    refused = pgcron("apply", str(file), "--prune", "--yes")
    assert (refused.code, "job 'sweep'" in refused.err) == (1, True)
    assert connection.execute("SELECT count(*) FROM pgcron.cron_job WHERE name = 'new'").fetchone() == (0,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobs: [", "no YAML"),
        ("nothing: 1", "has no jobs"),
        ("jobs:\n  a:\n    schedule: '@daily'", "it needs a schedule and a handler"),
        ("jobs:\n  a:\n    schedule: 0 25 * * *\n    handler: h", "25"),
        ("jobs:\n  a:\n    schedule: '@daily'\n    handler: h\n    time_zone: UTC", "did you mean 'timezone'"),
        ("jobs:\n  a:\n    schedule: '@daily'\n    handler: h\n    timeout_ms: soon", "timeout_ms is 'soon'"),
        ("jobs:\n  a:\n    schedule: '@daily'\n    handler: h\n    is_enabled: perhaps", "true or false"),
        ("jobs:\n  a:\n    schedule: '@daily'\n    handler: h\n    timezone: Mars/X", "Mars/X"),
        ("jobs:\n  a:\n    schedule: 5\n    handler: h", "a field has a value of the wrong type"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_job_and_field(
    pgcron: Pgcron, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "jobs.yaml").write_text(text)
    refused = pgcron("apply", str(tmp_path / "jobs.yaml"))
    assert refused.code in (1, 2)
    assert words in refused.err
