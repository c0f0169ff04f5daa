"""The story of a case, told with live numbers: its steps, the runs that they quote, and what stands on each slide.

`steps` says what is to be told and which runs that takes; `told` fills one step in from the results that are there;
`story` makes all runs and tells all of it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cases.errors import DesignError
from cases.quoted import Quotes
from cases.quotes import Quote, RunName, Written, parse
from cases.spec import Case
from cases.story_check import check, shows
from cases.story_spec import Step
from simulator.control import Progress
from simulator.plan import Engine, Plan, plan
from simulator.results import SimulationResult
from simulator.run import simulate
from walkthrough.live import Number, number, waiting

__all__ = ["Number", "PlannedStep", "Quote", "RunName", "Story", "Told", "ToldStep", "Written", "planned", "steps"]

WORDS_A_MINUTE = 130
WIDTH = 100  # of a line in a terminal

Told = tuple[str | Number, ...]
"""A text: words, and the numbers that fill its quotes."""


@dataclass(frozen=True)
class PlannedStep:
    """A step before anything is run."""

    number: int  # from 1
    section: str  # 'clarify', ..., 'tradeoffs'
    title: str  # its own, else the section's
    asks: tuple[tuple[str, Written], ...]  # question, answer
    says: tuple[Written, ...]
    notes: Written  # () where there are none
    shows: tuple[RunName, ...]  # the picture: one run; or that of the problem, then that with the fix
    runs: tuple[RunName, ...]  # that its numbers are of, each once; those of the picture only if they are quoted
    stage: str | None  # that is lit
    at: float | None  # s, where the clock stands


@dataclass(frozen=True)
class ToldStep:
    """A step with its numbers."""

    planned: PlannedStep
    asks: tuple[tuple[str, Told], ...]
    says: tuple[Told, ...]
    notes: Told

    @property
    def texts(self) -> Iterator[Told]:
        """All that is said, in order."""
        for question, answer in self.asks:
            yield (question,)
            yield answer
        yield from self.says
        yield self.notes

    @property
    def words(self) -> int:
        """That are said: questions, answers, lines and notes."""
        return sum(len(spoken(text).split()) for text in self.texts)

    @property
    def waiting(self) -> bool:
        """Whether a number's run is not there yet."""
        return any(isinstance(part, Number) and part.waiting for text in self.texts for part in text)

    def as_json(self) -> dict[str, Any]:
        """The keys of the contract: a text is a list of words and numbers."""
        planned = self.planned
        return {
            "step": planned.number,
            "section": planned.section,
            "title": planned.title,
            "asks": [{"question": question, "answer": _json(answer)} for question, answer in self.asks],
            "says": [_json(line) for line in self.says],
            "notes": _json(self.notes),
            "shows": [run._asdict() for run in planned.shows],
            "stage": planned.stage,
            "at_s": planned.at,
        }

    def report(self) -> str:
        """For reading in a terminal."""
        lines = [f"{self.planned.number}. {self.planned.title}"]
        for question, answer in self.asks:
            lines += [*_wrapped(question, "   ? "), *_wrapped(spoken(answer), "     ")]
        for line in self.says:
            lines += _wrapped(spoken(line), "   - ")
        if self.notes:
            lines += ["", *_wrapped(spoken(self.notes), "   ")]
        return "\n".join(lines)


@dataclass(frozen=True)
class Story:
    """All of it, or some of its steps, and the runs that it took."""

    case: str
    title: str
    question: str
    steps: tuple[ToldStep, ...]
    runs: dict[RunName, SimulationResult]

    @property
    def minutes(self) -> float:
        """To say it aloud."""
        return sum(step.words for step in self.steps) / WORDS_A_MINUTE

    def as_json(self) -> dict[str, Any]:
        """What `walkthrough CASE --json` prints."""
        return {
            "case": self.case,
            "title": self.title,
            "question": " ".join(self.question.split()),
            "minutes": round(self.minutes, 1),
            "runs": [{**run._asdict(), "key": result.key, "seed": result.seed} for run, result in self.runs.items()],
            "steps": [step.as_json() for step in self.steps],
        }

    def report(self) -> str:
        """For reading in a terminal."""
        words, runs = sum(step.words for step in self.steps), len(self.runs)
        length = f"{words:,} words, {math.ceil(self.minutes)} min at {WORDS_A_MINUTE} words a minute"
        made = f"{runs} run{'' if runs == 1 else 's'} quoted"
        head = [self.title, *_wrapped(" ".join(self.question.split()), ""), f"({length}; {made})"]
        return "\n\n".join(["\n".join(head), *(step.report() for step in self.steps)])


def spoken(text: Told) -> str:
    """A told text as plain words, in one line."""
    return " ".join("".join(part.text if isinstance(part, Number) else part for part in text).split())


def _json(text: Told) -> list[Any]:
    return [part.as_json() if isinstance(part, Number) else part for part in text]


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False)


# -- planned ----------------------------------------------------------------------------------------------------------


def steps(case: Case) -> tuple[PlannedStep, ...]:
    """What is to be told, in order; () for a case without a story. Nothing is run.

    DesignError where the case has been changed so that its story no longer goes with it.
    """
    if case is not case.as_written and (problems := list(check(case))):
        raise DesignError.of(problems)
    return tuple(_planned(case, i, step) for i, step in enumerate(case.walkthrough, 1))


def _planned(case: Case, number: int, step: Step) -> PlannedStep:
    asks = tuple((question, parse(answer)) for question, answer in step.asks.items())
    says, notes = tuple(parse(line) for line in step.says), parse(step.notes or "")
    texts, quotes = [*(answer for _, answer in asks), *says, notes], Quotes.of(case)
    runs = dict.fromkeys(
        part.run for text in texts for part in text if isinstance(part, Quote) and quotes.needs_run(part)
    )
    title, shown = step.shown_title, shows(step)
    return PlannedStep(number, step.step, title, asks, says, notes, shown, tuple(runs), step.stage, step.at)


def planned(case: Case, run: RunName, seed: int | None = None) -> Plan:
    """The plan of a run: the case with that design, in that scenario, as long as they say themselves (DesignError)."""
    return plan(Quotes.of(case).designed(run.design), scenario=run.scenario, seed=seed)


# -- told -------------------------------------------------------------------------------------------------------------


def told(case: Case, step: PlannedStep, results: Mapping[RunName, SimulationResult]) -> ToldStep:
    """A step with the numbers of these results; a quote whose run is missing waits for it."""
    quotes = Quotes.of(case)

    def filled(text: Written) -> Told:
        return tuple(part if isinstance(part, str) else _filled(quotes, part, results) for part in text)

    asks = tuple((question, filled(answer)) for question, answer in step.asks)
    return ToldStep(step, asks, tuple(filled(line) for line in step.says), filled(step.notes))


def _filled(quotes: Quotes, quote: Quote, results: Mapping[RunName, SimulationResult]) -> Number:
    if not quotes.needs_run(quote):
        return number(quote, quotes.number(quote))
    result = results.get(quote.run)
    return waiting(quote) if result is None else number(quote, quotes.number(quote, result.measured), result.seed)


def story(
    case: Case,
    progress: Progress = lambda _: None,
    seed: int | None = None,
    engine: Engine = "auto",
    chosen: tuple[PlannedStep, ...] | None = None,
) -> Story:
    """Make the runs that a case's story quotes, each once, and tell it, or the `chosen` steps of it."""
    wanted = steps(case) if chosen is None else chosen
    names = list(dict.fromkeys(run for step in wanted for run in step.runs))
    results: dict[RunName, SimulationResult] = {}

    def tell(share: float) -> None:
        progress((len(results) + share) / len(names))

    for name in names:
        results[name] = simulate(planned(case, name, seed), engine, tell)
    return Story(case.id, case.title, case.question, tuple(told(case, step, results) for step in wanted), results)
