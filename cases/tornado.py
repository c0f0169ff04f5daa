"""What drives an estimate of a case: its tornado in labels and numbers with units, as rows, text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cases.labels import label_of
from cases.sheets import interval_text
from cases.spec import Case
from estimators.sensitivity import Swing, taken_as_exact, tornado
from estimators.sheet import Result
from estimators.units import Quantity

WIDTH = 24  # characters of a bar


@dataclass(frozen=True, slots=True)
class Row:
    """One bar of a tornado."""

    name: str
    label: str
    given: str
    """the range of the assumption"""
    ends: str
    """the estimate at its two ends"""
    share: str
    """of the variance; '' where there is none"""
    start: float
    """where the bar begins, as a share of the width of all of them"""
    end: float


def rows(case: Case, result: Result, swings: Sequence[Swing]) -> list[Row]:
    """The bars, the widest first, and all on one scale."""
    place = Scale.over([result.value, *(end for one in swings for end in (one.low, one.high))])
    given = {one.name: one.value for one in case.sheet.assumptions}
    return [_row(case, result, one, given[one.name].text, place) for one in swings]


@dataclass(frozen=True, slots=True)
class Scale:
    """Places values from 0 to 1 between the least and the largest of some."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[Quantity | None]) -> Scale:
        """The scale that holds all of these; at least one is wanted."""
        known = [one.value for one in values if one is not None]
        return cls(min(known), max(known))

    def __call__(self, value: Quantity) -> float:
        """Its place; in the middle where all values are the same."""
        width = self.high - self.low
        return (value.value - self.low) / width if width > 0 else 0.5


def _row(case: Case, result: Result, swing: Swing, given: str, place: Scale) -> Row:
    known = sorted(place(one) for one in (swing.low, swing.high) if one is not None)
    texts = ["no value" if one is None else case.units.format(one, result.unit) for one in (swing.low, swing.high)]
    share = "" if swing.share is None else f"{100 * swing.share:.0f} %"
    start, end = (known[0], known[-1]) if len(known) == 2 else (0.0, 1.0)
    return Row(swing.name, label_of(case, swing.name), given, " to ".join(texts), share, start, end)


def tornado_text(case: Case, of: str) -> str:
    """The tornado of an estimate for reading in a terminal (FormulaError for a name that is no estimate)."""
    swings = tornado(case.sheet, of)
    result = case.sheet.evaluate()[of]
    lines = [f"{label_of(case, of)}: {case.units.format(result.value, result.unit)}{interval_text(case, result)}", ""]
    bars = rows(case, result, swings)
    if bars:
        lines.append("What drives it: each assumption at the two ends of its range, the others at their point values")
    for row in bars:
        first, last = round(row.start * WIDTH), max(round(row.end * WIDTH), round(row.start * WIDTH) + 1)
        bar = " " * first + "█" * (last - first) + " " * (WIDTH - last)
        share = f", {row.share} of the variance" if row.share else ""
        lines += [f"  {row.label} ({row.given})", f"    [{bar}] {row.ends}{share}"]
    if result.no_interval:
        lines.append(f"It has no interval: {result.no_interval}")
    if tied := _tied(case, [row.name for row in bars]):
        lines.append(f"Tied to each other: {tied}; their shares overlap.")
    if exact := [label_of(case, name) for name in taken_as_exact(case.sheet, of)]:
        lines.append(f"Taken as exact: {'; '.join(exact)}")
    return "\n".join(lines)


def tornado_json(case: Case, of: str) -> dict[str, Any]:
    """The same for a program; all numbers are in `unit` (FormulaError for a name that is no estimate)."""
    swings = tornado(case.sheet, of)
    result = case.sheet.evaluate()[of]
    texts = {one.name: one.value.text for one in case.sheet.assumptions}

    def number(quantity: Quantity | None) -> float | None:
        return None if quantity is None else case.units.number_in(quantity, result.unit)

    return {
        "case": case.id,
        "estimate": of,
        "unit": result.unit,
        "value": number(result.value),
        "low": number(result.low),
        "median": number(result.median),
        "high": number(result.high),
        "swings": [
            {
                "name": one.name,
                "range": texts[one.name],
                "low": number(one.low),
                "high": number(one.high),
                "share": None if one.share is None else round(one.share, 4),
            }
            for one in swings
        ],
        "taken_as_exact": list(taken_as_exact(case.sheet, of)),
        "correlations": [
            {"between": list(pair), "of": of_ranks}
            for pair, of_ranks in case.sheet.correlations.items()
            if {one.name for one in swings} >= set(pair)
        ],
    }


def _tied(case: Case, names: Sequence[str]) -> str:
    """The correlations among some assumptions, in words."""
    return "; ".join(
        f"{label_of(case, one)} and {label_of(case, other)} ({of:g})"
        for (one, other), of in case.sheet.correlations.items()
        if one in names and other in names
    )
