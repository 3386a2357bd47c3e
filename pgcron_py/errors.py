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


class DatabaseUnavailable(PgCronError):
    """The database can't be reached."""


class DatabaseNotReady(PgCronError):
    """The database is not set up for this version of pgcron, or is not the one it was set up as."""


class DatabaseIsReadOnly(PgCronError):
    """This server takes no changes: it is a standby, or was told to be read-only."""

    hint = "connect to the primary; with several hosts in the URL, add target_session_attrs=read-write"


class LockNotAvailable(PgCronError):
    """Another session holds a lock that is needed; nothing was changed."""

    hint = "try again when that session has ended"


class InvalidDeclaration(PgCronError):
    """A declared job that can't be registered: an invalid schedule, an unknown zone, a duplicate name, wrong arguments."""

    def __init__(self, job: str, reason: str, *, hint: str | None = None):
        super().__init__(f"job {job!r}: {reason}", hint=hint)
        self.job = job
        self.reason = reason


class InvalidArguments(PgCronError):
    """A value that the rules refuse; names the field, the value and the rule.

    field: its name, where there is one, for programs.
    """

    def __init__(self, message: str | None = None, *, hint: str | None = None, field: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class JobNotFound(PgCronError):
    """No job has this name."""


class JobLocked(PgCronError):
    """The job is locked: its definition can't be changed here."""


class JobDisabled(PgCronError):
    """A disabled job can't be executed."""


class AlreadyRunning(PgCronError):
    """The job is already running."""


class AlreadyRequested(PgCronError):
    """The job is already asked to run."""


class JobIsRunning(PgCronError):
    """A running job can't be deleted."""


class JobDeclaredInCode(PgCronError):
    """A job declared in code can only be disabled."""


class AppendOnly(PgCronError):
    """An ended run or an audit entry never changes."""


class AlreadyEnded(PgCronError):
    """The run, request or worker has ended: there is nothing to cancel."""


class NotFound(PgCronError):
    """There is no such run, request, worker, channel or alert."""


class NotPermitted(PgCronError):
    """This role may not do that."""


class StaleVersion(PgCronError):
    """The job was changed meanwhile: nothing was written."""


class NotSignedIn(PgCronError):
    """Nobody is signed in."""

    hint = "sign in, or send a token: Authorization: Bearer pgc_…"


class TooManyRequests(PgCronError):
    """It was asked for too often. retry_after: seconds until it may be asked for again."""

    def __init__(self, message: str, *, retry_after: int, hint: str | None = None):
        super().__init__(message, hint=hint or f"try again in {retry_after} s")
        self.retry_after = retry_after


class NoLiveWorker(PgCronError):
    """No live worker has the handler of this job: its run would wait."""


class IdempotencyKeyReused(PgCronError):
    """The Idempotency-Key was used for another request."""

    field = "Idempotency-Key"


class LeaseLost(PgCronError):
    """The run is no longer this worker's: nothing was written."""
