"""The functions a formula may call: one table with arity, rule for the dimension, and the two readings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from estimators.dimension import BYTE, MONEY, PLAIN, SECOND, Dimension, common
from estimators.errors import FormulaError

DUST = 1e-12
Shape = Callable[[str, Sequence[tuple[str, Dimension]]], Dimension]
"""From the call's name and its arguments (text and dimension) to the dimension of the result."""


@dataclass(frozen=True, slots=True)
class Function:
    """`most` is None where any number of arguments will do; `array` names the numpy function."""

    least: int
    most: int | None
    shape: Shape
    scalar: Callable[..., float]
    array: str

    def on_numbers(self, arguments: Sequence[float]) -> float:
        return float(self.scalar(*arguments))

    def on_arrays(self, arguments: Sequence[Any]) -> Any:
        """The same function on numpy arrays, which are imported here and not at start-up."""
        import numpy

        ready = [_clean_array(one) for one in arguments] if self.shape is _whole else arguments
        function = getattr(numpy, self.array)
        return reduce(function, ready) if self.most is None else function(*ready)


def clean(value: float) -> float:
    """`value` without float dust: 0.3 / 0.1 is 3 to a reader, and ceil() must not hang on bit 53."""
    nearest = float(round(value))
    return nearest if abs(value - nearest) <= DUST * abs(value) else value


def _clean_array(values: Any) -> Any:
    import numpy

    nearest = numpy.rint(values)
    return numpy.where(numpy.abs(values - nearest) <= DUST * numpy.abs(values), nearest, values)


def alike(doing: str, sides: Sequence[tuple[str, Dimension]]) -> Dimension:
    """The dimension all sides share; FormulaError naming the first two that differ and what each is."""
    first, shared = sides[0]
    for text, dimension in sides[1:]:
        both = common(shared, dimension)
        if both is None:
            raise FormulaError(
                f"cannot {doing} '{first}', which is {shared.described()}, and '{text}', which is "
                f"{dimension.described()}; only like and like go together"
            )
        first, shared = (text, dimension) if both != shared else (first, shared)
    return shared


def _compared(name: str, sides: Sequence[tuple[str, Dimension]]) -> Dimension:
    return alike(f"take the {name} of", sides)


def _plain(name: str, sides: Sequence[tuple[str, Dimension]]) -> Dimension:
    text, dimension = sides[0]
    if not dimension.is_dimensionless:
        raise FormulaError(
            f"{name}() wants a plain number, '{text}' is {dimension}; divide it by one unit, as in {name}(x / 1 kB)"
        )
    return PLAIN


def _whole(name: str, sides: Sequence[tuple[str, Dimension]]) -> Dimension:
    text, dimension = sides[0]
    if any(dimension.power(base) for base in (SECOND, BYTE, MONEY)):
        raise FormulaError(
            f"{name}() counts whole things, '{text}' is {dimension} and has no count of its own; "
            f"divide by one unit first, as in {name}(x / 1 GB)"
        )
    return dimension


def _root(name: str, sides: Sequence[tuple[str, Dimension]]) -> Dimension:
    return sides[0][1] ** Fraction(1, 2)


FUNCTIONS: dict[str, Function] = {
    # name              least most  dimension    number        array
    "min":     Function(2, None, _compared, min, "minimum"),
    "max":     Function(2, None, _compared, max, "maximum"),
    "ceil":    Function(1, 1, _whole, lambda x: math.ceil(clean(x)), "ceil"),
    "floor":   Function(1, 1, _whole, lambda x: math.floor(clean(x)), "floor"),
    "round":   Function(1, 1, _whole, round, "rint"),  # both round halves to even
    "sqrt":    Function(1, 1, _root, math.sqrt, "sqrt"),
    "log2":    Function(1, 1, _plain, math.log2, "log2"),
    "log10":   Function(1, 1, _plain, math.log10, "log10"),
    "ln":      Function(1, 1, _plain, math.log, "log"),
    "exp":     Function(1, 1, _plain, math.exp, "exp"),
}  # fmt: skip
