"""Times as distributions: how long a visit is served, how long somebody waits; and how many items come along."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from cases import fits
from cases.fields import (
    DURATION,
    Duration,
    Factor,
    ItemCount,
    Share,
    Span,
    Variation,
    wrong,
)
from cases.nouns import Noun, short_for
from cases.words import article, choice

FITTED = ("lognormal", "gamma", "pareto")  # kinds that percentiles can say
NEED_CV = (*FITTED, "uniform")
WIDEST_UNIFORM = 1 / math.sqrt(3)  # cv from nothing to twice the mean
MOST_TIMES = 10_000
FROM_A_FILE = "'file' is read with a case file, from beside it; here there is no folder: write the times out as 'times'"

_KINDS = ("constant", "exponential", "lognormal", "gamma", "pareto", "uniform", "empirical")
_OTHERS_SAY = {
    "fixed": "constant", "deterministic": "constant", "m": "exponential", "log normal": "lognormal",
    "log-normal": "lognormal", "erlang": "gamma", "power law": "pareto", "measured": "empirical",
    "histogram": "empirical", "trace": "empirical",
}  # fmt: skip

_PLAIN_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ns|us|ms|s)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@lru_cache(maxsize=16)
def _plain_times(texts: tuple[str, ...]) -> tuple[float, ...] | None:
    """Ten thousand measured times, read once though a case is built for every change; None if one is written otherwise.

    Divided, not multiplied, where that is exact: '12 ms' is the same number here as in any other field.
    """
    found = []
    for text in texts:
        match = _PLAIN_TIME.fullmatch(text)
        if match is None:
            return None
        found.append(float(match[1]) / round(1 / _SECONDS[match[2]]))
    return tuple(found) if all(DURATION.low <= one <= DURATION.high for one in found) else None


def _times(value: object, info: ValidationInfo) -> tuple[float, ...]:
    """A list of durations, or one text with commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong("a list of durations is wanted; write for example '[12 ms, 15 ms, 11 ms]'")
    if not 2 <= len(value) <= MOST_TIMES:
        raise wrong(f"has {len(value):,} times; an empirical distribution has from 2 to {MOST_TIMES:,}")
    plain = _plain_times(tuple(value))
    return tuple(DURATION(one, info) for one in value) if plain is None else plain


Times = Annotated[
    tuple[float, ...],
    PlainValidator(_times),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": {"type": ["string", "number"]},
                    "minItems": 2,
                    "maxItems": MOST_TIMES,
                },
                {"type": "string"},
            ],
            "examples": ["[12 ms, 15 ms, 11 ms]"],
        }
    ),
]


class Spread(Noun):
    """A distribution of times: by mean and cv, fitted to percentiles, or measured."""

    WHAT: ClassVar[str] = "time"

    kind: Annotated[
        Literal["constant", "exponential", "lognormal", "gamma", "pareto", "uniform", "empirical"],
        *choice("distribution of times", _KINDS, others=_OTHERS_SAY),
    ]
    """the distribution"""
    mean: Duration | None = None
    """the mean"""
    cv: Variation | None = None
    """standard deviation / mean"""
    p50: Duration | None = None
    """the median, with 'p95' in place of mean and cv"""
    p95: Duration | None = None
    """the 95th percentile"""
    p99: Duration | None = None
    """the 99th percentile; with it the fit is the nearest to all three"""
    times: Times | None = None
    """of an empirical distribution: what was measured"""

    @property
    def by_percentiles(self) -> bool:
        """Whether it is to be fitted."""
        return self.p50 is not None

    def _check_shape(self) -> None:
        """What mean, cv, percentiles and times must be for the kind."""
        what = self.WHAT
        percentiles = [p for p in (self.p50, self.p95, self.p99) if p is not None]
        if percentiles and (self.p50 is None or self.p95 is None):
            raise wrong("percentiles are 'p50' and 'p95', and 'p99' if it is known; write 'p50: 8 ms, p95: 30 ms'")
        if percentiles and self.cv is not None:
            raise wrong("percentiles say what 'cv' would say; leave 'cv' out")
        try:
            fits.fitted(self)
        except ValueError as error:
            raise wrong(str(error)) from None
        if self.kind == "empirical" and (self.times is None or self.cv is not None):
            raise wrong(f"an empirical {what} has 'times' and no 'cv'; write for example 'times: [12 ms, 15 ms]'")
        if self.kind != "empirical" and self.times is not None:
            raise wrong(f"'times' belong to an empirical {what}; write 'kind: empirical', or leave them out")
        if self.kind in NEED_CV and self.cv is None and not percentiles:
            fitted = ", or 'p50' and 'p95'" if self.kind in FITTED and what == "service time" else ""
            raise wrong(
                f"{article(self.kind)} {what} needs its 'cv' (standard deviation / mean){fitted}; "
                "write for example 'cv: 0.8'"
            )
        if self.kind == "uniform" and self.cv is not None and self.cv > WIDEST_UNIFORM + 1e-9:
            raise wrong(
                f"a uniform {what} has a 'cv' of at most 0.577 (from nothing to twice the mean); choose a gamma"
            )
        if self.kind == "constant" and self.cv is not None:
            raise wrong(f"a constant {what} has no 'cv'; leave it out, or choose 'lognormal'")
        if self.kind == "exponential" and self.cv not in (None, 1.0):
            raise wrong(f"an exponential {what} has cv 1; leave 'cv' out, or choose 'lognormal'")

    @property
    def says_its_size(self) -> bool:
        """Whether percentiles or times say how long it is, so that no mean does."""
        return self.by_percentiles or self.times is not None


class Stragglers(Noun):
    """A share of the visits that takes a multiple of the time."""

    EXAMPLE = "{share: 1 %, times: 10}"

    share: Share
    """of the visits, each at random"""
    times: Factor
    """as long as it would be"""


class ServiceTime(Spread):
    """How long a worker is busy with a visit: unit x (floor + per_item x items), the unit of mean 1 and this cv."""

    EXAMPLE = "{kind: lognormal, mean: 12 ms, cv: 0.8}"
    WHAT = "service time"

    floor: Span | None = None
    """whatever the number of items"""
    per_item: Duration | None = None
    """for each item carried"""
    items: str | None = None
    """what is paid for: a count noun, as the stages before give it; 'request': every visit is one"""
    stragglers: Stragglers | None = None
    """a share of visits that takes a multiple"""
    file: str | None = None
    """of an empirical distribution: a file of measured times beside the case file, one on each line"""

    @model_validator(mode="after")
    def _complete(self) -> ServiceTime:
        if self.file is not None:
            raise wrong(FROM_A_FILE)
        by_items = self.floor is not None or self.per_item is not None
        if self.says_its_size and (self.mean is not None or by_items):
            what = "times" if self.times is not None else "percentiles"
            raise wrong(f"{what} say how long it takes; leave 'mean', 'floor' and 'per_item' out")
        self._check_sizes(by_items)
        self._check_shape()
        return self

    def _check_sizes(self, by_items: bool) -> None:
        if not self.says_its_size and self.kind != "empirical" and not any((self.p95, self.p99)):
            if (self.mean is None) != by_items:
                raise wrong(
                    "a service time has either a 'mean' or a 'floor' with 'per_item'; write for example 'mean: 12 ms'"
                )
            if self.mean is None and self.per_item is None:
                raise wrong("'floor' alone is a 'mean'; write 'mean', or add 'per_item' and 'items'")
        if (self.per_item is None) != (self.items is None):
            raise wrong("'per_item' and 'items' go together; write for example 'per_item: 20 us, items: candidates'")


class Patience(Spread):
    """How long somebody waits: always the same, or a distribution. '2 s' is short for {kind: constant, mean: 2 s}."""

    EXAMPLE = "{kind: exponential, mean: 2 s}"
    SHORT = True
    WHAT = "time-out"

    @model_validator(mode="after")
    def _complete(self) -> Patience:
        if self.says_its_size and self.mean is not None:
            raise wrong("percentiles or times say how long it is; leave 'mean' out")
        self._check_shape()
        if not self.says_its_size and self.mean is None:
            raise wrong(f"{article(self.WHAT)} has a 'mean'; write for example 'mean: 2 s'")
        return self

    @property
    def as_service(self) -> ServiceTime:
        """The same distribution as a service time has it."""
        return ServiceTime.model_construct(**{name: getattr(self, name) for name in Spread.model_fields})


Timeout = Annotated[Patience, short_for("mean", Duration | Patience, kind="constant")]


class ClassItems(Noun):
    """How many items a request brings along. '20 candidates' is short for {kind: constant, mean: 20 candidates}."""

    EXAMPLE = "{mean: 20 candidates, cv: 0.8}"
    SHORT = True

    kind: Annotated[
        Literal["constant", "exponential", "lognormal", "gamma", "pareto", "uniform"],
        *choice("distribution of items", _KINDS[:-1], others=_OTHERS_SAY),
    ] = "lognormal"
    """the distribution; lognormal unless said"""
    mean: ItemCount = Field(examples=["20 candidates"])
    """how many of what, on average"""
    cv: Variation | None = None
    """standard deviation / mean"""

    @model_validator(mode="after")
    def _complete(self) -> ClassItems:
        if self.mean.noun is None:
            raise wrong(f"'{self.mean.count}' says not of what; write for example 'items: 20 candidates'")
        if (self.cv is None) == (self.kind in NEED_CV):
            if self.cv is None:
                raise wrong("how much it varies is missing; add 'cv: 0.8', or write the number alone")
            if self.kind == "constant" or self.cv != 1.0:
                raise wrong(f"{article(self.kind)} number of items has no 'cv' to choose; leave it out")
        if self.kind == "uniform" and self.cv is not None and self.cv > WIDEST_UNIFORM + 1e-9:
            raise wrong("a uniform number of items has a 'cv' of at most 0.577 (from nothing to twice the mean)")
        return self

    @property
    def as_service(self) -> ServiceTime:
        """The same distribution as a service time has it."""
        return ServiceTime.model_construct(kind=self.kind, mean=float(self.mean.count), cv=self.cv)


Brought = Annotated[ClassItems, short_for("mean", ItemCount | ClassItems, kind="constant")]
