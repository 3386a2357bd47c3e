"""Secrets out of text: passwords in URLs, values of secret-like names, bearer tokens, PEM, JWT, values of the environment.

Linear in the text's length: every pattern either consumes what it looked at or looks at a bounded piece; quantifiers are
possessive. Redacting what was redacted changes nothing. Rather too much than too little: a value goes to the next space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

REDACTED = "[redacted]"
MOST_PASSES = 4

_KEYS = r"(?:api|access|private|secret|signing|encryption|auth|master|account|shared|host|ssh|license)[_\-]?key"
_WORDS = rf"passw|passphrase|pwd|secret|token|credential|session_?id|signature|{_KEYS}"
# A name with its sign; whether the name is secret-like is asked afterwards, so that no word is looked at twice.
_SIGNED = re.compile(r"""(?<![\w\-])([\w\-]++)(?:\\*+["'])?\]?[ \t]{0,3}+(?:=>|:=|==|[:=])[ \t]{0,3}+""")
_NAME_SEEN = 120  # of a longer name, the end
_QUOTE = re.compile(r"""[bruBRU]{0,2}\\*["']""")
_VALUE = re.compile(r"""[bruBRU]{0,2}(?:\\++["'][^"'\\\n]*+|"(?:[^"\\\n]|\\.)*+|'(?:[^'\\\n]|\\.)*+)|\S++""")
_HEADER = re.compile(
    r"""(?i)((?:authorization|cookie)(?:\\*+["'])?[ \t]{0,3}+(?:=>|[:=])[ \t]{0,3}+(?:b?\\*+["'])?)([^\n"'\\]++)"""
)
_BEARER = re.compile(
    r"(?i)(bearer[ \t]{1,3}+)(\S{8,}+)|(basic[ \t]{1,3}+)([A-Z0-9+/_\-]{6,}+={1,2}|[A-Z0-9+/_\-]{20,}+)"
)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}+-----(?s:.)*?(?:-----END [A-Z0-9 ]{0,60}+-----|\Z)")
_URL = re.compile(r"""://((?:(?!://)[^\s"'<>])++)""")
_RUN = re.compile(r"[A-Za-z0-9_.\-]{20,}+")
_KNOWN = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_\w{20}|github_pat_|glpat-|xox[abprs]-|sk_live_|rk_live_|sk-ant-|AIza[\w\-]{30}"
)
_DETAIL_KEY = re.compile(
    r"([Kk]ey \([^\n=]{0,100}?\)=\()(?s:.)*?(\) (?:already exists|is not present|is still referenced|conflicts with|is duplicated)|\Z)"
)
_DETAIL_ROW = re.compile(r"(Failing row contains \()(?s:.)*?(\)\.|\Z)")
_HOST_END = re.compile(r"[/?#]")
_COUNT = re.compile(r"\d{1,9}[,;)\]}.]*")
_HARMLESS = re.compile(r"""[bruBRU]?\\*["']?(?:none|null|true|false|nan)?\\*["']?[,;)\]}]*""", re.IGNORECASE)

SECRET_NAME = re.compile(rf"(?i){_WORDS}|authorization|cookie|(?:^|[_\-])(?:auth|dsn|pin)$")
UNSAYABLE_NUMBER = re.compile(r"(?i)passw|passphrase|pwd|secret|credential|pin$")
SECRET_VARIABLE = re.compile(
    r"(?i)passw|pwd|passphrase|secret|token|key|credential|cookie|signature|(?:^|_)(?:auth|dsn)(?:_|$)"
)
COMMON = frozenset(
    {"password", "passwort", "postgres", "localhost", "production", "development", "disabled", "enabled", "undefined", "internal",
     "required", "optional", "username", "database", "redacted", "keyboard", "external", "filename"}
)  # fmt: skip
SHORTEST = 8


class Redactor:
    """Knows the secrets of this process beside the forms that all secrets have."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        forms = {form for value in known for form in _forms(value)}
        self._known = sorted((f for f in forms if f not in REDACTED and REDACTED not in f), key=len, reverse=True)

    def redact(self, text: str) -> str:
        for _ in range(MOST_PASSES):
            clean = self._once(text)
            if clean == text:
                break
            text = clean
        return text

    def _once(self, text: str) -> str:
        for value in self._known:
            if value in text:
                text = text.replace(value, REDACTED)
        if "-----BEGIN " in text:
            text = _PEM.sub(REDACTED, text)
        if "://" in text:
            text = _URL.sub(_url, text)
        if "ey (" in text or "Failing row" in text:
            text = _DETAIL_ROW.sub(rf"\1{REDACTED}\2", _DETAIL_KEY.sub(rf"\1{REDACTED}\2", text))
        text = _RUN.sub(_run, text)
        low = text.lower()
        if "authorization" in low or "cookie" in low:
            text = _HEADER.sub(_header, text)
        if "bearer" in low or "basic" in low:
            text = _BEARER.sub(_bearer, text)
        return _pairs(text) if "=" in text or ":" in text else text


def secrets_of(environment: Mapping[str, str], *urls: str) -> set[str]:
    """Values that must never be seen: of secret-like variables, and passwords inside URLs."""
    found = {value.strip() for name, value in environment.items() if SECRET_VARIABLE.search(name)}
    found |= {password for value in (*environment.values(), *urls) for password in _passwords(value)}
    return {value for value in found if len(value) >= SHORTEST and value.lower() not in COMMON}


def _passwords(text: str) -> list[str]:
    if "://" not in text or "@" not in text:
        return []
    try:
        password = urlsplit(text.strip()).password
    except ValueError:
        return []
    return [password, unquote(password)] if password else []


def _forms(value: str) -> set[str]:
    """The value as it is, and as JSON, repr() and URLs write it; of several lines, each."""
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    parts = [value, *(line for line in lines if len(line) >= 2 * SHORTEST)]
    escaped = {
        form for part in parts for form in (part, json.dumps(part)[1:-1], repr(part)[1:-1], quote(part, safe=""))
    }
    return {form for form in escaped if len(form) >= SHORTEST}


def _url(match: re.Match[str]) -> str:
    """user:password@host: the password goes up to the last @, whatever it contains."""
    rest = match[1]
    at = rest.rfind("@")
    if at < 0:
        return match[0]
    user, colon, password = rest[:at].partition(":")
    host_ends = _HOST_END.search(rest)
    if colon and password:
        port, slash, _ = password.partition("/")
        is_path = bool(slash) and (not port or port.isdigit()) and "@" not in port
        return match[0] if is_path or "/" in user or "?" in user else f"://{user}:{REDACTED}{rest[at:]}"
    at = rest.rfind("@", 0, host_ends.start() if host_ends else len(rest))
    return f"://{REDACTED}{rest[at:]}" if at >= 16 else match[0]


def _run(match: re.Match[str]) -> str:
    text = match[0]
    token = text.find("eyJ")
    if token >= 0 and text.find(".", token) >= 0:
        return text[:token] + REDACTED
    known = _KNOWN.search(text)
    return text[: known.start()] + REDACTED if known else text


def _header(match: re.Match[str]) -> str:
    return match[1] + REDACTED if match[2].strip() else match[0]


def _bearer(match: re.Match[str]) -> str:
    return (match[1] or match[3]) + REDACTED


def _pairs(text: str) -> str:
    """name=value, "name": value and the like, where the name is secret-like."""
    parts, done = [], 0
    for signed in _SIGNED.finditer(text):
        if signed.start() < done or not SECRET_NAME.search(signed[1][-_NAME_SEEN:]):
            continue
        value = _VALUE.match(text, signed.end())
        if value is None or _is_harmless(signed[1], value[0]):
            continue
        quote_ = _QUOTE.match(value[0])
        parts.append(f"{text[done : signed.end()]}{quote_[0] if quote_ else ''}{REDACTED}")
        done = value.end()
    return "".join(parts) + text[done:]


def _is_harmless(name: str, value: str) -> bool:
    """Nothing, a word of JSON, or a count of tokens."""
    return bool(_HARMLESS.fullmatch(value)) or ("token" in name.lower() and bool(_COUNT.fullmatch(value)))
