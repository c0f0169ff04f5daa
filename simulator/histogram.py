"""Latencies as whole-number histograms that merge exactly.

A bin is an exponent and 11 bits: values below 4,096 ns have a bin each, above that a bin is at most 0.05 % wide. Coarse
bins, for charts, have 2 bits: four an octave.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.machine import Ints

BITS, COARSE = 11, 2
BINS = (63 - BITS) << BITS


def bin_of(value: int) -> int:
    """The bin of a value >= 0 (ns)."""
    shift = value.bit_length() - BITS - 1
    return value if shift <= 0 else (shift << BITS) + (value >> shift)


def bins_of(values: Ints, bits: int = BITS) -> Ints:
    """`bin_of` for an array; values below 2^53."""
    # As a float a value has its exponent, which begins at 1023, before the bits that follow its first.
    bins: Ints = values.astype(np.float64).view(np.int64)
    bins >>= 52 - bits
    bins -= (1023 + bits - 1) << bits
    np.copyto(bins, values, where=values < 1 << bits)
    return bins


def lowest(index: int, bits: int = BITS) -> int:
    """Where a bin begins (ns)."""
    shift = _shift(index, bits)
    return (index - (shift << bits)) << shift


def middle(index: int) -> float:
    """The middle of a bin (ns)."""
    return lowest(index) + ((1 << _shift(index, BITS)) - 1) / 2


def _shift(index: int, bits: int) -> int:
    """A bin is as wide as two to this."""
    return max((index >> bits) - 1, 0)


def count(values: Ints) -> Ints:
    """Histogram of an array of values, shape (BINS,)."""
    return np.bincount(bins_of(values), minlength=BINS).astype(np.int64, copy=False)


def add(counts: Ints, values: Ints) -> None:
    """Count some more values in a histogram, in place."""
    np.add.at(counts, bins_of(values), 1)


def rank(population: int, percent: float) -> int:
    """How many of a population must not exceed its percentile."""
    return max(1, math.ceil(population * percent / 100 - 1e-9))


def percentile(counts: Ints, percent: float, population: int | None = None) -> float | None:
    """The smallest value that at least `percent` % of the population do not exceed (ns).

    `population` may be larger than the histogram: the rest counts as later than any limit. None when the percentile
    falls there, or when there is nothing.
    """
    known = int(counts.sum())
    everyone = known if population is None else population
    place = rank(everyone, percent)
    if everyone == 0 or place > known:
        return None
    return middle(int(np.searchsorted(np.cumsum(counts), place)))
