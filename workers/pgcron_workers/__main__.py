"""`python -m pgcron_workers`: the worker without the rest of the command line."""

import sys

from pgcron_py.errors import PgCronError
from pgcron_workers.cli import worker

if __name__ == "__main__":
    try:
        worker()
    except PgCronError as error:
        from pgcron_py.cli.failures import report, wants_debug

        sys.exit(report(error, wants_debug()))
