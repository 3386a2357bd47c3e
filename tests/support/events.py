"""Server-Sent Events as a client sees them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

PATIENCE = 20.0


@dataclass(frozen=True)
class Event:
    name: str
    data: dict[str, Any]
    id: str | None


@dataclass
class Followed:
    """What came so far. is_over: the server ended the stream, or the connection broke."""

    events: list[Event] = field(default_factory=list)
    is_over: bool = False
    last_id: str | None = None
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, event: Event | None) -> None:
        with self._news:
            if event is None:
                self.is_over = True
            else:
                self.events.append(event)
                self.last_id = event.id or self.last_id
            self._news.notify_all()

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    def until(self, wanted: Callable[[Event], Any], seconds: float = PATIENCE) -> Event:
        """The first event that is wanted, come or to come."""

        def found() -> Event | None:
            return next((event for event in self.events if wanted(event)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self.is_over, seconds)
            event = found()
        assert event is not None, (
            f"not among {[(e.name, str(e.data)[:200]) for e in self.events]}, over: {self.is_over}"
        )
        return event

    def until_over(self, seconds: float = PATIENCE) -> list[Event]:
        with self._news:
            assert self._news.wait_for(lambda: self.is_over, seconds), "the stream goes on"
        return self.events

    def lines(self) -> list[int]:
        """Numbers of the lines of output, as they came."""
        return [line["no"] for event in self.named("output") for line in event.data["lines"]]


@contextmanager
def follow(client: httpx.Client, topics: str, last_id: str | None = None) -> Iterator[Followed]:
    """client: of somebody who is signed in, or a program's."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", "/api/events", params={"topics": topics}, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        followed = Followed()
        reader = threading.Thread(target=_read, args=(answer, followed), daemon=True)
        reader.start()
        yield followed


def _read(answer: httpx.Response, followed: Followed) -> None:
    parts: dict[str, str] = {}
    try:
        for line in answer.iter_lines():
            if not line:
                if "data" in parts:
                    followed.take(Event(parts.get("event", "message"), json.loads(parts["data"]), parts.get("id")))
                parts = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                parts[name] = value
    except (httpx.HTTPError, httpx.StreamError):
        pass
    finally:
        followed.take(None)
