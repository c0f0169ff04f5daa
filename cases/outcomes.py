"""Outcomes: what a run means in the case's own words, as formulas of what it measured and of the case's numbers.

Names in a formula are assumptions, estimates, paths, other outcomes, and *measures* of the run:

    offered_rate, answered_rate            the workload's noun per second (request/s where it names none)
    good_rate                              answered in time for the first latency objective
    share_completed, share_degraded, share_rejected, share_timed_out, share_failed, share_superseded
                                           of the requests offered
    quality                                mean of the answers: 1 where nothing was replaced by a fallback
    latency_mean                           of the answered (s)
    latency_p50, latency_p95, latency_p99, latency_p999     of all offered but the superseded (s)
    cost_rate                              USD/s
    STAGE_items                            mean items of a visit, in the noun that the stage is handed
    STAGE_visits_rate, STAGE_calls_rate    1/s: all that arrive; first attempts
    STAGE_replicas_mean                    of those that were there
    STAGE_utilisation, STAGE_hit_ratio     shares; STAGE_staleness: of a cache with keys, the mean age served (s)
    STAGE_error_share                      of the services that started
    STAGE_fallback_share, STAGE_time_out_share, STAGE_left_out_share    times, per call; of a stage with shards each
                                           shard is a call, and left out is what goes on without some of them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from cases.errors import DesignError, Problem, shown
from cases.references import References, point
from cases.spec import Case
from estimators import printing
from estimators.dimension import PER_SECOND, PLAIN, Dimension
from estimators.errors import FormulaError
from estimators.formula import Formula, unknown_name
from estimators.functions import PRIMITIVES
from estimators.units import Quantity

SHARES = tuple(f"share_{end}" for end in ("completed", "degraded", "rejected", "timed_out", "failed", "superseded"))
LATENCIES = ("latency_mean", "latency_p50", "latency_p95", "latency_p99", "latency_p999")


class Outcome(NamedTuple):
    """An outcome of a run, by replication, in `unit`; None where it has no value, and `problem` says why."""

    values: tuple[float | None, ...]
    unit: str
    label: str
    problem: str | None


class Values(NamedTuple):
    """The values of a formula in base units; None where it has none, and `problem` says why."""

    by_replication: tuple[float | None, ...]
    problem: str | None


def measures(case: Case) -> dict[str, Dimension]:
    """What a run of this case measures, and what each of it is."""
    units = case.units
    per_second, seconds = _rate(case), units.unit("s")[1]
    found = dict.fromkeys(("offered_rate", "answered_rate", "good_rate"), per_second)
    found |= dict.fromkeys((*SHARES, "quality"), PLAIN) | dict.fromkeys(LATENCIES, seconds)
    if any(stage.price is not None for stage in case.stages):
        found["cost_rate"] = units.unit("USD/s")[1]
    for stage in case.stages:
        found |= {f"{stage.name}_items": _items(case, stage.name), f"{stage.name}_visits_rate": PER_SECOND}
        found[f"{stage.name}_calls_rate"] = PER_SECOND
        found |= {f"{stage.name}_{what}_share": PLAIN for what in ("error", "fallback", "time_out", "left_out")}
        if not stage.endless:
            found |= {f"{stage.name}_utilisation": PLAIN, f"{stage.name}_replicas_mean": PLAIN}
        if stage.cache is not None:
            found[f"{stage.name}_hit_ratio"] = PLAIN
            if stage.cache.hit_ratio is None:
                found[f"{stage.name}_staleness"] = seconds
    return found


def _rate(case: Case) -> Dimension:
    """Requests per second, in the noun in which the workload counts them, as written: a design may count otherwise."""
    for one in (case, case.as_written):
        load = one.tree.get("workload", {})
        steps = load.get("steps")
        text = load.get("rate") or load.get("to") or (steps[0].get("rate") if steps else None)
        written = point(one, text).dimension if text and load.get("kind") != "sessions" else PER_SECOND
        if written.counts:
            return written
    return case.units.unit("request/s")[1]


def _items(case: Case, name: str) -> Dimension:
    """What the items that a stage is handed are; a plain number where that is not one thing."""
    stage = case.stage(name)
    nouns = {stage.service.items} if stage.service.items else _handed(case, name)
    noun = nouns.pop() if len(nouns) == 1 else None
    return case.units.unit(noun)[1] if noun and case.units.is_unit(noun) else PLAIN


def _handed(case: Case, name: str) -> set[str]:
    """The nouns that reach a stage from those before it."""
    found: set[str] = set()
    for before in case.stage(name).after:
        gives = case.stage(before).gives
        found |= _handed(case, before) if gives is None else {gives.noun} if gives.noun else set()
    return found


def _not_measured(case: Case, name: str) -> str | None:
    """Why a measure that other cases have is none of this one's."""
    if name == "cost_rate":
        return "no stage states a 'price'"
    for stage in case.stages:
        if name in (f"{stage.name}_utilisation", f"{stage.name}_replicas_mean"):
            what = "utilisation" if name.endswith("utilisation") else "replicas"
            return f"'{stage.name}' serves everybody at once, so it has no {what}"
        if name == f"{stage.name}_hit_ratio":
            return f"'{stage.name}' has no 'cache'"
    return None


# -- when the case is loaded -------------------------------------------------------------------------------------------


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with the outcomes of a case: names, units, circles."""
    if not case.outcomes:
        return
    known = Known(case)
    formulas: dict[str, Formula] = {}
    for name, spec in case.outcomes.items():
        yield from _name_problems(case, known, name)
        try:
            formulas[name] = case.texts.formula(spec.formula)
        except FormulaError as error:
            yield Problem(f"outcomes.{name}.formula", str(error))
    order, circle = _order(formulas)
    if circle:
        chain = " -> ".join([*circle, circle[0]])
        yield Problem(f"outcomes.{circle[0]}.formula", f"goes in a circle: {chain}; an outcome must not use itself")
    dimensions: dict[str, Dimension] = {}
    for name in order:
        try:
            dimension = known.dimension(formulas[name], dimensions)
            if dimension is None:
                continue  # it depends on one that has its own problem
            dimensions[name] = dimension
        except FormulaError as error:
            yield Problem(f"outcomes.{name}.formula", str(error))
            continue
        unit = case.outcomes[name].unit
        if unit is not None:
            try:
                case.units.number_in(Quantity(1.0, dimension), unit)
            except FormulaError as error:
                yield Problem(f"outcomes.{name}.unit", str(error))


def _name_problems(case: Case, known: Known, name: str) -> Iterator[Problem]:
    where = f"outcomes.{name}"
    if name in case.assumptions or name in case.estimates:
        kind = "an assumption" if name in case.assumptions else "an estimate"
        yield Problem(where, f"{shown(name)} is {kind} already; choose another name")
    elif name in known.measures:
        yield Problem(where, f"{shown(name)} is what every run measures; choose another name")
    elif case.units.is_unit(name):
        yield Problem(where, f"{shown(name)} is a unit, no name may be one; write 'total_{name}' or so")
    elif name in PRIMITIVES or name == "per":
        yield Problem(where, f"{shown(name)} has a meaning in formulas; choose another name")


def _order(formulas: Mapping[str, Formula]) -> tuple[list[str], list[str]]:
    """The outcomes such that each follows those it uses; and a circle, if there is one."""
    order: list[str] = []
    waiting = {name: formula.names & formulas.keys() for name, formula in formulas.items()}
    while ready := [name for name, uses in waiting.items() if name not in order and uses <= set(order)]:
        order += ready
    left = [name for name in waiting if name not in order]
    if not left:
        return order, []
    trail = [left[0]]
    while trail[-1] not in trail[:-1]:
        trail.append(min(used for used in waiting[trail[-1]] if used in left))
    return order, trail[trail.index(trail[-1]) : -1]


class Known:
    """The names that formulas of a case may use: its numbers, what a run measures, and its outcomes."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.measures = measures(case)
        self._sheet = case.sheet.quantities()
        self._reference = References(case.tree, case.texts, case.sheet)
        self._fixed: dict[str, Quantity | None] = {}

    def fixed(self, name: str) -> Quantity | None:
        """The value of an assumption, an estimate or a path (FormulaError); None for what a run gives."""
        if name not in self._fixed:
            self._fixed[name] = self._value_at(name) if "." in name else self._sheet.get(name)
        return self._fixed[name]

    def _value_at(self, path: str) -> Quantity:
        try:
            return self._reference(path)
        except DesignError as error:
            raise FormulaError(str(error)) from None

    def dimension(self, formula: Formula, before: Mapping[str, Dimension]) -> Dimension | None:
        """Of a formula (FormulaError); None where it uses an outcome that has none. `before`: those of outcomes."""
        dimensions: dict[str, Dimension] = {}
        for name in sorted(formula.names):
            if name in before:
                dimensions[name] = before[name]
            elif name in self.case.outcomes:
                return None
            else:
                dimensions[name] = self._dimension(name)
        return formula.dimension(dimensions)

    def _dimension(self, name: str) -> Dimension:
        value, measure = self.fixed(name), self.measures.get(name)
        if value is not None and measure is not None:
            raise FormulaError(
                f"{shown(name)} is both a number of this case and what a run measures; rename the case's"
            )
        if value is not None:
            return value.dimension
        if measure is not None:
            return measure
        reason = _not_measured(self.case, name)
        if reason is not None:
            raise FormulaError(f"{shown(name)} is not measured here: {reason}")
        raise unknown_name(name, [*self.measures, *self._sheet, *self.case.outcomes], self.case.units)

    @cached_property
    def outcomes(self) -> dict[str, tuple[Formula, Dimension]]:
        """The outcomes of a case that has been checked, each after those that it uses."""
        formulas = {name: self.case.texts.formula(spec.formula) for name, spec in self.case.outcomes.items()}
        found: dict[str, Dimension] = {}
        for name in _order(formulas)[0]:
            dimension = self.dimension(formulas[name], found)
            assert dimension is not None, "outcomes are checked when the case is loaded"
            found[name] = dimension
        return {name: (formulas[name], dimension) for name, dimension in found.items()}

    def values(self, formula: Formula, replications: Sequence[Mapping[str, float | None]]) -> Values:
        """Of a formula, by replication: what each measured, by the names of `measures`, and the outcomes."""
        fixed = {name: self.fixed(name) for name in formula.names}
        found: list[float | None] = []
        problems: list[str] = []
        for one in replications:
            try:
                found.append(formula.value({name: _value(name, given, one) for name, given in fixed.items()}))
            except FormulaError as error:
                found.append(None)
                problems.append(str(error))
        return Values(tuple(found), problems[0] if problems else None)


# -- when a run is over ------------------------------------------------------------------------------------------------


def outcomes(case: Case, replications: Sequence[Mapping[str, float | None]]) -> dict[str, Outcome]:
    """The outcomes of a run, from what each of its replications measured, by the names of `measures`, in base units.

    The unit is the declared one, else one that depends on the kind of quantity alone: two designs share it.
    """
    if not case.outcomes:
        return {}
    known = Known(case)
    found = computed(known, replications)
    results: dict[str, Outcome] = {}
    for name, spec in case.outcomes.items():
        dimension, (values, problem) = known.outcomes[name][1], found[name]
        unit = case.units.unit_for(Quantity(1.0, dimension)) if spec.unit is None else spec.unit
        try:
            inside = tuple(None if v is None else case.units.number_in(Quantity(v, dimension), unit) for v in values)
        except FormulaError as error:
            inside, problem = (None,) * len(values), problem or str(error)
        results[name] = Outcome(inside, unit, spec.label or name.replace("_", " "), problem)
    return results


def computed(known: Known, replications: Sequence[Mapping[str, float | None]]) -> dict[str, Values]:
    """The values of all outcomes of a case, by name, each after those that it uses."""
    given = [dict(one) for one in replications]
    found: dict[str, Values] = {}
    for name, (formula, _) in known.outcomes.items():
        found[name] = known.values(formula, given)
        for one, value in zip(given, found[name].by_replication, strict=True):
            one[name] = value
    return found


def _value(name: str, fixed: Quantity | None, measured: Mapping[str, float | None]) -> float:
    if fixed is not None:
        return fixed.value
    value = measured[name]
    if value is None:
        raise FormulaError(f"{shown(name)} has no value in this run")
    return value


def with_unit(value: float, unit: str) -> str:
    """An outcome for reading: '12.5 ms', '$2.50/hour'."""
    return printing.with_unit(value, unit)
