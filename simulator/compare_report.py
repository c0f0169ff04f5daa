"""A comparison for a page: each difference as a sentence, as a row of a table, and as a whisker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cases.knobs import written
from cases.spec import Case
from simulator.compare import Comparison, Difference
from simulator.tradeoff import LATENCY, axes

SAME, TIE = "the same", "a tie"


class Whisker(NamedTuple):
    """A difference with its interval, drawn to its own scale: what lies furthest from zero is 1 or -1."""

    low: float
    value: float
    high: float


class Row(NamedTuple):
    """One figure of two designs."""

    figure: str
    a: str
    b: str
    difference: str  # b - a, with sign and unit
    interval: str
    word: str  # better, worse, more, less, the same, a tie
    sentence: str
    whisker: Whisker | None  # None where there is nothing to draw

    def cells(self) -> dict[str, str]:
        """For a table."""
        return {
            "Figure": self.figure,
            "A": self.a,
            "B": self.b,
            "B - A": self.difference,
            "Interval": self.interval,
            "B is": self.word,
        }


def compared_rows(case: Case, comparison: Comparison) -> list[Row]:
    """Latencies, availability, the outcomes, the cost."""
    less = {axis.name: axis.less for axis in axes(case)}
    rows = [_row(one, one.name != "availability", comparison.b) for one in comparison.differences]
    rows += [_row(one, less.get(name), comparison.b) for name, one in comparison.outcomes.items()]
    return [*rows, *_cost(comparison)]


def the_figure(comparison: Comparison, name: str) -> Difference | None:
    """The difference in what an objective judges or an outcome says; None where there is none to be had."""
    if name in comparison.outcomes:
        return comparison.outcomes[name]
    wanted = name.removeprefix(LATENCY).replace(".", "")
    return next((one for one in comparison.differences if one.name == wanted), None)


def changed_paths(case: Case, a: Mapping[str, str], b: Mapping[str, str]) -> list[dict[str, str]]:
    """Where two designs differ, for a table; each is given by its changes against the case as written."""
    rows = []
    for path in dict.fromkeys([*a, *b]):
        own = written(case.tree, path)
        first, second = a.get(path, own), b.get(path, own)
        if first != second:
            rows.append({"Path": path, "A": first, "B": second})
    return rows


def _row(one: Difference, less: bool | None, second: str) -> Row:
    value, low, high = one.difference
    interval = "–" if low is None or high is None else f"{one.signed(low)} to {one.signed(high)}"
    return Row(
        one.name,
        one.text(one.a),
        one.text(one.b),
        "–" if value is None else one.signed(value),
        interval,
        _word(one, less),
        one.sentence(second),
        _whisker(one),
    )


def _word(one: Difference, less: bool | None) -> str:
    value, low, high = one.difference
    if value is None:
        return "–"
    if value == low == high == 0:
        return SAME
    if low is None:
        return "not known"
    if not one.decided:
        return TIE
    if less is None:
        return "more" if value > 0 else "less"
    return "better" if (value < 0) == less else "worse"


def _whisker(one: Difference) -> Whisker | None:
    value, low, high = one.difference
    if value is None or low is None or high is None:
        return None
    furthest = max(abs(low), abs(high)) or 1.0
    return Whisker(low / furthest, value / furthest, high / furthest)


def _cost(comparison: Comparison) -> Iterator[Row]:
    """No luck is in it, but for replicas that follow the load."""
    more = comparison.cost_difference
    if more is None:
        return
    a, b = (f"${usd:,.2f}/hour" for usd in comparison.cost if usd is not None)
    size = f"${abs(more):,.2f}/hour"
    if not more:
        yield Row("cost", a, b, "$0.00/hour", "–", SAME, f"cost: the same, {a}", Whisker(0.0, 0.0, 0.0))
        return
    sign = 1.0 if more > 0 else -1.0
    costs = f"{comparison.b} costs {size} {'more' if more > 0 else 'less'}, {b} in place of {a}"
    word = "worse" if more > 0 else "better"
    yield Row("cost", a, b, f"{'+' if more > 0 else '-'}{size}", "–", word, costs, Whisker(sign, sign, sign))
