"""The assumptions of a sheet as cards, each with its value to be edited in place."""

from __future__ import annotations

from datetime import date
from functools import partial
from html import escape
from typing import NamedTuple

import streamlit as st

from cases.build import apply
from cases.cards import Ground, assumptions
from cases.errors import StagecraftError
from cases.spec import Case
from ui import state
from ui.sheet_cards import anchor, ground_text
from ui.tables import plain

REFUSED = "refused_edit"


class Refused(NamedTuple):
    """An edit that cannot be: where, what was typed, why, and of which design."""

    path: str
    given: str
    reason: str
    of: state.Chosen


def assumption_cards(case: Case) -> None:
    """A card for each: what it is, on whose word, and a field with its value."""
    st.caption("Put in another value, or low..high for a 90 % range, and everything follows.")
    for one in assumptions(case, date.today()):
        with st.container(border=True, key=f"assumption:{one.name}"):
            words, field = st.columns([2.6, 1.4], gap="small", vertical_alignment="center")
            words.html(_words(one))
            with field:
                _field(case, one)


def _words(one: Ground) -> str:
    return (
        f'<div class="ground" id="{anchor(one.name)}"><div>{escape(one.label)} <code>{escape(one.name)}</code></div>'
        f'<div class="more">{ground_text(one)}</div></div>'
    )


def _field(case: Case, one: Ground) -> None:
    path = f"assumptions.{one.name}.value"
    refused: Refused | None = st.session_state.get(REFUSED)
    if refused is not None and (refused.path, refused.of) != (path, state.session().chosen):
        refused = None
    shown = one.value if refused is None else refused.given
    name = f"edit:{state.session().page}:{case.id}:{path}"
    st.text_input(
        one.label,
        shown,
        label_visibility="collapsed",
        max_chars=200,
        help="A value, or low..high for a 90 % range",
        **state.standing(name, shown, partial(_edited, path)),
    )
    if refused is not None:
        st.error(plain(refused.reason), icon=":material/warning:")


def _edited(path: str, given: str) -> None:
    """Take the value over, or say why it cannot be read; the field keeps what was typed then."""
    text = given.strip()
    reason = _reason(path, text)
    if reason:
        st.session_state[REFUSED] = Refused(path, given, reason, state.session().chosen)
    else:
        st.session_state.pop(REFUSED, None)
        state.change(path, text)


def _reason(path: str, text: str) -> str:
    """Why a value cannot stand at a path; '' if it can."""
    if not text:
        return "It is empty; write a value, or low..high for a 90 % range."
    chosen = state.session().chosen
    try:
        apply(state.load(chosen.case), state.changes(chosen) | {path: text})
    except StagecraftError as error:
        return str(error).splitlines()[0].removeprefix(f"{path}: ")
    return ""
