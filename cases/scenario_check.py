"""Rules of scenarios that no single field can check: what they name is there, and can go wrong in that way."""

from __future__ import annotations

from collections.abc import Iterator

from cases import cells, changing
from cases.errors import Problem, not_among
from cases.spec import Case, Scenario, Stage, Zones
from cases.stage_check import asked_of, never_hot
from cases.world_spec import Event

LONGEST_NAME = 40
CONTAINED = "_contained"  # the design NAME_contained is what contains the scenario NAME


def check(case: Case, name: str, scenario: Scenario) -> Iterator[Problem]:
    """What is wrong with a scenario of this case, but for the values that it gives paths."""
    where = f"scenarios.{name}"
    if scenario.contained_by is not None and len(name + CONTAINED) > LONGEST_NAME:
        most = LONGEST_NAME - len(CONTAINED)
        yield Problem(where, f"has a name of {len(name)} characters; at most {most}, for its design NAME{CONTAINED}")
    objectives = [one.name for one in case.objectives]
    if scenario.breaks is not None and scenario.breaks not in objectives:
        yield Problem(f"{where}.breaks", not_among(scenario.breaks, "an objective of this case", objectives))
    ends = run_end(case, scenario)
    for i, event in enumerate(scenario.events):
        for key, message in _event(case, event):
            yield Problem(f"{where}.events.{i}.{key}", message)
        if event.at >= ends:
            yield Problem(f"{where}.events.{i}.at", f"the run ends {ends:g} s after the start; make 'run' longer")


def run_end(case: Case, scenario: Scenario) -> float:
    """When a run of it ends (s); never, if it measures a number of requests."""
    run = scenario.run
    if run.duration is None:
        return float("inf")
    warm_up = case.run.warm_up if run.warm_up is None else run.warm_up
    return run.duration + (run.duration / 10 if warm_up is None else warm_up)


Found = Iterator[tuple[str, str]]


def _event(case: Case, event: Event) -> Found:
    stages = {stage.name: stage for stage in case.stages}
    if event.path is not None:
        message = changing.refused(case, event.path)
        if message is None and event.path.endswith(".hot") and case.as_written is case:
            message = never_hot(case, stages[event.path.split(".")[1]])
        if message is not None:
            yield "path", message
    elif event.lose_zone is not None:
        if case.zones is None:
            yield "lose_zone", f"the case has no zones to lose; add for example 'zones: {Zones.EXAMPLE}' to it"
        elif event.lose_zone not in case.zones.names:
            yield "lose_zone", not_among(event.lose_zone, "a zone of this case", case.zones.names)
    elif event.stage is not None and event.stage not in stages:
        yield event.kind, not_among(event.stage, "a stage", stages)
    elif event.stage is not None:
        yield from _fault(event, stages[event.stage], stages)
        yield from cells.check_event(case, event)


def _fault(event: Event, stage: Stage, stages: dict[str, Stage]) -> Found:
    """Whether a stage can go wrong in this way."""
    of_replicas = event.kind in ("kill", "deploy") or (event.kind == "slow" and "share" in event.model_fields_set)
    if of_replicas and stage.endless:
        yield event.kind, f"{stage.name} has no replicas of ours; use 'error', 'cut', 'pause', or 'slow' for all of it"
        return
    for key, count in (("replicas", event.replicas), ("at_once", event.at_once)):
        if count > stage.most_replicas and not stage.endless:
            yield key, f"{count:,} of the {stage.most_replicas:,} replicas of {stage.name}; write at most so many"
    if event.flush is not None and asked_of(stage, stages) is None:
        yield "flush", f"{stage.name} has no cache with 'keys' to forget; change its 'cache.hit_ratio' by a path"
