"""Every setting with its value, for people: where it comes from, and no secret in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from pgcron_py.app.dsn import MASK, shown_url
from pgcron_py.settings import Settings, load_settings

SECRET_NAME = re.compile(r"password|secret|token|private|api_?key")
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True)
class Setting:
    """source: `environment`, `option` or `default`. value, default: with secrets masked."""

    name: str
    variable: str
    value: Any
    default: Any
    source: str
    description: str
    rule: str


def settings_shown(overrides: Mapping[str, object]) -> list[Setting]:
    """The settings in force. Raises InvalidArguments for a variable that is wrong."""
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = load_settings(**given)
    present = {name.upper() for name in os.environ}
    return [
        Setting(name, variable, shown(name, getattr(settings, name)), shown(name, info.default),
                "option" if name in given else "environment" if variable in present else "default",
                info.description or "", rule_of(info))
        for name, variable, info in fields()
    ]  # fmt: skip


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Name, environment variable and field of each setting."""
    prefix = Settings.model_config.get("env_prefix", "")
    for name, info in Settings.model_fields.items():
        yield name, f"{prefix}{name}".upper(), info


def shown(name: str, value: Any) -> Any:
    """A value that may be shown."""
    if value is None:
        return None
    if name.endswith(("database_url", "dsn")):
        return shown_url(str(value))
    if name == "sql_connections":
        return " ".join(f"{key}={shown_url(url)}" for key, url in value.items())
    if isinstance(value, list):
        return [shown(name.replace("private", ""), item) for item in value]
    has_login = isinstance(value, str) and "://" in value and "@" in value
    return MASK if has_login or SECRET_NAME.search(name) else value


def rule_of(info: FieldInfo) -> str:
    """`at least 1, at most 500`, or the words that are taken, or ""."""
    choices = getattr(info.annotation, "__args__", ()) if "Literal" in str(info.annotation) else ()
    if choices:
        return "one of " + ", ".join(str(choice) for choice in choices)
    found = ((words, getattr(rule, key, None)) for rule in info.metadata for key, words in BOUNDS.items())
    return ", ".join(f"{words} {bound:g}" for words, bound in found if bound is not None)
