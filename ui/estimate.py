"""Estimate: the sheet with its workings, what each number rests on, and what the sources' own numbers say."""

from __future__ import annotations

from datetime import date
from html import escape

import streamlit as st

from cases.cards import cards
from cases.errors import StagecraftError
from cases.sheets import WORST_FIRST, judged_claims
from cases.spec import Case
from ui import state
from ui.assumptions import assumption_cards
from ui.header import header
from ui.knobs import knob_sliders, what_changed
from ui.sheet_cards import estimate_card
from ui.style import style
from ui.tables import plain
from ui.trace_link import traced


def page() -> None:
    """Claims first, then the estimates, then what they rest on."""
    state.begin("estimate")
    style("estimate.css")
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
            _traced(case)
            _claims(
                case, own=not any(path.startswith("assumptions.") for path in state.changes(state.session().chosen))
            )
        with sheet:
            _estimates(case)
            st.header("Assumptions", anchor=False)
            assumption_cards(case)
    except StagecraftError as error:
        st.error(f"This design cannot be computed. {plain(str(error))}", icon=":material/warning:")
    state.end()


def _traced(case: Case) -> None:
    """The number that somebody asked about on another page, with all that it rests on."""
    card = cards(case, date.today()).get(traced() or "")
    if card is not None:
        st.header("How this number comes about", anchor=False)
        st.html(estimate_card(card, opened=True, anchored=False))


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
    st.caption(plain(f"Sources: {'; '.join(titles)}."))


def _estimates(case: Case) -> None:
    st.header("Estimates", anchor=False)
    found = cards(case, date.today()).values()
    if not found:
        st.caption("This case has none.")
        return
    if any(card.interval for card in found):
        st.caption("Bars are 90 % intervals on a scale from zero: the ring is the value, the stroke the median.")
    st.html("".join(estimate_card(card) for card in found))


page()
