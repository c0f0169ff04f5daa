"""R11: both request planes do the same, to the nanosecond and to the event."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import (
    ENGINES,
    EXPONENTIAL,
    GAMMA,
    LOGNORMAL,
    MS,
    Act,
    ClassSpec,
    ClientSpec,
    Load,
    Seen,
    StageSpec,
    assert_same,
    machine,
    plane_of,
    run,
)
from random_machines import coarse_loads, loads, machines

from simulator import kernel_state, requests_compiled, requests_simpy
from simulator.machine import (
    CANCEL_NONE,
    CANCEL_RUNNING,
    FIFO,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    MILLION,
    RANDOM,
    ROUND_ROBIN,
    SHARED,
    Machine,
)
from simulator.plane import EventLimitReachedError, StageTally
from simulator.semantics import RequestEnd, Visit, VisitEnd
from simulator.workload import Profile
from tests.examples import examples

TICK = 1_000
OUTCOME = Visit._fields.index("outcome")


@examples(300, machines(), loads())
def test_r11_parity(built: Machine, load: Load) -> None:
    assert_same(*(run(engine, built, load) for engine in ENGINES))


@examples(300, machines(TICK, coarse=True), coarse_loads(TICK))
def test_r11_parity_when_everything_happens_at_once(built: Machine, load: Load) -> None:
    """On a coarse clock most events share their instant with others, so that only a stated order (R6) can agree."""
    assert_same(*(run(engine, built, load) for engine in ENGINES))


@examples(150, machines(TICK, coarse=True), coarse_loads(TICK))
def test_r11_parity_of_the_tree_of_the_least_outstanding(built: Machine, load: Load) -> None:
    """The kernel looks at all of a few replicas and asks a tree of many; here of few, too, for more of them to tie."""
    own = [stage.balancing not in (SHARED, LEAST_OUTSTANDING) for stage in built.stages]
    stages = [s._replace(balancing=LEAST_OUTSTANDING) if o else s for s, o in zip(built.stages, own, strict=True)]
    built = built._replace(stages=tuple(stages))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_state, "WALKED", 1)
        assert_same(*(run(engine, built, load) for engine in ENGINES))


def test_a_tree_of_many_replicas_that_come_and_go() -> None:
    spec = StageSpec(replicas=40, places=70, balancing=LEAST_OUTSTANDING, floor=9 * MS, table=EXPONENTIAL)
    kinds = {"kill": range(0, 30, 3), "start": range(35, 60), "drain": range(10, 50, 4), "slow": range(20, 30)}
    acts = [
        Act((100 + 7 * place) * MS, what, 0, 3.0, place) for what, places in kinds.items() for place in places
    ]  # fmt: skip
    built = machine([spec])
    load = Load([1_000 * MS], profile=Profile.constant(4_000.0), acts=acts)
    seen = [run(engine, built, load) for engine in ENGINES]
    assert_same(*seen)
    assert len(set(seen[0].trace[:, Visit._fields.index("replica")].tolist())) > 55


@pytest.mark.parametrize("engine", ENGINES)
def test_r6_a_timer_of_what_is_over_is_no_event(engine: str) -> None:
    """Time-outs, hedges and lateness that nobody comes to need, and a batch that is full before it is due."""
    spec = StageSpec(
        concurrency=2, floor=MS, timeout=50 * MS, hedge_after=30 * MS, required=False, late_after=20 * MS,
        batch_size=2, batch_wait=10 * MS,
    )  # fmt: skip
    built = machine([spec, StageSpec(after=(0,))], ClientSpec(timeout=90 * MS))
    seen = run(engine, built, Load([200 * MS], times=[0, 0, 5 * MS, 5 * MS]))
    arrivals, batches, followers = 4, 2, 4
    assert seen.looks[-1][1] == arrivals + batches + followers


def test_the_coarse_clock_makes_ties() -> None:
    """The test above tests something: in a typical example most events are not alone in their instant."""
    spec = [
        StageSpec(floor=2 * TICK, concurrency=2),
        StageSpec(after=(0,), floor=TICK),
        StageSpec(after=(0,), floor=TICK),
    ]
    load = Load([60 * TICK], times=[t * TICK for t in (0, 0, 0, 1, 1, 2, 2, 2, 3)])
    trace = run("simpy", machine(spec), load).trace
    served = [Visit._fields.index(name) for name in ("join", "start", "end")]
    times = trace[:, served].ravel()
    _, counts = np.unique(times[times >= 0], return_counts=True)
    assert (counts > 2).mean() > 0.8


# -- one machine with everything ---------------------------------------------------------------------------------------

GATE, FEATURES, NEAR, FAR, RANK, STORE, POOL, INNER, MISS, OTHERS, LOG = range(11)


def big() -> Machine:
    """Every behaviour at once, overloaded now and then; more workers than a machine word has bits."""
    stages = {
        GATE: StageSpec(
            replicas=2, concurrency=8, balancing=ROUND_ROBIN, table=LOGNORMAL, by_level=True, queue_limit=60,
            admission_interval=MS * 7 // 10, admission_burst=100 * MS,
        ),
        FEATURES: StageSpec(
            after=(GATE,), replicas=3, places=5, zones=(0, 1, 2), concurrency=4, balancing=HASH, hop=MS // 4,
            floor=9 * MS, table=EXPONENTIAL, hot_ratio=0.05,
            cache_keys=1000, zipf=0.9, cache_capacity=150, cache_ttl=900 * MS, coalesce=True, hit_time=MS // 5,
        ),
        NEAR: StageSpec(
            after=(GATE,), shards=3, quorum=2, late_after=15 * MS, required=False, gives=90, replicas=4, concurrency=5,
            balancing=LEAST_OF, choices=2, floor=3 * MS, table=LOGNORMAL,
        ),
        FAR: StageSpec(
            after=(GATE,), required=False, gives=50, keeps=40, replicas=3, concurrency=6, balancing=RANDOM,
            floor=5 * MS, table=EXPONENTIAL, error_ratio=0.05, timeout=25 * MS, timeout_table=GAMMA, attempts=3,
            backoff=2 * MS, backoff_longest=3 * MS, jitter=0.5, retry_budget=MILLION // 5, fallback=MS,
            fallback_quality=MILLION * 7 // 10, breaker_window=20, breaker_failures=12, breaker_open=50 * MS,
            cancel=CANCEL_RUNNING,
        ),
        RANK: StageSpec(
            after=(FEATURES, NEAR, FAR), replicas=4, places=8, zones=(2, 0), balancing=LEAST_OUTSTANDING, floor=2 * MS,
            per_item=MS // 200, batch_size=8, batch_wait=3 * MS, drop_expired=True, table=GAMMA,
        ),
        STORE: StageSpec(
            within=RANK, hop=MS // 2, replicas=3, places=4, zones=(0, 1), concurrency=4, balancing=LEAST_OF, choices=3,
            floor=3 * MS,
            table=LOGNORMAL, hedge_after=8 * MS, hedge_budget=MILLION // 10, cancel=CANCEL_RUNNING, error_ratio=0.03,
        ),
        POOL: StageSpec(
            after=(RANK,), replicas=3, places=6, concurrency=50, floor=30 * MS, lifo_above=10, queue_limit=40,
            shed_oldest=True, table=LOGNORMAL,
        ),
        INNER: StageSpec(
            within=POOL, hold=True, concurrency=20, floor=9 * MS, hit_ratio=0.6, hit_time=MS, timeout=60 * MS,
            attempts=2, cancel=CANCEL_NONE, table=EXPONENTIAL,
        ),
        MISS: StageSpec(within=INNER, hold=True, when_missed=INNER, concurrency=9, floor=4 * MS, lifo_above=0),
        OTHERS: StageSpec(
            after=(POOL,), endless=True, when_share=0.3, floor=20 * MS, table=LOGNORMAL, error_ratio=0.02,
            silent_ratio=0.02, timeout=90 * MS, cancel=CANCEL_RUNNING,
        ),
        LOG: StageSpec(
            after=(POOL, OTHERS), wait_for=1, replicas=2, balancing=RANDOM, floor=5 * MS, counts_visits=True,
            cache_keys=50, zipf=0.0, cache_capacity=20, cache_policy=FIFO, cache_shared=True, queue_limit=50,
        ),
    }  # fmt: skip
    classes = (ClassSpec(0.3, level=0, items=20), ClassSpec(0.7, level=2, items=60, table=GAMMA))
    client = ClientSpec(timeout=250 * MS, attempts=2, backoff=20 * MS, jitter=1.0, retry_budget=MILLION // 2)
    rows = [stages[s] for s in range(len(stages))]
    return machine(rows, client, classes, POOL, deadline=600 * MS, zones=3, zone_hop=MS // 5)


def acts() -> list[Act]:
    """Something fails each second."""
    return [
        Act(3_000 * MS, "flush", FEATURES),
        Act(5_000 * MS, "pause", RANK),
        Act(5_150 * MS, "pause", RANK, 0),
        Act(8_000 * MS, "outage", FAR),
        Act(9_000 * MS, "outage", FAR, 0),
        Act(11_000 * MS, "factor", POOL, 4.0),
        Act(11_500 * MS, "factor", POOL, 1.0),
        Act(13_000 * MS, "pause", POOL),
        Act(13_300 * MS, "pause", POOL, 0),
        Act(14_000 * MS, "kill", RANK, place=0),
        Act(14_000 * MS, "kill", POOL, place=0),
        Act(14_000 * MS, "kill", FEATURES, place=2),
        Act(14_500 * MS, "start", POOL, place=4),
        Act(14_500 * MS, "start", RANK, place=5),
        Act(14_500 * MS, "start", FEATURES, place=3),
        Act(15_000 * MS, "drain", POOL, place=4),
        Act(15_000 * MS, "drain", RANK, place=5),
        Act(15_001 * MS, "start", POOL, place=4),
        Act(15_500 * MS, "slow", STORE, 5.0, place=1),
        Act(16_000 * MS, "cut", INNER),
        Act(16_030 * MS, "cut", INNER, 0),
        Act(16_500 * MS, "kill", STORE, place=0),
        Act(16_500 * MS, "kill", STORE, place=1),
        Act(16_500 * MS, "kill", STORE, place=2),
        Act(16_520 * MS, "start", STORE, place=3),
        Act(16_520 * MS, "start", STORE, place=0),
        Act(17_000 * MS, "queue_limit", POOL, 5),
        Act(17_500 * MS, "queue_limit", POOL, 40),
        Act(18_000 * MS, "kill", RANK, place=1),
        Act(18_000 * MS, "start", RANK, place=6),
        Act(18_000 * MS, "hop", STORE, 3 * MS),
    ]


def long_load() -> Load:
    """Twenty thousand requests."""
    profile = Profile((0, 6_000 * MS, 7_000 * MS), (1000.0, 1600.0, 900.0))
    return Load([k * 500 * MS + 17 for k in range(1, 43)], opens=1, closes=40, profile=profile, acts=acts())


@pytest.mark.long
def test_r11_parity_of_twenty_thousand_requests() -> None:
    seen = [run(engine, big(), long_load()) for engine in ENGINES]
    assert_same(*seen)
    assert len(seen[0].ended.number) > 18_000
    assert set(seen[0].trace[:, OUTCOME].tolist()) == set(VisitEnd)
    ends = set(RequestEnd) - {RequestEnd.IN_FLIGHT, RequestEnd.SUPERSEDED}
    assert set(seen[0].ended.outcome.tolist()) == ends, "the load must bring out every end"
    for name in StageTally._fields:
        assert np.sum(getattr(seen[0].tally, name)) > 20, f"{name}: something does not happen"


@cache
def uncut(engine: str) -> Seen:
    return run(engine, big(), Load([400 * MS], profile=Profile.constant(1500.0)))


@pytest.mark.parametrize("engine", ENGINES)
@given(cuts=st.lists(st.integers(0, 400 * MS), max_size=60))
@settings(derandomize=True, max_examples=5, deadline=None)
def test_r6_where_control_looks_changes_nothing(engine: str, cuts: list[int]) -> None:
    whole = uncut(engine)
    cut = run(engine, big(), Load(sorted({*cuts, 400 * MS}), profile=Profile.constant(1500.0)))
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
    load = Load(
        [400 * MS], profile=Profile.constant(3000.0), acts=[Act(100 * MS, "pause", 0), Act(250 * MS, "pause", 0, 0)]
    )
    plenty = run("compiled", big(), load)
    monkeypatch.setattr(requests_compiled, "ROOM", 1)
    monkeypatch.setattr(requests_compiled, "CHUNK", 3)
    tight = run("compiled", big(), load)
    assert_same(tight, plenty)
    assert len(plenty.trace) > 4_000


def test_r11_parity_of_an_idle_machine() -> None:
    """No arrivals: control alone runs, and nothing is counted."""
    load = Load([0, 1, MS])
    seen = [run(engine, machine([StageSpec()]), load) for engine in ENGINES]
    assert_same(*seen)
    assert seen[0].looks[-1][1] == 0
    assert seen[0].trace.shape == (0, len(Visit._fields))


def test_requests_that_nobody_waits_for_leave_no_slots_behind() -> None:
    """A client that gives up before the first answer, for thirty thousand requests: the kernel's pools stay small."""
    stages = [StageSpec(floor=MS, hop=5), StageSpec(after=(0,), floor=MS), StageSpec(within=0, floor=MS, attempts=2)]
    built = machine(stages, ClientSpec(timeout=3))
    _, plane = plane_of("compiled", built, Load([], profile=Profile.constant(500.0)).stream(built), False)
    plane.advance(60_000 * MS)
    assert plane.events > 80_000
    assert len(plane._state.request) == requests_compiled.ROOM  # type: ignore[attr-defined]


def test_slots_come_back_whatever_happens() -> None:
    """After the machine with everything has drained, all pools are free again."""
    times = [k * MS // 2 for k in range(2_000)]
    sessions = [(k // 4 % 5, k % 4) for k in range(2_000)]  # four keystrokes each, five places
    _, plane = plane_of("compiled", big(), Load([], times=times, sessions=sessions).stream(big()), False)
    plane.advance(500 * MS)
    plane.kill(POOL, 0, 500 * MS)
    plane.advance(100_000 * MS)
    st = plane._state  # type: ignore[attr-defined]
    for pool in ("request", "visit", "scope", "event", "timer"):
        assert int(st.clock[f"free_{pool}s"][0]) == len(getattr(st, pool)), pool
    assert plane.waiting().sum() == 0


# -- parts of what is seen ---------------------------------------------------------------------------------------------


def test_r11_tracing_some_requests_shows_the_same_visits() -> None:
    """All of theirs, those under way included, and nobody else's."""
    load = Load([400 * MS], profile=Profile.constant(1500.0))
    whole = run("compiled", big(), load).trace
    chosen = np.array([3, 50, 51, 200, 455, 10_000])
    expected = whole[np.isin(whole[:, 0], chosen)]
    assert len(expected) > 30
    for engine in ENGINES:
        assert run(engine, big(), load, traced=chosen).trace.tolist() == expected.tolist(), engine


@pytest.mark.parametrize("limit", [1, 100, 5_000])
def test_r10_a_limit_of_events_is_reached_at_the_same_event(limit: int) -> None:
    load = Load([400 * MS], profile=Profile.constant(1500.0))
    reached = []
    for engine in ENGINES:
        with pytest.raises(EventLimitReachedError) as caught:
            run(engine, big(), load, limit=limit)
        reached.append(caught.value.at)
    assert reached[0] == reached[1] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_ticks_come_while_events_do(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the wall clock every so many events, as R10's limit of it needs."""
    monkeypatch.setattr(requests_simpy, "TICK", 1_000)
    monkeypatch.setattr(requests_compiled, "TICK", 1_000)
    ticks: list[None] = []
    load = Load([400 * MS], profile=Profile.constant(1500.0))
    seen = run(engine, big(), load, False, tick=lambda: ticks.append(None))
    assert len(ticks) == seen.looks[-1][1] // 1_000 > 2
