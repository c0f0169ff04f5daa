"""What happens around the requests, and when: `world` reads it from a case and a scenario, `processes` lets it happen.

Everything is known before the run: numbers that change at an instant, replicas and users, the faults, and the rules by
which replicas follow the load. Times are int64 ns from the start of the simulated time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import simpy

from cases.cells import in_one_cell, one_cell
from cases.errors import RunError
from cases.scenarios import phases
from cases.spec import Case
from cases.world_spec import Event, Scenario
from simulator.acts import Act
from simulator.autoscaler import Rules, autoscale, rules
from simulator.effects import ALL, Effects
from simulator.fleet import LOOK_AGAIN, Fleet
from simulator.machine import ALWAYS, LIVE, NEVER, NOBODY, Machine, MachineStage
from simulator.network import Network, resolve
from simulator.plane import RequestPlane
from simulator.workload import SECOND, Closed, Load, nanoseconds, switched

MOST_MOVING = 10_000  # places of a stage: to start one takes as long as there are others
REPLICAS, USERS = "replicas", "users"  # what may change besides the LIVE numbers


class Change(NamedTuple):
    """From an instant on, a stage has another number."""

    at: int
    stage: int
    what: str  # one of LIVE, or REPLICAS; USERS: of the client
    value: float


class Fault(NamedTuple):
    """Something that happens to a stage or a zone."""

    at: int
    until: int  # when it is undone; NEVER
    kind: str  # an event's, but for 'path'
    stage: int  # NOBODY: it is about a zone
    zone: int  # NOBODY: it is about a stage
    number: int  # of replicas that die, or that are deployed at once
    times: float  # as slow
    share: float  # of the replicas that are slow, or of the visits that fail


class Mark(NamedTuple):
    """An event as charts and reports show it."""

    label: str
    start: int
    end: int  # `start` of what is over at once; NEVER of what lasts


@dataclass(frozen=True)
class World:
    """What control does in a run. By stage: `places` for replicas, `start_delays` (ns)."""

    load: Load
    changes: tuple[Change, ...]
    faults: tuple[Fault, ...]
    marks: tuple[Mark, ...]
    places: tuple[int, ...]
    start_delays: tuple[int, ...]
    scaling: tuple[Rules, ...]

    @property
    def last_event_end(self) -> int:
        """When the last event was over, or had begun if it lasts; 0 without events."""
        return max((mark.start if mark.end == NEVER else mark.end for mark in self.marks), default=0)

    @property
    def moves_replicas(self) -> bool:
        """Whether replicas may come and go."""
        kinds = {"kill", "lose_zone", "deploy"} & {fault.kind for fault in self.faults}
        return bool(self.scaling or kinds or any(change.what == REPLICAS for change in self.changes))

    def numbers_changed(self) -> list[Act]:
        """The changes of LIVE numbers, for those who read the run's trace."""
        return [Act(at, what, stage, value) for at, stage, what, value in self.changes if what in LIVE]

    def placed(self, machine: Machine) -> Machine:
        """The machine with places for all replicas that may come."""
        stages = [stage._replace(places=n) for stage, n in zip(machine.stages[:-1], self.places, strict=True)]
        return machine._replace(stages=(*stages, machine.stages[-1]))


def world(case: Case, network: Network, scenario: Scenario | None = None) -> World:
    """What happens around the requests of a case (of one of its cells), in a scenario.

    RunError if something changes that cannot.
    """
    specs = {stage.name: stage for stage in one_cell(case).stages}
    ordered = [specs[name] for name in network.names]
    said = [] if scenario is None else scenario.events
    events = in_one_cell(case, said)
    later = [] if scenario is None else [(nanoseconds(at), resolve(one)) for at, one in phases(case, scenario)]
    networks = [(0, network), *later]
    delays = tuple(nanoseconds(stage.start_delay) for stage in ordered)
    scaling = tuple(rules(s, stage.autoscaling) for s, stage in enumerate(ordered) if stage.autoscaling is not None)
    zones = () if case.zones is None else case.zones.names
    marks = [_mark(label(whole), event, network, delays) for whole, event in zip(said, events, strict=True)]
    return World(
        load=_load(networks),
        changes=tuple(
            change
            for (_, before), (at, after) in itertools.pairwise(networks)
            for change in _changes(at, before, after)
        ),
        faults=tuple(_fault(event, network, zones) for event in events if event.kind != "path"),
        marks=tuple(sorted(marks, key=lambda mark: mark.start)),
        places=tuple(_places(s, networks, events, scaling) for s in range(len(ordered))),
        start_delays=delays,
        scaling=scaling,
    )


def fleets(env: simpy.Environment, plane: RequestPlane, machine: Machine, world: World) -> dict[int, Fleet]:
    """The replicas of each stage that has its own."""
    return {
        s: Fleet(env, plane, s, stage, world.start_delays[s])
        for s, stage in enumerate(machine.stages[:-1])
        if not stage.endless
    }


def processes(
    env: simpy.Environment, plane: RequestPlane, world: World, fleets: Mapping[int, Fleet], effects: Effects
) -> None:
    """Let it happen. At one instant numbers change first; then faults begin, in their order; then autoscalers look."""
    env.process(_change(env, plane, world.changes, fleets, effects))
    for fault in world.faults:
        env.process(_happen(env, plane, fault, fleets, effects))
    for one in world.scaling:
        env.process(autoscale(env, plane, fleets[one.stage], one))


# -- as the run goes on -----------------------------------------------------------------------------------------------

_Undo = Callable[[int], None]  # told the time (ns)


def _change(
    env: simpy.Environment,
    plane: RequestPlane,
    changes: tuple[Change, ...],
    fleets: Mapping[int, Fleet],
    effects: Effects,
) -> Generator[simpy.Event, Any, None]:
    for at, stage, what, value in changes:
        yield env.timeout(at - env.now)
        if what == REPLICAS:
            fleets[stage].set(int(value), at)
        elif what == USERS:
            plane.set_users(int(value), at)
        else:
            effects.set(stage, what, value)


def _happen(
    env: simpy.Environment, plane: RequestPlane, fault: Fault, fleets: Mapping[int, Fleet], effects: Effects
) -> Generator[simpy.Event, Any, None]:
    yield env.timeout(fault.at)
    undo = _begin(env, plane, fault, fleets, effects)
    if fault.until < NEVER:
        yield env.timeout(fault.until - fault.at)
        undo(fault.until)


def _begin(
    env: simpy.Environment, plane: RequestPlane, fault: Fault, fleets: Mapping[int, Fleet], effects: Effects
) -> _Undo:
    """Do it; the answer undoes it."""
    at, stage = fault.at, fault.stage
    match fault.kind:
        case "kill":
            fleets[stage].kill(fault.number, at, until=fault if fault.until < NEVER else None)
            return lambda now: fleets[stage].comes_back(fault, now)
        case "lose_zone":
            for fleet in fleets.values():
                fleet.lose_zone(fault.zone, at)

            def restore(now: int) -> None:
                for fleet in fleets.values():
                    fleet.restore_zone(fault.zone, now)

            return restore
        case "pause":
            effects.pause(stage, True, at)
            return lambda now: effects.pause(stage, False, now)
        case "slow":
            slowed = [ALL] if fault.share == 1.0 else _lowest(fleets[stage].ready(), fault.share)

            def slow(on: bool) -> None:
                for place in slowed:
                    effects.slow(stage, fault.times, on, place)

            slow(True)
            return lambda _: slow(False)
        case "cut":
            effects.cut(stage, True)
            return lambda _: effects.cut(stage, False)
        case "error" if fault.share == 1.0:
            effects.outage(stage, True)
            return lambda _: effects.outage(stage, False)
        case "error":
            threshold = min(round(fault.share * 2.0**63), ALWAYS)
            effects.errors(stage, threshold, True)
            return lambda _: effects.errors(stage, threshold, False)
        case "flush":
            plane.flush(stage)
        case "deploy":
            env.process(fleets[stage].deploy(fault.number))
        case _:
            raise AssertionError(fault.kind)
    return lambda _: None


def _lowest(places: list[int], share: float) -> list[int]:
    """So large a share of the replicas, rounded up."""
    return places[: math.ceil(round(share * len(places), 9))]


# -- before it --------------------------------------------------------------------------------------------------------


def _load(networks: list[tuple[int, Network]]) -> Load:
    """What is offered when: each phase's own from its instant on; of a closed loop the most users there will be."""
    first = networks[0][1].load
    if isinstance(first, Closed):
        return replace(first, users=max(one.machine.users.number for _, one in networks))
    return switched([(at, one.load) for at, one in networks])


def _changes(at: int, before: Network, after: Network) -> Iterator[Change]:
    """The numbers that are others after than before; RunError for one that control cannot change."""
    client = before.machine.client
    for s, (old, new) in enumerate(zip(before.machine.stages, after.machine.stages, strict=True)):
        for field in (name for name in MachineStage._fields if getattr(old, name) != getattr(new, name)):
            if field in LIVE or (field == REPLICAS and not old.endless):
                yield Change(at, s, field, getattr(new, field))
            elif field != "places":
                name = "the client" if s == client else f"stage {before.names[s]}"
                raise _fixed(at, f"{field} of {name}")
    if before.machine.users.number != after.machine.users.number:
        yield Change(at, client, USERS, after.machine.users.number)
    built = _build(after)
    for what, was in _build(before).items():
        if was != built[what]:
            raise _fixed(at, what)


def _build(network: Network) -> dict[str, object]:
    """What stays as it is during a run, beside the stages."""
    machine = network.machine
    return {
        "the classes of requests": (machine.classes, network.class_names),
        "answer_after": machine.answer_after,
        "the client's deadline": machine.deadline,
        "the shape of a distribution": machine.tables.tobytes(),
        "the popularity of keys": machine.key_thresholds.tobytes(),
        "how users think": machine.users._replace(number=0),
        "the zones": (machine.zones, machine.zone_hop),
        "slow_periods": network.slow_periods,
        "outages": network.outages,
        "opening hours": network.hours,
    }


def _fixed(at: int, what: str) -> RunError:
    return RunError(
        f"at {at / SECOND:g} s the scenario changes {what}, which cannot change in the middle of a run; "
        "change it in a design, and run the scenario with that"
    )


def _places(s: int, networks: list[tuple[int, Network]], events: list[Event], scaling: tuple[Rules, ...]) -> int:
    """Places for all replicas that may be there at once: with autoscaling outside of a lost zone, too."""
    first = networks[0][1]
    stage, most = first.machine.stages[s], max(one.machine.stages[s].places for _, one in networks)
    deployed = [event.at_once for event in events if event.kind == "deploy" and event.stage == first.names[s]]
    followed = [one.most for one in scaling if one.stage == s]
    if followed:
        zones = len(stage.zones) if any(event.kind == "lose_zone" for event in events) else 1
        most = max(most, -(-followed[0] // (zones - 1)) * zones if zones > 1 else followed[0])
    most += min(most, max(deployed, default=0))
    if most > max(stage.replicas, MOST_MOVING):
        raise RunError(
            f"stage {first.names[s]} may come to {most:,} replicas; of replicas that come and go at most "
            f"{MOST_MOVING:,} are simulated: make the fleet smaller, or its replicas larger by 'concurrency'"
        )
    return most


def _until(event: Event) -> int:
    return NEVER if event.lasts is None else nanoseconds(event.at) + max(1, nanoseconds(event.lasts))


def _fault(event: Event, network: Network, zones: tuple[str, ...]) -> Fault:
    return Fault(
        at=nanoseconds(event.at),
        until=_until(event),
        kind=event.kind,
        stage=NOBODY if event.stage is None else network.names.index(event.stage),
        zone=NOBODY if event.lose_zone is None else zones.index(event.lose_zone),
        number=event.at_once if event.kind == "deploy" else event.replicas,
        times=1.0 if event.times is None else event.times,
        share=event.share,
    )


def _mark(words: str, event: Event, network: Network, delays: tuple[int, ...]) -> Mark:
    start, end = nanoseconds(event.at), _until(event)
    if event.kind == "deploy":
        s = network.names.index(str(event.stage))
        steps = -(-network.machine.stages[s].replicas // event.at_once)
        end = start + steps * max(delays[s], LOOK_AGAIN)
    elif event.kind in ("kill", "flush") and end == NEVER:
        end = start
    if end < NEVER:
        end += max((delays[s] for s in _started_after(event, network)), default=0)
    return Mark(words, start, end)


def _started_after(event: Event, network: Network) -> list[int]:
    """The stages whose replicas are started when an event is undone: it is over when they are there again."""
    stages = [s for s, stage in enumerate(network.machine.stages[:-1]) if not stage.endless]
    if event.kind == "lose_zone":
        return [s for s in stages if network.machine.stages[s].zones]
    return [s for s in stages if event.kill == network.names[s] or event.path == f"stages.{network.names[s]}.replicas"]


def label(event: Event) -> str:
    """An event in a few words: 'load x3', 'ranking loses 3 replicas', 'link to sms cut'."""
    stage, share = event.stage, f"{event.share * 100:g} %"
    match event.kind:
        case "path":
            path = "load" if event.path == "workload.rate" else str(event.path).removeprefix("stages.")
            return f"{path} x{event.times:g}" if event.to is None else f"{path} to {event.to}"
        case "kill":
            return f"{stage} loses {event.replicas:,} replica{'s' if event.replicas > 1 else ''}"
        case "lose_zone":
            return f"zone {event.lose_zone} is lost"
        case "pause":
            return f"{stage} pauses"
        case "slow":
            part = "" if event.share == 1.0 else f"{share} of "
            return f"{part}{stage} {event.times:g} times as slow"
        case "flush":
            return f"caches of {stage} emptied"
        case "cut":
            return f"link to {stage} cut"
        case "error":
            return f"{stage} fails" if event.share == 1.0 else f"{share} of {stage} fail"
        case _:
            return f"deploy of {stage}, {event.at_once:,} at a time"
