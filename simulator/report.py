"""A result in words: the verdict in a sentence, and the table for a terminal."""

from __future__ import annotations

from typing import NamedTuple

from cases.spec import Case
from simulator.measure import Interval, ObjectiveResult, SimulationResult, StageResult

SATURATED = 0.995


class Verdict(NamedTuple):
    """Whether the design holds (None: undecided), and why, in a sentence."""

    holds: bool | None
    headline: str
    reason: str

    def __str__(self) -> str:
        return f"{self.headline} {self.reason}".strip()


def verdict(case: Case, result: SimulationResult) -> Verdict:
    """The first objective that is missed, else the first undecided one, else that all are met; and the limit."""
    objectives = sorted(result.objectives, key=lambda o: (o.met is not False, o.met is not None))
    if not objectives:
        p99 = result.latency_ms["p99"]
        return Verdict(None, f"No objective is stated. p99 {milliseconds(p99.value)}{interval_text(p99)}.", limit(case, result))
    first = objectives[0]
    words = {True: "Holds", False: "Misses", None: "Undecided"}[first.met]
    return Verdict(first.met, f"{words}: {objective_text(first)}.", limit(case, result))


def objective_text(objective: ObjectiveResult) -> str:
    """'p99 148 ms (95 % interval 146 to 150) against 200 ms'."""
    interval = Interval(objective.value, objective.low, objective.high)
    if objective.name == "availability":
        value = "unknown" if objective.value is None else f"{objective.value:.3%}".replace("%", " %")
        return f"availability {value} against {objective.target * 100:g} %"
    percentile = objective.name.removeprefix("latency ")
    if objective.value is None:
        return f"{percentile} has no value, because too many requests got no answer, against {milliseconds(objective.target)}"
    return f"{percentile} {milliseconds(objective.value)}{interval_text(interval)} against {milliseconds(objective.target)}"


def limit(case: Case, result: SimulationResult) -> str:
    """What breaks first: a stage that lacks capacity, else the one where visits wait longest."""
    name, stage = max(result.stages.items(), key=lambda item: pressure(case, item[0], item[1]))
    label = label_of(case, name)
    need = replicas_needed(case, name, stage)
    have = case.stage(name).replicas
    if need > have * SATURATED:
        return f"{label} needs {need:.1f} replicas for what arrives and has {have}; its queue grows while this lasts."
    if stage.wait_mean_ms and stage.wait_mean_ms > 0.01:
        return f"Limit: {label}, {stage.utilisation:.0%} busy; visits wait {milliseconds(stage.wait_mean_ms)} there on average.".replace("%", " %")
    return f"Limit: {label}, {stage.utilisation:.0%} busy.".replace("%", " %")


def pressure(case: Case, name: str, stage: StageResult) -> tuple[float, float]:
    """How near a stage is to its limit: lacking capacity first, then the time that visits wait."""
    lacking = replicas_needed(case, name, stage) / case.stage(name).replicas
    return (lacking if lacking > SATURATED else 0.0, stage.wait_mean_ms or 0.0)


def replicas_needed(case: Case, name: str, stage: StageResult) -> float:
    """Replicas that the work which arrived would keep busy all the time."""
    busy_workers = stage.arrivals_per_s * (stage.service_mean_ms or 0.0) / 1000
    return busy_workers / case.stage(name).concurrency


def label_of(case: Case, name: str) -> str:
    """What a stage is called on screen."""
    return case.stage(name).label or name


def milliseconds(value: float | None) -> str:
    """A time given in ms with three digits: '38.2 µs', '148 ms', '3.36 s'; a dash where there is none."""
    if value is None:
        return "–"
    for limit, factor, unit in ((0.001, 1e6, "ns"), (1.0, 1e3, "µs"), (1e3, 1.0, "ms")):
        if value < limit:
            return f"{value * factor:.3g} {unit}" if value >= 1e-6 else "0 ms"
    return f"{value / 1e3:,.3g} s" if value < 1e6 else f"{value / 1e3:,.0f} s"


def interval_text(interval: Interval) -> str:
    """' (95 % interval 146 to 150 ms)', or nothing where there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f" (95 % interval {milliseconds(max(interval.low, 0.0))} to {milliseconds(interval.high)})"


def report(case: Case, result: SimulationResult) -> str:
    """The result for reading in a terminal."""
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in result.requests.items() if n)
    lines = [case.title, str(verdict(case, result)), "", f"Requests: {counts} ({result.replications} replications, seed {result.seed})"]
    lines.append("Latency:  " + ", ".join(f"{n} {milliseconds(i.value)}{interval_text(i)}" for n, i in result.latency_ms.items()))
    for objective in result.objectives:
        word = {True: "met", False: "MISSED", None: "undecided"}[objective.met]
        lines.append(f"Objective {word}: {objective_text(objective)}")
    if result.cost_usd_per_hour is not None:
        lines.append(f"Cost: ${result.cost_usd_per_hour:,.2f}/hour")
    width = max(len(label_of(case, name)) for name in result.stages)
    lines += ["", f"{'stage':{width}}  busy  arrivals/s  mean wait   p99 wait    service  queue (most)"]
    for name, stage in result.stages.items():
        times = (milliseconds(t) for t in (stage.wait_mean_ms, stage.wait_p99_ms, stage.service_mean_ms))
        cells = "  ".join(f"{t:>9}" for t in times)
        lines.append(
            f"{label_of(case, name):{width}}  {stage.utilisation:4.0%}  {stage.arrivals_per_s:10,.1f}  {cells}  "
            f"{stage.queue_mean:,.1f} ({stage.queue_max:,})"
        )
    lines += [f"Note: {note}" for note in result.notes]
    return "\n".join(lines)
