"""`pgcron admin`."""

from __future__ import annotations

import click
import uvicorn

from pgcron_admin.app import create_app
from pgcron_admin.settings import check_exposure, load_admin_settings

SHUTDOWN_WITHIN_S = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--dev", is_flag=True, default=None, help="For this machine only: plain HTTP, a secret of the process.")
@click.option("--database-url", envvar="PGCRON_DATABASE_URL", show_envvar=True, required=True, help="PostgreSQL URL.")
def admin(host: str, port: int, dev: bool | None, database_url: str) -> None:
    """Serve the web admin."""
    settings = load_admin_settings(database_url=database_url, dev=dev)
    check_exposure(settings, host, has_tls=False)
    # Open streams would hold up an unlimited shutdown for ever.
    uvicorn.run(
        create_app(settings), host=host, port=port, timeout_graceful_shutdown=SHUTDOWN_WITHIN_S, proxy_headers=False
    )
