"""Case files: YAML in and out, with the line of every value.

The reader works on YAML's events, so that nothing is constructed, nothing executes and everything is bounded:
no tags, anchors or aliases, no duplicate keys, limits on size, depth and number of values. Scalars stay texts;
what they mean is the field's affair ('no' and '12:30' are just that).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
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

from cases.build import apply, build, design_changes
from cases.design import Tree, key_of, parse_changes
from cases.errors import CaseError, Problem, shown
from cases.spec import Case

CATALOG = Path(__file__).parent / "catalog"
SCHEMA = Path(__file__).parent / "schema.json"
MOST_BYTES = 512 * 1024
MOST_VALUES = 20_000
MOST_DEPTH = 20

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class Plain(str):
    """A scalar written without quotes."""

    __slots__ = ()


@dataclass
class Document:
    """A YAML file as a tree of texts, with the line of each path."""

    name: str
    tree: Any = None
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, path: str) -> str:
        """File and line of a path; of the nearest path above it if it is not in the file."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return f"{self.name}:{self.lines.get(path, 1)}"

    def error(self, problems: list[Problem]) -> CaseError:
        """The problems with file and line before them, in the order of the file."""
        ordered = sorted(problems, key=lambda p: int(self.where(p.path).rpartition(":")[2]))
        return CaseError(ordered, [self.where(p.path) for p in ordered])


def parse(text: str, name: str) -> Document:
    """Read YAML; CaseError with file and line if it is not a plain, bounded document."""
    document = Document(name)
    if len(text.encode()) > MOST_BYTES:
        raise document.error([Problem("", f"the file has more than {MOST_BYTES // 1024} KiB; a case is smaller")])
    reader = _Reader(document)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            reader.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.lines[""] = mark.line + 1 if mark else 1
        raise document.error([Problem("", f"this is not YAML: {error.problem or error.context}; check indentation and quotes")]) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise document.error([Problem("", f"this is not YAML: {str(error).splitlines()[0]}")]) from None
    if reader.problems:
        raise document.error(reader.problems)
    return document


class _Reader:
    """Builds the tree and the lines from events."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.open: list[tuple[Any, str]] = []  # the containers around us, with their paths
        self.key: str | None = None  # a mapping's key that waits for its value
        self.values = 0
        self.roots = 0

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self.refuse(line, "anchors and aliases ('&', '*') are not read; write the value out")
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
        self.document.lines[""] = line
        raise self.document.error([Problem("", message)])

    def scalar(self, text: str, line: int) -> None:
        if self.open and isinstance(self.open[-1][0], dict) and self.key is None:
            mapping, path = self.open[-1]
            self.key = str(text)
            here = f"{path}.{self.key}" if path else self.key
            if self.key in mapping:
                self.problems.append(Problem(here, f"stands twice; the first is on line {self.document.lines.get(here, line)}"))
            self.document.lines[here] = line
        else:
            self.place(text, line)

    def begin(self, container: Any, line: int) -> None:
        if self.open and isinstance(self.open[-1][0], dict) and self.key is None:
            self.refuse(line, "a key is a single text; write 'name: value'")
        if len(self.open) >= MOST_DEPTH:
            self.refuse(line, f"nested more than {MOST_DEPTH} deep; a case is flatter")
        self.open.append((container, self.place(container, line)))

    def place(self, value: Any, line: int) -> str:
        """Put a value where it belongs; its path."""
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


def _by_name(tree: Any, lines: dict[str, int]) -> dict[str, int]:
    """Lines of list items under their names as well as under their numbers."""
    stages = tree.get("stages") if isinstance(tree, dict) else None
    named = dict(lines)
    for i in range(len(stages) if isinstance(stages, list) else 0):
        name = key_of(stages, i)
        for path, line in lines.items():
            if path == f"stages.{i}" or path.startswith(f"stages.{i}."):
                named.setdefault(f"stages.{name}{path[len(f'stages.{i}'):]}", line)
    return named


def load(path: Path) -> Case:
    """Read and check a case file; CaseError with file and line for each problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CaseError([Problem(str(path), f"cannot be read: {reason}")]) from None
    return loads(text, path.name)


def loads(text: str, name: str) -> Case:
    """`load` for a text; `name` stands for the file in messages."""
    document = parse(text, name)
    document.lines = _by_name(document.tree, document.lines)
    try:
        return build(document.tree)
    except CaseError as error:
        raise document.error(list(error.problems)) from None


def catalog() -> dict[str, Path]:
    """The cases that come with the project, by id."""
    return {path.stem: path for path in sorted(CATALOG.glob("*.yaml"))}


def open_case(reference: str, design: str | None = None, sets: tuple[str, ...] = ()) -> Case:
    """A case by id or path to a file, with a named design and `--set` changes applied."""
    known = catalog()
    if reference in known:
        case = load(known[reference])
    elif Path(reference).suffix in (".yaml", ".yml") or Path(reference).exists():
        case = load(Path(reference))
    else:
        raise CaseError(
            [Problem("", f"{shown(reference)} is neither a case ({', '.join(known)}) nor a YAML file; `python -m cases list` shows the cases")]
        )
    changes = design_changes(case, design) if design else {}
    return apply(case, changes | parse_changes(sets))


def as_json(node: Any) -> Any:
    """A tree with numbers and truths as JSON has them, where they were written without quotes."""
    if isinstance(node, dict):
        return {key: as_json(value) for key, value in node.items()}
    if isinstance(node, list):
        return [as_json(value) for value in node]
    if isinstance(node, Plain):
        if node in ("true", "false"):
            return node == "true"
        if _NUMBER.fullmatch(node):
            return json.loads(node.removeprefix("+"))
    return str(node)


def as_yaml(tree: Tree) -> str:
    """The tree as a case file."""
    from io import StringIO

    out = StringIO()
    writer = YAML()
    writer.width = 120
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(as_json(tree), out)
    return out.getvalue()


def schema() -> str:
    """The JSON Schema of case files, for editors."""
    body = Case.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stagecraft case"}
    body["properties"]["format"] = {"const": 1}
    return json.dumps({**head, **{k: v for k, v in body.items() if k != "title"}}, indent=1, sort_keys=True) + "\n"
