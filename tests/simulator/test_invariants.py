"""The checker sees what it is for: a clean trace, spoiled in each way that the rules forbid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from checked import broken, history_of
from machines import EXPONENTIAL, Act, ClassSpec, ClientSpec, Load, Seen, StageSpec, machine, run

from simulator.invariants import violations
from simulator.machine import CANCEL_NONE, CANCEL_RUNNING, MILLION, NEVER, NOBODY, ROUND_ROBIN, Machine, Users
from simulator.plane import Ended
from simulator.semantics import RequestEnd, Visit, VisitEnd, visits

TICK = 1_000
# Rows that are spoiled in one way, from all over the run.
SOME = pytest.mark.parametrize("most", [4, pytest.param(100, marks=pytest.mark.long)])
COLUMN = {name: column for column, name in enumerate(Visit._fields)}
OPEN, ANSWERED, REJECTED, EXPIRED, FAILED, CANCELLED = VisitEnd
GATE, POOL, INNER, SHARDS, BATCH, EXTRA, LAST, TAIL = range(8)


def busy() -> Machine:
    """Small, crowded, and with most of what can go wrong."""
    stages = {
        GATE: StageSpec(
            floor=2 * TICK, concurrency=2, queue_limit=1, admission_interval=TICK, admission_burst=2 * TICK,
        ),
        POOL: StageSpec(after=(GATE,), floor=2 * TICK, concurrency=3, hop=TICK),
        INNER: StageSpec(
            within=POOL, hold=True, floor=4 * TICK, replicas=2, balancing=ROUND_ROBIN, timeout=6 * TICK, attempts=2,
            backoff=2 * TICK, hedge_after=4 * TICK, cancel=CANCEL_RUNNING,
        ),
        SHARDS: StageSpec(after=(GATE,), shards=3, quorum=2, concurrency=3, floor=2 * TICK, lifo_above=0),
        BATCH: StageSpec(after=(GATE,), floor=3 * TICK, batch_size=3, batch_wait=4 * TICK),
        EXTRA: StageSpec(
            after=(GATE,), floor=2 * TICK, required=False, late_after=7 * TICK, error_ratio=0.2, queue_limit=1,
            shed_oldest=True, cancel=CANCEL_NONE, attempts=3, retry_budget=MILLION, fallback=TICK,
        ),
        LAST: StageSpec(after=(POOL, SHARDS, BATCH, EXTRA), floor=TICK, by_level=True, drop_expired=True),
        TAIL: StageSpec(after=(LAST,), endless=True, floor=TICK, error_ratio=0.1),
    }  # fmt: skip
    classes = (ClassSpec(1.0, 1), ClassSpec(1.0, 0))
    client = ClientSpec(timeout=35 * TICK, attempts=2, backoff=TICK)
    return machine([stages[s] for s in range(8)], client, classes, deadline=20 * TICK)


TIMES = [0, 0, 0, 1, 1, 4, 6, 6, 9, 11, 12, 12, 20, 22, 25, 30, 31, 33, 36, 36, 40, 45, 52, 60, 61, 61, 61, 62, 70, 99]


@cache
def busy_run() -> Seen:
    """Of thirty requests; some are under way when it ends."""
    return run("simpy", busy(), Load([100 * TICK], times=[t * TICK for t in TIMES]))


def said(trace: np.ndarray, ended: Ended | None = None) -> list[str]:
    """What the checker says of the busy run, changed."""
    return violations(busy(), trace, busy_run().ended if ended is None else ended, busy_run().horizon)


def test_the_busy_run_is_busy_and_clean() -> None:
    seen = busy_run()
    assert said(seen.trace) == []
    assert set(seen.trace[:, COLUMN["outcome"]].tolist()) == set(VisitEnd)
    ends = set(seen.ended.outcome.tolist())
    assert {RequestEnd.COMPLETED, RequestEnd.DEGRADED, RequestEnd.REJECTED, RequestEnd.TIMED_OUT} <= ends


class Spoil:
    """A change of one row, of those that can be changed so."""

    def __init__(self, rule: str, which: Callable[[Visit], Any], **changes: Any) -> None:
        self.rule, self.which, self.changes = rule, which, changes

    def traces(self, clean: np.ndarray, most: int) -> list[np.ndarray]:
        """Each spoiled in one row; a change is a number to add, or a function of the row."""
        found = []
        for row, v in enumerate(visits(clean)):
            if self.which(v):
                trace = clean.copy()
                for name, change in self.changes.items():
                    trace[row, COLUMN[name]] = change(v) if callable(change) else trace[row, COLUMN[name]] + change
                found.append(trace)
        return found[:: max(1, len(found) // most)]


def done(v: Visit) -> bool:
    return v.outcome == ANSWERED and v.end >= 0


def waited(v: Visit) -> bool:
    return v.start > v.join >= 0 and v.batch < 0


SPOILS = {
    "is open though it ended": Spoil("R1", done, outcome=lambda _: OPEN),
    "ended and has no answer": Spoil("R1", done, answer=lambda _: -1),
    "was rejected and served": Spoil("R1", done, outcome=lambda _: REJECTED),
    "was answered without service": Spoil("R1", lambda v: v.outcome == REJECTED, outcome=lambda _: ANSWERED),
    "is the second of its number": Spoil("R1", lambda v: v.visit == 2, visit=-1),
    "is called by itself": Spoil("R1", lambda v: v.caller >= 0, caller=lambda v: v.visit),
    "is called by another's visit": Spoil("R1", lambda v: v.stage == LAST, caller=1),
    "goes to another stage": Spoil("R", lambda v: v.stage in (SHARDS, LAST) and done(v), stage=lambda _: GATE),
    "joins before its hop ends": Spoil("R2", lambda v: v.stage == POOL and v.join >= 0, join=-1, due=-1),
    "never joins": Spoil("R2", lambda v: v.stage == POOL and v.join >= 0, join=lambda _: -1),
    "starts before it joins": Spoil("R2", lambda v: 0 <= v.join == v.start, start=-1),
    "takes no time": Spoil("R2", done, end=lambda v: v.start),
    "answers before its end": Spoil("R2", done, answer=lambda v: v.end - 1),
    "answers later than it could": Spoil("R2", lambda v: done(v) and v.stage in (GATE, SHARDS, LAST), answer=1),
    "is sent before its predecessors answer": Spoil("R2", lambda v: v.stage == LAST, send=-1, join=-1, due=-1),
    "is sent after them": Spoil("R2", lambda v: v.stage == LAST and v.start > v.join, send=1, join=1, due=1),
    "fails for no reason": Spoil("R2", lambda v: done(v) and v.stage == SHARDS, outcome=lambda _: FAILED),
    "answers as the client's too early": Spoil("R", lambda v: v.caller < 0 and v.outcome == ANSWERED, answer=-1),
    "holds its worker too long": Spoil("R3", lambda v: v.stage == POOL and v.outcome == ANSWERED, free=1),
    "holds its worker too short": Spoil("R3", lambda v: v.stage == POOL and v.free > v.end >= 0, free=-1),
    "keeps its worker": Spoil("R3", lambda v: done(v) and v.stage == GATE, free=lambda _: -1),
    "is served by a replica that it did not join": Spoil(
        "R3", lambda v: v.stage == INNER and v.worker >= 0, replica=-1
    ),
    "shares a worker": Spoil("R3", lambda v: v.stage == GATE and v.worker == 1 and waited(v), worker=-1),
    "leaves its batch": Spoil("R3", lambda v: v.batch >= 0 and v.batch != v.request << 16 | v.visit, end=1, free=1),
    "is in no batch": Spoil("R3", lambda v: v.batch >= 0, batch=lambda _: -1),
    "goes with its batch too soon": Spoil(
        "R3", lambda v: v.stage == BATCH and v.start == v.join + 4 * TICK, join=1, send=1
    ),
    "waits beside an idle worker": Spoil("R4", lambda v: waited(v) and v.stage == GATE, start=TICK // 2),
    "waits though nobody is served": Spoil("R4", lambda v: v.start == v.join >= 0 and v.stage == GATE, start=1),
    "comes after the end": Spoil("R6", lambda v: v.outcome == OPEN, send=10**9),
    "is a third attempt": Spoil("R7", lambda v: v.attempt == 1, attempt=1),
    "is a second hedge": Spoil("R7", lambda v: v.copy == 0 and v.attempt == 1, attempt=-1, copy=1),
    "is tried again too soon": Spoil("R7", lambda v: v.attempt == 1 and v.stage == 8, send=-1),
    "is hedged too soon": Spoil("R7", lambda v: v.copy == 1, send=-1, join=-1, due=-1),
    "expires before its time-out": Spoil("R7", lambda v: v.outcome == EXPIRED and v.stage == INNER, answer=-1),
    "expires at a stage without time-out": Spoil(
        "R", lambda v: done(v) and v.stage == GATE, outcome=lambda _: EXPIRED
    ),
    "answers after its time-out": Spoil(
        "R7", lambda v: v.outcome == EXPIRED and v.stage == INNER, outcome=lambda _: OPEN, answer=lambda _: -1
    ),
    "is cancelled while somebody waits for it": Spoil("R7", lambda v: v.outcome == CANCELLED, answer=-1),
    "is cancelled where nothing is": Spoil(
        "R7", lambda v: v.stage == EXTRA and v.end >= 0, outcome=lambda _: CANCELLED
    ),
    "is cancelled and goes on": Spoil("R7", lambda v: v.outcome == CANCELLED and v.end >= 0, end=TICK, free=TICK),
    "is cancelled and starts": Spoil(
        "R7", lambda v: v.outcome == CANCELLED and v.start < 0, start=lambda v: v.answer + 1
    ),
    "starts past its deadline": Spoil(
        "R8", lambda v: v.stage == LAST and v.start >= 0, start=21 * TICK, end=21 * TICK
    ),
    "is dropped before its deadline": Spoil(
        "R8", lambda v: v.stage == LAST and v.outcome == EXPIRED, answer=-30 * TICK
    ),
    "is admitted without a token": Spoil("Tokens", lambda v: v.stage == GATE and v.join >= 0 > v.replica, replica=1),
    "is refused a token": Spoil("Tokens", lambda v: v.stage == GATE and v.replica >= 0 and v.start < 0, replica=-1),
}  # fmt: skip


@SOME
@pytest.mark.parametrize("name", SPOILS)
def test_the_checker_sees_a_visit_that(name: str, most: int) -> None:
    """The rule's name must come up for one row at least, and for none may the checker stay silent."""
    spoil = SPOILS[name]
    noticed(spoil, [said(trace) for trace in spoil.traces(busy_run().trace, most)])


def noticed(spoil: Spoil, found: list[list[str]]) -> None:
    assert found, "the run has no such visit"
    assert all(found), "nobody noticed"
    assert any(v.startswith(spoil.rule) for one in found for v in one), found[0]


@pytest.mark.parametrize("column", ["number", "arrival", "end", "outcome", "quality"])
def test_the_checker_sees_a_request_that_ended_otherwise(column: str) -> None:
    seen = busy_run()
    silent, changed = [], 0
    for row in range(len(seen.ended.number)):
        values = getattr(seen.ended, column).copy()
        completed = seen.ended.outcome[row] == RequestEnd.COMPLETED
        if (column == "quality" and not completed) or (column == "outcome" and completed):
            continue  # there may have been a fallback, of any quality
        new = {"number": values[row - 1], "outcome": int(seen.ended.outcome[row]) % 5 + 1, "quality": 1}
        values[row] = new.get(column, values[row] + 1)
        changed += 1
        if not any(v.startswith(("R1", "R2")) for v in said(seen.trace, seen.ended._replace(**{column: values}))):
            silent.append(row)
    assert changed > 4
    assert silent == []


def test_the_checker_sees_a_request_that_nobody_heard_of() -> None:
    ended = busy_run().ended
    assert any(v.startswith("R1") for v in said(busy_run().trace, Ended(*(column[1:] for column in ended))))


@SOME
@pytest.mark.parametrize("stage", [GATE, INNER, SHARDS, LAST, TAIL])
def test_the_checker_sees_that_a_visit_is_missing(stage: int, most: int) -> None:
    """Any but the last of its request, so that the numbering alone does not tell; renumbered, none does."""
    trace = busy_run().trace
    silent = 0
    rows = [row for row, v in enumerate(visits(trace)) if v.stage == stage and v.outcome == ANSWERED]
    for row in rows[:: max(1, len(rows) // most)]:
        request, visit = trace[row, :2]
        shorter = np.delete(trace, row, axis=0)
        same = shorter[:, 0] == request
        for column in (COLUMN["visit"], COLUMN["caller"]):
            shorter[same & (shorter[:, column] > visit), column] -= 1
        silent += not said(shorter)
    assert rows
    assert silent == 0


# -- what control does ------------------------------------------------------------------------------------------------

FLEET, LINK, STORE = range(3)


def lively() -> Machine:
    """Two replicas in three zones that call a store in two, behind a link that is sometimes cut."""
    stages = {
        FLEET: StageSpec(
            replicas=2, places=4, zones=(0, 1, 2), balancing=ROUND_ROBIN, floor=3 * TICK, cancel=CANCEL_RUNNING
        ),
        LINK: StageSpec(after=(FLEET,), required=False, concurrency=3, hop=TICK, timeout=4 * TICK, floor=TICK),
        STORE: StageSpec(within=FLEET, replicas=2, zones=(0, 1), balancing=ROUND_ROBIN, floor=TICK),
    }
    return machine([stages[s] for s in range(3)], zones=3, zone_hop=TICK)


PLACES = [t % 3 if t % 2 else -1 for t in range(40)]

LIVELY = Load(
    [100 * TICK],
    times=[t * TICK for t in range(40)],
    sessions=[(place, PLACES[:t].count(place) % 4 if place >= 0 else -1) for t, place in enumerate(PLACES)],
    acts=[
        Act(8 * TICK, "cut", LINK),
        Act(10 * TICK, "kill", FLEET, place=0),
        Act(11 * TICK, "start", FLEET, place=2),
        Act(14 * TICK, "cut", LINK, 0),
        Act(19 * TICK, "drain", FLEET, place=1),
        Act(21 * TICK, "start", FLEET, place=0),
        Act(25 * TICK, "hop", LINK, 2 * TICK),
        Act(28 * TICK, "kill", FLEET, place=2),
        Act(29 * TICK, "start", FLEET, place=3),
    ],
)


@cache
def lively_run() -> Seen:
    return run("simpy", lively(), LIVELY)


def during(since: int, until: int) -> Callable[[Visit], bool]:
    """Visits to the fleet that are sent then, and wait or are served."""
    return lambda v: v.stage == FLEET and since * TICK <= v.send < until * TICK and v.replica >= 0


WORLD_SPOILS = {
    "joins a dead replica": Spoil("R3", during(12, 19), replica=lambda _: 0, worker=lambda v: v.worker and -1),
    "joins a replica that drains": Spoil("R3", during(20, 40), replica=lambda _: 1),
    "joins a replica that has not come": Spoil("R3", during(0, 11), replica=lambda _: 3),
    "goes on after the death of its replica": Spoil(
        "R3", lambda v: v.stage == FLEET and v.outcome == FAILED, outcome=lambda _: ANSWERED, answer=TICK
    ),
    "is served after the death of its replica": Spoil(
        "R3", lambda v: v.stage == FLEET and v.outcome == FAILED and v.start >= 0, end=TICK, free=TICK
    ),
    "fails before the death of its replica": Spoil("R", lambda v: v.stage == FLEET and v.outcome == FAILED, answer=-1),
    "joins over a cut link": Spoil(
        "R2", lambda v: v.stage == LINK and v.join < 0, join=lambda v: v.send + TICK, due=lambda v: v.send + TICK
    ),
    "is lost without a cut": Spoil(
        "R2",
        lambda v: v.stage == LINK and v.join >= 0,
        **dict.fromkeys(("join", "due", "start", "end", "free", "worker", "replica"), lambda _: -1),
    ),
    "keeps to the old hop": Spoil("R2", lambda v: v.stage == LINK and v.join == v.send + 2 * TICK, join=-TICK),
    "does not cross between zones": Spoil("R2", lambda v: v.stage == STORE and v.join > v.send, join=-TICK, due=-TICK),
    "crosses within a zone": Spoil(
        "R2", lambda v: v.stage == STORE and v.join == v.send, join=TICK, due=TICK, start=TICK, end=TICK, free=TICK
    ),
    "is not wanted any more and goes on": Spoil(
        "R", lambda v: v.caller < 0 and v.outcome == CANCELLED, outcome=lambda _: OPEN, answer=lambda _: -1
    ),
    "is no longer wanted by anybody": Spoil(
        "R", lambda v: v.caller < 0 and v.outcome == ANSWERED, outcome=lambda _: CANCELLED
    ),
}


@SOME
@pytest.mark.parametrize("name", WORLD_SPOILS)
def test_the_checker_sees_in_a_changing_world_a_visit_that(name: str, most: int) -> None:
    seen, spoil = lively_run(), WORLD_SPOILS[name]
    assert broken(lively(), LIVELY, seen) == []
    spoilt = [dataclasses.replace(seen, trace=trace) for trace in spoil.traces(seen.trace, most)]
    noticed(spoil, [broken(lively(), LIVELY, one) for one in spoilt])


@pytest.mark.parametrize("by", [-1, 1])
def test_the_checker_sees_who_is_superseded_at_another_time(by: int) -> None:
    seen = lively_run()
    rows = np.flatnonzero(seen.ended.outcome == RequestEnd.SUPERSEDED)
    assert len(rows) > 3
    for row in rows:
        end = seen.ended.end.copy()
        end[row] += by
        assert broken(lively(), LIVELY, dataclasses.replace(seen, ended=seen.ended._replace(end=end)))


@pytest.mark.parametrize("table", [NOBODY, EXPONENTIAL])
def test_the_checker_sees_who_thinks_too_short_or_too_long(table: int) -> None:
    """Every request of a closed loop but the last of each user says when the next one comes."""
    built = machine([StageSpec(floor=10)], users=Users(3, 50, table))
    load = Load([1_000], acts=[Act(300, "users", 0, 1), Act(600, "users", 0, 4)])
    seen = run("simpy", built, load)
    assert broken(built, load, seen) == []
    trace = seen.trace.copy()
    times = trace[:, COLUMN["send"] : COLUMN["answer"] + 1]
    times[(trace[:, 0] == 5)[:, None] & (times >= 0)] += 1
    assert any(v.startswith("Closed loops") for v in broken(built, load, dataclasses.replace(seen, trace=trace)))
    more = built._replace(users=Users(3, 51, table))
    assert any(v.startswith("Closed loops") for v in broken(more, load, seen))
    assert any(v.startswith("Closed loops") for v in broken(built, Load([1_000]), seen))


# -- what one busy run cannot show ------------------------------------------------------------------------------------


def small(spec: StageSpec, times: list[int], **more: Any) -> tuple[Machine, Seen]:
    built = machine([spec], **more)
    seen = run("simpy", built, Load([100_000], times=times))
    assert violations(built, seen.trace, seen.ended, seen.horizon) == []
    return built, seen


def swapped(seen: Seen, one: int, other: int, *names: str) -> np.ndarray:
    """The trace with these columns of two rows exchanged."""
    trace = seen.trace.copy()
    columns = [COLUMN[name] for name in names]
    trace[np.ix_([one, other], columns)] = trace[np.ix_([other, one], columns)]
    return trace


@pytest.mark.parametrize("fields", [{}, {"lifo_above": 0}, {"lifo_above": 2}, {"by_level": True}])
def test_the_checker_sees_who_overtakes(fields: dict[str, Any]) -> None:
    """Any two of those that waited change places."""
    classes = (ClassSpec(1.0, 0), ClassSpec(1.0, 1)) if fields.get("by_level") else (ClassSpec(),)
    built, seen = small(StageSpec(floor=100, **fields), [0, 1, 2, 3, 4], classes=classes)
    served = [row for row, v in enumerate(visits(seen.trace)) if v.start > v.join]
    assert len(served) == 4
    for place, one in enumerate(served):
        for other in served[place + 1 :]:
            trace = swapped(seen, one, other, "start", "end", "free", "answer")
            found = violations(built, trace, seen.ended, seen.horizon)
            assert any(v.startswith("R5") for v in found), (one, other, found)


def test_the_checker_sees_who_is_dropped_out_of_turn() -> None:
    built, seen = small(StageSpec(floor=100, queue_limit=2, shed_oldest=True), [0, 1, 2, 3])
    dropped, kept = (next(r for r, v in enumerate(visits(seen.trace)) if v[:2] == (n, 1)) for n in (1, 2))
    trace = swapped(seen, dropped, kept, "start", "end", "free", "answer", "outcome", "worker")
    assert any(v.startswith("R5") for v in violations(built, trace, seen.ended, seen.horizon))


def test_the_checker_sees_who_is_dropped_though_nobody_came() -> None:
    built, seen = small(StageSpec(floor=100, queue_limit=2, shed_oldest=True), [0, 1, 2, 3])
    trace = seen.trace.copy()
    trace[trace[:, COLUMN["outcome"]] == REJECTED, COLUMN["answer"]] += 1
    assert any(v.startswith("R5") for v in violations(built, trace, seen.ended, seen.horizon))


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_the_checker_sees_a_queue_that_is_too_long_or_not_full(limit: int) -> None:
    """The trace of a queue with a limit of 2, held to another."""
    _, seen = small(StageSpec(floor=100, queue_limit=2), [0, 1, 2, 3])
    others = machine([StageSpec(floor=100, queue_limit=limit)])
    found = violations(others, seen.trace, seen.ended, seen.horizon)
    assert any(v.startswith("R3") for v in found) == (limit < 2), found
    longer = machine([StageSpec(floor=100, queue_limit=3)])
    assert any("though only" in v for v in violations(longer, seen.trace, seen.ended, seen.horizon))


@pytest.mark.parametrize(
    ("spec", "other", "rule"),
    [
        ({"attempts": 3, "error_ratio": 1.0}, {"attempts": 4}, "R"),
        ({"attempts": 3, "error_ratio": 1.0}, {"attempts": 2}, "R7"),
        ({"attempts": 3, "error_ratio": 1.0}, {"backoff": 2}, "R7"),
        ({"attempts": 3, "error_ratio": 1.0, "backoff": 50}, {"backoff_longest": 60}, "R7"),
        ({"attempts": 2, "error_ratio": 1.0}, {"retry_budget": 0}, "R7"),
        ({"hedge_after": 50}, {"hedge_after": NEVER}, "R7"),
        ({"hedge_after": 50}, {"hedge_after": 51}, "R7"),
        ({"hedge_after": 50}, {"hedge_budget": 0}, "R7"),
        ({}, {"hedge_after": 50}, "R7"),
        ({"timeout": 90}, {"timeout": NEVER}, "R7"),
        ({}, {"timeout": 90}, "R7"),
        ({"timeout": 90}, {"fallback": 5}, "R"),
        ({"error_ratio": 1.0}, {"required": False}, "R2"),
        ({"error_ratio": 1.0, "required": False}, {"required": True}, "R"),
        ({"shards": 3, "quorum": 2, "concurrency": 3, "table": EXPONENTIAL}, {"quorum": 3}, "R"),
        ({"shards": 3, "concurrency": 3}, {"shards": 4, "quorum": 3}, "R2"),
        ({"timeout": 90}, {"cancel": CANCEL_NONE}, "R4"),
        ({"timeout": 90, "cancel": CANCEL_NONE}, {"cancel": CANCEL_RUNNING}, "R7"),
        ({"drop_expired": True}, {"drop_expired": False}, "R8"),
        ({"breaker_window": 2, "breaker_failures": 2, "error_ratio": 1.0}, {"breaker_failures": 20}, "R7"),
        ({"breaker_window": 2, "breaker_failures": 2, "error_ratio": 1.0}, {"breaker_window": 0}, "R2"),
        ({"admission_interval": 70}, {"admission_interval": 90}, "Tokens"),
        ({"admission_interval": 70}, {"admission_burst": 70}, "Tokens"),
        ({"batch_size": 3, "batch_wait": 50}, {"batch_size": 2}, "R3"),
        ({"batch_size": 3, "batch_wait": 50}, {"batch_wait": 60}, "R3"),
        ({"batch_size": 3, "batch_wait": 50}, {"batch_wait": 40}, "R4"),
        ({"concurrency": 2}, {"concurrency": 1}, "R3"),
        ({"concurrency": 2}, {"concurrency": 3}, "R4"),
        ({"hop": 5}, {"hop": 4}, "R2"),
    ],
    ids=str,
)
def test_the_checker_sees_that_another_machine_made_the_trace(
    spec: dict[str, Any], other: dict[str, Any], rule: str
) -> None:
    """A trace that is right for one machine is wrong for one that differs in a field."""
    crowd, alone, pairs = [0, 10, 25, 60, 61, 62, 63, 75], range(3_000, 30_000, 1_000), range(40_000, 60_000, 1_000)
    times = [*crowd, *range(1_000, 2_500, 100), *alone, *sorted([*pairs, *pairs])]
    _, seen = small(StageSpec(floor=80, **spec), times, deadline=250)
    held_to = machine([StageSpec(floor=80, **(spec | other))], deadline=250)
    found = violations(held_to, seen.trace, seen.ended, seen.horizon)
    assert any(v.startswith(rule) for v in found), found[:3]


@pytest.mark.parametrize(
    ("acts", "rule"),
    [
        ([Act(5, "pause", 0, 1), Act(30, "pause", 0, 0)], "R4"),
        ([Act(5, "outage", 0, 1)], "R2"),
        ([Act(15, "kill", 0), Act(40, "start", 0)], "R"),
        ([Act(5, "drain", 0), Act(40, "start", 0)], "R4"),
        ([Act(5, "cut", 0)], "R2"),
        ([Act(5, "hop", 0, 3)], "R2"),
        ([Act(5, "timeout", 0, 7)], "R7"),
        ([Act(25, "hedge_after", 0, 6)], "R7"),
        ([Act(15, "outage", 0, 1), Act(15, "attempts", 0, 2)], "R7"),
        ([Act(5, "queue_limit", 0, 0)], "R3"),
        ([Act(15, "late_after", 0, 5)], "R"),
    ],
    ids=str,
)
def test_the_checker_knows_what_control_did(acts: list[Act], rule: str) -> None:
    """What is right for who knows of it is wrong for who does not, and the other way round."""
    built = machine([StageSpec(floor=10)])
    acting, idle = (Load([100], times=[0, 1, 6, 20, 40], acts=done) for done in (acts, []))
    seen, unmoved = run("simpy", built, acting), run("simpy", built, idle)
    assert broken(built, acting, seen) == []
    assert any(v.startswith(rule) for v in broken(built, idle, seen))
    assert broken(built, acting, unmoved) != []


def test_a_history_knows_most_of_what_there_is_to_know() -> None:
    """Scopes of which nothing can be said would be checked by nobody."""
    history = history_of(busy(), Load([]), busy_run())
    assert len(history.scopes) > 50
    assert np.mean([scope.whole for scope in history.scopes.values()]) > 0.7
