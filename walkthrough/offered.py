"""What arithmetic says that each stage of a case is asked for, before anything waits, fails or comes twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cases.path_check import counts_visits, in_order
from cases.spec import Case, Stage, Workload
from cases.stage_check import asked_of, missed
from estimators import caching
from simulator import service


@dataclass(frozen=True, slots=True)
class Offered:
    """What a stage is asked for: visits a second, items that each carries, seconds of a worker that each takes.

    `hit_ratio` is 0 without a cache. What a held worker waits for is no work of it, and not in `work`.
    """

    visits: float
    items: float
    work: float
    hit_ratio: float

    @property
    def busy(self) -> float:
        """Workers that are busy on average: Little's law."""
        return self.visits * self.work


def requests_per_second(workload: Workload) -> float:
    """The rate that a fleet must be sized for: the highest that the workload says; of what was recorded, the mean.

    Of users who wait, the most that they can send: their number over their thinking time.
    """
    rate = workload.rate or 0.0
    match workload.kind:
        case "diurnal":
            return rate * (workload.peak_to_mean or 1.0)
        case "spike" | "flash_crowd":
            return rate * (workload.times or 1.0)
        case "schedule":
            return max(step.rate for step in workload.steps or ())
        case "ramp":
            return max(workload.first or 0.0, workload.last or 0.0)
        case "replay":
            times = workload.arrivals.times if workload.arrivals is not None else ()
            lasts = (times[-1] - times[0]) / 1e9 if len(times) > 1 else 0.0
            return (len(times) - 1) / lasts if lasts else 0.0
        case "closed":
            think = service.mean(workload.think.as_service) if workload.think is not None else 0.0
            return (workload.users or 0) / think if think else 0.0
        case "sessions":
            return rate * (service.mean(workload.requests.as_service) if workload.requests is not None else 1.0)
    return rate


def offered(case: Case) -> dict[str, Offered]:
    """What each stage is asked for, by name, in the order of the path."""
    found: dict[str, Offered] = {}
    handed: dict[str, float] = {}  # items, by stage
    brought = sum(one.share * one.items.mean.count for one in case.workload.classes if one.items is not None)
    by_name = {stage.name: stage for stage in case.stages}
    for stage in in_order(case.stages):
        called_by = requests_per_second(case.workload) if stage.within is None else found[stage.within].visits
        calls = called_by * _share(stage, by_name, found)
        carried = sum(handed[name] for name in stage.after)
        if not stage.after:
            carried = brought if stage.within is None else found[stage.within].items
        found[stage.name] = _asked(case, stage, calls * stage.shards, carried / stage.shards)
        passed = carried if stage.gives is None else float(stage.gives.count)
        handed[stage.name] = passed if stage.keeps is None else min(passed, float(stage.keeps.count))
    return found


def _share(stage: Stage, by_name: Mapping[str, Stage], found: Mapping[str, Offered]) -> float:
    """Of the calls that its condition lets through."""
    if stage.when is None:
        return 1.0
    if stage.when.share is not None:
        return stage.when.share
    return 1.0 - found[missed(stage, dict(by_name))[0].name].hit_ratio


def _asked(case: Case, stage: Stage, visits: float, items: float) -> Offered:
    counted = 1.0 if counts_visits(case, stage) else items
    spec = stage.service
    scale = service.unit_table(spec).scale
    work = (service.mean(spec) + (spec.per_item or 0.0) * counted) * scale
    hits = 0.0 if stage.cache is None else hit_ratio(case, stage, visits)
    if stage.cache is not None:
        work = hits * stage.cache.hit_time + (1.0 - hits) * work
    if stage.batch is not None:
        work = _shared_work(stage, counted, scale)
    return Offered(visits, items, work, hits)


def _shared_work(stage: Stage, items: float, scale: float) -> float:
    """Of a worker for one visit of a full batch."""
    assert stage.batch is not None
    spec, size = stage.service, stage.batch.size
    return (service.mean(spec) + (spec.per_item or 0.0) * items * size) * scale / size


def hit_ratio(case: Case, stage: Stage, visits: float) -> float:
    """Of the visits, those that find their entry: as stated, or by Che's approximation, or by the time that it is good.

    A cache that forgets for both reasons keeps no more than the stricter of them.
    """
    cache = stage.cache
    assert cache is not None
    if cache.hit_ratio is not None:
        return cache.hit_ratio
    said = asked_of(stage, {one.name: one for one in case.stages})
    assert said is not None
    assert said.cache is not None
    keys, skew = float(said.cache.keys or 1), said.cache.zipf or 0.0
    alone = cache.scope == "shared" or stage.fleet == 1
    by_key = stage.balancing is not None and stage.balancing.kind == "hash"
    rate = visits if alone else visits / stage.fleet
    keys = keys if alone or not by_key else max(1.0, keys / stage.fleet)
    by_policy = caching.fifo_hit_ratio if cache.policy == "fifo" else caching.lru_hit_ratio
    found = 1.0 if cache.capacity is None else float(by_policy(keys, skew, float(cache.capacity)))
    return found if cache.ttl is None else min(found, float(caching.ttl_zipf_hit_ratio(keys, skew, rate, cache.ttl)))
