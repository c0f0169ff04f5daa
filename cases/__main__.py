"""`python -m cases`: list, check, show, sheet, numbers, schema."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import click

from cases import files, fits, number_report, scenarios, what_if
from cases.cli import Commands, case_options
from cases.errors import DesignError, StagecraftError, not_among
from cases.numbers import OLD
from cases.sheets import judged_claims, sheet_json, sheet_text
from cases.spec import Case
from cases.tornado import tornado_json, tornado_text


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
@click.option("--tornado", "of", metavar="ESTIMATE", help="Only what drives one of the estimates.")
def sheet(case: str, design: str | None, sets: tuple[str, ...], as_json: bool, require: bool, of: str | None) -> None:
    """A case's estimates with their workings, its claims with verdicts, and what all of it rests on."""
    opened: Case = files.open_case(case, design, sets)
    if of is not None:
        click.echo(
            json.dumps(tornado_json(opened, of), indent=1, ensure_ascii=False) if as_json else tornado_text(opened, of)
        )
    elif as_json:
        body = sheet_json(opened) | {"assumptions": number_report.assumptions_json(opened, date.today())}
        click.echo(json.dumps(body, indent=1, ensure_ascii=False))
    else:
        rests_on = number_report.assumptions_text(opened, date.today())
        click.echo("\n\n".join(part for part in (sheet_text(opened), rests_on) if part))
    if require and any(v.verdict not in ("supported", "rounded") for _, v in judged_claims(opened)):
        sys.exit(3)


@cli.command()
@click.argument("case", required=False)
@click.option("--design", metavar="NAME", help="Apply one of the case's designs first.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value; repeatable.")
@click.option("--when", metavar="ESTIMATE=VALUE", help="At which factor an estimate is that much, or another estimate.")
@click.option("--group", metavar="NAME", help=f"Of the table only {', '.join(OLD)}.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def numbers(
    case: str | None, design: str | None, sets: tuple[str, ...], when: str | None, group: str | None, as_json: bool
) -> None:
    """The table of numbers to know. With CASE: what if one of the case's numbers is three times off."""
    if case is not None and group is not None:
        raise DesignError("--group is of the table; leave CASE out, or --group")
    if case is None and (design or sets or when):
        raise DesignError("--design, --set and --when are about a case; name one, as in 'numbers CASE'")
    body = _table(group, as_json) if case is None else _what_if(files.open_case(case, design, sets), when, as_json)
    click.echo(body if isinstance(body, str) else json.dumps(body, indent=1, ensure_ascii=False))


def _table(group: str | None, as_json: bool) -> Any:
    if group is not None and group not in OLD:
        raise DesignError(f"--group {not_among(group, 'a group of numbers', OLD)}")
    rows = number_report.chosen(group)
    return (number_report.table_json if as_json else number_report.table_text)(rows, date.today())


def _what_if(case: Case, when: str | None, as_json: bool) -> Any:
    asked = None if when is None else what_if.condition(case, when)
    found = what_if.off(case, when=asked)
    report = number_report.off_json if as_json else number_report.off_text
    return report(case, found, what_if.FACTOR, asked, date.today())


@cli.command()
def schema() -> None:
    """The JSON Schema of case files, for editors."""
    click.echo(files.schema(), nl=False)


if __name__ == "__main__":
    cli(prog_name="python -m cases")
