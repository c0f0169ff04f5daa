"""Explore: change the design, watch what follows."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from cases.cards import grounds, origin
from cases.errors import StagecraftError
from cases.labels import label_of
from cases.scenarios import scenarios
from cases.sheets import far_off
from cases.spec import Case
from simulator.report import (
    Figure,
    Verdict,
    containment,
    headline_figures,
    recovery_text,
    verdict,
    what_happens,
)
from simulator.results import SimulationResult
from ui import state, tables
from ui.charts import chart, goodput_figure, latency_figure, queue_figure, replica_figure
from ui.diagram import diagram, legend
from ui.fewest import fewest_section
from ui.header import header
from ui.knobs import knob_sliders, what_changed
from ui.limits import LIMITS
from ui.runs import FEWEST, WHY, Job, View, forget, view
from ui.trace_link import trace_link
from ui.why import why_section


def page() -> None:
    """The page, top to bottom: the answer first, then the picture, then the details."""
    state.begin("explore")
    baseline = state.baseline()
    try:
        case = state.current()
    except StagecraftError as error:
        header(baseline, happens=True)
        st.error(f"This design cannot be built. {tables.plain(str(error))}", icon=":material/warning:")
        with st.container(width=420):
            what_changed(baseline, baseline)
        state.end()
        return
    before, now = _begun(baseline, case)
    header(baseline, happens=True)
    answer = st.container(key="answer")
    _links(case, baseline)
    controls, picture = st.container(key="board").columns([1, 3.3], gap="medium")
    with controls:
        knob_sliders(case, baseline)
        what_changed(case, baseline)
    before, now = before.awaited(), now.awaited()
    shown = _shown(case, now)
    with answer:
        _answer(shown, now)
    if shown is not None:
        with picture, st.container(key="results"):
            _picture(*shown, baseline, before.result, stale=now.result is None)
    else:
        forget(WHY)
        forget(FEWEST)
    state.end()


def _begun(baseline: Case, case: Case) -> tuple[View[SimulationResult], View[SimulationResult]]:
    """The runs of the case as written and of this design: under way while the page is put together."""
    scenario = state.session().chosen.scenario
    before = view(baseline, "baseline")
    if case is baseline and scenario is None:
        forget("design")
        return before, before
    return before, view(case, "design", scenario)


def _shown(case: Case, now: View[SimulationResult]) -> tuple[Case, SimulationResult] | None:
    """The case and result on show: this design's, or the last one's until it is there."""
    if now.result is not None:
        st.session_state.shown = (case, now.result)
    shown: tuple[Case, SimulationResult] | None = st.session_state.get("shown")
    return shown if shown is not None and shown[0].id == case.id else None


def _answer(shown: tuple[Case, SimulationResult] | None, now: View[SimulationResult]) -> None:
    if now.error is not None:
        st.error(now.error, icon=":material/warning:")
    if now.job is not None:
        _waiting(now.job, shown is not None)
    if shown is not None and now.result is not None:
        _say(verdict(*shown))
        _happened(*shown)
        for note in now.result.notes:
            st.caption(tables.plain(f"Note: {note}."))


def _happened(case: Case, result: SimulationResult) -> None:
    """What the scenario does, whether the system comes back from it, and what contains it."""
    if result.scenario is None:
        return
    known = scenarios(case)[result.scenario]
    words, remedy = st.container(key="happened").columns([3.4, 1], gap="medium", vertical_alignment="center")
    with words:
        recovered = "".join(f"\n- {tables.plain(recovery_text(one))}." for one in result.recovery)
        st.markdown(f"{tables.plain(what_happens(case, result))}\n{recovered}")
        told = (("Moves first:", known.first), ("Then:", known.then))
        st.caption(" ".join(f"**{title}** {tables.plain(' '.join(text.split()))}" for title, text in told if text))
    if known.contained_by is not None and containment(case, result):
        label, note = known.contained_by.label or "What contains it", known.contained_by.note
        remedy.button(
            f"Try: {label}",
            icon=":material/healing:",
            key="contain",
            on_click=state.contain,
            width="stretch",
            help="The same again, contained" if note is None else tables.plain(" ".join(note.split())),
        )


def _links(case: Case, baseline: Case) -> None:
    """What a person would ask next of a verdict."""
    with st.container(horizontal=True, key="links", vertical_alignment="center"):
        st.page_link("trust.py", label="How far to believe this", icon=":material/arrow_forward:")
        wrong, claims = far_off(baseline)
        if wrong:
            said = f"{wrong} of the {claims} figures that the sources state are far off: see why"
            st.page_link("estimate.py", label=said, icon=":material/arrow_forward:")
        if (rate := origin(case, "workload.rate")) is not None:
            trace_link(rate, f"{label_of(case, rate)}: how it comes about")


def _say(said: Verdict) -> None:
    box, icon = {
        True: (st.success, ":material/check_circle:"),
        False: (st.error, ":material/cancel:"),
        None: (st.warning, ":material/help:"),
    }[said.holds]
    box(f"**{tables.plain(said.headline)}** {tables.plain(said.reason)}", icon=icon)


@st.fragment(run_every=0.3)
def _waiting(job: Job[SimulationResult], has_results: bool) -> None:
    """Progress of a run that takes longer; the page comes again when it has ended."""
    if job.done.is_set():
        st.rerun()
    below = "the results below are from the previous design" if has_results else "the first results are on their way"
    st.progress(min(job.share, 1.0), text=f"Simulating … {job.share:.0%}: {below}")
    st.html("<style>.st-key-results { opacity: 0.55; }</style>")  # so nothing of them is drawn anew


def _picture(
    case: Case, result: SimulationResult, written: Case, baseline: SimulationResult | None, stale: bool
) -> None:
    figures = headline_figures(result, baseline or result)
    for column, figure in zip(st.container(key="figures").columns(len(figures)), figures, strict=True):
        column.metric(
            figure.label,
            figure.text,
            figure.difference or "same as baseline",
            delta_color=_colour(figure),
            delta_arrow="off" if figure.better is None else "auto",
            border=True,
        )
    differs = baseline is not None and baseline.key != result.key
    stages = {path.split(".")[1] for path in state.changes(state.session().chosen) if path.startswith("stages.")}
    diagram(case, result, baseline if differs else None, stages)
    st.caption(legend(case))
    if said := tables.ends(result):
        st.markdown(said)
    why_section(case, result, stale)
    fewest_section(case, result, stale)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Latency over time**")
        lines = latency_figure(result, baseline if differs else None)
        chart("latency", lines, "Latency percentiles over simulated time")
    with right:
        st.markdown("**Queues over time**")
        chart("queues", queue_figure(case, result), "Visits waiting by stage over simulated time")
    _over_time(case, result)
    tables.latencies(case, result)
    tables.meaning(case, result, written, baseline)
    with st.container(horizontal=True, key="grounds"):
        for name in grounds(case):
            if name != origin(case, "workload.rate"):
                trace_link(name, f"{label_of(case, name)}: how it comes about")
    with st.expander("Stages as a table"):
        tables.stages(case, result)
    with st.expander("The model and its limits"):
        st.markdown(LIMITS)


def _over_time(case: Case, result: SimulationResult) -> None:
    """What comes and what is answered well, and the replicas, where something happens to them."""
    goodput, replicas = goodput_figure(result), replica_figure(case, result)
    left, right = st.columns(2, gap="medium")
    if goodput is not None:
        with left:
            st.markdown("**Requests over time**")
            chart("goodput", goodput, "Requests offered and answered in time, over simulated time")
    if replicas is not None:
        with right:
            st.markdown("**Replicas over time**")
            chart("replicas", replicas, "Replicas in service by stage over simulated time")


def _colour(figure: Figure) -> Literal["off", "inverse", "normal"]:
    """Green for better: Streamlit takes more for better unless it is told the inverse."""
    if figure.better is None:
        return "off"
    return "inverse" if figure.difference.startswith("-") == figure.better else "normal"


page()
