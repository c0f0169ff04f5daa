"""The rows of `simulator/targets.csv`: what theory and publications say, and who answers for it.

`by` is `simulation` (a run must reproduce it), `formula` (arithmetic; the estimators answer for it), `shown` (published
for another system; ours is printed beside it) or `not_offered` with its reason. `slack` is what a simulated value may
be off, '2%' of the target or '0.005 abs'.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from cases.errors import RunError

TARGETS = Path(__file__).parents[1] / "targets.csv"
BY = ("simulation", "formula", "shown", "not_offered")

_NUMBER = r"[0-9]*\.?[0-9]+(?:e-?[0-9]+)?"
_INPUT = re.compile(rf"([A-Za-z][A-Za-z0-9*]*)=({_NUMBER})")
_SLACK = re.compile(rf"({_NUMBER})(%| abs)")


@dataclass(frozen=True)
class Target:
    """A row, as it stands in the file."""

    id: str
    name: str
    inputs: str
    output: str
    expected: str
    unit: str
    tolerance: str  # as its source puts it, in words
    kind: str  # exact, approx, numeric, published
    source: str
    by: str
    slack: str
    reason: str  # why it is not offered; otherwise what one should know

    @property
    def number(self) -> float | None:
        """The value expected; None where it is several."""
        return float(self.expected) if re.fullmatch(_NUMBER, self.expected) else None

    @property
    def allowed(self) -> float | None:
        """The slack, in the target's unit."""
        found = _SLACK.fullmatch(self.slack)
        if found is None or self.number is None:
            return None
        size = float(found[1])
        return size if found[2] == " abs" else abs(self.number) * size / 100

    @cached_property
    def given(self) -> dict[str, float]:
        """The numbers among its inputs."""
        return {name: float(value) for name, value in _INPUT.findall(self.inputs)}

    @property
    def what(self) -> str:
        """Names the row: no two are of the same name, inputs and output."""
        return "; ".join(part for part in (f"{self.id} {self.name}", self.inputs, self.output) if part)


def targets(path: Path = TARGETS) -> list[Target]:
    """All rows, in order; RunError where one does not say what it must."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(_read(file, path.name))


def _read(lines: Iterable[str], name: str) -> Iterator[Target]:
    reader = csv.DictReader(lines, strict=True)
    columns = [field.name for field in fields(Target)]
    if reader.fieldnames != columns:
        raise RunError(f"{name}: the columns are {', '.join(reader.fieldnames or ())}; write {', '.join(columns)}")
    for row in reader:
        where = f"{name}:{reader.line_num}"
        if None in row or None in row.values():
            raise RunError(f"{where}: has not as many fields as there are columns; put texts with commas in quotes")
        target = Target(**row)
        if target.by not in BY:
            raise RunError(f"{where}: by '{target.by}'; write one of {', '.join(BY)}")
        if target.by == "simulation" and not target.allowed:
            raise RunError(f"{where}: no slack around a number; write for example '2%' or '0.005 abs'")
        if target.by == "not_offered" and not target.reason:
            raise RunError(f"{where}: is not offered and says no reason; add one")
        yield target
