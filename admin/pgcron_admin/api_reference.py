"""Writes docs/api-routes.md: every route with what it needs and does, and how to call it.

python -m pgcron_admin.api_reference docs
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgcron_admin.app import create_app
from pgcron_admin.settings import AdminSettings

HEAD = """<!-- Made by `python -m pgcron_admin.api_reference docs`: change the routes, not this page. -->
# The routes of the REST API

What they have in common: [the REST API](api.md). `$URL` is where the admin is, `$TOKEN` a bearer token; parameters, fields and answers
in full are in `/api/openapi.json`.
"""
Operation = dict[str, Any]


def document() -> dict[str, Any]:
    """Of an application that no database is needed for."""
    app = create_app(AdminSettings.model_validate({"database_url": "postgresql://127.0.0.1:1/none", "dev": True}))
    found: dict[str, Any] = app.state.openapi()
    return found


def page() -> str:
    found = document()
    by_tag: dict[str, list[tuple[str, str, Operation]]] = {}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return HEAD + "".join("\n" + "\n".join(_section(tag, routes, found)) + "\n" for tag, routes in by_tag.items())


def _section(tag: str, routes: list[tuple[str, str, Operation]], found: dict[str, Any]) -> Iterator[str]:
    yield f"## {tag[:1].upper()}{tag[1:]}\n"
    yield "| route | needs | does |\n|---|---|---|"
    for method, path, operation in routes:
        does = " ".join(operation["description"].split()).replace("|", r"\|")
        yield f"| `{method} {path}`{_parameters(operation)} | {_needs(operation)} | {does} |"
    yield "\n```"
    for method, path, operation in routes:
        yield curl(method, path, operation, found)
    yield "```"


def _parameters(operation: Operation) -> str:
    names = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query"]
    return f" `?{'=&'.join(names)}=`" if names else ""


def _needs(operation: Operation) -> str:
    permission = operation.get("x-permission")
    return f"`{permission}`" if permission else str(operation.get("x-access", "everybody"))


def curl(method: str, path: str, operation: Operation, found: dict[str, Any]) -> str:
    """A line for a shell."""
    words = ["curl"] + ([] if method == "GET" else ["-X", method])
    if operation["security"]:
        words += ["-H", '"Authorization: Bearer $TOKEN"' if {"bearer": []} in operation["security"] else '"X-CSRF-Token: $CSRF" -b cookies']  # fmt: skip
    example = example_of(operation, found)
    if example is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", f"'{json.dumps(example, ensure_ascii=False)}'"]
    place = re.sub(r"\{([a-z]+)_id\}", lambda match: f"${match[1].upper()}", path).replace("{token}", "$LINK")
    needed = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query" and part["required"]]
    query = f"?{'&'.join(f'{name}=nightly-report' for name in needed)}" if needed else ""
    return " ".join([*words, f'"$URL{place}{query}"'])


def example_of(operation: Operation, found: dict[str, Any]) -> Any:
    """Of its body; None without one."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    references = [part["$ref"] for part in (schema, *schema.get("oneOf", [])) if "$ref" in part]
    if not references:
        return None
    return found["components"]["schemas"][references[0].rsplit("/", 1)[1]].get("examples", [None])[0]


if __name__ == "__main__":
    (Path(sys.argv[1]) / "api-routes.md").write_text(page(), "utf-8")
