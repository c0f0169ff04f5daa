"""The README tells the truth: its files exist, its commands run, its case is a case."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases.__main__ import cli as cases
from cases.files import loads
from estimators.__main__ import main as estimators
from simulator.__main__ import cli as simulator
from simulator.plan import plan
from simulator.run import simulate
from walkthrough.__main__ import cli as walkthrough

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = README.partition("## A case in 15 minutes")[2].partition("\n## ")[0]  # `test_first_case` follows it
COMMANDS = re.findall(r"^\$ (.+)$", README.replace(GUIDE, ""), flags=re.MULTILINE)


def test_the_files_of_the_reading_order_exist() -> None:
    order = README.partition("## Reading order")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/.]+\.(?:py|yaml))`", order)
    assert len(named) >= 15
    for name in named:
        assert (ROOT / name).is_file(), name


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"^[A-Z]+$", README, flags=re.MULTILINE)


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for name in pictures:
        assert (ROOT / name).stat().st_size > 20_000


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 8


PROGRAMS = {"cases": cases, "estimators": estimators, "simulator": simulator, "walkthrough": walkthrough}
FIRST = {shlex.split(command)[2]: command for command in reversed(COMMANDS)}
"""Of each program the first command, given as a user does; the others need no Python of their own."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    python, dash, program, *arguments = shlex.split(command)
    assert (python, dash) == ("python", "-m")
    monkeypatch.chdir(ROOT)
    code, out, err = process(command) if command in FIRST.values() else invoked(program, arguments)
    assert code == 0, err
    assert out.strip()
    told = [line for line in re.split(r"[\r\n]+", err) if line.strip()]
    assert all(re.fullmatch(r"\d+%(, [^,]+)*", line) for line in told), "nothing but progress, on a slow machine"


def process(command: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def invoked(program: str, arguments: list[str]) -> tuple[int, str, str]:
    """The same in this process."""
    done = CliRunner().invoke(PROGRAMS[program], arguments, prog_name=f"python -m {program}")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_figures_in_the_introduction() -> None:
    _, sheet, _ = invoked("cases", shlex.split(COMMANDS[2])[3:])
    introduction = README.partition("## Start")[0]
    for figure in ("0.4 PB", "2,894"):
        assert figure in introduction
        assert figure in sheet


def test_the_case_is_a_case() -> None:
    text = re.findall(r"```yaml\n(.+?)```", README, flags=re.DOTALL)[0]
    case = loads(text, "my_feed.yaml")
    result = simulate(plan(case, requests=2_000, replications=2))
    assert result.requests["completed"] == 4_000


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile
