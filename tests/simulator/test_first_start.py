"""As a user meets it: a machine without numba, with a broken one, with compiled code on disk, and with none yet."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator import engine, kernel_cache

ROOT = Path(__file__).parents[2]
SMALL = ("youtube_recommendations", "--requests", "100", "--replications", "1", "--json")


def command(*arguments: str, module: str = "simulator", **settings: str) -> subprocess.CompletedProcess[str]:
    """A process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What a small run prints on the compiled plane."""
    run = command("run", *SMALL, "--engine", "compiled")
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)  # type: ignore[no-any-return]


HIDES_NUMBA = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "numba":
            raise ModuleNotFoundError("No module named 'numba'", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("sitecustomize.py", HIDES_NUMBA, "numba is not installed; python -m pip install -r requirements.txt"),
        ("numba/__init__.py", "raise ImportError('Numba needs NumPy 2.4 or less')", "Numba needs NumPy 2.4 or less"),
    ],
    ids=["missing", "broken"],
)
@pytest.mark.long
def test_no_numba_is_a_line_and_not_an_end(
    tmp_path: Path, printed: dict[str, Any], file: str, text: str, words: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run = command("run", *SMALL, PYTHONPATH=str(tmp_path))
    assert run.returncode == 0
    assert json.loads(run.stdout) == printed | {"engine": "simpy"}
    assert words in run.stderr
    assert run.stderr.count("\n") == 1
    run = command("run", *SMALL, "--engine", "simpy", PYTHONPATH=str(tmp_path))
    assert (run.returncode, run.stderr) == (0, "")
    for run in (
        command("run", *SMALL, "--engine", "compiled", PYTHONPATH=str(tmp_path)),
        command(module="simulator.engine", PYTHONPATH=str(tmp_path)),
    ):
        assert (run.returncode, run.stdout) == (1, "")
        assert words in run.stderr
        assert run.stderr.count("\n") == 1


@pytest.mark.long
def test_code_that_lies_on_disk_is_used_at_once(tmp_path: Path, printed: dict[str, Any]) -> None:
    """Here a copy of it, in a place that NUMBA_CACHE_DIR says."""
    shutil.copytree(kernel_cache.folder(), tmp_path / kernel_cache.folder().name)
    run = command("run", *SMALL, NUMBA_CACHE_DIR=str(tmp_path))
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == printed
    assert printed["engine"] == "compiled"


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What is started heeds Ctrl-C, also where a shell that runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.long
@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_first_start_on_a_machine(tmp_path: Path, printed: dict[str, Any]) -> None:
    """Really compiled, in a fresh folder: two runs at once, a compiler that outlives them, and the same bytes."""
    settings = {"NUMBA_CACHE_DIR": str(tmp_path)}
    begun = time.monotonic()
    long = [sys.executable, "-m", "simulator", "run", *SMALL, "--replications", "1000", "--engine", "auto"]
    first = subprocess.Popen(long, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    run = command("run", *SMALL, **settings)
    took = time.monotonic() - begun
    assert run.stderr == engine.BESIDE + "\n"
    assert json.loads(run.stdout) == printed | {"engine": "simpy"}
    first.send_signal(signal.SIGINT)
    first.wait()
    run = command("run", *SMALL, "--engine", "compiled", **settings)
    assert time.monotonic() - begun > 2 * took, "the first did not wait"
    assert run.stderr.startswith(engine.FIRST + "\n")
    assert json.loads(run.stdout) == printed
    code = sorted(tmp_path.rglob("*.nb[ic]"))
    run = command("run", *SMALL, "--why", "--scenario", "zone_lost", **settings)
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(tmp_path.rglob("*.nb[ic]")) == code, "all of it was compiled"
    largest = max(code, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:1000])
    run = command("run", *SMALL, "--engine", "compiled", **settings)
    assert run.stderr.startswith(engine.FIRST + "\n")
    assert json.loads(run.stdout) == printed
