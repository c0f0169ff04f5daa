"""A replication over time: rows add up to the run, whatever the step; and the run does not depend on it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from small_cases import case, stage, text

from cases.errors import RunError
from cases.spec import Case
from simulator.__main__ import cli
from simulator.control import replicate, window_of
from simulator.measure import Recorder
from simulator.plan import Plan, plan
from simulator.run import simulate
from simulator.semantics import RequestEnd
from simulator.timeline import ENDS, Timeline
from simulator.workload import SECOND, ArrivalStream

EXTRA = """objectives: [{metric: latency, percentile: 99, at_most: 50 ms}]
scenarios:
  loss:
    run: {duration: 19 s, warm_up: 1 s, replications: 1}
    events: [{at: 8 s, for: 4 s, kill: back, replicas: 2}]
"""
CACHE = "{hit_ratio: 50 %, hit_time: 1 ms}"
STAGES = (
    stage("front", "{kind: lognormal, mean: 2 ms, cv: 1}", concurrency=4, cache=CACHE),
    stage("back", "{kind: exponential, mean: 20 ms}", after="[front]", replicas=4, balancing="random", errors="2 %",
          start_delay="1 s", queue="{limit: 30}"),
    "{name: vendor, after: [back], external: true, service: {kind: constant, mean: 3 ms}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(_case(), scenario="loss")


def _case() -> Case:
    return case(*STAGES, rate="100 request/s", extra=EXTRA)


def recorded(planned: Plan, step: int | None, engine: str = "simpy") -> tuple[Recorder, Timeline]:
    """One replication with its timeline."""
    recorder = replicate(
        planned, 0, engine, window_of(planned, 0, engine, lambda: None), lambda _: None, lambda: None, step=step
    )
    assert recorder.timeline is not None
    return recorder, recorder.timeline


@pytest.mark.parametrize("step", [None, SECOND // 4, SECOND, 7 * SECOND])
def test_rows_add_up_to_the_run(planned: Plan, step: int | None) -> None:
    """Every request stands in one row as offered and, once it has ended, in one as ended; and so do visits."""
    recorder, timeline = recorded(planned, step)
    arrivals = ArrivalStream(planned.load, planned.run.seed, 0).chunk(5_000).times
    assert timeline.offered.tolist() == np.histogram(arrivals, [0, *(timeline.times - 0.5)])[0].tolist()
    assert 0 <= timeline.offered.sum() - timeline.ended.sum() < 20, "those that came later may be in flight"
    assert timeline.good.sum() >= recorder.good > 0
    assert (timeline.good <= timeline.ended[:, [RequestEnd.COMPLETED, RequestEnd.DEGRADED]].sum(axis=1)).all()
    if step is not None:
        assert timeline.times[: 20 * SECOND // step].tolist() == list(range(step, 20 * SECOND + 1, step))
    spans = np.diff(timeline.times, prepend=0) / SECOND
    back = planned.network.names.index("back")
    joined = (timeline.stages["arrivals_per_s"][:, back] * spans).sum()
    assert joined == pytest.approx(round(joined))
    assert recorder.tally is not None
    assert joined >= int(recorder.tally.joins[back])


def test_a_row_of_the_whole_run_is_the_run() -> None:
    """With no warm-up, and a step as long as the window."""
    planned = plan(case(*STAGES, rate="100 request/s", extra="run: {warm_up: 0 s}"), duration=20.0, replications=1)
    recorder, timeline = recorded(planned, 20 * SECOND)
    result = simulate(planned, "simpy")
    for s, name in enumerate(planned.network.names):
        seen = result.stages[name]
        first = {measure: values[0, s] for measure, values in timeline.stages.items()}
        assert first["arrivals_per_s"] == pytest.approx(seen.arrivals_per_s)
        for measure in ("utilisation", "hit_ratio"):
            shown = getattr(seen, measure)
            assert (first[measure] == pytest.approx(shown, rel=0.01)) if shown is not None else np.isnan(first[measure])
    assert timeline.offered[0] == recorder.offered
    assert timeline.percentiles["p50"][0] == pytest.approx(result.latency_ms["p50"].value, rel=0.05)


def test_a_killed_replica_is_seen_to_go_and_to_come_back(planned: Plan) -> None:
    """Two of four from 8 s to 12 s, and a second to start."""
    _, timeline = recorded(planned, SECOND)
    there = timeline.stages["replicas"][:, planned.network.names.index("back")]
    assert there[:20].tolist() == [4.0] * 8 + [2.0] * 5 + [4.0] * 7
    assert np.isnan(timeline.stages["replicas"][:, planned.network.names.index("vendor")]).all()
    assert [mark[1:] for mark in timeline.marks] == [(8 * SECOND, 13 * SECOND)], "over when they are there again"
    result = simulate(planned, "simpy")
    back = result.stages["back"]
    assert back.replicas_mean == pytest.approx((4 * 14 + 2 * 5) / 19)
    assert (back.replicas, back.changed, result.stages["front"].changed) == (4, True, False)
    assert back.killed >= 1
    assert back.utilisation == pytest.approx(back.in_service / back.replicas_mean)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_result_does_not_depend_on_the_step(planned: Plan, engine: Any) -> None:
    plain, fine = (simulate(planned, engine, timeline=step) for step in (None, SECOND // 10))
    assert plain == replace(fine, events=plain.events), "it is looked at more often, so it may end earlier"
    assert plain.timeline is not None
    assert fine.timeline is not None
    assert len(fine.timeline.times) >= 200 > len(plain.timeline.times)


def test_both_planes_give_the_same_timeline(planned: Plan) -> None:
    one, other = (recorded(planned, SECOND // 2, engine)[1] for engine in ("simpy", "compiled"))
    assert one.as_json() == other.as_json()


def test_the_frame_is_tidy_and_says_what_the_json_says(planned: Plan) -> None:
    _, timeline = recorded(planned, SECOND)
    frame, shown = timeline.frame(), timeline.as_json()
    json.dumps(shown, allow_nan=False)
    assert list(frame.columns) == ["time_s", "stage", "measure", "value"]
    assert shown["step_s"] == 1.0
    ends = [end.name.lower() for end in ENDS]
    assert list(shown["measures"]) == ["offered", "goodput", *ends, "p50_ms", "p95_ms", "p99_ms"]
    assert list(shown["stages"]) == list(planned.network.names)
    assert list(shown["stages"]["back"]) == [
        *("waiting", "utilisation", "replicas", "arrivals_per_s", "hit_ratio", "error_share"),
    ]
    assert shown["events"] == [{"label": "back loses 2 replicas", "start_s": 8.0, "end_s": 13.0}]
    for stage_name, columns in (("", shown["measures"]), *shown["stages"].items()):
        for measure, values in columns.items():
            rows = frame[(frame.stage == stage_name) & (frame.measure == measure)]
            assert rows.time_s.tolist() == shown["time_s"]
            assert [None if v != v else v for v in rows.value.tolist()] == values


def test_too_many_rows_are_refused(planned: Plan) -> None:
    with pytest.raises(RunError, match=r"20,000 rows; it may have 10,000: choose a step of at least 0.002 s"):
        simulate(planned, "simpy", timeline=SECOND // 1000)


def test_the_command(tmp_path: Any) -> None:
    """In the JSON on request only; for people a table below the report."""
    path = tmp_path / "small.yaml"
    path.write_text(text(*STAGES, rate="100 request/s", extra=EXTRA))
    asked = ["run", str(path), "--scenario", "loss"]
    shown = json.loads(CliRunner().invoke(cli, [*asked, "--timeline", "5 s", "--json"]).stdout)
    assert shown["timeline"]["time_s"][:4] == [5.0, 10.0, 15.0, 20.0]
    assert shown["scenario"] == "loss"
    assert len(shown["recovery"]) == 1
    assert "timeline" not in json.loads(CliRunner().invoke(cli, [*asked, "--json"]).stdout)
    table = CliRunner().invoke(cli, [*asked, "--timeline", "5 s"]).stdout
    assert "In time" in table
    wrong = CliRunner().invoke(cli, [*asked, "--timeline", "often"])
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("--timeline: 'often': a number is missing")
