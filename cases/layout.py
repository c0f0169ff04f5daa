"""Where stages stand in a picture: columns by the longest way to a stage, in an order in which few lines cross.

A line that passes a column gets a lane there, so that it never runs behind a box. Heights are chosen so that what
follows one another stands on one level; what is called within a visit gives way.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

from cases.path_check import in_order, needed
from cases.spec import Case

LANE = 0.3  # the height of a lane, where that of a box with the gap below it is 1
CALLED = 0.2  # how much a call pulls the two stages to one level, against 1 for stages that follow one another
SWEEPS = 12
STEP = 0.05


class Place(NamedTuple):
    """Column and row, from 0, how many rows its column has, and the height of its middle (boxes are 1 apart)."""

    column: int
    row: int
    rows: int
    height: float


class Line(NamedTuple):
    """From a stage to the one after it, or to one that it calls."""

    start: str
    end: str
    kind: Literal["after", "call"]
    lanes: tuple[str, ...]  # where it passes the columns between


class Layout(NamedTuple):
    """The picture: each column's stages and lanes in order, by name; all heights; and the lines."""

    columns: tuple[tuple[str, ...], ...]
    heights: dict[str, float]
    lines: tuple[Line, ...]


def places(case: Case) -> dict[str, Place]:
    """The place of each stage by name."""
    found = layout(case)
    names = {stage.name for stage in case.stages}
    boxes = [[name for name in column if name in names] for column in found.columns]
    return {
        name: Place(at, row, len(column), found.heights[name])
        for at, column in enumerate(boxes)
        for row, name in enumerate(column)
    }


def layout(case: Case) -> Layout:
    """The picture of a request path."""
    at: dict[str, int] = {}
    for stage in in_order(case.stages):
        at[stage.name] = 1 + max((at[before] for before in needed(stage)), default=-1)
    lines = []
    for stage in case.stages:
        for before in stage.after:
            lines.append(_line(before, stage.name, "after", at))
        if stage.within is not None and not stage.after:
            lines.append(_line(stage.within, stage.name, "call", at))
    called = {stage.name for stage in case.stages if stage.within is not None}
    columns: list[list[str]] = [[] for _ in range(1 + max(at.values()))]
    for name in sorted(at, key=called.__contains__):
        columns[at[name]].append(name)
    segments = _segments(lines)
    for line in lines:
        for column, lane in enumerate(line.lanes, at[line.start] + 1):
            columns[column].append(lane)
    _untangle(columns, [(a, b) for a, b, _ in segments])
    return Layout(tuple(map(tuple, columns)), _heights(columns, segments, set(at)), tuple(lines))


def _line(start: str, end: str, kind: Literal["after", "call"], at: dict[str, int]) -> Line:
    between = range(at[start] + 1, at[end])
    return Line(start, end, kind, tuple(f"{start} {end} {column}" for column in between))  # no name has a space


def _segments(lines: list[Line]) -> list[tuple[str, str, float]]:
    """The lines from column to column, with how much they pull."""
    return [
        (a, b, 1.0 if line.kind == "after" else CALLED)
        for line in lines
        for a, b in pairwise([line.start, *line.lanes, line.end])
    ]


# -- the order within the columns -------------------------------------------------------------------------------------


def _untangle(columns: list[list[str]], segments: list[tuple[str, str]]) -> None:
    """Reorder the columns until no exchange of two neighbours makes fewer lines cross."""
    beside: dict[str, list[str]] = {name: [] for column in columns for name in column}
    for a, b in segments:
        beside[a].append(b)
        beside[b].append(a)
    for _ in range(SWEEPS):
        before = [list(column) for column in columns]
        for column in columns:
            rank = {name: row for other in columns if other is not column for row, name in enumerate(other)}
            for i in range(len(column) - 1, 0, -1):
                for j in range(i):
                    a, b = column[j], column[j + 1]
                    if _crossings(b, a, beside, rank, columns) < _crossings(a, b, beside, rank, columns):
                        column[j], column[j + 1] = b, a
        if columns == before:
            return


def _crossings(
    upper: str, lower: str, beside: dict[str, list[str]], rank: dict[str, int], columns: list[list[str]]
) -> int:
    """Crossing lines of two neighbours of a column, when the one stands above the other."""
    sides = {name: at for at, column in enumerate(columns) for name in column}
    return sum(
        sides[one] == sides[other] and rank[one] > rank[other] for one in beside[upper] for other in beside[lower]
    )


# -- the heights ------------------------------------------------------------------------------------------------------


def _heights(columns: list[list[str]], segments: list[tuple[str, str, float]], boxes: set[str]) -> dict[str, float]:
    """Heights of the middles from 0 on: near what a stage is joined with, in order, and far enough apart."""
    beside: dict[str, list[tuple[str, float]]] = {name: [] for column in columns for name in column}
    for a, b, pull in segments:
        beside[a].append((b, pull))
        beside[b].append((a, pull))
    offsets = {name: offset for column in columns for name, offset in _packed(column, boxes).items()}
    height = dict(offsets)
    for _ in range(SWEEPS):
        for column in [*columns, *reversed(columns)]:
            wanted = []
            for name in column:
                total = sum(pull for _, pull in beside[name])
                mean = sum(height[other] * pull for other, pull in beside[name]) / total if total else height[name]
                wanted.append((mean - offsets[name], total or CALLED))
            for name, base in zip(column, _rising(wanted), strict=True):
                height[name] = base + offsets[name]
    least = min(height[name] - (0.5 if name in boxes else LANE / 2) for name in height)
    # In steps, so that what stands almost on one level does.
    return {name: round((value - least - 0.5) / STEP) * STEP for name, value in height.items()}


def _packed(column: list[str], boxes: set[str]) -> dict[str, float]:
    """The heights of a column without room between its boxes and lanes."""
    found: dict[str, float] = {}
    top = 0.0
    for name in column:
        size = 1.0 if name in boxes else LANE
        found[name] = top + size / 2
        top += size
    return found


def _rising(wanted: list[tuple[float, float]]) -> list[float]:
    """The rising sequence nearest to weighted values: neighbours out of order share their mean."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in wanted:
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (v, w, n), (v2, w2, n2) = pools[-2:]
            pools[-2:] = [((v * w + v2 * w2) / (w + w2), w + w2, n + n2)]
    return [value for value, _, count in pools for _ in range(count)]
