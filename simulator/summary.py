"""From replications to figures with intervals.

`Totals` holds the histograms of all replications, `summarise` joins what each measured into a `SimulationResult`.
Histograms and sums are whole numbers and merge exactly; percentiles are the mean of the replications' percentiles, with
a t interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cases import outcomes
from cases.objectives import outcome_target
from cases.spec import Case, Objective
from simulator import histogram
from simulator.machine import UNLIMITED, Ints, Machine, Whole
from simulator.measure import PERCENTILES, Recorder
from simulator.network import Opening
from simulator.notes import notes
from simulator.plan import Plan
from simulator.plane import StageTally
from simulator.recovery import recoveries
from simulator.results import (
    ClassResult,
    Interval,
    ObjectiveResult,
    OutcomeResult,
    Recovery,
    SimulationResult,
    StageResult,
)
from simulator.semantics import RequestEnd
from simulator.timeline import MILLISECOND
from simulator.workload import SECOND, nanoseconds

WORKING = 0.95  # of the time: a queue in which overload shows
ENOUGH = 10  # measured requests of a replication that lie beyond a percentile; with fewer it is marked


class Totals:
    """The histograms of all replications together. They are whole numbers: the order in which they come is the same."""

    def __init__(self, stages: int) -> None:
        self.waits: Ints = np.zeros((stages, histogram.BINS), dtype=np.int64)
        self._any = False

    def take(self, recorder: Recorder) -> None:
        """Add a replication that is over; it keeps its figures and lets its histograms go."""
        if recorder.tally is not None and recorder.tally.waits.size:
            if self._any:
                self.waits += recorder.tally.waits
            else:
                self.waits = recorder.tally.waits  # nobody else needs it any more, and to add it would touch all of it
            self._any = True
        recorder.close_histograms()


def summarise(plan: Plan, engine: str, recorders: Sequence[Recorder], totals: Totals | None = None) -> SimulationResult:
    """Join the replications; `totals`: their histograms, where they have been taken already."""
    network, machine, cells = plan.network, plan.network.machine, plan.case.cells
    if totals is None:
        totals = Totals(machine.client)
        for recorder in recorders:
            totals.take(recorder)
    counts = sum((r.counts for r in recorders), np.zeros(len(RequestEnd), dtype=np.int64))
    requests = {"offered": sum(r.offered for r in recorders)}
    requests |= {end.name.lower(): int(counts[end]) for end in RequestEnd if end is not RequestEnd.IN_FLIGHT}
    requests["in_flight"] = int(counts[RequestEnd.IN_FLIGHT])
    figures = {"mean": tuple(r.mean() for r in recorders)}
    figures |= {name: tuple(r.percentile(q) for r in recorders) for name, q in PERCENTILES.items()}
    offered_per_s = requests["offered"] / sum(r.window.end - r.window.start for r in recorders) * SECOND
    cost = _cost(plan, recorders)
    stages = {name: _stage(recorders, s, totals) for s, name in enumerate(network.names)}
    seen = list(stages.values())
    needed = _replicas_needed(machine, offered_per_s, seen)
    needed = [need and need / _open_share(recorders, s) for s, need in enumerate(needed)]
    strained = _strained(machine, seen)
    stages = {n: seen[s].needing(needed[s], strained[s]).of_fleet(cells) for s, n in enumerate(network.names)}
    offered_per_s *= cells
    measured = tuple(_measures(plan, r) for r in recorders)
    meant, problems = _outcomes(plan.case, measured)
    return SimulationResult(
        case=plan.case.id,
        key=plan.key,
        engine=engine,
        seed=plan.run.seed,
        replications=len(recorders),
        requests=requests,
        latency_ms={name: Interval.of(values) for name, values in figures.items()},
        few=_few(plan.case, min(r.awaited for r in recorders)),
        quality=Interval.of([r.quality() for r in recorders], most=1.0),
        classes={name: _class(recorders, k) for k, name in enumerate(network.class_names) if recorders[0].classes},
        stages=stages,
        objectives=tuple(
            _objective(one, recorders) if one.of is None else _outcome_objective(plan.case, one, meant[one.of])
            for one in plan.case.objectives
        ),
        cost_usd_per_hour=cost,
        cost_usd_per_million_requests=None
        if cost is None or not offered_per_s
        else cost / (offered_per_s * 3600) * 1e6,
        outcomes=meant,
        notes=(*notes(plan, recorders, list(stages.values())), *problems),
        events=sum(r.events for r in recorders),
        offered_per_s=offered_per_s,
        by_replication=figures | {"availability": tuple(r.availability() for r in recorders)},
        cells=cells,
        scenario=plan.scenario,
        recovery=_recovery(plan, recorders),
        timeline=recorders[0].timeline,
        measured=measured,
    )


def _recovery(plan: Plan, recorders: Sequence[Recorder]) -> tuple[Recovery, ...]:
    goodputs = [r.goodput for r in recorders if r.goodput is not None]
    return recoveries(goodputs, plan.world.marks) if goodputs else ()


def _cost(plan: Plan, recorders: Sequence[Recorder]) -> float | None:
    """USD per hour, of all cells; where a fleet changes, of the replicas that were paid for within the windows."""
    cost = plan.network.cost_usd_per_hour
    if cost is None:
        return None
    paid = [(r.paid_ns, r.closed_at - r.window.start) for r in recorders if r.paid_ns is not None]
    if not paid:
        return cost * plan.case.cells
    for s, (name, stage) in enumerate(zip(plan.network.names, plan.network.machine.stages, strict=False)):
        more = math.fsum(times[s] / time for times, time in paid) / len(paid) - stage.replicas
        cost += more * (plan.case.stage(name).price or 0.0) * 3600
    return cost * plan.case.cells


def few_behind(percent: float, offered: int) -> bool:
    """Whether fewer than ten of so many measured requests lie beyond a percentile.

    With ten beyond it, the percentile's own spread (of a binomial rank, +-3) is about a third of the tail that it cuts
    off; with fewer it is mostly luck. Ten also stand behind p99 of 1,000 requests and p99.9 of 10,000.
    """
    return offered * (100 - percent) / 100 < ENOUGH - 1e-9


def _few(case: Case, offered: int) -> tuple[str, ...]:
    """The latencies and objectives that rest on too few measured requests of a replication."""
    names = [name for name, percent in PERCENTILES.items() if few_behind(percent, offered)]
    names += [o.name for o in case.objectives if o.percentile is not None and few_behind(o.percentile, offered)]
    return tuple(names)


def _class(recorders: Sequence[Recorder], kind: int) -> ClassResult:
    """One class of requests, all replications together."""
    tallies = [r.classes[kind] for r in recorders]
    awaited = min(tally.offered - tally.superseded for tally in tallies)
    latency = {"mean": Interval.of([tally.mean() for tally in tallies])}
    latency |= {name: Interval.of([tally.percentiles[name] for tally in tallies]) for name in PERCENTILES}
    return ClassResult(
        offered=sum(tally.offered for tally in tallies),
        answered=sum(tally.answered for tally in tallies),
        superseded=sum(tally.superseded for tally in tallies),
        latency_ms=latency,
        few=tuple(name for name, percent in PERCENTILES.items() if few_behind(percent, awaited)),
    )


def _stage(recorders: Sequence[Recorder], s: int, totals: Totals | None = None) -> StageResult:
    """A stage over the window; without the totals its waits have no percentile."""
    stage = recorders[0].machine.stages[s]
    tallies = [r.tally for r in recorders if r.tally is not None]
    time = max(1, sum(r.closed_at - r.window.start for r in recorders))  # a run may end before its window opens

    def number(column: Callable[[StageTally], Ints | Whole]) -> int:
        return sum(int(column(tally)[s]) for tally in tallies)

    def mean_ms(column: Callable[[StageTally], Whole]) -> float | None:
        return number(column) / starts / MILLISECOND if starts else None

    hits = number(lambda t: t.hits)
    calls, sends, hedges = number(lambda t: t.calls), number(lambda t: t.sends), number(lambda t: t.hedges)
    joins, starts, rejections = number(lambda t: t.joins), number(lambda t: t.starts), number(lambda t: t.rejections)
    coalesced = number(lambda t: t.coalesced)
    waited = joins - rejections - coalesced  # a coalesced miss has no start: its wait is of another kind
    wait_p99 = None if totals is None else histogram.percentile(totals.waits[s], 99, waited)
    busy, staffed = sum(int(r.busy_ns[s]) for r in recorders), sum(int(r.staffed_ns[s]) for r in recorders)
    cached = stage.hit_threshold > 0 or stage.cache_keys > 0
    looked_up = starts + coalesced
    return StageResult(
        replicas=stage.replicas,
        replicas_mean=None if stage.endless else staffed / (time * stage.concurrency),
        utilisation=None if stage.endless or not staffed else busy / (staffed * _open_share(recorders, s)),
        in_service=busy / time,
        arrivals_per_s=joins / time * SECOND,
        wait_mean_ms=mean_ms(lambda t: t.wait_sum),
        wait_p99_ms=None if wait_p99 is None else wait_p99 / MILLISECOND,
        batch_wait_mean_ms=mean_ms(lambda t: t.batch_wait_sum) if stage.batch_size > 1 else None,
        service_mean_ms=mean_ms(lambda t: t.service_sum),
        items_mean=number(lambda t: t.items) / starts if starts else None,
        queue_mean=sum(int(r.waiting_ns[s]) for r in recorders) / time,
        queue_max=max(int(r.most_waiting[s]) for r in recorders),
        staleness_ms=number(lambda t: t.age_sum) / hits / MILLISECOND if stage.cache_keys and hits else None,
        calls=calls,
        calls_per_s=calls / time * SECOND,
        hit_ratio=(hits + coalesced) / looked_up if cached and looked_up else None,
        error_share=number(lambda t: t.errors) / starts if starts else None,
        attempts_per_visit=sends / calls if calls else None,
        retries=sends - calls - hedges,
        hedges=hedges,
        fallbacks=number(lambda t: t.fallbacks),
        left_out=number(lambda t: t.left_out),
        rejections=rejections,
        time_outs=number(lambda t: t.time_outs),
        refusals=number(lambda t: t.refusals),
        lost=number(lambda t: t.lost),
        killed=number(lambda t: t.killed),
        worker_ms=busy / starts / MILLISECOND if starts else None,
    )


def _replicas_needed(machine: Machine, offered_per_s: float, stages: Sequence[StageResult]) -> list[float | None]:
    """By stage, the replicas that all requests would keep busy if they came so far at their first attempt.

    What is offered counts, not what an overloaded stage before lets through, and not the second tries that an overload
    brings about. None for stages without a capacity. Where no visit was served its time is the stated one.
    """
    needed: list[float | None] = []
    for s, (stage, seen) in enumerate(zip(machine.stages[:-1], stages, strict=True)):
        if stage.endless:
            needed.append(None)
            continue
        holds = any(inner.caller == s and inner.hold for inner in machine.stages)
        busy = seen.worker_ms if holds or stage.batch_size > 1 else seen.service_mean_ms
        seconds = stage.floor / SECOND if busy is None else busy / 1000
        needed.append(offered_per_s * _visits(machine, s, stages) * seconds / stage.concurrency)
    return needed


def _strained(machine: Machine, seen: Sequence[StageResult]) -> list[bool]:
    """By stage, whether it works all the time or turns away at a full queue, or one before it does.

    A stage that needs more replicas than it has for all of the load may be quite well behind one that lets less
    through on purpose: a token bucket, somebody's limit, a breaker.
    """
    strained: list[bool] = []
    for s, stage in enumerate(machine.stages[:-1]):
        before = [b for b in range(s) if s in machine.stages[b].successors or b == stage.caller]
        full = seen[s].rejections > 0 and stage.queue_limit < UNLIMITED and not stage.admission_interval
        strained.append((seen[s].utilisation or 0.0) >= WORKING or full or any(strained[b] for b in before))
    return strained


def _open_share(recorders: Sequence[Recorder], s: int) -> float:
    """The share of the window in which a stage's desks were staffed; 1 where they always are, or never were."""
    opening = recorders[0].hours.get(s)
    if opening is None:
        return 1.0
    spans = [(r.window.start, r.closed_at) for r in recorders]
    staffed = sum(_staffed(end, opening) - _staffed(start, opening) for start, end in spans)
    return staffed / max(1, sum(end - start for start, end in spans)) or 1.0


def _staffed(until: int, opening: Opening) -> int:
    """Of the time from 0 (ns)."""
    days, rest = divmod(until, opening.of)
    return days * min(opening.open, opening.of) + min(rest, opening.open)


def _visits(machine: Machine, s: int, stages: Sequence[StageResult]) -> float:
    """Mean first visits of a request to a stage."""
    if s == machine.client:
        return 1.0
    stage = machine.stages[s]
    share = min(1.0, stage.when_threshold / 2.0**63)
    if stage.when_missed >= 0:
        share *= 1 - (stages[stage.when_missed].hit_ratio or 0.0)
    return _visits(machine, stage.caller, stages) * share * stage.shards


def _objective(objective: Objective, recorders: Sequence[Recorder]) -> ObjectiveResult:
    """Met when the whole interval is on the right side; one replication decides by its value."""
    if objective.metric == "latency":
        assert objective.percentile is not None
        assert objective.at_most is not None
        target = objective.at_most * 1000
        misses = [r.misses(objective.percentile, nanoseconds(objective.at_most)) for r in recorders]
        percentiles = [r.percentile(objective.percentile) for r in recorders]
        values = [_on_its_side(v, m, target) for v, m in zip(percentiles, misses, strict=True)]
    else:
        assert objective.at_least is not None
        target = objective.at_least
        values = [r.availability() for r in recorders]
        misses = [None if v is None else v < target for v in values]
    least = objective.metric == "availability"
    interval = Interval.of(values, most=1.0 if least else math.inf)
    return ObjectiveResult(objective.name, _met(least, interval, target, misses), *interval, target, least=least)


def _outcome_objective(case: Case, objective: Objective, outcome: OutcomeResult) -> ObjectiveResult:
    """In the outcome's unit; undecided where a replication gave it no value."""
    target, least = outcome_target(case, objective), objective.at_least is not None
    misses = [None if v is None else (v < target if least else v > target) for v in outcome.by_replication]
    met = _met(least, outcome.interval, target, misses)
    return ObjectiveResult(objective.name, met, *outcome.interval, target, outcome.unit, outcome.label, least)


def _on_its_side(value: float | None, misses: bool | None, target: float) -> float | None:
    """A histogram's percentile is the middle of its bin; where the target is in that bin, the exact count decides."""
    if value is None or misses is None:
        return value
    return max(value, math.nextafter(target, math.inf)) if misses else min(value, target)


def _met(least: bool, interval: Interval, target: float, misses: list[bool | None]) -> bool | None:
    if None in misses:
        return None
    if interval.low is None or interval.high is None:
        return not misses[0] if len(set(misses)) == 1 else None
    if least:
        return True if interval.low >= target else False if interval.high < target else None
    return True if interval.high <= target else False if interval.low > target else None


# -- what a run means in the case's own words --------------------------------------------------------------------------


def _outcomes(case: Case, measured: Sequence[Mapping[str, float | None]]) -> tuple[dict[str, OutcomeResult], list[str]]:
    """The case's outcomes, from what each replication measured, and why one has no value."""
    computed = outcomes.outcomes(case, measured)
    results = {
        name: OutcomeResult(Interval.of(one.values, least=-math.inf), one.unit, one.label, one.values)
        for name, one in computed.items()
    }
    return results, [f"outcome {name} has no value: {one.problem}" for name, one in computed.items() if one.problem]


def _measures(plan: Plan, recorder: Recorder) -> dict[str, float | None]:
    """What one replication measured, by the names of `cases.outcomes`, in base units."""
    cells = plan.case.cells
    seconds = (recorder.window.end - recorder.window.start) / SECOND / cells
    cost = _cost(plan, [recorder])
    measures: dict[str, float | None] = {
        "offered_rate": recorder.offered / seconds,
        "answered_rate": recorder.answered / seconds,
        "good_rate": recorder.good / seconds,
        "quality": recorder.quality(),
        "cost_rate": None if cost is None else cost / 3600,
    }
    for end in (
        RequestEnd.COMPLETED,
        RequestEnd.DEGRADED,
        RequestEnd.REJECTED,
        RequestEnd.TIMED_OUT,
        RequestEnd.FAILED,
        RequestEnd.SUPERSEDED,
    ):
        measures[f"share_{end.name.lower()}"] = (
            int(recorder.counts[end]) / recorder.offered if recorder.offered else None
        )
    for name, value in (("mean", recorder.mean()), *((p, recorder.percentile(q)) for p, q in PERCENTILES.items())):
        measures[f"latency_{name}"] = None if value is None else value / 1000
    for s, name in enumerate(plan.network.names):
        stage = _stage([recorder], s).of_fleet(cells)
        measures |= {
            f"{name}_items": stage.items_mean,
            f"{name}_visits_rate": stage.arrivals_per_s,
            f"{name}_calls_rate": stage.calls_per_s,
            f"{name}_error_share": stage.error_share,
            f"{name}_fallback_share": _of_calls(stage, stage.fallbacks),
            f"{name}_time_out_share": _of_calls(stage, stage.time_outs),
            f"{name}_left_out_share": _of_calls(stage, stage.left_out),
            f"{name}_staleness": None if stage.staleness_ms is None else stage.staleness_ms / 1000,
            f"{name}_replicas_mean": stage.replicas_mean,
            f"{name}_utilisation": stage.utilisation,
            f"{name}_hit_ratio": stage.hit_ratio,
        }
    return measures


def _of_calls(stage: StageResult, number: int) -> float:
    """As a share of the calls of the stage; none where it was not called."""
    return number / stage.calls if stage.calls else 0.0
