"""What moves through the reference plane: requests, their calls and visits, and the stages as these meet them.

`requests_simpy` says how they move. A request's luck is drawn ahead, a chunk of requests at a time, vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator import draws
from simulator.machine import ALWAYS, LEAST_OF, MILLION, NEVER, NOBODY, RANDOM, Machine, MachineStage
from simulator.plane import LONGEST_SERVICE, StageTally
from simulator.semantics import RequestEnd, Visit, VisitEnd
from simulator.stations import Breaker, Budget, Cache, Keys, Queue, TokenBucket

# Where a visit is: so in both planes.
ON_THE_WAY, WAITING, SERVED, CALLING, IN_TOW, OVER = range(6)  # IN_TOW: it ends with the visit it depends on

# How a call stands.
SETTLED, UNDER_WAY, BACKING_OFF, FALLING_BACK = range(4)

# Names of this module: an enum's are looked up in two steps, twelve times a visit.
OPEN, ANSWERED, TURNED_AWAY, EXPIRED, FAILED, CANCELLED = VisitEnd
IN_FLIGHT, COMPLETED, DEGRADED, REJECTED, TIMED_OUT, BROKEN = list(RequestEnd)[:6]


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
    cached_key = -1
    service = 0  # as drawn

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
        self.queues = [] if stage.endless else [Queue(stage, q, levels) for q in range(stage.queues)]
        self.keys = Keys(machine, stage) if stage.cache_keys else None
        caches = 1 if stage.cache_shared or stage.endless else stage.replicas
        self.caches = [Cache(stage) for _ in range(caches)] if stage.cache_keys else []
        self.bucket = TokenBucket(stage) if stage.admission_interval else None
        self.breaker = Breaker(stage) if stage.breaker_window else None
        self.retries, self.hedges = Budget(stage.retry_budget), Budget(stage.hedge_budget)
        self.budgets = [
            b for b, used in ((self.retries, stage.attempts > 1), (self.hedges, stage.hedge_after < NEVER)) if used
        ]
        self.conditional = stage.when_missed != NOBODY or stage.when_threshold < ALWAYS
        self.turn = self.choices = 0
        self.factor, self.paused, self.outage = 1.0, False, False
        self.waiting = self.most_waiting = self.busy = 0
        self.waiting_integral = self.busy_integral = 0  # sum of -t at each rise and +t at each fall
        self.tally = dict.fromkeys(StageTally._fields, 0)
        self.waits: list[int] = []

    def meet(self, stages: list[Station]) -> None:
        """Get to know the others."""
        self.within = [s for s in stages if s.machine.caller == self.index]
        self.first_calls = [stages[i] for i in self.machine.first_calls]
        self.successors = [stages[i] for i in self.machine.successors]


class Luck:
    """The draws of a chunk of requests, by row; those by stage are for the visits that most requests make."""

    def __init__(self, machine: Machine, keys: draws.Keys) -> None:
        self.keys: list[int] = keys.tolist()
        classes = machine.classes
        below = np.array([kind.below for kind in classes[:-1]], dtype=np.uint64)
        drawn = draws.mix_many(keys, draws.CLASS) >> np.uint64(1)
        kinds = np.searchsorted(below, drawn, side="right")
        items = np.array([kind.items for kind in classes])[kinds]
        unit = draws.mix_many(keys, draws.ITEMS)
        for index, kind in enumerate(classes):
            if kind.table != NOBODY:
                of_kind = kinds == index
                spread = draws.quantiles(machine.tables[kind.table], unit[of_kind]) * float(kind.items)
                items[of_kind] = np.minimum(np.floor(spread + 0.5), LONGEST_SERVICE).astype(np.int64)
        self.kinds: list[int] = kinds.tolist()
        self.items: list[int] = items.tolist()
        self.levels: list[int] = np.array([kind.level for kind in classes])[kinds].tolist()
        self.visits: list[list[int]] = []  # their keys
        self.unit: list[list[float]] = []
        self.routes: list[list[tuple[int, ...]]] = []
        for stage in machine.stages:
            visits = draws.mix_many(keys, stage.name_hash)
            first = stage.caller == machine.client
            table = machine.tables[stage.table]
            self.visits.append(visits.tolist() if first else [])
            self.unit.append(draws.quantiles(table, draws.mix_many(visits, draws.SERVICE)).tolist() if first else [])
            routed = first and stage.balancing in (RANDOM, LEAST_OF)
            self.routes.append(_routes(stage, visits) if routed else [])


def _routes(stage: MachineStage, visits: draws.Keys) -> list[tuple[int, ...]]:
    """Replicas drawn for each visit."""
    replicas, shift = np.uint64(stage.replicas), np.uint64(32)
    high = (draws.mix_many(visits, draws.ROUTE + j) >> shift for j in range(choices_of(stage)))
    return list(zip(*((h * replicas >> shift).tolist() for h in high), strict=True))


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
