"""Building blocks of what runs and what it costs.

A row: name, what it takes, stands for and gives, about, example, source.
"""

from __future__ import annotations

from typing import Any

from estimators.definitions import Block, Native, Series
from estimators.errors import FormulaError

_ERLANG = "Erlang 1917; Gross and Harris, Fundamentals of Queueing Theory, 1998, section 2.3"


def _wait_probability(arrivals: Any, service_time: Any, servers: Any) -> Any:
    from estimators.erlang import erlang_c

    return erlang_c(servers, arrivals * service_time)


def _mean_wait(arrivals: Any, service_time: Any, servers: Any) -> Any:
    from estimators.erlang import mmc_wait

    return mmc_wait(arrivals, service_time, servers)


def _wait_percentile(arrivals: Any, service_time: Any, servers: Any, percentile: Any) -> Any:
    from estimators.erlang import mmc_wait_percentile

    return mmc_wait_percentile(arrivals, service_time, servers, percentile)


def _servers_for_wait(arrivals: Any, service_time: Any, percentile: Any, at_most: Any, workers: Any) -> Any:
    from estimators.erlang import servers_for_wait

    return _machines(servers_for_wait(arrivals, service_time, percentile, at_most), workers)


def _servers_for_response(arrivals: Any, service_time: Any, percentile: Any, at_most: Any, workers: Any) -> Any:
    from estimators.erlang import servers_for_response

    return _machines(servers_for_response(arrivals, service_time, percentile, at_most), workers)


def _servers_for_blocking(arrivals: Any, service_time: Any, blocking: Any, workers: Any) -> Any:
    from estimators.erlang import servers_for_blocking

    return _machines(servers_for_blocking(arrivals * service_time, blocking), workers)


def _machines(slots: Any, workers: Any) -> Any:
    return -(-slots // workers)  # rounded up


_SERVERS = (
    Block(
        "servers_for_load", "arrivals: rate, service_time: time, utilisation: share, workers: count = 1",
        "ceil(arrivals * service_time / (utilisation * workers))", "server",
        "Servers for a load at a utilisation, from Little's law; workers is how many a server serves at once. It says "
        "nothing of waiting.",
        "servers_for_load(2894 loads/s, 26.4 ms, 70 %, 8)",
        "Little, A Proof for the Queuing Formula L = lambda W, 1961",
    ),
    Block(
        "servers_for_wait",
        "arrivals: rate, service_time: time, percentile: share, at_most: time, workers: count = 1",
        Native("the fewest c with C(c, a) exp(-(c - a) t ÷ s) ≤ 1 - percentile", _servers_for_wait),
        "server",
        "Servers with which a percentile of the wait is met: Poisson arrivals, exponential service, one queue for all.",
        "servers_for_wait(2894 loads/s, 26.4 ms, 99 %, 10 ms, 8)",
        _ERLANG,
    ),
    Block(
        "servers_for_response",
        "arrivals: rate, service_time: time, percentile: share, at_most: time, workers: count = 1",
        Native("the fewest c with P(wait + service > t) ≤ 1 - percentile in M/M/c", _servers_for_response), "server",
        "Servers with which a percentile of wait and service together is met; exponential service as above, whose 99th "
        "percentile alone is 4.6 means.",
        "servers_for_response(2894 loads/s, 26.4 ms, 99 %, 200 ms, 8)",
        _ERLANG,
    ),
    Block(
        "servers_for_blocking", "arrivals: rate, service_time: time, blocking: share, workers: count = 1",
        Native("the fewest c with B(c, a) ≤ blocking", _servers_for_blocking), "server",
        "Servers where nobody waits and at most this share is turned away: calls, connections, desks.",
        "servers_for_blocking(10 calls/min, 3 min, 1 %)",
        "Erlang 1917",
    ),
    Block(
        "wait_probability", "arrivals: rate, service_time: time, servers: count",
        Native("C(c, a), with a = arrivals × service time", _wait_probability), "",
        "Share of the arrivals that have to wait at all.",
        "wait_probability(45 requests/s, 1 s, 50)",
        _ERLANG,
    ),
    Block(
        "mean_wait", "arrivals: rate, service_time: time, servers: count",
        Native("C(c, a) s ÷ (c - a)", _mean_wait), "s",
        "The mean wait, of all arrivals: Poisson arrivals, exponential service, one queue for all.",
        "mean_wait(45 requests/s, 1 s, 50)",
        _ERLANG,
    ),
    Block(
        "wait_percentile", "arrivals: rate, service_time: time, servers: count, percentile: share",
        Native("ln(C(c, a) ÷ (1 - percentile)) s ÷ (c - a), or 0", _wait_percentile), "s",
        "The wait that a share of the arrivals does not exceed.",
        "wait_percentile(45 requests/s, 1 s, 50, 99 %)",
        _ERLANG,
    ),
)  # fmt: skip

_BATCHES = (
    Block(
        "partitions", "arrivals: rate, produced: rate, consumed: rate",
        "ceil(max(arrivals / produced, arrivals / consumed))", "partition",
        "Partitions of a log, so that neither what a producer writes to one nor what a consumer reads from it is the "
        "limit.",
        "partitions(1000 MB/s, 100 MB/s, 50 MB/s)",
        "Rao, How to Choose the Number of Topics/Partitions in a Kafka Cluster?, 2015",
    ),
    Block(
        "consumers", "arrivals: rate, consumed: rate, utilisation: share", "ceil(arrivals / (consumed * utilisation))",
        "worker",
        "Consumers that keep up at a utilisation; of a log, no more than partitions can work.",
        "consumers(1000 MB/s, 50 MB/s, 80 %)",
    ),
    Block(
        "catch_up_time", "behind: count, consumed: rate, arrivals: rate", "behind / (consumed - arrivals)", "s",
        "How long consumers need to work off what has piled up, while more arrives.",
        "catch_up_time(36 million events, 15000 events/s, 10000 events/s)",
    ),
    Block(
        "map_tasks", "input: size, split: size", "ceil(input / split)", "",
        "Tasks of a map phase; splits of 16 to 64 MB are published.",
        "map_tasks(1 TB, 64 MB)",
        "Dean and Ghemawat, MapReduce, OSDI 2004, section 3.1",
    ),
    Block(
        "waves", "tasks: count, slots: count", "ceil(tasks / slots)", "",
        "How often the slots are filled: 1,000 tasks on 300 are four waves, the last of them of 100.",
        "waves(1000, 300)",
    ),
    Block(
        "job_time", "tasks: count, slots: count, task_time: time, startup: time = 0 s",
        "startup + ceil(tasks / slots) * task_time", "s",
        "A batch job in waves of equal tasks; stragglers come on top.",
        "job_time(1000, 300, 30 s, 25 s)",
    ),
)  # fmt: skip


def _k_of_n(needed: Any, parts: Any, availability: Any) -> Any:
    import numpy
    from scipy.special import betainc

    from estimators.arguments import whole

    whole("number of parts", parts, 1, 1_000_000)
    whole("number of parts needed", needed, 0, 1_000_000)
    if numpy.any(needed > parts):
        raise FormulaError("more parts are needed than there are; write for example k_of_n(10, 12, 99 %)")
    return numpy.where(needed == 0, 1.0, betainc(numpy.maximum(needed, 1), parts - needed + 1, availability))


_AVAILABILITY = (
    Block(
        "in_series", "availability: share, ...", Series(lambda parts: " * ".join(parts)), "",
        "Availability of parts that must all work, and fail independently.",
        "in_series(99.9 %, 99.9 %, 99.95 %)",
        "Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications, ch. 1",
    ),
    Block(
        "in_parallel", "availability: share, ...",
        Series(lambda parts: "1 - " + " * ".join(f"(1 - {one})" for one in parts)), "",
        "Availability of parts of which one must work, and which fail independently.",
        "in_parallel(99 %, 99 %)",
        "Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications, ch. 1",
    ),
    Block(
        "k_of_n", "needed: count, parts: count, availability: share",
        Native("Σ (n choose k) a^k (1 - a)^(n - k) over k ≥ needed", _k_of_n), "",
        "Availability of a fleet of which so many must work, where parts fail independently.",
        "k_of_n(10, 12, 99 %)",
        "Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications, ch. 1",
    ),
    Block(
        "downtime", "availability: share, period: time", "(1 - availability) * period", "s",
        "Time without service in a period.",
        "downtime(99.99 %, 1 year)",
    ),
)  # fmt: skip


def _sms_segments(characters: Any, alphabet: Any) -> Any:
    import numpy

    if not numpy.all((alphabet == 7) | (alphabet == 16)):
        raise FormulaError("the alphabet has 7 or 16 bits; write 7 for plain letters, 16 where there are others")
    return numpy.where(characters <= 1120 // alphabet, 1.0, numpy.ceil(characters / (1072 // alphabet)))


_MONEY = (
    Block(
        "monthly_cost", "machines: count, price: money", "machines * price", "$/month",
        "Machines times their price.",
        "monthly_cost(47 servers, $0.384/hour)",
    ),
    Block(
        "transfer_cost", "bytes: throughput, price: money", "bytes * price", "$/month",
        "What the bytes cost that leave a network.",
        "transfer_cost(579 MB/s, $0.09/GB)",
    ),
    Block(
        "cost_per_million", "cost: money, requests: rate", "cost / requests * 1e6", "$",
        "Dollars for a million requests, from a cost and a rate, both in a time.",
        "cost_per_million($13000/month, 2894 loads/s)",
    ),
    Block(
        "sms_segments", "characters: count, alphabet: number = 7",
        Native("1 up to 1,120 bits, above that one for each 1,072", _sms_segments), "",
        "Messages that a text is sent as: 160 characters of the 7-bit alphabet or 70 of the 16-bit one fit into one, "
        "153 or 67 into each of several.",
        "sms_segments(161)",
        "3GPP TS 23.040, section 9.2.3.24.1",
    ),
    Block(
        "sms_cost", "texts: rate, segments: number, price: money, fee: money = $0", "texts * segments * (price + fee)",
        "$/month",
        "What text messages cost; the carrier's fee is for each segment as well.",
        "sms_cost(1 million SMS/month, 2, $0.0083, $0.004)",
    ),
)  # fmt: skip

SECTIONS: dict[str, tuple[Block, ...]] = {
    "Servers": _SERVERS,
    "Logs and batch jobs": _BATCHES,
    "Availability": _AVAILABILITY,
    "Money": _MONEY,
}
