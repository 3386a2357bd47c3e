"""A crontab as jobs: what each line becomes, and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pgcron_py.domain.crontab import Options, entries_of, name_of
from pgcron_py.domain.foreign import Entry

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def entries(text: str, **options: object) -> list[Entry]:
    return entries_of(text, Options(**{"timezone": "UTC"} | options), NOW)  # type: ignore[arg-type]  # test data


def only(text: str, **options: object) -> Entry:
    (entry,) = entries(text, **options)
    return entry


def told(entry: Entry) -> list[tuple[str, bool]]:
    return [(note.kind, note.changes) for note in entry.notes]


def test_a_crontab_of_many_kinds_of_lines() -> None:
    text = """
# comment
SHELL=/bin/bash
PATH = "/usr/bin:/bin"
MAILTO=ops@example.com

17 * * * *  /usr/local/bin/hourly.sh --all >/dev/null 2>&1
  @daily\tpg_dump shop
-*/5 9-17 * jan-mar mon-fri  X=1 check
"""
    first, second, third = entries(text)
    assert first.declaration is not None
    assert (first.where, first.declaration.name) == ("line 7", "hourly.sh --all")
    assert (first.declaration.schedule, first.declaration.handler) == ("17 * * * *", "shell")
    assert first.declaration.args == {
        "command": "/usr/local/bin/hourly.sh --all >/dev/null 2>&1",
        "environment": {"SHELL": "/bin/bash", "PATH": "/usr/bin:/bin"},
    }
    assert first.disabled_reason is not None
    assert "no handler 'shell'" in first.disabled_reason
    assert (first.declaration.catchup_policy, first.declaration.max_consecutive_failures) == ("skip", None)
    assert second.declaration is not None
    assert (second.declaration.schedule, second.declaration.name) == ("@daily", "pg_dump shop")
    assert third.declaration is not None
    assert (third.declaration.schedule, third.declaration.args["command"]) == (
        "*/5 9-17 * jan-mar mon-fri",
        "X=1 check",
    )
    assert told(first) == [("command", False)]


def test_the_users_of_a_systems_crontab() -> None:
    entry = only("25 6 * * * root run-parts /etc/cron.daily", has_users=True)
    assert entry.declaration is not None
    assert entry.declaration.name == "root: run-parts /etc/cron.daily"
    assert entry.declaration.args == {"command": "run-parts /etc/cron.daily", "user": "root"}
    assert only("@daily root x", has_users=True).declaration is not None
    assert only("25 6 * * * root", has_users=True).refusal == "a schedule and a command are needed"


def test_zones_of_lines() -> None:
    before, after = entries("0 3 * * * a\nCRON_TZ=Europe/Berlin\n0 3 * * * b", timezone=None)
    assert before.declaration is not None
    assert (before.declaration.timezone, told(before)) == ("UTC", [("zone", True)])
    assert after.declaration is not None
    assert after.declaration.timezone == "Europe/Berlin"
    assert told(only("TZ=Asia/Tokyo\n0 3 * * * a")) == [("zone", False)]
    assert "unknown time zone 'Mars/Base'" in (only("CRON_TZ=Mars/Base\n0 3 * * * a").refusal or "")


def test_clock_changes_and_the_day_rule_are_told() -> None:
    assert told(only("30 2 * * * a", timezone="Europe/Berlin")) == [("dst", False), ("dst", False)]
    assert told(only("0 9 13 * 5 a")) == [("days", False)]
    assert told(only("0 9 1,* * 5 a")) == [("days", True)]
    assert told(only("0 9 */2 * 5 a")) == [("days", False)]


def test_what_means_something_else_here() -> None:
    assert told(only("@reboot a", timezone=None)) == [("reboot", True)]
    entry = only("0~29 3 * * * a")
    assert entry.declaration is not None
    assert (entry.declaration.schedule, told(entry)) == ("H(0-29) 3 * * *", [("random", True)])
    entry = only("*/90 * * * * a")
    assert entry.declaration is not None
    assert (entry.declaration.schedule, told(entry)) == ("0 * * * *", [("step", False)])
    entry = only("RANDOM_DELAY=5\n0 3 * * * a")
    assert entry.declaration is not None
    assert entry.declaration.jitter_ms == 300_000


def test_percent_signs_are_input() -> None:
    entry = only(r"0 3 * * * mail -s 50\% bob%Hello%there")
    assert entry.declaration is not None
    assert entry.declaration.args == {"command": "mail -s 50% bob", "input": "Hello\nthere\n"}
    assert entry.declaration.name == r"mail -s 50\% bob"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("61 * * * * a", "61 is outside 0-59"),
        ("0 3 * *", "a schedule and a command are needed"),
        ("@never a", "cron knows no @never"),
        ("0 0 30 2 * a", "never fire"),
        ("0 22-2 * * * a", "write 22-23,0-2"),
    ],
)
def test_lines_that_cannot_be_taken(line: str, why: str) -> None:
    entry = only(line)
    assert entry.declaration is None
    assert why in (entry.refusal or "")


def test_names_differ() -> None:
    names = [
        entry.declaration.name for entry in entries("0 1 * * * x/a\n0 2 * * * y/a\n0 3 * * * a") if entry.declaration
    ]
    assert names == ["a", "a (2)", "a (3)"]
    assert name_of("/opt/x/run.sh 2>&1 >> /var/log/x.log") == "run.sh"
    assert len(name_of("x" * 500)) == 100
