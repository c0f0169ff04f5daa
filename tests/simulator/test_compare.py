"""Two designs on the same luck."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from small_cases import case, stage

from cases.build import apply
from cases.errors import RunError
from cases.spec import Case
from simulator.__main__ import cli
from simulator.compare import Comparison, Difference
from simulator.compare_report import compared_rows
from simulator.plan import plan
from simulator.results import Interval, SimulationResult
from simulator.run import simulate


@pytest.fixture(scope="module")
def desk() -> Case:
    return case(stage("desk", "{kind: exponential, mean: 10 ms}", concurrency=10), rate="800 request/s")


def result(one: Case, seed: int = 3, replications: int = 8) -> SimulationResult:
    return simulate(plan(one, seed=seed, requests=4_000, replications=replications))


def difference(comparison: Comparison, name: str) -> Difference:
    return next(d for d in comparison.differences if d.name == name)


def test_the_interval_is_of_the_paired_differences(desk: Case) -> None:
    a, b = result(desk), result(apply(desk, {"stages.desk.service.mean": "10.2 ms"}))
    p99 = difference(Comparison.of("a", "b", a, b), "p99")
    paired = np.array(b.by_replication["p99"], dtype=float) - np.array(a.by_replication["p99"], dtype=float)
    low, high = stats.t.interval(0.95, len(paired) - 1, paired.mean(), stats.sem(paired))
    assert p99.difference == pytest.approx((paired.mean(), low, high))
    assert p99.decided
    assert "b is slower at p99 by" in p99.sentence("b")


def test_as_sure_as_one_wants(desk: Case) -> None:
    a, b = result(desk), result(apply(desk, {"stages.desk.service.mean": "10.2 ms"}))
    comparison = Comparison.of("a", "b", a, b, 0.99)
    p99 = difference(comparison, "p99")
    paired = np.array(b.by_replication["p99"], dtype=float) - np.array(a.by_replication["p99"], dtype=float)
    low, high = stats.t.interval(0.99, len(paired) - 1, paired.mean(), stats.sem(paired))
    assert p99.difference == pytest.approx((paired.mean(), low, high))
    assert "99 % interval" in p99.sentence("b")
    assert comparison.as_json()["confidence"] == 0.99


def test_common_luck_is_worth_a_lot(desk: Case) -> None:
    """Paired differences are far less noisy than those of independent runs."""
    slower = apply(desk, {"stages.desk.service.mean": "10.2 ms"})
    paired = difference(Comparison.of("a", "b", result(desk), result(slower)), "mean").difference
    other = result(slower, seed=99)
    apart = np.array(other.by_replication["mean"], dtype=float) - np.array(
        result(desk).by_replication["mean"], dtype=float
    )
    assert paired.high is not None
    assert paired.value is not None
    half = stats.t.ppf(0.975, len(apart) - 1) * stats.sem(apart)
    assert paired.high - paired.value < half / 2


def test_a_design_against_itself_is_the_same(desk: Case) -> None:
    comparison = Comparison.of("a", "a", result(desk), result(desk))
    for one in comparison.differences:
        assert one.difference.value == 0
        assert not one.decided
        assert "the same" in one.sentence("a")


def test_no_difference_where_one_has_no_value(desk: Case) -> None:
    lossy = apply(desk, {"stages.desk.queue.limit": "0", "stages.desk.service.mean": "40 ms"})
    comparison = Comparison.of("a", "b", result(desk), result(lossy))
    assert difference(comparison, "p99").difference == Interval(None, None, None)
    assert "no difference can be given" in difference(comparison, "p99").sentence("b")
    fewer = difference(comparison, "availability")
    assert "fewer" in fewer.sentence("b")
    assert fewer.difference.value is not None
    assert math.isclose(fewer.difference.value, (fewer.b or 0) - (fewer.a or 0), rel_tol=1e-9)


WORTH = "outcomes: {worth: {formula: answered_rate * 1 USD/request, unit: USD/hour, label: revenue}}"


def test_outcomes_are_compared_in_their_own_unit() -> None:
    """A design that turns requests away earns less, on the same luck."""
    one = case(stage("desk", "{kind: exponential, mean: 5 ms}"), rate="100 request/s", extra=WORTH)
    a, b = result(one), result(apply(one, {"stages.desk.queue.limit": "0"}))
    comparison = Comparison.of("a", "b", a, b)
    worth = comparison.outcomes["worth"]
    paired = np.array(b.outcomes["worth"].by_replication) - np.array(a.outcomes["worth"].by_replication)
    low, high = stats.t.interval(0.95, len(paired) - 1, paired.mean(), stats.sem(paired))
    assert worth.difference == pytest.approx((paired.mean(), low, high))
    assert high < 0
    assert "b has less revenue by" in worth.sentence("b")
    assert "USD/hour" in worth.sentence("b")
    assert comparison.as_json()["outcomes"]["worth"]["unit"] == "USD/hour"
    assert "revenue" in comparison.report()


def test_outcomes_in_different_units_are_not_subtracted() -> None:
    one = case(rate="0.5 request/s", extra=WORTH)
    comparison = Comparison.of("a", "b", result(one), result(apply(one, {"outcomes.worth.unit": "USD/day"})))
    assert comparison.outcomes == {}


def test_costs_have_no_luck() -> None:
    one = case(stage("desk", "{kind: exponential, mean: 5 ms}", price="$2/hour"), rate="100 request/s")
    more = apply(one, {"stages.desk.replicas": "3", "stages.desk.balancing": "shared"})
    comparison = Comparison.of("a", "b", result(one), result(more))
    assert comparison.cost_difference == pytest.approx(4)
    assert "$4.00/hour more" in comparison.report()
    same = Comparison.of("a", "a", result(one), result(one))
    assert "the same" in same.report().splitlines()[-1]


def test_the_sentence_says_a_shared_unit_once() -> None:
    said = Difference("p99", 100.0, 69.0, Interval(-31.0, -38.0, -24.0)).sentence("b")
    assert said == "b is faster at p99 by 31 ms, 95 % interval 24 to 38 ms"
    said = Difference("p99", 1.0, 2.0, Interval(1.0, 0.5, 1.5)).sentence("b")
    assert said == "b is slower at p99 by 1 ms, 95 % interval 500 µs to 1.5 ms"


def test_only_like_is_compared(desk: Case) -> None:
    with pytest.raises(RunError, match="seed"):
        Comparison.of("a", "b", result(desk, seed=1), result(desk, seed=2))


def test_the_command() -> None:
    arguments = ["compare", "youtube_recommendations", "--a", "baseline", "--b", "fewer_rankers", "--requests", "2000"]
    answer = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    keys = {"case", "a", "b", "keys", "seed", "replications", "differences", "cost_usd_per_hour", "outcomes"}
    assert set(answer) == keys
    assert all(set(one) == {"a", "b", "difference", "decided"} for one in answer["differences"].values())
    p99 = answer["differences"]["p99"]
    assert p99["difference"]["value"] == pytest.approx(p99["b"] - p99["a"])
    cost = answer["cost_usd_per_hour"]
    assert cost["difference"] == cost["b"] - cost["a"] < 0
    assert "on the same luck" in CliRunner().invoke(cli, arguments).stdout
    wrong = CliRunner().invoke(cli, ["compare", "youtube_recommendations", "--a", "baseline", "--b", "fewer_ranker"])
    assert wrong.exit_code == 1
    assert "did you mean 'fewer_rankers'" in wrong.stderr


def test_shares_differ_by_points() -> None:
    """99 % against 98 % is a point, and one per cent of nothing."""
    fewer = Difference("availability", 0.99, 0.98, Interval(-0.01, -0.0125, -0.0075))
    assert fewer.sentence("b") == "b answers fewer requests, by 1 point, 95 % interval 0.75 to 1.25 points"
    assert fewer.signed(-0.01) == "-1 point"
    tie = Difference("availability", 0.99, 0.991, Interval(0.001, -0.001, 0.003))
    assert tie.sentence("b") == (
        "availability: a tie within the noise, 99 % and 99.1 %, 95 % interval of the difference -0.1 to 0.3 points"
    )
    held = Difference("Frauds held", 72.6, 65.5, Interval(-7.1, -7.3, -6.9), "%")
    assert held.sentence("b") == "b has less Frauds held by 7.1 points, 95 % interval 6.9 to 7.3 points"
    assert held.text(held.a) == "72.6 %"
    same = Comparison.of("a", "b", result(case()), result(case()))
    rows = compared_rows(case(), replace(same, differences=(fewer,), outcomes={"held": held}))
    assert [(one.a, one.difference, one.interval) for one in rows] == [
        ("99 %", "-1 point", "-1.25 points to -0.75 points"),
        ("72.6 %", "-7.1 points", "-7.3 points to -6.9 points"),
    ]
