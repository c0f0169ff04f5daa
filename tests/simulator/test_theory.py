"""Accuracy: runs from case file to result, against queueing theory.

The rule (design.md): a row passes when its 99.99 % interval meets the target +- the slack, *and* the half-width is at
most the slack. An interval that is merely wide proves nothing; a point estimate near saturation fails by luck alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import special
from small_cases import case, stage

from cases.spec import Case
from simulator import histogram
from simulator.control import replicate
from simulator.measure import MILLISECOND, Recorder
from simulator.plan import plan, window
from simulator.semantics import RequestEnd
from simulator.workload import SECOND

LEVEL = 0.9999


def replications(opened: Case, requests: int, times: int, seed: int = 1) -> list[Recorder]:
    """The replications of a case, on the compiled plane."""
    planned = plan(opened, seed=seed, requests=requests, replications=times, drain=1e6)
    windows = (window(planned.load, planned.run, r) for r in range(times))
    return [replicate(planned, r, "compiled", w, lambda _: None, lambda: None) for r, w in enumerate(windows)]


def check(values: list[float], target: float, slack: float) -> None:
    """The rule for theory rows; `slack` as a share of the target."""
    mean = float(np.mean(values))
    half = (
        float(special.stdtrit(len(values) - 1, 0.5 + LEVEL / 2))
        * float(np.std(values, ddof=1))
        / math.sqrt(len(values))
    )
    print(f"target {target:.6g}, {mean:.6g} +- {half:.2g}, slack {slack * target:.2g}")
    assert half <= slack * target, f"half-width {half:.4g} of {mean:.6g} proves nothing; measure more"
    assert abs(mean - target) <= slack * target + half, f"{mean:.6g} +- {half:.4g} against {target:.6g}"


def mean_wait(recorder: Recorder, s: int = 0) -> float:
    """Mean wait of a stage (ms)."""
    assert recorder.tally is not None
    return int(recorder.tally.wait_sum[s]) / int(recorder.tally.starts[s]) / MILLISECOND


def mean_latency(recorder: Recorder) -> float:
    """Mean time from arrival to answer (ms)."""
    mean = recorder.mean()
    assert mean is not None
    return mean


def wait_percentile(recorder: Recorder, percent: float) -> float:
    """Of the waits of the first stage (ms)."""
    assert recorder.tally is not None
    value = histogram.percentile(recorder.tally.waits[0], percent)
    assert value is not None
    return value / MILLISECOND


def rejected(recorder: Recorder) -> float:
    """The share of the requests that was turned away."""
    return int(recorder.counts[RequestEnd.REJECTED]) / recorder.offered


def erlang_c(load: float, servers: int) -> float:
    """Probability of waiting in M/M/c (Erlang 1917), through Erlang B's recursion."""
    blocked = 1.0
    for c in range(1, servers + 1):
        blocked = load * blocked / (c + load * blocked)
    return servers * blocked / (servers - load * (1 - blocked))


def server(rate: float, service: str = "{kind: exponential, mean: 1 ms}", **fields: object) -> Case:
    """One stage with services of mean 1 ms, offered `rate` requests a millisecond."""
    return case(stage(service=service, **fields), rate=f"{rate * 1000!r} request/s")


# -- M/M/c ------------------------------------------------------------------------------------------------------------

# Utilisation, measured requests of a replication, slack. Many short replications, because at this level the t interval
# of eight is nearly twice as wide as that of forty; but each long against the queue's memory (about 1 / (1 - rho)^2).
TIMES = 40
LOADS = [
    # utilisation, measured requests of a replication, slack by servers: the rarer a wait, the more its mean wobbles
    (0.3, 40_000, {1: 0.03, 2: 0.05, 5: 0.08, 10: 0.25}),
    (0.7, 60_000, {1: 0.03, 2: 0.04, 5: 0.05, 10: 0.07}),
    (0.9, 200_000, {1: 0.04, 2: 0.04, 5: 0.05, 10: 0.05}),
    (0.95, 400_000, {1: 0.06, 2: 0.06, 5: 0.06, 10: 0.06}),
]
BUSY = [(0.9, 2), (0.9, 10), (0.95, 1)]  # of the crowded ones, which take long, those of every change


@pytest.mark.parametrize(
    ("utilisation", "requests", "slack", "servers"),
    [
        pytest.param(*load, servers, marks=[] if load[0] < 0.8 or (load[0], servers) in BUSY else [pytest.mark.long])
        for load in LOADS
        for servers in load[2]
    ],
)
def test_mean_wait_of_m_m_c(utilisation: float, requests: int, slack: dict[int, float], servers: int) -> None:
    """Erlang C: Wq = C / (c - A), in service times."""
    load = servers * utilisation
    target = erlang_c(load, servers) / (servers - load)
    runs = replications(server(load, concurrency=servers), requests, TIMES)
    check([mean_wait(r) for r in runs], target, slack[servers])


@pytest.mark.long
@pytest.mark.parametrize("rho", [0.5, 0.7, 0.8, 0.9, 0.95])
def test_mean_time_in_m_m_1(rho: float) -> None:
    """1 / (1 - rho), to 2 %."""
    runs = replications(server(rho), 4_000_000 if rho > 0.85 else 500_000, 20)
    check([mean_latency(r) for r in runs], 1 / (1 - rho), 0.02)


@pytest.mark.parametrize(
    ("load", "servers"),
    [(0.8, 1), (4, 5), pytest.param(9, 10, marks=pytest.mark.long), pytest.param(45, 50, marks=pytest.mark.long)],
)
def test_p99_wait_of_m_m_c(load: float, servers: int) -> None:
    """C exp(-(c - A) t) = 0.01."""
    target = math.log(erlang_c(load, servers) / 0.01) / (servers - load)
    runs = replications(server(load, concurrency=servers), 60_000 if load < 9 else 500_000, TIMES)
    check([wait_percentile(r, 99) for r in runs], target, 0.07)


# -- general services -------------------------------------------------------------------------------------------------

PK = [
    ("{kind: constant, mean: 1 ms}", 0.5, 0.0, 30_000, 0.03),
    ("{kind: constant, mean: 1 ms}", 0.9, 0.0, 100_000, 0.05),
    ("{kind: lognormal, mean: 1 ms, cv: 1.5}", 0.7, 1.5, 100_000, 0.06),
    ("{kind: gamma, mean: 1 ms, cv: 0.5}", 0.8, 0.5, 60_000, 0.04),
    ("{kind: gamma, mean: 1 ms, cv: 2}", 0.8, 2.0, 120_000, 0.08),
]


@pytest.mark.parametrize(("service", "rho", "cv", "requests", "slack"), PK)
def test_mean_wait_of_m_g_1(service: str, rho: float, cv: float, requests: int, slack: float) -> None:
    """Pollaczek-Khinchine: Wq = rho (1 + cv^2) / 2 (1 - rho)."""
    runs = replications(server(rho, service), requests, TIMES)
    check([mean_wait(r) for r in runs], rho * (1 + cv * cv) / (2 * (1 - rho)), slack)


# -- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("load", "servers"), [(1, 1), (8, 10), (45, 50), (100, 100)])
@pytest.mark.parametrize("service", ["{kind: exponential, mean: 1 ms}", "{kind: lognormal, mean: 1 ms, cv: 1.2}"])
def test_blocking_of_erlang_b(load: float, servers: int, service: str) -> None:
    """M/G/c/c loses the same share whatever the service's shape."""
    blocked = erlang_b(load, servers)
    runs = replications(server(load, service, concurrency=servers, queue="{limit: 0}"), 40_000, TIMES)
    check([rejected(r) for r in runs], blocked, 0.05)


def erlang_b(load: float, servers: int) -> float:
    """Erlang 1917, by its recursion."""
    blocked = 1.0
    for c in range(1, servers + 1):
        blocked = load * blocked / (c + load * blocked)
    return blocked


@pytest.mark.parametrize(
    ("rho", "places", "target", "slack"), [(0.5, 5, 0.01587301587, 0.08), (1.0, 10, 0.09090909091, 0.04)]
)
def test_loss_of_m_m_1_k(rho: float, places: int, target: float, slack: float) -> None:
    """K places, the server's among them."""
    runs = replications(server(rho, queue=f"{{limit: {places - 1}}}"), 50_000, TIMES)
    check([rejected(r) for r in runs], target, slack)


# -- networks ---------------------------------------------------------------------------------------------------------


def test_mean_time_in_a_tandem() -> None:
    """Jackson, Burke: three M/M/1 with services of 5, 20 and 10 ms at 40/s, 122.9 ms in all."""
    opened = case(
        stage("one", "{kind: exponential, mean: 5 ms}"),
        stage("two", "{kind: exponential, mean: 20 ms}", after="[one]"),
        stage("three", "{kind: exponential, mean: 10 ms}", after="[two]"),
        rate="40 request/s",
    )
    runs = replications(opened, 60_000, TIMES)
    check([mean_latency(r) for r in runs], 1 / (200 - 40) * 1e3 + 1 / (50 - 40) * 1e3 + 1 / (100 - 40) * 1e3, 0.03)


@pytest.mark.parametrize("branches", [2, 10, 60])
def test_mean_of_a_fork_that_waits_for_all(branches: int) -> None:
    """The largest of n exponentials: the harmonic number, at a load so low that nobody waits."""
    names = [f"b{i}" for i in range(branches)]
    lines = [stage("root", "{kind: constant, mean: 1 ns}")]
    lines += [stage(name, "{kind: exponential, mean: 1 ms}", after="[root]", concurrency=4) for name in names]
    lines.append(stage("join", "{kind: constant, mean: 1 ns}", after=f"[{', '.join(names)}]"))
    runs = replications(case(*lines, rate="5 request/s"), 20_000 if branches < 60 else 5_000, 12)
    check([mean_latency(r) for r in runs], sum(1 / k for k in range(1, branches + 1)), 0.02)


@pytest.mark.parametrize(
    ("rho", "choices", "target"), [(0.5, 1, 2.0), (0.7, 2, 1.61445377), (0.9, 2, 2.614057377), (0.8, 3, 1.58088563)]
)
def test_mean_time_with_the_power_of_choices(rho: float, choices: int, target: float) -> None:
    """Mitzenmacher's limit for many replicas (here 600), drawn with replacement."""
    balancing = "random" if choices == 1 else f"least_of {choices}"
    # Long enough that the warm-up of a tenth, 37 service times at 0.9, fills the queues.
    runs = replications(server(rho * 600, replicas=600, balancing=f"'{balancing}'"), 200_000, 12)
    check([mean_latency(r) for r in runs], target, 0.03)


# -- the rule itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [([9.0, 11.0, 8.0, 12.0], "proves nothing"), ([10.8, 10.81, 10.79, 10.8], "against")],
)
def test_the_rule_fails_what_is_vague_and_what_is_wrong(values: list[float], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check(values, 10.0, 0.05)
    check([10.1, 10.2, 10.15, 10.12, 10.18], 10.0, 0.05)


def spread_of(function: Callable[[Recorder], float], runs: list[Recorder]) -> float:
    """Relative standard deviation over replications."""
    values = [function(r) for r in runs]
    return float(np.std(values, ddof=1) / np.mean(values))


def test_replications_differ_as_much_as_theory_says() -> None:
    """The interval is honest only if replications are independent: n mean gaps spread by 1 / sqrt(n)."""
    runs = replications(server(0.5), 2_000, 60)
    lengths = [r.window.end - r.window.start for r in runs]
    assert np.mean(lengths) == pytest.approx(2_000 / 500 * SECOND, rel=0.01)
    assert 0.7 < np.std(lengths, ddof=1) / np.mean(lengths) * math.sqrt(2_000) < 1.4
    assert spread_of(mean_latency, runs) > 0.01
