"""What stands above every page: which case, which design, and the way back."""

from __future__ import annotations

import streamlit as st

from cases import files
from cases.spec import Case
from ui import state


def header(baseline: Case) -> None:
    """Title, question, the choice of case and design, and what was wrong with the link."""
    title, design, back = st.columns([5, 2.4, 0.9], vertical_alignment="bottom")
    with title:
        st.title(baseline.title, anchor=False)
    with design:
        _designs(baseline)
    with back:
        changed = bool(state.changes(state.session().chosen))
        st.button("Reset", on_click=state.reset, disabled=not changed, help="The case as written", width="stretch")
    note = baseline.designs[chosen].note if (chosen := state.session().chosen.design) in baseline.designs else None
    st.caption(" ".join(f"{baseline.question} {f'This design: {note}' if note else ''}".split()))
    if len(files.catalog()) > 1:
        _cases()
    for warning in state.session().warnings:
        st.warning(warning, icon=":material/warning:")


def _designs(baseline: Case) -> None:
    names = [state.BASELINE, *baseline.designs]
    labels = {state.BASELINE: "As in the case"} | {
        n: d.label or n.replace("_", " ") for n, d in baseline.designs.items()
    }
    key = f"design:{state.session().page}:{baseline.id}"

    def chosen() -> None:
        state.choose_design(st.session_state[key])

    state.show(key, state.session().chosen.design)
    st.selectbox("Design", names, format_func=labels.__getitem__, key=key, on_change=chosen)


def _cases() -> None:
    key = f"case:{state.session().page}"

    def chosen() -> None:
        state.choose_case(st.session_state[key])

    state.show(key, state.session().chosen.case)
    st.selectbox("Case", list(files.catalog()), key=key, on_change=chosen)
