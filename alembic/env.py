"""Alembic's environment: one connection that the caller hands over; version table inside schema pgcron."""

from __future__ import annotations

from alembic import context

from pgcron_py.storage.models import Base


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit(
            "run migrations with `pgcron db upgrade`: it takes the connection, the lock limit and the roles"
        )
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table="alembic_version",
        version_table_schema="pgcron",
        include_schemas=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
