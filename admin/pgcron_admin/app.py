"""The web application. So far: is it alive, and can it do its work?"""

from __future__ import annotations

from litestar import Litestar

from pgcron_admin.health import Database, health_routes


def create_app(database_url: str) -> Litestar:
    """The admin of the database at `database_url`, a libpq URL. It needn't be up yet."""
    return Litestar(route_handlers=[health_routes(Database(database_url))], openapi_config=None)
