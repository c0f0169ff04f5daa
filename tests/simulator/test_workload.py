"""Loads: their rate and their variation, that arrival n is one number, sessions, recordings, and what changes when."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import RunError
from cases.spec import ServiceTime
from simulator.sessions import Sessions
from simulator.workload import (
    LATEST,
    SECOND,
    Arrivals,
    ArrivalStream,
    Bursts,
    Closed,
    Cycle,
    Even,
    Load,
    Profile,
    Replay,
    Switched,
    switched,
)

MANY = 400_000
MS = SECOND // 1000
EXPONENTIAL = ServiceTime.model_construct(kind="exponential", mean=0.05)
MANY_KEYSTROKES = ServiceTime.model_construct(kind="gamma", mean=6.0, cv=1.0)
STEPS = Profile((0, SECOND // 10, SECOND // 5), (500.0, 0.0, 3000.0))
LOADS: dict[str, Load] = {
    "profile": STEPS,
    "cycle": Cycle(STEPS, SECOND // 4),
    "bursts": Bursts(100.0, 3000.0, 30 * MS, 10 * MS),
    "even": Even(STEPS),
    "switched": Switched(((0, STEPS), (150 * MS, Bursts(100.0, 3000.0, 30 * MS, 10 * MS)), (400 * MS, STEPS))),
    "replay": Replay((0, 5, 5, 9), (0, 1, -1, 0), (-1, 2, 3, -1)),
    "closed": Closed(5, SECOND),
    "sessions": Sessions(Profile.constant(100.0), MANY_KEYSTROKES, EXPONENTIAL),
}


def arrivals(profile: Profile, many: int = MANY, seed: int = 1, replication: int = 0) -> np.ndarray:
    return ArrivalStream(profile, seed, replication).chunk(many).times


@pytest.mark.parametrize("rate", [0.01, 50.0, 2893.5, 1e7])
def test_poisson_rate(rate: float) -> None:
    """The time of arrival n is n / rate within five standard deviations."""
    assert arrivals(Profile.constant(rate))[-1] / SECOND * rate == pytest.approx(MANY, abs=5 * math.sqrt(MANY))


def test_poisson_gaps_vary_as_an_exponential_does() -> None:
    """Squared cv of the gaps about 1 (a neighbour's engine had 0.04); its standard error is sqrt(8 / n)."""
    gaps = np.diff(arrivals(Profile.constant(1000.0)))
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(1.0, abs=5 * math.sqrt(8 / MANY))
    shares = [(gaps > x * SECOND / 1000).mean() for x in (0.1, 1.0, 3.0)]
    assert shares == pytest.approx([math.exp(-0.1), math.exp(-1), math.exp(-3)], abs=5 * 0.5 / math.sqrt(MANY))


def test_poisson_counts_are_not_burstier_than_poisson() -> None:
    """Index of dispersion (variance / mean of counts) about 1 on three scales; dependent gaps show here."""
    times = arrivals(Profile.constant(1000.0))
    for width in (SECOND // 100, SECOND // 10, SECOND):
        counts = np.bincount(times // width)[:-1]
        assert counts.var() / counts.mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / len(counts)))


def test_scheduled_rates_piece_by_piece() -> None:
    """Counts of each piece within five standard deviations of rate x length, and none while the rate is 0."""
    starts = (0, 10 * SECOND, 15 * SECOND, 40 * SECOND, 41 * SECOND)
    rates = (1000.0, 8000.0, 0.0, 50.0, 2000.0)
    times = arrivals(Profile(starts, rates), 150_000)
    for begin, end, rate in zip(starts, starts[1:], rates, strict=False):
        expected = rate * (end - begin) / SECOND
        counted = int(((times >= begin) & (times < end)).sum())
        assert counted == pytest.approx(expected, abs=5 * math.sqrt(expected)), (begin, rate)
    assert Profile(starts, rates).expected(40 * SECOND) == pytest.approx(50_000)


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12), seed=st.integers(0, 2**53))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_arrival_n_is_the_same_however_the_stream_is_cut(load: Load, sizes: list[int], seed: int) -> None:
    whole = ArrivalStream(load, seed, 3).chunk(sum(sizes))
    stream = ArrivalStream(load, seed, 3)
    parts = [stream.chunk(size) for size in sizes]
    assert [p.first for p in parts] == [0, *np.cumsum(sizes)[:-1].tolist()]
    for column in Arrivals._fields[1:]:
        joined = np.concatenate([getattr(p, column) for p in parts])
        assert joined.tolist() == getattr(whole, column).tolist()
        assert joined.dtype == (np.uint64 if column == "keys" else np.int64)
    assert whole.times[0] >= 0
    assert (np.diff(whole.times) >= 0).all()
    assert len(set(whole.keys.tolist())) == sum(sizes)


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=12))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_what_was_read_ahead_and_given_back_comes_again(load: Load, ahead: list[int], sizes: list[int]) -> None:
    whole = ArrivalStream(load, 1, 3).chunk(sum(sizes))
    stream = ArrivalStream(load, 1, 3)
    stream.give_back([stream.chunk(size) for size in ahead])
    parts = [stream.chunk(size) for size in sizes]
    assert [p.first for p in parts] == [0, *np.cumsum(sizes)[:-1].tolist()]
    for column in Arrivals._fields[1:]:
        joined = np.concatenate([getattr(p, column) for p in parts])
        assert joined.tolist() == getattr(whole, column).tolist()
        assert joined.dtype == (np.uint64 if column == "keys" else np.int64)


@given(
    st.lists(st.tuples(st.integers(1, 10**10), st.sampled_from([0.0, 1e-3, 1.0, 333.3, 1e7])), min_size=1, max_size=6),
    st.integers(0, 1000),
)
@settings(derandomize=True, max_examples=80, deadline=None)
def test_times_ascend_and_skip_pieces_without_arrivals(pieces: list[tuple[int, float]], seed: int) -> None:
    starts = [0, *np.cumsum([length for length, _ in pieces]).tolist()]
    rates = [*(rate for _, rate in pieces), 100.0]
    times = arrivals(Profile(tuple(starts), tuple(rates)), 2_000, seed)
    assert times[0] >= 0
    assert (np.diff(times) >= 0).all()
    piece = np.searchsorted(starts, times, side="right") - 1
    assert min(rates[p] for p in set(piece.tolist())) > 0


def test_replications_and_seeds_bring_other_arrivals() -> None:
    profile = Profile.constant(100.0)
    streams = [arrivals(profile, 100, seed, replication).tolist() for seed in (1, 2) for replication in (0, 1)]
    assert len({tuple(times) for times in streams}) == 4


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_keystrokes_and_places_of_sessions() -> None:
    """Keystrokes are numbered from 0; a place is the lowest free one, and taken until its session's last keystroke."""
    found = ArrivalStream(LOADS["sessions"], 1, 0).chunk(20_000)
    open_now: dict[int, int] = {}  # place -> the keystroke that came last
    places = []
    for place, number in zip(found.sessions.tolist(), found.keystrokes.tolist(), strict=True):
        assert number == (0 if number == 0 else open_now[place] + 1)
        open_now[place] = number
        places.append(place)
    assert max(places) < 100  # 100/s of about 0.3 s are open, and a few more
    assert (found.keystrokes == 0).sum() == pytest.approx(20_000 / 6.05, rel=0.1)


@pytest.mark.parametrize("many", [1, 3])
def test_a_place_is_not_taken_while_its_session_has_keystrokes_to_come(many: int) -> None:
    """All sessions are equally long here, so that the test knows which keystroke is the last."""
    constant = ServiceTime.model_construct(kind="constant", mean=float(many))
    found = ArrivalStream(Sessions(Profile.constant(200.0), constant, EXPONENTIAL), 1, 0).chunk(9_000)
    to_come: dict[int, int] = {}
    for place, number in zip(found.sessions.tolist(), found.keystrokes.tolist(), strict=True):
        if number == 0:
            assert place not in to_come
            assert place == min(set(range(len(to_come) + 1)) - to_come.keys())
        else:
            assert to_come[place] == many - number
        to_come[place] = many - 1 - number
        if not to_come[place]:
            del to_come[place]


def test_a_session_has_the_same_luck_at_any_rate() -> None:
    """The gaps of the first session and the keys of its requests."""
    seen = []
    for rate in (0.01, 0.02):
        found = ArrivalStream(Sessions(Profile.constant(rate), MANY_KEYSTROKES, EXPONENTIAL), 1, 0).chunk(3)
        assert found.keystrokes.tolist() == [0, 1, 2]
        seen.append((np.diff(found.times).tolist(), found.keys.tolist()))
    assert seen[0] == seen[1]


# -- recorded ---------------------------------------------------------------------------------------------------------


def test_a_replay_ends() -> None:
    load = LOADS["replay"]
    found = ArrivalStream(load, 1, 0).chunk(6)
    assert found.times.tolist() == [0, 5, 5, 9, LATEST, LATEST]
    assert found.kinds.tolist() == [0, 1, -1, 0, -1, -1]
    assert found.items.tolist() == [-1, 2, 3, -1, -1, -1]
    assert [load.expected(until) for until in (0, 1, 5, 6, 10, LATEST)] == [0, 1, 1, 3, 4, 4]


def test_a_replay_has_the_luck_of_the_run_that_it_is_of() -> None:
    first = ArrivalStream(STEPS, 7, 2).chunk(50)
    again = ArrivalStream(Replay(tuple(first.times.tolist()), (-1,) * 50, (-1,) * 50), 7, 2).chunk(50)
    assert again.keys.tolist() == first.keys.tolist()


# -- what changes when ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["profile", "cycle", "bursts", "even", "switched", "sessions"])
def test_as_many_come_as_are_expected(name: str) -> None:
    """The mean of 200 replications; of sessions all keystrokes count as soon as they have begun, so in the long run."""
    load, until = LOADS[name], 20 * SECOND if name == "sessions" else SECOND // 2
    counts = [int((ArrivalStream(load, 1, r).chunk(15_000).times < until).sum()) for r in range(60)]
    slack = 0.03 * load.expected(until) if name == "sessions" else 0.0
    assert np.mean(counts) == pytest.approx(load.expected(until), abs=4 * np.std(counts) / math.sqrt(60) + slack + 1)


def test_expected_adds_up_in_no_time_for_ten_years() -> None:
    years = 10 * 365 * 86_400 * SECOND
    for name, load in LOADS.items():
        assert load.expected(0) == (5.0 if name == "closed" else 0.0)
        assert load.expected(SECOND) <= load.expected(years)


def test_when_a_rate_changes() -> None:
    cycle = LOADS["cycle"]  # at 0, 100, 200, 250, 350 ms ...
    assert STEPS.changes_between(99 * MS, 101 * MS)
    assert not STEPS.changes_between(100 * MS, 200 * MS)
    assert not STEPS.changes_between(200 * MS, 900 * SECOND)
    assert cycle.changes_between(349 * MS, 351 * MS)
    assert cycle.changes_between(3_249 * MS, 3_251 * MS)
    assert not cycle.changes_between(250 * MS, 350 * MS)
    assert not any(LOADS[name].changes_between(0, SECOND) for name in ("bursts", "replay", "closed", "sessions"))
    assert LOADS["even"].changes_between(99 * MS, 101 * MS)
    late = switched([(0, Profile.constant(5.0)), (300 * MS, STEPS)])
    assert late.changes_between(299 * MS, 301 * MS)
    assert not late.changes_between(0, 300 * MS)  # not when the part that holds later would
    assert not late.changes_between(300 * MS, SECOND)


def test_switched_rates_are_those_of_each_at_its_time() -> None:
    """A schedule of constant rates is the same load as the switch from one to the other: byte for byte."""
    slow, fast = Profile.constant(100.0), Profile.constant(300.0)
    both = switched([(0, slow), (SECOND, fast), (3 * SECOND, slow)])
    schedule = Profile((0, SECOND, 3 * SECOND), (100.0, 300.0, 100.0))
    assert arrivals(both, 2_000).tolist() == arrivals(schedule, 2_000).tolist()
    assert both.expected(10 * SECOND) == schedule.expected(10 * SECOND)
    inside = switched([(0, STEPS), (150 * MS, Profile.constant(50.0)), (180 * MS, STEPS)])
    pieces = Profile((0, 100 * MS, 150 * MS, 180 * MS, 200 * MS), (500.0, 0.0, 50.0, 0.0, 3000.0))
    assert arrivals(inside, 2_000).tolist() == arrivals(pieces, 2_000).tolist()


def test_only_rates_can_be_switched() -> None:
    sessions, closed = LOADS["sessions"], LOADS["closed"]
    assert isinstance(sessions, Sessions)
    more = Sessions(Profile.constant(200.0), sessions.keystrokes, sessions.gap)
    changed = switched([(0, sessions), (SECOND, more)])
    assert isinstance(changed, Sessions)
    assert changed.expected(2 * SECOND) == pytest.approx((100 + 200) * 6.0)
    assert isinstance(switched([(0, Even(STEPS)), (SECOND, Even(Profile.constant(2.0)))]), Even)
    assert switched([(0, closed), (SECOND, closed)]) == closed
    assert switched([(0, STEPS)]) == STEPS
    longer = Sessions(sessions.rates, EXPONENTIAL, sessions.gap)
    for parts in ([sessions, longer], [STEPS, Even(STEPS)], [Even(STEPS), STEPS], [STEPS, closed], [closed, STEPS]):
        with pytest.raises(RunError, match="in the middle of a run only the rates of a workload can change"):
            switched(list(enumerate(parts)))
