"""The world around the requests: zones, replicas that follow the load, and scenarios of faults and changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from cases.fields import Duration, Factor, Multiple, Rate, Share, Span, whole, wrong
from cases.nouns import Noun, Prose, Text, Title
from cases.words import Names

MOST_EVENTS = 50
MOST_PLACES = 1_000_000
SHORTEST_SYNC = 0.1  # seconds

_REPLICAS = whole("a number of replicas", 1, MOST_PLACES, "4")


class Zones(Noun):
    """Places that fail as a whole; a stage's replicas stand in them in turn."""

    EXAMPLE = "{names: [a, b, c], hop: 1 ms}"

    names: Names
    """what they are called"""
    hop: Span = 0.0
    """more for a call from one zone into another; nothing unless said"""

    @model_validator(mode="after")
    def _complete(self) -> Zones:
        if not self.names or len(set(self.names)) < len(self.names):
            raise wrong("'names' are at least one, each once; write for example 'names: [a, b, c]'")
        return self


class ScaleUp(Noun):
    """How fast an autoscaler may add replicas: the larger of the two."""

    EXAMPLE = "{replicas: 4, times: 2, every: 15 s}"

    replicas: Annotated[int, *_REPLICAS] = 4
    """so many at once; 4 unless said"""
    times: Factor = 2.0
    """so many times those that there are; 2 unless said"""
    every: Duration = 15.0
    """in so long a time; 15 s unless said"""


class Autoscaling(Noun):
    """Replicas follow a metric as with Kubernetes' HorizontalPodAutoscaler: wanted = now x metric / target, rounded up.

    Of several metrics the one that wants most decides.
    """

    EXAMPLE = "{utilisation: 60 %, min: 4, max: 40}"

    utilisation: Share | None = None
    """target: share of the workers' time that they are busy"""
    queue: Annotated[int, *whole("a number of waiting visits", 1, 100_000_000, "5")] | None = None
    """target: waiting visits for each replica"""
    requests: Rate | None = None
    """target: arrivals per second for each replica"""
    least: Annotated[int, *_REPLICAS] = Field(default=1, alias="min")
    """never fewer replicas; 1 unless said"""
    most: Annotated[int, *_REPLICAS] = Field(alias="max")
    """never more replicas"""
    sync: Duration = 15.0
    """how often it looks; every 15 s unless said"""
    tolerance: Share = 0.1
    """metrics so near to their target change nothing; 10 % unless said"""
    down_after: Span = 300.0
    """it goes down to the most that was wanted in so long a time; 300 s unless said"""
    up: ScaleUp = ScaleUp()
    """how fast it goes up"""

    @model_validator(mode="after")
    def _complete(self) -> Autoscaling:
        if self.utilisation is None and self.queue is None and self.requests is None:
            raise wrong("needs a target: 'utilisation', 'queue' or 'requests'; write for example 'utilisation: 60 %'")
        if self.utilisation == 0.0:
            raise wrong("a 'utilisation' of 0 wants replicas without end; write for example 'utilisation: 60 %'")
        if self.sync < SHORTEST_SYNC or self.up.every < SHORTEST_SYNC:
            key = "sync" if self.sync < SHORTEST_SYNC else "up.every"
            least = f"{SHORTEST_SYNC * 1000:g} ms"
            raise wrong(f"'{key}' is shorter than {least}, and no autoscaler is so quick; write '15 s'")
        if self.least > self.most:
            raise wrong(f"'min' {self.least:,} is above 'max' {self.most:,}; write the smaller number as 'min'")
        return self


# -- scenarios --------------------------------------------------------------------------------------------------------

_TAKES = {
    "path": ("times", "to", "lasts"),
    "kill": ("replicas", "lasts"),
    "lose_zone": ("lasts",),
    "pause": ("lasts",),
    "slow": ("times", "share", "lasts"),
    "flush": (),
    "cut": ("lasts",),
    "error": ("share", "lasts"),
    "deploy": ("at_once",),
}
KINDS = tuple(_TAKES)


class Event(Noun):
    """Something that happens at a time: a path gets another value, or one of the faults. Times count from 0."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]})

    EXAMPLE = "{at: 10 s, for: 5 s, path: workload.rate, times: 3}"

    at: Span
    """when, from the start of the simulated time"""
    lasts: Duration | None = Field(default=None, alias="for")
    """how long; then it is undone. Without it: to the end"""
    path: str | None = None
    """the value that changes; with 'times' or 'to'"""
    times: Multiple | None = None
    """of a path: so many times what stands there; of 'slow': so many times as long"""
    to: Text | None = None
    """of a path: what stands there then, as in the file; 'none' takes the value away"""
    kill: str | None = None
    """a stage of which 'replicas' die; new ones are started at once, or after 'for'"""
    replicas: Annotated[int, *_REPLICAS] = 1
    """how many die; 1 unless said"""
    lose_zone: str | None = None
    """a zone in which every replica dies; they are started again after 'for'"""
    pause: str | None = None
    """a stage that starts nothing"""
    slow: str | None = None
    """a stage that takes 'times' as long"""
    share: Share = 1.0
    """of 'slow': the share of the replicas; of 'error': the share of the visits; all unless said"""
    flush: str | None = None
    """a stage whose caches forget everything"""
    cut: str | None = None
    """a stage that nothing reaches: what is sent there is lost in silence"""
    error: str | None = None
    """a stage whose visits fail after the service"""
    deploy: str | None = None
    """a stage whose replicas are replaced, some at a time"""
    at_once: Annotated[int, *_REPLICAS] = 1
    """of 'deploy': how many are out of service at a time; 1 unless said"""

    @model_validator(mode="after")
    def _complete(self) -> Event:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            given = f"is both '{kinds[0]}' and '{kinds[1]}'" if kinds else "says not what happens"
            raise wrong(f"{given}; an event is one of {', '.join(KINDS)}: write for example '{self.EXAMPLE}'")
        takes = _TAKES[kinds[0]]
        others = {"times", "to", "lasts", "replicas", "share", "at_once"} & self.model_fields_set
        for field in sorted(others.difference(takes)):
            keys = " and ".join(f"'{_key(one)}'" for one in takes) or "nothing but 'at'"
            raise wrong(f"'{_key(field)}' does not go with '{kinds[0]}', which takes {keys}; leave it out")
        if self.path is not None and (self.times is None) == (self.to is None):
            raise wrong("a path has either 'times' or 'to'; write for example 'times: 3'")
        if self.slow is not None and (self.times is None or self.times < 1.0):
            raise wrong("'slow' needs 'times', 1 or more; write for example 'times: 5'")
        return self

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def stage(self) -> str | None:
        """The stage that a fault is about; None of a path or a zone."""
        named: str | None = None if self.kind in ("path", "lose_zone") else getattr(self, self.kind)
        return named


def _key(field: str) -> str:
    return "for" if field == "lasts" else field


class Containment(Noun):
    """What contains a scenario's harm: changes as of a design."""

    EXAMPLE = "{label: One retry for ten calls, changes: {stages.gateway.retries.budget: 10 %}}"

    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """why it helps, and what it costs"""
    changes: dict[str, Text] = Field(min_length=1, max_length=200, examples=["{stages.gateway.replicas: 10}"])
    """path: value, as in the file; 'none' takes a value away"""


class ScenarioRun(Noun):
    """How long a run of the scenario is; the case's own run where nothing is said."""

    EXAMPLE = "{duration: 40 s, warm_up: 5 s}"

    duration: Duration | None = None
    """requests that arrive in so long a time are measured"""
    requests: Annotated[int, *whole("a number of requests", 1, 1_000_000_000, "20000")] | None = None
    """in place of a duration: so many are measured"""
    warm_up: Span | None = None
    """before measuring"""
    replications: Annotated[int, *whole("a number of replications", 1, 1_000, "5")] | None = None
    """independent repetitions, for the intervals"""

    @model_validator(mode="after")
    def _complete(self) -> ScenarioRun:
        if self.duration is not None and self.requests is not None:
            raise wrong("a run has a 'duration' or a number of 'requests'; leave one of them out")
        return self


class Scenario(Noun):
    """Faults and changes over time, what they do, and what contains them."""

    EXAMPLE = f"{{events: [{Event.EXAMPLE}]}}"

    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """what it does"""
    first: Prose | None = None
    """which number moves first"""
    then: Prose | None = None
    """what follows from it"""
    breaks: str | None = None
    """the objective that it breaks, as results name it: 'latency p99', 'availability'"""
    contained_by: Containment | None = None
    """what contains it; becomes a design"""
    run: ScenarioRun = ScenarioRun()
    """how long a run of it is"""
    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS, examples=[f"[{Event.EXAMPLE}]"])
    """what happens"""
