"""Pictures of request paths with everything in them: drawn in a real browser, looked at for what a person would see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import ARTIFACTS, ROOT, Visitor, serving

EVERYTHING = ROOT / "tests" / "cases" / "good" / "request_path.yaml"
FAN_OUT = Path(__file__).parent / "fan_out.yaml"
CASES = {"everything": EVERYTHING, "fan_out": FAN_OUT}

# Boxes that overlap, and lines that run behind a box that they do not touch.
MESS = """(root) => {
  const boxes = [...root.querySelectorAll('[data-stage]')].map((g) => {
    const r = g.querySelector('.tint').getBoundingClientRect();
    return { name: g.dataset.stage, left: r.left, right: r.right, top: r.top, bottom: r.bottom };
  });
  const found = boxes.length > 5 ? [] : ['no boxes'];
  for (const a of boxes) for (const b of boxes) if (a.name < b.name &&
    Math.min(a.right, b.right) > Math.max(a.left, b.left) + 1 &&
    Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top) + 1) found.push(a.name + ' on ' + b.name);
  for (const g of root.querySelectorAll('[data-line]')) {
    const [start, end] = g.dataset.line.split(' '), path = g.querySelector('path');
    const frame = path.ownerSVGElement.getBoundingClientRect();
    for (let at = 0; at <= 1; at += 0.01) {
      const p = path.getPointAtLength(at * path.getTotalLength()), x = p.x + frame.left, y = p.y + frame.top;
      const inside = (b) => x > b.left + 1 && x < b.right - 1 && y > b.top + 1 && y < b.bottom - 1;
      const hit = boxes.find((b) => b.name !== start && b.name !== end && inside(b));
      if (hit) { found.push(g.dataset.line + ' behind ' + hit.name); break; }
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    with serving("tests/browser/pictures.py") as address:
        yield address


@pytest.mark.parametrize("name", CASES)
def test_no_line_runs_behind_a_box(pictures: str, chrome: Browser, name: str) -> None:
    page = _open(pictures, chrome, name)
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)
        assert page.locator(".diagram").evaluate(MESS) == [], f"at {width} pixels"
        page.locator(".diagram").screenshot(path=ARTIFACTS / f"picture_{name}_{width}.png")
    page.context.close()


def test_calls_others_people_shards_and_options_are_told_apart_in_words_and_shape(
    pictures: str, chrome: Browser
) -> None:
    page = _open(pictures, chrome, "everything")
    texts = {g.get_attribute("data-stage"): g.text_content() or "" for g in page.locator(".diagram [data-stage]").all()}
    assert "external" in texts["ads"]
    assert "people, 12 desks" in texts["reviewer"]
    assert "people" in texts["customer"]
    assert "×20 shards" in texts["search"]
    assert "optional" in texts["refill"]
    assert "on a miss" in texts["profile_store"]
    assert "hits" in texts["profile"]
    for endless in ("ads", "scorer", "customer"):
        assert "in service" in texts[endless]
        assert "%" not in texts[endless].split("in service")[0].rpartition(":")[2], "no share of a capacity"
        assert page.locator(f'.diagram [data-stage="{endless}"] .track').count() == 0
    shapes = {
        name: page.locator(f'.diagram [data-stage="{name}"] .tint').evaluate("e => e.tagName + e.getAttribute('rx')")
        for name in ("ranking", "ads", "reviewer")
    }
    assert len(set(shapes.values())) == 3
    assert page.locator('.diagram [data-stage="search"] .box').count() == 3, "shards are a stack"
    called = {
        g.get_attribute("data-line"): g.locator("title").text_content()
        for g in page.locator(".diagram [data-line]:has(.call)").all()
    }
    assert called == {
        "gateway profile": "gateway calls profile and keeps its worker meanwhile",
        "profile profile_store": "profile calls profile_store",
    }
    spoken = page.locator(".diagram svg").get_attribute("aria-label") or ""
    assert "gateway calls profile and keeps its worker meanwhile." in spoken
    assert "ads: " in spoken
    main = page.locator('[data-testid="stMain"]').inner_text()
    for words in ("Dashed arrows: called within", "By class of request", "Paid", "fewer than ten", "Watched"):
        assert words in main
    page.context.close()


def _open(pictures: str, chrome: Browser, name: str) -> Page:
    visitor = Visitor(pictures, chrome.new_context(viewport={"width": 1440, "height": 1000}))
    page = visitor.open(f"/?case={CASES[name]}")
    page.wait_for_selector(".diagram svg")
    return page
