"""Work beside the page: a thread for each job, so that nothing freezes what one looks at.

A result has a name and is shared by all sessions. A page begins its jobs, puts together what does not depend on them,
and waits a moment; if a job takes longer, the page shows what it has, says whose that is, and asks again. A newer job
of the same slot of a session cancels the older, and when a session ends, what it waits for is given up.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import streamlit as st

from cases.errors import StagecraftError
from simulator.control import Progress

T = TypeVar("T")

PATIENCE = 0.6  # seconds that a page waits for a job before it shows what it has ...
GLANCE = 0.02  # ... and between two looks whether it is still wanted
ASKS = 0.3  # seconds between two looks of a page at a job under way ...
EACH = 0.05  # ... and so many more for each other run that comes first ...
SELDOM = 3.0  # ... up to these: a crowd that asks all the time would take the time that its runs need
SOON = 1.0  # seconds of work before it is said how long the rest may take
MOST_RESULTS = 200
LOG = logging.getLogger(__name__)


class Cancelled(Exception):
    """The run was given up for a newer one."""


Work = Callable[[Progress], T]


class Job(Generic[T]):
    """A run under way: how far it is, and how it ended."""

    def __init__(self, key: str, work: Work[T], before: Callable[[Job[T]], int] = lambda _: 0) -> None:
        self.key = key
        self.share = 0.0
        self.result: T | None = None
        self.error: str | None = None
        self.done = threading.Event()
        self.begun: float | None = None  # of the monotonic clock, once a thread has taken it up
        self._work: Work[T] | None = work
        self._before = before
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Give up at the next control instant."""
        self._cancelled.set()

    @property
    def before(self) -> int:
        """How many other runs must end before it is taken up."""
        return self._before(self)

    @property
    def pace(self) -> float:
        """Seconds until it is worth while to look again."""
        return min(ASKS + EACH * self.before, SELDOM)

    @property
    def cancelled(self) -> bool:
        """Whether it was given up, even if it does not know that yet."""
        return self._cancelled.is_set()

    @property
    def remaining(self) -> float | None:
        """Seconds that it may take from here, if it goes on as it went; None while that says little."""
        if self.begun is None or self.share <= 0.0:
            return None
        gone = time.monotonic() - self.begun
        return gone * max(1.0 - self.share, 0.0) / self.share if gone >= SOON else None

    @property
    def given_up(self) -> bool:
        """Whether it was cancelled before it had ended: then it says nothing about its design."""
        return self._cancelled.is_set() and self.result is None and self.error is None

    def progress(self, share: float) -> None:
        """Told by the run; raises once it is cancelled."""
        self.share = share
        if self._cancelled.is_set():
            raise Cancelled

    def run(self) -> None:
        """The work of the thread. Whatever happens in it, the page gets to know."""
        self.begun = time.monotonic()
        try:
            self.progress(0.0)
            assert self._work is not None, "a job is run once"
            self.finish(self._work(self.progress))
        except Cancelled:
            self.finish(None)
        except StagecraftError as error:
            self.finish(None, str(error))
        except BaseException as error:  # a thread that ends with nothing said would leave the page waiting
            self.finish(None, _stopped(error))

    def finish(self, result: T | None, error: str | None = None) -> None:
        """How it ended. What it worked on is let go."""
        self.result, self.error, self._work = result, error, None
        self.done.set()


def _stopped(error: BaseException) -> str:
    """What is said of an error that nobody foresaw; the log has the rest. The same fault has the same number."""
    number = f"{zlib.crc32(''.join(traceback.format_exception(error)).encode()):08x}"
    LOG.error("run %s stopped", number, exc_info=error)
    name = type(error).__name__
    return f"The simulation stopped ({name}); it is {number} in the log. Your design is still in the address bar."


class Runs:
    """The server's runs of one kind, and their results."""

    def __init__(self, name: str, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._workers = workers
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._pending: list[Job[Any]] = []  # in the order in which they are taken up
        self._lock = threading.Lock()

    def known(self, key: str) -> Any:
        """The result of this name, if it has been run."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def keep(self, key: str, result: Any) -> None:
        """So many results, the latest used ones."""
        with self._lock:
            self._results[key] = result
            while len(self._results) > MOST_RESULTS:
                self._results.popitem(last=False)

    def start(self, key: str, work: Work[T]) -> Job[T]:
        """Begin a run. If the machine has no thread for it, the job says so."""
        job = Job(key, work, self._before)
        with self._lock:
            self._pending.append(job)
        try:
            self._pool.submit(self._run, job)
        except RuntimeError as error:
            self._ended(job)
            job.finish(None, _stopped(error))
        return job

    def _before(self, job: Job[Any]) -> int:
        with self._lock:
            if job.begun is not None or job not in self._pending:
                return 0
            ahead = self._pending[: self._pending.index(job)]
            return max(0, sum(not one.cancelled for one in ahead) - self._workers + 1)

    def _run(self, job: Job[Any]) -> None:
        known = self.known(job.key)
        if known is not None:  # somebody else's, who was quicker
            job.finish(known)
        else:
            job.run()
        self._ended(job)
        if job.result is not None and known is None:
            self.keep(job.key, job.result)

    def _ended(self, job: Job[Any]) -> None:
        with self._lock:
            self._pending.remove(job)


def _give_up(left: dict[str, Job[Any]]) -> None:
    for job in left.values():
        job.cancel()


@st.cache_resource(show_spinner=False, scope="session", on_release=_give_up)
def jobs() -> dict[str, Job[Any]]:
    """The runs that this session waits for, by slot. Streamlit lets them go when the session ends or loses its line."""
    return {}


class View(Generic[T]):
    """What a page knows about the run in a slot of its session: its result, or the job, or what went wrong."""

    def __init__(self, slot: str, result: T | None = None, job: Job[T] | None = None, error: str | None = None) -> None:
        self.slot = slot
        self.result = result
        self.job = job
        self.error = error

    def at_once(self) -> View[T]:
        """What is known without waiting. An error stays until the slot has another run."""
        if self.job is None or not self.job.done.is_set() or self.job.given_up:
            return self
        return View(self.slot, self.job.result, error=self.job.error)

    def awaited(self) -> View[T]:
        """What is known after a moment's patience."""
        job = self.job
        if job is None:
            return self
        _wait(job)
        if not job.done.is_set() or job.given_up:
            return self
        forget(self.slot)
        return View(self.slot, job.result, error=job.error)


def _wait(job: Job[Any]) -> None:
    """A moment's patience. Whoever moves something meanwhile has not to wait for it.

    Streamlit leaves a run for the one that was asked for after it as soon as its state is read.
    """
    until = time.monotonic() + PATIENCE
    while not job.done.wait(GLANCE) and time.monotonic() < until:
        st.session_state.get("session")


def begun(pool: Runs, slot: str, key: str, work: Work[T]) -> View[T]:
    """The result of this name, else the job; begun if nobody in this session has."""
    under_way = jobs()
    result = pool.known(key)
    if result is not None:
        forget(slot)
        return View(slot, result)
    job = under_way.get(slot)
    if job is None or job.key != key or job.given_up:
        forget(slot)
        job = under_way[slot] = pool.start(key, work)
    return View(slot, job=job)


def forget(slot: str) -> None:
    """Nobody waits for this slot's run any more."""
    job = jobs().pop(slot, None)
    if job is not None:
        job.cancel()
