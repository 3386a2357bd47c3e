"""The built CSS, JavaScript, font and icons: files whose names carry a hash, so browsers keep them for ever.

Without them (PGCRON_SKIP_ASSETS=1, or a source tree before `make assets`) pages are plain and work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import structlog
from litestar import Response, get
from litestar.params import FromPath

from pgcron_admin.permissions import open_to_all
from pgcron_py.errors import NotFound

FOLDER = Path(__file__).resolve().parent / "static" / "dist"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2",
}  # fmt: skip
FOR_EVER = "public, max-age=31536000, immutable"

log = structlog.get_logger("pgcron.admin")


@dataclass(frozen=True, slots=True)
class Assets:
    """files: name to file name; empty when nothing was built."""

    files: dict[str, str]

    @classmethod
    def found(cls, folder: Path = FOLDER) -> Assets:
        manifest = folder / "manifest.json"
        if not manifest.exists():
            log.warning("no_assets", hint="pages are plain; `make assets` builds CSS and JavaScript")
            return cls({})
        return cls(json.loads(manifest.read_text("utf-8")))

    def path(self, name: str) -> str | None:
        """Below the admin's base path; None when it was not built."""
        file = self.files.get(name)
        return f"/static/{file}" if file else None


@get("/static/{file:str}", guards=[open_to_all], include_in_schema=False, sync_to_thread=True)
def show_asset(file: FromPath[str]) -> Response[bytes]:
    """One of the built files, and nothing else of the disk."""
    path = FOLDER / file
    if path.parent != FOLDER or path.suffix not in MEDIA_TYPES or not path.is_file():
        raise NotFound(f"there is no {file[:100]!r} here")
    headers = {"Cache-Control": FOR_EVER}
    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=headers)
