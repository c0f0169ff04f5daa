"""Ranges sampled: 20,000 draws for each, from a stream keyed by (seed, name) and by nothing else."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from estimators.formula import Formula
from estimators.units import Range

if TYPE_CHECKING:
    import numpy

SAMPLES = 20_000
Z_95 = 1.6448536269514722
"""the 95 % point of the standard normal: a 90 % interval reaches from -Z_95 to Z_95"""


def stream_seed(seed: int, name: str) -> int:
    """A stable 128-bit key (Python's own hash differs from process to process)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "big")


def sample(given: Range, name: str, seed: int = 0, size: int = SAMPLES) -> numpy.ndarray:
    """Draws in base units; 5 % lie below the low end and 5 % above the high one.

    Log-normal if both ends are positive, else normal.
    """
    import numpy

    normal = numpy.random.Generator(numpy.random.PCG64(stream_seed(seed, name))).standard_normal(size)
    low, high = given.low.value, given.high.value
    if low > 0:
        middle, spread = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / (2 * Z_95)
        with numpy.errstate(over="ignore"):
            return numpy.asarray(numpy.exp(middle + spread * normal))
    return numpy.asarray(low / 2 + high / 2 + (high / 2 - low / 2) / Z_95 * normal)


def interval(
    formula: Formula, inputs: Mapping[str, numpy.ndarray | float]
) -> tuple[float, float, float, numpy.ndarray]:
    """(5 % point, median, 95 % point, the samples) of a formula over sampled inputs."""
    import numpy

    arrays = {name: numpy.asarray(inputs[name], dtype=float) for name in formula.names}
    samples = formula.samples(arrays)
    low, median, high = numpy.quantile(samples, (0.05, 0.5, 0.95))
    return float(low), float(median), float(high), samples
