"""JSON as a tree that opens and closes without scripts: what a template needs to draw it, bounded. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

NODES_MOST = 2000
TEXT_MOST = 4000
DEPTH_MOST = 30

Kind = Literal["object", "list", "text", "number", "word"]


@dataclass(slots=True)
class Node:
    """key: '' at the top. text: of a leaf, else what is in it. left_out: children that aren't shown."""

    key: str
    kind: Kind
    text: str
    children: list[Node] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True)
class _Room:
    left: int = NODES_MOST


def tree(value: Any) -> Node:
    return _node("", value, _Room(), 0)


def _node(key: str, value: Any, room: _Room, depth: int) -> Node:
    room.left -= 1
    if isinstance(value, dict):
        return _filled(Node(key, "object", _counted(len(value), "field")), list(value.items()), room, depth)
    if isinstance(value, list):
        pairs = [(str(number), item) for number, item in enumerate(value)]
        return _filled(Node(key, "list", _counted(len(value), "item")), pairs, room, depth)
    if isinstance(value, str):
        return Node(
            key, "text", value if len(value) <= TEXT_MOST else f"{value[:TEXT_MOST]}… ({len(value)} characters)"
        )
    kind: Kind = "word" if value is None or isinstance(value, bool) else "number"
    return Node(key, kind, json.dumps(value))


def _filled(node: Node, pairs: list[tuple[str, Any]], room: _Room, depth: int) -> Node:
    for number, (key, value) in enumerate(pairs):
        if depth >= DEPTH_MOST or room.left <= 0:
            node.left_out = len(pairs) - number
            break
        node.children.append(_node(key, value, room, depth + 1))
    return node


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
