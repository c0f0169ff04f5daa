"""From a case to its machine: every field of the language arrives as the number that the rules mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_cases import case, stage

from cases import files
from cases.build import apply
from cases.errors import CaseError
from simulator import draws
from simulator.machine import (
    ALWAYS,
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
    PASS_ON,
    RANDOM,
    ROUND_ROBIN,
    SHARED,
    UNLIMITED,
    MachineStage,
    RequestClass,
    Users,
)
from simulator.network import Network, resolve
from simulator.plan import plan
from simulator.run import simulate

MS = 1_000_000
SECOND = 1_000 * MS
PATH = files.load(Path(__file__).parents[1] / "cases" / "good" / "request_path.yaml")


def only(**fields: object) -> MachineStage:
    """The stage of a case with one stage."""
    return resolve(case(stage(**fields))).machine.stages[0]


def of(network: Network, name: str) -> MachineStage:
    return network.machine.stages[network.names.index(name)]


def test_a_stage_that_says_nothing() -> None:
    network = resolve(case())
    assert network.machine.stages[0] == MachineStage(
        name_hash=draws.name_hash("server"), caller=1, hold=0, calls=0, first_calls=(), successors=(), predecessors=0,
        wait_for=0, shards=1, quorum=1, when_threshold=ALWAYS, when_missed=NOBODY, required=1, late_after=NEVER,
        gives=PASS_ON, keeps=UNLIMITED, hop=0, cut=0, timeout=NEVER, timeout_table=NOBODY, attempts=1, backoff=0,
        backoff_longest=0, jitter=0.0, retry_budget=UNLIMITED, hedge_after=NEVER, hedge_budget=UNLIMITED,
        cancel=CANCEL_NONE, breaker_window=0, breaker_failures=0, breaker_open=0, fallback=NEVER,
        fallback_quality=MILLION, replicas=1, places=1, zones=(), concurrency=1, endless=0, balancing=SHARED, choices=0,
        queue_limit=UNLIMITED, lifo_above=UNLIMITED, by_level=0, shed_oldest=0, drop_expired=0, admission_interval=0,
        admission_burst=0, floor=SECOND, per_item=0, counts_visits=0, table=0, batch_size=1, batch_wait=0,
        error_threshold=0, outage=0, silent_threshold=0, hit_threshold=0, hit_time=1, cache_keys=0, first_key=0, 
        key_hash=draws.name_hash("server"),
        cache_capacity=UNLIMITED, cache_ttl=NEVER, cache_policy=LRU, cache_shared=0, coalesce=0, hot_threshold=0,
    )  # fmt: skip
    client = network.machine.stages[network.machine.client]
    assert (client.caller, client.calls, client.first_calls) == (NOBODY, 1, (0,))
    assert (client.endless, client.replicas, client.concurrency, client.attempts) == (1, 1, 1, 1)
    assert (client.timeout, client.gives, client.required, client.cancel) == (NEVER, PASS_ON, 1, CANCEL_NONE)
    assert client.name_hash not in {one.name_hash for one in network.machine.stages[:-1]}
    assert network.machine.classes == (RequestClass(ALWAYS, 0, 0, NOBODY),)
    assert (network.machine.answer_after, network.machine.deadline) == (NOBODY, NEVER)
    assert (network.names, len(network.class_names)) == (("server",), 1)
    assert (network.machine.users.number, network.machine.zones, network.machine.zone_hop) == (0, 0, 0)
    assert (network.slow_periods, network.outages, network.hours) == ((), (), ())


def test_the_graph() -> None:
    network = resolve(PATH)
    names, machine = network.names, network.machine
    at = {name: i for i, name in enumerate(names)}
    assert machine.client == len(names)
    assert of(network, "profile").caller == at["gateway"]
    assert of(network, "profile").hold == 1
    assert of(network, "profile_store").caller == at["profile"]
    assert of(network, "profile_store").when_missed == at["profile"]
    assert of(network, "refill").when_missed == at["fresh"]
    assert of(network, "search").caller == machine.client
    assert (of(network, "gateway").calls, of(network, "gateway").first_calls) == (1, (at["profile"],))
    assert of(network, "gateway").successors == (at["search"], at["fresh"])
    ranking = of(network, "ranking")
    assert (ranking.predecessors, ranking.wait_for) == (2, 1)
    search = of(network, "search")
    assert (search.shards, search.quorum, search.late_after, search.gives) == (20, 19, 50 * MS, 500)
    assert of(network, "customer").when_threshold == round(0.005 * 2**63)
    client = machine.stages[-1]
    assert (client.calls, client.first_calls) == (sum(s.within is None for s in PATH.stages), (at["gateway"],))
    assert machine.answer_after == at["ranking"]
    for i, one in enumerate(machine.stages[:-1]):
        assert all(later > i for later in one.successors)
        assert one.caller == machine.client or one.caller < i


def test_second_tries() -> None:
    network = resolve(PATH)
    store, ranking, client = of(network, "profile_store"), of(network, "ranking"), network.machine.stages[-1]
    assert (store.attempts, store.backoff, store.backoff_longest) == (3, 10 * MS, 40 * MS)
    assert (store.jitter, store.retry_budget) == (0.5, 100_000)
    assert (store.timeout, store.timeout_table) == (200 * MS, NOBODY)
    assert (store.breaker_window, store.breaker_failures, store.breaker_open) == (20, 10, 5 * SECOND)
    assert (store.fallback, store.fallback_quality) == (MS, 600_000)
    assert store.error_threshold == round(0.001 * 2**63)
    assert (ranking.hedge_after, ranking.hedge_budget, ranking.cancel) == (60 * MS, 50_000, CANCEL_RUNNING)
    assert of(network, "fresh").cancel == CANCEL_WAITING
    assert (client.attempts, client.backoff, client.backoff_longest) == (2, 100 * MS, 1024 * 100 * MS)
    assert (client.jitter, client.retry_budget, client.timeout) == (0.5, 100_000, 4 * SECOND)
    assert np.array_equal(network.machine.tables[client.timeout_table], draws.lognormal_table(0.5))
    assert network.machine.deadline == 3 * SECOND


@pytest.mark.parametrize(
    ("window", "failures", "opens_at"),
    [(20, "50 %", 10), (3, "50 %", 2), (10, "30 %", 3), (5, "0 %", 1), (64, "1", 64)],
)
def test_a_breaker_opens_at_a_whole_number_of_failures(window: int, failures: str, opens_at: int) -> None:
    breaker = f"{{window: {window}, failures: {failures}, open_for: 1 s}}"
    assert only(breaker=breaker).breaker_failures == opens_at


def test_queues_and_fleets() -> None:
    network = resolve(PATH)
    gateway = of(network, "gateway")
    assert (gateway.queue_limit, gateway.lifo_above, gateway.drop_expired) == (100, 10, 1)
    assert (gateway.admission_interval, gateway.admission_burst) == (2 * MS, 19 * 2 * MS)
    assert only(queue="{order: lifo}").lifo_above == 0
    assert only(admission="{rate: 3 requests/s}").admission_interval == 333_333_333
    assert only(admission="{rate: 1e-6 requests/s, burst: 1000000}").admission_burst == NEVER
    balancing = {
        "shared": (SHARED, 0), "random": (RANDOM, 0), "round robin": (ROUND_ROBIN, 0), "round_robin": (ROUND_ROBIN, 0),
        "least_of 3": (LEAST_OF, 3), "least outstanding": (LEAST_OUTSTANDING, 0), "hash": (HASH, 0),
    }  # fmt: skip
    for text, numbers in balancing.items():
        one = only(replicas=4, balancing=text)
        assert (one.balancing, one.choices) == numbers


def test_others_and_people() -> None:
    network = resolve(PATH)
    ads, reviewer, customer = (of(network, name) for name in ("ads", "reviewer", "customer"))
    assert (ads.endless, ads.replicas, ads.admission_interval, ads.admission_burst) == (1, 1, 5 * MS, 199 * 5 * MS)
    assert ads.error_threshold == round(0.005 * 2**63)
    assert (reviewer.endless, reviewer.replicas, reviewer.balancing, reviewer.cancel) == (0, 12, SHARED, CANCEL_RUNNING)
    assert (reviewer.by_level, reviewer.shed_oldest, reviewer.queue_limit) == (1, 1, 500)
    assert reviewer.silent_threshold == pytest.approx(0.2 * 2.0**63, rel=1e-12)
    assert (customer.endless, customer.silent_threshold, customer.cancel) == (1, 0, CANCEL_NONE)
    at = network.names.index
    assert network.outages == ((at("ads"), 30 * 86_400 * SECOND, 3_600 * SECOND),)
    assert network.hours == ((at("reviewer"), 8 * 3_600 * SECOND, 24 * 3_600 * SECOND),)
    assert network.slow_periods == ((at("search"), 60 * SECOND, 2 * SECOND, 3.0),)


def test_zones_and_replicas_that_may_come() -> None:
    opened = case(
        stage("near", replicas=2, balancing="random", zones="[c, a]"),
        stage("far", replicas=2, balancing="random", autoscaling="{queue: 5, max: 7}"),
        stage("hot", replicas=3, balancing="hash", hot="25 %"),
        "{name: others, external: true, service: {kind: constant, mean: 1 s}}",
        extra="zones: {names: [a, b, c], hop: 2 ms}",
    )
    network = resolve(opened)
    assert (network.machine.zones, network.machine.zone_hop) == (3, 2 * MS)
    assert [one.zones for one in network.machine.stages] == [(2, 0), (0, 1, 2), (0, 1, 2), (), ()]
    assert [(one.replicas, one.places) for one in network.machine.stages[:3]] == [(2, 2), (2, 7), (3, 3)]
    assert of(network, "hot").hot_threshold == 2**61
    assert of(network, "far").workers == 2, "those that are there at first"


def test_users_of_a_closed_loop() -> None:
    network = resolve(case(workload="{kind: closed, users: 30, think: 2 s}"))
    assert network.machine.users == Users(30, 2 * SECOND, NOBODY)
    network = resolve(case(workload="{kind: closed, users: 30, think: {kind: gamma, mean: 2 s, cv: 0.5}}"))
    assert network.machine.users.think == 2 * SECOND
    assert network.machine.tables[network.machine.users.table] == pytest.approx(draws.gamma_table(0.5))


def test_desks_cost_what_a_replica_does() -> None:
    person = "{name: clerk, person: {answers: 1, desks: 5}, service: {kind: exponential, mean: 1 s}, price: $2/hour}"
    other = "{name: bank, external: true, service: {kind: exponential, mean: 1 s}, price: $3/hour}"
    assert resolve(case(person, other)).cost_usd_per_hour == pytest.approx(13.0)


def test_caches() -> None:
    network = resolve(PATH)
    profile, fresh = of(network, "profile"), of(network, "fresh")
    assert (profile.cache_keys, profile.first_key, profile.cache_capacity) == (100_000, 0, 1_000)
    assert (profile.cache_ttl, profile.cache_policy, profile.cache_shared) == (60 * SECOND, FIFO, 0)
    assert (profile.coalesce, profile.hit_time, profile.hit_threshold) == (1, 100_000, 0)
    assert (fresh.cache_keys, fresh.hit_threshold, fresh.hit_time) == (0, round(0.9 * 2**63), 400_000)
    thresholds = network.machine.key_thresholds
    assert np.array_equal(thresholds, draws.zipf_thresholds(100_000, 0.9))
    two = resolve(
        case(
            stage("a", cache="{keys: 10, zipf: 1, hit_time: 1 ms, scope: shared}"),
            stage("b", cache="{keys: 5, zipf: 0, hit_time: 1 ms}"),
        )
    ).machine
    assert [(s.first_key, s.cache_keys, s.cache_shared) for s in two.stages[:2]] == [(0, 10, 1), (10, 5, 0)]
    assert np.array_equal(two.key_thresholds[10:], draws.zipf_thresholds(5, 0.0))
    assert two.stages[0].cache_capacity == UNLIMITED
    assert only(cache="{hit_ratio: 100 %, hit_time: 1 ms}").hit_threshold == ALWAYS


def test_service_times() -> None:
    network = resolve(PATH)
    tables = network.machine.tables
    ranking, store, search = (of(network, name) for name in ("ranking", "profile_store", "search"))
    assert (ranking.floor, ranking.per_item, ranking.counts_visits) == (5 * MS, MS // 2, 1)
    assert (ranking.batch_size, ranking.batch_wait) == (8, 3 * MS)
    assert np.array_equal(tables[ranking.table], draws.gamma_table(0.2))
    measured = PATH.stage("profile_store").service.times
    assert measured is not None
    assert np.array_equal(tables[store.table], draws.empirical_table(measured))
    assert store.floor == round(sum(measured) / len(measured) * SECOND)
    unit = draws.quantiles(tables[search.table], draws.root_keys(1, 0, 0, np.arange(200_000)))
    # p50 5 ms, p95 12 ms, p99 25 ms fitted; one in a hundred takes ten times as long.
    assert float(np.median(unit)) * search.floor / MS == pytest.approx(5, rel=0.1)
    assert unit.mean() == pytest.approx(1.0, rel=0.01)


def test_stragglers_lengthen_the_mean() -> None:
    plain = only(service="{kind: constant, mean: 10 ms}")
    late = only(service="{kind: constant, mean: 10 ms, stragglers: {share: 1 %, times: 11}}")
    assert (plain.floor, late.floor) == (10 * MS, 11 * MS)
    by_item = "{kind: constant, floor: 1 ms, per_item: 10 us, items: request, stragglers: {share: 10 %, times: 11}}"
    assert (only(service=by_item).floor, only(service=by_item).per_item) == (2 * MS, 20_000)


def test_equal_distributions_share_a_table() -> None:
    lines = [stage(name, "{kind: lognormal, mean: 1 ms, cv: 0.5}") for name in "abc"]
    assert resolve(case(*lines)).machine.tables.shape[0] == 1
    other = stage("d", "{kind: lognormal, mean: 1 ms, cv: 0.6}", timeout="{kind: lognormal, mean: 9 ms, cv: 0.5}")
    both = resolve(case(*lines, other)).machine
    assert both.tables.shape[0] == 2
    assert both.stages[3].timeout_table == both.stages[0].table


def test_nothing_outgrows_the_clock() -> None:
    """A year that straggles a thousandfold, and backoffs of a thousand years."""
    late = "{kind: constant, mean: 1 year, stragglers: {share: 1, times: 1000}}"
    one = only(service=late, retries="{attempts: 10, backoff: 1 year}")
    assert (one.floor, one.backoff_longest) == (NEVER, NEVER)


def test_classes() -> None:
    network = resolve(PATH)
    paid, free, robots = network.machine.classes
    assert network.class_names == ("paid", "free", "robots")
    assert [one.level for one in (paid, free, robots)] == [0, 1, 2]
    assert paid.below == round(0.2 * 2**63)
    assert free.below == pytest.approx(0.95 * 2.0**63, rel=1e-12)
    assert robots.below == ALWAYS
    assert [one.items for one in (paid, free, robots)] == [20, 10, 5]
    assert free.table == NOBODY
    assert np.array_equal(network.machine.tables[paid.table], draws.lognormal_table(0.8))
    alike = resolve(apply(PATH, {"workload.classes.free.priority": "1"}))
    assert [one.level for one in alike.machine.classes] == [0, 0, 1]


def test_callers_stand_before_what_is_called_within_them() -> None:
    called = stage("called", within="later")
    network = resolve(case(called, stage("later", after="[first]"), stage("first")))
    assert network.names == ("first", "later", "called")


# -- whatever a case says, its machine is made of whole numbers -------------------------------------------------------

DURATIONS = st.sampled_from(["1 ns", "1 us", "3 ms", "2 s", "1 year"])
SHARES = st.sampled_from(["0", "0.1 %", "33 %", "1"])
SHAPES = st.one_of(
    st.builds("{{kind: constant, mean: {}}}".format, DURATIONS),
    st.builds(
        "{{kind: {}, mean: {}, cv: {}, stragglers: {{share: {}, times: {}}}}}".format,
        st.sampled_from(["lognormal", "gamma", "pareto"]),
        DURATIONS,
        st.sampled_from(["0.01", "0.5", "5"]),
        SHARES,
        st.sampled_from(["1", "10", "1000"]),
    ),
    st.builds("{{kind: uniform, mean: {}, cv: {}}}".format, DURATIONS, st.sampled_from(["0.01", "0.57735"])),
    st.builds("{{kind: empirical, times: [{}, {}]}}".format, DURATIONS, DURATIONS),
    st.builds(
        "{{kind: {}, p50: {}, p95: {}, p99: {}}}".format,
        st.sampled_from(["lognormal", "gamma", "pareto"]),
        DURATIONS,
        DURATIONS,
        DURATIONS,
    ),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "timeout": SHAPES,
    "hedge": st.builds("{{after: {}, budget: {}}}".format, DURATIONS, SHARES),
    "retries": st.builds("{{attempts: {}, backoff: {}, jitter: {}}}".format, st.integers(2, 10), DURATIONS, SHARES),
    "breaker": st.builds("{{window: {}, failures: {}, open_for: {}}}".format, st.integers(1, 64), SHARES, DURATIONS),
    "errors": SHARES,
    "slow_periods": st.builds("{{every: {}, lasts: {}, times: 3}}".format, DURATIONS, DURATIONS),
    "shards": st.integers(1, 1000),
    "late_after": DURATIONS,
    "required": st.sampled_from(["true", "false"]),
    "admission": st.builds(
        "{{rate: {}, burst: {}}}".format, st.sampled_from(["1e-6/s", "1e7/s"]), st.integers(1, 10**6)
    ),
    "queue": st.sampled_from(["{order: lifo}", "{lifo_above: 0}", "{limit: 0, when_full: oldest}"]),
    "batch": st.builds("{{size: {}, wait: {}}}".format, st.integers(2, 1024), DURATIONS),
    "cache": st.builds(
        "{{keys: {}, zipf: {}, ttl: {}, hit_time: {}}}".format,
        st.integers(1, 50),
        st.sampled_from(["0", "0.9", "4"]),
        DURATIONS,
        DURATIONS,
    ),
}


@settings(derandomize=True, max_examples=200, deadline=None)
@given(SHAPES, st.fixed_dictionaries({}, optional=FIELDS))
def test_whatever_is_a_case_resolves(service: str, fields: dict[str, Any]) -> None:
    try:
        found = case(stage("server", service, **fields))
    except CaseError:
        return
    network = resolve(found)
    for one in network.machine.stages:
        for name, value in one._asdict().items():
            if name == "jitter":
                assert 0.0 <= value <= 1.0
            elif isinstance(value, int):
                assert -1 <= value <= NEVER or "threshold" in name or name in ("name_hash", "key_hash"), name
    assert network.machine.tables.dtype == np.float64
    assert np.isfinite(network.machine.tables).all()
    assert (network.machine.tables >= 0).all()


def test_a_cache_behind_another_is_asked_for_the_same_keys() -> None:
    """The second of two equal LRU caches sees what the first missed: keys that were long not asked for."""
    front = stage(
        "front", "{kind: constant, mean: 1 ms}", cache="{keys: 1000, zipf: 0.9, capacity: 50, hit_time: 1 ms}"
    )
    behind = {"within": "front", "when": "cache.miss"}
    cache = "capacity: 50, hit_time: 1 ms}"
    same = stage("behind", "{kind: constant, mean: 1 ms}", cache=f"{{keys_of: front, {cache}", **behind)
    other = stage("behind", "{kind: constant, mean: 1 ms}", cache=f"{{keys: 1000, zipf: 0.9, {cache}", **behind)
    machine = resolve(case(front, same)).machine
    assert machine.stages[0].key_hash == machine.stages[1].key_hash
    assert len(machine.key_thresholds) == 1000
    hits = [
        simulate(plan(case(front, second, rate="50 requests/s"), requests=5000, replications=1))
        .stages["behind"]
        .hit_ratio
        for second in (same, other)
    ]
    assert hits[0] is not None
    assert hits[1] is not None
    assert hits[0] < 0.05 < 0.2 < hits[1]
