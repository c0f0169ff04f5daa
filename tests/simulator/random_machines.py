"""Hypothesis strategies: small machines in which all behaviours of the request path are mixed, and loads for them.

A stage is plain, and has a few *traits*: each sets the fields of one behaviour. What the case language refuses is not
made: a trait that does not go together with an earlier one is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from machines import CLIENT, CONSTANT, GAMMA, MS, Act, ClassSpec, ClientSpec, Load, StageSpec, machine, threshold

from simulator.machine import (
    CANCEL_NONE,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    FIFO,
    HASH,
    LEAST_OF,
    LEAST_OUTSTANDING,
    LRU,
    MILLION,
    NEVER,
    NOBODY,
    RANDOM,
    ROUND_ROBIN,
    SHARED,
    UNLIMITED,
    Machine,
    Users,
)
from simulator.workload import Profile

MOST_VISITS = 60  # of a request, every attempt and every copy made
DEEPEST = 2  # levels of calls within calls
BUDGETS = (UNLIMITED, UNLIMITED, 0, MILLION // 10, MILLION)


FINE = 15_625  # ns, a 64th of a millisecond; drawn whole, for hypothesis likes small numbers of a large range


class Times:
    """Durations: of any length, or of a few ticks of a coarse clock, so that much happens at once."""

    def __init__(self, draw: Any, tick: int, coarse: bool) -> None:
        self.draw, self.tick, self.coarse = draw, tick, coarse

    def upto(self, most: int) -> int:
        """At least 1; on a fine clock up to `most` milliseconds, on a coarse one up to `most` ticks."""
        return int(self.draw(st.integers(1, most) if self.coarse else st.integers(1, most * 64))) * (
            self.tick if self.coarse else FINE
        )

    def table(self) -> int:
        """Random durations on a coarse clock would leave it; there the spread comes from items and hits."""
        return CONSTANT if self.coarse else int(self.draw(st.integers(CONSTANT, GAMMA)))


Trait = Callable[[Any, Times], dict[str, Any]]


def _replicas(draw: Any, times: Times) -> dict[str, Any]:
    balancing = draw(st.sampled_from([SHARED, RANDOM, ROUND_ROBIN, LEAST_OF, LEAST_OUTSTANDING, HASH]))
    choices = draw(st.integers(1, 3)) if balancing == LEAST_OF else 0
    replicas = draw(st.integers(2, 4))
    return {
        "replicas": replicas,
        "places": replicas + draw(st.integers(0, 2)),
        "balancing": balancing,
        "choices": choices,
        "zones": draw(st.sampled_from([(), (), (0,), (0, 1), (0, 1, 2)])),
    }


def _timeout(draw: Any, times: Times) -> dict[str, Any]:
    table = NOBODY if draw(st.booleans()) else times.table()
    return {"timeout": times.upto(15), "timeout_table": table}


def _retries(draw: Any, times: Times) -> dict[str, Any]:
    return {
        "attempts": draw(st.integers(2, 3)),
        "backoff": draw(st.sampled_from([1, times.upto(3)])),
        "backoff_longest": draw(st.sampled_from([NEVER, times.upto(5)])),
        "jitter": 0.0 if times.coarse else draw(st.sampled_from([0.0, 0.5, 1.0])),
        "retry_budget": draw(st.sampled_from(BUDGETS)),
    }


def _shards(draw: Any, times: Times) -> dict[str, Any]:
    shards = draw(st.integers(2, 3))
    return {"shards": shards, "quorum": draw(st.integers(1, shards))}


def _late(draw: Any, times: Times) -> dict[str, Any]:
    return {"late_after": times.upto(8), "required": draw(st.booleans())}


def _limit(draw: Any, times: Times) -> dict[str, Any]:
    return {"queue_limit": draw(st.integers(0, 4)), "shed_oldest": draw(st.booleans())}


def _admission(draw: Any, times: Times) -> dict[str, Any]:
    interval = times.upto(4)
    return {"admission_interval": interval, "admission_burst": interval * draw(st.integers(0, 3))}


def _keys(draw: Any, times: Times) -> dict[str, Any]:
    return {
        "cache_keys": draw(st.integers(1, 8)),
        "zipf": draw(st.sampled_from([0.0, 1.0])),
        "cache_capacity": draw(st.sampled_from([1, 2, 3, UNLIMITED])),
        "cache_ttl": draw(st.sampled_from([NEVER, times.upto(20)])),
        "cache_policy": draw(st.sampled_from([LRU, FIFO])),
        "cache_shared": draw(st.booleans()),
        "coalesce": draw(st.booleans()),
        "hit_time": times.upto(2),
    }


def _items(draw: Any, times: Times) -> dict[str, Any]:
    return {
        "per_item": times.upto(1) if draw(st.booleans()) else 0,
        "counts_visits": draw(st.booleans()),
        "gives": draw(st.sampled_from([-1, 0, 3, 6])),
        "keeps": draw(st.sampled_from([UNLIMITED, 1, 4])),
    }


TRAITS: dict[str, Trait] = {
    "replicas": _replicas,
    "concurrency": lambda draw, times: {"concurrency": draw(st.integers(2, 3))},
    "hop": lambda draw, times: {"hop": times.upto(2)},
    "timeout": _timeout,
    "retries": _retries,
    "hedge": lambda draw, times: {"hedge_after": times.upto(6), "hedge_budget": draw(st.sampled_from(BUDGETS))},
    "breaker": lambda draw, times: {
        "breaker_window": (window := draw(st.integers(1, 4))),
        "breaker_failures": draw(st.integers(1, window)),
        "breaker_open": times.upto(10),
    },
    "fallback": lambda draw, times: {"fallback": times.upto(3), "fallback_quality": MILLION // 2},
    "errors": lambda draw, times: {"error_ratio": draw(st.sampled_from([0.1, 0.5, 1.0]))},
    "silent": lambda draw, times: {"silent_ratio": draw(st.sampled_from([0.2, 1.0])), "cancel": CANCEL_RUNNING},
    "endless": lambda draw, times: {"endless": True},
    "shards": _shards,
    "late": _late,
    "optional": lambda draw, times: {"required": False},
    "share": lambda draw, times: {"when_share": draw(st.sampled_from([0.0, 0.5]))},
    "hold": lambda draw, times: {"hold": True},
    "batch": lambda draw, times: {"batch_size": draw(st.integers(2, 4)), "batch_wait": times.upto(5)},
    "hits": lambda draw, times: {"hit_ratio": draw(st.sampled_from([0.3, 0.7])), "hit_time": times.upto(2)},
    "keys": _keys,
    "limit": _limit,
    "lifo": lambda draw, times: {"lifo_above": draw(st.sampled_from([0, 0, 1, 2]))},
    "levels": lambda draw, times: {"by_level": True},
    "drop_expired": lambda draw, times: {"drop_expired": True},
    "hot": lambda draw, times: {"hot_ratio": draw(st.sampled_from([0.3, 1.0]))},
    "admission": _admission,
    "items": _items,
}
NOT_TOGETHER = [
    {"batch", "hits"},
    {"batch", "keys"},
    {"batch", "lifo"},
    {"batch", "levels"},
    {"batch", "endless"},
    {"batch", "silent"},
    {"hits", "keys"},
    {"lifo", "levels"},
    *({"endless", own} for own in ("replicas", "concurrency", "limit", "lifo", "levels", "hold")),
]


@st.composite
def traits(draw: Any) -> list[str]:
    """Behaviours of a stage that go together."""
    wanted = draw(st.lists(st.sampled_from(sorted(TRAITS)), max_size=7, unique=True))
    found: list[str] = []
    for trait in wanted:
        if not any({trait, other} in NOT_TOGETHER for other in found):
            found.append(trait)
    if "keys" in found and not {"endless", "replicas"} & {*found} and draw(st.booleans()):
        found.append("replicas")  # each with a cache of its own, perhaps
    return found


@st.composite
def specs(draw: Any, tick: int, coarse: bool) -> list[StageSpec]:
    """One to six stages."""
    times = Times(draw, tick, coarse)
    made: list[StageSpec] = []
    depths: list[int] = []
    for index in range(draw(st.integers(1, 6))):
        callers = [CLIENT, CLIENT, *(s for s in range(index) if depths[s] < DEEPEST)]
        within = draw(st.sampled_from(callers))
        after = tuple(s for s in range(index) if made[s].within == within and draw(st.booleans()))
        fields: dict[str, Any] = {
            "cancel": draw(st.sampled_from([CANCEL_NONE, CANCEL_WAITING, CANCEL_RUNNING])),
            "floor": times.upto(5),
            "table": times.table(),
            "wait_for": draw(st.integers(1, len(after))) if len(after) > 1 else None,
        }
        for trait in draw(traits()):
            fields |= TRAITS[trait](draw, times)
        made.append(_allowed(StageSpec(after=after, within=within, **fields), made, times))
        depths.append(0 if within == CLIENT else depths[within] + 1)
    return made


def _allowed(spec: StageSpec, made: list[StageSpec], times: Times) -> StageSpec:
    """The stage without what the case language refuses of it and the stages before it."""
    other: dict[str, Any] = {}
    caller = None if spec.within == CLIENT else made[spec.within]
    if spec.silent_ratio and spec.timeout == NEVER:
        other["timeout"] = times.upto(15)
    if spec.late_after < NEVER and spec.required and spec.shards == 1:
        other["late_after"] = NEVER
    if spec.batch_size > 1:
        other["shed_oldest"] = False
    if spec.hold and (caller is None or caller.endless or caller.batch_size > 1):
        other["hold"] = False
    if spec.silent_ratio:
        other["cancel"] = CANCEL_RUNNING
    others = [s for s, earlier in enumerate(made) if earlier.cache_keys and earlier.keys_of is None]
    if spec.cache_keys and others and times.draw(st.integers(0, 7)):
        same = others[-1]
        other |= {"keys_of": same, "cache_keys": made[same].cache_keys, "zipf": made[same].zipf}
    cached = [s for s in spec.after if made[s].shards == 1 and (made[s].hit_ratio or made[s].cache_keys)]
    if caller is not None and (caller.hit_ratio or caller.cache_keys):
        cached.append(spec.within)
    if cached and times.draw(st.booleans()):
        other["when_missed"] = cached[-1]
    return dataclasses.replace(spec, **other)


def most_visits(stages: list[StageSpec], client: ClientSpec) -> int:
    """How many visits a request can come to."""
    of: list[int] = []
    for spec in stages:
        calls = client.attempts if spec.within == CLIENT else of[spec.within]
        of.append(calls * spec.shards * spec.attempts * (1 if spec.hedge_after == NEVER else 2))
    return client.attempts + sum(of)


def _fewer_visits(stages: list[StageSpec], client: ClientSpec) -> list[StageSpec]:
    """Without the second tries and shards of the innermost stages, until a request stays small."""
    smaller = list(stages)
    for index in reversed(range(len(stages))):
        for field, less in (("hedge_after", NEVER), ("attempts", 1), ("shards", 1)):
            if most_visits(smaller, client) <= MOST_VISITS:
                return smaller
            changed = {field: less} | ({"quorum": None, "late_after": NEVER} if field == "shards" else {})
            smaller[index] = dataclasses.replace(smaller[index], **changed)
    return smaller


@st.composite
def machines(draw: Any, tick: int = 1, coarse: bool = False) -> Machine:
    """A machine of random stages, a client that may be impatient, and classes of requests."""
    times = Times(draw, tick, coarse)
    client: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        client |= {"timeout": times.upto(30), "timeout_table": NOBODY if draw(st.booleans()) else times.table()}
    if draw(st.integers(0, 3)) == 0:
        client |= _retries(draw, times)
    stages = _fewer_visits(draw(specs(tick, coarse)), ClientSpec(**client))
    deadline = NEVER
    if any(spec.drop_expired for spec in stages) or draw(st.integers(0, 3)) == 0:
        deadline = times.upto(30)
    kinds = [ClassSpec(items=draw(st.integers(0, 3)))]
    for _ in range(draw(st.integers(0, 2))):
        table = NOBODY if times.coarse else draw(st.sampled_from([NOBODY, GAMMA]))
        kinds.append(
            ClassSpec(draw(st.sampled_from([0.3, 1.0])), draw(st.integers(0, 2)), draw(st.integers(0, 6)), table)
        )
    outer = [s for s, spec in enumerate(stages) if spec.within == CLIENT]
    answer_after = draw(st.sampled_from([NOBODY, NOBODY, NOBODY, *outer]))
    users = Users(0, 0, NOBODY)
    if draw(st.integers(0, 5)) == 5:
        # Who hardly thinks asks a hundred thousand times on a fine clock.
        think = times.upto(20) if coarse else draw(st.integers(5, 20)) * MS
        users = Users(draw(st.integers(1, 12)), think, NOBODY if draw(st.booleans()) else times.table())
    zone_hop = draw(st.sampled_from([0, times.upto(2)]))
    return machine(stages, ClientSpec(**client), tuple(kinds), answer_after, deadline, users, 3, zone_hop)


@st.composite
def looks(draw: Any, horizon: int, tick: int) -> dict[str, Any]:
    """Control instants up to the horizon, between which of them is measured, and what control does."""
    instants = st.integers(0, horizon // tick).map(lambda t: t * tick)
    looking = sorted({*draw(st.lists(instants, max_size=8)), horizon})
    opens = draw(st.integers(0, len(looking) - 1))
    factors = st.sampled_from([0.5, 1.0, 3.0] if tick == FINE else [1.0, 2.0])
    some = st.integers(1, 5).map(lambda ticks: ticks * tick * (64 if tick == FINE else 1))
    ratios = st.sampled_from([0.0, 0.3, 1.0]).map(threshold)
    numbers: dict[str, Any] = {
        **dict.fromkeys(("hop", "timeout", "late_after", "fallback", "floor", "hit_time"), some),
        **dict.fromkeys(("error_threshold", "hit_threshold", "hot_threshold", "when_threshold"), ratios),
        **dict.fromkeys(("cut", "outage", "drop_expired"), st.integers(0, 1)),
        **dict.fromkeys(("retry_budget", "hedge_budget"), st.sampled_from(BUDGETS)),
        "attempts": st.just(1),  # second tries may go: more of them than `_fewer_visits` left would make an avalanche
        "hedge_after": st.just(NEVER),
        "queue_limit": st.integers(0, 3),
        "keeps": st.integers(0, 3),
        "admission_interval": st.one_of(st.just(0), some),
        "per_item": some,
    }
    whole = {
        "pause": st.booleans(),
        "factor": factors,
        "flush": st.just(1),
        "slow": factors,
        "users": st.integers(0, 20),
    }
    fleet = dict.fromkeys(("start", "drain", "kill"), st.just(1))
    values: dict[str, Any] = numbers | whole | fleet
    # As often something of the fleet, of a stage, or of its numbers.
    names = [*[*fleet] * 8, *[*whole] * 5, *numbers]
    what = st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), values[name]))
    places = st.integers(0, 3)
    acts = draw(st.one_of(st.just([]), st.lists(st.tuples(instants, what, st.integers(0, 5), places), max_size=10)))
    return {
        "instants": looking,
        "opens": opens,
        "closes": draw(st.integers(opens, len(looking) - 1)),
        "acts": [Act(at, name, stage, value, place) for at, (name, value), stage, place in acts],
    }


@st.composite
def loads(draw: Any) -> Load:
    """Poisson arrivals, at one rate or at several, about forty of them."""
    rates = st.sampled_from([0.0, 100.0, 300.0, 1000.0])
    pieces = draw(st.integers(0, 2))
    starts = sorted(draw(st.lists(st.integers(1, 100), min_size=pieces, max_size=pieces, unique=True)))
    profile = Profile((0, *(start * MS for start in starts)), (*(draw(rates) for _ in starts), draw(rates) or 500.0))
    horizon = 150 * MS - FINE * draw(st.integers(0, 150 * 64 - 1))  # the simplest run is a long one
    return Load(**draw(looks(horizon, FINE)), profile=profile, seed=draw(st.integers(0, 2**53)))


@st.composite
def coarse_loads(draw: Any, tick: int) -> Load:
    """About thirty arrivals on a few ticks, several at once."""
    at_once = draw(st.lists(st.integers(0, 3), min_size=20, max_size=20))
    times = [t * tick for t, several in enumerate(at_once) for _ in range(several)]
    horizon = tick * (80 - draw(st.integers(0, 79)))
    sessions = draw(st.one_of(st.none(), st.lists(st.integers(-1, 2), min_size=len(times), max_size=len(times))))
    seed = draw(st.integers(0, 9))
    return Load(**draw(looks(horizon, tick)), times=times, seed=seed, sessions=sessions and _keystrokes(sessions))


def _keystrokes(places: list[int]) -> list[tuple[int, int]]:
    """Sessions that go on for ever, but for what belongs to none."""
    return [(place, places[:i].count(place) if place >= 0 else -1) for i, place in enumerate(places)]
