"""The control plane: SimPy owns the clock of every run.

Control processes observe and change the request plane at their instants and never in between. With the
reference plane the requests' events are in the same environment; with the compiled plane the environment advances
the kernel up to each control instant before it goes there. So control is written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import simpy

from cases.errors import RunError
from simulator import draws, service
from simulator.effects import Effects
from simulator.fleet import Fleet
from simulator.machine import Ints
from simulator.measure import Recorder
from simulator.plan import LONGEST, WALL_SECONDS, Ahead, Plan, Window, window
from simulator.plane import EventLimitReachedError, RequestPlane
from simulator.requests_simpy import SimPyRequests
from simulator.users import UserStream
from simulator.workload import SECOND, ArrivalStream, Closed, Even, Rates
from simulator.world import fleets as world_fleets
from simulator.world import processes

LOOKS = 240  # into which the time until the window closes is cut,
REQUESTS_A_LOOK = 100_000  # or more: what ended since the last one is held in memory
LOOKS_A_ROW = 4  # of the timeline, where no step is stated: a percentile wants requests behind it
FEWEST_A_LOOK = 4_096  # requests, where there is no timeline: looking costs as much for few as for these
PATIENCE = 16  # in the drain one waits for so small a part of what has passed of it

LOOK_UP = (1 << 15) - 1  # steps of the environment between two looks at the wall clock, less one

Progress = Callable[[float], None]
"""Told the share of the work that is done; may raise to cancel the run."""
Tick = Callable[[], None]


class Clock(simpy.Environment):
    """An environment that looks up now and then, however busy control is: a desk may open and close each nanosecond."""

    def __init__(self, tick: Tick = lambda: None) -> None:
        super().__init__(initial_time=0)
        self._tick, self._steps = tick, 0

    def step(self) -> None:
        """Run the next event."""
        self._steps += 1
        if self._steps & LOOK_UP == 0:
            self._tick()
        super().step()


class KernelEnvironment(Clock):
    """An environment whose requests live in a kernel."""

    plane: RequestPlane

    def step(self) -> None:
        """Let the requests come up to the next control event, then run it (R6: control acts first in its instant)."""
        self.plane.advance(int(self.peek()))
        super().step()


def environment(
    plan: Plan,
    replication: int,
    engine: str,
    limit: int,
    tick: Tick,
    traced: Ints | None = None,
    ahead: Ahead | None = None,
) -> tuple[simpy.Environment, RequestPlane]:
    """The clock and the request plane of one replication.

    `traced`: numbers of the requests to trace; `ahead`: its arrivals, if somebody has read them already.
    """
    machine = plan.network.machine
    arrivals: ArrivalStream | UserStream
    if machine.users.number > 0:
        arrivals = UserStream(plan.run.seed, replication)
    elif ahead is not None:
        arrivals = ahead.again()
    else:
        arrivals = ArrivalStream(plan.load, plan.run.seed, replication, _arithmetic(engine))
    if engine == "simpy":
        env = Clock(tick)
        return env, SimPyRequests(env, machine, arrivals, traced=traced, limit=limit, tick=tick)
    from simulator.requests_compiled import CompiledRequests  # numba takes its time to import

    kernel = KernelEnvironment(tick)
    kernel.plane = CompiledRequests(machine, arrivals, traced=traced, limit=limit, tick=tick, still=is_still(plan))
    return kernel, kernel.plane


def _arithmetic(engine: str) -> draws.Arithmetic:
    if engine == "simpy":
        return draws.NUMPY
    from simulator.kernel_draws import COMPILED

    return COMPILED


def is_still(plan: Plan) -> bool:
    """Whether nobody acts on stages but for slow periods, and each request comes by itself."""
    network, world = plan.network, plan.world
    acts = network.outages, network.hours, world.changes, world.faults, world.scaling
    return not any(acts) and isinstance(plan.load, Rates | Even)


def surroundings(env: simpy.Environment, plane: RequestPlane, plan: Plan, replication: int) -> dict[int, Fleet]:
    """Start what happens around the requests: by itself (slow periods, outages, opening hours), and in the scenario.

    Gives the fleets of the stages that have replicas.
    """
    network, world = plan.network, plan.world
    effects = Effects(plane, network.machine)

    def periods(stage: int, purpose: str, every: int, lasts: int) -> Iterator[tuple[int, int]]:
        name = draws.name_hash(f"{network.names[stage]} {purpose}")
        return service.periods(plan.run.seed, replication, name, every, lasts)

    def slow(stage: int, times: float) -> Callable[[bool], None]:
        return lambda on: effects.slow(stage, times, on)

    def out(stage: int) -> Callable[[bool], None]:
        return lambda on: effects.outage(stage, on)

    for s in network.slow_periods:
        env.process(_now_and_then(env, periods(s.stage, "slow", s.every, s.lasts), slow(s.stage, s.times)))
    for o in network.outages:
        env.process(_now_and_then(env, periods(o.stage, "out", o.every, o.lasts), out(o.stage)))
    for h in network.hours:
        env.process(_opening_hours(env, effects, h.stage, h.open, h.of))
    fleets = world_fleets(env, plane, network.machine, world)
    processes(env, plane, world, fleets, effects)
    return fleets


def _now_and_then(
    env: simpy.Environment, periods: Iterator[tuple[int, int]], switch: Callable[[bool], None]
) -> Generator[simpy.Event, Any, None]:
    for begin, end in periods:
        yield env.timeout(begin - env.now)
        switch(True)
        yield env.timeout(end - begin)
        switch(False)


def _opening_hours(
    env: simpy.Environment, effects: Effects, stage: int, opened: int, of: int
) -> Generator[simpy.Event, Any, None]:
    """Open for the first part of each day; who is being served when it closes is served to the end."""
    while opened < of:
        yield env.timeout(opened)
        effects.pause(stage, True, int(env.now))
        yield env.timeout(of - opened)
        effects.pause(stage, False, int(env.now))


def check_wall(started: float) -> None:
    """R10: a wall-time limit ends the run with an error and no result. `started`: time.monotonic() when it began."""
    if time.monotonic() - started > WALL_SECONDS:
        raise RunError(f"the run took more than {WALL_SECONDS:g} s; ask for fewer requests or replications")


def onward(progress: Progress) -> Progress:
    """As `progress`, within the wall-time limit from now on; what was done is not taken back when a run starts over."""
    started, furthest = time.monotonic(), 0.0

    def tell(share: float) -> None:
        nonlocal furthest
        check_wall(started)
        furthest = max(furthest, share)
        progress(furthest)

    return tell


def observe(
    env: simpy.Environment,
    plane: RequestPlane,
    plan: Plan,
    fleets: dict[int, Fleet],
    recorder: Recorder,
    progress: Progress,
    step: int | None,
) -> Generator[simpy.Event, Any, None]:
    """Sample the run, open and close the measuring window, and end it (R9). `step`: of the timeline, if one is said.

    Until the window closes one looks as rarely as rows, memory and who watches allow. After that it is often at first,
    for a run is over at the first look that finds all measured requests ended; and the more rarely the longer that
    takes.
    """
    window = recorder.window
    look = max(1, -(-window.end // max(LOOKS, window.last // REQUESTS_A_LOOK)))
    most = max(look, window.end * REQUESTS_A_LOOK // window.last)
    row = step or LOOKS_A_ROW * look
    between = LOOKS_A_ROW * look if LOOKS_A_ROW * look <= most else look
    if not recorder.keeps_timeline:
        row = between = max(between, window.end * FEWEST_A_LOOK // window.last)
    instants = sorted({*(i for d in (between, row) for i in range(d, window.end, d)), window.start, window.end} - {0})

    def paid(now: int) -> Ints:
        """Replica-time that is paid for, by stage (ns)."""
        stages = enumerate(plan.network.machine.stages[:-1])
        return np.array([fleets[s].paid(now) if s in fleets else stage.replicas * now for s, stage in stages])

    before = paid(0)
    if window.start == 0:
        recorder.open(0, plane)
    for instant in instants:
        yield env.timeout(instant - env.now)
        if instant == window.start:
            recorder.open(instant, plane)
            before = paid(instant)
        if instant == window.end:
            recorder.close(instant, plane)
            recorder.paid_ns = (paid(instant) - before).tolist() if plan.world.moves_replicas else None
        recorder.sample(instant, plane, row_ends=instant % row == 0)
        progress(instant / window.end)
    now, drained, looks = window.end, window.end + plan.run.drain, 0
    while recorder.unfinished and now < drained:
        further = max(look, min((now - window.end) // PATIENCE, most))
        now = min(now + further, drained, *((now - now % step + step,) if step else ()))
        yield env.timeout(now - env.now)
        looks += 1
        recorder.sample(now, plane, row_ends=now % step == 0 if step else looks % LOOKS_A_ROW == 0)
        progress(1.0)


def window_of(plan: Plan, replication: int, engine: str, tick: Tick) -> Window:
    """What a replication measures. In a closed loop, where arrivals depend on answers, it is run once to find out."""
    if not isinstance(plan.load, Closed):
        return window(plan.load, plan.run, replication, tick, _arithmetic(engine))
    return _found_by_running(plan, replication, engine, tick)


def _found_by_running(plan: Plan, replication: int, engine: str, tick: Tick) -> Window:
    run, warm_up = plan.run, plan.run.warm_up
    requests = run.requests or 0
    if run.span is not None:
        until, wanted = run.span[1] + 1, 0
    else:
        until, wanted = SECOND // 1000 + (warm_up or 0), requests + -(-requests // 10) + 1
    limit = plan.event_limit(Window(0, max(wanted, round(plan.load.expected(until))), 0, until))
    env, plane = environment(plan, replication, engine, limit, tick)
    surroundings(env, plane, plan, replication)
    ended: list[Ints] = []
    while True:
        try:
            env.run(until=until)
        except EventLimitReachedError:
            raise RunError(
                f"the closed loop takes more than {limit:,} events before its window is over; measure less, "
                "or have fewer users or a 'timeout'"
            ) from None
        ended.append(np.stack(plane.take_ended()[:2]))
        arrivals = np.concatenate([*ended, np.stack(plane.under_way()[:2])], axis=1)
        times = np.sort(arrivals[1])
        if run.span is not None:
            start, end = run.span
            first, last = np.searchsorted(times, (start, end)).tolist()
            if first == last:
                raise RunError(f"no request arrives in {(end - start) / SECOND:g} s after the warm-up; measure longer")
            return Window(first, last, start, end)
        first = -(-requests // 10) if warm_up is None else int(np.searchsorted(times, warm_up))
        last = first + requests
        if len(times) > last:
            start = int(times[first]) if warm_up is None else warm_up
            return Window(first, last, start, max(int(times[last]), start + 1))
        if until > LONGEST:
            raise RunError(
                f"the users send only {len(times):,} requests in ten years; measure fewer, or say a duration"
            )
        until *= 2


def replicate(
    plan: Plan,
    replication: int,
    engine: str,
    window: Window,
    progress: Progress,
    tick: Tick,
    slowest: int = 0,
    traced: Ints | None = None,
    step: int | None = None,
) -> Recorder:
    """Run one replication to its end. `tick` is called every so many events; it may raise, as `progress` may.

    The recorder remembers so many of the `slowest` requests, and the trace of the requests `traced` (their numbers);
    `step` (ns) is that of the timeline, if one is wanted.
    """
    limit = plan.event_limit(window)
    env, plane = environment(plan, replication, engine, limit, tick, traced, window.ahead)
    fleets = surroundings(env, plane, plan, replication)
    measured = replace(window, ahead=None)  # recorders are many
    recorder = Recorder(plan, measured, keep_timeline=replication == 0, step=step, slowest=slowest)
    try:
        rows = step if replication == 0 else None  # the timeline is the first replication's
        env.run(until=env.process(observe(env, plane, plan, fleets, recorder, progress, rows)))
    except EventLimitReachedError as reached:
        recorder.cut_short(reached.at, plane, limit)
    recorder.finish(plane, traced=traced is not None)
    return recorder
