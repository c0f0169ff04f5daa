"""Measured times from a file beside a case: read once, when the case is, and put into it as `times`.

So the case's tree stays inert and whole: a design, a key and a copy of the case hold what was measured, not where.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

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
    """The tree with the measured times in place of the names of their files; what is wrong is added to `problems`."""
    stages = tree.get("stages") if isinstance(tree, dict) else None
    if not isinstance(stages, list) or not any("file" in _service(stage) for stage in stages):
        return tree
    read = [_with_times(stage, f"stages.{key_of(stages, i)}", folder, problems) for i, stage in enumerate(stages)]
    return {**tree, "stages": read}


def _service(stage: Any) -> Tree:
    service = stage.get("service") if isinstance(stage, dict) else None
    return service if isinstance(service, dict) else {}


def _with_times(stage: Any, path: str, folder: Path, problems: list[Problem]) -> Any:
    service = dict(_service(stage))
    if "file" not in service:
        return stage
    name = service.pop("file")
    try:
        times = [] if "times" in service else _read(name, folder)
        if "times" in service:
            raise _Unreadable("the times are said twice; leave 'file' or 'times' out")
    except _Unreadable as error:
        problems.append(Problem(f"{path}.service.file", str(error)))
        times = [Plain("1 ms"), Plain("2 ms")]  # so that the rest of the case is looked at
    return {**stage, "service": {**service, "times": times}}


class _Unreadable(Exception):
    """Why no times could be read."""


def _read(name: object, folder: Path) -> list[Plain]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise _Unreadable(
            f"{shown(str(name))} is not the plain name of a file beside this one; write for example 'measured.csv'"
        )
    path = folder / name
    try:
        if path.exists() and (path.is_symlink() or not path.is_file()):
            raise _Unreadable(f"{name} is not a plain file; copy the measurements to one")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _Unreadable(f"{name} cannot be read: {error.strerror}; it must stand beside the case file") from None
    if len(data) > MOST_BYTES:
        raise _Unreadable(f"{name} has more than {MOST_BYTES // 1024 // 1024} MiB; take a sample of it")
    try:
        return _times(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise _Unreadable(f"{name} is not UTF-8 text; save it as CSV") from None


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
