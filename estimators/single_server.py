"""One server: waits by general service times and arrivals, with pauses, priorities, or all at once.

Times are in seconds, rates per second. `ca2` and `cs2` are squared coefficients of variation, (deviation / mean)^2, of
the times between arrivals and of the service times: 1 for Poisson arrivals and for exponential service, 0 for what is
always the same. A percentile is a share, 0.99. Where it says `Values`, numpy arrays are taken as well. First come,
first served, unless it says otherwise. FormulaError where the load is at least the number of servers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from estimators import erlang
from estimators.arguments import Values, elementwise, not_negative, positive, steady, whole, within
from estimators.errors import FormulaError

MAX_CLASSES = 1_000

# -- one server -------------------------------------------------------------------------------------------------------


@elementwise
def mm1_response(arrival_rate: Values, service_time: Values) -> Any:
    """Mean response time of M/M/1, s: s / (1 - rho). Kleinrock 1975, vol. 1, 3.2.

    It is exponential: the percentile is `erlang.mmc_response_percentile` with one server.
    """
    return service_time / (1 - _utilisation(arrival_rate, service_time))


@elementwise
def mg1_wait(arrival_rate: Values, service_time: Values, cs2: Values) -> Any:
    """Mean wait of M/G/1, s. Pollaczek 1930, Khinchine 1932: rho / (1 - rho) x (1 + cs2) / 2 x s. M/D/1: cs2 = 0."""
    not_negative("squared variation of the service", cs2)
    utilisation = _utilisation(arrival_rate, service_time)
    return utilisation / (1 - utilisation) * (1 + cs2) / 2 * service_time


@elementwise
def mg1_wait_percentile(arrival_rate: Values, service_time: Values, cs2: Values, percentile: Values) -> Any:
    """A percentile of the wait of M/G/1, s, as if the wait, where there is one, were exponential.

    Exact for M/M/1 and in the limit of heavy traffic (Kingman 1962). The 99th is within 10 % of simulations from
    utilisation 0.7 up for constant to gamma service of cs2 = 2; for a lognormal of cs2 = 2, 20 % too low at 0.7.
    """
    import numpy

    within("percentile", percentile)
    not_negative("squared variation of the service", cs2)
    utilisation = _utilisation(arrival_rate, service_time)
    if_any = (1 + cs2) / 2 * service_time / (1 - utilisation)
    with numpy.errstate(divide="ignore"):
        return if_any * numpy.maximum(numpy.log(utilisation / (1 - percentile)), 0)


def gm1_busy(transform: Callable[[float], float], service_time: float) -> float:
    """P(an arrival waits) in G/M/1: the root of sigma = A*((1 - sigma) / s). Kleinrock 1975, vol. 1, 6.4.

    `transform` is the Laplace transform of the time between arrivals. The mean wait is s sigma / (1 - sigma), and
    P(wait > t) = sigma exp(-(1 - sigma) t / s).
    """
    from scipy import optimize

    positive("service time", service_time)

    def gap(sigma: float) -> float:
        return transform((1 - sigma) / service_time) - sigma

    if not gap(1 - 1e-9) < 0 < gap(0.0):
        raise FormulaError("the arrivals are at least as fast as the service: no steady state; send less")
    return float(optimize.brentq(gap, 0.0, 1 - 1e-9, xtol=1e-15))


@elementwise
def dm1_busy(arrival_rate: Values, service_time: Values) -> Any:
    """P(an arrival waits) in D/M/1, evenly spaced arrivals: the root of sigma = exp(-(1 - sigma) / rho)."""
    import numpy
    from scipy import special

    utilisation = _utilisation(arrival_rate, service_time)
    with numpy.errstate(divide="ignore", under="ignore", invalid="ignore"):
        root = -utilisation * special.lambertw(-numpy.exp(-1 / utilisation) / utilisation).real
    return numpy.where(utilisation == 0, 0.0, root)


@elementwise
def dm1_wait(arrival_rate: Values, service_time: Values) -> Any:
    """Mean wait of D/M/1, s."""
    sigma = dm1_busy(arrival_rate, service_time)
    return service_time * sigma / (1 - sigma)


@elementwise
def ps_response(arrival_rate: Values, service_time: Values) -> Any:
    """Mean response of M/G/1 with processor sharing, s: s / (1 - rho), whatever the variation. Kleinrock 1976, 4.4."""
    return service_time / (1 - _utilisation(arrival_rate, service_time))


@elementwise
def vacation_wait(wait: Values, pause: Values, pause_cv2: Values) -> Any:
    """Mean wait of M/G/1, s, whose server takes a pause (mean, squared variation) whenever it is idle.

    The wait without pauses plus E[V^2] / 2 E[V]: the decomposition of Fuhrmann and Cooper 1985.
    """
    not_negative("wait", wait)
    positive("pause", pause)
    not_negative("squared variation of the pause", pause_cv2)
    return wait + pause * (1 + pause_cv2) / 2


def _utilisation(arrival_rate: Any, service_time: Any) -> Any:
    not_negative("arrival rate", arrival_rate)
    positive("service time", service_time)
    load = arrival_rate * service_time
    steady(load, 1.0)
    return load


# -- priorities -------------------------------------------------------------------------------------------------------


def priority_waits(
    arrival_rates: Sequence[float], service_times: Sequence[float], cs2: Sequence[float]
) -> tuple[float, ...]:
    """Mean waits, s, of the classes of M/G/1, the highest priority first; a service is not interrupted.

    Cobham 1954: R / ((1 - sigma_before) (1 - sigma_with)), R the mean work left of the service under way.
    """
    if not 0 < len(arrival_rates) == len(service_times) == len(cs2) <= MAX_CLASSES:
        raise FormulaError(
            f"{len(arrival_rates):,} arrival rates, {len(service_times):,} service times and {len(cs2):,} variations "
            f"were given; give one of each for every class, 1 to {MAX_CLASSES:,}"
        )
    loads = [
        float(_share_of_time(rate, time, variation))
        for rate, time, variation in zip(arrival_rates, service_times, cs2, strict=True)
    ]
    work = zip(loads, service_times, cs2, strict=True)
    return _cobham(loads, sum(load * time * (1 + variation) / 2 for load, time, variation in work))


def priority_waits_mmc(arrival_rates: Sequence[float], service_time: float, servers: int) -> tuple[float, ...]:
    """Mean waits, s, of the classes of M/M/c with one service time for all, the highest priority first. Cobham 1954."""
    if not 0 < len(arrival_rates) <= MAX_CLASSES:
        raise FormulaError(f"{len(arrival_rates):,} arrival rates were given; give 1 to {MAX_CLASSES:,}, one a class")
    whole("number of servers", servers, 1, erlang.MAX_SERVERS)
    loads = [float(_share_of_time(rate, service_time, 1.0)) / servers for rate in arrival_rates]
    steady(sum(loads) * servers, servers)
    return _cobham(loads, erlang.erlang_c(servers, sum(loads) * servers) * service_time / servers)


def _share_of_time(arrival_rate: float, service_time: float, cs2: float) -> float:
    not_negative("arrival rate", arrival_rate)
    positive("service time", service_time)
    not_negative("squared variation of the service", cs2)
    return arrival_rate * service_time


def _cobham(loads: Sequence[float], residual: float) -> tuple[float, ...]:
    steady(sum(loads), 1.0)
    waits, before = [], 0.0
    for load in loads:
        waits.append(residual / ((1 - before) * (1 - before - load)))
        before += load
    return tuple(waits)
