"""Why a message could not be sent, without anything secret in it."""

from __future__ import annotations

import re

MASK = "***"
LONGEST = 500
_PARTS = re.compile(r"[/:@?&=#,+;%]+")
_HARMLESS = re.compile(r"(?:[a-z]{1,12}|\d{1,5}|[a-z0-9.\-]+\.[a-z]{2,})")


class SendFailed(Exception):
    """The receiver refused, or can't be reached. Its text is for people."""


class Secrecy:
    """Knows the secrets of one order: its URL, the parts of it that look like no plain word, number or host, and its secret."""

    def __init__(self, url: str, secret: str | None = None) -> None:
        scheme, _, rest = url.partition("://")
        parts = {part for part in _PARTS.split(rest) if len(part) >= 4 and not _HARMLESS.fullmatch(part)}
        passwords = {part for part in re.findall(r":([^/@]+)@", rest) if len(part) >= 4}
        known = {url, rest, *parts, *passwords, *([secret] if secret else [])} - {scheme, ""}
        self._known = sorted(known, key=len, reverse=True)

    def redact(self, text: str) -> str:
        for value in self._known:
            text = text.replace(value, MASK)
        return " ".join(text.split())[:LONGEST]
