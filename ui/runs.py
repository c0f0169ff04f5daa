"""Runs beside the page: a thread for each, so that a simulation never freezes what one looks at.

A result is named by its plan's key and shared by all sessions. A page begins its runs, puts together what does not
depend on them, and waits a moment; if a run takes longer, the page shows what it has, says whose that is, and asks
again. A newer run of the same session cancels the older.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import streamlit as st

from cases import files
from cases.errors import StagecraftError
from cases.spec import Case
from simulator.control import Progress
from simulator.engine import load_when_ready
from simulator.plan import plan
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.search import Found, around, fewest, fleets
from simulator.why import Why, why
from ui import state
from walkthrough.reconcile import Reconciliation, reconcile

T = TypeVar("T")

PATIENCE = 0.6  # seconds that a page waits for a run before it shows what it has
WORKERS = 2
MOST_RESULTS = 200
WHY = "why"  # the slot of a session's explanation
FEWEST = "fewest"  # and of its search
THREE = "three"  # and of the three witnesses


class Cancelled(Exception):
    """The run was given up for a newer one."""


Work = Callable[[Progress], T]


class Job(Generic[T]):
    """A run under way: how far it is, and how it ended."""

    def __init__(self, key: str, work: Work[T]) -> None:
        self.key = key
        self.share = 0.0
        self.result: T | None = None
        self.error: str | None = None
        self.done = threading.Event()
        self._work = work
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Give up at the next control instant."""
        self._cancelled.set()

    @property
    def given_up(self) -> bool:
        """Whether it was cancelled before it had a result: then it says nothing about its design."""
        return self._cancelled.is_set() and self.result is None

    def progress(self, share: float) -> None:
        """Told by the run; raises once it is cancelled."""
        self.share = share
        if self._cancelled.is_set():
            raise Cancelled

    def run(self) -> None:
        """The work of the thread."""
        try:
            self.progress(0.0)
            self.result = self._work(self.progress)
        except Cancelled:
            pass
        except StagecraftError as error:
            self.error = str(error)
        except Exception as error:  # the page must say something whatever happens in a thread
            self.error = f"The simulation stopped ({type(error).__name__}). Your design is still in the address bar."
        finally:
            self.done.set()


class Runs:
    """The server's runs of one kind, and their results."""

    def __init__(self, name: str, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: str) -> Any:
        """The result of this name, if it has been run."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def start(self, key: str, work: Work[T]) -> Job[T]:
        """Begin a run."""
        job = Job(key, work)
        self._pool.submit(self._run, job)
        return job

    def _run(self, job: Job[Any]) -> None:
        job.run()
        if job.result is not None:
            with self._lock:
                self._results[job.key] = job.result
                while len(self._results) > MOST_RESULTS:
                    self._results.popitem(last=False)


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
        simulate(small)
        load_when_ready()

    threading.Thread(target=work, name="warm-up", daemon=True).start()


class View(Generic[T]):
    """What a page knows about the run in a slot of its session: its result, or the job, or what went wrong."""

    def __init__(self, slot: str, result: T | None = None, job: Job[T] | None = None, error: str | None = None) -> None:
        self.slot = slot
        self.result = result
        self.job = job
        self.error = error

    def awaited(self) -> View[T]:
        """What is known after a moment's patience."""
        job = self.job
        if job is None:
            return self
        job.done.wait(PATIENCE)
        if not job.done.is_set() or job.given_up:
            return self
        forget(self.slot)
        return View(self.slot, job.result, error=job.error)


def view(case: Case, slot: str, scenario: str | None = None) -> View[SimulationResult]:
    """The run of a case, begun; `slot` tells the runs of a session apart (a newer one of a slot cancels the older)."""
    try:
        planned = plan(case, scenario=scenario)
    except StagecraftError as error:
        return View(slot, error=str(error))
    return _begun(simulations(), slot, planned.key, lambda progress: simulate(planned, progress=progress))


def explanation(case: Case, result: SimulationResult) -> View[Why]:
    """Why p99 is high in this result of a case."""
    planned = plan(case, scenario=result.scenario)
    assert planned.key == result.key, "the result is of another design"
    return _begun(explanations(), WHY, planned.key, lambda progress: why(planned, result, progress=progress)).awaited()


def search(case: Case, result: SimulationResult, stage: str) -> View[Found]:
    """How many a stage needs where all else is as in this result of a case."""
    path, (low, high) = fleets(case)[stage], around(case, stage)
    return _begun(
        searches(),
        FEWEST,
        f"{result.key}:{path}",
        lambda progress: fewest(case, path, low, high, scenario=result.scenario, progress=progress),
    ).awaited()


def three_witnesses(case: Case, searched: bool) -> View[Reconciliation]:
    """What arithmetic, theory and simulation say of a case; `searched`: whether the simulation is asked how many."""
    return _begun(
        searches() if searched else simulations(),
        THREE,
        f"{plan(case).key}:three:{searched}",
        lambda progress: reconcile(case, None if searched else [], progress=progress),
    ).awaited()


def _begun(pool: Runs, slot: str, key: str, work: Work[T]) -> View[T]:
    """The result of this name, else the job; begun if nobody in this session has."""
    jobs: dict[str, Job[Any]] = st.session_state.setdefault("jobs", {})
    result = pool.known(key)
    if result is not None:
        forget(slot)
        return View(slot, result)
    job = jobs.get(slot)
    if job is None or job.key != key or job.given_up:
        forget(slot)
        job = jobs[slot] = pool.start(key, work)
    return View(slot, job=job)


def visited(page: str) -> None:
    """A page is drawn: what was asked on another one is given up, so that it keeps nobody waiting."""
    if st.session_state.get("visited") != page:
        st.session_state.visited = page
        for slot in (WHY, FEWEST, THREE):
            forget(slot)


def forget(slot: str) -> None:
    """Nobody waits for this slot's run any more."""
    job = st.session_state.get("jobs", {}).pop(slot, None)
    if job is not None:
        job.cancel()
