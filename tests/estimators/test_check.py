"""Sentences as people write them, what is read into them, and what is refused with a remedy."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimators.check import check, taken_apart
from estimators.errors import FormulaError
from estimators.units import Units

DAY = 86_400
# What is typed, the number stated, and stated / computed as worked out by hand here.
SENTENCES = [
    ("50M users * 10 events/user/hour * 500 B", "70 MB/s", 70e6 / (50e6 * 10 / 3600 * 500)),
    ("500 B * 800e9", "4 PB", 4e15 / (500 * 800e9)),
    ("7.5e9 loads / 1 month", "10M requests/s", 1e7 / (7.5e9 / (30 * DAY))),
    ("1,000,000 users * 20 requests/day", "230 QPS", 230 / (1e6 * 20 / DAY)),
    ("1_000_000 users * 20 requests/day", "231 rps", 231 / (1e6 * 20 / DAY)),
    ("10M DAU * 50 requests per day", "5.8k QPS", 5800 / (1e7 * 50 / DAY)),
    ("10M DAU x 50 requests/day", "5,787 QPS", 5787 / (1e7 * 50 / DAY)),
    ("10M DAU × 50 requests ÷ 1 day", "5800 TPS", 5800 / (1e7 * 50 / DAY)),
    ("10M DAU times 50 requests a day", "5800 TPS", 5800 / (1e7 * 50 / DAY)),
    ("10^9 users × 1 KB", "1 TB", 1),
    ("5 x 10^9 rows x 8 B", "40 GB", 1),
    ("2^10 B * 2^30", "1 TiB", 1),
    ("62^7", "3.5 trillion", 3.5e12 / 62**7),
    ("1 billion users * 1.5 KB each", "1.5 TB", 1),
    ("1.2bn events/day * 100 bytes", "120 GB/day", 1),
    ("12 crore users * 1 KB", "120 GB", 1),
    ("10 mio users * 1 KB", "10 GB", 1),
    ("300M MAU * 50% * 2 tweets/day", "3,500 QPS", 3500 / (3e8 * 0.5 * 2 / DAY)),
    ("10 % of 300M users * 2 tweets/day", "700 tweets/s", 700 / (3e7 * 2 / DAY)),
    ("150M users * 2 tweets/day * 10% * 1 MB", "30 TB/day", 1),
    ("30 TB per day for 5 years", "55 PB", 55e15 / (30e12 * 365 * 5)),
    ("64 KiB * 1M", "64 GB", 64e9 / (65_536 * 1e6)),
    ("10 Gb/s", "1.25 GB/s", 1),
    ("10 Gbps for 1 hour", "4.5 TB", 1),
    ("200 MiB/s * 1 day", "18.1 TB", 18.1e12 / (200 * 2**20 * DAY)),
    ("5 MBps * 1 hr", "18 GB", 1),
    ("1 TB / 1 Gbps", "8000 s", 1),
    ("$0.02 per GB per month * 400 TB", "$8k/month", 1),
    ("$3 per million requests * 10k rps", "3 cents/s", 1),
    ("$3/million requests * 10k requests/s", "$108/hour", 1),
    ("$10 per 1M tokens * 1000 tokens/s", "$36/hour", 1),
    ("$0.10 per 1,000 texts * 1M SMS", "$100", 1),
    ("$2.50/GPU-hour * 8 GPUs", "$480/day", 1),
    ("5 cents * 1M texts", "$50k", 1),
    ("40 hours/week * $50/hour", "$2000/week", 1),
    ("500 req/s * 60 s/min", "30,000 req/min", 1),
    ("5k requests/second ÷ 250 requests/second/server", "20 servers", 1),
    ("10000 QPS / 500 QPS per server", "20 servers", 1),
    ("100k users/day*3 sessions/user", "3.5 sessions/s", 3.5 / (3e5 / DAY)),
    ("20/day * 10M users", "2300 requests/s", 2300 / (20 / DAY * 1e7)),
    ("(1 - 99.9%) * 1 year", "8.76 h", 1),
    ("86400 seconds", "1 day", 1),
    ("1000 req/s × 200ms", "200 requests", 1),
    ("1000 req/s × 200ms", "200", 1),
    ("1.5 Mbps * 10k viewers", "15 Gbps", 1),
    ("500 hours/min * 24h", "720k hours", 1),
    ("128 floats * 4 bytes/float * 1 billion vectors", "about 512 GB", 1),
    ("128 dims * 4 bytes * 1 billion vectors", "~ 512 GB", 1),
    ("175 billion params * 2 bytes/param", "≈350 GB", 1),
    ("10M posts/day * 365 days * 1 KB/post", "3.65 TB", 1),
    ("30 fps * 2 h", "216,000 frames", 1),
    ("16 vCPU * 10", "160 vCPUs", 1),
    ("500 RPM * 4k tokens", "33,333 tokens/s", 33_333 / (500 / 60 * 4000)),
    ("2 kRPS * 10", "20K qps", 1),
    ("1 req/ms", "1000 rps", 1),
]


@pytest.mark.parametrize(("calculation", "states", "ratio"), SENTENCES, ids=[calc for calc, *_ in SENTENCES])
def test_what_people_write(calculation: str, states: str, ratio: float) -> None:
    verdict = check(calculation, states).verdict
    assert verdict is not None
    assert verdict.ratio == pytest.approx(ratio, rel=1e-9)
    near = 0.98 <= ratio <= 1.02
    assert (verdict.verdict == "supported") == near, verdict.sentence


@pytest.mark.parametrize(
    ("calculation", "states", "note"),
    [
        ("50M users * 10 events/user/hour * 500 B", "70 MB/s", "500 B read as per event"),
        ("1M DAU * 10 views/day", "120 QPS", "10 views/day read as per user"),
        ("1M DAU * 10 views/day", "120 views/s", "10 views/day read as per user"),
        ("1M DAU * 2 posts/day * 1 MB", "2 TB/day", "2 posts/day read as per user; 1 MB read as per post"),
        ("1 KB * 5M users", "5 GB", "1 KB read as per user"),
        ("3 events * 2", "6", "event left over in the product, and dropped"),
        ("98 * 7.5e9", "735e9 rows", "read as a count of row, which the calculation does not mention"),
        ("10 GB / 5 users", "2 GB", "the number stated read as per user"),
        ("10M users * 20/day", "2300 requests/s", "user read as request"),
        ("$3/request * 2 QPS", "$6/s", "2 QPS read as so many of request"),
        ("500 B/row * 3 rows", "1.5 kB", None),
    ],
)
def test_what_is_read_into_the_text_is_said(calculation: str, states: str, note: str | None) -> None:
    checked = check(calculation, states)
    assert checked.note == note
    assert checked.verdict is not None
    assert checked.verdict.ratio is not None


@pytest.mark.parametrize("calculation", ["10M views/day / 86,400 s", "10M views", "10M views/day * 2 s * 3 s"])
def test_where_only_a_time_differs_that_is_said(calculation: str) -> None:
    checked = check(calculation, "115 views/s")
    assert checked.verdict is not None
    assert checked.verdict.verdict == "wrong_dimension"
    assert checked.note is not None
    assert checked.note.startswith("they differ by a time only")
    assert check("4 PB * 2", "4 views").note is None


@pytest.mark.parametrize("text", ["500 B * 800e9 = 4 PB", "500 B * 800e9 states 4 PB", "500 B * 800e9 ≈ 4 PB"])
def test_the_number_may_stand_in_the_calculation(text: str) -> None:
    checked = check(text)
    assert checked.says == "500 B * 800e9 = 4 PB"
    assert checked.verdict is not None
    assert checked.verdict.slip == "a factor of ten"


def test_a_unit_may_be_asked_for() -> None:
    checked = check("500 B * 800e9 rows in TB")
    assert str(checked.working) == "500 B × 800e9 rows = 400 TB"
    assert (checked.unit, checked.note) == ("TB", "500 B read as per row")
    both = check("500 B * 800e9 in TB states 4 PB")
    assert str(both.working).endswith("= 400 TB")
    assert both.unit == "PB"
    assert taken_apart("a in b states c") == ("a", "b", "c")


REFUSED = [
    ("10 users + 3 events", "cannot add or subtract '10 users', which is user, and '3 events', which is event"),
    ("5 GB - 3 s", "cannot add or subtract '5 GB', which is B, and '3 s', which is s"),
    ("1.2B events * 2", "for a thousand million write for example '10 billion events'"),
    ("10m users", "write 'min' for minutes, 'ms' for milliseconds or 'M' for million"),
    ("5 mb/s", "'MB' for megabytes or 'mb'".replace("mb'", "Mb'")),
    ("5 pb", "'PB' for petabytes or 'Pb' for petabits"),
    ("10MM users", "write 'million'"),
    ("365d", "write 'day'"),
    ("5M users daily", "write '/day' after what is counted, as in '5M views/day', or DAU for users"),
    ("5M active users", "'active' has no meaning here; leave it out"),
    ("5 users and 6 users", "write + or *"),
    ("100 MB divided by 2", "write /"),
    ("3 € * 2", "money is in US dollars"),
    ("1 TB * 3x", "a plain factor is written without one"),
    ("100:1 * 10 QPS", "write a share as '1 %'"),
    ("~10M users", "write the number alone, or a range as an assumption"),
    ("= 5", "'=' stands only in a sheet (name = formula) and before the number that somebody states"),
    ("1 = 2 = 3", "more than one number is stated; write 'FORMULA states NUMBER'"),
    ("5 GB in MB in kB", "'in' stands twice"),
    ("5 GB in", "a unit is missing; write 'FORMULA in UNIT'"),
    ("5 GB states", "a quantity is missing"),
    ("5 GB in ms", "'ms' is s, the value is B"),
    ("$3 per 0 rows * 5 rows", "per 0 of something has no meaning"),
    ("2^0.5 MB", "a power of a number must be whole"),
    ("0^-1 MB", "a power of a number must be whole"),
    ("2^99 MB", "the exponent '99' is too large; at most 64"),
    ("1e300^64 B", "too large; numbers up to 1e300 are understood"),
    ("2 hectares * 3", "'hectares' is not a unit"),
    ("daily_users * 2", "'daily_users' is not known here"),
    ("users * 2", "'users' is a unit without a number"),
    ("nan", "'nan' is no number"),
    ("inf * 2", "'inf' is no number"),
    ("1..2 ms", "ranges stand in assumptions only"),
    ("9**9**9", "an exponent must be a number"),
    ("1/0", "divides by zero"),
    ("1+" * 500_000 + "1", "at most 2,000"),
    (" + ".join(f"n{number}" for number in range(10_000)), "at most 2,000"),
    ("1\n" * 100_000, "at most 2,000"),
    ("(" * 900 + "1" + ")" * 900, "nested more than"),
    ("１２ * 3", "has no meaning here"),  # full-width digits
    ("1\x00 + 2", "has no meaning here"),
    ("\x1b[31m", "has no meaning here"),
    ("9e300 * 9e300", "no finite number"),
    ("", "the formula is empty"),
]


@pytest.mark.parametrize(("calculation", "says"), REFUSED, ids=[calc[:20] for calc, _ in REFUSED])
def test_bad_input_is_one_clear_message_within_a_second(calculation: str, says: str) -> None:
    began = time.process_time()
    with pytest.raises(FormulaError) as error:
        check(calculation)
    assert time.process_time() - began < 1
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


WORDS = ["2", "10^9", "x", "*", "/", "per", "a", "day", "each", "of", "for", "%", "users", "5k", "$", "(", ")", "^"]
WORDS += ["-", "GPU", "hour", "in", "states", "=", "MB", "s", "to", "..", "million"]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(WORDS),
            max_size=12,
        ).map(" ".join),
    )
)
def test_any_text_is_an_answer_or_one_error(text: str) -> None:
    try:
        checked = check(text)
    except FormulaError as error:
        assert "\n" not in str(error)
    else:
        assert str(checked.working)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.floats(1, 1e6).map(lambda number: f"{number:.3g}"),
    st.sampled_from(["users", "MB", "requests a day", "B per 1,000 rows", "GPU-hours", "k QPS", "% of 3 TB", "s each"]),
    st.sampled_from([" x ", " times ", " × ", "*", "/"]),
    st.sampled_from(["2", "10^3 rows", "$2.50/GPU-hour", "3 days"]),
)
def test_a_working_reads_back_to_the_same_value(number: str, unit: str, operator: str, other: str) -> None:
    units = Units()
    once = check(f"{number} {unit}{operator}{other}", units=units)
    again = check(once.working.symbols, units=units)
    assert again.computed.value == pytest.approx(once.computed.value, rel=1e-12)
    assert again.computed.dimension == once.computed.dimension


def test_check_starts_without_what_it_does_not_need() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from estimators.__main__ import main\n"
        "result = CliRunner().invoke(main, ['check', '50M users * 10 events/user/hour * 500 B = 70 MB/s'])\n"
        "assert 'supported' in result.output, result.output\n"
        "sys.exit(' '.join({'numpy', 'scipy', 'streamlit', 'pandas', 'pydantic', 'ruamel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_it_answers_at_once() -> None:
    check("1 B", "1 B")
    began = time.process_time()
    check("50M users * 10 events/user/hour * 500 B", "70 MB/s")
    assert time.process_time() - began < 0.05


def test_nouns_that_nobody_asked_for_are_read_into_it() -> None:
    """The same with and without a stated number: bytes of so many events are bytes."""
    checked = check("50M users * 10 events/user/hour * 500 B")
    assert str(checked.working).endswith("= 250 GB/hour")
    assert checked.note == "500 B read as per event"
    assert str(check("3 rows * 2 rows").working).endswith("= 6 row^2")  # of nothing else: left as it is


def test_a_month_is_blamed_only_where_one_is_written() -> None:
    assert check("10 PB/year = 27 TB/day").verdict.slip is None
    assert "months of 2.63 million" in (check("10 TB/month = 3.8 MB/s").verdict.slip or "")
