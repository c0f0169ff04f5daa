"""One function: simulate(plan) -> SimulationResult."""

from __future__ import annotations

import importlib.util
import math
import os
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from cases.errors import RunError
from simulator.control import Progress, check_wall, replicate
from simulator.measure import Recorder, summarise
from simulator.plan import Engine, Plan, window
from simulator.results import SimulationResult


def choose_engine(wanted: Engine) -> str:
    """The request plane to use: `auto` is the compiled one where numba is installed."""
    compiled = importlib.util.find_spec("numba") is not None
    if wanted == "compiled" and not compiled:
        raise RunError("--engine compiled needs numba, which is not installed; use --engine simpy, or install numba")
    if wanted == "auto":
        return "compiled" if compiled else "simpy"
    return wanted


def simulate(
    plan: Plan, engine: Engine = "auto", progress: Progress = lambda _: None, workers: int | None = None
) -> SimulationResult:
    """Run all replications of a plan.

    `progress` is told the share of the run that is done (0 to 1) some hundreds of times, from whichever thread; it may
    raise, which ends the run. RunError if the run takes longer than the wall-time limit. The result does not depend on
    `workers`, the number of threads (by default one a core; the reference plane holds the interpreter, so it gets one).
    """
    chosen = choose_engine(engine)
    threads = 1 if chosen == "simpy" else workers or os.cpu_count() or 1
    replications = _Replications(plan, chosen, progress)
    if threads == 1 or plan.run.replications == 1:
        recorders = [replications.run(r) for r in range(plan.run.replications)]
    else:
        recorders = replications.run_all(min(threads, plan.run.replications))
    return summarise(plan, chosen, recorders)


class _Replications:
    """The replications of one run, wherever they run."""

    def __init__(self, plan: Plan, engine: str, progress: Progress) -> None:
        self._plan, self._engine, self._progress = plan, engine, progress
        self._started = time.monotonic()
        self._shares = [0.0] * plan.run.replications
        self._stop = threading.Event()

    def run(self, replication: int) -> Recorder:
        """One replication, here and now."""

        def share(done: float) -> None:
            if self._stop.is_set():
                raise _StoppedError
            self._shares[replication] = done
            self._progress(math.fsum(self._shares) / len(self._shares))

        def tick() -> None:
            check_wall(self._started)
            share(self._shares[replication])

        measured = window(self._plan.network.profile, self._plan.run, replication, tick)
        return replicate(self._plan, replication, self._engine, measured, share, tick)

    def run_all(self, threads: int) -> list[Recorder]:
        """All of them in threads; the error of the first to fail is raised."""
        with ThreadPoolExecutor(threads, thread_name_prefix="replication") as pool:
            try:
                futures = [pool.submit(self.run, r) for r in range(self._plan.run.replications)]
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                return [future.result() for future in futures]
            finally:
                self._stop.set()  # when somebody gives up, nobody goes on


class _StoppedError(Exception):
    """Another replication of this run failed."""
