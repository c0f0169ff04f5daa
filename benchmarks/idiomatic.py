"""The six-stage pipeline as a SimPy tutorial would have it: a Resource a stage, a process a visit, float seconds."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy


class Pipeline:
    """gateway -> three candidate sources in parallel -> features -> ranking."""

    def __init__(self, env: simpy.Environment, stages: dict[str, tuple[int, float, float]], seed: int) -> None:
        """`stages`: name -> workers, mean (s) and sigma of a log-normal service."""
        self.env = env
        self.random = random.Random(seed)
        self.resources = {name: simpy.Resource(env, workers) for name, (workers, _, _) in stages.items()}
        self.services = {name: (mu, sigma) for name, (_, mu, sigma) in stages.items()}
        self.latencies: list[float] = []

    def visit(self, name: str) -> Generator[simpy.Event, Any, None]:
        """Wait for a worker, keep it for the service time."""
        with self.resources[name].request() as turn:
            yield turn
            yield self.env.timeout(self.random.lognormvariate(*self.services[name]))

    def request(self) -> Generator[simpy.Event, Any, None]:
        """One request on its way."""
        arrived = self.env.now
        yield self.env.process(self.visit("gateway"))
        yield simpy.AllOf(self.env, [self.env.process(self.visit(name)) for name in ("friends", "similar", "fresh")])
        yield self.env.process(self.visit("features"))
        yield self.env.process(self.visit("ranking"))
        self.latencies.append(self.env.now - arrived)

    def source(self, rate: float, requests: int) -> Generator[simpy.Event, Any, None]:
        """Poisson arrivals."""
        for _ in range(requests):
            yield self.env.timeout(self.random.expovariate(rate))
            self.env.process(self.request())


def simulate(stages: dict[str, tuple[int, float, float]], rate: float, requests: int, seed: int) -> dict[str, float]:
    """Latencies of all requests after the first eleventh."""
    env = simpy.Environment()
    pipeline = Pipeline(env, stages, seed)
    env.process(pipeline.source(rate, requests))
    env.run()
    measured = np.array(pipeline.latencies[requests // 11 :]) * 1000
    p50, p99 = np.percentile(measured, [50, 99])
    return {"mean ms": float(measured.mean()), "p50 ms": float(p50), "p99 ms": float(p99)}
