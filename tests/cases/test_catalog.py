"""What holds for every case that comes with the project. A new case adds no test code."""

import json
import re
from typing import Any

import jsonschema
import pytest

from cases import design, files
from cases.build import apply, design_changes
from cases.knobs import stops
from cases.layout import places
from cases.path_check import needed
from cases.references import point
from cases.sheets import sheet_json
from cases.spec import Case

IDS = list(files.catalog())
SCHEMA = json.loads(files.SCHEMA.read_text(encoding="utf-8"))


@pytest.fixture(params=IDS, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return files.load(files.catalog()[request.param])


def test_the_catalogue_is_not_empty() -> None:
    assert "youtube_recommendations" in IDS
    assert files.FIRST in IDS


def test_its_id_is_its_file(case: Case) -> None:
    assert case.id in IDS
    assert files.load(files.catalog()[case.id]).id == case.id


def test_it_asks_a_question(case: Case) -> None:
    assert case.question.strip().count("?") >= 1
    assert case.topics
    assert case.objectives


def test_every_design_applies_and_changes_something(case: Case) -> None:
    assert case.designs
    for name, one in case.designs.items():
        after = apply(case, design_changes(case, name))
        differences = design.differences(case.tree, after.tree)
        assert all(any(f"{path}.".startswith(f"{change}.") for change in one.changes) for path in differences)
        assert after.tree != case.tree, name
        assert one.note, f"{name} says what it is about"


def test_every_knob_turns_from_end_to_end(case: Case) -> None:
    assert case.knobs
    for knob in case.knobs:
        for end in [knob.low, knob.high] if not knob.choices else []:
            assert end is not None
            assert design.text_at(apply(case, {knob.path: end}).tree, knob.path) == end


def test_every_stop_of_a_knob_is_a_design(case: Case) -> None:
    for knob in case.knobs:
        label, texts, current = stops(case, knob, case)
        assert label
        assert current in texts
        assert 2 <= len(set(texts)) == len(texts) <= 120
        for text in texts:
            apply(case, {knob.path: text})
        if knob.choices:
            continue
        values = [point(case, text).value for text in texts]
        assert values == sorted(values)


def test_every_stage_has_its_place_in_the_picture(case: Case) -> None:
    found = places(case)
    assert found.keys() == {stage.name for stage in case.stages}
    assert len({(place.column, place.row) for place in found.values()}) == len(found)
    for stage in case.stages:
        assert all(found[before].column < found[stage.name].column for before in needed(stage))


def test_sources_exist_and_are_used(case: Case) -> None:
    used = {a.basis.source for a in case.assumptions.values()} | {claim.source for claim in case.claims}
    used.discard(None)
    assert used <= case.sources.keys()
    for name, source in case.sources.items():
        assert name in used or source.note, f"{name} is neither used nor says what was taken from it"
        assert source.checked, f"{name} does not say when it was looked up"


def test_its_sheet_evaluates(case: Case) -> None:
    sheet = sheet_json(case)
    assert json.loads(json.dumps(sheet, allow_nan=False)) == sheet
    assert list(sheet["estimates"]) == list(case.estimates)
    assert len(sheet["claims"]) == len(case.claims)
    assert all(not result.no_interval for result in case.sheet.evaluate().values())


def test_what_is_printed_can_be_read_again(case: Case) -> None:
    as_json = json.loads(json.dumps(files.as_json(case.tree)))
    again = files.loads(files.as_yaml(case.tree), "again.yaml")
    assert again.tree == case.tree
    assert files.as_json(again.tree) == as_json
    assert _texts(as_json) == case.tree


def _texts(node: Any) -> Any:
    """A JSON value with the texts of a file."""
    if isinstance(node, dict):
        return {key: _texts(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_texts(value) for value in node]
    return node if isinstance(node, str) else json.dumps(node)


def test_editors_accept_it(case: Case) -> None:
    jsonschema.validate(files.as_json(case.tree), SCHEMA, jsonschema.Draft202012Validator)
    first = files.catalog()[case.id].read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"# yaml-language-server: \$schema=\.\./schema\.json", first)
