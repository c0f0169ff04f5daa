"""The page about experiments: an answer for every kind, the two examples, messages in place of tracebacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

import ui
from estimators.experiment_plan import EXAMPLES
from tests.browser.tables import tables

PAGE = Path(next(iter(ui.__path__))) / "experiment.py"


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def _said(page: AppTest) -> str:
    assert not page.exception
    assert not page.error
    return page.success[0].value.replace("\\", "")


def _input(page: AppTest, label: str) -> TextInput:
    return next(one for one in page.text_input if one.label == label)


def _press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def _tables(page: AppTest) -> list[list[str]]:
    return [list(rows[0]) for rows in tables(page)]


def test_it_answers_at_once(page: AppTest) -> None:
    assert "You need 31,234 users for each of 2 arms, 62,468 in all: 4 days" in _said(page)
    assert "Judge it once, at the end" in page.warning[0].value
    assert _tables(page) == [["Base rate", "Lift", "Each", "In all", "Successes in all", "Days"]]


def test_nine_banners(page: AppTest) -> None:
    _press(page, "Nine banners")
    assert "You need 53,316 visits for each of 9 banners, 479,844 in all" in _said(page)
    assert "nobody gave them" in page.caption[1].value
    claims = tables(page)[0]
    assert [row["Each"] for row in claims][:2] == ["31,234", "50,888"]
    assert [row["Comparisons"] for row in claims] == ["1", "8", "8", "36", "36", "36", "8", "–"]
    _input(page, "Base rate").set_value("2 %").run()
    assert "137,732 visits for each of 9 banners" in _said(page)
    assert len(page.caption) == 1  # it is the example no longer


def test_an_example_undoes_what_was_entered_before(page: AppTest) -> None:
    _input(page, "Correlation with before").set_value("0.9").run()
    _input(page, "Power").set_value("99 %").run()
    _press(page, "Nine banners")
    _press(page, "A 0.1 point change in retention")
    assert "You need 1,920,730 members for each of 2 arms" in _said(page)
    assert [button.label for button in page.button] == list(EXAMPLES)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Means", "You need 9,043 users for each of 2 arms"),
        ("Interleaving", "You need 16,347 queries with interleaved results"),
        ("Judging", "You need 2,017 queries, 20,170 judgements: 3 days of 20 judges."),
        ("Peeking", "Looked at 14 times"),
        ("Rates", "You need 31,234 users"),
    ],
)
def test_every_kind_answers_at_once(page: AppTest, kind: str, says: str) -> None:
    page.segmented_control[0].set_value(kind).run()
    assert says in _said(page)


@pytest.mark.parametrize("kind", ["Rates", "Means"])
def test_everything_that_can_be_given_is_answered_at_once(page: AppTest, kind: str) -> None:
    page.segmented_control[0].set_value(kind).run()
    given = next(box for box in page.selectbox if box.label == "What is given")
    for aim in given.options:
        index = given.options.index(aim)
        next(box for box in page.selectbox if box.label == "What is given").select_index(index).run()
        assert ("With " if aim in ("In each arm", "Duration") else "You need ") in _said(page)


@pytest.mark.parametrize("way", [0, 1, 2])
def test_every_way_of_judging(page: AppTest, way: int) -> None:
    page.segmented_control[0].set_value("Judging").run()
    page.selectbox[0].select_index(way).run()
    assert "judgements" in _said(page)


@pytest.mark.parametrize(
    ("label", "text", "says"),
    [
        ("Base rate", "500 %", "base rate: '500 %' is 500 %"),
        ("Base rate", "", "base rate: ''"),
        ("Arms, with the control", "9 <b>x</b>", "arms: '9 <b>x</b>'"),
        ("Who can take part", "20k", "visitors: '20k' is not a rate"),
    ],
)
def test_what_cannot_be_read_is_said(page: AppTest, label: str, text: str, says: str) -> None:
    _input(page, label).set_value(text).run()
    assert not page.exception
    assert says in page.error[0].value.replace("\\", "")
    _input(page, label).set_value({"Base rate": "5 %", "Who can take part": ""}.get(label, "2")).run()
    assert "31,234" in _said(page)
