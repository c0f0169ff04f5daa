"""The Estimate page in a real browser: any number is traced to its source in two clicks, any assumption is edited."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]
RANGED = "/estimate?assumptions.views_per_month.value=100..200 billion views/month"


def card(page: Page, name: str) -> Locator:
    """The card of an estimate or assumption."""
    return page.locator(f"#number-{name}")


def test_a_number_is_traced_to_its_source_in_two_clicks(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/estimate")
    storage = card(page, "peak_rate")
    assumption = storage.locator("details li").filter(has_text="Peak traffic against the mean").first
    expect(assumption).to_be_hidden()
    storage.locator("summary").click()
    expect(assumption).to_be_visible()
    expect(assumption).to_contain_text("1.6..1.7")
    expect(assumption).to_contain_text("published: Brian Brazil")
    expect(assumption).to_contain_text("(read 20")
    expect(storage.locator("details")).to_contain_text("Home-page loads a second, on average")
    assumption.get_by_role("link").first.click()
    visitor.until("location.hash === '#number-peak_to_mean'")
    expect(card(page, "peak_to_mean")).to_be_in_viewport()
    assert visitor.complaints == []


@pytest.mark.long
def test_a_name_in_a_working_leads_to_its_card_and_back_returns(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/estimate")
    card(page, "peak_rate").locator(".working a", has_text="page_loads_per_second").click()
    visitor.until("location.hash === '#number-page_loads_per_second'")
    expect(card(page, "page_loads_per_second")).to_be_in_viewport()
    page.go_back()
    visitor.settled()
    assert page.locator(".card.estimate").count() > 8
    links = page.locator('.card a[href^="#"]').evaluate_all("all => all.map(a => a.getAttribute('href').slice(1))")
    assert links
    missing = page.evaluate("all => all.filter(one => !document.getElementById(one))", sorted(set(links)))
    assert missing == []


def test_an_assumption_is_edited_in_place_and_taken_back(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/estimate")
    before = card(page, "positives_per_month").locator(".value").inner_text()
    field = page.get_by_label("Share of views that come from recommendations", exact=True)
    field.fill("5..20 %")
    field.press("Enter")
    visitor.address_has("assumptions.recommended_share.value=5..20 %")
    visitor.settled()
    expect(card(page, "positives_per_month")).to_contain_text("90 % interval")
    expect(card(page, "recommended_share")).to_contain_text("Changed; the case has 10 %")
    page.get_by_role("button").filter(has_text="undo").first.click()
    visitor.until("location.search === ''")
    visitor.settled()
    expect(field).to_have_value("10 %")
    assert card(page, "positives_per_month").locator(".value").inner_text() == before


UNREADABLE = {
    "500 ms": "'500 ms' is s, and B/row is wanted; write for example '500 B/row'",
    "600..400 B/row": "the range is upside down",
    "many": "a number is missing",
    "": "It is empty; write a value",
}


@pytest.mark.long
def test_what_cannot_be_read_is_said_at_the_field_and_nothing_else_moves(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/estimate")
    field = page.get_by_label("Bytes of a training row", exact=True)
    for typed, said in UNREADABLE.items():
        field.fill(typed)
        field.press("Enter")
        place = page.locator('[class*="st-key-assumption-row_size"]')
        expect(place.get_by_role("alert")).to_contain_text(said)
        expect(page.get_by_role("alert")).to_have_count(1)
        expect(field).to_have_value(typed)
        assert page.evaluate("location.search") == ""
    field.fill("600 B/row")
    field.press("Enter")
    visitor.address_has("assumptions.row_size.value=600 B/row")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_tornado_shows_what_drives_a_number(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open(RANGED)
    scores = card(page, "scores_per_second")
    expect(scores.locator("summary")).to_contain_text("most on: Videos scored for each request")
    scores.locator("summary").click()
    bars = scores.locator(".tornado > div")
    expect(bars).to_have_count(2)
    expect(bars.first).to_contain_text(re.compile(r"Videos scored for each request .*, 9\d % of the variance"))
    wide = bars.locator(".span").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert wide[0] > 2 * wide[1] > 20
    expect(scores).to_contain_text("Taken as exact: Share of views that come from recommendations")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_unfolded_it_fits_a_phone_and_everybody_can_use_it(visit: Visit, scheme: str) -> None:
    visitor = visit(390, 844, color_scheme=scheme)
    page = visitor.open(RANGED)
    page.evaluate("document.querySelectorAll('.card details').forEach(one => one.open = true)")
    wide = page.evaluate(
        "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
        ".map(e => e.scrollWidth - e.clientWidth)"
    )
    assert max(wide) <= 1
    # The navigation's sections on a phone are Streamlit's own markup, a list with more in it than entries.
    found = Axe().run(page, context={"exclude": [["[data-testid=stSidebarNavItems]"]]})
    bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in bad] == []
    page.screenshot(path=ARTIFACTS / f"estimate_unfolded_390_{scheme}.png")
    assert visitor.outside == []
    assert visitor.complaints == []


@pytest.mark.long
def test_the_rate_on_explore_leads_to_its_card(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    page.get_by_role("button", name="Home-page loads a second, on average").first.click()
    visitor.until("location.pathname.includes('estimate')")
    visitor.settled()
    expect(page.get_by_role("heading", name="How this number comes about")).to_be_visible()
    expect(page.locator(".card.estimate").first).to_contain_text("page_loads_per_second = page_loads_per_month")
    expect(page.locator(".card.estimate").first.locator("details")).to_contain_text("Video views a month")
    page.wait_for_timeout(1_700)
    page.get_by_role("link", name="Explore").click()
    visitor.until("!location.pathname.includes('estimate')")
    visitor.settled()
    page.get_by_role("link", name="Estimate", exact=True).click()
    visitor.until("location.pathname.includes('estimate')")
    visitor.settled()
    expect(page.get_by_role("heading", name="How this number comes about")).to_have_count(0)
