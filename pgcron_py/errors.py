"""Every error this project raises on purpose. One root, few types, facts as attributes.

The CLI prints `str(error)` on one line and, when there is one, the hint; a traceback is for our own bugs only.
"""

from __future__ import annotations


class PgCronError(Exception):
    """pgcron could not do what was asked."""

    hint: str | None = None

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or type(self).__name__)
        if hint is not None:
            self.hint = hint


class InvalidSchedule(PgCronError):
    """A schedule that the grammar refuses, or that can never fire.

    code: a stable word for programs (`field_range`, `never_fires`, …).
    field: the field's name (`minute`, `day_of_week`, …) or None when the whole text is at fault.
    column: 1-based column in the text as the user wrote it.
    """

    def __init__(self, *, code: str, message: str, field: str | None = None, column: int = 1, hint: str | None = None):
        super().__init__(message, hint=hint)
        self.code = code
        self.field = field
        self.column = column
        self.message = message


class UnknownTimeZone(PgCronError):
    """The time zone is not an IANA name known here."""

    def __init__(self, name: str, *, hint: str | None = None):
        super().__init__(f"unknown time zone {name!r}", hint=hint or "use an IANA name such as Europe/Berlin or UTC")
        self.name = name


class ScheduleEngineError(PgCronError):
    """The cron engine failed on a schedule that the grammar accepts: a bug on this host, never the job's fault."""
