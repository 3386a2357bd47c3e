"""The workers of the fleet."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import marks, queries
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.rendering import Pages


@get("/workers", guards=[requires(Permission.VIEW)])
async def list_workers(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, queries.WORKERS)
    return pages.show(
        request, principal, "workers.html", title="Workers", fleet=fleet, now=fleet["now"], told=None,
        workers=[(row, marks.of_worker(row["state"], row["is_alive"])) for row in rows],
    )  # fmt: skip
