"""To which addresses `pgcron.http` connects: a name is resolved once, and what was checked is what is connected to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class AddressRefused(Exception):
    """A name that leads to an address which is not the public internet's, nor allowed."""


class NotResolved(Exception):
    """A name that leads nowhere, for now at least."""


def resolved(host: str, port: int) -> list[str]:
    """Every address of a name, as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(
    host: str, port: int, private: Sequence[Network], resolve: Resolve, seconds: float
) -> list[Address]:
    """The addresses of a name, all of them allowed. Raises AddressRefused, NotResolved."""
    addresses = [_address(text) for text in _within(seconds, lambda: resolve(host, port), host)]
    for address in addresses:
        if not is_allowed(address, private):
            raise AddressRefused(f"{host} is {address}, which is private: PGCRON_HTTP_ALLOW_PRIVATE does not allow it")
    if not addresses:
        raise NotResolved(f"{host} has no address")
    return addresses


def is_allowed(address: Address, private: Sequence[Network]) -> bool:
    """Public, or inside a network that is allowed on purpose; so is every IPv4 address inside an IPv6 one."""
    inside = embedded(address)
    return (_is_public(address) or _is_in(address, private)) if inside is None else is_allowed(inside, private)


def embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address to which an IPv6 one leads: mapped, 6to4, Teredo, NAT64, compatible."""
    if isinstance(address, IPv4Address):
        return None
    if address.teredo is not None:
        return address.teredo[1]
    found = address.ipv4_mapped or address.sixtofour
    if found is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        found = IPv4Address(int(address) & 0xFFFFFFFF)
    return found


def _is_public(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or (isinstance(address, IPv6Address) and (address.is_site_local or address.scope_id is not None))
    )


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise NotResolved(f"{text!r} is no address") from None


def _within(seconds: float, resolve: Callable[[], Sequence[str]], host: str) -> Sequence[str]:
    """The system's resolver takes no time-out; a thread that is left behind ends by itself."""
    found: list[Sequence[str]] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(resolve())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True, name="pgcron-resolve")
    thread.start()
    thread.join(seconds)
    if failed:
        raise NotResolved(f"{host} can't be resolved: {failed[0]}")
    if not found:
        raise NotResolved(f"{host} could not be resolved within {seconds:g} s")
    return found[0]
