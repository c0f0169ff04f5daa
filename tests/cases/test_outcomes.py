"""Outcomes: formulas of what a run measured, checked when the case is loaded and computed by replication."""

from __future__ import annotations

from typing import Any

import pytest

from cases.errors import CaseError
from cases.files import loads
from cases.outcomes import measures, outcomes
from cases.spec import Case

HEAD = """
format: 1
id: small
title: Small
question: What is it worth?
counts: [visit, post, watch]
assumptions:
  posts_watched: {value: 3 watch/visit, basis: {kind: estimate, note: a guess}}
  price: {value: 2..8 USD/watch, basis: {kind: estimate, note: a guess}}
estimates:
  worth_each: {formula: posts_watched * price, unit: USD/visit}
workload: {kind: poisson, rate: 50 visit/s}
stages:
  - {name: source, replicas: 1, service: {kind: constant, mean: 1 ms}, gives: 300 posts, price: $1/hour}
  - name: ranking
    after: [source]
    replicas: 2
    balancing: shared
    service: {kind: constant, floor: 1 ms, per_item: 10 us, items: posts}
    cache: {hit_ratio: 50 %, hit_time: 1 ms}
    price: $1/hour
  - {name: vendor, after: [ranking], external: true, service: {kind: constant, mean: 1 ms}, price: $0/hour}
"""


def case(**formulas: str) -> Case:
    """The case with these outcomes: a formula each, or a whole entry."""
    lines = [
        f"  {name}: {text if text.startswith('{') else '{formula: ' + text + '}'}" for name, text in formulas.items()
    ]
    return loads("\n".join([HEAD, "outcomes:", *lines]), "small.yaml")


def problems(**formulas: str) -> str:
    """What is wrong with them."""
    with pytest.raises(CaseError) as caught:
        case(**formulas)
    return str(caught.value)


def measured(**changes: float | None) -> dict[str, float | None]:
    """One replication's measures."""
    found: dict[str, float | None] = {
        "offered_rate": 50.0,
        "answered_rate": 45.0,
        "good_rate": 40.0,
        "quality": 0.8,
        "cost_rate": 4 / 3600,
        **{f"share_{end}": 0.1 for end in ("degraded", "rejected", "timed_out", "failed", "superseded")},
        **{f"latency_{name}": 0.2 for name in ("mean", "p50", "p95", "p99", "p999")},
        "share_completed": 0.5,
        "ranking_utilisation": 0.5,
        "source_utilisation": 0.5,
        "ranking_replicas_mean": 2.0,
        "source_replicas_mean": 1.0,
        "ranking_hit_ratio": 0.5,
        **{f"{stage}_items": 300.0 for stage in ("source", "ranking", "vendor")},
        **{f"{stage}_{what}_rate": 45.0 for stage in ("source", "ranking", "vendor") for what in ("visits", "calls")},
        **{
            f"{stage}_{what}_share": 0.1
            for stage in ("source", "ranking", "vendor")
            for what in ("error", "fallback", "time_out", "left_out")
        },
    }
    return found | changes


def value(formula: str, unit: str, **changes: float | None) -> float | None:
    """Of one outcome in one replication."""
    (found,) = outcomes(case(it=f"{{formula: {formula}, unit: {unit}}}"), [measured(**changes)]).values()
    return found.values[0]


def test_every_measure_is_documented_and_computable() -> None:
    """The names of `measures` are those that a run gives."""
    assert measures(case(it="quality")).keys() == measured().keys()


@pytest.mark.parametrize(
    ("formula", "unit", "expected"),
    [
        ("answered_rate * quality * worth_each", "USD/s", 45 * 0.8 * 12),
        ("offered_rate * share_rejected", "visit/day", 5 * 86_400),
        ("latency_p99 - 50 ms", "ms", 150),
        ("cost_rate / offered_rate", "USD/visit", 4 / 3600 / 50),
        ("ranking_items * 10 us/post", "ms", 3),
        ("ranking_visits_rate * (1 - ranking_hit_ratio)", "1/s", 22.5),
        ("stages.ranking.replicas * ranking_utilisation", "", 1),
        ("workload.rate / answered_rate", "", 50 / 45),
    ],
)
def test_formulas(formula: str, unit: str, expected: float) -> None:
    found = value(formula, unit or "''")
    assert found == pytest.approx(expected)


def test_an_outcome_may_use_another_wherever_it_stands() -> None:
    opened = case(profit="{formula: revenue - cost_rate, unit: USD/hour}", revenue="answered_rate * worth_each")
    found = outcomes(opened, [measured(), measured(answered_rate=0.0)])
    assert list(found) == ["profit", "revenue"]
    assert found["profit"].values == (pytest.approx(45 * 12 * 3600 - 4), pytest.approx(-4))
    assert found["profit"].label == "profit"


def test_the_unit_does_not_depend_on_the_value() -> None:
    """Two designs share it."""
    opened = case(worth="answered_rate * worth_each")
    tiny, large = (outcomes(opened, [measured(answered_rate=rate)])["worth"].unit for rate in (1e-7, 1e7))
    assert tiny == large


@pytest.mark.parametrize(
    ("formula", "changes", "said"),
    [
        ("1 / share_failed", {"share_failed": 0.0}, "zero"),
        ("latency_p999 * 2", {"latency_p999": None}, "latency_p999"),
    ],
)
def test_no_value_is_said_and_spreads(formula: str, changes: dict[str, Any], said: str) -> None:
    opened = case(one=formula, other="one + one")
    found = outcomes(opened, [measured(), measured(**changes)])
    assert found["one"].values[0] is not None
    assert found["one"].values[1] is None
    assert said in (found["one"].problem or "")
    assert found["other"].values[1] is None


def test_a_case_without_outcomes_has_none() -> None:
    assert outcomes(loads(HEAD, "small.yaml"), [{}]) == {}


@pytest.mark.parametrize(
    ("formulas", "where", "said"),
    [
        ({"it": "qualty * 2"}, "outcomes.it.formula", "did you mean 'quality'"),
        ({"it": "quality +"}, "outcomes.it.formula", "wanted"),
        ({"it": "offered_rate + latency_p99"}, "outcomes.it.formula", "visit/s"),
        ({"it": "{formula: offered_rate, unit: USD/s}"}, "outcomes.it.unit", "USD/s"),
        ({"it": "{formula: quality, unit: parsecs}"}, "outcomes.it.unit", "parsecs"),
        ({"one": "two", "two": "one"}, "outcomes.one.formula", "one -> two -> one"),
        ({"it": "it + 1"}, "outcomes.it.formula", "circle"),
        ({"quality": "1 + 1"}, "outcomes.quality", "every run measures"),
        ({"price": "quality"}, "outcomes.price", "an assumption already"),
        ({"worth_each": "quality"}, "outcomes.worth_each", "an estimate already"),
        ({"day": "quality"}, "outcomes.day", "is a unit"),
        ({"it": "vendor_utilisation"}, "outcomes.it.formula", "serves everybody at once"),
        ({"it": "source_hit_ratio"}, "outcomes.it.formula", "has no 'cache'"),
        ({"it": "stages.rankng.replicas"}, "outcomes.it.formula", "did you mean"),
        ({"it": "stages.ranking.service.kind"}, "outcomes.it.formula", "constant"),
    ],
)
def test_what_is_wrong_is_said_when_the_case_is_loaded(formulas: dict[str, str], where: str, said: str) -> None:
    message = problems(**formulas)
    assert where in message
    assert said in message


def test_one_problem_does_not_bring_others_along() -> None:
    """What uses a broken outcome is not reported too."""
    message = problems(one="qualty", two="one * 2", three="two * 2")
    assert len(message.splitlines()) == 1


def test_a_name_that_is_both_the_cases_and_the_runs() -> None:
    text = HEAD.replace("  posts_watched:", "  quality: {value: 1, basis: {kind: estimate, note: x}}\n  posts_watched:")
    with pytest.raises(CaseError, match="both a number of this case and what a run measures"):
        loads(f"{text}\noutcomes: {{it: {{formula: quality * 2}}}}", "small.yaml")


def test_costs_are_measured_where_prices_are_stated() -> None:
    bare = "\n".join(line for line in HEAD.replace(", price: $1/hour", "").splitlines() if "    price:" not in line)
    bare = bare.replace(", price: $0/hour", "")
    with pytest.raises(CaseError, match="no stage states a 'price'"):
        loads(f"{bare}\noutcomes: {{it: {{formula: cost_rate}}}}", "small.yaml")


def test_requests_are_requests_where_the_workload_names_none() -> None:
    opened = loads(f"{HEAD.replace('50 visit/s', '50/s')}\noutcomes: {{it: {{formula: offered_rate}}}}", "small.yaml")
    assert outcomes(opened, [measured()])["it"].unit == "request/s"


def test_items_of_a_stage_that_says_no_noun_are_what_it_is_handed() -> None:
    found = measures(case(it="quality"))
    posts = found["ranking_items"]
    assert posts.counts == {"post"}
    assert found["vendor_items"] == posts
    assert found["source_items"].is_dimensionless
