"""Designs side by side: who dominates whom, by the intervals of paired differences; what one would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from small_cases import case, stage

from cases.build import apply, design_changes
from cases.errors import RunError
from cases.spec import Case
from simulator.compare import Comparison
from simulator.compare_report import changed_paths, compared_rows, the_figure
from simulator.plan import plan
from simulator.results import Interval, SimulationResult
from simulator.run import simulate
from simulator.tradeoff import (
    Axis,
    Point,
    axes,
    best,
    cheapest,
    latency_axis,
    outcome_on_show,
    planned,
    standings,
    stands,
)
from simulator.tradeoff_report import choices, objectives_text, rows, standing_text

EXTRA = """
outcomes:
  late: {formula: share_failed * 100, unit: "%", label: late}
  worth: {formula: answered_rate * 1 USD/request, unit: USD/hour, label: worth}
objectives:
  - {metric: latency, percentile: 99, at_most: 60 ms}
  - {metric: availability, at_least: 99 %}
designs:
  wider: {label: Wider, changes: {stages.desk.replicas: 2, stages.desk.balancing: shared}}
  slower: {changes: {stages.desk.service.mean: 5.5 ms}}
  narrow:
    changes: {stages.desk.queue.limit: 0}
    looks_good: {but: worth, gets: lower, because: who is turned away pays nothing}
  longer: {changes: {run.requests: 3000}}
  busy: {changes: {workload.rate: 130 request/s}}
run: {requests: 2000, replications: 6}
"""
LESS, MORE = Axis("latency p99", True), Axis("availability", False)


@pytest.fixture(scope="module")
def desk() -> Case:
    line = stage("desk", "{kind: exponential, mean: 5 ms}", price="$2/hour")
    return case(line, rate="100 request/s", extra=EXTRA)


@pytest.fixture(scope="module")
def points(desk: Case) -> list[Point]:
    return [point(desk, name) for name in ("baseline", "wider", "slower", "narrow", "busy")]


def point(written: Case, name: str) -> Point:
    design = apply(written, design_changes(written, name))
    return Point(name, design.workload, simulate(planned(written, design, name)))


# -- figures ----------------------------------------------------------------------------------------------------------


def test_the_case_says_which_way_is_worse(desk: Case) -> None:
    assert axes(desk) == (
        Axis("cost", True),
        Axis("latency p99", True),
        Axis("availability", False),
        Axis("worth", False),
    )
    assert latency_axis(desk) == LESS
    assert outcome_on_show(desk) == "worth", "of the outcomes the one of which the case says which way is worse"
    assert outcome_on_show(case()) is None
    assert latency_axis(case(extra="objectives: [{metric: latency, percentile: 90, at_most: 1 s}]")) == LESS
    assert latency_axis(case(extra="objectives: [{metric: latency, percentile: 99.9, at_most: 1 s}]")).name.endswith(
        "9.9"
    )


@pytest.mark.parametrize("sure", [0.95, 0.99])
def test_stands_as_a_paired_t_test_does(sure: float) -> None:
    """Against scipy's test of paired samples, over many strengths of the difference."""
    luck = np.random.default_rng(7)
    seen = set()
    for shift in np.linspace(-3, 3, 40):
        mine = luck.normal(100, 5, 9)
        other = mine + luck.normal(shift, 1.5, 9)
        p = stats.ttest_rel(mine, other).pvalue
        better = mine.mean() < other.mean()
        expected = "tie" if p > 1 - sure else "better" if better else "worse"
        assert stands(LESS, mine.tolist(), other.tolist(), sure) == expected
        turned = {"better": "worse", "worse": "better"}.get(expected, expected)
        assert stands(MORE, mine.tolist(), other.tolist(), sure) == turned
        assert stands(LESS, other.tolist(), mine.tolist(), sure) == turned
        seen.add(expected)
    assert seen == {"tie", "better", "worse"}


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], "same"),
        ([1.0, 2.0], [1.0 + 1e-14, 2.0], "same"),
        ([1.0, 2.0], [None, None], "better"),
        ([None, None], [1.0, 2.0], "worse"),
        ([None, None], [None, None], "same"),
        ([1.0, None], [2.0, 3.0], "tie"),
        ([1.0], [2.0], "tie"),  # one replication proves nothing
        ([], [], "tie"),
        ([1.0, 2.0], [1.0], "tie"),
        ([1.0, 2.0], [2.0, 3.0], "better"),  # always by as much
    ],
)
def test_what_has_no_value_or_no_luck(
    mine: Sequence[float | None], other: Sequence[float | None], expected: str
) -> None:
    assert stands(LESS, mine, other) == expected


# -- who dominates whom -----------------------------------------------------------------------------------------------


def made(point: Point, name: str, latency: Sequence[float | None], cost: float, worth: Sequence[float]) -> Point:
    """A design with these figures."""
    result = point.result
    known = {**result.by_replication, "p99": tuple(latency), "availability": (1.0,) * len(latency)}
    meant = replace(result.outcomes["worth"], by_replication=tuple(worth), interval=Interval.of(worth))
    return Point(
        name,
        point.workload,
        replace(
            result,
            by_replication=known,
            outcomes={**result.outcomes, "worth": meant},
            measured=tuple({"cost_rate": cost / 3600} for _ in latency),
            cost_usd_per_hour=cost,
        ),
    )


def brute(desk: Case, points: list[Point]) -> dict[str, set[str]]:
    """By each design's name those that dominate it, from scipy's test of every pair and figure."""
    found: dict[str, set[str]] = {}
    for one in points:
        found[one.design] = set()
        for other in points:
            words = set()
            for axis in axes(desk):
                mine = np.array(axis.of(other.result), dtype=float)
                theirs = np.array(axis.of(one.result), dtype=float)
                if np.allclose(mine, theirs, rtol=1e-12, atol=0):
                    words.add("same")
                elif np.ptp(mine - theirs) > 1e-12 and stats.ttest_rel(mine, theirs).pvalue > 0.05:
                    words.add("tie")
                else:
                    words.add("better" if (mine.mean() < theirs.mean()) == axis.less else "worse")
            if words <= {"better", "same"} and "better" in words:
                found[one.design].add(other.design)
    return found


def test_dominated_are_those_that_brute_force_finds(desk: Case, points: list[Point]) -> None:
    luck = np.random.default_rng(3)
    dominated = 0
    for _ in range(25):
        base = luck.normal(100, 10, 6)
        many = [
            made(
                points[0],
                f"d{i}",
                (base + luck.choice([-6, 0, 6]) + luck.normal(0, luck.choice([0.0, 4.0]), 6)).tolist(),
                float(luck.choice([2, 3, 4])),
                (base + luck.choice([-3, 0, 3])).tolist(),
            )
            for i in range(7)
        ]
        by_force = brute(desk, many)
        found = standings(desk, many)
        for name, one in found.items():
            assert (one.dominated_by is None) == (not by_force[name])
            assert one.dominated_by is None or one.dominated_by in by_force[name]
            dominated += one.dominated_by is not None
    assert 20 < dominated < 150


def test_a_wide_interval_dominates_nobody(desk: Case, points: list[Point]) -> None:
    sharp = made(points[0], "sharp", [10.0, 11, 10, 11, 10, 11], 2.0, [5.0] * 6)
    noisy = made(points[0], "noisy", [5.0, 30, 2, 14, 9, 3], 1.0, [5.0] * 6)
    found = standings(desk, [sharp, noisy])
    assert found["sharp"].dominated_by is None, "cheaper, but its latency is a tie within the noise"
    assert found["noisy"].dominated_by is None


def test_loads_are_not_mixed(desk: Case, points: list[Point]) -> None:
    found = standings(desk, points)
    assert found["busy"].dominated_by is None
    assert "busy" not in {one.dominated_by for one in found.values()}
    assert found["slower"].dominated_by == "baseline"
    assert "latency p99" in found["slower"].better
    assert found["narrow"].dominated_by in ("baseline", "wider")


def test_the_same_twice_is_said(desk: Case, points: list[Point]) -> None:
    again = Point("again", points[0].workload, points[0].result)
    found = standings(desk, [points[0], again])
    assert found["again"].same_as == "baseline"
    assert found["baseline"].same_as is None
    labels = {"baseline": "Written", "again": "Again"}
    assert standing_text(desk, found["again"], labels) == "the same as Written"


# -- what one would take ----------------------------------------------------------------------------------------------


def good(points: Sequence[Point]) -> list[Point]:
    """The same, with all objectives met."""
    return [
        replace(one, result=replace(one.result, objectives=tuple(replace(o, met=True) for o in one.result.objectives)))
        for one in points
    ]


def test_the_cheapest_that_holds(desk: Case, points: list[Point]) -> None:
    assert [objectives_text(desk, one.result) for one in points[:2]] == ["all met", "all met"]
    assert cheapest(points) == "baseline"
    assert cheapest([points[3], points[1]]) == "wider", "the narrow one costs less, and misses"
    assert cheapest([points[3]]) is None
    assert cheapest([]) is None
    assert "availability" in objectives_text(desk, points[3].result)


def test_the_best_for_some_money(desk: Case, points: list[Point]) -> None:
    cheap = made(points[0], "cheap", [50.0, 52, 51, 50, 52, 51], 2.0, [5.0] * 6)
    quick = made(points[0], "quick", [30.0, 32, 31, 30, 32, 31], 4.0, [5.0] * 6)
    near = made(points[0], "near", [31.0, 30, 33, 29, 31, 34], 3.0, [6.0] * 6)
    many = good([cheap, quick, near])
    assert best(many, LESS, 2.5) == ("cheap",)
    assert best(many, LESS, 3.5) == ("near",)
    assert best(many, LESS, 9.0) == ("quick", "near"), "a tie within the noise is said"
    assert best(many, Axis("worth", False), 9.0) == ("near",)
    assert best(many, LESS, 1.0) == ()
    labels = {name: name.title() for name in ("cheap", "quick", "near")}
    lines = choices(desk, many, labels, 9.0)
    assert lines[0] == "The cheapest that meets every objective: Cheap, $2.00/hour."
    assert "The best p99 for at most $9.00/hour: Quick; a tie with Near." in lines
    missed = [replace(one, result=points[3].result) for one in many]
    assert choices(desk, missed, labels, 9.0) == ["None of these designs meets every objective."]


def test_rows(desk: Case, points: list[Point]) -> None:
    labels = {name: name for name in ("baseline", "wider", "slower", "narrow", "busy")}
    found = rows(desk, points, standings(desk, points), labels, "worth")
    assert list(found[0]) == ["Design", "p99", "Cost", "worth", "Objectives", "Beside the others"]
    assert found[0]["Cost"] == "$2.00/hour"
    assert found[3]["p99"] == "no answer"
    assert found[2]["Beside the others"].startswith("dominated by baseline: better in ")


# -- runs -------------------------------------------------------------------------------------------------------------


def test_a_design_with_a_run_of_its_own_is_refused(desk: Case) -> None:
    longer = apply(desk, design_changes(desk, "longer"))
    with pytest.raises(RunError, match="'longer' says itself how it is run") as caught:
        planned(desk, longer, "longer")
    assert "take its changes of 'run' away" in str(caught.value)


def test_the_run_is_the_designs_own_where_it_says_nothing(desk: Case) -> None:
    """So that pages share results."""
    wider = apply(desk, design_changes(desk, "wider"))
    assert planned(desk, wider, "wider").key == plan(wider).key


# -- the two, in rows -------------------------------------------------------------------------------------------------


def compared(points: Sequence[Point], a: str, b: str) -> Comparison:
    results: Mapping[str, SimulationResult] = {one.design: one.result for one in points}
    return Comparison.of(a, b, results[a], results[b])


def test_rows_of_a_comparison_have_sign_unit_and_word(desk: Case, points: list[Point]) -> None:
    found = {row.figure: row for row in compared_rows(desk, compared(points, "baseline", "slower"))}
    p99 = found["p99"]
    assert p99.difference.startswith("+")
    assert p99.difference.endswith(" ms")
    assert p99.interval.count("+") == 2
    assert p99.word == "worse"
    assert "slower is slower at p99 by" in p99.sentence
    assert p99.whisker is not None
    assert 0 < p99.whisker.low <= p99.whisker.value <= p99.whisker.high == 1
    assert found["availability"].word == "the same"
    assert found["cost"].cells()["B is"] == "the same"
    back = {row.figure: row for row in compared_rows(desk, compared(points, "slower", "baseline"))}
    assert back["p99"].word == "better"
    assert back["p99"].difference == p99.difference.replace("+", "-")


def test_costs_and_outcomes(desk: Case, points: list[Point]) -> None:
    wider = {row.figure: row for row in compared_rows(desk, compared(points, "baseline", "wider"))}
    assert wider["cost"].difference == "+$2.00/hour"
    assert wider["cost"].word == "worse"
    assert "wider costs $2.00/hour more, $4.00/hour in place of $2.00/hour" in wider["cost"].sentence
    narrow = {row.figure: row for row in compared_rows(desk, compared(points, "wider", "narrow"))}
    assert narrow["worth"].word == "worse"
    assert narrow["worth"].difference.startswith("-")
    assert narrow["p99"].whisker is None
    assert narrow["p99"].word == "–"
    assert narrow["cost"].difference == "-$2.00/hour"


def test_a_tie_is_called_one(desk: Case, points: list[Point]) -> None:
    noisy = made(points[0], "noisy", [5.0, 90, 2, 14, 9, 60], 2.0, [5.0] * 6)
    sharp = made(points[0], "sharp", [20.0] * 6, 2.0, [5.0] * 6)
    row = next(one for one in compared_rows(desk, compared([noisy, sharp], "sharp", "noisy")) if one.figure == "p99")
    assert row.word == "a tie"
    assert "a tie within the noise" in row.sentence
    assert row.whisker is not None
    assert row.whisker.low < 0 < row.whisker.high


def test_the_figure_that_a_design_loses(points: list[Point]) -> None:
    found = compared(points, "baseline", "narrow")
    assert (one := the_figure(found, "worth")) is not None
    assert one.name == "worth"
    assert (one := the_figure(found, "latency p99.9")) is not None
    assert one.name == "p999"
    assert the_figure(found, "availability") is not None
    assert the_figure(found, "latency p90") is None


def test_paths_that_differ(desk: Case) -> None:
    a, b = (design_changes(desk, name) for name in ("wider", "slower"))
    assert changed_paths(desk, a, b) == [
        {"Path": "stages.desk.replicas", "A": "2", "B": "1"},
        {"Path": "stages.desk.balancing", "A": "shared", "B": "none"},
        {"Path": "stages.desk.service.mean", "A": "5 ms", "B": "5.5 ms"},
    ]
    assert changed_paths(desk, a, a) == []
