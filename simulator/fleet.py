"""The replicas of a stage as control knows them: how many are wanted, which are starting, which zones are down.

The plane knows who is in service, and in which place. Control decides who comes and who goes; whoever comes is ready
after the start delay, with a cold cache. Times are int64 ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Hashable
from functools import partial
from typing import Any

import numpy as np
import simpy

from simulator.machine import ABSENT, DRAINING, READY, MachineStage
from simulator.plane import RequestPlane
from simulator.workload import SECOND

LOOK_AGAIN = SECOND // 10  # ns, at least, between two steps of a deploy


class Fleet:
    """One stage's replicas. `wanted`: those that shall be up now, without those that are held back."""

    def __init__(
        self, env: simpy.Environment, plane: RequestPlane, index: int, stage: MachineStage, start_delay: int
    ) -> None:
        self.wanted = stage.replicas
        self._env, self._plane, self._index, self._stage = env, plane, index, stage
        self._start_delay = start_delay
        self._starting: dict[int, int] = {}  # since when, by place
        self._started: dict[int, int] = {}  # when it was last decided upon, by place
        self._start_time = 0  # that is over: of replicas that became ready, or were taken back
        self._down: Counter[int] = Counter()  # zones, by how many events
        self._held: Counter[Hashable] = Counter()  # replicas that come back later, by what took them

    def ready(self) -> list[int]:
        """The places of those in service, ascending."""
        return self._places(READY)

    @property
    def starting(self) -> int:
        """Decided upon, but not ready."""
        return len(self._starting)

    def paid(self, now: int) -> int:
        """Replica-time from 0 to now (ns): of each from the decision to start it until it is gone."""
        there = int(self._plane.integrals(now)[2][self._index]) // self._stage.concurrency
        return there + self._start_time + sum(now - since for since in self._starting.values())

    def set(self, wanted: int, now: int) -> None:
        """So many shall be up. Whoever was held back is no longer waited for.

        More: in the lowest free places, of zones that are up; if there are none, those that drain stay after all.
        Fewer: those that are starting are taken back, the highest first, then the highest drain.
        """
        self.wanted = wanted
        self._held.clear()
        self._fill(now)
        excess = len(self.ready()) + self.starting - wanted
        for place in sorted(self._starting, reverse=True)[: max(0, excess)]:
            self._take_back(place, now)
        for place in self.ready()[wanted - self.starting :]:
            self._plane.drain(self._index, place, now)

    def kill(self, count: int, now: int, until: Hashable = None) -> None:
        """The lowest in service die. They are replaced at once, or, with a name for it, when that `comes_back`."""
        places = self.ready()[:count]
        for place in places:
            self._plane.kill(self._index, place, now)
        if until is not None:
            self._hold(len(places), until)
        self._fill(now)

    def lose_zone(self, zone: int, now: int) -> None:
        """All in the zone die, and nobody starts there until it is restored. They are not replaced elsewhere."""
        self._down[zone] += 1
        in_service = [place for place in self.ready() if self._zone(place) == zone]
        for place in [*in_service, *(place for place in self._places(DRAINING) if self._zone(place) == zone)]:
            self._plane.kill(self._index, place, now)
        starting = [place for place in self._starting if self._zone(place) == zone]
        for place in starting:
            self._take_back(place, now)
        self._hold(len(in_service) + len(starting), ("zone", zone))

    def restore_zone(self, zone: int, now: int) -> None:
        """What the zone had starts there again, once all that took it down is over."""
        self._down[zone] -= 1
        if not self._down[zone]:
            self.comes_back(("zone", zone), now)

    def comes_back(self, held: Hashable, now: int) -> None:
        """Those that were held back under this name start."""
        self.wanted += self._held.pop(held, 0)
        self._fill(now)

    def deploy(self, at_once: int) -> Generator[simpy.Event, Any, None]:
        """Replace all that are in service: so many drain, as many start; when they are ready, the next."""
        begun = int(self._env.now)
        while True:
            now = int(self._env.now)
            old = [place for place in self.ready() if self._started.get(place, -1) < begun]
            for place in old[:at_once]:
                self._plane.drain(self._index, place, now)
            self._fill(now, stay=False)
            if not old and self._missing() <= 0:
                return
            yield self._env.timeout(max(self._start_delay, LOOK_AGAIN))

    def _missing(self) -> int:
        return self.wanted - len(self.ready()) - self.starting

    def _fill(self, now: int, stay: bool = True) -> None:
        """Start those that are missing, as far as there are places; `stay`: let those that drain stay after all."""
        free = [place for place in self._places(ABSENT) if place not in self._starting and self._up(place)]
        for place in free[: max(0, self._missing())]:
            self._starting[place] = self._started[place] = now
            ready = self._env.timeout(self._start_delay)
            ready.callbacks.append(partial(self._is_ready, place, now))
        staying = [place for place in self._places(DRAINING) if self._up(place)] if stay else []
        for place in staying[: max(0, self._missing())]:
            self._plane.start(self._index, place, now)

    def _is_ready(self, place: int, since: int, _: simpy.Event) -> None:
        if self._starting.get(place) == since:  # it has not been taken back
            now = int(self._env.now)
            self._take_back(place, now)
            self._plane.start(self._index, place, now)

    def _take_back(self, place: int, now: int) -> None:
        """It is not starting any more."""
        self._start_time += now - self._starting.pop(place)

    def _hold(self, count: int, until: Hashable) -> None:
        self.wanted -= count
        self._held[until] += count

    def _places(self, state: int) -> list[int]:
        return [int(place) for place in np.flatnonzero(self._plane.replicas(self._index) == state)]

    def _zone(self, place: int) -> int:
        zones = self._stage.zones
        return zones[place % len(zones)] if zones else -1

    def _up(self, place: int) -> bool:
        return not self._down[self._zone(place)]
