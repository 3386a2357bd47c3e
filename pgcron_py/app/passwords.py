"""Passwords of users: Argon2id, and the few rules that help."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pgcron_py.errors import InvalidArguments

LENGTH_LEAST, LENGTH_MOST = 12, 200
DIFFERENT_LEAST = 5

# 64 MiB and three passes: about 100 ms of one core.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)


def hashed(password: str) -> str:
    return _HASHER.hash(password)


def is_right(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other costs than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def check_password(name: str, password: str) -> None:
    """Raises InvalidArguments, which doesn't repeat the password."""
    if not LENGTH_LEAST <= len(password) <= LENGTH_MOST:
        raise _refused(f"it has {len(password)} characters, not {LENGTH_LEAST} to {LENGTH_MOST}")
    if "\x00" in password:
        raise _refused("it contains a zero character")
    if len(set(password)) < DIFFERENT_LEAST:
        raise _refused(f"it has fewer than {DIFFERENT_LEAST} different characters")
    if name.partition("@")[0] in password.lower() and len(password) < 2 * LENGTH_LEAST:
        raise _refused("it contains the user's name")


def _refused(reason: str) -> InvalidArguments:
    hint = "a few words in a row are long and easy to keep in mind"
    return InvalidArguments(f"password: {reason}", hint=hint, field="password")
