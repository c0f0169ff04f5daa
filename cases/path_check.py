"""Rules of the request path that no single field can check: names, order, items, prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cases.design import Tree
from cases.errors import Problem, not_among, shown
from cases.fields import MOST_NAMES
from cases.spec import Case, Stage

MOST_WORKERS = 5_000_000


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with a case's request path when each field of it is right."""
    yield from _size(case)
    yield from _repeated_objectives(case)
    if not any(check_names(case.tree)):
        yield from _items(case)


def check_names(tree: Tree) -> Iterator[Problem]:
    """Stage names are unique, `after` names stages, no stage waits for itself. Works on a broken tree too."""
    after: dict[str, list[str]] = {}
    found = tree.get("stages")
    listed = list(enumerate(found)) if isinstance(found, list) else []
    stages = [(i, stage) for i, stage in listed if isinstance(stage, dict)]
    for i, stage in stages:
        name, before = stage.get("name"), stage.get("after", [])
        if not isinstance(name, str):
            continue
        if name in after:
            yield Problem(f"stages.{i}.name", f"{shown(name)} is the name of two stages; names are unique")
        names = before.split(",") if isinstance(before, str) else before if isinstance(before, list) else []
        after[name] = [n.strip() for n in names[:MOST_NAMES] if isinstance(n, str)]
    for name, before in after.items():
        for other in dict.fromkeys(before):
            if other not in after:
                yield Problem(f"stages.{name}.after", not_among(other, "a stage", after))
        if len(set(before)) < len(before):
            yield Problem(f"stages.{name}.after", "names a stage twice; once is enough")
    yield from _cycles(after)
    yield from _prices([stage for _, stage in stages])


def _prices(stages: list[Any]) -> Iterator[Problem]:
    """A cost is of the whole design or of nothing."""
    without = [stage for stage in stages if "price" not in stage]
    for stage in without if len(without) < len(stages) else ():
        name = stage.get("name")
        if isinstance(name, str):
            yield Problem(
                f"stages.{name}.price", "is missing, while other stages state one; write '$0/hour' if it costs nothing"
            )


def _cycles(after: dict[str, list[str]]) -> Iterator[Problem]:
    """The circles, each once."""
    waiting = {name: [b for b in before if b in after] for name, before in after.items()}
    while True:
        while ready := {name for name, before in waiting.items() if not before}:
            waiting = {
                name: [b for b in before if b not in ready] for name, before in waiting.items() if name not in ready
            }
        if not waiting:
            return
        # What is left waits for a circle; follow it back until a stage comes again.
        trail = [next(iter(waiting))]
        while trail[-1] not in trail[:-1]:
            trail.append(waiting[trail[-1]][0])
        circle = trail[trail.index(trail[-1]) :]
        yield Problem(
            f"stages.{circle[0]}.after", f"stages wait for each other: {' after '.join(circle)}; break the circle"
        )
        waiting = {
            name: [b for b in before if b not in circle] for name, before in waiting.items() if name not in circle
        }


def in_order(stages: list[Stage]) -> list[Stage]:
    """The stages such that each follows those it comes after; otherwise as in the file."""
    ordered: list[Stage] = []
    waiting = list(stages)
    while waiting:
        done = {s.name for s in ordered}
        ordered.append(next(s for s in waiting if done.issuperset(s.after)))
        waiting.remove(ordered[-1])
    return ordered


def _size(case: Case) -> Iterator[Problem]:
    workers = sum(s.replicas * s.concurrency for s in case.stages)
    if workers > MOST_WORKERS:
        yield Problem(
            "stages", f"{workers:,} workers in all; a run has at most {MOST_WORKERS:,}; make the fleet smaller"
        )


def _repeated_objectives(case: Case) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, objective in enumerate(case.objectives):
        if objective.name in seen:
            yield Problem(f"objectives.{i}", f"'{objective.name}' is an objective twice; one of each is enough")
        seen.add(objective.name)


def _items(case: Case) -> Iterator[Problem]:
    """Where items come from and go: nobody ranks what nobody gives, and no join counts the same items twice."""
    nouns: dict[str, set[str]] = {}  # by stage: what it hands on
    origins: dict[str, set[str]] = {}  # by stage: the stages that gave what it hands on
    for stage in in_order(case.stages):
        noun: set[str] = set().union(*(nouns[b] for b in stage.after))
        origin: set[str] = set()
        for before in stage.after:
            twice = origin & origins[before]
            if twice:
                yield Problem(
                    f"stages.{stage.name}.after",
                    f"two branches hand on the same items, from {', '.join(sorted(twice))}; "
                    "say 'gives: 0 items' on the one that only looks something up",
                )
            origin |= origins[before]
        if len(noun) > 1:
            both = " and ".join(sorted(noun))
            yield Problem(
                f"stages.{stage.name}.after", f"its branches hand on different items: {both}; let them give the same"
            )
        yield from _service_items(case, stage, noun)
        yield from _kept_items(stage, {stage.gives.noun} if stage.gives and stage.gives.noun else noun)
        if stage.gives is not None:
            origin = {stage.name} if stage.gives.count else set()
            noun = {stage.gives.noun} if stage.gives.noun and stage.gives.count else set()
        nouns[stage.name], origins[stage.name] = noun, origin


def _kept_items(stage: Stage, handed: set[str]) -> Iterator[Problem]:
    if stage.keeps is None:
        return
    if not handed:
        yield Problem(
            f"stages.{stage.name}.keeps", "no stage before it gives anything to keep; leave it out, or add 'gives'"
        )
    elif stage.keeps.noun is not None and stage.keeps.noun not in handed:
        given = ", ".join(sorted(handed))
        yield Problem(f"stages.{stage.name}.keeps", f"keeps {stage.keeps.noun}, but what is handed on is {given}")


def _service_items(case: Case, stage: Stage, handed: set[str]) -> Iterator[Problem]:
    named = stage.service.items
    if named is None:
        return
    where = f"stages.{stage.name}.service.items"
    counts = case.units.quantity(f"1 {named}").dimension.counts if case.units.is_unit(named) else frozenset()
    if not counts:
        yield Problem(where, f"{shown(named)} is not something this case counts; add it to 'counts'")
    elif not handed:
        yield Problem(where, f"no stage before it gives {named}; add for example 'gives: 300 {named}' to one")
    elif counts != handed:
        yield Problem(where, f"is {shown(named)}, but the stages before it give {', '.join(sorted(handed))}")
