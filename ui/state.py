"""The state of a session: which case, which design; kept in the address, so that a link reproduces the page.

The address reads ?case=ID&design=NAME&scenario=NAME&PATH=TEXT...; each change is one step of the browser's history.
The browser tells us its address late, so after we wrote it, or when a widget moved in this run, our own copy counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import streamlit as st

from cases import files
from cases.build import apply, design_changes
from cases.design import changed
from cases.errors import StagecraftError
from cases.scenario_check import CONTAINED
from cases.scenarios import designs, scenarios
from cases.spec import Case

FIRST_CASE = files.FIRST
BASELINE = "baseline"
LATE = 1.5  # seconds for which the browser may still report an address older than ours
LONGEST_ADDRESS = 8_000


@dataclass(frozen=True)
class Chosen:
    """A case, one of its designs, changes on top, and what happens meanwhile."""

    case: str = FIRST_CASE
    design: str = BASELINE
    changes: tuple[tuple[str, str], ...] = ()
    scenario: str | None = None

    def address(self) -> dict[str, str]:
        """As query parameters; what is as in the case is left out."""
        parameters = {} if self.case == FIRST_CASE else {"case": self.case}
        if self.design != BASELINE:
            parameters["design"] = self.design
        if self.scenario is not None:
            parameters["scenario"] = self.scenario
        return parameters | dict(self.changes)

    @classmethod
    def of(cls, address: dict[str, str]) -> Chosen:
        """From query parameters."""
        rest = {k: v for k, v in address.items() if k not in ("case", "design", "scenario")}
        return cls(
            address.get("case", FIRST_CASE),
            address.get("design", BASELINE),
            tuple(rest.items()),
            address.get("scenario"),
        )


@dataclass
class Session:
    """What one browser tab remembers."""

    chosen: Chosen = field(default_factory=Chosen)
    page: str = ""
    entered: bool = False  # this run is the first on its page: widgets must be told where they stand
    moved: bool = False  # a widget moved in this run
    wrote_at: float = 0.0
    warnings: list[str] = field(default_factory=list)


@st.cache_resource(show_spinner=False, max_entries=100)
def _load(case_id: str, modified: float) -> Case:  # a leading '_' would take it out of the cache's key
    return files.load(files.catalog()[case_id])


def load(case_id: str) -> Case:
    """A case of the catalogue; read again when its file changed."""
    return _load(case_id, files.catalog()[case_id].stat().st_mtime)


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
    fresh = "session" not in st.session_state
    current = session()
    address = dict(st.query_params.to_dict())
    late = time.monotonic() - current.wrote_at < LATE
    current.entered, current.page = page != current.page, page
    followed_a_link = current.entered and not fresh and not address
    if fresh or (not current.moved and not late and not followed_a_link and address != current.chosen.address()):
        current.chosen, current.warnings = _checked(address)
    current.moved = False
    return current


def end() -> None:
    """Write the address, so that it names what the page shows."""
    current = session()
    wanted = current.chosen.address()
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)
        current.wrote_at = time.monotonic()


def _checked(address: dict[str, str]) -> tuple[Chosen, list[str]]:
    """What an address asks for, as far as it can be had, and what cannot."""
    if sum(len(k) + len(v) for k, v in address.items()) > LONGEST_ADDRESS:
        return Chosen(), ["The link is longer than a design can be, so the case is shown as written."]
    asked, warnings = Chosen.of(address), []
    if asked.case not in files.catalog():
        warnings.append(f"The case '{asked.case[:60]}' of the link is not here; this is {FIRST_CASE}.")
        return Chosen(), warnings
    case = load(asked.case)
    if asked.scenario is not None and asked.scenario not in scenarios(case):
        warnings.append(f"The scenario '{asked.scenario[:60]}' of the link is not one of this case; nothing happens.")
        asked = replace(asked, scenario=None)
    if asked.design != BASELINE and asked.design not in designs(case):
        warnings.append(
            f"The design '{asked.design[:60]}' of the link is not one of this case; the case as written is shown."
        )
        asked = replace(asked, design=BASELINE)
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


def _move(chosen: Chosen) -> None:
    current = session()
    current.chosen, current.moved, current.warnings = chosen, True, []


def show(key: str, value: object) -> None:
    """Make the widget of this key stand at a value.

    The design decides where a widget stands, but it is told so only if it stands elsewhere: a quick second move of the
    hand must not be undone by the answer to the first.
    """
    if session().entered or st.session_state.get(key) != value:
        st.session_state[key] = value


# -- what the pages read --------------------------------------------------------------------------------------------


def baseline() -> Case:
    """The case as written."""
    return load(session().chosen.case)


def changes(chosen: Chosen) -> dict[str, str]:
    """All changes against the case as written: the design's and those on top."""
    return design_changes(load(chosen.case), chosen.design) | dict(chosen.changes)


def current() -> Case:
    """The case as designed now; DesignError if the changes do not fit."""
    chosen = session().chosen
    return apply(load(chosen.case), changes(chosen))
