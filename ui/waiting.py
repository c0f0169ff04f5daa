"""What a section shows while it waits for its job: how far it is, and the way to give it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.runs import Job

ON = "everything else goes on meanwhile"


@st.fragment(run_every=0.3)
def waiting(job: Job[Any], doing: str, meanwhile: str, slot: str, give_up: Callable[[], object] | None) -> None:
    """Progress with a button, if it can be given up; the page comes again when the job has ended."""
    if job.done.is_set():
        st.rerun()
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(job.share, 1.0), text=f"{doing} … {job.share:.0%}: {meanwhile}")
    if give_up is not None and button.button("Cancel", key=f"cancel_{slot}"):
        give_up()
        st.rerun()
