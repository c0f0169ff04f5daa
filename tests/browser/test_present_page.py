"""A story told step by step: numbers of runs, the stage in question, keys, and an address that keeps the step."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from cases import files
from simulator.run import simulate
from tests.browser.conftest import ARTIFACTS, Visitor
from ui import entries, runs
from ui import jobs as jobs_module
from ui.jobs import Job
from walkthrough import story
from walkthrough.story import Number

Visit = Callable[..., Visitor]
MAIN = Path(entries.__file__).parent / "main.py"
HEADER = '[data-testid="stHeader"]'
CASE = f"""format: 1
id: {files.FIRST}
title: One desk
question: How long does a request wait?
assumptions:
  wanted: {{value: 40..60 requests/s, basis: {{kind: estimate, note: a guess}}}}
workload: {{kind: poisson, rate: 50 requests/s}}
stages:
  - {{name: desk, replicas: 1, balancing: shared, service: {{kind: exponential, mean: 5 ms}}}}
designs:
  two: {{label: Two desks, changes: {{stages.desk.replicas: 2}}}}
scenarios:
  rush: {{label: A rush, events: [{{at: 20 s, path: workload.rate, times: 5, for: 5 s}}],
    contained_by: {{label: Six desks, changes: {{stages.desk.replicas: 6}}}}}}
run: {{requests: 500, replications: 3}}
"""
STORY = """walkthrough:
  - {step: clarify, asks: {How <b>many</b>?: "*about* {wanted}"}}
  - {step: metrics, says: ["Wait {latency_p99}, with two {latency_p99 with two}"], notes: "Half: {latency_p50}."}
"""


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one case, which has a story of two steps."""
    (tmp_path / f"{files.FIRST}.yaml").write_text(CASE + STORY, encoding="utf-8")
    monkeypatch.setattr(files, "CATALOG", tmp_path)
    return tmp_path


def anew(requests: int) -> None:
    """Make the case one that nobody has run yet: results are shared by the whole process."""
    path = files.catalog()[files.FIRST]
    text = path.read_text(encoding="utf-8").replace("requests: 500", f"requests: {requests}")
    path.write_text(text, encoding="utf-8")


def opened(**address: str) -> AppTest:
    page = AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("present.py")
    page.query_params.update(address)
    return page.run()


def slide(page: AppTest) -> str:
    assert not page.exception
    return next(one.proto.body for one in page.get("html") if 'class="slide"' in one.proto.body)


def test_what_needs_no_run_is_there_at_once_and_texts_are_texts(catalogue: Path) -> None:
    shown = slide(opened())
    assert "<dt>How &lt;b&gt;many&lt;/b&gt;?</dt>" in shown
    # Of a range the point is its geometric mean: the root of 40 times 60.
    assert re.search(r'\*about\* <abbr class="number" title="assumption; 90 % [^"]+">49 requests/s</abbr>', shown)


def test_numbers_wait_for_their_runs_and_follow(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Event()
    anew(503)

    def slowly(plan: Any, **more: Any) -> Any:
        ready.wait(30)
        return simulate(plan, **more)

    monkeypatch.setattr(runs, "simulate", slowly)
    page = opened(step="2")
    assert slide(page).count('class="number awaited"') == 2
    assert slide(page).count(">…</abbr>") == 2
    ready.set()
    for _ in range(200):
        if "awaited" not in slide(page.run()):
            break
    assert re.findall(r">([^<]+)</abbr>", slide(page)) == expected("says")
    page.button(key="notes").click().run()
    notes = next(one.proto.body for one in page.get("html") if 'class="notes"' in one.proto.body)
    assert re.findall(r">([^<]+)</abbr>", notes) == expected("notes")


def expected(where: str) -> list[str]:
    """The numbers of the second step, simulated here."""
    case = files.load(files.catalog()[files.FIRST])
    step = story.steps(case)[1]
    told = story.told(case, step, {run: simulate(story.planned(case, run)) for run in step.runs})
    texts = told.says if where == "says" else [told.notes]
    return [part.text for text in texts for part in text if isinstance(part, Number)]


def test_a_run_that_stops_is_explained(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anew(501)

    def stop(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr(runs, "simulate", stop)
    page = opened(step="2")
    for _ in range(50):
        if page.run().error:
            break
    said = [one.value.replace("\\", "") for one in page.error]
    assert len(said) == 1
    assert re.fullmatch(
        r"The simulation stopped \(ValueError\); it is [0-9a-f]{8} in the log\. "
        r"Your design is still in the address bar\.",
        said[0],
    )
    assert "awaited" in slide(page)


@pytest.mark.parametrize(("step", "shown"), [("0", 1), ("2", 2), ("99", 2), ("-1", 1), ("1e3", 1), ("x" * 300, 1)])
def test_any_step_of_the_address(catalogue: Path, step: str, shown: int) -> None:
    page = opened(step=step)
    assert not page.exception
    assert any(f"step {shown} of 2" in one.proto.body for one in page.get("html"))


def test_what_a_slow_browser_still_says_of_the_step_is_no_choice(catalogue: Path) -> None:
    page = opened()
    before = page.selectbox(key="present:step").set_value(1)
    next(one for one in page.run().button if one.label == "Next").click().run()
    before.run()  # an answer to a page that had not drawn the next step yet
    assert any("step 2 of 2" in one.proto.body for one in page.get("html"))
    assert next(one for one in page.selectbox if one.label == "Go to step").value == 2


def test_a_case_without_a_story_and_one_that_is_not_there(catalogue: Path) -> None:
    (catalogue / "mute.yaml").write_text(CASE.replace(files.FIRST, "mute"), encoding="utf-8")
    (catalogue / "broken.yaml").write_text("format: 1\n", encoding="utf-8")
    mute = opened(case="mute")
    assert "This case has no story yet" in mute.info[0].value
    for name, words in (("no_*such", "'no_*such' of the link is not here"), ("broken", "question: is missing")):
        page = opened(case=name)
        assert not page.exception
        assert words in page.warning[0].value.replace("\\", "")


def test_runs_of_steps_that_one_has_left_are_given_up(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Event()
    anew(502)
    monkeypatch.setattr(runs, "simulate", lambda plan, **_: ready.wait(30))
    jobs: dict[str, Job[Any]] = {}
    for module in (runs, jobs_module):
        monkeypatch.setattr(module, "jobs", lambda: jobs)
    page = opened(step="2")
    begun = {slot: job for slot, job in jobs.items() if slot.startswith(runs.STORY)}
    assert set(begun) == {runs.STORY, f"{runs.STORY}with two"}
    page.switch_page("estimate.py").run()
    assert not [slot for slot in jobs if slot.startswith(runs.STORY)]
    assert all(job.given_up for job in begun.values())
    ready.set()


# -- in a browser -----------------------------------------------------------------------------------------------------


def told_step() -> int:
    """A step of the first case that shows a problem and its fix at a moment."""
    known = story.steps(files.load(files.catalog()[files.FIRST]))
    return next(one.number for one in known if len(one.shows) == 2 and one.stage and one.at is not None)


def where(page: Page, number: int) -> None:
    expect(page.locator(".st-key-bar .where")).to_contain_text(f"step {number} of ")


def test_keys_lead_through_it_and_the_address_keeps_the_step(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/present")
    where(page, 1)
    expect(page.locator(HEADER)).to_be_visible()
    page.keyboard.press("p")
    visitor.until("location.search === '?present=1'")
    expect(page.locator(HEADER)).to_be_hidden()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_count(1)
    assert float(title.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 36
    lines = page.locator(".slide li, .slide dd").first
    assert float(lines.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 21
    for number in (2, 3):
        page.keyboard.press("PageDown")
        where(page, number)
    visitor.address_has("step=3")
    visitor.settled()
    said = title.inner_text()
    page.reload()
    visitor.settled()
    where(page, 3)
    assert title.inner_text() == said
    page.keyboard.press("PageUp")
    where(page, 2)
    visitor.settled()
    page.wait_for_timeout(1_700)  # the browser's word counts again
    page.go_back()
    where(page, 3)
    page.keyboard.press("n")
    expect(page.get_by_role("region", name="Speaker notes")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(HEADER)).to_be_visible()
    visitor.until("!location.search.includes('present')")
    where(page, 3)
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.mark.long
def test_the_picture_is_of_the_moment_before_and_after_the_fix(visit: Visit) -> None:
    visitor = visit()
    number = told_step()
    page = visitor.open(f"/present?step={number}")
    expect(page.locator("abbr.awaited")).to_have_count(0, timeout=120_000)
    visitor.settled()
    case = files.load(files.catalog()[files.FIRST])
    step = story.steps(case)[number - 1]
    lit = page.locator(".diagram .lit")
    expect(lit).to_have_count(1)
    assert lit.get_attribute("data-stage") == step.stage
    assert "This is about this stage" in (lit.text_content() or "")
    shown = page.locator(".st-key-on-show")
    expect(shown).to_contain_text(re.compile(r"Misses: .*The clock stands at"))
    drawn = page.locator(".diagram svg").text_content()
    chart = page.locator(".st-key-over-time .chart")
    expect(chart).to_have_attribute("aria-label", re.compile("Latency percentiles"))
    page.get_by_text("With the fix").click()
    visitor.address_has("fix=1")
    expect(shown).to_contain_text("Holds: ")
    visitor.settled()
    assert page.locator(".diagram svg").text_content() != drawn
    page.reload()
    visitor.settled()
    expect(shown).to_contain_text("Holds: ")
    page.screenshot(path=ARTIFACTS / "present_fix_1440_light.png")
    page.get_by_role("button", name="Next").click()
    where(page, number + 1)
    visitor.until("!location.search.includes('fix')")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    number = told_step()
    for address in (f"/present?step={number}&present=1", f"/present?step={number}"):
        page = visitor.open(address)
        page.keyboard.press("n")
        expect(page.get_by_role("region", name="Speaker notes")).to_be_visible()
        visitor.settled()
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    main = """document.querySelector('[data-testid="stMain"]')"""
    for width in (390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth"), f"at {width} pixels"
        page.screenshot(path=ARTIFACTS / f"present_{width}_{scheme}.png")
    assert visitor.complaints == []


@pytest.mark.long
def test_every_case_is_told_to_its_end(visit: Visit) -> None:
    """Each step of each story, in a browser: no exception, all numbers there, nothing wider than the screen."""
    visitor = visit()
    for name, case in entries.cases().items():
        page = visitor.open(f"/present?case={name}&present=1")
        for step in story.steps(case):
            where(page, step.number)
            expect(page.locator("abbr.awaited")).to_have_count(0, timeout=120_000)
            assert page.locator('[data-testid="stException"], [data-testid="stAlert"]').count() == 0
            expect(page.get_by_role("heading", level=1)).to_have_text(step.title)
            visitor.settled()
            page.keyboard.press("PageDown")
    assert visitor.complaints == []


@pytest.mark.long
def test_from_a_card_to_the_story_to_another_case_and_to_the_simulation(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/cases")
    page.get_by_role("link", name="Present").nth(2).click()  # the first is the navigation's
    visitor.until("location.pathname === '/present'")
    where(page, 1)
    title = page.get_by_role("combobox", name="Case").input_value()
    page.get_by_role("combobox", name="Go to step").click()
    page.get_by_role("option").nth(4).click()
    where(page, 5)
    page.wait_for_timeout(1_700)
    page.get_by_role("link", name="Explore").first.click()
    visitor.until("location.pathname === '/'")
    visitor.settled()
    expect(page.get_by_role("combobox", name="Case")).to_have_value(title)
    page.get_by_role("link", name="Present").first.click()
    visitor.until("location.pathname === '/present'")
    where(page, 5)
