"""A run as something to watch: the same in both planes, true to the timeline, causal, and small."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_cases import case, stage

from cases import files
from simulator import scenes
from simulator.control import replicate, window_of
from simulator.machine import NEVER
from simulator.plan import Plan, plan
from simulator.results import ObjectiveResult, SimulationResult
from simulator.run import simulate
from simulator.scenes import MOST_REQUESTS, TICK, Scene, evenly, first_breach, frames, scene, speeds, target
from simulator.semantics import RequestEnd, VisitEnd
from simulator.timeline import BIN_EDGES, Timeline
from simulator.workload import SECOND

EXTRA = """objectives: [{metric: latency, percentile: 99, at_most: 200 ms}]
scenarios:
  loss:
    run: {duration: 19 s, warm_up: 1 s, replications: 1}
    events: [{at: 8 s, for: 4 s, kill: back, replicas: 3}]
"""
STAGES = (
    stage("front", "{kind: lognormal, mean: 2 ms, cv: 1}", concurrency=4),
    stage("back", "{kind: exponential, mean: 20 ms}", after="[front]", replicas=4, balancing="random", errors="2 %",
          queue="{limit: 30}", start_delay="1 s", hop="3 ms", retries="{attempts: 2, backoff: 5 ms}"),
    "{name: vendor, within: back, external: true, service: {kind: constant, mean: 3 ms}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(case(*STAGES, rate="100 request/s", extra=EXTRA), scenario="loss")


@pytest.fixture(scope="module")
def watched(planned: Plan) -> Scene:
    return scene(planned, "simpy")


@pytest.fixture(scope="module")
def result(planned: Plan) -> SimulationResult:
    return simulate(planned, "simpy")


@pytest.fixture(scope="module")
def timeline(result: SimulationResult) -> Timeline:
    assert result.timeline is not None
    return result.timeline


def test_both_planes_show_the_same(planned: Plan, watched: Scene) -> None:
    assert scene(planned, "compiled") == watched


def test_requests_are_chosen_by_number_evenly(planned: Plan, watched: Scene) -> None:
    window = window_of(planned, 0, "simpy", lambda: None)
    numbers = [one.number for one in watched.journeys]
    assert numbers == list(range(0, window.last, numbers[1]))
    assert MOST_REQUESTS / 2 < len(numbers) <= MOST_REQUESTS
    assert watched.of == pytest.approx(numbers[1], rel=0.01)
    arrivals = [one.arrival for one in watched.journeys]
    assert arrivals == sorted(arrivals)


@pytest.mark.parametrize(("count", "found"), [(1, 1), (MOST_REQUESTS, MOST_REQUESTS), (MOST_REQUESTS + 1, 226)])
def test_so_many_are_chosen(count: int, found: int) -> None:
    assert (len(evenly(count)), evenly(count)[0]) == (found, 0)


def test_visits_are_those_of_the_replication(planned: Plan, watched: Scene) -> None:
    """Against the whole trace of the same replication."""
    window = window_of(planned, 0, "simpy", lambda: None)
    every = np.arange(window.last)
    trace = replicate(planned, 0, "simpy", window, lambda _: None, lambda: None, traced=every).trace
    assert trace is not None
    for one in watched.journeys[::17]:
        rows = trace[trace[:, 0] == one.number]
        sent, start, answer = rows[:, 7], rows[:, 10], rows[:, 13]
        arrival = int(sent.min())
        assert one.arrival == arrival // TICK
        mine = rows[:, 2] != planned.network.machine.client
        assert [s.sent for s in one.stays] == ((sent[mine] - arrival) // TICK).tolist()
        assert [s.over for s in one.stays] == ((answer[mine] - arrival) // TICK).tolist()
        started = start[mine] >= 0
        assert [s.start for s, known in zip(one.stays, started, strict=True) if known] == (
            (start[mine][started] - arrival) // TICK
        ).tolist()


def test_visits_are_causal(watched: Scene) -> None:
    stays = [stay for one in watched.journeys for stay in one.stays]
    for stay in stays:
        times = [t for t in (stay.sent, stay.joined, stay.start, stay.over) if t is not None]
        assert times == sorted(times)
        assert times[0] >= 0
    for one in watched.journeys:
        fronts, backs = ([s for s in one.stays if s.stage == n] for n in (0, 1))
        assert all(back.sent >= (fronts[0].over or 0) for back in backs)
        for inner in (s for s in one.stays if s.stage == 2):
            assert any(back.start is not None and back.start <= inner.sent for back in backs)
    assert any(stay.again for stay in stays), "retries are told from first tries"
    assert {stay.outcome for stay in stays} > {VisitEnd.ANSWERED, VisitEnd.FAILED}
    assert any(stay.joined != stay.start for stay in stays), "some wait"


def test_frames_are_the_timeline(timeline: Timeline) -> None:
    """What the picture shows at a moment is what the engine had."""
    shown = frames(timeline)
    assert shown["ends"] == (timeline.times // TICK).tolist()
    for s, name in enumerate(timeline.names):
        stage_shown = shown["stages"][name]
        assert stage_shown["waiting"] == timeline.waiting[:, s].astype(int).tolist()
        for measure, shown_as in (("utilisation",) * 2, ("replicas",) * 2, ("arrivals_per_s", "come")):
            values = timeline.stages[measure][:, s]
            assert [v is None for v in stage_shown[shown_as]] == np.isnan(values).tolist()
            given = np.array([np.nan if v is None else v / 10_000 for v in stage_shown[shown_as]])
            np.testing.assert_allclose(given, values, atol=0.0001)
    for name, values in timeline.percentiles.items():
        given = [None if t is None else t / 1_000 for t in shown["percentiles"][name]]
        assert [g is None for g in given] == [v is None for v in values]
        assert all(abs(g - v) <= 0.0005 for g, v in zip(given, values, strict=True) if g is not None and v is not None)
    assert shown["marks"] == [{"label": "back loses 3 replicas", "begin": 8 * 10_000, "end": 13 * 10_000}]
    back = shown["stages"]["back"]
    assert shown["longest"] == max(back["waiting"]) > 10
    assert "saturated" in back["words"]
    assert set(shown["stages"]["vendor"]["words"]) == {"ok"}, "nobody reads it: there is no capacity"


def test_a_fleet_of_cells_shows_all_of_its_queues(timeline: Timeline) -> None:
    one, ten = frames(timeline), frames(timeline, cells=10)
    assert ten["stages"]["back"]["waiting"] == [10 * v for v in one["stages"]["back"]["waiting"]]
    assert ten["stages"]["back"]["replicas"] == pytest.approx(
        [10 * v for v in one["stages"]["back"]["replicas"]], abs=9
    )
    assert ten["stages"]["back"]["utilisation"] == one["stages"]["back"]["utilisation"]
    assert ten["longest"] == 10 * one["longest"]


def test_an_event_that_lasts_ends_with_the_run(timeline: Timeline) -> None:
    marks = (("for good", 9 * SECOND, NEVER), ("too late", 10**15, NEVER))
    shown = frames(replace(timeline, marks=marks))
    assert shown["marks"] == [{"label": "for good", "begin": 90_000, "end": int(timeline.times[-1]) // TICK}]


@pytest.mark.parametrize("name", sorted(files.catalog()))
def test_every_case_is_small_enough_to_send(name: str) -> None:
    planned = plan(files.load(files.catalog()[name]), replications=1)
    found, timeline = scene(planned), simulate(planned).timeline
    assert timeline is not None
    text = json.dumps({"moves": found.as_json(), "frames": frames(timeline)}, allow_nan=False)
    assert len(text) < 400_000
    assert 200 <= len(found.journeys) <= MOST_REQUESTS
    assert sum(len(one.stays) for one in found.journeys) <= scenes.MOST_VISITS


def test_requests_with_very_many_visits_are_fewer(planned: Plan, watched: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr(scenes, "MOST_VISITS", 600)
    few = scene(planned, "simpy")
    assert sum(len(one.stays) for one in few.journeys) <= 600
    assert [one.number for one in few.journeys] == [one.number for one in watched.journeys][
        :: round(few.of / watched.of)
    ]


def test_a_request_still_under_way_has_no_end() -> None:
    never = case(stage(service="{kind: constant, mean: 1 h}"), rate="5 request/s", extra="run: {drain: 1 s}")
    found = scene(plan(never, duration=10.0, replications=1), "simpy").as_json()
    first, *rest = found["journeys"]
    assert first[1:] == [0, 0, 0, 0, -1, int(VisitEnd.OPEN), 0]
    assert all(one[4] == -1 for one in rest), "these have not even started"


def test_it_can_be_given_up(planned: Plan) -> None:
    class Enough(Exception):
        pass

    def progress(share: float) -> None:
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        scene(planned, "simpy", progress)


def test_the_first_moment_over_the_objective(result: SimulationResult, timeline: Timeline) -> None:
    at = first_breach(result)
    assert at is not None
    assert 8 < at < 12, "three of four replicas are gone from 8 s on"
    row = timeline.times.tolist().index(round(at * SECOND))
    over = [v is not None and v > 200 for v in timeline.percentiles["p99"]]
    assert over[row]
    assert not any(over[i] for i in range(row) if timeline.times[i] > 8 * SECOND)
    assert target(result) == ("p99", 200.0)
    met = tuple(replace(one, met=True) for one in result.objectives)
    assert first_breach(replace(result, objectives=met)) is None
    assert first_breach(replace(result, timeline=None)) is None


def test_no_moment_is_told_of_a_percentile_without_a_line(result: SimulationResult) -> None:
    (only,) = result.objectives
    assert isinstance(only, ObjectiveResult)
    assert first_breach(replace(result, objectives=(replace(only, name="latency p99.9"),))) is None
    assert target(replace(result, objectives=())) is None


@pytest.mark.parametrize("length", [0, 2, 8, 30, 775, 86_400])
def test_a_run_can_be_watched_in_half_a_minute(length: int) -> None:
    offered = speeds(length * SECOND)
    assert len(offered) == 5
    assert list(offered) == sorted(offered)
    if length:
        assert 12 <= length / offered[scenes.FIT] <= 48


def test_coarse_bins_hold_every_answer(timeline: Timeline) -> None:
    answered = timeline.ended[:, [RequestEnd.COMPLETED, RequestEnd.DEGRADED]].sum(axis=1)
    assert timeline.latencies.sum(axis=1).tolist() == answered.tolist()
    assert timeline.latencies.shape == (len(timeline.times), len(BIN_EDGES))
    for row, counts in enumerate(timeline.latencies):
        median = timeline.percentiles["p50"][row]
        if median is not None:
            bin_ = int(np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2))
            assert BIN_EDGES[bin_] <= median * 1e6 < BIN_EDGES[bin_ + 1]
