"""What a run showed, as values: frozen, named by the run's key, and printed by the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from scipy import special

from simulator.timeline import Timeline

CONFIDENCE = 0.95
OVERLOAD = 1.005  # of the capacity: beyond noise
CHANGED = 0.001  # of the replicas: beyond rounding


class Interval(NamedTuple):
    """A figure with its interval; low and high are None where one replication (or no answer) allows none."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(
        cls,
        values: Sequence[float | None],
        least: float = 0.0,
        most: float = math.inf,
        confidence: float = CONFIDENCE,
    ) -> Interval:
        """The mean of the replications' figures and its t interval, within what is possible; None spreads."""
        known = [v for v in values if v is not None]
        if not known or len(known) < len(values):
            return cls(None, None, None)
        mean = math.fsum(known) / len(known)
        if len(known) == 1:
            return cls(mean, None, None)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1) / len(known))
        half = float(special.stdtrit(len(known) - 1, 0.5 + confidence / 2)) * spread
        return cls(mean, max(mean - half, least), min(mean + half, most))

    def as_json(self) -> dict[str, float | None]:
        """The keys of the contract."""
        return self._asdict()


@dataclass(frozen=True)
class StageResult:
    """A stage over the window, all replications together. Times are means over the visits that started."""

    replicas: int  # at first
    replicas_mean: float | None  # that were there; None where there is no capacity
    utilisation: float | None  # None where there is no capacity: others' systems, people
    in_service: float  # mean number of busy workers
    arrivals_per_s: float
    wait_mean_ms: float | None
    wait_p99_ms: float | None
    batch_wait_mean_ms: float | None  # of the wait, until the batch was due; None where there are no batches
    service_mean_ms: float | None
    items_mean: float | None
    queue_mean: float
    queue_max: int
    staleness_ms: float | None  # mean age of the cached entries that were served; None where none was
    calls: int  # first attempts
    calls_per_s: float
    hit_ratio: float | None  # visits that the cache spared their work, of those looked up; None without one
    error_share: float | None  # services that ended in an error, of those that started
    attempts_per_visit: float | None  # visits sent per call: 1 without second tries
    retries: int
    hedges: int
    fallbacks: int
    left_out: int  # times that requests went on without this stage, or (late) without some of its shards
    rejections: int  # visits turned away on joining: no token, or a full queue
    time_outs: int  # attempts given up
    refusals: int  # attempts turned away by an open breaker
    lost: int  # visits sent over a link that was cut
    killed: int  # visits that a dying replica took along
    worker_ms: float | None  # a worker's time per visit: less than the service where batches share it, more if held
    replicas_needed: float | None = None  # that all of the load would keep busy; None where there is no capacity
    strained: bool = False  # it, or a stage before it, works all the time or turns away at a full queue

    def of_fleet(self, cells: int) -> StageResult:
        """Of so many stages like this one (R14): numbers that add up, not counts of what was seen."""
        there, needed = self.replicas_mean, self.replicas_needed
        return replace(
            self,
            replicas=self.replicas * cells,
            replicas_mean=None if there is None else there * cells,
            replicas_needed=None if needed is None else needed * cells,
            in_service=self.in_service * cells,
            arrivals_per_s=self.arrivals_per_s * cells,
            calls_per_s=self.calls_per_s * cells,
            queue_mean=self.queue_mean * cells,
        )

    def needing(self, replicas: float | None, strained: bool) -> StageResult:
        """The same with the replicas that it needs, and whether it shows."""
        return replace(self, replicas_needed=replicas, strained=strained)

    @property
    def changed(self) -> bool:
        """Whether replicas came or went."""
        return self.replicas_mean is not None and abs(self.replicas_mean - self.replicas) > CHANGED * self.replicas

    @property
    def lacks_replicas(self) -> bool:
        """Whether it cannot do what is offered, beyond noise; what is turned away on purpose before it is not."""
        there = self.replicas if self.replicas_mean is None else self.replicas_mean
        return self.strained and self.replicas_needed is not None and self.replicas_needed > there * OVERLOAD

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "utilisation": self.utilisation,
            "arrivals_per_s": self.arrivals_per_s,
            "wait_ms": {"mean": self.wait_mean_ms, "p99": self.wait_p99_ms},
            "service_ms": {"mean": self.service_mean_ms},
            "queue_length": {"mean": self.queue_mean, "max": self.queue_max},
            "attempts_per_visit": self.attempts_per_visit,
            "in_service": self.in_service,
            "batch_wait_ms": {"mean": self.batch_wait_mean_ms},
            "items_mean": self.items_mean,
            "hit_ratio": self.hit_ratio,
            "staleness_ms": self.staleness_ms,
            "error_share": self.error_share,
            "retries": self.retries,
            "hedges": self.hedges,
            "fallbacks": self.fallbacks,
            "left_out": self.left_out,
            "rejections": self.rejections,
            "time_outs": self.time_outs,
            "refusals": self.refusals,
            "replicas": self.replicas,
            "replicas_mean": self.replicas_mean,
            "lost": self.lost,
            "killed": self.killed,
        }


@dataclass(frozen=True)
class ClassResult:
    """The requests of one class."""

    offered: int
    answered: int
    superseded: int
    latency_ms: dict[str, Interval]
    few: tuple[str, ...]  # percentiles with too few requests behind them

    @property
    def awaited(self) -> int:
        """Those whose answer somebody waited for."""
        return self.offered - self.superseded

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "offered": self.offered,
            "answered": self.answered,
            **({"superseded": self.superseded} if self.superseded else {}),
            "latency_ms": latency_json(self.latency_ms, self.few),
        }


@dataclass(frozen=True)
class OutcomeResult:
    """What the run means in the case's own words, in its own unit."""

    interval: Interval
    unit: str
    label: str
    by_replication: tuple[float | None, ...]

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {**self.interval.as_json(), "unit": self.unit}


def latency_json(latencies: dict[str, Interval], few: Sequence[str]) -> dict[str, Any]:
    """Latencies by name; those with too few requests behind them say so."""
    return {name: i.as_json() | ({"few": True} if name in few else {}) for name, i in latencies.items()}


@dataclass(frozen=True)
class ObjectiveResult:
    """An objective against the run. `met` is None while undecided.

    Latencies are in ms, availability is a share, an outcome is in its own `unit`, and then `label` says what it is.
    """

    name: str
    met: bool | None
    value: float | None
    low: float | None
    high: float | None
    target: float
    unit: str | None = None  # of an outcome
    label: str | None = None  # of an outcome
    least: bool = False  # whether the target is the least that is allowed, not the most

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract; `unit` and `sense` ('at most', 'at least') where it is an outcome's."""
        contract = {key: getattr(self, key) for key in ("name", "met", "value", "low", "high", "target")}
        sense = "at least" if self.least else "at most"
        return contract if self.unit is None else contract | {"unit": self.unit, "sense": sense}


@dataclass(frozen=True)
class Recovery:
    """What an event of a scenario did to goodput. Shares and times are means over the replications that can tell."""

    event: str
    at_s: float
    until_s: float | None  # `at_s` of what is over at once; None of what lasts
    waited_s: float  # from its end (of what lasts: its begin) to that of the window
    before: float | None  # share of the requests that got a good answer; None where too few came before the first event
    lowest: float | None
    depth: float | None  # how far it fell, of what it was
    below_s: float | None  # how long it was down
    recovers: bool | None  # in every replication, or in none; None where they differ or cannot tell
    recovery_s: Interval  # from its end (of what lasts: its begin), of the replications that recovered
    recovered: int  # replications
    replications: int

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "event": self.event,
            "at_s": self.at_s,
            "until_s": self.until_s,
            "before": self.before,
            "lowest": self.lowest,
            "depth": self.depth,
            "below_s": self.below_s,
            "recovers": self.recovers,
            "recovery_s": self.recovery_s.as_json(),
            "replications_recovered": self.recovered,
        }


@dataclass(frozen=True)
class SimulationResult:
    """What a run showed: frozen, and named by its key."""

    case: str
    key: str
    engine: str
    seed: int
    replications: int
    requests: dict[str, int]
    latency_ms: dict[str, Interval]
    few: tuple[str, ...]  # latencies and latency objectives with too few measured requests behind them
    quality: Interval  # mean over the answers: 1 where no fallback was used
    classes: dict[str, ClassResult]  # empty where there is but one
    stages: dict[str, StageResult]
    objectives: tuple[ObjectiveResult, ...]
    cost_usd_per_hour: float | None
    cost_usd_per_million_requests: float | None
    outcomes: dict[str, OutcomeResult]
    notes: tuple[str, ...]
    events: int
    offered_per_s: float
    by_replication: dict[str, tuple[float | None, ...]]  # latencies in ms by name, and availability
    cells: int = 1  # of which one was simulated: counts are its own, what adds up is of all
    scenario: str | None = None
    recovery: tuple[Recovery, ...] = ()  # by event of the scenario
    timeline: Timeline | None = field(default=None, compare=False, repr=False)
    measured: tuple[Mapping[str, float | None], ...] = field(default=(), compare=False, repr=False)
    """what each replication measured, by the names of `cases.outcomes`, in base units"""

    @property
    def awaited(self) -> int:
        """Measured requests whose answer somebody waited for: all but those that a newer one made worthless."""
        return self.requests["offered"] - self.requests["superseded"]

    def as_json(self) -> dict[str, Any]:
        """The contract of `simulator run --json`."""
        scenario = {"scenario": self.scenario, "recovery": [one.as_json() for one in self.recovery]}
        return {
            "case": self.case,
            "key": self.key,
            "engine": self.engine,
            "seed": self.seed,
            "replications": self.replications,
            **({} if self.cells == 1 else {"cells": self.cells}),
            "requests": self.requests,
            "latency_ms": latency_json(self.latency_ms, self.few),
            "stages": {name: stage.as_json() for name, stage in self.stages.items()},
            "objectives": [objective.as_json() for objective in self.objectives],
            "cost_usd_per_hour": self.cost_usd_per_hour,
            "outcomes": {name: outcome.as_json() for name, outcome in self.outcomes.items()},
            "cost_usd_per_million_requests": self.cost_usd_per_million_requests,
            "quality": self.quality.as_json(),
            **({"classes": {name: one.as_json() for name, one in self.classes.items()}} if self.classes else {}),
            **({} if self.scenario is None else scenario),
            "notes": list(self.notes),
        }
