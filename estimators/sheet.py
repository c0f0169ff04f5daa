"""A sheet: assumptions and the estimates that follow from them, evaluated in dependency order.

Each estimate has a value, a working and, where a range lies beneath it, a 90 % interval by seeded
sampling. Every assumption has its own stream of luck, keyed by its name: adding, removing or
reordering others changes no draw of it, unless a correlation is declared that ties it to them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from estimators import printing, tree
from estimators.dimension import common
from estimators.errors import FormulaError, shown
from estimators.formula import Formula, unknown_name
from estimators.functions import PRIMITIVES
from estimators.order import circle_message, circles, in_order
from estimators.sampling import SAMPLES, Correlations, faults, interval, samples
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
    correlations: Correlations = field(default_factory=dict)
    """rank correlations of two assumptions each; without effect where one of them has no range"""

    def problems(self) -> list[tuple[str, str]]:
        """(name, message) for everything that is wrong, in the order of the sheet."""
        order = {name: place for place, name in enumerate(self._names())}
        return sorted(self._computed[1], key=lambda problem: order.get(problem[0], -1))

    def correlation_problems(self) -> list[str]:
        """What is wrong with the correlations."""
        return [message for _, message in faults([*self.correlations.items()], [one.name for one in self.assumptions])]

    def quantities(self) -> dict[str, Quantity]:
        """The point value of every name that has one; an estimate with a problem has none."""
        return dict(self._computed[0])

    def results(self, intervals: bool = True) -> dict[str, Result]:
        """The estimates that can be computed, in the order of the sheet; without intervals it is quicker."""
        return dict(self._results if intervals else self._bare_results)

    def evaluate(self) -> dict[str, Result]:
        """All results, or one FormulaError with every problem in it."""
        problems = [f"{name}: {message}" if name else message for name, message in self.problems()]
        problems += self.correlation_problems()
        if problems:
            raise FormulaError("; ".join(problems))
        return self.results()

    def _names(self) -> Iterator[str]:
        yield from (one.name for one in self.assumptions)
        yield from (one.name for one in self.estimates)

    @cached_property
    def in_order(self) -> tuple[Estimate, ...]:
        """The estimates so that each comes after what it uses, without those in a circle."""
        by_name = {one.name: one for one in self.estimates}
        return tuple(by_name[name] for name in in_order(self._uses))

    @cached_property
    def _uses(self) -> dict[str, frozenset[str]]:
        """The estimates that each estimate uses."""
        names = {one.name for one in self.estimates}
        return {one.name: one.formula.names & names for one in self.estimates}

    @cached_property
    def _computed(self) -> tuple[dict[str, Quantity], list[tuple[str, str]]]:
        """Values in dependency order, and the problems."""
        size = len(self.assumptions) + len(self.estimates)
        if size > MAX_NAMES:
            return {}, [("", f"{size:,} names; a sheet takes at most {MAX_NAMES:,}, split it up")]
        problems = list(self._bad_names())
        values = dict(self.outside) | {one.name: one.point for one in self.assumptions}
        problems += self._unknown_names()
        problems += [(circle[0], circle_message(circle)) for circle in circles(self._uses)]
        for estimate in self.in_order:
            name = estimate.name
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
            elif name in PRIMITIVES or name == "per":
                yield name, f"{shown(name)} has a meaning in formulas; choose another name"
            elif name in seen:
                yield name, f"{shown(name)} stands twice; each name may stand for one thing only"
            seen.add(name)

    def _unknown_names(self) -> list[tuple[str, str]]:
        known = {*self._names(), *self.outside}
        problems: list[tuple[str, str]] = []
        for one in self.estimates:
            for name in sorted(one.formula.names - known):
                guesses = known if len(problems) < MAX_GUESSES else ()
                problems.append((one.name, str(unknown_name(name, guesses, self.units))))
        return problems

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
        for estimate in self.in_order:
            if estimate.name in values and estimate.name not in self.outside:
                found[estimate.name] = self._result(estimate, values, units)
                units[estimate.name] = found[estimate.name].unit
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
        done, (arrays, without) = dict(self._bare_results), self.samples()
        for name in done.keys() & arrays.keys():
            done[name] = _with_interval(done[name], *interval(arrays[name]))
        for name in done.keys() & without.keys():
            done[name] = replace(done[name], no_interval=without[name])
        return done

    def samples(self, of: Collection[str] | None = None) -> tuple[dict[str, numpy.ndarray], dict[str, str]]:
        """Samples of every uncertain name, in base units; and for those that have none, why not.

        `of`: of these estimates only, and of the assumptions; what an estimate rests on must be among them.
        """
        import numpy

        values = self._computed[0]
        ranges = {one.name: one.value for one in self.assumptions if isinstance(one.value, Range)}
        contradiction = next(iter(self.correlation_problems()), "")
        arrays = {} if contradiction else samples(ranges, self.correlations, self.seed)
        without = dict.fromkeys(ranges, contradiction) if contradiction else {}
        for estimate in self.in_order:
            name, names = estimate.name, estimate.formula.names
            uncertain = names & (arrays.keys() | without.keys())
            if not uncertain or name not in values or (of is not None and name not in of):
                continue
            try:
                if bad := sorted(uncertain & without.keys()):
                    raise FormulaError(f"{shown(bad[0])} has no interval")
                given = {one: arrays.get(one, numpy.asarray(values[one].value)) for one in names}
                arrays[name] = numpy.broadcast_to(estimate.formula.samples(given), SAMPLES)
            except FormulaError as error:
                without[name] = str(error)
        return arrays, without


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
    return formula.per or (found.pop() if len(found) == 1 else None)
