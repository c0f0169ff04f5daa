"""Your own case: errors where they stand, a picture beside the text, and a text that is nobody else's."""

from __future__ import annotations

import gc
import json
import re
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from cases import files
from cases.yaml_reader import MOST_BYTES
from simulator import plan as plans
from simulator.bounded import MOST_EVENTS, MOST_REQUESTS, bounded, requests_in_all, smaller
from simulator.results import SimulationResult
from simulator.run import simulate
from tests.browser.conftest import ROOT, Visitor
from ui import own_text, state
from ui.own_text import checked, copy_of, opened, tidy

Visit = Callable[..., Visitor]
MAIN = Path(state.__file__).parent / "main.py"
BAD = ROOT / "tests" / "cases" / "bad"
SMALL = """format: 1
id: {id}
title: {title}
question: Does it hold?
workload: {{kind: poisson, rate: {rate} requests/s}}
stages:
  - {{name: desk, replicas: 1, balancing: shared, service: {{kind: exponential, mean: 5 ms}}}}
objectives: [{{metric: latency, percentile: 99, at_most: 60 ms}}]
knobs: [{{path: stages.desk.replicas, from: 1, to: 4}}]
designs:
  wider: {{label: Wider, changes: {{stages.desk.replicas: 2}}}}
scenarios:
  rush: {{label: Rush, events: [{{at: 2 s, for: 1 s, path: workload.rate, times: 3}}]}}
run: {run}
"""


def small(name: str = "kiosk", title: str = "One desk", rate: int = 100, run: str = "{requests: 500}") -> str:
    return SMALL.format(id=name, title=title, rate=rate, run=run)


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One small case stands for the catalogue."""
    (tmp_path / f"{files.FIRST}.yaml").write_text(small(files.FIRST, "The first"), encoding="utf-8")
    monkeypatch.setattr(files, "CATALOG", tmp_path)


def arrived() -> AppTest:
    """Somebody on the page."""
    return settled(AppTest.from_file(str(MAIN), default_timeout=60).run().switch_page("own.py").run())


def written(page: AppTest, text: str) -> AppTest:
    """What the field does when somebody has written: it cannot be reached without a browser."""
    page.session_state["own_page"].typed(text)
    return settled(page.run())


def settled(page: AppTest) -> AppTest:
    for _ in range(200):
        assert not page.exception
        if not page.get("progress"):
            return page
        time.sleep(0.1)
        page.run()
    raise AssertionError("it does not end")


def went(page: AppTest, to: str, **address: str) -> AppTest:
    """To another page, by a link with this address."""
    page.switch_page(to)
    page.query_params.clear()
    for name, value in address.items():
        page.query_params[name] = value
    return settled(page.run())


def said(page: AppTest) -> str:
    elements = [*page.title, *page.header, *page.markdown, *page.caption]
    elements += [*page.success, *page.error, *page.warning, *page.info]
    return "\n".join([*(one.value for one in elements), *(one.proto.body for one in page.get("html"))])


def field(page: AppTest) -> dict[str, object]:
    """What the text field was told."""
    found = [json.loads(one.proto.json) for one in page.get("bidi_component") if one.proto.json]
    data: dict[str, object] = next(one for one in found if "marks" in one)
    return data


# -- errors -----------------------------------------------------------------------------------------------------------

SHOWN = [
    "alias",
    "anchors",
    "answer_after_nothing",
    "assumption_named_like_a_unit",
    "autoscaling_without_a_target",
    "bad_name",
    "bare_number_for_duration",
    "batch_of_one",
    "billion_laughs",
]


@pytest.mark.parametrize("name", SHOWN)
def test_errors_are_those_of_the_command_line_with_their_lines(name: str) -> None:
    text = (BAD / f"{name}.yaml").read_text(encoding="utf-8")
    expected = (BAD / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = checked(text)
    assert found.case is None
    lines = [f"{name}.yaml:{one.line}: {f'{one.path}: ' if one.path else ''}{one.message}" for one in found.problems]
    assert lines == expected
    for one in found.problems:
        assert one.quote == text.split("\n")[one.line - 1].rstrip()


def test_the_page_shows_line_path_quote_and_remedy_and_loses_nothing(catalogue: None) -> None:
    page = arrived()
    for name in ("bare_number_for_duration", "bad_name"):
        text = (BAD / f"{name}.yaml").read_text(encoding="utf-8")
        page = written(page, text)
        one = checked(text).problems[0]
        assert f"<b>Line {one.line}</b> <code>{one.path}</code>" in said(page)
        assert "1 error" in said(page)
        assert page.session_state["own_page"].text == text
        assert field(page)["marks"] == [one.line]
        assert "The picture is of the last text without errors" in said(page)
        assert not page.success
    page = written(page, small())
    assert "error" not in "".join(one.value for one in page.header)
    assert "Holds" in page.success[0].value


def test_an_empty_text_and_one_of_another_kind(catalogue: None) -> None:
    page = written(arrived(), "")
    assert "the file is empty; begin with" in said(page)
    page = written(page, "42")
    assert "a case is a mapping; begin with" in said(page)
    page = written(page, "a: [1\n")
    assert "check indentation and quotes" in said(page)


def test_a_file_that_is_named_in_a_text_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text("ms\n5\n", encoding="utf-8")
    text = small().replace("kind: exponential, mean: 5 ms", "kind: measured, file: times.csv")
    for path in ("times.csv", str(tmp_path / "times.csv"), "/etc/passwd"):
        found = checked(text.replace("times.csv", path))
        assert found.case is None
        assert all("root" not in one.message for one in found.problems)


# -- hostile texts ----------------------------------------------------------------------------------------------------


def test_a_megabyte_is_refused_at_once(catalogue: None) -> None:
    page = arrived()
    began = time.monotonic()
    page = written(page, "# " + "x" * 1_000_000)
    assert time.monotonic() - began < 10
    assert "more than 512 KiB; a case is smaller" in said(page)
    assert len(page.session_state["own_page"].text) == MOST_BYTES + 1


@pytest.mark.long
@pytest.mark.parametrize(
    "hostile",
    [
        "a: &a [x, x]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "designs:\n" + "".join(f"  d{i}: {{changes: {{stages.s.replicas: 2}}}}\n" for i in range(10_000)),
        "stages:\n" + "".join(f"  - {{name: s{i}, replicas: 1}}\n" for i in range(9_000)),
        "format: 1\nassumptions:\n" + "".join(f"  a{i}: {i}\n" for i in range(10_000)),
        "format: 1\n" + "".join(f"name{i}: 1\n" for i in range(10_000)),
        "[" * 10_000,
        "x: " + "{a: " * 500 + "1" + "}" * 500,
        "a: !!python/object/apply:os.system [ls]\n",
        "a: \x00\n",
        "a: \u202eb\n",
        "- " * 10_000 + "\n",
    ],
    ids=["aliases", "designs", "stages", "assumptions", "names", "open", "deep", "tag", "nul", "turned", "dashes"],
)
def test_hostile_texts_are_refused_in_little_time_with_few_words(hostile: str) -> None:
    began = time.monotonic()
    found = checked(tidy(hostile))
    assert time.monotonic() - began < 10
    assert found.case is None
    assert found.problems
    for one in found.problems:
        assert len(one.message) < 1_500
        assert len(one.quote) <= own_text.LONGEST_QUOTE + 1


def test_many_errors_are_cut_off(catalogue: None) -> None:
    page = written(arrived(), "format: 1\n" + "".join(f"name{i}: 1\n" for i in range(300)))
    assert said(page).count("<li><b>Line") == 20
    assert "more; put these right first" in said(page)


def test_markup_in_a_text_is_text(catalogue: None) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    page = written(arrived(), f"format: 1\n'{evil}': 1\nid: {evil}\n")
    assert "<script>" not in said(page)
    assert "<img" not in said(page)
    assert "&lt;script&gt;" in said(page)


def test_what_cannot_be_written_down_is_replaced() -> None:
    assert tidy("a\ud800b\r\nc\rd") == "a?b\nc\nd"
    assert opened(b"\xef\xbb\xbfa: 1\r\n") == "a: 1\n"
    assert opened(b"\xff\xfe\x00") is None


# -- a case like any other --------------------------------------------------------------------------------------------


def test_every_page_takes_it(catalogue: None) -> None:
    page = written(arrived(), small(title="My <b>kiosk</b>"))
    page = went(page, "explore.py", case="own")
    assert "My \\<b\\>kiosk\\</b\\>" in page.title[0].value or "kiosk" in page.title[0].value
    assert "Holds" in said(page)
    assert page.query_params["case"] in ("own", ["own"])
    page = went(page, "explore.py", case="own", design="wider", scenario="rush")
    assert not page.session_state["session"].warnings
    assert page.session_state["session"].chosen.scenario == "rush"
    for name in ("estimate.py", "compare.py", "reconcile.py", "present.py"):
        page = went(page, name, case="own")
        assert "kiosk" in said(page), name
        assert "not here" not in said(page), name
    page = went(page, "own.py")
    assert page.session_state["own_page"].text == small(title="My <b>kiosk</b>")


def test_another_text_drops_what_does_not_fit_any_more(catalogue: None) -> None:
    page = written(arrived(), small())
    page = went(page, "explore.py", case="own", design="wider", **{"stages.desk.queue.limit": "7"})
    assert page.session_state["session"].chosen.design == "wider"
    page = written(went(page, "own.py"), small().replace("wider", "broader").replace("desk", "table"))
    chosen = page.session_state["session"].chosen
    assert (chosen.case, chosen.design, chosen.changes) == ("own", "baseline", ())
    page = went(page, "explore.py")  # by the navigation's bare link, whose first run may be cut short
    assert "Holds" in said(page)


def test_a_link_to_somebody_elses_says_so_in_one_sentence(catalogue: None) -> None:
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    page.query_params["case"] = "own"
    page = settled(page.run())
    warnings = [one.value for one in page.warning]
    assert [one for one in warnings if "only in the browser tab where it was written" in one.replace("\\", "")]
    assert page.session_state["session"].chosen.case == files.FIRST
    page = went(AppTest.from_file(str(MAIN), default_timeout=60).run(), "present.py", case="own")
    assert "only in the browser tab where it was written" in said(page)


def test_two_tabs_have_each_its_own(catalogue: None) -> None:
    one, other = arrived(), arrived()
    one, other = written(one, small(title="Mine alone")), written(other, small(title="Yours alone"))
    one, other = went(one, "explore.py", case="own"), went(other, "explore.py", case="own")
    assert ("Mine alone" in said(one), "Yours" in said(one)) == (True, False)
    assert ("Yours alone" in said(other), "Mine" in said(other)) == (True, False)


def test_no_case_of_the_catalogue_has_its_name() -> None:
    assert state.YOURS not in files.catalog()


def test_memory_is_given_back_when_another_text_comes(catalogue: None) -> None:
    page = written(arrived(), small())
    before = weakref.ref(page.session_state[state.YOURS])
    page = written(page, small(rate=90))
    after = weakref.ref(page.session_state[state.YOURS])
    assert _gone(before, page.run)
    page = AppTest.from_file(str(MAIN), default_timeout=60)
    assert _gone(after, page.run)


def _gone(what: weakref.ref[object], meanwhile: Callable[[], object]) -> bool:
    """Whether nobody holds it any more; what one run of a page held is let go by the next one."""
    for _ in range(20):
        meanwhile()
        gc.collect()
        if what() is None:
            return True
    return False


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_run_beyond_bounds_is_offered_smaller(catalogue: None) -> None:
    page = written(arrived(), small(run="{requests: 100000, replications: 5}"))
    assert "This run is too large for here" in said(page)
    assert not page.success
    button = page.button(key="agree")
    assert "60000" in button.label
    page = settled(button.click().run())
    assert "Run smaller than the text says" in said(page)
    assert "Holds" in page.success[0].value
    page = went(page, "explore.py", case="own")
    assert "at most 300,000 in all are run here" in said(page).replace("\\", "")
    page = went(page, "explore.py", case="own", **{"run.requests": "60000"})
    assert "Holds" in said(page)


def test_no_change_of_the_address_leads_beyond_bounds(catalogue: None) -> None:
    page = written(arrived(), small())
    page = went(page, "explore.py", case="own", **{"run.requests": "10000000", "id": "other"})
    assert "at most 300,000 in all are run here" in said(page).replace("\\", "")


def test_a_case_that_never_drains_ends_with_a_message(catalogue: None) -> None:
    page = written(arrived(), small(rate=5_000, run="{requests: 4000, replications: 5, drain: 1 s}"))
    assert "Overloaded" in page.error[0].value
    assert "had not ended when the run did" in said(page)


def test_a_plan_within_bounds_is_run_as_it_is() -> None:
    case = files.loads(small(run="{requests: 1000, replications: 5}"), "")
    planned = plans.plan(case)
    assert requests_in_all(planned) == 5_000 < MOST_REQUESTS
    one, other = simulate(planned), simulate(bounded(planned))
    assert (one.latency_ms, one.events) == (other.latency_ms, other.events)
    assert bounded(planned).run.events == MOST_EVENTS // 5


def test_a_run_that_was_cut_short_is_offered_as_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.bounded.MOST_EVENTS", 5_000)
    case = files.loads(small(run="{requests: 20000, replications: 2}"), "")
    result: SimulationResult = simulate(bounded(plans.plan(case)))
    assert any("cut short at their limit of 2,500 events" in note for note in result.notes)
    less = smaller(case, result)
    assert less == {"run.requests": "2000"}
    assert smaller(case) == {}  # as far as one can tell beforehand


@pytest.mark.parametrize(
    ("run", "less"),
    [
        ("{requests: 300000, replications: 1}", {}),
        ("{requests: 100000, replications: 5}", {"run.requests": "60000"}),
        ("{requests: 5000, replications: 900}", {"run.replications": "10"}),
        ("{requests: 50000, replications: 30}", {"run.requests": "30000", "run.replications": "10"}),
        ("{requests: 50000, replications: 5, warm_up: 900 s}", {"run.warm_up": "none"}),
    ],
)
def test_what_makes_a_run_smaller(run: str, less: dict[str, str]) -> None:
    assert smaller(files.loads(small(run=run), "")) == less


# -- texts to begin with ----------------------------------------------------------------------------------------------


def test_the_first_text_is_that_of_the_readme() -> None:
    text = (MAIN.parent / "static" / "first.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{text}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert checked(text).case is not None


def test_a_copy_is_as_written_or_as_changed(catalogue: None) -> None:
    case = state.files.load(files.catalog()[files.FIRST])
    assert copy_of(case, "") == small(files.FIRST, "The first")
    page = settled(AppTest.from_file(str(MAIN), default_timeout=60).run())
    page = went(page, "explore.py", **{"stages.desk.replicas": "3"})
    page = went(page, "own.py")
    page = settled(next(one for one in page.button if one.label.startswith("A copy of")).click().run())
    copied = checked(page.session_state["own_page"].text)
    assert copied.name == files.FIRST
    assert copied.case is not None
    assert copied.case.stage("desk").replicas == 3


def test_what_was_written_can_be_had_back(catalogue: None) -> None:
    page = written(arrived(), "mine: 1")
    page = settled(next(one for one in page.button if one.label == "A small example").click().run())
    assert "Holds" in page.success[0].value
    page = settled(next(one for one in page.button if one.label == "The text before").click().run())
    assert page.session_state["own_page"].text == "mine: 1"


# -- in a browser -----------------------------------------------------------------------------------------------------


def _write(visitor: Visitor, text: str) -> Page:
    page = visitor.page
    page.get_by_label("The case, as YAML").fill(text)
    page.get_by_label("The case, as YAML").press("Control+Enter")
    page.wait_for_timeout(300)
    return visitor.settled()


def test_an_error_is_mended_explored_and_come_back_to(visit: Visit, tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.open("/own")
    expect(page.get_by_text("Holds: p99")).to_be_visible()
    text = page.get_by_label("The case, as YAML")
    text.fill(small().replace("5 ms", "5 parsecs"))  # checked without any key: a moment after the last one
    expect(page.locator(".problems li")).to_have_count(1)
    expect(page.locator(".problems li")).to_contain_text("Line 7")
    expect(page.locator(".problems pre")).to_contain_text("mean: 5 parsecs")
    expect(page.locator(".editor .gutter b")).to_have_text("▸ 7\n")
    expect(text).to_have_attribute("aria-invalid", "true")
    found = Axe().run(page)
    bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in bad] == []
    page.get_by_role("button", name="Go to line 7").click()
    expect(text).to_be_focused()
    assert "parsecs" in page.evaluate(
        "() => { let area = document.activeElement; while (area.shadowRoot) area = area.shadowRoot.activeElement; "
        "return area.value.slice(area.selectionStart, area.selectionEnd); }"
    )
    page = _write(visitor, small())
    expect(page.locator(".problems")).to_have_count(0)
    expect(page.locator('.diagram [data-stage="desk"]')).to_contain_text("% ok")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save").click()
    assert caught.value.suggested_filename == "kiosk.yaml"
    assert Path(caught.value.path()).read_text(encoding="utf-8") == small()
    page.get_by_role("link", name="Explore this").click()
    visitor.address_has("case=own")
    visitor.settled()
    assert "Holds" in visitor.verdict()
    page.go_back()
    visitor.settled()
    expect(page.get_by_label("The case, as YAML")).to_have_value(small())
    page.reload()  # a new session: the tab remembers the text
    visitor.settled()
    expect(page.get_by_label("The case, as YAML")).to_have_value(small())
    expect(page.locator('.diagram [data-stage="desk"]')).to_be_visible()
    assert visitor.complaints == []
    other = visit()
    other.open("/?case=own")
    expect(other.page.get_by_text("only in the browser tab where it was written")).to_be_visible()
    assert "One desk" not in (other.page.content())


@pytest.mark.long
def test_a_file_is_opened_and_markup_in_it_stays_text(visit: Visit, tmp_path: Path) -> None:
    visitor = visit(390, 844)
    page = visitor.open("/own")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    text = (
        small(title=f'"{evil}"')
        .replace("question: Does it hold?", f'question: "{evil}"')
        .replace("label: Wider", f'label: "{evil}"')
    )
    file = tmp_path / "kiosk.yaml"
    file.write_text(text, encoding="utf-8")
    page.get_by_role("button", name="Open a file").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_label("The case, as YAML")).to_have_value(text)
    page.keyboard.press("Escape")
    visitor.settled()
    expect(page.locator('.diagram [data-stage="desk"]')).to_be_visible()
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1
    page.get_by_role("link", name="Explore this").click()
    visitor.address_has("case=own")
    visitor.settled()
    assert re.search("Holds|Misses", visitor.verdict())
    assert dialogs == []
    assert page.locator("img[src=x]").count() == 0
    assert visitor.outside == []
    assert visitor.complaints == []
