"""Paths and designs: one name for a value everywhere, and named sets of changes.

A path is dotted: `stages.ranking.replicas`, `assumptions.page_loads.value`, `objectives.0.at_most`. Items of a list
are called by their `name` where they have one, else by number. A change is a path and a text, as in the file;
applying one builds the whole case anew, so that all rules hold. 'none' takes a value away, '{after: 20 ms}' sets a
group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cases.errors import CaseError, DesignError, Problem, near, shown, unfit
from cases.language import fields, has_short_form, keys_at, model_at
from cases.tree import Plain, Tree, child, index_of, steps
from cases.yaml_reader import parse

MOST_CHANGES = 200
MOST_GUESSES = 5  # bad paths of one design for which the right one is looked for: it takes milliseconds each
LONGEST_TEXT = 2_000
REMOVED = "none"  # the text that takes a value away
FIXED = ("format", "id", "designs", "knobs", "walkthrough")  # what a design may not change


def get(tree: Tree, path: str, guess: bool = True) -> Any:
    """What stands at a path: a text, a mapping or a list. DesignError with a suggestion if nothing does."""
    node: Any = tree
    for step in path.split("."):
        try:
            node = child(node, step)
        except KeyError:
            raise DesignError(f"{shown(path)} {unknown(tree, path, guess)}") from None
    return node


def text_at(tree: Tree, path: str, guess: bool = True) -> str:
    """The text of the value at a path; for a list of names the names with commas."""
    node = get(tree, path, guess)
    if is_names(node):
        return ", ".join(node)
    if not isinstance(node, str):
        raise DesignError(f"{shown(path)} {_group(node, path)}")
    return node


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every path of a tree with its text; a list of names is one text. Of a design's changes the keys are no steps."""
    if isinstance(node, str):
        yield prefix, node
    elif is_names(node):
        yield prefix, ", ".join(node)
    else:
        for step in (step for step in steps(node) if "." not in step):
            yield from leaves(child(node, step), f"{prefix}.{step}" if prefix else step)


def is_names(node: Any) -> bool:
    """Whether this is a list of names, which a single text with commas can say as well."""
    return isinstance(node, list) and bool(node) and all(isinstance(n, str) and n and "," not in n for n in node)


def unknown(tree: Tree, path: str, guess: bool = True) -> str:
    """Why nothing stands at a path and what was probably meant; to be read after the path."""
    node: Any = tree
    way = path.split(".")
    place = 0
    while place < len(way) and way[place] in steps(node):
        node = child(node, way[place])
        place += 1
    before, (step, *after) = way[:place], way[place:] or [""]
    if step and step in keys_at(before):
        return "has no value in this case; give it one first"
    if guess and (meant := near(step, [*steps(node), *keys_at(before)])):
        found = ".".join([*before, meant, *after])
        found = found if _leads(tree, found) else ".".join([*before, meant])
        return f"is not a path of this case; did you mean '{found}'?"
    if guess and (meant := near(path, (p for p, _ in itertools.islice(leaves(tree), 1000)), 0.5)):
        return f"is not a path of this case; did you mean '{meant}'?"
    return "is not a path of this case; `python -m cases show CASE` prints what there is"


def _leads(tree: Tree, path: str) -> bool:
    """Whether something stands at a path, or could."""
    node: Any = tree
    way = path.split(".")
    for place, step in enumerate(way):
        if step not in steps(node):
            return step in keys_at(way[:place]) and place == len(way) - 1
        node = child(node, step)
    return True


def _group(node: Any, path: str) -> str:
    if isinstance(node, str):
        above = path.rpartition(".")[0]
        return f"is one of a list; change the list as a whole, {above}=..., with commas"
    inside = [f"{path}.{step}" for step in steps(node)[:4]]
    return "is a group, not a value; " + (
        f"name a value in it, for example {', '.join(inside)}" if inside else "it is empty"
    )


def changed(tree: Tree, changes: Mapping[str, str]) -> Tree:
    """A copy of the tree with the changes; DesignError with every one that cannot be made.

    A value that was left out may be added, also in a group that was left out. A group is set as a whole by
    '{key: value}', and by a single text where the language has a short form; one whose last value is taken away goes
    too.
    """
    after, problems = attempted(tree, changes)
    if problems:
        raise DesignError.of(problems)
    return after


def attempted(tree: Tree, changes: Mapping[str, str]) -> tuple[Tree, list[Problem]]:
    """The tree with those changes that can be made, and what is wrong with the others."""
    if len(changes) > MOST_CHANGES:
        return tree, [Problem("", f"{len(changes)} changes; a design has at most {MOST_CHANGES}")]
    problems: list[Problem] = []
    for path, text in changes.items():
        try:
            _allowed(path, text)
            tree = _set(tree, path.split("."), 0, text)
        except _Refused as error:
            reason = str(error) or unknown(tree, path, guess=len(problems) < MOST_GUESSES)
            problems.append(Problem(path, reason))
    return tree, problems


class _Refused(Exception):
    """A change that cannot be made; without a reason: the path is unknown."""


def _allowed(path: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise _Refused(f"a value has at most {LONGEST_TEXT:,} characters, not {len(text):,}")
    if reason := unfit(text):
        raise _Refused(f"{shown(text)}: {reason}")
    if path.split(".")[0] in FIXED:
        raise _Refused("cannot be changed by a design; change it in the file")
    if path.startswith("stages.") and path.endswith(".name") and path.count(".") == 2:
        raise _Refused("is what paths call the stage and cannot be changed by a design; change it in the file")


def _set(node: Any, way: list[str], place: int, text: str) -> Any:
    """The node with the value at the rest of the way changed. `way[:place]` leads to the node."""
    step, last = way[place], place == len(way) - 1
    if isinstance(node, list):
        index = index_of(node, step)
        if index is None:
            raise _Refused
        if last:
            raise _Refused(_group(node[index], ".".join(way)))
        inner = _set(node[index], way, place + 1, text)
        return [inner if i == index else item for i, item in enumerate(node)]
    if not isinstance(node, dict) or not step:
        raise _Refused
    if step not in node and (not last or text.strip() == REMOVED) and not _may_stand(way, place):
        raise _Refused
    here = node.get(step, {})
    if not last:
        # Of a group that a text stands for ('2 s'), a key replaces the text.
        value: Any = _set(
            {} if isinstance(here, str) and has_short_form(way[: place + 1]) else here, way, place + 1, text
        )
    elif text.strip() == REMOVED:
        value = {}
    elif text.lstrip().startswith("{") and not isinstance(here, list):
        value = _mapping(text)
    elif is_names(here):
        value = [Plain(name.strip()) for name in text.split(",")]
    elif isinstance(here, list) or (isinstance(here, dict) and here and not has_short_form(way)):
        raise _Refused(_group(here, ".".join(way)))
    else:
        value = Plain(text)
    if value == {}:
        return {key: kept for key, kept in node.items() if key != step}
    return {**node, step: value}


def _mapping(text: str) -> Tree:
    """A group written as '{key: value}'. Groups may stand in it, lists of groups may not: paths could not name them."""
    try:
        found = parse(text, "").tree
    except CaseError as error:
        raise _Refused(f"{shown(text)}: {error.problems[0].message}") from None
    if not isinstance(found, dict) or not found:
        raise _Refused(f"{shown(text)} is not a group of keys; write for example '{{after: 20 ms}}'")
    waiting: list[Any] = [found]
    for node in waiting:  # grows while it is walked
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list) and not is_names(node):
            raise _Refused(f"{shown(text)} holds a list of groups; that can only be changed in the file")
    return found


def _may_stand(way: list[str], place: int) -> bool:
    """Whether the language has such a key there, or leaves its keys to the case."""
    model = model_at(way[:place])
    return way[place] in fields(model) if model else place > 0


def differences(before: Tree, after: Tree) -> dict[str, str]:
    """The changes that make `after` of `before`."""
    old, new = dict(leaves(before)), dict(leaves(after))
    # Away first: where a text gives way to a group, or a group to a text, the place must be free.
    removed = {path: REMOVED for path in old if path not in new}
    return removed | {path: text for path, text in new.items() if old.get(path) != text}


def parse_changes(texts: Iterable[str]) -> dict[str, str]:
    """Changes as `--set` gives them: PATH=VALUE each."""
    changes: dict[str, str] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip() or not value.strip():
            raise DesignError(f"--set {shown(text)} is not PATH=VALUE; write for example stages.ranking.replicas=20")
        changes[path.strip()] = value.strip()
    return changes
