"""Shared scenarios: those of `scenarios.yaml`, made into scenarios of a case.

They are written for any case: `needs` says what a case must have, `it` stands for the stage that is meant, `{it}` for
its name, `{zone}` for the case's first zone. In what contains it `stages.each` is every stage with replicas where the
change breaks no rule, and 'times 1.5' so many times what stands there. `shown_with` names the case with which it is
shown to break its objective, and to no other it promises that. One whose needs are not met, or that breaks a rule of
the case, does not match. A case that needs a longer warm-up has it, and what happens comes so much later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError

from cases.build import apply, check_scenario
from cases.changing import multiplied
from cases.design import get
from cases.errors import DesignError
from cases.fields import Reading
from cases.nouns import Noun
from cases.references import References, point
from cases.spec import Case, Scenario
from cases.tree import Plain, Tree
from cases.words import Names, choice
from cases.yaml_reader import parse

SHARED = Path(__file__).parent / "scenarios.yaml"
IT = "it"
EACH = "stages.each."
TIMES = "times "
LEAST_REQUESTS = 500  # of a replication
MOST_TRIED = 5  # stages for which a shared scenario is tried, milliseconds each


class Needs(Noun):
    """What a shared scenario asks of a case."""

    it: Names = ()
    """what has a value at the stage that is meant: 'cache.keys', or this value: 'balancing = hash'"""
    pick: Annotated[Literal["first", "last"], *choice("pick", ("first", "last"))] = "first"
    """which of several stages is meant, if it breaks no rule there"""
    named: Names = ()
    """names that are preferred, the best first"""
    only: Names = ()
    """names of which it must have one, the best first; any unless said"""
    also: Names = ()
    """what has a value in the case: 'client.timeout'"""

    def stages(self, case: Case) -> list[str]:
        """Those that may be meant, the best first; none if the case does not have what is needed."""
        if not all(_stands(case, one) for one in self.also):
            return []
        awaited = (stage.name for stage in case.stages if stage.name in case.awaited)
        names = [name for name in awaited if all(_stands(case, f"stages.{name}.{one}") for one in self.it)]
        preferred = [name for name in (*self.only, *self.named) if name in names]
        if self.only:
            return preferred
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


def fitted(case: Case, name: str) -> tuple[Scenario, Tree] | None:
    """A shared scenario as one of this case's own; None if it does not match. To try takes milliseconds, so once."""
    return case.kept(f"scenario {name}", lambda: _fit(case, name))


def _fit(case: Case, name: str) -> tuple[Scenario, Tree] | None:
    tree = dict(shared()[name])
    needs, shown_with = Needs.model_validate(tree.pop("needs", {})), Path(tree.pop("shown_with")).stem
    zone = case.zones.names[0] if case.zones is not None else "{zone}"
    tree = _warmed_up(case, tree)
    tried = (_placed(case, name, _about(tree, stage, zone)) for stage in needs.stages(case)[:MOST_TRIED])
    found = next((found for found in tried if found is not None), None)
    if found is None or case.id == shown_with:
        return found
    return _without_promise(*found) if _tells(case, found[0]) else None


def _tells(case: Case, scenario: Scenario) -> bool:
    """Whether enough requests come in a run of it to say something of a tail, as far as the load says how many."""
    rate, duration = case.workload.rate, scenario.run.duration
    return rate is None or duration is None or rate / case.cells * duration >= LEAST_REQUESTS


def _warmed_up(case: Case, tree: Tree) -> Tree:
    """The scenario after the case's own warm-up, where that is longer."""
    run, seconds = tree["run"], case.units.quantity
    later = (case.run.warm_up or 0.0) - seconds(run["warm_up"]).value
    if later <= 0:
        return tree
    events = [event | {"at": f"{seconds(event['at']).value + later:.12g} s"} for event in tree["events"]]
    return tree | {"run": run | {"warm_up": f"{case.run.warm_up:.12g} s"}, "events": events}


def _without_promise(read: Scenario, tree: Tree) -> tuple[Scenario, Tree]:
    """What it breaks is known of the case with which it is shown; another may well bear it."""
    return read.model_copy(update={"breaks": None}), {key: value for key, value in tree.items() if key != "breaks"}


def _placed(case: Case, name: str, tree: Tree) -> tuple[Scenario, Tree] | None:
    """A scenario about a stage of this case; None if it breaks a rule there."""
    contained = tree.get("contained_by", {})
    try:
        changes = dict(change for one in contained.get("changes", {}).items() for change in _changes(case, *one))
        if contained and _too_late(case, changes):
            tree = {key: value for key, value in tree.items() if key != "contained_by"}
        elif contained:
            tree = tree | {"contained_by": contained | {"changes": changes}}
        reading = Reading(case.texts.quantity, References(case.tree, case.texts, case.sheet))
        read = Scenario.model_validate(tree, context=reading)
        if any(check_scenario(case, name, read)):
            return None
        apply(case, changes)
    except (DesignError, ValidationError):
        return None
    return read, tree


def _too_late(case: Case, changes: Mapping[str, str]) -> bool:
    """Whether a time-out of what contains a scenario is no shorter than what the case allows a whole request.

    A person may take longer: nobody waits for people while a page loads.
    """
    allowed = [one.at_most for one in case.objectives if one.metric == "latency" and one.at_most is not None]
    ours = {path: text for path, text in changes.items() if path.endswith((".timeout", ".late_after"))}
    times = [point(case, text).value for path, text in ours.items() if case.stage(path.split(".")[1]).person is None]
    return bool(allowed and times) and max(times) >= min(allowed)


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
    if factor == text:
        return text
    if case.cells > 1 and path.endswith(".replicas"):  # as many for each cell
        replicas = case.stage(path.split(".")[1]).replicas * float(factor)
        return str(math.ceil(replicas / case.cells - 1e-9) * case.cells)
    return multiplied(case, path, float(factor))
