"""Any value of any case replaced by anything: a CaseError or a case, quickly, and nothing else."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cases import files
from cases.build import build
from cases.errors import CaseError

HERE = Path(__file__).parent
WAY = tuple[Any, ...]
ODD: list[Any] = [
    "", [], {}, ["a", "b"], {"a": "b"}, {"": ""}, [[]], [{}], "\u202e\x00\ud800", "1e999999", "nan", "-1", "= x",
    "= total", "= stages.gateway.replicas", "none", "9" * 5_000, "x" * 100_000, "1..2", "=", "stages.gateway.replicas",
    [{"name": {}}], [{"name": "gateway"}], {"name": "gateway"}, {"x" * 500: "y"},
]  # fmt: skip


TURNED = ("designs", "knobs", "scenarios", "walkthrough")  # tried out whenever a tree is read, which takes long
TRIED = (files.FIRST, "bank_fraud_sms")  # at every change, the others in `make long`
EACH = 40  # of the places in them one in so many is left out, of the others one in twelve


def ways(node: Any, way: WAY = ()) -> Iterator[WAY]:
    yield way
    for step in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from ways(node[step], (*way, step))


def replaced(node: Any, way: WAY, value: Any) -> Any:
    """A copy with the value at the way; None deletes."""
    if not way:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    if len(way) == 1 and value is None:
        del copy[way[0]]
    else:
        copy[way[0]] = replaced(node[way[0]], way[1:], value)
    return copy


def tried(tree: Any) -> bool:
    """Whether it is a case; whatever is said of it is fit for a terminal."""
    started, said = time.process_time(), ""
    try:
        build(tree)
    except CaseError as error:
        said = str(error)
    assert time.process_time() - started < 5
    assert all(line.isprintable() and len(line) < 700 for line in said.splitlines())
    return not said


@pytest.mark.parametrize("one_in", [4, pytest.param(1, marks=pytest.mark.long)])  # of the places
@pytest.mark.parametrize("odd", [*ODD, None], ids=lambda odd: ascii(odd)[:20])
@pytest.mark.parametrize("name", ["everything_simulated_today", "request_path"])
def test_every_value_replaced(name: str, odd: Any, one_in: int) -> None:
    tree = files.load(HERE / "good" / f"{name}.yaml").tree
    if name == "request_path":
        tree = {key: value for key, value in tree.items() if key not in TURNED}
    places = [way for way in ways(tree) if way]
    found = [tried(replaced(tree, way, odd)) for way in places[::one_in]]
    assert len(places) > 140
    assert found.count(False) > 30 / one_in  # most places hold what is checked


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one in TRIED else pytest.mark.long) for one in files.catalog()]
)
def test_every_value_of_the_catalogue_left_out(name: str) -> None:
    tree = files.load(files.catalog()[name]).tree
    some = [way for way in ways(tree) if way and len(way) < 4]
    turned = [way for way in some if way[0] in TURNED]
    fixed = {key: value for key, value in tree.items() if key not in TURNED}
    others = [way for way in some if way[0] not in TURNED]
    assert {tried(replaced(tree, way, None)) for way in turned[::EACH]} == {True, False}
    assert {tried(replaced(fixed, way, None)) for way in others[::12]} == {True, False}


@pytest.mark.parametrize("tree", ["", "text", [], ["a"], {}, {"format": "1"}])
def test_no_case_at_all(tree: Any) -> None:
    assert not tried(tree)
