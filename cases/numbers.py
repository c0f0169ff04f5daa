"""Numbers to know: a sourced and dated table, and where any assumption of a case has its number from.

`numbers.yaml` holds it. An assumption takes one by `value: = numbers.NAME`, and only an assumption does. Ages are
counted to a day that is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from cases.errors import Problem, near, not_among, shown
from cases.explain import explained
from cases.fields import wrong
from cases.nouns import Name, Noun, Prose, Text, Title
from cases.spec import Case, Source
from cases.tree import Tree
from cases.words import choice
from cases.yaml_reader import Document, parse
from estimators.errors import FormulaError
from estimators.units import Quantity, Range, Units

FILE = Path(__file__).parent / "numbers.yaml"
PREFIX = "numbers."
OLD = {"latencies": 48, "throughputs": 48, "sizes": 48, "ratios": 48, "prices": 18}
"""The groups, and the months after which one of their numbers is old: hardware ages more slowly than prices."""


def first_day(moment: str) -> date:
    """Of a year, a month or a day: 2026, 2026-03, 2026-03-08. ValueError if there is no such day."""
    year, month, day = ([int(part) for part in moment.split("-")] + [1, 1])[:3]
    return date(year, month, day)


def _a_moment(text: str) -> str:
    try:
        first_day(text)
    except ValueError:
        raise wrong(f"{shown(text)} is in no calendar; write a year, a month or a day, as 2026-03") from None
    return text


Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}(-\d{2}){0,2}$"), AfterValidator(_a_moment)]


class NumberSpec(Noun):
    """A number as its file has it. `value` is read with the units that every case has."""

    label: Title
    value: Text
    basis: Annotated[str, *choice("basis", ("published", "measured", "illustrative"))]
    source: str | None = None
    as_of: Moment
    note: Prose | None = None

    @model_validator(mode="after")
    def _supported(self) -> NumberSpec:
        if self.basis == "illustrative" and self.note is None:
            raise wrong("basis 'illustrative' needs a 'note' that says where the number comes from")
        if self.basis != "illustrative" and self.source is None:
            raise wrong(f"basis '{self.basis}' needs a 'source'; name one of the file's sources")
        return self


Group = Annotated[dict[Name, NumberSpec], Field(max_length=200)]


class TableSpec(Noun):
    """The file: sources, and the groups of numbers."""

    sources: dict[Name, Source]
    latencies: Group = Field(default={})
    throughputs: Group = Field(default={})
    sizes: Group = Field(default={})
    ratios: Group = Field(default={})
    prices: Group = Field(default={})


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the table. `value` is its text, `quantity` what that says."""

    name: str
    group: str
    label: str
    value: str
    quantity: Quantity | Range
    basis: str
    source: Source | None
    as_of: str
    note: str


@cache
def table() -> Mapping[str, Number]:
    """The numbers by name, in the order of the file."""
    return read(FILE.read_text(encoding="utf-8"), FILE.name)


def read(text: str, name: str) -> dict[str, Number]:
    """The numbers of a file; CaseError with file and line for each problem. `name` stands for it in messages."""
    document = parse(text, name)
    try:
        spec = TableSpec.model_validate(document.tree)
    except ValidationError as error:
        raise document.error(list(_explained(error, document))) from None
    found: dict[str, Number] = {}
    problems: list[Problem] = []
    units = Units()
    for group in OLD:
        for key, one in getattr(spec, group).items():
            where = f"{group}.{key}"
            if key in found:
                problems.append(Problem(where, f"stands in '{found[key].group}' too; a name is given once"))
            if one.source is not None and one.source not in spec.sources:
                problems.append(
                    Problem(f"{where}.source", not_among(one.source, "a source of this file", spec.sources))
                )
            source = spec.sources.get(one.source or "")
            if source is not None and (source.checked or "") < one.as_of:
                said = f"'{one.as_of}' is later than {source.checked or 'never'}, when its source was read"
                problems.append(Problem(f"{where}.as_of", f"{said}; correct one of them"))
            try:
                quantity = units.value(one.value)
            except FormulaError as error:
                problems.append(Problem(f"{where}.value", str(error)))
                continue
            found[key] = Number(
                key, group, one.label, one.value, quantity, one.basis, source, one.as_of, one.note or ""
            )
    if problems:
        raise document.error(problems)
    return found


def _explained(error: ValidationError, document: Document) -> Iterator[Problem]:
    tree: Tree = document.tree
    for one, said in zip(error.errors(include_url=False), explained(error, tree), strict=False):
        location = one["loc"]
        if one["type"] == "string_pattern_mismatch" and location[-1] == "as_of":
            yield Problem(said.path, f"{shown(str(one['input']))} is no date; write for example '2026-03'")
        elif one["type"] == "extra_forbidden":
            model: type[Noun] = TableSpec if len(location) == 1 else Source if location[0] == "sources" else NumberSpec
            yield Problem(said.path, not_among(str(location[-1]), "a key here", model.model_fields))
        else:
            yield said


def number(reference: str) -> Number:
    """The number that 'numbers.NAME' stands for (FormulaError)."""
    name = reference.removeprefix(PREFIX)
    if name in table():
        return table()[name]
    meant = near(name, table())
    hint = f"did you mean '= {PREFIX}{meant}'?" if meant else "`python -m cases numbers` prints them"
    raise FormulaError(f"{shown('= ' + reference)} is not in the table of numbers; {hint}")


def refers(text: str) -> bool:
    """Whether a text is '= numbers.NAME'."""
    return text.startswith("=") and text[1:].strip().startswith(PREFIX)


def assumed(text: str) -> str:
    """The text of an assumption, with what the table has in place of '= numbers.NAME' (FormulaError)."""
    if not text.startswith("="):
        return text
    if not refers(text):
        raise FormulaError(
            f"{shown(text)}: an assumption is a value, or a number of the table; write for example "
            f"'= {PREFIX}{next(iter(table()))}'"
        )
    return number(text[1:].strip()).value


# -- how old, and from where ------------------------------------------------------------------------------------------


class Age(NamedTuple):
    """How old a number is, in words: 'priced 2025-06, 17 months ago'."""

    text: str
    old: bool


def age(one: Number, today: date) -> Age:
    """A year or a month counts from its first day: the number may be that old."""
    began = first_day(one.as_of)
    months = (today.year - began.year) * 12 + today.month - began.month - (today.day < began.day)
    verb = {"published": "priced" if one.group == "prices" else "published", "illustrative": "assumed"}
    return Age(
        f"{verb.get(one.basis, one.basis)} {one.as_of}, {_ago(one.as_of, months, today)}", months > OLD[one.group]
    )


def _ago(moment: str, months: int, today: date) -> str:
    if months < 0:
        return "later than today"
    if "-" not in moment:
        years = today.year - int(moment)
        return {0: "this year", 1: "last year"}.get(years, f"{years} years ago")
    if months < 24:
        return {0: "less than a month ago", 1: "a month ago"}.get(months, f"{months} months ago")
    return f"{months // 12} years ago"


class Provenance(NamedTuple):
    """Where an assumption has its number from. Texts are empty where there is nothing to say."""

    value: str
    """as it stands; of a number of the table, what the table has"""
    basis: str
    """the kind; of a number of the table, its own"""
    number: Number | None
    """the one of the table, also where a change put another value over it"""
    title: str
    url: str
    checked: str
    note: str
    instead_of: str
    """what the case has there as written, where a change put another value over it"""


def provenance(case: Case, name: str) -> Provenance:
    """Of an assumption of a case."""
    spec = case.assumptions[name]
    written = case.as_written.assumptions.get(name, spec)
    value, before = assumed(spec.value), assumed(written.value)
    known = from_table(case).get(name)
    if known is not None:
        basis, source, note = known.basis, known.source, known.note
    else:
        basis, source, note = spec.basis.kind, case.sources.get(spec.basis.source or ""), spec.basis.note or ""
    title, url, checked = (source.title, source.url or "", source.checked or "") if source else ("", "", "")
    return Provenance(value, basis, known, title, url, checked, note, "" if value == before else before)


def from_table(case: Case) -> dict[str, Number]:
    """The assumptions of a case that have their number from the table; one that was changed had it."""
    found = {}
    for name, spec in case.assumptions.items():
        written = case.as_written.assumptions.get(name, spec)
        text = next((one.value for one in (spec, written) if one.value.startswith("=")), None)
        if text is not None and spec.basis.kind == "number":
            found[name] = number(text[1:].strip())
    return found
