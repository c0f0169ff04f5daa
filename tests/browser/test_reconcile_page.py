"""Three witnesses on a page: there at once by arithmetic and theory, by simulation when it is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]
ASK = "Ask the simulation how many"


@pytest.mark.long
def test_the_three_are_asked_and_move_together(visit: Visit) -> None:
    """With short runs: the numbers themselves are tested in tests/walkthrough."""
    visitor = visit()
    page = visitor.open("/reconcile?run.requests=1000")
    expect(page.get_by_text("How many each stage needs")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Heavy ranker")
    expect(row).to_contain_text("10 (9.55)")
    expect(page.get_by_role("columnheader", name="Simulation")).to_have_count(1)  # of the whole request only
    page.get_by_role("button", name=ASK).click()
    expect(page.get_by_role("columnheader", name="Simulation")).to_have_count(2, timeout=180_000)  # dozens of runs
    expect(page.get_by_text("All of these at once:")).to_be_visible()
    page.screenshot(path=ARTIFACTS / "reconcile_1440_light.png", full_page=True)
    assert not [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    visitor.press("Video views a month", "ArrowRight", times=4)
    visitor.settled()
    expect(row).not_to_contain_text("10 (9.55)")
    expect(page.get_by_role("button", name=ASK)).to_be_enabled()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.outside == []
    assert visitor.complaints == []
