"""A result in words: the verdict in a sentence, and the table for a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cases import outcomes
from cases.cells import one_cell
from cases.design import changed
from cases.errors import DesignError
from cases.scenarios import scenarios
from cases.spec import Case, Stage
from simulator.points import change_text
from simulator.results import Interval, ObjectiveResult, Recovery, SimulationResult, StageResult
from simulator.timeline import ENDS, MILLISECOND, Timeline

SATURATED = 0.995
A_FEW = 0.005  # of the requests: fewer that fail or are given up are not the story
LITTLE = 0.05  # of the mean latency
SECOND_TRIES = 1.1  # attempts per visit: more are worth a word
FEW = "*"  # marks a percentile with too few requests behind it


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
    if _rising(result) and first.name.startswith("latency ") and first.value is not None:
        # The figure is of this run's length; an interval would pretend that there is a figure without one.
        name, target = first.name.removeprefix("latency "), milliseconds(first.target)
        text = f"{name} {milliseconds(first.value)} by the end of this run, and rising, against {target}"
    else:
        text = objective_text(first)
    return Verdict(first.met, f"{words}: {text}.", limit(case, result))


def objective_text(objective: ObjectiveResult) -> str:
    """'p99 148 ms (95 % interval 146 to 150) against 200 ms'."""
    interval = Interval(objective.value, objective.low, objective.high)
    if objective.unit is not None:
        return _outcome_text(objective, objective.unit)
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


def _outcome_text(objective: ObjectiveResult, unit: str) -> str:
    """'money lost $1,900/hour (95 % interval $1,850/hour to $1,950/hour) against $2,000/hour at most'."""
    label = objective.label or objective.name
    target = f"{outcomes.with_unit(objective.target, unit)} {'at least' if objective.least else 'at most'}"
    if objective.value is None:
        return f"{label} has no value to hold against {target}"
    spread = outcome_interval(Interval(objective.value, objective.low, objective.high), unit)
    between = f" (95 % interval {spread})" if spread else ""
    return f"{label} {outcomes.with_unit(objective.value, unit)}{between} against {target}"


def limit(case: Case, result: SimulationResult) -> str:
    """What breaks first: stages that lack capacity for what is offered, else who turns visits away, else who waits."""
    if lacking := _lacking(result):
        needs = [
            f"{label_of(case, name)} needs {_count(need)} {_staff(case, name)} (has {_there(result.stages[name])})"
            for name, need in lacking.items()
        ]
        more = f" and {len(needs) - 3} more stages" if len(needs) > 3 else ""
        return f"Overloaded at {_count(result.offered_per_s)} requests/s: {', '.join(needs[:3])}{more}."
    if retrying := _busy_with_second_tries(case, result):
        return retrying
    name, stage = max(result.stages.items(), key=lambda item: item[1].rejections)
    if stage.rejections > A_FEW * result.requests["offered"]:
        why = _why_turned_away(one_cell(case).stage(name), stage)
        return f"{label_of(case, name)} turns visits away: {why} ({stage.rejections:,} times)."
    if failing := _failing(case, result):
        return failing
    name, stage = max(result.stages.items(), key=lambda item: item[1].lost)
    if stage.lost > A_FEW * result.requests["offered"]:
        return f"{label_of(case, name)} is cut off: {stage.lost:,} visits never reach it."
    awaited = {name: stage for name, stage in result.stages.items() if name in case.awaited}
    name, stage = max(awaited.items(), key=lambda item: _wait_ms(item[1]))
    label, busy = label_of(case, name), busy_text(stage)
    wait, mean = _wait_ms(stage), result.latency_ms["mean"].value
    if not wait:
        name, stage = max(awaited.items(), key=lambda item: item[1].utilisation or 0.0)
        return f"Next to nobody waits; the busiest stage is {label_of(case, name)}, {busy_text(stage)}."
    if mean is not None and wait < LITTLE * mean:
        return f"Queues add little: the longest mean wait is {milliseconds(wait)} ({label}, {busy})."
    return f"The longest wait is at {label}, {busy}: {milliseconds(wait)} on average."


def _wait_ms(stage: StageResult) -> float:
    """Mean wait: of those who started, or by Little's law of all who came, whichever is longer."""
    by_queue = stage.queue_mean / stage.arrivals_per_s * 1000 if stage.arrivals_per_s else 0.0
    started = stage.wait_mean_ms or 0.0
    # The queue of a window holds some who came before it, so that the two never agree to the last digit.
    return by_queue if by_queue > 2 * started else started


def _why_turned_away(stage: Stage, seen: StageResult) -> str:
    limits = stage.external is not None and stage.external.rate_limit is not None
    if stage.queue.limit is not None and seen.queue_max >= stage.queue.limit:
        return "its queue is full"
    return "they come faster than it admits them" if stage.admission is not None or limits else "no replica is there"


def _staff(case: Case, name: str) -> str:
    return "replicas" if case.stage(name).person is None else "desks"


def _there(stage: StageResult) -> str:
    """'8', or '6.5 on average' where replicas came and went."""
    assert stage.replicas_mean is not None, "a stage that lacks replicas has some"
    return f"{_count(stage.replicas_mean)} on average" if stage.changed else f"{stage.replicas:,}"


def _failing(case: Case, result: SimulationResult) -> str | None:
    """Why requests end without an answer, where more than a few do: by errors or by time-outs, whichever are more."""
    ends, offered = result.requests, result.requests["offered"]
    if max(ends["failed"], ends["timed_out"]) < A_FEW * offered:
        return None
    if ends["failed"] > ends["timed_out"]:
        name, stage = max(result.stages.items(), key=lambda item: item[1].error_share or 0.0)
        text = f"{ends['failed']:,} requests fail"
        if not stage.error_share:
            return f"{text}."
        return f"{text}: {percent(stage.error_share)} of the visits to {label_of(case, name)} end in an error."
    name, stage = max(result.stages.items(), key=lambda item: item[1].time_outs)
    text = f"{ends['timed_out']:,} requests are given up"
    if not stage.time_outs:
        return f"{text}: the client does not wait for longer."
    return f"{text}: {label_of(case, name)} does not answer within its time-out ({stage.time_outs:,} times)."


def _busy_with_second_tries(case: Case, result: SimulationResult) -> str | None:
    """A stage that would do, were it not for retries and hedges."""
    tried = [
        (stage.attempts_per_visit, name)
        for name, stage in result.stages.items()
        if (stage.utilisation or 0.0) >= SATURATED and (stage.attempts_per_visit or 1.0) > SECOND_TRIES
    ]
    if not tried:
        return None
    attempts, name = max(tried)
    return f"{label_of(case, name)} is busy with second tries: {attempts:.3g} attempts a visit on average."


def _count(need: float) -> str:
    return f"{need:,.0f}" if need >= 100 else f"{need:.3g}"


def _lacking(result: SimulationResult) -> dict[str, float]:
    """Stages without the capacity for what is offered, with the replicas that they need."""
    return {
        name: stage.replicas_needed
        for name, stage in result.stages.items()
        if stage.replicas_needed is not None and stage.lacks_replicas
    }


def _rising(result: SimulationResult) -> bool:
    """Whether requests wait for a stage without the capacity; they may go on without one whose queue is longer.

    In a scenario what lacks capacity on average may long have it again; whether it comes back is said of each event.
    """
    if result.scenario is not None:
        return False
    mean = result.latency_ms["mean"].value
    waits = (result.stages[name].wait_mean_ms for name in _lacking(result))
    return any(wait is None or mean is None or wait <= mean for wait in waits)


def load_word(utilisation: float | None) -> str:
    """How busy a stage is, in a word; nothing where it has no capacity."""
    if utilisation is None:
        return ""
    for above, word in ((SATURATED, "saturated"), (0.9, "hot"), (0.7, "busy")):
        if utilisation >= above:
            return word
    return "ok"


def busy_text(stage: StageResult) -> str:
    """'68 % busy', or how many are in service where there is no capacity."""
    if stage.utilisation is None:
        return f"{amount(stage.in_service)} in service"
    return f"{percent(stage.utilisation)} busy"


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
    """Median, p99, the share of requests answered, the outcomes that are judged, and the cost."""
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
        Figure("Answered", shown, _signed(points, lambda p: change_text(p, "%")), points > 0 if points else None)
    )
    figures += [_judged(one, baseline) for one in result.objectives if one.unit is not None]
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


def _judged(objective: ObjectiveResult, baseline: SimulationResult) -> Figure:
    """An outcome that an objective is about."""
    unit, now = str(objective.unit), objective.value
    then = next((one.value for one in baseline.objectives if (one.name, one.unit) == (objective.name, unit)), None)
    label = objective.label or objective.name
    if now is None or then is None:
        return Figure(label, "–" if now is None else outcomes.with_unit(now, unit), "", None)
    better = None if now == then else (now > then) == objective.least
    return Figure(
        label,
        outcomes.with_unit(now, unit),
        _signed(now - then, lambda change: change_text(change, unit)),
        better,
    )


def _signed(change: float | None, text: Callable[[float], str]) -> str:
    """With an ASCII sign: what shows it reads the sign."""
    if not change or abs(change) < 1e-9:
        return ""
    return f"{'-' if change < 0 else '+'}{text(abs(change))}"


def share_answered(result: SimulationResult) -> float:
    """Completed and degraded requests of those offered whose answer somebody waited for."""
    answered = result.requests["completed"] + result.requests["degraded"]
    return answered / result.awaited if result.awaited else 0.0


def figure_rows(result: SimulationResult) -> list[dict[str, str]]:
    """Latencies and availability with their intervals, against the objectives, for a table."""
    objectives = {objective.name: objective for objective in result.objectives}
    rows = []
    for name, interval in result.latency_ms.items():
        objective = objectives.pop(f"latency {name}", None)
        rows.append(
            {
                "Latency": "mean of the answered" if name == "mean" else name + few_mark(result, name),
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


def few_mark(result: SimulationResult, name: str) -> str:
    """The mark of a latency that rests on too few requests."""
    return FEW if name in result.few else ""


def few_legend(result: SimulationResult) -> str:
    """What the mark means; nothing where there is none."""
    return f"{FEW} fewer than ten measured requests of a replication lie beyond it" if result.few else ""


def _bare_interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{milliseconds(interval.low)} to {milliseconds(interval.high)}"


def _met_word(objective: ObjectiveResult) -> str:
    return {True: "met", False: "missed", None: "undecided"}[objective.met]


def stage_rows(case: Case, result: SimulationResult) -> list[dict[str, str]]:
    """Stages over the window, for a table; a column that would be empty for all of them is left out."""
    rows = []
    for name, stage in result.stages.items():
        spec = case.stage(name)
        busy = f"{percent(stage.utilisation)} ({load_word(stage.utilisation)})" if stage.utilisation is not None else ""
        row = {
            "Stage": label_of(case, name),
            "Replicas": "" if stage.replicas_mean is None else f"{_fleet(stage)} x {spec.concurrency}",
            "Busy": busy or busy_text(stage),
            "Arrivals/s": _count(stage.arrivals_per_s),
            "Mean wait": milliseconds(stage.wait_mean_ms),
            "p99 wait": milliseconds(stage.wait_p99_ms),
            "Batch wait": "" if stage.batch_wait_mean_ms is None else milliseconds(stage.batch_wait_mean_ms),
            "Service": milliseconds(stage.service_mean_ms),
            "Queue, mean": amount(stage.queue_mean),
            "Queue, most": f"{stage.queue_max:,}",
            "Hits": "" if stage.hit_ratio is None else percent(stage.hit_ratio),
            "Errors": percent(stage.error_share) if stage.error_share else "",
            "Attempts": f"{stage.attempts_per_visit:.3g}" if stage.retries or stage.hedges else "",
            "Turned away": f"{stage.rejections:,}" if stage.rejections else "",
            "Timed out": f"{stage.time_outs:,}" if stage.time_outs else "",
            "Refused": f"{stage.refusals:,}" if stage.refusals else "",
            "Fallbacks": f"{stage.fallbacks:,}" if stage.fallbacks else "",
            "Left out": f"{stage.left_out:,}" if stage.left_out else "",
            "Lost": f"{stage.lost:,}" if stage.lost else "",
            "Killed": f"{stage.killed:,}" if stage.killed else "",
        }
        rows.append(row)
    return [{column: text for column, text in row.items() if any(other[column] for other in rows)} for row in rows]


def _fleet(stage: StageResult) -> str:
    return _count(stage.replicas_mean) if stage.changed and stage.replicas_mean is not None else f"{stage.replicas:,}"


def class_rows(case: Case, result: SimulationResult) -> list[dict[str, str]]:
    """Classes of requests, for a table."""
    labels = {one.name: one.label or one.name for one in case.workload.classes}
    return [
        {
            "Class": labels.get(name, name),
            "Offered": f"{one.offered:,}",
            "Answered": f"{one.answered / one.awaited * 100:.4g} %" if one.awaited else "–",
            **{
                p: milliseconds(interval.value) + (FEW if p in one.few else "")
                for p, interval in one.latency_ms.items()
            },
        }
        for name, one in result.classes.items()
    ]


def outcome_rows(case: Case, result: SimulationResult) -> list[dict[str, str]]:
    """What the run means in the case's own words, for a table."""
    rows = []
    for one in result.outcomes.values():
        value = one.interval.value
        rows.append(
            {
                "Outcome": one.label,
                "Value": "–" if value is None else outcomes.with_unit(value, one.unit),
                "95 % interval": outcome_interval(one.interval, one.unit) or "–",
            }
        )
    return rows


def outcome_interval(interval: Interval, unit: str) -> str:
    """'12 ms to 13 ms'; nothing where there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f"{outcomes.with_unit(interval.low, unit)} to {outcomes.with_unit(interval.high, unit)}"


def timeline_rows(timeline: Timeline) -> list[dict[str, str]]:
    """How the requests fared in each step, for a table; a column without any is left out.

    Replicas are those there on average, of the stages where they come and go.
    """
    columns = {"Offered": timeline.offered, "In time": timeline.good}
    columns |= {end.name.capitalize().replace("_", " "): timeline.ended[:, end] for end in ENDS}
    rows = []
    for i, end in enumerate(timeline.times.tolist()):
        row = {"Until": milliseconds(end / MILLISECOND)}
        row |= {name: f"{counts[i]:,}" for name, counts in columns.items() if counts.any()}
        row |= {name: milliseconds(values[i]) for name, values in timeline.percentiles.items()}
        rows.append(
            row | {f"{timeline.names[s]} ×": f"{round(timeline.replicas[i, s], 1):,g}" for s in timeline.moving}
        )
    return rows


# -- scenarios --------------------------------------------------------------------------------------------------------


def what_happens(case: Case, result: SimulationResult) -> str:
    """The scenario of the run in words: what it is called and what it does; '' without one."""
    if result.scenario is None:
        return ""
    scenario = scenarios(case).get(result.scenario)
    label = result.scenario if scenario is None or scenario.label is None else scenario.label
    return label if scenario is None or scenario.note is None else f"{label}: {scenario.note}"


def recovery_text(recovery: Recovery) -> str:
    """'ranking loses 3 replicas at 10 s: goodput falls by 38 % for 14 s and is back 4.2 s after it'."""
    lasts, at_once = recovery.until_s is None, recovery.until_s == recovery.at_s
    what = f"{recovery.event} at {_seconds(recovery.at_s)}"
    if recovery.depth is None or recovery.below_s is None:
        return (
            f"{what}: what that does to goodput is unknown; too few requests are measured before the first event, "
            "or between two events"
        )
    if not recovery.below_s:
        return f"{what}: goodput does not fall"
    falls = f"{what}: goodput falls by {percent(recovery.depth)}"
    if recovery.recovers is False:
        return f"{falls} and does not recover within {_seconds(recovery.waited_s)}"
    falls = f"{falls} for {_seconds(recovery.below_s)}"
    value, low, high = recovery.recovery_s
    if value is None:
        return f"{falls}; the next event or the end of the run comes too soon to tell whether it is back"
    after = "its beginning" if lasts else "it" if at_once else "its end"
    back = f"{_seconds(value)} after {after}" if value else "before its end"
    if low is not None and high is not None and low < high:
        back += f" (95 % interval {_seconds(low)} to {_seconds(high)})"
    some = recovery.recovered < recovery.replications
    return f"{falls} and is back {back}" + (
        f" in {recovery.recovered} of {recovery.replications} replications" if some else ""
    )


def containment(case: Case, result: SimulationResult) -> str:
    """How to run what contains the scenario; '' where nothing is known to, or it is in place."""
    scenario = None if result.scenario is None else scenarios(case).get(result.scenario)
    if scenario is None or scenario.contained_by is None:
        return ""
    try:
        if changed(case.tree, scenario.contained_by.changes) == case.tree:
            return ""
    except DesignError:
        pass  # what it takes away has no value
    label = scenario.contained_by.label
    return f"Contained by{f' {label}' if label else ''}: `--design {result.scenario}_contained`"


def _seconds(value: float) -> str:
    return milliseconds(value * 1000)


# -- the whole --------------------------------------------------------------------------------------------------------


def label_of(case: Case, name: str) -> str:
    """What a stage is called on screen."""
    return case.stage(name).label or name


def milliseconds(value: float | None) -> str:
    """A time given in ms with three digits: '38.2 µs', '148 ms', '3.36 s'; a dash where there is none."""
    if value is None:
        return "–"
    for limit, factor, unit in ((0.001, 1e6, "ns"), (1.0, 1e3, "µs"), (1e3, 1.0, "ms")):
        if value < limit * 0.9995:  # 999.6 µs is 1 ms to three digits
            return f"{value * factor:.3g} {unit}" if value >= 1e-6 else "0 ms"
    for limit, unit, seconds in ((7_200.0, "s", 1.0), (172_800.0, "h", 3_600.0)):
        if value < limit * 1e3:
            text = f"{value / 1e3 / seconds:.3g}" if value / seconds < 999_500 else f"{value / 1e3 / seconds:,.0f}"
            return f"{text} {unit}"
    return f"{value / 86_400e3:,.3g} days" if value < 86_400e6 else f"{value / 86_400e3:,.0f} days"


def interval_text(interval: Interval) -> str:
    """' (95 % interval 146 to 150 ms)', or nothing where there is none."""
    bare = _bare_interval(interval)
    return "" if bare == "–" else f" (95 % interval {bare})"


def report(case: Case, result: SimulationResult) -> str:
    """The result for reading in a terminal."""
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in result.requests.items() if n)
    lines = [
        case.title,
        *filter(None, [what_happens(case, result)]),
        str(verdict(case, result)),
        *(recovery_text(one) for one in result.recovery),
        *filter(None, [containment(case, result)]),
        "",
        f"Requests: {counts} ({result.replications} replications, seed {result.seed}{_of_cells(result)})",
    ]
    latencies = [
        f"{n}{few_mark(result, n)} {milliseconds(i.value)}{interval_text(i)}" for n, i in result.latency_ms.items()
    ]
    lines.append("Latency:  " + ", ".join(latencies))
    if legend := few_legend(result):
        lines.append(f"          {legend}")
    if result.quality.value is not None and result.quality.value < 1:
        lines.append(f"Quality of the answers: {result.quality.value:.4g} of 1")
    for objective in result.objectives:
        word = {True: "met", False: "MISSED", None: "undecided"}[objective.met]
        lines.append(f"Objective {word}: {objective_text(objective)}{few_mark(result, objective.name)}")
    if result.cost_usd_per_hour is not None:
        each = result.cost_usd_per_million_requests
        per_million = "" if each is None else f", ${each:,.4g} per million requests"
        lines.append(f"Cost: ${result.cost_usd_per_hour:,.2f}/hour{per_million}")
    lines += ["", *table(stage_rows(case, result))]
    for rows in (class_rows(case, result), outcome_rows(case, result)):
        lines += ["", *table(rows)] if rows else []
    lines += [f"Note: {note}" for note in result.notes]
    return "\n".join(lines)


def _of_cells(result: SimulationResult) -> str:
    return "" if result.cells == 1 else f", one of {result.cells:,} cells"


def table(rows: list[dict[str, str]]) -> list[str]:
    """Columns as wide as they must be; the first flush left."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
