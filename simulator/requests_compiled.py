"""The compiled request plane: the rules of `semantics` as one numba kernel over records.

It does what `requests_simpy` does, in the same order, on arrays of records: pools of request and visit slots with free
lists, queues as linked lists through the visit slots, a heap of events. `advance` runs until an instant, or until an
array may become too small for the next event; then Python doubles that array and calls again, so nothing in the kernel
ever allocates or fails half-way.

Events whose delay is a stage's constant (hops and time-outs) come about in the order in which they fall due. They wait
in *lanes*, first in first out, and only the first of a lane is in the heap: it stays as small as the number of workers,
however many time-outs are pending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from simulator import draws, histogram
from simulator.network import NEVER, PASS_ON, ROUND_ROBIN, Ints, Machine, Whole
from simulator.plane import LONGEST_SERVICE, Ended, EventLimitReachedError, StageTally
from simulator.semantics import FINISH, SEND, TIMER, RequestEnd, Trace, Visit, VisitEnd, sorted_trace
from simulator.workload import ArrivalStream

F = TypeVar("F", bound=Callable[..., Any])
Records = Any  # an array of records, or of slots
Row = Any  # one record of an array
Number = Any  # int64, uint64 or a slot: numba infers which, mypy cannot

CHUNK = 8192  # arrivals fetched at once
ROOM = 1024  # places of an array at first
TICK = 1 << 18  # events between two looks at the wall clock

# What `advance` says when it returns.
DONE, MORE_ARRIVALS, MORE_ROOM, CHECKPOINT = range(4)

ID_BITS = 60
ID = (1 << ID_BITS) - 1
FIELDS = len(Visit._fields)

# Slots are unsigned, because numba adds code to every signed index that makes -1 the last element.
SLOT: Any = np.uint32
NONE: Any = SLOT(0xFFFF_FFFF)
NOT_YET = -1  # a time in a visit

# Sums of times are kept in two halves, for 2^63 ns are but 292 years of waiting, all visits together.
WORD_BITS = 32
WORD = (1 << WORD_BITS) - 1

# Keys stay uint64: numba makes float64 of uint64 with int64.
U0, U1, U4, U6, U27, U30, U31, U32, U56, U63 = (np.uint64(i) for i in (0, 1, 4, 6, 27, 30, 31, 32, 56, 63))
GOLDEN, MULTIPLIER_1, MULTIPLIER_2 = (np.uint64(i) for i in (draws.GOLDEN, draws.MULTIPLIER_1, draws.MULTIPLIER_2))
SERVICE, CACHE, ROUTE = (np.uint64(i) for i in (draws.SERVICE, draws.CACHE, draws.ROUTE))
LOW_63, LOW_52 = np.uint64((1 << 63) - 1), np.uint64((1 << 52) - 1)
OCTAVES, LAST_OCTAVE = np.uint64(draws.OCTAVES), np.uint64(draws.OCTAVES - 1)
CELLS, LAST_CELL, EDGES = np.uint64(draws.CELLS), np.uint64(draws.CELLS - 1), np.uint64(draws.EDGES)
BITS = np.uint64(histogram.BITS)
WIDE = np.uint64(63 - histogram.BITS)  # leading zeros of the widest value that has a bin of its own

# Enums as plain numbers: numba compiles constants.
IN_FLIGHT, COMPLETED, REJECTED, TIMED_OUT = (
    int(e) for e in (RequestEnd.IN_FLIGHT, RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT)
)
OPEN, ANSWERED, TURNED_AWAY, EXPIRED = (
    int(e) for e in (VisitEnd.OPEN, VisitEnd.ANSWERED, VisitEnd.REJECTED, VisitEnd.EXPIRED)
)


def _records(wide: str, slots: str = "", keys: str = "") -> np.dtype[Any]:
    """A type of records: int64, then slots, then uint64."""
    columns = [(name, np.int64) for name in wide.split()] + [(name, np.uint64) for name in keys.split()]
    return np.dtype(columns + [(name, SLOT) for name in slots.split()], align=True)


CLOCK = _records(
    "events checkpoint stopped first measuring keep_trace client_timeout",
    "arrival arrivals pending ended traced agenda "
    "free_request free_requests free_visit free_visits free_timer free_timers",
)
EVENT = _records("time key", "slot lane")  # key: kind | request | visit, the order within an instant (R6)
TIMED = _records("time key", "slot next")
LANE = _records("", "busy head tail")  # busy: its first event is in the heap; head, tail: timers that follow
REQUEST = _records("number arrival", "outcome visits unanswered open_visits next", "key")
PART = _records("waits_for items")  # of a request at a stage
VISIT = _records("identity send join start", "request stage queue worker next outcome measured")
QUEUE = _records("length busy", "head tail idle low_word first_word first_worker")
ENDED = _records("number arrival end outcome")
STAGE = _records(
    "floor per_item gives keeps hit_threshold hit_time queue_limit hop timeout "  # as in Machine
    "waiting in_service most_waiting sends joins starts rejections "
    "waiting_low waiting_high busy_low busy_high wait_low wait_high service_low service_high",  # sums of ns, see `WORD`
    "table balancing choices predecessors first_successor last_successor first_queue queues turn",
    "name_hash",
)


class State(NamedTuple):
    """The machine and everything that changes, as arrays of records."""

    clock: Records  # shape (1,)
    arrival_times: Ints
    arrival_keys: draws.Keys
    heap: Records  # EVENT
    timer: Records  # shape (room,): the lanes' places
    lane: Records  # hops by stage, time-outs by stage, the client's time-out
    request: Records
    part: Records  # shape (request slots, stages)
    visit: Records
    queue: Records
    idle: draws.Keys  # a bit for each worker, from the queue's `first_word` on
    stage: Records
    successors: Records
    sources: Records
    tables: draws.Floats
    waits: Ints  # shape (stages, histogram.BINS)
    agenda: Records  # visits that join at this instant, in order
    ended: Records
    trace: Ints  # shape (room, FIELDS)


def compiled(function: F) -> F:
    """Machine code, kept on disk, that lets other threads run.

    `_nrt=False` (which numba does not document) leaves out its reference counts: the kernel never allocates, and
    counting twenty arrays at each touch makes it ten times slower.
    """
    made: F = cast(Any, njit)(cache=True, nogil=True, _nrt=False)(function)
    return made


def inlined(function: F) -> F:
    """Put into its callers: calling with twenty arrays costs more than what it does."""
    made: F = cast(Any, njit)(inline="always")(function)
    return made


def _leading_zeros(_: Any, value: Any) -> Any:
    return types.uint64(value), lambda context, builder, signature, args: builder.ctlz(args[0], cgutils.false_bit)


def _trailing_zeros(_: Any, value: Any) -> Any:
    return types.uint64(value), lambda context, builder, signature, args: builder.cttz(args[0], cgutils.false_bit)


leading_zeros: Any = intrinsic(_leading_zeros)  # of a uint64: one instruction
trailing_zeros: Any = intrinsic(_trailing_zeros)


# -- draws ------------------------------------------------------------------------------------------------------------


@compiled
def mix(key: np.uint64, word: np.uint64) -> Number:
    z = key + (word + U1) * GOLDEN
    z = (z ^ (z >> U30)) * MULTIPLIER_1
    z = (z ^ (z >> U27)) * MULTIPLIER_2
    return z ^ (z >> U31)


@compiled
def quantile(tables: draws.Floats, row: Number, draw: np.uint64) -> Number:
    side = EDGES if draw >> U63 else U0
    distance = draw & LOW_63
    octave = leading_zeros(distance) - U1
    if octave >= OCTAVES:
        return tables[row, side]
    distance = distance << octave
    cell = side + (LAST_OCTAVE - octave) * CELLS + ((distance >> U56) & LAST_CELL)
    fraction = np.float64((distance >> U4) & LOW_52) * 2.0**-52
    low = tables[row, cell]
    return low + (tables[row, cell + U1] - low) * fraction


@compiled
def bin_of(value: int) -> Number:
    unsigned = np.uint64(value)
    zeros = leading_zeros(unsigned)
    shift = WIDE - zeros if zeros < WIDE else U0
    return (shift << BITS) + (unsigned >> shift)


# -- events -----------------------------------------------------------------------------------------------------------


@compiled
def push(clock: Row, heap: Records, time: int, key: int, slot: Number, lane: Number) -> None:
    i = np.uint64(clock.pending)
    clock.pending += 1
    while i > U0:
        above = heap[(i - U1) >> U1]
        if above.time < time or (above.time == time and above.key < key):
            break
        here = heap[i]
        here.time, here.key, here.slot, here.lane = above.time, above.key, above.slot, above.lane
        i = (i - U1) >> U1
    here = heap[i]
    here.time, here.key, here.slot, here.lane = time, key, slot, lane


@compiled
def replace_first(clock: Row, heap: Records, time: int, key: int, slot: Number, lane: Number) -> None:
    """Put an event where the first was, and let it sink."""
    size = np.uint64(clock.pending)
    i = U0
    child = U1
    while child < size:
        below = heap[child]
        if child + U1 < size:
            other = heap[child + U1]
            child += np.uint64((other.time < below.time) | ((other.time == below.time) & (other.key < below.key)))
            below = heap[child]
        if time < below.time or (time == below.time and key < below.key):
            break
        here = heap[i]
        here.time, here.key, here.slot, here.lane = below.time, below.key, below.slot, below.lane
        i = child
        child = (i << U1) + U1
    here = heap[i]
    here.time, here.key, here.slot, here.lane = time, key, slot, lane


@inlined
def drop_first(st: State) -> None:
    """The first event is over; the next of its lane, if it has one, takes its place."""
    clock = st.clock[0]
    first = st.heap[0]
    following = NONE
    if first.lane != NONE:
        lane = st.lane[first.lane]
        following = lane.head
        if following == NONE:
            lane.busy = 0
        else:
            timer = st.timer[following]
            lane.head = timer.next
            timer.next = clock.free_timer
            clock.free_timer = following
            clock.free_timers += 1
            replace_first(clock, st.heap, timer.time, timer.key, timer.slot, first.lane)
    if following == NONE:
        clock.pending -= 1
        last = st.heap[clock.pending]
        replace_first(clock, st.heap, last.time, last.key, last.slot, last.lane)


@inlined
def after_delay(st: State, number: Number, time: int, key: int, slot: Number) -> None:
    """An event in a lane, after those that are there."""
    clock, lane = st.clock[0], st.lane[number]
    if lane.busy:
        t = clock.free_timer
        timer = st.timer[t]
        clock.free_timer = timer.next
        clock.free_timers -= 1
        timer.time, timer.key, timer.slot, timer.next = time, key, slot, NONE
        if lane.head == NONE:
            lane.head = t
        else:
            st.timer[lane.tail].next = t
        lane.tail = t
    else:
        lane.busy = 1
        push(clock, st.heap, time, key, slot, number)


# -- the request path -------------------------------------------------------------------------------------------------


@inlined
def arrive(st: State, now: int) -> None:
    clock = st.clock[0]
    row = clock.arrival
    clock.arrival += 1
    r = clock.free_request
    request = st.request[r]
    clock.free_request = request.next
    clock.free_requests -= 1
    number = clock.first + row
    stages = SLOT(len(st.stage))
    request.number = number
    request.arrival = now
    request.key = st.arrival_keys[row]
    request.outcome = IN_FLIGHT
    request.visits = 0
    request.open_visits = 0
    request.unanswered = stages
    for s in range(stages):
        part = st.part[r, s]
        part.waits_for = st.stage[s].predecessors
        part.items = 0
    if clock.client_timeout < NEVER:
        after_delay(st, SLOT(2 * stages), now + clock.client_timeout, TIMER << ID_BITS | number << 16, r)
    for i in range(SLOT(len(st.sources))):
        send(st, r, st.sources[i], now)


@inlined
def send(st: State, r: Number, s: Number, now: int) -> None:
    clock, request, stage = st.clock[0], st.request[r], st.stage[s]
    v = clock.free_visit
    visit = st.visit[v]
    clock.free_visit = visit.next
    clock.free_visits -= 1
    request.visits += 1
    request.open_visits += 1
    identity = request.number << 16 | np.int64(request.visits)
    visit.identity = identity
    visit.send = now
    visit.join = NOT_YET
    visit.start = NOT_YET
    visit.request = r
    visit.stage = s
    visit.outcome = OPEN
    visit.measured = 0
    stage.sends += clock.measuring
    if stage.timeout < NEVER:
        after_delay(st, SLOT(len(st.stage) + s), now + stage.timeout, TIMER << ID_BITS | identity, v)
    if stage.hop:
        after_delay(st, s, now + stage.hop, SEND << ID_BITS | identity, v)
    else:
        st.agenda[clock.agenda] = v
        clock.agenda += 1


@inlined
def join(st: State, v: Number, now: int) -> Number:
    """Whether the visit can start at once."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    visit.join = now
    q = choose(st, visit, stage)
    queue = st.queue[q]
    visit.queue = q
    visit.measured = clock.measuring
    stage.joins += clock.measuring
    starts = queue.idle > 0
    if starts:
        visit.worker = take_idle(queue, st.idle)
    elif queue.length >= stage.queue_limit:
        r = visit.request
        stage.rejections += visit.measured
        close(st, v, TURNED_AWAY, now)
        fail(st, r, REJECTED, now)
        release(st, r)
    else:
        visit.next = NONE
        if queue.length:
            st.visit[queue.tail].next = v
        else:
            queue.head = v
        queue.tail = v
        queue.length += 1
        stage.waiting_low -= now & WORD
        stage.waiting_high -= now >> WORD_BITS
        stage.waiting += 1
        stage.most_waiting = max(stage.most_waiting, stage.waiting)
    return starts


@inlined
def choose(st: State, visit: Row, stage: Row) -> Number:
    best = stage.first_queue
    if stage.queues > 1:
        if stage.balancing == ROUND_ROBIN:
            best = SLOT(best + stage.turn)
            stage.turn = 0 if stage.turn + 1 == stage.queues else stage.turn + 1
        else:
            key = mix(st.request[visit.request].key, stage.name_hash)
            best = SLOT(stage.first_queue + drawn(key, 0, stage.queues))
            load = st.queue[best].length + st.queue[best].busy
            for j in range(1, stage.choices):  # none for RANDOM
                other = SLOT(stage.first_queue + drawn(key, j, stage.queues))
                if st.queue[other].length + st.queue[other].busy < load:
                    best = other
                    load = st.queue[best].length + st.queue[best].busy
    return best


@compiled
def drawn(key: np.uint64, j: Number, replicas: Number) -> Number:
    return SLOT((mix(key, ROUTE + np.uint64(j)) >> U32) * np.uint64(replicas) >> U32)


@compiled
def take_idle(queue: Row, idle: draws.Keys) -> Number:
    """The lowest idle worker of a queue."""
    queue.idle -= 1
    word = queue.low_word
    while idle[queue.first_word + np.uint64(word)] == U0:
        word += SLOT(1)
    queue.low_word = word
    bits = idle[queue.first_word + np.uint64(word)]
    idle[queue.first_word + np.uint64(word)] = bits & (bits - U1)
    return SLOT(queue.first_worker + 64 * word + SLOT(trailing_zeros(bits)))


@compiled
def give_idle(queue: Row, idle: draws.Keys, worker: Number) -> None:
    queue.idle += 1
    place = np.uint64(worker - queue.first_worker)
    word = SLOT(place >> U6)
    queue.low_word = min(queue.low_word, word)
    idle[queue.first_word + np.uint64(word)] |= U1 << (place & U63)


@inlined
def start(st: State, v: Number, now: int) -> None:
    visit = st.visit[v]
    stage = st.stage[visit.stage]
    visit.start = now
    time = service(st, visit, stage)
    st.queue[visit.queue].busy += 1
    stage.in_service += 1
    stage.busy_low -= now & WORD
    stage.busy_high -= now >> WORD_BITS
    if visit.measured:
        wait = now - visit.join
        stage.starts += 1
        stage.service_low += time & WORD
        stage.service_high += time >> WORD_BITS
        stage.wait_low += wait & WORD
        stage.wait_high += wait >> WORD_BITS
        st.waits[visit.stage, bin_of(wait)] += 1
    push(st.clock[0], st.heap, now + time, FINISH << ID_BITS | visit.identity, v, NONE)


@inlined
def service(st: State, visit: Row, stage: Row) -> Number:
    """R13."""
    key = mix(st.request[visit.request].key, stage.name_hash)
    if stage.hit_threshold and np.int64(mix(key, CACHE) >> U1) < stage.hit_threshold:
        time = stage.hit_time
    else:
        items = st.part[visit.request, visit.stage].items
        work = np.float64(stage.floor) + np.float64(stage.per_item) * np.float64(items)
        exact = quantile(st.tables, stage.table, mix(key, SERVICE)) * work + 0.5
        time = LONGEST_SERVICE if exact > LONGEST_SERVICE else max(1, np.int64(exact))
    return time


@inlined
def finish(st: State, v: Number, now: int) -> Number:
    """The visit that takes the freed worker, or NONE."""
    visit = st.visit[v]
    stage, queue, r = st.stage[visit.stage], st.queue[visit.queue], visit.request
    stage.busy_low += now & WORD
    stage.busy_high += now >> WORD_BITS
    stage.in_service -= 1
    queue.busy -= 1
    following = NONE
    if queue.length:
        following = queue.head
        queue.head = st.visit[following].next
        queue.length -= 1
        stage.waiting -= 1
        stage.waiting_low += now & WORD
        stage.waiting_high += now >> WORD_BITS
        st.visit[following].worker = visit.worker
    else:
        give_idle(queue, st.idle, visit.worker)
    s = visit.stage
    answered = visit.outcome == OPEN
    close(st, v, ANSWERED, now)
    if answered and st.request[r].outcome == IN_FLIGHT:
        answer(st, r, s, now)
    release(st, r)
    return following


@inlined
def answer(st: State, r: Number, s: Number, now: int) -> None:
    request, stage = st.request[r], st.stage[s]
    request.unanswered -= 1
    if request.unanswered == 0:
        end(st, r, COMPLETED, now)
    items = min(st.part[r, s].items if stage.gives == PASS_ON else stage.gives, stage.keeps)
    for i in range(stage.first_successor, stage.last_successor):
        successor = st.successors[i]
        part = st.part[r, successor]
        part.items += items
        part.waits_for -= 1
        if part.waits_for == 0:
            send(st, r, successor, now)


# -- ends -------------------------------------------------------------------------------------------------------------


@inlined
def time_out(st: State, key: int, slot: Number, now: int) -> None:
    """Of a visit, or of the client (visit number 0). The slot may have gone to somebody else since."""
    identity = key & ID
    if identity & 0xFFFF == 0:
        if st.request[slot].number == identity >> 16:
            fail(st, slot, TIMED_OUT, now)
    elif st.visit[slot].identity == identity and st.visit[slot].outcome == OPEN:
        st.visit[slot].outcome = EXPIRED  # its worker does not know, and carries on
        fail(st, st.visit[slot].request, TIMED_OUT, now)


@inlined
def fail(st: State, r: Number, outcome: int, now: int) -> None:
    if st.request[r].outcome == IN_FLIGHT:
        end(st, r, outcome, now)


@inlined
def end(st: State, r: Number, outcome: int, now: int) -> None:
    clock, request = st.clock[0], st.request[r]
    ended = st.ended[clock.ended]
    clock.ended += 1
    request.outcome = outcome
    ended.number = request.number
    ended.arrival = request.arrival
    ended.end = now
    ended.outcome = outcome


@inlined
def close(st: State, v: Number, outcome: int, now: int) -> None:
    """The visit is over for its stage as well; an expired one stays expired. Its slot is free."""
    clock, visit = st.clock[0], st.visit[v]
    if visit.outcome == OPEN:
        visit.outcome = outcome
    if clock.keep_trace:
        record(visit, st.trace, clock.traced, now)
        clock.traced += 1
    visit.identity = -1
    visit.next = clock.free_visit
    clock.free_visit = v
    clock.free_visits += 1
    st.request[visit.request].open_visits -= 1


@compiled
def record(visit: Row, trace: Ints, row: Number, now: int) -> None:
    trace[row, 0] = visit.identity >> 16
    trace[row, 1] = visit.identity & 0xFFFF
    trace[row, 2] = visit.stage
    trace[row, 3] = visit.send
    trace[row, 4] = visit.join
    trace[row, 5] = visit.start
    trace[row, 6] = now
    trace[row, 7] = visit.worker if visit.start >= 0 else -1
    trace[row, 8] = visit.outcome


@inlined
def release(st: State, r: Number) -> None:
    """Free the slot of a request that has ended and has no visit left."""
    clock, request = st.clock[0], st.request[r]
    if request.open_visits == 0 and request.outcome != IN_FLIGHT:
        request.number = -1
        request.next = clock.free_request
        clock.free_request = r
        clock.free_requests += 1


# -- the loop ---------------------------------------------------------------------------------------------------------


@inlined
def has_room(st: State) -> Number:
    """Whether the next event, whatever it does, fits: it sends at most a visit a stage, with two events each."""
    clock = st.clock[0]
    most = 2 * len(st.stage) + 4
    return (
        clock.pending + most <= len(st.heap)
        and clock.free_timers >= most
        and clock.free_visits >= most
        and clock.free_requests >= 1
        and clock.ended + most <= len(st.ended)
        and (clock.keep_trace == 0 or clock.traced + most <= len(st.trace))
    )


@compiled
def advance(st: State, until: int) -> int:
    """Run all events before `until`; each followed by its agenda, the visits that join at the same instant (R6)."""
    clock = st.clock[0]
    while True:
        if clock.arrival == clock.arrivals:
            return MORE_ARRIVALS
        if not has_room(st):
            return MORE_ROOM
        now = st.arrival_times[clock.arrival]
        key = SEND << ID_BITS | (clock.first + clock.arrival) << 16
        first = st.heap[0]
        from_heap = clock.pending > 0 and (first.time < now or (first.time == now and first.key < key))
        if from_heap:
            now = first.time
        if now >= until:
            return DONE
        if clock.events == clock.checkpoint:
            clock.stopped = now
            return CHECKPOINT
        clock.events += 1
        clock.agenda = 0
        starting = NONE
        if from_heap:
            key, slot = first.key, first.slot
            drop_first(st)
            kind = key >> ID_BITS
            if kind == FINISH:
                starting = finish(st, slot, now)
            elif kind == TIMER:
                time_out(st, key, slot, now)
            else:
                st.agenda[0] = slot
                clock.agenda = 1
        else:
            arrive(st, now)
        done = SLOT(0)
        while True:
            if starting != NONE:
                start(st, starting, now)
                starting = NONE
            if done == clock.agenda:
                break
            joining = st.agenda[done]
            if join(st, joining, now):
                starting = joining
            done += SLOT(1)


# -- the plane --------------------------------------------------------------------------------------------------------


class CompiledRequests:
    """Moves requests through a machine in compiled code. The interface is `plane.RequestPlane`."""

    engine = "compiled"

    def __init__(
        self,
        machine: Machine,
        arrivals: ArrivalStream,
        keep_trace: bool = False,
        limit: int = NEVER,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = arrivals
        self._state = _state(machine, keep_trace)
        self._limit, self._tick = limit, tick
        self._state.clock["checkpoint"] = min(TICK, limit)
        self._fetch()

    @property
    def events(self) -> int:
        """Events processed so far."""
        return int(self._state.clock["events"][0])

    def advance(self, until: int) -> None:
        """Run all request events strictly before `until` ns."""
        until = min(until, NEVER)
        while (status := advance(self._state, until)) != DONE:
            if status == MORE_ARRIVALS:
                self._fetch()
            elif status == MORE_ROOM:
                self._grow()
            else:
                self._check()

    def _check(self) -> None:
        """Between two events: the limit, or a moment for those who watch."""
        clock = self._state.clock
        if self.events == self._limit:
            raise EventLimitReachedError(int(clock["stopped"][0]))
        self._tick()
        clock["checkpoint"] = min(self.events + TICK, self._limit)

    def _fetch(self) -> None:
        chunk = self._stream.chunk(CHUNK)
        self._state = self._state._replace(arrival_times=chunk.times, arrival_keys=chunk.keys)
        clock = self._state.clock[0]
        clock["arrival"], clock["arrivals"], clock["first"] = 0, len(chunk.times), chunk.first

    def _grow(self) -> None:
        """Double what is nearly full."""
        st = self._state
        clock, most = st.clock[0], 2 * len(st.stage) + 4
        if clock["pending"] + most > len(st.heap):
            st = st._replace(heap=_doubled(st.heap))
        if clock["ended"] + most > len(st.ended):
            st = st._replace(ended=_doubled(st.ended))
        if clock["keep_trace"] and clock["traced"] + most > len(st.trace):
            st = st._replace(trace=_doubled(st.trace))
        if clock["free_timers"] < most:
            st = st._replace(timer=_more_slots(st.timer, clock, "timer"))
        if clock["free_visits"] < most:
            st = st._replace(visit=_more_slots(st.visit, clock, "visit"))
        if clock["free_requests"] < 1:
            st = st._replace(request=_more_slots(st.request, clock, "request"), part=_doubled(st.part))
        self._state = st

    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""
        self._state.clock["measuring"] = on
        self._state.stage["most_waiting"] = self._state.stage["waiting"]

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        waiting: Ints = self._state.stage["waiting"].copy()
        return waiting

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        most: Ints = self._state.stage["most_waiting"].copy()
        return most

    def integrals(self, now: int) -> tuple[Whole, Whole]:
        """Time integrals from 0 to now of the visits waiting and in service, by stage (ns)."""
        stage = self._state.stage
        return (
            self._sum("waiting") + stage["waiting"].astype(object) * now,
            self._sum("busy") + stage["in_service"].astype(object) * now,
        )

    def _sum(self, name: str) -> Whole:
        stage = self._state.stage
        whole: Whole = (stage[f"{name}_high"].astype(object) << WORD_BITS) + stage[f"{name}_low"].astype(object)
        return whole

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        st = self._state
        rows = st.ended[: st.clock["ended"][0]]
        st.clock["ended"] = 0
        return Ended(*(rows[name].copy() for name in Ended._fields))

    def tally(self) -> StageTally:
        """Counts of the visits that joined while measuring, by stage."""
        st = self._state
        counts = {name: st.stage[name].copy() for name in ("sends", "joins", "starts", "rejections")}
        return StageTally(**counts, wait_sum=self._sum("wait"), service_sum=self._sum("service"), waits=st.waits.copy())

    def trace(self) -> Trace:
        """Every visit so far, unfinished ones included (`keep_trace`)."""
        st = self._state
        unfinished = st.visit[st.visit["identity"] >= 0]
        rows = np.empty((len(unfinished), FIELDS), dtype=np.int64)
        for row, visit in enumerate(unfinished):
            record(visit, rows, SLOT(row), NOT_YET)
        return sorted_trace(np.concatenate([st.trace[: st.clock["traced"][0]], rows]))


def _state(machine: Machine, keep_trace: bool) -> State:
    stages, queues = machine.stages, machine.queues()
    clock = np.zeros(1, dtype=CLOCK)
    clock["client_timeout"], clock["keep_trace"] = machine.client_timeout, keep_trace
    for pool in ("request", "visit", "timer"):
        clock[f"free_{pool}"] = NONE
    stage = np.zeros(stages, dtype=STAGE)
    for name in set(STAGE.names or ()) & set(Machine._fields) - {"first_successor"}:
        stage[name] = getattr(machine, name)
    stage["hit_time"] = np.maximum(1, machine.hit_time)  # every delay is at least 1 ns
    stage["first_successor"], stage["last_successor"] = machine.first_successor[:-1], machine.first_successor[1:]
    stage["first_queue"], stage["queues"] = np.cumsum(queues) - queues, queues
    per_queue = np.repeat(machine.workers() // queues, queues)
    words = -(-per_queue // 64)
    queue = np.zeros(len(per_queue), dtype=QUEUE)
    queue["idle"] = per_queue
    queue["first_word"] = np.cumsum(words) - words
    queue["first_worker"] = per_queue * (np.arange(len(queue)) - np.repeat(stage["first_queue"], queues))
    idle = np.full(int(words.sum()), draws.MASK, dtype=np.uint64)
    idle[np.cumsum(words) - 1] >>= ((64 - per_queue % 64) % 64).astype(np.uint64)
    lane = np.zeros(2 * stages + 1, dtype=LANE)
    lane["head"] = NONE
    return State(
        clock=clock,
        arrival_times=np.zeros(0, dtype=np.int64),
        arrival_keys=np.zeros(0, dtype=np.uint64),
        heap=np.zeros(ROOM, dtype=EVENT),
        timer=_more_slots(np.zeros(0, dtype=TIMED), clock[0], "timer"),
        lane=lane,
        request=_more_slots(np.zeros(0, dtype=REQUEST), clock[0], "request"),
        part=np.zeros((ROOM, stages), dtype=PART),
        visit=_more_slots(np.zeros(0, dtype=VISIT), clock[0], "visit"),
        queue=queue,
        idle=idle,
        stage=stage,
        successors=machine.successors.astype(SLOT),
        sources=machine.sources.astype(SLOT),
        tables=machine.tables,
        waits=np.zeros((stages, histogram.BINS), dtype=np.int64),
        agenda=np.zeros(stages + 1, dtype=SLOT),
        ended=np.zeros(ROOM, dtype=ENDED),
        trace=np.zeros((ROOM if keep_trace else 1, FIELDS), dtype=np.int64),
    )


def _more_slots(pool: Records, clock: Row, name: str) -> Records:
    """The pool doubled (ROOM at first), its new slots before the others in the free list, and nobody's."""
    first = len(pool)
    grown = np.concatenate([pool, np.zeros(first or ROOM, dtype=pool.dtype)])
    grown["next"][first:-1] = np.arange(first + 1, len(grown))
    grown["next"][-1] = clock[f"free_{name}"]
    if owner := {"request": "number", "visit": "identity"}.get(name):
        grown[owner][first:] = -1
    clock[f"free_{name}"] = first
    clock[f"free_{name}s"] += len(grown) - first
    return grown


def _doubled(array: Any) -> Any:
    return np.concatenate([array, np.zeros_like(array)])
