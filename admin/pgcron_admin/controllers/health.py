"""Two questions of load balancers and supervisors: restart me? send me visitors?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar, Literal

import psycopg
from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from pgcron_admin.permissions import open_to_all
from pgcron_admin.wire import Answer

ANSWER_WITHIN_S = 2.0
SCHEMA = "pgcron"


class Health(Answer):
    """reason: why it is unavailable."""

    status: Literal["ok", "unavailable"]
    reason: str | None = None


@dataclass(frozen=True)
class Probe:
    url: str
    answer_within_s: ClassVar[float] = ANSWER_WITHIN_S

    async def trouble(self) -> str | None:
        """Why the admin can't work, in words that give away neither addresses nor passwords."""
        try:
            async with asyncio.timeout(self.answer_within_s):
                return None if await self._has_schema() else f"the schema {SCHEMA} is missing: run pgcron db upgrade"
        except TimeoutError:
            return f"the database did not answer within {self.answer_within_s:g} s"
        except psycopg.Error as error:
            return f"the database can't be asked ({type(error).__name__})"

    async def _has_schema(self) -> bool:
        # A connection of its own: a full pool must not look like a dead database.
        async with await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, application_name="pgcron health"
        ) as connection:
            cursor = await connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
            return await cursor.fetchone() is not None


@get("/live", guards=[open_to_all])
async def live() -> Health:
    """200 as long as this process answers at all, whatever the database does."""
    return Health(status="ok")


@get("/ready", guards=[open_to_all])
async def ready(probe: NamedDependency[Probe]) -> Response[Health]:
    """200 when the admin can work, else 503 and the reason."""
    trouble = await probe.trouble()
    if trouble is not None:
        return Response(Health(status="unavailable", reason=trouble), status_code=HTTP_503_SERVICE_UNAVAILABLE)
    return Response(Health(status="ok"), status_code=HTTP_200_OK)


def health_routes(database_url: str) -> Router:
    probe = Probe(database_url)
    return Router(
        path="/health",
        route_handlers=[live, ready],
        tags=["health"],
        dependencies={"probe": Provide(lambda: probe, sync_to_thread=False, use_cache=True)},
    )
