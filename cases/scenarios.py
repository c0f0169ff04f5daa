"""The scenarios of a case, its own and the shared ones that match; what contains them, what they change, and when."""

from __future__ import annotations

from itertools import islice

from cases.build import apply, check_scenario
from cases.changing import change, multiplied
from cases.errors import DesignError, not_among
from cases.scenario_check import CONTAINED
from cases.shared import fitted, shared
from cases.spec import MOST_DESIGNS, MOST_SCENARIOS, Case, Design, Scenario
from cases.tree import Tree

__all__ = ["designs", "merged", "multiplied", "phases", "scenario", "scenarios", "shared"]


def scenarios(case: Case) -> dict[str, Scenario]:
    """By name: the case's own, then the shared ones that match it. A design does not lose those of the case."""
    return {name: read for name, (read, _) in _trees(case).items()}


def scenario(case: Case, name: str) -> Scenario:
    """One of them; DesignError if there is none of this name, or if it cannot go with the case as it stands."""
    found = _found(case, name)
    if found is None:
        raise DesignError(not_among(name, "a scenario of this case", scenarios(case)))
    if problems := list(check_scenario(case, name, found[0])):
        raise DesignError.of(problems)
    return found[0]


def designs(case: Case) -> dict[str, Design]:
    """By name: the case's own, and what contains its scenarios, as NAME_contained."""
    contained = {
        name + CONTAINED: Design(
            label=one.contained_by.label, note=one.contained_by.note, changes=one.contained_by.changes
        )
        for name, one in scenarios(case).items()
        if one.contained_by is not None
    }
    return dict(islice((case.designs | contained | case.designs).items(), MOST_DESIGNS))


def merged(case: Case) -> Tree:
    """The case's tree with the shared scenarios, and what contains them among the designs."""
    trees = {name: tree for name, (_, tree) in _trees(case).items()}
    contained = {name + CONTAINED: tree["contained_by"] for name, tree in trees.items() if "contained_by" in tree}
    own = case.tree.get("designs", {})
    every = dict(islice((own | contained | own).items(), MOST_DESIGNS))
    return case.tree | ({"designs": every} if every else {}) | ({"scenarios": trees} if trees else {})


# -- what changes when ------------------------------------------------------------------------------------------------


def phases(case: Case, scenario: Scenario) -> list[tuple[float, Case]]:
    """The case as it stands from each instant (s) on, as the scenario's path events make it; from 0 on first.

    At each instant those under way are applied, one after the other as they began, so that 'times' multiplies what
    stands then, and nothing is left of one that is over. DesignError if one of them breaks a rule.
    """
    events = sorted((event for event in scenario.events if event.path is not None), key=lambda event: event.at)
    ends = [float("inf") if event.lasts is None else _instant(event.at + event.lasts) for event in events]
    made: dict[tuple[int, ...], Case] = {(): case}

    def standing(under_way: tuple[int, ...]) -> Case:
        if under_way not in made:
            before, event = standing(under_way[:-1]), events[under_way[-1]]
            try:
                made[under_way] = apply(before, change(before, event))
            except DesignError as error:
                raise DesignError(f"the scenario's event at {event.at:g} s: {error}") from None
        return made[under_way]

    instants = {0.0, *(_instant(event.at) for event in events), *ends} - {float("inf")}
    return [
        (now, standing(tuple(i for i, event in enumerate(events) if _instant(event.at) <= now < ends[i])))
        for now in sorted(instants)
    ]


def _instant(seconds: float) -> float:
    """To the nanosecond, so that what is meant to coincide does."""
    return round(seconds, 9)


# -- where they are looked up ------------------------------------------------------------------------------------------


def _trees(case: Case) -> dict[str, tuple[Scenario, Tree]]:
    names = dict.fromkeys([*case.scenarios, *shared()])
    every = ((name, _found(case, name)) for name in names)
    return dict(islice(((name, one) for name, one in every if one is not None), MOST_SCENARIOS))


def _found(case: Case, name: str) -> tuple[Scenario, Tree] | None:
    """A scenario of the case with its tree: its own, else the shared one for the case as written, or as it stands."""
    if name in case.scenarios:
        return case.scenarios[name], case.tree["scenarios"][name]
    if name not in shared():
        return None
    found = fitted(case.as_written, name)
    return fitted(case, name) if found is None and case is not case.as_written else found
