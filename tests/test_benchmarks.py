"""The benchmarks' instruments: what they compare with is the same model, and what is below its floor fails."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from benchmarks import behaviours, line, pipeline, plain_c, planes
from benchmarks.measure import Floor, NotShownError, agree, hold
from cases.files import loads

MEAN_MS = 30.2  # of the pipeline, as five implementations find it


@pytest.mark.parametrize(
    ("values", "kept"),
    [([0.4, 0.5, 9.0], True), ([0.3, 0.34, 9.0], False), ("there is no compiler", False)],
)
def test_a_median_below_its_floor_or_not_shown_is_not_kept(
    values: list[float] | str, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hold([Floor("plain C", values, 0.35, 0.7)]) is kept
    assert ("BELOW" in capsys.readouterr().out) is (values == [0.3, 0.34, 9.0])


def test_latencies_that_differ_beyond_chance_do_not_agree() -> None:
    noisy = [29.8, 30.3, 30.1, 29.9]
    assert agree(noisy, [30.2, 30.0, 30.4, 29.9])
    assert not agree(noisy, [value * 1.04 for value in noisy])


def test_line_is_given_the_pipeline() -> None:
    told = line.model(pipeline.STAGES, pipeline.AFTER, pipeline.RATE)["model"]
    routes = told["routing"]["matrix"]["request,request"]
    case = loads(pipeline.case_text(), "pipeline.yaml")
    assert list(routes["fork"]) == ["friends", "similar", "fresh"]
    way, at = [], "source"
    while at != "sink":
        at = next(iter(routes[at]))
        way.append(at)
    assert way == ["gateway", "fork", "friends", "join", "features", "ranking", "sink"]
    for node in told["nodes"]:
        if node["type"] == "Queue":
            law, stage = node["service"]["request"]["params"], case.stage(node["name"])
            assert node["servers"] == stage.concurrency
            assert math.exp(law["mu"] + law["sigma"] ** 2 / 2) * 1000 == pytest.approx(pipeline.STAGES[node["name"]][1])


def test_plain_c_is_the_same_model(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    told = plain_c.solver(pipeline.STAGES, pipeline.RATE, 200_000, tmp_path)(1)
    ours = planes.run(loads(pipeline.case_text(), "pipeline.yaml"), "compiled", 200_000, 1).as_json()
    assert told["requests"] == {name: ours["requests"][name] for name in ("offered", "completed")}
    assert told["latency_ms"]["mean"]["value"] == pytest.approx(MEAN_MS, rel=0.02)
    for name, latency in told["latency_ms"].items():
        assert latency["value"] == pytest.approx(ours["latency_ms"][name]["value"], rel=0.1), name
    for name, stage in told["stages"].items():
        workers, mean, _ = pipeline.STAGES[name]
        assert stage["arrivals_per_s"] == pytest.approx(pipeline.RATE, rel=0.01), name
        assert stage["service_ms"]["mean"] == pytest.approx(mean, rel=0.02), name
        assert stage["utilisation"] == pytest.approx(pipeline.RATE * mean / 1000 / workers, rel=0.02), name
        wait, queue = stage["wait_ms"], stage["queue_length"]
        assert queue["mean"] == pytest.approx(stage["arrivals_per_s"] * wait["mean"] / 1000, rel=0.01), name  # Little
        theirs = ours["stages"][name]
        assert wait["mean"] == pytest.approx(theirs["wait_ms"]["mean"], rel=0.25), name
        assert wait["p99"] == pytest.approx(theirs["wait_ms"]["p99"], rel=0.25), name
        assert queue["max"] == pytest.approx(theirs["queue_length"]["max"], rel=0.75), name


def test_line_tells_how_busy_a_stage_is(tmp_path: Path) -> None:
    if not line.PROGRAM.exists():
        pytest.skip("LINE is not installed")
    described = line.model(pipeline.STAGES, pipeline.AFTER, pipeline.RATE)
    found = line.runner(described, list(pipeline.STAGES), 100_000, tmp_path)(1).found
    workers, mean, _ = pipeline.STAGES["ranking"]
    assert found["ranking busy %"] == pytest.approx(pipeline.RATE * mean / 10 / workers, rel=0.03)
    assert found["mean ms"] == pytest.approx(MEAN_MS, rel=0.05)


def test_without_a_compiler_or_line_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.plain_c.shutil.which", lambda _: None)
    with pytest.raises(NotShownError, match="no C compiler"):
        plain_c.solver(pipeline.STAGES, pipeline.RATE, 1_000, tmp_path)
    monkeypatch.setattr("benchmarks.line.PROGRAM", tmp_path / "ldes")
    with pytest.raises(NotShownError, match="LINE is not installed"):
        line.runner({}, ["one"], 1_000, tmp_path)


@pytest.mark.parametrize("one", behaviours.mixed(), ids=lambda one: one.title)
def test_what_the_mixed_cases_say_happens(one: behaviours.Mixed) -> None:
    counts = behaviours.happenings(one.case, 40_000)
    assert {name for name, many in counts.items() if not many} == one.without


def test_planes_agree_on_the_pipeline() -> None:
    assert planes.same(loads(pipeline.case_text(), "pipeline.yaml"), 1_000)
