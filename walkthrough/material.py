"""What an exported walkthrough is made of: the story, the runs that it shows and quotes, and the three witnesses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cases.errors import StagecraftError
from cases.scenario_check import CONTAINED
from cases.scenarios import scenario
from cases.spec import Case, Design, Scenario
from simulator.control import Progress
from simulator.plan import Engine
from simulator.results import SimulationResult
from simulator.run import simulate
from walkthrough.reconcile import Reconciliation, reconcile
from walkthrough.story import PlannedStep, RunName, ToldStep, planned, steps, told

Known = Callable[[str], SimulationResult | None]
"""The result of this key, where somebody has run it already."""


@dataclass(frozen=True)
class Material:
    """All of it as values. `runs` holds `here`, the run that is judged, first."""

    case: Case
    here: RunName
    story: tuple[ToldStep, ...]
    no_story: str  # why it is left out, though there is one
    runs: dict[RunName, SimulationResult]
    three: Reconciliation | None
    no_three: str  # why there is none

    @property
    def result(self) -> SimulationResult:
        """Of the run that is judged."""
        return self.runs[self.here]


def gather(
    case: Case,
    during: str | None = None,
    asked: Collection[str] | None = (),
    *,
    seed: int | None = None,
    engine: Engine = "auto",
    known: Known = lambda _: None,
    progress: Progress = lambda _: None,
) -> Material:
    """Make the runs, each once, and ask the witnesses. `during`: the scenario of the run that is judged.

    `asked`: the stages of which the simulation is asked how many replicas they need, which takes long; None: all.
    """
    written, no_story = _steps(case)
    here = RunName(during)
    names = list(dict.fromkeys([here, *(run for step in written for run in (*step.shows, *step.runs))]))
    runs: dict[RunName, SimulationResult] = {}

    def share(done: float) -> None:
        progress((len(runs) + done) / (len(names) + 1))

    for name in names:
        wanted = planned(case, name, seed)
        runs[name] = known(wanted.key) or simulate(wanted, engine, share)
    three, no_three = None, ""
    try:
        three = reconcile(case, asked, seed=seed, engine=engine, progress=share)
    except StagecraftError as error:
        no_three = str(error)
    return Material(case, here, tuple(told(case, step, runs) for step in written), no_story, runs, three, no_three)


def _steps(case: Case) -> tuple[tuple[PlannedStep, ...], str]:
    """What is to be told; where the case has been changed so that its story no longer goes with it, why not."""
    try:
        return steps(case), ""
    except StagecraftError as error:
        return (), str(error)


def run_text(case: Case, run: RunName) -> str:
    """A run in a sentence: 'Twice the load for 4 s, with More rankers.'"""
    design = "" if run.design is None else designed(case, run.design).label or run.design.replace("_", " ")
    if run.scenario is None:
        return f"With {design}." if design else "The case as written." if case is case.as_written else "As changed."
    happens = happening(case, run.scenario).label or run.scenario.replace("_", " ")
    return f"{happens}, with {design}." if design else f"{happens}."


def happening(case: Case, name: str) -> Scenario:
    """A scenario that runs are of. To match all of the shared ones, as `scenarios` does, takes a while."""
    return case.scenarios.get(name) or scenario(case, name)


def designed(case: Case, name: str) -> Design:
    """A design that runs are of: the case's own, or what contains a scenario."""
    if name in case.designs:
        return case.designs[name]
    contained = happening(case, name.removesuffix(CONTAINED)).contained_by
    assert contained is not None, "the story was checked"
    return Design(label=contained.label, note=contained.note, changes=contained.changes)
