"""What a request plane is to the control plane: the one door between them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from simulator.network import Ints, Whole
from simulator.semantics import Trace

LONGEST_SERVICE = 1 << 59  # ns; a draw beyond it (18 years) is cut, so that times stay inside int64


class Ended(NamedTuple):
    """Requests that ended, in the order in which they did. Times in ns."""

    number: Ints
    arrival: Ints
    end: Ints
    outcome: Ints  # RequestEnd


class StageTally(NamedTuple):
    """Visits that joined while measuring, by stage. Times in ns."""

    sends: Ints  # attempts sent while measuring
    joins: Ints
    starts: Ints
    rejections: Ints
    wait_sum: Whole
    service_sum: Whole
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
    def waiting(self) -> Ints: ...
    def most_waiting(self) -> Ints: ...
    def integrals(self, now: int) -> tuple[Whole, Whole]: ...
    def take_ended(self) -> Ended: ...
    def tally(self) -> StageTally: ...
    def trace(self) -> Trace: ...
