"""How many do I need? The least value of a path that meets all objectives; of a load, the most.

A value meets when every objective does, with its whole interval; it misses when one does. While it does neither, it is
run more often; one that still does neither when the limit is reached is too close to call. The search begins with what
the case has, so that nobody waits for the far ends, and bisects between what meets and what does not. All values are
run on the same luck. What was found is run again on other luck: if that contradicts, the value is too close to call,
and the search moves on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cases.build import apply
from cases.errors import RunError, StagecraftError
from cases.spec import Case
from cases.vary import MOST_VALUES, Values, values
from simulator.control import Progress
from simulator.found import RANK, Answer, Found, Sense, Step, met
from simulator.plan import MOST_REPLICATIONS, Engine, Plan, plan
from simulator.results import SimulationResult, StageResult
from simulator.run import FIRST, Replications

__all__ = ["Found", "around", "decided", "fewest", "fleets", "met", "tightest"]

MOST = 40  # replications of a value, unless said otherwise
MOST_CONTRADICTIONS = 10
TIMES = 8  # what a stage has: asked about at most
FULL = 0.99  # of what a stage could do: its queue takes longer to settle than most runs last
MORE_IS_BETTER = ("replicas", "desks", "concurrency")  # elsewhere the ends of the range tell
_WORDS = {True: "meets", False: "misses", None: "is too close to call"}


def decided(
    plan: Plan, most: int = MOST, engine: Engine = "auto", progress: Progress = lambda _: None
) -> SimulationResult:
    """Run replications until it is known whether the objectives are met: five, then twice as many, up to `most`."""
    replications = Replications(plan, engine, progress, None, None)
    count = min(FIRST, most)
    while True:
        replications.upto(count)
        result = replications.summary()
        if met(result) is not None or count == most:
            return result
        count = min(2 * count, most)


def fewest(
    case: Case,
    path: str,
    low: str,
    high: str,
    *,
    scenario: str | None = None,
    seed: int | None = None,
    requests: int | None = None,
    most: int = MOST,
    engine: Engine = "auto",
    progress: Progress = lambda _: None,
) -> Found:
    """The least value of a path from `low` to `high` (texts as in the file) that meets all objectives of the case.

    If it is the low end that meets, the most is sought. `seed` and `requests` are those of the case unless said,
    `most` the replications of a value at most. `progress` is told the share that is done, roughly; it may raise, which
    ends the search. DesignError if the path or a value does not fit the case; RunError if it has no objectives.
    """
    if not case.objectives:
        raise RunError(
            "the case states no objective, so nothing tells how many are enough; "
            "add for example 'objectives: [{metric: latency, percentile: 99, at_most: 200 ms}]'"
        )
    if not 2 <= most <= MOST_REPLICATIONS:
        raise RunError(f"an interval needs from 2 to {MOST_REPLICATIONS:,} replications, not {most:,}")
    range_ = values(case, path, low, high)
    planned = plan(case, scenario=scenario, seed=seed, requests=requests)

    def run(text: str, seed: int, progress: Progress) -> SimulationResult:
        try:
            changed = plan(apply(case, {path: text}), scenario=scenario, seed=seed, requests=requests)
            return decided(changed, most, engine, progress)
        except StagecraftError as error:
            raise RunError(f"with {path}={text}: {error}") from None

    search = _Search(range_, planned.run.seed, run, progress)
    found = search.outcome()
    cost = planned.network.cost_usd_per_hour
    return Found(
        case=case.id,
        path=path,
        unit=range_.unit,
        low=range_.text(0),
        high=range_.text(len(range_) - 1),
        sense=search.sense,
        verdict=found.verdict,
        at=None if found.good is None else search.first[found.good],
        below=None if found.missing is None else search.first[found.missing],
        undecided=found.undecided,
        confirmed=search.confirmed,
        designed=range_.designed,
        designed_cost=None if cost is None else cost * case.cells,
        seeds=search.seeds,
        steps=tuple(search.steps),
        notes=(
            *search.notes,
            *search.contradictions(),
            *([] if found.good is None else _full(search.first[found.good])),
        ),
        scenario=scenario,
    )


def _full(step: Step) -> Iterator[str]:
    """Stages that are so busy that a longer run might tell another story."""
    for name, stage in step.result.stages.items():
        if step.result.scenario is None and _load(stage) > FULL:
            yield (
                f"with {step.value}, what is offered would keep {name} {_load(stage) * 100:.1f} % busy: its queue may "
                "still grow when the run ends, and a longer run come out worse; measure more requests"
            )


Run = Callable[[str, int, Progress], SimulationResult]
Accepts = Callable[[bool | None], bool]


class Outcome(NamedTuple):
    """Which values, by index, the verdict is about."""

    verdict: Answer
    good: int | None
    missing: int | None
    undecided: tuple[str, str] | None


class _Search:
    """What is known of the values, by index: each is run once, and again where it is checked."""

    def __init__(self, among: Values, seed: int, run: Run, progress: Progress) -> None:
        self.values, self.seeds = among, (seed, seed + 1)
        self.first: dict[int, Step] = {}
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.sense: Sense | None = None
        self.confirmed = True
        self._checks: dict[int, Step] = {}
        self._known: dict[int, bool | None] = {}  # whether a value meets, checks considered
        self._run, self._progress = run, progress
        self._expected, self._told = len(among).bit_length() + 4, 0.0  # runs, and of them done
        self._worst, self._best = 0, len(among) - 1  # of what is searched

    def outcome(self) -> Outcome:
        """Run what it takes."""
        self.sense = self._sense()
        if self.sense is None:
            return self._all_alike()
        low, high = sorted((self._worst, self._best))
        start = min(max(self.values.start, low), high)
        stride = max(1, start - self.values.near(start, 0.5))
        while True:
            good, bad = self._boundary(lambda met: met is True, start, stride)
            unsure, missing = bad, bad
            if bad is not None and self._known[bad] is None:
                unsure, missing = self._boundary(lambda met: met is not False, bad, 1)
            if good is None or not self._contradicted(good, missing):
                break
            start, stride = good, 1  # the answer is near
        between = None
        if bad is not None and unsure is not None and self._known[unsure] is None:
            between = self._texts(*sorted((unsure, bad)))
        if good is None:
            return Outcome("too_close" if between else "none_meets", None, missing, between)
        beyond = self.values.near(good, 2.0 if self.sense == "least" else 0.5)
        self._look(min(max(beyond, low), high))  # whether more is better indeed
        return Outcome("all_meet" if bad is None else "found", good, missing, between)

    def _all_alike(self) -> Outcome:
        best = self._known[self._best]
        if best is None:
            return Outcome("too_close", None, None, self._texts(self._worst, self._best))
        return Outcome("all_meet", None, None, None) if best else Outcome("none_meets", None, self.values.start, None)

    def _texts(self, first: int, last: int) -> tuple[str, str]:
        return self.values.text(first), self.values.text(last)

    def _look(self, index: int) -> bool | None:
        if index not in self._known:
            self.first[index] = self._try(index, self.seeds[0])
            self._known[index] = self.first[index].met
        return self._known[index]

    def _try(self, index: int, seed: int) -> Step:
        done, text = len(self.steps), self.values.text(index)

        def progress(share: float) -> None:
            self._told = max(self._told, (done + share) / max(self._expected, done + 2))
            self._progress(self._told)

        result = self._run(text, seed, progress)
        self.steps.append(Step(text, result, checks=seed != self.seeds[0]))
        return self.steps[-1]

    def _sense(self) -> Sense | None:
        """Which end is the good one; None if it makes no difference. Finds the part in which the answer lies."""
        if self.values.path.rpartition(".")[2] in MORE_IS_BETTER:
            return "least"
        low, high, start = self._worst, self._best, self.values.start
        at_low, at_high, here = (RANK[self._look(index)] for index in (low, high, start))
        if at_low > at_high:
            self._worst, self._best = high, low
            return "most"
        if at_low == at_high == here:
            return None
        if at_low == at_high:  # what meets is in the middle, or what misses
            self._worst, self._best = (low, start) if here > at_low else (start, high)
            ends, part = self._texts(low, high), self._texts(self._worst, self._best)
            self.notes.append(
                f"{ends[0]} and {ends[1]} come out alike, and {self.values.text(start)} does not: "
                f"searched was from {part[0]} to {part[1]}"
            )
        return "least"

    def _boundary(self, accepts: Accepts, start: int, stride: int) -> tuple[int | None, int | None]:
        """Two neighbours, of which one is accepted and the worse one is not; None for one beyond the range.

        From the start in strides that double until both are known; then in halves.
        """
        toward_best = 1 if self._best >= self._worst else -1
        good = bad = None
        index = start
        while good is None or bad is None:
            if accepts(self._look(index)):
                good, end, step = index, self._worst, -toward_best
            else:
                bad, end, step = index, self._best, toward_best
            if index == end:
                return good, bad
            index += step * min(stride, abs(end - index))
            stride *= 2
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if accepts(self._look(middle)) else (good, middle)
        return good, bad

    def _contradicted(self, good: int, missing: int | None) -> bool:
        """Whether other luck contradicts, and the search goes on: what meets must meet again, what misses must not."""
        agrees = self._agrees(good, lambda again: again is True) and (
            missing is None or self._agrees(missing, lambda again: again is not True)
        )
        return not agrees and self.confirmed

    def _agrees(self, index: int, expected: Accepts) -> bool:
        """Run a value on other luck. If that is not as expected, it is too close to call, which is noted."""
        if index not in self._checks:
            self._checks[index] = self._try(index, self.seeds[1])
        again = self._checks[index].met
        if expected(again):
            return True
        said = (
            f"{self.values.text(index)} {_WORDS[self._known[index]]} with seed {self.seeds[0]} "
            f"and {_WORDS[again]} with seed {self.seeds[1]}"
        )
        self.confirmed = len(self.notes) < MOST_CONTRADICTIONS
        if self.confirmed:
            self.notes.append(f"{said}: taken for too close to call, and the search went on")
            self._known[index] = None
        else:
            self.notes.append(f"{said}; the search was ended there, and the answer is not confirmed")
        return False

    def contradictions(self) -> list[str]:
        """A value that misses though a worse one meets."""
        if self.sense is None:
            return []
        low, high = sorted((self._worst, self._best))
        order = sorted((i for i in self._known if low <= i <= high), reverse=self.sense == "most")
        meets = next((i for i in order if self._known[i]), None)
        misses = [] if meets is None else [i for i in order[order.index(meets) :] if self._known[i] is False]
        if meets is None or not misses:
            return []
        worse, better = self._texts(meets, misses[0])
        return [f"{worse} meets and {better} misses: there is more than one place to meet, and this is the nearest"]


# -- what a person asks first -----------------------------------------------------------------------------------------


def fleets(case: Case) -> dict[str, str]:
    """The path of the number of machines or people, by stage where there is one to ask for.

    Not of others' systems, of stages that grow by `concurrency`, and of those that follow the load by themselves.
    """
    return {
        stage.name: f"stages.{stage.name}.{'replicas' if stage.person is None else 'person.desks'}"
        for stage in case.stages
        if not stage.endless and stage.autoscaling is None and (stage.balancing or stage.person) is not None
    }


def around(case: Case, stage: str) -> tuple[str, str]:
    """From one to some times what a stage has."""
    return "1", str(min(TIMES * case.stage(stage).fleet, MOST_VALUES))


def tightest(case: Case, result: SimulationResult) -> str | None:
    """The stage of `fleets` to ask about first: it lacks replicas, or its visits wait longest, as the verdict says."""

    def tight(name: str) -> tuple[bool, float, float]:
        stage = result.stages[name]
        return stage.lacks_replicas, stage.wait_mean_ms or 0.0, _load(stage)

    return max(fleets(case), key=tight, default=None)


def _load(stage: StageResult) -> float:
    """Offered load of its capacity."""
    return (stage.replicas_needed or 0.0) / (stage.replicas_mean or stage.replicas)
