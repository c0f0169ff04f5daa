"""The README's "A case in 15 minutes", followed literally: blocks of YAML are added to the file, commands are run.

In a folder with the cases of the project and nothing else, so that the file can join them; every line that the README
shows of a command's output must be printed by it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from cases import files

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = README.partition("## A case in 15 minutes")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(yaml|console)\n(.+?)```", GUIDE, flags=re.DOTALL)
CASE = "podcasts.yaml"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def test_the_guide_can_be_followed(tmp_path: Path) -> None:
    shutil.copytree(files.CATALOG.parent, tmp_path / "cases", ignore=shutil.ignore_patterns("__pycache__"))
    assert [kind for kind, _ in BLOCKS] == ["yaml", "console"] * 4 + ["console"]
    for kind, text in BLOCKS:
        if kind == "yaml":
            with (tmp_path / CASE).open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            for command, *printed in commands(text):
                run(command, printed, tmp_path)


def commands(text: str) -> list[list[str]]:
    """Each with the lines that are shown of its output."""
    return [one.splitlines() for one in text.removeprefix("$ ").split("\n$ ")]


def run(command: str, printed: list[str], folder: Path) -> None:
    words = shlex.split(command)
    if words[0] == "cp":
        shutil.copy(folder / words[1], folder / words[2])
        return
    assert words[0] == "python"
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    lines = done.stdout.splitlines()
    assert not [line for line in printed if line not in lines], done.stdout
