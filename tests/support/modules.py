"""Which modules a running supervisor has imported."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.fleet import wait_for

# Python imports it at its start, and once more in the program that the process becomes. SIGUSR2 asks.
TELLS_MODULES = """
import os, signal, sys
if os.environ.get("TELL_MODULES") and os.getppid() == int(os.environ["TELL_MODULES"]):
    def tell(number, frame):
        with open("modules.new", "w") as file:
            file.write("\\n".join(name for name, module in sys.modules.items() if module is not None))
        os.replace("modules.new", "modules.txt")
    signal.signal(signal.SIGUSR2, tell)
"""


def telling_modules(folder: Path) -> dict[str, str]:
    """The environment of a worker, started in that folder by this process, whose supervisor tells its modules."""
    (folder / "sitecustomize.py").write_text(TELLS_MODULES)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "TELL_MODULES": str(os.getpid())}


def modules_of(pid: int, folder: Path) -> set[str]:
    file = folder / "modules.txt"
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    wait_for(file.exists, "the supervisor told its modules")
    return set(file.read_text().split())
