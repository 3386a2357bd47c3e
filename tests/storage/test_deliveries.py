"""Deliveries, step by step: dispatched, taken under a lease, settled by whoever took them last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgcron_py.storage import notifications
from pgcron_py.storage.notifications import Delivery
from support.steps import Actor, Stage


def channel(stage: Stage, name: str = "hook", **fields: Any) -> UUID:
    columns = {"name": name, "url": "webhook+http://127.0.0.1:1/in"} | fields
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    id_: UUID = stage.row(f"INSERT INTO pgcron.cron_channel ({names}) VALUES ({marks}) RETURNING id", *columns.values())["id"]  # fmt: skip
    return id_


def say(stage: Stage, event: str = "failed", job: UUID | None = None, alert: UUID | None = None) -> UUID:
    """An outbox row, as a finish would write it."""
    id_: UUID = stage.row(
        "INSERT INTO pgcron.cron_outbox (event, job_id, job_name, alert_id) SELECT %s, %s, (SELECT name FROM pgcron.cron_job WHERE id = %s), %s RETURNING id",
        event, job, job, alert,
    )["id"]  # fmt: skip
    return id_


def alert(stage: Stage, job: UUID) -> UUID:
    id_: UUID = stage.row(
        "INSERT INTO pgcron.cron_alert (kind, job_id, job_name, told_at) VALUES ('failing', %s, 'job', clock_timestamp()) RETURNING id", job
    )["id"]  # fmt: skip
    return id_


def take(actor: Actor, *busy: UUID) -> list[Delivery]:
    return actor.do(lambda c: notifications.take(c, 16, busy))


def settle(actor: Actor, delivery: Delivery, error: str | None = None) -> str:
    return actor.do(lambda c: notifications.settle(c, delivery, error))


def due_now(stage: Stage) -> None:
    stage.do("UPDATE pgcron.cron_delivery SET next_attempt_at = clock_timestamp() WHERE state = 'PENDING'")


def states(stage: Stage) -> list[str]:
    return [row["state"] for row in stage.rows("SELECT state FROM pgcron.cron_delivery ORDER BY seq")]


def test_each_channel_that_wants_a_message_gets_a_delivery_of_its_own(stage: Stage) -> None:
    job = stage.job("shop.close", due=None, tags=["shop"])
    wanted = [
        channel(stage, "all"), channel(stage, "events", events=["failed", "late"]), channel(stage, "tags", tags=["x", "shop"]),
        channel(stage, "jobs", jobs=["shop.*"]), channel(stage, "exactly", jobs=["shop.close"]),
    ]  # fmt: skip
    for name, fields in {
        "off": {"is_enabled": False}, "other events": {"events": ["late"]}, "other tags": {"tags": ["x"]},
        "other jobs": {"jobs": ["shop?close", "shop_close", "close", "shop"]},
    }.items():  # fmt: skip
        channel(stage, name, **fields)
    say(stage, job=job)
    taken = take(stage.actor())
    assert {it.lane for it in taken} == set(wanted)
    assert len(taken) == len(wanted)
    assert taken[0].message["job"] == "shop.close"


def test_what_concerns_no_job_goes_to_channels_without_a_filter_or_that_name_the_event(stage: Stage) -> None:
    wanted = [channel(stage, "all"), channel(stage, "named", tags=["shop"], events=["fleet_silent"])]
    channel(stage, "tags", tags=["shop"])
    channel(stage, "jobs", jobs=["*"])
    say(stage, "fleet_silent")
    assert {it.lane for it in take(stage.actor())} == set(wanted)


def test_nobody_takes_what_another_has_taken_until_its_lease_is_over(stage: Stage) -> None:
    channel(stage)
    say(stage)
    one, two = stage.actor(), stage.actor()
    (first,) = take(one)
    assert take(two) == []
    due_now(stage)  # a minute later
    (second,) = take(two)
    assert (second.id, second.attempt) == (first.id, 2)
    assert settle(one, first) == "LOST"
    assert settle(two, second) == "DELIVERED"
    assert settle(two, second) == "LOST"
    assert states(stage) == ["DELIVERED"]


def test_two_who_take_at_once_get_different_deliveries_and_nobody_waits(stage: Stage) -> None:
    channel(stage, "a")
    channel(stage, "b")
    for _ in range(2):
        say(stage)
    stage.do("SELECT pgcron.dispatch_outbox(10)")
    one, two = stage.actor(), stage.actor()
    one.say("BEGIN")
    first = take(one)
    assert len(first) == 2
    assert take(two) == []  # the oldest of each channel is held by the other's open transaction
    one.commit()
    second = take(two)
    assert len({it.id for it in first + second}) == 4


def test_no_transaction_is_open_while_a_message_is_on_its_way(stage: Stage) -> None:
    channel(stage)
    say(stage)
    actor = stage.actor()
    take(actor)
    assert stage.row("SELECT state FROM pg_stat_activity WHERE pid = %s", actor.pid) == {"state": "idle"}


def test_a_failed_attempt_is_repeated_later_and_later_and_then_given_up(stage: Stage) -> None:
    channel(stage)
    say(stage)
    actor = stage.actor()
    waits = []
    for attempt in range(1, 13):
        (delivery,) = take(actor)
        assert delivery.attempt == attempt
        outcome = settle(actor, delivery, "answered 500")
        assert outcome == ("PENDING" if attempt < 12 else "GIVEN_UP")
        if attempt < 12:
            assert take(actor) == []
            waits.append(
                stage.row("SELECT extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS s FROM pgcron.cron_delivery")["s"]
            )  # fmt: skip
        due_now(stage)
    assert 7 < waits[0] < 13
    assert 22 < waits[1] < 37
    assert max(waits) < 4400
    assert waits[-1] > 2800
    assert stage.row("SELECT state, attempts, last_error FROM pgcron.cron_delivery") == {
        "state": "GIVEN_UP", "attempts": 12, "last_error": "answered 500"
    }  # fmt: skip
    assert stage.row("SELECT pgcron.retry_deliveries() AS n") == {"n": 1}
    (again,) = take(actor)
    assert (again.attempt, str(again.id)) == (1, again.order()["key"])


def test_a_message_whose_senders_always_die_is_given_up_too(stage: Stage) -> None:
    channel(stage)
    say(stage)
    actor = stage.actor()
    for _ in range(12):
        assert len(take(actor)) == 1
        due_now(stage)
    assert take(actor) == []
    assert states(stage) == ["GIVEN_UP"]


def test_a_recovery_waits_for_its_failure(stage: Stage) -> None:
    job = stage.job(due=None)
    about = alert(stage, job)
    channel(stage)
    actor = stage.actor()
    say(stage, "failed", job, about)
    (failed,) = take(actor)
    say(stage, "recovered", job, about)
    settle(actor, failed, "refused")
    other = say(stage, "failed", job, None)
    (delivery,) = take(actor)
    assert delivery.message["id"] == str(other)  # a message of another alert need not wait
    settle(actor, delivery)
    assert take(actor) == []
    due_now(stage)
    (delivery,) = take(actor)
    assert delivery.message["event"] == "failed"
    settle(actor, delivery)
    (delivery,) = take(actor)
    assert delivery.message["event"] == "recovered"


def test_of_a_channel_one_message_is_taken_at_a_time_the_oldest(stage: Stage) -> None:
    channel(stage)
    said = [say(stage) for _ in range(3)]
    actor = stage.actor()
    (delivery,) = take(actor)
    assert take(actor, delivery.lane) == []
    order = [delivery.message["id"]]
    while True:
        settle(actor, delivery)
        taken = take(actor)
        if not taken:
            break
        (delivery,) = taken
        order.append(delivery.message["id"])
    assert order == [str(id_) for id_ in said]


def test_what_is_still_wrong_after_a_mute_window_is_told_then(stage: Stage) -> None:
    job = stage.job(due=None)
    about = alert(stage, job)
    channel(stage)
    actor = stage.actor()
    stage.do("SELECT pgcron.mute(p_until => clock_timestamp() + interval '1 h')")
    say(stage, "failed", job, about)
    assert take(actor) == []
    row = stage.row(
        "SELECT state, is_muted, attempts, next_attempt_at - clock_timestamp() > '59 min' AS later FROM pgcron.cron_delivery"
    )
    assert row == {"state": "PENDING", "is_muted": True, "attempts": 0, "later": True}
    stage.do("SELECT pgcron.unmute()")
    assert [it.message["event"] for it in take(actor)] == ["failed"]


def test_what_began_and_ended_in_a_mute_window_is_never_told(stage: Stage) -> None:
    job = stage.job(due=None)
    about = alert(stage, job)
    channel(stage)
    actor = stage.actor()
    stage.do("SELECT pgcron.mute(p_job => 'job', p_until => clock_timestamp() + interval '1 h')")
    say(stage, "failed", job, about)
    say(stage, "recovered", job, about)
    take(actor)
    stage.do("UPDATE pgcron.cron_alert SET resolved_at = clock_timestamp()")
    stage.do("SELECT pgcron.unmute(p_job => 'job')")
    take(actor)
    due_now(stage)
    take(actor)
    assert states(stage) == ["SKIPPED", "SKIPPED"]
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_outbox WHERE read_at IS NULL") == {
        "n": 2
    }  # the inbox has them


def test_a_recovery_in_a_mute_window_is_told_after_it_if_its_failure_was(stage: Stage) -> None:
    job = stage.job(due=None)
    about = alert(stage, job)
    channel(stage)
    actor = stage.actor()
    say(stage, "failed", job, about)
    settle(actor, take(actor)[0])
    stage.do("SELECT pgcron.mute('hook', p_until => clock_timestamp() + interval '1 h')")
    say(stage, "recovered", job, about)
    stage.do("UPDATE pgcron.cron_alert SET resolved_at = clock_timestamp()")
    assert take(actor) == []
    stage.do("SELECT pgcron.unmute('hook')")
    assert [it.message["event"] for it in take(actor)] == ["recovered"]


def test_a_window_mutes_only_its_channel_its_job_and_its_time(stage: Stage) -> None:
    job, other = stage.job(due=None), stage.job("other", due=None)
    loud, quiet = channel(stage, "loud"), channel(stage, "quiet")
    until = datetime.now(UTC) + timedelta(hours=2)
    stage.do("SELECT pgcron.mute('quiet', 'job', %s)", until)
    stage.do("SELECT pgcron.mute('loud', NULL, %s, %s)", until, until - timedelta(hours=1))  # not yet
    say(stage, job=job)
    assert [it.lane for it in take(stage.actor())] == [loud]
    stage.do("DELETE FROM pgcron.cron_outbox")
    say(stage, job=other)
    assert {it.lane for it in take(stage.actor())} == {loud, quiet}


def test_nothing_is_sent_to_a_channel_that_was_disabled_meanwhile(stage: Stage) -> None:
    channel(stage)
    say(stage)
    actor = stage.actor()
    settle(actor, take(actor)[0], "refused")
    stage.do("""SELECT pgcron.edit_channel('hook', '{"is_enabled": false}')""")
    due_now(stage)
    assert take(actor) == []
    assert states(stage) == ["SKIPPED"]


def test_a_ping_that_a_later_one_superseded_is_not_repeated_and_delivered_ones_leave_no_row(stage: Stage) -> None:
    job = stage.job(due=None, ping_url="http://127.0.0.1:1/uuid")
    actor = stage.actor()

    def ping(word: str) -> None:
        stage.do("INSERT INTO pgcron.cron_delivery (kind, job_id, run_id, ping) VALUES ('ping', %s, gen_random_uuid(), %s)", job, word)  # fmt: skip

    ping("fail")
    (first,) = take(actor)
    assert (first.url, first.message["ping"]) == ("http://127.0.0.1:1/uuid", "fail")
    ping("success")
    assert settle(actor, first, "no answer") == "SKIPPED"
    (second,) = take(actor)
    assert settle(actor, second) == "DELIVERED"
    ping("success")
    stage.do("UPDATE pgcron.cron_delivery SET created_at = created_at - interval '2 h'")
    assert take(actor) == []
    assert states(stage) == []


def test_removing_a_channel_removes_what_waits_for_it(stage: Stage) -> None:
    channel(stage)
    say(stage)
    actor = stage.actor()
    (delivery,) = take(actor)
    stage.do("SELECT pgcron.remove_channel('hook')")
    assert settle(actor, delivery) == "LOST"
    assert states(stage) == []


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("url", "add_channel('x', 'no url')"),
        ("url", "add_channel('x', 'slack://a b')"),
        ("name", "add_channel(' x', 'slack://a')"),
        ("name", "add_channel('taken', 'slack://a')"),
        ("secret", "add_channel('x', 'webhook+https://a', p_secret => 'short')"),
        ("secret", "add_channel('x', 'slack://tokens', p_secret => 'long-enough-for-anybody')"),
        ("events", "add_channel('x', 'slack://a', '{failed,exploded}')"),
        ("url", """edit_channel('taken', '{"url": "nothing"}')"""),
        ("colour", """edit_channel('taken', '{"colour": 1}')"""),
        ("until", "mute(p_until => clock_timestamp())"),
        ("until", "mute()"),
    ],
)
def test_refusals_name_the_field_and_show_nothing_secret(stage: Stage, field: str, call: str) -> None:
    channel(stage, "taken", url="slack://TokenA-secret")
    with pytest.raises(psycopg.Error) as refusal:
        stage.do(f"SELECT pgcron.{call}")
    assert refusal.value.sqlstate == "PC014"
    assert refusal.value.diag.message_detail == f"field: {field}"
    assert "TokenA" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("slack://TokenA/TokenB/TokenC", "slack://***"),
        ("webhook+https://hooks.example:8443/in/abc?key=xyz", "webhook+https://hooks.example:8443/***"),
        ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/***"),
        ("https://user:s3cret@host.example/x", "https://host.example/***"),
        ("mailtos://me:p@ss@mail.example?to=you", "mailtos://mail.example/***"),
        ("mailto://me:12345/6@mail.example", "mailto://***"),
        ("https://t0k3n?x", "https://t0k3n/***"),
        ("tgram://123456:ABC/789", "tgram://***"),
        ("mailto://user:pass/word", "mailto://***"),
    ],
)
def test_only_the_harmless_part_of_a_url_is_shown(stage: Stage, url: str, address: str) -> None:
    assert stage.row("SELECT pgcron.channel_address(%s) AS it", url) == {"it": address}


def test_readers_see_channels_but_no_urls_and_no_secrets(stage: Stage, reader_url: str) -> None:
    channel(stage, secret="0123456789abcdef")
    with psycopg.connect(reader_url, autocommit=True) as reader:
        assert reader.execute("SELECT name, address FROM pgcron.cron_channel").fetchall() == [("hook", "webhook+http://127.0.0.1:1/***")]  # fmt: skip
        for column in ("url", "secret"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT {column} FROM pgcron.cron_channel")
        assert reader.execute("SELECT count(*) FROM pgcron.health").fetchone() is not None


def test_changes_of_channels_are_audited_without_secrets(stage: Stage) -> None:
    stage.do(
        "SELECT pgcron.add_channel('hook', 'webhook+https://h.example/path-secret', p_secret => 'signing-secret-1')"
    )
    stage.do("""SELECT pgcron.edit_channel('hook', '{"secret": "signing-secret-2", "events": ["failed"]}')""")
    stage.do("SELECT pgcron.remove_channel('hook')")
    rows = stage.rows(
        "SELECT action, old_values, new_values FROM pgcron.cron_audit WHERE action LIKE 'channel%%' ORDER BY id"
    )
    assert [row["action"] for row in rows] == ["channel_created", "channel_changed", "channel_removed"]
    assert rows[1]["new_values"]["url_or_secret"] == "changed"
    assert "secret-" not in str(rows)
    assert "path-secret" not in str(rows)
