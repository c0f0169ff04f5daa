"""The world around the requests: what a scenario becomes, that it happens when it should, and that effects add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import simpy
from fake_plane import SECOND, FakePlane
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import ENGINES, EXPONENTIAL, MS, StageSpec, machine, plane_of
from small_cases import stage, text

from cases.errors import RunError
from cases.files import loads
from cases.spec import Case
from cases.world_spec import Autoscaling, Event
from simulator.autoscaler import Rules, rules
from simulator.effects import ALL, Effects
from simulator.machine import NEVER, NOBODY, RANDOM, READY
from simulator.network import resolve
from simulator.semantics import RequestEnd
from simulator.workload import ArrivalStream, Profile
from simulator.world import REPLICAS, USERS, Change, Fault, Mark, World, fleets, label, processes, world

DELAY = 25


# -- effects ----------------------------------------------------------------------------------------------------------


def effects(*specs: StageSpec) -> tuple[Effects, FakePlane]:
    built = machine(list(specs) or [StageSpec()])
    plane = FakePlane(simpy.Environment(initial_time=0), built)
    return Effects(plane, built), plane  # type: ignore[arg-type]


def done(plane: FakePlane) -> list[tuple[Any, ...]]:
    """What it was told, without the times."""
    return [what for _, *what in plane.done]


def test_factors_multiply() -> None:
    on, plane = effects()
    on.slow(0, 3.0, True)
    on.slow(0, 5.0, True)
    on.slow(0, 3.0, False)
    on.slow(0, 5.0, False)
    assert done(plane) == [["factor", 0, 3.0], ["factor", 0, 15.0], ["factor", 0, 5.0], ["factor", 0, 1.0]]


def test_a_replica_has_factors_of_its_own() -> None:
    on, plane = effects()
    on.slow(0, 3.0, True, 2)
    on.slow(0, 2.0, True, ALL)
    on.slow(0, 4.0, True, 2)
    on.slow(0, 3.0, False, 2)
    assert done(plane) == [["slow", 0, 2, 3.0], ["factor", 0, 2.0], ["slow", 0, 2, 12.0], ["slow", 0, 2, 4.0]]


def test_pauses_outages_and_cuts_nest() -> None:
    on, plane = effects()
    for switch in (True, True, False, False):
        on.pause(0, switch, 0)
        on.outage(0, switch)
        on.cut(0, switch)
    assert done(plane) == [
        *(["pause", 0, True], ["set", 0, "outage", 1], ["set", 0, "cut", 1]),
        *(["pause", 0, False], ["set", 0, "outage", 0], ["set", 0, "cut", 0]),
    ]


def test_of_several_error_shares_the_highest_holds() -> None:
    on, plane = effects(StageSpec(error_ratio=0.25))
    on.errors(0, 1 << 62, True)
    on.errors(0, 1 << 60, True)
    on.set(0, "error_threshold", 1 << 59)
    on.errors(0, 1 << 62, False)
    on.errors(0, 1 << 60, False)
    assert [value for *_, value in done(plane)] == [1 << 62, 1 << 62, 1 << 62, 1 << 60, 1 << 59]


@given(st.lists(st.tuples(st.sampled_from([2.0, 3.0, 1.1]), st.integers(-1, 2)), max_size=8), st.randoms())
@settings(derandomize=True, max_examples=50, deadline=None)
def test_when_all_is_over_nothing_is_left(given_: list[tuple[float, int]], luck: Any) -> None:
    on, plane = effects()
    for times, place in given_:
        on.slow(0, times, True, place)
    luck.shuffle(given_)
    for times, place in given_:
        on.slow(0, times, False, place)
    last = {what[:-1] if len(what) == 3 else what[:3]: what[-1] for what in map(tuple, done(plane))}
    assert set(last.values()) <= {1.0}


# -- as it happens ----------------------------------------------------------------------------------------------------

QUIET = World(Profile.constant(1.0), (), (), (), (), (), ())


def fault(kind: str, at: int = 10, until: int | None = 30, stage: int = 0, zone: int = NOBODY, **more: Any) -> Fault:
    """Times in seconds."""
    values = {"number": 1, "times": 1.0, "share": 1.0} | more
    return Fault(at * SECOND, NEVER if until is None else until * SECOND, kind, stage, zone, **values)


def happens(until: float, *faults: Fault, changes: tuple[Change, ...] = (), **spec: Any) -> FakePlane:
    """A fake plane of one stage (and another one) to which it has happened."""
    env = simpy.Environment(initial_time=0)
    built = machine([StageSpec(**({"replicas": 4, "places": 6} | spec)), StageSpec()])
    plane: Any = FakePlane(env, built)
    around = World(
        load=Profile.constant(1.0),
        changes=changes,
        faults=faults,
        marks=(),
        places=tuple(one.places for one in built.stages[:-1]),
        start_delays=(DELAY * SECOND, 0),
        scaling=(),
    )
    processes(env, plane, around, fleets(env, plane, built, around), Effects(plane, built))
    env.run(until=round(until * SECOND))
    return plane


def test_numbers_change_at_their_instants() -> None:
    changes = (Change(0, 0, "hop", 5), Change(2 * SECOND, 1, "floor", 7), Change(2 * SECOND, 2, USERS, 9))
    assert happens(3, changes=changes).done == [
        (0.0, "set", 0, "hop", 5),
        (2.0, "set", 1, "floor", 7),
        (2.0, "users", 9),
    ]


def test_replicas_change_by_starting_and_draining() -> None:
    changes = (Change(10 * SECOND, 0, REPLICAS, 6), Change(60 * SECOND, 0, REPLICAS, 3))
    looks = [happens(until, changes=changes).look() for until in (34.9, 35.1, 60.1)]
    assert looks == ["RRRR..", "RRRRRR", "RRR..."]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (fault("pause"), [(10, "pause", 0, True), (30, "pause", 0, False)]),
        (fault("slow", times=3.0), [(10, "factor", 0, 3.0), (30, "factor", 0, 1.0)]),
        (
            fault("slow", times=3.0, share=0.3),
            [(10, "slow", 0, 0, 3.0), (10, "slow", 0, 1, 3.0), (30, "slow", 0, 0, 1.0), (30, "slow", 0, 1, 1.0)],
        ),
        (fault("cut"), [(10, "set", 0, "cut", 1), (30, "set", 0, "cut", 0)]),
        (fault("error"), [(10, "set", 0, "outage", 1), (30, "set", 0, "outage", 0)]),
        (
            fault("error", share=0.25),
            [(10, "set", 0, "error_threshold", 1 << 61), (30, "set", 0, "error_threshold", 0)],
        ),
        (fault("flush", until=None), [(10, "flush", 0)]),
        (fault("pause", until=None), [(10, "pause", 0, True)]),
    ],
)
def test_faults_begin_and_end(given: Fault, told: list[tuple[Any, ...]]) -> None:
    assert happens(100, given).done == told


@pytest.mark.parametrize(
    ("given", "looks"),
    [
        (fault("kill", number=3, until=None), {9: "RRRR..", 11: "...R..", 34: "...R..", 36: "RRRR.."}),
        (fault("kill", number=3), {11: "...R..", 54: "...R..", 56: "RRRR.."}),
        (fault("lose_zone", stage=NOBODY, zone=1), {11: "R.R...", 54: "R.R...", 56: "RRRR.."}),
        (fault("lose_zone", stage=NOBODY, zone=1, until=None), {11: "R.R...", 90: "R.R..."}),
        (fault("deploy", number=2, until=None), {11: "..RR..", 36: "....RR", 61: "RR..RR"}),
    ],
)
def test_replicas_go_and_come(given: Fault, looks: dict[int, str]) -> None:
    assert {at: happens(at, given, zones=(0, 1)).look() for at in looks} == looks


def test_what_begins_at_one_instant_does_so_in_its_order() -> None:
    plane = happens(11, fault("pause"), fault("flush"), fault("cut"), changes=(Change(10 * SECOND, 0, "hop", 5),))
    assert [what for _, what, *_ in plane.done] == ["set", "pause", "flush", "set"]


# -- on the planes ----------------------------------------------------------------------------------------------------

FLEET = StageSpec(replicas=4, places=8, balancing=RANDOM, concurrency=2, floor=10 * MS, table=EXPONENTIAL)


def run(
    engine: str, *around: Fault, until: int = 60, rate: float = 300.0, scaling: tuple[Rules, ...] = (), **spec: Any
):
    """The plane after so many seconds with FLEET at this rate (0.75 of its workers' time at 600/s), and the fleet."""
    built = machine([replace(FLEET, **spec)])
    env, plane = plane_of(engine, built, ArrivalStream(Profile.constant(rate), 1, 0))
    found = replace(QUIET, faults=around, places=(8,), start_delays=(5 * SECOND,), scaling=scaling)
    all_fleets = fleets(env, plane, built, found)
    processes(env, plane, found, all_fleets, Effects(plane, built))
    plane.measure(True)
    env.run(until=until * SECOND)
    return plane, all_fleets[0]


def ends(plane: Any) -> dict[str, int]:
    outcomes = plane.take_ended().outcome
    return {end.name: int((outcomes == end).sum()) for end in RequestEnd if (outcomes == end).any()}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deploy_loses_nobody(engine: str) -> None:
    plane, fleet = run(engine, fault("deploy", number=2, until=None))
    assert set(ends(plane)) == {"COMPLETED"}
    assert [place for place, state in enumerate(plane.replicas(0)) if state == READY] == [0, 1, 4, 5]
    assert fleet.paid(60 * SECOND) / SECOND == pytest.approx(4 * 60, abs=1.0)  # and a moment for what was at work


@pytest.mark.parametrize("engine", ENGINES)
def test_who_is_killed_takes_along_its_work(engine: str) -> None:
    plane, fleet = run(engine, fault("kill", number=3, until=None))
    killed = int(plane.tally().killed[0])
    assert 1 <= killed == ends(plane)["FAILED"] <= 6 + 20
    assert len(fleet.ready()) == 4
    assert fleet.paid(60 * SECOND) == 4 * 60 * SECOND  # replaced at once


@pytest.mark.parametrize("engine", ENGINES)
def test_without_its_zone_a_stage_is_paid_less(engine: str) -> None:
    plane, fleet = run(engine, fault("lose_zone", stage=NOBODY, zone=1, at=10, until=30), zones=(0, 1))
    assert fleet.paid(60 * SECOND) == (4 * 60 - 2 * 20) * SECOND
    assert fleet.ready() == [0, 1, 2, 3]
    assert ends(plane).keys() <= {"COMPLETED", "FAILED"}


@pytest.mark.parametrize("engine", ENGINES)
def test_replicas_follow_the_load(engine: str) -> None:
    """At 600/s of 10 ms each 6 workers are busy: at 50 % six replicas of two are wanted, and 5.5 suffice."""
    by_utilisation = rules(0, Autoscaling.model_construct(utilisation=0.5, least=2, most=8, sync=2.0))
    plane, fleet = run(engine, rate=600.0, scaling=(by_utilisation,))
    assert len(fleet.ready()) in (6, 7)
    quiet, calm = run(engine, rate=100.0, scaling=(by_utilisation._replace(down_after=10 * SECOND),))
    assert len(calm.ready()) == 2
    assert set(ends(quiet)) == set(ends(plane)) == {"COMPLETED"}


@pytest.mark.parametrize("engine", ENGINES)
def test_for_a_lost_zone_the_autoscaler_starts_replicas_elsewhere(engine: str) -> None:
    """Three workers are busy: two replicas are left, and at 50 % at least three are wanted."""
    by_utilisation = rules(0, Autoscaling.model_construct(utilisation=0.5, least=2, most=8, sync=5.0))
    lost = fault("lose_zone", stage=NOBODY, zone=1, until=None)
    _, fleet = run(engine, lost, zones=(0, 1), scaling=(by_utilisation,))
    assert fleet.ready() in ([0, 2, 4], [0, 2, 4, 6])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_and_a_cut_and_a_pause(engine: str) -> None:
    plane, _ = run(engine, fault("error", share=0.2, until=60), until=60)
    share = ends(plane)["FAILED"] / (300 * 50)
    assert share == pytest.approx(0.2, abs=0.02)
    plane, _ = run(engine, fault("cut"), until=60)
    assert int(plane.tally().lost[0]) == pytest.approx(300 * 20, rel=0.05)
    plane, _ = run(engine, fault("pause"), until=30)
    assert int(plane.waiting()[0]) == pytest.approx(300 * 20, rel=0.05)


# -- before it --------------------------------------------------------------------------------------------------------


def case(events: str = "[]", rate: str = "10 requests/s", extra: str = "", **fields: object) -> Case:
    """A case of two stages, `server` and `second`, with a scenario of these events (if any)."""
    server = stage("server", **({"replicas": 4, "balancing": "random"} | fields))
    second = stage("second", after="[server]")
    scenarios = "" if events == "[]" else f"scenarios: {{x: {{events: {events}}}}}\n"
    return loads(text(server, second, rate=rate, extra=scenarios + extra), "small.yaml")


def read(events: str, **more: Any) -> World:
    made = case(events, **more)
    return world(made, resolve(made), made.scenarios["x"])


def test_without_a_scenario_nothing_happens() -> None:
    made = case()
    network = resolve(made)
    found = world(made, network)
    assert (found.changes, found.faults, found.marks, found.scaling) == ((), (), (), ())
    assert found.load is network.load
    assert found.places == (4, 1)
    assert found.start_delays == (25 * SECOND, 25 * SECOND)
    assert found.last_event_end == 0


def test_a_path_event_is_the_numbers_that_differ() -> None:
    found = read(
        "[{at: 2 s, for: 3 s, path: stages.server.service.mean, times: 3},"
        " {at: 4 s, path: stages.second.hop, to: 5 ms}]"
    )
    assert found.changes == (
        Change(2 * SECOND, 0, "floor", 3 * SECOND),
        Change(4 * SECOND, 1, "hop", 5_000_000),
        Change(5 * SECOND, 0, "floor", SECOND),
    )
    assert found.marks == (
        Mark("server.service.mean x3", 2 * SECOND, 5 * SECOND),
        Mark("second.hop to 5 ms", 4 * SECOND, NEVER),
    )
    assert found.last_event_end == 5 * SECOND


def test_the_load_changes_by_phases() -> None:
    found = read("[{at: 10 s, for: 5 s, path: workload.rate, times: 3}]")
    assert found.changes == ()
    assert found.load.expected(20 * SECOND) == pytest.approx(10 * 10 + 5 * 30 + 5 * 10)
    assert found.marks == (Mark("load x3", 10 * SECOND, 15 * SECOND),)


def test_replicas_are_given_places() -> None:
    found = read("[{at: 2 s, path: stages.server.replicas, to: '9'}]")
    assert found.changes == (Change(2 * SECOND, 0, REPLICAS, 9),)
    assert found.places == (9, 1)
    machine_ = found.placed(resolve(case()).machine)
    assert [one.places for one in machine_.stages] == [9, 1, machine_.stages[-1].places]


def test_a_deploy_needs_places_beside_and_has_an_end() -> None:
    found = read("[{at: 2 s, deploy: server, at_once: 3}]")
    assert found.places == (7, 1)
    assert found.marks == (Mark("deploy of server, 3 at a time", 2 * SECOND, 52 * SECOND),)


def test_autoscaling_has_places_outside_of_a_lost_zone() -> None:
    zones = {"extra": "zones: {names: [a, b, c]}\n", "autoscaling": "{utilisation: 60 %, max: 10}"}
    assert read("[{at: 1 s, flush: server}]", cache="{keys: 10, zipf: 0, hit_time: 1 ms}", **zones).places[0] == 10
    found = read("[{at: 1 s, lose_zone: b}]", **zones)
    assert found.places[0] == 15
    assert found.faults == (Fault(SECOND, NEVER, "lose_zone", NOBODY, 1, 1, 1.0, 1.0),)
    assert found.scaling[0].most == 10


def test_faults_in_numbers() -> None:
    found = read("[{at: 1 s, for: 2 s, slow: second, times: 4}, {at: 3 s, kill: server, replicas: 2}]")
    assert found.faults == (
        Fault(SECOND, 3 * SECOND, "slow", 1, NOBODY, 1, 4.0, 1.0),
        Fault(3 * SECOND, NEVER, "kill", 0, NOBODY, 2, 1.0, 1.0),
    )
    assert found.last_event_end == 28 * SECOND, "over when the new ones are there"


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ({"concurrency": 2}, {"concurrency": 3}, "concurrency of stage server"),
        ({"cache": "{keys: 10, zipf: 1, hit_time: 1 ms}"}, {"cache": "{keys: 10, zipf: 0, hit_time: 1 ms}"}, "the pop"),
        ({"service": "{kind: gamma, mean: 1 s, cv: 2}"}, {"service": "{kind: gamma, mean: 1 s, cv: 3}"}, "the shape"),
        ({}, {"service": "{kind: constant, mean: 1 s}"}, "table of stage second"),
        ({}, {"extra": "client: {deadline: 3 s}\n"}, "the client's deadline"),
    ],
)
def test_what_cannot_change_is_refused(
    before: dict[str, Any], after: dict[str, Any], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases are checked for it already; this is the second lock on the door."""
    first, then = case("[{at: 1 s, pause: server}]", **before), case(**after)
    monkeypatch.setattr("simulator.world.phases", lambda *_: [(0.0, first), (2.0, then)])
    with pytest.raises(RunError) as error:
        world(first, resolve(first), first.scenarios["x"])
    assert str(error.value).startswith(f"at 2 s the scenario changes {what}")
    assert str(error.value).endswith(
        ", which cannot change in the middle of a run; change it in a design, and run the scenario with that"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "workload.rate", "times": 3.0}, "load x3"),
        ({"path": "stages.ranking.replicas", "to": "5"}, "ranking.replicas to 5"),
        ({"kill": "ranking", "replicas": 3}, "ranking loses 3 replicas"),
        ({"kill": "ranking"}, "ranking loses 1 replica"),
        ({"lose_zone": "a"}, "zone a is lost"),
        ({"pause": "ranking"}, "ranking pauses"),
        ({"slow": "ranking", "times": 5.0, "share": 0.25}, "25 % of ranking 5 times as slow"),
        ({"slow": "ranking", "times": 5.0}, "ranking 5 times as slow"),
        ({"flush": "features"}, "caches of features emptied"),
        ({"cut": "sms"}, "link to sms cut"),
        ({"error": "sms"}, "sms fails"),
        ({"error": "sms", "share": 0.2}, "20 % of sms fail"),
        ({"deploy": "ranking", "at_once": 2}, "deploy of ranking, 2 at a time"),
    ],
)
def test_events_in_words(given: dict[str, Any], words: str) -> None:
    assert label(Event.model_construct(at=0.0, **given)) == words
