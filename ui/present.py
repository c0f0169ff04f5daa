"""Present: the story of a case, step by step, with numbers from runs."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from cases import files
from cases.spec import Case
from cases.story_spec import SECTIONS
from simulator.report import verdict
from simulator.results import SimulationResult
from ui import place, state
from ui.charts import chart, latency_figure
from ui.diagram import scene
from ui.entries import cases, entries
from ui.export import export_button
from ui.header import case_title
from ui.jobs import Job, View
from ui.runs import story_plan, story_runs
from ui.tables import plain
from ui.waiting import again_and_again
from walkthrough.live import WAITING
from walkthrough.material import run_text
from walkthrough.story import Number, PlannedStep, RunName, Told, ToldStep, steps, told

AHEAD = 2  # steps whose runs are begun before one comes to them
NOTES = "present:notes"
HEIGHT = 220  # of the chart: a slide is to fit on a screen
CURSOR = {"type": "line", "y0": 0, "y1": 1, "xref": "x", "yref": "y domain", "line": {"width": 2, "color": "#7a8494"}}


def page() -> None:
    """One step: what is said, the picture that it is about, and the way to the others."""
    here = place.begin("present", "case", "step", "present", "fix")
    if state.session().entered and not st.query_params:
        here.move(present=None)  # who comes by the navigation wants it
    case = _case(here)
    if case is not None:
        story = steps(case)
        if story:
            _step(here, case, story, min(_whole(here.values.get("step", "")), len(story)))
        else:
            case_title(case, "present", lambda name: _other_case(here, name))
            st.info("This case has no story yet: its file has no 'walkthrough'.", icon=":material/info:")
            _explore(case, RunName())
    here.end()


def _case(here: place.Place) -> Case | None:
    """The case of the address; None, with what is wrong, where it cannot be had."""
    name = here.values.get("case", files.FIRST)
    known = cases()
    if name not in known:
        wrong = entries().get(name)
        why = f"The case '{name}' of the link is not here." if wrong is None else f"This case cannot be read. {wrong}"
        why = f"{state.ELSEWHERE}." if name == state.YOURS else why
        st.title("Present", anchor=False)
        st.warning(plain(why), icon=":material/warning:")
        st.page_link("catalogue.py", label="All cases", icon=":material/arrow_forward:")
        return None
    if name == files.FIRST:
        here.values.pop("case", None)
    if state.session().chosen.case != name:
        state.session().chosen = state.Chosen(case=name)
    return known[name]


def _whole(text: str) -> int:
    """The number of a step; the first where there is none."""
    return max(int(text), 1) if text.isascii() and text.isdecimal() else 1


# -- where one goes ---------------------------------------------------------------------------------------------------


def _go(here: place.Place, number: int) -> None:
    here.move(step=None if number == 1 else str(number), fix=None)


def _other_case(here: place.Place, name: str) -> None:
    here.move(case=None if name == files.FIRST else name, step=None, fix=None)


def _explore(case: Case, run: RunName) -> None:
    """The way to the knobs of a run."""
    named = {"case": case.id, "design": run.design or "", "scenario": run.scenario or ""}
    wanted = {name: value for name, value in named.items() if value}
    st.page_link("explore.py", label="Explore it", icon=":material/arrow_forward:", query_params=wanted)


# -- a step -----------------------------------------------------------------------------------------------------------


def _step(here: place.Place, case: Case, story: tuple[PlannedStep, ...], number: int) -> None:
    step = story[number - 1]
    presenting = here.values.get("present") == "1"
    views = story_runs(case, step, story[number : number + AHEAD])
    said = told(case, step, {run: one.result for run, one in views.items() if one.result is not None})
    if presenting:
        st.html('<span class="presenting"></span>')
    else:
        case_title(case, "present", lambda name: _other_case(here, name))
    st.html(_slide(said, case.title if presenting else "", "h1" if presenting else "h2"))
    for error in dict.fromkeys(one.error for one in views.values() if one.error is not None):
        st.error(plain(error), icon=":material/warning:")
    _picture(here, case, step, views)
    with st.container(key="bar"):
        if st.session_state.get(NOTES, False):
            st.html(_notes(said, "h2" if presenting else "h3"))
        _bar(here, story, number, presenting)
        pending = [one.job for one in views.values() if one.job is not None]
        if pending:
            again_and_again(partial(_filling, here, pending), *pending)


def _slide(said: ToldStep, of: str, heading: str) -> str:
    """What stands on it. Above the title: `of` what it is, and the section, where the step has a title of its own."""
    step = said.planned
    section = SECTIONS[step.section]
    above = " · ".join(part for part in (of, section if step.title != section else "") if part)
    asks = "".join(f"<div><dt>{escape(asked)}</dt><dd>{_text(answer)}</dd></div>" for asked, answer in said.asks)
    lines = "".join(f"<li>{_text(line)}</li>" for line in said.says)
    return (
        f'<div class="slide"><p class="above">{escape(above)}</p>'
        f'<{heading} class="step">{escape(step.title)}</{heading}>'
        + (f"<dl>{asks}</dl>" if asks else "")
        + (f"<ul>{lines}</ul>" if lines else "")
        + "</div>"
    )


def _notes(said: ToldStep, heading: str) -> str:
    text = _text(said.notes) if said.notes else "There are none for this step."
    return (
        f'<div class="notes" role="region" aria-label="Speaker notes" tabindex="0">'
        f"<{heading}>Speaker notes</{heading}><p>{text}</p></div>"
    )


def _text(text: Told) -> str:
    """As HTML; what a number is of is its title."""
    return "".join(_number(part) if isinstance(part, Number) else escape(part) for part in text)


def _number(number: Number) -> str:
    kind = "number awaited" if number.waiting else "number"
    of = f"{number.origin}: its run is under way" if number.waiting else number.origin
    return f'<abbr class="{kind}" title="{escape(of)}">{escape(number.text)}</abbr>'


# -- the picture ------------------------------------------------------------------------------------------------------


def _picture(here: place.Place, case: Case, step: PlannedStep, views: dict[RunName, View[SimulationResult]]) -> None:
    """The request path in the run on show, with the stage lit and the clock where the step has it."""
    with st.container(horizontal=True, key="on-show", vertical_alignment="center"):
        run = step.shows[0] if len(step.shows) == 1 else _before_or_after(here, step)
        result = views[run].result
        written = story_plan(case, run).case
        answer = WAITING if result is None else verdict(written, result).headline
        clock = "" if step.at is None else f" The clock stands at {step.at:g} s."
        st.markdown(f"**{plain(answer)}** {plain(f'{run_text(case, run)}{clock}')}", width="content")
        if here.values.get("present") != "1":
            _explore(case, run)
            st.page_link("trust.py", label="How far to believe this", icon=":material/arrow_forward:")
            export_button(case)
    scene(written, result, step.stage, step.at)
    if run.scenario is not None or step.at is not None:
        with st.container(key="over-time"):
            if result is not None:
                _over_time(result, step.at, run_text(case, run))


def _over_time(result: SimulationResult, at: float | None, name: str) -> None:
    figure = latency_figure(result, None)
    figure.layout["height"] = HEIGHT
    if at is not None:
        figure.layout.setdefault("shapes", []).append({**CURSOR, "x0": at, "x1": at})
    chart("told", figure, f"Latency percentiles over simulated time. {name}")


def _before_or_after(here: place.Place, step: PlannedStep) -> RunName:
    """The problem, or the same with the fix; as somebody chose."""
    words = ["The problem", "With the fix"]
    fixed = "fix" in here.values

    def chosen(word: str) -> None:
        here.move(fix="1" if word == words[1] else None)

    st.radio(
        "On show",
        label_visibility="collapsed",
        options=words,
        index=int(fixed),
        horizontal=True,
        **state.standing(f"present:fix:{step.number}", words[fixed], chosen),
    )
    return step.shows[fixed]


# -- the bar ----------------------------------------------------------------------------------------------------------


def _bar(here: place.Place, story: tuple[PlannedStep, ...], number: int, presenting: bool) -> None:
    last = len(story)
    with st.container(horizontal=True, key="controls", vertical_alignment="center"):
        st.button("Back", shortcut="PageUp", disabled=number == 1, on_click=_go, args=(here, number - 1))
        st.button("Next", shortcut="PageDown", disabled=number == last, on_click=_go, args=(here, number + 1))
        st.html(f'<p class="where" role="status">step {number} of {last}</p>')
        with st.container(key="steps", width=300):
            st.selectbox(
                "Go to step",
                range(1, last + 1),
                index=number - 1,
                format_func=lambda n: f"{n}. {story[n - 1].title}",
                label_visibility="collapsed",
                **state.standing("present:step", number, partial(_go, here)),
            )
        shown = st.session_state.get(NOTES, False)
        st.button("Hide notes" if shown else "Speaker notes", key="notes", shortcut="N", on_click=_turn_notes)
        if presenting:
            st.button("Leave", key="leave", shortcut="Escape", on_click=lambda: here.move(present=None))
        else:
            st.button("Present", key="leave", shortcut="P", on_click=lambda: here.move(present="1"))


def _turn_notes() -> None:
    st.session_state[NOTES] = not st.session_state.get(NOTES, False)


def _filling(here: place.Place, pending: list[Job[SimulationResult]]) -> None:
    """How far the runs of this step are; the page comes again when one has ended."""
    if any(job.done.is_set() for job in pending):
        here.again()
    runs = f"{len(pending)} run{'' if len(pending) == 1 else 's'} under way"
    st.progress(min(job.share for job in pending), text=f"Simulating … {runs}; its numbers follow")


page()
