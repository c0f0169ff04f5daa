"""When requests come: the nouns of a case's workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from cases import replay
from cases.errors import shown
from cases.fields import Duration, Factor, Rate, RateOrNone, Share, Span, Variation, whole, wrong
from cases.nouns import Name, Noun, Prose, Title, short_for
from cases.service_spec import NEED_CV, WIDEST_UNIFORM, Brought, Patience, ServiceTime
from cases.words import article, choice

FROM_A_FILE = (
    "'file' is read with a case file, from beside it; here there is no folder: write its lines out as 'arrivals'"
)
LEAST_A_CYCLE = 1.0  # requests: a run reads every change of the rate, so that there must not be many more of them


class RateStep(Noun):
    """A stretch of a schedule; the last one goes on."""

    EXAMPLE = "{for: 10 s, rate: 50 requests/s}"

    lasts: Duration = Field(alias="for")
    """how long this stretch lasts"""
    rate: RateOrNone
    """arrivals per second in it; may be 0, but not in the last stretch"""


class ClassSpec(Noun):
    """One kind of request."""

    EXAMPLE = "{name: paid, share: 20 %, priority: 1}"

    name: Name
    """as paths call it"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """what it is"""
    share: Share
    """of the requests, each at random; the shares of all classes add up to 1"""
    priority: Annotated[int, *whole("a priority (1 is the most important)", 1, 9, "1")] = 1
    """for queues in order of class; 1, the most important, unless said"""
    items: Brought | None = None
    """how many items it brings along"""


class Pause(Patience):
    """How long nothing comes: always the same, or a distribution. '5 s' is short for {kind: constant, mean: 5 s}."""

    EXAMPLE = "{kind: exponential, mean: 5 s}"
    WHAT = "pause"


_Many = Annotated[int, *whole("a number of requests", 1, 1_000, "8")]


class Keystrokes(Noun):
    """How many requests a session has, at least one. '8' is short for {kind: constant, mean: 8}."""

    EXAMPLE = "{mean: 8, cv: 0.5}"
    SHORT = True

    kind: Annotated[
        Literal["constant", "exponential", "lognormal", "gamma", "pareto", "uniform"],
        *choice("distribution", ("constant", "exponential", "lognormal", "gamma", "pareto", "uniform")),
    ] = "lognormal"
    """the distribution; lognormal unless said"""
    mean: _Many
    """how many, on average"""
    cv: Variation | None = None
    """standard deviation / mean"""

    @model_validator(mode="after")
    def _complete(self) -> Keystrokes:
        if self.cv is None and self.kind in NEED_CV:
            raise wrong("how much it varies is missing; add 'cv: 0.5', or write the number alone")
        if self.cv is not None and self.kind not in NEED_CV:
            raise wrong(f"{article(self.kind)} number of requests has no 'cv' to choose; leave it out")
        if self.kind == "uniform" and self.cv is not None and self.cv > WIDEST_UNIFORM + 1e-9:
            raise wrong("a uniform number of requests has a 'cv' of at most 0.577 (from nothing to twice the mean)")
        return self

    @property
    def as_service(self) -> ServiceTime:
        """The same distribution as a service time has it."""
        return ServiceTime.model_construct(kind=self.kind, mean=float(self.mean), cv=self.cv)


def _arrivals(value: object) -> replay.Rows:
    """The lines of a CSV, or one text with commas for a single column."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong(f"a list of lines is wanted: {replay.EXAMPLE}")
    try:
        return replay.read(tuple(value))
    except replay.UnreadableRowError as error:
        raise wrong(f"line {error.line}: {error.message}") from None


_Lines = {
    "anyOf": [
        {"type": "array", "items": {"type": ["string", "number"]}, "maxItems": 1 + replay.MOST_ROWS},
        {"type": "string"},
    ],
    "examples": ["[time, 0.5, 0.75]"],
}


class _Shape(NamedTuple):
    """What a kind of workload is made of."""

    needs: tuple[str, ...]
    example: str
    may: tuple[str, ...] = ()


_SHAPES = {
    "poisson": _Shape(("rate",), "rate: 50 requests/s"),
    "even": _Shape(("rate",), "rate: 50 requests/s"),
    "bursty": _Shape(("rate", "times", "every", "lasts"), "rate: 50 requests/s, times: 5, every: 60 s, lasts: 10 s"),
    "diurnal": _Shape(("rate", "peak_to_mean"), "rate: 50 requests/s, peak_to_mean: 1.65", ("period", "peak_at")),
    "schedule": _Shape(("steps",), "steps: [{for: 10 s, rate: 50 requests/s}]"),
    "ramp": _Shape(("from", "to", "over"), "from: 10 requests/s, to: 90 requests/s, over: 60 s"),
    "spike": _Shape(("rate", "times", "at", "lasts"), "rate: 50 requests/s, times: 3, at: 10 s, lasts: 5 s"),
    "flash_crowd": _Shape(
        ("rate", "times", "at", "rise", "half_life"),
        "rate: 50 requests/s, times: 8, at: 60 s, rise: 5 s, half_life: 30 s",
    ),
    "replay": _Shape(("file",), "file: arrivals.csv", ("arrivals",)),
    "closed": _Shape(("users", "think"), "users: 100, think: 5 s"),
    "sessions": _Shape(("rate", "requests", "gap"), "rate: 2/s, requests: 8, gap: 150 ms"),
}  # fmt: skip
KINDS = tuple(_SHAPES)
_OTHERS_SAY = {
    "constant": "even", "deterministic": "even", "evenly spaced": "even", "random": "poisson", "mmpp": "bursty",
    "bursts": "bursty", "daily": "diurnal", "sine": "diurnal", "steps": "schedule", "linear": "ramp",
    "flash crowd": "flash_crowd", "flash": "flash_crowd", "trace": "replay", "recorded": "replay", "users": "closed",
    "closed loop": "closed", "typing": "sessions", "keystrokes": "sessions", "open": "poisson",
}  # fmt: skip


class Workload(Noun):
    """When requests come: by themselves, at rates that may change; as recorded; from users who wait; in sessions."""

    EXAMPLE = "{kind: poisson, rate: 50 requests/s}"

    kind: Annotated[
        Literal[
            "poisson",
            "even",
            "bursty",
            "diurnal",
            "schedule",
            "ramp",
            "spike",
            "flash_crowd",
            "replay",
            "closed",
            "sessions",
        ],
        *choice("workload", KINDS, others=_OTHERS_SAY),
    ]
    """what the arrivals are like"""
    rate: Rate | None = None
    """arrivals per second; bursty, diurnal: the mean; spike, flash_crowd: before and after; sessions: how many begin"""
    times: Factor | None = None
    """bursty, spike, flash_crowd: the highest rate, as a multiple of the quiet one"""
    every: Duration | None = None
    """bursty: how long it is quiet between two bursts, on average"""
    lasts: Duration | None = None
    """bursty: how long a burst lasts, on average; spike: how long it lasts"""
    peak_to_mean: Factor | None = None
    """diurnal: the rate at the peak, as a multiple of the mean; at most 2"""
    period: Duration | None = None
    """diurnal: until it repeats; 24 hours unless said"""
    peak_at: Span | None = None
    """diurnal: when the peak is, from the start; half a period unless said"""
    steps: list[RateStep] | None = Field(default=None, min_length=1, max_length=1_000)
    """of a schedule"""
    first: RateOrNone | None = Field(default=None, alias="from")
    """ramp: arrivals per second at the start; may be 0"""
    last: Rate | None = Field(default=None, alias="to")
    """ramp: arrivals per second at its end, and from then on"""
    over: Duration | None = None
    """ramp: how long it takes"""
    at: Span | None = None
    """spike, flash_crowd: when it begins"""
    rise: Duration | None = None
    """flash_crowd: from its beginning to its peak"""
    half_life: Duration | None = None
    """flash_crowd: in so long a time half of it goes"""
    file: str | None = None
    """replay: a CSV beside the case file with the columns 'time' (s) or 'time_ns', and 'class' and 'items' if known"""
    arrivals: Annotated[replay.Rows, PlainValidator(_arrivals), WithJsonSchema(_Lines)] | None = None
    """replay: the lines of such a file, written out"""
    users: Annotated[int, *whole("a number of users", 1, 1_000_000, "100")] | None = None
    """closed: who each think, send a request, wait for its end, and think again"""
    think: Annotated[Pause, short_for("mean", Duration | Pause, kind="constant")] | None = None
    """closed: from the end of a user's request to the next"""
    requests: Annotated[Keystrokes, short_for("mean", _Many | Keystrokes, kind="constant")] | None = None
    """sessions: how many of them there are in one, each making the one before it worthless"""
    gap: Annotated[Pause, short_for("mean", Duration | Pause, kind="constant")] | None = None
    """sessions: from one request of a session to the next"""
    classes: list[ClassSpec] = Field(default=[], max_length=9)
    """kinds of request with their shares"""

    @model_validator(mode="after")
    def _complete(self) -> Workload:
        if self.file is not None and self.kind == "replay":
            raise wrong(FROM_A_FILE)
        for message in self.broken_rules():
            raise wrong(message)
        return self

    def broken_rules(self) -> Iterator[str]:
        """What is wrong with it that no single field can say."""
        yield from (*self._of_its_kind(), *self._rates(), *self._classes(), *self._recorded())

    def _of_its_kind(self) -> Iterator[str]:
        """The keys that this kind needs, and no others."""
        shape, name = _SHAPES[self.kind], self.kind.replace("_", " ")
        what = f"a {name}" if self.kind == "schedule" else f"{article(name)} workload"
        has = " and ".join(filter(None, [", ".join(f"'{key}'" for key in shape.needs[:-1]), f"'{shape.needs[-1]}'"]))
        said = {field.alias or key for key, field in Workload.model_fields.items() if getattr(self, key) is not None}
        said |= {"file"} if self.arrivals is not None else set()  # what it held
        for key in sorted(said.difference(("kind", "classes", *shape.needs, *shape.may))):
            yield f"{what} has {has} and no '{key}'; write for example '{shape.example}'"
        for key in shape.needs:
            if key not in said:
                yield f"{what} has {has}; '{key}' is missing; write for example '{shape.example}'"

    def _rates(self) -> Iterator[str]:
        if self.steps and self.steps[-1].rate == 0:
            yield "the last step goes on until the run ends, so its rate cannot be 0; end with a small rate"
        if self.peak_to_mean is not None and self.peak_to_mean > 2.0:
            yield (
                f"a 'peak_to_mean' of {self.peak_to_mean:g} is above 2, and the rate would fall below 0 between the "
                "peaks; write a number from 1 to 2"
            )
        period = self.period or 86_400.0
        if self.peak_at is not None and self.peak_at >= period:
            yield f"'peak_at' is {self.peak_at:g} s and the period {period:g} s; write when in the period the peak is"
        cycle = {"bursty": (self.every or 0.0) + (self.lasts or 0.0), "diurnal": period}.get(self.kind)
        if cycle is not None and self.rate is not None and cycle * self.rate < LEAST_A_CYCLE:
            yield (
                f"the rate goes up and down in {cycle:g} s, in which {cycle * self.rate:.3g} requests come; "
                "nobody sees that: make it slower, or choose 'poisson'"
            )

    def _classes(self) -> Iterator[str]:
        total = sum(one.share for one in self.classes)
        if self.classes and abs(total - 1.0) > 1e-6:
            yield f"the shares of the classes add up to {total:.6g}, not to 1; correct one of them"

    def _recorded(self) -> Iterator[str]:
        """What was recorded of classes and items must be known to the case."""
        if self.arrivals is None:
            return
        names = {one.name for one in self.classes}
        unknown = sorted(set(self.arrivals.classes) - names - {""})
        if unknown:
            yield f"the recorded class {shown(unknown[0])} is none of 'classes'; add it there, with its share"
        if any(one >= 0 for one in self.arrivals.items) and not (
            self.classes and all(one.items is not None for one in self.classes)
        ):
            yield "items were recorded, but the classes say not of what; add for example 'items: 20 candidates' to each"
