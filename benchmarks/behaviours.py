"""All behaviours of the request path mixed: at one pool on both planes, and at six stages on the compiled one.

The cases lie beside this file (one_pool.yaml, six_stages.yaml). That what they say does happen is counted in a run
of its own, whose visits are all recorded.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from benchmarks import planes
from benchmarks.measure import Floor, hold, in_turn, ratios, say, speeds
from cases.spec import Case
from simulator.control import replicate, window_of
from simulator.plan import plan
from simulator.semantics import VisitEnd, visits

REPETITIONS = 7
REFERENCE, COMPILED = 20_000, 400_000  # requests
COUNTED = 60_000
SAME = 20_000
LEAST, AIM = 20.0, 40.0  # times the reference plane
LEAST_SPEED, AIM_SPEED = 0.6, 1.0  # million requests per second of a core


class Mixed(NamedTuple):
    """A case in which behaviours are mixed, and those that it cannot have."""

    title: str
    case: Case
    without: frozenset[str]


def mixed() -> list[Mixed]:
    """One pool, one pool with batches (which go together with no cache), six stages."""
    return [
        Mixed("one pool", planes.case_of("one_pool"), frozenset({"batched", "left out"})),
        Mixed(
            "one pool, in batches",
            planes.case_of("one_pool", "in_batches"),
            frozenset({"left out", "cache hits", "waits for another's fetch"}),
        ),
        Mixed("six stages", planes.case_of("six_stages"), frozenset()),
    ]


def happenings(case: Case, requests: int) -> dict[str, int]:
    """How often each behaviour was exercised, in visits (or calls) of about so many requests."""
    planned = plan(case, seed=1, requests=requests, replications=1)
    window = window_of(planned, 0, "compiled", lambda: None)
    every = np.arange(window.last, dtype=np.int64)
    recorder = replicate(planned, 0, "compiled", window, lambda _: None, lambda: None, traced=every)
    tally, trace, client = recorder.tally, recorder.trace, planned.network.machine.client
    assert tally is not None
    assert trace is not None
    rows = list(visits(trace))
    return {
        "timed out": int(tally.time_outs.sum()),
        "retries": int((tally.sends - tally.calls - tally.hedges).sum()),
        "the client's retries": sum(visit.stage == client and visit.attempt > 0 for visit in rows),
        "hedges": int(tally.hedges.sum()),
        "turned away": int(tally.rejections.sum()),
        "expired": sum(visit.outcome == VisitEnd.EXPIRED for visit in rows),
        "cancelled": sum(visit.outcome == VisitEnd.CANCELLED for visit in rows),
        "errors": int(tally.errors.sum()),
        "refused by a breaker": int(tally.refusals.sum()),
        "fallbacks": int(tally.fallbacks.sum()),
        "cache hits": int(tally.hits.sum()),
        "waits for another's fetch": int(tally.coalesced.sum()),
        "batched": sum(visit.batch >= 0 for visit in rows),
        "left out": int(tally.left_out.sum()),
    }


def main() -> int:
    """Print the tables; 1 if something never happens, the planes do not agree, or a floor is not kept."""
    cases = mixed()
    pools, (six,) = cases[:2], cases[2:]
    runners = {}
    for title, case, _ in pools:
        runners[f"{title}: reference"] = planes.runner(case, "simpy", REFERENCE)
        runners[f"{title}: compiled"] = planes.runner(case, "compiled", COMPILED)
    runners[f"{six.title}: compiled"] = planes.runner(six.case, "compiled", COMPILED)
    runs = in_turn(runners, REPETITIONS)

    say([f"All behaviours mixed, {REPETITIONS} repetitions in turn: median (lowest to highest); mean latencies."])
    speeds(runs)
    floors = [
        Floor(
            f"{title}, times the reference plane",
            ratios(runs[f"{title}: compiled"], runs[f"{title}: reference"]),
            LEAST,
            AIM,
        )
        for title, _, _ in pools
    ]
    fast = [one.speed / 1e6 for one in runs[f"{six.title}: compiled"]]
    floors.append(Floor(f"{six.title}, requests per second of a core", fast, LEAST_SPEED, AIM_SPEED, "M/s"))
    kept = hold(floors)
    fine = [check(one) for check in (_happens, _agrees) for one in cases]  # all of them, also after a bad one
    return int(not kept or not all(fine))


def _happens(one: Mixed) -> bool:
    """Print how often what happens; whether all that may does."""
    counts = {name: many for name, many in happenings(one.case, COUNTED).items() if name not in one.without}
    told = ", ".join(f"{many:,} {name}" for name, many in counts.items())
    say([f"{one.title}, {COUNTED:,} measured requests: {told}."])
    never = [name for name, many in counts.items() if not many]
    if never:
        say([f"NEVER: {', '.join(never)}; the case is no test of it."])
    return not never


def _agrees(one: Mixed) -> bool:
    """Print whether the planes do."""
    same = planes.same(one.case, SAME)
    say([f"{one.title}: on {SAME:,} requests our two planes print {'the same' if same else 'DIFFERENT'} bytes."])
    return same


if __name__ == "__main__":
    sys.exit(main())
