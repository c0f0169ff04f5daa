"""What one replication measures: a `Recorder` is told what ended and looks at what waits. `summary` joins them.

Histograms and sums are whole numbers and merge exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator import draws, histogram
from simulator.machine import Ints, Whole
from simulator.network import nanoseconds
from simulator.plan import Plan, Window
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.results import Timeline
from simulator.semantics import RequestEnd, Trace
from simulator.steady import PARTS

MILLISECOND = 1_000_000
FULL = 1_000_000  # millionths: the quality of an answer in which nothing was replaced
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
TIMELINE = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
SAMPLES_A_ROW = 4
COMPLETED, DEGRADED = int(RequestEnd.COMPLETED), int(RequestEnd.DEGRADED)  # an enum's names are slow to look up
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
        self.hours = {opening.stage: opening for opening in plan.network.hours}
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
        self._pending: list[Ended] = []  # samples that have not been counted yet
        self._waiting = 0  # requests in them
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
        self._digest()
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
        self._pending.append(ended)
        self._waiting += len(ended.number)
        if self._waiting >= _FLUSH:
            self._digest()
        if self._keep_timeline:
            latencies = (ended.end - ended.arrival)[_answered(ended)]
            busy = plane.integrals(now)[1]
            self._rows.append(_Sample(now, latencies, _by_outcome(ended), plane.waiting(), busy))

    def _digest(self) -> None:
        """Count what has ended: many at once, for one by one is slow."""
        if not self._pending:
            return
        ended = Ended(*(np.concatenate(column) for column in zip(*self._pending, strict=True)))
        self._pending, self._waiting = [], 0
        measured = (ended.number >= self.window.first) & (ended.number < self.window.last)
        ended = _only(ended, measured)
        self.counts += np.bincount(ended.outcome, minlength=len(self.counts))
        for kind, tally in enumerate(self.classes):
            tally.ended += int(np.count_nonzero(ended.kind == kind))
        self._take(_only(ended, _answered(ended)))

    def _take(self, answered: Ended) -> None:
        """Measured requests that were answered."""
        latencies = answered.end - answered.arrival
        if not len(latencies):
            return
        part = (answered.number - self.window.first) * PARTS // self.offered
        counts = np.bincount(part, minlength=PARTS)
        self.part_counts += counts
        for one in np.flatnonzero(counts):
            self.part_sums[one] += _total(latencies if counts[one] == len(part) else latencies[part == one])
        self.quality_sum += int(answered.quality.sum())
        for target in self.late:
            self.late[target] += int(np.count_nonzero(latencies > target))
        for kind, tally in enumerate(self.classes):
            tally.take(latencies[answered.kind == kind])
        if self.slowest is not None:
            self.slowest.take(answered)
        histogram.add(self.latencies, latencies)

    def cut_short(self, now: int, plane: RequestPlane, limit: int) -> None:
        """The event limit was reached; the window is what has been."""
        self.limit = limit
        self.sample(now, plane)
        if now < self.window.end:
            self.close(now, plane)

    def finish(self, plane: RequestPlane, traced: bool = False) -> None:
        """The replication is over. `traced`: keep the plane's trace."""
        self._digest()
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
        self.latency_sum += _total(latencies)
        histogram.add(self._latencies, latencies)

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


def _only(ended: Ended, chosen: NDArray[np.bool_]) -> Ended:
    return ended if chosen.all() else Ended(*(column[chosen] for column in ended))


def _answered(ended: Ended) -> NDArray[np.bool_]:
    answered: NDArray[np.bool_] = (ended.outcome == COMPLETED) | (ended.outcome == DEGRADED)
    return answered


def _total(values: Ints) -> int:
    """A sum that may outgrow int64: of the upper and of the lower halves."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _by_outcome(ended: Ended) -> Ints:
    return np.bincount(ended.outcome, minlength=len(RequestEnd)).astype(np.int64)


def _exact_percentile(latencies: Ints, percent: float) -> float | None:
    """Of a few values, in ms, by the same definition as the histogram's."""
    if not len(latencies):
        return None
    place = histogram.rank(len(latencies), percent)
    return float(np.partition(latencies, place - 1)[place - 1]) / MILLISECOND
