"""What the reference plane's visits meet at a stage: queues, caches, a token bucket, a breaker, budgets.

Plain Python structures, one behaviour each; `requests_simpy` says when they act. The compiled plane holds the same in
arrays.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from simulator import draws
from simulator.machine import LRU, MILLION, MOST_TOKENS, NEVER, UNLIMITED, Machine, MachineStage

if TYPE_CHECKING:
    from simulator.visits import Visiting


class Queue:
    """The visits that wait for the workers of a replica, or of a whole stage with shared balancing."""

    __slots__ = ("chosen", "idle", "length", "levels", "replica")

    def __init__(self, replica: int, levels: int) -> None:
        self.replica = replica  # its place; 0 of a stage's own
        self.idle: list[int] = []  # workers, a heap: the lowest is taken
        self.levels: list[dict[Visiting, None]] = [{} for _ in range(levels)]  # each in order of joining
        self.length = 0
        self.chosen = 0  # when it was last chosen, counted in choices

    @property
    def load(self) -> int:
        """Waiting and in service, less the number of workers, of which all queues to choose from have as many."""
        return self.length - len(self.idle)

    def take_idle(self) -> int:
        """The lowest idle worker."""
        return heappop(self.idle)

    def give_idle(self, worker: int) -> None:
        """A worker that found nothing to do."""
        heappush(self.idle, worker)

    def add(self, visit: Visiting) -> None:
        """To the end of its level."""
        self.levels[visit.level][visit] = None
        self.length += 1

    def remove(self, visit: Visiting) -> None:
        """From wherever it waits."""
        del self.levels[visit.level][visit]
        self.length -= 1

    def first(self, lifo_above: int) -> Visiting:
        """Whose turn it is (R5); somebody must wait."""
        waiting = next(level for level in self.levels if level)
        return next(iter(waiting)) if self.length <= lifo_above else next(reversed(waiting))

    def to_shed(self) -> Visiting:
        """The oldest of the least important."""
        return next(iter(next(level for level in reversed(self.levels) if level)))


class Keys:
    """The popularity of the keys that a cache's stage is asked for."""

    def __init__(self, machine: Machine, stage: MachineStage) -> None:
        self._thresholds = machine.key_thresholds[stage.first_key : stage.first_key + stage.cache_keys]
        self._key_hash = stage.key_hash

    def of(self, request_key: int, shard: int, hot_threshold: int) -> int:
        """The key that a request asks for; of each shard another. The hottest was nobody's favourite before."""
        own = draws.mix(request_key, draws.visit_word(self._key_hash, shard, 0, 0))
        if draws.mix(own, draws.HOT) >> 1 < hot_threshold:
            return len(self._thresholds) - 1
        return int(np.searchsorted(self._thresholds, np.uint64(draws.mix(own, draws.KEY)), side="left"))


class Cache:
    """Entries by key, each with the time of its write, in the order in which they would be dropped."""

    def __init__(self, stage: MachineStage) -> None:
        self._capacity, self._ttl = stage.cache_capacity, stage.cache_ttl
        self._touch = stage.cache_policy == LRU
        self._written: dict[int, int] = {}
        self.fetching: dict[int, Visiting] = {}  # by key, with coalescing: whose miss is under way

    def look_up(self, key: int, now: int) -> int | None:
        """The age of a good entry; None if there is none."""
        written = self._written.get(key)
        if written is None or now - written >= self._ttl:
            return None
        if self._touch:
            del self._written[key]
            self._written[key] = written
        return now - written

    def write(self, key: int, now: int) -> None:
        """A new entry; if there is no room the first in line goes."""
        self._written.pop(key, None)
        if len(self._written) >= self._capacity:
            del self._written[next(iter(self._written))]
        self._written[key] = now

    def flush(self) -> None:
        """Forget everything."""
        self._written.clear()


class TokenBucket:
    """GCRA: admits at a rate, and bursts."""

    def __init__(self) -> None:
        self._tat = 0  # theoretical arrival time

    def admits(self, now: int, interval: int, burst: int) -> bool:
        """Whether there is a token, which is then gone. `interval`: between tokens."""
        if now < self._tat - burst:
            return False
        self._tat = max(now, self._tat) + interval
        return True


class Breaker:
    """Turns attempts away when too many of the last ones failed (R7)."""

    def __init__(self, stage: MachineStage) -> None:
        self._window, self._most, self._open_for = stage.breaker_window, stage.breaker_failures, stage.breaker_open
        self._failed: list[bool] = []  # the last results, newest last
        self._probe_at = NEVER  # while it is open: when the next probe may go

    def admits(self, now: int) -> tuple[bool, bool]:
        """Whether an attempt may go, and whether it is a probe."""
        if self._probe_at == NEVER:
            return True, False
        if now < self._probe_at:
            return False, False
        self._probe_at = now + self._open_for
        return True, True

    def record(self, failed: bool, probe: bool, now: int) -> None:
        """An attempt is over; while it is open only a probe's answer counts."""
        if self._probe_at != NEVER:
            if probe and not failed:
                self._probe_at = NEVER
                self._failed.clear()
            return
        self._failed = [*self._failed, failed][-self._window :]
        if len(self._failed) == self._window and sum(self._failed) >= self._most:
            self._probe_at = now + self._open_for


class Budget:
    """Second tries that first attempts have paid for, in millionths: `each` so many."""

    def __init__(self) -> None:
        self._tokens = MOST_TOKENS

    def deposit(self, each: int) -> None:
        """A first attempt."""
        self._tokens = min(MOST_TOKENS, self._tokens + each)

    def take(self, each: int) -> bool:
        """Whether there is a token, which is then gone."""
        if each == UNLIMITED:
            return True
        if self._tokens < MILLION:
            return False
        self._tokens -= MILLION
        return True
