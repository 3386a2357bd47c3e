"""Arguments of a run as fields of a form, by the JSON schema of the handler; and back, with what is wrong at each field. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "integer", "number", "yes_no", "choice", "json"]
FIELDS_MOST = 40
JSON_MOST = 50_000


@dataclass(frozen=True, slots=True)
class Field:
    """value: what stands in it at first. choices: of a choice, as JSON."""

    name: str
    kind: Kind
    help: str
    is_required: bool
    value: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def key(self) -> str:
        return f"arg.{self.name}"


def fields_of(schema: Mapping[str, Any] | None, args: Mapping[str, Any]) -> list[Field] | None:
    """None where a form can't say it: no schema, or arguments beside it."""
    properties = (schema or {}).get("properties")
    if (
        not isinstance(properties, dict)
        or not properties
        or len(properties) > FIELDS_MOST
        or args.keys() - properties.keys()
    ):
        return None
    required = set((schema or {}).get("required") or ())
    return [
        _field(name, rule if isinstance(rule, dict) else {}, args, name in required)
        for name, rule in properties.items()
    ]


def _field(name: str, rule: Mapping[str, Any], args: Mapping[str, Any], is_required: bool) -> Field:
    kind = _kind(rule)
    known = args.get(name, rule.get("default"))
    choices = tuple(json.dumps(choice) for choice in rule.get("enum", ())) if kind == "choice" else ()
    value = "" if known is None and name not in args else str(known) if kind == "text" else json.dumps(known)
    return Field(
        name, kind, str(rule.get("description") or ""), is_required, value, choices, _number(rule.get("minimum")), _number(rule.get("maximum"))
    )  # fmt: skip


def _kind(rule: Mapping[str, Any]) -> Kind:
    if isinstance(rule.get("enum"), list):
        return "choice"
    match rule.get("type"):
        case "string":
            return "text"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "yes_no"
        case _:
            return "json"


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_fields(fields: Sequence[Field], data: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments, and by field what is wrong. A field that may be empty, and is, is left out."""
    args: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields:
        text = data.get(field.key, "")
        if not text.strip() and field.kind != "text":
            if field.is_required:
                problems[field.key] = f"{field.name} is needed: give a value."
            continue
        if not text and not (field.is_required and field.kind == "text"):
            continue
        try:
            args[field.name] = _read(field, text)
        except ValueError as error:
            problems[field.key] = f"{field.name}: {text[:60]!r} {error}"
    return args, problems


def _read(field: Field, text: str) -> Any:
    """Raises ValueError with the rule."""
    if field.kind == "text":
        return text
    if field.kind == "choice":
        if text not in field.choices:
            raise ValueError("is none of the choices.")
        return json.loads(text)
    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError(
            "is no JSON: write text in quotation marks." if field.kind == "json" else "is no number."
        ) from None
    if field.kind == "yes_no" and not isinstance(value, bool):
        raise ValueError("is neither yes nor no.")
    if field.kind in ("integer", "number"):
        _check_number(field, value)
    return value


def _check_number(field: Field, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (field.kind == "integer" and not isinstance(value, int))
    ):
        raise ValueError(f"is no {'whole number' if field.kind == 'integer' else 'number'}.")
    if field.minimum is not None and value < field.minimum:
        raise ValueError(f"is less than {field.minimum}: give at least that.")
    if field.maximum is not None and value > field.maximum:
        raise ValueError(f"is more than {field.maximum}: give at most that.")


def read_json(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Arguments that were written as JSON."""
    if not text.strip():
        return {}, {}
    try:
        value = json.loads(text[:JSON_MOST])
    except ValueError as error:
        return {}, {"args": f'Arguments: this is no JSON ({error}). Write an object, such as {{"day": "2026-11-20"}}.'}
    if not isinstance(value, dict):
        return {}, {"args": 'Arguments: this is no object. Write one, such as {"day": "2026-11-20"}.'}
    return value, {}
