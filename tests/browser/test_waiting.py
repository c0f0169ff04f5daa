"""What the page shows while a run takes longer than its patience."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

OPACITY = "getComputedStyle(document.querySelector('.st-key-results')).opacity"
CHART = "document.querySelector('.st-key-latency .chart').figure"  # what it was last told to draw


@pytest.mark.long
def test_the_last_results_stay_as_they_are_but_pale(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    page = visitor.open("/?run.requests=200000")
    before = visitor.figure("p99")
    page.evaluate(f"window.drawn = {CHART}")
    assert page.evaluate(OPACITY) == "1"
    visitor.press("Heavy ranker replicas", "ArrowLeft", 5)
    expect(page.locator('[data-testid="stProgress"]')).to_contain_text("results below are from the previous design")
    visitor.until(f"{OPACITY} === '0.55'")
    assert visitor.figure("p99") == before
    assert page.evaluate(f"{CHART} === window.drawn"), "the chart was drawn anew although nothing in it changed"
    visitor.settled()
    assert page.evaluate(OPACITY) == "1"
    assert visitor.figure("p99") != before
    assert page.evaluate(f"{CHART} !== window.drawn")
