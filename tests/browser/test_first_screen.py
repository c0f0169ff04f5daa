"""What a newcomer sees: a case that is simulated already and failing, with Play to press."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from cases import files
from cases.scenarios import scenarios
from tests.browser.conftest import ARTIFACTS, Visitor
from ui import entries
from ui.header import NOTHING

Visit = Callable[..., Visitor]
MAIN = Path(entries.__file__).parent / "main.py"
QUIET = """format: 1
id: {id}
title: One desk
question: How long does a request wait?
workload: {{kind: poisson, rate: 50 requests/s}}
stages:
  - {{name: desk, replicas: 1, service: {{kind: exponential, mean: 5 ms}}}}
run: {{requests: 500, replications: 3}}
"""


def happens(page: Page) -> str:
    return page.get_by_role("combobox", name="What happens").input_value()


def test_it_fails_stands_still_and_says_what_to_press(visit: Visit) -> None:
    case = files.load(files.catalog()[files.FIRST])
    first = next(one for one in scenarios(case).values() if one.breaks is not None)
    visitor = visit(1280, 720)
    page = visitor.open("/")
    assert "Misses" in visitor.verdict()
    assert happens(page) == first.label
    begins = min(event.at for event in first.events)
    expect(page.get_by_text(f"Press Play and watch what happens at {begins:g} s: {first.label}.")).to_be_visible()
    play = page.get_by_role("button", name="Play")
    expect(play).to_be_in_viewport()
    expect(page.locator(".clock")).to_have_text("whole run")
    page.wait_for_timeout(500)
    expect(page.locator(".clock")).to_have_text("whole run")  # paused
    assert page.evaluate("location.search") == ""
    top = page.locator(".diagram").bounding_box()
    play.click()
    expect(page.locator(".clock")).not_to_have_text("whole run")
    assert page.locator(".diagram").bounding_box() == top
    page.screenshot(path=ARTIFACTS / "first_screen.png")
    assert visitor.complaints == []


@pytest.mark.long
def test_a_link_is_taken_as_it_is_and_a_choice_is_kept(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/")
    failing = visitor.verdict()
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()
    expect(page.locator(".st-key-answer")).to_contain_text("Holds")
    expect(page.get_by_text("Press Play and watch")).to_have_count(0)
    page.get_by_role("button", name="Undo", exact=True).click()
    visitor.until("location.search === ''")
    visitor.settled()
    expect(page.locator(".st-key-answer")).to_contain_text("Misses")
    assert visitor.verdict() == failing
    page.get_by_role("button", name="Redo", exact=True).click()
    visitor.as_written()
    page.reload()
    visitor.settled()
    expect(page.locator(".st-key-answer")).to_contain_text("Holds")
    visitor.as_written()
    for name in ("Estimate", "Explore"):
        page.get_by_role("link", name=name, exact=True).click()
        visitor.until(f"location.pathname === '/{'estimate' if name == 'Estimate' else ''}'")
        visitor.settled()
    visitor.as_written()
    expect(page.locator(".st-key-answer")).to_contain_text("Holds")


def test_who_looks_at_the_cases_first_still_has_a_first_screen(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/cases")
    page.get_by_role("link", name="Explore", exact=True).click()
    visitor.until("location.pathname === '/'")
    visitor.settled()
    assert "Misses" in visitor.verdict()
    expect(page.get_by_text("Press Play and watch")).to_be_visible()


# -- other catalogues -------------------------------------------------------------------------------------------------


def catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / f"{files.FIRST}.yaml").write_text(text, encoding="utf-8")
    (folder / "other.yaml").write_text(QUIET.format(id="other"), encoding="utf-8")
    monkeypatch.setattr(files, "CATALOG", folder)


def test_a_case_that_nothing_breaks_is_shown_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path, monkeypatch, QUIET.format(id=files.FIRST))
    page = AppTest.from_file(str(MAIN), default_timeout=120).run()
    assert next(one for one in page.selectbox if one.label == "What happens").value == NOTHING
    assert not page.exception
    assert not page.query_params


def test_where_the_first_file_is_broken_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path, monkeypatch, "format: 1\n")
    page = AppTest.from_file(str(MAIN), default_timeout=120).run()
    assert not page.exception
    assert "question: is missing" in page.error[0].value.replace("\\", "")
    other = AppTest.from_file(str(MAIN), default_timeout=120)
    other.query_params["case"] = "other"
    other.run()
    assert not other.exception
    assert not other.error
