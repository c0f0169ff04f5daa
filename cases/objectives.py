"""Objectives on outcomes: what is judged is there, has a unit, and its limit is of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

from cases.design import get
from cases.errors import Problem, not_among, shown
from cases.references import point
from cases.spec import Case, Objective
from estimators.errors import FormulaError


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with the objectives of a case that no single one can see."""
    seen: set[str] = set()
    for i, objective in enumerate(case.objectives):
        if objective.name in seen:
            yield Problem(f"objectives.{i}", f"'{objective.name}' is an objective twice; one of each is enough")
        seen.add(objective.name)
        if objective.of is not None:
            yield from _of_an_outcome(case, i, objective)


def _of_an_outcome(case: Case, i: int, objective: Objective) -> Iterator[Problem]:
    assert objective.of is not None
    if objective.of not in case.outcomes:
        yield Problem(f"objectives.{i}.of", not_among(objective.of, "an outcome of this case", case.outcomes))
    elif case.outcomes[objective.of].unit is None:
        needs = "is judged by an objective, so that it must have a unit; add for example 'unit: \"%\"'"
        yield Problem(f"outcomes.{objective.of}", needs)
    else:
        try:
            outcome_target(case, objective)
        except FormulaError:
            unit, text = case.outcomes[objective.of].unit, get(case.tree, f"objectives.{i}.{_limit(objective)}")
            message = f"{shown(text)} is no limit for '{objective.of}', which is in '{unit}'; write it in that unit"
            yield Problem(f"objectives.{i}.{_limit(objective)}", message)


def outcome_target(case: Case, objective: Objective) -> float:
    """The limit of an objective on an outcome, in the outcome's unit (FormulaError if it is of another kind)."""
    assert objective.of is not None
    unit = case.outcomes[objective.of].unit
    assert unit is not None, "objectives are checked when the case is loaded"
    text = get(case.tree, f"objectives.{case.objectives.index(objective)}.{_limit(objective)}")
    return case.units.number_in(point(case, text), unit)


def _limit(objective: Objective) -> str:
    return "at_most" if objective.at_least is None else "at_least"
