"""Stories and their quotes: read, checked when the case is loaded, and computed; whatever is written in them."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_texts import desk_text

from cases import build, files, quoted, story_check
from cases.build import apply
from cases.errors import CaseError, DesignError
from cases.files import as_json, as_yaml, load, loads, parse
from cases.outcomes import measures, outcomes
from cases.quoted import Quoted, Quotes
from cases.quotes import Quote, RunName
from cases.quotes import parse as parts_of
from cases.spec import Case
from cases.story_spec import SECTIONS
from estimators.errors import FormulaError

STORY = Path(__file__).parent / "good" / "story.yaml"


@pytest.fixture(scope="module")
def story() -> Case:
    return load(STORY)


def told(*steps: str) -> str:
    """The smallest case with these steps."""
    return desk_text(more="walkthrough:\n" + "".join(f"  - {step}\n" for step in steps))


def problems(text: str) -> list[str]:
    with pytest.raises(CaseError) as caught:
        loads(text, "desk.yaml")
    return [str(one) for one in caught.value.problems]


# -- read -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("No number at all", ("No number at all",)),
        ("{a}", (Quote("a"),)),
        ("{a}{b}", (Quote("a"), Quote("b"))),
        ("From {a} to { b  in rush }.", ("From ", Quote("a"), " to ", Quote("b", RunName("rush")), ".")),
        ("{a with more}", (Quote("a", RunName(None, "more")),)),
        ("{a in rush with baseline}", (Quote("a", RunName("rush")),)),
        ("{a * (b - 1 s) in rush with more as kB}", (Quote("a * (b - 1 s)", RunName("rush", "more"), "kB"),)),
        ("{a as million visits/s}", (Quote("a", RunName(), "million visits/s"),)),
        ("{share_inside\n  in rush}", (Quote("share_inside", RunName("rush")),)),
    ],
)  # fmt: skip
def test_what_stands_in_a_text(text: str, parts: tuple[object, ...]) -> None:
    assert parts_of(text) == parts


WORDS = st.text("ab {}.+ inwthas", max_size=40)


@given(WORDS)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parts = parts_of(text)
    except FormulaError:
        assert "{" in text or "}" in text
        return
    quotes = [one for one in parts if isinstance(one, Quote)]
    assert [parts_of(str(one)[1:-1]) for one in quotes] == [(one,) for one in quotes]
    bare = "".join(one for one in parts if isinstance(one, str))
    assert "{" not in bare
    assert len(quotes) == text.count("{") == text.count("}")


@given(st.lists(st.sampled_from(["words ", Quote("a"), Quote("b + 1", RunName("rush", "more"), "ms")]), max_size=8))
def test_what_was_put_in_comes_out(parts: list[str | Quote]) -> None:
    text = "".join(one if isinstance(one, str) else str(one)[1:-1] for one in parts)
    joined = "".join(one if isinstance(one, str) else "\0" for one in parts)
    read = parts_of(text)
    assert [one for one in read if isinstance(one, Quote)] == [one for one in parts if isinstance(one, Quote)]
    assert "".join(one if isinstance(one, str) else "\0" for one in read) == joined


# -- the order of a story ---------------------------------------------------------------------------------------------


def step(section: str) -> str:
    return f"{{step: {section}, says: [One], asks: {{Why?: Because}}}}"


def test_every_section_in_its_order() -> None:
    case = loads(told(*(step(one) for one in SECTIONS)), "desk.yaml")
    assert [one.step for one in case.walkthrough] == list(SECTIONS)
    assert [one.shown_title for one in case.walkthrough] == list(SECTIONS.values())


def test_a_section_may_have_several_steps_and_be_left_out() -> None:
    case = loads(told(step("models"), step("models"), step("scaling"), step("scaling")), "desk.yaml")
    assert len(case.walkthrough) == 4


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(SECTIONS)))
def test_out_of_order(first: str, second: str) -> None:
    assert problems(told(step(second), step(first))) == [
        f"walkthrough.1.step: '{first}' goes before '{second}'; move it up"
    ]


@pytest.mark.parametrize(("given", "meant"), [("deployment", "rollout"), ("load", "load_test"), ("metric", "metrics")])
def test_sections_in_other_words(given: str, meant: str) -> None:
    assert problems(told(step(given))) == [f"walkthrough.0.step: '{given}' is not a step; did you mean '{meant}'?"]


# -- checked ----------------------------------------------------------------------------------------------------------


def line(text: str) -> str:
    return f"{{step: metrics, says: ['{text}']}}"


def test_all_that_is_wrong_is_said_at_once_each_with_its_place() -> None:
    found = problems(
        told(line("{latncy_p99} and {quality +}"), "{step: data, says: [a], notes: '{nothing}', stage: dsk}")
    )
    assert [one.split(":")[0] for one in found] == [
        "walkthrough.0.says.0",
        "walkthrough.0.says.0",
        "walkthrough.1.stage",
        "walkthrough.1.notes",
    ]


def test_a_quote_that_is_wrong_twice_is_said_once() -> None:
    assert len(problems(told(line("{latncy_p99} or {latncy_p99}")))) == 1


def test_the_line_of_a_problem() -> None:
    with pytest.raises(CaseError, match=r"^desk\.yaml:11: walkthrough\.0\.asks\.What\.\.\. how fast\?: '\{slow\}'"):
        loads(
            desk_text(more="walkthrough:\n  - step: clarify\n    asks:\n      What... how fast?: '{slow}'\n"),
            "desk.yaml",
        )


def test_a_path_may_lead_through_the_numbers_of_a_list(story: Case) -> None:
    assert Quotes.of(story).number(Quote("objectives.0.at_most")).values == (400.0,)


def test_shared_scenarios_count_and_what_contains_them(story: Case) -> None:
    quotes = Quotes.of(story)
    assert "load_spike" not in story.scenarios
    quotes.check(Quote("latency_p99", RunName("load_spike", "load_spike_contained")))
    with pytest.raises(DesignError, match="did you mean 'load_spike'"):
        quotes.check(Quote("latency_p99", RunName("load_spik")))


def test_each_design_is_applied_once_however_often_it_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []

    def counted(case: Case, changes: dict[str, str]) -> Case:
        applied.append(str(changes))
        return apply(case, changes)

    monkeypatch.setattr(quoted, "apply", counted)
    load(STORY)
    assert len(applied) == len(set(applied))


def test_a_turn_of_a_knob_checks_no_quotes(story: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story_check, "check", lambda case: pytest.fail("checked again"))
    monkeypatch.setattr(build, "_check_story", lambda case: pytest.fail("checked again"))
    assert apply(story, {"stages.desk.cache": "none"}).walkthrough == story.walkthrough


def test_a_design_does_not_change_the_story(story: Case) -> None:
    with pytest.raises(DesignError, match=r"walkthrough\.0\.title: cannot be changed by a design"):
        apply(story, {"walkthrough.0.title": "Another"})


def test_a_file_comes_back_as_it_was(story: Case) -> None:
    again = loads(as_yaml(story.tree), "story.yaml")
    assert again.walkthrough == story.walkthrough
    assert as_json(again.tree) == as_json(parse(STORY.read_text(encoding="utf-8"), "story.yaml").tree)


# -- computed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        (Quote("tickets_each"), Quoted((2.0,), "tickets/fan", "assumption")),
        (Quote("ticket_price"), Quoted((40.0,), "$/ticket", "assumption")),
        (Quote("daily_fans"), Quoted((40_000.0,), "fans/day", "assumption", (20_000.0, 80_000.0))),
        (Quote("sold_each_day"), Quoted((80_000.0,), "tickets/day", "estimate")),
        (Quote("sold_each_day", unit="tickets/year"), Quoted((29_200_000.0,), "tickets/year", "estimate")),
        (Quote("asked"), Quoted((60.0,), "sales/s", "estimate")),
        (Quote("workload.rate"), Quoted((60.0,), "sales/s", "path")),
        (Quote("stages.gate.price"), Quoted((0.5,), "$/hour", "path")),
        (Quote("stages.desk.replicas"), Quoted((4.0,), "", "path")),
        (Quote("stages.desk.replicas", RunName(None, "more_desks")), Quoted((8.0,), "", "path")),
        (Quote("stages.desk.replicas", RunName(None, "rush_contained")), Quoted((12.0,), "", "path")),
        (Quote("stages.desk.cache.hit_ratio"), Quoted((20.0,), "%", "path")),
        (Quote("objectives.0.percentile"), Quoted((99.0,), "", "path")),
        (Quote("tickets_each * 3 fan"), Quoted((6.0,), "tickets", "formula")),
    ],
    ids=lambda one: str(one)[1:-1] if isinstance(one, Quote) else "",
)  # fmt: skip
def test_what_needs_no_run(story: Case, quote: Quote, expected: Quoted) -> None:
    quotes = Quotes.of(story)
    assert not quotes.needs_run(quote)
    assert quotes.number(quote) == expected


REPLICATIONS = 3


def measured(case: Case) -> list[dict[str, float | None]]:
    """Each measure as the number of its replication, in base units."""
    return [dict.fromkeys(measures(case), float(i)) for i in range(1, REPLICATIONS + 1)]


@pytest.mark.parametrize(
    ("what", "unit", "values"),
    [
        ("latency_p99", "s", (1, 2, 3)),
        ("latency_p99 / 1000", "ms", (1, 2, 3)),
        ("offered_rate", "sales/s", (1, 2, 3)),
        ("desk_visits_rate", "1/s", (1, 2, 3)),
        ("cost_rate", "$/hour", (3_600, 7_200, 10_800)),
        ("share_failed", "%", (100, 200, 300)),
        ("desk_utilisation", "%", (100, 200, 300)),
        ("quality", "", (1, 2, 3)),
        ("turned_away", "%", (100, 200, 300)),
        ("income", "$/hour", (2 * 40 * 3_600, 4 * 40 * 3_600, 6 * 40 * 3_600)),
        ("income - cost_rate", "$/hour", (79 * 3_600, 158 * 3_600, 237 * 3_600)),
        ("stages.desk.replicas * desk_utilisation", "", (4, 8, 12)),
    ],
)
def test_what_a_run_gives(story: Case, what: str, unit: str, values: tuple[float, ...]) -> None:
    quotes, quote = Quotes.of(story), Quote(what)
    assert quotes.needs_run(quote)
    found = quotes.number(quote, measured(story))
    assert found.values == pytest.approx(values)
    assert (found.unit, found.kind, found.problem) == (unit, "simulated", None)


def test_an_outcome_is_quoted_as_results_have_it(story: Case) -> None:
    given = measured(story)
    for name, one in outcomes(story, given).items():
        assert Quotes.of(story).number(Quote(name, unit=one.unit), given).values == one.values


def test_no_value_is_said(story: Case) -> None:
    given = measured(story)
    given[1]["answered_rate"] = 0.0
    found = Quotes.of(story).number(Quote("each", unit="$/sale"), given)
    assert found.values == (1.0, None, 1.0)
    assert "zero" in (found.problem or "")


# -- hostile ----------------------------------------------------------------------------------------------------------


def notes(*lines: str) -> str:
    return "{step: metrics, says: [a], notes: \"" + " ".join(lines) + "\"}"  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        [notes("{a}" * 1000)] * 30,
        [notes(*(f"{{latncy_{i}}}" for i in range(190)))],
        [notes(*(f"{{quality with d{i}}}" for i in range(190)))],
        [notes("{" * 4_000)],
        [notes("}" * 4_000)],
        [notes("{" + "in " * 1_500 + "}")],
        [notes("{" + "(" * 2_500 + "}")],
        [notes("{" + "a." * 2_000 + "b}")],
        [notes("{9**9**9}", "{1/0}", "{" + "9" * 3_000 + "}", "{__import__('os')}", "{latency_p99.__class__}")],
        [notes("a" * 4_990)] * 61,
    ],
    ids=["quotes", "slips", "designs", "open", "closed", "keys", "deep", "path", "formulas", "steps"],
)
def test_refused_quickly(steps: list[str]) -> None:
    text = told(*steps)
    begun = time.process_time()
    assert problems(text)
    assert time.process_time() - begun < 2.0


def test_texts_are_texts() -> None:
    """What looks like markup or a path of this machine is nothing but characters."""
    text = "<script>alert(1)</script> [x](javascript:x) ../../etc/passwd %s $(id)"
    assert loads(told(line(text)), "desk.yaml").walkthrough[0].says == [text]


def test_the_schema_knows_the_sections() -> None:
    assert f'"{next(iter(SECTIONS))}"' in files.schema()
