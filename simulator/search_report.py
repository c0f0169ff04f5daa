"""What a search found, in words: a sentence, a table of what was tried, and the whole for a terminal."""

from __future__ import annotations

from cases import outcomes
from cases.scenarios import scenarios
from cases.spec import Case
from simulator.found import Found, Step, telling
from simulator.report import interval_text, label_of, limit, milliseconds, objective_text, outcome_interval, table
from simulator.results import Interval, ObjectiveResult

_MET = {True: "meets", False: "misses", None: "too close to call"}


def sentence(case: Case, found: Found) -> str:
    """'Heavy ranker needs 13 replicas: with 12, p99 231 ms ... against 200 ms; with 13, p99 188 ms ... It has 14.'"""
    at, below = found.at, found.below
    if at is None:
        return _without_answer(case, found)
    if below is None:
        end = f", the {found.sense} that was asked about" if found.verdict == "all_meet" else ""
        said = f"{_head(case, found)}{end}: with {_number(found, at)}, {objective_text(telling(at))}"
    else:
        decides = telling(below)
        same = next(o for o in at.result.objectives if o.name == decides.name)
        said = (
            f"{_head(case, found)}: with {_number(found, below)}, {objective_text(decides)}; "
            f"with {_number(found, at)}, {objective_text(same).partition(' against ')[0]}"
        )
    has = f"It has {_bare(found, found.designed)}." if _noun(found) else f"As designed it is {found.designed}."
    return " ".join(filter(None, [f"{said}.", _between(found), has]))


def _without_answer(case: Case, found: Found) -> str:
    where = f"from {_bare(found, found.low)} to {_bare(found, found.high)}"
    if found.verdict == "all_meet":
        return f"{_name(case, found)} makes no difference: {where} all objectives are met."
    if found.verdict == "too_close":
        more = "More requests or more replications would tell"
        return f"{_name(case, found)}: no value {where} surely meets. {_between(found)} {more}."
    assert found.below is not None, "where none meets, the best end misses"
    blamed = limit(case, found.below.result)
    return (
        f"{_name(case, found)}: no value {where} meets all objectives. With {_number(found, found.below)}, "
        f"{objective_text(telling(found.below))}. {blamed}"
    )


def _head(case: Case, found: Found) -> str:
    value, name = str(found.answer), _name(case, found)
    if found.verdict == "all_meet":
        return f"{name}: even {_counted(found, value)} will do"
    if found.sense == "most":
        return f"{name}: at most {_counted(found, value)}"
    return f"{name} needs {_counted(found, value)}" if _noun(found) else f"{name}: at least {value}"


def _noun(found: Found) -> str:
    """What the path counts, where it is machines or people."""
    last = found.path.rpartition(".")[2]
    return last if last in ("replicas", "desks") and not found.unit else ""


def _name(case: Case, found: Found) -> str:
    """The stage's label where its machines or people are counted; else the path."""
    return label_of(case, found.path.split(".")[1]) if _noun(found) else found.path


def _counted(found: Found, value: str) -> str:
    noun = _noun(found)
    return f"{_bare(found, value)} {noun.removesuffix('s') if value == '1' else noun}" if noun else value


def _bare(found: Found, value: str) -> str:
    """Whole numbers of four digits and more with a comma."""
    return f"{int(value):,}" if _noun(found) and value.isdecimal() else value


def _number(found: Found, step: Step) -> str:
    return _bare(found, step.value)


def _between(found: Found) -> str:
    """'11 and 12 are too close to call.'"""
    if found.undecided is None:
        return ""
    first, last = (_bare(found, value) for value in found.undecided)
    return f"{first} is too close to call." if first == last else f"From {first} to {last} it is too close to call."


def step_rows(found: Found) -> list[dict[str, str]]:
    """What was tried, in order, for a table."""
    return [
        {
            "Tried": _number(found, step),
            "Objectives": _MET[step.met],
            **{o.name.removeprefix("latency "): _interval(o) for o in step.result.objectives},
            "Replications": f"{step.result.replications:,}",
            "Seed": f"{step.result.seed}{' (check)' if step.checks else ''}",
        }
        for step in found.steps
    ]


def _interval(objective: ObjectiveResult) -> str:
    value, low, high = objective.value, objective.low, objective.high
    if value is None:
        return "–"
    if objective.unit is not None:
        spread = outcome_interval(Interval(value, low, high), objective.unit)
        return outcomes.with_unit(value, objective.unit) + (f" ({spread})" if spread else "")
    if objective.name != "availability":
        return milliseconds(value) + interval_text(Interval(value, low, high)).replace("95 % interval ", "")
    ends = "" if low is None or high is None or low == high else f" ({low * 100:.3f} % to {high * 100:.3f} %)"
    return f"{value * 100:.3f} %{ends}"


def cost_text(found: Found) -> str:
    """'$16.13/hour, as designed $17.66/hour'; nothing where no price is stated."""
    cost = None if found.at is None else found.at.result.cost_usd_per_hour
    if cost is None or found.designed_cost is None:
        return ""
    return f"${cost:,.2f}/hour, as designed ${found.designed_cost:,.2f}/hour"


def luck_text(found: Found) -> str:
    """With which seeds the values were run."""
    luck = f"All values were run on the same luck (seed {found.seeds[0]})"
    checked = any(step.checks for step in found.steps)
    return f"{luck}; the answer was checked with seed {found.seeds[1]}." if checked else f"{luck}."


def report(case: Case, found: Found) -> str:
    """For reading in a terminal."""
    known = None if found.scenario is None else scenarios(case).get(found.scenario)
    happens = [] if found.scenario is None else [f"While this happens: {known.label if known else found.scenario}"]
    cost, notes = cost_text(found), [f"Note: {note}." for note in found.notes]
    lines = [case.title, *happens, sentence(case, found), *([f"Cost: {cost}"] if cost else [])]
    return "\n".join([*lines, "", *table(step_rows(found)), *notes, luck_text(found)])
