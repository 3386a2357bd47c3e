"""Users of the web admin, from the command line."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.app.passwords import check_password, hashed
from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.errors import InvalidArguments, NotFound
from pgcron_py.storage import users as statements

LINK_BYTES = 32
LINK_PATH = "/api/auth/link/"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """sessions: how many are open. extra_permissions: beyond those of the role."""

    id: UUID
    name: str
    role: str
    extra_permissions: list[str]
    is_enabled: bool
    has_password: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    sessions: int


@dataclass(frozen=True, slots=True)
class Link:
    """path: below the admin's address. Whoever has it signs in as the user, once."""

    path: str
    expires_at: datetime


def checked_name(name: str) -> str:
    """The name in lower case. Raises InvalidArguments."""
    found = name.strip().lower()
    if not re.fullmatch(statements.NAME_FORM, found):
        raise InvalidArguments(
            f"name: {name[:120]!r} is no name of a user",
            hint="use 1 to 100 of a-z, 0-9 and . _ @ + -, beginning with a letter or digit: ana, or ana@example.com",
            field="name",
        )
    return found


def secret_hash(secret: str) -> bytes:
    """What is stored of a session, a token's secret or a link: they are random, so that a fast hash will do."""
    return hashlib.sha256(secret.encode()).digest()


def list_users(connection: Connection) -> list[User]:
    with transaction(connection):
        return rows(connection, User, statements.USERS)


def create_user(
    connection: Connection, name: str, role: str, caller: Caller, *, password: str | None = None, extra: Sequence[str] = ()
) -> User:  # fmt: skip
    """Raises InvalidArguments: a name, role, permission or password that the rules refuse, or a name that is taken."""
    name = checked_name(name)
    if password is not None:
        check_password(name, password)
    params = {
        "name": name, "role": role, "extra_permissions": list(extra), "password_hash": hashed(password) if password else None,
    }  # fmt: skip
    with transaction(connection, caller):
        _check_role(connection, role)
        _check_permissions(connection, extra)
        if value(connection, statements.CREATE_USER, params) is None:
            raise InvalidArguments(f"name: there is a user {name!r} already", hint="choose another name", field="name")
        return _user(connection, name)


def change_user(
    connection: Connection, name: str, caller: Caller, *, role: str | None = None, extra: Sequence[str] | None = None,
    is_enabled: bool | None = None, password: str | None = None,
) -> User:  # fmt: skip
    """What is None stays. Ends the user's sessions where something changes. Raises NotFound, InvalidArguments."""
    name = checked_name(name)
    if password is not None:
        check_password(name, password)
    with transaction(connection, caller):
        user = _user(connection, name)
        if role is not None:
            _check_role(connection, role)
        _check_permissions(connection, extra or ())
        params: dict[str, Any] = {
            "id": user.id, "role": role, "extra_permissions": None if extra is None else list(extra), "is_enabled": is_enabled,
            "password_hash": hashed(password) if password else None,
        }  # fmt: skip
        connection.execute(statements.CHANGE_USER, params)
        return _user(connection, name)


def make_link(connection: Connection, name: str, minutes: int, caller: Caller) -> Link:
    """A link that signs the user in once. Raises NotFound; InvalidArguments for a disabled user."""
    name, token = checked_name(name), secrets.token_urlsafe(LINK_BYTES)
    with transaction(connection, caller):
        user = _user(connection, name)
        if not user.is_enabled:
            hint = f"`pgcron users enable {name}` first"
            raise InvalidArguments(f"name: {name!r} is disabled", hint=hint, field="name")
        params = {"hash": secret_hash(token), "user": user.id, "seconds": minutes * 60}
        return Link(LINK_PATH + token, value(connection, statements.MAKE_LINK, params))


def seed_roles(connection: Connection) -> int:
    """How many rows of roles and their permissions were missing and are there now."""
    with transaction(connection):
        return int(value(connection, statements.SEED_ROLES))


def _user(connection: Connection, name: str) -> User:
    found = rows(connection, User, statements.USER, {"name": name})
    if not found:
        raise NotFound(f"no user is named {name!r}", hint="`pgcron users list` lists them")
    return found[0]


def _check_role(connection: Connection, role: str) -> None:
    known = [row[0] for row in connection.execute(statements.ROLES)]
    if role not in known:
        hint = f"roles are {', '.join(known)}"
        raise InvalidArguments(f"role: {role[:100]!r} is no role", hint=hint, field="role")


def _check_permissions(connection: Connection, permissions: Sequence[str]) -> None:
    known = value(connection, statements.PERMISSIONS)
    for permission in permissions:
        if permission not in known:
            raise InvalidArguments(
                f"permission: {permission[:100]!r} is no permission", hint=f"permissions are {', '.join(known)}", field="permission"
            )  # fmt: skip
