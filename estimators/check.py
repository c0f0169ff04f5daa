"""One typed calculation against the number somebody states for it; no case, no names.

More forgiving than a sheet in one thing: in a product the count nouns may be left over, because
people write `500 B` for 500 bytes per event. What was read into the text is said in a note.
"""

from __future__ import annotations

from dataclasses import dataclass

from estimators import tree
from estimators.claims import Verdict, judge
from estimators.dimension import Dimension, common
from estimators.formula import Formula, unknown_name
from estimators.printing import per_time
from estimators.sheet import Working
from estimators.units import Quantity, Units


@dataclass(frozen=True, slots=True)
class Checked:
    """A calculation with its working, and the verdict if a number was stated."""

    says: str
    computed: Quantity
    unit: str
    working: Working
    verdict: Verdict | None
    note: str | None

    def as_json(self, units: Units) -> dict[str, object]:
        """The contract of `estimators check --json`: numbers are in `unit`."""
        verdict = self.verdict
        computed_unit = units.unit_for(self.computed) if _uncomparable(verdict) else self.unit
        answer: dict[str, object] = {
            "says": self.says,
            "stated": units.number_in(verdict.stated, self.unit) if verdict else None,
            "computed": units.number_in(self.computed, computed_unit),
            "unit": self.unit,
            "ratio": verdict.ratio if verdict else None,
            "verdict": verdict.verdict if verdict else None,
            "working": str(self.working),
            "slip": verdict.slip if verdict else None,
            "sentence": verdict.sentence if verdict else None,
            "note": self.note,
        }
        if _uncomparable(verdict):
            answer["computed_unit"] = computed_unit
        return answer


def _uncomparable(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.verdict == "wrong_dimension"


def check(calculation: str, states: str | None = None, units: Units | None = None, rounding: float = 1.5) -> Checked:
    """Compute, and judge what is stated. FormulaError for what cannot be read; any verdict is an answer."""
    units = units or Units()
    formula = Formula.parse(calculation, units)
    for name in sorted(formula.names):
        raise unknown_name(name, (), units)
    computed = Quantity(formula.value({}), formula.dimension({}))
    stated, note = None, None
    if states is not None:
        stated = units.quantity(states)
        computed, note = _forgiven(formula, computed, stated)
    verdict = judge(stated, computed, rounding=rounding, units=units) if stated else None
    if verdict and not _uncomparable(verdict):
        unit = shown_in = verdict.unit
        if verdict.ratio is not None and not 1e-4 < abs(verdict.ratio) < 1e4:
            shown_in = _own_unit(formula, computed, units)
    else:
        shown_in = _own_unit(formula, computed, units)
        unit = verdict.unit if verdict else shown_in
    working = Working(formula.symbols(), formula.substituted({}), units.format(computed, shown_in))
    says = formula.text if stated is None else f"{formula.text} = {stated.text}"
    return Checked(says, computed, unit, working, verdict, note)


def _own_unit(formula: Formula, computed: Quantity, units: Units) -> str:
    times = {per for per in (per_time(number.text) for number in tree.numbers(formula.tree)) if per}
    return units.unit_for(computed, times.pop() if len(times) == 1 else None)


def _forgiven(formula: Formula, computed: Quantity, stated: Quantity) -> tuple[Quantity, str | None]:
    """The computed value counted as the stated one, if only the count nouns differ, and a note saying so."""
    ours, theirs = computed.dimension, stated.dimension
    if common(theirs, ours) or not tree.has_product(formula.tree):
        return computed, None
    if ours.without_counts() != theirs.without_counts():
        return computed, None
    extra = ours / theirs
    return Quantity(computed.value, theirs), _note(formula, extra)


def _note(formula: Formula, extra: Dimension) -> str:
    left = [str(Dimension.of({noun: power})) for noun, power in extra.powers if power > 0]
    missing = [str(Dimension.of({noun: -power})) for noun, power in extra.powers if power < 0]
    if left and not missing:
        bare = [
            number.text
            for number in tree.numbers(formula.tree)
            if not number.dimension.counts and not number.dimension.is_dimensionless
        ]
        if len(bare) == 1:
            return f"{bare[0]} read as per {' and per '.join(left)}"
        return f"{' and '.join(left)} left over in the product, and dropped"
    if missing and not left:
        return f"read as a count of {' and '.join(missing)}, which the calculation does not mention"
    return f"{' and '.join(left)} read as {' and '.join(missing)}"
