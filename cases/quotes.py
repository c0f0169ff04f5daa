"""Quotes: the live numbers in the texts of a story.

`{WHAT in SCENARIO with DESIGN as UNIT}`; all but WHAT may be left out. WHAT is a formula in the language of outcomes.
Without a scenario and a design it is of the case as written. One that uses nothing of a run needs none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from cases.errors import shown
from estimators.errors import FormulaError

EXAMPLE = "{latency_p99 in rush}"
_KEYS = {"in": "the name of a scenario", "with": "the name of a design", "as": "a unit"}  # in this order
BASELINE = "baseline"
LEAD = 40  # characters of a text, for messages


class RunName(NamedTuple):
    """Which run a number is of; None: no scenario, and the case as written."""

    scenario: str | None = None
    design: str | None = None

    def __str__(self) -> str:
        parts = (f"{word} {name}" for word, name in (("in", self.scenario), ("with", self.design)) if name)
        return " ".join(parts)


class Quote(NamedTuple):
    """A formula, the run that it is of, and the unit to print it in."""

    what: str
    run: RunName = RunName()
    unit: str | None = None

    def __str__(self) -> str:
        given = (self.what, str(self.run), f"as {self.unit}" if self.unit else "")
        return shown("{" + " ".join(part for part in given if part) + "}")


Written = tuple[str | Quote, ...]
"""A text: words, and the quotes between them."""


def run_name(scenario: str | None, design: str | None) -> RunName:
    """With the case as written called None."""
    return RunName(scenario, None if design == BASELINE else design)


# -- read -------------------------------------------------------------------------------------------------------------


def parse(text: str) -> Written:
    """The parts of a text in order; FormulaError for braces that do not close, and for what stands in them."""
    return tuple(_parts(text))


def _parts(text: str) -> Iterator[str | Quote]:
    place = 0
    while place < len(text):
        begin, end = text.find("{", place), text.find("}", place)
        if begin < 0 <= end or 0 <= end < begin:
            raise FormulaError(
                f"{shown(text[max(0, end - LEAD) : end + 1])}: '}}' closes nothing; a quote is written as '{EXAMPLE}'"
            )
        if begin < 0:
            yield text[place:]
            return
        if begin > place:
            yield text[place:begin]
        again = text.find("{", begin + 1)
        if end < 0 or 0 < again < end:
            raise FormulaError(
                f"{shown(text[begin : begin + LEAD])}: '{{' is not closed; a quote is written as '{EXAMPLE}'"
            )
        yield _quote(text[begin + 1 : end])
        place = end + 1


def _quote(inside: str) -> Quote:
    words = inside.split()
    places = [*(i for i, word in enumerate(words) if word in _KEYS), len(words)]
    keys, what = [words[i] for i in places[:-1]], " ".join(words[: places[0]])
    given = {words[i]: " ".join(words[i + 1 : end]) for i, end in itertools.pairwise(places)}
    in_order = [key for key in _KEYS if key in given]
    if keys != in_order:
        order = "each of them at most once" if len(keys) > len(in_order) else "in this order"
        raise FormulaError(f"{_braces(inside)}: write 'in SCENARIO', 'with DESIGN', 'as UNIT', {order}")
    if not what:
        raise FormulaError(f"{_braces(inside)} quotes nothing; write for example '{EXAMPLE}'")
    for key, value in given.items():
        if not value or (" " in value and key != "as"):
            raise FormulaError(f"{_braces(inside)}: after '{key}' stands {_KEYS[key]}, one word, as in '{EXAMPLE}'")
    return Quote(what, run_name(given.get("in"), given.get("with")), given.get("as"))


def _braces(inside: str) -> str:
    return shown("{" + inside + "}")
