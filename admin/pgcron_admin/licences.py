"""What is shipped with the admin, and under which licence: the Python packages it needs, and what its assets contain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from pgcron_admin.assets import FOLDER

DISTRIBUTION = "pgcron-py"
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(?:\[(?P<extras>[^\]]*)\])?")
EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)[\"']")
CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?(.+)")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """licence: as the package itself says it; '' where it doesn't."""

    name: str
    version: str
    licence: str


@cache
def python_packages() -> list[Package]:
    """All that this distribution needs, and what that needs; without what only extras ask for."""
    found: dict[str, Package] = {}
    seen, waiting = set[tuple[str, str]](), [(DISTRIBUTION, "")]
    while waiting:
        wanted = waiting.pop()
        name, extra = wanted
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            known = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        found[name] = Package(known.metadata["Name"], known.version, _licence(known))
        waiting.extend(_needed(known, extra))
    found.pop(_normal(DISTRIBUTION), None)
    return sorted(found.values(), key=lambda package: package.name.lower())


@cache
def front_end_packages() -> list[Package]:
    """What the built CSS and JavaScript are made of; none where nothing was built."""
    file = FOLDER / "licences.json"
    return [Package(**entry) for entry in json.loads(file.read_text("utf-8"))] if file.exists() else []


def _needed(known: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """Names, once for each extra of theirs. What only another platform needs is not installed, and so not found."""
    for text in known.requires or ():
        of_extra = EXTRA.search(text)
        if of_extra is None or _normal(of_extra[1]) == extra:
            requirement = REQUIREMENT.match(text)
            assert requirement is not None, text
            for wanted in {"", *(requirement["extras"] or "").split(",")}:
                yield _normal(requirement["name"]), _normal(wanted.strip())


def _licence(known: metadata.Distribution) -> str:
    told = _first(known, "License-Expression")
    classified = [match[1] for text in known.metadata.get_all("Classifier") or () if (match := CLASSIFIER.match(text))]
    free = _first(known, "License").strip()
    return told or ", ".join(classified) or (free if free and len(free) <= 60 and "\n" not in free else "")


def _first(known: metadata.Distribution, header: str) -> str:
    return next(iter(known.metadata.get_all(header) or ()), "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
