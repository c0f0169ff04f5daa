"""The machine model: what a run is made of, in integers. Both request planes read it, and nothing else.

No units, no defaults, no optionals: times are int64 nanoseconds, what is not wanted is a number that never acts. The
client is a stage too, the last: its visits are a request's attempts, it has no queue and serves nobody, and the stages
that no other calls are called within it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Whole = NDArray[np.object_]  # Python's whole numbers, for sums of times that outgrow int64

NEVER = 1 << 61  # later than any run: half of int64, so that adding two times cannot overflow
UNLIMITED = 1 << 61
PASS_ON = -1  # `gives` of a stage that hands on the items it received
NOBODY = -1  # a stage that is none
MILLION = 1_000_000  # shares that are added up are whole millionths
MOST_TOKENS = 10 * MILLION  # of a budget
MOST_PROBES = 64  # draws of `balancing: hash` until a place is found whose replica is ready
ALWAYS = (1 << 63) - 1  # a threshold that every draw, shifted right by one, stays below

SHARED, RANDOM, ROUND_ROBIN, LEAST_OF, LEAST_OUTSTANDING, HASH = range(6)  # balancing
CANCEL_NONE, CANCEL_WAITING, CANCEL_RUNNING = range(3)  # what becomes of attempts that nobody waits for any more
LRU, FIFO = range(2)  # which entry a full cache drops
ABSENT, READY, DRAINING = range(3)  # a replica's place: nobody there, in service, at work on what it has accepted


class MachineStage(NamedTuple):
    """One stage in numbers. A *call* is what a caller's visit asks of a stage (or of one of its shards), with all
    attempts; an *attempt* is a visit and at most one hedge beside it; thresholds are of 2^63.
    """

    name_hash: int  # uint64: its identity in keys

    # the graph
    caller: int  # the stage whose visits call it; NOBODY for the client
    hold: int  # 1: the caller's worker stays busy until it has answered
    calls: int  # how many stages are called within it
    first_calls: tuple[int, ...]  # those of them that come after none
    successors: tuple[int, ...]
    predecessors: int
    wait_for: int  # so many of the predecessors must have answered (or all be settled)
    shards: int  # calls at once
    quorum: int  # answers that are enough
    when_threshold: int  # called if its draw is below; ALWAYS
    when_missed: int  # called only if a visit to this stage (a predecessor, or the caller) missed its cache; NOBODY
    required: int  # 1: the caller fails without it
    late_after: int  # ns from sending until it is left out; NEVER
    gives: int  # items handed on; PASS_ON
    keeps: int  # at most so many of them; UNLIMITED

    # the calling edge
    hop: int  # ns from sending to joining
    cut: int  # 1: what is sent never arrives
    timeout: int  # ns from an attempt's sending, or its mean; NEVER
    timeout_table: int  # row of `tables`; NOBODY: always the same
    attempts: int  # at most, the first included
    backoff: int  # ns before the second attempt; doubles
    backoff_longest: int  # ns
    jitter: float  # share of the backoff that is random
    retry_budget: int  # millionths of a retry that a first attempt allows; UNLIMITED
    hedge_after: int  # ns; NEVER
    hedge_budget: int  # millionths; UNLIMITED
    cancel: int  # CANCEL_NONE, CANCEL_WAITING, CANCEL_RUNNING
    breaker_window: int  # last results that count, at most 64; 0: no breaker
    breaker_failures: int  # of them that open it
    breaker_open: int  # ns until a probe
    fallback: int  # ns it takes; NEVER: there is none
    fallback_quality: int  # millionths

    # replicas and queues
    replicas: int  # at first, in the lowest places
    places: int  # for replicas, those that may come included
    zones: tuple[int, ...]  # place p stands in zones[p % len(zones)]; empty: nowhere in particular
    concurrency: int  # workers of a replica
    endless: int  # 1: as many workers as there are visits, all called 0 (others' systems, the client)
    balancing: int
    choices: int  # draws of LEAST_OF; 0 otherwise
    queue_limit: int  # waiting visits of one queue; UNLIMITED
    lifo_above: int  # newest first while more than this wait; UNLIMITED: first come first served
    by_level: int  # 1: the most important class first
    shed_oldest: int  # 1: a full queue drops its oldest, not the one that comes
    drop_expired: int  # 1: past its deadline a visit is dropped when its turn comes
    admission_interval: int  # ns between tokens; 0: everybody is admitted
    admission_burst: int  # ns: (tokens - 1) x interval

    # service
    floor: int  # ns whatever the items
    per_item: int  # ns for each item
    counts_visits: int  # 1: every visit is one item
    table: int  # row of `tables`
    batch_size: int  # 1: no batches
    batch_wait: int  # ns
    error_threshold: int  # the service ends in an error if its draw is below
    outage: int  # 1: every service ends in an error
    silent_threshold: int  # nobody ever answers if its draw is below

    # cache
    hit_threshold: int  # hits at random
    hit_time: int  # ns, at least 1
    cache_keys: int  # how many different keys there are; 0: no such cache
    key_hash: int  # uint64: whose keys they are; caches with the same one are asked for the same keys
    first_key: int  # slice of `key_thresholds`
    cache_capacity: int  # entries; UNLIMITED
    cache_ttl: int  # ns from the write; NEVER
    cache_policy: int  # LRU, FIFO
    cache_shared: int  # 1: one for the stage, 0: one for each replica
    coalesce: int  # 1: misses of one key wait for the first
    hot_threshold: int  # a request asks for the hottest key (or goes where all the hot ones go) if its draw is below

    @property
    def queues(self) -> int:
        """One if shared, else one a place."""
        return 1 if self.balancing == SHARED else self.places

    @property
    def workers(self) -> int:
        """Of the replicas that are there at first."""
        return self.replicas * self.concurrency


LIVE = frozenset(
    [
        "hop",
        "cut",
        "timeout",
        "attempts",
        "backoff",
        "backoff_longest",
        "jitter",
        "retry_budget",
        "hedge_after",
        "hedge_budget",
        "late_after",
        "fallback",
        "fallback_quality",
        "gives",
        "keeps",
        "when_threshold",
        "queue_limit",
        "lifo_above",
        "drop_expired",
        "admission_interval",
        "admission_burst",
        "floor",
        "per_item",
        "error_threshold",
        "outage",
        "hit_threshold",
        "hit_time",
        "hot_threshold",
    ]
)
"""The numbers of a stage that control may change while requests are under way; the others are the machine's build."""


class RequestClass(NamedTuple):
    """Requests of one kind."""

    below: int  # the class of a request is the first whose threshold is above its draw; ALWAYS for the last
    level: int  # 0 is the most important
    items: int  # that a request brings along, or their mean
    table: int  # row of `tables`; NOBODY: always the same


class Users(NamedTuple):
    """A closed loop: each thinks, sends a request, waits for its end, and thinks again."""

    number: int  # of them at first; 0: requests come by themselves
    think: int  # ns, mean
    table: int  # row of `tables`; NOBODY: always the same


class Machine(NamedTuple):
    """The request path. Every stage follows those it comes after; the client is the last."""

    stages: tuple[MachineStage, ...]
    classes: tuple[RequestClass, ...]  # at least one
    answer_after: int  # the stage after which the user has the answer; NOBODY: after all of them
    deadline: int  # ns from arrival, carried along; NEVER
    tables: NDArray[np.float64]  # quantile tables of mean 1, shape (tables, 2 * draws.EDGES)
    key_thresholds: NDArray[np.uint64]  # by key, cumulative popularity of 2^64, each cache's in its own slice
    users: Users
    zones: int  # how many there are; 0: none
    zone_hop: int  # ns more for a call into another zone

    @property
    def client(self) -> int:
        """The client's place among the stages: how many others there are."""
        return len(self.stages) - 1

    def column(self, name: str) -> Ints:
        """A number of every stage but the client."""
        return np.array([getattr(stage, name) for stage in self.stages[:-1]], dtype=np.int64)
