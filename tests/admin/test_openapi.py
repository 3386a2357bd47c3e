"""The OpenAPI document: whole, in words, and the same as docs/api-routes.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pgcron_admin.api_reference import document, example_of, page
from pgcron_admin.examples import EXAMPLES
from pgcron_admin.wire import Body

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return document()


def operations(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]


def bodies(below: type[Body] = Body) -> dict[str, type[Body]]:
    made = {kind.__name__: kind for kind in below.__subclasses__()}
    return made | {name: kind for one in list(made.values()) for name, kind in bodies(one).items()}


def test_every_route_has_a_tag_a_summary_and_words_for_all_that_it_takes(found: dict[str, Any]) -> None:
    for route, operation in operations(found):
        assert operation["tags"], route
        assert operation["summary"], route
        assert operation["description"].endswith((".", "?")), route
        for part in operation.get("parameters", []):
            assert part["description"], (route, part["name"])


def test_every_body_has_an_example_that_is_one(found: dict[str, Any]) -> None:
    kinds = bodies()
    for route, operation in operations(found):
        if "requestBody" in operation:
            assert example_of(operation, found) is not None, route
    for name, example in EXAMPLES.items():
        msgspec.convert(example, kinds[name], strict=False)


def test_names_of_operations_are_unique(found: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(found)]
    assert len(names) == len(set(names))


def test_pages_tell_of_link_and_jobs_of_their_version(found: dict[str, Any]) -> None:
    paths = found["paths"]
    assert "Link" in paths["/api/cron-jobs"]["get"]["responses"]["200"]["headers"]
    assert {"ETag", "Location"} <= paths["/api/cron-jobs"]["post"]["responses"]["201"]["headers"].keys()
    assert "ETag" in paths["/api/cron-jobs/{job_id}/schedule"]["patch"]["responses"]["200"]["headers"]
    assert "Retry-After" in paths["/api/cron-jobs/{job_id}/trigger"]["post"]["responses"]["429"]["headers"]
    assert paths["/api/cron-jobs/{job_id}/trigger"]["post"]["requestBody"]["required"] is False
    assert paths["/api/cron-jobs"]["post"]["requestBody"]["required"] is True


def test_the_page_of_routes_is_current() -> None:
    assert (DOCS / "api-routes.md").read_text("utf-8") == page(), "run python -m pgcron_admin.api_reference docs"
