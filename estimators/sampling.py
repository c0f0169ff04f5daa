"""Ranges sampled: 20,000 draws for each, from a stream keyed by (seed, name) and by nothing else.

Correlations that are declared are of ranks (Spearman's), through a Gaussian copula: the normal draws of names that
hang together are mixed by a Cholesky factor, in the order of the names. Whatever hangs together with nothing keeps its
own draws, so no order of samples and no likeness of ranges makes a correlation.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from estimators.errors import FormulaError, shown
from estimators.units import Range

if TYPE_CHECKING:
    import numpy

SAMPLES = 20_000
MAX_CORRELATIONS = 100
Z_95 = 1.6448536269514722
"""the 95 % point of the standard normal: a 90 % interval reaches from -Z_95 to Z_95"""

Pair = tuple[str, str]
Correlations = Mapping[Pair, float]
"""rank correlations of two names each, above -1 and below 1; names that are in no pair together have none"""


def stream_seed(seed: int, name: str) -> int:
    """A stable 128-bit key (Python's own hash differs from process to process)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "big")


def sample(given: Range, name: str, seed: int = 0, size: int = SAMPLES) -> numpy.ndarray:
    """Draws in base units; 5 % lie below the low end and 5 % above the high one."""
    return _spread(given, _normal(name, seed, size))


def samples(
    ranges: Mapping[str, Range], correlations: Correlations, seed: int = 0, size: int = SAMPLES
) -> dict[str, numpy.ndarray]:
    """Draws of every range. A pair one of whose names has no range here is without effect."""
    import numpy

    normal = {name: _normal(name, seed, size) for name in ranges}
    bound = {pair: of for pair, of in correlations.items() if ranges.keys() >= set(pair)}
    for group in _groups(bound):
        factor = numpy.linalg.cholesky(_matrix(group, bound))
        rows = [[(weight, normal[name]) for weight, name in zip(row, group, strict=True) if weight] for row in factor]
        # Summed one by one, not by a matrix product: that is the same bytes wherever it runs.
        normal |= {name: sum(weight * own for weight, own in row) for name, row in zip(group, rows, strict=True)}
    return {name: _spread(given, normal[name]) for name, given in ranges.items()}


def interval(values: numpy.ndarray) -> tuple[float, float, float]:
    """The 5 % point, the median and the 95 % point of samples."""
    import numpy

    low, median, high = numpy.quantile(values, (0.05, 0.5, 0.95))
    return float(low), float(median), float(high)


def _normal(name: str, seed: int, size: int) -> numpy.ndarray:
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(stream_seed(seed, name))).standard_normal(size)


def _spread(given: Range, normal: numpy.ndarray) -> numpy.ndarray:
    """Standard normal draws as draws of a range: log-normal if both ends are positive, else normal."""
    import numpy

    low, high = given.low.value, given.high.value
    if low > 0:
        middle, spread = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / (2 * Z_95)
        with numpy.errstate(over="ignore"):
            return numpy.asarray(numpy.exp(middle + spread * normal))
    return numpy.asarray(low / 2 + high / 2 + (high / 2 - low / 2) / Z_95 * normal)


# -- correlations -----------------------------------------------------------------------------------------------------


def faults(declared: Sequence[tuple[Pair, float]], assumptions: Collection[str]) -> Iterator[tuple[int | None, str]]:
    """What is wrong: with a correlation, by its place, or with all of them together."""
    if len(declared) > MAX_CORRELATIONS:
        yield None, f"{len(declared):,} correlations; a sheet takes at most {MAX_CORRELATIONS}"
        return
    wrong = [(place, message) for place, message in enumerate(_of_pairs(declared, assumptions)) if message]
    yield from wrong
    if not wrong:
        correlations = dict(declared)
        groups = (group for group in _groups(correlations) if not _is_definite(_matrix(group, correlations)))
        yield from ((None, _contradiction(group, correlations)) for group in groups)


def _of_pairs(declared: Sequence[tuple[Pair, float]], assumptions: Collection[str]) -> Iterator[str]:
    """For each what is wrong with it, '' where nothing is."""
    seen: set[frozenset[str]] = set()
    for pair, of in declared:
        unknown = next((name for name in pair if name not in assumptions), None)
        if unknown is not None:
            yield str(unknown_assumption(unknown, assumptions))
        elif pair[0] == pair[1]:
            yield f"{shown(pair[0])} with itself; name two assumptions"
        elif frozenset(pair) in seen:
            yield f"{_named(pair)} stand together twice; say it once"
        elif not abs(of) < 1 - 1e-9:
            yield f"{_named(pair)}: {of:g} is no correlation; write a number above -1 and below 1"
        else:
            yield ""
        seen.add(frozenset(pair))


def unknown_assumption(name: str, assumptions: Collection[str]) -> FormulaError:
    """The error for a name that is no assumption, with a suggestion."""
    close = difflib.get_close_matches(name[:100], list(assumptions), n=1)
    listed = ", ".join(list(assumptions)[:6]) or "none"
    hint = f"did you mean {shown(close[0])}?" if close else f"there are {listed}"
    return FormulaError(f"{shown(name)} is not an assumption of this sheet; {hint}")


def _contradiction(group: list[str], correlations: Correlations) -> str:
    """Names the fewest of a group that cannot vary together as their pairs say."""
    matrix = _matrix(group, correlations)
    kept = list(range(len(group)))
    for place in range(len(group)):
        fewer = [one for one in kept if one != place]
        kept = kept if _is_definite(matrix[fewer][:, fewer]) else fewer
    both = {frozenset(pair): of for pair, of in correlations.items()}
    pairs = list(itertools.combinations([group[place] for place in kept], 2))
    said = [
        f"{_named(pair)} {both[frozenset(pair)]:g}" if frozenset(pair) in both else f"{_named(pair)} 0 (not declared)"
        for pair in pairs
    ]
    listed = ", ".join(said[:6]) + (f" and {len(said) - 6} more" if len(said) > 6 else "")
    return f"no numbers vary together so: {listed}; bring them nearer to 0, or declare what is missing"


def _groups(correlations: Correlations) -> list[list[str]]:
    """Names that hang together through pairs, each group in the order of the names."""
    groups: list[set[str]] = []
    for pair in correlations:
        joined = [group for group in groups if not group.isdisjoint(pair)]
        groups = [group for group in groups if group not in joined] + [set(pair).union(*joined)]
    return sorted(sorted(group) for group in groups)


def _matrix(group: list[str], correlations: Correlations) -> numpy.ndarray:
    """The correlations of the normal draws of a group, whose ranks have the declared ones (Pearson, 1907)."""
    import numpy

    matrix, places = numpy.eye(len(group)), {name: place for place, name in enumerate(group)}
    for (one, other), of in correlations.items():
        if one in places and other in places:
            matrix[places[one], places[other]] = matrix[places[other], places[one]] = 2 * math.sin(math.pi / 6 * of)
    return matrix


def _is_definite(matrix: numpy.ndarray) -> bool:
    import numpy

    return not len(matrix) or float(numpy.linalg.eigvalsh(matrix)[0]) > 1e-10


def _named(pair: Pair) -> str:
    return " and ".join(shown(name) for name in pair)
