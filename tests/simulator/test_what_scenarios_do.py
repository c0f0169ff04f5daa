"""Each shared scenario does what it says: the objective is met without it, missed with it, met where it is contained.

It is run with the case that `shown_with` names; each verdict is decided by an interval over replications. One that is
added is tested here without a line of code. A case's own are run in `tests/test_contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cases import files
from cases.build import apply, design_changes
from cases.scenarios import scenario, scenarios, shared
from cases.spec import Case
from cases.world_spec import KINDS
from simulator.plan import Engine, plan
from simulator.report import report
from simulator.results import SimulationResult
from simulator.run import simulate

HERE = Path(__file__).resolve().parents[2]
CATALOG = files.catalog()
SHOWN = {name: str(tree["shown_with"]) for name, tree in shared().items()}
EVERY = list(SHOWN.items())
SMALL = [pair for pair in SHOWN.items() if pair[1] not in CATALOG]  # few requests a second
MOST_SECONDS = 20.0  # measured on both planes, up to some seconds after an event
AFTER = 3.0


@cache
def opened(case: str) -> Case:
    """Of the catalogue, or a file."""
    return files.load(CATALOG[case] if case in CATALOG else HERE / case)


@cache
def baseline(case: str, duration: float | None, warm_up: float, replications: int) -> SimulationResult:
    """A run as long as the scenario's, in which nothing happens."""
    steady = apply(opened(case), {"run.warm_up": f"{warm_up:g} s"})
    return simulate(plan(steady, duration=duration, replications=replications))


def met(result: SimulationResult, objective: str) -> bool | None:
    return next(one.met for one in result.objectives if one.name == objective)


def test_there_is_something_to_check() -> None:
    assert len(EVERY) >= 20
    happening = {event.kind for name, case in EVERY for event in scenarios(opened(case))[name].events}
    assert happening == set(KINDS)
    for name in SHOWN:
        one = scenario(opened(SHOWN[name]), name)
        assert one.breaks is not None, name
        assert one.contained_by is not None, name


@pytest.mark.parametrize(("name", "case"), EVERY, ids=[name for name, _ in EVERY])
def test_it_breaks_what_it_names_and_is_contained(name: str, case: str) -> None:
    one = scenario(opened(case), name)
    run = one.run
    assert one.breaks is not None
    assert run.warm_up is not None, "said, so that a run without the scenario is the same"
    assert run.replications is not None, "said, so that a run without the scenario is the same"
    assert met(baseline(case, run.duration, run.warm_up, run.replications), one.breaks) is True
    assert met(simulate(plan(opened(case), scenario=name)), one.breaks) is False
    if one.contained_by is not None:
        contained = apply(opened(case), design_changes(opened(case), f"{name}_contained"))
        assert met(simulate(plan(contained, scenario=name)), one.breaks) is True


@pytest.mark.parametrize("case", sorted({case for _, case in SMALL}))
def test_its_case_explains_itself(case: str) -> None:
    read = opened(case)
    assert read.id == Path(case).stem
    assert read.question.endswith("?")
    assert read.note
    assert read.topics
    assert met(simulate(plan(read)), read.objectives[0].name) is True


@pytest.mark.parametrize("kind", KINDS)
def test_both_planes_print_the_same(kind: str) -> None:
    """With an event of each kind, at the first small case where one happens early, until some seconds after it."""
    case, name, duration = next(early(kind))

    def printed(engine: Engine) -> list[object]:
        result = simulate(plan(case, scenario=name, duration=duration, replications=1), engine)
        return [result.as_json() | {"engine": None}, report(case, result)]

    assert printed("simpy") == printed("compiled")


def early(kind: str) -> Iterator[tuple[Case, str, float]]:
    """Small cases with a scenario, and seconds to measure, in which an event of this kind begins and ends."""
    for case in map(opened, dict.fromkeys(case for _, case in SMALL)):
        for name, one in scenarios(case).items():
            for event in one.events:
                duration = event.at + (event.lasts or 0.0) + AFTER - (one.run.warm_up or 0.0)
                if event.kind == kind and duration < MOST_SECONDS:
                    yield case, name, duration
