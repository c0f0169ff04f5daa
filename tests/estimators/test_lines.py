"""Typed lines as a sheet: what each line is, what is wrong with which, and that a case takes what is printed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.sheets import estimates, judged_claims
from estimators import lines_text
from estimators.__main__ import main
from estimators.errors import FormulaError
from estimators.lines import MAX_LINES, MAX_PROBLEMS, Answer, read
from estimators.units import Range
from tests.cases.small_texts import desk

FEED = """# a feed
counts: heatmap, tile
daily_users = 8e6..12e6 user/day   # one "large" region: \\ 100 %
visits_each = 4 visit/user
visit_rate = daily_users * visits_each in visit/s

log_rate = visit_rate * 2 KB states about 1 MB/s  # nobody measured it
visit_rate * 30 days
storage = 800e9 rows * 500 B ≈ 4 PB
peak = 3 x visit_rate = 1400 QPS
heat = 1,000 heatmaps * 64 tiles/heatmap
log_rate * 2 = 1.8 MB/s
"""


def answers(text: str, states: str = "") -> dict[int, Answer]:
    lines = read(text, states)
    assert lines.problems == []
    return {answer.line.number: answer for answer in lines.answers}


def problems(text: str, states: str = "") -> list[tuple[int, str]]:
    return read(text, states).problems


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["sheet", *arguments], input=text, prog_name="python -m estimators")


def test_each_line_is_what_it_says() -> None:
    got = answers(FEED)
    assert list(got) == [3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert isinstance(got[3].value, Range)
    assert got[3].result is None
    assert got[3].line.comment == 'one "large" region: \\ 100 %'
    rate = (8e6 * 12e6) ** 0.5 * 4 / 86_400  # a range's point is the geometric mean
    assert got[5].result is not None
    assert got[5].result.value.value == pytest.approx(rate)
    assert got[5].unit == "visit/s"
    assert str(got[5].working).startswith(
        "visit_rate = daily_users × visits_each = 9.798 million user/day × 4 visit/user"
    )
    assert got[8].working is not None
    assert str(got[8].working).startswith("visit_rate × 30 days = 453.6 visit/s × 30 days")
    assert got[11].result is not None
    assert str(got[11].result.value.dimension) == "tile"


def test_intervals_where_ranges_lie_beneath() -> None:
    got = answers(FEED)
    rate, storage = got[5].result, got[9].result
    assert rate is not None
    assert rate.low is not None
    assert rate.low.value == pytest.approx(8e6 * 4 / 86_400, rel=0.02)  # one range: its own ends, times four
    assert storage is not None
    assert storage.low is None


def test_verdicts() -> None:
    verdicts = {number: answer.verdict for number, answer in answers(FEED).items() if answer.verdict}
    assert {number: one.verdict for number, one in verdicts.items()} == {
        7: "supported",  # inside the interval
        9: "too_high",
        10: "supported",
        12: "supported",
    }
    assert verdicts[9].slip == "a factor of ten"
    assert verdicts[9].ratio == pytest.approx(10)


def test_what_is_read_in_is_said_and_counts_for_later_lines() -> None:
    got = answers(FEED)
    assert got[7].note == "2 KB read as per visit"
    assert str(got[7].working) == "log_rate = visit_rate × 2 KB = 453.6 visit/s × 2 KB = 0.9072 MB/s"
    assert got[12].note is None  # log_rate is B/s by now
    assert (
        answers("a = 5 users/s\na * 3 views * 2 KB = 30 kB/s")[2].note
        == "3 views read as per user; 2 KB read as per view"
    )
    assert answers("(2 users + 3 users) * 5 B = 25 B")[1].note == "5 B read as per user"
    assert answers("10M views/day / 86,400 s = 115 views/s")[1].note is not None


def test_one_number_for_one_calculation() -> None:
    verdict = answers("# typed\n500 B * 800e9   # rows\n", "about 4 PB")[2].verdict
    assert verdict is not None
    assert verdict.verdict == "too_high"
    assert problems("1 B\n2 B", "3 B") == [
        (0, "'3 B' is stated for which line? Write it there: 'FORMULA states NUMBER'")
    ]
    assert "more than one number" in problems("1 B = 2 B", "3 B")[0][1]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a = 5 parsecs", 1, "'parsecs' is not a unit"),
        ("\n\na = 1 B + 1 s", 3, "cannot add or subtract '1 B', which is B, and '1 s', which is s"),
        ("a = 1/0 s", 1, "divides by zero"),
        ("a = 2..1 ms", 1, "the range is upside down"),
        ("a = 1 s..2 B", 1, "the ends differ"),
        ("a = nan", 1, "'nan' is no number"),
        ("a = inf s", 1, "'inf s'"),
        ("a = 9**9**9", 1, "an exponent must be a number"),
        ("a = １２", 1, "has no meaning here"),  # full-width digits
        ("a = 1\x07", 1, "has no meaning here"),
        ("a = " + "(" * 900 + "1" + ")" * 900, 1, "nested more than"),
        ("a = 1" + "+1" * 5_000, 1, "at most 2,000"),
        ("1" * 1_000_000, 0, "a sheet takes at most 20,000"),
        ("1\n" * 100_000, 0, "a sheet takes at most 20,000"),
        ("1\n" * 300, 0, "lines; a sheet takes at most 200"),
        ("\n".join(f"n{n} = {n}" for n in range(10_000)), 0, "at most 20,000"),
        ("\n".join(f"{n} B = 1 B" for n in range(1, 150)), 101, "more than 100 numbers are stated"),
        ("a = b * 2\nb = 3 s", 1, "'b' is given in line 2; a line uses the names of lines before it"),
        ("a = a + 1", 1, "'a' is given in line 1"),
        ("daily_users = 5\nx1 = daily_user * 2", 2, "did you mean 'daily_users'?"),
        ("a = 1\na = 2", 2, "'a' stands in line 1 already"),
        ("Peak rate = 5", 1, "'Peak rate' is not a name; small letters, digits and _ make one, as in 'peak_rate'"),
        ("a" * 41 + " = 5", 1, "is not a name"),
        ("QPS = 5", 1, "'QPS' is a unit, no name may be one; write for example 'total_qps'"),
        ("min = 5", 1, "is a unit"),
        ("ceil = 5", 1, "has a meaning in formulas"),
        ("1..2 ms", 1, "a range is an assumption, which is a line with a name and nothing else"),
        ("a = 1..2 s in ms", 1, "a range is an assumption"),
        ("a = 1..2 s states 3 s", 1, "a range is an assumption"),
        ("a = 5 GB in ms", 1, "the unit 'ms' is s"),
        ("a = 5 GB states lots", 1, "a number is missing"),
        ("a = 1 = 2 = 3", 1, "more than one number is stated"),
        ("a =", 1, "the formula is empty"),
        ("peak: 5", 1, "a name as 'peak = 2 * 3500 QPS'"),
        ("counts: k\n1 B", 1, "'k' cannot be a count"),
        ("counts: min\n1 B", 1, "is a unit already"),
        ("", 0, "nothing to compute"),
        ("# only this", 0, "nothing to compute"),
        ("eval(1)", 1, "is not a function"),
        ("__import__('os').system('true')", 1, "has no meaning here"),
    ],
)
def test_a_problem_has_its_line_one_message_and_comes_within_a_second(text: str, line: int, says: str) -> None:
    began = time.process_time()
    lines = read(text)
    found = lines.problems
    assert time.process_time() - began < 1
    assert [number for number, _ in found][:1] == [line]
    assert says in found[0][1]
    for _, message in found:
        assert message.isprintable()
        assert len(message) < 400
    with pytest.raises(FormulaError) as error:
        lines.checked()
    assert str(error.value).splitlines()[0] == (f"line {line}: {found[0][1]}" if line else found[0][1])


def test_all_problems_at_once_and_no_follow_ups() -> None:
    text = "a = 5 parsecs\nb = a * 2\nc = 1 B + 1 s\nd = b + c\ne = 1/0\nf = e * 2\ng = 2 * 3"
    lines = read(text)
    assert [number for number, _ in lines.problems] == [1, 3, 5]
    assert [answer.line.name for answer in lines.answers] == ["g"]  # the rest is computed all the same
    assert len(problems("\n".join(f"zz{n} * 2" for n in range(MAX_LINES)))) == MAX_PROBLEMS


def test_a_full_sheet_with_ranges_is_bounded() -> None:
    text = "\n".join(["a0 = 1..2 s", *(f"a{n} = a{n - 1} * 1.01" + " + a0" * 10 for n in range(1, MAX_LINES))])
    began = time.process_time()
    lines = read(text)
    assert len(lines.answers) == MAX_LINES
    assert time.process_time() - began < 5


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(FEED.splitlines()),
            st.lists(
                st.sampled_from(["a", "=", "5 MB", "..", "*", "states", "in", "#", "GB", "1 QPS"]), max_size=7
            ).map(" ".join),
        ),
        max_size=5,
    ).map("\n".join)
)
def test_any_text_has_answers_or_problems(text: str) -> None:
    lines = read(text)
    assert lines.answers or lines.problems
    assert lines_text.as_yaml(lines)
    json.dumps(lines_text.as_json(lines))
    assert isinstance(lines_text.readable(lines), str)


def test_a_case_takes_what_is_printed_and_comes_to_the_same() -> None:
    lines = read(FEED).checked()
    case = desk(more=lines_text.as_yaml(lines))
    theirs = estimates(case)
    ours = {answer.line.name: answer.result for answer in lines.answers if answer.result}
    assert theirs.keys() == ours.keys()
    for name, result in ours.items():
        assert theirs[name].value.value == pytest.approx(result.value.value, rel=1e-12), name
        assert theirs[name].value.dimension == result.value.dimension
        assert theirs[name].unit == result.unit
        assert (theirs[name].low is None) == (result.low is None)
    verdicts = {answer.line.name: answer.verdict for answer in lines.answers if answer.verdict}
    assert {claim.of: verdict.verdict for claim, verdict in judged_claims(case)} == {
        name: verdict.verdict for name, verdict in verdicts.items() if verdict
    }
    assert case.counts == ["heatmap", "tile"]
    assert case.assumptions["daily_users"].basis.kind == "estimate"
    assert case.assumptions["daily_users"].basis.note == "typed in a sheet"
    assert case.assumptions["daily_users"].note == 'one "large" region: \\ 100 %'
    assert case.estimates["log_rate"].note == "nobody measured it"


@pytest.mark.parametrize(
    "comment",
    ["'single'", '"double"', "a: b, {c} [d]", "\\n", "é ✓ 😀", "\x07bell", "\x85", "x" * 5_000, "# ## #", "%&*!|>"],
)
def test_any_comment_is_quoted(comment: str) -> None:
    case = desk(more=lines_text.as_yaml(read(f"a = 5 MB # {comment}\na * 2 # {comment}")))
    assert list(estimates(case)) == ["line_2"]


def test_a_sheet_without_claims_has_no_sources() -> None:
    assert lines_text.as_yaml(read("a = 5 MB\nb = a * 2")) == (
        'assumptions:\n  a: {value: "5 MB", basis: {kind: "estimate", note: "typed in a sheet"}}\n'
        'estimates:\n  b: {formula: "a * 2"}\n'
    )


# -- python -m estimators sheet -------------------------------------------------------------------------------------


def test_for_reading() -> None:
    text = "daily = 8..12 user/day\nrate = daily * 4 visit/user in visit/day\nrate * 2 KB = 1 MB/day\n"
    printed = run("-", text=text).output.splitlines()
    assert [re.sub("interval .*", "interval", line) for line in printed] == [
        "daily = 8..12 user/day",
        "rate = daily × 4 visit/user = 9.798 user/day × 4 visit/user = 39.19 visit/day",
        "    90 % interval",
        "rate × 2 KB = 39.19 visit/day × 2 KB = 0.07838 MB/day",
        "    90 % interval",
        "    note: 2 KB read as per visit",
        "    stated: 1 MB/day",
        "    13 times too high: its own numbers give 0.07838 MB/day",
    ]
    assert re.fullmatch(r"    90 % interval 3[12][.\d]* visit/day to 4[78][.\d]* visit/day", printed[2])


def test_json_has_the_keys_of_a_cases_sheet_and_the_lines() -> None:
    result = run("-", "--json", text=FEED)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer.keys() == {"counts", "assumptions", "estimates", "claims"}
    assert answer["assumptions"]["daily_users"] == {
        "value": pytest.approx((8e6 * 12e6) ** 0.5),
        "low": pytest.approx(8e6),
        "high": pytest.approx(12e6),
        "unit": "user/day",
        "line": 3,
    }
    assert answer["estimates"]["storage"] == {
        "value": pytest.approx(0.4),
        "low": None,
        "high": None,
        "unit": "PB",
        "working": "storage = 800e9 rows × 500 B = 0.4 PB",
        "note": "500 B read as per row",
        "line": 9,
    }
    claim = next(one for one in answer["claims"] if one["of"] == "storage")
    assert (claim["says"], claim["line"]) == ("800e9 rows * 500 B = 4 PB", 9)
    assert (claim["stated"], claim["computed"], claim["unit"]) == (4, pytest.approx(0.4), "PB")
    assert (claim["ratio"], claim["verdict"], claim["slip"]) == (pytest.approx(10), "too_high", "a factor of ten")


def test_files_and_exit_codes(tmp_path: Path) -> None:
    file = tmp_path / "sheet.txt"
    file.write_bytes(b"\xef\xbb\xbfa = 5 MB\r\nb = a * 2 states 10 MB\r\n")  # as a Windows editor writes it
    assert run(str(file), "--require").exit_code == 0
    assert run(str(file), "--yaml").output.startswith("assumptions:\n  a: ")
    file.write_text("1 B = 3 B")
    assert run(str(file)).exit_code == 0
    assert run(str(file), "--require").exit_code == 3
    file.write_bytes(b"a = 5 \xff\xfe MB\n")
    assert "line 1: " in run(str(file)).stderr
    assert run(str(tmp_path / "none.txt")).exit_code == 2
    assert run(str(file), "--json", "--yaml").exit_code == 2
    bad = run("-", text="a = 5 parsecs\nb = 1/0\n")
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert [line.partition(":")[0] for line in bad.stderr.splitlines()] == ["line 1", "line 2"]
    assert run("-", text="1\n" * 100_000).stderr == "a sheet takes at most 20,000 characters; split it up\n"
