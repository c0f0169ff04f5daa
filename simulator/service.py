"""From how a case says that something takes time to what the machine draws from: a mean, and a table of mean 1.

The periods are drawn here, too, in which a whole stage is slow, or down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import NamedTuple

from cases.fits import fitted
from cases.spec import ServiceTime
from simulator import draws


class UnitTable(NamedTuple):
    """A quantile table of mean 1, to be made once for all that have the same `key`."""

    key: Hashable
    make: Callable[[], draws.Floats]
    scale: float  # of floor and per_item: how much longer the mean visit is than one that does not straggle


def unit_table(spec: ServiceTime) -> UnitTable:
    """The table of this distribution's shape, stragglers included; ValueError where percentiles cannot be fitted."""
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
