"""A case as somebody types it: checked as a file would be, each problem with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cases import files
from cases.build import build
from cases.errors import CaseError
from cases.fields import NAME_PATTERN
from cases.spec import Case
from cases.tree import Plain
from cases.yaml_reader import MOST_BYTES
from ui import state

LONGEST_QUOTE = 160  # characters


@dataclass(frozen=True)
class Located:
    """A problem where it stands: its line with what is written there, the path, and what to do about it."""

    line: int
    path: str
    message: str
    quote: str


@dataclass(frozen=True)
class Checked:
    """A text, the case that it is (called `own` here, whatever its id says), or all that is wrong with it."""

    text: str
    name: str = state.YOURS  # of a file to save it in
    case: Case | None = None
    problems: tuple[Located, ...] = ()


def checked(text: str) -> Checked:
    """Read it. Files that it names are not looked for: it stands in no folder."""
    try:
        document = files.parse(text, "")
        tree, name = document.tree, state.YOURS
        if isinstance(tree, dict) and isinstance(tree.get("id"), str) and re.fullmatch(NAME_PATTERN, tree["id"]):
            tree, name = tree | {"id": Plain(state.YOURS)}, tree["id"]
        try:
            return Checked(text, name, build(tree))
        except CaseError as error:
            raise document.error(list(error.problems)) from None
    except CaseError as error:
        lines = text.split("\n")
        numbers = [int(where.rpartition(":")[2]) for where in error.where]
        return Checked(
            text,
            problems=tuple(
                Located(number, problem.path, problem.message, _quote(lines, number))
                for number, problem in zip(numbers, error.problems, strict=True)
            ),
        )


def _quote(lines: list[str], number: int) -> str:
    """What stands on a line (from 1 on), as far as one would read it."""
    line = lines[number - 1].rstrip() if 0 < number <= len(lines) else ""
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…"


def tidy(text: str) -> str:
    """As a text field holds it: one kind of line end, and nothing that cannot be written down; cut where too long."""
    text = text[: MOST_BYTES + 1].removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode(errors="replace").decode()


def opened(data: bytes) -> str | None:
    """The text of a file; None if it is no text."""
    try:
        return tidy(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def copy_of(case: Case, name: str) -> str:
    """A case on show as a text: as it was written where that is all of it, else as it stands with its changes.

    `name`: the id that the tab's own case has in its text.
    """
    if case.id == state.YOURS:
        return files.as_yaml(case.tree | {"id": Plain(name)})
    path = files.catalog().get(case.id)
    if path is not None:
        text = tidy(path.read_text(encoding="utf-8"))
        if files.parse(text, "").tree == case.tree:
            return text
    return files.as_yaml(case.tree)
