"""The control plane: SimPy owns the clock of every run.

Control processes observe (and, later, change) the request plane at their instants and never in between. With the
reference plane the requests' events are in the same environment; with the compiled plane the environment advances
the kernel up to each control instant before it goes there. So control is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import simpy

from cases.errors import RunError
from simulator import draws, service
from simulator.machine import Ints
from simulator.measure import Recorder
from simulator.plan import WALL_SECONDS, Plan, Window
from simulator.plane import EventLimitReachedError, RequestPlane
from simulator.requests_simpy import SimPyRequests
from simulator.workload import ArrivalStream

STEPS = 240  # control instants until the window closes,
REQUESTS_A_STEP = 100_000  # or more of them, so that a long run can be cancelled in an instant

Progress = Callable[[float], None]
"""Told the share of the work that is done; may raise to cancel the run."""
Tick = Callable[[], None]


class KernelEnvironment(simpy.Environment):
    """An environment whose requests live in a kernel."""

    plane: RequestPlane

    def step(self) -> None:
        """Let the requests come up to the next control event, then run it (R6: control acts first in its instant)."""
        self.plane.advance(int(self.peek()))
        super().step()


def environment(
    plan: Plan, replication: int, engine: str, limit: int, tick: Tick, traced: Ints | None = None
) -> tuple[simpy.Environment, RequestPlane]:
    """The clock and the request plane of one replication. `traced`: numbers of the requests to trace."""
    arrivals = ArrivalStream(plan.network.profile, plan.run.seed, replication)
    machine = plan.network.machine
    if engine == "simpy":
        env = simpy.Environment(initial_time=0)
        return env, SimPyRequests(env, machine, arrivals, traced=traced, limit=limit, tick=tick)
    from simulator.requests_compiled import CompiledRequests  # numba takes its time to import

    kernel = KernelEnvironment(initial_time=0)
    kernel.plane = CompiledRequests(machine, arrivals, traced=traced, limit=limit, tick=tick)
    return kernel, kernel.plane


def surroundings(env: simpy.Environment, plane: RequestPlane, plan: Plan, replication: int) -> None:
    """Start what happens around the requests by itself: slow periods, outages, opening hours."""
    network = plan.network

    def periods(stage: int, purpose: str, every: int, lasts: int) -> Iterator[tuple[int, int]]:
        name = draws.name_hash(f"{network.names[stage]} {purpose}")
        return service.periods(plan.run.seed, replication, name, every, lasts)

    def slow(stage: int, times: float) -> Callable[[bool], None]:
        return lambda on: plane.set_factor(stage, times if on else 1.0)

    def out(stage: int) -> Callable[[bool], None]:
        return lambda on: plane.set_outage(stage, on)

    for s in network.slow_periods:
        env.process(_now_and_then(env, periods(s.stage, "slow", s.every, s.lasts), slow(s.stage, s.times)))
    for o in network.outages:
        env.process(_now_and_then(env, periods(o.stage, "out", o.every, o.lasts), out(o.stage)))
    for h in network.hours:
        env.process(_opening_hours(env, plane, h.stage, h.open, h.of))


def _now_and_then(
    env: simpy.Environment, periods: Iterator[tuple[int, int]], switch: Callable[[bool], None]
) -> Generator[simpy.Event, Any, None]:
    for begin, end in periods:
        yield env.timeout(begin - env.now)
        switch(True)
        yield env.timeout(end - begin)
        switch(False)


def _opening_hours(
    env: simpy.Environment, plane: RequestPlane, stage: int, opened: int, of: int
) -> Generator[simpy.Event, Any, None]:
    """Open for the first part of each day; who is being served when it closes is served to the end."""
    while opened < of:
        yield env.timeout(opened)
        plane.pause(stage, True, int(env.now))
        yield env.timeout(of - opened)
        plane.pause(stage, False, int(env.now))


def check_wall(started: float) -> None:
    """R10: a wall-time limit ends the run with an error and no result. `started`: time.monotonic() when it began."""
    if time.monotonic() - started > WALL_SECONDS:
        raise RunError(f"the run took more than {WALL_SECONDS:g} s; ask for fewer requests or replications")


def observe(
    env: simpy.Environment, plane: RequestPlane, plan: Plan, recorder: Recorder, progress: Progress
) -> Generator[simpy.Event, Any, None]:
    """Sample the run, open and close the measuring window, and end it (R9)."""
    window = recorder.window
    step = max(1, -(-window.end // max(STEPS, window.last // REQUESTS_A_STEP)))
    instants = sorted({*range(step, window.end, step), window.start, window.end} - {0})
    if window.start == 0:
        recorder.open(0, plane)
    for instant in instants:
        yield env.timeout(instant - env.now)
        if instant == window.start:
            recorder.open(instant, plane)
        if instant == window.end:
            recorder.close(instant, plane)
        recorder.sample(instant, plane)
        progress(instant / window.end)
    now, drained = window.end, window.end + plan.run.drain
    while recorder.unfinished and now < drained:
        now = min(now + step, drained)
        yield env.timeout(now - env.now)
        recorder.sample(now, plane)
        progress(1.0)


def replicate(
    plan: Plan,
    replication: int,
    engine: str,
    window: Window,
    progress: Progress,
    tick: Tick,
    slowest: int = 0,
    traced: Ints | None = None,
) -> Recorder:
    """Run one replication to its end. `tick` is called every so many events; it may raise, as `progress` may.

    The recorder remembers so many of the `slowest` requests, and the trace of the requests `traced` (their numbers).
    """
    limit = plan.event_limit(window)
    env, plane = environment(plan, replication, engine, limit, tick, traced)
    surroundings(env, plane, plan, replication)
    recorder = Recorder(plan, window, keep_timeline=replication == 0, replication=replication, slowest=slowest)
    try:
        env.run(until=env.process(observe(env, plane, plan, recorder, progress)))
    except EventLimitReachedError as reached:
        recorder.cut_short(reached.at, plane, limit)
    recorder.finish(plane, traced=traced is not None)
    return recorder
