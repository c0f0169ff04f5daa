"""A run held to the rules: what the checker is told of a load, and what it says."""

from __future__ import annotations

from machines import Load, Seen

from simulator.acts import Act, Acts
from simulator.history import History
from simulator.invariants import violations
from simulator.machine import Machine
from simulator.users import UserStream

REPLICAS = ("start", "drain", "kill", "slow")


def broken(built: Machine, load: Load, seen: Seen) -> list[str]:
    """What the checker has to say of a run."""
    said = acts_of(built, load), next_keystrokes(built, load), luck(built, load)
    return violations(built, seen.trace, seen.ended, seen.horizon, *said)


def history_of(built: Machine, load: Load, seen: Seen) -> History:
    """What it was."""
    return History(built, seen.trace, seen.horizon, Acts(built, acts_of(built, load)), next_keystrokes(built, load))


def acts_of(built: Machine, load: Load) -> list[Act]:
    """What control did, of what the load asked for: as `machines.run` reads it."""
    found = []
    for act in load.acts:
        stage = act.stage % built.client
        numbers = built.stages[stage]
        if act.at < load.instants[-1] and not (act.what in REPLICAS and numbers.endless):
            found.append(Act(act.at, act.what, stage, act.value, act.place % numbers.places))
    return found


def next_keystrokes(built: Machine, load: Load) -> dict[int, int]:
    """For each request with one, the next of its session."""
    last: dict[int, int] = {}
    found = {}
    for number, (place, keystroke) in enumerate([] if built.users.number else load.sessions or []):
        if keystroke > 0:
            found[last[place]] = number
        last[place] = number
    return found


def luck(built: Machine, load: Load) -> UserStream | None:
    """Of a closed loop."""
    return UserStream(load.seed, 0) if built.users.number else None
