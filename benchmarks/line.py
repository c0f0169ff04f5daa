"""LINE's C++ simulation engine on the pipeline: `ldes`, the program in the package `line-solver`.

It is given the model in LINE's own JSON, with the log-normal services as they are. Its settings are as they come (one
replication in one thread, a transient found by MSER-5 and left out, intervals by overlapping batch means, no stop at
convergence) but for the number of services and the seed. Of each station it tells the means of queue, utilisation,
response and throughput with an interval, and the mean latency; no percentiles. Its start and its reading of the model
take milliseconds, and count. LINE counts completed services, of which the pipeline's request takes one a stage; that
it is so is looked up in a short run that records every one of them.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import NotShownError, Runner, timed
from benchmarks.planes import BUSY

PROGRAM = Path(sys.prefix) / "bench" / "line_solver" / "bin" / "ldes"
SHORT = 10_000  # requests
SLACK = 0.01  # of these: services that were under way when it ended


def model(stages: dict[str, tuple[int, float, float]], after: dict[str, list[str]], rate: float) -> dict[str, Any]:
    """The pipeline in LINE's words. `stages`: workers, mean (ms) and cv; `after`: who comes before.

    Stages with one predecessor in common are between a fork and a join; there is one such place.
    """
    last = list(stages)[-1]
    (join,) = (name for name, before in after.items() if len(before) > 1)
    branches = after[join]
    (fork,) = after[branches[0]]
    way = {"source": next(iter(stages)), fork: "fork", "join": join, last: "sink"}
    way |= dict.fromkeys(branches, "join")
    way |= {before[0]: name for name, before in after.items() if len(before) == 1 and name not in branches}
    routes = {name: {following: 1.0} for name, following in way.items()}
    routes["fork"] = dict.fromkeys(branches, 1.0)
    nodes: list[dict[str, Any]] = [
        {"name": "source", "type": "Source", "service": {"request": _law("Exp", {"lambda": rate})}}
    ]
    for name, (workers, mean, cv) in stages.items():
        variance = math.log1p(cv * cv)
        law = _law("Lognormal", {"mu": math.log(mean / 1000) - variance / 2, "sigma": math.sqrt(variance)})
        queue = {"type": "Queue", "scheduling": "FCFS", "servers": workers}
        nodes.append({"name": name, **queue, "service": {"request": law}})
    nodes += [
        {"name": "fork", "type": "Fork"},
        {"name": "join", "type": "Join", "forkNode": "fork"},
        {"name": "sink", "type": "Sink"},
    ]
    network = {"type": "Network", "name": "pipeline", "nodes": nodes, "classes": [{"name": "request", "type": "Open"}]}
    routing = {"type": "matrix", "matrix": {"request,request": routes}}
    return {"format": "line-model", "version": "1.0", "model": {**network, "routing": routing}}


def _law(kind: str, parameters: dict[str, float]) -> dict[str, Any]:
    return {"type": kind, "params": parameters}


def runner(described: dict[str, Any], stages: list[str], requests: int, folder: Path) -> Runner:
    """LINE on a model, whose requests visit these stages; files go to a folder. NotShownError if it does not run."""
    if not PROGRAM.exists():
        raise NotShownError("LINE is not installed (`make bench` does it)")
    given, told = folder / "line.json", folder / "line_result.json"
    given.write_text(json.dumps(described), encoding="utf-8")

    def solve(seed: int, many: int, *options: str) -> dict[str, Any]:
        command = [
            str(PROGRAM),
            "solve",
            str(given),
            "-o",
            str(told),
            "--seed",
            str(seed),
            "--samples",
            str(many * len(stages)),
        ]
        try:
            subprocess.run([*command, *options], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotShownError(f"LINE's program does not run here ({error})") from None
        result: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        return result

    services = [len(times[0]) for times in solve(1, SHORT, "--respt-samples")["respTimeSamples"] if times[0]]
    if len(services) != len(stages) or any(abs(many - SHORT) > SLACK * SHORT for many in services):
        raise NotShownError(f"LINE counts otherwise: services of {SHORT:,} requests, by stage: {services}")

    last = stages[-1]

    def work(seed: int) -> dict[str, float]:
        told = solve(seed + 1, requests)
        busy = told["metrics"]["UN"][told["dimensions"]["stationNames"].index(last)][0]
        return {"mean ms": told["metrics"]["CN"][0][0] * 1000, BUSY.format(last): 100 * busy}

    return lambda repetition: timed(requests, lambda: work(repetition))
