"""Erlang's formulas against the recursion, published tables, birth and death, and integrals."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate

from estimators import erlang
from estimators.errors import FormulaError
from tests.estimators.markov import mean, steady


def recursion(servers: int, load: float) -> float:
    """Erlang B as everybody writes it."""
    inverse = 1.0
    for count in range(1, servers + 1):
        inverse = 1 + count / load * inverse
    return 1 / inverse


def delayed(servers: int, load: float) -> float:
    blocking = recursion(servers, load)
    return servers * blocking / (servers - load * (1 - blocking))


# -- loss -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.01, 0.5, 0.9, 0.99, 1, 1.001, 1.05, 1.5, 10, 1000])
@pytest.mark.parametrize("servers", [1, 2, 7, 15, 16, 17, 100, 1_000, 30_000])
def test_erlang_b_is_its_recursion(servers: int, ratio: float) -> None:
    expected = recursion(servers, servers * ratio)
    assert erlang.erlang_b(servers, servers * ratio) == pytest.approx(expected, rel=1e-11, abs=1e-280)


def test_erlang_b_in_fractions() -> None:
    load = Fraction(17, 2)
    terms = [load**k / math.factorial(k) for k in range(13)]
    assert erlang.erlang_b(12, 8.5) == pytest.approx(float(terms[-1] / sum(terms)), rel=1e-14)


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.0101), (5, 1.36), (10, 4.46), (20, 12.0), (50, 37.9), (100, 84.1), (200, 179.7)]
)
def test_the_table_for_one_percent(servers: int, load: float) -> None:
    assert erlang.load_for_blocking(servers, 0.01) == pytest.approx(load, rel=3e-3)  # tables print three digits
    assert erlang.servers_for_blocking(load * 0.995, 0.01) == servers


def test_a_million_servers_within_milliseconds() -> None:
    erlang.erlang_c(2, 1.0)
    start = time.thread_time()
    found = [erlang.erlang_b(1_000_000, load) for load in (1e6, 1.2e6)]
    assert time.thread_time() - start < 0.1
    assert found == pytest.approx([recursion(1_000_000, load) for load in (1e6, 1.2e6)], rel=1e-10)


def test_loss_at_the_edges() -> None:
    assert erlang.erlang_b(0, 3.0) == pytest.approx(1.0, rel=1e-15)
    assert erlang.erlang_b(3, 0.0) == 0.0
    assert erlang.erlang_b(3, 1e300) == pytest.approx(1.0)
    assert erlang.erlang_b(10_000_000, 2e7) == pytest.approx(0.5, rel=1e-6)
    assert erlang.servers_for_blocking(0.0, 0.01) == 1.0


def test_the_fewest_servers_for_a_blocking() -> None:
    for load in (0.3, 4.0, 77.7):
        for blocking in (0.5, 0.01, 1e-6):
            servers = int(erlang.servers_for_blocking(load, blocking))
            assert recursion(servers, load) <= blocking < recursion(servers - 1, load)


# -- delay ------------------------------------------------------------------------------------------------------------


def test_mmc_is_birth_and_death() -> None:
    rate, servers, places = 4.2, 5, 300
    chain = steady(0, lambda n: [(n + 1, rate)] * (n < places) + [(n - 1, float(min(n, servers)))] * (n > 0))
    assert erlang.erlang_c(servers, rate) == pytest.approx(mean(chain, lambda n: n >= servers), rel=1e-9)
    assert erlang.mmc_wait(rate, 1.0, servers) * rate == pytest.approx(mean(chain, lambda n: max(n - servers, 0)))


def test_times_scale_with_the_service() -> None:
    for function, more in (
        (erlang.mmc_wait, ()),
        (erlang.mmc_wait_percentile, (0.99,)),
        (erlang.mmc_response_percentile, (0.99,)),
    ):
        assert function(1000.0, 0.008, 10, *more) == pytest.approx(0.008 * function(8.0, 1.0, 10, *more))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.9), (2, 1.0), (2, 0.999999), (10, 9.0), (10, 3.0), (40, 39.5)])
def test_the_response_is_wait_and_service(servers: int, load: float) -> None:
    """By quadrature over the service; at 2 servers and load 1, wait and service have the same rate."""
    for at in (0.3, 2.0, 15.0):
        over, _ = integrate.quad(
            lambda s, at=at: math.exp(-s) * erlang.mmc_wait_tail(load, 1.0, servers, max(at - s, 0.0)), 0, at
        )
        assert erlang.mmc_response_tail(load, 1.0, servers, at) == pytest.approx(over + math.exp(-at), rel=1e-7)


def test_percentiles_are_the_tails_read_backwards() -> None:
    for percentile in (0.5, 0.9, 0.99, 0.99999):
        for servers, load in ((1, 0.95), (4, 3.9), (4, 0.1), (50, 45.0)):
            waits = erlang.mmc_wait_percentile(load, 1.0, servers, percentile)
            if waits:
                assert erlang.mmc_wait_tail(load, 1.0, servers, waits) == pytest.approx(1 - percentile)
            else:
                assert delayed(servers, load) <= 1 - percentile
            response = erlang.mmc_response_percentile(load, 1.0, servers, percentile)
            assert erlang.mmc_response_tail(load, 1.0, servers, response) == pytest.approx(1 - percentile, rel=1e-6)
    assert erlang.mmc_response_percentile(0.9, 1.0, 1, 0.99) == pytest.approx(math.log(100) / 0.1)


def test_the_fewest_servers_by_counting() -> None:
    for load in (0.2, 3.0, 9.7, 120.0):
        for percentile, at_most in ((0.9, 0.0), (0.99, 0.3), (0.999, 0.05), (0.5, 20.0)):
            counted = next(
                c
                for c in range(math.floor(load) + 1, 1000)
                if delayed(c, load) * math.exp(-(c - load) * at_most) <= 1 - percentile
            )
            assert erlang.servers_for_wait(load, 1.0, percentile, at_most) == counted
        for at_most in (4.7, 6.0, 20.0):
            servers = int(erlang.servers_for_response(load * 50, 0.02, 0.99, at_most / 50))
            assert erlang.mmc_response_percentile(load, 1.0, servers, 0.99) <= at_most
            if servers - 1 > load:
                assert erlang.mmc_response_percentile(load, 1.0, servers - 1, 0.99) > at_most


def test_twenty_thousand_samples_at_once() -> None:
    rates = np.random.default_rng(1).lognormal(math.log(1e6), 0.3, 20_000)
    loads = rates * 0.01
    start = time.thread_time()
    servers = erlang.servers_for_response(rates, 0.01, 0.99, 0.05)
    waits = erlang.servers_for_wait(rates, 0.01, 0.99, 0.001)
    tails = erlang.erlang_c(servers, loads)
    percentiles = erlang.mmc_response_percentile(rates, 0.01, servers, 0.99)
    lines = erlang.servers_for_blocking(loads, 0.01)
    assert time.thread_time() - start < 3  # on an idle core 0.5 s for the five
    assert (percentiles <= 0.05 * (1 + 1e-9)).all()
    for k in (0, 77, 19_999):
        assert servers[k] == erlang.servers_for_response(rates[k], 0.01, 0.99, 0.05)
        assert waits[k] == erlang.servers_for_wait(rates[k], 0.01, 0.99, 0.001)
        assert tails[k] == pytest.approx(erlang.erlang_c(servers[k], loads[k]))
        assert lines[k] == erlang.servers_for_blocking(loads[k], 0.01)


# -- limited queues and impatience ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "load", "places"), [(1, 0.7, 1), (1, 1.0, 8), (3, 2.0, 3), (3, 9.0, 12), (3, 3, 9)]
)
def test_limited_queues_are_birth_and_death(servers: int, load: float, places: int) -> None:
    chain = steady(0, lambda n: [(n + 1, load)] * (n < places) + [(n - 1, float(min(n, servers)))] * (n > 0))
    lost, number = chain[places], mean(chain, float)
    assert erlang.mmck_loss(servers, load, places) == pytest.approx(lost)
    assert erlang.mmck_number(servers, load, places) == pytest.approx(number)
    response = erlang.mmck_response(load / 0.01, 0.01, servers, places)
    assert response == pytest.approx(number / (load * (1 - lost)) * 0.01)


def test_limited_queues_at_the_edges() -> None:
    assert erlang.mmck_loss(10, 8.0, 10) == pytest.approx(recursion(10, 8.0))
    assert erlang.mmck_number(5, 4.0, 100_000) == pytest.approx(4 + 4 * erlang.mmc_wait(4.0, 1.0, 5))
    assert erlang.mmck_loss(5, 50.0, 100_000) == pytest.approx(0.9)
    assert erlang.mmck_loss(5, 0.0, 10) == erlang.mmck_number(5, 0.0, 10) == 0


@pytest.mark.parametrize(
    ("rate", "servers", "patience"), [(9.0, 10, 2.0), (20.0, 10, 0.5), (5.0, 10, 1.0), (10.0, 10, 30.0), (0.5, 1, 0.01)]
)
def test_impatience_is_birth_and_death(rate: float, servers: int, patience: float) -> None:
    def moves(n: int) -> list[tuple[int, float]]:
        leaves = min(n, servers) + max(n - servers, 0) / patience
        return [(n + 1, rate)] * (n < 600) + [(n - 1, leaves)] * (n > 0)

    chain = steady(0, moves)
    waiting = mean(chain, lambda n: max(n - servers, 0))
    assert erlang.erlang_a_wait_probability(rate, 1.0, servers, patience) == pytest.approx(
        mean(chain, lambda n: n >= servers)
    )
    assert erlang.erlang_a_abandonment(rate, 1.0, servers, patience) == pytest.approx(waiting / patience / rate)
    assert erlang.erlang_a_wait(rate, 1.0, servers, patience) == pytest.approx(waiting / rate)


def test_impatience_of_large_fleets() -> None:
    """The fluid limit: what is beyond the servers leaves; and next to nobody below them."""
    assert erlang.erlang_a_abandonment(1.2e6, 1.0, 1_000_000, 5.0) == pytest.approx(1 / 6, rel=1e-6)
    assert erlang.erlang_a_abandonment(0.9e6, 1.0, 1_000_000, 5.0) < 1e-12
    assert erlang.erlang_a_wait_probability(0.5, 1.0, 10, 1e9) == pytest.approx(delayed(10, 0.5), rel=1e-6)


# -- bad input --------------------------------------------------------------------------------------------------------

NAN = math.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: erlang.erlang_b(2.5, 1),
            "the number of servers is 2.5, but must be a whole number from 0 to 10,000,000; round it up, or compute a "
            "part at a time",
        ),
        (
            lambda: erlang.erlang_b(np.array([1, NAN]), 1.0),
            "the number of servers is nan, but must be a whole number from 0 to 10,000,000; round it up, or compute a "
            "part at a time",
        ),
        (
            lambda: erlang.erlang_b(1, -1),
            "the offered load is -1, but must be a number from 0 up; check what it is computed from",
        ),
        (
            lambda: erlang.erlang_c(10, 12),
            "the load of 12 is at least the capacity of 10: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (
            lambda: erlang.mmc_wait(np.array([1.0, 5.0]), 1.0, np.array([4.0, 5.0])),
            "the load of 5 is at least the capacity of 5: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (
            lambda: erlang.mmc_wait_percentile(1, 0.5, 4, 99),
            "the percentile is 99, but must be a share above 0 and below 1; write the 99th percentile as 0.99",
        ),
        (
            lambda: erlang.mmc_wait(1, 0, 4),
            "the service time is 0, but must be a number above 0; check what it is computed from",
        ),
        (
            lambda: erlang.load_for_blocking(4, 0),
            "the blocking probability is 0, but must be a share above 0 and below 1; write 1 % as 0.01",
        ),
        (
            lambda: erlang.servers_for_response(100, 0.05, 0.99, 0.2),
            "the service alone takes 0.2303 s at this percentile, and 0.2 s are allowed: no number of servers is "
            "enough; make the service faster, or allow more",
        ),
        (
            lambda: erlang.servers_for_wait(1e12, 1.0, 0.99, 1.0),
            "more than 10,000,000 servers are needed; compute a part of the load at a time",
        ),
        (
            lambda: erlang.mmck_loss(4, 1.0, 3),
            "the number of places is 3, but must be a whole number from 4 to 1,000,004; round it up, or compute a part "
            "at a time",
        ),
        (
            lambda: erlang.erlang_a_wait(1, 1, 1, 0),
            "the patience is 0, but must be a number above 0; check what it is computed from",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        call()
    assert str(caught.value) == message
