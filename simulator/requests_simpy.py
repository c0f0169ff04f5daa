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
    ALWAYS,
    CANCEL_NONE,
    CANCEL_RUNNING,
    HASH,
    LEAST_OUTSTANDING,
    MILLION,
    NEVER,
    NOBODY,
    PASS_ON,
    ROUND_ROBIN,
    Ints,
    Machine,
    Whole,
)
from simulator.plane import Ended, EventLimitReachedError, StageTally
from simulator.semantics import (
    AGAIN,
    BATCH,
    FINISH,
    HEDGE,
    LATE,
    SEND,
    TIME_OUT,
    RequestEnd,
    Trace,
    Visit,
    sorted_trace,
)
from simulator.stations import Queue
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
    ON_THE_WAY,
    OPEN,
    OVER,
    REJECTED,
    SERVED,
    SETTLED,
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
    Visiting,
    choices_of,
    rounded,
    row_of,
)
from simulator.workload import ArrivalStream

CHUNK = 512  # requests whose luck is drawn at once
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


class SimPyRequests:
    """Moves requests through a machine inside a SimPy environment. The interface is `plane.RequestPlane`."""

    engine = "simpy"

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        arrivals: ArrivalStream,
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
        self._stream = arrivals
        self._stages = [Station(machine, s) for s in range(len(machine.stages))]
        for stage in self._stages:
            stage.meet(self._stages)
        self._client = self._stages[-1]
        handlers = (self._finish, self._time_out, self._too_late, self._hedge, self._batch_due, self._sent, self._again)
        self._callbacks: list[list[Callable[[Any], None]]] = [[self._event(h)] for h in handlers]
        self._arrives: list[Callable[[Any], None]] = [self._event(self._arrive)]
        self._agenda: deque[tuple[Callable[[Any, int], None], Any]] = deque()
        self._traced: Callable[[int], bool] | None = None
        if traced is not None:
            self._traced = frozenset(traced.tolist()).__contains__
        elif keep_trace:
            self._traced = lambda _: True
        self._visits: list[Visiting] = []
        self._ended: list[tuple[int, ...]] = []
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
        priority: Any = kind << 60 | identity
        self.env.schedule(event, priority, delay)

    def _then(self, act: Callable[[Any, int], None], subject: Any) -> None:
        self._agenda.append((act, subject))

    def _refill(self) -> None:
        chunk = self._stream.chunk(CHUNK)
        self._first, self._times, self._row = chunk.first, chunk.times.tolist(), 0
        self._luck = Luck(self._machine, chunk.keys)

    def _await_arrival(self) -> None:
        if self._row == len(self._times):
            self._refill()
        identity = self._first + self._row << 16
        priority: Any = SEND << 60 | identity
        self.env.schedule(_Event(self._arrives, None, identity), priority, self._times[self._row] - self.env.now)

    def _arrive(self, event: _Event, now: int) -> None:
        request = Request(event.identity, now, now + self._machine.deadline, self._luck, self._row)
        self._row += 1
        self._attempt(Call(request, None, self._client, 0, request.items), now)
        self._await_arrival()

    # -- calling ------------------------------------------------------------------------------------------------------

    def _attempt(self, call: Call, now: int) -> None:
        """R7: a first attempt, or another."""
        stage = call.stage
        numbers = stage.machine
        if call.attempt == 0:
            if self.measuring:
                stage.tally["calls"] += 1
            for budget in stage.budgets:
                budget.deposit()
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
        hop = visit.stage.machine.hop
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
        if call.identity == event.identity and call.state == UNDER_WAY and call.stage.hedges.take():
            call.stage.tally["hedges"] += self.measuring
            self._dispatch(self._copy(call, 1, now))

    def _time_out(self, event: _Event, now: int) -> None:
        call: Call = event.subject
        if call.identity != event.identity or call.state != UNDER_WAY:
            return
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
        if call.attempt + 1 < numbers.attempts and now < request.deadline and stage.retries.take():
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
        if part.settled or not part.scope.live:
            return
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
        visit.join = visit.due = now
        visit.measured = self.measuring
        stage.tally["joins"] += visit.measured
        if stage.bucket and not stage.bucket.admits(now):
            self._turn_away(visit, now)
        elif numbers.endless:
            visit.replica = 0
            if not self._expired(visit, now):
                self._start(visit, 0, now)
        else:
            visit.queue = queue = stage.queues[0] if len(stage.queues) == 1 else self._choose(visit)
            visit.replica = queue.replica
            if queue.idle and not stage.paused and numbers.batch_size == 1:
                if not self._expired(visit, now):
                    self._start(visit, queue.take_idle(), now)
            else:
                self._enqueue(visit, queue, now)

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

    def _choose(self, visit: Visiting) -> Queue:
        stage, queues = visit.stage, visit.stage.queues
        chosen = self._balance(visit)
        call = visit.call
        if visit.copy and call.state == UNDER_WAY and call.copies[1] is visit:
            twin = call.copies[0]
            if twin is not None and twin.queue is chosen:
                chosen = queues[(chosen.replica + 1) % len(queues)]
        stage.choices += 1
        chosen.chosen = stage.choices
        return chosen

    def _balance(self, visit: Visiting) -> Queue:
        stage, queues = visit.stage, visit.stage.queues
        balancing = stage.machine.balancing
        if balancing == ROUND_ROBIN:
            chosen = queues[stage.turn]
            stage.turn = (stage.turn + 1) % len(queues)
            return chosen
        if balancing == LEAST_OUTSTANDING:
            return min(queues, key=lambda queue: (queue.load, queue.chosen, queue.replica))
        if balancing == HASH:
            return queues[self._hashed(visit)]
        drawn = [queues[replica] for replica in self._route(visit)]
        return min(drawn, key=lambda queue: queue.load)  # the first of equals

    def _route(self, visit: Visiting) -> tuple[int, ...]:
        stage = visit.stage
        if visit.usual:
            return visit.request.luck.routes[stage.index][visit.request.row]
        key, replicas = self._key(visit), stage.machine.replicas
        return tuple(draws.below(draws.mix(key, draws.ROUTE + j), replicas) for j in range(choices_of(stage.machine)))

    def _hashed(self, visit: Visiting) -> int:
        stage = visit.stage
        numbers = stage.machine
        if stage.keys:
            word = draws.mix(numbers.key_hash, stage.keys.of(visit.request.key, visit.call.shard))
        else:
            word = draws.mix(visit.request.key, draws.visit_word(numbers.name_hash, visit.call.shard, 0, 0))
        return draws.below(draws.mix(word, draws.HASH), numbers.replicas)

    def _start(self, visit: Visiting, worker: int, now: int) -> None:
        """A worker takes it up: the cache first."""
        stage = visit.stage
        numbers = stage.machine
        if stage.keys:
            cache = stage.caches[visit.replica if len(stage.caches) > 1 else 0]
            visit.cached_key = key = stage.keys.of(visit.request.key, visit.call.shard)
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
            visit = queue.first()
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
            service = rounded(self._unit(visit) * work * stage.factor)
        visit.service = service
        stage.busy_integral -= now
        stage.busy += 1
        for member in members:
            member.place, member.start, member.worker = SERVED, now, worker
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
        if visit.place == WAITING and queue.idle and not stage.paused:
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
        return visit.stage.outage or (threshold > 0 and self._happens(visit, draws.ERROR, threshold))

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
        """R4: a worker without a visit takes the next, or is idle."""
        queue, stage, worker = found
        if not queue.length or stage.paused:
            queue.give_idle(worker)
        elif stage.machine.batch_size > 1:
            if queue.length >= stage.machine.batch_size or now - queue.first().join >= stage.machine.batch_wait:
                self._start_batch(queue, stage, worker, now)
            else:
                queue.give_idle(worker)
        else:
            visit = queue.first()
            self._leave_queue(visit, now)
            if self._expired(visit, now):
                self._then(self._free, found)
            else:
                self._start(visit, worker, now)

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
        if stage.keys and visit.missed and visit.start >= 0:
            stage.caches[visit.replica if len(stage.caches) > 1 else 0].write(visit.cached_key, now)
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
        del visit.stage.caches[visit.replica if len(visit.stage.caches) > 1 else 0].fetching[visit.cached_key]
        for towed in visit.towed:
            towed.reason = visit.reason
            self._then(act if towed.outcome is not CANCELLED else self._close, towed)
        visit.towed = None

    def _let_go(self, visit: Visiting) -> None:
        """Nobody waits for it any more: R7, `cancel`."""
        if visit.stage is self._client or visit.stage.machine.cancel != CANCEL_NONE:
            self._then(self._cancel, visit)

    def _cancel(self, visit: Visiting, now: int) -> None:
        stage, place = visit.stage, visit.place
        running = stage is self._client or stage.machine.cancel == CANCEL_RUNNING
        if place == OVER or (place in (SERVED, CALLING) and not running):
            return
        if visit.outcome is OPEN:
            visit.outcome, visit.reason, visit.answer = CANCELLED, BROKEN, now
        if place == WAITING:
            self._leave_queue(visit, now)
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

    def _end(self, request: Request, outcome: RequestEnd, now: int) -> None:
        """R1."""
        if outcome is COMPLETED and request.degraded:
            outcome = DEGRADED
        request.outcome = outcome
        number = request.identity >> 16
        self._ended.append((number, request.arrival, now, outcome, request.kind, request.quality))

    # -- what control sees and does -----------------------------------------------------------------------------------

    def advance(self, until: int) -> None:
        """Nothing to do: the environment runs our events itself."""

    def set_factor(self, stage: int, factor: float) -> None:
        """Services of a stage that start from now on take `factor` times as long."""
        self._stages[stage].factor = factor

    def set_outage(self, stage: int, on: bool) -> None:
        """Services of a stage that end from now on are errors (or no longer)."""
        self._stages[stage].outage = on

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

    def waiting(self) -> Ints:
        """Visits waiting now, by stage."""
        return np.array([s.waiting for s in self._stages[:-1]])

    def most_waiting(self) -> Ints:
        """Most visits waiting at a time since `measure`, by stage."""
        return np.array([s.most_waiting for s in self._stages[:-1]])

    def integrals(self, now: int) -> tuple[Whole, Whole]:
        """Time integrals from 0 to now of the visits waiting and of the workers busy, by stage (ns)."""
        waiting = [s.waiting_integral + s.waiting * now for s in self._stages[:-1]]
        busy = [s.busy_integral + s.busy * now for s in self._stages[:-1]]
        return np.array(waiting, dtype=object), np.array(busy, dtype=object)

    def take_ended(self) -> Ended:
        """The requests that ended since the last call."""
        rows = np.array(self._ended, dtype=np.int64).reshape(-1, len(Ended._fields))
        self._ended.clear()
        return Ended(*rows.T)

    def tally(self) -> StageTally:
        """What happened while measuring, by stage."""
        stages = self._stages[:-1]
        counts: dict[str, Any] = {
            name: np.array([s.tally[name] for s in stages], dtype=object if name.endswith("_sum") else np.int64)
            for name in StageTally._fields
        }
        waits = [np.array(s.waits, dtype=np.int64) for s in stages]
        counts["wait_sum"] = np.array([sum(s.waits) for s in stages], dtype=object)
        counts["waits"] = np.array([histogram.count(w) for w in waits])
        return StageTally(**counts)

    def trace(self) -> Trace:
        """Every visit so far of the requests traced, unfinished ones included."""
        rows = [row_of(visit) for visit in self._visits]
        return sorted_trace(np.array(rows, dtype=np.int64).reshape(-1, len(Visit._fields)))
