"""A walkthrough as one file: it opens from disk, asks for nothing, and says how it came about.

The same case, seed and options give the same bytes: nothing of a clock or of the machine is in it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from cases.errors import RunError
from cases.spec import Case
from simulator.control import Progress
from simulator.plan import Engine
from walkthrough.document import document
from walkthrough.material import Known, gather

LARGEST = 3_000_000  # bytes


def export(
    case: Case,
    *,
    scenario: str | None = None,
    seed: int | None = None,
    engine: Engine = "auto",
    asked: Collection[str] | None = (),
    dated: str = "",
    known: Known = lambda _: None,
    progress: Progress = lambda _: None,
) -> str:
    """The walkthrough of a case as HTML, with its runs made; RunError where it would be larger than `LARGEST`.

    `scenario`: in which the case is judged. `asked`: the stages of which the simulation is asked how many replicas they
    need (None: all; it takes long). `dated`: what to print as its day. `known`: finds results that are there already,
    by the keys of their plans. `progress` is told the share that is done; it may raise, which ends it.
    """
    made = gather(case, scenario, asked, seed=seed, engine=engine, known=known, progress=progress)
    for pictures in (True, False):
        text = document(made, dated, pictures)
        size = len(text.encode())
        if size <= LARGEST:
            return text
    raise RunError(
        f"the file would have {size / 1e6:.1f} MB even without pictures, and {LARGEST / 1e6:g} MB is the most; "
        "shorten the case's texts"
    )


def check_place(path: Path) -> None:
    """RunError where no file can be written there: said before the runs are made."""
    if not path.parent.is_dir():
        raise RunError(f"{path} cannot be written: there is no folder '{path.parent}'; make it, or name another")
    if path.exists() and not path.is_file():
        raise RunError(f"{path} cannot be written: it is no file; name one, for example 'story.html'")


def write(path: Path, text: str) -> None:
    """The whole file, or nothing (RunError): until all of it is there, what was there before stays."""
    check_place(path)
    place = path.resolve()  # a link stays one
    part = place.with_name(f".{place.name[:200]}.part")
    try:
        try:
            part.write_bytes(text.encode())
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}; name another place") from None
