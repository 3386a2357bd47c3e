"""Rounds: what open streams follow is read once, and told to all of them. No stream, no round.

A round comes twice a second, or a moment after a hint of the listener, and never sooner than 250 ms after the one before: so
nobody gets more than four messages a second about one thing, and what happened in between is in one message. The longer a round
takes, the rarer they are, so that a busy database has better things to do; but every 850 ms at least.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence

import structlog

from pgcron_admin.database import Database
from pgcron_admin.live.events import EndReason, Lines, News, Status, event_of
from pgcron_admin.live.feeds import Jobs, Runs
from pgcron_admin.live.listener import Listener
from pgcron_admin.live.output import Output
from pgcron_admin.live.stream import Stream
from pgcron_admin.live.subjects import Alerts, Fleet, SingleRuns, Subject, Workers
from pgcron_admin.live.topics import Kind, Topic
from pgcron_admin.stopping import Stopping
from pgcron_py.errors import PgCronError

LOOK_EVERY_S, LOOK_LATEST_S = 0.5, 0.85
LOOK_SHARE = 0.04  # of the time: at most this is spent looking, as long as nobody hints
APART_S = 0.25
HINT_SHARE = 0.25
AWAY_AGAIN_S = 1.0

log = structlog.get_logger("pgcron.admin")


class Hub:
    """streams: how many are open. dropped: how many were sent away because they were slow."""

    def __init__(self, database: Database, listener: Listener, stopping: Stopping) -> None:
        self._database, self._listener, self._stopping = database, listener, stopping
        self._subjects: Sequence[Subject] = (Jobs(), Runs(), SingleRuns(), Output(), Workers(), Alerts(), Fleet())
        self._followers: dict[Topic, set[Stream]] = {}
        self._followed: set[Topic] = set()
        self._streams: set[Stream] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._whole_for_all = self._was_lost = False
        self._is_live = True
        self.dropped = 0
        listener.tell(hint=lambda _: self._wake.set(), change=self._hearing_changed)

    @property
    def streams(self) -> int:
        return len(self._streams)

    def join(self, stream: Stream) -> None:
        """It gets the whole of its topics with the next round, then what changes."""
        if self._stopping.is_set:
            stream.end("shutdown")
            return
        self._streams.add(stream)
        for topic in stream.topics:
            self._followers.setdefault(topic, set()).add(stream)
        stream.give(self._status(stream))
        self._listener.start()
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="pgcron live")

    def leave(self, stream: Stream) -> None:
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        self.dropped += stream.ended == "slow"
        for topic in stream.topics:
            followers = self._followers[topic]
            followers.discard(stream)
            if not followers:
                del self._followers[topic]
        stream.closed()

    def end_all(self, reason: EndReason) -> None:
        for stream in self._streams:
            stream.end(reason)

    async def close(self) -> None:
        self.end_all("shutdown")
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        ending = loop.create_task(self._end_with_the_process())
        try:
            while self._streams:
                began = loop.time()
                self._wake.clear()
                is_live = await self._looked()
                spent = loop.time() - began
                soonest = max(APART_S, spent / HINT_SHARE) if is_live else AWAY_AGAIN_S
                latest = max(soonest, min(max(LOOK_EVERY_S, spent / LOOK_SHARE), LOOK_LATEST_S))
                await asyncio.sleep(began + soonest - loop.time())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(began + latest - loop.time(), 0.0))
            self._forget(())
        finally:
            ending.cancel()

    async def _end_with_the_process(self) -> None:
        await self._stopping.wait()
        self.end_all("shutdown")

    async def _looked(self) -> bool:
        """One round. False when the database is away: afterwards everybody needs the whole."""
        try:
            await self._round()
        except PgCronError as error:
            self._whole_for_all = True
            self._tell_status(is_live=False, error=error)
            return False
        except Exception:
            # A bug in one look must not leave open streams silent for ever.
            log.exception("live_round_failed")
            self._whole_for_all = True
            return False
        self._tell_status(is_live=True)
        return True

    async def _round(self) -> None:
        whole_for_all, self._whole_for_all = self._whole_for_all, False
        newcomers = {stream for stream in self._streams if whole_for_all or stream.needs_whole}
        fresh = {topic for stream in newcomers for topic in stream.topics}
        topics = set(self._followers)
        self._forget(topics)
        async with self._database.read() as connection:
            for subject in self._subjects:
                mine = [topic for topic in topics if topic.kind in subject.kinds]
                if mine:
                    for news in await subject.look(connection, mine, [topic for topic in mine if topic in fresh]):
                        self._give(news, newcomers)
        for stream in newcomers:
            stream.needs_whole = False

    def _give(self, news: News | Lines, newcomers: Collection[Stream]) -> None:
        topic = Topic(Kind.RUN, news.run) if isinstance(news, Lines) else news.topic
        for stream in self._followers.get(topic, ()):
            if isinstance(news, Lines):
                if stream in newcomers or not stream.needs_whole:
                    stream.give(news)
                continue
            message = news.whole if stream in newcomers else None if stream.needs_whole else news.change
            if message is not None:
                stream.give(message)

    def _forget(self, topics: Collection[Topic]) -> None:
        """What nobody follows any more. topics: that somebody does."""
        gone = self._followed - set(topics)
        for subject in self._subjects:
            if mine := [topic for topic in gone if topic.kind in subject.kinds]:
                subject.forget(mine)
        self._followed = set(topics)

    def _hearing_changed(self) -> None:
        """It was lost, or is there again: what was said meanwhile is not known."""
        self._whole_for_all |= self._was_lost and self._listener.is_listening
        self._was_lost = not self._listener.is_listening
        self._wake.set()
        for stream in self._streams:
            stream.give(self._status(stream))

    def _status(self, stream: Stream) -> bytes:
        topics = sorted(str(topic) for topic in stream.topics)
        return event_of(
            "status", Status(topics=topics, is_live=self._is_live, hears_at_once=self._listener.is_listening)
        )

    def _tell_status(self, *, is_live: bool, error: PgCronError | None = None) -> None:
        if is_live == self._is_live:
            return
        self._is_live = is_live
        log.warning("live_events_wait", error=str(error)) if error else log.info("live_events_go_on")
        for stream in self._streams:
            stream.give(self._status(stream))
