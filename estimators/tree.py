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
from estimators.functions import Function, alike
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
    function: Function
    arguments: tuple[Node, ...]


Node = Number | Name | Negative | Sum | Product | Power | Call

ONE = Number(Quantity(1.0, text="1"))
"""stands for a factor that was not given"""

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
            bare = {name: given.replace(",", "") for name, given in names.items()}  # a comma parts arguments here
            return f"{function.name}({', '.join(text(one, bare) for one in arguments)})", _ATOM


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


def parts(node: Node) -> list[Node]:
    """What it is made of, one step down."""
    match node:
        case Negative(of) | Power(of):
            return [of]
        case Sum(inside) | Product(inside):
            return [part for _, part in inside]
        case Call(_, arguments):
            return list(arguments)
    return []


def names(node: Node) -> frozenset[str]:
    """Every name the formula uses."""
    return frozenset((node.name,)) if isinstance(node, Name) else frozenset().union(*map(names, parts(node)))


def size(node: Node) -> int:
    """How many parts it has when it is written out. What stands in several places is walked once."""
    known: dict[int, int] = {}

    def count(one: Node) -> int:
        if id(one) not in known:
            known[id(one)] = 1 + sum(map(count, parts(one)))
        return known[id(one)]

    return count(node)


def replaced(node: Node, trees: Mapping[str, Node]) -> Node:
    """The tree with trees put in for names; factors of `ONE` are left out."""
    match node:
        case Number():
            return node
        case Name(name):
            return trees.get(name, node)
        case Negative(of):
            return Negative(replaced(of, trees))
        case Sum(terms):
            return Sum(tuple((added, replaced(term, trees)) for added, term in terms))
        case Product(factors):
            put_in = [(multiplied, replaced(factor, trees)) for multiplied, factor in factors]
            kept = [(multiplied, factor) for multiplied, factor in put_in if factor is not ONE]
            if not kept or not kept[0][0]:
                kept.insert(0, (True, ONE))
            return Product(tuple(kept)) if len(kept) > 1 else kept[0][1]
        case Power(base, exponent):
            return Power(replaced(base, trees), exponent)
        case Call(function, arguments):
            return Call(function, tuple(replaced(one, trees) for one in arguments))


def expanded(node: Node) -> Node:
    """The tree with the formulas of its functions in place of the calls."""
    match node:
        case Negative(of):
            return Negative(expanded(of))
        case Sum(terms):
            return Sum(tuple((added, expanded(term)) for added, term in terms))
        case Product(factors):
            return Product(tuple((multiplied, expanded(factor)) for multiplied, factor in factors))
        case Power(base, exponent):
            return Power(expanded(base), exponent)
        case Call(function, arguments):
            inside = [expanded(one) for one in arguments]
            made: Node = function.expand(inside) if function.expand else Call(function, tuple(inside))
            return made
    return node


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
            return function.shape(function.name, sides)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How numbers are reckoned: the same walk gives floats or numpy arrays."""

    call: Callable[[Function, Sequence[Any]], Any]
    power: Callable[[Any, float], Any]
    is_finite: Callable[[Any], bool]


SCALARS = Arithmetic(
    call=lambda function, arguments: function.on_numbers(arguments),
    power=math.pow,
    is_finite=lambda result: abs(result) <= LARGEST,
)


def arrays() -> Arithmetic:
    """The walk on numpy arrays of one length, floats beside them; numpy is imported here and not at start-up."""
    import numpy

    return Arithmetic(
        call=lambda function, arguments: function.on_arrays(arguments),
        power=numpy.power,
        is_finite=lambda result: bool(numpy.all(numpy.abs(result) <= LARGEST)),
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
    return isinstance(node, Product) or any(map(has_product, parts(node)))


def numbers(node: Node) -> list[Quantity]:
    """The numbers written in the formula, from left to right."""
    if isinstance(node, Number):
        return [node.quantity]
    return [quantity for part in parts(node) for quantity in numbers(part)]
