"""`python -m simulator`: run, compare, search, arrivals, validate."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import click

from cases.build import apply, design_changes
from cases.cli import Commands, case_options
from cases.errors import RunError, shown
from cases.fields import seconds
from cases.files import open_case
from cases.spec import Case
from simulator.arrivals import command as arrivals
from simulator.compare import Comparison
from simulator.engine import choose_plane
from simulator.plan import MOST_REPLICATIONS, Engine, Plan, plan
from simulator.progress import ProgressLine
from simulator.report import report, table, timeline_rows
from simulator.results import SimulationResult
from simulator.run import simulate, simulate_until
from simulator.search_command import command as search
from simulator.validate import command as validate
from simulator.why import why
from simulator.workload import nanoseconds
from simulator.zone_loss import each_zone_down

engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "simpy", "compiled"]),
    default="auto",
    show_default=True,
    help="Both give the same bytes. auto: compiled, or simpy while the compiler still works, once a machine.",
)


@click.group(cls=Commands)
def cli() -> None:
    """Runs a case's request path under load."""


cli.add_command(validate)
cli.add_command(search)
cli.add_command(arrivals)


@cli.command()
@case_options
@click.option("--scenario", metavar="NAME", help="What happens meanwhile: one of the case's scenarios.")
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--replications", type=int, metavar="R", help="Independent repetitions, for the intervals.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option("--duration", metavar="TIME", help="Measure for this long instead, for example 60s.")
@click.option("--drain", metavar="TIME", help="How long to wait for the last measured requests, for example 30s.")
@click.option("--precision", metavar="SHARE", help="As many replications as it takes, for example 5%.")
@engine_option
@click.option("--timeline", metavar="TIME", help="Also the first replication over time, in such steps, for example 1s.")
@click.option("--each-zone-down", "zone_by_zone", is_flag=True, help="As it stands, and with each zone lost in turn.")
@click.option("--why", "explained", is_flag=True, help="Also say why p99 is high, and what 10 % more would change.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--require", is_flag=True, help="Exit with 3 unless every objective is met.")
def run(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    scenario: str | None,
    seed: int | None,
    replications: int | None,
    requests: int | None,
    duration: str | None,
    drain: str | None,
    precision: str | None,
    engine: Engine,
    timeline: str | None,
    zone_by_zone: bool,
    explained: bool,
    as_json: bool,
    require: bool,
) -> None:
    """Simulate a case and judge its objectives.

    With --precision there are as many replications as it takes until the 95 % interval of the percentile that the first
    latency objective names (else p99) is at most that share of its value to either side: from 5 to 1000, or to
    --replications.

    A --scenario lets things happen while the requests come, and says after each whether the system comes back.
    """
    opened = open_case(case, design, sets)
    step = None if timeline is None else nanoseconds(seconds(timeline, "--timeline"))

    def planned(case: Case, scenario: str | None) -> Plan:
        return plan(
            case,
            scenario=scenario,
            seed=seed,
            replications=replications,
            requests=requests,
            duration=None if duration is None else seconds(duration, "--duration"),
            drain=None if drain is None else seconds(drain, "--drain", least=0.0),
        )

    def simulated(planned: Plan) -> SimulationResult:
        most = MOST_REPLICATIONS if replications is None else replications
        choose_plane(engine)  # says what there is to say, and waits if one has to, before the clock runs
        with ProgressLine(planned if precision is None else None) as progress:
            if precision is None:
                found = simulate(planned, engine, progress, timeline=step)
            else:
                found = simulate_until(planned, _share(precision, "--precision"), most, engine, progress, timeline=step)
        progress.over(planned, found)
        return found

    if zone_by_zone:
        if scenario is not None or timeline is not None or explained:
            raise RunError("--each-zone-down makes its own runs; leave out --scenario, --timeline and --why")
        runs = each_zone_down(opened, lambda case, scenario: simulated(planned(case, scenario)))
        results = [one.result for one in runs]
        text = "\n".join([opened.title, *table([one.row() for one in runs])])
        click.echo(_json([one.as_json() for one in runs]) if as_json else text)
    else:
        chosen = planned(opened, scenario)
        result = simulated(chosen)
        results = [result]
        with ProgressLine() as progress:
            answer = why(chosen, result, engine, progress) if explained else None
        series = None if step is None else result.timeline
        if as_json:
            more = {} if series is None else {"timeline": series.as_json()}
            more |= {} if answer is None else {"attribution": answer.as_json()}
            click.echo(_json(result.as_json() | more))
        else:
            parts = [report(opened, result)]
            parts += [] if series is None else ["", *table(timeline_rows(series))]
            parts += [] if answer is None else ["", answer.report(opened)]
            click.echo("\n".join(parts))
    if require and any(objective.met is not True for one in results for objective in one.objectives):
        sys.exit(3)


@cli.command()
@click.argument("case")
@click.option("--a", "first", required=True, metavar="NAME", help="A design; 'baseline' is the case as written.")
@click.option("--b", "second", required=True, metavar="NAME", help="The design to compare with it.")
@click.option("--scenario", metavar="NAME", help="What happens meanwhile, to both.")
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck, the same for both.")
@click.option("--replications", type=int, metavar="R", help="Independent repetitions, for the intervals.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option("--confidence", default="95%", show_default=True, metavar="SHARE", help="Of the intervals; below 100%.")
@engine_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    case: str,
    first: str,
    second: str,
    scenario: str | None,
    seed: int | None,
    replications: int | None,
    requests: int | None,
    confidence: str,
    engine: Engine,
    as_json: bool,
) -> None:
    """Two designs on the same luck: differences with paired intervals."""
    opened, sure = open_case(case), _share(confidence, "--confidence", below=1.0)
    one, other = (apply(opened, design_changes(opened, name)) for name in (first, second))
    planned = plan(one, scenario=scenario, seed=seed, replications=replications, requests=requests)
    results = []
    for each in (planned, planned.redesigned(other)):
        with ProgressLine(each) as progress:
            results.append(simulate(each, engine, progress))
        progress.over(each, results[-1])
    comparison = Comparison.of(first, second, results[0], results[1], sure)
    click.echo(_json(comparison.as_json()) if as_json else comparison.report())


def _json(shown: Any) -> str:
    return json.dumps(shown, indent=1, ensure_ascii=False)


def _share(text: str, option: str, below: float = math.inf) -> float:
    """A share as an option gives it, '5%' or 0.05 (RunError)."""
    number, percent, after = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if after or not 0 < share <= 1 or share >= below:
        most = "up to" if below > 1 else "below"
        raise RunError(f"{option}: {shown(text)} is not a share above 0 % and {most} 100 %; write for example '5%'")
    return share


if __name__ == "__main__":
    cli(prog_name="python -m simulator")
