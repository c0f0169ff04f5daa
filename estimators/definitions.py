"""How a building block is defined: what it takes, what it stands for, what it gives.

Most stand for a formula, read by the same parser: its units are checked, ranges go through it, and a working shows it
written out. Nothing of a block is read before it is called for: a start-up pays for none. The blocks are in `blocks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from estimators import parser, tree
from estimators.dimension import BYTE, MONEY, SECOND, Dimension
from estimators.errors import FormulaError
from estimators.functions import PRIMITIVES, Function, Sides
from estimators.tree import Number
from estimators.units import Units

T = TypeVar("T")

_UNITS = Units()

ABOVE = 0.05  # of the draws of a range, those above its high end


class Kind(NamedTuple):
    """What a parameter takes: in words, an example, whether a dimension will do, the largest and smallest number."""

    words: str
    example: str
    fits: Callable[[Dimension], bool]
    most: float = math.inf
    least: float = 0.0


KINDS = {
    "time": Kind("a time", "30 days", lambda given: given == Dimension.of({SECOND: 1})),
    "rate": Kind("so much in a time", "300 requests/s", lambda given: given.power(SECOND) == -1),
    "size": Kind("bytes", "500 B", lambda given: given.power(BYTE) == 1 and not given.power(SECOND)),
    "throughput": Kind("bytes in a time", "2 TB/s", lambda given: given.power(BYTE) == 1 and given.power(SECOND) == -1),
    "count": Kind("a count", "10 million rows", lambda given: not given.without_counts().powers),
    "number": Kind("a plain number", "3", lambda given: given.is_dimensionless),
    "score": Kind("a plain number", "2.5", lambda given: given.is_dimensionless, least=-math.inf),
    "share": Kind("a share from 0 to 1", "99 %", lambda given: given.is_dimensionless, most=1.0),
    "money": Kind("money", "$0.10/hour", lambda given: given.power(MONEY) == 1),
}
"""Nothing that a block takes is below zero, but for a score."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a block, as written: 'kept: time' or 'copies: number = 1'."""

    name: str
    kind: Kind
    default: Number | None

    @classmethod
    def of(cls, text: str) -> Parameter:
        """Read one."""
        declared, _, default = text.partition("=")
        name, _, kind = declared.partition(":")
        number = None if not default else tree.ONE if default.strip() == "1" else Number(_UNITS.quantity(default))
        return cls(name.strip(), KINDS[kind.strip()], number)

    def __str__(self) -> str:
        return self.name if self.default is None else f"{self.name} = {self.default.quantity.text}"


class Series(NamedTuple):
    """A formula of any number of arguments, from their names."""

    formula: Callable[[Sequence[str]], str]


class Native(NamedTuple):
    """What is no formula of the language: in words, and a function of the parameters, numbers or numpy arrays."""

    words: str
    function: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Block:
    """A building block as it is written down.

    `takes` are its parameters; 'width: count, ...' are two or more of one kind. `gives` is a unit; for its sake count
    nouns are dropped: a thousand videos of 4 bytes are bytes. None: what the formula gives, noun by noun.
    """

    name: str
    takes: str
    stands_for: str | Series | Native
    gives: str | None
    about: str
    example: str
    source: str = "arithmetic"

    @cached_property
    def function(self) -> Function:
        """What a formula calls."""
        calls = _Calls(self)
        return Function(
            self.name,
            calls.least,
            calls.most,
            calls.shape,
            calls.on_numbers,
            calls.on_arrays,
            calls.signature,
            self.about,
            self.example,
            self.source,
            calls.in_symbols(),
            self.gives or "",
            None if isinstance(self.stands_for, Native) else calls.expand,
        )


class _Calls:
    """The readings of a block's calls."""

    def __init__(self, block: Block) -> None:
        self._body = block.stands_for
        self._gives = None if block.gives is None else _UNITS.unit(block.gives)[1]
        listed, self._repeated = block.takes.removesuffix(", ..."), block.takes.endswith(", ...")
        self._parameters = [Parameter.of(part) for part in listed.split(",")]
        self.least = 2 if self._repeated else sum(one.default is None for one in self._parameters)
        self.most = None if self._repeated else len(self._parameters)
        names = [*map(str, self._parameters), *([str(self._parameters[0]), "..."] if self._repeated else [])]
        self.signature = f"{block.name}({', '.join(names)})"
        self._trees: dict[int, tree.Node] = {}

    def in_symbols(self) -> str:
        """What it stands for, for reading."""
        return self._body.words if isinstance(self._body, Native) else tree.text(self._tree(3))

    def shape(self, _: str, sides: Sides) -> Dimension:
        """The dimension of the result; FormulaError naming the parameter that an argument does not fit."""
        dimensions = self._defaults("dimension")
        for one, (text, dimension) in zip(self._named(len(sides)), sides, strict=False):
            if not one.kind.fits(dimension):
                raise FormulaError(
                    f"{self.signature}: {one.name} is {one.kind.words}, '{text}' is {dimension.described()}; "
                    f"write for example '{one.kind.example}'"
                )
            dimensions[one.name] = dimension
        if self._gives is None:
            return self._inside(lambda: tree.dimension(self._tree(len(sides)), dimensions))
        if not isinstance(self._body, Native):
            self._gives_it(dimensions, sides, self._gives)
        return self._gives

    def on_numbers(self, arguments: Sequence[float]) -> float:
        """The value, from floats in base units."""
        return float(self._value(arguments, tree.SCALARS))

    def on_arrays(self, arguments: Sequence[Any]) -> Any:
        """The values, from numpy arrays of one length, or floats."""
        return self._value(arguments, tree.arrays())

    def expand(self, arguments: Sequence[tree.Node]) -> tree.Node:
        """The formula, with the arguments put in."""
        given = {one.name: node for one, node in zip(self._named(len(arguments)), arguments, strict=False)}
        left_out = {one.name: one.default for one in self._parameters if one.default is not None}
        return tree.replaced(self._tree(len(arguments)), left_out | given)

    def _named(self, count: int) -> list[Parameter]:
        """The parameters of a call of `count` arguments; those of a series are numbered."""
        if not self._repeated:
            return self._parameters
        return [Parameter(f"{self._parameters[0].name}{i + 1}", self._parameters[0].kind, None) for i in range(count)]

    def _defaults(self, what: str) -> dict[str, Any]:
        return {one.name: getattr(one.default.quantity, what) for one in self._parameters if one.default is not None}

    def _tree(self, count: int) -> tree.Node:
        """The formula for `count` arguments; one for all counts, unless it is a series."""
        key = count if isinstance(self._body, Series) else 0
        if key not in self._trees:
            names = [one.name for one in self._named(count)]
            text = self._body.formula(names) if isinstance(self._body, Series) else str(self._body)
            self._trees[key] = parser.parse(text, _UNITS, PRIMITIVES)
        return self._trees[key]

    def _value(self, arguments: Sequence[Any], arithmetic: tree.Arithmetic) -> Any:
        values = self._defaults("value")
        for one, value in zip(self._named(len(arguments)), arguments, strict=False):
            value = _within(value, one.kind.most)
            least, most = _ends(value)
            if not (least >= one.kind.least and most <= one.kind.most):
                rule = one.kind.words if one.kind.most == 1 else f"{one.kind.words}, and not below zero"
                found = most if least >= one.kind.least else least
                raise FormulaError(
                    f"{self.signature}: {one.name} is {rule}; it is {found:.6g}, check what it is computed from"
                )
            values[one.name] = value
        body = self._body
        if isinstance(body, Native):
            return self._inside(lambda: body.function(**values))
        result = self._inside(lambda: tree.value(self._tree(len(arguments)), values, arithmetic))
        if not _ends(result)[0] >= 0:
            raise FormulaError(f"{self.signature}: {self.in_symbols()} is below zero; look at what is subtracted")
        return result

    def _gives_it(self, dimensions: Mapping[str, Dimension], sides: Sides, wanted: Dimension) -> None:
        """FormulaError unless time, bytes and money come out so, and what something is 'per' is counted by another."""
        bare = {name: dimension.without_counts() for name, dimension in dimensions.items()}
        computed = self._inside(lambda: tree.dimension(self._tree(len(sides)), bare))
        if computed != wanted.without_counts():
            raise FormulaError(
                f"{self.signature} would give {computed.described()}, it is for {wanted.described()}; "
                "look at the units of what it takes"
            )
        counted = wanted.counts.union(*(_counted(one, above=True) for _, one in sides))
        for text, dimension in sides:
            for noun in sorted(_counted(dimension, above=False) - counted):
                raise FormulaError(
                    f"{self.signature}: '{text}' is per {noun}, and nothing else is in '{noun}'; "
                    "count one thing by one noun"
                )

    def _inside(self, compute: Callable[[], T]) -> T:
        """What is computed; a FormulaError says in which block."""
        try:
            return compute()
        except FormulaError as error:
            raise FormulaError(f"{self.signature}: {error}") from None


def _counted(dimension: Dimension, above: bool) -> frozenset[str]:
    """The count nouns above, or below, the line."""
    return frozenset(noun for noun in dimension.counts if (dimension.power(noun) > 0) == above)


def _within(values: Any, most: float) -> Any:
    """Samples cut at what a share can be: a range has 5 % of its draws above its high end, and no share is above 1."""
    if isinstance(values, int | float) or most > 1 or not 0 < (values > most).mean() <= ABOVE:
        return values
    return values.clip(max=most)


def _ends(values: Any) -> tuple[float, float]:
    """The smallest and the largest of numbers, NaN where one is NaN."""
    return (values, values) if isinstance(values, int | float) else (float(values.min()), float(values.max()))
