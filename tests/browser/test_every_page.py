"""What holds on every page: everybody can use it, it fits every screen, nobody else is asked, nothing complains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import ARTIFACTS, ROOT, Visitor

Visit = Callable[..., Visitor]
MAIN = (ROOT / "ui" / "main.py").read_text(encoding="utf-8")
ONE = re.compile(r'st\.Page\(HERE / "(\w+)\.py",.*?url_path="([\w-]+)"(, default=True)?', re.DOTALL)
# The pages of the navigation, by the file; the first one's address is the bare one.
PAGES = {name: "" if first else address for name, address, first in ONE.findall(MAIN)}
FILES = {path.stem for path in (ROOT / "ui").glob("*.py") if path.read_text(encoding="utf-8").endswith("\npage()\n")}
WIDTHS = {390: "a phone", 640: "1280 pixels at 200 %", 768: "a tablet", 1280: "a laptop"}
SMALLEST = 11  # pixels of a text in a picture

WIDE = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
  .map((e) => e.scrollWidth - e.clientWidth)"""
# Of all headings that one can see, in the order of the page, the level. Components live in shadow trees.
HEADINGS = """() => {
  const inside = (e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])];
  const all = (root) => [...root.querySelectorAll('*')].flatMap(inside);
  const seen = all(document).filter((e) => /^H[1-6]$/.test(e.tagName) && e.checkVisibility());
  return seen.map((e) => Number(e.tagName[1]));
}"""
FOCUSED = """() => {
  let e = document.activeElement;
  while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
  return e === document.body ? null : e;
}"""
SEEN = """(e) => {
  const label = e.closest('label'), small = e.getBoundingClientRect().width <= 4;
  const { x, y, width, height } = (small && label ? label : e).getBoundingClientRect();
  const name = e.getAttribute('aria-label') || e.textContent.trim() || e.getAttribute('data-testid') || e.tagName;
  return { x, y, width, height, name };
}"""


def test_there_are_pages_and_all_are_in_the_navigation() -> None:
    assert len(PAGES) >= 9
    assert set(PAGES) == FILES


def impaired(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds serious or critical: contrast, names of controls, roles, ..."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it_on_every_screen(visit: Visit, name: str) -> None:
    visitor = visit()
    page = visitor.open(f"/{PAGES[name]}")
    found = dict(_wrong(visitor, page, name))
    assert {what: wrong for what, wrong in found.items() if wrong} == {}


def _wrong(visitor: Visitor, page: Page, name: str) -> Iterator[tuple[str, object]]:
    """What is looked at, and what is wrong with it."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(300)
        assert page.screenshot(path=ARTIFACTS / f"{name}_1440_{scheme}.png")
        yield f"in {scheme} colours", impaired(page)
    levels = page.evaluate(HEADINGS)
    yield "headings", "" if _in_order(levels) else levels
    if page.locator(".chart").count():
        tables = page.locator("table").count() + page.locator("summary").filter(has_text="table").count()
        yield "charts without a table", "" if tables else "none"
    for width, of in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(300)
        yield f"sideways on {of}", [over for over in page.evaluate(WIDE) if over > 1]
        sizes = page.locator(".diagram text").evaluate_all(
            "all => all.map((t) => parseFloat(getComputedStyle(t).fontSize))"
        )
        yield f"small texts on {of}", [size for size in sizes if size < SMALLEST]
        if width == 390:
            page.screenshot(path=ARTIFACTS / f"{name}_390_dark.png")
            yield "in dark colours on a phone", impaired(page)
    yield "asked elsewhere", visitor.outside
    yield "complaints", visitor.complaints
    yield "exceptions", page.locator('[data-testid="stException"]').all_inner_texts()


def _in_order(levels: list[int]) -> bool:
    """One heading of the page, first; below it none that leaves a level out."""
    return levels[:1] == [1] and levels.count(1) == 1 and all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == "explore" else pytest.mark.long) for one in PAGES]
)
@pytest.mark.long
def test_keys_reach_the_controls_and_one_sees_where_one_is(visit: Visit, name: str) -> None:
    """Tab by tab: what has the focus looks otherwise than without it."""
    visitor = visit()
    page = visitor.open(f"/{PAGES[name]}")
    page.emulate_media(reduced_motion="reduce")
    reached: list[str] = []
    unseen: list[str] = []
    for _ in range(25):
        page.keyboard.press("Tab")
        page.wait_for_timeout(60)
        here = page.evaluate_handle(FOCUSED).as_element()
        if here is None:
            break
        box = here.evaluate(SEEN)
        reached.append(box["name"][:60])
        clip = {
            "x": max(box["x"] - 8, 0),
            "y": max(box["y"] - 8, 0),
            "width": min(box["width"] + 16, 1440 - max(box["x"] - 8, 0)),
            "height": min(box["height"] + 16, 900 - max(box["y"] - 8, 0)),
        }
        if clip["width"] <= 0 or clip["height"] <= 0:
            unseen.append(f"{box['name'][:60]}: not on the screen")
            continue
        with_focus = page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
        here.evaluate("(e) => e.blur()")
        page.wait_for_timeout(60)
        without = page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]
        here.evaluate("(e) => e.focus({ preventScroll: true, focusVisible: true })")
        if with_focus == without:
            unseen.append(box["name"][:60])
    assert len(set(reached)) >= 8, reached
    assert unseen == []
