"""What a section shows while it waits for its job: how far it is, and the way to give it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ui import state
from ui.jobs import Job

ON = "everything else goes on meanwhile"


def how_far(job: Job[Any], doing: str) -> str:
    """'Simulating … 16 %, 4 s left', or for how many others it waits."""
    if others := job.before:
        return f"Waiting for {others} other run{'s' if others > 1 else ''}"
    left = job.remaining
    return f"{doing} … {job.share:.0%}{'' if left is None else f', {_span(left)} left'}"


def _span(seconds: float) -> str:
    """In the steps in which people wait: '4 s', '20 s', '3 min'."""
    if seconds < 10:
        return f"{max(seconds, 1):.0f} s"
    return f"{round(seconds, -1):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def again_and_again(draw: Callable[[], None], *jobs: Job[Any]) -> None:
    """Draw a part of the page, which looks at jobs under way, until the page comes anew."""
    st.fragment(draw, run_every=min(job.pace for job in jobs))()


def waiting(job: Job[Any], doing: str, meanwhile: str, slot: str, give_up: Callable[[], object] | None) -> None:
    """Progress with a button, if it can be given up; the page comes again when the job has ended."""

    def progress() -> None:
        if job.done.is_set():
            state.again()
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress(min(job.share, 1.0), text=f"{how_far(job, doing)}: {meanwhile}")
        if give_up is not None and button.button("Cancel", key=f"cancel_{slot}"):
            give_up()
            state.again()

    again_and_again(progress, job)
