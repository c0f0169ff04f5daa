"""What else is asked of experiments: interleaving, judging, and looking before the end."""

from __future__ import annotations

import math

from estimators import multiplicity
from estimators.dimension import PER_SECOND, SECOND, Dimension
from estimators.errors import FormulaError, shown
from estimators.experiment import LARGEST, Mean, interval_size, preference_size, z
from estimators.experiment_inputs import DAY, Traffic, count, plain, positive, read, share, span, sureness
from estimators.experiment_words import Answer, percent, times
from estimators.multiplicity import MAX_LOOKS
from estimators.printing import number

FEWER = "10..100"
CHAPELLE = "on search engines, one to two orders of magnitude: Chapelle, Joachims, Radlinski and Yue, ACM TOIS 2012"
CLICKED_FOR_ONE_JUDGED = 10


def interleaving(
    preference: str = "52 %",
    decided: str = "30 %",
    *,
    instead_of: str | None = None,
    fewer: str = FEWER,
    visitors: str | None = None,
    share_of: str = "100 %",
    confidence: str = "95 %",
    power: str = "80 %",
) -> Answer:
    """Both rankings in one list: how many queries tell which is preferred, and what that saves over an A/B test."""
    wins, counted = share("preference", preference, "52 %"), share("decided", decided, "30 %", whole=True)
    if wins == 0.5:
        raise FormulaError("preference: '50 %' is no preference; write for example '52 %'")
    alpha, found = 1 - sureness("confidence", confidence), sureness("power", power)
    needed = bounded(preference_size(wins, alpha, found))
    queries = math.ceil(needed / counted)
    traffic = None if visitors is None else Traffic.read(visitors, share_of)
    days = None if traffic is None else traffic.days(queries)
    lasting = (
        "" if traffic is None or days is None else f": {times(days, 'day')} at {number(traffic.taking_part)} a day"
    )
    sentence = f"You need {times(queries, 'query')} with interleaved results{lasting}."
    figures: dict[str, object] = {"preference": wins, "decided": counted, "confidence": 1 - alpha, "power": found}
    figures |= {"comparisons": needed, "each": queries, "in_all": queries, "days": days}
    assumptions = [
        f"Of the queries {percent(counted)} show a preference by their clicks; ties say nothing.",
        "Each such query counts once, independently of the others; wins are compared with one half by the sign test.",
    ]
    if instead_of is not None:
        whole, noun = count("instead-of", instead_of, 1)
        least, most = span("fewer", fewer)
        few, many = math.ceil(whole / most), math.ceil(whole / least)
        sentence += f" In place of an A/B test with {times(whole, noun or 'visitor')}, {few:,} to {many:,} would do."
        figures |= {"instead_of": whole, "fewer": [least, most], "in_place": [few, many]}
        said = f"{number(least)} to {number(most)}" if least < most else number(least)
        assumptions.append(f"That interleaving needs {said} times fewer is measured, not computed ({CHAPELLE}).")
    assumptions.append(
        f"{CLICKED_FOR_ONE_JUDGED} clicked queries tell about as much as one judged by hand (Chapelle et al. 2012): "
        f"some {math.ceil(needed / CLICKED_FOR_ONE_JUDGED):,} judged ones would do."
    )
    working = (
        f"({z(alpha / 2):.4g} × 0.5 + {z(1 - found):.4g} × √({wins:.6g} × {1 - wins:.6g}))² / {abs(wins - 0.5):.6g}² = "
        f"{needed:,} decided queries",
        f"{needed:,} / {percent(counted)} = {queries:,} queries",
    )
    notes = ("Interleaving says which ranking is preferred, not by how much a figure of the business moves.",)
    return Answer("interleaving", sentence, figures, working, tuple(assumptions), notes)


def judging(
    *,
    precision: str | None = None,
    half_width: str | None = None,
    sd: str | None = None,
    difference: str | None = None,
    queries: str | None = None,
    results: str = "10",
    judgements: str = "1",
    judges: str | None = None,
    pace: str = "60/hour",
    hours: str = "6 hours",
    confidence: str = "95 %",
    power: str = "80 %",
) -> Answer:
    """Queries to judge: for a share to within its half-width, for a paired difference, or as many as are given."""
    alpha, found = 1 - sureness("confidence", confidence), sureness("power", power)
    many, working, assumptions = _to_judge(precision, half_width, sd, difference, queries, alpha, found)
    per_query, each_by = count("results", results, 1, 10_000)[0], count("judgements", judgements, 1, 100)[0]
    total = many * per_query * each_by
    figures: dict[str, object] = {"confidence": 1 - alpha, "power": found, "queries": many, "judgements": total}
    sentence = f"You need {times(many, 'query')}"
    working.append(
        f"{many:,} queries × {per_query:,} results × {times(each_by, 'judgement')} each = {total:,} judgements"
    )
    if judges is None:
        return Answer("judging", f"{sentence}, {total:,} judgements.", figures, tuple(working), tuple(assumptions))
    people, (a_second, a_day) = count("judges", judges, 1, 10**7)[0], (_pace(pace), _hours(hours))
    capacity = people * a_second * a_day
    days = math.ceil(total / capacity * (1 - 1e-12))
    working.append(
        f"{total:,} / ({times(people, 'judge')} × {number(a_second * 3600)} an hour × {number(a_day / 3600)} hours) "
        f"= {number(total / capacity)} days"
    )
    figures |= {"judges": people, "a_day": capacity, "days": days}
    sentence += f", {total:,} judgements: {times(days, 'day')} of {times(people, 'judge')}."
    return Answer("judging", sentence, figures, tuple(working), tuple(assumptions))


def _to_judge(
    precision: str | None,
    width: str | None,
    sd: str | None,
    difference: str | None,
    queries: str | None,
    alpha: float,
    power: float,
) -> tuple[int, list[str], list[str]]:
    ways = {
        "precision and half-width": (precision, width),
        "sd and difference": (sd, difference),
        "queries": (queries,),
    }
    given = [way for way, texts in ways.items() if all(text is not None for text in texts)]
    begun = [way for way, texts in ways.items() if any(text is not None for text in texts)]
    if len(given) != 1 or begun != given:
        raise FormulaError(f"{' with '.join(begun) or 'nothing'} given; say exactly one of {', or '.join(ways)}")
    independent = "Queries are a random sample of those that are asked, one query one figure."
    if precision is not None and width is not None:
        base, half = share("precision", precision, "70 %"), share("half-width", width, "2 %")
        many = bounded(interval_size(base * (1 - base), half, alpha, arms=1))
        said = f"({z(alpha / 2):.4g} / {half:.6g})² × {base:.6g} × {1 - base:.6g} = {many:,} queries"
        hardest = "A query is good or not; figures between 0 and 1, as of ten results, vary less and need fewer."
        return many, [said], [independent, hardest]
    if sd is not None and difference is not None:
        spread = positive("sd", sd, "0.25")
        shift = plain("difference", difference, "0.01")
        if shift == 0:
            raise FormulaError(f"difference: {shown(difference)} is nothing; write for example '0.01'")
        many = bounded(Mean(spread, paired=True).size(abs(shift), alpha, power))
        points = f"({z(alpha / 2):.4g} + {z(1 - power):.4g})"
        said = f"({points} × {spread:.6g} / {abs(shift):.6g})², a little more for the t test: {many:,} queries"
        paired = "Both systems answer the same queries; differences are compared with 0 by the paired t test."
        return many, [said], [independent, paired]
    return count("queries", queries or "", 1)[0], [], [independent]


def peeking(looks: str, confidence: str = "95 %") -> Answer:
    """What looking several times does to the false alarms, and at which level each look may be judged instead."""
    many, alpha = count("looks", looks, 1, MAX_LOOKS, "14")[0], 1 - sureness("confidence", confidence)
    wrong, allowed = multiplicity.false_alarms(many, alpha), multiplicity.level_of_a_look(many, alpha)
    sentence = (
        f"Looked at {times(many, 'time')} and stopped at the first look below {percent(alpha)}, {percent(wrong, 3)} of "
        f"experiments without a difference report one; judge each look at {percent(allowed, 3)} and it is "
        f"{percent(alpha)} again."
    )
    figures: dict[str, object] = {"looks": many, "confidence": 1 - alpha, "false_alarms": wrong, "level_each": allowed}
    working = (
        "chance that one of the looks is out of bounds, by recursion (Armitage, McPherson and Rowe 1969)",
        f"the level of all looks for which that chance is {percent(alpha)} (Pocock 1977)",
    )
    assumptions = (
        "Looks are evenly spaced in what has been gathered; one comparison of two arms, two-sided.",
        "Stricter looks find a true difference less often: plan with more, or judge once at the end.",
    )
    return Answer("peeking", sentence, figures, working, assumptions)


def bounded(exact: float) -> int:
    """Rounded up; FormulaError beyond what anybody has."""
    if not exact <= LARGEST:
        raise FormulaError(f"that takes {number(exact)}, more than a trillion; ask for a larger difference")
    return max(math.ceil(exact * (1 - 1e-12)), 2)


def _pace(text: str) -> float:
    """Judgements a second of one judge."""
    given = read("pace", text)
    per_second = given.dimension / PER_SECOND
    if given.value <= 0 or not (per_second.is_dimensionless or per_second == Dimension.of({"judgement": 1})):
        raise FormulaError(f"pace: {shown(text)} is not a rate above 0; write for example '60/hour'")
    return given.value


def _hours(text: str) -> float:
    """Seconds of work a day."""
    given = read("hours", text)
    if given.dimension != Dimension.of({SECOND: 1}) or not 0 < given.value <= float(DAY):
        raise FormulaError(f"hours: {shown(text)} is not a working day of up to 24 hours; write for example '6 hours'")
    return given.value
