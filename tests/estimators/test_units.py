"""Quantities as engineers write them, and every trap of design.md section 3."""

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from estimators.dimension import common
from estimators.errors import FormulaError, StagecraftError
from estimators.units import Dimension, Quantity, Range, Units, fits

UNITS = Units(["heatmap", "box"])
DAY, MONTH = 86_400, 30 * 86_400


def dimension(text: str) -> Dimension:
    return UNITS.unit(text)[1]


def refused(text: str, read=UNITS.value) -> str:
    with pytest.raises(FormulaError) as error:
        read(text)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 300
    return message


@pytest.mark.parametrize(
    ("text", "value", "of"),
    [
        ("10M requests/s", 1e7, "request/s"),
        ("5k QPS", 5000, "1/s"),
        ("5 kQPS", 5000, "1/s"),
        ("12 rps", 12, "1/s"),
        ("12 reqs/sec", 12, "request/s"),
        ("12 TPS", 12, "1/s"),
        ("1.3 billion users", 1.3e9, "user"),
        ("2 trillion rows", 2e12, "row"),
        ("7 thousand items", 7000, "item"),
        ("3bn events", 3e9, "event"),
        ("4 PB", 4e15, "B"),
        ("64 GiB", 64 * 2**30, "B"),
        ("5 KB", 5000, "B"),
        ("5 kB", 5000, "B"),
        ("5 KiB", 5120, "B"),
        ("8 Mb", 1e6, "B"),
        ("8 Mbit", 1e6, "B"),
        ("8 MB", 8e6, "B"),
        ("8 megabytes", 8e6, "B"),
        ("10 Gbps", 1.25e9, "B/s"),
        ("10 Gbit/s", 1.25e9, "B/s"),
        ("8 bits", 1, "B"),
        ("200 ms", 0.2, "s"),
        ("20 us", 20e-6, "s"),
        ("20 µs", 20e-6, "s"),  # U+00B5
        ("20 μs", 20e-6, "s"),  # U+03BC
        ("1.5 min", 90, "s"),
        ("2 weeks", 14 * DAY, "s"),
        ("1 month", MONTH, "s"),
        ("1 year", 365 * DAY, "s"),
        ("$2.50/hour", 2.5 / 3600, "USD/s"),
        ("0.19 USD/hour", 0.19 / 3600, "USD/s"),
        ("$5", 5, "USD"),
        ("-$5k", -5000, "USD"),
        ("$0.0083/text", 0.0083, "USD/text"),
        ("25 cents", 0.25, "USD"),
        ("0.02 USD/(GB*month)", 0.02 / 1e9 / MONTH, "USD/B/s"),
        ("$0.02/GB/month", 0.02 / 1e9 / MONTH, "USD/B/s"),
        ("99.9 %", 0.999, ""),
        ("10%", 0.1, ""),
        ("1,000,000 rows", 1e6, "row"),
        ("1_000", 1000, ""),
        ("1,234.5", 1234.5, ""),
        ("15e9 watches/month", 15e9 / MONTH, "watch/s"),
        ("300 candidates", 300, "candidate"),
        ("10 queries", 10, "query"),
        ("500 B/row", 500, "B/row"),
        ("10 events per user per hour", 10 / 3600, "event/user/s"),
        ("10M DAU", 1e7, "user"),
        ("3 MAU", 3, "user"),
        ("2 people", 2, "person"),
        ("4 heatmaps", 4, "heatmap"),
        ("4 boxes", 4, "box"),
        ("3 Users", 3, "user"),
        ("8 GPUs", 8, "gpu"),
        ("30 fps", 30, "frame/s"),
        ("2 TFLOPS", 2e12, "flop/s"),
        ("2 TFLOPs", 2e12, "flop"),
        ("2 s^2", 2, "s^2"),
        ("8 core*s", 8, "core*s"),
        ("-3 ms", -0.003, "s"),
        ("1000/s", 1000, "1/s"),
        ("5k", 5000, ""),
        ("10M", 1e7, ""),
        ("10^9 users", 1e9, "user"),
        ("10^-3 s", 0.001, "s"),
        ("2^10", 1024, ""),
        ("$10^6", 1e6, "USD"),
        ("2 lakh rides", 2e5, "ride"),
        ("3 crore users", 3e7, "user"),
        ("1 hundred rows", 100, "row"),
        ("$3 per million requests", 3e-6, "USD/request"),
        ("$3/million requests", 3e-6, "USD/request"),
        ("$0.10 per 1,000 texts", 1e-4, "USD/text"),
        ("10 views a day", 10 / DAY, "view/s"),
        ("$5 an hour", 5 / 3600, "USD/s"),
        ("10 views each day", 10 / DAY, "view/s"),
        ("2 KB each", 2000, "B"),
        ("$2.50/GPU-hour", 2.5 / 3600, "USD/gpu/s"),
        ("8 core-hours", 8 * 3600, "core*s"),
        ("500 RPM", 500 / 60, "1/s"),
        ("2 kTPS", 2000, "1/s"),
        ("5M IOPS", 5e6, "1/s"),
        ("16 vCPUs", 16, "vcpu"),
        ("3 ZB", 3e21, "B"),
        ("768 dims", 768, "dimension"),
    ],
)
def test_reads(text: str, value: float, of: str) -> None:
    quantity = UNITS.quantity(text)
    assert quantity.value == pytest.approx(value, rel=1e-15)
    assert quantity.dimension == dimension(of)
    assert quantity.text == text


def test_numbers_are_not_rounded_on_the_way() -> None:
    assert UNITS.quantity("12 ms").value == 0.012
    assert UNITS.quantity("0.3 ms").value == 0.0003
    assert UNITS.number_in(UNITS.quantity("0.3 ms"), "ms") == 0.3
    assert UNITS.number_in(UNITS.quantity("500 B"), "PB") == 5e-13


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("nan", "number is missing"),
        ("inf s", "number is missing"),
        ("-inf", "number is missing"),
        ("1e999", "out of range"),
        ("1e999999999999", "out of range"),
        ("1e-999999999999", "out of range"),
        ("1e300 EB", "too large"),
        ("5 m", "'min' for minutes, 'ms' for milliseconds or 'M' for million"),
        ("12 parsecs", "'parsecs' is not a unit"),
        ("12 requets/s", "did you mean 'requests'"),
        ("10B users", "10 billion users"),
        ("5 b", "write 'bit' or 'B' for bytes"),
        ("5 mb", "'MB' for megabytes or 'Mb' for megabits"),
        ("3 €", "US dollars"),
        ("1,00", "commas part thousands"),
        ("1,0000", "commas part thousands"),
        ("5.", "'.'"),
        ("12 ms ms", "out of place"),
        ("5 ms/", "out of place"),
        ("5 ms/foo", "'foo' is not a unit"),
        ("1 B^99", "at most 16"),
        ("1 B^2^2", "exponent"),
        ("2..1 ms", "upside down"),
        ("1 s..2 B", "s and B"),
        ("1..2..3 ms", "not a range"),
        ("1...2 ms", "'.'"),
        (".. 2", "not a range"),
        ("0x10", "not a unit"),
        ("9" * 150, "out of range"),
        ("12 ms " * 100, "at most 200"),
        ("1 ms\n; import os", "';'"),
        ("10^99 B", "at most 64"),
        ("10^0.5", "must be whole"),
        ("0^-1", "must be whole"),
        ("$3 per 0 rows", "per 0 of something"),
        ("5 users daily", "write '/day'"),
        ("5 MM", "write 'million'"),
        ("5 gb", "'GB' for gigabytes or 'Gb' for gigabits"),
        ("~5 GB", "a range as an assumption"),
        ("5 GB = 6 GB", "'=' stands only"),
    ],
)
def test_refuses(text: str, says: str) -> None:
    assert says in refused(text)


def test_a_message_shows_what_was_given_shortened() -> None:
    message = refused("7 " + "x" * 190)
    assert message.startswith("'7 xxx")
    assert "…'" in message


def test_text_only() -> None:
    for wrong in (5, None, True, 1.5, ["5 ms"]):
        assert "not text" in refused(wrong)  # type: ignore[arg-type]


def test_errors_are_in_the_one_tree() -> None:
    assert issubclass(FormulaError, StagecraftError)


@pytest.mark.parametrize(
    ("text", "low", "high", "point", "of"),
    [
        ("8e6..12e6 user/day", 8e6 / DAY, 12e6 / DAY, math.sqrt(96) * 1e6 / DAY, "user/s"),
        ("1..2 ms", 0.001, 0.002, math.sqrt(2) / 1000, "s"),
        ("500 ms to 2 s", 0.5, 2, 1, "s"),
        ("1 to 2 million users", 1e6, 2e6, math.sqrt(2) * 1e6, "user"),
        ("8M..12M users", 8e6, 12e6, math.sqrt(96) * 1e6, "user"),
        ("8..12M users", 8e6, 12e6, math.sqrt(96) * 1e6, "user"),
        ("800k..2M users", 8e5, 2e6, math.sqrt(1.6) * 1e6, "user"),
        ("$2..3/hour", 2 / 3600, 3 / 3600, math.sqrt(6) / 3600, "USD/s"),
        ("$2..$3/hour", 2 / 3600, 3 / 3600, math.sqrt(6) / 3600, "USD/s"),
        ("5..10 %", 0.05, 0.10, math.sqrt(0.005), ""),
        ("-1..3 s", -1, 3, 1, "s"),
        ("0..4", 0, 4, 2, ""),
    ],
)
def test_ranges(text: str, low: float, high: float, point: float, of: str) -> None:
    value = UNITS.value(text)
    assert isinstance(value, Range)
    assert value.text == text
    assert [value.low.value, value.high.value, value.point.value] == pytest.approx([low, high, point], rel=1e-12)
    assert value.low.dimension == value.high.dimension == value.point.dimension == dimension(of)


def test_a_quantity_is_no_range() -> None:
    assert "is a range" in refused("1..2 ms", UNITS.quantity)
    assert "not a range" in refused("1 ms", UNITS.range)
    assert isinstance(UNITS.value("1 ms"), Quantity)


@pytest.mark.parametrize(
    ("text", "unit", "printed"),
    [
        ("400 TB", "PB", "0.4 PB"),
        ("2893.5185 load/s", None, "2,894 load/s"),
        ("12.5 ms", None, "12.5 ms"),
        ("0.0125 s", None, "12.5 ms"),
        ("$2.50/hour", None, "$2.50/hour"),
        ("$2.5/hour", None, "$2.50/hour"),
        ("10 views a day", None, "10 view/day"),
        ("$1,234.56", None, "$1,235"),
        ("$0.0083/text", None, "$0.0083/text"),
        ("$1.2 million/month", None, "$1.2 million/month"),
        ("99.9 %", None, "99.9 %"),
        ("0.999", None, "0.999"),
        ("0.999", "%", "99.9 %"),
        ("735e9 rows", None, "735 billion rows"),
        ("1 row", None, "1 row"),
        ("7.5e9 load/month", None, "7.5 billion load/month"),
        ("5k QPS", None, "5,000/s"),
        ("5k QPS", "QPS", "5,000 QPS"),
        ("10M requests/s", "QPS", "10 million QPS"),
        ("70,000,000 B/s", None, "70 MB/s"),
        ("999,999.9 rows", None, "1 million rows"),
        ("-1.5 s", None, "-1.5 s"),
        ("3 weeks", None, "21 days"),
        ("0 ms", None, "0 s"),
        ("0.00001 load/s", None, "0.864 load/day"),
    ],
)
def test_format(text: str, unit: str | None, printed: str) -> None:
    quantity = UNITS.quantity(text)
    if text == "0.00001 load/s":
        quantity = Quantity(quantity.value, quantity.dimension)  # as computed: no text to follow
    assert UNITS.format(quantity, unit) == printed


def test_format_refuses_a_unit_of_another_kind() -> None:
    with pytest.raises(FormulaError, match=r"'ms' is s, the value is B"):
        UNITS.format(UNITS.quantity("4 PB"), "ms")


WRITABLE = st.sampled_from(
    [
        "ms",
        "s",
        "hour",
        "GB",
        "KiB",
        "Mb",
        "B/row",
        "request/s",
        "watch/month",
        "row",
        "$",
        "$/hour",
        "USD/GB/month",
        "%",
        "",
        "QPS",
        "event/user/hour",
        "core*s",
        "s^2",
        "user",
        "B*event/s",
        "1/s",
        "1/user",
    ]
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.floats(1e-9, 1e15), st.booleans(), WRITABLE)
@example(999.996, False, "$")
@example(0.99999, False, "ms")
def test_what_is_printed_reads_back(number: float, negative: bool, unit: str) -> None:
    size, of = UNITS.unit(unit)
    quantity = Quantity(number * size * (-1 if negative else 1), of)
    for chosen in (None, unit):
        again = UNITS.quantity(UNITS.format(quantity, chosen))
        money_in_cents = 0.006 if of.power("USD") else 0.0
        assert again.value == pytest.approx(quantity.value, rel=max(6e-4, money_in_cents))
        assert again.dimension == of


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=80), st.text("0123456789.,eE+-_ $%/*^()kMsBmd to", max_size=40)))
def test_any_text_is_a_value_or_one_error(text: str) -> None:
    began = time.process_time()
    try:
        value = UNITS.value(text)
    except FormulaError as error:
        assert "\n" not in str(error)
    else:
        for end in (value.low, value.high) if isinstance(value, Range) else (value,):
            assert math.isfinite(end.value)
    assert time.process_time() - began < 0.5


def test_one_noun_is_not_another() -> None:
    assert dimension("user") != dimension("member") != dimension("1")
    assert dimension("request/s").counts == {"request"}
    assert str(dimension("request/s")) == "request/s"
    assert str(dimension("1/s")) == "1/s"
    assert str(dimension("B*request/user/s")) == "B*request/user/s"
    assert dimension("GB") == dimension("bit")
    assert dimension("").is_dimensionless


def test_common_goes_either_way() -> None:
    rate, loads = dimension("QPS"), dimension("load/s")
    assert common(rate, loads) == common(loads, rate) == loads
    assert common(loads, dimension("view/s")) is None


@pytest.mark.parametrize(
    ("given_", "wanted", "answer"),
    [
        ("1/s", "load/s", True),
        ("1/s", "1/s", True),
        ("load/s", "load/s", True),
        ("load/s", "1/s", False),
        ("load/s", "view/s", False),
        ("1/s", "load*row/s", False),
        ("1/s", "load^2/s", False),
        ("1/s", "B/s", False),
        ("1/s", "load", False),
        ("1/s", "load/user/s", False),
    ],
)
def test_fits(given_: str, wanted: str, answer: bool) -> None:
    assert fits(dimension(given_), dimension(wanted)) is answer
    assert Units.fits(dimension(given_), dimension(wanted)) is answer


def test_own_nouns() -> None:
    assert UNITS.is_unit("heatmaps")
    assert not Units().is_unit("heatmap")
    assert Units(["user", "users"]).quantity("3 users") == Units().quantity("3 users")
    for wrong, says in (
        ("min", "unit already"),
        ("GB", "unit already"),
        ("M", "cannot be a count"),
        ("", "cannot"),
        ("two words", "cannot"),
        ("per", "cannot"),
        ("x" * 50, "cannot"),
        ("9lives", "cannot"),
    ):
        assert says in refused([wrong], Units)  # type: ignore[arg-type]


def test_a_registry_does_not_leak_into_the_next() -> None:
    Units(["zebra"])
    assert not Units().is_unit("zebra")


def test_written_unit() -> None:
    texts = ("4 PB", "$2.50/hour", "5k QPS", "10M", "15e9 watches / month", "99 %")
    written = [UNITS.written_unit(text) for text in texts]
    assert written == ["PB", "$/hour", "QPS", "", "watches / month", "%"]
    written += [
        UNITS.written_unit(text) for text in ("$3 per million rows", "10 views a day", "8 GPU-hours", "10^9 rows")
    ]
    assert written[6:] == ["$ per million rows", "views a day", "GPU-hours", "rows"]
    for unit in written:
        assert UNITS.number_in(Quantity(*UNITS.unit(unit)), unit) == 1


def test_every_built_in_spelling_is_known_and_reads_back() -> None:
    assert len(UNITS.table) > 300
    for name, (size, of) in UNITS.table.items():
        assert UNITS.is_unit(name)
        assert UNITS.quantity(f"1 {name}").value == pytest.approx(float(size)), name
        assert UNITS.quantity(f"1 {name}").dimension == of


@pytest.mark.parametrize("name", ["k", "M", "million", "ranking_replicas", "foo", "", "m", "stages.ranking"])
def test_no_unit(name: str) -> None:
    assert not UNITS.is_unit(name)
