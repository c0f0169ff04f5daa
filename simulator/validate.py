"""`python -m simulator validate`: the accuracy table. Each row that is simulated goes from case file to result.

A row passes when its 99.99 % t interval over replications meets the target +- the slack, *and* its half-width is at
most the slack: an interval that is merely wide proves nothing, and near saturation a point estimate fails by luck.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import click
import numpy as np
from scipy import special

from cases.errors import RunError, not_among
from cases.files import loads
from simulator.control import Progress, replicate, window_of
from simulator.engine import settled
from simulator.plan import Plan, plan
from simulator.summary import summarise
from simulator.validation.experiments import Experiment, Seen, experiment, experiments
from simulator.validation.targets import Target, targets

LEVEL = 0.9999
LONGER = 2  # times the measured requests of a row's quick run, with --full
ROWS_AHEAD = 2  # whose cases are ready while others are run


class Judged(NamedTuple):
    """A row with what came out. Everything is None where nothing was run."""

    target: Target
    value: tuple[float, ...] = ()  # several only where shown
    low: float | None = None
    high: float | None = None
    passed: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract, and what tells rows of one id apart."""
        row, several = self.target, len(self.value) != 1
        return {
            "id": row.id,
            "by": row.by,
            "name": row.name,
            "inputs": row.inputs,
            "output": row.output,
            "target": row.expected if row.number is None else row.number,
            "value": (self.said or None) if several else self.value[0],
            "low": self.low,
            "high": self.high,
            "slack": row.allowed,
            "passed": self.passed,
            "source": row.source,
            "reason": row.reason,
        }

    @property
    def said(self) -> str:
        """The value or values in four digits, as sources print several."""
        return "/".join(f"{value:.4g}" for value in self.value)


def judged(target: Target, values: Sequence[float]) -> Judged:
    """The rule, for the figures of the replications."""
    slack, wanted = target.allowed, target.number
    assert slack is not None
    assert wanted is not None
    mean, half = interval(values)
    passed = half <= slack and abs(mean - wanted) <= slack + half
    return Judged(target, (mean,), mean - half, mean + half, passed)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half-width of the 99.99 % t interval."""
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return mean, float(special.stdtrit(len(values) - 1, 0.5 + LEVEL / 2)) * spread


# -- running ----------------------------------------------------------------------------------------------------------


def validate(rows: Sequence[Target], full: bool = False, progress: Progress = lambda _: None) -> Iterator[Judged]:
    """Judge rows, in order. `progress` is told the share of the rows that is done; it may raise."""
    runs = _Runs(full)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="replication") as pool:
        waiting: deque[tuple[Target, list[Future[tuple[float, ...]]]]] = deque()
        try:
            for done, row in enumerate(rows):
                waiting.append((row, runs.of(row, pool)))
                if len(waiting) > ROWS_AHEAD:
                    yield _joined(*waiting.popleft())
                    progress((done - ROWS_AHEAD + 1) / len(rows))
            while waiting:
                yield _joined(*waiting.popleft())
                progress((len(rows) - len(waiting)) / len(rows))
        finally:
            runs.stop.set()  # when somebody gives up, nobody goes on
            for _, futures in waiting:
                for future in futures:
                    future.cancel()


def _joined(row: Target, futures: Sequence[Future[tuple[float, ...]]]) -> Judged:
    if not futures:
        return Judged(row)
    values = [future.result() for future in futures]
    if row.by == "simulation":
        return judged(row, [value for (value,) in values])
    return Judged(row, tuple(math.fsum(one) / len(one) for one in zip(*values, strict=True)))


def seed_of(row: Target) -> int:
    """Each row has luck of its own, or one deviation would show in many."""
    return zlib.crc32(row.what.encode())


class _Runs:
    """The replications of rows."""

    def __init__(self, full: bool) -> None:
        self._full = full
        self._engine = settled("auto")
        self.stop = threading.Event()

    def of(self, row: Target, pool: ThreadPoolExecutor) -> list[Future[tuple[float, ...]]]:
        """Start them; none where there is nothing to run (now)."""
        if not experiments(row):
            return []
        what = experiment(row)
        if what.full_only and not self._full:
            return []
        requests = what.requests * (LONGER if self._full and not what.full_only else 1)
        seed = seed_of(row)
        plans = [
            plan(
                loads(text, "accuracy.yaml"),
                seed=seed,
                requests=requests,
                replications=what.replications,
                scenario=what.scenario,
            )
            for text in what.cases
        ]
        return [pool.submit(self._figures, what, plans, replication) for replication in range(what.replications)]

    def _figures(self, what: Experiment, plans: Sequence[Plan], replication: int) -> tuple[float, ...]:
        found = what.measure(*(self._seen(one, replication, what.traced) for one in plans))
        return found if isinstance(found, tuple) else (found,)

    def _seen(self, planned: Plan, replication: int, traced: bool) -> Seen:
        measured = window_of(planned, replication, self._engine, self._tick)
        recorder = replicate(
            planned,
            replication,
            self._engine,
            measured,
            lambda _: None,
            self._tick,
            traced=np.arange(measured.last) if traced else None,
        )
        tally = recorder.tally  # before the summary lets the histograms go
        assert tally is not None
        return Seen(summarise(planned, self._engine, [recorder]), tally, measured, recorder.trace)

    def _tick(self) -> None:
        if self.stop.is_set():
            raise RunError("stopped")


# -- printing ---------------------------------------------------------------------------------------------------------

_COLUMNS = ("id", "by", "inputs", "output", "target", "value", "interval", "slack", "passed", "source")
_WIDEST = {"inputs": 34, "output": 28, "source": 40}


def cells(one: Judged) -> tuple[str, ...]:
    """A row as a table shows it."""
    row = one.target
    inputs = row.inputs or row.name
    if one.passed is not None:
        passed = "yes" if one.passed else "NO"
    elif one.value or row.by != "simulation":
        passed = "-"
    else:
        passed = "not run (--full)"
    spread = "" if one.low is None or one.high is None else f"±{_two_digits((one.high - one.low) / 2)}"
    expected = row.expected if row.number is None else f"{row.number:.5g}"
    slack = "" if row.allowed is None else f"±{_two_digits(row.allowed)}"
    value = f"{one.value[0]:.5g}" if len(one.value) == 1 else one.said
    return row.id, row.by, inputs, row.output, expected, value, spread, slack, passed, row.source


def _two_digits(size: float) -> str:
    """Without the last bits of a sum of equal figures."""
    return f"{float(f'{size:.2g}'):g}" if size > 1e-9 else "0"


def table(rows: Sequence[Judged]) -> str:
    """For a terminal."""
    lines = [_COLUMNS, *(cells(one) for one in rows)]
    cut = [[_cut(cell, _WIDEST.get(name, 20)) for name, cell in zip(_COLUMNS, line, strict=True)] for line in lines]
    widths = [max(len(line[i]) for line in cut) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cut
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def markdown(rows: Sequence[Judged]) -> str:
    """For the README: what was simulated, then what stands beside it, then what is not offered."""
    lines = ["| what | inputs | output | target | simulated | slack | passed |", "|---|---|---|---|---|---|---|"]
    for one in rows:
        if one.target.by == "simulation":
            _, _, _, output, expected, value, spread, slack, passed, _ = cells(one)
            shown = (one.target.name, one.target.inputs, output, expected, f"{value} {spread}".strip(), slack, passed)
            lines.append("| " + " | ".join(shown) + " |")
    lines += ["", "| published | inputs | there | ours | |", "|---|---|---|---|---|"]
    for one in rows:
        if one.target.by == "shown":
            row = one.target
            lines.append(f"| {row.name} | {row.inputs} | {row.expected} {row.unit} | {one.said} | {row.reason} |")
    lines += ["", "Not offered:", ""]
    reasons = {one.target.name: one.target.reason for one in rows if one.target.by == "not_offered"}
    lines += [f"- {name}: {reason}." for name, reason in reasons.items()]
    return "\n".join(lines)


def summary(rows: Sequence[Judged]) -> str:
    """How many passed, failed and were not run."""
    kinds = Counter(one.target.by for one in rows)
    results = Counter(one.passed for one in rows if one.target.by == "simulation")
    parts = [f"{results[True]} of {kinds['simulation']} simulated rows pass"]
    if results[False]:
        parts.append(f"{results[False]} fail")
    if results[None]:
        parts.append(f"{results[None]} were not run, which needs --full")
    others = [f"{kinds[by]} {said}" for by, said in _OTHERS.items() if kinds[by]]
    failed = [f"failed: {one.target.what}" for one in rows if one.passed is False]
    return "\n".join([f"{', '.join(parts)}.", *([f"Besides: {', '.join(others)}."] if others else []), *failed])


_OTHERS = {
    "formula": "by formula, which the estimators answer for",
    "shown": "published ones shown beside ours",
    "not_offered": "not offered, for the reasons in targets.csv",
}


# -- the command ------------------------------------------------------------------------------------------------------


@click.command("validate")
@click.option("--full", is_flag=True, help="Also what takes long: utilisation up to 0.99, tight intervals.")
@click.option("--only", multiple=True, metavar="ID", help="Only the rows of this id, for example ERC; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as the README has it.")
def command(full: bool, only: tuple[str, ...], as_json: bool, as_markdown: bool) -> None:
    """Hold the simulator against queueing theory and published results; exit with 3 if a row fails.

    Takes about a minute on two idle cores, with --full about eight.
    """
    rows = chosen(only)
    done = list(validate(rows, full, progress()))
    if as_json:
        click.echo(json.dumps({"rows": [one.as_json() for one in done]}, indent=1, ensure_ascii=False))
    else:
        click.echo(f"{(markdown if as_markdown else table)(done)}\n\n{summary(done)}")
    if any(one.passed is False for one in done):
        sys.exit(3)


def chosen(only: Sequence[str]) -> list[Target]:
    """The rows of these ids; all rows if none is said (RunError)."""
    rows = targets()
    known = list(dict.fromkeys(row.id for row in rows))
    for one in only:
        if one not in known:
            raise RunError(f"--only: {not_among(one, 'a row', known)}")
    return [row for row in rows if not only or row.id in only]


def progress() -> Callable[[float], None]:
    """A line on stderr, where somebody is watching."""

    def tell(done: float) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done:4.0%}" if done < 1.0 else "\r    \r", err=True, nl=False)

    return tell
