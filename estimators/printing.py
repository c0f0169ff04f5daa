"""Numbers printed for reading: 3 to 4 digits, a unit of sensible size, million and billion in words."""

from __future__ import annotations

import re
from fractions import Fraction

from estimators.dimension import BYTE, MONEY, SECOND, Dimension
from estimators.vocabulary import SECONDS, plurals

_WORDS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_BYTE_STEPS = ((1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
_PER = re.compile(r"(?:/|\b(?:per|an?|each|every)\s)\s*([A-Za-z]+)")


def number(value: float, digits: int = 4) -> str:
    """'2,894', '0.4', '7.5 billion', '8.3e-05': at most `digits` significant digits.

    >>> number(2893.518), number(735e9), number(0.00012345)
    ('2,894', '735 billion', '0.0001234')
    """
    rounded = float(f"{value:.{digits}g}")
    size = abs(rounded)
    if size == 0:
        return "0"
    if size >= 1e15 or size < 1e-4:
        return f"{rounded:.{digits}g}".replace("e+", "e")
    for step, word in _WORDS:
        if size >= step:
            return f"{rounded / step:,.{digits}g}" + " " + word
    if size >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    return f"{rounded:.{digits}g}"


def money(value: float) -> str:
    """Dollars without their sign: with cents ('2.50') unless it is a large or tiny number ('1,235')."""
    if abs(value) < 1e-4 or abs(value) >= 999.995:
        return number(value)
    if abs(value) >= 1:
        return f"{value:.2f}"
    text = f"{float(f'{value:.3g}'):.10f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents.ljust(2, '0')}"


def with_unit(value: float, unit: str) -> str:
    """The number with its unit: '12.5 ms', '$2.50/hour', '2,894/s', '99.9 %'."""
    if unit.startswith("$"):
        sign = "-" if value < 0 else ""
        return f"{sign}${money(abs(value))}{unit[1:]}"
    if unit.startswith("USD"):
        return f"{money(value)} {unit}"
    if unit.startswith(("1/", "/")):
        return number(value) + "/" + unit.partition("/")[2].strip()
    return f"{number(value)} {unit}" if unit not in ("", "1") else number(value)


def choose_unit(value: float, dimension: Dimension, text: str = "", per: str | None = None) -> str:
    """A unit of that dimension in which `value` (base units) reads well.

    The text it was written in decides what cannot be seen from the number: percent, and per what time.
    """
    if dimension.is_dimensionless:
        return "%" if text.rstrip().endswith("%") else ""
    if dimension == Dimension.of({SECOND: 1}):
        return _time_unit(abs(value))
    return _compound_unit(abs(value), dimension, per or per_time(text))


def per_time(text: str) -> str | None:
    """The time unit a rate was written in: 'month' of '15e9 watches/month'."""
    named = [_time_name(word) for word in _PER.findall(text)]
    return next((name for name in reversed(named) if name), None)


def _time_name(word: str) -> str | None:
    for name in (word, word.rstrip("s"), {"h": "hour", "d": "day", "second": "s", "sec": "s"}.get(word, "")):
        if name in SECONDS:
            return name
    return None


def _time_unit(seconds: float) -> str:
    for limit, unit in ((1e-6, "ns"), (1e-3, "us"), (1, "ms"), (120, "s"), (7200, "min"), (172_800, "hours")):
        if 0 < seconds < limit * 0.99995:
            return unit
    if seconds == 0:
        return "s"
    return "days" if seconds < 2 * 365 * 86_400 else "years"


def _compound_unit(value: float, dimension: Dimension, per: str | None) -> str:
    """Unit text factor by factor; `value` follows into the chosen time and then decides the byte prefix."""
    above: list[str] = []
    below: list[str] = []
    size = Fraction(value)
    for base, power in dimension.powers:
        name = base
        if base == SECOND and power < 0:
            name = per or _rate_unit(value, dimension)
            if power == -1:
                size *= Fraction(SECONDS[name])
        elif base == BYTE and power < 0:
            name = "GB"
            size *= Fraction(10**9) ** int(-power)
        elif base == MONEY and power == 1:
            name = "$"
        side = above if power > 0 else below
        side.append(name if abs(power) == 1 else f"{name}^{float(abs(power)):.6g}")
    if dimension.power(BYTE) == 1:
        above[above.index(BYTE)] = next((name for step, name in _BYTE_STEPS if size >= step), "B")
    elif above and not below and len(above) == 1 and dimension.counts == {above[0]} and size != 1:
        above = [plurals(above[0])[0]]
    return ("*".join(above) or "1") + "".join("/" + name for name in below)


def _rate_unit(value: float, dimension: Dimension) -> str:
    """Per second, unless that gives a tiny number; money is counted per hour, storage's per month."""
    if dimension.power(MONEY):
        return "month" if dimension.power(BYTE) else "hour"
    for name in ("s", "hour", "day"):
        if value == 0 or value * SECONDS[name] >= 0.1:
            return name
    return "year"
