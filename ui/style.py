"""The style sheets of the pages, read once: a page asks for its own at each of its runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

STATIC = Path(__file__).parent / "static"


def style(name: str) -> None:
    """Put a sheet of `static/` on the page."""
    st.html(f"<style>{_text(name)}</style>")


@cache
def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
