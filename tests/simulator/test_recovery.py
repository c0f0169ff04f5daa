"""Does it come back: dips of goodput after events, and the two systems that the facts speak of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_cases import case, stage

from cases.build import apply
from cases.spec import Case
from simulator.__main__ import cli
from simulator.compare import Comparison
from simulator.machine import NEVER
from simulator.plan import plan
from simulator.recovery import LEAST, Goodput, dips, recoveries
from simulator.report import recovery_text, report
from simulator.results import Recovery, SimulationResult
from simulator.run import simulate
from simulator.timeline import Mark

S = 1_000_000_000
KILL: Mark = ("ranking loses 3 replicas", 20 * S, 25 * S)


def regular(share: Callable[[float], float], rate: int = 100, end: int = 60, border: int = 20) -> Goodput:
    """A replication of `end` seconds in which of those that arrive in a second `share` of them are well answered."""
    goodput = Goodput(0, end * S, border * S)
    arrivals = np.arange(end * rate, dtype=np.int64) * (S // rate)
    place = (np.arange(end * rate) % rate * 37) % rate  # spread over the second
    goodput.take(arrivals, place < np.array([share(a / S) for a in arrivals.tolist()]) * rate)
    return goodput


def seen(share: Callable[[float], float], *marks: Mark) -> Recovery:
    """What the first event did."""
    return recoveries([regular(share)], marks or (KILL,))[0]


def down(begin: float, end: float, low: float = 0.5) -> Callable[[float], float]:
    return lambda t: low if begin <= t < end else 1.0


def test_a_dip_has_a_depth_a_length_and_an_end() -> None:
    """Half of the requests for ten seconds, of which the event takes five."""
    found = seen(down(20, 30))
    assert (found.before, found.recovers, found.recovered) == (1.0, True, 1)
    assert found.depth == pytest.approx(0.5, abs=0.1)
    assert found.below_s == pytest.approx(10, abs=0.7)
    assert found.recovery_s.value == pytest.approx(5, abs=0.7)
    assert recovery_text(found).startswith("ranking loses 3 replicas at 20 s: goodput falls by ")
    assert " s and is back " in recovery_text(found)
    assert recovery_text(found).endswith(" s after its end")


def test_what_never_comes_back_says_how_long_was_waited() -> None:
    found = seen(down(20, 60, 0.0))
    assert (found.recovers, found.recovered, found.waited_s) == (False, 0, 35)
    assert recovery_text(found) == (
        "ranking loses 3 replicas at 20 s: goodput falls by 100 % and does not recover within 35 s"
    )


def test_a_moment_of_luck_at_the_end_is_no_recovery() -> None:
    assert seen(down(20, 59.5, 0.0)).recovers is False


def test_back_before_its_end_takes_no_time() -> None:
    found = seen(down(20, 23))
    assert found.recovery_s.value == 0
    assert recovery_text(found).endswith("and is back before its end")


def test_what_lasts_is_counted_from_its_begin() -> None:
    found = seen(down(20, 30), ("load x1.2", 20 * S, NEVER))
    assert found.until_s is None
    assert found.recovery_s.value == pytest.approx(10, abs=0.7)
    assert "after its beginning" in recovery_text(found)
    at_once = seen(down(20, 30), ("caches of ranking emptied", 20 * S, 20 * S))
    assert recovery_text(at_once).endswith(" s after it")


def test_nothing_falls() -> None:
    """Less than a twentieth is no dip."""
    found = seen(down(20, 60, 0.97))
    assert (found.recovers, found.below_s, found.recovery_s.value) == (True, 0, 0)
    assert recovery_text(found) == "ranking loses 3 replicas at 20 s: goodput does not fall"


def test_the_next_event_may_come_too_early_to_tell() -> None:
    """Down until the next: unknown. Calm before the next: recovered, whatever that one does."""
    marks = (KILL, ("load x3", 40 * S, 45 * S))
    assert seen(down(20, 50), *marks).recovers is None
    assert recovery_text(seen(down(20, 50), *marks)).endswith(
        "; the next event or the end of the run comes too soon to tell whether it is back"
    )
    first, second = recoveries([regular(lambda t: 0.5 if 20 <= t < 30 or t >= 40 else 1.0)], marks)
    assert (first.recovers, second.recovers) == (True, False)
    assert seen(down(20, 60), ("ranking pauses", 20 * S, 70 * S)).recovers is None, "it is not over"


def test_too_little_before_is_said() -> None:
    early = ("ranking pauses", S // 10, 5 * S)
    goodput = regular(down(0.1, 20), border=0)
    assert dips(goodput, [early]) == [None]
    found = recoveries([goodput], [early])[0]
    assert (found.before, found.recovers, found.recovery_s.value) == (None, None, None)
    assert "unknown" in recovery_text(found)
    assert dips(regular(lambda _: 0.0), [KILL]) == [None], "nothing can fall"


def test_events_after_the_window_are_left_out() -> None:
    assert recoveries([regular(down(20, 30))], [KILL, ("load x3", 61 * S, 62 * S)])[1:] == ()


def test_replications_together() -> None:
    """The time is that of those that recovered, with an interval."""
    several = [regular(down(20, end)) for end in (28, 30, 60)]
    found = recoveries(several, [KILL])[0]
    assert (found.recovers, found.recovered, found.replications) == (None, 2, 3)
    assert found.recovery_s.value == pytest.approx(4, abs=0.7)
    assert found.recovery_s.low is not None
    assert recovery_text(found).endswith("in 2 of 3 replications")
    assert found.as_json()["replications_recovered"] == 2


@pytest.mark.parametrize("share", [0.999, 0.95, 0.7])
def test_luck_is_no_dip(share: float) -> None:
    """Independent requests: in a hundred runs in which nothing happens next to none seems to fall."""
    random = np.random.default_rng(5)
    fell = 0
    for _ in range(100):
        goodput = Goodput(0, 60 * S, 20 * S)
        goodput.take(np.sort(random.integers(0, 60 * S, 6_000)), random.random(6_000) < share)
        fell += bool(recoveries([goodput], [KILL])[0].below_s)
    assert fell <= 2


@given(st.lists(st.tuples(st.integers(0, 999), st.booleans()), max_size=300), st.integers(-10, 1_010))
def test_every_request_is_counted_once(requests: Sequence[tuple[int, bool]], border: int) -> None:
    """However they come in, and wherever the border is; those before it stand in the bins before it."""
    goodput = Goodput(0, 1_000, border)
    arrivals = np.array([at for at, _ in requests], dtype=np.int64)
    good = np.array([well for _, well in requests], dtype=bool)
    half = len(requests) // 2
    goodput.take(arrivals[:half], good[:half])
    goodput.take(arrivals[half:], good[half:])
    assert goodput.offered.sum() == len(requests)
    assert goodput.good.sum() == good.sum()
    if goodput.before:
        assert goodput.offered[: goodput.before].sum() == (arrivals < border).sum()


def test_who_is_never_answered_is_offered() -> None:
    goodput = Goodput(0, 60 * S, 20 * S)
    goodput.take(np.full(LEAST, 30 * S))
    assert (goodput.offered.sum(), goodput.good.sum()) == (LEAST, 0)


# -- the facts --------------------------------------------------------------------------------------------------------

STALL = """client: {timeout: 0.3 s, retries: {attempts: 3, backoff: 1 ms}}
objectives: [{metric: availability, at_least: 99 %}]
scenarios:
  stall:
    label: A stall
    note: The server does nothing for three seconds.
    run: {duration: 115 s, warm_up: 5 s, replications: 3}
    events: [{at: 15 s, for: 3 s, pause: server}]
    contained_by: {label: nobody trying twice, changes: {client.retries: none}}
"""
WHAT_HELPS = {
    "no retries": {"client.retries": "none"},
    "a budget": {"client.retries.budget": "10 %"},
    "a short queue": {"stages.server.queue.limit": "20"},
    "newest first": {"stages.server.queue": "{lifo_above: 10}"},
}


def stalled(rate: int) -> Case:
    """One worker that does 100/s, whose clients wait for 0.3 s and try three times."""
    return case(stage("server", "{kind: constant, mean: 10 ms}"), rate=f"{rate} request/s", extra=STALL)


def run(opened: Case) -> SimulationResult:
    return simulate(plan(opened, scenario="stall"))


def test_at_30_it_heals_and_at_70_a_stall_is_fatal() -> None:
    """As the facts have it: the backlog of three seconds feeds itself on second and third tries."""
    heals, fatal = run(stalled(30)), run(stalled(70))
    assert heals.recovery[0].recovers is True
    assert fatal.recovery[0].recovers is False
    assert fatal.recovery[0].depth == 1.0
    assert fatal.as_json()["recovery"][0]["recovery_s"] == {"value": None, "low": None, "high": None}
    assert "server pauses at 15 s: goodput falls by 100 % and does not recover within 102 s" in report(
        stalled(70), fatal
    )


@pytest.mark.parametrize("remedy", WHAT_HELPS)
def test_the_same_stall_heals_with_a_remedy(remedy: str) -> None:
    assert run(apply(stalled(70), WHAT_HELPS[remedy])).recovery[0].recovers is True


def test_the_report_tells_the_story() -> None:
    """What happens, the verdict, whether it comes back, and what would contain it, unless that is in place."""
    opened = stalled(70)
    lines = report(opened, run(opened)).splitlines()
    assert lines[1] == "A stall: The server does nothing for three seconds."
    assert lines[2].startswith("Misses: availability")
    assert lines[3].startswith("server pauses at 15 s: ")
    assert lines[4] == "Contained by nobody trying twice: `--design stall_contained`"
    contained = apply(opened, WHAT_HELPS["no retries"])
    assert "Contained by" not in report(contained, run(contained))


def test_two_designs_in_a_scenario() -> None:
    opened = stalled(70)
    contained = apply(opened, WHAT_HELPS["no retries"])
    comparison = Comparison.of("baseline", "stall_contained", run(opened), run(contained))
    assert comparison.report().splitlines()[0].startswith("stall_contained against baseline in stall: 3 replications")
    assert "baseline: server pauses at 15 s: goodput falls by 100 % and does not recover" in comparison.report()
    shown = comparison.as_json()
    assert (shown["scenario"], shown["recovery"]["a"][0]["recovers"]) == ("stall", False)
    assert shown["recovery"]["b"][0]["recovers"] is True


def test_an_unknown_scenario_says_what_was_meant(tmp_path: object) -> None:
    wrong = CliRunner().invoke(cli, ["run", "youtube_recommendations", "--scenario", "no_such_scenario"])
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("'no_such_scenario' is not a scenario of this case; ")
