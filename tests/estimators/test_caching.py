"""Caches by formula: against sums over every key, real caches on drawn requests, and known series."""

import math
import time
from collections import OrderedDict

import numpy as np
import pytest
from scipy import optimize, special

from estimators import caching
from estimators.errors import FormulaError

LUCK = 9


def popularities(keys: int, alpha: float) -> np.ndarray:
    return np.arange(1, keys + 1.0) ** -alpha


def present(policy: str, expected: np.ndarray) -> np.ndarray:
    return -np.expm1(-expected) if policy == "lru" else expected / (1 + expected)


def by_every_key(policy: str, keys: int, alpha: float, size: float) -> tuple[float, float]:
    """(hit ratio, characteristic time in requests) by Che's equation, key by key."""
    asked = popularities(keys, alpha)
    log = optimize.brentq(lambda log: present(policy, math.exp(log) * asked).sum() - size, -30, 200, xtol=1e-13)
    there = present(policy, math.exp(log) * asked)
    return float(there @ asked / asked.sum()), math.exp(log) * float(asked.sum())


HIT_RATIOS = {"lru": caching.lru_hit_ratio, "fifo": caching.fifo_hit_ratio}
SIZES = {"lru": caching.lru_size, "fifo": caching.fifo_size}


@pytest.mark.parametrize("policy", ["lru", "fifo"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.8, 1.0, 1.0001, 1.3, 2.0, 5.0])
@pytest.mark.parametrize("keys", [2, 31, 32, 33, 50, 20_000])
def test_che_key_by_key(keys: int, alpha: float, policy: str) -> None:
    for part in (0.001, 0.03, 0.5, 0.999):
        size = keys * part
        if size < 1:
            continue
        hits, lasts = by_every_key(policy, keys, alpha, size)
        assert HIT_RATIOS[policy](keys, alpha, size) == pytest.approx(hits, rel=1e-7)
        if hits < 1 - 1e-6:  # nearly every hit ratio near 1 has a size of its own, but not in floats
            assert SIZES[policy](keys, alpha, hits) == pytest.approx(size, rel=1e-5)
        if policy == "lru" and alpha < 5:
            assert caching.lru_characteristic_time(keys, alpha, size, 200.0) == pytest.approx(lasts / 200, rel=1e-6)


def drawn(keys: int, alpha: float, count: int) -> list[int]:
    shares = popularities(keys, alpha).cumsum()
    return np.searchsorted(shares, np.random.default_rng(LUCK).random(count) * shares[-1]).tolist()


def hits_of(requests: list[int], size: int, touched: bool) -> float:
    """A cache as it is programmed; what is `touched` is the newest again."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for done, key in enumerate(requests):
        if key in cache:
            hits += done >= len(requests) // 4
            if touched:
                cache.move_to_end(key)
        else:
            cache[key] = None
            if len(cache) > size:
                cache.popitem(last=False)
    return hits / (len(requests) - len(requests) // 4)


@pytest.mark.parametrize(("keys", "alpha", "size"), [(2_000, 0.8, 20), (2_000, 0.8, 300), (500, 1.2, 50)])
def test_che_against_caches(keys: int, alpha: float, size: int) -> None:
    requests = drawn(keys, alpha, 150_000)
    assert caching.lru_hit_ratio(keys, alpha, size) == pytest.approx(hits_of(requests, size, True), abs=0.008)
    assert caching.fifo_hit_ratio(keys, alpha, size) == pytest.approx(hits_of(requests, size, False), abs=0.008)
    head = np.mean(np.array(requests) < size)
    assert caching.zipf_head_share(keys, alpha, size) == pytest.approx(head, abs=0.005)


def test_times_to_live_against_drawn_requests() -> None:
    luck = np.random.default_rng(LUCK)
    times = luck.exponential(1 / 50, 100_000).cumsum()
    keys = np.array(drawn(300, 0.9, len(times)))
    ttl, fetched, seen, hits, kept = 4.0, {}, {}, 0, 0
    for now, key in zip(times.tolist(), keys.tolist(), strict=True):
        if now - fetched.get(key, -math.inf) < ttl:
            hits += 1
        else:
            fetched[key] = now
        kept += now - seen.get(key, -math.inf) < ttl
        seen[key] = now
    rates = popularities(300, 0.9) / popularities(300, 0.9).sum() * 50
    found = caching.ttl_zipf_hit_ratio(300, 0.9, 50.0, ttl)
    assert found == pytest.approx(hits / len(times), abs=0.01)
    assert found == pytest.approx(float(rates @ caching.ttl_hit_ratio(rates, ttl)) / 50, rel=1e-7)
    reset = float(rates @ caching.ttl_reset_hit_ratio(rates, ttl)) / 50
    assert reset == pytest.approx(kept / len(times), abs=0.01)
    assert caching.ttl_zipf_hit_ratio(300, 0.9, 50.0, 0.0) == 0


def test_sums_of_known_series() -> None:
    for keys in (1, 77, 128, 129, 1_000, 10**6, 10**12):
        assert caching.zipf_sum(keys, 1.0) == pytest.approx(special.digamma(keys + 1) + np.euler_gamma, rel=1e-10)
        assert caching.zipf_sum(keys, 0.0) == pytest.approx(keys, rel=1e-12)
        for alpha in (1.2, 2.0, 4.5):
            series = special.zeta(alpha) - special.zeta(alpha, keys + 1)
            assert caching.zipf_sum(keys, alpha) == pytest.approx(series, rel=1e-10)
    for alpha in (0.5, 0.999999, 1.000001):
        assert caching.zipf_sum(10**6, alpha) == pytest.approx(popularities(10**6, alpha).sum(), rel=1e-10)


def test_a_billion_keys_at_once() -> None:
    caching.lru_hit_ratio(1_000, 0.8, 10)
    start = time.thread_time()
    hits = caching.lru_hit_ratio(1e9, 0.8, 1e6)
    size = caching.lru_size(1e9, 0.8, hits)
    assert time.thread_time() - start < 0.1
    assert size == pytest.approx(1e6, rel=1e-6)
    # The same caches in a world of fewer keys: the tail counts for less, so the ratio is higher, and not by much.
    assert caching.lru_hit_ratio(1e8, 0.8, 1e6) > hits > caching.lru_hit_ratio(1e10, 0.8, 1e6)


def test_twenty_thousand_samples_at_once() -> None:
    luck = np.random.default_rng(LUCK)
    keys = np.floor(luck.lognormal(math.log(1e8), 1, 20_000))
    alphas, sizes = luck.uniform(0.6, 1.2, 20_000), keys * luck.uniform(0.001, 0.3, 20_000)
    start = time.thread_time()
    hits = caching.lru_hit_ratio(keys, alphas, sizes)
    found = caching.lru_size(keys, alphas, hits)
    assert time.thread_time() - start < 3  # on an idle core 0.4 s for both
    assert found == pytest.approx(sizes, rel=1e-5)
    for k in (0, 600, 19_999):
        assert hits[k] == pytest.approx(caching.lru_hit_ratio(keys[k], alphas[k], sizes[k]), rel=1e-9)


def test_the_edges() -> None:
    for function in (caching.lru_hit_ratio, caching.fifo_hit_ratio, caching.zipf_head_share):
        assert function(100, 0.8, 0) == 0
        assert function(100, 0.8, 100) == function(100, 0.8, 1e6) == 1
    assert caching.lru_hit_ratio(400, 0.0, 100) == pytest.approx(0.25)  # all alike: what fits
    assert caching.lru_hit_ratio(100.9, 0.8, 10) == caching.lru_hit_ratio(100, 0.8, 10)
    assert caching.lru_hit_ratio(np.array([100.0, 100.0, 100.0]), 0.8, np.array([0.0, 50.0, 100.0])).tolist() == [
        0.0,
        pytest.approx(caching.lru_hit_ratio(100, 0.8, 50)),
        1.0,
    ]
    assert caching.lru_hit_ratio(np.zeros(0), 0.8, 10).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: caching.lru_hit_ratio(0.5, 0.8, 1),
            "the number of keys must be from 1 to 1e+15; count entries, not bytes",
        ),
        (
            lambda: caching.lru_hit_ratio(100, 7, 1),
            "the Zipf exponent must be at most 5; measured ones are from 0.5 to 1.5",
        ),
        (
            lambda: caching.lru_hit_ratio(100, math.nan, 1),
            "the Zipf exponent is nan, but must be a number from 0 up; check what it is computed from",
        ),
        (
            lambda: caching.fifo_hit_ratio(100, 0.8, -1),
            "the cache size is -1, but must be a number from 0 up; check what it is computed from",
        ),
        (
            lambda: caching.lru_size(100, 0.8, 90),
            "the hit ratio is 90, but must be a share above 0 and below 1; write 90 % as 0.9",
        ),
        (
            lambda: caching.lru_characteristic_time(100, 0.8, 100, 5.0),
            "all keys fit into the cache, an entry stays for ever; give fewer entries than keys",
        ),
        (
            lambda: caching.ttl_hit_ratio(-1, 5.0),
            "the request rate is -1, but must be a number from 0 up; check what it is computed from",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        call()
    assert str(caught.value) == message
