"""Paths and designs: one name for a value everywhere."""

# ruff: noqa: E501 - messages stand whole beside what they are about

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import desk

from cases import design, files
from cases.build import apply, design_changes
from cases.errors import DesignError

EVERYTHING = files.load(Path(__file__).parent / "good" / "everything_simulated_today.yaml")
YOUTUBE = files.load(files.catalog()["youtube_recommendations"])
LEAVES = dict(design.leaves(EVERYTHING.tree))
FIXED = (*design.FIXED, "topics")  # a topic with a comma is an item of a list
CHANGEABLE = sorted(p for p in LEAVES if p.split(".")[0] not in FIXED and not p.endswith(".name"))


def refused(path: str, text: str) -> str:
    with pytest.raises(DesignError) as error:
        apply(YOUTUBE, {path: text})
    return str(error.value)


def test_every_leaf_is_found_by_its_path() -> None:
    assert len(LEAVES) > 80
    assert {path: design.text_at(EVERYTHING.tree, path) for path in LEAVES} == LEAVES
    assert LEAVES["stages.ranking.after"] == "left, right"
    assert LEAVES["stages.left.after"] == "gateway"
    assert LEAVES["objectives.0.percentile"] == "99.9"


def test_a_change_leaves_everything_else() -> None:
    before = design.changed(EVERYTHING.tree, {})
    after = design.changed(EVERYTHING.tree, {"stages.ranking.replicas": "9"})
    assert before == EVERYTHING.tree
    assert design.text_at(EVERYTHING.tree, "stages.ranking.replicas") == "4"
    assert dict(design.leaves(after)) == LEAVES | {"stages.ranking.replicas": "9"}


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(CHANGEABLE), st.sampled_from(["none", "5", "= rate", "x y"]), max_size=8))
def test_differences_are_the_changes_that_lead_there(changes: dict[str, str]) -> None:
    after = design.changed(EVERYTHING.tree, changes)
    differences = design.differences(EVERYTHING.tree, after)
    assert design.changed(EVERYTHING.tree, differences) == after
    assert differences.keys() <= changes.keys()
    assert design.differences(after, after) == {}


def test_applying_is_the_same_as_reading_anew() -> None:
    changed = apply(YOUTUBE, {"stages.ranking.replicas": "20", "assumptions.slate.value": "50 videos/load"})
    anew = files.loads(files.as_yaml(changed.tree), "anew.yaml")
    assert anew.tree == changed.tree
    assert anew.model_dump() == changed.model_dump()
    assert anew.sheet.quantities() == changed.sheet.quantities() != YOUTUBE.sheet.quantities()


def test_a_sheet_that_does_not_change_is_kept() -> None:
    assert apply(YOUTUBE, {"stages.ranking.timeout": "90 ms"}).sheet is YOUTUBE.sheet
    assert apply(YOUTUBE, {"stages.prerank.keeps": "400 videos"}).sheet is not YOUTUBE.sheet  # a formula names it
    rewritten = apply(YOUTUBE, {"assumptions.slate.value": "0.1k videos/load"})  # the same number, other working
    assert rewritten.sheet is not YOUTUBE.sheet


def test_a_value_that_was_left_out_may_be_added() -> None:
    case = apply(
        YOUTUBE,
        {
            "stages.gateway.timeout": "50 ms",
            "stages.gateway.cache.hit_ratio": "25 %",
            "stages.gateway.cache.hit_time": "0.1 ms",
            "stages.slate.queue.limit": "10",
            "run.seed": "7",
        },
    )
    gateway = case.stage("gateway")
    assert gateway.timeout is not None
    assert gateway.timeout.mean == 0.05
    assert gateway.cache is not None
    assert (gateway.cache.hit_ratio, gateway.cache.hit_time) == (0.25, 0.0001)
    assert case.stage("slate").queue.limit == 10
    assert case.run.seed == 7
    patience = apply(desk(), {"client.timeout": "1 s"}).client.timeout
    assert patience is not None
    assert patience.mean == 1


def test_none_takes_a_value_or_a_group_away() -> None:
    case = apply(YOUTUBE, {"stages.ranking.timeout": "none", "stages.history.cache": "none", "client.timeout": "none"})
    assert case.stage("ranking").timeout is None
    assert case.stage("history").cache is None
    assert "client" not in case.tree
    assert apply(YOUTUBE, {"stages.gateway.timeout": "none"}).stage("gateway").timeout is None
    assert refused("stages.ranking.service", "none") == (
        "stages.ranking.service: is missing; write for example 'service: {kind: lognormal, mean: 12 ms, cv: 0.8}'"
    )


PATH = files.load(Path(__file__).parent / "good" / "request_path.yaml")


def test_a_group_is_set_as_a_whole() -> None:
    """Added, replaced, and set key by key, also where a single text stands for it."""
    case = apply(
        PATH,
        {
            "stages.gateway.hedge": "{after: 20 ms, budget: 5 %}",
            "stages.gateway.retries.attempts": "3",
            "stages.gateway.retries.budget": "0.1",
            "stages.search.service": "{kind: exponential, mean: 5 ms}",
            "stages.ranking.timeout.kind": "exponential",
            "stages.ranking.timeout.mean": "100 ms",
            "client.timeout": "2 s",
            "stages.ads.external": "true",
            "stages.scorer.external.errors": "1 %",
            "stages.refill.when": "{share: 5 %}",
        },
    )
    gateway, ranking = case.stage("gateway"), case.stage("ranking")
    assert gateway.hedge is not None
    assert (gateway.hedge.after, gateway.hedge.budget) == (0.02, 0.05)
    assert gateway.retries is not None
    assert (gateway.retries.attempts, gateway.retries.budget) == (3, 0.1)
    assert (case.stage("search").service.kind, case.stage("search").service.stragglers) == ("exponential", None)
    assert ranking.timeout is not None
    assert (ranking.timeout.kind, ranking.timeout.mean) == ("exponential", 0.1)
    assert case.client.timeout is not None
    assert (case.client.timeout.kind, case.client.timeout.mean) == ("constant", 2.0)
    assert case.stage("ads").external is not None
    assert case.stage("ads").external.rate_limit is None
    assert case.stage("scorer").external.errors == 0.01
    assert case.stage("refill").when.share == 0.05
    assert design.changed(PATH.tree, design.differences(PATH.tree, case.tree)) == case.tree
    assert design.changed(case.tree, design.differences(case.tree, PATH.tree)) == PATH.tree
    back = apply(case, {"stages.gateway.hedge": "none", "stages.gateway.retries": "none"})
    assert (back.stage("gateway").hedge, back.stage("gateway").retries) == (None, None)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stages.profile_store.retries.budget", "50 %"), ("stages.gateway.queue.order", "fifo"),
        ("stages.search.shards", "40"), ("stages.ranking.hedge.after", "50 ms"), ("stages.ranking.timeout", "50 ms"),
        ("stages.profile.cache.zipf", "1.1"), ("stages.ads.external.errors", "50 %"),
        ("stages.reviewer.person.answers", "50 %"), ("workload.classes.paid.priority", "3"),
        ("client.retries.attempts", "3"), ("stages.refill.when", "cache.miss"), ("stages.ranking.cancel", "none"),
    ],
)  # fmt: skip
def test_paths_that_knobs_turn(path: str, text: str) -> None:
    after = apply(PATH, {path: text})
    assert text == "none" or design.text_at(after.tree, path) == text


def test_a_list_of_names_is_one_text() -> None:
    case = apply(YOUTUBE, {"stages.prerank.after": "collaborative, fresh"})
    assert case.stage("prerank").after == ("collaborative", "fresh")
    assert case.tree["stages"][5]["after"] == ["collaborative", "fresh"]


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (
            "stages.ranking.replicas",
            "0",
            "stages.ranking.replicas: '0' is out of bounds: a number of replicas is from 1 to 1,000,000; write for example '4'",
        ),
        (
            "stages.rankin.replicas",
            "3",
            "stages.rankin.replicas: is not a path of this case; did you mean 'stages.ranking.replicas'?",
        ),
        ("stages.ranking.replica", "3", "stages.ranking.replica: is not a key here; did you mean 'replicas'?"),
        ("stages.ranking.replica", "none", "stages.ranking.replica: is not a path of this case; did you mean 'stages.ranking.replicas'?"),
        ("stage.ranking.replicas", "3", "stage.ranking.replicas: is not a path of this case; did you mean 'stages.ranking.replicas'?"),
        ("ranking.replicas", "3", "ranking.replicas: is not a path of this case; did you mean 'stages.ranking.replicas'?"),
        ("stages.gateway.cach.hit_ratio", "3", "stages.gateway.cach.hit_ratio: is not a path of this case; did you mean 'stages.gateway.cache'?"),
        ("stages.gateway.cache.hit_rate", "5 %", None),
        ("stages.ranking.retries", "3", "stages.ranking.retries: is '3', and a group of keys is wanted; write for example 'retries: {attempts: 3, backoff: 10 ms, budget: 10 %}'"),
        ("stages.ranking.retries.attempts", "1", "stages.ranking.retries.attempts: '1' is out of bounds: a number of attempts (the first included) is from 2 to 10; write for example '3'"),
        ("stages.ranking.retries.budget", "10 %", "stages.ranking.retries.attempts: is missing; write for example 'attempts: 3'"),
        ("stages.ranking.autoscaling", "on", "stages.ranking.autoscaling: is 'on', and a group of keys is wanted; write for example 'autoscaling: {utilisation: 60 %, min: 4, max: 40}'"),
        ("cells", "0", "cells: '0' is out of bounds: a number of cells is from 1 to 1,000,000; write for example '64'"),
        ("lanes", "4", "lanes: 'lanes' is part of the case language but not simulated yet: it comes with 'six more cases'; leave it out for now"),
        ("stages.ranking.hedge", "{after: 20 ms", None),
        ("stages.ranking.hedge", "{}", None),
        ("stages.ranking.hedge", "{after: !!python/none 1}", "stages.ranking.hedge: '{after: !!python/none 1}': tags ('tag:yaml.org,2002:python/none') are not read; leave it out"),
        ("stages.ranking.hedge", "{after: 20 ms, budged: 1 %}", "stages.ranking.hedge.budged: is not a key here; did you mean 'budget'?"),
        ("workload", "{kind: schedule, steps: [{for: 10 s, rate: 5/s}]}", "workload: '{kind: schedule, steps: [{for: 10 s, rate: 5/s}]}' holds a list of groups; that can only be changed in the file"),
        ("stages.ranking.limit", "5", "stages.ranking.limit: is not a key here; did you mean 'queue.limit'?"),
        ("stages.ranking.queue", "5", "stages.ranking.queue: is a group, not a value; name a value in it, for example stages.ranking.queue.limit"),
        ("stages.ranking", "none", None),
        ("stages.ranking.after.0", "slate", None),
        ("stages.ranking.replicas.x", "3", None),
        ("stages", "3", None),
        ("", "3", None),
        (".", "3", None),
        ("stages..replicas", "3", None),
        ("id", "other", "id: cannot be changed by a design; change it in the file"),
        ("knobs.0.path", "x", "knobs.0.path: cannot be changed by a design; change it in the file"),
        ("designs.evening_peak.changes.x", "x", None),
        ("stages.slate.name", "shelf", "stages.slate.name: is what paths call the stage and cannot be changed by a design; change it in the file"),
        ("objectives.7.at_most", "1 s", None),
        ("stages.ranking.replicas", "9" * 5_000, "stages.ranking.replicas: a value has at most 2,000 characters, not 5,000"),
        ("title", "a\x1b[31mb", "title: 'a?[31mb': the character U+001B is not read in a case; leave it out"),
        ("title", "\ud800", None),
        ("workload.rate", "50 GB", "workload.rate: '50 GB' is in B, and a rate is wanted; write for example '50 requests/s'"),
        ("workload.rate", "= peek_rate", "workload.rate: '= peek_rate' names no estimate or assumption; did you mean '= peak_rate'?"),
        ("assumptions.slate.value", "50 GB", None),
        ("assumptions.row_size.value", "500 rows", None),
        ("x" * 5_000, "1", None),
    ],
)  # fmt: skip
def test_a_change_that_is_refused(path: str, text: str, message: str | None) -> None:
    given = refused(path, text)
    assert all(line.isprintable() and len(line) < 800 for line in given.splitlines())
    if message is not None:
        assert given == message
    else:
        assert "did you mean" in given or "; " in given


def test_all_that_is_wrong_with_a_design_at_once() -> None:
    with pytest.raises(DesignError) as error:
        apply(YOUTUBE, {"stages.rankin.replicas": "9", "stages.slate.replicas": "0", "workload.rate": "fast"})
    assert sorted(problem.path for problem in error.value.problems) == [
        "stages.rankin.replicas",
        "stages.slate.replicas",
        "workload.rate",
    ]


def test_too_many_changes() -> None:
    with pytest.raises(DesignError, match="201 changes; a design has at most 200"):
        apply(YOUTUBE, {f"stages.s{i}.replicas": "1" for i in range(201)})


def test_named_designs() -> None:
    assert design_changes(YOUTUBE, "baseline") == {}
    assert design_changes(YOUTUBE, "fewer_rankers") == {"stages.ranking.replicas": "10"}
    with pytest.raises(DesignError, match="'fewer_ranker' is not a design of this case; did you mean 'fewer_rankers'"):
        design_changes(YOUTUBE, "fewer_ranker")


def test_changes_as_options_give_them() -> None:
    assert design.parse_changes(["a.b = 5 ms", "workload.rate== peak_rate"]) == {
        "a.b": "5 ms",
        "workload.rate": "= peak_rate",
    }
    for text in ("a", "=5", "a=", " = ", ""):
        with pytest.raises(DesignError, match=r"is not PATH=VALUE; write for example stages\.ranking\.replicas=20"):
            design.parse_changes([text])


def test_get_and_unknown() -> None:
    tree: dict[str, Any] = YOUTUBE.tree
    assert design.get(tree, "stages.gateway.queue") == {"limit": "500"}
    assert design.text_at(tree, "stages.prerank.after") == "collaborative, subscriptions, fresh"
    for path, message in {
        "stages.gateway.timeout": "'stages.gateway.timeout' has no value in this case; give it one first",
        "stages.gatway": "'stages.gatway' is not a path of this case; did you mean 'stages.gateway'?",
        "zzz": "'zzz' is not a path of this case; `python -m cases show CASE` prints what there is",
    }.items():
        with pytest.raises(DesignError) as error:
            design.get(tree, path)
        assert str(error.value) == message
    with pytest.raises(DesignError, match=r"is a group, not a value; name a value in it, for example client\.timeout"):
        design.text_at(tree, "client")
