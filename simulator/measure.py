"""From what ended and what waited to figures with intervals.

A `Recorder` measures one replication; `summarise` joins replications into a `SimulationResult`. Histograms and sums
are whole numbers and merge exactly; percentiles are the mean of the replications' percentiles, with a t interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cases.spec import Objective
from simulator import histogram
from simulator.network import Ints, Whole, nanoseconds
from simulator.plan import Plan, Window
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.results import Interval, ObjectiveResult, SimulationResult, StageResult, Timeline
from simulator.semantics import RequestEnd
from simulator.workload import SECOND

MILLISECOND = 1_000_000
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
TIMELINE = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
SAMPLES_A_ROW = 4
SHORT = 10  # mean latencies: a shorter window says so
_FLUSH = 1 << 16


class Recorder:
    """Measures one replication."""

    def __init__(self, plan: Plan, window: Window, keep_timeline: bool) -> None:
        machine = plan.network.machine
        self.window = window
        self.workers = machine.workers()
        self.late = {nanoseconds(o.at_most): 0 for o in plan.case.objectives if o.at_most is not None}  # by target
        self.ended_at = window.end
        self.counts = np.zeros(len(RequestEnd), dtype=np.int64)
        self.latencies = np.zeros(histogram.BINS, dtype=np.int64)
        self.latency_sum = 0
        self.limit: int | None = None  # the event limit, if it cut the run short
        self.events = 0
        self.tally: StageTally | None = None
        self.closed_at = window.end
        stages = machine.stages
        self.waiting_ns: Whole = np.zeros(stages, dtype=object)
        self.busy_ns: Whole = np.zeros(stages, dtype=object)
        self.most_waiting = np.zeros(stages, dtype=np.int64)
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
        self._take(ended.end[measured & answered] - ended.arrival[measured & answered])
        if self._keep_timeline:
            latencies = ended.end[answered] - ended.arrival[answered]
            busy = plane.integrals(now)[1]
            self._rows.append(_Sample(now, latencies, _by_outcome(ended), plane.waiting(), busy))

    def _take(self, latencies: Ints) -> None:
        self.latency_sum += int(latencies.sum())
        for target in self.late:
            self.late[target] += int(np.count_nonzero(latencies > target))
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

    def finish(self, plane: RequestPlane) -> None:
        """The replication is over."""
        self._flush()
        self.counts[RequestEnd.IN_FLIGHT] += self.unfinished
        self.tally = plane.tally()
        self.events = plane.events

    def percentile(self, percent: float) -> float | None:
        """Of all measured requests, in ms; None where it falls among the unanswered (R9)."""
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
        return Timeline(
            names=names,
            times=times,
            percentiles={p: [_exact_percentile(values, q) for values in latencies] for p, q in TIMELINE.items()},
            ended=np.array([sum((row.ended for row in group), np.int64(0)) for group in groups]),
            waiting=np.array([row.waiting for row in last]),
            utilisation=busy.astype(np.float64) / spans / self.workers,
        )


class _Sample(NamedTuple):
    """What one control instant saw; `latencies` and `ended` since the last, in ns and by RequestEnd."""

    time: int
    latencies: Ints
    ended: Ints
    waiting: Ints
    busy_ns: Whole


def _by_outcome(ended: Ended) -> Ints:
    return np.bincount(ended.outcome, minlength=len(RequestEnd)).astype(np.int64)


def _exact_percentile(latencies: Ints, percent: float) -> float | None:
    """Of a few values, in ms, by the same definition as the histogram's."""
    if not len(latencies):
        return None
    place = histogram.rank(len(latencies), percent)
    return float(np.partition(latencies, place - 1)[place - 1]) / MILLISECOND


# -- joining replications --------------------------------------------------------------------------------


def summarise(plan: Plan, engine: str, recorders: Sequence[Recorder]) -> SimulationResult:
    """Join the replications."""
    counts = sum((r.counts for r in recorders), np.zeros(len(RequestEnd), dtype=np.int64))
    requests = {"offered": sum(r.offered for r in recorders)}
    requests |= {end.name.lower(): int(counts[end]) for end in RequestEnd if end is not RequestEnd.IN_FLIGHT}
    requests["in_flight"] = int(counts[RequestEnd.IN_FLIGHT])
    figures = {"mean": tuple(r.mean() for r in recorders)}
    figures |= {name: tuple(r.percentile(q) for r in recorders) for name, q in PERCENTILES.items()}
    return SimulationResult(
        case=plan.case.id,
        key=plan.key,
        engine=engine,
        seed=plan.run.seed,
        replications=len(recorders),
        requests=requests,
        latency_ms={name: Interval.of(values) for name, values in figures.items()},
        stages={name: _stage(recorders, s) for s, name in enumerate(plan.network.names)},
        objectives=tuple(_objective(objective, recorders) for objective in plan.case.objectives),
        cost_usd_per_hour=plan.network.cost_usd_per_hour,
        notes=tuple(_notes(recorders)),
        events=sum(r.events for r in recorders),
        offered_per_s=requests["offered"] / sum(r.window.end - r.window.start for r in recorders) * SECOND,
        by_replication=figures | {"availability": tuple(r.availability() for r in recorders)},
        timeline=recorders[0].timeline(plan.network.names),
    )


def _stage(recorders: Sequence[Recorder], s: int) -> StageResult:
    tallies = [r.tally for r in recorders if r.tally is not None]
    time = max(1, sum(r.closed_at - r.window.start for r in recorders))  # a run may end before its window opens
    joins, starts = (
        sum(int(column[s]) for column in columns)
        for columns in ([t.joins for t in tallies], [t.starts for t in tallies])
    )
    rejections = sum(int(t.rejections[s]) for t in tallies)
    waits = sum((t.waits[s] for t in tallies), np.zeros(histogram.BINS, dtype=np.int64))
    wait_p99 = histogram.percentile(waits, 99, joins - rejections)
    busy = sum(int(r.busy_ns[s]) for r in recorders)
    waiting = sum(int(r.waiting_ns[s]) for r in recorders)
    return StageResult(
        utilisation=busy / (time * int(recorders[0].workers[s])),
        arrivals_per_s=joins / time * SECOND,
        wait_mean_ms=sum(int(t.wait_sum[s]) for t in tallies) / starts / MILLISECOND if starts else None,
        wait_p99_ms=None if wait_p99 is None else wait_p99 / MILLISECOND,
        service_mean_ms=sum(int(t.service_sum[s]) for t in tallies) / starts / MILLISECOND if starts else None,
        queue_mean=waiting / time,
        queue_max=max(int(r.most_waiting[s]) for r in recorders),
        rejections=rejections,
        attempts_per_visit=1.0 if joins else None,  # R7 is not here yet: every visit is a first attempt
    )


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


def _notes(recorders: Sequence[Recorder]) -> list[str]:
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
    return notes
