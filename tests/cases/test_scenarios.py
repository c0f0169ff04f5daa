"""Scenarios: what changes when, which of the shared ones match a case, and what contains them."""

# ruff: noqa: E501 - messages stand whole beside what they are about

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import desk, desk_text

from cases import changing, files, language, scenarios
from cases.__main__ import cli
from cases.build import apply, design_changes
from cases.errors import CaseError, DesignError
from cases.scenarios import merged, multiplied, phases
from cases.spec import Case, Scenario
from cases.world_spec import KINDS

ROOT = Path(__file__).resolve().parents[2]
GOOD = Path(__file__).parent / "good" / "world.yaml"
WORLD = files.load(GOOD)
CLOSED = files.loads(
    GOOD.read_text(encoding="utf-8")
    .replace("{kind: poisson, rate: = evening}", "{kind: closed, users: 60, think: 1 s}")
    .replace("path: workload.rate, times: 3", "path: workload.users, times: 3"),
    "closed.yaml",
)
YOUTUBE = files.load(files.catalog()["youtube_recommendations"])
OBJECTIVES = "objectives: [{metric: latency, percentile: 99, at_most: 1 s}]\n"
TWO = (("replicas: 1", "replicas: 2, balancing: random"),)


def with_events(*events: str, replacements: tuple[tuple[str, str], ...] = TWO) -> tuple[Case, Scenario]:
    listed = "".join(f"      - {{{event}}}\n" for event in events)
    case = desk(*replacements, more=f"scenarios:\n  fault:\n    events:\n{listed}")
    return case, case.scenarios["fault"]


def rates(case: Case, scenario: Scenario) -> list[tuple[float, float | None]]:
    return [(at, one.workload.rate) for at, one in phases(case, scenario)]


# -- nouns ------------------------------------------------------------------------------------------------------------


def test_an_event_is_of_one_kind() -> None:
    events = WORLD.scenarios["everything"].events
    assert {event.kind for event in events} == set(KINDS)
    assert [event.stage for event in events[:5]] == [None, None, "gateway", "ranking", None]
    assert (events[3].replicas, events[3].lasts, events[7].share, events[12].at_once) == (1, None, 1.0, 2)


def test_autoscaling_is_kubernetes_unless_said() -> None:
    case = apply(desk(*TWO), {"stages.desk.autoscaling": "{utilisation: 60 %, max: 9}"})
    scaling = case.stages[0].autoscaling
    assert scaling is not None
    assert (scaling.least, scaling.most, scaling.sync, scaling.tolerance, scaling.down_after) == (1, 9, 15, 0.1, 300)
    assert (scaling.up.replicas, scaling.up.times, scaling.up.every) == (4, 2, 15)
    assert case.stages[0].start_delay == 25
    assert case.stages[0].most_replicas == 9


# -- what changes when ------------------------------------------------------------------------------------------------


def test_without_path_events_nothing_changes() -> None:
    case, scenario = with_events("at: 10 s, kill: desk")
    assert phases(case, scenario) == [(0.0, case)]


def test_a_change_is_undone_at_its_end() -> None:
    assert rates(*with_events("at: 10 s, for: 5 s, path: workload.rate, times: 3")) == [(0, 50), (10, 150), (15, 50)]
    assert rates(*with_events("at: 0 s, path: workload.rate, to: 7/s")) == [(0, 7)]


def test_times_multiplies_what_stands_then() -> None:
    assert rates(
        *with_events(
            "at: 15 s, for: 10 s, path: workload.rate, times: 2", "at: 10 s, for: 10 s, path: workload.rate, times: 3"
        )
    ) == [(0, 50), (10, 150), (15, 300), (20, 100), (25, 50)]
    assert rates(
        *with_events(
            "at: 10 s, path: workload.rate, to: 10/s",
            "at: 10 s, for: 10.3 s, path: workload.rate, times: 3",
            "at: 20.1 s, for: 0.2 s, path: workload.rate, to: 1/s",
        )
    ) == [(0, 50), (10, 30), (20.1, 1), (20.3, 10)]


def test_an_event_that_cannot_go_with_another() -> None:
    case, scenario = with_events(
        "at: 1 s, path: stages.desk.replicas, times: 1000", "at: 2 s, path: stages.desk.replicas, times: 1000"
    )
    with pytest.raises(DesignError) as error:
        phases(case, scenario)
    assert str(error.value) == (
        "the scenario's event at 2 s: stages.desk.replicas: '2000000' is out of bounds: a number of replicas is from 1 to 1,000,000; write for example '4'"
    )


CHANGES = (
    "path: workload.rate, times: 1.5", "path: workload.rate, to: 5/s", "path: stages.desk.hop, to: 1 ms",
    "path: stages.desk.queue.limit, to: 9", "path: stages.desk.retries, to: '{attempts: 3}'",
    "path: stages.desk.retries, to: none",
)  # fmt: skip
EVENTS = st.builds("at: {} s, for: {} s, {}".format, st.integers(0, 9), st.integers(1, 9), st.sampled_from(CHANGES))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_what_is_undone_gives_back_the_case(events: list[str]) -> None:
    case, scenario = with_events(*events)
    found = phases(case, scenario)
    instants = [at for at, _ in found]
    assert instants == sorted(set(instants))
    assert instants[0] == 0
    for at, one in found:
        if not any(event.at <= at < event.at + (event.lasts or 0) for event in scenario.events):
            assert one.tree == case.tree
    assert found[-1][1].tree == case.tree


@pytest.mark.parametrize(
    ("path", "factor", "text"),
    [
        ("workload.rate", 3, "120 request/s"),  # a reference: what it stands for
        ("stages.gateway.replicas", 1.5, "6"),
        ("stages.profile.replicas", 0.5, "2"),  # what is counted is rounded
        ("stages.similar.gives", 0.333, "33 candidates"),
        ("stages.gateway.queue.limit", 0.001, "0"),
        ("stages.ranking.service.per_item", 1.5, "150 us"),
        ("stages.ranking.timeout", 0.01, "4 ms"),
        ("stages.profile.hot", 5, "5 %"),
        ("stages.sms.external.rate_limit", 0.1, "10 requests/s"),
    ],
)
def test_so_many_times_what_stands_there(path: str, factor: float, text: str) -> None:
    assert multiplied(WORLD, path, factor) == text
    apply(WORLD, {path: text})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("stages.gateway.hop", "'stages.gateway.hop' has no value in this case; give it one first"),
        ("stages.gateway.queue", "'stages.gateway.queue' is a group, not a value; name a value in it, for example stages.gateway.queue.limit, stages.gateway.queue.order"),
        ("stages.gateway.balancing", "'stages.gateway.balancing' cannot be multiplied: 'least_of 2': a number is missing; write for example '12 ms' or '$2.50/hour'"),
    ],
)  # fmt: skip
def test_what_cannot_be_multiplied(path: str, message: str) -> None:
    with pytest.raises(DesignError) as error:
        multiplied(WORLD, path, 2)
    assert str(error.value) == message


def test_what_may_change_is_in_the_language() -> None:
    for place, keys in (("stages.x", changing.LIVE_AT_A_STAGE), ("client", changing.LIVE_AT_THE_CLIENT)):
        for key in keys:
            *above, last = [*place.split("."), *key.removesuffix(".*").split(".")]
            assert last in language.keys_at(above)
    assert set(changing.FIXED_AT_THE_WORKLOAD) <= set(language.keys_at(["workload"]))


@pytest.mark.parametrize(
    ("path", "live"),
    [
        ("workload.rate", True), ("workload.kind", False), ("workload.classes", False), ("workload", False),
        ("stages.ranking.retries", True), ("stages.ranking.retries.budget", True), ("stages.ranking.timeout", True),
        ("stages.ranking.timeout.mean", True), ("stages.ranking.timeout.kind", False), ("stages.ranking.zones", False),
        ("stages.ranking.queue.order", False), ("client.retries.attempts", True), ("client.deadline", False),
        ("assumptions.evening.value", False), ("run.seed", False), ("zones.hop", False),
    ],
)  # fmt: skip
def test_what_may_change(path: str, live: bool) -> None:
    message = changing.refused(WORLD, path)
    assert message == (None if live else f"'{path}' cannot change in the middle of a run; change it in a design")


# -- which match ------------------------------------------------------------------------------------------------------


def test_the_shared_ones_say_everything() -> None:
    shared = scenarios.shared()
    assert len(shared) >= 22
    for name, tree in shared.items():
        assert tree.keys() == {"needs", "shown_with", *Scenario.model_fields}, name
        assert tree["contained_by"].keys() == {"label", "note", "changes"}, name
        for text in (tree["label"], tree["note"], tree["first"], tree["then"], tree["contained_by"]["note"]):
            assert text[0].isupper() or text.startswith("{it}"), name
    events = [event for tree in shared.values() for event in tree["events"]]
    assert set(KINDS) == {key for event in events for key in event if key in KINDS}


@pytest.mark.long
def test_they_are_shown_with_a_case_that_they_match() -> None:
    for name, tree in scenarios.shared().items():
        shown_with = tree["shown_with"]
        path = files.catalog().get(shown_with, ROOT / shown_with)
        assert path.is_file(), f"{name}: {shown_with} is neither a catalogue case nor a file below the checkout"
        found = scenarios.scenarios(files.load(path))
        assert name in found, f"{name} does not match {shown_with}"


def test_all_of_them_match_a_case_that_has_everything() -> None:
    assert scenarios.shared().keys() <= scenarios.scenarios(WORLD).keys() | scenarios.scenarios(CLOSED).keys()


@pytest.mark.parametrize("case", [WORLD, CLOSED, YOUTUBE], ids=lambda case: case.id)
def test_they_go_with_what_contains_them(case: Case) -> None:
    for name, one in scenarios.scenarios(case).items():
        assert "{" not in f"{one.label} {one.note} {one.first} {one.then}"
        if one.contained_by is None:
            continue
        contained = apply(case, design_changes(case, f"{name}_contained"))
        assert contained.tree != case.tree
        assert scenarios.scenario(contained, name).events == one.events
        assert len(phases(contained, one)) == len(phases(case, one))


def test_one_that_does_not_match_is_left_out() -> None:
    assert scenarios.scenarios(desk()).keys() == set()  # no objective that it would break
    assert "stage_paused" in scenarios.scenarios(desk(more=OBJECTIVES))
    assert "load_spike" not in scenarios.scenarios(desk(more=OBJECTIVES))  # more replicas would need a balancing
    assert "load_spike" in scenarios.scenarios(desk(*TWO, more=OBJECTIVES))
    assert "replicas_killed" not in scenarios.scenarios(desk(*TWO, more=OBJECTIVES))  # three of two
    assert "zone_lost" not in scenarios.scenarios(desk(*TWO, more=OBJECTIVES))


def test_the_stage_that_is_meant() -> None:
    found = scenarios.scenarios(WORLD)
    assert found["replicas_killed"].events[0].kill == "ranking"  # by its name
    assert found["cache_flushed"].events[0].flush == "profile"  # the first with keys
    assert found["zone_lost"].events[0].lose_zone == "a"
    assert found["hot_shard"].events[0].path == "stages.profile.hot"
    contained = found["scaled_in_by_mistake"].contained_by
    assert contained is not None
    assert contained.changes == {"stages.ranking.start_delay": "1 s", "stages.ranking.replicas": "8"}


def test_what_contains_one_may_change_every_stage_with_replicas() -> None:
    contained = scenarios.scenarios(WORLD)["load_spike"].contained_by
    assert contained is not None
    half_as_many_again = {"gateway": "6", "profile": "5", "similar": "6", "ranking": "8"}
    assert contained.changes == {f"stages.{name}.replicas": more for name, more in half_as_many_again.items()}


def test_the_own_one_wins() -> None:
    own = "scenarios: {stage_paused: {label: Ours, events: [{at: 1 s, pause: desk}]}}\n"
    case = desk(more=OBJECTIVES + own)
    assert scenarios.scenarios(case)["stage_paused"].label == "Ours"
    assert "stage_paused_contained" not in scenarios.designs(case)
    assert next(iter(scenarios.scenarios(case))) == "stage_paused"


def test_a_design_keeps_the_scenarios_of_its_case() -> None:
    without = apply(WORLD, design_changes(WORLD, "without_zones"))
    assert scenarios.scenarios(without).keys() == scenarios.scenarios(WORLD).keys()
    with pytest.raises(DesignError) as error:
        scenarios.scenario(without, "zone_lost")
    assert str(error.value) == (
        "scenarios.zone_lost.events.0.lose_zone: the case has no zones to lose; add for example 'zones: {names: [a, b, c], hop: 1 ms}' to it"
    )
    added = apply(desk(*TWO, more=OBJECTIVES), {"zones": "{names: [a, b, c]}"})
    assert scenarios.scenario(added, "zone_lost").events[0].lose_zone == "a"


def test_one_of_no_such_name() -> None:
    with pytest.raises(DesignError) as error:
        scenarios.scenario(YOUTUBE, "stage_pause")
    assert str(error.value) == "'stage_pause' is not a scenario of this case; did you mean 'stage_paused'?"
    with pytest.raises(DesignError) as error:
        design_changes(YOUTUBE, "stage_paused_containe")
    assert str(error.value) == (
        "'stage_paused_containe' is not a design of this case; did you mean 'stage_paused_contained'?"
    )


# -- changed and printed ----------------------------------------------------------------------------------------------


def test_an_event_is_a_path_like_any_other() -> None:
    case, _ = with_events("at: 10 s, path: workload.rate, times: 3")
    changed = apply(case, {"scenarios.fault.events.0.times": "4"})
    assert rates(changed, changed.scenarios["fault"]) == [(0, 50), (10, 200)]
    with pytest.raises(DesignError) as error:
        apply(case, {"scenarios.fault.events.0.path": "workload.rat"})
    assert str(error.value) == (
        "scenarios.fault.events.0.path: workload.rat: is not a path of this case; did you mean 'workload.rate'?"
    )


def test_everything_wrong_is_said_at_once() -> None:
    text = desk_text(
        more="scenarios:\n"
        "  one: {breaks: availability, events: [{at: 1 s, kill: dsk}, {at: 1 s, path: workload.rate, to: 0}]}\n"
        "  two: {contained_by: {changes: {stages.desk.replicas: 2}}, events: [{at: 1 s, flush: desk}]}\n"
    )
    with pytest.raises(CaseError) as error:
        files.loads(text, "f.yaml")
    assert {one.path for one in error.value.problems} == {
        "scenarios.one.breaks",
        "scenarios.one.events.0.kill",
        "scenarios.one.events.1.to",
        "scenarios.two.events.0.flush",
        "scenarios.two.contained_by.changes",
    }


@pytest.mark.parametrize("case", [WORLD, YOUTUBE], ids=lambda case: case.id)
def test_merged_is_a_case_again(case: Case) -> None:
    again = files.loads(files.as_yaml(merged(case)), "again.yaml")
    assert again.tree == merged(case) == merged(again)
    assert again.scenarios.keys() == scenarios.scenarios(case).keys() == scenarios.scenarios(again).keys()
    assert again.designs.keys() == scenarios.designs(case).keys() == scenarios.designs(again).keys()


def test_shown_and_checked() -> None:
    shown = json.loads(CliRunner().invoke(cli, ["show", "youtube_recommendations", "--json"]).stdout)
    assert shown["scenarios"]["stage_paused"]["events"] == [{"at": "6 s", "for": "2 s", "pause": "ranking"}]
    assert shown["designs"]["stage_paused_contained"]["changes"]["stages.ranking.timeout"] == "60 ms"
    contained = CliRunner().invoke(cli, ["show", str(GOOD), "--json", "--design", "slow_provider_contained"])
    assert json.loads(contained.stdout)["stages"][4]["timeout"] == "50 ms"
    checked = CliRunner().invoke(cli, ["check", str(GOOD)])
    assert checked.stdout == f"{GOOD}: fine (6 stages, 0 estimates, 2 scenarios)\n"


def test_at_most_so_many() -> None:
    one = "{events: [{at: 1 s, pause: desk}]}"
    many = "".join(f"  s{i}: {one}\n" for i in range(51))
    with pytest.raises(CaseError) as error:
        desk(more=f"scenarios:\n{many}")
    assert str(error.value) == "desk.yaml:8: scenarios: has 51 entries; at most 50"
    events = ", ".join(["{at: 1 s, pause: desk}"] * 51)
    with pytest.raises(CaseError) as error:
        desk(more=f"scenarios: {{s: {{events: [{events}]}}}}\n")
    assert str(error.value) == "desk.yaml:8: scenarios.s.events: has 51 entries; at most 50"
