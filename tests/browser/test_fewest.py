"""How many do I need: asked, searched beside the page, answered, used; in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]
ASK, CANCEL = "Find the fewest", "Cancel"
SELECT = "Of which stage"


@pytest.mark.long
def test_it_is_asked_answered_and_used(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    expect(page.get_by_role("combobox", name=SELECT)).to_have_value("Heavy ranker")
    page.get_by_role("button", name=ASK).click()
    said = page.get_by_text("Heavy ranker needs")
    expect(said).to_have_text(
        "Heavy ranker needs 10 replicas: with 9, p99 543 ms (95 % interval 477 ms to 609 ms) against 200 ms; "
        "with 10, p99 156 ms (95 % interval 152 ms to 160 ms). It has 14. Cost: $16.13/hour, as designed $17.66/hour."
    )
    page.get_by_text("What was tried").click()
    expect(page.get_by_role("cell", name="2 (check)")).to_have_count(2)
    expect(page.get_by_text("the answer was checked with seed 2")).to_be_visible()
    page.screenshot(path=ARTIFACTS / "explore_fewest.png", full_page=True)
    assert not [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    page.get_by_role("button", name="Use 10").click()
    visitor.address_has("stages.ranking.replicas=10")
    visitor.settled()
    assert "Holds: p99 156 ms" in visitor.verdict()
    expect(said).to_have_count(0)
    expect(page.get_by_role("combobox", name=SELECT)).to_have_value("Heavy ranker")
    assert not visitor.complaints
    assert not visitor.outside


@pytest.mark.long
def test_another_stage_in_a_scenario(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?scenario=zone_lost&run.requests=2000")
    stage = page.get_by_role("combobox", name=SELECT)
    expect(stage).to_have_value("Collaborative candidates")  # the verdict blames it
    stage.click()
    stage.fill("Slate")
    page.get_by_role("option", name="Slate").click()
    visitor.settled()
    visitor.press("Heavy ranker replicas", "ArrowRight")
    visitor.settled()
    expect(stage).to_have_value("Slate")


@pytest.mark.long
def test_nothing_waits_for_a_search_and_it_can_be_given_up(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?run.requests=100000")
    page.get_by_role("button", name=ASK).click()
    expect(page.get_by_text("Searching …")).to_be_visible()
    page.get_by_text("Stages as a table").click()
    expect(page.get_by_text("compiled plane").or_(page.get_by_text("plane, result"))).to_be_visible()
    page.get_by_role("button", name=CANCEL).click()
    expect(page.get_by_text("Searching …")).to_have_count(0)
    expect(page.get_by_role("button", name=ASK)).to_be_enabled()
    assert "Holds" in visitor.verdict()


@pytest.mark.long
def test_on_a_phone(visit: Visit) -> None:
    visitor = visit(width=390, height=844)
    page = visitor.open()
    page.get_by_role("button", name=ASK).click()
    expect(page.get_by_role("button", name="Use 10")).to_be_visible()
    page.get_by_text("What was tried").click()
    visitor.settled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
