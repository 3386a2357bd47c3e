"""Our own webhook: JSON, signed as https://www.standardwebhooks.com says, with a key that is the same at each attempt.

A receiver computes base64(HMAC-SHA256(secret, "{webhook-id}.{webhook-timestamp}.{body}")) and compares it with what follows
"v1," in webhook-signature; it refuses old timestamps, and drops ids that it has seen.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time

from pgcron_py.notify.errors import SendFailed
from pgcron_py.notify.http import Request, sent
from pgcron_py.notify.message import Message

PREFIX = "webhook+"
SECRET_PREFIX = "whsec_"


def send(url: str, secret: str | None, message: Message) -> None:
    """Raises SendFailed."""
    sent(request_for(url, secret, message, int(time.time())))


def request_for(url: str, secret: str | None, message: Message, at: int) -> Request:
    body = json.dumps(message.as_json(), ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": message.key,
        "webhook-id": message.key,
        "webhook-timestamp": str(at),
    }
    if secret:
        headers["webhook-signature"] = f"v1,{signature(secret, message.key, at, body)}"
    return Request("POST", url.removeprefix(PREFIX), headers, body)


def signature(secret: str, key: str, at: int, body: bytes) -> str:
    mac = hmac.new(_bytes_of(secret), f"{key}.{at}.".encode() + body, "sha256")
    return base64.b64encode(mac.digest()).decode()


def _bytes_of(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise SendFailed("the secret begins with whsec_ but is no base64 after it") from None
