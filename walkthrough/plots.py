"""Latency over time as static SVG: percentiles of the first replication on a log scale, objectives and events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from simulator.report import milliseconds
from simulator.results import SimulationResult
from simulator.timeline import Timeline
from simulator.workload import SECOND

WIDE, HIGH = 520, 220
LEFT, RIGHT, TOP, BOTTOM = 54, 426, 10, 182  # the edges of what is drawn in; labels stand around it
LINE = 14  # of text
MOST_POINTS = 400  # of a line
MOST_TICKS = 7
MOST_WORDS = 5  # of events; the others are bands without words
LONGEST = 48  # characters of them


def latency(result: SimulationResult, at: float | None = None) -> str:
    """The picture as inline SVG, in the colours of its page; '' where there is nothing to draw. `at`: a moment (s)."""
    timeline = result.timeline
    if timeline is None:
        return ""
    targets = [(o.name.removeprefix("latency "), o.target) for o in result.objectives if o.name.startswith("latency ")]
    values = [value for line in timeline.percentiles.values() for value in line if value is not None]
    if not values:
        return ""
    scale = Scale(float(timeline.times[-1]) / SECOND, [*values, *(target for _, target in targets)])
    svg = Element("svg", {"class": "plot", "viewBox": f"0 0 {WIDE} {HIGH}", "role": "img"})
    svg.set("aria-label", _words(timeline, targets))
    _bands(svg, timeline, scale)
    _axes(svg, scale)
    for _, target in targets:
        _line(svg, "objective", LEFT, scale.y(target), RIGHT, scale.y(target))
    ends = [(f"{name} objective", "objective", target) for name, target in targets]
    for name, line in timeline.percentiles.items():
        SubElement(svg, "path", {"class": name, "d": " ".join(_way(timeline, line, scale))})
        ends += [(name, name, value) for value in [v for v in line if v is not None][-1:]]
    for (words, kind, _), y in zip(ends, _apart([scale.y(value) for *_, value in ends]), strict=True):
        _text(svg, words, RIGHT + 6, y + 4, f"{kind} name")
    if at is not None:
        _line(svg, "clock", scale.x(at), TOP, scale.x(at), BOTTOM)
    return tostring(svg, encoding="unicode")


class Scale:
    """From seconds and milliseconds to places in the picture."""

    def __init__(self, last: float, values: Sequence[float]) -> None:
        self.last = max(last, 1e-9)
        self.low, self.high = max(min(values), 1e-6) * 0.85, max(max(values), 1e-6) * 1.2

    def x(self, seconds: float) -> float:
        """Within the picture, whatever is asked."""
        return LEFT + (RIGHT - LEFT) * min(max(seconds / self.last, 0.0), 1.0)

    def y(self, value: float) -> float:
        """Of a latency in ms."""
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return BOTTOM - (BOTTOM - TOP) * share

    def seconds(self) -> list[float]:
        """Ticks of time."""
        step = next(step for step in _steps(self.last / MOST_TICKS) if self.last / step <= MOST_TICKS)
        return [i * step for i in range(int(self.last / step + 1e-9) + 1)]

    def latencies(self) -> list[float]:
        """Ticks of latency: 1, 2, 5, 10 where there is room, else powers of ten."""
        for among in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            ticks = [m * 10.0**power for power in powers for m in among if self.low <= m * 10.0**power <= self.high]
            if len(ticks) <= MOST_TICKS:
                break
        return ticks[:: max(1, math.ceil(len(ticks) / MOST_TICKS))]


def _steps(least: float) -> Iterator[float]:
    """1, 2, 5, 10, ... from a power of ten below the least on."""
    power = math.floor(math.log10(least))
    while True:
        yield from (m * 10.0**power for m in (1, 2, 5))
        power += 1


def _axes(svg: Element, scale: Scale) -> None:
    for value in scale.latencies():
        y = scale.y(value)
        _line(svg, "grid", LEFT, y, RIGHT, y)
        _text(svg, milliseconds(value), LEFT - 6, y + 4, "tick end")
    for value in scale.seconds():
        _line(svg, "tick", scale.x(value), BOTTOM, scale.x(value), BOTTOM + 4)
        _text(svg, f"{value:g}", scale.x(value), BOTTOM + 17, "tick middle")
    _text(svg, "simulated time, s", (LEFT + RIGHT) / 2, HIGH - 4, "tick middle")


def _bands(svg: Element, timeline: Timeline, scale: Scale) -> None:
    """A band for each event, a line for one that is over at once."""
    shown = 0
    for label, start, end in timeline.marks:
        begin, until = start / SECOND, end / SECOND
        if begin > scale.last:
            continue
        x, right = scale.x(begin), scale.x(until)
        place = {"x": f"{x:.1f}", "y": f"{TOP}", "width": f"{max(right - x, 1.5):.1f}", "height": f"{BOTTOM - TOP}"}
        band = SubElement(svg, "rect", {"class": "band", **place})
        SubElement(band, "title").text = label
        if shown < MOST_WORDS:
            words = label if len(label) <= LONGEST else f"{label[:LONGEST]}…"
            late = x > (LEFT + RIGHT) / 2
            place_x, y = (x - 3, TOP + LINE * (shown + 1)) if late else (x + 4, TOP + LINE * (shown + 1))
            _text(svg, words, place_x, y, "event end" if late else "event")
            shown += 1


def _way(timeline: Timeline, line: Sequence[float | None], scale: Scale) -> Iterator[str]:
    """The line of a percentile, with gaps where nobody was answered; of many points the highest of a few each."""
    few = math.ceil(len(line) / MOST_POINTS)
    pen = "M"
    for i in range(0, len(line), few):
        there = [value for value in line[i : i + few] if value is not None]
        if not there:
            pen = "M"
            continue
        last = min(i + few, len(line)) - 1
        dot = "h0" if pen == "M" else ""  # so that a row between two gaps is seen
        yield f"{pen}{scale.x(float(timeline.times[last]) / SECOND):.1f},{scale.y(max(there)):.1f}{dot}"
        pen = "L"


def _apart(wanted: Sequence[float]) -> list[float]:
    """Heights of labels: near where they are wanted, a line apart, and none below the picture."""
    placed = list(wanted)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    least = -math.inf
    for i in order:
        placed[i] = max(placed[i], least)
        least = placed[i] + LINE
    most = float(BOTTOM)
    for i in reversed(order):
        placed[i] = min(placed[i], most)
        most = placed[i] - LINE
    return placed


def _words(timeline: Timeline, targets: Iterable[tuple[str, float]]) -> str:
    """The picture in a sentence: where p99 is lowest and highest, and against what."""
    known = [(v, t) for v, t in zip(timeline.percentiles["p99"], timeline.times.tolist(), strict=True) if v is not None]
    (low, _), (high, when) = min(known), max(known)
    said = f"p99 between {milliseconds(low)} and {milliseconds(high)}, highest at {when / SECOND:.3g} s"
    against = "".join(f"; {name} objective {milliseconds(target)}" for name, target in targets)
    return f"Latency over simulated time: {said}{against}."


def _line(svg: Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    SubElement(svg, "line", {"class": kind, **ends})


def _text(svg: Element, text: str, x: float, y: float, kind: str) -> None:
    SubElement(svg, "text", {"class": kind, "x": f"{x:.1f}", "y": f"{y:.1f}"}).text = text
