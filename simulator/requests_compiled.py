"""The compiled request plane: the rules of `semantics` as one numba kernel over arrays.

It does what `requests_simpy` does, in the same order, on structures of arrays: a binary heap of events, pools of
request and visit slots with free lists, queues as linked lists through the visit slots. `advance` runs until an
instant, or until an array may become too small for the next event; then Python doubles that array and calls again,
so nothing in the kernel ever allocates or fails half-way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulator import draws, histogram
from simulator.network import NEVER, PASS_ON, ROUND_ROBIN, SHARED, Ints, Machine
from simulator.plane import LONGEST_SERVICE, Ended, StageTally
from simulator.semantics import FINISH, SEND, TIMER, RequestEnd, Trace, Visit, VisitEnd, sorted_trace
from simulator.workload import ArrivalStream

CHUNK = 8192  # arrivals fetched at once
ROOM = 1024  # places of an array at first
NONE = -1

# Places in `State.n`, the scalars that change.
(EVENTS, HEAP, ARRIVAL, ARRIVALS, FIRST, FREE_REQUEST, FREE_REQUESTS, FREE_VISIT, FREE_VISITS, ENDED, TRACED,
 MEASURING, KEEP_TRACE, AGENDA, SCALARS) = range(15)  # fmt: skip

# What `advance` says when it returns.
DONE, MORE_ARRIVALS, MORE_ROOM = range(3)

# Columns of `request`, `visit` and `queue`; rows are slots.
NUMBER, ARRIVED, R_OUTCOME, VISITS, UNANSWERED, OPEN_VISITS, R_NEXT, REQUEST_COLUMNS = range(8)
(V_ID, OWNER, STAGE, SENT, JOINED, STARTED, QUEUE, WORKER, V_OUTCOME, MEASURED, V_NEXT,
 VISIT_COLUMNS) = range(12)  # fmt: skip
HEAD, TAIL, LENGTH, BUSY, IDLE, FIRST_IDLE, QUEUE_COLUMNS = range(7)
# Rows of `stage`; columns are stages.
(WAITING, IN_SERVICE, MOST_WAITING, WAITING_INTEGRAL, BUSY_INTEGRAL, TURN, SENDS, JOINS, STARTS, REJECTIONS,
 WAIT_SUM, SERVICE_SUM, STAGE_ROWS) = range(13)  # fmt: skip

ID_BITS = 60
ID = (1 << ID_BITS) - 1
FIELDS = len(Visit._fields)

# Keys stay uint64: numba makes float64 of uint64 with int64.
U1, U4, U27, U30, U31, U32, U56, U63 = (np.uint64(i) for i in (1, 4, 27, 30, 31, 32, 56, 63))
GOLDEN, MULTIPLIER_1, MULTIPLIER_2 = (
    np.uint64(i) for i in (draws.GOLDEN, draws.MULTIPLIER_1, draws.MULTIPLIER_2)
)
SERVICE, CACHE, ROUTE = (np.uint64(i) for i in (draws.SERVICE, draws.CACHE, draws.ROUTE))
LOW_63, TOP_62, LOW_52 = np.uint64((1 << 63) - 1), np.uint64(1 << 62), np.uint64((1 << 52) - 1)
LAST_CELL = np.uint64(draws.CELLS - 1)
OCTAVES, CELLS, EDGES = draws.OCTAVES, draws.CELLS, draws.EDGES
SMALL = 1 << (histogram.BITS + 1)
BITS = histogram.BITS

# Enums as plain numbers: numba compiles constants.
IN_FLIGHT, COMPLETED, REJECTED, TIMED_OUT = (
    int(e) for e in (RequestEnd.IN_FLIGHT, RequestEnd.COMPLETED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT)
)
OPEN, ANSWERED, TURNED_AWAY, EXPIRED = (
    int(e) for e in (VisitEnd.OPEN, VisitEnd.ANSWERED, VisitEnd.REJECTED, VisitEnd.EXPIRED)
)


class State(NamedTuple):
    """Everything that changes, as arrays."""

    n: Ints
    arrival_times: Ints
    arrival_keys: draws.Keys
    heap: Ints  # shape (room, 3): time, kind | request | visit, slot
    request: Ints
    request_key: draws.Keys
    waits_for: Ints  # shape (request slots, stages)
    items: Ints  # shape (request slots, stages)
    visit: Ints
    queue: Ints
    first_queue: Ints
    idle: Ints  # by queue: a heap of its idle workers
    stage: Ints
    waits: Ints  # shape (stages, histogram.BINS)
    agenda: Ints  # visits that join at this instant, in order
    ended: Ints  # shape (room, 4)
    trace: Ints  # shape (room, FIELDS)


# -- draws ------------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True, _nrt=False)
def mix(key: np.uint64, word: np.uint64) -> np.uint64:
    z = key + (word + U1) * GOLDEN
    z = (z ^ (z >> U30)) * MULTIPLIER_1
    z = (z ^ (z >> U27)) * MULTIPLIER_2
    return z ^ (z >> U31)


@njit(cache=True, nogil=True, _nrt=False)
def quantile(tables: NDArray[np.float64], row: int, draw: np.uint64) -> float:
    side = EDGES if draw >> U63 else 0
    distance = draw & LOW_63
    octave = 0
    while distance < TOP_62:
        distance = distance << U1
        octave += 1
        if octave >= OCTAVES:
            return tables[row, side]
    cell = side + (OCTAVES - 1 - octave) * CELLS + np.int64((distance >> U56) & LAST_CELL)
    fraction = np.float64((distance >> U4) & LOW_52) * 2.0**-52
    low = tables[row, cell]
    return low + (tables[row, cell + 1] - low) * fraction


@njit(cache=True, nogil=True, _nrt=False)
def bin_of(value: int) -> int:
    shift = 0
    while value >> shift >= SMALL:
        shift += 1
    return (shift << BITS) + (value >> shift)


# -- heaps ------------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True, _nrt=False)
def push(n: Ints, heap: Ints, time: int, key: int, slot: int) -> None:
    i = n[HEAP]
    n[HEAP] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        other = heap[parent, 0]
        if other < time or (other == time and heap[parent, 1] < key):
            break
        heap[i, 0], heap[i, 1], heap[i, 2] = other, heap[parent, 1], heap[parent, 2]
        i = parent
    heap[i, 0], heap[i, 1], heap[i, 2] = time, key, slot


@njit(cache=True, nogil=True, _nrt=False)
def pop(n: Ints, heap: Ints) -> None:
    """Drop the first event."""
    size = n[HEAP] - 1
    n[HEAP] = size
    time, key, slot = heap[size, 0], heap[size, 1], heap[size, 2]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        first = heap[child, 0]
        if child + 1 < size:
            second = heap[child + 1, 0]
            if second < first or (second == first and heap[child + 1, 1] < heap[child, 1]):
                child += 1
                first = second
        if time < first or (time == first and key < heap[child, 1]):
            break
        heap[i, 0], heap[i, 1], heap[i, 2] = first, heap[child, 1], heap[child, 2]
        i = child
    heap[i, 0], heap[i, 1], heap[i, 2] = time, key, slot


@njit(cache=True, nogil=True, _nrt=False)
def take_idle(queue: Ints, idle: Ints, q: int) -> int:
    """The lowest idle worker of a queue."""
    base = queue[q, FIRST_IDLE]
    size = queue[q, IDLE] - 1
    queue[q, IDLE] = size
    lowest = idle[base]
    last = idle[base + size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and idle[base + child + 1] < idle[base + child]:
            child += 1
        if last < idle[base + child]:
            break
        idle[base + i] = idle[base + child]
        i = child
    idle[base + i] = last
    return lowest


@njit(cache=True, nogil=True, _nrt=False)
def give_idle(queue: Ints, idle: Ints, q: int, worker: int) -> None:
    base = queue[q, FIRST_IDLE]
    i = queue[q, IDLE]
    queue[q, IDLE] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if idle[base + parent] < worker:
            break
        idle[base + i] = idle[base + parent]
        i = parent
    idle[base + i] = worker


# -- the request path -------------------------------------------------------------------------------------------------
# Each function is put into `advance` where it is called (once, but for `send`): calling with thirty arrays costs more
# than what they do.


@njit(inline="always")
def arrive(m: Machine, st: State, now: int) -> None:
    n, request = st.n, st.request
    row = n[ARRIVAL]
    n[ARRIVAL] = row + 1
    r = n[FREE_REQUEST]
    n[FREE_REQUEST] = request[r, R_NEXT]
    n[FREE_REQUESTS] -= 1
    number = n[FIRST] + row
    stages = len(m.replicas)
    request[r, NUMBER] = number
    request[r, ARRIVED] = now
    request[r, R_OUTCOME] = IN_FLIGHT
    request[r, VISITS] = 0
    request[r, OPEN_VISITS] = 0
    request[r, UNANSWERED] = stages
    st.request_key[r] = st.arrival_keys[row]
    for s in range(stages):
        st.waits_for[r, s] = m.predecessors[s]
        st.items[r, s] = 0
    if m.client_timeout < NEVER:
        push(n, st.heap, now + m.client_timeout, TIMER << ID_BITS | number << 16, r)
    for i in range(len(m.sources)):
        send(m, st, r, m.sources[i], now)


@njit(inline="always")
def send(m: Machine, st: State, r: int, s: int, now: int) -> None:
    n, request, visit = st.n, st.request, st.visit
    v = n[FREE_VISIT]
    n[FREE_VISIT] = visit[v, V_NEXT]
    n[FREE_VISITS] -= 1
    request[r, VISITS] += 1
    request[r, OPEN_VISITS] += 1
    identity = request[r, NUMBER] << 16 | request[r, VISITS]
    visit[v, V_ID] = identity
    visit[v, OWNER] = r
    visit[v, STAGE] = s
    visit[v, SENT] = now
    visit[v, JOINED] = NONE
    visit[v, STARTED] = NONE
    visit[v, WORKER] = NONE
    visit[v, V_OUTCOME] = OPEN
    visit[v, MEASURED] = 0
    if n[MEASURING]:
        st.stage[SENDS, s] += 1
    if m.timeout[s] < NEVER:
        push(n, st.heap, now + m.timeout[s], TIMER << ID_BITS | identity, v)
    if m.hop[s]:
        push(n, st.heap, now + m.hop[s], SEND << ID_BITS | identity, v)
    else:
        st.agenda[n[AGENDA]] = v
        n[AGENDA] += 1


@njit(inline="always")
def join(m: Machine, st: State, v: int, now: int) -> bool:
    """Whether the visit can start at once."""
    n, visit, queue, stage = st.n, st.visit, st.queue, st.stage
    s = visit[v, STAGE]
    visit[v, JOINED] = now
    q = choose(m, st, s, mix(st.request_key[visit[v, OWNER]], m.name_hash[s]))
    visit[v, QUEUE] = q
    if n[MEASURING]:
        visit[v, MEASURED] = 1
        stage[JOINS, s] += 1
    starts = False
    if queue[q, IDLE]:
        visit[v, WORKER] = take_idle(queue, st.idle, q)
        starts = True
    elif queue[q, LENGTH] >= m.queue_limit[s]:
        r = visit[v, OWNER]
        stage[REJECTIONS, s] += visit[v, MEASURED]
        close(st, v, TURNED_AWAY, now)
        fail(st, r, REJECTED, now)
        release(st, r)
    else:
        visit[v, V_NEXT] = NONE
        if queue[q, LENGTH]:
            visit[queue[q, TAIL], V_NEXT] = v
        else:
            queue[q, HEAD] = v
        queue[q, TAIL] = v
        queue[q, LENGTH] += 1
        stage[WAITING_INTEGRAL, s] -= now
        stage[WAITING, s] += 1
        stage[MOST_WAITING, s] = max(stage[MOST_WAITING, s], stage[WAITING, s])
    return starts


@njit(inline="always")
def choose(m: Machine, st: State, s: int, key: np.uint64) -> int:
    queue, first = st.queue, st.first_queue[s]
    queues = st.first_queue[s + 1] - first
    balancing = m.balancing[s]
    best = first
    if queues == 1 or balancing == SHARED:
        pass
    elif balancing == ROUND_ROBIN:
        turn = st.stage[TURN, s]
        st.stage[TURN, s] = (turn + 1) % queues
        best = first + turn
    else:
        best = first + drawn(key, 0, queues)
        load = queue[best, LENGTH] + queue[best, BUSY]
        for j in range(1, m.choices[s]):  # none for RANDOM
            other = first + drawn(key, j, queues)
            if queue[other, LENGTH] + queue[other, BUSY] < load:
                best, load = other, queue[other, LENGTH] + queue[other, BUSY]
    return best


@njit(cache=True, nogil=True, _nrt=False)
def drawn(key: np.uint64, j: int, replicas: int) -> int:
    return np.int64((mix(key, ROUTE + np.uint64(j)) >> U32) * np.uint64(replicas) >> U32)


@njit(inline="always")
def start(m: Machine, st: State, v: int, now: int) -> None:
    visit, stage = st.visit, st.stage
    s, r = visit[v, STAGE], visit[v, OWNER]
    visit[v, STARTED] = now
    time = service(m, s, mix(st.request_key[r], m.name_hash[s]), st.items[r, s])
    st.queue[visit[v, QUEUE], BUSY] += 1
    stage[IN_SERVICE, s] += 1
    stage[BUSY_INTEGRAL, s] -= now
    if visit[v, MEASURED]:
        wait = now - visit[v, JOINED]
        stage[STARTS, s] += 1
        stage[SERVICE_SUM, s] += time
        stage[WAIT_SUM, s] += wait
        st.waits[s, bin_of(wait)] += 1
    push(st.n, st.heap, now + time, FINISH << ID_BITS | visit[v, V_ID], v)


@njit(inline="always")
def service(m: Machine, s: int, key: np.uint64, items: int) -> int:
    """R13."""
    if m.hit_threshold[s] and np.int64(mix(key, CACHE) >> U1) < m.hit_threshold[s]:
        time = m.hit_time[s]
    else:
        work = np.float64(m.floor[s] + m.per_item[s] * items)
        exact = quantile(m.tables, m.table[s], mix(key, SERVICE)) * work + 0.5
        time = LONGEST_SERVICE if exact > LONGEST_SERVICE else max(1, np.int64(exact))
    return time


@njit(inline="always")
def finish(m: Machine, st: State, v: int, now: int) -> int:
    """The visit that takes the freed worker, or NONE."""
    visit, queue, stage = st.visit, st.queue, st.stage
    s, q, r = visit[v, STAGE], visit[v, QUEUE], visit[v, OWNER]
    stage[BUSY_INTEGRAL, s] += now
    stage[IN_SERVICE, s] -= 1
    queue[q, BUSY] -= 1
    following = NONE
    if queue[q, LENGTH]:
        following = queue[q, HEAD]
        queue[q, HEAD] = visit[following, V_NEXT]
        queue[q, LENGTH] -= 1
        stage[WAITING, s] -= 1
        stage[WAITING_INTEGRAL, s] += now
        visit[following, WORKER] = visit[v, WORKER]
    else:
        give_idle(queue, st.idle, q, visit[v, WORKER])
    answered = visit[v, V_OUTCOME] == OPEN
    close(st, v, ANSWERED, now)
    if answered and st.request[r, R_OUTCOME] == IN_FLIGHT:
        answer(m, st, r, s, now)
    release(st, r)
    return following


@njit(inline="always")
def answer(m: Machine, st: State, r: int, s: int, now: int) -> None:
    st.request[r, UNANSWERED] -= 1
    if st.request[r, UNANSWERED] == 0:
        end(st, r, COMPLETED, now)
    items = min(st.items[r, s] if m.gives[s] == PASS_ON else m.gives[s], m.keeps[s])
    for i in range(m.first_successor[s], m.first_successor[s + 1]):
        successor = m.successors[i]
        st.items[r, successor] += items
        st.waits_for[r, successor] -= 1
        if st.waits_for[r, successor] == 0:
            send(m, st, r, successor, now)


# -- ends -------------------------------------------------------------------------------------------------------------


@njit(inline="always")
def time_out(st: State, key: int, slot: int, now: int) -> None:
    """Of a visit, or of the client (visit number 0). The slot may have gone to somebody else since."""
    identity = key & ID
    if identity & 0xFFFF == 0:
        if st.request[slot, NUMBER] == identity >> 16:
            fail(st, slot, TIMED_OUT, now)
    elif st.visit[slot, V_ID] == identity and st.visit[slot, V_OUTCOME] == OPEN:
        st.visit[slot, V_OUTCOME] = EXPIRED  # its worker does not know, and carries on
        fail(st, st.visit[slot, OWNER], TIMED_OUT, now)


@njit(inline="always")
def fail(st: State, r: int, outcome: int, now: int) -> None:
    if st.request[r, R_OUTCOME] == IN_FLIGHT:
        end(st, r, outcome, now)


@njit(inline="always")
def end(st: State, r: int, outcome: int, now: int) -> None:
    request, ended, row = st.request, st.ended, st.n[ENDED]
    st.n[ENDED] = row + 1
    request[r, R_OUTCOME] = outcome
    ended[row, 0] = request[r, NUMBER]
    ended[row, 1] = request[r, ARRIVED]
    ended[row, 2] = now
    ended[row, 3] = outcome


@njit(inline="always")
def close(st: State, v: int, outcome: int, now: int) -> None:
    """The visit is over for its stage as well; an expired one stays expired. Its slot is free."""
    n, visit = st.n, st.visit
    if visit[v, V_OUTCOME] == OPEN:
        visit[v, V_OUTCOME] = outcome
    if n[KEEP_TRACE]:
        record(visit, st.trace, v, now, n[TRACED])
        n[TRACED] += 1
    visit[v, V_ID] = NONE
    visit[v, V_NEXT] = n[FREE_VISIT]
    n[FREE_VISIT] = v
    n[FREE_VISITS] += 1
    st.request[visit[v, OWNER], OPEN_VISITS] -= 1


@njit(cache=True, nogil=True, _nrt=False)
def record(visit: Ints, trace: Ints, v: int, now: int, row: int) -> None:
    trace[row, 0] = visit[v, V_ID] >> 16
    trace[row, 1] = visit[v, V_ID] & 0xFFFF
    trace[row, 2] = visit[v, STAGE]
    trace[row, 3] = visit[v, SENT]
    trace[row, 4] = visit[v, JOINED]
    trace[row, 5] = visit[v, STARTED]
    trace[row, 6] = now
    trace[row, 7] = visit[v, WORKER]
    trace[row, 8] = visit[v, V_OUTCOME]


@njit(inline="always")
def release(st: State, r: int) -> None:
    """Free the slot of a request that has ended and has no visit left."""
    n, request = st.n, st.request
    if request[r, OPEN_VISITS] == 0 and request[r, R_OUTCOME] != IN_FLIGHT:
        request[r, NUMBER] = NONE
        request[r, R_NEXT] = n[FREE_REQUEST]
        n[FREE_REQUEST] = r
        n[FREE_REQUESTS] += 1


# -- the loop ---------------------------------------------------------------------------------------------------------


@njit(inline="always")
def has_room(m: Machine, st: State) -> bool:
    """Whether the next event, whatever it does, fits: it sends at most a visit a stage, with two events each."""
    n = st.n
    most = 2 * len(m.replicas) + 4
    return (
        n[HEAP] + most <= len(st.heap)
        and n[FREE_VISITS] >= most
        and n[FREE_REQUESTS] >= 1
        and n[ENDED] + most <= len(st.ended)
        and (n[KEEP_TRACE] == 0 or n[TRACED] + most <= len(st.trace))
    )


@njit(cache=True, nogil=True, _nrt=False)
def advance(m: Machine, st: State, until: int) -> int:
    """Run all events before `until`; each followed by its agenda, the visits that join at the same instant (R6)."""
    n, heap, agenda = st.n, st.heap, st.agenda
    while True:
        if n[ARRIVAL] == n[ARRIVALS]:
            return MORE_ARRIVALS
        if not has_room(m, st):
            return MORE_ROOM
        now = st.arrival_times[n[ARRIVAL]]
        key = SEND << ID_BITS | (n[FIRST] + n[ARRIVAL]) << 16
        from_heap = n[HEAP] > 0 and (heap[0, 0] < now or (heap[0, 0] == now and heap[0, 1] < key))
        if from_heap:
            now, key = heap[0, 0], heap[0, 1]
        if now >= until:
            return DONE
        n[EVENTS] += 1
        n[AGENDA] = 0
        starting = NONE
        if from_heap:
            slot = heap[0, 2]
            pop(n, heap)
            kind = key >> ID_BITS
            if kind == FINISH:
                starting = finish(m, st, slot, now)
            elif kind == TIMER:
                time_out(st, key, slot, now)
            else:
                agenda[0] = slot
                n[AGENDA] = 1
        else:
            arrive(m, st, now)
        done = 0
        while True:
            if starting != NONE:
                start(m, st, starting, now)
                starting = NONE
            if done == n[AGENDA]:
                break
            if join(m, st, agenda[done], now):
                starting = agenda[done]
            done += 1


# -- the plane --------------------------------------------------------------------------------------------------------


class CompiledRequests:
    """Moves requests through a machine in compiled code. The interface is `plane.RequestPlane`."""

    engine = "compiled"

    def __init__(self, machine: Machine, arrivals: ArrivalStream, keep_trace: bool = False) -> None:
        self._machine = machine
        self._stream = arrivals
        self._state = _state(machine, keep_trace)
        self._fetch()

    @property
    def events(self) -> int:
        """Events processed so far."""
        return int(self._state.n[EVENTS])

    def advance(self, until: int) -> None:
        """Run all request events strictly before `until` ns."""
        until = min(until, NEVER)
        while (status := advance(self._machine, self._state, until)) != DONE:
            if status == MORE_ARRIVALS:
                self._fetch()
            else:
                self._grow()

    def _fetch(self) -> None:
        chunk = self._stream.chunk(CHUNK)
        self._state = self._state._replace(arrival_times=chunk.times, arrival_keys=chunk.keys)
        n = self._state.n
        n[ARRIVAL], n[ARRIVALS], n[FIRST] = 0, len(chunk.times), chunk.first

    def _grow(self) -> None:
        """Double what is nearly full."""
        st = self._state
        n, most = st.n, 2 * self._machine.stages + 4
        if n[HEAP] + most > len(st.heap):
            st = st._replace(heap=_doubled(st.heap))
        if n[ENDED] + most > len(st.ended):
            st = st._replace(ended=_doubled(st.ended))
        if n[KEEP_TRACE] and n[TRACED] + most > len(st.trace):
            st = st._replace(trace=_doubled(st.trace))
        if n[FREE_VISITS] < most:
            slots = len(st.visit)
            st = st._replace(visit=_doubled(st.visit))
            _link(st.visit, V_NEXT, slots, n, FREE_VISIT, FREE_VISITS)
        if n[FREE_REQUESTS] < 1:
            slots = len(st.request)
            st = st._replace(
                request=_doubled(st.request),
                request_key=_doubled(st.request_key),
                waits_for=_doubled(st.waits_for),
                items=_doubled(st.items),
            )
            _link(st.request, R_NEXT, slots, n, FREE_REQUEST, FREE_REQUESTS)
        self._state = st

    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""
        self._state.n[MEASURING] = on
        self._state.stage[MOST_WAITING] = self._state.stage[WAITING]

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        return self._state.stage[WAITING].copy()

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        return self._state.stage[MOST_WAITING].copy()

    def integrals(self, now: int) -> tuple[Ints, Ints]:
        """Time integrals from 0 to now of the visits waiting and in service, by stage (ns)."""
        stage = self._state.stage
        return (
            stage[WAITING_INTEGRAL] + stage[WAITING] * now,
            stage[BUSY_INTEGRAL] + stage[IN_SERVICE] * now,
        )

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        st = self._state
        rows = st.ended[: st.n[ENDED]].copy()
        st.n[ENDED] = 0
        return Ended(*rows.T)

    def tally(self) -> StageTally:
        """Counts of the visits that joined while measuring, by stage."""
        st = self._state
        rows = (SENDS, JOINS, STARTS, REJECTIONS, WAIT_SUM, SERVICE_SUM)
        return StageTally(*(st.stage[row].copy() for row in rows), waits=st.waits.copy())

    def trace(self) -> Trace:
        """Every visit so far, unfinished ones included (`keep_trace`)."""
        st = self._state
        unfinished = np.flatnonzero(st.visit[:, V_ID] != NONE)
        rows = np.empty((len(unfinished), FIELDS), dtype=np.int64)
        for row, slot in enumerate(unfinished):
            record(st.visit, rows, slot, NONE, row)
        return sorted_trace(np.concatenate([st.trace[: st.n[TRACED]], rows]))


def _state(machine: Machine, keep_trace: bool) -> State:
    stages, queues, workers = machine.stages, machine.queues(), machine.workers()
    first_queue = np.concatenate([[0], np.cumsum(queues)])
    per_queue = np.repeat(workers // queues, queues)
    queue = np.zeros((int(queues.sum()), QUEUE_COLUMNS), dtype=np.int64)
    queue[:, IDLE] = per_queue
    queue[:, FIRST_IDLE] = np.cumsum(per_queue) - per_queue
    room = ROOM
    st = State(
        n=np.zeros(SCALARS, dtype=np.int64),
        arrival_times=np.zeros(0, dtype=np.int64),
        arrival_keys=np.zeros(0, dtype=np.uint64),
        heap=np.zeros((room, 3), dtype=np.int64),
        request=np.zeros((room, REQUEST_COLUMNS), dtype=np.int64),
        request_key=np.zeros(room, dtype=np.uint64),
        waits_for=np.zeros((room, stages), dtype=np.int64),
        items=np.zeros((room, stages), dtype=np.int64),
        visit=np.zeros((room, VISIT_COLUMNS), dtype=np.int64),
        queue=queue,
        first_queue=first_queue,
        idle=np.concatenate([np.arange(w, dtype=np.int64) for w in workers]),
        stage=np.zeros((STAGE_ROWS, stages), dtype=np.int64),
        waits=np.zeros((stages, histogram.BINS), dtype=np.int64),
        agenda=np.zeros(stages + 1, dtype=np.int64),
        ended=np.zeros((room, 4), dtype=np.int64),
        trace=np.zeros((room if keep_trace else 1, FIELDS), dtype=np.int64),
    )
    st.n[FREE_VISIT] = st.n[FREE_REQUEST] = NONE
    st.n[KEEP_TRACE] = keep_trace
    _link(st.visit, V_NEXT, 0, st.n, FREE_VISIT, FREE_VISITS)
    _link(st.request, R_NEXT, 0, st.n, FREE_REQUEST, FREE_REQUESTS)
    return st


def _link(slots: Ints, column: int, first: int, n: Ints, head: int, count: int) -> None:
    """Put the slots from `first` on before the others in the free list."""
    slots[first:, 0] = NONE  # NUMBER and V_ID: belongs to nobody
    slots[first:-1, column] = np.arange(first + 1, len(slots))
    slots[-1, column] = n[head]
    n[head] = first
    n[count] += len(slots) - first


def _doubled(array: Any) -> Any:
    return np.concatenate([array, np.zeros_like(array)])
