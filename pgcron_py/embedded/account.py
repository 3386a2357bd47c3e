"""The user the server runs as: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pgcron_py.errors import PgCronError

ORDINARY_USER = "nobody"


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        return self._test("-x", folder)

    def can_execute(self, program: Path) -> bool:
        return self._test("-x", program)

    def _test(self, condition: str, path: Path) -> bool:
        # Asked of the kernel as that user, so that ACLs and mount options count too.
        command = ["/bin/sh", "-c", f'test {condition} "$1"', "sh", str(path)]
        try:
            answer = subprocess.run(
                command, cwd="/", user=self.uid, group=self.gid, extra_groups=[], check=False, capture_output=True
            )
        except OSError as error:  # a container that may not change users
            raise PgCronError(
                f"can't become the user {self.name}: {error}",
                hint="PostgreSQL refuses to run as root: run this as an ordinary user",
            ) from error
        return answer.returncode == 0


def server_account(data_dir: Path | None) -> Account | None:
    """None when we are an ordinary user already; otherwise the data folder's owner, or `nobody`."""
    if os.geteuid() != 0:
        return None
    if data_dir is not None and data_dir.is_dir() and (owner := data_dir.stat().st_uid) != 0:
        entry = pwd.getpwuid(owner)
    else:
        entry = pwd.getpwnam(ORDINARY_USER)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def reachable_data_dir(preferred: Path) -> Path:
    """`preferred`, or, for root when its parents are closed to the server's user, a folder in /var/lib."""
    preferred = preferred.absolute()
    account = server_account(preferred)
    if account is None:
        return preferred
    nearest = next(folder for folder in preferred.parents if folder.is_dir())
    if account.can_enter(nearest):
        return preferred
    return Path("/var/lib/pgcron_py") / "-".join(preferred.parts[1:])
