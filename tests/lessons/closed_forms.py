"""What theory says of the lessons: closed forms, or sums and roots of them. Times in service times unless said."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]
Tail = Callable[[float], float]  # the probability of taking longer than this


def where(equal: Callable[[float], float], low: float, high: float) -> float:
    """Where a function is nought, between two places."""
    return float(optimize.brentq(equal, low, high, xtol=1e-12))


# -- times --------------------------------------------------------------------------------------------------------


def lognormal_tail(p50: float, p95: float) -> Tail:
    """Of the lognormal through two percentiles."""
    sigma = lognormal_sigma(p50, p95)
    return lambda t: float(special.ndtr(-math.log(t / p50) / sigma)) if t > 0 else 1.0


def lognormal_sigma(p50: float, p95: float) -> float:
    """Its standard deviation, of the logarithm."""
    return math.log(p95 / p50) / float(special.ndtri(0.95))


def hedged(tail: Tail, after: float) -> Tail:
    """Of the first of two copies, the second of which is sent `after` the first, if that is still under way."""
    return lambda t: tail(t) * (tail(t - after) if t > after else 1.0)


def slowest_of(tail: Tail, n: int) -> Tail:
    """Of the slowest of n alike."""
    return lambda t: 1 - (1 - tail(t)) ** n


def mixed(tail: Tail, share: float, other: Tail) -> Tail:
    """Of one or, by the share, the other."""
    return lambda t: (1 - share) * tail(t) + share * other(t)


def percentile(tail: Tail, beyond: float, most: float = 1e6) -> float:
    """The time that the share `beyond` takes longer than."""
    return where(lambda t: tail(t) - beyond, 1e-9, most)


# -- queues -------------------------------------------------------------------------------------------------------


def erlang_c(load: float, servers: int) -> float:
    """Probability of waiting in M/M/c (Erlang 1917), through Erlang B's recursion."""
    blocked = 1.0
    for c in range(1, servers + 1):
        blocked = load * blocked / (c + load * blocked)
    return servers * blocked / (servers - load * (1 - blocked))


def m_m_c_wait(load: float, servers: int) -> float:
    """Mean wait in M/M/c."""
    return erlang_c(load, servers) / (servers - load)


def m_m_c_later(load: float, servers: int, t: float) -> float:
    """Probability that wait and service in M/M/c take longer than t: two exponentials, one after the other."""
    excess = servers - load - 1  # of the rate at which a wait ends over that at which a service does
    both = t if abs(excess) < 1e-9 else -math.expm1(-excess * t) / excess
    return math.exp(-t) * (1 + erlang_c(load, servers) * both)


def least_of(load: float, choices: int) -> float:
    """Mean time at one of many servers, the least busy of some drawn (Mitzenmacher 1996): exact for infinitely many."""
    if choices == 1:
        return 1 / (1 - load)
    return math.fsum(load ** ((choices**i - choices) // (choices - 1)) for i in range(1, 10))


def in_turn(load: float, servers: int) -> float:
    """Mean time where every n-th arrival is one's own: E_n/M/1, 1 / (1 - s) with s the root of the transform."""
    s = where(lambda s: (1 + (1 - s) / (servers * load)) ** -servers - s, 0.0, 1 - 1e-6)
    return 1 / (1 - s)


def m_d_1_k(load: float, room: int) -> Floats:
    """Probabilities of the numbers in M/D/1 with room for so many, who is served included; the last is the loss."""
    arrivals = np.exp(np.arange(room + 1) * math.log(load) - load - special.gammaln(np.arange(1, room + 2)))
    left = [1.0]  # behind those who leave, up to a factor
    for j in range(room - 1):
        came = left[0] * arrivals[j] + sum(left[i] * arrivals[j - i + 1] for i in range(1, j + 1))
        left.append(float((left[j] - came) / arrivals[0]))
    behind = np.array(left) / math.fsum(left)
    served = behind[0] + load
    return np.append(behind / served, 1 - 1 / served)


def newest_first_in_time(load: float, patience: float) -> float:
    """The share that an overloaded M/D/1 answers within `patience`, newest first, if it never idles.

    Who comes waits for what is left of the service under way, u (anything up to 1), and for all who come meanwhile:
    the delayed busy period of Borel and Tanner, u + n long with probability
    (load u) (load (u + n))^(n - 1) exp(-load (u + n)) / n!.
    """
    nodes, weights = np.polynomial.legendre.leggauss(40)
    u = (nodes + 1) / 2
    found = np.zeros_like(u)
    for n in range(int(patience)):
        busy = u + n
        logs = np.log(load * u) + (n - 1) * np.log(load * busy) - load * busy - special.gammaln(n + 1)
        found += np.where(busy + 1 <= patience, np.exp(logs), 0.0)
    return float(found @ weights / 2)


def busy_with_leavers(load: float, servers: int, leaving: float, stops: bool) -> float:
    """Mean number of busy servers in M/M/c whose users leave at a rate; `stops`: also those who are being served."""
    logs = [0.0]
    for n in range(1, 2_000):
        served = min(n, servers)
        gone = leaving * (n if stops else n - served)
        logs.append(logs[-1] + math.log(load / (served + gone)))
    weights = np.exp(np.array(logs) - max(logs))
    return float((np.minimum(np.arange(len(weights)), servers) * weights).sum() / weights.sum())


def first_in_line(load: float, share: float) -> tuple[float, float]:
    """Mean waits in M/M/1 of those who go first and of the others (Cobham 1954)."""
    spare = 1 - load * share
    return load / spare, load / (spare * (1 - load))


# -- caches -------------------------------------------------------------------------------------------------------


def popularity(keys: int, exponent: float) -> Floats:
    """Zipf: the probabilities of the keys."""
    weights: Floats = np.arange(1.0, keys + 1) ** -exponent
    return weights / weights.sum()


def lru_hits(keys: Floats, capacity: int) -> float:
    """Hit ratio of an LRU cache (Che, Tung and Wang 2002): an entry stays for one time, the same for all keys."""
    stays = where(lambda t: float(-np.expm1(-keys * t).sum()) - capacity, 0.0, 1e12)
    return float((keys * -np.expm1(-keys * stays)).sum())


def first_hits(keys: Floats, first: int, last: int) -> float:
    """Hit ratio of the requests `first` to `last` of a cache that was empty, and is not full yet.

    A request misses if its key is new: misses of the first n are the different keys among them.
    """
    new_of_first, new_of_last = (-np.expm1(n * np.log1p(-keys)).sum() for n in (first, last))
    return float(1 - (new_of_last - new_of_first) / (last - first))


# -- second tries -------------------------------------------------------------------------------------------------


def attempts(fails: float, most: int) -> float:
    """Mean attempts if each fails on its own."""
    return math.fsum(fails**n for n in range(most))


def all_in_outages(every: float, lasts: float, at: tuple[float, ...]) -> float:
    """Probability that a system which is up and down for exponential times is down at all of these times."""
    down = lasts / (every + lasts)
    still = [down + (1 - down) * math.exp(-(b - a) * (1 / every + 1 / lasts)) for a, b in pairwise(at)]
    return down * math.prod(still)
