"""What one replication measures: a `Recorder` is told what ended and looks at what waits. `summary` joins them.

Histograms and sums are whole numbers and merge exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator import histogram
from simulator.machine import NEVER, Ints, Whole
from simulator.plan import Plan, Window
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.recovery import Goodput
from simulator.semantics import RequestEnd, Trace
from simulator.steady import PARTS
from simulator.timeline import MILLISECOND, Series, Timeline, answered
from simulator.workload import nanoseconds

FULL = 1_000_000  # millionths: the quality of an answer in which nothing was replaced
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
_FLUSH = 1 << 13


class Recorder:
    """Measures one replication.

    With `keep_timeline` there is one, in rows of `step` ns if that is stated. With `slowest`, so many of the slowest
    measured and answered requests are remembered.
    """

    def __init__(
        self, plan: Plan, window: Window, keep_timeline: bool, step: int | None = None, slowest: int = 0
    ) -> None:
        machine = plan.network.machine
        self.window = window
        self.machine = machine
        self.hours = {opening.stage: opening for opening in plan.network.hours}
        latencies = (o.at_most for o in plan.case.objectives if o.metric == "latency")
        targets = [nanoseconds(at_most) for at_most in latencies if at_most is not None]
        self.late = dict.fromkeys(targets, 0)  # of the answered, by target
        self.good_within = targets[0] if targets else NEVER  # ns: the first latency objective's
        self.good = 0  # answered within it
        self.ended_at = window.end
        self.counts = np.zeros(len(RequestEnd), dtype=np.int64)
        self.latencies: Ints = np.zeros(histogram.BINS, dtype=np.int64)
        # Of the answered, by the tenth of the window's requests to which they belong.
        self.part_sums: Whole = np.zeros(PARTS, dtype=object)
        self.part_counts = np.zeros(PARTS, dtype=np.int64)
        self._part_starts = window.first - (window.first - window.last) * np.arange(PARTS + 1) // PARTS
        self.quality_sum = 0  # millionths, of the answered
        self.limit: int | None = None  # the event limit, if it cut the run short
        self.unborn = 0  # measured requests that were still to come then
        self.events = 0
        self.tally: StageTally | None = None
        self.trace: Trace | None = None
        self.closed_at = window.end
        stages = machine.client
        self.waiting_ns: Whole = np.zeros(stages, dtype=object)
        self.busy_ns: Whole = np.zeros(stages, dtype=object)
        self.staffed_ns: Whole = np.zeros(stages, dtype=object)  # worker time that was there
        self.paid_ns: list[int] | None = None  # replica time, within the window; from control, where fleets change
        self.most_waiting = np.zeros(stages, dtype=np.int64)
        self.classes = [_ClassTally() for _ in machine.classes] if len(machine.classes) > 1 else []
        self.slowest = _Slowest(slowest) if slowest else None
        self.timeline: Timeline | None = None
        marks = plan.world.marks
        self.goodput = Goodput(window.start, window.end, min(m[1] for m in marks)) if marks else None
        self._percentiles: dict[float, float | None] | None = None
        self._wanted = [
            *PERCENTILES.values(),
            *(o.percentile for o in plan.case.objectives if o.percentile is not None),
        ]
        self._opened: tuple[Whole, Whole, Whole] | None = None
        self._pending: list[Ended] = []  # samples that have not been counted yet
        self._waiting = 0  # requests in them
        self._names, self._marks = plan.network.names, marks
        self._series = Series(machine, self.good_within, step, window.end) if keep_timeline else None

    @property
    def keeps_timeline(self) -> bool:
        """Whether it wants to look when a row ends."""
        return self._series is not None

    @property
    def offered(self) -> int:
        """Measured requests."""
        return self.window.last - self.window.first

    @property
    def awaited(self) -> int:
        """Measured requests whose answer somebody waits for: all but those that a newer one made worthless."""
        return self.offered - int(self.counts[RequestEnd.SUPERSEDED])

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
        waiting, busy, staffed = (now_ - then for now_, then in zip(plane.integrals(now), self._opened, strict=True))
        self.waiting_ns, self.busy_ns, self.staffed_ns = waiting, busy, staffed
        self.most_waiting = plane.most_waiting()
        self.closed_at = now
        plane.measure(False)

    def sample(self, now: int, plane: RequestPlane, row_ends: bool = False) -> None:
        """Take in what ended since the last sample; here a row of the timeline may end."""
        self.ended_at = now
        ended = plane.take_ended()
        self._pending.append(ended)
        self._waiting += len(ended.number)
        if self._waiting >= _FLUSH:
            self._digest()
        if self._series is not None:
            self._series.sample(now, ended, plane, row_ends)

    def _digest(self) -> None:
        """Count what has ended: many at once, for one by one is slow."""
        if not self._pending:
            return
        ended = self._measured(Ended.joined(self._pending))
        self._pending, self._waiting = [], 0
        self.counts += np.bincount(ended.outcome, minlength=len(self.counts))
        worthless = ended.outcome == RequestEnd.SUPERSEDED
        for kind, tally in enumerate(self.classes):
            tally.offered += int(np.count_nonzero(ended.kind == kind))
            tally.superseded += int(np.count_nonzero(ended.kind[worthless] == kind))
        self._take(_only(ended, answered(ended.outcome)))
        if self.goodput is not None:
            awaited = _only(ended, ~worthless)
            self.goodput.take(awaited.arrival, self._good(awaited))

    def _measured(self, requests: Ended) -> Ended:
        return _only(requests, (requests.number >= self.window.first) & (requests.number < self.window.last))

    def _good(self, ended: Ended) -> NDArray[np.bool_]:
        return answered(ended.outcome) & (ended.end - ended.arrival <= self.good_within)

    def _take(self, ended: Ended) -> None:
        """Measured requests that were answered."""
        latencies = ended.end - ended.arrival
        if not len(latencies):
            return
        number, starts = ended.number, self._part_starts
        first, last = (np.searchsorted(starts, (number.min(), number.max()), side="right") - 1).tolist()
        for part in range(first, last + 1):  # one or two of a long run's
            those = latencies[(number >= starts[part]) & (number < starts[part + 1])] if first < last else latencies
            self.part_counts[part] += len(those)
            self.part_sums[part] += _total(those)
        self.good += int(np.count_nonzero(latencies <= self.good_within))
        self.quality_sum += int(ended.quality.sum())
        for target in self.late:
            self.late[target] += int(np.count_nonzero(latencies > target))
        for kind, tally in enumerate(self.classes):
            tally.take(latencies[ended.kind == kind])
        if self.slowest is not None:
            self.slowest.take(ended)
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
        in_flight = self._measured(plane.under_way())
        for kind, tally in enumerate(self.classes):
            tally.close(int(np.count_nonzero(in_flight.kind == kind)))
        if self.goodput is not None:
            self.goodput.take(in_flight.arrival)
        self.unborn = self.unfinished - len(in_flight.number)
        self.counts[RequestEnd.IN_FLIGHT] += self.unfinished
        self.tally = plane.tally()
        self.events = plane.events
        if self._series is not None:
            self.timeline = self._series.finish(self.ended_at, plane, self._names, self._marks)
            self._series = None
        if traced:
            self.trace = plane.trace()

    def close_histograms(self) -> None:
        """Keep the percentiles that are asked for and let the histograms go: they are large, replications many."""
        self._percentiles = {q: self.percentile(q) for q in self._wanted}
        self.latencies = np.zeros(0, dtype=np.int64)
        if self.tally is not None:
            self.tally = self.tally._replace(waits=np.zeros((0, 0), dtype=np.int64))

    def percentile(self, percent: float) -> float | None:
        """Of all measured requests that somebody waits for, in ms; None where it falls among the unanswered (R9)."""
        if self._percentiles is not None:
            return self._percentiles[percent]
        value = histogram.percentile(self.latencies, percent, self.awaited)
        return None if value is None else value / MILLISECOND

    def misses(self, percent: float, target: int) -> bool | None:
        """Whether the percentile is above the target (ns), exactly; None where requests still in flight decide it.

        A request in flight is later than the target once it is older; all are as old as the drain.
        """
        allowed = self.awaited - histogram.rank(self.awaited, percent)
        in_flight = int(self.counts[RequestEnd.IN_FLIGHT])
        late = self.late[target] + self.awaited - self.answered - in_flight
        if late + in_flight <= allowed:
            return False
        known = late + (in_flight if self.ended_at - self.window.end >= target else 0)
        return True if known > allowed else None

    def mean(self) -> float | None:
        """Mean latency of the answered requests, in ms."""
        return self.latency_sum / self.answered / MILLISECOND if self.answered else None

    def availability(self) -> float | None:
        """The share of the measured requests that got an answer, of those that somebody waits for."""
        return self.answered / self.awaited if self.awaited else None

    def quality(self) -> float | None:
        """Mean quality of the answers; 1 where no fallback was used."""
        return self.quality_sum / (self.answered * FULL) if self.answered else None


class _ClassTally:
    """The measured requests of one class."""

    def __init__(self) -> None:
        self.offered = 0  # once closed, those in flight included
        self.superseded = 0
        self.answered = 0
        self.latency_sum = 0
        self.percentiles: dict[str, float | None] = {}  # ms, once closed
        self._latencies: Ints = np.zeros(histogram.BINS, dtype=np.int64)

    def take(self, latencies: Ints) -> None:
        """Those that were answered."""
        self.answered += len(latencies)
        self.latency_sum += _total(latencies)
        histogram.add(self._latencies, latencies)

    def close(self, in_flight: int) -> None:
        """So many more have not ended: percentiles are over them, too (R9)."""
        self.offered += in_flight
        for name, percent in PERCENTILES.items():
            value = histogram.percentile(self._latencies, percent, self.offered - self.superseded)
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
        every = Ended.joined(self._held)
        first = np.lexsort((every.number, every.arrival - every.end))[: self.most]
        return Ended(*(column[first] for column in every))


def _only(ended: Ended, chosen: NDArray[np.bool_]) -> Ended:
    return ended if chosen.all() else Ended(*(column[chosen] for column in ended))


def _total(values: Ints) -> int:
    """A sum that may outgrow int64: of the upper and of the lower halves."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
