"""A table that may be wider than the window: it scrolls within itself, by keyboard, too."""

from __future__ import annotations

from html import escape

import streamlit as st


def wide_table(rows: list[dict[str, str]], name: str) -> None:
    """Texts under the keys of the first row; `name` is what a screen reader calls it."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row.values())}</tr>" for row in rows)
    st.html(
        f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
