"""A sheet: assumptions and the estimates that follow from them, evaluated in dependency order.

Each estimate has a value, a working and, where a range lies beneath it, a 90 % interval by seeded
sampling. Every assumption has its own stream of luck, keyed by its name: adding or reordering
others changes no draw of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from estimators import printing, tree
from estimators.dimension import common
from estimators.errors import FormulaError, shown
from estimators.formula import Formula, unknown_name
from estimators.functions import FUNCTIONS
from estimators.sampling import interval, sample
from estimators.units import Quantity, Range, Units

if TYPE_CHECKING:
    import numpy

MAX_NAMES = 1_000
MAX_GUESSES = 20  # looking for what was meant takes milliseconds a name
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number somebody put in: the only place where a range may stand."""

    name: str
    value: Quantity | Range

    @property
    def point(self) -> Quantity:
        return self.value.point if isinstance(self.value, Range) else self.value


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that follows. Without a declared unit a sensible one is chosen."""

    name: str
    formula: Formula
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A number somebody stated for an estimate (`of`); judged in `claims`."""

    says: str
    of: str
    value: Quantity
    source: str


@dataclass(frozen=True, slots=True)
class Working:
    """How a result came about, for reading. As text: 'a = b × c = 2 row × 3 B/row = 6 B'."""

    symbols: str
    substituted: str
    value_text: str
    name: str = ""

    def __str__(self) -> str:
        steps = [self.name, self.symbols, self.substituted, self.value_text]
        return " = ".join(dict.fromkeys(step for step in steps if step))  # a step that changes nothing is left out


@dataclass(frozen=True, slots=True)
class Result:
    """One estimate, computed. `low`, `median` and `high` are None where no range lies beneath."""

    name: str
    value: Quantity
    unit: str
    low: Quantity | None
    high: Quantity | None
    working: Working
    depends: tuple[str, ...]
    median: Quantity | None = None
    no_interval: str = ""
    """why there is no interval although a range lies beneath: a sample for which the formula has no value"""


@dataclass(frozen=True)
class Sheet:
    """Assumptions and estimates by name; `outside` holds values of dotted paths that formulas may use.

    All problems are found at once; what does not depend on one is computed all the same.
    A sheet is a value: what it computes is kept, so its arguments must not be changed afterwards.
    """

    units: Units
    assumptions: Sequence[Assumption]
    estimates: Sequence[Estimate]
    outside: Mapping[str, Quantity] = field(default_factory=dict)
    seed: int = 0

    def problems(self) -> list[tuple[str, str]]:
        """(name, message) for everything that is wrong, in the order of the sheet."""
        order = {name: place for place, name in enumerate(self._names())}
        return sorted(self._computed[1], key=lambda problem: order.get(problem[0], -1))

    def quantities(self) -> dict[str, Quantity]:
        """The point value of every name that has one; an estimate with a problem has none."""
        return dict(self._computed[0])

    def results(self, intervals: bool = True) -> dict[str, Result]:
        """The estimates that can be computed, in the order of the sheet; without intervals it is quicker."""
        return dict(self._results if intervals else self._bare_results)

    def evaluate(self) -> dict[str, Result]:
        """All results, or one FormulaError with every problem in it."""
        problems = [f"{name}: {message}" for name, message in self.problems()]
        if problems:
            raise FormulaError("; ".join(problems))
        return self.results()

    def _names(self) -> Iterator[str]:
        yield from (one.name for one in self.assumptions)
        yield from (one.name for one in self.estimates)

    @cached_property
    def _by_name(self) -> dict[str, Estimate]:
        return {one.name: one for one in self.estimates}

    @cached_property
    def _computed(self) -> tuple[dict[str, Quantity], list[tuple[str, str]]]:
        """Values in dependency order, and the problems."""
        size = len(self.assumptions) + len(self.estimates)
        if size > MAX_NAMES:
            return {}, [("", f"{size:,} names; a sheet takes at most {MAX_NAMES:,}, split it up")]
        problems = list(self._bad_names())
        values = dict(self.outside) | {one.name: one.point for one in self.assumptions}
        order, in_order = self._order()
        problems += in_order
        for name in order:
            estimate = self._by_name[name]
            if not estimate.formula.names <= values.keys():
                continue  # it depends on a name that has its own problem
            try:
                values[name] = self._value(estimate, values)
            except FormulaError as error:
                problems.append((name, str(error)))
        return values, problems

    def _bad_names(self) -> Iterator[tuple[str, str]]:
        seen: set[str] = set(self.outside)
        for name in self._names():
            if not _NAME.fullmatch(name):
                yield name, f"{shown(name)} is not a name; use letters, digits and _, a letter first"
            elif self.units.is_unit(name):
                yield name, f"{shown(name)} is a unit, no name may be one; write 'total_{name}' or so"
            elif name in FUNCTIONS or name == "per":
                yield name, f"{shown(name)} has a meaning in formulas; choose another name"
            elif name in seen:
                yield name, f"{shown(name)} stands twice; each name may stand for one thing only"
            seen.add(name)

    def _order(self) -> tuple[list[str], list[tuple[str, str]]]:
        """Estimates so that each comes after what it uses; unknown names and cycles as problems."""
        known = {*self._names(), *self.outside}
        problems: list[tuple[str, str]] = []
        waiting: dict[str, set[str]] = {}
        for one in self.estimates:
            for name in sorted(one.formula.names - known):
                guesses = known if len(problems) < MAX_GUESSES else ()
                problems.append((one.name, str(unknown_name(name, guesses, self.units))))
            waiting[one.name] = set(one.formula.names & self._by_name.keys())
        users: dict[str, list[str]] = {}
        for name, uses in waiting.items():
            for used in uses:
                users.setdefault(used, []).append(name)
        order = [name for name, uses in waiting.items() if not uses]
        for done in order:  # grows while it is walked
            for user in users.get(done, ()):
                waiting[user].discard(done)
                if not waiting[user]:
                    order.append(user)
        left = {name: uses for name, uses in waiting.items() if uses}
        return order, problems + [(cycle[0], _cycle_message(cycle)) for cycle in _cycles(left)]

    def _value(self, estimate: Estimate, values: Mapping[str, Quantity]) -> Quantity:
        """The point value, with its dimension checked against the declared unit."""
        dimensions = {name: values[name].dimension for name in estimate.formula.names}
        computed = estimate.formula.dimension(dimensions)
        if estimate.unit is not None:
            wanted = self.units.unit(estimate.unit)[1]
            if common(wanted, computed) is None:
                raise FormulaError(
                    f"the unit {shown(estimate.unit)} is {wanted.described()}, but "
                    f"{shown(estimate.formula.text)} gives {computed.described()}; "
                    "correct the formula or the unit"
                )
        value = estimate.formula.value({name: values[name].value for name in estimate.formula.names})
        if estimate.unit is not None:
            self.units.number_in(Quantity(value, computed), estimate.unit)  # raises where it would not fit
        return Quantity(value, computed)

    @cached_property
    def _bare_results(self) -> dict[str, Result]:
        """Results without intervals."""
        values = self._computed[0]
        units = {name: self.units.unit_for(values[name]) for name in self.outside if name in values}
        units |= {one.name: self.units.unit_for(_as_written(one)) for one in self.assumptions}
        found: dict[str, Result] = {}
        for name in self._order()[0]:
            if name in values and name not in self.outside:
                found[name] = self._result(self._by_name[name], values, units)
                units[name] = found[name].unit
        return {one.name: found[one.name] for one in self.estimates if one.name in found}

    def _result(self, estimate: Estimate, values: Mapping[str, Quantity], units: Mapping[str, str]) -> Result:
        formula, value = estimate.formula, values[estimate.name]
        unit = estimate.unit
        if unit is None:
            unit = self.units.unit_for(value, _shared_time(formula, [units[name] for name in sorted(formula.names)]))
        put_in = {name: self.units.format(values[name], units[name]) for name in formula.names}
        shown_value = self.units.format(value, unit)
        working = Working(formula.symbols(), formula.substituted(put_in), shown_value, estimate.name)
        return Result(estimate.name, value, unit, None, None, working, tuple(sorted(formula.names)))

    @cached_property
    def _results(self) -> dict[str, Result]:
        """Results with intervals where a range lies beneath."""
        done, values = dict(self._bare_results), self._computed[0]
        inputs: dict[str, numpy.ndarray | float] = {name: quantity.value for name, quantity in values.items()}
        ranges = {one.name: one.value for one in self.assumptions if isinstance(one.value, Range)}
        inputs |= {name: sample(value, name, self.seed) for name, value in ranges.items()}
        uncertain, spoilt = set(ranges), set[str]()
        for name in self._order()[0]:
            formula = self._by_name[name].formula
            if name not in done or formula.names.isdisjoint(uncertain):
                continue
            uncertain.add(name)
            try:
                if bad := sorted(formula.names & spoilt):
                    raise FormulaError(f"{shown(bad[0])} has no interval")
                low, median, high, inputs[name] = interval(formula, inputs)
                done[name] = _with_interval(done[name], low, median, high)
            except FormulaError as error:
                spoilt.add(name)
                done[name] = replace(done[name], no_interval=str(error))
        return done


def _with_interval(result: Result, low: float, median: float, high: float) -> Result:
    low_, median_, high_ = (Quantity(value, result.value.dimension) for value in (low, median, high))
    return replace(result, low=low_, median=median_, high=high_)


def _as_written(assumption: Assumption) -> Quantity:
    """The point value with the text of the range, which tells percent and per what time."""
    return replace(assumption.point, text=assumption.value.text)


def _shared_time(formula: Formula, units: Sequence[str]) -> str | None:
    """The time unit that all rates in the formula were written in, if there is just one."""
    texts = [*units, *(number.text for number in tree.numbers(formula.tree))]
    found = {per for per in map(printing.per_time, texts) if per}
    return found.pop() if len(found) == 1 else None


def _cycles(waiting: Mapping[str, set[str]]) -> list[list[str]]:
    """The cycles among names that wait for each other, each once."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in waiting:
        path: list[str] = []
        place: dict[str, int] = {}
        name = start
        while name not in seen:
            seen.add(name)
            place[name] = len(path)
            path.append(name)
            name = min(used for used in waiting[name] if used in waiting)
        if name in place:
            found.append(path[place[name] :])
    return found


def _cycle_message(cycle: Sequence[str]) -> str:
    chain = [*cycle, cycle[0]] if len(cycle) < 8 else [*cycle[:6], "…", cycle[0]]
    return f"goes in a circle: {' -> '.join(chain)}; an estimate must not use itself"
