"""Still pictures of a request path as SVG: a small one without numbers, and one with the load of a run in its boxes.

What is drawn is made of elements, never of text, so that nothing of a case can be markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from cases.layout import Layout, Line, layout
from cases.serving import Stage
from cases.spec import Case
from simulator.report import amount, busy_text, label_of, load_word, percent
from simulator.results import SimulationResult, StageResult
from simulator.workload import SECOND

SVG = "http://www.w3.org/2000/svg"
MARGIN = 3
LETTER = 7.3  # width of one, at most, in a label
SMALLEST = 0.7  # of its size: in a narrower place one scrolls
ROOM = 1_500  # a picture that is wider from left to right is drawn from top to bottom, if that is narrower
STYLE = (
    "rect,polygon{fill:#2f7dc9;fill-opacity:.22;stroke:#7a8494;stroke-width:1.6}.optional{stroke-dasharray:5 3}"
    "path{fill:none;stroke:#7a8494;stroke-width:1.6}.call{stroke-dasharray:5 4}"
)


class Shape(NamedTuple):
    """Sizes: of a box, and from box to box along the way of a request and beside it."""

    wide: int
    high: int
    along: int
    beside: int
    down: bool  # from top to bottom, not from left to right


SMALL = Shape(64, 34, 96, 46, False)
ACROSS = Shape(150, 88, 184, 104, False)
DOWN = Shape(138, 86, 108, 150, True)


class Frame:
    """Where the boxes and lanes of a case stand in a picture."""

    def __init__(self, drawn: Layout, shape: Shape) -> None:
        self.shape, self._heights = shape, drawn.heights
        self._columns = {name: at for at, names in enumerate(drawn.columns) for name in names}
        along = (len(drawn.columns) - 1) * shape.along
        beside = max(drawn.heights.values()) * shape.beside
        right, low = (beside, along) if shape.down else (along, beside)
        self.wide, self.high = right + shape.wide + 2 * MARGIN, low + shape.high + 2 * MARGIN

    def corner(self, name: str) -> tuple[float, float]:
        """Of a box, the upper left one."""
        along, beside = self._columns[name] * self.shape.along, self._heights[name] * self.shape.beside
        x, y = (beside, along) if self.shape.down else (along, beside)
        return x + MARGIN, y + MARGIN

    def entry(self, name: str) -> tuple[float, float]:
        """Where lines come in."""
        x, y = self.corner(name)
        return (x + self.shape.wide / 2, y) if self.shape.down else (x, y + self.shape.high / 2)

    def exit(self, name: str) -> tuple[float, float]:
        """Where lines go out."""
        x, y = self.entry(name)
        return (x, y + self.shape.high) if self.shape.down else (x + self.shape.wide, y)


# -- without numbers --------------------------------------------------------------------------------------------------


def still(case: Case) -> str:
    """A small image that fits where it is put, as HTML; what it shows is said in words, too.

    As an image, for Streamlit takes SVG out of HTML; its colours are seen on light and on dark.
    """
    return case.kept("still", lambda: _still(case))


def _still(case: Case) -> str:
    drawn = layout(case)
    frame = Frame(drawn, SMALL)
    svg = Element("svg", {"xmlns": SVG, "viewBox": f"0 0 {frame.wide:g} {frame.high:g}"})
    SubElement(svg, "style").text = STYLE
    for line in drawn.lines:
        _path(svg, line, frame, line.kind)
    for stage in case.stages:
        kind = f"{kind_of(stage)}{'' if stage.required else ' optional'}"
        _outline(svg, stage, frame.corner(stage.name), SMALL, kind, corner=5, cut=9)
    said = escape(f"Request path: {', '.join(label_of(case, stage.name) for stage in case.stages)}.")
    return f'<img class="still" alt="{said}" src="data:image/svg+xml,{quote(tostring(svg, encoding="unicode"))}">'


def kind_of(spec: Stage) -> str:
    """Whose it is: ours, somebody else's, or a person."""
    if spec.external is not None:
        return "external"
    return "ours" if spec.person is None else "person"


# -- with the load of a run -------------------------------------------------------------------------------------------


def moment(result: SimulationResult, at: float | None) -> dict[str, StageResult]:
    """The stages as they were at a moment (s) of the first replication; over the whole window where none is said.

    The timeline is of one cell.
    """
    found, timeline = dict(result.stages), result.timeline
    if timeline is None or at is None:
        return found
    row = min(int(np.searchsorted(timeline.times, at * SECOND)), len(timeline.times) - 1)
    for s, name in enumerate(timeline.names):
        stage = result.stages[name]
        busy, there = (float(timeline.stages[measure][row, s]) for measure in ("utilisation", "replicas"))
        if stage.utilisation is not None:
            found[name] = replace(
                stage,
                utilisation=0.0 if busy != busy else busy,  # nan where nobody was there
                replicas_mean=stage.replicas_mean if there != there else there * result.cells,
                queue_mean=float(timeline.waiting[row, s]) * result.cells,
            )
    return found


def drawing(case: Case, stages: Mapping[str, StageResult], lit: str | None = None, room: float = ROOM) -> str:
    """The request path as inline SVG: how busy each stage is, who waits and how many there are; one may be lit.

    It takes its colours from the style of the page that it is in. `room`: how wide it may be before it turns.
    """
    drawn = layout(case)
    frame = Frame(drawn, ACROSS)
    if frame.wide > room and (turned := Frame(drawn, DOWN)).wide < frame.wide:
        frame = turned
    said = {stage.name: _sentence(case, stage, stages[stage.name]) for stage in case.stages}
    svg = Element(
        "svg",
        {
            "class": "path",
            "viewBox": f"0 0 {frame.wide:g} {frame.high:g}",
            "style": f"max-width: {frame.wide:.0f}px; min-width: {frame.wide * SMALLEST:.0f}px",
            "role": "img",
            "aria-label": " ".join(["Request path.", *said.values()]),
        },
    )
    for line in drawn.lines:
        _path(svg, line, frame, "edge call" if line.kind == "call" else "edge")
        _arrow(svg, frame.entry(line.end), frame.shape.down)
    for stage in case.stages:
        _box(svg, case, stage, stages[stage.name], frame, said[stage.name], stage.name == lit)
    return tostring(svg, encoding="unicode")


def _box(svg: Element, case: Case, spec: Stage, stage: StageResult, frame: Frame, said: str, lit: bool) -> None:
    shape, (x, y) = frame.shape, frame.corner(spec.name)
    word = load_word(stage.utilisation) or "endless"
    group = SubElement(svg, "g", {"class": f"stage {word}{'' if spec.required else ' optional'}{' lit' * lit}"})
    SubElement(group, "title").text = f"{'This is about this stage. ' * lit}{said}"
    _outline(group, spec, (x, y), shape, "box", corner=7, cut=12)
    letters = int((shape.wide - 20) / LETTER)
    # What is wider than it should be ends at the window.
    place = {"x": f"{x + 10:g}", "y": f"{y:g}", "width": f"{shape.wide - 16}", "height": "38"}
    window = SubElement(group, "svg", place)
    for i, line in enumerate(textwrap.wrap(label_of(case, spec.name), letters, max_lines=2, placeholder="…")):
        _text(window, line, 0, 18 + 14 * i, "label")
    low = y + shape.high
    _text(group, _load(stage), x + 10, low - 38, "figure")
    if not spec.endless:
        _text(group, _queue(stage), x + 10, low - 22, "figure")
        _text(group, _fleet(spec, stage), x + shape.wide - 10, low - 22, "figure end")
    if stage.utilisation is not None:
        room, busy = shape.wide - 20, min(stage.utilisation, 1.0)
        for kind, wide in (("track", float(room)), ("bar", room * busy)):
            place = {"x": f"{x + 10:g}", "y": f"{low - 13:g}", "width": f"{wide:.4g}", "height": "6", "rx": "2"}
            SubElement(group, "rect", {"class": kind, **place})


def _load(stage: StageResult) -> str:
    if stage.utilisation is None:
        return busy_text(stage)
    return f"{percent(stage.utilisation)} {load_word(stage.utilisation)}"


def _queue(stage: StageResult) -> str:
    return f"queue {amount(stage.queue_mean).removesuffix('.0')}"


def _fleet(spec: Stage, stage: StageResult) -> str:
    """'×14', or as many as there were on average."""
    return f"×{amount(stage.replicas_mean or 0.0).removesuffix('.0') if stage.changed else f'{spec.fleet:,}'}"


def _sentence(case: Case, spec: Stage, stage: StageResult) -> str:
    """A box in words: 'Ranker: 68 % ok, queue 0.1, ×14.'"""
    more = [] if spec.endless else [_queue(stage), _fleet(spec, stage)]
    return f"{label_of(case, spec.name)}: {', '.join([_load(stage), *more, *([] if spec.required else ['optional'])])}."


# -- what both are made of --------------------------------------------------------------------------------------------


def _text(parent: Element, text: str, x: float, y: float, kind: str) -> None:
    SubElement(parent, "text", {"class": kind, "x": f"{x:g}", "y": f"{y:g}"}).text = text


def _outline(
    parent: Element, spec: Stage, at: tuple[float, float], shape: Shape, kind: str, corner: int, cut: int
) -> None:
    """A box: with cut corners where it is somebody else's, with round ends where it is a person."""
    (x, y), whose = at, kind_of(spec)
    right, low = x + shape.wide, y + shape.high
    if whose == "external":
        x1, x2, y1, y2 = x + cut, right - cut, y + cut, low - cut
        points = [(x1, y), (x2, y), (right, y1), (right, y2), (x2, low), (x1, low), (x, y2), (x, y1)]
        SubElement(parent, "polygon", {"class": kind, "points": " ".join(f"{a:g},{b:g}" for a, b in points)})
        return
    place = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{shape.wide}", "height": f"{shape.high}"}
    round_by = min(shape.high // 2, 26) if whose == "person" else corner
    SubElement(parent, "rect", {"class": kind, **place, "rx": f"{round_by}"})


def _path(parent: Element, line: Line, frame: Frame, kind: str) -> None:
    ends = [end for lane in line.lanes for end in (frame.entry(lane), frame.exit(lane))]
    (x, y), *others = [frame.exit(line.start), *ends, frame.entry(line.end)]
    way = f"M{x:g},{y:g}"
    for right, low in others:
        if frame.shape.down:
            half = (y + low) / 2
            way += f" C{x:g},{half:g} {right:g},{half:g} {right:g},{low:g}"
        else:
            half = (x + right) / 2
            way += f" C{half:g},{y:g} {half:g},{low:g} {right:g},{low:g}"
        x, y = right, low
    SubElement(parent, "path", {"class": kind, "d": way})


def _arrow(parent: Element, at: tuple[float, float], down: bool) -> None:
    x, y = at
    sides = [(x - 4, y - 7), (x + 4, y - 7)] if down else [(x - 7, y - 4), (x - 7, y + 4)]
    SubElement(parent, "polygon", {"class": "arrow", "points": " ".join(f"{a:g},{b:g}" for a, b in [at, *sides])})
