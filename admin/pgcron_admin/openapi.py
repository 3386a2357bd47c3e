"""The OpenAPI document: Litestar's, with what is the same for all routes added from what they declare.

Each operation gets its permission (`x-permission`), its security, and the errors it can answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme
from litestar.types import ControllerRouterHandler

import pgcron_py
from pgcron_admin.examples import EXAMPLES
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import Access, Reach, access_of, open_to_all, routes_of
from pgcron_admin.wire import Body

UNSAFE = frozenset({"post", "put", "patch", "delete"})
CSRF_HEADER = "X-CSRF-Token"
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
SECURITY: dict[str, SecurityScheme | Reference] = {
    "session": SecurityScheme(
        type="apiKey", name="__Host-pgcron", security_scheme_in="cookie",
        description=f"Of people, from POST /api/auth/sign-in. Unsafe methods need the header {CSRF_HEADER} too, from GET /api/auth/me.",
    ),
    "bearer": SecurityScheme(
        type="http", scheme="bearer", description="Of programs: a token pgc_…, or a JWT of the configured issuer. Cookies are ignored."
    ),
}  # fmt: skip
OPENAPI = OpenAPIConfig(
    title="pgcron",
    version=pgcron_py.__version__,
    description="Jobs, runs and workers of pgcron_py. Errors are problem details (RFC 9457).",
    components=Components(security_schemes=SECURITY),
    use_handler_docstrings=True,
)
RETRY_AFTER = {"Retry-After": {"description": "Seconds until it is worth trying again.", "schema": {"type": "integer"}}}
LINK = {"Link": {"description": 'The next page, with rel="next"; none: there is no further one.', "schema": {"type": "string"}}}  # fmt: skip
ETAG = {"ETag": {"description": "The version of the job's definition, for If-Match.", "schema": {"type": "string"}}}
LOCATION = {"Location": {"description": "Where the new job is.", "schema": {"type": "string"}}}
ANY = {
    400: "The request is refused: an invalid cron expression, an unknown host, a job that is running or disabled.",
    413: "The body is too large.",
    422: "The request can't be read, or a value breaks a rule.",
    429: "It was asked for too often: see Retry-After.",
    500: "A bug of the admin.",
    503: "The database can't be reached, or no live worker has the handler.",
}
KNOWN = {401: "Nobody is signed in.", 403: "A permission or the CSRF token is missing."}
FOUND = {404: "There is no such thing.", 409: "It is not in the state for that, or somebody changed it meanwhile."}


def openapi_routes() -> Sequence[ControllerRouterHandler]:
    return [document]


@get("/openapi.json", guards=[open_to_all], include_in_schema=False, media_type=MediaType.JSON, sync_to_thread=True)
def document(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """This document."""
    servers = [{"url": facts_of(request.scope).base_path or "/"}]
    return Response(request.app.state.openapi() | {"servers": servers}, media_type="application/vnd.oai.openapi+json")


def document_of(app: Litestar, routes: Sequence[ControllerRouterHandler]) -> Callable[[], dict[str, Any]]:
    """The document, made when it is first asked for: it would take most of a start. routes: as `app` was given them."""
    return cache(partial(_describe_routes, app, routes))


def _describe_routes(app: Litestar, routes: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """Litestar describes only together with pages of its own: hence the twin."""
    twin = Litestar(routes, openapi_config=OPENAPI, dependencies=app.dependencies, logging_config=None)
    document: dict[str, Any] = twin.openapi_schema.to_schema()
    document["components"].setdefault("schemas", {})["Problem"] = problem_schema()
    for name in _names_of(Body):
        if name in document["components"]["schemas"]:
            document["components"]["schemas"][name]["additionalProperties"] = False
            if name in EXAMPLES:
                document["components"]["schemas"][name]["examples"] = [EXAMPLES[name]]
    for method, path, handler in routes_of(app):
        operation = document["paths"].get(path, {}).get(method.lower())
        access = access_of(handler)
        if operation is not None and access is not None:
            _describe(operation, method.lower(), access, has_place="{" in path)
    return document


def _names_of(body: type[Body]) -> Iterator[str]:
    for below in body.__subclasses__():
        yield below.__name__
        yield from _names_of(below)


def _describe(operation: dict[str, Any], method: str, access: Access, *, has_place: bool) -> None:
    operation["summary"] = _spaced(operation["summary"])
    operation["x-access"] = str(access.reach)
    if access.permission is not None:
        operation["x-permission"] = str(access.permission)
    is_open = access.reach is Reach.EVERYBODY
    bearer: list[dict[str, list[str]]] = [] if access.reach is Reach.IN_PERSON else [{"bearer": []}]
    operation["security"] = [] if is_open else [{"session": []}, *bearer]
    responses = operation["responses"]
    responses.pop("400", None)  # Litestar's own document of a validation error
    statuses = (
        ANY | ({} if is_open and method not in UNSAFE else KNOWN) | (FOUND if has_place or method in UNSAFE else {})
    )
    for status, text in sorted(statuses.items()):
        headers = {"headers": RETRY_AFTER} if status in (429, 503) else {}
        responses.setdefault(str(status), {"description": text, "content": PROBLEM, **headers})
    _describe_parts(operation)
    if _may_be_left_out(operation.get("requestBody", {})):
        operation["requestBody"]["required"] = False
    if method in UNSAFE and not is_open:
        operation.setdefault("parameters", []).append({
            "name": CSRF_HEADER, "in": "header", "required": False, "schema": {"type": "string"},
            "description": "Needed with a session's cookie, not with a token.",
        })  # fmt: skip


def _describe_parts(operation: dict[str, Any]) -> None:
    """Places in the path, and headers of the answer, which their names tell."""
    names = set()
    for part in operation.get("parameters", []):
        names.add(part["name"])
        if part["in"] == "path" and not part.get("description"):
            part["description"] = f"Identity of the {part['name'].removesuffix('_id').replace('_', ' ')}."
    for status, response in operation["responses"].items():
        told = response.setdefault("headers", {}) if status.startswith("2") else {}
        if "cursor" in names:
            told |= LINK
        if re.search("/(JobAnswer|EnabledAnswer)'", str(response.get("content"))) and "cursor" not in names:
            told |= ETAG | (LOCATION if status == "201" else {})


def _spaced(name: str) -> str:
    """`ListJobs` as `List jobs`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _may_be_left_out(body: dict[str, Any]) -> bool:
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    return {"type": "null"} in schema.get("oneOf", [])


def problem_schema() -> dict[str, Any]:
    import msgspec

    from pgcron_admin.problems import Problem

    _, parts = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schema: dict[str, Any] = parts["Problem"]
    schema["properties"]["errors"] = {
        "anyOf": [{"type": "array", "items": parts["FieldProblem"]}, {"type": "null"}], "default": None,
    }  # fmt: skip
    return schema
