"""Several typed lines as a sheet: names, formulas, and the numbers that somebody states for them.

    # a line each; what follows a hash is a comment
    counts: heatmap                                   nouns that the registry does not know
    daily_users = 8e6..12e6 user/day                  one quantity or range: an assumption
    visit_rate = daily_users * 4 visit/user in visit/s
    log_rate = visit_rate * 2 KB states 1 MB/s        a number that somebody states for it
    visit_rate * 30 days                              no name: just an answer

A line uses the names of lines before it. As in `check`, count nouns that are left over in a product are read into
it where a number is stated or a unit wanted, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from estimators.check import differs_by_time, left_over, read_into, stated_number, taken_apart
from estimators.claims import Verdict, judge
from estimators.dimension import Dimension, common
from estimators.errors import FormulaError, shown
from estimators.formula import Formula, unknown_name
from estimators.sheet import Assumption, Claim, Estimate, Result, Sheet, Working
from estimators.tree import Product
from estimators.units import Quantity, Range, Units

MAX_CHARACTERS, MAX_LINES, MAX_CLAIMS, MAX_PROBLEMS = 20_000, 200, 100, 20
SOURCE = "typed"
"""the source of the claims of a sheet"""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAMED = re.compile(r"([^\W\d]\w*(?:[ .-]\w+)*)\s*=(?!=)\s*(.*)", re.DOTALL)
_COUNTS = re.compile(r"counts?\s*:\s*(.*)")
_RANGE = re.compile(r"\.\.|\sto\s")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says something. `name` is made up where it has none; `formula` is None for an assumption."""

    number: int
    name: str
    named: bool
    text: str
    """what stands for the formula or value, as typed"""
    comment: str
    unit: str | None
    """the unit that the line asks for"""
    states: Quantity | None
    formula: Formula | None = None
    """as computed: what is read into the text is divided out"""
    read_in: str = ""
    """the end of the formula's text that is not the line's"""
    note: str | None = None

    @property
    def shown(self) -> str:
        """What to call it."""
        return self.name.replace("_", " ") if self.named else self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """A line, computed; an assumption has no result. `working` is of the line as typed."""

    line: Line
    value: Quantity | Range
    unit: str
    working: Working | None = None
    result: Result | None = None
    verdict: Verdict | None = None
    note: str | None = None


@dataclass(frozen=True)
class Lines:
    """What was typed: a sheet, and the problems of the lines that are not in it as (line, message)."""

    sheet: Sheet
    lines: tuple[Line, ...]
    nouns: tuple[str, ...]
    misread: tuple[tuple[int, str], ...] = field(default=())

    @cached_property
    def problems(self) -> list[tuple[int, str]]:
        """Everything that is wrong, by line; line 0 stands for the whole."""
        at = {line.name: line.number for line in self.lines}
        found = [*self.misread, *((at.get(name, 0), message) for name, message in self.sheet.problems())]
        return sorted(found)[:MAX_PROBLEMS]

    @cached_property
    def answers(self) -> list[Answer]:
        """The lines that can be computed."""
        results = self.sheet.results()
        found = (_answer(line, self.sheet, results) for line in self.lines)
        return [answer for answer in found if answer is not None]

    @property
    def claims(self) -> list[Claim]:
        """The numbers stated."""
        return [
            Claim(f"{line.shown} is {line.states.text}"[-200:], line.name, line.states, SOURCE)
            for line in self.lines
            if line.states is not None
        ]

    def checked(self) -> Lines:
        """Itself; one FormulaError with every problem, a line each, if there are any."""
        if self.problems:
            raise FormulaError("\n".join(located(number, message) for number, message in self.problems))
        return self


def located(number: int, message: str) -> str:
    """A message with its line in front."""
    return f"line {number}: {message}" if number else message


def read(text: str, states: str = "") -> Lines:
    """Read a sheet. It never raises: what is wrong with it is in `problems`, and the rest is computed.

    `states` is a number that somebody states for its only calculation.
    """
    reader = _Reader(Units())
    if len(text) > MAX_CHARACTERS:
        reader.problems.append((0, f"a sheet takes at most {MAX_CHARACTERS:,} characters; split it up"))
        text = ""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        reader.problems.append((0, f"{len(lines):,} lines; a sheet takes at most {MAX_LINES}; split it up"))
        lines = []
    typed = [(number, *_comment_off(line)) for number, line in enumerate(lines, 1)]
    reader.declare(typed)
    saying = [(number, said, comment) for number, said, comment in typed if said and not _COUNTS.fullmatch(said)]
    if states.strip() and len(saying) > 1:
        reader.problems.append(
            (0, f"{shown(states)} is stated for which line? Write it there: 'FORMULA states NUMBER'")
        )
    elif states.strip():
        saying = [(number, f"{said} states {states}", comment) for number, said, comment in saying]
    for number, said, comment in saying:
        if len(reader.problems) < MAX_PROBLEMS:
            reader.line(number, said, comment)
    if not reader.lines and not reader.problems:
        reader.problems.append((0, "nothing to compute; write for example 'storage = 500 B/row * 800e9 rows'"))
    return reader.done()


def _comment_off(line: str) -> tuple[str, str]:
    said, _, comment = line.partition("#")
    return said.strip(), "".join(c if c.isprintable() else " " for c in comment).strip()


class _Reader:
    """Reads line by line; what a line gives is known to those after it."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.nouns: list[str] = []
        self.lines: list[Line] = []
        self.problems: list[tuple[int, str]] = []
        self.assumptions: list[Assumption] = []
        self.known: dict[str, Dimension] = {}
        self.broken: set[str] = set()
        self.later: dict[str, int] = {}

    def declare(self, typed: list[tuple[int, str, str]]) -> None:
        """The nouns of the 'counts:' lines, and where each name is given."""
        for number, said, _ in typed:
            if declared := _COUNTS.fullmatch(said):
                try:
                    nouns = [noun for noun in re.split(r"[\s,]+", declared[1]) if noun]
                    self.units = Units([*self.nouns, *nouns])
                    self.nouns += nouns
                except FormulaError as error:
                    self.problems.append((number, str(error)))
            elif named := _NAMED.fullmatch(said):
                self.later.setdefault(named[1], number)

    def line(self, number: int, said: str, comment: str) -> None:
        """Read one line; a problem is noted, and who uses its name is silent about it."""
        named = _NAMED.fullmatch(said)
        name, rest = (named[1], named[2]) if named else (f"line_{number}", said)
        try:
            if named:
                self._check_name(name, number)
            line = self._read(number, name, bool(named), rest, comment)
        except FormulaError as error:
            self.problems.append((number, str(error)))
            self.broken.add(name)
            return
        if line is None:
            self.broken.add(name)
        else:
            self.lines.append(line)

    def _check_name(self, name: str, number: int) -> None:
        if self.units.is_unit(name):
            raise FormulaError(f"{shown(name)} is a unit, no name may be one; write for example 'total_{name.lower()}'")
        if not _NAME.fullmatch(name):
            guess = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:40]
            raise FormulaError(
                f"{shown(name)} is not a name; small letters, digits and _ make one, as in {shown(guess or 'storage')}"
            )
        if self.later[name] != number:
            raise FormulaError(f"{shown(name)} stands in line {self.later[name]} already; choose another name")

    def _read(self, number: int, name: str, named: bool, rest: str, comment: str) -> Line | None:
        """The line; None where it uses a name that has its own problem."""
        typed = taken_apart(rest)
        states = stated_number(typed.states, self.units) if typed.states is not None else None
        if states is not None and sum(line.states is not None for line in self.lines) >= MAX_CLAIMS:
            raise FormulaError(f"more than {MAX_CLAIMS} numbers are stated; split the sheet up")
        plain = Line(number, name, named, typed.formula.strip(), comment, typed.unit, states)
        if (value := self._assumed(plain)) is not None:
            self.assumptions.append(Assumption(name, value))
            self.known[name] = value.low.dimension if isinstance(value, Range) else value.dimension
            return plain
        formula = Formula.parse(typed.formula, self.units)
        if formula.names & self.broken:
            return None
        for unknown in sorted(formula.names - self.known.keys()):
            raise self._unknown(unknown)
        computed = formula.dimension(self.known)
        wanted = states.dimension if states else self.units.unit(typed.unit)[1] if typed.unit else computed
        extra = left_over(formula, computed, wanted, self.known)
        if extra is None or any(abs(power) != 1 for _, power in extra.powers):
            self.known[name] = computed
            return replace(plain, formula=formula)
        self.known[name] = computed / extra
        read_in = "".join(f" {'/' if power > 0 else '*'} 1 {noun}" for noun, power in extra.powers)
        whole = formula.text if isinstance(formula.tree, Product) else f"({formula.text})"
        note = read_into(formula, extra, self.known)
        return replace(plain, formula=Formula.parse(whole + read_in, self.units), read_in=read_in, note=note)

    def _assumed(self, line: Line) -> Quantity | Range | None:
        """The value of an assumption; None where the line is a formula."""
        alone = line.named and line.unit is None and line.states is None
        if _RANGE.search(line.text):
            if not alone:
                raise FormulaError(
                    f"{shown(line.text)}: a range is an assumption, which is a line with a name and nothing else; "
                    "as in 'daily_users = 8e6..12e6 user/day'"
                )
            return self.units.range(line.text)
        if not alone:
            return None
        try:
            return self.units.quantity(line.text)
        except FormulaError:
            return None

    def _unknown(self, name: str) -> FormulaError:
        if name in self.later:
            return FormulaError(
                f"{shown(name)} is given in line {self.later[name]}; a line uses the names of lines before it"
            )
        return unknown_name(name, self.known, self.units)

    def done(self) -> Lines:
        """The sheet and what is wrong with it."""
        estimates = [Estimate(line.name, line.formula, self._unit(line)) for line in self.lines if line.formula]
        sheet = Sheet(self.units, self.assumptions, estimates)
        return Lines(sheet, tuple(self.lines), tuple(self.nouns), tuple(self.problems))

    def _unit(self, line: Line) -> str | None:
        """The unit to print a line in: the one asked for, or that of the number stated if it fits."""
        if line.unit is not None or line.states is None:
            return line.unit
        fits = common(line.states.dimension, self.known[line.name])
        return self.units.written_unit(line.states.text) if fits else None


def _answer(line: Line, sheet: Sheet, results: Mapping[str, Result]) -> Answer | None:
    """A line's answer; None where it has a problem."""
    units = sheet.units
    if line.formula is None:
        value = next(one.value for one in sheet.assumptions if one.name == line.name)
        return Answer(line, value, units.unit_for(replace(sheet.quantities()[line.name], text=value.text)))
    result = results.get(line.name)
    if result is None:
        return None
    verdict = judge(line.states, result.value, result.low, result.high, units=units) if line.states else None
    notes = [line.note, f"no interval: {result.no_interval}" if result.no_interval else None]
    if verdict is not None and verdict.verdict == "wrong_dimension":
        notes.append(differs_by_time(verdict.stated.dimension, verdict.computed.dimension))
    note = "; ".join(one for one in notes if one)
    return Answer(line, result.value, result.unit, _working(line, result.working), result, verdict, note or None)


def _working(line: Line, working: Working) -> Working:
    """The working of the line as typed: without what was read into it, and without a made-up name."""
    read_in = line.read_in.replace("*", "×").replace("/", "÷")
    return Working(
        working.symbols.removesuffix(read_in),
        working.substituted.removesuffix(read_in),
        working.value_text,
        working.name if line.named else "",
    )
