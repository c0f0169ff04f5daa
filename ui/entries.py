"""The cases of the catalogue as pages list them: each as it was read, or what is wrong with its file."""

from __future__ import annotations

import streamlit as st

from cases import files
from cases.errors import StagecraftError
from cases.spec import Case
from ui import state


@st.cache_resource(show_spinner=False, max_entries=100)
def _entry(case_id: str, modified: float) -> Case | str:  # a leading '_' would take it out of the cache's key
    try:
        return state.load(case_id)
    except StagecraftError as error:
        return str(error)


def entries() -> dict[str, Case | str]:
    """By id, first the one that a newcomer sees: the case, or the message about its file. Read anew when it changes."""
    found = {}
    for case_id, path in sorted(files.catalog().items(), key=lambda item: item[0] != files.FIRST):
        try:
            found[case_id] = _entry(case_id, path.stat().st_mtime)
        except OSError as error:  # gone between two looks
            found[case_id] = f"cannot be read: {error.strerror}"
    return found


def cases() -> dict[str, Case]:
    """Those that can be opened, at last the one that this tab wrote itself."""
    own = state.yours()
    known = {case_id: entry for case_id, entry in entries().items() if isinstance(entry, Case)}
    return known if own is None else known | {state.YOURS: own}


def matches(entry: Case | str, case_id: str, text: str, topic: str | None) -> bool:
    """Whether a case is of this topic and has all words of the text. What cannot be read has but its id."""
    words = text.casefold().split()
    if isinstance(entry, str):
        return topic is None and all(word in case_id.casefold() for word in words)
    said = " ".join([case_id, entry.title, entry.question, entry.note or "", *entry.topics]).casefold()
    return (topic is None or topic in entry.topics) and all(word in said for word in words)
