"""Check a number: anybody's calculation, typed, against the number that somebody states for it."""

from __future__ import annotations

from html import escape

import streamlit as st

from estimators import lines_text
from estimators.claims import Verdict
from estimators.lines import Answer, Lines, located, read
from estimators.printing import number
from estimators.units import Units
from ui import state
from ui.tables import plain

LONGEST = 4_000  # characters: what an address can carry
EXAMPLES = {
    "4 PB of training data?": "# 800 billion rows of 500 bytes\n500 B/row * 800e9 rows states 4 PB",
    "70 MB/s of events?": "50M users * 10 events/user/hour * 500 B states 70 MB/s",
    "10 million requests a second?": (
        "# 15 billion watched videos a month, two for each page\n"
        "watched = 150 billion views/month * 10 %\n"
        "page_loads = watched / 2 views/load in load/month\n"
        "page_loads states 10M requests/s"
    ),
    "A sheet with ranges": (
        "daily_users = 8e6..12e6 user/day       # one large region\n"
        "visits_each = 3..5 visit/user\n"
        "visit_rate = daily_users * visits_each in visit/s\n"
        "peak = 2 x visit_rate states 1,000 QPS\n"
        "log = visit_rate * 100 rows/visit * 500 B states 1 TB/day\n"
        "log * 1 year"
    ),
}
HOW = """
A line each: `name = formula in UNIT states NUMBER`, where only the formula is needed. One quantity or range
(`8..12 ms`) with a name is an assumption; later lines use earlier names; `#` begins a comment.

Understood are k, M, million, billion, KB, KiB, Gbps, QPS, rps, DAU, $, %, `1,000,000`, `10^9`, `2 x 3`, `/day`,
`per month`, `a day`, and the count nouns of the trade (others: `counts: zebra`). A month has 30 days, a year 365.
Whoever writes 500 B for 500 bytes an event is understood, and the answer says so.
"""


def page() -> None:
    """What is typed, and the answer beneath it."""
    state.session().page = "check"  # who returns to another page by its link keeps the design
    st.title("Check a number", anchor=False)
    st.caption("Type a calculation with its units, and what somebody says it comes to.")
    with st.container(horizontal=True, key="examples"):
        for label, text in EXAMPLES.items():
            st.button(label, key=f"example:{label}", on_click=_show, args=(text,))
    asked, answered = st.columns([1, 1.25], gap="medium")
    with asked:
        typed = st.text_area(
            "Calculation",
            next(iter(EXAMPLES.values())),
            height=220,
            max_chars=LONGEST,
            help=f"Up to {LONGEST:,} characters; longer sheets by `python -m estimators sheet FILE`.",
            key="sheet",
            bind="query-params",
        )
        states = st.text_input(
            "Somebody states",
            key="states",
            max_chars=200,
            bind="query-params",
            placeholder="for example 70 MB/s",
            help="For a single calculation. In a sheet write 'states' and the number on its line.",
        )
    lines = read(typed or "", states or "")
    with answered:
        _problems(lines)
        _answers(lines)
    with st.expander("What can be written"):
        st.markdown(HOW)


def _show(text: str) -> None:
    st.session_state["sheet"], st.session_state["states"] = text, ""


def _problems(lines: Lines) -> None:
    for line, message in lines.problems:
        st.error(plain(located(line, message)), icon=":material/error:")


def _answers(lines: Lines) -> None:
    answers = lines.answers
    if not answers:
        return
    with st.container(key="answer"):
        st.html("".join(_card(answer, lines.sheet.units) for answer in answers))
    st.download_button(
        "Save for a case file",
        lines_text.as_yaml(lines),
        "sheet.yaml",
        "text/yaml",
        on_click="ignore",
        disabled=bool(lines.problems),
        help="Assumptions, estimates and claims as YAML, to be put into a case file.",
    )


def _card(answer: Answer, units: Units) -> str:
    """One line: the verdict or its name and value, then what to know about it, and the working."""
    line = answer.line
    name = f"line {line.number}" + (f": {line.shown}" if line.named else "")
    if answer.verdict is not None:
        head = _verdict(answer.verdict, name)
    else:
        value = line.text if answer.result is None else units.format(answer.result.value, answer.unit)
        head = f'<div class="head"><span>{escape(name)}</span><span class="value">{escape(value)}</span></div>'
    more = ". ".join(part for part in (lines_text.interval_text(answer, units), answer.note, line.comment) if part)
    rest = f'<div class="more">{escape(more)}</div>' if more else ""
    working = f'<div class="working">{escape(str(answer.working))}</div>' if answer.working else ""
    return f'<div class="card">{head}{rest}{working}</div>'


def _verdict(verdict: Verdict, name: str) -> str:
    words, _, because = verdict.sentence.partition(": ")
    ratio = f" Stated to computed: {number(verdict.ratio)}." if verdict.ratio is not None else ""
    return (
        f'<div class="head"><span class="verdict {verdict.verdict}">{escape(words.capitalize())}</span>'
        f'<span class="more">{escape(name)}</span></div>'
        f"<div>Stated: <b>{escape(verdict.stated.text)}</b>. {escape(because[:1].upper() + because[1:])}.{ratio}</div>"
    )


page()
