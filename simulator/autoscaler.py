"""Replicas that follow the load, by the rules of Kubernetes' HorizontalPodAutoscaler.

They are those of its documentation ("Horizontal Pod Autoscaling") and of kubernetes/kubernetes,
pkg/controller/podautoscaler/replica_calculator.go and horizontal.go, with its default behaviour (`convert...Rate`,
`stabilize...WithBehaviors`): scaling up at once, but by no more than `up` allows; scaling down only to the most that
was wished for lately. In one thing ours differs: metrics are not cut to whole percents. Times are int64 ns.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import simpy

from cases.world_spec import Autoscaling
from simulator.fleet import Fleet
from simulator.plane import RequestPlane
from simulator.workload import SECOND, nanoseconds


class Rules(NamedTuple):
    """What the replicas of a stage follow, and how fast. At least one of the three targets is set."""

    stage: int
    utilisation: float | None  # target: a share of the workers' time
    queue: float | None  # waiting visits a replica
    requests: float | None  # arrivals a second and replica
    least: int
    most: int
    sync: int  # ns between two decisions
    tolerance: float  # of metric / target around 1
    down_after: int  # ns that a wish for more is remembered
    up_replicas: int  # that may come within `up_every`,
    up_times: float  # or as many times those that were there, whichever is more
    up_every: int  # ns


def rules(stage: int, spec: Autoscaling) -> Rules:
    """What a case says of a stage's autoscaling, in numbers."""
    return Rules(
        stage=stage,
        utilisation=spec.utilisation,
        queue=spec.queue,
        requests=spec.requests,
        least=spec.least,
        most=spec.most,
        sync=nanoseconds(spec.sync),
        tolerance=spec.tolerance,
        down_after=nanoseconds(spec.down_after),
        up_replicas=spec.up.replicas,
        up_times=spec.up.times,
        up_every=nanoseconds(spec.up.every),
    )


def wish(ratio: float, current: int, ready: int, tolerance: float) -> int:
    """The replicas that one metric asks for. `ratio`: metric / target, of those of the `current` that are ready.

    >>> wish(90 / 60, current=10, ready=10, tolerance=0.1)
    15
    >>> wish(90 / 60, current=15, ready=10, tolerance=0.1)  # enough are on their way
    15
    """
    counted = ready
    if ratio > 1 and ready < current:
        # Those that are not ready count as idle; if then there are too many, nothing changes.
        ratio, counted = ratio * ready / current, current
        if ratio < 1:
            return current
    if 1 - tolerance <= _plain(ratio) <= 1 + tolerance:
        return current
    return _up(ratio * counted)


class Autoscaler:
    """Decides at each sync; remembers what it wished for and what it added."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._wishes: list[tuple[int, int]] = []  # when, and for how many: before any limit
        self._added: list[tuple[int, int]] = []

    def decide(self, now: int, current: int, ready: int, ratios: Sequence[float]) -> int:
        """The replicas that there shall be. `ratios`: metric / target of each metric; none: nothing could be read."""
        least, most = self._rules.least, self._rules.most
        self._wishes = self._wishes or [(now, current)]
        if not least <= current <= most:
            wanted = min(max(current, least), most)
        elif not ratios:
            return current
        else:
            wanted = self._remembered(now, current, max(wish(r, current, ready, self._rules.tolerance) for r in ratios))
            wanted = min(wanted, most, self._limit(now, current)) if wanted > current else max(wanted, least)
        if wanted > current:
            self._added.append((now, wanted - current))
        return wanted

    def _remembered(self, now: int, current: int, wished: int) -> int:
        """The wish, or if that is for fewer replicas than there are, the highest one of late."""
        self._wishes = [(at, n) for at, n in self._wishes if at > now - self._rules.down_after]
        highest = max([wished, *(n for _, n in self._wishes)])
        self._wishes.append((now, wished))
        return wished if wished >= current else highest

    def _limit(self, now: int, current: int) -> int:
        """How many there may be, after so many came within the period."""
        rules = self._rules
        self._added = [(at, n) for at, n in self._added if at > now - rules.up_every]
        before = current - sum(n for _, n in self._added)
        return max(current, before + rules.up_replicas, _up(before * rules.up_times))


def autoscale(
    env: simpy.Environment, plane: RequestPlane, fleet: Fleet, rules: Rules
) -> Generator[simpy.Event, Any, None]:
    """Read the metrics at each sync and let the fleet follow. Utilisation and requests are since the last one."""
    scaler, stage = Autoscaler(rules), rules.stage

    def look() -> tuple[int, int, int, int]:
        _, busy, there = plane.integrals(int(env.now))
        return int(env.now), int(busy[stage]), int(there[stage]), int(plane.joined()[stage])

    before = look()
    while True:
        yield env.timeout(rules.sync)
        after = look()
        now, ready = after[0], len(fleet.ready())
        time, busy, there, joined = (b - a for a, b in zip(before, after, strict=True))
        before = after
        ratios = []
        if ready and there:
            if rules.utilisation is not None:
                ratios.append(busy / there / rules.utilisation)
            if rules.queue is not None:
                ratios.append(int(plane.waiting()[stage]) / ready / rules.queue)
            if rules.requests is not None:
                ratios.append(joined * SECOND / time / ready / rules.requests)
        wanted = scaler.decide(now, fleet.wanted, ready, ratios)
        if wanted != fleet.wanted:
            fleet.set(wanted, now)


def _plain(number: float) -> float:
    """Without the last bits: 0.9 / 0.6 is not quite 1.5 in binary, and 15.000000000000002 replicas are not 16."""
    return round(number, 9)


def _up(number: float) -> int:
    return math.ceil(_plain(number))
