"""A fleet: who comes, who goes, and when, in which places; what is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import simpy
from fake_plane import SECOND, FakePlane
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import StageSpec, machine

from simulator.fleet import Fleet

DELAY = 25


class Stand:
    """A fleet on a fake plane; times in seconds."""

    def __init__(self, replicas: int, places: int, zones: tuple[int, ...] = (), drains: float = 1e-9) -> None:
        self.env = simpy.Environment(initial_time=0)
        built = machine([StageSpec(replicas=replicas, places=places, concurrency=2, zones=zones)])
        self.plane = FakePlane(self.env, built, drains=round(drains * SECOND))
        self.fleet = Fleet(self.env, self.plane, 0, built.stages[0], DELAY * SECOND)  # type: ignore[arg-type]

    @property
    def now(self) -> int:
        return int(self.env.now)

    def look(self, at: float) -> str:
        """The places just after this time."""
        self.env.run(until=round(at * SECOND) + 2)
        return self.plane.look()


def test_up_takes_the_lowest_places_after_the_start_delay() -> None:
    stand = Stand(2, 6)
    stand.fleet.set(4, stand.now)
    assert (stand.fleet.starting, stand.look(24)) == (2, "RR....")
    assert (stand.look(25), stand.fleet.starting) == ("RRRR..", 0)


def test_down_drains_the_highest() -> None:
    stand = Stand(4, 6, drains=3)
    stand.fleet.set(2, stand.now)
    assert stand.look(1) == "RRdd.."
    assert stand.look(3) == "RR...."


def test_down_first_takes_back_those_that_are_starting() -> None:
    stand = Stand(4, 8)
    stand.fleet.set(7, stand.now)
    stand.look(10)
    stand.fleet.set(5, stand.now)
    assert (stand.fleet.starting, stand.look(11)) == (1, "RRRR....")
    stand.fleet.set(3, stand.now)
    assert stand.look(12) == "RRR....."
    assert stand.look(30) == "RRR....."


def test_a_start_that_was_taken_back_does_not_come_early() -> None:
    """Taken back at 10 and wanted again at 20, it is ready at 45, not at 25."""
    stand = Stand(1, 2)
    stand.fleet.set(2, stand.now)
    stand.look(10)
    stand.fleet.set(1, stand.now)
    stand.look(20)
    began = stand.now / SECOND
    stand.fleet.set(2, stand.now)
    assert stand.look(26) == "R."
    assert stand.look(began + DELAY) == "RR"


def test_without_a_free_place_who_drains_stays() -> None:
    stand = Stand(4, 4, drains=100)
    stand.fleet.set(1, stand.now)
    assert stand.look(5) == "Rddd"
    stand.fleet.set(3, stand.now)
    assert stand.plane.look() == "RRRd"


def test_the_killed_are_replaced_at_once() -> None:
    stand = Stand(4, 6)
    stand.fleet.kill(3, stand.now)
    assert (stand.fleet.wanted, stand.look(24)) == (4, "...R..")
    assert stand.look(25) == "RRRR.."


def test_or_when_they_come_back() -> None:
    stand = Stand(4, 4)
    stand.fleet.kill(3, stand.now, until="later")
    assert (stand.fleet.wanted, stand.look(50)) == (1, "...R")
    stand.fleet.comes_back("later", stand.now)
    assert (stand.fleet.wanted, stand.look(76)) == (4, "RRRR")


def test_more_than_there_are_cannot_be_killed() -> None:
    stand = Stand(2, 2)
    stand.fleet.kill(9, stand.now, until="later")
    stand.fleet.comes_back("later", stand.now)
    assert stand.look(26) == "RR"


def test_a_zone_is_lost_and_comes_back() -> None:
    """Nothing of it is replaced elsewhere, though there are places."""
    stand = Stand(6, 9, zones=(0, 1, 2))
    stand.fleet.lose_zone(1, stand.now)
    assert (stand.fleet.wanted, stand.look(60)) == (4, "R.RR.R...")
    stand.fleet.restore_zone(1, stand.now)
    assert stand.look(84) == "R.RR.R..."
    assert (stand.fleet.wanted, stand.look(86)) == (6, "RRRRRR...")


def test_who_is_told_to_be_more_starts_in_other_zones() -> None:
    """And then nobody waits for the zone."""
    stand = Stand(6, 9, zones=(0, 1, 2))
    stand.fleet.lose_zone(1, stand.now)
    stand.fleet.set(6, stand.now)
    assert stand.look(25) == "R.RR.RR.R"
    stand.fleet.restore_zone(1, stand.now)
    assert stand.look(60) == "R.RR.RR.R"


def test_a_zone_that_is_lost_twice_comes_back_once() -> None:
    stand = Stand(3, 3, zones=(0, 1, 2))
    stand.fleet.lose_zone(0, stand.now)
    stand.fleet.lose_zone(0, stand.now)
    stand.fleet.restore_zone(0, stand.now)
    assert stand.look(30) == ".RR"
    stand.fleet.restore_zone(0, stand.now)
    assert stand.look(60) == "RRR"


def test_a_lost_zone_takes_along_those_that_start_and_those_that_drain() -> None:
    stand = Stand(4, 6, zones=(0, 1), drains=50)
    stand.fleet.set(3, stand.now)
    stand.look(1)
    stand.fleet.set(5, stand.now)
    assert (stand.plane.look(), stand.fleet.starting) == ("RRRd..", 2)
    stand.fleet.lose_zone(1, stand.now)
    assert (stand.plane.look(), stand.fleet.starting, stand.fleet.wanted) == ("R.R...", 1, 3)
    assert stand.look(27) == "R.R.R."


def test_a_deploy_goes_on_when_the_new_are_ready() -> None:
    stand = Stand(4, 6, drains=3)
    stand.env.process(stand.fleet.deploy(2))
    assert stand.look(0) == "ddRR.."
    assert stand.look(24) == "..RR.."
    assert stand.look(25) == "..ddRR"
    assert stand.look(49) == "....RR"
    assert stand.look(50) == "RR..RR"
    assert stand.look(500) == "RR..RR"


def test_a_deploy_waits_for_places() -> None:
    """Those that drain for long are not taken back: they are the old ones."""
    stand = Stand(2, 3, drains=60)
    stand.env.process(stand.fleet.deploy(1))
    assert stand.look(0) == "dR."
    assert stand.look(25) == "ddR"
    assert stand.look(74) == ".dR"  # free since 60, seen at 75
    assert stand.look(100) == "R.R"


def test_a_deploy_leaves_alone_who_came_since() -> None:
    stand = Stand(4, 6)
    stand.env.process(stand.fleet.deploy(1))
    stand.look(10)
    stand.fleet.kill(2, stand.now)  # those in 1 and 2; whoever replaces them, in 0 and 1, is new
    assert stand.look(24) == "...R.."
    assert stand.look(26) == "....R."
    assert stand.look(40) == "RR..R."
    assert stand.look(100) == "RRR.R."


def test_paid_is_from_the_decision_until_it_is_gone() -> None:
    """Two all the time, one for 10 s that was taken back, one from 20 s on that is ready at 45 and drains at 60."""
    stand = Stand(2, 4, drains=5)
    fleet = stand.fleet

    def acts() -> Any:
        fleet.set(3, 0)
        yield stand.env.timeout(10 * SECOND)
        fleet.set(2, stand.now)
        yield stand.env.timeout(10 * SECOND)
        fleet.set(3, stand.now)
        yield stand.env.timeout(40 * SECOND)
        fleet.set(2, stand.now)
        yield stand.env.timeout(40 * SECOND)

    stand.env.run(until=stand.env.process(acts()))
    assert fleet.paid(100 * SECOND) == (2 * 100 + 10 + (65 - 20)) * SECOND


ACTS: dict[str, Callable[[Fleet, int, int], object]] = {
    "set": lambda fleet, number, now: fleet.set(number, now),
    "kill": lambda fleet, number, now: fleet.kill(number, now),
    "hold": lambda fleet, number, now: fleet.kill(number, now, until="held"),
    "back": lambda fleet, number, now: fleet.comes_back("held", now),
    "lose": lambda fleet, number, now: fleet.lose_zone(number % 3, now),
}


@pytest.mark.parametrize("drains", [1e-9, 40.0])
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 8), st.integers(0, 30)), max_size=25))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_in_the_end_there_are_as_many_as_wanted(drains: float, acts: list[tuple[str, int, int]]) -> None:
    stand, lost = Stand(4, 8, zones=(0, 1, 2), drains=drains), []

    def act() -> Any:
        for what, number, pause in acts:
            ACTS[what](stand.fleet, number, stand.now)
            lost.extend([number % 3] * (what == "lose"))
            assert stand.plane.look().count("R") + stand.fleet.starting <= max(stand.fleet.wanted, 0)
            yield stand.env.timeout(pause * SECOND)
        yield stand.env.timeout(100 * SECOND)
        for zone in lost:
            stand.fleet.restore_zone(zone, stand.now)
        stand.fleet.comes_back("held", stand.now)
        yield stand.env.timeout(DELAY * SECOND + 1)

    stand.env.run(until=stand.env.process(act()))
    assert len(stand.fleet.ready()) == stand.fleet.wanted <= 8
    assert stand.fleet.starting == 0
