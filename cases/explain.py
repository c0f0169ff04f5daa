"""pydantic's errors in our words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from cases import language
from cases.errors import Problem, near, shown
from cases.tree import Tree, key_of

MOST_EXPLAINED = 200


def explained(error: ValidationError, tree: Tree, consequences: bool = True) -> Iterator[Problem]:
    """What is wrong, at which paths. Of a group whose kind comes later, nothing but that is said.

    `consequences`: also of references to a name that has a problem itself.
    """
    found = [one for one in error.errors(include_url=False) if consequences or one["type"] != "consequence"]
    waiting = {one["loc"][:-1] for one in found if one["type"] == "later" and one["loc"][-1] == "kind"}
    told = (one for one in found if one["loc"][:-1] not in waiting or one["type"] == "later")
    for one in itertools.islice(told, MOST_EXPLAINED):
        location = list(one["loc"][:-1] if one["loc"][-1:] == ("[key]",) else one["loc"])
        yield Problem(path_of(tree, location), _message(one, location))


def path_of(tree: Tree, location: list[Any] | tuple[Any, ...]) -> str:
    """The path of a place that pydantic names by keys and list indices. A text that stands for a group has no keys."""
    names: list[str] = []
    node: Any = tree
    for step in location:
        if isinstance(node, str):
            break
        named = isinstance(node, list) and isinstance(step, int) and step < len(node)
        names.append(key_of(node, step) if named else str(step))
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
    return ".".join(names)


def _message(error: Any, location: list[Any]) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx") or {}
    match kind:
        case "missing":
            return f"is missing; {_remedy(location)}"
        case "extra_forbidden":
            return _unknown_key(location)
        case "string_pattern_mismatch":
            if location[-1] == "checked":
                return f"{shown(str(given))} is not a date; write for example '2026-11-20'"
            return f"{shown(str(given))} is not a name; write small letters, digits and '_', a letter first, at most 40"
        case "string_too_long":
            return f"has {len(given):,} characters; at most {context['max_length']:,}"
        case "too_long":
            return f"has {len(given):,} entries; at most {context['max_length']:,}"
        case "string_too_short" | "too_short":
            return f"is empty; {_remedy(location)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return _instead(given, "a group of keys", location)
        case "list_type":
            return _instead(given, "a list", location)
        case "string_type":
            return _instead(given, "a single text", location)
    return str(error["msg"])


def _unknown_key(location: list[Any]) -> str:
    model = language.model_at(location[:-1])
    known = language.fields(model) if model else {}
    key = str(location[-1])
    # 'limit' beside 'queue' is meant for it.
    inside = (one for one in known if key in language.keys_at([*location[:-1], one]))
    meant = next((f"{one}.{key}" for one in inside), None) or near(key, known)
    there_are = ", ".join(key for key, field in known.items() if not language.comes_later(field))
    return f"is not a key here; {f'did you mean {meant!r}?' if meant else f'there are {there_are}'}"


def _instead(given: object, wanted: str, location: list[Any]) -> str:
    remedy = _remedy(location) if wanted != "a list" else "begin each item with '- ', or write [one, two]"
    if given == "":
        return f"is empty, and {wanted} is wanted; {remedy}"
    what = "a list" if isinstance(given, list) else "a group of keys" if isinstance(given, dict) else shown(str(given))
    return f"is {what}, and {wanted} is wanted; {remedy}"


def _remedy(location: list[Any]) -> str:
    key = str(location[-1]) if location else "format"
    if key == "format":
        return "write 'format: 1' first"
    example = language.example(location)
    if isinstance(location[-1], int) and example is None:
        return "write one text for each item"
    if isinstance(location[-1], int):
        return f"write for example '- {example}'"
    return f"write for example '{key}: {example}'" if example else f"write '{key}: ...'"
