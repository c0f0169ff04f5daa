"""A field for a long text: lines have numbers, those with a problem a mark; a reload of the page does not lose it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

STATIC = Path(__file__).parent / "static"
KEY = "editor"
LABEL = "The case, as YAML"

_component = st.components.v2.component(
    "stagecraft_editor",
    html=f"""<div class="editor"><div class="gutter" aria-hidden="true"></div><textarea aria-label="{LABEL}" wrap="off"
        spellcheck="false" autocapitalize="off" autocomplete="off" autocorrect="off"></textarea>
        <button type="button" class="go" hidden></button></div>""",
    css=(STATIC / "editor.css").read_text(encoding="utf-8"),
    js=(STATIC / "editor.js").read_text(encoding="utf-8"),
)


def editor(text: str, turn: int, fresh: bool, marks: Sequence[int], most: int, typed: Callable[[str], None]) -> None:
    """Put it on the page. Another `turn` sets its text; else what stands there counts, up to `most` characters.

    `fresh`: the session has no text yet but the one it begins with, so one that this tab remembers is taken instead.
    """

    def changed() -> None:
        value = st.session_state[KEY].text
        if isinstance(value, str):
            typed(value)

    data = {"text": text, "turn": turn, "fresh": fresh, "marks": list(marks), "most": most}
    _component(key=KEY, data=data, on_text_change=changed)
