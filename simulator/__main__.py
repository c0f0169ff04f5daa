"""`python -m simulator`: run, compare, validate."""

from __future__ import annotations

import json
import math
import sys
import time

import click

from cases.build import apply, design_changes
from cases.cli import Commands, case_options
from cases.errors import RunError, shown
from cases.fields import seconds
from cases.files import open_case
from simulator.compare import Comparison
from simulator.plan import MOST_REPLICATIONS, Engine, plan
from simulator.report import report
from simulator.run import simulate, simulate_until
from simulator.validate import command as validate
from simulator.why import why


@click.group(cls=Commands)
def cli() -> None:
    """Runs a case's request path under load."""


cli.add_command(validate)


@cli.command()
@case_options
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--replications", type=int, metavar="R", help="Independent repetitions, for the intervals.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option("--duration", metavar="TIME", help="Measure for this long instead, for example 60s.")
@click.option("--drain", metavar="TIME", help="How long to wait for the last measured requests, for example 30s.")
@click.option("--precision", metavar="SHARE", help="As many replications as it takes, for example 5%.")
@click.option("--engine", type=click.Choice(["auto", "simpy", "compiled"]), default="auto", show_default=True)
@click.option("--why", "explained", is_flag=True, help="Also say why p99 is high, and what 10 % more would change.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--require", is_flag=True, help="Exit with 3 unless every objective is met.")
def run(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    seed: int | None,
    replications: int | None,
    requests: int | None,
    duration: str | None,
    drain: str | None,
    precision: str | None,
    engine: Engine,
    explained: bool,
    as_json: bool,
    require: bool,
) -> None:
    """Simulate a case and judge its objectives.

    With --precision there are as many replications as it takes until the 95 % interval of the percentile that the first
    latency objective names (else p99) is at most that share of its value to either side: from 5 to 1000, or to
    --replications.
    """
    opened = open_case(case, design, sets)
    planned = plan(
        opened,
        seed=seed,
        replications=replications,
        requests=requests,
        duration=None if duration is None else seconds(duration, "--duration"),
        drain=None if drain is None else seconds(drain, "--drain", least=0.0),
    )
    if precision is None:
        result = simulate(planned, engine, _Progress())
    else:
        most = MOST_REPLICATIONS if replications is None else replications
        result = simulate_until(planned, _share(precision, "--precision"), most, engine, _Progress())
    answer = why(planned, result, engine, _Progress()) if explained else None
    if as_json:
        more = {} if answer is None else {"attribution": answer.as_json()}
        click.echo(json.dumps(result.as_json() | more, indent=1, ensure_ascii=False))
    else:
        click.echo(report(opened, result))
        if answer is not None:
            click.echo(f"\n{answer.report(opened)}")
    if require and any(objective.met is not True for objective in result.objectives):
        sys.exit(3)


@cli.command()
@click.argument("case")
@click.option("--a", "first", required=True, metavar="NAME", help="A design; 'baseline' is the case as written.")
@click.option("--b", "second", required=True, metavar="NAME", help="The design to compare with it.")
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck, the same for both.")
@click.option("--replications", type=int, metavar="R", help="Independent repetitions, for the intervals.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option("--engine", type=click.Choice(["auto", "simpy", "compiled"]), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    case: str,
    first: str,
    second: str,
    seed: int | None,
    replications: int | None,
    requests: int | None,
    engine: Engine,
    as_json: bool,
) -> None:
    """Two designs on the same luck: differences with paired intervals."""
    opened = open_case(case)
    results = []
    for name in (first, second):
        design = apply(opened, design_changes(opened, name))
        planned = plan(design, seed=seed, replications=replications, requests=requests)
        results.append(simulate(planned, engine, _Progress()))
    comparison = Comparison.of(first, second, *results)
    click.echo(json.dumps(comparison.as_json(), indent=1, ensure_ascii=False) if as_json else comparison.report())


def _share(text: str, option: str) -> float:
    """A share as an option gives it, '5%' or 0.05 (RunError)."""
    number, percent, after = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if after or not 0 < share <= 1:
        raise RunError(f"{option}: {shown(text)} is not a share above 0 % and up to 100 %; write for example '5%'")
    return share


class _Progress:
    """A line on stderr for runs that take a while, where somebody is watching."""

    def __init__(self) -> None:
        self._shown = time.monotonic() + 1.0

    def __call__(self, done: float) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and (now > self._shown or done >= 1.0):
            self._shown = now + 0.2
            click.echo(f"\r{done:4.0%}" if done < 1.0 else "\r    \r", err=True, nl=False)


if __name__ == "__main__":
    cli(prog_name="python -m simulator")
