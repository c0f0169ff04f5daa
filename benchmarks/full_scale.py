"""The YouTube case at the guide's 10 million requests a second: the whole fleet, and one of its cells beside it.

`python -m benchmarks.full_scale`. The fleet is simulated in full, every request and every replica, and then as
independent cells, of which one is. In turn, each repetition with its own seed, so that the difference has an interval.
It takes minutes and some gigabytes; `--fleets 100` is the same at 100 times the guide's own page loads.
"""

from __future__ import annotations

import math
import resource
import statistics
import sys

import click

from benchmarks.measure import Measured, NotShownError, Spread, say, timed
from cases.build import apply
from cases.files import open_case
from cases.spec import Case
from simulator import control
from simulator.compare import Difference
from simulator.plan import plan
from simulator.progress import ProgressLine
from simulator.report import milliseconds, table
from simulator.results import Interval
from simulator.run import simulate
from simulator.workload import SECOND

CASE = "youtube_recommendations"
DESIGN = "articles_cells"  # 'cells' times as large as the case as written
FIGURES = ("mean", "p50", "p95", "p99", "p999")
WARM_UP = 1_000  # requests of a run that does not count, for what is loaded once
GIGABYTE = 1e9
KILOBYTES = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss

Run = tuple[Measured, float]  # and how many simulated seconds went by in a second on the wall


def cells_of(fleets: int) -> Case:
    """So many times the case as written, in so many cells."""
    written, whole = open_case(CASE), open_case(CASE, DESIGN)
    changes = {f"stages.{s.name}.replicas": str(written.stage(s.name).replicas * fleets) for s in whole.stages}
    rate = (whole.workload.rate or 0.0) / whole.cells * fleets
    return apply(whole, changes | {"workload.rate": f"{rate!r} loads/s", "cells": str(fleets)})


def measure(case: Case, seed: int, requests: int) -> Run:
    """One replication."""
    planned = plan(case, seed=seed, requests=requests, replications=1)
    end, until = planned.until_windows_close()

    def run() -> dict[str, float]:
        with ProgressLine(planned) as progress:
            result = simulate(planned, "compiled", progress)
        found = {name: result.latency_ms[name].value for name in FIGURES}
        if None in found.values():
            raise NotShownError(f"too few requests were answered to compare; measure more ({'; '.join(result.notes)})")
        return {name: value for name, value in found.items() if value is not None}

    measured = timed(round(until), run)
    return measured, end / SECOND / measured.wall


def row(name: str, runs: list[Run], memory: float) -> dict[str, str]:
    """Of the table."""
    measured = [one for one, _ in runs]
    return {
        "": name,
        "requests": f"{measured[0].requests:,}",
        "on the wall": milliseconds(statistics.median(one.wall for one in measured) * 1000),
        "requests per second of a core": Spread.of([one.speed for one in measured]).text(",.0f"),
        "of real time": Spread.of([factor for _, factor in runs]).text(".3g"),
        "memory at most": f"{memory / GIGABYTE:.2f} GB",
    } | {name: milliseconds(_mean(runs, name)) for name in FIGURES}


def memory() -> float:
    """The most that this process has had so far, in bytes."""
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTES)


@click.command()
@click.option("--fleets", type=click.IntRange(2, 3456), default=3456, show_default=True, help="Times the case.")
@click.option("--requests", type=click.IntRange(1000), default=3_000_000, show_default=True, help="Measured by each.")
@click.option("--repetitions", type=click.IntRange(2), default=3, show_default=True)
def main(fleets: int, requests: int, repetitions: int) -> None:
    """Print what both take and find, and the difference."""
    control.WALL_SECONDS = math.inf  # type: ignore[attr-defined]  # whoever starts this waits
    cells = cells_of(fleets)
    whole = apply(cells, {"cells": "1"})
    measure(cells, 0, WARM_UP)
    # The cells first: what they need is seen before the fleet needs more.
    in_cells = [measure(cells, seed, requests) for seed in range(1, repetitions + 1)]
    small = memory()
    in_full = [measure(whole, seed, requests) for seed in range(1, repetitions + 1)]
    replicas = sum(stage.replicas for stage in whole.stages)
    say([f"{whole.workload.rate:,.0f} requests/s, {replicas:,} replicas in {len(whole.stages)} stages"])
    say(table([row("the fleet in full", in_full, memory()), row(f"one of {fleets:,} cells", in_cells, small)]))
    click.echo("What comes while the last answers are awaited is simulated, too, and not counted.")
    for name in FIGURES:
        pairs = zip(in_full, in_cells, strict=True)
        gaps = [cell.found[name] - full.found[name] for (full, _), (cell, _) in pairs]
        gap = Interval.of(gaps, least=-math.inf)
        click.echo(Difference(name, _mean(in_full, name), _mean(in_cells, name), gap).sentence("one of the cells"))


def _mean(runs: list[Run], name: str) -> float:
    return statistics.mean(measured.found[name] for measured, _ in runs)


if __name__ == "__main__":
    try:
        main()
    except NotShownError as error:
        sys.exit(str(error))
