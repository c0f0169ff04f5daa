"""What one tab remembers: steps back and forth, its runs, and its address."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import SelectSlider

from cases import files
from cases.errors import RunError
from simulator.control import Progress
from tests.browser.conftest import Visitor
from ui import entries, jobs
from ui.jobs import Job, Runs
from ui.steps import MOST, Steps
from ui.waiting import how_far

Visit = Callable[..., Visitor]
MAIN = Path(entries.__file__).parent / "main.py"
KNOB, PATH = "Heavy ranker replicas", "stages.ranking.replicas"
LONG = "run.requests=3000000"


# -- steps -------------------------------------------------------------------------------------------------------------


def test_steps_go_back_and_forth() -> None:
    steps: Steps[str] = Steps()
    assert steps.undo("a") == steps.redo("a") == "a"
    steps.made("a")
    steps.made("b")  # now at c
    assert steps.undo("c") == "b"
    assert steps.undo("b") == "a"
    assert steps.redo("a") == "b"
    steps.made("b")  # another way: c is gone
    assert steps.redo("d") == "d"
    assert steps.past == ["a", "b"]


def test_the_browsers_back_and_forward_are_the_same_steps() -> None:
    steps: Steps[str] = Steps()
    steps.made("a")
    steps.arrived("b", "a")
    assert (steps.past, steps.future) == ([], ["b"])
    steps.arrived("a", "b")
    assert (steps.past, steps.future) == (["a"], [])
    steps.arrived("b", "z")  # a link
    assert (steps.past, steps.future) == (["a", "b"], [])


def test_steps_are_bounded() -> None:
    steps: Steps[int] = Steps()
    for i in range(MOST + 10):
        steps.made(i)
    assert len(steps.past) == MOST
    assert steps.past[-1] == MOST + 9


def as_written() -> AppTest:
    """Explore, with the first case."""
    page = AppTest.from_file(str(MAIN), default_timeout=120)
    page.query_params["case"] = files.FIRST
    return page.run()


def knob(page: AppTest) -> SelectSlider[str]:
    return next(one for one in page.select_slider if one.label == KNOB)


def replicas(page: AppTest) -> str:
    return str(knob(page).value)


def turn(page: AppTest, text: str) -> None:
    knob(page).set_value(text).run()


def press(page: AppTest, label: str) -> AppTest:
    return next(one for one in page.button if one.label == label).click().run()


def test_undo_and_redo_move_the_knob_and_the_address() -> None:
    page = as_written()
    turn(page, "12")
    turn(page, "9")
    press(page, "Undo")
    assert replicas(page) == "12"
    assert page.query_params[PATH] in ("12", ["12"])
    press(page, "Undo")
    assert replicas(page) == "14"
    assert PATH not in page.query_params
    press(page, "Redo")
    assert replicas(page) == "12"
    press(page, "Reset")
    assert replicas(page) == "14"
    press(page, "Undo")
    assert replicas(page) == "12"
    assert not page.exception


def test_what_a_slow_browser_still_says_of_a_knob_is_no_move() -> None:
    page = as_written()
    turn(page, "12")
    turn(page, "9")
    before = knob(page).set_value("9")
    press(page.run(), "Undo")
    before.run()  # the answer of a page that has not drawn the step back yet
    assert replicas(page) == "12"
    turn(page, "10")
    taken = knob(page).id
    turn(page, "11")
    assert replicas(page) == "11"
    assert knob(page).id == taken  # the hand may go on with it
    assert not page.exception


def test_a_move_of_which_nobody_was_told_counts() -> None:
    """When the next one comes while its callback runs, Streamlit breaks that off, and does not call it again."""
    page = as_written()
    turn(page, "12")
    taken = knob(page).id
    page.session_state[knob(page).key] = "9"
    page.run()
    assert (replicas(page), knob(page).id) == ("9", taken)
    assert page.query_params[PATH] in ("9", ["9"])
    press(page, "Undo")
    assert replicas(page) == "12"
    assert not page.exception


@pytest.mark.parametrize("at", ["8", "7.25", "0"])
def test_a_link_brings_the_clock(at: str) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=120)
    page.query_params["at"] = at
    page.run()
    assert not page.warning
    turn(page, "12")
    assert page.query_params["at"] in (at, [at])


@pytest.mark.parametrize("at", ["soon", "-1", "nan", "inf", "1e99", ""])
def test_a_moment_that_is_none_is_named(at: str) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=120)
    page.query_params["at"] = at
    page.run()
    assert "is no moment in seconds" in page.warning[0].value
    assert "at" not in page.query_params


# -- runs --------------------------------------------------------------------------------------------------------------


def held(gate: threading.Event) -> Callable[[Progress], str]:
    """Work that goes on until the gate opens, or until it is given up."""

    def work(progress: Progress) -> str:
        while not gate.wait(0.01):
            progress(0.5)
        return "done"

    return work


def test_who_waits_for_others_is_told_for_how_many() -> None:
    pool, gate = Runs("test", 1), threading.Event()
    first, second, third = (pool.start(key, held(gate)) for key in "abc")
    while first.begun is None:
        pass
    assert (first.before, second.before, third.before) == (0, 1, 2)
    assert how_far(third, "Simulating") == "Waiting for 2 other runs"
    second.cancel()
    assert how_far(third, "Simulating") == "Waiting for 1 other run"
    gate.set()
    assert third.done.wait(5)
    assert third.before == 0
    assert second.given_up


def test_what_somebody_else_has_run_meanwhile_is_not_run_again() -> None:
    pool, gate = Runs("test", 1), threading.Event()
    first, second = pool.start("same", held(gate)), pool.start("same", lambda _: "again")
    gate.set()
    assert second.done.wait(5)
    assert second.result == first.result == "done"


def test_the_remaining_time_is_said_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Job[None] = Job("a", lambda _: None)
    now = 100.0
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now)
    assert how_far(job, "Simulating") == "Simulating … 0%"
    job.begun, job.share = 99.5, 0.25
    assert how_far(job, "Simulating") == "Simulating … 25%"
    now = 103.5
    assert how_far(job, "Simulating") == "Simulating … 25%, 12 s left".replace("12", "10")
    job.share = 0.5
    assert how_far(job, "Simulating") == "Simulating … 50%, 4 s left"
    now = 400.0
    assert how_far(job, "Simulating") == "Simulating … 50%, 5 min left"
    job.share = 1.0
    assert how_far(job, "Simulating") == "Simulating … 100%, 1 s left"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RunError("the reason"), "the reason"),
        (MemoryError(), "The simulation stopped (MemoryError); it is"),
        (SystemExit(), "The simulation stopped (SystemExit); it is"),
    ],
)
def test_a_thread_that_dies_leaves_a_message(error: BaseException, words: str) -> None:
    def work(_: Progress) -> None:
        raise error

    pool = Runs("test", 1)
    job, after = pool.start("a", work), pool.start("b", lambda _: "goes on")
    assert job.done.wait(5)
    assert (job.error or "").startswith(words)
    assert after.done.wait(5)
    assert after.result == "goes on"


def test_a_run_that_no_thread_can_take_leaves_a_message() -> None:
    pool = Runs("test", 1)
    pool._pool.shutdown()
    job = pool.start("a", lambda _: "never")
    assert job.done.is_set()
    assert "The simulation stopped (RuntimeError)" in (job.error or "")
    assert job.before == 0


@pytest.mark.long
def test_who_leaves_in_mid_run_keeps_nobody_waiting(visit: Visit) -> None:
    leaving = [visit(), visit()]
    for i, visitor in enumerate(leaving):
        visitor.page.goto(f"{visitor.app}/?{LONG}&{PATH}={10 + i}")
        expect(visitor.page.locator('[data-testid="stProgress"]')).to_contain_text("Simulating")
    third = visit()
    third.page.goto(f"{third.app}/?run.requests=4000&{PATH}=17")
    progress = third.page.locator('[data-testid="stProgress"]')
    expect(progress).to_contain_text("Waiting for 1 other run")
    for visitor in leaving:
        visitor.context.close()
    expect(third.page.locator('[data-testid="stMetric"]').first).to_be_visible(timeout=20_000)
    third.settled()
    assert "Holds" in third.verdict()


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_two_tabs_of_one_browser_are_apart(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    other = Visitor(visitor.app, visitor.context)
    other.open()
    visitor.press(KNOB, "ArrowLeft", 6)
    visitor.address_has(f"{PATH}=8")
    visitor.settled()
    other.press(KNOB, "ArrowRight")
    other.address_has(f"{PATH}=15")
    other.settled()
    assert "Misses" in visitor.verdict()
    assert "Holds" in other.verdict()
    visitor.address_has(f"{PATH}=8")


def test_back_is_undo_and_forward_is_redo(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    visitor.press(KNOB, "ArrowLeft")
    visitor.address_has(f"{PATH}=13")
    expect(undo).to_be_enabled()
    page.wait_for_timeout(1_600)  # the browser's word counts again
    page.go_back()
    visitor.as_written()
    expect(undo).to_be_disabled()
    redo.click()
    visitor.address_has(f"{PATH}=13")
    expect(redo).to_be_disabled()
    undo.click()
    visitor.as_written()
    visitor.settled()
    expect(page.get_by_role("slider", name=KNOB)).to_have_attribute("aria-valuetext", "14")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_copied_link_shows_the_same_to_somebody_else(visit: Visit, allowed: bool) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    if not allowed:
        visitor.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = visitor.open("/")
    page.get_by_role("button", name="Copy link").click()
    if allowed:
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        link = page.evaluate("navigator.clipboard.readText()")
    else:
        field = page.get_by_label("Link to what is on show")
        expect(field).to_be_focused()
        link = field.input_value()
        chosen = field.evaluate("field => field.selectionEnd - field.selectionStart")
        assert chosen == len(link)
    assert f"case={files.FIRST}" in link  # also where the address is bare: another day another case may open
    other = visit()
    other.page.goto(link)
    other.settled()
    assert other.verdict() == visitor.verdict()
    assert visitor.complaints == []


@pytest.mark.long
def test_the_clock_goes_with_the_link(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/")
    time = page.get_by_role("slider", name="Simulated time")
    time.focus()
    for _ in range(3):
        time.press("ArrowRight")
    visitor.address_has("at=3")
    visitor.settled()
    expect(page.locator(".clock")).to_have_text(re.compile(r"^3(\.0)? of "))
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()  # no step of the design
    visitor.press(KNOB, "ArrowRight")
    visitor.address_has(f"{PATH}=15")
    visitor.address_has("at=3")
    other = visit()
    other.page.goto(page.url)
    other.settled()
    expect(other.page.locator(".clock")).to_have_text(re.compile(r"^3(\.0)? of "))
    visitor.settled()
    assert other.verdict() == visitor.verdict()


@pytest.mark.long
def test_after_any_burst_the_address_says_what_is_on_show(visit: Visit) -> None:
    visitor = visit()
    page = visitor.open()
    knob, dice, stands = page.get_by_role("slider", name=KNOB), random.Random(8), 14
    for _ in range(20):
        for _ in range(dice.randint(1, 12)):
            step = dice.choice((-1, 1)) if 6 < stands < 20 else (1 if stands <= 6 else -1)
            knob.press("ArrowRight" if step > 0 else "ArrowLeft")
            stands += step
            page.wait_for_timeout(dice.choice((0, 0, 30, 200, 700)))
        visitor.settled()
        visitor.address_has("" if stands == 14 else f"{PATH}={stands}")
        page.wait_for_timeout(dice.choice((0, 400, 1_800)))
        expect(knob).to_have_attribute("aria-valuetext", str(stands))
        assert (PATH in page.url) == (stands != 14)
