"""python -m estimators check "500 B * 800e9" --states "4 PB" [--json], and sheet FILE"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TextIO

import click

from estimators.check import Checked, check
from estimators.claims import ROUNDING, Verdict
from estimators.cli import Commands
from estimators.units import Units

REQUIRE = "Exit with 3 if a number stated is neither supported nor rounded"
LATER = {
    "functions": ("estimators.functions_command", "functions_command"),
    "experiment": ("estimators.experiment_command", "experiment"),
}
"""commands by module and name there: loaded when asked for, so that `check` starts fast"""


class LaterCommands(Commands):
    """Also those of `LATER`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        module, name = LATER[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=LaterCommands, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Arithmetic with units: what a calculation gives, and whether a stated number follows from it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


# A calculation may begin with a minus; it is no option then.
@main.command("check", context_settings={"ignore_unknown_options": True})
@click.argument("calculation")
@click.option("--states", metavar="NUMBER", help="The number that somebody states for it, with its unit.")
@click.option("--rounding", default=ROUNDING, help="Up to which factor a number counts as rounded.", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--require", is_flag=True, help=f"{REQUIRE}.")
def check_command(calculation: str, states: str | None, rounding: float, as_json: bool, require: bool) -> None:
    """Compute CALCULATION and compare the number stated for it.

    \b
    python -m estimators check "500 B * 800e9" --states "4 PB"
    python -m estimators check "50M users * 10 events/user/hour * 500 B = 70 MB/s"
    """
    units = Units()
    checked = check(calculation, states, units, rounding)
    click.echo(json.dumps(checked.as_json(units)) if as_json else readable(checked))
    if require:
        _required([checked.verdict])


def readable(checked: Checked) -> str:
    """The working, what was read into it, and the verdict, a line each."""
    lines = [str(checked.working)]
    if checked.note:
        lines.append(f"note: {checked.note}")
    if checked.verdict:
        lines += [f"stated: {checked.verdict.stated.text}", checked.verdict.sentence]
    return "\n".join(lines)


@main.command("sheet")
@click.argument("file", type=click.File(encoding="utf-8-sig", errors="replace"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the sections of a case file.")
@click.option("--require", is_flag=True, help=f"{REQUIRE}.")
def sheet_command(file: TextIO, as_json: bool, as_yaml: bool, require: bool) -> None:
    """Compute the lines of FILE ('-' is standard input), each with its working, value and verdict.

    \b
    daily_users = 8e6..12e6 user/day       # one quantity or range is an assumption
    visit_rate = daily_users * 4 visit/user in visit/s
    visit_rate * 2 KB states 1 MB/s        # a number that somebody states for it
    """
    from estimators import lines, lines_text

    if as_json and as_yaml:
        raise click.UsageError("--json and --yaml exclude each other")
    typed = lines.read(file.read(lines.MAX_CHARACTERS + 1)).checked()
    if as_json:
        click.echo(json.dumps(lines_text.as_json(typed), indent=1, ensure_ascii=False))
    else:
        click.echo(lines_text.as_yaml(typed) if as_yaml else lines_text.readable(typed), nl=not as_yaml)
    if require:
        _required([answer.verdict for answer in typed.answers])


def _required(verdicts: Iterable[Verdict | None]) -> None:
    """End with 3 if a number stated is far off."""
    if any(one is not None and one.verdict not in ("supported", "rounded") for one in verdicts):
        sys.exit(3)


if __name__ == "__main__":
    main(prog_name="python -m estimators")
