"""Replications in parallel: the same run of the pipeline with one and with two threads, in turn, and its bytes.

Here time is that of the clock on the wall. A machine that is busy otherwise has no second core to give: how much it
gave stands beside.
"""

from __future__ import annotations

import json
import os
import sys

from benchmarks import pipeline
from benchmarks.measure import Floor, Measured, Spread, hold, in_turn, say, timed
from cases.files import loads
from simulator.plan import plan
from simulator.report import table
from simulator.run import simulate

REPETITIONS = 7
REPLICATIONS, REQUESTS = 8, 150_000  # measured, of each
LEAST, AIM = 1.7, 1.9  # times as fast with two threads


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> int:
    """Print the ratio; 1 if it is below its floor, or the bytes are not the same."""
    planned = plan(loads(pipeline.case_text(), "pipeline.yaml"), seed=1, requests=REQUESTS, replications=REPLICATIONS)
    told: dict[int, str] = {}

    def run(workers: int) -> Measured:
        def work() -> dict[str, float]:
            told[workers] = json.dumps(simulate(planned, "compiled", workers=workers).as_json())
            return {}

        return timed(REPLICATIONS * REQUESTS, work)

    runs = in_turn({"one": lambda _: run(1), "two": lambda _: run(2)}, REPETITIONS)
    say(
        [f"{REPLICATIONS} replications of {REQUESTS:,} requests by one thread and by two, {REPETITIONS} times in turn."]
    )
    say(
        table(
            [
                {
                    "threads": name,
                    "s on the wall": Spread.of([one.wall for one in measured]).text(".2f"),
                    "s of cores": Spread.of([one.core for one in measured]).text(".2f"),
                    "cores given": Spread.of([one.core / one.wall for one in measured]).text(".2f"),
                }
                for name, measured in runs.items()
            ]
        )
    )
    same = told[1] == told[2]
    say([f"The results are {'the same' if same else 'DIFFERENT'} bytes."])
    if cores() < 2:
        say(["One core only: what a second one is worth cannot be shown here."])
        return int(not same)
    faster = [one.wall / two.wall for one, two in zip(runs["one"], runs["two"], strict=True)]
    return int(not hold([Floor("two threads over one", faster, LEAST, AIM)]) or not same)


if __name__ == "__main__":
    sys.exit(main())
