"""The nouns of the case language, checked by pydantic.

A case file is a tree of texts (`files`); `build.build` makes a `Case` of it or says everything that is wrong. Values
are plain numbers in base units after that (seconds, 1/s, USD per second). Fields marked `Later` are named in the schema
and refused with a message until their behaviour exists.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, WithJsonSchema, model_validator

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
from cases.texts import Texts
from estimators.sheet import Sheet
from estimators.units import Units

Later = Annotated[None, *later_field(REQUEST_PATH)]
LaterWorld = Annotated[None, *later_field(WORLD)]
LaterScale = Annotated[None, *later_field(SCALE)]
LaterCases = Annotated[None, *later_field(CASES)]
LaterApp = Annotated[None, *later_field(APP)]

MOST_COUNTS = 50

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Prose = Annotated[str, StringConstraints(max_length=5_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Text = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]  # a value that is read with the whole case


class Noun(BaseModel):
    """What all nouns share: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    EXAMPLE: ClassVar[str] = ""  # what one might write, for messages


# -- the sheet --------------------------------------------------------------------------------------------------------


class Basis(Noun):
    """Why a number is what it is: where it was published, or why we chose it."""

    EXAMPLE = "{kind: estimate, note: why we think so}"

    kind: Annotated[str, *choice("basis", ("stated", "published", "measured", "estimate", "illustrative"))]
    """how the number is known"""
    source: str | None = None
    """the name of one of the case's sources"""
    note: Prose | None = None
    """for an estimate: why this number"""

    @model_validator(mode="after")
    def _supported(self) -> Basis:
        if self.kind in ("stated", "published", "measured") and self.source is None:
            raise wrong(f"basis '{self.kind}' needs a 'source'; name one of the case's sources")
        if self.kind in ("estimate", "illustrative") and self.note is None:
            raise wrong(f"basis '{self.kind}' needs a 'note' that says where the number comes from")
        return self


class AssumptionSpec(Noun):
    """A number put in. `value` is read with the sheet; 'a..b' is a 90 % interval."""

    EXAMPLE = "{value: 10 million users, basis: {kind: estimate, note: one large region}}"

    value: Text
    """a quantity, or 'a..b', a 90 % interval"""
    basis: Basis
    """why it is this number"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """more about it"""


class EstimateSpec(Noun):
    """A number that follows from a formula."""

    EXAMPLE = "{formula: daily_users * visits_each, unit: visit/s}"

    formula: Text
    """of names of assumptions, estimates and paths, and numbers with units"""
    unit: str | None = None
    """to print it in; without one a sensible one is chosen"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """more about it"""


class ClaimSpec(Noun):
    """A number that a source states for an estimate."""

    EXAMPLE = "{says: 4 PB of storage, of: dataset, value: 4 PB, source: the_article}"

    says: Title
    """what the source says, in short"""
    of: str
    """the estimate that it is about"""
    value: Text
    """the number stated"""
    source: str
    """the name of one of the case's sources"""
    note: Prose | None = None
    """more about it"""


class Source(Noun):
    """Where a number was read."""

    EXAMPLE = "{title: author and title, checked: 2026-11-20}"

    title: Title
    """author, title, place and year"""
    url: str | None = None
    """where it can be read"""
    checked: Date | None = None
    """the day on which the number was read there, as 2026-11-20"""
    note: Prose | None = None
    """what was taken from it"""


# -- the request path -------------------------------------------------------------------------------------------------


class RateStep(Noun):
    """A stretch of a schedule; the last one goes on."""

    EXAMPLE = "{for: 10 s, rate: 50 requests/s}"

    lasts: Duration = Field(alias="for")
    """how long this stretch lasts"""
    rate: RateOrNone
    """arrivals per second in it; may be 0, but not in the last stretch"""


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
    """what the arrivals are like"""
    rate: Rate | None = None
    """of a poisson workload"""
    steps: list[RateStep] | None = Field(default=None, min_length=1, max_length=1_000)
    """of a schedule"""
    classes: Later = None
    """kinds of request with their shares"""

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
    """the distribution"""
    mean: Duration | None = None
    """where it does not depend on items"""
    floor: Span | None = None
    """whatever the number of items"""
    per_item: Duration | None = None
    """for each item carried"""
    items: str | None = None
    """what is paid for: a count noun, as the stages before give it"""
    cv: Variation | None = None
    """standard deviation / mean"""
    stragglers: Later = None
    """a share of visits that takes a multiple"""
    p50: Later = None
    """the median, in place of mean and cv"""
    p95: Later = None
    """a percentile, in place of mean and cv"""
    p99: Later = None
    """a percentile, in place of mean and cv"""

    @model_validator(mode="after")
    def _complete(self) -> ServiceTime:
        if (self.mean is None) == (self.floor is None and self.per_item is None):
            raise wrong(
                "a service time has either a 'mean' or a 'floor' with 'per_item'; write for example 'mean: 12 ms'"
            )
        if (self.per_item is None) != (self.items is None):
            raise wrong("'per_item' and 'items' go together; write for example 'per_item: 20 us, items: candidates'")
        if self.mean is None and self.per_item is None:
            raise wrong("'floor' alone is a 'mean'; write 'mean', or add 'per_item' and 'items'")
        if self.kind in ("lognormal", "gamma") and self.cv is None:
            raise wrong(
                f"a {self.kind} service time needs its 'cv' (standard deviation / mean); write for example 'cv: 0.8'"
            )
        if self.kind == "constant" and self.cv is not None:
            raise wrong("a constant service time has no 'cv'; leave it out, or choose 'lognormal'")
        if self.kind == "exponential" and self.cv not in (None, 1.0):
            raise wrong("an exponential service time has cv 1; leave 'cv' out, or choose 'lognormal'")
        return self


class Cache(Noun):
    """Looked up by the worker when a visit starts: a hit takes `hit_time` instead of the service time."""

    EXAMPLE = "{hit_ratio: 90 %, hit_time: 0.4 ms}"

    hit_ratio: Share
    """the share of visits that hit, each at random"""
    hit_time: Duration
    """service time of a hit"""
    keys: Later = None
    """how many different keys there are"""
    zipf: Later = None
    """exponent of the keys' popularity"""
    capacity: Later = None
    """entries that fit"""
    policy: Later = None
    """which entry goes when it is full"""
    ttl: Later = None
    """how long an entry is good for, from its write"""
    scope: Later = None
    """one for each replica, or one shared"""
    coalesce: Later = None
    """misses of one key wait for the first"""


class Queue(Noun):
    """Waiting visits of one queue (a replica's, or the stage's when shared): beyond the limit they are rejected."""

    EXAMPLE = "{limit: 200}"

    limit: Annotated[int, *whole("a queue limit", 0, 100_000_000, "200")] | None = None
    """waiting visits; without one the queue is unbounded"""
    order: Annotated[
        Literal["fifo"],
        *choice(
            "queue order",
            ("fifo",),
            ("lifo", "newest first", "newest_first", "class", "priority", "adaptive"),
            REQUEST_PATH,
        ),
    ] = "fifo"
    """who is next"""
    when_full: Later = None
    """whether the newest or the oldest is shed"""
    lifo_above: Later = None
    """newest first while more than this wait"""
    drop_expired: Later = None
    """drop a visit whose deadline has passed when its turn comes"""


class Stage(Noun):
    """One stage of the request path."""

    EXAMPLE = "{name: gateway, replicas: 1, service: {kind: exponential, mean: 12 ms}}"

    name: Name
    """as paths call it"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """what it does"""
    after: Names = ()
    """the stages that answer before it starts; none: it starts when the request arrives"""
    replicas: Annotated[int, *whole("a number of replicas", 1, 1_000_000, "4")]
    """machines of this kind"""
    concurrency: Annotated[int, *whole("a concurrency (workers of a replica)", 1, 10_000, "8")] = 1
    """workers of a replica"""
    balancing: Choice | None = None
    """must be said where there are several replicas"""
    hop: Span = 0.0
    """from sending a visit to joining the queue; nothing unless said"""
    service: ServiceTime
    """how long a worker is busy"""
    cache: Cache | None = None
    """looked up first"""
    queue: Queue = Queue()
    """without one it is unbounded, first come first served"""
    timeout: Duration | None = None
    """from sending until the request is given up"""
    gives: ItemCount | None = None
    """items that it hands on"""
    keeps: ItemCount | None = None
    """at most so many items are handed on"""
    required: Required = True
    """whether the request fails without it"""
    price: Price | None = None
    """of one replica"""

    within: Later = None
    """the stage whose visit calls this one"""
    hold: Later = None
    """the caller's worker stays busy until this one answers"""
    when: Later = None
    """only for a share of requests, or after a cache miss"""
    late_after: Later = None
    """left out if it takes longer than this"""
    wait_for: Later = None
    """go on when so many of the stages before have answered"""
    shards: Later = None
    """every visit goes to so many parts at once"""
    batch: Later = None
    """visits served together: size and wait"""
    retries: Later = None
    """attempts, backoff and budget"""
    hedge: Later = None
    """a second copy when the first takes long"""
    cancel: Later = None
    """what becomes of attempts that lost"""
    breaker: Later = None
    """stop calling after failures"""
    fallback: Later = None
    """what answers in place of a failure, and how well"""
    admission: Later = None
    """a token bucket before the queue"""
    errors: Later = None
    """the share of visits that fails"""
    slow_periods: Later = None
    """times when everything takes longer"""
    external: Later = None
    """somebody else's: only its latency is known"""
    person: Later = None
    """somebody who looks at it"""
    autoscaling: LaterWorld = None
    """replicas that follow the load"""
    zones: LaterWorld = None
    """where the replicas stand"""

    @model_validator(mode="after")
    def _complete(self) -> Stage:
        if self.replicas > 1 and self.balancing is None:
            raise wrong(
                "'balancing' must be said where there are several replicas; write for example 'balancing: least_of 2'"
            )
        return self


class Client(Noun):
    """Whoever sends the requests."""

    EXAMPLE = "{timeout: 2 s}"

    timeout: Duration | None = None
    """from arrival until the client gives up"""
    retries: Later = None
    """attempts, backoff and budget of whole requests"""
    deadline: Later = None
    """carried along; later work is dropped"""


class Objective(Noun):
    """What the design has to keep: a latency percentile, or the share of requests that are answered."""

    EXAMPLE = "{metric: latency, percentile: 99, at_most: 200 ms}"

    metric: Annotated[Literal["latency", "availability"], *choice("metric", ("latency", "availability"))]
    """what is judged"""
    percentile: Percentile | None = None
    """of latency: 50, 99, 99.9"""
    at_most: Duration | None = None
    """the latency that is allowed"""
    at_least: Share | None = None
    """the share of requests that are answered"""

    @model_validator(mode="after")
    def _complete(self) -> Objective:
        latency = self.percentile is not None and self.at_most is not None and self.at_least is None
        availability = self.percentile is None and self.at_most is None and self.at_least is not None
        if self.metric == "latency" and not latency:
            raise wrong(
                "a latency objective has 'percentile' and 'at_most'; "
                "write for example 'percentile: 99, at_most: 200 ms'"
            )
        if self.metric == "availability" and not availability:
            raise wrong("an availability objective has 'at_least' alone; write for example 'at_least: 99.9 %'")
        return self

    @property
    def name(self) -> str:
        """As results name it: 'latency p99', 'availability'."""
        return f"latency p{self.percentile:g}" if self.metric == "latency" else "availability"


class RunSpec(Noun):
    """How long a run of this case is, unless the command says otherwise."""

    EXAMPLE = "{requests: 20000, replications: 5}"

    requests: Annotated[int, *whole("a number of requests", 1, 1_000_000_000, "20000")] = 20_000
    """measured requests of a replication"""
    warm_up: Span | None = None
    """before measuring; without it a tenth of what is measured"""
    replications: Annotated[int, *whole("a number of replications", 1, 1_000, "5")] = 5
    """independent repetitions, for the intervals"""
    drain: Span = 30.0
    """how long to wait for the last measured requests; 30 s unless said"""
    seed: Annotated[int, *whole("a seed", 0, 2**53, "1")] = 1
    """of the luck"""


# -- what one does with a case ----------------------------------------------------------------------------------------


class Knob(Noun):
    """A path that a person would reach for, and how far it turns."""

    EXAMPLE = "{path: stages.gateway.replicas, from: 1, to: 20}"

    path: str
    """the value that it turns"""
    low: Text = Field(alias="from")
    """the lower end"""
    high: Text = Field(alias="to")
    """the upper end"""
    scale: Annotated[Literal["linear", "log"], *choice("scale", ("linear", "log"))] = "linear"
    """equal steps or equal ratios"""
    label: Title | None = None
    """as people call it"""


class Design(Noun):
    """A named set of changes: path -> text as in the file."""

    EXAMPLE = "{changes: {stages.gateway.replicas: 10}}"

    note: Prose | None = None
    """what it is about"""
    label: Title | None = None
    """as people call it"""
    changes: dict[str, Text] = Field(min_length=1, max_length=200, examples=["{stages.gateway.replicas: 10}"])
    """path: value, as in the file; 'none' takes a value away"""


class Case(Noun):
    """A case study: inert data with sources."""

    format: Annotated[Literal["1"], *choice("format of this language", ("1",))]
    """of the case language"""
    id: Name = Field(examples=["home_feed"])
    """the name of the file without '.yaml'"""
    title: Title = Field(examples=["Home feed"])
    """as people call it"""
    question: Prose = Field(examples=["How many replicas keep the p99 below 200 ms?"])
    """what the case answers"""
    note: Prose | None = None
    """more about it"""
    topics: list[Title] = Field(default=[], max_length=20)
    """to find it by"""
    counts: list[Name] = Field(default=[], max_length=MOST_COUNTS)
    """what this case counts; each becomes a dimension of its own"""
    assumptions: dict[Name, AssumptionSpec] = Field(default={}, max_length=500)
    """numbers put in"""
    estimates: dict[Name, EstimateSpec] = Field(default={}, max_length=500)
    """numbers that follow"""
    claims: list[ClaimSpec] = Field(default=[], max_length=100)
    """numbers that sources state, judged against the estimates"""
    workload: Workload
    """when requests come"""
    client: Client = Client()
    """whoever sends them"""
    stages: list[Stage] = Field(min_length=1, max_length=64, examples=[f"[{Stage.EXAMPLE}]"])
    """the request path"""
    objectives: list[Objective] = Field(default=[], max_length=20)
    """what a design has to keep"""
    run: RunSpec = RunSpec()
    """how long a run is"""
    knobs: list[Knob] = Field(default=[], max_length=30)
    """values that a person would reach for"""
    designs: dict[Name, Design] = Field(default={}, max_length=50)
    """named sets of changes"""
    sources: dict[Name, Source] = Field(default={}, max_length=200)
    """where numbers were read"""

    answer_after: Later = None
    """the stage after which the user has the answer"""
    outcomes: Later = None
    """what a run means in the case's own words"""
    classes: Later = None
    """kinds of request"""
    cells: LaterScale = None
    """the fleet as so many independent copies"""
    scenarios: LaterWorld = None
    """named faults and changes over time"""
    lanes: LaterCases = None
    """streams, batch jobs and training beside the requests"""
    walkthrough: LaterApp = None
    """the steps of the story"""

    _tree: dict[str, Any] = PrivateAttr()
    _texts: Texts = PrivateAttr()
    _sheet: Sheet = PrivateAttr()

    def made_of(self, tree: dict[str, Any], texts: Texts, sheet: Sheet) -> None:
        """Said once, by `build`, when all is known to be right."""
        self._tree, self._texts, self._sheet = tree, texts, sheet

    @property
    def tree(self) -> dict[str, Any]:
        """The texts it was made of: what a design changes and a file holds."""
        return self._tree

    @property
    def units(self) -> Units:
        """The units of its values, its own counts among them."""
        return self._texts.units

    @property
    def texts(self) -> Texts:
        """Reads texts in its units, and keeps what was read."""
        return self._texts

    @property
    def sheet(self) -> Sheet:
        """Its assumptions and estimates, ready to compute."""
        return self._sheet

    def stage(self, name: str) -> Stage:
        """The stage of this name (KeyError)."""
        return next(s for s in self.stages if s.name == name)
