"""What there is to say of an estimate and of an assumption, in texts with units: what a page puts on cards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from cases.design import text_at
from cases.errors import DesignError
from cases.labels import label_of
from cases.number_report import web
from cases.numbers import age, provenance
from cases.sheets import estimates
from cases.spec import Case
from cases.tornado import Row, Scale, rows
from estimators.blocks import FUNCTIONS
from estimators.sensitivity import Swing, Trace, taken_as_exact, tornadoes, trace, uncertain
from estimators.sheet import Result, Working
from estimators.units import Quantity

MOST_TORNADOES = 5_000  # estimates times assumptions with ranges: some two seconds


class Ground(NamedTuple):
    """A number beneath an estimate, and on whose word it stands."""

    name: str
    label: str
    value: str
    kind: str = ""
    """of the basis: stated, published, measured, estimate, illustrative"""
    where: str = ""
    """the title of the source, or why we chose it"""
    url: str = ""
    checked: str = ""
    note: str = ""
    age: str = ""
    """of a number of the table of numbers"""
    instead_of: str = ""
    """what the case has there as written, where that was changed"""


class Interval(NamedTuple):
    """Median and 90 % interval, in words and as places from 0 to 1 on a scale that begins at nothing."""

    text: str
    low: float
    median: float
    high: float
    point: float


class Explained(NamedTuple):
    """A function that a working uses."""

    signature: str
    about: str
    source: str


@dataclass(frozen=True, slots=True)
class Card:
    """An estimate with everything that it rests on."""

    name: str
    label: str
    value: str
    note: str
    interval: Interval | None
    no_interval: str
    working: Working
    assumptions: tuple[Ground, ...]
    between: tuple[Ground, ...]
    """the estimates between it and its assumptions"""
    paths: tuple[Ground, ...]
    """values of the request path"""
    tornado: tuple[Row, ...]
    exact: tuple[str, ...]
    """labels of the assumptions beneath it that have no range"""
    functions: tuple[Explained, ...]


def cards(case: Case, today: date) -> dict[str, Card]:
    """A card for every estimate, in the order of the sheet; made once for a case and a day."""
    return case.kept(f"cards of {today}", lambda: _cards(case, today))


def _cards(case: Case, today: date) -> dict[str, Card]:
    results = estimates(case)
    few = len(results) * len(uncertain(case.sheet)) <= MOST_TORNADOES
    swings = tornadoes(case.sheet) if few else {}
    grounds = {one.name: one for one in assumptions(case, today)}
    return {name: _card(case, result, results, swings.get(name, ()), grounds) for name, result in results.items()}


def _card(
    case: Case,
    result: Result,
    results: Mapping[str, Result],
    swings: tuple[Swing, ...],
    grounds: Mapping[str, Ground],
) -> Card:
    name, spec = result.name, case.estimates[result.name]
    beneath: Trace = trace(case.sheet, name)
    between = (results[one] for one in beneath.estimates)
    return Card(
        name,
        label_of(case, name),
        case.units.format(result.value, result.unit),
        spec.note or "",
        _interval(case, result),
        result.no_interval,
        result.working,
        tuple(grounds[one] for one in beneath.assumptions),
        tuple(Ground(r.name, label_of(case, r.name), case.units.format(r.value, r.unit)) for r in between),
        tuple(Ground(path, path, text_at(case.tree, path)) for path in beneath.paths),
        tuple(rows(case, result, swings)) if swings else (),
        tuple(label_of(case, one) for one in taken_as_exact(case.sheet, name)),
        _functions(spec.formula),
    )


def assumptions(case: Case, today: date) -> list[Ground]:
    """Every assumption with its value and its source."""
    return [_assumption(case, name, today) for name in case.assumptions]


def _assumption(case: Case, name: str, today: date) -> Ground:
    known, note = provenance(case, name), case.assumptions[name].note
    return Ground(
        name,
        label_of(case, name),
        known.value,
        known.basis,
        known.title or known.note,
        web(known.url),
        known.checked,
        note or (known.note if known.title else ""),
        age(known.number, today).text if known.number else "",
        known.instead_of,
    )


def origin(case: Case, path: str) -> str | None:
    """The estimate whose value stands at a path, if it is a reference to one."""
    try:
        text = text_at(case.tree, path, guess=False).strip()
    except DesignError:
        return None
    name = text.removeprefix("=").strip()
    return name if text.startswith("=") and name in case.estimates else None


def grounds(case: Case) -> list[str]:
    """The estimates that a run of the case is computed with: its rate, its prices, and what its outcomes name."""
    paths = ["workload.rate", *(f"stages.{stage.name}.price" for stage in case.stages if stage.price is not None)]
    referred = [name for path in paths if (name := origin(case, path)) is not None]
    return list(dict.fromkeys([*referred, *beneath_outcomes(case)]))


def beneath_outcomes(case: Case) -> list[str]:
    """The estimates that the outcomes of a run are computed with, each once."""
    names = [case.texts.formula(one.formula).names for one in case.outcomes.values()]
    return [name for name in case.estimates if any(name in some for some in names)]


def _interval(case: Case, result: Result) -> Interval | None:
    if result.low is None or result.median is None or result.high is None:
        return None
    low, median, high = (case.units.format(q, result.unit) for q in (result.low, result.median, result.high))
    nothing = Quantity(0.0, result.value.dimension)  # so that a long bar is a wide interval
    place = Scale.over([nothing, result.low, result.high, result.value])
    places = (place(q) for q in (result.low, result.median, result.high, result.value))
    return Interval(f"median {median}, 90 % interval {low} to {high}", *places)


def _functions(formula: str) -> tuple[Explained, ...]:
    """The functions that a formula calls, as far as there is something to explain."""
    called = dict.fromkeys(re.findall(r"([A-Za-z_]\w*)\s*\(", formula))
    known = (FUNCTIONS[name] for name in called if name in FUNCTIONS)
    return tuple(Explained(one.signature, one.about, one.source) for one in known if one.about)
