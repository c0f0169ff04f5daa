"""Paths and designs: one name for a value everywhere, and named sets of changes.

A path is dotted: `stages.ranking.replicas`, `assumptions.page_loads.value`, `objectives.0.at_most`. Items of a list
are called by their `name` where they have one, else by number. A change is a path and a text, as in the file;
applying one builds the whole case anew, so that all rules hold.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cases.errors import DesignError, shown

Tree = dict[str, Any]
MOST_CHANGES = 200
LONGEST_TEXT = 2_000
REMOVED = "none"  # the text that takes a value away


def key_of(items: list[Any], index: int) -> str:
    """What an item of a list is called in paths."""
    item = items[index]
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and name else str(index)


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
    for i in range(len(node) if isinstance(node, list) else 0):
        if key_of(node, i) == step:
            return node[i]
    raise KeyError(step)


def get(tree: Tree, path: str) -> Any:
    """What stands at a path: a text, a mapping or a list. DesignError with a suggestion if nothing does."""
    node: Any = tree
    for step in path.split("."):
        try:
            node = child(node, step)
        except KeyError:
            raise DesignError(unknown(tree, path)) from None
    return node


def text_at(tree: Tree, path: str) -> str:
    """The text of the value at a path."""
    node = get(tree, path)
    if not isinstance(node, str):
        inside = ", ".join(f"{path}.{step}" for step in steps(node)[:4])
        raise DesignError(f"{shown(path)} is a group, not a value; name a value in it, for example {inside}")
    return node


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path of a tree with its text."""
    if isinstance(node, str):
        yield prefix, node
        return
    for step in steps(node):
        yield from leaves(child(node, step), f"{prefix}.{step}" if prefix else step)


def unknown(tree: Tree, path: str) -> str:
    """The message for a path that is not there."""
    near = difflib.get_close_matches(path, [p for p, _ in leaves(tree)], n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else "`python -m cases show CASE` prints what there is"
    return f"{shown(path)} is not a path of this case; {hint}"


def changed(tree: Tree, changes: Mapping[str, str]) -> Tree:
    """A copy of the tree with the changes. A value that was left out may be added; a group may not be replaced."""
    if len(changes) > MOST_CHANGES:
        raise DesignError(f"{len(changes)} changes; a design has at most {MOST_CHANGES}")
    for path, text in changes.items():
        if len(text) > LONGEST_TEXT:
            raise DesignError(f"{shown(path)}: a value has at most {LONGEST_TEXT} characters")
        tree = _set(tree, path.split("."), text, tree, path)
    return tree


def _set(node: Any, way: list[str], text: str, tree: Tree, path: str) -> Any:
    step, *rest = way
    if isinstance(node, list):
        places = [i for i in range(len(node)) if key_of(node, i) == step]
        if not places or not rest:
            raise DesignError(unknown(tree, path))
        copy = list(node)
        copy[places[0]] = _set(node[places[0]], rest, text, tree, path)
        return copy
    if not isinstance(node, dict) or not step:
        raise DesignError(unknown(tree, path))
    if not rest:
        if isinstance(node.get(step), dict | list) and not _is_names(node[step]):
            text_at(tree, path)  # raises: it is a group
        if text.strip() == REMOVED:
            return {key: value for key, value in node.items() if key != step}
        return {**node, step: text}
    if step not in node and node is tree:
        raise DesignError(unknown(tree, path))
    return {**node, step: _set(node.get(step, {}), rest, text, tree, path)}


def _is_names(node: Any) -> bool:
    return isinstance(node, list) and all(isinstance(item, str) for item in node)


def differences(before: Tree, after: Tree) -> dict[str, str]:
    """The changes that make `after` of `before`."""
    old, new = dict(leaves(before)), dict(leaves(after))
    changes = {path: text for path, text in new.items() if old.get(path) != text}
    return changes | {path: REMOVED for path in old if path not in new}


def parse_changes(texts: Iterable[str]) -> dict[str, str]:
    """Changes as `--set` gives them: PATH=VALUE each."""
    changes: dict[str, str] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip() or not value.strip():
            raise DesignError(f"--set {shown(text)} is not PATH=VALUE; write for example stages.ranking.replicas=20")
        changes[path.strip()] = value.strip()
    return changes
