"""The export as a document: what stands in each of its sections, put into a template that escapes every text."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from cases.design import differences
from cases.files import as_yaml
from cases.labels import label_of
from cases.number_report import web
from cases.numbers import from_table, provenance
from cases.sheets import WORST_FIRST, estimates, interval_text, judged_claims
from cases.spec import Case
from cases.story_spec import SECTIONS
from simulator import report
from simulator.machine import NEVER
from simulator.results import SimulationResult
from simulator.workload import SECOND
from walkthrough.live import Number
from walkthrough.material import Material, designed, happening, run_text
from walkthrough.plots import latency
from walkthrough.still import ROOM, drawing, moment
from walkthrough.story import RunName, ToldStep, planned

STATIC = Path(__file__).parent / "static"
MOST_ROWS = 300  # of the table behind the picture of latency over time
PAIR = 720  # how wide a picture may be that has another one beside it
BASES = {"estimate": "our estimate", "number": "of the table of numbers", "stated": "stated by the source in question"}

Rows = list[dict[str, str]]


class Picture(NamedTuple):
    """A run as it is shown: what it is, how it comes out, the request path, and latency over time."""

    title: str
    headline: str
    path: Markup
    plot: Markup


def document(made: Material, dated: str = "", pictures: bool = True) -> str:
    """The whole file. `dated`: what to print as its day; without `pictures` it is smaller, and says so."""
    case, result = made.case, made.result
    style, script = (_file(name) for name in ("document.css", "document.js"))
    return _template().render(
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        case=case,
        question=" ".join(case.question.split()),
        dated=dated,
        pictures=pictures,
        verdict=report.verdict(case, result),
        told=list(_told(made, pictures)),
        no_story=made.no_story,
        results=_results(case, result),
        picture=_picture(made, made.here, over_time=True) if pictures else None,
        claims=list(_claims(case)),
        estimates=list(_estimates(case)),
        assumptions=list(_assumptions(case)),
        three=_three(made),
        designs=list(_designs(made)),
        scenarios=list(_scenarios(made)),
        sources=list(_sources(case)),
        runs=list(_runs(made)),
        changes=list(_changes(case)),
        commands=_commands(made),
        yaml=as_yaml(case.as_written.tree),
    )


@cache
def _template() -> Template:
    there = Environment(
        loader=FileSystemLoader(STATIC),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return there.get_template("document.html")


def _file(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


# -- the story --------------------------------------------------------------------------------------------------------


def _told(made: Material, pictures: bool) -> Iterator[dict[str, Any]]:
    """The steps. A picture that is the same as the one before is not drawn again."""
    before: object = None
    for step in made.story:
        written = step.planned
        now = (written.shows, written.stage, written.at)
        room = ROOM if len(written.shows) == 1 else PAIR
        shown = [
            _picture(made, run, written.stage, written.at, room, run.scenario is not None or written.at is not None)
            for run in written.shows
        ]
        yield {
            "number": written.number,
            "section": SECTIONS[written.section],
            "title": written.title,
            "asks": step.asks,
            "says": step.says,
            "notes": step.notes,
            "lit": None if written.stage is None else report.label_of(made.case, written.stage),
            "clock": "" if written.at is None else f"{written.at:g} s",
            "pictures": shown if pictures and now != before else [],
            "origins": _origins(step),
        }
        before = now


def _origins(step: ToldStep) -> list[tuple[str, str]]:
    """The numbers of a step with what they are of, each once."""
    numbers = (part for text in step.texts for part in text if isinstance(part, Number))
    return list(dict.fromkeys((number.text, number.origin) for number in numbers))


def _picture(
    made: Material,
    run: RunName,
    stage: str | None = None,
    at: float | None = None,
    room: float = ROOM,
    over_time: bool = False,
) -> Picture:
    case, result = planned(made.case, run).case, made.runs[run]
    return Picture(
        run_text(made.case, run),
        report.verdict(case, result).headline,
        Markup(drawing(case, moment(result, at), stage, room)),
        Markup(latency(result, at) if over_time else ""),
    )


# -- the run that is judged -------------------------------------------------------------------------------------------


def _results(case: Case, result: SimulationResult) -> dict[str, Any]:
    money = (
        (result.cost_usd_per_hour, ",.2f", "/hour"),
        (result.cost_usd_per_million_requests, ",.4g", " a million requests"),
    )
    counts = [f"{many:,} {name.replace('_', ' ')}" for name, many in result.requests.items() if many]
    timeline = result.timeline
    return {
        "what": report.what_happens(case, result),
        "requests": f"{', '.join(counts)}; {result.replications} replications, seed {result.seed}",
        "recovery": [report.recovery_text(one) for one in result.recovery],
        "figures": report.figure_rows(result),
        "few": report.few_legend(result),
        "stages": report.stage_rows(case, result),
        "classes": report.class_rows(case, result),
        "outcomes": report.outcome_rows(case, result),
        "cost": ", ".join(f"${value:{digits}}{per}" for value, digits, per in money if value is not None),
        "notes": result.notes,
        "timeline": [] if timeline is None or len(timeline.times) > MOST_ROWS else report.timeline_rows(timeline),
    }


def _three(made: Material) -> dict[str, Any]:
    """The witnesses' tables; a witness who was not asked has no column."""
    three = made.three
    if three is None:
        return {"why": made.no_three}
    rows = [one.row() for one in three.stages]
    if all(one.found is None for one in three.stages):
        rows = [{name: text for name, text in row.items() if name != "Simulation"} for row in rows]
    return {
        "why": "",
        "rate": report.amount(three.requests_per_s),
        "whole": [one.row() for one in three.whole],
        "stages": rows,
        "together": "" if three.together is None or not three.together.replicas else three.together.sentence(),
        "left_out": "; ".join(three.left_out),
    }


# -- the sheet --------------------------------------------------------------------------------------------------------


def _claims(case: Case) -> Iterator[dict[str, str]]:
    """What the sources say, the worst first."""
    for claim, verdict in sorted(judged_claims(case), key=lambda pair: WORST_FIRST.index(pair[1].verdict)):
        yield {
            "kind": verdict.verdict,
            "verdict": verdict.verdict.replace("_", " "),
            "says": claim.says,
            "sentence": verdict.sentence,
            "source": case.sources[claim.source].title,
        }


def _estimates(case: Case) -> Iterator[dict[str, Any]]:
    for name, result in estimates(case).items():
        working = result.working
        lines = dict.fromkeys(line for line in (working.symbols, working.substituted, working.value_text) if line)
        yield {
            "name": name,
            "label": label_of(case, name),
            "value": case.units.format(result.value, result.unit),
            "interval": interval_text(case, result).strip().strip("()"),
            "no_interval": result.no_interval,
            "lines": list(lines),
            "note": case.estimates[name].note or "",
        }


def _assumptions(case: Case) -> Iterator[dict[str, str]]:
    """A row for each, for a table."""
    for name in case.assumptions:
        known = provenance(case, name)
        basis = BASES.get(known.basis, known.basis)
        said = [known.title and f"{known.title}{known.checked and f' (read {known.checked})'}", known.note]
        changed = f"changed; the case has {known.instead_of}. " if known.instead_of else ""
        yield {
            "Assumption": label_of(case, name),
            "Value": known.value,
            "Known how": f"{changed}{basis}",
            "From": "; ".join(filter(None, said)),
        }


# -- what it was made of ----------------------------------------------------------------------------------------------


def _designs(made: Material) -> Iterator[dict[str, Any]]:
    """Those that runs are of."""
    for name in dict.fromkeys(run.design for run in made.runs if run.design is not None):
        one = designed(made.case, name)
        bad = one.looks_good
        yield {
            "label": one.label or name.replace("_", " "),
            "note": one.note or "",
            "but": "" if bad is None else f"Looks good, but {bad.but} gets {bad.gets}: {bad.because}",
            "changes": one.changes,
        }


def _scenarios(made: Material) -> Iterator[dict[str, Any]]:
    """Those that something happens in, with the events of a run and what each did to goodput, design by design."""
    for name in dict.fromkeys(run.scenario for run in made.runs if run.scenario is not None):
        one, runs = (
            happening(made.case, name),
            {run: result for run, result in made.runs.items() if run.scenario == name},
        )
        timelines = (result.timeline for result in runs.values() if result.timeline is not None)
        marks = next((timeline.marks for timeline in timelines), ())
        yield {
            "label": one.label or name.replace("_", " "),
            "note": one.note or "",
            "more": list(filter(None, (one.first, one.then))),
            "events": [_event(*mark) for mark in marks],
            "recovery": [
                (run_text(made.case, run), [report.recovery_text(back) for back in result.recovery])
                for run, result in runs.items()
            ],
        }


def _event(label: str, start: int, end: int) -> str:
    """'slow: ranking takes 3 times as long, from 6 s to 10 s'."""
    begin = f"{start / SECOND:g} s"
    if end >= NEVER:
        return f"{label}, from {begin} on"
    return f"{label}, at {begin}" if end == start else f"{label}, from {begin} to {end / SECOND:g} s"


def _sources(case: Case) -> Iterator[dict[str, str]]:
    """Of the case, and of the numbers that it takes from the table; each once."""
    table = (number.source for number in from_table(case).values() if number.source is not None)
    own = [(one.title, one.url, one.checked, one.note) for one in case.sources.values()]
    for title, url, checked, note in dict.fromkeys([*own, *((one.title, one.url, one.checked, None) for one in table)]):
        yield {"title": title, "url": web(url), "checked": checked or "", "note": note or ""}


def _runs(made: Material) -> Iterator[dict[str, str]]:
    """A row for each run, for a table."""
    for run, result in made.runs.items():
        p99, cost = result.latency_ms["p99"], result.cost_usd_per_hour
        yield {
            "Run": run_text(made.case, run),
            "Comes out": report.verdict(planned(made.case, run).case, result).headline,
            "p99": report.milliseconds(p99.value) if p99.value is not None else "no answer",
            "Cost": "–" if cost is None else f"${cost:,.2f}/hour",
            "Key": result.key,
            "Seed": f"{result.seed}",
        }


def _changes(case: Case) -> Iterator[dict[str, str]]:
    """What differs from the case as written."""
    for path, text in differences(case.as_written.tree, case.tree).items():
        yield {"Path": path, "Value": text}


def _commands(made: Material) -> list[str]:
    """That make these runs again from the file below."""
    case, result = made.case, made.result
    sets = [f"--set {shlex.quote(f'{path}={text}')}" for path, text in _pairs(_changes(case))]
    happens = [] if result.scenario is None else [f"--scenario {result.scenario}"]
    seed = [f"--seed {result.seed}"]
    run = " ".join([f"python -m simulator run {case.id}.yaml", *sets, *happens, *seed])
    story = " ".join([f"python -m walkthrough {case.id}.yaml", *sets, *seed, f"-o {case.id}.html"])
    return [run, story]


def _pairs(rows: Iterable[dict[str, str]]) -> Iterator[tuple[str, str]]:
    return ((row["Path"], row["Value"]) for row in rows)
