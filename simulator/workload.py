"""Arrival processes: when requests come, as int64 nanoseconds, and the keys of their luck.

A Poisson process of varying rate is a unit-rate process read through the inverse of its integrated rate. Unit gaps
are whole numbers (2^-32 of the mean gap) before they are summed, so that arrival n is the same number however the
stream is cut into chunks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator import draws

Ints = NDArray[np.int64]

SECOND = 1_000_000_000
UNIT = 1 << 32  # parts of a mean gap
CHUNK = 4096
LATEST_TOTAL = 1 << 62  # parts: two thousand million arrivals
LATEST = 2.0**61  # ns; no run gets so far, and times stay inside int64


@dataclass(frozen=True)
class Profile:
    """A piecewise-constant rate: from `starts[k]` ns on, `rates[k]` requests per second; the last goes on for ever."""

    starts: tuple[int, ...]
    rates: tuple[float, ...]

    @classmethod
    def constant(cls, rate: float) -> Profile:
        """The same rate all the time."""
        return cls((0,), (rate,))

    def expected(self, until: int) -> float:
        """Mean number of arrivals before `until` ns."""
        ends = [*self.starts[1:], until]
        spans = (max(0, min(end, until) - start) for start, end in zip(self.starts, ends, strict=True))
        return math.fsum(span / SECOND * rate for span, rate in zip(spans, self.rates, strict=True))


class Arrivals(NamedTuple):
    """A chunk of requests: number of the first, arrival times (ns, ascending) and root keys."""

    first: int
    times: Ints
    keys: draws.Keys


class ArrivalStream:
    """The arrivals of one source in one replication, chunk by chunk."""

    def __init__(self, profile: Profile, seed: int, replication: int, source: int = 0) -> None:
        self._identity = (seed, replication, source)
        self._gaps = draws.exponential_table()
        self._next = 0
        self._total = 0  # unit-rate time of the last arrival, in parts
        self._knots, self._starts, self._scale = _inverse(profile)

    def chunk(self, size: int = CHUNK) -> Arrivals:
        """The next `size` requests."""
        first, ordinals = self._next, np.arange(self._next, self._next + size)
        keys = draws.root_keys(*self._identity, ordinals)
        gaps = (draws.quantiles(self._gaps, draws.mix_many(keys, draws.GAP)) * UNIT + 0.5).astype(np.int64)
        totals = self._total + np.cumsum(gaps)
        self._next, self._total = first + size, int(totals[-1])
        piece = np.searchsorted(self._knots, totals, side="right") - 1
        ahead = (totals - self._knots[piece]).astype(np.float64)
        times = self._starts[piece] + np.minimum(ahead * self._scale[piece], LATEST).astype(np.int64)
        return Arrivals(first, times, keys)


def _inverse(profile: Profile) -> tuple[Ints, Ints, draws.Floats]:
    """Integrated rate at the starts of the pieces with arrivals (parts), those starts (ns), and ns per part there."""
    knots, starts, scale = [], [], []
    total = 0
    for k, (start, rate) in enumerate(zip(profile.starts, profile.rates, strict=True)):
        if total > LATEST_TOTAL or start > LATEST:
            break  # no run gets so far
        if rate > 0:
            knots.append(total)
            starts.append(start)
            scale.append(SECOND / (rate * UNIT))
            if k + 1 < len(profile.starts):
                total += round((profile.starts[k + 1] - start) * rate / SECOND * UNIT)
    return np.array(knots, dtype=np.int64), np.array(starts, dtype=np.int64), np.array(scale)
