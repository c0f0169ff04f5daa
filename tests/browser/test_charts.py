"""Charts and figures as a person sees them: no words over others, none cut, points that keys reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.conftest import Visitor
from ui.charts import Figure, why_figure

Visit = Callable[..., Visitor]
TOGETHER = "/?case=bank_fraud_sms&scenario=payday_peak"  # two events at one moment, late in the run
AGAIN = "/?case=typeahead&scenario=titles_go_live"  # six times the same, one after the other
BOXES = """all => all.map((e) => {
  const { left, right, top, bottom } = e.getBoundingClientRect();
  return [e.textContent, left, right, top, bottom];
})"""
CUT = """all => all.filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow !== 'visible')
  .map((e) => e.textContent)"""


def words(chart: Locator) -> list[str]:
    """What is written over a chart; each within it, and none over another."""
    around = chart.bounding_box()
    assert around is not None
    boxes = chart.locator(".annotation-text").evaluate_all(BOXES)
    for one, left, right, _, _ in boxes:
        assert left >= around["x"] - 1, one
        assert right <= around["x"] + around["width"] + 1, one
    for (one, *a), (other, *b) in combinations(boxes, 2):
        apart = a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] - 1 or b[2] >= a[3] - 1
        assert apart, f"{one!r} stands over {other!r}"
    return [one for one, *_ in boxes]


@pytest.fixture(scope="module", params=[1440, 390])
def together(app: str, chrome: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """On the page, opened on a wide screen and on a phone."""
    context = chrome.new_context(viewport={"width": request.param, "height": 900})
    visitor = Visitor(app, context)
    visitor.open(TOGETHER)
    yield visitor
    context.close()


def test_events_are_told_beside_one_another(together: Visitor) -> None:
    page = together.page
    charts = page.locator(".chart:has(.annotation-text)")
    expect(charts).to_have_count(3)
    for chart in charts.all():
        assert words(chart) == ["load x2", "profile 3 times as slow"]
    line = page.locator(".area .time")
    above = line.locator("text[y='12'], text[y='26']")
    assert above.all_text_contents() == ["load x2", "profile 3 times as slow"]
    assert len({top for _, _, _, top, _ in above.evaluate_all(BOXES)}) == 2
    page.set_viewport_size({"width": 768, "height": 900})
    page.wait_for_timeout(500)
    for chart in charts.all():
        assert words(chart) == ["load x2", "profile 3 times as slow"]
    assert together.complaints == []


def test_what_happens_again_at_once_is_told_once(visit: Visit) -> None:
    page = visit(390, 900).open(AGAIN)
    page.wait_for_selector(".annotation-text")
    for chart in page.locator(".chart:has(.annotation-text)").all():
        assert words(chart) == ["caches of lists emptied"]


@pytest.mark.parametrize("width", [1440, 1280, 768, 390])
def test_no_figure_is_cut(together: Visitor, width: int) -> None:
    page = together.page
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    figures = page.locator('.st-key-figures [data-testid="stMetric"]')
    expect(figures).to_have_count(7)
    assert figures.locator("*").evaluate_all(CUT) == []
    assert "…" not in page.locator(".st-key-figures").inner_text()
    sides = figures.evaluate_all(BOXES)
    assert max(right for _, _, right, *_ in sides) <= width


@pytest.mark.long
def test_one_change_is_taken_back_by_a_button_with_a_name(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?stages.ranking.replicas=9")
    page.get_by_role("button", name="Undo stages.ranking.replicas", exact=True).click()
    visitor.as_written()


def test_names_are_no_markup() -> None:
    figure = Figure([], {})
    figure.add_line([0.0], [1.0], '<a href="https://example.org">x</a>', {})
    assert figure.data[0]["name"].startswith("&lt;a")
    assert why_figure([("<b>store</b>", "queue", 1.0)]).data[0]["y"] == ["&lt;b&gt;store&lt;/b&gt;"]


def test_a_point_is_chosen_by_keys(visit: Visit) -> None:
    """Tab reaches it, it says what it is, one sees where one is, and Enter makes it B."""
    visitor = visit(height=2600)
    page = visitor.open("/compare?b=fewer_rankers")
    chart = page.locator(".st-key-tradeoff .chart")
    point = chart.get_by_role("button", name="Half the candidates")
    before = chart.screenshot()
    point.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert point.evaluate("(e) => e === document.activeElement || e === e.getRootNode().activeElement")
    expect(chart.locator(".hovertext")).to_contain_text("Half the candidates")
    assert chart.screenshot() != before
    page.keyboard.press("Enter")
    visitor.address_has("b=fewer_candidates")
    visitor.settled()
    expect(page.get_by_text("B: Half the candidates")).to_be_visible()
    assert visitor.complaints == []
