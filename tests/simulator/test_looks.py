"""How often control looks at a run, and what was read before it: neither shows in the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_cases import case, stage

from simulator import control
from simulator import plan as plans
from simulator.control import FEWEST_A_LOOK, LOOKS, LOOKS_A_ROW, PATIENCE, replicate, window_of
from simulator.measure import Recorder
from simulator.plan import Plan, Window, plan
from simulator.workload import CHUNK, SECOND, ArrivalStream

ENGINES = ["simpy", "compiled"]
SLOW = case(stage(service="{kind: constant, mean: 1 s}", concurrency=100), rate="10000/s", extra="run: {warm_up: 0 s}")
WORKLOADS = {
    "poisson": "{kind: poisson, rate: 300/s}",
    "bursty": "{kind: bursty, rate: 300/s, times: 3, every: 6 s, lasts: 1 s}",
    "sessions": "{kind: sessions, rate: 40/s, requests: 8, gap: 150 ms}",
    "replay": "{kind: replay, arrivals: [time, " + ",\n  ".join(f"{i / 300:.3f}" for i in range(11_000)) + "]}",
}


def recorded(
    planned: Plan, engine: str, window: Window | None = None, step: int | None = None
) -> tuple[Recorder, list[float]]:
    """One replication, and what its progress was said to be."""
    told: list[float] = []
    measured = window or window_of(planned, 0, engine, lambda: None)
    return replicate(planned, 0, engine, measured, told.append, lambda: None, step=step), told


# -- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_short_window_with_a_long_drain_is_looked_at_some_hundred_times(engine: str) -> None:
    """It was half a million times when the drain's looks were as close together as the window's."""
    recorder, told = recorded(plan(SLOW, duration=0.001, replications=1), engine)
    assert recorder.counts.sum() == recorder.offered > 5
    assert len(told) < 300
    assert recorder.timeline is not None
    assert len(recorder.timeline.times) <= -(-len(told) // LOOKS_A_ROW) + LOOKS // LOOKS_A_ROW


def test_a_drain_ends_soon_after_the_last_answer() -> None:
    """At the same instant on both planes. The last request arrives within the window, and takes a second."""
    ends = [recorded(plan(SLOW, duration=0.001, replications=1), engine)[0] for engine in ENGINES]
    one, other = ends
    assert one.ended_at == other.ended_at
    assert one.events == other.events
    assert SECOND <= one.ended_at <= (SECOND + one.window.end) * (1 + 1 / PATIENCE)


def test_an_ordinary_drain_is_over_at_its_first_look() -> None:
    """A look is a small part of the window: little is simulated in vain."""
    quick = case(stage(service="{kind: constant, mean: 40 ms}", concurrency=20), rate="100/s")
    recorder, _ = recorded(plan(quick, requests=1_000, replications=1), "compiled")
    assert 0 < recorder.ended_at - recorder.window.end <= -(-recorder.window.end // LOOKS)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_a_stated_step_are_kept_in_the_drain(engine: str) -> None:
    recorder, _ = recorded(plan(SLOW, duration=0.001, replications=1), engine, step=SECOND // 100)
    assert recorder.timeline is not None
    *whole, _ = recorder.timeline.times.tolist()
    assert whole == list(range(SECOND // 100, recorder.ended_at, SECOND // 100))


def test_a_window_has_some_dozens_of_rows_and_not_many_more_looks() -> None:
    quick = case(stage(service="{kind: exponential, mean: 1 ms}"), rate="100/s")
    recorder, told = recorded(plan(quick, requests=2_000, replications=1), "compiled")
    rows = LOOKS // LOOKS_A_ROW
    assert recorder.timeline is not None
    assert rows <= len(recorder.timeline.times) <= rows + 1
    assert rows <= len(told) <= rows + LOOKS_A_ROW
    assert told == sorted(told)
    spans = np.diff(recorder.timeline.times, prepend=0)
    assert spans[:-1].min() == spans[:-1].max(), "the window opens within a row"


def test_without_a_timeline_one_looks_as_rarely_as_it_pays() -> None:
    """Only the first replication keeps one; the others find the same as if they did."""
    planned = plan(case(stage(service="{kind: exponential, mean: 1 ms}"), rate="100/s"), requests=40_000)
    window = window_of(planned, 1, "compiled", lambda: None)
    told: list[float] = []
    rare = replicate(planned, 1, "compiled", window, told.append, lambda: None)
    assert rare.timeline is None
    assert window.last // FEWEST_A_LOOK <= len(told) <= window.last // FEWEST_A_LOOK + 3 < LOOKS // LOOKS_A_ROW
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "FEWEST_A_LOOK", 1)
        often = replicate(planned, 1, "compiled", window, told.append, lambda: None)
    assert len(told) > LOOKS // LOOKS_A_ROW
    for found in ("counts", "latencies", "part_sums", "busy_ns", "waiting_ns", "events", "ended_at"):
        assert np.array_equal(getattr(rare, found), getattr(often, found)), found


# -- arrivals that were read ahead ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
@pytest.mark.parametrize("engine", [pytest.param("simpy", marks=pytest.mark.long), "compiled"])
def test_it_does_not_show_whether_arrivals_were_kept(
    workload: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept for the run, taken by another before, too many to be kept, or never read ahead: the same run."""
    served = stage(service="{kind: exponential, mean: 2 ms}")
    planned = plan(case(served, workload=workload, extra="run: {warm_up: 1 s}"), duration=35.0)
    window = window_of(planned, 0, engine, lambda: None)
    monkeypatch.setattr(plans, "KEPT", 10)
    few = window_of(planned, 0, engine, lambda: None)
    windows = [window, window, few, replace(window, ahead=None)]
    kept, *others = (recorded(planned, engine, one)[0] for one in windows)
    assert kept.window.last > CHUNK, "some arrivals are in a second chunk"
    for other in others:
        assert other.window == kept.window
        assert (other.events, other.ended_at) == (kept.events, kept.ended_at)
        assert other.latencies.tolist() == kept.latencies.tolist()
        assert other.counts.tolist() == kept.counts.tolist()


def test_arrivals_that_were_read_ahead_can_be_had_again() -> None:
    planned = plan(SLOW, duration=0.001, replications=1)
    ahead = window_of(planned, 0, "compiled", lambda: None).ahead
    assert ahead is not None
    streams = [ahead.again(), ahead.again(), ArrivalStream(planned.load, planned.run.seed, 0)]
    times = [stream.chunk(3 * CHUNK).times.tolist() for stream in streams]
    assert times[0] == times[1] == times[2]


def test_a_recorder_does_not_hold_arrivals() -> None:
    """Recorders are many, and stay until the run is over."""
    planned = plan(SLOW, duration=0.001, replications=1)
    window = window_of(planned, 0, "compiled", lambda: None)
    assert window.ahead is not None
    assert recorded(planned, "compiled", window)[0].window.ahead is None
