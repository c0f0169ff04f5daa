"""How engineers write numbers with units: tokens, and the reading of one quantity from them.

Used for single quantities and inside formulas alike, so that `10 events/user/hour` is the same
thing in both. Numbers are exact fractions until the unit is applied: `12 ms` is exactly what the
float 0.012 is, with no rounding on the way.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from estimators.dimension import PLAIN, Dimension
from estimators.errors import FormulaError, shown
from estimators.vocabulary import MULTIPLIERS, REMEDIES, SECONDS, Unit

MAX_POWER = 16
MAX_NUMBER_POWER = 64  # of a number that is written out: 2^64
_ONE: Unit = (Fraction(1), PLAIN)
_SPELLED_ALIKE = str.maketrans(
    dict.fromkeys("×·⋅∙∗✕", "*") | dict.fromkeys("÷∕⁄", "/") | dict.fromkeys("−–", "-")  # as pasted
)
_TIMES_WORDS = frozenset({"x", "X", "times"})
_PER_WORDS = frozenset({"a", "an", "each", "every"})
_TIME_WORDS = frozenset(SECONDS) | {"second", "minute"}
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+(?:_[0-9]+)*)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<range>\.\.(?!\.))"
    r"|(?P<name>[A-Za-zµμ][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)"
    r"|(?P<symbol>\*\*|[-+*/^()$¢€£%,])"
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """number, name, symbol, range or end"""
    text: str
    start: int
    end: int


class Tokens:
    """The tokens of one text and a position in them; the last is always the 'end' token."""

    def __init__(self, text: str) -> None:
        self.text = text.translate(_SPELLED_ALIKE)  # one character for one: positions stay
        self.given = text
        self.position = 0
        self.list = _said(_tokens(self.text, text))

    def peek(self, ahead: int = 0) -> Token:
        return self.list[min(self.position + ahead, len(self.list) - 1)]

    def take(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def at(self, *symbols: str, ahead: int = 0) -> bool:
        """Whether the token there is one of these symbols (or the word 'per', if asked for)."""
        token = self.peek(ahead)
        return token.text in symbols and (token.kind == "symbol" or token.text == "per")


def _tokens(text: str, given: str) -> list[Token]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if remedy := REMEDIES.get(text[position]):
                raise FormulaError(f"{shown(given)}: {remedy}")
            raise FormulaError(
                f"{shown(given)}: the character {shown(text[position])} has no meaning here; numbers, units,"
                " names, + - * / ^ and parentheses are understood"
            )
        position = match.end()
        if match.lastgroup and match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), match.start(), position))
    return [*found, Token("end", "", len(text), len(text))]


def _said(tokens: list[Token]) -> list[Token]:
    """The same with words put as symbols, where a name could not stand: between two operands, or after one.

    '2 x 3' and '2 times 3' multiply, '10 % of 5 MB' and '1 MB/s for 1 hour' too; 'a day' is per day, and 'each' after
    a quantity says nothing that its unit does not.
    """
    found: list[Token] = []
    for token, after in itertools.pairwise(tokens):
        before = found[-1] if found else tokens[-1]
        if token.kind != "name" or not _ends_operand(before):
            found.append(token)
        elif _multiplies(token.text, before, after):
            found.append(replace(token, kind="symbol", text="*"))
        elif token.text in _PER_WORDS and after.text.removesuffix("s") in _TIME_WORDS:
            found.append(replace(token, text="per"))
        elif token.text != "each" or (_begins_operand(after) and after.text not in _TIMES_WORDS):
            found.append(token)
    return [*found, tokens[-1]]


def _multiplies(word: str, before: Token, after: Token) -> bool:
    if word == "of":
        return before.text in ("%", "percent") and _begins_operand(after)
    return (word in _TIMES_WORDS and _begins_operand(after)) or (word == "for" and after.kind == "number")


def _ends_operand(token: Token) -> bool:
    return (
        token.kind == "number" or token.text in (")", "%", "$", "¢") or (token.kind == "name" and token.text != "per")
    )


def _begins_operand(token: Token) -> bool:
    return token.kind in ("number", "name") or token.text in ("(", "$")


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity as it was read: `number * multiplier * factor` in base units."""

    number: Fraction
    multiplier: Fraction
    factor: Fraction
    dimension: Dimension
    unit: str
    """the unit as written, '' without one; the dollar of '$2.50/hour' is put in front: '$/hour'"""
    start: int
    end: int

    def value(self, given: str) -> float:
        """In base units; FormulaError where it is too large for a float."""
        try:
            return float(self.number * self.multiplier * self.factor)
        except OverflowError:
            raise FormulaError(f"{shown(given)} is too large; numbers up to 1e300 are understood") from None


def number_of(token: Token) -> Fraction:
    """The exact number a token writes. The exponent is bounded before anything that size is built."""
    text = token.text.replace(",", "").replace("_", "")
    exponent = re.search(r"[eE][+-]?0*([0-9]*)$", text)
    if len(text) > 100 or (exponent and int(exponent[1] or 0) > 300):
        raise FormulaError(f"{shown(token.text)} is out of range; numbers up to 1e300 are understood")
    return Fraction(text)


def find_unit(name: str, units: Mapping[str, Unit]) -> Unit | None:
    """The unit of that name. Words may be capitalised (Users), but where a capital has a meaning (MB, Mb)."""
    unit = units.get(name)
    capitals = name.istitle() or name.isupper() or name[:-1].isupper()
    if unit is None and len(name) > 2 and capitals and not name.endswith("BPS"):
        unit = units.get(name.lower())
    return unit


def find_multiplier(name: str) -> int | None:
    return MULTIPLIERS.get(name) or (MULTIPLIERS.get(name.lower()) if len(name) > 2 else None)


def unknown_unit(name: str, given: str, units: Mapping[str, Unit]) -> FormulaError:
    """The message for a word that is no unit, with what was probably meant."""
    if name in REMEDIES:
        return FormulaError(f"{shown(given)}: {REMEDIES[name]}")
    close = difflib.get_close_matches(name[:40], units, n=2, cutoff=0.7)
    guess = f"did you mean {' or '.join(shown(c) for c in close)}; " if close else ""
    return FormulaError(
        f"{shown(given)}: {shown(name)} is not a unit; {guess}write for example '12 ms', '4 PB' or '300 requests/s'"
    )


def bytes_for_billion(counted: str, given: str) -> FormulaError:
    """The message for '10B users'."""
    wanted = f"10 billion {counted[:40]}"
    return FormulaError(f"{shown(given)}: 'B' is bytes; for a thousand million write for example '{wanted}'")


def read_quantity(tokens: Tokens, units: Mapping[str, Unit], alone: bool = False) -> Reading:
    """Read '[$]number [multiplier] [unit]' at the position; stops before whatever is no part of it.

    `alone` says that it is no part of a formula: then '10^9' is a number, not a power.
    """
    start = tokens.peek().start
    money = tokens.take() if tokens.at("$", "€", "£") else None
    if money and money.text != "$":
        raise unknown_unit(money.text, tokens.given, units)
    if tokens.peek().kind != "number":
        raise FormulaError(f"{shown(tokens.given)}: a number is missing; write for example '12 ms' or '$2.50/hour'")
    number = _number(tokens, units, alone or money is not None)
    multiplier = find_multiplier(tokens.peek().text) if tokens.peek().kind == "name" else None
    if multiplier:
        tokens.take()
    unit_start = tokens.peek().start
    factor, dimension = read_unit(tokens, units, money=bool(money))
    end = tokens.list[tokens.position - 1].end
    written = " ".join(tokens.given[unit_start:end].split()) if end > unit_start else ""
    if money:
        written = f"$ {written}" if written[:1].isalpha() else f"${written}"
    after = tokens.peek()
    if after.kind == "name" and after.text in REMEDIES and not find_unit(after.text, units):
        raise unknown_unit(after.text, tokens.given, units)
    return Reading(number, Fraction(multiplier or 1), factor, dimension, written, start, end)


def _number(tokens: Tokens, units: Mapping[str, Unit], alone: bool) -> Fraction:
    """A number, or a power of one such as the 10^9 of '10^9 users': only before a unit, unless it is `alone`."""
    number = number_of(tokens.take())
    if not tokens.at("^", "**"):
        return number
    sign = 1 if tokens.at("-", ahead=1) else 0
    exponent, after = tokens.peek(1 + sign), tokens.peek(2 + sign)
    counted = after.kind == "name" and (find_unit(after.text, units) or find_multiplier(after.text))
    if exponent.kind != "number" or not (alone or counted):
        return number
    tokens.take()
    power = read_exponent(tokens, MAX_NUMBER_POWER)
    if power.denominator != 1 or power < -MAX_NUMBER_POWER or (number == 0 and power < 0):
        raise FormulaError(f"{shown(tokens.given)}: a power of a number must be whole, as in '10^9'")
    return number ** int(power)


def read_unit(tokens: Tokens, units: Mapping[str, Unit], money: bool = False) -> Unit:
    """Read 'USD/GB/month' or '/s' at the position, left to right; without a unit: the plain number 1."""
    factor, dimension = units["$"] if money else _ONE
    if not money and (tokens.peek().kind == "name" or tokens.at("%", "$", "¢", "€", "£")) and not tokens.at("per"):
        factor, dimension = _factor(tokens, units)
    while tokens.at("/", "*", "per") and _unit_follows(tokens, units):
        divide = tokens.take().text != "*"
        scale = _scale(tokens)
        size, of = _factor(tokens, units)
        size *= scale
        factor, dimension = (factor / size, dimension / of) if divide else (factor * size, dimension * of)
    return factor, dimension


def _unit_follows(tokens: Tokens, units: Mapping[str, Unit]) -> bool:
    """Whether the operator here is followed by a unit or units in parentheses, not by a name or call.

    A multiplier may stand before the unit ('$3/million requests'), after 'per' a number as well ('per 1,000 rows').
    """
    ahead = 2 if tokens.at("per") and tokens.peek(1).kind == "number" else 1
    if find_multiplier(tokens.peek(ahead).text) and not tokens.at("*"):
        ahead += 1
    if tokens.at("(", ahead=1):
        ahead = 2
        while tokens.at("*", "/", ahead=ahead + 1) and find_unit(tokens.peek(ahead).text, units):
            ahead += 2
        return bool(find_unit(tokens.peek(ahead).text, units)) and tokens.at(")", ahead=ahead + 1)
    if tokens.at("$", ahead=ahead) and tokens.peek(ahead + 1).kind == "number":
        return False  # `100 * $2.50`: the dollar begins the next quantity
    return bool(find_unit(tokens.peek(ahead).text, units)) and not tokens.at("(", ahead=ahead + 1)


def _scale(tokens: Tokens) -> Fraction:
    """The number and multiplier before the unit that something is per, else 1."""
    scale = number_of(tokens.take()) if tokens.peek().kind == "number" else Fraction(1)
    if scale == 0:
        raise FormulaError(f"{shown(tokens.given)}: per 0 of something has no meaning; write it as 'per 1,000 rows'")
    multiplier = find_multiplier(tokens.peek().text) if tokens.peek().kind == "name" else None
    if multiplier:
        tokens.take()
    return scale * (multiplier or 1)


def _factor(tokens: Tokens, units: Mapping[str, Unit]) -> Unit:
    if tokens.at("("):
        tokens.take()
        inner = read_unit(tokens, units)
        tokens.take()
        return inner
    token = tokens.take()
    unit = find_unit(token.text, units)
    if unit is None:
        raise unknown_unit(token.text, tokens.given, units)
    while other := _hyphened(tokens, units):
        unit = (unit[0] * other[0], unit[1] * other[1])
    # (99.9 %)^3 is a power of the number, so a percentage leaves the power to the formula.
    if tokens.at("^", "**") and not unit[1].is_dimensionless:
        tokens.take()
        power = read_exponent(tokens)
        if power.denominator != 1:
            return Fraction(float(unit[0]) ** float(power)), unit[1] ** power
        return unit[0] ** int(power), unit[1] ** power
    return unit


def _hyphened(tokens: Tokens, units: Mapping[str, Unit]) -> Unit | None:
    """The 'hours' of 'GPU-hours', which is taken; None where there is none."""
    dash, name = tokens.peek(), tokens.peek(1)
    before = tokens.list[tokens.position - 1]
    if dash.text != "-" or name.kind != "name" or not before.end == dash.start == name.start - 1:
        return None
    other = find_unit(name.text, units)
    if other is not None:
        tokens.position += 2
    return other


def read_exponent(tokens: Tokens, most: int = MAX_POWER) -> Fraction:
    """A literal number, at most `most` either way; parentheses round it are allowed."""
    bracket = tokens.take() if tokens.at("(") else None
    negative = tokens.at("-")
    if negative:
        tokens.take()
    token = tokens.take()
    closed = tokens.take().text == ")" if bracket else True
    if token.kind != "number" or not closed or tokens.at("^", "**"):
        raise FormulaError(f"{shown(tokens.given)}: an exponent must be a number as in 'x^2', not a calculation")
    power = number_of(token)
    if power > most:
        raise FormulaError(f"{shown(tokens.given)}: the exponent {shown(token.text)} is too large; at most {most}")
    return -power if negative else power
