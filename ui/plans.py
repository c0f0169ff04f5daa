"""How a case is run here: as it says, but one that a tab wrote itself within bounds."""

from __future__ import annotations

from typing import Any

from simulator import plan as plans
from simulator.bounded import bounded
from simulator.plan import Plan
from ui import state


def plan(case: Any, **wanted: Any) -> Plan:
    """`simulator.plan.plan`, `within`; made once, for a page asks for the same at each of its runs."""
    planned: Plan = case.kept(f"plan {sorted(wanted.items())}", lambda: within(plans.plan(case, **wanted)))
    return planned


def within(planned: Plan) -> Plan:
    """The plan; of this tab's own case, as written or changed, within bounds (RunError)."""
    return bounded(planned) if planned.case.as_written.id == state.YOURS else planned
