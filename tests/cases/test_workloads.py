"""Workloads in a case: what each kind is made of, and recorded arrivals beside a case file."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_texts import desk, desk_text

from cases import replay
from cases.build import apply
from cases.errors import CaseError, DesignError
from cases.files import as_yaml, load, loads
from cases.measured import MOST_BYTES
from cases.workload_spec import KINDS

CASE = desk_text(("kind: poisson, rate: 50 requests/s", "kind: replay, file: arrivals.csv, classes: CLASSES"))
CLASSES = "[{name: paid, share: 20 %, items: 5 candidates}, {name: free, share: 80 %, items: 9 candidates}]"
CASE = CASE.replace("CLASSES", CLASSES) + "counts: [candidate]\n"

EXAMPLES = {
    "poisson": "rate: 50 requests/s",
    "even": "rate: 50 requests/s",
    "bursty": "rate: 50 requests/s, times: 5, every: 60 s, lasts: 10 s",
    "diurnal": "rate: 50 requests/s, peak_to_mean: 1.65, period: 24 hours, peak_at: 20 hours",
    "schedule": "steps: [{for: 10 s, rate: 50 requests/s}]",
    "ramp": "from: 10 requests/s, to: 90 requests/s, over: 60 s",
    "spike": "rate: 50 requests/s, times: 3, at: 10 s, lasts: 5 s",
    "flash_crowd": "rate: 50 requests/s, times: 8, at: 60 s, rise: 5 s, half_life: 30 s",
    "replay": "arrivals: [time, 0.5, 0.75]",
    "closed": "users: 100, think: 5 s",
    "sessions": "rate: 2/s, requests: 8, gap: 150 ms",
}


def written(kind: str, rest: str) -> str:
    return desk_text(("kind: poisson, rate: 50 requests/s", f"kind: {kind}, {rest}"))


def message(text: str) -> str:
    with pytest.raises(CaseError) as error:
        loads(text, "f.yaml")
    (problem,) = error.value.problems
    return problem.message


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_keys_and_no_others(kind: str) -> None:
    assert loads(written(kind, EXAMPLES[kind]), "f.yaml").workload.kind == kind
    others = {key for key in ("rate", "steps", "at", "users", "gap", "arrivals") if f"{key}:" not in EXAMPLES[kind]}
    values = {"rate": "5/s", "at": "1 s", "users": "5", "gap": "1 s"} | {
        "steps": "[{for: 1 s, rate: 5/s}]",
        "arrivals": "[time, 1]",
    }
    for key in others:
        assert f"and no '{key}'; write for example '" in message(
            written(kind, f"{EXAMPLES[kind]}, {key}: {values[key]}")
        )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("schedule", "replay")])
def test_every_key_is_needed_unless_it_is_said_what_else_holds(kind: str) -> None:
    pairs = EXAMPLES[kind].split(", ")
    for i, pair in enumerate(pairs):
        key = pair.partition(":")[0]
        rest = ", ".join([*pairs[:i], *pairs[i + 1 :]])
        text = written(kind, rest).replace(", }", "}")
        if key in ("period", "peak_at"):
            assert loads(text, "f.yaml")
        else:
            assert f"'{key}' is missing; write for example '" in message(text)


def test_a_design_can_change_the_kind() -> None:
    case = desk(("kind: poisson, rate: 50 requests/s", "kind: even, rate: = speed"), more=SPEED)
    changed = apply(case, {"workload": "{kind: spike, rate: = speed, times: 3, at: 10 s, lasts: 5 s}"})
    assert (changed.workload.rate, changed.workload.times, changed.workload.at) == (7.0, 3.0, 10.0)
    assert apply(changed, {"workload.kind": "poisson", **dict.fromkeys(("workload.times", "workload.at"), "none"),
                           "workload.lasts": "none"}).workload.rate == 7.0  # fmt: skip
    with pytest.raises(DesignError, match="a poisson workload has 'rate' and no 'at'"):
        apply(changed, {"workload.kind": "poisson"})


SPEED = "assumptions:\n  speed: {value: 7 requests/s, basis: {kind: estimate, note: a guess}}\n"


# -- recorded arrivals ------------------------------------------------------------------------------------------------


def rows(folder: Path, text: str | bytes) -> replay.Rows:
    """What is read of a file."""
    (folder / "desk.yaml").write_text(CASE)
    (folder / "arrivals.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = load(folder / "desk.yaml").workload.arrivals
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("time\n0\n0.5\n12.000000001\n", ((0, 500_000_000, 12_000_000_001), ("",) * 3, (-1,) * 3)),
        ("time_ns\r\n5\r\n\r\n5\r\n", ((5, 5), ("", ""), (-1, -1))),
        ("time_ns,class,items\n5,paid,7\n6,,\n7,free,0\n", ((5, 6, 7), ("paid", "", "free"), (7, -1, 0))),
        ('"Items", "Time"\n3, "1.5"\n', ((1_500_000_000,), ("",), (3,))),
        ("\ufefftime\n1\n", ((10**9,), ("",), (-1,))),
    ],
)
def test_a_csv_of_arrivals(text: str, read: tuple[object, ...], tmp_path: Path) -> None:
    assert rows(tmp_path, text) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "arrivals.csv:1: is empty; write "),
        ("5\n6\n", "arrivals.csv:1: '5' does not name the columns; write "),
        ("time,time_ns\n5,5\n", "arrivals.csv:1: 'time,time_ns' does not name the columns; write "),
        ("time,user\n5,5\n", "arrivals.csv:1: 'time,user' does not name the columns; write "),
        ("class\npaid\n", "arrivals.csv:1: 'class' does not name the columns; write "),
        ("time\n", "arrivals.csv:1: 0 requests follow; from 1 to 200,000 are read; take a part of it"),
        ("time\n" + "1\n" * 200_001, "arrivals.csv:1: 200,001 requests follow; from 1 to 200,000 are read; "),
        ("time\n" * 400_002, "arrivals.csv:1: 400,002 lines; at most 200,000 requests are read; take a part of it"),
        ("time\n\n5,\n", "arrivals.csv:3: '5,' has 2 columns and the first line 1"),
        ("time\n-1\n", "arrivals.csv:2: '-1' is not a time in s with at most 9 decimals; write "),
        ("time\n0.1234567891\n", "arrivals.csv:2: '0.1234567891' is not a time in s with at most 9 decimals; write "),
        ("time_ns\n0.5\n", "arrivals.csv:2: '0.5' is not a time in whole ns; write "),
        ("time\n5 s\n", "arrivals.csv:2: '5 s' is not a time in s "),
        ("time\n31536001\n", "arrivals.csv:2: '31536001' is later than a year; subtract the time when "),
        ("time_ns\n" + "9" * 19, "arrivals.csv:2: '9999999999999999999' is later than a year; "),
        ("time\n5\n4\n", "arrivals.csv:3: '4' is before the line above it; sort the lines by time"),
        ("time,items\n5,x\n", "arrivals.csv:2: 'x' is not a whole number of items up to 1,000,000"),
        ("time,items\n5,1000001\n", "arrivals.csv:2: '1000001' is not a whole number of items up to 1,000,000"),
        ("time\n" + "1" * 300, "arrivals.csv:2: '1111"),
        (b"time\n\xff", "arrivals.csv is not UTF-8 text; save it as CSV"),
        ("1" * (4 * MOST_BYTES + 1), "arrivals.csv has more than 8 MiB; take a sample of it"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_what_is_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as error:
        rows(tmp_path, text)
    (problem,) = error.value.problems
    assert problem.path == "workload.file"
    assert problem.message.startswith(said)
    assert all(line.isprintable() and len(line) < 400 for line in str(error.value).splitlines())


@pytest.mark.parametrize("name", ["../arrivals.csv", "/etc/passwd", "", ".hidden", "x" * 200])
def test_only_a_plain_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(CASE.replace("arrivals.csv", f"'{name}'"))
    with pytest.raises(CaseError, match="is not the plain name of a file beside this one"):
        load(tmp_path / "desk.yaml")


def test_classes_and_items_are_the_cases_own(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="the recorded class 'gold' is none of 'classes'; add it there, with its share"):
        rows(tmp_path, "time,class\n1,gold\n")
    (tmp_path / "desk.yaml").write_text(CASE.replace(", items: 9 candidates", ""))
    with pytest.raises(CaseError, match="items were recorded, but the classes say not of what"):
        load(tmp_path / "desk.yaml", _recorded(tmp_path, "time,items\n1,5\n"))


def _recorded(folder: Path, text: str) -> str:
    (folder / "arrivals.csv").write_text(text)
    return "desk.yaml"


def test_nothing_is_read_without_a_folder() -> None:
    with pytest.raises(CaseError, match="'file' is read with a case file, from beside it; here there is no folder"):
        loads(CASE, "f.yaml")
    with pytest.raises(DesignError, match="here there is no folder"):
        apply(desk(), {"workload": "{kind: replay, file: arrivals.csv}"})


def test_the_case_holds_the_arrivals(tmp_path: Path) -> None:
    found = rows(tmp_path, "time,class\n0.5,paid\n2,\n")
    case = load(tmp_path / "desk.yaml")
    assert case.tree["workload"]["arrivals"] == ["time,class", "0.5,paid", "2,"]
    (tmp_path / "arrivals.csv").unlink()
    assert loads(as_yaml(case.tree), "copy.yaml").workload.arrivals == found
    assert apply(case, {"stages.desk.replicas": "1", "run.seed": "3"}).workload.arrivals == found


def test_many_arrivals_are_read_once_though_a_case_is_built_for_every_change(tmp_path: Path) -> None:
    rows(tmp_path, "time_ns,class\n" + "".join(f"{n},paid\n" for n in range(50_000)))
    case = load(tmp_path / "desk.yaml")
    changed = apply(case, {"run.seed": "3"})
    assert changed.workload.arrivals is case.workload.arrivals
