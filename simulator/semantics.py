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

from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.network import NEVER, Machine

if TYPE_CHECKING:
    from simulator.plane import Ended

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
    """One row of a trace. Times in ns, -1 where the visit never got so far; `worker` is the stage's, from 0.

    `end` is when the stage was done with it: its finish, or the instant in which it was turned away.
    """

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


def violations(machine: Machine, trace: Trace, ended: Ended, horizon: int) -> list[str]:
    """Rules that a complete trace breaks, in words; empty when it keeps R1 to R5.

    `ended`: all requests that ended; `horizon`: when the run stopped, ns (its events are those before).
    """
    rows = list(visits(trace))
    ends = list(zip(*(column.tolist() for column in ended), strict=True))
    return [
        *_one_end(rows, ends),
        *_causality(machine, rows),
        *_outcomes(machine, rows, ends, horizon),
        *_capacity(rows),
        *_queues(machine, rows, horizon),
    ]


def _one_end(rows: list[Visit], ends: list[tuple[int, ...]]) -> Iterator[str]:
    for what, identities in (
        ("request", Counter(number for number, *_ in ends)),
        ("visit", Counter((v.request, v.visit) for v in rows)),
        ("visit of a stage", Counter((v.request, v.stage) for v in rows)),
    ):
        yield from (f"R1: {what} {identity} ended {n} times" for identity, n in identities.items() if n > 1)


def _causality(machine: Machine, rows: list[Visit]) -> Iterator[str]:
    answered = {(v.request, v.stage): v.end for v in rows if v.outcome == VisitEnd.ANSWERED}
    predecessors: dict[int, list[int]] = defaultdict(list)
    for stage in range(machine.stages):
        for successor in machine.successors[machine.first_successor[stage] : machine.first_successor[stage + 1]]:
            predecessors[int(successor)].append(stage)
    for v in rows:
        if v.join >= 0 and v.join != v.send + machine.hop[v.stage]:
            yield f"R2: {v} did not join one hop after it was sent"
        if v.start >= 0 and not 0 <= v.join <= v.start:
            yield f"R2: {v} started before it joined"
        if v.end >= 0 and v.start >= 0 and not v.start < v.end:
            yield f"R2: {v} ended no later than it started"
        ends = [answered.get((v.request, stage)) for stage in predecessors[v.stage]]
        if ends and (None in ends or max(e for e in ends if e is not None) != v.send):
            yield f"R2: {v} was not sent when the last stage before it answered ({ends})"


def _outcomes(machine: Machine, rows: list[Visit], ends: list[tuple[int, ...]], horizon: int) -> Iterator[str]:
    """R1 and R2: how and when visits and requests end."""
    of_request: dict[int, list[Visit]] = defaultdict(list)
    for v in rows:
        of_request[v.request].append(v)
        due = v.send + int(machine.timeout[v.stage])
        over = v.end if v.end >= 0 else horizon
        if v.outcome == VisitEnd.EXPIRED and not due < horizon:
            yield f"R2: {v} expired before its time-out at {due}"
        if v.outcome in (VisitEnd.OPEN, VisitEnd.ANSWERED) and over > due:
            yield f"R2: {v} should have expired at {due}"
        if (v.outcome == VisitEnd.OPEN) != (v.end < 0) and v.outcome != VisitEnd.EXPIRED:
            yield f"R1: {v} is open and ended, or neither"
    known = {number for number, *_ in ends}
    in_flight = [(number, NEVER, NEVER, int(RequestEnd.IN_FLIGHT)) for number in of_request if number not in known]
    for number, arrival, end, outcome in [*ends, *in_flight]:
        family = of_request[number]
        failures = [arrival + machine.client_timeout]
        failures += [v.end for v in family if v.outcome == VisitEnd.REJECTED]
        failures += [v.send + int(machine.timeout[v.stage]) for v in family if v.outcome == VisitEnd.EXPIRED]
        last = max((v.end for v in family), default=NEVER)
        complete = [v.outcome for v in family] == [VisitEnd.ANSWERED] * machine.stages
        if outcome == RequestEnd.COMPLETED:
            if not complete or last != end or min(failures) < end:
                yield f"R1: request {number} completed at {end}, but its visits say otherwise: {family}"
        elif outcome == RequestEnd.IN_FLIGHT:
            if complete or min(failures) < horizon:
                yield f"R1: request {number} has ended, but nobody was told: {family}"
        elif min(failures) != end:
            yield f"R2: request {number} failed at {end}, not at {min(failures)}: {family}"
        if any(v.send > end for v in family):
            yield f"R2: request {number} ended at {end}, but sent a visit after that: {family}"


def _capacity(rows: list[Visit]) -> Iterator[str]:
    by_worker: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.start >= 0:
            by_worker[v.stage, v.worker].append(v)
    for worker, served in by_worker.items():
        served.sort(key=lambda v: v.start)
        for earlier, later in pairwise(served):
            if earlier.end < 0 or later.start < earlier.end:
                yield f"R3: worker {worker} carried two visits: {earlier} and {later}"


def _queues(machine: Machine, rows: list[Visit], horizon: int) -> Iterator[str]:
    """R3 (queue limit), R4 and R5, queue by queue. Visits that never started are known by queue where there is one."""
    one_queue = (machine.queues() == 1).tolist()
    workers = (machine.workers() // machine.queues()).tolist()
    by_queue: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.start >= 0 or (one_queue[v.stage] and v.join >= 0):
            by_queue[v.stage, 0 if one_queue[v.stage] else v.worker // workers[v.stage]].append(v)
    for (stage, queue), joined in by_queue.items():
        # Joins of an instant happen in the order of requests (R6), and a request visits a stage once.
        joined.sort(key=lambda v: (v.join, v.request))
        turned_away = [v for v in joined if v.start < 0 <= v.end]
        starts = [v.start if v.start >= 0 else NEVER for v in joined if v.start >= 0 or v.end < 0]
        where = f"stage {stage}, queue {queue}"
        if starts != sorted(starts):
            yield f"R5: {where} was not served in the order of joining"
        taken = [v for v in joined if v.start >= 0 or v.end < 0]
        yield from _levels(where, taken, turned_away, workers[stage], int(machine.queue_limit[stage]))
    if any(max(v.send, v.join, v.start, v.end) >= horizon for v in rows):
        yield "R6: something happened after the end of the run"


def _levels(where: str, taken: list[Visit], turned_away: list[Visit], workers: int, limit: int) -> Iterator[str]:
    """R3 and R4 after each instant: how many wait, how many are served, and whether who was turned away had to be."""
    changes: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for v in taken:
        changes[v.join][0] += 1
        if v.start >= 0:
            changes[v.start][0] -= 1
            changes[v.start][1] += 1
        if v.end >= 0:
            changes[v.end][1] -= 1
    freed = {v.end for v in taken}
    refused = {v.end for v in turned_away}
    waiting = busy = 0
    for now in sorted(changes.keys() | refused):
        waiting += changes[now][0]
        busy += changes[now][1]
        if waiting > limit:
            yield f"R3: {where} held {waiting} visits at {now}, more than its limit of {limit}"
        if waiting and busy < workers:
            yield f"R4: {where} had an idle worker at {now} while {waiting} visits waited"
        if now in refused and now not in freed and (waiting, busy) != (limit, workers):
            state = f"{waiting} waiting and {busy} of {workers} workers busy"
            yield f"R3: {where} turned a visit away at {now} with {state}"
