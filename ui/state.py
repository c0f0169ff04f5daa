"""The state of a session: which case, which design; kept in the address, so that a link reproduces the page.

The address reads ?case=ID&design=NAME&scenario=NAME&at=SECONDS&PATH=TEXT...; each change is one step of the browser's
history. A bare address is the case as written; on the first page it is the opening, a case that fails. The browser
tells us its address late, so after we wrote it, or when a widget moved in this run, our own copy counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import streamlit as st

from cases import files
from cases.build import apply, design_changes
from cases.design import changed
from cases.errors import StagecraftError
from cases.scenario_check import CONTAINED
from cases.scenarios import designs, scenarios
from cases.spec import Case
from ui.steps import Steps

FIRST_CASE = files.FIRST
BASELINE = "baseline"
YOURS = "own"  # in the address: the case that this browser tab wrote itself
ELSEWHERE = "The case of the link is somebody's own and only in the browser tab where it was written"
FIRST_PAGE = "explore"
LATE = 1.5  # seconds for which the browser may still report an address older than ours; longer where pages are slow
LONGEST_ADDRESS = 8_000
LONGEST_RUN = 1e7  # s; no clock stands later
NAMES = ("case", "design", "scenario", "at")  # what is no path in an address


@dataclass(frozen=True)
class Chosen:
    """A case, one of its designs, changes on top, what happens meanwhile, and where the clock stands (s)."""

    case: str = FIRST_CASE
    design: str = BASELINE
    changes: tuple[tuple[str, str], ...] = ()
    scenario: str | None = None
    at: float | None = None

    def address(self) -> dict[str, str]:
        """As query parameters; what is as in the case is left out."""
        parameters = {} if self.case == FIRST_CASE else {"case": self.case}
        if self.design != BASELINE:
            parameters["design"] = self.design
        if self.scenario is not None:
            parameters["scenario"] = self.scenario
        if self.at is not None:
            parameters["at"] = f"{self.at:g}"
        return parameters | dict(self.changes)

    @classmethod
    def of(cls, address: dict[str, str]) -> Chosen:
        """From query parameters."""
        rest = {k: v for k, v in address.items() if k not in NAMES}
        return cls(
            address.get("case", FIRST_CASE),
            address.get("design", BASELINE),
            tuple(rest.items()),
            address.get("scenario"),
            _seconds(address.get("at")),
        )


def _seconds(text: str | None) -> float | None:
    """A moment of a run; None where there is none, or where it is no such number."""
    try:
        at = float(text or "")
    except ValueError:
        return None
    return at if 0 <= at <= LONGEST_RUN else None


def opening() -> Chosen:
    """What a newcomer sees: the first case, with the first of its scenarios that breaks an objective."""
    try:
        known = scenarios(load(FIRST_CASE))
    except StagecraftError:
        return Chosen()  # the page says what is wrong with its file
    return Chosen(scenario=next((name for name, one in known.items() if one.breaks is not None), None))


@dataclass
class Widget:
    """Where a widget stood when a page was drawn last, and how often another one has taken its place."""

    value: object
    turn: int = 0

    def key(self, name: str) -> str:
        """What Streamlit knows it by."""
        return f"{name}:{self.turn}" if self.turn else name


@dataclass
class Session:
    """What one browser tab remembers."""

    chosen: Chosen = field(default_factory=opening)
    steps: Steps[Chosen] = field(default_factory=Steps)
    page: str = ""
    entered: bool = False  # this run is the first on its page: widgets must be told where they stand
    moved: bool = False  # a widget moved, and the address does not say so yet
    wrote_at: float = 0.0
    began_at: float = 0.0  # the run of the page that is under way
    took: float = 0.0  # s, the last run of a page that wrote its address
    warnings: list[str] = field(default_factory=list)
    widgets: dict[str, Widget] = field(default_factory=dict)  # by name
    built: tuple[Case, dict[str, str], Case] | None = None  # the last design: of which case, by which changes

    def comes_to(self, page: str) -> None:
        """A run of a page begins."""
        self.entered, self.page, self.began_at = page != self.page, page, time.monotonic()

    def late(self, wrote_at: float) -> bool:
        """Whether what the browser says of its address may be older than what was written then.

        What it asked while a run was under way comes after that run, which may take long where many are served.
        """
        return not self.entered and time.monotonic() - wrote_at < max(LATE, self.took)

    def wrote(self) -> float:
        """A page has written its address: when (s, of the monotonic clock)."""
        now = time.monotonic()
        self.took = now - self.began_at
        return now


@st.cache_resource(show_spinner=False, max_entries=100)
def _load(case_id: str, modified: float) -> Case:  # a leading '_' would take it out of the cache's key
    return files.load(files.in_catalog(case_id))


def yours() -> Case | None:
    """The case that this tab wrote itself, if it did."""
    found: Case | None = st.session_state.get(YOURS)
    return found


def adopt(case: Case) -> None:
    """This is the tab's own case from now on; what was chosen of the one before stays as far as it can be had."""
    st.session_state[YOURS] = case
    for last in ("shown", "compared"):  # what pages still hold of the one before
        st.session_state.pop(last, None)
    current = session()
    current.steps = Steps()
    if current.chosen.case == YOURS:
        current.chosen, _ = _checked(current.chosen.address())


def load(case_id: str) -> Case:
    """A case of the catalogue, read again when its file changed; or this tab's own."""
    own = yours()
    if case_id == YOURS and own is not None:
        return own
    return _load(case_id, files.in_catalog(case_id).stat().st_mtime)


def session() -> Session:
    """This tab's session; once a run, `begin` must have been called."""
    if "session" not in st.session_state:
        st.session_state.session = Session()
    current: Session = st.session_state.session
    return current


def begin(page: str) -> Session:
    """Take over the address where it is news, and make sure that what it names exists.

    The navigation's links are bare: who comes to another page by one keeps the design.
    """
    fresh, counts = arrive(page)
    current, address = session(), st.query_params.to_dict()
    if fresh or (counts and address != _address(current)):
        take(address, fresh)
    return current


def arrive(page: str) -> tuple[bool, bool]:
    """A run of a page begins: whether it is the first of its session, and whether the browser's address counts."""
    fresh = "session" not in st.session_state
    current = session()
    current.comes_to(page)
    current.moved = current.moved and not current.entered  # a link to another page counts
    followed_a_bare_link = current.entered and not fresh and not st.query_params
    current.moved |= followed_a_bare_link  # our copy counts until the address says so, even if this run is cut short
    return fresh, fresh or not (current.moved or current.late(current.wrote_at))


def again() -> NoReturn:
    """The page comes again by itself: the browser's word of the address, older than what we wrote, does not count."""
    session().moved = True
    st.rerun()


def take(address: dict[str, str], fresh: bool) -> None:
    """Choose what an address asks for, as far as it can be had: a step, unless it is the first of a session."""
    current = session()
    before = current.chosen
    if current.page == FIRST_PAGE and not address:
        current.chosen, current.warnings = opening(), []
    else:
        current.chosen, current.warnings = _checked(address)
    if not fresh and _still(before) != _still(current.chosen):
        current.steps.arrived(_still(before), _still(current.chosen))


def end() -> None:
    """Write the address, so that it names what the page shows."""
    write(_address(session()))


def write(wanted: dict[str, str]) -> None:
    """Make the address so; from then on the browser's word of it counts again, once it cannot be late any more."""
    current = session()
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
        current.wrote_at = current.wrote()
    current.moved = False


def _address(current: Session) -> dict[str, str]:
    """What the address of the page on show should read. A bare one is the case as written, or the opening."""
    if current.page != FIRST_PAGE:
        return current.chosen.address()
    if at_opening():
        return {}
    return current.chosen.address() or {"case": current.chosen.case}


def at_opening() -> bool:
    """Whether the first page shows what a newcomer sees."""
    current = session()
    return current.page == FIRST_PAGE and current.chosen == opening()


def _still(chosen: Chosen) -> Chosen:
    """Without its clock, which is no step of a design."""
    return replace(chosen, at=None)


def _checked(address: dict[str, str]) -> tuple[Chosen, list[str]]:
    """What an address asks for, as far as it can be had, and what cannot."""
    if sum(len(k) + len(v) for k, v in address.items()) > LONGEST_ADDRESS:
        return Chosen(), ["The link is longer than a design can be, so the case is shown as written."]
    asked, warnings = Chosen.of(address), []
    if asked.case == YOURS and yours() is None:
        return Chosen(), [f"{ELSEWHERE}; this is {FIRST_CASE}."]
    if asked.case != YOURS and asked.case not in files.catalog():
        warnings.append(f"The case '{asked.case[:60]}' of the link is not here; this is {FIRST_CASE}.")
        return Chosen(), warnings
    try:
        case = load(asked.case)
    except StagecraftError as error:
        if asked.case == FIRST_CASE:
            raise
        warnings.append(f"The case of the link cannot be read; this is {FIRST_CASE}. {str(error).splitlines()[0]}")
        return Chosen(), warnings
    if asked.scenario is not None and asked.scenario not in scenarios(case):
        warnings.append(f"The scenario '{asked.scenario[:60]}' of the link is not one of this case; nothing happens.")
        asked = replace(asked, scenario=None)
    if asked.design != BASELINE and asked.design not in designs(case):
        warnings.append(
            f"The design '{asked.design[:60]}' of the link is not one of this case; the case as written is shown."
        )
        asked = replace(asked, design=BASELINE)
    if "at" in address and asked.at is None:
        warnings.append(f"at={address['at'][:60]} of the link is no moment in seconds; the clock stands at the start.")
    kept: dict[str, str] = {}
    for path, text in asked.changes:
        try:
            apply(case, design_changes(case, asked.design) | kept | {path: text})
            kept[path] = text
        except StagecraftError as error:
            warnings.append(f"{path[:80]} of the link is left out. {str(error).splitlines()[0]}")
    return replace(asked, changes=tuple(kept.items())), warnings


# -- what the widgets do --------------------------------------------------------------------------------------------


def choose_case(case_id: str) -> None:
    """Another case, as written."""
    _move(Chosen(case=case_id))


def choose_design(name: str) -> None:
    """One of the case's designs; changes on top are dropped."""
    _move(replace(session().chosen, design=name, changes=()))


def choose_scenario(name: str | None) -> None:
    """What happens meanwhile. What contains another scenario goes with that."""
    chosen = session().chosen
    gone = chosen.scenario is not None and chosen.design == chosen.scenario + CONTAINED
    _move(replace(chosen, scenario=name, design=BASELINE if gone else chosen.design))


def contain() -> None:
    """The design that contains what happens; changes on top are dropped."""
    chosen = session().chosen
    assert chosen.scenario is not None
    _move(replace(chosen, design=chosen.scenario + CONTAINED, changes=()))


def change(path: str, text: str) -> None:
    """Turn one value; back where the design has it, the change is gone."""
    chosen = session().chosen
    changes = {p: t for p, t in chosen.changes if p != path}
    if not _as_designed(chosen, path, text):
        changes[path] = text
    _move(replace(chosen, changes=tuple(changes.items())))


def _as_designed(chosen: Chosen, path: str, text: str) -> bool:
    """Whether a text changes nothing in the chosen design as it is written."""
    case = load(chosen.case)
    try:
        tree = apply(case, design_changes(case, chosen.design)).tree
        return changed(tree, {path: text}) == tree
    except StagecraftError:
        return False


def undo(path: str) -> None:
    """Take one change back."""
    chosen = session().chosen
    _move(replace(chosen, changes=tuple((p, t) for p, t in chosen.changes if p != path)))


def reset() -> None:
    """The case as written, with nothing happening."""
    _move(Chosen(case=session().chosen.case))


def undo_step() -> None:
    """What was chosen before the last step, whatever that was."""
    current = session()
    _stand(replace(current.steps.undo(_still(current.chosen)), at=current.chosen.at))


def redo_step() -> None:
    """The step that was taken back last, once more."""
    current = session()
    _stand(replace(current.steps.redo(_still(current.chosen)), at=current.chosen.at))


def move_clock(at: float | None) -> None:
    """The clock of the run on show stands there (s), or at its start. A link brings it; it is no step to undo."""
    _stand(replace(session().chosen, at=at))


def _move(chosen: Chosen) -> None:
    current = session()
    if _still(chosen) != _still(current.chosen):
        current.steps.made(_still(current.chosen))
    _stand(chosen)


def _stand(chosen: Chosen) -> None:
    current = session()
    current.chosen, current.moved, current.warnings = chosen, True, []


def standing(name: str, value: object, moved: Callable[[Any], object]) -> dict[str, Any]:
    """`key` and `on_change` of a widget that is to stand at a value, which its caller gives it as its default, too.

    The design decides where a widget stands. One that a hand moved stands there, and stays the same under the hand. If
    it stands where it stood and the design does not, another one takes its place: of the one before, a browser that is
    slow to draw still says where it stood, and that is nobody's move.
    """
    widget = session().widgets.setdefault(name, Widget(value))

    def take(at: Any) -> None:
        moved(at)
        widget.value = at

    at = st.session_state.get(widget.key(name), value)
    if at not in (value, widget.value):  # Streamlit breaks off what is called of a move when the next one comes then
        take(at)
        again()
    if at != value:
        widget.turn += 1
    widget.value = value
    key = widget.key(name)

    def on_change() -> None:
        if key == widget.key(name):
            take(st.session_state[key])

    return {"key": key, "on_change": on_change}


# -- what the pages read --------------------------------------------------------------------------------------------


def baseline() -> Case:
    """The case as written."""
    return load(session().chosen.case)


def changes(chosen: Chosen) -> dict[str, str]:
    """All changes against the case as written: the design's and those on top."""
    return design_changes(load(chosen.case), chosen.design) | dict(chosen.changes)


def current() -> Case:
    """The case as designed now; DesignError if the changes do not fit."""
    known, written, wanted = session(), baseline(), changes(session().chosen)
    if known.built is None or known.built[0] is not written or known.built[1] != wanted:
        known.built = (written, wanted, apply(written, wanted))
    return known.built[2]
