"""Requests per wall second of the two request planes beside idiomatic SimPy: `python -m benchmarks.planes`.

The same six-stage fork-join pipeline three times, everything included: arrivals, draws, queues, measurement and
percentiles. Repetitions are interleaved, so that what else the machine does hits all three. The kernel is compiled
(or read from its cache) before the clock starts. Exits with 1 when a median ratio is below its floor.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks import idiomatic
from cases.files import loads
from simulator.plan import Engine, plan
from simulator.run import simulate

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
    "gateway": "",
    "friends": "after: [gateway], ",
    "similar": "after: [gateway], ",
    "fresh": "after: [gateway], ",
    "features": "after: [friends, similar, fresh], ",
    "ranking": "after: [features], ",
}
REPETITIONS = 7
REQUESTS = {"idiomatic SimPy": 10_000, "reference plane": 40_000, "compiled plane": 500_000}
FLOORS = {"reference plane": 0.5, "compiled plane": 60.0}

Measured = tuple[float, float, float]  # requests per wall second, p50 and p99 in ms


def case_text() -> str:
    """The pipeline as a case."""
    lines = [
        f"  - {{name: {name}, {AFTER[name]}replicas: 1, concurrency: {workers}, "
        f"service: {{kind: lognormal, mean: {mean} ms, cv: {cv}}}}}"
        for name, (workers, mean, cv) in STAGES.items()
    ]
    head = ["format: 1", "id: pipeline", "title: Six stages", "question: How fast?"]
    return "\n".join([*head, f"workload: {{kind: poisson, rate: {RATE} request/s}}", "stages:", *lines, ""])


def textbook(requests: int, seed: int) -> Measured:
    """Idiomatic SimPy."""
    stages = {}
    for name, (workers, mean, cv) in STAGES.items():
        variance = math.log1p(cv * cv)
        stages[name] = (workers, math.log(mean / 1000) - variance / 2, math.sqrt(variance))
    started = time.perf_counter()
    p50, p99 = idiomatic.simulate(stages, RATE, requests, seed)
    return requests / (time.perf_counter() - started), p50, p99


def ours(engine: Engine) -> Callable[[int, int], Measured]:
    """One of our planes, from the plan to the result; the warm-up counts as requests, as it does above."""
    case = loads(case_text(), "pipeline.yaml")

    def measure(requests: int, seed: int) -> Measured:
        planned = plan(case, seed=seed, requests=requests - requests // 11, replications=1)
        started = time.perf_counter()
        result = simulate(planned, engine)
        elapsed = time.perf_counter() - started
        p50, p99 = result.latency_ms["p50"].value, result.latency_ms["p99"].value
        assert p50 is not None
        assert p99 is not None
        return requests / elapsed, p50, p99

    return measure


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def main() -> int:
    """Print the table; 1 below a floor."""
    runners = {"idiomatic SimPy": textbook, "reference plane": ours("simpy"), "compiled plane": ours("compiled")}
    runners["compiled plane"](1_000, 0)  # compiles, or reads the cache
    same = [ours(engine)(20_000, 1)[1:] for engine in ("simpy", "compiled")]
    runs: dict[str, list[Measured]] = {name: [] for name in runners}
    for repetition in range(REPETITIONS):
        for name, runner in runners.items():
            runs[name].append(runner(REQUESTS[name], repetition + 1))
    baseline = [speed for speed, _, _ in runs["idiomatic SimPy"]]
    print(f"Six-stage fork-join pipeline, {REPETITIONS} interleaved repetitions, median (lowest to highest).")
    print("Everything included but the compilation of the kernel, which was warm.\n")
    head = f"{'':16}  {'requests':>8}  {'requests per wall second':34}  {'times idiomatic':24}"
    print(f"{head}  {'p50 ms':>6}  {'p99 ms':>6}")
    failed = False
    for name, measured in runs.items():
        speeds = [speed for speed, _, _ in measured]
        ratios = [speed / base for speed, base in zip(speeds, baseline, strict=True)]
        p50, p99 = (statistics.mean(run[i] for run in measured) for i in (1, 2))
        row = f"{name:16}  {REQUESTS[name]:8,}  {spread(speeds, ',.0f'):34}  {spread(ratios, '.1f'):24}"
        print(f"{row}  {p50:6.2f}  {p99:6.2f}")
        failed |= statistics.median(ratios) < FLOORS.get(name, 0.0)
    agree = "the same percentiles" if same[0] == same[1] else f"DIFFERENT percentiles: {same}"
    print(f"\nOn the same 20,000 requests our two planes give {agree}.")
    floors = ", ".join(f"{name} {floor:g}x" for name, floor in FLOORS.items())
    print(f"Floors: {floors}: {'NOT kept' if failed else 'kept'}")
    return int(failed or same[0] != same[1])


if __name__ == "__main__":
    sys.exit(main())
