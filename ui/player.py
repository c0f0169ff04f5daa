"""The picture of a run in motion: what the browser needs to play it, all of it made before it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from cases.spec import Case
from simulator.control import Progress
from simulator.report import amount, milliseconds
from simulator.results import SimulationResult
from simulator.scenes import FIT, Scene, frames, scene, speeds, target
from simulator.timeline import PERCENTILES
from ui.diagram import draw, legend, picture
from ui.jobs import MOST_RESULTS, Runs, View, begun
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


def known_moves(result: SimulationResult) -> Scene | None:
    """The same, if that has been found already."""
    found: Scene | None = scenes().known(f"{result.key}:{SLOT}")
    return found


class Go(NamedTuple):
    """Move the clock there (s), once. Another `turn` is another wish, also for the same moment."""

    to: float
    turn: int


class Clock:
    """Where the clock of a page's picture stands, as far as is known here (s; None: at its start).

    The browser moves it, and tells where it stands; what the page says of it changes only when the page wants it
    elsewhere, so that the picture is not sent again for each of those moves.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self.go = Go(0.0, 0)
        self._there = False

    def leave(self) -> None:
        """There is no picture: the next one knows nothing of older wishes."""
        self._there = False

    def told(self, at: float | None) -> None:
        """The browser has moved it."""
        self.at = at

    def stand(self, at: float | None) -> Go:
        """The wish that brings it there; the last one, where it is there."""
        if not self._there or at != self.at:
            self.move(at)
        self._there = True
        return self.go

    def move(self, at: float | None) -> None:
        """Wish it there, wherever it is."""
        self.at, self.go = at, Go(at or 0.0, self.go.turn + 1)


def player(
    case: Case,
    result: SimulationResult,
    baseline: SimulationResult | None,
    changed: set[str],
    moves: Scene | None,
    chosen: str | None,
    on_stage: Callable[[], None],
    go: Go | None = None,
    on_at: Callable[[], None] | None = None,
) -> None:
    """Draw it. `moves`: what some requests did, once that is known; `chosen`: the stage that is open.

    `go`: where the clock is wished; `on_at` is told when somebody has moved it (the component's `at`, s).
    """
    data = picture(case, result, baseline, changed)
    if result.timeline is not None:
        before = None if baseline is None or baseline.timeline is None else baseline
        data["watch"] = _watch(case, result, before, moves)
        data["watch"]["go"] = None if go is None else go._asdict()
        data["chosen"] = chosen
    draw(data, on_stage, on_at)


def _watch(
    case: Case, result: SimulationResult, before: SimulationResult | None, moves: Scene | None
) -> dict[str, Any]:
    assert result.timeline is not None
    # What is large is text already: who looks on after a rerun of the page has it, and it is not made again.
    return {
        "frames": _frames(result.key, result),
        "whole": {name: milliseconds(result.latency_ms[name].value) for name in PERCENTILES},
        "objective": _objective(result),
        "ghost": None if before is None else _frames(before.key, before),
        "speeds": speeds(int(result.timeline.times[-1])),
        "speed": FIT,
        "scene": None if moves is None else _journeys(result.key, moves),
        "legend": " ".join([*_dots(moves), _lanes(result), legend(case)]),
        "told": "Latency percentiles over simulated time; a table of the results is below",
    }


@st.cache_resource(show_spinner=False, max_entries=MOST_RESULTS)
def _frames(key: str, _result: SimulationResult) -> str:  # a leading '_' takes it out of the cache's key
    assert _result.timeline is not None
    return json.dumps(frames(_result.timeline, _result.cells))


@st.cache_resource(show_spinner=False, max_entries=MOST_RESULTS)
def _journeys(key: str, _moves: Scene) -> str:
    return json.dumps(_moves.as_json())


def _objective(result: SimulationResult) -> dict[str, Any] | None:
    found = target(result)
    if found is None:
        return None
    name, limit = found
    return {"at": limit, "label": f"objective {name} {milliseconds(limit)}"}


def _lanes(result: SimulationResult) -> str:
    assert result.timeline is not None
    longest = float(result.timeline.waiting.max(initial=0.0)) * result.cells
    queue = f"the line is its queue, at the top of a lane {amount(longest)}" if longest else "nobody ever waits"
    return f"Lanes: filled as high as a stage is busy; {queue}."


def _dots(moves: Scene | None) -> list[str]:
    if moves is None:
        return []
    each = "Each dot is a request" if moves.of == 1 else f"1 dot = 1 of {amount(moves.of)} requests"
    return [f"{each} of the first replication; travel time is not to scale. Red dots: second tries; rings: failures."]
