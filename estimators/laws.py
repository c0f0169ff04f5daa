"""Small laws of capacity, scaling and availability, and the sizes of sketches.

Times are in seconds, rates per second, shares from 0 to 1. Numbers or numpy arrays, alike (`arguments.elementwise`).
Each raises FormulaError for what is none of these.
"""

from __future__ import annotations

from typing import Any

from estimators.arguments import Values, elementwise, not_negative, positive, share, whole, within

MONTH = 30 * 86_400.0
MAX_COUNT = 1_000_000_000

# -- load and scale ---------------------------------------------------------------------------------------------------


@elementwise
def number_inside(arrival_rate: Values, time: Values) -> Any:
    """Mean number in a system: arrival rate x mean time in it, whatever the distributions. Little 1961."""
    not_negative("arrival rate", arrival_rate)
    not_negative("time", time)
    return arrival_rate * time


@elementwise
def amdahl(serial: Values, workers: Values) -> Any:
    """Speed-up of work of which a share is `serial`: 1 / (s + (1 - s) / n). Amdahl 1967."""
    share("serial share", serial)
    positive("number of workers", workers)
    return 1 / (serial + (1 - serial) / workers)


@elementwise
def usl(contention: Values, coherence: Values, workers: Values) -> Any:
    """Speed-up by the universal scalability law: n / (1 + alpha (n - 1) + beta n (n - 1)). Gunther 1993, 2007."""
    not_negative("contention", contention)
    not_negative("coherence", coherence)
    positive("number of workers", workers)
    return workers / (1 + contention * (workers - 1) + coherence * workers * (workers - 1))


@elementwise
def batch_wait(arrival_rate: Values, size: Values) -> Any:
    """Mean wait, s, of a request until its batch is full, Poisson arrivals: (b - 1) / (2 x rate)."""
    positive("arrival rate", arrival_rate)
    whole("batch size", size, 1, MAX_COUNT)
    return (size - 1) / (2 * arrival_rate)


@elementwise
def desired_replicas(replicas: Values, metric: Values, target: Values, tolerance: Values = 0.1) -> Any:
    """What Kubernetes' autoscaler wants: ceil(replicas x metric / target); no change within the tolerance."""
    import numpy

    from estimators.functions import clean

    whole("number of replicas", replicas, 1, MAX_COUNT)
    not_negative("metric", metric)
    positive("target", target)
    not_negative("tolerance", tolerance)
    ratio = metric / target
    wanted = numpy.ceil(numpy.vectorize(clean)(replicas * ratio))
    return numpy.where(numpy.abs(ratio - 1) <= tolerance, replicas, wanted)


def scale_up_time(replicas: int, wanted: int, period: float = 15.0, more: int = 4, times: float = 2.0) -> float:
    """Seconds from the first decision to the last, as Kubernetes does by default: `more` or `times`, what is larger."""
    whole("number of replicas", replicas, 1, MAX_COUNT)
    whole("wanted number of replicas", wanted, 1, MAX_COUNT)
    whole("replicas added at a time", more, 1, MAX_COUNT)
    positive("period", period)
    positive("growth factor", times)
    decisions = 0
    while replicas < wanted and decisions < MAX_COUNT // more:
        replicas, decisions = max(replicas + more, int(replicas * times)), decisions + 1
    return max(decisions - 1, 0) * period


# -- availability -----------------------------------------------------------------------------------------------------


@elementwise
def all_available(availability: Values, parts: Values) -> Any:
    """Availability of n independent parts in series, all needed: A^n."""
    share("availability", availability)
    whole("number of parts", parts, 0, MAX_COUNT)
    return availability**parts


@elementwise
def any_available(availability: Values, parts: Values) -> Any:
    """Availability of n independent parts in parallel, one needed: 1 - (1 - A)^n."""
    share("availability", availability)
    whole("number of parts", parts, 0, MAX_COUNT)
    return 1 - (1 - availability) ** parts


@elementwise
def enough_available(availability: Values, needed: Values, parts: Values) -> Any:
    """Availability of n independent parts of which `needed` must be up: the upper tail of the binomial."""
    import numpy
    from scipy import special

    share("availability", availability)
    whole("number of parts", parts, 0, MAX_COUNT)
    whole("number of parts needed", needed, 0, MAX_COUNT)
    some = (needed > 0) & (needed <= parts)
    found = special.betainc(numpy.where(some, needed, 1), numpy.where(some, parts - needed + 1, 1), availability)
    return numpy.where(some, found, needed <= 0)


@elementwise
def downtime(availability: Values, period: Values = MONTH) -> Any:
    """Seconds without service in a period, s: a month of 30 days unless another is given."""
    share("availability", availability)
    not_negative("period", period)
    return (1 - availability) * period


# -- sketches ---------------------------------------------------------------------------------------------------------


@elementwise
def bloom_false_positives(bits_per_key: Values, hashes: Values) -> Any:
    """Share of absent keys that a Bloom filter takes for present: (1 - exp(-k / bits))^k. Bloom 1970."""
    import numpy

    positive("bits per key", bits_per_key)
    whole("number of hashes", hashes, 1, 1_000)
    return (-numpy.expm1(-hashes / bits_per_key)) ** hashes


@elementwise
def bloom_bits_per_key(false_positives: Values) -> Any:
    """Bits per key of a Bloom filter with the best number of hashes, bits x ln 2: -ln p / (ln 2)^2."""
    import numpy

    within("share of false positives", false_positives, "write 1 % as 0.01")
    return -numpy.log(false_positives) / numpy.log(2) ** 2


@elementwise
def hyperloglog_error(registers: Values) -> Any:
    """Relative standard error of a HyperLogLog count: 1.04 / sqrt(registers). Flajolet et al. 2007."""
    import numpy

    whole("number of registers", registers, 16, MAX_COUNT)
    return 1.04 / numpy.sqrt(registers)
