"""What every command line of the project shares: how an error ends."""

from __future__ import annotations

from typing import Any

import click

from estimators.errors import StagecraftError


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
