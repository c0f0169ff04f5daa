"""Queues in parallel, in a row and in a circle, second tries, and the small laws: by counting, chains and draws."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from estimators import erlang, laws, networks, single_server
from estimators.errors import FormulaError
from tests.estimators.markov import mean, steady

# -- all of several branches ------------------------------------------------------------------------------------------


def test_the_slowest_of_several() -> None:
    for count in (1, 2, 13, 500):
        assert networks.slowest_exponential(0.02, count) == pytest.approx(
            0.02 * sum(1 / k for k in range(1, count + 1))
        )
        assert networks.any_slow(0.03, count) == pytest.approx(stats.binom.sf(0, count, 0.03))
        assert networks.percentile_of_each(0.99, count) ** count == pytest.approx(0.99)
    assert networks.any_slow(1e-12, 1_000_000) == pytest.approx(1e-6, rel=1e-5)  # no digits are lost
    assert (networks.any_slow(1.0, 3), networks.any_slow(1.0, 0), networks.any_slow(0.0, 3)) == (1.0, 0.0, 0.0)


def test_fork_and_join_of_two_by_its_chain() -> None:
    rate, places = 0.6, 60

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        one, two = state
        found = [((one + 1, two + 1), rate)] * (max(state) < places)
        return found + [((one - 1, two), 1.0)] * (one > 0) + [((one, two - 1), 1.0)] * (two > 0)

    # A request is there while either of its parts is: the longer queue, as both are served in order.
    number = mean(steady((0, 0), moves), max)
    assert networks.fork_join_response(rate, 1.0, 2) == pytest.approx(number / rate, rel=1e-6)


@pytest.mark.parametrize(("branches", "load"), [(4, 0.5), (8, 0.7), (32, 0.3), (32, 0.8)])
def test_fork_and_join_of_several_as_drawn(branches: int, load: float) -> None:
    luck = np.random.default_rng(2)
    size = 100_000
    gaps = luck.exponential(1 / load, size)
    slowest = np.zeros(size)
    for _ in range(branches):
        services = luck.exponential(1.0, size)
        walk = np.concatenate(([0.0], np.cumsum(services[:-1] - gaps[1:])))
        slowest = np.maximum(slowest, walk - np.minimum.accumulate(walk) + services)
    found = networks.fork_join_response(load, 1.0, branches)
    assert found == pytest.approx(np.mean(slowest), rel=0.07)
    assert networks.fork_join_least(load, 1.0, branches) < found < networks.fork_join_most(load, 1.0, branches)


def test_one_branch_is_one_queue() -> None:
    for function in (networks.fork_join_response, networks.fork_join_least, networks.fork_join_most):
        assert function(0.7, 1.0, 1) == pytest.approx(single_server.mm1_response(0.7, 1.0))


# -- second tries -----------------------------------------------------------------------------------------------------


def test_attempts_by_counting() -> None:
    for failure, most in ((0.1, 3), (0.5, 4), (0.999999, 10)):
        each = [failure**k * (1 - failure) * (k + 1) for k in range(most)] + [failure**most * most]
        assert networks.attempts(failure, most) == pytest.approx(sum(each))
    assert networks.attempts(1.0, 7) == 7.0


def test_hedges_as_drawn() -> None:
    luck = np.random.default_rng(4)
    first, second = luck.exponential(0.05, (2, 400_000))
    for delay in (0.0, 0.1, 0.25):
        taken = np.minimum(first, second + delay)
        assert networks.hedges(0.05, delay) == pytest.approx(np.mean(first > delay), rel=0.03)
        for percentile in (0.5, 0.99):
            found = networks.hedged_percentile(0.05, delay, percentile)
            assert found == pytest.approx(np.quantile(taken, percentile), rel=0.01)


# -- networks ---------------------------------------------------------------------------------------------------------


def test_a_row_of_queues_by_its_chain() -> None:
    rate, places = 0.5, 45

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        one, two = state
        found = [((one + 1, two), rate)] * (one < places)
        found += [((one - 1, min(two + 1, places)), 1.0)] * (one > 0)
        return found + [((one, two - 1), 1 / 0.8)] * (two > 0)

    assert networks.tandem_response(rate, [1.0, 0.8]) * rate == pytest.approx(mean(steady((0, 0), moves), sum))


def test_an_open_network() -> None:
    row = networks.open_network([40.0, 0, 0], [[0, 1, 0], [0, 0, 1], [0, 0, 0]], [0.005, 0.02, 0.01], [1, 1, 1])
    assert row.response == pytest.approx(networks.tandem_response(40.0, [0.005, 0.02, 0.01]))
    # One in five comes back: 1.25 visits each, and by Little's law 1.25 times the response of a visit.
    back = networks.open_network([8.0], [[0.2]], [0.25], [3])
    assert back.rates == pytest.approx((10.0,))
    assert back.response == pytest.approx(1.25 * (erlang.mmc_wait(10.0, 0.25, 3) + 0.25))
    split = networks.open_network([3.0, 1.0], [[0, 0.5], [0.25, 0]], [0.1, 0.1], [1, 2])
    first, second = split.rates
    assert (first, second) == pytest.approx((3 + 0.25 * second, 1 + 0.5 * first))


def test_a_closed_network_by_its_states() -> None:
    """Its product form, summed over all states."""
    think, demands, customers = 2.0, (0.5, 0.3), 6
    total, inside = 0.0, np.zeros(2)
    for counts in itertools.product(range(customers + 1), repeat=2):
        if (thinking := customers - sum(counts)) >= 0:
            weight = think**thinking / math.factorial(thinking) * demands[0] ** counts[0] * demands[1] ** counts[1]
            total, inside = total + weight, inside + weight * np.array(counts)
    found = networks.closed_network(customers, think, demands)
    assert found.numbers == pytest.approx(inside / total)
    assert found.throughput == pytest.approx((customers - inside.sum() / total) / think)
    assert found.throughput * (found.response + think) == pytest.approx(customers)
    assert networks.closed_network(10_000, 5.0, [0.05, 0.03]).throughput == pytest.approx(20.0)


# -- small laws -------------------------------------------------------------------------------------------------------


def test_scaling() -> None:
    assert laws.amdahl(0.0, 64) == 64
    assert laws.amdahl(0.1, 1e12) == pytest.approx(10)
    assert laws.usl(0.0, 0.0, 64) == 64
    assert laws.usl(0.05, 0.0, 20) == pytest.approx(laws.amdahl(0.05, 20))  # without coherence it is Amdahl's law
    best = math.sqrt((1 - 0.03) / 0.0005)  # Gunther: where the speed-up is largest
    assert laws.usl(0.03, 0.0005, best) > max(laws.usl(0.03, 0.0005, best + off) for off in (-1, 1))


def test_availability_by_counting() -> None:
    for parts in (1, 4, 7):
        for needed in range(parts + 2):
            up = [k for k in itertools.product((0, 1), repeat=parts) if sum(k) >= needed]
            chance = sum(math.prod(0.9 if one else 0.1 for one in k) for k in up)
            assert laws.enough_available(0.9, needed, parts) == pytest.approx(chance)
        assert laws.all_available(0.9, parts) == pytest.approx(laws.enough_available(0.9, parts, parts))
        assert laws.any_available(0.9, parts) == pytest.approx(laws.enough_available(0.9, 1, parts))
    assert laws.enough_available(1.0, 3, 3) == 1.0
    assert laws.downtime(0.999) == pytest.approx(2592)
    assert laws.downtime(0.999, 365 * 86_400) == pytest.approx(31_536)


def test_batches_fill() -> None:
    luck = np.random.default_rng(6)
    came = luck.exponential(1 / 500, (20_000, 8)).cumsum(axis=1)
    assert laws.batch_wait(500.0, 8) == pytest.approx(np.mean(came[:, -1:] - came), rel=0.02)
    assert laws.batch_wait(500.0, 1) == 0.0


def test_the_autoscaler() -> None:
    """The example of its documentation, and its tolerance."""
    assert laws.desired_replicas(3, 200, 100) == 6
    assert laws.desired_replicas(4, 50, 100) == 2
    assert laws.desired_replicas(10, 109, 100) == 10
    assert laws.desired_replicas(10, 0.3, 0.1) == 30  # and not 31, by float dust
    assert laws.desired_replicas(np.array([10, 10]), np.array([90.0, 61.0]), 60).tolist() == [15, 10]
    assert laws.scale_up_time(100, 100) == 0
    assert laws.scale_up_time(4, 8) == 0
    assert laws.scale_up_time(4, 9) == 15


def test_sketches() -> None:
    assert laws.bloom_bits_per_key(0.01) == pytest.approx(9.585, abs=1e-3)  # the figure in every textbook
    for rate in (0.1, 0.001):
        bits = laws.bloom_bits_per_key(rate)
        assert laws.bloom_false_positives(bits, round(bits * math.log(2))) == pytest.approx(rate, rel=0.02)
    assert laws.hyperloglog_error(2048) == pytest.approx(0.023, abs=1e-4)  # 2.3 %: Flajolet et al.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: networks.any_slow(1, 2.5),
            "the number of branches is 2.5, but must be a whole number from 0 to 1,000,000,000; round it up, or "
            "compute a part at a time",
        ),
        (
            lambda: networks.any_slow(1.5, 2),
            "the share that is slow is 1.5, but must be a share from 0 to 1; write 5 % as 0.05",
        ),
        (
            lambda: networks.tandem_response(30.0, [0.01, 0.05]),
            "the load of 1.5 is at least the capacity of 1: no steady state, the queue grows without end; add servers, "
            "make the service faster, or send less",
        ),
        (lambda: networks.tandem_response(30.0, []), "0 stations were given; give 1 to 200"),
        (
            lambda: networks.open_network([1.0], [[0.5, 0.5]], [0.1], [1]),
            "1 stations need as many arrival rates, numbers of servers, and rows of as many shares",
        ),
        (
            lambda: networks.open_network([1.0, 0.0], [[0, 1], [1, 0]], [0.1, 0.1], [1, 1]),
            "some who come never leave; let the shares of one station on the way sum to less than 1",
        ),
        (
            lambda: networks.closed_network(10, -1, [0.1]),
            "the think time is -1, but must be a number from 0 up; check what it is computed from",
        ),
        (
            lambda: networks.closed_network(10**9, 1, [0.1]),
            "the number of customers is 1e+09, but must be a whole number from 1 to 100,000; round it up, or compute a "
            "part at a time",
        ),
        (
            lambda: laws.all_available(99.9, 10),
            "the availability is 99.9, but must be a share from 0 to 1; write 5 % as 0.05",
        ),
        (
            lambda: laws.bloom_false_positives(0, 7),
            "the bits per key is 0, but must be a number above 0; check what it is computed from",
        ),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        call()
    assert str(caught.value) == message
