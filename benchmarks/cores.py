"""Replications in parallel: the same run of the pipeline by one thread, by two, and by two processes, in turn.

Here time is that of the clock on the wall. Two processes share nothing but the machine: they take what its cores give
to anybody, and that is what two threads are held to. A machine that is busy otherwise has no second core to give.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks import pipeline
from benchmarks.measure import Floor, Measured, Spread, hold, in_turn, say, timed
from cases.files import loads
from simulator.plan import Plan, plan
from simulator.report import table
from simulator.run import simulate

REPETITIONS = 7
REPLICATIONS, REQUESTS = 8, 150_000  # measured, of each
LEAST, AIM = 0.9, 1.0  # two threads, of two processes


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def planned(replications: int) -> Plan:
    """So many of them."""
    return plan(loads(pipeline.case_text(), "pipeline.yaml"), seed=1, requests=REQUESTS, replications=replications)


def half() -> None:
    """In a process of its own."""
    simulate(planned(REPLICATIONS // 2), "compiled", workers=1)


def main() -> int:
    """Print the ratio; 1 if it is below its floor, or the bytes are not the same."""
    whole = planned(REPLICATIONS)
    told: dict[int, str] = {}

    def threads(workers: int) -> dict[str, float]:
        told[workers] = json.dumps(simulate(whole, "compiled", workers=workers).as_json())
        return {}

    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:

        def processes() -> dict[str, float]:
            for share in [pool.submit(half), pool.submit(half)]:
                share.result()
            return {}

        ways = {"one thread": partial(threads, 1), "two threads": partial(threads, 2), "two processes": processes}
        runners = {name: lambda _, work=work: timed(REPLICATIONS * REQUESTS, work) for name, work in ways.items()}
        runs = in_turn(runners, REPETITIONS)
    say([f"{REPLICATIONS} replications of {REQUESTS:,} requests, {REPETITIONS} times in turn."])
    say(table([{"by": name, "s on the wall": wall(measured).text(".2f")} for name, measured in runs.items()]))
    same = told[1] == told[2]
    say([f"The results are {'the same' if same else 'DIFFERENT'} bytes."])
    if cores() < 2:
        say(["One core only: what a second one is worth cannot be shown here."])
        return int(not same)
    for name in ("two threads", "two processes"):
        say([f"{name} over one thread: {Spread.of(faster(runs['one thread'], runs[name])).text('.2f')} times as fast."])
    threaded = faster(runs["two processes"], runs["two threads"])
    return int(not hold([Floor("two threads over two processes", threaded, LEAST, AIM)]) or not same)


def wall(measured: list[Measured]) -> Spread:
    """Seconds."""
    return Spread.of([one.wall for one in measured])


def faster(before: list[Measured], after: list[Measured]) -> list[float]:
    """How many times, repetition by repetition."""
    return [one.wall / other.wall for one, other in zip(before, after, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
