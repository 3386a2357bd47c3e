"""No secret and nothing unstorable gets through, whatever surrounds it; long and nasty texts take no long time."""

from __future__ import annotations

import base64
import json
import os
import string
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgcron_workers.executors.jsonable import MAX_DEPTH
from pgcron_workers.executors.outcome import MAX_ERROR, MAX_TRACE, error_of, json_of, trace_of
from pgcron_workers.executors.redaction import REDACTED, Redactor, secrets_of
from pgcron_workers.executors.sanitise import storable

EXAMPLES = 5_000 if os.environ.get("PGCRON_PROOF") else 500
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
WORD = string.ascii_letters + string.digits
KNOWN = "zQ7known-secret-value"
REDACTOR = Redactor(secrets_of({"SHOP_TOKEN": KNOWN, "MODE": "production"}))

secret = st.text(WORD + "!$*+.~_-", min_size=16, max_size=40).filter(lambda s: s[0] in WORD and s[-1] in WORD)
around = st.text(max_size=30)
name = st.sampled_from(
    ["password", "DB_PASSWORD", "api_key", "client-secret", "access_token", "x.token", "pwd", "aws_secret_access_key"]
)
sign = st.sampled_from(["=", ": ", " = ", ":", "=>", '": "', "': '", '\\": \\"', "'] = '"])
FORMS: dict[str, Any] = {
    "url": lambda s, n, g: f" postgresql://user:{s}@host:5432/db ",
    "pair": lambda s, n, g: f" {n}{g}{s}",
    "bearer": lambda s, n, g: f" Bearer {s}",
    "pem": lambda s, n, g: f"-----BEGIN RSA PRIVATE KEY-----\n{s}\n-----END RSA PRIVATE KEY-----",
    "detail": lambda s, n, g: f"\nDETAIL:  Key (email)=({s}) already exists.",
    "jwt": lambda s, n, g: f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(s.encode()).decode().rstrip('=')}.{s}",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_no_planted_secret_leaks_and_redacting_again_changes_nothing(form: str) -> None:
    @MANY
    @given(secret, name, sign, around, around)
    def planted(s: str, n: str, g: str, before: str, after: str) -> None:
        if s in before + after or (form == "jwt" and not s.isascii()):
            return
        text = before + FORMS[form](s, n, g) + " " + after
        clean = REDACTOR.redact(text)
        assert s not in clean
        assert REDACTOR.redact(clean) == clean

    planted()


@MANY
@given(around, around, st.sampled_from([str, repr, json.dumps, lambda s: f"x{s}y"]))
def test_values_of_secret_variables_never_show(before: str, after: str, form: Any) -> None:
    clean = REDACTOR.redact(before + form(KNOWN) + after)
    assert KNOWN not in clean
    assert REDACTOR.redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    ["https://h:8080/path?mail=a@b.c", "tokens: 1532", "password=None", "monkey: 1", "KeyError: 'x'", "mode production", "the basic idea",
     "postgresql://user@host/db", "2026-03-29T02:30:00Z GET /x 200"],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


PIECES = ["a", "a=", "password", 'password="', "password=\\", "://a:", "://a:@", "eyJ", "eyJ.", "-----BEGIN A-----", "-----BEGIN ",
          "Key (", "Key (a)=(", "Failing row contains (", "bearer ", "authorization: ", "AKIA", "\\", '"', "\0", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_mebibyte_of_anything_takes_less_than_a_second(piece: str) -> None:
    text = piece * ((1 << 20) // len(piece))
    began = time.process_time()
    error, trace, value = error_of(ValueError(text)), trace_of(ValueError(text)), json_of([text[:200_000]])
    assert time.process_time() - began < 1
    assert len(error) <= MAX_ERROR
    assert trace is not None
    assert len(trace) <= MAX_TRACE
    json.dumps(value)


@pytest.mark.parametrize("offset", range(0, 40, 3))
def test_a_secret_on_the_cut_leaves_no_half(offset: int) -> None:
    text = "x " * 50 + "." * offset + " password=abcdefghijklmnop " + "y" * 200
    for limit in range(90, 200):
        clean = storable(text, limit)
        assert len(clean) <= limit
        assert "abc" not in clean


leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(object())
    | st.complex_numbers()
)
weird = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner), max_leaves=20)  # fmt: skip


def depth_of(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, parts), default=0)


@MANY
@given(weird)
def test_any_value_becomes_json_that_jsonb_takes(value: Any) -> None:
    text = json.dumps(json_of(value), allow_nan=False)
    assert "\\u0000" not in text
    assert json_of(json.loads(text)) == json.loads(text)


def test_depth_size_and_secret_names_are_bounded() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert depth_of(json_of(deep)) <= MAX_DEPTH + 2
    assert json_of("x" * 2_000_000) == {"truncated": True, "size": 2_000_000}
    assert json_of({"password": 1, "a": {"api_key": ["k"]}, "tokens": 5}) == {"password": REDACTED, "a": {"api_key": [REDACTED]}, "tokens": 5}  # fmt: skip


def test_traces_show_files_below_the_path_and_no_locals() -> None:
    hidden = "local-value-that-stays"
    try:
        json.loads("{" + hidden[:0])
    except ValueError as error:
        trace = trace_of(error)
    assert trace is not None
    assert 'File "json/decoder.py"' in trace
    assert 'File "/' not in trace
    assert hidden not in trace
