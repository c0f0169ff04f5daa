"""How many it takes to see a difference: sample size, power and the smallest difference found; plain numbers.

A share is between 0 and 1, `level` is the two-sided false-alarm probability of one comparison, `power` the chance to
find a difference that is there. Sizes are of one arm and not rounded. All arms are equally large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from estimators.errors import FormulaError

NORMAL = NormalDist()
LARGEST = 1e12
"""nobody has more units than this to experiment on"""
MANY = 3_000
"""units of an arm from where the noncentral t is approximated, to a hundredth of a unit"""


def z(tail: float) -> float:
    """The point that a standard normal exceeds with probability `tail`."""
    return -NORMAL.inv_cdf(tail)


def solve(rising: Callable[[float], float], target: float, low: float, high: float, tolerance: float = 1e-12) -> float:
    """Where a rising function reaches `target` between `low` and `high`, by halving; `tolerance` is relative."""
    for _ in range(200):
        middle = low / 2 + high / 2
        if high - low <= tolerance * abs(middle):
            break
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of units with success, compared between two arms by the z test of two proportions.

    `pooled`: the test takes one common share for both arms under 'no difference' (Fleiss, Levin and Paik, Statistical
    Methods for Rates and Proportions, 2003, chapter 4, without continuity correction); else each arm's own variance.
    """

    base: float
    pooled: bool = True

    @property
    def largest_difference(self) -> float:
        return 1 - self.base

    def variance(self, difference: float = 0.0) -> float:
        """Of one unit: the mean of the two arms'."""
        other = self.base + difference
        return (self.base * (1 - self.base) + other * (1 - other)) / 2

    def _spreads(self, difference: float) -> tuple[float, float]:
        """Standard deviation of the difference of two single units: as the test takes it, and as it is."""
        middle = self.base + difference / 2
        true = math.sqrt(2 * self.variance(difference))
        return (math.sqrt(2 * middle * (1 - middle)) if self.pooled else true), true

    def size(self, difference: float, level: float, power: float) -> float:
        """(z(level/2) s0 + z(1-power) s1)² / difference², s0 and s1 from `_spreads`."""
        tested, true = self._spreads(difference)
        return ((z(level / 2) * tested + z(1 - power) * true) / difference) ** 2

    def power(self, difference: float, each: float, level: float) -> float:
        """By the normal approximation, both sides of the test counted."""
        tested, true = self._spreads(difference)
        found, needed = abs(difference) * math.sqrt(each), z(level / 2) * tested
        return NORMAL.cdf((found - needed) / true) + NORMAL.cdf((-found - needed) / true)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of a measurement, compared by the t test: between two arms, or over `paired` differences.

    `sd` is of one measurement, or of one difference where they are paired. Power is exact for normal measurements (the
    noncentral t; Cohen, Statistical Power Analysis, 1988, chapter 2), and for others nearly so once there are many.
    """

    sd: float
    paired: bool = False

    @property
    def largest_difference(self) -> float:
        return 1e3 * self.sd

    def variance(self, difference: float = 0.0) -> float:
        """Of one unit."""
        return self.sd**2

    def power(self, difference: float, each: float, level: float) -> float:
        """Both sides of the test counted; `each` may be a fraction."""
        arms = 1 if self.paired else 2
        if each > MANY:
            away = abs(difference) / self.sd * math.sqrt((each - self._spent_on_t(level)) / arms)
            return NORMAL.cdf(away - z(level / 2)) + NORMAL.cdf(-away - z(level / 2))
        from scipy.special import nctdtr, stdtrit

        freedom, away = arms * (each - 1), abs(difference) / self.sd * math.sqrt(each / arms)
        needed = -float(stdtrit(freedom, level / 2))
        short, other = nctdtr(freedom, away, needed), nctdtr(freedom, away, -needed)
        # Below some 1e-13 it gives no number.
        return 1 - (0.0 if math.isnan(short) else float(short)) + (0.0 if math.isnan(other) else float(other))

    def size(self, difference: float, level: float, power: float) -> float:
        """Where `power` reaches the wanted one, at least 2: a little more than the normal approximation."""
        normal = ((z(level / 2) + z(1 - power)) * self.sd / difference) ** 2 * (1 if self.paired else 2)
        if normal > MANY:
            return normal + self._spent_on_t(level)
        most = max(2 * normal, 4.0)
        while self.power(difference, most, level) < power:  # few degrees of freedom need very large t
            most *= 2
        return solve(lambda each: self.power(difference, each, level), power, 2.0, most)

    def _spent_on_t(self, level: float) -> float:
        """What not knowing the sd costs when there are many: Guenther, The American Statistician 1981."""
        return z(level / 2) ** 2 / (2 if self.paired else 4)


Metric = Proportion | Mean


def interval_size(variance: float, half_width: float, level: float, arms: int = 2) -> float:
    """Size at which the interval of a difference (`arms` 2) or of one figure (1) has that half-width.

    arms · z² · variance / half_width². A true difference of just that size would be missed every other time.
    """
    return arms * variance * (z(level / 2) / half_width) ** 2


def half_width(variance: float, each: float, level: float, arms: int = 2) -> float:
    """The other way round."""
    return z(level / 2) * math.sqrt(arms * variance / each)


def smallest_found(power_of: Callable[[float], float], power: float, largest: float) -> float:
    """The smallest difference whose power is at least `power`; FormulaError if none up to `largest` has it."""
    most = largest * (1 - 1e-9)
    if power_of(most) < power:
        raise FormulaError("so few units find no difference with that power; take more units or a lower power")
    return solve(power_of, power, largest * 1e-12, most)


def preference_size(preference: float, level: float, power: float) -> float:
    """Decided comparisons to tell a share of wins from one half, by the sign test (normal approximation)."""
    wanted = z(level / 2) / 2 + z(1 - power) * math.sqrt(preference * (1 - preference))
    return (wanted / (preference - 0.5)) ** 2


def variance_left(correlation: float) -> float:
    """Share of the variance left when a measurement from before is subtracted: 1 - correlation² (CUPED).

    Deng, Xu, Kohavi and Walker, Improving the Sensitivity of Online Controlled Experiments, WSDM 2013.
    """
    return 1 - correlation**2
