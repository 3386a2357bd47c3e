"""`pgcron jobs bulk`: by tag, by name, all; one group in the audit, one notification, and refusals that stop nobody else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

Pgcron = Any


@pytest.fixture
def three(pgcron: Pgcron) -> None:
    for name, tag in (("billing-a", "shop"), ("billing_b", "shop"), ("report", "other")):
        assert pgcron("jobs", "create", name, "--schedule", "0 3 * * *", "--handler", "h", "--tag", tag).code == 0


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--tag", "shop"), ["billing-a", "billing_b"]),
        (("--name", "billing_*"), ["billing_b"]),
        (("--name", "billing?a"), ["billing-a"]),
        (("--tag", "other", "--name", "b*"), []),
        (("--all",), ["billing-a", "billing_b", "report"]),
    ],
)
def test_a_filter_finds_what_it_says(pgcron: Pgcron, filters: tuple[str, ...], names: list[str]) -> None:
    assert sorted(pgcron("jobs", "bulk", "run", *filters, "--dry-run", "--json").json) == names


@pytest.mark.usefixtures("three")
def test_many_are_disabled_in_one_group_with_one_notification_and_enabled_again(
    pgcron: Pgcron, connection: psycopg.Connection
) -> None:
    connection.execute("LISTEN pgcron")
    done = pgcron("jobs", "bulk", "disable", "--tag", "shop", "--reason", "stocktaking", "--until", "2h")
    assert (done.code, done.out) == (0, "2 done\n")
    assert [note.payload for note in connection.notifies(timeout=0.2)] == ["sync"]
    rows = connection.execute(
        "SELECT transaction_id, reason FROM pgcron.cron_audit WHERE action = 'job_disabled'"
    ).fetchall()
    assert len(rows) == 2
    assert len(set(rows)) == 1
    assert rows[0][1] == "stocktaking"
    again = pgcron("jobs", "bulk", "enable", "--all", "--json")
    assert sorted((row["job"], row["outcome"]) for row in again.json) == [
        ("billing-a", "done"),
        ("billing_b", "done"),
        ("report", "unchanged"),
    ]


@pytest.mark.usefixtures("three")
def test_one_that_refuses_holds_up_no_other(pgcron: Pgcron, connection: psycopg.Connection) -> None:
    pgcron("jobs", "disable", "billing_b")
    done = pgcron("jobs", "bulk", "run", "--tag", "shop")
    assert (done.code, done.out) == (1, "1 done, 1 refused\n")
    assert "billing_b: Cannot execute disabled job" in done.err
    assert connection.execute("SELECT count(*) FROM pgcron.cron_request").fetchone() == (1,)


@pytest.mark.usefixtures("three")
def test_tags_are_added_and_taken_away(pgcron: Pgcron, connection: psycopg.Connection) -> None:
    assert pgcron("jobs", "bulk", "tag", "night", "--all").out == "3 done\n"
    assert pgcron("jobs", "bulk", "tag", "night", "--name", "report").out == "1 unchanged\n"
    assert pgcron("jobs", "bulk", "untag", "shop", "--tag", "shop").out == "2 done\n"
    assert sorted(row[0] for row in connection.execute("SELECT tags FROM pgcron.cron_job")) == [
        ["night"],
        ["night"],
        ["other", "night"],
    ]


def test_without_a_filter_nothing_happens(pgcron: Pgcron, job: str) -> None:
    refused = pgcron("jobs", "bulk", "disable")
    assert (refused.code, "no job is chosen" in refused.err) == (2, True)
    assert "no tag is given" in pgcron("jobs", "bulk", "tag", "--all").err
