"""Sizes, power and corrections against published tables, exact distributions, enumeration and seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy
import pytest
from scipy import stats

from estimators import multiplicity as many
from estimators.errors import FormulaError
from estimators.experiment import (
    MANY,
    Mean,
    Proportion,
    half_width,
    interval_size,
    preference_size,
    smallest_found,
    variance_left,
    z,
)


@pytest.mark.parametrize(
    ("base", "to", "level", "power", "size"),
    [
        (0.50, 0.75, 0.05, 0.90, 76.7),  # R, ?power.prop.test: "n = 76.7"
        (0.05, 0.10, 0.05, 0.80, 434.432),  # R, power.prop.test(p1 = 0.05, p2 = 0.10, power = 0.8)
    ],
)
def test_two_proportions_as_r_has_them(base: float, to: float, level: float, power: float, size: float) -> None:
    assert Proportion(base).size(to - base, level, power) == pytest.approx(size, rel=1e-4)


def test_fleiss_table_of_sizes_with_continuity_correction() -> None:
    """Fleiss, Statistical Methods for Rates and Proportions, table A.3: 0.05 against 0.10, 5 %, power 0.80: 474."""
    size, difference = Proportion(0.05).size(0.05, 0.05, 0.80), 0.05
    corrected = size / 4 * (1 + math.sqrt(1 + 4 / (size * difference))) ** 2
    assert math.ceil(corrected) == 474


def test_power_of_two_proportions_as_r_has_it() -> None:
    # R's power.prop.test(n = 50, p1 = .50, p2 = .75) is 0.740.
    assert Proportion(0.5).power(0.25, 50, 0.05) == pytest.approx(0.740, abs=5e-4)


@pytest.mark.parametrize(("base", "to", "each"), [(0.2, 0.4, 80), (0.5, 0.65, 170), (0.1, 0.2, 200), (0.3, 0.2, 300)])
@pytest.mark.parametrize("pooled", [True, False])
def test_power_is_near_the_exact_one_by_enumeration(base: float, to: float, each: int, pooled: bool) -> None:
    """Every pair of binomial counts, weighted, put to the z test."""
    counts = numpy.arange(each + 1)
    one, other = counts[:, None] / each, counts[None, :] / each
    middle = (one + other) / 2
    variance = 2 * middle * (1 - middle) if pooled else one * (1 - one) + other * (1 - other)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        beyond = numpy.abs(one - other) / numpy.sqrt(variance / each) >= stats.norm.isf(0.025)
    weights = stats.binom.pmf(counts, each, base)[:, None] * stats.binom.pmf(counts, each, to)[None, :]
    exact = float(weights[beyond].sum())
    assert Proportion(base, pooled).power(to - base, each, 0.05) == pytest.approx(exact, abs=0.012)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize(("base", "difference"), [(0.05, 0.005), (0.5, 0.001), (0.9, -0.02)])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_size_and_power_of_proportions_are_each_others_inverse(
    base: float, difference: float, power: float, pooled: bool
) -> None:
    metric = Proportion(base, pooled)
    size = metric.size(difference, 0.01, power)
    assert metric.power(difference, size, 0.01) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize(
    ("d", "level", "power", "size"),
    [
        # Cohen, Statistical Power Analysis (1988), table 2.4.1, two-sided 5 % and 1 %; his are rounded to the nearest.
        (0.2, 0.05, 0.80, 393),
        (0.5, 0.05, 0.80, 64),
        (0.8, 0.05, 0.80, 26),
        (0.2, 0.01, 0.80, 586),
        (0.5, 0.01, 0.80, 95),
        (0.8, 0.01, 0.80, 38),
    ],
)
def test_means_as_cohen_tabulates_them(d: float, level: float, power: float, size: int) -> None:
    assert Mean(1.0).size(d, level, power) == pytest.approx(size, abs=0.7)


def test_means_as_statsmodels_and_r_have_them() -> None:
    assert Mean(1.0).size(0.5, 0.05, 0.8) == pytest.approx(63.76561, abs=1e-4)  # tt_ind_solve_power
    assert Mean(1.0, paired=True).size(0.5, 0.05, 0.8) == pytest.approx(33.367204, abs=1e-4)  # its module's example
    assert Mean(1.0).size(1.0, 0.05, 0.9) == pytest.approx(22.02110, abs=1e-4)  # power.t.test(power = .90, delta = 1)
    assert Mean(1.0).power(1.0, 20, 0.05) == pytest.approx(0.8689528, abs=1e-6)  # power.t.test(n = 20, delta = 1)
    assert Mean(2.5).power(1.0, 100, 0.05) == pytest.approx(0.8036466, abs=1e-6)  # power.t.test(n=100, delta=1, sd=2.5)


@pytest.mark.parametrize(("sd", "difference", "each"), [(2, 1, 12), (1, 0.3, 200), (1, 0.1, 2_500)])
def test_power_of_means_is_that_of_the_noncentral_t(sd: float, difference: float, each: int) -> None:
    freedom, away = 2 * each - 2, difference / sd * math.sqrt(each / 2)
    point = stats.t.isf(0.005, freedom)
    exact = stats.nct.sf(point, freedom, away) + stats.nct.cdf(-point, freedom, away)
    assert Mean(sd).power(difference, each, 0.01) == pytest.approx(exact, abs=1e-9)
    point, away = stats.t.isf(0.005, each - 1), difference / sd * math.sqrt(each)
    exact = stats.nct.sf(point, each - 1, away) + stats.nct.cdf(-point, each - 1, away)
    assert Mean(sd, paired=True).power(difference, each, 0.01) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(("level", "power"), [(0.05, 0.8), (0.01, 0.95), (1e-5, 0.99), (1e-6, 0.999999)])
def test_means_go_on_smoothly_where_the_noncentral_t_ends(paired: bool, level: float, power: float) -> None:
    metric = Mean(1.0, paired)
    difference = math.sqrt((1 if paired else 2) / MANY) * (z(level / 2) + z(1 - power))
    below, above = metric.size(difference * 1.0001, level, power), metric.size(difference * 0.9999, level, power)
    assert above - below == pytest.approx(4e-4 * MANY, abs=0.05)


@pytest.mark.parametrize("each", [3, 30, 300, 2_000])
@pytest.mark.parametrize(("level", "power"), [(0.3, 0.5), (0.05, 0.8), (1e-5, 0.99), (1e-6, 0.999999)])
def test_size_of_means_at_any_level_by_integration(each: int, level: float, power: float) -> None:
    """A normal over a chi, integrated: also where the library's noncentral t gives no number."""
    away = 1.0
    point = stats.t.isf(level / 2, 2 * each - 2)
    chi = stats.chi(2 * each - 2, scale=1 / math.sqrt(2 * each - 2))
    roots = numpy.linspace(chi.ppf(1e-15), chi.isf(1e-15), 1_001)
    weights = chi.pdf(roots) / chi.pdf(roots).sum()

    def exact(size: float) -> float:
        near, far = stats.norm.sf(point * roots - size), stats.norm.cdf(-point * roots - size)
        return float(weights @ (near + far))

    low, high = 0.0, 1e5
    for _ in range(50):
        away = (low + high) / 2
        low, high = (away, high) if exact(away) < power else (low, away)
    difference = away / math.sqrt(each / 2)
    assert Mean(1.0).size(difference, level, power) == pytest.approx(each, rel=2e-4, abs=2e-3)


def test_power_of_means_by_simulation() -> None:
    draws = numpy.random.default_rng(7).standard_normal((20_000, 2, 25))
    draws[:, 1] += 0.8
    found = stats.ttest_ind(draws[:, 0], draws[:, 1], axis=1).pvalue < 0.05
    assert Mean(1.0).power(0.8, 25, 0.05) == pytest.approx(found.mean(), abs=4 * math.sqrt(0.2 * 0.8 / 20_000))


def test_the_published_retention_experiment() -> None:
    """Gomez-Uribe and Hunt 2015, p. 13: some 2 million members a cell for 0.1 points at 50 %."""
    assert interval_size(0.25, 0.001, 0.05) == pytest.approx(1_920_729.411)
    assert half_width(0.25, 1_920_729.411, 0.05) == pytest.approx(0.001)
    # With 80 % power, by the normal approximation; the t test takes one more.
    assert Mean(0.5).size(0.001, 0.05, 0.8) == pytest.approx(3_924_439.87 + z(0.025) ** 2 / 4, abs=0.01)
    assert Proportion(0.5).size(0.001, 0.05, 0.8) == pytest.approx(3_924_439.87, rel=1e-5)


def test_interval_of_a_difference_covers_it_and_misses_every_other_one_of_its_size() -> None:
    size = interval_size(0.05 * 0.95, 0.005, 0.05)
    rng = numpy.random.default_rng(3)
    one, other = rng.binomial(round(size), 0.05, (2, 40_000)) / size
    assert (numpy.abs(one - other) <= 0.005).mean() == pytest.approx(0.95, abs=0.005)
    assert Mean(math.sqrt(0.0475)).power(0.005, size, 0.05) == pytest.approx(0.5, abs=0.001)


def test_sign_test_by_exact_binomial() -> None:
    size = round(preference_size(0.52, 0.05, 0.8))
    least = stats.binom.isf(0.025, size, 0.5)
    assert stats.binom.sf(least, size, 0.52) == pytest.approx(0.8, abs=0.01)
    assert preference_size(0.48, 0.05, 0.8) == preference_size(0.52, 0.05, 0.8)


def test_what_is_known_before_lowers_the_variance_by_its_square() -> None:
    rng = numpy.random.default_rng(5)
    before, luck = rng.standard_normal((2, 200_000))
    after = 0.6 * before + 0.8 * luck
    slope = numpy.cov(before, after)[0, 1] / before.var()
    assert variance_left(0.6) == pytest.approx((after - slope * before).var() / after.var(), rel=0.01)


def test_smallest_difference_found_is_the_inverse_of_the_size() -> None:
    metric = Proportion(0.05)

    def power(difference: float) -> float:
        return metric.power(difference, 20_000, 0.05)

    found = smallest_found(power, 0.8, metric.largest_difference)
    assert metric.size(found, 0.05, 0.8) == pytest.approx(20_000, rel=1e-5)
    with pytest.raises(FormulaError, match="so few units"):
        smallest_found(lambda difference: metric.power(difference, 2, 0.001), 0.99, metric.largest_difference)


# Several arms


@pytest.mark.parametrize(
    ("point", "arms", "table"),
    [
        # Two-sided 5 %, infinite freedom: Dunnett, Biometrics 1964, table II, with 1 to 9 treatments.
        (many.dunnett_point, range(2, 11), (1.96, 2.21, 2.35, 2.44, 2.51, 2.57, 2.61, 2.65, 2.69)),
        # Studentized range, 5 %, infinite freedom (Harter 1960), over the square root of two.
        (
            lambda alpha, arms: many.tukey_point(alpha, arms) * math.sqrt(2),
            range(2, 11),
            (2.77, 3.31, 3.63, 3.86, 4.03, 4.17, 4.29, 4.39, 4.47),
        ),
        # One-sided 5 %, infinite freedom: Dunnett, JASA 1955, with 2 to 9 treatments.
        (
            lambda alpha, arms: many.lead(1 - alpha, arms) / math.sqrt(2),
            range(3, 11),
            (1.92, 2.06, 2.16, 2.23, 2.29, 2.34, 2.38, 2.42),
        ),
    ],
)
def test_points_of_the_published_tables(
    point: Callable[[float, int], float], arms: range, table: tuple[float, ...]
) -> None:
    assert [round(point(0.05, k), 2) for k in arms] == list(table)


def test_leads_of_bechhofers_table() -> None:
    """Annals of Mathematical Statistics 1954, table I: probability 0.95, the best one of 2 to 10."""
    table = (2.3262, 2.7101, 2.9162, 3.0552, 3.1591, 3.2417, 3.3099, 3.3679, 3.4182)
    assert [many.lead(0.95, arms) for arms in range(2, 11)] == pytest.approx(table, abs=6e-5)


def test_points_against_scipy() -> None:
    assert many.tukey_point(0.01, 9) == pytest.approx(
        stats.studentized_range.ppf(0.99, 9, 1e7) / math.sqrt(2), rel=1e-5
    )
    together = stats.multivariate_normal(cov=numpy.full((3, 3), 0.5) + numpy.eye(3) / 2)
    point = many.dunnett_point(0.05, 4)
    assert together.cdf([point] * 3, lower_limit=[-point] * 3) == pytest.approx(0.95, abs=1e-4)


def test_two_arms_are_the_plain_comparison_whatever_the_correction() -> None:
    for against, correction in (("control", "dunnett"), ("all", "tukey"), ("control", "sidak"), ("all", "bonferroni")):
        assert many.level_each(0.05, 2, against, correction) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("against", ["control", "all"])
@pytest.mark.parametrize("arms", [3, 9, 40])
def test_corrections_stand_in_their_known_order(arms: int, against: str) -> None:
    own = "dunnett" if against == "control" else "tukey"
    levels = [many.level_each(0.05, arms, against, name) for name in ("bonferroni", "sidak", own, "none")]
    assert levels == sorted(levels)
    assert levels[0] == 0.05 / many.comparisons(arms, against)


def test_nine_designs_are_thirty_six_pairs() -> None:
    assert many.comparisons(9, "all") == 36
    assert many.comparisons(9, "control") == many.comparisons(9, "rest") == 8


def _means_of_nine(lead: float) -> numpy.ndarray:
    """Standardized means of nine arms, the first one `lead` standard errors ahead."""
    means = numpy.random.default_rng(11).standard_normal((60_000, 9))
    means[:, 0] += lead
    return means


@pytest.mark.parametrize(("against", "correction"), [("control", "dunnett"), ("all", "tukey")])
def test_false_alarms_of_nine_equal_arms_by_simulation(against: str, correction: str) -> None:
    means = _means_of_nine(0.0)
    point = z(many.level_each(0.05, 9, against, correction) / 2) * math.sqrt(2)
    widest = numpy.abs(means[:, 1:] - means[:, :1]).max(axis=1) if against == "control" else numpy.ptp(means, axis=1)
    assert (widest > point).mean() == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize("arms", [2, 3, 9])
@pytest.mark.parametrize("equal", [2, 3, 9])
def test_a_false_winner_is_called_as_often_as_stated_by_simulation(arms: int, equal: int) -> None:
    """Most often where two are equally good and the others far behind; more equal ones get in each other's way."""
    means = numpy.random.default_rng(13).standard_normal((60_000, arms))
    means[:, min(equal, arms) :] -= 8
    first_two = numpy.sort(means, axis=1)[:, -2:]
    called = (first_two[:, 1] - first_two[:, 0] > many.winning_lead(0.05)).mean()
    if min(equal, arms) == 2:
        assert called == pytest.approx(0.05, abs=0.004)
    else:
        assert called < 0.02


def test_a_winner_of_nine_by_simulation() -> None:
    planned = _means_of_nine(many.winning_lead(0.05) + many.lead(0.8, 9))
    called = planned[:, 0] - planned[:, 1:].max(axis=1) > many.winning_lead(0.05)
    assert called.mean() == pytest.approx(0.8, abs=0.007)
    picked = _means_of_nine(many.lead(0.95, 9)).argmax(axis=1) == 0
    assert picked.mean() == pytest.approx(0.95, abs=0.004)


def test_correction_has_to_fit() -> None:
    assert many.correction_for("control", 2, None) == "none"
    assert many.correction_for("all", 9, None) == "bonferroni"
    assert many.correction_for("rest", 9, None) == "gutmann"
    with pytest.raises(FormulaError, match=r"'tukey' does not fit each against one control; choose none or bonferroni"):
        many.correction_for("control", 9, "tukey")
    with pytest.raises(
        FormulaError, match=r"'none' does not fit one called better than all the others; choose gutmann"
    ):
        many.correction_for("rest", 9, "none")


# Several looks


@pytest.mark.parametrize(
    ("looks", "table"),
    # Armitage, McPherson and Rowe, JRSS A 1969, table 2: 5 % at each look.
    [(1, 0.050), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320), (100, 0.374)],
)
def test_false_alarms_of_several_looks(looks: int, table: float) -> None:
    assert many.false_alarms(looks, 0.05) == pytest.approx(table, abs=6e-4)


@pytest.mark.parametrize(("looks", "table"), [(1, 0.05), (2, 0.0294), (5, 0.0158), (10, 0.0106)])
def test_level_of_a_look(looks: int, table: float) -> None:
    """Pocock, Biometrika 1977, table 1."""
    assert many.level_of_a_look(looks, 0.05) == pytest.approx(table, abs=6e-5)


def test_false_alarms_of_looks_by_simulation() -> None:
    walks = numpy.random.default_rng(2).standard_normal((100_000, 14)).cumsum(axis=1)
    beyond = (numpy.abs(walks) > z(0.005) * numpy.sqrt(numpy.arange(1, 15))).any(axis=1)
    assert many.false_alarms(14, 0.01) == pytest.approx(beyond.mean(), abs=0.003)
