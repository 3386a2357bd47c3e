"""Denied tries go into the audit, in a transaction of their own: what was refused wrote nothing else.

Who is not signed in and asks for a page is no try: an audit that anybody on the network can fill is none. What is
written: sign-ins that failed, requests of known users that lack a permission or a CSRF token, and bearer tokens that were revoked
or have expired.
"""

from __future__ import annotations

from typing import Any

import structlog
from psycopg.types.json import Jsonb

from pgcron_admin.database import Database
from pgcron_admin.principal import Principal
from pgcron_py.errors import PgCronError

TEXT_LENGTH = 200
RECORD = "SELECT pgcron.record_refusal(%(action)s, %(detail)s)"

log = structlog.get_logger("pgcron.admin")


class Denials:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def sign_in(self, principal: Principal, reason: str) -> None:
        """principal: whom they said they are."""
        await self._record("sign_in_refused", principal, {"user": principal.name, "reason": reason})

    async def request(self, principal: Principal, method: str, path: str, reason: str) -> None:
        await self._record("request_refused", principal, {"method": method, "path": path, "reason": reason})

    async def _record(self, action: str, principal: Principal, detail: dict[str, str]) -> None:
        """A database that is away must not turn a refusal into another error."""
        told: dict[str, Any] = {name: text[:TEXT_LENGTH] for name, text in detail.items()}
        log.info(
            "denied",
            tried=action,
            means=principal.means,
            actor=principal.actor,
            address=principal.address,
            request_id=principal.request_id,
            **told,
        )
        try:
            async with self._database.transaction(principal) as connection:
                await connection.execute(RECORD, {"action": action, "detail": Jsonb(told)})
        except PgCronError as error:
            log.warning("refusal_not_recorded", request_id=principal.request_id, error=str(error))
