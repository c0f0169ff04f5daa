"""A stage of the request path and its parts: queue, cache, batches, second tries, others' systems, people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from cases.errors import shown
from cases.fields import (
    Duration,
    Exponent,
    Factor,
    ItemCount,
    Price,
    Share,
    Span,
    TokenRate,
    whole,
    wrong,
)
from cases.nouns import Name, Noun, Prose, Title
from cases.service_spec import ServiceTime, Timeout
from cases.words import Choice, Flag, Names, choice
from cases.world_spec import Autoscaling

MOST_KEYS = 2_000_000
MOST_SHARDS = 1_000


class Cache(Noun):
    """Looked up by the worker when a visit starts: a hit takes `hit_time` instead of the service time."""

    EXAMPLE = "{hit_ratio: 90 %, hit_time: 0.4 ms}"

    hit_ratio: Share | None = None
    """the share of visits that hit, each at random; or 'keys' are looked up"""
    hit_time: Duration
    """service time of a hit"""
    keys: Annotated[int, *whole("a number of keys", 1, MOST_KEYS, "100k")] | None = None
    """how many different keys are asked for, in place of 'hit_ratio': the cache is simulated"""
    zipf: Exponent | None = None
    """exponent of the keys' popularity: 0 if all are asked for alike, about 1 where few are asked for often"""
    keys_of: Name | None = None
    """the stage whose cache is asked for the same keys, in place of 'keys' and 'zipf': one cache behind another"""
    capacity: Annotated[int, *whole("a capacity (entries)", 1, 100_000_000, "10000")] | None = None
    """entries that fit into one cache; without it all keys do"""
    ttl: Duration | None = None
    """how long an entry is good for, from its write; without it for ever"""
    policy: Annotated[Literal["lru", "fifo"], *choice("cache policy", ("lru", "fifo"))] = "lru"
    """which entry a full cache drops: the least recently used, or the oldest written"""
    scope: Annotated[
        Literal["replica", "shared"],
        *choice(
            "cache scope",
            ("replica", "shared"),
            others={"local": "replica", "per replica": "replica", "global": "shared", "central": "shared"},
        ),
    ] = "replica"
    """one for each replica, or one shared by all"""
    coalesce: Flag = False
    """whether misses of one key wait for the first of them"""

    @model_validator(mode="after")
    def _complete(self) -> Cache:
        if [self.hit_ratio, self.keys, self.keys_of].count(None) != 2:
            raise wrong(
                "a cache has either a 'hit_ratio' or 'keys' (or 'keys_of' another stage's cache); write for example "
                "'hit_ratio: 90 %', or 'keys: 100k, zipf: 0.9, capacity: 10000'"
            )
        only = ("zipf", "capacity", "ttl", "policy", "scope", "coalesce")
        said = [key for key in only if key in self.model_fields_set]
        if self.keys_of is not None and self.zipf is not None:
            raise wrong(f"'zipf' is said by {self.keys_of}, whose keys these are; leave it out")
        if self.hit_ratio is not None and said:
            raise wrong(
                f"'{said[0]}' is of a cache with 'keys', not of one with a 'hit_ratio'; "
                "write for example 'keys: 100k, zipf: 0.9' in place of 'hit_ratio'"
            )
        if self.keys is not None and self.zipf is None:
            raise wrong("'keys' need 'zipf', the exponent of their popularity (0: all alike); write 'zipf: 0.9'")
        return self


class Queue(Noun):
    """Waiting visits of one queue (a replica's, or the stage's when shared): who is next, and what is too many."""

    EXAMPLE = "{limit: 200}"

    limit: Annotated[int, *whole("a queue limit", 0, 100_000_000, "200")] | None = None
    """waiting visits; without one the queue is unbounded"""
    order: Annotated[
        Literal["fifo", "lifo", "class"],
        *choice(
            "queue order",
            ("fifo", "lifo", "class"),
            others={
                "newest first": "lifo",
                "oldest first": "fifo",
                "first come first served": "fifo",
                "priority": "class",
                "adaptive": "fifo, lifo_above: 20",
                "adaptive lifo": "fifo, lifo_above: 20",
            },
        ),
    ] = "fifo"
    """who is next: who came first, who came last, or the most important class"""
    lifo_above: Annotated[int, *whole("a number of waiting visits", 0, 100_000_000, "20")] | None = None
    """newest first while more than this wait; with order fifo"""
    when_full: Annotated[
        Literal["newest", "oldest"],
        *choice(
            "choice of who goes when the queue is full",
            ("newest", "oldest"),
            others={"reject": "newest", "tail drop": "newest", "drop tail": "newest", "head drop": "oldest"},
        ),
    ] = "newest"
    """who is turned away by a full queue: the one that comes, or the oldest in it"""
    drop_expired: Flag = False
    """drop a visit whose deadline (the client's) has passed when its turn comes"""

    @model_validator(mode="after")
    def _complete(self) -> Queue:
        if self.lifo_above is not None and self.order != "fifo":
            raise wrong("'lifo_above' goes with 'order: fifo'; leave one of them out")
        if self.when_full == "oldest" and self.limit is None:
            raise wrong("'when_full' needs a 'limit', or the queue is never full; write for example 'limit: 200'")
        return self


class When(Noun):
    """Of which visits a stage is called. 'cache.miss' is short for {cache: miss}."""

    EXAMPLE = "{share: 0.1 %}"
    SHORT = True

    share: Share | None = None
    """of the calls, each at random"""
    cache: Annotated[Literal["miss"], *choice("event of a cache", ("miss",))] | None = None
    """after a miss of the cache of its caller, or of the stage it comes after"""

    @model_validator(mode="after")
    def _complete(self) -> When:
        if (self.share is None) == (self.cache is None):
            raise wrong("either a share of the calls or a cache miss; write '{share: 0.1 %}' or 'cache.miss'")
        return self


def _when(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip() != "cache.miss":
        raise wrong(f"{shown(value)} is not a condition; write 'cache.miss', or for example '{{share: 0.1 %}}'")
    return {"cache": "miss"}


class Batch(Noun):
    """Visits served together: a worker takes up to `size` when so many wait, or when the oldest has waited `wait`."""

    EXAMPLE = "{size: 8, wait: 3 ms}"

    size: Annotated[int, *whole("a batch size", 2, 1_024, "8")]
    """visits at most"""
    wait: Duration
    """the longest that the first of a batch waits for it to fill"""


class Retries(Noun):
    """What is done when an attempt fails."""

    EXAMPLE = "{attempts: 3, backoff: 10 ms, budget: 10 %}"

    attempts: Annotated[int, *whole("a number of attempts (the first included)", 2, 10, "3")]
    """at most, the first included"""
    backoff: Span = 0.0
    """before the second attempt; doubles with each further one; nothing unless said"""
    longest: Duration | None = None
    """the longest backoff; without it a thousand times the first"""
    jitter: Share = 0.0
    """the share of the backoff that is random; nothing unless said"""
    budget: Share | None = None
    """retries for each first attempt, on average; without it as many as 'attempts' allow"""

    @model_validator(mode="after")
    def _complete(self) -> Retries:
        if self.longest is not None and self.longest < self.backoff:
            raise wrong("'longest' is shorter than 'backoff'; leave it out, or make it longer")
        return self


class Hedge(Noun):
    """A second copy of an attempt that takes long; the first answer wins."""

    EXAMPLE = "{after: 30 ms, budget: 5 %}"

    after: Duration
    """from sending the first copy"""
    budget: Share | None = None
    """hedges for each first attempt, on average; without it every attempt that takes so long is hedged"""


class Breaker(Noun):
    """Turns attempts away after failures, but for a probe each `open_for`."""

    EXAMPLE = "{window: 20, failures: 50 %, open_for: 5 s}"

    window: Annotated[int, *whole("a window (last results that count)", 1, 64, "20")]
    """last results that count"""
    failures: Share
    """the share of them at which it opens"""
    open_for: Duration
    """until a probe is let through"""


class Fallback(Noun):
    """What answers in place of a failure: the request is completed, but degraded."""

    EXAMPLE = "{time: 2 ms, quality: 60 %}"

    time: Duration
    """how long it takes"""
    quality: Share
    """how good it is, of 1"""


Burst = Annotated[int, *whole("a burst (tokens)", 1, 10_000_000, "10")]


class Admission(Noun):
    """A token bucket before the queue: what finds no token is turned away."""

    EXAMPLE = "{rate: 100 requests/s, burst: 10}"

    rate: TokenRate
    """tokens"""
    burst: Burst | None = None
    """tokens that are there after a quiet time; one second's unless said"""


class SlowPeriods(Noun):
    """Times when everything at the stage takes longer, at all replicas together: pauses for cleaning up, neighbours."""

    EXAMPLE = "{every: 60 s, lasts: 2 s, times: 3}"

    every: Duration
    """from the end of one to the next, on average (exponential)"""
    lasts: Duration
    """how long one is, on average (exponential)"""
    times: Factor
    """as long as otherwise"""


class Outages(Noun):
    """Times when every call fails."""

    EXAMPLE = "{every: 30 days, lasts: 1 hour}"

    every: Duration
    """from the end of one to the next, on average (exponential)"""
    lasts: Duration
    """how long one is, on average (exponential)"""


class External(Noun):
    """Somebody else's system: its service time is its latency, whatever we send; 'true' if nothing more is known."""

    EXAMPLE = "{rate_limit: 200 requests/s, errors: 0.5 %}"
    SHORT = True

    rate_limit: TokenRate | None = None
    """calls beyond it are turned away"""
    burst: Burst | None = None
    """calls at once after a quiet time; one second's unless said"""
    errors: Share | None = None
    """the share of calls that fails"""
    outages: Outages | None = None
    """times when every call fails"""

    @model_validator(mode="after")
    def _complete(self) -> External:
        if self.burst is not None and self.rate_limit is None:
            raise wrong("'burst' is of a 'rate_limit'; write for example 'rate_limit: 200 requests/s', or leave it out")
        return self


def _external(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip() != "true":
        raise wrong(f"{shown(value)}: write 'true', or for example '{External.EXAMPLE}'; leave it out if it is ours")
    return {}


class Hours(Noun):
    """When desks are staffed: open for so long, of so long, from the start on."""

    EXAMPLE = "{open: 8 hours, of: 24 hours}"

    open: Duration
    """how long"""
    of: Duration
    """of how long: then it begins anew"""

    @model_validator(mode="after")
    def _complete(self) -> Hours:
        if self.open > self.of:
            raise wrong("is open for longer than there are hours; write for example '{open: 8 hours, of: 24 hours}'")
        return self


class Person(Noun):
    """Somebody who looks at it: answers with a probability, after the service time."""

    EXAMPLE = "{answers: 80 %}"

    answers: Share
    """how likely there is an answer at all"""
    desks: Annotated[int, *whole("a number of desks", 1, 1_000_000, "12")] | None = None
    """people who work off one queue; without it everybody is asked at once"""
    hours: Hours | None = None
    """when the desks are staffed; always unless said"""

    @model_validator(mode="after")
    def _complete(self) -> Person:
        if self.hours is not None and self.desks is None:
            raise wrong("'hours' are those of desks; add for example 'desks: 12', or leave 'hours' out")
        return self


class Stage(Noun):
    """One stage of the request path."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["replicas"]}, {"required": ["external"]}, {"required": ["person"]}]}
    )

    EXAMPLE = "{name: gateway, replicas: 1, service: {kind: exponential, mean: 12 ms}}"

    name: Name
    """as paths call it"""
    label: Title | None = None
    """as people call it"""
    note: Prose | None = None
    """what it does"""
    after: Names = ()
    """the stages that answer before it starts; none: it starts when the request arrives, or with its caller's end"""
    within: Name | None = None
    """the stage whose visits call this one, when they have been served"""
    hold: Flag = False
    """whether the caller's worker stays busy until this one has answered"""
    when: Annotated[When, BeforeValidator(_when, json_schema_input_type=Literal["cache.miss"] | When)] | None = None
    """called only for a share of the calls, or after a cache miss"""
    wait_for: Annotated[int, *whole("a number of stages to wait for", 1, 64, "1")] | None = None
    """go on when so many of the stages it comes after have answered; all unless said"""
    replicas: Annotated[int, *whole("a number of replicas", 1, 1_000_000, "4")] = Field(
        default=1, examples=["4"], json_schema_extra={"default": None}
    )
    """machines of this kind; must be said of our own"""
    concurrency: Annotated[int, *whole("a concurrency (workers of a replica)", 1, 10_000, "8")] = 1
    """workers of a replica"""
    balancing: Choice | None = None
    """must be said where there are several replicas"""
    shards: Annotated[int, *whole("a number of shards", 1, MOST_SHARDS, "10")] = 1
    """every call goes to so many parts at once, each with a share of the items"""
    quorum: Annotated[int, *whole("a quorum (answers of shards)", 1, MOST_SHARDS, "9")] | None = None
    """answers of shards that are enough; all unless said"""
    hop: Span = 0.0
    """from sending a visit to joining the queue; nothing unless said"""
    service: ServiceTime
    """how long a worker is busy"""
    slow_periods: SlowPeriods | None = None
    """times when everything takes longer"""
    errors: Share = 0.0
    """the share of visits that fails after the service"""
    cache: Cache | None = None
    """looked up first"""
    batch: Batch | None = None
    """visits served together"""
    admission: Admission | None = None
    """a token bucket before the queue"""
    queue: Queue = Queue()
    """without one it is unbounded, first come first served"""
    timeout: Timeout | None = None
    """from sending until the attempt is given up"""
    retries: Retries | None = None
    """what is done when an attempt fails; nothing unless said"""
    hedge: Hedge | None = None
    """a second copy when the first takes long"""
    cancel: Annotated[
        Literal["none", "waiting", "running"],
        *choice(
            "treatment of attempts that nobody waits for",
            ("none", "waiting", "running"),
            others={"true": "running", "all": "running", "false": "none", "queued": "waiting"},
        ),
    ] = "none"
    """what becomes of attempts that nobody waits for any more: nothing, off the queue, or off their worker too"""
    breaker: Breaker | None = None
    """stop calling after failures"""
    fallback: Fallback | None = None
    """what answers in place of a failure, and how well"""
    required: Flag = True
    """whether the request fails without it"""
    late_after: Duration | None = None
    """left out if it takes longer than this, from sending"""
    gives: ItemCount | None = None
    """items that it hands on"""
    keeps: ItemCount | None = None
    """at most so many items are handed on"""
    external: (
        Annotated[External, BeforeValidator(_external, json_schema_input_type=Literal["true", True] | External)] | None
    ) = None
    """somebody else's: only its latency is known"""
    person: Person | None = None
    """somebody who looks at it"""
    price: Price | None = None
    """of one replica"""
    autoscaling: Autoscaling | None = None
    """replicas that follow the load; 'replicas' are there at first"""
    start_delay: Span = 25.0
    """from the decision until a new replica is ready, with a cold cache; 25 s unless said"""
    zones: Names | None = None
    """where the replicas stand, in turn; in all zones of the case unless said"""
    hot: Share | None = None
    """of the requests: those that ask for one and the same key, or with 'balancing: hash' go to the same replica"""

    @model_validator(mode="after")
    def _complete(self) -> Stage:
        several = self.replicas > 1 or (self.autoscaling is not None and self.external is None and self.person is None)
        if several and self.balancing is None:
            raise wrong(
                "'balancing' must be said where there are several replicas; write for example 'balancing: least_of 2'"
            )
        return self

    @property
    def fleet(self) -> int:
        """Replicas, or desks."""
        return self.person.desks or 1 if self.person is not None else self.replicas

    @property
    def most_replicas(self) -> int:
        """Replicas, those that autoscaling may add included; or desks."""
        return self.fleet if self.autoscaling is None else max(self.fleet, self.autoscaling.most)

    @property
    def endless(self) -> bool:
        """Whether everybody is served at once: others' systems, and people asked one by one."""
        return self.external is not None or (self.person is not None and self.person.desks is None)


class Client(Noun):
    """Whoever sends the requests."""

    EXAMPLE = "{timeout: 2 s}"

    timeout: Timeout | None = None
    """from sending until the client gives the attempt up"""
    deadline: Duration | None = None
    """from arrival, carried along; nothing is tried again after it, and queues may drop what is past it"""
    retries: Retries | None = None
    """whole requests sent again when they fail"""
