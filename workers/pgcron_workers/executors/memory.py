"""A bound on what one run may take: the kernel refuses the rest, and Python raises MemoryError in the handler."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

MIB = 1024 * 1024
_DATA = re.compile(r"^VmData:\s+(\d+) kB", re.MULTILINE)


@contextmanager
def limited(mib: int | None) -> Iterator[None]:
    """Inside, this process may take `mib` MiB of private memory more than it has (RLIMIT_DATA: heap, stacks, anonymous maps)."""
    if mib is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = private_bytes() + mib * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def private_bytes() -> int:
    """What the kernel counts against RLIMIT_DATA."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        found = _DATA.search(status.read())
    return int(found[1]) * 1024 if found else 0
