"""What every command line of the project shares: how a case is named, and how an error ends."""

from __future__ import annotations

from typing import Any

import click

from estimators.cli import Command, Commands

__all__ = ["Command", "Commands", "case_options"]


def case_options(command: Any) -> Any:
    """CASE with --design and --set, as everywhere."""
    sets = click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value; repeatable.")
    design = click.option("--design", metavar="NAME", help="Apply one of the case's designs first.")
    return click.argument("case")(design(sets(command)))
