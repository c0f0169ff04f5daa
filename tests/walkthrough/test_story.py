"""Stories told: numbers are those of the runs, by whatever way one comes to them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cases import files
from cases.build import apply, design_changes
from cases.errors import DesignError
from cases.outcomes import outcomes
from cases.spec import Case
from cases.story_spec import SECTIONS
from simulator.plan import plan
from simulator.results import SimulationResult
from simulator.run import simulate
from walkthrough import story as story_module
from walkthrough.__main__ import cli
from walkthrough.live import said, stated
from walkthrough.story import Number, RunName, Story, Told, planned, spoken, steps, story, told

FILE = Path(__file__).parents[1] / "cases" / "good" / "story.yaml"
RUSH, MENDED = RunName("rush"), RunName("rush", "rush_contained")


@pytest.fixture(scope="module")
def case() -> Case:
    return files.load(FILE)


@pytest.fixture(scope="module")
def whole(case: Case) -> Story:
    return story(case)


def numbers(text: Told) -> list[Number]:
    return [one for one in text if isinstance(one, Number)]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.stdout, result.stderr


# -- the numbers ------------------------------------------------------------------------------------------------------


def test_every_number_is_that_of_its_own_run(case: Case, whole: Story) -> None:
    """The run made by hand, as `simulator run --design --scenario` makes it."""
    contained = apply(case, design_changes(case, "rush_contained"))
    by_hand = simulate(plan(contained, scenario="rush"))
    scaling = next(one for one in whole.steps if one.planned.section == "scaling")
    before, after = numbers(scaling.says[0])
    mended, cost = numbers(scaling.says[1])
    p99 = by_hand.latency_ms["p99"]
    assert (mended.value, mended.low, mended.high) == pytest.approx((p99.value, p99.low, p99.high))
    assert cost.value == pytest.approx(simulate(plan(contained)).cost_usd_per_hour)
    assert before.value == pytest.approx(simulate(plan(case)).latency_ms["p99"].value)
    assert after.value == pytest.approx(simulate(plan(case, scenario="rush")).latency_ms["p99"].value / 1e3)


def test_outcomes_are_those_of_the_result(case: Case, whole: Story) -> None:
    (income, each) = numbers(whole.steps[1].notes)
    outcome = whole.runs[RunName()].outcomes["income"]
    assert (income.value, income.low, income.high) == pytest.approx(tuple(outcome.interval))
    assert each.unit.startswith("$/")
    for result in whole.runs.values():
        computed = outcomes(case, result.measured)
        assert {name: one.by_replication for name, one in result.outcomes.items()} == {
            name: one.values for name, one in computed.items()
        }


def test_what_each_replication_measured_changes_nothing_else(whole: Story) -> None:
    result = whole.runs[RunName()]
    assert len(result.measured) == result.replications == 3
    assert "measured" not in result.as_json()
    assert "measured=" not in repr(result)


def test_each_run_is_made_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(plan: Any, *rest: Any) -> SimulationResult:
        made.append(plan.key)
        return simulate(plan, *rest)

    monkeypatch.setattr(story_module, "simulate", counted)
    shares: list[float] = []
    found = story(case, shares.append)
    assert len(made) == len(set(made)) == len(found.runs)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] == pytest.approx(1)


def test_it_is_told_the_same_by_both_engines_and_otherwise_with_other_luck(case: Case, whole: Story) -> None:
    two = (steps(case)[1], steps(case)[9])
    by_reference, other_luck = (story(case, seed=seed, engine="simpy", chosen=two) for seed in (1, 2))
    assert by_reference.steps == (whole.steps[1], whole.steps[9])
    assert other_luck.steps[0].notes != whole.steps[1].notes


def test_it_follows_the_case(case: Case, whole: Story) -> None:
    """Nothing is typed: with twice the desks from the start, every number that rests on them is another."""
    richer = story(apply(case, {"stages.desk.replicas": "8"}))
    assert richer.steps[9].says != whole.steps[9].says
    assert spoken(richer.steps[16].says[0]) == "$5.00/hour or $5.00/hour"


# -- step by step -----------------------------------------------------------------------------------------------------


def test_what_a_step_shows_and_what_its_numbers_are_of(case: Case) -> None:
    by_title = {one.title: one for one in steps(case)}
    scaling = by_title["The sale begins"]
    assert scaling.shows == (RUSH, MENDED)
    assert scaling.runs == (RunName(), RUSH, MENDED, RunName(None, "rush_contained"))
    assert (scaling.number, scaling.section, scaling.stage, scaling.at) == (11, "scaling", "desk", 8.0)
    assert by_title["Framing"].shows == (RunName(),)
    assert by_title["Framing"].runs == by_title["Estimation"].runs == ()
    assert by_title["Offline evaluation"].shows == (RunName(None, "more_desks"),)


def test_a_step_waits_for_the_runs_that_are_missing(case: Case, whole: Story) -> None:
    step = steps(case)[10]
    bare = told(case, step, {})
    assert bare.waiting
    assert spoken(bare.says[0]) == "The p99 goes from … to …"
    half = told(case, step, {RUSH: whole.runs[RUSH]})
    assert [one.waiting for one in numbers(half.says[0])] == [True, False]
    full = told(case, step, {name: whole.runs[name] for name in step.runs})
    assert not full.waiting
    assert full == whole.steps[10]


def test_a_run_is_planned_as_the_case_says(case: Case) -> None:
    found = planned(case, MENDED, seed=5)
    assert (found.scenario, found.run.seed, found.case.stage("desk").replicas) == ("rush", 5, 12)
    assert found.key == plan(apply(case, design_changes(case, "rush_contained")), scenario="rush", seed=5).key


def test_a_case_without_a_story_has_no_steps() -> None:
    assert steps(files.load(FILE.with_name("minimal.yaml"))) == ()


def test_a_change_that_a_quote_does_not_go_with(case: Case) -> None:
    with pytest.raises(DesignError, match=r"walkthrough\.4\.says\.0: '\{desk_hit_ratio\}': .* has no 'cache'"):
        steps(apply(case, {"stages.desk.cache": "none"}))


# -- how numbers are said ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (150.1495, "ms", "150 ms"), (2893.5, "loads/s", "2,890 loads/s"), (3.1, "$/hour", "$3.10/hour"),
        (123.456, "$/hour", "$123/hour"), (0.0712, "%", "0.0712 %"), (45.678, "%", "45.7 %"), (99.953, "%", "99.953 %"),
        (99.5, "%", "99.5 %"), (99.99987, "%", "99.99987 %"), (100.0, "%", "100 %"), (1.5e7, "rows", "15 million rows"),
        (0.0, "", "0"), (-12.34, "$/hour", "-$12.30/hour"), (12.345, "1/s", "12.3/s"),
    ],
)  # fmt: skip
def test_three_digits_of_what_was_simulated(value: float, unit: str, text: str) -> None:
    assert said(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (48_384.0, "", "48,384"), (14.0, "", "14"), (150e9, "views/month", "150 billion views/month"),
        (2893.5, "loads/s", "2,894 loads/s"), (99.95, "%", "99.95 %"), (40.0, "$/ticket", "$40/ticket"),
        (0.5, "$/hour", "$0.50/hour"), (123_456.0, "rows", "123,456 rows"), (1_234_567.0, "rows", "1.235 million rows"),
    ],
)  # fmt: skip
def test_numbers_of_the_case_as_one_would_write_them(value: float, unit: str, text: str) -> None:
    assert stated(value, unit) == text


def test_where_a_number_comes_from(whole: Story) -> None:
    fans, each = numbers(whole.steps[0].asks[0][1])
    assert fans.origin == "assumption; 90 % interval 20,000 fans/day to 80,000 fans/day"
    assert each.origin == "assumption"
    assert numbers(whole.steps[3].says[0])[0].origin == "estimate"
    assert numbers(whole.steps[7].says[0])[0].origin == "path workload.rate"
    assert numbers(whole.steps[6].says[0])[1].origin == "path stages.desk.replicas, with more_desks"
    assert numbers(whole.steps[8].says[0])[1].origin.startswith("formula asked * ")
    p99 = numbers(whole.steps[10].says[1])[0]
    assert p99.of == "simulated, in rush with rush_contained, seed 1"
    assert p99.origin.startswith(f"{p99.of}; 95 % interval ")


def test_shares_stay_between_none_and_all(whole: Story) -> None:
    for step in whole.steps:
        for one in (one for text in step.texts for one in numbers(text) if one.unit == "%" and one.low is not None):
            assert one.high is not None
            assert 0 <= one.low <= one.high <= 100


def test_a_percentile_among_requests_without_an_answer(case: Case) -> None:
    small = apply(case, {"stages.desk.queue.limit": "10"})
    step = steps(small)[10]
    found = told(small, step, {RUSH: simulate(planned(small, RUSH))})
    number = numbers(found.says[0])[1]
    assert (number.text, number.value, number.waiting) == ("no answer", None, False)
    assert number.of == "simulated, in rush, seed 1; 'latency_p99' has no value in this run"


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_words_are_counted_as_they_are_said(whole: Story) -> None:
    text = whole.report()
    body = text.split("\n\n", 1)[1]
    words = [word for line in body.splitlines() for word in line.split() if word not in ("-", "?")]
    titles = sum(len(one.planned.title.split()) + 1 for one in whole.steps)
    assert sum(one.words for one in whole.steps) == len(words) - titles
    assert whole.minutes == pytest.approx((len(words) - titles) / 130)
    assert f"{math.ceil(whole.minutes)} min at 130 words a minute; {len(whole.runs)} runs quoted" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_it_is_printed(whole: Story) -> None:
    code, out, _ = run(str(FILE))
    assert (code, out) == (0, f"{whole.report()}\n")
    assert (
        "1. Clarifying questions\n   ? How many fans, and how often?\n     40,000 fans/day, 2 tickets/fan each" in out
    )


def test_as_json(whole: Story) -> None:
    code, out, _ = run(str(FILE), "--json")
    body = json.loads(out)
    assert (code, body) == (0, json.loads(json.dumps(whole.as_json())))
    assert body.keys() == {"case", "title", "question", "minutes", "runs", "steps"}
    assert [one["section"] for one in body["steps"] if one["section"] != "scaling"] == [
        one for one in SECTIONS if one != "scaling"
    ]
    step = body["steps"][10]
    assert step["shows"] == [{"scenario": "rush", "design": None}, {"scenario": "rush", "design": "rush_contained"}]
    words, number, *_ = step["says"][0]
    assert words == "The p99 goes from "
    assert number.keys() == {"text", "value", "low", "high", "unit", "of"}
    keys = {(one["scenario"], one["design"]): one["key"] for one in body["runs"]}
    assert keys == {tuple(name): result.key for name, result in whole.runs.items()}


@pytest.mark.parametrize(
    ("chosen", "titles"), [("2", ["What counts"]), ("scaling", ["The sale begins", "Scaling", "Scaling"])]
)
def test_some_of_it(chosen: str, titles: list[str]) -> None:
    code, out, _ = run(str(FILE), "--step", chosen, "--json")
    assert (code, [one["title"] for one in json.loads(out)["steps"]]) == (0, titles)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (str(FILE.with_name("minimal.yaml")),),
            "desk has no story yet; add 'walkthrough', a list of steps: - {step: ",
        ),
        ((str(FILE), "--step", "18"), "--step 18: there are steps 1 to 17\n"),
        ((str(FILE), "--step", "0"), "--step 0: there are steps 1 to 17\n"),
        ((str(FILE), "--step", "9" * 400), "there are steps 1 to 17\n"),
        (
            (str(FILE), "--step", "skaling"),
            "--step: 'skaling' is not a section of this story; did you mean 'scaling'?\n",
        ),
        ((str(FILE), "--reconcile", "--step", "1"), "--step is of the story; leave it out, or --reconcile\n"),
        ((str(FILE), "--stage", "desk"), "--stage goes with --reconcile; add that, or leave it out\n"),
        ((str(FILE), "--requests", "5"), "--requests goes with --reconcile; add that, or leave it out\n"),
        ((str(FILE), "--design", "bare"), "walkthrough.4.says.0: '{desk_hit_ratio}': 'desk_hit_ratio' is not measured"),
    ],
)
def test_what_cannot_be_told(arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert said in err


# -- the catalogue ----------------------------------------------------------------------------------------------------

STORIES = {name: files.load(path) for name, path in files.catalog().items()}
LONGEST = 45  # minutes


@pytest.mark.parametrize("name", STORIES)
def test_a_case_is_told_from_the_question_to_the_costs(name: str) -> None:
    """All sections, problems with what mends them, live numbers in lines and notes, within the time."""
    case = STORIES[name]
    story = steps(case)
    assert list(dict.fromkeys(one.section for one in story)) == list(SECTIONS)
    pairs = [one for one in story if one.section == "scaling" and len(one.shows) == 2]
    assert len({one.shows for one in pairs}) == len(pairs) >= 3
    assert all(one.at is not None for one in pairs), "the clock stands where the problem shows"
    assert all(one.notes for one in story)
    quoting = [one for one in story if any(not isinstance(part, str) for part in one.notes)]
    assert len(quoting) >= len(story) / 2, "the speaker quotes numbers that follow the case"
    read = [told(case, one, {}) for one in story]
    assert sum(one.words for one in read) / 130 <= LONGEST


@pytest.mark.long
@pytest.mark.parametrize("name", STORIES)
def test_every_number_of_a_case_has_a_value(name: str) -> None:
    found = story(STORIES[name])
    missing = [
        (step.planned.number, one.of)
        for step in found.steps
        for text in step.texts
        for one in numbers(text)
        if one.value is None and one.text != "no answer"
    ]
    assert missing == []
