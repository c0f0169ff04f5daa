"""R7 and R8 of `semantics` on a trace: how often a call is tried, how long, and what becomes of copies let go."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, pairwise

from simulator.history import Attempt, Call, History, closed
from simulator.invariants_words import CANCELLED, EXPIRED, REJECTED, Found
from simulator.machine import (
    CANCEL_NONE,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    MILLION,
    MOST_TOKENS,
    NEVER,
    NOBODY,
    UNLIMITED,
    MachineStage,
)
from simulator.semantics import Visit

# -- R7: second tries -------------------------------------------------------------------------------------------------


def numbered(history: History) -> Found:
    """R7: a call's attempts are numbered from 0; each is a visit and at most one hedge."""
    for call in history.calls.values():
        tries, what = call.attempts, call.attempts[-1].copies[-1]
        if [a.copies[0].attempt for a in tries] != list(range(len(tries))):
            yield f"R7: {what} is the last of {len(tries)} attempts"
        if any([v.copy for v in attempt.copies] not in ([0], [0, 1]) for attempt in tries):
            yield f"R7: {what}: an attempt is a visit and at most one hedge"


def attempts(history: History) -> Found:
    """R7: attempts follow one another, each after the backoff of the one that failed; none past the deadline."""
    for call in history.calls.values():
        for number, (earlier, later) in enumerate(pairwise(call.attempts)):
            again = later.copies[0]
            shortest, longest = call.backoff(number)
            if again.attempt >= call.numbers(earlier.failed).attempts:
                yield f"R7: {again} is one attempt too many"
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
    for call, attempt, numbers, until in _attempts(history):
        constant = numbers.timeout_table == NOBODY
        due = attempt.send + numbers.timeout if constant and numbers.timeout < NEVER else NEVER
        for v in attempt.copies:
            dropped = v.start < 0 and v.answer >= call.deadline and call.numbers(v.answer).drop_expired
            wrong = numbers.timeout == NEVER or (constant and v.answer != due)
            if v.outcome == EXPIRED and wrong and not dropped:
                yield f"R7: {v} expired, but its time-out is at {due}"
            over = None if until is None else min(attempt.answered, attempt.failed, until)
            if over is not None and due < history.horizon and due < min(closed(v), over):
                yield f"R7: {v} should have expired at {due}"


def hedges(history: History) -> Found:
    """R7: a hedge is sent `hedge_after` after its twin, if that is still under way."""
    for call, attempt, numbers, until in _attempts(history):
        first, due = attempt.copies[0], attempt.send + numbers.hedge_after
        for hedge in attempt.copies[1:]:
            if hedge.send != due or numbers.hedge_after == NEVER or closed(first) < due:
                yield f"R7: {hedge} was sent, though it was due at {due}"
        alone = len(attempt.copies) == 1 and numbers.hedge_after < NEVER
        if (
            alone
            and call.numbers(due).hedge_budget == UNLIMITED
            and until is not None
            and due < min(closed(first), until, history.horizon)
        ):
            yield f"R7: {first} should have been hedged at {due}"


def _attempts(history: History) -> Iterator[tuple[Call, Attempt, MachineStage, int | None]]:
    """Each, with its call, the stage's numbers at its send, and from when on nobody waits for the call."""
    for call in history.calls.values():
        until = history.let_go(call)
        for attempt in call.attempts:
            yield call, attempt, call.numbers(attempt.send), until


def let_go(history: History) -> Found:
    """R7: what becomes of a copy that nobody waits for is what its stage's `cancel` says, at that instant."""
    for call in history.calls.values():
        until, cancel = history.let_go(call), history.machine.stages[call.stage].cancel
        for attempt in call.attempts:
            done = min(attempt.answered, NEVER if until is None else until)
            for v in attempt.copies:
                lost = history.lost(v)
                yield from _cancelled(cancel, lost, v)
                if v.outcome == CANCELLED and until is not None and v.answer != done:
                    yield f"R7: {v} was cancelled, though somebody waited for it until {done}"
                if (cancel == CANCEL_NONE and not lost < done) or closed(v) <= done:
                    continue
                if cancel == CANCEL_RUNNING or not 0 <= v.start <= done:
                    yield f"R7: {v} should have been cancelled at {done}"


def _cancelled(cancel: int, lost: int, v: Visit) -> Found:
    """R7: the row of a visit that was cancelled, or that expired."""
    started = cancel == CANCEL_WAITING and v.start >= 0
    if v.outcome == CANCELLED and ((cancel == CANCEL_NONE and lost > v.answer) or started):
        yield f"R7: {v} was cancelled, which its stage does not do"
    if v.outcome not in (CANCELLED, EXPIRED) or cancel == CANCEL_NONE:
        return
    if v.start > v.answer:
        yield f"R7: {v} was taken from its queue, and yet started"
    stopped = cancel == CANCEL_RUNNING and v.start >= 0 and v.batch < 0
    if stopped and not (0 <= v.end <= v.answer and 0 <= v.free <= v.answer):
        yield f"R7: {v} was taken from its worker, and yet went on"


def budgets(history: History) -> Found:
    """R7: retries (and hedges) are at most the tokens there were at first and what first attempts added since."""
    added: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    taken: dict[tuple[int, str], list[int]] = defaultdict(list)
    for call in history.calls.values():
        sent = call.attempts[0].send
        numbers = call.numbers(sent)
        added[call.stage, "retry_budget"].append((sent, numbers.retry_budget if numbers.attempts > 1 else 0))
        added[call.stage, "hedge_budget"].append((sent, numbers.hedge_budget if numbers.hedge_after < NEVER else 0))
        taken[call.stage, "retry_budget"] += [earlier.failed for earlier in call.attempts[:-1]]
        taken[call.stage, "hedge_budget"] += [v.send for a in call.attempts for v in a.copies[1:]]
    for (stage, name), times in taken.items():
        paid = [at for at in times if getattr(history.acts.numbers(stage, at), name) < UNLIMITED]
        first = sorted(added[stage, name])
        total = [*accumulate((min(each, MOST_TOKENS) for _, each in first), initial=MOST_TOKENS)]
        for n, at in enumerate(sorted(paid)):
            if (n + 1) * MILLION > total[bisect_right(first, (at, UNLIMITED))]:
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


# -- R8: deadlines ----------------------------------------------------------------------------------------------------


def deadlines(history: History) -> Found:
    """R8: with `drop_expired` no visit starts past its deadline, and none is dropped before it."""
    for v in history.rows:
        deadline = history.arrivals[v.request] + history.machine.deadline
        if v.start >= deadline and history.acts.numbers(v.stage, v.start).drop_expired:
            yield f"R8: {v} started after its deadline at {deadline}"
        timed = history.acts.numbers(v.stage, v.send).timeout < NEVER
        dropped = v.answer >= deadline and history.acts.numbers(v.stage, v.answer).drop_expired
        if v.outcome == EXPIRED and not timed and not dropped:
            yield f"R8: {v} was dropped before its deadline at {deadline}"
