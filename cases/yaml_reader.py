"""YAML to a tree of texts with the line of every value.

Works on YAML's events, so that nothing is constructed, nothing executes and everything is bounded: no tags, anchors
or aliases, no duplicate keys, limits on size, depth, lengths and number of values. Scalars stay texts; what they
mean is the field's affair ('no' and '12:30' are just that).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from cases.errors import CaseError, Problem, shown, unfit
from cases.tree import Plain, index_of

MOST_BYTES = 512 * 1024
MOST_VALUES = 20_000
MOST_DEPTH = 20
LONGEST_KEY = 200
LONGEST_TEXT, LONGEST_LINE = 10_000, 20_000


@dataclass
class Document:
    """A YAML file as a tree of texts, with the line of each place (list items by number)."""

    name: str
    tree: Any = None
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a path, items by name or number; of the nearest place above it if it is not in the file."""
        node, here, rest = self.tree, "", path
        line = self.lines.get("", 1)
        while rest:
            step, _, after = rest.partition(".")
            if isinstance(node, dict):
                if step not in node:
                    step, after = rest, ""  # the changes of a design have paths for keys
                if step not in node:
                    break
                node = node[step]
            elif isinstance(node, list):
                index = index_of(node, step)
                if index is None and step.isdecimal() and int(step[:9]) < len(node):
                    index = int(step)
                if index is None:
                    break
                node, step = node[index], str(index)
            else:
                break
            here = f"{here}.{step}" if here else step
            line, rest = self.lines.get(here, line), after
        return line

    def error(self, problems: list[Problem]) -> CaseError:
        """The problems with file and line before them, in the order of the file."""
        placed = sorted(((self.line_of(p.path), p) for p in problems), key=lambda one: one[0])
        name = shown(self.name, 300)[1:-1]
        return CaseError([p for _, p in placed], [f"{name}:{line}" for line, _ in placed])


def parse(text: str, name: str) -> Document:
    """Read YAML; CaseError with file and line if it is not a plain, bounded document."""
    document = Document(name)
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise document.error([Problem("", f"the file has more than {MOST_BYTES // 1024} KiB; a case is smaller")])
    reader = _Reader(document)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:  # the scanner would take its time
            reader.refuse(number, f"a line of {len(line):,} characters; the longest that is read has {LONGEST_LINE:,}")
    try:
        for event in YAML(typ="safe", pure=True).parse(text.removeprefix("\ufeff")):
            reader.take(event)
    except ReaderError as error:
        reader.refuse(text.count("\n", 0, error.position) + 1, unfit(text) or f"this is not YAML: {error.reason}")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context).split())[:200]
        reader.refuse(mark.line + 1 if mark else 1, f"this is not YAML: {what}; check indentation and quotes")
    except (YAMLError, RecursionError, ValueError, OverflowError) as error:
        reader.refuse(
            reader.line, f"this is not YAML: {' '.join(str(error).split())[:200]}; check indentation and quotes"
        )
    if reader.problems:
        raise document.error(reader.problems)
    if not reader.roots:
        reader.refuse(1, "the file is empty; begin with 'format: 1'")
    return document


class _Reader:
    """Builds the tree and the lines from events."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.open: list[tuple[Any, str]] = []  # the containers around us, with their places
        self.key: str | None = None  # a mapping's key that waits for its value
        self.values = 0
        self.roots = 0
        self.line = 1

    def take(self, event: Event) -> None:
        self.line = line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self.refuse(line, "anchors and aliases ('&', '*') are not read; write the value out, or put it in quotes")
        if isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            if event.tag:
                self.refuse(line, f"tags ({shown(str(event.tag))}) are not read; leave it out")
            self.values += 1
            if self.values > MOST_VALUES:
                self.refuse(line, f"more than {MOST_VALUES:,} values; a case is smaller")
        if isinstance(event, ScalarEvent):
            self.scalar(event.value if event.style else Plain(event.value), line)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self.begin({} if isinstance(event, MappingStartEvent) else [], line)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.open.pop()

    def refuse(self, line: int, message: str) -> None:
        """Stop at once: what follows cannot be trusted."""
        raise CaseError([Problem("", message)], [f"{shown(self.document.name, 300)[1:-1]}:{line}"]) from None

    def scalar(self, text: str, line: int) -> None:
        if reason := unfit(text):
            self.refuse(line, reason)
        if len(text) > LONGEST_TEXT:
            self.refuse(line, f"a text of {len(text):,} characters; the longest that is read has {LONGEST_TEXT:,}")
        if self.open and isinstance(self.open[-1][0], dict) and self.key is None:
            self.begin_entry(str(text), line)
        else:
            self.place(text, line)

    def begin_entry(self, key: str, line: int) -> None:
        if not key or len(key) > LONGEST_KEY:
            self.refuse(line, f"a key of {len(key):,} characters; a key has 1 to {LONGEST_KEY}")
        mapping, path = self.open[-1]
        self.key = key
        here = f"{path}.{key}" if path else key
        if key in mapping:
            self.problems.append(
                Problem(
                    here, f"stands twice; the first is on line {self.document.lines.get(here, line)}; keep one of them"
                )
            )
        self.document.lines[here] = line

    def begin(self, container: Any, line: int) -> None:
        if self.open and isinstance(self.open[-1][0], dict) and self.key is None:
            self.refuse(line, "a key is a single text; write 'name: value'")
        if len(self.open) >= MOST_DEPTH:
            self.refuse(line, f"nested more than {MOST_DEPTH} deep; a case is flatter")
        self.open.append((container, self.place(container, line)))

    def place(self, value: Any, line: int) -> str:
        """Put a value where it belongs; its place."""
        if not self.open:
            self.roots += 1
            if self.roots > 1:
                self.refuse(line, "a second document; a file holds one case")
            self.document.tree = value
            return ""
        container, path = self.open[-1]
        if isinstance(container, dict):
            step = self.key or ""
            container[step] = value
            self.key = None
        else:
            container.append(value)
            step = str(len(container) - 1)
        here = f"{path}.{step}" if path else step
        self.document.lines.setdefault(here, line)
        return here
