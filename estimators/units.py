"""The one unit registry: quantities and ranges read and printed the way engineers write them.

Bases are seconds, bytes, US dollars and every count noun on its own, so that bytes plus requests is
an error. A month is 30 days and a year 365; k, M, G and B are decimal, Ki, Mi, Gi binary; a bit is
an eighth of a byte; QPS, rps and TPS are 1/s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from estimators import printing
from estimators.dimension import PLAIN, Dimension, common, fits
from estimators.errors import FormulaError, shown
from estimators.notation import (
    Reading,
    Tokens,
    bytes_for_billion,
    find_multiplier,
    find_unit,
    read_quantity,
    read_unit,
    unknown_unit,
)
from estimators.vocabulary import Unit, built_in, noun_units

__all__ = ["Dimension", "Quantity", "Range", "Units", "fits"]

MAX_TEXT = 200
MAX_READ_UNITS = 1_000
_BETWEEN = re.compile(r"\s*(?<!\.)\.\.(?!\.)\s*|\s+to\s+")
_NOUN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a dimension. Equal quantities are equal however they were written."""

    value: float
    """in base units: seconds, bytes, USD, plain counts"""
    dimension: Dimension = PLAIN
    text: str = field(default="", compare=False)
    """as it was written, '' where it was computed"""


@dataclass(frozen=True, slots=True)
class Range:
    """A 90 % interval: log-normal where both ends are positive, else normal."""

    low: Quantity
    high: Quantity
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.low.dimension != self.high.dimension:
            raise FormulaError(
                f"{shown(self.text)}: the ends differ, {self.low.dimension.described()} and "
                f"{self.high.dimension.described()}; write both in one kind of unit, for example '1..2 ms'"
            )
        if self.low.value > self.high.value:
            raise FormulaError(
                f"{shown(self.text)}: the range is upside down; the smaller end comes first, as in '1..2 ms'"
            )

    @property
    def point(self) -> Quantity:
        """One value for it: the geometric mean where both ends are positive, else the midpoint."""
        low, high = self.low.value, self.high.value
        if low <= 0:
            return Quantity(low / 2 + high / 2, self.low.dimension)
        product = low * high
        exact = 0 < product < math.inf
        return Quantity(math.sqrt(product) if exact else math.sqrt(low) * math.sqrt(high), self.low.dimension)


class Units:
    """The registry: the built-in units and nouns and the given nouns, each its own dimension.

    >>> units = Units(["heatmap"])
    >>> units.format(units.quantity("500 B/row"))
    '500 B/row'
    """

    def __init__(self, nouns: Iterable[str] = ()) -> None:
        self.table: dict[str, Unit] = dict(built_in())
        self._read_units: dict[str, Unit] = {}  # a page prints in few units, thousands of times
        for noun in nouns:
            self._add(noun)

    def _add(self, noun: str) -> None:
        if not isinstance(noun, str) or not _NOUN.fullmatch(noun) or noun == "per" or find_multiplier(noun):
            raise FormulaError(f"{shown(str(noun))} cannot be a count; write one word, for example 'visit'")
        known = find_unit(noun, self.table)
        if known is not None:
            if not known[1].counts:
                raise FormulaError(f"{shown(noun)} is a unit already; name the count differently")
            return
        self.table = noun_units(noun) | self.table

    def is_unit(self, name: str) -> bool:
        """Whether `name` alone reads as a unit. Such a word cannot be a name in a formula."""
        return find_unit(name, self.table) is not None

    def unit(self, text: str) -> tuple[float, Dimension]:
        """Size in base units and dimension of 'GB/user', '$/hour', '1/s', '/s' or '' (a plain number)."""
        factor, dimension = self._unit(text)
        return float(factor), dimension

    def _unit(self, text: str) -> Unit:
        found = self._read_units.get(text)
        if found is None:
            if len(self._read_units) >= MAX_READ_UNITS:
                self._read_units.clear()
            found = self._read_units[text] = self._read_unit(text)
        return found

    def _read_unit(self, text: str) -> Unit:
        tokens = Tokens(_bounded(text, "a unit"))
        if tokens.peek().text == "1" and not tokens.at("*", ahead=1):
            tokens.take()
        unit = read_unit(tokens, self.table)
        self._finished(tokens, after="")
        return unit

    def written_unit(self, text: str) -> str:
        """The unit of a quantity as written: 'PB' of '4 PB', '$/hour' of '$2.50/hour', '' of '10M'."""
        return self._read(text)[0].unit

    def quantity(self, text: str) -> Quantity:
        """Read one quantity: '10M requests/s', '4 PB', '$2.50/hour', '99.9 %', '1,000,000 rows', '-3 ms'."""
        reading, sign = self._read(text)
        return Quantity(sign * reading.value(text), reading.dimension, " ".join(text.split()))

    def range(self, text: str) -> Range:
        """Read 'a..b' or 'a to b'. A low end without a unit shares the high end's: '8e6..12e6 user/day'.

        It shares a multiplier too ('1..2 million users'), unless it has its own.
        """
        ends = _BETWEEN.split(_bounded(text, "a range").strip())
        if len(ends) != 2 or not all(ends):
            raise FormulaError(f"{shown(text)} is not a range; write low and high, for example '1..2 ms'")
        below, above = ends
        if below.startswith("$") and not above.startswith("$"):
            above = "$" + above
        (low, low_sign), (high, high_sign) = self._read(below), self._read(above)
        if low.unit in ("", "$"):
            multiplier = high.multiplier if low.multiplier == 1 else low.multiplier
            low = Reading(low.number, multiplier, high.factor, high.dimension, high.unit, low.start, low.end)
        written = " ".join(text.split())
        return Range(
            Quantity(low_sign * low.value(text), low.dimension, below),
            Quantity(high_sign * high.value(text), high.dimension, above),
            written,
        )

    def value(self, text: str) -> Quantity | Range:
        """A range if the text has two ends, else a quantity."""
        return self.range(text) if _BETWEEN.search(_bounded(text, "a value").strip()) else self.quantity(text)

    def number_in(self, quantity: Quantity, unit: str) -> float:
        """The number to write in front of `unit`; FormulaError naming both where it does not fit.

        To 15 digits, which is what base units keep: 15e9/month reads 15e9, not 15000000000.000002.
        """
        factor, dimension = self._unit(unit)
        if common(quantity.dimension, dimension) is None:
            raise FormulaError(
                f"{shown(unit)} is {dimension.described()}, the value is {quantity.dimension.described()}; "
                "use a unit of the same kind"
            )
        try:
            return float(f"{float(Fraction(quantity.value) / factor):.15g}")
        except OverflowError:
            raise FormulaError(f"the value is too large for {shown(unit)}; use a larger unit") from None

    def unit_for(self, quantity: Quantity, per: str | None = None) -> str:
        """A sensible unit to print it in; `per` is the time unit ('month') to prefer for rates."""
        return printing.choose_unit(quantity.value, quantity.dimension, quantity.text, per)

    def format(self, quantity: Quantity, unit: str | None = None) -> str:
        """As an engineer writes it, with 3-4 digits: '2,894 load/s', '0.4 PB', '$2.50/hour', '12.5 ms'."""
        wanted = self.unit_for(quantity) if unit is None else unit
        return printing.with_unit(self.number_in(quantity, wanted), wanted)

    @staticmethod
    def fits(given: Dimension, wanted: Dimension) -> bool:
        """Whether `given` may stand where `wanted` is wanted: equal, or 1/s for some count per second."""
        return fits(given, wanted)

    def _read(self, text: str) -> tuple[Reading, int]:
        tokens = Tokens(_bounded(text, "a quantity"))
        sign = -1 if tokens.at("-") else 1
        if tokens.at("-", "+"):
            tokens.take()
        reading = read_quantity(tokens, self.table, alone=True)
        self._finished(tokens, after=reading.unit)
        return reading, sign

    def _finished(self, tokens: Tokens, after: str) -> None:
        """Raise the most helpful message if something is left that was not understood."""
        token, given = tokens.peek(), tokens.given
        if token.kind == "end":
            return
        name = tokens.peek(1) if tokens.at("/", "*", "per") else token
        if name.kind == "name" and not self.is_unit(name.text):
            raise unknown_unit(name.text, given, self.table)
        if after == "B" and name.kind == "name":
            raise bytes_for_billion(name.text, given)
        if token.kind == "range":
            raise FormulaError(f"{shown(given)} is a range, one value is wanted here; write for example '12 ms'")
        if token.text == ",":
            raise FormulaError(f"{shown(given)}: commas part thousands, as in '1,000,000'; write decimals with a point")
        raise FormulaError(
            f"{shown(given)}: {shown(token.text)} is out of place; one number and one unit are wanted, "
            "for example '300 requests/s' or '0.02 USD/GB/month'"
        )


def _bounded(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise FormulaError(f"{shown(str(text))} is not text; write {what} in quotes, for example '12 ms'")
    if len(text) > MAX_TEXT:
        raise FormulaError(f"{shown(text)}: {len(text):,} characters; {what} takes at most {MAX_TEXT}")
    if not text.strip() and what != "a unit":
        raise FormulaError(f"{shown(text)}: {what} is missing; write for example '12 ms'")
    return text
