"""From a number on any page to its card on the Estimate page."""

from __future__ import annotations

import streamlit as st

from ui import state

WANTED, TRACED = "wanted_number", "traced_number"


def trace_link(name: str, label: str) -> None:
    """A link to how an estimate comes about; the Estimate page opens with its card."""
    if st.button(label, key=f"trace:{name}", type="tertiary", icon=":material/arrow_forward:"):
        st.session_state[WANTED] = name
        st.switch_page("estimate.py")


def traced() -> str | None:
    """The estimate that somebody came for, until they leave the Estimate page."""
    if state.session().entered:
        st.session_state[TRACED] = st.session_state.pop(WANTED, None)
    name: str | None = st.session_state.get(TRACED)
    return name
