"""Sharing out among replicas: against Markov chains, the mean field as a differential equation, and each other."""

import math

import numpy as np
import pytest
from scipy import integrate

from estimators import balancing, erlang, queueing
from estimators.balancing import replicas_wait
from estimators.errors import FormulaError
from estimators.queueing import Service, Wait
from tests.estimators.markov import mean, steady

MEMORYLESS = Service(1.0, 1.0)


def two_replicas(rate: float, slots: int, shortest: float) -> tuple[float, float]:
    """(P(wait), mean wait) of two replicas; this share of the requests goes to the shorter, or to either at a tie."""
    places = slots * 2 + 70

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        short, long = sorted(state)  # the two are alike
        found = []
        if short < places:
            found.append(((short + 1, long), rate * shortest))
        if long < places:
            found.append(((short, long + 1), rate * (1 - shortest)))
        if short:
            found.append(((short - 1, long), float(min(short, slots))))
        if long:
            found.append(((short, long - 1), float(min(long, slots))))
        return [(tuple(sorted(to)), speed) for to, speed in found]

    chain = steady((0, 0), moves)
    waits = mean(chain, lambda s: shortest * (min(s) >= slots) + (1 - shortest) * (max(s) >= slots))
    return waits, mean(chain, lambda s: sum(max(one - slots, 0) for one in s)) / rate


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("load", [0.7, 0.9])
def test_two_replicas_about_as_their_chain(load: float, slots: int) -> None:
    rate = 2 * slots * load
    for way, shortest, off in (("least outstanding", 1.0, 0.08), ("least_of 2", 0.75, 0.25)):  # drawn twice: 1/4
        waits, wait = two_replicas(rate, slots, shortest)
        found = replicas_wait(way, rate, MEMORYLESS, 2, slots)
        assert found.mean == pytest.approx(wait, rel=off)
        assert found.probability == pytest.approx(waits, rel=0.12)
    waits, wait = two_replicas(rate, slots, 0.5)
    found = replicas_wait("random", rate, MEMORYLESS, 2, slots)
    assert (found.probability, found.mean) == pytest.approx((waits, wait), rel=0.01)


@pytest.mark.parametrize(("slots", "choices", "load"), [(1, 2, 0.9), (4, 2, 0.9), (4, 3, 0.8), (10, 2, 0.95)])
def test_the_mean_field_comes_to_rest_there(slots: int, choices: int, load: float) -> None:
    """dB/dt of the shares with at least i requests, from an empty fleet."""
    most = slots + 60
    busy = np.minimum(np.arange(1, most), slots)

    def slope(_: float, shares: np.ndarray) -> np.ndarray:
        all_ = np.concatenate(([1.0], shares, [0.0]))
        joins = load * slots * (all_[:-2] ** choices - all_[1:-1] ** choices)
        return joins - busy * (all_[1:-1] - all_[2:])

    rest = integrate.solve_ivp(slope, (0, 400), np.zeros(most - 1), method="LSODA", rtol=1e-10, atol=1e-13).y[:, -1]
    found = balancing.choices_wait(load, choices, slots)
    assert found.probability == pytest.approx(rest[slots - 1] ** choices, rel=1e-5)
    assert found.mean == pytest.approx(rest[slots:].sum() / (load * slots), rel=1e-5)
    # Who meets i requests waits for i - slots + 1 departures: the second moment of what the shape says.
    meets = np.concatenate(([1.0], rest)) ** choices
    stages = np.arange(1, most - slots)
    square = ((meets[slots:-1] - meets[slots + 1 :]) * stages * (stages + 1)).sum() / slots**2
    assert found.mean * found.if_any * (1 + 1 / found.shape) == pytest.approx(square, rel=1e-4)


def test_one_slot_is_the_supermarket_model() -> None:
    for load in (0.1, 0.5, 0.9, 0.99):
        for choices in (1, 2, 3, 5):
            found = balancing.choices_wait(load, choices, 1)
            assert found.mean + 1 == pytest.approx(balancing.choices_response(load, choices))
            shares = balancing.choices_share(load, choices, np.arange(1, 3_000))
            assert sum(shares) / load == pytest.approx(balancing.choices_response(load, choices))
    assert balancing.choices_share(0.9, 2, 0) == 1.0
    assert balancing.choices_share(0.9, 2, 100_000) == 0.0
    assert balancing.choices_response(np.array([0.5, 0.9]), 1).tolist() == pytest.approx([2.0, 10.0])


def test_one_replica_is_one_queue_however_balanced() -> None:
    for way in ("shared", "random", "round robin", "hash", "least_of 2", "least outstanding"):
        assert replicas_wait(way, 7.0, MEMORYLESS, 1, 8) == queueing.ggc_wait(7.0, MEMORYLESS, 8)


def test_very_many_replicas_are_the_limit() -> None:
    limit = balancing.choices_wait(0.8, 2, 2)
    found = replicas_wait("least_of 2", 160_000.0, MEMORYLESS, 100_000, 2)
    assert (found.probability, found.if_any, found.shape) == pytest.approx(
        (limit.probability, limit.if_any, limit.shape)
    )
    assert replicas_wait("least outstanding", 160_000.0, MEMORYLESS, 100_000, 2).mean == 0


@pytest.mark.parametrize("cs2", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("replicas", [2, 7, 40])
def test_the_better_informed_wait_less(replicas: int, slots: int, cs2: float) -> None:
    for load in (0.7, 0.95):
        ways = ("shared", "least outstanding", "least_of 3", "least_of 2", "random")
        service = Service(1.0, cs2)
        waits = [replicas_wait(way, load * replicas * slots, service, replicas, slots).mean for way in ways]
        assert waits == sorted(waits)
        smooth = replicas_wait("round robin", load * replicas * slots, service, replicas, slots).mean
        assert waits[0] < smooth < waits[-1]


def test_a_random_part_is_a_queue_of_its_own() -> None:
    assert replicas_wait("random", 30.0, MEMORYLESS, 5, 8) == queueing.ggc_wait(6.0, MEMORYLESS, 8)
    assert replicas_wait("least_of 1", 30.0, MEMORYLESS, 5, 8) == replicas_wait("hash", 30.0, MEMORYLESS, 5, 8)
    burst = replicas_wait("random", 30.0, MEMORYLESS, 5, 8, ca2=6.0)  # thinned: 1 + 5 / 5
    assert burst == queueing.ggc_wait(6.0, MEMORYLESS, 8, 2.0)


@pytest.mark.parametrize("way", ["shared", "random", "round robin", "least_of 2", "least outstanding"])
def test_the_fewest_replicas(way: str) -> None:
    service = Service(0.02, 0.64, "lognormal")
    found = balancing.fewest_replicas(way, 2_000.0, service, 4, 0.99, 0.0812)

    def tail(count: int) -> float:
        return queueing.response_tail(replicas_wait(way, 2_000.0, service, count, 4), service, 0.0812)

    assert tail(found - 1) > 0.01 >= tail(found)


def test_a_load_that_fills_whole_replicas_needs_one_more() -> None:
    """Whichever way its product is rounded."""
    for rate in (1e3, 1e3 / 3, 7e3 / 9):
        for way in ("random", "shared", "least_of 2"):
            service = Service(30 / rate, 1.0)
            assert balancing.fewest_replicas(way, rate, service, 3, 0.5, 1e6 / rate) == 11


def test_sharing_one_queue_needs_the_fewest() -> None:
    service = Service(0.02, 1.0)
    counts = [
        balancing.fewest_replicas(way, 2_000.0, service, 4, 0.99, 0.11)
        for way in ("shared", "least outstanding", "least_of 2", "random")
    ]
    assert counts == sorted(counts)
    assert counts[0] == math.ceil(erlang.servers_for_response(2_000.0, 0.02, 0.99, 0.11) / 4)


def test_pooling() -> None:
    assert balancing.pooling_ratio(1, 0.7) == pytest.approx(1.0)
    assert balancing.pooling_ratio(5, 0.6) == pytest.approx(1.5 / erlang.mmc_wait(3.0, 1.0, 5))


def test_nobody_comes() -> None:
    for way in ("random", "round robin", "least_of 2", "least outstanding"):
        assert replicas_wait(way, 0.0, MEMORYLESS, 3, 2) == Wait(0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: replicas_wait("least_of two", 1.0, MEMORYLESS, 3, 2),
            "'least_of two' is no way of balancing; choose shared, random, hash, round robin, least outstanding or "
            "'least_of 2'",
        ),
        (
            lambda: replicas_wait("random", 6.0, MEMORYLESS, 3, 2),
            "the load of 2 is at least the capacity of 2: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (
            lambda: replicas_wait("shared", 1.0, MEMORYLESS, 0, 2),
            "the number of replicas is 0, but must be a whole number from 1 to 1,000,000; round it up, or compute a "
            "part at a time",
        ),
        (
            lambda: balancing.choices_response(1.0, 2),
            "the utilisation is 1, but must be a share above 0 and below 1; write 70 % as 0.7; at 1 there is no steady "
            "state",
        ),
        (
            lambda: balancing.fewest_replicas("shared", 10.0, MEMORYLESS, 4, 0.99, 4.0),
            "the service alone takes 4.605 s at this percentile, and 4 s are allowed: no number of servers is enough; "
            "make the service faster, or allow more",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        call()
    assert str(caught.value) == message


def test_nobody_waits_where_choices_are_many_and_replicas_idle() -> None:
    """The share that finds all drawn replicas full is below what a number can hold; once that was divided by."""
    for slots in (1, 2, 4, 8, 16, 64, 256):
        for utilisation in (0.01, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 0.99):
            for choices in (2, 3, 8, 16):
                wait = balancing.choices_wait(utilisation, choices, slots)
                assert 0 <= wait.probability <= utilisation + 1e-12
                assert wait.mean >= 0
