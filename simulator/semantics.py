"""What a run means: the rules both request planes keep. `invariants` checks them on a trace.

A request is a tree of visits. The client's visit is its root; a visit *calls* the stages called within it (the client
those that no other calls), each when the last of the stages it comes after is settled. A **call** goes to one stage,
or to each of its shards, and has **attempts**: a visit each, and at most one hedge beside it. A visit: choose a
replica, join its queue, start, end, run the calls within it, answer its caller. Time is int64 nanoseconds.
This module is the reference for `requests_simpy` (readable) and `requests_compiled` (fast); where they and these
words differ, they are wrong. R8's deadlines and R14's cells across a fleet are said where they belong.

R1  one end       A request ends once (`RequestEnd`); a visit ends once (`VisitEnd`): answered; rejected (a full
                  queue, no token, nobody ready, an open breaker); expired (its attempt timed out, or its deadline had
                  passed when its turn came); failed (an error, a call within it, or its replica died); cancelled (its
                  caller wants it no more). Of a session a request without an answer is superseded when the next one
                  arrives: nobody waits for it any more, and nothing of it is tried again. A request is degraded if it
                  was answered and in any of its attempts a fallback was used, an optional stage left out, or a stage
                  went on late without all of its shards. A visit keeps its first end: one that expired stays so,
                  whatever becomes of it in a queue.
R2  causality     send <= join <= start < end <= answer; `answer` is when its caller knew. A visit gets to its stage
                  one hop after it was sent; if the link is cut then, it is lost: it never joins, nobody is told, and
                  it is let go whatever `cancel` says. Else it chooses a replica, and joins; one in another zone than
                  its caller's `zone_hop` later. Where the caller stands in no zone it is the one where the request
                  came in, drawn by its key. A stage is called when the stages it comes `after` are settled, or as
                  soon as `wait_for` of them have answered; a stage whose `when` does not hold is settled at once. It
                  is settled when `quorum` of its shards have answered, when it is too late (`late_after`, from its
                  sending), or when so many have failed that there will be no quorum. Too late, it goes on with the
                  shards that have answered; without any, or without a quorum, an optional stage is left out, and a
                  required one fails its caller at that instant. A caller that has ended calls nothing more, and what
                  it had sent is treated as its stage's `cancel` says. A visit that expired with a worker's hands on
                  it does not know, and carries on, calls and all. A caller is answered when the stages that no other
                  comes after are settled. With `wait_for` a stage may be left behind: nobody needs it once all that
                  come after it are called, its failure is nobody's, and it is let go when its caller is answered.
R3  capacity      A worker carries one visit, or one batch; a queue takes nobody in above its limit of waiting visits.
                  A worker is free when its visit ends, or, held, when the `hold` calls within it are settled. Only
                  ready replicas are chosen. One that is killed is absent at once, and what is with it fails: who
                  waits in its own queue, is served, or waits for calls within it; in tow of a fetch a visit ends with
                  that. One that drains works off its own queue, and is absent when that is empty and its workers
                  rest; from a shared queue a worker takes nothing more, and leaves when it is free. Who comes from
                  another zone to a replica that is absent by then is turned away. One that comes has a cold cache,
                  and takes who waits in a shared queue. A shared queue outlives its replicas. A paused stage starts
                  nothing.
R4  work conserv. No worker idles while its own queue holds a visit, except for a batch that is not due (fewer than
                  `size` wait, and the oldest not yet as long as `wait`) and while the stage is paused.
R5  order         First come first served; or newest first, always or while more than `lifo_above` wait; or the most
                  important class first, then in order of joining. A full queue turns away who comes, or drops its
                  oldest (of its least important class).
R6  time          Events run in the order (time, kind, request, visit). Kinds: finish; time-out; too late; hedge;
                  batch; send (an arrival, the end of a hop); again (the end of a backoff, a fallback that is ready);
                  wake (a user has thought). Requests are numbered by arrival, visits by a counter within their
                  request, of which the client's first has 0. What follows at the same instant goes on one agenda,
                  first in first out, emptied before the next event. Every scheduled delay is at least 1 ns. Control
                  processes act before all request events of their instant. A timer (time-out, too late, hedge, batch)
                  of what is over by then is no event.
R7  second tries  An attempt has one time-out, from its send, for both its copies; the first answer wins. It fails when
                  a copy fails and no other is under way. Then: again after base x 2^(k-1), capped, less a keyed share
                  of `jitter`, if attempts and budget allow; else the fallback, after its time; else the call fails.
                  Each first attempt adds `budget` (whole millionths, at most 10 tokens, full at first) to the edge's
                  retries and to its hedges, each of which takes one token. `cancel`: what becomes of a copy when its
                  attempt is over or its caller has ended: nothing, it is taken from the queue, or from its worker too.
                  The breaker keeps the results of the last n attempts; open, it turns attempts away, but for a probe
                  each `open_for`; a probe's answer closes it, empty.
R8  deadlines     deadline = arrival + client.deadline; with `drop_expired` a visit whose deadline is past is dropped
                  when its turn comes. Past its deadline nothing is tried again.
R9  measurement   Measured are the requests that arrive in the window [start, end). Arrivals go on, unmeasured, until
                  the last measured request has ended or the drain limit. Percentiles are over all measured requests
                  but the superseded, which count neither way; unanswered ones count as later than any limit. Stage
                  figures are time averages over the window; a stage's waits and service times are those of the visits
                  that join within it. Held workers are busy.
R10 determinism   Same key, same bytes, except the field `engine`.
R11 parity        Both planes produce the same trace.
R12 Little        The time integral of the number waiting (of busy workers, of workers there) over the window equals
                  the sum of the visits' waiting (the workers' busy, the workers') times inside it, to the nanosecond.
R13 service       max(1, round(unit x (floor + per_item x items) x factors of stage and replica)) nanoseconds, by what
                  holds at the start; the unit has mean 1 and the declared cv; a batch has one unit, its first
                  member's, and the sum of the items. A cache hit takes `hit_time` instead. A sharded stage's items
                  are shared out, rounded up.

Batches     A free worker takes up to `size` when so many wait, or when the oldest has waited `wait`. A member that is
            cancelled stays in its batch.
Caches      Looked up at start. By keys: one entry a key, in each replica or shared; a miss writes its entry when its
            visit answers; a full cache drops the least recently used (looked up or written) or the oldest written. With
            `coalesce` a miss whose key is being fetched leaves its worker and is answered, or fails, with the fetch.
Items       A request's class gives its first items. A stage hands on what it gives (what it received, if it says
            nothing), times answered shards / shards, at most what it keeps; left out or not called, nothing if it
            says what it gives, else what it received.
Keys        A request asks a cache for one key; a shard for one of its own; caches of the same keys (`keys_of`) for the
            same one, whatever the attempt.
Tokens      GCRA: admitted at t if t >= tat - burst; then tat = max(t, tat) + interval.
Balancing   At the end of the hop, among those ready, from the lowest place. least_of: d keyed draws with replacement,
            the first drawn wins ties; least outstanding: smallest waiting + in service, then least recently chosen,
            then lowest; hash: of the key of its cache, or of the request, draws of places until one is ready (at most
            `MOST_PROBES`), so that only the keys of one that goes move. A hedge that hits its twin's replica takes
            the next.
Hot keys    A request asks for the last key of its cache, the rarest, if its draw is below `hot_threshold`; without
            keys, under `hash`, it goes where all such go.
Numbers     Those of `machine.LIVE` can change: what counts is what holds when it is read. At the sending hop,
            time-out, hedge, lateness and what is added to budgets; at the end of the hop the cut and tokens; at the
            join the queue's limit; at the start order, drops and R13; at the end errors; at a failure attempts,
            backoff, fallback and the price of a retry; when a stage is settled what it gives.
Closed loop A user thinks, asks, waits for the end, and thinks again: for mean x unit of its n-th think time, at least
            1 ns. Those above their number now go to sleep when they would think or ask; called back, they think
            first.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Kinds of events, in the order in which they run within an instant (R6).
FINISH, TIME_OUT, LATE, HEDGE, BATCH, SEND, AGAIN, WAKE = range(1, 9)
ID_BITS = 59  # an event is ordered by kind << ID_BITS | request << 16 | visit, which fits int64


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
    FAILED = 4
    CANCELLED = 5


class Visit(NamedTuple):
    """One row of a trace. Times in ns, -1 where the visit never got so far.

    The client's visits have neither join, start, end nor free: the client is no queue. `due` is the end of the wait
    for a batch (otherwise `join`), `end` that of the service, `free` when its worker was given back, `answer` when its
    caller knew how the visit ended. A visit that waited for another's fetch (a coalesced miss) has no start.
    """

    request: int
    visit: int
    stage: int
    caller: int  # number of the calling visit; -1 for the client's own
    shard: int
    attempt: int  # from 0
    copy: int  # 1: a hedge
    send: int
    join: int
    due: int
    start: int
    end: int
    free: int
    answer: int
    replica: int  # whose queue it joined
    worker: int  # the stage's, from 0
    batch: int  # visit identity (request << 16 | visit) of the first member of its batch; -1: served alone
    outcome: int


Trace = NDArray[np.int64]  # shape (visits, len(Visit._fields)), sorted by request, visit


def sorted_trace(rows: Trace) -> Trace:
    """The trace in the order of requests and visits: the order of recording is a plane's own affair."""
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def visits(trace: Trace) -> Iterator[Visit]:
    """The rows of a trace by name."""
    return (Visit(*row) for row in trace.tolist())
