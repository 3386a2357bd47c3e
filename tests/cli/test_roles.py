"""pgcron as the database roles of those who use it; pgcron db roles and grant."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgcron_py.app.rights import RIGHTS
from pgcron_py.cli.db import ROLE_NAMES

LOOKS = (
    "jobs list", "jobs show nightly", "jobs explain nightly", "jobs stats nightly", "jobs next nightly", "runs list", "workers list", "check", "doctor",
    "audit list", "audit verify", "backfills list", "limits list", "blackouts list", "handlers", "notify channels", "notify inbox", "export", "db check",
    "db roles", "db current",
)  # fmt: skip


@pytest.mark.parametrize("command", LOOKS)
def test_a_reader_sees_it(pgcron: Any, job: str, reader_url: str, command: str) -> None:
    mine, owner_s = pgcron(*command.split(), url=reader_url), pgcron(*command.split())
    assert (mine.code, mine.err) == (owner_s.code, owner_s.err), mine


def test_an_operator_steers_and_does_not_define(pgcron: Any, job: str, worker: Any, operator_url: str) -> None:
    assert pgcron("jobs", "disable", "nightly", "--reason", "loud", url=operator_url).code == 0
    assert pgcron("jobs", "enable", "nightly", "--yes", url=operator_url).code == 0
    assert pgcron("jobs", "run", "nightly", url=operator_url).code == 0
    assert pgcron("jobs", "bulk", "disable", "--all", "--yes", url=operator_url).code == 0
    refused = pgcron("jobs", "edit", "nightly", "--schedule", "@daily", url=operator_url)
    assert (refused.code, "permission denied" in refused.err) == (1, True)
    entry = pgcron("audit", "list", "--json").json[0]
    assert (entry["action"], entry["actor"]) == ("job_disabled", "t_operator")


def test_every_right_can_be_given() -> None:
    """The names stand twice, so that `pgcron --help` needn't import what talks to databases."""
    assert tuple(right.name for right in RIGHTS) == ROLE_NAMES


def test_a_right_is_given_and_taken(pgcron: Any, connection: psycopg.Connection) -> None:
    connection.execute("DROP ROLE IF EXISTS t_ann")
    refused = pgcron("db", "grant", "--role", "operator", "--to", "t_ann")
    assert (refused.code, refused.err.splitlines()) == (
        2, ["Error: to: there is no database role 't_ann'", "  hint: CREATE ROLE t_ann LOGIN PASSWORD '…' makes it"],
    )  # fmt: skip
    connection.execute("CREATE ROLE t_ann LOGIN")
    try:
        assert pgcron("db", "grant", "--role", "operator", "--to", "t_ann").out == "t_ann is now a pgcron operator\n"
        by_role = {role["role"]: role["logins"] for role in pgcron("db", "roles", "--json").json}
        assert ("t_ann" in by_role["operator"], "t_ann" in by_role["reader"], "t_ann" in by_role["web"]) == (
            True,
            True,
            False,
        )
        assert "t_ann" in pgcron("db", "roles").out
        assert pgcron("db", "grant", "--role", "operator", "--to", "t_ann", "--revoke").code == 0
        assert "t_ann" not in pgcron("db", "roles").out
    finally:
        connection.execute("DROP ROLE t_ann")


def test_who_may_not_grant_is_told(pgcron: Any, operator_url: str) -> None:
    refused = pgcron("db", "grant", "--role", "owner", "--to", "t_operator", url=operator_url)
    assert (refused.code, "may not grant pgcron_owner" in refused.err) == (1, True)
