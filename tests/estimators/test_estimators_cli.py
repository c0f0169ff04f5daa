"""python -m estimators check: its JSON is a contract, its exit codes too."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from estimators.__main__ import LATER, main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), prog_name="python -m estimators")


def checked(calculation: str, states: str | None = None) -> dict:
    result = run("check", calculation, *(["--states", states] if states else []), "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_the_articles_storage() -> None:
    answer = checked("500 B * 800e9", "4 PB")
    assert {"says", "stated", "computed", "unit", "ratio", "verdict", "working", "slip"} <= answer.keys()
    assert answer["says"] == "500 B * 800e9 = 4 PB"
    assert (answer["stated"], answer["computed"], answer["unit"]) == (4, 0.4, "PB")
    assert answer["ratio"] == pytest.approx(10)
    assert answer["verdict"] == "too_high"
    assert answer["slip"] == "a factor of ten"
    assert answer["working"] == "500 B × 800e9 = 0.4 PB"


def test_count_nouns_are_forgiven_in_a_product_and_said() -> None:
    answer = checked("50M users * 10 events/user/hour * 500 B", "70 MB/s")
    assert answer["verdict"] == "supported"
    assert answer["computed"] == pytest.approx(50e6 * 10 / 3600 * 500 / 1e6)
    assert answer["note"] == "500 B read as per event"
    assert checked("10M users * 20/day", "2300 requests/s")["note"] == "user read as request"
    assert checked("50M users * 10 events/user/hour * 500 B", "70 MB")["verdict"] == "wrong_dimension"
    assert checked("5 users", "5 requests")["verdict"] == "wrong_dimension"  # no product: nothing left over
    assert checked("500 B/row * 3 rows", "1.5 kB")["note"] is None


@pytest.mark.parametrize(
    ("calculation", "states", "verdict", "ratio", "slip"),
    [
        ("7.5e9 loads / 1 month", "10M requests/s", "too_high", 3456, None),
        ("150e9 views/month * 10 %", "15 billion views/month", "supported", 1, None),
        ("15e9 watches/month / 2 watch/load", "7.5 billion loads/month", "supported", 1, None),
        ("98 * 7.5e9", "750 billion", "rounded", 750 / 735, None),
        ("10 Gbps * 1 s", "10 GB", "too_high", 8, "eight: bits for bytes"),
        ("86,400 requests / 1 day", "86,400 QPS", "too_high", 86_400, "86,400: per day against per second"),
        (
            "1 TiB",
            "1 TB",
            "rounded",
            1 / 1.024**4,
            "1.024 per prefix step (4): decimal against binary prefixes",
        ),
        ("30 * $2.50/hour * 1 day", "$75", "too_low", 1 / 24, "24: per day against per hour"),
        ("99.9 % ^ 3", "99.7 %", "supported", 1.0, None),
    ],
)
def test_checks(calculation: str, states: str, verdict: str, ratio: float, slip: str | None) -> None:
    answer = checked(calculation, states)
    assert (answer["verdict"], answer["slip"]) == (verdict, slip)
    assert answer["ratio"] == pytest.approx(ratio, rel=1e-4)
    assert answer["ratio"] == pytest.approx(answer["stated"] / answer["computed"])


def test_wrong_dimension_gives_the_computed_value_in_its_own_unit() -> None:
    answer = checked("4 PB / 1 month", "4 PB")
    assert answer["verdict"] == "wrong_dimension"
    assert answer["ratio"] is None
    assert answer["slip"] is None
    assert (answer["stated"], answer["unit"]) == (4, "PB")
    assert answer["computed_unit"] == "GB/s"
    assert answer["computed"] == pytest.approx(4e6 / 2_592_000)


def test_without_a_stated_number() -> None:
    answer = checked("98 * 7.5e9 loads")
    assert answer["computed"] == 735e9
    assert answer["unit"] == "loads"
    assert answer["stated"] is answer["ratio"] is answer["verdict"] is answer["slip"] is None
    assert run("check", "98 * 7.5e9 loads").output == "98 × 7.5e9 loads = 735 billion loads\n"


def test_for_reading() -> None:
    assert run("check", "500 B * 800e9", "--states", "4 PB").output.splitlines() == [
        "500 B × 800e9 = 0.4 PB",
        "stated: 4 PB",
        "ten times too high: its own numbers give 0.4 PB; looks like a slip of a factor of ten",
    ]
    assert "note: 500 B read as per event" in run("check", "3 event * 500 B", "--states", "1.5 kB").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("1 byte + 1 request",), "'1 byte', which is B, and '1 request', which is request"),
        (("9**9**9",), "exponent"),
        (("1 / 0",), "divides by zero"),
        (("__import__('os')",), "has no meaning"),
        (("12 parsecs",), "not a unit"),
        (("daily_users * 2",), "'daily_users' is not known here"),
        (("users * 2",), "'users' is a unit without a number"),
        (("1..2 ms",), "ranges"),
        (("",), "empty"),
        (("nan",), "is no number"),
        (("9" * 100_000,), "at most 2,000"),
        (("1", "--states", "5 parsecs"), "not a unit"),
        (("1", "--states", "1..2"), "is a range"),
        (("1", "--states", ""), "missing"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_bad_input_is_one_line_and_exit_code_1(arguments: tuple[str, ...], says: str, as_json: bool) -> None:
    result = run("check", *arguments, *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_wrong_usage_is_exit_code_2() -> None:
    assert run("check").exit_code == 2
    assert run("check", "1", "2").exit_code == 2
    assert run("check", "1", "--stats", "2").exit_code == 2
    assert run("chek").exit_code == 2


def test_require_and_rounding() -> None:
    assert run("check", "2 * 3", "--states", "8", "--require").exit_code == 0
    assert run("check", "2 * 3", "--require").exit_code == 0
    assert run("check", "2 * 3", "--states", "20").exit_code == 0
    assert run("check", "2 * 3", "--states", "20", "--require").exit_code == 3
    assert run("check", "2 * 3", "--states", "20", "--require", "--rounding", "4").exit_code == 0
    assert run("check", "2 * 3 B", "--states", "6 s", "--require").exit_code == 3
    wrong = run("check", "2 * 3", "--states", "20", "--rounding", "nan")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "at least 1" in wrong.stderr


def test_the_number_may_stand_in_the_calculation() -> None:
    assert run("check", "500 B * 800e9 = 4 PB").output == run("check", "500 B * 800e9", "--states", "about 4 PB").output


def test_help_names_every_command() -> None:
    printed = run("--help").output
    assert all(f"\n  {name} " in printed for name in ("check", "sheet", *LATER))


def test_a_calculation_may_begin_with_a_minus() -> None:
    assert run("check", "-5 ms * 2").output == "-5 ms × 2 = -10 ms\n"


def python_m(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "estimators", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_as_a_program() -> None:
    bare = python_m()
    assert bare.returncode == 0
    assert "check" in bare.stdout
    assert "Usage: python -m estimators" in bare.stdout
    bad = python_m("check", "1 byte + 1 request")
    assert bad.returncode == 1
    assert bad.stdout == ""
    assert "Traceback" not in bad.stderr
    assert bad.stderr.count("\n") == 1


def test_start_up_does_without_numpy() -> None:
    code = "import sys, estimators.__main__, estimators.sheet; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
