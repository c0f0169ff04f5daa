"""`python -m cases`: what it prints and how it ends."""

# ruff: noqa: E501 - messages stand whole beside what they are about

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cases import files
from cases.__main__ import cli

BAD = Path(__file__).parent / "bad"
GOOD = Path(__file__).parent / "good"
YOUTUBE = "youtube_recommendations"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "cases", *arguments], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_list() -> None:
    rows = json.loads(run("list", "--json").stdout)
    assert [row["id"] for row in rows] == list(files.catalog())
    assert all(row.keys() == {"id", "title", "question", "topics"} for row in rows)
    text = run("list").stdout
    assert all(row["title"] in text for row in rows)


def test_check_names_every_problem_of_every_file() -> None:
    result = run(
        "check", str(BAD / "several_errors_at_once.yaml"), str(GOOD / "minimal.yaml"), str(BAD / "zero_replicas.yaml")
    )
    assert result.exit_code == 1
    assert result.stdout == f"{GOOD / 'minimal.yaml'}: fine (1 stage, 0 estimates)\n"
    lines = result.stderr.splitlines()
    assert len(lines) == 12
    assert lines[-1].startswith(f"{BAD / 'zero_replicas.yaml'}:7: stages.desk.replicas: '0' is out of bounds")


def test_check_an_id() -> None:
    result = run("check", YOUTUBE)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("youtube_recommendations: fine (9 stages")


def test_show() -> None:
    shown = json.loads(run("show", YOUTUBE, "--json").stdout)
    assert shown["stages"][7]["replicas"] == 14
    assert shown["format"] == 1
    assert "evening_peak" in shown["designs"]
    text = run("show", YOUTUBE, "--design", "fewer_rankers", "--set", "stages.gateway.replicas=3").stdout
    case = files.loads(text, "shown.yaml")
    assert (case.stage("ranking").replicas, case.stage("gateway").replicas) == (10, 3)
    after = json.loads(run("show", YOUTUBE, "--set", "stages.gateway.replicas=3", "--json").stdout)
    assert after["stages"][0]["replicas"] == 3


def test_set_goes_over_design() -> None:
    shown = run("show", YOUTUBE, "--json", "--design", "fewer_rankers", "--set", "stages.ranking.replicas=11")
    assert json.loads(shown.stdout)["stages"][7]["replicas"] == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "stages.ranking.replicas=0"], "stages.ranking.replicas: '0' is out of bounds: a number of replicas is from 1 to 1,000,000; write for example '4'"),
        (["--set", "stages.rankin.replicas=3"], "stages.rankin.replicas: is not a path of this case; did you mean 'stages.ranking.replicas'?"),
        (["--set", "stages.ranking.replicas"], "--set 'stages.ranking.replicas' is not PATH=VALUE; write for example stages.ranking.replicas=20"),
        (["--design", "evening"], "'evening' is not a design of this case; did you mean 'evening_peak'?"),
        (["--set", "workload.rate=nan"], "workload.rate: 'nan' is not a rate: a number is missing; write for example '50 requests/s'"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(arguments: list[str], message: str) -> None:
    for command in ("show", "sheet"):
        result = run(command, YOUTUBE, *arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", message + "\n")


def test_sheet() -> None:
    result = run("sheet", YOUTUBE, "--json")
    assert result.exit_code == 0
    assert [claim["verdict"] for claim in json.loads(result.stdout)["claims"]] == [
        "supported", "rounded", "rounded", "too_high", "too_high"
    ]  # fmt: skip
    required = run("sheet", YOUTUBE, "--require")
    assert required.exit_code == 3
    assert required.stdout == run("sheet", YOUTUBE).stdout
    assert run("sheet", str(GOOD / "minimal.yaml"), "--require").exit_code == 0


def test_schema() -> None:
    assert run("schema").stdout == files.SCHEMA.read_text(encoding="utf-8")


def test_ends_of_real_processes() -> None:
    fine = process("sheet", YOUTUBE, "--json")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert json.loads(fine.stdout)["case"] == YOUTUBE
    wrong = process("check", str(BAD / "zero_replicas.yaml"), "no_such_case")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert len(wrong.stderr.splitlines()) == 2
    usage = process("show")
    assert usage.returncode == 2
    assert "Missing argument 'CASE'" in usage.stderr
    assert process("sheet", YOUTUBE, "--require").returncode == 3
