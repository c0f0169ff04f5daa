"""Random small machines and loads for the tests of the request planes, and a run of one with everything seen kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import simpy
from hypothesis import strategies as st

from simulator import draws
from simulator.control import KernelEnvironment
from simulator.network import LEAST_OF, NEVER, PASS_ON, RANDOM, ROUND_ROBIN, SHARED, UNLIMITED, Machine
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.requests_compiled import CompiledRequests
from simulator.requests_simpy import SimPyRequests
from simulator.workload import Arrivals, ArrivalStream, Profile

MS = 1_000_000
ENGINES = ("simpy", "compiled")
CONSTANT, EXPONENTIAL, LOGNORMAL, GAMMA = range(4)


@cache
def tables() -> np.ndarray:
    """One quantile table of each kind, by CONSTANT ... GAMMA."""
    return np.array(
        [draws.constant_table(), draws.exponential_table(), draws.lognormal_table(1.5), draws.gamma_table(0.4)]
    )


@dataclass
class StageSpec:
    """A stage as the tests write it: the defaults are one worker that takes 1 ms and an endless queue."""

    after: tuple[int, ...] = ()
    replicas: int = 1
    concurrency: int = 1
    balancing: int = SHARED
    choices: int = 0
    queue_limit: int = UNLIMITED
    hop: int = 0
    timeout: int = NEVER
    floor: int = MS
    per_item: int = 0
    gives: int = PASS_ON
    keeps: int = UNLIMITED
    hit_ratio: float = 0.0
    hit_time: int = 1
    table: int = CONSTANT


def machine(stages: list[StageSpec], client_timeout: int = NEVER) -> Machine:
    """The machine of these stages; `after` must point backwards."""

    def column(name: str) -> Any:
        return np.array([getattr(stage, name) for stage in stages], dtype=np.int64)

    successors = [[i for i, later in enumerate(stages) if s in later.after] for s in range(len(stages))]
    return Machine(
        name_hash=np.array([draws.name_hash(f"stage{i}") for i in range(len(stages))], dtype=np.uint64),
        replicas=column("replicas"),
        concurrency=column("concurrency"),
        balancing=column("balancing"),
        choices=column("choices"),
        queue_limit=column("queue_limit"),
        hop=column("hop"),
        timeout=column("timeout"),
        floor=column("floor"),
        per_item=column("per_item"),
        gives=column("gives"),
        keeps=column("keeps"),
        hit_threshold=np.array([min(round(s.hit_ratio * 2.0**63), (1 << 63) - 1) for s in stages], dtype=np.int64),
        hit_time=column("hit_time"),
        table=column("table"),
        predecessors=np.array([len(s.after) for s in stages], dtype=np.int64),
        first_successor=np.cumsum([0, *(len(s) for s in successors)], dtype=np.int64),
        successors=np.array([i for s in successors for i in s], dtype=np.int64),
        sources=np.array([i for i, s in enumerate(stages) if not s.after], dtype=np.int64),
        tables=tables(),
        client_timeout=client_timeout,
    )


class Listed:
    """Arrivals at given times; then none for ever. Stands for an ArrivalStream."""

    def __init__(self, times: list[int], seed: int = 0) -> None:
        self._times = np.array(times, dtype=np.int64)
        self._seed = seed
        self._next = 0

    def chunk(self, size: int) -> Arrivals:
        """The next arrivals."""
        size = min(size, 7)  # small chunks, to cross their borders often
        first = self._next
        times = self._times[first : first + size]
        if len(times) < size:
            times = np.append(times, NEVER // 2 + np.arange(first + len(times), first + size))
        self._next = first + size
        return Arrivals(first, times, draws.root_keys(self._seed, 0, 0, np.arange(first, first + size)))


@dataclass
class Load:
    """What arrives, and the instants at which control looks; the window opens and closes at two of them."""

    instants: list[int]
    opens: int = 0  # index of an instant
    closes: int = -1
    profile: Profile | None = None
    times: list[int] = field(default_factory=list)
    seed: int = 1

    def stream(self) -> Any:
        """A fresh stream."""
        return Listed(self.times, self.seed) if self.profile is None else ArrivalStream(self.profile, self.seed, 0)


@dataclass
class Seen:
    """All that a plane showed during a run."""

    looks: list[tuple[Any, ...]]  # at each instant: time, events, waiting, most waiting, integrals
    ended: Ended
    tally: StageTally
    trace: np.ndarray
    horizon: int


def plane_of(
    engine: str, built: Machine, stream: Any, keep_trace: bool = True
) -> tuple[simpy.Environment, RequestPlane]:
    """An environment with a plane in it, as `control.environment` makes them."""
    if engine == "simpy":
        env = simpy.Environment(initial_time=0)
        return env, SimPyRequests(env, built, stream, keep_trace)
    kernel = KernelEnvironment(initial_time=0)
    kernel.plane = CompiledRequests(built, stream, keep_trace)
    return kernel, kernel.plane


def run(engine: str, built: Machine, load: Load, keep_trace: bool = True) -> Seen:
    """Run one plane under a control process that looks at every instant."""
    env, plane = plane_of(engine, built, load.stream(), keep_trace)
    looks: list[tuple[Any, ...]] = []
    parts: list[Ended] = []
    closes = load.closes % len(load.instants)

    def control() -> Any:
        for i, instant in enumerate(load.instants):
            if instant > env.now:
                yield env.timeout(instant - env.now)
            if i == load.opens:
                plane.measure(True)
            if i == closes:
                plane.measure(False)
            waits, busy = plane.integrals(int(env.now))
            looks.append(
                (
                    env.now,
                    plane.events,
                    plane.waiting().tolist(),
                    plane.most_waiting().tolist(),
                    waits.tolist(),
                    busy.tolist(),
                )
            )
            parts.append(plane.take_ended())

    env.run(until=env.process(control()))
    ended = Ended(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    trace = plane.trace() if keep_trace else np.zeros((0, 9), dtype=np.int64)
    return Seen(looks, ended, plane.tally(), trace, load.instants[-1])


def assert_same(one: Seen, other: Seen) -> None:
    """Equal in everything that was seen, to the nanosecond."""
    assert one.looks == other.looks
    for name in Ended._fields:
        assert getattr(one.ended, name).tolist() == getattr(other.ended, name).tolist(), name
    for name in StageTally._fields:
        assert np.array_equal(getattr(one.tally, name), getattr(other.tally, name)), name
    assert one.trace.tolist() == other.trace.tolist()


# -- strategies -------------------------------------------------------------------------------------------------------


@st.composite
def stages(draw: Any, tick: int = 1, coarse: bool = False) -> list[StageSpec]:
    """One to six stages. With a `coarse` clock every time is a few ticks, so that much happens at once."""
    times = st.integers(1, 4) if coarse else st.integers(1, 8 * MS)
    # Random services on a coarse clock would leave it; there the spread comes from items and hits.
    kinds = st.just(CONSTANT) if coarse else st.integers(CONSTANT, GAMMA)
    made: list[StageSpec] = []
    for index in range(draw(st.integers(1, 6))):
        after = tuple(s for s in range(index) if draw(st.booleans()))
        balancing = draw(st.sampled_from([SHARED, RANDOM, ROUND_ROBIN, LEAST_OF]))
        by_item = draw(st.booleans())
        made.append(
            StageSpec(
                after=after,
                replicas=draw(st.integers(1, 4)),
                concurrency=draw(st.integers(1, 3)),
                balancing=balancing,
                choices=draw(st.integers(1, 3)) if balancing == LEAST_OF else 0,
                queue_limit=draw(st.sampled_from([0, 1, 2, UNLIMITED, UNLIMITED])),
                hop=tick * draw(st.one_of(st.just(0), times)) // (1 if coarse else 4),
                timeout=draw(st.one_of(st.just(NEVER), st.just(NEVER), times.map(lambda t: 3 * t * tick))),
                floor=tick * draw(times),
                per_item=tick * draw(st.integers(0, 2)) * (1 if coarse else MS // 4) if by_item else 0,
                gives=draw(st.one_of(st.just(PASS_ON), st.integers(0, 6))),
                keeps=draw(st.one_of(st.just(UNLIMITED), st.integers(1, 4))),
                hit_ratio=draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
                hit_time=tick * draw(times),
                table=draw(kinds),
            )
        )
    return made


@st.composite
def machines(draw: Any, tick: int = 1, coarse: bool = False) -> Machine:
    """A machine of random stages."""
    times = st.integers(1, 12) if coarse else st.integers(1, 30 * MS)
    client = draw(st.one_of(st.just(NEVER), st.just(NEVER), times.map(lambda t: t * tick)))
    return machine(draw(stages(tick, coarse)), client)


@st.composite
def instants(draw: Any, horizon: int, tick: int = 1) -> dict[str, Any]:
    """Control instants up to the horizon, and between which of them is measured."""
    looks = sorted({tick * t for t in draw(st.lists(st.integers(0, horizon // tick), max_size=8))} | {horizon})
    opens = draw(st.integers(0, len(looks) - 1))
    return {"instants": looks, "opens": opens, "closes": draw(st.integers(opens, len(looks) - 1))}


@st.composite
def loads(draw: Any) -> Load:
    """Poisson arrivals, at one rate or at several, about sixty of them."""
    rates = st.sampled_from([0.0, 100.0, 300.0, 1000.0])
    pieces = draw(st.integers(1, 3))
    starts = [
        0,
        *sorted(draw(st.lists(st.integers(1, 100 * MS), min_size=pieces - 1, max_size=pieces - 1, unique=True))),
    ]
    profile = Profile(tuple(starts), (*(draw(rates) for _ in starts[1:]), draw(rates) or 200.0))
    horizon = draw(st.integers(1, 150 * MS))
    return Load(**draw(instants(horizon)), profile=profile, seed=draw(st.integers(0, 2**53)))


@st.composite
def coarse_loads(draw: Any, tick: int) -> Load:
    """Up to forty arrivals on a few ticks, several at once."""
    ticks = sorted(draw(st.lists(st.integers(0, 25), min_size=1, max_size=40)))
    horizon = tick * draw(st.integers(1, 60))
    return Load(**draw(instants(horizon, tick)), times=[t * tick for t in ticks], seed=draw(st.integers(0, 9)))
