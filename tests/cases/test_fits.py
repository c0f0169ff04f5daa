"""Percentiles to distributions, and how near they come, where a case is checked."""

import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from small_texts import desk

from cases import fits
from cases.__main__ import cli
from cases.service_spec import ServiceTime


def spec(kind: str, p50: float, p95: float, p99: float | None = None) -> ServiceTime:
    return ServiceTime.model_construct(kind=kind, p50=p50, p95=p95, p99=p99)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.sampled_from(["lognormal", "gamma", "pareto"]), st.floats(1e-4, 10.0), st.floats(0.05, 1.5))
def test_percentiles_of_a_distribution_give_it_back(kind: str, mean: float, cv: float) -> None:
    sigma = math.sqrt(math.log1p(cv * cv))
    shape = 1.0 + math.sqrt(1.0 + 1.0 / cv**2)
    law = {
        "lognormal": stats.lognorm(sigma, scale=mean * math.exp(-sigma * sigma / 2)),
        "gamma": stats.gamma(1 / cv**2, scale=mean * cv**2),
        "pareto": stats.pareto(shape, scale=mean * (shape - 1) / shape),
    }[kind]
    for percentiles in ((0.5, 0.95), (0.5, 0.95, 0.99)):
        fit = fits.fitted(spec(kind, *(float(law.ppf(p)) for p in percentiles)))
        assert fit is not None
        assert (fit.mean, fit.cv) == pytest.approx((mean, cv), rel=1e-5)
        assert all(abs(one.error) < 1e-6 for one in fit.percentiles)


def test_three_percentiles_that_no_lognormal_has() -> None:
    fit = fits.fitted(spec("lognormal", 0.005, 0.012, 0.025))
    assert fit is not None
    errors = [one.error for one in fit.percentiles]
    assert errors == pytest.approx([-0.047, 0.180, -0.110], abs=0.001)
    assert sum(math.log1p(error) for error in errors) == pytest.approx(0.0, abs=1e-9)  # least squares of logarithms


def test_no_percentiles_no_fit() -> None:
    assert fits.fitted(desk().stages[0].service) is None


def test_check_says_how_near_the_fit_comes() -> None:
    path = Path(__file__).parent / "good" / "request_path.yaml"
    result = CliRunner().invoke(cli, ["check", str(path)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "  profile: gamma of mean 2.44 ms, cv 0.749; p50 2 ms (stated 2 ms), p95 6 ms (stated 6 ms)",
        "  search: lognormal of mean 5.93 ms, cv 0.742; p50 4.76 ms (stated 5 ms, -4.7 %), "
        "p95 14.2 ms (stated 12 ms, +18.0 %), p99 22.2 ms (stated 25 ms, -11.0 %)",
    ]
