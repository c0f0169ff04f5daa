"""Does it come back: what an event does to goodput, and how long that lasts.

Goodput here is the share of the measured requests that got a good answer (in time for the first latency objective; any
where there is none), by the moment at which they *arrived*: what they met, not when it was over. Requests that a newer
one made worthless count neither way. Before the first event it is what it was; it is *down* while it is below 95 % of
that, and lower than it goes by itself; and it has *recovered* at the first moment from which on it is down no more, to
the end of the window or until the next event begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.machine import NEVER, Ints
from simulator.results import Interval, Recovery
from simulator.timeline import Mark
from simulator.workload import SECOND

BINS = 200  # of a window
LEAST = 50  # requests whose share is looked at together: two bad ones are not down yet
BACK = 0.95  # of what it was before
COARSEST = 40  # shares in a window, at least: when it comes back must be seen
BEYOND = 5  # standard deviations: what is further down is no luck, even of a few requests among hundreds of shares
HALF = 0.5  # a fall to less than this can always be seen, or nothing is said
CALM = 5  # so many shares in a row are no luck


class Goodput:
    """The measured requests of a replication by arrival, in small bins of its window: offered and well answered."""

    def __init__(self, start: int, end: int, border: int) -> None:
        """From `start` to `end` (ns); a border between two bins stands at `border`, if that lies between."""
        self.width = max(1, -(-(end - start) // BINS))
        before = -(-(border - start) // self.width) if start < border < end else 0
        self.start = border - before * self.width if before else start
        self.end = end
        self.before = before  # bins
        bins = -(-(end - self.start) // self.width)
        self.offered: Ints = np.zeros(bins, dtype=np.int64)
        self.good: Ints = np.zeros(bins, dtype=np.int64)

    def take(self, arrivals: Ints, good: NDArray[np.bool_] | None = None) -> None:
        """Some more requests; without `good` nobody has answered them."""
        bins = np.minimum((arrivals - self.start) // self.width, len(self.offered) - 1)  # some arrive at its very end
        self.offered += np.bincount(bins, minlength=len(self.offered))
        if good is not None:
            self.good += np.bincount(bins[good], minlength=len(self.good))


class Dip(NamedTuple):
    """What an event did to goodput in one replication."""

    before: float  # share
    lowest: float
    below: int  # ns for which it was down
    recovers: bool | None  # None: the end of the run, or the next event, came too early to tell
    recovery: int | None  # ns from the end of the event (of one that lasts: its begin) until it had recovered


def recoveries(goodputs: Sequence[Goodput], marks: Sequence[Mark]) -> tuple[Recovery, ...]:
    """What each event did; `goodputs` are the replications'. An event after the window is left out."""
    seen = [dips(goodput, marks) for goodput in goodputs]
    end = min(goodput.end for goodput in goodputs)
    return tuple(_joined(mark, [dip[i] for dip in seen], end) for i, mark in enumerate(marks) if mark[1] < end)


def dips(goodput: Goodput, marks: Sequence[Mark]) -> list[Dip | None]:
    """What each event did in one replication; None where there is nothing to compare or to see."""
    shares = _shares(goodput)
    if shares is None:
        return [None] * len(marks)
    found: list[Dip | None] = []
    for _, start, until in marks:
        limit = min((other for _, other, _ in marks if other > start), default=goodput.end)
        chosen = shares.between(start, limit)
        since = start if until >= NEVER else until
        found.append(_dip(chosen, since, to_the_end=limit >= goodput.end) if len(chosen.ends) else None)
    return found


class _Shares(NamedTuple):
    """Goodput since the first event began, each share of some neighbouring bins. Times in ns."""

    before: float  # the share before it
    normal: float  # what is below this is down
    starts: Ints
    ends: Ints
    values: NDArray[np.float64]

    def between(self, start: int, end: int) -> _Shares:
        """Those that reach into this time, and not beyond it."""
        chosen = (self.ends > start) & (self.ends <= end)
        return self._replace(starts=self.starts[chosen], ends=self.ends[chosen], values=self.values[chosen])


def _shares(goodput: Goodput) -> _Shares | None:
    """Of so many bins each that it hardly varies by itself, if the time allows; None if there is too little before.

    By itself it varies at least as that of independent requests, and as was seen before the event: slow requests come
    in clusters.
    """
    split, least = goodput.before, LEAST
    offered = int(goodput.offered[:split].sum())
    before = int(goodput.good[:split].sum()) / max(offered, 1)
    if offered < least or not before:
        return None
    while True:
        _, early = _together(goodput.offered[:split], goodput.good[:split], least)
        seen = float(early.std(ddof=1)) if len(early) > 1 else 0.0
        varies = BEYOND * max(math.sqrt(before * (1 - before) / least), seen)
        if varies <= (1 - BACK) * before or 2 * least * COARSEST > goodput.offered.sum():
            break
        least *= 2
    if before - varies < HALF * before:
        return None
    last, values = _together(goodput.offered[split:], goodput.good[split:], least)
    ends = np.minimum(goodput.start + (split + last) * goodput.width, goodput.end)
    starts = np.concatenate([[goodput.start + split * goodput.width], ends[:-1]])
    return _Shares(before, min(BACK * before, before - varies), starts, ends, values)


def _together(offered: Ints, good: Ints, least: int) -> tuple[Ints, NDArray[np.float64]]:
    """Neighbours put together until each group has `least` requests: where they end (excluded), and their shares."""
    last: list[int] = []
    count = 0
    for i, more in enumerate(offered.tolist(), 1):
        count += more
        if count >= least:
            last.append(i)
            count = 0
    last = [*last[:-1], len(offered)]  # what is left over belongs to the last
    edges = np.array([0, *last])
    sums = [np.diff(np.concatenate([[0], np.cumsum(counts)])[edges]) for counts in (offered, good)]
    # Too few have no share: where nobody comes nothing falls.
    return edges[1:], np.where(sums[0] >= least, sums[1] / np.maximum(sums[0], 1), np.nan)


def _dip(shares: _Shares, since: int, to_the_end: bool) -> Dip:
    """Of one event, from the shares that belong to it; `to_the_end`: they go on to the end of the window."""
    before, normal, starts, ends, values = shares
    down = np.flatnonzero(values < normal)
    below = int((ends - starts)[down].sum())
    lowest = min([before, *values[np.isfinite(values)].tolist()])
    if not len(down):
        return Dip(before, lowest, 0, True, 0)
    if len(values) - 1 - down[-1] < CALM:
        stays = to_the_end and since < ends[-1] and down[-1] == len(values) - 1
        return Dip(before, lowest, below, False if stays else None, None)
    return Dip(before, lowest, below, True, max(0, int(ends[down[-1]]) - since))


def _joined(mark: Mark, dips: Sequence[Dip | None], end: int) -> Recovery:
    label, start, until = mark
    known = [dip for dip in dips if dip is not None]
    times = [dip.recovery / SECOND for dip in known if dip.recovery is not None]
    verdicts = {None if dip is None else dip.recovers for dip in dips}

    def mean(values: Sequence[float]) -> float | None:
        return math.fsum(values) / len(values) if values else None

    return Recovery(
        event=label,
        at_s=start / SECOND,
        until_s=None if until >= NEVER else until / SECOND,
        waited_s=max(0, end - (start if until >= NEVER else until)) / SECOND,
        before=mean([dip.before for dip in known]),
        lowest=mean([dip.lowest for dip in known]),
        depth=mean([1 - dip.lowest / dip.before for dip in known]),
        below_s=mean([dip.below / SECOND for dip in known]),
        recovers=verdicts.pop() if len(verdicts) == 1 else None,
        recovery_s=Interval.of(times),
        recovered=len(times),
        replications=len(dips),
    )
