"""Latencies as whole-number histograms that merge exactly.

A bin is an exponent and 11 bits: values below 4,096 ns have a bin each, above that a bin is at most 0.05 % wide.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.machine import Ints

BITS = 11
BINS = (63 - BITS) << BITS


def bin_of(value: int) -> int:
    """The bin of a value >= 0 (ns)."""
    shift = value.bit_length() - BITS - 1
    return value if shift <= 0 else (shift << BITS) + (value >> shift)


def bins_of(values: Ints) -> Ints:
    """`bin_of` for an array; values below 2^53."""
    # As a float a value has its exponent, which begins at 1023, before the bits that follow its first.
    bits: Ints = values.astype(np.float64).view(np.int64) >> (52 - BITS)
    return np.where(values < 1 << BITS, values, bits - ((1023 + BITS - 1) << BITS))


def middle(index: int) -> float:
    """The middle of a bin (ns)."""
    shift = max((index >> BITS) - 1, 0)
    low = (index - (shift << BITS)) << shift
    return low + ((1 << shift) - 1) / 2


def count(values: Ints) -> Ints:
    """Histogram of an array of values, shape (BINS,)."""
    return np.bincount(bins_of(values), minlength=BINS).astype(np.int64, copy=False)


def add(counts: Ints, values: Ints) -> None:
    """Count some more values in a histogram, in place."""
    if len(values) > BINS // 8:
        counts += count(values)
    else:
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
