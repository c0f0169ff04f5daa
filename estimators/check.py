"""One typed calculation against the number somebody states for it; no case, no names.

    FORMULA [in UNIT] [states NUMBER]

More forgiving than a case's sheet in one thing: in a product the count nouns may be left over, because
people write `500 B` for 500 bytes per event. What was read into the text is said in a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from estimators import tree
from estimators.claims import ROUNDING, Verdict, judge
from estimators.dimension import BYTE, MONEY, PER_SECOND, SECOND, Dimension, common
from estimators.errors import FormulaError, shown
from estimators.formula import Formula, unknown_name
from estimators.printing import per_time
from estimators.sheet import Working
from estimators.units import Quantity, Units

_STATES = re.compile(r"(?<!\s)\s+states(?:\s+|$)|(?<!\s)\s*[=≈~]\s*")
_IN = re.compile(r"(?<!\s)\s+in(?:\s+|$)")
_ABOUT = re.compile(r"(?:about|around|roughly|approximately|approx\.?|[~≈])\s*", re.IGNORECASE)
_PERIOD = "they differ by a time only: a period is missing, or stands there twice ('/day' needs no '/ 86,400 s')"


class Statement(NamedTuple):
    """A calculation as typed, taken apart; `unit` and `states` are None where they are not given."""

    formula: str
    unit: str | None
    states: str | None


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
        return {
            "says": self.says,
            **verdict_json(self.verdict, self.computed, self.unit, units),
            "working": str(self.working),
            "note": self.note,
        }


def verdict_json(verdict: Verdict | None, computed: Quantity, unit: str, units: Units) -> dict[str, object]:
    """What a verdict says, and what it is about; numbers are in `unit`, or say in which they are."""
    computed_unit = units.unit_for(computed) if _uncomparable(verdict) else unit
    answer: dict[str, object] = {
        "stated": units.number_in(verdict.stated, unit) if verdict else None,
        "computed": units.number_in(computed, computed_unit),
        "unit": unit,
        "ratio": verdict.ratio if verdict else None,
        "verdict": verdict.verdict if verdict else None,
        "slip": verdict.slip if verdict else None,
        "sentence": verdict.sentence if verdict else None,
    }
    return answer | ({"computed_unit": computed_unit} if _uncomparable(verdict) else {})


def _uncomparable(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.verdict == "wrong_dimension"


def check(
    calculation: str, states: str | None = None, units: Units | None = None, rounding: float = ROUNDING
) -> Checked:
    """Compute, and judge what is stated. FormulaError for what cannot be read; any verdict is an answer."""
    units = units or Units()
    typed = taken_apart(calculation) if states is None else Statement(calculation, None, states)
    formula = Formula.parse(typed.formula, units)
    for name in sorted(formula.names):
        raise unknown_name(name, (), units)
    computed = Quantity(formula.value({}), formula.dimension({}))
    stated = stated_number(typed.states, units) if typed.states is not None else None
    if stated is not None or typed.unit is not None:
        wanted = stated.dimension if stated is not None else units.unit(typed.unit or "")[1]
        computed, note = _forgiven(formula, computed, wanted)
    else:
        computed, note = _forgiven(formula, computed, _bare(computed.dimension))
    verdict = judge(stated, computed, rounding=rounding, units=units, typed=calculation) if stated else None
    if verdict is not None and verdict.verdict == "wrong_dimension":
        note = differs_by_time(stated.dimension, computed.dimension) if stated else None
    unit, shown_in = _units_of_answer(typed, verdict, formula, computed, units)
    working = Working(formula.symbols(), formula.substituted({}), units.format(computed, shown_in))
    says = formula.text if stated is None else f"{formula.text} = {stated.text}"
    return Checked(says, computed, unit, working, verdict, note)


def taken_apart(text: str) -> Statement:
    """'FORMULA in UNIT states NUMBER' as its parts; '=', '≈' or '~' may stand for 'states'."""
    calculation, *stated = _STATES.split(text.strip())
    if not calculation:
        return Statement(text, None, None)
    if len(stated) > 1:
        raise FormulaError(f"{shown(text)}: more than one number is stated; write 'FORMULA states NUMBER'")
    formula, *unit = _IN.split(calculation)
    if len(unit) > 1 or unit == [""]:
        wrong = "'in' stands twice" if len(unit) > 1 else "a unit is missing"
        raise FormulaError(f"{shown(text)}: {wrong}; write 'FORMULA in UNIT'")
    return Statement(formula, unit[0] if unit else None, stated[0] if stated else None)


def stated_number(text: str, units: Units) -> Quantity:
    """The number that somebody states: '4 PB', 'about 4 PB', '~ 4 PB'."""
    return units.quantity(_ABOUT.sub("", text.strip(), count=1) if _ABOUT.match(text.strip()) else text)


def _units_of_answer(
    typed: Statement, verdict: Verdict | None, formula: Formula, computed: Quantity, units: Units
) -> tuple[str, str]:
    """The unit of the answer's numbers, and the one in which the working ends."""
    own = typed.unit if typed.unit is not None else _own_unit(formula, computed, units)
    units.number_in(computed, own)  # FormulaError where the calculation does not give such a unit
    if verdict is None:
        return own, own
    far = verdict.ratio is not None and not 1e-4 < abs(verdict.ratio) < 1e4
    return verdict.unit, own if far or _uncomparable(verdict) or typed.unit is not None else verdict.unit


def _own_unit(formula: Formula, computed: Quantity, units: Units) -> str:
    times = {per for per in (per_time(number.text) for number in tree.numbers(formula.tree)) if per}
    return units.unit_for(computed, formula.per or (times.pop() if len(times) == 1 else None))


def _forgiven(formula: Formula, computed: Quantity, wanted: Dimension) -> tuple[Quantity, str | None]:
    """The computed value counted as what is wanted, if only the count nouns differ, and a note saying so."""
    extra = left_over(formula, computed.dimension, wanted, {})
    if extra is None:
        return computed, None
    return replace(computed, dimension=computed.dimension / extra), read_into(formula, extra, {})


def _bare(given: Dimension) -> Dimension:
    """What a product probably is that nobody says more of: bytes or money of so many events are bytes or money."""
    leaves_counts = any(given.power(noun) > 0 for noun in given.counts)
    return given.without_counts() if leaves_counts and (given.power(BYTE) > 0 or given.power(MONEY) > 0) else given


def left_over(
    formula: Formula, given: Dimension, wanted: Dimension, named: Mapping[str, Dimension]
) -> Dimension | None:
    """The count nouns that a product has too many or too few; None where it fits, or differs in more than these.

    `named` has the dimensions of the formula's names. QPS counts something: the noun that comes last is left to it.
    """
    if common(wanted, given) or not tree.has_product(formula.tree):
        return None
    if given.without_counts() != wanted.without_counts():
        return None
    extra = given / wanted
    if wanted == PER_SECOND and all(power == 1 for _, power in extra.powers):
        factors = _factors(formula, named)
        extra = extra / Dimension.of({max(sorted(extra.counts), key=lambda noun: _carrier(factors, noun)): 1})
    return extra


def differs_by_time(stated: Dimension, computed: Dimension) -> str | None:
    """What may be wrong where a time is all that two dimensions differ by, besides count nouns."""
    powers = (computed / stated).without_counts().powers
    return _PERIOD if [base for base, _ in powers] == [SECOND] else None


def read_into(formula: Formula, extra: Dimension, named: Mapping[str, Dimension]) -> str:
    """A note of how left-over count nouns were read: each as what a later factor is per."""
    factors = _factors(formula, named)
    mentioned = frozenset[str]().union(*(dimension.counts for _, dimension in factors))
    left = [noun for noun, power in extra.powers if power > 0]
    missing = [noun for noun, power in extra.powers if power < 0]
    if left and missing:
        return f"{' and '.join(left)} read as {' and '.join(missing)}"
    rates = [text for text, dimension in factors if dimension == PER_SECOND]
    if len(missing) == 1 and mentioned.issuperset(missing) and rates:
        return f"{rates[0]} read as so many of {missing[0]}"
    if missing and mentioned.issuperset(missing):
        return f"the number stated read as per {' and per '.join(missing)}"
    if missing:
        return f"read as a count of {' and '.join(missing)}, which the calculation does not mention"
    per: dict[str, list[str]] = {}
    dropped = []
    for noun in sorted(left, key=lambda noun: _carrier(factors, noun)):
        rest = factors[_carrier(factors, noun) + 1 :]
        after = [text for text, dimension in rest if dimension.powers and not dimension.power(noun) > 0]
        bare = [text for text, dimension in factors if dimension.powers and not dimension.counts]
        if after or bare:
            per.setdefault((after or bare)[0], []).append(noun)
        else:
            dropped.append(noun)
    notes = [f"{text} read as per {' and per '.join(nouns)}" for text, nouns in per.items()]
    notes += [f"{' and '.join(dropped)} left over in the product, and dropped"] if dropped else []
    return "; ".join(notes)


def _factors(formula: Formula, named: Mapping[str, Dimension]) -> list[tuple[str, Dimension]]:
    """Numbers and names with their dimensions, as they come in the text."""
    found = [(number.text, number.dimension) for number in tree.numbers(formula.tree)]
    found += [(name, named[name]) for name in sorted(formula.names) if name in named]
    return sorted(found, key=lambda factor: formula.text.find(factor[0]))


def _carrier(factors: list[tuple[str, Dimension]], noun: str) -> int:
    """The place of the first factor that counts the noun."""
    return next((at for at, (_, dimension) in enumerate(factors) if dimension.power(noun) > 0), len(factors))
