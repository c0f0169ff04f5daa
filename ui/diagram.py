"""The picture of a design under load: stages as boxes with their utilisation and queues, and who calls whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from cases.layout import Line, layout
from cases.serving import Stage
from cases.spec import Case
from simulator.report import amount, busy_text, label_of, load_word, percent
from simulator.results import SimulationResult, StageResult
from walkthrough.live import WAITING
from walkthrough.still import kind_of, moment

STATIC = Path(__file__).parent / "static"
KEY = "diagram"
# The stage in question is outlined; that it is, its words say, too.
LIT = ".lit .box { stroke: var(--st-primary-color); stroke-width: 4; stroke-opacity: 1; }"


def _static(*names: str) -> str:
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


_component = st.components.v2.component(
    "stagecraft_diagram",
    html='<div class="bar" hidden></div><div class="diagram"></div><div class="bench" hidden></div>',
    css=f"{_static('diagram.css', 'player.css')}{LIT}",
    # The last of them says what the component does.
    js=_static("diagram.js", "labels.js", "moves.js", "lanes.js", "timeline.js", "player.js"),
)


def draw(
    data: dict[str, Any], on_stage: Callable[[], None] = lambda: None, on_at: Callable[[], None] | None = None
) -> None:
    """Put the picture on the page; with `watch` in its data it moves.

    Then `on_stage` is told of a click on a stage (`stage` of the component), `on_at` of a move of the clock (`at`, s).
    """
    _component(key=KEY, data=data, on_stage_change=on_stage, on_at_change=on_at or (lambda: None))


def diagram(case: Case, result: SimulationResult, baseline: SimulationResult | None, changed: set[str]) -> None:
    """Draw it. `changed` names the stages that differ from the case as written."""
    draw(picture(case, result, baseline, changed))


def scene(case: Case, result: SimulationResult | None, lit: str | None, at: float | None) -> None:
    """Draw it for a story: one stage is lit, and the clock stands at a moment (s) of the first replication.

    Without a result yet, the same picture without its numbers.
    """
    if result is not None:
        result = replace(result, stages=moment(result, at))
    nodes = _blank(case) if result is None else _nodes(case, result, None, set())
    if lit is not None:
        nodes[lit]["lit"] = True
        nodes[lit]["note"] = f"This is about this stage. {nodes[lit]['note']}"
    draw(_drawn(case, nodes))


def picture(
    case: Case, result: SimulationResult, baseline: SimulationResult | None, changed: set[str]
) -> dict[str, Any]:
    """What the drawing script needs; all texts are set as text, never as markup."""
    return _drawn(case, _nodes(case, result, baseline, changed))


def _drawn(case: Case, nodes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    drawn = layout(case)
    said = {name: _sentence(node) for name, node in nodes.items()}
    lines = [{**line._asdict(), "words": _line(case, line)} for line in drawn.lines]
    calls = [_line(case, line) for line in drawn.lines if line.kind == "call"]
    return {
        "case": case.id,
        "columns": drawn.columns,
        "heights": drawn.heights,
        "nodes": {name: {**node, "said": said[name]} for name, node in nodes.items()},
        "lines": lines,
        "summary": " ".join(["Request path.", *said.values(), *(f"{words}." for words in calls)]),
    }


def _nodes(
    case: Case, result: SimulationResult, baseline: SimulationResult | None, changed: set[str]
) -> dict[str, dict[str, Any]]:
    most = max((stage.queue_mean for stage in result.stages.values()), default=0.0)
    nodes = {}
    for name, stage in result.stages.items():
        before = baseline.stages.get(name) if baseline else None
        spec = case.stage(name)
        word = load_word(stage.utilisation)
        nodes[name] = {
            "label": label_of(case, name),
            "kind": kind_of(spec),
            "tags": [*_what_it_is(spec, stage), *_what_it_did(stage)],
            "is": [*_what_it_is(spec, stage)],
            "shards": spec.shards > 1,
            "optional": not spec.required,
            "fleet": _fleet(spec, stage),
            "load": busy_text(stage) if stage.utilisation is None else f"{percent(stage.utilisation)} {word}",
            "word": word or "endless",
            "utilisation": None if stage.utilisation is None else min(stage.utilisation, 1.0),
            "ghost": None if before is None or before.utilisation is None else min(before.utilisation, 1.0),
            "queue": "" if spec.endless else f"queue {_short(stage.queue_mean)}",
            "queueShare": stage.queue_mean / most if stage.queue_mean >= 1 else 0.0,
            "changed": name in changed,
            "note": spec.note or "",
        }
    return nodes


def _blank(case: Case) -> dict[str, dict[str, Any]]:
    """The boxes before there is a result."""
    return {
        spec.name: {
            "label": label_of(case, spec.name),
            "kind": kind_of(spec),
            "tags": [],
            "shards": spec.shards > 1,
            "optional": not spec.required,
            "fleet": "" if spec.endless else f"×{spec.fleet:,}",
            "load": WAITING,
            "word": "endless" if spec.endless else "awaited",
            "utilisation": None if spec.endless else 0.0,
            "ghost": None,
            "queue": "" if spec.endless else f"queue {WAITING}",
            "queueShare": 0.0,
            "changed": False,
            "note": spec.note or "",
        }
        for spec in case.stages
    }


def legend(case: Case) -> str:
    """What the picture's signs mean, of those that this case has."""
    parts = ["Boxes: share of the time that workers are busy, mean queue, replicas; a mark on the bar is the baseline."]
    if any(stage.within for stage in case.stages):
        parts.append("Dashed arrows: called within a visit, before it answers.")
    if not all(stage.required for stage in case.stages):
        parts.append("Dashed boxes: optional, the request goes on without them.")
    kinds = {kind_of(stage) for stage in case.stages}
    if "external" in kinds:
        parts.append("Cut corners: others' systems.")
    if "person" in kinds:
        parts.append("Round ends: people.")
    if any(stage.shards > 1 for stage in case.stages):
        parts.append("Stacked boxes: every call goes to all shards.")
    return " ".join(parts)


def _fleet(spec: Stage, stage: StageResult) -> str:
    """'×14', or as many as there were on average."""
    if spec.person is not None or spec.endless:
        return ""
    return f"×{amount(stage.replicas_mean or 0.0) if stage.changed else f'{spec.fleet:,}'}"


def _short(length: float) -> str:
    """A queue in a small box: '1.1k'."""
    return amount(length) if length < 1_000 else f"{length / 1_000:.{1 if length < 10_000 else 0}f}k"


def _what_it_is(spec: Stage, stage: StageResult) -> Iterator[str]:
    if spec.external is not None:
        yield "external"
    if spec.person is not None:
        yield "people" if spec.endless else f"people, {spec.fleet:,} desks"
    if spec.shards > 1:
        yield f"×{spec.shards:,} shards"
    if not spec.required and not stage.left_out:  # which says as much
        yield "optional"
    if spec.when is not None:
        yield "on a miss" if spec.when.share is None else f"{percent(spec.when.share)} of calls"
    if spec.hold:
        yield "holds its caller"


def _what_it_did(stage: StageResult) -> Iterator[str]:
    """What is out of the ordinary. The table has all of it."""
    if stage.hit_ratio is not None:
        yield f"hits {percent(stage.hit_ratio)}"
    if stage.killed:
        yield f"{stage.killed:,} killed"
    if stage.lost:
        yield f"{stage.lost:,} lost"
    if stage.rejections:
        yield f"{stage.rejections:,} turned away"
    if stage.left_out:
        yield f"{stage.left_out:,} left out"
    if stage.fallbacks:
        yield f"{stage.fallbacks:,} fallbacks"
    if stage.retries:
        yield f"{stage.retries:,} retries"
    if stage.hedges:
        yield f"{stage.hedges:,} hedges"


def _sentence(node: dict[str, Any]) -> str:
    """A box in words: 'Ranking: 68 % ok, queue 0.1, ×14, hits 96 %.'"""
    parts = [part for part in (node["load"], node["queue"], node["fleet"], *node["tags"]) if part]
    return f"{node['label']}: {', '.join(parts)}."


def _line(case: Case, line: Line) -> str:
    start, end = label_of(case, line.start), label_of(case, line.end)
    if line.kind == "after":
        return f"{end} follows {start}"
    return f"{start} calls {end}" + (" and keeps its worker meanwhile" if case.stage(line.end).hold else "")
