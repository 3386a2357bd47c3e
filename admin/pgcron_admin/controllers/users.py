"""Users and roles, for those who administer them. Nobody gives what they don't have, nor changes their own rank."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from pgcron_admin.database import Connection, Database
from pgcron_admin.guessing import Passwords
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal, permissions_of
from pgcron_admin.wire import Answer, Body
from pgcron_py.app.passwords import LENGTH_LEAST, LENGTH_MOST, check_password
from pgcron_py.app.users import LINK_BYTES, LINK_PATH, checked_name, secret_hash
from pgcron_py.errors import InvalidArguments, NotFound, NotPermitted
from pgcron_py.storage import users as statements

Password = Annotated[str, msgspec.Meta(min_length=LENGTH_LEAST, max_length=LENGTH_MOST)]
Permissions = Annotated[list[str], msgspec.Meta(max_length=20)]
LINK_S = 900
Reason = Annotated[str, msgspec.Meta(max_length=1000)]


class UserAnswer(Answer):
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


class RoleAnswer(Answer):
    name: str
    description: str
    permissions: list[str]


class LinkAnswer(Answer):
    """path: below the admin's address. Whoever opens it signs in as the user, once, until expiresAt."""

    path: str
    expires_at: datetime


class NewUserBody(Body):
    """password: without one, only a link of `pgcron users link` lets them in."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Annotated[str, msgspec.Meta(max_length=100)]
    password: Password | None = None
    extra_permissions: Permissions = msgspec.field(default_factory=list)
    reason: Reason | None = None


class UserBody(Body):
    """What is left out stays as it is."""

    role: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    password: Password | None = None
    extra_permissions: Permissions | None = None
    is_enabled: bool | None = None
    reason: Reason | None = None


@get("/users", guards=[requires(Permission.USER_ADMIN)])
async def list_users(database: NamedDependency[Database]) -> list[UserAnswer]:
    """All users."""
    async with database.read() as connection:
        return [UserAnswer(**row) for row in await (await connection.execute(statements.USERS)).fetchall()]


@get("/roles", guards=[requires(Permission.USER_ADMIN)])
async def list_roles(database: NamedDependency[Database]) -> list[RoleAnswer]:
    """All roles with their permissions."""
    async with database.read() as connection:
        return [RoleAnswer(**row) for row in await (await connection.execute(statements.ROLES)).fetchall()]


@post("/users", status_code=201, guards=[requires(Permission.USER_ADMIN)])
async def create_user(
    data: JSONBody[NewUserBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
) -> UserAnswer:
    """Add a user."""
    name = checked_name(data.name)
    password_hash = await _hashed(name, data.password, passwords)
    params = {
        "name": name, "role": data.role, "extra_permissions": sorted(set(data.extra_permissions)), "password_hash": password_hash,
    }  # fmt: skip
    async with database.transaction(principal, reason=data.reason) as connection:
        await _check_gift(connection, principal, data.role, data.extra_permissions)
        row = await (await connection.execute(statements.CREATE_USER, params)).fetchone()
        if row is None:
            raise InvalidArguments(f"name: there is a user {name!r} already", hint="choose another name", field="name")
        return await user_of(connection, row["id"])


@patch("/users/{user_id:uuid}", guards=[requires(Permission.USER_ADMIN)])
async def change_user(
    user_id: FromPath[UUID],
    data: JSONBody[UserBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
) -> UserAnswer:
    """Change role, permissions, password or enablement of a user. Their sessions end."""
    if user_id == principal.user_id:
        raise NotPermitted(
            "you can't change your own role, permissions or enablement", hint="ask another super admin; for your password: POST /api/auth/password"
        )  # fmt: skip
    async with database.read() as connection:
        name = (await user_of(connection, user_id)).name
    params: dict[str, Any] = {
        "id": user_id, "role": data.role, "is_enabled": data.is_enabled,
        "extra_permissions": None if data.extra_permissions is None else sorted(set(data.extra_permissions)),
        "password_hash": await _hashed(name, data.password, passwords),
    }  # fmt: skip
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(statements.LOCK_USER, {"id": user_id})
        before = await user_of(connection, user_id)
        await _check_above(connection, principal, before)
        await _check_gift(
            connection, principal, before.role if data.role is None else data.role, data.extra_permissions or ()
        )
        await connection.execute(statements.CHANGE_USER, params)
        return await user_of(connection, user_id)


@post("/users/{user_id:uuid}/link", status_code=201, guards=[requires(Permission.USER_ADMIN)])
async def make_link(
    user_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> LinkAnswer:
    """Make a link that signs a user in once, within 15 minutes: for who has no password, or forgot it. It is shown here, and nowhere else."""
    if user_id == principal.user_id:
        raise NotPermitted(
            "you are signed in: a link is for others", hint="POST /api/auth/password changes your password"
        )
    token = secrets.token_urlsafe(LINK_BYTES)
    async with database.transaction(principal) as connection:
        await connection.execute(statements.LOCK_USER, {"id": user_id})
        user = await user_of(connection, user_id)
        await _check_above(connection, principal, user)
        if not user.is_enabled:
            raise InvalidArguments(f"{user.name} is disabled", hint="enable them first", field="isEnabled")
        params = {"hash": secret_hash(token), "user": user_id, "seconds": LINK_S}
        row = await (await connection.execute(statements.MAKE_LINK, params)).fetchone()
    assert row is not None
    return LinkAnswer(path=LINK_PATH + token, expires_at=row["expires_at"])


async def user_of(connection: Connection, user_id: UUID) -> UserAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(statements.USER_BY_ID, {"id": user_id})).fetchone()
    if row is None:
        raise NotFound(f"there is no user {user_id}")
    return UserAnswer(**row)


async def _hashed(name: str, password: str | None, passwords: Passwords) -> str | None:
    if password is None:
        return None
    check_password(name, password)
    return await passwords.hashed(password)


async def _check_above(connection: Connection, principal: Principal, user: UserAnswer) -> None:
    """Who may set somebody's password may become them."""
    roles = await _roles(connection)
    if not permissions_of([*roles.get(user.role, []), *user.extra_permissions]) <= principal.permissions:
        raise NotPermitted(f"{user.name} may more than you", hint="ask somebody who may as much")


async def _check_gift(connection: Connection, principal: Principal, role: str, extra: Permissions | tuple[()]) -> None:
    """Raises InvalidArguments for an unknown role or permission, NotPermitted for more than who gives it has."""
    roles = await _roles(connection)
    if role not in roles:
        raise InvalidArguments(f"role: {role!r} is no role", hint=f"roles are {', '.join(roles)}", field="role")
    for permission in extra:
        if not permissions_of([permission]):
            known = ", ".join(Permission)
            raise InvalidArguments(
                f"extraPermissions: {permission[:100]!r} is no permission", hint=f"permissions are {known}", field="extraPermissions"
            )  # fmt: skip
    missing = permissions_of([*roles[role], *extra]) - principal.permissions
    if missing:
        raise NotPermitted(
            f"you can't give {', '.join(sorted(missing))}, which you don't have", hint="`pgcron users role NAME ROLE --grant …` can"
        )  # fmt: skip


async def _roles(connection: Connection) -> dict[str, list[str]]:
    found = await (await connection.execute(statements.ROLES)).fetchall()
    return {row["name"]: row["permissions"] for row in found}
