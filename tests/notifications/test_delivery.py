"""Notifications from a run to a real receiver, by real workers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import signal
from typing import Any

import pytest

from support.fleet import Fleet, wait_for
from support.sinks import HttpSink, http_sink, smtp_sink

pytestmark = pytest.mark.long  # most wait for several rounds of several processes
SECRET = "a-secret-for-the-hook-1"
FAILING = "@app.cron_job('bad', '* * * * * *', max_consecutive_failures=None)\ndef bad(): raise ValueError('no good')\n"
STEERED = """
import pathlib
@app.cron_job('steered', '* * * * * *', max_consecutive_failures=None)
def steered():
    if pathlib.Path('broken').exists():
        raise ValueError('no good')
"""


def hook(fleet: Fleet, sink: HttpSink, name: str = "hook", path: str = "in", **filters: Any) -> None:
    arguments = "".join(f", p_{key} => %s" for key in filters)
    fleet.do(f"SELECT pgcron.add_channel(%s, %s{arguments})", name, f"webhook+{sink.address}/{path}", *filters.values())


def try_again(fleet: Fleet) -> None:
    fleet.do("SELECT pgcron.retry_deliveries()")


def test_one_message_for_a_streak_and_one_for_its_end_both_signed(fleet: Fleet) -> None:
    fleet.app(STEERED)
    (fleet.folder / "broken").touch()
    with http_sink() as sink:
        hook(fleet, sink, secret=SECRET)
        fleet.start()
        fleet.ended("steered", 3)
        (fleet.folder / "broken").unlink()
        wait_for(lambda: len(sink.received) >= 2, "failure and recovery")
        fleet.ended("steered", 6)
        assert sink.events == ["failed", "recovered"]
    for it in sink.received:
        signed = f"{it.headers['webhook-id']}.{it.headers['webhook-timestamp']}.".encode() + it.body
        mac = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert it.headers["webhook-signature"] == f"v1,{mac}"
        assert it.headers["idempotency-key"] == it.json["id"]
    failed, recovered = (it.json for it in sink.received)
    assert (failed["job"], failed["payload"]["error"]) == ("steered", "ValueError: no good")
    assert failed["title"] == "[pgcron] steered failed: error"
    assert failed["alert_id"] == recovered["alert_id"]
    assert recovered["payload"]["count"] >= 1
    assert fleet.rows("SELECT DISTINCT state FROM pgcron.cron_delivery") == [{"state": "DELIVERED"}]


def test_a_failure_is_told_by_mail(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with smtp_sink() as sink:
        fleet.do("SELECT pgcron.add_channel('mail', %s)", sink.url)
        fleet.start()
        wait_for(lambda: sink.mails, "mailed")
        (mail,) = sink.mails
    assert mail["Subject"] == "[pgcron] bad failed: error"
    body = mail.get_body(("plain",))
    assert body is not None
    lines = body.get_content().splitlines()
    assert "Error: ValueError: no good" in lines
    row = fleet.row("SELECT id, alert_id FROM pgcron.cron_delivery")
    assert mail["X-Pgcron-Key"] == str(row["id"])
    assert mail["References"] == f"<{row['alert_id']}@pgcron>"
    assert f"Key: {row['id']}" in lines


@pytest.mark.long
def test_a_generic_service_of_apprise_gets_it_too(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with http_sink(200) as sink:
        fleet.do("SELECT pgcron.add_channel('json', %s)", f"json://127.0.0.1:{sink.port}/in")
        fleet.start()
        wait_for(lambda: sink.received, "told")
        (it,) = sink.received
        assert it.json["title"] == "[pgcron] bad failed: error"
        assert it.headers["x-pgcron-key"]


@pytest.mark.parametrize(
    "manner", [500, pytest.param(404, marks=pytest.mark.long), pytest.param("close", marks=pytest.mark.long)]
)
def test_a_receiver_that_refuses_gets_the_same_key_again_until_it_takes_it(fleet: Fleet, manner: int | str) -> None:
    fleet.app(FAILING)
    with http_sink(manner) as sink:
        hook(fleet, sink, path="Very-Secret-Path")
        worker = fleet.start()
        worker.says("notification_not_delivered")
        try_again(fleet)
        wait_for(lambda: len(sink.received) == 2, "tried again")
        wait_for(lambda: fleet.row("SELECT claim_token IS NULL AS is_settled FROM pgcron.cron_delivery")["is_settled"], "settled")  # fmt: skip
        row = fleet.row("SELECT state, attempts, last_error FROM pgcron.cron_delivery")
        assert (row["state"], row["attempts"]) == ("PENDING", 2)
        assert str(manner) in row["last_error"] or "RemoteDisconnected" in row["last_error"]
        sink.manner = 200
        try_again(fleet)
        wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_delivery WHERE state = 'DELIVERED'"), "delivered")
        assert len({it.headers["idempotency-key"] for it in sink.received}) == 1
    assert "Very-Secret" not in worker.log
    assert "Very-Secret" not in str(fleet.rows("SELECT last_error FROM pgcron.cron_delivery"))


@pytest.mark.long
def test_mail_to_a_server_that_refuses_waits_and_its_password_is_not_seen(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with http_sink() as sink:
        pass  # nobody listens at its port any more
    fleet.do("SELECT pgcron.add_channel('mail', %s)", f"mailto://me:hunter2hunter2@127.0.0.1:{sink.port}?from=a@b.example&to=c@d.example&mode=insecure")  # fmt: skip
    worker = fleet.start()
    worker.says("notification_not_delivered")
    assert "refused" in fleet.row("SELECT last_error FROM pgcron.cron_delivery")["last_error"].lower()
    assert "hunter2" not in worker.log
    assert "hunter2" not in str(fleet.rows("SELECT last_error FROM pgcron.cron_delivery"))


@pytest.mark.long
def test_a_worker_killed_while_it_sends_leaves_the_message_to_another_with_the_same_key(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with http_sink("hang") as sink:
        hook(fleet, sink)
        first = fleet.start()
        wait_for(lambda: sink.received, "it is on its way")
        first.signal_tree(signal.SIGKILL)
        first.process.wait(10)
        sink.manner = 200
        second = fleet.start()
        fleet.ended("bad", 2)
        assert len(sink.received) == 1  # the lease of the first is not over
        fleet.do("UPDATE pgcron.cron_delivery SET next_attempt_at = clock_timestamp()")
        fleet.do("NOTIFY pgcron, 'outbox'")
        wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_delivery WHERE state = 'DELIVERED'"), "delivered")
        assert [it.headers["idempotency-key"] for it in sink.received] == [
            sink.received[0].headers["idempotency-key"]
        ] * 2
        assert second.stop() == 0


@pytest.mark.long
def test_a_receiver_that_hangs_delays_no_run_and_no_other_receiver(fleet: Fleet) -> None:
    fleet.app(FAILING + "@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n")
    with http_sink("hang") as hanging, http_sink() as well:
        hook(fleet, hanging, "hangs")
        hook(fleet, well, "well")
        worker = fleet.start()
        wait_for(lambda: hanging.received and well.received, "one hangs, one has it")
        begun = len(fleet.ended("tick"))
        fleet.ended("tick", begun + 5)
        assert not hanging.let_go.is_set()
        assert len(hanging.received) == 1
        lags = [row["lag"] for row in fleet.rows(
            "SELECT extract(epoch FROM l.started_at - l.scheduled_for)::float8 AS lag FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = 'tick' AND l.seq > %s", begun
        )]  # fmt: skip
        assert sorted(lags)[len(lags) // 2] < 0.25
        assert fleet.broken_invariants() == []
        assert worker.stop() == 0


def test_a_worker_that_leaves_sends_what_its_last_runs_have_to_tell(fleet: Fleet) -> None:
    fleet.app(
        "@app.handler('wait')\nasync def wait():\n    await asyncio.sleep(1)\n    raise ValueError('in the end')\n"
    )
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('wait', '* * * * * *', 'wait')")
    with http_sink() as sink:
        hook(fleet, sink)
        worker = fleet.start()
        wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log"), "a run goes on")
        assert worker.stop() == 0
        assert sink.events == ["failed"]


def test_pings_say_start_success_and_fail_of_each_run(fleet: Fleet) -> None:
    fleet.app(STEERED)
    with http_sink() as sink:
        fleet.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, ping_url) VALUES ('pinged', '* * * * * *', 'jobs:steered', %s)",
            f"{sink.address}/uuid-1",
        )
        fleet.start()
        seen = lambda: [path for path in sink.paths if path.startswith("/uuid-1")]  # noqa: E731 - read often below
        wait_for(lambda: len(seen()) >= 4, "pinged")
        (fleet.folder / "broken").touch()
        wait_for(lambda: any("/fail?" in path for path in seen()), "pinged the failure")
        failing = next(it for it in sink.received if "/fail?" in it.path)
        assert (failing.method, failing.body) == ("POST", b"error\nValueError: no good")
    starts = {path.partition("rid=")[2] for path in seen() if "/start?" in path}
    ends = {path.partition("rid=")[2] for path in seen() if "/start?" not in path}
    assert starts & ends
    for run in starts & ends:
        mine = [path for path in seen() if run in path]
        assert "/start?" in mine[0]
        assert len(mine) == 2


@pytest.mark.long
def test_a_ping_url_that_hangs_delays_no_run(fleet: Fleet) -> None:
    fleet.app("@app.handler('tick')\nasync def tick(): ...\n")
    with http_sink("hang") as sink:
        fleet.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, ping_url) VALUES ('tick', '* * * * * *', 'tick', %s)",
            f"{sink.address}/uuid",
        )
        fleet.start()
        wait_for(lambda: sink.received, "it hangs")
        begun = len(fleet.ended("tick"))
        fleet.ended("tick", begun + 4)
        assert len(sink.received) == 1
        lag = "SELECT extract(epoch FROM max(started_at - scheduled_for))::float8 AS lag FROM pgcron.cron_log WHERE seq > %s"
        assert fleet.row(lag, begun)["lag"] < 1


def test_a_fleet_that_was_away_says_from_when_until_when(fleet: Fleet) -> None:
    fleet.app("@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n")
    with http_sink() as sink:
        hook(fleet, sink, events=["fleet_silent"])
        worker = fleet.start()
        wait_for(lambda: fleet.row("SELECT looked_at FROM pgcron.cron_watch")["looked_at"], "it is there")
        worker.stop()
        fleet.do("UPDATE pgcron.cron_watch SET looked_at = looked_at - interval '1 h'")  # an hour later
        fleet.start()
        wait_for(lambda: sink.received, "told")
        assert sink.events == ["fleet_silent"]
        assert sink.received[0].json["payload"]["since"] < sink.received[0].json["payload"]["until"]
