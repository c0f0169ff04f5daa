"""From what ended and what waited to figures with intervals.

A `Recorder` measures one replication; `Totals` holds the histograms of all of them; `summarise` joins replications
into a `SimulationResult`. Histograms and sums are whole numbers and merge exactly; percentiles are the mean of the
replications' percentiles, with a t interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from cases import outcomes
from cases.spec import Case, Objective
from simulator import draws, histogram
from simulator.machine import Ints, Machine, Whole
from simulator.network import nanoseconds
from simulator.plan import Plan, Window
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.results import (
    ClassResult,
    Interval,
    ObjectiveResult,
    OutcomeResult,
    SimulationResult,
    StageResult,
    Timeline,
)
from simulator.semantics import RequestEnd, Trace
from simulator.steady import PARTS, unsteady
from simulator.workload import SECOND

MILLISECOND = 1_000_000
FULL = 1_000_000  # millionths: the quality of an answer in which nothing was replaced
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
TIMELINE = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
SAMPLES_A_ROW = 4
SHORT = 10  # mean latencies: a shorter window says so
ENOUGH = 10  # measured requests of a replication that lie beyond a percentile; with fewer it is marked
_FLUSH = 1 << 16
_KEYS = 1 << 18


class Recorder:
    """Measures one replication.

    `replication` is needed where requests of several classes may still be in flight at the end: it finds their class.
    With `slowest`, so many of the slowest measured and answered requests are remembered.
    """

    def __init__(
        self, plan: Plan, window: Window, keep_timeline: bool, replication: int | None = None, slowest: int = 0
    ) -> None:
        machine = plan.network.machine
        self.window = window
        self.machine = machine
        self.late = {nanoseconds(o.at_most): 0 for o in plan.case.objectives if o.at_most is not None}  # by target
        self.ended_at = window.end
        self.counts = np.zeros(len(RequestEnd), dtype=np.int64)
        self.latencies: Ints = np.zeros(histogram.BINS, dtype=np.int64)
        # Of the answered, by the tenth of the window's requests to which they belong.
        self.part_sums: Whole = np.zeros(PARTS, dtype=object)
        self.part_counts = np.zeros(PARTS, dtype=np.int64)
        self.quality_sum = 0  # millionths, of the answered
        self.limit: int | None = None  # the event limit, if it cut the run short
        self.events = 0
        self.tally: StageTally | None = None
        self.trace: Trace | None = None
        self.closed_at = window.end
        stages = machine.client
        self.waiting_ns: Whole = np.zeros(stages, dtype=object)
        self.busy_ns: Whole = np.zeros(stages, dtype=object)
        self.most_waiting = np.zeros(stages, dtype=np.int64)
        self.classes = [_ClassTally() for _ in machine.classes] if len(machine.classes) > 1 else []
        self.slowest = _Slowest(slowest) if slowest else None
        self._percentiles: dict[float, float | None] | None = None
        self._wanted = [
            *PERCENTILES.values(),
            *(o.percentile for o in plan.case.objectives if o.percentile is not None),
        ]
        self._identity = None if replication is None else (plan.run.seed, replication, 0)
        self._opened: tuple[Whole, Whole] | None = None
        self._buffer: list[Ints] = []
        self._buffered = 0
        self._keep_timeline = keep_timeline
        self._rows: list[_Sample] = []

    @property
    def offered(self) -> int:
        """Measured requests."""
        return self.window.last - self.window.first

    @property
    def answered(self) -> int:
        """Measured requests that got an answer."""
        return int(self.counts[RequestEnd.COMPLETED] + self.counts[RequestEnd.DEGRADED])

    @property
    def unfinished(self) -> int:
        """Measured requests that have not ended yet."""
        return self.offered - int(self.counts.sum())

    @property
    def latency_sum(self) -> int:
        """Of the answered, ns."""
        return int(self.part_sums.sum())

    def open(self, now: int, plane: RequestPlane) -> None:
        """The window opens."""
        self._opened = plane.integrals(now)
        plane.measure(True)

    def close(self, now: int, plane: RequestPlane) -> None:
        """The window closes: time averages are over what lies between."""
        if self._opened is None:
            return
        waiting, busy = plane.integrals(now)
        self.waiting_ns, self.busy_ns = waiting - self._opened[0], busy - self._opened[1]
        self.most_waiting = plane.most_waiting()
        self.closed_at = now
        plane.measure(False)

    def sample(self, now: int, plane: RequestPlane) -> None:
        """Take in what ended since the last sample."""
        self.ended_at = now
        ended = plane.take_ended()
        measured = (ended.number >= self.window.first) & (ended.number < self.window.last)
        self.counts += np.bincount(ended.outcome[measured], minlength=len(self.counts))
        answered = (ended.outcome == RequestEnd.COMPLETED) | (ended.outcome == RequestEnd.DEGRADED)
        self._take(Ended(*(column[measured & answered] for column in ended)))
        for kind, tally in enumerate(self.classes):
            tally.ended += int(np.count_nonzero(ended.kind[measured] == kind))
        if self._keep_timeline:
            latencies = ended.end[answered] - ended.arrival[answered]
            busy = plane.integrals(now)[1]
            self._rows.append(_Sample(now, latencies, _by_outcome(ended), plane.waiting(), busy))

    def _take(self, answered: Ended) -> None:
        """Measured requests that were answered."""
        latencies = answered.end - answered.arrival
        part = (answered.number - self.window.first) * PARTS // max(1, self.offered)
        sums = np.zeros(PARTS, dtype=np.int64)
        np.add.at(sums, part, latencies)
        self.part_sums += sums.astype(object)
        self.part_counts += np.bincount(part, minlength=PARTS)
        self.quality_sum += int(answered.quality.sum())
        for target in self.late:
            self.late[target] += int(np.count_nonzero(latencies > target))
        for kind, tally in enumerate(self.classes):
            tally.take(latencies[answered.kind == kind])
        if self.slowest is not None:
            self.slowest.take(answered)
        self._buffer.append(latencies)
        self._buffered += len(latencies)
        if self._buffered >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._buffer:
            self.latencies += histogram.count(np.concatenate(self._buffer))
        self._buffer, self._buffered = [], 0

    def cut_short(self, now: int, plane: RequestPlane, limit: int) -> None:
        """The event limit was reached; the window is what has been."""
        self.limit = limit
        self.sample(now, plane)
        if now < self.window.end:
            self.close(now, plane)

    def finish(self, plane: RequestPlane, traced: bool = False) -> None:
        """The replication is over. `traced`: keep the plane's trace."""
        self._flush()
        self._count_classes()
        self.counts[RequestEnd.IN_FLIGHT] += self.unfinished
        self.tally = plane.tally()
        self.events = plane.events
        if traced:
            self.trace = plane.trace()

    def _count_classes(self) -> None:
        """How many of each class were offered; those in flight have not said yet, so their keys are asked."""
        if not self.classes:
            return
        offered = [tally.ended for tally in self.classes]
        if self.unfinished:
            assert self._identity is not None, "a recorder of several classes knows its replication"
            below = np.array([one.below for one in self.machine.classes], dtype=np.uint64)
            counts = np.zeros(len(below), dtype=np.int64)
            for first in range(self.window.first, self.window.last, _KEYS):
                keys = draws.root_keys(*self._identity, np.arange(first, min(first + _KEYS, self.window.last)))
                kinds = np.searchsorted(below, draws.mix_many(keys, draws.CLASS) >> np.uint64(1), side="right")
                counts += np.bincount(kinds, minlength=len(below))
            offered = counts.tolist()
        for tally, number in zip(self.classes, offered, strict=True):
            tally.close(number)

    def close_histograms(self) -> None:
        """Keep the percentiles that are asked for and let the histograms go: they are large, replications many."""
        self._percentiles = {q: self.percentile(q) for q in self._wanted}
        self.latencies = np.zeros(0, dtype=np.int64)
        if self.tally is not None:
            self.tally = self.tally._replace(waits=np.zeros((0, 0), dtype=np.int64))

    def percentile(self, percent: float) -> float | None:
        """Of all measured requests, in ms; None where it falls among the unanswered (R9)."""
        if self._percentiles is not None:
            return self._percentiles[percent]
        value = histogram.percentile(self.latencies, percent, self.offered)
        return None if value is None else value / MILLISECOND

    def misses(self, percent: float, target: int) -> bool | None:
        """Whether the percentile is above the target (ns), exactly; None where requests still in flight decide it.

        A request in flight is later than the target once it is older; all are as old as the drain.
        """
        allowed = self.offered - histogram.rank(self.offered, percent)
        in_flight = int(self.counts[RequestEnd.IN_FLIGHT])
        late = self.late[target] + self.offered - self.answered - in_flight
        if late + in_flight <= allowed:
            return False
        known = late + (in_flight if self.ended_at - self.window.end >= target else 0)
        return True if known > allowed else None

    def mean(self) -> float | None:
        """Mean latency of the answered requests, in ms."""
        return self.latency_sum / self.answered / MILLISECOND if self.answered else None

    def availability(self) -> float | None:
        """The share of the measured requests that got an answer."""
        return self.answered / self.offered if self.offered else None

    def quality(self) -> float | None:
        """Mean quality of the answers; 1 where no fallback was used."""
        return self.quality_sum / (self.answered * FULL) if self.answered else None

    def timeline(self, names: tuple[str, ...]) -> Timeline | None:
        """The samples as a timeline, some to a row: a percentile wants requests behind it."""
        groups = [self._rows[i : i + SAMPLES_A_ROW] for i in range(0, len(self._rows), SAMPLES_A_ROW)]
        if not groups:
            return None
        latencies = [np.concatenate([row.latencies for row in group]) for group in groups]
        last = [group[-1] for group in groups]
        times = np.array([row.time for row in last], dtype=np.int64)
        nothing = np.zeros((1, len(names)), dtype=object)
        busy = np.diff(np.array([row.busy_ns for row in last]), axis=0, prepend=nothing)
        spans = np.maximum(np.diff(times, prepend=0), 1)[:, None]
        workers = [math.nan if stage.endless else float(stage.workers) for stage in self.machine.stages[:-1]]
        return Timeline(
            names=names,
            times=times,
            percentiles={p: [_exact_percentile(values, q) for values in latencies] for p, q in TIMELINE.items()},
            ended=np.array([sum((row.ended for row in group), np.int64(0)) for group in groups]),
            waiting=np.array([row.waiting for row in last]),
            utilisation=busy.astype(np.float64) / spans / np.array(workers),
        )


class _Sample(NamedTuple):
    """What one control instant saw; `latencies` and `ended` since the last, in ns and by RequestEnd."""

    time: int
    latencies: Ints
    ended: Ints
    waiting: Ints
    busy_ns: Whole


class _ClassTally:
    """The measured requests of one class."""

    def __init__(self) -> None:
        self.offered = 0
        self.ended = 0
        self.answered = 0
        self.latency_sum = 0
        self.percentiles: dict[str, float | None] = {}  # ms, once closed
        self._latencies: Ints = np.zeros(histogram.BINS, dtype=np.int64)

    def take(self, latencies: Ints) -> None:
        """Those that were answered."""
        self.answered += len(latencies)
        self.latency_sum += int(latencies.sum())
        np.add.at(self._latencies, histogram.bins_of(latencies), 1)

    def close(self, offered: int) -> None:
        """So many were offered: percentiles are over all of them (R9)."""
        self.offered = offered
        for name, percent in PERCENTILES.items():
            value = histogram.percentile(self._latencies, percent, offered)
            self.percentiles[name] = None if value is None else value / MILLISECOND
        self._latencies = np.zeros(0, dtype=np.int64)

    def mean(self) -> float | None:
        """Of the answered, ms."""
        return self.latency_sum / self.answered / MILLISECOND if self.answered else None


class _Slowest:
    """The slowest of the requests that it is told of; of equally slow ones the earlier number."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: list[Ended] = []
        self._count = 0

    def take(self, ended: Ended) -> None:
        """Some more requests. Keeps up to twice as many, so that sorting is rare."""
        self._held.append(ended)
        self._count += len(ended.number)
        if self._count > 2 * self.most + _FLUSH:
            self._held = [self.found()]
            self._count = len(self._held[0].number)

    def found(self) -> Ended:
        """The slowest first."""
        every = Ended(*(np.concatenate(column) for column in zip(*self._held, strict=True)))
        first = np.lexsort((every.number, every.arrival - every.end))[: self.most]
        return Ended(*(column[first] for column in every))


def _by_outcome(ended: Ended) -> Ints:
    return np.bincount(ended.outcome, minlength=len(RequestEnd)).astype(np.int64)


def _exact_percentile(latencies: Ints, percent: float) -> float | None:
    """Of a few values, in ms, by the same definition as the histogram's."""
    if not len(latencies):
        return None
    place = histogram.rank(len(latencies), percent)
    return float(np.partition(latencies, place - 1)[place - 1]) / MILLISECOND


# -- joining replications --------------------------------------------------------------------------------


class Totals:
    """The histograms of all replications together. They are whole numbers: the order in which they come is the same."""

    def __init__(self, stages: int) -> None:
        self.waits: Ints = np.zeros((stages, histogram.BINS), dtype=np.int64)

    def take(self, recorder: Recorder) -> None:
        """Add a replication that is over; it keeps its figures and lets its histograms go."""
        if recorder.tally is not None and recorder.tally.waits.size:
            self.waits += recorder.tally.waits
        recorder.close_histograms()


def summarise(plan: Plan, engine: str, recorders: Sequence[Recorder], totals: Totals | None = None) -> SimulationResult:
    """Join the replications; `totals`: their histograms, where they have been taken already."""
    network, machine = plan.network, plan.network.machine
    if totals is None:
        totals = Totals(machine.client)
        for recorder in recorders:
            totals.take(recorder)
    counts = sum((r.counts for r in recorders), np.zeros(len(RequestEnd), dtype=np.int64))
    requests = {"offered": sum(r.offered for r in recorders)}
    requests |= {end.name.lower(): int(counts[end]) for end in RequestEnd if end is not RequestEnd.IN_FLIGHT}
    requests["in_flight"] = int(counts[RequestEnd.IN_FLIGHT])
    figures = {"mean": tuple(r.mean() for r in recorders)}
    figures |= {name: tuple(r.percentile(q) for r in recorders) for name, q in PERCENTILES.items()}
    offered_per_s = requests["offered"] / sum(r.window.end - r.window.start for r in recorders) * SECOND
    cost = network.cost_usd_per_hour
    stages = {name: _stage(recorders, s, totals) for s, name in enumerate(network.names)}
    needed = _replicas_needed(machine, offered_per_s, list(stages.values()))
    stages = {name: stage.needing(need) for (name, stage), need in zip(stages.items(), needed, strict=True)}
    meant, problems = _outcomes(plan, recorders)
    return SimulationResult(
        case=plan.case.id,
        key=plan.key,
        engine=engine,
        seed=plan.run.seed,
        replications=len(recorders),
        requests=requests,
        latency_ms={name: Interval.of(values) for name, values in figures.items()},
        few=_few(plan.case, min(r.offered for r in recorders)),
        quality=Interval.of([r.quality() for r in recorders], most=1.0),
        classes={name: _class(recorders, k) for k, name in enumerate(network.class_names) if recorders[0].classes},
        stages=stages,
        objectives=tuple(_objective(objective, recorders) for objective in plan.case.objectives),
        cost_usd_per_hour=cost,
        cost_usd_per_million_requests=None
        if cost is None or not offered_per_s
        else cost / (offered_per_s * 3600) * 1e6,
        outcomes=meant,
        notes=(*_notes(plan, recorders, list(stages.values())), *problems),
        events=sum(r.events for r in recorders),
        offered_per_s=offered_per_s,
        by_replication=figures | {"availability": tuple(r.availability() for r in recorders)},
        timeline=recorders[0].timeline(network.names),
    )


def few_behind(percent: float, offered: int) -> bool:
    """Whether fewer than ten of so many measured requests lie beyond a percentile.

    With ten beyond it, the percentile's own spread (of a binomial rank, +-3) is about a third of the tail that it cuts
    off; with fewer it is mostly luck. Ten also stand behind p99 of 1,000 requests and p99.9 of 10,000.
    """
    return offered * (100 - percent) / 100 < ENOUGH - 1e-9


def _few(case: Case, offered: int) -> tuple[str, ...]:
    """The latencies and objectives that rest on too few measured requests of a replication."""
    names = [name for name, percent in PERCENTILES.items() if few_behind(percent, offered)]
    names += [o.name for o in case.objectives if o.percentile is not None and few_behind(o.percentile, offered)]
    return tuple(names)


def _class(recorders: Sequence[Recorder], kind: int) -> ClassResult:
    """One class of requests, all replications together."""
    tallies = [r.classes[kind] for r in recorders]
    offered = min(tally.offered for tally in tallies)
    latency = {"mean": Interval.of([tally.mean() for tally in tallies])}
    latency |= {name: Interval.of([tally.percentiles[name] for tally in tallies]) for name in PERCENTILES}
    return ClassResult(
        offered=sum(tally.offered for tally in tallies),
        answered=sum(tally.answered for tally in tallies),
        latency_ms=latency,
        few=tuple(name for name, percent in PERCENTILES.items() if few_behind(percent, offered)),
    )


def _stage(recorders: Sequence[Recorder], s: int, totals: Totals | None = None) -> StageResult:
    """A stage over the window; without the totals its waits have no percentile."""
    stage = recorders[0].machine.stages[s]
    tallies = [r.tally for r in recorders if r.tally is not None]
    time = max(1, sum(r.closed_at - r.window.start for r in recorders))  # a run may end before its window opens

    def number(column: Callable[[StageTally], Ints]) -> int:
        return sum(int(column(tally)[s]) for tally in tallies)

    def mean_ms(column: Callable[[StageTally], Whole]) -> float | None:
        return sum(int(column(tally)[s]) for tally in tallies) / starts / MILLISECOND if starts else None

    calls, sends, hedges = number(lambda t: t.calls), number(lambda t: t.sends), number(lambda t: t.hedges)
    joins, starts, rejections = number(lambda t: t.joins), number(lambda t: t.starts), number(lambda t: t.rejections)
    coalesced = number(lambda t: t.coalesced)
    waited = joins - rejections - coalesced  # a coalesced miss has no start: its wait is of another kind
    wait_p99 = None if totals is None else histogram.percentile(totals.waits[s], 99, waited)
    busy = sum(int(r.busy_ns[s]) for r in recorders)
    cached = stage.hit_threshold > 0 or stage.cache_keys > 0
    looked_up = starts + coalesced
    return StageResult(
        replicas=stage.replicas,
        utilisation=None if stage.endless else busy / (time * stage.workers),
        in_service=busy / time,
        arrivals_per_s=joins / time * SECOND,
        wait_mean_ms=mean_ms(lambda t: t.wait_sum),
        wait_p99_ms=None if wait_p99 is None else wait_p99 / MILLISECOND,
        batch_wait_mean_ms=mean_ms(lambda t: t.batch_wait_sum) if stage.batch_size > 1 else None,
        service_mean_ms=mean_ms(lambda t: t.service_sum),
        items_mean=number(lambda t: t.items) / starts if starts else None,
        queue_mean=sum(int(r.waiting_ns[s]) for r in recorders) / time,
        queue_max=max(int(r.most_waiting[s]) for r in recorders),
        hit_ratio=(number(lambda t: t.hits) + coalesced) / looked_up if cached and looked_up else None,
        error_share=number(lambda t: t.errors) / starts if starts else None,
        attempts_per_visit=sends / calls if calls else None,
        retries=sends - calls - hedges,
        hedges=hedges,
        fallbacks=number(lambda t: t.fallbacks),
        left_out=number(lambda t: t.left_out),
        rejections=rejections,
        worker_ms=busy / starts / MILLISECOND if starts else None,
    )


def _replicas_needed(machine: Machine, offered_per_s: float, stages: Sequence[StageResult]) -> list[float | None]:
    """By stage, the replicas that all requests would keep busy if they came so far at their first attempt.

    What is offered counts, not what an overloaded stage before lets through, and not the second tries that an overload
    brings about. None for stages without a capacity. Where no visit was served its time is the stated one.
    """
    needed: list[float | None] = []
    for s, (stage, seen) in enumerate(zip(machine.stages[:-1], stages, strict=True)):
        if stage.endless:
            needed.append(None)
            continue
        holds = any(inner.caller == s and inner.hold for inner in machine.stages)
        busy = seen.worker_ms if holds or stage.batch_size > 1 else seen.service_mean_ms
        seconds = stage.floor / SECOND if busy is None else busy / 1000
        needed.append(offered_per_s * _visits(machine, s, stages) * seconds / stage.concurrency)
    return needed


def _visits(machine: Machine, s: int, stages: Sequence[StageResult]) -> float:
    """Mean first visits of a request to a stage."""
    if s == machine.client:
        return 1.0
    stage = machine.stages[s]
    share = min(1.0, stage.when_threshold / 2.0**63)
    if stage.when_missed >= 0:
        share *= 1 - (stages[stage.when_missed].hit_ratio or 0.0)
    return _visits(machine, stage.caller, stages) * share * stage.shards


def _objective(objective: Objective, recorders: Sequence[Recorder]) -> ObjectiveResult:
    """Met when the whole interval is on the right side; one replication decides by its value."""
    if objective.metric == "latency":
        assert objective.percentile is not None
        assert objective.at_most is not None
        target = objective.at_most * 1000
        misses = [r.misses(objective.percentile, nanoseconds(objective.at_most)) for r in recorders]
        percentiles = [r.percentile(objective.percentile) for r in recorders]
        values = [_on_its_side(v, m, target) for v, m in zip(percentiles, misses, strict=True)]
    else:
        assert objective.at_least is not None
        target = objective.at_least
        values = [r.availability() for r in recorders]
        misses = [None if v is None else v < target for v in values]
    interval = Interval.of(values, most=1.0 if objective.metric == "availability" else math.inf)
    return ObjectiveResult(objective.name, _met(objective.metric, interval, target, misses), *interval, target)


def _on_its_side(value: float | None, misses: bool | None, target: float) -> float | None:
    """A histogram's percentile is the middle of its bin; where the target is in that bin, the exact count decides."""
    if value is None or misses is None:
        return value
    return max(value, math.nextafter(target, math.inf)) if misses else min(value, target)


def _met(metric: str, interval: Interval, target: float, misses: list[bool | None]) -> bool | None:
    if None in misses:
        return None
    if interval.low is None or interval.high is None:
        return not misses[0] if len(set(misses)) == 1 else None
    if metric == "latency":
        return True if interval.high <= target else False if interval.low > target else None
    return True if interval.low >= target else False if interval.high < target else None


# -- what a run means in the case's own words --------------------------------------------------------------------------


def _outcomes(plan: Plan, recorders: Sequence[Recorder]) -> tuple[dict[str, OutcomeResult], list[str]]:
    """The case's outcomes, from each replication's measures, and why one has no value."""
    computed = outcomes.outcomes(plan.case, [_measures(plan, r) for r in recorders])
    results = {
        name: OutcomeResult(Interval.of(one.values, least=-math.inf), one.unit, one.label, one.values)
        for name, one in computed.items()
    }
    return results, [f"outcome {name} has no value: {one.problem}" for name, one in computed.items() if one.problem]


def _measures(plan: Plan, recorder: Recorder) -> dict[str, float | None]:
    """What one replication measured, by the names of `cases.outcomes`, in base units."""
    seconds = (recorder.window.end - recorder.window.start) / SECOND
    cost = plan.network.cost_usd_per_hour
    measures: dict[str, float | None] = {
        "offered_rate": recorder.offered / seconds,
        "answered_rate": recorder.answered / seconds,
        "quality": recorder.quality(),
        "cost_rate": None if cost is None else cost / 3600,
    }
    for end in (
        RequestEnd.COMPLETED,
        RequestEnd.DEGRADED,
        RequestEnd.REJECTED,
        RequestEnd.TIMED_OUT,
        RequestEnd.FAILED,
    ):
        measures[f"share_{end.name.lower()}"] = (
            int(recorder.counts[end]) / recorder.offered if recorder.offered else None
        )
    for name, value in (("mean", recorder.mean()), *((p, recorder.percentile(q)) for p, q in PERCENTILES.items())):
        measures[f"latency_{name}"] = None if value is None else value / 1000
    for s, name in enumerate(plan.network.names):
        stage = _stage([recorder], s)
        measures |= {
            f"{name}_items": stage.items_mean,
            f"{name}_visits_rate": stage.arrivals_per_s,
            f"{name}_utilisation": stage.utilisation,
            f"{name}_hit_ratio": stage.hit_ratio,
        }
    return measures


def _notes(plan: Plan, recorders: Sequence[Recorder], stages: Sequence[StageResult]) -> list[str]:
    """What a reader must know before believing the figures."""
    notes = []
    cut = [r.limit for r in recorders if r.limit is not None]
    if cut:
        notes.append(
            f"{len(cut)} of {len(recorders)} replications were cut short at their limit of {max(cut):,} events"
        )
    in_flight = sum(int(r.counts[RequestEnd.IN_FLIGHT]) for r in recorders)
    if in_flight:
        notes.append(f"{in_flight:,} measured requests had not ended when the run did; they count as unanswered")
    length = sum(r.window.end - r.window.start for r in recorders) / len(recorders)
    known = [mean for mean in (r.mean() for r in recorders) if mean is not None]
    if known and length < SHORT * max(known) * MILLISECOND:
        notes.append(
            f"the window is {length / MILLISECOND:.3g} ms, short against a mean latency of {max(known):.3g} ms: "
            "the system is still filling; measure more requests"
        )
    elif not cut and _one_rate(plan, recorders):
        overloaded = any(stage.lacks_replicas for stage in stages)
        said = unsteady([(r.part_sums, r.part_counts) for r in recorders], overloaded)
        notes += [said] if said else []
    return notes


def _one_rate(plan: Plan, recorders: Sequence[Recorder]) -> bool:
    """Whether load and desks were meant to be the same throughout every window."""
    profile = plan.network.profile
    changes = any(r.window.start < start < r.window.end for r in recorders for start in profile.starts)
    return not changes and not plan.network.hours
