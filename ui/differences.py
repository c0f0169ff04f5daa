"""What differs between two designs: a sentence and a whisker for each figure, and all of it as a table."""

from __future__ import annotations

from html import escape

import streamlit as st

from cases.spec import Case
from simulator.compare import Comparison
from simulator.compare_report import SAME, TIE, Row, Whisker, compared_rows
from ui.tables import table

REACH = 45  # per cent of a whisker's width, to either side of its middle
READ = (
    "The dot is the difference, the bar its interval, the upright line no difference; right of it B has more. Each is "
    "drawn to its own scale. A hollow dot is a tie within the noise."
)


def differences(case: Case, comparison: Comparison) -> None:
    """The sentences, then the numbers."""
    rows = compared_rows(case, comparison)
    st.html(f'<ul class="differences">{"".join(_line(row) for row in rows)}</ul>')
    st.caption(READ)
    with st.expander("The differences as a table"):
        table([row.cells() for row in rows], "Differences")
        st.caption(
            f"{comparison.replications} replications of both on the same luck, seed {comparison.seed}; "
            f"{comparison.confidence * 100:g} % intervals of the paired differences; "
            f"results {comparison.keys[0]} and {comparison.keys[1]}"
        )


def _line(row: Row) -> str:
    hollow = row.word in (TIE, SAME)
    picture = "<span></span>" if row.whisker is None else _drawn(row.whisker, hollow)
    return (
        f'<li class="{escape(row.word.replace(" ", "_"))}">{picture}<span class="word">{escape(row.word)}</span>'
        f"<span>{escape(row.sentence)}.</span></li>"
    )


def _drawn(whisker: Whisker, hollow: bool) -> str:
    """To be seen only: the sentence says the same."""
    low, at, high = (50 + REACH * end for end in whisker)
    return (
        f'<span class="whisker" aria-hidden="true"><i class="bar" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
        f'<i class="dot{" hollow" if hollow else ""}" style="left:{at:.2f}%"></i></span>'
    )
