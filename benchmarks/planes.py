"""Our two request planes as runners: one replication in one thread, from its plan to its result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.measure import Runner, timed
from cases.files import open_case
from cases.spec import Case
from simulator.plan import Engine, plan
from simulator.results import SimulationResult
from simulator.run import simulate

HERE = Path(__file__).parent
FOUND = ("mean", "p50", "p99")
BUSY = "{} busy %"  # of a stage


def figures(told: dict[str, Any], stage: str | None) -> dict[str, float]:
    """Latencies and how a stage fares, of a result as JSON has it; those that are known."""
    found = {f"{name} ms": told["latency_ms"][name]["value"] for name in FOUND}
    if stage is not None:
        at = told["stages"][stage]
        found |= {BUSY.format(stage): 100 * at["utilisation"], f"{stage} wait ms": at["wait_ms"]["mean"]}
    return {name: value for name, value in found.items() if value is not None}


def case_of(name: str, design: str | None = None) -> Case:
    """A case that lies beside the benchmarks."""
    return open_case(str(HERE / f"{name}.yaml"), design)


def run(case: Case, engine: Engine, requests: int, seed: int) -> SimulationResult:
    """So many requests, the first eleventh of which is the warm-up."""
    return simulate(plan(case, seed=seed, requests=requests - requests // 11, replications=1), engine)


def runner(case: Case, engine: Engine, requests: int, stage: str | None = None) -> Runner:
    """One of our planes on a case; requests of the warm-up count, as they do with the others. `stage`: to tell of."""
    return lambda seed: timed(requests, lambda: figures(run(case, engine, requests, seed).as_json(), stage))


def same(case: Case, requests: int) -> bool:
    """Whether the two planes give the same bytes on the same requests, but for the name of the engine."""
    told = [run(case, engine, requests, 1).as_json() | {"engine": ""} for engine in ("simpy", "compiled")]
    return json.dumps(told[0]) == json.dumps(told[1])
