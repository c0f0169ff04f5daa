"""What a formula may call: the noun, and the functions that every calculator has. The rest are in `blocks`."""

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
Sides = Sequence[tuple[str, Dimension]]
"""The arguments of a call: text and dimension of each."""


@dataclass(frozen=True, eq=False)
class Function:
    """What a formula may call: how many arguments, the dimension of the result, and the two readings.

    `most` is None where any number of arguments will do. `on_arrays` takes numpy arrays of one length, or floats.
    """

    name: str
    least: int
    most: int | None
    shape: Callable[[str, Sides], Dimension]
    """from the name and the arguments to the dimension of the result; FormulaError where they do not fit"""
    on_numbers: Callable[[Sequence[float]], float]
    on_arrays: Callable[[Sequence[Any]], Any]
    signature: str
    """how to call it, for messages and the reference: 'stored(rows, size, kept, copies = 1, compression = 1)'"""
    about: str
    example: str
    """a formula of its own; the reference shows its value"""
    source: str = "arithmetic"
    stands_for: str = ""
    """in symbols, '' where the name says it all"""
    unit: str = ""
    """what it gives, whatever it is called with; '' where that depends or is a plain number"""
    expand: Callable[[Sequence[Any]], Any] | None = None
    """from the trees of the arguments to the tree of the formula that it stands for, if it stands for one"""

    def takes(self, count: int) -> None:
        """FormulaError unless it can be called with `count` arguments."""
        if count < self.least or (self.most is not None and count > self.most):
            wanted = f"at least {self.least}" if self.most is None else f"{self.least}"
            wanted += f" to {self.most}" if self.most not in (None, self.least) else ""
            raise FormulaError(f"{self.signature} takes {wanted} argument(s), {count} given")


def clean(value: float) -> float:
    """`value` without float dust: 0.3 / 0.1 is 3 to a reader, and ceil() must not hang on bit 53."""
    nearest = float(round(value))
    return nearest if abs(value - nearest) <= DUST * abs(value) else value


def _clean_array(values: Any) -> Any:
    import numpy

    nearest = numpy.rint(values)
    return numpy.where(numpy.abs(values - nearest) <= DUST * numpy.abs(values), nearest, values)


def alike(doing: str, sides: Sides) -> Dimension:
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


def _compared(name: str, sides: Sides) -> Dimension:
    return alike(f"take the {name} of", sides)


def _plain(name: str, sides: Sides) -> Dimension:
    text, dimension = sides[0]
    if not dimension.is_dimensionless:
        raise FormulaError(
            f"{name}() wants a plain number, '{text}' is {dimension}; divide it by one unit, as in {name}(x / 1 kB)"
        )
    return PLAIN


def _whole(name: str, sides: Sides) -> Dimension:
    text, dimension = sides[0]
    if any(dimension.power(base) for base in (SECOND, BYTE, MONEY)):
        raise FormulaError(
            f"{name}() counts whole things, '{text}' is {dimension} and has no count of its own; "
            f"divide by one unit first, as in {name}(x / 1 GB)"
        )
    return dimension


def _root(name: str, sides: Sides) -> Dimension:
    return sides[0][1] ** Fraction(1, 2)


def _primitive(
    name: str,
    least: int,
    most: int | None,
    shape: Callable[[str, Sides], Dimension],
    scalar: Callable[..., float],
    array: str,
    about: str,
    example: str,
) -> Function:
    """A function that numpy has too, under the name `array`; one of two arguments is folded over any number."""

    def on_arrays(arguments: Sequence[Any]) -> Any:
        import numpy

        ready = [_clean_array(one) for one in arguments] if shape is _whole else arguments
        function = getattr(numpy, array)
        return reduce(function, ready) if most is None else function(*ready)

    signature = f"{name}(x)" if most == 1 else f"{name}(x, y, ...)"
    return Function(
        name, least, most, shape, lambda arguments: float(scalar(*arguments)), on_arrays, signature, about, example
    )


PRIMITIVES: dict[str, Function] = {
    one.name: one
    for one in (
        #          name  least most dimension   number      array
        _primitive("min", 2, None, _compared, min, "minimum", "The smallest of several.", "min(300 ms, 0.2 s)"),
        _primitive("max", 2, None, _compared, max, "maximum", "The largest of several.", "max(300 ms, 0.2 s)"),
        _primitive("ceil", 1, 1, _whole, lambda x: math.ceil(clean(x)), "ceil",
                   "The next whole number above.", "ceil(3.2 servers)"),
        _primitive("floor", 1, 1, _whole, lambda x: math.floor(clean(x)), "floor",
                   "The next whole number below.", "floor(3.8 servers)"),
        _primitive("round", 1, 1, _whole, round, "rint",  # both round halves to even
                   "The nearest whole number, of two the even one.", "round(2.5 servers)"),
        _primitive("sqrt", 1, 1, _root, math.sqrt, "sqrt", "The square root.", "sqrt(16 s * 1 s)"),
        _primitive("log2", 1, 1, _plain, math.log2, "log2", "The logarithm to base 2.", "log2(4 MiB / 1 KiB)"),
        _primitive("log10", 1, 1, _plain, math.log10, "log10", "The logarithm to base 10.", "log10(1e6)"),
        _primitive("ln", 1, 1, _plain, math.log, "log", "The natural logarithm.", "ln(20)"),
        _primitive("exp", 1, 1, _plain, math.exp, "exp", "e to the power of a plain number.", "exp(-3)"),
    )
}  # fmt: skip
