"""Random small machines and loads for the tests of the request planes, and a run of one with everything seen kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import simpy

from simulator import draws
from simulator.machine import (
    ALWAYS,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    LRU,
    MILLION,
    NEVER,
    NOBODY,
    PASS_ON,
    SHARED,
    UNLIMITED,
    Machine,
    MachineStage,
    RequestClass,
    Users,
)
from simulator.plane import Ended, RequestPlane, StageTally
from simulator.semantics import Visit
from simulator.users import UserStream
from simulator.workload import Arrivals, ArrivalStream, Profile

MS = 1_000_000
ENGINES = ("simpy", "compiled")
CONSTANT, EXPONENTIAL, LOGNORMAL, GAMMA = range(4)
CLIENT = NOBODY  # as `within`
NO_USERS = Users(0, 0, NOBODY)


@cache
def tables() -> np.ndarray:
    """One quantile table of each kind, by CONSTANT ... GAMMA."""
    return np.array(
        [draws.constant_table(), draws.exponential_table(), draws.lognormal_table(1.5), draws.gamma_table(0.4)]
    )


@dataclass(frozen=True)
class StageSpec:
    """A stage as the tests write it: the defaults are one worker that takes 1 ms and an endless queue.

    Ratios stand for thresholds, indices for stages; what follows from the others (`quorum`, `wait_for`) is None.
    """

    after: tuple[int, ...] = ()
    within: int = CLIENT
    hold: bool = False
    wait_for: int | None = None
    shards: int = 1
    quorum: int | None = None
    when_share: float = 1.0
    when_missed: int = NOBODY
    required: bool = True
    late_after: int = NEVER
    gives: int = PASS_ON
    keeps: int = UNLIMITED

    hop: int = 0
    cut: bool = False
    timeout: int = NEVER
    timeout_table: int = NOBODY
    attempts: int = 1
    backoff: int = 1
    backoff_longest: int = NEVER
    jitter: float = 0.0
    retry_budget: int = UNLIMITED
    hedge_after: int = NEVER
    hedge_budget: int = UNLIMITED
    cancel: int = CANCEL_WAITING
    breaker_window: int = 0
    breaker_failures: int = 1
    breaker_open: int = MS
    fallback: int = NEVER
    fallback_quality: int = MILLION

    replicas: int = 1
    places: int | None = None
    zones: tuple[int, ...] = ()
    concurrency: int = 1
    endless: bool = False
    balancing: int = SHARED
    choices: int = 0
    queue_limit: int = UNLIMITED
    lifo_above: int = UNLIMITED
    by_level: bool = False
    shed_oldest: bool = False
    drop_expired: bool = False
    admission_interval: int = 0
    admission_burst: int = 0

    floor: int = MS
    per_item: int = 0
    counts_visits: bool = False
    table: int = CONSTANT
    batch_size: int = 1
    batch_wait: int = 1
    error_ratio: float = 0.0
    outage: bool = False
    silent_ratio: float = 0.0

    hit_ratio: float = 0.0
    hit_time: int = 1
    cache_keys: int = 0
    zipf: float = 1.0
    keys_of: int | None = None  # an earlier stage whose keys these are, as many and as popular
    cache_capacity: int = UNLIMITED
    cache_ttl: int = NEVER
    cache_policy: int = LRU
    cache_shared: bool = False
    coalesce: bool = False
    hot_ratio: float = 0.0


@dataclass(frozen=True)
class ClientSpec:
    """What the user does: its visits are a request's attempts."""

    timeout: int = NEVER
    timeout_table: int = NOBODY
    attempts: int = 1
    backoff: int = 1
    backoff_longest: int = NEVER
    jitter: float = 0.0
    retry_budget: int = UNLIMITED


@dataclass(frozen=True)
class ClassSpec:
    """Requests of one kind, by their share of all."""

    share: float = 1.0
    level: int = 0
    items: int = 0
    table: int = NOBODY


DERIVED = {
    *("name_hash", "key_hash", "caller", "calls", "first_calls", "successors", "predecessors", "wait_for", "quorum"),
    *("when_threshold", "error_threshold", "silent_threshold", "hit_threshold", "hot_threshold", "first_key", "places"),
}


def threshold(ratio: float) -> int:
    """Of draws shifted right by one."""
    return min(round(ratio * 2.0**63), ALWAYS)


def machine(
    stages: list[StageSpec],
    client: ClientSpec = ClientSpec(),
    classes: tuple[ClassSpec, ...] = (ClassSpec(),),
    answer_after: int = NOBODY,
    deadline: int = NEVER,
    users: Users = NO_USERS,
    zones: int = 0,
    zone_hop: int = 0,
) -> Machine:
    """The machine of these stages and their client; `after` and `within` point backwards, `after` to siblings."""
    last = len(stages)
    root = StageSpec(cancel=CANCEL_RUNNING, endless=True, **vars(client))
    thresholds = [draws.zipf_thresholds(spec.cache_keys, spec.zipf) for spec in stages if spec.cache_keys]
    first_key = np.cumsum([0, *(spec.cache_keys for spec in stages), 0]).tolist()
    made = []
    for index, spec in enumerate([*stages, root]):
        assert all(s < index and stages[s].within == spec.within for s in spec.after), "after siblings"
        assert spec.within < index
        keys = spec if spec.keys_of is None else stages[spec.keys_of]
        assert (spec.cache_keys, spec.zipf) == (keys.cache_keys, keys.zipf)
        called = [i for i, s in enumerate(stages) if (last if s.within == CLIENT else s.within) == index]
        values: dict[str, Any] = {name: getattr(spec, name) for name in MachineStage._fields if name not in DERIVED}
        values = {name: int(value) if isinstance(value, bool) else value for name, value in values.items()}
        values |= {
            "name_hash": draws.name_hash(f"stage{index}" if index < last else "client"),
            "key_hash": draws.name_hash(f"stage{index if spec.keys_of is None else spec.keys_of}"),
            "caller": NOBODY if index == last else last if spec.within == CLIENT else spec.within,
            "calls": len(called),
            "first_calls": tuple(i for i in called if not stages[i].after),
            "successors": tuple(i for i, later in enumerate(stages) if index in later.after),
            "predecessors": len(spec.after),
            "wait_for": len(spec.after) if spec.wait_for is None else spec.wait_for,
            "quorum": spec.shards if spec.quorum is None else spec.quorum,
            "when_threshold": threshold(spec.when_share),
            "when_missed": spec.when_missed,
            "error_threshold": threshold(spec.error_ratio),
            "silent_threshold": threshold(spec.silent_ratio),
            "hit_threshold": threshold(spec.hit_ratio),
            "hot_threshold": threshold(spec.hot_ratio),
            "places": spec.replicas if spec.places is None else spec.places,
            "first_key": first_key[index if spec.keys_of is None else spec.keys_of],
        }
        made.append(MachineStage(**values))
    total = sum(kind.share for kind in classes)
    shares = np.cumsum([kind.share / total for kind in classes]).tolist()
    below = [*(threshold(share) for share in shares[:-1]), ALWAYS]
    return Machine(
        stages=tuple(made),
        classes=tuple(RequestClass(b, k.level, k.items, k.table) for b, k in zip(below, classes, strict=True)),
        answer_after=answer_after,
        deadline=deadline,
        tables=tables(),
        key_thresholds=np.concatenate([np.zeros(0, dtype=np.uint64), *thresholds]),
        users=users,
        zones=zones,
        zone_hop=zone_hop,
    )


class Listed:
    """Arrivals at given times; then none for ever. Stands for an ArrivalStream."""

    def __init__(self, times: list[int], seed: int = 0, sessions: list[tuple[int, int]] | None = None) -> None:
        """`sessions`: place and keystroke of each; None: there are none."""
        self._times = np.array(times, dtype=np.int64)
        self._sessions = np.array(sessions or [(-1, -1)] * len(times), dtype=np.int64).reshape(-1, 2)
        self._seed = seed
        self._next = 0

    def chunk(self, size: int) -> Arrivals:
        """The next arrivals."""
        size = min(size, 7)  # small chunks, to cross their borders often
        first = self._next
        times, sessions = self._times[first : first + size], self._sessions[first : first + size]
        if len(times) < size:
            missing = np.arange(first + len(times), first + size)
            times = np.append(times, NEVER // 2 + missing)
            sessions = np.append(sessions, np.full((len(missing), 2), -1), axis=0)
        self._next = first + size
        keys = draws.root_keys(self._seed, 0, 0, np.arange(first, first + size))
        unsaid = np.full(size, -1)
        return Arrivals(first, times, keys, unsaid, unsaid, sessions[:, 0].copy(), sessions[:, 1].copy())


class Act(NamedTuple):
    """What control does to a stage at an instant.

    `pause` (value 1 or 0), `factor`, `flush`; `start`, `drain`, `kill`, `slow` of the replica at `place`; `users`;
    otherwise the name of a LIVE number, which becomes `value`.
    """

    at: int
    what: str
    stage: int  # the machine may have fewer stages: modulo their number
    value: float = 1
    place: int = 0  # likewise


@dataclass
class Load:
    """What arrives, and the instants at which control looks; the window opens and closes at two of them."""

    instants: list[int]
    opens: int = 0  # index of an instant
    closes: int = -1
    profile: Profile | None = None
    times: list[int] = field(default_factory=list)
    seed: int = 1
    acts: list[Act] = field(default_factory=list)  # those before the last look; at an instant before its look
    sessions: list[tuple[int, int]] | None = None  # of each of `times`: place of its session, and keystroke

    def stream(self, built: Machine) -> Any:
        """A fresh stream; the machine's own users go before what arrives by itself."""
        if built.users.number:
            return UserStream(self.seed, 0)
        if self.profile is None:
            return Listed(self.times, self.seed, self.sessions)
        return ArrivalStream(self.profile, self.seed, 0)


@dataclass
class Seen:
    """All that a plane showed during a run."""

    looks: list[tuple[Any, ...]]  # at each instant: time, events, waiting, most waiting, integrals, joined, ...
    ended: Ended
    tally: StageTally
    trace: np.ndarray
    horizon: int


def plane_of(
    engine: str, built: Machine, stream: Any, keep_trace: bool = True, **options: Any
) -> tuple[simpy.Environment, RequestPlane]:
    """An environment with a plane in it, as `control.environment` makes them."""
    if engine == "simpy":
        from simulator.requests_simpy import SimPyRequests

        env = simpy.Environment(initial_time=0)
        return env, SimPyRequests(env, built, stream, keep_trace, **options)
    from simulator.control import KernelEnvironment
    from simulator.requests_compiled import CompiledRequests

    kernel = KernelEnvironment()
    kernel.plane = CompiledRequests(built, stream, keep_trace, **options)
    return kernel, kernel.plane


def act(plane: RequestPlane, built: Machine, done: Act) -> None:
    """Let control do it."""
    stage = done.stage % built.client
    if done.what == "pause":
        plane.pause(stage, bool(done.value), done.at)
    elif done.what == "factor":
        plane.set_factor(stage, float(done.value))
    elif done.what == "flush":
        plane.flush(stage)
    elif done.what == "users":
        if built.users.number:
            plane.set_users(int(done.value), done.at)
    elif done.what in ("start", "drain", "kill", "slow"):
        if built.stages[stage].endless:
            return
        place = done.place % built.stages[stage].places
        if done.what == "slow":
            plane.slow(stage, place, float(done.value))
        else:
            getattr(plane, done.what)(stage, place, done.at)
    else:
        plane.set(stage, done.what, done.value if done.what == "jitter" else int(done.value))


def run(engine: str, built: Machine, load: Load, keep_trace: bool = True, **options: Any) -> Seen:
    """Run one plane under a control process that acts, and looks at every instant."""
    env, plane = plane_of(engine, built, load.stream(built), keep_trace, **options)
    looks: list[tuple[Any, ...]] = []
    parts: list[Ended] = []
    looking = {instant: i for i, instant in enumerate(load.instants)}
    opens, closes = load.opens % len(load.instants), load.closes % len(load.instants)
    horizon = load.instants[-1]

    def control() -> Any:
        for instant in sorted({*load.instants, *(a.at for a in load.acts if a.at < horizon)}):
            if instant > env.now:
                yield env.timeout(instant - env.now)
            for done in load.acts:
                if done.at == instant < horizon:
                    act(plane, built, done)
            if instant not in looking:
                continue
            if looking[instant] == opens:
                plane.measure(True)
            if looking[instant] == closes:
                plane.measure(False)
            waiting, most = plane.waiting().tolist(), plane.most_waiting().tolist()
            seen = [waiting, most, *(integral.tolist() for integral in plane.integrals(instant))]
            places = [plane.replicas(s).tolist() for s in range(built.client)]
            under_way = [column.tolist() for column in plane.under_way()]
            looks.append((instant, plane.events, *seen, plane.joined().tolist(), places, under_way))
            parts.append(plane.take_ended())

    env.run(until=env.process(control()))
    ended = Ended(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    trace = plane.trace() if keep_trace else np.zeros((0, len(Visit._fields)), dtype=np.int64)
    return Seen(looks, ended, plane.tally(), trace, horizon)


def assert_same(one: Seen, other: Seen) -> None:
    """Equal in everything that was seen, to the nanosecond."""
    if not np.array_equal(one.trace, other.trace):
        for row, another in zip(one.trace.tolist(), other.trace.tolist(), strict=False):
            assert Visit(*row) == Visit(*another)
        assert len(one.trace) == len(other.trace)
    for look, another in zip(one.looks, other.looks, strict=True):
        assert look == another
    for name in Ended._fields:
        assert getattr(one.ended, name).tolist() == getattr(other.ended, name).tolist(), name
    for name in StageTally._fields:
        assert np.array_equal(getattr(one.tally, name), getattr(other.tally, name)), name
