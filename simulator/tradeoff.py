"""The designs of a case side by side: a latency, the cost, an outcome; and which of them nobody would take.

All run as the case as written does, on the same luck. A design is dominated by another of the same load that is surely
better in one figure and surely as good in all others. The figures are those of which the case says which way is worse:
the cost, what its objectives judge, and what its designs that look good and are not lose. Surely better: the interval
of the paired differences excludes zero. As good: better, or the same in every replication. All else is a tie within
the noise, which dominates nobody: a wide interval proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cases.errors import RunError, shown
from cases.spec import Case
from cases.workload_spec import Workload
from simulator.compare import apart
from simulator.found import met
from simulator.measure import PERCENTILES
from simulator.plan import Plan, plan
from simulator.results import CONFIDENCE, Interval, SimulationResult

COST = "cost"
LATENCY = "latency "
Stands = Literal["better", "same", "tie", "worse"]
Figures = Sequence[float | None]  # by replication


@dataclass(frozen=True)
class Axis:
    """A figure, and whether less of it is better; latencies and outcomes as objectives name them."""

    name: str
    less: bool

    def of(self, result: SimulationResult) -> Figures:
        """By replication: ms, a share, the outcome's own unit, USD/s. Empty where the run does not have it."""
        if self.name == COST:
            return tuple(one.get("cost_rate") for one in result.measured)
        if self.name.startswith(LATENCY):
            name = percentile_name(self.name)
            return () if name is None else result.by_replication[name]
        if self.name in result.outcomes:
            return result.outcomes[self.name].by_replication
        return result.by_replication.get(self.name, ())


@dataclass(frozen=True)
class Point:
    """A design that was run, and what is offered to it."""

    design: str
    workload: Workload
    result: SimulationResult

    @property
    def cost(self) -> float | None:
        """USD per hour."""
        return self.result.cost_usd_per_hour


@dataclass(frozen=True)
class Standing:
    """What can be said of a design beside the others of its load."""

    dominated_by: str | None = None
    better: tuple[str, ...] = ()  # figures in which that one is surely better; it is as good in the others
    same_as: str | None = None  # an earlier design with the same figures


def planned(written: Case, design: Case, name: str, scenario: str | None = None) -> Plan:
    """The run of the case as written, of another design of it: same luck, same length.

    RunError for a design that says itself how it is run; DesignError if the scenario cannot go with it.
    """
    if design.run != written.run:
        raise RunError(
            f"{shown(name)} says itself how it is run, and designs are compared on the run of the case as written; "
            "take its changes of 'run' away, or run it by itself"
        )
    return plan(written, scenario=scenario).redesigned(design)


def percentile_name(objective: str) -> str | None:
    """'p999' for 'latency p99.9'; None for a percentile that is not kept by replication."""
    percent = objective.removeprefix(f"{LATENCY}p")
    return next((name for name, value in PERCENTILES.items() if f"{value:g}" == percent), None)


def latency_axis(case: Case) -> Axis:
    """The percentile of the first latency objective, else p99."""
    named = (one.name for one in case.objectives if one.metric == "latency")
    return Axis(next((name for name in named if percentile_name(name) is not None), f"{LATENCY}p99"), less=True)


def axes(case: Case) -> tuple[Axis, ...]:
    """The cost, then all figures of which the case says which way is worse."""
    less = {COST: True}
    for one in case.objectives:
        less.setdefault(one.name, one.at_least is None)
    for design in case.designs.values():
        if design.looks_good is not None:
            less.setdefault(design.looks_good.but, design.looks_good.gets == "higher")
    return tuple(Axis(name, direction) for name, direction in less.items())


def outcome_on_show(case: Case) -> str | None:
    """The first outcome that is judged, else the first that a design which looks good loses, else the first."""
    told = (axis.name for axis in axes(case) if axis.name in case.outcomes)
    return next(told, next(iter(case.outcomes), None))


def stands(axis: Axis, mine: Figures, other: Figures, confidence: float = CONFIDENCE) -> Stands:
    """How a design stands against another in a figure, on the same luck.

    To have no value in any replication is worse than to have one in each: a latency lies among the requests without an
    answer then, which count as later than any limit. Where neither ever has one, neither is better.
    """
    if not mine or len(mine) != len(other):
        return "tie"
    nothing = (None,) * len(mine)
    if tuple(other) == nothing and None not in mine:
        return "better"
    if tuple(mine) == nothing and None not in other:
        return "worse"
    if tuple(mine) == tuple(other) == nothing:
        return "same"
    differences = [apart(theirs, own) for theirs, own in zip(other, mine, strict=True)]
    if all(difference == 0 for difference in differences):
        return "same"
    _, low, high = Interval.of(differences, least=-math.inf, confidence=confidence)
    if low is None or high is None or low <= 0 <= high:
        return "tie"
    return "better" if (high < 0) == axis.less else "worse"


def standings(case: Case, points: Sequence[Point], confidence: float = CONFIDENCE) -> dict[str, Standing]:
    """What can be said of each design, by name."""
    judged = axes(case)
    found = {}
    for i, point in enumerate(points):
        rivals = {
            other.design: {
                axis.name: stands(axis, axis.of(other.result), axis.of(point.result), confidence)
                if _comparable(axis, other, point)
                else "tie"
                for axis in judged
            }
            for other in points
            if other is not point and other.workload == point.workload
        }
        found[point.design] = _standing([earlier.design for earlier in points[:i]], rivals)
    return found


def _comparable(axis: Axis, one: Point, other: Point) -> bool:
    """Whether both say the figure in one unit: a design may give an outcome another."""
    a, b = (point.result.outcomes.get(axis.name) for point in (one, other))
    return a is None or b is None or a.unit == b.unit


def _standing(earlier: Sequence[str], rivals: Mapping[str, Mapping[str, Stands]]) -> Standing:
    """From how the others stand against a design: of those that dominate it the one that is better in most figures."""
    as_good = {name: said for name, said in rivals.items() if set(said.values()) <= {"better", "same"}}
    better = {name: tuple(f for f, word in said.items() if word == "better") for name, said in as_good.items()}
    same_as = next((name for name in earlier if name in better and not better[name]), None)
    by = max(better, key=lambda name: len(better[name]), default=None)
    if by is None or not better[by]:
        return Standing(same_as=same_as)
    return Standing(by, better[by], same_as)


# -- what one would take -----------------------------------------------------------------------------------------------


def cheapest(points: Sequence[Point]) -> str | None:
    """The cheapest design that meets every objective; None if none does, or if there are no prices."""
    good = [(point.cost, point.design) for point in points if met(point.result) and point.cost is not None]
    return min(good, key=lambda one: one[0])[1] if good else None


def best(points: Sequence[Point], axis: Axis, most: float, confidence: float = CONFIDENCE) -> tuple[str, ...]:
    """Of what meets every objective for at most so many USD per hour: the best in a figure, then its ties."""
    good = [
        (mean, point)
        for point in points
        if met(point.result) and point.cost is not None and point.cost <= most
        if (mean := Interval.of(axis.of(point.result), least=-math.inf).value) is not None
    ]
    if not good:
        return ()
    first = min(good, key=lambda one: one[0] if axis.less else -one[0])[1]
    ties = [
        point.design
        for _, point in good
        if point is not first
        and stands(axis, axis.of(point.result), axis.of(first.result), confidence) in ("same", "tie")
    ]
    return (first.design, *ties)
