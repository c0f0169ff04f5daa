"""Sessions: requests that come in bursts of keystrokes, of which each makes the one before it worthless.

Sessions begin as a Poisson process. All luck of one is keyed by its number: how many keystrokes it has, the gaps
between them, and the luck of its requests; so a changed rate moves sessions and changes nothing else about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from cases.spec import ServiceTime
from simulator import draws, service
from simulator.workload import LATEST, SECOND, Arrivals, Ints, Paced, Source, Stream

BEGINNINGS = 1  # the source of the keys of sessions; requests that come alone have source 0
MOST_KEYSTROKES = 10_000  # of a session; a longer one is cut
LONGEST_GAP = LATEST // MOST_KEYSTROKES  # ns: two and a half days; a longer one is cut, so that times stay inside int64
BLOCK = 8_192  # keystrokes made at once, about
FEWEST = 16  # sessions begun at once


@dataclass(frozen=True)
class Sessions(Paced):
    """Sessions that begin at random, at these rates, each a number of requests at gaps."""

    keystrokes: ServiceTime  # how many there are in a session, at least one
    gap: ServiceTime  # between two of them

    @property
    def mean(self) -> float:
        """Of the keystrokes of a session."""
        return service.mean(self.keystrokes)

    def read(self, source: Source) -> Stream:
        return _Keystrokes(self, source)

    def expected(self, until: int) -> float:
        """Those included that sessions begun before still have to come."""
        return super().expected(until) * self.mean


TIME, SESSION, NUMBER, LEFT, KEY = range(5)  # rows of a matrix of keystrokes: LEFT are still to come in the session

Matrix = NDArray[np.int64]


class _Keystrokes:
    """The keystrokes of all sessions, in order of time, session and number."""

    def __init__(self, load: Sessions, source: Source) -> None:
        self._starts = load.rates.read(source._replace(number=BEGINNINGS))
        self._mean, self._gap = load.mean, service.mean(load.gap) * SECOND
        self._many, self._gaps = (service.unit_table(spec).make() for spec in (load.keystrokes, load.gap))
        self._coming: Matrix = np.zeros((5, 0), dtype=np.int64)
        self._known = 0  # columns of `coming` before which no other keystroke can come any more
        self._next = 0
        self._places = _Places()

    def chunk(self, size: int) -> Arrivals:
        while self._known < size:
            self._begin()
        first, self._next = self._next, self._next + size
        rows, self._coming = self._coming[:, :size], self._coming[:, size:]
        self._known -= size
        places = self._places.of(rows[SESSION].tolist(), rows[NUMBER].tolist(), rows[LEFT].tolist())
        nobody = np.full(size, -1, dtype=np.int64)
        keys = np.ascontiguousarray(rows[KEY]).view(np.uint64)
        return Arrivals(first, rows[TIME].copy(), keys, nobody, nobody, places, rows[NUMBER].copy())

    def _begin(self) -> None:
        """Begin some sessions, more of them where many keystrokes wait to be sorted in."""
        begun = self._starts.chunk(max(FEWEST, int(max(BLOCK, self._coming.shape[1]) / self._mean)))
        everything = np.concatenate([self._coming, self._typed(begun)], axis=1)
        self._coming = everything[:, np.lexsort((everything[NUMBER], everything[SESSION], everything[TIME]))]
        self._known = int(np.searchsorted(self._coming[TIME], begun.times[-1], side="right"))

    def _typed(self, begun: Arrivals) -> Matrix:
        """All keystrokes of these sessions."""
        own = draws.mix_many(begun.keys, draws.PERIOD)
        drawn = draws.quantiles(self._many, draws.mix_many(begun.keys, draws.ITEMS)) * self._mean
        many = np.clip(np.floor(drawn + 0.5), 1, MOST_KEYSTROKES).astype(np.int64)
        session = np.repeat(np.arange(len(many)), many)
        first = np.cumsum(many) - many
        number = np.arange(len(session)) - first[session]
        word = number.astype(np.uint64) << np.uint64(1)
        unit = draws.quantiles(self._gaps, draws.mix_many(own[session], word | np.uint64(1)))
        gaps = np.clip(np.floor(unit * self._gap + 0.5), 1, LONGEST_GAP).astype(np.int64)
        gaps[first] = 0
        passed = np.cumsum(gaps)
        matrix: Matrix = np.stack(
            [
                begun.times[session] + passed - passed[first][session],
                begun.first + session,
                number,
                many[session] - 1 - number,
                draws.mix_many(own[session], word).view(np.int64),
            ]
        )
        return matrix


class _Places:
    """The lowest free place for each session from its first keystroke to its last."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._taken: dict[int, int] = {}

    def of(self, sessions: list[int], numbers: list[int], left: list[int]) -> Ints:
        """The places of keystrokes in order of time."""
        found = []
        for session, number, more in zip(sessions, numbers, left, strict=True):
            if number == 0:
                self._taken[session] = heappop(self._free) if self._free else len(self._taken)
            found.append(self._taken[session])
            if not more:
                heappush(self._free, self._taken.pop(session))
        return np.array(found, dtype=np.int64)
