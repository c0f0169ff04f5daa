"""What the compiled request plane works on: records, and arrays of them.

Pools of request, visit and scope slots with free lists, queues and caches as linked lists through slots, a tournament
of events. Sums of times are kept in two halves, for 2^63 ns are but 292 years of waiting, all visits together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simulator import draws, histogram
from simulator.machine import ABSENT, LEAST_OUTSTANDING, MOST_TOKENS, NEVER, READY, SHARED, Ints, Machine, MachineStage
from simulator.plane import Ended, StageTally
from simulator.semantics import Visit

Records = Any  # an array of records, or of slots
Row = Any  # one record of an array
Number = Any  # int64, uint64 or a slot: numba infers which, mypy cannot

FIELDS = len(Visit._fields)
WORD_BITS = 32
GUIDE_BITS = 10
WALKED = 16  # replicas among which the least outstanding is found by looking at all of them
# Among more, by a value: the load, and in its last bits whose turn it is. No run chooses, nor waits, so often as that
# these are too few.
TURNS = 36
NOT_READY = 1 << 62  # the value of a queue that nobody may choose
NOTED = 1024  # waits between two looks at their histograms

NO_EVENT = 1 << 62  # ns: with its place added, when a leaf without an event is due; no two at once, and all too late

# Slots are unsigned, because numba adds code to every signed index that makes -1 the last element.
SLOT: Any = np.uint32
NONE: Any = SLOT(0xFFFF_FFFF)

# Events whose delay is a stage's constant come about in the order in which they fall due: a lane each.
LANES = 5
HOP_LANE, TIME_OUT_LANE, HEDGE_LANE, LATE_LANE, BATCH_LANE = (SLOT(i) for i in range(LANES))

SUMS = [name for name in StageTally._fields if name.endswith("_sum")]
COUNTS = [name for name in StageTally._fields if name not in (*SUMS, "waits", "calls")]  # and `calls_made`
_GRAPH = (
    "first_calls",
    "successors",
    "zones",
    "name_hash",
    "key_hash",
    "jitter",
    "floor",
    "per_item",
)  # kept elsewhere, or of another type


def _records(wide: str, slots: str = "", keys: str = "", floats: str = "") -> np.dtype[Any]:
    """A type of records: int64, uint64, float64, then slots."""
    columns: list[tuple[str, Any]] = [(name, np.int64) for name in wide.split()]
    columns += [(name, np.uint64) for name in keys.split()]
    columns += [(name, np.float64) for name in floats.split()]
    return padded(np.dtype(columns + [(name, SLOT) for name in slots.split()], align=True))


def padded(records: np.dtype[Any]) -> np.dtype[Any]:
    """Large ones as long as a power of two: where one begins is then a shift, and not a product, away."""
    if records.itemsize <= 128 or records.fields is None:
        return records
    formats, offsets = zip(*(field[:2] for field in records.fields.values()), strict=True)
    size = 1 << (records.itemsize - 1).bit_length()
    return np.dtype(
        {"names": list(records.fields), "formats": formats, "offsets": offsets, "itemsize": size}, align=True
    )


CLOCK = _records(
    "now events sure checkpoint stopped first measuring traced answer_after deadline zones zone_hop think active "
    "ranked",
    "arrival arrivals outspoken leaves spent noted ended rows agenda done joining classes stages parts calls client "
    "most longest_tow free_request free_requests free_visit free_visits free_event free_events free_timer free_timers "
    "free_scope free_scopes think_table",
)
NODE = _records("least whose")  # of a tournament, its root at 1: the least value of the leaves below, and which leaf's
EVENT = _records("key", "slot lane next")  # key: kind | request | visit, the order within an instant (R6)
TIMED = _records("time key", "slot next")
LANE = _records("last_time last_key", "busy head tail")  # busy: its first is an event; head, tail: those that follow
ITEM = _records("identity", "act slot worker")  # of the agenda
REQUEST = _records(
    "number arrival deadline items quality",
    "outcome visits open_visits kind level degraded scope user next",
    "key",
)
SCOPE = _records("", "owner request unsettled held under_way live users next")
PART = _records("items late", "scope stage called settled missed settled_before answered_before answered open_calls")
CALL = _records("identity", "first second scope part stage shard attempt state probe reason")
VISIT = _records(
    "identity send join due start end free answer batch items service",
    "request call scope stage queue replica worker next prev outcome reason place measured "
    "level attempt copy shard caller zone hit missed cached_key members towed last_towed tows",
    "key",
    "unit",
)
QUEUE = _records("length load chosen", "idle low_word first_word first_worker replica first_list stage")
WAITERS = _records("", "head tail")  # of one level of a queue
CACHE = _records("", "size head tail first")
ENTRY = _records("written", "prev next fetching")
REPLICA = _records("staff", "state zone", floats="factor")  # by place; staff: workers that are there
USER = _records("asked", "asleep", "key")  # of a closed loop
SESSION = _records("number", "request")  # the last request of the session at this place
ARC = _records("predecessors wait_for", "stage part")  # to a stage: what one asks of it before one calls it
CLASS = _records("level items", "table", "below")
STAGE = _records(
    " ".join(name for name in MachineStage._fields if name not in _GRAPH)
    + " held_calls last_calls levels drawn_early tat tokens hedge_tokens probe_at turn chosen paused shared ranked "
    + "draining uneven calls_made joined waiting busy staffed most_waiting waiting_low waiting_high busy_low busy_high "
    + "staffed_low staffed_high zone_count "
    + " ".join(COUNTS + [f"{name}_{half}" for name in SUMS for half in ("low", "high")]),
    "queues first_queue first_node leaves first_replica ready caches first_cache part first_guide first_call "
    "first_followed last_followed first_called last_called results",
    "name_hash key_hash failures",
    "jitter factor floor per_item",
)

RECORDS = {  # by the array that has them: those of which a plain network's lack fields
    "clock": CLOCK,
    "event": EVENT,
    "request": REQUEST,
    "scope": SCOPE,
    "part": PART,
    "call": CALL,
    "visit": VISIT,
    "stage": STAGE,
    "arc": ARC,
}


class State(NamedTuple):
    """The machine and everything that changes, as arrays of records."""

    clock: Records  # shape (1,)
    arrival_times: Ints
    arrival_keys: draws.Keys
    arrival_kinds: Ints
    arrival_items: Ints
    arrival_sessions: Ints
    arrival_keystrokes: Ints
    session: Records
    user: Records
    tree: Records  # NODE, of the events: when they are due
    event: Records
    timer: Records  # TIMED: the lanes' places
    lane: Records  # shape (LANES x stages,)
    request: Records
    scope: Records
    part: Records  # shape (scopes x clock.parts,)
    call: Records  # shape (scopes x (clock.calls + 1),); the last of a request's first scope is the client's
    visit: Records
    queue: Records
    waiters: Records
    idle: draws.Keys  # a bit for each worker, from the queue's `first_word` on
    rank: Records  # NODE, of the queues, from the stage's `first_node` on: their load and, of equals, whose turn it is
    replica: Records  # from the stage's `first_replica` on, by place
    ready: Records  # slots; from there on, too: the queues of those that are ready, in the order of their places
    cache: Records
    entry: Records
    stage: Records
    arc: Records  # of the graph, by the stage where they begin: to its successors, then to its first calls
    classes: Records
    tables: draws.Floats
    key_thresholds: draws.Keys
    guide: Records  # slots: by the first bits of a draw, where among a stage's keys the search for it begins
    waits: Ints  # shape (stages x histogram.BINS,)
    noted: Ints  # places in there that are yet to be counted
    agenda: Records  # ITEM
    ended: Ints  # shape (fields of Ended, room)
    trace: Ints  # shape (room, FIELDS), without rows where nothing is traced
    wanted: Any  # uint8: by request, whether it is traced; empty: all are


def state(machine: Machine, keep_trace: bool, traced: Ints | None, room: int) -> State:
    """The machine at rest."""
    stage = _stages(machine)
    clock = np.zeros(1, dtype=CLOCK)
    clock["traced"] = keep_trace or traced is not None
    clock["answer_after"], clock["deadline"] = machine.answer_after, machine.deadline
    clock["classes"], clock["stages"], clock["client"] = len(machine.classes), len(machine.stages), machine.client
    clock["zones"], clock["zone_hop"], clock["think"] = machine.zones, machine.zone_hop, machine.users.think
    clock["think_table"] = machine.users.table if machine.users.table >= 0 else NONE
    called = [[s for s in machine.stages if s.caller == index] for index in range(len(machine.stages))]
    parts = max(len(within) for within in called)
    calls = max(sum(s.shards for s in within) for within in called)
    clock["parts"], clock["calls"] = parts, calls
    clock["most"] = 4 * (parts + calls) + max(s.batch_size for s in machine.stages) + 24
    for pool in ("request", "visit", "event", "timer", "scope"):
        clock[f"free_{pool}"] = NONE
    clock["joining"] = NONE
    clock["ranked"] = stage["ranked"].any()
    queue, waiters, idle = _queues(machine, stage)
    replica, ready = _replicas(machine, stage)
    cache, entry = _caches(machine, stage)
    classes = np.zeros(len(machine.classes), dtype=CLASS)
    for row, kind in zip(classes, machine.classes, strict=True):
        row["level"], row["items"], row["below"] = kind.level, kind.items, kind.below
        row["table"] = kind.table if kind.table >= 0 else NONE
    lane = np.zeros(LANES * len(machine.stages), dtype=LANE)
    lane["head"] = NONE
    wanted = np.zeros(0 if traced is None else int(traced.max(initial=0)) + 1, dtype=np.uint8)
    wanted[[] if traced is None else traced] = 1
    made = State(
        clock=clock,
        arrival_times=np.zeros(0, dtype=np.int64),
        arrival_keys=np.zeros(0, dtype=np.uint64),
        arrival_kinds=np.zeros(0, dtype=np.int64),
        arrival_items=np.zeros(0, dtype=np.int64),
        arrival_sessions=np.zeros(0, dtype=np.int64),
        arrival_keystrokes=np.zeros(0, dtype=np.int64),
        session=np.zeros(0, dtype=SESSION),
        user=np.zeros(0, dtype=USER),
        tree=np.zeros(0, dtype=NODE),
        rank=_ranks(stage, queue),
        event=np.zeros(0, dtype=EVENT),
        timer=np.zeros(0, dtype=TIMED),
        lane=lane,
        request=np.zeros(0, dtype=REQUEST),
        scope=np.zeros(0, dtype=SCOPE),
        part=np.zeros(0, dtype=PART),
        call=np.zeros(0, dtype=CALL),
        visit=np.zeros(0, dtype=VISIT),
        queue=queue,
        waiters=waiters,
        idle=idle,
        replica=replica,
        ready=ready,
        cache=cache,
        entry=entry,
        stage=stage,
        arc=_arcs(machine, stage),
        classes=classes,
        tables=machine.tables,
        key_thresholds=machine.key_thresholds,
        guide=_guide(machine, stage),
        waits=np.zeros(machine.client * histogram.BINS, dtype=np.int64),
        noted=np.zeros(NOTED, dtype=np.int64),
        agenda=np.zeros(room, dtype=ITEM),
        ended=np.zeros((len(Ended._fields), room), dtype=np.int64),
        trace=np.zeros((room if clock["traced"] else 0, FIELDS), dtype=np.int64),
        wanted=wanted,
    )
    return grown(made, room)


def grown(st: State, room: int) -> State:
    """With every array doubled in which the next step may find no room."""
    clock = st.clock[0]
    most = int(clock["most"]) + int(clock["longest_tow"])
    for name, used in (("ended", "ended"), ("agenda", "agenda"), ("trace", "rows")):
        array, axis = getattr(st, name), 1 if name == "ended" else 0
        if clock[used] + most > array.shape[axis] and (name != "trace" or len(array)):
            st = st._replace(**{name: _longer(array, int(clock[used]) + most, axis)})
    for name in ("timer", "visit", "scope", "request"):
        if clock[f"free_{name}s"] < (2 if name in ("scope", "request") else most):
            st = st._replace(**{name: _more_slots(getattr(st, name), clock, name, max(room, most))})
    if clock["free_events"] < most:
        st = _with_events(st, most)
    scopes = len(st.scope)
    return st._replace(
        part=_longer(st.part, scopes * int(clock["parts"])),
        call=_longer(st.call, scopes * (int(clock["calls"]) + 1)),
    )


def _with_events(st: State, more: int) -> State:
    """With room for so many more events: a tree of twice as many leaves, or four times, ..."""
    clock, old = st.clock[0], len(st.event)
    leaves = 1 << (old + more - 1).bit_length()
    event = _more_slots(st.event, clock, "event", leaves - old)
    due = NO_EVENT + np.arange(leaves)
    due[:old] = st.tree["least"][old:]
    clock["leaves"] = leaves
    return st._replace(tree=_played(due, np.arange(leaves), event["key"]), event=event)


def with_users(st: State, keys: draws.Keys) -> State:
    """With more users, asleep, and room for what wakes them."""
    more = np.zeros(len(keys), dtype=USER)
    more["key"], more["asleep"] = keys, 1
    users = np.concatenate([st.user, more])
    st = _with_events(st, len(users) + int(st.clock["most"][0]))
    return st._replace(user=users)


def _played(values: Ints, names: Ints, keys: Ints) -> Records:
    """The tournament of a power of two of leaves: of equals the one with the smaller key wins, else the first."""
    tree = np.zeros(2 * len(values), dtype=NODE)
    tree[0] = -1, -1  # above the root there is a value before all others
    level = tree[len(values) :]
    level["least"], level["whose"] = values, names
    while len(level) > 1:
        one, other = level[::2], level[1::2]
        equal = other["least"] == one["least"]
        wins = (other["least"] < one["least"]) | (equal & (keys[other["whose"]] < keys[one["whose"]]))
        level = tree[len(one) : len(level)]
        level[:] = np.where(wins, other, one)
    return tree


def with_sessions(st: State, last: int) -> State:
    """With places for sessions up to `last`."""
    return st._replace(session=_longer(st.session, last + 1))


def _longer(array: Any, least: int, axis: int = 0) -> Any:
    if least <= array.shape[axis]:
        return array
    shape = list(array.shape)
    shape[axis] = max(least, 2 * shape[axis])
    longer = np.zeros(shape, dtype=array.dtype)
    longer[tuple(map(slice, array.shape))] = array  # what lies behind takes no memory before somebody writes there
    return longer


def _more_slots(pool: Records, clock: Row, name: str, room: int) -> Records:
    """The pool doubled (`room` at first), its new slots before the others in the free list, and nobody's."""
    first = len(pool)
    longer = _longer(pool, first + max(first, room))
    longer["next"][first:-1] = np.arange(first + 1, len(longer))
    longer["next"][-1] = clock[f"free_{name}"]
    if owner := {"request": "number", "visit": "identity"}.get(name):
        longer[owner][first:] = -1
    clock[f"free_{name}"] = first
    clock[f"free_{name}s"] += len(longer) - first
    return longer


def _stages(machine: Machine) -> Records:
    stages = machine.stages
    made = np.zeros(len(stages), dtype=STAGE)
    for name in MachineStage._fields:
        if name in (STAGE.names or ()):
            made[name] = [getattr(stage, name) for stage in stages]
    made["factor"], made["probe_at"] = 1.0, NEVER
    made["tokens"] = made["hedge_tokens"] = MOST_TOKENS
    made["ranked"] = [s.balancing == LEAST_OUTSTANDING and s.places > WALKED and not s.endless for s in stages]
    made["levels"] = [1 + max(kind.level for kind in machine.classes) if s.by_level else 1 for s in stages]
    # When it is sent, where each visit is served, and by itself: nothing has to wait for the draw then.
    made["drawn_early"] = [s.batch_size == 1 and not s.cache_keys and not s.hit_threshold for s in stages]
    made["shared"] = [s.balancing == SHARED for s in stages]
    made["queues"] = [0 if s.endless else s.queues for s in stages]
    made["first_queue"] = np.cumsum(made["queues"]) - made["queues"]
    made["caches"] = [0 if not s.cache_keys else 1 if s.cache_shared or s.endless else s.places for s in stages]
    made["first_cache"] = np.cumsum(made["caches"]) - made["caches"]
    place = 0
    for row, stage in zip(made, stages, strict=True):
        row["first_followed"] = place
        row["last_followed"] = row["first_called"] = place + len(stage.successors)
        place += len(stage.successors) + len(stage.first_calls)
        row["last_called"] = place
    for index in range(len(stages)):
        within = [i for i, s in enumerate(stages) if s.caller == index]
        made["held_calls"][index] = sum(stages[i].hold for i in within)
        made["last_calls"][index] = sum(not stages[i].successors for i in within)
        made["part"][within] = np.arange(len(within))
        shards = np.array([stages[i].shards for i in within], dtype=np.int64)
        made["first_call"][within] = np.cumsum(shards) - shards
    return made


def _arcs(machine: Machine, stage: Records) -> Records:
    to = [i for s in machine.stages for i in (*s.successors, *s.first_calls)]
    made = np.zeros(len(to), dtype=ARC)
    made["stage"] = to
    for name in ("predecessors", "wait_for", "part"):
        made[name] = stage[name][to]
    return made


def _queues(machine: Machine, stage: Records) -> tuple[Records, Records, draws.Keys]:
    queues = stage["queues"].astype(np.int64)
    per_queue = np.repeat([s.places * s.concurrency // s.queues for s in machine.stages], queues)
    words = -(-per_queue // 64)
    first_word = np.cumsum(words) - words
    levels = np.repeat(stage["levels"], queues)
    queue = np.zeros(len(per_queue), dtype=QUEUE)
    queue["first_word"] = first_word
    queue["stage"] = np.repeat(np.arange(len(queues)), queues)
    queue["replica"] = np.arange(len(queue)) - np.repeat(stage["first_queue"].astype(np.int64), queues)
    queue["first_worker"] = per_queue * queue["replica"]
    queue["first_list"] = np.cumsum(levels) - levels
    waiters = np.zeros(int(levels.sum()), dtype=WAITERS)
    waiters["head"] = waiters["tail"] = NONE
    there = np.repeat([s.workers if s.balancing == SHARED else s.concurrency for s in machine.stages], queues)
    early = np.repeat([s.balancing == SHARED for s in machine.stages], queues)
    early |= queue["replica"] < np.repeat([s.replicas for s in machine.stages], queues)
    resting = np.where(early, there, 0)
    queue["idle"], queue["load"] = resting, -resting
    # Of each word the bits of the workers that are there.
    place = np.arange(int(words.sum())) - np.repeat(first_word, words)
    bits = np.clip(np.repeat(resting, words) - 64 * place, 0, 64).astype(np.uint64)
    idle = np.where(bits > 0, np.uint64(draws.MASK) >> (np.uint64(64) - np.maximum(bits, np.uint64(1))), np.uint64(0))
    return queue, waiters, idle


def _ranks(stage: Records, queue: Records) -> Records:
    """All ready queues alike. Writes down where each stage's tournament is."""
    trees = [np.zeros(0, dtype=NODE)]
    for s in np.flatnonzero(stage["ranked"]):
        first, many = int(stage["first_queue"][s]), int(stage["queues"][s])
        leaves = 1 << (many - 1).bit_length()
        loads = queue["load"][first : first + many]
        values = np.full(leaves, NOT_READY)
        values[:many] = np.where(loads < 0, loads << TURNS, NOT_READY)
        stage["first_node"][s], stage["leaves"][s] = sum(map(len, trees)), leaves
        trees.append(_played(values, first + np.arange(leaves), np.zeros(first + leaves, dtype=np.int64)))
    return np.concatenate(trees)


def _replicas(machine: Machine, stage: Records) -> tuple[Records, Records]:
    """Their places, and the queues of those that are ready; the first so many are."""
    places = np.array([s.places for s in machine.stages], dtype=np.int64)
    stage["first_replica"] = np.cumsum(places) - places
    stage["zone_count"] = [len(s.zones) for s in machine.stages]
    replica = np.zeros(int(places.sum()), dtype=REPLICA)
    replica["factor"] = 1.0
    ready = np.zeros(len(replica), dtype=SLOT)
    for row, one in zip(stage, machine.stages, strict=True):
        first = int(row["first_replica"])
        if one.zones:
            replica["zone"][first : first + one.places] = np.resize(one.zones, one.places)
        if not one.endless:
            replica["state"][first : first + one.replicas] = READY
            replica["staff"][first : first + one.replicas] = one.concurrency
            row["staffed"] = one.workers
            enters(row, replica, ready)
    return replica, ready


def enters(stage: Row, replica: Records, ready: Records) -> None:
    """Write down which replicas of a stage are ready."""
    first = int(stage["first_replica"])
    states = replica["state"][first : first + int(stage["places"])]
    if not stage["shared"]:
        found = np.flatnonzero(states == READY) + int(stage["first_queue"])
        ready[first : first + len(found)] = found
        stage["ready"] = len(found)
    stage["draining"] = np.count_nonzero((states != READY) & (states != ABSENT))


def _guide(machine: Machine, stage: Records) -> Records:
    starts = np.arange(1 << GUIDE_BITS, dtype=np.uint64) << np.uint64(64 - GUIDE_BITS)
    guides = [np.zeros(0, dtype=SLOT)]
    for row in stage:
        first, keys = int(row["first_key"]), int(row["cache_keys"])
        if not keys:
            continue
        found = np.searchsorted(machine.key_thresholds[first : first + keys], starts, side="left")
        row["first_guide"] = sum(map(len, guides))
        guides.append(np.append(found, keys).astype(SLOT))
    return np.concatenate(guides)


def _caches(machine: Machine, stage: Records) -> tuple[Records, Records]:
    caches = stage["caches"].astype(np.int64)
    keys = np.repeat([s.cache_keys for s in machine.stages], caches)
    cache = np.zeros(len(keys), dtype=CACHE)
    cache["first"] = np.cumsum(keys) - keys
    cache["head"] = cache["tail"] = NONE
    entry = np.zeros(int(keys.sum()), dtype=ENTRY)
    entry["written"] = -1
    entry["fetching"] = NONE
    return cache, entry
