"""Every noun of design.md that is not simulated yet is known, described, and refused; never accepted and ignored."""

# ruff: noqa: E501 - messages stand whole beside what they are about

import json

import pytest
from small_texts import desk_text

from cases import files, language
from cases.errors import CaseError
from cases.files import loads
from cases.spec import Case

SCHEMA = json.loads(files.SCHEMA.read_text(encoding="utf-8"))
EXAMPLE = """format: 1
id: example_feed
title: Home feed
question: Recommend 50 posts each time a member opens the app, within 200 ms.
counts: [user, visit, post, score, row]
assumptions:
  daily_users:   {value: 8e6..12e6 user/day, basis: {kind: estimate, note: one large region}}
  visits_each:   {value: 4 visit/user,  basis: {kind: published, source: some_report}}
  peak_to_mean:  {value: 1.65,          basis: {kind: published, source: robust_perception}}
  row_size:      {value: 500 B/row,     basis: {kind: stated, source: the_article}}
estimates:
  peak_rate:     {formula: daily_users * visits_each * peak_to_mean, unit: visit/s}
  log_per_month: {formula: daily_users * visits_each * 100 row/visit * row_size, unit: TB/month}
claims:
  - {says: about 600 visits per second at peak, of: peak_rate, value: 600 visit/s, source: the_article}
workload: {kind: poisson, rate: = peak_rate}
stages:
  - {name: gateway,  replicas: 4, concurrency: 8, balancing: random, service: {kind: lognormal, mean: 1 ms, cv: 0.5}}
  - {name: friends,  after: [gateway], replicas: 6, concurrency: 8, balancing: least_of 2, service: {kind: lognormal, mean: 8 ms, cv: 0.8}, gives: 300 candidates}
  - {name: similar,  after: [gateway], replicas: 4, concurrency: 8, balancing: least_of 2, service: {kind: lognormal, mean: 6 ms, cv: 1.0}, gives: 700 candidates, required: false, late_after: 25 ms}
  - {name: features, after: [friends, similar], replicas: 6, concurrency: 16, balancing: hash, cache: {hit_ratio: 0.9, hit_time: 0.4 ms}, service: {kind: lognormal, mean: 5 ms, cv: 1}}
  - {name: ranking,  after: [features], replicas: 20, concurrency: 4, balancing: least_of 2, service: {kind: lognormal, floor: 2 ms, per_item: 20 us, items: candidates, cv: 0.4},
     batch: {size: 8, wait: 3 ms}, timeout: 120 ms, retries: {attempts: 2, backoff: 10 ms, budget: 0.1}, fallback: {time: 2 ms, quality: 0.6}}
objectives:
  - {metric: latency, percentile: 99, at_most: 200 ms}
  - {metric: availability, at_least: 99.9 %}
knobs:     [{path: stages.ranking.replicas, from: 1, to: 80}, {path: workload.rate, from: 50 visit/s, to: 5000 visit/s, scale: log}]
designs:   {half_fleet: {note: lose a zone, changes: {stages.ranking.replicas: 10}}}
scenarios: {evening_spike: {events: [{at: 60 s, path: workload.rate, times: 3, for: 60 s}]}}
walkthrough: [{step: clarify, asks: {How fast?: "within {objectives.0.at_most}"}}]
sources:
  the_article: {title: An article, checked: 2026-11-20}
  some_report: {title: A report, checked: 2026-11-20}
  robust_perception: {title: An essay, checked: 2026-11-20}
"""  # design.md section 3, with the sources that it names


def problems(text: str) -> dict[str, str]:
    with pytest.raises(CaseError) as error:
        loads(text, "f.yaml")
    found = {one.path: one.message for one in error.value.problems}
    assert len(found) == len(error.value.problems)
    return found


def test_the_example_of_the_design() -> None:
    case = loads(EXAMPLE, "f.yaml")
    ranking, features = case.stage("ranking"), case.stage("features")
    assert ranking.timeout is not None
    assert ranking.timeout.mean == 0.12
    assert ranking.batch is not None
    assert (ranking.batch.size, ranking.batch.wait) == (8, 0.003)
    assert ranking.retries is not None
    assert (ranking.retries.attempts, ranking.retries.backoff, ranking.retries.budget) == (2, 0.01, 0.1)
    assert ranking.fallback is not None
    assert (ranking.fallback.time, ranking.fallback.quality) == (0.002, 0.6)
    assert features.balancing is not None
    assert features.balancing.kind == "hash"
    assert case.scenarios["evening_spike"].events[0].times == 3
    assert (case.stage("similar").required, case.stage("similar").late_after) == (False, 0.025)


TOP = ["lanes"]


def later_keys(*place: str) -> set[str]:
    model = language.model_at(place)
    assert model is not None
    return {key for key, field in language.fields(model).items() if language.comes_later(field)}


def test_these_are_all() -> None:
    assert later_keys() == set(TOP)
    assert later_keys("stages", "desk") == set()
    for place in ("service", "cache", "queue", "retries", "hedge", "timeout", "external", "person", "autoscaling"):
        assert later_keys("stages", "desk", place) == set()
    assert later_keys("client") == later_keys("workload") == later_keys("zones") == set()
    assert later_keys("scenarios", "spike") == later_keys("scenarios", "spike", "events", "0") == set()
    assert len(Case.model_fields) == len(language.keys_at([]))


@pytest.mark.parametrize("value", ["5", "{a: b}", "[a, b]", "''", "true", "none"])
def test_refused_whatever_is_written(value: str) -> None:
    found = problems(desk_text(more="".join(f"{key}: {value}\n" for key in TOP)))
    assert found.keys() == set(TOP)
    for path, message in found.items():
        assert message.startswith(f"'{path}' is part of the case language but not simulated yet: it comes with '")


def test_the_schema_names_them_and_refuses_them() -> None:
    for key in TOP:
        assert SCHEMA["properties"][key]["not"] == {}
        assert "Not simulated yet: it comes with '" in SCHEMA["properties"][key]["description"]
