"""Explore: change the design, watch what follows."""

from __future__ import annotations

from functools import partial
from typing import Literal

import streamlit as st

from cases.cards import grounds, origin
from cases.errors import StagecraftError
from cases.labels import label_of
from cases.scenarios import scenarios
from cases.sheets import far_off
from cases.spec import Case
from cases.world_spec import Containment
from simulator.report import (
    Figure,
    containment,
    headline_figures,
    recovery_text,
    verdict,
    what_happens,
)
from simulator.results import SimulationResult
from simulator.scenes import Scene, first_breach
from ui import state, tables
from ui.charts import chart, goodput_figure, heat_figure, queue_figure, replica_figure
from ui.diagram import KEY
from ui.export import export_button
from ui.fewest import fewest_section
from ui.header import header
from ui.jobs import Job, View, forget
from ui.knobs import knobs, what_changed
from ui.limits import LIMITS
from ui.player import Clock, known_moves, moves, player
from ui.runs import FEWEST, WHY, view
from ui.style import style
from ui.trace_link import trace_link
from ui.waiting import again_and_again, how_far
from ui.why import why_section


def page() -> None:
    """The page, top to bottom: the answer first, then the picture, then the details."""
    if state.begin("explore").entered:
        _clock().leave()
    style("explore.css")
    baseline = state.baseline()
    try:
        case = state.current()
    except StagecraftError as error:
        header(baseline, happens=True)
        st.error(f"This design cannot be built. {tables.plain(str(error))}", icon=":material/warning:")
        with st.container(width=420):
            what_changed(baseline, baseline)
        _clock().leave()
        state.end()
        return
    before, now = _begun(baseline, case)
    header(baseline, happens=True)
    answer = st.container(key="answer")
    controls, picture = st.container(key="board").columns([1, 3.3], gap="medium")
    with controls:
        knobs(case, baseline, _open_stage(case))
        what_changed(case, baseline)
    before, now = before.awaited(), now.awaited()
    shown = _shown(case, now)
    with answer:
        _answer(shown, now)
    if shown is not None:
        watched = known_moves(shown[1])
        with picture, st.container(key="results"):
            _picture(*shown, baseline, before.result, watched, stale=now.result is None)
        # At the end: it would take the time in which the picture is made, and what comes and goes further up would move
        # what is below it.
        followed = moves(*shown)
        if followed.job is not None:
            again_and_again(partial(_arriving, followed.job), followed.job)
        elif watched is None and followed.result is not None:
            state.again()  # it has come meanwhile
    else:
        forget(WHY)
        forget(FEWEST)
        _clock().leave()
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
    with st.container(key="says"):
        if now.error is not None:
            st.error(now.error, icon=":material/warning:")
        if now.job is not None:
            again_and_again(partial(_waiting, now.job, shown is not None), now.job)
        if shown is not None and now.result is not None:
            _say(*shown)
    if shown is not None and shown[1].scenario is not None:
        with st.container(key="happened"):
            st.caption(_happened(*shown, scenario=shown[1].scenario))


def _happened(case: Case, result: SimulationResult, scenario: str) -> str:
    """What the scenario does, whether the system comes back from it, and what moves first."""
    known = scenarios(case)[scenario]
    recovered = " ".join(f"{recovery_text(one)}." for one in result.recovery)
    told = (("Moves first:", known.first), ("Then:", known.then))
    words = [f"**{title}** {tables.plain(' '.join(text.split()))}" for title, text in told if text]
    return " ".join([tables.plain(f"{what_happens(case, result)} {recovered}"), *words])


def _links(case: Case, baseline: Case) -> None:
    """What a person would ask next: what the numbers rest on."""
    with st.container(horizontal=True, key="links", vertical_alignment="center"):
        if baseline.id == state.YOURS:
            st.page_link("own.py", label="Change its text", icon=":material/edit:")
        wrong, claims = far_off(baseline)
        if wrong:
            said = f"{wrong} of the {claims} figures that the sources state are far off: see why"
            st.page_link("estimate.py", label=said, icon=":material/arrow_forward:")
        if (rate := origin(case, "workload.rate")) is not None:
            trace_link(rate, f"{label_of(case, rate)}: how it comes about")


def _say(case: Case, result: SimulationResult) -> None:
    """The verdict, and beside it how far to believe it, since when it does not hold, and what contains that."""
    said, breach, remedy = verdict(case, result), first_breach(result), _remedy(case, result)
    box, icon = {
        True: (st.success, ":material/check_circle:"),
        False: (st.error, ":material/cancel:"),
        None: (st.warning, ":material/help:"),
    }[said.holds]
    words, more = st.container(key="verdict").columns([2.2, 1], vertical_alignment="center")
    with words:
        box(f"**{tables.plain(said.headline)}** {tables.plain(said.reason)}", icon=icon)
    with more.container(horizontal=True, key="more", vertical_alignment="center", gap="small"):
        if breach is not None:
            st.button(
                f"Go to {breach:.3g} s",
                icon=":material/my_location:",
                key="go",
                on_click=_go_to,
                args=(breach,),
                help="Moves the clock of the picture to the first moment over the objective",
            )
        if remedy is not None:
            label, note = remedy.label or "What contains it", remedy.note
            st.button(
                f"Try: {label}",
                icon=":material/healing:",
                key="contain",
                on_click=state.contain,
                help="The same again, contained" if note is None else tables.plain(" ".join(note.split())),
            )
        st.page_link("trust.py", label="How far to believe this", icon=":material/arrow_forward:")


def _remedy(case: Case, result: SimulationResult) -> Containment | None:
    """The design that contains what happens, where it is another one."""
    if result.scenario is None or not containment(case, result):
        return None
    return scenarios(case)[result.scenario].contained_by


# -- the clock and the stage of the picture ---------------------------------------------------------------------------


def _clock_moved() -> None:
    """The clock stands elsewhere; nothing where it is at its start or its end."""
    at = st.session_state[KEY].at
    _clock().told(at)
    state.move_clock(at)


def _clock() -> Clock:
    clock: Clock = st.session_state.setdefault("clock", Clock())
    return clock


def _go_to(seconds: float) -> None:
    state.move_clock(seconds)
    _clock().move(seconds)


def _open_stage(case: Case) -> str | None:
    """The stage whose controls are shown: the one that was clicked."""
    name: str | None = st.session_state.get("stage")
    return name if any(stage.name == name for stage in case.stages) else None


def _clicked() -> None:
    """A stage of the picture; nothing where it was open."""
    st.session_state.stage = st.session_state[KEY].stage or None


def _arriving(job: Job[Scene]) -> None:
    """The page comes again when it is known what some requests did."""
    if job.done.is_set():
        state.again()


def _waiting(job: Job[SimulationResult], has_results: bool) -> None:
    """Progress of a run that takes longer; the page comes again when it has ended."""
    if job.done.is_set():
        state.again()
    below = "the results below are from the previous design" if has_results else "the first results are on their way"
    st.progress(min(job.share, 1.0), text=f"{how_far(job, 'Simulating')}: {below}")
    # So nothing of them is drawn anew; on a phone they are no box of their own.
    st.html(
        "<style>.st-key-results, .st-key-happened { opacity: 0.55; } "
        "@media (max-width: 760px) { .st-key-results > * { opacity: 0.55; } }</style>"
    )


def _picture(
    case: Case,
    result: SimulationResult,
    written: Case,
    baseline: SimulationResult | None,
    watched: Scene | None,
    stale: bool,
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
    player(
        case,
        result,
        baseline if differs else None,
        stages,
        watched,
        _open_stage(case),
        _clicked,
        _clock().stand(state.session().chosen.at),
        _clock_moved,
    )
    _links(case, written)
    with st.container(key="notes"):
        for note in result.notes:
            st.caption(tables.plain(f"Note: {note}."))
        if said := tables.ends(result):
            st.markdown(said)
    why_section(case, result, stale)
    fewest_section(case, result, stale)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Latency over time**")
        chart("latency", heat_figure(result), "Requests by their latency over simulated time, with percentiles")
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
    export_button(case, result.scenario)


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
