"""The scenarios of a case, its own and the shared ones that match it; what contains them; what they change, and when.

Shared scenarios (`scenarios.yaml`) are written for any case: `needs` says what a case must have, `it` stands for the
stage that is meant, `{it}` for its name, `{zone}` for the case's first zone. In what contains it `stages.each` is every
stage with replicas where the change breaks no rule, and 'times 1.5' so many times what stands there. `shown_with` names
the case with which it is shown to break its objective. One whose needs are not met, or that breaks a rule of the case,
does not match.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError

from cases.build import apply, check_scenario
from cases.changing import change, multiplied
from cases.design import get
from cases.errors import DesignError, not_among
from cases.fields import Reading
from cases.nouns import Noun
from cases.references import References
from cases.scenario_check import CONTAINED
from cases.spec import MOST_DESIGNS, MOST_SCENARIOS, Case, Design, Scenario
from cases.tree import Plain, Tree
from cases.words import Names, choice
from cases.yaml_reader import parse

__all__ = ["designs", "merged", "multiplied", "phases", "scenario", "scenarios"]

SHARED = Path(__file__).parent / "scenarios.yaml"
IT = "it"
EACH = "stages.each."
TIMES = "times "
MOST_TRIED = 5  # stages for which a shared scenario is tried, milliseconds each


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


# -- shared scenarios -------------------------------------------------------------------------------------------------


class Needs(Noun):
    """What a shared scenario asks of a case."""

    it: Names = ()
    """what has a value at the stage that is meant: 'cache.keys', or this value: 'balancing = hash'"""
    pick: Annotated[Literal["first", "last"], *choice("pick", ("first", "last"))] = "first"
    """which of several stages is meant, if it breaks no rule there"""
    named: Names = ()
    """names that are preferred, the best first"""
    also: Names = ()
    """what has a value in the case: 'client.timeout'"""

    def stages(self, case: Case) -> list[str]:
        """Those that may be meant, the best first; none if the case does not have what is needed."""
        if not all(_stands(case, one) for one in self.also):
            return []
        names = [s.name for s in case.stages if all(_stands(case, f"stages.{s.name}.{one}") for one in self.it)]
        preferred = [name for name in self.named if name in names]
        return list(dict.fromkeys(preferred + names[:: -1 if self.pick == "last" else 1]))


def _stands(case: Case, needed: str) -> bool:
    path, equals, text = (part.strip() for part in needed.partition("="))
    try:
        found = get(case.tree, path, guess=False)
    except DesignError:
        return False
    return not equals or found == text


@cache
def shared() -> Mapping[str, Tree]:
    """The shared scenarios as they are written, by name."""
    trees: Mapping[str, Tree] = parse(SHARED.read_text(encoding="utf-8"), SHARED.name).tree
    return trees


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
    found = _fitted(case.as_written, name)
    return _fitted(case, name) if found is None and case is not case.as_written else found


def _fitted(case: Case, name: str) -> tuple[Scenario, Tree] | None:
    """A shared scenario as one of this case's own; None if it does not match. To try takes milliseconds, so once."""
    return case.kept(f"scenario {name}", lambda: _fit(case, name))


def _fit(case: Case, name: str) -> tuple[Scenario, Tree] | None:
    tree = {key: value for key, value in shared()[name].items() if key != "shown_with"}
    needs = Needs.model_validate(tree.pop("needs", {}))
    zone = case.zones.names[0] if case.zones is not None else "{zone}"
    tried = (_placed(case, name, _about(tree, stage, zone)) for stage in needs.stages(case)[:MOST_TRIED])
    return next((found for found in tried if found is not None), None)


def _placed(case: Case, name: str, tree: Tree) -> tuple[Scenario, Tree] | None:
    """A scenario about a stage of this case; None if it breaks a rule there."""
    contained = tree.get("contained_by", {})
    try:
        changes = dict(change for one in contained.get("changes", {}).items() for change in _changes(case, *one))
        tree = tree | ({"contained_by": contained | {"changes": changes}} if contained else {})
        reading = Reading(case.texts.quantity, References(case.tree, case.texts, case.sheet))
        read = Scenario.model_validate(tree, context=reading)
        if any(check_scenario(case, name, read)):
            return None
        apply(case, changes)
    except (DesignError, ValidationError):
        return None
    return read, tree


def _about(node: Any, stage: str, zone: str) -> Any:
    """The node with the names of a stage and a zone in place of 'it', '{it}' and '{zone}'."""
    if isinstance(node, dict):
        return {_about(key, stage, zone): _about(value, stage, zone) for key, value in node.items()}
    if isinstance(node, list):
        return [_about(one, stage, zone) for one in node]
    if node == IT:
        return Plain(stage)
    text = node.replace(f"stages.{IT}.", f"stages.{stage}.").replace("{it}", stage).replace("{zone}", zone)
    return node if text == node else text


def _changes(case: Case, path: str, text: str) -> list[tuple[str, str]]:
    """A change as of a design: it, or that of each stage with replicas where it breaks no rule."""
    if not path.startswith(EACH):
        return [(path, _times(case, path, text))]
    own = [stage.name for stage in case.stages if _stands(case, f"stages.{stage.name}.replicas")]
    every = (f"stages.{name}.{path.removeprefix(EACH)}" for name in own)
    return [change for path in every for change in _changes(case, path, text) if _goes(case, dict([change]))]


def _goes(case: Case, changes: dict[str, str]) -> bool:
    try:
        apply(case, changes)
    except DesignError:
        return False
    return True


def _times(case: Case, path: str, text: str) -> str:
    factor = text.removeprefix(TIMES)
    return text if factor == text else multiplied(case, path, float(factor))
