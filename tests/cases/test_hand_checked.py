"""Every number of every sheet against one worked by hand, and every claim against the verdict that it deserves."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cases import files
from cases.sheets import sheet_json
from cases.spec import Case

HAND_CHECKED: dict[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("hand_checked.yaml"))
NEAR = 0.005
"""how near the two must come: a number by hand has three or four digits"""


@pytest.fixture(params=list(files.catalog()), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return files.load(files.catalog()[request.param])


def test_no_case_that_is_not_there() -> None:
    assert HAND_CHECKED.keys() <= files.catalog().keys()
    assert "youtube_recommendations" in HAND_CHECKED


def test_every_estimate_is_worked_by_hand_and_comes_out(case: Case) -> None:
    by_hand = HAND_CHECKED[case.id]["estimates"]
    results = case.sheet.evaluate()
    assert list(by_hand) == list(results), "one entry for each estimate, in the order of the sheet"
    wrong = {}
    for name, worked in by_hand.items():
        assert worked["because"].endswith("."), name
        quantity = case.units.quantity(worked["is"])
        computed = case.units.number_in(results[name].value, case.units.written_unit(worked["is"]))
        stated = case.units.number_in(quantity, case.units.written_unit(worked["is"]))
        if computed != pytest.approx(stated, rel=NEAR):
            wrong[name] = (worked["is"], computed)
    assert not wrong


def test_every_claim_gets_the_verdict_it_deserves(case: Case) -> None:
    claims = {claim["says"]: (claim["verdict"], claim["ratio"]) for claim in sheet_json(case)["claims"]}
    expected = {
        says: (one["verdict"], pytest.approx(one["times"], rel=1e-3))
        for says, one in HAND_CHECKED[case.id]["claims"].items()
    }
    assert claims == expected


def test_it_is_counted_enough(case: Case) -> None:
    assert len(case.estimates) >= 8
    assert any("(" in str(one.formula) for one in case.estimates.values()), "a sheet speaks in building blocks"
