"""How many runs limits let start: of a queue, a tag, a handler, counted by one claim. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pgcron_py.domain.job import Job

LimitKey = tuple[str, str]  # kind (queue, tag, handler) and name


def keys_of(job: Job) -> list[LimitKey]:
    """What may limit a job."""
    return [("queue", job.queue), ("handler", job.handler), *(("tag", tag) for tag in job.tags)]


@dataclass(slots=True)
class Room:
    """left: how many more may start, by limit that this claim holds locked. closed: limits that another claim holds."""

    left: dict[LimitKey, int] = field(default_factory=dict)
    closed: Collection[LimitKey] = ()
    taken: Counter[LimitKey] = field(default_factory=Counter)

    def slots(self, job: Job) -> int | None:
        """How many runs of this job may start now; None = any number."""
        if not (self.left or self.closed):
            return None
        keys = keys_of(job)
        if any(key in self.closed for key in keys):
            return 0
        return min((max(self.left[key] - self.taken[key], 0) for key in keys if key in self.left), default=None)

    def take(self, job: Job, runs: int) -> None:
        if runs and self.left:
            self.taken.update({key: runs for key in keys_of(job) if key in self.left})


@dataclass(frozen=True, slots=True)
class Full:
    """What a claim need not look at: queues, handlers and tags without room."""

    queues: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, left: Mapping[LimitKey, int]) -> Full:
        names: dict[str, list[str]] = {"queue": [], "handler": [], "tag": []}
        for (kind, name), room in left.items():
            if room <= 0:
                names[kind].append(name)
        return cls(names["queue"], names["handler"], names["tag"])


NOTHING_FULL = Full()
