"""R11: both request planes do the same, to the nanosecond and to the event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import (
    ENGINES,
    EXPONENTIAL,
    LOGNORMAL,
    MS,
    Load,
    StageSpec,
    assert_same,
    coarse_loads,
    loads,
    machine,
    machines,
    plane_of,
    run,
)

from simulator import requests_compiled
from simulator.network import LEAST_OF, RANDOM, ROUND_ROBIN, Machine
from simulator.semantics import RequestEnd, VisitEnd, violations
from simulator.workload import Profile

TICK = 1_000


@given(machines(), loads())
@settings(derandomize=True, max_examples=250, deadline=None)
def test_r11_parity(built: Machine, load: Load) -> None:
    seen = [run(engine, built, load) for engine in ENGINES]
    assert_same(*seen)
    assert violations(built, seen[1].trace, seen[1].ended, seen[1].horizon) == []


@given(machines(TICK, coarse=True), coarse_loads(TICK))
@settings(derandomize=True, max_examples=250, deadline=None)
def test_r11_parity_when_everything_happens_at_once(built: Machine, load: Load) -> None:
    """On a coarse clock most events share their instant with others, so that only a stated order (R6) can agree."""
    seen = [run(engine, built, load) for engine in ENGINES]
    assert_same(*seen)
    assert violations(built, seen[1].trace, seen[1].ended, seen[1].horizon) == []


def test_the_coarse_clock_makes_ties() -> None:
    """The test above tests something: in a typical example most events are not alone in their instant."""
    spec = [
        StageSpec(floor=2 * TICK, concurrency=2),
        StageSpec(after=(0,), floor=TICK),
        StageSpec(after=(0,), floor=TICK),
    ]
    load = Load([60 * TICK], times=[t * TICK for t in (0, 0, 0, 1, 1, 2, 2, 2, 3)])
    trace = run("simpy", machine(spec), load).trace
    times = trace[:, 3:7].ravel()
    _, counts = np.unique(times[times >= 0], return_counts=True)
    assert (counts > 2).mean() > 0.8


def big() -> Machine:
    """Everything at once, overloaded now and then."""
    return machine(
        [
            StageSpec(concurrency=8, replicas=2, balancing=ROUND_ROBIN, floor=MS, table=LOGNORMAL),
            StageSpec(
                after=(0,),
                replicas=4,
                concurrency=2,
                balancing=LEAST_OF,
                choices=2,
                floor=6 * MS,
                table=EXPONENTIAL,
                hop=MS // 4,
                gives=30,
            ),
            StageSpec(
                after=(0,),
                replicas=3,
                concurrency=2,
                balancing=RANDOM,
                floor=4 * MS,
                table=LOGNORMAL,
                queue_limit=20,
                gives=10,
            ),
            StageSpec(after=(0,), replicas=6, floor=4 * MS, table=EXPONENTIAL, hit_ratio=0.3, hit_time=MS),
            StageSpec(
                after=(1, 2, 3),
                replicas=4,
                concurrency=3,
                balancing=LEAST_OF,
                choices=3,
                floor=MS,
                per_item=MS // 10,
                keeps=35,
                table=LOGNORMAL,
            ),
            StageSpec(after=(4,), concurrency=12, floor=7 * MS, timeout=60 * MS, table=EXPONENTIAL, hop=MS // 2),
        ],
        client_timeout=150 * MS,
    )


def test_r11_parity_of_twenty_thousand_requests() -> None:
    load = Load(
        [k * 500 * MS + 17 for k in range(1, 40)],
        opens=5,
        closes=30,
        profile=Profile((0, 6_000 * MS, 7_000 * MS), (1000.0, 1600.0, 900.0)),
    )
    seen = [run(engine, big(), load) for engine in ENGINES]
    assert_same(*seen)
    outcomes = set(seen[0].ended.outcome.tolist())
    assert len(seen[0].ended.number) > 18_000
    assert outcomes == {RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT}, (
        "the load must bring out every end"
    )
    assert set(seen[0].trace[:, 8].tolist()) == set(VisitEnd)


@pytest.mark.parametrize("engine", ENGINES)
@given(cuts=st.lists(st.integers(0, 400 * MS), max_size=60))
@settings(derandomize=True, max_examples=10, deadline=None)
def test_r6_where_control_looks_changes_nothing(engine: str, cuts: list[int]) -> None:
    profile = Profile.constant(1200.0)
    whole = run(engine, big(), Load([400 * MS], profile=profile))
    cut = run(engine, big(), Load(sorted({*cuts, 400 * MS}), profile=profile))
    assert cut.trace.tolist() == whole.trace.tolist()
    assert [column.tolist() for column in cut.ended] == [column.tolist() for column in whole.ended]
    assert cut.looks[-1][1] == whole.looks[-1][1], "events"
    assert cut.looks[-1][4:] == whole.looks[-1][4:], "integrals"


def test_r6_advance_runs_events_strictly_before_its_instant() -> None:
    """Control acts before all request events of its instant: at 5 it has not seen the arrival of 5."""
    for engine in ENGINES:
        seen = run(engine, machine([StageSpec(floor=2)]), Load([0, 5, 6, 7, 8], times=[0, 5]))
        assert [look[1] for look in seen.looks] == [0, 2, 3, 3, 4], engine


def test_the_kernel_grows_every_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms for a few, an overload of many: the same as with rooms for all."""
    load = Load([300 * MS], profile=Profile.constant(3000.0))
    plenty = run("compiled", big(), load)
    monkeypatch.setattr(requests_compiled, "ROOM", 1)
    monkeypatch.setattr(requests_compiled, "CHUNK", 3)
    tight = run("compiled", big(), load)
    assert_same(tight, plenty)
    assert len(plenty.trace) > 2_000


def test_r11_parity_of_an_idle_machine() -> None:
    """No arrivals: control alone runs, and nothing is counted."""
    load = Load([0, 1, MS])
    seen = [run(engine, machine([StageSpec()]), load) for engine in ENGINES]
    assert_same(*seen)
    assert seen[0].looks[-1][1] == 0
    assert seen[0].trace.shape == (0, 9)


def test_requests_that_nobody_waits_for_leave_no_slots_behind() -> None:
    """A client that gives up before the first answer, for thirty thousand requests: the kernel's pools stay small."""
    built = machine([StageSpec(floor=MS, hop=5), StageSpec(after=(0,), floor=MS)], client_timeout=3)
    _, plane = plane_of("compiled", built, Load([], profile=Profile.constant(500.0)).stream(), keep_trace=False)
    plane.advance(60_000 * MS)
    assert plane.events > 80_000
    assert len(plane._state.request) == requests_compiled.ROOM  # type: ignore[attr-defined]
