"""A *plain* network's records lack the fields of what it never does; so its kernel has no code for that.

numba compiles the kernel once for each type of its arrays. To the code for plain records a field that they lack is a
constant: who reads it gets the constant, who writes it does nothing. The compiler then drops every question that this
answers, and all that would follow. So one text is two kernels, and it is the network that chooses. Where no field says
it, `clock.plain`, a constant in both, does: a visit never outlives its call, and only services end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import extending
from numba.core.typing.templates import AttributeTemplate
from numba.np.numpy_support import from_dtype

from simulator import kernel_state
from simulator.kernel_state import NONE, State
from simulator.machine import ALWAYS, CANCEL_NONE, NEVER, NOBODY, PASS_ON, UNLIMITED
from simulator.semantics import RequestEnd, VisitEnd
from simulator.visits import ON_THE_WAY, UNDER_WAY

Fields = dict[str, int | float]
NUMBA: Any = extending

# What is so of every stage, and of the whole, in a network at rest that is plain.
STAGE: Fields = {
    "shards": 1, "quorum": 1, "when_threshold": ALWAYS, "when_missed": NOBODY, "late_after": NEVER, "gives": PASS_ON,
    "keeps": UNLIMITED, "hold": 0, "held_calls": 0, "hop": 0, "cut": 0, "timeout": NEVER, "attempts": 1,
    "hedge_after": NEVER, "breaker_window": 0, "fallback": NEVER, "queue_limit": UNLIMITED, "lifo_above": UNLIMITED,
    "by_level": 0, "levels": 1, "drop_expired": 0, "admission_interval": 0, "batch_size": 1, "drawn_early": 1,
    "error_threshold": 0, "outage": 0, "silent_threshold": 0, "hit_threshold": 0, "cache_keys": 0, "hot_threshold": 0,
    "paused": 0, "draining": 0, "uneven": 0,
}  # fmt: skip
CLOCK: Fields = {
    "zone_hop": 0, "classes": 1, "answer_after": NOBODY, "deadline": NEVER, "traced": 0, "outspoken": 0,
}  # fmt: skip

# What nobody asks for then, whatever it is.
MOOT: Fields = {
    "required": 1, "timeout_table": NOBODY, "backoff": 0, "backoff_longest": 0, "jitter": 0.0,
    "retry_budget": UNLIMITED, "tokens": 0, "hedge_budget": UNLIMITED, "hedge_tokens": 0, "cancel": CANCEL_NONE,
    "breaker_failures": 0, "breaker_open": 0, "probe_at": NEVER, "failures": 0, "results": 0, "fallback_quality": 0,
    "zone_count": 0, "shed_oldest": 0, "admission_burst": 0, "tat": 0, "batch_wait": 0, "hit_time": 1, "first_key": 0,
    "first_guide": 0, "key_hash": 0, "cache_capacity": 0, "cache_ttl": 0, "cache_policy": 0, "cache_shared": 0,
    "coalesce": 0, "caches": 0, "first_cache": 0,
    "wait_for": NEVER,  # for it is all the predecessors
}  # fmt: skip

# What therefore is so of all that is under way: each call has one visit, and is answered by it.
LACKING: dict[str, Fields] = {
    "clock": CLOCK, "stage": STAGE | MOOT, "arc": {"wait_for": NEVER},
    "event": {"lane": NONE},
    "request": {"deadline": NEVER, "level": 0, "degraded": 0, "user": NONE},
    "scope": {"live": 1, "held": 0, "under_way": 0},
    "part": {"late": -1, "called": 0, "settled": 0, "missed": 0, "answered_before": 0, "answered": 1, "open_calls": 0},
    "call": {
        "identity": -1, "first": NONE, "second": NONE, "shard": 0, "attempt": 0, "state": UNDER_WAY, "probe": 0,
        "reason": int(RequestEnd.FAILED),
    },
    "visit": {
        "batch": -1, "members": NONE, "attempt": 0, "copy": 0, "shard": 0, "zone": 0, "level": 0, "hit": 0,
        "missed": 0, "cached_key": 0, "towed": NONE, "last_towed": NONE, "tows": 0, "prev": NONE, "place": ON_THE_WAY,
        "outcome": int(VisitEnd.ANSWERED), "reason": int(RequestEnd.COMPLETED),
        # Only a trace tells of these.
        "send": -1, "due": -1, "start": -1, "end": -1, "free": -1, "answer": -1, "service": 0, "caller": NONE,
        "replica": NONE, "worker": 0,
    },
}  # fmt: skip


def is_plain(st: State) -> bool:
    """Whether a network at rest, on which nobody will act, is plain. Requests must come by themselves, each alone."""
    stage = st.stage
    return (
        all((stage[name] == value).all() for name, value in STAGE.items())
        and all((st.clock[name] == value).all() for name, value in CLOCK.items())
        and not stage["calls"][:-1].any()
        and bool((stage["wait_for"] == stage["predecessors"]).all())
    )


def plain(st: State) -> State:
    """With records that lack what a plain network has no need of."""
    fewer = st._replace(**{name: _without(getattr(st, name), fields) for name, fields in LACKING.items()})
    # A step calls those that come after a stage, or the first of a request; it starts a visit, and answers.
    stage = fewer.stage
    arcs = stage["last_followed"] - stage["first_followed"], stage["last_called"] - stage["first_called"]
    fewer.clock["most"] = np.max(arcs) + 4
    return fewer


def _without(rows: Any, fields: Fields) -> Any:
    kept = [name for name in rows.dtype.names if name not in fields]
    fewer = np.zeros(rows.shape, dtype=_fewer(rows.dtype, fields))
    for name in kept:
        fewer[name] = rows[name]
    return fewer


def _fewer(full: np.dtype[Any], fields: Fields) -> np.dtype[Any]:
    assert full.names is not None
    return kernel_state.padded(np.dtype([(name, full[name]) for name in full.names if name not in fields], align=True))


def _teach(rows: np.dtype[Any], kinds: np.dtype[Any], fields: Fields) -> None:
    """Let numba take fields that these records lack, of these kinds, for constants."""
    record = from_dtype(rows)
    types = {name: from_dtype(kinds[name]) for name in fields}

    @NUMBA.infer_getattr
    class _Fields(AttributeTemplate):
        key = record

        def generic_resolve(self, row: Any, name: str) -> Any:  # type: ignore[override]
            return row.fields[name].type if name in row.fields else types.get(name)

    for name in fields:
        _teach_one(record, name, types[name], fields[name])


def _teach_one(record: Any, name: str, kind: Any, value: float) -> None:
    def read(context: Any, builder: Any, row: Any, given: Any) -> Any:
        return context.get_constant(kind, value)

    def write(context: Any, builder: Any, signature: Any, given: Any) -> None:
        pass

    NUMBA.lower_getattr(record, name)(read)
    NUMBA.lower_setattr(record, name)(write)


for _name, _dtype in kernel_state.RECORDS.items():
    _teach(_fewer(_dtype, LACKING[_name]), _dtype, LACKING[_name])
_WHICH = np.dtype([("plain", np.int64)])
_teach(kernel_state.CLOCK, _WHICH, {"plain": 0})
_teach(_fewer(kernel_state.CLOCK, CLOCK), _WHICH, {"plain": 1})
