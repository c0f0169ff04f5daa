"""Copy link: the address that brings anybody to what is on show."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

STATIC = Path(__file__).parent / "static"
_component = st.components.v2.component(
    "stagecraft_copy_link",
    html='<button type="button"><span class="words">Copy link</span></button>'
    '<input readonly hidden aria-label="Link to what is on show"><span class="said" role="status"></span>',
    css=(STATIC / "copy_link.css").read_text(encoding="utf-8"),
    js=(STATIC / "copy_link.js").read_text(encoding="utf-8"),
)


def copy_link(query: dict[str, str] | None = None) -> None:
    """A button that copies this page's address with that query; as the address bar has it, where none is given."""
    _component(key="copy_link", data={"query": None if query is None else urlencode(query)}, width="content")
