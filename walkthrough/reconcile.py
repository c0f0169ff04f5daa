"""Three witnesses on one design: what arithmetic, queueing theory and simulation say, and the reason where they differ.

Arithmetic: the replicas that the mean work keeps busy. Theory: the fewest with which every latency objective is met,
by formula (`walkthrough.theory`). Simulation: the fewest with which every objective is met, searched for. Each stage is
looked at for itself, with all others as the design has them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cases.build import apply
from cases.cells import one_cell
from cases.errors import RunError, shown
from cases.spec import Case, Objective, Stage
from cases.vary import MOST_VALUES
from simulator.control import Progress
from simulator.found import RANK
from simulator.plan import Engine, plan
from simulator.report import amount, label_of, milliseconds, objective_text, table
from simulator.results import Interval, ObjectiveResult, SimulationResult
from simulator.run import simulate
from simulator.search import Found, decided, fewest, met
from walkthrough.offered import Offered, requests_per_second
from walkthrough.reasons import reason, whole_reason
from walkthrough.theory import Theory

NOBODY = "No stage has replicas to ask about."
ROOM = 4  # the search goes up to so many times what the others say


@dataclass(frozen=True)
class StageView:
    """One stage: the replicas that it has, and those that it needs by each witness; `theory` None: never enough."""

    name: str
    label: str
    replicas: int
    offered: Offered  # in one cell
    workers: int  # of a replica
    cells: int
    theory: int | None
    found: Found | None  # None where the simulation was not asked
    why: str

    @property
    def exact(self) -> float:
        """Replicas that the mean work keeps busy, not rounded."""
        return self.cells * self.offered.busy / self.workers

    @property
    def working(self) -> str:
        """How arithmetic comes to it: '2,894 visits/s × 26.4 ms ÷ 8 workers = 9.55'."""
        visits, work = amount(self.offered.visits * self.cells), milliseconds(self.offered.work * 1e3)
        workers = f"{self.workers:,} worker{'' if self.workers == 1 else 's'}"
        return f"{visits} visits/s × {work} ÷ {workers} = {self.exact:.3g}"

    @property
    def arithmetic(self) -> int:
        """The same, rounded up."""
        return max(1, math.ceil(self.exact - 1e-9))

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "as_designed": self.replicas,
            "arrivals_per_s": self.offered.visits * self.cells,
            "work_ms": self.offered.work * 1e3,
            "arithmetic": {"replicas": self.arithmetic, "exact": self.exact, "working": self.working},
            "theory": {"replicas": self.theory},
            "simulation": None if self.found is None else _found_json(self.found),
            "why": self.why,
        }

    def row(self) -> dict[str, str]:
        """For a table."""
        return {
            "Stage": self.label,
            "Has": f"{self.replicas:,}",
            "Arithmetic": f"{self.arithmetic:,} ({self.exact:.3g})",
            "Theory": "no number" if self.theory is None else f"{self.theory:,}",
            "Simulation": "not asked" if self.found is None else found_text(self.found),
            "Why": self.why,
        }


def _found_json(found: Found) -> dict[str, Any]:
    misses = None if found.below is None else found.below.value
    return {
        "replicas": None if found.answer is None else int(found.answer),
        "misses_with": None if misses is None else int(misses),
        "undecided": None if found.undecided is None else [int(end) for end in found.undecided],
        "verdict": found.verdict,
        "confirmed": found.confirmed,
    }


def found_text(found: Found) -> str:
    """'13', '12 or 13', 'no number'."""
    if found.undecided is not None:
        ends = dict.fromkeys((*found.undecided, *((found.answer,) if found.answer is not None else ())))
        first, *_, last = (*ends, *ends)
        return first if first == last else f"{first} to {last}"
    return found.answer or "no number"


@dataclass(frozen=True)
class WholeView:
    """The request from end to end at one percentile, by each witness; times in ms."""

    percentile: float
    target: float
    arithmetic: float
    theory: float  # infinite where a stage is asked for more than it can do
    simulation: Interval
    why: str

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "percentile": self.percentile,
            "target_ms": self.target,
            "arithmetic_ms": self.arithmetic,
            "theory_ms": self.theory if math.isfinite(self.theory) else None,
            "simulation_ms": self.simulation.as_json(),
            "why": self.why,
        }

    def row(self) -> dict[str, str]:
        """For a table."""
        low, high = self.simulation.low, self.simulation.high
        ends = "" if low is None or high is None else f" ({milliseconds(low)} to {milliseconds(high)})"
        return {
            "Latency": f"p{self.percentile:g}, at most {milliseconds(self.target)}",
            "Arithmetic": milliseconds(self.arithmetic),
            "Theory": milliseconds(self.theory) if math.isfinite(self.theory) else "without end",
            "Simulation": milliseconds(self.simulation.value) + ends,
            "Why": self.why,
        }


@dataclass(frozen=True)
class Together:
    """The design with the replicas that the search found for each stage alone, all at once."""

    replicas: dict[str, int]  # by stage
    met: bool | None  # all objectives
    objectives: tuple[ObjectiveResult, ...]
    cost: float | None  # USD per hour
    cost_as_designed: float | None

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "replicas": self.replicas,
            "met": self.met,
            "objectives": [one.as_json() for one in self.objectives],
            "cost_usd_per_hour": {"together": self.cost, "as_designed": self.cost_as_designed},
        }

    def sentence(self) -> str:
        """'All of these at once: p99 231 ms ..., which misses ...'."""
        decides = min(self.objectives, key=lambda one: RANK[one.met])
        does = {True: "holds", False: "misses", None: "too close to call"}[self.met]
        said = f"All of these at once: {does}, {objective_text(decides)}"
        if self.cost is not None and self.cost_as_designed is not None:
            said += f"; ${self.cost:,.2f}/hour in place of ${self.cost_as_designed:,.2f}/hour"
        return said + (": each took the room that all of them share." if self.met is False else ".")


@dataclass(frozen=True)
class Reconciliation:
    """All of it for one design."""

    case: str
    title: str
    key: str  # of the run
    requests_per_s: float
    whole: tuple[WholeView, ...]
    stages: tuple[StageView, ...]
    together: Together | None  # None where not every stage has a number
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What `walkthrough CASE --reconcile --json` prints."""
        return {
            "case": self.case,
            "key": self.key,
            "requests_per_s": self.requests_per_s,
            "whole": [one.as_json() for one in self.whole],
            "stages": {one.name: one.as_json() for one in self.stages},
            "together": None if self.together is None else self.together.as_json(),
            "theory_leaves_out": list(self.left_out),
        }

    def report(self) -> str:
        """For reading in a terminal."""
        lines = [f"{self.title}: {amount(self.requests_per_s)} requests/s", ""]
        for one in self.whole:
            row = one.row()
            why = row.pop("Why")
            lines += [*table([row]), f"  {why}", ""]
        rows = [one.row() for one in self.stages]
        reasons = [(row["Stage"], row.pop("Why")) for row in rows]
        lines += ["Replicas needed, each stage for itself:", *table(rows), ""] if rows else [NOBODY]
        lines += [f"{stage}: {why}" for stage, why in reasons]
        if self.together is not None:
            lines += ["", self.together.sentence()]
        if self.left_out:
            lines += ["", f"The theory leaves out: {'; '.join(self.left_out)}."]
        return "\n".join(lines)


def reconcile(
    case: Case,
    stages: Collection[str] | None = None,
    *,
    seed: int | None = None,
    requests: int | None = None,
    engine: Engine = "auto",
    progress: Progress = lambda _: None,
) -> Reconciliation:
    """Ask all three; the simulation only of `stages` where they are named (RunError for one that is none).

    Theory looks at one of the case's cells, and its numbers are those of all. `progress` is told the share that is
    done; it may raise, which ends it.
    """
    if not any(one.percentile is not None for one in case.objectives):
        raise RunError(
            "the case states no latency objective, so nothing tells how many replicas are enough; "
            "add for example 'objectives: [{metric: latency, percentile: 99, at_most: 200 ms}]'"
        )
    sized = [stage for stage in case.stages if not stage.endless and stage.person is None]
    asked = _asked([stage for stage in sized if stage.autoscaling is None], stages)
    shares = _Shares(3 + len(asked), progress)
    theory = Theory(one_cell(case))
    planned = plan(case, seed=seed, requests=requests)
    result = simulate(planned, engine, shares.next())
    looked, views = shares.next(), []
    for place, stage in enumerate(sized):
        looked(place / len(sized))
        enough = theory.fewest(stage.name)
        found = None
        if stage.name in asked:
            likely = max(stage.replicas, case.cells * max(enough or 1, theory.busy_replicas(stage.name)))
            most = min(ROOM * likely, MOST_VALUES)
            path, tried = f"stages.{stage.name}.replicas", _balanced(case, stage)
            found = fewest(
                tried, path, f"{case.cells}", f"{most}",
                seed=seed, requests=requests, engine=engine, progress=shares.next(),
            )  # fmt: skip
        views.append(
            StageView(
                name=stage.name,
                label=label_of(case, stage.name),
                replicas=stage.replicas,
                offered=theory.offered[stage.name],
                workers=stage.concurrency,
                cells=case.cells,
                theory=None if enough is None else enough * case.cells,
                found=found,
                why=reason(theory, stage.name, enough, found, result.stages[stage.name], case.cells),
            )
        )
    return Reconciliation(
        case=case.id,
        title=case.title,
        key=planned.key,
        requests_per_s=requests_per_second(case.workload),
        whole=tuple(_whole(theory, one, result) for one in case.objectives if one.percentile is not None),
        stages=tuple(views),
        together=_together(case, views, result, seed, requests, engine, shares.next()),
        left_out=tuple(theory.left_out()),
    )


def _together(
    case: Case,
    views: Sequence[StageView],
    designed: SimulationResult,
    seed: int | None,
    requests: int | None,
    engine: Engine,
    progress: Progress,
) -> Together | None:
    answers = {view.name: view.found.answer for view in views if view.found is not None}
    replicas = {name: int(answer) for name, answer in answers.items() if answer is not None}
    if len(replicas) < len(views):
        return None
    for name in replicas:
        case = _balanced(case, case.stage(name))
    tried = apply(case, {f"stages.{name}.replicas": f"{count}" for name, count in replicas.items()})
    result = decided(plan(tried, seed=seed, requests=requests), engine=engine, progress=progress)
    return Together(replicas, met(result), result.objectives, result.cost_usd_per_hour, designed.cost_usd_per_hour)


def _asked(sized: Sequence[Stage], stages: Collection[str] | None) -> list[str]:
    known = [stage.name for stage in sized]
    for name in stages or ():
        if name not in known:
            among = f"choose among {', '.join(known)}" if known else "this case has none to search for"
            raise RunError(f"{shown(name)} is no stage with replicas; {among}")
    return [name for name in known if stages is None or name in stages]


def _balanced(case: Case, stage: Stage) -> Case:
    """With a balancing, which more than one replica needs: one queue, if the case says nothing."""
    return case if stage.balancing is not None else apply(case, {f"stages.{stage.name}.balancing": "shared"})


def _whole(theory: Theory, objective: Objective, result: SimulationResult) -> WholeView:
    assert objective.percentile is not None
    assert objective.at_most is not None
    seen = next(one for one in result.objectives if one.name == objective.name)
    by_theory = theory.percentile(objective.percentile) * 1e3
    simulated = Interval(seen.value, seen.low, seen.high)
    return WholeView(
        percentile=objective.percentile,
        target=objective.at_most * 1e3,
        arithmetic=theory.unhurried() * 1e3,
        theory=by_theory,
        simulation=simulated,
        why=whole_reason(theory, objective.percentile, by_theory, simulated),
    )


class _Shares:
    """The progress of several runs as that of one."""

    def __init__(self, parts: int, progress: Progress) -> None:
        self._parts, self._progress, self._done = parts, progress, -1

    def next(self) -> Progress:
        """That of the next part."""
        self._done += 1
        done = self._done
        return lambda share: self._progress((done + min(share, 1.0)) / self._parts)
