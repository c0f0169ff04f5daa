"""Which two designs are compared, and how sure one wants to be; in the address beside the design on show.

`a`, `b`: a design's name, 'baseline', or 'on-show': the design on show in Explore with its changes. `sure`: of the
intervals, in per cent. `outcome`, `most`: of the picture of all designs. The rest of the address is the design on show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import streamlit as st

from cases.build import apply, design_changes
from cases.scenario_check import CONTAINED
from cases.scenarios import designs
from cases.spec import Case
from ui import state

ON_SHOW = "on-show"  # no design can be called so
SURE = {"95": 0.95, "99": 0.99}
OWN = ("a", "b", "sure", "outcome", "most")
MOST = 1e12  # USD per hour


def _is_money(text: str) -> bool:
    try:
        return 0 < float(text) <= MOST
    except ValueError:
        return False


RULES: dict[str, tuple[Callable[[Case, str], bool], str]] = {  # of what is no design: what it must be, else what is
    "sure": (lambda _, text: text in SURE, "is neither 95 nor 99; 95 % is"),
    "outcome": (lambda case, text: text in case.outcomes, "is not an outcome of this case; the usual one is"),
    "most": (lambda _, text: _is_money(text), "is no amount of money; what the case as written costs is"),
}


@dataclass
class Pair:
    """What one browser tab compares. What is left out of `values` is as usual."""

    values: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def move(self, **values: str | None) -> None:
        """What a widget does: set values, or make them as usual again (None)."""
        kept = {name: value for name, value in self.values.items() if name not in values}
        self.values = kept | {name: value for name, value in values.items() if value}
        self.warnings = []
        state.session().moved = True

    @property
    def confidence(self) -> float:
        """Of the intervals, as a share."""
        return SURE[self.values.get("sure", "95")]

    @property
    def most(self) -> float | None:
        """USD per hour that one would spend, if that was said."""
        return float(self.values["most"]) if "most" in self.values else None

    def names(self, case: Case, known: Mapping[str, str]) -> tuple[str, str]:
        """The two designs."""
        a = self.values.get("a", state.BASELINE)
        return a, self.values.get("b", usual(case, known))


def begin(page: str) -> Pair:
    """Take over the address where it is news, as `state.begin` does, and make sure that what it names exists."""
    fresh, counts = state.arrive(page)
    current = state.session()
    pair: Pair = st.session_state.setdefault("pair", Pair())
    rest = st.query_params.to_dict()
    own = {name: rest.pop(name) for name in OWN if name in rest}
    if counts:
        if fresh or rest != current.chosen.address():
            state.take(rest, fresh)
        if fresh or own != pair.values:
            pair.values = own
            pair.warnings = _wrong(pair)
    elif current.moved:
        pair.warnings = []
    _wrong(pair)  # of another case, or of another scenario: then as usual, and nobody is to blame
    return pair


def end(pair: Pair) -> None:
    """Write the address, so that it names what the page shows."""
    state.write(state.session().chosen.address() | pair.values)


def _wrong(pair: Pair) -> list[str]:
    """Take out what cannot be had; a warning about each."""
    case = state.baseline()
    known = on_offer(case)
    warnings = []
    for name, value in list(pair.values.items()):
        good, wrong = RULES.get(name, (lambda _, text: text in known, "is not a design of this case; the usual one is"))
        if not good(case, value):
            del pair.values[name]
            warnings.append(f"{name}={value[:60]} of the link {wrong} taken.")
    return warnings


# -- the designs ------------------------------------------------------------------------------------------------------


def on_offer(case: Case) -> dict[str, str]:
    """What people call the designs that can be compared, by name."""
    chosen, known = state.session().chosen, designs(case)
    names = [n for n in known if n in case.designs or n in (f"{chosen.scenario}{CONTAINED}", chosen.design)]
    labels = {state.BASELINE: "The case as written"}
    labels |= {name: known[name].label or name.replace("_", " ") for name in names}
    return labels | ({ON_SHOW: "The design on show in Explore"} if chosen.changes else {})


def usual(case: Case, known: Mapping[str, str]) -> str:
    """What the case as written is compared with: the design on show, what helps, what tempts, else any."""
    chosen = state.session().chosen
    tempting = [name for name, one in case.designs.items() if one.looks_good is not None]
    wished = [ON_SHOW, chosen.design, f"{chosen.scenario}{CONTAINED}", *tempting, *case.designs]
    return next((name for name in wished if name in known and name != state.BASELINE), state.BASELINE)


def changes(case: Case, name: str) -> dict[str, str]:
    """Of a design on offer, against the case as written."""
    return state.changes(state.session().chosen) if name == ON_SHOW else design_changes(case, name)


def design(case: Case, name: str) -> Case:
    """A design on offer (DesignError if its changes do not fit); one of the case's own is built once."""
    if name == ON_SHOW:
        return state.current()
    return case.kept(f"design {name}", lambda: apply(case, design_changes(case, name)))
