"""`python -m benchmarks`: all of them in turn, each in a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import click

OPTIONS: dict[str, tuple[list[str], list[str]]] = {  # as a rule, and with --full
    "pipeline": ([], []),
    "behaviours": ([], []),
    "growth": ([], ["--full"]),
    "cores": ([], []),
    "slider": ([], []),
    "playing": ([], []),
    "sessions": ([], []),
    "full_scale": (["--fleets", "100", "--requests", "1000000"], []),
}


@click.command()
@click.option("--only", type=click.Choice(list(OPTIONS)), multiple=True, help="This one; may be given several times.")
@click.option("--full", is_flag=True, help="A hundred million requests, the whole fleet: many minutes and 4 GB more.")
def main(only: tuple[str, ...], full: bool) -> None:
    """Measure, side by side; exits with 1 if anything falls below its floor."""
    click.echo(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    failed = []
    for name in only or OPTIONS:
        click.echo(f"== {name} ==\n")
        started = time.monotonic()
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *OPTIONS[name][full]], check=False).returncode:
            failed.append(name)
        click.echo(f"({name}: {time.monotonic() - started:.0f} s)\n")
    click.echo(f"NOT kept: {', '.join(failed)}" if failed else "All floors are kept.")
    sys.exit(bool(failed))


def _processor() -> str:
    """What the machine calls it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
