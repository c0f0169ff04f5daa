"""Rules of the request path that no single field can check: names, order, items, prices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from cases import objectives, stage_check
from cases.errors import Problem, not_among, shown
from cases.spec import Case, Stage
from cases.tree import Tree
from cases.words import MOST_NAMES

MOST_WORKERS = 5_000_000
MOST_ALL_TIMES = 15_000  # measured times of all stages: so many texts a case file holds
VISIT = "request"  # the noun of which every visit is one


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with a case's request path when each field of it is right."""
    yield from _size(case)
    yield from objectives.check(case)
    if not any(check_names(case.tree)):
        yield from stage_check.check(case)
        yield from _items(case)


def check_names(tree: Tree) -> Iterator[Problem]:
    """Names are unique and name stages, none waits for itself, each stage has replicas. Works on a broken tree too."""
    after: dict[str, list[str]] = {}
    within: dict[str, str] = {}
    found = tree.get("stages")
    listed = list(enumerate(found)) if isinstance(found, list) else []
    stages = [(i, stage) for i, stage in listed if isinstance(stage, dict)]
    for i, stage in stages:
        name, before, caller = stage.get("name"), stage.get("after", []), stage.get("within")
        if not isinstance(name, str):
            continue
        if name in after:
            yield Problem(f"stages.{i}.name", f"{shown(name)} is the name of two stages; names are unique")
        names = before.split(",") if isinstance(before, str) else before if isinstance(before, list) else []
        after[name] = [n.strip() for n in names[:MOST_NAMES] if isinstance(n, str)]
        if isinstance(caller, str):
            within[name] = caller.strip()
        if not {"replicas", "external", "person"} & stage.keys():
            yield Problem(f"stages.{name}.replicas", "is missing; write for example 'replicas: 4'")
    yield from _unknown_names(tree, after, within)
    yield from _cycles({name: dict.fromkeys(before, "after") | _caller(within, name) for name, before in after.items()})
    yield from _prices([stage for _, stage in stages])


def _caller(within: dict[str, str], name: str) -> dict[str, str]:
    return {within[name]: "within"} if name in within else {}


def _unknown_names(tree: Tree, after: dict[str, list[str]], within: dict[str, str]) -> Iterator[Problem]:
    """Names that name no stage, or one that another stage calls."""
    for name, before in after.items():
        for other in dict.fromkeys(before):
            if other not in after:
                yield Problem(f"stages.{name}.after", not_among(other, "a stage", after))
            elif within.get(other) != within.get(name):
                yield Problem(
                    f"stages.{name}.after",
                    f"{other} is called {_by(within.get(other))}, and {name} {_by(within.get(name))}; "
                    "only stages with the same 'within' follow one another",
                )
        if len(set(before)) < len(before):
            yield Problem(f"stages.{name}.after", "names a stage twice; once is enough")
    for name, caller in within.items():
        if caller not in after:
            yield Problem(f"stages.{name}.within", not_among(caller, "a stage", after))
    answer = tree.get("answer_after")
    if isinstance(answer, str):
        if answer not in after:
            yield Problem("answer_after", not_among(answer, "a stage", after))
        elif answer in within:
            yield Problem(
                "answer_after",
                f"{answer} is called within {within[answer]}, so it does not answer the user; name its caller",
            )


def _by(caller: str | None) -> str:
    return f"within {shown(caller)[1:-1]}" if caller is not None else "by the request itself"


def _prices(stages: list[Any]) -> Iterator[Problem]:
    """A cost is of the whole design or of nothing."""
    without = [stage for stage in stages if "price" not in stage]
    for stage in without if len(without) < len(stages) else ():
        name = stage.get("name")
        if isinstance(name, str):
            yield Problem(
                f"stages.{name}.price", "is missing, while other stages state one; write '$0/hour' if it costs nothing"
            )


def _cycles(edges: dict[str, dict[str, str]]) -> Iterator[Problem]:
    """The circles, each once. `edges`: by stage, those that it needs and the word for it."""
    waiting = {name: [b for b in before if b in edges] for name, before in edges.items()}
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
        way = "".join(f" {edges[one][needed]} {needed}" for one, needed in itertools.pairwise(circle))
        yield Problem(
            f"stages.{circle[0]}.{edges[circle[0]][circle[1]]}",
            f"stages wait for each other: {circle[0]}{way}; break the circle",
        )
        waiting = {
            name: [b for b in before if b not in circle] for name, before in waiting.items() if name not in circle
        }


def in_order(stages: list[Stage]) -> list[Stage]:
    """The stages such that each follows those it comes after and its caller; otherwise as in the file."""
    ordered: list[Stage] = []
    waiting = list(stages)
    while waiting:
        done = {s.name for s in ordered}
        ordered.append(next(s for s in waiting if done.issuperset(needed(s))))
        waiting.remove(ordered[-1])
    return ordered


def needed(stage: Stage) -> list[str]:
    """The stages before this one in every order: those it comes after, and its caller."""
    return [*stage.after, *([stage.within] if stage.within is not None else [])]


def _size(case: Case) -> Iterator[Problem]:
    workers = sum(s.most_replicas * s.concurrency for s in case.stages if not s.endless)
    if workers > MOST_WORKERS:
        yield Problem(
            "stages", f"{workers:,} workers in all; a run has at most {MOST_WORKERS:,}; make the fleet smaller"
        )
    times = sum(len(s.service.times or ()) for s in case.stages)
    if times > MOST_ALL_TIMES:
        yield Problem("stages", f"{times:,} measured times in all; at most {MOST_ALL_TIMES:,}; take a sample of them")


def _items(case: Case) -> Iterator[Problem]:
    """Where items come from and go: nobody ranks what nobody gives, and no join counts the same items twice."""
    brought = {one.items.mean.noun for one in case.workload.classes if one.items is not None and one.items.mean.noun}
    if len(brought) > 1:
        both = " and ".join(sorted(brought))
        yield Problem("workload.classes", f"they bring along different items: {both}; let them bring the same")
    yield from _visits_as_items(case)
    received: dict[str, tuple[set[str], set[str]]] = {}  # by stage: nouns, and who gave the items
    handed_on: dict[str, tuple[set[str], set[str]]] = {}
    for stage in in_order(case.stages):
        noun, origin = set[str](), set[str]()
        if not stage.after:
            noun, origin = received[stage.within] if stage.within else (brought, {"the request"} if brought else set())
        for before in stage.after:
            twice = origin & handed_on[before][1]
            if twice:
                yield Problem(
                    f"stages.{stage.name}.after",
                    f"two branches hand on the same items, from {', '.join(sorted(twice))}; "
                    "say 'gives: 0 items' on the one that only looks something up",
                )
            noun, origin = noun | handed_on[before][0], origin | handed_on[before][1]
        if len(noun) > 1 and stage.after:
            both = " and ".join(sorted(noun))
            yield Problem(
                f"stages.{stage.name}.after", f"its branches hand on different items: {both}; let them give the same"
            )
        received[stage.name] = noun, origin
        yield from _service_items(case, stage, noun)
        yield from _kept_items(stage, {stage.gives.noun} if stage.gives and stage.gives.noun else noun)
        if stage.gives is not None:
            origin = {stage.name} if stage.gives.count else set()
            noun = {stage.gives.noun} if stage.gives.noun and stage.gives.count else set()
        handed_on[stage.name] = noun, origin


def _visits_as_items(case: Case) -> Iterator[Problem]:
    """Who pays by the request pays for visits, so that no items may be called so."""
    message = f"'{VISIT}' is what every visit is one of, not what it carries; call the items something else"
    for one in case.workload.classes:
        if one.items is not None and one.items.mean.noun == VISIT:
            yield Problem(f"workload.classes.{one.name}.items", message)
    for stage in case.stages:
        if stage.gives is not None and stage.gives.noun == VISIT and stage.gives.count:
            yield Problem(f"stages.{stage.name}.gives", message)


def counts_visits(case: Case, stage: Stage) -> bool:
    """Whether the stage's items are the visits themselves: 'items: request'."""
    named = stage.service.items
    return named is not None and _counted(case, named) == {VISIT}


def _counted(case: Case, noun: str) -> frozenset[str]:
    return case.texts.quantity(f"1 {noun}").dimension.counts if case.units.is_unit(noun) else frozenset()


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
    if named is None or counts_visits(case, stage):
        return
    where = f"stages.{stage.name}.service.items"
    counts = _counted(case, named)
    if not counts:
        yield Problem(where, f"{shown(named)} is not something this case counts; add it to 'counts'")
    elif not handed:
        yield Problem(where, f"no stage before it gives {named}; add for example 'gives: 300 {named}' to one")
    elif counts != handed:
        yield Problem(where, f"is {shown(named)}, but the stages before it give {', '.join(sorted(handed))}")
