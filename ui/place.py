"""Where one is on a page: what the page keeps in the address besides the design, such as a step or a search.

Each change is one step of the browser's history. The rule of `state` holds here, too: after a move, and while the
browser may still report an older address, our own copy counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import streamlit as st

from cases import files
from ui import state

LONGEST = 200  # characters of a value


@dataclass
class Place:
    """What one page remembers in one browser tab."""

    values: dict[str, str] = field(default_factory=dict)
    moved: bool = False  # a widget moved, and the address does not say so yet
    wrote_at: float = 0.0

    def move(self, **values: str | None) -> None:
        """What a widget does: set values, or take them out of the address (None)."""
        kept = {name: value for name, value in self.values.items() if name not in values}
        self.values = kept | {name: value for name, value in values.items() if value}
        self.moved = True

    def again(self) -> NoReturn:
        """The page comes again by itself: the browser's word of the address, maybe older than ours, does not count."""
        self.moved = True
        st.rerun()

    def end(self) -> None:
        """Write the address, so that it names what the page shows."""
        if st.query_params.to_dict() != self.values:
            st.query_params.from_dict(self.values)
            self.wrote_at = state.session().wrote()
        self.moved = False


def begin(page: str, *names: str) -> Place:
    """Take over what the address says of these names, where it is news.

    The navigation's links are bare: who comes back by one is where he was, but in the case that he comes from.
    """
    fresh = "session" not in st.session_state
    current = state.session()
    place: Place = st.session_state.setdefault("places", {}).setdefault(page, Place())
    address = {name: value[:LONGEST] for name in names if (value := st.query_params.get(name))}
    current.comes_to(page)
    if current.entered:
        current.wrote_at = 0.0  # no address of another page comes late any more
        followed_a_link = not fresh and not st.query_params
        if not followed_a_link:
            place.values = address
        elif "case" in names and place.values.get("case", files.FIRST) != current.chosen.case:
            place.values = {"case": current.chosen.case}
    elif not place.moved and not current.late(place.wrote_at):
        place.values = address
    return place
