"""One function: simulate(plan) -> SimulationResult."""

from __future__ import annotations

import importlib.util
import time

from cases.errors import RunError
from simulator.control import Progress, check_wall, replicate
from simulator.measure import summarise
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


def simulate(plan: Plan, engine: Engine = "auto", progress: Progress = lambda _: None) -> SimulationResult:
    """Run all replications of a plan.

    `progress` is told the share of the run that is done (0 to 1) some hundreds of times; it may raise, which ends the
    run. RunError if the run takes longer than the wall-time limit.
    """
    chosen = choose_engine(engine)
    started = time.monotonic()
    recorders = []
    for replication in range(plan.run.replications):

        def share(done: float, before: int = replication) -> None:
            progress((before + done) / plan.run.replications)

        def tick(before: int = replication) -> None:
            check_wall(started)
            progress(before / plan.run.replications)

        measured = window(plan.network.profile, plan.run, replication, tick)
        recorders.append(replicate(plan, replication, chosen, measured, share, started))
    return summarise(plan, chosen, recorders)
