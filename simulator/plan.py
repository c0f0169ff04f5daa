"""What is run: a case, and how long and how often."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from cases.errors import RunError, StagecraftError
from cases.numbers import from_table
from cases.scenarios import scenario as scenario_of
from cases.spec import Case, RunSpec, Scenario
from simulator import draws
from simulator.machine import NEVER, Machine
from simulator.network import Network, resolve
from simulator.workload import LATEST, SECOND, ArrivalStream, Closed, Load, Replay, nanoseconds
from simulator.world import World, world

Engine = Literal["auto", "simpy", "compiled"]

EVENTS_PER_VISIT = 8  # an arrival, a hop, a finish and two time-outs, and some to spare
SECOND_TRIES = 8  # times the visits of first attempts: what is granted where retries multiply through the tiers
MOST_DRAIN_EVENTS = 1_500_000  # what a replication may take when its drain would take more than its window
MOST_REQUESTS = 1_000_000_000  # measured, and before: numbers of unit time fit int64 up to twice that
MOST_REPLICATIONS = 1_000
MOST_WARM_UP = 20  # requests before the window for each in it
LONGEST = 10 * 365 * 86_400 * SECOND  # of simulated time
WALL_SECONDS = 600.0
KEPT = 1 << 21  # arrivals that were read ahead, of a replication: some dozens of MB
LEAST_AFTER = 10 * SECOND  # measured after the last event
FORMAT = 4  # of keys: raised when the same plan may give other bytes


@dataclass(frozen=True)
class Run:
    """How a plan is run. Times in ns. Either `requests` are measured, or those that arrive within `duration`."""

    seed: int
    replications: int
    requests: int | None
    duration: int | None
    warm_up: int | None  # None: a tenth as long as what is measured
    drain: int
    events: int | None = None  # a replication's limit; None: by EVENTS_PER_VISIT

    @property
    def span(self) -> tuple[int, int] | None:
        """From when to when is measured, where a duration is said; the load does not matter then."""
        if self.duration is None:
            return None
        start = self.duration // 10 if self.warm_up is None else self.warm_up
        return start, start + self.duration


@dataclass(frozen=True)
class Window:
    """What is measured (R9): requests `first` to `last` (excluded), and stages from `start` to `end` ns."""

    first: int
    last: int
    start: int
    end: int
    ahead: Ahead | None = field(default=None, compare=False, repr=False)  # where it was found by reading arrivals


@dataclass(frozen=True)
class Plan:
    """A case with its network, what happens around it, and its run: everything that shapes a result."""

    case: Case
    network: Network  # with places for all replicas that may come
    world: World
    run: Run
    scenario: str | None = None  # its name

    @property
    def load(self) -> Load:
        """What is offered."""
        return self.world.load

    @cached_property
    def key(self) -> str:
        """Names the result: the hash of the case as changed and of the run. Holds counts, never clocks."""
        identity: dict[str, object] = {"format": FORMAT, "case": self.case.tree, "run": asdict(self.run)}
        if taken := from_table(self.case):
            identity["numbers"] = {name: number.value for name, number in sorted(taken.items())}
        if self.scenario is not None:
            identity["events"] = [event.model_dump() for event in scenario_of(self.case, self.scenario).events]
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def redesigned(self, case: Case) -> Plan:
        """The same run, and the same things happening, of another design."""
        network = resolve(case)
        around = world(case, network, None if self.scenario is None else scenario_of(case, self.scenario))
        return replace(self, case=case, network=_placed(network, around), world=around)

    def until_windows_close(self) -> tuple[int, float]:
        """When a replication's window closes (ns), and the requests until then, both on average; of an open load."""
        if self.run.span is not None:
            end = self.run.span[1]
            return end, self.load.expected(end)
        wanted, warm_up = self.run.requests or 0, self.run.warm_up
        requests = wanted + (-(-wanted // 10) if warm_up is None else self.load.expected(warm_up))
        early, late = 0, LONGEST
        while late - early > 1:
            middle = (early + late) // 2
            early, late = (middle, late) if self.load.expected(middle) < requests else (early, middle)
        return late, requests

    def event_limit(self, window: Window) -> int:
        """Events after which a replication is cut short: what requests up to the drain limit take, within reason."""
        if self.run.events is not None:
            return self.run.events
        machine = self.network.machine
        each = EVENTS_PER_VISIT * min(visits_at_most(machine), SECOND_TRIES * visits_at_most(machine, first_only=True))
        until = window.end + self.run.drain
        everybody = each * (window.last + self.load.expected(until) - self.load.expected(window.end))
        return max(each * max(window.last, 1_000), min(int(everybody), MOST_DRAIN_EVENTS))


def visits_at_most(machine: Machine, first_only: bool = False) -> int:
    """Visits of one request when every stage is called: with all attempts and hedges, or with first attempts only."""

    def visits(s: int) -> int:
        stage = machine.stages[s]
        calls = stage.shards * (1 if s == machine.client else visits(stage.caller))
        return calls if first_only else calls * stage.attempts * (2 if stage.hedge_after < NEVER else 1)

    return sum(visits(s) for s in range(len(machine.stages)))


def plan(
    case: Case,
    *,
    seed: int | None = None,
    replications: int | None = None,
    requests: int | None = None,
    duration: float | None = None,
    drain: float | None = None,
    events: int | None = None,
    scenario: str | None = None,
) -> Plan:
    """The plan for a case, by its scenario's and its own `run` where nothing else is said.

    `duration` and `drain` in seconds. DesignError if there is no such scenario, or if it cannot go with the case.
    """
    happens = None if scenario is None else scenario_of(case, scenario)
    network = resolve(case)
    around = world(case, network, happens)
    network, load = _placed(network, around), around.load
    own = case.run if happens is None else _run_of(case.run, happens, around)
    if duration is None and requests is None and happens is not None:
        duration = happens.run.duration if happens.run.requests is None else None
        if duration is None and happens.run.requests is None:
            duration = _long_enough(_as_written(case, scenario, around), own)
    if requests is not None and duration is not None:
        raise RunError("both a number of requests and a duration; say one of them")
    run = Run(
        seed=own.seed if seed is None else seed,
        replications=own.replications if replications is None else replications,
        requests=None if duration is not None else _own_requests(own, load) if requests is None else requests,
        duration=None if duration is None else nanoseconds(duration),
        warm_up=None if own.warm_up is None else nanoseconds(own.warm_up),
        drain=nanoseconds(own.drain if drain is None else drain),
        events=events,
    )
    _check(run, load)
    return Plan(case, network, around, run, scenario)


def _placed(network: Network, around: World) -> Network:
    """With places for all replicas that may come, and with what is offered then."""
    return network._replace(machine=around.placed(network.machine), load=around.load)


def _as_written(case: Case, scenario: str | None, around: World) -> World:
    """What happens to the case before any design, so that all designs are measured for as long; else as it stands."""
    written = case.as_written
    if scenario is None or written is case:
        return around
    try:
        return world(written, resolve(written), scenario_of(written, scenario))
    except StagecraftError:  # the scenario goes with the design only
        return around


def _run_of(own: RunSpec, happens: Scenario, around: World) -> RunSpec:
    """The case's own run, but for what the scenario says of its own, and measuring before anything happens."""
    said = {name: value for name, value in happens.run.model_dump(exclude={"duration"}).items() if value is not None}
    if own.warm_up is None and around.marks and happens.run.duration is None and happens.run.requests is None:
        said = {"warm_up": min(mark.start for mark in around.marks) / 2 / SECOND} | said
    return own.model_copy(update=said)


def _long_enough(around: World, own: RunSpec) -> float:
    """Seconds from the warm-up on in which one sees what happens, and whether the system comes back."""
    first = min((mark.start for mark in around.marks), default=0)
    after = max(LEAST_AFTER, 2 * (around.last_event_end - first))
    return (around.last_event_end + after) / SECOND - (own.warm_up or 0.0)


def _own_requests(own: RunSpec, load: Load) -> int:
    """As many as the case says; if it does not, of a recording at most what it holds."""
    if isinstance(load, Replay) and "requests" not in own.model_fields_set:
        return max(1, min(own.requests, _held(load, None if own.warm_up is None else nanoseconds(own.warm_up))))
    return own.requests


def _held(load: Replay, warm_up: int | None) -> int:
    """Requests that can be measured after the warm-up (ns; None: a tenth as many as are measured)."""
    many = len(load.times)
    return many * 10 // 11 if warm_up is None else many - round(load.expected(warm_up))


def _check(run: Run, load: Load) -> None:
    """Refuse what would measure nothing or never end."""
    if not 1 <= run.replications <= MOST_REPLICATIONS:
        raise RunError(f"{run.replications:,} replications is out of bounds: from 1 to {MOST_REPLICATIONS:,}")
    if run.requests is not None:
        measured = float(run.requests)
        if not 1 <= run.requests <= MOST_REQUESTS:
            raise RunError(f"{run.requests:,} requests is out of bounds: a run measures from 1 to {MOST_REQUESTS:,}")
        if isinstance(load, Replay):
            _check_recorded(load, run)
        elif load.expected(LONGEST) < 2 * run.requests:
            raise RunError(
                f"{run.requests:,} requests take more than {LONGEST // SECOND // 86_400 // 365} years at this rate; "
                "raise the rate, measure fewer requests, or give a duration"
            )
    else:
        assert run.duration is not None
        assert run.span is not None
        start, end = run.span
        measured = load.expected(end) - load.expected(start)
        if run.duration < 1 or measured > MOST_REQUESTS:
            seconds = run.duration / SECOND
            raise RunError(f"{seconds:g} s bring no request or more than {MOST_REQUESTS:,}; choose another duration")
    before = load.expected(run.warm_up or 0)
    if before > MOST_WARM_UP * max(measured, 10_000) or before > MOST_REQUESTS:
        raise RunError(
            f"the warm-up brings about {before:,.0f} requests before the {measured:,.0f} measured ones; "
            "shorten run.warm_up, leave it out, or measure more"
        )


def _check_recorded(load: Replay, run: Run) -> None:
    held = _held(load, run.warm_up)
    if run.requests is not None and run.requests > held:
        raise RunError(
            f"{run.requests:,} requests cannot be measured: {len(load.times):,} were recorded, of which {held:,} come "
            "after the warm-up; measure fewer, or shorten run.warm_up"
        )


def window(
    load: Load,
    run: Run,
    replication: int,
    tick: Callable[[], None] = lambda: None,
    arithmetic: draws.Arithmetic = draws.NUMPY,
) -> Window:
    """What a replication measures: found by reading its arrivals ahead. `tick` is called now and then; it may raise.

    Not for a closed loop, whose arrivals depend on the answers: there only `Run.span` is known beforehand.
    """
    assert not isinstance(load, Closed)
    arrivals = Ahead(load, run.seed, replication, tick, arithmetic)
    if run.span is not None:
        start, end = run.span
        found = Window(arrivals.number_at(start), arrivals.number_at(end), start, end, arrivals)
        if found.first == found.last:
            length = (end - start) / SECOND
            raise RunError(f"no request arrives in {length:g} s after the warm-up; measure for longer")
        return found
    assert run.requests is not None
    first = -(-run.requests // 10) if run.warm_up is None else arrivals.number_at(run.warm_up)
    last = first + run.requests
    # With a stated warm-up the window opens then, not at the first arrival after it.
    start = arrivals.time_of(first) if run.warm_up is None else run.warm_up
    latest, end = arrivals.time_of(last - 1), arrivals.time_of(last)
    return Window(first, last, start, max(end if end < LATEST else latest + 1, start + 1), arrivals)


class Ahead:
    """The arrivals of a replication, read forward, once; those of all but long runs are kept for the run itself."""

    def __init__(
        self,
        load: Load,
        seed: int,
        replication: int,
        tick: Callable[[], None],
        arithmetic: draws.Arithmetic = draws.NUMPY,
    ) -> None:
        self._of = (load, seed, replication, arithmetic)
        self._tick = tick
        self._stream = ArrivalStream(*self._of)
        self._chunk = self._stream.chunk()
        self._kept = [self._chunk]

    def number_at(self, time: int) -> int:
        """The number of the first request that arrives at `time` or later."""
        while self._chunk.times[-1] < time:
            self._further()
        return self._chunk.first + int(np.searchsorted(self._chunk.times, time, side="left"))

    def time_of(self, number: int) -> int:
        """When request `number` arrives."""
        while number >= self._chunk.first + len(self._chunk.times):
            self._further()
        return int(self._chunk.times[number - self._chunk.first])

    def again(self) -> ArrivalStream:
        """From the first on; drawn anew if they are not kept, or were taken before. Nobody reads on here after that."""
        kept, self._kept = self._kept, []
        if not kept:
            return ArrivalStream(*self._of)
        self._stream.give_back(kept)
        return self._stream

    def _further(self) -> None:
        self._tick()
        self._chunk = self._stream.chunk()
        if self._kept and self._chunk.first < KEPT:
            self._kept.append(self._chunk)
        else:
            self._kept = []
