"""A formula is one string, one checked tree, several readings.

The language: + - * / ** (or ^), unary minus, parentheses, the functions of `blocks.FUNCTIONS`, names with dots, and
numbers with units. A number directly followed by a unit is one quantity and binds tighter than * and /. Text is read
by our own parser into our own tree; nothing is ever run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from estimators import parser, printing, tree
from estimators.blocks import FUNCTIONS
from estimators.dimension import Dimension
from estimators.errors import FormulaError, shown
from estimators.tree import Node
from estimators.units import Units

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula. Values are plain floats in base units, after the dimensions were checked once.

    >>> formula = Formula.parse("500 B/row * 800e9 row", Units())
    >>> str(formula.dimension({})), formula.value({})
    ('B', 400000000000000.0)
    """

    text: str
    tree: Node
    names: frozenset[str]
    _before: list[tuple[tuple[Dimension, ...], Dimension]] = field(default_factory=list, compare=False, repr=False)
    """the last dimensions of its names, in the order of `names`, and what they gave: a knob seldom changes them"""

    @classmethod
    def parse(cls, text: str, units: Units) -> Formula:
        """Read a formula; FormulaError for what is not arithmetic, and for what is too long or deep."""
        node = parser.parse(text, units, FUNCTIONS)
        return cls(" ".join(text.split()), node, tree.names(node))

    def dimension(self, dimensions: Mapping[str, Dimension]) -> Dimension:
        """The dimension of the result, from those of its names."""
        self._known(dimensions)
        given = tuple(dimensions[name] for name in self.names)
        found = next(iter(self._before), None)
        if found is None or found[0] != given:
            found = given, tree.dimension(self.tree, dimensions)
            self._before[:] = [found]
        return found[1]

    def value(self, values: Mapping[str, float]) -> float:
        """The result in base units."""
        self._known(values)
        return float(tree.value(self.tree, values, tree.SCALARS))

    def samples(self, arrays: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
        """The results for arrays of equal length (floats beside them are broadcast)."""
        import numpy

        self._known(arrays)
        with numpy.errstate(all="ignore"):  # what is not finite is refused by the walk, with its place
            result: Any = tree.value(self.tree, arrays, tree.arrays())
        return numpy.asarray(result, dtype=float)

    @property
    def per(self) -> str | None:
        """The time unit that its outermost function speaks in: 'month' where that is a monthly cost."""
        return printing.per_time(self.tree.function.unit) if isinstance(self.tree, tree.Call) else None

    def symbols(self) -> str:
        """For reading: 'watches_a_month ÷ watches_per_load'."""
        return tree.text(self.tree)

    def substituted(self, texts: Mapping[str, str]) -> str:
        """For reading, with the numbers put in, and what a function stands for in place of its name."""
        whole = tree.expanded(self.tree)  # within each other they grow without end
        return tree.text(whole if tree.size(whole) <= parser.MAX_NODES else self.tree, texts)

    def _known(self, names: Iterable[str]) -> None:
        known = frozenset(names)
        for name in sorted(self.names - known):
            raise unknown_name(name, known)


def unknown_name(name: str, known: Iterable[str], units: Units | None = None) -> FormulaError:
    """The message for a name that stands for nothing, with what was probably meant."""
    if name.lower() in ("nan", "inf", "infinity"):
        return FormulaError(f"{shown(name)} is no number that can be reckoned with; write one, for example '1e12'")
    if units is not None and units.is_unit(name):
        return FormulaError(f"{shown(name)} is a unit without a number; write '1 {name}', or another name")
    close = difflib.get_close_matches(name[:100], list(known), n=2)
    guess = f"did you mean {' or '.join(shown(c) for c in close)}?" if close else "define it first"
    return FormulaError(f"{shown(name)} is not known here; {guess}")
