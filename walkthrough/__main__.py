"""`python -m walkthrough CASE --reconcile [--json]`: what three witnesses say of a case."""

from __future__ import annotations

import json

import click

from cases.cli import Command, case_options
from cases.files import open_case
from simulator.engine import choose_plane
from simulator.plan import Engine
from simulator.progress import ProgressLine
from walkthrough.reconcile import reconcile


@click.command(cls=Command)
@case_options
@click.option(
    "--reconcile", "reconciled", is_flag=True, required=True, help="Arithmetic, theory and simulation side by side."
)
@click.option(
    "--stage", "stages", multiple=True, metavar="NAME", help="Simulate only this stage's replicas; repeatable."
)
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication.")
@click.option(
    "--engine", type=click.Choice(["auto", "simpy", "compiled"]), default="auto", show_default=True, help="As of a run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cli(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    reconciled: bool,
    stages: tuple[str, ...],
    seed: int | None,
    requests: int | None,
    engine: Engine,
    as_json: bool,
) -> None:
    """Three witnesses on a case: the replicas of each stage by arithmetic, by queueing theory and by simulation."""
    opened = open_case(case, design, sets)
    choose_plane(engine)
    with ProgressLine() as progress:
        found = reconcile(opened, stages or None, seed=seed, requests=requests, engine=engine, progress=progress)
    click.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False) if as_json else found.report())


if __name__ == "__main__":
    cli(prog_name="python -m walkthrough")
