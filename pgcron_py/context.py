"""What a handler is given: narrow hands on its own run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pgcron_py.errors import PgCronError

if TYPE_CHECKING:
    from pgcron_py.domain.job import Timing

_LOGGER = logging.getLogger("pgcron.job")


@dataclass(slots=True)
class JobContext:
    """One run, as its handler sees it.

    run_id, job_id: ids of the rows in cron_log and cron_job. job_name: the job's name.
    scheduled_for: the occurrence (aware UTC); None for a run that was asked for by hand.
    attempt: 1 for the first. seq: dense number of the run within its job; hand it to outside systems as a fencing token.
    cause: schedule, manual, retry, backfill or buffered. args: the job's arguments as stored.
    metadata: JSON-able facts about the run; stored with it.
    """

    run_id: UUID
    job_id: UUID
    job_name: str
    scheduled_for: datetime | None
    attempt: int
    seq: int
    cause: str
    args: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    _timing: Timing | None = field(default=None, repr=False)
    _is_cancelled: bool = field(default=False, repr=False)
    _timeout: float | None = field(default=None, repr=False)
    _began: float = field(default_factory=time.monotonic, repr=False)
    _connection: Any = field(default=None, repr=False)
    _result: Any = field(default=None, repr=False)
    _on_progress: Callable[[float, str | None], None] | None = field(default=None, repr=False)

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked this run to end: by time-out, by hand or by shutdown. Long handlers look now and then."""
        return self._is_cancelled

    @property
    def timeout(self) -> float | None:
        """The job's timeout in seconds, None = none."""
        return self._timeout

    @property
    def time_left(self) -> float | None:
        """Seconds until the job's timeout ends this run, 0 at least; None = no limit."""
        return None if self._timeout is None else max(0.0, self._began + self._timeout - time.monotonic())

    @property
    def is_backfill(self) -> bool:
        """Whether somebody asked for this occurrence of the past again: scheduled_for is when it was due."""
        return self.cause == "backfill"

    @property
    def data_interval(self) -> tuple[datetime, datetime] | None:
        """(the schedule's occurrence before, scheduled_for): the stretch of data that belongs to this occurrence, half-open.

        None for a run without an occurrence, for the first one that the schedule names, and in tests without a schedule.
        """
        if self._timing is None or self.scheduled_for is None:
            return None
        previous = self._timing.previous(self.scheduled_for)
        return None if previous is None else (previous, self.scheduled_for)

    def progress(self, fraction: float, text: str | None = None) -> None:
        """Says how far the run is: 0.0 to 1.0, with a few words. Call it as often as you like; at most two a second are
        stored, while the run goes on."""
        if self._on_progress is not None:
            self._on_progress(fraction, text)

    def result(self, value: Any) -> None:
        """Sets the run's result, JSON-able. Unless it is None it wins over what the handler returns."""
        self._result = value

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that carries the run's ids."""
        return logging.LoggerAdapter(_LOGGER, {"run_id": str(self.run_id), "job_name": self.job_name})

    @property
    def connection(self) -> Any:
        """For handlers declared with transactional=True: a psycopg connection (AsyncConnection for `async def`) inside
        the transaction that also records the run. Never commit or roll it back: the run would fail as tx_broken.

        Raises PgCronError for other handlers.
        """
        if self._connection is None:
            raise PgCronError(
                f"job {self.job_name!r} has no connection: its handler isn't transactional",
                hint="declare it with transactional=True",
            )
        return self._connection
