"""The case's knobs as sliders over texts or as choices, and the list of what was changed."""

from __future__ import annotations

from functools import partial

import streamlit as st

from cases.build import apply
from cases.design import REMOVED
from cases.errors import StagecraftError
from cases.knobs import stops, written
from cases.spec import Case, Knob
from simulator.report import label_of
from ui import state
from ui.tables import plain

NUMBERS = {  # of a stage, for those that have no knob: where they stand, and what they are called
    "replicas": "Replicas",
    "person.desks": "Desks",
    "concurrency": "Workers of a replica",
    "service.mean": "Mean service time",
    "cache.hit_ratio": "Cache hit ratio",
    "queue.limit": "Queue limit",
    "timeout": "Time-out",
}
ALWAYS = ("timeout",)  # also where there is none yet


def knobs(case: Case, baseline: Case, stage: str | None) -> None:
    """All knobs; where a stage is open, its own first, with its numbers."""
    prefix = f"stages.{stage}."
    if stage is not None:
        st.markdown(f"**{plain(label_of(case, stage))}**")
        knob_sliders(case, baseline, prefix)
        _numbers(case, baseline, prefix)
        st.caption("A click on the stage closes it again.")
        st.divider()
    for knob in case.knobs:
        if stage is None or not knob.path.startswith(prefix):
            _knob(case, baseline, knob)


def _numbers(case: Case, baseline: Case, prefix: str) -> None:
    """The numbers of a stage that no knob turns, to be written over."""
    turned = {knob.path for knob in case.knobs}
    for field, label in NUMBERS.items():
        path, text = f"{prefix}{field}", written(case.tree, f"{prefix}{field}")
        if path not in turned and (text != REMOVED or field in ALWAYS):
            _number(path, label, text, baseline)


def _number(path: str, label: str, text: str, baseline: Case) -> None:
    name = f"number:{state.session().page}:{baseline.id}:{path}"

    def typed(given: str) -> None:
        wanted, chosen = given.strip() or REMOVED, state.session().chosen
        try:
            apply(baseline, state.changes(chosen) | {path: wanted})
        except StagecraftError as error:
            st.session_state[f"{name}:wrong"] = (chosen, given, str(error))
        else:
            state.change(path, wanted)

    # What cannot be stays in the field, with why, until the design is another one.
    of, given, wrong = st.session_state.get(f"{name}:wrong", (None, "", ""))
    refused = of == state.session().chosen
    shown = given if refused else text
    st.text_input(label, shown, help=f"`{path}`", **state.standing(name, shown, typed))
    if refused:
        st.error(plain(wrong), icon=":material/warning:")


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
    name = f"knob:{state.session().page}:{case.id}:{knob.path}"
    stands = state.standing(name, current, partial(state.change, knob.path))
    said = f"`{knob.path}`"
    if knob.choices:
        at = texts.index(current)
        st.selectbox(label, options=texts, index=at, format_func=_said, help=said, **stands)
    else:
        st.select_slider(label, options=texts, value=current, help=said, **stands)


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
            name, act = plain(f"Undo {path}"), state.undo
            button.button(name, icon=":material/undo:", key=f"undo:{path}", help=name, on_click=act, args=(path,))
