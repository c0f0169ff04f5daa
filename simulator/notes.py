"""What a reader must know before believing the figures of a run."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.machine import NEVER, NOBODY
from simulator.measure import Recorder
from simulator.plan import Plan
from simulator.results import StageResult
from simulator.semantics import RequestEnd
from simulator.steady import unsteady
from simulator.timeline import MILLISECOND
from simulator.workload import SECOND

_SPLIT = {  # why a cell stands for the fleet (R14), where its requests do not just come at random
    "bursty": "all have their bursts at the same times, and in each they are those of the whole at a part of its rate",
    "sessions": "sessions that begin at random and are split at random begin at random in each",
    "closed": "each user belongs to one",
}
_AT_RANDOM = "Poisson requests that are split at random are Poisson requests in each"
SHORT = 10  # mean latencies: a shorter window says so


def notes(plan: Plan, recorders: Sequence[Recorder], stages: Sequence[StageResult]) -> list[str]:
    """Sentences, the gravest first."""
    said = _of_one_cell(plan)
    machine = plan.network.machine
    if machine.deadline < NEVER and not any(s.drop_expired or s.attempts > 1 for s in machine.stages):
        said.append(
            "nothing heeds client.deadline: no queue says 'drop_expired: true', and nobody tries again; "
            "an answer after it counts like any other (a 'timeout' ends a request)"
        )
    cut = [r.limit for r in recorders if r.limit is not None]
    if cut:
        said.append(f"{len(cut)} of {len(recorders)} replications were cut short at their limit of {max(cut):,} events")
    in_flight = sum(int(r.counts[RequestEnd.IN_FLIGHT]) for r in recorders)
    if in_flight:
        said.append(f"{in_flight:,} measured requests had not ended when the run did; they count as unanswered")
    worthless = sum(int(r.counts[RequestEnd.SUPERSEDED]) for r in recorders)
    if worthless:
        said.append(
            f"{worthless:,} measured requests were superseded by a newer one; nobody waits for them any more, "
            "so latencies and availability leave them out"
        )
    unborn = sum(r.unborn for r in recorders)
    if unborn and recorders[0].classes:
        said.append(f"{unborn:,} measured requests were still to come when the run was cut short; no class has them")
    length = sum(r.window.end - r.window.start for r in recorders) / len(recorders)
    ends = max(r.window.end for r in recorders)
    periods = [("an outage", o.stage, o.every) for o in plan.network.outages]
    periods += [("a slow period", s.stage, s.every) for s in plan.network.slow_periods]
    for what, s, every in periods:
        if every > ends:
            said.append(
                f"{plan.network.names[s]} has {what} every {every / SECOND:,.3g} s, and a replication ends after "
                f"{ends / SECOND:,.3g} s: most see none"
            )
    if machine.users.number and machine.users.table == NOBODY:
        said.append(
            "all users think for as long and begin together, so that they may stay in step; say how thinking varies: "
            "'think: {kind: exponential, mean: 5 s}'"
        )
    late = [label for label, start, _ in plan.world.marks if start >= ends]
    if late:
        said.append(
            f"{len(late)} of the {len(plan.world.marks)} events come after the end of the run, {ends / SECOND:,.3g} s, "
            f"the first of them '{late[0]}'; measure for longer"
        )
    for one in plan.world.scaling:
        if one.sync >= ends:
            said.append(
                f"the autoscaler of {plan.network.names[one.stage]} looks for the first time at "
                f"{one.sync / SECOND:,.3g} s, after the end of the run; measure for longer"
            )
    known = [mean for mean in (r.mean() for r in recorders) if mean is not None]
    overloaded = any(stage.lacks_replicas for stage in stages)
    if known and length < SHORT * max(known) * MILLISECOND and not overloaded:
        said.append(
            f"the window is {length / MILLISECOND:.3g} ms, short against a mean latency of {max(known):.3g} ms: "
            "the system is still filling; measure more requests"
        )
    elif not cut and _one_rate(plan, recorders):
        doubt = unsteady([(r.part_sums, r.part_counts) for r in recorders], overloaded)
        said += [doubt] if doubt else []
    return said


def _of_one_cell(plan: Plan) -> list[str]:
    """What was simulated in place of the fleet, why that is exact, and what it leaves out."""
    cells = plan.case.cells
    if cells == 1:
        return []
    why = _SPLIT.get(plan.case.workload.kind, _AT_RANDOM)
    return [
        f"one of {cells:,} cells was simulated, with {_share(cells)} of the load and of the replicas; "
        f"that is exact, for the fleet is so many independent copies, and {why}",
        "rates, replicas, cost and means of what waits or works are of the whole fleet; counts, the largest queue and "
        "what happens over time are of that cell, whose requests never meet the replicas of another",
    ]


def _share(cells: int) -> str:
    return "half" if cells == 2 else f"1/{cells:,}"


def _one_rate(plan: Plan, recorders: Sequence[Recorder]) -> bool:
    """Whether load, desks and everything else were meant to be the same throughout every window."""
    if plan.scenario is not None:
        return False
    changes = any(plan.load.changes_between(r.window.start, r.window.end) for r in recorders)
    return not changes and not plan.network.hours
