"""Every kind of load, from case file to result: the same on both planes, and what only some of them bring about."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_cases import case, stage, text

from cases.files import load, loads
from simulator.__main__ import cli
from simulator.control import window_of
from simulator.plan import plan
from simulator.results import SimulationResult
from simulator.run import simulate

SECOND = 1_000_000_000
LOADS = {
    "poisson": "{kind: poisson, rate: 40/s}",
    "even": "{kind: even, rate: 40/s}",
    "bursty": "{kind: bursty, rate: 40/s, times: 5, every: 5 s, lasts: 1 s}",
    "diurnal": "{kind: diurnal, rate: 40/s, peak_to_mean: 1.6, period: 20 s}",
    "schedule": "{kind: schedule, steps: [{for: 5 s, rate: 60/s}, {for: 5 s, rate: 20/s}]}",
    "ramp": "{kind: ramp, from: 10/s, to: 60/s, over: 10 s}",
    "spike": "{kind: spike, rate: 30/s, times: 3, at: 5 s, lasts: 2 s}",
    "flash_crowd": "{kind: flash_crowd, rate: 30/s, times: 4, at: 5 s, rise: 1 s, half_life: 3 s}",
    "closed": "{kind: closed, users: 30, think: {kind: gamma, mean: 600 ms, cv: 0.7}}",
    "sessions": "{kind: sessions, rate: 8/s, requests: {mean: 5, cv: 0.5}, gap: {kind: exponential, mean: 30 ms}}",
}
SERVER = stage(service="{kind: lognormal, mean: 20 ms, cv: 1}", queue="{limit: 50}")
CLASSES = ", classes: [{name: free, share: 70 %, priority: 2}, {name: paid, share: 30 %, priority: 1}]}"


def both(opened: object, **says: object) -> SimulationResult:
    """The result, the same on both planes."""
    planned = plan(opened, **says)  # type: ignore[arg-type]
    reference, compiled = simulate(planned, "simpy"), simulate(planned, "compiled")
    assert reference.as_json() | {"engine": ""} == compiled.as_json() | {"engine": ""}
    return compiled


@pytest.mark.parametrize("kind", LOADS)
@pytest.mark.parametrize("length", [{"requests": 400}, {"duration": 10.0}], ids=["requests", "duration"])
def test_r11_every_load(kind: str, length: dict[str, float]) -> None:
    opened = case(SERVER, workload=LOADS[kind].removesuffix("}") + CLASSES)
    result = both(opened, replications=2, **length)
    assert sum(result.requests[end] for end in result.requests if end != "offered") == result.requests["offered"]
    if "requests" in length:
        assert result.requests["offered"] == 800
    else:
        assert 200 <= result.requests["offered"] <= 1_800
    assert sum(one.offered for one in result.classes.values()) == result.requests["offered"]
    assert (result.requests["superseded"] > 0) == (kind == "sessions")


def test_users_who_wait_never_bring_more_than_they_are() -> None:
    """An endless service: everybody waits for the answer, nobody asks again."""
    opened = case(
        stage(service="{kind: constant, mean: 1 hour}"),
        workload="{kind: closed, users: 7, think: 1 s}",
        extra="run: {warm_up: 0 s}",
    )
    result = both(opened, duration=30.0, replications=1, drain=1.0)
    assert result.requests["offered"] == result.requests["in_flight"] == 7


def test_the_window_of_a_closed_loop_is_where_its_requests_arrive() -> None:
    planned = plan(case(SERVER, workload=LOADS["closed"]), requests=300, replications=1)
    found = {engine: window_of(planned, 0, engine, lambda: None) for engine in ("simpy", "compiled")}
    assert found["simpy"] == found["compiled"]
    assert (found["simpy"].first, found["simpy"].last) == (30, 330)
    timed = plan(case(SERVER, workload=LOADS["closed"], extra="run: {warm_up: 2 s}"), duration=5.0, replications=1)
    window = window_of(timed, 0, "compiled", lambda: None)
    assert (window.start, window.end) == (2 * SECOND, 7 * SECOND)
    assert 150 < window.last - window.first < 250


def test_a_closed_loop_slows_down_with_its_answers() -> None:
    """The same users bring less to a slower system: that is why a load test by users hides overload."""
    rates = []
    for mean in ("20 ms", "200 ms"):
        server = stage(service=f"{{kind: exponential, mean: {mean}}}")
        rates.append(simulate(plan(case(server, workload=LOADS["closed"]), requests=500, replications=2)).offered_per_s)
    assert rates[0] > 35
    assert rates[1] == pytest.approx(5, rel=0.15)


def test_what_nobody_waits_for_counts_neither_way() -> None:
    patient = stage(service="{kind: lognormal, mean: 20 ms, cv: 1}")
    result = both(case(patient, workload=LOADS["sessions"]), requests=2_000, replications=2)
    assert result.requests["superseded"] > 100
    assert result.requests["completed"] + result.requests["superseded"] == result.requests["offered"]
    assert result.latency_ms["p999"].value is not None, "the last keystroke of each session is answered"
    assert result.by_replication["availability"] == (1.0, 1.0)
    assert any("superseded" in note for note in result.notes)


def test_a_replay_of_a_run_is_that_run(tmp_path: Path) -> None:
    """To the nanosecond, on the compiled plane, by the command line."""
    poisson = text(SERVER, workload=LOADS["poisson"].removesuffix("}") + CLASSES)
    (tmp_path / "small.yaml").write_text(poisson, encoding="utf-8")
    written = tmp_path / "arrivals.csv"
    done = CliRunner().invoke(
        cli, ["arrivals", str(tmp_path / "small.yaml"), "--seed", "5", "--requests", "3000", "-o", str(written)]
    )
    assert done.exit_code == 0, done.output
    again = text(SERVER, workload="{kind: replay, file: arrivals.csv" + CLASSES)
    (tmp_path / "again.yaml").write_text(again.replace("id: small", "id: again"), encoding="utf-8")
    says = {"seed": 5, "requests": 2_000, "replications": 1}
    first = simulate(plan(loads(poisson, "small.yaml"), **says), "compiled")  # type: ignore[arg-type]
    second = both(load(tmp_path / "again.yaml"), **says)
    for name in ("requests", "latency_ms", "stages", "classes", "events"):
        assert getattr(first, name) == getattr(second, name), name


class _Enough(Exception):
    pass


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize("kind", ["poisson", "closed"])
def test_cancelling_takes_less_than_a_second(engine: str, kind: str) -> None:
    """A run of millions of requests is left within moments of being told; bounded widely, for machines are noisy."""
    load = {"poisson": "{kind: poisson, rate: 4000/s}", "closed": "{kind: closed, users: 4000, think: 1 s}"}[kind]
    happens = "scenarios: {slow: {events: [{at: 1 s, for: 5 s, slow: server, times: 1.1}]}}"
    server = stage(service="{kind: exponential, mean: 1 ms}", concurrency=8)
    planned = plan(case(server, workload=load, extra=happens), requests=20_000_000, replications=1, scenario="slow")
    asked = threading.Event()
    told: list[float] = []

    def progress(_: float) -> None:
        if asked.is_set():
            raise _Enough

    def run() -> None:
        try:
            simulate(planned, engine, progress)  # type: ignore[arg-type]
        except _Enough:
            told.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1.0)
    asked.set()
    since = time.monotonic()
    thread.join(30)
    assert told, "it did not stop"
    assert told[0] - since < 5.0
