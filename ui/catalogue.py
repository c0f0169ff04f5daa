"""Cases: the catalogue as cards, each a click away from a running simulation.

Not called cases.py: where Streamlit puts the pages' folder on the path, that would hide the package.
"""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from cases.design import text_at
from cases.references import point
from cases.spec import Case
from simulator.report import verdict
from simulator.results import SimulationResult
from ui import place, state
from ui.entries import entries, matches
from ui.jobs import Job, View
from ui.runs import CARD, view
from ui.tables import plain
from ui.waiting import again_and_again
from walkthrough.still import still

ALL = "all topics"  # no topic can be called so for long: it shows everything
SIGNS = {True: ("✓", "holds"), False: ("✗", "misses"), None: ("?", "undecided")}


def page() -> None:
    """What to look for, then the cards; each says whether its baseline holds as soon as that has been run."""
    here = place.begin("cases", "find", "topic")
    st.title("Cases", anchor=False)
    known = entries()
    topics = sorted({topic for entry in known.values() if isinstance(entry, Case) for topic in entry.topics})
    _search(here, topics)
    text, topic = here.values.get("find", ""), here.values.get("topic")
    found = {name: entry for name, entry in known.items() if matches(entry, name, text, topic)}
    views = {name: view(entry, f"{CARD}{name}").at_once() for name, entry in found.items() if isinstance(entry, Case)}
    st.caption(plain(f"{len(found)} of {len(known)} cases. Open one, and it runs."))
    with st.container(key="cards"):
        for name, entry in found.items():
            with st.container(key=f"card-{name}", border=True):
                if isinstance(entry, Case):
                    _card(name, entry, views[name])
                else:
                    _broken(name, entry)
    pending = [one.job for one in views.values() if one.job is not None]
    if pending:
        again_and_again(partial(_filling, here, pending), *pending)
    here.end()


def _search(here: place.Place, topics: list[str]) -> None:
    words, which = st.columns([2, 3], vertical_alignment="bottom")
    text = here.values.get("find", "")
    words.text_input(
        "Search",
        text,
        max_chars=100,
        placeholder="fraud, cache, ranking",
        icon=":material/search:",
        **state.standing("cases:find", text, lambda typed: here.move(find=typed.strip())),
    )
    if here.values.get("topic") not in [None, *topics]:
        here.values.pop("topic")
    offered, now = [ALL, *topics], here.values.get("topic", ALL)
    which.selectbox(
        "Topic",
        offered,
        offered.index(now),
        format_func=lambda topic: topic if topic == ALL else plain(topic),
        **state.standing("cases:topic", now, lambda topic: here.move(topic=None if topic == ALL else topic)),
    )


# -- a card -----------------------------------------------------------------------------------------------------------


def _card(name: str, case: Case, now: View[SimulationResult]) -> None:
    # The question is cut after two lines; unfolded it is whole.
    question = f'<details class="question"><summary>{escape(case.question)}</summary></details>'
    topics = "".join(f"<li>{escape(topic)}</li>" for topic in case.topics)
    st.html(
        f"<h2>{escape(case.title)}</h2>{question}{still(case)}"
        f'<div class="promise"><span>{escape(_promise(case))}</span>{_badge(case, now)}</div>'
        f'<p class="note">{escape(case.note or "")}</p>'
        + (f'<ul class="topics" aria-label="Topics">{topics}</ul>' if topics else "")
    )
    with st.container(horizontal=True, key=f"links-{name}"):
        with st.container(key=f"open-{name}", width="content"):
            label = f"Explore {plain(case.title)}"
            st.page_link("explore.py", label=label, icon=":material/arrow_forward:", query_params={"case": name})
        if case.walkthrough:
            with st.container(key=f"tell-{name}", width="content"):
                st.page_link("present.py", label="Present", icon=":material/slideshow:", query_params={"case": name})


def _promise(case: Case) -> str:
    """The first objective as people say it: 'p99 within 200 ms'."""
    if not case.objectives:
        return "No objective is stated"
    first = case.objectives[0]
    limit = "at_least" if first.at_least is not None else "at_most"
    text = text_at(case.tree, f"objectives.0.{limit}")
    if text.startswith("="):
        text = case.units.format(point(case, text))
    if first.metric == "latency":
        return f"{first.name.removeprefix('latency ')} within {text}"
    known = case.outcomes.get(first.name)
    label = (known.label if known is not None else None) or first.name.replace("_", " ")
    return f"{label} {limit.replace('_', ' ')} {text}"


def _badge(case: Case, now: View[SimulationResult]) -> str:
    """Whether the baseline holds, in a sign and a word; what that rests on is its title."""
    if now.error is not None:
        return f'<span class="badge" title="{escape(now.error)}">no result</span>'
    if now.result is None:
        return '<span class="badge" title="The baseline is being run">…</span>'
    said = verdict(case, now.result)
    sign, word = SIGNS[said.holds]
    return (
        f'<span class="badge {word}" title="{escape(str(said))}"><span aria-hidden="true">{sign}</span> {word}</span>'
    )


def _broken(name: str, message: str) -> None:
    st.html(
        f"<h2>{escape(name)}</h2><p><b>This file cannot be read, so the case is left out.</b></p>"
        f'<pre class="message">{escape(message)}</pre>'
    )


def _filling(here: place.Place, pending: list[Job[SimulationResult]]) -> None:
    """The page comes again when a baseline has been run."""
    if any(job.done.is_set() for job in pending):
        here.again()


page()
