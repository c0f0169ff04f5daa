"""A stated number against the computed one: a verdict, and the slip that would explain the gap.

`supported`: within 2 %, or inside the estimate's 90 % interval. `rounded`: within a factor of 1.5,
which a back of an envelope may do. Beyond that `too_high` or `too_low`. None of these says whether
the inputs are right: they say what follows from them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from estimators.dimension import BYTE, Dimension, common
from estimators.errors import FormulaError
from estimators.sheet import Claim, Result
from estimators.units import Quantity, Units

Judgement = Literal["supported", "rounded", "too_high", "too_low", "wrong_dimension"]

ROUNDING = 1.5
"""the factor within which a number is rounded, unless somebody says otherwise"""
CLOSE = 0.02
"""relative gap up to which a number is supported, and up to which a slip fits"""
TIGHT = 0.003
"""the same for gaps that are small themselves, and for two slips at once"""
LEAST_OF_TWO = 80
"""a smaller factor is too often explained by two slips that nobody made"""

_SCALES = {10: "a factor of ten", 100: "a factor of a hundred", 10**4: "a factor of ten thousand",
           10**5: "a factor of a hundred thousand", 10**7: "a factor of ten million",
           10**8: "a factor of a hundred million"}  # fmt: skip
_STEPS = {1: "one prefix step", 2: "two prefix steps", 3: "three prefix steps", 4: "four prefix steps"}
_TIMES = {
    60: "60: per minute against per second, or per hour against per minute",
    3600: "3,600: per hour against per second",
    24: "24: per day against per hour",
    86_400: "86,400: per day against per second",
    30: "30: per month against per day",
    365: "365: per year against per day",
    12: "12: per year against per month",
    7: "7: per week against per day",
    168: "168: per week against per hour",
    720: "720: per month against per hour",
    1440: "1,440: per day against per minute",
    8760: "8,760: per year against per hour",
    43_200: "43,200: per month against per minute",
    604_800: "604,800: per week against per second",
    2_592_000: "2.59 million: per month against per second",
    31_536_000: "31.5 million: per year against per second",
}
_MONTH = re.compile(r"\bmo(nths?)?\b")
_MONTH_GAP = (365 / 12) / 30
_MONTH_SLIP = "months of 2.63 million seconds (365/12 days) against 2.59 million (30 days)"
_TIMES_AS_WELL = (60, 3600, 24, 86_400, 30, 365, 2_592_000, 31_536_000)
_WORDS = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times", 7: "seven times",
          8: "eight times", 9: "nine times", 10: "ten times", 100: "a hundred times",
          1000: "a thousand times", 10**6: "a million times"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ratio` is stated/computed, None where the two cannot be compared or the computed value is zero."""

    stated: Quantity
    computed: Quantity
    unit: str
    """the unit in which the number was stated"""
    ratio: float | None
    verdict: Judgement
    slip: str | None
    """the likely explanation, in words that can follow 'a slip of'"""
    sentence: str


def judge(
    stated: Quantity,
    computed: Quantity,
    low: Quantity | None = None,
    high: Quantity | None = None,
    rounding: float = ROUNDING,
    units: Units | None = None,
    typed: str | None = None,
) -> Verdict:
    """Compare; `low` and `high` bound the computed value's 90 % interval, `rounding` >= 1 is a factor.

    `typed` is the calculation as it was typed, if that is all there is to it: then it tells which slips are possible.
    """
    if not rounding >= 1:
        raise FormulaError(f"rounding by a factor of {rounding:g}: it is at least 1, for example 1.5")
    units = units or Units()
    unit = units.written_unit(stated.text) if stated.text else units.unit_for(stated)
    if common(stated.dimension, computed.dimension) is None:
        sentence = (
            f"cannot be compared: {units.format(stated, unit)} is {stated.dimension.described()}, "
            f"its own numbers give {units.format(computed)}, which is {computed.dimension.described()}"
        )
        return Verdict(stated, computed, unit, None, "wrong_dimension", None, sentence)
    ratio = stated.value / computed.value if computed.value else None
    if ratio is not None and not math.isfinite(ratio):
        ratio = None
    inside = low is not None and high is not None and low.value <= stated.value <= high.value
    verdict = _verdict(stated.value, computed.value, inside, rounding)
    slip = None if inside or ratio is None else likely_slip(ratio, stated.dimension)
    if slip == _MONTH_SLIP and typed is not None and not _MONTH.search(f"{typed} {stated.text}"):
        slip = None
    sentence = _sentence(verdict, ratio, computed, unit, slip, units)
    return Verdict(stated, computed, unit, ratio, verdict, slip, sentence)


def judge_claim(claim: Claim, result: Result, units: Units, rounding: float = ROUNDING) -> Verdict:
    """A sheet's claim against the result it is about."""
    return judge(claim.value, result.value, result.low, result.high, rounding, units)


def _verdict(stated: float, computed: float, inside: bool, rounding: float) -> Judgement:
    if inside or abs(stated - computed) <= CLOSE * (1 + 1e-12) * abs(computed):
        return "supported"
    if stated * computed > 0 and 1 / rounding <= stated / computed * (1 + 1e-12) <= rounding * (1 + 2e-12):
        return "rounded"
    return "too_high" if stated > computed else "too_low"


def likely_slip(ratio: float, dimension: Dimension) -> str | None:
    """The slip whose factor is nearest to `ratio` (or its inverse), within 2 %; None if nothing fits.

    Two slips at once are thought of only where one explains nothing, and have to fit within 0.3 %; bits, bytes
    and binary prefixes only where bytes are concerned.
    """
    if not (ratio > 0 and math.isfinite(ratio)):
        return None
    factor = max(ratio, 1 / ratio)
    has_bytes = bool(dimension.power(BYTE))
    if factor < 1.3:
        return _nearest(factor, _small_gaps(has_bytes))
    return _nearest(factor, _factors(has_bytes)) or _nearest(factor, _pairs(has_bytes))


def _nearest(factor: float, candidates: Iterable[tuple[float, float, str]]) -> str | None:
    fitting = [
        (abs(math.log(factor / size)), slip)
        for size, within, slip in candidates
        if abs(factor / size - 1) <= within * (1 + 1e-9)
    ]
    return min(fitting, key=lambda fit: fit[0])[1] if fitting else None


def _small_gaps(has_bytes: bool) -> Iterator[tuple[float, float, str]]:
    """(factor, tolerance, slip) of the gaps that leave a number nearly right."""
    yield _MONTH_GAP, TIGHT / 2, _MONTH_SLIP
    if has_bytes:
        for steps in range(1, 7):
            yield 1.024**steps, TIGHT, f"1.024 per prefix step ({steps}): decimal against binary prefixes"


def _prefix_steps() -> dict[int, str]:
    return {1000**steps: f"{words} ({1000**steps:,})" for steps, words in _STEPS.items()}


def _factors(has_bytes: bool) -> Iterator[tuple[float, float, str]]:
    """(factor, tolerance, slip) of the gaps that make a number wrong; the plainer ones first."""
    for size, slip in {**_SCALES, **_TIMES}.items():
        yield size, CLOSE, slip
    for size, slip in _prefix_steps().items():
        yield size, CLOSE, slip
    if has_bytes:
        yield 8, CLOSE, "eight: bits for bytes"
        for steps, words in _STEPS.items():
            yield 1024**steps, CLOSE / 2, f"{words} of 1,024"


def _pairs(has_bytes: bool) -> Iterator[tuple[float, float, str]]:
    """The same of two slips at once: a prefix or a factor of ten, and bits for bytes or per what time."""
    seconds = {time: _TIMES[time] for time in _TIMES_AS_WELL}
    if has_bytes:
        seconds[8] = "eight: bits for bytes"
    for one, first in {10: _SCALES[10], **_prefix_steps()}.items():
        for other, second in seconds.items():
            for size in (one * other, max(one / other, other / one)):
                if size >= LEAST_OF_TWO and (one > 10 or other == 8):
                    yield size, TIGHT, f"{first} and {second} as well"


def _sentence(
    verdict: Judgement, ratio: float | None, computed: Quantity, unit: str, slip: str | None, units: Units
) -> str:
    # The stated unit makes the two comparable at a glance, unless that takes many zeros.
    near = computed.value == 0 or (ratio is not None and 1e-4 < abs(ratio) < 1e4)
    gives = f"its own numbers give {units.format(computed, unit if near else None)}"
    because = f"; looks like a slip of {slip}" if slip else ""
    if verdict == "supported":
        return f"supported: {gives}" + (f"; the small gap looks like {slip}" if slip else "")
    if verdict == "rounded" and ratio is not None:
        gap = abs(ratio - 1) * 100
        return f"rounded: {gap:.2g} % {'above' if ratio > 1 else 'below'}, {gives}{because}"
    way = "high" if verdict == "too_high" else "low"
    if ratio is None or ratio <= 0:
        return f"too {way}: {gives}"
    return f"{_times(max(ratio, 1 / ratio))} too {way}: {gives}{because}"


def _times(factor: float) -> str:
    for size, words in _WORDS.items():
        if abs(factor / size - 1) < 0.005:
            return words
    return f"{factor:,.0f} times" if factor >= 100 else f"{factor:.2g} times"
