"""systemd's notification protocol (sd_notify(3)): READY, STOPPING, STATUS and WATCHDOG as datagrams on a Unix socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgcron_workers.vitals import Vitals

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Executors must not have them, and speak for this service."""


class Notifier:
    """address: of the socket, `@…` for an abstract one; None says nothing. watchdog: systemd's patience in seconds."""

    def __init__(self, address: str | None, watchdog: float | None = None) -> None:
        self._address, self.watchdog = address, watchdog
        self._status = ""
        self._said: set[str] = set()
        self._patted = -float("inf")

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Takes the variables out."""
        address, patience, for_pid = (environment.pop(name, None) for name in VARIABLES)
        patience = patience or ""
        is_mine = patience.isdigit() and int(patience) > 0 and for_pid in (None, "", str(os.getpid()))
        return cls(address, int(patience) / 1e6 if is_mine else None)

    @property
    def is_wanted(self) -> bool:
        return self._address is not None

    def tell(self, vitals: Vitals, is_live: bool) -> None:
        """Says what is new; called often."""
        if vitals.is_ready:
            self._once("READY=1")
        if vitals.is_draining:
            self.stopping()
        if (status := vitals.status()) != self._status and self._send(f"STATUS={status}"):
            self._status = status
        now = time.monotonic()
        if self.watchdog is not None and is_live and now - self._patted >= self.watchdog / 2 - 0.01:
            self._patted = now
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._once("STOPPING=1")

    def _once(self, message: str) -> None:
        if message not in self._said and self._send(message):
            self._said.add(message)

    def _send(self, message: str) -> bool:
        """Never waits and never fails; whether it was sent. A full queue takes it later, and nobody may be listening any more."""
        if self._address is None:
            return True
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), address)
            return True
        return False
