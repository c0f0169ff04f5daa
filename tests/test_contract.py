"""What every case of the catalogue promises, run: it holds at its peak, breaks as it says, and is mended as it says.

A case that is added is tested here without a line of code. What a file must look like is in `tests/cases/test_catalog`,
its arithmetic in `test_hand_checked`, its story in `tests/walkthrough`.
"""

from __future__ import annotations

from functools import cache

import pytest

from cases import files
from cases.build import apply, design_changes
from cases.errors import DesignError
from cases.knobs import stops
from cases.scenarios import scenario, scenarios
from cases.spec import Case
from simulator.compare import Comparison
from simulator.plan import plan
from simulator.results import SimulationResult
from simulator.run import simulate

REPLICATIONS = 30
MOST_REQUESTS = 300_000
MOST_EVENTS = 3_000_000
SURE = 0.99
KNOBS = range(5, 10)
LEAST = 3  # of scenarios that break an objective, of designs beside

CASES = {name: files.load(path) for name, path in files.catalog().items()}
BROKEN = [(name, one) for name, case in CASES.items() for one, read in case.scenarios.items() if read.breaks]
"""Their own: shared ones are shown in `tests/simulator/test_what_scenarios_do`."""
TEMPTING = [(name, one) for name, case in CASES.items() for one, read in case.designs.items() if read.looks_good]


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@cache
def quiet(name: str, warm_up: float, duration: float | None, replications: int) -> SimulationResult:
    """A run as long as a scenario's, in which nothing happens."""
    steady = apply(CASES[name], {"run.warm_up": f"{warm_up:g} s"})
    return simulate(plan(steady, duration=duration, replications=replications))


@cache
def baseline(name: str) -> SimulationResult:
    return simulate(plan(CASES[name], replications=REPLICATIONS))


def met(result: SimulationResult, objective: str) -> bool | None:
    return next(one.met for one in result.objectives if one.name == objective)


def test_it_holds_as_written(case: Case) -> None:
    verdicts = {one.name: (one.met, one.value, one.low, one.high) for one in baseline(case.id).objectives}
    assert all(met is True for met, *_ in verdicts.values()), verdicts


def test_it_costs_little_to_run(case: Case) -> None:
    """What the app runs for a turn of a knob."""
    assert case.run.requests * case.run.replications <= MOST_REQUESTS
    result = simulate(plan(case))
    assert result.events <= MOST_EVENTS
    assert not set(result.few) & {one.name for one in result.objectives}, "a percentile rests on enough requests"


def test_it_can_be_broken_mended_and_turned(case: Case) -> None:
    broken = [one for one in scenarios(case).values() if one.breaks is not None]
    assert sum(one.contained_by is not None for one in broken) >= LEAST
    assert sum(one.looks_good is None for one in case.designs.values()) >= LEAST
    assert any(name == case.id for name, _ in TEMPTING)
    assert len(case.knobs) in KNOBS
    assert baseline(case.id).cost_usd_per_hour is not None
    assert case.outcomes


def test_a_knob_stands_where_it_was_turned_to(case: Case) -> None:
    """To the letter, so that what a hand holds is not replaced under it (`ui.state.standing`)."""
    stood = 0
    for knob in case.knobs:
        for text in stops(case, knob, case).texts[::4]:
            try:
                turned = apply(case, {knob.path: text})
            except DesignError:
                continue  # what is beside it does not fit this
            assert stops(turned, knob, case).current == text
            stood += 1
    assert stood > len(case.knobs)


@pytest.mark.parametrize(("name", "broken"), BROKEN)
def test_a_scenario_breaks_what_it_names_and_is_contained_at_a_price(name: str, broken: str) -> None:
    case = CASES[name]
    one = scenario(case, broken)
    for text in (one.label, one.note, one.first, one.then):
        assert text
    assert one.breaks is not None
    assert one.run.warm_up is not None, "said, so that a run without the scenario is the same"
    assert one.run.replications is not None, "said, so that a run without the scenario is the same"
    assert met(quiet(name, one.run.warm_up, one.run.duration, one.run.replications), one.breaks) is True
    broken_so = simulate(plan(case, scenario=broken))
    assert met(broken_so, one.breaks) is False
    assert one.contained_by is not None
    assert one.contained_by.note, "says why it helps, and what it costs"
    contained = simulate(plan(apply(case, design_changes(case, f"{broken}_contained")), scenario=broken))
    assert met(contained, one.breaks) is True
    assert contained.cost_usd_per_hour is not None


@pytest.mark.parametrize(("name", "tempting"), TEMPTING)
def test_what_looks_good_is_not(name: str, tempting: str) -> None:
    """On the same luck, so that what is left is the design: the difference excludes zero at 99 %."""
    case = CASES[name]
    said = case.designs[tempting].looks_good
    assert said is not None
    planned = plan(case, scenario=said.during, replications=None if said.during else REPLICATIONS)
    before = baseline(name) if said.during is None else simulate(planned)
    after = simulate(planned.redesigned(apply(case, design_changes(case, tempting))))
    compared = Comparison.of("baseline", tempting, before, after, SURE)
    figures = {f"latency {one.name}": one for one in compared.differences} | compared.outcomes
    figures |= {one.name: one for one in compared.differences}
    _, low, high = figures[said.but].difference
    assert low is not None
    assert high is not None
    assert low > 0 if said.gets == "higher" else high < 0, figures[said.but].sentence(tempting)
