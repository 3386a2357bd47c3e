"""Which of the handlers that come with pgcron a worker offers: those that its settings allow something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pgcron_py.registry import PgCron
from pgcron_workers.handlers.urls import Pattern

if TYPE_CHECKING:  # executors import this module, and have no settings
    from pgcron_py.settings import Settings


def builtins_of(settings: Settings) -> dict[str, Any]:
    """What executors need to know, as JSON. Raises InvalidArguments for a pattern of URLs that can't be read."""
    found: dict[str, Any] = {}
    if settings.sql_connections:
        found["sql"] = settings.sql_connections
    if settings.http_allow:
        for text in settings.http_allow:
            Pattern.of(text)
        found["http"] = {
            "allow": settings.http_allow,
            "private": [str(network) for network in settings.http_allow_private or []],
        }
    return found


def add_builtins(app: PgCron, config: Mapping[str, Any]) -> None:
    """In an executor. A handler that might do nothing is not offered: another worker of the fleet may have it."""
    if "sql" in config:
        from pgcron_workers.handlers import sql

        sql.connections = dict(config["sql"])
        app.handler()(sql.run_sql)
    if "http" in config:
        from pgcron_workers.handlers import http

        http.rules = http.Rules.of(config["http"]["allow"], config["http"]["private"])
        app.handler()(http.call_url)


def builtin_secrets(config: Mapping[str, Any]) -> list[str]:
    """URLs whose passwords must never be seen."""
    return list(config.get("sql", {}).values())
