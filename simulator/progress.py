"""How far a run is, on stderr, for whoever waits: a line that is written over, or now and then a line in a log.

Nothing of it is in the result. The figures are of the requests that come until the windows close, on average; waiting
for the last answers comes on top.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from simulator.plan import Plan
from simulator.report import milliseconds
from simulator.results import SimulationResult
from simulator.workload import SECOND, Closed

FIRST_SHOWN = 1.0  # seconds until there is something to see on a terminal,
EACH_SHOWN = 0.2  # and from one time to the next
EACH_LOGGED = 30.0  # the same where stderr is a file or a pipe, so that logs stay small
TOO_SOON = 0.02  # of the run: what is left cannot be told yet


class ProgressLine:
    """Told the share of a run that is done. With its plan it says how fast that is; `over`, what it came to.

    As a context it wipes its line away in the end, whatever happened. `clock` gives seconds.
    """

    def __init__(
        self, plan: Plan | None = None, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._stream = sys.stderr if stream is None else stream
        self._watched = self._stream.isatty()
        self._clock = clock
        self._begun = clock()
        self._next = self._begun + (FIRST_SHOWN if self._watched else EACH_LOGGED)
        self._waited_from: float | None = None  # seconds after the begin: when nothing but answers was to come any more
        self._width = 0  # of the line that stands there

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            self._show("")
            self._stream.write("\r")
            self._stream.flush()

    def __call__(self, done: float) -> None:
        """So much is done (0 to 1)."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (EACH_SHOWN if self._watched else EACH_LOGGED)
        self._show(", ".join(self._words(done, now - self._begun)))

    def over(self, plan: Plan, result: SimulationResult) -> None:
        """The run is over: one line, if it took so long that its progress was shown."""
        took = self._clock() - self._begun
        if took >= (FIRST_SHOWN if self._watched else EACH_LOGGED):
            measured = f"{result.requests['offered']:,} requests measured in {_seconds(took)}"
            self._stream.write(", ".join([measured, *_speed(plan, result.replications, took)]) + "\n")

    def _words(self, done: float, took: float) -> list[str]:
        share = f"{done:.0%}"
        if done >= 1.0:
            self._waited_from = took if self._waited_from is None else self._waited_from
            waited = took - self._waited_from
            return [share, "waiting for the last answers" + (f" for {_seconds(waited)}" if waited else "")]
        speed = [] if self._plan is None else _speed(self._plan, done * self._plan.run.replications, took)
        left = [f"{_seconds(took * (1 / done - 1))} left"] if done > TOO_SOON else []
        return [share, *speed, *left]

    def _show(self, words: str) -> None:
        if self._watched:
            self._stream.write(f"\r{words.ljust(self._width)}")
            self._width = len(words)
        else:
            self._stream.write(f"{words}\n")
        self._stream.flush()


def _speed(plan: Plan, replications: float, took: float) -> list[str]:
    """What was simulated in so many seconds; nothing of a closed loop, of which nobody knows how much it is."""
    if isinstance(plan.load, Closed):
        return []
    end, requests = plan.until_windows_close()
    simulated = replications * end / SECOND
    return [
        f"{replications * requests / took:,.0f} requests/s",
        f"{_seconds(simulated)} simulated",
        f"{simulated / took:.3g} of real time",
    ]


def _seconds(seconds: float) -> str:
    return milliseconds(seconds * 1000)
