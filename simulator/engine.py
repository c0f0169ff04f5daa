"""Which request plane a run gets. `python -m simulator.engine` waits until there is compiled code for this machine.

Both planes give the same bytes (R11), so `auto` takes whichever can be had: the compiled one; the reference plane while
a process beside compiles, and where numba is missing or does not work. What one should know of this goes to the log
`simulator`, once a process; where nobody has set up logging, Python shows it on stderr.
"""

from __future__ import annotations

import enum
import functools
import importlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from cases.errors import RunError, shown
from simulator.plan import Engine

T = TypeVar("T")
Look = Callable[[float], None]
"""To be told the share of a piece of work that is done; raises where it should be started over."""

SIMPY, COMPILED, MIXED = "simpy", "compiled", "mixed"
WORTH = 2.0  # seconds that the reference plane must still need for a piece of work to be started over
POLL = 0.5  # seconds between two looks at whether the compiler is done
LOG = logging.getLogger("simulator")

ONCE = "once a machine, about half a minute"
BESIDE = (
    f"The simulator is being compiled beside this run ({ONCE}); "
    "until then the reference plane serves, which is slower and gives the same results."
)
FIRST = f"The simulator is being compiled first ({ONCE}) ..."
WITHOUT = "The reference plane serves, which is slower and gives the same results: {reason}"
INSTALL = "python -m pip install -r requirements.txt"
REPAIR = f"{INSTALL} --force-reinstall, then python -m simulator.engine"


class Status(enum.Enum):
    """Of the compiled plane."""

    READY = "ready"
    COMPILING = "compiling"  # or about to
    MISSING = "missing"  # there is no numba
    BROKEN = "broken"  # numba raises on import, or when it compiles


class Compiled(NamedTuple):
    """What is known of the compiled plane."""

    status: Status
    reason: str = ""  # of a missing or broken one, and the remedy


# -- choosing ---------------------------------------------------------------------------------------------------------


def choose_plane(wanted: Engine) -> str:
    """The plane for what starts now. For `compiled` it waits for the compiler (RunError if there can be none)."""
    if wanted == COMPILED:
        return settled(wanted)
    if wanted == SIMPY:
        return SIMPY
    found = _PLANE.look_or_begin()
    if found.status is Status.COMPILING:
        _say_once(BESIDE)
    return _plane_of(found)


def settled(wanted: Engine) -> str:
    """The plane for what is too long for the reference plane: waits for the compiler, if there can be one."""
    if wanted == SIMPY:
        return SIMPY
    found = _PLANE.look()
    if found.status is Status.COMPILING or (found.status is Status.BROKEN and wanted == COMPILED):
        found = _PLANE.wait()
    if wanted == COMPILED and found.status is not Status.READY:
        raise RunError(f"--engine compiled: {found.reason}; or use --engine simpy")
    return _plane_of(found)


def _plane_of(found: Compiled) -> str:
    if found.reason:
        _say_once(WITHOUT.format(reason=found.reason))
    return COMPILED if found.status is Status.READY else SIMPY


@functools.cache
def _say_once(text: str) -> None:
    LOG.warning(text)


def look() -> Compiled:
    """What is known of the compiled plane now; it is loaded as soon as it can be."""
    return _PLANE.look()


def load_when_ready() -> None:
    """Load the compiled plane; if it is not there, have it compiled beside, and wait for that."""
    while _PLANE.look_or_begin().status is Status.COMPILING:
        time.sleep(POLL)


class Planes:
    """On which planes the pieces of a run are worked: each is chosen when its piece starts."""

    def __init__(self, wanted: Engine) -> None:
        self._wanted = wanted
        self._used: set[str] = set()

    def now(self) -> str:
        """For a piece that starts now."""
        return choose_plane(self._wanted)

    def run(self, work: Callable[[str, Look], T]) -> T:
        """Do a piece of work. On the reference plane it is started over when the compiled one is ready meanwhile."""
        plane, started = self.now(), time.monotonic()

        def look(share: float) -> None:
            needs = (time.monotonic() - started) * (1.0 - share)  # times what is done
            if needs > WORTH * share and _PLANE.look_or_begin().status is Status.READY:
                raise _OvertakenError

        try:
            done = work(plane, look if self._wanted == "auto" and plane == SIMPY else lambda _: None)
        except _OvertakenError:
            plane = COMPILED
            done = work(plane, lambda _: None)
        self._used.add(plane)
        return done

    @property
    def used(self) -> str:
        """What the work so far was done on; `mixed` if on both."""
        return MIXED if len(self._used) > 1 else next(iter(self._used), self._wanted)


class _OvertakenError(Exception):
    """The compiled plane is ready."""


# -- the compiled plane of this process -------------------------------------------------------------------------------


class _Plane:
    """Once it is ready, missing or broken, it stays so."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._known: Compiled | None = None
        self._compiler: subprocess.Popen[bytes] | None = None
        self._discarded = False

    def look(self) -> Compiled:
        """Whether it can be had now."""
        with self._lock:
            if self._known is not None:
                return self._known
            found = self._found()
            if found.status is not Status.COMPILING:
                self._known = found
            return found

    def look_or_begin(self) -> Compiled:
        """The same; and if it is not there, and nobody compiles, begin to, in a process beside."""
        with self._lock:
            found = self.look()
            if found.status is Status.COMPILING and self._compiler is None:
                try:
                    cache, compiler = _modules()
                    if not cache.is_locked():
                        self._compiler = compiler.start()
                except OSError as error:  # no process, no place for a lock
                    found = self._known = _why_not(error)
            return found

    def wait(self) -> Compiled:
        """Compile here and now; or wait for whoever does."""
        with self._lock:
            try:
                _, compiler = _modules()
                LOG.warning(FIRST)
                compiler.compile_all()
                self._known = Compiled(Status.READY)
            except Exception as error:
                self._known = _why_not(error)
            return self._known

    def _found(self) -> Compiled:
        try:
            cache, _ = _modules()
            ended = None if self._compiler is None else self._compiler.poll()  # before one looks for what it made
            if cache.is_complete() and self._loaded():
                return Compiled(Status.READY)
            if failure := cache.failure():
                return _broken(failure)
            if ended is not None:
                return _broken(f"the process that compiles ended with {ended}")
        except Exception as error:
            return _why_not(error)
        return Compiled(Status.COMPILING)

    def _loaded(self) -> bool:
        """Load what is kept. What cannot be loaded is compiled anew, once."""
        cache, compiler = _modules()
        try:
            compiler.exercise()
        except Exception:
            if self._discarded:
                raise
            self._discarded = True
            cache.discard()
            return False
        return True


def _modules() -> tuple[Any, Any]:
    """What imports numba. Raises whatever that raises."""
    importlib.import_module("simulator.requests_compiled")
    return importlib.import_module("simulator.kernel_cache"), importlib.import_module("simulator.compiler")


def in_full(error: Exception) -> str:
    """With its type, which may be all it says."""
    return f"{type(error).__name__}: {error}"


def _why_not(error: Exception) -> Compiled:
    if isinstance(error, ModuleNotFoundError) and error.name == "numba":
        return Compiled(Status.MISSING, f"numba is not installed; {INSTALL}")
    if isinstance(error, RunError):
        return Compiled(Status.BROKEN, str(error))
    return _broken(in_full(error))


def _broken(why: str) -> Compiled:
    first = shown(why.strip().splitlines()[0], 200)[1:-1]
    return Compiled(Status.BROKEN, f"numba does not work here ({first}); {REPAIR}")


_PLANE = _Plane()


if __name__ == "__main__":
    try:
        settled("compiled")
    except RunError as error:
        sys.exit(str(error))
