"""Compiled code on disk: whether all of it is there, whose it is, where it lies, and who compiles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

from cases.errors import RunError
from simulator import compiler, kernel_cache

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with compiled code, of which somebody has said that it is all."""
    monkeypatch.setattr(kernel_cache, "folder", lambda: tmp_path)
    for name in ("advance.py311.nbi", "advance.py311.1.nbc"):
        (tmp_path / "simulator_1").mkdir(exist_ok=True)
        (tmp_path / "simulator_1" / name).write_bytes(b"code")
    assert not kernel_cache.is_complete()
    kernel_cache.say_complete()
    assert kernel_cache.is_complete()
    return tmp_path


def test_code_of_another_numba_python_processor_or_place_is_not_ours(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for whose, name, value in (
        (numba, "__version__", "0.99.0"),
        (sys, "version", "3.99.0"),
        (kernel_cache, "HERE", Path("elsewhere")),
    ):
        with monkeypatch.context() as other:
            other.setattr(whose, name, value)
            assert not kernel_cache.is_complete(), name
    target = type(kernel_cache.CPU.target_context.codegen())
    monkeypatch.setattr(target, "magic_tuple", lambda self: ("x86_64", "another", ""))
    assert not kernel_cache.is_complete()


def test_more_code_does_not_matter_and_less_does(kept: Path) -> None:
    (kept / "simulator_1" / "quantile.py311.nbi").write_bytes(b"code")
    assert kernel_cache.is_complete()
    (kept / "simulator_1" / "advance.py311.1.nbc").unlink()
    assert not kernel_cache.is_complete()


@pytest.mark.parametrize("text", ["", "[", "null", "7", "[[]]"])
def test_a_damaged_stamp_is_none(kept: Path, text: str) -> None:
    kernel_cache._stamp().write_text(text)
    assert not kernel_cache.is_complete()


def test_discarded_code_is_gone(kept: Path) -> None:
    kernel_cache.discard()
    assert not kernel_cache.is_complete()
    assert not kernel_cache._kept()


def test_a_failure_is_known_for_a_while(kept: Path) -> None:
    assert kernel_cache.failure() is None
    kernel_cache.say_failed("TypingError: no way")
    assert kernel_cache.failure() == "TypingError: no way"
    long_ago = time.time() - kernel_cache.FAILURE_HOLDS - 1
    os.utime(kernel_cache._failed(), (long_ago, long_ago))
    assert kernel_cache.failure() is None
    kernel_cache.say_failed("TypingError: no way")
    kernel_cache.say_complete()
    assert kernel_cache.failure() is None


def test_the_lock_goes_with_its_owner(kept: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from simulator import kernel_cache\n"
        f"kernel_cache.folder = lambda: Path({str(kept)!r})\n"
        "with kernel_cache.lock(): print('mine', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "mine\n"
        assert kernel_cache.is_locked()
        owner.kill()
    assert not kernel_cache.is_locked()
    with kernel_cache.lock() as lock:
        assert kernel_cache.is_locked()
        assert kernel_cache.is_in_place(lock)


def test_nobody_vouches_for_a_folder_that_was_cleared_away_meanwhile(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever compiled knows only what he has written since."""

    def compiles() -> None:
        shutil.rmtree(kept)
        (kept / "simulator_1").mkdir(parents=True)
        (kept / "simulator_1" / "advance.py311.nbi").write_bytes(b"code")

    monkeypatch.setattr(compiler, "exercise", compiles)
    compiler.compile_all()
    assert not kernel_cache.is_complete()
    monkeypatch.setattr(compiler, "exercise", lambda: None)
    compiler.compile_all()
    assert kernel_cache.is_complete()


def test_the_first_place_that_can_be_written_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NUMBA_CACHE_DIR alone, if it is said; else beside the sources, or the user's."""
    file, home = tmp_path / "file", tmp_path / "home"
    file.touch()
    find: Callable[[], Path] = kernel_cache.folder.__wrapped__
    settings = kernel_cache.SETTINGS
    monkeypatch.setattr(kernel_cache, "SOURCES", ())
    monkeypatch.setattr(settings, "CACHE_DIR", str(tmp_path / "asked"))
    assert find().parent == tmp_path / "asked"
    monkeypatch.setattr(settings, "CACHE_DIR", str(file / "asked"))
    with pytest.raises(RunError, match=r"cannot be kept in .*asked; set NUMBA_CACHE_DIR"):
        find()
    monkeypatch.setattr(settings, "CACHE_DIR", "")
    monkeypatch.setattr(kernel_cache, "HERE", tmp_path)
    (tmp_path / "__pycache__" / "kernel-of-yesterday").mkdir(parents=True)
    assert find().parent == tmp_path / "__pycache__"
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == [find().name], "yesterday's is gone"
    monkeypatch.setattr(kernel_cache, "HERE", file)
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(home))
    assert find().parent == home / "stagecraft"


def test_whatever_is_compiled_is_watched() -> None:
    """A changed text gets a folder of its own only if it is among the sources."""
    texts = {path.stem: path.read_text() for path in kernel_cache.HERE.glob("*.py")}
    compiled = {name for name, text in texts.items() if re.search(r"^@(compiled|inlined)$", text, re.MULTILINE)}
    assert {"requests_compiled", "kernel_parts", "kernel_draws"} <= compiled <= set(kernel_cache.SOURCES)
