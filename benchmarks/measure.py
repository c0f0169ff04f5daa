"""What the benchmarks share: seconds of a core, repetitions in turn, their spread, floors.

Whatever is compared is measured in turn, so that what else the machine does hits all alike, and in seconds of a core
rather than of the clock on the wall: all of it runs in one thread, so that on an idle machine the two are the same,
and on a busy one the first is what the work takes. Where they differ by much, a line below the table says so.
"""

from __future__ import annotations

import math
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click

from simulator.report import table

SURE = 4.0  # standard errors
ALIKE = 0.005  # of a value: what differences of method may come to (a histogram's bins, a warm-up's end)
BUSY = 1.1  # seconds on the wall for one of a core, from which on the table says so


class NotShownError(Exception):
    """Something cannot be measured here; the message says why."""


class Measured(NamedTuple):
    """A run: its requests, what it took, and what it found, by figure and unit."""

    requests: int
    core: float  # seconds of a core, those of child processes included
    wall: float
    found: dict[str, float]

    @property
    def speed(self) -> float:
        """Requests per second of a core."""
        return self.requests / self.core


def timed(requests: int, work: Callable[[], dict[str, float]]) -> Measured:
    """A run of so many requests, measured."""
    core, wall = core_seconds(), time.perf_counter()
    found = work()
    return Measured(requests, core_seconds() - core, time.perf_counter() - wall, found)


def core_seconds() -> float:
    """Seconds of cores used by this process and by its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


Runner = Callable[[int], Measured]  # of the repetition, which is the seed


def in_turn(runners: dict[str, Runner], repetitions: int) -> dict[str, list[Measured]]:
    """Each of them once, then each of them once more, ..., after a first time that does not count."""
    runs: dict[str, list[Measured]] = {name: [] for name in runners}
    for repetition in range(repetitions + 1):
        for name, runner in runners.items():
            measured = runner(repetition)
            if repetition:
                runs[name].append(measured)
    return runs


class Spread(NamedTuple):
    """The median of repetitions, and their range."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of some values, at least one."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, form: str) -> str:
        """As tables have it."""
        return f"{self.middle:{form}} ({self.low:{form}} to {self.high:{form}})"


def ratios(over: Sequence[Measured], under: Sequence[Measured]) -> list[float]:
    """How many times as fast, repetition by repetition."""
    return [one.speed / other.speed for one, other in zip(over, under, strict=True)]


class Floor(NamedTuple):
    """What a figure must come to and what it is meant to; `values` by repetition, or why there are none."""

    name: str
    values: Sequence[float] | str
    least: float
    aim: float
    unit: str = "x"

    @property
    def kept(self) -> bool:
        """Whether the median is at least the floor; what was not measured is not."""
        return not isinstance(self.values, str) and statistics.median(self.values) >= self.least

    def row(self) -> dict[str, str]:
        """A row of the table."""
        said, verdict = "-", "NOT SHOWN"
        if not isinstance(self.values, str):
            spread = Spread.of(self.values)
            said = spread.text(".2f")
            verdict = "BELOW THE FLOOR" if not self.kept else "aim reached" if spread.middle >= self.aim else "kept"
        return {
            "": self.name,
            "median (lowest to highest)": said,
            "floor": f"{self.least:g} {self.unit}",
            "aim": f"{self.aim:g} {self.unit}",
            "so": verdict,
        }


def hold(floors: Sequence[Floor]) -> bool:
    """Print them, and why one is not shown; whether all are kept."""
    missing = [f"{floor.name}: not shown, since {floor.values}." for floor in floors if isinstance(floor.values, str)]
    say([*table([floor.row() for floor in floors]), *missing])
    return all(floor.kept for floor in floors)


def speeds(runs: dict[str, list[Measured]]) -> None:
    """Print what was run and found, a row each."""
    names = list(dict.fromkeys(name for measured in runs.values() for one in measured for name in one.found))
    say(
        table(
            [
                {
                    "": name,
                    "requests": f"{measured[0].requests:,}",
                    "requests per second of a core": Spread.of([one.speed for one in measured]).text(",.0f"),
                    **{found: _mean_text([m.found[found] for m in measured if found in m.found]) for found in names},
                }
                for name, measured in runs.items()
            ]
        )
    )
    every = [one for measured in runs.values() for one in measured]
    busy = sum(one.wall for one in every) / sum(one.core for one in every)
    if busy > BUSY:
        say([f"The machine was busy: a second of a core took {busy:.1f} s on the wall."])


def _mean_text(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.2f}" if values else "-"


def agree(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two sets of repetitions may have the same mean: within some standard errors and half a per cent."""
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in (one, other)))
    middle = statistics.mean(one)
    return abs(middle - statistics.mean(other)) <= SURE * error + ALIKE * middle


def say(lines: Sequence[str]) -> None:
    """Print, and a blank line after."""
    click.echo("\n".join([*lines, ""]))
