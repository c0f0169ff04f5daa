"""Numbers as they are said: what a quote stands for, as text, with where it comes from."""

from __future__ import annotations

from typing import Any, NamedTuple

from cases.outcomes import LATENCIES
from cases.quoted import Quoted
from cases.quotes import Quote
from estimators import printing
from simulator.results import Interval

WAITING = "…"  # in place of a number whose run is not there yet
NONE = "–"  # where the run gives it no value,
NO_ANSWER = "no answer"  # and of a latency that falls among requests without one
LARGEST_WHOLE = 1e6  # below that a whole number of the case is written out
DIGITS = 3  # of a simulated number, whose interval has no more, and of a computed one
FOUR_DIGITS = 1e3  # from which on a computed number has four


class Number(NamedTuple):
    """A quote filled in; `low` and `high`: the 95 % interval of a simulated number, the 90 % one of an assumption."""

    text: str  # '150 ms'
    value: float | None  # in `unit`
    low: float | None
    high: float | None
    unit: str
    of: str  # 'assumption', 'estimate', 'simulated, in rush with more_rankers, seed 1'
    waiting: bool = False  # for its run

    @property
    def origin(self) -> str:
        """What it is of, with its interval: 'simulated, seed 1; 95 % interval 147 ms to 153 ms'."""
        if self.low is None or self.high is None or self.low == self.high:
            return self.of
        share = "90 %" if self.of.startswith("assumption") else "95 %"
        return f"{self.of}; {share} interval {said(self.low, self.unit)} to {said(self.high, self.unit)}"

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {key: value for key, value in self._asdict().items() if key != "waiting"}


def waiting(quote: Quote) -> Number:
    """In place of a number whose run is not there yet."""
    return Number(WAITING, None, None, None, quote.unit or "", _of(quote, "simulated"), True)


def number(quote: Quote, found: Quoted, seed: int | None = None) -> Number:
    """The value of a quote for reading; `seed`: of its run."""
    if found.kind != "simulated":
        (value,), (low, high) = found.values, found.between or (None, None)
        assert value is not None, "only a run gives no value"
        computed = found.kind in ("estimate", "formula") or found.between is not None
        exact = value == round(value) or abs(value) >= FOUR_DIGITS or not computed
        text = (stated if exact else said)(value, found.unit)
        return Number(text, value, low, high, found.unit, _of(quote, found.kind))
    value, low, high = Interval.of(found.values, found.least, found.most)
    of = _of(quote, "simulated", *(() if seed is None else (f"seed {seed}",)))
    if value is None:
        text = NO_ANSWER if quote.what in LATENCIES else NONE
        return Number(text, None, None, None, found.unit, "; ".join(filter(None, (of, found.problem))))
    return Number(said(value, found.unit), value, low, high, found.unit, of)


def _of(quote: Quote, kind: str, *more: str) -> str:
    what = f"{kind} {quote.what}" if kind in ("path", "formula") else kind
    return ", ".join(part for part in (what, str(quote.run), *more) if part)


def stated(value: float, unit: str) -> str:
    """A number of the case as one would write it: whole ones below a million in full, others with four digits."""
    text = printing.with_unit(value, unit)
    if value != round(value) or abs(value) >= LARGEST_WHOLE:
        return text
    return _round_dollars(text, unit).replace(printing.number(value), f"{value:,.0f}", 1)


def said(value: float, unit: str) -> str:
    """A number that was computed or simulated: three digits; of a share near 100 % two of what is missing."""
    if unit == "%" and 99 <= value < 100:
        missing = float(f"{100 - value:.2g}")
        return f"{100 - missing:.8g} %"
    text = printing.with_unit(float(f"{value:.{DIGITS}g}"), unit)
    return _round_dollars(text, unit) if abs(value) >= 99.95 else text


def _round_dollars(text: str, unit: str) -> str:
    """Without cents where there are none."""
    return text.replace(".00", "", 1) if unit.startswith("$") else text
