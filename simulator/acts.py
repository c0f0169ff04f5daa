"""What control did in a run, and what was therefore in force at an instant: for those who read traces.

Of several acts of one instant, those that only set something come first, and at most one moves visits (`start`, `kill`,
a pause that ends): then what holds after the last holds for all that happens at that instant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple, cast

from simulator.machine import ABSENT, DRAINING, LIVE, NEVER, READY, SHARED, Machine, MachineStage
from simulator.semantics import Visit


class Act(NamedTuple):
    """What control did: a method of `plane.RequestPlane`, or the name of a LIVE number that became `value`.

    `pause` (value 1 or 0), `factor`, `flush`, `users`; `start`, `drain`, `kill`, `slow` of the replica at `place`.
    """

    at: int
    what: str
    stage: int
    value: float = 1
    place: int = 0


_STATES = {"start": READY, "drain": DRAINING, "kill": ABSENT}


class Acts:
    """The acts of a run by stage."""

    def __init__(self, machine: Machine, acts: Iterable[Act] = ()) -> None:
        self.machine = machine
        self.all = sorted(acts, key=lambda act: act.at)
        self._numbers = [([0], [stage]) for stage in machine.stages]
        self._pauses: dict[int, list[Act]] = defaultdict(list)
        self._states = {
            (s, place): [(0, READY if place < stage.replicas else ABSENT)]
            for s, stage in enumerate(machine.stages)
            for place in range(stage.places)
        }
        for act in self.all:
            if act.what in LIVE:
                times, versions = self._numbers[act.stage]
                times.append(act.at)
                versions.append(versions[-1]._replace(**{act.what: cast(Any, act.value)}))
            elif act.what == "pause":
                self._pauses[act.stage].append(act)
            elif act.what in _STATES:
                states, state = self._states[act.stage, act.place], _STATES[act.what]
                if state != states[-1][1] and not (state == DRAINING and states[-1][1] == ABSENT):
                    states.append((act.at, state))

    def numbers(self, stage: int, at: int) -> MachineStage:
        """Of a stage, at an instant."""
        times, versions = self._numbers[stage]
        return versions[-1] if len(times) == 1 else versions[bisect_right(times, at) - 1]

    def ever(self, stage: int) -> list[MachineStage]:
        """All numbers that a stage had."""
        return self._numbers[stage][1]

    def paused(self, stage: int, at: int) -> bool:
        """Whether the workers of a stage start nothing."""
        return any(bool(act.value) for act in [a for a in self._pauses[stage] if a.at <= at][-1:])

    def instants(self, stage: int) -> list[int]:
        """When control did something to a stage."""
        return [act.at for act in self.all if act.stage == stage]

    def state(self, stage: int, place: int, at: int) -> tuple[int, int]:
        """A replica's state at an instant, and since when; one that drains may be absent by now."""
        since, state = [one for one in self._states.get((stage, place), [(0, ABSENT)]) if one[0] <= max(at, 0)][-1]
        return state, since

    def ready(self, stage: int, at: int) -> list[int]:
        """The places whose replicas accept visits."""
        return [place for place in range(self.machine.stages[stage].places) if self.is_ready(stage, place, at)]

    def is_ready(self, stage: int, place: int, at: int) -> bool:
        """Whether a replica accepts visits."""
        return self.state(stage, place, at)[0] == READY

    def changes(self, stage: int, place: int) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
        """The states that a replica was in one after the other: (since, state), the next or (NEVER, ABSENT)."""
        return pairwise([*self._states.get((stage, place), []), (NEVER, ABSENT)])

    def deaths(self, stage: int, place: int) -> list[tuple[int, int]]:
        """When a replica was killed, and what it was before; if it drained, it may have been absent already."""
        return [
            (at, before) for (_, before), (at, state) in self.changes(stage, place) if state == ABSENT and at < NEVER
        ]

    def place_of(self, v: Visit) -> int:
        """The replica that a visit is with in the end; -1: none."""
        numbers = self.machine.stages[v.stage]
        if numbers.endless:
            return -1
        return v.worker // numbers.concurrency if numbers.balancing == SHARED else v.replica

    def death(self, v: Visit) -> int:
        """When the replica that a visit joined, or that served it, was next killed; NEVER."""
        place, since = self.place_of(v), v.start if self.machine.stages[v.stage].balancing == SHARED else v.join
        if place < 0:
            return NEVER
        return min((at for at, _ in self.deaths(v.stage, place) if at > since), default=NEVER)

    def killed(self, v: Visit) -> bool:
        """Whether a visit may have ended with its replica."""
        return 0 <= v.answer == self.death(v)
