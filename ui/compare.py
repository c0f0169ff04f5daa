"""Compare: two designs on the same luck, and all designs of the case side by side."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from cases.errors import StagecraftError
from cases.scenarios import scenarios
from cases.spec import Case
from simulator.compare import Comparison
from simulator.compare_report import changed_paths, the_figure
from simulator.plan import Plan
from simulator.report import verdict
from simulator.results import SimulationResult
from simulator.tradeoff import planned
from simulator.tradeoff_report import figure_name
from ui import pair as pairs
from ui import state
from ui.charts import LINES, Figure, chart, latency_figure
from ui.differences import differences
from ui.header import case_title, scenario_choice
from ui.jobs import View
from ui.pair import Pair
from ui.plans import within
from ui.runs import compared
from ui.style import style
from ui.tables import plain, table
from ui.trade_off import Every, trade_off
from ui.waiting import waiting

SHOWN = "compared"  # the last two that were compared
TEMPTED = 0.99  # how sure it is said what a design that looks good loses


class Side(NamedTuple):
    """One of the two."""

    letter: str
    name: str
    label: str
    case: Case
    result: SimulationResult


def page() -> None:
    """The answer first: both verdicts, then what differs, then all designs."""
    pair = pairs.begin("compare")
    style("compare.css")
    case = state.baseline()
    labels = pairs.on_offer(case)
    a, b = pair.names(case, labels)
    every = _plans(case, labels)
    case_title(case, "compare", state.choose_case)
    st.caption(plain(" ".join(case.question.split())))
    _choices(case, pair, labels, a, b)
    for warning in (*state.session().warnings, *pair.warnings):
        st.warning(plain(warning), icon=":material/warning:")
    if a == b:
        _nothing_yet(case, labels)
    else:
        _two(case, every, pair, a, b)
    trade_off(case, every, pair, a, b)
    pairs.end(pair)


def _plans(case: Case, labels: dict[str, str]) -> Every:
    """How each design is run, on the luck of the case as written."""
    scenario = state.session().chosen.scenario
    plans: dict[str, Plan] = {}
    refused: dict[str, str] = {}
    for name in labels:
        try:
            plans[name] = _planned(case, pairs.design(case, name), name, scenario)
        except StagecraftError as error:
            refused[name] = str(error)
    return Every(plans, labels, refused)


def _planned(case: Case, design: Case, name: str, scenario: str | None) -> Plan:
    """Made once of each design: a page asks for the same at each of its runs."""
    return design.kept(f"beside as written: {scenario}", lambda: within(planned(case, design, name, scenario)))


# -- what is compared -------------------------------------------------------------------------------------------------


def _choices(case: Case, pair: Pair, labels: dict[str, str], a: str, b: str) -> None:
    first, second, happens, sure = st.columns([2.4, 2.4, 2.2, 1.3], vertical_alignment="bottom")
    with first:
        _design(case, pair, labels, "a", a)
    with second:
        _design(case, pair, labels, "b", b)
    with happens:
        scenario_choice(case)
    with sure:
        _sure(pair)


def _design(case: Case, pair: Pair, labels: dict[str, str], letter: str, name: str) -> None:
    names = list(labels)
    stands = state.standing(f"compare:{letter}:{case.id}", name, lambda chosen: pair.move(**{letter: chosen}))
    st.selectbox(letter.upper(), names, names.index(name), format_func=labels.__getitem__, **stands)


def _sure(pair: Pair) -> None:
    usual = next(iter(pairs.SURE))
    now = pair.values.get("sure", usual)
    stands = state.standing("compare:sure", now, lambda sure: pair.move(sure=None if sure == usual else sure))
    st.segmented_control(
        "Intervals",
        list(pairs.SURE),
        default=now,
        format_func=lambda sure: f"{sure} %",
        required=True,
        **stands,
    )


def _nothing_yet(case: Case, labels: dict[str, str]) -> None:
    if len(labels) > 1:
        st.info("A and B are the same design; choose another one.", icon=":material/compare_arrows:")
        return
    st.info("This case has no other design. Change something, and compare it here.", icon=":material/compare_arrows:")
    st.page_link("explore.py", label="Change something in Explore", icon=":material/arrow_forward:")


# -- the two ----------------------------------------------------------------------------------------------------------


def _two(case: Case, every: Every, pair: Pair, a: str, b: str) -> None:
    wrong = {name: every.refused[name] for name in (a, b) if name in every.refused}
    for name, why in wrong.items():
        st.error(plain(f"{every.labels[name]} cannot be compared: {why}."), icon=":material/warning:")
    if wrong:
        return
    views = [compared(every.plans[name], letter) for letter, name in (("a", a), ("b", b))]
    views = [view.awaited() for view in views]
    sides = _shown(case, every, (a, b), views)
    if sides is not None:
        with st.container(key="results"):
            _answer(case, every, pair, *sides)


def _shown(
    case: Case, every: Every, names: tuple[str, str], views: list[View[SimulationResult]]
) -> tuple[Side, Side] | None:
    """These two, or the last two until they are there; with what there is to say of the runs."""
    for view in views:
        if view.error is not None:
            st.error(plain(view.error), icon=":material/warning:")
    results = [view.result for view in views if view.result is not None]
    if len(results) == len(names):
        one, other = (
            Side(letter, name, every.labels[name], every.plans[name].case, result)
            for letter, name, result in zip("AB", names, results, strict=True)
        )
        st.session_state[SHOWN] = (one, other)
        return one, other
    last: tuple[Side, Side] | None = st.session_state.get(SHOWN)
    if last is not None and last[0].case.id != case.id:
        last = None
    job = next((view.job for view in views if view.job is not None), None)
    if job is None:
        return None
    below = "the first results are on their way" if last is None else "what stands below is of the two before"
    waiting(job, "Simulating", below, "pair", None)
    st.html("<style>.st-key-results { opacity: 0.55; }</style>")  # so nothing of them is drawn anew
    return last


def _answer(case: Case, every: Every, pair: Pair, a: Side, b: Side) -> None:
    with st.container(key="sides"):
        for column, side in zip(st.columns(2, gap="medium"), (a, b), strict=True):
            with column:
                _verdict(side)
    st.page_link("trust.py", label="How far to believe this", icon=":material/arrow_forward:")
    for side in (a, b):
        _looks_good(case, side)
    st.header("What differs", anchor=False)
    differences(case, Comparison.of(a.label, b.label, a.result, b.result, pair.confidence))
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Where the designs differ**")
        changed = changed_paths(case, pairs.changes(case, a.name), pairs.changes(case, b.name))
        if changed:
            table(changed, "Where the designs differ")
        else:
            st.caption("In nothing.")
    with right:
        st.markdown("**Latency over time**")
        chart("both_over_time", _over_time(a.result, b.result), "Latency percentiles of both over simulated time")


def _verdict(side: Side) -> None:
    said = verdict(side.case, side.result)
    box, icon = {
        True: (st.success, ":material/check_circle:"),
        False: (st.error, ":material/cancel:"),
        None: (st.warning, ":material/help:"),
    }[said.holds]
    name = f"{side.letter}: {plain(side.label)}"
    box(f"**{name}**\n\n**{plain(said.headline)}** {plain(said.reason)}", icon=icon)


def _looks_good(case: Case, side: Side) -> None:
    """What a design that looks good and is not loses, with the figure."""
    design = case.designs.get(side.name)
    if design is None or design.looks_good is None:
        return
    said = design.looks_good
    happens = ""
    if said.during is not None:
        happens = f" in '{scenarios(case)[said.during].label or said.during.replace('_', ' ')}'"
    headline = plain(f"{side.letter} looks good and is not: {figure_name(case, said.but)} gets {said.gets}{happens}.")
    because, note = (plain(" ".join(text.split())) for text in (said.because, design.note or ""))
    lines = [f"**{headline}** {because}", _loses(case, side, said.but, said.during), note]
    st.warning("\n\n".join(line for line in lines if line), icon=":material/visibility:")


def _loses(case: Case, side: Side, figure: str, scenario: str | None) -> str:
    """The figure in question, against the case as written, where it shows; '' until it is known."""
    try:
        plans = [_planned(case, one, side.name, scenario) for one in (case, side.case)]
    except StagecraftError as error:
        return plain(str(error))
    views = [compared(one, f"{side.letter}:{i}").awaited() for i, one in enumerate(plans)]
    before, after = (view.result for view in views)
    if before is None or after is None:
        return "Its figure is being simulated."
    found = the_figure(Comparison.of("", side.label, before, after, TEMPTED), figure)
    return "" if found is None else plain(f"Against the case as written: {found.sentence(side.label)}.")


def _over_time(a: SimulationResult, b: SimulationResult) -> Figure:
    """A dotted and B in full, in the colours of the percentiles; the objective and what happens once."""
    figure = latency_figure(b, None)
    for line in figure.data:
        if line.get("name") in LINES:
            line["name"] = f"B {line['name']}"
    for line in latency_figure(a, None).data:
        if line.get("name") in LINES:
            figure.data.append({**line, "name": f"A {line['name']}", "line": {**line["line"], "dash": "dot"}})
    return figure


page()
