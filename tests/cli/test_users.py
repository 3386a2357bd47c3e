"""`pgcron users`: making, changing, disabling users, and what the audit says of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgcron_py.app.passwords import is_right

PASSWORD = "three blind mice 1905"


def stored(connection: psycopg.Connection, name: str) -> tuple[Any, ...]:
    row = connection.execute(
        "SELECT role, extra_permissions, is_enabled, password_hash FROM pgcron.app_user WHERE name = %s", (name,)
    ).fetchone()
    assert row is not None
    return row


def audited(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT action, reason, new_values FROM pgcron.cron_audit ORDER BY at, id").fetchall()


def test_a_user_is_made_changed_disabled_and_enabled_again(pgcron: Any, connection: psycopg.Connection) -> None:
    made = pgcron(
        "users", "create", "Ana", "--role", "operator", "--password-stdin", "--reason", "new", input=PASSWORD + "\n"
    )
    assert (made.code, made.out) == (0, "created ana, operator\n"), made.err
    role, extra, is_enabled, password_hash = stored(connection, "ana")
    assert (role, extra, is_enabled) == ("operator", [], True)
    assert password_hash.startswith("$argon2id$")
    assert is_right(password_hash, PASSWORD)
    assert (
        pgcron("users", "role", "ana", "super_admin", "--grant", "cron.sql.edit").out
        == "ana is super_admin + cron.sql.edit\n"
    )
    assert pgcron("users", "disable", "ana", "--reason", "left").code == 0
    assert stored(connection, "ana")[:3] == ("super_admin", ["cron.sql.edit"], False)
    assert pgcron("users", "enable", "ana").code == 0
    (shown,) = pgcron("users", "list", "--json").json
    assert (shown["name"], shown["is_enabled"], shown["has_password"]) == ("ana", True, True)
    assert "argon2" not in str(shown)
    entries = audited(connection)
    assert [(action, reason) for action, reason, _ in entries] == [
        ("user_created", "new"), ("user_changed", None), ("user_changed", "left"), ("user_changed", None),
    ]  # fmt: skip
    assert "argon2" not in str(entries)


def test_a_new_password_ends_the_sessions_and_links_of_its_user(pgcron: Any, connection: psycopg.Connection) -> None:
    assert pgcron("users", "create", "ben", "--no-password").code == 0
    assert pgcron("users", "link", "ben").out.startswith("/api/auth/link/")
    connection.execute(
        "INSERT INTO pgcron.app_session (id_hash, user_id, expires_at) SELECT sha256('x'), id, clock_timestamp() + interval '1 h' FROM pgcron.app_user"
    )
    assert pgcron("users", "passwd", "ben", "--password-stdin", input=PASSWORD).code == 0
    assert connection.execute("SELECT count(*) FROM pgcron.app_session WHERE revoked_at IS NULL").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM pgcron.app_link").fetchone() == (0,)


def test_a_password_is_asked_for_twice_on_a_terminal_and_not_shown(pgcron: Any, connection: psycopg.Connection) -> None:
    done = pgcron("users", "create", "cleo", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.code == 0, done.err
    assert PASSWORD not in done.out + done.err
    assert is_right(stored(connection, "cleo")[3], PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("create", "a b", "--no-password"), "", "is no name of a user"),
        (("create", "dan", "--role", "king", "--no-password"), "", "roles are operator, super_admin, viewer"),
        (("create", "dan", "--grant", "cron.fly", "--no-password"), "", "permissions are system.cron.manage"),
        (("create", "dan", "--password-stdin"), "short\n", "it has 5 characters, not 12 to 200"),
        (("create", "dan", "--password-stdin"), "", "it has 0 characters"),
        (("create", "taken", "--no-password"), "", "there is a user 'taken' already"),
        (("link", "off"), "", "'off' is disabled"),
    ],
)
def test_what_the_rules_refuse_is_told_by_field_and_nothing_is_made(
    pgcron: Any, connection: psycopg.Connection, arguments: tuple[str, ...], stdin: str, told: str
) -> None:
    connection.execute(
        "INSERT INTO pgcron.app_user (name, role, is_enabled) VALUES ('taken', 'viewer', true), ('off', 'viewer', false)"
    )
    done = pgcron("users", *arguments, input=stdin)
    assert done.code == 2
    assert told in done.err
    assert connection.execute("SELECT count(*) FROM pgcron.app_user").fetchone() == (2,)


@pytest.mark.parametrize(
    "arguments", [("passwd", "eve", "--password-stdin"), ("disable", "eve"), ("role", "eve", "viewer"), ("link", "eve")]
)
def test_an_unknown_user_is_told_as_such(pgcron: Any, arguments: tuple[str, ...]) -> None:
    done = pgcron("users", *arguments, input=PASSWORD)
    assert done.code == 1
    assert "no user is named 'eve'" in done.err


def test_a_link_is_below_the_address_that_is_given(pgcron: Any) -> None:
    pgcron("users", "create", "fay", "--no-password")
    assert pgcron("users", "link", "fay", "--base-url", "https://c.example/").out.startswith(
        "https://c.example/api/auth/link/"
    )


def test_a_reader_can_neither_see_nor_make_users(pgcron: Any, reader_url: str) -> None:
    assert pgcron("users", "list", url=reader_url).code == 1
    assert pgcron("users", "create", "gus", "--no-password", url=reader_url).code == 1


def test_seeding_restores_the_roles_and_their_permissions_and_leaves_others(
    pgcron: Any, connection: psycopg.Connection
) -> None:
    connection.execute(
        "DELETE FROM pgcron.app_role_permission WHERE role = 'operator'; DELETE FROM pgcron.app_role WHERE name = 'viewer'"
    )
    connection.execute("INSERT INTO pgcron.app_role VALUES ('auditor', 'Reads the audit.')")
    assert pgcron("db", "seed").out == "inserted missing roles\n"
    assert pgcron("db", "seed").out.startswith("the roles are there already")
    found = connection.execute(
        "SELECT role, array_agg(permission ORDER BY permission) FROM pgcron.app_role_permission GROUP BY role ORDER BY role"
    ).fetchall()
    assert found[0] == ("operator", ["cron.enable", "cron.trigger", "cron.view"])
    assert found[1][0] == "super_admin"
    assert "cron.sql.edit" not in found[1][1]
    assert found[2] == ("viewer", ["cron.view"])
    assert connection.execute("SELECT count(*) FROM pgcron.app_role").fetchone() == (4,)
