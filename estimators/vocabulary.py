"""The words of the unit registry: every unit, multiplier and count noun that needs no declaration."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from estimators.dimension import BYTE, MONEY, PLAIN, SECOND, Dimension

Unit = tuple[Fraction, Dimension]
"""Size in base units (seconds, bytes, USD, plain counts) and dimension."""

MULTIPLIERS = {
    "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "hundred": 100, "thousand": 10**3, "lakh": 10**5, "million": 10**6, "mio": 10**6, "mln": 10**6, "crore": 10**7,
    "billion": 10**9, "bn": 10**9, "bln": 10**9, "trillion": 10**12, "tn": 10**12,
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

_DECIMAL = (("k", "kilo"), ("M", "mega"), ("G", "giga"), ("T", "tera"), ("P", "peta"), ("E", "exa"), ("Z", "zetta"))
_BINARY = (("Ki", "kibi"), ("Mi", "mebi"), ("Gi", "gibi"), ("Ti", "tebi"), ("Pi", "pebi"), ("Ei", "exbi"),
           ("Zi", "zebi"))  # fmt: skip

# ruff: noqa: SIM905 - a hundred words read better as text than as a hundred literals
NOUNS = (
    "user member customer rider driver viewer person request query page load visit session view click "
    "impression watch video item product candidate score row record event message transaction document "
    "post tweet job ad bid feature example label frame token word key call text image photo song "
    "listing offer order trip ride payment replica server machine worker core cpu vcpu gpu instance "
    "node shard partition slot thread connection prediction operation op read write lookup sample "
    "parameter embedding vector flop character integer float dimension account follower comment like upload "
    "download notification email url search article subscriber object file "
).split()
_IRREGULAR = {"person": ("people", "persons")}

_NOT_METRES = "'m' alone is not a unit; write 'min' for minutes, 'ms' for milliseconds or 'M' for million"
REMEDIES = {
    "m": _NOT_METRES,
    "b": "'b' alone is not a unit; write 'bit' or 'B' for bytes",
    "d": "'d' is not a unit; write 'day'",
    "x": "'x' is not a unit; a plain factor is written without one",
    "=": "'=' stands only in a sheet (name = formula) and before the number that somebody states",
    ":": "':' has no meaning here; write a share as '1 %', a name as 'peak = 2 * 3500 QPS'",
    **{prefix + "b": f"'{prefix}b' is not a unit; write '{prefix.upper()}B' for {prefixed}bytes or "
       f"'{prefix.upper()}b' for {prefixed}bits"
       for prefix, prefixed in (("m", "mega"), ("g", "giga"), ("t", "tera"), ("p", "peta"))},
    **{word: f"'{word}' is not a unit; write 'million'" for word in ("mn", "mm", "MM", "mil")},
    **{sign: f"'{sign}' is no unit here, money is in US dollars; write for example '$2.50' or '2.50 USD'"
       for sign in "€£"},
    **{sign: f"'{sign}' has no meaning here; write the number alone, or a range as an assumption: '8..12 GB'"
       for sign in "~≈"},
    **{word: f"'{word}' has no meaning here; write {remedy}" for word, remedy in (
        ("and", "+ or *"), ("plus", "+"), ("minus", "-"), ("over", "/"), ("divided", "/"), ("by", "/ or *"))},
    **{word: f"'{word}' has no meaning here; write '/{time}' after what is counted, as in '5M views/{time}'{more}"
       for word, time, more in (
        ("hourly", "hour", ""), ("daily", "day", ", or DAU for users"), ("weekly", "week", ", or WAU for users"),
        ("monthly", "month", ", or MAU for users"), ("yearly", "year", ""))},
    **{word: f"'{word}' has no meaning here; leave it out" for word in ("active", "concurrent", "each", "total")},
}  # fmt: skip
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
    """QPS and its like are 1/s, RPM and its like 1/min: which count is meant is left to where they stand."""
    per_second = Dimension.of({SECOND: -1})
    table: dict[str, Unit] = {}
    for prefix, size in (("", 1), ("k", 1000), ("M", 10**6), ("G", 10**9)):
        for name in ("QPS", "qps", "RPS", "rps", "TPS", "tps", "IOPS", "Hz"):
            table[prefix + name] = (Fraction(size), per_second)
    table |= dict.fromkeys(("QPM", "RPM", "rpm", "TPM"), (Fraction(1, 60), per_second))
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
    short |= {"char": "character", "dim": "dimension", "int": "integer", "vCPU": "vcpu"}
    for abbreviation, noun in short.items():
        table[abbreviation] = table[abbreviation + "s"] = table[noun]
    user, text = table["user"], table["text"]
    table |= {"DAU": user, "DAUs": user, "MAU": user, "MAUs": user, "WAU": user, "SMS": text}
    dollar = (Fraction(1), Dimension.of({MONEY: 1}))
    table |= dict.fromkeys(("$", "USD", "dollar", "dollars"), dollar)
    table |= dict.fromkeys(("cent", "cents", "¢"), (Fraction(1, 100), dollar[1]))
    table |= dict.fromkeys(("%", "percent"), (Fraction(1, 100), PLAIN))
    return table
