"""Two designs on common random numbers: what differs, and how sure that is.

Both run with the same seed, so replication k of one meets the same arrivals and the same draws as replication k of the
other. The interval is of the paired differences, which are much less noisy than either figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cases.errors import RunError
from simulator.report import milliseconds
from simulator.results import Interval, SimulationResult

FIGURES = ("mean", "p50", "p95", "p99", "p999", "availability")


@dataclass(frozen=True)
class Difference:
    """A figure of both designs and b - a: latencies in ms, availability as a share."""

    name: str
    a: float | None
    b: float | None
    difference: Interval

    @property
    def decided(self) -> bool:
        """Whether the interval excludes no difference."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)

    def sentence(self, second: str) -> str:
        """'evening_peak is slower at p99 by 31 ms, 95 % interval 24 ms to 38 ms'."""
        a, b = _figure(self.name, self.a), _figure(self.name, self.b)
        value, low, high = self.difference
        if value is None:
            return f"{self.name}: {a} and {b}; no difference can be given"
        if value == low == high == 0:
            return f"{self.name}: the same, {a}"
        if low is None or high is None:
            return f"{self.name}: {a} and {b}; one replication gives no interval"
        if not self.decided:
            ends = f"{_figure(self.name, low)} to {_figure(self.name, high)}"
            return f"{self.name}: a tie within the noise, {a} and {b}, 95 % interval of the difference {ends}"
        near, far = (_figure(self.name, end) for end in sorted((abs(low), abs(high))))
        size = f"by {_figure(self.name, abs(value))}, 95 % interval {near} to {far}"
        if self.name == "availability":
            return f"{second} answers {'more' if value > 0 else 'fewer'} requests, {size}"
        return f"{second} is {'slower' if value > 0 else 'faster'} at {self.name} {size}"


@dataclass(frozen=True)
class Comparison:
    """Design b against design a."""

    case: str
    a: str
    b: str
    seed: int
    replications: int
    differences: tuple[Difference, ...]
    cost: tuple[float | None, float | None]  # USD per hour
    keys: tuple[str, str]

    @classmethod
    def of(cls, first: str, second: str, a: SimulationResult, b: SimulationResult) -> Comparison:
        """Compare two results of the same case, seed and number of replications (RunError otherwise)."""
        if (a.case, a.seed, a.replications) != (b.case, b.seed, b.replications):
            raise RunError("two results can be compared when case, seed and replications are the same; run both again")
        differences = tuple(_difference(name, a, b) for name in FIGURES)
        costs = (a.cost_usd_per_hour, b.cost_usd_per_hour)
        return cls(a.case, first, second, a.seed, a.replications, differences, costs, (a.key, b.key))

    def as_json(self) -> dict[str, Any]:
        """What `simulator compare --json` prints; a difference is b - a."""
        return {
            "case": self.case,
            "a": self.a,
            "b": self.b,
            "keys": {"a": self.keys[0], "b": self.keys[1]},
            "seed": self.seed,
            "replications": self.replications,
            "differences": {
                d.name: {"a": d.a, "b": d.b, "difference": d.difference.as_json(), "decided": d.decided}
                for d in self.differences
            },
            "cost_usd_per_hour": {"a": self.cost[0], "b": self.cost[1]},
        }

    def report(self) -> str:
        """For reading in a terminal."""
        lines = [f"{self.b} against {self.a}: {self.replications} replications on the same luck (seed {self.seed})"]
        lines += [f"  {d.sentence(self.b)}" for d in self.differences]
        if None not in self.cost:
            lines.append(f"  cost ${self.cost[0]:,.2f}/hour and ${self.cost[1]:,.2f}/hour")
        return "\n".join(lines)


def _difference(name: str, a: SimulationResult, b: SimulationResult) -> Difference:
    pairs = list(zip(a.by_replication[name], b.by_replication[name], strict=True))
    differences = [None if x is None or y is None else y - x for x, y in pairs]
    means = (Interval.of([x for x, _ in pairs]).value, Interval.of([y for _, y in pairs]).value)
    return Difference(name, *means, Interval.of(differences, least=-math.inf))


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "no answer"
    if name == "availability":
        return f"{value * 100:.4g} %"
    return f"-{milliseconds(-value)}" if value < 0 else milliseconds(value)
