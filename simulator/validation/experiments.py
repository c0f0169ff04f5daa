"""For each row that is simulated, the small case that must reproduce it: written as a case file is, and read as one.

Times of these cases are in milliseconds where the theory has service means: a mean service takes 1 ms. What a row's
inputs say is what the case says; the lengths are chosen so that the interval is narrow enough.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.machine import Ints
from simulator.plan import Window
from simulator.plane import StageTally
from simulator.results import SimulationResult
from simulator.semantics import Trace, Visit
from simulator.validation.targets import Target

REPLICATIONS = 20
EXPONENTIAL = "{kind: exponential, mean: 1 ms}"
SHARDS_SEEN = 100  # of the many leaves: what the slowest of all does follows from the slowest of these
ALL_LEAVES = 8493  # of which the slowest has the published median
NS_PER_MS = 1e6


class Seen(NamedTuple):
    """What one replication of a case showed."""

    result: SimulationResult
    tally: StageTally
    window: Window
    trace: Trace | None  # if the experiment asks for it


@dataclass(frozen=True)
class Experiment:
    """How a row is reproduced: cases, how long they are run, and what is measured of each replication."""

    cases: tuple[str, ...]
    measure: Callable[..., float | tuple[float, ...]]  # of a `Seen` for each case; several values only where shown
    requests: int  # measured in a replication
    full_only: bool = False  # too long for every day
    traced: bool = False
    replications: int = REPLICATIONS
    scenario: str | None = None  # of the cases


def experiment(target: Target) -> Experiment:
    """The experiment of a row that is simulated or shown (KeyError: there is none)."""
    return _BY_ID[target.id](target)


def experiments(target: Target) -> bool:
    """Whether there is anything of ours to set beside a row."""
    return target.by == "simulation" or (target.by == "shown" and target.id in _BY_ID)


# -- case files -------------------------------------------------------------------------------------------------------


def case(*stages: str, rate: float = 0.0, load: str = "", extra: str = "", classes: str = "") -> str:
    """A case file. `rate`: requests a millisecond, at random; or another `load`."""
    load = load or f"kind: poisson, rate: {rate * 1000!r} request/s"
    load += f", classes: {classes}" if classes else ""
    lines = "\n".join(f"  - {stage}" for stage in stages)
    return (
        f"format: 1\nid: accuracy\ntitle: Accuracy\nquestion: Is it what theory says?\n"
        f"workload: {{{load}}}\nstages:\n{lines}\n{extra}\n"
    )


def stage(service: str = EXPONENTIAL, name: str = "server", **says: object) -> str:
    """A stage of ours: one replica of one worker unless said otherwise."""
    return _line({"name": name, "replicas": 1, "service": service} | says)


def endless(service: str = EXPONENTIAL, **says: object) -> str:
    """A stage where nobody waits."""
    return _line({"name": "server", "external": "true", "service": service} | says)


def _line(says: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in says.items()) + "}"


def gamma(scv: float, mean: float = 1.0) -> str:
    """A service time by its squared coefficient of variation, mean in ms."""
    if scv == 0.0:
        return f"{{kind: constant, mean: {mean!r} ms}}"
    return f"{{kind: gamma, mean: {mean!r} ms, cv: {math.sqrt(scv)!r}}}"


# -- measures ---------------------------------------------------------------------------------------------------------


def _known(value: float | None) -> float:
    assert value is not None, "a validation run measures what it is asked for"
    return value


def latency(seen: Seen, figure: str = "mean") -> float:
    """Of the requests, ms."""
    return _known(seen.result.latency_ms[figure].value)


def wait(seen: Seen) -> float:
    """Mean wait of the stage 'server', ms."""
    return _known(seen.result.stages["server"].wait_mean_ms)


def wait_p99(seen: Seen) -> float:
    """Of the stage 'server', ms."""
    return _known(seen.result.stages["server"].wait_p99_ms)


def waited(seen: Seen) -> float:
    """The share of the visits of the first stage that wait at all."""
    return 1.0 - int(seen.tally.waits[0][0]) / int(seen.tally.starts[0])


def rejected(seen: Seen) -> float:
    """The share of the requests that is turned away."""
    return seen.result.requests["rejected"] / seen.result.requests["offered"]


def timed_out(seen: Seen) -> float:
    """The share of the requests that takes too long."""
    return seen.result.requests["timed_out"] / seen.result.requests["offered"]


def answered(seen: Seen) -> float:
    """The share of the requests that gets an answer."""
    return seen.result.requests["completed"] / seen.result.requests["offered"]


def abandoned(seen: Seen) -> float:
    """The share of the visits of the first stage that leaves without having been served."""
    return 1.0 - int(seen.tally.starts[0]) / int(seen.tally.joins[0])


def in_service(seen: Seen) -> float:
    """Mean number of busy workers."""
    return seen.result.stages["server"].in_service


def hit_ratio(seen: Seen) -> float:
    """Of the cache."""
    return _known(seen.result.stages["server"].hit_ratio)


def attempts(seen: Seen) -> float:
    """Visits for each call."""
    return _known(seen.result.stages["server"].attempts_per_visit)


def percentiles(seen: Seen) -> tuple[float, ...]:
    """Those of the objectives, ms."""
    return tuple(_known(objective.value) for objective in seen.result.objectives)


def one_percentile(seen: Seen) -> float:
    """That of the only objective, ms."""
    return percentiles(seen)[0]


def _levels(seen: Seen, groups: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """How many visits of a group lie between begin and end: each level, and for how long in the window (ns)."""
    times = np.concatenate([begin, end])
    steps = np.repeat(np.array([1, -1]), len(begin))
    of = np.concatenate([groups, groups])
    order = np.lexsort((times, of))
    times, steps, of = times[order], steps[order], of[order]
    level = np.cumsum(steps)  # a group ends at 0, so that the next begins there
    times = np.clip(times, seen.window.start, seen.window.end)
    lasts = np.where(of[1:] == of[:-1], np.diff(times), 0)
    return level[:-1], lasts


def variance_in_service(seen: Seen) -> float:
    """Of the number of busy workers, over time."""
    column = _columns(seen)
    begin, end = column("start"), column("end")
    level, lasts = _levels(seen, np.zeros_like(begin), begin, end)
    share = lasts / (seen.window.end - seen.window.start)
    mean = float(np.sum(level * share))
    return float(np.sum((level - mean) ** 2 * share)) + mean**2 * float(1.0 - np.sum(share))


def three_or_more(replicas: int) -> Callable[[Seen], float]:
    """The share of the replicas that has at least three visits, over time."""

    def share(seen: Seen) -> float:
        column = _columns(seen)
        level, lasts = _levels(seen, column("replica"), column("join"), column("end"))
        return int(lasts[level >= 3].sum()) / (replicas * (seen.window.end - seen.window.start))

    return share


def _columns(seen: Seen) -> Callable[[str], Ints]:
    """The columns of the first stage's trace; what never came has a time later than any."""
    assert seen.trace is not None
    trace = seen.trace[seen.trace[:, Visit._fields.index("stage")] == 0]

    def column(name: str) -> Ints:
        values = trace[:, Visit._fields.index(name)]
        return np.where(values < 0, np.iinfo(np.int64).max, values)

    return column


# -- fan-out and hedges -----------------------------------------------------------------------------------------------


def _slow_shard(target: Target) -> Experiment:
    """A share of the visits straggles beyond what the client waits for."""
    slow, shards = target.given["p"], round(target.given["n"])
    service = f"{{kind: constant, mean: 1 ms, stragglers: {{share: {slow!r}, times: 10}}}}"
    opened = case(endless(service, shards=shards), rate=0.01, extra="client: {timeout: 5 ms}")
    return Experiment((opened,), timed_out, {1: 450_000, 100: 3_500, 1000: 800}[shards])


def _slowest(target: Target) -> Experiment:
    shards = round(target.given["n"])
    opened = case(endless(shards=shards), rate=0.01)
    requests = {2: 15_000, 10: 3_000, 100: 1_700, 1000: 600}[shards]
    return Experiment((opened,), latency, requests, full_only=shards == 1000)


LEAF = "{kind: lognormal, p50: 1 ms, p95: 5 ms}"


def _leaf(figure: str, requests: int) -> Experiment:
    return Experiment((case(endless(LEAF), rate=0.1),), lambda seen: latency(seen, figure), requests)


def _slowest_leaf(*shares: float) -> tuple[str, ...]:
    """The slowest of all leaves is below t in a share q of the requests if that of some of them is in q^(some/all)."""
    wanted = [100 * share ** (SHARDS_SEEN / ALL_LEAVES) for share in shares]
    kept = ", ".join(f"{{metric: latency, percentile: {percent:.9f}, at_most: 1 s}}" for percent in wanted)
    return (case(endless(LEAF, shards=SHARDS_SEEN), rate=0.001, extra=f"objectives: [{kept}]"),)


def _leaves(target: Target) -> Experiment:
    if target.by == "shown" and "one" in target.inputs:
        shown = (case(endless(LEAF), rate=0.1),)
        return Experiment(shown, lambda seen: tuple(latency(seen, p) for p in ("p50", "p95", "p99")), 20_000)
    if target.by == "shown":
        return Experiment(_slowest_leaf(0.5, 0.95, 0.99), percentiles, 40_000, full_only=True)
    if "n" in target.given:
        return Experiment(_slowest_leaf(target.given["q"]), one_percentile, 80_000, full_only=True)
    return _leaf("p99", 120_000)


def _unhedged(target: Target) -> Experiment:
    return _leaf(*{0.99: ("p99", 60_000), 0.999: ("p999", 350_000)}[target.given["q"]])


def _hedged(target: Target) -> Experiment:
    opened = case(endless(hedge="{after: 2.99573 ms}"), rate=0.1)
    if "q" in target.given:
        return Experiment((opened,), lambda seen: latency(seen, "p999"), 80_000)
    return Experiment(
        (opened,), lambda seen: seen.result.stages["server"].hedges / seen.result.requests["offered"], 60_000
    )


# -- one queue --------------------------------------------------------------------------------------------------------


def _erlang_b(target: Target) -> Experiment:
    """Lost calls do not depend on the shape of the service time, so each row has another."""
    workers = round(target.given["c"])
    service = {
        1: EXPONENTIAL,
        10: "{kind: lognormal, mean: 1 ms, cv: 1.2}",
        50: gamma(0.25),
        100: "{kind: uniform, mean: 1 ms, cv: 0.5}",
    }[workers]
    requests = {1: 20_000, 10: 600_000, 50: 2_000_000, 100: 2_000_000}[workers]
    opened = case(stage(service, concurrency=workers, queue="{limit: 0}"), rate=target.given["A"])
    return Experiment((opened,), rejected, requests, full_only=workers >= 50)


def _erlang_c(target: Target) -> Experiment:
    load, workers = target.given["A"], round(target.given["c"])
    measure, requests = {
        "P(wait)": (waited, {1: 300_000, 5: 300_000, 10: 1_000_000, 50: 5_000_000}),
        "Wq p99": (wait_p99, {1: 1_000_000, 5: 1_200_000, 10: 6_000_000, 50: 5_000_000}),
        "Wq": (wait, {2: 1_000_000, 10: 3_000_000, 20: 5_000_000, 100: 8_000_000}),
    }[target.output]
    opened = case(stage(concurrency=workers), rate=load)
    times = 40 if workers == 100 else REPLICATIONS  # there hardly anybody waits
    return Experiment((opened,), measure, requests[workers], full_only=workers >= 10, replications=times)


def _pool(_: Target) -> Experiment:
    apart = case(stage(replicas=10, balancing="random"), rate=8.0)
    together = case(stage(replicas=10, balancing="shared"), rate=8.0)
    return Experiment((apart, together), lambda one, other: wait(one) / wait(other), 500_000)


def _m_m_1(target: Target) -> Experiment:
    rho = target.given["rho"]
    requests = {0.5: 100_000, 0.7: 100_000, 0.8: 350_000, 0.9: 2_000_000, 0.95: 6_000_000}[rho]
    return Experiment((case(stage(), rate=rho),), latency, requests, full_only=rho > 0.85)


def _m_g_1(target: Target) -> Experiment:
    rho, scv = target.given.get("rho", 0.8), target.given.get("scv")
    two = "{kind: constant, mean: 0.5 ms, stragglers: {share: 10 %, times: 11}}"
    requests = {0.5: 100_000, 0.8: 600_000, 0.9: 1_500_000}[rho]
    opened = case(stage(two if scv is None else gamma(scv)), rate=rho)
    return Experiment((opened,), wait, requests, full_only=rho > 0.85)


def _steady_arrivals(rate: float, scv: float, service: str) -> str:
    """Independent gaps of this variation: what leaves a stage that always has somebody waiting."""
    source = stage(gamma(scv, 1 / rate), name="source", queue="{limit: 100}")
    return case(source, stage(service, after="[source]"), rate=1.5 * rate)


def _kingman(target: Target) -> Experiment:
    rho, arrivals, services = (target.given[name] for name in ("rho", "ca2", "cs2"))
    opened = _steady_arrivals(rho, arrivals, gamma(services))
    return Experiment((opened,), wait, 20_000 if rho < 0.85 else 200_000, full_only=rho > 0.85)


def _d_m_1(target: Target) -> Experiment:
    rho = target.given["rho"]
    opened = _steady_arrivals(rho, 0.0, EXPONENTIAL)
    return Experiment((opened,), wait, 700_000 if rho < 0.85 else 3_000_000, full_only=rho > 0.85)


def _m_m_1_k(target: Target) -> Experiment:
    """K places, the worker's among them."""
    rho, places = target.given["rho"], round(target.given["K"])
    opened = case(stage(queue=f"{{limit: {places - 1}}}"), rate=rho)
    requests = {5: 700_000, 10: 250_000, 50: 7_000_000}[places]
    return Experiment((opened,), rejected, requests, full_only=places == 50)


def _erlang_a(target: Target) -> Experiment:
    """Patience is that of those who wait: who is being served is served to the end."""
    server = stage(concurrency=10, timeout="{kind: exponential, mean: 2 ms}", cancel="waiting")
    return Experiment((case(server, rate=target.given["lambda"]),), abandoned, 150_000)


def _priority(_: Target) -> Experiment:
    classes = "[{name: high, share: 50 %}, {name: low, share: 50 %, priority: 2}]"
    opened = case(stage(queue="{order: class}"), rate=0.8, classes=classes)
    return Experiment((opened,), lambda seen: _known(seen.result.classes["high"].latency_ms["mean"].value) - 1, 80_000)


def _everybody_served(target: Target) -> Experiment:
    opened = case(endless("{kind: lognormal, mean: 250 ms, cv: 1.5}"), rate=0.1)
    if "variance of" in target.output and "mean" not in target.output:
        return Experiment((opened,), variance_in_service, 110_000, traced=True)
    return Experiment((opened,), in_service, 20_000)


def _little(_: Target) -> Experiment:
    return Experiment((case(endless("{kind: lognormal, mean: 50 ms, cv: 1}"), rate=10.0),), in_service, 60_000)


def _pasta(_: Target) -> Experiment:
    return Experiment((case(stage(), rate=0.7),), waited, 60_000)


# -- networks ---------------------------------------------------------------------------------------------------------


def _fork_join(target: Target) -> Experiment:
    branches = round(target.given.get("n", 2))
    opened = case(*(stage(name=f"b{i}") for i in range(branches)), rate=0.5)
    return Experiment((opened,), latency, 40_000 if branches == 2 else 10_000)


def _tandem(_: Target) -> Experiment:
    opened = case(
        stage("{kind: exponential, mean: 5 ms}", name="one"),
        stage("{kind: exponential, mean: 20 ms}", name="two", after="[one]"),
        stage("{kind: exponential, mean: 10 ms}", name="three", after="[two]"),
        rate=0.04,
    )
    return Experiment((opened,), latency, 120_000)


def _choices(target: Target) -> Experiment:
    """The theory is of endlessly many replicas; the warm-up fills the queues, which takes long near saturation."""
    rate, drawn = target.given["lambda"], round(target.given.get("d", 2))
    replicas, warm_up, requests = {
        (0.8, 1): (600, 600, 100_000),
        (0.95, 1): (500, 5_000, 2_000_000),
        (0.95, 3): (1_000, 300, 300_000),
        (0.99, 2): (2_000, 600, 3_000_000),
    }.get((rate, drawn), (600, 100, 100_000))
    balancing = "random" if drawn == 1 else f"least_of {drawn}"
    opened = case(
        stage(replicas=replicas, balancing=balancing),
        rate=rate * replicas,
        extra=f"run: {{warm_up: {warm_up} ms}}",
    )
    if target.output == "s3":
        return Experiment((opened,), three_or_more(replicas), requests, traced=True)
    return Experiment((opened,), latency, requests, full_only=rate > 0.92)


def _users(target: Target) -> Experiment:
    """Any distribution of thinking will do; theory wants exponential service times."""
    demands = {"one": 50, "two": 30, "three": 20}
    before: dict[str, str] = {}
    stages = []
    for name, demand in demands.items():
        stages.append(stage(f"{{kind: exponential, mean: {demand} ms}}", name=name, **before))
        before = {"after": f"[{name}]"}
    load = f"kind: closed, users: {target.given['N']:.0f}, think: {{kind: lognormal, mean: 5 s, cv: 0.5}}"
    opened = case(*stages, load=load, extra="run: {warm_up: 300 s}")
    return Experiment((opened,), lambda seen: seen.result.offered_per_s, 4_000)


# -- caches -----------------------------------------------------------------------------------------------------------


def _cache(target: Target) -> Experiment:
    """A fetch is over before the next request comes."""
    keys, capacity, exponent = round(target.given["N"]), round(target.given["C"]), target.given["alpha"]
    policy = "fifo" if "FIFO" in target.name else "lru"
    says = f"{{hit_time: 1 ns, keys: {keys}, zipf: {exponent!r}, capacity: {capacity}, policy: {policy}}}"
    filling = f"run: {{warm_up: {3 * _fills_in(keys, exponent, capacity)} ms}}"
    opened = case(endless("{kind: constant, mean: 1 ns}", cache=says), rate=1.0, extra=filling)
    if keys > 100_000:
        times = 5 if capacity > 10_000 else REPLICATIONS
        return Experiment((opened,), hit_ratio, max(300_000, 20 * capacity), full_only=True, replications=times)
    return Experiment((opened,), hit_ratio, 100_000 if exponent < 1.0 and capacity <= 100 else 30_000)


def _fills_in(keys: int, exponent: float, capacity: int) -> int:
    """Requests after which as many different keys have been asked for as the cache holds, on average."""
    popularity = np.arange(1, keys + 1) ** -exponent
    popularity /= popularity.sum()
    requests = float(capacity)
    while -np.expm1(-popularity * requests).sum() < capacity:
        requests *= 1.2
    return math.ceil(requests)


def _time_to_live(target: Target) -> Experiment:
    lasts = target.given["lambda*T"]
    says = f"{{hit_time: 1 ns, keys: 1, zipf: 0, ttl: {lasts!r} ms}}"
    opened = case(endless("{kind: constant, mean: 1 ns}", cache=says), rate=1.0)
    return Experiment((opened,), hit_ratio, 200_000 if lasts < 1.0 else 20_000)


# -- second tries and batches -----------------------------------------------------------------------------------------


def _retries(target: Target) -> Experiment:
    if "p" in target.given:
        errors, again = target.given["p"], f"{{attempts: {target.given['r']:.0f}}}"
    else:
        errors, again = 1.0, "{attempts: 10, budget: 10 %}"
    opened = case(endless("{kind: constant, mean: 1 ms}", errors=errors, retries=again), rate=0.1)
    return Experiment((opened,), attempts, 10_000)


def _batches(target: Target) -> Experiment:
    if target.by == "shown":
        cases = tuple(
            case(
                endless("{kind: constant, floor: 3 ms, per_item: 0.14 ms, items: rows}", shards=shards),
                rate=0.001,
                classes="[{name: scored, share: 100 %, items: 200 rows}]",
            )
            for shards in (1, 2, 4)
        )
        return Experiment(cases, lambda *seen: tuple(latency(one) for one in seen), 100)
    if "b" in target.given:
        size = round(target.given["b"])
        server = stage("{kind: constant, mean: 1 us}", batch=f"{{size: {size}, wait: 1 s}}")
        return Experiment(
            (case(server, rate=target.given["lambda"] / 1000),),
            lambda seen: _known(seen.result.stages["server"].batch_wait_mean_ms),
            20_000,
        )
    fitted = "{kind: constant, floor: 627.5237969 us, per_item: 0.1884665497 us, items: rows}"
    classes = f"[{{name: scored, share: 100 %, items: {target.given['B']:.0f} rows}}]"
    return Experiment((case(endless(fitted), rate=0.01, classes=classes),), lambda seen: latency(seen) * 1000, 100)


# -- replicas that follow the load, and loads that never end ----------------------------------------------------------


def _autoscaled(target: Target) -> Experiment:
    """What is wanted at the first look, at 15 s; or when the last of a hundred has come."""
    if target.output == "pods":
        found = re.search(r"(\d+) pods (\d+)% vs (\d+)%", target.inputs or target.name)
        assert found is not None
        pods, busy, wanted = (int(number) for number in found.groups())
        server = stage(
            f"{{kind: constant, mean: {pods * busy / 100!r} ms}}",
            replicas=pods,
            balancing="round robin",
            start_delay="1 s",
            autoscaling=f"{{utilisation: {wanted} %, max: 100}}",
        )
        opened = case(server, load="kind: even, rate: 1000 request/s", extra="run: {warm_up: 17 s}")
        return Experiment((opened,), lambda seen: seen.result.stages["server"].replicas_mean, 5_000, replications=2)
    server = stage(
        balancing="least outstanding", start_delay="1 s", autoscaling="{requests: 1 request/s, min: 1, max: 100}"
    )
    opened = case(server, load="kind: even, rate: 100 request/s")
    return Experiment((opened,), last_of_a_hundred, 11_000, traced=True, replications=2)


def last_of_a_hundred(seen: Seen) -> float:
    """Seconds from the first look of an autoscaler (at 15 s) until the hundredth replica is decided upon."""
    column = _columns(seen)
    first = int(column("join")[column("replica") == 99].min())
    return first / NS_PER_MS / 1000 - 1.0 - 15.0


def _stalled(target: Target) -> Experiment:
    rate = target.given["lambda"]
    server = stage("{kind: constant, mean: 10 ms}")
    stall = "scenarios: {stall: {events: [{at: 60 s, for: 3 s, pause: server}]}}\nrun: {warm_up: 123 s}"
    opened = case(server, rate=rate / 1000, extra=f"client: {{timeout: 0.3 s, retries: {{attempts: 3}}}}\n{stall}")
    measure = timed_out if "given up" in target.output else answered
    return Experiment((opened,), measure, round(180 * rate), replications=10, scenario="stall")


_BY_ID: dict[str, Callable[[Target], Experiment]] = {
    "FAN1": _slow_shard,
    "FAN2": _slowest,
    "FAN3": _leaves,
    "FAN4": _leaves,
    "HED1": _hedged,
    "HED2": _unhedged,
    "ERB": _erlang_b,
    "ERC": _erlang_c,
    "POOL": _pool,
    "MM1": _m_m_1,
    "PK": _m_g_1,
    "KING": _kingman,
    "DM1": _d_m_1,
    "MM1K": _m_m_1_k,
    "ERA": _erlang_a,
    "PRIO": _priority,
    "MGI": _everybody_served,
    "FJ": _fork_join,
    "JACK": _tandem,
    "POD": _choices,
    "CHE": _cache,
    "TTL": _time_to_live,
    "MVA": _users,
    "HPA": _autoscaled,
    "META": _stalled,
    "LIT": _little,
    "PASTA": _pasta,
    "RTY": _retries,
    "BAT": _batches,
}
