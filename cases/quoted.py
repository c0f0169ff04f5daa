"""What quotes stand for: checked when the case is loaded, computed when their runs are there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cases import scenarios
from cases.build import apply, design_changes
from cases.design import text_at
from cases.errors import DesignError, shown
from cases.numbers import assumed, refers
from cases.outcomes import SHARES, Known, Values, computed
from cases.quotes import Quote, RunName
from cases.scenario_check import CONTAINED
from cases.spec import Case
from estimators.dimension import Dimension
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.tree import Name
from estimators.units import Quantity, Range, Units
from estimators.vocabulary import plurals

_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+")
SHARES_OF_STAGES = ("_share", "_utilisation", "_hit_ratio")
Measured = Sequence[Mapping[str, float | None]]
"""What each replication of a run measured, by the names of `outcomes.measures`."""


class Quoted(NamedTuple):
    """The value of a quote in `unit`: of each replication of its run, or one where it needs none."""

    values: tuple[float | None, ...]
    unit: str
    kind: str  # 'assumption', 'estimate', 'path', 'formula'; 'simulated' where it needs a run
    between: tuple[float, float] | None = None  # the 90 % interval of an assumption
    least: float = -math.inf  # that it can be
    most: float = math.inf
    problem: str | None = None  # why a replication gave it no value


class Quotes:
    """The quotes of one case. Each design is applied once, each formula read once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._known: dict[str | None, Known] = {}
        self._refused: dict[RunName, str | None] = {}

    @classmethod
    def of(cls, case: Case) -> Quotes:
        """Those of this case, kept with it."""
        return case.kept("quotes", lambda: cls(case))

    def designed(self, design: str | None) -> Case:
        """The case with one of its designs (DesignError)."""
        return self._with(design).case

    def check_run(self, run: RunName) -> None:
        """DesignError if there is no such design or scenario, or if they do not go together."""
        case = self.designed(run.design)
        if run.scenario is None:
            return
        if run not in self._refused:
            try:
                scenarios.scenario(case, run.scenario)
                self._refused[run] = None
            except DesignError as error:
                self._refused[run] = str(error)
        if reason := self._refused[run]:
            raise DesignError(reason)

    def check(self, quote: Quote) -> None:
        """DesignError or FormulaError for what is wrong with a quote."""
        self.check_run(quote.run)
        _check_word(self.designed(quote.run.design), quote.what)
        known, formula, dimension = self._read(quote)
        if quote.unit is not None:
            known.case.units.number_in(Quantity(1.0, dimension), quote.unit)
        if _needs_run(known, formula):
            return
        if quote.run.scenario is not None:
            raise FormulaError(f"{shown(quote.what)} is the same in every scenario; leave 'in' and the name out")
        self.number(quote)

    def needs_run(self, quote: Quote) -> bool:
        """Whether it uses anything that a run gives."""
        known, formula, _ = self._read(quote)
        return _needs_run(known, formula)

    def number(self, quote: Quote, replications: Measured = ()) -> Quoted:
        """The value of a quote (FormulaError); `replications`: of its run, where it needs one."""
        known, formula, dimension = self._read(quote)
        units, name = known.case.units, formula.text if formula.text in formula.names else ""
        if _needs_run(known, formula):
            found = _simulated(known, formula, replications)
            unit = quote.unit or _unit_of_outcome(known, name) or _chosen(units, found.by_replication, dimension)
            values = _in_unit(units, found.by_replication, dimension, unit)
            if name not in known.measures:
                return Quoted(values, unit, "simulated", problem=found.problem)
            most = 100.0 if unit == "%" else math.inf
            return Quoted(values, unit, "simulated", least=0.0, most=most, problem=found.problem)
        fixed = {one: known.fixed(one) for one in formula.names}
        value = formula.value({one: given.value for one, given in fixed.items() if given is not None})
        said = _written_unit(known.case, name)
        unit = quote.unit or (_chosen(units, [value], dimension) if said is None else _plural(said, dimension))
        between = None
        if (spread := _range(known.case, name)) is not None:
            low, high = (units.number_in(end, unit) for end in (spread.low, spread.high))
            between = (low, high)
        return Quoted(_in_unit(units, [value], dimension, unit), unit, _kind(known.case, name), between)

    def _read(self, quote: Quote) -> tuple[Known, Formula, Dimension]:
        known = self._with(quote.run.design)
        formula = _formula(known.case, quote.what)
        dimension = known.dimension(formula, {name: one for name, (_, one) in known.outcomes.items()})
        assert dimension is not None, "outcomes are checked before quotes"
        return known, formula, dimension

    def _with(self, design: str | None) -> Known:
        if design not in self._known:
            self._known[design] = Known(apply(self._case, self._changes(design)))
        return self._known[design]

    def _changes(self, design: str | None) -> Mapping[str, str]:
        if design is None:
            return {}
        if design not in self._case.designs and design.endswith(CONTAINED):
            try:  # to match all the shared scenarios, of which one may be meant, takes a while
                contained = scenarios.scenario(self._case, design.removesuffix(CONTAINED)).contained_by
            except DesignError:
                contained = None
            if contained is not None:
                return contained.changes
        return design_changes(self._case, design)


def _formula(case: Case, text: str) -> Formula:
    """Of a text (FormulaError); a path that stands alone may lead through the numbers of a list."""
    if _PATH.fullmatch(text):
        return Formula(text, Name(text), frozenset([text]))
    return case.texts.formula(text)


def _check_word(case: Case, path: str) -> None:
    """FormulaError where a word stands at a path, DesignError where nothing does."""
    text = text_at(case.tree, path).strip() if _PATH.fullmatch(path) else "="
    try:
        if not text.startswith("="):
            case.texts.quantity(text)
    except FormulaError:
        raise FormulaError(f"{shown(text)} stands there, and a quote is a number; write the word itself") from None


def _needs_run(known: Known, formula: Formula) -> bool:
    return any(known.fixed(name) is None for name in formula.names)


def _simulated(known: Known, formula: Formula, replications: Measured) -> Values:
    if not formula.names & known.outcomes.keys():
        return known.values(formula, replications)
    meant = computed(known, replications)
    if formula.text in meant:
        return meant[formula.text]
    also = [{name: found.by_replication[i] for name, found in meant.items()} for i in range(len(replications))]
    return known.values(formula, [{**one, **more} for one, more in zip(replications, also, strict=True)])


# -- units ------------------------------------------------------------------------------------------------------------


def _in_unit(units: Units, values: Sequence[float | None], dimension: Dimension, unit: str) -> tuple[float | None, ...]:
    return tuple(None if v is None else units.number_in(Quantity(v, dimension), unit) for v in values)


def _unit_of_outcome(known: Known, name: str) -> str | None:
    """In which an outcome or a share is said; None where the number decides."""
    if name in known.case.outcomes:
        return known.case.outcomes[name].unit
    share = name in SHARES or name.endswith(SHARES_OF_STAGES)
    return "%" if share and name in known.measures else None


def _chosen(units: Units, values: Sequence[float | None], dimension: Dimension) -> str:
    """One in which these read well."""
    there = [value for value in values if value is not None]
    return _plural(units.unit_for(Quantity(sum(there) / len(there) if there else 1.0, dimension)), dimension)


def _plural(unit: str, dimension: Dimension) -> str:
    """Of what is counted per something else the plural: 'loads/s'."""
    noun, slash, below = unit.partition("/")
    return f"{plurals(noun)[0]}{slash}{below}" if slash and noun in dimension.counts else unit


def _written_unit(case: Case, name: str) -> str | None:
    """In which the case states an assumption, an estimate or what stands at a path; None for a formula."""
    if name in case.estimates:
        return case.sheet.results(intervals=False)[name].unit
    if name in case.assumptions:
        value = case.texts.value(assumed(case.assumptions[name].value))
        return case.units.written_unit(value.high.text if isinstance(value, Range) else value.text)
    if "." not in name:
        return None
    text = text_at(case.tree, name).strip()
    if text.startswith("=") and not refers(text):
        return _written_unit(case, text[1:].strip())
    return case.units.written_unit(assumed(text))


def _range(case: Case, name: str) -> Range | None:
    if name not in case.assumptions:
        return None
    value = case.texts.value(assumed(case.assumptions[name].value))
    return value if isinstance(value, Range) else None


def _kind(case: Case, name: str) -> str:
    if name in case.assumptions:
        return "assumption"
    return "estimate" if name in case.estimates else "path" if "." in name else "formula"
