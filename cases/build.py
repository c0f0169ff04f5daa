"""From a tree of texts to a case, or to everything that is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from cases import design, path_check
from cases.design import Tree
from cases.errors import CaseError, DesignError, Problem, shown
from cases.fields import Reading
from cases.spec import Case
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.sheet import Assumption, Estimate, Sheet
from estimators.units import Quantity, Units


def build(tree: Tree, complete: bool = True) -> Case:
    """The case that a tree describes; CaseError with all problems otherwise.

    `complete=False` skips what cannot change when a design is applied: the designs and knobs themselves.
    """
    if not isinstance(tree, dict):
        raise CaseError([Problem("", "a case is a mapping; begin with 'format: 1'")])
    problems: list[Problem] = []
    units = _units(tree, problems)
    sheet = _sheet(tree, units, problems)
    context = Reading(units, _References(tree, units, sheet))
    try:
        case = Case.model_validate(tree, context=context)
    except ValidationError as error:
        problems += _explained(error, tree)
        problems += path_check.check_names(tree)
        raise CaseError(_unique(problems)) from None
    case._tree, case._units, case._sheet = tree, units, sheet
    problems += path_check.check(case)
    problems += _check_sheet_references(case)
    if complete and not problems:
        problems += _check_designs(case)
        problems += _check_knobs(case)
    if problems:
        raise CaseError(_unique(problems))
    return case


def apply(case: Case, changes: Mapping[str, str]) -> Case:
    """The case with these changes; DesignError if a path is unknown or the result breaks a rule."""
    if not changes:
        return case
    tree = design.changed(case.tree, changes)
    try:
        return build(tree, complete=False)
    except CaseError as error:
        raise DesignError(str(error)) from None


def design_changes(case: Case, name: str) -> dict[str, str]:
    """The changes of a named design; 'baseline' is the case as written."""
    if name == "baseline":
        return {}
    if name not in case.designs:
        raise DesignError(_not_among("design", name, ["baseline", *case.designs]))
    return dict(case.designs[name].changes)


def _not_among(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known) or 'none'}"
    return f"{shown(name)} is not a {what} of this case; {hint}"


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


# -- the sheet --------------------------------------------------------------------------------------------------------


def _units(tree: Tree, problems: list[Problem]) -> Units:
    counts = tree.get("counts")
    nouns = [n for n in counts if isinstance(n, str)] if isinstance(counts, list) else []
    good: list[str] = []
    for i, noun in enumerate(nouns):
        try:
            Units([noun])
            good.append(noun)
        except FormulaError as error:
            problems.append(Problem(f"counts.{i}", str(error)))
    return Units(good)


def _entries(tree: Tree, section: str, key: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(name, text of `key`, entry) of a section of the sheet, as far as it has the right shape."""
    entries = tree.get(section)
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get(key), str):
            yield name, entry[key], entry


def _sheet(tree: Tree, units: Units, problems: list[Problem]) -> Sheet:
    assumptions, estimates = [], []
    for name, text, _ in _entries(tree, "assumptions", "value"):
        try:
            assumptions.append(Assumption(name, units.value(text)))
        except FormulaError as error:
            problems.append(Problem(f"assumptions.{name}.value", str(error)))
    outside: dict[str, Quantity] = {}
    for name, text, entry in _entries(tree, "estimates", "formula"):
        unit = entry.get("unit")
        try:
            formula = Formula.parse(text, units)
            outside |= _outside(tree, formula, units)
            estimates.append(Estimate(name, formula, unit if isinstance(unit, str) else None))
        except (FormulaError, DesignError) as error:
            problems.append(Problem(f"estimates.{name}.formula", str(error)))
    sheet = Sheet(units, assumptions, estimates, outside)
    known = {e.name for e in estimates}
    for name, message in sheet.problems():
        where = f"estimates.{name}.formula" if name in known else f"assumptions.{name}"
        problems.append(Problem(where, message))
    return sheet


def _outside(tree: Tree, formula: Formula, units: Units) -> dict[str, Quantity]:
    """The values of the paths that a formula names."""
    values = {}
    for path in (name for name in formula.names if "." in name):
        text = design.text_at(tree, path)
        if text.startswith("="):
            raise DesignError(f"{shown(path)} is itself '{text}'; use that name in the formula")
        values[path] = units.quantity(text)
    return values


class _References:
    """What '= name' stands for: an estimate, an assumption, or the value at a path."""

    def __init__(self, tree: Tree, units: Units, sheet: Sheet) -> None:
        self._tree, self._units, self._sheet = tree, units, sheet

    def __call__(self, name: str, trail: tuple[str, ...] = ()) -> Quantity:
        if name in trail:
            raise FormulaError(f"'= {name}' refers to itself: {' -> '.join([*trail, name])}; give one of them a value")
        if "." not in name:
            values = self._sheet.quantities()
            if name in values:
                return values[name]
            known = [n for n in [*self._names("assumptions"), *self._names("estimates")] if n in values or n == name]
            if name in known:
                raise FormulaError(f"'= {name}' has no value, because of the problem reported for it")
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '= {near[0]}'?" if near else "write '= ' and the name of an estimate, assumption or path"
            raise FormulaError(f"{shown('= ' + name)} names no estimate or assumption; {hint}")
        try:
            text = design.text_at(self._tree, name)
        except DesignError as error:
            raise FormulaError(str(error)) from None
        if text.startswith("="):
            return self(text[1:].strip(), (*trail, name))
        return self._units.quantity(text)

    def _names(self, section: str) -> list[str]:
        entries = self._tree.get(section)
        return list(entries) if isinstance(entries, dict) else []


def _check_sheet_references(case: Case) -> Iterator[Problem]:
    """Sources that are named exist, and claims are of estimates and can be read."""
    for name, assumption in case.assumptions.items():
        source = assumption.basis.source
        if source is not None and source not in case.sources:
            yield Problem(f"assumptions.{name}.basis.source", _not_among("source", source, list(case.sources)))
    for i, claim in enumerate(case.claims):
        if claim.source not in case.sources:
            yield Problem(f"claims.{i}.source", _not_among("source", claim.source, list(case.sources)))
        if claim.of not in case.estimates:
            yield Problem(f"claims.{i}.of", _not_among("estimate", claim.of, list(case.estimates)))
        try:
            case.units.quantity(claim.value)
        except FormulaError as error:
            yield Problem(f"claims.{i}.value", str(error))


def _check_designs(case: Case) -> Iterator[Problem]:
    for name, one in case.designs.items():
        yield from _refused(case, f"designs.{name}.changes", one.changes)


def _check_knobs(case: Case) -> Iterator[Problem]:
    for i, knob in enumerate(case.knobs):
        where = f"knobs.{i}"
        try:
            design.text_at(case.tree, knob.path)
            low, high = (case.units.quantity(text) for text in (knob.low, knob.high))
        except (DesignError, FormulaError) as error:
            yield Problem(where, str(error))
            continue
        if low.value >= high.value or low.dimension != high.dimension:
            yield Problem(where, f"from {shown(knob.low)} to {shown(knob.high)} is not a range; write the smaller end first")
        elif knob.scale == "log" and low.value <= 0:
            yield Problem(where, f"a log scale cannot begin at {shown(knob.low)}; begin above 0, or use scale: linear")
        else:
            yield from _refused(case, where, {knob.path: knob.low})
            yield from _refused(case, where, {knob.path: knob.high})


def _refused(case: Case, where: str, changes: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the case when it is changed so."""
    try:
        apply(case, changes)
    except DesignError as error:
        for line in str(error).splitlines():
            yield Problem(where, line)


# -- pydantic's errors in our words -----------------------------------------------------------------------------------


def _explained(error: ValidationError, tree: Tree) -> Iterator[Problem]:
    for one in error.errors(include_url=False):
        location = [step for step in one["loc"] if step != "[key]"]
        yield Problem(path_of(tree, location), _message(one, location, tree))


def path_of(tree: Tree, location: list[Any] | tuple[Any, ...]) -> str:
    """The path of a place that pydantic names by keys and list indices."""
    names, node = [], tree
    for step in location:
        named = isinstance(node, list) and isinstance(step, int) and step < len(node)
        names.append(design.key_of(node, step) if named else str(step))
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
    return ".".join(names)


def _message(error: Any, location: list[Any], tree: Tree) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx") or {}
    if kind == "missing":
        return f"is missing; {_what_for(location, tree)}"
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        return f"is not a key here; {f'did you mean {near[0]!r}?' if near else 'there are ' + ', '.join(known)}"
    if kind == "literal_error":
        return f"{shown(str(given))} is not one of {context['expected']}; write one of them"
    if kind == "string_pattern_mismatch":
        rule = "a date (2026-11-20)" if "checked" in location else "a name: small letters, digits and '_', a letter first"
        return f"{shown(str(given))} is not {rule}"
    if kind in ("string_too_long", "string_too_short", "too_long", "too_short"):
        limit = context.get("max_length", context.get("min_length"))
        side = "at most" if "long" in kind else "at least"
        return f"has the wrong length: {side} {limit} {'characters' if 'string' in kind else 'entries'}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{shown(str(given))} is a single value where a group of keys is wanted"
    if kind == "list_type":
        return "a list is wanted here; write its items with '- '"
    if kind == "string_type":
        return "a single text is wanted here"
    return str(error["msg"])


def _what_for(location: list[Any], tree: Tree) -> str:
    model = _model_at(location[:-1])
    key = str(location[-1])
    field = next((f for n, f in model.model_fields.items() if key in (n, f.alias)), None) if model else None
    for extra in field.metadata if field else ():
        example = getattr(extra, "json_schema", None) or {}
        if isinstance(example, dict) and example.get("examples"):
            return f"write for example '{key}: {example['examples'][0]}'"
    if key == "format":
        return "write 'format: 1' first"
    return f"add '{key}'"


def _known_keys(location: list[Any]) -> list[str]:
    model = _model_at(location)
    return [f.alias or n for n, f in model.model_fields.items()] if model else []


def _model_at(location: list[Any]) -> type[BaseModel] | None:
    """The model whose keys stand at a place of the case."""
    annotation: Any = Case
    for step in location:
        model = _model_in(annotation)
        if model is not None and isinstance(step, str):
            by_key = {f.alias or n: f.annotation for n, f in model.model_fields.items()}
            if step in by_key:
                annotation = by_key[step]
    return _model_in(annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
