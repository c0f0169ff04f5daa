"""Designs side by side, in words: rows for a table, and sentences about what one would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cases import outcomes
from cases.spec import Case
from simulator.found import met
from simulator.report import milliseconds, outcome_interval
from simulator.results import CONFIDENCE, Interval, SimulationResult
from simulator.tradeoff import COST, LATENCY, Axis, Point, Standing, axes, best, cheapest, latency_axis

Labels = Mapping[str, str]  # of the designs, by name
NAMED = 3  # of those that tie


def figure_name(case: Case, name: str) -> str:
    """As people call a figure: 'p99', 'availability', 'cost', an outcome's label."""
    if name in case.outcomes:
        return case.outcomes[name].label or name.replace("_", " ")
    return name.removeprefix(LATENCY)


def latency(result: SimulationResult, axis: Axis) -> Interval:
    """Of an axis that is one; ms."""
    return Interval.of(axis.of(result))


def latency_text(result: SimulationResult, axis: Axis) -> str:
    """'150 ms (147 ms to 153 ms)'; a latency may lie among requests without an answer."""
    value, low, high = latency(result, axis)
    if value is None:
        return "no answer"
    return milliseconds(value) + ("" if low is None else f" ({milliseconds(low)} to {milliseconds(high)})")


def outcome_text(result: SimulationResult, name: str) -> str:
    """'$1,900/hour ($1,850/hour to $1,950/hour)'."""
    one = result.outcomes.get(name)
    if one is None or one.interval.value is None:
        return "–"
    spread = outcome_interval(one.interval, one.unit)
    return outcomes.with_unit(one.interval.value, one.unit) + (f" ({spread})" if spread else "")


def cost_text(usd_per_hour: float | None) -> str:
    """'$17.66/hour'."""
    return "–" if usd_per_hour is None else f"${usd_per_hour:,.2f}/hour"


def objectives_text(case: Case, result: SimulationResult) -> str:
    """'all met', or the first word that is worse and of which objectives it is said."""
    if not result.objectives:
        return "none is stated"
    if (good := met(result)) is True:
        return "all met"
    named = [figure_name(case, one.name) for one in result.objectives if one.met is good]
    return f"{'missed' if good is False else 'undecided'}: {', '.join(named)}"


def standing_text(case: Case, standing: Standing, labels: Labels) -> str:
    """'dominated by Fewer rankers: better in cost, p99'."""
    if standing.same_as is not None:
        return f"the same as {labels[standing.same_as]}"
    if standing.dominated_by is None:
        return "not dominated"
    better = ", ".join(figure_name(case, name) for name in standing.better)
    return f"dominated by {labels[standing.dominated_by]}: better in {better}"


def rows(
    case: Case, points: Sequence[Point], standings: Mapping[str, Standing], labels: Labels, outcome: str | None
) -> list[dict[str, str]]:
    """For a table, in the order of the points."""
    axis = latency_axis(case)
    return [
        {
            "Design": labels[point.design],
            figure_name(case, axis.name): latency_text(point.result, axis),
            "Cost": cost_text(point.cost),
            **({} if outcome is None else {figure_name(case, outcome): outcome_text(point.result, outcome)}),
            "Objectives": objectives_text(case, point.result),
            "Beside the others": standing_text(case, standings[point.design], labels),
        }
        for point in points
    ]


def choices(
    case: Case, points: Sequence[Point], labels: Labels, most: float, confidence: float = CONFIDENCE
) -> list[str]:
    """What one would take: the cheapest that holds; and for so many USD per hour the best in each figure."""
    costs = {point.design: point.cost for point in points}
    least = cheapest(points)
    if least is None:
        return ["None of these designs meets every objective."]
    lines = [f"The cheapest that meets every objective: {labels[least]}, {cost_text(costs[least])}."]
    for axis in axes(case):
        found = () if axis.name == COST else best(points, axis, most, confidence)
        if found:
            text = f"The best {figure_name(case, axis.name)} for at most {cost_text(most)}: {labels[found[0]]}"
            lines.append(f"{text}{_ties([labels[name] for name in found[1:]])}.")
    return lines


def _ties(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"; a tie with {', '.join(names[:NAMED])}{more}"
