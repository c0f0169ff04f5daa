"""Caches by formula: which share of the requests finds its key there.

Requests ask independently for one of N keys, the i-th most popular in proportion to i^-alpha (Zipf; the independent
reference model). Sizes are numbers of entries. Where it says `Values`, numpy arrays are taken as well. A sum over the
keys is exact over the first few and by quadrature in log i beyond, so that a billion keys cost what a hundred do.
FormulaError for what no cache is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from estimators.arguments import Values, elementwise, not_negative, positive, within
from estimators.errors import FormulaError

MAX_KEYS = 1e15
MAX_ALPHA = 5.0
HEAD = 32  # keys that are summed one by one
PIECES, POINTS = 8, 8  # of the quadrature over the rest: hit ratios are good to 1e-8, of 1e15 keys to 2e-7
AT_ONCE = 512  # samples, so that the sums stay in the processor's cache
ROUNDS = 100


@elementwise
def zipf_head_share(keys: Values, alpha: Values, size: Values) -> Any:
    """The share of requests for the `size` most popular keys: the hit ratio of a static cache, and of perfect LFU."""
    import numpy

    keys, alpha = _checked(keys, alpha)
    not_negative("cache size", size)
    return zipf_sum(numpy.minimum(size, keys), alpha) / zipf_sum(keys, alpha)


@elementwise
def zipf_sum(keys: Values, alpha: Values) -> Any:
    """1 + 2^-alpha + ... + keys^-alpha, the number of keys rounded down; good to 1e-9. Euler and Maclaurin."""
    return _zipf_sum(*_checked(keys, alpha, least=0))


def _zipf_sum(keys: Any, alpha: Any) -> Any:
    import numpy

    at, step = keys + 0.5, 128
    first = numpy.arange(1.0, step + 1)
    head = numpy.where(first <= keys[:, None], first ** -alpha[:, None], 0.0).sum(axis=1)
    start = step + 0.5
    with numpy.errstate(divide="ignore", invalid="ignore", over="ignore"):
        power = 1 - alpha
        long = numpy.log(at / start)
        area = start**power * numpy.where(power * long == 0, long, numpy.expm1(power * long) / power)
        bend = alpha / 24 * (at ** (-alpha - 1) - start ** (-alpha - 1))  # of the midpoint rule
    return head + numpy.where(keys > step, area + bend, 0.0)


@elementwise
def lru_hit_ratio(keys: Values, alpha: Values, size: Values) -> Any:
    """Hit ratio of an LRU cache of `size` entries. Che, Tung and Wang 2002; Fricke, Robert and Roberts 2012.

    A key is there if it was asked for within the characteristic time, in which just as many keys as fit are asked for.
    An approximation, within 0.01 from some ten entries on; exact as they grow. 1 where all keys fit.
    """
    return _hit_ratio(_Lru, *_checked(keys, alpha), size)


@elementwise
def fifo_hit_ratio(keys: Values, alpha: Values, size: Values) -> Any:
    """Hit ratio of a FIFO or RANDOM cache, which are equal (Gelenbe 1973), in Che's way: Martina et al. 2014."""
    return _hit_ratio(_Fifo, *_checked(keys, alpha), size)


@elementwise
def lru_characteristic_time(keys: Values, alpha: Values, size: Values, rate: Values) -> Any:
    """How long, s, an entry that nobody asks for stays in an LRU cache at `rate` requests a second. Che et al. 2002.

    FormulaError where all keys fit: then it stays for ever.
    """
    import numpy

    keys, alpha = _checked(keys, alpha)
    positive("cache size", size)
    positive("request rate", rate)
    if numpy.any(size >= keys):
        raise FormulaError("all keys fit into the cache, an entry stays for ever; give fewer entries than keys")

    def log_time(keys: Any, alpha: Any, size: Any) -> Any:
        return _Population.of(keys, alpha).log_time(_Lru, size / keys, "keys")

    return numpy.exp(_in_parts(log_time, keys, alpha, size)) * zipf_sum(keys, alpha) / rate


@elementwise
def lru_size(keys: Values, alpha: Values, hit_ratio: Values) -> Any:
    """How many entries an LRU cache needs for this hit ratio (Che et al. 2002), not rounded."""
    return _size(_Lru, *_checked(keys, alpha), hit_ratio)


@elementwise
def fifo_size(keys: Values, alpha: Values, hit_ratio: Values) -> Any:
    """How many entries a FIFO or RANDOM cache needs for this hit ratio, not rounded."""
    return _size(_Fifo, *_checked(keys, alpha), hit_ratio)


@elementwise
def ttl_hit_ratio(rate: Values, ttl: Values) -> Any:
    """Hit ratio of one key asked for at `rate` /s (Poisson) that is kept `ttl` s from its fetch: rT / (1 + rT).

    A renewal argument: each cycle has the miss that fetches it and rT hits. Jung, Berger and Balakrishnan 2003.
    """
    expected = _expected(rate, ttl)
    return expected / (1 + expected)


@elementwise
def ttl_reset_hit_ratio(rate: Values, ttl: Values) -> Any:
    """The same where every request makes the time start again: 1 - exp(-rT)."""
    import numpy

    return -numpy.expm1(-_expected(rate, ttl))


@elementwise
def ttl_zipf_hit_ratio(keys: Values, alpha: Values, rate: Values, ttl: Values) -> Any:
    """Hit ratio over all keys, asked for at `rate` /s together, each kept `ttl` s from its fetch, however many."""
    import numpy

    keys, alpha = _checked(keys, alpha)
    with numpy.errstate(divide="ignore"):
        log_time = numpy.log(_expected(rate, ttl) / zipf_sum(keys, alpha))

    def part(keys: Any, alpha: Any, log_time: Any) -> Any:
        return _Population.of(keys, alpha).mean(_Fifo.present, log_time, "requests")

    return _in_parts(part, keys, alpha, log_time)


def _expected(rate: Any, ttl: Any) -> Any:
    not_negative("request rate", rate)
    not_negative("time to live", ttl)
    return rate * ttl


def _checked(keys: Any, alpha: Any, least: int = 1) -> tuple[Any, Any]:
    import numpy

    not_negative("number of keys", keys)
    not_negative("Zipf exponent", alpha)
    if ((keys < least) | (keys > MAX_KEYS)).any():
        raise FormulaError(f"the number of keys must be from {least} to {MAX_KEYS:.0e}; count entries, not bytes")
    if (alpha > MAX_ALPHA).any():
        raise FormulaError(f"the Zipf exponent must be at most {MAX_ALPHA:g}; measured ones are from 0.5 to 1.5")
    return numpy.floor(keys), alpha


# -- Che's method -----------------------------------------------------------------------------------------------------


class _Lru:
    """There if it was asked for in the characteristic time. x: the requests for a key that are expected in it."""

    @staticmethod
    def present(x: Any) -> Any:
        import numpy

        return -numpy.expm1(-x)

    @staticmethod
    def slope(x: Any) -> Any:
        """d present / d log x."""
        import numpy

        return x * numpy.exp(-x)

    @staticmethod
    def needed(share: Any) -> Any:
        """The x with which a key is there with this probability: `present` read backwards."""
        import numpy

        return -numpy.log1p(-share)


class _Fifo(_Lru):
    """There from its fetch until the characteristic time is over."""

    @staticmethod
    def present(x: Any) -> Any:
        return x / (1 + x)

    @staticmethod
    def slope(x: Any) -> Any:
        return x / (1 + x) ** 2

    @staticmethod
    def needed(share: Any) -> Any:
        return share / (1 - share)


class _Population(NamedTuple):
    """The keys of each sample (a row) as points of a sum: popularities, of the first key 1, and how many have each."""

    popularity: Any
    count: Any

    @classmethod
    def of(cls, keys: Any, alpha: Any) -> _Population:
        import numpy

        ranks, ones = numpy.arange(1.0, HEAD + 2), numpy.ones(HEAD + 1)
        many, last = (keys > HEAD)[:, None], numpy.maximum(keys, HEAD)[:, None]
        ones[-2:] += -1 / 24, 1 / 24 - 1  # the first term of Euler and Maclaurin for the rest, at its begin
        ends = many * numpy.array([1 / 24, -1 / 24])  # and at its end
        points, weights = numpy.polynomial.legendre.leggauss(POINTS)
        start = numpy.log(HEAD + 0.5)
        length = numpy.log(last + 0.5) - start
        log_rank = start + length * ((numpy.arange(PIECES)[:, None] + (points + 1) / 2) / PIECES).ravel()
        rest = length * numpy.exp(log_rank) * numpy.tile(weights / 2 / PIECES, PIECES)
        log_head = numpy.broadcast_to(numpy.log(ranks), (len(keys), len(ranks)))
        log_rank = numpy.hstack((log_head, log_rank, numpy.log(last), numpy.log(last + 1)))
        count = numpy.hstack((numpy.where(many, ones, ranks <= keys[:, None]), rest, ends))
        return cls(numpy.exp(-alpha[:, None] * log_rank), count)

    def weights(self, by: str) -> Any:
        """What a mean over the keys ('keys') or over the requests ('requests') weighs each point with."""
        weights = self.count * self.popularity if by == "requests" else self.count
        return weights / weights.sum(axis=1, keepdims=True)

    def mean(self, function: Callable[[Any], Any], log_time: Any, by: str) -> Any:
        """The mean of a function of the requests expected for a key in a time (1: one for the first key)."""
        import numpy

        return (self.weights(by) * function(numpy.exp(log_time)[:, None] * self.popularity)).sum(axis=1)

    def log_time(self, policy: type[_Lru], share: Any, by: str) -> Any:
        """The log of the time in which this share of the keys or requests comes to be there.

        Newton's method on log(needed(share)), which is nearly straight; for keys all alike it is.
        """
        import numpy

        weights, goal = self.weights(by), numpy.log(policy.needed(share))
        log_time = goal - numpy.log((weights * self.popularity).sum(axis=1))
        for _ in range(ROUNDS):
            expected = numpy.exp(log_time)[:, None] * self.popularity
            now = policy.needed((weights * policy.present(expected)).sum(axis=1))
            step = (goal - numpy.log(now)) * policy.slope(now) / (weights * policy.slope(expected)).sum(axis=1)
            log_time = log_time + numpy.clip(step, -3, 3)
            if (numpy.abs(step) < 1e-6).all():  # squared in the next one
                break
        return log_time


def _hit_ratio(policy: type[_Lru], keys: Any, alpha: Any, size: Any) -> Any:
    def within_reach(keys: Any, alpha: Any, size: Any) -> Any:
        population = _Population.of(keys, alpha)
        return population.mean(policy.present, population.log_time(policy, size / keys, "keys"), "requests")

    not_negative("cache size", size)
    found = (size >= keys) * 1.0
    some = (size > 0) & (size < keys)
    found[some] = _in_parts(within_reach, keys[some], alpha[some], size[some])
    return found


def _size(policy: type[_Lru], keys: Any, alpha: Any, hit_ratio: Any) -> Any:
    def part(keys: Any, alpha: Any, hit_ratio: Any) -> Any:
        population = _Population.of(keys, alpha)
        return keys * population.mean(policy.present, population.log_time(policy, hit_ratio, "requests"), "keys")

    within("hit ratio", hit_ratio, "write 90 % as 0.9")
    return _in_parts(part, keys, alpha, hit_ratio)


def _in_parts(function: Callable[..., Any], *arrays: Any) -> Any:
    import numpy

    starts = range(0, len(arrays[0]), AT_ONCE)
    parts = [function(*(array[start : start + AT_ONCE] for array in arrays)) for start in starts]
    return numpy.concatenate(parts) if parts else arrays[0]
