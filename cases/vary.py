"""The values of a path that a search may try: from one end to the other, each a text as in the file."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from cases.build import apply
from cases.design import text_at
from cases.errors import DesignError, shown
from cases.fields import Items
from cases.language import type_at
from cases.references import point
from cases.spec import Case
from estimators.errors import FormulaError
from estimators.units import Quantity, Range

MOST_VALUES = 1_000_000
TOLERANCE = 0.01  # of a value that is no whole number: from one that is tried to the next


@dataclass(frozen=True)
class Values:
    """What a path may be, in ascending order. All of whole numbers; of quantities those about 1 % apart."""

    path: str
    unit: str
    numbers: Sequence[float]  # in the unit
    designed: str  # as it stands, with what a reference stands for
    start: int  # the index of what is next to it

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, index: int) -> str:
        """'13', '500 videos', '3420 loads/s'."""
        return _text(self.numbers[index], self.unit)

    def near(self, index: int, factor: float) -> int:
        """The index of so many times a value, or of the end that lies before it."""
        return min(bisect_left(self.numbers, self.numbers[index] * factor), len(self) - 1)


def values(case: Case, path: str, low: str, high: str) -> Values:
    """The values from `low` to `high`, which may leave out the unit that the path has. DesignError if they do not fit.

    Both ends are tried on the case, so that its rules hold there. Of a fleet in cells whole numbers go by cells where
    they must.
    """
    standing = text_at(case.tree, path)
    try:
        now = point(case, standing)
    except FormulaError:
        raise DesignError(
            f"{path}: {shown(standing)} is no number, so there is nothing to search; name a path that holds one, "
            "for example 'stages.NAME.replicas'"
        ) from None
    refers = standing.startswith("=")
    written = "" if refers else case.units.written_unit(standing)
    designed = case.units.format(now) if refers else standing
    ends = _ends(case, path, low, high)
    unit = case.units.written_unit(ends.low.text) or case.units.written_unit(ends.high.text)
    if type_at(path.split(".")) in (int, Items):
        unit = unit or written
        numbers: Sequence[float] = _whole(case, path, ends, unit, _step(case, path, now.value, unit))
        start = bisect_left(numbers, now.value)
    else:
        for end in (ends.low, ends.high):
            _try(case, path, end, unit)
        numbers = _quantities(path, ends, *(case.units.number_in(end, unit) for end in (ends.low, ends.high)))
        start = bisect_left(numbers, case.units.number_in(now, unit) * (1 - TOLERANCE / 2))
    return Values(path, unit, numbers, designed, min(start, len(numbers) - 1))


def _ends(case: Case, path: str, low: str, high: str) -> Range:
    """Both ends; a low one without a unit shares the high one's, but for 'k' and 'million': '1..10k' is from one."""
    try:
        unit = case.units.written_unit(high)
        given = low if case.units.written_unit(low) else f"{low} {unit}".strip()
        return Range(case.units.quantity(given), case.units.quantity(high), f"{low}..{high}")
    except FormulaError as error:
        raise DesignError(f"{path}: {error}") from None


def _try(case: Case, path: str, end: Quantity, unit: str) -> None:
    """DesignError where an end of the range, with this unit unless it has one, does not fit the case."""
    apply(case, {path: end.text if case.units.written_unit(end.text) else f"{end.text} {unit}".strip()})


def _step(case: Case, path: str, here: float, unit: str) -> int:
    """1, or the number of cells where the case can be divided among them only so."""
    if case.cells == 1 or here % case.cells:
        return 1
    try:
        apply(case, {path: _text(here + 1, unit)})
    except DesignError:
        return case.cells
    return 1


def _whole(case: Case, path: str, ends: Range, unit: str, step: int) -> range:
    for end in (ends.low, ends.high):
        if end.value != int(end.value) or not end.dimension.without_counts().is_dimensionless:
            _try(case, path, end, unit)  # says what is wanted
    low, high = int(ends.low.value), int(ends.high.value)
    found = range(-(-low // step) * step, high + 1, step)
    if not found:
        raise DesignError(f"{path}: no multiple of {step:,} cells lies from {low:,} to {high:,}; widen the range")
    if len(found) > MOST_VALUES:
        raise DesignError(
            f"{path}: {len(found):,} values from {low:,} to {high:,}; a search goes over at most {MOST_VALUES:,}"
        )
    for number in {found[0], found[-1]}:
        apply(case, {path: _text(number, unit)})
    return found


def _quantities(path: str, ends: Range, low: float, high: float) -> list[float]:
    """Both ends, and numbers of three digits between them."""
    if low <= 0:
        raise DesignError(
            f"{path}: {shown(ends.text)} begins at or below zero, and a search goes by shares of the value; "
            "begin above zero"
        )
    span = math.log(high) - math.log(low)
    step = math.log1p(TOLERANCE)
    inner = (float(f"{low * math.exp(k * step):.3g}") for k in range(1, math.ceil(span / step)))
    return sorted({low, high, *(number for number in inner if low < number < high)})


def _text(number: float, unit: str) -> str:
    return f"{number:.15g} {unit}".strip()
