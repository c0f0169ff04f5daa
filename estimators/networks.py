"""Several queues: in parallel, one after another, in a circle; and requests that are sent more than once.

Times are in seconds, rates per second. A percentile is a share, 0.99. Where it says `Values`, numpy arrays are taken as
well. FormulaError where there is no steady state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from estimators import erlang
from estimators.arguments import Values, elementwise, not_negative, positive, share, steady, whole, within
from estimators.errors import FormulaError

MAX_BRANCHES = 1_000_000_000
MAX_STATIONS = 200
MAX_CUSTOMERS = 100_000

# -- all of several branches ------------------------------------------------------------------------------------------


@elementwise
def any_slow(slow: Values, branches: Values) -> Any:
    """P(one of n branches or more is slow), when each is with this probability: 1 - (1 - p)^n. Dean, Barroso 2013."""
    import numpy

    share("share that is slow", slow)
    whole("number of branches", branches, 0, MAX_BRANCHES)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.where(branches == 0, 0.0, -numpy.expm1(branches * numpy.log1p(-slow)))


@elementwise
def percentile_of_each(percentile: Values, branches: Values) -> Any:
    """The percentile of one branch at which the slowest of n independent ones has `percentile`: p^(1/n)."""
    within("percentile", percentile)
    whole("number of branches", branches, 1, MAX_BRANCHES)
    return percentile ** (1 / branches)


@elementwise
def slowest_exponential(mean: Values, branches: Values) -> Any:
    """Mean of the slowest of n independent exponential times: mean x (1 + 1/2 + ... + 1/n)."""
    positive("mean", mean)
    whole("number of branches", branches, 1, MAX_BRANCHES)
    return mean * _harmonic(branches)


@elementwise
def fork_join_response(arrival_rate: Values, service_time: Values, branches: Values) -> Any:
    """Mean time until all n branches have answered; each an M/M/1 that gets a part of every request. FCFS, no hops.

    Exact for 1 and 2: (12 - rho) / 8 responses (Flatto and Hahn 1984). Beyond, Nelson and Tantawi 1988, within 5 % of
    their simulations up to 32 branches.
    """
    import numpy

    utilisation, alone = _branch(arrival_rate, service_time, branches)
    two = (12 - utilisation) / 8 * alone
    ratio = _harmonic(branches) / 1.5
    return numpy.where(branches == 1, alone, (ratio + 4 / 11 * (1 - ratio) * utilisation) * two)


@elementwise
def fork_join_least(arrival_rate: Values, service_time: Values, branches: Values) -> Any:
    """No mean of `fork_join_response` is below: that of two branches, or of n without queues."""
    import numpy

    utilisation, alone = _branch(arrival_rate, service_time, branches)
    two = numpy.where(branches == 1, alone, (12 - utilisation) / 8 * alone)
    return numpy.maximum(two, service_time * _harmonic(branches))


@elementwise
def fork_join_most(arrival_rate: Values, service_time: Values, branches: Values) -> Any:
    """No mean of `fork_join_response` is above: n independent M/M/1 (they are associated; Nelson and Tantawi 1988)."""
    return _branch(arrival_rate, service_time, branches)[1] * _harmonic(branches)


def _branch(arrival_rate: Any, service_time: Any, branches: Any) -> tuple[Any, Any]:
    """(utilisation, mean response) of one branch."""
    whole("number of branches", branches, 1, MAX_BRANCHES)
    not_negative("arrival rate", arrival_rate)
    positive("service time", service_time)
    utilisation = arrival_rate * service_time
    steady(utilisation, 1.0)
    return utilisation, service_time / (1 - utilisation)


def _harmonic(count: Any) -> Any:
    import numpy
    from scipy import special

    return special.digamma(count + 1) + numpy.euler_gamma


# -- second tries -----------------------------------------------------------------------------------------------------


@elementwise
def attempts(failure: Values, most: Values) -> Any:
    """Mean attempts of a request that is tried until it succeeds, `most` times at most: (1 - p^r) / (1 - p)."""
    import numpy

    share("share that fails", failure)
    whole("number of attempts", most, 1, 1_000_000)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.where(failure == 1, most, (1 - failure**most) / (1 - failure))


@elementwise
def hedged_percentile(service_time: Values, delay: Values, percentile: Values) -> Any:
    """A percentile of an exponential time where a second copy goes out after `delay` s; no queues, no cancelling.

    The root of S(t) S(t - delay) = 1 - p. Dean and Barroso 2013 describe the practice.
    """
    import numpy

    positive("service time", service_time)
    not_negative("delay", delay)
    within("percentile", percentile)
    alone = -numpy.log1p(-percentile) * service_time
    return numpy.where(alone <= delay, alone, (alone + delay) / 2)


@elementwise
def hedges(service_time: Values, delay: Values) -> Any:
    """Second copies a request, where one goes out after `delay` s: P(an exponential time is longer)."""
    import numpy

    positive("service time", service_time)
    not_negative("delay", delay)
    return numpy.exp(-delay / service_time)


# -- open and closed networks -----------------------------------------------------------------------------------------


def tandem_response(arrival_rate: float, service_times: Sequence[float]) -> float:
    """Mean response, s, of M/M/1 queues one after another: each is as if it were alone. Burke 1956, Jackson 1957."""
    from estimators.single_server import mm1_response

    _few(service_times)
    return float(sum(mm1_response(arrival_rate, time) for time in service_times))


@dataclass(frozen=True, slots=True)
class Open:
    """An open network in its steady state: arrivals /s and mean numbers by station, mean response of a customer, s."""

    rates: tuple[float, ...]
    numbers: tuple[float, ...]
    response: float


def open_network(
    arrival_rates: Sequence[float],
    routing: Sequence[Sequence[float]],
    service_times: Sequence[float],
    servers: Sequence[int],
) -> Open:
    """A network of M/M/c stations (Jackson 1957): who leaves i goes on to j with probability `routing[i][j]`."""
    import numpy

    _few(service_times)
    count = len(service_times)
    if not len(arrival_rates) == len(routing) == len(servers) == count or any(len(row) != count for row in routing):
        raise FormulaError(
            f"{count} stations need as many arrival rates, numbers of servers, and rows of as many shares"
        )
    onward = numpy.array(routing, dtype=float)
    not_negative("arrival rate", numpy.array(arrival_rates, dtype=float))
    share("share that goes on", onward.ravel())
    share("share that goes on from a station", onward.sum(axis=1))
    if numpy.abs(numpy.linalg.eigvals(onward)).max() >= 1 - 1e-12:
        raise FormulaError("some who come never leave; let the shares of one station on the way sum to less than 1")
    rates = numpy.linalg.solve(numpy.eye(count) - onward.T, numpy.array(arrival_rates, dtype=float))
    stations = list(zip(rates, service_times, servers, strict=True))
    numbers = [float(rate * (erlang.mmc_wait(rate, time, several) + time)) for rate, time, several in stations]
    positive("arrival rate in all", float(sum(arrival_rates)))
    return Open(tuple(map(float, rates)), tuple(numbers), sum(numbers) / float(sum(arrival_rates)))


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed network: throughput /s, mean response without thinking, s, and mean numbers by station."""

    throughput: float
    response: float
    numbers: tuple[float, ...]


def closed_network(customers: int, think_time: float, demands: Sequence[float]) -> Closed:
    """So many customers who think and then visit queues with these demands, s. Exact: Reiser and Lavenberg 1980 (MVA).

    Each station has one server: exponential service in order of arrival, or any service by processor sharing.
    """
    import numpy

    whole("number of customers", customers, 1, MAX_CUSTOMERS)
    not_negative("think time", think_time)
    _few(demands)
    work = numpy.array(demands, dtype=float)
    positive("demand", work)
    numbers, throughput = numpy.zeros(len(work)), 0.0
    for count in range(1, int(customers) + 1):
        responses = work * (1 + numbers)
        throughput = count / (think_time + float(responses.sum()))
        numbers = throughput * responses
    return Closed(throughput, customers / throughput - think_time, tuple(map(float, numbers)))


def _few(stations: Sequence[float]) -> None:
    if not 1 <= len(stations) <= MAX_STATIONS:
        raise FormulaError(f"{len(stations):,} stations were given; give 1 to {MAX_STATIONS}")
