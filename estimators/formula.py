"""A formula is one string, one checked tree, several readings.

The language: + - * / ** (or ^), unary minus, parentheses, the functions of `functions.FUNCTIONS`,
names with dots, and numbers with units. A number directly followed by a unit is one quantity and
binds tighter than * and /. Text is read by our own parser into our own tree; nothing is ever run.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from estimators import tree
from estimators.dimension import Dimension
from estimators.errors import FormulaError, shown
from estimators.functions import FUNCTIONS
from estimators.notation import (
    MAX_NUMBER_POWER,
    MAX_POWER,
    Token,
    Tokens,
    bytes_for_billion,
    find_multiplier,
    read_exponent,
    read_quantity,
    unknown_unit,
)
from estimators.tree import Call, Name, Negative, Node, Number, Power, Product, Sum
from estimators.units import Quantity, Units

if TYPE_CHECKING:
    import numpy

T = TypeVar("T")
MAX_LENGTH, MAX_DEPTH, MAX_NODES = 2_000, 40, 500


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

    @classmethod
    def parse(cls, text: str, units: Units) -> Formula:
        """Read a formula; FormulaError for what is not arithmetic, and for what is too long or deep."""
        if not isinstance(text, str):
            raise FormulaError(f"{shown(str(text))} is not text; write the formula in quotes")
        if len(text) > MAX_LENGTH:
            raise FormulaError(
                f"{shown(text)}: {len(text):,} characters; a formula takes at most {MAX_LENGTH:,}, "
                "put parts of it into estimates of their own"
            )
        if not text.strip():
            raise FormulaError("the formula is empty; write for example '10M users * 500 B/user'")
        node = _Parser(text, units).formula()
        return cls(" ".join(text.split()), node, tree.names(node))

    def dimension(self, dimensions: Mapping[str, Dimension]) -> Dimension:
        """The dimension of the result, from those of its names."""
        self._known(dimensions)
        return tree.dimension(self.tree, dimensions)

    def value(self, values: Mapping[str, float]) -> float:
        """The result in base units."""
        self._known(values)
        return float(tree.value(self.tree, values, tree.SCALARS))

    def samples(self, arrays: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
        """The results for arrays of equal length (floats beside them are broadcast)."""
        import numpy

        self._known(arrays)
        arithmetic = tree.Arithmetic(
            call=lambda function, arguments: FUNCTIONS[function].on_arrays(arguments),
            power=numpy.power,
            is_finite=lambda result: bool(numpy.all(numpy.abs(result) <= tree.LARGEST)),
        )
        with numpy.errstate(all="ignore"):  # what is not finite is refused by the walk, with its place
            result: Any = tree.value(self.tree, arrays, arithmetic)
        return numpy.asarray(result, dtype=float)

    def symbols(self) -> str:
        """For reading: 'watches_a_month ÷ watches_per_load'."""
        return tree.text(self.tree)

    def substituted(self, texts: Mapping[str, str]) -> str:
        """For reading, with the numbers put in: '15e9 watch/month ÷ 2 watch/load'."""
        return tree.text(self.tree, texts)

    def _known(self, names: Iterable[str]) -> None:
        known = frozenset(names)
        for name in sorted(self.names - known):
            raise unknown_name(name, known)


def unknown_name(name: str, known: Iterable[str], units: Units | None = None) -> FormulaError:
    """The message for a name that stands for nothing, with what was probably meant."""
    if units is not None and units.is_unit(name):
        return FormulaError(f"{shown(name)} is a unit without a number; write '1 {name}', or another name")
    close = difflib.get_close_matches(name[:100], list(known), n=2)
    guess = f"did you mean {' or '.join(shown(c) for c in close)}?" if close else "define it first"
    return FormulaError(f"{shown(name)} is not known here; {guess}")


class _Parser:
    """Recursive descent over the tokens of one formula; depth and size are counted on the way."""

    def __init__(self, text: str, units: Units) -> None:
        self.tokens = Tokens(text)
        self.units = units
        self.nodes = 0
        self.depth = 0
        self.calls = 0

    def formula(self) -> Node:
        node = self.sum()
        if self.tokens.peek().kind != "end":
            raise self.misplaced(self.tokens.peek(), "an operator (+ - * / ^)")
        return node

    def sum(self) -> Node:
        first = self.product()
        terms = [(True, first)]
        while self.tokens.at("+", "-"):
            terms.append((self.tokens.take().text == "+", self.product()))
        return self.made(Sum(tuple(terms))) if len(terms) > 1 else first

    def product(self) -> Node:
        first = self.signed()
        factors = [(True, first)]
        while self.tokens.at("*", "/"):
            factors.append((self.tokens.take().text == "*", self.signed()))
        return self.made(Product(tuple(factors))) if len(factors) > 1 else first

    def signed(self) -> Node:
        negative = False
        while self.tokens.at("-", "+"):
            negative ^= self.tokens.take().text == "-"
        node = self.power()
        return self.made(Negative(node)) if negative else node

    def power(self) -> Node:
        base = self.atom()
        if not self.tokens.at("^", "**"):
            return base
        self.tokens.take()
        plain = isinstance(base, Number) and base.quantity.dimension.is_dimensionless
        return self.made(Power(base, read_exponent(self.tokens, MAX_NUMBER_POWER if plain else MAX_POWER)))

    def atom(self) -> Node:
        token = self.tokens.peek()
        if token.kind == "number" or self.tokens.at("$", "€", "£"):
            return self.number(token)
        if token.kind == "name":
            self.tokens.take()
            return self.call(token) if self.tokens.at("(") else self.made(Name(token.text))
        if self.tokens.at("("):
            self.tokens.take()
            return self.nested(lambda: self.closed(self.sum()))
        raise self.misplaced(token, "a number, a name or '('")

    def number(self, token: Token) -> Node:
        if self.calls and "," in token.text:
            raise FormulaError(
                f"{shown(self.tokens.given)}: '{token.text}' in a function can be one number or two; "
                f"write '{token.text.replace(',', '')}' or '{token.text.replace(',', ', ')}'"
            )
        reading = read_quantity(self.tokens, self.units.table)
        after = self.tokens.peek()
        if after.kind == "name" and not reading.unit and not find_multiplier(after.text):
            raise unknown_unit(after.text, self.tokens.given, self.units.table)
        if after.kind == "name" and reading.unit == "B":
            raise bytes_for_billion(after.text, self.tokens.given)
        written = " ".join(self.tokens.given[reading.start : reading.end].split())
        return self.made(Number(Quantity(reading.value(self.tokens.given), reading.dimension, written)))

    def call(self, name: Token) -> Node:
        function = FUNCTIONS.get(name.text)
        if function is None:
            close = difflib.get_close_matches(name.text[:40], FUNCTIONS, n=1)
            guess = f"did you mean '{close[0]}'; " if close else ""
            known = ", ".join(FUNCTIONS)
            raise FormulaError(f"{shown(name.text)} is not a function; {guess}there are {known}")
        self.tokens.take()
        self.calls += 1
        arguments = self.nested(self.arguments)
        self.calls -= 1
        if len(arguments) < function.least or (function.most and len(arguments) > function.most):
            wanted = f"{function.least}" if function.most else f"at least {function.least}"
            raise FormulaError(f"{name.text}() takes {wanted} argument(s), {len(arguments)} given")
        return self.made(Call(name.text, tuple(arguments)))

    def arguments(self) -> list[Node]:
        found: list[Node] = []
        while not self.tokens.at(")"):
            found.append(self.sum())
            if not self.tokens.at(","):
                break
            self.tokens.take()
        self.closed(None)
        return found

    def closed(self, result: T) -> T:
        if not self.tokens.at(")"):
            raise self.misplaced(self.tokens.peek(), "')'")
        self.tokens.take()
        return result

    def nested(self, read: Callable[[], T]) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            given = shown(self.tokens.given)
            raise FormulaError(f"{given} is nested more than {MAX_DEPTH} deep; split it up")
        result = read()
        self.depth -= 1
        return result

    def made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise FormulaError(f"{shown(self.tokens.given)} has more than {MAX_NODES} parts; split it up")
        return node

    def misplaced(self, token: Token, wanted: str) -> FormulaError:
        given = shown(self.tokens.given)
        if token.kind == "range":
            return FormulaError(f"{given}: ranges stand in assumptions only; make it one and use its name")
        at = f"at {shown(token.text)} (character {token.start + 1})"
        where = "at the end" if token.kind == "end" else at
        return FormulaError(f"{given}: {wanted} is wanted {where}")
