"""What theory says of a case, against closed forms of whole cases that have one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from cases import files
from simulator.plan import plan
from simulator.run import simulate
from tests.simulator.small_cases import case, stage
from walkthrough.offered import offered, requests_per_second
from walkthrough.theory import Theory, left_out

OBJECTIVE = "objectives: [{metric: latency, percentile: 99, at_most: 4 s}]"


def erlang_c(servers: int, load: float) -> float:
    """By the sum itself."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (math.fsum(terms) + last)


def response_tail(servers: int, load: float, time: float) -> float:
    """P(wait + service > time) of M/M/c, service mean 1: the convolution, integrated."""
    waits, rate = erlang_c(servers, load), servers - load
    inner = integrate.quad(lambda w: rate * math.exp(-rate * w) * math.exp(-(time - w)), 0, time)[0]
    return (1 - waits) * math.exp(-time) + waits * (inner + math.exp(-rate * time))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.8), (2, 1.6), (5, 4.0), (10, 9.0)])
def test_one_stage_is_erlang_c(servers: int, load: float) -> None:
    one = case(stage(replicas=1, concurrency=servers), rate=f"{load} request/s")
    latencies = Theory(one).latencies()
    for time in (1.0, 3.0, 6.0):
        assert np.mean(latencies > time) == pytest.approx(response_tail(servers, load, time), abs=0.004)


def test_the_fewest_are_those_of_erlang_c() -> None:
    """p99 within 6 service times, at several loads."""
    for load in (0.5, 3.0, 7.0, 15.0):
        fewest = next(c for c in range(int(load) + 1, 60) if response_tail(c, load, 6.0) <= 0.01)
        one = case(
            stage(replicas=40, balancing="shared"),
            rate=f"{load} request/s",
            extra="objectives: [{metric: latency, percentile: 99, at_most: 6 s}]",
        )
        assert Theory(one).fewest("server") == fewest


def test_a_tandem_adds_up() -> None:
    """Jackson: 5, 20 and 10 ms at 40/s, 122.9 ms on average (targets.csv, JACK)."""
    tandem = case(
        stage("a", "{kind: exponential, mean: 5 ms}"),
        stage("b", "{kind: exponential, mean: 20 ms}", after="[a]"),
        stage("c", "{kind: exponential, mean: 10 ms}", after="[b]"),
        rate="40 request/s",
    )
    assert Theory(tandem).latencies().mean() == pytest.approx(0.1229166667, rel=0.01)
    assert Theory(tandem).unhurried() == pytest.approx(0.035, rel=1e-3)


def test_a_fan_out_waits_for_the_slowest() -> None:
    """The largest of ten exponentials is 2.93 means (targets.csv, FAN2); shards and branches alike."""
    fast = "{kind: exponential, mean: 10 ms}"
    branches = case(
        *(stage(f"s{i}", fast, replicas=1, concurrency=100) for i in range(10)),
        rate="1 request/s",
    )
    shards = case(stage("s", fast, replicas=1, concurrency=1000, shards=10), rate="1 request/s")
    few = case(stage("s", fast, replicas=1, concurrency=1000, shards=10, quorum=1), rate="1 request/s")
    assert Theory(branches).latencies().mean() == pytest.approx(0.02928968254, rel=0.01)
    assert Theory(shards).latencies().mean() == pytest.approx(0.02928968254, rel=0.01)
    assert Theory(few).latencies().mean() == pytest.approx(0.001, rel=0.02)


def test_held_workers_serve_what_they_wait_for() -> None:
    """The caller's worker is busy for both times, so that the load of its queue is that of their sum."""
    held = case(
        stage("front", "{kind: constant, mean: 10 ms}", concurrency=4),
        stage("back", "{kind: constant, mean: 30 ms}", concurrency=50, within="front", hold="true"),
        rate="90 request/s",
    )
    theory = Theory(held)
    assert theory.wait("front", 1).probability == pytest.approx(erlang_c(4, 3.6), rel=1e-6)
    assert theory.variation("front") == pytest.approx(0.0, abs=1e-12)


def test_too_much_has_no_end() -> None:
    theory = Theory(case(stage(), rate="2 request/s", extra=OBJECTIVE))
    assert math.isinf(theory.percentile(99))
    assert theory.busy_replicas("server") == 2


def test_no_number_is_enough_where_the_service_alone_takes_longer() -> None:
    slow = case(stage(service="{kind: constant, mean: 5 s}"), rate="0.1 request/s", extra=OBJECTIVE)
    assert Theory(slow).fewest("server") is None


def test_others_that_are_overloaded_are_taken_to_have_enough() -> None:
    """What one stage needs is a question of its own; that the other waits for ever is said."""
    two = case(
        stage("a", service="{kind: exponential, mean: 100 ms}", replicas=9, balancing="shared"),
        stage("b", service="{kind: constant, mean: 100 ms}", after="[a]"),
        rate="20 request/s",
        extra=OBJECTIVE,
    )
    theory = Theory(two)
    assert theory.overloaded == {"b"}
    assert theory.fewest("a") == 3
    assert theory.fewest("b") == 3
    assert theory.left_out() == ["while another stage is asked about, the waits at b, who cannot do the mean work"]


def test_conditions_and_late_branches() -> None:
    path = case(
        stage("first", "{kind: constant, mean: 10 ms}", concurrency=100),
        stage("rare", "{kind: constant, mean: 50 ms}", concurrency=100, after="[first]", when="{share: 10 %}"),
        stage("late", "{kind: constant, mean: 90 ms}", concurrency=100, required="false", late_after="20 ms"),
        rate="10 request/s",
    )
    latencies = Theory(path).latencies()
    assert np.mean(latencies > 0.05) == pytest.approx(0.1, abs=1e-3)
    assert np.median(latencies) == pytest.approx(0.02)
    assert offered(path)["rare"].visits == pytest.approx(1.0)


def test_cache_misses_vary_and_call() -> None:
    cached = case(
        stage("store", "{kind: constant, mean: 100 ms}", concurrency=50, cache="{hit_ratio: 90 %, hit_time: 1 ms}"),
        stage("origin", "{kind: constant, mean: 30 ms}", concurrency=50, within="store", when="cache.miss"),
        rate="100 request/s",
    )
    asked = offered(cached)
    assert asked["origin"].visits == pytest.approx(10.0)
    assert asked["store"].work == pytest.approx(0.9 * 1e-3 + 0.1 * 0.1)
    latencies = Theory(cached).latencies()
    assert np.mean(latencies > 0.129) == pytest.approx(0.1, abs=1e-3)  # a miss is served and calls
    mean, square = 0.0109, 0.9 * 1e-6 + 0.1 * 1e-2
    assert Theory(cached).variation("store") == pytest.approx(square / mean**2 - 1, rel=0.01)


def test_a_simulated_cache_by_che() -> None:
    """N=10000 alpha=1.0 C=100: the LRU hit ratio of targets.csv (CHE) is 0.377 by the characteristic time."""
    cached = case(
        stage("store", concurrency=50, cache="{keys: 10000, zipf: 0.8, capacity: 100, hit_time: 1 ms}"),
        rate="10 request/s",
    )
    assert offered(cached)["store"].hit_ratio == pytest.approx(0.1566246358, abs=1e-4)


def test_the_funnel_is_paid_by_the_item() -> None:
    funnel = case(
        stage("one", "{kind: constant, mean: 1 ms}", gives="300 items"),
        stage("two", "{kind: constant, mean: 1 ms}", gives="700 items"),
        stage(
            "rank", "{kind: constant, floor: 2 ms, per_item: 20 us, items: items}", after="[one, two]", keeps="50 items"
        ),
        stage("show", "{kind: constant, floor: 1 ms, per_item: 1 ms, items: items}", after="[rank]"),
        rate="10 request/s",
    )
    asked = offered(funnel)
    assert asked["rank"].items == 1000
    assert asked["rank"].work == pytest.approx(0.022)
    assert asked["show"].work == pytest.approx(0.051)
    assert asked["show"].busy == pytest.approx(0.51)


def test_a_batch_shares_its_work() -> None:
    batched = case(
        stage(service="{kind: constant, mean: 80 ms}", concurrency=2, batch="{size: 8, wait: 50 ms}"),
        rate="150 request/s",
    )
    asked = offered(batched)["server"]
    assert asked.work == pytest.approx(0.01)
    latencies = Theory(batched).latencies()
    assert latencies.min() >= 0.08
    assert latencies.mean() == pytest.approx(
        simulate(plan(batched, requests=20_000)).latency_ms["mean"].value / 1e3, rel=0.2
    )


@pytest.mark.parametrize(
    ("workload", "rate"),
    [
        ("{kind: poisson, rate: 5 request/s}", 5),
        ("{kind: diurnal, rate: 5 request/s, peak_to_mean: 1.6}", 8),
        ("{kind: spike, rate: 5 request/s, times: 3, at: 10 s, lasts: 5 s}", 15),
        ("{kind: ramp, from: 1 request/s, to: 9 request/s, over: 60 s}", 9),
        ("{kind: schedule, steps: [{for: 10 s, rate: 4 request/s}, {for: 10 s, rate: 2 request/s}]}", 4),
        ("{kind: closed, users: 20, think: 5 s}", 4),
        ("{kind: sessions, rate: 2/s, requests: 8, gap: 150 ms}", 16),
        ("{kind: replay, arrivals: [time, 0, 0.5, 1, 1.5, 2]}", 2),
    ],
)
def test_the_rate_to_size_for(workload: str, rate: float) -> None:
    assert requests_per_second(case(workload=workload).workload) == pytest.approx(rate)


def test_what_is_left_out_is_said() -> None:
    plain = case(stage(concurrency=4))
    assert left_out(plain) == []
    rich = case(
        stage(concurrency=4, retries="{attempts: 2}", timeout="1 s", errors="1 %"),
        workload="{kind: bursty, rate: 5 request/s, times: 3, every: 10 s, lasts: 2 s}",
        extra="client: {timeout: 2 s}",
    )
    assert left_out(rich) == [
        "a load that changes (bursty)",
        "the client's patience",
        "time-outs and what follows them (server)",
        "retries (server)",
        "errors (server)",
    ]


def test_the_same_case_gives_the_same_figures() -> None:
    one = case(stage(concurrency=3, service="{kind: lognormal, mean: 1 s, cv: 1.5}"), rate="2.4 request/s")
    assert np.array_equal(Theory(one).latencies(), Theory(one).latencies())


@pytest.mark.parametrize("path", files.catalog().values(), ids=lambda path: path.stem)
def test_theory_comes_near_the_simulation_of_every_case(path: Path) -> None:
    """Where it leaves nothing out but what the case rarely does, within 15 % of the simulated median."""
    one = files.load(path)
    simulated = simulate(plan(one, requests=20_000, replications=2)).latency_ms["p50"].value
    assert simulated is not None
    assert Theory(one).percentile(50) * 1e3 == pytest.approx(simulated, rel=0.15)


LESSONS = sorted((Path(__file__).parents[1] / "lessons").glob("*.yaml"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_where_theory_is_far_off_it_says_what_it_leaves_out(path: Path) -> None:
    """Of every lesson: p50 and p99 within 25 % of the simulation, or something is left out, or the load has no end."""
    one = files.load(path)
    theory = Theory(one)
    simulated = simulate(plan(one, requests=4_000, replications=2)).latency_ms
    for percentile in (50, 99):
        value = simulated[f"p{percentile}"].value
        if value is None or theory.percentile(percentile) * 1e3 != pytest.approx(value, rel=0.25):
            assert theory.left_out(), f"p{percentile}: {theory.percentile(percentile) * 1e3} and {value} ms"


def test_distributions_are_those_of_the_case() -> None:
    """A lognormal of p50 1 ms and p95 5 ms has its p99 at 9.74 ms (targets.csv, FAN3)."""
    leaf = case(stage(service="{kind: lognormal, p50: 1 ms, p95: 5 ms}", concurrency=100), rate="1 request/s")
    assert Theory(leaf).percentile(99) == pytest.approx(9.740171771e-3, rel=0.005)
    assert stats.lognorm(0.978469).ppf(0.99) == pytest.approx(9.740171771, rel=1e-5)
