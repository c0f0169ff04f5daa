"""The compiler of the request plane: all of it, once a machine, kept on disk; here, or in a process beside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from cases.files import loads
from simulator import kernel_cache
from simulator.control import environment
from simulator.engine import in_full
from simulator.machine import NEVER
from simulator.plan import plan
from simulator.workload import SECOND

LOADS = ("{kind: poisson, rate: 8 request/s}", "{kind: closed, users: 2, think: {kind: constant, mean: 1 s}}")
CASE = """
format: 1
id: small
title: Small
question: Is all of it compiled?
workload: LOAD
stages:
  - {name: pool, replicas: 2, balancing: round robin, service: {kind: constant, mean: 1 s}}
"""


def exercise() -> None:
    """Go through every door from Python into compiled code, so that all of it is loaded, or else compiled."""
    planned = plan(loads(CASE.replace("LOAD", LOADS[0]), "compiler.yaml"), requests=10, replications=1)
    _, plane = environment(planned, 0, "compiled", NEVER, lambda: None)  # a plain network
    plane.advance(10 * SECOND)
    plane.tally()
    for load in LOADS:
        planned = plan(loads(CASE.replace("LOAD", load), "compiler.yaml"), requests=10, replications=1)
        _, plane = environment(planned, 0, "compiled", NEVER, lambda: None, traced=np.arange(10))
        plane.drain(0, 1, 0)
        plane.start(0, 1, 0)
        plane.advance(10 * SECOND)
        plane.pause(0, True, 10 * SECOND)
        plane.advance(20 * SECOND)
        plane.pause(0, False, 20 * SECOND)  # workers are free, and visits wait
        plane.kill(0, 1, 20 * SECOND)  # with what it works on
        plane.trace()  # of requests that have not ended


def compile_all() -> None:
    """Load what is kept and compile what is not; first wait for whoever compiles. Raises whatever numba raises."""
    with kernel_cache.lock() as lock:
        try:
            exercise()
            if kernel_cache.is_in_place(lock):  # else some of it was cleared away meanwhile
                kernel_cache.say_complete()
        except Exception as error:
            kernel_cache.say_failed(in_full(error))
            raise


def start() -> subprocess.Popen[bytes]:
    """Compile in a process of its own, which goes on if this one ends."""
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    return subprocess.Popen(
        [sys.executable, "-m", "simulator.engine"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        creationflags=flags,
        start_new_session=True,
    )
