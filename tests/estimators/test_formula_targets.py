"""Every closed form and published approximation of the table of targets that a formula of ours computes."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from scipy import stats

from estimators import balancing, caching, erlang, laws, networks, queueing, single_server
from estimators.arguments import elementwise

# Data, not code: the two witnesses share what must come out, and nothing else.
TABLE = Path(__file__).parents[2] / "simulator" / "targets.csv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
Given = Mapping[str, float]
OTHERS = {
    "FAN4": "published figures, no formula",
    "HED4": "published figures, no formula",
    "META": "published figures, no formula",
    "ABT": "experiments have tests of their own",
    "SPK": "arithmetic of units",
    "SEED": "arithmetic of units",
    "FACE": "arithmetic of units",
}
OTHER_OUTPUTS = {
    "a": "a fit to eight published points, of which the table has four",
    "runs/s": "arithmetic of units",
}


def leaf(percentile: float) -> float:
    """A lognormal with p50 = 1 ms and p95 = 5 ms."""
    return float(5 ** (stats.norm.ppf(percentile) / stats.norm.ppf(0.95)))


def zipf(function: Callable[..., float]) -> Callable[[Given], float]:
    return lambda x: function(x["N"], x["alpha"], x["C"])


FORMULAS: dict[tuple[str, str], Callable[[Given], float]] = {
    ("FAN1", "fan-out slow probability"): lambda x: networks.any_slow(x["p"], x["n"]),
    ("FAN2", "max of n iid Exp"): lambda x: networks.slowest_exponential(1.0, x["n"]),
    ("FAN3", "lognormal leaf"): lambda _: leaf(0.99),
    ("FAN3", "all-leaves quantile"): lambda x: leaf(networks.percentile_of_each(x["q"], x["n"])),
    ("HED1", "hedge Exp(1) at its p95"): lambda x: (
        networks.hedges(1.0, x["d"]) if "d" in x else networks.hedged_percentile(1.0, 2.995732273554, x["q"])
    ),
    ("HED2", "lognormal leaf"): lambda x: leaf(x["q"]),
    ("ERB", "Erlang B blocking"): lambda x: erlang.erlang_b(x["c"], x["A"]),
    ("ERB", "Erlang B inverse"): lambda x: erlang.load_for_blocking(x["c"], 0.01),
    ("ERC", "Erlang C"): lambda x: erlang.erlang_c(x["c"], x["A"]),
    ("ERC", "M/M/c p99 wait"): lambda x: erlang.mmc_wait_percentile(x["A"], 1.0, x["c"], 0.99),
    ("ERC", "M/M/c mean wait"): lambda x: erlang.mmc_wait(x["A"], 1.0, x["c"]),
    ("POOL", "10 separate"): lambda _: balancing.pooling_ratio(10, 0.8),
    ("MM1", "M/M/1 service mean 1"): lambda x: single_server.mm1_response(x["rho"], 1.0),
    ("PK", "Pollaczek-Khinchine"): lambda x: single_server.mg1_wait(x["rho"], 1.0, x["scv"]),
    ("PK", "M/G/1 two-point"): lambda x: single_server.mg1_wait(x["rho"], 1.0, x["E[S2]"] - 1),
    ("PS", "M/G/1 processor sharing"): lambda x: single_server.ps_response(x["rho"], 1.0),
    ("KING", "Kingman"): lambda x: queueing.kingman(x["rho"], 1.0, x["ca2"], x["cs2"]),
    ("DM1", "D/M/1"): lambda x: single_server.dm1_wait(x["rho"], 1.0),
    ("MM1K", "M/M/1/K loss"): lambda x: erlang.mmck_loss(1, x["rho"], int(x["K"])),
    ("ERA", "Erlang-A"): lambda x: erlang.erlang_a_abandonment(x["lambda"], 1.0, 10, 2.0),
    ("PRIO", "non-preemptive"): lambda _: single_server.priority_waits([0.4, 0.4], [1.0, 1.0], [1.0, 1.0])[0],
    ("VAC", "M/M/1 rho=.8"): lambda x: single_server.vacation_wait(single_server.mg1_wait(0.8, 1.0, 1.0), x["V"], 0),
    ("MGI", "M/G/inf"): lambda _: laws.number_inside(100.0, 0.25),
    ("FJ", "fork-join 2"): lambda x: networks.fork_join_response(x["rho"], 1.0, 2),
    ("FJ", "fork-join n"): lambda x: networks.fork_join_response(x["rho"], 1.0, x["n"]),
    ("JACK", "tandem of 3"): lambda _: networks.tandem_response(40.0, [0.005, 0.02, 0.01]) * 1e3,
    ("MVA", "closed network"): lambda x: networks.closed_network(int(x["N"]), 5.0, [0.05, 0.03, 0.02]).throughput,
    ("POD", "JSQ(d)"): lambda x: balancing.choices_response(x["lambda"], x["d"]),
    ("POD", "fraction of servers"): lambda x: balancing.choices_share(x["lambda"], 2, 3),
    ("CHE", "LRU"): zipf(caching.lru_hit_ratio),
    ("CHE", "perfect LFU"): zipf(caching.zipf_head_share),
    ("CHE", "RANDOM/FIFO"): zipf(caching.fifo_hit_ratio),
    ("TTL", "TTL cache"): lambda x: caching.ttl_hit_ratio(x["lambda*T"], 1.0),
    ("LIT", "Little: 10000 rps x 50 ms"): lambda _: laws.number_inside(10_000.0, 0.05),
    ("PASTA", "M/M/1 rho=.7"): lambda _: erlang.erlang_c(1, 0.7),
    ("AMD", "Amdahl"): lambda _: laws.amdahl(0.05, 20),
    ("USL", "Universal"): lambda x: laws.usl(0.03, 0.0005, x["N"]),
    ("AVL", "series of 10"): lambda _: laws.all_available(0.999, 10),
    ("AVL", "need 10 of 12"): lambda _: laws.enough_available(0.99, 10, 12),
    ("AVL", "downtime"): lambda x: laws.downtime(x["alone"]) / 60,
    ("RTY", "immediate retries"): lambda x: networks.attempts(x["p"], x["r"]),
    ("BAT", "batch fill wait"): lambda x: laws.batch_wait(x["lambda"], x["b"]) * 1e3,
    ("HPA", "desired"): lambda _: laws.desired_replicas(10, 0.9, 0.6),
    ("HPA", "just outside"): lambda _: laws.desired_replicas(10, 0.67, 0.6),
    ("HPA", "default scale-up"): lambda _: laws.scale_up_time(1, 100),
    ("HLL", "HyperLogLog"): lambda x: laws.hyperloglog_error(x["m"]),
    ("BLM", "Bloom"): lambda x: laws.bloom_false_positives(10, x["k"]),
}
LOOSER = {
    ("HED1", "hedge Exp(1) at its p95"): 1e-5,  # the delay is printed in six digits, so is the next one's deviation
    ("FAN3", "all-leaves quantile"): 2e-5,
    ("CHE", "LRU"): 1e-7,  # what our sums are good to
    ("CHE", "RANDOM/FIFO"): 1e-7,
}


def computed(row: Mapping[str, str]) -> bool:
    return row["kind"] != "published" and row["id"] not in OTHERS and row["output"] not in OTHER_OUTPUTS


COMPUTED = [row for row in ROWS if computed(row)]


def given(row: Mapping[str, str]) -> dict[str, float]:
    """'A=0.8 c=1' as numbers; an input that is a number alone is called 'alone'."""
    found = {name: float(number) for name, number in re.findall(r"([\w*\[\]]+)=([\d.e+-]+)", row["inputs"])}
    return found or ({"alone": float(row["inputs"])} if re.fullmatch(r"[\d.]+", row["inputs"]) else {})


def key(row: Mapping[str, str]) -> tuple[str, str]:
    (found,) = [(id_, name) for id_, name in FORMULAS if id_ == row["id"] and row["name"].startswith(name)]
    return found


@pytest.mark.parametrize("row", COMPUTED, ids=lambda row: f"{row['id']} {row['inputs'] or row['name']}")
def test_a_target_comes_out(row: dict[str, str]) -> None:
    """To the digits that are printed, which is closer than any tolerance of the table."""
    tolerance = LOOSER.get(key(row), 1e-9)
    assert FORMULAS[key(row)](given(row)) == pytest.approx(float(row["expected"]), rel=tolerance)


def test_every_formula_has_its_row_and_enough_are_tested() -> None:
    assert len(COMPUTED) > 110
    assert {key(row) for row in COMPUTED} == set(FORMULAS)


def test_numbers_and_arrays_alike() -> None:
    import numpy as np

    @elementwise
    def ratio(above, below):
        assert above.ndim == below.ndim == 1
        return above / below

    assert ratio(3, 2) == 1.5
    assert isinstance(ratio(3, below=2), float)
    assert ratio(np.array([[2.0, 4.0]]), below=2).tolist() == [[1.0, 2.0]]
    assert ratio(np.zeros(0), 2.0).shape == (0,)


def test_formulas_cost_nothing_until_they_are_called() -> None:
    modules = [module.__name__ for module in (balancing, caching, erlang, laws, networks, queueing, single_server)]
    script = f"import sys, {', '.join(modules)}; sys.exit(any(one in sys.modules for one in ('numpy', 'scipy')))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=TABLE.parents[1])
