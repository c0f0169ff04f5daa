"""R14: a fleet of k cells is k times the machine that one of them is, and one of them is what is run."""

from __future__ import annotations

import math

import pytest
from small_cases import case, stage

from cases.build import apply, design_changes
from cases.cells import in_one_cell, one_cell
from cases.errors import DesignError
from cases.files import open_case
from cases.scenarios import scenario
from cases.spec import Case
from simulator.machine import UNLIMITED
from simulator.network import resolve
from simulator.plan import plan
from simulator.report import report
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.why import why

K = 4
SERVER = "{kind: exponential, mean: 10 ms}"
OPEN = [
    "{kind: poisson, rate: RATE/s}",
    "{kind: bursty, rate: RATE/s, times: 4, every: 2 s, lasts: 500 ms}",
    "{kind: diurnal, rate: RATE/s, peak_to_mean: 1.6, period: 4 s}",
    "{kind: sessions, rate: RATE/s, requests: {mean: 3, cv: 0.5}, gap: 20 ms}",
    "{kind: flash_crowd, rate: RATE/s, times: 3, at: 1 s, rise: 100 ms, half_life: 500 ms}",
    "{kind: spike, rate: RATE/s, times: 2, at: 1 s, lasts: 1 s}",
]
CLOSED = "{kind: closed, users: USERS, think: {kind: exponential, mean: 100 ms}}"


def times(k: int, workload: str = OPEN[0], **more: object) -> Case:
    """A case k times as large, in k cells."""
    said = workload.replace("RATE", str(60 * k)).replace("USERS", str(8 * k))
    front = stage("front", SERVER, replicas=2 * k, balancing="shared", queue=f"{{limit: {12 * k}}}", price="$1/hour")
    back = stage(
        "back",
        SERVER,
        after="[front]",
        replicas=3 * k,
        balancing="least_of 2",
        queue="{limit: 12}",
        admission=f"{{rate: {90 * k}/s, burst: {20 * k}}}",
        cache=f"{{keys: 100, zipf: 0.8, capacity: {8 * k}, scope: shared, hit_time: 1 ms}}",
        price="$2/hour",
        start_delay="300 ms",
    )
    someone = stage(
        "someone",
        SERVER,
        within="back",
        when="{share: 5 %}",
        person=f"{{answers: 100 %, desks: {k}}}",
        price="$9/hour",
    ).replace("replicas: 1, ", "")
    extra = "\n".join([f"cells: {k}", *(f"{key}: {value}" for key, value in more.items())])
    return case(front, back, someone, workload=said, extra=extra)


def run(which: Case, **more: object) -> SimulationResult:
    options = {"seed": 3, "replications": 2, "requests": 400} | more
    return simulate(plan(which, **options), "simpy")  # type: ignore[arg-type]


def own(result: SimulationResult) -> list[object]:
    """What is a cell's own."""
    requests = {stage: (s.utilisation, s.wait_mean_ms, s.queue_max, s.hit_ratio) for stage, s in result.stages.items()}
    return [result.requests, result.latency_ms, result.by_replication, requests, result.recovery]


@pytest.mark.parametrize("workload", [*OPEN, CLOSED], ids=lambda text: text[7:].split(",")[0])
def test_r14_a_cell_is_the_case_of_its_size(workload: str) -> None:
    """To the nanosecond: what is run is the machine that stands k times in the fleet."""
    cells, alone = run(times(K, workload)), run(times(1, workload))
    assert own(cells) == own(alone)
    assert alone.requests["completed"] > 200
    assert (alone.cells, cells.cells) == (1, K)
    assert "cells" not in alone.as_json()
    assert cells.as_json()["cells"] == K


def test_r14_what_adds_up_is_of_the_fleet() -> None:
    cells, alone = run(times(K)), run(times(1))
    assert cells.offered_per_s == pytest.approx(K * alone.offered_per_s)
    assert cells.cost_usd_per_hour == K * (2 * 1 + 3 * 2 + 9)
    assert cells.cost_usd_per_million_requests == pytest.approx(alone.cost_usd_per_million_requests)
    for name, one in alone.stages.items():
        found = cells.stages[name]
        for figure in ("replicas", "replicas_mean", "replicas_needed", "in_service", "arrivals_per_s", "calls_per_s"):
            assert getattr(found, figure) == pytest.approx(K * getattr(one, figure)), (name, figure)
        assert found.queue_mean == pytest.approx(K * one.queue_mean)
        assert found.rejections == one.rejections


def test_outcomes_are_of_the_fleet() -> None:
    said = (
        "{paid: {formula: cost_rate / offered_rate}, rate: {formula: front_visits_rate}, work: {formula: offered_rate}}"
    )
    cells, alone = (run(times(k, outcomes=said)).outcomes for k in (K, 1))
    assert cells["work"].interval.value == pytest.approx(K * (alone["work"].interval.value or math.nan))
    assert cells["rate"].interval.value == pytest.approx(K * (alone["rate"].interval.value or math.nan))
    assert cells["paid"].interval.value == pytest.approx(alone["paid"].interval.value)


SCENARIO = """
  loss:
    run: {duration: 6 s, warm_up: 1 s}
    events:
      - {at: 2 s, kill: back, replicas: KILLED}
      - {at: 3 s, for: 500 ms, path: stages.back.replicas, times: 2}
      - {at: 4 s, deploy: back, at_once: KILLED}
"""


def test_r14_what_happens_happens_in_every_cell() -> None:
    cells, alone = (times(k, scenarios=SCENARIO.replace("KILLED", str(k))) for k in (K, 1))
    found, expected = (run(one, scenario="loss", requests=None) for one in (cells, alone))
    assert found.requests == expected.requests
    assert found.by_replication == expected.by_replication
    assert found.cost_usd_per_hour == pytest.approx(K * (expected.cost_usd_per_hour or math.nan))
    assert found.recovery[0].event == f"back loses {K} replicas"  # of the fleet
    assert [event.replicas for event in in_one_cell(cells, scenario(cells, "loss").events)] == [1, 1, 1]


def test_a_design_in_cells_refuses_what_would_happen_in_one_of_them() -> None:
    lossy = "scenarios: {loss: {events: [{at: 1 s, kill: server, replicas: 2}]}}"
    cells = apply(case(stage(replicas=8, balancing="random"), extra=lossy), {"cells": "8"})
    with pytest.raises(DesignError, match="replicas: 2 of the fleet is not the same number in each of 8 cells"):
        plan(cells, scenario="loss")


def test_replicas_that_follow_the_load() -> None:
    scaled = "stages.back.autoscaling"
    said = "{{utilisation: 5 %, min: {0}, max: {1}, sync: 500 ms, up: {{replicas: {0}, every: 500 ms}}}}"
    results = [run(apply(times(k), {scaled: said.format(k, 8 * k)})) for k in (K, 1)]
    assert own(results[0]) == own(results[1])
    assert results[1].stages["back"].changed
    assert results[0].cost_usd_per_hour == pytest.approx(K * (results[1].cost_usd_per_hour or math.nan))


def test_what_is_left_out_stays_left_out() -> None:
    """A stage without a limit has none in a cell, and a rule about what is said says nothing of a cell."""
    cell = one_cell(case(stage(replicas=8, balancing="shared"), extra="cells: 8"))
    assert resolve(cell).machine.stages[0].queue_limit == UNLIMITED
    assert cell.stages[0].model_fields_set == {"name", "replicas", "service", "balancing"}
    assert one_cell(cell) is cell
    external = case(stage("sms", external="true").replace("replicas: 1, ", ""), rate="80/s", extra="cells: 8")
    assert resolve(external).load.expected(1_000_000_000) == 10


def test_cells_of_one_server_are_as_many_queues_of_their_own() -> None:
    """M/M/1 at 0.7: mean 1 / (mu - lambda). Replicas chosen at random are just that; one queue for all is much less."""
    cells = case(stage(service=SERVER, replicas=8, balancing="shared"), rate="560/s", extra="cells: 8")
    expected = 1000 / (100 - 70)
    at_random = apply(cells, {"cells": "1", "stages.server.balancing": "random"})
    pooled = apply(cells, {"cells": "1"})
    means = [
        simulate(plan(one, seed=1, replications=8, requests=40_000)).latency_ms["mean"]
        for one in (cells, at_random, pooled)
    ]
    for mean in means[:2]:
        assert mean.value == pytest.approx(expected, rel=0.03)
    assert (means[2].value or math.inf) < expected / 2


def test_a_run_says_so() -> None:
    cells = times(K)
    result = run(cells)
    first, second, *_ = result.notes
    assert first == (
        "one of 4 cells was simulated, with 1/4 of the load and of the replicas; that is exact, for the fleet is so "
        "many independent copies, and Poisson requests that are split at random are Poisson requests in each"
    )
    assert second.startswith("rates, replicas, cost and means of what waits or works are of the whole fleet; ")
    assert "replications, seed 3, one of 4 cells)" in report(cells, result)
    assert not any("cells" in note for note in run(times(1)).notes)
    assert "each user belongs to one" in run(times(2, CLOSED)).notes[0]
    assert run(times(2)).notes[0].startswith("one of 2 cells was simulated, with half of the load")


def test_a_tenth_more_is_a_whole_number_in_each_cell() -> None:
    cells = case(stage(service=SERVER, replicas=8, balancing="random"), rate="500/s", extra="cells: 4")
    planned = plan(cells, requests=400, replications=2)
    (gain,) = why(planned, simulate(planned, "simpy"), "simpy").more
    assert (gain.before, gain.after) == (8, 12)
    assert (gain.difference.difference.value or 0.0) < 0


def test_a_full_queue_of_a_cell_is_known_as_full() -> None:
    """Its limit is a part of the one that the case says."""
    server = stage(service="{kind: exponential, mean: 30 ms}", replicas=8, balancing="shared", queue="{limit: 8}")
    crowded = case(server, rate="200/s", extra="cells: 4")
    assert "server turns visits away: its queue is full" in report(crowded, run(crowded))


def test_the_case_at_the_printed_rate_is_so_many_times_the_case() -> None:
    """The guide's 10 million requests a second are 3,456 times its own page loads, and so is the fleet."""
    written = open_case("youtube_recommendations")
    cells = apply(written, design_changes(written, "articles_cells"))
    fleet = apply(written, design_changes(written, "articles_fleet"))
    assert (cells.cells, fleet.cells) == (3456, 1)
    assert [s.replicas for s in one_cell(cells).stages] == [s.replicas for s in written.stages]
    assert [s.replicas for s in cells.stages] == [s.replicas for s in fleet.stages]
    assert one_cell(cells).workload.rate == pytest.approx(written.workload.rate, rel=1e-12)
    assert resolve(cells).machine.stages == resolve(written).machine.stages
    assert fleet.workload.rate == 1e7
