"""Where numbers are large, few or cut off: the figures stay true, the planes stay equal, and nothing is pretended."""

from __future__ import annotations

import json
import time

import pytest
from small_cases import case, stage

from cases.errors import RunError
from cases.spec import Case
from simulator import control
from simulator.control import replicate
from simulator.plan import EVENTS_PER_VISIT, MOST_DRAIN_EVENTS, Plan, Window, plan, visits_at_most, window
from simulator.report import limit, verdict
from simulator.results import SimulationResult
from simulator.run import simulate
from simulator.summary import Totals
from simulator.workload import SECOND

LATENCY = "objectives:\n  - {{metric: latency, percentile: {percentile}, at_most: {target}}}"


def both(planned: Plan) -> SimulationResult:
    """The result, after making sure that both planes agree on it."""
    compiled, reference = simulate(planned, "compiled"), simulate(planned, "simpy")
    assert compiled.as_json() | {"engine": ""} == reference.as_json() | {"engine": ""}
    return compiled


def objective(percentile: float, target: str) -> str:
    return LATENCY.format(percentile=percentile, target=target)


def test_work_by_the_item_does_not_wrap_around() -> None:
    """A day an item and a million items are longer than int64 nanoseconds can say."""
    opened = case(
        stage("source", "{kind: constant, mean: 1 ms}", gives="1000000 rows"),
        stage("work", "{kind: lognormal, floor: 1 ms, per_item: 1 day, items: rows, cv: 1}", after="[source]"),
        rate="1 request/s",
        extra=objective(50, "1 s"),
    )
    result = both(plan(opened, requests=20, replications=2, drain=60))
    assert result.requests["completed"] == 0
    assert result.objectives[0].met is False


def test_sums_of_long_waits_do_not_wrap_around() -> None:
    """Reviewers with twice the work they can do: all waits together are longer than 292 years."""
    desk = stage("desk", "{kind: lognormal, mean: 10 hours, cv: 0.5}", replicas=50, balancing="shared")
    result = both(plan(case(desk, rate="10 requests/hour"), requests=8_000, replications=1, drain=2e7))
    seen = result.stages["desk"]
    assert result.requests["completed"] == 8_000
    assert seen.wait_mean_ms is not None
    assert seen.wait_mean_ms * 8_000 * 1e6 > 2**63
    assert seen.service_mean_ms == pytest.approx(10 * 3600e3, rel=0.05)
    assert seen.queue_mean > 1_000
    assert result.latency_ms["mean"].value == pytest.approx(seen.wait_mean_ms + seen.service_mean_ms, rel=0.02)


def test_exactly_on_target_is_met() -> None:
    """A constant 10 ms meets 10 ms: the exact count decides, not the middle of a histogram's bin."""
    fixed = stage(service="{kind: constant, mean: 10 ms}", concurrency=1000)
    for target, met in (("10 ms", True), ("9999999 ns", False)):
        result = simulate(plan(case(fixed, rate="100 requests/s", extra=objective(50, target)), requests=500))
        assert result.objectives[0].met is met


def test_requests_in_flight_leave_open_what_they_decide() -> None:
    """An hour's work against ten hours: after thirty seconds nobody knows. Against twenty seconds one knows."""
    slow = stage(service="{kind: lognormal, mean: 1 hour, cv: 0.5}", concurrency=1000)
    for target, met in (("10 hours", None), ("20 s", False)):
        opened = case(slow, rate="1 request/s", extra=objective(99, target))
        result = both(plan(opened, requests=100, replications=2, drain=30))
        assert result.objectives[0].met is met
        assert any("had not ended" in note for note in result.notes)


def test_many_in_flight_are_not_cut_short() -> None:
    """Half of a hundred thousand workers are busy, and the design holds, though the drain sees more than the window."""
    fleet = stage(service="{kind: exponential, mean: 100 ms}", replicas=100_000, balancing="shared")
    opened = case(fleet, rate="500000 requests/s", extra=objective(99, "1 s"))
    result = simulate(plan(opened, requests=20_000, replications=2))
    assert result.objectives[0].met is True
    assert result.requests["in_flight"] == 0
    assert any("short against a mean latency" in note for note in result.notes)


def test_no_request_is_an_error_and_not_a_miss() -> None:
    with pytest.raises(RunError, match="no request"):
        simulate(plan(case(rate="0.001 request/s"), duration=1.0, replications=1))


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.long
def test_a_burst_between_two_control_instants_ends(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand million requests a second after the window: neither memory nor wall time runs away."""
    workload = "{kind: schedule, steps: [{for: 1000 s, rate: 1 request/s}, {for: 1 s, rate: 1e9 requests/s}]}"
    opened = case(stage(service="{kind: constant, mean: 200 s}", concurrency=1000), workload=workload)
    planned = plan(opened, duration=900, replications=1)
    assert planned.event_limit(window(planned.load, planned.run, 0)) == MOST_DRAIN_EVENTS
    if engine == "simpy":  # a lower limit is reached in the same way, and not through gigabytes of generators
        monkeypatch.setattr("simulator.plan.MOST_DRAIN_EVENTS", 100_000)
    began = time.monotonic()
    assert any("cut short" in note for note in simulate(planned, engine).notes)  # type: ignore[arg-type]
    assert time.monotonic() - began < 200, "the limit is of events: minutes on a busy machine, not hours"
    monkeypatch.setattr(control, "WALL_SECONDS", 0.0)
    with pytest.raises(RunError, match="took more than"):
        simulate(planned, engine)  # type: ignore[arg-type]


def test_schedules_beyond_all_measure_are_read() -> None:
    steps = ", ".join(["{for: 365 days, rate: 1e6 requests/s}"] * 50)
    opened = case(stage(), workload=f"{{kind: schedule, steps: [{steps}]}}")
    with pytest.raises(RunError):
        plan(opened, duration=1e8)
    assert simulate(plan(opened, requests=10, replications=1, drain=0)).requests["offered"] == 10


def _said(opened: Case) -> str:
    return limit(opened, simulate(plan(opened, requests=4_000, replications=3)))


def test_the_verdict_names_every_stage_that_lacks_capacity() -> None:
    """What is offered counts, not what an overloaded stage before lets through."""
    service = "{kind: exponential, mean: 10 ms}"
    opened = case(
        stage("first", service, replicas=2, balancing="shared"),
        stage("second", service, after="[first]", replicas=3, balancing="shared"),
        rate="500 requests/s",
    )
    said = _said(opened)
    assert "first needs 5" in said.replace("4.9", "5")
    assert "second needs" in said


def test_the_verdict_names_who_turns_visits_away() -> None:
    opened = case(
        stage("gate", "{kind: exponential, mean: 1 ms}", concurrency=4),
        stage("small", "{kind: exponential, mean: 2 ms}", after="[gate]", queue="{limit: 0}"),
        rate="300 requests/s",
        extra="objectives:\n  - {metric: availability, at_least: 99 %}",
    )
    result = simulate(plan(opened, requests=4_000, replications=3))
    assert "small turns visits away" in str(verdict(opened, result))


def test_a_stage_that_nobody_waits_for_does_not_make_latencies_rise() -> None:
    """A source that is always left out: its queue grows without end, and the p99 is a p99 all the same."""
    opened = case(
        stage("quick", "{kind: constant, mean: 5 ms}", concurrency=10),
        stage("slow", "{kind: constant, mean: 30 ms}", required="false", late_after="20 ms"),
        rate="100 requests/s",
        extra=objective(99, "50 ms"),
    )
    said = verdict(opened, simulate(plan(opened, requests=4_000, replications=3)))
    assert said.holds
    assert "rising" not in str(said)
    assert "slow needs 2.9" in said.reason
    waiting = case(stage("slow", "{kind: constant, mean: 30 ms}"), rate="40 requests/s", extra=objective(99, "1 day"))
    assert "and rising" in str(verdict(waiting, simulate(plan(waiting, requests=2_000, replications=3))))


def test_a_busy_stage_is_not_called_overloaded() -> None:
    assert "Overloaded" not in _said(case(stage(service="{kind: constant, mean: 10 ms}"), rate="99 requests/s"))


# -- how much a run may take ------------------------------------------------------------------------------------------


def test_visits_of_a_request_multiply_through_the_tiers() -> None:
    """Three tiers with three attempts each make 27 calls of the last, hedged and over two shards four times as many."""
    again = {"service": "{kind: constant, mean: 1 ms}", "timeout": "1 s", "retries": "{attempts: 3}"}
    tiers = [
        stage("first", **again),
        stage("second", within="first", **again),
        stage("third", within="second", hedge="{after: 100 ms}", shards=2, **again),
    ]
    opened = case(*tiers, rate="1 request/s")
    machine = plan(opened).network.machine
    assert visits_at_most(machine) == 1 + 3 + 9 + 27 * 4
    assert visits_at_most(machine, first_only=True) == 1 + 1 + 1 + 2


def test_the_event_limit_grants_second_tries_within_reason() -> None:
    """What every request may take, but at most eight times the visits of first attempts."""

    def limit_of(attempts: int) -> int:
        service = {"service": "{kind: constant, mean: 1 ms}", "timeout": "1 s"}
        lines = [stage(f"s{i}", within=f"s{i - 1}", **service) if i else stage("s0", **service) for i in range(4)]
        if attempts > 1:
            lines = [line[:-1] + f", retries: {{attempts: {attempts}}}}}" for line in lines]
        planned = plan(case(*lines, rate="1 request/s"), requests=10_000, replications=1, drain=0)
        return planned.event_limit(Window(0, 10_000, 0, 10_000 * SECOND))

    assert limit_of(1) == EVENTS_PER_VISIT * 5 * 10_000
    assert limit_of(2) == EVENTS_PER_VISIT * (1 + 2 + 4 + 8 + 16) * 10_000
    assert limit_of(10) == EVENTS_PER_VISIT * 8 * 5 * 10_000


def test_an_outage_with_retries_in_every_tier_ends() -> None:
    """Everything fails, everything is tried again: 64 + 16 + 4 + 1 visits a request, and the run still ends."""
    again = {"errors": "100 %", "retries": "{attempts: 4}", "concurrency": 1000}
    service = "{kind: constant, mean: 1 ms}"
    tiers = [stage("a", service, **again | {"errors": "0 %"}), stage("b", service, within="a", **again)]
    result = both(plan(case(*tiers, rate="100 request/s"), requests=500, replications=2))
    assert result.requests["failed"] == 1_000
    assert result.stages["b"].attempts_per_visit == pytest.approx(4, rel=0.01)
    assert not any("cut short" in note for note in result.notes)


def test_many_replications_do_not_keep_their_histograms() -> None:
    """A histogram is most of a megabyte, and a stage has one: a thousand replications must not hold on to them."""
    recorder_sizes: list[int] = []
    planned = plan(case(rate="0.5 request/s"), requests=50, replications=30)
    totals = Totals(planned.network.machine.client)
    for number in range(planned.run.replications):
        measured = window(planned.load, planned.run, number)
        recorder = replicate(planned, number, "compiled", measured, lambda _: None, lambda: None)
        p99 = recorder.percentile(99)
        totals.take(recorder)
        assert recorder.percentile(99) == p99
        assert recorder.tally is not None
        recorder_sizes.append(recorder.latencies.nbytes + recorder.tally.waits.nbytes)
    assert max(recorder_sizes) == 0
    assert totals.waits.sum() > 30 * 40


def test_the_verdict_counts_all_visits_and_no_second_tries() -> None:
    """Three shards a request, of 10 ms each: 100 requests a second keep three replicas busy, and a half called stage
    counts half."""
    service = "{kind: constant, mean: 10 ms}"
    opened = case(
        stage("search", service, shards=3, replicas=2, balancing="shared", retries="{attempts: 2}", timeout="50 ms"),
        stage("check", service, after="[search]", when="{share: 50 %}", concurrency=2),
        rate="100 requests/s",
    )
    result = simulate(plan(opened, requests=4_000, replications=3))
    assert result.stages["search"].replicas_needed == pytest.approx(3, rel=0.05)
    assert result.stages["check"].replicas_needed == pytest.approx(0.25, rel=0.05)
    said = limit(opened, result)
    assert "search needs 3" in said.replace("2.9", "3").replace("3.0", "3")
    assert "check" not in said


def test_a_stage_that_only_second_tries_fill_is_told_from_one_that_lacks_replicas() -> None:
    """At 90 % it would do; time-outs without a backoff keep it busy with visits that nobody waits for."""
    opened = case(
        stage("desk", "{kind: exponential, mean: 9 ms}", timeout="40 ms", retries="{attempts: 3}", cancel="none"),
        rate="100 requests/s",
    )
    result = simulate(plan(opened, requests=10_000, replications=3))
    assert "busy with second tries" in limit(opened, result)


def test_intervals_stay_within_what_is_possible() -> None:
    opened = case(rate="0.9 request/s", extra="objectives:\n  - {metric: availability, at_least: 50 %}")
    shown = json.loads(json.dumps(simulate(plan(opened, requests=300, replications=2)).as_json()))
    assert all(i["low"] is None or i["low"] >= 0 for i in shown["latency_ms"].values())
    assert shown["objectives"][0]["high"] <= 1
