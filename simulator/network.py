"""From a case to the machine that runs it: `resolve(case)`.

`simulator.machine` says what a machine is made of; `Network` adds what the borders need to speak of it: names, prices,
and what happens around the request path (slow periods, outages, opening hours). Seconds, shares and names end here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from cases.cells import one_cell
from cases.path_check import counts_visits, in_order
from cases.spec import Case, Client, Patience, Retries, ServiceTime, Stage, Workload
from cases.stage_check import asked_of, missed
from simulator import draws, loads, service
from simulator.machine import (
    ALWAYS,
    CANCEL_NONE,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    FIFO,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    LRU,
    MILLION,
    NEVER,
    NOBODY,
    PASS_ON,
    RANDOM,
    ROUND_ROBIN,
    SHARED,
    UNLIMITED,
    Machine,
    MachineStage,
    RequestClass,
    Users,
)
from simulator.workload import SECOND, Load, nanoseconds

CLIENT = "(client)"  # its name in keys: no stage can be called so
EVERYBODY = "request"  # the one class of requests that have none
LONGEST_BACKOFF = 1 << 10  # times the first, unless said


class SlowPeriods(NamedTuple):
    """Times when everything at a stage takes longer; gaps and lengths are exponential."""

    stage: int
    every: int  # ns, mean
    lasts: int  # ns, mean
    times: float


class Outage(NamedTuple):
    """Times when every visit of a stage fails; gaps and lengths are exponential."""

    stage: int
    every: int  # ns, mean
    lasts: int  # ns, mean


class Opening(NamedTuple):
    """When a stage's desks are staffed: for `open` ns of every `of`, from the start on."""

    stage: int
    open: int
    of: int


class Network(NamedTuple):
    """A case ready to run: the machine, and what the borders need to speak of it."""

    names: tuple[str, ...]  # of the stages, in the machine's order, without the client
    machine: Machine
    load: Load
    cost_usd_per_hour: float | None  # None where the case states no prices
    class_names: tuple[str, ...] = (EVERYBODY,)
    slow_periods: tuple[SlowPeriods, ...] = ()
    outages: tuple[Outage, ...] = ()
    hours: tuple[Opening, ...] = ()


def resolve(case: Case) -> Network:
    """The machine model of a case, of one of its cells (R14).

    Stages keep the file's order as far as it follows `after` and `within`.
    """
    case = one_cell(case)
    stages = in_order(case.stages)
    tables, keys = _Tables(), _Keys()
    rows = [_stage(case, stages, stage, tables, keys) for stage in stages]
    names = [stage.name for stage in stages]
    machine = Machine(
        stages=(*rows, _client(case.client, stages, tables)),
        classes=_classes(case.workload, tables),
        answer_after=NOBODY if case.answer_after is None else names.index(case.answer_after),
        deadline=_or_never(case.client.deadline),
        users=_users(case.workload, tables),
        tables=tables.made(),
        key_thresholds=keys.made(),
        zones=0 if case.zones is None else len(case.zones.names),
        zone_hop=0 if case.zones is None else nanoseconds(case.zones.hop),
    )
    return Network(
        names=tuple(names),
        machine=machine,
        load=loads.offered(case.workload),
        cost_usd_per_hour=_cost(stages),
        class_names=tuple(one.name for one in case.workload.classes) or (EVERYBODY,),
        slow_periods=tuple(
            SlowPeriods(i, _some(slow.every), _some(slow.lasts), slow.times)
            for i, slow in enumerate(stage.slow_periods for stage in stages)
            if slow is not None
        ),
        outages=tuple(
            Outage(i, _some(other.outages.every), _some(other.outages.lasts))
            for i, other in enumerate(stage.external for stage in stages)
            if other is not None and other.outages is not None
        ),
        hours=tuple(
            Opening(i, _some(person.hours.open), _some(person.hours.of))
            for i, person in enumerate(stage.person for stage in stages)
            if person is not None and person.hours is not None
        ),
    )


# -- tables -----------------------------------------------------------------------------------------------------------


class _Tables:
    """The quantile tables, each once, by what it depends on."""

    def __init__(self) -> None:
        self._rows: dict[Hashable, tuple[int, Callable[[], draws.Floats]]] = {}

    def row(self, spec: ServiceTime) -> int:
        """The row of this distribution's table of mean 1."""
        unit = service.unit_table(spec)
        return self._rows.setdefault(unit.key, (len(self._rows), unit.make))[0]

    def made(self) -> draws.Floats:
        """All tables, in order."""
        return np.array([make() for _, make in self._rows.values()])


class _Keys:
    """The popularity of the keys that caches are asked for, one population after the other."""

    def __init__(self) -> None:
        self._firsts: dict[str, int] = {}  # by the stage that says which keys
        self._parts: list[draws.Keys] = []

    def first(self, said: Stage) -> int:
        """Where the thresholds of these keys begin."""
        assert said.cache is not None
        assert said.cache.keys is not None
        if said.name not in self._firsts:
            self._firsts[said.name] = sum(map(len, self._parts))
            self._parts.append(draws.zipf_thresholds(said.cache.keys, said.cache.zipf or 0.0))
        return self._firsts[said.name]

    def made(self) -> draws.Keys:
        """All thresholds."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.uint64)


# -- stages: a function for each part of `MachineStage`, so that a field forgotten is a field missing ------------------

_BALANCING = {
    "shared": SHARED,
    "random": RANDOM,
    "round_robin": ROUND_ROBIN,
    "least_of": LEAST_OF,
    "least_outstanding": LEAST_OUTSTANDING,
    "hash": HASH,
}
_CANCEL = {"none": CANCEL_NONE, "waiting": CANCEL_WAITING, "running": CANCEL_RUNNING}

_Part = dict[str, Any]


def _stage(case: Case, stages: list[Stage], stage: Stage, tables: _Tables, keys: _Keys) -> MachineStage:
    return MachineStage(
        name_hash=draws.name_hash(stage.name),
        **_graph(stages, stage),
        **_edge(stage.timeout, stage.retries, tables),
        **_second_tries(stage),
        **_fleet(stage),
        zones=_zones(case, stage),
        **_queue(stage),
        **_service(case, stage, tables),
        **_cache(stage, {one.name: one for one in stages}, keys),
    )


def _graph(stages: list[Stage], stage: Stage) -> _Part:
    index = {one.name: i for i, one in enumerate(stages)}
    called = [(i, one) for i, one in enumerate(stages) if one.within == stage.name]
    share = 1.0 if stage.when is None or stage.when.share is None else stage.when.share
    by_miss = stage.when is not None and stage.when.cache is not None
    return {
        "caller": len(stages) if stage.within is None else index[stage.within],
        "hold": int(stage.hold),
        "calls": len(called),
        "first_calls": tuple(i for i, one in called if not one.after),
        "successors": tuple(i for i, one in enumerate(stages) if stage.name in one.after),
        "predecessors": len(stage.after),
        "wait_for": len(stage.after) if stage.wait_for is None else stage.wait_for,
        "shards": stage.shards,
        "quorum": stage.shards if stage.quorum is None else stage.quorum,
        "when_threshold": _threshold(share),
        "when_missed": index[missed(stage, {s.name: s for s in stages})[0].name] if by_miss else NOBODY,
        "required": int(stage.required),
        "late_after": _or_never(stage.late_after),
        "gives": PASS_ON if stage.gives is None else stage.gives.count,
        "keeps": UNLIMITED if stage.keeps is None else stage.keeps.count,
        "hop": nanoseconds(stage.hop),
        "cut": 0,
    }


def _edge(timeout: Patience | None, retries: Retries | None, tables: _Tables) -> _Part:
    patience = None if timeout is None else timeout.as_service
    again = Retries.model_construct(attempts=1) if retries is None else retries
    backoff = nanoseconds(again.backoff)
    return {
        "timeout": NEVER if patience is None else _some(service.mean(patience)),
        "timeout_table": NOBODY if patience is None or patience.kind == "constant" else tables.row(patience),
        "attempts": again.attempts,
        "backoff": backoff,
        "backoff_longest": min(LONGEST_BACKOFF * backoff, NEVER)
        if again.longest is None
        else nanoseconds(again.longest),
        "jitter": again.jitter,
        "retry_budget": _budget(again.budget),
    }


def _second_tries(stage: Stage) -> _Part:
    hedge, breaker, fallback = stage.hedge, stage.breaker, stage.fallback
    # Nobody works on what nobody will answer: giving up on a person leaves no visit behind.
    silent = stage.person is not None and stage.person.answers < 1.0
    return {
        "hedge_after": NEVER if hedge is None else _some(hedge.after),
        "hedge_budget": UNLIMITED if hedge is None else _budget(hedge.budget),
        "cancel": CANCEL_RUNNING if silent else _CANCEL[stage.cancel],
        "breaker_window": 0 if breaker is None else breaker.window,
        "breaker_failures": 0 if breaker is None else max(1, math.ceil(breaker.failures * breaker.window - 1e-9)),
        "breaker_open": 0 if breaker is None else _some(breaker.open_for),
        "fallback": NEVER if fallback is None else _some(fallback.time),
        "fallback_quality": MILLION if fallback is None else round(fallback.quality * MILLION),
    }


def _fleet(stage: Stage) -> _Part:
    return {
        "replicas": stage.fleet,
        "places": stage.most_replicas,
        "concurrency": stage.concurrency,
        "endless": int(stage.endless),
        "balancing": SHARED if stage.balancing is None else _BALANCING[stage.balancing.kind],
        "choices": 0 if stage.balancing is None else stage.balancing.choices,
    }


def _zones(case: Case, stage: Stage) -> tuple[int, ...]:
    """Where its replicas stand, in turn; nowhere in particular where they are none of ours."""
    if case.zones is None or stage.endless or stage.person is not None:
        return ()
    names = case.zones.names
    return tuple(names.index(name) for name in (names if stage.zones is None else stage.zones))


def _queue(stage: Stage) -> _Part:
    queue, rate, burst = stage.queue, None, None
    if stage.admission is not None:
        rate, burst = stage.admission.rate, stage.admission.burst
    elif stage.external is not None:
        rate, burst = stage.external.rate_limit, stage.external.burst
    burst = max(1, round(rate or 0.0)) if burst is None else burst
    interval = 0 if rate is None else max(1, round(SECOND / rate))
    return {
        "queue_limit": UNLIMITED if queue.limit is None else queue.limit,
        "lifo_above": 0 if queue.order == "lifo" else UNLIMITED if queue.lifo_above is None else queue.lifo_above,
        "by_level": int(queue.order == "class"),
        "shed_oldest": int(queue.when_full == "oldest"),
        "drop_expired": int(queue.drop_expired),
        "admission_interval": interval,
        "admission_burst": min((burst - 1) * interval, NEVER),
    }


def _service(case: Case, stage: Stage, tables: _Tables) -> _Part:
    spec, batch = stage.service, stage.batch
    unit = service.unit_table(spec)
    external = None if stage.external is None else stage.external.errors
    return {
        # The table has mean 1, stragglers included; what they add is in the times.
        "floor": min(nanoseconds(service.mean(spec) * unit.scale), NEVER),
        "per_item": min(nanoseconds((spec.per_item or 0.0) * unit.scale), NEVER),
        "counts_visits": int(counts_visits(case, stage)),
        "table": tables.row(spec),
        "batch_size": 1 if batch is None else batch.size,
        "batch_wait": 0 if batch is None else _some(batch.wait),
        "error_threshold": _threshold(stage.errors if external is None else external),
        "outage": 0,
        "silent_threshold": 0 if stage.person is None else _threshold(1.0 - stage.person.answers),
    }


def _cache(stage: Stage, stages: dict[str, Stage], keys: _Keys) -> _Part:
    cache, said = stage.cache, asked_of(stage, stages)
    return {
        "hit_threshold": 0 if cache is None or cache.hit_ratio is None else _threshold(cache.hit_ratio),
        "hit_time": 1 if cache is None else _some(cache.hit_time),
        "cache_keys": 0 if said is None or said.cache is None else said.cache.keys or 0,
        "key_hash": draws.name_hash(stage.name if said is None else said.name),
        "first_key": 0 if said is None else keys.first(said),
        "cache_capacity": UNLIMITED if cache is None or cache.capacity is None else cache.capacity,
        "cache_ttl": _or_never(None if cache is None else cache.ttl),
        "cache_policy": FIFO if cache is not None and cache.policy == "fifo" else LRU,
        "cache_shared": int(cache is not None and cache.scope == "shared"),
        "coalesce": int(cache is not None and cache.coalesce),
        "hot_threshold": _threshold(stage.hot or 0.0),
    }


def _client(client: Client, stages: list[Stage], tables: _Tables) -> MachineStage:
    """Whoever sends the requests: its visits are their attempts, and it serves nobody itself."""
    nothing = Stage.model_construct(name=CLIENT, service=ServiceTime.model_construct(kind="constant", mean=0.0))
    mine = [(i, one) for i, one in enumerate(stages) if one.within is None]
    calls = {
        "caller": NOBODY,
        "calls": len(mine),
        "first_calls": tuple(i for i, one in mine if not one.after),
    }
    return MachineStage(
        name_hash=draws.name_hash(CLIENT),
        **_graph([], nothing) | calls,
        **_edge(client.timeout, client.retries, tables),
        **_second_tries(nothing),
        **_fleet(nothing) | {"endless": 1, "zones": ()},
        **_queue(nothing),
        **_NO_SERVICE,
        **_cache(nothing, {}, _Keys()),
    )


_NO_SERVICE: _Part = {
    "floor": 0,
    "per_item": 0,
    "counts_visits": 0,
    "table": 0,
    "batch_size": 1,
    "batch_wait": 0,
    "error_threshold": 0,
    "outage": 0,
    "silent_threshold": 0,
}


def _users(workload: Workload, tables: _Tables) -> Users:
    if workload.users is None or workload.think is None:
        return Users(0, 0, NOBODY)
    think = workload.think.as_service
    table = NOBODY if think.kind == "constant" else tables.row(think)
    return Users(workload.users, _some(service.mean(think)), table)


def _classes(workload: Workload, tables: _Tables) -> tuple[RequestClass, ...]:
    if not workload.classes:
        return (RequestClass(ALWAYS, 0, 0, NOBODY),)
    levels = sorted({one.priority for one in workload.classes})
    below = [_threshold(total) for total in itertools.accumulate(one.share for one in workload.classes)]
    below[-1] = ALWAYS  # the shares add up to nearly 1
    return tuple(
        RequestClass(
            below=threshold,
            level=levels.index(one.priority),
            items=0 if one.items is None else one.items.mean.count,
            table=NOBODY if one.items is None or one.items.kind == "constant" else tables.row(one.items.as_service),
        )
        for threshold, one in zip(below, workload.classes, strict=True)
    )


# -- numbers ----------------------------------------------------------------------------------------------------------


def _some(seconds: float) -> int:
    """At least a nanosecond: nothing is scheduled into the present."""
    return max(1, nanoseconds(seconds))


def _or_never(seconds: float | None) -> int:
    return NEVER if seconds is None else _some(seconds)


def _threshold(share: float) -> int:
    return min(round(share * 2.0**63), ALWAYS)


def _budget(share: float | None) -> int:
    return UNLIMITED if share is None else round(share * MILLION)


def _cost(stages: list[Stage]) -> float | None:
    prices = [stage.price for stage in stages if stage.price is not None]
    if not prices:
        return None
    return math.fsum(s.fleet * _staffed(s) * s.price * 3600 for s in stages if s.price is not None)


def _staffed(stage: Stage) -> float:
    """The share of the time that is paid for."""
    hours = None if stage.person is None else stage.person.hours
    return 1.0 if hours is None else min(1.0, hours.open / hours.of)
