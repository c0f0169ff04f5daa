"""The case's knobs as sliders over texts or as choices, and the list of what was changed."""

from __future__ import annotations

import streamlit as st

from cases.errors import StagecraftError
from cases.knobs import stops, written
from cases.spec import Case, Knob
from ui import state


def knob_sliders(case: Case, baseline: Case, prefix: str = "") -> None:
    """A slider or a choice for each knob whose path begins with `prefix`."""
    for knob in case.knobs:
        if knob.path.startswith(prefix):
            _knob(case, baseline, knob)


def _knob(case: Case, baseline: Case, knob: Knob) -> None:
    try:
        label, texts, current = stops(case, knob, baseline)
    except StagecraftError as error:
        st.error(f"{knob.label or knob.path}: {error}", icon=":material/warning:")
        return
    key = f"knob:{state.session().page}:{case.id}:{knob.path}"

    def turned() -> None:
        state.change(knob.path, st.session_state[key])

    state.show(key, current)
    said = f"`{knob.path}`"
    if knob.choices:
        st.selectbox(label, options=texts, format_func=_said, key=key, on_change=turned, help=said)
    else:
        st.select_slider(label, options=texts, key=key, on_change=turned, help=said)


def _said(text: str) -> str:
    """A group is read without its braces."""
    return text.removeprefix("{").removesuffix("}")


def what_changed(case: Case, baseline: Case) -> None:
    """The changed paths, each with its way back."""
    chosen = state.session().chosen
    changed = state.changes(chosen)
    if not changed:
        st.caption("As in the case. Turn a knob and watch what follows.")
        return
    st.markdown("**What changed**")
    for path, text in changed.items():
        before = written(baseline.tree, path)
        words, button = st.columns([5, 1], vertical_alignment="center", gap="small")
        words.text(f"{path}\n{before} → {text}")
        if path in dict(chosen.changes):
            button.button(":material/undo:", key=f"undo:{path}", help=f"Undo {path}", on_click=state.undo, args=(path,))
