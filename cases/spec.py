"""The nouns of the case language, checked by pydantic.

A case file is a tree of texts (`files`); `build.build` makes a `Case` of it or says everything that is wrong. Values
are plain numbers in base units after that (seconds, 1/s, USD per second). Fields marked `Later...` are named in the
schema and refused with a message until their behaviour exists. The nouns of the request path are in `serving` and
`service_spec`, those of the load in `workload_spec`, those of scenarios in `world_spec`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from cases.fields import DURATION, SHARE, Kind, Percentile, Span, limit_schema, quantity, whole, wrong
from cases.nouns import Date, LaterCases, Name, Noun, Prose, Text, Title
from cases.service_spec import ClassItems, Patience, ServiceTime, Spread
from cases.serving import Cache, Client, Queue, Retries, Stage
from cases.story_spec import MOST_STEPS, Step
from cases.texts import Texts
from cases.words import Names, article, choice
from cases.workload_spec import ClassSpec, RateStep, Workload
from cases.world_spec import Scenario, Zones
from estimators.sheet import Sheet
from estimators.units import Units

__all__ = [
    "AssumptionSpec",
    "Basis",
    "Cache",
    "Case",
    "ClaimSpec",
    "ClassItems",
    "ClassSpec",
    "Client",
    "CorrelationSpec",
    "Design",
    "EstimateSpec",
    "Knob",
    "LooksGood",
    "Noun",
    "Objective",
    "OutcomeSpec",
    "Patience",
    "Queue",
    "RateStep",
    "Retries",
    "RunSpec",
    "Scenario",
    "ServiceTime",
    "Source",
    "Spread",
    "Stage",
    "Workload",
    "Zones",
]

T = TypeVar("T")

RANK_CORRELATION = Kind(
    "a rank correlation", "0.6", lambda given: given.is_dimensionless, -1 + 1e-9, 1 - 1e-9, "above -1 and below 1"
)
RANK_CORRELATION_SCHEMA = {
    "type": ["string", "number"],
    "examples": ["0.6"],
    "description": "A rank correlation, above -1 and below 1",
}

MOST_COUNTS = 50
MOST_DESIGNS = 100
MOST_SCENARIOS = 50
MOST_CELLS = 1_000_000


# -- the sheet --------------------------------------------------------------------------------------------------------


class Basis(Noun):
    """Why a number is what it is: where it was published, why we chose it, or that it is one of the table's."""

    EXAMPLE = "{kind: estimate, note: why we think so}"

    kind: Annotated[str, *choice("basis", ("stated", "published", "measured", "estimate", "illustrative", "number"))]
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
        if self.kind == "number" and self.source is not None:
            raise wrong("basis 'number' has its source in the table of numbers; leave 'source' out")
        return self


class AssumptionSpec(Noun):
    """A number put in. `value` is read with the sheet; 'a..b' is a 90 % interval, '= numbers.NAME' of the table."""

    EXAMPLE = "{value: 10 million users, basis: {kind: estimate, note: one large region}}"

    value: Text
    """a quantity, or 'a..b', a 90 % interval, or '= numbers.NAME', which stands in the table of numbers"""
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


class CorrelationSpec(Noun):
    """That two assumptions with ranges vary together."""

    EXAMPLE = "{between: [daily_users, visits_each], of: 0.6}"

    between: Names = Field(examples=["[daily_users, visits_each]"])
    """the two assumptions"""
    of: Annotated[float, PlainValidator(RANK_CORRELATION), WithJsonSchema(RANK_CORRELATION_SCHEMA)]
    """their rank correlation: above 0 they are high together, below 0 one is high where the other is low"""
    note: Prose | None = None
    """why"""

    @model_validator(mode="after")
    def _two(self) -> CorrelationSpec:
        if len(self.between) != 2:
            raise wrong(
                f"has {len(self.between)} names in 'between'; write two, for example '[daily_users, visits_each]'"
            )
        return self


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


def _limit(kind: Kind) -> Callable[[object, ValidationInfo], float]:
    """Reads what an objective allows, in base units: of an outcome any quantity, else one of this kind."""

    def read(value: object, info: ValidationInfo) -> float:
        if info.data.get("metric") == "outcome":
            return quantity(value, info, "a limit", "95 %")[0].value
        return kind(value, info)

    return read


class Objective(Noun):
    """What the design has to keep: a latency percentile, the share of requests that are answered, or an outcome."""

    EXAMPLE = "{metric: latency, percentile: 99, at_most: 200 ms}"

    metric: Annotated[
        Literal["latency", "availability", "outcome"], *choice("metric", ("latency", "availability", "outcome"))
    ]
    """what is judged"""
    percentile: Percentile | None = None
    """of latency: 50, 99, 99.9"""
    of: str | None = None
    """of the metric 'outcome': the name of the outcome"""
    at_most: Annotated[float, PlainValidator(_limit(DURATION)), limit_schema("200 ms")] | None = None
    """the latency that is allowed, or the most that an outcome may be"""
    at_least: Annotated[float, PlainValidator(_limit(SHARE)), limit_schema("99.9 %")] | None = None
    """the share of requests that are answered, or the least that an outcome has to be"""

    @model_validator(mode="after")
    def _complete(self) -> Objective:
        if self.metric == "outcome":
            if self.of is None or self.percentile is not None or (self.at_most is None) == (self.at_least is None):
                raise wrong(
                    "an outcome's objective has 'of' and either 'at_most' or 'at_least'; "
                    "write for example 'of: share_late, at_most: 5 %'"
                )
            return self
        if self.of is not None:
            raise wrong(f"'of' goes with 'metric: outcome'; leave it out of {article(self.metric)} objective")
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
        """As results name it: 'latency p99', 'availability', or the outcome's name."""
        if self.of is not None:
            return self.of
        return f"latency p{self.percentile:g}" if self.metric == "latency" else "availability"


class OutcomeSpec(Noun):
    """What a run means: a formula of what it measured, and of assumptions, estimates and paths."""

    EXAMPLE = "{formula: share_completed * 2 watches}"

    formula: Text
    """of measures of the run, names of assumptions and estimates, paths, and numbers with units"""
    unit: str | None = None
    """to print it in; without one a sensible one is chosen"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """more about it"""


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
    """A path that a person would reach for: how far it turns, or what there is to choose from."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["from", "to"]}, {"required": ["choices"]}]},
    )

    EXAMPLE = "{path: stages.gateway.replicas, from: 1, to: 20}"

    path: str
    """the value that it turns"""
    low: Text | None = Field(default=None, alias="from")
    """the lower end"""
    high: Text | None = Field(default=None, alias="to")
    """the upper end"""
    choices: list[Text] = Field(default=[], max_length=12)
    """in place of the ends: texts as in a design; 'none' takes the value away, '{key: value}' is a group"""
    scale: Annotated[Literal["linear", "log"], *choice("scale", ("linear", "log"))] = "linear"
    """equal steps or equal ratios"""
    label: Title | None = None
    """as people call it"""

    @model_validator(mode="after")
    def _complete(self) -> Knob:
        span = self.model_fields_set & {"low", "high", "scale"}
        if "choices" in self.model_fields_set:
            if span:
                raise wrong("a knob has either 'choices' or 'from' and 'to'; leave one of them out")
            if len(set(self.choices)) < max(2, len(self.choices)):
                raise wrong("'choices' are at least two different texts; write for example '[fifo, lifo]'")
        elif not span >= {"low", "high"}:
            raise wrong("a knob has 'from' and 'to', or 'choices'; write for example 'from: 1, to: 20'")
        return self


class LooksGood(Noun):
    """Why a design that one would take is none to take: a figure that gets worse, and surely so.

    The paired difference from the case as written, on the same luck, excludes zero at 99 % in the direction said.
    """

    EXAMPLE = "{but: latency p99, gets: higher, because: the larger model takes twice as long}"

    but: str
    """the figure that gets worse: an objective of the case ('latency p99', 'availability') or an outcome"""
    gets: Annotated[Literal["higher", "lower"], *choice("direction", ("higher", "lower"))]
    """where the figure goes"""
    because: Prose
    """the reason"""
    during: str | None = Field(default=None, alias="in")
    """the scenario in which it shows; without one: always"""


class Design(Noun):
    """A named set of changes: path -> text as in the file."""

    EXAMPLE = "{changes: {stages.gateway.replicas: 10}}"

    note: Prose | None = None
    """what it is about"""
    label: Title | None = None
    """as people call it"""
    changes: dict[str, Text] = Field(min_length=1, max_length=200, examples=["{stages.gateway.replicas: 10}"])
    """path: value, as in the file; 'none' takes a value away"""
    looks_good: LooksGood | None = None
    """of a design that looks good and is not: what gets worse, and why"""


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
    correlations: list[CorrelationSpec] = Field(default=[], max_length=100)
    """assumptions that vary together; those that are not named here do not"""
    claims: list[ClaimSpec] = Field(default=[], max_length=100)
    """numbers that sources state, judged against the estimates"""
    workload: Workload
    """when requests come"""
    client: Client = Client()
    """whoever sends them"""
    stages: list[Stage] = Field(min_length=1, max_length=64, examples=[f"[{Stage.EXAMPLE}]"])
    """the request path"""
    zones: Zones | None = None
    """places that fail as a whole"""
    cells: Annotated[int, *whole("a number of cells", 1, MOST_CELLS, "64")] = 1
    """the fleet is so many independent copies, requests split at random, and one is simulated; 1 unless said"""
    answer_after: Name | None = None
    """the stage after which the user has the answer; all of them unless said"""
    objectives: list[Objective] = Field(default=[], max_length=20)
    """what a design has to keep"""
    outcomes: dict[Name, OutcomeSpec] = Field(default={}, max_length=50)
    """what a run means in the case's own words"""
    run: RunSpec = RunSpec()
    """how long a run is"""
    knobs: list[Knob] = Field(default=[], max_length=30)
    """values that a person would reach for"""
    designs: dict[Name, Design] = Field(default={}, max_length=MOST_DESIGNS)
    """named sets of changes"""
    scenarios: dict[Name, Scenario] = Field(default={}, max_length=MOST_SCENARIOS)
    """named faults and changes over time"""
    walkthrough: list[Step] = Field(default=[], max_length=MOST_STEPS)
    """the story, step by step"""
    sources: dict[Name, Source] = Field(default={}, max_length=200)
    """where numbers were read"""

    lanes: LaterCases = None
    """streams, batch jobs and training beside the requests"""

    _tree: dict[str, Any] = PrivateAttr()
    _texts: Texts = PrivateAttr()
    _sheet: Sheet = PrivateAttr()
    _written: Case | None = PrivateAttr()
    _kept: dict[str, Any] = PrivateAttr(default_factory=dict)

    def made_of(self, tree: dict[str, Any], texts: Texts, sheet: Sheet, before: Case | None) -> None:
        """Said once, by `build`, when all is known to be right. `before`: the case of which this one is a change."""
        self._tree, self._texts, self._sheet = tree, texts, sheet
        self._written = None if before is None else before.as_written

    @property
    def tree(self) -> dict[str, Any]:
        """The texts it was made of: what a design changes and a file holds."""
        return self._tree

    @property
    def as_written(self) -> Case:
        """The case before any design was applied."""
        return self if self._written is None else self._written

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """What was made of it once, by name: a case never changes."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found

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

    @property
    def awaited(self) -> frozenset[str]:
        """The stages for which the user's answer waits: all, or those up to `answer_after` and what these call."""
        return self.kept("awaited", self._awaited)

    def _awaited(self) -> frozenset[str]:
        if self.answer_after is None:
            return frozenset(stage.name for stage in self.stages)
        found, new = set[str](), {self.answer_after}
        while new:
            found |= new
            before = {name for stage in self.stages if stage.name in new for name in (*stage.after, stage.within)}
            called = {stage.name for stage in self.stages if stage.within in found}
            new = {name for name in before | called if name is not None} - found
        return frozenset(found)
