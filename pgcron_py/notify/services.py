"""E-mail, Slack and a hundred others, through apprise. Imported by the child process only, and there when first needed."""

from __future__ import annotations

import logging
import threading
from typing import Any

from pgcron_py.notify.errors import SendFailed
from pgcron_py.notify.message import Message, text, title

KINDS = {"recovered": "success", "test": "info", "slow": "warning", "late": "warning", "missed": "warning"}


class _Overheard(logging.Handler):
    """What apprise logs while it sends is all it says about a failure; each thread sends one message."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: dict[int, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.setdefault(threading.get_ident(), []).append(record.getMessage())

    def taken(self) -> str:
        return "; ".join(self._lines.pop(threading.get_ident(), []))


_OVERHEARD = _Overheard()


def service(url: str) -> Any:
    """What apprise makes of the URL. Raises SendFailed when that is nothing."""
    import apprise

    logger = logging.getLogger("apprise")
    if _OVERHEARD not in logger.handlers:
        logger.addHandler(_OVERHEARD)
        logger.setLevel(logging.WARNING)  # on debug it would log whole messages
        logger.propagate = False
    made = apprise.Apprise.instantiate(url)
    if made is None:
        why = _OVERHEARD.taken()
        raise SendFailed(f"apprise can't read this URL{f': {why}' if why else ''}")
    return made


def send(url: str, message: Message) -> None:
    """Raises SendFailed."""
    made = service(url)
    import apprise

    headers = getattr(made, "headers", None)
    if isinstance(headers, dict):  # of e-mail and of generic HTTP services
        headers |= {"X-Pgcron-Key": message.key}
        if message.alert_id:  # mail programs show a failure and its recovery together
            headers["References"] = f"<{message.alert_id}@pgcron>"
    kind = KINDS.get(message.event, "failure")
    sending = apprise.Apprise(made)  # and not `made` itself: this one makes HTML of the text where a service wants that
    if not sending.notify(text(message), title(message), notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
        raise SendFailed(_OVERHEARD.taken() or "the service refused, and apprise doesn't say why")
    _OVERHEARD.taken()
