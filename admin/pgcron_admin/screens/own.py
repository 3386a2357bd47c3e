"""What is one's own: password, sessions, tokens for programs."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.controllers import sessions, sign_in
from pgcron_admin.denials import Denials
from pgcron_admin.guessing import Passwords, Throttle
from pgcron_admin.permissions import in_person
from pgcron_admin.principal import Permission
from pgcron_admin.screens.access import MEANINGS
from pgcron_admin.screens.forms import Filled, ManyForm, as_the_api, body_of, text, texts
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.visits import Visit
from pgcron_admin.settings import AdminSettings
from pgcron_py.app.passwords import LENGTH_LEAST
from pgcron_py.errors import InvalidArguments, PgCronError
from pgcron_py.storage import users as statements

PASSWORD_FIELDS, TOKEN_FIELDS = ("current", "new", "again"), ("name", "scopes", "days")
LIVES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (366, "a year"))
BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("Linux", "Linux"))  # fmt: skip


def browser_of(agent: str | None) -> str:
    """`Firefox on Linux`, as far as a browser says so."""
    found = [next((word for mark, word in known if mark in (agent or "")), "") for known in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, found)) or (re.sub(r"[/ ].*", "", agent)[:40] if agent else "Unknown browser")


@get("/settings/password", guards=[in_person])
async def show_password(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    return await _password(
        visit, Filled(), "Your password was changed; your other sessions have ended." if done else None
    )


@post("/settings/password", guards=[in_person])
async def change_password(
    data: ManyForm, visit: NamedDependency[Visit], settings: NamedDependency[AdminSettings], throttle: NamedDependency[Throttle],
    passwords: NamedDependency[Passwords], denials: NamedDependency[Denials],
) -> Response[Any]:  # fmt: skip
    try:
        # As they were typed: spaces at the ends belong to a password.
        new, current = str(data.get("new", "")), str(data.get("current", ""))
        if new != str(data.get("again", "")):
            raise InvalidArguments(
                "this is not what you typed above", hint="type the new password twice", field="again"
            )
        body = body_of(sign_in.PasswordBody, {"new": new, "current": current or None})
        answer = await as_the_api(
            sign_in.change_password, data=body, request=visit.request, principal=visit.principal, settings=settings, database=visit.database,
            throttle=throttle, passwords=passwords, denials=denials,
        )  # fmt: skip
    except sign_in.SignInRefused:
        refused = InvalidArguments("this is not your password", hint="type the one you have now", field="current")
        return await _password(visit, Filled({}, refused, PASSWORD_FIELDS))
    except PgCronError as error:
        if isinstance(error, InvalidArguments) and error.field == "password":
            error.field = "new"
        return await _password(visit, Filled({}, error, PASSWORD_FIELDS))
    return visit.back("/settings/password?done=changed", cookies=answer.cookies)


async def _password(visit: Visit, form: Filled, told: str | None = None) -> Response[str]:
    async with visit.database.read() as connection:
        user = await one(connection, statements.USER_BY_ID, {"id": visit.principal.user_id})
        return await visit.show(
            connection, "settings_password.html", title="Password", told=told, refused=form.refused, form=form, has_password=user["has_password"],
            least=LENGTH_LEAST,
        )  # fmt: skip


@get("/settings/sessions", guards=[in_person])
async def list_sessions(
    visit: NamedDependency[Visit], settings: NamedDependency[AdminSettings], done: Text = ""
) -> Response[str]:
    found = await as_the_api(
        sessions.list_sessions, principal=visit.principal, database=visit.database, settings=settings
    )
    told = {"ended": "The session has ended.", "others": "All your other sessions have ended."}.get(done)
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_sessions.html", title="Sessions", told=told, idle_ms=settings.session_idle * 1000,
            sessions=[(session, browser_of(session.user_agent)) for session in found],
        )  # fmt: skip


@post("/settings/sessions/{session_id:uuid}/end", guards=[in_person])
async def end_session(session_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(sessions.end_one, session_id=session_id, principal=visit.principal, database=visit.database)
    return visit.back("/settings/sessions?done=ended")


@post("/settings/sessions/end-others", guards=[in_person])
async def end_others(visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(sessions.end_others, principal=visit.principal, database=visit.database)
    return visit.back("/settings/sessions?done=others")


@get("/settings/tokens", guards=[in_person])
async def list_tokens(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    return await _tokens(visit, Filled({"days": "90"}), told="The token was revoked." if done else None)


@post("/settings/tokens", guards=[in_person], status_code=200)
async def make_token(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """The page shows the token: it is nowhere else, so that it can't be told by another page."""
    said = {"name": text(data, "name"), "scopes": texts(data, "scopes"), "days": text(data, "days") or "90"}
    try:
        body = body_of(sessions.TokenBody, said)
        made = await as_the_api(sessions.make_token, data=body, principal=visit.principal, database=visit.database)
    except PgCronError as error:
        return await _tokens(visit, Filled(said, error, TOKEN_FIELDS))
    return await _tokens(visit, Filled({"days": "90"}), made=made)


@post("/settings/tokens/{token_id:str}/revoke", guards=[in_person])
async def revoke_token(token_id: FromPath[str], visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(sessions.revoke_token, token_id=token_id, principal=visit.principal, database=visit.database)
    return visit.back("/settings/tokens?done=revoked")


async def _tokens(
    visit: Visit, form: Filled, *, told: str | None = None, made: sessions.NewToken | None = None
) -> Response[str]:
    tokens = await as_the_api(sessions.list_tokens, principal=visit.principal, database=visit.database)
    scopes = [(word.value, word.value, MEANINGS[word]) for word in Permission if visit.principal.may(word)]
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_tokens.html", title="API tokens", told=told, refused=form.refused, form=form, tokens=tokens, scopes=scopes,
            lives=[(str(days), word) for days, word in LIVES], made=made,
        )  # fmt: skip
