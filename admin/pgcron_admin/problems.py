"""Every error as problem details (RFC 9457), with the original design's `message` and `statusCode` beside them.

A route raises an error of pgcron_py.errors and nothing else; which status it has stands in
pgcron_py/storage/sqlstates.py, in the table REFUSALS. Litestar's own errors (no such route, a malformed body, …) become
the same document.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException, SerializationException, ValidationException
from litestar.types import ExceptionHandlersMap

from pgcron_admin.front import facts_of
from pgcron_admin.wire import Answer, camel
from pgcron_py.errors import (
    InvalidArguments,
    InvalidSchedule,
    LockNotAvailable,
    NoLiveWorker,
    NotSignedIn,
    PgCronError,
    TooManyRequests,
)
from pgcron_py.storage.sqlstates import http_status

MEDIA_TYPE = "application/problem+json"
LIST_LIMIT = 20  # told errors of one body
RETRY_UNAVAILABLE_S = 2
MISSING = re.compile(r"Missing required \w+ parameter '([^']+)'")
INVALID_CRON = "Invalid cron expression"

log = structlog.get_logger("pgcron.admin")


class FieldProblem(Answer, omit_defaults=True):
    """One part of a request that is wrong. field: its name, in the body or the query."""

    message: str
    field: str | None = None
    source: str | None = None


class Problem(Answer, omit_defaults=True):
    """type: what kind of error, the same for all of its kind. code: the same as a word for programs.

    field, column: where in a schedule, or which field; column is 1-based. hint: what to do.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    message: str
    status_code: int
    request_id: str
    code: str
    field: str | None = None
    column: int | None = None
    hint: str | None = None
    errors: list[FieldProblem] | None = None


def code_of(error: type[BaseException]) -> str:
    """`JobLocked` as `job_locked`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).lower()


def refusal(request: Request[Any, Any, Any], error: PgCronError) -> Response[Problem]:
    """An error of ours."""
    status = http_status(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(request, error)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(1 if isinstance(error, LockNotAvailable) else RETRY_UNAVAILABLE_S)
        if not isinstance(error, NoLiveWorker):
            log.warning("unavailable", request_id=facts_of(request.scope).request_id, error=str(error))
    elif isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="pgcron"'
    code = error.code if isinstance(error, InvalidSchedule) else code_of(type(error))
    detail = str(error)
    if isinstance(error, InvalidSchedule) and not detail.startswith(INVALID_CRON):
        detail = f"{INVALID_CRON}: {detail}"
    return _response(
        request, status, detail, code, headers=headers, hint=error.hint, field=_field_of(error),
        column=getattr(error, "column", None),
    )  # fmt: skip


def refusal_of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """An error that Litestar found before a route was called."""
    status, detail = error.status_code, error.detail
    if isinstance(error, ValidationException | SerializationException) or isinstance(
        error.__cause__, SerializationException | msgspec.DecodeError
    ):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        found, missing = _fields(error.extra, _names_told(request)), MISSING.search(detail)
        field = missing[1] if missing else found[0].field if found else None
        detail = f"{field}: this parameter is needed" if missing else _without_body(detail)
        return _response(
            request, status, detail, "malformed_request", errors=found, field=field,
            hint="see /api/openapi.json for what this route takes",
        )  # fmt: skip
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(request, error)
    if isinstance(error, NotAuthorizedException):
        return refusal(request, NotSignedIn())
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return _response(request, status, detail or HTTPStatus(status).phrase, code, headers=_kept(error.headers))


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Our own bug: told to the log, not to the client."""
    request_id = facts_of(request.scope).request_id
    log.error("unexpected", request_id=request_id, path=request.scope["path"], exc_info=error)
    return _response(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here", "internal_error",
        hint=f"the admin's log tells more at the request id {request_id}",
    )  # fmt: skip


def too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[Problem]:
    """Thousands of brackets: the decoder's own guard, which Litestar doesn't take for an error of the client."""
    return _response(request, HTTPStatus.UNPROCESSABLE_ENTITY, "the body is nested too deeply", "malformed_request")


HANDLERS: ExceptionHandlersMap = {
    RecursionError: too_deep,
    PgCronError: refusal,
    HTTPException: refusal_of_litestar,
    Exception: unexpected,
}


def _response(
    request: Request[Any, Any, Any], status: int, detail: str, code: str, *, headers: dict[str, str] | None = None,
    hint: str | None = None, field: str | None = None, column: int | None = None, errors: list[FieldProblem] | None = None,
) -> Response[Problem]:  # fmt: skip
    facts = facts_of(request.scope)
    problem = Problem(
        type=f"urn:pgcron:problem:{code}", title=HTTPStatus(status).phrase, status=int(status), detail=detail,
        instance=facts.base_path + request.scope["path"], message=detail, status_code=int(status),
        request_id=facts.request_id, code=code, field=field, column=column, hint=hint, errors=errors,
    )  # fmt: skip
    return Response(problem, status_code=int(status), media_type=MEDIA_TYPE, headers=headers or {})


def _kept(headers: dict[str, str] | None) -> dict[str, str]:
    return {name.title(): value for name, value in (headers or {}).items()}


def _without_body(detail: str) -> str:
    """Litestar's sentence for a bad body names the method and the whole URL; the path is `instance` already."""
    return "the request can't be read" if "Validation failed for" in detail else detail


def _names_told(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Parameters whose name in the query or the headers is another one than in Python."""
    parameters = request.route_handler.parsed_fn_signature.parameters if "route_handler" in request.scope else {}
    told = {name: getattr(parameter.kwarg_definition, "name", None) for name, parameter in parameters.items()}
    return {name: other for name, other in told.items() if other}


def _fields(extra: object, names: dict[str, str]) -> list[FieldProblem] | None:
    if not isinstance(extra, list):
        return None
    return [
        FieldProblem(
            message=(told := str(part.get("message", ""))),
            field=_field(told, names.get(str(key := part.get("key")), key)),
            source=_source(part.get("source")),
        )
        for part in extra[:LIST_LIMIT]
        if isinstance(part, dict)
    ]


def _field_of(error: PgCronError) -> str | None:
    """Fields of a schedule have names of their own; those of bodies are told by the database as columns."""
    field: str | None = getattr(error, "field", None)
    return camel(field) if field is not None and isinstance(error, InvalidArguments) else field


def _field(message: str, key: str | None) -> str | None:
    """Of a body as a whole the message names the field: "Object missing required field `schedule`"."""
    named = re.search(r"(?:required|unknown) field `([^`]+)`", message)
    return key if named is None else named[1] if key in (None, "data") else f"{key}.{named[1]}"


def _source(source: object) -> str | None:
    return None if source is None else str(getattr(source, "value", source))
