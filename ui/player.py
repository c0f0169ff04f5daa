"""The picture of a run in motion: what the browser needs to play it, all of it made before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from cases.spec import Case
from simulator.control import Progress
from simulator.report import amount, milliseconds
from simulator.results import SimulationResult
from simulator.scenes import FIT, Scene, frames, scene, speeds, target
from simulator.timeline import PERCENTILES, Timeline
from ui.diagram import draw, legend, picture
from ui.jobs import Runs, View, begun
from ui.plans import plan

SLOT = "scene"  # of a session's requests to watch


@st.cache_resource(show_spinner=False)
def scenes() -> Runs:
    """They come after the results, so they queue for themselves: no design waits for one."""
    return Runs("scene", 1)


def moves(case: Case, result: SimulationResult) -> View[Scene]:
    """What some requests of this result of a case did."""

    def work(progress: Progress) -> Scene:
        return scene(plan(case, scenario=result.scenario), progress=progress)

    return begun(scenes(), SLOT, f"{result.key}:{SLOT}", work).at_once()


class Go(NamedTuple):
    """Move the clock there (s). Another `turn` is another wish, also for the same moment."""

    to: float
    turn: int


def player(
    case: Case,
    result: SimulationResult,
    baseline: SimulationResult | None,
    changed: set[str],
    moves: Scene | None,
    chosen: str | None,
    on_stage: Callable[[], None],
    go: Go | None = None,
    at: float | None = None,
    on_at: Callable[[], None] | None = None,
) -> None:
    """Draw it. `moves`: what some requests did, once that is known; `chosen`: the stage that is open.

    `at`: where the clock stands (s); with `on_at`, which is told when somebody has moved it (the component's `at`).
    """
    data = picture(case, result, baseline, changed)
    if result.timeline is not None:
        before = None if baseline is None else baseline.timeline
        data["watch"] = _watch(case, result, result.timeline, before, moves)
        data["watch"] |= {"go": None if go is None else go._asdict(), "at": at, "tells": on_at is not None}
        data["chosen"] = chosen
    draw(data, on_stage, on_at)


def _watch(
    case: Case, result: SimulationResult, timeline: Timeline, before: Timeline | None, moves: Scene | None
) -> dict[str, Any]:
    return {
        "frames": frames(timeline, result.cells),
        "whole": {name: milliseconds(result.latency_ms[name].value) for name in PERCENTILES},
        "objective": _objective(result),
        "ghost": None if before is None else frames(before),
        "speeds": speeds(int(timeline.times[-1])),
        "speed": FIT,
        "scene": None if moves is None else moves.as_json(),
        "legend": " ".join([*_dots(moves), legend(case)]),
        "told": "Latency percentiles over simulated time; a table of the results is below",
    }


def _objective(result: SimulationResult) -> dict[str, Any] | None:
    found = target(result)
    if found is None:
        return None
    name, limit = found
    return {"at": limit, "label": f"objective {name} {milliseconds(limit)}"}


def _dots(moves: Scene | None) -> list[str]:
    if moves is None:
        return []
    each = "Each dot is a request" if moves.of == 1 else f"1 dot = 1 of {amount(moves.of)} requests"
    return [f"{each} of the first replication; travel time is not to scale. Red dots: second tries; rings: failures."]
