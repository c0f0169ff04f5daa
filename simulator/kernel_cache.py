"""Where compiled code is kept between runs, and how one knows that all of it is there.

numba looks only at the file in which a compiled function stands when it decides whether kept code is still good. The
kernel is made of several, so that each state of their texts gets a folder of its own. Code that numba does not find
there it compiles in the middle of a run; so whoever has compiled all of it says so with a *stamp*, which holds for this
Python, this numba, this processor and this place, and names the files that it vouches for.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import llvmlite
import numba
from numba.core import config
from numba.core.registry import cpu_target

from cases.errors import RunError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HERE = Path(__file__).parent
# All that the kernel is compiled from, constants included.
SOURCES = (
    *("requests_compiled", "kernel_draws", "kernel_parts", "kernel_plain", "kernel_state"),
    *("draws", "histogram", "machine", "plane", "semantics", "visits"),
)
SETTINGS: Any = config
CPU: Any = cpu_target
FAILURE_HOLDS = 3600  # seconds; then the compiler is tried again, for the disk may have been full
LOOK = 0.1  # seconds between two looks at a lock that somebody else has


def keep_by_content() -> None:
    """Set numba's cache folder; before anything is compiled. RunError where no folder can be written."""
    SETTINGS.CACHE_DIR = str(folder())


@functools.cache
def folder() -> Path:
    """Where this state of the kernel is kept."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((HERE / f"{name}.py").read_bytes())
    asked = SETTINGS.CACHE_DIR
    places = [Path(asked).absolute()] if asked else [HERE / "__pycache__", _of_the_user()]
    for place in places:
        chosen = place / f"kernel-{digest.hexdigest()[:16]}"
        if _can_be_written(chosen):
            break
    else:
        said = " nor in ".join(str(place) for place in places)
        raise RunError(f"compiled code cannot be kept in {said}; set NUMBA_CACHE_DIR to a folder that can be written")
    for other in () if asked else place.glob("kernel-*"):  # a folder that was asked for may hold others' code
        if other != chosen:
            shutil.rmtree(other, ignore_errors=True)
    return chosen


def _of_the_user() -> Path:
    """For an installation that one may only read."""
    said = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(said) if said else Path.home() / ".cache") / "stagecraft"


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


# -- whether all of it is there ---------------------------------------------------------------------------------------


def _stamp() -> Path:
    """Named by all that kept code depends on besides the kernel's text; numba's own index says so by function."""
    versions = sys.version, numba.__version__, llvmlite.__version__
    what = *versions, *CPU.target_context.codegen().magic_tuple(), str(HERE)
    return folder() / f"complete-{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}.json"


def _kept() -> list[str]:
    return sorted(str(path.relative_to(folder())) for path in folder().glob("*/*.nb[ic]"))


def is_complete() -> bool:
    """Whether somebody has compiled everything, and it is still there."""
    try:
        return set(json.loads(_stamp().read_text())) <= set(_kept())
    except (OSError, ValueError, TypeError):
        return False


def say_complete() -> None:
    """Vouch for what is kept now."""
    _written(_stamp(), json.dumps(_kept(), indent=1))
    _failed().unlink(missing_ok=True)


def discard() -> None:
    """Forget kept code that cannot be loaded."""
    for name in [_stamp().name, *_kept()]:
        with contextlib.suppress(OSError):  # somebody else has it open, or was faster
            (folder() / name).unlink()


def _failed() -> Path:
    return _stamp().with_suffix(".failed")


def failure() -> str | None:
    """Why the compiler failed, if it did lately."""
    try:
        if time.time() - _failed().stat().st_mtime < FAILURE_HOLDS:
            return _failed().read_text()
    except OSError:
        pass
    return None


def say_failed(reason: str) -> None:
    """Leave word for those who do not wait for the compiler."""
    with contextlib.suppress(OSError):
        _written(_failed(), reason)


def _written(path: Path, text: str) -> None:
    """At once or not at all, whoever reads or writes meanwhile."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


# -- one compiler at a time -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lock() -> Iterator[IO[str]]:
    """Be the only one who compiles; waits for others. The lock goes with the process that has it."""
    with _lock_file() as file:
        while not _locked(file):
            time.sleep(LOOK)
        yield file


def is_in_place(lock: IO[str]) -> bool:
    """Whether the folder is still the one that was locked: another version of the kernel may have cleared it away."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (folder() / "lock").stat())
    except OSError:
        return False


def is_locked() -> bool:
    """Whether somebody compiles now."""
    with _lock_file() as file:
        return not _locked(file)


def _lock_file() -> IO[str]:
    folder().mkdir(parents=True, exist_ok=True)
    return open(folder() / "lock", "w")


def _locked(file: IO[str]) -> bool:
    """Lock it, until it is closed; whether that went well."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
