"""Why p99 is high: asked by a button, answered beside the page, and only ever of the result on show."""

from __future__ import annotations

import streamlit as st

from cases.spec import Case
from simulator.attribution import WORDS
from simulator.report import label_of, milliseconds, percent, share_answered
from simulator.results import SimulationResult
from simulator.timeline import MILLISECOND
from simulator.why import CLIENT, SHOWN, Gain, Why
from ui.charts import chart, why_figure
from ui.jobs import forget
from ui.runs import WHY, explanation
from ui.tables import plain, table
from ui.waiting import ON, waiting

NOTHING = milliseconds(0.0)
ASKED = "asked_why"  # the keys of the results that this session asked about


def why_section(case: Case, result: SimulationResult, stale: bool) -> None:
    """The question, and its answer once it was asked of this very result."""
    st.markdown("**Why is p99 high?**")
    asked = result.key in st.session_state.get(ASKED, set())
    if stale or not asked:
        forget(WHY)
    if not share_answered(result):
        st.caption("No request got an answer, so there is no time to explain.")
        return
    if stale or not asked:
        st.button(
            "Explain the slowest 1 %",
            key="why",
            icon=":material/troubleshoot:",
            on_click=_ask,
            args=(result.key,),
            disabled=stale,
            help="Runs the design again for its slowest requests, and once more for each stage with 10 % more replicas",
        )
        return
    answer = explanation(case, result)
    if answer.error is not None:
        st.warning(plain(answer.error), icon=":material/warning:")
    elif answer.job is not None:
        key = answer.job.key
        waiting(answer.job, "Explaining", ON, WHY, lambda: st.session_state[ASKED].discard(key))
    elif answer.result is not None:
        _answer(case, answer.result)


def _ask(key: str) -> None:
    st.session_state.setdefault(ASKED, set()).add(key)


def _answer(case: Case, found: Why) -> None:
    slowest = found.attribution
    st.markdown(
        plain(
            f"{found.sentence(case)} The slowest 1 % took {milliseconds(slowest.threshold / MILLISECOND)} or more "
            f"({slowest.requests:,} requests of the first replication)."
        )
    )
    parts = [(stage, kind, share) for stage, kind, share in found.parts() if share >= SHOWN]
    labels = {stage: _label(case, stage) for stage, _, _ in parts}
    said = ", ".join(f"{labels[stage]} {WORDS[kind]} {percent(share)}" for stage, kind, share in parts)
    figure = why_figure([(labels[stage], WORDS[kind], share) for stage, kind, share in parts])
    chart("why_chart", figure, f"Share of the time of the slowest requests: {said}")
    if all(gain.difference.difference.value is None for gain in found.more):
        st.caption("Too few requests got an answer for a p99 that 10 % more of a stage could change.")
    else:
        st.markdown("What 10 % more of each stage would change, on the same luck:")
        table([_gain(case, gain) for gain in found.more], "10 % more of each stage")
    with st.expander("The shares as a table"):
        rows = [{"Stage": labels[s], "Time": WORDS[kind], "Share": percent(share)} for s, kind, share in parts]
        table(rows, "Shares of the time of the slowest")
        st.caption("Parts below half a percent are left out.")


def _label(case: Case, stage: str) -> str:
    return stage if stage == CLIENT else label_of(case, stage)


def _gain(case: Case, gain: Gain) -> dict[str, str]:
    value, low, high = gain.difference.difference
    said, interval = "no p99 to compare", ""
    if value is not None:
        size = milliseconds(abs(value))
        said = "the same" if size == NOTHING else f"{size} {'lower' if value < 0 else 'higher'}"
        if size != NOTHING and not gain.difference.decided:
            said += ", within the noise"
    if value and low is not None and high is not None and gain.difference.decided:
        near, far = sorted((abs(low), abs(high)))
        interval = f"{milliseconds(near)} to {milliseconds(far)}"
    return {
        "Stage": label_of(case, gain.stage),
        "Replicas": f"{gain.before:,} → {gain.after:,}",
        "p99": said,
        "95 % interval": interval,
    }
