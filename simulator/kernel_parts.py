"""Small things the kernel is made of: draws, events and their lanes, queues, idle workers, caches; all compiled.

Functions take the few arrays and records that they touch: handing over the whole state costs more than what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from simulator import draws, histogram, kernel_cache
from simulator.kernel_state import (
    GUIDE_BITS,
    NO_EVENT,
    NONE,
    NOT_READY,
    SLOT,
    TURNS,
    WORD_BITS,
    Number,
    Records,
    Row,
)
from simulator.machine import ABSENT, DRAINING, LRU, MILLION, MOST_TOKENS, NEVER, READY, UNLIMITED, Ints
from simulator.plane import LONGEST_SERVICE
from simulator.semantics import ID_BITS

kernel_cache.keep_by_content()

F = TypeVar("F", bound=Callable[..., Any])

ID = (1 << ID_BITS) - 1
WORD = (1 << WORD_BITS) - 1

# Keys stay uint64: numba makes float64 of uint64 with int64.
HOT_DRAW = np.uint64(draws.HOT)
U0, U1, U2, U3, U4, U5, U6, U11, U27, U30, U31, U32, U56, U63 = (
    np.uint64(i) for i in (0, 1, 2, 3, 4, 5, 6, 11, 27, 30, 31, 32, 56, 63)
)
GOLDEN, MULTIPLIER_1, MULTIPLIER_2 = (np.uint64(i) for i in (draws.GOLDEN, draws.MULTIPLIER_1, draws.MULTIPLIER_2))
LOW_63, LOW_52 = np.uint64((1 << 63) - 1), np.uint64((1 << 52) - 1)
OCTAVES, LAST_OCTAVE = np.uint64(draws.OCTAVES), np.uint64(draws.OCTAVES - 1)
CELLS, LAST_CELL, EDGES = np.uint64(draws.CELLS), np.uint64(draws.CELLS - 1), np.uint64(draws.EDGES)
BITS = np.uint64(histogram.BITS)
GUIDED = np.uint64(64 - GUIDE_BITS)
WIDE = np.uint64(63 - histogram.BITS)  # leading zeros of the widest value that has a bin of its own


def compiled(function: F) -> F:
    """Machine code, kept on disk, that lets other threads run.

    `_nrt=False` (which numba does not document) leaves out its reference counts: the kernel never allocates, and
    counting twenty arrays at each touch makes it ten times slower.
    """
    made: F = cast(Any, njit)(cache=True, nogil=True, no_cfunc_wrapper=True, _nrt=False)(function)
    return made


def inlined(function: F) -> F:
    """Machine code put into that of its callers: calling with twenty arrays costs more than what it does.

    By LLVM, not by numba (`inline="always"`), which took twice as long over one function with everything in it.
    """
    made: F = cast(Any, njit)(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, forceinline=True)(
        function
    )
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


@inlined
def visit_word(name_hash: np.uint64, shard: Number, attempt: Number, copy: Number) -> Number:
    return name_hash + ((np.uint64(shard) << U5) | (np.uint64(attempt) << U1) | np.uint64(copy))


@compiled
def below(draw: np.uint64, n: Number) -> Number:
    return SLOT((draw >> U32) * np.uint64(n) >> U32)


@compiled
def happens(key: np.uint64, purpose: np.uint64, threshold: int) -> Number:
    return np.int64(mix(key, purpose) >> U1) < threshold


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
def key_of(thresholds: draws.Keys, guide: Records, stage: Row, draw: np.uint64) -> Number:
    """The first key whose threshold is not below the draw; it lies between two that the guide knows."""
    first = stage.first_key
    cell = np.uint64(stage.first_guide) + (draw >> GUIDED)
    low, high = np.int64(guide[cell]), np.int64(guide[cell + U1])
    while low < high:
        middle = (low + high) >> 1
        if thresholds[first + middle] < draw:
            low = middle + 1
        else:
            high = middle
    return SLOT(low)


@inlined
def bin_of(value: int) -> Number:
    unsigned = np.uint64(value)
    zeros = leading_zeros(unsigned)
    shift = WIDE - zeros if zeros < WIDE else U0
    return (shift << BITS) + (unsigned >> shift)


@compiled
def asked_key(
    thresholds: draws.Keys, guide: Records, stage: Row, request_key: np.uint64, shard: Number, key_draw: np.uint64
) -> Number:
    """The key that a request asks a stage's cache for; of each shard another. The hottest was nobody's favourite."""
    own = mix(request_key, visit_word(stage.key_hash, shard, 0, 0))
    if stage.hot_threshold and happens(own, HOT_DRAW, stage.hot_threshold):
        return SLOT(stage.cache_keys - 1)
    return key_of(thresholds, guide, stage, mix(own, key_draw))


@inlined
def rounded(time: float) -> Number:
    """R13: to whole nanoseconds, at least one."""
    exact = time + 0.5
    whole: Any = np.int64(1)
    if exact > LONGEST_SERVICE:
        whole = LONGEST_SERVICE
    elif exact >= 1.0:
        whole = np.int64(exact)
    return whole


@compiled
def count_waits(clock: Row, noted: Ints, waits: Ints) -> None:
    """Put the bins noted into the histograms: all at once their misses of the cache overlap."""
    for i in range(clock.noted):
        waits[noted[i]] += 1
    clock.noted = 0


# -- events -----------------------------------------------------------------------------------------------------------
#
# They play a tournament (Knuth, volume 3, section 5.4.1): each has a leaf, each node above knows which of its events is
# due first. Unlike in a heap, whom one meets on the way up depends on no comparison, so that nothing waits for those.
# Queues do the same for the least outstanding, where they are many.


@inlined
def replay(tree: Records, events: Records, leaves: Number, e: Number, time: int) -> None:
    """An event falls due at another time: all its games again, up to the root.

    Who wins is hard to foresee, hence no branch; that two are due at once is rare.
    """
    i = np.uint64(leaves + e)
    first = np.int64(e)
    node = tree[i]
    node.least, node.whose = time, first
    while i > U1:
        other = tree[i ^ U1]
        ahead = other.least - time
        if ahead == 0:
            if events[np.uint64(other.whose)].key < events[np.uint64(first)].key:
                first = other.whose
        else:
            earlier = ahead >> 63  # all bits, or none
            time += ahead & earlier
            first ^= (first ^ other.whose) & earlier
        i >>= U1
        node = tree[i]
        node.least, node.whose = time, first


@inlined
def replace_first(clock: Row, tree: Records, events: Records, time: int, key: int, slot: Number, lane: Number) -> None:
    """Put an event where the first was."""
    e = SLOT(tree[U1].whose)
    event = events[e]
    event.key, event.slot, event.lane = key, slot, lane
    replay(tree, events, clock.leaves, e, time)


def _push(clock: Row, tree: Records, events: Records, time: int, key: int, slot: Number, lane: Number) -> None:
    """An event, in the place of the first if that is over; else it rises as far as it is due before others."""
    if clock.spent:
        clock.spent = 0
        replace_first(clock, tree, events, time, key, slot, lane)
    else:
        e = clock.free_event
        event = events[e]
        clock.free_event = event.next
        clock.free_events -= SLOT(1)
        event.key, event.slot, event.lane = key, slot, lane
        i = np.uint64(clock.leaves + e)
        while True:
            node = tree[i]
            node.least, node.whose = time, np.int64(e)
            i >>= U1
            above = tree[i]  # above the root, at 0, there is a time before all others
            if above.least < time or (above.least == time and events[np.uint64(above.whose)].key < key):
                break


push = compiled(_push)
push_here: Any = inlined(_push)  # for the one place where nearly all events come from


@inlined
def close_gap(clock: Row, tree: Records, events: Records) -> None:
    """Nothing came in the place of the first event: its leaf is free."""
    clock.spent = 0
    e = SLOT(tree[U1].whose)
    event = events[e]
    event.next = clock.free_event
    clock.free_event = e
    clock.free_events += SLOT(1)
    replay(tree, events, clock.leaves, e, NO_EVENT + int(e))


@compiled
def after_delay(
    clock: Row, tree: Records, events: Records, lanes: Records, timers: Records, number: Number, time: int, key: int,
    slot: Number,
) -> None:  # fmt: skip
    """An event in a lane, after those that are there; beside it if it falls due before one of them."""
    lane = lanes[number]
    if lane.busy == 0:
        lane.busy = 1
        lane.last_time, lane.last_key = time, key
        push(clock, tree, events, time, key, slot, number)
    elif time < lane.last_time or (time == lane.last_time and key < lane.last_key):
        push(clock, tree, events, time, key, slot, NONE)
    else:
        lane.last_time, lane.last_key = time, key
        t = clock.free_timer
        timer = timers[t]
        clock.free_timer = timer.next
        clock.free_timers -= 1
        timer.time, timer.key, timer.slot, timer.next = time, key, slot, NONE
        if lane.head == NONE:
            lane.head = t
        else:
            timers[lane.tail].next = t
        lane.tail = t


@inlined
def then(clock: Row, agenda: Records, act: Number, slot: Number, worker: Number, identity: int) -> None:
    item = agenda[clock.agenda]
    clock.agenda += 1
    item.act, item.slot, item.worker, item.identity = act, slot, worker, identity


# -- workers and queues -----------------------------------------------------------------------------------------------


@inlined
def take_idle(clock: Row, queue: Row, idle: draws.Keys) -> Number:
    """The lowest idle worker of a queue."""
    queue.idle -= 1
    queue.load += 1
    if clock.plain:  # nobody sees which it was
        return SLOT(0)
    word = queue.low_word
    while idle[queue.first_word + np.uint64(word)] == U0:
        word += SLOT(1)
    queue.low_word = word
    bits = idle[queue.first_word + np.uint64(word)]
    idle[queue.first_word + np.uint64(word)] = bits & (bits - U1)
    return SLOT(queue.first_worker + np.uint64(word) * np.uint64(64) + trailing_zeros(bits))


@inlined
def give_idle(clock: Row, queue: Row, idle: draws.Keys, worker: Number) -> None:
    queue.idle += 1
    queue.load -= 1
    if not clock.plain:
        place = SLOT(worker - queue.first_worker)
        word = place >> SLOT(6)
        idle[queue.first_word + np.uint64(word)] |= U1 << np.uint64(place & SLOT(63))
        if word < queue.low_word:
            queue.low_word = word


@compiled
def dismiss(queue: Row, idle: draws.Keys, first: int, last: int) -> int:
    """Take the idle ones among workers `first` to `last` (excluded) from their queue; how many they were."""
    gone = 0
    for worker in range(first, last):
        place = np.uint64(worker) - np.uint64(queue.first_worker)
        word = queue.first_word + (place >> U6)
        bit = U1 << (place & np.uint64(63))
        if idle[word] & bit:
            idle[word] &= ~bit
            gone += 1
    queue.idle -= gone
    queue.load += gone
    return gone


@compiled
def leave_staff(stage: Row, replica: Row, workers: int, now: int) -> None:
    """Workers of a replica are there no longer; without any it is absent."""
    replica.staff -= workers
    stage.staffed -= workers
    stage.staffed_low += (now & WORD) * workers
    stage.staffed_high += (now >> WORD_BITS) * workers
    if replica.staff == 0:
        if replica.state == DRAINING:
            stage.draining -= 1
        replica.state = ABSENT


@compiled
def leave_if_done(stage: Row, replica: Row, queue: Row, idle: draws.Keys, now: int) -> None:
    """A replica with a queue of its own that drains: when it has worked that off, and its workers rest."""
    if replica.state == DRAINING and queue.length == 0 and queue.idle == replica.staff:
        first = int(queue.first_worker)
        dismiss(queue, idle, first, first + stage.concurrency)
        leave_staff(stage, replica, replica.staff, now)


@inlined
def enter(stage: Row, queue: Row, waiters: Records, visits: Records, v: Number, now: int) -> None:
    """To the end of its level."""
    visit = visits[v]
    level = waiters[queue.first_list + visit.level]
    visit.next = NONE
    visit.prev = level.tail
    if level.tail == NONE:
        level.head = v
    else:
        visits[level.tail].next = v
    level.tail = v
    queue.length += 1
    queue.load += 1
    stage.waiting_low -= now & WORD
    stage.waiting_high -= now >> WORD_BITS
    stage.waiting += 1
    if stage.waiting > stage.most_waiting:
        stage.most_waiting = stage.waiting


@inlined
def leave(stage: Row, queue: Row, waiters: Records, visits: Records, v: Number, now: int) -> None:
    """From wherever it waits."""
    visit = visits[v]
    level = waiters[queue.first_list + visit.level]
    if visit.prev == NONE:
        level.head = visit.next
    else:
        visits[visit.prev].next = visit.next
    if visit.next == NONE:
        level.tail = visit.prev
    else:
        visits[visit.next].prev = visit.prev
    queue.length -= 1
    queue.load -= 1
    stage.waiting -= 1
    stage.waiting_low += now & WORD
    stage.waiting_high += now >> WORD_BITS


@inlined
def first_of(stage: Row, queue: Row, waiters: Records) -> Number:
    """Whose turn it is (R5); somebody must wait."""
    i = queue.first_list
    while waiters[i].head == NONE:
        i += SLOT(1)
    return waiters[i].tail if queue.length > stage.lifo_above else waiters[i].head


@compiled
def to_shed(stage: Row, queue: Row, waiters: Records) -> Number:
    """The oldest of the least important."""
    i = SLOT(queue.first_list + stage.levels - 1)
    while waiters[i].head == NONE:
        i -= SLOT(1)
    return waiters[i].head


@inlined
def precedes(one: Row, other: Row) -> Number:
    """Least outstanding: the smaller load, then the one chosen longer ago."""
    return one.load < other.load or (one.load == other.load and one.chosen < other.chosen)


@compiled
def rank(stage: Row, tree: Records, queues: Records, replicas: Records, q: Number) -> None:
    """A queue's load has changed, or its turn, or whether it is ready: its games against the stage's others."""
    place = SLOT(q - stage.first_queue)
    queue = queues[q]
    value = NOT_READY
    if replicas[SLOT(stage.first_replica + place)].state == SLOT(READY):
        value = queue.load << TURNS | queue.chosen
    best = np.int64(q)
    root = np.uint64(stage.first_node)
    i = np.uint64(stage.leaves + place)
    node = tree[root + i]
    node.least, node.whose = value, best
    while i > U1:
        other = tree[root + (i ^ U1)]
        ahead = other.least - value
        if ahead == 0:  # nobody has chosen them yet
            best = min(best, other.whose)
        else:
            earlier = ahead >> 63
            value += ahead & earlier
            best ^= (best ^ other.whose) & earlier
        i >>= U1
        node = tree[root + i]
        node.least, node.whose = value, best


# -- caches -----------------------------------------------------------------------------------------------------------


@compiled
def unlink(cache: Row, entries: Records, e: Number) -> None:
    entry = entries[e]
    if entry.prev == NONE:
        cache.head = entry.next
    else:
        entries[entry.prev].next = entry.next
    if entry.next == NONE:
        cache.tail = entry.prev
    else:
        entries[entry.next].prev = entry.prev


@compiled
def append(cache: Row, entries: Records, e: Number) -> None:
    entry = entries[e]
    entry.next = NONE
    entry.prev = cache.tail
    if cache.tail == NONE:
        cache.head = e
    else:
        entries[cache.tail].next = e
    cache.tail = e


@compiled
def look_up(stage: Row, cache: Row, entries: Records, e: Number, now: int) -> Number:
    written = entries[e].written
    hit = written >= 0 and now - written < stage.cache_ttl
    if hit and stage.cache_policy == LRU:
        unlink(cache, entries, e)
        append(cache, entries, e)
    return hit


@compiled
def write(stage: Row, cache: Row, entries: Records, e: Number, now: int) -> None:
    if entries[e].written >= 0:
        unlink(cache, entries, e)
        cache.size -= 1
    if cache.size >= stage.cache_capacity:
        oldest = cache.head
        unlink(cache, entries, oldest)
        entries[oldest].written = -1
        cache.size -= 1
    append(cache, entries, e)
    cache.size += 1
    entries[e].written = now


# -- at the calling edge ----------------------------------------------------------------------------------------------


@compiled
def admits(stage: Row, now: int) -> Number:
    """GCRA."""
    admitted = now >= stage.tat - stage.admission_burst
    if admitted:
        stage.tat = max(now, stage.tat) + stage.admission_interval
    return admitted


@compiled
def deposit(tokens: int, each: int) -> Number:
    return min(MOST_TOKENS, tokens + each)


@compiled
def may_retry(stage: Row) -> Number:
    allowed = stage.retry_budget == UNLIMITED or stage.tokens >= MILLION
    if allowed and stage.retry_budget != UNLIMITED:
        stage.tokens -= MILLION
    return allowed


@compiled
def may_hedge(stage: Row) -> Number:
    allowed = stage.hedge_budget == UNLIMITED or stage.hedge_tokens >= MILLION
    if allowed and stage.hedge_budget != UNLIMITED:
        stage.hedge_tokens -= MILLION
    return allowed


@compiled
def breaker_records(stage: Row, failed: Number, probe: Number, now: int) -> None:
    """The last results are bits, the newest the lowest."""
    if stage.probe_at != NEVER:
        if probe and not failed:
            stage.probe_at = NEVER
            stage.failures = U0
            stage.results = 0
    else:
        window = np.uint64(stage.breaker_window)
        mask = ~U0 if window == np.uint64(64) else (U1 << window) - U1
        stage.failures = ((stage.failures << U1) | np.uint64(failed)) & mask
        stage.results = min(stage.results + SLOT(1), SLOT(window))
        count = 0
        bits = stage.failures
        while bits != U0:
            bits &= bits - U1
            count += 1
        if stage.results == SLOT(window) and count >= stage.breaker_failures:
            stage.probe_at = now + stage.breaker_open


@compiled
def record(visit: Row, trace: Ints, row: Number) -> None:
    trace[row, 0] = visit.identity >> 16
    trace[row, 1] = visit.identity & 0xFFFF
    trace[row, 2] = visit.stage
    trace[row, 3] = -1 if visit.caller == NONE else np.int64(visit.caller)
    trace[row, 4] = visit.shard
    trace[row, 5] = visit.attempt
    trace[row, 6] = visit.copy
    trace[row, 7] = visit.send
    trace[row, 8] = visit.join
    trace[row, 9] = visit.due
    trace[row, 10] = visit.start
    trace[row, 11] = visit.end
    trace[row, 12] = visit.free
    trace[row, 13] = visit.answer
    trace[row, 14] = -1 if visit.replica == NONE else np.int64(visit.replica)
    trace[row, 15] = -1 if visit.worker == NONE else np.int64(visit.worker)
    trace[row, 16] = visit.batch
    trace[row, 17] = visit.outcome
