"""Objectives on outcomes: judged by the interval over replications, in the outcome's unit, and shown as the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_cases import case, stage, text

from cases.build import apply
from cases.spec import Case
from simulator.__main__ import cli
from simulator.plan import plan
from simulator.report import figure_rows, headline_figures, report, verdict
from simulator.results import ObjectiveResult, SimulationResult
from simulator.run import simulate
from simulator.search import fewest

EXTRA = """
assumptions:
  lost_each: {value: $0.10/request, basis: {kind: illustrative, note: of a test}}
outcomes:
  lost: {label: Money lost, formula: offered_rate * (1 - share_completed) * lost_each, unit: $/hour}
  answered: {label: Share answered, formula: share_completed, unit: "%"}
objectives:
  - {metric: outcome, of: lost, at_most: $500/hour}
  - {metric: outcome, of: answered, at_least: 80 %}
"""
LOSSY = stage("desk", "{kind: constant, mean: 1 ms}", errors="10 %", price="$1/hour")


@pytest.fixture(scope="module")
def lossy() -> Case:
    return case(LOSSY, rate="10 request/s", extra=EXTRA)


def result(one: Case, replications: int = 5) -> SimulationResult:
    return simulate(plan(one, requests=4_000, replications=replications))


def judged(one: SimulationResult) -> dict[str, ObjectiveResult]:
    return {objective.name: objective for objective in one.objectives}


def test_it_is_the_outcome_against_its_limit(lossy: Case) -> None:
    """A tenth of 10 requests/s at $0.10 is $0.10/s, $360/hour; nine in ten are answered."""
    run = result(lossy)
    found = judged(run)
    assert found["lost"].value == pytest.approx(360, rel=0.1)
    assert (found["lost"].met, found["lost"].target) == (True, 500)
    assert (found["answered"].met, found["answered"].target) == (True, 80)
    for name, one in found.items():
        outcome = run.outcomes[name].interval
        assert (one.value, one.low, one.high) == tuple(outcome)


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({"objectives.0.at_most": "$300/hour"}, False),
        ({"objectives.0.at_most": "$7000/day"}, False),  # $292/hour
        ({"objectives.0.at_most": "$10000/day"}, True),  # $417/hour
        ({"objectives.0.at_most": "$361/hour"}, None),  # within the noise
    ],
)
def test_the_interval_decides(lossy: Case, changes: dict[str, str], met: bool | None) -> None:
    assert judged(result(apply(lossy, changes)))["lost"].met is met


def test_at_least_is_the_other_way_round(lossy: Case) -> None:
    assert judged(result(apply(lossy, {"objectives.1.at_least": "95 %"})))["answered"].met is False


def test_one_replication_decides_by_its_value(lossy: Case) -> None:
    found = judged(result(lossy, replications=1))["lost"]
    assert (found.low, found.high, found.met) == (None, None, True)


def test_no_value_is_no_verdict() -> None:
    """In a run without a fallback nothing divides by zero, but by the share that failed: none."""
    extra = EXTRA.replace("share_completed, unit", "share_failed / (share_failed * 0), unit")
    run = result(case(LOSSY, rate="10 request/s", extra=extra))
    assert judged(run)["answered"].met is None
    assert "Share answered has no value to hold against 80 % at least" in report(case(LOSSY, extra=extra), run)


def test_it_is_shown_as_the_others_are(lossy: Case) -> None:
    missed = apply(lossy, {"objectives.0.at_most": "$300/hour"})
    run = result(missed)
    assert verdict(missed, run).headline.startswith("Misses: Money lost $3")
    assert "against $300.00/hour at most" in verdict(missed, run).headline
    assert "Objective MISSED: Money lost $3" in report(missed, run)
    assert any("Share answered 90" in row["Objective"] for row in figure_rows(run))
    better = result(apply(missed, {"stages.desk.errors": "1 %"}))
    figures = {figure.label: figure for figure in headline_figures(better, run)}
    assert figures["Money lost"].difference.startswith("-$3")
    assert figures["Money lost"].better is True
    assert figures["Share answered"].better is True
    assert figures["Share answered"].difference.endswith(" points")
    assert headline_figures(run, run)[3].better is None


def test_the_command_prints_its_unit_and_demands_it(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(text(LOSSY, rate="10 request/s", extra=EXTRA.replace("$500", "$300")), encoding="utf-8")
    ran = CliRunner().invoke(cli, ["run", str(path), "--requests", "2000", "--json", "--require"])
    assert ran.exit_code == 3
    lost, answered = json.loads(ran.stdout)["objectives"]
    assert (lost["name"], lost["met"], lost["unit"], lost["sense"]) == ("lost", False, "$/hour", "at most")
    assert (answered["met"], answered["sense"]) == (True, "at least")


def test_a_search_heeds_it(lossy: Case) -> None:
    """The most requests a second for which less than $500 an hour is lost: 13.9 of them."""
    found = fewest(lossy, "workload.rate", "5 request/s", "40 request/s")
    assert found.answer is not None
    assert 11 <= float(found.answer.split()[0].removesuffix("/s")) <= 15
