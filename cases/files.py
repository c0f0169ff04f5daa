"""Case files: found, read with the line of every problem, and written."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cases.build import apply, build, design_changes
from cases.design import parse_changes
from cases.errors import CaseError, Problem, near, shown
from cases.measured import with_times
from cases.schema import schema
from cases.spec import Case
from cases.tree import Plain, Tree
from cases.yaml_reader import MOST_BYTES, Document, parse

__all__ = [
    "CATALOG",
    "SCHEMA",
    "Document",
    "Plain",
    "as_json",
    "as_yaml",
    "catalog",
    "load",
    "loads",
    "open_case",
    "parse",
    "schema",
]

CATALOG = Path(__file__).parent / "catalog"
FIRST = "youtube_recommendations"  # the case that a newcomer sees
SCHEMA = Path(__file__).parent / "schema.json"

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")


def load(path: Path, name: str = "") -> Case:
    """Read and check a case file; CaseError with file and line for each problem. `name`: of the file in messages."""
    return loads(_text(path), name or path.name, path.parent)


def loads(text: str, name: str, folder: Path | None = None) -> Case:
    """`load` for a text; `name` stands for the file in messages. Measured times are read from `folder` only."""
    document = parse(text, name)
    problems: list[Problem] = []
    tree = document.tree if folder is None else with_times(document.tree, folder, problems)
    try:
        case = build(tree)
    except CaseError as error:
        problems += error.problems
    if problems:
        raise document.error(problems) from None
    return case


def _text(path: Path) -> str:
    """The text of a file. Devices and pipes are not read: they may never end."""
    try:
        if path.exists() and not path.is_file():
            raise CaseError(
                [Problem(str(path), f"is {'a folder' if path.is_dir() else 'not a file'}; name a YAML file")]
            )
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        whole = error.end < MOST_BYTES
        raise CaseError(
            [
                Problem(
                    str(path),
                    "cannot be read: it is not UTF-8 text" if whole else f"has more than {MOST_BYTES // 1024} KiB",
                )
            ]
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CaseError([Problem(str(path), f"cannot be read: {reason}")]) from None


def catalog() -> dict[str, Path]:
    """The cases that come with the project, by id."""
    return {path.stem: path for path in sorted(CATALOG.glob("*.yaml")) if path.stem != "scenarios"}


def in_catalog(case_id: str) -> Path:
    """Where a case is that `catalog` has."""
    return CATALOG / f"{case_id}.yaml"


def open_case(reference: str, design: str | None = None, sets: tuple[str, ...] = ()) -> Case:
    """A case by id or path to a file, with a named design and `--set` changes applied."""
    known = catalog()
    if reference in known:
        case = load(known[reference])
    elif Path(reference).suffix in (".yaml", ".yml") or "/" in reference or Path(reference[:255]).exists():
        case = load(Path(reference), reference)
    else:
        meant = near(reference, known)
        hint = f"did you mean '{meant}'?" if meant else f"the cases are {', '.join(known)}"
        raise CaseError([Problem("", f"{shown(reference)} is neither a case nor a YAML file; {hint}")])
    changes = design_changes(case, design) if design else {}
    return apply(case, changes | parse_changes(sets))


def as_json(node: Any) -> Any:
    """A tree with numbers and truths as JSON has them, where they were written without quotes.

    Only numbers that come back as the same text: '1e9', '0.10' and numbers of many digits stay texts.
    """
    if isinstance(node, dict):
        return {key: as_json(value) for key, value in node.items()}
    if isinstance(node, list):
        return [as_json(value) for value in node]
    if isinstance(node, Plain):
        if node in ("true", "false"):
            return node == "true"
        if _NUMBER.fullmatch(node) and json.dumps(number := json.loads(node)) == node:
            return number
    return str(node)


def as_yaml(tree: Tree) -> str:
    """The tree as a case file."""
    out = StringIO()
    writer = YAML()
    writer.width = 120
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(as_json(tree), out)
    return out.getvalue()
