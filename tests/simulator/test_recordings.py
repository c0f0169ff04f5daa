"""What a run measures of each kind of load, and that a recording of a run gives the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small_cases import case, stage, text

from cases.cli import Commands
from cases.errors import RunError
from cases.files import load
from simulator.arrivals import command
from simulator.plan import Plan, Window, plan, window
from simulator.run import simulate
from simulator.workload import SECOND, ArrivalStream, Replay

CLASSES = (
    "classes: [{name: paid, share: 20 %, items: {mean: 20 rows, cv: 0.8}}, "
    "{name: free, share: 80 %, priority: 2, items: 5 rows}]"
)
SERVER = stage(service="{kind: lognormal, floor: 1 ms, per_item: 1 ms, items: rows, cv: 0.5}", queue="{order: class}")
RECORDED = "arrivals: [time, " + ", ".join(str(second) for second in range(1, 25)) + "]"


def of(workload: str, extra: str = "", **options: Any) -> Plan:
    return plan(case(stage(), workload=workload, extra=extra), **options)


# -- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "workload",
    [
        "{kind: even, rate: 50 requests/s}",
        "{kind: bursty, rate: 50 requests/s, times: 5, every: 6 s, lasts: 1 s}",
        "{kind: diurnal, rate: 50 requests/s, peak_to_mean: 1.65, period: 60 s}",
        "{kind: ramp, from: 10 requests/s, to: 90 requests/s, over: 60 s}",
        "{kind: spike, rate: 50 requests/s, times: 3, at: 10 s, lasts: 5 s}",
        "{kind: flash_crowd, rate: 50 requests/s, times: 8, at: 6 s, rise: 5 s, half_life: 3 s}",
        "{kind: sessions, rate: 5/s, requests: 8, gap: 150 ms}",
        f"{{kind: replay, {RECORDED}}}",
    ],
)
def test_a_window_in_time_or_of_a_number_of_requests(workload: str) -> None:
    planned = of(workload, "run: {warm_up: 4 s}", duration=10.0)
    times = ArrivalStream(planned.load, planned.run.seed, 0).chunk(5_000).times
    measured = window(planned.load, planned.run, 0)
    assert (measured.start, measured.end) == planned.run.span == (4 * SECOND, 14 * SECOND)
    assert measured.first == (times < 4 * SECOND).sum()
    assert measured.last == (times < 14 * SECOND).sum()
    planned = of(workload, requests=20)
    assert planned.run.span is None
    measured = window(planned.load, planned.run, 0)
    assert measured == Window(2, 22, times[2], times[22])
    assert planned.event_limit(measured) > 100


def test_a_window_of_a_closed_loop_is_known_in_time_only() -> None:
    assert of("{kind: closed, users: 5, think: 1 s}", duration=60.0).run.span == (6 * SECOND, 66 * SECOND)
    assert of("{kind: closed, users: 5, think: 1 s}", requests=500).run.span is None
    with pytest.raises(RunError, match="1,000,000,000 requests take more than 10 years at this rate"):
        of("{kind: closed, users: 1, think: 1 hour}", requests=1_000_000_000)


@pytest.mark.parametrize(
    ("extra", "requests", "window_of"),
    [
        ("", None, (3, 24)),  # what fits, a tenth as many before it: 21 of 24
        ("run: {warm_up: 4 s}", None, (3, 24)),  # three come before 4 s
        ("run: {warm_up: 0 s}", None, (0, 24)),
        ("run: {requests: 10}", None, (1, 11)),
        ("", 21, (3, 24)),
    ],
)
def test_a_recording_is_measured_as_far_as_it_goes(
    extra: str, requests: int | None, window_of: tuple[int, int]
) -> None:
    planned = of(f"{{kind: replay, {RECORDED}}}", extra, requests=requests)
    measured = window(planned.load, planned.run, 0)
    assert (measured.first, measured.last) == window_of
    last = window_of[1]
    assert measured.end == (24 * SECOND + 1 if last == 24 else (last + 1) * SECOND)


@pytest.mark.parametrize(("extra", "requests"), [("", 22), ("run: {requests: 22}", None), ("run: {warm_up: 5 s}", 21)])
def test_more_than_was_recorded_cannot_be_measured(extra: str, requests: int | None) -> None:
    with pytest.raises(
        RunError, match=r"requests cannot be measured: 24 were recorded, of which 2. come after the warm-up"
    ):
        of(f"{{kind: replay, {RECORDED}}}", extra, requests=requests)


def test_a_recording_that_ends_before_the_window() -> None:
    planned = of(f"{{kind: replay, {RECORDED}}}", "run: {warm_up: 30 s}", duration=60.0)
    with pytest.raises(RunError, match="no request arrives in 60 s after the warm-up; measure for longer"):
        window(planned.load, planned.run, 0)


# -- the command ------------------------------------------------------------------------------------------------------


def written(folder: Path, workload: str, extra: str = "counts: [rows]") -> Path:
    path = folder / "small.yaml"
    path.write_text(text(SERVER, workload=workload, extra=extra))
    return path


def record(*arguments: str) -> tuple[int, str]:
    group = Commands("simulator", commands={"arrivals": command})
    result = CliRunner().invoke(group, ["arrivals", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "kind", ["poisson, rate: 90 requests/s", "bursty, rate: 60/s, times: 3, every: 2 s, lasts: 1 s"]
)
def test_a_recording_gives_the_run_that_it_is_of(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"{{kind: {kind}, {CLASSES}}}")
    options = ("--seed", "7", "--requests", "2000", "--drain", "5s", "-o", str(tmp_path / "recorded.csv"))
    assert record(str(path), *options)[0] == 0
    first = plan(load(path), seed=7, requests=2_000, replications=1, drain=5.0)
    path = written(tmp_path, f"{{kind: replay, file: recorded.csv, {CLASSES}}}")
    again = plan(load(path), seed=7, requests=2_000, replications=1, drain=5.0)
    assert isinstance(again.load, Replay)
    assert window(first.load, first.run, 0) == window(again.load, again.run, 0)
    results = [simulate(one, engine="simpy").as_json() for one in (first, again)]
    assert results[0].pop("key") != results[1].pop("key")
    assert json.dumps(results[0]) == json.dumps(results[1])


def test_what_is_written(tmp_path: Path) -> None:
    path, output = written(tmp_path, f"{{kind: even, rate: 5 requests/s, {CLASSES}}}"), tmp_path / "recorded.csv"
    code, said = record(str(path), "--duration", "2 s", "--drain", "1 s", "-o", str(output))
    assert (code, said) == (0, f"{output}: 15 requests\n")
    header, *rows = output.read_text().splitlines()
    assert header == "time_ns,class,items"
    assert [row.split(",")[0] for row in rows] == [str(n * SECOND // 5) for n in range(1, 16)]
    assert {tuple(row.split(",")[1:]) for row in rows if "free" in row} == {("free", "5")}
    assert any("paid" in row for row in rows)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("{kind: closed, users: 5, think: 1 s}", "a recording holds requests that have nothing to do with each other"),
        ("{kind: sessions, rate: 5/s, requests: 8, gap: 1 s}", "a recording holds requests that have nothing to do "),
        ("{kind: poisson, rate: 1e5 requests/s}", "more than 200,000 requests until the run ends; measure fewer, or "),
    ],
)
def test_what_cannot_be_recorded(workload: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text(stage(), workload=workload))
    code, output = record(str(path), "-o", str(tmp_path / "recorded.csv"))
    assert code == 1
    assert output.startswith(said)
    assert not (tmp_path / "recorded.csv").exists()
