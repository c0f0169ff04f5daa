"""A trace read as what it tells of: calls with their attempts, and the stages within a visit, settled or not.

For `invariants` only, and written from the rules: it knows nothing of the planes. What control did it is told, and
which request is a session's next. What a trace does not tell is None: who would have been tried again had there been
budget, what ends a visit that nobody waits for, and what came first of two things of one instant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from simulator.acts import Acts
from simulator.machine import (
    ALWAYS,
    CANCEL_NONE,
    CANCEL_RUNNING,
    NEVER,
    NOBODY,
    SHARED,
    UNLIMITED,
    Machine,
    MachineStage,
)
from simulator.semantics import Trace, Visit, VisitEnd, visits

FAILURES = (VisitEnd.REJECTED, VisitEnd.EXPIRED, VisitEnd.FAILED)


def closed(visit: Visit) -> int:
    """When its caller knew, or would have: NEVER if it is open."""
    return NEVER if visit.outcome == VisitEnd.OPEN else visit.answer


class Attempt:
    """A visit, and perhaps its hedge."""

    def __init__(self, copies: list[Visit]) -> None:
        self.copies = copies
        self.send = copies[0].send
        answers = [v.answer for v in copies if v.outcome == VisitEnd.ANSWERED]
        self.answered = min(answers, default=NEVER)
        over = all(v.outcome in FAILURES for v in copies)
        self.failed = max(v.answer for v in copies) if over else NEVER


class Result(NamedTuple):
    """How a call ended."""

    at: int  # NEVER: not yet
    answered: bool = False
    failed_at: int = NEVER  # its last attempt
    again_by: int = NEVER  # when it must have been tried again at the latest, if it was to be
    sure: bool = True  # False: it may have been waiting to be tried again, if there was budget


@dataclass
class Call:
    """What a visit asks of a stage, or of one of its shards; the client's own has no owner."""

    acts: Acts
    stage: int
    owner: Visit | None
    deadline: int
    attempts: list[Attempt]

    def numbers(self, at: int) -> MachineStage:
        """Of its stage, at an instant."""
        return self.acts.numbers(self.stage, at)

    def backoff(self, attempt: int) -> tuple[int, int]:
        """The shortest and the longest wait after this attempt (from 0) has failed."""
        numbers = self.numbers(self.attempts[attempt].failed)
        full = min(numbers.backoff << attempt, numbers.backoff_longest)
        return max(1, full - int(full * numbers.jitter)), max(1, full)

    @cached_property
    def result(self) -> Result:
        """What its attempts come to, if nobody interfered."""
        last = self.attempts[-1]
        if last.answered < NEVER:
            return Result(last.answered, True)
        failed = last.failed
        if failed == NEVER:
            return Result(NEVER)
        numbers = self.numbers(failed)
        fallback = failed + numbers.fallback if numbers.fallback < NEVER else NEVER
        end = Result(fallback, True, failed) if fallback < NEVER else Result(failed, False, failed)
        if len(self.attempts) >= numbers.attempts or failed >= self.deadline:
            return end
        again_by = failed + self.backoff(len(self.attempts) - 1)[1]
        if numbers.retry_budget == UNLIMITED:
            return Result(NEVER, False, failed, again_by)
        return end._replace(again_by=again_by, sure=False)


class Settled(NamedTuple):
    """How a stage within a visit was settled."""

    at: int  # NEVER: it was not
    answered: bool | None = False  # by a quorum
    without: bool | None = False  # there was none, and nothing to go on with


@dataclass
class Part:
    """A stage within a visit."""

    acts: Acts
    stage: int
    calls: list[Call]
    due: int | None = None  # when it was to be called; NEVER: not at all
    settled: Settled | None = None
    fails: int | None = NEVER  # when its caller fails for it

    @property
    def sent(self) -> int | None:
        """When it was called."""
        return self.calls[0].attempts[0].send if self.calls else None

    @property
    def numbers(self) -> MachineStage:
        """Of its stage, as it was built: those that control may change are asked for by time."""
        return self.acts.machine.stages[self.stage]

    @property
    def late(self) -> int:
        """When it is too late; NEVER."""
        return NEVER if self.sent is None else _later(self.sent, self.acts.numbers(self.stage, self.sent).late_after)

    def conditional(self, at: int) -> bool:
        """Whether a trace cannot tell that it should have been called at an instant."""
        return self.acts.numbers(self.stage, at).when_threshold < ALWAYS or self.numbers.when_missed != NOBODY

    def settle(self, over: int, horizon: int, waits: int) -> Settled | None:
        """From the results of its calls, if the visit that it is within ended at `over`, and not before `waits`."""
        sure = [call.result for call in self.calls if call.result.sure]
        unsure = [call.result for call in self.calls if not call.result.sure]
        for one in sorted(unsure, key=lambda r: r.again_by):
            # Without budget, if it would have been tried again before the others could settle the stage.
            others = [r for r in unsure if r is not one]
            if one.again_by < min(self._decide(sure + others).at, waits):
                sure, unsure = [*sure, one], others
        settled = self._decide(sure)
        if any(r.failed_at < settled.at for r in unsure):
            return None
        return settled if settled.at <= over and settled.at < horizon else Settled(NEVER)

    def _decide(self, results: list[Result]) -> Settled:
        numbers = self.numbers
        answers = sorted(r.at for r in results if r.answered)
        failures = sorted(r.at for r in results if not r.answered and r.at < NEVER)
        quorum = answers[numbers.quorum - 1] if len(answers) >= numbers.quorum else NEVER
        spare = numbers.shards - numbers.quorum
        hopeless = failures[spare] if len(failures) > spare else NEVER
        late = self.late
        at = min(quorum, hopeless, late)
        if at == NEVER:
            return Settled(NEVER)
        if at == late and late in (quorum, hopeless, *answers):
            return Settled(at, None, None)  # which came first?
        return Settled(at, at == quorum, at == hopeless or (at == late and (not answers or answers[0] > late)))


@dataclass
class Scope:
    """The stages called within a visit."""

    owner: Visit
    opened: int
    over: int  # when it ended; the horizon: not before
    told: bool  # False: nobody knows when it ended
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def fails(self) -> int | None:
        """When the visit fails for a stage within it."""
        fails = [part.fails for part in self.parts.values()]
        known = min((at for at in fails if at is not None), default=NEVER)
        return None if None in fails else known

    @property
    def answers(self) -> int | None:
        """When all of it is settled."""
        last = [part.settled for part in self.parts.values() if not part.numbers.successors]
        return None if None in last else max(s.at for s in last if s is not None)

    @property
    def whole(self) -> bool:
        """Whether everything about it is known."""
        return self.told and self.fails is not None and all(part.settled for part in self.parts.values())


class History:
    """All calls and scopes of a trace."""

    def __init__(
        self, machine: Machine, trace: Trace, horizon: int, acts: Acts, superseded_by: Mapping[int, int]
    ) -> None:
        self.machine, self.horizon, self.acts = machine, horizon, acts
        self._superseded_by = superseded_by
        self.rows = list(visits(trace))
        self.by_identity = {(v.request, v.visit): v for v in self.rows}
        self.arrivals: dict[int, int] = {}
        of_call: dict[tuple[int, int, int, int], list[Visit]] = defaultdict(list)
        for v in self.rows:
            self.arrivals.setdefault(v.request, v.send)
            of_call[v.request, v.caller, v.stage, v.shard].append(v)
        self.calls: dict[tuple[int, int, int, int], Call] = {}
        self._within: dict[tuple[int, int], list[Call]] = defaultdict(list)
        for key, family in of_call.items():
            attempts: dict[int, list[Visit]] = defaultdict(list)
            for v in family:
                attempts[v.attempt].append(v)
            request, caller, stage, _ = key
            owner = self.by_identity.get((request, caller))
            deadline = self.arrivals[request] + machine.deadline
            call = Call(acts, stage, owner, deadline, [Attempt(attempts[a]) for a in sorted(attempts)])
            self.calls[key] = call
            self._within[request, caller].append(call)
        self.scopes = {(s.owner.request, s.owner.visit): s for s in self._scopes()}

    def superseded(self, request: int) -> int:
        """When its user typed on, if it was under way then; NEVER."""
        return self.arrivals.get(self._superseded_by.get(request, NOBODY), NEVER)

    def arrival_of(self, v: Visit) -> int:
        """The end of a visit's hop."""
        return v.send + self.acts.numbers(v.stage, v.send).hop

    def crossing(self, v: Visit) -> int:
        """How much longer the way of a visit can be."""
        numbers = self.machine.stages[v.stage]
        return self.machine.zone_hop if numbers.zones and numbers.balancing != SHARED else 0

    def lost(self, v: Visit) -> int:
        """When a visit was lost on its way; NEVER."""
        at = self.arrival_of(v)
        return at if v.join < 0 and self.acts.numbers(v.stage, at).cut else NEVER

    def crosses(self, v: Visit) -> bool:
        """Whether a visit was on its way to another zone in the end; if it ended as its hop did, perhaps."""
        came = self.arrival_of(v)
        goes_on = v.outcome == VisitEnd.EXPIRED and self.machine.stages[v.stage].cancel == CANCEL_NONE
        still = closed(v) >= came or goes_on
        return v.join < 0 and came < self.horizon and still and self.crossing(v) > 0 and self.lost(v) == NEVER

    def can_choose(self, stage: int, at: int) -> bool:
        """Whether a visit finds a queue."""
        return self.machine.stages[stage].balancing == SHARED or bool(self.acts.ready(stage, at))

    def works_until(self, stage: int, place: int, since: int) -> int | None:
        """When a replica with its own queue, draining since then, has worked off what it accepted; None: not told."""
        until, numbers = since, self.machine.stages[stage]
        accepted = [v for v in self.rows if v.stage == stage and v.replica == place]
        for v in sorted(accepted, key=lambda v: v.join):
            if v.join > until:
                break
            if v.start < 0 and (numbers.coalesce or (v.outcome == VisitEnd.EXPIRED and numbers.cancel == CANCEL_NONE)):
                return None
            until = max(until, closed(v) if v.start < 0 else NEVER if v.free < 0 else v.free)
        return until

    def called_within(self, owner: Visit) -> list[Call]:
        """All calls of a visit."""
        return self._within.get((owner.request, owner.visit), [])

    def scope_of(self, call: Call) -> Scope | None:
        """The scope that a call is part of."""
        return None if call.owner is None else self.scopes.get((call.owner.request, call.owner.visit))

    def let_go(self, call: Call) -> int | None:
        """From when on nobody waits for it, if it has no result before; None: nobody knows."""
        if call.owner is None:
            return self.superseded(call.attempts[0].copies[0].request)
        scope = self.scope_of(call)
        if scope is None or not scope.told:
            return None
        settled = scope.parts[call.stage].settled
        if settled is None:
            return None
        return min(settled.at, scope.over if scope.over < self.horizon else NEVER)

    def _scopes(self) -> Iterator[Scope]:
        within: dict[int, list[int]] = defaultdict(list)
        for index, stage in enumerate(self.machine.stages[:-1]):
            within[stage.caller].append(index)
        for owner in self.rows:
            if within[owner.stage] and self._opens(owner):
                yield self._scope(owner, within[owner.stage])

    def _opens(self, owner: Visit) -> bool:
        """Whether a visit came to call anybody."""
        if self.called_within(owner):
            return True
        served = owner.stage == self.machine.client or (owner.start >= 0 and owner.end >= 0)
        return served and owner.outcome in (VisitEnd.OPEN, VisitEnd.ANSWERED)

    def _scope(self, owner: Visit, within: list[int]) -> Scope:
        client = owner.stage == self.machine.client
        opened = owner.send if client else owner.end
        if owner.outcome == VisitEnd.OPEN:
            return self._read(owner, opened, within, self.horizon, True)
        # The user has the answer and the request goes on, or nobody told the visit that its time is out.
        goes_on = client and owner.outcome == VisitEnd.ANSWERED and self.machine.answer_after != NOBODY
        unaware = owner.outcome == VisitEnd.EXPIRED and self.machine.stages[owner.stage].cancel != CANCEL_RUNNING
        if not (goes_on or unaware):
            return self._read(owner, opened, within, owner.answer, True)
        scope = self._read(owner, opened, within, self.horizon, False, opened)
        latest = min(
            [self.horizon, self.acts.death(owner), *(p.fails for p in scope.parts.values() if p.fails is not None)]
        )
        scope = self._read(owner, opened, within, latest, False)
        fails, answers = scope.fails, scope.answers
        if fails is None or answers is None:
            return scope
        return self._read(owner, opened, within, min(fails, answers, latest), True)

    def _read(
        self, owner: Visit, opened: int, within: list[int], over: int, told: bool, waits: int | None = None
    ) -> Scope:
        """If it was over then at the latest; `waits`: until when it surely went on, then unless said."""
        scope = Scope(owner, opened, over, told)
        calls: dict[int, list[Call]] = defaultdict(list)
        for call in self.called_within(owner):
            calls[call.stage].append(call)
        for stage in within:
            part = Part(self.acts, stage, calls[stage])
            before = [other for other in scope.parts.values() if stage in other.numbers.successors]
            scope.parts[stage] = part
            part.due = _due(part, before) if before else opened
            if part.calls:
                part.settled = part.settle(over, self.horizon, over if waits is None else waits)
            elif part.due is not None and part.conditional(part.due) and part.due <= over and part.due < self.horizon:
                part.settled = Settled(part.due)
            elif part.due is not None and (part.due >= over or part.due >= self.horizon):
                part.settled = Settled(NEVER)
        for part in scope.parts.values():
            part.fails = _fails(part, [scope.parts[s] for s in part.numbers.successors])
        return scope


def _later(at: int, by: int) -> int:
    """So much later; NEVER later is never."""
    return at + by if by < NEVER else NEVER


def _due(part: Part, before: list[Part]) -> int | None:
    """When a stage is called: R2."""
    settled = [p.settled for p in before if p.settled is not None]
    if len(settled) < len(before):
        return None
    all_of_them = max(s.at for s in settled)
    if part.numbers.wait_for >= len(before):
        return all_of_them
    if any(s.answered is None for s in settled):
        return None
    answered = sorted(s.at for s in settled if s.answered)
    enough = answered[part.numbers.wait_for - 1] if len(answered) >= part.numbers.wait_for else NEVER
    return min(enough, all_of_them)


def _fails(part: Part, following: list[Part]) -> int | None:
    """When the caller fails for this stage; it does not if those that come after have gone on without it."""
    if part.settled is None:
        return None if part.numbers.required else NEVER
    at, _, without = part.settled
    if not part.numbers.required or at == NEVER or without is False:
        return NEVER
    needed: list[bool | None] = [_not_called_by(after, at) for after in following] or [True]
    if without is None or (True not in needed and None in needed):
        return None
    return at if True in needed else NEVER


def _not_called_by(after: Part, at: int) -> bool | None:
    """Whether a stage had not been called yet at this time."""
    if after.numbers.wait_for >= after.numbers.predecessors:
        return True
    called = after.sent if after.calls else after.due
    if called is None or called == at:
        return None
    return called > at
