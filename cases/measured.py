"""What was measured, from a file beside a case: read once, when the case is, and put into it.

Service times become `times`, recorded arrivals `arrivals`. So the case's tree stays inert and whole: a design, a key
and a copy of the case hold what was measured, not where.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cases import replay
from cases.errors import Problem, shown
from cases.service_spec import MOST_TIMES
from cases.tree import Plain, Tree, key_of
from estimators.errors import FormulaError
from estimators.units import Units

MOST_BYTES = 2 * 1024 * 1024
LONGEST_NAME = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_UNITS = ("ns", "us", "ms", "s")
_EXAMPLE = "a line with 'ms', then a number on each line; or '12.5 ms' on each line"


def with_times(tree: Any, folder: Path, problems: list[Problem]) -> Any:
    """The tree with what was measured in place of the names of files; what is wrong is added to `problems`."""
    if not isinstance(tree, dict):
        return tree
    stages, workload = tree.get("stages"), tree.get("workload")
    if isinstance(stages, list) and any("file" in _service(stage) for stage in stages):
        places = [f"stages.{key_of(stages, i)}.service" for i in range(len(stages))]
        tree = {**tree, "stages": [_with_times(*one, folder, problems) for one in zip(stages, places, strict=True)]}
    if isinstance(workload, dict) and "file" in workload and workload.get("kind") == "replay":
        tree = {**tree, "workload": _in_place(workload, "arrivals", "workload", folder, problems, _RECORDED)}
    return tree


def _service(stage: Any) -> Tree:
    service = stage.get("service") if isinstance(stage, dict) else None
    return service if isinstance(service, dict) else {}


def _with_times(stage: Any, path: str, folder: Path, problems: list[Problem]) -> Any:
    service = _service(stage)
    if "file" not in service:
        return stage
    return {**stage, "service": _in_place(service, "times", path, folder, problems, _MEASURED)}


def _in_place(group: Tree, key: str, path: str, folder: Path, problems: list[Problem], kind: _Kind) -> Tree:
    """The group with what its file holds at `key`; if that cannot be read, with something that can."""
    group = dict(group)
    name = group.pop("file")
    try:
        if key in group:
            raise _Unreadable(f"the {key} are said twice; leave 'file' or '{key}' out")
        found = kind.read(_text(name, folder, kind.most_bytes), str(name))
    except _Unreadable as error:
        problems.append(Problem(f"{path}.file", str(error)))
        found = kind.instead  # so that the rest of the case is looked at
    return {**group, key: found}


class _Unreadable(Exception):
    """Why nothing could be read."""


def _text(name: object, folder: Path, most_bytes: int) -> str:
    """The text of a file beside the case."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise _Unreadable(
            f"{shown(str(name))} is not the plain name of a file beside this one; write for example 'measured.csv'"
        )
    path = folder / name
    try:
        if path.exists() and (path.is_symlink() or not path.is_file()):
            raise _Unreadable(f"{name} is not a plain file; copy the measurements to one")
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise _Unreadable(f"{name} cannot be read: {error.strerror}; it must stand beside the case file") from None
    if len(data) > most_bytes:
        raise _Unreadable(f"{name} has more than {most_bytes // 1024 // 1024} MiB; take a sample of it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Unreadable(f"{name} is not UTF-8 text; save it as CSV") from None


def _rows(text: str, name: str) -> list[Plain]:
    """The lines of a file of recorded arrivals, looked at here for the sake of the file's name in messages."""
    lines = text.splitlines()
    try:
        replay.read(tuple(lines))
    except replay.UnreadableRowError as error:
        raise _Unreadable(f"{name}:{error.line}: {error.message}") from None
    return [Plain(line.strip()) for line in lines if line.strip()]


def _times(text: str, name: str) -> list[Plain]:
    """The durations of a file's one column, as texts of the case language."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise _Unreadable(f"{name} is empty; write {_EXAMPLE}")
    for n, line in lines:
        if len(line) > 100 or "," in line or ";" in line or "\t" in line:
            raise _Unreadable(f"{name}:{n}: {shown(line)} is not one value; keep a single column, the durations")
    cells = [(n, next(iter(csv.reader([line])))[0].strip()) for n, line in lines]
    unit = _unit_of(cells[0][1])
    if unit is not None:
        cells = cells[1:]
    if not 2 <= len(cells) <= MOST_TIMES:
        raise _Unreadable(f"{name} has {len(cells):,} times; from 2 to {MOST_TIMES:,} are read; take a sample of it")
    units = Units()
    return [_time(cell, unit, f"{name}:{n}", units) for n, cell in cells]


def _unit_of(header: str) -> str | None:
    """The unit that a header names: 'ms', 'latency_ms', 'Latency (ms)'; None if it is no header."""
    if not header or header[0].isdigit():
        return None
    words = re.split(r"[^A-Za-zµ]+", header.lower())
    found = [word for word in words if word in (*_UNITS, "µs", "sec", "seconds")]
    if len(found) != 1:
        raise _Unreadable(f"the first line, {shown(header)}, names no unit; write {_EXAMPLE}")
    return {"µs": "us", "sec": "s", "seconds": "s"}.get(found[0], found[0])


def _time(cell: str, unit: str | None, place: str, units: Units) -> Plain:
    text = f"{cell} {unit}" if unit is not None and _NUMBER.fullmatch(cell) else cell
    try:
        given = units.quantity(text)
    except FormulaError:
        raise _Unreadable(f"{place}: {shown(cell)} is not a duration; write {_EXAMPLE}") from None
    if given.dimension != units.quantity("1 s").dimension:
        raise _Unreadable(f"{place}: {shown(cell)} has no unit of time; write {_EXAMPLE}")
    if given.value <= 0:
        raise _Unreadable(f"{place}: {shown(cell)} is no time that passes; leave it out")
    return Plain(text)


class _Kind(NamedTuple):
    """Files of one kind."""

    read: Callable[[str, str], list[Plain]]  # of a text and the name of its file; raises _Unreadable
    most_bytes: int
    instead: list[Plain]  # of a file that cannot be read


_MEASURED = _Kind(_times, MOST_BYTES, [Plain("1 ms"), Plain("2 ms")])
_RECORDED = _Kind(_rows, 4 * MOST_BYTES, [Plain("time"), Plain("1")])
