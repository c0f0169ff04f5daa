"""What a run costs as it grows: in requests, in stages, in replicas; and its memory.

Cost must grow straight: a visit at the largest may cost so many times what it costs where it is cheapest, no more (at
the smallest, what a run costs before its first request tells). Stages and replicas: queues, workers and counters are
spread over more memory, so that more of what a visit touches comes from a farther cache, and tournaments have more
rounds, by the logarithm; the factors leave room for that, and none for a walk over all stages or all replicas.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks import pipeline
from benchmarks.measure import NotShownError, say, timed
from cases.errors import RunError
from cases.files import loads
from cases.spec import Case
from simulator import control
from simulator.plan import plan
from simulator.report import table
from simulator.run import simulate

REQUESTS = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]  # the last one only with --full
STAGES = [1, 4, 16, 64]
REPLICAS = [4, 40, 400, 4_000, 10_000]
VISITS = 1_000_000  # of each run over stages and over replicas
REPETITIONS = 3  # of those; the least counts
MOST_MEMORY = 1e9  # bytes
MOST = {"requests": 2.0, "stages": 3.0, "replicas": 5.0}  # times the cost of a visit where it is cheapest
BALANCING = ["shared", "least_of 2", "least outstanding", "round robin"]
SERVICE = "service: {kind: lognormal, mean: 3 ms, cv: 0.8}"


class Cost(NamedTuple):
    """What a run took."""

    name: str
    requests: int
    visits: int
    core: float
    wall: float
    memory: float | None = None  # bytes, at most

    @property
    def each(self) -> float:
        """ns of a core per visit."""
        return self.core / self.visits * 1e9


def _case(rate: float, stages: list[str]) -> Case:
    head = ["format: 1", "id: growth", "title: Growth", "question: What does more cost?"]
    lines = [*head, f"workload: {{kind: poisson, rate: {rate:g} request/s}}", "stages:", *stages, ""]
    return loads("\n".join(lines), "growth.yaml")


def chain(stages: int) -> Case:
    """One after the other, each with a pool of its own that is 75 % busy."""
    after = ["", *(f"after: [s{i}], " for i in range(stages - 1))]
    return _case(
        1000.0, [f"  - {{name: s{i}, {after[i]}replicas: 1, concurrency: 4, {SERVICE}}}" for i in range(stages)]
    )


def fork(stages: int) -> Case:
    """The first calls all others but the last at once, which comes after them."""
    inner = [f"s{i}" for i in range(1, stages - 1)]
    after = dict.fromkeys(inner, "after: [s0], ")
    if stages > 1:
        after[f"s{stages - 1}"] = f"after: [{', '.join(inner) or 's0'}], "
    names = [f"s{i}" for i in range(stages)]
    return _case(
        1000.0, [f"  - {{name: {n}, {after.get(n, '')}replicas: 1, concurrency: 4, {SERVICE}}}" for n in names]
    )


def fleet(replicas: int, balancing: str) -> Case:
    """So many replicas of one worker, 75 % busy."""
    return _case(250.0 * replicas, [f"  - {{name: pool, replicas: {replicas}, balancing: {balancing}, {SERVICE}}}"])


def cost(name: str, case: Case, requests: int, repetitions: int = REPETITIONS) -> Cost:
    """The least of some repetitions: a run gets no cheaper by luck, only dearer by what else the machine does."""
    planned = plan(case, seed=1, requests=requests, replications=1)
    arrived = requests + -(-requests // 10)  # with the warm-up's

    def work() -> dict[str, float]:
        simulate(planned, "compiled")
        return {}

    best = min((timed(arrived, work) for _ in range(repetitions)), key=lambda one: one.core)
    return Cost(name, arrived, arrived * len(case.stages), best.core, best.wall)


def in_a_process(requests: int) -> Cost:
    """The pipeline in a process of its own, so that its memory is the run's (and what is loaded before it)."""
    command = [sys.executable, "-m", "benchmarks.growth", "--alone", str(requests)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if told.returncode:
        raise NotShownError(f"{requests:,} requests: {(told.stderr.strip().splitlines() or ['no reason told'])[-1]}")
    return Cost(*json.loads(told.stdout))


def _in_this_process(requests: int) -> Cost:
    control.WALL_SECONDS = math.inf  # type: ignore[attr-defined]  # whoever starts this waits
    case = loads(pipeline.case_text(), "pipeline.yaml")
    cost("warm", case, 1_000, 1)  # loads what is loaded once
    found = cost(f"{requests:,}", case, requests, REPETITIONS if requests <= 1_000_000 else 1)
    return found._replace(memory=peak_memory())


def peak_memory() -> float:
    """The most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # where getrusage would also count the process that started this one
        (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def straight(what: str, costs: list[Cost], most: float) -> bool:
    """Print what runs took; whether a visit at the largest is not much dearer than where it is cheapest."""
    times = costs[-1].each / min(one.each for one in costs)
    rows = [
        {
            what: one.name,
            "requests": f"{one.requests:,}",
            "visits": f"{one.visits:,}",
            "s on the wall": f"{one.wall:.2f}",
            "s of a core": f"{one.core:.2f}",
            "ns per request": f"{one.core / one.requests * 1e9:,.0f}",
            "ns per visit": f"{one.each:,.0f}",
            **({} if one.memory is None else {"peak memory": f"{one.memory / 1e6:,.0f} MB"}),
        }
        for one in costs
    ]
    verdict = "kept" if times <= most else "NOT KEPT"
    say(
        [
            *table(rows),
            f"A visit of the last costs {times:.2f} times the cheapest; at most {most:g} is allowed: {verdict}",
        ]
    )
    return times <= most


@click.command()
@click.option("--full", is_flag=True, help="Up to a hundred million requests; takes minutes more.")
@click.option("--alone", type=int, hidden=True)
def main(full: bool, alone: int | None) -> None:
    """What a run costs as it grows; exits with 1 if it does not grow straight, or takes more memory than it may."""
    if alone is not None:
        try:
            click.echo(json.dumps(_in_this_process(alone)))
        except RunError as error:
            sys.exit(str(error))
    else:
        sys.exit(_tables(full))


def _tables(full: bool) -> int:
    """Print them; 1 if cost does not grow straight, or memory is beyond what it may be."""
    say(["What a run costs on one core as it grows. Wall time, and ns of a core per request and per visit."])
    many, kept = [], []
    for requests in REQUESTS if full else REQUESTS[:-1]:
        try:
            many.append(in_a_process(requests))
        except NotShownError as error:
            say([f"NOT SHOWN: {error}"])
            kept.append(False)
    kept.append(straight("pipeline, measured", many, MOST["requests"]))
    most = max(one.memory or 0.0 for one in many)
    kept.append(most < MOST_MEMORY)
    say([f"Peak memory, Python and its libraries included: at most {most / 1e6:,.0f} MB; 1 GB is allowed."])
    if not full:
        say([f"{REQUESTS[-1]:,} requests take minutes: `python -m benchmarks.growth --full`."])
    for shape in (chain, fork):
        costs = [cost(f"{stages}", shape(stages), VISITS // stages) for stages in STAGES]
        kept.append(straight(f"stages in a {shape.__name__}", costs, MOST["stages"]))
    for balancing in BALANCING:
        costs = [cost(f"{replicas:,}", fleet(replicas, balancing), VISITS) for replicas in REPLICAS]
        kept.append(straight(f"replicas, {balancing}", costs, MOST["replicas"]))
    return int(not all(kept))


if __name__ == "__main__":
    main()
