"""An experiment that compares arms, planned: from what is asked, in texts, to its figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from estimators import multiplicity
from estimators.errors import FormulaError, shown
from estimators.experiment import (
    LARGEST,
    Mean,
    Metric,
    Proportion,
    half_width,
    interval_size,
    smallest_found,
    variance_left,
)
from estimators.experiment_inputs import Arms, Traffic, count, days, plain, positive, read, share, units
from estimators.multiplicity import CORRECTIONS
from estimators.printing import number

POINTS = 40  # of the power curve
BASES = (0.01, 0.02, 0.05, 0.1)
LIFTS = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one may want to be able to say in the end, and what it takes."""

    claim: str
    correction: str
    comparisons: int
    each: int
    in_all: int
    successes: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Cell:
    """The same question for another base rate and lift."""

    base: float
    lift: float
    each: int
    in_all: int
    successes: int | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What proportions and means are asked alike, as texts."""

    arms: str = "2"
    against: str = "control"
    correction: str | None = None
    confidence: str = "95 %"
    power: str = "80 %"
    visitors: str | None = None
    share: str = "100 %"
    correlation: str | None = None
    half_width: str | None = None
    each: str | None = None
    duration: str | None = None


EXAMPLES: dict[str, tuple[dict[str, str], str]] = {
    "Nine banners": (
        {"base": "5 %", "lift": "10 %", "arms": "9 banners", "against": "rest", "visitors": "20k visits/day"},
        "Three sizes in three places: how many visits and clicks until one can be called better than all the others "
        "with 95 % confidence? The rate and the lift are made up, because nobody gave them: the last table has others.",
    ),
    "A 0.1 point change in retention": (
        {"base": "50 %", "half_width": "0.1 %", "visitors": "100k members/day"},
        "Gomez-Uribe and Hunt (ACM TMIS 2015) state about 2 million members a cell. That is the width of the interval; "
        "to find such a change with 80 % power takes twice as many. The members a day are made up.",
    ),
}
"""By name: what is asked of `proportions`, with the names of its arguments and of Setting; and a word on it."""


def proportions(
    base: str, *, lift: str | None = None, to: str | None = None, pooled: bool = True, setting: Setting | None = None
) -> Plan:
    """A share of visitors with success. Exactly one of lift, to, half-width, each and duration is asked."""
    setting = setting or Setting()
    _one_aim(setting, {"lift": lift, "to": to})
    metric = Proportion(share("base rate", base), pooled)
    difference = None
    if to is not None:
        difference = share("to", to, "5.5 %") - metric.base
    elif lift is not None:
        difference = metric.base * plain("lift", lift, "10 %")
        if not 0 < metric.base + difference < 1:
            raise FormulaError(
                f"lift: {shown(lift)} makes {number(100 * (metric.base + difference))} % of "
                f"{number(100 * metric.base)} %, which is no share; write the relative change, for example '10 %' for "
                "5 % that become 5.5 %"
            )
    if setting.half_width is not None:
        return _of_interval(metric, share("half-width", setting.half_width, "0.1 %"), setting)
    return _of_test(metric, difference, setting)


def means(sd: str, *, difference: str | None = None, setting: Setting | None = None) -> Plan:
    """A mean of a measurement. Exactly one of difference, half-width, each and duration is asked."""
    setting = setting or Setting()
    _one_aim(setting, {"difference": difference})
    positive("sd", sd, "12 min")
    unit = units().written_unit(sd)

    def in_unit(entry: str, text: str) -> float:
        try:
            return units().number_in(read(entry, text), unit)
        except FormulaError as error:
            raise FormulaError(f"{entry}: {shown(text)}: {error}") from None

    metric = Mean(in_unit("sd", sd))
    if setting.half_width is not None:
        positive("half-width", setting.half_width, "30 s")
        return _of_interval(metric, in_unit("half-width", setting.half_width), setting, unit)
    return _of_test(metric, None if difference is None else in_unit("difference", difference), setting, unit)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared, how, and how much it takes. Sizes are of one arm; `difference` is in `unit`."""

    metric: Metric
    arms: Arms
    traffic: Traffic | None
    variance_left: float
    noun: str
    aim: str
    """'difference': how many to find it; 'smallest': the smallest that so many find; 'half-width' of an interval"""
    difference: float
    """the half-width where that is the aim"""
    exact: float
    """units of one arm, not rounded"""
    unit: str = ""

    @property
    def kind(self) -> str:
        return "means" if isinstance(self.metric, Mean) else "proportions"

    @property
    def each(self) -> int:
        return _whole(self.exact)

    @property
    def in_all(self) -> int:
        return self.each * self.arms.count

    @property
    def days(self) -> int | None:
        return None if self.traffic is None else self.traffic.days(self.in_all)

    @property
    def whole_weeks(self) -> int | None:
        return None if self.days is None else math.ceil(self.days / 7)

    @property
    def successes(self) -> int | None:
        """Expected in all: one arm with the difference, the others at the base rate."""
        return self._successes(self.each)

    @property
    def fewest(self) -> float:
        """Successes or failures expected in an arm, whichever are fewest; without end for means."""
        if isinstance(self.metric, Mean):
            return math.inf
        rates = (self.metric.base, self.metric.base + self._change)
        return self.each * min(min(rate, 1 - rate) for rate in rates)

    @property
    def _change(self) -> float:
        return 0.0 if self.aim == "half-width" else self.difference

    def _successes(self, each: int) -> int | None:
        if isinstance(self.metric, Mean):
            return None
        return round(each * (self.arms.count * self.metric.base + self._change))

    def power(self, each: float) -> float:
        """With so many in each arm."""
        found = self.arms.power_at(self.metric, self.difference, each / self.variance_left)
        return min(max(found, 0.0), 1.0)

    def half_width(self) -> float:
        """Of the interval of one difference."""
        return half_width(self.metric.variance(), self.each / self.variance_left, self.arms.level)

    def figures(self) -> dict[str, object]:
        """By their names in JSON."""
        metric, arms = self.metric, self.arms
        interval = self.aim == "half-width"
        if isinstance(metric, Mean):
            ends: dict[str, object] = {"sd": metric.sd, "unit": self.unit}
        else:
            ends = {"base": metric.base, "to": None if interval else metric.base + self.difference}
        return {
            **ends,
            "difference": None if interval else self.difference,
            "half_width": self.difference if interval else self.half_width(),
            "arms": arms.count,
            "against": arms.against,
            "comparisons": arms.comparisons,
            "correction": arms.correction,
            "level_each": arms.level,
            "confidence": 1 - arms.alpha,
            "power": self.power(self.each),
            "each": self.each,
            "in_all": self.in_all,
            "successes": self.successes,
            "variance_left": self.variance_left,
            "per_day": None if self.traffic is None else self.traffic.taking_part,
            "days": self.days,
            "whole_weeks": self.whole_weeks,
        }

    def curve(self) -> tuple[tuple[int, float], ...]:
        """(units of one arm, power) up to twice as many."""
        top = 2 * max(self.each, POINTS)
        sizes = [max(2, top * point // POINTS) for point in range(1, POINTS + 1)]
        return tuple((each, self.power(each)) for each in sizes)

    def claims(self) -> tuple[Claim, ...]:
        """With several arms: what each thing that one may want to say takes."""
        if self.arms.count == 2 or self.aim != "difference":
            return ()
        asked = [
            ("two of them differ, chosen beforehand", "control", "none", 2),
            ("which differ from the control", "control", "bonferroni", 0),
            ("which differ from the control", "control", "dunnett", 0),
            ("which pairs differ", "all", "bonferroni", 0),
            ("which pairs differ", "all", "sidak", 0),
            ("which pairs differ", "all", "tukey", 0),
            ("one is better than all the others", "rest", "gutmann", 0),
        ]
        rows = []
        for claim, against, correction, many in asked:
            arms = replace(self.arms, against=against, correction=correction, count=many or self.arms.count)
            size = arms.size(self.metric, self.difference)
            rows.append(self._claim(claim, CORRECTIONS[correction], arms.comparisons, size))
        gap = multiplicity.lead(1 - self.arms.alpha, self.arms.count)
        size = multiplicity.size_for_lead(self.metric.variance(self.difference), self.difference, gap)
        sure = number(100 - 100 * self.arms.alpha, 6)
        rows.append(self._claim(f"the one ahead is the best with {sure} % chance (no test)", "Bechhofer", 0, size))
        return tuple(rows)

    def _claim(self, claim: str, correction: str, comparisons: int, exact: float) -> Claim:
        each = _whole(exact * self.variance_left)
        in_all = each * self.arms.count
        duration = None if self.traffic is None else self.traffic.days(in_all)
        return Claim(claim, correction, comparisons, each, in_all, self._successes(each), duration)

    def grid(self) -> tuple[Cell, ...]:
        """The same for base rates and lifts, where they are not known."""
        if self.aim != "difference" or isinstance(self.metric, Mean):
            return ()
        cells = []
        for base in BASES:
            for lift in LIFTS:
                metric, difference = Proportion(base, self.metric.pooled), base * lift
                exact = self.arms.size(metric, difference) * self.variance_left
                other = replace(self, metric=metric, difference=difference, exact=exact)
                cells.append(Cell(base, lift, other.each, other.in_all, other.successes, other.days))
        return tuple(cells)


def _whole(exact: float) -> int:
    """Rounded up, but not for a last digit that is noise; one unit tells nothing."""
    return max(math.ceil(exact * (1 - 1e-12)), 2)


def _one_aim(setting: Setting, more: dict[str, str | None]) -> None:
    asked = more | {"half-width": setting.half_width, "each": setting.each, "duration": setting.duration}
    given = [name for name, text in asked.items() if text is not None]
    if len(given) != 1:
        raise FormulaError(
            f"{' and '.join(given) or 'nothing'} given; say exactly one of {', '.join(asked)}: "
            "the difference to be found, the width of its interval, or how much there is to find it with"
        )


def _common(setting: Setting) -> tuple[Arms, Traffic | None, float]:
    arms = Arms.read(setting.arms, setting.against, setting.correction, setting.confidence, setting.power)
    traffic = None if setting.visitors is None else Traffic.read(setting.visitors, setting.share)
    known = setting.correlation
    return arms, traffic, 1.0 if known is None else variance_left(share("correlation", known, "0.5"))


def _of_test(metric: Metric, difference: float | None, setting: Setting, unit: str = "") -> Plan:
    arms, traffic, left = _common(setting)
    if difference is not None:
        _to_be_found(difference, arms)
        exact = _bounded(arms.size(metric, difference) * left)
        return Plan(metric, arms, traffic, left, traffic.noun if traffic else "", "difference", difference, exact, unit)
    many, noun = _units_given(setting, arms, traffic)

    def power(size: float) -> float:
        return arms.power_at(metric, size, many / left)

    try:
        found = smallest_found(power, arms.power, metric.largest_difference)
    except FormulaError as error:
        raise FormulaError(f"{many:,} in each arm: {error}") from None
    return Plan(metric, arms, traffic, left, noun, "smallest", found, float(many), unit)


def _of_interval(metric: Metric, width: float, setting: Setting, unit: str = "") -> Plan:
    arms, traffic, left = _common(setting)
    if arms.one_winner:
        raise FormulaError("half-width: an interval names no winner; choose against control or all")
    exact = _bounded(interval_size(metric.variance(), width, arms.level) * left)
    return Plan(metric, arms, traffic, left, traffic.noun if traffic else "", "half-width", width, exact, unit)


def _to_be_found(difference: float, arms: Arms) -> None:
    if difference == 0:
        raise FormulaError("the difference to be found is nothing; ask for a change, for example a lift of '10 %'")
    if difference < 0 and arms.one_winner:
        raise FormulaError("the winner is better than the rest; write a change above 0, or compare against control")


def _bounded(exact: float) -> float:
    if not exact <= LARGEST:
        raise FormulaError(f"that takes {number(exact)} in each arm, more than a trillion; ask for a larger difference")
    return exact


def _units_given(setting: Setting, arms: Arms, traffic: Traffic | None) -> tuple[int, str]:
    """Units of one arm, and what they are called."""
    if setting.each is not None:
        many, noun = count("each", setting.each, 2)
        return many, (traffic.noun if traffic else "") or noun
    duration = setting.duration or ""
    if traffic is None:
        raise FormulaError("duration: say how many come as well, for example visitors '20k users/day'")
    brought = traffic.taking_part * days("duration", duration) / arms.count
    if not 2 <= brought <= LARGEST:
        raise FormulaError(
            f"duration: {shown(duration)} brings {number(brought)} to each arm, 2 to a trillion are needed; "
            "take another time or rate"
        )
    return math.floor(brought), traffic.noun
