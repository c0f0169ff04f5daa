"""Reconcile: what arithmetic, queueing theory and simulation say of one design, and why they differ."""

from __future__ import annotations

from html import escape

import streamlit as st

from cases.cards import origin
from cases.errors import StagecraftError
from cases.spec import Case
from simulator.report import amount
from ui import state
from ui.header import header
from ui.jobs import View, forget
from ui.knobs import knob_sliders, what_changed
from ui.plans import plan
from ui.runs import THREE, three_witnesses
from ui.tables import plain, table
from ui.trace_link import trace_link
from ui.waiting import waiting
from walkthrough.reconcile import NOBODY, Reconciliation

ASKED = "asked_three"  # the keys of the designs of which this session asked the simulation
WITNESSES = (
    "**Arithmetic** multiplies rates by mean times: the replicas that the mean work keeps busy. **Theory** adds the "
    "waiting, by formula, each stage for itself. **Simulation** moves every request, and searches for the fewest "
    "replicas that keep all objectives. Each stage is asked for itself, with all others as the design has them."
)


def page() -> None:
    """The whole request first, then stage by stage, then the reasons."""
    state.begin("reconcile")
    baseline = state.baseline()
    header(baseline)
    try:
        case = state.current()
        answer = st.container(key="answer")
        controls, sheet = st.container(key="board").columns([1, 3.3], gap="medium")
        with controls:
            knob_sliders(case, baseline)
            what_changed(case, baseline)
        key = plan(case).key
        found = three_witnesses(case, searched=key in st.session_state.get(ASKED, set()))
        shown = _shown(case, found)
        with answer:
            _under_way(found, shown is not None)
        if shown is not None:
            with sheet, st.container(key="results"):
                _witnesses(case, shown, key, stale=found.result is None)
    except StagecraftError as error:
        st.error(f"This design cannot be computed. {plain(str(error))}", icon=":material/warning:")
        forget(THREE)
    state.end()


def _shown(case: Case, found: View[Reconciliation]) -> Reconciliation | None:
    """This design's, or the last one's until it is there; none of a design that cannot be computed."""
    if found.error is not None:
        return None
    if found.result is not None:
        st.session_state.three = found.result
    last: Reconciliation | None = st.session_state.get("three")
    return last if last is not None and last.case == case.id else None


def _under_way(found: View[Reconciliation], has_results: bool) -> None:
    if found.error is not None:
        st.error(plain(found.error), icon=":material/warning:")
    if found.job is not None:
        asked, design = st.session_state.get(ASKED, set()), found.job.key.partition(":")[0]
        below = "what stands below is from before" if has_results else "the first answers are on their way"
        give_up = (lambda: asked.discard(design)) if design in asked else None
        waiting(found.job, "Asking the simulation", below, THREE, give_up)
        st.html("<style>.st-key-results { opacity: 0.55; }</style>")


def _witnesses(case: Case, found: Reconciliation, key: str, stale: bool) -> None:
    st.markdown(WITNESSES)
    st.header("The request from end to end", anchor=False)
    whole = [one.row() for one in found.whole]
    reasons = [row.pop("Why") for row in whole]
    table(whole, "The request from end to end")
    for why in reasons:
        st.markdown(plain(why))
    st.header("How many each stage needs", anchor=False)
    searched = any(one.found is not None for one in found.stages)
    left_out = {"Why"} if searched else {"Why", "Simulation"}
    rows = [{name: text for name, text in one.row().items() if name not in left_out} for one in found.stages]
    if not rows:
        st.caption(NOBODY)
        return
    table(rows, "How many each stage needs")
    _reasons(case, found)
    if not searched:
        st.button(
            "Ask the simulation how many",
            key="ask_three",
            icon=":material/search:",
            on_click=_ask,
            args=(key,),
            disabled=stale,
            help="Searches every stage for the fewest replicas that keep all objectives; some dozens of runs",
        )
    if found.together is not None:
        st.markdown(plain(found.together.sentence()))
    if found.left_out:
        st.caption(plain(f"The theory leaves out: {'; '.join(found.left_out)}."))


def _reasons(case: Case, found: Reconciliation) -> None:
    """Why, stage by stage; unfolded, how arithmetic comes to its number and what the case says of the stage."""
    lines = []
    for one in found.stages:
        stage = case.stage(one.name)
        note = f"<div>{escape(' '.join(stage.note.split()))}</div>" if stage.note else ""
        lines.append(
            f'<details class="card"><summary><b>{escape(one.label)}</b>: {escape(one.why)}</summary>'
            f'<div class="working">{escape(one.working)}</div>{note}</details>'
        )
    st.html("".join(lines))
    if (rate := origin(case, "workload.rate")) is not None:
        trace_link(rate, f"Where {amount(found.requests_per_s)} requests/s come from")


def _ask(key: str) -> None:
    st.session_state.setdefault(ASKED, set()).add(key)


page()
