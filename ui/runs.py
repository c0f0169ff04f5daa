"""What pages ask to be run, each in its slot of the session. What a plan's key names is run once for everybody."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Sequence

import streamlit as st

from cases import files
from cases.errors import StagecraftError
from cases.spec import Case
from simulator.control import Progress
from simulator.engine import load_when_ready
from simulator.plan import Plan
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.search import Found, around, fewest, fleets
from simulator.why import Why, why
from ui import state
from ui.entries import entries
from ui.jobs import Runs, View, begun, forget, jobs
from ui.plans import plan, within
from walkthrough import story
from walkthrough.export import export
from walkthrough.reconcile import Reconciliation, reconcile
from walkthrough.story import PlannedStep, RunName

WORKERS = 2
WHY = "why"  # the slot of a session's explanation
FEWEST = "fewest"  # and of its search
THREE = "three"  # and of the three witnesses
CARD = "card "  # what the slots of the catalogue's cards begin with
STORY = "story "  # and of a story's runs
PAIR = "pair "  # and of designs that are compared
EVERY = "every"  # and the slot of all designs of a case
EXPORT = "export"  # and of the file to hand on
OWN = "own "  # what the slots of a case begin with that somebody writes
OF_A_PAGE = (WHY, FEWEST, THREE, CARD, STORY, PAIR, EVERY, EXPORT, OWN)


@st.cache_resource(show_spinner=False)
def simulations() -> Runs:
    """Simulations of designs: one for the server."""
    return Runs("run", WORKERS)


@st.cache_resource(show_spinner=False)
def explanations() -> Runs:
    """Explanations take longer, so they queue for themselves: no design waits for one."""
    return Runs("why", 1)


@st.cache_resource(show_spinner=False)
def searches() -> Runs:
    """Searches run a design many times, so they queue for themselves, too."""
    return Runs("search", 1)


def warm_up() -> None:
    """Load the simulator before anybody asks for a run; on a machine's first start it is compiled meanwhile, beside."""
    small = plan(files.load(files.catalog()[state.FIRST_CASE]), requests=10, replications=1)

    def work() -> None:
        entries()
        simulate(small)
        load_when_ready()

    threading.Thread(target=work, name="warm-up", daemon=True).start()


def view(case: Case, slot: str, scenario: str | None = None) -> View[SimulationResult]:
    """The run of a case, begun; `slot` tells the runs of a session apart (a newer one of a slot cancels the older)."""
    try:
        planned = plan(case, scenario=scenario)
    except StagecraftError as error:
        return View(slot, error=str(error))
    return begun(simulations(), slot, planned.key, lambda progress: simulate(planned, progress=progress))


def story_runs(
    case: Case, step: PlannedStep, ahead: Iterable[PlannedStep] = ()
) -> dict[RunName, View[SimulationResult]]:
    """The runs that a step of a story shows and quotes, begun, and behind them those of the steps `ahead`.

    What was begun for other steps is given up, so that it keeps nobody waiting.
    """
    wanted = list(dict.fromkeys([*step.shows, *step.runs]))
    later = [run for one in ahead for run in [*one.shows, *one.runs] if run not in wanted]
    slots = {run: f"{STORY}{run}" for run in [*wanted, *later]}
    for slot in [slot for slot in jobs() if slot.startswith(STORY)]:
        if slot not in slots.values():
            forget(slot)
    views = {run: _story_run(case, run, slot) for run, slot in slots.items()}
    return {run: views[run] for run in wanted}


def story_plan(case: Case, run: RunName) -> Plan:
    """The plan of a story's run, made once (DesignError)."""
    return case.kept(f"{STORY}{run}", lambda: within(story.planned(case, run)))


def _story_run(case: Case, run: RunName, slot: str) -> View[SimulationResult]:
    try:
        planned = story_plan(case, run)
    except StagecraftError as error:
        return View(slot, error=str(error))
    return begun(simulations(), slot, planned.key, lambda progress: simulate(planned, progress=progress)).at_once()


def explanation(case: Case, result: SimulationResult) -> View[Why]:
    """Why p99 is high in this result of a case."""
    planned = plan(case, scenario=result.scenario)
    assert planned.key == result.key, "the result is of another design"
    return begun(explanations(), WHY, planned.key, lambda progress: why(planned, result, progress=progress)).awaited()


def search(case: Case, result: SimulationResult, stage: str) -> View[Found]:
    """How many a stage needs where all else is as in this result of a case."""
    path, (low, high) = fleets(case)[stage], around(case, stage)
    return begun(
        searches(),
        FEWEST,
        f"{result.key}:{path}",
        lambda progress: fewest(case, path, low, high, scenario=result.scenario, progress=progress),
    ).awaited()


def three_witnesses(case: Case, searched: bool) -> View[Reconciliation]:
    """What arithmetic, theory and simulation say of a case; `searched`: whether the simulation is asked how many."""
    return begun(
        searches() if searched else simulations(),
        THREE,
        f"{plan(case).key}:three:{searched}",
        lambda progress: reconcile(case, None if searched else [], progress=progress),
    ).awaited()


def exported(case: Case, scenario: str | None = None) -> View[bytes]:
    """The walkthrough of a case as one HTML file, compressed by zlib; what has been run already is taken from there."""

    def work(progress: Progress) -> bytes:
        return zlib.compress(export(case, scenario=scenario, known=known, progress=progress).encode())

    key = plan(case, scenario=scenario).key
    return begun(searches(), EXPORT, f"{key}:export of {plan(case.as_written).key}", work).awaited()


def compared(planned: Plan, slot: str) -> View[SimulationResult]:
    """The run of one of the designs that are compared, begun."""
    return begun(simulations(), f"{PAIR}{slot}", planned.key, lambda progress: simulate(planned, progress=progress))


def every(plans: Sequence[Plan]) -> View[dict[str, SimulationResult | str]]:
    """The runs of many designs, begun: one after the other, on one core. By the plans' keys the result, or the error.

    Each result is known as soon as it is there (`known`), and none is run twice.
    """
    done = simulations()

    def work(progress: Progress) -> dict[str, SimulationResult | str]:
        found: dict[str, SimulationResult | str] = {}
        for i, planned in enumerate(plans):
            try:
                result = done.known(planned.key)
                if result is None:
                    share = _part(progress, i, len(plans))
                    result = simulate(planned, progress=share, workers=1)
                    done.keep(planned.key, result)
            except StagecraftError as error:
                result = str(error)
            found[planned.key] = result
            progress((i + 1) / len(plans))
        return found

    return begun(searches(), EVERY, f"every {','.join(planned.key for planned in plans)}", work).at_once()


def _part(progress: Progress, number: int, of: int) -> Progress:
    """What tells the progress of one of so many runs."""
    return lambda share: progress((number + share) / of)


def known(key: str) -> SimulationResult | None:
    """The result of the plan of this key, if it has been run."""
    found: SimulationResult | None = simulations().known(key)
    return found


def visited(page: str) -> None:
    """A page is drawn: what was asked on another one is given up, so that it keeps nobody waiting."""
    if st.session_state.get("visited") != page:
        st.session_state.visited = page
        for slot in [slot for slot in jobs() if slot.startswith(OF_A_PAGE)]:
            forget(slot)
