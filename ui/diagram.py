"""The picture of a design under load: stages as boxes with their utilisation and queues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from cases.layout import places
from cases.spec import Case
from simulator.report import amount, busy_text, label_of, load_word, percent
from simulator.results import SimulationResult

STATIC = Path(__file__).parent / "static"

_component = st.components.v2.component(
    "stagecraft_diagram",
    html='<div class="diagram"></div>',
    css=(STATIC / "diagram.css").read_text(encoding="utf-8"),
    js=(STATIC / "diagram.js").read_text(encoding="utf-8"),
)


def diagram(
    case: Case, result: SimulationResult, baseline: SimulationResult | None, changed: set[str], stale: bool
) -> None:
    """Draw it. `changed` names the stages that differ from the case as written."""
    _component(key="diagram", data=picture(case, result, baseline, changed, stale))


def picture(
    case: Case, result: SimulationResult, baseline: SimulationResult | None, changed: set[str], stale: bool
) -> dict[str, Any]:
    """What the drawing script needs; all texts are set as text, never as markup."""
    where = places(case)
    most = max((stage.queue_mean for stage in result.stages.values()), default=0.0)
    nodes = []
    for name, stage in result.stages.items():
        before = baseline.stages.get(name) if baseline else None
        spec = case.stage(name)
        word = load_word(stage.utilisation)
        nodes.append(
            {
                "name": name,
                "label": label_of(case, name),
                "column": where[name].column,
                "row": where[name].row,
                "replicas": "" if stage.utilisation is None else f"×{spec.fleet:,}",
                "load": busy_text(stage) if stage.utilisation is None else f"{percent(stage.utilisation)} {word}",
                "word": word,
                "utilisation": min(stage.utilisation or 0.0, 1.0),
                "ghost": None if before is None else min(before.utilisation or 0.0, 1.0),
                "queue": f"queue {amount(stage.queue_mean)}",
                "queueShare": stage.queue_mean / most if stage.queue_mean >= 1 else 0.0,
                "changed": name in changed,
                "note": spec.note or "",
            }
        )
    edges = [[before, stage.name] for stage in case.stages for before in stage.after]
    summary = ", ".join(f"{n['label']} {n['load']}, {n['queue']}" for n in nodes)
    return {"nodes": nodes, "edges": edges, "summary": f"Request path. {summary}", "stale": stale}
