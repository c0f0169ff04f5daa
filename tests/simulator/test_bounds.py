"""The kernel reads and writes inside its arrays: parity once more, with numba's bounds checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

TOO_SMALL = """
from machines import Load, StageSpec, machine, plane_of
from simulator import kernel_state

make = kernel_state.state

def too_small(*arguments):
    state = make(*arguments)
    state.clock["most"] = 1  # it is said that no step needs more room
    return state._replace(agenda=state.agenda[:2].copy())

kernel_state.state = too_small
built = machine([StageSpec()] * 5)
plane_of("compiled", built, Load([], times=[1]).stream(built))[1].advance(10)
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_parity_with_bounds_checked(tmp_path: Path) -> None:
    """In a process of its own with a fresh cache: an existing one silently turns the checks off."""
    root = HERE.parents[1]
    paths = os.pathsep.join([str(root), str(HERE)])
    settings = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=settings, cwd=root, capture_output=True, text=True, timeout=800, check=False)

    armed = python("-c", TOO_SMALL)
    assert "IndexError" in armed.stderr, "the checks are not on"
    parity = python(
        "-m",
        "pytest",
        "-m",
        "long or not long",
        *(str(HERE / f"test_{one}.py") for one in ("parity", "plain", "draws")),
    )
    assert parity.returncode == 0, parity.stdout
