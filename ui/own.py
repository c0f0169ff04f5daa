"""Your own case: a text, what is wrong with it and where, and the case that it makes, running beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path

import streamlit as st

from cases.build import apply
from cases.errors import StagecraftError
from cases.spec import Case
from cases.yaml_reader import MOST_BYTES
from simulator.bounded import MOST_EVENTS, MOST_REQUESTS, smaller
from simulator.report import verdict
from simulator.results import SimulationResult
from ui import state
from ui.diagram import scene
from ui.editor import editor
from ui.jobs import Job, Runs, View, begun
from ui.own_text import Checked, Located, checked, copy_of, opened, tidy
from ui.runs import OWN, view
from ui.tables import plain
from ui.waiting import ON, again_and_again, how_far, waiting

STATIC = Path(__file__).parent / "static"
FIRST_TEXT = (STATIC / "first.yaml").read_text(encoding="utf-8")
CHECK, RUN = f"{OWN}check", f"{OWN}run"  # slots
PAGE = "own_page"
MOST_PROBLEMS = 20
HOW = (
    "Write a case, or change one, and watch what follows. The text is checked a moment after you stop typing (at once "
    "with Ctrl+Enter). It is kept in this browser tab only: save it, and it is yours for good."
)
BOXES = {
    True: (st.success, ":material/check_circle:"),
    False: (st.error, ":material/cancel:"),
    None: (st.warning, ":material/help:"),
}


@dataclass
class Writing:
    """What one tab writes: the text, what it was before the page replaced it, and what became of its last check."""

    text: str = FIRST_TEXT
    before: str | None = None
    turn: int = 0  # another one each time the page sets the text
    fresh: bool = True  # nobody has written anything yet
    checked: Checked = field(default_factory=lambda: Checked(""))
    case: Case | None = None  # of the last text without problems
    result: SimulationResult | None = None  # of its run
    less: dict[str, str] = field(default_factory=dict)  # what makes its run smaller, once somebody agreed
    refused: str | None = None  # why the last file could not be opened

    def typed(self, text: str) -> None:
        """Somebody wrote."""
        self.text, self.fresh, self.refused = tidy(text), False, None

    def replaced(self, text: str) -> None:
        """The page sets the text; the one before can be had back."""
        if text != self.text:
            self.before = None if self.fresh else self.text
        self.text, self.fresh, self.refused = text, False, None
        self.turn += 1

    @property
    def name(self) -> str:
        """Of a file to save it in."""
        return self.checked.name


class Checks(Runs):
    """The server's checks, one after the other. Cases are large, and each is one tab's: none is kept here."""

    def keep(self, key: str, result: object) -> None:
        """Nothing is."""


@st.cache_resource(show_spinner=False)
def checks() -> Checks:
    """One for the server."""
    return Checks("check", 1)


def page() -> None:
    """The text at left; at right what is wrong with it, or what it does."""
    session = state.session()
    session.entered, session.page = session.page != "own", "own"
    writing: Writing = st.session_state.setdefault(PAGE, Writing())
    st.html(STATIC / "own.css")
    st.title("Your own case", anchor=False)
    st.caption(HOW)
    found = _check(writing)
    _ways(writing)
    text, answer = st.columns([1, 1.15], gap="medium")
    with text:
        marks = [one.line for one in writing.checked.problems] if found is None else []
        editor(writing.text, writing.turn, writing.fresh, marks, MOST_BYTES + 1, writing.typed)
    with answer:
        _answer(writing, found)


def _check(writing: Writing) -> View[Checked] | None:
    """The check of the text, while it is under way or if it failed; None once its outcome is known."""
    text = writing.text
    if writing.checked.text == text:
        return None
    key = hashlib.sha256(text.encode()).hexdigest()
    found = begun(checks(), CHECK, key, lambda _: checked(text)).awaited()
    if found.result is None:
        return found
    writing.checked = found.result
    if found.result.case is not None:
        writing.case, writing.result = found.result.case, None
        writing.less = smaller(found.result.case) if writing.less else {}
        state.adopt(found.result.case)
    return None


# -- where the text comes from, and where it goes ---------------------------------------------------------------------


def _ways(writing: Writing) -> None:
    with st.container(horizontal=True, key="ways", vertical_alignment="center"):
        st.button("A small example", on_click=writing.replaced, args=(FIRST_TEXT,), icon=":material/draft:")
        _copy(writing)
        with st.popover("Open a file", icon=":material/folder_open:"):
            key = f"own:file:{writing.turn}"
            st.file_uploader("A case, as YAML", type=["yaml", "yml"], key=key, on_change=_open, args=(writing, key))
        st.download_button(
            "Save",
            lambda: writing.text.encode(),
            f"{writing.name}.yaml",
            "text/yaml",
            on_click="ignore",
            icon=":material/download:",
            help="The text as it stands, errors and all",
        )
        if writing.before is not None:
            st.button("The text before", on_click=writing.replaced, args=(writing.before,), icon=":material/history:")
    if writing.refused is not None:
        st.error(plain(writing.refused), icon=":material/warning:")


def _copy(writing: Writing) -> None:
    """The design on show elsewhere, as a text; of the tab's own case only with changes."""
    chosen = state.session().chosen
    if chosen.case == state.YOURS and not state.changes(chosen):
        return

    def copied() -> None:
        try:
            writing.replaced(copy_of(state.current(), writing.name))
        except StagecraftError as error:
            writing.refused = f"The design on show cannot be copied. {error}"

    label = f"A copy of {plain(state.baseline().title)}"
    st.button(label, on_click=copied, icon=":material/content_copy:", help="As it is on show in Explore")


def _open(writing: Writing, key: str) -> None:
    file = st.session_state[key]
    if file is None:
        return
    text = opened(file.getvalue())
    if text is None:
        writing.refused = f"{file.name[:100]} cannot be read: it is not UTF-8 text. Save it as such, and open it again."
    else:
        writing.replaced(text)


# -- what becomes of it -----------------------------------------------------------------------------------------------


def _answer(writing: Writing, check: View[Checked] | None) -> None:
    if check is not None and check.job is not None:
        again_and_again(partial(_checking, check.job), check.job)
    elif check is not None:
        st.error("This text could not be checked; it stays here as it is.", icon=":material/warning:")
    elif writing.checked.problems:
        _problems(writing.checked.problems)
    if writing.case is None:
        return
    if check is None and not writing.checked.problems:
        _works(writing, writing.case)
    else:
        with st.container(key="past"):
            st.caption("The picture is of the last text without errors.")
            scene(writing.case, writing.result, None, None)


def _checking(job: Job[Checked]) -> None:
    if job.done.is_set():
        st.rerun()
    st.progress(0.0, text=how_far(job, "Checking the text") if job.before else "Checking the text …")


def _problems(problems: tuple[Located, ...]) -> None:
    count = len(problems)
    st.header(f"{count} error{'s' if count > 1 else ''}", anchor=False)
    items = "".join(_items(problems[:MOST_PROBLEMS]))
    st.html(f'<div class="problems" role="status" tabindex="0"><ol>{items}</ol></div>')
    if count > MOST_PROBLEMS:
        st.caption(f"and {count - MOST_PROBLEMS:,} more; put these right first")


def _items(problems: Iterable[Located]) -> Iterable[str]:
    for one in problems:
        path = f" <code>{escape(one.path)}</code>" if one.path else ""
        quote = f"<pre>{escape(one.quote)}</pre>" if one.quote.strip() else ""
        yield f"<li><b>Line {one.line:,}</b>{path}{quote}<div>{escape(one.message)}</div></li>"


def _works(writing: Writing, case: Case) -> None:
    """The verdict of a run, the picture, and the way to everything else that can be done with a case."""
    case = apply(case, writing.less)
    less = smaller(case)
    now: View[SimulationResult] = View(RUN) if less else view(case, RUN).awaited()
    if now.result is not None:
        less = smaller(case, now.result)
    with st.container(key="says"):
        _said(case, now)
    if less:
        _offer(writing, less)
    elif writing.less:
        st.caption(plain(f"Run smaller than the text says: {_words(writing.less)}."))
    writing.result = now.result
    scene(case, now.result, None, None)
    _onwards(case, writing.less, now.result)


def _offer(writing: Writing, less: dict[str, str]) -> None:
    """A run beyond bounds, made smaller if somebody agrees."""

    def agree() -> None:
        writing.less = less

    most = f"at most {MOST_REQUESTS:,} requests and {MOST_EVENTS:,} events in all"
    st.warning(f"This run is too large for here, where others wait for theirs: {most}.", icon=":material/warning:")
    st.button(f"Run it with {plain(_words(less))}", key="agree", on_click=agree, icon=":material/compress:")


def _words(changes: dict[str, str]) -> str:
    return ", ".join(f"{path}: {text}" for path, text in changes.items())


def _said(case: Case, now: View[SimulationResult]) -> None:
    if now.error is not None:
        st.error(plain(now.error), icon=":material/warning:")
    if now.job is not None:
        waiting(now.job, "Simulating", ON, RUN, None)
    if now.result is not None:
        said = verdict(case, now.result)
        box, icon = BOXES[said.holds]
        box(f"**{plain(said.headline)}** {plain(said.reason)}", icon=icon)


def _onwards(case: Case, less: dict[str, str], result: SimulationResult | None) -> None:
    for note in result.notes if result is not None else ():
        st.caption(plain(f"Note: {note}."))
    address = {"case": state.YOURS} | less
    with st.container(horizontal=True, key="onwards"):
        if result is not None:
            st.page_link("trust.py", label="How far to believe this", icon=":material/arrow_forward:")
        st.page_link("explore.py", label="Explore this", icon=":material/arrow_forward:", query_params=address)
        if case.walkthrough:
            st.page_link("present.py", label="Present", icon=":material/slideshow:", query_params={"case": state.YOURS})


page()
