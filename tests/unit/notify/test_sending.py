"""What is sent, without sending it: texts, signatures, pings; and that no secret is in an error."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from pgcron_py.notify import ping, webhook
from pgcron_py.notify.errors import Secrecy, SendFailed
from pgcron_py.notify.message import Message, text, title

FAILED = Message("key-1", "failed", "2026-03-29T01:00:00Z", "nightly", "run-1", "alert-1", "shop", {"reason": "error", "error": "boom", "attempt": 2})  # fmt: skip


def test_a_webhook_is_signed_as_standard_webhooks_are() -> None:
    request = webhook.request_for("webhook+https://h.example/in?a=b", "a-secret-of-ours-1", FAILED, 1_700_000_000)
    assert (request.method, request.url) == ("POST", "https://h.example/in?a=b")
    assert request.headers["webhook-id"] == request.headers["Idempotency-Key"] == "key-1"
    assert request.body is not None
    signed = b"key-1.1700000000." + request.body
    expected = base64.b64encode(hmac.new(b"a-secret-of-ours-1", signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(request.body)["event"] == "failed"


def test_the_example_of_the_standard_verifies() -> None:
    """Secret, id, timestamp, payload and signature of the specification's reference libraries."""
    signature = webhook.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_says_base64_and_is_not_is_an_error() -> None:
    with pytest.raises(SendFailed, match="no base64"):
        webhook.signature("whsec_***", "id", 1, b"")


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in webhook.request_for("webhook+http://h", None, FAILED, 1).headers


@pytest.mark.parametrize(
    ("url", "word", "target"),
    [
        ("https://hc.example/uuid", "start", "https://hc.example/uuid/start?rid=r1"),
        ("https://hc.example/uuid/", "success", "https://hc.example/uuid?rid=r1"),
        ("https://hc.example/uuid?create=1", "fail", "https://hc.example/uuid/fail?create=1&rid=r1"),
    ],
)
def test_pings_have_the_form_of_healthchecks(url: str, word: str, target: str) -> None:
    request = ping.request_for(url, {"ping": word, "run_id": "r1"})
    assert (request.method, request.url) == ("GET", target)


def test_a_failing_ping_says_why() -> None:
    request = ping.request_for(
        "https://hc.example/uuid", {"ping": "fail", "run_id": "r1", "reason": "error", "error": "boom"}
    )
    assert (request.method, request.body) == ("POST", b"error\nboom")


def test_a_message_has_a_title_and_a_fact_on_each_line() -> None:
    assert title(FAILED) == "[pgcron] nightly failed: error"
    assert text(FAILED).splitlines() == [
        "Job: nightly", "Error: boom", "Reason: error", "Attempt: 2", "At: 2026-03-29T01:00:00Z", "Database: shop", "Key: key-1"
    ]  # fmt: skip


@pytest.mark.parametrize("event", ["recovered", "auto_disabled", "late", "missed", "slow", "unsuccessful", "no_worker", "fleet_silent", "test", "of the future"])  # fmt: skip
def test_every_event_has_a_title(event: str) -> None:
    message = Message("k", event, "now", None, None, None, "shop", {})
    assert title(message).startswith("[pgcron] ")
    assert "None" not in title(message)


@pytest.mark.parametrize(
    ("url", "leak"),
    [
        ("slack://TokenA123/TokenB456/TokenC789", "POST /services/TokenA123/TokenB456/TokenC789 refused"),
        ("mailtos://me:hunter2hunter@mail.example", "535 bad login me hunter2hunter at mail.example"),
        ("webhook+https://h.example/Sup3r-Secret-Path", "HTTPSConnection h.example Sup3r-Secret-Path"),
        ("tgram://123456789:ABCdef_ghi/987", "bot123456789:ABCdef_ghi not found"),
    ],
)
def test_errors_show_nothing_of_a_url_that_may_be_a_token(url: str, leak: str) -> None:
    shown = Secrecy(url, "signing-secret-xyz").redact(f"{leak} signing-secret-xyz {url}")
    for part in ("TokenA123", "TokenB456", "TokenC789", "hunter2hunter", "Sup3r", "ABCdef_ghi", "signing-secret"):
        assert part not in shown
    if ".example" in leak:
        assert ".example" in shown
