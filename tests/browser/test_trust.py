"""The page about trust shows what the command wrote, and says so when there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.browser.tables import tables
from ui import accuracy

PAGE = Path(accuracy.__file__).parent / "trust.py"
ROW = {"name": "M/M/1", "inputs": "rho=0.9", "output": "Wq", "source": "Erlang 1917", "reason": "", "slack": 0.45}
ROWS = [
    {**ROW, "id": "MM1", "by": "simulation", "target": 9.0, "value": 9.024, "low": 8.9, "high": 9.1, "passed": True},
    {**ROW, "id": "MM2", "by": "simulation", "target": 4.2, "value": None, "low": None, "high": None, "passed": None},
    {**ROW, "id": "BAD", "by": "simulation", "target": 2.0, "value": 3.0, "low": 2.9, "high": 3.1, "passed": False},
    {**ROW, "id": "LIT", "by": "formula", "target": 2, "value": None, "passed": None, "slack": None},
    {**ROW, "id": "FAN", "by": "shown", "target": "1/5/10", "value": "1/5/9.8", "reason": "ours: fitted"},
    {**ROW, "id": "VAC", "by": "not_offered", "target": 9, "value": None, "reason": "nobody pauses"},
]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(accuracy, "ACCURACY", tmp_path / "accuracy.json")
    return AppTest.from_file(str(PAGE), default_timeout=60)


def _write(rows: object) -> None:
    accuracy.ACCURACY.write_text(json.dumps({"rows": rows}), encoding="utf-8")


def _ids(page: AppTest) -> list[str]:
    return [row["Id"] for row in tables(page)[0]]


def test_without_a_table_it_says_so(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "has not been made" in page.info[0].value
    assert not tables(page)
    assert page.code[0].value == accuracy.COMMAND


@pytest.mark.parametrize("text", ["", "[]", '{"rows": 3}', '{"rows": [{}]}', "no JSON"])
def test_a_damaged_table_is_explained(page: AppTest, text: str) -> None:
    accuracy.ACCURACY.write_text(text, encoding="utf-8")
    page.run()
    assert not page.exception
    assert "cannot be read" in page.info[0].value


def test_rows_are_shown_with_their_results_and_filtered(page: AppTest) -> None:
    _write(ROWS)
    page.run()
    assert not page.exception
    said = page.markdown[0].value
    assert "1 of 3 simulated rows pass, 1 fail, 1 were not run" in said
    assert "run quickly" in said
    assert _ids(page) == ["MM1", "MM2", "BAD"]
    rows = tables(page)[0]
    assert [row["Result"] for row in rows] == ["passed", "not run in this mode", "FAILED"]
    assert rows[0]["Ours"] == "9.024 (8.9 to 9.1)"
    page.segmented_control[0].set_value("not_offered").run()
    assert _ids(page) == ["VAC"]
    assert "nobody pauses" in tables(page)[0][0]["Result"]
    page.segmented_control[0].set_value("All").run()
    assert len(_ids(page)) == len(ROWS)


def test_a_full_run_says_so(page: AppTest) -> None:
    _write(ROWS[:1])
    page.run()
    assert "run in full" in page.markdown[0].value
