"""`python -m simulator arrivals`: the requests of a run as a CSV that can be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from cases.cli import case_options
from cases.errors import RunError
from cases.fields import seconds
from cases.files import open_case
from cases.replay import MOST_ROWS
from simulator.plan import Plan, plan, window
from simulator.sessions import Sessions
from simulator.visits import Luck
from simulator.workload import Arrivals, ArrivalStream, Closed


@click.command("arrivals")
@case_options
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of the run.")
@click.option("--duration", metavar="TIME", help="Measure for this long instead, for example 60s.")
@click.option("--drain", metavar="TIME", help="How long the run may wait for the last measured ones, for example 30s.")
@click.option("-o", "output", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def command(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    requests: int | None,
    duration: str | None,
    drain: str | None,
    output: Path,
) -> None:
    """Write what arrives in the first replication of a run: when, of which class, with how many items.

    The file stands for it: '{kind: replay, file: FILE}' as the case's workload, run with the same options and
    --replications 1, gives the same result. It holds the warm-up, too, and what may arrive until the last measured
    request has ended.
    """
    planned = plan(
        open_case(case, design, sets),
        seed=seed,
        requests=requests,
        duration=None if duration is None else seconds(duration, "--duration"),
        drain=None if drain is None else seconds(drain, "--drain", least=0.0),
    )
    lines = list(recorded(planned))
    try:
        output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{output} cannot be written: {error.strerror}") from None
    click.echo(f"{output}: {len(lines) - 1:,} requests")


def recorded(plan: Plan) -> Iterator[str]:
    """The lines of the file (RunError where the requests do not come by themselves, or are too many)."""
    if isinstance(plan.load, Closed | Sessions):
        raise RunError("a recording holds requests that have nothing to do with each other, and these do; run the case")
    end = window(plan.load, plan.run, 0).end + plan.run.drain
    stream = ArrivalStream(plan.load, plan.run.seed, 0)
    yield "time_ns,class,items"
    written = 0
    while True:
        chunk = stream.chunk()
        come = int(np.searchsorted(chunk.times, end))
        written += come
        if written > MOST_ROWS:
            raise RunError(f"more than {MOST_ROWS:,} requests until the run ends; measure fewer, or shorten --drain")
        yield from _rows(plan, chunk, come)
        if come < len(chunk.times):
            return


def _rows(plan: Plan, chunk: Arrivals, many: int) -> Iterator[str]:
    """The first of a chunk, with classes and items as they are drawn."""
    luck = Luck(plan.network.machine, chunk.keys[:many], chunk.kinds[:many], chunk.items[:many])
    brings = [one.items is not None for one in plan.case.workload.classes] or [False]
    names = [one.name for one in plan.case.workload.classes] or [""]
    for time, kind, items in zip(chunk.times[:many].tolist(), luck.kinds, luck.items, strict=True):
        yield f"{time},{names[kind]},{items if brings[kind] else ''}"
