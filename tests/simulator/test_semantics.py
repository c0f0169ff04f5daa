"""The rules of `simulator.semantics`, by name: that runs keep them, and that the checker sees when they do not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import (
    CONSTANT,
    ENGINES,
    EXPONENTIAL,
    LOGNORMAL,
    MS,
    Load,
    Seen,
    StageSpec,
    coarse_loads,
    loads,
    machine,
    machines,
    run,
)
from small_cases import case, stage

from simulator import draws
from simulator.network import LEAST_OF, PASS_ON, ROUND_ROBIN, SHARED, Machine
from simulator.plan import plan, window
from simulator.run import simulate
from simulator.semantics import RequestEnd, VisitEnd, violations
from simulator.workload import SECOND, Profile

TICK = 1_000
REQUEST, VISIT, STAGE, SEND, JOIN, START, END, WORKER, OUTCOME = range(9)
FINE = st.tuples(machines(), loads())
COARSE = st.tuples(machines(TICK, coarse=True), coarse_loads(TICK))
some_runs = settings(derandomize=True, max_examples=80, deadline=None)


def broken(built: Machine, seen: Seen, rule: str) -> list[str]:
    """What the checker has to say about one rule."""
    said = violations(built, seen.trace, seen.ended, seen.horizon)
    assert all(v[:2] == "R" + v[1] for v in said)
    return [v for v in said if v.startswith(rule)]


# -- a busy run, and ways to spoil it ---------------------------------------------------------------------------------


def busy() -> Machine:
    """Two queues that overflow and wait, one shared; hops, a time-out."""
    return machine(
        [
            StageSpec(floor=2 * TICK, concurrency=2, queue_limit=5),
            StageSpec(after=(0,), floor=3 * TICK, concurrency=2, hop=TICK, timeout=9 * TICK),
            StageSpec(after=(0,), floor=2 * TICK, replicas=2, balancing=ROUND_ROBIN, queue_limit=2),
        ],
        client_timeout=40 * TICK,
    )


def busy_run() -> Seen:
    times = [t * TICK for t in (0, 0, 0, 1, 1, 1, 1, 1, 1, 4, 6, 6, 6, 6, 9, 11, 12, 12, 12, 20, 30, 31, 59)]
    return run("simpy", busy(), Load([60 * TICK], times=times))


Spoil = Callable[[np.ndarray], tuple[np.ndarray, int, int]]  # which rows, which column, what to add


def waited(trace: np.ndarray, stage: int) -> np.ndarray:
    return (trace[:, STAGE] == stage) & (trace[:, START] > trace[:, JOIN])


SPOILS: dict[str, tuple[str, Spoil]] = {
    "joins before its hop ends": ("R2", lambda t: (t[:, STAGE] == 1, JOIN, -1)),
    "starts before it joins": ("R2", lambda t: ((t[:, STAGE] == 2) & (t[:, START] == t[:, JOIN]), START, -1)),
    "takes no time": ("R2", lambda t: ((t[:, STAGE] == 2) & (t[:, END] >= 0), END, -2 * TICK)),
    "is sent before its predecessor ends": ("R2", lambda t: (t[:, STAGE] == 2, SEND, -TICK)),
    "expires early": (
        "R2",
        lambda t: (
            (t[:, OUTCOME] == VisitEnd.ANSWERED) & (t[:, STAGE] == 0),
            OUTCOME,
            VisitEnd.EXPIRED - VisitEnd.ANSWERED,
        ),
    ),
    "answers after its time-out": (
        "R2",
        lambda t: (t[:, OUTCOME] == VisitEnd.EXPIRED, OUTCOME, VisitEnd.ANSWERED - VisitEnd.EXPIRED),
    ),
    "is open though it ended": ("R1", lambda t: (t[:, OUTCOME] == VisitEnd.ANSWERED, OUTCOME, -1)),
    "is answered and rejected": (
        "R1",
        lambda t: ((t[:, OUTCOME] == VisitEnd.ANSWERED) & (t[:, STAGE] == 2), OUTCOME, 1),
    ),
    "goes twice to a stage": ("R1", lambda t: ((t[:, STAGE] == 2) & (t[:, END] >= 0), STAGE, -1)),
    "shares a worker": ("R3", lambda t: ((t[:, STAGE] == 0) & (t[:, WORKER] == 1), WORKER, -1)),
    "waits beside an idle worker": ("R4", lambda t: (waited(t, 0), START, TICK // 2)),
    "waits though nobody is served": ("R4", lambda t: ((t[:, STAGE] == 2) & (t[:, START] == t[:, JOIN]), START, 1)),
    "overtakes": ("R5", lambda t: (waited(t, 0), JOIN, -3 * TICK)),
    "comes after the end": ("R6", lambda t: (t[:, END] == -1, SEND, 10**9)),
}


def test_the_busy_run_is_busy_and_clean() -> None:
    seen = busy_run()
    assert violations(busy(), seen.trace, seen.ended, seen.horizon) == []
    assert set(seen.trace[:, OUTCOME].tolist()) == set(VisitEnd)
    assert set(seen.ended.outcome.tolist()) == {RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT}


@pytest.mark.parametrize("name", SPOILS)
def test_the_checker_sees_a_visit_that(name: str) -> None:
    """Each row that can be spoiled in this way is, alone; the rule's name must come up for one of them at least, and
    for none may the checker stay silent."""
    rule, spoil = SPOILS[name]
    seen = busy_run()
    rows, column, add = spoil(seen.trace)
    assert rows.any(), "the busy run has no such visit"
    said = []
    for row in np.flatnonzero(rows):
        trace = seen.trace.copy()
        trace[row, column] += add
        said.append(violations(busy(), trace, seen.ended, seen.horizon))
        assert said[-1], f"nobody noticed row {row}"
    assert any(v.startswith(rule) for found in said for v in found), said[0]


@pytest.mark.parametrize("column", ["number", "end", "outcome"])
def test_the_checker_sees_a_request_that_ended_otherwise(column: str) -> None:
    seen = busy_run()
    for row in range(len(seen.ended.number)):
        values = getattr(seen.ended, column).copy()
        values[row] = {"number": values[row - 1], "end": values[row] + 1, "outcome": values[row] % 4 + 1}[column]
        if column == "outcome" and {values[row], getattr(seen.ended, column)[row]} == {
            RequestEnd.REJECTED,
            RequestEnd.TIMED_OUT,
        }:
            continue
        said = violations(busy(), seen.trace, seen.ended._replace(**{column: values}), seen.horizon)
        assert any(v.startswith(("R1", "R2")) for v in said), (row, said)


# -- the rules of a run -----------------------------------------------------------------------------------------------


@given(FINE | COARSE)
@some_runs
def test_r1_one_end(example: tuple[Machine, Load]) -> None:
    built, load = example
    seen = run("simpy", built, load)
    assert broken(built, seen, "R1") == []
    assert len(set(seen.ended.number.tolist())) == len(seen.ended.number)
    sent = set(seen.trace[:, REQUEST].tolist())
    assert set(seen.ended.number.tolist()) <= sent, "no request ends that was never sent"


@given(FINE | COARSE)
@some_runs
def test_r2_causality(example: tuple[Machine, Load]) -> None:
    built, load = example
    assert broken(built, run("simpy", built, load), "R2") == []


@given(FINE | COARSE)
@some_runs
def test_r3_capacity(example: tuple[Machine, Load]) -> None:
    built, load = example
    seen = run("simpy", built, load)
    assert broken(built, seen, "R3") == []
    served = seen.trace[seen.trace[:, WORKER] >= 0]
    assert (served[:, WORKER] < built.workers()[served[:, STAGE]]).all()


@given(FINE | COARSE)
@some_runs
def test_r4_work_conserving(example: tuple[Machine, Load]) -> None:
    built, load = example
    assert broken(built, run("simpy", built, load), "R4") == []


@given(FINE | COARSE)
@some_runs
def test_r5_order(example: tuple[Machine, Load]) -> None:
    built, load = example
    assert broken(built, run("simpy", built, load), "R5") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_r6_time(engine: str) -> None:
    """By hand: at 4 a worker finishes, a visit's time-out of 4 is due and two requests arrive, in this order."""
    built = machine([StageSpec(floor=4, timeout=4, queue_limit=1)])
    seen = run(engine, built, Load([30], times=[0, 0, 4, 4]))
    rows = [tuple(row[[REQUEST, START, END, OUTCOME]]) for row in seen.trace]
    assert rows == [
        (0, 0, 4, VisitEnd.ANSWERED),  # the finish of 4 comes before the time-out of 4
        (1, 4, 8, VisitEnd.EXPIRED),  # the finish first frees its worker, which takes the next; then the time-out
        (2, 8, 12, VisitEnd.EXPIRED),  # arrives at 4 after the queue has emptied
        (3, -1, 4, VisitEnd.REJECTED),  # and fills it
    ]
    assert seen.ended.number.tolist() == [0, 1, 3, 2]
    assert broken(built, seen, "R6") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_r6_successors_are_sent_in_stage_order_and_the_lowest_free_worker_is_taken(engine: str) -> None:
    built = machine([StageSpec(floor=2), StageSpec(after=(0,), floor=9, concurrency=3), StageSpec(after=(0,), floor=1)])
    trace = run(engine, built, Load([50], times=[0, 1, 3, 13, 15])).trace
    assert trace[:, [REQUEST, VISIT, STAGE]].tolist()[:3] == [[0, 1, 0], [0, 2, 1], [0, 3, 2]]
    assert trace[trace[:, STAGE] == 1][:, WORKER].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("engine", ENGINES)
def test_balancing_by_hand(engine: str) -> None:
    """Round robin goes in turn; least_of with as many draws as it takes finds the emptier replica."""
    times = [0, 0, 0, 0, 0]
    turn = run(engine, machine([StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=5)]), Load([90], times=times)).trace
    assert turn[:, WORKER].tolist() == [0, 1, 0, 1, 0]
    many = run(
        engine, machine([StageSpec(replicas=2, balancing=LEAST_OF, choices=30, floor=5)]), Load([90], times=times)
    ).trace
    first, second, *others = many[:, WORKER].tolist()
    assert {first, second} == {0, 1}
    assert set(others[:2]) == {0, 1}


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
    measured = window(planned.network.profile, planned.run, 0)
    stop = measured.end + 2 * SECOND
    seen = run("simpy", planned.network.machine, Load([stop], profile=planned.network.profile, seed=3))
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


# R11 is tested in test_parity.


@given(FINE | COARSE)
@some_runs
def test_r12_little(example: tuple[Machine, Load]) -> None:
    """An identity in whole nanoseconds: the plane's integrals are what the visits spend, unfinished ones included."""
    built, load = example
    for engine in ENGINES:
        seen = run(engine, built, load)
        for begin, end in zip(seen.looks, seen.looks[1:], strict=False):
            waiting, busy = visit_time(seen, begin[0], end[0], built.stages)
            assert [b - a for a, b in zip(begin[4], end[4], strict=True)] == waiting
            assert [b - a for a, b in zip(begin[5], end[5], strict=True)] == busy


def visit_time(seen: Seen, begin: int, end: int, stages: int) -> tuple[list[int], list[int]]:
    """Time that the visits of each stage spend waiting and in service between two instants, from the trace."""
    waiting, busy = [0] * stages, [0] * stages
    for row in seen.trace.tolist():
        _, _, s, _, join, start, finish, _, _ = row
        if join < 0 or (start < 0 and finish >= 0):
            continue  # never came, or was turned away
        until = seen.horizon if start < 0 else start
        waiting[s] += max(0, min(until, end) - max(join, begin))
        if start >= 0:
            busy[s] += max(0, min(seen.horizon if finish < 0 else finish, end) - max(start, begin))
    return waiting, busy


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
    trace = run("compiled", planned.network.machine, Load([100 * SECOND], profile=planned.network.profile)).trace
    service = (trace[:, END] - trace[:, START])[trace[:, END] >= 0] / MS
    assert service.mean() == pytest.approx(10.0, rel=0.05)
    assert service.std() == pytest.approx(15.0, rel=0.1)


@given(machines(), loads())
@some_runs
def test_r13_every_service_time_is_its_formula(built: Machine, load: Load) -> None:
    """unit x (floor + per_item x items), rounded, at least 1 ns; or the hit time. Computed here in plain Python."""
    items = [0] * built.stages
    for s in range(built.stages):
        given = items[s] if built.gives[s] == PASS_ON else int(built.gives[s])
        for successor in built.successors[built.first_successor[s] : built.first_successor[s + 1]]:
            items[successor] += min(given, int(built.keeps[s]))
    seen = run("simpy", built, load)
    for row in seen.trace[(seen.trace[:, START] >= 0) & (seen.trace[:, END] >= 0)].tolist():
        s = row[STAGE]
        key = draws.mix(int(draws.root_keys(load.seed, 0, 0, np.array([row[REQUEST]]))[0]), int(built.name_hash[s]))
        if draws.mix(key, draws.CACHE) >> 1 < built.hit_threshold[s]:
            expected = int(built.hit_time[s])
        else:
            work = float(int(built.floor[s]) + int(built.per_item[s]) * items[s])
            unit = draws.quantile(built.tables[built.table[s]], draws.mix(key, draws.SERVICE))
            expected = max(1, math.floor(unit * work + 0.5))
        assert row[END] - row[START] == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_r13_at_least_a_nanosecond_and_never_past_the_end_of_time(engine: str) -> None:
    """A service of nothing takes 1 ns; one of centuries is cut, and does not overflow into the past."""
    nothing = StageSpec(floor=0, per_item=MS, table=CONSTANT)
    trace = run(engine, machine([nothing]), Load([100], times=[0, 10])).trace
    assert (trace[:, END] - trace[:, START]).tolist() == [1, 1]
    hit = StageSpec(hit_ratio=1.0, hit_time=0)
    trace = run(engine, machine([hit]), Load([100], times=[0, 10])).trace
    assert (trace[:, END] - trace[:, START]).tolist() == [1, 1]
    forever = StageSpec(floor=1 << 60, table=EXPONENTIAL)
    seen = run(engine, machine([forever]), Load([1 << 58], times=[0]))
    assert seen.trace[0, END] == -1
    assert seen.looks[-1][5] == [1 << 58]


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_r13_hit_ratio(ratio: float) -> None:
    spec = StageSpec(floor=5 * MS, hit_ratio=ratio, hit_time=3, concurrency=40, table=LOGNORMAL, balancing=SHARED)
    trace = run("compiled", machine([spec]), Load([100 * SECOND], profile=Profile.constant(200.0))).trace
    done = trace[trace[:, END] >= 0]
    hits = (done[:, END] - done[:, START] == 3).mean()
    assert hits == pytest.approx(ratio, abs=5 * 0.5 / math.sqrt(len(done)))
    assert hits == ratio or 0 < ratio < 1


def test_r13_items_are_what_the_stages_before_give_and_keep() -> None:
    """30 + min(50, 20) candidates, 2 us each, on a base of 10 us."""
    stages = [
        StageSpec(gives=30, floor=1),
        StageSpec(gives=50, keeps=20, floor=1),
        StageSpec(after=(0, 1), floor=10_000, per_item=2_000, concurrency=9),
    ]
    trace = run("simpy", machine(stages), Load([SECOND], times=[5, 6])).trace
    last = trace[trace[:, STAGE] == 2]
    assert (last[:, END] - last[:, START]).tolist() == [110_000, 110_000]
    passed_on = [*stages, dataclasses.replace(stages[2], after=(2,), floor=0)]
    trace = run("simpy", machine(passed_on), Load([SECOND], times=[5])).trace
    assert trace[trace[:, STAGE] == 3][0, END] - trace[trace[:, STAGE] == 3][0, START] == 100_000
