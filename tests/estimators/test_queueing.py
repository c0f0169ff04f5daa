"""One server and many, with any service times: against Markov chains, transforms, integrals and seeded simulation."""

import heapq
import math

import numpy as np
import pytest

from estimators import erlang, queueing, single_server
from estimators.errors import FormulaError
from estimators.queueing import Service, Wait
from tests.estimators.markov import mean, steady

# -- one server -------------------------------------------------------------------------------------------------------


def test_mg1_is_its_chain_of_departures() -> None:
    """M/D/1 as it is seen by those who leave: the next has as many behind it as came during one service."""
    rate, places = 0.8, 150
    arrivals = [math.exp(-rate) * rate**k / math.factorial(k) for k in range(60)]
    chain = np.zeros((places, places))
    for left in range(places):
        for came, share in enumerate(arrivals):
            chain[left, min(max(left - 1, 0) + came, places - 1)] += share
    seen = np.linalg.matrix_power(chain, 2**12)[0]
    number = seen @ np.arange(places)
    assert single_server.mg1_wait(rate, 1.0, 0.0) == pytest.approx(number / rate - 1, rel=1e-6)


def lindley(gaps: np.ndarray, services: np.ndarray) -> np.ndarray:
    """The waits at one server."""
    walk = np.concatenate(([0.0], np.cumsum(services[:-1] - gaps[1:])))
    return walk - np.minimum.accumulate(walk)


@pytest.mark.parametrize(("shape", "off"), [(None, 0.10), (1.0, 0.05), (0.5, 0.08)])
def test_the_percentile_of_mg1_is_about_right(shape: float | None, off: float) -> None:
    luck = np.random.default_rng(5)
    size = 1_000_000
    services = np.ones(size) if shape is None else luck.gamma(shape, 1 / shape, size)
    waits = lindley(luck.exponential(1 / 0.8, size), services)
    cs2 = 0.0 if shape is None else 1 / shape
    assert np.mean(waits) == pytest.approx(single_server.mg1_wait(0.8, 1.0, cs2), rel=0.03)
    assert np.quantile(waits, 0.99) == pytest.approx(single_server.mg1_wait_percentile(0.8, 1.0, cs2, 0.99), rel=off)


def test_gm1_is_its_chain() -> None:
    """Arrivals in two exponential stages; arrivals see the chain in its second stage."""
    rate, places = 0.85, 200

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        number, stage = state
        forward = ((number, 1) if stage == 0 else (min(number + 1, places), 0), 2 * rate)
        return [forward] + [((number - 1, stage), 1.0)] * (number > 0)

    chain = steady((0, 0), moves)
    arriving = sum(share for (_, stage), share in chain.items() if stage == 1)
    busy = sum(share for (number, stage), share in chain.items() if stage == 1 and number) / arriving
    sigma = single_server.gm1_busy(lambda s: (2 * rate / (2 * rate + s)) ** 2, 1.0)
    assert sigma == pytest.approx(busy, rel=1e-8)
    assert sigma / (1 - sigma) == pytest.approx((mean(chain, lambda state: max(state[0] - 1, 0))) / rate, rel=1e-8)


def test_gm1_has_its_special_cases() -> None:
    assert single_server.gm1_busy(lambda s: 80 / (80 + s), 0.01) == pytest.approx(0.8)
    assert single_server.gm1_busy(lambda s: math.exp(-s / 80), 0.01) == pytest.approx(
        single_server.dm1_busy(80.0, 0.01)
    )
    assert single_server.dm1_busy(0.0, 1.0) == single_server.dm1_busy(0.001, 1.0) == 0.0


def test_pauses_by_their_chain() -> None:
    """Exponential service and pauses; a server that comes back to an empty queue takes the next pause."""
    rate, pause, places = 0.6, 3.0, 250

    def moves(state: tuple[int, bool]) -> list[tuple[tuple[int, bool], float]]:
        number, away = state
        arrival = [((number + 1, away), rate)] * (number < places)
        if away:
            return arrival + [((number, False), 1 / pause)] * (number > 0)
        return [*arrival, ((number - 1, number == 1), 1.0)]

    chain = steady((0, True), moves)
    wait = mean(chain, lambda state: state[0]) / rate - 1
    assert single_server.vacation_wait(single_server.mg1_wait(rate, 1.0, 1.0), pause, 1.0) == pytest.approx(wait)


def test_processor_sharing_by_its_chain() -> None:
    """Two kinds of work, nine tenths short: the mean number is that of M/M/1."""
    rates, speeds, places = (0.72, 0.08), (2.0, 0.1818181818), 110

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        number = sum(state)
        found = []
        for kind in (0, 1):
            one = tuple(int(kind == k) for k in (0, 1))
            if number < places:
                found.append(((state[0] + one[0], state[1] + one[1]), rates[kind]))
            if state[kind]:
                left = (state[0] - one[0], state[1] - one[1])
                found.append((left, speeds[kind] * state[kind] / number))
        return found

    service = sum(rate / speed for rate, speed in zip(rates, speeds, strict=True)) / 0.8
    number = mean(steady((0, 0), moves), sum)
    assert single_server.ps_response(0.8, service) * 0.8 == pytest.approx(number, rel=1e-5)


# -- priorities -------------------------------------------------------------------------------------------------------


def waiting_by_class(rates: tuple[float, float], times: tuple[float, float], servers: int) -> list[float]:
    """Mean waits of two classes, exponential service, by the chain of (in service, waiting) of each."""
    places = 45

    def moves(state: tuple[int, int, int, int]) -> list[tuple[tuple[int, int, int, int], float]]:
        high, low, *waiting = state
        found = []
        for kind, rate in enumerate(rates):
            inside, queue = [high, low], list(waiting)
            if high + low < servers:
                inside[kind] += 1
            else:
                queue[kind] = min(queue[kind] + 1, places)
            found.append(((*inside, *queue), rate))
        for kind, time in enumerate(times):
            if (high, low)[kind]:
                inside, queue = [high, low], list(waiting)
                inside[kind] -= 1
                for following in (0, 1):
                    if queue[following]:
                        queue[following] -= 1
                        inside[following] += 1
                        break
                found.append(((*inside, *queue), (high, low)[kind] / time))
        return found

    chain = steady((0, 0, 0, 0), moves)
    return [mean(chain, lambda state, kind=kind: state[2 + kind]) / rates[kind] for kind in (0, 1)]


def test_priorities_by_their_chain() -> None:
    expected = waiting_by_class((0.3, 0.15), (1.0, 2.0), 1)
    assert single_server.priority_waits([0.3, 0.15], [1.0, 2.0], [1.0, 1.0]) == pytest.approx(expected, rel=1e-4)
    expected = waiting_by_class((1.0, 1.1), (1.0, 1.0), 3)
    assert single_server.priority_waits_mmc([1.0, 1.1], 1.0, 3) == pytest.approx(expected, rel=1e-4)


def test_priorities_conserve_work() -> None:
    """Kleinrock 1965: whoever goes first, the waits weighed by load are the same."""
    loads, cs2 = [0.2, 0.3, 0.35], [0.0, 1.0, 6.0]
    forward = single_server.priority_waits(loads, [1.0] * 3, cs2)
    backward = single_server.priority_waits(loads[::-1], [1.0] * 3, cs2[::-1])
    mixed = sum(load * (1 + variation) / 2 for load, variation in zip(loads, cs2, strict=True)) / (1 - sum(loads))
    assert np.dot(forward, loads) == pytest.approx(np.dot(backward, loads[::-1]))
    assert np.dot(forward, loads) == pytest.approx(mixed * sum(loads))
    assert single_server.priority_waits([0.8], [1.0], [4.0])[0] == single_server.mg1_wait(0.8, 1.0, 4.0)


# -- several servers --------------------------------------------------------------------------------------------------


def ggc(gaps: np.ndarray, services: np.ndarray, servers: int) -> np.ndarray:
    """The waits at several servers."""
    free = [0.0] * servers
    now, waits = 0.0, np.empty(len(gaps))
    for k, (gap, service) in enumerate(zip(gaps.tolist(), services.tolist(), strict=True)):
        now += gap
        start = max(now, free[0])
        heapq.heapreplace(free, start + service)
        waits[k] = start - now
    return waits[len(gaps) // 10 :]


@pytest.mark.parametrize(("arrival", "shape"), [(1.0, 4.0), (4.0, 1.0), (2.0, 2.0), (1.0, 0.5), (0.5, 1.0)])
def test_several_servers_about_as_simulated(arrival: float, shape: float) -> None:
    """Gamma gaps and services of these shapes at four servers, nine tenths busy."""
    luck = np.random.default_rng(11)
    size, rate = 200_000, 3.6
    waits = ggc(luck.gamma(arrival, 1 / arrival / rate, size), luck.gamma(shape, 1 / shape, size), 4)
    found = queueing.ggc_wait(rate, Service(1.0, 1 / shape), 4, 1 / arrival)
    assert found.mean == pytest.approx(np.mean(waits), rel=0.15)
    assert found.percentile(0.99) == pytest.approx(np.quantile(waits, 0.99), rel=0.15)


def test_approximations_are_exact_where_they_say() -> None:
    assert queueing.kingman(0.7, 1.0, 1.0, 3.0) == single_server.mg1_wait(0.7, 1.0, 3.0)
    assert queueing.allen_cunneen(7.0, 1.0, 8, 1.0, 1.0) == erlang.mmc_wait(7.0, 1.0, 8)
    assert queueing.allen_cunneen(0.7, 1.0, 1, 1.0, 3.0) == pytest.approx(single_server.mg1_wait(0.7, 1.0, 3.0))
    wait = queueing.ggc_wait(700.0, Service(0.01, 1.0), 8)
    assert wait.mean == pytest.approx(erlang.mmc_wait(700.0, 0.01, 8))
    assert wait.tail(0.02) == pytest.approx(erlang.mmc_wait_tail(700.0, 0.01, 8, 0.02))
    assert wait.percentile(0.9) == pytest.approx(erlang.mmc_wait_percentile(700.0, 0.01, 8, 0.9))


def test_smooth_arrivals_wait_less() -> None:
    """Within 5 % of D/M/1, where Kingman alone is 96 % too high at half load."""
    for load in (0.5, 0.7, 0.9):
        found = queueing.kingman(load, 1.0, 0.0, 1.0) * queueing.smoothness(load, 0.0, 1.0)
        assert found == pytest.approx(single_server.dm1_wait(load, 1.0), rel=0.05)
    assert queueing.smoothness(0.5, 4.0, 1.0) == 1.0
    assert queueing.ggc_wait(5.0, Service(0.1, 0.0), 1, 0.0).mean == 0.0  # nothing varies, nobody waits


def test_a_wait_is_a_distribution() -> None:
    at = np.linspace(0, 60, 200_001)
    for shape in (1.0, 2.5):
        wait = Wait(0.6, 2.0, shape)
        assert np.trapezoid(wait.tail(at), at) == pytest.approx(wait.mean, rel=1e-4)
        assert np.trapezoid(wait.density(at), at) == pytest.approx(0.6, rel=1e-4)
        assert wait.tail(wait.percentile(0.99)) == pytest.approx(0.01)
    assert Wait(0.005, 2.0).percentile(0.99) == Wait(0.0, 0.0).percentile(0.5) == 0.0


@pytest.mark.parametrize("cs2", [0.04, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("shape", ["gamma", "lognormal"])
@pytest.mark.parametrize("wait", [Wait(0.5, 0.02), Wait(0.9, 0.5), Wait(0.8, 20.0), Wait(0.7, 2.0, 3.0)])
def test_wait_and_service_together_as_drawn(cs2: float, shape: str, wait: Wait) -> None:
    luck = np.random.default_rng(3)
    size = 150_000
    spread = math.sqrt(math.log1p(cs2))
    drawn = {
        "gamma": lambda: luck.gamma(1 / cs2, cs2, size),
        "lognormal": lambda: luck.lognormal(-(spread**2) / 2, spread, size),
    }[shape]()
    waits = luck.random(size) < wait.probability
    total = drawn + waits * luck.gamma(wait.shape, wait.if_any / wait.shape, size)
    service = Service(1.0, cs2, shape)
    for percentile in (0.5, 0.95):
        found = queueing.response_percentile(wait, service, percentile)
        assert found == pytest.approx(np.quantile(total, percentile), rel=0.015)
        assert np.mean(total > found) == pytest.approx(1 - percentile, rel=0.04)
        assert np.quantile(drawn, percentile) == pytest.approx(service.percentile(percentile), rel=0.03)


def test_wait_and_service_in_the_known_cases() -> None:
    for servers, load in ((1, 0.99), (8, 7.0), (50, 10.0)):
        wait = queueing.ggc_wait(load, Service(1.0, 1.0), servers)
        for percentile in (0.5, 0.99, 0.999999):
            found = queueing.response_percentile(wait, Service(1.0, 1.0), percentile)
            assert found == pytest.approx(erlang.mmc_response_percentile(load, 1.0, servers, percentile), rel=1e-8)
    constant = Service(2.0, 0.0)
    assert queueing.response_percentile(Wait(0.5, 1.0), constant, 0.99) == pytest.approx(2 + math.log(50))
    assert queueing.response_tail(Wait(0.5, 1.0), constant, 1.9) == 1.0
    assert queueing.response_percentile(Wait(0.0, 0.0), Service(2.0, 1.0), 0.5) == pytest.approx(2 * math.log(2))


def test_the_fewest_servers_of_any_service() -> None:
    for load in (0.5, 9.0, 300.0):
        expected = erlang.servers_for_response(load * 100, 0.01, 0.99, 0.06)
        assert queueing.fewest_servers(load * 100, Service(0.01, 1.0), 0.99, 0.06) == expected
    service = Service(0.01, 0.64, "lognormal")
    found = queueing.fewest_servers(1000.0, service, 0.99, 0.05)
    beyond = [queueing.response_tail(queueing.ggc_wait(1000.0, service, c), service, 0.05) for c in (found - 1, found)]
    assert beyond[0] > 0.01 >= beyond[1]
    assert queueing.fewest_servers(100.0, Service(0.01, 0.0), 0.99, 0.01) > 1  # nobody may wait at all
    assert queueing.fewest_servers(0.0, service, 0.99, 0.05) == 1


def test_busy_servers_without_limit_are_poisson() -> None:
    assert queueing.busy_percentile(0.0, 0.9) == 0
    for load, percentile in ((25.0, 0.99), (0.2, 0.5), (400.0, 0.999)):
        found = queueing.busy_percentile(load, percentile)
        terms = [math.exp(k * math.log(load) - load - math.lgamma(k + 1)) for k in range(int(found) + 1)]
        assert sum(terms) >= percentile > sum(terms[:-1])


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: single_server.mg1_wait(2.0, 0.5, 1.0),
            "the load of 1 is at least the capacity of 1: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (
            lambda: single_server.mg1_wait(1.0, 0.5, -1),
            "the squared variation of the service is -1, but must be a number from 0 up; check what it is computed "
            "from",
        ),
        (
            lambda: single_server.gm1_busy(lambda s: 1 / (1 + s), 2.0),
            "the arrivals are at least as fast as the service: no steady state; send less",
        ),
        (
            lambda: single_server.priority_waits([0.4], [1.0, 1.0], [1.0]),
            "1 arrival rates, 2 service times and 1 variations were given; give one of each for every class, 1 to "
            "1,000",
        ),
        (
            lambda: single_server.priority_waits_mmc([], 1.0, 2),
            "0 arrival rates were given; give 1 to 1,000, one a class",
        ),
        (
            lambda: single_server.priority_waits_mmc([1.0, 1.5], 1.0, 2),
            "the load of 2.5 is at least the capacity of 2: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (
            lambda: queueing.kingman(0.5, 1.0, math.inf, 1.0),
            "the squared variation of the arrivals is inf, but must be a number from 0 up; check what it is computed "
            "from",
        ),
        (
            lambda: Service(1.0, 1.0, "normal"),
            "'normal' is not a shape of service times; choose gamma or lognormal",
        ),
        (
            lambda: queueing.fewest_servers(10.0, Service(0.1, 0.0), 0.99, 0.05),
            "the service alone takes 0.1 s at this percentile, and 0.05 s are allowed: no number of servers is enough; "
            "make the service faster, or allow more",
        ),
        (
            lambda: queueing.ggc_wait(100.0, Service(0.1, 1.0), 10),
            "the load of 10 is at least the capacity of 10: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        call()
    assert str(caught.value) == message
