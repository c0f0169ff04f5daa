"""The page on which anybody checks a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

import ui
from tests.browser.conftest import ARTIFACTS, Visitor

PAGE = Path(next(iter(ui.__path__))) / "check.py"


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def _cards(page: AppTest) -> str:
    return "".join(block.proto.body for block in page.get("html"))


def test_the_example_is_answered_at_once(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    cards = _cards(page)
    assert '<span class="verdict too_high">Ten times too high</span>' in cards
    assert "looks like a slip of a factor of ten" in cards
    assert "500 B/row × 800e9 rows = 0.4 PB" in cards


def test_every_example_is_computed_without_a_problem(page: AppTest) -> None:
    assert len(page.button) == 4
    for button in page.button:
        button.click().run()
        assert not page.exception
        assert not page.error, button.label
        assert 'class="verdict' in _cards(page), button.label
    assert "90 % interval" in _cards(page)


def test_a_single_calculation_and_what_somebody_states(page: AppTest) -> None:
    page.text_area[0].set_value("50M users * 10 events/user/hour * 500 B")
    page.text_input[0].set_value("about 70 MB/s").run()
    assert ">Supported<" in _cards(page)
    assert "500 B read as per event" in _cards(page)
    page.text_area[0].set_value("1 B\n2 B").run()
    assert "is stated for which line" in page.error[0].value


def test_problems_have_their_line_and_the_rest_is_computed(page: AppTest) -> None:
    page.text_area[0].set_value("a = 5 parsecs\nb = 1 B + 1 s\nc = a * 2\nd = 2 * 3 MB").run()
    said = [error.value.replace("\\", "") for error in page.error]
    assert [text.partition(":")[0] for text in said] == ["line 1", "line 2"]
    assert "'1 B', which is B, and '1 s', which is s" in said[1]
    assert "line 4: d" in _cards(page)
    assert "6 MB" in _cards(page)


@pytest.mark.parametrize("text", ["", "# nothing", "<b>x</b>", "9**9**9", "1/0", "**a** [b](c)", "\x00", "1\n" * 1_000])
def test_whatever_is_typed_is_answered(page: AppTest, text: str) -> None:
    page.text_area[0].set_value(text).run()
    assert not page.exception
    assert page.error


def test_what_is_typed_is_shown_as_text(page: AppTest) -> None:
    page.text_area[0].set_value("a = 5 MB # <script>alert(1)</script>\nb = a * 2 = 10 MB # <i>").run()
    assert "<script" not in _cards(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in _cards(page)


def test_in_a_browser(visit: Callable[..., Visitor]) -> None:
    """Typed, answered, shared by its address, kept while looking at another page, narrow and accessible."""
    visitor = visit(390, 844)
    page = visitor.open("/check")
    cards = page.locator(".card")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Ten times too high")
    assert "sheet" not in page.url
    box = page.get_by_role("textbox", name="Calculation")
    box.fill("daily = 8..12 million\nrate = daily * 20/day in QPS states 50k QPS")
    box.press("Control+Enter")
    visitor.address_has("sheet=daily")
    visitor.settled()
    expect(cards).to_have_count(2)
    expect(cards.nth(1)).to_contain_text("too high")
    expect(cards.nth(1)).to_contain_text("90 % interval")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save for a case file").click()
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith("assumptions:\n  daily: {value:")
    other = visit()
    other.page.goto(page.url)
    other.settled()
    expect(other.page.locator(".card")).to_have_count(2)
    other.page.screenshot(path=ARTIFACTS / "check_1440.png")
    found = Axe().run(other.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    other.page.get_by_role("link", name="Estimate", exact=True).click()
    other.until("location.pathname === '/estimate'")
    other.settled()
    assert other.page.locator("[data-testid=stAlert]").filter(has_text="of the link").count() == 0
    other.page.get_by_role("link", name="Check a number", exact=True).click()
    expect(other.page.locator(".card")).to_have_count(2)
    other.page.get_by_role("button", name="4 PB of training data?").click()
    expect(other.page.locator(".card")).to_have_count(1)
    for one in (visitor, other):
        assert one.complaints == []
        assert one.outside == []


@pytest.mark.long
def test_a_link_too_long_is_cut_and_answered(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    page = visitor.open("/check?sheet=" + "1" * 20_000)
    expect(page.locator("[data-testid=stAlert]").first).to_contain_text("a formula takes at most")
    assert visitor.complaints == []
