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
from simulator.network import LEAST_OF, NEVER, PASS_ON, RANDOM, ROUND_ROBIN, SHARED, Ints, Machine
from simulator.plane import LONGEST_SERVICE, Ended, StageTally
from simulator.semantics import FINISH, SEND, TIMER, RequestEnd, Trace, Visit, VisitEnd, sorted_trace
from simulator.workload import ArrivalStream

CHUNK = 512  # requests whose luck is drawn at once


def _priority(kind: int, request: int, visit: int) -> Any:
    """R6: SimPy orders events of an instant by this number; its own priorities, 0 and 1, come before all of ours."""
    return kind << 60 | request << 16 | visit


class _Event(simpy.Event):
    """An event that is sure to happen, like `simpy.Timeout`, but with a priority of ours."""

    _ok = True
    _value: Any = None


class _Due(_Event):
    """Something due for a visit: the end of its hop, its time-out."""

    def __init__(self, env: simpy.Environment, handler: Callable[[Any], None], subject: Any) -> None:
        self.env = env
        self.callbacks = [handler]
        self.subject = subject


class _Visit(_Event):
    """A visit, and the SimPy event of its end."""

    def __init__(self, request: _Request, number: int, stage: _Stage, now: int) -> None:
        self.request = request
        self.number = number
        self.stage = stage
        self.outcome = VisitEnd.OPEN
        self.send = now
        self.join = self.start = self.end = self.worker = -1
        self.measured = False


class _Request:
    __slots__ = ("arrival", "items", "luck", "number", "outcome", "row", "unanswered", "visits", "waits_for")

    def __init__(self, number: int, arrival: int, luck: _Luck, row: int, waits_for: list[int]) -> None:
        self.number = number
        self.arrival = arrival
        self.luck = luck
        self.row = row  # its place in `luck`
        self.outcome = RequestEnd.IN_FLIGHT
        self.visits = 0
        self.waits_for = waits_for  # by stage: how many stages must still answer first
        self.items = [0] * len(waits_for)  # by stage: items handed to it so far
        self.unanswered = len(waits_for)


class _Queue:
    """A queue and the workers that serve it: of a replica, or of a whole stage with shared balancing."""

    __slots__ = ("busy", "idle", "waiting")

    def __init__(self, first_worker: int, workers: int) -> None:
        self.idle = list(range(first_worker, first_worker + workers))  # a heap: the lowest is taken
        self.busy = 0
        self.waiting: deque[_Visit] = deque()


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
        self.hit_time = int(machine.hit_time[index])
        first, last = machine.first_successor[index], machine.first_successor[index + 1]
        self.successors: list[int] = machine.successors[first:last].tolist()
        queues = int(machine.queues()[index])
        workers = int(machine.workers()[index]) // queues
        self.queues = [_Queue(q * workers, workers) for q in range(queues)]
        self.turn = 0  # of ROUND_ROBIN
        self.waiting = self.busy = self.most_waiting = 0
        self.waiting_integral = self.busy_integral = 0  # sum of -t at each rise and +t at each fall
        self.sends = self.joins = self.starts = self.rejections = 0
        self.service_sum = 0
        self.waits: list[int] = []


class _Luck:
    """The draws of a chunk of requests: by stage, by row."""

    def __init__(self, machine: Machine, keys: draws.Keys) -> None:
        self.unit: list[list[float]] = []
        self.hit: list[list[bool] | None] = []
        self.route: list[list[Any] | None] = []
        for s in range(machine.stages):
            visit = draws.mix_many(keys, machine.name_hash[s])
            unit = draws.quantiles(machine.tables[machine.table[s]], draws.mix_many(visit, draws.SERVICE))
            self.unit.append(unit.tolist())
            threshold = int(machine.hit_threshold[s])
            cached = draws.mix_many(visit, draws.CACHE) >> np.uint64(1) < np.uint64(threshold)
            self.hit.append(cached.tolist() if threshold else None)
            self.route.append(_routes(machine, s, visit))


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
        self, env: simpy.Environment, machine: Machine, arrivals: ArrivalStream, keep_trace: bool = False
    ) -> None:
        self.env = env
        self.events = 0
        self.measuring = False
        self._machine = machine
        self._stream = arrivals
        self._stages = [_Stage(machine, s) for s in range(machine.stages)]
        self._predecessors: list[int] = machine.predecessors.tolist()
        self._sources = [self._stages[s] for s in machine.sources.tolist()]
        self._trace: list[Visit] | None = [] if keep_trace else None
        self._open: dict[_Visit, None] = {}
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
        arrival = _Due(self.env, self._arrive, None)
        priority = _priority(SEND, self._first + self._row, 0)
        self.env.schedule(arrival, priority, self._times[self._row] - self.env.now)

    def _arrive(self, _: _Due) -> None:
        self.events += 1
        now = self.env.now
        request = _Request(self._first + self._row, now, self._luck, self._row, self._predecessors.copy())
        self._row += 1
        timeout = self._machine.client_timeout
        if timeout < NEVER:
            self._at(now + timeout, TIMER, request.number, 0, self._client_times_out, request)
        for stage in self._sources:
            self._send(request, stage, now)
        self._await_arrival()

    def _send(self, request: _Request, stage: _Stage, now: int) -> None:
        request.visits += 1
        visit = _Visit(request, request.visits, stage, now)
        if self._trace is not None:
            self._open[visit] = None
        if self.measuring:
            stage.sends += 1
        if stage.timeout < NEVER:
            self._at(now + stage.timeout, TIMER, request.number, visit.number, self._times_out, visit)
        if stage.hop:
            self._at(now + stage.hop, SEND, request.number, visit.number, self._hop_ends, visit)
        else:
            self._join(visit, now)

    def _hop_ends(self, due: _Due) -> None:
        self.events += 1
        self._join(due.subject, self.env.now)

    def _join(self, visit: _Visit, now: int) -> None:
        stage = visit.stage
        visit.join = now
        queue = self._choose(visit, stage)
        if self.measuring:
            visit.measured = True
            stage.joins += 1
        if queue.idle:
            self._start(visit, queue, heappop(queue.idle), now)
        elif len(queue.waiting) >= stage.queue_limit:
            stage.rejections += visit.measured
            visit.end = now
            self._close(visit, VisitEnd.REJECTED)
            self._fail(visit.request, RequestEnd.REJECTED, now)
        else:
            queue.waiting.append(visit)
            stage.waiting_integral -= now
            stage.waiting += 1
            if stage.waiting > stage.most_waiting:
                stage.most_waiting = stage.waiting

    def _choose(self, visit: _Visit, stage: _Stage) -> _Queue:
        queues = stage.queues
        balancing = stage.balancing
        if balancing == SHARED or len(queues) == 1:
            return queues[0]
        if balancing == ROUND_ROBIN:
            chosen = queues[stage.turn]
            stage.turn = (stage.turn + 1) % len(queues)
            return chosen
        request = visit.request
        route = request.luck.route[stage.index]
        assert route is not None
        drawn = route[request.row]
        if balancing == RANDOM:
            return queues[drawn]
        best = queues[drawn[0]]
        load = len(best.waiting) + best.busy
        for replica in drawn[1:]:
            other = queues[replica]
            if len(other.waiting) + other.busy < load:
                best, load = other, len(other.waiting) + other.busy
        return best

    def _start(self, visit: _Visit, queue: _Queue, worker: int, now: int) -> None:
        stage, request = visit.stage, visit.request
        visit.start = now
        visit.worker = worker
        service = self._service(stage, request)
        queue.busy += 1
        stage.busy += 1
        stage.busy_integral -= now
        if visit.measured:
            stage.starts += 1
            stage.service_sum += service
            stage.waits.append(now - visit.join)
        visit.env = self.env
        visit.queue = queue
        visit.callbacks = [self._finish]
        self.env.schedule(visit, _priority(FINISH, request.number, visit.number), service)

    def _service(self, stage: _Stage, request: _Request) -> int:
        """R13."""
        hit = request.luck.hit[stage.index]
        if hit is not None and hit[request.row]:
            return stage.hit_time
        work = float(stage.floor + stage.per_item * request.items[stage.index])
        exact = request.luck.unit[stage.index][request.row] * work + 0.5
        return 1 if exact < 1.0 else LONGEST_SERVICE if exact > LONGEST_SERVICE else int(exact)

    def _finish(self, visit: _Visit) -> None:
        self.events += 1
        now = self.env.now
        stage, queue, request = visit.stage, visit.queue, visit.request
        visit.end = now
        stage.busy_integral += now
        stage.busy -= 1
        queue.busy -= 1
        if queue.waiting:
            following = queue.waiting.popleft()
            stage.waiting -= 1
            stage.waiting_integral += now
            self._start(following, queue, visit.worker, now)
        else:
            heappush(queue.idle, visit.worker)
        answered = visit.outcome == VisitEnd.OPEN
        self._close(visit, VisitEnd.ANSWERED)
        if answered and request.outcome == RequestEnd.IN_FLIGHT:
            self._answer(stage, request, now)

    def _answer(self, stage: _Stage, request: _Request, now: int) -> None:
        request.unanswered -= 1
        if request.unanswered == 0:
            self._end(request, RequestEnd.COMPLETED, now)
            return
        items = min(request.items[stage.index] if stage.gives == PASS_ON else stage.gives, stage.keeps)
        for successor in stage.successors:
            request.items[successor] += items
            request.waits_for[successor] -= 1
            if request.waits_for[successor] == 0:
                self._send(request, self._stages[successor], now)

    # -- ends -------------------------------------------------------------------------------------------------------

    def _times_out(self, due: _Due) -> None:
        self.events += 1
        visit: _Visit = due.subject
        if visit.outcome == VisitEnd.OPEN:
            visit.outcome = VisitEnd.EXPIRED  # its worker does not know, and carries on
            self._fail(visit.request, RequestEnd.TIMED_OUT, self.env.now)

    def _client_times_out(self, due: _Due) -> None:
        self.events += 1
        self._fail(due.subject, RequestEnd.TIMED_OUT, self.env.now)

    def _fail(self, request: _Request, outcome: RequestEnd, now: int) -> None:
        if request.outcome == RequestEnd.IN_FLIGHT:
            self._end(request, outcome, now)

    def _end(self, request: _Request, outcome: RequestEnd, now: int) -> None:
        request.outcome = outcome
        self._ended.append((request.number, request.arrival, now, outcome))

    def _close(self, visit: _Visit, outcome: VisitEnd) -> None:
        """The visit is over for its stage as well; an expired one stays expired."""
        if visit.outcome == VisitEnd.OPEN:
            visit.outcome = outcome
        if self._trace is not None:
            del self._open[visit]
            self._trace.append(_row(visit))

    def _at(
        self, time: int, kind: int, request: int, visit: int, handler: Callable[[Any], None], subject: Any
    ) -> None:
        due = _Due(self.env, handler, subject)
        self.env.schedule(due, _priority(kind, request, visit), time - self.env.now)

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

    def integrals(self, now: int) -> tuple[Ints, Ints]:
        """Time integrals from 0 to now of the visits waiting and in service, by stage (ns)."""
        waiting = np.array([s.waiting_integral + s.waiting * now for s in self._stages])
        return waiting, np.array([s.busy_integral + s.busy * now for s in self._stages])

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
            starts=np.array([s.starts for s in self._stages]),
            rejections=np.array([s.rejections for s in self._stages]),
            wait_sum=np.array([int(w.sum()) for w in waits]),
            service_sum=np.array([s.service_sum for s in self._stages]),
            waits=np.array([histogram.count(w) for w in waits]),
        )

    def trace(self) -> Trace:
        """Every visit so far, unfinished ones included (`keep_trace`)."""
        assert self._trace is not None
        rows = self._trace + [_row(v) for v in self._open]
        return sorted_trace(np.array(rows, dtype=np.int64).reshape(-1, len(Visit._fields)))


def _row(v: _Visit) -> Visit:
    return Visit(v.request.number, v.number, v.stage.index, v.send, v.join, v.start, v.end, v.worker, v.outcome)
