"""SIGINT, SIGTERM and SIGHUP: the first ends the demo cleanly, the second hurries."""

from __future__ import annotations

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedEarly(BaseException):
    """Asked to end while the set-up was still going on."""


class Stopping:
    """interrupts: whether the first signal breaks off what goes on (the set-up) or is only noted."""

    def __init__(self) -> None:
        self.interrupts = True
        self._count = 0
        self._event = threading.Event()

    def listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._heard)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self._event.set()
        if self.interrupts:
            self.interrupts = False
            raise StoppedEarly

    @property
    def is_asked(self) -> bool:
        return self._count > 0

    @property
    def is_urgent(self) -> bool:
        return self._count > 1

    def wait(self, seconds: float) -> bool:
        """Sleeps; whether it was asked to stop."""
        return self._event.wait(seconds)
