"""From how a case says that requests come to what is offered: `offered(workload)`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TypeVar

from cases.spec import Workload
from simulator import service
from simulator.sessions import Sessions
from simulator.workload import Bursts, Closed, Cycle, Even, Load, Profile, Replay, nanoseconds

STEPS = 96  # in which a rate that changes all the time is read: a quarter of an hour of a day
HALVINGS = 16  # after which a flash crowd has gone home
STEPS_A_HALVING = 6
DAY = 86_400.0

T = TypeVar("T")


def offered(workload: Workload) -> Load:
    """The load of a case."""
    return _BY_KIND[workload.kind](workload)


def _said(value: T | None) -> T:
    """What the workload's own check has seen to."""
    assert value is not None
    return value


def _poisson(workload: Workload) -> Profile:
    return Profile.constant(_said(workload.rate))


def _even(workload: Workload) -> Even:
    return Even(_poisson(workload))


def _bursty(workload: Workload) -> Bursts:
    rate, times = _said(workload.rate), _said(workload.times)
    every, lasts = _said(workload.every), _said(workload.lasts)
    quiet = rate * (every + lasts) / (every + times * lasts)
    return Bursts(quiet, quiet * times, max(1, nanoseconds(every)), max(1, nanoseconds(lasts)))


def _diurnal(workload: Workload) -> Cycle:
    """A sinusoid, of which each step has the mean: sin x / x of the swing in its middle, x half the angle of a step."""
    rate, period = _said(workload.rate), nanoseconds(workload.period or DAY)
    peak = period / 2 if workload.peak_at is None else nanoseconds(workload.peak_at)
    half = math.pi / STEPS
    swing = (_said(workload.peak_to_mean) - 1.0) * math.sin(half) / half
    angles = (half * (2 * k + 1) - math.tau * peak / period for k in range(STEPS))
    rates = tuple(_tidy(rate * max(0.0, 1.0 + swing * math.cos(angle))) for angle in angles)
    return Cycle(Profile(_in_steps(0, period, STEPS), rates), period)


def _schedule(workload: Workload) -> Profile:
    steps = _said(workload.steps)
    starts = itertools.accumulate((nanoseconds(step.lasts) for step in steps[:-1]), initial=0)
    return Profile(tuple(starts), tuple(step.rate for step in steps))


def _ramp(workload: Workload) -> Profile:
    first, last, over = _said(workload.first), _said(workload.last), nanoseconds(_said(workload.over))
    rates = (first + (last - first) * (k + 0.5) / STEPS for k in range(STEPS))
    return Profile((*_in_steps(0, over, STEPS), over), (*rates, last))


def _spike(workload: Workload) -> Profile:
    rate, at = _said(workload.rate), nanoseconds(_said(workload.at))
    end = at + nanoseconds(_said(workload.lasts))
    return Profile((0, at, end), (rate, rate * _said(workload.times), rate))


def _flash_crowd(workload: Workload) -> Profile:
    """Each step of the decay has the mean of the exponential over it."""
    rate, at = _said(workload.rate), nanoseconds(_said(workload.at))
    peak = at + nanoseconds(_said(workload.rise))
    many = HALVINGS * STEPS_A_HALVING
    end = peak + HALVINGS * nanoseconds(_said(workload.half_life))
    crowd, step = rate * (_said(workload.times) - 1.0), math.log(2.0) / STEPS_A_HALVING
    rising = (rate + crowd * (k + 0.5) / STEPS for k in range(STEPS))
    falling = (_tidy(rate + crowd * math.exp(-step * k) * -math.expm1(-step) / step) for k in range(many))
    starts = (0, *_in_steps(at, peak, STEPS), *_in_steps(peak, end, many), end)
    return Profile(starts, (rate, *rising, *falling, rate))


def _replay(workload: Workload) -> Replay:
    rows = _said(workload.arrivals)
    index = {one.name: i for i, one in enumerate(workload.classes)} | {"": -1}
    return Replay(rows.times, tuple(index[name] for name in rows.classes), rows.items)


def _closed(workload: Workload) -> Closed:
    think = service.mean(_said(workload.think).as_service)
    return Closed(_said(workload.users), max(1, nanoseconds(think)))


def _sessions(workload: Workload) -> Sessions:
    return Sessions(_poisson(workload), _said(workload.requests).as_service, _said(workload.gap).as_service)


_BY_KIND: dict[str, Callable[[Workload], Load]] = {
    "poisson": _poisson,
    "even": _even,
    "bursty": _bursty,
    "diurnal": _diurnal,
    "schedule": _schedule,
    "ramp": _ramp,
    "spike": _spike,
    "flash_crowd": _flash_crowd,
    "replay": _replay,
    "closed": _closed,
    "sessions": _sessions,
}


def _in_steps(start: int, end: int, many: int) -> tuple[int, ...]:
    """The beginnings of so many equal steps (ns)."""
    return tuple(start + (end - start) * k // many for k in range(many))


def _tidy(rate: float) -> float:
    """To nine digits: libraries differ in the last bits of a cosine, and the same run prints the same bytes."""
    return float(f"{rate:.9g}")
