"""What a search found, as values: frozen, and printed by the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from simulator.results import ObjectiveResult, SimulationResult

Sense = Literal["least", "most"]
Answer = Literal["found", "all_meet", "none_meets", "too_close"]
RANK = {False: 0, None: 1, True: 2}  # of what is known of objectives, the worst first


@dataclass(frozen=True)
class Step:
    """A value that was tried, and what its run showed. `met` is None where it is too close to call."""

    value: str
    result: SimulationResult
    checks: bool = False  # on other luck, what was found

    @property
    def met(self) -> bool | None:
        """All objectives together."""
        return met(self.result)

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "value": self.value,
            "met": self.met,
            "checks": self.checks,
            "seed": self.result.seed,
            "replications": self.result.replications,
            "key": self.result.key,
            "objectives": [objective.as_json() for objective in self.result.objectives],
            "cost_usd_per_hour": self.result.cost_usd_per_hour,
        }


@dataclass(frozen=True)
class Found:
    """What a search came to.

    By verdict: `found`: `at` meets, and `below` misses. `all_meet`: `at` is the end of the range, or None where the
    range does not tell which end is sought. `none_meets`: `below` is the best end, or what is nearest to the design.
    `too_close`: no value surely meets, and some do not surely miss.
    """

    case: str
    path: str
    unit: str
    low: str
    high: str
    sense: Sense | None  # None: nothing in the range makes a difference
    verdict: Answer
    at: Step | None
    below: Step | None  # the nearest that surely misses; where the most is sought, it lies above
    undecided: tuple[str, str] | None  # the first and the last of those between, which are too close to call
    confirmed: bool  # on other luck, or nothing to confirm
    designed: str
    designed_cost: float | None  # USD per hour
    seeds: tuple[int, int]  # of the search, and of the check
    steps: tuple[Step, ...]  # in order
    notes: tuple[str, ...]
    scenario: str | None = None

    @property
    def answer(self) -> str | None:
        """The value, as in the file."""
        return None if self.at is None else self.at.value

    def as_json(self) -> dict[str, Any]:
        """What `simulator search --json` prints.

        `answer` and `below` hold {value, met, checks, seed, replications, key, objectives, cost_usd_per_hour,
        latency_ms} or null, `steps` the same without the latencies; `undecided` {from, to} or null. `sense` is least,
        most or null; `verdict` found, all_meet, none_meets or too_close.
        """
        return {
            "case": self.case,
            **({} if self.scenario is None else {"scenario": self.scenario}),
            "path": self.path,
            "from": self.low,
            "to": self.high,
            "unit": self.unit or None,
            "sense": self.sense,
            "verdict": self.verdict,
            "answer": self.answer,
            "at": _with_latencies(self.at),
            "below": _with_latencies(self.below),
            "undecided": None if self.undecided is None else dict(zip(("from", "to"), self.undecided, strict=True)),
            "confirmed": self.confirmed,
            "as_designed": self.designed,
            "cost_usd_per_hour": {
                "answer": None if self.at is None else self.at.result.cost_usd_per_hour,
                "as_designed": self.designed_cost,
            },
            "seeds": {"search": self.seeds[0], "check": self.seeds[1]},
            "steps": [step.as_json() for step in self.steps],
            "notes": list(self.notes),
        }


def _with_latencies(step: Step | None) -> dict[str, Any] | None:
    return None if step is None else step.as_json() | {"latency_ms": step.result.as_json()["latency_ms"]}


def met(result: SimulationResult) -> bool | None:
    """Whether all objectives are met; None while none is missed and one is undecided."""
    verdicts = [objective.met for objective in result.objectives]
    return False if False in verdicts else None if None in verdicts else True


def telling(step: Step) -> ObjectiveResult:
    """The objective that decides: the first that is missed, else undecided, else the first."""
    return min(step.result.objectives, key=lambda o: RANK[o.met])
