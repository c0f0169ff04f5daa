"""schema.json: current, a schema, and of one mind with the loader."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cases import files
from cases.files import as_json, parse

SCHEMA = json.loads(files.SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOOD = sorted((Path(__file__).parent / "good").glob("*.yaml"))
BAD = Path(__file__).parent / "bad"


def test_it_is_current() -> None:
    assert files.SCHEMA.read_text(encoding="utf-8") == files.schema(), (
        "the case language has changed; run `python -m cases schema > cases/schema.json`"
    )


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"].keys() >= {"stages", "workload", "designs", "scenarios", "cells"}


def test_every_field_says_what_it_is() -> None:
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        assert part["description"]
        for key, field in part["properties"].items():
            assert field.get("description"), key
            assert '"null"' not in json.dumps(field)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_it_accepts_good_files(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(as_json(parse(path.read_text(), path.name).tree))) == []


@pytest.mark.parametrize(
    "stem",
    [
        "unknown_key", "unknown_key_at_the_top", "nothing_stated", "list_at_the_top", "value_for_a_group",
        "group_for_a_list", "list_for_a_value", "zero_replicas", "half_a_replica", "unknown_balancing",
        "later_top_level", "zones_as_a_number", "event_of_two_kinds", "bad_name", "unknown_format",
        "design_with_a_list", "no_replicas",
        "queue_order_in_other_words", "queue_sheds_in_other_words", "hedge_as_a_duration", "retries_as_a_number",
        "external_in_other_words", "when_unknown", "timeout_without_kind", "cancel_in_other_words", "batch_of_one",
    ],
)  # fmt: skip
def test_it_refuses_what_the_loader_refuses(stem: str) -> None:
    tree = as_json(parse((BAD / f"{stem}.yaml").read_text(), stem).tree)
    assert list(VALIDATOR.iter_errors(tree))


@pytest.mark.parametrize("value", [4, "4", "20k", "4 replicas", "= desks"])
def test_numbers_and_texts_of_whole_numbers(value: Any) -> None:
    jsonschema.validate(value, SCHEMA["$defs"]["Stage"]["properties"]["replicas"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timeout", "2 s"), ("timeout", {"kind": "exponential", "mean": "2 s"}), ("when", "cache.miss"),
        ("when", {"share": "1 %"}), ("external", True), ("external", {"errors": "1 %"}), ("required", False),
        ("balancing", "least outstanding"), ("balancing", "hash"),
    ],
)  # fmt: skip
def test_short_forms_and_long_ones(key: str, value: Any) -> None:
    schema = {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["Stage"]["properties"][key]}
    jsonschema.validate(value, schema)


@pytest.mark.parametrize("value", ["10 ms", "= answer_time", 0.5])
def test_texts_of_durations(value: Any) -> None:
    jsonschema.validate(value, SCHEMA["$defs"]["ServiceTime"]["properties"]["mean"])
