"""Rules about what stands together on a stage and between a stage and its callers; names are right already."""

from __future__ import annotations

from collections.abc import Iterator

from cases.errors import Problem, not_among
from cases.serving import MOST_KEYS
from cases.spec import Case, Stage, Zones

MOST_VISITS = 60_000  # of a request, every attempt and every copy made
MOST_AT_ONCE = 2_000  # calls that one visit has under way
MOST_ALL_KEYS = 2 * MOST_KEYS
MOST_ENTRIES = 20_000_000  # keys x caches


def check(case: Case) -> Iterator[Problem]:
    """What is wrong, stage by stage, then with all of them."""
    stages = {stage.name: stage for stage in case.stages}
    for stage in case.stages:
        rules = (
            _own_fleet(stage),
            _nobody_answers(stage),
            _together(stage),
            _batch(stage, case.stages),
            _scaled(stage),
            _placed(stage, case),
            _between(stage, stages),
            _with_the_client(stage, case),
        )
        for rule in rules:
            for key, message in rule:
                yield Problem(f"stages.{stage.name}.{key}" if key else f"stages.{stage.name}", message)
    yield from _visits(case)
    yield from _keys(case)


def check_hot(case: Case) -> Iterator[Problem]:
    """Hot keys where none can be. A rule for files: a design may well take away what they go by, as a remedy."""
    for stage in case.stages:
        if stage.hot is not None and (message := never_hot(case, stage)):
            yield Problem(f"stages.{stage.name}.hot", message)


def never_hot(case: Case, stage: Stage) -> str | None:
    """Why no key can be hot at a stage; None if one can."""
    hashed = stage.balancing is not None and stage.balancing.kind == "hash"
    if hashed or asked_of(stage, {one.name: one for one in case.stages}) is not None:
        return None
    return "no key can be hot here; it needs a cache with 'keys', or 'balancing: hash'"


def missed(stage: Stage, stages: dict[str, Stage]) -> list[Stage]:
    """The stages whose cache's miss `when: cache.miss` can mean: its caller, and those that it comes after."""
    near = [*([stage.within] if stage.within is not None else []), *stage.after]
    return [stages[name] for name in near if stages[name].cache is not None]


Found = Iterator[tuple[str, str]]


_OF_MACHINES = ("replicas", "concurrency", "balancing", "autoscaling", "start_delay", "zones")


def _own_fleet(stage: Stage) -> Found:
    """Others' systems and people have no replicas of ours."""
    if stage.external is not None and stage.person is not None:
        yield "person", "a stage is somebody else's system or a person; leave 'external' or 'person' out"
    elif stage.external is not None:
        for key in (*_OF_MACHINES, "queue"):
            if key in stage.model_fields_set:
                yield key, "is of our own machines, and this is somebody else's system; leave it out, or 'external'"
        if stage.external.errors is not None and stage.errors:
            yield "errors", "the errors are said twice; leave these out, or 'external.errors'"
        if stage.external.rate_limit is not None and stage.admission is not None:
            yield "admission", "the rate is limited twice; leave this out, or 'external.rate_limit'"
    elif stage.person is not None:
        for key in _OF_MACHINES:
            if key in stage.model_fields_set:
                yield (
                    key,
                    "is of machines, and this is a person; write for example 'person: {answers: 80 %, desks: 12}'",
                )
        if stage.person.desks is None and "queue" in stage.model_fields_set:
            yield "queue", "nobody waits where everybody is asked at once; add 'desks' to the person, or leave it out"


def _nobody_answers(stage: Stage) -> Found:
    if stage.person is None or stage.person.answers == 1.0:
        return
    if stage.timeout is None:
        yield "timeout", "is missing: a person who may not answer would be waited for for ever; add 'timeout: 5 min'"
    if "cancel" in stage.model_fields_set and stage.cancel != "running":
        yield (
            "cancel",
            f"is '{stage.cancel}', but nobody works on what nobody answers; write 'running', or leave it out",
        )


def _together(stage: Stage) -> Found:
    """What needs something else of the same stage."""
    if stage.hold and stage.within is None:
        yield "hold", "holds the worker of a caller, and there is none; add 'within: STAGE', or leave it out"
    if stage.quorum is not None and stage.shards == 1:
        yield "quorum", "is of shards, and there are none; write for example 'shards: 10', or leave it out"
    elif stage.quorum is not None and stage.quorum > stage.shards:
        yield "quorum", f"{stage.quorum:,} answers of {stage.shards:,} shards; write at most {stage.shards:,}"
    if stage.late_after is not None and stage.required and stage.shards == 1:
        yield "late_after", "leaves the stage out, but it is required; add 'required: false', or use 'timeout'"
    if stage.wait_for is not None and not stage.after:
        yield "wait_for", "it comes after no stage, so there is none to wait for; leave it out"
    elif stage.wait_for is not None and stage.wait_for > len(stage.after):
        yield "wait_for", f"{stage.wait_for} of {len(stage.after)} stages; write at most {len(stage.after)}"


def _batch(stage: Stage, stages: list[Stage]) -> Found:
    if stage.batch is None:
        return
    queue = stage.queue
    others = {
        "a cache": stage.cache is not None,
        f"'queue.order: {queue.order}'": queue.order != "fifo",
        "'queue.lifo_above'": queue.lifo_above is not None,
        "'queue.when_full: oldest'": queue.when_full == "oldest",
        "'external'": stage.external is not None,
        "'person'": stage.person is not None,
    }
    yield from (
        ("batch", f"does not go together with {what}; leave one of them out") for what, is_so in others.items() if is_so
    )
    if queue.limit is not None and queue.limit < stage.batch.size:
        yield (
            "batch.size",
            f"a queue of {queue.limit:,} never holds {stage.batch.size:,}; "
            "make 'queue.limit' larger or the batch smaller",
        )
    for other in stages:
        if other.within == stage.name and other.hold:
            yield "batch", f"{other.name} holds the workers here, and a batch has one for many; leave one of them out"


def _scaled(stage: Stage) -> Found:
    scaling = stage.autoscaling
    if scaling is not None and not scaling.least <= stage.replicas <= scaling.most:
        yield (
            "replicas",
            f"{stage.replicas:,} at first, but autoscaling keeps from {scaling.least:,} to {scaling.most:,}; "
            "begin with as many, or change its 'min' or 'max'",
        )


def _placed(stage: Stage, case: Case) -> Found:
    """Where its replicas stand."""
    if stage.zones is None:
        return
    if case.zones is None:
        yield "zones", f"the case has no zones; leave it out, or add 'zones: {Zones.EXAMPLE}' to the case"
        return
    for name in dict.fromkeys(stage.zones):
        if name not in case.zones.names:
            yield "zones", not_among(name, "a zone of this case", case.zones.names)
    if not stage.zones or len(set(stage.zones)) < len(stage.zones):
        yield "zones", "name at least one zone, each once; all of the case's if this is left out"


def _between(stage: Stage, stages: dict[str, Stage]) -> Found:
    """What needs something of another stage."""
    caller = stages[stage.within] if stage.within is not None else None
    if stage.timeout is not None and stage.timeout.kind == "constant" and stage.hop > (stage.timeout.mean or 0.0):
        yield "timeout", "is over before the visit arrives: 'hop' takes longer; make it longer than that"
    if stage.hold and caller is not None and (caller.external is not None or caller.person is not None):
        yield "hold", f"{caller.name} has no workers of ours to hold; leave it out"
    if stage.when is None or stage.when.cache is None:
        return
    found = missed(stage, stages)
    if len(found) != 1:
        which = f"{found[0].name} and {found[1].name} have one" if found else "none of them has a cache"
        yield (
            "when",
            "'cache.miss' is of the one stage with a cache among its caller and those it comes after, "
            f"and {which}; name it by 'within' or 'after'",
        )
    elif found[0].shards > 1:
        yield "when", f"the shards of {found[0].name} do not all miss; call it 'within' a stage without shards"


def _with_the_client(stage: Stage, case: Case) -> Found:
    """What needs something of the requests."""
    if stage.queue.drop_expired and case.client.deadline is None:
        yield "queue.drop_expired", "there is no deadline to expire; write for example 'client: {deadline: 2 s}'"
    if stage.queue.order == "class" and not case.workload.classes:
        yield (
            "queue.order",
            "the requests have no classes; write for example "
            "'classes: [{name: paid, share: 20 %}, {name: free, share: 80 %, priority: 2}]' at the workload",
        )


def _visits(case: Case) -> Iterator[Problem]:
    """How many visits a request can come to, when everything is tried as often as it may."""
    attempts = case.client.retries.attempts if case.client.retries is not None else 1
    visits: dict[str | None, int] = {None: attempts}
    waiting = list(case.stages)
    while waiting:
        stage = next(s for s in waiting if s.within in visits)
        tries = stage.retries.attempts if stage.retries is not None else 1
        copies = 1 if stage.hedge is None else 2
        visits[stage.name] = visits[stage.within] * stage.shards * tries * copies
        waiting.remove(stage)
    total = sum(visits.values())
    if total > MOST_VISITS:
        most = max((name for name in visits if name is not None), key=lambda name: visits[name])
        yield Problem(
            f"stages.{most}",
            f"a request could come to {total:,} visits, {visits[most]:,} of them here; at most {MOST_VISITS:,}: "
            "have fewer shards, attempts or hedges on the way to it",
        )
    for caller in dict.fromkeys(stage.within for stage in case.stages):
        at_once = sum(stage.shards for stage in case.stages if stage.within == caller)
        if at_once > MOST_AT_ONCE:
            yield Problem(
                "stages" if caller is None else f"stages.{caller}",
                f"{at_once:,} calls of one visit, shards included; at most {MOST_AT_ONCE:,}: have fewer shards",
            )


def asked_of(stage: Stage, stages: dict[str, Stage]) -> Stage | None:
    """The stage that says which keys this one's cache is asked for: itself, or another; None if it has no keys."""
    if stage.cache is None:
        return None
    other = stage if stage.cache.keys_of is None else stages.get(stage.cache.keys_of)
    return other if other is not None and other.cache is not None and other.cache.keys is not None else None


def _keys(case: Case) -> Iterator[Problem]:
    total = 0
    stages = {stage.name: stage for stage in case.stages}
    with_keys = [name for name, stage in stages.items() if stage.cache is not None and stage.cache.keys is not None]
    for stage in case.stages:
        said = asked_of(stage, stages)
        if stage.cache is None or said is None or said.cache is None:
            if stage.cache is not None and stage.cache.keys_of is not None:
                yield Problem(
                    f"stages.{stage.name}.cache.keys_of",
                    not_among(stage.cache.keys_of, "a stage whose cache has 'keys'", with_keys),
                )
            continue
        keys = said.cache.keys or 0
        total += keys if said is stage else 0
        entries = keys * (stage.most_replicas if stage.cache.scope == "replica" else 1)
        if entries > MOST_ENTRIES:
            yield Problem(
                f"stages.{stage.name}.cache.keys" if said is stage else f"stages.{stage.name}.cache",
                f"{keys:,} keys in {stage.most_replicas:,} replicas' caches are {entries:,} entries to keep track "
                f"of; at most {MOST_ENTRIES:,}: have fewer keys or replicas, or 'scope: shared'",
            )
    if total > MOST_ALL_KEYS:
        yield Problem("stages", f"{total:,} keys in all caches; at most {MOST_ALL_KEYS:,}: have fewer")
