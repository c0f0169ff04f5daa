"""Text to tree: recursive descent over the tokens of one formula. Nothing of the text is ever run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TypeVar

from estimators.errors import FormulaError, shown
from estimators.functions import Function
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

T = TypeVar("T")
MAX_LENGTH, MAX_DEPTH, MAX_NODES = 2_000, 40, 500


def parse(text: str, units: Units, functions: Mapping[str, Function]) -> Node:
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
    return _Parser(text, units, functions).formula()


class _Parser:
    """Recursive descent over the tokens of one formula; depth and size are counted on the way."""

    def __init__(self, text: str, units: Units, functions: Mapping[str, Function]) -> None:
        self.tokens = Tokens(text)
        self.units = units
        self.functions = functions
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
        function = self.functions.get(name.text)
        if function is None:
            close = difflib.get_close_matches(name.text[:40], self.functions, n=1)
            remedy = f"did you mean '{close[0]}'?" if close else "'python -m estimators functions' lists them"
            raise FormulaError(f"{shown(name.text)} is not a function; {remedy}")
        self.tokens.take()
        self.calls += 1
        arguments = self.nested(self.arguments)
        self.calls -= 1
        function.takes(len(arguments))
        return self.made(Call(function, tuple(arguments)))

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
