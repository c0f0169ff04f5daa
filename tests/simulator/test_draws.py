"""Keyed draws: the same bits in Python, in numpy and in the kernel; and distributions that are what they say (R13)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import CONSTANT, EXPONENTIAL, GAMMA, LOGNORMAL, MS, Load, StageSpec, machine, run, tables
from numba import njit

from simulator import draws, histogram, kernel_draws, requests_compiled
from simulator.network import LEAST_OF, RANDOM
from simulator.workload import Profile

WORDS = st.integers(0, 2**64 - 1)
ARITHMETICS = draws.NUMPY, kernel_draws.COMPILED
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
    two = np.array([[key, key ^ 1], [word, word ^ 1]], dtype=np.uint64)
    for mix_many, _ in ARITHMETICS:
        assert mix_many(key, word).tolist() == [expected]
        assert mix_many(two[0], word).tolist() == [expected, draws.mix(key ^ 1, word)]
        assert mix_many(key, two[1]).tolist() == [expected, draws.mix(key, word ^ 1)]
        assert mix_many(two[0], two[1]).tolist() == [expected, draws.mix(key ^ 1, word ^ 1)]
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
    for _, quantiles in ARITHMETICS:
        assert quantiles(table, np.array([draw], dtype=np.uint64)).tolist() == [expected]
    assert float(requests_compiled.quantile(tables(), kind, np.uint64(draw))) == expected


@njit
def compiled_bin_of(value: int) -> int:
    """The kernel has it within other code only."""
    return requests_compiled.bin_of(value)  # type: ignore[no-any-return]


@given(st.integers(0, 2**53 - 1))
@example(0)
@example(4095)
@example(4096)
@example(2**53 - 1)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_histogram_bins_are_the_same_everywhere(value: int) -> None:
    expected = histogram.bin_of(value)
    assert histogram.bins_of(np.array([value])).tolist() == [expected]
    assert int(compiled_bin_of(value)) == expected
    assert histogram.middle(expected) == pytest.approx(value, rel=0.0005)


@given(st.integers(0, 2**53 - 1), st.sampled_from([histogram.BITS, histogram.COARSE]))
@example(2**53 - 1, histogram.COARSE)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_a_value_lies_in_its_bin(value: int, bits: int) -> None:
    (bin_,) = histogram.bins_of(np.array([value]), bits).tolist()
    low, after = (histogram.lowest(index, bits) for index in (bin_, bin_ + 1))
    assert low <= value < after
    assert after - low <= max(1, low >> bits)


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


# -- tables and thresholds, integrated rather than sampled -----------------------------------------------------------

STALLS = [1.0] * 970 + [30.0] * 30
SOME_TABLES = {
    "pareto": lambda: draws.pareto_table(0.7),
    "uniform": lambda: draws.uniform_table(0.577),
    "empirical": lambda: draws.empirical_table(STALLS),
    "stragglers": lambda: draws.mixture_table(draws.lognormal_table(0.8), 0.01, 10.0),
    "constant stragglers": lambda: draws.mixture_table(draws.constant_table(), 0.01, 10.0),
}


def moments(table: np.ndarray) -> tuple[float, float]:
    """Exact mean and coefficient of variation of draws from the table, piecewise linear as it is."""
    octave = np.arange(draws.EDGES - 1) // draws.CELLS
    width = np.ldexp(1.0 / draws.CELLS, octave - draws.OCTAVES - 1)
    clipped = 2.0 ** (-draws.OCTAVES - 1)
    first, second = [], []
    for side in (table[: draws.EDGES], table[draws.EDGES :]):
        a, b = side[:-1], side[1:]
        first += [*(width * (a + b) / 2), clipped * side[0]]
        second += [*(width * (a * a + a * b + b * b) / 3), clipped * side[0] ** 2]
    mean = math.fsum(first)
    return mean, math.sqrt(max(math.fsum(second) - mean * mean, 0.0)) / mean


def at(table: np.ndarray, p: float) -> float:
    """The p-quantile."""
    distance = min(int(min(p, 1 - p) * 2**64), 2**63 - 1)
    return draws.quantile(table, distance if p <= 0.5 else 2**63 + distance)


@pytest.mark.parametrize("name", SOME_TABLES)
@pytest.mark.parametrize("draw", [*EXTREMES, *(0x9E3779B97F4A7C15 >> s for s in range(0, 64, 7))])
def test_quantile_is_the_same_in_python_and_numpy_for_every_kind(name: str, draw: int) -> None:
    table = SOME_TABLES[name]()
    assert draws.quantiles(table, np.array([draw], dtype=np.uint64)).tolist() == [draws.quantile(table, draw)]


@pytest.mark.parametrize("name", SOME_TABLES)
def test_tables_rise_from_the_low_tail_to_the_high_one(name: str) -> None:
    table = SOME_TABLES[name]()
    low, high = table[: draws.EDGES], table[draws.EDGES :]
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert low[-1] == high[-1]
    assert low[0] >= 0


@pytest.mark.parametrize(
    ("kind", "cv", "slack"),
    [
        *(("lognormal", cv, 3e-5) for cv in (0.01, 0.3, 1.0, 3.0)),
        ("lognormal", 5.0, 1e-4),
        *(("gamma", cv, 3e-5) for cv in (0.01, 0.4, 1.0, 2.0, 5.0)),
        *(("uniform", cv, 1e-9) for cv in (0.01, 0.3, 0.577)),
        *(("pareto", cv, 3e-5) for cv in (0.01, 0.1, 0.3, 0.5)),
    ],
)
def test_tables_have_mean_1_and_the_declared_cv(kind: str, cv: float, slack: float) -> None:
    mean, measured = moments(getattr(draws, f"{kind}_table")(cv))
    assert mean == pytest.approx(1.0, rel=1e-9)
    assert measured == pytest.approx(cv, rel=slack)


@pytest.mark.parametrize(("cv", "less"), [(0.7, 0.0005), (1.0, 0.0063), (2.0, 0.1295), (3.0, 0.3013), (5.0, 0.5303)])
def test_a_clipped_pareto_lacks_the_cv_of_draws_that_never_come(cv: float, less: float) -> None:
    """Its percentiles are a Pareto's all the same: those of shape 1 + sqrt(1 + 1/cv^2) and mean 1."""
    table = draws.pareto_table(cv)
    mean, measured = moments(table)
    assert mean == pytest.approx(1.0, rel=1e-9)
    assert measured == pytest.approx(cv * (1 - less), rel=1e-4)
    shape = 1 + math.sqrt(1 + 1 / cv**2)
    for p in (0.01, 0.5, 0.99, 0.999999):
        assert at(table, p) == pytest.approx((shape - 1) / shape * (1 - p) ** (-1 / shape), rel=2e-5)


def test_uniform_ends_where_its_cv_says() -> None:
    table = draws.uniform_table(0.3)
    assert table.min() == pytest.approx(1 - 0.3 * math.sqrt(3))
    assert table.max() == pytest.approx(1 + 0.3 * math.sqrt(3))


@pytest.mark.parametrize(
    "values",
    [[2.0], [1.0, 3.0], [1.0] * 9 + [100.0], STALLS, np.random.default_rng(5).lognormal(0.0, 1.0, 20_000).tolist()],
)
def test_empirical_keeps_the_sample(values: list[float]) -> None:
    """Its mean, its largest value and, with enough of them, its percentiles and cv."""
    table, mean = draws.empirical_table(values), math.fsum(values) / len(values)
    assert moments(table)[0] == pytest.approx(1.0, rel=1e-9)
    assert table.max() * mean == pytest.approx(max(values), rel=1e-3)
    if len(values) > 500:
        assert moments(table)[1] == pytest.approx(np.std(values) / mean, rel=0.01)
        for p in (0.25, 0.5, 0.9, 0.99):
            assert at(table, p) * mean == pytest.approx(float(np.quantile(values, p)), rel=5e-3)


@pytest.mark.parametrize("cv", [0.0, 0.4, 1.5])
@pytest.mark.parametrize(("share", "times"), [(0.01, 10.0), (0.001, 100.0), (0.3, 2.0), (0.5, 0.5)])
def test_a_mixture_has_the_moments_and_the_percentiles_of_its_parts(cv: float, share: float, times: float) -> None:
    table = draws.mixture_table(draws.lognormal_table(cv) if cv else draws.constant_table(), share, times)
    mean = 1 + share * (times - 1)
    expected = math.sqrt((1 - share + share * times**2) * (1 + cv**2) / mean**2 - 1)
    measured = moments(table)
    assert measured[0] == pytest.approx(1.0, rel=1e-9)
    assert measured[1] == pytest.approx(expected, rel=1e-4 if cv else 5e-3)  # a jump is as wide as a cell
    if cv:
        sigma = math.sqrt(math.log1p(cv**2))
        for p in (0.001, 0.2, 0.5, 0.9, 0.99, 0.9999, 0.99999999):
            x = at(table, p) * mean
            above = [(1 + math.erf((-math.log(x / t) / sigma - sigma / 2) / math.sqrt(2))) / 2 for t in (1.0, times)]
            assert (1 - share) * above[0] + share * above[1] == pytest.approx(1 - p, rel=1e-3)


def test_a_table_is_the_same_whatever_the_last_bit_of_a_logarithm() -> None:
    """Mathematical libraries differ by one in the last place: every entry is moved, and nothing changes."""
    random = np.random.default_rng(8)
    p = draws._edges()
    sides = -np.log1p(-p), -np.log(p)
    expected = draws.exponential_table()
    for _ in range(20):
        low, high = (np.nextafter(side, np.where(random.random(side.size) < 0.5, 0.0, np.inf)) for side in sides)
        assert (draws._unit_mean(low, high) == expected).all()


@pytest.mark.parametrize(("keys", "exponent"), [(1, 1.0), (10, 0.0), (1_000, 0.8), (1_000, 1.0), (50_000, 2.0)])
def test_zipf_thresholds_are_cumulative_popularity(keys: int, exponent: float) -> None:
    thresholds = draws.zipf_thresholds(keys, exponent)
    assert thresholds.dtype == np.uint64
    assert int(thresholds[-1]) == draws.MASK
    assert (thresholds[1:] > thresholds[:-1]).all()
    weights = [1 / k**exponent for k in range(1, keys + 1)]
    expected = np.cumsum(weights) / math.fsum(weights)
    assert thresholds.astype(np.float64) / 2.0**64 == pytest.approx(expected, rel=1e-6)


def test_zipf_keys_of_draws_are_as_popular_as_declared() -> None:
    """The first key whose threshold is at least the draw; the most extreme draws included."""
    thresholds = draws.zipf_thresholds(100, 1.0)
    keys = np.searchsorted(thresholds, draws.mix_many(draws.root_keys(1, 0, 0, np.arange(200_000)), draws.KEY))
    expected = 200_000 / np.arange(1, 101) / math.fsum(1 / k for k in range(1, 101))
    assert ((np.bincount(keys, minlength=100) - expected) ** 2 / expected).sum() < 99 + 6 * math.sqrt(2 * 99)
    ends = np.array([0, int(thresholds[0]), int(thresholds[0]) + 1, draws.MASK], dtype=np.uint64)
    assert np.searchsorted(thresholds, ends).tolist() == [0, 0, 1, 99]


def test_below_is_a_whole_number_below_n() -> None:
    assert [draws.below(draw, 7) for draw in (0, 2**63, 2**64 - 1)] == [0, 3, 6]
    counts = np.bincount([draws.below(draws.mix(n, draws.ROUTE), 5) for n in range(20_000)], minlength=5)
    assert ((counts - 4_000) ** 2 / 4_000).sum() < 4 + 6 * math.sqrt(8)


def test_visits_of_one_caller_have_luck_of_their_own() -> None:
    """Shard, attempt and copy are told apart; the first of each is the stage's name itself, wrapped at 64 bits."""
    name = draws.name_hash("ranking")
    assert draws.visit_word(name, 0, 0, 0) == name
    words = {draws.visit_word(name, s, a, c) for s in range(100) for a in range(16) for c in range(2)}
    assert len(words) == 3_200
    assert draws.visit_word(draws.MASK, 0, 0, 1) == 0


def test_purposes_differ() -> None:
    purposes = [draws.GAP, draws.SERVICE, draws.CACHE, draws.KEY, draws.ERROR, draws.SILENT, draws.WHEN]
    purposes += [draws.TIMEOUT, draws.JITTER, draws.CLASS, draws.ITEMS, draws.HASH, draws.PERIOD]
    assert len(set(purposes)) == len(purposes)
    assert max(purposes) < draws.ROUTE
