"""Percentiles to distributions: "p50 8 ms, p95 30 ms" as the mean and cv of a lognormal, gamma or pareto.

Through two stated percentiles, or nearest to three; then the error of each is part of the answer.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from statistics import linear_regression
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from estimators.dimension import SECOND, Dimension
from estimators.units import Quantity

if TYPE_CHECKING:
    from cases.service_spec import Spread
    from cases.spec import Case

Floats = NDArray[np.float64]

WIDEST_FIT = 100.0  # cv: beyond it even the mean hangs on visits that no run sees
GAMMA_SHAPES = (0.01, 1e8)  # beyond: medians below any number; times as good as constant


class Percentile(NamedTuple):
    """A stated percentile beside the fit's, in seconds."""

    percentile: int
    stated: float
    fitted: float

    @property
    def error(self) -> float:
        """Of the fit, relative to what was stated: 0.1 is 10 % too high."""
        return self.fitted / self.stated - 1.0


class Fit(NamedTuple):
    """The distribution that comes nearest to stated percentiles: mean (seconds), cv, and how near it comes."""

    mean: float
    cv: float
    percentiles: tuple[Percentile, ...]


def fitted(spec: Spread) -> Fit | None:
    """Through two stated percentiles, or nearest to three: least squares of the logarithms, as errors are shares.

    The percentiles are those of visits that do not straggle. None if the spec states no percentiles; ValueError says
    why there is no such distribution.
    """
    stated = tuple((p, at) for p, at in ((50, spec.p50), (95, spec.p95), (99, spec.p99)) if at is not None)
    return _fit(spec.kind, stated) if stated else None


@lru_cache(maxsize=256)
def _fit(kind: str, stated: tuple[tuple[int, float], ...]) -> Fit:
    if len(stated) < 2:
        raise ValueError("one percentile is not enough; write two, for example 'p50: 8 ms, p95: 30 ms'")
    for (p, low), (q, high) in itertools.pairwise(stated):
        if high <= low:
            raise ValueError(f"p{q} must be above p{p}; write for example 'p50: 8 ms, p95: 30 ms'")
    if kind not in _FITS:
        raise ValueError(f"percentiles are fitted by {', '.join(_FITS)}; choose one of these, or write 'mean'")
    shares = np.array([p / 100 for p, _ in stated])
    average, cv, nearest = _FITS[kind](shares, np.log([at for _, at in stated]))
    if not cv <= WIDEST_FIT:
        raise ValueError(
            f"so far apart, these percentiles make a {kind} of cv {cv:.3g}, whose mean hangs on visits that hardly "
            "ever come; write measured 'times' with 'kind: empirical', or closer percentiles with 'stragglers'"
        )
    return Fit(
        _rounded(average),
        _rounded(cv),
        tuple(Percentile(p, at, float(found)) for (p, at), found in zip(stated, nearest, strict=True)),
    )


def _rounded(value: float) -> float:
    """Nine digits: what is fitted must be the same on every machine, like the tables."""
    return float(f"{value:.9g}")


_Nearest = tuple[float, float, Floats]  # mean, cv, fitted percentiles


def _lognormal(shares: Floats, logs: Floats) -> _Nearest:
    """The logarithm of a percentile is mu + sigma z: a straight line."""
    z = special.ndtri(shares)
    sigma, mu = linear_regression(z.tolist(), logs.tolist())
    return math.exp(mu + sigma * sigma / 2), math.sqrt(math.expm1(sigma * sigma)), np.exp(mu + sigma * z)


def _pareto(shares: Floats, logs: Floats) -> _Nearest:
    """Pareto (type I): the logarithm of a percentile is ln(smallest) - ln(1 - p) / shape, a straight line."""
    x = -np.log1p(-shares)
    slope, smallest = linear_regression(x.tolist(), logs.tolist())
    shape = 1.0 / slope
    if shape <= 2.0:
        raise ValueError(
            f"a pareto through these percentiles has shape {shape:.2f}, and from 2 down it has no variance (p95 must "
            "be less than 3.16 times p50); choose 'kind: lognormal', or 'kind: empirical' with measured 'times'"
        )
    average = shape / (shape - 1.0) * math.exp(smallest)
    return average, 1.0 / math.sqrt(shape * (shape - 2.0)), np.exp(smallest + slope * x)


def _gamma(shares: Floats, logs: Floats) -> _Nearest:
    """For each shape the best scale is known, so that one number is sought."""
    from scipy import optimize  # takes 0.1 s, which a case that fits nothing need not wait for

    def misses(log_shape: Floats) -> Floats:
        scales = logs - np.log(special.gammaincinv(math.exp(log_shape[0]), shares))
        missed: Floats = scales - scales.mean()
        return missed

    bounds = [math.log(shape) for shape in GAMMA_SHAPES]
    # A lognormal's shape is near enough to start from.
    start = np.clip(-2.0 * math.log(_lognormal(shares, logs)[1]), bounds[0] + 1.0, bounds[1] - 1.0)
    found = optimize.least_squares(misses, [start], bounds=bounds, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    shape = math.exp(found.x[0])
    unit = special.gammaincinv(shape, shares)
    scale = math.exp(float(np.mean(logs - np.log(unit))))
    return shape * scale, 1.0 / math.sqrt(shape), unit * scale


_FITS = {"lognormal": _lognormal, "gamma": _gamma, "pareto": _pareto}


def described(case: Case) -> list[str]:
    """A line for every service time of a case that was fitted: what came out, and how near it comes."""

    def time(seconds: float) -> str:
        return case.units.format(Quantity(float(f"{seconds:.3g}"), Dimension.of({SECOND: 1})))

    lines = []
    for stage in case.stages:
        fit = fitted(stage.service)
        if fit is None:
            continue
        stated = ", ".join(
            f"p{one.percentile} {time(one.fitted)} (stated {time(one.stated)}"
            + (f", {100 * one.error:+.1f} %)" if abs(one.error) >= 0.0005 else ")")
            for one in fit.percentiles
        )
        lines.append(f"{stage.name}: {stage.service.kind} of mean {time(fit.mean)}, cv {fit.cv:.3g}; {stated}")
    return lines
