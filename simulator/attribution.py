"""Why p99 is high: where the time of the slowest requests went, and what a little more of each stage would buy.

A request's time is walked back from its answer. At each point one thing was waited for: of a scope, the stage that was
settled last; of a call, the attempt that answered; of a visit, the way, the queue, the batch, the service, the calls
within it. So the parts of a request add up to its latency, to the nanosecond. Where several branches or shards were
awaited together, the stretch in which only one of them was still missing counts as waiting for the slowest branch, at
the stages that it was spent at: that part would be gone if the branches were alike, whatever they did with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from simulator.acts import Act, Acts
from simulator.machine import NEVER, NOBODY, Ints, Machine
from simulator.plane import Ended
from simulator.semantics import Trace, Visit, VisitEnd, visits

MILLISECOND = 1_000_000


class Kind(IntEnum):
    """What time was spent on."""

    NETWORK = 0  # from sending to joining
    QUEUE = 1
    BATCH = 2  # in the queue, until the batch was due
    SERVICE = 3
    FETCH = 4  # a coalesced miss: in the queue, and until another's fetch was there
    SECOND_TRY = 5  # failed attempts, backoff, and the time until a hedge was sent that answered
    FALLBACK = 6
    SLOWEST = 7  # only one of several branches or shards was still awaited
    OTHER = 8  # not explained; none, as long as the rules of the request path hold


WORDS = {
    Kind.NETWORK: "network",
    Kind.QUEUE: "queue",
    Kind.BATCH: "batch wait",
    Kind.SERVICE: "service",
    Kind.FETCH: "another's fetch",
    Kind.SECOND_TRY: "retry or hedge",
    Kind.FALLBACK: "fallback",
    Kind.SLOWEST: "slowest branch",
    Kind.OTHER: "other",
}

_FAILED = (VisitEnd.REJECTED, VisitEnd.EXPIRED, VisitEnd.FAILED)


@dataclass(frozen=True)
class Attribution:
    """The time of some requests by stage (the machine's number) and kind."""

    requests: int
    threshold: int  # ns: the fastest of them
    latency: int  # ns, of all of them together
    parts: Mapping[tuple[int, Kind], int]  # ns; they add up to `latency`


def explain(machine: Machine, trace: Trace, ended: Ended, numbers: Ints, changes: Iterable[Act] = ()) -> Attribution:
    """Where the time of the answered requests `numbers` went. The trace holds all of their visits.

    `changes`: what control changed of the machine's numbers during the run.
    """
    ends = {
        n: (a, e) for n, a, e in zip(ended.number.tolist(), ended.arrival.tolist(), ended.end.tolist(), strict=True)
    }
    wanted = sorted(set(numbers.tolist()))
    families: dict[int, list[Visit]] = {number: [] for number in wanted}
    for visit in visits(trace):
        if visit.request in families:
            families[visit.request].append(visit)
    walk = Walk(machine, changes)
    parts: dict[tuple[int, Kind], int] = defaultdict(int)
    for number in wanted:
        for piece in walk.pieces(families[number], *ends[number]):
            parts[piece.stage, piece.kind] += piece.end - piece.begin
    latencies = [ends[number][1] - ends[number][0] for number in wanted]
    return Attribution(len(wanted), min(latencies, default=0), sum(latencies), dict(sorted(parts.items())))


class Piece(NamedTuple):
    """A stretch of a request's time."""

    stage: int
    kind: Kind
    begin: int
    end: int


class _Part(NamedTuple):
    """A stage within a scope: when it was called and settled, and whether by its answers; NEVER: not (yet)."""

    stage: int
    called: int
    settled: int
    answered: bool
    shards: dict[int, list[Visit]]  # empty: it was not called, its `when` did not hold


class Walk:
    """Walks back through the visits of requests. All methods yield pieces from `end` back to where they begin."""

    def __init__(self, machine: Machine, changes: Iterable[Act] = ()) -> None:
        self._machine, self._acts = machine, Acts(machine, changes)
        self._stages = machine.stages
        numbered = list(enumerate(machine.stages))
        self._within = {s: [i for i, inner in numbered if inner.caller == s] for s, _ in numbered}
        self._before = {s: [i for i, other in numbered if s in other.successors] for s, _ in numbered}
        self._last = {s: [i for i in inner if not self._stages[i].successors] for s, inner in self._within.items()}
        if machine.answer_after != NOBODY:
            self._last[machine.client] = [machine.answer_after]  # the stage whose settling is the user's answer
        self._called: dict[tuple[int, int], list[Visit]] = {}  # of the request, by caller and stage

    def pieces(self, family: Sequence[Visit], arrival: int, end: int) -> list[Piece]:
        """The time of one answered request, latest first and without gaps."""
        self._called = defaultdict(list)
        for visit in family:
            self._called[visit.caller, visit.stage].append(visit)
        client = self._machine.client
        return list(self._call(self._called[-1, client], client, arrival, end))

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, copies: Sequence[Visit], stage: int, begin: int, end: int) -> Iterator[Piece]:
        """A call from its first sending until `end`: it was answered then, or given up, or waited for no longer."""
        sent = [v for v in copies if v.send <= end]
        answering = [v for v in sent if v.outcome == VisitEnd.ANSWERED and v.answer == end]
        if answering:
            last = min(answering, key=lambda v: v.visit)
            yield from self._visit(last, end)
            yield from _piece(stage, Kind.SECOND_TRY, begin, last.send)
            return
        failures = [v.answer for v in sent if v.outcome in _FAILED and 0 <= v.answer <= end]
        if failures and self._falls_back(stage, max(failures)) == end:
            yield from _piece(stage, Kind.FALLBACK, max(failures), end)
            yield from _piece(stage, Kind.SECOND_TRY, begin, max(failures))
        elif sent:
            last = max(sent, key=lambda v: (v.send, v.visit))
            over = last.answer if last.outcome in _FAILED and 0 <= last.answer <= end else end
            yield from _piece(stage, Kind.SECOND_TRY, over, end)
            yield from self._visit(last, over)
            yield from _piece(stage, Kind.SECOND_TRY, begin, last.send)
        else:
            yield from _piece(stage, Kind.OTHER, begin, end)

    def _visit(self, v: Visit, end: int) -> Iterator[Piece]:
        """A visit from its sending until `end`."""
        stage = v.stage
        if stage == self._machine.client:
            yield from self._scope(v, v.send, end)
            return
        join = v.join if 0 <= v.join <= end else end
        start = v.start if join <= v.start <= end else end
        if v.start < 0:
            towed = v.outcome == VisitEnd.ANSWERED
            yield from _piece(stage, Kind.FETCH if towed else Kind.QUEUE, join, end)
        else:
            served = v.end if start <= v.end <= end else end
            if self._stages[stage].calls:
                yield from self._scope(v, served, end)
            else:
                yield from _piece(stage, Kind.OTHER, served, end)
            due = min(max(v.due, join), start)
            yield from _piece(stage, Kind.SERVICE, start, served)
            yield from _piece(stage, Kind.QUEUE, due, start)
            yield from _piece(stage, Kind.BATCH, join, due)
        yield from _piece(stage, Kind.NETWORK, v.send, join)

    # -- stages within a visit ----------------------------------------------------------------------------------------

    def _scope(self, owner: Visit, begin: int, end: int) -> Iterator[Piece]:
        """The calls within a visit, until `end`."""
        if begin == end:
            return
        parts = self._parts(owner, begin, end)
        part = self._awaited(parts, owner.stage, end)
        if part is None:
            yield from _piece(owner.stage, Kind.OTHER, begin, end)
            return
        # The last thing that was waited for, then what that had waited for, and so on; latest first.
        upto, alone = end, self._alone(parts, self._last[owner.stage], part, end)
        while True:
            since = max(begin, min(part.called, upto)) if part.shards else upto  # a stage not called takes no time
            yield from _marked(self._part(part, since, upto), alone)
            trigger = self._trigger(parts, part, since)
            if trigger is None:
                yield from _marked(_piece(part.stage, Kind.OTHER, begin, since), alone)
                return
            awaited = self._alone(parts, self._before[part.stage], trigger, since, part.stage)
            upto, alone, part = since, min(alone, awaited), trigger

    def _parts(self, owner: Visit, begin: int, end: int) -> dict[int, _Part]:
        """How each stage within a visit stood at `end`. A stage follows those it comes after."""
        parts: dict[int, _Part] = {}
        for s in self._within[owner.stage]:
            shards: dict[int, list[Visit]] = defaultdict(list)
            for visit in self._called[owner.visit, s]:
                if visit.send <= end:
                    shards[visit.shard].append(visit)
            if shards:
                called = min(v.send for calls in shards.values() for v in calls)
                parts[s] = _Part(s, called, *self._settled(s, called, shards), shards)
            else:
                called = self._called_at(parts, s, begin)
                parts[s] = _Part(s, called, called, False, shards)
        return parts

    def _called_at(self, parts: Mapping[int, _Part], s: int, begin: int) -> int:
        """When what a stage waited for was there."""
        before = [parts[i] for i in self._before[s]]
        if not before:
            return begin
        answered = sorted(part.settled for part in before if part.answered)
        wanted = self._stages[s].wait_for
        every = max(part.settled for part in before)
        return min(every, answered[wanted - 1]) if len(answered) >= wanted else every

    def _settled(self, s: int, called: int, shards: Mapping[int, Sequence[Visit]]) -> tuple[int, bool]:
        """When a stage that was called was settled, and whether by a quorum (R2)."""
        stage = self._stages[s]
        answers = sorted(self._answers(s, shards))
        enough = answers[stage.quorum - 1] if len(answers) >= stage.quorum else NEVER
        failures = sorted(self._failures(s, shards))
        spare = stage.shards - stage.quorum
        failed = failures[spare] if len(failures) > spare else NEVER
        late = called + self._acts.numbers(s, called).late_after
        return min(enough, failed, late), enough <= min(failed, late)

    def _answers(self, s: int, shards: Mapping[int, Sequence[Visit]]) -> Iterator[int]:
        """When the shards answered, or their fallback did."""
        for copies in shards.values():
            answers = [v.answer for v in copies if v.outcome == VisitEnd.ANSWERED]
            if answers:
                yield min(answers)
            elif _all_failed(copies):
                instead = self._falls_back(s, _failed_at(copies))
                if instead is not None:
                    yield instead

    def _failures(self, s: int, shards: Mapping[int, Sequence[Visit]]) -> Iterator[int]:
        """When the shards failed for good."""
        for copies in shards.values():
            if _all_failed(copies) and self._falls_back(s, _failed_at(copies)) is None:
                yield _failed_at(copies)

    def _falls_back(self, s: int, failed: int) -> int | None:
        """When the fallback of a call answers whose last attempt failed then; None: there is none."""
        fallback = self._acts.numbers(s, failed).fallback
        return failed + fallback if fallback < NEVER else None

    def _awaited(self, parts: Mapping[int, _Part], owner: int, end: int) -> _Part | None:
        """What was waited for at `end`: of the last stages the one settled then, else the last called one open then."""
        found = self._settled_at(parts, self._last[owner], end) or self._settled_at(parts, list(parts), end)
        found = found or [part for part in parts.values() if part.called <= end < part.settled and part.shards]
        found = found or [part for part in parts.values() if self._may_back_off(part)]
        return max(found, key=_progress) if found else None

    def _trigger(self, parts: Mapping[int, _Part], part: _Part, called: int) -> _Part | None:
        """The stage whose settling called another one; None: nothing comes before."""
        found = self._settled_at(parts, self._before[part.stage], called)
        return max(found, key=_progress) if found else None

    def _settled_at(self, parts: Mapping[int, _Part], stages: Sequence[int], time: int) -> list[_Part]:
        """Those of some stages that were settled at an instant; where backoffs leave that open, those that may be."""
        exact = [parts[s] for s in stages if parts[s].settled == time]
        return exact or [parts[s] for s in stages if self._may_settle(parts, parts[s], time)]

    def _may_settle(self, parts: Mapping[int, _Part], part: _Part, time: int) -> bool:
        """Whether it may have been settled then: it was late, a shard failed or answered, or it was not called."""
        if not part.shards:
            return bool(self._settled_at(parts, self._before[part.stage], time))
        if not self._may_back_off(part):
            return False
        late = part.called + self._acts.numbers(part.stage, part.called).late_after
        return time in (late, *self._answers(part.stage, part.shards), *self._failures(part.stage, part.shards))

    def _may_back_off(self, part: _Part) -> bool:
        """Whether what looks failed may have been about to be tried again: a backoff does not show in the visits."""
        failed = [_failed_at(copies) for copies in part.shards.values() if _all_failed(copies)]
        return any(self._acts.numbers(part.stage, at).attempts > 1 for at in failed)

    def _alone(
        self, parts: Mapping[int, _Part], awaited: Sequence[int], last: _Part, end: int, joined: int | None = None
    ) -> int:
        """Since when only `last` of the awaited stages was missing; `end` where it was the only branch."""
        others = [parts[s] for s in awaited if s != last.stage and parts[s].shards and not self._leads(s, last.stage)]
        wanted = len(awaited) if joined is None else self._stages[joined].wait_for
        answered = sorted(one.settled for one in others if one.answered and one.settled <= end)
        if wanted < len(awaited) and last.answered and len(answered) >= wanted - 1:
            return answered[wanted - 2] if wanted > 1 else end
        settled = [one.settled for one in others if one.settled <= end]
        return max(settled) if settled and len(settled) == len(others) else end

    def _leads(self, s: int, later: int) -> bool:
        """Whether `later` comes after `s`, directly or not: then they are no branches."""
        return any(one == later or self._leads(one, later) for one in self._stages[s].successors)

    def _part(self, part: _Part, begin: int, end: int) -> Iterator[Piece]:
        """A stage within a scope, from its call until `end`."""
        if not part.shards:
            yield from _piece(part.stage, Kind.OTHER, begin, end)
            return
        stage = self._stages[part.stage]
        answers = {shard: list(self._answers(part.stage, {shard: copies})) for shard, copies in part.shards.items()}
        known = {shard: times[0] for shard, times in answers.items() if times}
        last = [shard for shard, time in sorted(known.items()) if time == end]
        since = end
        if last and part.answered:
            shard = last[0]
            others = sorted(time for other, time in known.items() if other != shard and time <= end)
            if stage.quorum > 1 and len(others) >= stage.quorum - 1:
                since = others[stage.quorum - 2]
        else:
            missing = [shard for shard in part.shards if known.get(shard, NEVER) > end]
            failed = [shard for shard, copies in part.shards.items() if _all_failed(copies)]
            decisive = [shard for shard in failed if _failed_at(part.shards[shard]) == end]
            shard = min(decisive or missing or failed or part.shards)
            earlier = [time for time in known.values() if time <= end]
            if len(missing) == 1 and earlier and stage.quorum == stage.shards:
                since = max(earlier)
        yield from _marked(self._call(part.shards[shard], part.stage, begin, end), since)


def _all_failed(copies: Sequence[Visit]) -> bool:
    """As far as the caller knew."""
    return all(v.outcome in _FAILED and v.answer >= 0 for v in copies)


def _failed_at(copies: Sequence[Visit]) -> int:
    """When the last of them had failed."""
    return max(v.answer for v in copies)


def _progress(part: _Part) -> tuple[bool, int]:
    """Of several that will do, one that was called rather than skipped, and the latest."""
    return bool(part.shards), part.called


def _piece(stage: int, kind: Kind, begin: int, end: int) -> Iterator[Piece]:
    if begin < end:
        yield Piece(stage, kind, begin, end)


def _marked(found: Iterator[Piece], since: int) -> Iterator[Piece]:
    """The pieces, with what lies after `since` as waiting for the slowest branch."""
    for piece in found:
        if piece.end <= since or piece.kind == Kind.OTHER:
            yield piece
        else:
            yield from _piece(piece.stage, Kind.SLOWEST, max(piece.begin, since), piece.end)
            yield from _piece(piece.stage, piece.kind, piece.begin, since)
