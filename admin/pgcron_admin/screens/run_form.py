"""The form of a run now: what stands in it at first, and what was typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pgcron_admin.definitions import Overlap
from pgcron_admin.screens.arguments import read_fields, read_json
from pgcron_admin.screens.job_frame import JobFrame

OVERLAPS: tuple[str, ...] = get_args(Overlap)


def defaults(frame: JobFrame) -> dict[str, str]:
    """The job's own arguments."""
    own = {field.key: field.value for field in frame.fields or ()}
    return own | {"args": json.dumps(frame.job["args"], indent=2) if frame.job["args"] else ""}


def read(frame: JobFrame, data: Mapping[str, str]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The arguments, None for the job's own; and what is wrong, by field."""
    if not frame.may_set_arguments:
        return None, {}
    args, problems = read_json(data.get("args", "")) if frame.fields is None else read_fields(frame.fields, data)
    if data.get("overlap") and data["overlap"] not in OVERLAPS:
        problems["overlap"] = f"{data['overlap'][:40]!r} is no overlap policy: choose one of the list."
    return (None if args == frame.job["args"] else args), problems
