"""python -m estimators check "500 B * 800e9" --states "4 PB" [--json]"""

from __future__ import annotations

import json
import sys

import click

from estimators.check import Checked, check
from estimators.errors import FormulaError
from estimators.units import Units


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Arithmetic with units: what a calculation gives, and whether a stated number follows from it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


# A calculation may begin with a minus; it is no option then.
@main.command("check", context_settings={"ignore_unknown_options": True})
@click.argument("calculation")
@click.option("--states", metavar="NUMBER", help="The number that somebody states for it, with its unit.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_command(calculation: str, states: str | None, as_json: bool) -> None:
    """Compute CALCULATION and compare the number stated for it.

    \b
    python -m estimators check "500 B * 800e9" --states "4 PB"
    python -m estimators check "50M users * 10 events/user/hour * 500 B" --states "70 MB/s"
    """
    units = Units()
    try:
        checked = check(calculation, states, units)
        answer = json.dumps(checked.as_json(units)) if as_json else readable(checked)
    except FormulaError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(answer)


def readable(checked: Checked) -> str:
    """The working, what was read into it, and the verdict, a line each."""
    lines = [str(checked.working)]
    if checked.note:
        lines.append(f"note: {checked.note}")
    if checked.verdict:
        lines += [f"stated: {checked.verdict.stated.text}", checked.verdict.sentence]
    return "\n".join(lines)


if __name__ == "__main__":
    main(prog_name="python -m estimators")
