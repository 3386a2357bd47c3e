"""Users and roles, for those who administer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.controllers import users
from pgcron_admin.controllers.users import RoleAnswer, UserAnswer
from pgcron_admin.front import facts_of
from pgcron_admin.guessing import Passwords
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, permissions_of
from pgcron_admin.screens.forms import Filled, ManyForm, as_the_api, body_of, reason, text, texts
from pgcron_admin.screens.jobs import Text
from pgcron_admin.screens.visits import Visit
from pgcron_py.app.passwords import LENGTH_LEAST
from pgcron_py.errors import NotFound, PgCronError

MEANINGS = {
    Permission.MANAGE: "everything here but users and the text of SQL commands",
    Permission.VIEW: "see jobs, runs, workers and alerts",
    Permission.TRIGGER: "run now, skip, cancel, retry",
    Permission.ENABLE: "enable and disable jobs, acknowledge alerts",
    Permission.SCHEDULE_EDIT: "create, change and delete jobs",
    Permission.TRACE_READ: "see stack traces",
    Permission.SQL_EDIT: "write the commands of pgcron.sql",
    Permission.AUDIT_READ: "see the audit",
    Permission.USER_ADMIN: "administer users",
}
NOTICES = {"created": "The user was added.", "changed": "The user was changed; their sessions have ended."}
FIELDS = ("name", "role", "password", "extraPermissions", "reason")


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """A permission, and whether each role has it; None: by one that covers it."""

    word: str
    meaning: str
    roles: list[bool | None]


def table_of(roles: Sequence[RoleAnswer]) -> list[PermissionRow]:
    covered = {role.name: permissions_of(role.permissions) for role in roles}

    def has(role: RoleAnswer, word: Permission) -> bool | None:
        return True if word in role.permissions else None if word in covered[role.name] else False

    return [PermissionRow(word, MEANINGS[word], [has(role, word) for role in roles]) for word in Permission]


@get("/settings/users", guards=[requires(Permission.USER_ADMIN)])
async def list_users(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    found = await as_the_api(users.list_users, database=visit.database)
    async with visit.database.read() as connection:
        return await visit.show(connection, "settings_users.html", title="Users", told=NOTICES.get(done), users=found)


@get("/settings/roles", guards=[requires(Permission.USER_ADMIN)])
async def list_roles(visit: NamedDependency[Visit]) -> Response[str]:
    roles = await as_the_api(users.list_roles, database=visit.database)
    async with visit.database.read() as connection:
        return await visit.show(connection, "settings_roles.html", title="Roles", roles=roles, rows=table_of(roles))


@get("/settings/users/new", guards=[requires(Permission.USER_ADMIN)])
async def new_user(visit: NamedDependency[Visit]) -> Response[str]:
    return await _form(visit, None, Filled({"role": "viewer"}))


@post("/settings/users", guards=[requires(Permission.USER_ADMIN)])
async def create_user(
    data: ManyForm, visit: NamedDependency[Visit], passwords: NamedDependency[Passwords]
) -> Response[Any]:
    said = _said(data) | {"name": text(data, "name")}
    try:
        body = body_of(users.NewUserBody, said)
        await as_the_api(
            users.create_user, data=body, principal=visit.principal, database=visit.database, passwords=passwords
        )
    except PgCronError as error:
        return await _form(visit, None, Filled(said, error, FIELDS))
    return visit.back("/settings/users?done=created")


@get("/settings/users/{user_id:uuid}", guards=[requires(Permission.USER_ADMIN)])
async def show_user(user_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    return await _form(visit, user_id)


@post("/settings/users/{user_id:uuid}", guards=[requires(Permission.USER_ADMIN)])
async def change_user(
    user_id: FromPath[UUID], data: ManyForm, visit: NamedDependency[Visit], passwords: NamedDependency[Passwords]
) -> Response[Any]:
    """What the form's button is for: role and permissions, the password, or whether they may sign in."""
    wanted = {
        "access": ("role", "extraPermissions"), "password": ("password",), "enable": (), "disable": (),
    }.get(text(data, "what"), ())  # fmt: skip
    said = {name: value for name, value in _said(data).items() if name in (*wanted, "reason")}
    if text(data, "what") in ("enable", "disable"):
        said["isEnabled"] = text(data, "what") == "enable"
    try:
        body = body_of(users.UserBody, said)
        await as_the_api(
            users.change_user, user_id=user_id, data=body, principal=visit.principal, database=visit.database, passwords=passwords
        )  # fmt: skip
    except NotFound:
        raise
    except PgCronError as error:
        return await _form(visit, user_id, Filled(said, error, FIELDS))
    return visit.back("/settings/users?done=changed")


@post("/settings/users/{user_id:uuid}/link", guards=[requires(Permission.USER_ADMIN)], status_code=200)
async def make_link(user_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    """The page shows the link: whoever has it signs in as the user, once."""
    try:
        made = await as_the_api(users.make_link, user_id=user_id, principal=visit.principal, database=visit.database)
    except NotFound:
        raise
    except PgCronError as error:
        return await _form(visit, user_id, Filled({}, error, FIELDS))
    facts = facts_of(visit.request.scope)
    return await _form(visit, user_id, link=(f"{facts.origin}{facts.base_path}{made.path}", made.expires_at))


def _said(data: dict[str, Any]) -> dict[str, Any]:
    # A password as it was typed: spaces at the ends belong to it.
    return {
        "role": text(data, "role"), "extraPermissions": texts(data, "extraPermissions"), "password": str(data.get("password", "")) or None,
        "reason": reason(data),
    }  # fmt: skip


async def _form(
    visit: Visit, user_id: UUID | None, form: Filled | None = None, *, link: tuple[str, object] | None = None
) -> Response[str]:
    roles: list[RoleAnswer] = await as_the_api(users.list_roles, database=visit.database)
    async with visit.database.read() as connection:
        user: UserAnswer | None = None if user_id is None else await users.user_of(connection, user_id)
        if form is None:
            assert user is not None
            form = Filled({"role": user.role, "extraPermissions": user.extra_permissions})
        elif user is not None:
            form = Filled({"role": user.role, "extraPermissions": user.extra_permissions} | dict(form.values), form.refused, form.fields)  # fmt: skip
        return await visit.show(
            connection, "settings_user.html", title=user.name if user else "New user", refused=form.refused, form=form, user=user, link=link,
            roles=[(role.name, role.name.replace("_", " "), role.description) for role in roles], least=LENGTH_LEAST,
            extras=[(word.value, word.value, MEANINGS[word]) for word in Permission], is_self=user_id == visit.principal.user_id,
        )  # fmt: skip
