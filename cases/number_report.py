"""The table of numbers, what a case takes from it, and what if they are off: as JSON and for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from cases.labels import label_of
from cases.numbers import Number, Provenance, age, provenance, table
from cases.spec import Case
from cases.what_if import Condition, Judged, Moved, Off
from estimators.claims import Verdict
from estimators.units import Quantity, Range, Units

WIDTH = 100
NAME, VALUE = 27, 30  # columns


# -- the table --------------------------------------------------------------------------------------------------------


def chosen(group: str | None) -> list[Number]:
    """The numbers of a group, or all."""
    return [one for one in table().values() if group in (None, one.group)]


def search(numbers: Iterable[Number], text: str) -> list[Number]:
    """Those in which every word of the text stands somewhere: in name, label, value, note, group or source."""
    words = text.casefold().split()
    return [one for one in numbers if all(word in _said(one) for word in words)]


def _said(one: Number) -> str:
    title = one.source.title if one.source else ""
    return " ".join((one.name, one.label, one.value, one.note, one.group, one.basis, title)).casefold()


class Cells(NamedTuple):
    """A number in texts, for a page. `url` is an address that a page may link to, or empty."""

    name: str
    label: str
    value: str
    aged: str
    old: bool
    source: str
    url: str
    note: str


def cells(one: Number, today: date) -> Cells:
    """Of a number. What nobody has published says so where the source would stand."""
    aged, source = age(one, today), one.source
    title = f"{source.title}, read {source.checked}" if source else "illustrative: published nowhere that we found"
    return Cells(
        one.name, one.label, one.value, aged.text, aged.old, title, web(source.url if source else None), one.note
    )


def web(url: str | None) -> str:
    """An address that a page may link to; empty for any other."""
    return url if url and url.startswith(("https://", "http://")) else ""


def table_json(numbers: Iterable[Number], today: date) -> list[dict[str, Any]]:
    """A row for each: `low` and `high` are those of a range, and all three are in `unit`."""
    units = Units()
    return [
        {
            "name": one.name,
            "group": one.group,
            "label": one.label,
            "text": one.value,
            **_numbers(one.quantity, units),
            "basis": one.basis,
            "source": one.source.title if one.source else None,
            "url": one.source.url if one.source else None,
            "checked": one.source.checked if one.source else None,
            "as_of": one.as_of,
            "age": age(one, today).text,
            "old": age(one, today).old,
            "note": one.note or None,
        }
        for one in numbers
    ]


def _numbers(given: Quantity | Range, units: Units) -> dict[str, Any]:
    point = given.point if isinstance(given, Range) else given
    unit = units.unit_for(Quantity(point.value, point.dimension, given.text))
    ends = (given.low, given.high) if isinstance(given, Range) else (None, None)
    low, high = (None if end is None else units.number_in(end, unit) for end in ends)
    return {"value": units.number_in(point, unit), "low": low, "high": high, "unit": unit}


def table_text(numbers: Iterable[Number], today: date) -> str:
    """Two lines for each number, no longer than 100 characters, and the sources below."""
    lines: list[str] = []
    sources: dict[str, int] = {}
    group = ""
    for one in numbers:
        if one.group != group:
            group = one.group
            lines += ["", group.upper()] if lines else [group.upper()]
        mark = ""
        if one.source is not None:
            mark = f" [{sources.setdefault(_source_line(one), len(sources) + 1)}]"
        lines.append(f"{one.name:<{NAME}}{one.value:<{VALUE}}{_aged(one, today)}{mark}".rstrip())
        lines += _indented(f"{one.label}{f' ({one.note})' if one.note else ''}")
    lines += ["", "SOURCES"] if sources else []
    for line, place in sources.items():
        lines += textwrap.wrap(f"[{place}] {line}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _aged(one: Number, today: date) -> str:
    found = age(one, today)
    return f"{found.text}{', OLD' if found.old else ''}"


def _source_line(one: Number) -> str:
    assert one.source is not None
    return "; ".join(part for part in (one.source.title, one.source.url, f"read {one.source.checked}") if part)


# -- what a case takes ------------------------------------------------------------------------------------------------


def assumptions_json(case: Case, today: date) -> dict[str, dict[str, Any]]:
    """Every assumption with its value, and where it is from."""
    given = {one.name: one.value for one in case.sheet.assumptions}
    return {name: _assumption_json(case, name, given[name], today) for name in case.assumptions}


def _assumption_json(case: Case, name: str, given: Quantity | Range, today: date) -> dict[str, Any]:
    origin = provenance(case, name)
    aged = None if origin.number is None else age(origin.number, today)
    return {
        "text": origin.value,
        **_numbers(given, case.units),
        "basis": origin.basis,
        "number": origin.number.name if origin.number else None,
        "source": origin.title or None,
        "url": origin.url or None,
        "checked": origin.checked or None,
        "as_of": origin.number.as_of if origin.number else None,
        "age": aged.text if aged else None,
        "old": aged.old if aged else None,
        "note": origin.note or None,
        "instead_of": origin.instead_of or None,
    }


def assumptions_text(case: Case, today: date) -> str:
    """A line or two for every assumption."""
    lines = ["What it rests on"] if case.assumptions else []
    for name in case.assumptions:
        origin = provenance(case, name)
        lines.append(f"  {label_of(case, name)}: {origin.value}")
        lines += _indented(origin_line(origin, today))
    return "\n".join(lines)


def origin_line(origin: Provenance, today: date) -> str:
    """'numbers.s3_bulk_storage, priced 2024, 2 years ago, OLD: AWS S3 price page'; or 'stated: the guide'."""
    known = origin.number
    where = origin.basis if known is None else f"numbers.{known.name}, {_aged(known, today)}"
    what = f"{where}: {origin.title or origin.note}" if origin.title or origin.note else where
    return f"changed; as written {origin.instead_of}, {what}" if origin.instead_of else what


# -- what if ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of an estimate or a claim, in texts."""

    what: str
    now: str
    more: str
    less: str
    flips: bool = False
    flips_at: str = ""


NO_VALUE = "has no value"


def moved_row(case: Case, moved: Moved) -> Row:
    """Of an estimate."""
    more, less = (NO_VALUE if one is None else case.units.format(one, moved.unit) for one in (moved.more, moved.less))
    return Row(label_of(case, moved.name), case.units.format(moved.now, moved.unit), more, less)


def judged_row(case: Case, judged: Judged) -> Row:
    """Of a claim. `flips_at`: of the assumption's value, '0.667 times'."""
    now, more, less = (_verdict(one) for one in (judged.now, judged.more, judged.less))
    return Row(judged.claim.says, now, more, less, judged.flips, factor_text(judged.flips_at))


def _verdict(verdict: Verdict | None) -> str:
    return NO_VALUE if verdict is None else verdict.verdict.replace("_", " ")


def factor_text(factor: float | None) -> str:
    """'1.5 times', 'a third as large' is '0.333 times'; '' for none."""
    return "" if factor is None else f"{factor:,.4g} times"


def off_json(case: Case, found: Iterable[Off], factor: float, when: Condition | None, today: date) -> dict[str, Any]:
    """The contract of `cases numbers CASE --json`: estimates' numbers are in their `unit`."""
    origins = assumptions_json(case, today)
    rows = [
        {
            "name": one.name,
            **{key: origins[one.name][key] for key in ("text", "basis", "number", "age", "old")},
            "estimates": [_moved_json(case, moved) for moved in one.estimates],
            "claims": [_judged_json(judged) for judged in one.claims],
            **({} if when is None else {"meets_at": one.meets_at}),
        }
        for one in found
    ]
    return {"case": case.id, "factor": factor, **({} if when is None else {"when": when.text}), "assumptions": rows}


def _moved_json(case: Case, moved: Moved) -> dict[str, Any]:
    def number(quantity: Quantity | None) -> float | None:
        return None if quantity is None else case.units.number_in(quantity, moved.unit)

    return {
        "name": moved.name,
        "unit": moved.unit,
        "now": number(moved.now),
        "more": number(moved.more),
        "less": number(moved.less),
    }


def _judged_json(judged: Judged) -> dict[str, Any]:
    return {
        "says": judged.claim.says,
        "of": judged.claim.of,
        "now": judged.now.verdict,
        "more": judged.more.verdict if judged.more else None,
        "less": judged.less.verdict if judged.less else None,
        "flips": judged.flips,
        "flips_at": judged.flips_at,
    }


def off_text(case: Case, found: Iterable[Off], factor: float, when: Condition | None, today: date) -> str:
    """For a terminal: a block for each assumption."""
    lines = [f"{case.title}: what if a number is {factor:g} times more, or less"]
    for one in found:
        origin = provenance(case, one.name)
        lines += ["", f"{label_of(case, one.name)}: {origin.value}", *_indented(origin_line(origin, today))]
        if when is not None:
            at = factor_text(one.meets_at)
            lines.append(f"  {when.text}: {f'at {at} its value' if at else 'whatever it is, never'}")
        rows = [*(moved_row(case, moved) for moved in one.estimates), *(judged_row(case, j) for j in one.claims)]
        lines += [line for row in rows for line in _row_lines(row, factor)]
    return "\n".join(lines)


def _row_lines(row: Row, factor: float) -> Iterator[str]:
    yield from textwrap.wrap(f"  {row.what}", WIDTH, subsequent_indent="  ")
    tail = f"; tips over at {row.flips_at} its value" if row.flips_at else ""
    flips = ", FLIPS" if row.flips else ""
    yield from _indented(f"{row.now}; × {factor:g}: {row.more}; ÷ {factor:g}: {row.less}{flips}{tail}")
