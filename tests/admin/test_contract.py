"""The API keeps to its own document: schemathesis sends what the document allows and what it forbids, and looks at every answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from support.admin import People, Server, admin_process
from support.figures import KEY
from support.showcase import seed

EXAMPLES = "200" if os.environ.get("PGCRON_PROOF") else "5"
LEAST = 20_000 if os.environ.get("PGCRON_PROOF") else 2_000
# Streams don't end, links and passwords sign in, and the documentation is a page.
LEFT_OUT = "/api/(events|auth/|docs)"
# positive_data_acceptance: a document can't say that a
# password is too easy, or that a zone does not exist. negative_data_rejection: it sends ?tag=true, where any text is a tag, and wants
# it refused for being a boolean.
CHECKS_LEFT_OUT = "positive_data_acceptance,negative_data_rejection"
SCOPES = [
    "system.cron.manage",
    "cron.view",
    "cron.trigger",
    "cron.enable",
    "cron.schedule.edit",
    "cron.trace.read",
    "cron.audit.read",
    "cron.user.admin",
]


# 503 says that the database is busy just now, or that no live worker has a handler, and when to come again: the rule, not a fault.
CONFIGURATION = """
[auth.openapi.bearer]
bearer = "{token}"

[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
"""


@pytest.fixture
def served(db_url: str, web_url: str) -> Iterator[tuple[Server, str]]:
    with psycopg.connect(db_url, autocommit=True) as connection:
        seed(connection)
    limits = {"PGCRON_ADMIN_RUNS_PER_MINUTE": "100000", "PGCRON_ADMIN_ALL_RUNS_PER_MINUTE": "100000"}
    with admin_process(web_url, "--dev", **limits) as server:
        yield server, People(db_url).token("fuzz", "super_admin", scopes=SCOPES)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_schemathesis_finds_nothing(
    served: tuple[Server, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    server, token = served
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(token=token), "utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "st", "--config-file", configuration, "run", f"{server.url}/api/openapi.json",
         "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--exclude-path-regex", LEFT_OUT,
         "--exclude-checks", CHECKS_LEFT_OUT, "--workers", "1", "--max-failures", "30", "--no-color"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    unexpected = [line for line in server.lines if '"unexpected"' in line]
    assert unexpected == []
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found is not None, done.stdout[-2000:]
    sent = int(found[1].replace(",", ""))
    record_property(KEY, f"schemathesis: {sent:,} requests, no answer that the document doesn't have, no 500")
    assert sent >= LEAST
