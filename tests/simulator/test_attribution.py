"""Where the time of slow requests went: by hand on small machines, and adding up on random ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from checked import acts_of
from click.testing import CliRunner
from machines import EXPONENTIAL, MS, ClientSpec, Load, Seen, StageSpec, machine, run
from random_machines import coarse_loads, loads, machines
from small_cases import case, stage

from cases.errors import RunError
from simulator.__main__ import cli
from simulator.acts import Act
from simulator.attribution import Kind, Piece, Walk, explain
from simulator.machine import CANCEL_NONE, CANCEL_RUNNING, NEVER, Machine
from simulator.plan import plan
from simulator.run import simulate
from simulator.semantics import RequestEnd, Visit, visits
from simulator.why import attribution, why
from simulator.workload import Profile
from tests.examples import examples

TICK = 1_000
ANSWERED = (RequestEnd.COMPLETED, RequestEnd.DEGRADED)

Spent = dict[tuple[int, Kind], float]


def explained(built: Machine, seen: Seen, load: Load | None = None) -> dict[int, list[Piece]]:
    """The pieces of every answered request."""
    families: dict[int, list[Visit]] = {}
    for visit in visits(seen.trace):
        families.setdefault(visit.request, []).append(visit)
    walk = Walk(built, acts_of(built, load) if load else ())
    columns = (seen.ended.number, seen.ended.arrival, seen.ended.end, seen.ended.outcome)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {n: walk.pieces(families[n], arrival, end) for n, arrival, end, outcome in rows if outcome in ANSWERED}


def spent(stages: list[StageSpec], times: list[float], request: int = -1, **machine_options: Any) -> Spent:
    """What one request spent its time on, in ms; by default the last one. Arrivals in ms."""
    built = machine(stages, **machine_options)
    seen = run("simpy", built, Load([1_000 * MS], times=[round(t * MS) for t in times]))
    number = request % len(times)
    found: Spent = {}
    for piece in explained(built, seen)[number]:
        found[piece.stage, piece.kind] = found.get((piece.stage, piece.kind), 0.0) + (piece.end - piece.begin) / MS
    return found


TEN = StageSpec(floor=10 * MS)


def test_the_way_the_queue_and_the_service() -> None:
    stage = StageSpec(hop=2 * MS, floor=10 * MS)
    assert spent([stage], [0, 1]) == {(0, Kind.NETWORK): 2, (0, Kind.QUEUE): 9, (0, Kind.SERVICE): 10}


def test_stages_one_after_the_other() -> None:
    assert spent([TEN, StageSpec(after=(0,), floor=5 * MS)], [0]) == {(0, Kind.SERVICE): 10, (1, Kind.SERVICE): 5}


def test_the_wait_for_a_batch_is_told_from_the_queue() -> None:
    """The worker is busy for 10 ms with the first batch; the second is due after its 3 ms."""
    stage = StageSpec(floor=10 * MS, batch_size=2, batch_wait=3 * MS)
    assert spent([stage], [0, 0, 4]) == {(0, Kind.BATCH): 3, (0, Kind.QUEUE): 3, (0, Kind.SERVICE): 10}
    assert spent([stage], [0, 0, 4], 0) == {(0, Kind.SERVICE): 10}


def test_calls_within_calls_are_walked_into() -> None:
    """The caller's own queue is due to the callee for which its worker is held, but it is a queue."""
    stages = [StageSpec(floor=2 * MS), StageSpec(within=0, hold=True, floor=10 * MS)]
    assert spent(stages, [0]) == {(0, Kind.SERVICE): 2, (1, Kind.SERVICE): 10}
    assert spent(stages, [0, 1]) == {(0, Kind.QUEUE): 11, (0, Kind.SERVICE): 2, (1, Kind.SERVICE): 10}


def test_what_only_one_branch_takes_is_waiting_for_the_slowest() -> None:
    """Branches of 4 and 10 ms: for 4 ms both are awaited."""
    branches = [StageSpec(floor=4 * MS), StageSpec(floor=10 * MS), StageSpec(after=(0, 1), floor=MS)]
    assert spent(branches, [0]) == {(1, Kind.SERVICE): 4, (1, Kind.SLOWEST): 6, (2, Kind.SERVICE): 1}
    # Without a stage that joins them the client does.
    assert spent(branches[:2], [0]) == {(1, Kind.SERVICE): 4, (1, Kind.SLOWEST): 6}


def test_a_slow_branch_of_two_stages() -> None:
    stages = [StageSpec(floor=4 * MS), StageSpec(floor=3 * MS), StageSpec(after=(1,), floor=5 * MS)]
    assert spent(stages, [0]) == {(1, Kind.SERVICE): 3, (2, Kind.SERVICE): 1, (2, Kind.SLOWEST): 4}


def test_stages_that_share_an_ancestor_with_the_join_are_no_branches() -> None:
    stages = [TEN, StageSpec(after=(0,)), StageSpec(after=(0, 1), floor=2 * MS)]
    assert spent(stages, [0]) == {(0, Kind.SERVICE): 10, (1, Kind.SERVICE): 1, (2, Kind.SERVICE): 2}


@pytest.mark.parametrize(("quorum", "slowest"), [(3, True), (2, True), (1, False)])
def test_the_slowest_of_the_shards_that_are_needed(quorum: int, slowest: bool) -> None:
    """Shards take turns at one worker: they answer after 1, 2 and 3 ms. Of one nobody is the slowest."""
    expected: Spent = {(0, Kind.SERVICE): 1}
    if slowest:
        expected = {(0, Kind.QUEUE): quorum - 1, (0, Kind.SLOWEST): 1}
    assert spent([StageSpec(shards=3, quorum=quorum)], [0]) == expected


def test_a_failed_attempt_and_the_backoff() -> None:
    """Turned away at once, it comes again when the worker is free."""
    stage = StageSpec(floor=10 * MS, queue_limit=0, attempts=2, backoff=12 * MS)
    assert spent([stage], [0, 1]) == {(0, Kind.SECOND_TRY): 12, (0, Kind.SERVICE): 10}


def test_a_client_that_tries_again() -> None:
    """It gives up 5 ms before its visit is served, which nobody takes off the worker."""
    found = spent([TEN], [0, 1], client=ClientSpec(timeout=15 * MS, attempts=2, backoff=MS))
    assert found == {(1, Kind.SECOND_TRY): 16, (0, Kind.QUEUE): 3, (0, Kind.SERVICE): 10}


def test_a_fallback_and_what_went_before() -> None:
    stage = StageSpec(floor=10 * MS, timeout=4 * MS, fallback=2 * MS)
    assert spent([stage], [0]) == {(0, Kind.SECOND_TRY): 4, (0, Kind.FALLBACK): 2}


def test_numbers_that_change_count_as_they_are_when_they_are_read() -> None:
    """A fallback and a second attempt that control allows after the first request, and takes back before the last."""
    stage = StageSpec(floor=10 * MS, timeout=4 * MS)
    acts = [
        Act(20 * MS, "fallback", 0, 2 * MS), Act(40 * MS, "attempts", 0, 2), Act(60 * MS, "fallback", 0, NEVER),
        Act(60 * MS, "attempts", 0, 1), Act(60 * MS, "timeout", 0, NEVER),
    ]  # fmt: skip
    built = machine([stage])
    load = Load([1_000 * MS], times=[0, 30 * MS, 45 * MS, 80 * MS], acts=acts)
    found = explained(built, run("simpy", built, load), load)
    spans = {n: [(piece.kind, (piece.end - piece.begin) / MS) for piece in pieces] for n, pieces in found.items()}
    assert spans[1] == [(Kind.FALLBACK, 2), (Kind.SECOND_TRY, 4)]
    assert [kind for kind, _ in spans[2]] == [Kind.FALLBACK, Kind.SECOND_TRY]
    assert spans[3] == [(Kind.SERVICE, 10)]
    assert 0 not in found, "it failed: there was no fallback yet"


def test_hedges_that_win() -> None:
    """Up to its send it is second tries, after that its own service."""
    stage = StageSpec(endless=True, table=EXPONENTIAL, hedge_after=MS // 2, cancel=CANCEL_RUNNING)
    built = machine([stage])
    seen = run("simpy", built, Load([1_000 * MS], profile=Profile.constant(500.0)))
    won = {v.request: v for v in visits(seen.trace) if v.copy == 1 and v.outcome == 1}
    found = explained(built, seen)
    assert len(won) > 50
    for number, visit in won.items():
        if number in found:
            service, waited = found[number]
            assert (service.kind, service.begin, service.end) == (Kind.SERVICE, visit.start, visit.end)
            assert (waited.kind, waited.end - waited.begin) == (Kind.SECOND_TRY, MS // 2)


def test_a_source_that_is_left_out() -> None:
    """It is waited for until it is too late, alone after 2 ms."""
    late = StageSpec(floor=50 * MS, required=False, late_after=7 * MS, cancel=CANCEL_NONE)
    stages = [StageSpec(floor=2 * MS), late, StageSpec(after=(0, 1))]
    assert spent(stages, [0]) == {(1, Kind.SERVICE): 2, (1, Kind.SLOWEST): 5, (2, Kind.SERVICE): 1}


def test_a_coalesced_miss_waits_for_another() -> None:
    stage = StageSpec(floor=10 * MS, concurrency=2, cache_keys=1, coalesce=True)
    assert spent([stage], [0, 4]) == {(0, Kind.FETCH): 6}


def test_a_stage_that_is_not_called_takes_no_time() -> None:
    stages = [TEN, StageSpec(after=(0,), when_share=0.0, floor=50 * MS), StageSpec(after=(1,), floor=3 * MS)]
    assert spent(stages, [0]) == {(0, Kind.SERVICE): 10, (2, Kind.SERVICE): 3}


def test_what_follows_the_answer_does_not_count() -> None:
    stages = [TEN, StageSpec(after=(0,), floor=50 * MS), StageSpec(floor=30 * MS)]
    assert spent(stages, [0], answer_after=0) == {(0, Kind.SERVICE): 10}


def add_up(built: Machine, seen: Seen, load: Load) -> None:
    """Every request's pieces follow each other without a gap, from its answer back to its arrival."""
    ends = dict(zip(seen.ended.number.tolist(), zip(seen.ended.arrival, seen.ended.end, strict=True), strict=True))
    for number, pieces in explained(built, seen, load).items():
        arrival, at = ends[number]
        for piece in pieces:
            assert piece.end == at, (number, pieces)
            assert piece.begin < piece.end
            assert piece.kind != Kind.OTHER, (number, pieces)
            at = piece.begin
        assert at == arrival


@examples(150, machines(), loads())
def test_the_parts_add_up_whatever_happens(built: Machine, load: Load) -> None:
    add_up(built, run("simpy", built, load), load)


@examples(150, machines(TICK, coarse=True), coarse_loads(TICK))
def test_the_parts_add_up_when_everything_happens_at_once(built: Machine, load: Load) -> None:
    add_up(built, run("simpy", built, load), load)


def test_explain_adds_requests_up() -> None:
    built = machine([TEN])
    seen = run("simpy", built, Load([100 * MS], times=[0, MS]))
    both = explain(built, seen.trace, seen.ended, np.array([0, 1]))
    assert both.parts == {(0, Kind.QUEUE): 9 * MS, (0, Kind.SERVICE): 20 * MS}
    assert (both.requests, both.threshold, both.latency) == (2, 10 * MS, 29 * MS)
    one = explain(built, seen.trace, seen.ended, np.array([1]))
    assert (one.requests, one.threshold, one.latency) == (1, 19 * MS, 19 * MS)


# -- of a whole run ---------------------------------------------------------------------------------------------------

SLOW = "{kind: exponential, mean: 10 ms}"


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_slowest_of_a_run(engine: Any) -> None:
    """One stage far above the others queues, and is named; the threshold is the run's p99."""
    opened = case(
        stage("front", "{kind: constant, mean: 1 ms}", concurrency=4),
        stage("desk", SLOW, replicas=9, balancing="shared", after="[front]"),
        rate="800 request/s",
    )
    planned = plan(opened, requests=4_000, replications=3)
    result = simulate(planned, engine)
    found = attribution(planned, engine)
    assert found.requests == 41
    assert found.threshold / MS == pytest.approx(result.by_replication["p99"][0], rel=0.0005)
    assert sum(found.parts.values()) == found.latency
    assert max(found.parts, key=lambda part: found.parts[part]) in {(1, Kind.QUEUE), (1, Kind.SERVICE)}
    assert found == attribution(planned, "compiled")
    answer = why(planned, result, engine)
    (gain,) = answer.more
    assert (gain.stage, gain.before, gain.after) == ("desk", 9, 10)
    assert gain.difference.decided
    assert (gain.difference.difference.high or 0) < 0
    assert "desk" in answer.sentence(opened).lower()


def test_nothing_can_be_explained_where_nothing_is_answered() -> None:
    opened = case(stage(service="{kind: constant, mean: 1 s}", timeout="1 ms"), rate="1 request/s")
    with pytest.raises(RunError, match="no measured request got an answer"):
        attribution(plan(opened, requests=50, replications=1))


def test_the_command() -> None:
    arguments = ["run", "youtube_recommendations", "--requests", "2000", "--replications", "2", "--why"]
    shown = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)["attribution"]
    assert set(shown) == {"percentile", "threshold_ms", "requests", "mean_ms", "parts", "kinds", "more"}
    assert sum(part["share"] for part in shown["parts"]) == pytest.approx(1)
    assert sum(part["ms"] for part in shown["parts"]) == pytest.approx(shown["mean_ms"])
    assert [part["share"] for part in shown["parts"]] == sorted((p["share"] for p in shown["parts"]), reverse=True)
    assert sum(shown["kinds"].values()) == pytest.approx(1)
    assert all(set(gain) == {"stage", "replicas", "p99_ms", "decided"} for gain in shown["more"])
    assert "Why p99 is high" in CliRunner().invoke(cli, arguments).stdout
    again = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)["attribution"]
    assert again == shown
