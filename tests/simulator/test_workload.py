"""Arrival processes: their rate, their variation, and that arrival n is one number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.workload import SECOND, ArrivalStream, Profile

MANY = 400_000


def arrivals(profile: Profile, many: int = MANY, seed: int = 1, replication: int = 0) -> np.ndarray:
    return ArrivalStream(profile, seed, replication).chunk(many).times


@pytest.mark.parametrize("rate", [0.01, 50.0, 2893.5, 1e7])
def test_poisson_rate(rate: float) -> None:
    """The time of arrival n is n / rate within five standard deviations."""
    assert arrivals(Profile.constant(rate))[-1] / SECOND * rate == pytest.approx(MANY, abs=5 * math.sqrt(MANY))


def test_poisson_gaps_vary_as_an_exponential_does() -> None:
    """Squared cv of the gaps about 1 (a neighbour's engine had 0.04); its standard error is sqrt(8 / n)."""
    gaps = np.diff(arrivals(Profile.constant(1000.0)))
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(1.0, abs=5 * math.sqrt(8 / MANY))
    shares = [(gaps > x * SECOND / 1000).mean() for x in (0.1, 1.0, 3.0)]
    assert shares == pytest.approx([math.exp(-0.1), math.exp(-1), math.exp(-3)], abs=5 * 0.5 / math.sqrt(MANY))


def test_poisson_counts_are_not_burstier_than_poisson() -> None:
    """Index of dispersion (variance / mean of counts) about 1 on three scales; dependent gaps show here."""
    times = arrivals(Profile.constant(1000.0))
    for width in (SECOND // 100, SECOND // 10, SECOND):
        counts = np.bincount(times // width)[:-1]
        assert counts.var() / counts.mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / len(counts)))


def test_scheduled_rates_piece_by_piece() -> None:
    """Counts of each piece within five standard deviations of rate x length, and none while the rate is 0."""
    starts = (0, 10 * SECOND, 15 * SECOND, 40 * SECOND, 41 * SECOND)
    rates = (1000.0, 8000.0, 0.0, 50.0, 2000.0)
    times = arrivals(Profile(starts, rates), 150_000)
    for begin, end, rate in zip(starts, starts[1:], rates, strict=False):
        expected = rate * (end - begin) / SECOND
        counted = int(((times >= begin) & (times < end)).sum())
        assert counted == pytest.approx(expected, abs=5 * math.sqrt(expected)), (begin, rate)
    assert Profile(starts, rates).expected(40 * SECOND) == pytest.approx(50_000)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 2**53))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_arrival_n_is_the_same_number_however_the_stream_is_cut(sizes: list[int], seed: int) -> None:
    profile = Profile((0, SECOND // 10, SECOND // 5), (500.0, 0.0, 3000.0))
    whole = ArrivalStream(profile, seed, 3).chunk(sum(sizes))
    stream = ArrivalStream(profile, seed, 3)
    parts = [stream.chunk(size) for size in sizes]
    assert np.concatenate([p.times for p in parts]).tolist() == whole.times.tolist()
    assert np.concatenate([p.keys for p in parts]).tolist() == whole.keys.tolist()
    assert [p.first for p in parts] == [0, *np.cumsum(sizes)[:-1].tolist()]


@given(
    st.lists(st.tuples(st.integers(1, 10**10), st.sampled_from([0.0, 1e-3, 1.0, 333.3, 1e7])), min_size=1, max_size=6),
    st.integers(0, 1000),
)
@settings(derandomize=True, max_examples=80, deadline=None)
def test_times_ascend_and_skip_pieces_without_arrivals(pieces: list[tuple[int, float]], seed: int) -> None:
    starts = [0, *np.cumsum([length for length, _ in pieces]).tolist()]
    rates = [*(rate for _, rate in pieces), 100.0]
    times = arrivals(Profile(tuple(starts), tuple(rates)), 2_000, seed)
    assert times[0] >= 0
    assert (np.diff(times) >= 0).all()
    piece = np.searchsorted(starts, times, side="right") - 1
    assert min(rates[p] for p in set(piece.tolist())) > 0


def test_replications_and_seeds_bring_other_arrivals() -> None:
    profile = Profile.constant(100.0)
    streams = [arrivals(profile, 100, seed, replication).tolist() for seed in (1, 2) for replication in (0, 1)]
    assert len({tuple(times) for times in streams}) == 4
