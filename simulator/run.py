"""Run a plan: `simulate` all of its replications, or as many as an interval takes."""

from __future__ import annotations

import math
import os
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from cases.errors import RunError
from simulator.control import Progress, check_wall, replicate, window_of
from simulator.engine import SIMPY, Look, Planes
from simulator.measure import Recorder
from simulator.plan import MOST_REPLICATIONS, Engine, Plan
from simulator.results import Interval, SimulationResult
from simulator.summary import Totals, summarise

FIRST = 5  # replications, before their spread is looked at


def simulate(
    plan: Plan,
    engine: Engine = "auto",
    progress: Progress = lambda _: None,
    workers: int | None = None,
    timeline: int | None = None,
) -> SimulationResult:
    """Run all replications of a plan, each on the plane that `engine` names at its start.

    `timeline`: the step (ns) of the result's timeline; without one it has some dozens of rows, for charts.
    `progress` is told the share of the run that is done (0 to 1) some dozens of times, from whichever thread; it may
    raise, which ends the run. RunError if the run takes longer than the wall-time limit. The result does not depend on
    `workers`, the number of threads (by default one a core; the reference plane holds the interpreter, so it gets one).
    """
    replications = Replications(plan, engine, progress, workers, timeline)
    replications.upto(plan.run.replications)
    return replications.summary()


def simulate_until(
    plan: Plan,
    precision: float,
    most: int = MOST_REPLICATIONS,
    engine: Engine = "auto",
    progress: Progress = lambda _: None,
    workers: int | None = None,
    timeline: int | None = None,
) -> SimulationResult:
    """Run replications until the 95 % interval of a percentile is narrow: its half-width at most `precision` (a share).

    The percentile is the first latency objective's, else p99. It begins with five replications (fewer only if `most`
    is less), keeps those done, and aims for the number that the spread seen so far asks for, at most doubling it: the
    interval shrinks with the square root of their number (Law, Simulation Modeling and Analysis, section 9.4.1). It
    stops at `most`. The result is that of a plain run of as many replications, but for a note.
    """
    if not 0 < precision < math.inf:
        raise RunError(f"a precision of {precision:g} cannot be had; write for example '5%'")
    if not 2 <= most <= MOST_REPLICATIONS:
        raise RunError(f"an interval needs from 2 to {MOST_REPLICATIONS:,} replications, not {most:,}")
    percent = next((o.percentile for o in plan.case.objectives if o.percentile is not None), 99.0)
    replications = Replications(plan, engine, progress, workers, timeline)
    count, name = min(FIRST, most), f"p{percent:g}"
    while True:
        replications.upto(count)
        interval = Interval.of([r.percentile(percent) for r in replications.recorders], least=-math.inf)
        if interval.value is None or interval.high is None:
            note = f"no interval of {name}: it falls among requests without an answer ({count} replications)"
            break
        half = (interval.high - interval.value) / interval.value if interval.value else 0.0
        reached = f"the 95 % interval of {name} is ±{half * 100:.3g} % after {count} replications"
        if half <= precision:
            note = f"{reached}; asked for was ±{precision * 100:.3g} %"
            break
        if count >= most:
            note = f"{reached}, the most that was allowed; asked for was ±{precision * 100:.3g} %"
            break
        count = min(max(count + 1, math.ceil(min(count * (half / precision) ** 2, 2.0 * count))), most)
    result = replications.summary()
    return replace(result, notes=(note, *result.notes))


class Replications:
    """The replications of one run, wherever they run."""

    def __init__(
        self, plan: Plan, engine: Engine, progress: Progress, workers: int | None, timeline: int | None
    ) -> None:
        self._plan, self._progress, self._timeline = plan, progress, timeline
        self._planes, self._workers = Planes(engine), workers or os.cpu_count() or 1
        self._started = time.monotonic()
        self._shares: list[float] = []
        self._told = 0.0
        self._stop = threading.Event()
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._totals = Totals(plan.network.machine.client)
        self.recorders: list[Recorder] = []

    def upto(self, count: int) -> None:
        """Run those that are missing of the first `count`, here and now or in threads."""
        self._shares += [0.0] * (count - len(self.recorders))
        while missing := range(len(self.recorders), count):
            threads = min(self._workers, len(missing))
            if threads <= 1 or self._planes.now() == SIMPY:  # which holds the interpreter; the next may be luckier
                self.recorders.append(self._run(missing[0]))
            else:
                self.recorders += self._in_threads(missing, threads)

    def summary(self) -> SimulationResult:
        """The result: that of a plan with as many replications as were run."""
        run = replace(self._plan.run, replications=len(self.recorders))
        return summarise(replace(self._plan, run=run), self._planes.used, self.recorders, self._totals)

    def _run(self, replication: int) -> Recorder:
        """One replication, here and now."""
        recorder = self._planes.run(lambda plane, look: self._replicate(replication, plane, look))
        with self._lock:
            self._totals.take(recorder)
        return recorder

    def _replicate(self, replication: int, plane: str, look: Look) -> Recorder:
        self._shares[replication] = 0.0

        def share(done: float) -> None:
            if self._stop.is_set():
                raise _StoppedError
            look(done)
            self._shares[replication] = done
            with self._telling:
                # What was done is not taken back when more replications are asked for.
                self._told = max(self._told, math.fsum(self._shares) / len(self._shares))
                self._progress(self._told)

        def tick() -> None:
            check_wall(self._started)
            share(self._shares[replication])

        measured = window_of(self._plan, replication, plane, tick)
        return replicate(self._plan, replication, plane, measured, share, tick, step=self._timeline)

    def _in_threads(self, replications: range, threads: int) -> list[Recorder]:
        """Some of them in threads; the error of the first to fail is raised."""
        with ThreadPoolExecutor(threads, thread_name_prefix="replication") as pool:
            futures: list[Future[Recorder]] = []
            try:
                futures += [pool.submit(self._run, r) for r in replications]
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return [future.result() for future in futures]
            except BaseException:
                self._stop.set()  # when somebody gives up, nobody goes on
                raise


class _StoppedError(Exception):
    """Another replication of this run failed."""
