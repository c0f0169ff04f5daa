"""Requests per second of a core beside others: the same six-stage fork-join pipeline five times.

Idiomatic SimPy, LINE's C++ engine, plain C, and our two planes; everything included: arrivals, draws, queues,
measurement, percentiles, the start of the programs. Not included: compiling (once a machine), reading the case.
Plain C and our planes tell all that our JSON has of this case, by stage too; LINE means by stage and of the latency;
SimPy latencies.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import idiomatic, line, plain_c, planes
from benchmarks.measure import Floor, NotShownError, Runner, agree, hold, in_turn, ratios, say, speeds, timed
from cases.files import loads

RATE = 1000.0  # requests a second; stages are 60 to 85 % busy
STAGES = {  # workers, mean of the service (ms), cv
    "gateway": (2, 1.2, 0.5),
    "friends": (10, 8.0, 0.8),
    "similar": (8, 6.0, 1.0),
    "fresh": (6, 4.0, 0.8),
    "features": (7, 5.0, 1.0),
    "ranking": (12, 10.0, 0.4),
}
AFTER = {
    "friends": ["gateway"],
    "similar": ["gateway"],
    "fresh": ["gateway"],
    "features": ["friends", "similar", "fresh"],
    "ranking": ["features"],
}
REPETITIONS = 7
SIMPY, REFERENCE, LINE, C, OURS = "idiomatic SimPy", "reference plane", "LINE's C++ engine", "plain C", "compiled plane"
REQUESTS = {SIMPY: 10_000, REFERENCE: 40_000, LINE: 500_000, C: 3_000_000, OURS: 1_000_000}
# What ours is measured against, and which of ours: the least and the aimed-at number of times as fast.
FLOORS = [(REFERENCE, SIMPY, 0.5, 1.0), (OURS, SIMPY, 60.0, 100.0), (OURS, LINE, 5.0, 6.0), (OURS, C, 0.35, 0.7)]


def case_text() -> str:
    """The pipeline as a case."""
    lines = [
        f"  - {{name: {name}, after: [{', '.join(AFTER.get(name, []))}], replicas: 1, concurrency: {workers}, "
        f"service: {{kind: lognormal, mean: {mean} ms, cv: {cv}}}}}"
        for name, (workers, mean, cv) in STAGES.items()
    ]
    head = ["format: 1", "id: pipeline", "title: Six stages", "question: How fast?"]
    return "\n".join([*head, f"workload: {{kind: poisson, rate: {RATE} request/s}}", "stages:", *lines, ""])


def textbook(repetition: int) -> dict[str, float]:
    """Idiomatic SimPy."""
    stages = {}
    for name, (workers, mean, cv) in STAGES.items():
        variance = math.log1p(cv * cv)
        stages[name] = (workers, math.log(mean / 1000) - variance / 2, math.sqrt(variance))
    return idiomatic.simulate(stages, RATE, REQUESTS[SIMPY], repetition)


def main() -> int:
    """Print the tables; 1 if a floor is not kept, or what they find does not agree."""
    case, last = loads(case_text(), "pipeline.yaml"), list(STAGES)[-1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made: dict[str, Callable[[], Runner]] = {
            SIMPY: lambda: lambda repetition: timed(REQUESTS[SIMPY], lambda: textbook(repetition)),
            REFERENCE: lambda: planes.runner(case, "simpy", REQUESTS[REFERENCE], last),
            LINE: lambda: line.runner(line.model(STAGES, AFTER, RATE), list(STAGES), REQUESTS[LINE], folder),
            C: lambda: plain_c.runner(STAGES, RATE, REQUESTS[C], folder),
            OURS: lambda: planes.runner(case, "compiled", REQUESTS[OURS], last),
        }
        runners, missing = {}, {}
        for who, make in made.items():
            try:
                runners[who] = make()
            except NotShownError as error:
                missing[who] = str(error)
        runs = in_turn(runners, REPETITIONS)

    say([f"The six-stage pipeline, {REPETITIONS} repetitions in turn: median (lowest to highest); means of figures."])
    speeds(runs)
    kept = hold(
        [
            Floor(f"{ours} over {who}", missing.get(who) or ratios(runs[ours], runs[who]), least, aim)
            for ours, who, least, aim in FLOORS
        ]
    )
    if LINE in runs:
        say([f"LINE counts services: {len(STAGES)} a request; a run that records each says so."])
    odd = [
        f"{who} finds another {what}"
        for who, measured in runs.items()
        for what in measured[0].found
        if not agree([one.found[what] for one in measured], [one.found[what] for one in runs[OURS]])
    ]
    same = planes.same(case, 20_000)
    say(
        [
            f"What they find agrees within four standard errors and 0.5 %: {'; '.join(odd) or 'all'}.",
            f"On the same 20,000 requests our two planes print {'the same' if same else 'DIFFERENT'} bytes.",
        ]
    )
    return int(not kept or not same or bool(odd))


if __name__ == "__main__":
    sys.exit(main())
