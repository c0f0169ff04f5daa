"""The one line about the compiled plane: while it is compiled, or where it cannot be."""

from __future__ import annotations

import streamlit as st

from simulator.engine import Status, look
from ui import tables


def engine_line() -> None:
    """Nothing, where all is well."""
    found = look()
    if found.status is Status.COMPILING:
        _until_it_is_ready()
    elif found.reason:
        st.caption(tables.plain(f"Runs are slower than they could be, with the same results: {found.reason}."))


@st.fragment(run_every=1.0)
def _until_it_is_ready() -> None:
    if look().status is not Status.COMPILING:
        st.rerun()
    st.caption(
        "The fast engine is being compiled (once a machine, about half a minute); "
        "until then runs are slower, with the same results."
    )
