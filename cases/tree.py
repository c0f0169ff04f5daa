"""Trees of texts: what a case file holds, and how the steps of a path lead through it."""

from __future__ import annotations

from typing import Any

Tree = dict[str, Any]


class Plain(str):
    """A text written without quotes: '1' of it is a number in JSON, 'true' a truth."""

    __slots__ = ()


def key_of(items: list[Any], index: int) -> str:
    """What an item of a list is called in paths."""
    item = items[index]
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and name else str(index)


def index_of(items: list[Any], step: str) -> int | None:
    """The number of the item that is called so."""
    return next((i for i in range(len(items)) if key_of(items, i) == step), None)


def steps(node: Any) -> list[str]:
    """The names of the next step of a path."""
    if isinstance(node, dict):
        return [str(key) for key in node]
    if isinstance(node, list):
        return [key_of(node, i) for i in range(len(node))]
    return []


def child(node: Any, step: str) -> Any:
    """The node one step further (KeyError)."""
    if isinstance(node, dict):
        return node[step]
    index = index_of(node, step) if isinstance(node, list) else None
    if index is None:
        raise KeyError(step)
    return node[index]
