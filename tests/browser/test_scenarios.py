"""Things that happen, as a person sees them: chosen, told, shown over time, contained; in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]
HAPPENS = "/?scenario=stage_paused"


def test_something_happens_and_is_contained(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    assert "Holds" in visitor.verdict()
    page.get_by_role("combobox", name="What happens").click()
    page.get_by_role("option", name="A stage stands still").click()
    visitor.address_has("scenario=stage_paused")
    visitor.settled()
    said = visitor.verdict()
    assert "Misses" in said
    assert "goodput falls by" in said
    assert "Moves first:" in said
    expect(page.locator(".chart")).to_have_count(3)
    page.get_by_role("button").filter(has_text="Try:").click()
    visitor.address_has("design=stage_paused_contained")
    visitor.settled()
    assert "Holds" in visitor.verdict()
    expect(page.get_by_role("button").filter(has_text="Try:")).to_have_count(0)
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()
    assert "Holds" in visitor.verdict()
    assert "goodput" not in visitor.verdict()


def test_a_link_brings_the_scenario_and_a_knob_keeps_it(visit: Visit) -> None:
    visitor = visit()
    visitor.open(HAPPENS)
    before = visitor.verdict()
    assert "goodput falls by" in before
    visitor.press("Heavy ranker replicas", "ArrowRight", 2)
    visitor.address_has("stages.ranking.replicas=16")
    visitor.address_has("scenario=stage_paused")
    visitor.settled()
    assert "goodput" in visitor.verdict()


def test_replicas_that_come_and_go_are_drawn(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?scenario=scaled_in_by_mistake")
    expect(page.locator(".chart")).to_have_count(4)
    expect(page.get_by_text("Replicas over time")).to_be_visible()


def test_a_scenario_that_is_not_there_is_explained(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?scenario=no_such")
    expect(page.get_by_text("is not one of this case; nothing happens").first).to_be_visible()
    assert "Holds" in visitor.verdict()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    page = visitor.open(HAPPENS)
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert visitor.complaints == []
    assert visitor.outside == []
    page.screenshot(path=str(ARTIFACTS / f"scenario_{scheme}.png"))


@pytest.mark.long
def test_on_a_phone_nothing_scrolls_sideways(visit: Visit) -> None:
    visitor = visit(390, 844)
    page = visitor.open(HAPPENS)
    main = """document.querySelector('[data-testid="stMain"]')"""
    assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")
    page.screenshot(path=str(ARTIFACTS / "scenario_phone.png"))
