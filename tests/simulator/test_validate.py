"""The accuracy table: its rows, its rule, its command; and, in the long suite, that every row passes."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.errors import RunError
from cases.files import loads
from simulator import validate
from simulator.plan import Window, plan
from simulator.run import simulate
from simulator.semantics import Visit
from simulator.validation.experiments import (
    Experiment,
    Seen,
    experiment,
    experiments,
    three_or_more,
    variance_in_service,
)
from simulator.validation.targets import BY, TARGETS, Target, targets

ROWS = targets()
SIMULATED = [row for row in ROWS if row.by == "simulation"]


def row(**says: str) -> Target:
    """A row of which only what matters is said."""
    fields = {field.name: "" for field in dataclasses.fields(Target)}
    return Target(**fields | {"id": "X", "expected": "10", "by": "simulation", "slack": "5%"} | says)


# -- the rows ---------------------------------------------------------------------------------------------------------


def test_the_rows_are_there() -> None:
    """The variance in M/G/inf and the retries that keep an overload up are rows of ours; the others came to us."""
    counts = {
        "FAN1": 3, "FAN2": 4, "FAN3": 2, "FAN4": 2, "HED1": 2, "HED2": 2, "HED4": 1, "ERB": 7, "ERC": 12, "POOL": 1,
        "MM1": 5, "PK": 9, "PS": 2, "KING": 2, "DM1": 2, "MM1K": 3, "ERA": 3, "PRIO": 1, "VAC": 1, "MGI": 2, "FJ": 2,
        "JACK": 1, "MVA": 4, "POD": 10, "CHE": 30, "TTL": 3, "LIT": 2, "PASTA": 1, "AMD": 1, "USL": 1, "AVL": 4,
        "RTY": 4, "BAT": 7, "HPA": 3, "META": 2, "ABT": 2, "HLL": 1, "BLM": 1, "SPK": 1, "SEED": 3, "FACE": 1,
    }  # fmt: skip
    assert Counter(one.id for one in ROWS) == counts
    assert len({one.what for one in ROWS}) == len(ROWS)


def test_every_row_says_by_what() -> None:
    assert {one.by for one in ROWS} == set(BY)
    for one in ROWS:
        assert one.source or one.kind != "published", one.what
        assert bool(one.slack) == (one.by == "simulation"), one.what
        assert one.reason or one.by != "not_offered", one.what


@pytest.mark.parametrize("one", SIMULATED, ids=lambda one: one.what)
def test_no_slack_is_wider_than_the_tolerance_of_its_source(one: Target) -> None:
    """Where the source puts it as a share; with 'exact' or '3 sigma', or where a reason is given, the slack is ours."""
    assert one.allowed is not None
    assert one.number is not None
    head = one.tolerance.partition(" ")[0]
    if head.endswith("%") and "scv10" not in one.inputs and not one.reason:
        assert one.allowed <= one.number * float(head[:-1]) / 100 * (1 + 1e-9)
    assert one.allowed <= 0.15 * one.number


@pytest.mark.parametrize("one", [one for one in ROWS if experiments(one)], ids=lambda one: one.what)
def test_every_simulated_row_has_cases(one: Target) -> None:
    what = experiment(one)
    assert what.requests >= 100
    for text in what.cases:
        loads(text, "accuracy.yaml")


def test_numbers_and_slack_are_read() -> None:
    one = row(inputs="rho=.8 ca2=0.5 lambda*T=10 lambda=10000/s b=32 E[S2]=3.2", slack="0.5%")
    assert one.given == {"rho": 0.8, "ca2": 0.5, "lambda*T": 10.0, "lambda": 10_000.0, "b": 32.0}
    assert one.allowed == pytest.approx(0.05)
    assert row(slack="0.005 abs").allowed == 0.005
    assert row(expected="1/5/10").number is None


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"by": "guess"}, "targets.csv:2: by 'guess'; write one of simulation, formula, shown, not_offered"),
        ({"slack": ""}, "targets.csv:2: no slack around a number; write for example '2%' or '0.005 abs'"),
        ({"slack": "2"}, "targets.csv:2: no slack around a number"),
        ({"expected": "1/5/10"}, "targets.csv:2: no slack around a number"),
        ({"by": "not_offered", "slack": ""}, "targets.csv:2: is not offered and says no reason"),
    ],
)
def test_a_row_that_does_not_say_what_it_must(tmp_path: Path, says: dict[str, str], message: str) -> None:
    written = dataclasses.asdict(row(**says))
    with (tmp_path / "targets.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(written))
        writer.writeheader()
        writer.writerow(written)
    with pytest.raises(RunError, match=message.replace("(", r"\(")):
        targets(tmp_path / "targets.csv")


def test_a_table_of_another_shape(tmp_path: Path) -> None:
    path = tmp_path / "targets.csv"
    path.write_text("id,name\nA,B\n", encoding="utf-8")
    with pytest.raises(RunError, match="the columns are id, name; write id, name, inputs"):
        targets(path)
    path.write_text(TARGETS.read_text(encoding="utf-8").partition("\n")[0] + "\nA,B\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"targets\.csv:2: has not as many fields"):
        targets(path)


# -- the rule ---------------------------------------------------------------------------------------------------------


def test_the_rule() -> None:
    """A wide interval proves nothing, a biased one is wrong, and one that meets the slack passes."""
    assert validate.judged(row(), [10.1, 10.2, 10.15, 10.12, 10.18]).passed
    assert not validate.judged(row(), [9.0, 11.0, 8.0, 12.0]).passed
    assert not validate.judged(row(), [10.8, 10.81, 10.79, 10.8]).passed
    assert validate.judged(row(slack="0.81 abs"), [10.8, 10.81, 10.79, 10.8]).passed
    assert validate.judged(row(), [10.5, 10.5, 10.5]).passed


def test_the_interval() -> None:
    """t of 99.99 % with 4 degrees of freedom is 15.544."""
    mean, half = validate.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    assert half == pytest.approx(15.5441 * math.sqrt(2.5 / 5), rel=1e-4)


# -- measures that need a trace ---------------------------------------------------------------------------------------


def seen(*visits: tuple[int, int, int], window: tuple[int, int]) -> Seen:
    """Replica, join (and start), end of visits; nothing else of a replication."""
    trace = np.full((len(visits), len(Visit._fields)), -1, dtype=np.int64)
    for column, name in enumerate(("replica", "join", "end")):
        trace[:, Visit._fields.index(name)] = [visit[column] for visit in visits]
    trace[:, Visit._fields.index("start")] = trace[:, Visit._fields.index("join")]
    trace[:, Visit._fields.index("stage")] = 0
    return Seen(None, None, Window(0, len(visits), *window), trace)  # type: ignore[arg-type]


def test_the_variance_of_the_number_in_service() -> None:
    """Between 10 and 20: nobody for 2, one for 6, two for 2."""
    shown = seen((0, 0, 12), (0, 14, 18), (0, 16, 25), window=(10, 20))
    assert variance_in_service(shown) == pytest.approx(0.4)
    never_over = seen((0, 0, 12), (0, 14, -1), window=(10, 20))
    assert variance_in_service(never_over) == pytest.approx(0.8 * 0.2)


def test_the_share_of_replicas_with_three() -> None:
    """The first replica has three from 12 to 15, the second never."""
    shown = seen((0, 0, 15), (0, 5, 16), (0, 12, 18), (1, 0, 30), (1, 11, 30), window=(10, 20))
    assert three_or_more(4)(shown) == pytest.approx(3 / 40)


# -- running ----------------------------------------------------------------------------------------------------------


def cheap(*ids: str) -> list[str]:
    return [part for one in ids for part in ("--only", one)]


def test_a_few_rows_from_the_command_line() -> None:
    done = CliRunner().invoke(validate.command, [*cheap("RTY", "HPA", "HED4"), "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)["rows"]
    assert [one["id"] for one in rows] == ["HED4"] + ["RTY"] * 4 + ["HPA"] * 3
    for one in rows:
        assert {"id", "by", "target", "value", "low", "high", "slack", "passed", "source"} <= one.keys()
        assert one["passed"] is (None if one["id"] == "HED4" else True)
    assert rows[1]["target"] == 1.11
    assert rows[1]["low"] <= rows[1]["value"] <= rows[1]["high"]
    assert rows[0]["value"] is None
    again = CliRunner().invoke(validate.command, [*cheap("RTY", "HPA", "HED4"), "--json"])
    assert again.output == done.output


def test_the_table_says_what_was_not_run() -> None:
    done = CliRunner().invoke(validate.command, cheap("FAN4", "AMD"))
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0].split() == [
        "id",
        "by",
        "inputs",
        "output",
        "target",
        "value",
        "interval",
        "slack",
        "passed",
        "source",
    ]
    assert lines[1].split()[:2] == ["FAN4", "shown"]
    assert "0 of 0 simulated rows pass." in lines
    assert "Besides: 1 by formula, which the estimators answer for, 2 published ones shown beside ours." in lines


def test_what_takes_long_is_not_run_every_day() -> None:
    (one,) = validate.validate([one for one in SIMULATED if one.id == "MM1" and one.given["rho"] == 0.95])
    assert one == validate.Judged(one.target)
    assert "not run (--full)" in validate.cells(one)
    assert "0 of 1 simulated rows pass, 1 were not run, which needs --full." in validate.summary([one])


def test_figures_in_the_table() -> None:
    """Half-widths and slack in two digits; the last bits of a mean of equal figures are no spread."""
    shown = validate.Judged(row(expected="2500", slack="5%"), (2501.26,), 2501.26 - 138.4, 2501.26 + 138.4, True)
    assert validate.cells(shown)[4:9] == ("2500", "2501.3", "±140", "±120", "yes")
    assert validate.cells(shown._replace(low=2501.26, high=2501.26 + 1e-12))[6] == "±0"


def test_markdown() -> None:
    done = CliRunner().invoke(validate.command, [*cheap("RTY", "PS", "BAT"), "--markdown"])
    assert done.exit_code == 0
    assert "| what | inputs | output | target | simulated | slack | passed |" in done.output
    assert "| p=0.1 r=3 | attempts per request | 1.11 | 1.1" in done.output
    assert "| 200x1 / 100x2 / 50x4 | 31 / 17 / 14 ms | 31/17/10 |" in done.output
    assert "- M/G/1 processor sharing, any scv, service mean 1: a worker serves one visit at a time" in done.output


def test_a_wrong_target_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    right = next(one for one in SIMULATED if one.inputs == "p=0.5 r=4")
    monkeypatch.setattr(validate, "targets", lambda: [dataclasses.replace(right, expected="1.95")])
    done = CliRunner().invoke(validate.command, [])
    assert done.exit_code == 3
    assert "NO" in done.output
    assert "failed: RTY immediate retries" in done.output


def test_a_row_that_there_is_not() -> None:
    with pytest.raises(RunError, match="--only: 'MM2' is not a row; did you mean 'MM1'"):
        validate.chosen(["MM2"])


def test_giving_up_stops_the_runs() -> None:
    def enough(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(validate.validate([one for one in SIMULATED if one.id in ("RTY", "MM1")], progress=enough))


def test_a_replication_is_that_of_a_run() -> None:
    """The table's figures are those of `simulate`, replication by replication."""
    one = next(one for one in SIMULATED if one.inputs == "p=0.5 r=4")
    what: Experiment = experiment(one)
    (shown,) = validate.validate([one])
    planned = plan(
        loads(what.cases[0], "accuracy.yaml"),
        seed=validate.seed_of(one),
        requests=what.requests,
        replications=what.replications,
    )
    assert simulate(planned).stages["server"].attempts_per_visit == pytest.approx(shown.value[0], rel=1e-12)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_row_passes() -> None:
    done = list(validate.validate(ROWS))
    assert not [one.target.what for one in done if one.passed is False]
    assert sum(one.passed is True for one in done) >= 70
