"""Compare: two designs on the same luck, all designs as points, everything in the link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from cases import files
from simulator.control import Progress
from simulator.plan import Plan
from simulator.results import SimulationResult
from simulator.run import simulate
from tests.browser.conftest import ARTIFACTS, Visitor
from ui import pair, runs

Visit = Callable[..., Visitor]
MAIN = Path(pair.__file__).parent / "main.py"
CASE = """format: 1
id: {id}
title: One desk
question: Does it hold?
workload: {{kind: poisson, rate: 100 requests/s}}
stages:
  - {{name: desk, replicas: 1, balancing: shared, service: {{kind: exponential, mean: 5 ms}}{price}}}
outcomes:
  worth: {{formula: answered_rate * 1 USD/request, unit: USD/hour, label: Worth}}
objectives: [{{metric: latency, percentile: 99, at_most: 60 ms}}]
{designs}
run: {{requests: 2000, replications: 5}}
"""
DESIGNS = """designs:
  wider: {label: "Wider <b>desk</b>", changes: {stages.desk.replicas: 2}}
  hardly: {label: Hardly, changes: {stages.desk.queue.limit: 10000}}
  narrow:
    label: Nobody waits
    note: The queue is gone, and with it the waiting.
    changes: {stages.desk.queue.limit: 0}
    looks_good: {but: worth, gets: lower, because: Who is turned away pays nothing.}
  longer: {label: Longer, changes: {run.requests: 3000}}
  busy: {label: Busy, changes: {workload.rate: 130 requests/s}}
"""
PRICE = ", price: $2/hour"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a folder of one case."""

    def write(designs: str = DESIGNS, price: str = PRICE) -> None:
        text = CASE.format(id=files.FIRST, designs=designs, price=price)
        (tmp_path / f"{files.FIRST}.yaml").write_text(text, encoding="utf-8")

    monkeypatch.setattr(files, "CATALOG", tmp_path)
    write()
    return write


def opened(**address: str) -> AppTest:
    """The page of an address, when all designs have been run."""
    page = AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("compare.py")
    for name, value in ({"case": files.FIRST} | address).items():  # a bare one keeps what is on show
        page.query_params[name] = value
    return settled(page.run())


def settled(page: AppTest) -> AppTest:
    """Run it again until nothing is under way."""
    for _ in range(100):
        assert not page.exception
        if not page.get("progress"):
            return page
        time.sleep(0.2)
        page.run()
    raise AssertionError("the runs do not end")


def said(page: AppTest) -> str:
    """All that stands there in words."""
    elements = [*page.markdown, *page.caption, *page.success, *page.error, *page.warning, *page.info]
    return "\n".join([*(one.value for one in elements), *(one.proto.body for one in page.get("html"))])


def chosen(page: AppTest) -> tuple[str, str]:
    return tuple(next(box.value for box in page.selectbox if box.label == letter) for letter in "AB")  # type: ignore[return-value]


# -- what it says -----------------------------------------------------------------------------------------------------


def test_a_newcomer_sees_what_looks_good_and_is_not(catalogue: Callable[..., None]) -> None:
    page = opened()
    assert chosen(page) == ("baseline", "narrow")
    text = said(page)
    assert "B looks good and is not\\: Worth gets lower" in text
    assert "Who is turned away pays nothing" in text
    assert "The queue is gone, and with it the waiting" in text
    assert "Nobody waits has less Worth by" in text
    assert "99 % interval" in text
    assert "B\\: Nobody waits" in text or "B: Nobody waits" in text


def test_differences_have_words_and_ties_are_ties(catalogue: Callable[..., None]) -> None:
    text = said(opened(b="wider"))
    assert '<span class="word">better</span><span>Wider &lt;b&gt;desk&lt;/b&gt; is faster at p99 by' in text
    assert "costs $2.00/hour more, $4.00/hour in place of $2.00/hour" in text
    assert "<b>desk" not in text
    text = said(opened(b="hardly"))
    assert "p99: the same," in text


def test_all_designs_are_put_side_by_side(catalogue: Callable[..., None]) -> None:
    page = opened(b="wider")
    text = said(page)
    assert "The cheapest that meets every objective\\: The case as written, \\$2.00/hour" in text
    assert "At another load than A, and so not beside these\\: Busy" in text
    assert "Longer is left out\\: 'longer' says itself how it is run" in text
    assert "1 The case as written (A)</td>" in text
    assert "2 Wider &lt;b&gt;desk&lt;/b&gt; (B)</td>" in text
    assert "the same as The case as written</td>" in text
    page.number_input[0].set_value(9.0).run()
    assert "for at most \\$9.00/hour\\: Wider" in said(page)
    assert page.query_params["most"] == "9"


def test_without_prices_there_is_a_table(catalogue: Callable[..., None]) -> None:
    catalogue(price="")
    text = said(opened(b="wider"))
    assert "The case has no prices" in text
    assert "not dominated</td>" in text


def test_with_nothing_to_compare(catalogue: Callable[..., None]) -> None:
    assert "A and B are the same design; choose another one" in said(opened(a="wider", b="wider"))
    catalogue(designs="")
    page = opened()
    assert "This case has no other design" in said(page)


def test_a_design_with_a_run_of_its_own_says_why_not(catalogue: Callable[..., None]) -> None:
    assert "Longer cannot be compared\\: 'longer' says itself how it is run" in said(opened(b="longer"))


# -- the link ---------------------------------------------------------------------------------------------------------


def test_bad_values_of_a_link_are_named(catalogue: Callable[..., None]) -> None:
    page = opened(a="no_such", b="on-show", sure="90", outcome="fun", most="-3", scenario="flood")
    text = said(page).replace("\\", "")
    assert "a=no_such of the link is not a design of this case; the usual one is taken." in text
    assert "b=on-show of the link is not a design of this case; the usual one is taken." in text
    assert "sure=90 of the link is neither 95 nor 99; 95 % is taken." in text
    assert "outcome=fun of the link is not an outcome of this case; the usual one is taken." in text
    assert "most=-3 of the link is no amount of money; what the case as written costs is taken." in text
    assert "The scenario 'flood' of the link is not one of this case" in text
    assert chosen(page) == ("baseline", "narrow")
    assert not set(page.query_params) & {"a", "b", "sure", "outcome", "most", "scenario"}


def test_the_design_on_show_is_one_of_them(catalogue: Callable[..., None]) -> None:
    page = opened(**{"stages.desk.replicas": "3"})
    assert chosen(page) == ("baseline", "on-show")
    assert "The design on show in Explore is faster at p99 by" in said(page)
    assert "<tr><td>stages.desk.replicas</td><td>1</td><td>3</td></tr>" in said(page)


def test_choices_go_into_the_address(catalogue: Callable[..., None]) -> None:
    page = opened()
    next(box for box in page.selectbox if box.label == "A").select("wider")
    page = settled(page.run())
    assert page.query_params["a"] == "wider"
    assert "b" not in page.query_params


# -- runs that take their time ----------------------------------------------------------------------------------------


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is set, the runs of all designs do not end; those of the two that are compared take no time."""
    on = threading.Event()
    on.set()

    def slow(planned: Plan, progress: Progress, workers: int | None = None) -> SimulationResult:
        while workers == 1 and on.is_set():
            time.sleep(0.01)
            progress(0.5)
        return simulate(planned)

    monkeypatch.setattr(runs, "simulate", slow)
    yield on
    on.clear()


def under_way(catalogue: Callable[..., None], load: str) -> AppTest:
    """The page of designs that nobody has run yet, as soon as the two are there."""
    catalogue(DESIGNS.replace("130", load), ", price: $3/hour")
    page = AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("compare.py")
    page.query_params["case"] = files.FIRST
    for _ in range(20):
        page.run()
        if "What differs" in [one.value for one in page.header]:
            return page
    raise AssertionError("the two are not compared")


def test_they_come_one_by_one_and_can_be_given_up(catalogue: Callable[..., None], going: threading.Event) -> None:
    """Nothing waits for them; what was given up goes on when it is asked to."""
    page = under_way(catalogue, "135")
    assert "B looks good and is not" in said(page)
    assert [one.proto.text for one in page.get("progress")] == [
        "Simulating all designs … 2 of 5; each is shown as it comes"
    ]
    next(one for one in page.button if one.label == "Cancel").click()
    page.run().run()
    assert not page.get("progress")
    again = next(one for one in page.button if one.label == "Run the other 3")
    going.clear()
    again.click()
    assert "4 Nobody waits (B)" in said(settled(page.run()))


def test_a_choice_meanwhile_is_one_run_of_the_page(
    catalogue: Callable[..., None], going: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page does not come again and again for as long as the runs last."""
    page = under_way(catalogue, "136")
    began: list[str] = []
    begin = pair.begin

    def counted(name: str) -> pair.Pair:
        began.append(name)
        return begin(name)

    monkeypatch.setattr(pair, "begin", counted)
    next(box for box in page.selectbox if box.label == "A").select("narrow")
    page.run()
    assert page.get("progress")
    assert len(began) <= 2


# -- in a browser -----------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_two_are_compared_and_a_point_becomes_b(visit: Visit) -> None:
    visitor = visit(height=2600)
    page = visitor.open("/compare?b=fewer_rankers&sure=99")
    expect(page.get_by_text("Fewer rankers is slower at p99 by")).to_be_visible()
    expect(page.get_by_text("99 % interval").first).to_be_visible()
    expect(page.get_by_role("cell", name="Fewer rankers (B)")).to_have_count(1)
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    page.screenshot(path=ARTIFACTS / "compare_1440_light.png")
    page.locator(".st-key-tradeoff .points path.point").nth(4).click(force=True)
    visitor.until("!new URLSearchParams(location.search).get('b').includes('fewer_rankers')")
    visitor.address_has("sure=99")
    visitor.settled()
    expect(page.get_by_text("Fewer rankers is slower")).to_have_count(0)
    page.wait_for_timeout(1_600)  # the browser's word counts again
    page.go_back()
    visitor.address_has("b=fewer_rankers")
    visitor.settled()
    expect(page.get_by_text("Fewer rankers is slower at p99 by")).to_be_visible()
    assert visitor.complaints == []
    assert visitor.outside == []


@pytest.mark.long
def test_on_a_phone_in_the_dark(visit: Visit) -> None:
    visitor = visit(390, 844, color_scheme="dark")
    page = visitor.open("/compare")
    expect(page.get_by_text("looks good and is not")).to_be_visible()
    main = """document.querySelector('[data-testid="stMain"]')"""
    assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")
    page.set_viewport_size({"width": 390, "height": 5200})
    page.screenshot(path=ARTIFACTS / "compare_390_dark.png")
    page.set_viewport_size({"width": 1440, "height": 900})
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert visitor.complaints == []
