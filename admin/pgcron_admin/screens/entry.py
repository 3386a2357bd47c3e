"""Signing in and out in a browser."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from pgcron_admin.controllers.sign_in import SignInRefused, signed_in_by_password
from pgcron_admin.database import Database
from pgcron_admin.denials import Denials
from pgcron_admin.front import facts_of
from pgcron_admin.guessing import Passwords, Throttle
from pgcron_admin.metrics import Metrics
from pgcron_admin.permissions import in_person, open_to_all
from pgcron_admin.principal import Principal
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.sessions import end_session, no_cookie
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import TooManyRequests

Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/sign-in", guards=[open_to_all])
async def show_sign_in(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages]
) -> Response[str]:
    return _form(request, principal, pages, wanted=safe_path(request.query_params.get("next", "/")))


@post("/sign-in", guards=[open_to_all])
async def sign_in_here(
    data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    settings: NamedDependency[AdminSettings], database: NamedDependency[Database], throttle: NamedDependency[Throttle], passwords: NamedDependency[Passwords],
    denials: NamedDependency[Denials], metrics: NamedDependency[Metrics],
) -> Response[Any]:  # fmt: skip
    wanted, name = safe_path(data.get("next", "/")), data.get("name", "")[:100]
    try:
        answer = await signed_in_by_password(
            name, data.get("password", "")[:1000], request, principal, settings, database, throttle, passwords, denials, metrics
        )  # fmt: skip
    except SignInRefused:
        return _form(
            request, principal, pages, wanted=wanted, name=name, status=401, error="The name or the password is wrong."
        )
    except TooManyRequests as error:
        wait = f"Try again in {error.retry_after} s."
        return _form(
            request,
            principal,
            pages,
            wanted=wanted,
            name=name,
            status=429,
            error="Too many attempts to sign in.",
            hint=wait,
        )
    return Redirect(facts_of(request.scope).base_path + wanted, status_code=303, cookies=answer.cookies)


@post("/sign-out", guards=[in_person])
async def sign_out_here(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], settings: NamedDependency[AdminSettings], database: NamedDependency[Database]
) -> Response[Any]:  # fmt: skip
    assert principal.session_id is not None
    async with database.transaction(principal) as connection:
        await end_session(connection, principal.session_id)
    return Redirect(facts_of(request.scope).base_path + "/sign-in", status_code=303, cookies=[no_cookie(settings)])


def safe_path(wanted: str) -> str:
    """A path of this admin; / for anything that could lead elsewhere."""
    is_path = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if is_path and len(wanted) <= 2000 else "/"


def _form(
    request: Request[Any, Any, Any], principal: Principal, pages: Pages, *, wanted: str, name: str = "", status: int = 200,
    error: str | None = None, hint: str | None = None,
) -> Response[str]:  # fmt: skip
    return pages.show(
        request,
        principal,
        "sign_in.html",
        status=status,
        title="Sign in",
        next=wanted,
        name=name,
        error=error,
        hint=hint,
    )
