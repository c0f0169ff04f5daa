"""From texts to quantities: a case's sheet, and what formulas and '= name' take from elsewhere in the case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cases import correlations, design
from cases.errors import Consequence, DesignError, Problem, near, shown
from cases.numbers import PREFIX, assumed, refers
from cases.spec import Case
from cases.texts import Texts
from cases.tree import Tree
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.sheet import Assumption, Estimate, Sheet
from estimators.units import Quantity, Range

MOST_STEPS = 20  # from one reference to the next
MOST_GUESSES = 20  # looking for what was meant takes milliseconds


def entries(tree: Tree, section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries of a section with names, as far as they have the right shape."""
    found = tree.get(section)
    for name, entry in found.items() if isinstance(found, dict) else ():
        if isinstance(entry, dict):
            yield name, entry


def read_sheet(tree: Tree, texts: Texts, problems: list[Problem], before: Sheet | None = None) -> Sheet:
    """The sheet of a tree, as far as it can be read; `before` itself if nothing of it has changed."""
    assumptions = []
    for name, entry in entries(tree, "assumptions"):
        if isinstance(text := entry.get("value"), str):
            try:
                assumptions.append(Assumption(name, texts.value(assumed(text))))
            except FormulaError as error:
                problems.append(Problem(f"assumptions.{name}.value", str(error)))
    estimates: list[Estimate] = []
    outside: dict[str, Quantity] = {}
    for name, entry in entries(tree, "estimates"):
        if isinstance(text := entry.get("formula"), str):
            try:
                formula = texts.formula(text)
                outside |= _outside(tree, formula, texts, guess=len(problems) < MOST_GUESSES)
            except (FormulaError, DesignError) as error:
                problems.append(Problem(f"estimates.{name}.formula", str(error)))
            else:
                estimates.append(Estimate(name, formula, _unit(name, entry, texts, problems)))
    together = correlations.read(tree, texts, problems)
    sheet = Sheet(texts.units, assumptions, estimates, outside, correlations=together)
    if before is not None and before.units is sheet.units and _parts(before) == _parts(sheet):
        return before
    formulas = {one.name: one.formula for one in estimates}
    read = {one.name for one in assumptions} | formulas.keys()
    unread = {name for section in ("assumptions", "estimates") for name, _ in entries(tree, section)} - read
    for name, message in sheet.problems():
        if name in formulas and any(
            message.startswith(f"{shown(n)} is not known") for n in formulas[name].names & unread
        ):
            continue  # that name has its own problem
        where = f"estimates.{name}.formula" if name in formulas else f"assumptions.{name}"
        problems.append(Problem(where if name else "estimates", message))
    return sheet


def _parts(sheet: Sheet) -> tuple[Any, ...]:
    """What a sheet is made of, texts included: they are printed in workings."""
    values = [(one.name, one.value, one.value.text) for one in sheet.assumptions]
    texts = [value.text for value in sheet.outside.values()]
    return values, sheet.estimates, sheet.outside, texts, sheet.correlations


def _unit(name: str, entry: Mapping[str, Any], texts: Texts, problems: list[Problem]) -> str | None:
    unit = entry.get("unit")
    if not isinstance(unit, str):
        return None
    try:
        texts.unit(unit)
    except FormulaError as error:
        problems.append(Problem(f"estimates.{name}.unit", str(error)))
        return None
    return unit


def _outside(tree: Tree, formula: Formula, texts: Texts, guess: bool) -> dict[str, Quantity]:
    """The values of the paths that a formula names."""
    values = {}
    for path in sorted(name for name in formula.names if "." in name):
        if path.startswith(PREFIX):
            raise _not_here(path)
        text = design.text_at(tree, path, guess)
        if text.startswith("=") and not refers(text):
            raise DesignError(f"{shown(path)} is itself {shown(text)}; use that name in the formula")
        values[path] = texts.quantity(assumed(text))
    return values


def point(case: Case, text: str) -> Quantity:
    """One value for a text of a case: of a range its point, of a reference what it stands for (FormulaError)."""
    if text.startswith("=") and not refers(text):
        return References(case.tree, case.texts, case.sheet)(text[1:].strip())
    value = case.texts.value(assumed(text))
    return value.point if isinstance(value, Range) else value


def _not_here(given: str) -> FormulaError:
    return FormulaError(
        f"{shown(given)} can stand in an assumption only; write one with this value, and the name of that here"
    )


class References:
    """What '= name' stands for: an estimate, an assumption, or the value at a path."""

    def __init__(self, tree: Tree, texts: Texts, sheet: Sheet) -> None:
        self._tree, self._texts, self._sheet = tree, texts, sheet
        self._guesses = MOST_GUESSES

    def __call__(self, name: str) -> Quantity:
        """The value (FormulaError)."""
        if name.startswith(PREFIX):
            raise _not_here(f"= {name}")
        trail = [name]
        while "." in trail[-1]:
            text = self._text(trail[-1])
            if not text.startswith("=") or refers(text):
                return self._texts.quantity(assumed(text))
            trail.append(text[1:].strip())
            if trail[-1] in trail[:-1]:
                raise FormulaError(f"'= {name}' goes in a circle: {' -> '.join(trail)}; give one of them a value")
            if len(trail) > MOST_STEPS:
                raise FormulaError(
                    f"{shown('= ' + name)} leads through more than {MOST_STEPS} references; refer to the last of them"
                )
        return self._named(trail[-1])

    def _text(self, path: str) -> str:
        try:
            return design.text_at(self._tree, path, self._may_guess()).strip()
        except DesignError as error:
            raise FormulaError(str(error)) from None

    def _named(self, name: str) -> Quantity:
        values = self._sheet.quantities()
        if name in values:
            return values[name]
        known = [n for section in ("assumptions", "estimates") for n, _ in entries(self._tree, section)]
        if name in known:
            raise Consequence(f"{shown('= ' + name)} has no value; correct the problem reported for it first")
        meant = near(name, known) if self._may_guess() else None
        hint = f"did you mean '= {meant}'?" if meant else "write '= ' and the name of an estimate, assumption or path"
        raise FormulaError(f"{shown('= ' + name)} names no estimate or assumption; {hint}")

    def _may_guess(self) -> bool:
        self._guesses -= 1
        return self._guesses >= 0
