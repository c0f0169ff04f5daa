"""Many servers at one queue, exponential service: Erlang's B and C, limited places, impatience.

Times are in seconds, rates per second; the offered load is arrival rate x service time, in erlangs. A percentile is a
share, 0.99. Where it says `Values`, numpy arrays are taken as well (`arguments.elementwise`). Every function raises
FormulaError for what it is not defined for, and those with a wait where the load is at least the number of servers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimators.arguments import Values, elementwise, not_negative, positive, steady, whole, within
from estimators.errors import FormulaError

MAX_SERVERS = 10_000_000
MAX_PLACES = 1_000_000
_DEEP = 1e-280  # below it the incomplete gamma functions run out of numbers, some 35 standard deviations out
_STEPS = 3_000  # of a recursion that forgets its start: 1e-14 of it is left where it is used, at MAX_SERVERS


# -- loss: no queue ---------------------------------------------------------------------------------------------------


@elementwise
def erlang_b(servers: Values, load: Values) -> Any:
    """P(all servers are busy) where who finds them so is lost: M/G/c/c, any service time.

    Erlang 1917: (a^c / c!) / sum of a^k / k!, which is a Poisson probability over a cumulated one.
    """
    whole("number of servers", servers, 0, MAX_SERVERS)
    not_negative("offered load", load)
    return _erlang_b(servers, load)


@elementwise
def load_for_blocking(servers: Values, blocking: Values) -> Any:
    """The offered load that `servers` carry at this blocking probability: Erlang's B read backwards."""
    from scipy.optimize.elementwise import find_root

    whole("number of servers", servers, 1, MAX_SERVERS)
    within("blocking probability", blocking, "write 1 % as 0.01")
    most = servers / (1 - blocking)  # B is at least 1 - c / a
    found = find_root(lambda load, c, b: _erlang_b(c, load) - b, (0 * most, most), args=(servers, blocking))
    return found.x


@elementwise
def servers_for_blocking(load: Values, blocking: Values) -> Any:
    """The fewest servers whose blocking probability is at most this (Erlang B)."""
    import numpy

    not_negative("offered load", load)
    within("blocking probability", blocking, "write 1 % as 0.01")
    # B is at least 1 - c / a: so many servers are needed at least.
    return fewest(lambda servers: _erlang_b(servers, load) <= blocking, numpy.floor(load * (1 - blocking)))


def _erlang_b(servers: Any, load: Any) -> Any:
    import numpy
    from scipy import special

    below = special.gammaincc(servers + 1, load)  # P(Poisson(a) <= c)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        found = _poisson(servers, load) / below
    deep = below < _DEEP
    if deep.any():
        found[deep] = 1 / _recursion(servers[deep], load[deep])
    return found


def _recursion(servers: Any, load: Any) -> Any:
    """1 / B for loads far above c: 1/B(c) = 1 + c/a / B(c - 1), begun at what the fluid limit 1 - c/a gives."""
    import numpy

    start = numpy.maximum(servers - _STEPS, 0)
    found = 1 / (1 - start / load)
    for step in range(1, _STEPS + 1):
        count = start + step
        found = numpy.where(count <= servers, 1 + count / load * found, found)
    return found


def _poisson(count: Any, mean: Any) -> Any:
    """The Poisson probability of `count`, which need not be whole; by deviance, so that large numbers keep digits."""
    import numpy
    from scipy import special

    with numpy.errstate(divide="ignore", invalid="ignore", over="ignore"):
        off = (mean - count) / count
        stirling = numpy.where(  # ln count! beyond Stirling's formula
            count < 16,
            special.gammaln(count + 1) - (count + 0.5) * numpy.log(count) + count - 0.5 * numpy.log(2 * numpy.pi),
            (1 / 12 - (1 / 360 - 1 / 1260 / count**2) / count**2) / count,
        )
        found = numpy.exp(count * (numpy.log1p(off) - off) - stirling) / numpy.sqrt(2 * numpy.pi * count)
    return numpy.where(count == 0, numpy.exp(-mean), found)


# -- delay: all wait --------------------------------------------------------------------------------------------------


@elementwise
def erlang_c(servers: Values, load: Values) -> Any:
    """P(an arrival waits) in M/M/c. Erlang 1917; from B as c B / (c - a (1 - B))."""
    _checked_delay(load, servers)
    return _erlang_c(servers, load)


@elementwise
def mmc_wait(arrival_rate: Values, service_time: Values, servers: Values) -> Any:
    """Mean wait in M/M/c, s: C / (c - a) service times. Kleinrock 1975, vol. 1, 3.8."""
    load = _load(arrival_rate, service_time, servers)
    return _erlang_c(servers, load) * service_time / (servers - load)


@elementwise
def mmc_wait_tail(arrival_rate: Values, service_time: Values, servers: Values, time: Values) -> Any:
    """P(wait > time) in M/M/c, first come first served: C exp(-(c - a) t / s)."""
    import numpy

    load = _load(arrival_rate, service_time, servers)
    not_negative("time", time)
    return _erlang_c(servers, load) * numpy.exp(-(servers - load) * time / service_time)


@elementwise
def mmc_wait_percentile(arrival_rate: Values, service_time: Values, servers: Values, percentile: Values) -> Any:
    """The wait, s, that a share `percentile` of the arrivals in M/M/c does not exceed; 0 where fewer wait at all."""
    import numpy

    load = _load(arrival_rate, service_time, servers)
    within("percentile", percentile)
    with numpy.errstate(divide="ignore"):
        waits = numpy.log(_erlang_c(servers, load) / (1 - percentile))
    return numpy.maximum(waits, 0) * service_time / (servers - load)


@elementwise
def mmc_response_tail(arrival_rate: Values, service_time: Values, servers: Values, time: Values) -> Any:
    """P(wait + service > time) in M/M/c, first come first served. Gross and Harris 1998, 2.3."""
    load = _load(arrival_rate, service_time, servers)
    not_negative("time", time)
    return _response_tail(servers, load, time / service_time)


@elementwise
def mmc_response_percentile(arrival_rate: Values, service_time: Values, servers: Values, percentile: Values) -> Any:
    """The response time (wait + service), s, that a share `percentile` in M/M/c does not exceed."""
    import numpy
    from scipy.optimize.elementwise import find_root

    load = _load(arrival_rate, service_time, servers)
    within("percentile", percentile)
    least = -numpy.log1p(-percentile)  # the service alone
    half = (1 - percentile) / 2  # wait and service, each beyond its own percentile half as often
    with numpy.errstate(divide="ignore"):
        waits = numpy.maximum(numpy.log(_erlang_c(servers, load) / half), 0) / (servers - load)
    found = find_root(
        lambda time, c, a, p: _response_tail(c, a, time) - (1 - p),
        (least * (1 - 1e-9), waits - numpy.log(half)),
        args=(servers, load, percentile),
    )
    return found.x * service_time


@elementwise
def servers_for_wait(arrival_rate: Values, service_time: Values, percentile: Values, at_most: Values) -> Any:
    """The fewest servers of M/M/c with which a share `percentile` of the arrivals waits no longer than `at_most` s."""
    import numpy

    load = _offered(arrival_rate, service_time)
    within("percentile", percentile)
    not_negative("longest wait", at_most)

    def meets(servers: Any) -> Any:
        return _erlang_c(servers, load) * numpy.exp(-(servers - load) * at_most / service_time) <= 1 - percentile

    return fewest(meets, numpy.floor(load) + 1)


@elementwise
def servers_for_response(arrival_rate: Values, service_time: Values, percentile: Values, at_most: Values) -> Any:
    """The fewest servers of M/M/c with which a share `percentile` has its response (wait + service) within `at_most` s.

    FormulaError where the service alone takes longer: then no number of servers is enough.
    """
    import numpy

    load = _offered(arrival_rate, service_time)
    within("percentile", percentile)
    positive("longest response", at_most)
    reachable(-numpy.log1p(-percentile) * service_time, at_most)
    return fewest(
        lambda servers: _response_tail(servers, load, at_most / service_time) <= 1 - percentile, numpy.floor(load) + 1
    )


def reachable(alone: Values, at_most: Values) -> None:
    """FormulaError unless the percentile of the service `alone` is below the limit."""
    import numpy

    alone, at_most = numpy.broadcast_arrays(numpy.atleast_1d(alone), numpy.atleast_1d(at_most))
    for at in numpy.flatnonzero(~(alone < at_most))[:1]:
        raise FormulaError(
            f"the service alone takes {alone[at]:.4g} s at this percentile, and {at_most[at]:.4g} s are allowed: no "
            "number of servers is enough; make the service faster, or allow more"
        )


def fewest(meets: Callable[[Any], Any], least: Any) -> Any:
    """The least whole numbers from `least` (an array) up that meet, each; `meets` must stay true once it is."""
    import numpy

    low, high, step = least - 1, least, 1
    while True:
        if high.max() > MAX_SERVERS:
            raise FormulaError(f"more than {MAX_SERVERS:,} servers are needed; compute a part of the load at a time")
        missed = ~meets(high)
        if not missed.any():
            break
        low, high = numpy.where(missed, high, low), numpy.where(missed, high + step, high)
        step *= 2
    while (open_ := high - low > 1).any():
        middle = numpy.where(open_, (low + high) // 2, high)
        enough = meets(middle)
        low, high = numpy.where(enough, low, middle), numpy.where(enough, middle, high)
    return high


def _erlang_c(servers: Any, load: Any) -> Any:
    blocking = _erlang_b(servers, load)
    return servers * blocking / (servers - load * (1 - blocking))


def _response_tail(servers: Any, load: Any, time: Any) -> Any:
    """P(response > time); times in service times. The wait, if any, is exponential at rate c - a."""
    import numpy
    from scipy import special

    waits = _erlang_c(servers, load)
    slow, fast = numpy.minimum(servers - load, 1), numpy.maximum(servers - load, 1)
    both = numpy.exp(-slow * time) * (1 + slow * time * special.exprel(-(fast - slow) * time))
    return (1 - waits) * numpy.exp(-time) + waits * both


def _offered(arrival_rate: Any, service_time: Any) -> Any:
    not_negative("arrival rate", arrival_rate)
    positive("service time", service_time)
    return arrival_rate * service_time


def _load(arrival_rate: Any, service_time: Any, servers: Any) -> Any:
    load = _offered(arrival_rate, service_time)
    _checked_delay(load, servers)
    return load


def _checked_delay(load: Any, servers: Any) -> None:
    whole("number of servers", servers, 1, MAX_SERVERS)
    not_negative("offered load", load)
    steady(load, servers)


# -- a limited queue --------------------------------------------------------------------------------------------------


def mmck_loss(servers: int, load: float, places: int) -> float:
    """P(an arrival is turned away) in M/M/c/K: K `places`, those of the servers included. Any load.

    Kleinrock 1975, vol. 1, 3.6 and 3.9; the states above c are a geometric series on top of Erlang's B.
    """
    return _limited(servers, load, places)[0]


def mmck_number(servers: int, load: float, places: int) -> float:
    """Mean number in an M/M/c/K system, in service included."""
    return _limited(servers, load, places)[1]


def mmck_response(arrival_rate: float, service_time: float, servers: int, places: int) -> float:
    """Mean response time, s, of those who are let into M/M/c/K; by Little's law."""
    positive("arrival rate", arrival_rate)
    positive("service time", service_time)
    lost, number = _limited(servers, arrival_rate * service_time, places)
    return number / (arrival_rate * (1 - lost))


def _limited(servers: int, load: float, places: int) -> tuple[float, float]:
    """(loss, mean number)."""
    import numpy

    whole("number of servers", servers, 1, MAX_SERVERS)
    not_negative("offered load", load)
    whole("number of places", places, servers, servers + MAX_PLACES)
    if load == 0:
        return 0.0, 0.0
    blocking = erlang_b(servers, load)
    behind = numpy.arange(1, places - servers + 1)
    grows = numpy.log(load / servers)
    shift = max(behind.size * grows, 0.0)  # so that nothing overflows
    queues = blocking * numpy.exp(behind * grows - shift)
    rest = numpy.exp(-shift)
    total = rest + queues.sum()
    last = queues[-1] if behind.size else blocking
    return float(last / total), float((rest * load * (1 - blocking) + ((servers + behind) * queues).sum()) / total)


# -- impatience -------------------------------------------------------------------------------------------------------


@elementwise
def erlang_a_wait_probability(arrival_rate: Values, service_time: Values, servers: Values, patience: Values) -> Any:
    """P(an arrival waits or leaves) in M/M/c+M (Palm 1957, Erlang A): each waits an exponential `patience` (mean, s).

    Any load has a steady state. Exact, by incomplete gamma functions: Mandelbaum and Zeltyn 2007, section 4.
    """
    return _impatient(arrival_rate, service_time, servers, patience)[0]


@elementwise
def erlang_a_abandonment(arrival_rate: Values, service_time: Values, servers: Values, patience: Values) -> Any:
    """P(an arrival leaves before its service starts) in M/M/c+M."""
    return _impatient(arrival_rate, service_time, servers, patience)[1]


@elementwise
def erlang_a_wait(arrival_rate: Values, service_time: Values, servers: Values, patience: Values) -> Any:
    """Mean wait, s, in M/M/c+M, of all arrivals: who leaves has waited too. P(leaves) x patience."""
    return _impatient(arrival_rate, service_time, servers, patience)[1] * patience


def _impatient(arrival_rate: Any, service_time: Any, servers: Any, patience: Any) -> tuple[Any, Any]:
    """(P(wait), P(abandon))."""
    import numpy
    from scipy import special

    positive("arrival rate", arrival_rate)
    positive("service time", service_time)
    positive("patience", patience)
    whole("number of servers", servers, 1, MAX_SERVERS)
    load = arrival_rate * service_time
    blocking = _erlang_b(servers, load)
    # The states from c up, relative to state c: sum of y^j / ((x + 1) ... (x + j)).
    x, y = servers * patience / service_time, arrival_rate * patience
    inside = special.gammainc(x, y)
    with numpy.errstate(invalid="ignore", divide="ignore", over="ignore"):
        above = inside / _poisson(x, y)
        deep = ~(inside > _DEEP)
        if deep.any():
            above[deep] = _series(x[deep], y[deep])
        waits = numpy.where(above < numpy.inf, 1 / (1 + (1 / blocking - 1) / above), 1.0)
        leaves = numpy.maximum(servers / load * (1 / above - 1) + 1, 0)
    return waits, waits * leaves


def _series(x: Any, y: Any) -> Any:
    """The sum over the queue for y far below x, from its far end, where it is begun at its fluid limit."""
    found = 1 / (1 - y / (x + _STEPS + 1))
    for step in range(_STEPS, 0, -1):
        found = 1 + y / (x + step) * found
    return found
