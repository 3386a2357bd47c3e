"""The OpenAPI document for people: Swagger UI from an installed package, nothing from anywhere else."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import openapi_ui_bundles.swagger_ui
from litestar import MediaType, Response, get
from litestar.params import FromPath

from pgcron_admin.permissions import open_to_all
from pgcron_py.errors import NotFound

VENDOR = Path(openapi_ui_bundles.swagger_ui.static_path)
OURS = files("pgcron_admin") / "docs_page"
TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
KEPT = {"Cache-Control": "public, max-age=86400"}


@get("/docs", guards=[open_to_all], include_in_schema=False, media_type=MediaType.HTML)
async def docs_page() -> str:
    """The page."""
    return (OURS / "page.html").read_text("utf-8")


@get("/docs/{name:str}", guards=[open_to_all], include_in_schema=False)
async def docs_file(name: FromPath[str]) -> Response[bytes]:
    """What the page loads."""
    if name == "start.js":
        return Response((OURS / name).read_bytes(), media_type="text/javascript; charset=utf-8", headers=KEPT)
    if name not in TYPES:
        raise NotFound("the documentation has no such file")
    return Response((VENDOR / name).read_bytes(), media_type=TYPES[name], headers=KEPT)
