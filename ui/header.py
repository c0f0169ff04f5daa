"""What stands above every page: which case, which design, and the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from html import escape

import streamlit as st

from cases.scenario_check import CONTAINED
from cases.scenarios import designs, scenarios
from cases.spec import Case
from ui import state
from ui.copy_link import copy_link
from ui.entries import cases
from ui.style import style
from ui.tables import plain

NOTHING = "(nothing)"  # no scenario can be called so


def header(baseline: Case, happens: bool = False) -> None:
    """The choice of case and design, the question, and what was wrong with the link. `happens`: of scenario, too."""
    style("header.css")
    title, design, scenario = st.columns([4, 2.6, 2.6], vertical_alignment="bottom")
    with title:
        case_title(baseline, state.session().page, state.choose_case)
    with design:
        _designs(baseline)
    if happens:
        with scenario:
            scenario_choice(baseline)
    with st.container(key="question"):
        question, ways = st.columns([2.4, 1], vertical_alignment="center")
    with question:
        _question(baseline)
    with ways, st.container(horizontal=True, horizontal_alignment="right", key="ways"):
        _ways()
    for warning in state.session().warnings:
        st.warning(plain(warning), icon=":material/warning:")


def _question(baseline: Case) -> None:
    """What is asked, and what the design is: unfolded the whole, else two lines, so that nothing below moves."""
    known, chosen = designs(baseline), state.session().chosen.design
    note = known[chosen].note if chosen in known else None
    said = " ".join(f"{baseline.question} {f'This design: {note}' if note else ''}".split())
    first = f"<b>{escape(_hint(baseline))}</b> " if state.at_opening() else ""
    st.html(f'<details class="question"><summary>{first}{escape(said)}</summary></details>')


def _hint(baseline: Case) -> str:
    """What a newcomer may do first."""
    known, name = scenarios(baseline), state.session().chosen.scenario
    if name is None:
        return "Press Play and watch."
    begins = min(event.at for event in known[name].events)
    return f"Press Play and watch what happens at {begins:g} s: {known[name].label or name.replace('_', ' ')}."


def _ways() -> None:
    """Back, forth, to the case as written, and to somebody else."""
    current = state.session()
    chosen, steps = current.chosen, current.steps
    changed = bool(state.changes(chosen)) or chosen.scenario is not None
    for label, icon, there, act, said in (
        ("Undo", ":material/undo:", steps.past, state.undo_step, "The last step"),
        ("Redo", ":material/redo:", steps.future, state.redo_step, "The step that was undone last"),
        ("Reset", ":material/restart_alt:", changed, state.reset, "The case as written"),
    ):
        st.button(label, icon=icon, key=label.lower(), on_click=act, disabled=not there, help=said, type="tertiary")
    copy_link({"case": chosen.case} | chosen.address())


def _designs(baseline: Case) -> None:
    # Of what contains scenarios only what is about the one on show.
    now, known = state.session().chosen, designs(baseline)
    names = [n for n in known if n in baseline.designs or n in (f"{now.scenario}{CONTAINED}", now.design)]
    written = {n: known[n].label or n.replace("_", " ") for n in names}
    labels = told_apart(written | {state.BASELINE: "As in the case"})
    names.insert(0, state.BASELINE)
    stands = state.standing(f"design:{state.session().page}:{baseline.id}", now.design, state.choose_design)
    st.selectbox("Design", names, names.index(now.design), format_func=labels.__getitem__, **stands)


def scenario_choice(baseline: Case) -> None:
    """What happens meanwhile, maybe nothing."""
    known = scenarios(baseline)
    labels = told_apart({n: one.label or n.replace("_", " ") for n, one in known.items()} | {NOTHING: "Nothing"})
    names, now = [NOTHING, *known], state.session().chosen.scenario or NOTHING

    def chosen(name: str) -> None:
        state.choose_scenario(None if name == NOTHING else name)

    stands = state.standing(f"scenario:{state.session().page}:{baseline.id}", now, chosen)
    st.selectbox("What happens", names, names.index(now), format_func=labels.__getitem__, **stands)


def case_title(case: Case, page: str, choose: Callable[[str], None]) -> None:
    """The case's title, as the choice among the cases where there are several."""
    titles = told_apart({name: one.title for name, one in cases().items()} | {case.id: case.title})
    with st.container(key="title" if len(titles) > 1 else None):
        st.title(plain(case.title), anchor=False)
        if len(titles) > 1:
            stands = state.standing(f"case:{page}", case.id, choose)
            st.selectbox("Case", list(titles), list(titles).index(case.id), format_func=titles.__getitem__, **stands)


def told_apart(labels: dict[str, str]) -> dict[str, str]:
    """Labels by name, with the name where two are alike: the browser answers with a label."""
    many = Counter(labels.values())
    return {name: label if many[label] == 1 else f"{label} ({name})" for name, label in labels.items()}
