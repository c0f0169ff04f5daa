"""A run within bounds: for a case that anybody may have written, on a machine where others wait."""

from __future__ import annotations

from dataclasses import replace

from cases.design import REMOVED
from cases.errors import RunError, StagecraftError
from cases.spec import Case
from simulator.plan import Plan, plan
from simulator.results import SimulationResult

MOST_REQUESTS = 300_000  # in all replications, the warm-up's too
MOST_EVENTS = 3_000_000  # likewise: some seconds
MANY_REPLICATIONS = 10
CUT = "were cut short at their limit"  # how the result's note says so


def bounded(planned: Plan) -> Plan:
    """The plan, each replication cut short at its share of the events; RunError if it asks for too many requests."""
    run = planned.run
    if (total := requests_in_all(planned)) > MOST_REQUESTS:
        raise RunError(
            f"about {total:,.0f} requests in {run.replications:,} replications; at most {MOST_REQUESTS:,} in all are "
            "run here; measure fewer (run.requests, or a shorter duration), or replicate less (run.replications)"
        )
    return replace(planned, run=replace(run, events=max(1, MOST_EVENTS // run.replications)))


def requests_in_all(planned: Plan) -> float:
    """Requests until the windows close, of all replications, on average."""
    run, load = planned.run, planned.load
    before = load.expected(run.warm_up or 0)
    return run.replications * (before + (run.requests or 0) if run.span is None else load.expected(run.span[1]))


def smaller(case: Case, result: SimulationResult | None = None) -> dict[str, str]:
    """The changes by which a case's own run comes within bounds; none where it is.

    `result`: of its bounded plan, if it has been run; it may have been cut short.
    """
    try:
        planned = plan(case)
    except StagecraftError:
        return {}  # what is wrong with it is said where it is begun
    run = planned.run
    cut = result is not None and was_cut(result)
    if not cut and requests_in_all(planned) <= MOST_REQUESTS:
        return {}
    replications = min(run.replications, MANY_REPLICATIONS)
    most = MOST_REQUESTS // replications
    if cut:  # how many events a request takes is known for those only that came so far
        most = max(1, min(most, run.requests or most) // 10)
    each = min(run.requests or most, _rounded_down(most))
    changes = {} if each == run.requests else {"run.requests": str(each)}
    changes |= {} if replications == run.replications else {"run.replications": str(replications)}
    return changes | ({} if run.warm_up is None else {"run.warm_up": REMOVED})


def _rounded_down(number: int) -> int:
    """To two digits."""
    unit: int = 10 ** max(len(str(number)) - 2, 0)
    return number // unit * unit


def was_cut(result: SimulationResult) -> bool:
    """Whether a replication reached its share of the events."""
    return any(CUT in note for note in result.notes)
