"""Damaged links: explained, and the rest of the page works. (One of them in a real browser: test_app.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import ui

PAGE = Path(next(iter(ui.__path__))) / "main.py"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("stages.ranking.replicas", "nan", "stages.ranking.replicas of the link is left out"),
        ("stages.rankin.replicas", "3", "did you mean"),
        ("design", "no_such", "is not one of this case"),
        ("case", "no_such", "is not here"),
        ("workload.rate", "5 GB", "is wanted"),
        ("x", "y" * 7_900, "left out"),
    ],
)
def test_a_damaged_link_is_explained_and_the_rest_works(path: str, text: str, words: str) -> None:
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params[path] = text
    page.run()
    for _ in range(30):
        if page.success:
            break
        page.run()  # the first results are on their way
    assert any(words in one.value for one in page.warning)
    assert "Holds" in page.success[0].value
    assert not page.exception
    knob = next(one for one in page.select_slider if one.label == "Heavy ranker replicas")
    knob.set_value("15").run()
    assert page.query_params["stages.ranking.replicas"] in ("15", ["15"])
    assert not page.exception
