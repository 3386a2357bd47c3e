"""The database roles of pgcron: what each may do, who has it, giving and taking it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcron_py.app.session import Connection, rows
from pgcron_py.errors import InvalidArguments, NotPermitted


@dataclass(frozen=True, slots=True)
class Right:
    """name: as people say it; group: the NOLOGIN role that has the rights; allows: what it may do, in words."""

    name: str
    group: str
    allows: str


RIGHTS = (
    Right("owner", "pgcron_owner", "everything: migrations, locked jobs, the tables themselves"),
    Right("worker", "pgcron_worker", "run jobs: claim, record, plan, register the jobs of its application"),
    Right("web", "pgcron_web", "everything that the web admin does, through functions; name the user on whose behalf"),
    Right("operator", "pgcron_operator", "see, enable, disable, run and cancel jobs"),
    Right("reader", "pgcron_reader", "see everything but stack traces and the secrets of channels"),
    Right("sql_author", "pgcron_sql_author", "write commands for jobs of pgcron.sql, beside one of the others"),
)

MEMBERS = """
SELECT g.name AS group, array_agg(m.rolname ORDER BY m.rolname) FILTER (WHERE m.rolcanlogin AND NOT m.rolsuper AND pg_has_role(m.oid, to_regrole(g.name), 'MEMBER')) AS logins
  FROM unnest(%(groups)s::text[]) AS g (name) CROSS JOIN pg_roles m
 WHERE to_regrole(g.name) IS NOT NULL GROUP BY g.name
"""
LOGIN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s"


@dataclass(frozen=True, slots=True)
class Holders:
    """The login roles that have a right, directly or not; superusers, who have all, are left out."""

    group: str
    logins: list[str] | None


def holders(connection: Connection) -> dict[str, list[str]]:
    """Who has which right, by its name; [] where nobody has it or where the role does not exist yet."""
    found = {
        row.group: row.logins or [] for row in rows(connection, Holders, MEMBERS, {"groups": [r.group for r in RIGHTS]})
    }
    return {right.name: found.get(right.group, []) for right in RIGHTS}


def grant(connection: Connection, name: str, login: str, *, revoke: bool = False) -> None:
    """Gives a right to a login role, or takes it; what it has already is no error.

    Raises InvalidArguments for a role that there isn't, NotPermitted when the caller may not grant it.
    """
    group = next(right.group for right in RIGHTS if right.name == name)
    known = connection.execute(LOGIN, (login,)).fetchone()
    if known is None:
        raise InvalidArguments(
            f"to: there is no database role {login!r}", hint=f"CREATE ROLE {login} LOGIN PASSWORD '…' makes it"
        )
    template = "REVOKE {} FROM {}" if revoke else "GRANT {} TO {}"
    try:
        connection.execute(sql.SQL(template).format(sql.Identifier(group), sql.Identifier(login)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotPermitted(
            f"this user may not grant {group}", hint="connect as who ran `pgcron db upgrade`, or as a superuser"
        ) from error
    except psycopg.errors.InvalidGrantOperation as error:
        raise InvalidArguments(f"to: {error.diag.message_primary}") from error
