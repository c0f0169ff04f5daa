"""`python -m simulator search`: how many do I need?"""

from __future__ import annotations

import json
import sys

import click

from cases.cli import case_options
from cases.errors import DesignError, shown
from cases.files import open_case
from simulator.engine import choose_plane
from simulator.plan import Engine
from simulator.progress import ProgressLine
from simulator.search import MOST, fewest
from simulator.search_report import report


@click.command("search")
@case_options
@click.option("--vary", required=True, metavar="PATH=LOW..HIGH", help="For example stages.ranking.replicas=1..200.")
@click.option("--scenario", metavar="NAME", help="What happens meanwhile: one of the case's scenarios.")
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--replications", type=int, default=MOST, show_default=True, metavar="R", help="Of a value, at most.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "simpy", "compiled"]),
    default="auto",
    show_default=True,
    help="Both give the same bytes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--require", is_flag=True, help="Exit with 3 unless a value meets all objectives.")
def command(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    vary: str,
    scenario: str | None,
    seed: int | None,
    replications: int,
    requests: int | None,
    engine: Engine,
    as_json: bool,
    require: bool,
) -> None:
    """Find the least value of a path that meets all objectives; where less is better (a load), the most.

    Whole numbers are searched one by one, quantities to 1 %. A value is run until the 95 % intervals have left the
    targets; one that does not get there within --replications is too close to call. The answer is checked with another
    seed.
    """
    opened = open_case(case, design, sets)
    path, low, high = _varied(vary)
    choose_plane(engine)  # says what there is to say, and waits if one has to, before the clock runs
    with ProgressLine() as progress:
        found = fewest(
            opened,
            path,
            low,
            high,
            scenario=scenario,
            seed=seed,
            requests=requests,
            most=replications,
            engine=engine,
            progress=progress,
        )
    click.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False) if as_json else report(opened, found))
    if require and found.verdict not in ("found", "all_meet"):
        sys.exit(3)


def _varied(text: str) -> tuple[str, str, str]:
    """Path and ends of PATH=LOW..HIGH (DesignError)."""
    path, equals, ends = text.partition("=")
    low, dots, high = ends.partition("..")
    if not (path.strip() and equals and low.strip() and dots and high.strip()):
        raise DesignError(
            f"--vary {shown(text)} is not PATH=LOW..HIGH; write for example stages.ranking.replicas=1..200"
        )
    return path.strip(), low.strip(), high.strip()
