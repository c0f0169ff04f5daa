"""Trust: what the simulator was held against, the rules that it keeps, and where it is not to be believed."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.accuracy import COMMAND, KINDS, Accuracy, accuracy, cells, counts
from ui.limits import LIMITS
from ui.tables import table

ALL = "All"


def page() -> None:
    """The table first: it is what the rest rests on."""
    state.begin("trust")
    st.title("How far to believe this", anchor=False)
    st.caption("Queueing theory and published results against the simulator, and what the simulator leaves out.")
    st.header("Accuracy", anchor=False)
    found = accuracy()
    if found.missing:
        st.info(found.missing, icon=":material/info:")
    else:
        _rows(found)
    st.markdown("Made by the command; run it yourself (some ten minutes on two cores, without `--full` about one):")
    st.code(COMMAND, language=None, wrap_lines=True)
    st.header("Where not to believe it", anchor=False)
    st.markdown(LIMITS)
    state.end()


def _rows(found: Accuracy) -> None:
    st.markdown(f"**{counts(found.rows)}** {found.written}")
    st.caption(
        "A row passes when its 99.99 % interval over independent replications meets target ± slack and is itself no "
        "wider than the slack: an interval that is merely wide proves nothing."
    )
    there = [kind for kind in KINDS if any(row["by"] == kind for row in found.rows)]
    chosen = st.segmented_control(
        "Rows", [ALL, *there], format_func=lambda kind: KINDS.get(kind, kind), default=there[0], key="trust:rows"
    )
    table([cells(row) for row in found.rows if chosen in (None, ALL, row["by"])], "Accuracy")


page()
