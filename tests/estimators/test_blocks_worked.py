"""Every building block against another source: a published figure, a table, brute force, or plain Python."""

import heapq
import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from estimators.blocks import BLOCKS
from estimators.check import check
from estimators.units import Units

UNITS = Units()


def number(call: str, unit: str) -> float:
    """What a formula gives, in a unit."""
    return UNITS.number_in(check(call).computed, unit)


def birth_death(arrivals: float, service_time: float, servers: int) -> np.ndarray:
    """P(so many inside) of M/M/c, its balance equations solved one by one."""
    steps = np.minimum(np.arange(1, 20 * servers), servers) / service_time
    weights = np.concatenate(([1.0], np.cumprod(arrivals / steps)))
    return np.asarray(weights / weights.sum())


def waiting_tail(arrivals: float, service_time: float, servers: int, time: float) -> float:
    """P(wait > time): who finds k inside waits for k - c + 1 departures."""
    inside = birth_death(arrivals, service_time, servers)
    before = np.arange(1, len(inside) - servers + 1)
    return float((inside[servers:] * stats.gamma.sf(time, before, scale=service_time / servers)).sum())


def response_tail(arrivals: float, service_time: float, servers: int, time: float) -> float:
    """P(wait + service > time), by integrating over the service."""
    late = integrate.quad(
        lambda s: math.exp(-s / service_time) / service_time * waiting_tail(arrivals, service_time, servers, time - s),
        0,
        time,
    )
    return math.exp(-time / service_time) + float(late[0])


def least(start: int, meets: object) -> int:
    """The first whole number from `start` on for which `meets` is true."""
    assert callable(meets)
    return next(count for count in itertools.count(start) if meets(count))


def alive(availabilities: list[float], enough: int) -> float:
    """P(at least `enough` parts work), over all states of all parts."""
    states = itertools.product((True, False), repeat=len(availabilities))
    return sum(
        math.prod(a if up else 1 - a for a, up in zip(availabilities, state, strict=True))
        for state in states
        if sum(state) >= enough
    )


def scheduled(tasks: int, slots: int, each: float) -> float:
    """When the last of equal tasks ends that slots take one after the other."""
    free = [0.0] * slots
    for _ in range(tasks):
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


def zipf_lru(entries: int, keys: int, alpha: float) -> float:
    """Che's hit ratio with sums over every key and bisection."""
    popularity = np.arange(1, keys + 1.0) ** -alpha
    popularity /= popularity.sum()
    low, high = 0.0, 1e12
    for _ in range(200):
        time = (low + high) / 2
        low, high = (time, high) if -np.expm1(-popularity * time).sum() < entries else (low, time)
    return float((popularity * -np.expm1(-popularity * low)).sum())


def aged_cost(days: int, hot: int) -> float:
    """Dollars a month for a terabyte a day, of which each day's part is paid for by its age."""
    return sum(1000 * (0.023 if age < hot else 0.004) for age in range(days))


def flops_of(widths: list[int]) -> int:
    """Counted: a multiplication and an addition for each pair of neurons of neighbouring layers."""
    return sum(2 for layer in range(len(widths) - 1) for _ in range(widths[layer]) for _ in range(widths[layer + 1]))


def segments(characters: int, bits: int) -> int:
    """Messages of 140 bytes; of several each has a header of 6."""
    if characters * bits <= 140 * 8:
        return 1
    room = (140 - 6) * 8 // bits
    return len(range(0, characters, room))


MEGATRON = "8 * 300e9 * 175e9 * 1 FLOP"  # with its activations computed again

# call, unit, what another source gives, to what tolerance
WORKED: list[tuple[str, str, float, float]] = [
    ("average_rate(50M users, 10 events/user/hour)", "event/s", 50e6 * 10 / 3600, 1e-12),
    ("peak_rate(4600 posts/s, 2.6)", "post/s", 12_000, 0.01),  # posts in 2012, mean and peak, Kleppmann 2017, ch. 1
    ("in_flight(10k requests/s, 50 ms)", "request", 500, 1e-12),  # targets: LIT
    ("stored(750 billion rows/month, 500 B/row, 6 months, 3)", "B", sum(750e9 * 500 for _ in range(6 * 3)), 1e-12),
    ("stored(1 row/s, 86400 B/row, 1 day, 2, 4)", "B", 86_400**2 / 2, 1e-12),
    ("bandwidth(1000 requests/s, 125 kB, 1.05)", "Gb/s", 1.05, 1e-12),
    ("tiered_cost(1 TB/day, 365 days, 30 days, $0.023/GB/month, $0.004/GB/month)", "$/month", aged_cost(365, 30), 1e-9),
    ("tiered_cost(1 TB/day, 20 days, 30 days, $0.023/GB/month, $0.004/GB/month)", "$/month", aged_cost(20, 30), 1e-9),
    ("tiered_cost(1 TB/day, 90 days, 0 s, $0.023/GB/month, $0.004/GB/month, 3)", "$/month", 3 * aged_cost(90, 0), 1e-9),
    ("cache_memory(100 million keys, 300 B/key, 56 B)", "B", 100e6 * 300 + 100e6 * 56, 1e-12),
    ("lru_hit_ratio(1000, 10000, 0.8)", "", zipf_lru(1000, 10_000, 0.8), 1e-4),
    ("lru_hit_ratio(100000, 1 million, 1.2)", "", 0.9498108941, 1e-4),  # targets: CHE
    ("lru_entries(40.31040621 %, 1 million, 1)", "key", 1000, 2e-3),  # targets: CHE
    ("lru_entries(50 %, 10000, 0.9)", "key", least(1, lambda c: zipf_lru(c * 10, 10_000, 0.9) >= 0.5) * 10, 0.02),
    ("lru_entries(0, 5000, 0.9)", "key", 0, 0),
    ("lru_entries(1, 5000, 0.9)", "key", 5000, 0),
    ("ttl_hit_ratio(1 request/s, 10 s)", "", 0.9090909091, 1e-9),  # targets: TTL
    ("feature_reads(20 loads/s, 500 videos/load, 300 features/video)", "read/s", sum(20 * 300 for _ in range(500)), 0),
    ("embedding_memory(1 million videos, 256)", "B", 1e6 * np.zeros(256, np.float32).nbytes, 0),
    ("embedding_memory(1 million rows, 256, 2 B)", "B", 1e6 * np.zeros(256, np.float16).nbytes, 0),
    ("hnsw_memory(1000 vectors, 256)", "B", np.zeros((1000, 256), np.float32).nbytes + 1000 * 16 * 10, 0),
    ("hnsw_memory(1 vector, 128, 32)", "B", 4 * 128 + 8 * 32, 0.1),  # Faiss, its lowest layer alone
    ("pq_memory(1 billion vectors, 64 B)", "GB", 64 + 8, 1e-12),  # Faiss wiki: ceil(M nbits / 8) + 8 a vector
    ("mlp_parameters(784, 300, 100, 10)", "parameter", 266_610, 0),  # LeNet-300-100
    ("mlp_parameters(7, 5)", "parameter", np.zeros((7, 5)).size + np.zeros(5).size, 0),
    ("mlp_flops(7, 5, 3, 2)", "FLOP", flops_of([7, 5, 3, 2]), 0),
    ("transformer_parameters(96, 12288)", "parameter", 175e9, 0.01),  # GPT-3
    ("transformer_parameters(48, 1600)", "parameter", 1.5e9, 0.02),  # GPT-2
    ("model_memory(175 billion parameters, 2 B)", "GB", 350, 1e-12),  # GPT-3 in 16 bits
    ("scoring_rate(312 TFLOPS, 7.4 MFLOP/video, 10 %)", "video/s", 31.2e12 / 7.4e6, 1e-12),
    ("kv_cache_memory(1 token, 40, 5120)", "KiB", 800, 1e-12),  # OPT-13B: 800 KB a token, Kwon et al. 2023
    ("tokens_per_second(3.35 TB/s, 140 GB, 8)", "token/s", 8 / (140 / 3350), 1e-12),
    ("training_examples(750 billion rows/month, 6 months, 10 %)", "example", 75e9 * 6, 1e-12),
    ("training_flops(175 billion parameters, 300 billion tokens)", "FLOP", 3.14e23, 0.005),  # Brown et al. 2020, D.1
    ("training_memory(1.5 billion parameters)", "GB", 24, 1e-12),  # GPT-2, Rajbhandari et al. 2020
    (f"training_time({MEGATRON}, 1024 gpus, 140 TFLOPS/gpu, 1)", "day", 34, 0.01),  # Narayanan et al. 2021
    ("training_time(3600 TFLOP, 2, 10 TFLOPS, 50 %)", "s", 360, 1e-12),
    ("training_cost(34 days, 1024 gpus, $2.74/hour/gpu)", "$", sum(1024 * 2.74 for _ in range(34 * 24)), 1e-9),
    ("servers_for_load(300 requests/s, 100 ms, 60 %, 4)", "server", least(1, lambda n: 0.6 * 4 * n >= 30), 0),
    ("servers_for_load(10 requests/s, 100 ms, 1)", "server", 1, 0),
    (
        "servers_for_wait(45 requests/s, 1 s, 99 %, 100 ms)", "server",
        least(46, lambda c: waiting_tail(45, 1, c, 0.1) <= 0.01), 0,
    ),
    (
        "servers_for_wait(45 requests/s, 1 s, 99 %, 100 ms, 8)", "server",
        math.ceil(least(46, lambda c: waiting_tail(45, 1, c, 0.1) <= 0.01) / 8), 0,
    ),
    (
        "servers_for_response(9 requests/s, 1 s, 95 %, 3.5 s)", "server",
        least(10, lambda c: response_tail(9, 1, c, 3.5) <= 0.05), 0,
    ),
    ("servers_for_blocking(10 calls/min, 3 min, 1 %)", "server", 42, 0),  # tables: 41 carry 29.9 erlangs, 42 carry 30.8
    ("servers_for_blocking(10 calls/min, 3 min, 1 %, 10)", "server", 5, 0),
    ("share_above(1.96)", "%", 2.5, 2e-4),  # tables of the normal distribution
    ("share_above(2.5, 3)", "", stats.norm.sf(-0.5), 1e-12),
    ("share_above(0 - 1.5, 0 - 0.5)", "", stats.norm.cdf(1), 1e-12),
    ("share_above(700, 650, 40)", "", stats.norm.sf(1.25), 1e-12),
    ("precision(0.1 %, 80 %, 1 %)", "%", 100 * 8 / (8 + 99.9), 1e-12),  # of 10,000 payments ten are bad
    ("wait_probability(45 requests/s, 1 s, 50)", "", 0.3638644672, 1e-9),  # targets: ERC
    ("mean_wait(9 requests/s, 1 s, 10)", "s", np.maximum(np.arange(200) - 10, 0) @ birth_death(9, 1, 10) / 9, 1e-6),
    (
        "wait_percentile(9 requests/s, 1 s, 10, 90 %)", "ms",
        least(1, lambda ms: waiting_tail(9, 1, 10, ms / 1000) <= 0.1), 1e-3,
    ),
    ("wait_percentile(9 requests/s, 1 s, 10, 30 %)", "s", 0, 0),
    ("partitions(1000 MB/s, 100 MB/s, 50 MB/s)", "partition", 20, 0),  # the example of Cloudera's documentation
    ("partitions(20 MB/s, 5 MB/s, 3 MB/s)", "partition", 7, 0),
    ("consumers(1000 MB/s, 50 MB/s, 80 %)", "worker", least(1, lambda n: n * 40 >= 1000), 0),
    ("catch_up_time(36 million events, 15000 events/s, 10000 events/s)", "hour", 2, 1e-12),
    ("map_tasks(1 TB, 64 MiB)", "", 15_000, 0.01),  # Dean and Ghemawat 2004, 5.3
    ("waves(1000, 300)", "", len(range(0, 1000, 300)), 0),
    ("waves(900 operations, 300 slots)", "", len(range(0, 900, 300)), 0),
    ("job_time(1000, 300, 30 s, 25 s)", "s", 25 + scheduled(1000, 300, 30), 0),
    ("in_series(99.9 %, 99 %, 95 %)", "", alive([0.999, 0.99, 0.95], 3), 1e-12),
    ("in_parallel(90 %, 80 %, 70 %)", "", alive([0.9, 0.8, 0.7], 1), 1e-12),
    ("k_of_n(10, 12, 99 %)", "", alive([0.99] * 12, 10), 1e-12),
    ("k_of_n(95 servers, 100 servers, 97 %)", "", stats.binom.sf(94, 100, 0.97), 1e-12),
    ("k_of_n(0, 5, 50 %)", "", 1, 0),
    ("downtime(99.99 %, 1 year)", "min", 52.56, 1e-9),  # the usual table of nines
    ("downtime(99.9 %, 1 month)", "min", 43.2, 1e-9),
    ("monthly_cost(47 servers, $0.384/hour)", "$/month", sum(0.384 * 47 for _ in range(720)), 1e-9),
    ("transfer_cost(1 GB/s, $0.09/GB)", "$/month", 0.09 * 86_400 * 30, 1e-9),
    ("cost_per_million($2592/month, 1000 requests/s)", "$", 1e6 / (1000 * 86_400 * 30) * 2592, 1e-9),
    *(
        (f"sms_segments({characters}, {bits})", "", segments(characters, bits), 0)
        for bits in (7, 16) for characters in (1, 70, 71, 134, 135, 160, 161, 306, 307)
    ),
    ("sms_cost(1 million SMS/month, 2, $0.0083, $0.004)", "$/month", 2e6 * 0.0123, 1e-9),
]  # fmt: skip


@pytest.mark.parametrize(("call", "unit", "expected", "tolerance"), WORKED, ids=[call for call, *_ in WORKED])
def test_another_source_agrees(call: str, unit: str, expected: float, tolerance: float) -> None:
    assert number(call, unit) == pytest.approx(expected, rel=tolerance, abs=0 if tolerance else 1e-9)


def test_no_block_is_without_another_source() -> None:
    assert {call.partition("(")[0] for call, *_ in WORKED} == BLOCKS.keys()
