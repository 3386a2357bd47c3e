"""What a stream may ask for: `jobs,run:0192f0c1-2345-7000-8000-000000000000`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pgcron_py.errors import InvalidArguments

TOPICS_MOST = 120
RUNS_MOST = 10


class Kind(StrEnum):
    """Of topics, and of the events of each. `run` has `output` beside it."""

    JOBS = "jobs"
    JOB = "job"
    RUNS = "runs"
    RUN = "run"
    WORKERS = "workers"
    ALERTS = "alerts"
    FLEET = "fleet"


ONES = (Kind.JOB, Kind.RUN)


@dataclass(frozen=True, slots=True)
class Topic:
    """id: of the job or the run that it is about."""

    kind: Kind
    id: UUID | None = None

    def __str__(self) -> str:
        return self.kind.value if self.id is None else f"{self.kind}:{self.id}"


def topics_of(text: str) -> frozenset[Topic]:
    """Raises InvalidArguments for what is no topic, and for too many."""
    found = frozenset(_topic(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise _refused("topics: none is named", f"name some of {_words()}")
    if len(found) > TOPICS_MOST or sum(topic.kind is Kind.RUN for topic in found) > RUNS_MOST:
        raise _refused(
            f"topics: there are more than {TOPICS_MOST}, or more than {RUNS_MOST} of single runs",
            "open another stream, or ask for jobs or runs as a whole",
        )
    return found


def _topic(text: str) -> Topic:
    word, colon, id_ = text.partition(":")
    try:
        kind = Kind(word)
        if (kind in ONES) != bool(colon):
            raise ValueError(text)
        return Topic(kind, UUID(id_) if colon else None)
    except ValueError:
        raise _refused(f"topics: {text[:60]!r} is none", f"topics are {_words()}") from None


def _words() -> str:
    return ", ".join(f"{kind}:<id>" if kind in ONES else kind.value for kind in Kind)


def _refused(message: str, hint: str) -> InvalidArguments:
    return InvalidArguments(message, hint=hint, field="topics")


def ids_of(topics: Iterable[Topic], kind: Kind) -> list[UUID]:
    return [topic.id for topic in topics if topic.kind is kind and topic.id is not None]
