"""The autoscaler: the rules of Kubernetes' HorizontalPodAutoscaler one by one, and the trajectories it is known for."""

from __future__ import annotations

from typing import Any

import pytest
import simpy
from fake_plane import SECOND, FakePlane
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import StageSpec, machine

from cases.world_spec import Autoscaling
from simulator.autoscaler import Autoscaler, Rules, autoscale, rules, wish
from simulator.fleet import Fleet

DEFAULT = Rules(
    stage=0,
    utilisation=0.6,
    queue=None,
    requests=None,
    least=1,
    most=100,
    sync=15 * SECOND,
    tolerance=0.1,
    down_after=300 * SECOND,
    up_replicas=4,
    up_times=2.0,
    up_every=15 * SECOND,
)


@pytest.mark.parametrize(
    ("metric", "target", "pods", "wanted"),
    [
        (0.90, 0.6, 10, 15),  # targets.csv: HPA, ceil(10 x 90/60)
        (0.67, 0.6, 10, 12),  # targets.csv: just outside the tolerance
        (0.66, 0.6, 10, 10),  # just inside
        (0.54, 0.6, 10, 10),
        (0.53, 0.6, 10, 9),
        (200.0, 100.0, 4, 8),  # the documentation's: 200m against 100m doubles
        (50.0, 100.0, 4, 2),  # and 50m halves
        (0.0, 0.6, 10, 0),
    ],
)
def test_what_a_metric_asks_for(metric: float, target: float, pods: int, wanted: int) -> None:
    assert wish(metric / target, current=pods, ready=pods, tolerance=0.1) == wanted


@pytest.mark.parametrize(
    ("ratio", "current", "ready", "wanted"),
    [
        (3.0, 6, 4, 12),  # the two others count as idle: 3 x 4/6 x 6
        (1.5, 15, 10, 15),  # enough are on their way
        (1.2, 15, 10, 15),  # with them there would be too many, but nothing goes down on that account
        (0.5, 15, 10, 5),  # going down only those that are ready count
        (1.0, 15, 10, 15),
    ],
)
def test_replicas_that_are_not_ready(ratio: float, current: int, ready: int, wanted: int) -> None:
    assert wish(ratio, current, ready, tolerance=0.1) == wanted


def test_from_1_to_100_in_75_seconds_after_the_first_decision() -> None:
    """targets.csv: the larger of +4 and x2 every 15 s."""
    scaler, pods, seen = Autoscaler(DEFAULT), 1, []
    for now in range(0, 91, 15):
        pods = scaler.decide(now * SECOND, pods, pods, [1000.0])
        seen.append((now, pods))
    assert seen == [(0, 5), (15, 10), (30, 20), (45, 40), (60, 80), (75, 100), (90, 100)]


def test_the_limit_counts_what_came_within_the_period() -> None:
    """Looking every 5 s does not make it faster."""
    scaler, pods, seen = Autoscaler(DEFAULT._replace(sync=5 * SECOND)), 10, []
    for now in range(0, 31, 5):
        pods = scaler.decide(now * SECOND, pods, pods, [10.0])
        seen.append(pods)
    assert seen == [20, 20, 20, 40, 40, 40, 80]


def test_down_goes_only_to_the_most_of_the_last_300_s() -> None:
    scaler, pods, seen = Autoscaler(DEFAULT), 10, []
    for now in range(0, 351, 15):
        ratio = {0: 1.5, 15: 0.8}.get(now, 0.4)  # of 10 wants 15, of 15 wants 12, then 6
        pods = scaler.decide(now * SECOND, pods, pods, [ratio])
        seen.append((now, pods))
    changes = [one for one, before in zip(seen, [(0, 10), *seen], strict=False) if one[1] != before[1]]
    assert changes == [(0, 15), (300, 12), (315, 6)]


def test_of_several_metrics_the_one_that_wants_most_decides() -> None:
    assert Autoscaler(DEFAULT).decide(0, 10, 10, [0.5, 1.3, 1.05]) == 13


def test_a_higher_wish_of_late_goes_on_within_the_limit() -> None:
    """It wanted 100 and may have 20; when the metric falls, the wish for 100 is not forgotten."""
    scaler = Autoscaler(DEFAULT)
    assert scaler.decide(0, 10, 10, [10.0]) == 20
    assert scaler.decide(15 * SECOND, 20, 20, [0.5]) == 40


@pytest.mark.parametrize(("current", "wanted"), [(2, 4), (50, 40), (4, 4), (40, 40)])
def test_bounds_come_first(current: int, wanted: int) -> None:
    """Outside of them no metric is asked; within them nothing to read changes nothing."""
    assert Autoscaler(DEFAULT._replace(least=4, most=40)).decide(0, current, 0, []) == wanted


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(1, 30),
    st.integers(1, 100),
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_it_stays_within_its_bounds_and_its_pace(looks: list[tuple[float, int]], least: int, pods: int) -> None:
    scaler, most = Autoscaler(DEFAULT._replace(least=least, most=40)), 40
    for number, (ratio, unready) in enumerate(looks):
        before = pods
        pods = scaler.decide(number * 15 * SECOND, pods, max(0, pods - unready), [ratio])
        assert least <= pods <= most
        assert pods <= max(before + 4, 2 * before, least)


def test_the_case_says_it_in_seconds() -> None:
    spec = Autoscaling.model_construct(utilisation=0.6, least=1, most=100)
    assert rules(0, spec) == DEFAULT


def scaled(until: int, *, replicas: int = 4, delay: int = 25, rules: Rules = DEFAULT, **shown: Any) -> list[tuple]:
    """When the places change, in seconds, while the plane shows these metrics."""
    env = simpy.Environment(initial_time=0)
    built = machine([StageSpec(replicas=replicas, places=20, concurrency=2)])
    plane = FakePlane(env, built)
    for name, value in shown.items():
        setattr(plane, name, value)
    fleet = Fleet(env, plane, 0, built.stages[0], delay * SECOND)  # type: ignore[arg-type]
    env.process(autoscale(env, plane, fleet, rules))  # type: ignore[arg-type]
    seen: list[tuple] = []

    def watch() -> Any:
        while True:
            look = (fleet.wanted, fleet.starting, len(fleet.ready()))
            if not seen or seen[-1][1:] != look:
                seen.append((env.now // SECOND, *look))
            yield env.timeout(SECOND)

    env.process(watch())
    env.run(until=until * SECOND)
    return seen


def test_replicas_come_after_the_start_delay() -> None:
    """At 90 % against 60 % four want six; those that are starting are not wanted again."""
    assert scaled(50, busy_share=0.9) == [(0, 4, 0, 4), (15, 6, 2, 4), (40, 6, 0, 6), (45, 9, 3, 6)]


def test_utilisation_is_since_the_last_look() -> None:
    assert scaled(100, busy_share=0.6) == [(0, 4, 0, 4)]


def test_waiting_visits_a_replica() -> None:
    by_queue = DEFAULT._replace(utilisation=None, queue=5.0)
    assert scaled(30, rules=by_queue, waits=30)[-1] == (15, 6, 2, 4)


def test_arrivals_a_second_and_replica() -> None:
    by_requests = DEFAULT._replace(utilisation=None, requests=50.0)
    assert scaled(30, rules=by_requests, joins_a_second=250.0)[-1] == (15, 5, 1, 4)


def test_it_goes_down_by_draining() -> None:
    """The first look remembers that there were four, for 300 s."""
    assert scaled(330, busy_share=0.2) == [(0, 4, 0, 4), (315, 2, 0, 2)]
