"""Estimate: the sheet with its workings, and what the sources' own numbers say of their claims."""

from __future__ import annotations

from html import escape

import streamlit as st

from cases.errors import StagecraftError
from cases.sheets import WORST_FIRST, estimates, judged_claims
from cases.spec import Case
from ui import state
from ui.header import header
from ui.knobs import knob_sliders, what_changed


def page() -> None:
    """Claims first, then the estimates, then what they rest on."""
    state.begin("estimate")
    baseline = state.baseline()
    header(baseline)
    try:
        case = state.current()
        answer = st.container()
        controls, sheet = st.container(key="board").columns([1, 3.3], gap="medium")
        with controls:
            knob_sliders(case, baseline, prefix="assumptions.")
            what_changed(case, baseline)
        with answer:
            _claims(
                case, own=not any(path.startswith("assumptions.") for path in state.changes(state.session().chosen))
            )
        with sheet:
            _estimates(case)
            _assumptions(case)
    except StagecraftError as error:
        st.error(f"This design cannot be computed. {error}", icon=":material/warning:")
    state.end()


def _claims(case: Case, own: bool) -> None:
    """The verdicts; `own` says whether the sources' assumptions are as the sources have them."""
    judged = judged_claims(case)
    if not judged:
        return
    st.header("What the sources say", anchor=False)
    whose = "Its own numbers give" if own else "The numbers as you changed them give"
    cards = []
    for claim, verdict in sorted(judged, key=lambda pair: WORST_FIRST.index(pair[1].verdict)):
        words = verdict.sentence.partition(": ")[0]
        slip = f"Looks like a slip of {verdict.slip}." if verdict.slip else ""
        computed = case.units.format(verdict.computed, None if verdict.ratio is None else verdict.unit)
        source = f'<span class="more">{escape(claim.source.replace("_", " "))}</span>'
        head = f'<span class="verdict {verdict.verdict}">{escape(words.capitalize())}</span>{source}'
        body = f"It says: {escape(claim.says)}. {whose} <b>{escape(computed)}</b>. {escape(slip)}"
        cards.append(f'<div class="card"><div class="head">{head}</div><div>{body}</div></div>')
    st.html("".join(cards))
    titles = dict.fromkeys(case.sources[claim.source].title for claim, _ in judged)
    st.caption(f"Sources: {'; '.join(titles)}.")


def _estimates(case: Case) -> None:
    st.header("Estimates", anchor=False)
    cards = []
    for name, result in estimates(case).items():
        spec = case.estimates[name]
        interval = ""
        if result.low is not None and result.high is not None:
            low, high = (case.units.format(q, result.unit) for q in (result.low, result.high))
            interval = f"90 % interval {low} to {high}"
        more = ". ".join(part for part in (interval, spec.note or "") if part)
        cards.append(
            f'<div class="card"><div class="head"><span>{escape(spec.label or name.replace("_", " "))}</span>'
            f'<span class="value">{escape(case.units.format(result.value, result.unit))}</span></div>'
            f'<div class="more">{escape(more)}</div><div class="working">{escape(str(result.working))}</div></div>'
        )
    st.html("".join(cards))


def _assumptions(case: Case) -> None:
    st.header("Assumptions", anchor=False)
    cards = []
    for name, spec in case.assumptions.items():
        source = case.sources.get(spec.basis.source or "")
        where = source.title if source else spec.basis.note or ""
        head = f"<span>{escape(spec.label or name.replace('_', ' '))}</span>"
        value = f'<span class="value">{escape(spec.value)}</span>'
        more = f'<div class="more">{escape(spec.basis.kind)}: {escape(where)}</div>'
        cards.append(f'<div class="card"><div class="head">{head}{value}</div>{more}</div>')
    st.html("".join(cards))


page()
