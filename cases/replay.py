"""Recorded arrivals: a CSV of when each request came, and of which class and with how many items, if that is known."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cases.errors import shown

MOST_ROWS = 200_000
LONGEST_ROW = 200  # characters
MOST_ITEMS = 1_000_000
LATEST = 365 * 86_400 * 10**9  # ns
EXAMPLE = "'time_ns,class,items' or 'time' (in s), then a line for each request"

_COLUMNS = ("time", "time_ns", "class", "items")
_SECONDS = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?")
_WHOLE = re.compile(r"[0-9]{1,19}")


class Rows(NamedTuple):
    """Requests in order of time, each column with all of them."""

    times: tuple[int, ...]  # ns
    classes: tuple[str, ...]  # names; empty: not said
    items: tuple[int, ...]  # -1: not said


class UnreadableRowError(Exception):
    """What is wrong, in which line (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line, self.message = line, message


@lru_cache(maxsize=4)
def read(lines: tuple[str, ...]) -> Rows:
    """The rows of a CSV's lines; UnreadableRowError. Remembered, for a case is built for every change."""
    if len(lines) > 1 + 2 * MOST_ROWS:
        raise UnreadableRowError(1, f"{len(lines):,} lines; at most {MOST_ROWS:,} requests are read; take a part of it")
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise UnreadableRowError(1, f"is empty; write {EXAMPLE}")
    (n, header), *rows = numbered
    columns = _columns(n, header)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise UnreadableRowError(
            n, f"{len(rows):,} requests follow; from 1 to {MOST_ROWS:,} are read; take a part of it"
        )
    time = "time" if "time" in columns else "time_ns"
    found, last = [], 0
    for n, line in rows:
        cells = _cells(n, line)
        if len(cells) != len(columns):
            raise UnreadableRowError(n, f"{shown(line)} has {len(cells)} columns and the first line {len(columns)}")
        row = dict(zip(columns, cells, strict=True))
        at = _time(n, row[time], time)
        if at < last:
            raise UnreadableRowError(n, f"{shown(row[time])} is before the line above it; sort the lines by time")
        found.append((at, row.get("class", ""), _items(n, row.get("items", ""))))
        last = at
    return Rows(*(tuple(column) for column in zip(*found, strict=True)))


def _columns(n: int, header: str) -> list[str]:
    columns = [cell.lower() for cell in _cells(n, header)]
    known = [name for name in columns if name in _COLUMNS]
    if len(known) < len(columns) or len(set(columns)) < len(columns) or ("time" in columns) == ("time_ns" in columns):
        raise UnreadableRowError(n, f"{shown(header)} does not name the columns; write {EXAMPLE}")
    return columns


def _cells(n: int, line: str) -> Sequence[str]:
    if len(line) > LONGEST_ROW:
        raise UnreadableRowError(n, f"{shown(line)} has {len(line):,} characters; at most {LONGEST_ROW}")
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error:
        raise UnreadableRowError(n, f"{shown(line)} is no line of a CSV; write {EXAMPLE}") from None


def _time(n: int, cell: str, column: str) -> int:
    """In ns."""
    whole = _WHOLE.fullmatch(cell) if column == "time_ns" else _SECONDS.fullmatch(cell)
    if whole is None:
        wanted = "whole ns" if column == "time_ns" else "s with at most 9 decimals"
        raise UnreadableRowError(n, f"{shown(cell)} is not a time in {wanted}; write for example '12'")
    at = int(cell) if column == "time_ns" else int(whole[1]) * 10**9 + int((whole[2] or "").ljust(9, "0"))
    if at > LATEST:
        raise UnreadableRowError(n, f"{shown(cell)} is later than a year; subtract the time when the recording began")
    return at


def _items(n: int, cell: str) -> int:
    if not cell:
        return -1
    if not _WHOLE.fullmatch(cell) or int(cell) > MOST_ITEMS:
        raise UnreadableRowError(n, f"{shown(cell)} is not a whole number of items up to {MOST_ITEMS:,}")
    return int(cell)
