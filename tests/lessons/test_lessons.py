"""Each lesson is a case file in this folder and the test of the same name, which asserts the number that it teaches.

The number is what theory says (`closed_forms`), or follows from the case by arithmetic; the run has to come to it. What
is measured is compared by the rule for accuracy (`check`); what no luck enters is compared to three digits, the width
of a histogram's bin.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from closed_forms import (
    all_in_outages,
    attempts,
    busy_with_leavers,
    erlang_c,
    first_hits,
    first_in_line,
    hedged,
    in_turn,
    least_of,
    lognormal_sigma,
    lognormal_tail,
    lru_hits,
    m_d_1_k,
    m_m_c_later,
    m_m_c_wait,
    mixed,
    newest_first_in_time,
    percentile,
    popularity,
    slowest_of,
)
from scipy import special

from cases.build import apply, design_changes
from cases.files import load
from cases.fits import fitted
from cases.spec import Case
from simulator.plan import plan
from simulator.results import Interval, SimulationResult
from simulator.run import simulate

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.yaml"))
LEVEL = 0.9999
MILLISECONDS = 1000.0
BIN = 1e-3


@cache
def lesson(name: str) -> Case:
    """The case of a lesson."""
    return load(HERE / f"{name}.yaml")


def run(name: str, design: str = "baseline") -> SimulationResult:
    """A lesson as it stands, or one of its designs; seed and lengths are the case's own."""
    case = lesson(name)
    return simulate(plan(apply(case, design_changes(case, design))))


def check(found: Interval, target: float, slack: float, times: int) -> None:
    """The rule for accuracy: the 99.99 % interval meets target +- slack, and is itself no wider.

    `found` is a 95 % interval over so many replications; `slack` is a share of the target.
    """
    assert found.value is not None, "it has no value"
    assert found.low is not None
    assert found.high is not None
    half = max(found.high - found.value, found.value - found.low)  # one end may have been cut off at what is possible
    half *= float(special.stdtrit(times - 1, 0.5 + LEVEL / 2) / special.stdtrit(times - 1, 0.975))
    print(f"target {target:.5g}, {found.value:.5g} +- {half:.2g}, slack {slack * target:.2g}")
    assert half <= slack * target, f"half-width {half:.4g} of {found.value:.6g} proves nothing; measure more"
    assert abs(found.value - target) <= slack * target + half, f"{found.value:.6g} +- {half:.4g} against {target:.6g}"


def check_outcome(result: SimulationResult, name: str, target: float, slack: float) -> None:
    """`check` for one of the case's outcomes, in its own unit."""
    check(result.outcomes[name].interval, target, slack, result.replications)


def check_latency(result: SimulationResult, name: str, target: float, slack: float) -> None:
    """`check` for a latency, in ms."""
    check(result.latency_ms[name], target, slack, result.replications)


def check_answered(result: SimulationResult, target: float, slack: float) -> None:
    """`check` for the share of the requests that were answered."""
    check(Interval.of(result.by_replication["availability"]), target, slack, result.replications)


def answered(result: SimulationResult) -> float:
    """The share of the requests that were answered."""
    return (result.requests["completed"] + result.requests["degraded"]) / result.requests["offered"]


def milliseconds(result: SimulationResult, name: str) -> float:
    """A latency."""
    value = result.latency_ms[name].value
    assert value is not None
    return value


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_explains_itself(name: str) -> None:
    case = lesson(name)
    assert case.id == name
    assert case.question.endswith("?")
    assert case.note
    assert case.topics
    assert f"test_{name}" in globals(), "its number is asserted by the test of its name"


# -- second tries -------------------------------------------------------------------------------------------------


def test_hedging() -> None:
    """5 % more reads, and the 99.9th percentile falls from 21 ms to 9: both copies must be slow, S(t) S(t - 5 ms)."""
    tail = lognormal_tail(1.0, 5.0)
    before, after = percentile(tail, 0.001), percentile(hedged(tail, 5.0), 0.001)
    assert after < before / 2
    check_latency(run("hedging"), "p999", before, 0.12)
    result = run("hedging", "hedged")
    check_latency(result, "p999", after, 0.08)
    check_outcome(result, "reads_per_request", 1.05, 0.005)


def test_hedging_when_busy() -> None:
    """A hedge after the service's p95 is not 5 % more work but 100 %, on servers that are 90 % busy."""
    # At no load below 100 % do as few take 30 ms as would keep it there.
    for load_with_hedges in np.arange(9.0, 10.0, 0.01):
        assert 9.0 * (1 + m_m_c_later(load_with_hedges, 10, 3.0)) > load_with_hedges
    result = run("hedging_when_busy", "without_budget")
    check_outcome(result, "reads_per_request", 2.0, 0.005)
    assert answered(result) == 0
    result = run("hedging_when_busy")
    check_outcome(result, "reads_per_request", 1.05, 0.005)
    assert answered(result) == 1
    assert answered(run("hedging_when_busy", "without_hedge")) == 1


def test_retry_storm() -> None:
    """A stall of 3 s ends never: 3 x 70 requests a second for a server of 100, and all of them in vain."""
    result = run("retry_storm")
    assert answered(result) == 0
    check_outcome(result, "attempts", 3.0, 0.02)
    assert answered(run("retry_storm", "five_minutes_later")) == 0
    for design in ("before_the_stall", "without_retries", "with_budget", "newest_first", "short_queue", "light_load"):
        assert answered(run("retry_storm", design)) > 0.999, design


def test_retries_in_tiers() -> None:
    """3 x 3 x 3 = 27 calls; 3 at one tier; 1.1 x 1.1 x 1.1 = 1.33 with budgets of 10 %."""
    check_outcome(run("retries_in_tiers"), "database_calls", 27, 0.005)
    check_outcome(run("retries_in_tiers", "one_tier"), "database_calls", 3, 0.005)
    check_outcome(run("retries_in_tiers", "with_budgets"), "database_calls", 1.1**3, 0.005)
    # A tier fails if all attempts of it do.
    fails = [0.5, 0.5**3, 0.5**9]
    target = math.prod(attempts(share, 3) for share in fails)
    check_outcome(run("retries_in_tiers", "half_fail"), "database_calls", target, 0.05)


def test_errors_and_outages() -> None:
    """Of calls that fail one in five alone four attempts leave 0.2 %; of an outage's 20 %; with pauses 0.5 %."""
    check_outcome(run("errors_and_outages", "alone"), "failing", 0.2**4, 0.3)
    check_outcome(run("errors_and_outages"), "failing", 0.2, 0.1)
    check_outcome(run("errors_and_outages", "with_pauses"), "failing", all_in_outages(4, 1, (0, 1, 3, 7)), 0.4)


def test_circuit_breaker() -> None:
    """One request in 251 still waits for the 1 s of the time-out; the others are answered in 2 ms, degraded."""
    assert answered(run("circuit_breaker", "nothing")) == 0
    slow = run("circuit_breaker", "fallback")
    assert answered(slow) == 1
    assert milliseconds(slow, "p50") == pytest.approx(1002, rel=BIN)
    result = run("circuit_breaker")
    assert result.requests["degraded"] == result.requests["offered"]
    assert milliseconds(result, "p99") == pytest.approx(2, rel=BIN)
    check_latency(result, "mean", 2 + 1000 / 251, 0.05)
    assert result.quality.value == pytest.approx(0.6)


def test_worth_of_a_fallback() -> None:
    """$720 an hour without a fallback of 60 % quality, $936 with it, $1,080 with a second server of $20."""
    full = 150 * 3600 * 0.002
    turned_away = m_d_1_k(1.5, 21)[-1]
    assert turned_away == pytest.approx(1 / 3, abs=1e-3)
    for design, share, cost in (
        ("without_fallback", 1 - turned_away, 20),
        ("baseline", 1 - 0.4 * turned_away, 20),
        ("two_servers", 1.0, 40),
    ):
        result = run("worth_of_a_fallback", design)
        check_outcome(result, "earned", share * full, 0.03)
        check_outcome(result, "left", share * full - cost, 0.03)


def test_cancelled_work() -> None:
    """Of users who leave after 2 s 0 %, 54 % or 65 % are served: work goes on, is off the queue, or stops."""
    load, leaving = 12.0, 0.5
    assert answered(run("cancelled_work", "not_at_all")) == 0
    check_answered(run("cancelled_work"), busy_with_leavers(load, 10, leaving, stops=True) / load, 0.03)
    # Who is being served is answered if a service of 1 s ends before a patience of 2 s does: two in three.
    begun = busy_with_leavers(load, 10, leaving, stops=False) / load
    check_answered(run("cancelled_work", "off_the_queue"), begun * 1 / (1 + leaving), 0.05)


# -- balancing ----------------------------------------------------------------------------------------------------


def test_two_choices() -> None:
    """10 service times at random, 5.2 in turn, 2.6 with two choices, 2.0 with three."""
    check_latency(run("two_choices"), "mean", 10 * least_of(0.9, 1), 0.25)
    check_latency(run("two_choices", "in_turn"), "mean", 10 * in_turn(0.9, 100), 0.25)
    check_latency(run("two_choices", "two_choices"), "mean", 10 * least_of(0.9, 2), 0.1)
    check_latency(run("two_choices", "three_choices"), "mean", 10 * least_of(0.9, 3), 0.1)


def test_one_queue() -> None:
    """Ten queues make one wait 20 times as long as one queue for ten."""
    separate, pooled = m_m_c_wait(0.8, 1), m_m_c_wait(8.0, 10)
    assert separate / pooled == pytest.approx(19.55, rel=1e-3)
    check_latency(run("one_queue"), "mean", 10 * (1 + separate), 0.1)
    check_latency(run("one_queue", "shared"), "mean", 10 * (1 + pooled), 0.05)


# -- overload -----------------------------------------------------------------------------------------------------


def test_newest_first() -> None:
    """At 120 % load and a patience of 30 services nobody is served in order, 82 % newest first."""
    assert answered(run("newest_first")) == 0
    in_time = newest_first_in_time(1.2, 30)
    assert in_time == pytest.approx(0.82, abs=0.005)
    check_answered(run("newest_first", "newest_first"), in_time, 0.03)
    check_answered(run("newest_first", "newest_first_when_long"), in_time, 0.03)
    check_answered(run("newest_first", "short_queue"), 1 - m_d_1_k(1.2, 21)[-1], 0.03)


def test_who_is_shed() -> None:
    """Behind a full queue of 25 one waits 25 services, 250 ms; ahead of those who push one out 25 arrivals, 62 ms."""
    inside = m_d_1_k(4.0, 26)
    target = 10 * float(inside @ np.arange(27)) / (4.0 * (1 - inside[-1]))  # Little, of those who were let in
    assert target == pytest.approx(250 + 10, rel=0.02)
    newest = run("who_is_shed")
    check_latency(newest, "mean", target, 0.005)
    oldest = run("who_is_shed", "oldest")
    check_latency(oldest, "mean", 25 / 400 * MILLISECONDS + 10, 0.05)
    for result in (newest, oldest):
        check_answered(result, 0.25, 0.1)


def test_admission() -> None:
    """At three times the load 30 % are let in, and all of them answered within the burst's ten services."""
    assert answered(run("admission", "everybody")) == 0
    result = run("admission")
    check_answered(result, 1 - m_d_1_k(300 / 90, 10)[-1], 0.03)
    assert result.requests["completed"] + result.requests["rejected"] == result.requests["offered"]
    # Tokens that were saved up let ten in at once, of whom nine wait.
    assert result.stages["server"].queue_max <= 9
    assert milliseconds(result, "mean") < 100


def test_deadlines() -> None:
    """At twice the load 0 % are answered; 50 % if the dead are dropped; 25 % if that leaves no time for the work.

    M/M/1 of customers who leave the queue at the deadline (Barrer 1957): the wait is short of it by y with density
    r exp(-r y), r = (load - 1) a service time, so that of those served (1 - 1/load) exp(-margin) end too late.
    """
    load = 2.0
    served, late = 1 / load, 1 - 1 / load
    assert answered(run("deadlines", "unaware")) == 0
    check_answered(run("deadlines"), served * (1 - late * math.exp(-10)), 0.04)
    check_answered(run("deadlines", "without_margin"), served * (1 - late), 0.06)


def test_priorities() -> None:
    """At 80 % load everybody waits 4 services; fraud checks in front wait 0.95, browsing behind them 4.8."""
    first, rest = first_in_line(0.8, 0.2)
    result = run("priorities")
    check(result.classes["fraud"].latency_ms["mean"], 10 * (1 + first), 0.03, result.replications)
    check(result.classes["browse"].latency_ms["mean"], 10 * (1 + rest), 0.15, result.replications)
    check_latency(run("priorities", "in_order"), "mean", 10 * (1 + m_m_c_wait(0.8, 1)), 0.15)


def test_held_pool() -> None:
    """40/s x 10 % x 8 s = 32 held workers, of 20: 0 % answered. Not held: 90 %. After 0.5 s without a score: all."""
    rate, share, workers = 40, 0.1, 20
    assert rate * share * 8 > workers
    check_outcome(run("held_pool"), "busy", rate * (0.01 + share * 0.1), 0.1)
    assert answered(run("held_pool", "slow")) == 0
    check_answered(run("held_pool", "slow_but_not_held"), 1 - share, 0.02)
    result = run("held_pool", "slow_with_timeout")
    assert answered(result) == 1
    check_outcome(result, "without_score", share, 0.1)
    check_outcome(result, "busy", rate * (0.01 + share * 0.5), 0.1)


# -- fan-out ------------------------------------------------------------------------------------------------------


def test_slow_shard() -> None:
    """1 - 0.99^100 = 63 % of searches are slow; 26 % with a quorum of 99; none after 50 ms, for 1 % of candidates."""
    shards, slow = 100, 0.01
    result = run("slow_shard")
    assert 1 - (1 - slow) ** shards == pytest.approx(0.634, abs=1e-3)
    check_outcome(result, "slow", 1 - (1 - slow) ** shards, 0.04)
    one_or_none = (1 - slow) ** shards + shards * slow * (1 - slow) ** (shards - 1)
    result = run("slow_shard", "ninety_nine")
    check_outcome(result, "slow", 1 - one_or_none, 0.12)
    result = run("slow_shard", "ninety_five")
    assert answered(result) > 0.998
    check_outcome(result, "handed_on", 950, 0.001)
    result = run("slow_shard", "in_time")
    assert answered(result) == 1
    assert milliseconds(result, "p999") == pytest.approx(50 + 1, rel=BIN)
    check_outcome(result, "handed_on", 1000 * (1 - slow), 0.001)


def test_funnel() -> None:
    """2 ms + 20 us x candidates: 62 ms for 3,000, 12 ms for 500; without the late source one in ten has 1,000."""
    others = 10 + 1 + 3  # the slower source, and the light ranker's 1 ms and 1 us for each of 3,000
    assert milliseconds(run("funnel"), "p50") == pytest.approx(others + 62, rel=BIN)
    assert milliseconds(run("funnel"), "p95") == pytest.approx(990 + others + 62, rel=BIN)
    assert milliseconds(run("funnel", "keep_500"), "p50") == pytest.approx(others + 12, rel=BIN)
    result = run("funnel", "in_time")
    assert milliseconds(result, "p999") == pytest.approx(others + 62, rel=BIN)
    check_outcome(result, "ranked", 1000 + 0.9 * 2000, 0.01)
    check_outcome(result, "without_a_source", 0.1, 0.15)
    check_latency(result, "mean", 0.9 * (others + 62) + 0.1 * (30 + 2 + 22), 0.01)


def test_slow_together() -> None:
    """The leaves' p50 and p95 promise a p99 of 25 ms; it is 61, and with a hedge 27, not the 12 of single leaves."""
    leaf = lognormal_tail(1.0, 5.0)
    slow, share, leaves = (lambda t: leaf(t / 10)), 0.02, 20
    alone = mixed(leaf, share, slow)
    targets = {
        "predicted": slowest_of(leaf, leaves),
        "each_alone": slowest_of(alone, leaves),
        "baseline": mixed(slowest_of(leaf, leaves), share, slowest_of(slow, leaves)),
        "each_alone_hedged": slowest_of(hedged(alone, 5.0), leaves),
        "hedged": mixed(slowest_of(hedged(leaf, 5.0), leaves), share, slowest_of(hedged(slow, 5.0), leaves)),
    }
    for design, tail in targets.items():
        check_latency(run("slow_together", design), "p99", percentile(tail, 0.01), 0.2)


# -- batches ------------------------------------------------------------------------------------------------------


def test_batches() -> None:
    """32 at a time: 3,902 a second in place of 196; when quiet 10 ms for nothing; to fill, (32 - 1) / (2 x rate)."""
    together, alone = 32 / (0.005 + 32 * 0.0001), 1 / 0.0051
    assert together / alone == pytest.approx(19.9, rel=1e-3)
    check_outcome(run("batches", "flooded"), "throughput", together, 0.02)
    check_outcome(run("batches", "flooded_one_by_one"), "throughput", alone, 0.02)
    assert milliseconds(run("batches", "quiet_one_by_one"), "p50") == pytest.approx(5.1, rel=BIN)
    assert milliseconds(run("batches", "quiet"), "p50") == pytest.approx(10 + 5.1, rel=BIN)
    check_latency(run("batches", "patient"), "mean", 31 / (2 * 3000) * MILLISECONDS + 8.2, 0.02)
    # A load for fifteen accelerators, one by one.
    assert answered(run("batches")) == 1
    check_answered(run("batches", "one_by_one"), alone / 3000, 0.1)


# -- caches -------------------------------------------------------------------------------------------------------


def test_cold_cache() -> None:
    """What hits 90 % lets 51 % of the first thousand through when it is empty: 5 times the database's load."""
    keys = popularity(10_000, 1.0)
    warm, cold = lru_hits(keys, 5_000), first_hits(keys, 0, 1_000)
    assert (1 - cold) / (1 - warm) == pytest.approx(5, abs=0.1)
    check_outcome(run("cold_cache"), "hits", warm, 0.01)
    check_outcome(run("cold_cache", "after_a_restart"), "hits", cold, 0.04)
    check_outcome(run("cold_cache", "after_a_restart"), "database_calls", 1 - cold, 0.04)
    check_outcome(run("cold_cache", "twenty_seconds_later"), "hits", first_hits(keys, 20_000, 21_000), 0.02)
    # A stated hit ratio is the same at once.
    for design in ("stated", "stated_after_a_restart"):
        check_outcome(run("cold_cache", design), "hits", 0.9, 0.02)


def test_cache_per_replica() -> None:
    """Ten caches of 100 hit 39 % if requests go anywhere, and 68 %, as one of 1,000, if a key goes to one of them."""
    keys = popularity(10_000, 1.0)
    check_outcome(run("cache_per_replica"), "hits", lru_hits(keys, 100), 0.05)
    for design in ("by_key", "shared"):
        check_outcome(run("cache_per_replica", design), "hits", lru_hits(keys, 1_000), 0.03)


def test_stampede() -> None:
    """1 + 100/s x 0.5 s = 51 computations for each expiry, or one."""
    rate, takes, good = 100.0, 0.5, 10.0
    # It expires `good` after the last write, which is that of the last who missed before the first write.
    last = takes - -math.expm1(-rate * takes) / rate
    cycle = 1 / rate + last + takes + good
    check_outcome(run("stampede"), "renders", 60 * (1 + rate * takes) / cycle, 0.05)
    check_outcome(run("stampede", "coalesced"), "renders", 60 / (1 / rate + takes + good), 0.02)


# -- others' systems, people --------------------------------------------------------------------------------------


def test_rate_limit() -> None:
    """Offered just what is allowed, half passes; with a burst of ten 95 %."""
    assert m_d_1_k(1.0, 1)[-1] == 0.5
    check_answered(run("rate_limit"), 0.5, 0.03)
    check_answered(run("rate_limit", "with_burst"), 1 - m_d_1_k(1.0, 10)[-1], 0.02)


def test_text_message() -> None:
    """80 % answer, 69 % within two minutes, 79 % within five; one message in fifty is lost, or one in 2,500."""
    lost = 0.02
    for design, minutes, missing in (("baseline", 2, lost**2), ("five_minutes", 5, lost**2), ("sent_once", 2, lost)):
        target = (1 - missing) * 0.8 * -math.expm1(-minutes)
        check_outcome(run("text_message", design), "decided", target, 0.03)


def test_review_desks() -> None:
    """Ten desks from nine to five: 7.2 hours of waiting for 10 minutes of work. Four round the clock: 3.5 minutes."""
    hour, per_hour, desks, night = 3600 * MILLISECONDS, 400 / 24, 10, 16
    # The queue of a night, less those who sit down at once when it opens, and how it drains by day: two triangles.
    queue = per_hour * night
    drained = (queue - desks) ** 2 / (6 * desks - per_hour)
    waits = (queue * night + drained) / 2 / 400
    assert waits == pytest.approx(7.2, abs=0.05)
    check_latency(run("review_desks"), "mean", (waits + 1 / 6) * hour, 0.03)
    waits = m_m_c_wait(per_hour / 6, 4) / 6
    check_latency(run("review_desks", "round_the_clock"), "mean", (waits + 1 / 6) * hour, 0.1)


# -- service times and the request path ---------------------------------------------------------------------------


def test_fit_my_service() -> None:
    """p50 1 ms and p95 5 ms make a p99 of 9.7 ms, 3 % below the stated 10, and a mean of 1.6 ms."""
    sigma = lognormal_sigma(1.0, 5.0)
    mean, p99 = math.exp(sigma**2 / 2), percentile(lognormal_tail(1.0, 5.0), 0.01)
    assert p99 / 10 - 1 == pytest.approx(-0.026, abs=1e-3)
    assert mean == pytest.approx(1.61, abs=0.01)
    result = run("fit_my_service")
    for name, target, slack in (("mean", mean, 0.02), ("p50", 1.0, 0.02), ("p95", 5.0, 0.03), ("p99", p99, 0.06)):
        check_latency(result, name, target, slack)
    for design, worst in (("all_three", 0.025), ("gamma", 1e-9)):
        case = apply(lesson("fit_my_service"), design_changes(lesson("fit_my_service"), design))
        fit = fitted(case.stage("leaf").service)
        assert fit is not None
        assert max(abs(one.error) for one in fit.percentiles) < worst
        result = run("fit_my_service", design)
        for one in fit.percentiles:
            check_latency(result, f"p{one.percentile}", one.fitted * MILLISECONDS, 0.06)
    check_latency(result, "p99", _gamma_p99(1.0, 5.0), 0.06)  # through the same two, it has another tail


def _gamma_p99(p50: float, p95: float) -> float:
    """Of the gamma through two percentiles: only its shape says how far they are apart."""
    shapes = np.exp(np.linspace(math.log(0.1), math.log(10), 200_001))
    apart = special.gammaincinv(shapes, 0.95) / special.gammaincinv(shapes, 0.5)
    shape = shapes[np.argmin(np.abs(apart - p95 / p50))]
    return float(special.gammaincinv(shape, 0.99) / special.gammaincinv(shape, 0.5) * p50)


def test_after_the_answer() -> None:
    """10 ms in place of 210; the work of the 200 ms, ten busy workers, is the same."""
    waits = erlang_c(10, 40)
    assert waits < 1e-6  # so that nobody does
    for design, latency in (("baseline", 10), ("log_first", 210)):
        result = run("after_the_answer", design)
        assert milliseconds(result, "p99") == pytest.approx(latency, rel=BIN)
        assert result.stages["log"].in_service == pytest.approx(10, rel=0.02)
