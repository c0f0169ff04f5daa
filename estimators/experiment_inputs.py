"""What somebody says of an experiment, read from texts: shares, counts, rates, arms. Each message names the entry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from estimators import multiplicity
from estimators.dimension import PLAIN, SECOND, Dimension
from estimators.errors import FormulaError, shown
from estimators.experiment import LARGEST, Metric
from estimators.multiplicity import AGAINST, CORRECTIONS, MAX_ARMS
from estimators.printing import number
from estimators.units import Quantity, Range, Units
from estimators.vocabulary import SECONDS, plurals

NOUNS = (
    "arm",
    "banner",
    "design",
    "variant",
    "cell",
    "group",
    "layout",
    "headline",
    "version",
    "model",
    "ranking",
    "judge",
    "judgement",
)
DAY = SECONDS["day"]


@cache
def units() -> Units:
    """The built-in units, and what experiments compare."""
    return Units(NOUNS)


def read(entry: str, text: str) -> Quantity:
    """A quantity; FormulaError that begins with the name of the entry."""
    try:
        return units().quantity(text)
    except FormulaError as error:
        raise FormulaError(f"{entry}: {error}") from None


def plain(entry: str, text: str, example: str) -> float:
    """A number without a unit."""
    given = read(entry, text)
    if given.dimension != PLAIN:
        raise FormulaError(
            f"{entry}: {shown(text)} is {given.dimension.described()}, a plain number is wanted; "
            f"write for example '{example}'"
        )
    return given.value


def share(entry: str, text: str, example: str = "5 %", whole: bool = False) -> float:
    """A share above 0 and below 1, or 1 itself where the `whole` may be meant."""
    value = plain(entry, text, example)
    if not (0 < value < 1 or (whole and value == 1)):
        raise FormulaError(
            f"{entry}: {shown(text)} is {number(100 * value)} %, a share lies between 0 % and 100 %; "
            f"write for example '{example}'"
        )
    return value


def sureness(entry: str, text: str) -> float:
    """A confidence or a power: at least one half, and short of certainty."""
    value = share(entry, text, "95 %")
    if not 0.5 <= value <= 1 - 1e-6:
        raise FormulaError(f"{entry}: {shown(text)} is not between 50 % and 99.9999 %; write for example '95 %'")
    return value


def positive(entry: str, text: str, example: str) -> float:
    """A number above 0, in base units of whatever it is."""
    value = read(entry, text).value
    if value <= 0:
        raise FormulaError(f"{entry}: {shown(text)} is not above 0; write for example '{example}'")
    return value


def count(entry: str, text: str, least: int = 1, most: float = LARGEST, example: str = "20,000") -> tuple[int, str]:
    """A whole number, and the noun that was written with it ('' without one): '9 banners'."""
    given = read(entry, text)
    noun = _noun(given.dimension)
    if noun is None:
        raise FormulaError(
            f"{entry}: {shown(text)} is {given.dimension.described()}, a count is wanted; write for example '{example}'"
        )
    if not least <= given.value <= most or given.value != int(given.value):
        raise FormulaError(
            f"{entry}: {shown(text)} is not a whole number from {least:,} to {int(most):,}; "
            f"write for example '{example}'"
        )
    return int(given.value), noun


def days(entry: str, text: str) -> float:
    """A time in days."""
    given = read(entry, text)
    if given.dimension != Dimension.of({SECOND: 1}) or given.value <= 0:
        raise FormulaError(f"{entry}: {shown(text)} is not a time above 0; write for example '14 days'")
    return given.value / float(DAY)


def span(entry: str, text: str) -> tuple[float, float]:
    """Two numbers from 1 on: '10..100', or one for both."""
    try:
        given = units().value(text)
    except FormulaError as error:
        raise FormulaError(f"{entry}: {error}") from None
    low, high = (given.low, given.high) if isinstance(given, Range) else (given, given)
    if low.dimension != PLAIN or not 1 <= low.value <= high.value <= 1e6:
        raise FormulaError(f"{entry}: {shown(text)} is not a factor from 1 to a million; write for example '10..100'")
    return low.value, high.value


def one_of(entry: str, text: str, names: dict[str, str]) -> str:
    """A name from a list."""
    if text not in names:
        raise FormulaError(f"{entry}: {shown(text)} is not known; choose {', '.join(names)}")
    return text


def _noun(dimension: Dimension) -> str | None:
    """The single count of a dimension, '' for a plain number, None for anything else."""
    if dimension == PLAIN:
        return ""
    return next((noun for noun in dimension.counts if dimension == Dimension.of({noun: 1})), None)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who can take part: so many new ones a day, of whom a share does."""

    per_day: float
    noun: str
    share: float

    @classmethod
    def read(cls, visitors: str, part: str) -> Traffic:
        """'20k users/day' and '50 %'."""
        given = read("visitors", visitors)
        noun = _noun(given.dimension * Dimension.of({SECOND: 1}))
        if noun is None or given.value <= 0:
            raise FormulaError(
                f"visitors: {shown(visitors)} is not a rate above 0 at which somebody comes; "
                "write for example '20k users/day'"
            )
        return cls(given.value * float(DAY), noun, share("share", part, "50 %", whole=True))

    @property
    def taking_part(self) -> float:
        """A day."""
        return self.per_day * self.share

    def days(self, in_all: float) -> int:
        """Days until so many have taken part, the last one counted whole."""
        return math.ceil(in_all / self.taking_part * (1 - 1e-12))


@dataclass(frozen=True, slots=True)
class Arms:
    """What is compared with what, and how sure the answer shall be."""

    count: int
    noun: str
    against: str
    correction: str
    alpha: float
    power: float

    @classmethod
    def read(cls, arms: str, against: str, correction: str | None, confidence: str, power: str) -> Arms:
        """From texts; FormulaError for what does not fit together."""
        many, noun = count("arms", arms, 2, MAX_ARMS, "9 banners")
        against = one_of("against", against, AGAINST)
        if correction is not None:
            correction = one_of("correction", correction, CORRECTIONS)
        fitting = multiplicity.correction_for(against, many, correction)
        sure, found = sureness("confidence", confidence), sureness("power", power)
        return cls(many, noun or "arm", against, fitting, 1 - sure, found)

    @property
    def nouns(self) -> str:
        return plurals(self.noun)[0]

    @property
    def comparisons(self) -> int:
        return multiplicity.comparisons(self.count, self.against)

    @property
    def level(self) -> float:
        """Of one comparison, two-sided."""
        return multiplicity.level_each(self.alpha, self.count, self.against, self.correction)

    @property
    def one_winner(self) -> bool:
        """Whether one is to be called better than all the others, at once."""
        return self.against == "rest"

    def leads(self) -> tuple[float, float]:
        """For a winner, in standard errors of one arm: that must be observed, and more so that `power` observes it."""
        return multiplicity.winning_lead(self.alpha), multiplicity.lead(self.power, self.count)

    def size(self, metric: Metric, difference: float) -> float:
        """Units of one arm to find that difference."""
        if self.one_winner:
            return multiplicity.size_for_lead(metric.variance(difference), difference, sum(self.leads()))
        return metric.size(difference, self.level, self.power)

    def power_at(self, metric: Metric, difference: float, each: float) -> float:
        """Chance to find that difference."""
        if self.one_winner:
            gap = abs(difference) * math.sqrt(each / metric.variance(difference))
            return multiplicity.best_is_ahead(gap - multiplicity.winning_lead(self.alpha), self.count)
        return metric.power(difference, each, self.level)
