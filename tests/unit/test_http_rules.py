"""Which URLs and addresses `pgcron.http` accepts."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from pgcron_py.errors import InvalidArguments
from pgcron_workers.handlers.addresses import AddressRefused, NotResolved, checked_addresses, is_allowed
from pgcron_workers.handlers.urls import InvalidUrl, Pattern, Url


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com", "https://API.example.com.:443/a/../b?c"),
        ("https://api.example.com/", "https://api.example.com/deep/down"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooks/1?token=x"),
        ("https://api.example.com/ping", "https://api.example.com/ping"),
        ("https://*.example.com", "https://a.b.example.com"),
        ("http://*", "http://anything.test"),
        ("http://localhost:8080", "http://localhost:8080/"),
        ("http://localhost:*", "http://localhost:9"),
        ("http://[::1]:8080", "http://[::1]:8080/x"),
        ("https://bücher.example", "https://xn--bcher-kva.example/"),
    ],
)
def test_allowed(pattern: str, url: str) -> None:
    assert Pattern.of(pattern).allows(Url.of(url))


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("https://api.example.com", "http://api.example.com"),
        ("https://api.example.com", "https://api.example.com:8443"),
        ("https://api.example.com", "https://api.example.com.evil.test"),
        ("https://api.example.com", "https://evil.test/?https://api.example.com"),
        ("https://*.example.com", "https://example.com"),
        ("https://*.example.com", "https://badexample.com"),
        ("https://api.example.com/ping", "https://api.example.com/pings"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooksy"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooks/../admin"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooks/%2e%2E/admin"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooks/%252e%252e%252fadmin"),
        ("https://api.example.com/hooks/*", "https://api.example.com/hooks/..;/admin"),
    ],
)
def test_not_allowed(pattern: str, url: str) -> None:
    assert not Pattern.of(pattern).allows(Url.of(url))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "//example.com",
        "https://user:word@example.com",
        "https://example.com@evil.test",
        "https://example.com\\@evil.test",
        "https://exa mple.com",
        "https://example.com/\r\nX: y",
        "https://example.com:99999",
        "https://[fe80::1%25eth0]/",
        "https://example.com/ä",
        "https://example.com/" + "a" * 9_000,
    ],
)
def test_urls_that_are_never_asked(url: str) -> None:
    with pytest.raises(InvalidUrl):
        Url.of(url)


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "ftp://example.com",
        "https://a*b.example",
        "https://x/*/y",
        "https://u@x",
        "https://x?y",
        "https://x y",
    ],
)
def test_patterns_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidArguments, match="PGCRON_HTTP_ALLOW"):
        Pattern.of(text)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1",
        "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(address: str) -> None:
    assert not is_allowed(ip_address(address), [])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_not(address: str) -> None:
    assert is_allowed(ip_address(address), [])


def test_a_private_network_may_be_allowed_and_only_that() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert is_allowed(ip_address("fd12::1"), networks)
    assert not is_allowed(ip_address("10.2.0.1"), networks)


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_name() -> None:
    with pytest.raises(AddressRefused, match=r"example\.com is 10\.0\.0\.1"):
        checked_addresses("example.com", 443, [], lambda host, port: ["8.8.8.8", "10.0.0.1"], 1)


@pytest.mark.parametrize("name", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_odd_ways_to_write_an_address_are_resolved_and_then_refused(name: str) -> None:
    from pgcron_workers.handlers.addresses import resolved

    with pytest.raises(AddressRefused):
        checked_addresses(name, 80, [], resolved, 5)


def test_a_resolver_that_hangs_or_fails_is_told() -> None:
    import threading

    with pytest.raises(NotResolved, match=r"within 0\.05 s"):
        checked_addresses("slow.test", 80, [], lambda host, port: threading.Event().wait() and [], 0.05)

    def fails(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(NotResolved, match="no such name"):
        checked_addresses("none.test", 80, [], fails, 1)
