"""From a tree of texts to a case, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from cases import (
    cells,
    changing,
    correlations,
    design,
    knobs,
    outcomes,
    path_check,
    scenario_check,
    sheet_check,
    stage_check,
)
from cases.errors import CaseError, DesignError, Problem, not_among, shown
from cases.explain import explained, path_of
from cases.fields import Reading
from cases.numbers import assumed
from cases.references import References, entries, point, read_sheet
from cases.spec import MOST_COUNTS, Case, Knob, LooksGood, Scenario
from cases.texts import Texts
from cases.tree import Tree
from estimators.errors import FormulaError
from estimators.units import Dimension, Quantity, Range, Units

MOST_TRIED = 5_000_000  # characters of formulas to compute while a file is checked

__all__ = ["apply", "build", "check_scenario", "design_changes", "path_of"]


def build(tree: Tree) -> Case:
    """The case that a tree describes; CaseError with all problems otherwise."""
    return _built(tree, None)


def apply(case: Case, changes: Mapping[str, str]) -> Case:
    """The case with these changes; DesignError with every path that is unknown and every rule that breaks."""
    if not changes:
        return case
    tree, problems = design.attempted(case.tree, changes)
    other_kind = list(_of_another_kind(case, changes))
    try:
        after = _built(tree, case)
    except CaseError as error:
        # An assumption of another kind breaks formulas that were right: it is the change that is to be corrected.
        problems += other_kind or error.problems
    if problems:
        raise DesignError.of(dict.fromkeys(problems))
    return after


def _of_another_kind(case: Case, changes: Mapping[str, str]) -> Iterator[Problem]:
    """Assumptions that a change gives another dimension than the case does."""
    for path, text in changes.items():
        section, _, name = path.removesuffix(".value").partition(".")
        if section != "assumptions" or name not in case.assumptions or not path.endswith(".value"):
            continue
        written = case.assumptions[name].value
        try:
            written = assumed(written)
            now, before = (_dimension(case.units.value(one)) for one in (assumed(text), written))
        except FormulaError:
            continue  # said elsewhere
        if now != before:
            kind = "has no unit" if now.is_dimensionless else f"is {now.described()}"
            yield Problem(
                path, f"{shown(text)} {kind}, and {before.described()} is wanted; write for example '{written}'"
            )


def _dimension(value: Quantity | Range) -> Dimension:
    return value.low.dimension if isinstance(value, Range) else value.dimension


def design_changes(case: Case, name: str) -> dict[str, str]:
    """The changes of a named design; 'baseline' is the case as written."""
    from cases import scenarios  # a scenario is checked by applying changes: it stands above this file

    if name == "baseline":
        return {}
    designs = case.designs if name in case.designs else scenarios.designs(case)
    if name not in designs:
        raise DesignError(not_among(name, "a design of this case", ["baseline", *designs]))
    return dict(designs[name].changes)


def _built(tree: Tree, before: Case | None) -> Case:
    """`build`; `before`: the case of which the tree is a change; its designs, knobs and scenarios were tried out."""
    if not isinstance(tree, dict):
        raise CaseError([Problem("", "a case is a mapping; begin with 'format: 1'")])
    if too_many := list(_too_many(tree)):
        raise CaseError(too_many)
    problems: list[Problem] = []
    if before is not None and tree.get("counts") == before.tree.get("counts"):
        texts, sheet_before = before.texts, before.sheet
    else:
        texts, sheet_before = Texts(_units(tree, problems)), None
    sheet = read_sheet(tree, texts, problems, sheet_before)
    problems += path_check.check_names(tree)
    problems += sheet_check.check(tree, texts, written=before is None)
    try:
        case = Case.model_validate(tree, context=Reading(texts.quantity, References(tree, texts, sheet)))
    except ValidationError as error:
        problems += explained(error, tree, consequences=not problems)
        if before is None:
            problems += _unknown_paths(tree)
        raise CaseError(dict.fromkeys(problems)) from None
    case.made_of(tree, texts, sheet, before)
    if not problems:  # outcomes are computed with the sheet
        problems += outcomes.check(case)
    problems += path_check.check(case)
    if not problems:  # a cell is looked at as a case of its own
        problems += cells.check(case)
    if before is None:
        problems += [*_too_much(case), *stage_check.check_hot(case), *correlations.check(case)]
        checks = () if problems else (_check_designs, _check_knobs, _check_scenarios)
        problems += _unknown_paths(tree) if problems else [one for check in checks for one in check(case)]
        if not problems and case.walkthrough:
            problems += _check_story(case)
    elif not problems and tree.get("scenarios") != before.tree.get("scenarios"):
        problems += _check_scenarios(case)
    if problems:
        raise CaseError(dict.fromkeys(problems))
    return case


def _too_many(tree: Tree) -> Iterator[Problem]:
    """Sections with more entries than a case has: nothing else is looked at then."""
    for name, field in Case.model_fields.items():
        for bound in field.metadata:
            most = getattr(bound, "max_length", None)
            if most is not None and isinstance(tree.get(name), list | dict) and len(tree[name]) > most:
                yield Problem(name, f"has {len(tree[name]):,} entries; at most {most}")


def _too_much(case: Case) -> Iterator[Problem]:
    """Each design, end of a knob and event is tried out, which computes the sheet anew."""
    length = sum(len(one.formula) for one in case.estimates.values())
    events = sum(len(one.events) + 1 for one in case.scenarios.values())
    trials = len(case.designs) + sum(len(knob.choices) or 2 for knob in case.knobs) + events
    if length * trials > MOST_TRIED:
        yield Problem(
            "estimates",
            f"{length:,} characters of formulas, and {trials} designs, ends of knobs and events; have fewer",
        )


def _units(tree: Tree, problems: list[Problem]) -> Units:
    counts = tree.get("counts")
    nouns = [n for n in counts if isinstance(n, str)] if isinstance(counts, list) else []
    good: list[str] = []
    for noun in nouns[:MOST_COUNTS]:
        try:
            Units([noun])
            good.append(noun)
        except FormulaError as error:
            problems.append(Problem(f"counts.{nouns.index(noun)}", str(error)))
    return Units(good)


# -- designs, knobs and scenarios: values of the case with other texts -------------------------------------------------


def _changes(tree: Tree) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The changes of designs and of what contains scenarios, with their places, as far as they have the right shape."""
    named: list[tuple[str, Any]] = [(f"designs.{name}", one) for name, one in entries(tree, "designs")]
    named += [(f"scenarios.{name}.contained_by", one.get("contained_by")) for name, one in entries(tree, "scenarios")]
    for where, one in named:
        changes = one.get("changes") if isinstance(one, dict) else None
        if isinstance(changes, dict) and all(isinstance(text, str) for text in changes.values()):
            yield f"{where}.changes", changes


def _unknown_paths(tree: Tree) -> Iterator[Problem]:
    """What can be said of designs and knobs while the case itself is wrong."""
    for where, changes in _changes(tree):
        try:
            design.changed(tree, changes)
        except DesignError as error:
            yield from _placed(where, changes, error)
    turned = tree.get("knobs")
    for i, knob in enumerate(turned if isinstance(turned, list) else ()):
        path = knob.get("path") if isinstance(knob, dict) else None
        if isinstance(path, str):
            try:
                if "choices" in knob:  # they may give a value where there is none
                    design.changed(tree, {path: design.REMOVED})
                else:
                    design.text_at(tree, path)
            except DesignError as error:
                yield Problem(f"knobs.{i}.path", str(error))


def _check_designs(case: Case) -> Iterator[Problem]:
    for name, one in case.designs.items():
        yield from _refused(case, f"designs.{name}.changes", one.changes)
        if one.looks_good is not None:
            yield from _check_looks_good(case, f"designs.{name}.looks_good", one.looks_good)


def _check_looks_good(case: Case, where: str, said: LooksGood) -> Iterator[Problem]:
    """That the figure and the scenario of a design that looks good are there."""
    from cases import scenarios  # a scenario is checked by applying changes: it stands above this file

    figures = dict.fromkeys([*(one.name for one in case.objectives), *case.outcomes])
    if said.but not in figures:
        yield Problem(f"{where}.but", not_among(said.but, "an objective or an outcome of this case", figures))
    if said.during is not None and said.during not in case.scenarios:
        known = scenarios.scenarios(case)
        if said.during not in known:
            yield Problem(f"{where}.in", not_among(said.during, "a scenario of this case", known))


def _refused(case: Case, where: str, changes: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the case when it is changed so."""
    try:
        apply(case, changes)
    except DesignError as error:
        yield from _placed(where, changes, error)


def _placed(where: str, changes: Mapping[str, str], error: DesignError) -> Iterator[Problem]:
    """A design's problems at the changes that they are about, else at the design."""
    for problem in error.problems or [Problem("", str(error))]:
        change = next((path for path in changes if f"{problem.path}.".startswith(f"{path}.")), None)
        if change == problem.path:
            yield Problem(f"{where}.{change}", problem.message)
        else:  # a key of a group that was set as a whole, or a rule that the change breaks elsewhere
            yield Problem(f"{where}.{change}" if change else where, str(problem))


def _check_knobs(case: Case) -> Iterator[Problem]:
    for i, knob in enumerate(case.knobs):
        where = f"knobs.{i}"
        if knob.choices:
            yield from _check_choices(case, where, knob)
            continue
        assert knob.low is not None
        assert knob.high is not None
        try:
            text = design.text_at(case.tree, knob.path)
            now = point(case, text)
        except (DesignError, FormulaError) as error:
            yield Problem(f"{where}.path", str(error))
            continue
        try:
            low, high = case.texts.quantity(knob.low), case.texts.quantity(knob.high)
        except FormulaError as error:
            yield Problem(where, str(error))
            continue
        span = f"from {shown(knob.low)} to {shown(knob.high)}"
        if low.dimension != high.dimension or low.value >= high.value:
            yield Problem(where, f"{span} is not a range; write two values of one kind, the smaller first")
        elif knob.scale == "log" and low.value <= 0:
            yield Problem(where, f"a log scale cannot begin at {shown(knob.low)}; begin above 0, or use scale: linear")
        else:
            ends = [
                Problem(f"{where}.{key}", problem.message)
                for key, end in (("from", knob.low), ("to", knob.high))
                for problem in _refused(case, where, {knob.path: end})
            ]
            yield from ends
            if not ends and not low.value <= now.value <= high.value:
                yield Problem(where, f"{span} leaves out the case's own {shown(text)}; make it wider")


def _check_choices(case: Case, where: str, knob: Knob) -> Iterator[Problem]:
    try:
        now = knobs.chosen(case.tree, knob)
    except DesignError as error:
        yield Problem(f"{where}.path", str(error))
        return
    refused = [
        Problem(f"{where}.choices", f"{shown(text)}: {problem.message}")
        for text in knob.choices
        for problem in _refused(case, where, {knob.path: text})
    ]
    yield from refused
    if now is None and not refused:
        own = knobs.written(case.tree, knob.path)
        yield Problem(f"{where}.choices", f"leave out the case's own {shown(own)}; add it")


def _check_story(case: Case) -> Iterator[Problem]:
    from cases import story_check  # it applies designs: it stands above this file

    return story_check.check(case)


def _check_scenarios(case: Case) -> Iterator[Problem]:
    for name, one in case.scenarios.items():
        yield from check_scenario(case, name, one)
        if one.contained_by is not None:
            yield from _refused(case, f"scenarios.{name}.contained_by.changes", one.contained_by.changes)


def check_scenario(case: Case, name: str, scenario: Scenario) -> Iterator[Problem]:
    """What is wrong with the events of a scenario of this case."""
    found = list(scenario_check.check(case, name, scenario))
    yield from found
    wrong = {problem.path for problem in found}
    for i, event in enumerate(scenario.events):
        where = f"scenarios.{name}.events.{i}"
        if event.path is None or f"{where}.path" in wrong:
            continue
        try:
            changes = changing.change(case, event)
        except DesignError as error:
            yield Problem(f"{where}.path", str(error))
            continue
        for problem in _refused(case, where, changes):
            yield Problem(f"{where}.{'times' if event.to is None else 'to'}", problem.message)
