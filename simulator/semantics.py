"""What a run means: the rules both request planes keep, and checks of them on a trace.

A request is a tree of visits: choose a replica, join its queue, start, end, answer. Time is int64 nanoseconds.
This module is the reference for `requests_simpy` (readable) and `requests_compiled` (fast); where they and these
words differ, they are wrong. Rules of behaviours that do not exist yet (R7 second tries, R8 deadlines, R14 cells)
are added with them.

R1  one end       A request ends once (`RequestEnd`); a visit ends once (`VisitEnd`).
R2  causality     send <= join <= start < end; a stage is sent its visit when the last of the stages it comes `after`
                  has answered; a required visit's rejection or time-out ends the request at that instant. What was
                  already sent goes on (nobody recalls it); nothing new is sent for a request that has ended.
R3  capacity      A worker carries one visit; a queue holds at most its limit of waiting visits.
R4  work conserv. No worker idles while its own queue holds a visit.
R5  order         First come, first served within a queue.
R6  time          Events run in the order (time, kind, request, visit). Kinds: finish, timer, send. Requests are
                  numbered by arrival, visits by a counter within their request. A finish first frees its worker,
                  which takes the next visit of its queue, then answers; successors are sent in stage order. A stage
                  without `hop` is joined at the instant of sending. Every scheduled delay is at least 1 ns. Control
                  processes act before all request events of their instant.
R9  measurement   Measured are the requests that arrive in the window [start, end). Arrivals go on, unmeasured, until
                  the last measured request has ended or the drain limit. Percentiles are over all measured requests,
                  unanswered ones counting as later than any limit. Stage figures are time averages over the window;
                  a stage's waits and service times are those of the visits that join within it.
R10 determinism   Same key, same bytes, except the field `engine`.
R11 parity        Both planes produce the same trace.
R12 Little        The time integral of the number waiting (in service) over the window equals the sum of the
                  visits' waiting (service) times inside it, to the nanosecond.
R13 service       max(1, round(unit x (floor + per_item x items))) nanoseconds; the unit has mean 1 and the declared
                  cv. A cache hit takes `hit_time` instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.network import SHARED, Machine

# Kinds of events, in the order in which they run within an instant (R6).
FINISH, TIMER, SEND = 1, 2, 3


class RequestEnd(IntEnum):
    """How a request ended (R1). IN_FLIGHT: not before the run did."""

    IN_FLIGHT = 0
    COMPLETED = 1
    DEGRADED = 2
    REJECTED = 3
    TIMED_OUT = 4
    FAILED = 5
    SUPERSEDED = 6


class VisitEnd(IntEnum):
    """How a visit ended (R1). OPEN: not before the run did."""

    OPEN = 0
    ANSWERED = 1
    REJECTED = 2
    EXPIRED = 3


class Visit(NamedTuple):
    """One row of a trace. Times in ns, -1 where the visit never got so far; `worker` is the stage's, from 0."""

    request: int
    visit: int
    stage: int
    send: int
    join: int
    start: int
    end: int
    worker: int
    outcome: int


Trace = NDArray[np.int64]  # shape (visits, len(Visit._fields)), sorted by request, visit


def sorted_trace(rows: Trace) -> Trace:
    """The trace in the order of requests and visits: the order of recording is a plane's own affair."""
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def visits(trace: Trace) -> Iterator[Visit]:
    """The rows of a trace by name."""
    return (Visit(*row) for row in trace.tolist())


def violations(machine: Machine, trace: Trace, horizon: int) -> list[str]:
    """Rules that a complete trace breaks, in words; empty when it keeps R2 to R5. `horizon`: the end of the run, ns."""
    rows = list(visits(trace))
    return [*_causality(machine, rows), *_capacity(rows), *_queues(machine, rows, horizon)]


def _causality(machine: Machine, rows: list[Visit]) -> Iterator[str]:
    answered = {(v.request, v.stage): v.end for v in rows if v.outcome == VisitEnd.ANSWERED}
    predecessors: dict[int, list[int]] = defaultdict(list)
    for stage in range(len(machine.replicas)):
        for successor in machine.successors[machine.first_successor[stage] : machine.first_successor[stage + 1]]:
            predecessors[int(successor)].append(stage)
    for v in rows:
        if v.join >= 0 and v.join != v.send + machine.hop[v.stage]:
            yield f"R2: {v} did not join one hop after it was sent"
        if v.start >= 0 and not v.join <= v.start:
            yield f"R2: {v} started before it joined"
        if v.end >= 0 and not v.start < v.end:
            yield f"R2: {v} ended no later than it started"
        ends = [answered.get((v.request, stage)) for stage in predecessors[v.stage]]
        if ends and (None in ends or max(e for e in ends if e is not None) != v.send):
            yield f"R2: {v} was not sent when the last stage before it answered ({ends})"


def _capacity(rows: list[Visit]) -> Iterator[str]:
    by_worker: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.start >= 0:
            by_worker[v.stage, v.worker].append(v)
    for worker, served in by_worker.items():
        served.sort(key=lambda v: v.start)
        for earlier, later in zip(served, served[1:], strict=False):
            if earlier.end < 0 or later.start < earlier.end:
                yield f"R3: worker {worker} carried two visits: {earlier} and {later}"


def _queues(machine: Machine, rows: list[Visit], horizon: int) -> Iterator[str]:
    """R3 (queue limit), R4 and R5, queue by queue. Waiting visits never left unserved hold their place to the end."""
    by_queue: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.join >= 0 and v.outcome != VisitEnd.REJECTED and v.worker >= 0:
            shared = machine.balancing[v.stage] == SHARED
            by_queue[v.stage, 0 if shared else v.worker // int(machine.concurrency[v.stage])].append(v)
    for (stage, queue), members in by_queue.items():
        shared = machine.balancing[stage] == SHARED
        workers = int(machine.concurrency[stage]) * (int(machine.replicas[stage]) if shared else 1)
        starts = [v.start for v in sorted(members, key=lambda v: (v.join, v.start))]
        if starts != sorted(starts):
            yield f"R5: stage {stage}, queue {queue} was not served in the order of joining"
        for v in members:
            if v.start == v.join:
                continue
            busy = sum(1 for o in members if o.start <= v.join and (o.end > v.join or o.end < 0))
            handed_on = sum(1 for o in members if o.end == v.join)
            if busy + handed_on < workers:
                yield f"R4: {v} waited while a worker of stage {stage}, queue {queue} was idle"
            waiting = sum(1 for o in members if o.join <= v.join < o.start)
            if waiting > machine.queue_limit[stage] + handed_on:
                yield f"R3: stage {stage}, queue {queue} held {waiting} visits at {v.join}"
    if any(max(v.send, v.join, v.start) > horizon for v in rows):
        yield "R6: something happened after the end of the run"
