"""What a run showed, as values: frozen, named by the run's key, and printed by the contract."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from simulator.network import Ints
from simulator.semantics import RequestEnd
from simulator.workload import SECOND

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A figure with its interval; low and high are None where one replication (or no answer) allows none."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float | None], least: float = 0.0, most: float = math.inf) -> Interval:
        """The mean of the replications' figures and its t interval, within what is possible; None spreads."""
        known = [v for v in values if v is not None]
        if not known or len(known) < len(values):
            return cls(None, None, None)
        mean = math.fsum(known) / len(known)
        if len(known) == 1:
            return cls(mean, None, None)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1) / len(known))
        half = float(special.stdtrit(len(known) - 1, 0.5 + CONFIDENCE / 2)) * spread
        return cls(mean, max(mean - half, least), min(mean + half, most))

    def as_json(self) -> dict[str, float | None]:
        """The keys of the contract."""
        return self._asdict()


@dataclass(frozen=True)
class Timeline:
    """One replication over time. Row i covers (times[i-1], times[i]]; percentiles are of the requests answered then."""

    names: tuple[str, ...]
    times: Ints  # ns
    percentiles: dict[str, list[float | None]]  # ms
    ended: Ints  # shape (rows, outcomes): requests that ended, by RequestEnd
    waiting: Ints  # shape (rows, stages): visits waiting at the end of the row
    utilisation: np.ndarray[Any, np.dtype[np.float64]]  # shape (rows, stages)

    def frame(self) -> Any:
        """A tidy pandas frame: time_s, stage ('' for the whole), measure, value."""
        import pandas as pd

        seconds = self.times / SECOND
        parts = [
            pd.DataFrame({"time_s": seconds, "stage": "", "measure": f"{p}_ms", "value": v})
            for p, v in self.percentiles.items()
        ]
        for end in RequestEnd:
            if end is not RequestEnd.IN_FLIGHT:
                column = self.ended[:, end]
                parts.append(
                    pd.DataFrame(
                        {"time_s": seconds, "stage": "", "measure": end.name.lower(), "value": column.astype(float)}
                    )
                )
        for s, name in enumerate(self.names):
            for measure, values in (("waiting", self.waiting), ("utilisation", self.utilisation)):
                parts.append(
                    pd.DataFrame(
                        {"time_s": seconds, "stage": name, "measure": measure, "value": values[:, s].astype(float)}
                    )
                )
        return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class StageResult:
    """A stage over the window, all replications together."""

    utilisation: float
    arrivals_per_s: float
    wait_mean_ms: float | None
    wait_p99_ms: float | None
    service_mean_ms: float | None
    queue_mean: float
    queue_max: int
    attempts_per_visit: float | None
    rejections: int  # visits turned away by a full queue

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "utilisation": self.utilisation,
            "arrivals_per_s": self.arrivals_per_s,
            "wait_ms": {"mean": self.wait_mean_ms, "p99": self.wait_p99_ms},
            "service_ms": {"mean": self.service_mean_ms},
            "queue_length": {"mean": self.queue_mean, "max": self.queue_max},
            "attempts_per_visit": self.attempts_per_visit,
        }


@dataclass(frozen=True)
class ObjectiveResult:
    """An objective against the run: latencies in ms, availability as a share. `met` is None while undecided."""

    name: str
    met: bool | None
    value: float | None
    low: float | None
    high: float | None
    target: float

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class SimulationResult:
    """What a run showed: frozen, and named by its key."""

    case: str
    key: str
    engine: str
    seed: int
    replications: int
    requests: dict[str, int]
    latency_ms: dict[str, Interval]
    stages: dict[str, StageResult]
    objectives: tuple[ObjectiveResult, ...]
    cost_usd_per_hour: float | None
    notes: tuple[str, ...]
    events: int
    offered_per_s: float
    by_replication: dict[str, tuple[float | None, ...]]  # latencies in ms by name, and availability
    timeline: Timeline | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The contract of `simulator run --json`."""
        return {
            "case": self.case,
            "key": self.key,
            "engine": self.engine,
            "seed": self.seed,
            "replications": self.replications,
            "requests": self.requests,
            "latency_ms": {name: interval.as_json() for name, interval in self.latency_ms.items()},
            "stages": {name: stage.as_json() for name, stage in self.stages.items()},
            "objectives": [objective.as_json() for objective in self.objectives],
            "cost_usd_per_hour": self.cost_usd_per_hour,
            "outcomes": {},
            "notes": list(self.notes),
        }
