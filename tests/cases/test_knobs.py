"""Knobs: stops between two ends, and choices."""

import pytest

from cases.build import apply
from cases.errors import CaseError
from cases.knobs import chosen, stops, written
from cases.spec import Case
from tests.cases.small_texts import desk

HEDGES = 'choices: [none, "{after: 20 ms}", "{after: 20 ms, budget: 5 %}"]'


def knobs(*lines: str) -> Case:
    """A desk with a queue, and knobs."""
    more = "".join(f"  - {{{line}}}\n" for line in lines)
    return desk(("mean: 12 ms}", "mean: 12 ms}, queue: {order: fifo}"), more=f"knobs:\n{more}")


def test_choices_are_texts_as_a_design_has_them() -> None:
    case = knobs("path: stages.desk.queue.order, choices: [fifo, lifo], label: Who is next")
    assert stops(case, case.knobs[0], case) == ("Who is next", ("fifo", "lifo"), "fifo")
    turned = apply(case, {"stages.desk.queue.order": "lifo"})
    assert stops(turned, case.knobs[0], case).current == "lifo"


def test_a_choice_may_be_a_group_or_none() -> None:
    case = knobs(f"path: stages.desk.hedge, {HEDGES}")
    knob = case.knobs[0]
    assert chosen(case.tree, knob) == "none"
    for text in knob.choices:
        assert chosen(apply(case, {"stages.desk.hedge": text}).tree, knob) == text


def test_what_a_design_has_beside_the_choices_is_one_too() -> None:
    case = knobs(f"path: stages.desk.hedge, {HEDGES}")
    other = apply(case, {"stages.desk.hedge.after": "35 ms"})
    found = stops(other, case.knobs[0], case)
    assert found.current == "{after: 35 ms}"
    assert found.texts == (*case.knobs[0].choices, "{after: 35 ms}")
    assert apply(case, {"stages.desk.hedge": found.current}).tree == other.tree


def test_what_stands_at_a_path_is_written_as_a_design_would() -> None:
    case = knobs(f"path: stages.desk.hedge, {HEDGES}")
    assert written(case.tree, "stages.desk.hedge") == "none"
    assert written(case.tree, "stages.desk.replicas") == "1"
    assert written(case.tree, "stages.desk.service") == "{kind: exponential, mean: 12 ms}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("path: stages.desk.replicas", "a knob has 'from' and 'to', or 'choices'"),
        ("path: stages.desk.replicas, from: 1", "a knob has 'from' and 'to', or 'choices'"),
        ("path: stages.desk.replicas, from: 1, to: 3, choices: [1, 2]", "either 'choices' or 'from' and 'to'"),
        ("path: stages.desk.queue.order, choices: [fifo, lifo], scale: log", "either 'choices' or 'from' and 'to'"),
        ("path: stages.desk.queue.order, choices: [fifo]", "at least two different texts"),
        ("path: stages.desk.queue.order, choices: [fifo, fifo, lifo]", "at least two different texts"),
        ("path: stages.desk.service.mean, choices: [9 ms, 15 ms]", "knobs.0.choices: leave out the case's own '12 ms'"),
        (
            "path: stages.desk.queue.order, choices: [fifo, last]",
            "knobs.0.choices: 'last': 'last' is not a queue order",
        ),
        ("path: stages.dek.queue.order, choices: [fifo, lifo]", "knobs.0.path: stages.dek.queue.order: is not a path"),
        ("path: id, choices: [a, b]", "knobs.0.path: id: cannot be changed by a design"),
    ],
)
def test_what_is_wrong_with_a_knob_is_said(line: str, message: str) -> None:
    with pytest.raises(CaseError) as error:
        knobs(line)
    assert message in str(error.value)


def test_whole_numbers_are_turned_in_whole_numbers() -> None:
    """On a log scale too: a queue of 1.2 visits is no design."""
    line = "  - {path: stages.desk.queue.limit, from: 1, to: 100, scale: log}"
    case = desk(("mean: 12 ms}", "mean: 12 ms}, queue: {limit: 7}"), more=f"knobs:\n{line}\n")
    texts = stops(case, case.knobs[0], case).texts
    assert texts[:6] == ("1", "2", "3", "4", "5", "6")
    assert "7" in texts
    assert all(text.isdecimal() for text in texts)
