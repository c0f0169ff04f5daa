"""The words of the unit registry: every unit, multiplier and count noun that needs no declaration."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from estimators.dimension import BYTE, MONEY, PLAIN, SECOND, Dimension

Unit = tuple[Fraction, Dimension]
"""Size in base units (seconds, bytes, USD, plain counts) and dimension."""

MULTIPLIERS = {
    "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip

SECONDS: dict[str, int | Fraction] = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": 1,
    "min": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400,
}  # fmt: skip
_TIME_SPELLINGS = {
    "ns": ("nsec", "nanosecond"), "us": ("µs", "μs", "usec", "microsecond"), "ms": ("msec", "millisecond"),
    "s": ("sec", "second"), "min": ("minute",), "hour": ("h", "hr"), "day": (), "week": ("wk",),
    "month": ("mo",), "year": ("yr",),
}  # fmt: skip
_NO_PLURAL = frozenset({"s", "ms", "us", "ns", "µs", "μs", "h"})

_DECIMAL = (("k", "kilo"), ("M", "mega"), ("G", "giga"), ("T", "tera"), ("P", "peta"), ("E", "exa"))
_BINARY = (("Ki", "kibi"), ("Mi", "mebi"), ("Gi", "gibi"), ("Ti", "tebi"), ("Pi", "pebi"), ("Ei", "exbi"))

# ruff: noqa: SIM905 - eighty words read better as text than as eighty literals
NOUNS = (
    "user member customer rider driver viewer person request query page load visit session view click "
    "impression watch video item product candidate score row record event message transaction document "
    "post tweet job ad bid feature example label frame token word key call text image photo song "
    "listing offer order trip ride payment replica server machine worker core cpu vcpu gpu instance "
    "node shard partition slot thread connection prediction operation op read write lookup sample "
    "parameter embedding vector flop "
).split()
_IRREGULAR = {"person": ("people", "persons")}

_NOT_METRES = "'m' alone is not a unit; write 'min' for minutes, 'ms' for milliseconds or 'M' for million"
_DOLLARS = "is no unit here, money is in US dollars; write for example '$2.50' or '2.50 USD'"
REMEDIES = {
    "m": _NOT_METRES,
    "b": "'b' alone is not a unit; write 'bit' or 'B' for bytes",
    "d": "'d' is not a unit; write 'day'",
    "mb": "'mb' is not a unit; write 'MB' for megabytes or 'Mb' for megabits",
    "gb": "'gb' is not a unit; write 'GB' for gigabytes or 'Gb' for gigabits",
    "tb": "'tb' is not a unit; write 'TB' for terabytes or 'Tb' for terabits",
    "pb": "'pb' is not a unit; write 'PB' for petabytes or 'Pb' for petabits",
    "mn": "'mn' is not a unit; write 'million'",
    "mm": "'mm' is not a unit; write 'million'",
    "x": "'x' is not a unit; a plain factor is written without one",
    "€": f"'€' {_DOLLARS}",
    "£": f"'£' {_DOLLARS}",
}
"""What to write instead of what people write and no unit means."""


def plurals(noun: str) -> tuple[str, ...]:
    """How the plural of a count noun may be written, the usual one first."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return (noun + "es",)
    if len(noun) > 1 and noun.endswith("y") and noun[-2] not in "aeiou":
        return (noun[:-1] + "ies",)
    return (noun + "s",)


def _times() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    for name, seconds in SECONDS.items():
        unit = (Fraction(seconds), Dimension.of({SECOND: 1}))
        for spelling in (name, *_TIME_SPELLINGS[name]):
            table[spelling] = unit
            if spelling not in _NO_PLURAL:
                table[spelling + "s"] = unit
    return table


def _bytes() -> dict[str, Unit]:
    data = Dimension.of({BYTE: 1})
    table: dict[str, Unit] = {}
    for step in range(len(_DECIMAL) + 1):
        for base, prefixes in ((1000, _DECIMAL), (1024, _BINARY)):
            sign, word = ("", "") if step == 0 else prefixes[step - 1]
            size = Fraction(base) ** step
            # KB is as common as kB, and both mean 1,000 bytes; KiB is the one of 1,024.
            for prefix in (sign, "K") if sign == "k" else (sign,):
                table[prefix + "B"] = table[prefix + "Bps"] = (size, data)
                table[prefix + "b"] = table[prefix + "bit"] = table[prefix + "bits"] = (size / 8, data)
                table[prefix + "bps"] = (size / 8, data)
            table[word + "byte"] = table[word + "bytes"] = (size, data)
            table[word + "bit"] = table[word + "bits"] = (size / 8, data)
    del table["b"]  # a lone b is a slip more often than a bit
    rates = {name: (size, data / Dimension.of({SECOND: 1})) for name, (size, _) in table.items() if name.endswith("ps")}
    rates |= {low: rates[low[0].upper() + "bps"] for low in ("mbps", "gbps", "tbps")}
    return table | rates


def _rates() -> dict[str, Unit]:
    """QPS and its like are 1/s: which count is meant is left to where they stand."""
    per_second = Dimension.of({SECOND: -1})
    table = {name: (Fraction(1), per_second) for name in ("QPS", "qps", "RPS", "rps", "TPS", "tps", "IOPS", "Hz")}
    for prefix, size in (("k", 1000), ("M", 10**6), ("G", 10**9)):
        table |= {prefix + name: (Fraction(size), per_second) for name in ("QPS", "qps", "rps", "Hz")}
    table["fps"] = table["FPS"] = (Fraction(1), Dimension.of({"frame": 1, SECOND: -1}))
    return table


def _flops() -> dict[str, Unit]:
    """FLOP and FLOPs are counts; FLOPS, all capitals, is a count per second."""
    table: dict[str, Unit] = {}
    one, per_second = Dimension.of({"flop": 1}), Dimension.of({"flop": 1, SECOND: -1})
    for step, prefix in enumerate(("", *(sign for sign, _ in _DECIMAL))):
        size = Fraction(1000) ** step
        table |= {
            prefix + "FLOP": (size, one),
            prefix + "FLOPs": (size, one),
            prefix + "FLOPS": (size, per_second),
        }
    return table


def noun_units(noun: str) -> dict[str, Unit]:
    """One count noun in its singular and plural forms."""
    unit = (Fraction(1), Dimension.of({noun: 1}))
    return dict.fromkeys((noun, *plurals(noun)), unit)


@cache
def built_in() -> dict[str, Unit]:
    """Every built-in unit by its spelling. Shared: copy before adding to it."""
    table = _times() | _bytes() | _rates() | _flops()
    for noun in NOUNS:
        table |= noun_units(noun)
    short = {"req": "request", "msg": "message", "txn": "transaction", "param": "parameter"}
    for abbreviation, noun in short.items():
        table[abbreviation] = table[abbreviation + "s"] = table[noun]
    user, text = table["user"], table["text"]
    table |= {"DAU": user, "DAUs": user, "MAU": user, "MAUs": user, "WAU": user, "SMS": text}
    dollar = (Fraction(1), Dimension.of({MONEY: 1}))
    table |= dict.fromkeys(("$", "USD", "dollar", "dollars"), dollar)
    table |= dict.fromkeys(("cent", "cents", "¢"), (Fraction(1, 100), dollar[1]))
    table |= dict.fromkeys(("%", "percent"), (Fraction(1, 100), PLAIN))
    return table
