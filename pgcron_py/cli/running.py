"""How a command ends: with its exit code, and with one line when it failed; never with a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgcron_py.cli.failures import OK, report, wants_debug
from pgcron_py.cli.lazy import LazyGroup


@dataclass(slots=True)
class Manner:
    """How this call shall tell errors; set by the options of the top."""

    debug: bool = False


class RunningGroup(LazyGroup):
    """The top group: all that is raised below it ends here. A command may return its exit code."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> None:  # type: ignore[override]  # it never returns
        manner = Manner(wants_debug())
        extra |= {"standalone_mode": False, "obj": manner}
        try:
            result = super().main(args, prog_name or "pgcron", **extra)
            code = result if isinstance(result, int) else OK
        except (Exception, KeyboardInterrupt) as error:
            code = report(error, manner.debug)
        sys.exit(code)
