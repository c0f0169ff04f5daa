"""Tornado, shares of variance, what-if and break-even against closed forms; correlations against scipy."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from estimators.errors import FormulaError
from estimators.sampling import MAX_CORRELATIONS, Z_95, samples
from estimators.sensitivity import break_even, taken_as_exact, tornado, tornadoes, trace, uncertain
from estimators.sheet import Sheet
from estimators.units import Quantity, Range
from tests.estimators.test_sheet import UNITS, sheet

FACTORS = {"a": 2.0, "b": 4.0, "c": 1.2}  # high over low
PRODUCT = (
    {"a": "1..2 s", "b": "10..40 s", "c": "100..120 s", "exact": "7"},
    {"y": "a * b / c * exact | s", "above": "y * 3", "other": "c * 2"},
)
SPREADS = {name: math.log(factor) / 2 / Z_95 for name, factor in FACTORS.items()}


def test_shares_of_a_product_of_log_normals() -> None:
    swings = tornado(sheet(*PRODUCT), "y")
    assert [one.name for one in swings] == ["b", "a", "c"]
    whole = sum(spread**2 for spread in SPREADS.values())
    for one in swings:
        assert one.share == pytest.approx(SPREADS[one.name] ** 2 / whole, abs=0.01)
    assert sum(one.share or 0 for one in swings) == pytest.approx(1, abs=0.01)


def test_swings_of_a_product() -> None:
    some = sheet(*PRODUCT)
    value = some.quantities()["y"].value
    for one in tornado(some, "y"):
        assert one.low is not None
        assert one.high is not None
        ends = sorted((one.low.value, one.high.value))
        half = math.sqrt(FACTORS[one.name])  # the point of a log-normal is the geometric mean of its ends
        assert ends == pytest.approx([value / half, value * half])
        assert (one.low.value < one.high.value) == (one.name != "c"), "what divides swings the other way"
        assert one.swing == pytest.approx(value * (half - 1 / half))


def test_shares_of_a_sum_of_normals() -> None:
    swings = tornado(sheet({"a": "-1..1", "b": "-3..1", "c": "-2..2"}, {"y": "a + 2 * b - c"}), "y")
    variances = {"a": 1.0, "b": 16.0, "c": 4.0}
    assert [one.name for one in swings] == ["b", "c", "a"]
    for one in swings:
        assert one.share == pytest.approx(variances[one.name] / 21, abs=0.015)


def test_a_share_is_no_rank_correlation() -> None:
    """a^2 does not correlate with a at all, and a * b is known from neither alone."""
    half = 1 / Z_95  # so that the standard deviation of -1..1 is this
    square = tornado(sheet({"a": "-1..1", "b": "-1..1"}, {"y": "a^2 + b"}), "y")
    of_square = 2 * half**4
    for one in square:
        expected = of_square if one.name == "a" else half**2
        assert one.share == pytest.approx(expected / (of_square + half**2), abs=0.02)
    for one in tornado(sheet({"a": "-1..1", "b": "-1..1"}, {"y": "a * b"}), "y"):
        assert one.share == pytest.approx(0, abs=0.005)


def test_a_share_with_correlations_includes_what_is_learned_of_the_others() -> None:
    """Closed form of a + 2 b, both normal: Cov(y, a)^2 / Var(a) / Var(y)."""
    of_ranks = 0.5
    rho = 2 * math.sin(math.pi / 6 * of_ranks)
    some = sheet({"a": "-1..1", "b": "-1..1"}, {"y": "a + 2 * b"}, correlations={("b", "a"): of_ranks})
    whole = 1 + 4 + 4 * rho
    expected = {"a": (1 + 2 * rho) ** 2 / whole, "b": (2 + rho) ** 2 / whole}
    for one in tornado(some, "y"):
        assert one.share == pytest.approx(expected[one.name], abs=0.015)
    assert sum(expected.values()) > 1


def test_all_tornadoes_at_once_are_those_one_by_one() -> None:
    some = sheet(*PRODUCT, correlations={("a", "c"): -0.3})
    together = tornadoes(some)
    assert list(together) == ["y", "above", "other"]
    for name, swings in together.items():
        assert swings == tornado(some, name)
    assert [one.name for one in together["other"]] == ["c"]
    assert together["other"][0].share == pytest.approx(1, abs=0.005)


def test_what_has_no_range_is_taken_as_exact() -> None:
    some = sheet({"a": "1..2", "point": "5..5", "exact": "3"}, {"y": "a * point * exact", "z": "exact * 2"})
    assert list(uncertain(some)) == ["a"]
    assert taken_as_exact(some, "y") == ("point", "exact")
    assert [one.name for one in tornado(some, "y")] == ["a"]
    assert tornado(some, "z") == ()


def test_what_does_not_vary_has_no_share() -> None:
    (one,) = tornado(sheet({"a": "1..2"}, {"b": "a * 2", "y": "b / a"}), "y")
    assert one.share is None
    assert one.swing == 0


def test_an_end_without_a_value_comes_first() -> None:
    some = sheet({"gap": "-1..3 s", "wide": "1..1000"}, {"y": "sqrt(gap / 1 s) * wide"})
    first, second = tornado(some, "y")
    assert (first.name, first.low, first.share) == ("gap", None, None)
    assert first.high is not None
    assert first.high.value == pytest.approx(math.sqrt(3) * math.sqrt(1000))
    assert second.share is None


def test_a_trace_goes_through_all_steps_in_order() -> None:
    some = sheet(
        {"unused": "1", "first": "3", "kept": "2"},
        {"top": "middle * kept", "middle": "low + stages.ranking.replicas", "low": "first * 2", "aside": "unused * 2"},
        {"stages.ranking.replicas": "20"},
    )
    found = trace(some, "top")
    assert found.assumptions == ("first", "kept")
    assert found.estimates == ("low", "middle")
    assert found.paths == ("stages.ranking.replicas",)
    assert trace(some, "low") == (("first",), (), ())


def test_break_even() -> None:
    some = sheet(
        {"a": "2 s", "b": "8..18"}, {"y": "a * b", "square": "a^2", "flat": "b * 1", "waves": "(a / 1 s - 3)^2"}
    )
    y = some.quantities()["y"]
    assert y.value == pytest.approx(24)
    assert break_even(some, "a", "y", Quantity(240, y.dimension)) == pytest.approx(10)
    assert break_even(some, "b", "y", Quantity(0.24, y.dimension)) == pytest.approx(0.01)
    assert break_even(some, "a", "square", UNITS.quantity("100 s*s")) == pytest.approx(5)
    assert break_even(some, "a", "y", y) == 1
    assert break_even(some, "a", "y", Quantity(24e6, y.dimension)) is None, "more than 1,000 times off"
    assert break_even(some, "a", "y", Quantity(24e6, y.dimension), most=1e7) == pytest.approx(1e6)
    assert break_even(some, "a", "y", Quantity(-1, y.dimension)) is None
    assert break_even(some, "a", "flat", Quantity(5)) is None, "it does not depend on it"
    # (2 f - 3)^2 = 4 at f = 0.5 and 2.5: on the log scale 0.5 is nearer to 1
    assert break_even(some, "a", "waves", Quantity(4)) == pytest.approx(0.5)


def test_break_even_leaps_with_whole_things_but_not_over_poles() -> None:
    some = sheet({"load": "10"}, {"servers": "ceil(load / 3)", "queue": "1 / (15 - load)", "root": "sqrt(load - 9)"})
    leap = break_even(some, "load", "servers", Quantity(6.5))
    assert leap == pytest.approx(1.8)  # beyond 18 there are 7
    assert break_even(some, "load", "queue", Quantity(-1e9)) is None
    assert break_even(some, "load", "queue", Quantity(1)) == pytest.approx(1.4)
    assert break_even(some, "load", "root", Quantity(4)) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda some: tornado(some, "yy"), "'yy' is not an estimate of this sheet; did you mean 'y'?"),
        (lambda some: trace(some, "a"), "'a' is not an estimate of this sheet; define it first"),
        (
            lambda some: break_even(some, "bb", "y", UNITS.quantity("3 s")),
            "'bb' is not an assumption of this sheet; did you mean 'b'?",
        ),
        (
            lambda some: break_even(some, "zzz", "y", UNITS.quantity("3 s")),
            "'zzz' is not an assumption of this sheet; there are a, b, c, exact",
        ),
        (
            lambda some: break_even(some, "a", "y", UNITS.quantity("3 B")),
            "'y' is s, the target is B; give a target of the same kind",
        ),
        (
            lambda some: break_even(some, "a", "y", UNITS.quantity("3 s"), most=0.5),
            "0.5 is no bound for a factor: a number above 1, at most 1e+12",
        ),
    ],
)
def test_messages(call, said) -> None:
    some = sheet(*PRODUCT)
    with pytest.raises(FormulaError) as error:
        call(some)
    assert str(error.value).startswith(said)


def test_an_estimate_that_loses_its_value_is_named() -> None:
    broken = sheet({"a": "1"}, {"y": "a / 0"})
    with pytest.raises(FormulaError, match="'y' has no value; correct the problem"):
        break_even(broken, "a", "y", Quantity(1))
    with pytest.raises(FormulaError, match="'y' has no value; correct the problem"):
        tornado(broken, "y")


# -- correlations -----------------------------------------------------------------------------------------------------


def draws(texts: dict[str, str], correlations: dict[tuple[str, str], float] | None = None) -> dict[str, np.ndarray]:
    """Samples of assumptions by name."""
    return sheet(texts, {}, correlations=correlations or {}).samples()[0]


THREE = {"a": "1..2", "b": "-5..50", "c": "10..1000"}


@pytest.mark.parametrize("of", [-0.95, -0.4, 0.2, 0.6, 0.99])
def test_declared_rank_correlations_come_out(of: float) -> None:
    found = draws(THREE, {("a", "b"): of})
    assert stats.spearmanr(found["a"], found["b"]).statistic == pytest.approx(of, abs=0.02)
    assert abs(stats.spearmanr(found["a"], found["c"]).statistic) < 0.03
    for name, text in THREE.items():
        ends = UNITS.range(text)
        assert np.mean(found[name] < ends.low.value) == pytest.approx(0.05, abs=0.006)
        assert np.mean(found[name] > ends.high.value) == pytest.approx(0.05, abs=0.006)


def test_three_that_hang_together() -> None:
    declared = {("c", "a"): 0.7, ("b", "c"): -0.5, ("a", "b"): -0.2}
    found = draws(THREE, declared)
    for (one, other), of in declared.items():
        assert stats.spearmanr(found[one], found[other]).statistic == pytest.approx(of, abs=0.02)


def test_a_correlation_widens_a_product_as_it_must() -> None:
    """The logarithm of a product of correlated log-normals is normal: its variance is known."""
    of = 0.6
    some = sheet({"a": "1..2", "b": "10..40"}, {"y": "a * b", "z": "a / b"}, correlations={("a", "b"): of})
    rho = 2 * math.sin(math.pi / 6 * of)
    for name, sign in (("y", 1), ("z", -1)):
        result = some.evaluate()[name]
        spread = math.sqrt(SPREADS["a"] ** 2 + SPREADS["b"] ** 2 + sign * 2 * rho * SPREADS["a"] * SPREADS["b"])
        assert result.low is not None
        assert result.high is not None
        assert math.log(result.high.value / result.low.value) == pytest.approx(2 * Z_95 * spread, rel=0.02)


def test_others_keep_their_draws() -> None:
    plain = draws(THREE | {"d": "1..2", "e": "1..2"})
    tied = draws(THREE | {"d": "1..2", "e": "1..2"}, {("a", "b"): 0.5, ("d", "c"): 0.5})
    assert tied["e"].tobytes() == plain["e"].tobytes()
    assert tied["a"].tobytes() == plain["a"].tobytes(), "the first of a group keeps its own"
    assert tied["b"].tobytes() != plain["b"].tobytes()
    fewer = draws({name: THREE[name] for name in ("b", "a")}, {("b", "a"): 0.5})
    assert fewer["b"].tobytes() == tied["b"].tobytes(), "neither order, nor what else there is, changes a draw"


def test_an_assumption_without_a_range_is_tied_to_nothing() -> None:
    found = draws({"a": "1..2", "b": "7", "c": "1..2"}, {("a", "b"): 0.9, ("b", "c"): 0.2})
    assert found.keys() == {"a", "c"}
    assert found["c"].tobytes() == draws({"c": "1..2"})["c"].tobytes()


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(st.from_regex(r"[a-z]{3,8}_[0-9]", fullmatch=True), min_size=2, max_size=4, unique=True),
    # Between two neighbours among the floating-point numbers there is nothing that could have a rank.
    ends=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=2).filter(lambda ends: abs(ends[0] - ends[1]) > 1e-3),
    step=st.sampled_from([0.0, 1.0, 50.0]),
)
def test_neither_equal_nor_sorted_ranges_make_a_correlation(names: list[str], ends: list[float], step: float) -> None:
    low, high = sorted(ends)
    ranges = {
        name: Range(Quantity(low + step * place), Quantity(high + step * place))
        for place, name in enumerate(sorted(names))
    }
    found = samples(ranges, {})
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            assert abs(stats.spearmanr(found[one], found[other]).statistic) < 0.035  # five standard errors


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.99, 0.99), min_size=3, max_size=3))
def test_what_no_numbers_can_do_is_refused(of: list[float]) -> None:
    declared = dict(zip([("a", "b"), ("a", "c"), ("b", "c")], of, strict=True))
    x, y, z = (2 * math.sin(math.pi / 6 * one) for one in of)
    determinant = 1 + 2 * x * y * z - x * x - y * y - z * z
    problems = sheet(THREE, {"y": "a * b * c"}, correlations=declared).correlation_problems()
    if determinant > 1e-6:
        assert not problems
    elif determinant < -1e-6:
        (problem,) = problems
        assert problem.startswith("no numbers vary together so: 'a' and 'b'")


def faulty(correlations: dict[tuple[str, str], float]) -> Sheet:
    return sheet(THREE | {"d": "1..2", "fixed": "3"}, {"y": "a * b * c", "z": "fixed * 2"}, correlations=correlations)


@pytest.mark.parametrize(
    ("correlations", "said"),
    [
        ({("a", "bb"): 0.5}, "'bb' is not an assumption of this sheet; did you mean 'b'?"),
        ({("a", "everything"): 0.5}, "'everything' is not an assumption of this sheet; there are a, b, c, d, fixed"),
        ({("a", "y"): 0.5}, "'y' is not an assumption of this sheet; there are a, b, c, d, fixed"),
        ({("a", "a"): 0.5}, "'a' with itself; name two assumptions"),
        ({("a", "b"): 0.5, ("b", "a"): 0.4}, "'b' and 'a' stand together twice; say it once"),
        ({("a", "b"): 1.0}, "'a' and 'b': 1 is no correlation; write a number above -1 and below 1"),
        ({("a", "b"): math.nan}, "'a' and 'b': nan is no correlation; write a number above -1 and below 1"),
        (
            {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "d"): 0.3},
            "no numbers vary together so: 'a' and 'b' 0.9, 'a' and 'c' 0 (not declared), 'b' and 'c' 0.9; "
            "bring them nearer to 0, or declare what is missing",
        ),
    ],
)
def test_messages_of_correlations(correlations: dict[tuple[str, str], float], said: str) -> None:
    some = faulty(correlations)
    assert some.correlation_problems() == [said]
    with pytest.raises(FormulaError) as error:
        some.evaluate()
    assert str(error.value) == said
    results = some.results()
    assert results["y"].low is None
    assert "has no interval" in results["y"].no_interval
    assert results["z"].value.value == 6


def test_too_many_correlations_are_refused_at_once() -> None:
    names = {f"n{place}": "1..2" for place in range(MAX_CORRELATIONS + 2)}
    declared = {(f"n{place}", f"n{place + 1}"): 0.9 for place in range(MAX_CORRELATIONS + 1)}
    assert sheet(names, {}, correlations=declared).correlation_problems() == [
        "101 correlations; a sheet takes at most 100"
    ]
    del declared["n100", "n101"]
    (problem,) = sheet(names, {}, correlations=declared).correlation_problems()
    assert "and" in problem
    assert len(problem) < 300


BYTES = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import estimators.sensitivity
assert "numpy" not in sys.modules and "scipy" not in sys.modules, "a check must start fast"
from estimators.sampling import samples
from estimators.units import Units
units = Units()
found = samples({n: units.range(t) for n, t in (("c", "10..1000"), ("a", "1..2"), ("b", "-5..50"))}, {("a", "b"): 0.5})
print(hashlib.sha256(b"".join(found[n].tobytes() for n in "abc")).hexdigest())
"""


def test_the_same_bytes_in_every_process(pytestconfig: pytest.Config) -> None:
    root = str(pytestconfig.rootpath)
    said = {
        subprocess.run(
            [sys.executable, "-c", BYTES, root],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
