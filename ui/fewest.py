"""How many do I need: asked by a button of one stage, searched beside the page, and only ever of the design on show."""

from __future__ import annotations

import streamlit as st

from cases.spec import Case
from simulator.report import label_of
from simulator.results import SimulationResult
from simulator.search import Found, fleets, tightest
from simulator.search_report import cost_text, luck_text, sentence, step_rows
from ui import state
from ui.jobs import forget
from ui.runs import FEWEST, search
from ui.tables import plain, table
from ui.waiting import ON, waiting

ASKED = "asked_fewest"  # the result and the stage that this session asked about


def fewest_section(case: Case, result: SimulationResult, stale: bool) -> None:
    """The question, and its answer once it was asked of this very result."""
    likely = tightest(case, result)
    if likely is None or not case.objectives:
        forget(FEWEST)
        return
    st.markdown("**How many do I need?**")
    stage = _chosen(case, likely, stale)
    if stale or st.session_state.get(ASKED) != (result.key, stage):
        forget(FEWEST)
        return
    answer = search(case, result, stage)
    if answer.error is not None:
        st.warning(plain(answer.error), icon=":material/warning:")
    elif answer.job is not None:
        waiting(answer.job, "Searching", ON, FEWEST, lambda: st.session_state.pop(ASKED, None))
    elif answer.result is not None:
        _answer(case, answer.result)


def _chosen(case: Case, likely: str, stale: bool) -> str:
    """The stage that the question is about, the tightest unless somebody chose another; and the button that asks."""
    names = list(fleets(case))
    choice = f"fewest_of:{case.id}"
    picked = st.session_state.get(choice)
    now = picked if picked in names else likely

    def chosen(stage: str) -> None:
        st.session_state[choice] = stage

    def asked() -> None:
        stage = st.session_state[stands["key"]]
        st.session_state[choice] = stage  # the answer stays with it when the tightest changes
        st.session_state[ASKED] = (st.session_state.shown[1].key, stage)

    stands = state.standing(f"fewest:{case.id}", now, chosen)
    with st.container(key="fewest_asks", horizontal=True, vertical_alignment="bottom"):
        stage = st.selectbox(
            "Of which stage",
            names,
            names.index(now),
            format_func=lambda name: label_of(case, name),
            width=280,
            **stands,
        )
        st.button(
            "Find the fewest",
            key="fewest",
            icon=":material/search:",
            on_click=asked,
            disabled=stale,
            help="The fewest with which all objectives are met, everything else as it stands",
        )
        st.page_link("reconcile.py", label="By arithmetic and theory", icon=":material/arrow_forward:")
    return str(stage)


def _answer(case: Case, found: Found) -> None:
    cost = cost_text(found)
    st.markdown(plain(" ".join([sentence(case, found), *([f"Cost: {cost}."] if cost else [])])))
    for note in found.notes:
        st.caption(plain(f"Note: {note}."))
    if found.answer is not None and found.answer != found.designed:
        st.button(
            f"Use {found.answer}",
            key="use_fewest",
            icon=":material/check:",
            on_click=state.change,
            args=(found.path, found.answer),
            help=plain(f"Sets {found.path}"),
        )
    with st.expander("What was tried"):
        table(step_rows(found), "What was tried")
        st.caption(plain(luck_text(found)))
