"""Sheets: order, workings, intervals, and every problem at once."""

import time

import numpy as np
import pytest

from estimators.errors import FormulaError
from estimators.formula import Formula
from estimators.sampling import SAMPLES, sample
from estimators.sheet import MAX_NAMES, Assumption, Estimate, Sheet
from estimators.units import Quantity, Range, Units

UNITS = Units(["negative"])
Z = 1.6448536269514722


def sheet(
    assumptions: dict[str, str], estimates: dict[str, str], outside: dict[str, str] | None = None, **more
) -> Sheet:
    """Estimates are written 'formula' or 'formula | unit'."""
    return Sheet(
        UNITS,
        [Assumption(name, UNITS.value(text)) for name, text in assumptions.items()],
        [
            Estimate(name, Formula.parse(text.partition("|")[0], UNITS), text.partition("|")[2].strip() or None)
            for name, text in estimates.items()
        ],
        {path: UNITS.quantity(text) for path, text in (outside or {}).items()},
        **more,
    )


ARTICLE = (
    {
        "viewed": "150e9 view/month",
        "watched_share": "10 %",
        "per_view": "1 watch/view",
        "per_load": "2 watch/load",
        "unwatched": "98 negative/load",
        "row_size": "500 B/row",
    },
    {
        "page_rate": "page_loads | load/s",  # before what it uses: order is found, not wanted
        "positives": "viewed * watched_share * per_view",
        "page_loads": "positives / per_load",
        "all_negatives": "page_loads * unwatched * 1 month",
        "storage": "800e9 row * row_size | PB",
    },
)


def test_the_articles_figures() -> None:
    results = sheet(*ARTICLE).evaluate()
    assert list(results) == list(ARTICLE[1])
    number = {name: UNITS.number_in(result.value, result.unit) for name, result in results.items()}
    assert number == {
        "page_rate": pytest.approx(2893.5185, rel=1e-7),
        "positives": 15e9,
        "page_loads": 7.5e9,
        "all_negatives": 735e9,
        "storage": 0.4,
    }
    assert {name: result.unit for name, result in results.items()} == {
        "page_rate": "load/s",
        "positives": "watch/month",
        "page_loads": "load/month",
        "all_negatives": "negatives",
        "storage": "PB",
    }
    assert all(result.low is result.high is result.median is None for result in results.values())


def test_workings() -> None:
    results = sheet(*ARTICLE).evaluate()
    assert str(results["page_loads"].working) == (
        "page_loads = positives ÷ per_load = 15 billion watch/month ÷ 2 watch/load = 7.5 billion load/month"
    )
    assert str(results["page_rate"].working) == "page_rate = page_loads = 7.5 billion load/month = 2,894 load/s"
    assert results["storage"].working.value_text == "0.4 PB"
    assert results["positives"].working.substituted == "150 billion view/month × 10 % × 1 watch/view"
    assert results["page_loads"].depends == ("per_load", "positives")


def test_dotted_paths_come_from_outside() -> None:
    outside = {"stages.ranking.replicas": "20 replica"}
    some = sheet({"each": "4 core/replica"}, {"fleet": "stages.ranking.replicas * each"}, outside)
    assert UNITS.format(some.evaluate()["fleet"].value) == "80 cores"
    assert some.quantities()["stages.ranking.replicas"].value == 20
    assert some.quantities()["fleet"].value == 80


def problems(assumptions: dict[str, str], estimates: dict[str, str]) -> dict[str, str]:
    found = sheet(assumptions, estimates).problems()
    assert all("\n" not in message and len(message) < 400 for _, message in found)
    return dict(found)


def test_a_cycle_is_named() -> None:
    found = problems({}, {"a": "b * 2", "b": "c + 1", "c": "a", "after": "a * 3", "alone": "alone", "fine": "2"})
    assert set(found) == {"a", "alone"}  # one for each cycle, none for what only follows from it
    assert "a -> b -> c -> a" in found["a"]
    assert "alone -> alone" in found["alone"]


def test_all_problems_at_once_and_the_rest_computed() -> None:
    some = sheet(
        {"size": "2 B", "rate": "3 load/s"},
        {
            "unknown": "sizes * 2",
            "mixed": "size + rate",
            "unit_differs": "size | ms",
            "no_unit": "size | parsec",
            "by_zero": "size / (1 - 1)",
            "hanging": "mixed * 2",
            "fine": "size * rate",
        },
    )
    found = some.problems()
    assert [name for name, _ in found] == ["unknown", "mixed", "unit_differs", "no_unit", "by_zero"]
    said = dict(found)
    assert "did you mean 'size'" in said["unknown"]
    assert "'size', which is B" in said["mixed"]
    assert "'rate', which is load/s" in said["mixed"]
    assert "'ms' is s" in said["unit_differs"]
    assert "gives B" in said["unit_differs"]
    assert "'parsec' is not a unit" in said["no_unit"]
    assert "divides by zero" in said["by_zero"]
    assert list(some.results()) == ["fine"]
    with pytest.raises(FormulaError, match=r"unknown: .*; mixed: "):
        some.evaluate()


def test_names_that_cannot_be() -> None:
    found = problems(
        {"watches": "3", "two words": "1", "s": "1", "sqrt": "1", "per": "1", "twice": "1"},
        {"twice": "2", "M": "3"},
    )
    assert "'watches' is a unit" in found["watches"]
    assert "'s' is a unit" in found["s"]
    assert "not a name" in found["two words"]
    assert "meaning" in found["sqrt"]
    assert "meaning" in found["per"]
    assert "stands twice" in found["twice"]
    assert "M" not in found


def test_a_unit_used_as_a_name_is_explained() -> None:
    assert "'users' is a unit without a number" in problems({}, {"a": "users * 2"})["a"]


def test_a_rate_unit_fits_any_count() -> None:
    some = sheet({"rate": "3 load/s", "queries_rate": "5 QPS"}, {"a": "rate | QPS", "b": "queries_rate | load/s"})
    assert {name: UNITS.format(result.value, result.unit) for name, result in some.evaluate().items()} == {
        "a": "3 QPS",
        "b": "5 load/s",
    }


RANGES = {"people_online": "8e6..12e6 user", "each": "3..6 visit/user", "gap": "-1..3 s", "fixed": "7 visit"}


def lognormal(name: str, low: float, high: float) -> np.ndarray:
    """Independent of the sheet but for the draws: quantiles of the draws' ranks in a standard log-normal."""
    draws = sample(Range(Quantity(low), Quantity(high)), name)
    middle, spread = (np.log(low) + np.log(high)) / 2, (np.log(high) - np.log(low)) / 2 / Z
    standard = (np.log(draws) - middle) / spread
    assert abs(standard.mean()) < 0.03
    assert abs(standard.std() - 1) < 0.02
    return np.exp(middle + spread * standard)


def test_intervals_against_independent_arithmetic() -> None:
    results = sheet(RANGES, {"total": "people_online * each", "less": "total - fixed", "plain": "fixed * 2"}).evaluate()
    total = results["total"]
    assert total.low
    assert total.high
    assert total.median
    # The product of log-normals is log-normal: medians multiply and spreads add in squares.
    spread = np.hypot(np.log(12 / 8), np.log(6 / 3)) / 2
    median = np.sqrt(8e6 * 12e6 * 3 * 6)
    assert total.value.value == pytest.approx(median, rel=1e-12)
    assert total.median.value == pytest.approx(median, rel=0.01)
    assert total.low.value == pytest.approx(median * np.exp(-spread), rel=0.015)
    assert total.high.value == pytest.approx(median * np.exp(spread), rel=0.015)
    # And the very same draws, multiplied by hand.
    by_hand = np.quantile(lognormal("people_online", 8e6, 12e6) * lognormal("each", 3, 6), [0.05, 0.5, 0.95])
    assert [total.low.value, total.median.value, total.high.value] == pytest.approx(by_hand, rel=1e-9)
    assert results["less"].low
    assert results["less"].low.value == pytest.approx(total.low.value - 7, rel=1e-9)
    assert results["plain"].low is None


def test_a_range_that_is_not_positive_is_normal() -> None:
    gap = sheet(RANGES, {"double": "gap * 2"}).evaluate()["double"]
    assert gap.low
    assert gap.high
    assert gap.value.value == 2
    assert gap.low.value == pytest.approx(-2, abs=0.06)
    assert gap.high.value == pytest.approx(6, abs=0.06)


def test_what_is_shared_stays_shared() -> None:
    """x / x is 1 in every sample: two estimates over one assumption are not independent."""
    one = sheet(RANGES, {"a": "each * 2", "b": "each * 4", "ratio": "b / a"}).evaluate()["ratio"]
    assert one.low
    assert one.high
    assert one.low.value == one.high.value == 2


def test_luck_is_keyed_by_name_not_by_order() -> None:
    first = sheet(RANGES, {"total": "people_online * each"}).evaluate()["total"]
    turned = dict(reversed(RANGES.items())) | {"another": "1..9"}
    second = sheet(turned, {"extra": "another * gap", "total": "people_online * each"}).evaluate()["total"]
    assert (first.low, first.high) == (second.low, second.high)
    other = sheet(RANGES, {"total": "people_online * each"}, seed=1).evaluate()["total"]
    assert other.low != first.low
    assert other.value == first.value
    draws = sample(Range(Quantity(1), Quantity(2)), "a"), sample(Range(Quantity(1), Quantity(2)), "b")
    assert len(draws[0]) == SAMPLES == 20_000
    assert abs(np.corrcoef(*draws)[0, 1]) < 0.03


def test_a_point_range_and_a_sheet_without_intervals() -> None:
    results = sheet({"x": "5..5 s"}, {"y": "x * 2"})
    assert results.results(intervals=False)["y"].low is None
    low = results.results()["y"].low
    assert low
    assert low.value == pytest.approx(10, rel=1e-12)


def test_an_interval_that_cannot_be_says_why() -> None:
    some = sheet(RANGES, {"root": "sqrt(gap * 1 s)", "more": "root * 2", "fine": "each * 2"}).evaluate()
    assert some["root"].value.value == 1
    assert some["root"].low is None
    assert "sqrt" in some["root"].no_interval
    assert "'root'" in some["more"].no_interval
    assert some["fine"].low
    assert not some["fine"].no_interval


def test_many_names_are_refused_at_once() -> None:
    began = time.process_time()
    found = sheet({}, {f"n{place}": f"n{place + 1} * 2" for place in range(10_000)}).problems()
    assert len(found) == 1
    assert f"at most {MAX_NAMES:,}" in found[0][1]
    unknown = sheet({}, {f"n{place}": f"unknown{place}" for place in range(MAX_NAMES)})
    assert len(unknown.problems()) == MAX_NAMES
    assert time.process_time() - began < 3


def test_a_long_chain_is_no_recursion() -> None:
    chain = {f"n{place}": f"n{place + 1} * 1" for place in range(MAX_NAMES - 2)} | {f"n{MAX_NAMES - 2}": "3 s"}
    assert sheet({}, chain).evaluate()["n0"].value.value == 3
    ring = {f"n{place}": f"n{(place + 1) % 500}" for place in range(500)}
    (problem,) = sheet({}, ring).problems()
    assert problem[0] == "n0"
    assert "n0 -> n1" in problem[1]
    assert len(problem[1]) < 200


def test_too_large_for_its_unit() -> None:
    found = problems({}, {"a": "1e300 s | ns", "b": "1e200 * 1e200", "c": "1e299 s"})
    assert set(found) == {"a", "b"}
    assert "too large" in found["a"]
    assert "no finite number" in found["b"]
