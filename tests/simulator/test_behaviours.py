"""Every behaviour of the request path by hand: a few visits, whole nanoseconds, on both planes."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from checked import broken
from machines import (
    ENGINES,
    EXPONENTIAL,
    Act,
    ClassSpec,
    ClientSpec,
    Load,
    StageSpec,
    machine,
    run,
)

from simulator import draws
from simulator.machine import (
    CANCEL_NONE,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    FIFO,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    LRU,
    MILLION,
    NOBODY,
    RANDOM,
    ROUND_ROBIN,
    Users,
)
from simulator.semantics import RequestEnd, Visit, VisitEnd, visits

OPEN, ANSWERED, REJECTED, EXPIRED, FAILED, CANCELLED = VisitEnd
COMPLETED, DEGRADED, TURNED_AWAY, TIMED_OUT, BROKEN, SUPERSEDED = list(RequestEnd)[1:]
EACH_SECOND = [k * 1_000 for k in range(400)]  # far enough from each other to meet nobody


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Told:
    """A run, as these tests look at it."""

    def __init__(
        self,
        engine: str,
        stages: list[StageSpec],
        times: list[int],
        acts: tuple[Act, ...] = (),
        until: int = 10**7,
        **more: Any,
    ) -> None:
        sessions = more.pop("sessions", None)
        built = machine(stages, **more)
        load = Load([0, until], times=times, acts=list(acts), sessions=sessions)
        seen = run(engine, built, load)
        assert broken(built, load, seen) == []
        self.looks = seen.looks
        self.rows = list(visits(seen.trace))
        self.tally = seen.tally
        by_number = sorted(zip(*(column.tolist() for column in seen.ended), strict=True))
        self.ends = [(row[2], row[3]) for row in by_number]  # when, how
        self.kinds, self.qualities = [row[4] for row in by_number], [row[5] for row in by_number]

    def at(self, stage: int) -> list[Visit]:
        """Visits to a stage, by request and number."""
        return [v for v in self.rows if v.stage == stage]

    def states(self) -> list[int]:
        """Of the first stage's replicas, in the end."""
        return list(self.looks[-1][8][0])

    def staffed(self) -> int:
        """Time that workers of the first stage were there."""
        return int(self.looks[-1][6][0])

    def starts(self, stage: int = 0) -> list[int]:
        return [v.start for v in self.at(stage)]


# -- second tries -----------------------------------------------------------------------------------------------------


def test_r7_a_retry_waits_for_base_times_two_to_the_k_minus_one_capped(engine: str) -> None:
    stage = StageSpec(floor=10, error_ratio=1.0, attempts=4, backoff=3, backoff_longest=8)
    told = Told(engine, [stage], [0])
    assert [v.send for v in told.at(0)] == [0, 10 + 3, 23 + 6, 39 + 8]
    assert told.ends == [(57, BROKEN)]


def test_r7_jitter_takes_a_share_of_the_backoff_away(engine: str) -> None:
    stage = StageSpec(floor=10, error_ratio=1.0, attempts=2, backoff=400, jitter=0.5)
    told = Told(engine, [stage], EACH_SECOND)
    waits = [v.send - v.request * 1_000 - 10 for v in told.at(0) if v.attempt]
    assert len(waits) == 400
    assert 200 <= min(waits) < 210
    assert 390 < max(waits) <= 400
    assert np.mean(waits) == pytest.approx(300, abs=10)


@pytest.mark.parametrize("budget", [0, MILLION // 2, MILLION * 9 // 10, MILLION])
def test_r7_a_budget_pays_for_retries(engine: str, budget: int) -> None:
    """Ten tokens at first, never more; each first attempt adds a part of one."""
    stage = StageSpec(floor=10, error_ratio=1.0, attempts=2, retry_budget=budget)
    told = Told(engine, [stage], EACH_SECOND[:60])
    tokens, retried = 10 * MILLION, []
    for number in range(60):
        tokens = min(10 * MILLION, tokens + budget)
        if tokens >= MILLION:
            tokens -= MILLION
            retried.append(number)
    assert [v.request for v in told.at(0) if v.attempt] == retried
    assert len(retried) in (10, 39, 60) or budget == MILLION * 9 // 10


def test_r7_a_hedge_is_cancelled_when_its_twin_answers(engine: str) -> None:
    stage = StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=20, hedge_after=5, cancel=CANCEL_RUNNING)
    first, hedge = Told(engine, [stage], [0]).at(0)
    assert (first.end, first.outcome, first.replica) == (20, ANSWERED, 0)
    assert (hedge.copy, hedge.send, hedge.end, hedge.free, hedge.outcome, hedge.replica) == (1, 5, 20, 20, CANCELLED, 1)


@pytest.mark.parametrize(
    ("cancel", "end", "outcome"),
    [(CANCEL_NONE, 60, ANSWERED), (CANCEL_WAITING, 60, ANSWERED), (CANCEL_RUNNING, 25, CANCELLED)],
)
def test_r7_a_hedge_that_is_faster_wins(engine: str, cancel: int, end: int, outcome: int) -> None:
    """The first copy has met a slow moment; it stays on its worker unless running copies are cancelled."""
    stage = StageSpec(concurrency=2, floor=20, hedge_after=5, cancel=cancel)
    told = Told(engine, [stage], [0], acts=(Act(0, "factor", 0, 3.0), Act(1, "factor", 0, 1.0)))
    first, hedge = told.at(0)
    assert (hedge.end, hedge.outcome) == (25, ANSWERED)
    assert (first.end, first.answer, first.outcome) == (end, end, outcome)
    assert told.ends == [(25, COMPLETED)]


def test_r7_no_hedge_for_an_attempt_that_is_over(engine: str) -> None:
    stage = StageSpec(floor=5, hedge_after=5)
    assert len(Told(engine, [stage], [0]).at(0)) == 1


@pytest.mark.parametrize("balancing", [HASH, RANDOM, LEAST_OF, LEAST_OUTSTANDING])
def test_a_hedge_takes_another_replica_than_its_twin(engine: str, balancing: int) -> None:
    stage = StageSpec(replicas=3, balancing=balancing, choices=2 * (balancing == LEAST_OF), floor=20, hedge_after=5)
    told = Told(engine, [stage], EACH_SECOND[:40])
    pairs = list(zip(told.at(0)[::2], told.at(0)[1::2], strict=True))
    assert len(pairs) == 40
    assert all(hedge.copy == 1 and hedge.replica != first.replica for first, hedge in pairs)
    if balancing == HASH:
        assert all(hedge.replica == (first.replica + 1) % 3 for first, hedge in pairs)


def test_r7_a_hedge_budget_pays_for_hedges(engine: str) -> None:
    told = Told(engine, [StageSpec(concurrency=2, floor=20, hedge_after=5, hedge_budget=0)], EACH_SECOND[:30])
    assert [v.request for v in told.at(0) if v.copy] == list(range(10))


@pytest.mark.parametrize(
    ("cancel", "free", "second"),
    [(CANCEL_NONE, 30, (30, 60)), (CANCEL_WAITING, 30, (-1, -1)), (CANCEL_RUNNING, 12, (13, 25))],
)
def test_r7_a_time_out_and_what_becomes_of_the_work(
    engine: str, cancel: int, free: int, second: tuple[int, int]
) -> None:
    """The attempt expires after 12. The next, sent at 13, expires at 25: by then it is served, or not."""
    told = Told(engine, [StageSpec(floor=30, timeout=12, attempts=2, cancel=cancel)], [0])
    one, two = told.at(0)
    assert (one.answer, one.outcome, one.end, one.free) == (12, EXPIRED, free, free)
    assert (two.send, two.answer, two.outcome) == (13, 25, EXPIRED)
    assert (two.start, two.end) == second
    assert told.ends == [(25, TIMED_OUT)]


def test_r7_patience_can_be_drawn(engine: str) -> None:
    stage = StageSpec(endless=True, floor=10_000_000, timeout=100, timeout_table=EXPONENTIAL)
    waits = [v.answer - v.send for v in Told(engine, [stage], EACH_SECOND, until=10**6).at(0)]
    assert np.mean(waits) == pytest.approx(100, rel=0.2)
    assert np.std(waits) == pytest.approx(100, rel=0.3)


def test_r7_three_tiers_with_three_attempts_make_27_calls(engine: str) -> None:
    tiers = [
        StageSpec(floor=1, attempts=3),
        StageSpec(within=0, floor=1, attempts=3),
        StageSpec(within=1, floor=1, attempts=3, error_ratio=1.0),
    ]
    told = Told(engine, tiers, [0])
    assert [len(told.at(s)) for s in range(3)] == [3, 9, 27]
    assert told.ends[0][1] == BROKEN


def test_r7_the_client_tries_the_whole_request_again(engine: str) -> None:
    stages = [StageSpec(floor=5, concurrency=3), StageSpec(after=(0,), floor=30, concurrency=3, cancel=CANCEL_RUNNING)]
    told = Told(engine, stages, [0], client=ClientSpec(timeout=20, attempts=3, backoff=4))
    assert [(v.send, v.outcome) for v in told.at(2)] == [(0, EXPIRED), (24, EXPIRED), (52, EXPIRED)]
    assert [v.send for v in told.at(0)] == [0, 24, 52]
    assert [(v.send, v.end, v.outcome) for v in told.at(1)] == [
        (5, 20, CANCELLED),
        (29, 44, CANCELLED),
        (57, 72, CANCELLED),
    ]
    assert told.ends == [(72, TIMED_OUT)]


def test_r7_a_breaker_opens_probes_and_closes(engine: str) -> None:
    """Two failures in a row open it for 50; the probe at 61 succeeds, for the outage is over; then all may go."""
    stage = StageSpec(endless=True, floor=10, breaker_window=2, breaker_failures=2, breaker_open=50)
    acts = (Act(0, "outage", 0, 1), Act(65, "outage", 0, 0))
    told = Told(engine, [stage], [0, 1, 20, 60, 61, 62, 72], acts)
    assert [v.outcome for v in told.at(0)] == [FAILED, FAILED, REJECTED, REJECTED, ANSWERED, REJECTED, ANSWERED]
    assert told.ends[2] == (20, TURNED_AWAY)


def test_r7_a_probe_that_fails_leaves_the_breaker_open(engine: str) -> None:
    stage = StageSpec(endless=True, floor=10, breaker_window=2, breaker_failures=2, breaker_open=50)
    acts = (Act(0, "outage", 0, 1), Act(75, "outage", 0, 0))
    told = Told(engine, [stage], [0, 1, 61, 80, 110, 111, 112, 122], acts)
    outcomes = [FAILED, FAILED, FAILED, REJECTED, REJECTED, ANSWERED, REJECTED, ANSWERED]
    assert [v.outcome for v in told.at(0)] == outcomes


def test_r7_a_breaker_counts_the_last_results_only(engine: str) -> None:
    """Two failures of the last three; the one before them does not count."""
    stage = StageSpec(endless=True, floor=1, breaker_window=3, breaker_failures=2, breaker_open=50)
    down = [(0, 1), (5, 0), (30, 1)]
    told = Told(engine, [stage], [0, 10, 20, 40, 44, 48], tuple(Act(at, "outage", 0, on) for at, on in down))
    assert [v.outcome for v in told.at(0)] == [FAILED, ANSWERED, ANSWERED, FAILED, FAILED, REJECTED]


def test_a_fallback_answers_in_time_but_worse(engine: str) -> None:
    failing = StageSpec(floor=10, error_ratio=1.0, attempts=2, backoff=2, fallback=7, fallback_quality=MILLION // 2)
    told = Told(engine, [failing, StageSpec(floor=1, error_ratio=1.0, fallback=1, fallback_quality=MILLION // 4)], [0])
    assert told.ends == [(10 + 2 + 10 + 7, DEGRADED)]
    assert told.qualities == [MILLION // 8]
    assert told.tally.fallbacks.tolist() == [1, 1]


# -- calls within calls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hold", "second"), [(True, 40), (False, 10)])
def test_r3_a_caller_that_holds_keeps_its_worker(engine: str, hold: bool, second: int) -> None:
    told = Told(engine, [StageSpec(floor=10), StageSpec(within=0, floor=30, hold=hold, concurrency=2)], [0, 0])
    one, two = told.at(0)
    assert (one.end, one.answer, one.free) == (10, 40, second)
    assert two.start == second


def test_r3_a_worker_is_held_for_those_calls_that_hold_it(engine: str) -> None:
    inner = [StageSpec(within=0, floor=5, hold=True), StageSpec(within=0, floor=50)]
    one = Told(engine, [StageSpec(floor=10), *inner], [0]).at(0)[0]
    assert (one.end, one.free, one.answer) == (10, 15, 60)


def test_r2_an_expired_caller_does_not_know_and_carries_on(engine: str) -> None:
    """Its attempt timed out while it was served: the calls within it are made all the same."""
    told = Told(engine, [StageSpec(floor=10, timeout=5, cancel=CANCEL_NONE), StageSpec(within=0, floor=30)], [0])
    assert told.ends == [(5, TIMED_OUT)]
    assert [(v.send, v.answer, v.outcome) for v in told.at(1)] == [(10, 40, ANSWERED)]


def test_r2_a_required_stage_that_fails_ends_the_request_at_once(engine: str) -> None:
    stages = [
        StageSpec(floor=5, error_ratio=1.0),
        StageSpec(floor=50, cancel=CANCEL_RUNNING),
        StageSpec(floor=60, cancel=CANCEL_NONE),
        StageSpec(after=(0,), floor=1),
    ]
    told = Told(engine, stages, [0])
    assert told.ends == [(5, BROKEN)]
    assert [v.outcome for v in told.rows] == [FAILED, FAILED, CANCELLED, ANSWERED]
    assert (told.at(1)[0].end, told.at(2)[0].end) == (5, 60)


def test_r2_an_optional_stage_that_fails_is_left_out(engine: str) -> None:
    stages = [StageSpec(floor=5, error_ratio=1.0, required=False), StageSpec(after=(0,), floor=1)]
    told = Told(engine, stages, [0])
    assert told.ends == [(6, DEGRADED)]
    assert told.tally.left_out.tolist() == [1, 0]
    assert told.qualities == [MILLION]


def test_r2_going_on_when_the_first_has_answered(engine: str) -> None:
    """The slower one fails later, and nobody minds."""
    stages = [
        StageSpec(floor=10),
        StageSpec(floor=30, error_ratio=1.0, cancel=CANCEL_NONE),
        StageSpec(after=(0, 1), wait_for=1, floor=50),
    ]
    told = Told(engine, stages, [0])
    assert [v.send for v in told.at(2)] == [10]
    assert told.ends == [(60, COMPLETED)]


def test_r2_answers_that_may_be_missing_do_not_count(engine: str) -> None:
    """`wait_for` 1: a stage that is left out is no answer, until all are settled."""
    stages = [
        StageSpec(floor=10, error_ratio=1.0, required=False),
        StageSpec(floor=30),
        StageSpec(after=(0, 1), wait_for=1, floor=5),
    ]
    assert [v.send for v in Told(engine, stages, [0]).at(2)] == [30]
    both = [stages[0], StageSpec(floor=30, error_ratio=1.0, required=False), stages[2]]
    assert [v.send for v in Told(engine, both, [0]).at(2)] == [30]


def test_r2_the_user_has_the_answer_before_the_rest_is_done(engine: str) -> None:
    stages = [StageSpec(floor=10), StageSpec(after=(0,), floor=20, error_ratio=1.0)]
    told = Told(engine, stages, [0], answer_after=0)
    assert told.ends == [(10, COMPLETED)]
    assert [(v.start, v.end, v.outcome) for v in told.at(1)] == [(10, 30, FAILED)]


def test_r2_a_share_of_the_calls(engine: str) -> None:
    told = Told(engine, [StageSpec(floor=1), StageSpec(after=(0,), floor=1, when_share=0.3)], EACH_SECOND)
    assert len(told.at(1)) / 400 == pytest.approx(0.3, abs=0.08)
    assert {outcome for _, outcome in told.ends} == {COMPLETED}


@pytest.mark.parametrize("inside", [True, False])
def test_r2_a_store_is_asked_when_the_cache_missed(engine: str, inside: bool) -> None:
    """One key: only the first request misses. The store is called within the cache's visit, or after it."""
    cache = StageSpec(floor=4, cache_keys=1, hit_time=1)
    store = StageSpec(within=0, when_missed=0, floor=9) if inside else StageSpec(after=(0,), when_missed=0, floor=9)
    told = Told(engine, [cache, store], [0, 100, 200])
    assert [v.request for v in told.at(1)] == [0]
    assert told.ends == [(13, COMPLETED), (101, COMPLETED), (201, COMPLETED)]


# -- shards, quorums, sources that are late ---------------------------------------------------------------------------


def test_r2_a_quorum_of_shards_is_enough(engine: str) -> None:
    """Two of three; the third is cancelled. Each had a third of the items, rounded up, and two thirds are handed on."""
    shards = StageSpec(shards=3, quorum=2, floor=6, per_item=1, cancel=CANCEL_RUNNING)
    last = StageSpec(after=(0,), floor=0, per_item=1)
    told = Told(engine, [shards, last], [0], classes=(ClassSpec(items=10),))
    assert [(v.shard, v.start, v.end, v.outcome) for v in told.at(0)] == [
        (0, 0, 10, ANSWERED),
        (1, 10, 20, ANSWERED),
        (2, 20, 20, CANCELLED),
    ]
    assert [(v.send, v.end) for v in told.at(1)] == [(20, 20 + 10 * 2 // 3)]
    assert told.ends == [(26, COMPLETED)]


def test_r2_without_a_quorum_the_caller_fails(engine: str) -> None:
    """When the second shard of three has failed there cannot be two answers any more."""
    told = Told(engine, [StageSpec(shards=3, quorum=2, floor=10, error_ratio=1.0, cancel=CANCEL_RUNNING)], [0])
    assert told.ends == [(20, BROKEN)]
    assert [v.outcome for v in told.at(0)] == [FAILED, FAILED, CANCELLED]


def test_r2_a_late_source_is_left_out(engine: str) -> None:
    stages = [
        StageSpec(floor=10, gives=5),
        StageSpec(floor=50, gives=7, required=False, late_after=20, cancel=CANCEL_NONE),
        StageSpec(after=(0, 1), floor=0, per_item=1),
    ]
    told = Told(engine, stages, [0])
    assert [(v.send, v.end) for v in told.at(2)] == [(20, 25)]
    assert told.ends == [(25, DEGRADED)]
    assert told.at(1)[0].end == 50


def test_r2_late_shards_are_left_out_of_what_is_handed_on(engine: str) -> None:
    """One of two shards has answered in time: half of the candidates."""
    stages = [StageSpec(shards=2, floor=10, gives=8, late_after=15), StageSpec(after=(0,), floor=0, per_item=1)]
    told = Told(engine, stages, [0])
    assert [(v.send, v.end) for v in told.at(1)] == [(15, 19)]
    assert told.ends == [(19, DEGRADED)]
    nobody = [StageSpec(shards=2, floor=20, late_after=15), StageSpec(after=(0,))]
    assert Told(engine, nobody, [0]).ends == [(15, TIMED_OUT)]


# -- queues -----------------------------------------------------------------------------------------------------------


def test_r5_orders(engine: str) -> None:
    """Served one by one from 10 on; who is next of those that came at 1, 2 and 3?"""

    def served(**fields: Any) -> list[int]:
        told = Told(engine, [StageSpec(floor=10, **fields)], [0, 1, 2, 3])
        return [v.request for v in sorted(told.at(0), key=lambda v: v.start)]

    assert served() == [0, 1, 2, 3]
    assert served(lifo_above=0) == [0, 3, 2, 1]
    assert served(lifo_above=1) == [0, 3, 2, 1]
    assert served(lifo_above=2) == [0, 3, 1, 2]
    assert served(lifo_above=3) == [0, 1, 2, 3]


def test_r5_the_most_important_class_first(engine: str) -> None:
    classes = (ClassSpec(0.4, level=2), ClassSpec(0.3, level=0), ClassSpec(0.3, level=1))
    told = Told(engine, [StageSpec(floor=10, by_level=True)], [0] * 30, classes=classes)
    levels = [(2, 0, 1)[kind] for kind in told.kinds]
    assert set(levels) == {0, 1, 2}
    waiting = sorted(range(1, 30), key=lambda number: (levels[number], number))
    assert [v.request for v in sorted(told.at(0), key=lambda v: v.start)] == [0, *waiting]


def test_r5_a_full_queue_turns_away_the_newest_or_the_oldest(engine: str) -> None:
    times = [0, 1, 2, 3]
    newest = Told(engine, [StageSpec(floor=10, queue_limit=2)], times)
    assert newest.starts() == [0, 10, 20, -1]
    assert newest.ends[3] == (3, TURNED_AWAY)
    oldest = Told(engine, [StageSpec(floor=10, queue_limit=2, shed_oldest=True)], times)
    assert oldest.starts() == [0, -1, 10, 20]
    assert oldest.ends[1] == (3, TURNED_AWAY)
    none = Told(engine, [StageSpec(floor=10, queue_limit=0, shed_oldest=True)], times)
    assert none.starts() == [0, -1, -1, -1]


def test_r5_a_full_queue_drops_the_oldest_of_the_least_important(engine: str) -> None:
    classes = (ClassSpec(0.5, level=1), ClassSpec(0.5, level=0))
    stage = StageSpec(floor=1000, by_level=True, queue_limit=4, shed_oldest=True)
    told = Told(engine, [stage], list(range(20)), classes=classes)
    waiting: list[int] = []
    dropped: dict[int, int] = {}
    for number in range(1, 20):
        if len(waiting) == 4:
            least = max(1 - told.kinds[n] for n in waiting)
            gone = next(n for n in waiting if 1 - told.kinds[n] == least)
            waiting.remove(gone)
            dropped[gone] = number
        waiting.append(number)
    assert {v.request: v.answer for v in told.at(0) if v.outcome == REJECTED} == dropped
    assert list(dropped) != sorted(dropped), "somebody important was kept"


def test_r8_deadlines(engine: str) -> None:
    """Past its deadline a visit is dropped when its turn comes; without `drop_expired` it is served for nobody."""
    told = Told(engine, [StageSpec(floor=10, drop_expired=True)], [0, 1, 2, 3], deadline=15)
    assert told.starts() == [0, 10, -1, -1]
    assert told.ends == [(10, COMPLETED), (20, COMPLETED), (20, TIMED_OUT), (20, TIMED_OUT)]
    served = Told(engine, [StageSpec(floor=10)], [0, 1, 2, 3], deadline=15)
    assert served.starts() == [0, 10, 20, 30]


def test_r8_nothing_is_tried_again_past_the_deadline(engine: str) -> None:
    stage = StageSpec(floor=10, error_ratio=1.0, attempts=9)
    assert len(Told(engine, [stage], [0], deadline=21).at(0)) == 2
    assert len(Told(engine, [stage], [0], deadline=22).at(0)) == 3


def test_tokens(engine: str) -> None:
    """One each 10, two at most: tat moves 0, 10, 20; at 10 to 30; at 30 to 40; at 31 to 50."""
    stage = StageSpec(endless=True, floor=1, admission_interval=10, admission_burst=10)
    times = [0, 0, 0, 9, 10, 10, 30, 31, 32]
    told = Told(engine, [stage], times)
    assert [v.start >= 0 for v in told.at(0)] == [True, True, False, False, True, False, True, True, False]
    assert {end for end in told.ends if end[1] == TURNED_AWAY} == {(t, TURNED_AWAY) for t in (0, 9, 10, 32)}


# -- balancing --------------------------------------------------------------------------------------------------------


def test_balancing_in_turn(engine: str) -> None:
    told = Told(engine, [StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=5)], [0] * 5)
    assert [v.replica for v in told.at(0)] == [0, 1, 0, 1, 0]


def test_balancing_to_the_least_outstanding(engine: str) -> None:
    """Equals: who was chosen longest ago. At 100 the first is free again; at 101 all have as many, at 102 not."""
    stage = StageSpec(replicas=3, balancing=LEAST_OUTSTANDING, floor=100)
    told = Told(engine, [stage], [0, 1, 2, 50, 51, 100, 101, 101])
    assert [v.replica for v in told.at(0)] == [0, 1, 2, 0, 1, 2, 0, 1]


def test_balancing_by_many_draws_finds_the_emptier_replica(engine: str) -> None:
    stage = StageSpec(replicas=2, balancing=LEAST_OF, choices=15, floor=5)
    first, second, *others = (v.replica for v in Told(engine, [stage], [0] * 5).at(0))
    assert {first, second} == {0, 1} == set(others[:2])


@pytest.mark.parametrize("balancing", [RANDOM, HASH])
def test_balancing_at_random_reaches_all(engine: str, balancing: int) -> None:
    told = Told(engine, [StageSpec(replicas=4, balancing=balancing, floor=5)], EACH_SECOND)
    counts = np.bincount([v.replica for v in told.at(0)], minlength=4)
    assert min(counts) > 70


def test_balancing_by_the_key_of_the_cache(engine: str) -> None:
    """Each key has one replica, so that each misses once."""
    stage = StageSpec(replicas=4, balancing=HASH, floor=5, cache_keys=20, zipf=0.0)
    told = Told(engine, [stage], EACH_SECOND)
    assert sum(v.end - v.start == 5 for v in told.at(0)) == 20
    assert len({v.replica for v in told.at(0)}) == 4


# -- service: batches, caches, others' systems ------------------------------------------------------------------------


def test_a_batch_is_due_by_size_and_by_waiting(engine: str) -> None:
    told = Told(engine, [StageSpec(batch_size=3, batch_wait=10, floor=5)], [0, 1, 2, 8])
    assert [(v.due, v.start, v.end) for v in told.at(0)] == [(2, 2, 7)] * 3 + [(18, 18, 23)]
    assert [v.batch for v in told.at(0)] == [1, 1, 1, 3 << 16 | 1]


def test_a_batch_that_is_due_waits_for_a_worker(engine: str) -> None:
    """Full at 3, but the worker comes back at 22."""
    told = Told(engine, [StageSpec(batch_size=2, batch_wait=100, floor=20)], [0, 2, 3, 3])
    assert [(v.join, v.due, v.start) for v in told.at(0)] == [(0, 2, 2), (2, 2, 2), (3, 3, 22), (3, 3, 22)]


def test_a_batch_has_the_items_of_all(engine: str) -> None:
    """One set-up for all; a member whose time is out stays in, and its items are paid for."""
    brought = (ClassSpec(items=2),)
    stage = StageSpec(batch_size=2, batch_wait=10, floor=5, per_item=3, timeout=14, cancel=CANCEL_RUNNING)
    told = Told(engine, [stage], [0, 4], classes=brought)
    assert [(v.start, v.end, v.answer, v.outcome) for v in told.at(0)] == [(4, 21, 14, EXPIRED), (4, 21, 18, EXPIRED)]
    counted = StageSpec(batch_size=2, batch_wait=10, floor=5, per_item=3, counts_visits=True)
    assert [v.end for v in Told(engine, [counted], [0, 4], classes=brought).at(0)] == [15, 15]


@pytest.mark.parametrize("policy", [LRU, FIFO])
@pytest.mark.parametrize("ttl", [1 << 61, 7_500])
def test_a_cache_drops_the_least_recently_used_or_the_oldest(engine: str, policy: int, ttl: int) -> None:
    """Against a model of three lines, key by key."""
    stage = StageSpec(floor=9, hit_time=2, cache_keys=6, zipf=0.7, cache_capacity=3, cache_policy=policy, cache_ttl=ttl)
    told = Told(engine, [stage], EACH_SECOND)
    roots = draws.root_keys(1, 0, 0, np.arange(400))
    keys = draws.mix_many(draws.mix_many(roots, draws.name_hash("stage0")), draws.KEY)
    wanted = np.searchsorted(draws.zipf_thresholds(6, 0.7), keys).tolist()
    cache: OrderedDict[int, int] = OrderedDict()
    hits = []
    for number, key in enumerate(wanted):
        now = number * 1_000
        hit = key in cache and now - cache[key] < ttl
        hits.append(hit)
        if hit and policy == LRU:
            cache.move_to_end(key)
        elif not hit:
            cache.pop(key, None)
            if len(cache) == 3:
                cache.popitem(last=False)
            cache[key] = now + 9
    assert 100 < sum(hits) < 390
    assert [v.end - v.start == 2 for v in told.at(0)] == hits


def test_caches_of_the_same_keys_are_asked_for_the_same(engine: str) -> None:
    """The second sees what the first missed, so that it never hits; for keys of its own it would."""
    first = StageSpec(floor=9, hit_time=1, cache_keys=20, zipf=0.0)
    for keys_of in (0, None):
        behind = StageSpec(within=0, when_missed=0, floor=9, hit_time=1, cache_keys=20, zipf=0.0, keys_of=keys_of)
        told = Told(engine, [first, behind], EACH_SECOND)
        assert len(told.at(1)) == 20
        assert any(v.end - v.start == 1 for v in told.at(1)) == (keys_of is None)


def test_each_shard_is_asked_for_a_key_of_its_own(engine: str) -> None:
    """With a cache for all shards: were their keys the same, the second would always find what the first has asked."""
    stage = StageSpec(shards=2, floor=9, hit_time=1, cache_keys=1_000, zipf=0.0)
    told = Told(engine, [stage], EACH_SECOND[:50])
    hits = [v.end - v.start == 1 for v in told.at(0) if v.shard == 1]
    assert len(hits) == 50
    assert sum(hits) < 10


def test_an_entry_is_good_for_its_time_to_live(engine: str) -> None:
    stage = StageSpec(floor=10, hit_time=1, cache_keys=1, cache_ttl=50)
    assert [v.end for v in Told(engine, [stage], [0, 59, 60]).at(0)] == [10, 60, 70]


@pytest.mark.parametrize(("shared", "second"), [(True, 1), (False, 10)])
def test_a_cache_is_shared_or_each_replicas_own(engine: str, shared: bool, second: int) -> None:
    stage = StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=10, cache_keys=1, cache_shared=shared)
    assert [v.end - v.start for v in Told(engine, [stage], [0, 20, 40]).at(0)] == [10, second, 1]


def test_misses_of_one_key_wait_for_the_first(engine: str) -> None:
    """They leave their worker, which takes the next; all are answered with the fetch. Afterwards it hits."""
    stage = StageSpec(concurrency=2, floor=10, cache_keys=1, coalesce=True)
    told = Told(engine, [stage], [0, 1, 2, 11])
    assert [(v.start, v.end, v.answer) for v in told.at(0)] == [(0, 10, 10), (-1, -1, 10), (-1, -1, 10), (11, 12, 12)]
    assert told.tally.coalesced.tolist() == [2]
    stampede = Told(engine, [StageSpec(concurrency=2, floor=10, cache_keys=1)], [0, 1, 2, 11])
    assert [(v.start, v.end) for v in stampede.at(0)] == [(0, 10), (1, 11), (10, 11), (11, 12)]


def test_who_waits_for_a_fetch_ends_as_it_does(engine: str) -> None:
    """The fetch expires at 7 and is taken from its worker: the other fails with it, and its time is out too."""
    fetch = StageSpec(concurrency=2, floor=50, timeout=7, cache_keys=1, coalesce=True, cancel=CANCEL_RUNNING)
    told = Told(engine, [fetch], [0, 5])
    assert [(v.start, v.end, v.answer, v.outcome) for v in told.at(0)] == [(0, 7, 7, EXPIRED), (-1, -1, 7, FAILED)]
    assert told.ends == [(7, TIMED_OUT), (7, TIMED_OUT)]
    patient = StageSpec(concurrency=2, floor=50, cache_keys=1, coalesce=True, cancel=CANCEL_NONE)
    told = Told(engine, [patient], [0, 5], client=ClientSpec(timeout=48))
    assert told.ends == [(48, TIMED_OUT), (50, COMPLETED)]


def test_a_flush_makes_the_cache_cold(engine: str) -> None:
    stage = StageSpec(floor=10, cache_keys=1)
    told = Told(engine, [stage], [0, 20, 40], acts=(Act(30, "flush", 0),))
    assert [v.end - v.start for v in told.at(0)] == [10, 1, 10]


def test_others_systems_serve_everybody_at_once(engine: str) -> None:
    told = Told(engine, [StageSpec(endless=True, floor=10, hop=3)], [0] * 5)
    assert told.starts() == [3] * 5
    assert told.ends == [(13, COMPLETED)] * 5


def test_nobody_answers(engine: str) -> None:
    """A silent visit keeps its worker until its time-out takes it away."""
    stage = StageSpec(floor=10, silent_ratio=1.0, timeout=20, cancel=CANCEL_RUNNING)
    told = Told(engine, [stage], [0, 5])
    assert [(v.start, v.end, v.free) for v in told.at(0)] == [(0, 20, 20), (20, 25, 25)]
    assert told.ends == [(20, TIMED_OUT), (25, TIMED_OUT)]


def test_items_are_shared_out_given_and_kept(engine: str) -> None:
    """30 + min(50, 20) candidates, 2 each, on a base of 10; passed on to the next; shared out to three shards."""
    stages = [
        StageSpec(gives=30, floor=1),
        StageSpec(gives=50, keeps=20, floor=1),
        StageSpec(after=(0, 1), floor=10, per_item=2),
        StageSpec(after=(2,), floor=0, per_item=2),
        StageSpec(after=(3,), shards=3, concurrency=3, floor=0, per_item=2),
    ]
    told = Told(engine, stages, [5])
    assert [v.end - v.start for s in (2, 3, 4) for v in told.at(s)] == [110, 100, 34, 34, 34]


# -- control ----------------------------------------------------------------------------------------------------------


def test_a_paused_stage_starts_nothing(engine: str) -> None:
    """Who is served goes on; at 30 the workers take who waits."""
    stage = StageSpec(concurrency=2, floor=10)
    told = Told(engine, [stage], [0, 5, 6, 31], acts=(Act(3, "pause", 0, 1), Act(30, "pause", 0, 0)))
    assert [(v.start, v.end) for v in told.at(0)] == [(0, 10), (30, 40), (30, 40), (40, 50)]


def test_a_slow_moment_is_felt_by_services_that_start_in_it(engine: str) -> None:
    stage = StageSpec(endless=True, floor=10)
    told = Told(engine, [stage], [0, 5, 9], acts=(Act(5, "factor", 0, 2.5), Act(6, "factor", 0, 1.0)))
    assert [v.end - v.start for v in told.at(0)] == [10, 25, 10]


def test_an_outage_fails_services_that_end_in_it(engine: str) -> None:
    told = Told(engine, [StageSpec(floor=10)], [0, 1, 2], acts=(Act(15, "outage", 0, 1), Act(25, "outage", 0, 0)))
    assert [v.outcome for v in told.at(0)] == [ANSWERED, FAILED, ANSWERED]
    assert told.ends == [(10, COMPLETED), (20, BROKEN), (30, COMPLETED)]


def test_numbers_that_change_hold_from_then_on(engine: str) -> None:
    """A hop and a time-out for what is sent from then on, a service time for what starts, an outage for what ends."""
    acts = (Act(5, "hop", 0, 3), Act(12, "floor", 0, 4), Act(12, "timeout", 0, 6))
    told = Told(engine, [StageSpec(floor=10, cancel=CANCEL_RUNNING)], [0, 4, 11, 20, 24, 25], acts)
    assert [(v.join, v.start, v.end) for v in told.at(0)] == [
        (0, 0, 10),
        (4, 10, 20),
        (14, 20, 24),
        (23, 24, 28 - 2),  # its time is out at 26
        (27, 27, 30),  # and at 30
        (28, 30, 31),
    ]


# -- replicas come and go ---------------------------------------------------------------------------------------------


def test_r3_a_replica_that_is_killed_takes_its_queue_along(engine: str) -> None:
    """Served, and waiting in its own queue: both fail at that instant. The other replica has all that comes."""
    told = Told(engine, [StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=10)], [0, 1, 2, 3, 6], (Act(5, "kill", 0),))
    assert [(v.replica, v.start, v.end, v.answer, v.outcome) for v in told.at(0)] == [
        (0, 0, 5, 5, FAILED),
        (1, 1, 11, 11, ANSWERED),
        (0, -1, -1, 5, FAILED),
        (1, 11, 21, 21, ANSWERED),
        (1, 21, 31, 31, ANSWERED),
    ]
    assert told.ends[0] == told.ends[2] == (5, BROKEN)
    assert told.states() == [0, 1]


def test_r3_a_shared_queue_outlives_its_replicas(engine: str) -> None:
    """Who waits there waits on, with nobody to serve for a while."""
    acts = (Act(5, "kill", 0, place=0), Act(6, "kill", 0, place=1), Act(30, "start", 0, place=1))
    told = Told(engine, [StageSpec(replicas=2, floor=10)], [0, 1, 2, 3], acts)
    rows = [(v.worker, v.start, v.end, v.outcome) for v in told.at(0)]
    assert rows == [(0, 0, 5, FAILED), (1, 1, 6, FAILED), (1, 30, 40, ANSWERED), (1, 40, 50, ANSWERED)]
    assert told.states() == [0, 1]


def test_r3_a_batch_dies_with_its_replica(engine: str) -> None:
    told = Told(engine, [StageSpec(batch_size=2, batch_wait=9, floor=10)], [0, 1, 2], (Act(5, "kill", 0),))
    assert [(v.start, v.end, v.free, v.outcome) for v in told.at(0)] == [(1, 5, 5, FAILED)] * 2 + [(-1, -1, -1, OPEN)]


@pytest.mark.parametrize(("hold", "free"), [(True, 15), (False, 10)])
def test_r3_a_caller_that_is_killed_lets_its_calls_go(engine: str, hold: bool, free: int) -> None:
    """It waits for two calls within it: the one that waits is taken from its queue, the other is served for nobody."""
    stages = [StageSpec(floor=10), StageSpec(within=0, hold=hold, floor=20), StageSpec(within=0, floor=9, hop=8)]
    told = Told(engine, stages, [0], (Act(15, "kill", 0),))
    assert [(v.end, v.free, v.answer, v.outcome) for v in told.at(0)] == [(10, free, 15, FAILED)]
    assert [(v.end, v.outcome) for v in told.at(1)] == [(30, ANSWERED)]
    assert [(v.join, v.answer, v.outcome) for v in told.at(2)] == [(-1, 15, CANCELLED)]
    assert told.ends == [(15, BROKEN)]


def test_r3_who_waits_for_a_fetch_dies_with_it(engine: str) -> None:
    """The fetch fails with its replica, and who waits for it fails with the fetch."""
    stage = StageSpec(concurrency=2, floor=10, cache_keys=1, coalesce=True)
    told = Told(engine, [stage], [0, 2], (Act(5, "kill", 0),))
    assert [(v.start, v.answer, v.outcome) for v in told.at(0)] == [(0, 5, FAILED), (-1, 5, FAILED)]


def test_r3_what_is_killed_is_tried_again(engine: str) -> None:
    stage = StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=10, attempts=2, backoff=3)
    told = Told(engine, [stage], [0], (Act(4, "kill", 0),))
    assert [(v.send, v.replica, v.end, v.outcome) for v in told.at(0)] == [(0, 0, 4, FAILED), (7, 1, 17, ANSWERED)]


def test_r3_a_replica_that_drains_works_off_what_it_has(engine: str) -> None:
    """From 4 on all go to the other; at 20 it has served its second, and is absent; killed at 25, nothing dies."""
    acts = (Act(4, "drain", 0), Act(25, "kill", 0))
    told = Told(engine, [StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=10)], [0, 1, 2, 5, 6], acts)
    assert [(v.replica, v.start, v.end) for v in told.at(0)] == [
        (0, 0, 10),
        (1, 1, 11),
        (0, 10, 20),
        (1, 11, 21),
        (1, 21, 31),
    ]
    assert told.staffed() == 20 + 10**7
    assert told.states() == [0, 1]


def test_r3_a_worker_that_drains_leaves_a_shared_queue(engine: str) -> None:
    """It ends what it has in hand; those who wait there are the other's."""
    told = Told(engine, [StageSpec(replicas=2, floor=10)], [0, 1, 2, 3], (Act(4, "drain", 0),))
    assert [(v.worker, v.start) for v in told.at(0)] == [(0, 0), (1, 1), (1, 11), (1, 21)]
    assert told.staffed() == 10 + 10**7


def test_r3_one_that_drains_can_be_taken_back(engine: str) -> None:
    """With its warm cache; one that has gone comes back with a cold one, and as fast as it was built."""
    stage = StageSpec(floor=10, cache_keys=1, balancing=RANDOM, places=2)
    acts = (Act(0, "slow", 0, 3.0), Act(25, "drain", 0), Act(27, "start", 0), Act(50, "drain", 0), Act(60, "start", 0))
    told = Told(engine, [stage], [0, 20, 26, 28, 40, 55, 70], acts)
    assert [(v.start, v.end) for v in told.at(0)] == [
        (0, 30),
        (30, 31),
        (-1, -1),  # nobody is ready
        (31, 32),
        (40, 41),
        (-1, -1),
        (70, 80),
    ]
    assert told.ends[2] == (26, TURNED_AWAY)


def test_r4_a_replica_that_comes_takes_who_waits(engine: str) -> None:
    """From a shared queue at once; with a queue of its own it gets what comes from now on."""
    acts = (Act(5, "start", 0, place=2), Act(6, "start", 0, place=1))
    shared = Told(engine, [StageSpec(places=3, floor=10)], [0, 1, 2, 3], acts)
    assert [(v.worker, v.start) for v in shared.at(0)] == [(0, 0), (2, 5), (1, 6), (0, 10)]
    own = Told(engine, [StageSpec(places=3, floor=10, balancing=LEAST_OUTSTANDING)], [0, 1, 7, 8], acts)
    assert [(v.replica, v.start) for v in own.at(0)] == [(0, 0), (0, 10), (1, 7), (2, 8)]


def test_balancing_by_hash_moves_only_the_keys_of_the_dead(engine: str) -> None:
    """Three of four go on with the keys they had, and share those of the fourth; it gets them back."""
    stage = StageSpec(replicas=4, balancing=HASH, floor=5)
    whole = Told(engine, [stage], EACH_SECOND).at(0)
    without = Told(engine, [stage], EACH_SECOND, (Act(0, "kill", 0, place=2), Act(300_000, "start", 0, place=2))).at(0)
    moved = {(v.replica, w.replica) for v, w in zip(whole[:300], without, strict=False) if v.replica != w.replica}
    assert moved == {(2, 0), (2, 1), (2, 3)}
    assert [v.replica for v in without[300:]] == [v.replica for v in whole[300:]]


def test_a_slow_replica_is_slow_for_those_it_serves(engine: str) -> None:
    """Besides what slows the whole stage."""
    stage = StageSpec(replicas=2, balancing=ROUND_ROBIN, floor=10)
    acts = (Act(1, "slow", 0, 3.0, place=1), Act(150, "factor", 0, 2.0), Act(350, "slow", 0, 1.0, place=1))
    told = Told(engine, [stage], [0, 100, 200, 300, 400, 500], acts)
    assert [v.end - v.start for v in told.at(0)] == [10, 30, 20, 60, 20, 20]


# -- links and zones --------------------------------------------------------------------------------------------------


def test_r2_what_is_sent_over_a_cut_link_is_lost(engine: str) -> None:
    """It would arrive at 3; its sender learns nothing, and waits."""
    told = Told(engine, [StageSpec(floor=10, hop=3)], [0, 2, 8], (Act(3, "cut", 0), Act(5, "cut", 0, 0)))
    assert [(v.join, v.outcome) for v in told.at(0)] == [(-1, OPEN), (5, ANSWERED), (11, ANSWERED)]
    assert [number for number, _ in enumerate(told.ends)] == [0, 1], "one of three goes on for ever"


@pytest.mark.parametrize("cancel", [CANCEL_NONE, CANCEL_RUNNING])
def test_r2_what_is_lost_is_noticed_by_its_time_out(engine: str, cancel: int) -> None:
    """And tried again, when the link is whole."""
    stage = StageSpec(floor=5, hop=3, timeout=20, attempts=2, backoff=2, cancel=cancel)
    told = Told(engine, [stage], [0], (Act(0, "cut", 0), Act(21, "cut", 0, 0)))
    assert [(v.send, v.join, v.answer, v.outcome) for v in told.at(0)] == [(0, -1, 20, EXPIRED), (22, 25, 30, ANSWERED)]


def test_r2_a_call_into_another_zone_takes_longer(engine: str) -> None:
    """From zone 0 to 0, 1, 0; a caller in no zone calls from where the request came in."""
    stages = [
        StageSpec(zones=(0,), floor=1),
        StageSpec(within=0, replicas=2, zones=(0, 1), balancing=ROUND_ROBIN, floor=1, hop=2),
    ]
    told = Told(engine, stages, [0, 100, 200], zones=3, zone_hop=10)
    assert [(v.replica, v.join - v.send) for v in told.at(1)] == [(0, 2), (1, 12), (0, 2)]
    shared = StageSpec(zones=(0,), balancing=RANDOM)
    ways = [v.join - v.send for v in Told(engine, [shared], EACH_SECOND, zones=4, zone_hop=7).at(0)]
    assert set(ways) == {0, 7}
    assert np.mean(ways) == pytest.approx(7 * 3 / 4, abs=0.6)


def test_r2_who_crosses_to_a_replica_that_goes_meanwhile_is_turned_away(engine: str) -> None:
    """Chosen at 0, reached at 10; one that drains waits only for what it has accepted."""
    caller = StageSpec(zones=(0,), concurrency=2, floor=1)
    other = StageSpec(within=0, replicas=1, zones=(1,), balancing=RANDOM, floor=30)
    for what in ("kill", "drain"):
        told = Told(engine, [caller, other], [0], (Act(5, what, 1),), zones=2, zone_hop=10)
        assert [(v.join, v.replica, v.outcome) for v in told.at(1)] == [(11, -1, REJECTED)]
    told = Told(engine, [caller, other], [0, 8], (Act(15, "drain", 1),), zones=2, zone_hop=10)
    assert [(v.join, v.replica, v.start) for v in told.at(1)] == [(11, 0, 11), (19, 0, 41)]


def test_r2_zones_of_a_caller_that_has_ended(engine: str) -> None:
    """Nobody tells what was sent that its client has given up; it still comes from where the request came in."""
    there = StageSpec(zones=(0, 1), replicas=2, balancing=ROUND_ROBIN, floor=1)
    late = dataclasses.replace(there, after=(0,), hop=30, cancel=CANCEL_NONE)
    stages = [there, late, StageSpec(within=0, concurrency=9, floor=9)]
    told = Told(engine, stages, list(range(0, 600, 6)), client=ClientSpec(timeout=25), zones=2, zone_hop=10)
    assert {outcome for _, outcome in told.ends} == {TIMED_OUT}
    assert {v.join - v.send for v in told.at(1)} == {30, 40}


# -- hot keys ---------------------------------------------------------------------------------------------------------


def test_a_hot_key_is_asked_for_by_a_share_of_requests(engine: str) -> None:
    """A key that nobody asked for before, or one replica for all of them."""
    cache = StageSpec(floor=9, hit_time=1, cache_keys=1_000, zipf=0.0, hot_ratio=0.5)
    told = Told(engine, [cache], EACH_SECOND)
    assert sum(v.end - v.start == 1 for v in told.at(0)) == pytest.approx(200 + 0.1 * 200, abs=35)
    spread = Told(engine, [StageSpec(replicas=4, balancing=HASH, floor=5, hot_ratio=0.6)], EACH_SECOND).at(0)
    counts = sorted(np.bincount([v.replica for v in spread], minlength=4).tolist())
    assert counts[3] == pytest.approx(400 * (0.6 + 0.1), abs=40)
    assert min(counts) > 20
    cold = Act(200_000, "hot_threshold", 0, 0)
    later = Told(engine, [StageSpec(replicas=4, balancing=HASH, floor=5, hot_ratio=1.0)], EACH_SECOND, (cold,)).at(0)
    assert len({v.replica for v in later[:200]}) == 1
    assert len({v.replica for v in later[200:]}) == 4


# -- closed loops -----------------------------------------------------------------------------------------------------


def test_users_of_a_closed_loop_think_ask_and_wait(engine: str) -> None:
    """Two users, one worker: the second waits for the first, and both think for 5 after their answers."""
    told = Told(engine, [StageSpec(floor=10)], [], until=50, users=Users(2, 5, NOBODY))
    assert [v.send for v in told.at(0)] == [5, 5, 20, 30, 40]
    assert [v.start for v in told.at(0)] == [5, 15, 25, 35, 45]
    assert [at for at, _ in told.ends] == [15, 25, 35, 45]


def test_users_come_and_go(engine: str) -> None:
    """One more at 12, who thinks first; at 41 one is enough: the other, who has asked, waits for the answer."""
    acts = (Act(12, "users", 0, 2), Act(41, "users", 0, 1), Act(90, "users", 0, 2))
    told = Told(engine, [StageSpec(floor=10, concurrency=2)], [], acts, until=110, users=Users(1, 5, NOBODY))
    assert [v.send for v in told.at(0)] == [5, 17, 20, 32, 35, 50, 65, 80, 95, 95]


def test_think_times_can_be_drawn(engine: str) -> None:
    told = Told(engine, [StageSpec(endless=True, floor=10)], [], until=10**6, users=Users(1, 1_000, EXPONENTIAL))
    gaps = np.diff([v.send for v in told.at(0)]) - 10
    assert np.mean(gaps) == pytest.approx(1_000, rel=0.15)
    assert np.std(gaps) == pytest.approx(1_000, rel=0.2)


# -- sessions ---------------------------------------------------------------------------------------------------------

TYPED = [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("cancel", "first"),
    [
        (CANCEL_NONE, (0, 10, 10, ANSWERED)),
        (CANCEL_WAITING, (0, 10, 10, ANSWERED)),
        (CANCEL_RUNNING, (0, 4, 4, CANCELLED)),
    ],
)
def test_a_keystroke_supersedes_the_one_before(engine: str, cancel: int, first: tuple[int, ...]) -> None:
    """What becomes of a visit that is served is what its stage's `cancel` says."""
    told = Told(engine, [StageSpec(floor=10, concurrency=2, cancel=cancel)], [0, 4], sessions=TYPED)
    assert told.ends == [(4, SUPERSEDED), (14, COMPLETED)]
    one = told.at(0)[0]
    assert (one.start, one.end, one.answer, one.outcome) == first
    assert told.at(1)[0].outcome == CANCELLED


def test_who_is_superseded_while_it_waits_leaves_the_queue(engine: str) -> None:
    """The first is nobody's; the second waits from 1 to 5, when its user types on."""
    told = Told(engine, [StageSpec(floor=10)], [0, 1, 5], sessions=[(-1, -1), *TYPED])
    assert [(v.start, v.answer, v.outcome) for v in told.at(0)] == [
        (0, 10, ANSWERED),
        (-1, 5, CANCELLED),
        (10, 20, ANSWERED),
    ]


def test_who_is_superseded_is_not_tried_again(engine: str) -> None:
    """Backing off from 10 to 30, superseded at 20."""
    stage = StageSpec(floor=10, error_ratio=1.0)
    told = Told(engine, [stage], [0, 20], sessions=TYPED, client=ClientSpec(attempts=2, backoff=20))
    assert [v.send for v in told.at(0)] == [0, 20, 50]
    assert told.ends == [(20, SUPERSEDED), (60, BROKEN)]


def test_who_has_an_answer_is_not_superseded(engine: str) -> None:
    told = Told(engine, [StageSpec(floor=10), StageSpec(after=(0,), floor=50)], [0, 20], sessions=TYPED, answer_after=0)
    assert told.ends == [(10, COMPLETED), (30, COMPLETED)]
    assert told.at(1)[0].outcome == ANSWERED
