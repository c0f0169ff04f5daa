"""From a service time as a case says it to mean, table and fit; and the periods of slowness."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cases.fits import fitted
from cases.service_spec import Stragglers
from cases.spec import ServiceTime
from simulator import draws, service

MS = 1e-3
NAME = draws.name_hash("ranking")


def spec(kind: str, **fields: Any) -> ServiceTime:
    """As cases check it, without the texts."""
    if isinstance(late := fields.get("stragglers"), tuple):
        fields["stragglers"] = Stragglers.model_construct(share=late[0], times=late[1])
    return ServiceTime.model_construct(kind=kind, **fields)


def at(table: np.ndarray, p: float) -> float:
    """The p-quantile of a table, above the median."""
    return draws.quantile(table, 2**63 + int((1 - p) * 2**64))


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec("constant", mean=1.0), draws.constant_table()),
        (spec("exponential", mean=1.0), draws.exponential_table()),
        (spec("exponential", mean=1.0, cv=1.0), draws.exponential_table()),
        (spec("lognormal", mean=1.0, cv=0.8), draws.lognormal_table(0.8)),
        (spec("gamma", mean=1.0, cv=0.4), draws.gamma_table(0.4)),
        (spec("pareto", mean=1.0, cv=0.7), draws.pareto_table(0.7)),
        (spec("uniform", mean=1.0, cv=0.3), draws.uniform_table(0.3)),
        (spec("empirical", times=(1.0, 2.0, 6.0)), draws.empirical_table([1.0, 2.0, 6.0])),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
def test_the_table_is_that_of_its_kind(given: ServiceTime, expected: np.ndarray) -> None:
    unit = service.unit_table(given)
    assert (unit.make() == expected).all()
    assert unit.scale == 1.0


def test_one_shape_is_one_table_whatever_its_mean() -> None:
    """A key tells tables apart, and nothing else."""
    keys = [
        service.unit_table(one).key
        for one in (
            spec("lognormal", mean=1.0, cv=0.8),
            spec("lognormal", mean=2.0, cv=0.8),
            spec("lognormal", floor=2.0, per_item=0.1, items="candidates", cv=0.8),
            spec("lognormal", mean=1.0, cv=0.8, stragglers=(0.0, 10.0)),
            spec("lognormal", mean=1.0, cv=0.8, stragglers=(0.01, 1.0)),
        )
    ]
    assert len(set(keys)) == 1
    others = [
        service.unit_table(one).key
        for one in (
            spec("lognormal", mean=1.0, cv=0.7),
            spec("gamma", mean=1.0, cv=0.8),
            spec("lognormal", mean=1.0, cv=0.8, stragglers=(0.01, 10.0)),
            spec("lognormal", mean=1.0, cv=0.8, stragglers=(0.01, 20.0)),
            spec("empirical", times=(1.0, 2.0)),
            spec("empirical", times=(1.0, 3.0)),
            spec("constant", mean=1.0),
        )
    ]
    assert len({*keys, *others}) == 1 + len(others)


def test_stragglers_take_longer_and_leave_the_others_as_they_are() -> None:
    """1 % that take 10 times as long make the mean 9 % longer; the median visit moves by what 1 % shifts it."""
    plain, late = (
        service.unit_table(spec("lognormal", mean=5 * MS, cv=0.3, **f)) for f in ({}, {"stragglers": (0.01, 10.0)})
    )
    assert late.scale == pytest.approx(1.09)
    table = late.make() * late.scale
    assert at(table, 0.5 + 1e-9) == pytest.approx(at(plain.make(), 0.5 + 1e-9), rel=0.01)
    assert at(table, 0.995) == pytest.approx(10 * at(plain.make(), 0.5 + 1e-9), rel=0.01)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (spec("constant", mean=12 * MS), 12 * MS),
        (spec("lognormal", floor=2 * MS, per_item=20e-6, items="candidates", cv=0.4), 2 * MS),
        (spec("lognormal", per_item=20e-6, items="candidates", cv=0.4), 0.0),
        (spec("empirical", times=(1 * MS, 2 * MS, 6 * MS)), 3 * MS),
        (spec("lognormal", mean=5 * MS, cv=1.0, stragglers=(0.01, 10.0)), 5 * MS),
    ],
)
def test_the_mean_is_that_of_visits_that_do_not_straggle(given: ServiceTime, seconds: float) -> None:
    assert service.mean(given) == pytest.approx(seconds)


# -- fits -------------------------------------------------------------------------------------------------------------


def test_the_tail_at_scale_leaf() -> None:
    """FAN3, HED2: a lognormal of p50 1 ms and p95 5 ms has sigma 0.978469 and p99 9.740 ms (published 10).

    Dean & Barroso, The Tail at Scale, CACM 2013, Table 1.
    """
    given = spec("lognormal", p50=1 * MS, p95=5 * MS)
    fit = fitted(given)
    assert fit is not None
    assert math.sqrt(math.log1p(fit.cv**2)) == pytest.approx(0.978469, abs=1e-6)
    assert fit.mean == pytest.approx(math.exp(0.978469**2 / 2) * MS, rel=1e-6)
    assert [p.error for p in fit.percentiles] == pytest.approx([0.0, 0.0], abs=1e-12)
    table = service.unit_table(given).make() * service.mean(given)
    assert at(table, 0.99) == pytest.approx(9.740171771 * MS, rel=1e-4)
    assert at(table, 0.999) == pytest.approx(20.56716387 * MS, rel=1e-4)


def test_a_third_percentile_shows_how_near_the_fit_comes() -> None:
    fit = fitted(spec("lognormal", p50=1 * MS, p95=5 * MS, p99=10 * MS))
    assert fit is not None
    assert [p.percentile for p in fit.percentiles] == [50, 95, 99]
    assert [p.stated for p in fit.percentiles] == [1 * MS, 5 * MS, 10 * MS]
    errors = [p.error for p in fit.percentiles]
    assert max(map(abs, errors)) < 0.02
    assert errors[1] > 0 > errors[2]  # the line passes between
    assert math.fsum(math.log1p(e) for e in errors) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("cv", [0.05, 0.3, 0.9, 2.0])
@pytest.mark.parametrize("kind", ["lognormal", "gamma", "pareto"])
@pytest.mark.parametrize("known", [("p50", "p95"), ("p50", "p95", "p99")])
def test_a_fit_finds_the_distribution_the_percentiles_are_of(kind: str, cv: float, known: tuple[str, ...]) -> None:
    """Of mean 8 ms; SciPy's quantiles in, the same mean and cv out, and the table is of them."""
    sigma, shape = math.sqrt(math.log1p(cv**2)), 1 + math.sqrt(1 + cv**-2)
    truth = {
        "lognormal": stats.lognorm(sigma, scale=8 * MS * math.exp(-(sigma**2) / 2)),
        "gamma": stats.gamma(cv**-2, scale=8 * MS * cv**2),
        "pareto": stats.pareto(shape, scale=8 * MS * (shape - 1) / shape),
    }[kind]
    given = spec(kind, **{p: float(truth.ppf(int(p[1:]) / 100)) for p in known})
    fit = fitted(given)
    assert fit is not None
    assert fit.mean == pytest.approx(8 * MS, rel=1e-7)
    assert fit.cv == pytest.approx(cv, rel=1e-7)
    assert max(abs(p.error) for p in fit.percentiles) < 1e-9
    assert service.mean(given) == fit.mean
    table = service.unit_table(given).make() * fit.mean
    for percentile in fit.percentiles:
        assert at(table, percentile.percentile / 100 + 1e-12) == pytest.approx(percentile.stated, rel=1e-4)


def test_the_nearest_gamma_is_nearer_than_its_neighbours() -> None:
    """Three percentiles that no gamma has: other shapes with their best scale miss by more."""
    stated = np.array([1.0, 5.0, 10.0]) * MS
    fit = fitted(spec("gamma", p50=stated[0], p95=stated[1], p99=stated[2]))
    assert fit is not None

    def missed(cv: float) -> float:
        misses = np.log(stated) - np.log(stats.gamma(cv**-2).ppf([0.5, 0.95, 0.99]))
        return float(((misses - misses.mean()) ** 2).sum())

    assert missed(fit.cv) < min(missed(fit.cv * 0.99), missed(fit.cv * 1.01))
    assert math.fsum(math.log1p(p.error) ** 2 for p in fit.percentiles) == pytest.approx(missed(fit.cv))


@pytest.mark.parametrize("kind", ["lognormal", "gamma"])
@pytest.mark.parametrize(("p50", "p95"), [(1 * MS, 1.0001 * MS), (1 * MS, 1.3 * MS), (1 * MS, 100 * MS)])
def test_close_and_distant_percentiles_are_fitted_exactly(kind: str, p50: float, p95: float) -> None:
    fit = fitted(spec(kind, p50=p50, p95=p95))
    assert fit is not None
    assert max(abs(p.error) for p in fit.percentiles) < 1e-4


def test_percentiles_are_those_of_visits_that_do_not_straggle() -> None:
    given = {"p50": 1 * MS, "p95": 5 * MS}
    assert fitted(spec("lognormal", **given, stragglers=(0.01, 10.0))) == fitted(spec("lognormal", **given))


def test_without_percentiles_there_is_nothing_to_fit() -> None:
    assert fitted(spec("lognormal", mean=1.0, cv=0.8)) is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (spec("lognormal", p50=5 * MS, p95=5 * MS), "p95 must be above p50"),
        (spec("gamma", p50=5 * MS, p95=4 * MS), "p95 must be above p50"),
        (spec("lognormal", p50=1 * MS, p95=5 * MS, p99=5 * MS), "p99 must be above p95"),
        (spec("lognormal", p50=1 * MS), "one percentile is not enough"),
        (spec("uniform", p50=1 * MS, p95=2 * MS), "fitted by lognormal, gamma, pareto"),
        (spec("pareto", p50=1 * MS, p95=5 * MS), "shape 1.43.*choose 'kind: lognormal', or 'kind: empirical'"),
        (spec("lognormal", p50=1 * MS, p95=1.0), "cv 6.*, .*'kind: empirical'"),
    ],
)
def test_what_cannot_be_fitted_says_why_and_what_to_write(given: ServiceTime, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fitted(given)
    with pytest.raises(ValueError, match=text):
        service.unit_table(given)


# -- periods ----------------------------------------------------------------------------------------------------------


def test_periods_ascend_and_do_not_overlap() -> None:
    """However short they are said to be."""
    for every, lasts in ((1_000_000, 50_000), (1, 1), (0, 0), (10**18, 10**18)):
        found = list(islice(service.periods(1, 0, NAME, every, lasts), 500))
        assert all(start < end for start, end in found)
        assert all(end < start for (_, end), (start, _) in pairwise(found))
        assert found[0][0] >= 1


def test_periods_are_a_function_of_what_they_are_for() -> None:
    """Asked for twice they are the same; another seed, replication or name has others."""
    first = list(islice(service.periods(1, 0, NAME, 10**9, 10**8), 20))
    assert first == list(islice(service.periods(1, 0, NAME, 10**9, 10**8), 20))
    others = [(2, 0, NAME), (-1, 0, NAME), (1, 1, NAME), (1, 0, draws.name_hash("features"))]
    for seed, replication, name in others:
        assert not set(first) & set(islice(service.periods(seed, replication, name, 10**9, 10**8), 20))


def test_longer_periods_come_after_the_same_gaps() -> None:
    """Common random numbers: a changed length changes no gap."""
    short, long = (list(islice(service.periods(1, 0, NAME, 10**9, lasts), 50)) for lasts in (10**6, 10**8))

    def gaps(found: list[tuple[int, int]]) -> list[int]:
        return [found[0][0], *(start - end for (_, end), (start, _) in pairwise(found))]

    assert gaps(short) == gaps(long)


def test_gaps_and_lengths_are_exponential_and_independent() -> None:
    found = list(islice(service.periods(3, 0, NAME, 10**9, 10**7), 20_000))
    gaps = np.array([start - end for (_, end), (start, _) in pairwise(found)]) / 1e9
    lengths = np.array([end - start for start, end in found]) / 1e7
    for drawn in (gaps, lengths):
        assert stats.kstest(drawn, "expon").pvalue > 1e-4
    assert abs(np.corrcoef(gaps, lengths[1:])[0, 1]) < 5 / math.sqrt(len(gaps))
