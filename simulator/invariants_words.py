"""What the modules of `invariants` share: names for the ends of visits, a row of requests, and what a check finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from simulator.semantics import VisitEnd

Found = Iterator[str]  # what breaks a rule, in words

OPEN, ANSWERED, REJECTED, EXPIRED, FAILED, CANCELLED = VisitEnd


class RequestRow(NamedTuple):
    """One row of `plane.Ended`."""

    number: int
    arrival: int
    end: int
    outcome: int
    kind: int
    quality: int
