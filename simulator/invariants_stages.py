"""R3 to R5 of `semantics` on a trace, and tokens: what a stage lets in, has wait, and serves, and in which order.

Who waited in which queue is read once, for the three that ask: the limits of queues, idle workers, whose turn it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from simulator.history import History, closed
from simulator.invariants_words import EXPIRED, FAILED, REJECTED, Found, RequestRow
from simulator.machine import ABSENT, CANCEL_NONE, DRAINING, NEVER, SHARED, UNLIMITED, MachineStage
from simulator.semantics import Visit

# -- R3: capacity -----------------------------------------------------------------------------------------------------


def held_workers(history: History) -> Found:
    """R3: a worker is free when its visit ends, or when the `hold` calls within it are settled."""
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.start < 0:
            continue
        scope = history.scopes.get((v.request, v.visit))
        held = [part for part in scope.parts.values() if part.numbers.hold] if scope else []
        if scope is None or not held:
            surely = not any(stage.hold for stage in history.machine.stages if stage.caller == v.stage)
            if v.free != v.end and (surely or v.outcome == FAILED):
                yield f"R3: {v} did not give its worker back at its end"
            continue
        if not scope.told or any(part.settled is None for part in held):
            continue
        settled = max(part.settled.at for part in held if part.settled is not None)
        over = scope.over if scope.over < history.horizon else NEVER
        until = max(v.end, min(settled, over, history.acts.death(v)))
        if v.free != (-1 if until == NEVER else until):
            yield f"R3: {v} should have held its worker until {until}"
        assert numbers.batch_size == 1


def capacity(history: History) -> Found:
    """R3: a worker carries one visit, or one batch, from its start until it is given back; it is of its replica."""
    by_worker: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.stage == history.machine.client or v.replica < 0:
            continue
        if numbers.endless:
            if (v.replica, v.worker) not in ((0, 0), (0, -1)):
                yield f"R3: {v} has a worker, and its stage is endless"
            continue
        queues = numbers.queues
        each = numbers.places // queues * numbers.concurrency
        if v.replica >= queues or (v.worker >= 0 and v.worker // each != v.replica):
            yield f"R3: {v} was served by another replica's worker"
        if v.start >= 0:
            by_worker[v.stage, v.worker].append(v)
    for worker, served in by_worker.items():
        served.sort(key=lambda v: (v.start, NEVER if v.free < 0 else v.free))
        for earlier, later in pairwise(served):
            together = earlier.batch >= 0 and earlier.batch == later.batch
            if not together and not 0 <= earlier.free <= later.start:
                yield f"R3: worker {worker} carried two visits: {earlier} and {later}"


class Wait(NamedTuple):
    """A visit in a queue: surely until `until`, not after `at_most`."""

    visit: Visit
    until: int
    at_most: int


@lru_cache(maxsize=1)
def _waits(history: History) -> dict[tuple[int, int], list[Wait]]:
    """Who waited in each queue, in order of joining; those turned away as they came did not."""
    found: dict[tuple[int, int], list[Wait]] = defaultdict(list)
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.replica < 0 or numbers.endless or (v.outcome == REJECTED and v.answer == v.join):
            continue
        death = NEVER if numbers.balancing == SHARED else history.acts.death(v)
        found[v.stage, v.replica].append(Wait(v, *(min(at, death) for at in _left(history, v))))
    for waits in found.values():
        waits.sort(key=lambda w: w.visit.join)
    return found


def _left(history: History, v: Visit) -> tuple[int, int]:
    """When a visit left its queue, if its replica did not die."""
    numbers, changing = history.machine.stages[v.stage], history.acts.ever(v.stage)
    if v.start >= 0:
        return v.start, v.start
    if v.outcome == REJECTED:
        return v.answer, v.answer
    timed = history.acts.numbers(v.stage, v.send).timeout < NEVER
    waits_on = v.outcome == EXPIRED and numbers.cancel == CANCEL_NONE and timed
    if numbers.coalesce:  # it may have been waiting for a fetch
        return v.join, NEVER if waits_on else closed(v)
    if waits_on and v.answer <= v.join and any(n.queue_limit < UNLIMITED for n in changing):
        return v.join, NEVER  # nobody was told if it was turned away,
    if waits_on and (numbers.shed_oldest or any(n.drop_expired for n in changing)):
        return max(v.join, v.answer), NEVER  # or when it was dropped
    if waits_on:
        return NEVER, NEVER  # until its turn comes: not before the run ended
    return closed(v), closed(v)


def queue_limits(history: History) -> Found:
    """R3: a queue holds at most its limit, and turns away only when it is full."""
    waits, joins = _waits(history), Counter((v.stage, v.replica, v.join) for v in history.rows)
    for (stage, replica), queue in waits.items():
        changes: dict[int, int] = defaultdict(int)
        for w in queue:
            if w.visit.join < w.until:
                changes[w.visit.join] += 1
                changes[w.until] -= 1
        waiting = 0
        for now in sorted(changes):
            before, waiting = waiting, waiting + changes[now]
            limit = history.acts.numbers(stage, now).queue_limit
            if waiting > max(limit, before):
                yield f"R3: {waiting} visits wait at stage {stage}, replica {replica}, at {now}: more than {limit}"
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.outcome != REJECTED or v.replica < 0:
            continue
        at = v.answer
        others = [w.visit for w in waits[v.stage, v.replica] if w.visit is not v and w.visit.join <= at <= w.at_most]
        dropped = at > v.join
        limit = history.acts.numbers(v.stage, at).queue_limit
        if not numbers.shed_oldest and (dropped or len(others) < limit):
            yield f"R3: {v} was turned away though only {len(others)} waited"
        if numbers.shed_oldest and dropped and not joins[v.stage, v.replica, at]:
            yield f"R5: {v} was dropped though nobody came"


def batches(history: History) -> Found:
    """R3: a batch has at most `size` visits, the first of them first, and goes when it is full or has waited."""
    of: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in history.rows:
        if v.batch >= 0:
            of[v.stage, v.batch].append(v)
        elif v.start >= 0 and history.machine.stages[v.stage].batch_size > 1:
            yield f"R3: {v} was served without a batch"
    for (stage, batch), members in of.items():
        numbers = history.machine.stages[stage]
        first = min(members, key=lambda v: v.join)
        leader = history.by_identity.get((batch >> 16, batch & 0xFFFF))
        if leader is None or leader not in members or leader.join != first.join:
            yield f"R3: batch {batch} of stage {stage} is not led by its first member"
        if len(members) > numbers.batch_size:
            yield f"R3: batch {batch} of stage {stage} has {len(members)} members"
        if len({(v.start, v.end, v.free, v.worker) for v in members}) > 1:
            yield f"R3: batch {batch} of stage {stage} did not stay together"
        full = (
            len(members) == numbers.batch_size or history.acts.numbers(stage, first.start).drop_expired
        )  # of a full one some may be dropped
        if not full and first.start < first.join + numbers.batch_wait:
            yield f"R3: batch {batch} of stage {stage} went neither full nor having waited"


def replicas(history: History) -> Found:
    """R3: those that drain, or are absent, accept nothing; who crossed to one that has gone by then is turned away."""
    acts = history.acts
    for v in history.rows:
        numbers, arrival = history.machine.stages[v.stage], history.arrival_of(v)
        if numbers.endless or v.join < 0:
            continue
        if v.start >= 0 and acts.paused(v.stage, v.start):
            yield f"R3: {v} started at a stage that is paused"
        if numbers.balancing == SHARED:
            if v.start >= 0 and not acts.is_ready(v.stage, acts.place_of(v), v.start):
                yield f"R3: {v} started at a replica that takes nothing"
        elif v.replica >= 0:
            if not acts.is_ready(v.stage, v.replica, arrival):
                yield f"R3: {v} was sent to a replica that takes nothing"
            state, since = acts.state(v.stage, v.replica, v.join)
            gone = history.works_until(v.stage, v.replica, since) if state == DRAINING else None
            if state == ABSENT or (gone is not None and gone < v.join):
                yield f"R3: {v} joined a replica that has gone"
        elif v.join > arrival and all(acts.is_ready(v.stage, p, v.join) for p in acts.ready(v.stage, arrival)):
            yield f"R3: {v} was turned away at the end of its way, though no replica has gone"


def deaths(history: History) -> Found:
    """R3: what is with a replica when it is killed ends then: it waits, is served, or waits for calls within it."""
    for v in history.rows:
        death, coalesced = history.acts.death(v), history.machine.stages[v.stage].coalesce
        if death >= history.horizon or (coalesced and v.start < 0):  # in tow of a fetch it ends with that
            continue
        if v.start >= death or max(v.end, v.free) > death or (v.start >= 0 and v.end < 0):
            yield f"R3: {v} was served after the death of its replica at {death}"
        # A replica that drains may have been absent by then: it does not wait for calls that hold no worker.
        drained = (death, DRAINING) in history.acts.deaths(v.stage, history.acts.place_of(v))
        lingers = drained and 0 <= v.free < death
        if closed(v) > death and not lingers:
            yield f"R3: {v} goes on after the death of its replica at {death}"


# -- R4: work conserving ----------------------------------------------------------------------------------------------


def work_conserving(history: History) -> Found:
    """R4: after each instant no worker idles while its own queue holds a visit, unless a batch is not due."""
    served: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in history.rows:
        if v.start >= 0 and v.batch in (-1, v.request << 16 | v.visit):
            served[v.stage, v.replica].append(v)
    for (stage, replica), queue in _waits(history).items():
        numbers = history.machine.stages[stage]
        size, wait = numbers.batch_size, numbers.batch_wait if numbers.batch_size > 1 else 0
        changes: dict[int, list[tuple[int, int]]] = defaultdict(list)  # where: a place, or -1: in the queue
        for v in served[stage, replica]:
            changes[v.start].append((history.acts.place_of(v), 1))
            changes[NEVER if v.free < 0 else v.free].append((history.acts.place_of(v), -1))
        for w in queue:
            if w.visit.join < w.until:
                changes[w.visit.join].append((-1, 1))
                changes[w.until].append((-1, -1))
                changes[w.visit.join + wait] += []
        for at in history.acts.instants(stage):
            changes[at] += []
        waiting, busy = 0, Counter[int]()
        for now in sorted(changes):
            for where, change in changes[now]:
                if where < 0:
                    waiting += change
                else:
                    busy[where] += change
            if now >= history.horizon or not waiting or history.acts.paused(stage, now):
                continue
            # Workers of a replica that drains take nothing more from a queue that is shared; its own it works off.
            there = history.acts.ready(stage, now) if numbers.balancing == SHARED else [replica]
            if all(busy[place] >= numbers.concurrency for place in there):
                continue
            oldest = min(w.visit.join for w in queue if w.visit.join <= now < w.until) if size > 1 else 0
            if size == 1 or waiting >= size or oldest + wait <= now:
                yield f"R4: a worker of stage {stage}, replica {replica}, idles at {now} while {waiting} wait"


# -- R5: order --------------------------------------------------------------------------------------------------------


def order(history: History, ends: list[RequestRow]) -> Found:
    """R5: whose turn it is, and whom a full queue drops, among those that surely waited on at that instant."""
    levels = {row.number: history.machine.classes[row.kind].level for row in ends}  # others do not tell their class
    for (stage, replica), queue in _waits(history).items():
        numbers = history.machine.stages[stage]
        leaving: dict[int, list[Visit]] = defaultdict(list)
        for w in queue:
            if w.visit.start >= 0 or (w.visit.outcome == REJECTED and numbers.shed_oldest):
                leaving[w.until].append(w.visit)
        for now, turns in leaving.items():
            stay = [w.visit for w in queue if w.visit.join < now < w.until]
            most = sum(w.visit.join <= now <= w.at_most for w in queue)
            for v in turns:
                before = [u for u in stay if _before(history.acts.numbers(stage, now), u, v, len(stay), most, levels)]
                if before:
                    verb = "was dropped" if v.start < 0 else "started"
                    yield f"R5: stage {stage}, replica {replica}: {v} {verb} before it was the turn of {before[0]}"


def _before(numbers: MachineStage, u: Visit, v: Visit, stay: int, most: int, levels: dict[int, int]) -> bool:
    """Whether u, which stayed, should have gone before v. `stay`: how many did; `most`: how many waited at most."""
    drop = v.start < 0
    if numbers.by_level:
        first, second = levels.get(u.request), levels.get(v.request)
        if first is None or second is None:
            return False
        if first != second:
            return first > second if drop else first < second
    if drop or most <= numbers.lifo_above:
        return u.join < v.join
    return stay >= numbers.lifo_above and u.join > v.join


# -- tokens -----------------------------------------------------------------------------------------------------------


def tokens(history: History) -> Found:
    """Tokens: at each instant as many are admitted as GCRA has tokens for."""
    came: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in history.rows:
        arrival = history.arrival_of(v)
        if v.stage != history.machine.client and (v.join >= 0 or history.crosses(v)):
            came[v.stage, arrival].append(v)
    tat: dict[int, int] = defaultdict(int)
    untold = set()
    for (stage, now), together in sorted(came.items()):
        if any(v.join < 0 and closed(v) <= now for v in together):
            untold.add(stage)  # who left at that instant may have taken a token along
        if stage in untold:
            continue
        numbers, possible = history.acts.numbers(stage, now), 0
        for _ in together:
            if not numbers.admission_interval:
                possible += 1
            elif now >= tat[stage] - numbers.admission_burst:
                possible += 1
                tat[stage] = max(now, tat[stage]) + numbers.admission_interval
        admitted = sum(v.replica >= 0 or v.join != now for v in together)
        if admitted != possible and (admitted or numbers.endless or history.can_choose(stage, now)):
            yield f"Tokens: stage {stage} admitted {admitted} at {now}, not {possible}"
