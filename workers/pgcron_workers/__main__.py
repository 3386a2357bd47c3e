"""`python -m pgcron_workers`: the worker without the rest of the command line."""

import sys

from pgcron_py.errors import PgCronError
from pgcron_workers.cli import worker

if __name__ == "__main__":
    try:
        worker()
    except PgCronError as error:
        sys.exit(f"Error: {error}" + (f"\n  hint: {error.hint}" if error.hint else ""))
