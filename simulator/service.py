"""From how a case says that something takes time to what the machine draws from: a mean, and a table of mean 1.

Percentiles are fitted here ("fit my service"), and the periods are drawn in which a whole stage is slow, or down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator
from functools import cache, lru_cache
from statistics import linear_regression
from typing import NamedTuple

import numpy as np
from scipy import special

from cases.spec import ServiceTime
from simulator import draws

WIDEST_FIT = 100.0  # cv: beyond it even the mean hangs on visits that no run sees
GAMMA_SHAPES = (0.01, 1e8)  # beyond: medians below any number; times as good as constant


class UnitTable(NamedTuple):
    """A quantile table of mean 1, to be made once for all that have the same `key`."""

    key: Hashable
    make: Callable[[], draws.Floats]
    scale: float  # of floor and per_item: how much longer the mean visit is than one that does not straggle


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


def unit_table(spec: ServiceTime) -> UnitTable:
    """The table of this distribution's shape, stragglers included; ValueError as `problems` says it."""
    fit = fitted(spec)
    cv = (fit.cv if fit else spec.cv) or 0.0
    make: Callable[[], draws.Floats]
    key: tuple[Hashable, ...]
    if spec.times is not None:
        times = spec.times
        key, make = (spec.kind, times), lambda: draws.empirical_table(times)
    elif spec.kind in ("constant", "exponential"):
        key, make = (spec.kind,), _BY_KIND[spec.kind]
    else:
        by_cv = _BY_CV[spec.kind]
        key, make = (spec.kind, cv), lambda: by_cv(cv)
    late = spec.stragglers
    if late is None or late.share == 0.0 or late.times == 1.0:
        return UnitTable(key, make, 1.0)
    share, longer = late.share, late.times
    return UnitTable(
        (*key, share, longer),
        lambda: draws.mixture_table(make(), share, longer),
        1.0 + share * (longer - 1.0),
    )


_BY_KIND: dict[str, Callable[[], draws.Floats]] = {
    "constant": draws.constant_table,
    "exponential": draws.exponential_table,
}
_BY_CV: dict[str, Callable[[float], draws.Floats]] = {
    "lognormal": draws.lognormal_table,
    "gamma": draws.gamma_table,
    "pareto": draws.pareto_table,
    "uniform": draws.uniform_table,
}


def mean(spec: ServiceTime) -> float:
    """Seconds, of visits that do not straggle and without what each item adds."""
    fit = fitted(spec)
    if fit is not None:
        return fit.mean
    if spec.times is not None:
        return math.fsum(spec.times) / len(spec.times)
    return spec.mean or spec.floor or 0.0


def problems(spec: ServiceTime) -> str | None:
    """Why there is no such distribution, and what to write instead; None if there is."""
    try:
        fitted(spec)
    except ValueError as error:
        return str(error)
    return None


# -- fitting percentiles --------------------------------------------------------------------------------------------


def fitted(spec: ServiceTime) -> Fit | None:
    """Through two stated percentiles, or nearest to three: least squares of the logarithms, as errors are shares.

    The percentiles are those of visits that do not straggle. None if the spec states no percentiles; ValueError as
    `problems` says it.
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
            f"so far apart, these percentiles make a {kind} of cv {cv:,.0f}, whose mean hangs on visits that hardly "
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


_Nearest = tuple[float, float, draws.Floats]  # mean, cv, fitted percentiles


def _lognormal(shares: draws.Floats, logs: draws.Floats) -> _Nearest:
    """The logarithm of a percentile is mu + sigma z: a straight line."""
    z = special.ndtri(shares)
    sigma, mu = linear_regression(z.tolist(), logs.tolist())
    return math.exp(mu + sigma * sigma / 2), math.sqrt(math.expm1(sigma * sigma)), np.exp(mu + sigma * z)


def _pareto(shares: draws.Floats, logs: draws.Floats) -> _Nearest:
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


def _gamma(shares: draws.Floats, logs: draws.Floats) -> _Nearest:
    """For each shape the best scale is known, so that one number is sought."""
    from scipy import optimize  # takes 0.1 s, which the start of a run that fits nothing need not wait for

    def misses(log_shape: draws.Floats) -> draws.Floats:
        scales = logs - np.log(special.gammaincinv(math.exp(log_shape[0]), shares))
        missed: draws.Floats = scales - scales.mean()
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


# -- periods --------------------------------------------------------------------------------------------------------


def periods(seed: int, replication: int, name_hash: int, every_ns: int, lasts_ns: int) -> Iterator[tuple[int, int]]:
    """Start and end (ns) of the periods in which all replicas of a stage are slow, or another's system is down.

    From the end of one to the start of the next (the first is counted from 0) it is `every_ns` on average, and one
    lasts `lasts_ns` on average, both exponential and at least 1 ns. They go on for ever. What has two kinds of periods
    gives each a name of its own.
    """
    table = _exponential()
    stream = draws.mix(draws.mix(draws.mix(draws.mix(seed & draws.MASK, 0), replication), name_hash), draws.PERIOD)
    end = 0
    for number in itertools.count():
        gap, length = (
            max(1, round(draws.quantile(table, draws.mix(stream, 2 * number + part)) * mean_ns))
            for part, mean_ns in ((0, every_ns), (1, lasts_ns))
        )
        start = end + gap
        end = start + length
        yield start, end


@cache
def _exponential() -> draws.Floats:
    return draws.exponential_table()
