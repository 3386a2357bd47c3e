"""Pages from templates: what every template may use, and the answer that carries the page.

    return pages.show(request, principal, "jobs.html", title="Jobs", jobs=jobs)

Templates get view models (views.py) and never rows. All text is escaped; a template can't say otherwise but for `icon`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from markupsafe import Markup

from pgcron_admin.assets import Assets
from pgcron_admin.csrf import csrf_token
from pgcron_admin.front import facts_of
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import formats
from pgcron_admin.screens.views import job_path
from pgcron_admin.settings import AdminSettings

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Pages:
    """The part of the admin that renders."""

    settings: AdminSettings
    assets: Assets

    @cached_property
    def _environment(self) -> Environment:
        made = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=self.settings.dev,
        )  # fmt: skip
        made.filters |= formats.FILTERS
        made.globals |= {"Permission": Permission, "job_path": job_path}
        return made

    def show(
        self,
        request: Request[Any, Any, Any],
        principal: Principal,
        template: str,
        *,
        http_status: int = 200,
        **context: Any,
    ) -> Response[str]:
        base = facts_of(request.scope).base_path
        session = principal.session_id
        known = {
            "url": lambda path: base + path,
            "asset": self._asset_of(base),
            "icon": self._icon_of(base),
            "me": principal,
            "may": principal.may,
            "preferences": principal.preferences,
            "csrf": csrf_token(self.settings.signing_key, session) if session else "",
            "here": request.scope["path"],
            "here_url": request.scope["path"] + (f"?{request.url.query}" if request.url.query else ""),
            "self_url": base + request.scope["path"] + (f"?{request.url.query}" if request.url.query else ""),
            "request_id": principal.request_id,
            "is_part": request.headers.get("hx-request") == "true",
        }
        text = self._environment.get_template(template).render(known | context)
        return Response(text, status_code=http_status, media_type=HTML)

    def _asset_of(self, base: str) -> Callable[[str], str | None]:
        def asset(name: str) -> str | None:
            path = self.assets.path(name)
            return None if path is None else base + path

        return asset

    def _icon_of(self, base: str) -> Callable[[str], Markup]:
        sprite = self.assets.path("icons.svg")

        def icon(name: str) -> Markup:
            if sprite is None:
                return Markup()
            return Markup(
                '<svg class="icon" width="16" height="16" aria-hidden="true"><use href="{}#{}"></use></svg>'
            ).format(base + sprite, name)

        return icon
