"""R2 and R6 of `semantics` on a trace: what happens when, and what must have come before."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from simulator.history import Call, History, Scope
from simulator.invariants_words import ANSWERED, CANCELLED, EXPIRED, FAILED, OPEN, REJECTED, Found
from simulator.machine import CANCEL_NONE, CANCEL_RUNNING, NOBODY

# -- R2: causality ----------------------------------------------------------------------------------------------------


def steps_of_a_visit(history: History) -> Found:
    """R2: send <= join <= due <= start < end <= answer, as far as it got."""
    for v in history.rows:
        if v.stage == history.machine.client:
            continue
        numbers, killed = history.machine.stages[v.stage], history.acts.killed(v)
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
        if v.outcome == FAILED and scope is None and v.start >= 0 and not killed:
            then = history.acts.numbers(v.stage, v.end)
            if not (then.error_threshold or then.outage):
                yield f"R2: {v} failed for no reason"
        if v.start >= 0 and v.end < 0 and v.outcome == ANSWERED:
            yield f"R2: {v} answered while it was served"
        if v.outcome == ANSWERED and v.end >= 0 and history.acts.numbers(v.stage, v.end).outage:
            yield f"R2: {v} answered, though everybody there fails"


def joins(history: History) -> Found:
    """R2: a visit joins one hop after it was sent, or crosses to another zone first; over a cut link it is lost."""
    for v in history.rows:
        if v.stage == history.machine.client:
            continue
        numbers, arrival = history.machine.stages[v.stage], history.arrival_of(v)
        crossed = arrival + history.crossing(v)
        if v.join >= 0 and v.join not in (arrival, crossed):
            yield f"R2: {v} did not join one hop after it was sent"
        cut = history.acts.numbers(v.stage, arrival).cut
        if cut and v.join >= 0:
            yield f"R2: {v} joined over a cut link"
        turned_away = v.outcome == REJECTED and v.answer == v.send and numbers.breaker_window > 0
        gone = v.outcome in (CANCELLED, EXPIRED) and v.answer <= crossed and numbers.cancel != CANCEL_NONE
        if not cut and v.join < 0 and crossed < history.horizon and not turned_away and not gone:
            yield f"R2: {v} never joined"


def zones(history: History) -> Found:
    """R2: only to a replica in another zone than its caller's the way is longer; where a request came in is its own."""
    near: dict[int, set[int]] = defaultdict(lambda: set(range(history.machine.zones)))
    for v in history.rows:
        numbers = history.machine.stages[v.stage]
        if v.replica < 0 or not history.crossing(v):
            continue
        zone, crossed = numbers.zones[v.replica % len(numbers.zones)], v.join > history.arrival_of(v)
        caller = history.by_identity[v.request, v.caller]
        place, of_caller = history.acts.place_of(caller), history.machine.stages[caller.stage].zones
        if of_caller and place >= 0:
            if (of_caller[place % len(of_caller)] != zone) != crossed:
                yield f"R2: {v} went from zone {of_caller[place % len(of_caller)]} to {zone}"
        else:
            near[v.request] &= {zone} if not crossed else near[v.request] - {zone}
    yield from (f"R2: request {request} came in nowhere" for request, found in near.items() if not found)


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
    if owner.outcome == FAILED and fails != owner.answer and not history.acts.killed(owner):
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
