"""The one line about the compiled plane, as a script of its own shows it: no server, no browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from simulator.engine import Compiled, Status


def script() -> None:
    """A page with the line and nothing else."""
    from ui.engine import engine_line

    engine_line()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Compiled(Status.READY), []),
        (Compiled(Status.COMPILING), ["is being compiled (once a machine, about half a minute)"]),
        (Compiled(Status.BROKEN, "numba [does] not work"), ["numba \\[does\\] not work"]),
    ],
    ids=["ready", "compiling", "broken"],
)
def test_a_line_only_where_runs_are_slower(monkeypatch: pytest.MonkeyPatch, found: Compiled, words: list[str]) -> None:
    monkeypatch.setattr("ui.engine.look", lambda: found)
    page = AppTest.from_function(script).run(timeout=20)
    assert not page.exception
    assert len(page.caption) == len(words)
    for caption, said in zip(page.caption, words, strict=True):
        assert said in caption.value
        assert "with the same results" in caption.value


def test_the_line_goes_when_the_compiler_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next look of its own, without anybody doing anything: that of the whole page would come too late."""
    looks = iter([Compiled(Status.COMPILING), Compiled(Status.READY), Compiled(Status.READY)])
    monkeypatch.setattr("ui.engine.look", lambda: next(looks))
    page = AppTest.from_function(script).run(timeout=20)
    assert not page.exception
    assert not page.caption, "found ready within the fragment, the page comes again"
