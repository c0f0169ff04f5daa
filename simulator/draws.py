"""Keyed random numbers: luck is a function of what it is for, never of who asks first.

A key is a uint64. `mix(key, word)` (splitmix64) derives another; a draw is the mix of a visit's key with a purpose.
The same arithmetic is written twice here, for Python integers and for numpy arrays, and compiled a third time by
the kernel (`kernel_parts`, over arrays `kernel_draws`); a test holds all of them to the same bits.

A distribution is a *quantile table* of mean 1, so that after `resolve` a draw needs only shifts, comparisons and
+ - x /, on which numpy, numba and Python agree bit for bit (their logarithms do not). The grid is dyadic and
two-sided: 40 octaves of 64 cells towards each tail, linear within a cell; the farthest 2^-41 of each tail is clipped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MULTIPLIER_1 = 0xBF58476D1CE4E5B9
MULTIPLIER_2 = 0x94D049BB133111EB

# Purposes: what a draw is for.
GAP, SERVICE, CACHE = 1, 2, 3
KEY, ERROR, SILENT, WHEN, TIMEOUT, JITTER, CLASS, ITEMS, HASH = 4, 5, 6, 7, 8, 9, 10, 11, 12
PERIOD, THINK, HOT = 13, 14, 15
ROUTE = 16  # ROUTE + j is the j-th choice of `least_of`; at most 16 of them
ZONE = 32

OCTAVES, CELLS = 40, 64
EDGES = OCTAVES * CELLS + 1  # of one side; a table is the low side, then the high side


def mix(key: int, word: int) -> int:
    """The key derived from `key` by `word` (any 64-bit integers)."""
    z = (key + (word + 1) * GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * MULTIPLIER_1) & MASK
    z = ((z ^ (z >> 27)) * MULTIPLIER_2) & MASK
    return z ^ (z >> 31)


def mix_many(keys: Keys | int, words: Keys | int) -> Keys:
    """`mix` for an array of keys or of words (arrays wrap around in silence, as they must here)."""
    key = np.atleast_1d(np.asarray(keys, dtype=np.uint64))
    word = np.atleast_1d(np.asarray(words, dtype=np.uint64))
    z: Keys = key + (word + np.uint64(1)) * np.uint64(GOLDEN)
    z ^= z >> np.uint64(30)
    z *= np.uint64(MULTIPLIER_1)
    z ^= z >> np.uint64(27)
    z *= np.uint64(MULTIPLIER_2)
    z ^= z >> np.uint64(31)
    return z


def name_hash(name: str) -> int:
    """A stage's identity in keys: its name, so that adding a stage changes no other stage's draws.

    It is the word of the first attempt at the first shard: `visit_word` adds other shards, attempts and copies.
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def visit_word(name_hash: int, shard: int, attempt: int, copy: int) -> int:
    """The word that derives a visit's key from its caller's: shards, attempts (below 16) and copies (a hedge is 1)
    count from 0, and each has luck of its own."""
    return (name_hash + (shard << 5 | attempt << 1 | copy)) & MASK


def below(draw: int, n: int) -> int:
    """A whole number from 0 to n - 1 (n < 2^32), from the draw's high half: its cells differ by 2^-32 at most."""
    return ((draw >> 32) * n) >> 32


def root_keys(
    seed: int,
    replication: int,
    source: int,
    ordinals: NDArray[np.int64],
    mix_many: Callable[[Keys | int, Keys | int], Keys] = mix_many,
) -> Keys:
    """Keys of the requests with these ordinals within their source."""
    stream = mix(mix(mix(seed & MASK, 0), replication), source)
    return mix_many(stream, ordinals.astype(np.uint64))


# -- quantile tables ------------------------------------------------------------------------------------------------


def quantile(table: Floats, draw: int) -> float:
    """The table's value at a 64-bit draw. The top bit picks the side, the rest is the distance from that tail."""
    distance = draw & ((1 << 63) - 1)
    octave = 63 - distance.bit_length()
    side = 0 if draw >> 63 == 0 else EDGES
    if octave >= OCTAVES:
        return float(table[side])
    shifted = distance << octave
    cell = side + (OCTAVES - 1 - octave) * CELLS + ((shifted >> 56) & 63)
    fraction = ((shifted >> 4) & ((1 << 52) - 1)) * 2.0**-52
    low = float(table[cell])
    return low + (float(table[cell + 1]) - low) * fraction


_LOWEST_OCTAVE = 1023 + 52  # 1023: the exponent of 1 as a float has it
_FIRST_CELL = (_LOWEST_OCTAVE << 6) - (OCTAVES - 1) * CELLS  # octaves count downwards, cells upwards


def quantiles(table: Floats, draws: Keys) -> Floats:
    """`quantile` for an array of draws."""
    distance = draws & np.uint64((1 << 63) - 1)
    # The top 53 bits as a float are exact, and its exponent and first 6 bits are octave and cell; below them only the
    # clipped tail is left.
    bits = (distance >> np.uint64(10)).astype(np.float64).view(np.int64)
    octave, cell = _LOWEST_OCTAVE - (bits >> 52), (bits >> 46) - _FIRST_CELL
    clipped = cell < 0
    rare = bool(clipped.any())  # one draw in 2^40
    if rare:
        octave, cell = np.where(clipped, OCTAVES - 1, octave), np.where(clipped, 0, cell)
    side = (draws >> np.uint64(63)).astype(np.int64) * EDGES
    cell += side
    fraction = (((distance << octave.view(np.uint64)) >> np.uint64(4)) & np.uint64((1 << 52) - 1)).astype(np.float64)
    fraction *= 2.0**-52
    low = table[cell]
    drawn: Floats = low + (table[cell + 1] - low) * fraction
    return np.where(clipped, table[side], drawn) if rare else drawn


class Arithmetic(NamedTuple):
    """The functions over arrays, by numpy or by the kernel's compiled code: the bits are the same."""

    mix_many: Callable[[Keys | int, Keys | int], Keys]
    quantiles: Callable[[Floats, Keys], Floats]


NUMPY = Arithmetic(mix_many, quantiles)


def _edges() -> Floats:
    """Distance from the tail at each edge of one side, ascending from 2^-41 to 1/2."""
    octave, cell = np.divmod(np.arange(EDGES - 1), CELLS)
    inner = np.ldexp(1.0 + cell / CELLS, octave - OCTAVES - 1)
    return np.append(inner, 0.5)


def _tidy(values: Floats, bits: int = 32) -> Floats:
    """Rounded: libraries differ in the last bits of a logarithm, and the same run prints the same bytes.

    At 32 bits a difference in the 53rd survives with chance 2^-20, so that whole tables are equal, not most entries.
    """
    mantissa, exponent = np.frexp(values)
    tidy: Floats = np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
    return tidy


def _mean(table: Floats) -> float:
    """The exact mean of a draw from the table."""
    width = np.diff(_edges())
    total = 0.0
    for side in (table[:EDGES], table[EDGES:]):
        total += float(np.sum(width * (side[:-1] + side[1:]) / 2)) + float(side[0]) * 2.0 ** (-OCTAVES - 1)
    return total


def _unit_mean(low: Floats, high: Floats) -> Floats:
    table = np.concatenate([low, high])
    # The mean is tidied first: a difference in its last bit would move every entry.
    return _tidy(table / _tidy(np.array(_mean(table))))


def constant_table() -> Floats:
    """Always 1."""
    return np.ones(2 * EDGES)


def exponential_table() -> Floats:
    """Exponential of mean 1: cv 1."""
    p = _edges()
    return _unit_mean(-np.log1p(-p), -np.log(p))


def lognormal_table(cv: float) -> Floats:
    """Log-normal of mean 1 and this coefficient of variation: sigma^2 = ln(1 + cv^2)."""
    sigma = math.sqrt(math.log1p(cv * cv))
    z = special.ndtri(_edges())
    return _unit_mean(np.exp(sigma * z), np.exp(-sigma * z))


def gamma_table(cv: float) -> Floats:
    """Gamma of mean 1 and this coefficient of variation: shape 1 / cv^2."""
    shape = 1.0 / (cv * cv)
    p = _edges()
    return _unit_mean(special.gammaincinv(shape, p), special.gammainccinv(shape, p))


def pareto_table(cv: float) -> Floats:
    """Pareto (type I) of mean 1 and this coefficient of variation: shape a = 1 + sqrt(1 + 1 / cv^2), above 2.

    Near a = 2 the variance comes from draws rarer than 2^-41, which are clipped: no run of any length sees it. The cv
    of the table is lower than declared by 0.003 % at cv 0.5, 0.6 % at 1, 13 % at 2, 30 % at 3 and 53 % at 5; its
    mean and percentiles are not.
    """
    shape = 1.0 + math.sqrt(1.0 + 1.0 / (cv * cv))
    p = _edges()
    return _unit_mean(np.exp(-np.log1p(-p) / shape), np.exp(-np.log(p) / shape))


def uniform_table(cv: float) -> Floats:
    """Uniform of mean 1 and this coefficient of variation: 1 - sqrt(3) cv to 1 + sqrt(3) cv, so cv <= 1 / sqrt(3)."""
    half = min(math.sqrt(3.0) * cv, 1.0)
    p = _edges()
    return _unit_mean(1.0 - half * (1.0 - 2.0 * p), 1.0 + half * (1.0 - 2.0 * p))


def empirical_table(values: Sequence[float]) -> Floats:
    """The quantiles of measured values, relative to their mean.

    Order statistic k of n stands at (k - 1/2) / n with straight lines between (Hazen's rule, Hyndman & Fan 1996 type
    5), which keeps the mean of the sample whatever its tail: the usual type 7 loses half of the largest value.
    """
    p = _edges()
    low, high = (np.quantile(np.asarray(values, dtype=np.float64), at, method="hazen") for at in (p, 1.0 - p))
    return _unit_mean(low, high)


def mixture_table(base: Floats, share: float, times: float) -> Floats:
    """`base`, but that a draw is `times` as long with this probability: relative to the mean of both together."""
    p = _edges()
    knots = np.repeat(np.unique(np.concatenate([base, base * times])), 2)  # twice: a cdf may jump there
    reached = (1.0 - share) * _cdf(base, knots) + share * _cdf(base * times, knots)
    left = (1.0 - share) * _cdf(base, knots, above=True) + share * _cdf(base * times, knots, above=True)
    # Between knots the mixture's cdf is straight, as the two it is made of, so that this inverts it exactly.
    low = np.interp(p, np.maximum.accumulate(reached), knots)
    high = np.interp(p, np.maximum.accumulate(left[::-1]), knots[::-1])
    return _unit_mean(low, high)


def _cdf(table: Floats, knots: Floats, above: bool = False) -> Floats:
    """Share of draws from a table up to each of these values, or `above` them: exact in the tail it is measured from.

    The values come in pairs, for before and after the jump that there may be at each.
    """
    p = _edges()
    values = np.concatenate([table[:1], table[:EDGES], table[EDGES:][::-1], table[EDGES : EDGES + 1]])
    shares = np.concatenate([[0.0], p, 1.0 - p[::-1], [1.0]])
    if above:
        shares = np.concatenate([[1.0], 1.0 - p, p[::-1], [0.0]])
    before = np.searchsorted(values, knots[::2], side="left")
    after = np.searchsorted(values, knots[1::2], side="right")
    found = np.empty(len(knots))
    found[::2] = _between(values, shares, knots[::2], before)
    found[1::2] = _between(values, shares, knots[1::2], after)
    return found


def _between(values: Floats, shares: Floats, at: Floats, place: NDArray[np.intp]) -> Floats:
    """The straight line from place - 1 to place; level outside."""
    first, last = np.clip(place - 1, 0, None), np.clip(place, None, len(values) - 1)
    width = values[last] - values[first]
    part = np.divide(at - values[first], width, out=np.zeros(len(at)), where=width > 0.0)
    found: Floats = shares[first] + part * (shares[last] - shares[first])
    return found


# -- popularity -----------------------------------------------------------------------------------------------------


def zipf_thresholds(keys: int, exponent: float) -> Keys:
    """Cumulative popularity of `keys` keys, of 2^64: key k (from 0) is asked for in proportion to 1 / (k+1)^exponent.

    The key of a draw is the first whose threshold is at least the draw (`np.searchsorted`, side left). Exponent 0:
    all keys alike.
    """
    # 24 bits of each weight are more than anybody knows about popularity, and the same on every machine.
    weights = _tidy(np.arange(1, keys + 1, dtype=np.float64) ** -exponent, bits=24)
    unit = 2.0**64 * (1.0 - 2.0**-40) / math.fsum(weights.tolist())  # a little less: the sum must stay below 2^64
    thresholds = np.cumsum((weights * unit).astype(np.uint64), dtype=np.uint64)
    # What rounding left over goes to the most popular key, which notices it least.
    thresholds += np.uint64(MASK) - thresholds[-1]
    return thresholds
