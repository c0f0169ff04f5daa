"""The one module that makes figures. Drawn in place with Plotly.react, so that nothing blinks when a knob moves.

A figure is what plotly.js takes, as a plain dict: plotly's Python classes would check it against their schema, which
takes a third of the time of a rerun of the page.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from cases.spec import Case
from simulator.report import label_of, milliseconds
from simulator.results import ObjectiveResult, SimulationResult
from simulator.timeline import BIN_EDGES, MILLISECOND, Timeline
from simulator.workload import SECOND

STATIC = Path(__file__).parent / "static"
LINES = {"p50": ("#2f7dc9", 1.6), "p95": ("#c96a00", 1.8), "p99": ("#c2185b", 2.4)}
STAGES = ("#c2185b", "#2f7dc9", "#c96a00")  # the longest queues; more lines than these tell nobody anything
KINDS = {  # of time: a colour and a pattern each, so that they differ without colours too
    "service": ("#2f7dc9", ""),
    "queue": ("#c2185b", "/"),
    "slowest branch": ("#c96a00", "x"),
    "batch wait": ("#7a5cc4", "-"),
    "retry or hedge": ("#1f9d6b", "\\"),
    "network": ("#8a8f98", "."),
    "another's fetch": ("#a08000", "|"),
    "fallback": ("#00838f", "+"),
    "other": ("#555b64", ""),
}
RATES = {"offered": ("#8a8f98", 1.5, "dot"), "goodput": ("#1f9d6b", 2.2, "solid")}
RATE_WORDS = {"offered": "offered", "goodput": "answered in time"}
HEAT = [[0.0, "rgba(122,132,148,0)"], [0.02, "rgba(122,132,148,0.18)"], [1.0, "rgba(122,132,148,0.95)"]]
HEIGHT = 290
ROW = 30  # of a bar
TRANSPARENT = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": True}

_component = st.components.v2.component(
    "stagecraft_chart",
    html='<div class="chart"></div>',
    css="""
        .chart { width: 100%; }
        .chart path[role="button"]:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
    """,
    js="\n".join((STATIC / name).read_text(encoding="utf-8") for name in ("labels.js", "chart.js")),
    isolate_styles=False,
)


class Mark(NamedTuple):
    """What happens at a moment (s), in words."""

    at: float
    words: str


class Figure(NamedTuple):
    """Traces and layout, as plotly.js takes them, and what the script writes over the moments of the first axis."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    marks: tuple[Mark, ...] = ()

    def add_line(self, x: list[float], y: list[Any], name: str, line: dict[str, Any], **more: Any) -> None:
        """A line over numbers; a gap where there is none."""
        named = html.escape(name, quote=False)
        self.data.append({"type": "scatter", "mode": "lines", "x": x, "y": y, "name": named, "line": line, **more})


def chart(key: str, figure: Figure, description: str, picked: Callable[[str], None] | None = None) -> None:
    """Put a figure on the page under a key that stays. `picked` is told the `customdata` of a point that is pressed."""

    def told() -> None:
        if picked is not None and (name := st.session_state[key].picked):
            picked(name)

    height = figure.layout["height"]
    drawn = json.dumps(figure._asdict(), allow_nan=False)
    data = {"figure": drawn, "description": description, "height": height}
    _component(key=key, data=data, height=height, on_picked_change=told)


def latency_figure(result: SimulationResult, baseline: SimulationResult | None) -> Figure:
    """Percentiles of the requests answered in each moment of the first replication, with the objective."""
    figure = _figure("latency", log=True)
    timeline = result.timeline
    if baseline is not None and baseline.timeline is not None:
        _line(figure, baseline.timeline, "p99", "baseline p99", {"color": "#8a8f98", "width": 1.5, "dash": "dot"})
    if timeline is not None:
        for name, (colour, width) in LINES.items():
            _line(figure, timeline, name, name, {"color": colour, "width": width})
    for objective in _latency_objectives(result):
        name = f"{objective.name.removeprefix('latency ')} objective"
        ends = [0.0, max(float(timeline.times[-1]) / SECOND, 0.0)] if timeline is not None else [0.0, 1.0]
        line = {"color": "#8a8f98", "width": 1.5, "dash": "dash"}
        figure.add_line(ends, [objective.target] * 2, name, line, hoverinfo="skip")
    return figure if timeline is None else _marked(figure, timeline)


def heat_figure(result: SimulationResult) -> Figure:
    """How many requests were answered in each latency in each moment, with percentiles over it."""
    figure = latency_figure(result, None)
    timeline = result.timeline
    if timeline is None or not timeline.latencies.any():
        return figure
    used = np.flatnonzero(timeline.latencies.any(axis=0))
    low, high = max(int(used[0]), 1), int(used[-1])  # on a logarithmic axis there is no place for 0
    shares = timeline.latencies[:, low : high + 1].T / np.maximum(timeline.latencies.sum(axis=1), 1)
    heat = {
        "type": "heatmap",
        "x": [0.0, *(timeline.times / SECOND).tolist()],
        "y": (BIN_EDGES[low : high + 2] / MILLISECOND).tolist(),
        "z": np.round(shares, 4).tolist(),
        "colorscale": HEAT,
        "showscale": False,
        "hovertemplate": "%{z:.1%} of the answers<extra></extra>",
    }
    figure.data.insert(0, heat)
    return figure


def queue_figure(case: Case, result: SimulationResult) -> Figure:
    """Visits waiting at the stages with the longest queues, over the first replication."""
    figure = _figure("visits waiting", log=False)
    timeline = result.timeline
    if timeline is None:
        return figure
    longest = sorted(range(len(timeline.names)), key=lambda s: -int(timeline.waiting[:, s].max()))[: len(STAGES)]
    for colour, s in zip(STAGES, longest, strict=False):
        name = label_of(case, timeline.names[s])
        seconds = (timeline.times / SECOND).tolist()
        figure.add_line(seconds, timeline.waiting[:, s].tolist(), name, {"color": colour, "width": 1.8})
    return _marked(figure, timeline)


def goodput_figure(result: SimulationResult) -> Figure | None:
    """Requests a second that come, and that are answered well; None where nothing happens."""
    timeline = result.timeline
    if timeline is None or not timeline.marks:
        return None
    figure = _figure("requests/s", log=False)
    seconds = timeline.times / SECOND
    lengths = np.diff(seconds, prepend=0.0)
    for name, (colour, width, dash) in RATES.items():
        rate = (timeline.measures[name] / lengths).tolist()
        line = {"color": colour, "width": width, "dash": dash}
        figure.add_line(seconds.tolist(), rate, RATE_WORDS[name], line)
    return _marked(figure, timeline)


def replica_figure(case: Case, result: SimulationResult) -> Figure | None:
    """Replicas in service of the stages where they come and go; None where they do not."""
    timeline = result.timeline
    if timeline is None or not timeline.moving:
        return None
    figure = _figure("replicas", log=False)
    seconds = (timeline.times / SECOND).tolist()
    for colour, s in zip(STAGES, timeline.moving, strict=False):
        line = {"color": colour, "width": 1.8, "shape": "vh"}
        name = label_of(case, timeline.names[s])
        figure.add_line(seconds, timeline.replicas[:, s].tolist(), name, line)
    return _marked(figure, timeline)


def _marked(figure: Figure, timeline: Timeline) -> Figure:
    """With a band for each event of the scenario, a line for one that is over at once."""
    last = float(timeline.times[-1]) / SECOND
    shapes, marks = [], []
    for label, start, end in timeline.marks:
        begin, until = start / SECOND, min(end / SECOND, last)
        if begin < last:
            place = {"type": "rect", "x0": begin, "x1": until, "y0": 0, "y1": 1, "xref": "x", "yref": "y domain"}
            line = {"width": 1, "color": "#c2185b"}
            shapes.append({**place, "fillcolor": "#c2185b", "opacity": 0.12, "layer": "below", "line": line})
            marks.append(Mark(begin, label))
    figure.layout["shapes"] = shapes
    figure.layout["xaxis"]["range"] = [0.0, last]
    return figure._replace(marks=tuple(marks))


def why_figure(parts: list[tuple[str, str, float]]) -> Figure:
    """Shares of the slowest requests' time: a bar for each stage, a piece for each kind of time."""
    parts = [(html.escape(stage, quote=False), kind, share) for stage, kind, share in parts]
    stages = list(dict.fromkeys(stage for stage, _, _ in parts))
    bars = []
    for kind, (colour, shape) in KINDS.items():
        mine = [(stage, share) for stage, one, share in parts if one == kind]
        if mine:
            pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7, "solidity": 0.25}
            bars.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "y": [stage for stage, _ in mine],
                    "x": [share for _, share in mine],
                    "name": kind,
                    "marker": {"color": colour, "line": {"width": 0}, "pattern": pattern},
                    "hovertemplate": f"%{{y}}: {kind} %{{x:.1%}}<extra></extra>",
                }
            )
    layout = {
        "barmode": "stack",
        "bargap": 0.3,
        "height": 90 + ROW * len(stages),
        "margin": {"l": 8, "r": 12, "t": 30, "b": 40},
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "xaxis": {"title": {"text": "share of the slowest requests' time"}, "tickformat": ".0%", "zeroline": False},
        "yaxis": {"autorange": "reversed", "categoryorder": "array", "categoryarray": stages, "automargin": True},
    }
    return Figure(bars, layout | TRANSPARENT)


def _line(figure: Figure, timeline: Timeline, percentile: str, name: str, line: dict[str, object]) -> None:
    seconds = (timeline.times / SECOND).tolist()
    figure.add_line(seconds, timeline.percentiles[percentile], name, line)


def _latency_objectives(result: SimulationResult) -> list[ObjectiveResult]:
    return [objective for objective in result.objectives if objective.name.startswith("latency ")]


def _figure(unit: str, log: bool) -> Figure:
    yaxis: dict[str, Any] = {"title": {"text": unit}, "type": "linear", "rangemode": "tozero", "zeroline": False}
    if log:
        ticks = [mantissa * 10.0**power for power in range(-3, 7) for mantissa in (1, 1.5, 2, 3, 5, 7)]
        yaxis |= {"type": "log", "tickvals": ticks, "ticktext": [milliseconds(tick) for tick in ticks]}
    layout = {
        "height": HEIGHT,
        "margin": {"l": 70, "r": 12, "t": 46, "b": 40},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        "hovermode": "x unified",
        "xaxis": {"title": {"text": "simulated time, s"}, "zeroline": False},
        "yaxis": yaxis,
    }
    return Figure([], layout | TRANSPARENT)


def power_figure(curve: tuple[tuple[int, float], ...], each: int, wanted: float | None) -> Figure:
    """Chance to find the difference by the size of an arm; the planned size and the wanted power as lines."""
    figure = _figure("power", log=False)
    sizes = [float(size) for size, _ in curve]
    figure.add_line(sizes, [power for _, power in curve], "power", {"color": "#2f7dc9", "width": 2.4})
    figure.add_line([float(each)] * 2, [0.0, 1.0], "planned", {"color": "#c2185b", "width": 1.5}, hoverinfo="skip")
    if wanted is not None:
        line = {"color": "#8a8f98", "width": 1.5, "dash": "dash"}
        figure.add_line([0.0, sizes[-1]], [wanted] * 2, "wanted", line, hoverinfo="skip")
    figure.layout["xaxis"] = {"title": {"text": "in each arm"}, "zeroline": False, "rangemode": "tozero"}
    figure.layout["yaxis"] |= {"tickformat": ".0%", "range": [0, 1.02]}
    return figure
