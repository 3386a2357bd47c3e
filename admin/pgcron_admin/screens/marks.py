"""How a state looks: always an icon, a word and a tone, never colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Tone = Literal["success", "failed", "running", "waiting", "idle"]


@dataclass(frozen=True, slots=True)
class Mark:
    """icon: of lucide; tone: a class tone-… of app.css."""

    word: str
    icon: str
    tone: Tone


REASONS = {
    "timeout": "Timed out", "cancelled": "Cancelled", "lost": "Lost", "crashed": "Crashed", "shutdown": "Shut down", "neighbour": "Neighbour crashed",
    "orphaned_claim": "Never began", "db_error": "Database away", "tx_broken": "Broke its transaction", "output_limit": "Too much output",
}  # fmt: skip


@cache  # a few dozen of them, asked for 1,500 times a page
def of_run(status: str, reason: str | None, *, was_skipped: bool = False) -> Mark:
    if status == "RUNNING":
        return Mark("Running", "loader", "running")
    if status == "SUCCESS":
        return (
            Mark("Nothing to do", "circle-slash", "idle") if was_skipped else Mark("Success", "circle-check", "success")
        )
    if reason in ("cancelled", "shutdown"):
        return Mark(REASONS[reason], "circle-slash", "idle")
    icon = "timer-off" if reason == "timeout" else "circle-x"
    return Mark(REASONS.get(reason or "", "Failed"), icon, "failed")


def of_job(
    *, state: str, is_enabled: bool, running: int, failures: int, blocked_by: str | None, never_ran: bool
) -> Mark:
    """The most pressing first."""
    if state.startswith("invalid schedule"):
        return Mark("Invalid schedule", "triangle-alert", "failed")
    if not is_enabled:
        return Mark("Disabled", "circle-pause", "idle")
    if running:
        return Mark("Running", "loader", "running")
    if failures:
        return Mark("Failing", "circle-x", "failed")
    if blocked_by:
        return Mark("Blocked", "hand", "waiting")
    return Mark("Never ran", "circle-dashed", "idle") if never_ran else Mark("Success", "circle-check", "success")


def of_worker(state: str, is_alive: bool) -> Mark:
    if is_alive:
        return (
            Mark("Draining", "log-out", "waiting") if state == "DRAINING" else Mark("Live", "circle-check", "success")
        )
    if state == "GONE":
        return Mark("Left", "circle-slash", "idle")
    return Mark("Lost" if state != "DEAD" else "Dead", "circle-x", "failed")
