"""Whether a window was steady: does its first tenth look like the rest?

The test for initialisation bias by comparing an early part of the output with the late part (Goldsman, Schruben and
Swain, "Tests for transient means in simulated time series", Naval Research Logistics 41, 1994), here with independent
replications as the samples: Student's paired t test of the mean latency of the first tenth of the measured requests
against that of the rest. The level is strict, and the difference must matter, so that steady cases do not warn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from simulator.machine import Ints, Whole
from simulator.report import milliseconds

PARTS = 10  # of a window
LEAST = 3  # replications
LEVEL = 0.001  # of the test, two-sided
MATTERS = 0.05  # of the mean latency: a smaller difference in a tenth moves the mean by less than 0.5 %

Parts = tuple[Whole, Ints]  # of a replication: sums of latencies (ns) and numbers of requests, by tenth of the window


def unsteady(replications: Sequence[Parts], overloaded: bool) -> str | None:
    """A sentence when the window began before the system was steady, or it never was; None when nothing shows that.

    `overloaded`: it is known that no warm-up would do.
    """
    first = _difference(replications, slice(0, 1), slice(1, PARTS))
    if first is None:
        return None
    middle = PARTS // 2
    later = _difference(replications, slice(1, middle), slice(middle, PARTS))
    early, rest = first
    took, then = milliseconds(early / 1e6), milliseconds(rest / 1e6)
    if early < rest and (overloaded or (later is not None and later[0] < later[1])):
        return (
            f"latencies kept rising throughout the window (mean {took} in its first tenth, {then} after): "
            "this is no steady state, and the figures depend on the length of the run"
        )
    return (
        f"the warm-up was too short: the first tenth of the measured requests took {took} on average, the rest {then}; "
        "make run.warm_up longer, or measure more requests"
    )


def _difference(replications: Sequence[Parts], one: slice, other: slice) -> tuple[float, float] | None:
    """The mean latencies of two parts of the window (ns), if they differ beyond doubt."""
    pairs = [(_mean(parts, one), _mean(parts, other)) for parts in replications]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(known) < max(LEAST, len(pairs)):
        return None
    count = len(known)
    first, rest = (math.fsum(side) / count for side in zip(*known, strict=True))
    differences = [a - b for a, b in known]
    mean = math.fsum(differences) / count
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (count - 1) / count)
    beyond = abs(mean) > float(special.stdtrit(count - 1, 1 - LEVEL / 2)) * spread
    return (first, rest) if beyond and abs(mean) > MATTERS * rest else None


def _mean(parts: Parts, chosen: slice) -> float | None:
    sums, counts = parts
    count = int(np.sum(counts[chosen]))
    return int(np.sum(sums[chosen])) / count if count else None
