"""The process that sends, from the supervisor's side: real processes, real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import structlog

from pgcron_workers.sender import Sender
from support.fleet import is_alive, wait_for
from support.sinks import HttpSink, http_sink


def order(sink: HttpSink, key: str, path: str = "in") -> dict[str, Any]:
    message = {"event": "test", "at": "now", "database": "shop", "payload": {}}
    return {
        "kind": "notification",
        "key": key,
        "url": f"webhook+{sink.address}/{path}",
        "secret": None,
        "message": message,
    }


@asynccontextmanager
async def sending(limit: float = 20, idle: float = 30) -> AsyncIterator[Sender]:
    sender = Sender(structlog.get_logger(), limit, idle)
    try:
        yield sender
    finally:
        await sender.close()


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def pid_of(sender: Sender) -> int:
    assert sender._child is not None
    return sender._child.process.pid


@on_a_loop
async def test_a_receiver_that_hangs_delays_nobody_else_and_is_over_at_the_limit() -> None:
    with http_sink("hang") as hanging, http_sink() as well:
        async with sending(limit=3) as sender:
            await sender.failure_of(order(well, "warm"))
            first = pid_of(sender)
            began = time.monotonic()
            stuck = asyncio.ensure_future(sender.failure_of(order(hanging, "a")))
            for number in range(5):
                assert await sender.failure_of(order(well, f"b{number}")) is None
            assert not stuck.done()
            assert await stuck == "no answer within 3 s"
            assert time.monotonic() - began < 6
            assert await sender.failure_of(order(well, "c")) is None
            assert pid_of(sender) != first
        await asyncio.to_thread(
            wait_for, lambda: not is_alive(first), "the process with the thread that hangs has ended"
        )


@on_a_loop
async def test_refusals_and_closed_connections_are_told() -> None:
    with http_sink() as gone:
        pass  # nobody listens at its port any more
    async with sending() as sender:
        with http_sink(503) as refusing, http_sink("close") as closing:
            assert await sender.failure_of(order(refusing, "a")) == "answered 503 Service Unavailable"
            assert "RemoteDisconnected" in (await sender.failure_of(order(closing, "b")) or "")
        assert "ConnectionRefusedError" in (await sender.failure_of(order(gone, "c", "Secret-Path-1")) or "")
        assert "Secret-Path-1" not in (await sender.failure_of(order(gone, "d", "Secret-Path-1")) or "")


@on_a_loop
async def test_when_its_process_dies_the_orders_fail_and_the_next_ones_get_another() -> None:
    with http_sink("hang") as hanging, http_sink() as well:
        async with sending() as sender:
            await sender.failure_of(order(well, "warm"))
            first = pid_of(sender)
            stuck = asyncio.ensure_future(sender.failure_of(order(hanging, "a")))
            await asyncio.to_thread(wait_for, lambda: hanging.received, "it is being sent")
            os.kill(first, signal.SIGKILL)
            assert await stuck == "the process that sends ended"
            assert await sender.failure_of(order(well, "b")) is None
            assert pid_of(sender) != first


@on_a_loop
async def test_a_process_without_orders_is_let_go() -> None:
    with http_sink() as sink:
        async with sending(idle=0.1) as sender:
            assert await sender.failure_of(order(sink, "a")) is None
            first = pid_of(sender)
            await asyncio.to_thread(wait_for, lambda: not is_alive(first), "it ended")
            assert await sender.failure_of(order(sink, "b")) is None


@on_a_loop
async def test_a_url_that_nobody_can_send_to_is_an_error_not_a_crash() -> None:
    async with sending() as sender:
        broken = {
            "kind": "notification",
            "key": "k",
            "url": "nosuch://Tok3n-of-mine",
            "message": {"event": "test", "at": "", "database": ""},
        }
        failure = await sender.failure_of(broken)
        assert failure is not None
        assert "apprise can't read this URL" in failure
        assert "Tok3n" not in failure
