"""Errors as pages: a person who is not signed in is shown the way in, all others are told what is wrong and what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from pgcron_admin.controllers.sign_in import wants_page
from pgcron_admin.front import facts_of
from pgcron_admin.principal import anonymous, principal_of
from pgcron_admin.problems import refusal, refusal_of_litestar, unexpected
from pgcron_admin.screens.enhanced import is_enhanced
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import NotSignedIn, PgCronError

SIGN_IN = "/sign-in"


def way_in(request: Request[Any, Any, Any]) -> str:
    """The page of the sign-in, which leads back to this one afterwards."""
    facts = facts_of(request.scope)
    wanted = request.url.path.removeprefix(facts.base_path) or "/"
    query = f"?{request.url.query}" if request.url.query else ""
    back = quote(wanted + query, safe="/")
    return f"{facts.base_path}{SIGN_IN}" + ("" if request.method != "GET" or wanted == "/" else f"?next={back}")


def page_refusal(request: Request[Any, Any, Any], error: PgCronError) -> Response[Any]:
    if isinstance(error, NotSignedIn) and request.scope["path"] != SIGN_IN and not is_enhanced(request):
        return Redirect(way_in(request), status_code=303)
    problem = refusal(request, error)
    return _page(request, problem, str(error), error.hint)


def page_of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    problem = refusal_of_litestar(request, error)
    return _page(request, problem, error.detail or HTTPStatus(error.status_code).phrase, None)


def page_or_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """For what no route answers: a page for a person, a problem for a program."""
    is_page = not request.scope["path"].startswith("/api") and wants_page(request)
    return page_of_litestar(request, error) if is_page else refusal_of_litestar(request, error)


def page_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return _page(request, unexpected(request, error), "Something went wrong here.", "The admin's log tells more.")


def _page(request: Request[Any, Any, Any], problem: Response[Any], text: str, hint: str | None) -> Response[Any]:
    """The problem's status and headers, with a page for its body."""
    pages: Pages = request.app.state.pages
    facts = facts_of(request.scope)
    principal = principal_of(request) if "user" in request.scope else anonymous(facts.address, facts.request_id)
    status = problem.status_code or HTTPStatus.INTERNAL_SERVER_ERROR
    answer = pages.show(
        request,
        principal,
        "problem.html" if is_enhanced(request) else "error.html",
        http_status=status,
        title=HTTPStatus(status).phrase,
        error=text,
        hint=hint,
    )
    answer.headers.update(problem.headers)
    return answer


PAGE_HANDLERS: ExceptionHandlersMap = {
    PgCronError: page_refusal,
    HTTPException: page_of_litestar,
    Exception: page_unexpected,
}
