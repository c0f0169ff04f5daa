"""What several arms, and looking several times, do to a stated confidence.

For arms of equal size and many units: their means are normal with one standard error. `alpha` is the false-alarm
probability that is allowed over all comparisons or looks together, `arms` counts the control too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from estimators.errors import FormulaError
from estimators.experiment import NORMAL, solve, z

if TYPE_CHECKING:
    import numpy

MAX_ARMS = 1_000
MAX_LOOKS = 100
AGAINST = {
    "control": "each against one control",
    "all": "every pair",
    "rest": "one called better than all the others",
}
CORRECTIONS = {
    "none": "no correction",
    "bonferroni": "Bonferroni",
    "sidak": "Šidák",
    "dunnett": "Dunnett",
    "tukey": "Tukey",
    "gutmann": "Gutmann and Maymin",
}
_ONLY = {"dunnett": "control", "tukey": "all", "gutmann": "rest"}


def comparisons(arms: int, against: str) -> int:
    """How many comparisons are made: 8 of nine arms against a control, 36 pairs, 8 of the best with the rest."""
    return arms * (arms - 1) // 2 if against == "all" else arms - 1


def correction_for(against: str, arms: int, correction: str | None) -> str:
    """The one that was chosen, or the usual one; FormulaError where it does not fit what is compared."""
    if correction is None:
        return "gutmann" if against == "rest" else "none" if arms == 2 else "bonferroni"
    allowed = [name for name in CORRECTIONS if _ONLY.get(name, against) == against]
    if against == "rest":
        allowed = ["gutmann"]
    if correction not in allowed:
        raise FormulaError(f"correction '{correction}' does not fit {AGAINST[against]}; choose {' or '.join(allowed)}")
    return correction


@lru_cache(maxsize=256)
def level_each(alpha: float, arms: int, against: str, correction: str) -> float:
    """The two-sided level of one comparison, such that all together have at most `alpha` false alarms."""
    count = comparisons(arms, against)
    if correction in ("none", "gutmann"):
        return alpha
    if correction == "bonferroni":
        return alpha / count
    if correction == "sidak":  # holds for every two-sided comparison of normal means: Šidák, JASA 1967
        return -math.expm1(math.log1p(-alpha) / count)
    point = dunnett_point(alpha, arms) if correction == "dunnett" else tukey_point(alpha, arms)
    return 2 * NORMAL.cdf(-point)


def dunnett_point(alpha: float, arms: int) -> float:
    """Largest |z| of the differences from one control: Dunnett, JASA 1955 and Biometrics 1964, infinite freedom."""
    from scipy.special import ndtr

    def none_beyond(point: float) -> float:
        return _mean_over_normal(lambda x: (ndtr(x + _ROOT2 * point) - ndtr(x - _ROOT2 * point)) ** (arms - 1))

    return solve(none_beyond, 1 - alpha, 0.0, 40.0)


def tukey_point(alpha: float, arms: int) -> float:
    """Largest |z| of all pairs: the studentized range of infinite freedom over √2 (Tukey 1953)."""
    from scipy.special import ndtr

    def none_beyond(point: float) -> float:
        return _mean_over_normal(lambda x: arms * (ndtr(x) - ndtr(x - _ROOT2 * point)) ** (arms - 1))

    return solve(none_beyond, 1 - alpha, 0.0, 40.0)


def best_is_ahead(gap: float, arms: int) -> float:
    """Chance that the best arm's mean comes out first when its lead is `gap` standard errors of one arm.

    All others are taken to be equal: the worst case (Bechhofer, Annals of Mathematical Statistics 1954).
    """
    from scipy.special import ndtr

    return _mean_over_normal(lambda x: ndtr(x + gap) ** (arms - 1))


@lru_cache(maxsize=256)
def lead(probability: float, arms: int) -> float:
    """The lead, in standard errors of one arm, with which the best comes out first with that probability."""
    return solve(lambda gap: best_is_ahead(gap, arms), probability, -40.0, 80.0)


def winning_lead(alpha: float) -> float:
    """The observed lead over the next one, in standard errors of one arm, that shows that the first is the best.

    That of one two-sided comparison, however many arms there are: it goes wrong most often where two are equally good
    and all others far behind (Gutmann and Maymin, Is the Selected Population the Best?, Annals of Statistics 1987).
    """
    return _ROOT2 * z(alpha / 2)


def size_for_lead(variance: float, difference: float, gap: float) -> float:
    """Units of one arm for which a true `difference` is a lead of `gap` standard errors."""
    return variance * (gap / difference) ** 2


def false_alarms(looks: int, level: float) -> float:
    """Chance that one of `looks` evenly spaced looks at growing data comes out below `level`, without a difference.

    By the recursion of Armitage, McPherson and Rowe (JRSS A 1969): the density of the sum so far, over what has not
    stopped yet, carried from look to look by Gauss-Legendre quadrature.
    """
    point = z(level / 2)
    nodes, weights = _quadrature()
    x, w = nodes * point, weights * point
    density = _density(x)
    for look in range(2, looks + 1):
        end = point * math.sqrt(look)
        density = _density(nodes[:, None] * end - x) @ (w * density)
        x, w = nodes * end, weights * end
    return float(1 - w @ density)


@lru_cache(maxsize=256)
def level_of_a_look(looks: int, alpha: float) -> float:
    """The level at which each of `looks` looks may be judged: Pocock, Biometrika 1977."""
    return solve(lambda level: false_alarms(looks, level), alpha, alpha / looks, alpha, tolerance=1e-6)


_ROOT2 = math.sqrt(2)
_NODES = 160
_GRID = 2_001


@cache
def _quadrature() -> tuple[numpy.ndarray, numpy.ndarray]:
    import numpy

    return numpy.polynomial.legendre.leggauss(_NODES)


def _density(x: numpy.ndarray) -> numpy.ndarray:
    import numpy

    return numpy.asarray(numpy.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def _mean_over_normal(function: Callable[[numpy.ndarray], numpy.ndarray]) -> float:
    """The mean of a function of a standard normal. The trapezoid rule: its error falls faster than any power here."""
    import numpy

    x = numpy.linspace(-10, 10, _GRID)
    return float((_density(x) * function(x)).sum() * (x[1] - x[0]))
