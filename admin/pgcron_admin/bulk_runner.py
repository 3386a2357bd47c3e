"""The background duty that does bulk actions: a step at a time, each a transaction of its own, by whichever process takes it.

A process that dies in a step leaves nothing of it behind, and the next step is anybody's. So nothing has to be found, handed over or timed out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, LiteralString

import structlog

from pgcron_admin.database import Connection, Database
from pgcron_admin.principal import Permission, Principal, permissions_of
from pgcron_admin.settings import AdminSettings
from pgcron_admin.stopping import Stopping
from pgcron_py.errors import PgCronError

JOBS_OF_A_STEP = 25
LOOK_EVERY_S = 5.0  # a hint comes at once in the process that was asked; others find out so
TAKE: LiteralString = "SELECT * FROM pgcron.take_bulk()"
STEP: LiteralString = "SELECT pgcron.bulk_step(%(id)s, %(own)s, %(all)s, %(most)s)"
CANCEL: LiteralString = "SELECT pgcron.cancel_bulk(%(id)s, %(reason)s)"
GRANTED: LiteralString = """
SELECT CASE WHEN u.is_enabled THEN pgcron.app_granted(u) ELSE '{}' END AS granted FROM pgcron.app_user u WHERE u.id = %(id)s
"""
AS_WHOM: LiteralString = """
SELECT pgcron.act_as(%(requested_by)s, %(reason)s, %(request_id)s, %(address)s), set_config('application_name', %(application)s, true)
"""
NEEDED = {
    "enable": Permission.ENABLE,
    "disable": Permission.ENABLE,
    "run": Permission.TRIGGER,
    "cancel": Permission.TRIGGER,
    "tag": Permission.SCHEDULE_EDIT,
    "untag": Permission.SCHEDULE_EDIT,
    "notify": Permission.SCHEDULE_EDIT,
}
OURSELVES = Principal(
    kind="session", name="pgcron", permissions=frozenset(), address=None, request_id="bulk"
)  # only until it is known whose action it is

log = structlog.get_logger("pgcron.admin")


class BulkRunner:
    def __init__(self, database: Database, settings: AdminSettings, stopping: Stopping) -> None:
        self._database, self._settings, self._stopping = database, settings, stopping
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Does nothing when it goes on already."""
        if (self._task is None or self._task.done()) and not self._stopping.is_set:
            self._task = asyncio.create_task(self._run(), name="bulk actions")

    def wake(self) -> None:
        """There is a new action. Starts it too where a host application doesn't run our lifespan."""
        self._asked.set()
        self.start()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set:
            self._asked.clear()
            if not await self._tried_once():
                await self._stopping.first(self._asked.wait(), timeout=LOOK_EVERY_S)

    async def _tried_once(self) -> bool:
        """A database that is away, or a lock: there will be another look."""
        try:
            return await self.run_once()
        except PgCronError as error:
            log.info("bulk_step_put_off", error=str(error))
        except Exception:
            log.exception("bulk_step_failed")
        return False

    async def run_once(self) -> bool:
        """A step of one action; False when none waits."""
        async with self._database.transaction(OURSELVES) as connection:
            bulk = await (await connection.execute(TAKE)).fetchone()
            if bulk is None:
                return False
            await connection.execute(AS_WHOM, bulk)
            if not await self._is_permitted(connection, bulk):
                reason = f"{bulk['requested_by']} may no longer do that"
                await connection.execute(CANCEL, {"id": bulk["id"], "reason": reason})
                return True
            limits = {"own": self._settings.runs_per_minute, "all": self._settings.all_runs_per_minute}
            await connection.execute(STEP, {"id": bulk["id"], "most": JOBS_OF_A_STEP, **limits})
            return True

    async def _is_permitted(self, connection: Connection, bulk: dict[str, Any]) -> bool:
        """Whoever was disabled or demoted meanwhile changes nothing more. Of a JWT nothing is known here."""
        if bulk["user_id"] is None:
            return True
        row = await (await connection.execute(GRANTED, {"id": bulk["user_id"]})).fetchone()
        return row is not None and NEEDED[bulk["action"]] in permissions_of(row["granted"])
