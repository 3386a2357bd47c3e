"""Events as they go over the wire (Server-Sent Events), made into bytes once for all who get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from pgcron_admin.live.topics import Topic
from pgcron_admin.wire import Answer

EndReason = Literal["shutdown", "slow", "unavailable", "signed_out", "not_permitted"]

PING = b": still here\n\n"


class Status(Answer):
    """isLive: whether the database answers. hearsAtOnce: whether definitions come at once, or with the next look."""

    topics: list[str]
    is_live: bool
    hears_at_once: bool


class End(Answer):
    """The last event of a stream. comeBack: whether to open another."""

    reason: EndReason
    message: str
    come_back: bool


@dataclass(frozen=True, slots=True)
class News:
    """Of one look at a topic. change: for those who follow it; None when there is none. whole: for those who just came."""

    topic: Topic
    change: bytes | None
    whole: bytes | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """What a run wrote after line `after`, up to line `upto`: an event without its id, which is each stream's own.

    event: empty when there are no new lines. totals: an event of its own, for whoever has the lines already too.
    """

    run: UUID
    after: int
    upto: int
    event: bytes
    totals: bytes

    def __len__(self) -> int:
        return len(self.event) + len(self.totals)


def event(name: str, data: bytes) -> bytes:
    """data: JSON, and so one line."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def event_of(name: str, answer: object) -> bytes:
    return event(name, msgspec.json.encode(answer))
