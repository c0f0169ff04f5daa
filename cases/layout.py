"""Where stages stand in a picture: the column is the longest way to a stage, rows share a column."""

from __future__ import annotations

from typing import NamedTuple

from cases.path_check import in_order, needed
from cases.spec import Case


class Place(NamedTuple):
    """Column and row, from 0, and how many rows its column has."""

    column: int
    row: int
    rows: int


def places(case: Case) -> dict[str, Place]:
    """The place of each stage by name."""
    column: dict[str, int] = {}
    for stage in in_order(case.stages):
        column[stage.name] = 1 + max((column[before] for before in needed(stage)), default=-1)
    members: dict[int, list[str]] = {}
    for name, at in column.items():
        members.setdefault(at, []).append(name)
    return {name: Place(at, members[at].index(name), len(members[at])) for name, at in column.items()}
