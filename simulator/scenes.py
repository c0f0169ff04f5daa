"""A run as something to watch: its timeline as frames, and what becomes of some of its requests.

All of it is small and whole numbers, so that a picture can be moved by it without asking again. The requests are every
so many-th by number, which is the order in which they arrive: nobody is chosen by luck, and both planes choose the
same. Their visits are not kept by a run, so the first replication is run once more for them alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from simulator.control import Progress, onward, replicate, window_of
from simulator.engine import Look, Planes
from simulator.machine import Ints
from simulator.plan import Engine, Plan
from simulator.report import load_word
from simulator.results import SimulationResult
from simulator.semantics import Trace, Visit, visits
from simulator.timeline import PERCENTILES, Floats, Timeline
from simulator.workload import SECOND

TICK = 100_000  # ns: times are in tenths of a millisecond
MOST_REQUESTS = 450  # more dots than these run into each other
MOST_VISITS = 10_000  # of all of them: a request may have hundreds
SHARES = 10_000  # utilisation, replicas and arrivals a second are counted in ten-thousandths
FIT = 2
WATCHED = 24  # s: what watching a whole run takes, about
SPEEDS = tuple(n * 10.0**power for power in range(-4, 5) for n in (1, 2, 5))


class Stay(NamedTuple):
    """A visit of a request. Times in ticks after the request's arrival; None: not before the run was over."""

    stage: int
    sent: int
    joined: int | None  # its queue
    start: int | None  # of the service; where there was none, when the visit was over
    over: int | None  # when its caller knew
    outcome: int  # VisitEnd
    again: bool  # a retry or a hedge


class Journey(NamedTuple):
    """A request: when it arrived (ticks), and its visits by number."""

    number: int
    arrival: int
    stays: tuple[Stay, ...]


@dataclass(frozen=True)
class Scene:
    """Some requests of the first replication, at equal distances: one of each `of`."""

    names: tuple[str, ...]
    of: float
    journeys: tuple[Journey, ...]

    @cached_property
    def numbers(self) -> list[list[int]]:
        """For each request its arrival, then its visits one after the other; -1 where there is no time."""
        return [
            [one.arrival, *(-1 if n is None else int(n) for stay in one.stays for n in stay)] for one in self.journeys
        ]

    def as_json(self) -> dict[str, Any]:
        """For the browser."""
        return {"of": round(self.of, 1), "stages": list(self.names), "journeys": self.numbers}


def scene(plan: Plan, engine: Engine = "auto", progress: Progress = lambda _: None) -> Scene:
    """Follow some requests of the first replication. `progress` as for `simulate`; costs about as much as that run."""
    tell = onward(progress)
    return Planes(engine).run(lambda plane, look: _scene(plan, plane, look, tell))


def _scene(plan: Plan, plane: str, look: Look, tell: Progress) -> Scene:
    share = [0.0]

    def tick() -> None:
        look(share[0])
        tell(share[0])

    def told(done: float) -> None:
        share[0] = done
        tick()

    measured = window_of(plan, 0, plane, tick)
    chosen = evenly(measured.last)
    trace = replicate(plan, 0, plane, measured, told, tick, traced=chosen).trace
    assert trace is not None
    kept = _few(trace, chosen)
    return Scene(plan.network.names, measured.last / len(kept), tuple(_journeys(kept, plan.network.machine.client)))


def evenly(count: int) -> Ints:
    """Numbers below `count` at equal distances, at most `MOST_REQUESTS`."""
    return np.arange(0, count, -(-count // MOST_REQUESTS), dtype=np.int64)


def _few(trace: Trace, chosen: Ints) -> list[list[Visit]]:
    """The visits of each request; of every second one, or fourth, where there would be too many."""
    found = [list(family) for _, family in groupby(visits(trace), key=lambda v: v.request)]
    while sum(map(len, found)) > MOST_VISITS and len(found) > 1:
        found = found[::2]
    return found


def _journeys(families: list[list[Visit]], client: int) -> Iterator[Journey]:
    for family in families:
        arrival = min(v.send for v in family)
        stays = tuple(_stay(v, arrival) for v in family if v.stage != client)
        yield Journey(family[0].request, arrival // TICK, stays)


def _stay(v: Visit, arrival: int) -> Stay:
    """A visit; the visits of a request keep their order in time, for all are rounded down from its arrival."""

    def after(at: int) -> int | None:
        return (at - arrival) // TICK if at >= 0 else None

    # Who waited for another's fetch, or was turned away, never started: the wait ends with the visit.
    start = v.start if v.start >= 0 else v.answer
    again = v.attempt + v.copy > 0
    return Stay(v.stage, (v.send - arrival) // TICK, after(v.join), after(start), after(v.answer), v.outcome, again)


# -- the run over time ------------------------------------------------------------------------------------------------


def frames(timeline: Timeline, cells: int = 1) -> dict[str, Any]:
    """The rows of a timeline as whole numbers, null where there is none; queues and replicas of all cells.

    Times in ticks (row i ends at `ends[i]`), latencies in microseconds. Utilisation, replicas and what comes a
    second in ten-thousandths, rounded down: who rounds them further gets what he would have got at once.
    """
    last = int(timeline.times[-1])
    return {
        "ends": (timeline.times // TICK).tolist(),
        "percentiles": {name: list(map(_microseconds, timeline.percentiles[name])) for name in PERCENTILES},
        "stages": {
            name: {
                "utilisation": _whole(timeline.stages["utilisation"][:, s] * SHARES),
                "words": [load_word(share) for share in timeline.stages["utilisation"][:, s].tolist()],
                "waiting": _whole(timeline.waiting[:, s] * cells),
                "replicas": _whole(timeline.replicas[:, s] * SHARES * cells),
                "come": _whole(timeline.stages["arrivals_per_s"][:, s] * SHARES * cells),
            }
            for s, name in enumerate(timeline.names)
        },
        "longest": int(timeline.waiting.max(initial=0.0)) * cells,
        "marks": [
            {"label": label, "begin": begin // TICK, "end": min(end, last) // TICK}
            for label, begin, end in timeline.marks
            if begin < last
        ],
    }


def _whole(values: Floats) -> list[int | None]:
    return [None if value != value else math.floor(value + 1e-6) for value in values.tolist()]


def _microseconds(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1_000)


def target(result: SimulationResult) -> tuple[str, float] | None:
    """The first latency objective: its percentile's name and its limit (ms); None: there is none."""
    for objective in result.objectives:
        name = objective.name.removeprefix("latency ")
        if name != objective.name:
            return name, objective.target
    return None


def speeds(length: int) -> tuple[float, ...]:
    """Speeds to watch a run of so many ns at, against real time: the one at `FIT` takes about `WATCHED` seconds."""
    fit = min(range(len(SPEEDS)), key=lambda i: abs(math.log(SPEEDS[i] * WATCHED * SECOND / max(length, 1))))
    first = min(max(fit - FIT, 0), len(SPEEDS) - 5)
    return SPEEDS[first : first + 5]


def first_breach(result: SimulationResult) -> float | None:
    """When (s) a percentile was first over its latency objective, for a row of the timeline; None: it never was.

    Where something happens meanwhile, from when it does: single rows may be over at any time.
    """
    timeline = result.timeline
    judged = [(o, o.name.removeprefix("latency ")) for o in result.objectives if o.met is False]
    found = next(((o, name) for o, name in judged if name in PERCENTILES), None)
    if timeline is None or found is None:
        return None
    objective, name = found
    since = min((begin for _, begin, _ in timeline.marks), default=0)
    for end, value in zip(timeline.times.tolist(), timeline.percentiles[name], strict=True):
        if end > since and value is not None and value > objective.target:
            return float(end / SECOND)
    return None
