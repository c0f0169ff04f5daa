"""Several servers, any arrivals, any service: the wait, wait and service together, and how many servers are enough.

Approximations, each with its name. Times are in seconds, rates per second. `ca2` and `cs2` are squared coefficients of
variation, (deviation / mean)^2, of the times between arrivals and of the service times: 1 for Poisson arrivals and for
exponential service, 0 for what is always the same. A percentile is a share, 0.99. First come, first served.
FormulaError where the load is at least the number of servers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from estimators import erlang
from estimators.arguments import Values, elementwise, not_negative, positive, steady, within
from estimators.errors import FormulaError, shown

# -- mean waits -------------------------------------------------------------------------------------------------------


@elementwise
def kingman(arrival_rate: Values, service_time: Values, ca2: Values, cs2: Values) -> Any:
    """Mean wait of G/G/1, s, about: rho / (1 - rho) x (ca2 + cs2) / 2 x s. Kingman 1961.

    Right in heavy traffic, exact for M/G/1; too high where arrivals are smoother than Poisson and the load is low.
    """
    variability = _variability(ca2, cs2)
    not_negative("arrival rate", arrival_rate)
    positive("service time", service_time)
    utilisation = arrival_rate * service_time
    steady(utilisation, 1.0)
    return utilisation / (1 - utilisation) * variability * service_time


@elementwise
def allen_cunneen(arrival_rate: Values, service_time: Values, servers: Values, ca2: Values, cs2: Values) -> Any:
    """Mean wait of G/G/c, s, about: that of M/M/c x (ca2 + cs2) / 2. Allen 1990, 5.3; exact for M/M/c and M/G/1."""
    return erlang.mmc_wait(arrival_rate, service_time, servers) * _variability(ca2, cs2)


@elementwise
def smoothness(utilisation: Values, ca2: Values, cs2: Values) -> Any:
    """What arrivals smoother than Poisson take off `kingman`'s wait. Kraemer and Langenbach-Belz 1976; Whitt 1983 (44).

    exp(-2 (1 - rho) (1 - ca2)^2 / (3 rho (ca2 + cs2))) while ca2 is below 1, then 1.
    """
    import numpy

    within("utilisation", utilisation, "write 70 % as 0.7")
    variability = _variability(ca2, cs2)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        exponent = -(1 - utilisation) * (1 - ca2) ** 2 / (3 * utilisation * variability)
    return numpy.where(ca2 < 1, numpy.exp(exponent), 1.0)


def _variability(ca2: Any, cs2: Any) -> Any:
    not_negative("squared variation of the arrivals", ca2)
    not_negative("squared variation of the service", cs2)
    return (ca2 + cs2) / 2


# -- as many servers as there is work ---------------------------------------------------------------------------------


@elementwise
def busy_percentile(load: Values, percentile: Values) -> Any:
    """A percentile of the number in service of M/G/infinity, which is Poisson: mean and variance are the load."""
    import numpy
    from scipy import special

    not_negative("offered load", load)
    within("percentile", percentile)
    found = numpy.ceil(special.pdtrik(percentile, numpy.maximum(load, 1e-300)))
    before = numpy.maximum(found - 1, 0)
    return numpy.where(special.pdtr(before, load) >= percentile, before, found)  # its inverse may be off by a hair


# -- wait and service together -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """How long one waits: with this probability, and then a time of mean `if_any`, s, and gamma shape.

    Shape 1 is the exponential: exact for M/M/c, the usual approximation elsewhere.
    """

    probability: float
    if_any: float
    shape: float = 1.0

    @property
    def mean(self) -> float:
        return self.probability * self.if_any

    def tail(self, time: Any) -> Any:
        """P(wait > time), of a number or an array."""
        from scipy import special

        return self.probability * special.gammaincc(self.shape, self._relative(time)) if self.mean else 0 * time

    def density(self, time: Any) -> Any:
        """Per second, of waits above 0."""
        import numpy
        from scipy import special

        x = self._relative(time)
        return (
            self.mean
            * numpy.exp(special.xlogy(self.shape - 1, x) - x - special.gammaln(self.shape))
            * (self.shape / self.if_any**2)
        )

    def percentile(self, percentile: float) -> float:
        """The wait, s, that a share `percentile` does not exceed; 0 where fewer wait at all."""
        from scipy import special

        within("percentile", percentile)
        if not self.mean or self.probability <= 1 - percentile:
            return 0.0
        beyond = special.gammainccinv(self.shape, (1 - percentile) / self.probability)
        return float(beyond) * self.if_any / self.shape

    def _relative(self, time: Any) -> Any:
        return time * self.shape / self.if_any


@dataclass(frozen=True, slots=True)
class Service:
    """Service times: mean, s, squared variation, and the shape that the percentiles are read from.

    A gamma of cs2 = 1 is the exponential; measured times are nearer to a lognormal. With cs2 = 0 all are the same.
    """

    mean: float
    cs2: float
    shape: Literal["gamma", "lognormal"] = "gamma"

    def __post_init__(self) -> None:
        positive("service time", self.mean)
        not_negative("squared variation of the service", self.cs2)
        if self.shape not in ("gamma", "lognormal"):
            raise FormulaError(f"{shown(self.shape)} is not a shape of service times; choose gamma or lognormal")

    def tail(self, time: Any) -> Any:
        """P(service > time), of a number or an array."""
        import numpy
        from scipy import special

        if not self.cs2:
            return numpy.where(time < self.mean, 1.0, 0.0)
        relative = numpy.maximum(time, 0) / self.mean
        if self.shape == "gamma":
            return special.gammaincc(1 / self.cs2, relative / self.cs2)
        spread = numpy.sqrt(numpy.log1p(self.cs2))
        with numpy.errstate(divide="ignore"):
            return special.ndtr(-(numpy.log(relative) / spread + spread / 2))

    def percentile(self, percentile: float) -> float:
        """The service time, s, that a share `percentile` does not exceed."""
        import numpy
        from scipy import special

        within("percentile", percentile)
        if not self.cs2:
            return self.mean
        if self.shape == "gamma":
            return float(special.gammaincinv(1 / self.cs2, percentile) * self.cs2 * self.mean)
        spread = numpy.sqrt(numpy.log1p(self.cs2))
        return float(self.mean * numpy.exp(spread * (special.ndtri(percentile) - spread / 2)))


def ggc_wait(arrival_rate: float, service: Service, servers: int, ca2: float = 1.0) -> Wait:
    """The wait of G/G/c, about: P(wait) by Erlang C, mean by `allen_cunneen` x `smoothness`, exponential where above 0.

    Exact for M/M/c; the mean is exact for M/G/1.
    """
    if not arrival_rate:
        return Wait(0.0, 0.0)
    load = arrival_rate * service.mean
    mean = allen_cunneen(arrival_rate, service.mean, servers, ca2, service.cs2)
    probability = erlang.erlang_c(servers, load)
    if not probability:
        return Wait(0.0, 0.0)
    return Wait(probability, mean * smoothness(load / servers, ca2, service.cs2) / probability)


def response_tail(wait: Wait, service: Service, time: float) -> float:
    """P(wait + service > time), the two independent, as they are first come first served."""
    alone = float(service.tail(time))
    if not wait.mean or time <= 0:
        return alone
    if not service.cs2:
        return 1.0 if time < service.mean else float(wait.tail(time - service.mean))
    places, weights = _crowded()
    waited = places * time
    both = time * weights @ (service.tail(time - waited) * wait.density(waited))
    return (1 - wait.probability) * alone + float(wait.tail(time) + both)


def response_percentile(wait: Wait, service: Service, percentile: float) -> float:
    """The response time (wait + service), s, that a share `percentile` does not exceed."""
    from scipy import optimize

    least, half = service.percentile(percentile), (1 + percentile) / 2
    if not wait.mean:
        return least
    if not service.cs2:
        return service.mean + wait.percentile(percentile)
    most = service.percentile(half) + wait.percentile(half)  # each beyond its own percentile half as often
    return float(optimize.brentq(lambda t: response_tail(wait, service, t) - (1 - percentile), least * 0.999, most))


def fewest_servers(arrival_rate: float, service: Service, percentile: float, at_most: float, ca2: float = 1.0) -> int:
    """The fewest servers of G/G/c (as `ggc_wait`) with which a share `percentile` has its response within `at_most` s.

    FormulaError where the service alone takes longer: then no number of servers is enough.
    """
    not_negative("arrival rate", arrival_rate)

    def meets(servers: int) -> bool:
        return response_tail(ggc_wait(arrival_rate, service, servers, ca2), service, at_most) <= 1 - percentile

    return fewest_that_meet(meets, arrival_rate * service.mean, service, percentile, at_most)


def fewest_that_meet(
    meets: Callable[[int], bool], load: float, service: Service, percentile: float, at_most: float
) -> int:
    """The least number above `load` that meets a limit, which the service alone must meet (FormulaError)."""
    import numpy

    positive("longest response", at_most)
    alone = service.percentile(percentile)
    if alone != at_most or service.cs2:  # what always takes just as long as it may is in time
        erlang.reachable(alone, at_most)
    least = numpy.floor(numpy.array([load * (1 + 1e-12)])) + 1  # above the load, however it is rounded
    return int(erlang.fewest(lambda counts: numpy.array([meets(int(counts[0]))]), least)[0])


@cache
def _crowded() -> tuple[Any, Any]:
    """Places and weights of an integral over (0, 1) that changes fast at both ends: Gauss-Legendre on halved pieces."""
    import numpy

    points, weights = numpy.polynomial.legendre.leggauss(8)
    ends = numpy.concatenate(([0.0], 0.5 ** numpy.arange(24, 0, -1.0)))
    ends = numpy.concatenate((ends, 1 - ends[-2::-1]))
    size = numpy.diff(ends)[:, None]
    return (ends[:-1, None] + size * (points + 1) / 2).ravel(), (size * weights / 2).ravel()
