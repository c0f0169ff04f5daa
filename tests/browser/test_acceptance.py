"""The acceptance checks of the app's design that no other test has. What is timed may take five times its goal here;
`python -m benchmarks.slider` measures it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import AS_WRITTEN, Visitor

Visit = Callable[..., Visitor]
LENIENT = 5  # times the goal, on a machine that does other things besides
FIRST_VIEW, NEW_FIGURES, PROGRESS = 6.0, 0.6, 0.3  # seconds
RANKER = "Heavy ranker replicas"


def test_the_first_view_answers_soon(visit: Visit, app: str) -> None:
    """Check 1: verdict, picture and Play are on the first screen."""
    visitor = visit(1280, 720)
    started = time.monotonic()
    page = visitor.page
    page.goto(app)
    seen = [page.locator(".st-key-answer [data-testid=stAlert]"), page.locator('.diagram [data-stage="ranking"]')]
    seen.append(page.get_by_role("button", name="Play"))
    for one in seen:
        expect(one.first).to_be_visible(timeout=FIRST_VIEW * LENIENT * 1000)
    assert time.monotonic() - started < FIRST_VIEW * LENIENT
    visitor.settled()
    for one in seen:
        box = one.first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 720


@pytest.mark.long
def test_two_controls_and_a_stage_come_back_with_the_link_and_the_browser_undoes(visit: Visit) -> None:
    """Check 3."""
    visitor = visit()
    page = visitor.open()
    verdicts = [visitor.verdict()]
    for label, path in (
        (RANKER, "stages.ranking.replicas"),
        ("Videos kept for the heavy ranker", "stages.prerank.keeps"),
    ):
        page.wait_for_timeout(1_600)  # the browser's word counts again
        visitor.press(label, "ArrowLeft", 1)
        visitor.address_has(f"{path}=")
        visitor.settled()
        page.wait_for_timeout(300)
        visitor.settled()
        verdicts.append(visitor.verdict())
    page.locator('.diagram [data-stage="collaborative"]').click()
    visitor.settled()
    other = visit()
    other.open(page.url.removeprefix(visitor.app))
    assert other.verdict() == visitor.verdict() == verdicts[-1]
    addresses = [AS_WRITTEN.lstrip("?"), "stages.ranking.replicas=13", "stages.prerank.keeps"]
    for step, to in (("back", 1), ("back", 0), ("forward", 1), ("forward", 2)):
        page.wait_for_timeout(1_600)
        page.go_back() if step == "back" else page.go_forward()
        visitor.until(f"location.search.includes('{addresses[to]}')")
        if to < 2:
            visitor.until(f"!location.search.includes('{addresses[to + 1]}')")
        page.wait_for_timeout(400)
        visitor.settled()
        assert visitor.verdict() == verdicts[to], f"{step} to {to}"


def test_a_change_is_quick_and_nothing_is_blank_meanwhile(visit: Visit) -> None:
    """Check 5: from a key to other figures; the picture and the charts are there in every frame, and the same ones."""
    visitor = visit()
    page = visitor.open()
    for where in (".diagram >> nth=0", ".st-key-latency .main-svg >> nth=0", ".st-key-queues .main-svg >> nth=0"):
        page.locator(where).evaluate("(e, where) => { (window.kept ??= []).push([where, e]); }", where)
    page.evaluate(
        """() => {
          window.gone = [];
          const look = () => {
            for (const [where, one] of window.kept) {
              const box = one.getBoundingClientRect();
              if (!one.isConnected || !box.width || !one.querySelector('path, rect')) window.gone.push(where);
            }
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    took = []
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft"):
        before = _figures(page)
        started = time.monotonic()
        visitor.press(RANKER, key)
        while _figures(page) == before:
            assert time.monotonic() - started < 60
            page.wait_for_timeout(20)
        took.append(time.monotonic() - started)
        visitor.settled()
    assert sorted(took)[1] < NEW_FIGURES * LENIENT
    assert page.evaluate("window.gone") == []


def _figures(page: Page) -> list[str]:
    return page.locator('[data-testid="stMetricValue"]').all_inner_texts()


def test_colour_is_never_alone(visit: Visit) -> None:
    """Check 10: a word and a sign at the verdict, a word at each stage."""
    visitor = visit()
    for design, sign, word in (("", "check_circle", "Holds"), ("&stages.ranking.replicas=9", "cancel", "Misses")):
        page = visitor.open(f"/{AS_WRITTEN}{design}")
        assert visitor.verdict().split()[:1] == [sign], "the icon's name"
        assert word in visitor.verdict()
        stages = page.locator(".diagram [data-stage]")
        assert stages.count() > 5
        for stage in stages.all():
            text = stage.text_content() or ""
            assert re.search(r"\d % (ok|busy|hot|saturated)|in service", text), text


@pytest.mark.long
def test_the_last_of_many_quick_changes_counts(visit: Visit) -> None:
    """Check 13: what is shown after a dozen is what a fresh load of the last address shows."""
    visitor = visit()
    visitor.open()
    for key in "LLLRLLRLLLRL":
        visitor.press(RANKER, "ArrowLeft" if key == "L" else "ArrowRight")
    visitor.address_has("stages.ranking.replicas=8")
    visitor.settled()
    other = visit()
    other.open(visitor.page.url.removeprefix(visitor.app))
    assert visitor.verdict() == other.verdict()
    assert _figures(visitor.page) == _figures(other.page)


def test_a_long_run_says_how_far_it_is_soon(visit: Visit) -> None:
    """Check 13: progress, and whose the results are meanwhile."""
    visitor = visit()
    page = visitor.open()
    page.goto(f"{visitor.app}/{AS_WRITTEN}&run.requests=2000000")
    progress = page.locator('[data-testid="stProgress"]')
    expect(progress).to_be_visible()
    started = time.monotonic()
    visitor.press(RANKER, "ArrowLeft")
    visitor.until("location.search.includes('ranking.replicas')")
    expect(progress).to_be_visible(timeout=PROGRESS * LENIENT * 1000 + 4_000)
    assert time.monotonic() - started < 10
    page.get_by_role("button", name="Reset").click()
    visitor.as_written()
    visitor.settled()


@pytest.mark.long
def test_each_difference_has_the_sign_of_its_figures(visit: Visit) -> None:
    """The figure before and after, the difference beneath it, and the arrow at it."""
    visitor = visit()
    page = visitor.open()
    before = _metrics(page)
    for change, up in (("&stages.ranking.replicas=9", "p99 latency"), ("&stages.ranking.replicas=20", "Cost")):
        visitor.open(f"/{AS_WRITTEN}{change}")
        after = _metrics(page)
        assert set(after) == set(before)
        for label, (value, difference, arrow) in after.items():
            moved = value - before[label][0]
            if moved:
                assert difference.startswith("+" if moved > 0 else "-"), label
                assert arrow in ("", "up" if moved > 0 else "down"), label
        assert after[up][0] > before[up][0]


def _metrics(page: Page) -> dict[str, tuple[float, str, str]]:
    """By its name a figure's value, its difference, and where the arrow points ('' without one)."""
    found = {}
    for one in page.locator('[data-testid="stMetric"]').all():
        label = one.locator('[data-testid="stMetricLabel"]').inner_text().strip()
        text = one.locator('[data-testid="stMetricValue"]').inner_text().strip()
        found[label] = (_number(text), *_difference(one))
    return found


def _number(text: str) -> float:
    """A figure in one unit: milliseconds, dollars, per cent."""
    number = re.search(r"[\d,.]*\d", text)
    assert number is not None, text
    return float(number.group().replace(",", "")) * (1000 if re.search(r"\d s$", text) else 1)


def _difference(metric: Locator) -> tuple[str, str]:
    said = metric.locator('[data-testid="stMetricDelta"]')
    if not said.count():
        return "", ""
    up, down = (said.locator(f'[data-testid="stMetricDeltaIcon-{way}"]').count() for way in ("Up", "Down"))
    return said.inner_text().strip().splitlines()[-1], "up" if up else "down" if down else ""
