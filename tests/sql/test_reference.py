"""docs/sql.md says what the comments in the database say."""

from __future__ import annotations

from pathlib import Path

import psycopg

from pgcron_py.cli.sql_reference import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_sql_is_current(db_url: str) -> None:
    with psycopg.connect(db_url) as connection:
        assert (DOCS / "sql.md").read_text("utf-8") == page(connection), (
            "run `python -m pgcron_py.cli.sql_reference docs`"
        )
