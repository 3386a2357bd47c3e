"""Text on its way to the database: valid UTF-8 without NUL and lone surrogates, bounded, without secrets."""

from __future__ import annotations

import os

from pgcron_workers.executors.redaction import REDACTED, Redactor, secrets_of

MARGIN = 4_096  # looked at beyond a cut, so that a secret on the cut is still known as one
CUT = "…"


class _Known:
    """What this process must never show; of its environment, as it was when this module was first used."""

    redactor = Redactor(secrets_of(os.environ))


def keep_secret(*urls: str) -> None:
    """Looks at the environment again, and at the passwords of these URLs."""
    _Known.redactor = Redactor(secrets_of(os.environ, *urls))


def plain(text: str) -> str:
    """The same characters without whatever subclass of str they came in: its methods may raise or lie."""
    return str.__getitem__(text, slice(None))


def name_of(error: BaseException) -> str:
    """The name of its class, whatever its metaclass says."""
    return plain(type.__dict__["__name__"].__get__(type(error)))


def clean(text: str) -> str:
    """A plain str that UTF-8 and PostgreSQL can hold, whatever subclass of str it was."""
    return str.encode(text, "utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def redacted(text: str) -> str:
    return _Known.redactor.redact(text)


def storable(text: str, limit: int) -> str:
    """Clean and redacted, at most `limit` characters: the beginning."""
    if str.__len__(text) <= limit:
        return bounded(redacted(clean(text)), limit)
    return _head(text, limit - 1) + CUT


def bounded(text: str, limit: int) -> str:
    """A text without secrets; at most `limit` characters, and no half of a mark at its end."""
    if len(text) <= limit:
        return text
    return _without_half_mark(text[: limit - 1]) + CUT


def storable_ends(text: str, limit: int) -> str:
    """Clean and redacted: a quarter of `limit` from the beginning, the rest from the end, where traces say most."""
    if str.__len__(text) <= limit:
        return bounded(redacted(clean(text)), limit)
    head, tail = limit // 4, limit - limit // 4 - 3
    return f"{_head(text, head)}\n{CUT}\n{_tail(text, tail)}"


def _head(text: str, size: int) -> str:
    """What was cut off may have belonged to a secret: the last MARGIN of what is looked at is left out."""
    seen = redacted(clean(str.__getitem__(text, slice(0, size + MARGIN))))
    return _without_half_mark(seen[: max(0, min(size, len(seen) - MARGIN))])


def _tail(text: str, size: int) -> str:
    seen = redacted(clean(str.__getitem__(text, slice(-size - MARGIN, None))))
    return seen[max(len(seen) - size, min(MARGIN, len(seen))) :]


def _without_half_mark(text: str) -> str:
    start = text.rfind("[", max(0, len(text) - len(REDACTED) + 1))
    return text[:start] if start >= 0 and REDACTED.startswith(text[start:]) else text
