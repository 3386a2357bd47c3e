"""Arguments against published parameters: on save and on run now, by whoever, also with no worker alive."""

from __future__ import annotations

import datetime
import json
from typing import Any, Literal

import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from pgcron_py.context import JobContext
from pgcron_py.handlers import Handler, schema_of, signature_of
from support.steps import Stage


class Target(BaseModel):
    host: str
    ports: list[int] = [80]


def handler(
    days: int, mode: Literal["soft", "hard"] = "soft", until: datetime.date | None = None, target: Target | None = None, share: float = 0.5
) -> None: ...  # fmt: skip


def only_context(ctx: JobContext) -> None: ...


def nothing() -> None: ...


def publish(stage: Stage, function: Any = handler, app: str = "shop", release: str = "1.0") -> None:
    schema = schema_of(signature_of(Handler("h", function)))
    stage.do(
        "SELECT pgcron.publish_handlers(%s, %s, %s)", app, release, json.dumps([{"name": "h", "parameters": schema}])
    )


def saved(stage: Stage, args: dict[str, Any]) -> psycopg.Error | None:
    """The refusal, if it is one."""
    with psycopg.connect(stage.url) as connection:
        try:
            connection.execute(
                "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('j', '@daily', 'h', %s)",
                (Jsonb(args),),
            )
        except psycopg.Error as error:
            return error
        finally:
            connection.rollback()
    return None


@pytest.mark.parametrize(
    "args",
    [
        {"days": 3},
        {"days": 3.0},
        {"days": 3, "mode": "hard", "until": "2026-01-01", "share": 1},
        {"days": 3, "until": None, "target": None},
        {"days": 3, "target": {"host": "a", "ports": [1, 2]}},
    ],
)
def test_what_fits_is_saved(stage: Stage, args: dict[str, Any]) -> None:
    publish(stage)
    assert saved(stage, args) is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "args lacks days"),
        ({"days": "3"}, 'args.days is "3": it must be of type integer'),
        ({"days": 3.5}, "args.days is 3.5"),
        ({"days": True}, "args.days is true"),
        ({"days": 3, "mode": "firm"}, 'args.mode is "firm": it must be one of'),
        ({"days": 3, "day": 1}, "args has day, which the handler doesn't take"),
        ({"days": 3, "until": 5}, "args.until is 5"),
        ({"days": 3, "target": {"ports": []}}, "args.target"),
        ({"days": 3, "target": {"host": "a", "ports": ["x"]}}, "args.target"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path_and_what_the_handler_takes(stage: Stage, args: dict[str, Any], message: str) -> None:  # fmt: skip
    publish(stage)
    refusal = saved(stage, args)
    assert refusal is not None
    assert (refusal.sqlstate, refusal.diag.message_detail) == ("PC014", "field: args")
    assert message in (refusal.diag.message_primary or "")
    assert "days (integer)" in (refusal.diag.message_hint or "")


def test_a_handler_that_reads_its_context_takes_anything_and_one_without_parameters_nothing(stage: Stage) -> None:
    publish(stage, only_context)
    assert saved(stage, {"any": 1}) is None
    publish(stage, nothing)
    assert "no arguments" in (saved(stage, {"any": 1}).diag.message_hint or "")  # type: ignore[union-attr]  # it was refused
    assert saved(stage, {}) is None


def test_an_unknown_handler_takes_anything(stage: Stage) -> None:
    assert saved(stage, {"days": "x"}) is None


def test_a_run_now_and_an_edit_are_checked_too(stage: Stage) -> None:
    publish(stage)
    stage.job("j", handler="h", args={"days": 1}, due=None)
    for statement in ("SELECT pgcron.run_now('j', '{\"days\": \"x\"}')", "UPDATE pgcron.cron_job SET args = '{}'"):
        with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error) as refusal:
            connection.execute(statement)
        assert refusal.value.sqlstate == "PC014"
    stage.do("UPDATE pgcron.cron_job SET description = 'of what was saved before nothing is asked again'")
    stage.do("SELECT pgcron.run_now('j', '{\"days\": 2}')")


def test_an_older_release_does_not_take_back_what_a_newer_one_published(stage: Stage) -> None:
    publish(stage, handler, release="1.10")
    publish(stage, nothing, release="1.9")
    assert stage.row("SELECT release FROM pgcron.cron_handler") == {"release": "1.10"}
    publish(stage, nothing, app="another", release="0.1")
    assert stage.row("SELECT app FROM pgcron.cron_handler") == {"app": "another"}


def test_code_may_declare_arguments_that_only_its_own_release_takes(stage: Stage) -> None:
    """Registration comes before the release's handlers are published; the code has been checked against itself."""
    publish(stage, nothing)
    job = {"name": "j", "schedule": "@daily", "handler": "h", "args": {"days": 1}, "timezone": "UTC", "tags": [], "extra_schedules": [],
           "excluded_schedules": [], "retry_on": [], "no_retry_on": [], "is_locked": False, "queue": "default", "priority": 0, "runs_alone": False,
           "is_exclusive": True, "overlap_policy": "skip", "max_running": 1, "catchup_policy": "latest", "max_attempts": 1, "backoff_ms": 0,
           "backoff_max_ms": 0, "is_idempotent": False, "jitter_ms": 0, "notify_on_failure": True, "log_level": "all", "declaration": {}}  # fmt: skip
    stage.do("SELECT pgcron.declare_jobs('shop', '1.1', %s)", json.dumps([job]))
    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error):
        connection.execute("UPDATE pgcron.cron_job SET args = '{\"days\": 2}'")
