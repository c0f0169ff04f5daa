"""The sheet of the YouTube case: its JSON is a contract, its verdicts are what the case is about."""

import json

import pytest

from cases import files
from cases.sheets import judged_claims, sheet_json, sheet_text

CASE = files.load(files.catalog()["youtube_recommendations"])
SHEET = sheet_json(CASE)


def test_keys() -> None:
    assert SHEET.keys() == {"case", "estimates", "claims"}
    assert SHEET["case"] == "youtube_recommendations"
    for estimate in SHEET["estimates"].values():
        assert estimate.keys() == {"value", "low", "high", "unit", "working"}
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
