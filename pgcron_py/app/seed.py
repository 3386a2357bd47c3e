"""What a fresh installation holds beyond its tables: nothing is needed; a sample job for those who want to look at one."""

from __future__ import annotations

from pgcron_py.app.jobs import FOUND, create
from pgcron_py.app.session import Caller, Connection, transaction, value
from pgcron_py.domain.declaration import JobDeclaration

# Disabled, because no application has its handler: with workers alive it would only be a job that waits.
SAMPLE = JobDeclaration(
    name="pgcron.sample",
    schedule="*/5 * * * *",
    handler="pgcron.sample",
    description="A sample to look at. Give it a handler that your workers have, then enable it; or delete it.",
    tags=("sample",),
)


def seed_sample(connection: Connection, caller: Caller) -> bool:
    """Whether the sample job was made; False when it was there."""
    with transaction(connection):
        exists = value(connection, FOUND, {"name": SAMPLE.name}) is not None
    if not exists:
        create(connection, SAMPLE, caller, is_enabled=False)
    return not exists
