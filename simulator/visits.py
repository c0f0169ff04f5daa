"""What moves through the reference plane: requests, their calls and visits, and the stages as these meet them.

`requests_simpy` says how they move. A request's luck is drawn ahead, a chunk of requests at a time, vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator import draws
from simulator.machine import (
    ABSENT,
    ALWAYS,
    LEAST_OF,
    MILLION,
    NOBODY,
    RANDOM,
    READY,
    SHARED,
    Ints,
    Machine,
    MachineStage,
)
from simulator.plane import LONGEST_SERVICE, StageTally
from simulator.semantics import RequestEnd, Visit, VisitEnd
from simulator.stations import Breaker, Budget, Cache, Keys, Queue, TokenBucket

# Where a visit is: so in both planes.
ON_THE_WAY, WAITING, SERVED, CALLING, IN_TOW, OVER, LOST = range(7)  # IN_TOW: it ends with the visit it depends on

# How a call stands.
SETTLED, UNDER_WAY, BACKING_OFF, FALLING_BACK = range(4)

# Names of this module: an enum's are looked up in two steps, twelve times a visit.
OPEN, ANSWERED, TURNED_AWAY, EXPIRED, FAILED, CANCELLED = VisitEnd
IN_FLIGHT, COMPLETED, DEGRADED, REJECTED, TIMED_OUT, BROKEN, SUPERSEDED = RequestEnd


class Visiting:
    """A visit under way."""

    outcome = OPEN
    reason = COMPLETED  # why the request fails if the visit does
    place = ON_THE_WAY
    join = due = start = end = free = answer = replica = worker = batch = -1
    measured = hit = missed = False
    queue: Queue | None = None
    scope: Scope | None = None  # the calls within it
    members: tuple[Visiting, ...] = ()  # of the batch that it leads
    towed: list[Visiting] | None = None  # coalesced misses that wait for its fetch
    cache: Cache | None = None  # that it looked up
    cached_key = -1
    service = 0  # as drawn
    zone = -1  # that it was sent from, where that matters

    def __init__(self, call: Call, copy: int, number: int, now: int) -> None:
        self.call = call
        self.request = call.request
        self.stage = call.stage
        self.copy = copy
        self.attempt = call.attempt
        self.identity = call.request.identity + number
        self.level = call.request.level if call.stage.by_level else 0
        self.usual: bool = call.usual and not copy and not call.attempt
        self.items = call.items
        self.send = now


class Call:
    """What a visit asks of a stage, or of one of its shards, with all attempts."""

    state = UNDER_WAY
    attempt = 0
    identity = -1  # of the first visit of this attempt
    probe = False

    def __init__(self, request: Request, part: Part | None, stage: Station, shard: int, items: int) -> None:
        self.request = request
        self.part = part  # None: the client's
        self.stage = stage
        self.shard = shard
        self.items = items
        # Whether the draws of its first attempt are among those prefetched.
        self.usual: bool = part is not None and part.scope.first and not shard
        self.copies: list[Visiting | None] = [None, None]


class Part:
    """A stage within a scope: what it waits for and how its calls stand."""

    items = settled_before = answered_before = answered = 0
    called = settled = missed = False
    calls: Sequence[Call] = ()  # once it is called

    def __init__(self, scope: Scope, stage: Station) -> None:
        self.scope = scope
        self.stage = stage


class Scope:
    """The stages called within a visit."""

    live = True

    def __init__(self, owner: Visiting, stages: list[Station]) -> None:
        self.owner = owner
        self.first = owner.identity & 0xFFFF == 0  # the client's first attempt
        self.parts = {stage.index: Part(self, stage) for stage in stages}
        self.unsettled = owner.stage.last_calls  # stages that no other comes after
        self.held = owner.stage.held_calls  # calls for which the owner's worker is kept
        self.under_way = 0  # calls


class Request:
    outcome = IN_FLIGHT
    visits = 0
    degraded = False
    quality = MILLION
    root: Call  # the client's
    user: User | None = None  # whose it is, in a closed loop

    def __init__(self, identity: int, arrival: int, deadline: int, luck: Luck, row: int) -> None:
        self.identity = identity  # number << 16
        self.arrival = arrival
        self.deadline = deadline
        self.luck = luck
        self.row = row  # its place in `luck`
        self.key: int = luck.keys[row]
        self.kind: int = luck.kinds[row]
        self.items: int = luck.items[row]
        self.level: int = luck.levels[row]


class User:
    """Somebody of a closed loop: thinks, asks, waits for the end, thinks again."""

    asked = 0  # requests so far
    asleep = False  # neither thinking nor waiting: there are too many users
    luck: Luck | None = None  # of the requests that come next
    row = 0

    def __init__(self, number: int, key: int) -> None:
        self.number = number
        self.key = key  # of its requests: mix(key, how many came before)


class Station:
    """A stage: its numbers, what visits meet there, and its tally."""

    def __init__(self, machine: Machine, index: int) -> None:
        self.index = index
        self.machine = stage = machine.stages[index]
        within = [s for s in machine.stages if s.caller == index]
        self.last_calls = sum(not s.successors for s in within)
        self.held_calls = sum(s.hold for s in within)
        self.within: list[Station] = []
        self.first_calls: list[Station] = []
        self.successors: list[Station] = []
        levels = 1 + max(kind.level for kind in machine.classes) if stage.by_level else 1
        self.by_level = bool(stage.by_level)
        self.shared = stage.balancing == SHARED
        self.queues = [] if stage.endless else [Queue(q, levels) for q in range(stage.queues)]
        self.ready: list[Queue] = []  # to choose from
        self.states = [ABSENT] * stage.places
        self.staff = [0] * stage.places  # workers that are there
        self.factors = [1.0] * stage.places
        self.here: dict[Visiting, None] = {}  # visits that joined and are not over
        self.keys = Keys(machine, stage) if stage.cache_keys else None
        caches = 1 if stage.cache_shared or stage.endless else stage.places
        self.caches = [Cache(stage) for _ in range(caches)] if stage.cache_keys else []
        self.bucket = TokenBucket()
        self.breaker = Breaker(stage) if stage.breaker_window else None
        self.retries, self.hedges = Budget(), Budget()
        self.turn = self.choices = self.joined = 0
        self.factor, self.paused = 1.0, False
        self.waiting = self.most_waiting = self.busy = self.staffed = 0
        self.waiting_integral = self.busy_integral = self.staffed_integral = (
            0  # sum of -t at each rise, +t at each fall
        )
        self.tally = dict.fromkeys(StageTally._fields, 0)
        self.waits: list[int] = []

    def meet(self, stages: list[Station]) -> None:
        """Get to know the others."""
        self.within = [s for s in stages if s.machine.caller == self.index]
        self.first_calls = [stages[i] for i in self.machine.first_calls]
        self.successors = [stages[i] for i in self.machine.successors]

    @property
    def conditional(self) -> bool:
        """Whether `when` says something."""
        return self.machine.when_missed != NOBODY or self.machine.when_threshold < ALWAYS

    def workers_of(self, place: int) -> range:
        """The workers of a replica."""
        return range(place * self.machine.concurrency, (place + 1) * self.machine.concurrency)

    def queue_of(self, place: int) -> Queue:
        """Where the workers of a replica find their visits."""
        return self.queues[0 if self.shared else place]

    def place_of(self, visit: Visiting) -> int:
        """The replica that a visit is with; -1: none (yet)."""
        return visit.worker // self.machine.concurrency if self.shared else visit.replica

    def becomes(self, place: int, state: int) -> None:
        """A replica has another state."""
        self.states[place] = state
        if not self.shared:
            self.ready = [q for q in self.queues if self.states[q.replica] == READY]

    def enters(self, place: int, now: int) -> list[int]:
        """A replica is ready: the workers that were not there, ascending. They are not idle yet."""
        busy = {v.worker for v in self.here if self.place_of(v) == place and v.free < 0 <= v.start}
        idle = self.queue_of(place).idle
        missing = [worker for worker in self.workers_of(place) if worker not in busy and worker not in idle]
        self.becomes(place, READY)
        self._staff(place, len(missing), now)
        return missing

    def leave(self, place: int, workers: int, now: int) -> None:
        """Workers of a replica are there no longer; without any it is absent."""
        self._staff(place, -workers, now)
        if not self.staff[place]:
            self.becomes(place, ABSENT)

    def leave_if_done(self, place: int, now: int) -> None:
        """A replica with a queue of its own that drains: when it has worked that off, and its workers rest."""
        queue = self.queues[place]
        if not queue.length and len(queue.idle) == self.staff[place]:
            queue.idle.clear()
            self.leave(place, self.staff[place], now)

    def dismiss_idle(self, place: int, now: int) -> None:
        """The idle workers of a replica leave."""
        queue, own = self.queue_of(place), self.workers_of(place)
        staying = [worker for worker in queue.idle if worker not in own]
        gone = len(queue.idle) - len(staying)
        queue.idle[:] = sorted(staying)  # which is a heap
        if gone:
            self.leave(place, gone, now)

    def _staff(self, place: int, more: int, now: int) -> None:
        self.staff[place] += more
        self.staffed += more
        self.staffed_integral -= now * more

    def cache_of(self, worker: int) -> Cache:
        """The stage's, or that of the worker's replica."""
        return self.caches[worker // self.machine.concurrency if len(self.caches) > 1 else 0]


class Luck:
    """The draws of a chunk of requests, by row; those by stage are for the visits that most requests make."""

    def __init__(
        self, machine: Machine, keys: draws.Keys, kinds: Ints | None = None, items: Ints | None = None
    ) -> None:
        """`kinds`, `items`: as `workload.Arrivals` has them; None: all are drawn."""
        self.keys: list[int] = keys.tolist()
        classes = machine.classes
        below = np.array([kind.below for kind in classes[:-1]], dtype=np.uint64)
        drawn = draws.mix_many(keys, draws.CLASS) >> np.uint64(1)
        kinds_drawn = np.searchsorted(below, drawn, side="right")
        kinds = kinds_drawn if kinds is None else np.where(kinds < 0, kinds_drawn, kinds)
        said = items
        items = np.array([kind.items for kind in classes])[kinds]
        unit = draws.mix_many(keys, draws.ITEMS)
        for index, kind in enumerate(classes):
            if kind.table != NOBODY:
                of_kind = kinds == index
                spread = draws.quantiles(machine.tables[kind.table], unit[of_kind]) * float(kind.items)
                items[of_kind] = np.minimum(np.floor(spread + 0.5), LONGEST_SERVICE).astype(np.int64)
        if said is not None:
            items = np.where(said < 0, items, said)
        self.kinds: list[int] = kinds.tolist()
        self.items: list[int] = items.tolist()
        self.levels: list[int] = np.array([kind.level for kind in classes])[kinds].tolist()
        self.visits: list[list[int]] = []  # their keys
        self.unit: list[list[float]] = []
        self.routes: list[list[tuple[int, ...]]] = []  # the high halves of the draws that choose replicas
        for stage in machine.stages:
            visits = draws.mix_many(keys, stage.name_hash)
            first = stage.caller == machine.client
            table = machine.tables[stage.table]
            self.visits.append(visits.tolist() if first else [])
            self.unit.append(draws.quantiles(table, draws.mix_many(visits, draws.SERVICE)).tolist() if first else [])
            routed = first and stage.balancing in (RANDOM, LEAST_OF)
            self.routes.append(_routes(stage, visits) if routed else [])


def _routes(stage: MachineStage, visits: draws.Keys) -> list[tuple[int, ...]]:
    high = (draws.mix_many(visits, draws.ROUTE + j) >> np.uint64(32) for j in range(choices_of(stage)))
    return list(zip(*(h.tolist() for h in high), strict=True))


def choices_of(stage: MachineStage) -> int:
    return stage.choices if stage.balancing == LEAST_OF else 1


def rounded(time: float) -> int:
    """R13: to whole nanoseconds, at least one."""
    exact = time + 0.5
    return 1 if exact < 1.0 else LONGEST_SERVICE if exact > LONGEST_SERVICE else int(exact)


def row_of(v: Visiting) -> Visit:
    call = v.call
    return Visit(
        request=v.identity >> 16,
        visit=v.identity & 0xFFFF,
        stage=v.stage.index,
        caller=-1 if call.part is None else call.part.scope.owner.identity & 0xFFFF,
        shard=call.shard,
        attempt=v.attempt,
        copy=v.copy,
        send=v.send,
        join=v.join,
        due=v.due,
        start=v.start,
        end=v.end,
        free=v.free,
        answer=v.answer,
        replica=v.replica,
        worker=v.worker,
        batch=v.batch,
        outcome=v.outcome,
    )
