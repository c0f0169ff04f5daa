"""Arrival processes against theory: their rate, their squared coefficient of variation and their index of dispersion.

The index of dispersion (IDC) is the variance of the counts of windows over their mean. A stationary process is read in
several replications; the theory's value is inside the 99.99 % t interval over them, and the interval is narrow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from small_cases import case, stage

from simulator.loads import offered
from simulator.workload import SECOND, ArrivalStream, Bursts, Load, Source

REPLICATIONS = 12


def load(workload: str) -> Load:
    return offered(case(stage(), workload=workload).workload)


def times(load: Load, many: int, replication: int = 0) -> np.ndarray:
    """In seconds."""
    return ArrivalStream(load, 1, replication).chunk(many).times / SECOND


def agree(found: list[float], theory: float, slack: float) -> None:
    """Theory is inside the interval, which is narrow: its half-width is at most `slack`, a share of theory."""
    mean, half = float(np.mean(found)), float(stats.t.ppf(0.99995, len(found) - 1) * stats.sem(found))
    assert half <= slack * theory, (mean, half, theory)
    assert abs(mean - theory) <= half, (mean, half, theory)


def rate(at: np.ndarray) -> float:
    return len(at) / float(at[-1])


def scv(at: np.ndarray) -> float:
    gaps = np.diff(at)
    return float(gaps.var() / gaps.mean() ** 2)


def idc(at: np.ndarray, width: float) -> float:
    counts = np.bincount((at / width).astype(np.int64))[:-1]
    return float(counts.var(ddof=1) / counts.mean())


def test_poisson() -> None:
    runs = [times(load("{kind: poisson, rate: 200 requests/s}"), 100_000, r) for r in range(REPLICATIONS)]
    agree([rate(at) for at in runs], 200.0, 0.01)
    agree([scv(at) for at in runs], 1.0, 0.02)
    for width in (0.02, 1.0):
        agree([idc(at, width) for at in runs], 1.0, 0.12)


def test_even() -> None:
    """No luck: every gap is the same, and a window holds as many as any other, give or take one."""
    at = times(load("{kind: even, rate: 200 requests/s}"), 100_000)
    assert rate(at) == pytest.approx(200.0, rel=1e-12)
    assert scv(at) < 1e-15
    assert idc(at, 0.9876) < 0.01
    assert at[0] == 0.005


def mmpp(rate: float, times: float, every: float, lasts: float) -> tuple[float, float, float, float]:
    """Rates and rates of leaving of the two states."""
    quiet = rate * (every + lasts) / (every + times * lasts)
    return quiet, quiet * times, 1.0 / every, 1.0 / lasts


def test_bursty() -> None:
    """Fischer & Meier-Hellstern, The Markov-modulated Poisson process (MMPP) cookbook, Performance Evaluation 1993.

    The index of dispersion of windows of t is 1 + (its limit - 1) (1 - (1 - exp(-s t)) / (s t)), s = s1 + s2.
    """
    r1, r2, s1, s2 = mmpp(200.0, 6.0, 0.3, 0.1)
    bursty = load("{kind: bursty, rate: 200 requests/s, times: 6, every: 300 ms, lasts: 100 ms}")
    runs = [times(bursty, 300_000, r) for r in range(REPLICATIONS)]
    agree([rate(at) for at in runs], 200.0, 0.02)
    both = 2.0 * s1 * s2 * (r1 - r2) ** 2 / (s1 + s2) ** 2
    agree([scv(at) for at in runs], 1.0 + both / (r1 * r2 + r1 * s2 + r2 * s1), 0.02)
    limit = both / (r1 * s2 + r2 * s1)
    for width, slack in ((0.05, 0.05), (0.3, 0.05), (4.0, 0.15)):
        x = (s1 + s2) * width
        agree([idc(at, width) for at in runs], 1.0 + limit * (1.0 + math.expm1(-x) / x), slack)
    assert limit > 10.0


def test_a_replication_has_its_own_bursts_whatever_the_rate() -> None:
    def bursts(rate: int, replication: int) -> list[int]:
        bursty = load(f"{{kind: bursty, rate: {rate} requests/s, times: 9, every: 2 s, lasts: 1 s}}")
        assert isinstance(bursty, Bursts)
        return [start for start, _ in itertools.islice(bursty.pieces(Source(1, replication)), 9)]

    assert bursts(100, 0) == bursts(200, 0) != bursts(100, 1)


def test_sessions_at_equal_gaps() -> None:
    """Of K keystrokes with gap g, sessions beginning at rate m: the chance of nothing in t is exp(-m M(t)), M(t) being
    the length of the beginnings whose session has a keystroke in it; and the squared cv of the gaps is
    2 m K integral of that chance - 1 (Daley & Vere-Jones, An Introduction to the Theory of Point Processes, 3.4)."""
    m, k, g = 5.0, 4, 0.05
    sessions = load("{kind: sessions, rate: 5/s, requests: 4, gap: 50 ms}")
    runs = [times(sessions, 100_000, r) for r in range(REPLICATIONS)]
    nothing = -math.expm1(-m * k * g) / (m * k) + math.exp(-m * (k - 1) * g) * math.exp(-m * g) / m
    agree([rate(at) for at in runs], m * k, 0.02)
    agree([scv(at) for at in runs], 2.0 * m * k * nothing - 1.0, 0.03)
    agree([idc(at, 10.0) for at in runs], k - _edge(k, g, 10.0), 0.15)


def _edge(k: int, g: float, width: float) -> float:
    """What a window loses of the dispersion of sessions that cross its edges: pairs of keystrokes j gaps apart."""
    return sum(2.0 * (k - j) * j * g for j in range(1, k)) / k / width


def test_sessions_of_any_length() -> None:
    """Of windows much longer than a session the index of dispersion is E[K^2] / E[K] (a compound Poisson process)."""
    sessions = load("{kind: sessions, rate: 5/s, requests: {kind: gamma, mean: 20, cv: 0.5}, gap: 2 ms}")
    runs = [times(sessions, 200_000, r) for r in range(REPLICATIONS)]
    agree([rate(at) for at in runs], 100.0, 0.04)
    agree([idc(at, 4.0) for at in runs], 20.0 * (1.0 + 0.5**2), 0.12)


# -- rates that change ------------------------------------------------------------------------------------------------


def diurnal(t: float) -> float:
    swing, period, peak = 300.0 * 0.65, 200.0, 100.0
    return 300.0 * t + swing * period / math.tau * (
        math.sin(math.tau * (t - peak) / period) + math.sin(math.tau * peak / period)
    )


def ramp(t: float) -> float:
    over = min(t, 100.0)
    return 100.0 * over + 400.0 * over**2 / 200.0 + 500.0 * max(0.0, t - 100.0)


def spike(t: float) -> float:
    return 200.0 * t + 400.0 * min(max(0.0, t - 20.0), 10.0)


def flash_crowd(t: float) -> float:
    rising, falling = min(max(0.0, t - 20.0), 10.0), max(0.0, t - 30.0)
    return 200.0 * t + 1400.0 * (rising**2 / 20.0 - 20.0 / math.log(2.0) * math.expm1(-math.log(2.0) * falling / 20.0))


@pytest.mark.parametrize(
    ("workload", "integral"),
    [
        ("{kind: diurnal, rate: 300 requests/s, peak_to_mean: 1.65, period: 200 s}", diurnal),
        ("{kind: ramp, from: 100 requests/s, to: 500 requests/s, over: 100 s}", ramp),
        ("{kind: spike, rate: 200 requests/s, times: 3, at: 20 s, lasts: 10 s}", spike),
        (
            "{kind: flash_crowd, rate: 200 requests/s, times: 8, at: 20 s, rise: 10 s, half_life: 20 s}",
            flash_crowd,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_varying_rate(workload: str, integral: Callable[[float], float]) -> None:
    """Poisson when seen in the time of its integrated rate, the smooth one, which the steps follow closely."""
    varying = load(workload)
    at = times(varying, 150_000)
    for t in (1.0, 17.0, 25.0, 33.3, 150.0, 220.0):
        assert varying.expected(round(t * SECOND)) == pytest.approx(integral(t), rel=2e-3, abs=0.5)
        assert (at < t).sum() == pytest.approx(integral(t), abs=5.0 * math.sqrt(integral(t)))
    unit = np.array([integral(t) for t in at.tolist()])
    assert scv(unit) == pytest.approx(1.0, abs=5.0 * math.sqrt(8.0 / len(at)))
    for width in (5.0, 100.0):
        assert idc(unit, width) == pytest.approx(1.0, abs=5.0 * math.sqrt(2.0 * width / len(at)))


def test_a_day_is_24_hours_and_goes_on_for_years() -> None:
    day = load("{kind: diurnal, rate: 10 requests/s, peak_to_mean: 2, peak_at: 18 hours}")
    hour = 3600 * SECOND
    hours = [day.expected((h + 1) * hour) - day.expected(h * hour) for h in range(48)]
    assert hours[:24] == pytest.approx(hours[24:])
    assert {max(range(24), key=hours.__getitem__), min(range(24), key=hours.__getitem__)} <= {17, 18, 5, 6}
    assert day.expected(3650 * 24 * hour) == pytest.approx(3650 * 864_000.0)
    assert day.changes_between(0, hour)
    assert not day.changes_between(hour, hour + 10 * SECOND)
