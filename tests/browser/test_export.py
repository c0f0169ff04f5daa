"""An exported walkthrough in a real browser: from disk, with everything recorded that it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cases import files
from tests.browser.conftest import ARTIFACTS, serving
from walkthrough import material
from walkthrough.export import export, write
from walkthrough.material import Material

CASES = Path(__file__).parents[1]
STORY, HOSTILE = CASES / "cases" / "good" / "story.yaml", CASES / "walkthrough" / "hostile.yaml"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
MILLIMETRE = 96 / 25.4
SHEET = {"landscape": (277, 190), "upright": (190, 277)}  # mm within the margins
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a story and of a case that would like to be more than text."""
    folder = tmp_path_factory.mktemp("exported")
    made = {}
    for name, path in (("story", STORY), ("hostile", HOSTILE)):
        made[name] = folder / f"{name}.html"
        write(made[name], export(files.load(path)))
    return made


@pytest.fixture
def opened(chrome: Browser, written: dict[str, Path]) -> Iterator[Opened]:
    """Opens one from disk; in the end nothing else was asked for, said or complained of."""
    contexts: list[BrowserContext] = []
    heard: list[str] = []

    def open_it(name: str, width: int = 1440, height: int = 900, **options: object) -> Page:
        address = written[name].as_uri()
        context = chrome.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: request.url == address or heard.append(f"asks for {request.url}"))
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not heard


@pytest.mark.parametrize("name", ["story", "hostile"])
def test_it_is_readable_at_any_width_and_asks_for_nothing(opened: Opened, name: str) -> None:
    for width, scheme in ((1440, "light"), (390, "dark")):
        page = opened(name, width, color_scheme=scheme)
        assert page.evaluate(SIDEWAYS) <= 0
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(200)
        page.screenshot(path=ARTIFACTS / f"export_{name}_{width}.png")
        assert page.evaluate("document.scripts.length") == 1
        assert (
            page.evaluate("document.querySelectorAll('base, iframe, object, link, form, input, marquee').length") == 0
        )
        expect(page.locator("#case")).to_have_count(1)
        summary = page.get_by_text("The case as written, as YAML")
        summary.click()
        assert files.loads(page.locator("#case").text_content() or "", "again").tree == files.load(
            {"story": STORY, "hostile": HOSTILE}[name]
        ).tree  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(opened: Opened, scheme: str) -> None:
    page = opened("story", color_scheme=scheme)
    page.locator("details").last.locator("summary").click()
    found = Axe().run(page)
    grave = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert not grave, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in grave]


def test_keys_go_from_step_to_step_and_hide_the_notes(opened: Opened) -> None:
    page = opened("story")
    expect(page.locator(".keys")).to_be_visible()

    def at_the_top() -> str:
        return str(page.evaluate("document.elementFromPoint(700, 20).closest('.step')?.id ?? ''"))

    assert at_the_top() == ""
    for number in (1, 2, 3):
        page.keyboard.press("PageDown")
        assert at_the_top() == f"step-{number}"
    page.keyboard.press("PageUp")
    assert at_the_top() == "step-2"
    notes = page.locator("#step-2 .notes")
    expect(notes).to_be_visible()
    page.keyboard.press("n")
    expect(notes).to_be_hidden()
    page.keyboard.press("N")
    expect(notes).to_be_visible()
    page.get_by_role("link", name="Sources").or_(page.get_by_role("link", name="Again")).first.click()
    assert page.url.endswith("#again")


def test_without_scripts_all_of_it_is_there(opened: Opened) -> None:
    page = opened("story", java_script_enabled=False)
    expect(page.locator(".keys")).to_be_hidden()
    expect(page.locator(".step")).to_have_count(len(files.load(STORY).walkthrough))
    expect(page.locator("#step-2 .notes")).to_be_visible()
    expect(page.locator("#step-11 svg.path")).to_have_count(2)
    expect(page.locator("#step-11 svg.plot")).to_have_count(2)


def test_on_paper_each_step_has_a_page(opened: Opened) -> None:
    page = opened("story")
    printed = page.pdf(prefer_css_page_size=True)
    steps = len(files.load(STORY).walkthrough)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= steps + 3
    page.emulate_media(media="print")
    for way, inside in (("landscape", ":not(:has(.pair))"), ("upright", ":has(.pair)")):
        wide, high = (int(side * MILLIMETRE) for side in SHEET[way])
        page.set_viewport_size({"width": wide, "height": high})
        heights = page.evaluate(
            f"[...document.querySelectorAll('.step{inside}')].map(one => one.getBoundingClientRect().height)"
        )
        assert heights
        assert max(heights) <= high
        assert page.evaluate(SIDEWAYS) <= 0


def test_words_in_boxes_stay_within_them(opened: Opened) -> None:
    page = opened("story")
    beyond = page.evaluate(
        """[...document.querySelectorAll('svg.path .stage')].flatMap(stage => {
            const box = stage.querySelector('.box').getBoundingClientRect();
            return [...stage.querySelectorAll('text')].filter(text => {
                const place = text.getBoundingClientRect();
                return place.left < box.left || place.right > box.right + 0.5 || place.bottom > box.bottom;
            }).map(text => text.textContent);
        })"""
    )
    assert beyond == []
    assert page.evaluate("document.querySelectorAll('svg.path .stage').length") > 20


def test_the_file_says_what_the_runs_say(opened: Opened) -> None:
    made: Material = material.gather(files.load(STORY))
    page = opened("story")
    for run, result in made.runs.items():
        row = page.locator("#again tr").filter(has_text=result.key)
        expect(row).to_have_count(1)
        expect(row.locator("td").first).to_have_text(material.run_text(made.case, run))


@pytest.mark.long
def test_the_button_makes_the_file_and_then_saves_it(chrome: Browser, written: dict[str, Path], tmp_path: Path) -> None:
    with serving("tests/browser/exporting.py") as address:
        context = chrome.new_context(accept_downloads=True)
        page = context.new_page()
        page.goto(f"{address}/?case={STORY}")
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as waited:
            page.get_by_role("button", name="Save the file").click()
        assert waited.value.suggested_filename == "story.html"
        waited.value.save_as(tmp_path / "saved.html")
        context.close()
    assert (tmp_path / "saved.html").read_bytes() == written["story"].read_bytes()
