"""`cells: k`: the fleet is k independent copies, and requests are split among them at random (rule R14).

A case says its numbers of the whole fleet. What is of all its machines together is divided: rates and users, replicas
and desks, token buckets, and the queue or cache that a stage's replicas share. What is of one replica, worker, call or
edge stays as it is, and so does what is left out. `one_cell` is the case of one of them; a case that cannot be divided
exactly is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cases import stage_check
from cases.errors import Problem
from cases.nouns import Noun
from cases.spec import Case, Stage, Workload
from cases.world_spec import Autoscaling, Event

N = TypeVar("N", bound=Noun)

_COUNTED = {"kill": "replicas", "deploy": "at_once"}  # what an event counts replicas by


def one_cell(case: Case) -> Case:
    """The case of one cell; the case itself where there is but one."""
    return case if case.cells == 1 else case.kept("one cell", lambda: _divided(case)[0])


def in_one_cell(case: Case, events: Sequence[Event]) -> list[Event]:
    """What happens in each cell: of the replicas that an event counts, its part."""
    return [_Division(case.cells).noun("", event, *_counted(event)) for event in events]


def check(case: Case) -> Iterator[Problem]:
    """Why a case does not consist of so many equal, independent cells; nothing is wrong with it otherwise."""
    if case.cells == 1:
        return
    problems = [*_one_for_all(case), *_divided(case)[1]]
    yield from problems
    if problems:
        return
    cell = one_cell(case)
    for message in cell.workload.broken_rules():
        yield Problem("cells", f"of the requests in one of {case.cells:,} cells: {message}; or have fewer cells")
    for problem in stage_check.check(cell):
        yield Problem(problem.path, f"in one of {case.cells:,} cells: {problem.message}; or have fewer cells")


def check_event(case: Case, event: Event) -> Iterator[tuple[str, str]]:
    """Why an event does not happen in all cells alike: then one of them does not stand for the fleet."""
    for field in _counted(event):
        if (count := getattr(event, field)) % case.cells:
            yield (
                field,
                f"{count:,} of the fleet is not the same number in each of {case.cells:,} cells, and one cell could "
                f"not stand for the others; write {_nearest(count, case.cells)}",
            )


def _counted(event: Event) -> tuple[str, ...]:
    return (_COUNTED[event.kind],) if event.kind in _COUNTED else ()


def _one_for_all(case: Case) -> Iterator[Problem]:
    """What cells would have to share, or what is another thing once it is split."""
    kind = case.workload.kind
    if kind == "even":
        yield Problem(
            "cells", "evenly spaced requests that are split at random are not even in a cell; choose 'kind: poisson'"
        )
    if kind == "replay":
        yield Problem(
            "cells", "a recording is replayed as it is, not a part of it; record one cell, or leave cells out"
        )
    for stage in case.stages:
        if stage.external is not None and stage.external.rate_limit is not None:
            yield Problem(
                f"stages.{stage.name}.external.rate_limit",
                f"is one limit for all {case.cells:,} cells, so that they are not independent; "
                f"give each its part: write 'admission: {{rate: ...}}' in its place",
            )


def _divided(case: Case) -> tuple[Case, list[Problem]]:
    """The case of one cell, and which of its whole numbers are not divisible."""
    by = _Division(case.cells)
    cell = case.model_copy(
        update={
            "cells": 1,
            "workload": _workload(by, case.workload),
            "stages": [_stage(by, f"stages.{stage.name}", stage) for stage in case.stages],
        }
    )
    return cell, by.problems


class _Division:
    """Divides numbers of nouns, as far as they are said, and remembers those that leave a remainder."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.problems: list[Problem] = []

    def noun(self, where: str, noun: N, *names: str) -> N:
        """The noun with these numbers divided; whole ones stay whole."""
        said = ((name, getattr(noun, name)) for name in names if name in noun.model_fields_set)
        parts = {name: self._part(noun, where, name, value) for name, value in said if value is not None}
        return noun.model_copy(update=parts) if parts else noun

    def _part(self, noun: Noun, where: str, name: str, value: float) -> float:
        if not isinstance(value, int):
            return value / self.cells
        if value % self.cells:
            key = type(noun).model_fields[name].alias or name
            self.problems.append(
                Problem(
                    f"{where}.{key}",
                    f"{value:,} of the fleet cannot be divided among {self.cells:,} equal cells; "
                    f"write {_nearest(value, self.cells)}, or change 'cells'",
                )
            )
        return value // self.cells


def _workload(by: _Division, workload: Workload) -> Workload:
    steps = workload.steps and [by.noun("workload.steps", step, "rate") for step in workload.steps]
    return _with(by.noun("workload", workload, "rate", "first", "last", "users"), steps=steps)


def _stage(by: _Division, where: str, stage: Stage) -> Stage:
    queue, cache, person, admission, scaling = (
        stage.queue,
        stage.cache,
        stage.person,
        stage.admission,
        stage.autoscaling,
    )
    shared = stage.balancing is None or stage.balancing.kind == "shared"  # one queue for all replicas, or desks
    return _with(
        by.noun(where, stage, "replicas"),
        queue=by.noun(f"{where}.queue", queue, "limit", "lifo_above") if shared else queue,
        cache=by.noun(f"{where}.cache", cache, "capacity") if cache and cache.scope == "shared" else cache,
        person=person and by.noun(f"{where}.person", person, "desks"),
        admission=admission and by.noun(f"{where}.admission", admission, "rate", "burst"),
        autoscaling=scaling and _autoscaling(by, f"{where}.autoscaling", scaling),
    )


def _autoscaling(by: _Division, where: str, scaling: Autoscaling) -> Autoscaling:
    up = by.noun(f"{where}.up", scaling.up, "replicas")
    return _with(by.noun(where, scaling, "least", "most"), up=up)


def _with(noun: N, **groups: object) -> N:
    """The noun with other groups. What was left out stays left out: rules go by what is said."""
    others = {name: group for name, group in groups.items() if group is not getattr(noun, name)}
    return noun.model_copy(update=others) if others else noun


def _nearest(value: int, cells: int) -> str:
    """The numbers around it that can be divided: '12 or 16'."""
    below = value // cells * cells
    return " or ".join(f"{one:,}" for one in (below, below + cells) if one)
