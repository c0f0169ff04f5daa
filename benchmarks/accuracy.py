"""Waiting times of M/M/1 and M/M/c against Erlang C, from case file to result: `python -m benchmarks.accuracy`."""

from __future__ import annotations

import math
import sys

from scipy import special

from cases.files import loads
from simulator.plan import plan
from simulator.results import Interval
from simulator.run import simulate

SERVERS = (1, 2, 10)
UTILISATIONS = (0.3, 0.7, 0.9, 0.95)
REPLICATIONS = 20
SLACK = 0.05
CASE = """
format: 1
id: queue
title: M/M/{servers}
question: How long does one wait?
workload: {{kind: poisson, rate: {rate} requests/s}}
stages:
  - {{name: desk, replicas: {servers}, balancing: shared, service: {{kind: exponential, mean: 1 ms}}}}
"""


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c with `load` erlangs (Erlang 1917)."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def wait(servers: int, utilisation: float) -> tuple[float, float, float]:
    """Mean wait in service times: by formula, simulated, and the half-width of its 99.99 % interval."""
    requests = int(20_000 * (1 + servers / 5) / (1 - utilisation) ** 1.5)
    case = loads(CASE.format(servers=servers, rate=1000 * servers * utilisation), "queue.yaml")
    waits = []
    first = 1000 * servers + round(1000 * utilisation)  # its own luck for each row, or one deviation would show in all
    for seed in range(first, first + REPLICATIONS):
        result = simulate(plan(case, seed=seed, requests=requests, replications=1, drain=3600))
        waits.append(result.stages["desk"].wait_mean_ms)
    interval = Interval.of(waits)
    assert interval.value is not None
    assert interval.high is not None
    t95, t9999 = (float(special.stdtrit(REPLICATIONS - 1, q)) for q in (0.975, 0.99995))
    half = (interval.high - interval.value) / t95 * t9999
    load = servers * utilisation
    return erlang_c(servers, load) / (servers - load), interval.value, half


def main() -> None:
    """Print the table; exit with 1 if a row misses the rule."""
    print("| queue | utilisation | mean wait by formula | simulated | 99.99 % interval |")
    print("|---|---|---|---|---|")
    failed = False
    for servers in SERVERS:
        for utilisation in UTILISATIONS:
            target, value, half = wait(servers, utilisation)
            slack = SLACK * max(target, 0.1)  # of a wait of next to nothing, a share of a tenth of a service
            failed |= half > slack or math.fabs(value - target) > slack + half
            print(f"| M/M/{servers} | {utilisation} | {target:.4g} | {value:.4g} | ±{half:.2g} |", flush=True)
    sys.exit(1 if failed else None)


if __name__ == "__main__":
    main()
