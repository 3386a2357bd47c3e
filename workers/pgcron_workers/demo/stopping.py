"""SIGINT, SIGTERM and SIGHUP: the first ends the demo cleanly, the second hurries."""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NAP_S = 0.05


class StoppedEarly(BaseException):
    """Asked to end while the set-up was still going on."""


class Stopping:
    """interrupts: whether the first signal breaks off what goes on (the set-up) or is only noted."""

    def __init__(self) -> None:
        self.interrupts = True
        self._count = 0

    def listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._heard)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self.interrupts:
            self.interrupts = False
            raise StoppedEarly

    @property
    def is_asked(self) -> bool:
        return self._count > 0

    @property
    def is_urgent(self) -> bool:
        return self._count > 1

    def wait(self, seconds: float) -> None:
        """Sleeps, at most until somebody asks for the end. No Event: its lock may be held when the signal comes."""
        deadline = time.monotonic() + seconds
        while not self.is_asked and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, NAP_S))
