"""What the world does to stages, so that it adds up: factors multiply, pauses, outages and cuts nest.

Slow periods, outages and opening hours that a case has by itself, and the events of a scenario go through the same
`Effects` of a run: what ends first does not undo what still lasts.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

from simulator.machine import Machine
from simulator.plane import RequestPlane

ALL = -1  # as a replica's place: the whole stage


class Effects:
    """The effects that last on one plane. Every `on` is followed by one off, with the same numbers."""

    def __init__(self, plane: RequestPlane, machine: Machine) -> None:
        self._plane = plane
        self._factors: defaultdict[tuple[int, int], list[float]] = defaultdict(list)  # by stage and place
        self._lasting: Counter[tuple[int, str]] = Counter()  # pauses, outages, cuts
        self._errors: defaultdict[int, list[int]] = defaultdict(list)  # thresholds
        self._own_errors = [stage.error_threshold for stage in machine.stages]

    def slow(self, stage: int, times: float, on: bool, place: int = ALL) -> None:
        """Services that start take (besides) `times` as long, at the whole stage or one of its replicas."""
        factors = self._factors[stage, place]
        (factors.append if on else factors.remove)(times)
        if place == ALL:
            self._plane.set_factor(stage, math.prod(factors))
        else:
            self._plane.slow(stage, place, math.prod(factors))

    def pause(self, stage: int, on: bool, now: int) -> None:
        """Workers start nothing."""
        if self._switches(stage, "pause", on):
            self._plane.pause(stage, on, now)

    def outage(self, stage: int, on: bool) -> None:
        """Every service ends in an error."""
        if self._switches(stage, "outage", on):
            self._plane.set(stage, "outage", int(on))

    def cut(self, stage: int, on: bool) -> None:
        """What is sent there never arrives."""
        if self._switches(stage, "cut", on):
            self._plane.set(stage, "cut", int(on))

    def errors(self, stage: int, threshold: int, on: bool) -> None:
        """Services end in an error if their draw is below the threshold: the highest of those that last."""
        thresholds = self._errors[stage]
        (thresholds.append if on else thresholds.remove)(threshold)
        self._set_errors(stage)

    def set(self, stage: int, field: str, value: float) -> None:
        """Another one of its LIVE numbers."""
        if field == "error_threshold":
            self._own_errors[stage] = int(value)
            self._set_errors(stage)
        else:
            self._plane.set(stage, field, value)

    def _switches(self, stage: int, what: str, on: bool) -> bool:
        """Count it; whether it is the first to begin or the last to end."""
        before = self._lasting[stage, what]
        self._lasting[stage, what] = before + (1 if on else -1)
        return before == (0 if on else 1)

    def _set_errors(self, stage: int) -> None:
        self._plane.set(stage, "error_threshold", max([self._own_errors[stage], *self._errors[stage]]))
