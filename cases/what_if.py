"""What if a number is three times off: what a case's estimates and claims become, and at which factor they tip over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cases.errors import DesignError, not_among, shown
from cases.numbers import from_table
from cases.sheets import estimates, judged_claims
from cases.spec import Case, ClaimSpec
from estimators.claims import ROUNDING, Verdict, judge
from estimators.dimension import common
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.sensitivity import break_even, trace, uncertain
from estimators.sheet import Assumption, Estimate, Result, Sheet
from estimators.units import Quantity, Range

FACTOR = 3.0
MOST_LOOKS = 2_000  # estimates times claims: beyond, nobody looks for where a claim flips
FURTHEST = 1e6  # the largest factor that is looked at


@dataclass(frozen=True, slots=True)
class Moved:
    """An estimate now, and with the assumption so many times more and less; None where it has no value then."""

    name: str
    unit: str
    now: Quantity
    more: Quantity | None
    less: Quantity | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim now, and with the assumption so many times more and less; None where there is nothing to judge then."""

    claim: ClaimSpec
    now: Verdict
    more: Verdict | None
    less: Verdict | None
    flips_at: float | None
    """the factor on the assumption, nearest to 1, from which it holds no more, or holds; None if there is none"""

    @property
    def flips(self) -> bool:
        """Whether one of the two verdicts is another than now."""
        return any(one is not None and one.verdict != self.now.verdict for one in (self.more, self.less))


@dataclass(frozen=True, slots=True)
class Off:
    """What follows if an assumption is `factor` times more or less than the case has it."""

    name: str
    estimates: tuple[Moved, ...]
    claims: tuple[Judged, ...]
    meets_at: float | None
    """the factor for which the condition asked for holds; None if none was asked for, or it never does"""


@dataclass(frozen=True, slots=True)
class Condition:
    """'storage_cost = $1 million/month', or two estimates that are to be equal."""

    text: str
    of: str
    target: Quantity
    sheet: Sheet
    """the case's, with the difference of the two where `of` is that"""


def off(case: Case, factor: float = FACTOR, when: Condition | None = None) -> tuple[Off, ...]:
    """For each assumption that something depends on; those with a number of the table first."""
    return tuple(one_off(case, name, factor, when) for name in names(case))


def names(case: Case) -> list[str]:
    """The assumptions that an estimate rests on; those with a number of the table first."""
    known = from_table(case)
    used = {name for one in case.sheet.estimates for name in trace(case.sheet, one.name).assumptions}
    return sorted((one.name for one in case.sheet.assumptions if one.name in used), key=lambda name: name not in known)


def one_off(case: Case, name: str, factor: float = FACTOR, when: Condition | None = None) -> Off:
    """For one assumption (FormulaError for a name that is none); worked out once for a case."""
    asked = "" if when is None else when.text
    return case.kept(f"{name} off by {factor}, {asked}", lambda: _one_off(case, name, factor, when))


def _one_off(case: Case, name: str, factor: float, when: Condition | None) -> Off:
    results = estimates(case)
    depends = [one for one in results if name in trace(case.sheet, one).assumptions]
    more, less = (_scaled(case.sheet, name, by) for by in (factor, 1 / factor))
    above, below = more.quantities(), less.quantities()
    moved = (Moved(one, results[one].unit, results[one].value, above.get(one), below.get(one)) for one in depends)
    judged = (
        Judged(
            claim,
            now,
            _verdict(case, claim, more, above.get(claim.of)),
            _verdict(case, claim, less, below.get(claim.of)),
            _flips_at(case, name, claim, results[claim.of]),
        )
        for claim, now in judged_claims(case)
        if claim.of in depends
    )
    meets_at = None if when is None else _break_even(when.sheet, name, when.of, when.target)
    return Off(name, tuple(moved), tuple(judged), meets_at)


def _scaled(sheet: Sheet, name: str, factor: float) -> Sheet:
    """The sheet with an assumption, or both ends of its range, so many times as large."""
    return replace(sheet, assumptions=[_times(one, factor) if one.name == name else one for one in sheet.assumptions])


def _times(assumption: Assumption, factor: float) -> Assumption:
    given = assumption.value
    if isinstance(given, Range):
        low, high = (Quantity(end.value * factor, end.dimension) for end in (given.low, given.high))
        return Assumption(assumption.name, Range(low, high))
    return Assumption(assumption.name, Quantity(given.value * factor, given.dimension))


def _verdict(case: Case, claim: ClaimSpec, sheet: Sheet, value: Quantity | None) -> Verdict | None:
    """On a changed sheet. Samples are drawn only where the claim's estimate rests on a range."""
    if value is None:
        return None
    low = high = None
    if not uncertain(sheet).keys().isdisjoint(trace(sheet, claim.of).assumptions):
        result = sheet.results()[claim.of]
        low, high = result.low, result.high
    return judge(case.units.quantity(claim.value), value, low, high, ROUNDING, case.units)


def _flips_at(case: Case, name: str, claim: ClaimSpec, result: Result) -> float | None:
    """The nearest factor at which the computed value leaves, or comes to, what the claim allows."""
    stated = case.units.quantity(claim.value)
    if common(stated.dimension, result.value.dimension) is None:
        return None
    if len(case.estimates) * len(case.claims) > MOST_LOOKS:
        return None  # each looks through the sheet some hundreds of times
    edges = (Quantity(edge, result.value.dimension) for edge in _edges(stated.value, result))
    factors = [_break_even(case.sheet, name, claim.of, edge) for edge in edges]
    return _nearest(one for one in factors if one is not None)


def _edges(stated: float, result: Result) -> tuple[float, float]:
    """The computed values between which a claim holds; an interval is taken to stay as wide in proportion."""
    edges = [stated / ROUNDING, stated * ROUNDING]
    value, low, high = result.value, result.low, result.high
    if low is not None and high is not None and low.value > 0 and value.value > 0:
        edges += [stated * value.value / high.value, stated * value.value / low.value]
    return min(edges), max(edges)


def _nearest(factors: Iterable[float]) -> float | None:
    return min(factors, key=lambda one: abs(math.log(one)), default=None)


def _break_even(sheet: Sheet, name: str, of: str, target: Quantity) -> float | None:
    try:
        return break_even(sheet, name, of, target, FURTHEST)
    except FormulaError:
        return None


# -- a condition of one's own -----------------------------------------------------------------------------------------


def condition(case: Case, text: str) -> Condition:
    """Read 'ESTIMATE = VALUE' or 'ESTIMATE = ESTIMATE' (DesignError)."""
    of, equals, other = (part.strip() for part in text.partition("="))
    if not (of and equals and other):
        raise DesignError(f"--when {shown(text)} is not ESTIMATE=VALUE; write for example 'storage_cost = $2/month'")
    sheet, values = case.sheet, case.sheet.quantities()
    names = [one.name for one in sheet.estimates]
    if of not in names:
        raise DesignError(f"--when {shown(text)}: {not_among(of, 'an estimate of this case', names)}")
    try:
        target = values[other] if other in values else case.units.quantity(other)
    except FormulaError as error:
        raise DesignError(f"--when {shown(text)}: {error}; or name another estimate") from None
    if common(values[of].dimension, target.dimension) is None:
        given, wanted = target.dimension.described(), values[of].dimension.described()
        raise DesignError(f"--when {shown(text)}: {shown(other)} is {given}, and {shown(of)} {wanted}")
    if other not in values:
        return Condition(text, of, target, sheet)
    if other == of:
        raise DesignError(f"--when {shown(text)}: an estimate equals itself; name another, or a value")
    name = next(f"difference_{n}" for n in itertools.count() if f"difference_{n}" not in values)
    difference = Estimate(name, Formula.parse(f"{of} - {other}", case.units))
    wider = replace(sheet, estimates=[*sheet.estimates, difference])
    if problems := wider.problems():
        raise DesignError(f"--when {shown(text)}: {problems[0][1]}")
    return Condition(text, name, Quantity(0.0, wider.quantities()[name].dimension), wider)
