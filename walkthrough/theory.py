"""What queueing theory says of a case: its latencies, and the replicas that a percentile needs.

Each stage is taken for itself, as a G/G/c queue with the arrival rate of `offered` and arrivals at random: it waits
with the probability of Erlang C, and whoever waits does so for an exponential time with the mean of Allen and Cunneen.
Services, waits and conditions are sampled and put together along the path, as the case says who waits for whom. What
failures add, time-outs, second tries, queue limits, changing loads, is left out: `left_out` says what that is.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cases.path_check import counts_visits, in_order
from cases.spec import Case, Stage
from cases.stage_check import missed
from estimators.balancing import replicas_wait
from estimators.queueing import Service, Wait
from simulator import draws, service
from walkthrough.offered import Offered, offered

SAMPLES = 100_000
SEED = 1
MOST_WORKERS = 10_000_000  # of a stage
ALL_THE_TIME = 0.9999  # busy: beyond it the mean of the samples does not tell what is stable

Floats = NDArray[np.float64]


class Theory:
    """The model of one case. Times in seconds; every figure is a function of the case alone."""

    def __init__(self, case: Case, samples: int = SAMPLES) -> None:
        self.case = case
        self.offered = offered(case)
        self._stages = in_order(case.stages)
        self._by_name = {stage.name: stage for stage in self._stages}
        self._luck = {stage.name: _Luck(stage, samples) for stage in self._stages}

    def latencies(self, replicas: Mapping[str, int] | None = None) -> Floats:
        """Samples of a request's latency, with other numbers of replicas than the case's where they are given.

        Infinite where a stage is asked for more than it can do.
        """
        return _Walk(self, replicas or {}).answer()

    def percentile(self, percentile: float, replicas: Mapping[str, int] | None = None) -> float:
        """Of the latency, s."""
        return float(np.percentile(self.latencies(replicas), percentile, method="higher"))

    def unhurried(self) -> float:
        """The mean latency, s, if nobody ever waited: what a sum of mean times along the path would give."""
        return float(_Walk(self, {}, waiting=False).answer().mean())

    def _kept(self, latencies: Floats) -> bool:
        """Whether every latency objective is met."""
        return all(
            np.percentile(latencies, one.percentile, method="higher") <= one.at_most
            for one in self.case.objectives
            if one.percentile is not None and one.at_most is not None
        )

    def fewest(self, stage: str) -> int | None:
        """The fewest replicas of a stage with which every latency objective is met, the others as they are.

        Others that cannot do their mean work are taken to have enough. None where no number is enough: not even if
        nobody waited there.
        """
        others = self.overloaded - {stage}
        if not self._kept(_Walk(self, {}, spared=others | {stage}).answer()):
            return None

        def meets(count: int) -> bool:
            return self._kept(_Walk(self, {stage: count}, spared=others).answer())

        return _least(meets, self.busy_replicas(stage), MOST_WORKERS // self._by_name[stage].concurrency)

    @cached_property
    def overloaded(self) -> frozenset[str]:
        """The stages that cannot do the mean work that they are asked for."""
        return frozenset(name for name, wait in self.waits.items() if math.isinf(wait.if_any))

    @cached_property
    def waits(self) -> dict[str, Wait]:
        """How each stage waits as designed; without those where nobody ever does."""
        return self._designed.waits

    @cached_property
    def _designed(self) -> _Walk:
        """The path as the case has it."""
        return _Walk(self, {})

    def busy_replicas(self, stage: str) -> int:
        """The replicas that the mean work keeps busy, rounded up: what arithmetic says."""
        return max(1, math.ceil(self.offered[stage].busy / self._by_name[stage].concurrency - 1e-9))

    def wait(self, stage: str, replicas: int) -> Wait:
        """How a stage waits with so many replicas."""
        return _Walk(self, {stage: replicas}).waits[stage]

    def utilisation(self, stage: str, replicas: int) -> float:
        """How busy its workers are with so many replicas: held ones, and batches that do not fill, included."""
        return _Walk(self, {stage: replicas}).utilisations[stage]

    def variation(self, stage: str) -> float:
        """The squared variation of how long a worker of a stage is busy with a visit."""
        return self._designed.variations[stage]

    def beside(self, stage: str) -> list[str]:
        """The stages that what comes after this one waits for as well."""
        followers = [one for one in self._stages if stage in one.after]
        return sorted({name for one in followers for name in one.after} - {stage})

    def left_out(self) -> list[str]:
        """What the theory says nothing of, in words."""
        short = [stage.label or stage.name for stage in self._stages if stage.name in self.overloaded]
        waits = f"while another stage is asked about, the waits at {', '.join(short)}, who cannot do the mean work"
        return [*left_out(self.case), *([waits] if short else [])]


def left_out(case: Case) -> list[str]:
    """What the theory says nothing of, in words."""
    found = [f"a load that changes ({case.workload.kind.replace('_', ' ')})"] * (
        case.workload.kind not in ("poisson", "even")
    )
    items = [one.items for one in case.workload.classes if one.items is not None]
    if len({one.mean.count for one in items}) > 1 or any(one.kind != "constant" for one in items):
        found.append("items of which some requests bring more than others")
    client = case.client
    if client.timeout is not None or client.deadline is not None or client.retries is not None:
        found.append("the client's patience")
    for words, has in _LEFT_OUT.items():
        stages = [stage.label or stage.name for stage in case.stages if has(stage)]
        if stages:
            found.append(f"{words} ({', '.join(stages)})")
    return found


_LEFT_OUT: dict[str, Callable[[Stage], object]] = {
    "time-outs and what follows them": lambda stage: stage.timeout,
    "retries": lambda stage: stage.retries,
    "hedges": lambda stage: stage.hedge,
    "breakers": lambda stage: stage.breaker,
    "queue limits": lambda stage: stage.queue.limit,
    "queues out of order": lambda stage: stage.queue.order != "fifo" or stage.queue.lifo_above is not None,
    "rate limits": lambda stage: stage.admission or (stage.external and stage.external.rate_limit),
    "errors": lambda stage: stage.errors or (stage.external and stage.external.errors),
    "outages": lambda stage: stage.external and stage.external.outages,
    "slow periods": lambda stage: stage.slow_periods,
    "keys that are asked for more than others": lambda stage: stage.hot or _by_key(stage),
    "misses while an entry is on its way": lambda stage: stage.cache and stage.cache.hit_ratio is None,
    "autoscaling": lambda stage: stage.autoscaling,
    "answers that never come": lambda stage: stage.person and stage.person.answers < 1,
    "closed desks": lambda stage: stage.person and stage.person.hours,
}


def _by_key(stage: Stage) -> bool:
    return stage.balancing is not None and stage.balancing.kind == "hash"


class _Luck:
    """The samples that belong to a stage, whatever its replicas: of mean 1, of share 1, and exponential."""

    def __init__(self, stage: Stage, samples: int) -> None:
        rng = np.random.Generator(np.random.PCG64([SEED, draws.name_hash(stage.name)]))
        spread = (np.arange(samples) + 0.5) / samples  # every part of the distribution, once

        def shuffled() -> Floats:
            return rng.permutation(spread)

        keys = (shuffled() * 2.0**64).astype(np.uint64)
        unit = draws.quantiles(service.unit_table(stage.service).make(), keys)
        self.unit = unit / unit.mean()  # of heavy tails samples miss some
        self.waits = shuffled()
        self.wait = shuffled()
        self.hit = shuffled()
        self.called = shuffled()
        self.fill = shuffled()
        few = stage.shards if stage.quorum is None else stage.quorum
        self.slowest = rng.permutation(samples) if stage.shards == 1 else rng.beta(few, stage.shards - few + 1, samples)


class _Walk:
    """One evaluation along the path: when each stage has answered, from the arrival of the request on."""

    def __init__(
        self, theory: Theory, replicas: Mapping[str, int], waiting: bool = True, spared: frozenset[str] = frozenset()
    ) -> None:
        """`waiting`: whether anybody waits; at the stages `spared` nobody does."""
        self._theory, self._replicas, self._waiting, self._spared = theory, replicas, waiting, spared
        self._stages = theory._stages
        self._missed: dict[str, NDArray[np.bool_]] = {}
        self._ends: dict[str, Floats] = {}
        self.waits: dict[str, Wait] = {}
        self.variations: dict[str, float] = {}
        self.utilisations: dict[str, float] = {}
        self._over = self._called_by(None)

    def answer(self) -> Floats:
        """The latency of each request."""
        after = self._theory.case.answer_after
        return self._over if after is None else self._ends[after]

    def _called_by(self, caller: str | None) -> Floats:
        """From the begin of what is called on, until all of it has answered."""
        over: Floats = np.zeros(1)
        for stage in self._stages:
            if stage.within == caller:
                begin = self._joined(stage)
                self._ends[stage.name] = begin + self._attempt(stage)
                over = np.maximum(over, self._ends[stage.name])
        return over

    def _joined(self, stage: Stage) -> Floats:
        if not stage.after:
            return np.zeros(1)
        before = np.array(np.broadcast_arrays(*(self._ends[name] for name in stage.after)))
        if stage.wait_for is None:
            joined: Floats = before.max(axis=0)
            return joined
        some: Floats = np.partition(before, stage.wait_for - 1, axis=0)[stage.wait_for - 1]
        return some

    def _attempt(self, stage: Stage) -> Floats:
        """From sending to the answer of all shards that count; 0 where it is not called."""
        luck = self._theory._luck[stage.name]
        zones = self._theory.case.zones
        takes = stage.hop + self._visit(stage)
        if zones is not None and zones.hop and not stage.endless and stage.person is None:
            takes = takes + zones.hop * (1 - 1 / len(zones.names))
        if stage.shards > 1:
            place = np.minimum((luck.slowest * takes.size).astype(np.int64), takes.size - 1)
            takes = np.sort(takes)[place]
        if stage.late_after is not None:
            takes = np.minimum(takes, stage.late_after)
        if stage.when is None:
            return takes
        if stage.when.share is not None:
            return np.where(luck.called < stage.when.share, takes, 0.0)
        return np.where(self._missed[missed(stage, self._theory._by_name)[0].name], takes, 0.0)

    def _visit(self, stage: Stage) -> Floats:
        """Waiting, being served, and what is called within."""
        asked, luck = self._theory.offered[stage.name], self._theory._luck[stage.name]
        served = self._served(stage, asked, luck)
        within = self._called_by(stage.name)
        held = [self._ends[one.name] for one in self._stages if one.within == stage.name and one.hold]
        busy = served + functools.reduce(np.maximum, held) if held else served
        if not self._waiting:
            return served + within
        mean = float(busy.mean())
        self.variations[stage.name] = float(busy.var()) / mean**2 if mean else 0.0
        if stage.endless or stage.name in self._spared:
            return served + within
        self.waits[stage.name] = self._wait(stage, asked, mean)
        return self._filled(stage, asked, luck) + _sampled(self.waits[stage.name], luck) + served + within

    def _wait(self, stage: Stage, asked: Offered, mean: float) -> Wait:
        """For a worker; endless where a stage is asked for more than it can do.

        Batches come as regularly as many visits make them: every b-th of random arrivals has a variation of 1/b.
        """
        evenly = self._theory.case.workload.kind == "even" and not stage.after and stage.within is None
        batch = self._batch(stage, asked)
        rate = asked.visits / batch
        self.utilisations[stage.name] = rate * mean / (self._count(stage) * stage.concurrency)
        if self.utilisations[stage.name] >= ALL_THE_TIME:
            return Wait(1.0, math.inf)
        return replicas_wait(
            _balancing(stage),
            rate,
            Service(mean, self.variations[stage.name]),
            self._count(stage),
            stage.concurrency,
            ca2=0.0 if evenly else 1.0 / batch,
        )

    def _count(self, stage: Stage) -> int:
        return self._replicas.get(stage.name, stage.fleet)

    def _served(self, stage: Stage, asked: Offered, luck: _Luck) -> Floats:
        spec = stage.service
        items = 1.0 if counts_visits(self._theory.case, stage) else asked.items
        scale = service.unit_table(spec).scale
        takes: Floats = (
            luck.unit * scale * (service.mean(spec) + (spec.per_item or 0.0) * items * self._batch(stage, asked))
        )
        if stage.cache is None:
            return takes
        self._missed[stage.name] = luck.hit >= asked.hit_ratio
        return np.where(self._missed[stage.name], takes, stage.cache.hit_time)

    def _batch(self, stage: Stage, asked: Offered) -> float:
        """Visits of a batch: as many as come while the first of them waits, up to its size."""
        if stage.batch is None:
            return 1.0
        return min(float(stage.batch.size), 1.0 + asked.visits / self._queues(stage) * stage.batch.wait)

    def _filled(self, stage: Stage, asked: Offered, luck: _Luck) -> Floats:
        """How long a visit waits for its batch to fill: the first for all the others, the last for none."""
        if stage.batch is None or not asked.visits:
            return np.zeros(1)
        whole = (self._batch(stage, asked) - 1.0) / (asked.visits / self._queues(stage))
        return luck.fill * min(whole, stage.batch.wait)

    def _queues(self, stage: Stage) -> int:
        return 1 if stage.balancing is None or stage.balancing.kind == "shared" else self._count(stage)


def _sampled(wait: Wait, luck: _Luck) -> Floats:
    """Waits of all, most of them 0."""
    if not wait.probability:
        return np.zeros(1)
    if math.isinf(wait.if_any):
        return np.full(1, math.inf)
    found = np.zeros(luck.waits.size)
    some = luck.waits < wait.probability
    found[some] = special.gammainccinv(wait.shape, luck.wait[some]) * wait.if_any / wait.shape
    return found


def _balancing(stage: Stage) -> str:
    """As the formulas name it."""
    if stage.balancing is None:
        return "shared"
    if stage.balancing.kind == "least_of":
        return f"least_of {stage.balancing.choices}"
    return stage.balancing.kind.replace("_", " ")


def _least(meets: Callable[[int], bool], least: int, most: int) -> int | None:
    """The least whole number that meets, by doubling and halving; None up to `most`."""
    low, high = least - 1, least
    while not meets(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high
