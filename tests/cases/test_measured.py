"""Measured times beside a case file: what is read, what is refused, and that a case holds them itself."""

# ruff: noqa: E501 - messages stand whole beside what they are about

from pathlib import Path

import pytest
from small_texts import desk_text

from cases import measured
from cases.build import apply
from cases.errors import CaseError, DesignError
from cases.files import as_yaml, load, loads
from cases.service_spec import MOST_TIMES

CASE = desk_text(("kind: exponential, mean: 12 ms", "kind: empirical, file: measured.csv"))


def times(folder: Path, text: str | bytes) -> tuple[float, ...]:
    """What is read of a file."""
    (folder / "desk.yaml").write_text(CASE)
    (folder / "measured.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = load(folder / "desk.yaml").stages[0].service.times
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ms\n12\n15.5\n", (0.012, 0.0155)),
        ("latency_ms\r\n12\r\n\r\n15\r\n", (0.012, 0.015)),
        ("Latency (us)\n12\n1.5e3\n", (12e-6, 1500e-6)),
        ("response time, seconds".replace(",", "") + "\n0.5\n2\n", (0.5, 2.0)),
        ('"latency_ms"\n"12"\n"15"\n', (0.012, 0.015)),
        ("12 ms\n1.5 s\n3 min\n", (0.012, 1.5, 180.0)),
        ("ms\n12\n2 s\n", (0.012, 2.0)),
        ("\ufeffms\n1\n2\n", (0.001, 0.002)),
    ],
)
def test_one_column_of_durations(text: str, read: tuple[float, ...], tmp_path: Path) -> None:
    assert times(tmp_path, text) == pytest.approx(read, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "measured.csv is empty; write "),
        ("12\n15\n", "measured.csv:1: '12' has no unit of time; write "),
        ("latency\n12\n15\n", "the first line, 'latency', names no unit; write "),
        ("ms\n12\n", "measured.csv has 1 times; from 2 to 10,000 are read; take a sample of it"),
        ("ms\n" + "1\n" * (MOST_TIMES + 1), "measured.csv has 10,001 times; from 2 to 10,000 are read; take a sample of it"),
        ("ms\n12\n0\n", "measured.csv:3: '0' is no time that passes; leave it out"),
        ("ms\n12\n-4\n", "measured.csv:3: '-4' is no time that passes; leave it out"),
        ("ms\n12\nabc\n", "measured.csv:3: 'abc' is not a duration; write "),
        ("ms\n12\n15 GB\n", "measured.csv:3: '15 GB' has no unit of time; write "),
        ("ms\n12\n1e999\n", "measured.csv:3: '1e999' is not a duration; write "),
        ("1 ms;2\n", "measured.csv:1: '1 ms;2' is not one value; keep a single column, the durations"),
        ("ms\n" + "9" * 5_000, "measured.csv:2: '9999"),
        (b"\xff\xfe1", "measured.csv is not UTF-8 text; save it as CSV"),
        ("1" * (measured.MOST_BYTES + 1), "measured.csv has more than 2 MiB; take a sample of it"),
    ],
    ids=lambda value: ascii(value)[:24],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as error:
        times(tmp_path, text)
    (problem,) = error.value.problems
    assert problem.path == "stages.desk.service.file"
    assert problem.message.startswith(message)
    assert str(error.value).startswith("desk.yaml:7: ")
    assert all(line.isprintable() and len(line) < 400 for line in str(error.value).splitlines())


@pytest.mark.parametrize("name", ["../measured.csv", "/etc/passwd", "a/b.csv", "", ".hidden", "..", "a\\b", "x" * 200])
def test_only_a_plain_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(CASE.replace("measured.csv", f"'{name}'"))
    with pytest.raises(CaseError, match="is not the plain name of a file beside this one"):
        load(tmp_path / "desk.yaml")


def test_no_link_and_no_device(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(CASE)
    (tmp_path / "measured.csv").symlink_to("/etc/hostname")
    with pytest.raises(CaseError, match="is not a plain file"):
        load(tmp_path / "desk.yaml")


def test_nothing_is_read_without_a_folder() -> None:
    """A text from elsewhere, an address, a design: no file of ours is opened."""
    with pytest.raises(CaseError, match="'file' is read with a case file, from beside it; here there is no folder"):
        loads(CASE, "f.yaml")
    case = loads(desk_text(), "f.yaml")
    with pytest.raises(DesignError, match="here there is no folder"):
        apply(case, {"stages.desk.service": "{kind: empirical, file: measured.csv}"})


def test_the_case_holds_the_times(tmp_path: Path) -> None:
    times(tmp_path, "ms\n12\n15\n")
    case = load(tmp_path / "desk.yaml")
    assert case.tree["stages"][0]["service"] == {"kind": "empirical", "times": ["12 ms", "15 ms"]}
    (tmp_path / "measured.csv").unlink()
    assert loads(as_yaml(case.tree), "copy.yaml").stages[0].service.times == (0.012, 0.015)
    assert apply(case, {"stages.desk.replicas": "1", "run.seed": "3"}).stages[0].service.times == (0.012, 0.015)
