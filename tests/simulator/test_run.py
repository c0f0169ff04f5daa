"""The command line and the whole way through it: the contract, both engines, bad input, and runs that are stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_cases import case, stage, text

from cases.errors import RunError
from cases.files import open_case
from simulator import control
from simulator.__main__ import cli
from simulator.plan import plan
from simulator.results import SimulationResult
from simulator.run import simulate

ROOT = Path(__file__).parents[2]
CATALOG_CASE = "youtube_recommendations"
QUICK = ("--requests", "300", "--replications", "2")
INTERVAL = {"value", "low", "high"}


def invoke(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(cli, ["run", *arguments])


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user gives it."""
    return subprocess.run(
        [sys.executable, "-m", "simulator", "run", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A small case as a file."""
    path = tmp_path / "small.yaml"
    stages = [
        stage("front", "{kind: lognormal, mean: 2 ms, cv: 1}", concurrency=4),
        stage("back", "{kind: exponential, mean: 5 ms}", after="[front]", concurrency=4),
    ]
    path.write_text(
        text(*stages, rate="400 request/s", extra="objectives:\n  - {metric: latency, percentile: 99, at_most: 60 ms}")
    )
    return str(path)


def printed(result: Result) -> dict[str, Any]:
    """The JSON that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_the_contract() -> None:
    """The keys of design.md section 5, and no other at the top but `notes`."""
    shown = printed(invoke(CATALOG_CASE, *QUICK, "--json"))
    top = [
        "case",
        "key",
        "engine",
        "seed",
        "replications",
        "requests",
        "latency_ms",
        "stages",
        "objectives",
        "cost_usd_per_hour",
        "outcomes",
    ]
    assert [key for key in shown if key != "notes"] == top
    assert list(shown["requests"]) == [
        "offered",
        "completed",
        "degraded",
        "rejected",
        "timed_out",
        "failed",
        "superseded",
        "in_flight",
    ]
    assert list(shown["latency_ms"]) == ["mean", "p50", "p95", "p99", "p999"]
    assert all(set(figure) == INTERVAL for figure in shown["latency_ms"].values())
    for figures in shown["stages"].values():
        assert list(figures) == [
            "utilisation",
            "arrivals_per_s",
            "wait_ms",
            "service_ms",
            "queue_length",
            "attempts_per_visit",
        ]
        assert set(figures["wait_ms"]) == {"mean", "p99"}
        assert set(figures["service_ms"]) == {"mean"}
        assert set(figures["queue_length"]) == {"mean", "max"}
    for objective in shown["objectives"]:
        assert set(objective) == {"name", "met", "value", "low", "high", "target"}
    assert (shown["case"], shown["replications"]) == (CATALOG_CASE, 2)
    assert shown["requests"]["offered"] == 600 == sum(n for name, n in shown["requests"].items() if name != "offered")


def test_both_engines_print_the_same_bytes_but_for_their_name_and_the_same_twice() -> None:
    """As a user runs them: processes of their own."""
    simpy, compiled, again = (
        command(CATALOG_CASE, *QUICK, "--json", "--engine", engine) for engine in ("simpy", "compiled", "compiled")
    )
    assert [run.returncode for run in (simpy, compiled, again)] == [0, 0, 0], simpy.stderr
    assert compiled.stdout == again.stdout
    assert simpy.stdout != compiled.stdout
    assert simpy.stdout.replace('"engine": "simpy"', '"engine": "compiled"') == compiled.stdout


def test_another_seed_is_another_run(small: str) -> None:
    first, second = (printed(invoke(small, *QUICK, "--json", "--seed", seed)) for seed in ("1", "2"))
    assert first["latency_ms"] != second["latency_ms"]
    assert first["key"] != second["key"]


def test_one_replication_has_no_interval_and_decides_by_its_value(small: str) -> None:
    shown = printed(invoke(small, "--requests", "2000", "--replications", "1", "--json"))
    assert shown["latency_ms"]["p99"]["low"] is None
    assert shown["objectives"][0]["met"] is True


def test_duration_measures_what_arrives_in_it(small: str) -> None:
    shown = printed(invoke(small, "--duration", "5s", "--replications", "2", "--json"))
    assert shown["requests"]["offered"] == pytest.approx(2 * 5 * 400, abs=5 * (4_000**0.5))


def test_require(small: str) -> None:
    """3 when an objective is missed or undecided; the result is printed all the same."""
    quick = ("--requests", "500", "--replications", "5")
    assert invoke(small, *quick, "--require", "--json").exit_code == 0
    missed = invoke(small, *quick, "--require", "--json", "--set", "objectives.0.at_most=1 ms")
    assert missed.exit_code == 3
    assert json.loads(missed.stdout)["objectives"][0]["met"] is False
    assert invoke(small, *quick, "--json", "--set", "objectives.0.at_most=1 ms").exit_code == 0


def test_an_undecided_objective_counts_as_failed(small: str) -> None:
    """Measured from the run itself: a target in the middle of the interval."""
    p99 = printed(invoke(small, *QUICK, "--json"))["latency_ms"]["p99"]
    asked = f"objectives.0.at_most={p99['value']} ms"
    shown = invoke(small, *QUICK, "--require", "--json", "--set", asked)
    assert json.loads(shown.stdout)["objectives"][0]["met"] is None
    assert shown.exit_code == 3


def test_the_report_for_people(small: str) -> None:
    shown = invoke(small, *QUICK)
    assert shown.exit_code == 0
    assert "front" in shown.output
    assert "p99" in shown.output


# -- bad input --------------------------------------------------------------------------------------------------------

BAD = {
    "unknown case": ("no_such_case",),
    "unknown path": (CATALOG_CASE, "--set", "stages.rankng.replicas=3"),
    "unknown design": (CATALOG_CASE, "--design", "half_feet"),
    "zero replicas": (CATALOG_CASE, "--set", "stages.ranking.replicas=0"),
    "not a number": (CATALOG_CASE, "--set", "workload.rate=NaN load/s"),
    "no number": (CATALOG_CASE, "--set", "workload.rate=nan"),
    "infinite": (CATALOG_CASE, "--set", "workload.rate=inf load/s"),
    "wrong dimension": (CATALOG_CASE, "--set", "stages.ranking.hop=5 GB"),
    "requests 0": (CATALOG_CASE, "--requests", "0"),
    "requests below 0": (CATALOG_CASE, "--requests", "-5"),
    "too many requests": (CATALOG_CASE, "--requests", "10000000000"),
    "replications 0": (CATALOG_CASE, "--replications", "0"),
    "duration nonsense": (CATALOG_CASE, "--duration", "soon"),
    "duration of another kind": (CATALOG_CASE, "--duration", "3 GB"),
    "duration nan": (CATALOG_CASE, "--duration", "nan s"),
    "duration 0": (CATALOG_CASE, "--duration", "0s"),
    "duration below 0": (CATALOG_CASE, "--duration", "-1s"),
    "drain nonsense": (CATALOG_CASE, "--drain", "later"),
    "drain below 0": (CATALOG_CASE, "--drain", "-1s"),
    "both lengths": (CATALOG_CASE, "--requests", "10", "--duration", "3s"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_message(name: str) -> None:
    """On stderr, with exit code 1 and nothing on stdout."""
    result = invoke(*BAD[name])
    assert result.exit_code == 1, (result.output, result.exception)
    assert result.stdout == ""
    message = result.stderr
    assert message.strip()
    assert len(message) < 600
    assert "Traceback" not in message


@pytest.mark.parametrize("name", ["unknown path", "zero replicas", "requests 0"])
def test_bad_input_ends_the_command_with_1(name: str) -> None:
    result = command(*BAD[name])
    assert result.returncode == 1
    assert result.stdout == ""
    assert 0 < len(result.stderr.strip().splitlines()) <= 2
    assert "Traceback" not in result.stderr


def test_wrong_usage_ends_the_command_with_2() -> None:
    assert invoke(CATALOG_CASE, "--engine", "abacus").exit_code == 2
    assert invoke().exit_code == 2


# -- runs that do not end by themselves -------------------------------------------------------------------------------


OVERLOADED = {"rate": "2000 request/s"}


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_an_overloaded_design_that_never_drains_ends_and_says_so(engine: Any) -> None:
    opened = case(stage(service="{kind: exponential, mean: 100 ms}"), **OVERLOADED)
    started = time.monotonic()
    result = simulate(plan(opened, requests=5_000, replications=1), engine)
    assert time.monotonic() - started < 20
    assert result.requests["in_flight"] > 4_000
    assert result.latency_ms["p99"].value is None
    assert result.stages["server"].utilisation == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_event_limit_shapes_the_result_and_is_noted(engine: Any) -> None:
    """Bounded in events: the same result from both engines, with a note; the limit is part of the key."""
    opened = case(stage(service="{kind: exponential, mean: 1 ms}", concurrency=2), rate="1000 request/s")
    cut = plan(opened, requests=5_000, replications=2, events=2_000)
    result = simulate(cut, engine)
    assert result.requests["in_flight"] > 2_000
    assert len(result.notes) == 2
    assert "2,000 events" in result.notes[0]
    assert cut.key != plan(opened, requests=5_000, replications=2).key
    assert result.as_json() | {"engine": ""} == simulate(cut, "simpy").as_json() | {"engine": ""}


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_wall_time_limit_ends_the_run_with_an_error_and_no_result(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "WALL_SECONDS", 0.2)
    opened = case(stage(service="{kind: exponential, mean: 1 ms}", concurrency=2), rate="1000 request/s")
    started = time.monotonic()
    with pytest.raises(RunError, match=r"more than 0.2 s"):
        simulate(plan(opened, requests=2_000_000 if engine == "simpy" else 20_000_000, replications=1), engine)
    # Reading the arrivals ahead and the longest step come on top.
    assert time.monotonic() - started < 15


class Cancelled(Exception):
    """Raised by who watches the run."""


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_run_is_cancelled_by_raising_from_progress(engine: Any) -> None:
    """Within a second of the wish, in either engine."""
    wished: list[float] = []
    begun = time.monotonic()

    def progress(done: float) -> None:
        assert 0 <= done <= 1
        if not wished and time.monotonic() - begun > 0.5:
            wished.append(time.monotonic())
        if wished:
            raise Cancelled

    requests = 100_000 if engine == "simpy" else 3_000_000
    opened = case(stage(service="{kind: exponential, mean: 1 ms}", concurrency=2), rate="1000 request/s")
    with pytest.raises(Cancelled):
        simulate(plan(opened, requests=requests, replications=5), engine, progress)
    assert time.monotonic() - wished[0] < 0.2


def test_progress_goes_up_to_one() -> None:
    seen: list[float] = []
    opened = case(rate="0.5 request/s")
    simulate(plan(opened, requests=500, replications=2), "compiled", seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 100


def test_results_are_values() -> None:
    """Frozen, equal when they say the same."""
    opened = case(rate="0.5 request/s")
    one, two = (simulate(plan(opened, requests=200, replications=2)) for _ in range(2))
    assert isinstance(one, SimulationResult)
    assert one == two
    with pytest.raises(AttributeError):
        one.seed = 3  # type: ignore[misc]


def test_r10_the_number_of_workers_does_not_show() -> None:
    planned = plan(open_case(CATALOG_CASE), requests=500, replications=7)
    alone = json.dumps(simulate(planned, workers=1).as_json())
    assert json.dumps(simulate(planned, workers=2).as_json()) == alone
    assert json.dumps(simulate(planned, workers=7).as_json()) == alone


def test_one_cancelled_replication_ends_them_all() -> None:
    class EnoughError(Exception):
        pass

    def give_up_once(_: float) -> None:
        told.append(time.monotonic())
        if len(told) == 30:
            raise EnoughError

    told: list[float] = []
    planned = plan(open_case(CATALOG_CASE), requests=2_000_000, replications=6)
    with pytest.raises(EnoughError):
        simulate(planned, progress=give_up_once, workers=3)
    assert time.monotonic() - told[29] < 5
