"""One connection to each database, kept while the database lives: for a new one its server first fills caches, for 15 ms."""

from __future__ import annotations

import select
import threading
from typing import Any

import psycopg

_kept: dict[tuple[str, int], psycopg.Connection[Any]] = {}


def kept(url: str) -> psycopg.Connection[Any]:
    """This thread's, as `url` says who; each statement commits. Not for settings or locks of a session."""
    place = url, threading.get_ident()
    found = _kept.get(place)
    if found is None or _is_broken(found):
        found = _kept[place] = psycopg.connect(url, autocommit=True, prepare_threshold=None)
    return found


def _is_broken(connection: psycopg.Connection[Any]) -> bool:
    """A server that went away has said so by now; nothing else comes unasked."""
    return connection.closed or bool(select.select([connection], [], [], 0)[0])


def let_go(dbname: str) -> None:
    """Closes those to a database that is to be dropped."""
    for place, connection in list(_kept.items()):
        if connection.closed or connection.info.dbname == dbname:
            connection.close()
            del _kept[place]
