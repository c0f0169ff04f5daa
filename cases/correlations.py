"""Correlations of assumptions: from the tree to the sheet, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cases.errors import Problem, shown
from cases.spec import Case
from cases.texts import Texts
from cases.tree import Tree
from estimators.errors import FormulaError
from estimators.sampling import Correlations, Pair, faults
from estimators.sensitivity import uncertain


def read(tree: Tree, texts: Texts, problems: list[Problem]) -> Correlations:
    """The correlations of a tree, as far as they have the right shape; none if something is wrong with them."""
    listed, assumptions = tree.get("correlations"), tree.get("assumptions")
    named = [*assumptions] if isinstance(assumptions, dict) else []
    declared = [(i, *found) for i, entry in enumerate(_list(listed)) if (found := _read(entry, texts))]
    wrong = list(faults([(pair, of) for _, pair, of in declared], named))
    for place, message in wrong:
        problems.append(Problem("correlations" if place is None else f"correlations.{declared[place][0]}", message))
    return {} if wrong else {pair: of for _, pair, of in declared}


def _read(entry: Any, texts: Texts) -> tuple[Pair, float] | None:
    """One of them; None where the language will say what is wrong."""
    between, of = (entry.get(key) for key in ("between", "of")) if isinstance(entry, dict) else (None, None)
    names = [name.strip() for name in between.split(",")] if isinstance(between, str) else _list(between)
    try:
        match names, texts.quantity(of) if isinstance(of, str) else None:
            case [str(one), str(other)], quantity if quantity and quantity.dimension.is_dimensionless:
                return ((one, other), quantity.value) if abs(quantity.value) < 1 else None
    except FormulaError:
        pass
    return None


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def check(case: Case) -> Iterator[Problem]:
    """Assumptions of a file that have nothing to vary. (A design may make a range one value: then nothing follows.)"""
    ranges = uncertain(case.sheet)
    for i, correlation in enumerate(case.correlations):
        for name in correlation.between:
            if name in case.assumptions and name not in ranges:
                yield Problem(
                    f"correlations.{i}.between",
                    f"{shown(name)} has no range, so nothing varies with it; give it one, as '8e6..12e6 user/day', "
                    "or leave the correlation out",
                )
