"""Plans of experiments in words: the answer in a sentence, its working, what was assumed, and tables of texts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from estimators import multiplicity
from estimators.experiment import Mean, z
from estimators.experiment_plan import Cell, Claim, Plan
from estimators.multiplicity import AGAINST, CORRECTIONS, MAX_LOOKS
from estimators.printing import number
from estimators.vocabulary import plurals

FEW = 10
"""expected successes below which the normal approximation is poor"""
OF_PERSONS = frozenset({"visit", "view", "session", "request", "query", "page", "load", "impression", "watch", "event"})
GRID_TEACHES = (
    "For one and the same relative lift, every base rate takes nearly as many successes; visits are those over the "
    "rate. So count successes: they decide."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A sentence, then why: figures by their JSON names, the working, what was assumed, what to beware of."""

    kind: str
    sentence: str
    figures: dict[str, object]
    working: tuple[str, ...]
    assumptions: tuple[str, ...]
    notes: tuple[str, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    """(units of one arm, power)"""
    wanted_power: float | None = None
    claims: tuple[Claim, ...] = ()
    grid: tuple[Cell, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The contract of `estimators experiment --json`."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            **self.figures,
            "working": list(self.working),
            "assumptions": list(self.assumptions),
            "notes": list(self.notes),
            "power_curve": [{"each": each, "power": power} for each, power in self.curve],
            "claims": [asdict(claim) for claim in self.claims],
            "grid": [asdict(cell) for cell in self.grid],
        }


def told(plan: Plan) -> Answer:
    """All there is to say of a plan."""
    return Answer(
        kind=plan.kind,
        sentence=_sentence(plan),
        figures=plan.figures(),
        working=_working(plan),
        assumptions=_assumptions(plan),
        notes=_notes(plan),
        curve=plan.curve(),
        wanted_power=None if plan.aim == "half-width" else plan.arms.power,
        claims=plan.claims(),
        grid=plan.grid(),
    )


def percent(value: float, digits: int = 6) -> str:
    """'5.5 %'."""
    return f"{value * 100:.{digits}g} %"


def times(many: int, noun: str) -> str:
    """'1 day', '15 days'."""
    return f"{many:,} {noun if many == 1 else plurals(noun)[0]}"


def _who(plan: Plan) -> str:
    return plan.noun or "visitor"


def _sentence(plan: Plan) -> str:
    each = (
        f"{times(plan.each, _who(plan))} for each of {times(plan.arms.count, plan.arms.noun)}, {plan.in_all:,} in all"
    )
    if plan.aim == "smallest":
        found = f"{_change(plan)} or more is found with {percent(plan.arms.power)} power"
        said = f"With {each}{_lasting(plan)}, {found}."
    elif plan.aim == "half-width":
        sure = percent(1 - plan.arms.alpha)
        said = f"You need {each}, for a {sure} interval of ±{_size(plan)} of a difference{_lasting(plan, ':')}."
    else:
        said = f"You need {each}{_lasting(plan, ':')}."
    if plan.successes is not None:
        said += f" Some {plan.successes:,} of them will be successes (clicks, conversions)."
    return said


def _lasting(plan: Plan, colon: str = "") -> str:
    """': 15 days at 20,000 a day, so run it for 3 whole weeks'."""
    if plan.traffic is None or plan.days is None or plan.whole_weeks is None:
        return ""
    rate = number(plan.traffic.taking_part)
    if not colon:
        return f" ({times(plan.days, 'day')} at {rate} a day)"
    weeks = "" if plan.days % 7 == 0 else f", so run it for {times(plan.whole_weeks, 'whole week')}"
    return f"{colon} {times(plan.days, 'day')} at {rate} a day{weeks}"


def _change(plan: Plan) -> str:
    metric = plan.metric
    if isinstance(metric, Mean):
        return f"a difference of {_size(plan)}"
    more = "more" if plan.difference > 0 else "less"
    relative = percent(abs(plan.difference) / metric.base, 3)
    to = percent(metric.base + plan.difference, 4 if plan.aim == "smallest" else 6)
    return f"a change from {percent(metric.base)} to {to} ({relative} {more})"


def _size(plan: Plan) -> str:
    size = abs(plan.difference)
    if isinstance(plan.metric, Mean):
        return f"{number(size)} {plan.unit}".rstrip() + f" ({number(size / plan.metric.sd)} standard deviations)"
    return f"{size * 100:.4g} percentage points"


def _working(plan: Plan) -> tuple[str, ...]:
    lines = [_compared(plan), _formula(plan)]
    if plan.variance_left != 1 and plan.aim != "smallest":
        lines.append(f"× {number(plan.variance_left)} for the variance that is left = {plan.each:,}")
    lines.append(f"{plan.each:,} × {times(plan.arms.count, plan.arms.noun)} = {plan.in_all:,}")
    if plan.traffic is not None:
        part, rate = plan.traffic.share, number(plan.traffic.per_day)
        a_day = f"{rate} a day" if part == 1 else f"({rate} a day × {percent(part)})"
        lines.append(f"{plan.in_all:,} / {a_day} = {number(plan.in_all / plan.traffic.taking_part)} days")
    return tuple(lines)


def _compared(plan: Plan) -> str:
    arms = plan.arms
    alpha, level = percent(arms.alpha), arms.level
    if arms.count == 2:
        return f"2 {plurals(arms.noun)[0]}, one comparison, two-sided, judged at {alpha}"
    many = f"{arms.comparisons} {'pairs' if arms.against == 'all' else 'comparisons'}"
    head = f"{times(arms.count, arms.noun)}, {AGAINST[arms.against]}: {many}"
    if arms.one_winner:
        return (
            f"{head}, won at once by who beats the next one in a two-sided test at {alpha}, however many there are; "
            f"a false winner is called at most {alpha} of the time ({CORRECTIONS[arms.correction]} 1987)"
        )
    if arms.correction == "none":
        wrong = percent(-math.expm1(arms.comparisons * math.log1p(-arms.alpha)), 3)
        return (
            f"{head}, each judged at {alpha} without correction: were they independent, {wrong} of experiments without "
            "any difference would report one"
        )
    return (
        f"{head}, each judged at {percent(level, 3)} ({CORRECTIONS[arms.correction]}), so that all together raise a "
        f"false alarm at most {alpha} of the time"
    )


def _formula(plan: Plan) -> str:
    metric, arms, level = plan.metric, plan.arms, plan.arms.level
    if plan.aim == "smallest":
        known = (
            ""
            if plan.variance_left == 1
            else f", worth {number(plan.each / plan.variance_left)} by what is known before"
        )
        return f"{plan.each:,} each{known}: {_change(plan)} is the smallest with {percent(arms.power)} power"
    found = f"{math.ceil(plan.exact / plan.variance_left * (1 - 1e-12)):,}"
    size = f"{abs(plan.difference):.6g}"
    spread = f"{metric.variance(0 if plan.aim == 'half-width' else plan.difference):.6g}"
    if arms.one_winner:
        sure, strong = arms.leads()
        return f"{spread} × (({sure:.4g} + {strong:.4g}) / {size})² = {found}"
    sure, strong = z(level / 2), z(1 - arms.power)
    if plan.aim == "half-width":
        return f"2 × {spread} × ({sure:.4g} / {size})² = {found}"
    if isinstance(metric, Mean):
        return f"2 × (({sure:.4g} + {strong:.4g}) × {metric.sd:.6g} / {size})², a little more for the t test: {found}"
    one, other, middle = (metric.base + part * plan.difference for part in (0, 1, 0.5))
    true = f"√({one:.6g} × {1 - one:.6g} + {other:.6g} × {1 - other:.6g})"
    tested = f"√(2 × {middle:.6g} × {1 - middle:.6g})" if metric.pooled else true
    return f"({sure:.4g} × {tested} + {strong:.4g} × {true})² / {size}² = {found}"


def _assumptions(plan: Plan) -> tuple[str, ...]:
    arms, metric = plan.arms, plan.metric
    said = [
        f"All {plurals(arms.noun)[0]} get equally many; each {_who(plan)} counts once, independently of the others."
    ]
    if isinstance(metric, Mean):
        said.append("Means are compared by the t test; the standard deviation is the same in all.")
    else:
        test = "one pooled rate under 'no difference'" if metric.pooled else "a variance of its own for each (unpooled)"
        if plan.aim == "half-width" or arms.one_winner:
            test = "rates taken to be normal"
        said.append(f"Two rates are compared by the z test, with {test}.")
    if plan.aim == "half-width":
        said.append(
            "Only the width of the interval is asked: a true difference of that size is missed every other time."
        )
    else:
        found = percent(arms.power)
        said.append(f"Power: {_change(plan)}, where it is there, is found in {found} of such experiments.")
    if arms.one_winner:
        said.append("The others are taken to be equally good, which makes the winner hardest to tell.")
    elif arms.count > 2 and plan.aim != "half-width":
        said.append("The power is that of one comparison, not of finding all differences in one experiment.")
    if plan.variance_left != 1:
        known = percent(1 - plan.variance_left, 3)
        said.append(f"A measurement from before explains {known} of the variance (CUPED, Deng et al. 2013).")
    if plan.traffic is not None:
        said.append("Every day brings new ones: whoever comes back is not counted again.")
    return tuple(said)


def _notes(plan: Plan) -> tuple[str, ...]:
    notes = []
    if plan.noun in OF_PERSONS:
        notes.append(
            f"{plurals(plan.noun)[0].capitalize()} of one person are alike: where people come more than once, assign "
            "and count persons, or the answer looks surer than it is."
        )
    if plan.fewest < FEW:
        notes.append(
            f"Only {number(plan.fewest, 2)} successes or failures are expected in an arm: below {FEW} the normal "
            "approximation is poor; plan with an exact test."
        )
    if plan.days is not None and plan.days > 1 and plan.arms.count == 2:
        looks = min(plan.days, MAX_LOOKS)
        wrong = percent(multiplicity.false_alarms(looks, plan.arms.alpha), 2)
        at_least = "more than " if plan.days > looks else ""
        notes.append(
            "Judge it once, at the end: looked at every day and stopped when it first looks significant, "
            f"{at_least}{wrong} of experiments without a difference would report one, not {percent(plan.arms.alpha)}."
        )
    return tuple(notes)


def claim_rows(answer: Answer) -> list[dict[str, str]]:
    """What each claim takes, for a table."""
    return [
        {
            "To be able to say": one.claim,
            "Comparisons": str(one.comparisons) if one.comparisons else "–",
            "Correction": one.correction,
            **_sizes(one),
        }
        for one in answer.claims
    ]


def grid_rows(answer: Answer) -> list[dict[str, str]]:
    """The same for other base rates and lifts, for a table."""
    return [{"Base rate": percent(one.base), "Lift": percent(one.lift), **_sizes(one)} for one in answer.grid]


def curve_rows(answer: Answer, steps: int = 8) -> list[dict[str, str]]:
    """Some points of the power curve, for a table."""
    every = max(len(answer.curve) // steps, 1)
    return [{"Each": f"{each:,}", "Power": percent(power, 3)} for each, power in answer.curve[every - 1 :: every]]


def _sizes(one: Claim | Cell) -> dict[str, str]:
    return {
        "Each": f"{one.each:,}",
        "In all": f"{one.in_all:,}",
        **({} if one.successes is None else {"Successes in all": f"{one.successes:,}"}),
        **({} if one.days is None else {"Days": f"{one.days:,}"}),
    }
