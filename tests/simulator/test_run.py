"""The command line and the whole way through it: the contract, both engines, bad input, and runs that are stopped."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_cases import case, stage, text

from cases.build import apply
from cases.errors import RunError
from cases.files import loads, open_case
from cases.outcomes import measures
from cases.spec import Case
from simulator import control
from simulator.__main__ import cli
from simulator.plan import plan
from simulator.report import report, verdict
from simulator.results import SimulationResult
from simulator.run import simulate, simulate_until

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
    """The keys that people script against, in their order; at the top there are also `notes`."""
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
        "cost_usd_per_million_requests",
        "quality",
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
    few = {name for name, figure in shown["latency_ms"].items() if figure.pop("few", False)}
    assert few == {"p99", "p999"}, "300 requests leave 3 beyond p99"
    assert all(set(figure) == INTERVAL for figure in (*shown["latency_ms"].values(), shown["quality"]))
    for figures in shown["stages"].values():
        assert list(figures) == [
            "utilisation",
            "arrivals_per_s",
            "wait_ms",
            "service_ms",
            "queue_length",
            "attempts_per_visit",
            "in_service",
            "batch_wait_ms",
            "items_mean",
            "hit_ratio",
            "staleness_ms",
            "error_share",
            "retries",
            "hedges",
            "fallbacks",
            "left_out",
            "rejections",
            "time_outs",
            "refusals",
            "replicas",
            "replicas_mean",
            "lost",
            "killed",
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
    asked = (CATALOG_CASE, "--requests", "150", "--replications", "2", "--json")
    simpy, compiled, again = (command(*asked, "--engine", engine) for engine in ("simpy", "compiled", "compiled"))
    assert [run.returncode for run in (simpy, compiled, again)] == [0, 0, 0], simpy.stderr
    assert compiled.stdout == again.stdout
    assert simpy.stdout != compiled.stdout
    assert simpy.stdout.replace('"engine": "simpy"', '"engine": "compiled"') == compiled.stdout


def test_few_samples_are_marked_and_explained(small: str) -> None:
    """With ten measured requests of a replication beyond a percentile it is not marked."""
    for requests, marked in (("199", {"p95", "p99", "p999"}), ("200", {"p99", "p999"}), ("1000", {"p999"})):
        asked = ("--requests", requests, "--replications", "2")
        shown = printed(invoke(small, *asked, "--json"))["latency_ms"]
        assert {name for name, figure in shown.items() if figure.get("few")} == marked
    text = invoke(small, *asked).output
    assert "p999* " in text
    assert "p99* " not in text
    assert "fewer than ten measured requests" in text
    assert "*" not in invoke(small, "--requests", "10000", "--replications", "1").output


CLASSES = """  classes:
    - {name: free, share: 75 %}
    - {name: paid, share: 25 %, priority: 1}
"""


@pytest.mark.parametrize("drain", [30.0, 0.0])
def test_classes_of_requests(drain: float) -> None:
    """Each with its own figures; those that never ended are counted with their class, too."""
    lines = text(
        stage(service="{kind: exponential, mean: 9 ms}", queue="{order: class}"), workload="\n  kind: poisson\n"
    )
    lines = lines.replace("kind: poisson\n", "kind: poisson\n  rate: 105 request/s\n" + CLASSES)
    lines = lines.replace("name: free, share: 75 %", "name: free, share: 75 %, priority: 2")
    opened = loads(lines, "small.yaml")
    result = simulate(plan(opened, requests=2_000, replications=3, drain=drain))
    shown = result.as_json()
    assert list(shown["classes"]) == ["free", "paid"]
    free, paid = result.classes["free"], result.classes["paid"]
    assert free.offered + paid.offered == result.requests["offered"]
    assert free.answered + paid.answered == result.requests["completed"]
    assert free.offered / result.requests["offered"] == pytest.approx(0.75, abs=0.03)
    assert (free.offered > free.answered) == (drain == 0), "the free ones wait at the end"
    assert set(shown["classes"]["paid"]) == {"offered", "answered", "latency_ms"}
    assert (paid.latency_ms["p50"].value or 0) < (free.latency_ms["p50"].value or math.inf) / 2
    assert "paid" in report(opened, result)


def test_one_class_is_no_table_of_classes(small: str) -> None:
    assert "classes" not in printed(invoke(small, *QUICK, "--json"))


SECOND_TRIES = stage(
    "back",
    "{kind: exponential, mean: 5 ms}",
    concurrency=4,
    errors="10 %",
    retries="{attempts: 2, backoff: 1 ms}",
    fallback="{time: 1 ms, quality: 50 %}",
    cache="{hit_ratio: 50 %, hit_time: 1 ms}",
    price="$3.60/hour",
)


def test_second_tries_caches_and_quality_are_counted() -> None:
    """Against what follows from a tenth of errors: 11 % of a visit more, a fallback for every hundredth request."""
    opened = case(SECOND_TRIES, rate="100 request/s")
    result = simulate(plan(opened, requests=20_000, replications=3))
    back = result.stages["back"]
    assert back.error_share == pytest.approx(0.1, rel=0.05)
    assert back.hit_ratio == pytest.approx(0.5, rel=0.05)
    assert back.attempts_per_visit == pytest.approx(1.1, rel=0.01)
    assert back.retries == pytest.approx(0.1 * 60_000, rel=0.05)
    assert back.fallbacks == pytest.approx(0.01 * 60_000, rel=0.15)
    assert abs(result.requests["degraded"] - back.fallbacks) <= 3, "the window of requests is not that of visits"
    assert result.quality.value == pytest.approx(1 - 0.5 * result.requests["degraded"] / 60_000, rel=1e-9)
    assert result.cost_usd_per_million_requests == pytest.approx(3.6 / (result.offered_per_s * 3600) * 1e6)
    assert back.batch_wait_mean_ms is None
    text = report(opened, result)
    assert "Quality of the answers: 0.99" in text
    assert "per million requests" in text


def test_batches_wait() -> None:
    """Ten requests a second, batches of up to four after at most 200 ms: nearly all of the wait is for the batch."""
    opened = case(stage(service="{kind: constant, mean: 1 ms}", batch="{size: 4, wait: 200 ms}"), rate="10 request/s")
    seen = simulate(plan(opened, requests=2_000, replications=2)).stages["server"]
    assert seen.batch_wait_mean_ms is not None
    assert seen.wait_mean_ms is not None
    assert 80 < seen.batch_wait_mean_ms < 200
    assert seen.batch_wait_mean_ms <= seen.wait_mean_ms < seen.batch_wait_mean_ms + 1
    # A worker serves several at once: their services overlap.
    assert (seen.worker_ms or 0) < (seen.service_mean_ms or 0) / 2


def test_others_systems_have_no_utilisation() -> None:
    vendor = "{name: vendor, external: true, service: {kind: constant, mean: 100 ms}}"
    opened = case(vendor, rate="50 request/s")
    result = simulate(plan(opened, requests=2_000, replications=2))
    assert result.stages["vendor"].utilisation is None
    assert result.stages["vendor"].in_service == pytest.approx(5, rel=0.1)
    assert "in service" in report(opened, result)


def test_outcomes_are_computed_by_replication() -> None:
    """From the whole way: every measure that the language knows is there, and the interval is of the outcome."""
    opened = case(SECOND_TRIES, rate="100 request/s", extra="outcomes: {worth: {formula: quality * 10 USD, unit: USD}}")
    names = " + ".join(f"0 * {name} / (1 {_unit(str(kind))})" for name, kind in measures(opened).items())
    opened = apply(opened, {"outcomes.worth.formula": f"10 USD * (quality + {names})"})
    result = simulate(plan(opened, requests=1_000, replications=4))
    worth, quality = result.outcomes["worth"].interval, result.quality
    assert worth == pytest.approx([10 * v for v in quality if v is not None])
    assert result.as_json()["outcomes"]["worth"] == {**worth._asdict(), "unit": "USD"}
    assert "worth" in report(opened, result)


def _unit(dimension: str) -> str:
    return {"1": "s/s", "1/s": "Hz"}.get(dimension, dimension)


def test_an_outcome_without_a_value_is_noted() -> None:
    opened = case(rate="0.5 request/s", extra="outcomes: {odd: {formula: 1 / share_failed}}")
    result = simulate(plan(opened, requests=100, replications=2))
    assert result.outcomes["odd"].interval == (None, None, None)
    assert any("outcome odd has no value" in note for note in result.notes)


# -- as many replications as it takes ---------------------------------------------------------------------------------


def test_precision_takes_as_many_replications_as_are_needed() -> None:
    """The result is that of a plain run of so many, but for the note; threads do not show."""
    opened = case(stage(service="{kind: exponential, mean: 5 ms}"), rate="100 request/s")
    planned = plan(opened, requests=1_000)
    result = simulate_until(planned, 0.05)
    assert 5 < result.replications < 200
    p99 = result.latency_ms["p99"]
    assert p99.value is not None
    assert p99.high is not None
    assert p99.high - p99.value <= 0.05 * p99.value
    note, *others = result.notes
    assert f"after {result.replications} replications" in note
    assert "p99" in note
    plain = simulate(plan(opened, requests=1_000, replications=result.replications), workers=1)
    assert replace(result, notes=tuple(others)) == plain
    assert simulate_until(planned, 0.05, workers=3).as_json() == result.as_json()


def test_precision_is_of_the_percentile_that_is_asked_for_and_stops_at_the_most(small: str) -> None:
    asked = (small, "--requests", "300", "--json", "--set", "objectives.0.percentile=50")
    result = printed(invoke(*asked, "--precision", "0.0001", "--replications", "7"))
    assert result["replications"] == 7
    assert "p50" in result["notes"][0]
    assert "the most that was allowed" in result["notes"][0]
    assert printed(invoke(*asked, "--precision", "90%"))["replications"] == 5


def test_precision_has_no_end_where_there_is_no_percentile() -> None:
    opened = case(stage(queue="{limit: 0}"), rate="5 request/s")
    result = simulate_until(plan(opened, requests=200), 0.05)
    assert result.replications == 5
    assert "no interval of p99" in result.notes[0]


def test_progress_of_a_precise_run_never_goes_back() -> None:
    seen: list[float] = []
    opened = case(stage(service="{kind: exponential, mean: 5 ms}"), rate="100 request/s")
    simulate_until(plan(opened, requests=500), 0.1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


# -- whether the window was steady ------------------------------------------------------------------------------------


def notes_on_warm_up(opened: Case, **asked: Any) -> list[str]:
    """What a run says of its steadiness."""
    result = simulate(plan(opened, **asked))
    return [note for note in result.notes if "warm-up" in note or "steady" in note]


COLD = stage(
    service="{kind: constant, mean: 20 ms}",
    concurrency=100,
    cache="{keys: 5000, zipf: 0.5, hit_time: 1 ms}",
)


def test_a_warm_up_that_was_too_short_is_noted() -> None:
    """A cold cache, measured from its first request; after enough of them it is quiet."""
    lines = {"rate": "1000 request/s"}
    cold = notes_on_warm_up(case(COLD, **lines, extra="run: {warm_up: 0 s}"), requests=50_000, replications=5)
    assert len(cold) == 1
    assert "the warm-up was too short" in cold[0]
    assert "run.warm_up" in cold[0]
    warm = notes_on_warm_up(case(COLD, **lines, extra="run: {warm_up: 120 s}"), requests=50_000, replications=5)
    assert warm == []


def test_an_overload_is_no_matter_of_the_warm_up() -> None:
    opened = case(stage(service="{kind: exponential, mean: 11 ms}"), rate="100 request/s")
    said = notes_on_warm_up(opened, requests=20_000, replications=5)
    assert len(said) == 1
    assert "kept rising" in said[0]
    assert "run.warm_up" not in said[0]


def test_steady_runs_are_not_doubted() -> None:
    """A queue at 80 %, many times: at a level of one in a thousand none should warn."""
    opened = case(stage(service="{kind: exponential, mean: 8 ms}"), rate="100 request/s", extra="run: {warm_up: 20 s}")
    said = [notes_on_warm_up(opened, requests=4_000, replications=5, seed=seed) for seed in range(25)]
    assert sum(map(len, said)) <= 1


def test_a_load_that_is_meant_to_change_is_not_doubted() -> None:
    workload = "{kind: schedule, steps: [{for: 30 s, rate: 20 request/s}, {for: 1 day, rate: 95 request/s}]}"
    opened = case(stage(service="{kind: exponential, mean: 10 ms}"), workload=workload, extra="run: {warm_up: 1 s}")
    assert notes_on_warm_up(opened, duration=200.0, replications=5) == []


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
    "precision nonsense": (CATALOG_CASE, "--precision", "fine"),
    "precision 0": (CATALOG_CASE, "--precision", "0"),
    "precision as a number of percent": (CATALOG_CASE, "--precision", "5"),
    "precision nan": (CATALOG_CASE, "--precision", "nan%"),
    "precision of one replication": (CATALOG_CASE, "--precision", "5%", "--replications", "1"),
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


@pytest.mark.parametrize(
    "name",
    ["unknown path", *(pytest.param(one, marks=pytest.mark.long) for one in ("zero replicas", "requests 0"))],
)
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
    started = time.process_time()
    result = simulate(plan(opened, requests=5_000, replications=1), engine)
    assert time.process_time() - started < 20
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
    started = time.process_time()
    with pytest.raises(RunError, match=r"more than 0.2 s"):
        simulate(plan(opened, requests=2_000_000 if engine == "simpy" else 20_000_000, replications=1), engine)
    # Reading the arrivals ahead and the longest step come on top.
    assert time.process_time() - started < 15


class Cancelled(Exception):
    """Raised by who watches the run."""


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_run_is_cancelled_by_raising_from_progress(engine: Any) -> None:
    """Within moments of the wish, in either engine, long before the end; bounded widely, for machines are busy."""
    wished: list[float] = []
    begun = time.monotonic()

    def progress(done: float) -> None:
        assert 0 <= done <= 1
        if not wished and time.monotonic() - begun > 0.5:
            wished.append(time.monotonic())
        if wished:
            raise Cancelled

    requests = 1_000_000 if engine == "simpy" else 20_000_000
    opened = case(stage(service="{kind: exponential, mean: 1 ms}", concurrency=2), rate="1000 request/s")
    with pytest.raises(Cancelled):
        simulate(plan(opened, requests=requests, replications=5), engine, progress)
    assert time.monotonic() - wished[0] < 5


def test_progress_goes_up_to_one() -> None:
    seen: list[float] = []
    opened = case(rate="0.5 request/s")
    simulate(plan(opened, requests=500, replications=2), "compiled", seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 50


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
    planned = plan(open_case(CATALOG_CASE), requests=10_000_000, replications=6)
    with pytest.raises(EnoughError):
        simulate(planned, progress=give_up_once, workers=3)
    assert time.monotonic() - told[29] < 10


def test_what_is_turned_away_on_purpose_is_no_lack_of_replicas() -> None:
    """300/s against a bucket of 100/s: the stage behind has enough for what comes through, and the verdict says so."""
    gate = stage("gate", "{kind: constant, mean: 1 ms}", admission="{rate: 100 requests/s, burst: 1}")
    rank = stage("rank", "{kind: constant, mean: 60 ms}", after="[gate]", replicas=8, balancing="shared")
    made = case(gate, rank, rate="300 requests/s")
    result = simulate(plan(made, requests=3000, replications=2))
    assert result.stages["rank"].replicas_needed == pytest.approx(18, rel=0.1)
    assert not result.stages["rank"].lacks_replicas
    assert verdict(made, result).reason.startswith("gate turns visits away")


def test_desks_are_as_busy_as_while_they_are_staffed() -> None:
    """Open for one hour of four, with a quarter of the load of the other three: half busy while open."""
    person = "{name: desk, person: {answers: 1, desks: 2, hours: {open: 1 hour, of: 4 hours}}, price: $4/hour, "
    made = case(person + "service: {kind: constant, mean: 90 s}}", rate="10 requests/hour")
    result = simulate(plan(made, requests=2000, replications=2))
    assert result.stages["desk"].utilisation == pytest.approx(0.5, abs=0.03)
    assert result.cost_usd_per_hour == pytest.approx(2.0)


def test_what_goes_wrong_most_is_said() -> None:
    failing = case(stage("server", "{kind: constant, mean: 1 ms}", errors="30 %"), rate="50 requests/s")
    result = simulate(plan(failing, requests=2000, replications=2))
    assert "of the visits to server end in an error" in verdict(failing, result).reason


def test_a_time_to_live_bounds_staleness() -> None:
    """Asked for 5 times a second, written anew after 10 s: served at all ages up to that, 5 s on average."""
    cached = stage("server", "{kind: constant, mean: 1 ms}", cache="{keys: 10, zipf: 0, ttl: 10 s, hit_time: 1 ms}")
    outcomes = "outcomes: {age: {formula: server_staleness, unit: s}, asked: {formula: server_calls_rate}}"
    result = simulate(plan(case(cached, rate="50 requests/s", extra=outcomes), requests=20_000, replications=3))
    assert result.stages["server"].staleness_ms == pytest.approx(5000, rel=0.05)
    assert result.outcomes["age"].interval.value == pytest.approx(5.0, rel=0.05)
    assert result.outcomes["asked"].interval.value == pytest.approx(50, rel=0.03)


# -- the world around the requests ------------------------------------------------------------------------------------


def test_nobody_waits_for_what_a_newer_request_made_worthless() -> None:
    """Four keystrokes 50 ms apart, 80 ms of work: the last is answered, the others leave percentiles alone."""
    workload = "\n  kind: sessions\n  rate: 2/s\n  requests: 4\n  gap: 50 ms\n" + CLASSES
    made = case(stage(service="{kind: constant, mean: 80 ms}", concurrency=20), workload=workload)
    made = apply(made, {"workload.gap": "50 ms"})
    result = simulate(plan(made, duration=200.0, replications=2))
    ended = result.requests
    assert ended["superseded"] == pytest.approx(0.75 * ended["offered"], rel=0.02)
    assert result.awaited == ended["offered"] - ended["superseded"] == ended["completed"]
    assert result.by_replication["availability"] == (1.0, 1.0)
    assert result.latency_ms["p999"].value == pytest.approx(80, rel=0.001)
    assert sum(one.superseded for one in result.classes.values()) == ended["superseded"]
    assert all(one.awaited == one.answered for one in result.classes.values())
    assert result.as_json()["classes"]["free"]["superseded"] > 0
    assert any("were superseded by a newer one" in note for note in result.notes)
    assert "100 %" in report(made, result)


def test_replicas_that_come_and_go_are_paid_while_they_are_there() -> None:
    """Two for half of the time, six for the other, the start included: not the two that the case begins with."""
    scenario = """scenarios:
  more:
    run: {duration: 40 s, warm_up: 0 s, replications: 2}
    events: [{at: 20 s, path: stages.server.replicas, to: 6}]
"""
    server = stage(
        service="{kind: constant, mean: 10 ms}", replicas=2, balancing="random", price="$2/hour", start_delay="1 s"
    )
    outcomes = "outcomes: {paid: {formula: cost_rate, unit: USD/hour}, there: {formula: server_replicas_mean}}\n"
    made = case(server, rate="50 request/s", extra=outcomes + scenario)
    result = simulate(plan(made, scenario="more"))
    assert result.cost_usd_per_hour == pytest.approx(2 * 4)
    assert result.outcomes["paid"].interval.value == pytest.approx(2 * 4)
    assert result.stages["server"].replicas_mean == pytest.approx((2 * 21 + 6 * 19) / 40)
    assert result.outcomes["there"].interval.value == pytest.approx((2 * 21 + 6 * 19) / 40)
    assert "3.9 x 1" in report(made, result)
    assert simulate(plan(made, duration=40.0)).cost_usd_per_hour == pytest.approx(2 * 2)


ZONES = """zones: {names: [a, b], hop: 1 ms}
objectives: [{metric: latency, percentile: 95, at_most: 60 ms}]
"""


def test_each_zone_down(tmp_path: Path) -> None:
    """Enough with both zones, too little with either alone; 3 with --require."""
    path = tmp_path / "small.yaml"
    server = stage(service="{kind: exponential, mean: 10 ms}", replicas=4, balancing="random")
    path.write_text(text(server, rate="150 request/s", extra=ZONES))
    asked = (str(path), "--each-zone-down", "--requests", "4000", "--replications", "3")
    shown = printed(invoke(*asked, "--json"))
    assert [one["zone"] for one in shown] == [None, "a", "b"]
    assert [one["objectives"][0]["met"] for one in shown] == [True, False, False]
    assert len({one["key"] for one in shown}) == 3
    lines = invoke(*asked).stdout.splitlines()
    assert lines[1].split()[0] == "Lost"
    assert [line.split("  ")[0] for line in lines[2:]] == ["no zone", "a", "b"]
    assert lines[3].endswith("MISSED")
    assert invoke(*asked, "--require").exit_code == 3
    assert invoke(*asked, "--require", "--set", "stages.server.replicas=20").exit_code == 0


def test_each_zone_down_needs_zones_and_makes_its_own_runs(small: str) -> None:
    wrong = invoke(small, "--each-zone-down")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("--each-zone-down: the case has no zones; write for example 'zones: ")
    wrong = invoke(small, "--each-zone-down", "--timeline", "1 s")
    assert wrong.stderr.strip() == ("--each-zone-down makes its own runs; leave out --scenario, --timeline and --why")


def test_what_is_lost_and_killed_has_a_column_of_its_own() -> None:
    events = "[{at: 5 s, for: 5 s, cut: server}, {at: 12 s, kill: server}]"
    extra = "client: {timeout: 0.2 s}\nscenarios: {two: {run: {duration: 18 s, warm_up: 2 s}, events: " + events + "}}"
    server = stage(service="{kind: constant, mean: 30 ms}", replicas=4, balancing="random")
    made = case(server, rate="100 request/s", extra=extra)
    result = simulate(plan(made, scenario="two", replications=2))
    server_result = result.stages["server"]
    assert server_result.lost == pytest.approx(2 * 500, rel=0.1)
    assert server_result.killed >= 1
    header = next(line for line in report(made, result).splitlines() if line.startswith("Stage"))
    assert header.split()[-2:] == ["Lost", "Killed"]
    quiet = report(made, simulate(plan(made, requests=500, replications=1)))
    assert "Lost" not in quiet
