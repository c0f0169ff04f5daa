"""What stands above every page: which case, which design, and the way back."""

from __future__ import annotations

import streamlit as st

from cases import files
from cases.scenario_check import CONTAINED
from cases.scenarios import designs, scenarios
from cases.spec import Case
from ui import state

NOTHING = "(nothing)"  # no scenario can be called so


def header(baseline: Case, happens: bool = False) -> None:
    """Title, question, the choice of case and design, and what was wrong with the link. `happens`: of scenario, too."""
    title, design, *scenario, back = st.columns([4, 2.2, *([2.2] if happens else []), 0.9], vertical_alignment="bottom")
    with title:
        st.title(baseline.title, anchor=False)
    with design:
        _designs(baseline)
    for column in scenario:
        with column:
            _scenarios(baseline)
    chosen = state.session().chosen
    with back:
        changed = bool(state.changes(chosen)) or chosen.scenario is not None
        st.button("Reset", on_click=state.reset, disabled=not changed, help="The case as written", width="stretch")
    known = designs(baseline)
    note = known[chosen.design].note if chosen.design in known else None
    st.caption(" ".join(f"{baseline.question} {f'This design: {note}' if note else ''}".split()))
    if len(files.catalog()) > 1:
        _cases()
    for warning in state.session().warnings:
        st.warning(warning, icon=":material/warning:")


def _designs(baseline: Case) -> None:
    # Of what contains scenarios only what is about the one on show.
    now, known = state.session().chosen, designs(baseline)
    names = [n for n in known if n in baseline.designs or n in (f"{now.scenario}{CONTAINED}", now.design)]
    labels = {n: known[n].label or n.replace("_", " ") for n in names} | {state.BASELINE: "As in the case"}
    names.insert(0, state.BASELINE)
    key = f"design:{state.session().page}:{baseline.id}"

    def chosen() -> None:
        state.choose_design(st.session_state[key])

    state.show(key, state.session().chosen.design)
    st.selectbox("Design", names, format_func=labels.__getitem__, key=key, on_change=chosen)


def _scenarios(baseline: Case) -> None:
    known = scenarios(baseline)
    labels = {n: one.label or n.replace("_", " ") for n, one in known.items()} | {NOTHING: "Nothing"}
    key = f"scenario:{state.session().page}:{baseline.id}"

    def chosen() -> None:
        name = st.session_state[key]
        state.choose_scenario(None if name == NOTHING else name)

    state.show(key, state.session().chosen.scenario or NOTHING)
    st.selectbox("What happens", [NOTHING, *known], format_func=labels.__getitem__, key=key, on_change=chosen)


def _cases() -> None:
    key = f"case:{state.session().page}"

    def chosen() -> None:
        state.choose_case(st.session_state[key])

    state.show(key, state.session().chosen.case)
    st.selectbox("Case", list(files.catalog()), key=key, on_change=chosen)
