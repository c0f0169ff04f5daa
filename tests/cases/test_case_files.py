"""Case files: lines, texts that stay texts, limits, reading and writing."""

import json
import os
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import DESK, desk, desk_text

from cases import files, yaml_reader
from cases.design import Plain
from cases.errors import CaseError, Problem
from cases.files import as_json, as_yaml, load, loads, parse


def refused(text: str, name: str = "f.yaml") -> str:
    with pytest.raises(CaseError) as error:
        loads(text, name)
    return str(error.value)


def test_a_line_for_every_place() -> None:
    document = parse("a: 1\nb:\n  - name: x\n    c: 2\n  -\n    d:\n      e.f: 3\n", "f.yaml")
    places = {"a": 1, "b": 2, "b.x": 3, "b.0": 3, "b.x.c": 4, "b.0.c": 4, "b.1.d": 6, "b.1.d.e.f": 7, "b.1.d.g": 6}
    assert {place: document.line_of(place) for place in places} == places
    assert document.line_of("nothing.of.this") == 1


def test_the_smallest_case_has_six_lines_of_statements() -> None:
    case = desk()
    assert case.stages[0].service.mean == 0.012
    assert case.workload.rate == 50
    assert (case.assumptions, case.objectives, case.knobs, case.designs) == ({}, [], [], {})


def test_scalars_stay_texts() -> None:
    given = "[no, yes, on, 12:30, 1e3, 0x10, 010, ~, null, true, 1_000, .5, 2026-11-20, '1', \"no\", '']"
    texts = ["no", "yes", "on", "12:30", "1e3", "0x10", "010", "~", "null", "true", "1_000", ".5", "2026-11-20"]
    assert parse(given, "f").tree == [*texts, "1", "no", ""]


def test_what_json_takes_for_numbers() -> None:
    given = parse("[1, -2.5, 0.5, true, false, '1', 'true', 1e3, 0.50, 007, +1, 12345678901234567890, nan, null]", "f")
    assert as_json(given.tree) == [
        1, -2.5, 0.5, True, False, "1", "true", "1e3", "0.50", "007", "+1", "12345678901234567890", "nan", "null"
    ]  # fmt: skip
    assert as_json(Plain("9" * 9_000)) == "9" * 9_000
    json.dumps(as_json(given.tree), allow_nan=False)


def test_blocks_folds_and_escapes_are_read() -> None:
    text = 'a: >-\n  one\n  two\nb: |\n  three\nc: "x\\ty"\n"d": {e: [f, {g: h}]}\n'
    assert parse(text, "f").tree == {"a": "one two", "b": "three\n", "c": "x\ty", "d": {"e": ["f", {"g": "h"}]}}


def test_windows_lines_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + DESK.replace("\n", "\r\n").encode())
    assert load(path).id == "desk"
    path.write_bytes(b"\xef\xbb\xbf" + DESK.replace("12 ms", "12 parsecs").replace("\n", "\r\n").encode())
    with pytest.raises(CaseError, match=r"^desk.yaml:7: stages.desk.service.mean: '12 parsecs'"):
        load(path)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    [
        "no", "null", "~", "true", "1", "-0.5", "1e9", "= x", "a: b", "- a", "#", "'", '"', "12:30", " x ", "a\nb", "@",
        "%", "*a", "&a", "!t", "|", ">", "?", "{}", "[]", "---", "...",
    ]
)  # fmt: skip
TREES = st.recursive(
    TEXTS | TEXTS.map(str),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex("[a-z_.]{1,12}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(TREES)
def test_what_is_written_is_read_again(tree: object) -> None:
    read = parse(as_yaml({"root": tree}), "f").tree
    assert read == {"root": tree}
    assert as_json(read) == as_json({"root": tree})


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(st.sampled_from(" \n-:?,[]{}#&*!|>'\"%@`ab1\t~<="), max_size=60) | st.text(max_size=60))
def test_no_text_gets_past_the_reader_but_as_a_case_error(text: str) -> None:
    with pytest.raises(CaseError):
        loads(text, "f.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * (yaml_reader.MOST_BYTES + 1), "f.yaml:1: the file has more than 512 KiB; a case is smaller"),
        ("- a\n" * 30_000, "f.yaml:20000: more than 20,000 values; a case is smaller"),
        ("[" * 1_000, "f.yaml:1: nested more than 20 deep; a case is flatter"),
        ("- " * 1_000, "f.yaml:1: nested more than 20 deep; a case is flatter"),
        ("{a: " * 1_000, "f.yaml:1: nested more than 20 deep; a case is flatter"),
        ("a: |\n" + " x\n" * 9_000, "f.yaml:1: a text of 18,000 characters; the longest that is read has 10,000"),
        ("\n" + "!" * 300_000, "f.yaml:2: a line of 300,000 characters; the longest that is read has 20,000"),
        ("? " + "k" * 300 + "\n: 1", "f.yaml:1: a key of 300 characters; a key has 1 to 200"),
        ("'': 1", "f.yaml:1: a key of 0 characters; a key has 1 to 200"),
        ("a: ! b", "f.yaml:1: tags ('!') are not read; leave it out"),
        ("x: 1\na: \x00", "f.yaml:2: the character U+0000 is not read in a case; leave it out"),
        ('a: "\\ud800"', "f.yaml:1: the character U+D800 is not read in a case; leave it out"),
        ("a: '\u202etxt'", "f.yaml:1: the character U+202E is not read in a case; leave it out"),
    ],
)
def test_limits_hold_at_once(text: str, message: str) -> None:
    started = time.process_time()
    assert refused(text) == message
    assert time.process_time() - started < 10


def test_text_that_no_file_could_hold() -> None:
    assert refused("a: \ud800").startswith("f.yaml:1: ")


def test_a_name_with_control_characters_stays_one_line() -> None:
    assert refused("[]", "a\x1b\nb.yaml") == "a? b.yaml:1: a case is a mapping; begin with 'format: 1'"


def test_many_problems_are_counted() -> None:
    lines = refused(desk_text(more="".join(f"key_{i}: 1\n" for i in range(90)))).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "... and 40 more; put these right first"


def test_problems_are_in_the_order_of_the_file() -> None:
    message = refused(desk_text(("12 ms", "12"), ("50 requests/s", "50"), ("title", "titel")))
    assert [line.split(": ")[0] for line in message.splitlines()] == ["f.yaml:1", "f.yaml:3", "f.yaml:5", "f.yaml:7"]


def test_too_much_to_try_out() -> None:
    formula = " + ".join(["stages.desk.replicas"] * 80)
    estimates = "".join(f"  total_{i}: {{formula: {formula}}}\n" for i in range(100))
    designs = "".join(f"  d{i}: {{changes: {{stages.desk.replicas: 1}}}}\n" for i in range(50))
    message = refused(desk_text(more=f"estimates:\n{estimates}designs:\n{designs}"))
    assert message == (
        "f.yaml:8: estimates: 183,700 characters of formulas, and 50 designs, ends of knobs and events; have fewer"
    )


def test_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path, reason in {
        tmp_path: "is a folder; name a YAML file",
        tmp_path / "pipe.yaml": "is not a file; name a YAML file",
        tmp_path / "none.yaml": "cannot be read: No such file or directory",
        Path("/dev/zero"): "is not a file; name a YAML file",
    }.items():
        with pytest.raises(CaseError) as error:
            load(path)
        assert error.value.problems == (Problem(str(path), reason),)


def test_a_file_larger_than_a_case_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)  # sparse
    with pytest.raises(CaseError, match="more than 512 KiB"):
        load(path)


@pytest.mark.parametrize(
    "reference", ["youtube_recommendation", "nothing like it", "", "x" * 5_000, "a\0b", "a\0b.yaml"]
)
def test_a_reference_to_no_case(reference: str) -> None:
    with pytest.raises(CaseError) as error:
        files.open_case(reference)
    assert "\n" not in str(error.value)
    hint = "did you mean 'youtube_recommendations'?" if reference.startswith("youtube") else ""
    assert hint in str(error.value)


def test_an_error_can_be_sent_to_another_process() -> None:
    with pytest.raises(CaseError) as error:
        loads(desk_text(("12 ms", "12")), "f.yaml")
    copy = pickle.loads(pickle.dumps(error.value))
    assert (str(copy), copy.problems) == (str(error.value), error.value.problems)
