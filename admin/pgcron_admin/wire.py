"""What goes over the wire: JSON with camelCase names.

An answer is a `Answer`, a request's body a `Body`; a field `next_run_at` is `nextRunAt` there. A body with a field that
nobody knows is refused: a misspelt `timezoen` must not be ignored.
"""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, rename="camel"):
    """What a route answers."""


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a route is sent. Limits belong to the fields: `Annotated[str, msgspec.Meta(max_length=200)]`."""


def camel(name: str) -> str:
    """What a field is called there."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
