"""What a request plane is to the control plane: the one door between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from simulator.machine import Ints, Whole
from simulator.semantics import Trace

LONGEST_SERVICE = 1 << 59  # ns; a draw beyond it (18 years) is cut, so that times stay inside int64


class Ended(NamedTuple):
    """Requests that ended, in the order in which they did. Times in ns."""

    number: Ints
    arrival: Ints
    end: Ints
    outcome: Ints  # RequestEnd
    kind: Ints  # index of its class
    quality: Ints  # millionths: the product of the fallbacks' it was answered with

    @classmethod
    def joined(cls, parts: Sequence[Ended]) -> Ended:
        """One after another; a single one as it is."""
        return parts[0] if len(parts) == 1 else cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class StageTally(NamedTuple):
    """What happened at each stage while measuring; from `joins` on, to the visits that joined then. Times in ns."""

    calls: Ints  # first attempts sent
    sends: Ints  # visits sent: first attempts, retries and hedges
    hedges: Ints
    time_outs: Ints  # attempts
    refusals: Ints  # attempts that an open breaker turned away
    fallbacks: Ints
    left_out: Ints  # optional or late: a request went on without it, or without some of its shards
    lost: Ints  # visits sent over a link that was cut
    killed: Ints  # visits that a dying replica took along
    joins: Ints
    rejections: Ints  # after joining: no token, or no place in the queue
    starts: Ints
    hits: Ints  # of the cache
    coalesced: Ints  # misses that waited for another's fetch
    errors: Ints
    items: Ints  # carried by the visits that started
    wait_sum: Whole  # from join to start
    batch_wait_sum: Whole  # of that, until the batch was due
    service_sum: Whole  # as drawn; of a visit taken from its worker, as long as it was there
    age_sum: Whole  # of the cached entries that were served: the time since their write
    waits: Ints  # shape (stages, histogram.BINS)


COUNTS = tuple(name for name in StageTally._fields if name != "waits" and not name.endswith("_sum"))


class EventLimitReachedError(Exception):
    """A plane processed as many events as it may; `at` is the time of the next one (ns)."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class RequestPlane(Protocol):
    """Moves requests; control processes observe it and, between two instants, change it.

    What control does at an instant (`now`) comes before all request events of it.
    """

    engine: str

    @property
    def events(self) -> int:
        """Processed so far: the same number in every plane."""
        ...

    @property
    def arrived(self) -> int:
        """Requests that have arrived so far: the number of the next."""
        ...

    def advance(self, until: int) -> None:
        """Run all request events strictly before `until` ns."""

    # what control changes
    def measure(self, on: bool) -> None:
        """Visits that join from now on are (not) tallied; the largest queue is taken anew."""

    def set(self, stage: int, field: str, value: float) -> None:
        """From now on a stage has another one of its `machine.LIVE` numbers. The client is a stage, too."""

    def set_factor(self, stage: int, factor: float) -> None:
        """Services of a stage that start from now on take `factor` times as long."""

    def slow(self, stage: int, place: int, factor: float) -> None:
        """Services of one replica that start from now on take (besides) `factor` times as long."""

    def pause(self, stage: int, on: bool, now: int) -> None:
        """The workers of a stage start nothing (or go on)."""

    def flush(self, stage: int) -> None:
        """Caches forget everything."""

    def start(self, stage: int, place: int, now: int) -> None:
        """An absent replica is in service, with a cold cache; one that drains stays after all."""

    def drain(self, stage: int, place: int, now: int) -> None:
        """A replica accepts nothing more; it works off what it has accepted, then it is absent."""

    def kill(self, stage: int, place: int, now: int) -> None:
        """A replica is absent; what it works on, what it waits for and what waits in its queue fails."""

    def set_users(self, count: int, now: int) -> None:
        """So many users of a closed loop go on; those who come anew think first."""

    # what control sees
    def replicas(self, stage: int) -> Ints:
        """ABSENT, READY or DRAINING, by place."""
        ...

    def waiting(self) -> Ints: ...
    def most_waiting(self) -> Ints: ...
    def integrals(self, now: int) -> tuple[Whole, Whole, Whole]:
        """Time integrals from 0 to now of visits waiting, workers busy and workers there, by stage (ns)."""
        ...

    def joined(self) -> Ints:
        """Visits that have joined since time 0, by stage."""
        ...

    def count(self, name: str) -> Ints:
        """One of the counts of `StageTally` so far, by stage."""
        ...

    def take_ended(self) -> Ended: ...
    def under_way(self) -> Ended:
        """Requests that have not ended; `end` is NEVER."""
        ...

    def tally(self) -> StageTally: ...
    def trace(self) -> Trace: ...
