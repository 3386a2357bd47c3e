"""`pgcron admin`."""

from __future__ import annotations

from pathlib import Path

import click

from pgcron_py.errors import InvalidArguments

pem = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--base-path", metavar="PATH", help="Path below which a reverse proxy shows it [env: PGCRON_ADMIN_BASE_PATH]."
)
@click.option("--dev", is_flag=True, default=None, help="For this machine only: plain HTTP, a secret of the process.")
@click.option("--tls-cert", type=pem, metavar="FILE", help="Certificate chain as PEM: serve HTTPS.")
@click.option("--tls-key", type=pem, metavar="FILE", help="Its key as PEM.")
@click.option("--database-url", envvar="PGCRON_DATABASE_URL", show_envvar=True, required=True, help="PostgreSQL URL.")
def admin(
    host: str, port: int, base_path: str | None, dev: bool | None, tls_cert: Path | None, tls_key: Path | None,
    database_url: str,
) -> None:  # fmt: skip
    """Serve the web admin. docs/admin.md lists its settings, PGCRON_ADMIN_…"""
    from pgcron_admin.serving import configure_logs, serve
    from pgcron_admin.settings import load_admin_settings
    from pgcron_py.settings import load_settings

    if (tls_cert is None) != (tls_key is None):
        raise InvalidArguments("--tls-cert and --tls-key belong together", hint="give both, or neither")
    configure_logs(load_settings())
    settings = load_admin_settings(database_url=database_url, dev=dev, base_path=base_path)
    serve(settings, host, port, (tls_cert, tls_key) if tls_cert and tls_key else None)
