"""Keyed random numbers: luck is a function of what it is for, never of who asks first.

A key is a uint64. `mix(key, word)` (splitmix64) derives another; a draw is the mix of a visit's key with a purpose.
The same arithmetic is written twice here, for Python integers and for numpy arrays, and compiled a third time by
the kernel; a test holds the three to the same bits.

A distribution is a *quantile table* of mean 1, so that after `resolve` a draw needs only shifts, comparisons and
+ - x /, on which numpy, numba and Python agree bit for bit (their logarithms do not). The grid is dyadic and
two-sided: 40 octaves of 64 cells towards each tail, linear within a cell; the farthest 2^-41 of each tail is clipped.
"""

from __future__ import annotations

import hashlib
import math

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
PERIOD = 13
ROUTE = 16  # ROUTE + j is the j-th choice of `least_of`

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


def root_keys(seed: int, replication: int, source: int, ordinals: NDArray[np.int64]) -> Keys:
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


def quantiles(table: Floats, draws: Keys) -> Floats:
    """`quantile` for an array of draws."""
    distance = draws & np.uint64((1 << 63) - 1)
    # frexp of the top 53 bits is exact; below them only the clipped tail is left.
    octave = 53 - np.frexp((distance >> np.uint64(10)).astype(np.float64))[1].astype(np.int64)
    clipped = octave >= OCTAVES
    rare = bool(clipped.any())  # one draw in 2^40
    if rare:
        octave = np.where(clipped, OCTAVES - 1, octave)
    side = (draws >> np.uint64(63)).astype(np.int64) * EDGES
    shifted = distance << octave.astype(np.uint64)
    cell = side + (OCTAVES - 1 - octave) * CELLS + ((shifted >> np.uint64(56)) & np.uint64(63)).astype(np.int64)
    fraction = ((shifted >> np.uint64(4)) & np.uint64((1 << 52) - 1)).astype(np.float64) * 2.0**-52
    low = table[cell]
    drawn: Floats = low + (table[cell + 1] - low) * fraction
    return np.where(clipped, table[side], drawn) if rare else drawn


def _edges() -> Floats:
    """Distance from the tail at each edge of one side, ascending from 2^-41 to 1/2."""
    octave, cell = np.divmod(np.arange(EDGES - 1), CELLS)
    inner = np.ldexp(1.0 + cell / CELLS, octave - OCTAVES - 1)
    return np.append(inner, 0.5)


def _tidy(values: Floats) -> Floats:
    """Rounded to 40 bits: libraries differ in the last bits of a logarithm, and the same run prints the same bytes."""
    mantissa, exponent = np.frexp(values)
    tidy: Floats = np.ldexp(np.round(np.ldexp(mantissa, 40)), exponent - 40)
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
    return _tidy(table / _mean(table))


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
