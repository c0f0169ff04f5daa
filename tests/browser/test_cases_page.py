"""The catalogue as cards: found by words and topic, judged beside the page, opened in one click, broken or not."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from cases import files
from tests.browser.conftest import ARTIFACTS, Visitor
from ui import entries, runs
from walkthrough.still import still

Visit = Callable[..., Visitor]
MAIN = Path(entries.__file__).parent / "main.py"
CASE = """format: 1
id: {id}
title: {title}
question: How <b>long</b> does a *request* wait?
note: "[What](x) to watch"
topics: [{topic}]
workload: {{kind: poisson, rate: 50 requests/s}}
stages:
  - {{name: desk, replicas: 1, service: {{kind: exponential, mean: 5 ms}}}}
  - {{name: ads, after: [desk], external: {{}}, service: {{kind: constant, mean: 5 ms}}}}
  - {{name: clerk, after: [ads], required: false, late_after: 10 ms, timeout: 5 min, person: {{answers: 90 %}}, service: {{kind: constant, mean: 1 s}}}}
objectives: [{{metric: latency, percentile: 99, at_most: 200 ms}}]
run: {{requests: 500, replications: 3}}
"""  # noqa: E501


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of cases: two that are fine, one that is not."""
    texts = {
        files.FIRST: CASE.format(id=files.FIRST, title="One <i>desk</i>", topic="desks, '*hard*'"),
        "other": CASE.format(id="other", title="Another", topic="queues"),
        "broken": "format: 1\nid: broken\nstages: <b>none</b>\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(files, "CATALOG", tmp_path)
    return tmp_path


@pytest.fixture
def page(catalogue: Path) -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("catalogue.py").run()


def cards(page: AppTest) -> list[str]:
    assert not page.exception
    return [one.proto.body for one in page.get("html") if one.proto.body.startswith("<h2>")]


def test_a_broken_file_is_a_card_with_its_message(page: AppTest) -> None:
    shown = {card.partition("</h2>")[0].removeprefix("<h2>"): unescape(card) for card in cards(page)}
    assert list(shown) == ["One &lt;i&gt;desk&lt;/i&gt;", "broken", "Another"]
    assert "This file cannot be read" in shown["broken"]
    assert "broken.yaml:3: stages" in shown["broken"]
    assert "question: is missing" in shown["broken"]


def test_a_file_that_is_mended_is_read_again(page: AppTest, catalogue: Path) -> None:
    (catalogue / "broken.yaml").write_text(CASE.format(id="broken", title="Mended", topic="x"), encoding="utf-8")
    assert any("<h2>Mended</h2>" in card for card in cards(page.run()))


def test_the_texts_of_a_case_are_texts(page: AppTest) -> None:
    card = cards(page)[0]
    assert "How &lt;b&gt;long&lt;/b&gt; does a *request* wait?" in card
    assert "[What](x) to watch" in card
    assert "<li>*hard*</li>" in card
    assert "p99 within 200 ms" in card


def test_a_search_of_which_nobody_was_told_counts(page: AppTest) -> None:
    """Streamlit breaks off what is called of it when the next thing comes then; spaces around are nobody's wish."""
    page.session_state["cases:find"] = " another "
    assert ["<h2>Another</h2>" in card for card in cards(page.run())] == [True]
    assert page.query_params["find"] in ("another", ["another"])
    assert page.text_input[0].value == "another"


def test_whether_the_baseline_holds_follows(page: AppTest) -> None:
    for _ in range(100):
        judged = [card for card in cards(page) if "✓</span> holds" in card]
        if len(judged) == 2:
            break
        page.run()
    assert len(judged) == 2
    assert 'title="Holds: p99 ' in judged[0]


def test_a_run_that_stops_is_said_once_and_not_tried_again(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def stop(*_: object, **__: object) -> None:
        tried.append(1)
        raise ValueError

    monkeypatch.setattr(runs, "simulate", stop)
    path = files.catalog()["other"]
    path.write_text(path.read_text(encoding="utf-8").replace("500", "501"), encoding="utf-8")
    for _ in range(100):
        if any("no result" in card for card in cards(page.run())):
            break
    for _ in range(3):
        assert any("The simulation stopped (ValueError)" in card for card in cards(page.run()))
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("find", "topic", "found"),
    [
        ("DESK one", None, ["One &lt;i&gt;desk&lt;/i&gt;"]),
        ("bro", None, ["broken"]),
        ("no such", None, []),
        ("", "queues", ["Another"]),
        ("", "no such topic", ["One &lt;i&gt;desk&lt;/i&gt;", "broken", "Another"]),
    ],
)
def test_search_and_topic_of_the_address(catalogue: Path, find: str, topic: str | None, found: list[str]) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("catalogue.py")
    page.query_params.update({"find": find} | ({} if topic is None else {"topic": topic}))
    page.run()
    assert [card.partition("</h2>")[0].removeprefix("<h2>") for card in cards(page)] == found
    assert page.query_params.get("topic") in (None, ["queues"], "queues")


def test_a_still_picture_shows_every_stage_and_says_them(catalogue: Path) -> None:
    case = files.load(files.catalog()["other"])
    drawn = still(case)
    svg = unquote(drawn)
    assert 'alt="Request path: desk, ads, clerk."' in drawn
    assert svg.count("<rect") == 2  # ours, and a person with round ends
    assert svg.count("<polygon") == 1  # somebody else's
    assert svg.count("<path") == 2
    assert 'class="person optional"' in svg


# -- in a browser -----------------------------------------------------------------------------------------------------


def test_found_and_opened_in_one_click(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/cases")
    shown = page.locator('[class*="st-key-card-"]')
    expect(shown).to_have_count(len(files.catalog()))
    expect(page.locator(".badge").first).to_have_text("✓ holds")
    assert page.locator("img.still").first.evaluate("e => e.complete && e.naturalWidth > 0")
    title = shown.last.locator("h2").inner_text()
    search = page.get_by_role("textbox", name="Search")
    visitor.settled()
    search.fill(title)
    search.press("Enter")
    visitor.until("location.search.startsWith('?find=')")
    expect(shown).to_have_count(1)
    page.reload()
    visitor.settled()
    expect(search).to_have_value(title)
    expect(shown).to_have_count(1)
    page.locator("img.still").click(position={"x": 20, "y": 20}, force=True)  # anywhere on the card: the link covers it
    visitor.until("location.pathname === '/' && location.search.startsWith('?case=')")
    visitor.settled()
    expect(page.get_by_role("combobox", name="Case")).to_have_value(title)
    assert visitor.verdict()
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Visit, scheme: str) -> None:
    visitor = visit(width=390, height=844, color_scheme=scheme)
    page = visitor.open("/cases")
    visitor.settled()
    main = """document.querySelector('[data-testid="stMain"]')"""
    for width in (390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth"), f"at {width} pixels"
        page.screenshot(path=ARTIFACTS / f"cases_{width}_{scheme}.png")
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.long
def test_a_question_unfolds_without_opening_the_case_and_keys_suffice(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/cases")
    first = page.locator("details.question").first
    folded = first.bounding_box()
    first.locator("summary").press("Enter")
    expect(first).to_have_attribute("open", "")
    unfolded = first.bounding_box()
    assert folded is not None
    assert unfolded is not None
    assert unfolded["height"] > folded["height"]
    assert "/cases" in page.url
    page.get_by_role("combobox", name="Topic").click()
    page.get_by_role("option").nth(1).click()
    visitor.until("location.search.startsWith('?topic=')")
    visitor.settled()
    page.wait_for_timeout(1_700)  # the browser's word counts again
    page.go_back()
    expect(page.locator('[class*="st-key-card-"]')).to_have_count(len(files.catalog()))
    page.get_by_role("link", name="Explore").nth(1).press("Enter")
    visitor.until("location.pathname === '/'")
    visitor.settled()
    assert visitor.verdict()
