"""What a request plane is to the control plane: the one door between them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

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


class StageTally(NamedTuple):
    """What happened at each stage while measuring; from `joins` on, to the visits that joined then. Times in ns."""

    calls: Ints  # first attempts sent
    sends: Ints  # visits sent: first attempts, retries and hedges
    hedges: Ints
    time_outs: Ints  # attempts
    refusals: Ints  # attempts that an open breaker turned away
    fallbacks: Ints
    left_out: Ints  # optional or late: a request went on without it, or without some of its shards
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


class EventLimitReachedError(Exception):
    """A plane processed as many events as it may; `at` is the time of the next one (ns)."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class RequestPlane(Protocol):
    """Moves requests; control processes observe it and, between two instants, change it."""

    engine: str

    @property
    def events(self) -> int:
        """Processed so far: the same number in every plane."""
        ...

    def advance(self, until: int) -> None:
        """Run all request events strictly before `until` ns."""

    def measure(self, on: bool) -> None: ...
    def set_factor(self, stage: int, factor: float) -> None: ...
    def set_outage(self, stage: int, on: bool) -> None: ...
    def pause(self, stage: int, on: bool, now: int) -> None: ...
    def flush(self, stage: int) -> None: ...
    def waiting(self) -> Ints: ...
    def most_waiting(self) -> Ints: ...
    def integrals(self, now: int) -> tuple[Whole, Whole]: ...
    def take_ended(self) -> Ended: ...
    def tally(self) -> StageTally: ...
    def trace(self) -> Trace: ...
