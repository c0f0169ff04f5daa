"""The sheet of the YouTube case: its JSON is a contract, its verdicts are what the case is about.

And of small cases: what drives an estimate, what it rests on, and assumptions that vary together.
"""

import json
import math
from datetime import date

import pytest

from cases import files
from cases.cards import beneath_outcomes, cards, grounds, origin
from cases.errors import DesignError
from cases.sheets import judged_claims, sheet_json, sheet_text
from cases.spec import Case
from cases.tornado import tornado_json, tornado_text
from estimators.errors import FormulaError

TODAY = date(2026, 11, 26)
CASE = files.load(files.catalog()["youtube_recommendations"])
SHEET = sheet_json(CASE)


def test_keys() -> None:
    assert SHEET.keys() == {"case", "estimates", "claims"}
    assert SHEET["case"] == "youtube_recommendations"
    for estimate in SHEET["estimates"].values():
        assert estimate.keys() == {"value", "low", "median", "high", "unit", "working"}
    for claim in SHEET["claims"]:
        assert claim.keys() >= {"says", "stated", "computed", "ratio", "verdict"}
    assert json.loads(json.dumps(SHEET, allow_nan=False)) == SHEET


def test_verdicts() -> None:
    assert [(c["verdict"], c["ratio"]) for c in SHEET["claims"]] == [
        ("supported", pytest.approx(1)),
        ("rounded", pytest.approx(750 / 735)),
        ("rounded", pytest.approx(800 / 750)),
        ("too_high", pytest.approx(10)),
        ("too_high", pytest.approx(3456)),
    ]
    assert [c.says for c, _ in judged_claims(CASE)] == [c["says"] for c in SHEET["claims"]]
    storage = SHEET["claims"][3]
    assert (storage["stated"], storage["computed"], storage["unit"], storage["slip"]) == (
        4,
        0.4,
        "PB",
        "a factor of ten",
    )


def test_values() -> None:
    estimates = SHEET["estimates"]
    assert list(estimates) == list(CASE.estimates)
    loads = estimates["page_loads_per_second"]
    assert loads["value"] == pytest.approx(15e9 / 2 / (30 * 86_400))
    assert (loads["unit"], loads["low"], loads["high"]) == ("load/s", None, None)
    assert estimates["negatives_per_month"]["value"] == pytest.approx(735e9)
    peak = estimates["peak_rate"]
    assert peak["low"] == pytest.approx(1.6 * loads["value"], rel=0.01)
    assert peak["high"] == pytest.approx(1.7 * loads["value"], rel=0.01)
    assert peak["low"] < peak["value"] < peak["high"]
    assert peak["median"] == pytest.approx(peak["value"], rel=0.01)
    assert "15" in estimates["page_loads_per_month"]["working"]


def test_the_simulated_rate_is_the_computed_one() -> None:
    assert CASE.workload.rate == pytest.approx(SHEET["estimates"]["page_loads_per_second"]["value"], rel=1e-12)


def test_text() -> None:
    text = sheet_text(CASE)
    assert "TOO HIGH: 500 bytes times 800 billion rows is 4 petabytes" in text
    assert "SUPPORTED: 15 billion positive labels a month" in text
    for estimate in CASE.estimates.values():
        assert estimate.label is not None
        assert estimate.label in text


def test_a_claim_of_another_kind_is_said_to_be_one() -> None:
    text = files.catalog()["youtube_recommendations"].read_text()
    wrong = text.replace("value: 4 PB, source", "value: 4 million loads, source")
    assert wrong != text
    claim = sheet_json(files.loads(wrong, "wrong.yaml"))["claims"][3]
    assert (claim["verdict"], claim["ratio"]) == ("wrong_dimension", None)


TIED = """
format: 1
id: desk
title: A desk
question: How many ask?
assumptions:
  audience: {value: 8e6..12e6 users/day, label: Daily audience, basis: {kind: estimate, note: a guess}}
  asked_each: {value: 3..6 requests/user, basis: {kind: published, source: study}}
  kept: {value: 7 days, basis: {kind: estimate, note: a habit}}
estimates:
  asked: {formula: audience * asked_each, unit: request/s, label: Asked a second}
  held: {formula: asked * kept / stages.desk.concurrency, unit: request}
  bare: {formula: "2 * 3"}
correlations:
  - {between: [audience, asked_each], of: 0.6}
workload: {kind: poisson, rate: = asked}
outcomes:
  rate_served: {formula: share_completed * asked}
stages:
  - {name: desk, replicas: 1, concurrency: 4, service: {kind: exponential, mean: 12 ms}}
sources:
  study: {title: A study of <b>desks</b>, url: "https://desks.example/study?a=1&b=2", checked: 2026-11-20}
  other: {title: Another}
"""


def tied(text: str = TIED, **changes: str) -> Case:
    """The small case, changed."""
    from cases.build import apply

    case = files.loads(text.lstrip(), "desk.yaml")
    return apply(case, {path.replace("__", "."): value for path, value in changes.items()})


def test_assumptions_that_vary_together_widen_what_both_are_in() -> None:
    loose = tied(TIED.replace("of: 0.6", "of: 0.0"))
    widths = [
        math.log(one["high"] / one["low"])
        for one in (sheet_json(case)["estimates"]["asked"] for case in (loose, tied()))
    ]
    a, b, rho = math.log(12 / 8), math.log(6 / 3), 2 * math.sin(math.pi / 6 * 0.6)
    assert widths == [
        pytest.approx(math.sqrt(a * a + b * b), rel=0.02),
        pytest.approx(math.sqrt(a * a + b * b + 2 * rho * a * b), rel=0.02),
    ]


def test_a_design_changes_a_correlation_and_may_make_a_range_one_value() -> None:
    assert tied(correlations__0__of="-0.2").sheet.correlations == {("audience", "asked_each"): -0.2}
    assert tied(correlations__0__of="-0.2").sheet is not tied().sheet
    fixed = tied(assumptions__audience__value="9e6 users/day")
    assert [one["name"] for one in tornado_json(fixed, "asked")["swings"]] == ["asked_each"]
    with pytest.raises(DesignError, match=r"correlations\.0\.of: '2' is out of bounds"):
        tied(correlations__0__of="2")


def test_tornado_json() -> None:
    found = tornado_json(tied(), "held")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found.keys() == {
        *("case", "estimate", "unit", "value", "low", "median", "high", "swings", "taken_as_exact", "correlations")
    }
    assert (found["case"], found["estimate"], found["unit"]) == ("desk", "held", "request")
    assert found["value"] == pytest.approx(math.sqrt(8e6 * 12e6 * 3 * 6) * 7 / 4)
    first, second = found["swings"]
    assert (first["name"], second["name"]) == ("asked_each", "audience")
    assert first["range"] == "3..6 requests/user"
    assert first["low"] == pytest.approx(math.sqrt(8e6 * 12e6) * 3 * 7 / 4)
    assert first["high"] == pytest.approx(math.sqrt(8e6 * 12e6) * 6 * 7 / 4)
    assert found["taken_as_exact"] == ["kept"]
    assert found["correlations"] == [{"between": ["audience", "asked_each"], "of": 0.6}]
    assert tornado_json(tied(), "bare")["swings"] == []


def test_tornado_text() -> None:
    text = tornado_text(tied(), "asked")
    assert text.startswith("Asked a second: 481.1 request/s  (median ")
    assert "  asked each (3..6 requests/user)\n    [████" in text
    assert "request/s to 680.4 request/s, " in text
    assert "Tied to each other: Daily audience and asked each (0.6); their shares overlap." in text
    assert "Taken as exact: kept" in tornado_text(tied(), "held")
    with pytest.raises(FormulaError, match="'askd' is not an estimate of this sheet; did you mean 'asked'"):
        tornado_text(tied(), "askd")


def test_a_card_says_what_a_number_rests_on() -> None:
    card = cards(tied(), TODAY)["held"]
    assert [one.name for one in card.assumptions] == ["audience", "asked_each", "kept"]
    study = card.assumptions[1]
    assert (study.kind, study.where, study.checked) == ("published", "A study of <b>desks</b>", "2026-11-20")
    assert study.url == "https://desks.example/study?a=1&b=2"
    assert card.assumptions[2].where == "a habit"
    assert [(one.name, one.label) for one in card.between] == [("asked", "Asked a second")]
    assert [(one.name, one.value) for one in card.paths] == [("stages.desk.concurrency", "4")]
    assert card.exact == ("kept",)
    assert card.interval is not None
    assert 0 < card.interval.low < card.interval.median < card.interval.high == 1
    assert card.interval.point == pytest.approx(card.interval.median, abs=0.01)
    first, second = card.tornado
    assert (first.start, first.end) == (0, 1)
    assert 0 < second.start < second.end < 1
    assert cards(tied(), TODAY)["bare"].interval is None


def test_a_card_tells_what_was_changed_and_what_is_no_web_address_is_no_link() -> None:
    changed = cards(tied(assumptions__asked_each__value="5 requests/user"), TODAY)["asked"].assumptions[1]
    assert (changed.value, changed.instead_of) == ("5 requests/user", "3..6 requests/user")
    hostile = tied(TIED.replace("https://desks.example/study?a=1&b=2", "javascript:alert(1)"))
    assert cards(hostile, TODAY)["asked"].assumptions[1].url == ""


def test_the_functions_of_a_working_are_explained() -> None:
    case = tied(TIED.replace("2 * 3", "peak_rate(asked, 1.65)"))
    (one,) = cards(case, TODAY)["bare"].functions
    assert one.signature == "peak_rate(average, peak_to_mean)"
    assert "busiest" in one.about
    assert "Brazil" in one.source


def test_where_the_numbers_of_a_run_come_from() -> None:
    assert origin(tied(), "workload.rate") == "asked"
    assert origin(tied(workload__rate="50 requests/s"), "workload.rate") is None
    assert origin(tied(), "workload.users") is None
    assert beneath_outcomes(tied()) == ["asked"]


def test_every_estimate_of_the_catalogue_is_traced_to_sources() -> None:
    for path in files.catalog().values():
        case = files.load(path)
        for card in cards(case, TODAY).values():
            assert card.assumptions or card.paths or card.between, card.name
            assert all(one.kind and one.where for one in card.assumptions)
            assert all(one.signature and one.about for one in card.functions)


def test_what_a_run_is_computed_with() -> None:
    """Its rate and its prices lead to the estimates that they refer to."""
    case = files.open_case("youtube_recommendations")
    assert grounds(case) == [
        "page_loads_per_second",
        "machine_price",
        "small_machine_price",
        "ndcg_as_written",
    ]
