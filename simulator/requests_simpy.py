"""The reference request plane: the rules of `semantics`, written as SimPy events.

One object a request, one a visit, explicit queues, and nothing clever: this is the text to read first, and the one
that the compiled plane must equal visit by visit. Luck is prefetched a chunk of requests at a time, vectorised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import numpy as np
import simpy

from simulator import draws, histogram
from simulator.network import LEAST_OF, NEVER, PASS_ON, RANDOM, ROUND_ROBIN, Ints, Machine, Whole
from simulator.plane import LONGEST_SERVICE, Ended, EventLimitReachedError, StageTally
from simulator.semantics import FINISH, SEND, TIMER, RequestEnd, Trace, Visit, VisitEnd, sorted_trace
from simulator.workload import ArrivalStream

CHUNK = 512  # requests whose luck is drawn at once
TICK = 1 << 14  # events between two looks at the wall clock

Callbacks = list[Callable[[Any], None]]


# R6: SimPy orders the events of an instant by priority; its own, 0 and 1, come before all of ours. To these the
# identity of the visit is added: request << 16 | visit.
FINISHES: Any = FINISH << 60
TIMES_OUT: Any = TIMER << 60
SENDS: Any = SEND << 60

# Names of this module: an enum's are looked up in two steps, twelve times a visit.
OPEN, ANSWERED, TURNED_AWAY, EXPIRED = VisitEnd
IN_FLIGHT, COMPLETED, REJECTED, TIMED_OUT = (
    RequestEnd.IN_FLIGHT, RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT,
)  # fmt: skip


class _Event(simpy.Event):
    """An event that is sure to happen, like `simpy.Timeout`, but with a priority of ours.

    It has one callback and nobody else waits for it, so that a list of callbacks may be shared.
    """

    _ok = True
    _value: Any = None


class _Due(_Event):
    """Something due for a visit or a request: the end of a hop, a time-out."""

    def __init__(self, callbacks: Callbacks, subject: Any) -> None:
        self.callbacks = callbacks
        self.subject = subject


class _Visit(_Event):
    """A visit, and the SimPy event of its finish."""

    outcome = OPEN
    join = start = end = worker = -1
    measured = False
    queue: _Queue  # once it has joined

    def __init__(self, request: _Request, identity: int, stage: _Stage, now: int) -> None:
        self.request = request
        self.identity = identity
        self.stage = stage
        self.send = now


class _Request:
    outcome = IN_FLIGHT

    def __init__(self, identity: int, arrival: int, luck: _Luck, row: int, waits_for: list[int]) -> None:
        self.identity = identity  # that of its latest visit
        self.arrival = arrival
        self.luck = luck
        self.row = row  # its place in `luck`
        self.waits_for = waits_for  # by stage: how many stages must still answer first
        self.unanswered = len(waits_for)
        self.items = [0] * self.unanswered  # by stage: items handed to it so far


class _Queue:
    """A queue and the workers that serve it: of a replica, or of a whole stage with shared balancing."""

    __slots__ = ("idle", "waiting", "workers")

    def __init__(self, first_worker: int, workers: int) -> None:
        self.workers = workers
        self.idle = list(range(first_worker, first_worker + workers))  # a heap: the lowest is taken
        self.waiting: deque[_Visit] = deque()

    @property
    def busy(self) -> int:
        """Workers in service."""
        return self.workers - len(self.idle)


class _Stage:
    """A stage's numbers from the machine, its queues and its tally."""

    def __init__(self, machine: Machine, index: int) -> None:
        self.index = index
        self.balancing = int(machine.balancing[index])
        self.queue_limit = int(machine.queue_limit[index])
        self.hop = int(machine.hop[index])
        self.timeout = int(machine.timeout[index])
        self.floor = int(machine.floor[index])
        self.per_item = int(machine.per_item[index])
        self.gives = int(machine.gives[index])
        self.keeps = int(machine.keeps[index])
        first, last = machine.first_successor[index], machine.first_successor[index + 1]
        self.following: list[int] = machine.successors[first:last].tolist()
        self.successors: list[_Stage] = []  # the same as stages, once they are there
        queues = int(machine.queues()[index])
        workers = int(machine.workers()[index]) // queues
        self.queues = [_Queue(q * workers, workers) for q in range(queues)]
        self.single = queues == 1
        self.turn = 0  # of ROUND_ROBIN
        self.waiting = self.most_waiting = 0
        self.waiting_integral = self.busy_integral = 0  # sum of -t at each rise and +t at each fall
        self.sends = self.joins = self.rejections = self.service_sum = 0
        self.waits: list[int] = []


class _Luck:
    """The draws of a chunk of requests: by stage, by row."""

    def __init__(self, machine: Machine, keys: draws.Keys) -> None:
        self.unit: list[list[float]] = []
        self.service: list[list[int]] = []  # ns (R13); 0 where it depends on the items
        self.route: list[list[Any] | None] = []
        for s in range(machine.stages):
            visit = draws.mix_many(keys, machine.name_hash[s])
            unit = draws.quantiles(machine.tables[machine.table[s]], draws.mix_many(visit, draws.SERVICE))
            hit = draws.mix_many(visit, draws.CACHE) >> np.uint64(1) < np.uint64(machine.hit_threshold[s])
            fixed = np.zeros(len(keys)) if machine.per_item[s] else _rounded(unit * float(machine.floor[s]))
            self.unit.append(unit.tolist())
            self.service.append(np.where(hit, max(1, machine.hit_time[s]), fixed).astype(np.int64).tolist())
            self.route.append(_routes(machine, s, visit))


def _rounded(service: draws.Floats) -> draws.Floats:
    """To whole nanoseconds, at least one."""
    return np.clip(np.floor(service + 0.5), 1, LONGEST_SERVICE)


def _routes(machine: Machine, stage: int, visit: draws.Keys) -> list[Any] | None:
    """Replicas drawn for each visit: one for RANDOM, a tuple for LEAST_OF."""
    balancing, replicas = machine.balancing[stage], np.uint64(machine.replicas[stage])

    def choice(j: int) -> list[int]:
        high = draws.mix_many(visit, draws.ROUTE + j) >> np.uint64(32)
        picked: list[int] = (high * replicas >> np.uint64(32)).tolist()
        return picked

    if balancing == RANDOM:
        return choice(0)
    if balancing == LEAST_OF:
        return list(zip(*(choice(j) for j in range(int(machine.choices[stage]))), strict=True))
    return None


class SimPyRequests:
    """Moves requests through a machine inside a SimPy environment. The interface is `plane.RequestPlane`."""

    engine = "simpy"

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        arrivals: ArrivalStream,
        keep_trace: bool = False,
        limit: int = NEVER,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.env: Any = env  # its `now` is a whole number, for all delays are
        self._schedule = env.schedule
        self.events = 0
        self._limit, self._tick = limit, tick
        self._checkpoint = min(TICK, limit)
        self.measuring = False
        self._machine = machine
        self._stream = arrivals
        self._stages = [_Stage(machine, s) for s in range(machine.stages)]
        self._predecessors: list[int] = machine.predecessors.tolist()
        for stage in self._stages:
            stage.successors = [self._stages[s] for s in stage.following]
        self._sources = [self._stages[s] for s in machine.sources.tolist()]
        self._arrives: Callbacks = [self._arrive]
        self._joins: Callbacks = [self._hop_ends]
        self._finishes: Callbacks = [self._finish]
        self._times_out: Callbacks = [self._visit_times_out]
        self._client_times_out: Callbacks = [self._request_times_out]
        self._visits: list[_Visit] | None = [] if keep_trace else None
        self._ended: list[tuple[int, int, int, int]] = []
        self._refill()
        self._await_arrival()

    # -- the request path -------------------------------------------------------------------------------------------

    def _refill(self) -> None:
        chunk = self._stream.chunk(CHUNK)
        self._first, self._times, self._row = chunk.first, chunk.times.tolist(), 0
        self._luck = _Luck(self._machine, chunk.keys)

    def _await_arrival(self) -> None:
        if self._row == len(self._times):
            self._refill()
        identity = self._first + self._row << 16
        self._schedule(_Due(self._arrives, identity), SENDS + identity, self._times[self._row] - self.env.now)

    def _arrive(self, due: _Due) -> None:
        self._count()
        now = self.env.now
        request = _Request(due.subject, now, self._luck, self._row, self._predecessors.copy())
        self._row += 1
        timeout = self._machine.client_timeout
        if timeout < NEVER:
            self._schedule(_Due(self._client_times_out, request), TIMES_OUT + request.identity, timeout)
        for stage in self._sources:
            self._send(request, stage, now)
        self._await_arrival()

    def _send(self, request: _Request, stage: _Stage, now: int) -> None:
        request.identity += 1
        visit = _Visit(request, request.identity, stage, now)
        if self._visits is not None:
            self._visits.append(visit)
        if self.measuring:
            stage.sends += 1
        if stage.timeout < NEVER:
            self._schedule(_Due(self._times_out, visit), TIMES_OUT + visit.identity, stage.timeout)
        if stage.hop:
            self._schedule(_Due(self._joins, visit), SENDS + visit.identity, stage.hop)
        else:
            self._join(visit, stage, now)

    def _hop_ends(self, due: _Due) -> None:
        self._count()
        self._join(due.subject, due.subject.stage, self.env.now)

    def _join(self, visit: _Visit, stage: _Stage, now: int) -> None:
        visit.join = now
        visit.queue = queue = stage.queues[0] if stage.single else self._choose(visit.request, stage)
        if self.measuring:
            visit.measured = True
            stage.joins += 1
        if queue.idle:
            self._start(visit, stage, heappop(queue.idle), now)
        elif len(queue.waiting) >= stage.queue_limit:
            stage.rejections += visit.measured
            visit.end = now
            if visit.outcome is OPEN:
                visit.outcome = TURNED_AWAY
            self._fail(visit.request, REJECTED, now)
        else:
            queue.waiting.append(visit)
            stage.waiting_integral -= now
            stage.waiting += 1
            if stage.waiting > stage.most_waiting:
                stage.most_waiting = stage.waiting

    def _choose(self, request: _Request, stage: _Stage) -> _Queue:
        queues = stage.queues
        if stage.balancing == ROUND_ROBIN:
            chosen = queues[stage.turn]
            stage.turn = (stage.turn + 1) % len(queues)
            return chosen
        route = request.luck.route[stage.index]
        assert route is not None
        drawn = route[request.row]
        if stage.balancing == RANDOM:
            only: _Queue = queues[drawn]
            return only
        best: _Queue = queues[drawn[0]]
        load = len(best.waiting) - len(best.idle)  # and the workers, of which all have as many
        for replica in drawn[1:]:
            other = queues[replica]
            if len(other.waiting) - len(other.idle) < load:
                best, load = other, len(other.waiting) - len(other.idle)
        return best

    def _start(self, visit: _Visit, stage: _Stage, worker: int, now: int) -> None:
        visit.start = now
        visit.worker = worker
        request = visit.request
        service = request.luck.service[stage.index][request.row] or self._by_items(stage, request)
        stage.busy_integral -= now
        if visit.measured:
            stage.service_sum += service
            stage.waits.append(now - visit.join)
        visit.callbacks = self._finishes
        self._schedule(visit, FINISHES + visit.identity, service)

    def _by_items(self, stage: _Stage, request: _Request) -> int:
        """R13."""
        work = float(stage.floor) + float(stage.per_item) * float(request.items[stage.index])
        exact = request.luck.unit[stage.index][request.row] * work + 0.5
        return 1 if exact < 1.0 else LONGEST_SERVICE if exact > LONGEST_SERVICE else int(exact)

    def _finish(self, visit: _Visit) -> None:
        self._count()
        now = self.env.now
        stage, queue, request = visit.stage, visit.queue, visit.request
        visit.end = now
        stage.busy_integral += now
        if queue.waiting:
            stage.waiting -= 1
            stage.waiting_integral += now
            self._start(queue.waiting.popleft(), stage, visit.worker, now)
        else:
            heappush(queue.idle, visit.worker)
        if visit.outcome is OPEN:  # an expired visit stays expired
            visit.outcome = ANSWERED
            if request.outcome is IN_FLIGHT:
                self._answer(stage, request, now)

    def _answer(self, stage: _Stage, request: _Request, now: int) -> None:
        request.unanswered -= 1
        if request.unanswered == 0:
            self._end(request, COMPLETED, now)
        items = request.items[stage.index] if stage.gives == PASS_ON else stage.gives
        if items > stage.keeps:
            items = stage.keeps
        for successor in stage.successors:
            index = successor.index
            request.items[index] += items
            request.waits_for[index] -= 1
            if request.waits_for[index] == 0:
                self._send(request, successor, now)

    # -- ends -------------------------------------------------------------------------------------------------------

    def _visit_times_out(self, due: _Due) -> None:
        self._count()
        visit: _Visit = due.subject
        if visit.outcome is OPEN:
            visit.outcome = EXPIRED  # its worker does not know, and carries on
            self._fail(visit.request, TIMED_OUT, self.env.now)

    def _request_times_out(self, due: _Due) -> None:
        self._count()
        self._fail(due.subject, TIMED_OUT, self.env.now)

    def _fail(self, request: _Request, outcome: RequestEnd, now: int) -> None:
        if request.outcome is IN_FLIGHT:
            self._end(request, outcome, now)

    def _end(self, request: _Request, outcome: RequestEnd, now: int) -> None:
        request.outcome = outcome
        self._ended.append((request.identity >> 16, request.arrival, now, outcome))

    def _count(self) -> None:
        if self.events == self._checkpoint:
            if self.events == self._limit:
                raise EventLimitReachedError(self.env.now)
            self._tick()
            self._checkpoint = min(self.events + TICK, self._limit)
        self.events += 1

    # -- what control sees ------------------------------------------------------------------------------------------

    def advance(self, until: int) -> None:
        """Nothing to do: the requests' events are in the environment itself."""

    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""
        self.measuring = on
        for stage in self._stages:
            stage.most_waiting = stage.waiting

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        return np.array([s.waiting for s in self._stages])

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        return np.array([s.most_waiting for s in self._stages])

    def integrals(self, now: int) -> tuple[Whole, Whole]:
        """Time integrals from 0 to now of the visits waiting and in service, by stage (ns)."""
        waiting = [s.waiting_integral + s.waiting * now for s in self._stages]
        busy = [s.busy_integral + sum(queue.busy for queue in s.queues) * now for s in self._stages]
        return np.array(waiting, dtype=object), np.array(busy, dtype=object)

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        rows = np.array(self._ended, dtype=np.int64).reshape(-1, 4)
        self._ended.clear()
        return Ended(*rows.T)

    def tally(self) -> StageTally:
        """Counts of the visits that joined while measuring, by stage."""
        waits = [np.array(s.waits, dtype=np.int64) for s in self._stages]
        return StageTally(
            sends=np.array([s.sends for s in self._stages]),
            joins=np.array([s.joins for s in self._stages]),
            starts=np.array([len(s.waits) for s in self._stages]),
            rejections=np.array([s.rejections for s in self._stages]),
            wait_sum=np.array([sum(s.waits) for s in self._stages], dtype=object),
            service_sum=np.array([s.service_sum for s in self._stages], dtype=object),
            waits=np.array([histogram.count(w) for w in waits]),
        )

    def trace(self) -> Trace:
        """Every visit so far, unfinished ones included (`keep_trace`)."""
        assert self._visits is not None
        return sorted_trace(np.array([_row(v) for v in self._visits], dtype=np.int64).reshape(-1, len(Visit._fields)))


def _row(v: _Visit) -> Visit:
    request, number = v.identity >> 16, v.identity & 0xFFFF
    return Visit(request, number, v.stage.index, v.send, v.join, v.start, v.end, v.worker, v.outcome)
