"""Which plane serves: while the compiler works, where there is none, and that the results are the same bytes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from small_cases import case, stage

from cases.errors import RunError
from simulator import engine
from simulator.engine import Planes, Status
from simulator.plan import Plan, plan
from simulator.run import simulate
from simulator.why import attribution

# -- with a compiler that does what the test says ---------------------------------------------------------------------


class Compiler:
    """Stands for `kernel_cache` and `compiler` both."""

    def __init__(self) -> None:
        self.complete = False
        self.said: str | None = None  # of an earlier failure
        self.busy = False  # somebody else compiles
        self.ended: int | None = None  # how the process beside did
        self.raises: list[Exception] = []  # when code is loaded
        self.started = self.compiled = self.discarded = self.loaded = 0

    def is_complete(self) -> bool:
        return self.complete

    def failure(self) -> str | None:
        return self.said

    def is_locked(self) -> bool:
        return self.busy

    def discard(self) -> None:
        self.discarded += 1
        self.complete = False

    def exercise(self) -> None:
        self.loaded += 1
        if self.raises:
            raise self.raises.pop()

    def compile_all(self) -> None:
        self.compiled += 1
        self.exercise()
        self.complete, self.said = True, None

    def start(self) -> Compiler:
        self.started += 1
        return self

    def poll(self) -> int | None:
        return self.ended


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """A process that has not looked for the compiled plane yet."""
    fake = Compiler()
    monkeypatch.setattr(engine, "_PLANE", engine._Plane())
    monkeypatch.setattr(engine, "_modules", lambda: (fake, fake))
    monkeypatch.setattr(engine, "WORTH", 0.0)
    engine._say_once.cache_clear()
    return fake


@pytest.fixture
def planned() -> Plan:
    """Some replications of a small case."""
    return plan(case(stage(service="{kind: exponential, mean: 5 ms}"), rate="100 request/s"), requests=1_000)


def test_while_the_compiler_works_the_reference_plane_serves(compiler: Compiler, caplog: Any) -> None:
    assert [engine.choose_plane("auto") for _ in range(3)] == ["simpy"] * 3
    assert compiler.started == 1
    assert caplog.messages == [engine.BESIDE], "said once"
    compiler.complete = True
    assert [engine.choose_plane("auto") for _ in range(3)] == ["compiled"] * 3
    assert (compiler.loaded, compiler.started, compiler.compiled) == (1, 1, 0)


def test_who_asks_for_the_reference_plane_starts_no_compiler(compiler: Compiler, planned: Plan) -> None:
    assert simulate(planned, "simpy").engine == "simpy"
    assert (compiler.started, compiler.loaded) == (0, 0)


def test_nobody_compiles_what_somebody_compiles(compiler: Compiler) -> None:
    compiler.busy = True
    assert engine.choose_plane("auto") == "simpy"
    assert compiler.started == 0
    compiler.busy = False  # it was killed
    engine.choose_plane("auto")
    assert compiler.started == 1


@pytest.mark.parametrize("wanted", ["auto", "compiled"])
def test_who_needs_it_waits_for_the_compiler(compiler: Compiler, caplog: Any, wanted: Any) -> None:
    assert engine.settled(wanted) == "compiled"
    assert (compiler.compiled, compiler.started) == (1, 0)
    assert caplog.messages == [engine.FIRST]


def test_a_replication_is_started_over_when_the_compiler_is_done(compiler: Compiler, planned: Plan) -> None:
    """In the middle of the second one; the result is the same, and progress does not go back."""
    seen: list[float] = []

    def progress(done: float) -> None:
        seen.append(done)
        compiler.complete = done > 0.3

    result = simulate(planned, progress=progress)
    assert result.engine == "mixed"
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert result.as_json() == simulate(planned, "simpy").as_json() | {"engine": "mixed"}


def test_the_first_one_started_over_leaves_no_trace_of_the_reference_plane(compiler: Compiler, planned: Plan) -> None:
    result = simulate(planned, progress=lambda done: setattr(compiler, "complete", True))
    assert result == simulate(planned, "compiled")


def test_what_is_nearly_done_is_not_started_over(
    compiler: Compiler, planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WORTH", 1_000.0)
    result = simulate(planned, progress=lambda done: setattr(compiler, "complete", done > 0.05))
    assert result.engine == "mixed", "the first is finished, the others run on the compiled plane"


def test_explanations_are_started_over_too(compiler: Compiler, planned: Plan) -> None:
    seen: list[float] = []

    def progress(done: float) -> None:
        seen.append(done)
        compiler.complete = done > 0.3

    assert attribution(planned, progress=progress) == attribution(planned, "simpy")
    assert compiler.loaded == 1
    assert seen == sorted(seen)


def test_closed_loops_look_for_their_window_on_the_plane_of_the_moment(compiler: Compiler) -> None:
    users = "{kind: closed, users: 20, think: {kind: exponential, mean: 100 ms}}"
    closed = plan(case(stage(service="{kind: exponential, mean: 5 ms}"), workload=users), requests=500, replications=2)
    result = simulate(closed, progress=lambda done: setattr(compiler, "complete", True))
    assert result == simulate(closed, "compiled")


# -- where it does not work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ModuleNotFoundError("No module named 'numba'", name="numba"), Status.MISSING, "numba is not installed"),
        (ModuleNotFoundError("No module named 'llvmlite'", name="llvmlite"), Status.BROKEN, "No module named 'llvm"),
        (ImportError("Numba needs NumPy 2.4 or less.\nand more"), Status.BROKEN, "Numba needs NumPy 2.4 or less."),
        (RuntimeError(""), Status.BROKEN, "RuntimeError"),
        (RunError("kept nowhere; set NUMBA_CACHE_DIR"), Status.BROKEN, "kept nowhere; set NUMBA_CACHE_DIR"),
    ],
    ids=["missing", "without llvmlite", "too old", "silent", "kept nowhere"],
)
def test_without_numba_the_run_goes_on_and_says_why(
    compiler: Compiler,
    planned: Plan,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
    error: Exception,
    status: Status,
    words: str,
) -> None:
    def modules() -> Any:
        raise error

    monkeypatch.setattr(engine, "_modules", modules)
    result = simulate(planned)
    assert result.engine == "simpy"
    assert engine.look().status is status
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.getMessage()
    assert "\n" not in record.getMessage()
    assert engine.settled("auto") == "simpy"
    with pytest.raises(RunError, match=r"--engine compiled: .*or use --engine simpy") as raised:
        simulate(planned, "compiled")
    assert words in str(raised.value)


def test_a_compiler_that_is_killed_or_fails_is_reported_and_the_run_goes_on(
    compiler: Compiler, planned: Plan, caplog: Any
) -> None:
    def progress(done: float) -> None:
        compiler.ended = -9 if done > 0.3 else None

    assert simulate(planned, progress=progress).engine == "simpy"
    assert caplog.messages[0] == engine.BESIDE
    assert "ended with -9" in caplog.text
    assert engine.look().status is Status.BROKEN
    assert compiler.started == 1


def test_a_compiler_that_failed_lately_is_not_tried_again_unless_one_asks_for_it(compiler: Compiler) -> None:
    compiler.said = "TypingError: no way"
    assert engine.choose_plane("auto") == engine.settled("auto") == "simpy"
    assert (compiler.started, compiler.compiled) == (0, 0)
    assert "TypingError: no way" in engine.look().reason
    assert engine.choose_plane("compiled") == "compiled"
    assert engine.choose_plane("auto") == "compiled"


def test_an_error_of_the_compiler_is_a_message(compiler: Compiler) -> None:
    compiler.raises = [OSError(28, "No space left on device")]
    with pytest.raises(RunError, match="No space left on device"):
        engine.choose_plane("compiled")


def test_code_that_cannot_be_loaded_is_compiled_anew_once(compiler: Compiler) -> None:
    compiler.complete = True
    compiler.raises = [EOFError("Ran out of input")]
    assert engine.choose_plane("auto") == "simpy"
    assert (compiler.discarded, compiler.started) == (1, 1)
    compiler.complete = True
    assert engine.choose_plane("auto") == "compiled"


def test_code_that_can_never_be_loaded_is_given_up(compiler: Compiler) -> None:
    compiler.complete = True
    compiler.raises = [EOFError("Ran out of input")] * 2
    engine.choose_plane("auto")
    compiler.complete = True
    assert engine.choose_plane("auto") == "simpy"
    assert engine.look().status is Status.BROKEN
    assert compiler.discarded == 1


def test_the_engine_of_a_run_is_what_it_ran_on(compiler: Compiler) -> None:
    planes = Planes("auto")
    for complete, used in ((False, "simpy"), (True, "mixed")):
        compiler.complete = complete
        planes.run(lambda plane, look: plane)
        assert planes.used == used
