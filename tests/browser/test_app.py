"""What people do with Explore and Estimate, in a real browser. (What every page keeps: test_every_page.)"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]


@pytest.mark.long
def test_the_first_view_answers(visit: Visit) -> None:
    visitor = visit(1280, 720)
    page = visitor.open()
    assert "Holds" in visitor.verdict()
    boxes = page.locator(".diagram [data-stage]")
    expect(boxes).to_have_count(9)
    for name in ("ranking", "prerank"):
        box = page.locator(f'.diagram [data-stage="{name}"]').bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 720, f"{name} is not on the first screen"
    assert re.search(r"\d+ % (ok|busy|hot|saturated)", boxes.nth(7).text_content() or "")


def test_a_knob_moves_p99_the_picture_and_the_address(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    before, drawn = visitor.figure("p99"), page.locator('.diagram [data-stage="ranking"]').text_content()
    visitor.press("Heavy ranker replicas", "ArrowLeft", 5)
    visitor.address_has("stages.ranking.replicas=9")
    visitor.settled()
    assert visitor.figure("p99") != before
    assert page.locator('.diagram [data-stage="ranking"]').text_content() != drawn
    assert "saturated" in (page.locator('.diagram [data-stage="ranking"]').text_content() or "")
    assert "Misses" in visitor.verdict()


@pytest.mark.long
def test_a_link_reproduces_the_page_and_back_undoes(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    first = visitor.verdict()
    visitor.press("Heavy ranker replicas", "ArrowLeft", 4)
    visitor.address_has("stages.ranking.replicas=10")
    visitor.settled()
    other = visit()
    other.page.goto(visitor.page.url)
    other.settled()
    assert other.verdict() == visitor.verdict() != first
    assert other.figure("p99") == visitor.figure("p99")
    visitor.page.wait_for_timeout(1_600)  # the browser's word counts again
    for _ in range(4):
        visitor.page.go_back()
        visitor.settled()
        visitor.page.wait_for_timeout(300)
        if "replicas" not in visitor.page.url:
            break
    visitor.settled()
    assert visitor.verdict() == first


@pytest.mark.long
def test_defaults_are_not_in_the_address_and_reset_returns(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?design=rank_everything")
    assert "Misses" in visitor.verdict()
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()
    assert "Holds" in visitor.verdict()
    assert "What changed" not in (page.locator(".st-key-board").text_content() or "")


def test_what_changed_can_be_undone(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?stages.ranking.replicas=9&stages.prerank.keeps=400 videos")
    board = page.locator(".st-key-board")
    expect(board).to_contain_text("14 → 9")
    board.get_by_role("button", name="Undo stages.ranking.replicas", exact=True).click()
    visitor.until("!location.search.includes('ranking')")
    visitor.settled()
    expect(board).not_to_contain_text("14 → 9")
    expect(board).to_contain_text("500 videos → 400 videos")


@pytest.mark.long
def test_a_damaged_link_is_explained_and_the_rest_works(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?stages.ranking.replicas=0")
    expect(page.get_by_text("from 1 to 1,000,000").first).to_be_visible()
    assert "Holds" in visitor.verdict()
    assert page.locator('[data-testid="stException"]').count() == 0
    visitor.press("Heavy ranker replicas", "ArrowRight")
    visitor.address_has("stages.ranking.replicas=15")
    visitor.settled()
    assert "Holds" in visitor.verdict()


@pytest.mark.long
def test_a_long_run_does_not_freeze_the_page_and_the_last_move_wins(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    page.goto(f"{visitor.app}/?run.requests=3000000")
    progress = page.locator('[data-testid="stProgress"]')
    expect(progress).to_contain_text("Simulating")
    knob = page.get_by_role("slider", name="Heavy ranker replicas")
    expect(knob).to_be_enabled()
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()  # well before the long run could have ended
    assert "Holds" in visitor.verdict()
    visitor.press("Heavy ranker replicas", "ArrowLeft", 6)
    visitor.press("Heavy ranker replicas", "ArrowRight", 3)
    visitor.address_has("stages.ranking.replicas=11")
    visitor.settled()
    other = visit()
    other.open("/?stages.ranking.replicas=11")
    assert visitor.verdict() == other.verdict()


def test_an_overloaded_design_ends_and_says_what_it_needs(visit: Visit) -> None:
    visitor = visit()
    visitor.open("/?design=articles_rate&run.replications=2")
    assert "Misses" in visitor.verdict()
    assert "Application server needs" in visitor.verdict()


@pytest.mark.long
def test_sessions_are_apart(visit: Visit) -> None:
    one, two = visit(), visit()
    one.open()
    two.open()
    one.press("Heavy ranker replicas", "ArrowLeft", 6)
    one.address_has("stages.ranking.replicas=8")
    one.settled()
    two.page.reload()
    two.settled()
    assert "Misses" in one.verdict()
    assert "Holds" in two.verdict()


@pytest.mark.long
def test_the_articles_figures_are_judged(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/estimate")
    text = page.locator('[data-testid="stMain"]').inner_text()
    for words in ("Supported", "Rounded", "Ten times too high", "3,456 times too high", "0.4 PB", "2,894 loads/s"):
        assert words in text
    visitor.press("Video views a month", "ArrowRight")
    visitor.address_has("assumptions.views_per_month.value=200 billion views/month")
    visitor.settled()
    expect(page.get_by_text("2,592 times too high")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    visitor.settled()
    visitor.address_has("assumptions.views_per_month.value=200 billion views/month")
    assert visitor.figure("p99") != "150 ms"


@pytest.mark.long
def test_charts_are_drawn_in_place(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    page.wait_for_selector(".chart .main-svg")
    page.evaluate("window.kept = document.querySelector('.chart .main-svg')")
    top = page.locator(".diagram svg").bounding_box()
    visitor.press("Heavy ranker replicas", "ArrowLeft", 2)
    visitor.address_has("stages.ranking.replicas=12")
    visitor.settled()
    assert page.evaluate("window.kept.isConnected"), "the chart was thrown away and drawn anew"
    after = page.locator(".diagram svg").bounding_box()
    assert top is not None
    assert after is not None
    assert after["y"] == top["y"], "the picture jumped"


@pytest.mark.long
def test_bursts_of_moves_end_where_the_hand_ended(visit: Visit) -> None:
    visitor = visit()
    knob = visitor.open().get_by_role("slider", name="Heavy ranker replicas")
    stands = 14
    for keys in ("LLLLLL", "RRRRRRRRR", "LRLRLLLL", "RRRRRR"):
        for key in keys:
            knob.press(f"Arrow{'Left' if key == 'L' else 'Right'}")
            stands += 1 if key == "R" else -1
        visitor.settled()
        visitor.page.wait_for_timeout(200)
        expected = "" if stands == 14 else f"stages.ranking.replicas={stands}"
        visitor.address_has(expected)
        expect(knob).to_have_attribute("aria-valuetext", str(stands))


@pytest.mark.long
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", marks=pytest.mark.long),
        pytest.param("design=evening_peak", marks=pytest.mark.long),
        "assumptions.views_per_month.value=200 billion views/month",
    ],
)
def test_the_navigation_keeps_the_design(visit: Visit, query: str) -> None:
    visitor = visit()
    page = visitor.open(f"/?{query}") if query else visitor.open()
    verdict = visitor.verdict()
    views = page.get_by_role("slider", name="Video views a month").get_attribute("aria-valuetext")
    sheet = None
    for name in ("Estimate", "Explore") * (1 if query else 2):
        page.wait_for_timeout(1_700)  # as a person would; the browser's address counts again
        page.get_by_role("link", name=name).click()
        visitor.until(f"location.pathname.includes('{'estimate' if name == 'Estimate' else ''}')")
        page.wait_for_timeout(300)
        visitor.settled()
        visitor.address_has(query)
        assert page.get_by_role("slider", name="Video views a month").get_attribute("aria-valuetext") == views
        if name == "Explore":
            assert visitor.verdict() == verdict
        else:
            shown = page.locator(".card").all_inner_texts()
            assert sheet in (None, shown)
            sheet = shown


@pytest.mark.long
def test_why_p99_is_high_is_asked_and_answered(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?stages.ranking.replicas=9&run.requests=4000")
    page.get_by_role("button", name="Explain the slowest 1 %").click()
    sentence = page.get_by_text(re.compile(r"takes \d+ % of it\. The slowest 1 % took"))
    expect(sentence).to_be_visible(timeout=60_000)
    visitor.settled()
    chart = page.locator('.chart[aria-label^="Share of the time"]')
    expect(chart).to_have_attribute("aria-label", re.compile(r"Watch history service .*Heavy ranker queue \d+ %"))
    assert chart.locator("pattern").count() >= 2, "kinds are told apart without colours"
    gains = page.locator("table").filter(has_text="Replicas").first
    expect(gains).to_contain_text("9 → 10")
    assert visitor.complaints == []
    found = Axe().run(page)
    assert [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")] == []
    page.screenshot(path=ARTIFACTS / "explore_why.png", full_page=True)
    visitor.press("Heavy ranker replicas", "ArrowRight")
    visitor.address_has("stages.ranking.replicas=10")
    visitor.settled()
    expect(sentence).to_have_count(0)
    expect(page.get_by_role("button", name="Explain the slowest 1 %")).to_be_enabled()


@pytest.mark.long
def test_an_explanation_under_way_blocks_nothing_and_goes_with_its_design(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?run.requests=60000")
    page.get_by_role("button", name="Explain the slowest 1 %").click()
    progress = page.locator('[data-testid="stProgress"]')
    expect(progress).to_contain_text("Explaining")
    page.get_by_role("button", name="Cancel").click()
    expect(progress).to_have_count(0)
    page.get_by_role("button", name="Explain the slowest 1 %").click()
    expect(progress).to_contain_text("Explaining")
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()  # well before the explanation could have ended
    expect(page.get_by_role("button", name="Explain the slowest 1 %")).to_be_enabled()
    assert "Holds" in visitor.verdict()


def test_a_choice_is_a_knob(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    _choose(page, "Heavy ranker tried again", "attempts: 3, backoff: 10 ms, budget: 10 %")
    visitor.address_has("stages.ranking.retries={attempts: 3, backoff: 10 ms, budget: 10 %}")
    visitor.settled()
    board = page.locator(".st-key-board")
    expect(board).to_contain_text("none → {attempts: 3, backoff: 10 ms, budget: 10 %}")
    page.reload()
    visitor.settled()
    knob = page.get_by_role("combobox", name="Heavy ranker tried again")
    expect(knob).to_have_value("attempts: 3, backoff: 10 ms, budget: 10 %")
    _choose(page, "Heavy ranker tried again", "none")
    visitor.as_written()
    visitor.settled()
    expect(board).not_to_contain_text("What changed")


def _choose(page: Page, knob: str, text: str) -> None:
    option = page.get_by_role("option", name=text, exact=True)
    for _ in range(5):  # the list closes when what is below it is drawn anew
        page.get_by_role("combobox", name=knob).click()
        page.wait_for_timeout(400)
        if option.is_visible():
            break
    option.click()


def test_what_a_design_means_stands_beside_the_baseline(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?design=fresh_source_slow")
    main, means = page.locator('[data-testid="stMain"]'), page.locator("table").nth(1)
    expect(main).to_contain_text("degraded (a fallback")
    for words in ("Videos watched", "As in the case", "Cost of a million requests"):
        expect(means).to_contain_text(words)
    cells = means.locator("tr").filter(has_text="Pages without fresh videos").locator("td").all_inner_texts()
    now, before = (float(cells[i].strip().removesuffix(" %")) for i in (1, 3))
    assert before < 1 < 90 < now
    assert "left out" in (page.locator('.diagram [data-stage="fresh"]').text_content() or "")


def test_trust_is_a_click_away_from_the_verdict(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/?stages.ranking.replicas=9")
    page.get_by_role("link", name="How far to believe this").click()
    visitor.until("location.pathname === '/trust'")
    visitor.settled()
    main = page.locator('[data-testid="stMain"]')
    expect(main).to_contain_text("python -m simulator validate --full --json")
    expect(main).to_contain_text(re.compile(r"simulated rows pass|has not been made"))
    visitor.address_has("stages.ranking.replicas=9")
    page.get_by_role("link", name="Explore").click()
    visitor.settled()
    assert "Misses" in visitor.verdict()
