"""Knobs: the stops of a knob, as the texts that a design would hold."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cases.design import REMOVED, changed, get, text_at
from cases.errors import DesignError
from cases.references import point
from cases.spec import Case, Knob
from cases.tree import Tree
from estimators.units import Quantity

MOST_STOPS = 60
NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


class Stops(NamedTuple):
    """What a knob can be turned to, in order, and where it stands; each a text as in the file."""

    label: str
    texts: tuple[str, ...]
    current: str


def stops(case: Case, knob: Knob, baseline: Case) -> Stops:
    """The stops of a knob on this case. Its value now and the baseline's are among them, as they are written."""
    label = knob.label or knob.path.rpartition(".")[2].replace("_", " ")
    if knob.choices:
        here = chosen(case.tree, knob) or written(case.tree, knob.path)
        there = chosen(baseline.tree, knob) or written(baseline.tree, knob.path)
        return Stops(label, tuple(dict.fromkeys([*knob.choices, there, here])), here)
    assert knob.low is not None
    assert knob.high is not None
    low, high = case.units.quantity(knob.low), case.units.quantity(knob.high)
    unit = case.units.written_unit(knob.low)
    ends = (case.units.number_in(low, unit), case.units.number_in(high, unit))
    turned = _logarithmic if knob.scale == "log" else _linear
    values = turned(*ends, whole=_is_whole(low, unit, ends))
    standing = {}
    for one in (baseline, case):
        number, here = _written(one, knob.path, unit)
        standing[number] = here
    made = {v: f"{_number(v)} {unit}".strip() for v in values if not any(math.isclose(v, w) for w in standing)}
    texts = [text for _, text in sorted({**made, **standing}.items())]
    return Stops(label, tuple(dict.fromkeys(texts)), here)


def chosen(tree: Tree, knob: Knob) -> str | None:
    """The choice that leaves the tree as it is (DesignError where the path is none of it); None if it is another."""
    return next((text for text in knob.choices if changed(tree, {knob.path: text}) == tree), None)


def written(tree: Tree, path: str) -> str:
    """What stands at a path, as a design would say it: 'none' where nothing does."""
    try:
        return _flow(get(tree, path, guess=False))
    except DesignError:
        return REMOVED


def _flow(node: Any) -> str:
    if isinstance(node, dict):
        return "{" + ", ".join(f"{key}: {_flow(value)}" for key, value in node.items()) + "}"
    return ", ".join(map(_flow, node)) if isinstance(node, list) else str(node)


def _written(case: Case, path: str, unit: str) -> tuple[float, str]:
    """The value at a path, in `unit`, and its text; of a reference, the text of what it stands for."""
    text = text_at(case.tree, path)
    value = point(case, text)
    shown = case.units.format(value, unit).replace(",", "") if text.startswith("=") else text
    return case.units.number_in(value, unit), shown


def _is_whole(low: Quantity, unit: str, ends: tuple[float, float]) -> bool:
    """Counts between whole ends are turned in whole numbers; durations, shares and rates are not."""
    counts = low.dimension.without_counts().is_dimensionless and unit != "%"
    return counts and all(end == int(end) for end in ends)


def _linear(low: float, high: float, whole: bool) -> list[float]:
    span = high - low
    step = next(
        nice * 10.0**power
        for power in range(math.floor(math.log10(span)) - 3, 20)
        for nice in (1.0, 2.0, 5.0)
        if span / (nice * 10.0**power) <= MOST_STOPS - 1 and (not whole or nice * 10.0**power >= 1)
    )
    first = math.ceil(low / step - 1e-9)
    inner = [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return sorted({low, high, *inner})


def _logarithmic(low: float, high: float, whole: bool) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inner = [round(nice * 10.0**power, 12) for power in powers for nice in NICE]
    return sorted({low, high, *(v for v in inner if low < v < high and (not whole or v == int(v)))})


def _number(value: float) -> str:
    """'150 billion', '1.5 million', '250', '0.0005': as people write it, without thousands separators."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(value) >= size:
            return f"{value / size:.6g} {word}"
    return f"{value:.6g}"
