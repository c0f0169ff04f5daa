"""Checks of the rules of `semantics` on a complete trace. Independent of the planes: written from the rules alone.

A rule is checked where the trace decides it. It does not tell who was unlucky (shares of calls, errors, keys of
caches), what a budget had left, nor what came first within an instant: there the checks are as strict as what is known.
Here are requests as a whole: how they end (R1), and when those of a closed loop come. The rest: `invariants_time`
(R2, R6), `invariants_stages` (R3 to R5, tokens), `invariants_tries` (R7, R8).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import zip_longest

from simulator import draws
from simulator.acts import Act, Acts
from simulator.history import Call, History, Scope
from simulator.invariants_stages import (
    batches,
    capacity,
    deaths,
    held_workers,
    order,
    queue_limits,
    replicas,
    tokens,
    work_conserving,
)
from simulator.invariants_time import calls_within, joins, steps_of_a_visit, time, zones
from simulator.invariants_tries import (
    attempts,
    breakers,
    budgets,
    deadlines,
    hedges,
    let_go,
    numbered,
    time_outs,
    tried_again,
)
from simulator.invariants_words import ANSWERED, EXPIRED, FAILED, OPEN, REJECTED, Found, RequestRow
from simulator.machine import MILLION, NEVER, NOBODY, Machine
from simulator.plane import Ended
from simulator.semantics import RequestEnd, Trace, Visit, VisitEnd
from simulator.users import UserStream


def violations(
    machine: Machine,
    trace: Trace,
    ended: Ended,
    horizon: int,
    acts: Iterable[Act] = (),
    superseded_by: Mapping[int, int] = {},
    users: UserStream | None = None,
) -> list[str]:
    """Rules that a complete trace breaks, in words; empty when it keeps all that it can tell about.

    `ended`: all requests that ended; `horizon`: when the run stopped, ns (its events are those before); `acts`: what
    control did before that; `superseded_by`: for each request with one, the next of its session; `users`: the luck of
    a closed loop.
    """
    ends = [RequestRow(*row) for row in zip(*(column.tolist() for column in ended), strict=True)]
    if found := [*one_end(machine, trace, ends)]:
        return found  # what follows takes this for granted,
    history = History(machine, trace, horizon, Acts(machine, acts), superseded_by)
    if found := [*numbered(history)]:
        return found  # and this
    return [
        *one_row(history),
        *one_end_of_requests(history, ends),
        *steps_of_a_visit(history),
        *joins(history),
        *zones(history),
        *calls_within(history),
        *held_workers(history),
        *capacity(history),
        *queue_limits(history),
        *batches(history),
        *replicas(history),
        *deaths(history),
        *work_conserving(history),
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
        *(closed_loop(history, ends, users) if users else ()),
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
            if v.outcome == REJECTED:
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
        unserved = (history.machine.stages[v.stage].coalesce and v.join >= 0) or history.acts.killed(v)
        if v.outcome in (ANSWERED, FAILED) and v.end < 0 and not unserved:
            yield f"R1: {v} ended without having been served"


def one_end_of_requests(history: History, ends: list[RequestRow]) -> Found:
    """R1: a request ends as its last attempt does, which `answer_after` may let answer early."""
    rows = {row.number: row for row in ends}
    for (request, *_), call in history.calls.items():
        if call.owner is not None:
            continue
        arrival, result, row = history.arrivals[request], call.result, rows.get(request)
        superseded = history.superseded(request)
        if superseded < (NEVER if row is None else row.end):
            yield f"R1: request {request} goes on after its user typed on at {superseded}"
        elif row is None:
            if result.sure and result.at < NEVER:
                yield f"R1: request {request} ended at {result.at}, and nobody was told"
            elif not result.sure and result.again_by < history.horizon:
                yield f"R1: request {request} was neither tried again by {result.again_by} nor given up"
        elif row.arrival != arrival:
            yield f"R1: {row} came at {arrival}"
        elif row.outcome == RequestEnd.SUPERSEDED:
            if row.end != superseded or (result.sure and result.at < superseded):
                yield f"R1: {row} is superseded, but its user typed on at {superseded}"
        elif row.end != result.at:
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
            for failed in [a.failed for a in call.attempts if a.failed <= end]:
                if not part.numbers.required or failed + call.numbers(failed).fallback <= end:
                    return True
        if part.late <= end:
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
    if v.start < 0 and v.stage != history.machine.client and history.machine.stages[v.stage].coalesce:
        return {RequestEnd.REJECTED, RequestEnd.TIMED_OUT, RequestEnd.FAILED}  # perhaps it waited for another's fetch
    scope = history.scopes.get((v.request, v.visit))
    if scope is None:
        return {RequestEnd.FAILED}
    found: set[int] = {RequestEnd.FAILED} if history.acts.killed(v) else set()
    for part in scope.parts.values():
        if part.late == v.answer:
            found.add(RequestEnd.TIMED_OUT)
        for call in part.calls:
            if call.result.failed_at == v.answer:
                found |= _reasons(history, call)
    return found


# -- closed loops -----------------------------------------------------------------------------------------------------


def closed_loop(history: History, ends: list[RequestRow], luck: UserStream) -> Found:
    """Each user thinks, asks, waits for the end, and thinks again: who asks when follows from the ends alone."""
    over = {row.number: row.end for row in ends}
    expected = [at for at, _ in asked(history.machine, over, history.acts.all, luck, history.horizon)]
    came = [at for _, at in sorted(history.arrivals.items())]
    for number, (at, due) in enumerate(zip_longest(came, expected)):
        if at != due:
            yield f"Closed loops: request {number} came at {at}, and not at {due}"
            return


def asked(
    machine: Machine, ends: Mapping[int, int], acts: Iterable[Act], luck: UserStream, horizon: int
) -> list[tuple[int, int]]:
    """When the requests of a closed loop come, and their keys; `ends`: of those that end, by number."""
    found: list[tuple[int, int]] = []
    keys: list[int] = []
    count = 0  # of the users who go on
    turns: list[int] = []  # how often each has asked
    asleep: set[int] = set()
    # What happens by time and kind: the number of users changes; a request ends; a user has thought.
    counts = [(0, machine.users.number), *((act.at, int(act.value)) for act in acts if act.what == "users")]
    to_come = [(at, 0, n) for n, (at, _) in enumerate(counts)]

    def thinks(user: int, now: int) -> None:
        time = machine.users.think
        if machine.users.table != NOBODY:
            draw = draws.mix(draws.mix(keys[user], turns[user]), draws.THINK)
            time = max(1, math.floor(draws.quantile(machine.tables[machine.users.table], draw) * float(time) + 0.5))
        heappush(to_come, (now + time, 2, user))

    while to_come and to_come[0][0] < horizon:
        now, kind, who = heappop(to_come)
        if kind == 0:
            count = counts[who][1]
            new = luck.keys(len(keys), count).tolist()
            coming = [user for user in sorted(asleep) if user < count] + [*range(len(keys), len(keys) + len(new))]
            keys, turns = keys + new, turns + [0] * len(new)
            asleep.difference_update(coming)
            for user in coming:
                thinks(user, now)
        elif who >= count:
            asleep.add(who)
        elif kind == 1:
            thinks(who, now)
        else:
            end = ends.get(len(found), NEVER)
            found.append((now, draws.mix(keys[who], turns[who])))
            turns[who] += 1
            heappush(to_come, (end, 1, who))
    return found
