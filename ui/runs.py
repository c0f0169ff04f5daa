"""Runs beside the page: a thread for each, so that a simulation never freezes what one looks at.

A result is named by its plan's key and shared by all sessions. A page waits a moment for a run; if it takes longer,
the page shows what it has, says whose that is, and asks again. A newer run of the same session cancels the older.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from cases import files
from cases.errors import StagecraftError
from cases.spec import Case
from simulator.plan import Plan, plan
from simulator.results import SimulationResult
from simulator.run import simulate
from ui import state

PATIENCE = 0.6  # seconds that a page waits for a run before it shows what it has
WORKERS = 2
MOST_RESULTS = 200


class Cancelled(Exception):
    """The run was given up for a newer one."""


class Job:
    """A run under way: how far it is, and how it ended."""

    def __init__(self, planned: Plan) -> None:
        self.plan = planned
        self.share = 0.0
        self.result: SimulationResult | None = None
        self.error: str | None = None
        self.done = threading.Event()
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
            self.result = simulate(self.plan, progress=self.progress)
        except Cancelled:
            pass
        except StagecraftError as error:
            self.error = str(error)
        except Exception as error:  # the page must say something whatever happens in a thread
            self.error = f"The simulation stopped ({type(error).__name__}). Your design is still in the address bar."
        finally:
            self.done.set()


class Runs:
    """The server's runs and results."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="run")
        self._results: OrderedDict[str, SimulationResult] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: str) -> SimulationResult | None:
        """The result of this name, if it has been run."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def start(self, planned: Plan) -> Job:
        """Begin a run."""
        job = Job(planned)
        self._pool.submit(self._run, job)
        return job

    def _run(self, job: Job) -> None:
        job.run()
        if job.result is not None:
            with self._lock:
                self._results[job.result.key] = job.result
                while len(self._results) > MOST_RESULTS:
                    self._results.popitem(last=False)


@st.cache_resource(show_spinner=False)
def runs() -> Runs:
    """One for the server."""
    return Runs()


def warm_up() -> None:
    """Load (on a machine's first start, compile) the simulator before anybody asks for a run."""
    small = plan(files.load(files.catalog()[state.FIRST_CASE]), requests=10, replications=1)
    threading.Thread(target=simulate, args=(small,), name="warm-up", daemon=True).start()


class View:
    """What a page knows about the run of a design: its result, or the job and the result shown meanwhile."""

    def __init__(self, result: SimulationResult | None, job: Job | None, error: str | None) -> None:
        self.result = result
        self.job = job
        self.error = error


def view(case: Case, slot: str) -> View:
    """The run of a case; `slot` tells the runs of a session apart (a newer one of a slot cancels the older)."""
    try:
        planned = plan(case)
    except StagecraftError as error:
        return View(None, None, str(error))
    jobs: dict[str, Job] = st.session_state.setdefault("jobs", {})
    result = runs().known(planned.key)
    if result is not None:
        forget(slot)
        return View(result, None, None)
    job = jobs.get(slot)
    if job is None or job.plan.key != planned.key or job.given_up:
        forget(slot)
        job = jobs[slot] = runs().start(planned)
    job.done.wait(PATIENCE)
    if not job.done.is_set() or job.given_up:
        return View(None, job, None)
    forget(slot)
    return View(job.result, None, job.error)


def forget(slot: str) -> None:
    """Nobody waits for this slot's run any more."""
    job = st.session_state.get("jobs", {}).pop(slot, None)
    if job is not None:
        job.cancel()
