"""The texts of a case read in its units, and kept: a change leaves nearly all of a case as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from estimators.formula import Formula
from estimators.units import Quantity, Range, Units

T = TypeVar("T")
MOST_KEPT = 5_000  # texts


class Texts:
    """Reads texts in the units of a case, each text once."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self._kept: dict[tuple[str, str], Any] = {}

    def quantity(self, text: str) -> Quantity:
        """One quantity (FormulaError)."""
        return self._read("quantity", text, self.units.quantity)

    def value(self, text: str) -> Quantity | Range:
        """A quantity or a range (FormulaError)."""
        return self._read("value", text, self.units.value)

    def formula(self, text: str) -> Formula:
        """A formula (FormulaError)."""
        return self._read("formula", text, lambda given: Formula.parse(given, self.units))

    def unit(self, text: str) -> object:
        """A unit (FormulaError)."""
        return self._read("unit", text, self.units.unit)

    def _read(self, kind: str, text: str, read: Callable[[str], T]) -> T:
        found: T | None = self._kept.get((kind, text))
        if found is None:
            found = read(text)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[kind, text] = found
        return found
