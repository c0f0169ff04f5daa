"""A plain network has a kernel of its own, out of the same text: it does what the full one does, and the reference."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import CONSTANT, GAMMA, MS, ClassSpec, ClientSpec, Load, StageSpec, assert_same, machine, run

from cases.files import loads
from simulator import kernel_plain, kernel_state, requests_compiled
from simulator.control import environment, is_still
from simulator.machine import (
    LEAST_OF,
    LEAST_OUTSTANDING,
    NEVER,
    RANDOM,
    ROUND_ROBIN,
    SHARED,
    Machine,
)
from simulator.plan import plan
from simulator.requests_compiled import CompiledRequests
from simulator.workload import Profile


@st.composite
def plain_machines(draw: st.DrawFn, tick: int = MS // 8) -> Machine:
    """Up to six stages after one another in any order without a circle, of any balancing."""
    stages: list[StageSpec] = []
    for index in range(draw(st.integers(1, 6))):
        balancing = draw(st.sampled_from([SHARED, RANDOM, ROUND_ROBIN, LEAST_OF, LEAST_OUTSTANDING]))
        stages.append(
            StageSpec(
                after=tuple(sorted(draw(st.sets(st.integers(0, index - 1), max_size=3)))) if index else (),
                replicas=draw(st.integers(1, 4)),
                concurrency=draw(st.integers(1, 3)),
                endless=draw(st.integers(0, 7)) == 0,
                balancing=balancing,
                choices=2 if balancing == LEAST_OF else 0,
                floor=draw(st.integers(1, 12)) * tick,
                per_item=draw(st.sampled_from([0, tick // 4])),
                table=draw(st.integers(CONSTANT, GAMMA)),
            )
        )
    return machine(
        stages, classes=(ClassSpec(items=draw(st.integers(0, 9)), table=draw(st.integers(CONSTANT, GAMMA))),)
    )


@st.composite
def plain_loads(draw: st.DrawFn, tick: int = MS // 8) -> Load:
    """At random, at any rate; or at times of a coarse clock, so that much happens at once."""
    seed = draw(st.integers(0, 1 << 30))
    instants = sorted(draw(st.sets(st.integers(1, 400), min_size=1, max_size=4)))
    instants = [instant * MS for instant in instants]
    if draw(st.booleans()):
        return Load(instants, profile=Profile.constant(float(draw(st.integers(50, 2_000)))), seed=seed)
    times = sorted(tick * draw(st.integers(0, 40)) for _ in range(draw(st.integers(1, 40))))
    return Load(instants, times=times, seed=seed)


@given(plain_machines(), plain_loads(), st.sampled_from([1, 16]))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_both_kernels_and_the_reference_do_the_same(built: Machine, load: Load, walked: int) -> None:
    """Whether the least outstanding is found by looking at all, or in a tournament."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_state, "WALKED", walked)
        assert is_plain(built)
        plain, full = (run("compiled", built, load, keep_trace=False, still=still) for still in (True, False))
    assert_same(plain, full)
    assert_same(plain, run("simpy", built, load, keep_trace=False))


def test_its_pools_grow_as_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_compiled, "ROOM", 1)
    built = machine([StageSpec(floor=9 * MS), StageSpec(after=(0,)), StageSpec(after=(0,)), StageSpec(after=(1, 2))])
    load = Load([100 * MS, 400 * MS], profile=Profile.constant(1_000.0), seed=1)
    plain = run("compiled", built, load, keep_trace=False, still=True)
    assert_same(plain, run("simpy", built, load, keep_trace=False))


def is_plain(built: Machine) -> bool:
    """Whether the kernel takes it for plain."""
    return kernel_plain.is_plain(kernel_state.state(built, False, None, 16))


EDGES = {
    "retries": {"attempts": 2}, "time-out": {"timeout": 9 * MS}, "hop": {"hop": MS}, "shards": {"shards": 2},
    "queue limit": {"queue_limit": 3}, "late": {"late_after": MS, "required": False}, "errors": {"error_ratio": 0.1},
    "hedge": {"hedge_after": MS}, "batches": {"batch_size": 2}, "hits": {"hit_ratio": 0.5},
    "keys": {"cache_keys": 10}, "conditional": {"when_share": 0.5}, "admission": {"admission_interval": MS},
    "newest first": {"lifo_above": 2}, "gives": {"gives": 3}, "keeps": {"keeps": 3},
    "breaker": {"breaker_window": 3}, "silent": {"silent_ratio": 0.1}, "by level": {"by_level": True},
    "drops": {"drop_expired": True},
}  # fmt: skip


@pytest.mark.parametrize("more", EDGES.values(), ids=EDGES)
def test_what_is_not_plain_is_not_taken_for_plain(more: dict[str, object]) -> None:
    one = StageSpec()
    assert is_plain(machine([one, one]))
    assert not is_plain(machine([one, StageSpec(**more)]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "built",
    [
        machine([StageSpec()], ClientSpec(timeout=9 * MS)),
        machine([StageSpec()], ClientSpec(attempts=2)),
        machine([StageSpec()], classes=(ClassSpec(), ClassSpec())),
        machine([StageSpec(), StageSpec(after=(0,))], answer_after=0),
        machine([StageSpec()], deadline=9 * MS),
        machine([StageSpec(), StageSpec(within=0)]),
        machine([StageSpec(), StageSpec(), StageSpec(after=(0, 1), wait_for=1)]),
    ],
    ids=["client's time-out", "client's retries", "classes", "answer after", "deadline", "within", "wait for"],
)
def test_nor_is_a_client_or_a_graph_that_is_not(built: Machine) -> None:
    assert not is_plain(built)


STILL = """
format: 1
id: small
title: Small
question: Does anybody act?
workload: {kind: poisson, rate: 8 request/s}
stages:
  - {name: pool, replicas: 2, balancing: round robin, service: {kind: constant, mean: 1 s}}
"""


@pytest.mark.parametrize(
    ("change", "still"),
    [
        (("", ""), True),
        (("kind: poisson, rate: 8 request/s", "kind: closed, users: 2, think: {kind: constant, mean: 1 s}"), False),
        (("mean: 1 s}}", "mean: 1 s}, autoscaling: {utilisation: 60 %, min: 1, max: 4}}"), False),
    ],
    ids=["still", "closed", "autoscaled"],
)
def test_only_where_nobody_acts(change: tuple[str, str], still: bool) -> None:
    planned = plan(loads(STILL.replace(*change), "small.yaml"), requests=10, replications=1)
    assert is_still(planned) is still
    _, plane = environment(planned, 0, "compiled", NEVER, lambda: None)
    assert isinstance(plane, CompiledRequests)
    assert plane.is_plain is still
