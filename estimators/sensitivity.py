"""Which assumptions drive an estimate, what it becomes when one of them is wrong, and how wrong that one may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from estimators.dimension import common
from estimators.errors import FormulaError, shown
from estimators.formula import unknown_name
from estimators.sampling import unknown_assumption
from estimators.sheet import Assumption, Estimate, Sheet
from estimators.units import Quantity, Range

if TYPE_CHECKING:
    import numpy

GROUPS = 100  # of 200 samples each: of a straight line they lose 0.2 % of the share, and noise adds 0.001 to none
LOOKS = 121  # for a break-even, evenly on the log scale
MAX_FACTOR = 1e12


class Trace(NamedTuple):
    """What an estimate rests on through all steps, each in the order of the sheet."""

    assumptions: tuple[str, ...]
    estimates: tuple[str, ...]
    """those in between, in the order in which they are computed"""
    paths: tuple[str, ...]
    """values from outside the sheet"""


@dataclass(frozen=True, slots=True)
class Swing:
    """What one assumption does to an estimate."""

    name: str
    low: Quantity | None
    """the estimate with the assumption at its 5 % point and all others at their point values; None if it has none"""
    high: Quantity | None
    """the same at its 95 % point"""
    share: float | None
    """of the variance, from 0 to 1; None where the estimate does not vary or has no interval"""

    @property
    def swing(self) -> float:
        """How far the estimate goes between the two, in base units; endless where it has no value at an end."""
        return math.inf if self.low is None or self.high is None else abs(self.high.value - self.low.value)


def trace(sheet: Sheet, name: str) -> Trace:
    """The assumptions, estimates and paths that an estimate rests on (FormulaError for a name that is none)."""
    _estimate(sheet, name)
    found = _beneath(sheet, name)
    return Trace(
        tuple(one.name for one in sheet.assumptions if one.name in found),
        tuple(one.name for one in sheet.in_order if one.name in found),
        tuple(path for path in sheet.outside if path in found),
    )


def _beneath(sheet: Sheet, name: str) -> set[str]:
    """Every name that an estimate rests on."""
    uses = {one.name: one.formula.names for one in sheet.in_order}
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = uses.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def uncertain(sheet: Sheet) -> dict[str, Range]:
    """The assumptions with a range; one whose two ends are the same is exact."""
    ranges = ((one.name, one.value) for one in sheet.assumptions if isinstance(one.value, Range))
    return {name: given for name, given in ranges if given.low.value < given.high.value}


def taken_as_exact(sheet: Sheet, of: str) -> tuple[str, ...]:
    """The assumptions beneath an estimate that have no range: no tornado can say what they do."""
    ranges = uncertain(sheet)
    return tuple(name for name in trace(sheet, of).assumptions if name not in ranges)


# -- tornado ----------------------------------------------------------------------------------------------------------


def tornado(sheet: Sheet, of: str) -> tuple[Swing, ...]:
    """Every uncertain assumption beneath an estimate, the one with the widest swing first."""
    _value(sheet, of)
    return tornadoes(sheet, (of,))[of]


def tornadoes(sheet: Sheet, of: Iterable[str] | None = None) -> dict[str, tuple[Swing, ...]]:
    """The tornado of each estimate, or of all that have a value; the samples are drawn once for all of them.

    The share of variance is the first-order Sobol index, Var(E[estimate | assumption]) / Var(estimate), estimated from
    the sheet's own samples: they are sorted by the assumption into 100 groups, and the variance between the groups is
    set against the whole (the correlation ratio, less what chance alone would give: Kelley, 1935). Where all samples
    are positive it is the variance of the logarithm: the ranges are factors there, and a product's shares add up to 1.
    What is less than 1 in all is what assumptions do together only. With correlations a share includes what the
    assumption tells of those it is tied to, so shares overlap, and may add up to more than 1.
    """
    values = sheet.quantities()
    names = [one.name for one in sheet.estimates if one.name in values] if of is None else list(of)
    traces = {name: trace(sheet, name) for name in names}
    under = {one for found in traces.values() for one in found.assumptions}
    needed = {one for found in traces.values() for one in found.estimates}.union(names)
    ends = {one: _at_ends(sheet, one, given, needed) for one, given in uncertain(sheet).items() if one in under}
    shares = _Shares(sheet.samples(needed)[0])
    return {
        name: _sorted(
            Swing(one, ends[one][0].get(name), ends[one][1].get(name), shares(name, one))
            for one in traces[name].assumptions
            if one in ends
        )
        for name in names
    }


def _sorted(swings: Iterable[Swing]) -> tuple[Swing, ...]:
    return tuple(sorted(swings, key=lambda one: (-one.swing, -(one.share or 0), one.name)))


def _at_ends(sheet: Sheet, name: str, given: Range, of: Collection[str]) -> list[dict[str, Quantity]]:
    """Some estimates with an assumption at its low end, and at its high end."""
    return [_changed(sheet, name, end.value, of) for end in (given.low, given.high)]


class _Shares:
    """Shares of variance from samples by name; each assumption's are sorted once, each estimate's scaled once."""

    def __init__(self, arrays: Mapping[str, numpy.ndarray]) -> None:
        self._arrays = arrays
        self._groups: dict[str, numpy.ndarray] = {}
        self._scaled: dict[str, tuple[numpy.ndarray, float]] = {}

    def __call__(self, of: str, name: str) -> float | None:
        import numpy

        if of not in self._arrays:
            return None
        estimate, whole = self._estimate(of)
        if whole < 1e-24:  # float dust
            return None
        sums = numpy.bincount(self._group(name), weights=estimate, minlength=GROUPS)
        between = float((sums * GROUPS / len(estimate)).var())
        by_chance = (whole - between) * (GROUPS - 1) / (len(estimate) - GROUPS)
        return min(max((between - by_chance) / whole, 0.0), 1.0)

    def _group(self, name: str) -> numpy.ndarray:
        """To which of the groups each sample belongs, by the value of an assumption."""
        import numpy

        if name not in self._groups:
            given = self._arrays[name]
            self._groups[name] = numpy.empty(len(given), dtype=numpy.intp)
            self._groups[name][given.argsort(kind="stable")] = numpy.arange(len(given)) * GROUPS // len(given)
        return self._groups[name]

    def _estimate(self, name: str) -> tuple[numpy.ndarray, float]:
        """Samples of an estimate, on the log scale if all are positive, and their variance."""
        import numpy

        if name not in self._scaled:
            given = self._arrays[name]
            scaled = numpy.log(given) if given.min() > 0 else given / (abs(given).max() or 1)
            self._scaled[name] = scaled, float(scaled.var())
        return self._scaled[name]


# -- what if ----------------------------------------------------------------------------------------------------------


def break_even(sheet: Sheet, name: str, of: str, target: Quantity, most: float = 1000.0) -> float | None:
    """The factor on an assumption, the nearest to 1 from 1/most to most, for which an estimate is `target`.

    None if there is none; it is looked for in 120 steps, and of two within one step nothing is seen. Where the estimate
    leaps over the target, as with ceil(), it is the factor of the leap.
    Raises FormulaError for unknown names and a target of another dimension.
    """
    assumption, now = _assumption(sheet, name), _value(sheet, of)
    if common(now.dimension, target.dimension) is None:
        raise FormulaError(
            f"{shown(of)} is {now.dimension.described()}, the target is {target.dimension.described()}; "
            "give a target of the same kind"
        )
    if not 1 < most <= MAX_FACTOR:
        raise FormulaError(f"{most:g} is no bound for a factor: a number above 1, at most {MAX_FACTOR:g}")
    needed = _beneath(sheet, of) | {of}
    if name not in needed:
        return None

    def beyond(log_factor: float) -> float:
        """How far the estimate is above the target; not a number where it has no value."""
        changed = _changed(sheet, name, assumption.point.value * math.exp(log_factor), needed)
        return changed[of].value - target.value if of in changed else math.nan

    return 1.0 if beyond(0.0) == 0 else _nearest(beyond, math.log(most))


def _nearest(beyond: Callable[[float], float], end: float) -> float | None:
    """e to the root that is nearest to 0, from -end to end."""
    looks = [(step / (LOOKS // 2) - 1) * end for step in range(LOOKS)]
    heights = [beyond(look) for look in looks]
    between = zip(pairwise(looks), pairwise(heights), strict=True)
    roots = (_root(beyond, places, around) for places, around in between)
    found = [root for root in roots if root is not None]
    return math.exp(min(found, key=abs)) if found else None


def _root(beyond: Callable[[float], float], places: tuple[float, float], heights: tuple[float, float]) -> float | None:
    """Where it passes 0 between two places, if it does."""
    from scipy.optimize import brentq

    for place, height in zip(places, heights, strict=True):
        if height == 0:
            return place
    if not min(heights) < 0 < max(heights):
        return None
    try:
        root = float(brentq(beyond, *places, xtol=1e-13))
    except ValueError:  # it has no value somewhere between them
        return None
    return root if abs(beyond(root)) <= max(map(abs, heights)) else None  # else there is a pole


# -- what all of them need --------------------------------------------------------------------------------------------


def _changed(sheet: Sheet, name: str, value: float, of: Collection[str]) -> dict[str, Quantity]:
    """The point values with one assumption changed; of the estimates `of` those that then have one."""
    before = sheet.quantities()
    numbers = {one: quantity.value for one, quantity in before.items()} | {name: value}
    moved = {name}
    for estimate in sheet.in_order:
        names = estimate.formula.names
        if estimate.name not in of or estimate.name not in before or names.isdisjoint(moved):
            continue
        moved.add(estimate.name)
        try:
            numbers[estimate.name] = estimate.formula.value({one: numbers[one] for one in names})
        except (FormulaError, KeyError):  # it has no value, or what it uses has none
            del numbers[estimate.name]
    return {one: Quantity(number, before[one].dimension) for one, number in numbers.items()}


def _estimate(sheet: Sheet, name: str) -> Estimate:
    known = {one.name: one for one in sheet.estimates}
    if name not in known:
        reason = str(unknown_name(name, known)).partition(" is not known here; ")[2]
        raise FormulaError(f"{shown(name)} is not an estimate of this sheet; {reason}")
    return known[name]


def _value(sheet: Sheet, of: str) -> Quantity:
    _estimate(sheet, of)
    value = sheet.quantities().get(of)
    if value is None:
        raise FormulaError(f"{shown(of)} has no value; correct the problem reported for it first")
    return value


def _assumption(sheet: Sheet, name: str) -> Assumption:
    known = {one.name: one for one in sheet.assumptions}
    if name not in known:
        raise unknown_assumption(name, known)
    return known[name]
