"""Why p99 is high, of a whole run: where the slowest 1 % of its first replication spent their time, and what 10 % more
replicas of each stage would change, on the same luck.

The replication is run twice: once to find out who is slow, and again for the visits of those alone. So it takes the
memory of the slowest requests, however long the run is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cases.build import apply
from cases.errors import RunError
from cases.spec import Case
from simulator.attribution import WORDS, Attribution, Kind, explain
from simulator.compare import Difference, difference
from simulator.control import Progress, onward, replicate, window_of
from simulator.engine import Look, Planes
from simulator.histogram import rank
from simulator.plan import Engine, Plan
from simulator.plane import Ended
from simulator.report import label_of, milliseconds, percent, table
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.timeline import MILLISECOND

PERCENT = 99.0
MOST_EXPLAINED = 20_000  # requests; of more, every k-th in the order of their latencies
SHOWN = 0.005  # of the time: smaller parts are added up in the table
CLIENT = "client"


@dataclass(frozen=True)
class Gain:
    """What a tenth more of a stage would change."""

    stage: str
    before: int  # replicas
    after: int
    difference: Difference  # of p99, ms

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract."""
        return {
            "stage": self.stage,
            "replicas": {"from": self.before, "to": self.after},
            "p99_ms": self.difference.difference.as_json(),
            "decided": self.difference.decided,
        }


@dataclass(frozen=True)
class Why:
    """The answer: parts of the slowest requests' time, and gains."""

    names: tuple[str, ...]  # of the stages, the client's last
    attribution: Attribution
    more: tuple[Gain, ...]

    def parts(self) -> list[tuple[str, Kind, float]]:
        """Stage, kind and share of the time, the largest first."""
        found = sorted(self.attribution.parts.items(), key=lambda part: (-part[1], part[0]))
        total = max(1, self.attribution.latency)
        return [(self.names[stage], kind, ns / total) for (stage, kind), ns in found]

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract. Times are means over the requests explained."""
        found = self.attribution
        mean = found.latency / found.requests / MILLISECOND
        kinds = {kind: sum(ns for (_, k), ns in found.parts.items() if k == kind) for kind in Kind}
        return {
            "percentile": PERCENT,
            "threshold_ms": found.threshold / MILLISECOND,
            "requests": found.requests,
            "mean_ms": mean,
            "parts": [
                {"stage": stage, "kind": WORDS[kind], "share": share, "ms": share * mean}
                for stage, kind, share in self.parts()
            ],
            "kinds": {WORDS[kind]: ns / found.latency for kind, ns in kinds.items() if ns},
            "more": [gain.as_json() for gain in self.more],
        }

    def report(self, case: Case) -> str:
        """For reading in a terminal."""
        found = self.attribution
        mean = found.latency / found.requests / MILLISECOND
        lines = [
            "Why p99 is high",
            f"The slowest 1 % of the first replication ({found.requests:,} requests) took "
            f"{milliseconds(found.threshold / MILLISECOND)} or more, {milliseconds(mean)} on average. "
            + self.sentence(case),
            "",
        ]
        parts = self.parts()
        rows = [
            {"Stage": _label(case, s), "Time": WORDS[k], "Share": percent(share), "Mean": milliseconds(share * mean)}
            for s, k, share in parts
            if share >= SHOWN
        ]
        rest = sum(share for *_, share in parts if share < SHOWN)
        if rest:
            rows.append({"Stage": "the rest", "Time": "", "Share": percent(rest), "Mean": milliseconds(rest * mean)})
        lines += table(rows)
        if self.more:
            lines += ["", "What 10 % more of each stage would change, on the same luck"]
            lines += [f"  {_gain_text(case, gain)}" for gain in self.more]
        return "\n".join(lines)

    def sentence(self, case: Case) -> str:
        """'Heavy ranker queues 61 % of it.'"""
        stage, kind, share = self.parts()[0]
        label = _label(case, stage)
        text = _SENTENCES[kind].format(label=label, share=f"{share * 100:.0f} %")
        # A stage without a label is called as in the file.
        return f"{text}." if text.startswith(stage) else f"{text[0].upper()}{text[1:]}."


_SENTENCES = {
    Kind.NETWORK: "the way to {label} takes {share} of it",
    Kind.QUEUE: "{label} queues {share} of it",
    Kind.BATCH: "waiting for a batch at {label} takes {share} of it",
    Kind.SERVICE: "the service of {label} takes {share} of it",
    Kind.FETCH: "waiting for another's fetch at {label} takes {share} of it",
    Kind.SECOND_TRY: "retries and hedges of {label} take {share} of it",
    Kind.FALLBACK: "the fallback of {label} takes {share} of it",
    Kind.SLOWEST: "waiting for {label} as the slowest branch takes {share} of it",
    Kind.OTHER: "{label} takes {share} of it",
}


def why(
    plan: Plan,
    result: SimulationResult,
    engine: Engine = "auto",
    progress: Progress = lambda _: None,
    workers: int | None = None,
) -> Why:
    """The answer for a run and its result. `progress` as for `simulate`. RunError where no request got an answer."""
    changes = list(_a_tenth_more(plan))
    parts = 2 + len(changes)

    def part(number: int) -> Progress:
        return lambda done: progress((number + done) / parts)

    found = attribution(plan, engine, lambda done: progress(2 * done / parts))
    # As many replications as the result has: it may have been run to a precision.
    run = replace(plan.run, replications=result.replications)
    gains = []
    for number, (name, before, after, changed) in enumerate(changes, 2):
        other = simulate(replace(changed, run=run), engine, part(number), workers)
        gains.append(Gain(name, before, after, difference("p99", result, other)))
    gains.sort(key=lambda gain: (gain.difference.difference.value is None, gain.difference.difference.value or 0.0))
    return Why((*plan.network.names, CLIENT), found, tuple(gains))


def _a_tenth_more(plan: Plan) -> Sequence[tuple[str, int, int, Plan]]:
    """By stage with replicas: its name, how many it has and would have, and the plan with these."""
    found = []
    for spec in plan.case.stages:
        if spec.endless or (spec.balancing is None and spec.person is None):
            continue  # others' systems, and stages that grow by `concurrency`
        path = f"stages.{spec.name}.replicas" if spec.person is None else f"stages.{spec.name}.person.desks"
        more = -(-11 * spec.fleet // (10 * plan.case.cells)) * plan.case.cells
        case = apply(plan.case, {path: str(more)})
        found.append((spec.name, spec.fleet, more, plan.redesigned(case)))
    return found


def attribution(plan: Plan, engine: Engine = "auto", progress: Progress = lambda _: None) -> Attribution:
    """Where the slowest 1 % of the measured and answered requests of the first replication spent their time."""
    tell = onward(progress)
    return Planes(engine).run(lambda plane, look: _attribution(plan, plane, look, tell))


def _attribution(plan: Plan, plane: str, look: Look, tell: Progress) -> Attribution:
    share = [0.0]

    def tick() -> None:
        look(share[0])
        tell(share[0])

    def half(number: int) -> Callable[[float], None]:
        def told(done: float) -> None:
            share[0] = (number + done) / 2
            tick()

        return told

    measured = window_of(plan, 0, plane, tick)
    offered = measured.last - measured.first
    first = replicate(plan, 0, plane, measured, half(0), tick, slowest=offered - rank(offered, PERCENT) + 1)
    assert first.slowest is not None
    if not first.answered:
        raise RunError("no measured request got an answer, so none can be explained; make some of them succeed first")
    slow = _upto(first.slowest.found(), first.answered - rank(first.answered, PERCENT) + 1)
    second = replicate(plan, 0, plane, measured, half(1), tick, traced=np.sort(slow.number))
    assert second.trace is not None
    return explain(plan.network.machine, second.trace, slow, slow.number, plan.world.numbers_changed())


def _upto(ended: Ended, count: int) -> Ended:
    """The first `count` requests; of very many, some at equal distances, the last among them."""
    chosen = np.arange(count)
    if count > MOST_EXPLAINED:
        chosen = np.linspace(0, count - 1, MOST_EXPLAINED).astype(np.int64)
    return Ended(*(column[chosen] for column in ended))


def _label(case: Case, stage: str) -> str:
    return stage if stage == CLIENT else label_of(case, stage)


def _gain_text(case: Case, gain: Gain) -> str:
    label, (value, low, high) = _label(case, gain.stage), gain.difference.difference
    replicas = f"{label} {gain.before:,} -> {gain.after:,}"
    if value is None:
        return f"{replicas}: no p99 to compare"
    way = "lower" if value < 0 else "higher"
    text = f"{replicas}: p99 {milliseconds(abs(value))} {way}" if value else f"{replicas}: p99 the same"
    if low is None or high is None or not value:
        return text
    if not gain.difference.decided:
        return f"{text}, within the noise"
    near, far = sorted((abs(low), abs(high)))
    return f"{text} (95 % interval {milliseconds(near)} to {milliseconds(far)})"
