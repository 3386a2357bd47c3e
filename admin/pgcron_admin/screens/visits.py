"""One request for a page: who asks, and what it is answered with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.response import Redirect

from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.principal import Principal
from pgcron_admin.screens import queries
from pgcron_admin.screens.jobs import one
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import PgCronError, TooManyRequests
from pgcron_py.storage.sqlstates import http_status


@dataclass(frozen=True, slots=True)
class Visit:
    """The dependency `visit` of pages."""

    request: Request[Any, Any, Any]
    principal: Principal
    pages: Pages
    database: Database

    async def show(
        self, connection: Connection, template: str, *, title: str, told: str | None = None, refused: PgCronError | None = None, **context: Any
    ) -> Response[str]:  # fmt: skip
        """A page in the frame of all, with the status of what was refused."""
        fleet = await one(connection, queries.FLEET)
        status = 200 if refused is None else http_status(refused)
        # 401 would mean that nobody is signed in: here it is a word of a form that is wrong.
        page = self.pages.show(
            self.request, self.principal, template, http_status=422 if status == 401 else status, title=title, fleet=fleet, now=fleet["now"],
            told=told, refused=refused, **context,
        )  # fmt: skip
        if isinstance(refused, TooManyRequests):
            page.headers["Retry-After"] = str(refused.retry_after)
        return page

    def back(self, path: str, cookies: list[Cookie] | None = None) -> Redirect:
        """After a deed, to a page that shows it."""
        return Redirect(facts_of(self.request.scope).base_path + path, status_code=303, cookies=cookies)


async def provide_visit(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Visit:  # fmt: skip
    return Visit(request, principal, pages, database)
