"""Keyed draws: the same bits in Python, in numpy and in the kernel; and distributions that are what they say (R13)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import CONSTANT, EXPONENTIAL, GAMMA, LOGNORMAL, MS, Load, StageSpec, machine, run, tables

from simulator import draws, histogram, requests_compiled
from simulator.network import LEAST_OF, RANDOM
from simulator.workload import Profile

WORDS = st.integers(0, 2**64 - 1)
EXTREMES = [
    0,
    1,
    2,
    2**22,
    2**23 - 1,
    2**23,
    2**24,
    2**52,
    2**53 - 1,
    2**62 - 1,
    2**62,
    2**63 - 1,
    2**63,
    2**63 + 1,
    2**64 - 1,
]


def test_mix_is_splitmix64() -> None:
    """The published sequence of splitmix64 from seed 1234567 (Vigna's reference implementation)."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [draws.mix(1234567, n) for n in range(5)] == expected


@given(WORDS, WORDS)
@example(0, 0)
@example(2**64 - 1, 2**64 - 1)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_mix_is_the_same_everywhere(key: int, word: int) -> None:
    expected = draws.mix(key, word)
    assert int(draws.mix_many(key, word)[0]) == expected
    assert int(draws.mix_many(np.array([key, key], dtype=np.uint64), word)[1]) == expected
    assert int(requests_compiled.mix(np.uint64(key), np.uint64(word))) == expected


@given(WORDS, st.integers(0, 3))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_quantile_is_the_same_everywhere(draw: int, kind: int) -> None:
    same_quantile(draw, kind)


@pytest.mark.parametrize("kind", [CONSTANT, EXPONENTIAL, LOGNORMAL, GAMMA])
@pytest.mark.parametrize(
    "draw", [*EXTREMES, *(2**63 - d for d in EXTREMES if 0 < d < 2**63), *(1 << octave for octave in range(64))]
)
def test_quantile_is_the_same_everywhere_in_the_tails(draw: int, kind: int) -> None:
    same_quantile(draw, kind)


def same_quantile(draw: int, kind: int) -> None:
    table = tables()[kind]
    expected = draws.quantile(table, draw)
    assert draws.quantiles(table, np.array([draw], dtype=np.uint64)).tolist() == [expected]
    assert float(requests_compiled.quantile(tables(), kind, np.uint64(draw))) == expected


@given(st.integers(0, 2**53 - 1))
@example(0)
@example(4095)
@example(4096)
@example(2**53 - 1)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_histogram_bins_are_the_same_everywhere(value: int) -> None:
    expected = histogram.bin_of(value)
    assert histogram.bins_of(np.array([value])).tolist() == [expected]
    assert int(requests_compiled.bin_of(value)) == expected
    assert histogram.middle(expected) == pytest.approx(value, rel=0.0005)


def test_quantile_falls_towards_zero_and_rises_towards_the_tail() -> None:
    """Draws are distances from a tail: low side ascending, high side descending; they meet in the median."""
    for kind in (EXPONENTIAL, LOGNORMAL, GAMMA):
        low = [draws.quantile(tables()[kind], d) for d in range(0, 2**63, 2**57)]
        high = [draws.quantile(tables()[kind], 2**63 + d) for d in range(0, 2**63, 2**57)]
        assert low == sorted(low)
        assert high == sorted(high, reverse=True)
        assert draws.quantile(tables()[kind], 2**63 - 1) == pytest.approx(draws.quantile(tables()[kind], 2**64 - 1))


def test_draws_are_uniform_and_independent() -> None:
    """Chi-square over 256 cells of the draws of consecutive ordinals, and their correlation with the next purpose."""
    keys = draws.root_keys(1, 0, 0, np.arange(200_000))
    first = (draws.mix_many(keys, draws.SERVICE) >> np.uint64(56)).astype(int)
    second = (draws.mix_many(keys, draws.CACHE) >> np.uint64(56)).astype(int)
    for cells in (first, second):
        expected = len(cells) / 256
        assert ((np.bincount(cells, minlength=256) - expected) ** 2 / expected).sum() < 255 + 6 * math.sqrt(2 * 255)
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / math.sqrt(len(first))
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / math.sqrt(len(first))


def test_keys_differ_by_seed_replication_source_and_ordinal() -> None:
    """None of them shadows another, negative seeds included."""
    ordinals = np.arange(50)
    keys = [
        draws.root_keys(seed, replication, source, ordinals)
        for seed in (0, 1, -1, 2**53)
        for replication in (0, 1)
        for source in (0, 1)
    ]
    assert len(np.unique(np.concatenate(keys))) == 50 * 16


def test_adding_a_stage_changes_no_other_stages_draws() -> None:
    """Service times, cache hits and routes of the stages that stay are the same (common random numbers)."""
    base = [
        StageSpec(replicas=3, balancing=RANDOM, table=LOGNORMAL, hit_ratio=0.3, floor=MS // 100),
        StageSpec(after=(0,), replicas=5, balancing=LEAST_OF, choices=2, table=EXPONENTIAL, floor=MS // 100),
    ]
    more = [*base, StageSpec(), StageSpec(after=(0,), table=GAMMA)]
    load = Load([1_000 * MS], profile=Profile.constant(300.0))
    before, after = (run("compiled", machine(stages), load).trace for stages in (base, more))

    def served(trace: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
        done = trace[(trace[:, 6] >= 0) & (trace[:, 2] < 2)]
        return {(r[0], r[2]): (r[6] - r[5], r[7]) for r in done.tolist()}

    assert len(served(before)) > 500
    assert served(before) == served(after)
