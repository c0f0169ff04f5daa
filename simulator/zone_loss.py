"""A case as it stands, and with each of its zones lost from the beginning: do the objectives hold without it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cases.build import build
from cases.errors import RunError
from cases.spec import Case
from cases.tree import Plain
from simulator.report import milliseconds, objective_text, percent, share_answered
from simulator.results import SimulationResult

SCENARIO = "without_a_zone_from_the_start"


@dataclass(frozen=True)
class ZoneLoss:
    """A run without a zone; with all of them if it is None."""

    zone: str | None
    result: SimulationResult

    def as_json(self) -> dict[str, Any]:
        """One entry of what `run --each-zone-down --json` prints."""
        shown = self.result.as_json()
        return {"zone": self.zone} | {key: shown[key] for key in ("key", "requests", "latency_ms", "objectives")}

    def row(self) -> dict[str, str]:
        """For a table."""
        words = {True: "met", False: "MISSED", None: "undecided"}
        return {
            "Lost": self.zone or "no zone",
            "Answered": percent(share_answered(self.result)),
            "p99 latency": milliseconds(self.result.latency_ms["p99"].value),
        } | {f"Objective {i}": f"{objective_text(o)}: {words[o.met]}" for i, o in enumerate(self.result.objectives, 1)}


def each_zone_down(case: Case, run: Callable[[Case, str | None], SimulationResult]) -> list[ZoneLoss]:
    """`run` simulates a case in one of its scenarios. RunError for a case without zones."""
    if case.zones is None:
        raise RunError(
            "--each-zone-down: the case has no zones; write for example 'zones: {names: [a, b, c], hop: 1 ms}'"
        )
    return [ZoneLoss(None, run(case, None)), *(ZoneLoss(z, run(_without(case, z), SCENARIO)) for z in case.zones.names)]


def _without(case: Case, zone: str) -> Case:
    """The case with a scenario in which the zone is lost before anybody comes; as long as the case's own run."""
    event = {"at": Plain("0 s"), "lose_zone": Plain(zone)}
    run = {"requests": Plain(str(case.run.requests))}
    kept = case.tree.get("scenarios", {})  # designs and the story name them
    return build(case.tree | {"scenarios": kept | {SCENARIO: {"events": [event], "run": run}}})
