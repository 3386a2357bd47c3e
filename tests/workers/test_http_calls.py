"""Calls of `pgcron.http` against real servers; the resolver is the test's."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pgcron_py.context import JobContext
from pgcron_py.outcomes import Fail
from pgcron_workers.handlers import http
from pgcron_workers.handlers.exchange import Limits
from pgcron_workers.handlers.http import Caller, RequestFailed, Rules, UnexpectedStatus, call_url
from pgcron_workers.handlers.urls import Pattern
from support.sites import Handler, Seen, certificate, says, site

LOCAL = [ip_network("127.0.0.1/32")]


class Names:
    """A resolver that answers from a list for each name, one answer a call."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[host].pop(0)


def caller(names: Names, *, private: Sequence[Any] = LOCAL, seconds: float = 10, **more: Any) -> Caller:
    allow = [Pattern.of("http://*:*"), Pattern.of("https://*:*")]
    return Caller(Rules(allow, private), Limits(seconds, time.monotonic() + seconds), names, **more)


def asked(method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None) -> http._Asked:
    return http._Asked(method, headers or {}, body)


def context() -> JobContext:
    return JobContext(uuid4(), uuid4(), "j", None, 1, 1, "manual")


@pytest.fixture
def open_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "rules", Rules.of(["http://127.0.0.1:*"], ["127.0.0.1/32"]))


def test_it_connects_to_the_address_that_was_checked_under_the_name_that_was_asked() -> None:
    names = Names(site_test=[["127.0.0.1"], ["10.0.0.1"]])
    with site(says(200, b"hello", X_Request_Id="7")) as here:
        one = caller(names)
        one.call(f"http://site.test:{here.port}/a?b=c", asked("POST", {"X-Mine": "1"}, b"data"))
    assert names.asked == ["site.test"]  # once: a second answer, to another address, is never asked for
    (seen,) = here.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/a?b=c", b"data")
    assert (seen.headers["host"], seen.headers["x-mine"]) == (f"site.test:{here.port}", "1")
    assert one.told["status"] == 200
    assert one.told["body"] == "hello"
    assert one.told["headers"]["x-request-id"] == "7"


def test_a_name_that_turns_private_between_two_calls_is_refused_at_the_second() -> None:
    names = Names(site_test=[["127.0.0.1"], ["10.0.0.1"]])
    with (
        site(says(302, Location="/again")) as here,
        pytest.raises(Fail, match=r"site\.test is 10\.0\.0\.1, which is private"),
    ):
        caller(names).call(f"http://site.test:{here.port}/", asked())
    assert len(here.seen) == 1


def test_a_redirect_to_a_private_address_is_refused() -> None:
    names = Names(site_test=[["127.0.0.1"]], **{"169_254_169_254": [["169.254.169.254"]]})
    with (
        site(says(302, Location="http://169.254.169.254/latest/meta-data")) as here,
        pytest.raises(Fail, match="private"),
    ):
        caller(names).call(f"http://site.test:{here.port}/", asked())


def test_a_redirect_to_what_is_not_allowed_is_refused_before_its_name_is_resolved() -> None:
    names = Names(site_test=[["127.0.0.1"]])
    with site(says(302, Location="http://other.test/")) as here:
        rules = Rules([Pattern.of("http://site.test:*")], LOCAL)
        one = Caller(rules, Limits(5, time.monotonic() + 5), names)
        with pytest.raises(
            Fail,
            match=r"the redirect from site\.test is refused: PGCRON_HTTP_ALLOW does not allow http://other\.test:80/",
        ):
            one.call(f"http://site.test:{here.port}/", asked())
    assert names.asked == ["site.test"]


def test_what_was_meant_for_one_origin_is_not_told_to_another() -> None:
    with site(says(200)) as there, site(says(307, Location=f"http://there.test:{there.port}/")) as here:
        names = Names(here_test=[["127.0.0.1"]], there_test=[["127.0.0.1"]])
        headers = {"Authorization": "Bearer x", "X-Api-Key": "y", "Cookie": "z", "Accept": "a/b"}
        caller(names).call(f"http://here.test:{here.port}/", asked("POST", headers, b"data"))
    (seen,) = there.seen
    assert (seen.method, seen.body, seen.headers["accept"]) == ("POST", b"data", "a/b")
    assert not {"authorization", "x-api-key", "cookie"} & seen.headers.keys()


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirected_post_becomes_what_browsers_make_of_it(status: int, method: str) -> None:
    def answer(handler: Handler, seen: Seen) -> None:
        says(*((status, b"") if seen.path == "/" else (200, b"")), Location="/next")(handler, seen)

    with site(answer) as here:
        one = caller(Names(site_test=[["127.0.0.1"], ["127.0.0.1"]]))
        one.call(f"http://site.test:{here.port}/", asked("POST", {}, b"data"))
    assert [seen.method for seen in here.seen] == ["POST", method]
    assert here.seen[1].body == (b"data" if method == "POST" else b"")
    assert one.told["redirects"] == [f"http://site.test:{here.port}/"]


def test_five_redirects_are_followed_and_no_sixth() -> None:
    names = Names(site_test=[["127.0.0.1"]] * 9)
    with site(says(302, Location="/again")) as here, pytest.raises(RequestFailed, match="more than 5 redirects"):
        caller(names).call(f"http://site.test:{here.port}/", asked())
    assert len(here.seen) == 6


def contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server with a certificate for this name, and of a client that trusts it."""
    file = certificate(folder, name)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=file)


def test_tls_is_verified_by_the_name_although_the_address_is_connected_to(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "site.test")
    names = Names(site_test=[["127.0.0.1"]] * 2, other_test=[["127.0.0.1"]])
    with site(says(200, b"safe"), server) as here:
        one = caller(names, tls=client)
        one.call(f"https://site.test:{here.port}/", asked())
        assert one.told["body"] == "safe"
        with pytest.raises(RequestFailed, match=r"certificate of other\.test is refused: .*ostname"):
            caller(names, tls=client).call(f"https://other.test:{here.port}/", asked())
        with pytest.raises(RequestFailed, match=r"certificate of site\.test is refused: self-signed"):
            caller(names).call(f"https://site.test:{here.port}/", asked())


def test_no_redirect_leads_from_https_to_http(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "site.test")
    with site(says(302, Location="http://site.test/"), server) as here, pytest.raises(Fail, match="from https to http"):
        caller(Names(site_test=[["127.0.0.1"]]), tls=client).call(f"https://site.test:{here.port}/", asked())


def test_an_answer_that_drips_ends_with_the_time() -> None:
    def drip(handler: Handler, seen: Seen) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b".")
            time.sleep(0.05)

    began = time.monotonic()
    with site(drip) as here, pytest.raises(RequestFailed, match="no answer in time"):
        caller(Names(site_test=[["127.0.0.1"]]), seconds=0.5).call(f"http://site.test:{here.port}/", asked())
    assert time.monotonic() - began < 2


def test_an_endless_answer_is_read_to_a_limit() -> None:
    def pour(handler: Handler, seen: Seen) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain; charset=latin-1")
        handler.end_headers()
        while True:
            handler.wfile.write(b"\xe9" * 65_536)

    with site(pour) as here:
        one = caller(Names(site_test=[["127.0.0.1"]]))
        answer = one.call(f"http://site.test:{here.port}/", asked())
    assert len(answer.body) == 64 * 1024
    assert (one.told["body"], one.told["is_cut"]) == ("é" * 1024, True)


def test_the_first_address_that_takes_the_connection_is_used() -> None:
    names = Names(site_test=[["127.0.0.2", "127.0.0.1"]])
    with site(says(204)) as here:
        private = [ip_network("127.0.0.0/8")]
        assert caller(names, private=private).call(f"http://site.test:{here.port}/", asked()).status == 204


def test_a_status_that_is_not_expected_fails_and_its_answer_is_kept(open_rules: None) -> None:
    ctx = context()
    with site(says(404, b"nothing here")) as here:
        with pytest.raises(UnexpectedStatus, match="answered 404 Not Found"):
            call_url(ctx, f"http://127.0.0.1:{here.port}/")
        assert ctx._result["body"] == "nothing here"
        call_url(ctx, f"http://127.0.0.1:{here.port}/", expect=[200, "404-410"])
        call_url(ctx, f"http://127.0.0.1:{here.port}/", method="HEAD", expect=["4xx"])


def test_json_is_sent_as_such(open_rules: None) -> None:
    with site(says(201)) as here:
        call_url(context(), f"http://127.0.0.1:{here.port}/", method="POST", json={"a": "é"})
    assert (here.seen[0].body.decode(), here.seen[0].headers["content-type"]) == ('{"a": "é"}', "application/json")
    assert here.seen[0].headers["user-agent"].startswith("pgcron/")


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"headers": {"Host": "evil.test"}}, "header 'Host' can't be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "can't be set"),
        ({"headers": {"X y": "z"}}, "can't be set"),
        ({"headers": {"X": "a\r\nY: b"}}, "control characters"),
        ({"timeout": 0}, "timeout is 0"),
        ({"connect_timeout": -1}, "connect_timeout is -1"),
        ({"expect": ["ok"]}, "expect has 'ok'"),
        ({"body": "a", "json": 1}, "both body and json"),
        ({"url": "http://10.0.0.1/"}, "PGCRON_HTTP_ALLOW does not allow http://10.0.0.1:80/"),
        ({"url": "https://127.0.0.1/"}, "does not allow"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(open_rules: None, args: dict[str, Any], error: str) -> None:
    with site(says(200)) as here:
        with pytest.raises(Fail) as refusal:
            call_url(context(), **({"url": f"http://127.0.0.1:{here.port}/"} | args))
        assert error in str(refusal.value)
    assert here.seen == []


def test_nothing_is_allowed_where_no_setting_allows_it() -> None:
    with pytest.raises(Fail, match="PGCRON_HTTP_ALLOW does not allow"):
        call_url(context(), "https://example.com/")


def test_proxies_of_the_environment_are_not_asked(open_rules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(says(200)) as here, site(says(500)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        call_url(context(), f"http://127.0.0.1:{here.port}/")
    assert proxy.seen == []
