"""The checked tree of a formula and its readings: text, dimension, value.

Sums and products are flat, so that the depth of a tree is the nesting a reader sees, and a sum of
three hundred terms is one node deep.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from estimators.dimension import Dimension
from estimators.errors import FormulaError, shown
from estimators.functions import FUNCTIONS, alike
from estimators.units import Quantity


@dataclass(frozen=True, slots=True)
class Number:
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Negative:
    of: Node


@dataclass(frozen=True, slots=True)
class Sum:
    terms: tuple[tuple[bool, Node], ...]
    """(added?, term): False is subtracted"""


@dataclass(frozen=True, slots=True)
class Product:
    factors: tuple[tuple[bool, Node], ...]
    """(multiplied?, factor): False is divided by"""


@dataclass(frozen=True, slots=True)
class Power:
    base: Node
    exponent: Fraction


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Number | Name | Negative | Sum | Product | Power | Call

LARGEST = 1e300
"""room is left above it for printing in nanoseconds or per year"""

_SUM, _PRODUCT, _NEGATIVE, _POWER, _ATOM = range(1, 6)


def text(node: Node, names: Mapping[str, str] | None = None) -> str:
    """The formula for reading, with × and ÷; `names` are texts to put in for names.

    Without them it parses back to the same tree.
    """
    return _text(node, names or {})[0]


def short(node: Node) -> str:
    """The same, shortened to stand in a message."""
    return shown(text(node))[1:-1]


def _text(node: Node, names: Mapping[str, str]) -> tuple[str, int]:
    match node:
        case Number(quantity):
            return quantity.text, _ATOM if quantity.text[-1:].isdigit() else _POWER
        case Name(name):
            given = names.get(name, name)
            return given, _ATOM if given == name else _NEGATIVE if given.startswith("-") else _POWER
        case Negative(of):
            return "-" + _inner(of, names, _POWER), _NEGATIVE
        case Sum(terms):
            return _joined(terms, names, _PRODUCT, " + ", " - "), _SUM
        case Product(factors):
            return _joined(factors, names, _POWER, " × ", " ÷ "), _PRODUCT
        case Power(base, exponent):
            return f"{_inner(base, names, _ATOM)}^{_exponent(exponent)}", _POWER
        case Call(function, arguments):
            return f"{function}({', '.join(text(one, names) for one in arguments)})", _ATOM


def _inner(node: Node, names: Mapping[str, str], least: int) -> str:
    inner, level = _text(node, names)
    return inner if level >= least else f"({inner})"


def _joined(parts: Sequence[tuple[bool, Node]], names: Mapping[str, str], least: int, plus: str, minus: str) -> str:
    joined = _inner(parts[0][1], names, min(least, _NEGATIVE) if least == _POWER else least)
    for positive, node in parts[1:]:
        level_wanted = _POWER if isinstance(node, Negative) else least
        joined += (plus if positive else minus) + _inner(node, names, level_wanted)
    return joined


def _exponent(exponent: Fraction) -> str:
    if exponent.denominator == 1:
        return str(exponent)
    return f"{float(exponent)!r}"


def names(node: Node) -> frozenset[str]:
    """Every name the formula uses."""
    match node:
        case Number():
            return frozenset()
        case Name(name):
            return frozenset((name,))
        case Negative(of) | Power(of):
            return names(of)
        case Sum(parts) | Product(parts):
            return frozenset().union(*(names(part) for _, part in parts))
        case Call(_, arguments):
            return frozenset().union(*(names(one) for one in arguments))


def dimension(node: Node, dimensions: Mapping[str, Dimension]) -> Dimension:
    """What the formula gives, from what its names are; FormulaError where unlike things are added."""
    match node:
        case Number(quantity):
            return quantity.dimension
        case Name(name):
            return dimensions[name]
        case Negative(of):
            return dimension(of, dimensions)
        case Sum(terms):
            return alike("add or subtract", [(short(term), dimension(term, dimensions)) for _, term in terms])
        case Product(factors):
            product = Dimension()
            for multiplied, factor in factors:
                of_factor = dimension(factor, dimensions)
                product = product * of_factor if multiplied else product / of_factor
            return product
        case Power(base, exponent):
            return dimension(base, dimensions) ** exponent
        case Call(function, arguments):
            sides = [(short(one), dimension(one, dimensions)) for one in arguments]
            return FUNCTIONS[function].shape(function, sides)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How numbers are reckoned: the same walk gives floats or numpy arrays."""

    call: Callable[[str, Sequence[Any]], Any]
    power: Callable[[Any, float], Any]
    is_finite: Callable[[Any], bool]


SCALARS = Arithmetic(
    call=lambda function, arguments: FUNCTIONS[function].on_numbers(arguments),
    power=math.pow,
    is_finite=lambda result: abs(result) <= LARGEST,
)


def value(node: Node, values: Mapping[str, Any], arithmetic: Arithmetic) -> Any:
    """The value in base units. Every step must be finite: no overflow hides behind a later division."""
    try:
        result = _step(node, values, arithmetic)
    except ZeroDivisionError:
        raise FormulaError(f"'{short(node)}' divides by zero; a divisor must not be zero") from None
    except OverflowError:
        raise FormulaError(f"'{short(node)}' is too large; numbers up to 1e300 are understood") from None
    except ValueError:  # math.sqrt and its like, and 0 ** -1
        raise FormulaError(f"'{short(node)}' has no value: it is not defined for such a number") from None
    if not arithmetic.is_finite(result):
        raise FormulaError(f"'{short(node)}' gives no finite number; look for a zero divisor or a huge factor")
    return result


def _step(node: Node, values: Mapping[str, Any], arithmetic: Arithmetic) -> Any:
    match node:
        case Number(quantity):
            return quantity.value
        case Name(name):
            return values[name]
        case Negative(of):
            return -value(of, values, arithmetic)
        case Sum(terms):
            total: Any = 0.0
            for added, term in terms:
                of_term = value(term, values, arithmetic)
                total = total + of_term if added else total - of_term
            return total
        case Product(factors):
            product: Any = 1.0
            for multiplied, factor in factors:
                of_factor = value(factor, values, arithmetic)
                product = product * of_factor if multiplied else product / of_factor
            return product
        case Power(base, exponent):
            return arithmetic.power(value(base, values, arithmetic), float(exponent))
        case Call(function, arguments):
            return arithmetic.call(function, [value(one, values, arithmetic) for one in arguments])


def has_product(node: Node) -> bool:
    """Whether anything is multiplied or divided in it."""
    match node:
        case Product():
            return True
        case Negative(of) | Power(of):
            return has_product(of)
        case Sum(terms):
            return any(has_product(term) for _, term in terms)
        case Call(_, arguments):
            return any(has_product(one) for one in arguments)
    return False


def numbers(node: Node) -> list[Quantity]:
    """The numbers written in the formula, from left to right."""
    match node:
        case Number(quantity):
            return [quantity]
        case Name():
            return []
        case Negative(of) | Power(of):
            return numbers(of)
        case Sum(parts) | Product(parts):
            return [quantity for _, part in parts for quantity in numbers(part)]
        case Call(_, arguments):
            return [quantity for one in arguments for quantity in numbers(one)]
