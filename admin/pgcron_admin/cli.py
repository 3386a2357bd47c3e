"""`pgcron admin`."""

from __future__ import annotations

import click
import uvicorn

from pgcron_admin.app import create_app

SHUTDOWN_WITHIN_S = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--database-url", envvar="PGCRON_DATABASE_URL", show_envvar=True, required=True, help="PostgreSQL URL.")
def admin(host: str, port: int, database_url: str) -> None:
    """Serve the web admin."""
    # Open streams would hold up an unlimited shutdown for ever.
    uvicorn.run(create_app(database_url), host=host, port=port, timeout_graceful_shutdown=SHUTDOWN_WITHIN_S)
