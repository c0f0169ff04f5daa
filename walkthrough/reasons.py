"""Why the three witnesses differ, in a sentence each."""

from __future__ import annotations

import math

from cases.spec import Stage
from simulator.report import label_of, milliseconds, percent
from simulator.results import Interval, StageResult
from simulator.search import Found
from walkthrough.theory import Theory

VARIES = 1.0  # squared variation of the service from which its variance is worth a word
MORE_VISITS = 1.02  # attempts for each visit from which second tries are


def reason(
    theory: Theory, name: str, enough: int | None, found: Found | None, seen: StageResult, cells: int = 1
) -> str:
    """Of a stage: why theory wants more than the mean work does, and where the simulation differs from it.

    `enough` is of one cell, what was found of all of them.
    """
    first = _beyond_the_mean(theory, theory.case.stage(name), enough)
    return f"{first} {_beyond_theory(theory, name, enough, found, seen, cells)}".strip()


def whole_reason(theory: Theory, percentile: float, by_theory: float, simulated: Interval) -> str:
    """Of the whole request: what lies between its mean times and its percentile (ms), and who waits longest."""
    if theory.overloaded:
        short = [label_of(theory.case, one.name) for one in theory.case.stages if one.name in theory.overloaded]
        limited = any(stage.queue.limit is not None or stage.admission for stage in theory.case.stages)
        follows = "its limits turn visits away" if limited else "the queue grows for as long as the load lasts"
        return f"{', '.join(short)} cannot do the mean work, so {follows}."
    waits = {name: wait.percentile(percentile / 100) * 1e3 for name, wait in theory.waits.items()}
    longest = max(waits, key=waits.__getitem__, default=None)
    said = (
        f"By formula nearly nobody waits: the p{percentile:g} is that of the service times along the slowest branch."
        if longest is None or waits[longest] < 0.02 * by_theory
        else f"{label_of(theory.case, longest)} waits longest: {milliseconds(waits[longest])} at its p{percentile:g}."
    )
    if simulated.value is None:
        return f"{said} In the simulation so many requests get no answer that there is no p{percentile:g}."
    low, high = simulated.low or simulated.value, simulated.high or simulated.value
    if low <= by_theory <= high or abs(by_theory / simulated.value - 1) <= 0.05:
        return f"{said} Theory and simulation agree."
    times = simulated.value / by_theory if by_theory else math.inf
    gap = (
        f"{percent(abs(times - 1))} {'more' if times > 1 else 'less'}"
        if 0.5 < times < 2
        else f"{times:,.3g} times that"
    )
    return f"{said} The simulation says {gap}: {_what_theory_lacks(theory)}."


def _beyond_the_mean(theory: Theory, stage: Stage, enough: int | None) -> str:
    if enough is None:
        return "By theory no number of these is enough: the time goes elsewhere."
    least = theory.busy_replicas(stage.name)
    busy = theory.utilisation(stage.name, least)
    waits = theory.wait(stage.name, least)
    percentile = next(one.percentile for one in theory.case.objectives if one.percentile is not None)
    if math.isinf(waits.if_any):
        tight = f"{_so_many(least)[0]} would be busy all the time, and the queue would grow for ever"
        return f"{tight}; {_cause(theory, stage)}."
    count, are = _so_many(least)
    far = f"{milliseconds(waits.percentile(percentile / 100) * 1e3)} at p{percentile:g}"
    if enough == least:
        is_short = waits.percentile(percentile / 100) <= theory.offered[stage.name].work
        room = f" short: {far}" if is_short else f" for which there is room: {far}"
        return f"The mean work decides: {count} {are} {percent(busy)} busy, with waits{room}."
    tight = f"{count} would be {percent(busy)} busy, with a wait of {far}"
    return f"{tight}; {_cause(theory, stage)}."


def _so_many(count: int) -> tuple[str, str]:
    return ("one", "is") if count == 1 else (f"{count:,}", "are")


def _cause(theory: Theory, stage: Stage) -> str:
    """What makes them wait, beyond being busy."""
    asked = theory.offered[stage.name]
    held = [label_of(theory.case, one.name) for one in theory.case.stages if one.within == stage.name and one.hold]
    if held:
        return f"its workers are held until {' and '.join(held)} has answered, which is no work of theirs"
    if stage.batch is not None:
        return f"a batch of {stage.batch.size} waits to fill, and the next one waits for as long as it is served"
    if stage.cache is not None and 0 < asked.hit_ratio < 1 and theory.variation(stage.name) > VARIES:
        miss = f"one visit in {1 / (1 - asked.hit_ratio):,.3g} misses the cache"
        return f"{miss} and takes many times as long, so that others queue behind it"
    beside = theory.beside(stage.name)
    if theory.variation(stage.name) > VARIES:
        return f"service times vary much (cv {math.sqrt(theory.variation(stage.name)):.2g}), so that queues form early"
    if beside:
        return f"the answer waits for the slowest of {len(beside) + 1} branches, so each must be quick nearly always"
    return "queues grow long before everybody is busy, and the objective leaves little room for them"


def _beyond_theory(
    theory: Theory, name: str, enough: int | None, found: Found | None, seen: StageResult, cells: int
) -> str:
    if found is None:
        return ""
    if found.verdict == "none_meets" or (found.answer is None and found.undecided is None):
        return "In the simulation no number of them meets all objectives."
    answer = None if found.answer is None else int(found.answer) // cells
    if found.undecided is not None:
        first, last = found.undecided
        which = f"whether {first} will do" if first == last else f"which of {first} to {last} will do"
        return f"The simulation cannot tell {which}: intervals lie across the target."
    if enough is not None and answer == enough:
        return "The simulation agrees."
    stage = theory.case.stage(name)
    if answer is not None and answer < theory.busy_replicas(name) and stage.late_after is not None:
        late = milliseconds(stage.late_after * 1e3)
        return f"In the simulation fewer are enough: nobody waits for it for longer than {late}."
    if enough is not None and answer is not None and abs(answer - enough) == 1:
        return "The simulation comes out one apart, which is as near as a formula gets."
    if seen.attempts_per_visit is not None and seen.attempts_per_visit > MORE_VISITS:
        more = percent(seen.attempts_per_visit - 1)
        return f"The simulation differs: second tries send {more} more visits, which no mean knows of."
    return f"The simulation differs: {_what_theory_lacks(theory)}."


def _what_theory_lacks(theory: Theory) -> str:
    alone = "theory takes stages one by one, at random arrivals, by formulas that are approximate"
    lacks = theory.left_out()
    return f"{alone}, and leaves out {'; '.join(lacks)}" if lacks else alone
