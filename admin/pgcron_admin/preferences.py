"""How somebody likes the admin to look: kept with the user, so it is the same in each of their browsers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Theme = Literal["system", "light", "dark"]
Times = Literal["job", "mine", "utc"]
Density = Literal["comfortable", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """times: in the zone of each job, in `timezone` (mine), or in UTC. has_keys: single letters are shortcuts."""

    theme: Theme = "system"
    times: Times = "job"
    timezone: str = "UTC"
    density: Density = "comfortable"
    has_keys: bool = True

    def zone(self, of_job: str) -> str:
        """Where an instant is shown: a job's own zone counts only for those who want it."""
        return {"job": of_job, "mine": self.timezone, "utc": "UTC"}[self.times]

    @property
    def fixed_zone(self) -> str | None:
        """The one zone of all times; None: each job's own."""
        return None if self.times == "job" else self.zone("UTC")


def preferences_of(row: Mapping[str, Any]) -> Preferences:
    """Of a row with the columns of app_preferences, NULL for those who have none."""
    if row["theme"] is None:
        return Preferences()
    return Preferences(
        theme=row["theme"], times=row["times"], timezone=row["timezone"], density=row["density"], has_keys=row["has_keys"]
    )  # fmt: skip
