"""Numbers: the table of numbers to know with sources and ages, and what if one of the case's is three times off."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cases.errors import StagecraftError
from cases.labels import label_of
from cases.number_report import Cells, Row, cells, chosen, factor_text, judged_row, moved_row, origin_line, search, web
from cases.numbers import OLD, from_table, provenance
from cases.spec import Case
from cases.what_if import FACTOR, Condition, Off, condition, names, one_off
from ui import state
from ui.header import header
from ui.style import style
from ui.tables import plain, table

HERE, ALL = "in this case", "all"


def page() -> None:
    """The table, then what follows if one of the case's numbers is off."""
    state.begin("numbers")
    style("numbers.css")
    baseline = state.baseline()
    header(baseline)
    try:
        case = state.current()
        _table(case)
        _what_if(case)
    except StagecraftError as error:
        st.error(f"This design cannot be computed. {plain(str(error))}", icon=":material/warning:")
    state.end()


def _table(case: Case) -> None:
    st.header("Numbers to know", anchor=False)
    st.caption("Each with its source and its age. A case takes one by its name, so that it is corrected in one place.")
    used = {one.name for one in from_table(case).values()}
    groups = [HERE, *OLD, ALL] if used else [*OLD, ALL]
    which, words = st.columns([3, 2], vertical_alignment="bottom")
    group = which.pills(
        "Which", groups, format_func=str.capitalize, default=groups[0], key=f"numbers:group:{bool(used)}"
    )
    text = words.text_input("Search in all of them", key="numbers:search", max_chars=100, placeholder="kafka, $, GPU")
    if text.strip():
        found = search(chosen(None), text)
    elif group == HERE:
        found = [one for one in chosen(None) if one.name in used]
    else:
        found = chosen(None if group in (None, ALL) else group)
    if not found:
        st.info(f"No number has all of these words: {plain(text)}", icon=":material/search_off:")
        return
    today = date.today()
    body = "".join(_row(cells(one, today), one.name in used) for one in found)
    head = "".join(f"<th>{word}</th>" for word in ("Number", "Value", "Age", "Source"))
    st.html(f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    st.caption(plain(f"{len(found)} of {len(chosen(None))} numbers; old are prices after {OLD['prices']} months and "
                     f"the others after {OLD['latencies']}."))  # fmt: skip


def _row(one: Cells, used: bool) -> str:
    here = '<span class="here">in this case</span>' if used else ""
    note = f'<div class="more">{escape(one.note)}</div>' if one.note else ""
    old = '<span class="old">old</span>' if one.old else ""
    return (
        f'<tr><td><div>{escape(one.label)}{here}</div><div class="name">numbers.{escape(one.name)}</div>{note}</td>'
        f'<td class="value">{escape(one.value)}</td><td>{escape(one.aged)}{old}</td>'
        f"<td>{_link(one.source, one.url)}</td></tr>"
    )


def _link(title: str, url: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(title)}</a>' if url else escape(title)


# -- what if ----------------------------------------------------------------------------------------------------------


def _what_if(case: Case) -> None:
    st.header("What if it is three times off?", anchor=False)
    known = names(case)
    if not known:
        st.info("This case has no estimates that rest on a number.", icon=":material/info:")
        return
    taken = from_table(case)
    which, *asked = st.columns([2.4, 2, 1.6], vertical_alignment="bottom")
    name = which.selectbox(
        "The number that is off",
        known,
        format_func=lambda one: f"{label_of(case, one)}{' (of the table)' if one in taken else ''}",
        key=f"numbers:off:{case.id}",
    )
    when = _condition(case, *asked)
    found = one_off(case, name, FACTOR, when)
    _origin(case, name)
    if when is not None:
        at = factor_text(found.meets_at)
        where = f"at **{plain(at)}** the value that it has" if at else "never, however large or small it is"
        st.markdown(f"Break-even, {plain(when.text)}: {where}.")
    _rows(case, found)


def _condition(case: Case, of: DeltaGenerator, target: DeltaGenerator) -> Condition | None:
    """What somebody wants to come true; None as long as nothing that can be read is asked for."""
    estimate = of.selectbox(
        "Break-even: when is",
        [one.name for one in case.sheet.estimates],
        index=None,
        format_func=lambda one: label_of(case, one),
        key=f"numbers:of:{case.id}",
        placeholder="an estimate",
    )
    value = target.text_input(
        "equal to",
        key=f"numbers:target:{case.id}",
        max_chars=200,
        placeholder="a value, or an estimate's name",
        disabled=estimate is None,
    )
    if estimate is None or not value.strip():
        return None
    try:
        found = condition(case, f"{estimate} = {value}")
    except StagecraftError as error:
        st.error(plain(str(error).removeprefix("--when ")), icon=":material/warning:")
        return None
    return replace(found, text=f"{label_of(case, estimate)} = {value}")


def _origin(case: Case, name: str) -> None:
    origin = provenance(case, name)
    line = escape(origin_line(origin, date.today()))
    link = f" {_link('Source', web(origin.url))}" if web(origin.url) else ""
    head = f'<div class="head"><span>{escape(label_of(case, name))}</span>'
    with st.container(key="off"):
        st.html(
            f'<div class="card">{head}<span class="value">{escape(origin.value)}</span></div>'
            f'<div class="more">{line}.{link}</div></div>'
        )


def _rows(case: Case, found: Off) -> None:
    claims = [judged_row(case, one) for one in found.claims]
    if claims:
        st.markdown("**What the sources say**")
        table([_cells(row) | {"Tips over at": row.flips_at or "–"} for row in claims], "What the sources say")
        st.caption("Tips over at: so many times this number, and the claim holds no more; or holds, where it did not.")
    st.markdown("**Estimates**")
    table([_cells(moved_row(case, one)) for one in found.estimates], "Estimates")


def _cells(row: Row) -> dict[str, str]:
    return {"What": row.what, "As it is": row.now, f"× {FACTOR:g}": row.more, f"÷ {FACTOR:g}": row.less}


page()
