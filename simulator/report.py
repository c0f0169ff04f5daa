"""A result in words: the verdict in a sentence, and the table for a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cases.spec import Case
from simulator.results import Interval, ObjectiveResult, SimulationResult

SATURATED = 0.995
OVERLOAD = 1.005  # of the capacity: beyond noise
LITTLE = 0.05  # of the mean latency


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
        return Verdict(
            None, f"No objective is stated. p99 {milliseconds(p99.value)}{interval_text(p99)}.", limit(case, result)
        )
    first = objectives[0]
    words = {True: "Holds", False: "Misses", None: "Undecided"}[first.met]
    if _lacking(case, result) and first.name != "availability" and first.value is not None:
        # The figure is of this run's length; an interval would pretend that there is a figure without one.
        name, target = first.name.removeprefix("latency "), milliseconds(first.target)
        text = f"{name} {milliseconds(first.value)} by the end of this run, and rising, against {target}"
    else:
        text = objective_text(first)
    return Verdict(first.met, f"{words}: {text}.", limit(case, result))


def objective_text(objective: ObjectiveResult) -> str:
    """'p99 148 ms (95 % interval 146 to 150) against 200 ms'."""
    interval = Interval(objective.value, objective.low, objective.high)
    if objective.name == "availability":
        value = "unknown" if objective.value is None else f"{objective.value * 100:.3f} %"
        spread = ""
        if objective.low is not None and objective.high is not None and objective.low < objective.high:
            spread = f" (95 % interval {objective.low * 100:.3f} to {objective.high * 100:.3f} %)"
        return f"availability {value}{spread} against {objective.target * 100:g} %"
    percentile = objective.name.removeprefix("latency ")
    if objective.value is None:
        target = milliseconds(objective.target)
        return f"too few requests got an answer in time for a {percentile} to hold against {target}"
    value, target = milliseconds(objective.value), milliseconds(objective.target)
    return f"{percentile} {value}{interval_text(interval)} against {target}"


def limit(case: Case, result: SimulationResult) -> str:
    """What breaks first: stages that lack capacity for what is offered, else who turns visits away, else who waits."""
    if lacking := _lacking(case, result):
        needs = [
            f"{label_of(case, name)} needs {_count(replicas_needed(case, result, name))} replicas"
            f" (has {case.stage(name).replicas:,})"
            for name in lacking
        ]
        more = f" and {len(needs) - 3} more stages" if len(needs) > 3 else ""
        return f"Overloaded at {result.offered_per_s:,.0f} requests/s: {', '.join(needs[:3])}{more}."
    name, stage = max(result.stages.items(), key=lambda item: item[1].rejections)
    if stage.rejections:
        return f"{label_of(case, name)} turns visits away: its queue is full ({stage.rejections:,} times)."
    name, stage = max(result.stages.items(), key=lambda item: item[1].wait_mean_ms or 0.0)
    label, busy = label_of(case, name), percent(stage.utilisation)
    wait, mean = stage.wait_mean_ms, result.latency_ms["mean"].value
    if not wait:
        name, stage = max(result.stages.items(), key=lambda item: item[1].utilisation)
        return f"Next to nobody waits; the busiest stage is {label_of(case, name)}, {percent(stage.utilisation)} busy."
    if mean is not None and wait < LITTLE * mean:
        return f"Queues add little: the longest mean wait is {milliseconds(wait)} ({label}, {busy} busy)."
    return f"The longest wait is at {label}, {busy} busy: {milliseconds(wait)} on average."


def _count(need: float) -> str:
    return f"{need:,.0f}" if need >= 100 else f"{need:.3g}"


def _lacking(case: Case, result: SimulationResult) -> list[str]:
    """Stages without the capacity for what is offered."""
    return [n for n in result.stages if replicas_needed(case, result, n) > case.stage(n).replicas * OVERLOAD]


def replicas_needed(case: Case, result: SimulationResult, name: str) -> float:
    """Replicas that the requests offered would keep busy all the time, if all of them came so far.

    Every request visits every stage once. Where no visit was served in the window, its time is the stated one.
    """
    spec = case.stage(name)
    served = result.stages[name].service_mean_ms
    seconds = (spec.service.mean or spec.service.floor or 0.0) if served is None else served / 1000
    return result.offered_per_s * seconds / spec.concurrency


def load_word(utilisation: float) -> str:
    """How busy a stage is, in a word."""
    for above, word in ((SATURATED, "saturated"), (0.9, "hot"), (0.7, "busy")):
        if utilisation >= above:
            return word
    return "ok"


def percent(share: float) -> str:
    """'68 %', '0.4 %', '100 %'."""
    digits = 0 if share >= 0.1 or share == 0 else 1
    return f"{share * 100:.{digits}f} %"


def amount(value: float) -> str:
    """A queue length or a rate: '0', '0.1', '15', '4,638'."""
    if value < 0.05:
        return "0"
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


class Figure(NamedTuple):
    """One of the figures that a person looks at first, beside the baseline's."""

    label: str
    text: str
    difference: str  # signed, with unit, or in words; '' where it is the same
    better: bool | None  # than the baseline; None where there is no difference


def headline_figures(result: SimulationResult, baseline: SimulationResult) -> list[Figure]:
    """Median, p99, the share of requests answered, and the cost."""
    figures = []
    for name, label in (("p50", "p50 latency"), ("p99", "p99 latency")):
        now, then = result.latency_ms[name].value, baseline.latency_ms[name].value
        if now is None or then is None:
            was = "" if now is then else f"was {milliseconds(then)}" if then is not None else "was no answer"
            figures.append(Figure(label, "no answer" if now is None else milliseconds(now), was, None))
            continue
        figures.append(
            Figure(label, milliseconds(now), _signed(now - then, milliseconds), now < then if now != then else None)
        )
    answered, before = share_answered(result), share_answered(baseline)
    points = (answered - before) * 100
    shown = f"{answered * 100:.2f} %" if answered > 0.99 and answered < 1 else percent(answered)
    figures.append(
        Figure("Answered", shown, _signed(points, lambda p: f"{p:.3g} points"), points > 0 if points else None)
    )
    if result.cost_usd_per_hour is not None and baseline.cost_usd_per_hour is not None:
        more = result.cost_usd_per_hour - baseline.cost_usd_per_hour
        figures.append(
            Figure(
                "Cost",
                f"${result.cost_usd_per_hour:,.2f}/h",
                _signed(more, lambda d: f"${d:,.2f}/h"),
                more < 0 if abs(more) > 0.004 else None,
            )
        )
    return figures


def _signed(change: float | None, text: Callable[[float], str]) -> str:
    """With an ASCII sign: what shows it reads the sign."""
    if not change or abs(change) < 1e-9:
        return ""
    return f"{'-' if change < 0 else '+'}{text(abs(change))}"


def share_answered(result: SimulationResult) -> float:
    """Completed and degraded requests of those offered."""
    answered = result.requests["completed"] + result.requests["degraded"]
    return answered / result.requests["offered"] if result.requests["offered"] else 0.0


def figure_rows(result: SimulationResult) -> list[dict[str, str]]:
    """Latencies and availability with their intervals, against the objectives, for a table."""
    objectives = {objective.name: objective for objective in result.objectives}
    rows = []
    for name, interval in result.latency_ms.items():
        objective = objectives.pop(f"latency {name}", None)
        rows.append(
            {
                "Latency": "mean of the answered" if name == "mean" else name,
                "Value": milliseconds(interval.value),
                "95 % interval": _bare_interval(interval),
                "Objective": ""
                if objective is None
                else f"at most {milliseconds(objective.target)}: {_met_word(objective)}",
            }
        )
    rows += [
        {"Latency": "", "Value": "", "95 % interval": "", "Objective": f"{objective_text(o)}: {_met_word(o)}"}
        for o in objectives.values()
    ]
    return rows


def _bare_interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{milliseconds(interval.low)} to {milliseconds(interval.high)}"


def _met_word(objective: ObjectiveResult) -> str:
    return {True: "met", False: "missed", None: "undecided"}[objective.met]


def stage_rows(case: Case, result: SimulationResult) -> list[dict[str, str]]:
    """Stages over the window, for a table."""
    return [
        {
            "Stage": label_of(case, name),
            "Replicas": f"{case.stage(name).replicas} x {case.stage(name).concurrency}",
            "Busy": f"{percent(stage.utilisation)} ({load_word(stage.utilisation)})",
            "Arrivals/s": f"{stage.arrivals_per_s:,.0f}",
            "Mean wait": milliseconds(stage.wait_mean_ms),
            "p99 wait": milliseconds(stage.wait_p99_ms),
            "Service": milliseconds(stage.service_mean_ms),
            "Queue, mean": amount(stage.queue_mean),
            "Queue, most": f"{stage.queue_max:,}",
        }
        for name, stage in result.stages.items()
    ]


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
    bare = _bare_interval(interval)
    return "" if bare == "–" else f" (95 % interval {bare})"


def report(case: Case, result: SimulationResult) -> str:
    """The result for reading in a terminal."""
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in result.requests.items() if n)
    lines = [
        case.title,
        str(verdict(case, result)),
        "",
        f"Requests: {counts} ({result.replications} replications, seed {result.seed})",
    ]
    lines.append(
        "Latency:  " + ", ".join(f"{n} {milliseconds(i.value)}{interval_text(i)}" for n, i in result.latency_ms.items())
    )
    for objective in result.objectives:
        word = {True: "met", False: "MISSED", None: "undecided"}[objective.met]
        lines.append(f"Objective {word}: {objective_text(objective)}")
    if result.cost_usd_per_hour is not None:
        lines.append(f"Cost: ${result.cost_usd_per_hour:,.2f}/hour")
    lines += ["", *_table(stage_rows(case, result))]
    lines += [f"Note: {note}" for note in result.notes]
    return "\n".join(lines)


def _table(rows: list[dict[str, str]]) -> list[str]:
    """Columns as wide as they must be; the first flush left."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
