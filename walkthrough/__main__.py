"""`python -m walkthrough CASE [--step N] [--json]`: a case's story, told; with `-o` as one HTML file.

`--reconcile`: what three witnesses say.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from cases.cli import Command, case_options
from cases.errors import DesignError, not_among, shown
from cases.files import open_case
from cases.spec import Case
from cases.story_spec import SECTIONS, Step
from simulator.engine import choose_plane
from simulator.plan import Engine
from simulator.progress import ProgressLine
from walkthrough.export import check_place, export, write
from walkthrough.reconcile import Reconciliation, reconcile
from walkthrough.story import PlannedStep, Story, steps, story


@click.command(cls=Command)
@case_options
@click.option("--step", "chosen", metavar="N|SECTION", help="Only this step, or this section's.")
@click.option(
    "--reconcile", "reconciled", is_flag=True, help="In place of the story: arithmetic, theory and simulation."
)
@click.option(
    "--stage", "stages", multiple=True, metavar="NAME", help="Simulate only this stage's replicas; repeatable."
)
@click.option("--seed", type=click.IntRange(0, 2**53), help="Luck; the same seed gives the same bytes.")
@click.option("--requests", type=int, metavar="N", help="Measured requests of a replication, with --reconcile.")
@click.option(
    "--engine", type=click.Choice(["auto", "simpy", "compiled"]), default="auto", show_default=True, help="As of a run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-o", "output", metavar="FILE.html", type=click.Path(path_type=Path), help="Write all of it to one file.")
@click.option("--dated", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="A day to print in that file.")
def cli(
    case: str,
    design: str | None,
    sets: tuple[str, ...],
    chosen: str | None,
    reconciled: bool,
    stages: tuple[str, ...],
    seed: int | None,
    requests: int | None,
    engine: Engine,
    as_json: bool,
    output: Path | None,
    dated: datetime | None,
) -> None:
    """The story of a case, with numbers from its runs.

    With --reconcile three witnesses on a case: the replicas of each stage by arithmetic, by queueing theory and by
    simulation.

    With -o one HTML file that asks for nothing: the story, results, sheet, sources, and the case itself; --reconcile
    then lets the simulation search for the replicas, too, which takes long. The same options give the same bytes.
    """
    if output is not None:
        _refuse_with_file(chosen, requests, as_json)
        check_place(output)
    elif dated is not None:
        raise DesignError("--dated goes with -o; add that, or leave it out")
    if reconciled and chosen is not None:
        raise DesignError("--step is of the story; leave it out, or --reconcile")
    if not reconciled and (stages or requests is not None):
        raise DesignError(f"--{'stage' if stages else 'requests'} goes with --reconcile; add that, or leave it out")
    opened = open_case(case, design, sets)
    if output is not None:
        asked, day = (stages or None) if reconciled else (), "" if dated is None else f"{dated:%Y-%m-%d}"
        choose_plane(engine)
        with ProgressLine() as progress:
            text = export(opened, seed=seed, engine=engine, asked=asked, dated=day, progress=progress)
        write(output, text)
        click.echo(f"{output}: {len(text.encode()) / 1e3:,.0f} kB")
        return
    wanted = () if reconciled else _chosen(opened, chosen)
    choose_plane(engine)
    found: Reconciliation | Story
    with ProgressLine() as progress:
        if reconciled:
            found = reconcile(opened, stages or None, seed=seed, requests=requests, engine=engine, progress=progress)
        else:
            found = story(opened, progress, seed, engine, wanted)
    click.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False) if as_json else found.report())


def _refuse_with_file(chosen: str | None, requests: int | None, as_json: bool) -> None:
    """What says how to print, or how long a run is (DesignError): a file is of all of it, as the case has it."""
    given = {"--step": chosen is not None, "--requests": requests is not None, "--json": as_json}
    for option in (name for name, there in given.items() if there):
        raise DesignError(f"{option} does not go with -o, which writes all of the story; leave one of them out")


def _chosen(case: Case, given: str | None) -> tuple[PlannedStep, ...]:
    """The steps to be told (DesignError)."""
    every = steps(case)
    if not every:
        raise DesignError(f"{case.id} has no story yet; add 'walkthrough', a list of steps: - {Step.EXAMPLE}")
    if given is None:
        return every
    if given.isdecimal():
        if not 1 <= int(given[:9]) <= len(every):
            raise DesignError(f"--step {given[:20]}: there are steps 1 to {len(every)}")
        return (every[int(given) - 1],)
    found = tuple(step for step in every if step.section == given)
    if not found:
        told = list(dict.fromkeys(step.section for step in every))
        what = f"{shown(given)} is a section that this story leaves out" if given in SECTIONS else ""
        raise DesignError(f"--step: {what or not_among(given, 'a section of this story', told)}")
    return found


if __name__ == "__main__":
    cli(prog_name="python -m walkthrough")
