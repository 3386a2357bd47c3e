"""pgcron notify: channels, tests, the inbox, mute windows."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from support.sinks import http_sink, smtp_sink

HOOK = "webhook+http://127.0.0.1:1/Secret-Path-1"


@pytest.fixture
def failed(pgcron: Any, job: str, worker: Any, failure: dict[str, object]) -> str:
    """A job with an open alert and a message in the inbox."""
    worker.ran(job, **failure)
    return job


def test_a_channel_is_added_listed_edited_and_removed_and_its_secrets_are_never_shown(
    pgcron: Any, connection: psycopg.Connection
) -> None:
    shown = []
    added = pgcron(
        "notify",
        "channels",
        "add",
        "hook",
        HOOK,
        "--event",
        "failed",
        "--tag",
        "shop",
        "--job",
        "shop.*",
        "--secret",
        "signing-secret-1",
    )
    assert added.code == 0, added.err
    shown.append(added)
    header, line = (listed := pgcron("notify", "channels", "list")).out.splitlines()
    assert header.split()[:3] == ["name", "address", "events"]
    assert line.split() == ["hook", "webhook+http://127.0.0.1:1/***", "failed", "shop.*,", "#shop", "on", "0", "0"]
    shown += [listed, pgcron("notify", "channels", "list", "--json")]
    edited = pgcron(
        "notify",
        "channels",
        "edit",
        "hook",
        "--event",
        "",
        "--job",
        "",
        "--secret",
        "",
        "--disabled",
        "--rename",
        "post",
        "--json",
    )
    assert edited.json == {"name": "post", "changed": ["events", "is_enabled", "jobs", "name", "secret"]}
    assert connection.execute("SELECT events, jobs, tags, secret, is_enabled FROM pgcron.cron_channel").fetchone() == (
        None,
        None,
        ["shop"],
        None,
        False,
    )
    removed = pgcron("notify", "channels", "remove", "post")
    assert removed.out == "channel post removed\n"
    assert pgcron("notify", "channels", "list").err == "there is no channel: messages are in the inbox only\n"
    for result in [*shown, edited, removed]:
        assert "Secret-Path" not in result.out + result.err
        assert "signing-secret" not in result.out + result.err


def test_urls_and_secrets_may_come_from_the_environment(pgcron: Any, connection: psycopg.Connection) -> None:
    done = pgcron(
        "notify", "channels", "add", "hook", PGCRON_CHANNEL_URL=HOOK, PGCRON_CHANNEL_SECRET="signing-secret-1"
    )
    assert done.code == 0, done.err
    assert connection.execute("SELECT url, secret FROM pgcron.cron_channel").fetchone() == (HOOK, "signing-secret-1")


def test_a_new_secret_is_shown_once(pgcron: Any, connection: psycopg.Connection) -> None:
    made = pgcron("notify", "channels", "add", "hook", HOOK, "--new-secret", "--json").json["secret"]
    assert connection.execute("SELECT secret FROM pgcron.cron_channel").fetchone() == (made,)
    assert made not in pgcron("notify", "channels", "list", "--json").out


@pytest.mark.parametrize(
    "url", ["nonsense", "nosuch://Tok3n-of-mine", "slack://Tok3n-of-mine", "mailto://", "webhook+http://a b"]
)
def test_a_url_that_nothing_can_send_to_is_refused_and_not_repeated(pgcron: Any, url: str) -> None:
    done = pgcron("notify", "channels", "add", "x", url)
    assert done.code == 2, done.out
    assert done.err.startswith("Error: ")
    assert "Tok3n" not in done.err


def test_unknown_events_and_channels_are_refused(pgcron: Any) -> None:
    unknown = pgcron("notify", "channels", "add", "x", HOOK, "--event", "exploded")
    assert (unknown.code, "exploded" in unknown.err, "auto_disabled" in unknown.err) == (2, True, True)
    for command in (("channels", "remove"), ("test",), ("channels", "edit", "--disabled")):
        done = pgcron("notify", *command, "nobody")
        assert done.code == 1
        assert "no channel is named 'nobody'" in done.err
    assert pgcron("notify", "channels", "edit", "nobody").code == 2


def test_a_test_message_goes_to_a_real_receiver(pgcron: Any) -> None:
    with http_sink() as sink, smtp_sink() as mail:
        pgcron("notify", "channels", "add", "hook", f"webhook+{sink.address}/in")
        pgcron("notify", "channels", "add", "mail", mail.url)
        assert pgcron("notify", "test", "hook").out == "delivered to hook\n"
        assert pgcron("notify", "test", "mail", "--json").json == {"channel": "mail", "delivered": True, "error": None}
        assert sink.events == ["test"]
        assert mail.mails[0]["Subject"] == "[pgcron] this is a test"


def test_a_test_message_that_fails_says_why_without_secrets(pgcron: Any) -> None:
    with http_sink(500) as sink:
        pgcron("notify", "channels", "add", "hook", f"webhook+{sink.address}/Secret-Path-1")
        done = pgcron("notify", "test", "hook")
        assert (done.code, done.err) == (1, "Error: not delivered to hook: answered 500 Internal Server Error\n")
    done = pgcron("notify", "test", "hook")
    assert "ConnectionRefusedError" in done.err
    assert "Secret-Path" not in done.err


def test_a_test_by_worker_says_so_when_there_is_none(pgcron: Any) -> None:
    pgcron("notify", "channels", "add", "hook", HOOK)
    done = pgcron("notify", "test", "hook", "--by-worker", "--timeout", "0.2")
    assert done.code == 1
    assert "no worker sent the test message within 0.2 s" in done.err


def test_the_inbox_lists_messages_and_ack_empties_it(pgcron: Any, failed: str, connection: psycopg.Connection) -> None:
    assert "nightly failed: error" in pgcron("notify", "inbox").out
    (message,) = pgcron("notify", "inbox", "--json").json
    assert (message["event"], message["job"], message["is_open"], message["payload"]["error"]) == (
        "failed",
        "nightly",
        True,
        "ValueError: boom",
    )
    assert pgcron("notify", "ack", message["id"][:13]).out == "1 read, 1 alerts acknowledged\n"
    assert pgcron("notify", "inbox").err == "nothing is unread\n"
    assert "cares" in pgcron("notify", "inbox", "--all").out
    (row,) = connection.execute("SELECT acknowledged_by, resolved_at FROM pgcron.cron_alert").fetchall()
    assert row[0].startswith("cli:")
    assert row[1] is None
    assert pgcron("notify", "ack", "--all", "--json").json == {"read": 0, "acknowledged": 0}
    assert pgcron("notify", "ack", "ffff").code == 1
    assert pgcron("notify", "ack", "x").code == 2
    assert pgcron("notify", "ack").code == 2


def test_alerts_are_listed(pgcron: Any, failed: str) -> None:
    line = pgcron("notify", "alerts").out.splitlines()[1]
    assert line.startswith("failing  nightly")
    (alert,) = pgcron("notify", "alerts", "--json").json
    assert (alert["kind"], alert["count"], alert["detail"]["run"]) == ("failing", 1, "nightly#1")


def test_what_waits_and_what_was_given_up_is_listed_and_retried(
    pgcron: Any, failed: str, connection: psycopg.Connection
) -> None:
    pgcron("notify", "channels", "add", "hook", HOOK)
    connection.execute("UPDATE pgcron.cron_outbox SET dispatched_at = NULL")
    connection.execute("SELECT pgcron.dispatch_outbox(10)")
    assert pgcron("notify", "list").out.splitlines()[1].split()[:4] == ["hook", "failed", "nightly", "PENDING"]
    connection.execute(
        "UPDATE pgcron.cron_delivery SET state = 'GIVEN_UP', ended_at = clock_timestamp(), attempts = 12, last_error = 'answered 500'"
    )
    (row,) = pgcron("notify", "list", "--channel", "hook", "--json").json
    assert (row["state"], row["attempts"], row["last_error"]) == ("GIVEN_UP", 12, "answered 500")
    assert pgcron("notify", "retry", "--channel", "hook").out == "1 are tried again\n"
    assert connection.execute("SELECT state, attempts FROM pgcron.cron_delivery").fetchone() == ("PENDING", 0)


def test_mute_and_unmute(pgcron: Any, job: str) -> None:
    pgcron("notify", "channels", "add", "hook", HOOK)
    done = pgcron("notify", "mute", "--channel", "hook", "--until", "2h", "--reason", "maintenance")
    assert done.out.startswith("channel hook muted until ")
    assert "muted until" in pgcron("notify", "channels", "list").out
    assert pgcron("notify", "mute", "--job", job, "--from", "1h", "--until", "3h", "--json").json["job"] == job
    rows = pgcron("notify", "mute", "--list", "--json").json
    assert [(row["channel"], row["job"], row["reason"]) for row in rows] == [
        ("hook", None, "maintenance"),
        (None, job, None),
    ]
    assert pgcron("notify", "unmute", "--channel", "hook").out == "1 windows ended\n"
    assert pgcron("notify", "unmute", "--channel", "hook").out == "channel hook was not muted\n"
    assert pgcron("notify", "unmute", "--job", job, "--json").json == {"ended": 1}
    assert pgcron("notify", "mute").code == 2
    assert pgcron("notify", "mute", "--until", "2020-01-01").code == 2
    assert pgcron("notify", "mute", "--until", "1h", "--from", "2h").code == 2
    assert pgcron("notify", "mute", "--job", "nobody", "--until", "1h").code == 1


def test_the_inbox_is_there_for_readers_too(pgcron: Any, failed: str, reader_url: str) -> None:
    assert len(json.loads(pgcron("notify", "inbox", "--json", url=reader_url).out)) == 1
    assert pgcron("notify", "channels", "list", url=reader_url).code == 0
    assert pgcron("notify", "test", "hook", url=reader_url).code == 1
