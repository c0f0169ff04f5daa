"""What a number counts: a product of powers of base dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

SECOND, BYTE, MONEY = "s", "B", "USD"
_PLACE = {MONEY: 0, BYTE: 1, SECOND: 3}  # every count noun stands at 2, between bytes and seconds


def _power_text(base: str, power: Fraction) -> str:
    if power == 1:
        return base
    return f"{base}^{power.numerator if power.denominator == 1 else format(float(power), '.6g')}"


@dataclass(frozen=True, slots=True)
class Dimension:
    """Powers of the bases 's', 'B', 'USD' and the count nouns; `Dimension()` is a plain number.

    `powers` is sorted and free of zeros, so that equal dimensions are equal values. Powers are
    fractions because a square root halves them.
    """

    powers: tuple[tuple[str, Fraction], ...] = ()

    @classmethod
    def of(cls, powers: Mapping[str, int | Fraction]) -> Dimension:
        """The dimension with these powers; zeros are dropped."""
        kept = [(base, Fraction(power)) for base, power in powers.items() if power]
        return cls(tuple(sorted(kept, key=lambda item: (_PLACE.get(item[0], 2), item[0]))))

    def __mul__(self, other: Dimension) -> Dimension:
        if not other.powers:
            return self
        powers: dict[str, int | Fraction] = dict(self.powers)
        for base, power in other.powers:
            powers[base] = powers.get(base, 0) + power
        return Dimension.of(powers)

    def __truediv__(self, other: Dimension) -> Dimension:
        return self * other**-1

    def __pow__(self, exponent: int | Fraction) -> Dimension:
        return Dimension.of({base: power * exponent for base, power in self.powers})

    @property
    def is_dimensionless(self) -> bool:
        return not self.powers

    @property
    def counts(self) -> frozenset[str]:
        """The count nouns it contains."""
        return frozenset(base for base, _ in self.powers if base not in _PLACE)

    def power(self, base: str) -> Fraction:
        """The power of one base, 0 where it does not occur."""
        return dict(self.powers).get(base, Fraction(0))

    def without_counts(self) -> Dimension:
        """The same without its count nouns: what is left of time, bytes and money."""
        return Dimension(tuple(item for item in self.powers if item[0] in _PLACE))

    def __str__(self) -> str:
        above = "*".join(_power_text(base, power) for base, power in self.powers if power > 0)
        below = "".join("/" + _power_text(base, -power) for base, power in self.powers if power < 0)
        return (above or "1") + below

    def described(self) -> str:
        """For messages: 'load/s', or 'a plain number'."""
        return str(self) if self.powers else "a plain number"


PLAIN = Dimension()
PER_SECOND = Dimension.of({SECOND: -1})


def fits(given: Dimension, wanted: Dimension) -> bool:
    """Whether `given` may stand where `wanted` is wanted.

    Equal ones do; and 1/s (QPS, rps, TPS) fits wherever some single count per second is wanted.
    """
    if given == wanted:
        return True
    count = wanted / PER_SECOND
    return given == PER_SECOND and [power for _, power in count.powers] == [1] and len(count.counts) == 1


def common(one: Dimension, other: Dimension) -> Dimension | None:
    """The dimension two things share (the more telling of 1/s and load/s), or None if they do not."""
    if fits(one, other):
        return other
    return one if fits(other, one) else None
