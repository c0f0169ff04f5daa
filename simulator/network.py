"""The machine model: what a run is made of, in integers.

`Machine` holds arrays of int64 nanoseconds and integers, no defaults and no optionals; both request planes read it
and nothing else. `Network` adds the names and prices that the borders need. `resolve(case)` makes one of a case.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cases.path_check import in_order
from cases.spec import Case, ServiceTime, Stage, Workload
from simulator import draws
from simulator.workload import SECOND, Profile

Ints = NDArray[np.int64]
Whole = NDArray[np.object_]  # Python's whole numbers, for sums of times that outgrow int64

NEVER = 1 << 61  # later than any run: half of int64, so that adding two times cannot overflow
UNLIMITED = 1 << 61
PASS_ON = -1  # `gives` of a stage that hands on the items it received

SHARED, RANDOM, ROUND_ROBIN, LEAST_OF = range(4)


class Machine(NamedTuple):
    """The request path. Arrays are by stage, in an order in which every stage follows those it comes after."""

    name_hash: NDArray[np.uint64]
    replicas: Ints
    concurrency: Ints  # workers of a replica
    balancing: Ints  # SHARED, RANDOM, ROUND_ROBIN or LEAST_OF
    choices: Ints  # draws of LEAST_OF; 0 otherwise
    queue_limit: Ints  # waiting visits of one queue; UNLIMITED
    hop: Ints  # ns from sending to joining
    timeout: Ints  # ns from sending; NEVER
    floor: Ints  # ns of service whatever the items
    per_item: Ints  # ns of service for each item carried
    gives: Ints  # items handed on; PASS_ON
    keeps: Ints  # at most so many of them; UNLIMITED
    hit_threshold: Ints  # a visit hits the cache when its draw, shifted right by one, is below this (of 2^63)
    hit_time: Ints  # ns
    table: Ints  # row of `tables`
    predecessors: Ints  # how many stages must answer first
    first_successor: Ints  # shape (stages + 1,): slices of `successors`
    successors: Ints
    sources: Ints  # stages to which an arriving request goes
    tables: NDArray[np.float64]  # quantile tables of mean 1, shape (tables, 2 * EDGES)
    client_timeout: int  # ns from arrival; NEVER

    @property
    def stages(self) -> int:
        """How many stages there are."""
        return len(self.replicas)

    def queues(self) -> Ints:
        """Queues of each stage: one if shared, else one a replica."""
        return np.where(self.balancing == SHARED, 1, self.replicas)

    def workers(self) -> Ints:
        """Workers of each stage."""
        return self.replicas * self.concurrency


class Network(NamedTuple):
    """A case ready to run: the machine, and what the borders need to speak of it."""

    names: tuple[str, ...]  # of the stages, in the machine's order
    machine: Machine
    profile: Profile
    cost_usd_per_hour: float | None  # None where the case states no prices


def resolve(case: Case) -> Network:
    """The machine model of a case. Stages keep the file's order as far as it follows `after`."""
    stages = in_order(case.stages)
    index = {stage.name: i for i, stage in enumerate(stages)}
    successors = [[i for i, later in enumerate(stages) if stage.name in later.after] for stage in stages]
    tables = [_table(stage.service) for stage in stages]
    distinct = list(dict.fromkeys(tables))
    machine = Machine(
        name_hash=np.array([draws.name_hash(stage.name) for stage in stages], dtype=np.uint64),
        replicas=_ints(stage.replicas for stage in stages),
        concurrency=_ints(stage.concurrency for stage in stages),
        balancing=_ints(_BALANCING[stage.balancing.kind] if stage.balancing else SHARED for stage in stages),
        choices=_ints(stage.balancing.choices if stage.balancing else 0 for stage in stages),
        queue_limit=_ints(UNLIMITED if stage.queue.limit is None else stage.queue.limit for stage in stages),
        hop=_ints(nanoseconds(stage.hop) for stage in stages),
        timeout=_ints(_or_never(stage.timeout) for stage in stages),
        floor=_ints(nanoseconds(stage.service.mean or stage.service.floor or 0.0) for stage in stages),
        per_item=_ints(nanoseconds(stage.service.per_item or 0.0) for stage in stages),
        gives=_ints(PASS_ON if stage.gives is None else stage.gives.count for stage in stages),
        keeps=_ints(UNLIMITED if stage.keeps is None else stage.keeps.count for stage in stages),
        hit_threshold=_ints(_threshold(stage.cache.hit_ratio) if stage.cache else 0 for stage in stages),
        hit_time=_ints(nanoseconds(stage.cache.hit_time) if stage.cache else 0 for stage in stages),
        table=_ints(distinct.index(table) for table in tables),
        predecessors=_ints(len(stage.after) for stage in stages),
        first_successor=_ints([0, *itertools.accumulate(len(s) for s in successors)]),
        successors=_ints(itertools.chain.from_iterable(successors)),
        sources=_ints(index[stage.name] for stage in stages if not stage.after),
        tables=np.array([_QUANTILES[kind](cv) for kind, cv in distinct]),
        client_timeout=_or_never(case.client.timeout),
    )
    return Network(tuple(index), machine, _profile(case.workload), _cost(stages))


def nanoseconds(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * SECOND)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _or_never(seconds: float | None) -> int:
    return NEVER if seconds is None else max(1, nanoseconds(seconds))


def _threshold(ratio: float) -> int:
    return min(round(ratio * 2.0**63), (1 << 63) - 1)


_BALANCING = {"shared": SHARED, "random": RANDOM, "round_robin": ROUND_ROBIN, "least_of": LEAST_OF}

_QUANTILES: dict[str, Callable[[float], draws.Floats]] = {
    "constant": lambda _: draws.constant_table(),
    "exponential": lambda _: draws.exponential_table(),
    "lognormal": draws.lognormal_table,
    "gamma": draws.gamma_table,
}


def _table(service: ServiceTime) -> tuple[str, float]:
    """What the quantile table depends on: kind and cv."""
    return service.kind, service.cv or 0.0


def _profile(workload: Workload) -> Profile:
    if workload.steps is None:
        assert workload.rate is not None
        return Profile.constant(workload.rate)
    starts = itertools.accumulate((nanoseconds(step.lasts) for step in workload.steps[:-1]), initial=0)
    return Profile(tuple(starts), tuple(step.rate for step in workload.steps))


def _cost(stages: list[Stage]) -> float | None:
    prices = [stage.price for stage in stages if stage.price is not None]
    if not prices:
        return None
    return math.fsum(s.replicas * s.price * 3600 for s in stages if s.price is not None)
