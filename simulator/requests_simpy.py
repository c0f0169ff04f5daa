"""The reference request plane: the rules of `semantics`, written as SimPy events.

One object a request, a visit, a call; explicit queues; nothing clever: this is the text to read first, and the one
that the compiled plane must equal visit by visit. Each event ends by emptying the *agenda*: what follows from it at
the same instant, first in first out. So nothing here calls itself, and the order of things is the order of the lines.

    arrive -> attempt (client) -> open scope -> call stage -> attempt -> [hop] -> join -> [queue] -> start -> finish
           -> [open scope: the calls within] -> answered -> call settled -> stages that follow, or the caller answers
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import simpy

from simulator import draws, histogram
from simulator.machine import (
    ABSENT,
    ALWAYS,
    CANCEL_NONE,
    CANCEL_RUNNING,
    DRAINING,
    HASH,
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
from simulator.plane import COUNTS, Ended, EventLimitReachedError, StageTally
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
    Visit,
    sorted_trace,
)
from simulator.stations import Queue
from simulator.users import UserStream
from simulator.visits import (
    ANSWERED,
    BACKING_OFF,
    BROKEN,
    CALLING,
    CANCELLED,
    COMPLETED,
    DEGRADED,
    EXPIRED,
    FAILED,
    FALLING_BACK,
    IN_TOW,
    LOST,
    ON_THE_WAY,
    OPEN,
    OVER,
    REJECTED,
    SERVED,
    SETTLED,
    SUPERSEDED,
    TIMED_OUT,
    TURNED_AWAY,
    UNDER_WAY,
    WAITING,
    Call,
    Luck,
    Part,
    Request,
    Scope,
    Station,
    User,
    Visiting,
    choices_of,
    rounded,
    row_of,
)
from simulator.workload import ArrivalStream

CHUNK = 512  # requests whose luck is drawn at once
CHUNK_OF_USER = 16
TICK = 1 << 14  # events between two looks at the wall clock


class _Event(simpy.Event):
    """An event that is sure to happen, like `simpy.Timeout`, but with a priority of ours.

    It has one callback and nobody else waits for it, so that a list of callbacks may be shared.
    """

    _ok = True
    _value: Any = None

    def __init__(self, callbacks: list[Callable[[Any], None]], subject: Any, identity: int) -> None:
        self.callbacks = callbacks
        self.subject = subject
        self.identity = identity


# What timers are about is over (R6).


def _tried(event: _Event) -> bool:
    call: Call = event.subject
    return call.identity != event.identity or call.state != UNDER_WAY


def _settled(event: _Event) -> bool:
    part: Part = event.subject
    return part.settled or not part.scope.live


def _taken_up(event: _Event) -> bool:
    visit: Visiting = event.subject
    return visit.place != WAITING


class SimPyRequests:
    """Moves requests through a machine inside a SimPy environment. The interface is `plane.RequestPlane`."""

    engine = "simpy"

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        arrivals: ArrivalStream | UserStream,
        keep_trace: bool = False,
        traced: Ints | None = None,
        limit: int = NEVER,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.env: Any = env  # its `now` is a whole number, for all delays are
        self.events = 0
        self._limit, self._tick = limit, tick
        self._checkpoint = min(TICK, limit)
        self.measuring = False
        self._machine = machine
        self._stages = [Station(machine, s) for s in range(len(machine.stages))]
        for stage in self._stages:
            stage.meet(self._stages)
        self._client = self._stages[-1]
        handlers = (
            self._event(self._finish),
            self._timer(self._time_out, _tried),
            self._timer(self._too_late, _settled),
            self._timer(self._hedge, _tried),
            self._timer(self._batch_due, _taken_up),
            *(self._event(handler) for handler in (self._sent, self._again, self._wake)),
        )
        self._callbacks: list[list[Callable[[Any], None]]] = [[handler] for handler in handlers]
        self._arrives: list[Callable[[Any], None]] = [self._event(self._arrive)]
        self._agenda: deque[tuple[Callable[[Any, int], None], Any]] = deque()
        self._traced: Callable[[int], bool] | None = None
        if traced is not None:
            self._traced = frozenset(traced.tolist()).__contains__
        elif keep_trace:
            self._traced = lambda _: True
        self._visits: list[Visiting] = []
        self._ended: list[tuple[int, ...]] = []
        self._requests: dict[Request, None] = {}  # that have not ended
        self._sessions: dict[int, Request] = {}  # by place: the last request of the session there
        self._users: list[User] = []
        self._active = 0  # users that go on
        self._numbers = 0  # of requests in a closed loop
        for stage in self._stages[:-1]:
            for place in range(0 if stage.machine.endless else stage.machine.replicas):
                self._enters(stage, place, 0)
        self._empty_agenda(0)
        self._arrivals = arrivals
        if isinstance(arrivals, UserStream):
            self.set_users(machine.users.number, 0)
        else:
            self._stream = arrivals
            self._refill()
            self._await_arrival()

    # -- events -------------------------------------------------------------------------------------------------------

    def _event(self, handler: Callable[[Any, int], None]) -> Callable[[Any], None]:
        def happens(event: _Event) -> None:
            if self.events == self._checkpoint:
                self._look_up()
            self.events += 1
            now = self.env.now
            handler(event, now)
            self._empty_agenda(now)

        return happens

    def _timer(self, handler: Callable[[Any, int], None], over: Callable[[_Event], bool]) -> Callable[[Any], None]:
        """An event, unless what it is about is over."""
        happens = self._event(handler)
        return lambda event: None if over(event) else happens(event)

    def _empty_agenda(self, now: int) -> None:
        agenda = self._agenda
        while agenda:
            act, subject = agenda.popleft()
            act(subject, now)

    def _look_up(self) -> None:
        if self.events == self._limit:
            raise EventLimitReachedError(self.env.now)
        self._tick()
        self._checkpoint = min(self.events + TICK, self._limit)

    def _schedule(self, kind: int, identity: int, delay: int, subject: Any) -> None:
        """R6: SimPy orders the events of an instant by priority; its own, 0 and 1, come before all of ours."""
        event = _Event(self._callbacks[kind - 1], subject, identity)
        priority: Any = kind << ID_BITS | identity
        self.env.schedule(event, priority, delay)

    def _then(self, act: Callable[[Any, int], None], subject: Any) -> None:
        self._agenda.append((act, subject))

    def _refill(self) -> None:
        chunk = self._stream.chunk(CHUNK)
        self._first, self._times, self._row = chunk.first, chunk.times.tolist(), 0
        self._places, self._keystrokes = chunk.sessions.tolist(), chunk.keystrokes.tolist()
        self._luck = Luck(self._machine, chunk.keys, chunk.kinds, chunk.items)

    def _await_arrival(self) -> None:
        if self._row == len(self._times):
            self._refill()
        identity = self._first + self._row << 16
        priority: Any = SEND << ID_BITS | identity
        self.env.schedule(_Event(self._arrives, None, identity), priority, self._times[self._row] - self.env.now)

    def _arrive(self, event: _Event, now: int) -> None:
        request = Request(event.identity, now, now + self._machine.deadline, self._luck, self._row)
        session = self._places[self._row]
        if session >= 0:
            if self._keystrokes[self._row]:
                self._supersede(self._sessions[session], now)
            self._sessions[session] = request
        self._row += 1
        self._ask(request, now)
        self._await_arrival()

    def _ask(self, request: Request, now: int) -> None:
        """The request's first attempt."""
        self._requests[request] = None
        request.root = Call(request, None, self._client, 0, request.items)
        self._attempt(request.root, now)

    def _supersede(self, request: Request, now: int) -> None:
        """Its user has typed on: nobody waits for it any more."""
        call = request.root
        if request.outcome is not RequestEnd.IN_FLIGHT:
            return
        if call.state == UNDER_WAY and call.copies[0] is not None:
            self._let_go(call.copies[0])
        call.state = SETTLED
        self._end(request, SUPERSEDED, now)

    # -- a closed loop ------------------------------------------------------------------------------------------------

    def _think(self, user: User, now: int) -> None:
        """Until the next request, whose key says for how long."""
        users = self._machine.users
        time = users.think
        if users.table != NOBODY:
            draw = draws.mix(draws.mix(user.key, user.asked), draws.THINK)
            time = rounded(draws.quantile(self._machine.tables[users.table], draw) * float(time))
        self._schedule(WAKE, user.number << 16, time, user)

    def _wake(self, event: _Event, now: int) -> None:
        user: User = event.subject
        if user.number >= self._active:
            user.asleep = True
            return
        if user.luck is None or user.row == CHUNK_OF_USER:
            asked = np.arange(user.asked, user.asked + CHUNK_OF_USER, dtype=np.uint64)
            user.luck, user.row = Luck(self._machine, draws.mix_many(user.key, asked)), 0
        request = Request(self._numbers << 16, now, now + self._machine.deadline, user.luck, user.row)
        self._numbers += 1
        user.row += 1
        user.asked += 1
        request.user = user
        self._ask(request, now)

    # -- calling ------------------------------------------------------------------------------------------------------

    def _attempt(self, call: Call, now: int) -> None:
        """R7: a first attempt, or another."""
        stage = call.stage
        numbers = stage.machine
        if call.attempt == 0:
            if self.measuring:
                stage.tally["calls"] += 1
            if numbers.attempts > 1:
                stage.retries.deposit(numbers.retry_budget)
            if numbers.hedge_after < NEVER:
                stage.hedges.deposit(numbers.hedge_budget)
        call.state = UNDER_WAY
        admitted, call.probe = stage.breaker.admits(now) if stage.breaker else (True, False)
        visit = self._copy(call, 0, now)
        call.identity = visit.identity
        if not admitted:
            stage.tally["refusals"] += self.measuring
            visit.outcome, visit.reason, visit.answer = TURNED_AWAY, REJECTED, now
            self._then(self._fail, visit)
            return
        if numbers.timeout < NEVER:
            self._schedule(TIME_OUT, visit.identity, self._patience(visit), call)
        if numbers.hedge_after < NEVER:
            self._schedule(HEDGE, visit.identity, numbers.hedge_after, call)
        if stage is self._client:
            self._open_scope(visit, now)
        else:
            self._dispatch(visit)

    def _copy(self, call: Call, copy: int, now: int) -> Visiting:
        """A visit of this attempt."""
        request = call.request
        visit = Visiting(call, copy, request.visits, now)
        request.visits += 1
        call.copies[copy] = visit
        call.stage.tally["sends"] += self.measuring
        if self._traced is not None and self._traced(visit.identity >> 16):
            self._visits.append(visit)
        return visit

    def _dispatch(self, visit: Visiting) -> None:
        numbers = visit.stage.machine
        if self._machine.zone_hop and numbers.zones:
            visit.zone = self._zone_of_caller(visit)
        hop = numbers.hop
        if hop:
            self._schedule(SEND, visit.identity, hop, visit)
        else:
            self._then(self._join, visit)

    def _happens(self, visit: Visiting, purpose: int, threshold: int) -> bool:
        return draws.mix(self._key(visit), purpose) >> 1 < threshold

    def _patience(self, visit: Visiting) -> int:
        numbers = visit.stage.machine
        if numbers.timeout_table == NOBODY:
            return numbers.timeout
        table = self._machine.tables[numbers.timeout_table]
        return rounded(draws.quantile(table, draws.mix(self._key(visit), draws.TIMEOUT)) * float(numbers.timeout))

    def _key(self, visit: Visiting) -> int:
        """Of a visit's luck."""
        if visit.usual:
            return visit.request.luck.visits[visit.stage.index][visit.request.row]
        part = visit.call.part
        word = draws.visit_word(visit.stage.machine.name_hash, visit.call.shard, visit.attempt, visit.copy)
        if part is None:
            return visit.request.key if visit.attempt == 0 else draws.mix(visit.request.key, word)
        return draws.mix(self._key(part.scope.owner), word)

    def _hedge(self, event: _Event, now: int) -> None:
        call: Call = event.subject
        if call.stage.hedges.take(call.stage.machine.hedge_budget):
            call.stage.tally["hedges"] += self.measuring
            self._dispatch(self._copy(call, 1, now))

    def _time_out(self, event: _Event, now: int) -> None:
        call: Call = event.subject
        call.stage.tally["time_outs"] += self.measuring
        for visit in call.copies:
            if visit is not None:
                visit.outcome, visit.reason, visit.answer = EXPIRED, TIMED_OUT, now
                self._let_go(visit)
        self._attempt_failed(call, TIMED_OUT, now)

    def _attempt_failed(self, call: Call, reason: RequestEnd, now: int) -> None:
        """R7: again, or the fallback, or the call has failed."""
        stage, request = call.stage, call.request
        numbers = stage.machine
        call.copies = [None, None]
        if stage.breaker:
            stage.breaker.record(True, call.probe, now)
        again = call.attempt + 1 < numbers.attempts and now < request.deadline
        if again and stage.retries.take(numbers.retry_budget):
            call.state = BACKING_OFF
            self._schedule(AGAIN, call.identity, self._backoff(call), call)
        elif numbers.fallback < NEVER:
            call.state = FALLING_BACK
            self._schedule(AGAIN, call.identity, numbers.fallback, call)
        else:
            self._call_failed(call, reason, now)

    def _backoff(self, call: Call) -> int:
        """Base x 2^(k-1), capped, less a keyed share of it."""
        numbers = call.stage.machine
        delay = min(numbers.backoff, numbers.backoff_longest)
        for _ in range(call.attempt):
            delay = min(2 * delay, numbers.backoff_longest)
        if numbers.jitter:
            base = call.request.key if call.part is None else self._key(call.part.scope.owner)
            word = draws.visit_word(numbers.name_hash, call.shard, call.attempt, 0)
            unit = float(draws.mix(draws.mix(base, word), draws.JITTER) >> 11) * 2.0**-53
            delay -= int(float(delay) * numbers.jitter * unit)
        return max(1, delay)

    def _again(self, event: _Event, now: int) -> None:
        call: Call = event.subject
        if call.identity != event.identity:
            return
        if call.state == BACKING_OFF:
            call.attempt += 1
            self._attempt(call, now)
        elif call.state == FALLING_BACK:
            request, stage = call.request, call.stage
            request.degraded = True
            request.quality = request.quality * stage.machine.fallback_quality // MILLION
            stage.tally["fallbacks"] += self.measuring
            self._call_answered(call, now)

    def _call_answered(self, call: Call, now: int) -> None:
        call.state = SETTLED
        part = call.part
        if part is None:
            self._end(call.request, COMPLETED, now)
            return
        part.scope.under_way -= 1
        part.answered += 1
        if part.answered == part.stage.machine.quorum:
            self._settle(part, now)

    def _call_failed(self, call: Call, reason: RequestEnd, now: int) -> None:
        call.state = SETTLED
        part = call.part
        if part is None:
            self._end(call.request, reason, now)
            return
        part.scope.under_way -= 1
        open_calls = sum(other.state != SETTLED for other in part.calls)
        if not part.settled and part.answered + open_calls < part.stage.machine.quorum:
            self._without(part, reason, now)

    # -- stages within a visit ----------------------------------------------------------------------------------------

    def _open_scope(self, owner: Visiting, now: int) -> None:
        owner.place = CALLING
        owner.scope = scope = Scope(owner, owner.stage.within)
        for stage in owner.stage.first_calls:
            part = scope.parts[stage.index]
            part.items = owner.items
            self._call_stage(part, now)

    def _call_stage(self, part: Part, now: int) -> None:
        """R2: what a stage waited for is there."""
        scope, stage = part.scope, part.stage
        numbers = stage.machine
        part.called = True
        if stage.conditional and not self._applies(part):
            self._then(self._skip, part)
            return
        scope.under_way += numbers.shards
        items = part.items if numbers.shards == 1 else -(-part.items // numbers.shards)
        part.calls = [Call(scope.owner.request, part, stage, shard, items) for shard in range(numbers.shards)]
        for call in part.calls:
            self._attempt(call, now)
        if numbers.late_after < NEVER:
            self._schedule(LATE, part.calls[0].identity, numbers.late_after, part)

    def _applies(self, part: Part) -> bool:
        """`when`."""
        numbers, owner = part.stage.machine, part.scope.owner
        if numbers.when_missed != NOBODY:
            at = numbers.when_missed
            return owner.missed if owner.stage.index == at else part.scope.parts[at].missed
        if numbers.when_threshold < ALWAYS:
            key = draws.mix(self._key(owner), numbers.name_hash)
            return draws.mix(key, draws.WHEN) >> 1 < numbers.when_threshold
        return True

    def _skip(self, part: Part, now: int) -> None:
        if part.scope.live and not part.settled:
            self._settle(part, now)

    def _settle(self, part: Part, now: int) -> None:
        """R2: with an answer, without one, or not called at all; those that come after may go."""
        scope, stage = part.scope, part.stage
        numbers = stage.machine
        part.settled = True
        if part.answered < numbers.shards:
            self._drop_calls(part)
        if numbers.hold:
            scope.held -= 1
            if scope.held == 0:
                self._let_worker_go(scope.owner, now)
        answered = part.answered >= numbers.quorum and bool(part.calls)
        items = self._handed_on(part)
        for successor in stage.successors:
            following = scope.parts[successor.index]
            if following.called:
                continue
            following.items += items
            following.settled_before += 1
            following.answered_before += answered
            if (
                following.answered_before >= successor.machine.wait_for
                or following.settled_before == successor.machine.predecessors
            ):
                self._call_stage(following, now)
        if stage.index == self._machine.answer_after:
            self._settle_client(scope.owner, now)
        if not stage.successors:
            scope.unsettled -= 1
            if scope.unsettled == 0:
                self._then(self._answered, scope.owner)

    def _handed_on(self, part: Part) -> int:
        numbers = part.stage.machine
        if numbers.gives != PASS_ON:
            items = numbers.gives * part.answered // numbers.shards
        elif part.answered:
            items = part.items * part.answered // numbers.shards
        else:
            items = part.items
        return items if items < numbers.keeps else numbers.keeps

    def _needed(self, part: Part) -> bool:
        """Whether somebody still waits for it: with `wait_for` those that come after may have gone on."""
        following = part.stage.successors
        return not following or any(not part.scope.parts[s.index].called for s in following)

    def _without(self, part: Part, reason: RequestEnd, now: int) -> None:
        """There will be no quorum."""
        stage, scope = part.stage, part.scope
        needed = self._needed(part)
        if needed and stage.machine.required:
            owner = scope.owner
            self._end_scope(scope)
            owner.reason = reason
            self._then(self._fail, owner)
            return
        if needed:
            scope.owner.request.degraded = True
            stage.tally["left_out"] += self.measuring
        self._settle(part, now)

    def _too_late(self, event: _Event, now: int) -> None:
        part: Part = event.subject
        if part.answered:
            if self._needed(part):
                part.scope.owner.request.degraded = True
                part.stage.tally["left_out"] += self.measuring
            self._settle(part, now)
        else:
            self._without(part, TIMED_OUT, now)

    def _drop_calls(self, part: Part) -> None:
        """Nobody waits for the rest."""
        for call in part.calls:
            if call.state != SETTLED:
                if call.state == UNDER_WAY:
                    for visit in call.copies:
                        if visit is not None:
                            self._let_go(visit)
                call.state = SETTLED
                part.scope.under_way -= 1

    def _end_scope(self, scope: Scope) -> None:
        scope.live = False
        if scope.under_way:
            for part in scope.parts.values():
                self._drop_calls(part)

    # -- at a stage ---------------------------------------------------------------------------------------------------

    def _sent(self, event: _Event, now: int) -> None:
        self._join(event.subject, now)

    def _join(self, visit: Visiting, now: int) -> None:
        if visit.place == OVER:
            return
        stage = visit.stage
        numbers = stage.machine
        admitted = True
        if visit.queue is None:
            if numbers.cut:
                visit.place = LOST
                stage.tally["lost"] += self.measuring
                return
            if numbers.admission_interval:
                admitted = stage.bucket.admits(now, numbers.admission_interval, numbers.admission_burst)
            if admitted and not numbers.endless:
                visit.queue = self._choose(visit)
                if visit.queue is not None and self._crosses(visit, visit.queue):
                    self._schedule(SEND, visit.identity, self._machine.zone_hop, visit)
                    return
        visit.join = visit.due = now
        visit.measured = self.measuring
        stage.tally["joins"] += visit.measured
        stage.joined += 1
        if numbers.endless and admitted:
            visit.replica = 0
            if not self._expired(visit, now):
                self._start(visit, 0, now)
            return
        queue = visit.queue
        if queue is None or (not stage.shared and stage.states[queue.replica] == ABSENT):
            visit.queue = None
            self._turn_away(visit, now)  # no token, or no replica
            return
        visit.replica = queue.replica
        stage.here[visit] = None
        if queue.idle and not stage.paused and numbers.batch_size == 1:
            if not self._expired(visit, now):
                self._start(visit, queue.take_idle(), now)
        else:
            self._enqueue(visit, queue, now)

    def _zone_of_caller(self, visit: Visiting) -> int:
        """Where it is sent from: its caller's zone, else that in which its request came in."""
        part = visit.call.part
        assert part is not None, "the client has no replicas"
        caller = part.scope.owner
        zones, at = caller.stage.machine.zones, caller.stage.place_of(caller)
        if zones and at >= 0:
            return zones[at % len(zones)]
        return draws.below(draws.mix(visit.request.key, draws.ZONE), self._machine.zones)

    def _crosses(self, visit: Visiting, queue: Queue) -> bool:
        """Whether the replica chosen stands in another zone than the one from which it was sent."""
        zones = visit.stage.machine.zones
        if not self._machine.zone_hop or not zones or visit.stage.shared:
            return False
        return zones[queue.replica % len(zones)] != visit.zone

    def _enqueue(self, visit: Visiting, queue: Queue, now: int) -> None:
        stage = visit.stage
        numbers = stage.machine
        if queue.length >= numbers.queue_limit:
            if not (numbers.shed_oldest and queue.length):
                self._turn_away(visit, now)
                return
            shed = queue.to_shed()
            self._leave_queue(shed, now)
            self._turn_away(shed, now)
        visit.place = WAITING
        queue.add(visit)
        stage.waiting_integral -= now
        stage.waiting += 1
        stage.most_waiting = max(stage.most_waiting, stage.waiting)
        if numbers.batch_size > 1:
            self._schedule(BATCH, visit.identity, numbers.batch_wait, visit)
            if queue.idle and queue.length >= numbers.batch_size and not stage.paused:
                self._start_batch(queue, stage, queue.take_idle(), now)

    def _leave_queue(self, visit: Visiting, now: int) -> None:
        stage = visit.stage
        assert visit.queue is not None
        visit.queue.remove(visit)
        visit.place = ON_THE_WAY
        stage.waiting -= 1
        stage.waiting_integral += now

    def _turn_away(self, visit: Visiting, now: int) -> None:
        visit.stage.tally["rejections"] += visit.measured
        if visit.outcome is OPEN:
            visit.outcome, visit.answer = TURNED_AWAY, now
        visit.reason = REJECTED
        self._then(self._fail, visit)

    def _expired(self, visit: Visiting, now: int) -> bool:
        """R8: whether it is dropped when its turn comes."""
        if not visit.stage.machine.drop_expired or now < visit.request.deadline:
            return False
        if visit.outcome is OPEN:
            visit.outcome, visit.answer = EXPIRED, now
        visit.reason = TIMED_OUT
        self._then(self._fail, visit)
        return True

    def _choose(self, visit: Visiting) -> Queue | None:
        """A queue; None where no replica is ready. A stage's own queue is always there."""
        stage = visit.stage
        if stage.shared:
            return stage.queues[0]
        ready = stage.ready
        if not ready:
            return None
        chosen = self._balance(visit, ready)
        call = visit.call
        if visit.copy and call.state == UNDER_WAY and call.copies[1] is visit:
            twin = call.copies[0]
            if twin is not None and twin.queue is chosen:
                chosen = ready[(ready.index(chosen) + 1) % len(ready)]
        stage.choices += 1
        chosen.chosen = stage.choices
        return chosen

    def _balance(self, visit: Visiting, ready: list[Queue]) -> Queue:
        stage = visit.stage
        balancing = stage.machine.balancing
        if balancing == ROUND_ROBIN:
            turn = stage.turn if stage.turn < len(ready) else 0
            stage.turn = turn + 1
            return ready[turn]
        if balancing == LEAST_OUTSTANDING:
            return min(ready, key=lambda queue: (queue.load, queue.chosen, queue.replica))
        if balancing == HASH:
            return self._hashed(visit, ready)
        drawn = [ready[(high * len(ready)) >> 32] for high in self._route(visit)]
        return min(drawn, key=lambda queue: queue.load)  # the first of equals

    def _route(self, visit: Visiting) -> tuple[int, ...]:
        """The high halves of its draws."""
        stage = visit.stage
        if visit.usual:
            return visit.request.luck.routes[stage.index][visit.request.row]
        key = self._key(visit)
        return tuple(draws.mix(key, draws.ROUTE + j) >> 32 for j in range(choices_of(stage.machine)))

    def _hashed(self, visit: Visiting, ready: list[Queue]) -> Queue:
        """Of the places the first drawn that is ready: when one goes only its keys move."""
        stage = visit.stage
        numbers = stage.machine
        own = draws.mix(visit.request.key, draws.visit_word(numbers.name_hash, visit.call.shard, 0, 0))
        if stage.keys:
            key = stage.keys.of(visit.request.key, visit.call.shard, numbers.hot_threshold)
            word = draws.mix(numbers.key_hash, key)
        elif draws.mix(own, draws.HOT) >> 1 < numbers.hot_threshold:
            word = numbers.name_hash
        else:
            word = own
        for _ in range(MOST_PROBES):
            word = draws.mix(word, draws.HASH)
            place = draws.below(word, numbers.places)
            if stage.states[place] == READY:
                return stage.queues[place]
        return ready[draws.below(word, len(ready))]

    def _start(self, visit: Visiting, worker: int, now: int) -> None:
        """A worker takes it up: the cache first."""
        stage = visit.stage
        numbers = stage.machine
        if stage.keys:
            visit.cache = cache = stage.cache_of(worker)
            visit.cached_key = key = stage.keys.of(visit.request.key, visit.call.shard, numbers.hot_threshold)
            age = cache.look_up(key, now)
            visit.hit = age is not None
            if age is not None and visit.measured:
                stage.tally["age_sum"] += age
            if not visit.hit and numbers.coalesce:
                fetching = cache.fetching.get(key)
                if fetching is not None:
                    self._wait_for_fetch(visit, fetching, worker)
                    return
                cache.fetching[key] = visit
                visit.towed = []
        elif numbers.hit_threshold:
            visit.hit = self._happens(visit, draws.CACHE, numbers.hit_threshold)
        visit.missed = not visit.hit
        stage.tally["hits"] += visit.measured and visit.hit
        self._serve(visit, visit.items, worker, now)

    def _wait_for_fetch(self, visit: Visiting, fetching: Visiting, worker: int) -> None:
        """A coalesced miss leaves its worker."""
        assert fetching.towed is not None
        fetching.towed.append(visit)
        visit.place = IN_TOW
        visit.stage.tally["coalesced"] += visit.measured
        if visit.queue is not None:
            self._then(self._free, (visit.queue, visit.stage, worker))

    def _start_batch(self, queue: Queue, stage: Station, worker: int, now: int) -> None:
        """Those whose turn it is, together."""
        numbers = stage.machine
        members: list[Visiting] = []
        for _ in range(min(queue.length, numbers.batch_size)):
            visit = queue.first(numbers.lifo_above)
            self._leave_queue(visit, now)
            if not self._expired(visit, now):
                members.append(visit)
        if not members:
            self._then(self._free, (queue, stage, worker))
            return
        leader = members[0]
        full = members[-1].join if len(members) == numbers.batch_size else NEVER
        due = min(now, full, leader.join + numbers.batch_wait)
        for visit in members:
            visit.batch = leader.identity
            visit.due = max(visit.join, due)
        leader.members = tuple(members)
        self._serve(leader, sum(visit.items for visit in members), worker, now)

    def _serve(self, visit: Visiting, items: int, worker: int, now: int) -> None:
        """R13."""
        stage = visit.stage
        numbers = stage.machine
        members = visit.members or (visit,)
        if visit.hit:
            service = numbers.hit_time
        else:
            carried = len(members) if numbers.counts_visits else items
            work = float(numbers.floor) + float(numbers.per_item) * float(carried)
            own = stage.factors[worker // numbers.concurrency]
            service = rounded(self._unit(visit) * work * stage.factor * own)
        stage.busy_integral -= now
        stage.busy += 1
        for member in members:
            member.place, member.start, member.worker, member.service = SERVED, now, worker, service
            if member.measured:
                tally = stage.tally
                tally["starts"] += 1
                tally["items"] += member.items
                tally["service_sum"] += service
                tally["batch_wait_sum"] += member.due - member.join
                stage.waits.append(now - member.join)
        if not numbers.silent_threshold or not self._happens(visit, draws.SILENT, numbers.silent_threshold):
            self._schedule(FINISH, visit.identity, service, visit)

    def _unit(self, visit: Visiting) -> float:
        stage = visit.stage
        if visit.usual:
            return visit.request.luck.unit[stage.index][visit.request.row]
        return draws.quantile(self._machine.tables[stage.machine.table], draws.mix(self._key(visit), draws.SERVICE))

    def _batch_due(self, event: _Event, now: int) -> None:
        visit: Visiting = event.subject
        stage, queue = visit.stage, visit.queue
        assert queue is not None
        if queue.idle and not stage.paused:
            self._start_batch(queue, stage, queue.take_idle(), now)

    def _finish(self, event: _Event, now: int) -> None:
        visit: Visiting = event.subject
        if visit.place not in (SERVED, IN_TOW):
            return  # it was cancelled; a batch goes on without its leader
        stage = visit.stage
        visit.end = now
        if visit.members or not stage.held_calls or self._errs(visit):
            self._give_back(visit, now)
        if visit.members:
            for member in visit.members:
                member.end = now
                self._then(self._served, member)
        else:
            self._served(visit, now)

    def _errs(self, visit: Visiting) -> bool:
        threshold = visit.stage.machine.error_threshold
        return visit.stage.machine.outage != 0 or (threshold > 0 and self._happens(visit, draws.ERROR, threshold))

    def _served(self, visit: Visiting, now: int) -> None:
        """Its service is over: the calls within it, or the answer."""
        stage = visit.stage
        if visit.place == IN_TOW:
            self._close(visit, now)
        elif self._errs(visit):
            stage.tally["errors"] += visit.measured
            visit.reason = BROKEN
            self._then(self._fail, visit)
        elif stage.within:
            self._open_scope(visit, now)
        else:
            self._answered(visit, now)

    def _let_worker_go(self, owner: Visiting, now: int) -> None:
        """If it is held."""
        if owner.free < 0 <= owner.start:
            self._give_back(owner, now)

    def _give_back(self, visit: Visiting, now: int) -> None:
        """The worker is free; it looks for the next visit when the agenda comes to it."""
        visit.free = now
        for member in visit.members:
            member.free = now
        stage = visit.stage
        stage.busy -= 1
        stage.busy_integral += now
        if visit.queue is not None:
            self._then(self._free, (visit.queue, stage, visit.worker))

    def _free(self, found: tuple[Queue, Station, int], now: int) -> None:
        """R4: a worker without a visit takes the next, or is idle; with its replica's own queue empty it may leave."""
        queue, stage, worker = found
        numbers = stage.machine
        place = worker // numbers.concurrency
        draining = stage.states[place] == DRAINING
        if draining and stage.shared:
            stage.leave(place, 1, now)
        elif not queue.length or stage.paused:
            queue.give_idle(worker)
            if draining:
                stage.leave_if_done(place, now)
        elif numbers.batch_size > 1:
            if queue.length >= numbers.batch_size or now - queue.first(numbers.lifo_above).join >= numbers.batch_wait:
                self._start_batch(queue, stage, worker, now)
            else:
                queue.give_idle(worker)
        else:
            visit = queue.first(numbers.lifo_above)
            self._leave_queue(visit, now)
            if self._expired(visit, now):
                self._then(self._free, found)
            else:
                self._start(visit, worker, now)

    # -- replicas come and go -----------------------------------------------------------------------------------------

    def _enters(self, stage: Station, place: int, now: int) -> None:
        """A replica is ready: its workers, but those still at work there, look for visits."""
        for worker in stage.enters(place, now):
            self._then(self._free, (stage.queue_of(place), stage, worker))

    def start(self, stage: int, place: int, now: int) -> None:
        """An absent replica is in service, with a cold cache; one that drains stays after all."""
        station = self._stages[stage]
        if station.states[place] == READY:
            return
        if station.states[place] == ABSENT:
            station.factors[place] = 1.0
            if station.caches and not station.machine.cache_shared:
                station.caches[place].flush()
        self._enters(station, place, now)
        self._empty_agenda(now)

    def drain(self, stage: int, place: int, now: int) -> None:
        """A replica accepts nothing more; it works off what it has accepted, then it is absent."""
        station = self._stages[stage]
        if station.states[place] != READY:
            return
        station.becomes(place, DRAINING)
        if station.shared:
            station.dismiss_idle(place, now)
        else:
            station.leave_if_done(place, now)

    def kill(self, stage: int, place: int, now: int) -> None:
        """A replica is absent; what it works on, what it waits for and what waits in its queue fails."""
        station = self._stages[stage]
        if station.states[place] == ABSENT:
            return
        station.dismiss_idle(place, now)
        station.leave(place, station.staff[place], now)
        for visit in sorted((v for v in station.here if station.place_of(v) == place), key=lambda v: v.identity):
            self._perish(visit, now)
        self._empty_agenda(now)

    def _perish(self, visit: Visiting, now: int) -> None:
        """R3: a visit whose replica dies fails, wherever it is there; in tow of a fetch it ends with that."""
        stage, place = visit.stage, visit.place
        if place == IN_TOW and visit.batch < 0:
            return
        if place == WAITING:
            self._leave_queue(visit, now)
        elif place == CALLING:
            assert visit.scope is not None
            self._end_scope(visit.scope)
        if visit.free < 0 <= visit.start:
            if place != CALLING:
                visit.end = now
                if visit.measured:
                    stage.tally["service_sum"] += now - visit.start - visit.service
            visit.free = now
            if visit.batch < 0 or visit.members:
                stage.busy -= 1
                stage.busy_integral += now
        stage.tally["killed"] += visit.measured
        if place == IN_TOW:
            self._then(self._close, visit)
            return
        visit.place, visit.reason = ON_THE_WAY, BROKEN
        if visit.outcome is OPEN:
            visit.outcome, visit.answer = FAILED, now
        self._then(self._fail, visit)

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _answered(self, visit: Visiting, now: int) -> None:
        """Its service and the calls within it are over."""
        if visit.place == OVER or (visit.scope is not None and not visit.scope.live):
            return
        stage, call = visit.stage, visit.call
        if visit.scope is not None:
            self._end_scope(visit.scope)
            self._let_worker_go(visit, now)
        if visit.outcome is OPEN:
            visit.outcome, visit.answer = ANSWERED, now
        if visit.cache is not None and visit.missed and visit.start >= 0:
            visit.cache.write(visit.cached_key, now)
        self._end_fetch(visit, self._answered)
        self._close(visit, now)
        if call.state == UNDER_WAY and call.copies[visit.copy] is visit:
            twin = call.copies[1 - visit.copy]
            call.copies = [None, None]
            if twin is not None:
                self._let_go(twin)
            if stage.breaker:
                stage.breaker.record(False, call.probe, now)
            if call.part is not None:
                call.part.missed = call.part.missed or visit.missed
            self._call_answered(call, now)

    def _settle_client(self, root: Visiting, now: int) -> None:
        """The user has the answer (`answer_after`); what follows is counted apart."""
        if root.call.state == UNDER_WAY and root.call.copies[0] is root:
            root.outcome, root.answer = ANSWERED, now
            root.call.copies = [None, None]
            self._call_answered(root.call, now)

    def _fail(self, visit: Visiting, now: int) -> None:
        """It was turned away, dropped or in error, or a call within it failed."""
        if visit.place == OVER:
            return
        call = visit.call
        if visit.scope is not None:
            self._let_worker_go(visit, now)
        if visit.outcome is OPEN:
            visit.outcome, visit.answer = FAILED, now
        self._end_fetch(visit, self._fail)
        self._close(visit, now)
        if call.state == UNDER_WAY and call.copies[visit.copy] is visit:
            call.copies[visit.copy] = None
            if call.copies[1 - visit.copy] is None:
                self._attempt_failed(call, visit.reason, now)

    def _end_fetch(self, visit: Visiting, act: Callable[[Visiting, int], None]) -> None:
        """Coalesced misses end as the fetch does."""
        if visit.towed is None:
            return
        assert visit.cache is not None
        del visit.cache.fetching[visit.cached_key]
        for towed in visit.towed:
            towed.reason = visit.reason
            self._then(act if towed.outcome is not CANCELLED else self._close, towed)
        visit.towed = None

    def _let_go(self, visit: Visiting) -> None:
        """Nobody waits for it any more: R7, `cancel`."""
        if visit.stage is self._client or visit.stage.machine.cancel != CANCEL_NONE or visit.place == LOST:
            self._then(self._cancel, visit)

    def _cancel(self, visit: Visiting, now: int) -> None:
        stage, place = visit.stage, visit.place
        running = stage is self._client or stage.machine.cancel == CANCEL_RUNNING
        if place == OVER or (place in (SERVED, CALLING) and not running):
            return
        if visit.outcome is OPEN:
            visit.outcome, visit.reason, visit.answer = CANCELLED, BROKEN, now
        if place == WAITING:
            assert visit.queue is not None
            self._leave_queue(visit, now)
            if stage.states[visit.queue.replica] == DRAINING and not stage.shared:
                stage.leave_if_done(visit.queue.replica, now)
        elif place == SERVED:
            if visit.batch >= 0:
                visit.place = IN_TOW
                return
            visit.end = now
            if visit.measured:
                stage.tally["service_sum"] += now - visit.start - visit.service
            self._give_back(visit, now)
        elif place == CALLING:
            assert visit.scope is not None
            self._end_scope(visit.scope)
            self._let_worker_go(visit, now)
        elif place == IN_TOW:
            return
        self._end_fetch(visit, self._fail)
        self._close(visit, now)

    def _close(self, visit: Visiting, _: int) -> None:
        visit.place = OVER
        visit.stage.here.pop(visit, None)

    def _end(self, request: Request, outcome: RequestEnd, now: int) -> None:
        """R1."""
        if outcome is COMPLETED and request.degraded:
            outcome = DEGRADED
        request.outcome = outcome
        del self._requests[request]
        self._ended.append(self._row_of(request, now))
        if request.user is not None:
            if request.user.number < self._active:
                self._think(request.user, now)
            else:
                request.user.asleep = True

    def _row_of(self, request: Request, end: int) -> tuple[int, ...]:
        number = request.identity >> 16
        return number, request.arrival, end, request.outcome, request.kind, request.quality

    # -- what control sees and does -----------------------------------------------------------------------------------

    def advance(self, until: int) -> None:
        """Nothing to do: the environment runs our events itself."""

    def set(self, stage: int, field: str, value: float) -> None:
        """From now on a stage has another one of its `machine.LIVE` numbers."""
        assert field in LIVE, field
        station = self._stages[stage]
        changed: Any = {field: value}
        station.machine = station.machine._replace(**changed)

    def set_factor(self, stage: int, factor: float) -> None:
        """Services of a stage that start from now on take `factor` times as long."""
        self._stages[stage].factor = factor

    def slow(self, stage: int, place: int, factor: float) -> None:
        """Services of one replica that start from now on take (besides) `factor` times as long."""
        self._stages[stage].factors[place] = factor

    def set_users(self, count: int, now: int) -> None:
        """So many users of a closed loop go on; those who come anew think first."""
        assert isinstance(self._arrivals, UserStream)
        keys = self._arrivals.keys(len(self._users), count)
        self._active = count
        sleeping = [user for user in self._users[:count] if user.asleep]
        coming = [User(len(self._users) + i, key) for i, key in enumerate(keys.tolist())]
        self._users += coming
        for user in [*sleeping, *coming]:
            user.asleep = False
            self._think(user, now)

    def pause(self, stage: int, on: bool, now: int) -> None:
        """The workers of a stage start nothing (or go on)."""
        paused = self._stages[stage]
        paused.paused = on
        if not on:
            for queue in paused.queues:
                for _ in range(min(len(queue.idle), queue.length)):
                    self._then(self._free, (queue, paused, queue.take_idle()))
            self._empty_agenda(now)

    def flush(self, stage: int) -> None:
        """Caches forget everything."""
        for cache in self._stages[stage].caches:
            cache.flush()

    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""
        self.measuring = on
        for stage in self._stages:
            stage.most_waiting = stage.waiting

    def replicas(self, stage: int) -> Ints:
        """ABSENT, READY or DRAINING, by place."""
        return np.array(self._stages[stage].states)

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        return np.array([s.waiting for s in self._stages[:-1]])

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        return np.array([s.most_waiting for s in self._stages[:-1]])

    def joined(self) -> Ints:
        """Visits that have joined since time 0, by stage."""
        return np.array([s.joined for s in self._stages[:-1]])

    def integrals(self, now: int) -> tuple[Whole, Whole, Whole]:
        """Time integrals from 0 to now of visits waiting, workers busy and workers there, by stage (ns)."""
        waiting = [s.waiting_integral + s.waiting * now for s in self._stages[:-1]]
        busy = [s.busy_integral + s.busy * now for s in self._stages[:-1]]
        staffed = [s.staffed_integral + s.staffed * now for s in self._stages[:-1]]
        return np.array(waiting, dtype=object), np.array(busy, dtype=object), np.array(staffed, dtype=object)

    @property
    def arrived(self) -> int:
        """Requests that have arrived so far."""
        return self._numbers if isinstance(self._arrivals, UserStream) else self._first + self._row

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        rows = np.array(self._ended, dtype=np.int64).reshape(-1, len(Ended._fields))
        self._ended.clear()
        return Ended(*rows.T)

    def under_way(self) -> Ended:
        """Requests that have not ended; `end` is NEVER."""
        rows = sorted(self._row_of(request, NEVER) for request in self._requests)
        return Ended(*np.array(rows, dtype=np.int64).reshape(-1, len(Ended._fields)).T)

    def count(self, name: str) -> Ints:
        """One of the counts of `StageTally` so far, by stage."""
        return np.array([s.tally[name] for s in self._stages[:-1]], dtype=np.int64)

    def tally(self) -> StageTally:
        """What happened while measuring, by stage."""
        stages = self._stages[:-1]
        sums: dict[str, Any] = {name: self.count(name) for name in COUNTS}
        sums |= {
            name: np.array([s.tally[name] for s in stages], dtype=object)
            for name in StageTally._fields
            if name.endswith("_sum")
        }
        sums["wait_sum"] = np.array([sum(s.waits) for s in stages], dtype=object)
        waits = [histogram.count(np.array(s.waits, dtype=np.int64)) for s in stages]
        return StageTally(**sums, waits=np.array(waits))

    def trace(self) -> Trace:
        """Every visit so far of the requests traced, unfinished ones included."""
        rows = [row_of(visit) for visit in self._visits]
        return sorted_trace(np.array(rows, dtype=np.int64).reshape(-1, len(Visit._fields)))
