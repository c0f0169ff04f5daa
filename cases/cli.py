"""What every command line of the project shares: how a case is named, and how an error ends."""

from __future__ import annotations

from typing import Any

import click

from cases.errors import StagecraftError


class Command(click.Command):
    """Says what is wrong on stderr and ends with 1; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StagecraftError as error:
            click.echo(str(error), err=True)
            ctx.exit(1)


class Commands(Command, click.Group):
    """Several of them under one name."""


def case_options(command: Any) -> Any:
    """CASE with --design and --set, as everywhere."""
    sets = click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value; repeatable.")
    design = click.option("--design", metavar="NAME", help="Apply one of the case's designs first.")
    return click.argument("case")(design(sets(command)))
