"""The picture of all designs: cost to the right, a latency upwards, an outcome as colour and size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cases.spec import Case
from simulator.report import milliseconds
from simulator.results import Interval
from simulator.tradeoff import Axis, Point, Standing, latency_axis
from simulator.tradeoff_report import cost_text, figure_name, latency, latency_text, outcome_text, standing_text
from ui.charts import TRANSPARENT, Figure

HEIGHT = 430
WIDE = 20.0  # times: from this span on costs are drawn on a log scale
SMALL, LARGE = 11.0, 26.0  # of a point
NEAR = 0.06  # of the width and height of all points: closer ones lie on one another
UP = ("top", "bottom")  # of the numbers, in turn, so that neighbours' differ


def points_figure(
    case: Case,
    points: Sequence[Point],
    found: Mapping[str, Standing],
    labels: Mapping[str, str],
    numbers: Mapping[str, str],
    outcome: str | None,
    two: tuple[str, str],
) -> Figure:
    """`two`: the designs that are compared."""
    axis = latency_axis(case)
    priced = [point for point in points if point.cost is not None]
    late = {point.design: latency(point.result, axis) for point in priced}
    target = next((one.target for one in points[0].result.objectives if one.name == axis.name), None)
    top = 1.6 * max([target or 1.0, *(one.value for one in late.values() if one.value is not None)])
    heights = [top if one.value is None else one.value for one in late.values()]
    values = [_value(point, outcome) for point in priced]
    scale = _Scale([value for value in values if value is not None])
    called = [f"{_side(point.design, two)}{numbers[point.design]}" for point in priced]
    texts, places = _labels(priced, heights, called)
    told = [_told(case, point, found[point.design], labels, axis, outcome) for point in priced]
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "name": "",
        "showlegend": False,
        "x": [point.cost for point in priced],
        "y": heights,
        "error_y": _errors(list(late.values())),
        "customdata": [point.design for point in priced],
        "text": texts,
        "textposition": places,
        "hovertext": ["<br>".join(escape(line, quote=False) for line in lines) for lines in told],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "meta": ["; ".join(lines) for lines in told],  # for a screen reader
        "marker": {
            "symbol": [_symbol(point, late[point.design].value, found, outcome) for point in priced],
            "size": [scale.size(value) for value in values],
            "color": [scale.middle if value is None else value for value in values],
            "colorscale": "Viridis",
            "opacity": 0.85,
            "line": {"width": [3 if point.design in two else 1 for point in priced], "color": "#7a8494"},
            **({} if outcome is None or scale.flat else {"colorbar": _bar(case, points, outcome)}),
        },
    }
    layout = _layout(case, axis, [point.cost for point in priced if point.cost is not None])
    if target is not None:
        layout |= _line(f"{figure_name(case, axis.name)} objective {milliseconds(target)}", target)
    return Figure([trace], layout)


def _line(words: str, target: float) -> dict[str, Any]:
    """The objective, from one side to the other, with its words above it."""
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": target, "y1": target, "layer": "below"}
    text = {"xref": "paper", "x": 0, "xanchor": "left", "y": math.log10(target), "yanchor": "bottom", "text": words}
    return {
        "shapes": [{**line, "line": {"color": "#8a8f98", "width": 1.5, "dash": "dash"}}],
        "annotations": [{**text, "showarrow": False, "font": {"size": 11}}],
    }


def _labels(points: Sequence[Point], y: Sequence[float], texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The numbers of the points, and where they stand; of those that lie on one another all at the first."""
    x = [point.cost or 0.0 for point in points]
    left, across, up = min(x), max(x) - min(x) or 1.0, math.log(max(y) / min(y)) or 1.0
    at = [((a - left) / across, math.log(b) / up) for a, b in zip(x, y, strict=True)]
    together: list[list[int]] = []
    for i, here in enumerate(at):
        near = (group for group in together if all(abs(p - q) < NEAR for p, q in zip(here, at[group[0]], strict=True)))
        if (group := next(near, None)) is not None:
            group.append(i)
        else:
            together.append([i])
    said = {group[0]: ", ".join(texts[i] for i in group) for group in together}
    sides = ["left" if across > 0.6 else "right" for across, _ in at]
    return [said.get(i, "") for i in range(len(at))], [f"{UP[i % 2]} {side}" for i, side in enumerate(sides)]


class _Scale:
    """From an outcome's values to sizes."""

    def __init__(self, values: list[float]) -> None:
        self.low, self.high = (min(values), max(values)) if values else (0.0, 0.0)
        self.flat = self.low == self.high
        self.middle = (self.low + self.high) / 2

    def size(self, value: float | None) -> float:
        """Of a point, in pixels."""
        if value is None or self.flat:
            return SMALL
        return SMALL + (LARGE - SMALL) * (value - self.low) / (self.high - self.low)


def _value(point: Point, outcome: str | None) -> float | None:
    one = None if outcome is None else point.result.outcomes.get(outcome)
    return None if one is None else one.interval.value


def _symbol(point: Point, late: float | None, found: Mapping[str, Standing], outcome: str | None) -> str:
    shape = "circle" if found[point.design].dominated_by is None else "square"
    shape = "triangle-up" if late is None else shape
    return shape if outcome is None or _value(point, outcome) is not None else f"{shape}-open"


def _side(design: str, two: tuple[str, str]) -> str:
    """'A ' and 'B ' before the numbers of the two that are compared."""
    return "".join(f"{letter} " for letter, name in zip("AB", two, strict=True) if name == design)


def _errors(intervals: list[Interval]) -> dict[str, Any]:
    """From the values to the ends of their intervals."""
    above, below = (
        [0.0 if end is None or value is None else abs(end - value) for value, end in ends]
        for ends in ([(one.value, one.high) for one in intervals], [(one.value, one.low) for one in intervals])
    )
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1, "width": 3}


def _told(
    case: Case, point: Point, standing: Standing, labels: Mapping[str, str], axis: Axis, outcome: str | None
) -> list[str]:
    """What is said of a point, line by line."""
    return [
        labels[point.design],
        f"{figure_name(case, axis.name)} {latency_text(point.result, axis)}",
        cost_text(point.cost),
        *([] if outcome is None else [f"{figure_name(case, outcome)} {outcome_text(point.result, outcome)}"]),
        standing_text(case, standing, labels),
    ]


def _bar(case: Case, points: Sequence[Point], outcome: str) -> dict[str, Any]:
    unit = next((p.result.outcomes[outcome].unit for p in points if outcome in p.result.outcomes), "")
    title = f"{figure_name(case, outcome)}, {unit}" if unit not in ("", "1") else figure_name(case, outcome)
    return {
        "orientation": "h",
        "title": {"text": escape(title), "side": "top"},
        "thickness": 10,
        "len": 0.6,
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "nticks": 5,
    }


def _layout(case: Case, axis: Axis, costs: Sequence[float]) -> dict[str, Any]:
    ticks = [mantissa * 10.0**power for power in range(-3, 7) for mantissa in (1, 1.5, 2, 3, 5, 7)]
    log = bool(costs) and min(costs) > 0 and max(costs) / min(costs) > WIDE
    return {
        "height": HEIGHT,
        "margin": {"l": 70, "r": 16, "t": 74, "b": 46},
        "hovermode": "closest",
        "clickmode": "event",
        "xaxis": {"title": {"text": "cost, $/hour"}, "zeroline": False, "type": "log" if log else "linear"},
        "yaxis": {
            "title": {"text": figure_name(case, axis.name)},
            "type": "log",
            "tickvals": ticks,
            "ticktext": [milliseconds(tick) for tick in ticks],
            "zeroline": False,
        },
    } | TRANSPARENT
