"""How many do I need: against Erlang C, and against luck that contradicts itself."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from scipy import stats
from small_cases import case, stage, text

from cases.build import apply
from cases.errors import RunError, StagecraftError
from cases.files import load
from cases.spec import Case
from cases.vary import MOST_VALUES, values
from simulator import search
from simulator.__main__ import cli
from simulator.found import Found, met
from simulator.plan import plan
from simulator.results import ObjectiveResult
from simulator.run import simulate
from simulator.search import around, fewest, fleets, tightest
from simulator.search_report import report, sentence, step_rows

REPLICAS = "stages.server.replicas"
MEAN = 0.01  # seconds of service


def fleet(rate: int, percentile: float, at_most: str, replicas: int = 4, extra: str = "") -> Case:
    """M/M/c, with a latency objective."""
    return case(
        stage("server", "{kind: exponential, mean: 10 ms}", replicas=replicas, balancing="shared"),
        rate=f"{rate} requests/s",
        extra=f"objectives: [{{metric: latency, percentile: {percentile:g}, at_most: {at_most}}}]\n{extra}",
    )


def later_than(seconds: float, rate: float, servers: int) -> float:
    """P(sojourn > t) of M/M/c (Gross, Shortle, Thompson, Harris: Fundamentals of Queueing Theory, section 3.3)."""
    load, each = rate * MEAN, 1 / MEAN
    if load >= servers:
        return 1.0
    blocked = stats.poisson.pmf(servers, load) / stats.poisson.cdf(servers, load)
    waits = blocked / (1 - load / servers * (1 - blocked))
    slower = servers - 1 - load
    if abs(slower) < 1e-9:
        return math.exp(-each * seconds) * (1 + waits * each * seconds)
    return math.exp(-each * seconds) * (1 + waits * (1 - math.exp(-slower * each * seconds)) / slower)


def by_formula(rate: float, percentile: float, seconds: float) -> int:
    return next(c for c in range(1, 1_000) if later_than(seconds, rate, c) <= 1 - percentile / 100)


@pytest.mark.parametrize(
    ("rate", "percentile", "at_most", "start"),
    [
        (75, 90, 60, 1),
        (400, 99, 54, 4),
        pytest.param(400, 95, 60, 30, marks=pytest.mark.long),
        pytest.param(800, 90, 30, 8, marks=pytest.mark.long),
        (2_000, 95, 40, 30),
        pytest.param(4_000, 95, 39, 20, marks=pytest.mark.long),
    ],
)
def test_as_many_as_erlang_says(rate: int, percentile: float, at_most: float, start: int) -> None:
    wanted = by_formula(rate, percentile, at_most / 1000)
    found = fewest(fleet(rate, percentile, f"{at_most:g} ms", start), REPLICAS, "1", "200", requests=10_000)
    assert found.verdict == "found"
    assert found.answer == str(wanted)
    assert found.below is not None
    assert found.below.met is False
    assert found.undecided is None or found.undecided[0] == found.undecided[1] == str(wanted - 1)
    assert found.below.value == str(wanted - (1 if found.undecided is None else 2))
    assert found.confirmed


def test_the_most_load_is_found_to_a_percent() -> None:
    """M/M/1: the p-th percentile of the sojourn is -ln(1 - p) / (mu - lambda)."""
    wanted = 1 / MEAN + math.log(0.1) / 0.06
    one = fleet(40, 90, "60 ms", 1)
    found = fewest(one, "workload.rate", "10 requests/s", "95 requests/s", requests=10_000, most=10)
    assert found.sense == "most"
    assert found.at is not None
    assert found.below is not None
    at, below = (float(step.value.split()[0]) for step in (found.at, found.below))
    assert at < wanted < below
    assert below / at < 1.15
    assert "workload.rate: at most" in sentence(one, found)
    assert "As designed it is 40 requests/s." in sentence(one, found)


def test_few_enough_values_are_run() -> None:
    """From what the case has, in halves: never the far ends, which take long."""
    found = fewest(fleet(400, 95, "37 ms", 9), REPLICAS, "1", "1 million", requests=5_000)
    assert len(found.steps) <= 12
    assert max(int(step.value) for step in found.steps) < 40


def test_no_value_is_an_answer() -> None:
    one = fleet(400, 99, "30 ms")  # p99 of the service alone is 46 ms
    found = fewest(one, REPLICAS, "1", "100", requests=4_000)
    assert (found.verdict, found.answer, found.sense) == ("none_meets", None, "least")
    assert found.below is not None
    assert found.below.value == "100"
    assert sentence(one, found).startswith("server: no value from 1 to 100 meets all objectives. With 100, p99 4")


def test_all_values_are_an_answer() -> None:
    one = fleet(100, 99, "200 ms")
    found = fewest(one, REPLICAS, "3", "100", requests=4_000)
    assert (found.verdict, found.answer, found.below) == ("all_meet", "3", None)
    assert "server: even 3 replicas will do, the least that was asked about: with 3, p99" in sentence(one, found)
    alike = fewest(one, "workload.rate", "10 requests/s", "100 requests/s", requests=4_000)
    assert (alike.verdict, alike.answer, alike.sense) == ("all_meet", None, None)
    assert "makes no difference" in sentence(one, alike)


def test_what_is_too_close_is_said() -> None:
    """At most two replications: the interval of two is so wide that hardly anything is known near the target."""
    one = fleet(400, 95, "37 ms", 6)
    found = fewest(one, REPLICAS, "1", "40", requests=300, most=2)
    assert found.undecided is not None
    first, last = (int(value) for value in found.undecided)
    assert found.below is None or int(found.below.value) == first - 1
    assert found.answer is None or int(found.answer) == last + 1
    assert "too close to call" in sentence(one, found)


def test_the_figures_are_those_of_a_plain_run() -> None:
    one = fleet(400, 95, "37 ms")
    found = fewest(one, REPLICAS, "1", "40", requests=3_000, seed=5)
    assert found.seeds == (5, 6)
    for step in found.steps:
        changed = apply(one, {REPLICAS: step.value})
        alone = plan(changed, seed=6 if step.checks else 5, requests=3_000, replications=step.result.replications)
        assert simulate(alone).as_json() == step.result.as_json()


# -- the search, on runs that are made up -----------------------------------------------------------------------------

Says = Callable[[int, int], bool | None]


def faked(monkeypatch: pytest.MonkeyPatch, says: Says, ladder: str = "1..64", start: int = 16) -> Found:
    """A search in which `says(replicas, seed)` is whether the objectives are met."""

    def decided(planned: Any, *_: object) -> Any:
        verdict = says(planned.case.stages[0].replicas, planned.run.seed)
        objective = ObjectiveResult("latency p99", verdict, 1.0, 0.9, 1.1, 1.0)
        fields = {"objectives": (objective,), "seed": planned.run.seed, "replications": 5, "stages": {}}
        return SimpleNamespace(**fields, key="k", cost_usd_per_hour=None)

    monkeypatch.setattr(search, "decided", decided)
    return fewest(fleet(10, 99, "1 s", start), REPLICAS, *ladder.split(".."), seed=1)


@pytest.mark.parametrize("start", [1, 2, 7, 40, 64])
def test_every_threshold_is_found(monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    for least in range(2, 65, 5):
        found = faked(monkeypatch, lambda n, _, least=least: n >= least, start=start)  # type: ignore[misc]
        assert (found.verdict, found.answer) == ("found", str(least))
        assert found.below is not None
        assert found.below.value == str(least - 1)
        assert len(found.steps) <= 16
        assert len({(step.value, step.result.seed) for step in found.steps}) == len(found.steps)


def test_undecided_values_lie_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for least in range(2, 64, 7):
        found = faked(monkeypatch, lambda n, _, m=least: True if n > m else None if n > m - 4 else False)  # type: ignore[misc]
        assert found.answer == str(least + 1)
        assert found.undecided == (str(max(1, least - 3)), str(least))
        assert (found.below.value if found.below else "0") == str(max(0, least - 4))


def test_what_lies_undecided_down_to_the_end_is_not_said_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faked(monkeypatch, lambda n, _: True if n > 5 else None)
    assert (found.verdict, found.answer, found.below, found.undecided) == ("found", "6", None, ("1", "5"))
    assert sentence(fleet(10, 99, "1 s"), found) == (
        "server needs 6 replicas: with 6, p99 1 ms (95 % interval 900 µs to 1.1 ms) against 1 ms. "
        "From 1 to 5 it is too close to call. It has 16."
    )


def test_nothing_surely_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faked(monkeypatch, lambda n, _: None if n > 60 else False)
    assert (found.verdict, found.answer, found.undecided) == ("too_close", None, ("61", "64"))
    assert found.below is not None
    assert found.below.value == "60"


def test_other_luck_that_contradicts_moves_the_search_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faked(monkeypatch, lambda n, seed: n >= (10 if seed == 1 else 12))
    assert (found.answer, found.undecided, found.confirmed) == ("12", ("10", "11"), True)
    assert found.below is not None
    assert found.below.value == "9"
    assert found.notes[0] == (
        "10 meets with seed 1 and misses with seed 2: taken for too close to call, and the search went on"
    )
    other = faked(monkeypatch, lambda n, seed: n >= (10 if seed == 1 else 8))
    assert (other.answer, other.undecided) == ("10", ("8", "9"))
    assert "9 misses with seed 1 and meets with seed 2" in other.notes[0]


def test_luck_that_always_contradicts_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faked(monkeypatch, lambda n, seed: n >= 10 and seed == 1)
    assert not found.confirmed
    assert "the answer is not confirmed" in found.notes[-1]
    assert len(found.steps) < 40


def test_more_that_is_not_better_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faked(monkeypatch, lambda n, _: 10 <= n < 20 or n >= 30)
    assert any("there is more than one place to meet" in note for note in found.notes)


def test_what_is_in_the_middle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MORE_IS_BETTER", ())
    found = faked(monkeypatch, lambda n, _: 12 <= n <= 30)
    assert found.answer == "12"
    assert "1 and 64 come out alike, and 16 does not: searched was from 1 to 16" in found.notes[0]
    most = faked(monkeypatch, lambda n, _: n <= 30)
    assert (most.sense, most.answer) == ("most", "30")
    assert most.below is not None
    assert most.below.value == "31"


def test_whoever_watches_may_end_it() -> None:
    class EnoughError(Exception):
        pass

    told: list[float] = []

    def watch(share: float) -> None:
        told.append(share)
        if share > 0.2:
            raise EnoughError

    with pytest.raises(EnoughError):
        fewest(fleet(400, 95, "37 ms", 20), REPLICAS, "1", "200", requests=3_000, progress=watch)
    assert told == sorted(told)
    assert told[-1] < 1


def test_all_objectives_count() -> None:
    result = simulate(plan(fleet(10, 99, "1 s"), requests=1_000, replications=2))
    one = result.objectives[0]
    for verdicts, wanted in (((True, True), True), ((True, None), None), ((None, False), False)):
        assert met(replace(result, objectives=tuple(replace(one, met=each) for each in verdicts))) is wanted


def test_who_can_be_asked_for() -> None:
    one = case(
        stage("few", replicas=2, balancing="random"),
        stage("alone"),
        stage("scaled", replicas=2, balancing="random", autoscaling="{utilisation: 60 %, min: 1, max: 5}"),
        "{name: others, service: {kind: constant, mean: 1 ms}, external: {errors: 1 %}}",
        "{name: people, service: {kind: constant, mean: 1 s}, person: {desks: 3, answers: 90 %}, timeout: 5 min}",
        rate="1 request/s",
    )
    assert fleets(one) == {"few": "stages.few.replicas", "people": "stages.people.person.desks"}
    assert around(one, "people") == ("1", "24")
    assert tightest(one, simulate(plan(one, requests=500, replications=2))) == "people"


# -- values -----------------------------------------------------------------------------------------------------------


def test_quantities_are_a_percent_apart_in_three_digits() -> None:
    found = values(fleet(10, 99, "1 s"), "workload.rate", "10 requests/s", "3k requests/s")
    numbers = found.numbers
    assert (numbers[0], numbers[-1], found.text(0)) == (10, 3_000, "10 requests/s")
    assert all(1 < b / a < 1.0201 for a, b in itertools.pairwise(numbers))
    assert all(float(f"{number:.3g}") == number for number in numbers)
    assert numbers[found.start] == 10


def test_an_end_may_lack_its_unit() -> None:
    one = case(stage("server", gives="500 posts"), extra="objectives: [{metric: availability, at_least: 99 %}]")
    assert values(one, "stages.server.gives", "100", "1.5k").text(0) == "100 posts"
    assert values(one, "stages.server.gives", "100", "200 posts").text(7) == "107 posts"
    assert values(one, "workload.rate", "1", "2 requests/s").text(0) == "1 requests/s"


def test_a_fleet_in_cells_goes_by_cells() -> None:
    one = fleet(400, 95, "37 ms", replicas=8, extra="cells: 4")
    found = values(one, REPLICAS, "1", "30")
    assert list(found.numbers) == [4, 8, 12, 16, 20, 24, 28]
    assert found.start == 1
    assert fewest(one, REPLICAS, "1", "200", requests=3_000).answer in ("8", "12")


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "fleet.yaml"
    server = stage(
        "server", "{kind: exponential, mean: 10 ms}", replicas=9, balancing="shared", price="$1/hour", label="Desk"
    )
    objectives = (
        "objectives: [{metric: latency, percentile: 95, at_most: 37 ms}, {metric: availability, at_least: 99 %}]"
    )
    path.write_text(text(server, rate="400 requests/s", extra=objectives))
    return path


def ran(file: Path, *options: str, vary: str = f"{REPLICAS}=1..100") -> Any:
    return CliRunner().invoke(cli, ["search", str(file), "--vary", vary, "--requests", "2000", *options])


def test_the_contract(file: Path) -> None:
    shown = json.loads(ran(file, "--json").stdout)
    assert list(shown) == [
        *("case", "path", "from", "to", "unit", "sense", "verdict", "answer", "at", "below", "undecided", "confirmed"),
        *("as_designed", "cost_usd_per_hour", "seeds", "steps", "notes"),
    ]
    step = ["value", "met", "checks", "seed", "replications", "key", "objectives", "cost_usd_per_hour"]
    assert all(list(one) == step for one in shown["steps"])
    assert list(shown["at"]) == list(shown["below"]) == [*step, "latency_ms"]
    assert shown["at"]["value"] == shown["answer"] == "6"
    assert (shown["from"], shown["to"], shown["unit"], shown["sense"]) == ("1", "100", None, "least")
    assert shown["cost_usd_per_hour"] == {"answer": 6.0, "as_designed": 9.0}
    assert shown["seeds"] == {"search": 1, "check": 2}
    assert [one["value"] for one in shown["steps"] if one["checks"]] == ["6", shown["below"]["value"]]
    assert [o["name"] for o in shown["at"]["objectives"]] == ["latency p95", "availability"]


def test_the_same_command_gives_the_same_bytes(file: Path) -> None:
    first = ran(file, "--json", "--seed", "3").stdout
    assert ran(file, "--json", "--seed", "3", "--engine", "compiled").stdout == first
    assert ran(file, "--json", "--seed", "4").stdout != first


def test_the_reference_plane_agrees(file: Path) -> None:
    options = ("--json", "--requests", "200", "--replications", "3")
    assert ran(file, *options, "--engine", "simpy").stdout == ran(file, *options).stdout


def test_the_report(file: Path) -> None:
    said = ran(file).stdout
    assert re.search(
        r"Desk needs 6 replicas: with 5, p95 \S+ ms \(95 % interval .*\) against 37 ms; with 6, p95 .*\. It has 9\.\n",
        said,
    )
    assert "Cost: $6.00/hour, as designed $9.00/hour\n" in said
    assert "All values were run on the same luck (seed 1); the answer was checked with seed 2.\n" in said


def test_the_table_holds_every_step(file: Path) -> None:
    one = fleet(400, 95, "37 ms")
    found = fewest(one, REPLICAS, "1", "40", requests=3_000)
    rows = step_rows(found)
    assert [row["Tried"] for row in rows] == [step.value for step in found.steps]
    assert list(rows[0]) == ["Tried", "Objectives", "p95", "Replications", "Seed"]
    assert all(row["Tried"] in report(one, found) for row in rows)


def test_a_scenario_happens_meanwhile(file: Path) -> None:
    result = ran(file, "--json", "--scenario", "flash_crowd", "--requests", "1000", "--replications", "4")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["scenario"] == "flash_crowd"
    key = next(step["key"] for step in shown["steps"] if step["value"] == "9" and not step["checks"])
    planned = plan(load(file), scenario="flash_crowd", requests=1_000, replications=4)
    assert key == planned.key


def test_exit_codes(file: Path) -> None:
    assert ran(file, "--require").exit_code == 0
    none = ran(file, "--require", "--set", "objectives.0.at_most=20 ms", vary=f"{REPLICAS}=1..20")
    assert none.exit_code == 3, none.stderr
    assert "no value from 1 to 20 meets all objectives" in none.stdout
    assert ran(file, "--set", "objectives.0.at_most=20 ms", vary=f"{REPLICAS}=1..20").exit_code == 0


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ("stages.server.replicas", "--vary 'stages.server.replicas' is not PATH=LOW..HIGH; write for example"),
        ("stages.server.replicas=1..", "--vary 'stages.server.replicas=1..' is not PATH=LOW..HIGH; write for example"),
        ("stages.server.replicas=5", "--vary 'stages.server.replicas=5' is not PATH=LOW..HIGH; write for example"),
        ("stages.sever.replicas=1..9", "'stages.sever.replicas' is not a path of this case; did you mean"),
        ("stages.server.replicas=9..1", "stages.server.replicas: '9..1': the range is upside down"),
        ("stages.server.replicas=1..2 s", "stages.server.replicas: '1 s' is not a whole number"),
        ("stages.server.replicas=1.5..4", "stages.server.replicas: '1.5' is not a whole number"),
        ("stages.server.replicas=0..4", "stages.server.replicas: '0' is out of bounds"),
        ("stages.server.replicas=1 s..4 requests", "stages.server.replicas: '1 s..4 requests': the ends differ"),
        ("stages.server.replicas=a..b", "stages.server.replicas: 'b': a number is missing"),
        ("stages.server.balancing=1..4", "stages.server.balancing: 'shared' is no number, so there is nothing to"),
        ("stages.server.service=1..4", "'stages.server.service' is a group, not a value"),
        ("workload.rate=1 ms..4 ms", "workload.rate: '1 ms' is in s, and a rate is wanted"),
        ("workload.rate=1..4", "workload.rate: '1' has no unit, and a rate is wanted"),
        ("stages.server.hop=0 ms..4 ms", "'stages.server.hop' has no value in this case; give it one first"),
        ("objectives.0.at_most=-4 ms..4 ms", "objectives.0.at_most: '-4 ms' is out of bounds"),
        ("format=1..4", "format: cannot be changed by a design"),
    ],
)
def test_bad_ranges(file: Path, vary: str, message: str) -> None:
    result = ran(file, vary=vary)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_too_many_values(file: Path) -> None:
    with pytest.raises(StagecraftError, match=r"stages\.server\.queue\.limit: 1,000,001 values from 0 to 1,000,000; "):
        values(apply(fleet(10, 99, "1 s"), {"stages.server.queue.limit": "5"}), "stages.server.queue.limit", "0", "1e6")
    assert MOST_VALUES == 1_000_000


def test_from_zero_there_are_no_shares() -> None:
    one = apply(fleet(10, 99, "1 s"), {"stages.server.hop": "1 ms"})
    with pytest.raises(StagecraftError, match=r"stages\.server\.hop: '0 ms\.\.4 ms' begins at or below zero, and"):
        values(one, "stages.server.hop", "0 ms", "4 ms")


def test_no_cell_lies_between() -> None:
    with pytest.raises(StagecraftError, match=r"no multiple of 4 cells lies from 5 to 7; widen the range"):
        values(fleet(400, 95, "37 ms", replicas=8, extra="cells: 4"), REPLICAS, "5", "7")


def test_a_case_without_objectives() -> None:
    one = case(stage(replicas=2, balancing="shared"))
    with pytest.raises(RunError, match="the case states no objective, so nothing tells how many are enough; add"):
        fewest(one, REPLICAS, "1", "9")


def test_an_interval_takes_two_replications(file: Path) -> None:
    result = ran(file, "--replications", "1")
    assert (result.exit_code, result.stderr) == (1, "an interval needs from 2 to 1,000 replications, not 1\n")


def test_a_value_that_breaks_a_rule_in_the_middle_is_named() -> None:
    one = fleet(400, 95, "37 ms", replicas=9, extra="zones: {names: [a, b]}")
    with pytest.raises(RunError, match=r"with workload\.rate=\S+ requests/s: .* the warm-up brings|take more than"):
        fewest(one, "workload.rate", "1e-6 requests/s", "100 requests/s", requests=4_000_000)


def test_a_full_stage_is_noted() -> None:
    """At 99.5 % of what one server can do, 4,000 requests are over long before its queue has settled."""
    one = fleet(199, 90, "1 s", 2)
    found = fewest(one, REPLICAS, "1", "9", requests=500)
    assert found.answer == "2"
    assert any(
        re.match(r"with 2, what is offered would keep server (99|10\d)\.\d % busy:", note) for note in found.notes
    )
