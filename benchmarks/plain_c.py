"""The pipeline in plain C (pipeline.c beside this file), compiled here and now; it prints what we do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import NotShownError, Runner, timed
from benchmarks.planes import figures

SOURCE = Path(__file__).with_name("pipeline.c")
FLAGS = ["-O3", "-march=native"]


Stages = dict[str, tuple[int, float, float]]  # workers, mean in ms, cv


def runner(stages: Stages, rate: float, requests: int, folder: Path) -> Runner:
    """The program on these stages, put into a folder. NotShownError without a compiler."""
    solve = solver(stages, rate, requests, folder)
    return lambda seed: timed(requests, lambda: figures(solve(seed), list(stages)[-1]))


def solver(stages: Stages, rate: float, requests: int, folder: Path) -> Callable[[int], dict[str, Any]]:
    """What the program prints, of a seed."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotShownError("there is no C compiler (cc); install one, for example gcc")
    program = folder / "pipeline"
    made = subprocess.run([compiler, *FLAGS, "-o", program, SOURCE, "-lm"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise NotShownError(f"cc does not compile {SOURCE.name}: {made.stderr.strip().splitlines()[0]}")
    numbers = [str(number) for stage in stages.values() for number in stage]

    def solve(seed: int) -> dict[str, Any]:
        command = [str(program), str(requests), str(seed), str(rate), *numbers]
        told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return told

    return solve
