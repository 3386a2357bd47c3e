"""Notifications from a failing run to a real receiver."""

from __future__ import annotations

from support.fleet import Fleet, wait_for
from support.sinks import http_sink, smtp_sink

FAILING = "@app.cron_job('bad', '* * * * * *', max_consecutive_failures=None)\ndef bad(): raise ValueError('no good')\n"


def test_a_failure_is_told_to_a_webhook(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with http_sink() as sink:
        fleet.do("SELECT pgcron.add_channel('hook', %s)", f"webhook+{sink.address}/in")
        fleet.start()
        wait_for(lambda: sink.received, "told")
        (first, *more) = sink.received
        assert first.json["event"] == "failed"
        assert first.json["title"] == "[pgcron] bad failed: error"
        assert not more


def test_a_failure_is_told_by_mail(fleet: Fleet) -> None:
    fleet.app(FAILING)
    with smtp_sink() as sink:
        fleet.do("SELECT pgcron.add_channel('mail', %s)", sink.url)
        fleet.start()
        wait_for(lambda: sink.mails, "mailed")
        (mail,) = sink.mails
        assert mail["Subject"] == "[pgcron] bad failed: error"
        text = mail.get_body(("plain",)).get_content()
        assert "Error: ValueError: no good" in text.splitlines()
        key = fleet.row("SELECT id::text FROM pgcron.cron_delivery")["id"]
        assert mail["X-Pgcron-Key"] == key
        assert f"Key: {key}" in text.splitlines()
