"""python -m estimators experiment: its sentences, its JSON, its messages; and the question of the nine banners."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import numpy
import pytest
from click.testing import CliRunner, Result

from estimators.experiment_command import experiment
from estimators.experiment_plan import EXAMPLES, Setting, proportions
from estimators.experiment_words import told


def run(*arguments: str) -> Result:
    return CliRunner().invoke(experiment, list(arguments), prog_name="python -m estimators experiment")


def answered(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


COMPARED = {
    *("kind", "sentence", "difference", "half_width", "arms", "against", "comparisons", "correction", "level_each"),
    *("confidence", "power", "each", "in_all", "successes", "variance_left", "per_day", "days", "whole_weeks"),
    *("working", "assumptions", "notes", "power_curve", "claims", "grid"),
}


def test_an_ab_test_in_a_sentence() -> None:
    answer = answered("proportions", "--base", "5 %", "--lift", "10 %", "--visitors", "20k users/day")
    assert answer.keys() == COMPARED | {"base", "to"}
    assert answer["sentence"] == (
        "You need 31,234 users for each of 2 arms, 62,468 in all: 4 days at 20,000 a day, so run it for 1 whole week. "
        "Some 3,280 of them will be successes (clicks, conversions)."
    )
    assert (answer["each"], answer["in_all"], answer["days"], answer["whole_weeks"]) == (31_234, 62_468, 4, 1)
    assert answer["power"] == pytest.approx(0.8, abs=1e-4)
    assert answer["half_width"] == pytest.approx(1.959964 * math.sqrt(2 * 0.05 * 0.95 / 31_234), rel=1e-6)
    assert "pooled" in " ".join(answer["assumptions"])
    # Looked at each of the four days: Armitage, McPherson and Rowe's 12.6 %.
    assert "13 % of experiments without a difference would report one, not 5 %" in answer["notes"][0]
    curve = answer["power_curve"]
    assert len(curve) == 40
    assert [point["power"] for point in curve] == sorted(point["power"] for point in curve)
    assert any(point["each"] == 31_234 and point["power"] == answer["power"] for point in curve)


def test_lift_and_changed_rate_say_the_same() -> None:
    lift, to = (
        answered("proportions", "--base", "5%", "--lift", "10%"),
        answered("proportions", "--base=0.05", "--to=5.5%"),
    )
    assert (lift["each"], lift["to"]) == (to["each"], pytest.approx(to["to"]))
    down = answered("proportions", "--base", "5.5 %", "--to", "5 %")
    assert down["each"] == lift["each"]
    assert "9.09 % less" in " ".join(down["assumptions"])
    unpooled = answered("proportions", "--base", "5%", "--lift", "10%", "--unpooled")
    assert unpooled["each"] == math.ceil((1.959964 + 0.841621) ** 2 * (0.05 * 0.95 + 0.055 * 0.945) / 0.005**2)
    assert "unpooled" in " ".join(unpooled["assumptions"])


def test_the_nine_banners() -> None:
    """Three sizes in three places: how many visits and clicks until one is better than all others, with 95 %?"""
    asked, _ = EXAMPLES["Nine banners"]
    answer = answered("proportions", *(part for name, text in asked.items() for part in (f"--{name}", text)))
    assert answer["sentence"].startswith(
        "You need 53,316 visits for each of 9 banners, 479,844 in all: 24 days at 20,000"
    )
    assert answer["successes"] == round(53_316 * (8 * 0.05 + 0.055))
    claims = {(claim["claim"], claim["correction"]): claim for claim in answer["claims"]}
    assert [claim["comparisons"] for claim in answer["claims"]] == [1, 8, 8, 36, 36, 36, 8, 0]
    assert claims["two of them differ, chosen beforehand", "no correction"]["each"] == 31_234
    assert claims["two of them differ, chosen beforehand", "no correction"]["in_all"] == 281_106
    assert claims["one is better than all the others", "Gutmann and Maymin"]["each"] == answer["each"]
    # Bonferroni over 36 pairs: 5 % / 36 each; the normal point 3.1971 of a two-sided 0.1389 %.
    pairs = claims["which pairs differ", "Bonferroni"]
    by_hand = (3.19709 * math.sqrt(2 * 0.0525 * 0.9475) + 0.84162 * math.sqrt(0.0475 + 0.055 * 0.945)) ** 2 / 0.005**2
    assert pairs["each"] == pytest.approx(by_hand, rel=1e-4)
    # Bechhofer's 3.3679 for the best of nine with 95 %.
    picked = next(claim for claim in answer["claims"] if claim["correction"] == "Bechhofer")
    assert picked["each"] == pytest.approx(3.3679**2 * (0.0475 + 0.055 * 0.945) / 2 / 0.005**2, rel=1e-4)
    sizes = [claim["each"] for claim in answer["claims"]]
    assert sizes[1] > sizes[2]  # Dunnett needs fewer than Bonferroni
    assert sizes[3] > sizes[4] > sizes[5]  # Tukey than Šidák, Šidák than Bonferroni


def test_nine_banners_by_simulation() -> None:
    """So many visits, and the better banner is called better than all others in 80 % of experiments, by the z test."""
    each, runs = 53_316, 20_000
    rates = numpy.random.default_rng(17).binomial(each, [0.055] + [0.05] * 8, (runs, 9)) / each
    first, second = rates[:, 0], rates[:, 1:].max(axis=1)
    middle = (first + second) / 2
    called = (first - second) / numpy.sqrt(2 * middle * (1 - middle) / each) > 1.959964
    assert called.mean() == pytest.approx(0.8, abs=0.012)


def test_successes_decide_where_the_rate_is_not_known() -> None:
    asked, _ = EXAMPLES["Nine banners"]
    grid = told(proportions(asked["base"], lift=asked["lift"], setting=Setting(arms="9", against="rest"))).grid
    assert [(cell.base, cell.lift) for cell in grid][:5] == [
        (0.01, 0.05),
        (0.01, 0.1),
        (0.01, 0.2),
        (0.01, 0.5),
        (0.02, 0.05),
    ]
    tenth = [cell for cell in grid if cell.lift == 0.1]
    visits, clicks = [cell.in_all for cell in tenth], [cell.successes or 0 for cell in tenth]
    assert max(visits) / min(visits) > 10
    assert max(clicks) / min(clicks) < 1.15
    assert {cell.in_all for cell in grid if (cell.base, cell.lift) == (0.05, 0.1)} == {479_844}


def test_the_published_retention_experiment() -> None:
    answer = answered("proportions", "--base", "50 %", "--half-width", "0.1 %", "--visitors", "100k members/day")
    assert answer["each"] == 1_920_730
    assert answer["difference"] is answer["to"] is None
    assert answer["sentence"].startswith(
        "You need 1,920,730 members for each of 2 arms, 3,841,460 in all, for a 95 % interval of ±0.1 percentage points"
    )
    assert answer["power"] == pytest.approx(0.5, abs=1e-3)
    assert EXAMPLES["A 0.1 point change in retention"][0]["half_width"] == "0.1 %"


def test_what_two_weeks_can_see() -> None:
    given = ("--base", "5 %", "--visitors", "20k users/day", "--share", "50 %")
    seen = answered("proportions", *given, "--duration", "14 days")
    assert (seen["each"], seen["days"]) == (70_000, 14)
    back = answered("proportions", "--base", "5 %", "--to", f"{100 * seen['to']:.10f} %")
    assert back["each"] == pytest.approx(70_000, rel=1e-4)
    assert "With 70,000 users for each of 2 arms, 140,000 in all (14 days at 10,000 a day)" in seen["sentence"]
    same = answered("proportions", "--base", "5 %", "--each", "70k users")
    assert same["difference"] == pytest.approx(seen["difference"])
    assert "70,000 users" in same["sentence"]
    known = answered("proportions", *given, "--duration", "14 days", "--correlation", "0.6")
    assert known["difference"] < seen["difference"]


def test_what_is_known_before_takes_its_square_off() -> None:
    without = answered("proportions", "--base", "5 %", "--lift", "10 %")
    known = answered("proportions", "--base", "5 %", "--lift", "10 %", "--correlation", "0.5")
    assert known["variance_left"] == 0.75
    assert known["each"] == pytest.approx(0.75 * without["each"], abs=1)
    assert known["power"] == pytest.approx(0.8, abs=1e-4)
    assert "CUPED" in " ".join(known["assumptions"])


def test_means_in_the_unit_of_their_standard_deviation() -> None:
    answer = answered("means", "--sd", "12 min", "--difference", "30 s")
    assert answer.keys() == COMPARED | {"sd", "unit"}
    assert (answer["sd"], answer["unit"], answer["difference"], answer["successes"]) == (12, "min", 0.5, None)
    assert answer["each"] == math.ceil(2 * ((1.959964 + 0.841621) * 24) ** 2 + 0.96)
    assert answered("means", "--sd", "1", "--difference", "-0.5")["each"] == 64  # Cohen, table 2.4.1
    wide = answered("means", "--sd", "$40", "--half-width", "$1", "--arms", "3", "--against", "all")
    assert (wide["each"], wide["comparisons"]) == (math.ceil(2 * (2.393980 * 40) ** 2), 3)
    assert answered("means", "--sd", "12 min", "--each", "9,217")["difference"] == pytest.approx(0.4952, rel=1e-3)
    # One two-sided comparison, and Bechhofer's 3.0552 for the best of five coming out first with 95 %.
    five = answered("means", "--sd", "1", "--difference", "1", "--arms", "5", "--against", "rest", "--power", "95 %")
    assert five["each"] == math.ceil((1.959964 * math.sqrt(2) + 3.0552) ** 2)
    two = answered("means", "--sd", "1", "--difference", "0.1", "--against", "rest")
    assert two["each"] == math.ceil(2 * ((1.959964 + 0.841621) / 0.1) ** 2)


ALWAYS = {"kind", "sentence", "working", "assumptions", "notes", "power_curve", "claims", "grid"}


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("interleaving",), {"preference", "decided", "confidence", "power", "comparisons", "each", "in_all", "days"}),
        (("judging", "--queries", "10"), {"confidence", "power", "queries", "judgements"}),
        (
            ("judging", "--queries", "10", "--judges", "2"),
            {"confidence", "power", "queries", "judgements", "judges", "a_day", "days"},
        ),
        (("peeking", "--looks", "3"), {"looks", "confidence", "false_alarms", "level_each"}),
    ],
)
def test_keys_of_the_others(arguments: tuple[str, ...], keys: set[str]) -> None:
    assert answered(*arguments).keys() == ALWAYS | keys


def test_interleaving() -> None:
    answer = answered("interleaving", "--instead-of", "3,840,000 users", "--visitors", "10k queries/day")
    assert answer["comparisons"] == math.ceil(((1.959964 / 2 + 0.841621 * math.sqrt(0.52 * 0.48)) / 0.02) ** 2)
    assert answer["each"] == math.ceil(answer["comparisons"] / 0.3)
    assert (answer["in_place"], answer["fewer"], answer["days"]) == ([38_400, 384_000], [10, 100], 2)
    assert "Chapelle" in " ".join(answer["assumptions"])
    assert answer["sentence"].endswith("In place of an A/B test with 3,840,000 users, 38,400 to 384,000 would do.")


def test_judging() -> None:
    answer = answered("judging", "--precision", "70 %", "--half-width", "2 %", "--judges", "20")
    assert answer["queries"] == math.ceil(1.959964**2 * 0.21 / 0.02**2) == 2_017
    assert (answer["judgements"], answer["a_day"], answer["days"]) == (20_170, 7_200, 3)
    assert answer["sentence"] == "You need 2,017 queries, 20,170 judgements: 3 days of 20 judges."
    paired = answered("judging", "--sd", "0.5", "--difference", "0.25", "--results", "1")
    assert paired["queries"] == math.ceil(33.367204)  # the example of statsmodels' power module
    five_million = answered(
        "judging", "--queries", "5 million queries", "--judges", "1000", "--pace", "60 judgements/hour"
    )
    assert five_million["days"] == math.ceil(5e7 / 360_000)
    assert "days" not in paired


def test_peeking() -> None:
    answer = answered("peeking", "--looks", "5")
    assert answer["false_alarms"] == pytest.approx(0.142, abs=5e-4)
    assert answer["level_each"] == pytest.approx(0.0158, abs=6e-5)


BASE = ("proportions", "--base", "5 %")
LIFT = (*BASE, "--lift", "10 %")
MEANS = ("means", "--sd", "12 min")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("proportions", "--base", "500 %", "--lift", "1 %"),
            "base rate: '500 %' is 500 %, a share lies between 0 % and",
        ),
        (("proportions", "--base", "0", "--lift", "1 %"), "base rate: '0' is 0 %"),
        (
            ("proportions", "--base", "5 users", "--lift", "1 %"),
            "base rate: '5 users' is user, a plain number is wanted",
        ),
        (("proportions", "--base", "nan", "--lift", "1 %"), "base rate: 'nan': a number is missing"),
        (("proportions", "--base", "", "--lift", "1 %"), "base rate: '': a quantity is missing"),
        (BASE, "nothing given; say exactly one of lift, to, half-width, each, duration"),
        ((*LIFT, "--to", "6 %"), "lift and to given; say exactly one of lift"),
        ((*BASE, "--lift", "0 %"), "the difference to be found is nothing"),
        ((*BASE, "--to", "5 %"), "the difference to be found is nothing"),
        ((*BASE, "--lift", "2000 %"), "lift: '2000 %' makes 105 % of 5 %, which is no share"),
        ((*BASE, "--lift", "-100 %"), "lift: '-100 %' makes 0 % of 5 %"),
        ((*BASE, "--lift", "1e-9"), "in each arm, more than a trillion; ask for a larger difference"),
        ((*LIFT, "--arms", "1"), "arms: '1' is not a whole number from 2 to 1,000"),
        ((*LIFT, "--arms", "2.5"), "arms: '2.5' is not a whole number"),
        ((*LIFT, "--arms", "1e9"), "arms: '1e9' is not a whole number from 2 to 1,000"),
        ((*LIFT, "--arms", "9 ms"), "arms: '9 ms' is s, a count is wanted"),
        ((*LIFT, "--arms", "9 wombats"), "arms: '9 wombats': 'wombats' is not a unit"),
        ((*LIFT, "--against", "everybody"), "against: 'everybody' is not known; choose control, all, rest"),
        ((*LIFT, "--correction", "fisher"), "correction: 'fisher' is not known; choose none, bonferroni"),
        ((*LIFT, "--correction", "tukey"), "correction 'tukey' does not fit each against one control; choose none or"),
        ((*BASE, "--lift", "-10 %", "--against", "rest"), "the winner is better than the rest; write a change above 0"),
        ((*BASE, "--half-width", "1 %", "--against", "rest"), "half-width: an interval names no winner"),
        ((*BASE, "--half-width", "0"), "half-width: '0' is 0 %"),
        ((*LIFT, "--confidence", "100 %"), "confidence: '100 %' is 100 %, a share lies between"),
        ((*LIFT, "--confidence", "5 %"), "confidence: '5 %' is not between 50 % and 99.9999 %"),
        ((*LIFT, "--power", "99.99999 %"), "power: '99.99999 %' is not between 50 % and 99.9999 %"),
        ((*LIFT, "--visitors", "20k users"), "visitors: '20k users' is not a rate above 0 at which somebody comes"),
        ((*LIFT, "--visitors", "0/day"), "visitors: '0/day' is not a rate above 0"),
        ((*LIFT, "--visitors", "1/day", "--share", "110 %"), "share: '110 %' is 110 %, a share lies between"),
        ((*LIFT, "--correlation", "1"), "correlation: '1' is 100 %"),
        ((*BASE, "--duration", "14 days"), "duration: say how many come as well"),
        ((*BASE, "--duration", "14", "--visitors", "1k/day"), "duration: '14' is not a time above 0"),
        (
            (*BASE, "--duration", "1 day", "--visitors", "1/day"),
            "duration: '1 day' brings 0.5 to each arm, 2 to a trillion",
        ),
        ((*BASE, "--each", "1"), "each: '1' is not a whole number from 2 to 1,000,000,000,000"),
        (
            ("proportions", "--base", "99 %", "--each", "10"),
            "10 in each arm: so few units find no difference with that power",
        ),
        (("means", "--sd", "0", "--difference", "1"), "sd: '0' is not above 0"),
        ((*MEANS, "--difference", "5 users"), "difference: '5 users': 'min' is s, the value is user"),
        ((*MEANS, "--difference", "0 min"), "the difference to be found is nothing"),
        (MEANS, "nothing given; say exactly one of difference, half-width, each, duration"),
        (("interleaving", "--preference", "50 %"), "preference: '50 %' is no preference"),
        (
            ("interleaving", "--instead-of", "5k", "--fewer", "0.1..3"),
            "fewer: '0.1..3' is not a factor from 1 to a million",
        ),
        (("interleaving", "--instead-of", "5k", "--fewer", "many"), "fewer: 'many': a number is missing"),
        (("judging",), "nothing given; say exactly one of precision and half-width, or sd and difference, or queries"),
        (("judging", "--precision", "70 %"), "precision and half-width given; say exactly one of"),
        (("judging", "--sd", "1", "--difference", "0"), "difference: '0' is nothing"),
        (
            ("judging", "--queries", "10", "--judges", "3", "--pace", "60 users/hour"),
            "pace: '60 users/hour' is not a rate",
        ),
        (
            ("judging", "--queries", "10", "--judges", "3", "--hours", "25 hours"),
            "hours: '25 hours' is not a working day",
        ),
        (("peeking", "--looks", "1000"), "looks: '1000' is not a whole number from 1 to 100"),
        ((*LIFT, "--visitors", "9" * 100_000), "visitors: '999"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_bad_input_is_one_line_and_exit_code_1(arguments: tuple[str, ...], says: str, as_json: bool) -> None:
    began = time.process_time()
    result = run(*arguments, *(["--json"] if as_json else []))
    assert result.exit_code == 1, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert time.process_time() - began < 1


def test_wrong_usage_is_exit_code_2() -> None:
    assert run("proportions", "--lift", "1 %").exit_code == 2
    assert run("proportions", "--base", "5 %", "--lifts", "1 %").exit_code == 2


@pytest.mark.parametrize("against", ["control", "all", "rest"])
@pytest.mark.parametrize("arms", ["2", "3", "1000 variants"])
@pytest.mark.parametrize("confidence", ["50 %", "95 %", "99.9999 %"])
def test_every_answer_can_be_read_and_adds_up(arms: str, against: str, confidence: str) -> None:
    given = (*LIFT, "--arms", arms, "--against", against, "--confidence", confidence)
    answer = answered(*given, "--visitors", "1M users/day")
    assert answer["in_all"] == answer["each"] * answer["arms"]
    assert answer["power"] == pytest.approx(0.8, abs=2e-3 if confidence != "50 %" else 0.1)
    assert answer["days"] == math.ceil(answer["in_all"] / 1e6)
    text = run(*given, "--grid").output
    assert "nan" not in text
    assert "Working" in text
    assert "Assumed" in text


def test_few_successes_are_said() -> None:
    few = answered("proportions", "--base", "0.1 %", "--each", "5000")
    assert "the normal approximation is poor" in few["notes"][0]


def test_for_reading_the_answer_comes_first() -> None:
    lines = run(*LIFT, "--arms", "9 banners", "--against", "all").output.splitlines()
    assert lines[0].startswith("You need 64,905 visitors for each of 9 banners, 584,145 in all.")
    assert any("36 pairs, each judged at 0.139 % (Bonferroni)" in line for line in lines)
    assert "If the rate" not in "\n".join(lines)


def test_other_commands_do_not_pay_for_it() -> None:
    code = "import sys, estimators.experiment_command; sys.exit(any(m in sys.modules for m in ('numpy', 'statistics')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
