"""Checks of the rules of `semantics` on a complete trace."""

from __future__ import annotations

def violations(machine: Machine, trace: Trace, ended: Ended, horizon: int) -> list[str]:
    """Rules that a complete trace breaks, in words; empty when it keeps R1 to R5.

    `ended`: all requests that ended; `horizon`: when the run stopped, ns (its events are those before).
    """
    rows = list(visits(trace))
    ends = list(zip(*(column.tolist() for column in ended), strict=True))
    return [
        *_one_end(rows, ends),
        *_causality(machine, rows),
        *_outcomes(machine, rows, ends, horizon),
        *_capacity(rows),
        *_queues(machine, rows, horizon),
    ]


def _one_end(rows: list[Visit], ends: list[tuple[int, ...]]) -> Iterator[str]:
    for what, identities in (
        ("request", Counter(number for number, *_ in ends)),
        ("visit", Counter((v.request, v.visit) for v in rows)),
        ("visit of a stage", Counter((v.request, v.stage) for v in rows)),
    ):
        yield from (f"R1: {what} {identity} ended {n} times" for identity, n in identities.items() if n > 1)


def _causality(machine: Machine, rows: list[Visit]) -> Iterator[str]:
    answered = {(v.request, v.stage): v.end for v in rows if v.outcome == VisitEnd.ANSWERED}
    predecessors: dict[int, list[int]] = defaultdict(list)
    for stage in range(machine.stages):
        for successor in machine.successors[machine.first_successor[stage] : machine.first_successor[stage + 1]]:
            predecessors[int(successor)].append(stage)
    for v in rows:
        if v.join >= 0 and v.join != v.send + machine.hop[v.stage]:
            yield f"R2: {v} did not join one hop after it was sent"
        if v.start >= 0 and not 0 <= v.join <= v.start:
            yield f"R2: {v} started before it joined"
        if v.end >= 0 and v.start >= 0 and not v.start < v.end:
            yield f"R2: {v} ended no later than it started"
        ends = [answered.get((v.request, stage)) for stage in predecessors[v.stage]]
        if ends and (None in ends or max(e for e in ends if e is not None) != v.send):
            yield f"R2: {v} was not sent when the last stage before it answered ({ends})"


def _outcomes(machine: Machine, rows: list[Visit], ends: list[tuple[int, ...]], horizon: int) -> Iterator[str]:
    """R1 and R2: how and when visits and requests end."""
    of_request: dict[int, list[Visit]] = defaultdict(list)
    for v in rows:
        of_request[v.request].append(v)
        due = v.send + int(machine.timeout[v.stage])
        over = v.end if v.end >= 0 else horizon
        if v.outcome == VisitEnd.EXPIRED and not due < horizon:
            yield f"R2: {v} expired before its time-out at {due}"
        if v.outcome in (VisitEnd.OPEN, VisitEnd.ANSWERED) and over > due:
            yield f"R2: {v} should have expired at {due}"
        if (v.outcome == VisitEnd.OPEN) != (v.end < 0) and v.outcome != VisitEnd.EXPIRED:
            yield f"R1: {v} is open and ended, or neither"
    known = {number for number, *_ in ends}
    in_flight = [(number, NEVER, NEVER, int(RequestEnd.IN_FLIGHT)) for number in of_request if number not in known]
    for number, arrival, end, outcome in [*ends, *in_flight]:
        family = of_request[number]
        failures = [arrival + machine.client_timeout]
        failures += [v.end for v in family if v.outcome == VisitEnd.REJECTED]
        failures += [v.send + int(machine.timeout[v.stage]) for v in family if v.outcome == VisitEnd.EXPIRED]
        last = max((v.end for v in family), default=NEVER)
        complete = [v.outcome for v in family] == [VisitEnd.ANSWERED] * machine.stages
        if outcome == RequestEnd.COMPLETED:
            if not complete or last != end or min(failures) < end:
                yield f"R1: request {number} completed at {end}, but its visits say otherwise: {family}"
        elif outcome == RequestEnd.IN_FLIGHT:
            if complete or min(failures) < horizon:
                yield f"R1: request {number} has ended, but nobody was told: {family}"
        elif min(failures) != end:
            yield f"R2: request {number} failed at {end}, not at {min(failures)}: {family}"
        if any(v.send > end for v in family):
            yield f"R2: request {number} ended at {end}, but sent a visit after that: {family}"


def _capacity(rows: list[Visit]) -> Iterator[str]:
    by_worker: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.start >= 0:
            by_worker[v.stage, v.worker].append(v)
    for worker, served in by_worker.items():
        served.sort(key=lambda v: v.start)
        for earlier, later in pairwise(served):
            if earlier.end < 0 or later.start < earlier.end:
                yield f"R3: worker {worker} carried two visits: {earlier} and {later}"


def _queues(machine: Machine, rows: list[Visit], horizon: int) -> Iterator[str]:
    """R3 (queue limit), R4 and R5, queue by queue. Visits that never started are known by queue where there is one."""
    one_queue = (machine.queues() == 1).tolist()
    workers = (machine.workers() // machine.queues()).tolist()
    by_queue: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for v in rows:
        if v.start >= 0 or (one_queue[v.stage] and v.join >= 0):
            by_queue[v.stage, 0 if one_queue[v.stage] else v.worker // workers[v.stage]].append(v)
    for (stage, queue), joined in by_queue.items():
        # Joins of an instant happen in the order of requests (R6), and a request visits a stage once.
        joined.sort(key=lambda v: (v.join, v.request))
        turned_away = [v for v in joined if v.start < 0 <= v.end]
        starts = [v.start if v.start >= 0 else NEVER for v in joined if v.start >= 0 or v.end < 0]
        where = f"stage {stage}, queue {queue}"
        if starts != sorted(starts):
            yield f"R5: {where} was not served in the order of joining"
        taken = [v for v in joined if v.start >= 0 or v.end < 0]
        yield from _levels(where, taken, turned_away, workers[stage], int(machine.queue_limit[stage]))
    if any(max(v.send, v.join, v.start, v.end) >= horizon for v in rows):
        yield "R6: something happened after the end of the run"


def _levels(where: str, taken: list[Visit], turned_away: list[Visit], workers: int, limit: int) -> Iterator[str]:
    """R3 and R4 after each instant: how many wait, how many are served, and whether who was turned away had to be."""
    changes: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for v in taken:
        changes[v.join][0] += 1
        if v.start >= 0:
            changes[v.start][0] -= 1
            changes[v.start][1] += 1
        if v.end >= 0:
            changes[v.end][1] -= 1
    freed = {v.end for v in taken}
    refused = {v.end for v in turned_away}
    waiting = busy = 0
    for now in sorted(changes.keys() | refused):
        waiting += changes[now][0]
        busy += changes[now][1]
        if waiting > limit:
            yield f"R3: {where} held {waiting} visits at {now}, more than its limit of {limit}"
        if waiting and busy < workers:
            yield f"R4: {where} had an idle worker at {now} while {waiting} visits waited"
        if now in refused and now not in freed and (waiting, busy) != (limit, workers):
            state = f"{waiting} waiting and {busy} of {workers} workers busy"
            yield f"R3: {where} turned a visit away at {now} with {state}"
