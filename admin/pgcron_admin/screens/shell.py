"""What the frame of all pages says, for when it changed."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.screens.visits import Visit


@get("/shell", guards=[requires(Permission.VIEW)])
async def show_shell(visit: NamedDependency[Visit]) -> Response[str]:
    """Its live parts, each to be put in the place of the old one."""
    async with visit.database.read() as connection:
        return await visit.show(connection, "shell_live.html", title="")
