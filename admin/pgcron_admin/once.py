"""Requests that count once: the same `Idempotency-Key` with the same request is done once, and answered alike.

    async with once.answer(connection, request, key, TriggerAnswer) as earlier: …

The answer is kept in the transaction of the deed. A refusal is not kept: nothing was done, and the same key may try again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request
from psycopg.types.json import Jsonb

from pgcron_admin.database import Connection
from pgcron_admin.principal import principal_of
from pgcron_admin.wire import Answer

A = TypeVar("A", bound=Answer)
BEGIN = "SELECT pgcron.begin_once(%(subject)s, %(key)s, %(hash)s) AS answer"
END = "SELECT pgcron.end_once(%(subject)s, %(key)s, %(answer)s)"


async def once(
    connection: Connection, request: Request[Any, Any, Any], key: str | None, kind: type[A], deed: Callable[[], Awaitable[A]]
) -> A:  # fmt: skip
    """What `deed` answers, or answered to this key before. Raises IdempotencyKeyReused for another request with the same key."""
    if key is None:
        return await deed()
    params = {"subject": principal_of(request).subject, "key": key, "hash": await _hash_of(request)}
    row = await (await connection.execute(BEGIN, params)).fetchone()
    if row is not None and row["answer"] is not None:
        return msgspec.convert(row["answer"], kind)
    answer = await deed()
    await connection.execute(END, {**params, "answer": Jsonb(msgspec.to_builtins(answer))})
    return answer


async def _hash_of(request: Request[Any, Any, Any]) -> bytes:
    told = f"{request.method} {request.scope['path']}\0".encode()
    return hashlib.sha256(told + await request.body()).digest()
