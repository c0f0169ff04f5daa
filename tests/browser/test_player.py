"""The player on Explore: the clock, what it shows at a moment, the dots, the stage that is open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from cases import files
from simulator.plan import plan
from simulator.report import label_of, load_word, percent
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.workload import SECOND
from tests.browser.conftest import ARTIFACTS, Visitor

Visit = Callable[..., Visitor]
BROKEN = "/?scenario=load_spike"  # a design that misses its objective for a while
FIRST_OVER = re.compile(r"Go to [\d.]+ s")


def play(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("Play|Pause"))


def clock(page: Page) -> float:
    """Seconds."""
    return float(page.locator(".diagram").evaluate("e => e.player.clock")) / 10_000


def move(page: Page, seconds: float) -> None:
    """With the range input, as a finger does."""
    page.get_by_role("slider", name="Simulated time").evaluate(
        "(e, to) => { e.value = to; e.dispatchEvent(new Event('input', {bubbles: true})); }", seconds * 10_000
    )


def stage(page: Page, name: str) -> Locator:
    return page.locator(f'.diagram [data-stage="{name}"]')


def dots_are_there(visitor: Visitor) -> None:
    """What requests did comes a moment after the results."""
    visitor.until("document.querySelector('.st-key-diagram') !== null")
    diagram = visitor.page.locator(".diagram")
    for _ in range(200):
        if diagram.evaluate("e => e.player.moves !== null"):
            return
        visitor.page.wait_for_timeout(100)
    raise AssertionError("no requests to watch within 20 s")


@pytest.fixture(scope="module")
def spike() -> SimulationResult:
    case = files.load(files.catalog()[files.FIRST])
    return simulate(plan(case, scenario="load_spike"))


@pytest.fixture(scope="module")
def broken(app: str, chrome: Browser) -> Iterator[Visitor]:
    """On the page of the spike, for all who only look at it and move its clock."""
    context = chrome.new_context(viewport={"width": 1440, "height": 900})
    visitor = Visitor(app, context)
    visitor.open(BROKEN)
    yield visitor
    context.close()


def test_play_is_on_the_first_screen_and_the_whole_run_is_shown_at_rest(visit: Visit) -> None:
    visitor = visit(1280, 720)
    page = visitor.open()  # a case that fails
    for seen in (play(page), stage(page, "ranking")):
        box = seen.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 720
    expect(page.locator(".clock")).to_have_text("whole run")
    assert clock(page) == 0
    expect(page.locator(".value.p99")).to_contain_text(visitor.figure("p99"))


@pytest.mark.long
def test_playing_is_smooth_and_goes_on_while_other_things_change(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open(BROKEN)
    dots_are_there(visitor)
    diagram = page.locator(".diagram")
    diagram.evaluate("e => { e.player.mark = 1; e.player.paints = 0; const paint = e.player.paint; "
                     "e.player.paint = function () { this.paints++; const t = performance.now(); paint.call(this); "
                     "this.took = (this.took ?? 0) + performance.now() - t; }; }")  # fmt: skip
    play(page).click()
    page.wait_for_timeout(2_000)
    paints, took = diagram.evaluate("e => [e.player.paints, e.player.took]")
    assert paints >= 2 * 60 / 5, "frames a second, at a fifth of the goal"
    assert took / paints < 16, "ms a frame: about 1 on an idle machine"
    assert diagram.evaluate("e => e.player.shown") > 20, "dots"
    before = clock(page)
    visitor.press("Heavy ranker replicas", "ArrowRight")
    visitor.address_has("stages.ranking.replicas=15")
    visitor.settled()
    assert diagram.evaluate("e => e.player.mark") == 1, "it is the same player"
    assert clock(page) > before > 1
    expect(play(page)).to_contain_text("Pause")
    play(page).click()
    stopped = clock(page)
    page.wait_for_timeout(300)
    assert clock(page) == stopped
    assert visitor.complaints == []


def test_it_stops_at_the_end_and_begins_again(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    end = float(page.locator(".diagram").evaluate("e => e.player.end")) / 10_000
    move(page, end - 0.2)
    play(page).click()
    expect(play(page)).to_contain_text("Play")
    expect(page.locator(".clock")).to_have_text("whole run")
    play(page).click()
    page.wait_for_timeout(300)
    assert 0 < clock(page) < 3


def test_the_screen_tells_the_truth(broken: Visitor, spike: SimulationResult) -> None:
    """Queue, utilisation, replicas and percentiles at a moment are the engine's."""
    page = broken.page
    timeline = spike.timeline
    assert timeline is not None
    waited = 0
    for seconds in (3.0, 8.0, 10.0, 14.0):
        move(page, seconds)
        row = int((timeline.times >= seconds * SECOND).argmax())
        for s, name in enumerate(timeline.names):
            text = " ".join(stage(page, name).locator("text").all_text_contents())
            waiting = int(timeline.waiting[row, s])
            waited += waiting
            assert f"queue {waiting if waiting < 1000 else f'{waiting / 1000:.1f}k'} " in f"{text} "
            assert percent(float(timeline.stages["utilisation"][row, s])) in text
            assert f"×{timeline.replicas[row, s]:.0f}" in text
        for name, values in timeline.percentiles.items():
            shown, unit = page.locator(f".value.{name} b").inner_text().split()
            value = values[row]
            assert value is not None
            assert float(shown) * {"ms": 1, "s": 1000}[unit] == pytest.approx(value, rel=0.006)
    assert waited > 1_000, "something happened in between"


def test_the_lanes_tell_each_stage_over_time(broken: Visitor, spike: SimulationResult) -> None:
    """As high as it is busy, in the colour of the word for that, and its queue against the longest of all."""
    timeline, case = spike.timeline, files.load(files.catalog()[files.FIRST])
    assert timeline is not None
    lanes = broken.page.locator(".time .lane")
    assert lanes.locator("text").all_text_contents() == [label_of(case, name) for name in timeline.names]
    longest = timeline.waiting.max()
    for s in range(len(timeline.names)):
        lane = lanes.nth(s)
        tall = float(lane.locator(".track").get_attribute("height") or 0)
        foot = float(lane.locator(".track").get_attribute("y") or 0) + tall
        filled: dict[str, list[float]] = {}
        for word in ("ok", "busy", "hot", "saturated"):
            if lane.locator(f".load.{word}").count():
                drawn = lane.locator(f".load.{word}").get_attribute("d") or ""
                filled[word] = [(foot - float(y)) / tall for y in re.findall(r"V([\d.]+)H", drawn)]
        busy = timeline.stages["utilisation"][:, s]
        words = {word: [u for u in busy if load_word(u) == word and u > 0] for word in filled}
        assert sum(map(len, words.values())) == len([u for u in busy if u > 0])
        for word, heights in filled.items():
            assert heights == pytest.approx([min(u, 1) for u in words[word]], abs=0.01)
        if timeline.waiting[:, s].any():
            points = re.findall(r"[ML][\d.]+,([\d.]+)", lane.locator(".waits").get_attribute("d") or "")
            queue = [(foot - float(y)) / tall * longest for y in points[1:]]
            assert queue == pytest.approx(timeline.waiting[:, s].tolist(), abs=0.01 * longest)


def test_keys_and_the_chart_move_the_clock(broken: Visitor) -> None:
    page = broken.page
    move(page, 0.0)
    slider = page.get_by_role("slider", name="Simulated time")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert clock(page) == 2
    slider.press("ArrowLeft")
    assert clock(page) == 1
    said = slider.get_attribute("aria-valuetext") or ""
    assert re.fullmatch(r"1\.0 of \d+\.\d seconds, p99 \d+ ms", said)
    stage(page, "ranking").focus()
    page.keyboard.press("ArrowRight")
    assert clock(page) == 2
    box = page.locator(".area").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60)
    page.mouse.down()
    early = clock(page)
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60)
    late = clock(page)
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    assert 2 < early < late == clock(page)


def test_events_the_objective_and_the_baseline_stand_on_the_time_line(broken: Visitor) -> None:
    page = broken.page
    time = page.locator("svg.time")
    expect(time).to_contain_text("load x2")
    expect(time).to_contain_text("objective p99 200 ms")
    expect(time.locator(".band")).to_have_count(1)
    assert (time.locator("path.was").get_attribute("d") or "").startswith("M")
    expect(page.get_by_text(re.compile(r"1 dot = 1 of [\d,]+ requests.*not to scale"))).to_be_visible()


def test_go_to_the_first_breach(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open(BROKEN)
    button = page.get_by_role("button", name=FIRST_OVER)
    said = float((button.inner_text().split("Go to ")[1]).split()[0])
    for _ in range(2):  # a second time, too
        move(page, 1.0)
        button.click()
        visitor.settled()
        assert clock(page) == pytest.approx(said, abs=0.01)
    p99, unit = page.locator(".value.p99 b").inner_text().split()
    assert float(p99) * {"ms": 1, "s": 1000}[unit] > 200
    visitor.open("/?stages.ranking.replicas=15")
    expect(page.get_by_role("button", name=FIRST_OVER)).to_have_count(0)


@pytest.mark.parametrize("way", [pytest.param("click", marks=pytest.mark.long), "Enter"])  # a finger: on a phone
def test_a_stage_opens_its_controls(visit: Visit, way: str) -> None:
    visitor = visit()
    page = visitor.open()
    box = stage(page, "collaborative")

    def turn() -> None:
        if way == "click":
            box.click()
        else:
            box.focus()
            page.keyboard.press(way)
        visitor.settled()

    turn()
    expect(box).to_have_attribute("aria-pressed", "true")
    focused = "e => e.getRootNode().activeElement === e"
    assert box.evaluate(focused)
    replicas = page.get_by_role("textbox", name="Replicas")
    expect(replicas).to_have_value("7")
    replicas.fill("9")
    replicas.press("Enter")
    visitor.address_has("stages.collaborative.replicas=9")
    visitor.settled()
    expect(box).to_contain_text("×9")
    expect(box).to_have_attribute("aria-pressed", "true")
    replicas.fill("0")
    replicas.press("Enter")
    expect(page.get_by_text("from 1 to 1,000,000").first).to_be_visible()
    assert "stages.collaborative.replicas=9" in page.url, "a number that cannot be is not taken"
    turn()
    expect(box).to_have_attribute("aria-pressed", "false")
    expect(replicas).to_have_count(0)


def test_dots_lie_on_their_lines(visit: Visit) -> None:
    """Each painted point is on a line of the picture, or beside a box where somebody waits."""
    visitor = visit()
    page = visitor.open()
    dots_are_there(visitor)
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        move(page, 2.0)
        astray, painted = page.locator(".diagram").evaluate(
            """root => {
              const canvas = root.querySelector('canvas'), scale = canvas.width / canvas.clientWidth;
              const seen = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
              const places = [...root.querySelectorAll('path.edge')].flatMap((path) => {
                const long = path.getTotalLength();
                return Array.from({length: 200}, (_, i) => path.getPointAtLength(long * i / 199));
              });
              let painted = 0, astray = 0;
              for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++) {
                if (seen.data[4 * (y * canvas.width + x) + 3] < 128) continue;
                painted++;
                if (!places.some((p) => Math.hypot(p.x - x / scale, p.y - y / scale) < 4.5)) astray++;
              }
              return [astray, painted];
            }"""
        )
        assert painted > 200
        assert astray <= painted / 20, f"at {width} pixels"


def test_the_clock_tells_where_it_stands_and_follows_the_page(visit: Visit) -> None:
    """Once it stands; an answer to an older move has no new wish, so it does not move it back."""
    visitor = visit()
    page = visitor.open(BROKEN)
    diagram = page.locator(".diagram")
    diagram.evaluate(
        "e => { const p = e.player; p.said = []; "
        "p.component = { ...p.component, setStateValue: (name, value) => p.said.push([name, value]) }; }"
    )
    slider = page.get_by_role("slider", name="Simulated time")
    for _ in range(3):
        slider.press("ArrowRight")
    page.wait_for_timeout(500)
    assert diagram.evaluate("e => e.player.said.at(-1)") == ["at", 3]
    diagram.evaluate("e => e.player.go({ ...e.player.data.watch.go })")
    assert clock(page) == 3, "that is older"
    diagram.evaluate("e => e.player.go({ to: 1, turn: e.player.turn + 1 })")
    assert clock(page) == 1, "the browser's Back"


def test_who_wants_no_motion_gets_none(visit: Visit) -> None:
    visitor = visit(reduced_motion="reduce")
    page = visitor.open(BROKEN)
    dots_are_there(visitor)
    assert clock(page) == 0
    expect(play(page)).to_contain_text("Play")
    play(page).click()
    page.wait_for_timeout(1_000)
    assert clock(page) > 0.3, "numbers move when one asks for it"
    assert page.locator(".diagram").evaluate("e => e.player.shown") == 0


@pytest.mark.long
def test_the_picture_stays_where_it_is(visit: Visit) -> None:
    """Whatever the verdict, and while a run is under way."""
    visitor = visit()
    page = visitor.open("/?run.requests=60000")
    tops = set()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowLeft"):
        visitor.press("Heavy ranker replicas", key, 3)
        for _ in range(8):
            page.wait_for_timeout(150)
            box = page.locator(".diagram").bounding_box()
            assert box is not None
            tops.add(box["y"])
        visitor.settled()
    assert "Misses" in visitor.verdict()
    assert len(tops) == 1


def test_on_a_phone(visit: Visit) -> None:
    visitor = visit(390, 844, has_touch=True)
    page = visitor.open(BROKEN)
    dots_are_there(visitor)
    box = stage(page, "ranking")
    box.tap()
    visitor.settled()
    expect(box).to_have_attribute("aria-pressed", "true")
    page.locator(".area").tap()
    assert 5 < clock(page) < 14
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1
    knob, queues = page.get_by_role("slider", name="Heavy ranker replicas"), page.get_by_text("Queues over time")
    line, first, after = (x.bounding_box() for x in (page.locator(".area"), knob, queues))
    assert line is not None
    assert first is not None
    assert after is not None
    assert line["y"] < first["y"] < after["y"], "the controls of a stage come right after the picture"
    page.screenshot(path=ARTIFACTS / "player_phone.png")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    page = visitor.open(BROKEN)
    stage(page, "ranking").click()
    visitor.settled()
    move(page, 9.0)
    found = Axe().run(page)
    bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in bad] == []
    assert visitor.complaints == []
    assert visitor.outside == []
    page.screenshot(path=ARTIFACTS / f"player_{scheme}.png")
