"""The kinds of value that a case file holds, from text to plain numbers in base units.

Whatever comes in (a file, `--set`, an address, a knob) is text; the field says what it means. Durations become
seconds, rates 1/s, shares a number from 0 to 1, prices USD per second, data bytes. '= name' takes the value of an
estimate, an assumption or a path.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from cases.errors import Consequence, DesignError, shown
from estimators.errors import FormulaError
from estimators.units import Dimension, Quantity, Units

NAME_PATTERN = "[a-z][a-z0-9_]{0,39}"
NANOSECOND = 1e-9
YEAR = 365 * 86_400.0


@dataclass(frozen=True)
class Reading:
    """What it takes to read a case's values: texts in its units, and what '= name' stands for."""

    quantity: Callable[[str], Quantity]
    reference: Callable[[str], Quantity]


def wrong(message: str) -> PydanticCustomError:
    """The exception by which a field refuses a value."""
    return PydanticCustomError("case", "{message}", {"message": message})


# -- what comes later -----------------------------------------------------------------------------------------------

CASES = "six more cases"


def later(what: str, step: str) -> str:
    """How a part of the language that is not simulated yet is refused: never accepted and ignored."""
    return f"{what} is part of the case language but not simulated yet: it comes with '{step}'; leave it out for now"


def not_yet(what: str, step: str) -> PydanticCustomError:
    """The exception by which a field refuses what comes with a later step."""
    return PydanticCustomError("later", "{message}", {"message": later(what, step)})


def later_field(step: str) -> Any:
    """The annotations of a field whose behaviour comes with a later step."""

    def refuse(value: object, info: ValidationInfo) -> None:
        raise not_yet(f"'{info.field_name}'", step)

    schema = {"description": f"Not simulated yet: it comes with '{step}'.", "not": {}, "deprecated": True}
    return PlainValidator(refuse), WithJsonSchema(schema)


# -- quantities ------------------------------------------------------------------------------------------------------


def text_of(value: object, example: str) -> str:
    """The text of a single value, not empty."""
    if not isinstance(value, str):
        raise wrong(f"a single value is wanted here; write for example '{example}'")
    if not value.strip():
        raise wrong(f"is empty; write for example '{example}'")
    return value.strip()


def quantity(value: object, info: ValidationInfo, what: str, example: str) -> tuple[Quantity, str]:
    """The quantity that a text or a reference stands for, and the text. FormulaErrors become field errors."""
    text = text_of(value, example)
    reading = info.context
    assert isinstance(reading, Reading), "case models are validated by cases.build"
    try:
        if text.startswith("="):
            return reading.reference(text[1:].strip()), text
        return reading.quantity(text), text
    except FormulaError as error:
        reason = str(error).removeprefix(f"{shown(text)}: ").partition("; write for example")[0]
        if text.startswith("="):
            kind = "consequence" if isinstance(error, Consequence) else "case"
            raise PydanticCustomError(kind, "{message}", {"message": reason}) from None
        if _refers(reading, text):
            raise wrong(f"{shown(text)} is a name; to take its value, write '= {text}'") from None
        raise wrong(f"{shown(text)} is not {what}: {reason}; write for example '{example}'") from None


def _refers(reading: Reading, text: str) -> bool:
    """Whether a text would be a reference if '= ' stood before it."""
    try:
        reading.reference(text)
    except FormulaError:
        return False
    return True


@dataclass(frozen=True)
class Kind:
    """Reads one kind of quantity: its dimension, its bounds (in base units) and how to say what is wanted."""

    what: str
    example: str
    accepts: Callable[[Dimension], bool]
    low: float
    high: float
    bounds: str

    def __call__(self, value: object, info: ValidationInfo) -> float:
        """The value in base units; a field error if it is of another kind or out of bounds."""
        given, text = quantity(value, info, self.what, self.example)
        if not self.accepts(given.dimension):
            kind = "has no unit" if given.dimension.is_dimensionless else f"is in {given.dimension.described()}"
            raise wrong(f"{shown(text)} {kind}, and {self.what} is wanted; write for example '{self.example}'")
        if not self.low <= given.value <= self.high:
            raise wrong(
                f"{shown(text)} is out of bounds: {self.what} is {self.bounds}; write for example '{self.example}'"
            )
        return given.value


def _is(*powers: tuple[str, int]) -> Callable[[Dimension], bool]:
    wanted = Dimension.of(dict(powers))
    return lambda given: given == wanted


def _is_rate(given: Dimension) -> bool:
    """1/s, or one count per second."""
    return given.without_counts() == Dimension.of({"s": -1}) and _at_most_one_count(given)


def _is_plain(given: Dimension) -> bool:
    return given.is_dimensionless


def _at_most_one_count(given: Dimension) -> bool:
    """One noun to the power of one, or none."""
    return [given.power(noun) for noun in given.counts] in ([], [1])


def _text(example: str, extra: dict[str, Any] | None = None) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], "examples": [example], **(extra or {})})


def limit_schema(example: str) -> WithJsonSchema:
    """Of a limit whose kind depends on what is limited."""
    return _text(example)


def _field(kind: Kind) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(kind), _text(kind.example, {"description": f"{kind.what}, {kind.bounds}"})


DURATION = Kind("a duration", "12 ms", _is(("s", 1)), NANOSECOND, YEAR, "between 1 ns and 1 year")
_SPAN = Kind("a duration", "12 ms", _is(("s", 1)), 0.0, YEAR, "between 0 s and 1 year")
_RATE = Kind("a rate", "50 requests/s", _is_rate, 1e-6, 1e9, "between one in a million seconds and 1e9 per second")
_RATE_OR_NONE = Kind("a rate", "50 requests/s", _is_rate, 0.0, 1e9, "between 0 and 1e9 per second")
SHARE = Kind("a share", "99.9 %", _is_plain, 0.0, 1.0, "between 0 and 1 (0 % and 100 %)")
_FACTOR = Kind("a factor", "10", _is_plain, 1.0, 1_000.0, "between 1 and 1,000")
_MULTIPLE = Kind("a factor", "3", _is_plain, 0.001, 1_000.0, "between 0.001 and 1,000")
_EXPONENT = Kind("an exponent", "0.9", _is_plain, 0.0, 4.0, "between 0 (all alike) and 4")
_TOKENS = Kind("a rate", "100 requests/s", _is_rate, 1e-6, 1e7, "between 1e-6 and 10 million per second")
_CV = Kind("a coefficient of variation", "0.8", _is_plain, 0.01, 5.0, "between 0.01 and 5")
_PRICE = Kind("a price per time", "$0.40/hour", _is(("USD", 1), ("s", -1)), 0.0, 1e6, "between $0/s and $1 million/s")


def seconds(text: str, option: str, least: float = NANOSECOND) -> float:
    """A duration as a command's option gives it; DesignError names the option."""
    try:
        given = Units().quantity(text)
    except FormulaError as error:
        raise DesignError(f"{option}: {error}") from None
    if not DURATION.accepts(given.dimension) or not least <= given.value <= YEAR:
        bounds = "from 0 s" if least == 0 else "from 1 ns"
        raise DesignError(f"{option}: {shown(text)} is not a duration {bounds} to 1 year; write for example '60s'")
    return given.value


Duration = Annotated[float, *_field(DURATION)]  # seconds
Span = Annotated[float, *_field(_SPAN)]  # seconds, may be none
Rate = Annotated[float, *_field(_RATE)]  # per second
RateOrNone = Annotated[float, *_field(_RATE_OR_NONE)]
Share = Annotated[float, *_field(SHARE)]
Variation = Annotated[float, *_field(_CV)]
Factor = Annotated[float, *_field(_FACTOR)]
Multiple = Annotated[float, *_field(_MULTIPLE)]  # may be less than 1
Exponent = Annotated[float, *_field(_EXPONENT)]
TokenRate = Annotated[float, *_field(_TOKENS)]  # per second
Price = Annotated[float, *_field(_PRICE)]  # USD per second


def _percentile(value: object, info: ValidationInfo) -> float:
    given, text = quantity(value, info, "a percentile", "99")
    number = given.value * 100 if "%" in text else given.value
    if not given.dimension.is_dimensionless or not 1 <= number < 100:
        raise wrong(f"{shown(text)} is not a percentile: a number from 1 to below 100; write for example '99'")
    return round(number, 9)


Percentile = Annotated[float, PlainValidator(_percentile), _text("99")]


@dataclass(frozen=True)
class Whole:
    """Reads a whole number, with or without one count noun ('12', '12 replicas', '20k')."""

    what: str
    low: int
    high: int
    example: str

    def __call__(self, value: object, info: ValidationInfo) -> int:
        """The number; a field error if it is not whole or out of bounds."""
        given, text = quantity(value, info, self.what, self.example)
        counted = given.dimension.without_counts().is_dimensionless and _at_most_one_count(given.dimension)
        if not counted or "%" in text or not math.isclose(given.value, round(given.value), rel_tol=1e-12, abs_tol=0):
            raise wrong(f"{shown(text)} is not a whole number; write for example '{self.example}'")
        if not self.low <= given.value <= self.high:
            raise wrong(
                f"{shown(text)} is out of bounds: {self.what} is from {self.low:,} to {self.high:,}; "
                f"write for example '{self.example}'"
            )
        return round(given.value)


def whole(what: str, low: int, high: int, example: str) -> Any:
    """The annotations of a whole-number field."""
    schema = WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, {"type": "string"}], "examples": [example]}
    )
    return PlainValidator(Whole(what, low, high, example)), schema


class Items(NamedTuple):
    """How many of what a stage hands on."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    noun: str | None


def _items(value: object, info: ValidationInfo) -> Items:
    given, _ = quantity(value, info, "a number of items", "300 candidates")
    count = Whole("a number of items", 0, 1_000_000, "300 candidates")(value, info)
    return Items(count, next(iter(given.dimension.counts), None))


ItemCount = Annotated[Items, PlainValidator(_items), _text("300 candidates")]
