"""The compiled request plane: the rules of `semantics` as one numba kernel over records.

It does what `requests_simpy` does, in the same order, on the arrays of `kernel_state`. One *step* is an event, or an
item of the agenda. A step runs down the page: what one section finds out, the next acts upon, so that each rule stands
here once and nothing calls itself. `advance` runs until an instant, or until an array may become too small for the next
step; then Python lengthens it and calls again, so nothing in the kernel ever allocates or fails half-way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator import draws, kernel_plain, kernel_state
from simulator.histogram import BINS
from simulator.kernel_parts import (
    HOT_DRAW,
    ID,
    U0,
    U1,
    U2,
    U3,
    U4,
    U5,
    U11,
    WORD,
    admits,
    after_delay,
    asked_key,
    below,
    bin_of,
    breaker_records,
    close_gap,
    compiled,
    count_waits,
    deposit,
    dismiss,
    enter,
    first_of,
    give_idle,
    happens,
    inlined,
    leave,
    leave_if_done,
    leave_staff,
    look_up,
    may_hedge,
    may_retry,
    mix,
    precedes,
    push,
    push_here,
    quantile,
    rank,
    record,
    replace_first,
    rounded,
    take_idle,
    then,
    to_shed,
    visit_word,
    write,
)
from simulator.kernel_state import (
    BATCH_LANE,
    FIELDS,
    HEDGE_LANE,
    HOP_LANE,
    LATE_LANE,
    NONE,
    NOTED,
    SLOT,
    SUMS,
    TIME_OUT_LANE,
    WORD_BITS,
    Number,
    Records,
    Row,
    State,
)
from simulator.machine import (
    ABSENT,
    ALWAYS,
    CANCEL_NONE,
    CANCEL_RUNNING,
    DRAINING,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    LIVE,
    MILLION,
    MOST_PROBES,
    NEVER,
    NOBODY,
    PASS_ON,
    READY,
    ROUND_ROBIN,
    Ints,
    Machine,
    Whole,
)
from simulator.plane import COUNTS, LONGEST_SERVICE, Ended, EventLimitReachedError, StageTally
from simulator.semantics import (
    AGAIN,
    BATCH,
    FINISH,
    HEDGE,
    ID_BITS,
    LATE,
    SEND,
    TIME_OUT,
    WAKE,
    RequestEnd,
    Trace,
    VisitEnd,
    sorted_trace,
)
from simulator.users import UserStream
from simulator.visits import BACKING_OFF, CALLING, FALLING_BACK, IN_TOW, LOST, ON_THE_WAY, SETTLED, UNDER_WAY, WAITING
from simulator.visits import SERVED as SERVICE
from simulator.workload import ArrivalStream

CHUNK = 8192  # arrivals fetched at once
ROOM = 1024  # places of an array at first
TICK = 1 << 18  # events between two looks at the wall clock
NOT_YET = -1  # a time in a visit

# What `advance` says when it returns.
DONE, MORE_ARRIVALS, MORE_ROOM, CHECKPOINT = range(4)

# What an item of the agenda asks for.
JOIN, FREE, SERVED, ANSWER, FAIL, CANCEL, SKIP, CLOSE = (SLOT(i) for i in range(8))

# Enums as plain numbers: numba compiles constants.
IN_FLIGHT, COMPLETED, DEGRADED, REJECTED, TIMED_OUT, BROKEN, SUPERSEDED = (int(e) for e in RequestEnd)
OPEN, ANSWERED, TURNED_AWAY, EXPIRED, FAILED, CANCELLED = (int(e) for e in VisitEnd)

SERVICE_DRAW, CACHE_DRAW, KEY_DRAW, ERROR_DRAW, SILENT_DRAW, WHEN_DRAW, TIMEOUT_DRAW, JITTER_DRAW = (
    np.uint64(purpose)
    for purpose in (
        draws.SERVICE, draws.CACHE, draws.KEY, draws.ERROR, draws.SILENT, draws.WHEN, draws.TIMEOUT, draws.JITTER,
    )
)  # fmt: skip
CLASS_DRAW, ITEMS_DRAW, HASH_DRAW, ROUTE_DRAW, THINK_DRAW, ZONE_DRAW = (
    np.uint64(purpose) for purpose in (draws.CLASS, draws.ITEMS, draws.HASH, draws.ROUTE, draws.THINK, draws.ZONE)
)


# -- calling ----------------------------------------------------------------------------------------------------------


@inlined
def arrive(st: State, u: Number, now: int) -> Number:
    """A new request: the client's call. `u`: the user of a closed loop whose request it is."""
    clock = st.clock[0]
    r = clock.free_request
    request = st.request[r]
    clock.free_request = request.next
    clock.free_requests -= SLOT(1)
    said_kind = -1
    said_items = -1
    if u == NONE:
        row = clock.arrival
        clock.arrival += SLOT(1)
        request.number = clock.first + row
        request.key = st.arrival_keys[row]
        if clock.outspoken != SLOT(0):
            said_kind, said_items = st.arrival_kinds[row], st.arrival_items[row]
            if st.arrival_sessions[row] >= 0:
                session = st.session[st.arrival_sessions[row]]
                if st.arrival_keystrokes[row] > 0:
                    supersede(st, session.request, session.number, now)
                session.request, session.number = r, request.number
    else:
        user = st.user[u]
        request.number = clock.first
        clock.first += 1
        request.key = mix(user.key, np.uint64(user.asked))
        user.asked += 1
    request.user = u
    request.arrival = now
    request.deadline = now + clock.deadline
    request.outcome = IN_FLIGHT
    request.visits = 0
    request.open_visits = 0
    request.degraded = 0
    request.quality = MILLION
    kind = said_kind if said_kind > 0 else 0
    if clock.classes > SLOT(1) and said_kind < 0:
        drawn = mix(request.key, CLASS_DRAW) >> U1
        while kind < clock.classes - 1 and drawn >= st.classes[kind].below:
            kind += 1
    of_kind = st.classes[kind]
    request.kind = kind
    request.level = of_kind.level
    request.items = of_kind.items
    if said_items >= 0:
        request.items = said_items
    elif of_kind.table != NONE:
        exact = quantile(st.tables, of_kind.table, mix(request.key, ITEMS_DRAW)) * np.float64(of_kind.items) + 0.5
        request.items = LONGEST_SERVICE if exact > LONGEST_SERVICE else np.int64(exact)
    s = take_scope(clock, st.scope)
    st.scope[s].request = r
    request.scope = s
    c = SLOT(s * (clock.calls + SLOT(1)) + clock.calls)
    call = st.call[c]
    call.scope = s
    call.stage = clock.client
    call.part = NONE
    call.attempt = 0
    call.shard = 0
    return c


@inlined
def supersede(st: State, r: Number, number: int, now: int) -> None:
    """Its user has typed on: nobody waits for it any more."""
    clock, request = st.clock[0], st.request[r]
    if request.number == number and request.outcome == IN_FLIGHT:
        call = st.call[SLOT(request.scope * (clock.calls + SLOT(1)) + clock.calls)]
        if call.state == UNDER_WAY and call.first != NONE:
            let_go(clock, st.stage[clock.client], st.visit, st.agenda, call.first)
        call.state = SETTLED
        end(st, r, SUPERSEDED, now)
        forget(clock, st.scope, st.request, r)


@compiled
def think(
    clock: Row, tree: Records, events: Records, users: Records, tables: draws.Floats, u: Number, now: int
) -> None:
    """Until the next request, whose key says for how long; there may be too many users."""
    user = users[u]
    if np.int64(u) >= clock.active:
        user.asleep = 1
    else:
        user.asleep = 0
        time = clock.think
        if clock.think_table != NONE:
            key = mix(user.key, np.uint64(user.asked))
            time = rounded(quantile(tables, np.uint64(clock.think_table), mix(key, THINK_DRAW)) * np.float64(time))
        push(clock, tree, events, now + time, WAKE << ID_BITS | int(u) << 16, u, NONE)


@inlined
def take_scope(clock: Row, scopes: Records) -> Number:
    """A scope that somebody holds on to."""
    s = clock.free_scope
    scope = scopes[s]
    clock.free_scope = scope.next
    clock.free_scopes -= SLOT(1)
    scope.users = 1
    scope.live = 0
    return s


@inlined
def leave_scope(clock: Row, scopes: Records, s: Number) -> None:
    """One user less; without any it is free."""
    scope = scopes[s]
    scope.users -= SLOT(1)
    if scope.users == SLOT(0):
        scope.next = clock.free_scope
        clock.free_scope = s
        clock.free_scopes += SLOT(1)


@inlined
def attempt_by_client(st: State, c: Number, now: int) -> Number:
    """The client tries; the visit that is to open its scope."""
    clock, call = st.clock[0], st.call[c]
    r = st.scope[call.scope].request
    request = st.request[r]
    stage = st.stage[clock.client]
    if call.attempt == SLOT(0) and stage.attempts > 1:
        stage.tokens = deposit(stage.tokens, stage.retry_budget)
    key = request.key
    if call.attempt > SLOT(0):
        key = mix(key, visit_word(stage.name_hash, 0, call.attempt, 0))
    v = copy(clock, stage, request, call, st.visit, r, c, NONE, 0, key, now)
    call.identity = st.visit[v].identity
    call.state = UNDER_WAY
    st.visit[v].items = request.items
    if stage.timeout < NEVER:
        time = now + patience(st.tables, stage, key)
        add_time_out(clock, st.tree, st.event, st.lane, st.timer, stage, clock.client, time, call.identity, c)
    return v


@inlined
def copy(
    clock: Row, stage: Row, request: Row, call: Row, visits: Records,
    r: Number, c: Number, caller: Number, second: Number, key: np.uint64, now: int,
) -> Number:  # fmt: skip
    """A visit of this attempt."""
    v = clock.free_visit
    visit = visits[v]
    clock.free_visit = visit.next
    clock.free_visits -= SLOT(1)
    visit.identity = request.number << 16 | np.int64(request.visits)
    request.visits += SLOT(1)
    request.open_visits += SLOT(1)
    visit.send = now
    visit.join = NOT_YET
    visit.due = NOT_YET
    visit.start = NOT_YET
    visit.end = NOT_YET
    visit.free = NOT_YET
    visit.answer = NOT_YET
    visit.batch = NOT_YET
    visit.key = key
    visit.request = r
    visit.call = c
    visit.scope = NONE
    visit.stage = call.stage
    visit.queue = NONE
    visit.replica = NONE
    visit.worker = NONE
    visit.outcome = OPEN
    visit.reason = COMPLETED
    visit.place = ON_THE_WAY
    visit.measured = 0
    visit.level = request.level if stage.by_level else SLOT(0)
    visit.attempt = call.attempt
    visit.copy = second
    visit.shard = call.shard
    visit.caller = caller
    visit.hit = 0
    visit.missed = 0
    visit.members = NONE
    visit.towed = NONE
    visit.tows = 0
    if second:
        call.second = v
    else:
        call.first = v
        call.second = NONE
    stage.sends += clock.measuring
    return v


@compiled
def patience(tables: draws.Floats, stage: Row, key: np.uint64) -> Number:
    time = stage.timeout
    if stage.timeout_table != NOBODY:
        unit = quantile(tables, np.uint64(stage.timeout_table), mix(key, TIMEOUT_DRAW))
        time = rounded(unit * np.float64(stage.timeout))
    return time


@compiled
def add_time_out(
    clock: Row, tree: Records, events: Records, lanes: Records, timers: Records,
    stage: Row, s: Number, time: int, identity: int, c: Number,
) -> None:  # fmt: skip
    key = TIME_OUT << ID_BITS | identity
    if stage.timeout_table == NOBODY:
        after_delay(clock, tree, events, lanes, timers, SLOT(TIME_OUT_LANE * clock.stages + s), time, key, c)
    else:
        push(clock, tree, events, time, key, c, NONE)


@inlined
def attempt(st: State, c: Number, scope: Row, part: Row, s: Number, now: int) -> None:
    """R7: a first attempt at a stage, or another."""
    clock, call = st.clock[0], st.call[c]
    request, owner = st.request[scope.request], st.visit[scope.owner]
    stage = st.stage[s]
    if call.attempt == SLOT(0):
        stage.calls_made += clock.measuring
        if stage.attempts > 1:
            stage.tokens = deposit(stage.tokens, stage.retry_budget)
        if stage.hedge_after < NEVER:
            stage.hedge_tokens = deposit(stage.hedge_tokens, stage.hedge_budget)
    call.state = UNDER_WAY
    call.probe = 0
    admitted = True
    if stage.breaker_window != 0 and stage.probe_at != NEVER:
        admitted = now >= stage.probe_at
        if admitted:
            call.probe = 1
            stage.probe_at = now + stage.breaker_open
    key = mix(owner.key, visit_word(stage.name_hash, call.shard, call.attempt, 0))
    caller = SLOT(owner.identity & 0xFFFF)
    v = copy(clock, stage, request, call, st.visit, scope.request, c, caller, 0, key, now)
    if not clock.plain:
        scope.users += SLOT(1)
    visit = st.visit[v]
    visit.items = part.items if stage.shards == 1 else (part.items + stage.shards - 1) // stage.shards
    call.identity = visit.identity
    if admitted:
        if stage.timeout < NEVER:
            time = now + patience(st.tables, stage, key)
            add_time_out(clock, st.tree, st.event, st.lane, st.timer, stage, s, time, call.identity, c)
        if stage.hedge_after < NEVER:
            lane = SLOT(HEDGE_LANE * clock.stages + s)
            due = HEDGE << ID_BITS | call.identity
            after_delay(clock, st.tree, st.event, st.lane, st.timer, lane, now + stage.hedge_after, due, c)
        dispatch(st, v, s, now)
    else:
        stage.refusals += clock.measuring
        visit.outcome = TURNED_AWAY
        visit.answer = now
        visit.reason = REJECTED
        then(clock, st.agenda, FAIL, v, NONE, visit.identity)


@inlined
def dispatch(st: State, v: Number, s: Number, now: int) -> None:
    clock, visit, stage = st.clock[0], st.visit[v], st.stage[s]
    if stage.drawn_early:
        visit.unit = unit_of(st, stage, visit)
    if clock.zone_hop != 0 and stage.zone_count:
        visit.zone = zone_of_caller(st, v)
    if stage.hop != 0:
        lane = SLOT(HOP_LANE * clock.stages + s)
        key = SEND << ID_BITS | visit.identity
        after_delay(clock, st.tree, st.event, st.lane, st.timer, lane, now + stage.hop, key, v)
    elif clock.joining == NONE and clock.done == clock.agenda:
        clock.joining = v
    else:
        then(clock, st.agenda, JOIN, v, NONE, visit.identity)


@inlined
def hedge(st: State, c: Number, now: int) -> None:
    clock, call = st.clock[0], st.call[c]
    stage = st.stage[call.stage]
    if may_hedge(stage):
        scope, part = st.scope[call.scope], st.part[call.part]
        request, owner = st.request[scope.request], st.visit[scope.owner]
        stage.hedges += clock.measuring
        key = mix(owner.key, visit_word(stage.name_hash, call.shard, call.attempt, 1))
        caller = SLOT(owner.identity & 0xFFFF)
        v = copy(clock, stage, request, call, st.visit, scope.request, c, caller, 1, key, now)
        scope.users += SLOT(1)
        st.visit[v].items = (part.items + stage.shards - 1) // stage.shards
        dispatch(st, v, call.stage, now)


@inlined
def time_out(st: State, c: Number, now: int) -> Number:
    """The call whose attempt has failed."""
    clock, call = st.clock[0], st.call[c]
    stage = st.stage[call.stage]
    stage.time_outs += clock.measuring
    expire(clock, stage, st.visit, st.agenda, call.first, now)
    expire(clock, stage, st.visit, st.agenda, call.second, now)
    call.reason = TIMED_OUT
    return c


@compiled
def expire(clock: Row, stage: Row, visits: Records, agenda: Records, v: Number, now: int) -> None:
    if v != NONE:
        visits[v].outcome = EXPIRED
        visits[v].reason = TIMED_OUT
        visits[v].answer = now
        let_go(clock, stage, visits, agenda, v)


@compiled
def let_go(clock: Row, stage: Row, visits: Records, agenda: Records, v: Number) -> None:
    """Nobody waits for it any more: R7, `cancel`."""
    if visits[v].stage == clock.client or stage.cancel != CANCEL_NONE or visits[v].place == LOST:
        then(clock, agenda, CANCEL, v, NONE, visits[v].identity)


@inlined
def attempt_failed(st: State, c: Number, now: int) -> Number:
    """R7: again, or the fallback, or the call has failed: that call."""
    clock, call = st.clock[0], st.call[c]
    stage = st.stage[call.stage]
    r = st.scope[call.scope].request
    failed = NONE
    call.first = NONE
    call.second = NONE
    if stage.breaker_window:
        breaker_records(stage, 1, call.probe, now)
    again = np.int64(call.attempt) + 1 < stage.attempts and now < st.request[r].deadline
    if again and may_retry(stage):
        call.state = BACKING_OFF
        delay = min(stage.backoff, stage.backoff_longest)
        for _ in range(call.attempt):
            delay = min(2 * delay, stage.backoff_longest)
        if stage.jitter:
            base = st.request[r].key
            if call.part != NONE:
                base = st.visit[st.scope[call.scope].owner].key
            key = mix(base, visit_word(stage.name_hash, call.shard, call.attempt, 0))
            unit = np.float64(mix(key, JITTER_DRAW) >> U11) * 2.0**-53
            delay -= np.int64(np.float64(delay) * stage.jitter * unit)
        push(clock, st.tree, st.event, now + max(1, delay), AGAIN << ID_BITS | call.identity, c, NONE)
    elif stage.fallback < NEVER:
        call.state = FALLING_BACK
        push(clock, st.tree, st.event, now + stage.fallback, AGAIN << ID_BITS | call.identity, c, NONE)
    else:
        failed = c
    return failed


@inlined
def call_answered(st: State, c: Number, now: int) -> Number:
    """The part that has its quorum."""
    call = st.call[c]
    call.state = SETTLED
    settled = NONE
    if call.part == NONE:
        end(st, st.scope[call.scope].request, COMPLETED, now)
    else:
        part = st.part[call.part]
        st.scope[call.scope].under_way -= SLOT(1)
        part.open_calls -= SLOT(1)
        part.answered += SLOT(1)
        if np.int64(part.answered) == st.stage[call.stage].quorum:
            settled = call.part
    return settled


@inlined
def call_failed(st: State, c: Number, now: int) -> Number:
    """The part that will have no quorum."""
    call = st.call[c]
    call.state = SETTLED
    without = NONE
    if call.part == NONE:
        end(st, st.scope[call.scope].request, call.reason, now)
    else:
        part = st.part[call.part]
        st.scope[call.scope].under_way -= SLOT(1)
        part.open_calls -= SLOT(1)
        enough = np.int64(part.answered) + np.int64(part.open_calls) >= st.stage[call.stage].quorum
        if part.settled == SLOT(0) and not enough:
            without = call.part
    return without


@inlined
def end(st: State, r: Number, outcome: int, now: int) -> None:
    """R1. In a closed loop its user thinks about the next."""
    clock, request = st.clock[0], st.request[r]
    write_end(clock, request, st.ended, outcome, now)
    if request.user != NONE:
        think(clock, st.tree, st.event, st.user, st.tables, request.user, now)


@inlined
def write_end(clock: Row, request: Row, ended: Ints, outcome: int, now: int) -> None:
    i = clock.ended
    clock.ended += SLOT(1)
    request.outcome = DEGRADED if outcome == COMPLETED and request.degraded else outcome
    ended[U0, i] = request.number
    ended[U1, i] = request.arrival
    ended[U2, i] = now
    ended[U3, i] = request.outcome
    ended[U4, i] = request.kind
    ended[U5, i] = request.quality


# -- stages within a visit --------------------------------------------------------------------------------------------


@inlined
def open_scope(st: State, v: Number, now: int) -> None:
    """The calls within a visit begin."""
    clock, visit = st.clock[0], st.visit[v]
    visit.place = CALLING
    request = st.request[visit.request]
    s = request.scope
    if visit.stage == clock.client and visit.attempt == SLOT(0):  # its scope is already there
        if not clock.plain:
            st.scope[s].users += SLOT(1)
    else:
        s = take_scope(clock, st.scope)
    stage = st.stage[visit.stage]
    scope = st.scope[s]
    scope.owner = v
    scope.request = visit.request
    scope.unsettled = stage.last_calls
    scope.held = stage.held_calls
    scope.under_way = 0
    scope.live = 1
    visit.scope = s
    p = SLOT(s * clock.parts)
    called, whole = SLOT(p + SLOT(stage.calls)), SLOT(p + clock.parts)
    while p < called:
        part = st.part[p]
        p += SLOT(1)
        part.items = 0
        part.late = NOT_YET
        part.scope = s
        part.called = 0
        part.settled = 0
        part.missed = 0
        part.settled_before = 0
        part.answered_before = 0
        part.answered = 0
        part.open_calls = 0
    while p < whole:
        st.part[p].late = NOT_YET  # left by a larger scope
        p += SLOT(1)


@inlined
def settle(st: State, p: Number, now: int) -> Number:
    """R2: with an answer, without one, or not called at all. Whether it was answered."""
    clock, part = st.clock[0], st.part[p]
    stage, scope = st.stage[part.stage], st.scope[part.scope]
    part.settled = 1
    if part.open_calls != SLOT(0):
        drop_calls(clock, stage, scope, part, st.call, st.visit, st.agenda)
    if stage.hold != 0:
        scope.held -= SLOT(1)
        if scope.held == SLOT(0):
            let_worker_go(clock, st.stage, st.visit, st.agenda, scope.owner, now)
    return np.int64(part.answered) >= stage.quorum


@compiled
def drop_calls(clock: Row, stage: Row, scope: Row, part: Row, calls: Records, visits: Records, agenda: Records) -> None:
    """Nobody waits for the rest."""
    first = SLOT(part.scope * (clock.calls + SLOT(1)) + stage.first_call)
    for c in range(first, SLOT(first + SLOT(stage.shards))):
        call = calls[c]
        if call.state != SETTLED:
            if call.state == UNDER_WAY:
                if call.first != NONE:
                    let_go(clock, stage, visits, agenda, call.first)
                if call.second != NONE:
                    let_go(clock, stage, visits, agenda, call.second)
            call.state = SETTLED
            scope.under_way -= SLOT(1)
            part.open_calls -= SLOT(1)


@compiled
def end_scope(
    clock: Row, stages: Records, scopes: Records, parts: Records, calls: Records, visits: Records, agenda: Records,
    s: Number,
) -> None:  # fmt: skip
    scope = scopes[s]
    scope.live = 0
    if scope.under_way:
        first = SLOT(s * clock.parts)
        for p in range(first, SLOT(first + SLOT(stages[visits[scope.owner].stage].calls))):
            if parts[p].open_calls:
                drop_calls(clock, stages[parts[p].stage], scope, parts[p], calls, visits, agenda)


@compiled
def let_worker_go(clock: Row, stages: Records, visits: Records, agenda: Records, v: Number, now: int) -> None:
    """If it is held."""
    visit = visits[v]
    if visit.free < 0 and visit.start >= 0:
        give_back(clock, stages[visit.stage], visits, agenda, v, now)


@compiled
def give_back(clock: Row, stage: Row, visits: Records, agenda: Records, v: Number, now: int) -> None:
    """The worker is free; it looks for the next visit when the agenda comes to it."""
    visit = visits[v]
    stop_work(stage, visit, now)
    if visit.queue != NONE:
        then(clock, agenda, FREE, visit.queue, visit.worker, 0)


@inlined
def stop_work(stage: Row, visit: Row, now: int) -> None:
    visit.free = now
    stage.busy -= 1
    stage.busy_low += now & WORD
    stage.busy_high += now >> WORD_BITS


@inlined
def follow(st: State, s: Number, after: Number, settled: Number, answered: Number, now: int) -> None:
    """Call the stages that come after that one, of the part `settled`, as far as they are ready.

    Where nothing has settled: the first ones within a visit there.
    """
    clock, scope = st.clock[0], st.scope[s]
    items = 0
    opening = settled == NONE
    stage = st.stage[after]
    if opening:
        items = st.visit[scope.owner].items
        i, last = stage.first_called, stage.last_called
    else:
        i, last = stage.first_followed, stage.last_followed
        if i < last:
            items = handed_on(stage, st.part[settled])
    while i < last:
        arc = st.arc[i]
        i += SLOT(1)
        p = SLOT(s * clock.parts + arc.part)
        part = st.part[p]
        if part.called == SLOT(0):
            part.items += items
            if not opening:
                part.settled_before += SLOT(1)
                if answered:
                    part.answered_before += SLOT(1)
            if (
                opening
                or np.int64(part.settled_before) == arc.predecessors
                or np.int64(part.answered_before) >= arc.wait_for
            ):
                f = arc.stage
                following = st.stage[f]
                part.called = 1
                part.stage = f
                if applies(st, scope, following, s):
                    scope.under_way += SLOT(following.shards)
                    part.open_calls = SLOT(following.shards)
                    first = SLOT(s * (clock.calls + SLOT(1)) + following.first_call)
                    shard = SLOT(0)
                    while shard < SLOT(following.shards):
                        call = st.call[first + shard]
                        call.scope = s
                        call.part = p
                        call.stage = f
                        call.shard = shard
                        call.attempt = 0
                        attempt(st, SLOT(first + shard), scope, part, f, now)
                        shard += SLOT(1)
                    if following.late_after < NEVER:
                        part.late = st.call[first].identity
                        lane = SLOT(LATE_LANE * clock.stages + f)
                        due, key = now + following.late_after, LATE << ID_BITS | part.late
                        after_delay(clock, st.tree, st.event, st.lane, st.timer, lane, due, key, p)
                else:
                    then(clock, st.agenda, SKIP, p, NONE, st.visit[scope.owner].identity)


@inlined
def handed_on(stage: Row, part: Row) -> Number:
    answered = np.int64(part.answered)
    items = part.items
    if stage.gives != PASS_ON:
        items = stage.gives * answered
        if stage.shards > 1:
            items //= stage.shards
    elif stage.shards > 1 and answered:
        items = items * answered // stage.shards
    return items if items < stage.keeps else stage.keeps


@inlined
def applies(st: State, scope: Row, stage: Row, s: Number) -> Number:
    """`when`."""
    yes = True
    if stage.when_missed != NOBODY:
        owner = st.visit[scope.owner]
        if np.int64(owner.stage) == stage.when_missed:
            yes = owner.missed != SLOT(0)
        else:
            at = st.stage[stage.when_missed].part
            yes = st.part[SLOT(s * st.clock[0].parts + at)].missed != SLOT(0)
    elif stage.when_threshold < ALWAYS:
        yes = happens(mix(st.visit[scope.owner].key, stage.name_hash), WHEN_DRAW, stage.when_threshold)
    return yes


@inlined
def finish_settling(st: State, s: Number, settled: Number, now: int) -> None:
    """After those that come after that stage were called: the user may have the answer, the caller may be complete."""
    clock, scope = st.clock[0], st.scope[s]
    if np.int64(settled) == clock.answer_after:
        root = st.visit[scope.owner]
        call = st.call[root.call]
        if call.state == UNDER_WAY and call.first == scope.owner:
            root.outcome = ANSWERED
            root.answer = now
            call.first = NONE
            call.state = SETTLED
            end(st, scope.request, COMPLETED, now)
    if st.stage[settled].first_followed == st.stage[settled].last_followed:
        scope.unsettled -= SLOT(1)
        if scope.unsettled == SLOT(0):
            then(clock, st.agenda, ANSWER, scope.owner, NONE, st.visit[scope.owner].identity)


@compiled
def needed(stage: Row, arcs: Records, parts: Records, first: Number) -> Number:
    """Whether somebody still waits for it: with `wait_for` those that come after may have gone on."""
    yes = stage.first_followed == stage.last_followed
    for i in range(stage.first_followed, stage.last_followed):
        yes = yes or parts[SLOT(first + arcs[i].part)].called == SLOT(0)
    return yes


@inlined
def without(st: State, p: Number, reason: int) -> Number:
    """There will be no quorum: the part that is settled all the same."""
    clock, part = st.clock[0], st.part[p]
    stage, scope = st.stage[part.stage], st.scope[part.scope]
    wanted = needed(stage, st.arc, st.part, SLOT(part.scope * clock.parts))
    settled = p
    if wanted and stage.required:
        owner = scope.owner
        end_scope(clock, st.stage, st.scope, st.part, st.call, st.visit, st.agenda, part.scope)
        st.visit[owner].reason = reason
        then(clock, st.agenda, FAIL, owner, NONE, st.visit[owner].identity)
        settled = NONE
    elif wanted:
        st.request[scope.request].degraded = 1
        stage.left_out += clock.measuring
    return settled


@inlined
def too_late(st: State, p: Number) -> Number:
    """Whether it is settled with what has come."""
    clock, part = st.clock[0], st.part[p]
    come = part.answered != SLOT(0)
    if come:
        stage = st.stage[part.stage]
        if needed(stage, st.arc, st.part, SLOT(part.scope * clock.parts)):
            st.request[st.scope[part.scope].request].degraded = 1
            stage.left_out += clock.measuring
    return come


# -- at a stage -------------------------------------------------------------------------------------------------------


@inlined
def join(st: State, v: Number, now: int) -> Number:
    """0: it waits, travels on, is lost or turned away; 1: it can start at once; 2: its queue holds a batch that can."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    what = 0
    admitted = True
    there = True
    crossed = clock.zone_hop != 0 and visit.queue != NONE
    if not crossed:
        if stage.cut != 0:
            visit.place = LOST
            stage.lost += clock.measuring
            there = False
        else:
            admitted = stage.admission_interval == 0 or admits(stage, now)
            if admitted and stage.endless == 0:
                if stage.shared:
                    visit.queue = stage.first_queue
                elif stage.ready:
                    visit.queue = choose(st, v)
                    zones = clock.zone_hop != 0 and stage.zone_count
                    if zones and replica_of(st, visit.queue).zone != visit.zone:
                        key = SEND << ID_BITS | visit.identity
                        push(clock, st.tree, st.event, now + clock.zone_hop, key, v, NONE)
                        there = False
    if there:
        visit.join = now
        visit.due = now
        visit.measured = clock.measuring
        stage.joins += clock.measuring
        stage.joined += 1
        q = visit.queue
        if stage.endless != 0 and admitted:
            visit.replica = 0
            what = 1
        elif q == NONE or (crossed and replica_of(st, q).state == SLOT(ABSENT)):
            visit.queue = NONE
            turn_away(clock, stage, st.visit, st.agenda, v, now)
        else:
            queue = st.queue[q]
            visit.replica = queue.replica
            at_once = queue.idle and stage.paused == 0 and stage.batch_size == 1
            what = 1 if at_once else enqueue(st, v, now)
    return what


@inlined
def replica_of(st: State, q: Number) -> Row:
    """Whose queue it is, where each has its own."""
    queue = st.queue[q]
    return st.replica[SLOT(st.stage[queue.stage].first_replica + queue.replica)]


@compiled
def zone_of_caller(st: State, v: Number) -> Number:
    """Where a visit is sent from: its caller's zone, else that in which its request came in."""
    visit = st.visit[v]
    owner = st.visit[st.scope[st.call[visit.call].scope].owner]
    caller = st.stage[owner.stage]
    at = NONE
    if caller.zone_count:
        at = owner.replica
        if caller.shared:
            at = NONE if owner.worker == NONE else SLOT(owner.worker // SLOT(caller.concurrency))
    if at == NONE:
        return below(mix(st.request[visit.request].key, ZONE_DRAW), st.clock[0].zones)
    return st.replica[SLOT(caller.first_replica + at)].zone


@inlined
def enqueue(st: State, v: Number, now: int) -> Number:
    """2: a batch can start."""
    clock, visit = st.clock[0], st.visit[v]
    stage, queue = st.stage[visit.stage], st.queue[visit.queue]
    what = 0
    enters = True
    if queue.length >= stage.queue_limit:
        shed = v
        enters = stage.shed_oldest and queue.length
        if enters:
            shed = to_shed(stage, queue, st.waiters)
            leave(stage, queue, st.waiters, st.visit, shed, now)
            st.visit[shed].place = ON_THE_WAY
        turn_away(clock, stage, st.visit, st.agenda, shed, now)
    if enters:
        visit.place = WAITING
        enter(stage, queue, st.waiters, st.visit, v, now)
        if stage.batch_size > 1:
            lane = SLOT(BATCH_LANE * clock.stages + visit.stage)
            due = BATCH << ID_BITS | visit.identity
            after_delay(clock, st.tree, st.event, st.lane, st.timer, lane, now + stage.batch_wait, due, v)
            if queue.idle and queue.length >= stage.batch_size and stage.paused == 0:
                what = 2
    return what


@compiled
def turn_away(clock: Row, stage: Row, visits: Records, agenda: Records, v: Number, now: int) -> None:
    visit = visits[v]
    stage.rejections += visit.measured
    if visit.outcome == OPEN:
        visit.outcome = TURNED_AWAY
        visit.answer = now
    visit.reason = REJECTED
    then(clock, agenda, FAIL, v, NONE, visit.identity)


@compiled
def expired(clock: Row, stage: Row, requests: Records, visits: Records, agenda: Records, v: Number, now: int) -> Number:
    """R8: whether it is dropped when its turn comes, where expired visits are."""
    visit = visits[v]
    dropped = now >= requests[visit.request].deadline
    if dropped:
        if visit.outcome == OPEN:
            visit.outcome = EXPIRED
            visit.answer = now
        visit.reason = TIMED_OUT
        then(clock, agenda, FAIL, v, NONE, visit.identity)
    return dropped


@inlined
def choose(st: State, v: Number) -> Number:
    """One of the queues of those that are ready; somebody must be."""
    visit = st.visit[v]
    stage = st.stage[visit.stage]
    first, count = stage.first_replica, stage.ready
    best = st.ready[first]
    if stage.balancing == ROUND_ROBIN:
        turn = SLOT(stage.turn) if stage.turn < np.int64(count) else SLOT(0)
        stage.turn = np.int64(turn) + 1
        best = st.ready[first + turn]
    elif stage.ranked:
        best = SLOT(st.rank[stage.first_node + SLOT(1)].whose)
    elif stage.balancing == LEAST_OUTSTANDING:
        for i in range(first, SLOT(first + count)):
            q = st.ready[i]
            if precedes(st.queue[q], st.queue[best]):
                best = q
    elif stage.balancing == HASH:
        best = hashed(
            stage,
            st.queue,
            st.replica,
            st.ready,
            st.key_thresholds,
            st.guide,
            st.request[visit.request].key,
            visit.shard,
        )
    else:
        best = st.ready[SLOT(first + below(mix(visit.key, ROUTE_DRAW), count))]
        if stage.balancing == LEAST_OF:
            load = st.queue[best].load
            for j in range(1, stage.choices):
                other_q = st.ready[SLOT(first + below(mix(visit.key, ROUTE_DRAW + np.uint64(j)), count))]
                if st.queue[other_q].load < load:
                    best = other_q
                    load = st.queue[best].load
    call = st.call[visit.call]
    if visit.copy and call.state == UNDER_WAY and call.second == v:
        twin = call.first
        if twin != NONE and st.visit[twin].queue == best:
            i = first
            while st.ready[i] != best:
                i += SLOT(1)
            i += SLOT(1)
            best = st.ready[first if i == SLOT(first + count) else i]
    stage.chosen += 1
    st.queue[best].chosen = stage.chosen
    return best


@inlined
def rerank(st: State, q: Number) -> None:
    """The queue's load may have changed."""
    if st.clock[0].ranked:
        stage = st.stage[st.queue[q].stage]
        if stage.ranked:
            rank(stage, st.rank, st.queue, st.replica, q)


@compiled
def hashed(
    stage: Row, queues: Records, replicas: Records, ready: Records, thresholds: draws.Keys, guide: Records,
    request_key: np.uint64, shard: Number,
) -> Number:  # fmt: skip
    """Of the places the first drawn that is ready: when one goes only its keys move."""
    own = mix(request_key, visit_word(stage.name_hash, shard, 0, 0))
    word = own
    if stage.cache_keys:
        word = mix(stage.key_hash, np.uint64(asked_key(thresholds, guide, stage, request_key, shard, KEY_DRAW)))
    elif stage.hot_threshold and happens(own, HOT_DRAW, stage.hot_threshold):
        word = stage.name_hash
    for _ in range(MOST_PROBES):
        word = mix(word, HASH_DRAW)
        place = below(word, stage.places)
        if replicas[SLOT(stage.first_replica + place)].state == SLOT(READY):
            return SLOT(stage.first_queue + place)
    return ready[SLOT(stage.first_replica + below(word, stage.ready))]


@inlined
def free(st: State, q: Number, worker: Number, now: int) -> Number:
    """R4: a worker without a visit takes the next (which is returned), or a batch (NONE - 1), or is idle (NONE)."""
    clock, queue = st.clock[0], st.queue[q]
    stage = st.stage[queue.stage]
    taken = NONE
    leaves = False
    if stage.draining != 0:
        replica = st.replica[SLOT(stage.first_replica + worker // SLOT(stage.concurrency))]
        leaves = replica.state == SLOT(DRAINING)
    if leaves and stage.shared:
        leave_staff(stage, replica, 1, now)
    elif queue.length == 0 or stage.paused:
        give_idle(clock, queue, st.idle, worker)
        if leaves:
            leave_if_done(stage, replica, queue, st.idle, now)
    else:
        first = first_of(stage, queue, st.waiters)
        if stage.batch_size > 1:
            if queue.length >= stage.batch_size or now - st.visit[first].join >= stage.batch_wait:
                taken = NONE - SLOT(1)
            else:
                give_idle(clock, queue, st.idle, worker)
        else:
            leave(stage, queue, st.waiters, st.visit, first, now)
            st.visit[first].place = ON_THE_WAY
            if stage.drop_expired != 0 and expired(clock, stage, st.request, st.visit, st.agenda, first, now):
                then(clock, st.agenda, FREE, q, worker, 0)
            else:
                st.visit[first].worker = worker
                taken = first
    return taken


@inlined
def start(st: State, v: Number, now: int) -> Number:
    """Its worker takes it up: the cache first. Whether it is served."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    served = True
    if stage.cache_keys != 0:
        cache = st.cache[cache_of(stage, visit)]
        key = asked_key(st.key_thresholds, st.guide, stage, st.request[visit.request].key, visit.shard, KEY_DRAW)
        e = SLOT(cache.first + key)
        visit.cached_key = e
        visit.hit = look_up(stage, cache, st.entry, e, now)
        if visit.hit and visit.measured:
            age = now - st.entry[e].written
            stage.age_sum_low += age & WORD
            stage.age_sum_high += age >> WORD_BITS
        if visit.hit == SLOT(0) and stage.coalesce:
            fetching = st.entry[e].fetching
            if fetching == NONE:
                st.entry[e].fetching = v
            else:
                served = False
                wait_for_fetch(clock, stage, st.visit, st.agenda, v, fetching)
    elif stage.hit_threshold != 0:
        visit.hit = happens(visit.key, CACHE_DRAW, stage.hit_threshold)
    if served:
        visit.missed = SLOT(1) - visit.hit
        if visit.hit:
            stage.hits += np.int64(visit.measured)
    return served


@inlined
def cache_of(stage: Row, visit: Row) -> Number:
    """The stage's, or that of the worker's replica."""
    own = stage.caches > SLOT(1)
    return SLOT(stage.first_cache + visit.worker // SLOT(stage.concurrency)) if own else stage.first_cache


@compiled
def wait_for_fetch(clock: Row, stage: Row, visits: Records, agenda: Records, v: Number, fetching: Number) -> None:
    """A coalesced miss leaves its worker."""
    visit, fetch = visits[v], visits[fetching]
    visit.next = NONE
    if fetch.towed == NONE:
        fetch.towed = v
    else:
        visits[fetch.last_towed].next = v
    fetch.last_towed = v
    fetch.tows += SLOT(1)
    if fetch.tows > clock.longest_tow:
        clock.longest_tow = fetch.tows
        clock.sure = 0
    visit.place = IN_TOW
    stage.coalesced += np.int64(visit.measured)
    if visit.queue != NONE:
        then(clock, agenda, FREE, visit.queue, visit.worker, 0)
    visit.worker = NONE


@inlined
def start_batch(st: State, q: Number, worker: Number, now: int) -> Number:
    """Those whose turn it is, together: the first of them."""
    clock, queue = st.clock[0], st.queue[q]
    stage = st.stage[queue.stage]
    leader = NONE
    last = NONE
    members = 0
    for _ in range(min(queue.length, stage.batch_size)):
        v = first_of(stage, queue, st.waiters)
        leave(stage, queue, st.waiters, st.visit, v, now)
        st.visit[v].place = ON_THE_WAY
        if not stage.drop_expired or not expired(clock, stage, st.request, st.visit, st.agenda, v, now):
            st.visit[v].next = NONE
            if leader == NONE:
                leader = v
            else:
                st.visit[last].next = v
            last = v
            members += 1
    if leader == NONE:
        then(clock, st.agenda, FREE, q, worker, 0)
    else:
        first = st.visit[leader]
        due = min(now, first.join + stage.batch_wait)
        if members == stage.batch_size:
            due = min(due, st.visit[last].join)
        v = leader
        while v != NONE:
            st.visit[v].batch = first.identity
            st.visit[v].due = max(st.visit[v].join, due)
            v = st.visit[v].next
        first.members = leader
        first.worker = worker
    return leader


@inlined
def unit_of(st: State, stage: Row, visit: Row) -> Number:
    """How many times the mean its service takes."""
    return quantile(st.tables, np.uint64(stage.table), mix(visit.key, SERVICE_DRAW))


@inlined
def serve(st: State, v: Number, now: int) -> None:
    """R13."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    s = visit.stage
    stage.busy_low -= now & WORD
    stage.busy_high -= now >> WORD_BITS
    stage.busy += 1
    items = visit.items
    carried = 1 if stage.counts_visits else items
    if visit.members != NONE:
        m = st.visit[v].next
        while m != NONE:
            carried += 1 if stage.counts_visits else st.visit[m].items
            m = st.visit[m].next
    time = stage.hit_time
    if visit.hit == SLOT(0):
        work = stage.floor
        if stage.per_item:
            work += stage.per_item * np.float64(carried)
        unit = visit.unit if stage.drawn_early else unit_of(st, stage, visit)
        exact = unit * work * stage.factor
        if stage.uneven != 0:
            exact *= st.replica[SLOT(stage.first_replica + visit.worker // SLOT(stage.concurrency))].factor
        time = rounded(exact)
    worker = visit.worker
    m = v
    while True:
        member = st.visit[m]
        member.place = SERVICE
        member.start = now
        member.worker = worker
        member.service = time
        if member.measured:
            wait = now - member.join
            stage.starts += 1
            stage.items += member.items
            stage.service_sum_low += time & WORD
            stage.service_sum_high += time >> WORD_BITS
            stage.wait_sum_low += wait & WORD
            stage.wait_sum_high += wait >> WORD_BITS
            st.noted[clock.noted] = np.int64(s) * BINS + np.int64(bin_of(wait))
            clock.noted += SLOT(1)
            if clock.noted == NOTED:
                count_waits(clock, st.noted, st.waits)
            if visit.members != NONE:
                batched = member.due - member.join
                stage.batch_wait_sum_low += batched & WORD
                stage.batch_wait_sum_high += batched >> WORD_BITS
        if visit.members == NONE:
            break
        m = member.next
        if m == NONE:
            break
    if stage.silent_threshold == 0 or not happens(visit.key, SILENT_DRAW, stage.silent_threshold):
        push_here(clock, st.tree, st.event, now + time, FINISH << ID_BITS | visit.identity, v, NONE)


@inlined
def finish(st: State, v: Number, now: int) -> Number:
    """The queue to whose worker it leaves; NONE if none is free. Those of a batch are served one by one."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    visit.end = now
    freed = NONE
    if visit.members != NONE:
        m = visit.next
        while m != NONE:
            st.visit[m].end = now
            st.visit[m].free = now
            m = st.visit[m].next
        m = v
        while m != NONE:
            then(clock, st.agenda, SERVED, m, NONE, st.visit[m].identity)
            m = st.visit[m].next
    if stage.held_calls == 0 or visit.members != NONE or errs(stage, visit):
        stop_work(stage, visit, now)
        freed = visit.queue
    return freed


@inlined
def errs(stage: Row, visit: Row) -> Number:
    drawn = stage.error_threshold != 0 and happens(visit.key, ERROR_DRAW, stage.error_threshold)
    return stage.outage != 0 or drawn


# -- ends -------------------------------------------------------------------------------------------------------------


@inlined
def answered(st: State, v: Number, now: int) -> Number:
    """Its service and the calls within it are over: the call that it answers."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    c = NONE
    if visit.scope != NONE:
        st.scope[visit.scope].live = 0
        if st.scope[visit.scope].under_way != SLOT(0):
            end_scope(clock, st.stage, st.scope, st.part, st.call, st.visit, st.agenda, visit.scope)
        if visit.free < 0 and visit.start >= 0:
            give_back(clock, stage, st.visit, st.agenda, v, now)
    if visit.outcome == OPEN:
        visit.outcome = ANSWERED
        visit.answer = now
    if stage.cache_keys != 0:
        if visit.missed and visit.start >= 0:
            write(stage, st.cache[cache_of(stage, visit)], st.entry, visit.cached_key, now)
        end_fetch(clock, st.entry, st.visit, st.agenda, v, ANSWER)
    call = st.call[visit.call]
    if clock.plain or (call.state == UNDER_WAY and (call.second if visit.copy else call.first) == v):
        twin = call.second
        if visit.copy:
            twin = call.first
        call.first = NONE
        call.second = NONE
        if twin != NONE:
            let_go(clock, stage, st.visit, st.agenda, twin)
        if stage.breaker_window != 0:
            breaker_records(stage, 0, call.probe, now)
        if call.part != NONE and visit.missed:
            st.part[call.part].missed = 1
        c = visit.call
    return c


@inlined
def fail(st: State, v: Number, now: int) -> Number:
    """It was turned away, dropped or in error, or a call within it failed: the call whose attempt has failed."""
    clock, visit = st.clock[0], st.visit[v]
    failed = NONE
    if visit.scope != NONE:
        let_worker_go(clock, st.stage, st.visit, st.agenda, v, now)
    if visit.outcome == OPEN:
        visit.outcome = FAILED
        visit.answer = now
    if st.stage[visit.stage].cache_keys:
        end_fetch(clock, st.entry, st.visit, st.agenda, v, FAIL)
    call = st.call[visit.call]
    if call.state == UNDER_WAY and (call.second if visit.copy else call.first) == v:
        if visit.copy:
            call.second = NONE
        else:
            call.first = NONE
        if call.first == NONE and call.second == NONE:
            call.reason = visit.reason
            failed = visit.call
    return failed


@compiled
def end_fetch(clock: Row, entries: Records, visits: Records, agenda: Records, v: Number, act: Number) -> None:
    """Coalesced misses end as the fetch does."""
    visit = visits[v]
    if visit.missed and visit.start >= 0 and entries[visit.cached_key].fetching == v:
        entries[visit.cached_key].fetching = NONE
        towed = visit.towed
        visit.towed = NONE
        while towed != NONE:
            follower = visits[towed]
            follower.reason = visit.reason
            then(clock, agenda, CLOSE if follower.outcome == CANCELLED else act, towed, NONE, follower.identity)
            towed = follower.next


@inlined
def cancel(st: State, v: Number, now: int) -> Number:
    """R7. Whether the visit is over."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    running = visit.stage == clock.client or stage.cancel == CANCEL_RUNNING
    place = visit.place
    over = False
    if running or (place != SERVICE and place != CALLING):
        if visit.outcome == OPEN:
            visit.outcome = CANCELLED
            visit.reason = BROKEN
            visit.answer = now
        over = place != IN_TOW
        if place == WAITING:
            leave(stage, st.queue[visit.queue], st.waiters, st.visit, v, now)
            rerank(st, visit.queue)
            if stage.draining and stage.shared == 0:
                leave_if_done(stage, replica_of(st, visit.queue), st.queue[visit.queue], st.idle, now)
        elif place == SERVICE:
            if visit.batch >= 0:
                visit.place = IN_TOW
                over = False
            else:
                visit.end = now
                if visit.measured:
                    less = visit.start + visit.service - now
                    stage.service_sum_low -= less & WORD
                    stage.service_sum_high -= less >> WORD_BITS
                give_back(clock, stage, st.visit, st.agenda, v, now)
        elif place == CALLING:
            end_scope(clock, st.stage, st.scope, st.part, st.call, st.visit, st.agenda, visit.scope)
            let_worker_go(clock, st.stage, st.visit, st.agenda, v, now)
        if over and stage.cache_keys:
            end_fetch(clock, st.entry, st.visit, st.agenda, v, FAIL)
    return over


@inlined
def close(st: State, v: Number) -> None:
    """The visit is over: its slot is free, and its request's with the last."""
    clock, visit = st.clock[0], st.visit[v]
    request = st.request[visit.request]
    if clock.traced != 0 and (len(st.wanted) == 0 or is_wanted(st.wanted, request.number)):
        record(visit, st.trace, clock.rows)
        clock.rows += SLOT(1)
    visit.identity = -1
    visit.next = clock.free_visit
    clock.free_visit = v
    clock.free_visits += SLOT(1)
    if not clock.plain:
        if visit.scope != NONE:
            leave_scope(clock, st.scope, visit.scope)
        if visit.stage != clock.client:
            leave_scope(clock, st.scope, st.call[visit.call].scope)
    request.open_visits -= SLOT(1)
    forget(clock, st.scope, st.request, visit.request)


@inlined
def forget(clock: Row, scopes: Records, requests: Records, r: Number) -> None:
    """A request that has ended, and whose visits are all over: its slot is free."""
    request = requests[r]
    if request.open_visits == SLOT(0) and request.outcome != IN_FLIGHT:
        leave_scope(clock, scopes, request.scope)
        request.number = -1
        request.next = clock.free_request
        clock.free_request = r
        clock.free_requests += SLOT(1)


@compiled
def perish(st: State, v: Number, now: int) -> None:
    """R3: a visit whose replica dies fails, wherever it is there; in tow of a fetch it ends with that."""
    clock, visit = st.clock[0], st.visit[v]
    stage = st.stage[visit.stage]
    place = visit.place
    if place != IN_TOW or visit.batch >= 0:
        if place == WAITING:
            leave(stage, st.queue[visit.queue], st.waiters, st.visit, v, now)
        elif place == CALLING:
            end_scope(clock, st.stage, st.scope, st.part, st.call, st.visit, st.agenda, visit.scope)
        if visit.free < 0 and visit.start >= 0:
            if place != CALLING:
                visit.end = now
                if visit.measured:
                    less = visit.start + visit.service - now
                    stage.service_sum_low -= less & WORD
                    stage.service_sum_high -= less >> WORD_BITS
            visit.free = now
            if visit.batch < 0 or visit.members != NONE:
                stage.busy -= 1
                stage.busy_low += now & WORD
                stage.busy_high += now >> WORD_BITS
        stage.killed += np.int64(visit.measured)
        if place == IN_TOW:
            then(clock, st.agenda, CLOSE, v, NONE, visit.identity)
        else:
            visit.place = ON_THE_WAY
            visit.reason = BROKEN
            if visit.outcome == OPEN:
                visit.outcome = FAILED
                visit.answer = now
            then(clock, st.agenda, FAIL, v, NONE, visit.identity)


@compiled
def is_wanted(wanted: Any, number: int) -> Number:
    return number < len(wanted) and wanted[number] != 0


# -- timers -----------------------------------------------------------------------------------------------------------


@inlined
def is_timer(key: int) -> bool:
    """Whether an event is one that stands in a lane, but for the end of a hop."""
    return FINISH < key >> ID_BITS < SEND


@compiled
def is_over(key: int, slot: Number, calls: Records, parts: Records, scopes: Records, visits: Records) -> bool:
    """Whether an event is a timer of what is over: then it is none (R6), and it will not be one any more."""
    kind, identity = key >> ID_BITS, key & ID
    over = False
    if kind == TIME_OUT or kind == HEDGE:  # noqa: SIM109
        over = calls[slot].identity != identity or calls[slot].state != UNDER_WAY
    elif kind == LATE:
        part = parts[slot]
        over = part.late != identity or part.settled != SLOT(0) or scopes[part.scope].live == SLOT(0)
    elif kind == BATCH:
        over = visits[slot].identity != identity or visits[slot].place != WAITING
    return over


@inlined
def drop_first(st: State) -> None:
    """The first event is over; the next of its lane that is one takes its place, else what is pushed next."""
    clock, first = st.clock[0], st.event[SLOT(st.tree[1].whose)]
    clock.spent = 1
    if first.lane != NONE:
        lane = st.lane[first.lane]
        following = lane.head
        while following != NONE:
            timer = st.timer[following]
            over = is_over(timer.key, timer.slot, st.call, st.part, st.scope, st.visit)
            lane.head = timer.next
            timer.next = clock.free_timer
            clock.free_timer = following
            clock.free_timers += SLOT(1)
            if over:
                following = lane.head
            else:
                clock.spent = 0
                replace_first(clock, st.tree, st.event, timer.time, timer.key, timer.slot, first.lane)
                following = NONE
        if clock.spent:
            lane.busy = 0


# -- the loop ---------------------------------------------------------------------------------------------------------


@compiled
def room_for(clock: Row, agenda: int, ended: int, trace: int) -> Number:
    """How many steps fit for certain, whatever they do."""
    most = np.int64(clock.most) + np.int64(clock.longest_tow)
    room = min(agenda - np.int64(clock.agenda), ended - np.int64(clock.ended))
    room = min(room, np.int64(clock.free_events), np.int64(clock.free_timers), np.int64(clock.free_visits))
    if clock.traced:
        room = min(room, trace - np.int64(clock.rows))
    return min(room // most, np.int64(clock.free_scopes) // 2, np.int64(clock.free_requests) // 2)


@compiled
def advance(st: State, until: int) -> int:
    """Run all events before `until`, each followed by its agenda: what follows from it at the same instant (R6)."""
    clock = st.clock[0]
    clock.sure = 0
    while True:
        if clock.sure == 0:
            clock.sure = room_for(clock, len(st.agenda), st.ended.shape[1], len(st.trace))
            if clock.sure == 0:
                return MORE_ROOM
        clock.sure -= 1
        # What a step is about; most are about little.
        joining = NONE
        starting = NONE
        batching = NONE
        freed = NONE
        worker = NONE
        served = NONE
        answering = NONE
        failing = NONE
        failed_call = NONE
        answered_call = NONE
        unanswered = NONE
        settling = NONE
        within = NONE
        of = NONE
        trying = NONE
        opening = NONE
        closing = NONE
        arriving = False
        waking = NONE
        reason = FAILED
        if clock.done < clock.agenda:
            now = clock.now
            item = st.agenda[clock.done]
            clock.done += SLOT(1)
            act, slot = item.act, item.slot
            if act == FREE:
                freed = slot
                worker = item.worker
            elif act == SKIP:
                part = st.part[slot]
                scope = st.scope[part.scope]
                alive = scope.live and st.visit[scope.owner].identity == item.identity
                if alive and part.settled == SLOT(0):
                    settling = slot
                    within, of = part.scope, part.stage
            elif st.visit[slot].identity == item.identity:
                if act == JOIN:
                    joining = slot
                elif act == ANSWER:
                    s = st.visit[slot].scope
                    if s == NONE or st.scope[s].live:
                        answering = slot
                elif act == FAIL:
                    failing = slot
                elif act == SERVED:
                    served = slot
                elif act == CANCEL:
                    if cancel(st, slot, now):
                        closing = slot
                else:
                    closing = slot
        else:
            clock.done = 0
            clock.agenda = 0
            if clock.spent:
                close_gap(clock, st.tree, st.event)
            if clock.arrival == clock.arrivals:
                return MORE_ARRIVALS
            now = st.arrival_times[clock.arrival]
            key = SEND << ID_BITS | (clock.first + clock.arrival) << 16
            due, first = st.tree[1].least, st.event[SLOT(st.tree[1].whose)]
            pending = due < now or (due == now and first.key < key)
            if pending:
                now = due
            if now >= until:
                return DONE
            timer = pending and not clock.plain and is_timer(first.key)
            if timer and is_over(first.key, first.slot, st.call, st.part, st.scope, st.visit):
                drop_first(st)
                continue
            if clock.events == clock.checkpoint:
                clock.stopped = now
                return CHECKPOINT
            clock.events += 1
            clock.now = now
            if pending:
                kind, identity, slot = first.key >> ID_BITS, first.key & ID, first.slot
                drop_first(st)
                if clock.plain or kind == FINISH:
                    visit = st.visit[slot]
                    if clock.plain or visit.identity == identity:
                        worker = visit.worker
                        freed = finish(st, slot, now)
                        if visit.members == NONE:
                            served = slot
                elif kind == SEND:
                    if st.visit[slot].identity == identity:
                        joining = slot
                elif kind == TIME_OUT:
                    failed_call = time_out(st, slot, now)
                elif kind == HEDGE:
                    hedge(st, slot, now)
                elif kind == LATE:
                    if too_late(st, slot):
                        settling = slot
                        within, of = st.part[slot].scope, st.part[slot].stage
                    else:
                        unanswered = slot
                        reason = TIMED_OUT
                elif kind == BATCH:
                    visit = st.visit[slot]
                    queue = st.queue[visit.queue]
                    if queue.idle and st.stage[visit.stage].paused == 0:
                        batching = visit.queue
                        worker = take_idle(clock, queue, st.idle)
                elif kind == WAKE:
                    waking = slot
                    arriving = np.int64(slot) < clock.active
                    if not arriving:
                        st.user[slot].asleep = 1
                elif st.call[slot].identity == identity:
                    call = st.call[slot]
                    if call.state == BACKING_OFF:
                        call.attempt += SLOT(1)
                        if call.part == NONE:
                            trying = slot
                        else:
                            attempt(st, slot, st.scope[call.scope], st.part[call.part], call.stage, now)
                    elif call.state == FALLING_BACK:
                        request = st.request[st.scope[call.scope].request]
                        stage = st.stage[call.stage]
                        request.degraded = 1
                        request.quality = request.quality * stage.fallback_quality // MILLION
                        stage.fallbacks += clock.measuring
                        answered_call = slot
            else:
                arriving = True
            if arriving:
                trying = arrive(st, waking, now)
            if trying != NONE:
                opening = attempt_by_client(st, trying, now)

        if served != NONE:
            visit = st.visit[served]
            stage = st.stage[visit.stage]
            if visit.place == IN_TOW:
                closing = served
            elif errs(stage, visit):
                stage.errors += np.int64(visit.measured)
                visit.reason = BROKEN
                then(clock, st.agenda, FAIL, served, NONE, visit.identity)
            elif stage.calls != 0:
                opening = served
            else:
                answering = served
        if answering != NONE:
            answered_call = answered(st, answering, now)
            closing = answering
        elif failing != NONE:
            failed_call = fail(st, failing, now)
            closing = failing
        if failed_call != NONE:
            failed_call = attempt_failed(st, failed_call, now)
            if failed_call != NONE:
                reason = st.call[failed_call].reason
                unanswered = call_failed(st, failed_call, now)
        elif answered_call != NONE:
            settling = call_answered(st, answered_call, now)
            within, of = st.call[answered_call].scope, st.call[answered_call].stage
        if unanswered != NONE:
            settling = without(st, unanswered, reason)
            within, of = st.part[unanswered].scope, st.part[unanswered].stage
        if settling != NONE:
            whether = settle(st, settling, now)
            follow(st, within, of, settling, whether, now)
            finish_settling(st, within, of, now)
        elif opening != NONE:
            open_scope(st, opening, now)
            follow(st, st.visit[opening].scope, st.visit[opening].stage, NONE, False, now)
        if closing != NONE:
            close(st, closing)

        # Last, who works on what: a worker that this step set free is the first thing on the agenda, and visits that
        # join are mostly the next.
        while True:
            if freed != NONE:
                taken = free(st, freed, worker, now)
                rerank(st, freed)
                if taken == NONE - SLOT(1):
                    batching = freed
                else:
                    starting = taken
            if joining != NONE:
                what = join(st, joining, now)
                visit = st.visit[joining]
                if what == 1:
                    stage = st.stage[visit.stage]
                    drops = stage.drop_expired != 0
                    if not drops or not expired(clock, stage, st.request, st.visit, st.agenda, joining, now):
                        visit.worker = SLOT(0) if stage.endless else take_idle(clock, st.queue[visit.queue], st.idle)
                        starting = joining
                elif what == 2:
                    batching = visit.queue
                    worker = take_idle(clock, st.queue[batching], st.idle)
                if visit.queue != NONE:
                    rerank(st, visit.queue)
            serving = NONE
            if starting != NONE:
                if start(st, starting, now):
                    serving = starting
            elif batching != NONE:
                serving = start_batch(st, batching, worker, now)
                rerank(st, batching)
            if serving != NONE:
                serve(st, serving, now)
            joining = clock.joining
            if joining != NONE:
                clock.joining = NONE
            else:
                if clock.done == clock.agenda or st.agenda[clock.done].act != JOIN or clock.sure == 0:
                    break
                item = st.agenda[clock.done]
                clock.done += SLOT(1)
                clock.sure -= 1
                joining = item.slot if st.visit[item.slot].identity == item.identity else NONE
            freed = NONE
            starting = NONE
            batching = NONE


# -- the plane --------------------------------------------------------------------------------------------------------


class CompiledRequests:
    """Moves requests through a machine in compiled code. The interface is `plane.RequestPlane`."""

    engine = "compiled"

    def __init__(
        self,
        machine: Machine,
        arrivals: ArrivalStream | UserStream,
        keep_trace: bool = False,
        traced: Ints | None = None,
        limit: int = NEVER,
        tick: Callable[[], None] = lambda: None,
        still: bool = False,
    ) -> None:
        """`still`: nobody will act on stages, and each request comes by itself: a plain network is then faster."""
        self._arrivals = arrivals
        self._state = kernel_state.state(machine, keep_trace, traced, ROOM)
        self.is_plain = still and kernel_plain.is_plain(self._state)
        if self.is_plain:
            self._state = kernel_plain.plain(self._state)
        self._limit, self._tick = limit, tick
        self._state.clock["checkpoint"] = min(TICK, limit)
        if isinstance(arrivals, UserStream):
            # Nobody comes by himself.
            self._state = self._state._replace(arrival_times=np.array([NEVER], dtype=np.int64))
            self._state.clock["arrivals"] = 1
            self.set_users(machine.users.number, 0)
        else:
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
                self._state = kernel_state.grown(self._state, ROOM)
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
        assert not isinstance(self._arrivals, UserStream), "nobody comes by himself"
        chunk = self._arrivals.chunk(CHUNK)
        silent = chunk.silent
        assert silent or not self.is_plain, "requests of a plain network come alone, and say nothing of themselves"
        st = self._state if silent else kernel_state.with_sessions(self._state, int(chunk.sessions.max()))
        self._state = st._replace(
            arrival_times=chunk.times,
            arrival_keys=chunk.keys,
            arrival_kinds=chunk.kinds,
            arrival_items=chunk.items,
            arrival_sessions=chunk.sessions,
            arrival_keystrokes=chunk.keystrokes,
        )
        clock = self._state.clock[0]
        clock["arrival"], clock["arrivals"], clock["first"] = 0, len(chunk.times), chunk.first
        if not self.is_plain:
            clock["outspoken"] = not silent

    # -- what control changes -----------------------------------------------------------------------------------------

    def set(self, stage: int, field: str, value: float) -> None:
        """From now on a stage has another one of its `machine.LIVE` numbers."""
        assert field in LIVE, field
        self._state.stage[field][stage] = value

    def set_factor(self, stage: int, factor: float) -> None:
        """Services of a stage that start from now on take `factor` times as long."""
        self._state.stage["factor"][stage] = factor

    def slow(self, stage: int, place: int, factor: float) -> None:
        """Services of one replica that start from now on take (besides) `factor` times as long."""
        self._state.stage["uneven"][stage] = 1
        self._state.replica["factor"][self._place(stage, place)] = factor

    def set_users(self, count: int, now: int) -> None:
        """So many users of a closed loop go on; those who come anew think first."""
        assert isinstance(self._arrivals, UserStream)
        st = kernel_state.with_users(self._state, self._arrivals.keys(len(self._state.user), count))
        self._state = st
        st.clock["active"] = count
        for user in np.flatnonzero(st.user["asleep"][:count]):
            think(st.clock[0], st.tree, st.event, st.user, st.tables, SLOT(user), now)

    # -- replicas come and go -----------------------------------------------------------------------------------------

    def start(self, stage: int, place: int, now: int) -> None:
        """An absent replica is in service, with a cold cache; one that drains stays after all."""
        st = self._state
        row, replica = st.stage[stage], st.replica[self._place(stage, place)]
        if replica["state"] == READY:
            return
        if replica["state"] == ABSENT:
            replica["factor"] = 1.0
            if row["caches"] and not row["cache_shared"]:
                self._forget(stage, int(row["first_cache"]) + place)
        q = self._queue(stage, place)
        here = self._here(stage, place)
        busy = here[(here["free"] < 0) & (here["start"] >= 0)]["worker"]
        workers = np.setdiff1d(self._workers(stage, place), busy)
        missing = [int(worker) for worker in workers if not self._idles(q, int(worker))]
        replica["state"] = READY
        replica["staff"] += len(missing)
        row["staffed"] += len(missing)
        row["staffed_low"] -= (now & WORD) * len(missing)
        row["staffed_high"] -= (now >> WORD_BITS) * len(missing)
        self._enters(stage, place)
        for worker in missing:
            self._then(FREE, q, worker, 0)
        self._settle_down(now)

    def drain(self, stage: int, place: int, now: int) -> None:
        """A replica accepts nothing more; it works off what it has accepted, then it is absent."""
        st = self._state
        row, replica = st.stage[stage], st.replica[self._place(stage, place)]
        if replica["state"] != READY:
            return
        replica["state"] = DRAINING
        self._enters(stage, place)
        if row["shared"]:
            self._dismiss_idle(stage, place, now)
        else:
            leave_if_done(row, replica, st.queue[self._queue(stage, place)], st.idle, now)

    def kill(self, stage: int, place: int, now: int) -> None:
        """A replica is absent; what it works on, what it waits for and what waits in its queue fails."""
        st = self._state
        row, replica = st.stage[stage], st.replica[self._place(stage, place)]
        if replica["state"] == ABSENT:
            return
        self._dismiss_idle(stage, place, now)
        leave_staff(row, replica, int(replica["staff"]), now)
        self._enters(stage, place)
        here = np.flatnonzero(self._stands(stage, place))
        for v in here[np.argsort(st.visit["identity"][here])]:
            self._state = kernel_state.grown(self._state, ROOM)
            perish(self._state, SLOT(v), now)
        self._settle_down(now)

    def _enters(self, stage: int, place: int) -> None:
        """A replica has become ready, or is no longer."""
        st = self._state
        row = st.stage[stage]
        kernel_state.enters(row, st.replica, st.ready)
        if row["ranked"]:
            rank(row, st.rank, st.queue, st.replica, SLOT(self._queue(stage, place)))

    def _dismiss_idle(self, stage: int, place: int, now: int) -> None:
        st = self._state
        workers = self._workers(stage, place)
        gone = dismiss(st.queue[self._queue(stage, place)], st.idle, int(workers[0]), int(workers[-1]) + 1)
        if gone:
            leave_staff(st.stage[stage], st.replica[self._place(stage, place)], gone, now)

    def _place(self, stage: int, place: int) -> int:
        return int(self._state.stage["first_replica"][stage]) + place

    def _queue(self, stage: int, place: int) -> int:
        """Where the workers of a replica find their visits."""
        row = self._state.stage[stage]
        return int(row["first_queue"]) + (0 if row["shared"] else place)

    def _workers(self, stage: int, place: int) -> Ints:
        concurrency = int(self._state.stage["concurrency"][stage])
        return np.arange(place * concurrency, (place + 1) * concurrency)

    def _idles(self, q: int, worker: int) -> bool:
        queue = self._state.queue[q]
        word, bit = divmod(worker - int(queue["first_worker"]), 64)
        return bool(int(self._state.idle[int(queue["first_word"]) + word]) >> bit & 1)

    def _stands(self, stage: int, place: int) -> Any:
        """Of all slots of visits, those that joined this replica (of a shared queue: whom it took up)."""
        row, visit = self._state.stage[stage], self._state.visit
        here = (visit["identity"] >= 0) & (visit["stage"] == stage) & (visit["join"] >= 0)
        if row["shared"]:
            at = np.where(visit["worker"] == NONE, -1, visit["worker"].astype(np.int64) // int(row["concurrency"]))
        else:
            at = np.where(visit["queue"] == NONE, -1, visit["replica"].astype(np.int64))
        return here & (at == place)

    def _here(self, stage: int, place: int) -> Records:
        return self._state.visit[self._stands(stage, place)]

    def _then(self, act: Number, slot: int, worker: int, identity: int) -> None:
        """An item of the agenda."""
        self._state = st = kernel_state.grown(self._state, ROOM)
        item, clock = st.agenda[int(st.clock["agenda"][0])], st.clock[0]
        item["act"], item["slot"], item["worker"], item["identity"] = act, slot, worker, identity
        clock["agenda"] += 1

    def _settle_down(self, now: int) -> None:
        """What follows at this instant from what control did."""
        self._state.clock["now"] = now
        self.advance(now)

    def pause(self, stage: int, on: bool, now: int) -> None:
        """The workers of a stage start nothing (or go on)."""
        st = self._state
        st.stage["paused"][stage] = on
        if on:
            return
        first = int(st.stage["first_queue"][stage])
        for q in range(first, first + int(st.stage["queues"][stage])):
            queue = st.queue[q]
            for _ in range(min(int(queue["idle"]), int(queue["length"]))):
                self._state = st = kernel_state.grown(st, ROOM)
                set_free(st, SLOT(q))
        self._settle_down(now)

    def flush(self, stage: int) -> None:
        """Caches forget everything."""
        first = int(self._state.stage["first_cache"][stage])
        for cache in range(first, first + int(self._state.stage["caches"][stage])):
            self._forget(stage, cache)

    def _forget(self, stage: int, number: int) -> None:
        st = self._state
        cache, keys = st.cache[number], int(st.stage["cache_keys"][stage])
        st.entry["written"][int(cache["first"]) : int(cache["first"]) + keys] = -1
        cache["head"] = cache["tail"] = NONE
        cache["size"] = 0

    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""
        self._state.clock["measuring"] = on
        self._state.stage["most_waiting"] = self._state.stage["waiting"]

    # -- what control sees --------------------------------------------------------------------------------------------

    def replicas(self, stage: int) -> Ints:
        """ABSENT, READY or DRAINING, by place."""
        first = self._place(stage, 0)
        states: Ints = self._state.replica["state"][first : first + int(self._state.stage["places"][stage])]
        return states.astype(np.int64)

    def joined(self) -> Ints:
        """Visits that have joined since time 0, by stage."""
        return self._column("joined")

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        return self._column("waiting")

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        return self._column("most_waiting")

    def _column(self, name: str) -> Ints:
        column: Ints = self._state.stage[name][:-1].copy()
        return column

    def integrals(self, now: int) -> tuple[Whole, Whole, Whole]:
        """Time integrals from 0 to now of visits waiting, workers busy and workers there, by stage (ns)."""
        return self._integral("waiting", now), self._integral("busy", now), self._integral("staffed", now)

    def _integral(self, name: str, now: int) -> Whole:
        levels = self._state.stage[name][:-1].tolist()
        return np.array([so_far + n * now for so_far, n in zip(self._sum(name), levels, strict=True)], dtype=object)

    def _sum(self, name: str) -> Whole:
        highs, lows = (self._state.stage[f"{name}_{half}"][:-1].tolist() for half in ("high", "low"))
        return np.array([(high << WORD_BITS) + low for high, low in zip(highs, lows, strict=True)], dtype=object)

    @property
    def arrived(self) -> int:
        """Requests that have arrived so far."""
        clock = self._state.clock[0]
        return int(clock["first"]) + int(clock["arrival"])

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        clock = self._state.clock[0]
        columns = self._state.ended[:, : int(clock["ended"])].copy()
        clock["ended"] = 0
        return Ended(*columns)

    def under_way(self) -> Ended:
        """Requests that have not ended; `end` is NEVER."""
        requests = self._state.request
        rows = requests[(requests["number"] >= 0) & (requests["outcome"] == IN_FLIGHT)]
        rows = rows[np.argsort(rows["number"])]
        never = np.full(len(rows), NEVER)
        columns = (rows["number"], rows["arrival"], never, rows["outcome"], rows["kind"], rows["quality"])
        return Ended(*(column.astype(np.int64) for column in columns))

    def count(self, name: str) -> Ints:
        """One of the counts of `StageTally` so far, by stage."""
        return self._column("calls_made" if name == "calls" else name)

    def tally(self) -> StageTally:
        """What happened while measuring, by stage. The histograms are the plane's own: they are large."""
        counts: dict[str, Any] = {name: self.count(name) for name in COUNTS}
        sums: dict[str, Any] = {name: self._sum(name) for name in SUMS}
        count_waits(self._state.clock[0], self._state.noted, self._state.waits)
        return StageTally(**counts, **sums, waits=self._state.waits.reshape(-1, BINS))

    def trace(self) -> Trace:
        """Every visit so far of the requests traced, unfinished ones included."""
        st = self._state
        unfinished = st.visit[st.visit["identity"] >= 0]
        if len(st.wanted):
            numbers = unfinished["identity"] >> 16
            known = numbers < len(st.wanted)
            unfinished = unfinished[known][st.wanted[numbers[known]] != 0]
        rows = np.empty((len(unfinished), FIELDS), dtype=np.int64)
        for row, visit in enumerate(unfinished):
            record(visit, rows, SLOT(row))
        return sorted_trace(np.concatenate([st.trace[: int(st.clock["rows"][0])], rows]))


@compiled
def set_free(st: State, q: Number) -> None:
    """An idle worker looks for a visit."""
    then(st.clock[0], st.agenda, FREE, q, take_idle(st.clock[0], st.queue[q], st.idle), 0)
    rerank(st, q)
