"""Two designs on common random numbers: what differs, and how sure that is.

Both run with the same seed, so replication k of one meets the same arrivals and the same draws as replication k of the
other. The interval is of the paired differences, which are much less noisy than either figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cases import outcomes
from cases.errors import RunError
from simulator.points import change_text
from simulator.report import milliseconds, recovery_text
from simulator.results import CONFIDENCE, Interval, Recovery, SimulationResult

ROUNDING = 1e-10  # of the figure
FIGURES = ("mean", "p50", "p95", "p99", "p999", "availability")


@dataclass(frozen=True)
class Difference:
    """A figure of both designs and b - a: latencies in ms, availability as a share, outcomes in their own unit."""

    name: str
    a: float | None
    b: float | None
    difference: Interval
    unit: str | None = None  # of an outcome
    confidence: float = CONFIDENCE

    @property
    def decided(self) -> bool:
        """Whether the interval excludes no difference."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)

    def sentence(self, second: str) -> str:
        """'evening_peak is slower at p99 by 31 ms, 95 % interval 24 to 38 ms'."""
        a, b = self.text(self.a), self.text(self.b)
        value, low, high = self.difference
        if value is None:
            return f"{self.name}: {a} and {b}; no difference can be given"
        if value == low == high == 0:
            return f"{self.name}: the same, {a}"
        if low is None or high is None:
            return f"{self.name}: {a} and {b}; one replication gives no interval"
        if not self.decided:
            ends = _from_to(self.change(low), self.change(high))
            return f"{self.name}: a tie within the noise, {a} and {b}, {self._sure} of the difference {ends}"
        near, far = (self.change(end) for end in sorted((abs(low), abs(high))))
        size = f"by {self.change(abs(value))}, {self._sure} {_from_to(near, far)}"
        if self.unit is not None:
            return f"{second} has {'more' if value > 0 else 'less'} {self.name} {size}"
        if self.name == "availability":
            return f"{second} answers {'more' if value > 0 else 'fewer'} requests, {size}"
        return f"{second} is {'slower' if value > 0 else 'faster'} at {self.name} {size}"

    @property
    def _sure(self) -> str:
        return f"{self.confidence * 100:g} % interval"

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        found = {"a": self.a, "b": self.b, "difference": self.difference.as_json(), "decided": self.decided}
        return found if self.unit is None else {"unit": self.unit} | found

    def signed(self, value: float) -> str:
        """A difference: '+31 ms', '-0.2 points'."""
        return f"{'-' if value < 0 else '+' if value else ''}{self.change(abs(value))}"

    def change(self, value: float) -> str:
        """A difference without its sign, or with a minus: '31 ms', '0.2 points'."""
        if self.name == "availability":
            return change_text(value * 100, "%")
        return self.text(value) if self.unit is None else change_text(value, self.unit)

    def text(self, value: float | None) -> str:
        """A figure with its unit: '31 ms', '99.9 %'."""
        if self.unit is not None:
            return "no value" if value is None else outcomes.with_unit(value, self.unit)
        if value is None:
            return "no answer"
        if self.name == "availability":
            return f"{value * 100:.4g} %"
        return f"-{milliseconds(-value)}" if value < 0 else milliseconds(value)


@dataclass(frozen=True)
class Comparison:
    """Design b against design a."""

    case: str
    a: str
    b: str
    seed: int
    replications: int
    differences: tuple[Difference, ...]
    outcomes: dict[str, Difference]
    cost: tuple[float | None, float | None]  # USD per hour
    keys: tuple[str, str]
    scenario: str | None = None
    recovery: tuple[tuple[Recovery, ...], tuple[Recovery, ...]] = ((), ())  # by event, of a and of b
    confidence: float = CONFIDENCE

    @classmethod
    def of(
        cls, first: str, second: str, a: SimulationResult, b: SimulationResult, confidence: float = CONFIDENCE
    ) -> Comparison:
        """Compare two results of the same case, scenario, seed and number of replications (RunError otherwise)."""
        if (a.case, a.scenario, a.seed, a.replications) != (b.case, b.scenario, b.seed, b.replications):
            raise RunError(
                "two results can be compared when case, scenario, seed and replications are the same; run both again"
            )
        return cls(
            case=a.case,
            a=first,
            b=second,
            seed=a.seed,
            replications=a.replications,
            differences=tuple(difference(name, a, b, confidence) for name in FIGURES),
            outcomes={
                name: _difference(one.label, one.by_replication, b.outcomes[name].by_replication, confidence, one.unit)
                for name, one in a.outcomes.items()
                # A design may give an outcome another unit: then there is nothing to subtract.
                if name in b.outcomes and b.outcomes[name].unit == one.unit
            },
            cost=(a.cost_usd_per_hour, b.cost_usd_per_hour),
            keys=(a.key, b.key),
            scenario=a.scenario,
            recovery=(a.recovery, b.recovery),
            confidence=confidence,
        )

    @property
    def cost_difference(self) -> float | None:
        """USD per hour, b - a: no luck is in it, but for replicas that follow the load."""
        a, b = self.cost
        return None if a is None or b is None else b - a

    def as_json(self) -> dict[str, Any]:
        """What `simulator compare --json` prints; a difference is b - a."""
        recovery = dict(zip("ab", ([one.as_json() for one in each] for each in self.recovery), strict=True))
        return {
            "case": self.case,
            **({} if self.scenario is None else {"scenario": self.scenario, "recovery": recovery}),
            "a": self.a,
            "b": self.b,
            "keys": {"a": self.keys[0], "b": self.keys[1]},
            "seed": self.seed,
            "replications": self.replications,
            **({} if self.confidence == CONFIDENCE else {"confidence": self.confidence}),
            "differences": {d.name: d.as_json() for d in self.differences},
            "cost_usd_per_hour": {"a": self.cost[0], "b": self.cost[1], "difference": self.cost_difference},
            "outcomes": {name: d.as_json() for name, d in self.outcomes.items()},
        }

    def report(self) -> str:
        """For reading in a terminal."""
        scenario = "" if self.scenario is None else f" in {self.scenario}"
        luck = f"{self.replications} replications on the same luck (seed {self.seed})"
        lines = [f"{self.b} against {self.a}{scenario}: {luck}"]
        for name, recovery in zip((self.a, self.b), self.recovery, strict=True):
            lines += [f"  {name}: {recovery_text(one)}" for one in recovery]
        lines += [f"  {d.sentence(self.b)}" for d in (*self.differences, *self.outcomes.values())]
        if self.cost_difference is not None:
            more = self.cost_difference
            change = "the same" if not more else f"${abs(more):,.2f}/hour {'more' if more > 0 else 'less'}"
            lines.append(f"  cost ${self.cost[0]:,.2f}/hour and ${self.cost[1]:,.2f}/hour, {change}")
        return "\n".join(lines)


def difference(name: str, a: SimulationResult, b: SimulationResult, confidence: float = CONFIDENCE) -> Difference:
    """Of one of the FIGURES, paired by replication."""
    return _difference(name, a.by_replication[name], b.by_replication[name], confidence)


def apart(a: float | None, b: float | None) -> float | None:
    """b - a of one replication; what differs by the rounding of sums only is the same."""
    if a is None or b is None:
        return None
    return 0.0 if math.isclose(a, b, rel_tol=ROUNDING) else b - a


def _difference(
    name: str, a: Sequence[float | None], b: Sequence[float | None], confidence: float, unit: str | None = None
) -> Difference:
    differences = [apart(x, y) for x, y in zip(a, b, strict=True)]
    least = -math.inf
    means = (Interval.of(a, least).value, Interval.of(b, least).value)
    return Difference(name, *means, Interval.of(differences, least, confidence=confidence), unit, confidence)


def _from_to(low: str, high: str) -> str:
    """'24 to 38 ms': a unit that both have is said once."""
    number, _, unit = low.partition(" ")
    return f"{number} to {high}" if unit and high.partition(" ")[2] == unit else f"{low} to {high}"
