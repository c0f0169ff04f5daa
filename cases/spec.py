"""The nouns of the case language, checked by pydantic.

A case file is a tree of texts (`files`); `build.build` makes a `Case` of it or says everything that is wrong. Values are
plain numbers in base units after that (seconds, 1/s, USD per second). Fields marked `Later` are named in the schema
and refused with a message until their behaviour exists.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, model_validator

from cases.fields import (
    APP,
    CASES,
    NAME_PATTERN,
    REQUEST_PATH,
    SCALE,
    WORLD,
    Choice,
    Duration,
    ItemCount,
    Names,
    Percentile,
    Price,
    Rate,
    RateOrNone,
    Required,
    Share,
    Span,
    Variation,
    choice,
    later_field,
    whole,
    wrong,
)
from estimators.sheet import Sheet
from estimators.units import Units

Later = Annotated[None, *later_field(REQUEST_PATH)]
LaterWorld = Annotated[None, *later_field(WORLD)]
LaterScale = Annotated[None, *later_field(SCALE)]
LaterCases = Annotated[None, *later_field(CASES)]
LaterApp = Annotated[None, *later_field(APP)]

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Prose = Annotated[str, StringConstraints(max_length=5_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Noun(BaseModel):
    """What all nouns share: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    EXAMPLE: ClassVar[str] = ""  # what one might write, for messages


# -- the sheet --------------------------------------------------------------------------------------------------------


class Basis(Noun):
    """Why a number is what it is: where it was published, or why we chose it."""

    EXAMPLE = "{kind: estimate, note: why we think so}"

    kind: Annotated[str, *choice("basis", ("stated", "published", "measured", "estimate", "illustrative"))]
    source: str | None = None
    note: Prose | None = None

    @model_validator(mode="after")
    def _supported(self) -> Basis:
        if self.kind in ("stated", "published", "measured") and self.source is None:
            raise wrong(f"basis '{self.kind}' needs a 'source'; name one of the case's sources")
        if self.kind in ("estimate", "illustrative") and self.note is None:
            raise wrong(f"basis '{self.kind}' needs a 'note' that says where the number comes from")
        return self


class AssumptionSpec(Noun):
    """A number put in. `value` is read with the sheet; 'a..b' is a 90 % interval."""

    value: str
    basis: Basis
    label: Title | None = None
    note: Prose | None = None


class EstimateSpec(Noun):
    """A number that follows from a formula."""

    formula: str
    unit: str | None = None
    label: Title | None = None
    note: Prose | None = None


class ClaimSpec(Noun):
    """A number that a source states for an estimate."""

    says: Title
    of: str
    value: str
    source: str
    note: Prose | None = None


class Source(Noun):
    """Where a number was read."""

    title: Title
    url: str | None = None
    checked: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    note: Prose | None = None


# -- the request path -------------------------------------------------------------------------------------------------


class RateStep(Noun):
    """A stretch of a schedule; the last one goes on."""

    lasts: Duration = Field(alias="for")
    rate: RateOrNone


class Workload(Noun):
    """When requests come: at random at one rate (poisson), or at rates that change at set times (schedule)."""

    EXAMPLE = "{kind: poisson, rate: 50 requests/s}"

    kind: Annotated[
        Literal["poisson", "schedule"],
        *choice(
            "workload",
            ("poisson", "schedule"),
            ("even", "bursty", "diurnal", "ramp", "spike", "replay", "closed", "sessions"),
            WORLD,
        ),
    ]
    rate: Rate | None = None
    steps: list[RateStep] | None = Field(default=None, min_length=1, max_length=1_000)
    classes: Later = None

    @model_validator(mode="after")
    def _complete(self) -> Workload:
        if self.kind == "poisson" and (self.rate is None or self.steps is not None):
            raise wrong("a poisson workload has a 'rate' and no 'steps'; write for example 'rate: 50 requests/s'")
        if self.kind == "schedule" and (self.steps is None or self.rate is not None):
            raise wrong("a schedule has 'steps' and no 'rate'; write for example '- {for: 10 s, rate: 50 requests/s}'")
        if self.steps and self.steps[-1].rate == 0:
            raise wrong("the last step goes on until the run ends, so its rate cannot be 0; end with a small rate")
        return self


class ServiceTime(Noun):
    """How long a worker is busy with a visit: unit x (floor + per_item x items), the unit of mean 1 and this cv."""

    EXAMPLE = "{kind: lognormal, mean: 12 ms, cv: 0.8}"

    kind: Annotated[
        Literal["constant", "exponential", "lognormal", "gamma"],
        *choice(
            "service time",
            ("constant", "exponential", "lognormal", "gamma"),
            ("pareto", "uniform", "empirical", "mixture"),
            REQUEST_PATH,
        ),
    ]
    mean: Duration | None = None
    floor: Span | None = None
    per_item: Duration | None = None
    items: str | None = None
    cv: Variation | None = None
    stragglers: Later = None
    p50: Later = None
    p95: Later = None
    p99: Later = None

    @model_validator(mode="after")
    def _complete(self) -> ServiceTime:
        if (self.mean is None) == (self.floor is None and self.per_item is None):
            raise wrong("a service time has either a 'mean' or a 'floor' with 'per_item'; write for example 'mean: 12 ms'")
        if (self.per_item is None) != (self.items is None):
            raise wrong("'per_item' and 'items' go together; write for example 'per_item: 20 us, items: candidates'")
        if self.mean is None and self.per_item is None:
            raise wrong("'floor' alone is a 'mean'; write 'mean', or add 'per_item' and 'items'")
        if self.kind in ("lognormal", "gamma") and self.cv is None:
            raise wrong(f"a {self.kind} service time needs its 'cv' (standard deviation / mean); write for example 'cv: 0.8'")
        if self.kind == "constant" and self.cv is not None:
            raise wrong("a constant service time has no 'cv'; leave it out, or choose 'lognormal'")
        if self.kind == "exponential" and self.cv not in (None, 1.0):
            raise wrong("an exponential service time has cv 1; leave 'cv' out, or choose 'lognormal'")
        return self


class Cache(Noun):
    """Looked up by the worker when a visit starts: a hit takes `hit_time` instead of the service time."""

    hit_ratio: Share
    hit_time: Duration
    keys: Later = None
    zipf: Later = None
    capacity: Later = None
    policy: Later = None
    ttl: Later = None
    scope: Later = None
    coalesce: Later = None


class Queue(Noun):
    """Waiting visits of one queue (a replica's, or the stage's when shared): beyond the limit they are rejected."""

    limit: Annotated[int, *whole("a queue limit", 0, 100_000_000, "200")] | None = None
    order: Annotated[
        Literal["fifo"],
        *choice("queue order", ("fifo",), ("lifo", "newest first", "newest_first", "class", "priority", "adaptive"), REQUEST_PATH),
    ] = "fifo"
    when_full: Later = None
    lifo_above: Later = None
    drop_expired: Later = None


class Stage(Noun):
    """One stage of the request path."""

    name: Name
    label: Title | None = None
    note: Prose | None = None
    after: Names = ()
    replicas: Annotated[int, *whole("a number of replicas", 1, 1_000_000, "4")]
    concurrency: Annotated[int, *whole("a concurrency (workers of a replica)", 1, 10_000, "8")] = 1
    balancing: Choice | None = None
    hop: Span = 0.0
    service: ServiceTime
    cache: Cache | None = None
    queue: Queue = Queue()
    timeout: Duration | None = None
    gives: ItemCount | None = None
    keeps: ItemCount | None = None
    required: Required = True
    price: Price | None = None

    within: Later = None
    hold: Later = None
    when: Later = None
    late_after: Later = None
    wait_for: Later = None
    shards: Later = None
    batch: Later = None
    retries: Later = None
    hedge: Later = None
    cancel: Later = None
    breaker: Later = None
    fallback: Later = None
    admission: Later = None
    errors: Later = None
    slow_periods: Later = None
    external: Later = None
    person: Later = None
    autoscaling: LaterWorld = None
    zones: LaterWorld = None

    @model_validator(mode="after")
    def _complete(self) -> Stage:
        if self.replicas > 1 and self.balancing is None:
            raise wrong("'balancing' must be said where there are several replicas; write for example 'balancing: least_of 2'")
        return self


class Client(Noun):
    """Whoever sends the requests."""

    timeout: Duration | None = None
    retries: Later = None
    deadline: Later = None


class Objective(Noun):
    """What the design has to keep: a latency percentile, or the share of requests that are answered."""

    metric: Annotated[Literal["latency", "availability"], *choice("metric", ("latency", "availability"))]
    percentile: Percentile | None = None
    at_most: Duration | None = None
    at_least: Share | None = None

    @model_validator(mode="after")
    def _complete(self) -> Objective:
        latency = self.percentile is not None and self.at_most is not None and self.at_least is None
        availability = self.percentile is None and self.at_most is None and self.at_least is not None
        if self.metric == "latency" and not latency:
            raise wrong("a latency objective has 'percentile' and 'at_most'; write for example 'percentile: 99, at_most: 200 ms'")
        if self.metric == "availability" and not availability:
            raise wrong("an availability objective has 'at_least' alone; write for example 'at_least: 99.9 %'")
        return self

    @property
    def name(self) -> str:
        """As results name it: 'latency p99', 'availability'."""
        return f"latency p{self.percentile:g}" if self.metric == "latency" else "availability"


class RunSpec(Noun):
    """How long a run of this case is, unless the command says otherwise."""

    requests: Annotated[int, *whole("a number of requests", 1, 1_000_000_000, "20000")] = 20_000
    warm_up: Span | None = None
    replications: Annotated[int, *whole("a number of replications", 1, 1_000, "5")] = 5
    drain: Span = 30.0
    seed: Annotated[int, *whole("a seed", 0, 2**53, "1")] = 1


# -- what one does with a case ----------------------------------------------------------------------------------------


class Knob(Noun):
    """A path that a person would reach for, and how far it turns."""

    path: str
    low: str = Field(alias="from")
    high: str = Field(alias="to")
    scale: Annotated[Literal["linear", "log"], *choice("scale", ("linear", "log"))] = "linear"
    label: Title | None = None


class Design(Noun):
    """A named set of changes: path -> text as in the file."""

    note: Prose | None = None
    label: Title | None = None
    changes: dict[str, str] = Field(min_length=1, max_length=200)


class Case(Noun):
    """A case study: inert data with sources."""

    format: Annotated[Literal["1"], *choice("format of this language", ("1",))]
    id: Name
    title: Title
    question: Prose
    note: Prose | None = None
    topics: list[Title] = Field(default=[], max_length=20)
    counts: list[Name] = Field(default=[], max_length=50)
    assumptions: dict[Name, AssumptionSpec] = Field(default={}, max_length=500)
    estimates: dict[Name, EstimateSpec] = Field(default={}, max_length=500)
    claims: list[ClaimSpec] = Field(default=[], max_length=100)
    workload: Workload
    client: Client = Client()
    stages: list[Stage] = Field(min_length=1, max_length=64)
    objectives: list[Objective] = Field(default=[], max_length=20)
    run: RunSpec = RunSpec()
    knobs: list[Knob] = Field(default=[], max_length=30)
    designs: dict[Name, Design] = Field(default={}, max_length=50)
    sources: dict[Name, Source] = Field(default={}, max_length=200)

    answer_after: Later = None
    outcomes: Later = None
    classes: Later = None
    cells: LaterScale = None
    scenarios: LaterWorld = None
    lanes: LaterCases = None
    walkthrough: LaterApp = None

    _tree: dict[str, Any] = PrivateAttr()
    _units: Units = PrivateAttr()
    _sheet: Sheet = PrivateAttr()

    @property
    def tree(self) -> dict[str, Any]:
        """The texts it was made of: what a design changes and a file holds."""
        return self._tree

    @property
    def units(self) -> Units:
        """The units of its values, its own counts among them."""
        return self._units

    @property
    def sheet(self) -> Sheet:
        """Its assumptions and estimates, ready to compute."""
        return self._sheet

    def stage(self, name: str) -> Stage:
        """The stage of this name (KeyError)."""
        return next(s for s in self.stages if s.name == name)
