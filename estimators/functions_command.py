"""python -m estimators functions [NAME] [--json]: the reference of what a formula may call."""

from __future__ import annotations

import difflib
import json
import sys

import click

from estimators.blocks import FUNCTIONS, SECTIONS
from estimators.check import check
from estimators.errors import shown
from estimators.functions import Function


@click.command("functions")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def functions_command(name: str | None, as_json: bool) -> None:
    """What a formula may call; with a NAME, all about one: how to call it, what it stands for, source and example."""
    if name is not None and name not in FUNCTIONS:
        close = difflib.get_close_matches(name[:40], FUNCTIONS, n=1)
        remedy = f"did you mean '{close[0]}'?" if close else "'python -m estimators functions' lists them"
        click.echo(f"{shown(name)} is not a function; {remedy}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps([as_entry(one) for one in FUNCTIONS if name in (None, one)], ensure_ascii=False))
    elif name is not None:
        click.echo(one_in_full(FUNCTIONS[name]))
    else:
        click.echo(all_in_short())


def as_entry(name: str) -> dict[str, str]:
    """One function as JSON has it."""
    function = FUNCTIONS[name]
    return {
        "name": name,
        "section": next(section for section, names in SECTIONS.items() if name in names),
        "signature": function.signature,
        "about": function.about,
        "stands_for": function.stands_for,
        "unit": function.unit,
        "source": function.source,
        "example": function.example,
        "value": check(function.example).working.value_text,
    }


def one_in_full(function: Function) -> str:
    """Signature, what it stands for, about, source and the worked example, a line each."""
    stands_for = f" = {function.stands_for}" if function.stands_for else ""
    lines = [function.signature + stands_for, function.about]
    lines += [f"gives: {function.unit}"] if function.unit else []
    lines += [f"source: {function.source}", f"example: {check(function.example).working}"]
    return "\n".join(lines)


def all_in_short() -> str:
    """Signatures and what they are about, by section."""
    sections = []
    for section, names in SECTIONS.items():
        rows = [f"  {FUNCTIONS[name].signature}\n      {FUNCTIONS[name].about}" for name in names]
        sections.append("\n".join([section, *rows]))
    return "\n\n".join(sections)
