"""The rules of `simulator.semantics`, by name: that random runs keep them, and what no single trace can show.

The checker itself is tested in test_invariants, every behaviour by hand in test_behaviours, R11 in test_parity.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked import acts_of, broken, history_of, luck
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import CONSTANT, ENGINES, EXPONENTIAL, LOGNORMAL, MS, Act, Load, Seen, StageSpec, machine, run
from random_machines import FINE as FINE_TICK
from random_machines import coarse_loads, loads, machines
from small_cases import case, stage

from simulator import draws, invariants, invariants_stages
from simulator.history import History
from simulator.machine import (
    ABSENT,
    CANCEL_NONE,
    DRAINING,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    NEVER,
    RANDOM,
    READY,
    ROUND_ROBIN,
    SHARED,
    Machine,
)
from simulator.plan import plan, window
from simulator.plane import StageTally
from simulator.run import simulate
from simulator.semantics import RequestEnd, Visit, VisitEnd, visits
from simulator.visits import Luck
from simulator.workload import SECOND, Profile
from tests.examples import examples

TICK = 1_000
COLUMN = {name: column for column, name in enumerate(Visit._fields)}
REQUEST, VISIT, STAGE = COLUMN["request"], COLUMN["visit"], COLUMN["stage"]
JOIN, START, END, WORKER = COLUMN["join"], COLUMN["start"], COLUMN["end"], COLUMN["worker"]


EPISODES = [
    *(("kill", 1, "start", 1), ("drain", 1, "start", 1), ("drain", 1, "start", 1), ("start", 1, "kill", 1)),
    *(("cut", 1, "cut", 0), ("slow", 3.0, "slow", 1.0)),
]


@st.composite
def eventful(draw: Any, load: Load) -> Load:
    """With more that happens to replicas and links for a while.

    Of one instant, what only sets something comes first, and one act at most moves visits: as `acts.Acts` wants it.
    """
    tick = TICK if load.times else 64 * FINE_TICK
    steps = st.integers(1, 40 if load.times else 80)
    acts = [*load.acts]
    for what, value, then, back in draw(st.lists(st.sampled_from(EPISODES), max_size=8)):
        act = Act(draw(steps) * tick, what, draw(st.integers(0, 5)), value, draw(st.integers(0, 2)))
        acts += [act, act._replace(at=act.at + draw(st.integers(1, 8)) * tick, what=then, value=back)]

    moves = {act.at: act for act in acts if moves_visits(act)}
    load.acts = [*(act for act in acts if not moves_visits(act)), *moves.values()]
    return load


def moves_visits(act: Act) -> bool:
    return act.what in ("start", "kill") or (act.what == "pause" and not act.value)


def batches(built: Machine, s: int) -> bool:
    """Whether a stage may serve its visits together, as the case language says."""
    stage, held = built.stages[s], any(other.hold for other in built.stages if other.caller == s)
    cached = stage.cache_keys or stage.hit_threshold
    return not (cached or held or stage.by_level or stage.silent_threshold or stage.shed_oldest or stage.lifo_above < 9)


@st.composite
def staffed(draw: Any, built: Machine) -> Machine:
    """With a few busy replicas at each stage, or as it is."""
    stages = list(built.stages)
    for s in range(built.client if draw(st.integers(0, 3)) else 0):
        if not stages[s].endless:
            balancing = draw(st.sampled_from([SHARED, RANDOM, ROUND_ROBIN, LEAST_OF, LEAST_OUTSTANDING, HASH]))
            stages[s] = stages[s]._replace(
                balancing=balancing,
                choices=2 * (balancing == LEAST_OF),
                replicas=draw(st.integers(1, 2)),
                places=draw(st.integers(2, 3)),
                zones=draw(st.sampled_from([(), (0, 1)])),
            )
            if batches(built, s) and draw(st.booleans()):
                stages[s] = stages[s]._replace(batch_size=2, batch_wait=3 * TICK)
        caller = stages[stages[s].caller]
        if not stages[s].endless and not caller.endless and caller.batch_size == 1 and draw(st.booleans()):
            stages[s] = stages[s]._replace(hold=1)
    return built._replace(stages=tuple(stages))


FINE = st.tuples(machines().flatmap(staffed), loads().flatmap(eventful))
COARSE = st.tuples(machines(TICK, coarse=True).flatmap(staffed), coarse_loads(TICK).flatmap(eventful))
some_runs = settings(derandomize=True, max_examples=60, deadline=None)


def found(engine: str, built: Machine, load: Load, rule: str = "") -> list[str]:
    """What the checker has to say of a run about one rule, or about all."""
    return [v for v in broken(built, load, run(engine, built, load)) if v.startswith(rule)]


# -- random runs ------------------------------------------------------------------------------------------------------


@examples(300, FINE | COARSE)
def test_random_runs_keep_all_rules(example: tuple[Machine, Load]) -> None:
    assert found("compiled", *example) == []


@examples(240, FINE | COARSE)
def test_random_runs_of_the_reference_keep_all_rules(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example) == []


# Rule by rule, on examples of its own: the one above looks at all of them at once.


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r1_one_end(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R1") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r2_causality(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R2") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r3_capacity(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R3") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r4_work_conserving(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R4") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r5_order(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R5") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r7_second_tries(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R7") == []


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r8_deadlines(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R8") == []


BEHAVIOURS: dict[str, Callable[[Machine], Any]] = {
    **{f"balancing {kind}": lambda m, k=kind: any(s.balancing == k for s in m.stages) for kind in range(6)},
    **{f"cancel {kind}": lambda m, k=kind: any(s.cancel == k for s in m.stages[:-1]) for kind in range(3)},
    "held": lambda m: any(s.hold for s in m.stages),
    "two levels deep": lambda m: any(
        s.caller not in (-1, m.client) and m.stages[s.caller].caller != m.client for s in m.stages
    ),
    "wait_for": lambda m: any(s.wait_for < s.predecessors for s in m.stages),
    "quorum": lambda m: any(s.quorum < s.shards for s in m.stages),
    "late": lambda m: any(s.late_after < NEVER for s in m.stages),
    "share": lambda m: any(s.when_threshold == 1 << 62 for s in m.stages),
    "missed": lambda m: any(s.when_missed >= 0 for s in m.stages),
    "drawn time-out": lambda m: any(s.timeout_table >= 0 for s in m.stages),
    "silent": lambda m: any(s.silent_threshold for s in m.stages),
    "endless": lambda m: any(s.endless for s in m.stages[:-1]),
    "batch": lambda m: any(s.batch_size > 1 for s in m.stages),
    "breaker": lambda m: any(s.breaker_window for s in m.stages),
    "lifo": lambda m: any(s.lifo_above < 9 for s in m.stages),
    "levels": lambda m: any(s.by_level for s in m.stages) and len({kind.level for kind in m.classes}) > 1,
    "shed oldest": lambda m: any(s.shed_oldest and s.queue_limit < 9 for s in m.stages),
    "drop expired": lambda m: any(s.drop_expired for s in m.stages),
    "tokens": lambda m: any(s.admission_interval for s in m.stages),
    "cache by ratio": lambda m: any(s.hit_threshold for s in m.stages),
    "cache by keys, shared": lambda m: any(s.cache_keys and s.cache_shared for s in m.stages),
    "cache by keys, own": lambda m: any(s.cache_keys and not s.cache_shared and s.replicas > 1 for s in m.stages),
    "caches of the same keys": lambda m: (
        len({s.first_key for s in m.stages if s.cache_keys}) < sum(s.cache_keys > 0 for s in m.stages)
    ),
    "coalescing": lambda m: any(s.coalesce for s in m.stages),
    "client retries": lambda m: m.stages[-1].attempts > 1 and m.stages[-1].timeout < NEVER,
    "answer_after": lambda m: m.answer_after >= 0,
    "zones": lambda m: m.zone_hop and any(s.zones and s.balancing != SHARED for s in m.stages),
    "room for more replicas": lambda m: any(s.places > s.replicas for s in m.stages),
    "hot keys": lambda m: any(s.hot_threshold and (s.cache_keys or s.balancing == HASH) for s in m.stages),
    "closed loop": lambda m: m.users.number,
}


@pytest.mark.long
def test_random_machines_show_every_behaviour() -> None:
    """The tests on random machines test something: each behaviour is there."""
    found = Counter[str]()

    @given(machines(), machines(TICK, coarse=True), loads(), coarse_loads(TICK))
    @settings(derandomize=True, max_examples=700, deadline=None)
    def look(fine: Machine, coarse: Machine, load: Load, ticking: Load) -> None:
        for built in (fine, coarse):
            found.update(name for name, has in BEHAVIOURS.items() if has(built))
        found.update({act.what for act in (*load.acts, *ticking.acts)})

    look()
    acts = "pause factor flush slow start drain kill users cut outage hop queue_limit"
    for name in (*BEHAVIOURS, *acts.split()):
        assert found[name] >= 4, f"{name}: {found[name]} of {found.total()}"


def with_dying(h: History, v: Visit) -> bool:
    return h.acts.killed(v) and v.outcome == VisitEnd.FAILED


def own(h: History, v: Visit) -> bool:
    return v.replica >= 0 and h.machine.stages[v.stage].balancing != SHARED and not h.machine.stages[v.stage].endless


def is_factor_of_its_replica(h: History, v: Visit) -> bool:
    slow = {(a.stage, a.place) for a in h.acts.all if a.what == "slow" and a.at <= v.start and a.value != 1}
    return (v.stage, h.acts.place_of(v)) in slow


HAPPENINGS: dict[str, Callable[[History, Visit], Any]] = {
    "killed in its queue": lambda h, v: with_dying(h, v) and v.start < 0,
    "killed in service": lambda h, v: with_dying(h, v) and v.batch < 0 and v.end == v.answer,
    "killed with its batch": lambda h, v: with_dying(h, v) and v.batch >= 0,
    "killed while it calls": lambda h, v: with_dying(h, v) and 0 <= v.end < v.answer,
    "served by a replica that drains": lambda h, v: (
        own(h, v) and v.start >= 0 and h.acts.state(v.stage, v.replica, v.start)[0] == DRAINING
    ),
    "taken by a replica that has just come": lambda h, v: (
        0 <= v.join < v.start and h.acts.state(v.stage, h.acts.place_of(v), v.start) == (READY, v.start)
    ),
    "nobody ready": lambda h, v: v.join >= 0 and not h.can_choose(v.stage, h.arrival_of(v)),
    "lost": lambda h, v: h.lost(v) < h.horizon,
    "crossed": lambda h, v: v.join > h.arrival_of(v),
    "crossed to a replica that has gone": lambda h, v: v.join > h.arrival_of(v) and v.replica < 0,
    "served by a slow replica": is_factor_of_its_replica,
    "sent with changed numbers": lambda h, v: h.acts.numbers(v.stage, v.send) != h.machine.stages[v.stage],
    "superseded": lambda h, v: v.caller < 0 and v.outcome == VisitEnd.CANCELLED,
    "asked in a closed loop": lambda h, v: v.caller < 0 and h.machine.users.number,
}


RARE = ("crossed to a replica that has gone",)  # by hand in `test_behaviours`
OF_CLIENTS = ("superseded", "asked in a closed loop")


@pytest.mark.long
def test_random_runs_show_what_the_world_does() -> None:
    """Events come while somebody is there to feel them."""
    happened = Counter[str]()

    @given(FINE | COARSE)
    @settings(derandomize=True, max_examples=250, deadline=None)
    def look(example: tuple[Machine, Load]) -> None:
        built, load = example
        history = history_of(built, load, run("compiled", built, load))
        for v in history.rows:
            names = OF_CLIENTS if v.stage == built.client else HAPPENINGS
            happened.update(name for name in names if HAPPENINGS[name](history, v))

    look()
    for name in HAPPENINGS:
        assert happened[name] >= 2 or name in RARE, f"{name}: {happened}"


@pytest.mark.long
def test_random_runs_show_every_end() -> None:
    """And each end comes out, and whatever is counted happens, often enough."""
    visit_ends, request_ends, tally = Counter[int](), Counter[int](), Counter[str]()

    @given(FINE | COARSE)
    @settings(derandomize=True, max_examples=300, deadline=None)
    def look(example: tuple[Machine, Load]) -> None:
        built, load = example
        load.opens, load.closes, load.instants = 0, -1, sorted({0, *load.instants})
        seen = run("compiled", built, load)
        visit_ends.update(seen.trace[:, COLUMN["outcome"]].tolist())
        request_ends.update(seen.ended.outcome.tolist())
        tally.update({name: int(np.sum(getattr(seen.tally, name))) for name in StageTally._fields})

    look()
    for end in VisitEnd:
        assert visit_ends[end] > 200, f"{end.name}: {visit_ends}"
    for ending in set(RequestEnd) - {RequestEnd.IN_FLIGHT}:
        assert request_ends[ending] > 30, f"{ending.name}: {request_ends}"
    for name in StageTally._fields:
        assert tally[name] > 5, f"{name}: {tally[name]}"


# -- R6: time ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
@given(FINE | COARSE)
@some_runs
def test_r6_nothing_happens_after_the_end(example: tuple[Machine, Load]) -> None:
    assert found("simpy", *example, "R6") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_r6_time(engine: str) -> None:
    """By hand: at 4 a worker finishes, a visit's time-out of 4 is due and two requests arrive, in this order."""
    built = machine([StageSpec(floor=4, timeout=4, queue_limit=1, cancel=CANCEL_NONE)])
    seen = run(engine, built, Load([30], times=[0, 0, 4, 4]))
    rows = [(v.request, v.start, v.end, v.answer, v.outcome) for v in visits(seen.trace) if v.stage == 0]
    assert rows == [
        (0, 0, 4, 4, VisitEnd.ANSWERED),  # the finish of 4 comes before the time-out of 4
        (1, 4, 8, 4, VisitEnd.EXPIRED),  # the finish first frees its worker, which takes the next; then the time-out
        (2, 8, 12, 8, VisitEnd.EXPIRED),  # arrives at 4 after the queue has emptied
        (3, -1, -1, 4, VisitEnd.REJECTED),  # and fills it
    ]
    assert seen.ended.number.tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_r6_successors_are_sent_in_stage_order_and_the_lowest_free_worker_is_taken(engine: str) -> None:
    built = machine([StageSpec(floor=2), StageSpec(after=(0,), floor=9, concurrency=3), StageSpec(after=(0,), floor=1)])
    trace = run(engine, built, Load([50], times=[0, 1, 3, 13, 15])).trace
    assert trace[:, [REQUEST, VISIT, STAGE]].tolist()[:4] == [[0, 0, 3], [0, 1, 0], [0, 2, 1], [0, 3, 2]]
    assert trace[trace[:, STAGE] == 1][:, WORKER].tolist() == [0, 1, 2, 0, 1]


# -- R9: who is measured ----------------------------------------------------------------------------------------------


CONTENDED = (
    stage(
        "front",
        "{kind: lognormal, mean: 2 ms, cv: 1}",
        replicas=2,
        concurrency=2,
        balancing="least_of 2",
        queue="{limit: 0}",
    ),
    stage(
        "back",
        "{kind: exponential, mean: 4 ms}",
        after="[front]",
        replicas=2,
        concurrency=2,
        balancing="random",
        hop="0.5 ms",
        timeout="40 ms",
    ),
)


@pytest.mark.parametrize("asked", [{"requests": 700}, {"duration": 0.9}])
@pytest.mark.parametrize("warm_up", ["", "run: {warm_up: 0.4 s}", "run: {warm_up: 0 s}"])
def test_r9_measurement(asked: dict[str, Any], warm_up: str) -> None:
    """All figures of a result against the trace of the reference plane, computed here in another way."""
    opened = case(*CONTENDED, rate="900 request/s", extra=warm_up)
    planned = plan(opened, seed=3, replications=1, **asked)
    result = simulate(planned, "simpy")
    measured = window(planned.load, planned.run, 0)
    stop = measured.end + 2 * SECOND
    seen = run("simpy", planned.network.machine, Load([stop], profile=planned.load, seed=3))
    if "requests" in asked:
        assert result.requests["offered"] == 700
    ours = (seen.ended.number >= measured.first) & (seen.ended.number < measured.last)
    assert ours.sum() == result.requests["offered"] == measured.last - measured.first
    for end in (RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT):
        assert result.requests[end.name.lower()] == (seen.ended.outcome[ours] == end).sum() > 0
    completed = ours & (seen.ended.outcome == RequestEnd.COMPLETED)
    latencies = np.sort(seen.ended.end[completed] - seen.ended.arrival[completed]) / MS
    assert result.latency_ms["mean"].value == pytest.approx(latencies.mean(), rel=1e-12)
    rank = math.ceil(0.5 * ours.sum())
    assert result.latency_ms["p50"].value == pytest.approx(latencies[rank - 1], rel=0.0005)
    assert result.latency_ms["p999"].value is None, "more than one in a thousand got no answer"
    span = measured.end - measured.start
    for s, shown in enumerate(result.stages.values()):
        visits = seen.trace[seen.trace[:, STAGE] == s]
        started = visits[visits[:, START] >= 0].copy()
        started[started[:, END] < 0, END] = stop  # in service to the end
        inside = np.clip(started[:, END], measured.start, measured.end) - np.clip(
            started[:, START], measured.start, measured.end
        )
        assert shown.utilisation == pytest.approx(inside.sum() / span / 4, rel=1e-12)
        joined = visits[(visits[:, JOIN] >= measured.start) & (visits[:, JOIN] < measured.end)]
        assert shown.arrivals_per_s == pytest.approx(len(joined) / span * SECOND, rel=1e-12)
        served = joined[joined[:, START] >= 0]
        waits = served[:, START] - served[:, JOIN]
        assert len(served) > 300
        assert shown.wait_mean_ms == pytest.approx(waits.mean() / MS, rel=1e-12)
        assert shown.service_mean_ms == pytest.approx((served[:, END] - served[:, START]).mean() / MS, rel=1e-12)
        p99 = np.sort(waits)[math.ceil(0.99 * len(waits)) - 1] / MS
        assert shown.wait_p99_ms == pytest.approx(p99, rel=0.0005)
        queued = np.clip(started[:, START], measured.start, measured.end) - np.clip(
            started[:, JOIN], measured.start, measured.end
        )
        assert shown.queue_mean == pytest.approx(queued.sum() / span, rel=1e-12)


def test_r9_fast_rejections_do_not_improve_the_percentile() -> None:
    """Half of the requests are turned away at once: no percentile has a value, and the objective is missed."""
    opened = case(
        stage(queue="{limit: 0}"),
        rate="1.2 request/s",
        extra="objectives:\n  - {metric: latency, percentile: 95, at_most: 3600 s}",
    )
    result = simulate(plan(opened, requests=5_000, replications=2))
    assert result.requests["rejected"] > 0.5 * result.requests["offered"]
    assert [result.latency_ms[p].value for p in ("p50", "p95", "p99")] == [None, None, None]
    assert result.objectives[0].met is False
    assert result.latency_ms["mean"].value == pytest.approx(1000, rel=0.1), "of the answered ones"


@pytest.mark.parametrize("engine", ENGINES)
def test_r9_drain_limit(engine: Any) -> None:
    """Overloaded tenfold: the run ends `drain` after its window, the rest is in flight, and nothing is lost."""
    opened = case(stage(service="{kind: constant, mean: 1 s}"), rate="10 request/s")
    result = simulate(plan(opened, requests=200, replications=1, drain=5.0), engine)
    counts = dict(result.requests)
    assert counts.pop("offered") == sum(counts.values()) == 200
    assert counts["in_flight"] > 150
    longer = simulate(plan(opened, requests=200, replications=1, drain=1_000.0), engine)
    assert longer.requests["completed"] == 200


# -- R10 to R13 -------------------------------------------------------------------------------------------------------


def test_r10_determinism() -> None:
    opened = case(*CONTENDED, rate="600 request/s")
    planned = plan(opened, requests=500, replications=3, seed=5)
    shown = {
        engine: [json.dumps(simulate(planned, engine).as_json()) for _ in range(2)] for engine in ("simpy", "compiled")
    }  # type: ignore[arg-type]
    for engine, (first, second) in shown.items():
        assert first == second, engine
    assert shown["simpy"][0].replace('"engine": "simpy"', '"engine": "compiled"') == shown["compiled"][0]
    assert planned.key == plan(opened, requests=500, replications=3, seed=5).key
    others = [
        plan(opened, requests=500, replications=3, seed=6),
        plan(opened, requests=501, replications=3, seed=5),
        plan(opened, requests=500, replications=4, seed=5),
        plan(case(*CONTENDED, rate="601 request/s"), requests=500, replications=3, seed=5),
    ]
    assert len({planned.key, *(p.key for p in others)}) == 5
    other_seed = simulate(others[0]).as_json()
    assert other_seed["latency_ms"] != json.loads(shown["compiled"][0])["latency_ms"]


def test_r10_a_replication_does_not_depend_on_how_many_follow() -> None:
    """Replication 1 of 1 is replication 1 of 3."""
    opened = case(*CONTENDED, rate="600 request/s")
    alone = simulate(plan(opened, requests=300, replications=1))
    three = simulate(plan(opened, requests=300, replications=3))
    assert alone.timeline is not None
    assert three.timeline is not None
    assert alone.timeline.percentiles == three.timeline.percentiles


# -- R12: Little ------------------------------------------------------------------------------------------------------


@given(FINE | COARSE)
@some_runs
def test_r12_little(example: tuple[Machine, Load]) -> None:
    """An identity in whole nanoseconds: the plane's integrals are what visits and workers spend, unfinished too."""
    built, load = example
    for engine in ENGINES:
        seen = run(engine, built, load)
        history = history_of(built, load, seen)
        for s, (spans, integral) in itertools.product(range(built.client), ((waits, 4), (services, 5), (shifts, 6))):
            spent = spans(history, s)
            for begin, end in itertools.pairwise(seen.looks if spent is not None else []):
                inside = (max(0, min(until, end[0]) - max(since, begin[0])) for since, until in spent or [])
                assert end[integral][s] - begin[integral][s] == sum(inside)


Spans = list[tuple[int, int]]  # from, to


def waits(history: History, stage: int) -> Spans | None:
    """When visits wait at a stage; None where a trace does not tell when all of them left their queue."""
    queues = [queue for (s, _), queue in invariants_stages._waits(history).items() if s == stage]
    if any(w.until != w.at_most for queue in queues for w in queue):
        return None
    return [(w.visit.join, w.until) for queue in queues for w in queue]


def services(history: History, stage: int) -> Spans:
    """When workers are busy."""
    served = [v for v in history.rows if v.stage == stage and v.start >= 0]
    return [(v.start, given_back(v)) for v in served if v.batch in (-1, v.request << 16 | v.visit)]


def given_back(v: Visit) -> int:
    """When its worker was, or NEVER."""
    return NEVER if v.free < 0 else v.free


def shifts(history: History, stage: int) -> Spans | None:
    """When workers are there; None where a trace does not tell when a replica that drained was done."""
    numbers, found = history.machine.stages[stage], []
    if numbers.endless:
        return []
    for place in range(numbers.places):
        for (since, state), (until, _) in history.acts.changes(stage, place):
            if state == READY:
                found += [(since, until)] * numbers.concurrency
            elif state == DRAINING and numbers.balancing == SHARED:  # each worker until it has done what it is at
                mine = [v for v in history.rows if v.stage == stage and history.acts.place_of(v) == place]
                at_work = {v.worker: given_back(v) for v in mine if v.start < since <= given_back(v)}
                found += [(since, min(free, until)) for free in at_work.values()]
            elif state == DRAINING:
                done = history.works_until(stage, place, since)
                if done is None:
                    return None
                found += [(since, min(done, until))] * numbers.concurrency
    return found


# -- R13: service -----------------------------------------------------------------------------------------------------


def exact_moments(table: np.ndarray) -> tuple[float, float]:
    """Mean and cv of a quantile table, integrated exactly over its straight pieces and its clipped tails."""
    edges = draws._edges()
    width, tail = np.diff(edges), 2.0 ** -(draws.OCTAVES + 1)
    mean = square = 0.0
    for side in (table[: draws.EDGES], table[draws.EDGES :]):
        low, high = side[:-1], side[1:]
        mean += float((width * (low + high) / 2).sum()) + tail * side[0]
        square += float((width * (low * low + low * high + high * high) / 3).sum()) + tail * side[0] ** 2
    return mean, math.sqrt(square - mean * mean)


CVS = [
    *(("exponential", 1.0, lambda _: draws.exponential_table()),),
    *(("lognormal", cv, draws.lognormal_table) for cv in (0.1, 0.5, 1.0, 2.0, 3.0)),
    *(("gamma", cv, draws.gamma_table) for cv in (0.1, 0.5, 1.0, 2.0)),
]


@pytest.mark.parametrize(("kind", "cv", "made"), CVS)
def test_r13_service(kind: str, cv: float, made: Callable[[float], np.ndarray]) -> None:
    """The unit has mean 1 and the declared cv, by exact integration of its table and as sampled."""
    table = made(cv)
    mean, spread = exact_moments(table)
    assert mean == pytest.approx(1.0, abs=1e-9)
    assert spread == pytest.approx(cv, rel=3e-5)
    keys = draws.root_keys(7, 0, 0, np.arange(1_000_000))
    sampled = draws.quantiles(table, draws.mix_many(keys, draws.SERVICE))
    assert sampled.mean() == pytest.approx(1.0, abs=5 * cv / 1_000)
    assert (sampled >= 0).all()
    if cv <= 1:
        assert sampled.std() == pytest.approx(cv, rel=0.02)


def test_r13_a_lognormal_declared_with_mean_10_ms_has_mean_10_ms() -> None:
    """A neighbour's sampled at 1,010 ms: mean and variance handed to a function that wants mu and sigma."""
    opened = case(stage(service="{kind: lognormal, mean: 10 ms, cv: 1.5}", concurrency=50), rate="500 request/s")
    planned = plan(opened, requests=100_000, replications=1)
    assert simulate(planned).stages["server"].service_mean_ms == pytest.approx(10.0, abs=5 * 15 / math.sqrt(100_000))
    trace = run("compiled", planned.network.machine, Load([100 * SECOND], profile=planned.load)).trace
    service = (trace[:, END] - trace[:, START])[trace[:, END] >= 0] / MS
    assert service.mean() == pytest.approx(10.0, rel=0.05)
    assert service.std() == pytest.approx(15.0, rel=0.1)


@given(FINE | COARSE)
@some_runs
def test_r13_every_service_time_is_its_formula(example: tuple[Machine, Load]) -> None:
    """unit x (floor + per_item x items) x factors, rounded, at least 1 ns; or the hit time. All as at the start.

    Computed here in plain Python, keys and all; items where they are a class's own, shared out.
    """
    built, load = example
    seen = run("simpy", built, load)
    history = history_of(built, load, seen)
    roots = root_keys(built, load, seen)
    items_of = Luck(built, np.array(roots, dtype=np.uint64)).items
    keys: dict[tuple[int, int], int] = {}
    carried: dict[tuple[int, int], int | None] = {}
    together: dict[tuple[int, int], list[int | None]] = defaultdict(list)
    for v in history.rows:
        built_as = built.stages[v.stage]
        word = draws.visit_word(built_as.name_hash, v.shard, v.attempt, v.copy)
        above = roots[v.request] if v.caller < 0 else keys[v.request, v.caller]
        keys[v.request, v.visit] = above if v.visit == 0 else draws.mix(above, word)
        items = items_of[v.request] if v.caller < 0 else carried[v.request, v.caller]
        known = items is not None and not built_as.predecessors
        carried[v.request, v.visit] = -(-items // built_as.shards) if known else None
        together[v.stage, v.batch if v.batch >= 0 else v.request << 16 | v.visit].append(carried[v.request, v.visit])
    for v in history.rows:
        numbers, identity = history.acts.numbers(v.stage, v.start), v.request << 16 | v.visit
        finished = v.outcome in (VisitEnd.ANSWERED, VisitEnd.FAILED) and 0 <= v.start < v.end < history.acts.death(v)
        if not finished or v.batch not in (-1, identity):
            continue  # members of a batch share the first one's draw
        members = together[v.stage, identity]
        if numbers.per_item and not numbers.counts_visits and None in members:
            continue
        many = len(members) if numbers.counts_visits else sum(one or 0 for one in members)
        key = keys[v.request, v.visit]
        unit = draws.quantile(built.tables[numbers.table], draws.mix(key, draws.SERVICE))
        work = unit * (float(numbers.floor) + float(numbers.per_item) * float(many)) * factor(history, v.stage, v.start)
        times = [max(1, math.floor(work * slow + 0.5)) for slow in slowness(history, v)]
        if numbers.cache_keys:
            times.append(numbers.hit_time)
        elif v.batch < 0 and draws.mix(key, draws.CACHE) >> 1 < numbers.hit_threshold:
            times = [numbers.hit_time]
        assert v.end - v.start in times


def root_keys(built: Machine, load: Load, seen: Seen) -> list[int]:
    """Of a load's requests."""
    users = luck(built, load)
    if users is not None:
        ends = dict(zip(seen.ended.number.tolist(), seen.ended.end.tolist(), strict=True))
        return [key for _, key in invariants.asked(built, ends, acts_of(built, load), users, seen.horizon)]
    return draws.root_keys(load.seed, 0, 0, np.arange(len(np.unique(seen.trace[:, REQUEST])))).tolist()


def factor(history: History, stage: int, at: int) -> float:
    """Of a stage at an instant."""
    said = [act.value for act in history.acts.all if act.what == "factor" and act.stage == stage and act.at <= at]
    return said[-1] if said else 1.0


def slowness(history: History, v: Visit) -> set[float]:
    """Of the replica that serves a visit; one that comes is as fast as it was built, if it had gone before."""
    place, slow = history.acts.place_of(v), {1.0}
    for act in history.acts.all:
        if act.at > v.start or (act.stage, act.place) != (v.stage, place):
            continue
        if act.what == "slow":
            slow = {act.value}
        elif act.what == "start":
            state, _ = history.acts.state(v.stage, place, act.at - 1)
            slow = {1.0} if state == ABSENT else slow if state == READY else slow | {1.0}
    return slow


@pytest.mark.parametrize("engine", ENGINES)
def test_r13_at_least_a_nanosecond_and_never_past_the_end_of_time(engine: str) -> None:
    """A service of nothing takes 1 ns; one of centuries is cut, and does not overflow into the past."""
    nothing = StageSpec(floor=0, per_item=MS, table=CONSTANT)
    trace = run(engine, machine([nothing]), Load([100], times=[0, 10])).trace
    served = trace[trace[:, STAGE] == 0]
    assert (served[:, END] - served[:, START]).tolist() == [1, 1]
    forever = StageSpec(floor=1 << 60, table=EXPONENTIAL)
    seen = run(engine, machine([forever]), Load([1 << 58], times=[0]))
    assert seen.trace[1, END] == -1
    assert seen.looks[-1][5] == [1 << 58]


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_r13_hit_ratio(ratio: float) -> None:
    spec = StageSpec(floor=5 * MS, hit_ratio=ratio, hit_time=3, concurrency=40, table=LOGNORMAL, balancing=SHARED)
    trace = run("compiled", machine([spec]), Load([100 * SECOND], profile=Profile.constant(200.0))).trace
    done = trace[trace[:, END] >= 0]
    hits = (done[:, END] - done[:, START] == 3).mean()
    assert hits == pytest.approx(ratio, abs=5 * 0.5 / math.sqrt(len(done)))
    assert hits == ratio or 0 < ratio < 1
