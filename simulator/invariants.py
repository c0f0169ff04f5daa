"""Checks of the rules of `semantics` on a complete trace. Independent of the planes: written from the rules alone.

A rule is checked where the trace decides it. It does not tell who was unlucky (shares of calls, errors, keys of
caches), what a budget had left, nor what came first within an instant: there the checks are as strict as what is known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

from simulator.history import Call, History, Scope, closed
from simulator.machine import (
    CANCEL_NONE,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    MILLION,
    MOST_TOKENS,
    NEVER,
    NOBODY,
    UNLIMITED,
    Machine,
    MachineStage,
)
from simulator.plane import Ended
from simulator.semantics import RequestEnd, Trace, Visit, VisitEnd

Found = Iterator[str]

OPEN, ANSWERED, REJECTED, EXPIRED, FAILED, CANCELLED = VisitEnd


class RequestRow(NamedTuple):
    """One row of `plane.Ended`."""

    number: int
    arrival: int
    end: int
    outcome: int
    kind: int
    quality: int


def violations(
    machine: Machine,
    trace: Trace,
    ended: Ended,
    horizon: int,
    paused: Collection[int] = (),
    failed: Collection[int] = (),
) -> list[str]:
    """Rules that a complete trace breaks, in words; empty when it keeps all that it can tell about.

    `ended`: all requests that ended; `horizon`: when the run stopped, ns (its events are those before); `paused`,
    `failed`: stages that control paused, or made fail, at any time.
    """
    ends = [RequestRow(*row) for row in zip(*(column.tolist() for column in ended), strict=True)]
    if found := [*one_end(machine, trace, ends)]:
        return found  # what follows takes this for granted,
    history = History(machine, trace, horizon)
    if found := [*numbered(history)]:
        return found  # and this
    return [
        *one_row(history),
        *one_end_of_requests(history, ends),
        *steps_of_a_visit(history, failed),
        *calls_within(history),
        *held_workers(history),
        *capacity(history),
        *queue_limits(history),
        *batches(history),
        *work_conserving(history, paused),
        *order(history, ends),
        *time(history),
        *attempts(history),
        *time_outs(history),
        *tried_again(history),
        *hedges(history),
        *let_go(history),
        *budgets(history),
        *breakers(history),
        *deadlines(history),
        *tokens(history),
    ]


# -- R1: one end ------------------------------------------------------------------------------------------------------


def one_end(machine: Machine, trace: Trace, ends: list[RequestRow]) -> Found:
    """R1: a request ends once, a visit has one row; both are numbered from 0, visits within their request."""
    for number, n in Counter(row.number for row in ends).items():
        if n > 1:
            yield f"R1: request {number} ended {n} times"
    numbers: dict[int, list[int]] = defaultdict(list)
    for request, visit in trace[:, :2].tolist():
        numbers[request].append(visit)
    for request, visit_numbers in numbers.items():
        if visit_numbers != list(range(len(visit_numbers))):
            yield f"R1: the visits of request {request} are numbered {visit_numbers}"
    if sorted(numbers) != list(range(len(numbers))):
        yield "R1: there are requests without visits"
    for row in ends:
        if row.number not in numbers:
            yield f"R1: request {row.number} ended and never came"
    for row in trace.tolist():
        v = Visit(*row)
        if (
            not 0 <= v.stage <= machine.client
            or v.attempt < 0
            or v.copy not in (0, 1)
            or v.outcome not in set(VisitEnd)
        ):
            yield f"R1: {v} is no visit"
        elif not (0 <= v.shard < machine.stages[v.stage].shards and v.caller < v.visit):
            yield f"R1: {v} is of no shard, or called by a later visit"
        elif (v.caller == -1) != (v.stage == machine.client) or (v.visit == 0 and v.caller != -1) or v.caller < -1:
            yield f"R1: {v} is called by nobody"


def one_row(history: History) -> Found:
    """R1: what a visit's end means for its row; whoever calls does so by its stage."""
    client = history.machine.client
    for v in history.rows:
        served = (v.start, v.end, v.free, v.worker)
        if (v.outcome == OPEN) != (v.answer < 0):
            yield f"R1: {v} is open and ended, or neither"
        if v.stage == client:
            if (v.join, v.due, *served, v.replica, v.batch) != (-1,) * 8:
                yield f"R1: {v} is the client's, who has no queue"
            if v.outcome in (REJECTED, CANCELLED):
                yield f"R1: {v} is the client's, whom nobody turns away"
            continue
        caller = history.by_identity[v.request, v.caller]
        if caller.stage != history.machine.stages[v.stage].caller:
            yield f"R1: {v} is called by a visit to another stage, {caller}"
        if v.join < 0 and (v.due, *served, v.replica) != (-1,) * 6:
            yield f"R1: {v} got somewhere without joining"
        if (v.start < 0) != (v.worker < 0) or (v.start < 0 and (v.end, v.free) != (-1, -1)):
            yield f"R1: {v} was served by nobody"
        if (v.end < 0 and v.free >= 0) or (v.free >= 0 and v.free < v.end):
            yield f"R1: {v} gave its worker back before its end"
        if v.outcome == REJECTED and v.start >= 0:
            yield f"R1: {v} was turned away and served"
        coalesced = history.machine.stages[v.stage].coalesce
        if v.outcome in (ANSWERED, FAILED) and v.end < 0 and not (coalesced and v.join >= 0):
            yield f"R1: {v} ended without having been served"


def one_end_of_requests(history: History, ends: list[RequestRow]) -> Found:
    """R1: a request ends as its last attempt does, which `answer_after` may let answer early."""
    rows = {row.number: row for row in ends}
    for (request, *_), call in history.calls.items():
        if call.owner is not None:
            continue
        arrival, result, row = history.arrivals[request], call.result, rows.get(request)
        if row is None:
            if result.sure and result.at < NEVER:
                yield f"R1: request {request} ended at {result.at}, and nobody was told"
            elif not result.sure and result.again_by < history.horizon:
                yield f"R1: request {request} was neither tried again by {result.again_by} nor given up"
            continue
        if row.arrival != arrival:
            yield f"R1: {row} came at {arrival}"
        if row.end != result.at:
            yield f"R1: {row} ended otherwise than its client's visits, at {result.at}"
        elif result.answered:
            yield from _answered(history, row)
        elif row.outcome not in (reasons := _reasons(history, call)):
            yield f"R1: {row} failed, but for {sorted(reasons)}"


def _answered(history: History, row: RequestRow) -> Found:
    """R1: completed; or degraded, with a fallback used or an optional stage left out."""
    if row.outcome not in (RequestEnd.COMPLETED, RequestEnd.DEGRADED):
        yield f"R1: {row} was answered"
    if row.outcome == RequestEnd.COMPLETED and row.quality != MILLION:
        yield f"R1: {row} is not degraded, but less than perfect"
    scopes = [scope for scope in history.scopes.values() if scope.owner.request == row.number]
    if row.outcome == RequestEnd.DEGRADED and not any(_may_degrade(scope, row.end) for scope in scopes):
        yield f"R1: {row} is degraded by nothing"
    if row.outcome == RequestEnd.COMPLETED and any(_degrades(history, scope, row.end) for scope in scopes):
        yield f"R1: {row} is degraded"


def _may_degrade(scope: Scope, end: int) -> bool:
    """Whether a fallback may have been used, or a stage left out, by the end of a request."""
    for part in scope.parts.values():
        for call in part.calls:
            failed = min((a.failed for a in call.attempts), default=NEVER)
            if call.numbers.fallback < NEVER and failed + call.numbers.fallback <= end:
                return True
            if not part.numbers.required and failed <= end:
                return True
        if part.sent is not None and part.sent + part.numbers.late_after <= end:
            return True
    return False


def _degrades(history: History, scope: Scope, end: int) -> bool:
    """Whether it is sure that this scope degraded an answer it was part of."""
    v: Visit | None = scope.owner
    while v is not None:  # the answers that the request's rests upon
        if v.outcome != ANSWERED or any(w.copy for w in _family(history, v)):
            return False
        v = history.by_identity.get((v.request, v.caller))
    if not scope.whole:
        return False
    for part in scope.parts.values():
        settled = part.settled
        assert settled is not None
        if settled.at >= min(end, scope.over):
            continue
        following = [scope.parts[s] for s in part.numbers.successors]
        needed = all(after.numbers.wait_for >= after.numbers.predecessors for after in following)
        if part.calls and settled.without is not None and not settled.answered and needed:
            return True
        if any(call.result.answered and call.result.failed_at < call.result.at < settled.at for call in part.calls):
            return True
    return False


def _family(history: History, v: Visit) -> list[Visit]:
    """The copies of a visit's attempt."""
    return history.calls[v.request, v.caller, v.stage, v.shard].attempts[v.attempt].copies


def _reasons(history: History, call: Call) -> set[int]:
    """Why a call may have failed: several, when more than one thing went wrong in its last instant."""
    last = call.attempts[-1]
    return set().union(*(_reasons_of(history, v) for v in last.copies if v.answer == last.failed))


def _reasons_of(history: History, v: Visit) -> set[int]:
    if v.outcome == REJECTED:
        return {RequestEnd.REJECTED}
    if v.outcome == EXPIRED:
        return {RequestEnd.TIMED_OUT}
    if v.start < 0 and v.stage != history.machine.client:  # it waited for another's fetch
        return {RequestEnd.REJECTED, RequestEnd.TIMED_OUT, RequestEnd.FAILED}
    scope = history.scopes.get((v.request, v.visit))
    if scope is None:
        return {RequestEnd.FAILED}
    found: set[int] = set()
    for part in scope.parts.values():
        if part.sent is not None and part.sent + part.numbers.late_after == v.answer:
            found.add(RequestEnd.TIMED_OUT)
        for call in part.calls:
            if call.result.failed_at == v.answer:
                found |= _reasons(history, call)
    return found


# -- R2: causality ----------------------------------------------------------------------------------------------------


def steps_of_a_visit(history: History, failed: Collection[int]) -> Found:
    """R2: send <= join <= due <= start < end <= answer, as far as it got."""
    for v in history.rows:
        if v.stage == history.machine.client:
            continue
        numbers = history.machine.stages[v.stage]
        arrival = v.send + numbers.hop
        if v.join >= 0 and v.join != arrival:
            yield f"R2: {v} did not join one hop after it was sent"
        turned_away = v.outcome == REJECTED and v.answer == v.send and numbers.breaker_window > 0
        gone = v.outcome in (CANCELLED, EXPIRED) and v.answer <= arrival and numbers.cancel != CANCEL_NONE
        if v.join < 0 and arrival < history.horizon and not turned_away and not gone:
            yield f"R2: {v} never joined"
        if v.due < v.join or (v.start >= 0 and v.start < v.due):
            yield f"R2: {v} started before it was due"
        stopped = v.outcome in (CANCELLED, EXPIRED) and numbers.cancel == CANCEL_RUNNING and v.end == v.answer
        if v.end >= 0 and not (v.start < v.end or (stopped and v.start == v.end)):
            yield f"R2: {v} ended no later than it started"
        if v.outcome in (ANSWERED, FAILED) and v.answer < max(v.join, v.end):
            yield f"R2: {v} answered before its end"
        scope = history.scopes.get((v.request, v.visit))
        if v.outcome in (ANSWERED, FAILED) and scope is None and 0 <= v.end != v.answer:
            yield f"R2: {v} has ended, calls nobody, and yet does not answer"
        erring = numbers.error_threshold > 0 or v.stage in failed
        if v.outcome == FAILED and scope is None and v.start >= 0 and not erring:
            yield f"R2: {v} failed for no reason"
        if v.start >= 0 and v.end < 0 and v.outcome == ANSWERED:
            yield f"R2: {v} answered while it was served"


def calls_within(history: History) -> Found:
    """R2: stages are called when those they come after are settled; then the caller answers, or fails."""
    for scope in history.scopes.values():
        where = f"request {scope.owner.request}, visit {scope.owner.visit}"
        for part in scope.parts.values():
            for call in part.calls:
                send = call.attempts[0].send
                if call.attempts[0].send != part.sent:
                    yield f"R2: {where}: the shards of stage {part.stage} were not called together"
                if part.due is not None and send != part.due:
                    yield f"R2: {where}: stage {part.stage} was called at {send}, not at {part.due}"
            if part.calls and len(part.calls) != part.numbers.shards:
                yield f"R2: {where}: {len(part.calls)} of the shards of stage {part.stage} were called"
            if not part.calls and part.settled is None and part.due is not None and scope.told:
                yield f"R2: {where}: stage {part.stage} was not called at {part.due}"
            yield from _sends_after(history, scope, part.calls)
        yield from _end_of_calls(history, scope)


def _sends_after(history: History, scope: Scope, calls: list[Call]) -> Found:
    """R2: a caller that has ended calls nothing more, and nothing is sent for a stage that is settled."""
    for call in calls:
        until = history.let_go(call)
        if until is None:
            continue
        for attempt in call.attempts:
            for v in attempt.copies:
                if v.send > until:
                    yield f"R2: {v} was sent though its caller was done with it at {until}"


def _end_of_calls(history: History, scope: Scope) -> Found:
    """R2: when the calls within a visit are settled it answers; if a required one has failed it fails at once."""
    owner, fails, answers = scope.owner, scope.fails, scope.answers
    client = owner.stage == history.machine.client
    early = client and history.machine.answer_after != NOBODY
    if not scope.told or fails is None:
        return
    if owner.outcome == OPEN and fails < history.horizon:
        yield f"R2: {owner} should have failed at {fails}"
    if owner.outcome == FAILED and fails != owner.answer:
        yield f"R2: {owner} failed, but the calls within it did at {fails}"
    if early:
        settled = scope.parts[history.machine.answer_after].settled
        if settled is None or answers is None:
            return
        answers = min(answers, settled.at)  # the rest may be over without it, by `wait_for`
        if owner.outcome == ANSWERED and answers == fails == owner.answer:
            return  # which came first?
    if owner.outcome == ANSWERED and (fails < owner.answer or answers not in (None, owner.answer)):
        yield f"R2: {owner} answered, but the calls within it were settled at {answers}"
    if owner.outcome == OPEN and answers is not None and answers < history.horizon:
        yield f"R2: {owner} should have answered at {answers}"


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
        until = max(v.end, min(settled, over))
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
        each = numbers.workers // queues
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


def _waits(history: History) -> dict[tuple[int, int], list[Wait]]:
    """Who waited in each queue, in order of joining; those turned away as they came did not."""
    found: dict[tuple[int, int], list[Wait]] = defaultdict(list)
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.replica < 0 or numbers.endless or (v.outcome == REJECTED and v.answer == v.join):
            continue
        found[v.stage, v.replica].append(Wait(v, *_left(numbers, v)))
    for waits in found.values():
        waits.sort(key=lambda w: w.visit.join)
    return found


def _left(numbers: MachineStage, v: Visit) -> tuple[int, int]:
    """When a visit left its queue."""
    if v.start >= 0:
        return v.start, v.start
    if v.outcome == REJECTED:
        return v.answer, v.answer
    waits_on = v.outcome == EXPIRED and numbers.cancel == CANCEL_NONE and numbers.timeout < NEVER
    if numbers.coalesce:  # it may have been waiting for a fetch
        return v.join, NEVER if waits_on else closed(v)
    if waits_on and v.answer <= v.join and numbers.queue_limit < UNLIMITED:
        return v.join, NEVER  # nobody was told if it was turned away,
    if waits_on and (numbers.drop_expired or numbers.shed_oldest):
        return max(v.join, v.answer), NEVER  # or when it was dropped
    if waits_on:
        return NEVER, NEVER  # until its turn comes: not before the run ended
    return closed(v), closed(v)


def queue_limits(history: History) -> Found:
    """R3: a queue holds at most its limit, and turns away only when it is full."""
    waits, joins = _waits(history), Counter((v.stage, v.replica, v.join) for v in history.rows)
    for (stage, replica), queue in waits.items():
        limit = history.machine.stages[stage].queue_limit
        changes: dict[int, int] = defaultdict(int)
        for w in queue:
            if w.visit.join < w.until:
                changes[w.visit.join] += 1
                changes[w.until] -= 1
        waiting = 0
        for now in sorted(changes):
            waiting += changes[now]
            if waiting > limit:
                yield f"R3: {waiting} visits wait at stage {stage}, replica {replica}, at {now}: more than {limit}"
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.outcome != REJECTED or v.replica < 0:
            continue
        at = v.answer
        others = [w.visit for w in waits[v.stage, v.replica] if w.visit is not v and w.visit.join <= at <= w.at_most]
        dropped = at > v.join
        if not numbers.shed_oldest and (dropped or len(others) < numbers.queue_limit):
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
        full = len(members) == numbers.batch_size or numbers.drop_expired  # of a full one some may be dropped
        if not full and first.start < first.join + numbers.batch_wait:
            yield f"R3: batch {batch} of stage {stage} went neither full nor having waited"


# -- R4: work conserving ----------------------------------------------------------------------------------------------


def work_conserving(history: History, paused: Collection[int]) -> Found:
    """R4: after each instant no worker idles while its own queue holds a visit, unless a batch is not due."""
    busy: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in history.rows:
        if v.start >= 0 and v.batch in (-1, v.request << 16 | v.visit):
            busy[v.stage, v.replica].append(v)
    for (stage, replica), queue in _waits(history).items():
        numbers = history.machine.stages[stage]
        if stage in paused:
            continue
        size, wait = numbers.batch_size, numbers.batch_wait if numbers.batch_size > 1 else 0
        changes: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for v in busy[stage, replica]:
            changes[v.start][1] += 1
            changes[NEVER if v.free < 0 else v.free][1] -= 1
        for w in queue:
            if w.visit.join < w.until:
                changes[w.visit.join][0] += 1
                changes[w.until][0] -= 1
                changes[w.visit.join + wait][0] += 0
        waiting = served = 0
        for now in sorted(changes):
            waiting += changes[now][0]
            served += changes[now][1]
            if now >= history.horizon or not waiting or served >= numbers.workers // numbers.queues:
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
                before = [u for u in stay if _before(numbers, u, v, len(stay), most, levels)]
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


# -- R6: time ---------------------------------------------------------------------------------------------------------


def time(history: History) -> Found:
    """R6: nothing happens at the horizon or after it; requests and visits are numbered as they are sent."""
    for v in history.rows:
        if max(v.send, v.join, v.start, v.end, v.free, v.answer) >= history.horizon:
            yield f"R6: {v} goes on after the end of the run"
    for one, other in pairwise(history.rows):
        if one.request == other.request and one.send > other.send:
            yield f"R6: {other} was sent before {one}"
    arrivals = [at for _, at in sorted(history.arrivals.items())]
    if arrivals != sorted(arrivals):
        yield "R6: requests are not numbered by arrival"


# -- R7: second tries -------------------------------------------------------------------------------------------------


def numbered(history: History) -> Found:
    """R7: a call's attempts are numbered from 0; each is a visit and at most one hedge."""
    for call in history.calls.values():
        tries, what = call.attempts, call.attempts[-1].copies[-1]
        if [a.copies[0].attempt for a in tries] != list(range(len(tries))) or len(tries) > call.numbers.attempts:
            yield f"R7: {what} is the last of {len(tries)} attempts"
        if any([v.copy for v in attempt.copies] not in ([0], [0, 1]) for attempt in tries):
            yield f"R7: {what}: an attempt is a visit and at most one hedge"


def attempts(history: History) -> Found:
    """R7: attempts follow one another, each after the backoff of the one that failed; none past the deadline."""
    for call in history.calls.values():
        for number, (earlier, later) in enumerate(pairwise(call.attempts)):
            again = later.copies[0]
            shortest, longest = call.backoff(number)
            if not earlier.failed + shortest <= again.send <= earlier.failed + longest:
                yield f"R7: {again} was sent after a failure at {earlier.failed}"
            if earlier.failed >= call.deadline:
                yield f"R7: {again} was sent after its deadline at {call.deadline}"


def tried_again(history: History) -> Found:
    """R7: without a budget to limit it, a failed attempt is followed by another."""
    for call in history.calls.values():
        until, result = history.let_go(call), call.result
        if until is None or not result.sure or result.again_by == NEVER:
            continue
        if result.again_by < min(until, history.horizon):
            yield f"R7: {call.attempts[-1].copies[0]} was not tried again by {result.again_by}"


def time_outs(history: History) -> Found:
    """R7: an attempt expires at its time-out, both copies alike, unless it is over before."""
    for call in history.calls.values():
        numbers, until = call.numbers, history.let_go(call)
        constant = numbers.timeout_table == NOBODY
        for attempt in call.attempts:
            due = attempt.send + numbers.timeout if constant and numbers.timeout < NEVER else NEVER
            for v in attempt.copies:
                dropped = numbers.drop_expired and v.start < 0 and v.answer >= call.deadline
                if (
                    v.outcome == EXPIRED
                    and not dropped
                    and (numbers.timeout == NEVER or (constant and v.answer != due))
                ):
                    yield f"R7: {v} expired, but its time-out is at {due}"
                over = None if until is None else min(attempt.answered, attempt.failed, until)
                if over is not None and due < history.horizon and due < min(closed(v), over):
                    yield f"R7: {v} should have expired at {due}"


def hedges(history: History) -> Found:
    """R7: a hedge is sent `hedge_after` after its twin, if that is still under way."""
    for call in history.calls.values():
        numbers, until = call.numbers, history.let_go(call)
        for attempt in call.attempts:
            first, due = attempt.copies[0], attempt.send + numbers.hedge_after
            for hedge in attempt.copies[1:]:
                if hedge.send != due or numbers.hedge_after == NEVER or closed(first) < due:
                    yield f"R7: {hedge} was sent, though it was due at {due}"
            alone = len(attempt.copies) == 1 and numbers.hedge_after < NEVER and numbers.hedge_budget == UNLIMITED
            if alone and until is not None and due < min(closed(first), until, history.horizon):
                yield f"R7: {first} should have been hedged at {due}"


def let_go(history: History) -> Found:
    """R7: what becomes of a copy that nobody waits for is what its stage's `cancel` says, at that instant."""
    for call in history.calls.values():
        numbers, until = call.numbers, history.let_go(call)
        for attempt in call.attempts:
            done = min(attempt.answered, NEVER if until is None else until)
            for v in attempt.copies:
                yield from _cancelled(numbers, v)
                if v.outcome == CANCELLED and until is not None and v.answer != done:
                    yield f"R7: {v} was cancelled, though somebody waited for it until {done}"
                if numbers.cancel == CANCEL_NONE or closed(v) <= done:
                    continue
                if numbers.cancel == CANCEL_RUNNING or not 0 <= v.start <= done:
                    yield f"R7: {v} should have been cancelled at {done}"


def _cancelled(numbers: MachineStage, v: Visit) -> Found:
    """R7: the row of a visit that was cancelled, or that expired."""
    started = numbers.cancel == CANCEL_WAITING and v.start >= 0
    if v.outcome == CANCELLED and (numbers.cancel == CANCEL_NONE or started):
        yield f"R7: {v} was cancelled, which its stage does not do"
    if v.outcome not in (CANCELLED, EXPIRED) or numbers.cancel == CANCEL_NONE:
        return
    if v.start > v.answer:
        yield f"R7: {v} was taken from its queue, and yet started"
    stopped = numbers.cancel == CANCEL_RUNNING and v.start >= 0 and v.batch < 0
    if stopped and not (0 <= v.end <= v.answer and 0 <= v.free <= v.answer):
        yield f"R7: {v} was taken from its worker, and yet went on"


def budgets(history: History) -> Found:
    """R7: retries (and hedges) are at most the tokens there were at first and what first attempts added since."""
    calls: dict[int, list[int]] = defaultdict(list)
    second: dict[tuple[int, str], list[int]] = defaultdict(list)
    for call in history.calls.values():
        calls[call.stage].append(call.attempts[0].send)
        second[call.stage, "retry_budget"] += [earlier.failed for earlier in call.attempts[:-1]]
        second[call.stage, "hedge_budget"] += [v.send for a in call.attempts for v in a.copies[1:]]
    for (stage, name), taken in second.items():
        each = getattr(history.machine.stages[stage], name)
        first = sorted(calls[stage])
        for n, at in enumerate(sorted(taken) if each < UNLIMITED else []):
            if (n + 1) * MILLION > MOST_TOKENS + each * bisect_right(first, at):
                yield f"R7: stage {stage} took {n + 1} tokens of its {name} by {at}"
                break


def breakers(history: History) -> Found:
    """R7: a breaker turns nobody away before as many attempts have failed as open it."""
    failures: dict[int, list[int]] = defaultdict(list)
    turned_away: dict[int, list[int]] = defaultdict(list)
    for call in history.calls.values():
        for attempt in call.attempts:
            first = attempt.copies[0]
            if first.outcome == REJECTED and first.join < 0:
                turned_away[call.stage].append(attempt.send)
            else:
                failures[call.stage].append(attempt.failed)
    for stage, times in turned_away.items():
        needed = history.machine.stages[stage].breaker_failures
        if sum(at <= min(times) for at in failures[stage]) < needed:
            yield f"R7: the breaker of stage {stage} was open at {min(times)}, before {needed} attempts had failed"


# -- R8: deadlines; tokens --------------------------------------------------------------------------------------------


def deadlines(history: History) -> Found:
    """R8: with `drop_expired` no visit starts past its deadline, and none is dropped before it."""
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        deadline = history.arrivals[v.request] + history.machine.deadline
        if numbers.drop_expired and v.start >= deadline:
            yield f"R8: {v} started after its deadline at {deadline}"
        if v.outcome == EXPIRED and numbers.timeout == NEVER and not (numbers.drop_expired and v.answer >= deadline):
            yield f"R8: {v} was dropped before its deadline at {deadline}"


def tokens(history: History) -> Found:
    """Tokens: at each instant as many are admitted as GCRA has tokens for."""
    for index, numbers in enumerate(history.machine.stages):
        joined = sorted((v for v in history.rows if v.stage == index and v.join >= 0), key=lambda v: v.join)
        tat = 0
        for now, group in groupby(joined, key=lambda v: v.join):
            together = list(group)
            possible = 0
            for _ in together:
                if not numbers.admission_interval or now >= tat - numbers.admission_burst:
                    possible += 1
                    tat = max(now, tat) + numbers.admission_interval
            admitted = sum(v.replica >= 0 for v in together)
            if admitted != possible:
                yield f"Tokens: stage {index} admitted {admitted} at {now}, not {possible}"
