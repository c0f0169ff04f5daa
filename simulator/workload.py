"""Arrival processes: when requests come, as int64 nanoseconds, and the keys of their luck.

A `Load` is what is offered, a value; an `ArrivalStream` reads it in one replication, chunk by chunk. Most loads are
`Rates`: a Poisson process whose rate is constant piece by piece. It is a unit-rate process read through the inverse of
its integrated rate; unit gaps are whole numbers (2^-32 of the mean gap) before they are summed, so that arrival n is
the same number however the stream is cut into chunks. `sessions` has the load that comes in sessions, `loads` makes
loads of what a case says.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cases.errors import RunError
from simulator import draws, service

Ints = NDArray[np.int64]
Pieces = Iterator[tuple[int, float]]
"""Stretches of one rate: start (ns, ascending, the first at 0) and requests per second. The last goes on for ever."""

SECOND = 1_000_000_000
UNIT = 1 << 32  # parts of a mean gap
CHUNK = 8192  # requests made at once: what is worked on stays in a core's cache
LATEST_TOTAL = 1 << 62  # parts: two thousand million arrivals
LATEST = 1 << 61  # ns; no run gets so far, and times stay inside int64
BURSTS = draws.name_hash("(workload) bursts")  # whose periods they are: no stage can be called so


def nanoseconds(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * SECOND)


class Arrivals(NamedTuple):
    """A chunk of requests in order of time, all columns equally long."""

    first: int  # number of the first
    times: Ints  # ns, ascending; LATEST: it never comes
    keys: draws.Keys  # roots of their luck
    kinds: Ints  # index of the class; -1: drawn from the key
    items: Ints  # brought along; -1: drawn
    sessions: Ints  # place among the open sessions, taken again after the session's last keystroke; -1: none
    keystrokes: Ints  # number within the session, from 0; keystroke j supersedes j - 1; -1: none

    @property
    def silent(self) -> bool:
        """Whether these requests say nothing of themselves, and belong to no session."""
        columns, unsaid = self[3:], _unsaid(len(self.times))
        return all(column is unsaid for column in columns) or all(column.max(initial=-1) < 0 for column in columns)

    def part(self, start: int, end: int) -> Arrivals:
        """Those at places `start` to `end` (excluded), without copying."""
        times, keys, *rest = self[1:]
        return Arrivals(self.first + start, times[start:end], keys[start:end], *(column[start:end] for column in rest))


class Source(NamedTuple):
    """Whose luck it is."""

    seed: int
    replication: int
    number: int = 0  # within the replication
    arithmetic: draws.Arithmetic = draws.NUMPY

    def keys(self, first: int, size: int) -> draws.Keys:
        """Root keys of so many from `first` on."""
        ordinals = np.arange(first, first + size)
        return draws.root_keys(self.seed, self.replication, self.number, ordinals, self.arithmetic.mix_many)


class Stream(Protocol):
    """Requests as they come."""

    def chunk(self, size: int) -> Arrivals:
        """The next `size` requests."""
        ...


class Load(ABC):
    """What is offered, the same in every replication but for luck."""

    @abstractmethod
    def read(self, source: Source) -> Stream:
        """The requests, from the first on."""

    @abstractmethod
    def expected(self, until: int) -> float:
        """Mean number of arrivals before `until` ns."""

    def changes_between(self, start: int, end: int) -> bool:
        """Whether it is meant to change between two instants (ns), those excluded."""
        return False


class ArrivalStream:
    """The arrivals of a load in one replication, chunk by chunk; the same however they are cut."""

    def __init__(self, load: Load, seed: int, replication: int, arithmetic: draws.Arithmetic = draws.NUMPY) -> None:
        self._stream = load.read(Source(seed, replication, arithmetic=arithmetic))
        self._returned: deque[Arrivals] = deque()

    def chunk(self, size: int = CHUNK) -> Arrivals:
        """The next `size` requests."""
        parts: list[Arrivals] = []
        while size and self._returned:
            part = self._returned.popleft()
            if len(part.times) > size:
                self._returned.appendleft(part.part(size, len(part.times)))
                part = part.part(0, size)
            parts.append(part)
            size -= len(part.times)
        if size:
            parts.append(self._stream.chunk(size))
        if len(parts) == 1:
            return parts[0]
        return Arrivals(parts[0].first, *(np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]))

    def give_back(self, chunks: Sequence[Arrivals]) -> None:
        """These, the last ones that were read, come again."""
        self._returned.extendleft(reversed(chunks))


# -- at rates ---------------------------------------------------------------------------------------------------------


class Rates(Load):
    """Requests at random, at a rate that is constant piece by piece."""

    @abstractmethod
    def pieces(self, source: Source) -> Pieces:
        """The rates over time."""

    def read(self, source: Source) -> Stream:
        return _Spaced(self.pieces(source), source)


@dataclass(frozen=True)
class Profile(Rates):
    """From `starts[k]` ns on, `rates[k]` requests per second."""

    starts: tuple[int, ...]
    rates: tuple[float, ...]

    @classmethod
    def constant(cls, rate: float) -> Profile:
        """The same rate all the time."""
        return cls((0,), (rate,))

    def pieces(self, source: Source) -> Pieces:
        return zip(self.starts, self.rates, strict=True)

    def expected(self, until: int) -> float:
        ends = [*self.starts[1:], until]
        spans = (max(0, min(end, until) - start) for start, end in zip(self.starts, ends, strict=True))
        return math.fsum(span / SECOND * rate for span, rate in zip(spans, self.rates, strict=True))

    def changes_between(self, start: int, end: int) -> bool:
        return any(start < at < end for at in self.starts)


@dataclass(frozen=True)
class Cycle(Rates):
    """The first `period` ns of a profile, for ever."""

    profile: Profile
    period: int

    def pieces(self, source: Source) -> Pieces:
        for turn in itertools.count():
            for start, rate in self.profile.pieces(source):
                yield turn * self.period + start, rate

    def expected(self, until: int) -> float:
        turns, rest = divmod(until, self.period)
        return turns * self.profile.expected(self.period) + self.profile.expected(rest)

    def changes_between(self, start: int, end: int) -> bool:
        return any(start + 1 + (at - start - 1) % self.period < end for at in self.profile.starts)


@dataclass(frozen=True)
class Bursts(Rates):
    """Two rates in turn, for exponential times: a Markov-modulated Poisson process of two states, quiet at first."""

    quiet: float
    burst: float
    every: int  # ns, mean, from the end of a burst to the start of the next
    lasts: int  # ns, mean

    def pieces(self, source: Source) -> Pieces:
        yield 0, self.quiet
        for begin, end in service.periods(source.seed, source.replication, BURSTS, self.every, self.lasts):
            yield begin, self.burst
            yield end, self.quiet

    def expected(self, until: int) -> float:
        """From the chance that there is a burst at t, which is p (1 - exp(-t / r)): p in the long run."""
        share, relaxation = self.lasts / (self.every + self.lasts), 1.0 / (1.0 / self.every + 1.0 / self.lasts)
        bursting = share * (until + relaxation * math.expm1(-until / relaxation))
        return (self.quiet * until + (self.burst - self.quiet) * bursting) / SECOND


@dataclass(frozen=True)
class Switched(Rates):
    """Each of `parts` from its instant (ns) to the next one's; of two at one instant the later holds."""

    parts: tuple[tuple[int, Rates], ...]

    def pieces(self, source: Source) -> Pieces:
        for start, end, rates in self._spans():
            yield from _between(rates.pieces(source), start, end)

    def expected(self, until: int) -> float:
        return math.fsum(
            rates.expected(min(end, until)) - rates.expected(start)
            for start, end, rates in self._spans()
            if start < until
        )

    def changes_between(self, start: int, end: int) -> bool:
        return any(start < at < end for at, _ in self.parts) or any(
            rates.changes_between(max(start, begin), min(end, until)) for begin, until, rates in self._spans()
        )

    def _spans(self) -> Iterator[tuple[int, int, Rates]]:
        for (start, rates), end in zip(self.parts, [*(at for at, _ in self.parts[1:]), LATEST], strict=True):
            if start < end:
                yield start, end, rates


@dataclass(frozen=True)
class Paced(Load):
    """What comes at rates in another way than at random, each request alone."""

    rates: Rates

    def expected(self, until: int) -> float:
        return self.rates.expected(until)

    def changes_between(self, start: int, end: int) -> bool:
        return self.rates.changes_between(start, end)


class Even(Paced):
    """Requests at equal gaps, and no luck about it: where the rate changes, at equal parts of its integral."""

    def read(self, source: Source) -> Stream:
        return _Spaced(self.rates.pieces(source), source, even=True)


def switched(parts: Sequence[tuple[int, Load]]) -> Load:
    """Each load from its instant (ns, ascending, the first at 0) to the next one's: its rates at each time, same luck.

    RunError if more than rates is different.
    """
    (_, first), *_ = parts
    if all(load == first for _, load in parts):
        return first
    rates = [(at, load) for at, load in parts if isinstance(load, Rates)]
    if len(rates) == len(parts):
        return Switched(tuple(rates))
    paced = [(at, load) for at, load in parts if isinstance(load, Paced)]
    if isinstance(first, Paced) and [load for _, load in parts] == [replace(first, rates=p.rates) for _, p in paced]:
        return replace(first, rates=Switched(tuple((at, load.rates) for at, load in paced)))
    raise RunError(
        "in the middle of a run only the rates of a workload can change, and the users of a closed one; "
        "change the rest of it in a design, and run the scenario with that"
    )


class _Spaced:
    """Requests at gaps of mean 1 in unit-rate time."""

    def __init__(self, pieces: Pieces, source: Source, even: bool = False) -> None:
        self._source = source
        self._gaps = None if even else draws.exponential_table()
        self._next = 0
        self._total = 0  # unit-rate time of the last arrival, in parts
        self._inverse = _Inverse(pieces)

    def chunk(self, size: int) -> Arrivals:
        first = self._next
        keys = self._source.keys(first, size)
        if self._gaps is None:
            gaps = np.full(size, UNIT)
        else:
            mix_many, quantiles = self._source.arithmetic
            gaps = (quantiles(self._gaps, mix_many(keys, draws.GAP)) * UNIT + 0.5).astype(np.int64)
        totals = self._total + np.cumsum(gaps)
        self._next, self._total = first + size, int(totals[-1])
        return Arrivals(first, self._inverse.times(totals), keys, *(_unsaid(size),) * 4)


class _Inverse:
    """When the integral of a rate reaches given values: pieces are read as they are needed, and then forgotten."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._coming: tuple[int, float] | None = next(pieces)
        self._total = 0  # the integral at the start of the piece that comes, in parts
        self._knots: list[int] = []  # the integral at the starts of pieces with arrivals,
        self._starts: list[int] = []  # those starts (ns),
        self._scale: list[float] = []  # and ns per part there

    def times(self, totals: Ints) -> Ints:
        """The times (ns) of these integrals (parts, ascending; the first not below the last one asked for before)."""
        self._read_to(int(totals[-1]))
        if totals[0] >= self._knots[-1]:  # one piece for all, as a rule
            del self._knots[:-1], self._starts[:-1], self._scale[:-1]
            return self._starts[0] + _whole((totals - self._knots[0]) * self._scale[0])
        knots, starts = np.array(self._knots, dtype=np.int64), np.array(self._starts, dtype=np.int64)
        piece = np.searchsorted(knots, totals, side="right") - 1
        ahead = _whole((totals - knots[piece]) * np.array(self._scale)[piece])
        done = int(piece[-1])
        del self._knots[:done], self._starts[:done], self._scale[:done]
        times: Ints = starts[piece] + ahead
        return times

    def _read_to(self, total: int) -> None:
        while self._coming is not None and self._total <= total:
            (start, rate), after = self._coming, next(self._pieces, None)
            if rate > 0:
                self._knots.append(self._total)
                self._starts.append(start)
                self._scale.append(SECOND / (rate * UNIT))
                if after is not None:
                    self._total += round((after[0] - start) * rate / SECOND * UNIT)
            beyond = after is None or self._total > LATEST_TOTAL or after[0] > LATEST  # no run gets so far
            self._coming = None if beyond else after


def _whole(times: NDArray[np.floating[Any]]) -> Ints:
    """In whole ns, cut so that they fit."""
    cut: Ints = np.minimum(times, LATEST).astype(np.int64)
    return cut


def _between(pieces: Pieces, start: int, end: int) -> Pieces:
    """Those that hold from `start` to `end`."""
    at, rate = next(pieces)
    for after, another in pieces:
        if after > start:
            yield max(at, start), rate
        if after >= end:
            return
        at, rate = after, another
    yield max(at, start), rate


@cache
def _unsaid(size: int) -> Ints:
    """-1 for each, shared by all who say nothing."""
    return np.full(size, -1, dtype=np.int64)


# -- otherwise --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replay(Load):
    """What was recorded, in every replication the same; after the last request nothing comes."""

    times: tuple[int, ...]  # ns, ascending
    kinds: tuple[int, ...]  # -1: drawn
    items: tuple[int, ...]  # -1: drawn

    def read(self, source: Source) -> Stream:
        return _Recorded(self, source)

    def expected(self, until: int) -> float:
        return bisect_left(self.times, until)


@dataclass(frozen=True)
class Closed(Load):
    """Users who think, send a request, wait for its end and think again: nothing comes by itself.

    When requests come depends on the answers, so that a request plane finds it out.
    """

    users: int
    think: int  # ns, mean

    def read(self, source: Source) -> Stream:
        return _Recorded(Replay((), (), ()), source)

    def expected(self, until: int) -> float:
        """At most: if every answer came at once."""
        return self.users * (1.0 + until / self.think)


class _Recorded:
    """Requests out of a list, then none."""

    def __init__(self, load: Replay, source: Source) -> None:
        self._source = source
        self._columns = [np.array(column, dtype=np.int64) for column in (load.times, load.kinds, load.items)]
        self._next = 0

    def chunk(self, size: int) -> Arrivals:
        first, self._next = self._next, self._next + size
        keys = self._source.keys(first, self._next - first)
        times, kinds, items = (
            np.append(part, np.full(size - len(part), missing))
            for part, missing in zip((c[first : self._next] for c in self._columns), (LATEST, -1, -1), strict=True)
        )
        return Arrivals(first, times, keys, kinds, items, *(_unsaid(size),) * 2)
