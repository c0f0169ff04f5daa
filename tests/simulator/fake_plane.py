"""A request plane without requests: it keeps the places of replicas and writes down what control does."""

from __future__ import annotations

from typing import Any

import numpy as np
import simpy

from simulator.machine import ABSENT, DRAINING, READY, Machine

SECOND = 1_000_000_000
MARKS = {ABSENT: ".", READY: "R", DRAINING: "d"}


class FakePlane:
    """`drains`: how many ns a draining replica takes. The metrics that it shows can be set."""

    def __init__(self, env: simpy.Environment, machine: Machine, drains: int = 1) -> None:
        self.env = env
        self.stages = stages = machine.stages[:-1]
        self.drains = drains
        self.places = [
            np.array([READY] * stage.replicas + [ABSENT] * (stage.places - stage.replicas)) for stage in stages
        ]
        self.done: list[tuple[Any, ...]] = []  # seconds, what, and its arguments
        self.there = [0] * len(stages)  # replica-time, ns
        self.since = 0
        self.busy_share = 0.0
        self.waits = 0
        self.joins_a_second = 0.0

    def look(self, stage: int = 0) -> str:
        """The places: R ready, d draining, . nobody there."""
        return "".join(MARKS[int(state)] for state in self.places[stage])

    def replicas(self, stage: int) -> np.ndarray:
        return self.places[stage].copy()

    def integrals(self, now: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._go_on()
        there = np.array(self.there, dtype=object) * np.array([stage.concurrency for stage in self.stages])
        busy = np.array([int(one * self.busy_share) for one in there], dtype=object)
        return np.zeros(len(self.stages), dtype=object), busy, there

    def joined(self) -> np.ndarray:
        return np.full(len(self.stages), round(self.joins_a_second * int(self.env.now) / SECOND))

    def waiting(self) -> np.ndarray:
        return np.full(len(self.stages), self.waits)

    def start(self, stage: int, place: int, now: int) -> None:
        assert self.places[stage][place] in (ABSENT, DRAINING)
        self._put(stage, place, READY)

    def drain(self, stage: int, place: int, now: int) -> None:
        assert self.places[stage][place] == READY
        self._put(stage, place, DRAINING)

        def gone(_: simpy.Event) -> None:
            if self.places[stage][place] == DRAINING:
                self._put(stage, place, ABSENT)

        over = self.env.timeout(self.drains)
        assert over.callbacks is not None
        over.callbacks.append(gone)

    def kill(self, stage: int, place: int, now: int) -> None:
        assert self.places[stage][place] in (READY, DRAINING)
        self._put(stage, place, ABSENT)

    def set(self, *given: Any) -> None:
        self._write("set", *given)

    def set_factor(self, *given: Any) -> None:
        self._write("factor", *given)

    def slow(self, *given: Any) -> None:
        self._write("slow", *given)

    def pause(self, stage: int, on: bool, now: int) -> None:
        self._write("pause", stage, on)

    def flush(self, stage: int) -> None:
        self._write("flush", stage)

    def set_users(self, count: int, now: int) -> None:
        self._write("users", count)

    def _put(self, stage: int, place: int, state: int) -> None:
        self._go_on()
        self.places[stage][place] = state

    def _go_on(self) -> None:
        now = int(self.env.now)
        for s, places in enumerate(self.places):
            self.there[s] += int((places != ABSENT).sum()) * (now - self.since)
        self.since = now

    def _write(self, *what: Any) -> None:
        self.done.append((self.env.now / SECOND, *what))
