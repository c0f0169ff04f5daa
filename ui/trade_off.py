"""All designs of a case as points: what they cost, how late their slow answers are, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import streamlit as st

from cases.spec import Case
from simulator.plan import Plan
from simulator.results import SimulationResult
from simulator.tradeoff import Point, latency_axis, outcome_on_show, standings
from simulator.tradeoff_report import choices, figure_name, rows
from ui import state
from ui.charts import chart
from ui.jobs import Job, forget
from ui.pair import MOST, Pair
from ui.runs import EVERY, every, known
from ui.tables import plain, table
from ui.trade_off_chart import points_figure

STOPPED = "tradeoff:stopped"
LOOK = 0.7  # seconds between two looks at runs that are under way
READ = (
    "Each point is a design of the case, by its number in the table; a click, or Enter, makes it B. Colour and size "
    "tell the outcome. A square is dominated: another design of the same load is surely better in a figure and surely "
    "as good in all others that the case judges. A hollow point has no value of the outcome; a triangle at the top has "
    "no latency: more requests than the percentile allows got no answer."
)


class Every(NamedTuple):
    """All designs that are put beside one another: their plans, names and why some cannot be."""

    plans: Mapping[str, Plan]
    labels: Mapping[str, str]
    refused: Mapping[str, str]


def trade_off(case: Case, designs: Every, pair: Pair, a: str, b: str) -> None:
    """The picture, as far as its runs have come; they go on beside the page, and can be given up."""
    st.header("All designs", anchor=False)
    keys = {name: planned.key for name, planned in designs.plans.items()}
    stopped = st.session_state.get(STOPPED) == tuple(keys.values())
    found: Mapping[str, SimulationResult | str] = {}
    job: Job[Any] | None = None
    if stopped:
        forget(EVERY)
    else:
        view = every(list(designs.plans.values()))
        found, job = view.result or {}, view.job
        if view.error is not None:
            st.error(plain(view.error), icon=":material/warning:")
    outcome = _outcome(case, pair)
    draw = partial(_under_way, case, designs, keys, found, job, stopped, pair, outcome, (a, b))
    if job is None:
        draw()
    else:
        _again_and_again(draw, job)


def _again_and_again(draw: Callable[[], None], job: Job[Any]) -> None:
    """As the runs come; the whole page comes anew when all are there, or when a widget in here moved, which is its."""
    looks = count()

    def look() -> None:
        if next(looks) and (job.done.is_set() or state.session().moved):  # never at once: the page has just come
            state.again()
        draw()

    st.fragment(look, run_every=max(LOOK, job.pace))()


def _outcome(case: Case, pair: Pair) -> str | None:
    """What colour and size tell: as the case judges, unless somebody chose."""
    usual = outcome_on_show(case)
    if usual is None:
        return None
    now, names = pair.values.get("outcome", usual), list(case.outcomes)

    def chosen(name: str) -> None:
        pair.move(outcome=None if name == usual else name)

    stands = state.standing(f"tradeoff:outcome:{case.id}", now, chosen)
    labels = {name: figure_name(case, name) for name in names}
    picked: str = st.selectbox(
        "Colour and size", names, names.index(now), format_func=labels.__getitem__, width=320, **stands
    )
    return picked


def _under_way(
    case: Case,
    designs: Every,
    keys: Mapping[str, str],
    found: Mapping[str, SimulationResult | str],
    job: Job[Any] | None,
    stopped: bool,
    pair: Pair,
    outcome: str | None,
    two: tuple[str, str],
) -> None:
    results = {name: found.get(key) or known(key) for name, key in keys.items()}
    there = {name: one for name, one in results.items() if isinstance(one, SimulationResult)}
    failed = dict(designs.refused) | {name: one for name, one in results.items() if isinstance(one, str)}
    if job is not None:
        _progress(job, len(there), len(keys), tuple(keys.values()))
    elif stopped and len(there) + len(failed) < len(keys) + len(designs.refused):
        st.button(f"Run the other {len(keys) - len(there)}", key="tradeoff:go", on_click=_go, icon=":material/refresh:")
    every_point = [Point(name, designs.plans[name].case.workload, one) for name, one in there.items()]
    load = designs.plans[two[0]].case.workload if two[0] in designs.plans else case.workload
    points = [point for point in every_point if point.workload == load]
    if points:
        _shown(case, points, designs.labels, pair, outcome, two)
    elif job is None:
        st.info("No design has been run.", icon=":material/info:")
    elsewhere = [designs.labels[point.design] for point in every_point if point.workload != load]
    if elsewhere:
        st.caption(plain(f"At another load than A, and so not beside these: {'; '.join(elsewhere)}."))
    for name, why in failed.items():
        st.caption(plain(f"{designs.labels[name]} is left out: {why}."))


def _progress(job: Job[Any], done: int, of: int, keys: tuple[str, ...]) -> None:
    bar, button = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(job.share, 1.0), text=f"Simulating all designs … {done} of {of}; each is shown as it comes")
    if button.button("Cancel", key="tradeoff:cancel"):
        st.session_state[STOPPED] = keys
        state.again()


def _go() -> None:
    st.session_state.pop(STOPPED, None)


def _shown(
    case: Case,
    points: Sequence[Point],
    labels: Mapping[str, str],
    pair: Pair,
    outcome: str | None,
    two: tuple[str, str],
) -> None:
    found = standings(case, points, pair.confidence)
    numbers = {point.design: str(i) for i, point in enumerate(points, 1)}
    axis = latency_axis(case)
    if any(point.cost is not None for point in points):
        figure = points_figure(case, points, found, labels, numbers, outcome, two)
        said = f"{figure_name(case, axis.name)} against cost of {len(points)} designs; the table below says the same"
        chart("tradeoff", figure, said, lambda name: pair.move(b=name))
        st.caption(READ)
    else:
        st.info("The case has no prices, so that its designs cannot be put against their cost.", icon=":material/info:")
    costs = [point.cost for point in points if point.cost is not None]
    if costs:
        most = _most(pair, costs[0])
        lines = choices(case, points, labels, most, pair.confidence)
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))
    marks = {two[1]: " (B)", two[0]: " (A)"}
    named = {name: f"{numbers.get(name, '')} {label}{marks.get(name, '')}" for name, label in labels.items()}
    cells = rows(case, points, found, labels, outcome)
    for point, row in zip(points, cells, strict=True):
        row["Design"] = named[point.design]
    table(cells, "All designs")


def _most(pair: Pair, usual: float) -> float:
    """What one would spend, USD per hour: what the case as written costs, unless somebody said."""

    def said(most: float | None) -> None:
        pair.move(most=None if most is None else f"{most:g}")

    most: float | None = st.number_input(
        "To spend at most, $/hour",
        value=pair.most,
        min_value=0.01,
        max_value=MOST,
        placeholder=f"{usual:,.2f}, as written",
        width=260,
        **state.standing("tradeoff:most", pair.most, said),
    )
    return usual if most is None else most
