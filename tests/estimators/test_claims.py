"""Stated against computed: verdicts, the slips that explain a gap, and the sentence."""

import pytest

from estimators.claims import judge, judge_claim, likely_slip
from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.sheet import Assumption, Claim, Estimate, Sheet
from estimators.units import Dimension, Quantity, Units

UNITS = Units()
BYTES, PLAIN, ROWS = Dimension.of({"B": 1}), Dimension(), Dimension.of({"row": 1})


def of(stated: str, computed: str, low: str | None = None, high: str | None = None, **more):
    ends = [UNITS.quantity(end) if end else None for end in (low, high)]
    return judge(UNITS.quantity(stated), UNITS.quantity(computed), *ends, units=UNITS, **more)


@pytest.mark.parametrize(
    ("stated", "computed", "verdict", "ratio", "slip"),
    [  # the article's figures
        ("15e9 watches/month", "15e9 watches/month", "supported", 1, None),
        ("750e9 negatives", "735e9 negatives", "rounded", 750 / 735, None),
        ("800e9 rows", "750e9 rows", "rounded", 800 / 750, None),
        ("4 PB", "0.4 PB", "too_high", 10, "a factor of ten"),
        ("10M loads/s", "7.5e9 loads/month", "too_high", 3456, None),
        ("10M QPS", "7.5e9 loads/month", "too_high", 3456, None),
    ],
)
def test_the_articles_claims(stated: str, computed: str, verdict: str, ratio: float, slip: str | None) -> None:
    units = Units(["negative"])
    got = judge(units.quantity(stated), units.quantity(computed), units=units)
    assert (got.verdict, got.slip) == (verdict, slip)
    assert got.ratio == pytest.approx(ratio, rel=1e-12)


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        ("100", "supported"),
        ("102", "supported"),
        ("98", "supported"),
        ("102.1", "rounded"),
        ("97.9", "rounded"),
        ("150", "rounded"),
        ("150.1", "too_high"),
        ("66.67", "rounded"),
        ("66.6", "too_low"),
        ("0", "too_low"),
        ("-100", "too_low"),
        ("1e9", "too_high"),
    ],
)
def test_verdicts_by_gap(stated: str, verdict: str) -> None:
    assert of(stated, "100").verdict == verdict


def test_rounding_is_settable() -> None:
    assert of("190", "100", rounding=2).verdict == "rounded"
    assert of("110", "100", rounding=1.05).verdict == "too_high"
    for wrong in (0.5, float("nan")):
        with pytest.raises(FormulaError, match="at least 1"):
            of("1", "1", rounding=wrong)


def test_inside_the_interval_is_supported() -> None:
    assert of("170", "100", "60", "180").verdict == "supported"
    assert of("190", "100", "60", "180").verdict == "too_high"
    assert of("170", "100").verdict == "too_high"
    assert of("1000", "100", "1", "2000").slip is None


def test_zero_and_sign() -> None:
    both, one, sign = of("0 s", "0 s"), of("5 s", "0 s"), of("-5 s", "5 s")
    assert (both.verdict, both.ratio) == ("supported", None)
    assert (one.verdict, one.ratio, one.slip) == ("too_high", None, None)
    assert (sign.verdict, sign.ratio, sign.slip) == ("too_low", -1, None)
    assert "None" not in both.sentence + one.sentence + sign.sentence


def test_wrong_dimension_names_both() -> None:
    got = of("4 PB", "1.5 GB/s")
    assert (got.verdict, got.ratio, got.slip, got.unit) == ("wrong_dimension", None, None, "PB")
    assert got.sentence == "cannot be compared: 4 PB is B, its own numbers give 1.5 GB/s, which is B/s"
    assert of("5 users", "5 requests").verdict == "wrong_dimension"
    assert of("5 load/s", "5 QPS").verdict == "supported"


@pytest.mark.parametrize(
    ("ratio", "dimension", "says"),
    [
        (10, BYTES, "a factor of ten"),
        (0.1, BYTES, "a factor of ten"),
        (10.15, ROWS, "a factor of ten"),
        (10.3, ROWS, None),
        (100, ROWS, "a factor of a hundred"),
        (1000, ROWS, "one prefix step (1,000)"),
        (1e-6, BYTES, "two prefix steps (1,000,000)"),
        (1e9, BYTES, "three prefix steps"),
        (1024, BYTES, "one prefix step of 1,024"),
        (2**20, BYTES, "two prefix steps of 1,024"),
        (8, BYTES, "bits for bytes"),
        (1 / 8, BYTES, "bits for bytes"),
        (8, ROWS, None),
        (8000, BYTES, "bits for bytes as well"),
        (125, BYTES, "bits for bytes as well"),
        (80, BYTES, "a factor of ten and eight"),
        (8000, BYTES, "one prefix step (1,000) and eight"),
        (1e6 / 8 * 1.002, BYTES, "two prefix steps (1,000,000) and eight"),
        (1e6 / 8 * 1.01, BYTES, None),  # two slips at once only where they fit tightly
        (86.4e6, PLAIN, "one prefix step (1,000) and 86,400: per day against per second as well"),
        (1e9 / 86_400, ROWS, "three prefix steps (1,000,000,000) and 86,400"),
        (1000 / 24, ROWS, None),  # too small a factor for two slips
        (2, PLAIN, None),  # a peak against an average is no slip
        (2.5, BYTES, None),
        (168, PLAIN, "168: per week against per hour"),
        (8760, PLAIN, "8,760: per year against per hour"),
        (604_800, PLAIN, "604,800: per week against per second"),
        (60, PLAIN, "60: per minute"),
        (3600, PLAIN, "per hour against per second"),
        (3456, PLAIN, None),
        (24, PLAIN, "per day against per hour"),
        (86_400, PLAIN, "per day against per second"),
        (30, PLAIN, "per month against per day"),
        (30.4, PLAIN, "per month against per day"),
        (365, PLAIN, "per year against per day"),
        (12, PLAIN, "per year against per month"),
        (7, PLAIN, "per week against per day"),
        (2.592e6, PLAIN, "per month against per second"),
        (31_536_000, PLAIN, "per year against per second"),
        (1.024, BYTES, "1.024 per prefix step (1)"),
        (1.024**3, BYTES, "1.024 per prefix step (3)"),
        (1 / 1.024**4, BYTES, "1.024 per prefix step (4)"),
        (1.024**5, BYTES, "1.024 per prefix step (5)"),
        (1.024, ROWS, None),
        (2.628 / 2.592, PLAIN, "2.63 million seconds"),
        (750 / 735, ROWS, None),
        (1, BYTES, None),
        (1.005, BYTES, None),
        (3, BYTES, None),
        (0, BYTES, None),
        (-10, BYTES, None),
        (float("inf"), BYTES, None),
        (float("nan"), BYTES, None),
    ],
)
def test_slips(ratio: float, dimension: Dimension, says: str | None) -> None:
    slip = likely_slip(ratio, dimension)
    assert slip is None if says is None else slip is not None and says in slip


@pytest.mark.parametrize(
    ("stated", "computed", "sentence"),
    [
        (
            "4 PB",
            "0.4 PB",
            "ten times too high: its own numbers give 0.4 PB; looks like a slip of a factor of ten",
        ),
        (
            "10M requests/s",
            "2893.5185 request/s",
            "3,456 times too high: its own numbers give 2,894 requests/s",
        ),
        (
            "1 GB",
            "8 GB",
            "eight times too low: its own numbers give 8 GB; looks like a slip of eight: bits for bytes",
        ),
        ("750 billion", "735 billion", "rounded: 2 % above, its own numbers give 735 billion"),
        ("15e9", "15e9", "supported: its own numbers give 15 billion"),
        (
            "4 PB",
            "4 kB",
            "1,000,000,000,000 times too high: its own numbers give 4 kB; looks like a slip of "
            "four prefix steps (1,000,000,000,000)",
        ),
        ("$5/hour", "$2/hour", "2.5 times too high: its own numbers give $2.00/hour"),
    ],
)
def test_sentences(stated: str, computed: str, sentence: str) -> None:
    assert of(stated, computed).sentence == sentence


def test_few_gaps_are_explained_by_chance() -> None:
    spread = [1.5 * (1e10 / 1.5) ** (step / 5_000) for step in range(5_000)]
    explained = [likely_slip(factor, BYTES) for factor in spread]
    assert sum(slip is not None for slip in explained) < 0.08 * len(spread)
    assert sum(slip is not None and "as well" in slip for slip in explained) < 0.02 * len(spread)


def test_no_sentence_speaks_of_truth() -> None:
    for stated in ("1 B", "8 B", "10 B", "102 B", "1 s", "-1 B", "0 B", "1 EB"):
        sentence = of(stated, "10 B").sentence
        assert not any(word in sentence for word in ("true", "correct", "right"))


def test_an_unwritten_quantity_gets_a_unit() -> None:
    got = judge(Quantity(4e15, BYTES), Quantity(4e14, BYTES))
    assert (got.unit, got.verdict) == ("PB", "too_high")


def test_a_claim_of_a_sheet() -> None:
    sheet = Sheet(
        UNITS,
        [Assumption("row_size", UNITS.value("400..600 B/row"))],
        [Estimate("storage", Formula.parse("800e9 row * row_size", UNITS), "PB")],
    )
    result = sheet.evaluate()["storage"]
    high = Claim("about 4 PB", "storage", UNITS.quantity("4 PB"), "the_article")
    inside = Claim("about 0.45 PB", "storage", UNITS.quantity("0.45 PB"), "the_article")
    assert judge_claim(high, result, UNITS).verdict == "too_high"
    assert judge_claim(inside, result, UNITS).verdict == "supported"
