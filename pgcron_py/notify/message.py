"""What a notification says: a title, and facts on lines of their own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox. at: ISO 8601. key: the same at each attempt of a delivery, so that a receiver can drop doubles."""

    key: str
    event: str
    at: str
    job: str | None
    run_id: str | None
    alert_id: str | None
    database: str
    payload: Payload

    @classmethod
    def of(cls, key: str, row: Payload) -> Message:
        return cls(
            key, row["event"], row["at"], row.get("job"), row.get("run_id"), row.get("alert_id"), row["database"],
            row.get("payload") or {},
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What a webhook gets."""
        return {
            "id": self.key, "event": self.event, "at": self.at, "job": self.job, "run_id": self.run_id,
            "alert_id": self.alert_id, "database": self.database, "title": title(self), "text": text(self), "payload": dict(self.payload),
        }  # fmt: skip


def _failed(job: str, payload: Payload) -> str:
    return f"{job} failed: {payload.get('reason') or 'error'}"


def _recovered(job: str, payload: Payload) -> str:
    was = {
        "failing": "succeeds again", "missed": "succeeds again", "unsuccessful": "succeeded at last", "late": "is on time again",
        "slow": "is as fast as usual again", "no_worker": "has a worker again",
    }  # fmt: skip
    return f"{job} {was.get(str(payload.get('kind')), 'is well again')}"


_TITLES: dict[str, Callable[[str, Payload], str]] = {
    "failed": _failed,
    "recovered": _recovered,
    "auto_disabled": lambda job, _: f"{job} was disabled after its failures",
    "late": lambda job, _: f"{job} is late",
    "missed": lambda job, _: f"{job} missed a run",
    "slow": lambda job, _: f"{job} takes too long",
    "unsuccessful": lambda job, _: f"{job} has not succeeded in time",
    "no_worker": lambda job, _: f"{job} has no worker",
    "fleet_silent": lambda _, __: "no worker was alive",
    "test": lambda _, __: "this is a test",
}
_LABELS = {
    "error": "Error", "reason": "Reason", "run": "Run", "attempt": "Attempt", "scheduled_for": "Scheduled for",
    "consecutive_failures": "Failures in a row", "max_consecutive_failures": "Disabled after", "since": "Since", "until": "Until",
    "count": "Times", "handler": "Handler", "queue": "Queue", "due_at": "Due", "duration_ms": "Duration (ms)", "limit_ms": "Limit (ms)",
    "p95_ms": "Usual, 95 of 100 (ms)", "last_success_at": "Last success", "misses": "Occurrences", "overdue": "Overdue jobs", "by": "By",
}  # fmt: skip


def title(message: Message) -> str:
    make = _TITLES.get(message.event)
    return f"[pgcron] {make(message.job or 'a job', message.payload) if make else message.event}"[:200]


def text(message: Message) -> str:
    """Facts, one a line; the key last, for receivers that have no other place for it."""
    facts = [(label, message.payload.get(name)) for name, label in _LABELS.items()]
    lines = [f"{label}: {value}" for label, value in facts if value not in (None, "")]
    if message.job:
        lines.insert(0, f"Job: {message.job}")
    return "\n".join([*lines, f"At: {message.at}", f"Database: {message.database}", f"Key: {message.key}"])
