"""`python -m cases`: list, check, show, sheet, schema."""

from __future__ import annotations

import json
import sys

import click

from cases import files, fits, scenarios
from cases.cli import Commands, case_options
from cases.errors import StagecraftError
from cases.sheets import judged_claims, sheet_json, sheet_text
from cases.spec import Case


@click.group(cls=Commands)
def cli() -> None:
    """Case studies: inert data with sources, checked."""


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """The cases that come with the project."""
    cases = [files.load(path) for path in files.catalog().values()]
    if as_json:
        rows = [{"id": c.id, "title": c.title, "question": c.question, "topics": c.topics} for c in cases]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for case in cases:
        click.echo(f"{case.id}\n  {case.title}: {' '.join(case.question.split())}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@cli.command()
@click.argument("cases", nargs=-1, required=True)
def check(cases: tuple[str, ...]) -> None:
    """Check case files (or ids): every problem of each, with file and line; else how near its fits come."""
    wrong = []
    for reference in cases:
        try:
            case = files.open_case(reference)
            counts = f"{_count(len(case.stages), 'stage')}, {_count(len(case.estimates), 'estimate')}"
            counts += f", {_count(len(case.scenarios), 'scenario')}" if case.scenarios else ""
            click.echo(f"{reference}: fine ({counts})")
            for line in fits.described(case):
                click.echo(f"  {line}")
        except StagecraftError as error:
            wrong.append(str(error))
    if wrong:
        click.echo("\n".join(wrong), err=True)
        sys.exit(1)


@cli.command()
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(case: str, design: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """A case as in its file, with its design and changes applied, and the scenarios that match it."""
    tree = scenarios.merged(files.open_case(case, design, sets))
    if as_json:
        click.echo(json.dumps(files.as_json(tree), indent=1, ensure_ascii=False))
    else:
        click.echo(files.as_yaml(tree), nl=False)


@cli.command()
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--require", is_flag=True, help="Exit with 3 if a claim is neither supported nor rounded.")
def sheet(case: str, design: str | None, sets: tuple[str, ...], as_json: bool, require: bool) -> None:
    """A case's estimates with their workings, and its claims with verdicts."""
    opened: Case = files.open_case(case, design, sets)
    if as_json:
        click.echo(json.dumps(sheet_json(opened), indent=1, ensure_ascii=False))
    else:
        click.echo(sheet_text(opened))
    if require and any(v.verdict not in ("supported", "rounded") for _, v in judged_claims(opened)):
        sys.exit(3)


@cli.command()
def schema() -> None:
    """The JSON Schema of case files, for editors."""
    click.echo(files.schema(), nl=False)


if __name__ == "__main__":
    cli(prog_name="python -m cases")
