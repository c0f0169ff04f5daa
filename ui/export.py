"""Export: the walkthrough as one file to hand on, made beside the page when somebody asks for it."""

from __future__ import annotations

import zlib

import streamlit as st

from cases.errors import StagecraftError
from cases.spec import Case
from ui.jobs import forget
from ui.plans import plan
from ui.runs import EXPORT, exported
from ui.tables import plain
from ui.waiting import ON, waiting

ASKED = "asked_export"  # the key of the run whose file this session asked for
HELP = "One HTML file that opens without a network: story, picture, results, sheet, sources, and the case itself"


def export_button(case: Case, scenario: str | None = None) -> None:
    """The button that asks, then the progress, then the button that saves; of what is on show, or it is forgotten."""
    try:
        key = plan(case, scenario=scenario).key
    except StagecraftError:
        return  # the page says what is wrong
    if st.session_state.get(ASKED) != key:
        forget(EXPORT)
        st.button("Export", key="export", icon=":material/ios_share:", help=HELP, on_click=_ask, args=(key,))
        return
    made = exported(case, scenario)
    if made.error is not None:
        st.warning(plain(made.error), icon=":material/warning:")
    elif made.job is not None:
        waiting(made.job, "Making the file", ON, EXPORT, lambda: st.session_state.pop(ASKED, None))
    elif made.result is not None:
        packed = made.result
        st.download_button(
            "Save the file",
            lambda: zlib.decompress(packed),
            f"{case.id}.html",
            "text/html",
            key="save_export",
            icon=":material/download:",
            on_click="ignore",
            help=HELP,
        )


def _ask(key: str) -> None:
    st.session_state[ASKED] = key
