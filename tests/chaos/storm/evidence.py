"""Keeps what explains a violation, for the server ends with the storm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

TABLES = ("cron_job", "cron_log", "cron_miss", "cron_audit", "cron_request", "cron_worker")


def keep(connection: psycopg.Connection[dict[str, Any]], folder: Path, diary: list[tuple[float, str]]) -> None:
    """The tables as CSV, and what the storm did at which second."""
    (folder / "diary").write_text("".join(f"{at:8.2f} {what}\n" for at, what in diary))
    with connection.cursor() as cursor:
        for table in TABLES:
            with cursor.copy(f"COPY pgcron.{table} TO STDOUT (FORMAT csv, HEADER)") as copy:
                (folder / f"{table}.csv").write_bytes(b"".join(bytes(data) for data in copy))
