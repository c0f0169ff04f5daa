"""Rules of a story that no single step can check: its order, the names in it, and what it quotes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from cases.errors import DesignError, Problem, not_among, shown
from cases.quoted import Quotes
from cases.quotes import Quote, RunName, Written, parse, run_name
from cases.scenario_check import run_end
from cases.scenarios import scenario
from cases.spec import Case
from cases.story_spec import SECTIONS, Step
from estimators.errors import FormulaError

MOST_QUOTES = 200
MOST_RUNS = 24
MOST_TOLD = 20  # quotes that are wrong: to look for what was meant takes milliseconds each


def texts(step: Step) -> Iterator[tuple[str, str]]:
    """The texts of a step in which quotes may stand, with their places in it, as they are said."""
    yield from ((f"asks.{question}", answer) for question, answer in step.asks.items())
    yield from ((f"says.{i}", line) for i, line in enumerate(step.says))
    if step.notes is not None:
        yield "notes", step.notes


def shows(step: Step) -> tuple[RunName, ...]:
    """The run in the picture of a step; or that of the problem, and that with the fix."""
    here = run_name(step.scenario, step.design)
    return (here,) if step.fix is None else (here, run_name(step.scenario, step.fix))


def check(case: Case) -> Iterator[Problem]:
    """What is wrong with the story of a case that is right but for it."""
    many = sum(text.count("{") for step in case.walkthrough for _, text in texts(step))
    if many > MOST_QUOTES:
        yield Problem("walkthrough", f"has {many:,} quotes; at most {MOST_QUOTES}; say fewer numbers")
        return
    yield from _order(case)
    read: dict[str, Written] = {}
    for i, step in enumerate(case.walkthrough):
        yield from _no_quotes(f"walkthrough.{i}", step)
        for place, text in texts(step):
            try:
                read[f"walkthrough.{i}.{place}"] = parse(text)
            except FormulaError as error:
                yield Problem(f"walkthrough.{i}.{place}", str(error))
    runs = {run for step in case.walkthrough for run in shows(step)}
    runs |= {part.run for written in read.values() for part in written if isinstance(part, Quote)}
    if len(runs) > MOST_RUNS:
        yield Problem(
            "walkthrough", f"shows and quotes {len(runs)} runs; at most {MOST_RUNS}; let more of them be of one run"
        )
        return
    quotes = Quotes.of(case)
    for i, step in enumerate(case.walkthrough):
        yield from _on_show(case, quotes, f"walkthrough.{i}", step)
    quoted = (problem for where, written in read.items() for problem in _quoted(quotes, where, written))
    yield from itertools.islice(quoted, MOST_TOLD)


def _order(case: Case) -> Iterator[Problem]:
    order, last = list(SECTIONS), 0
    for i, step in enumerate(case.walkthrough):
        place = order.index(step.step)
        if place < last:
            yield Problem(f"walkthrough.{i}.step", f"'{step.step}' goes before '{order[last]}'; move it up")
        last = max(place, last)


def _no_quotes(where: str, step: Step) -> Iterator[Problem]:
    """Titles and questions are names of things: they hold no numbers that may change."""
    for place, text in (("title", step.title or ""), *(("asks", question) for question in step.asks)):
        if "{" in text or "}" in text:
            what = "a title" if place == "title" else "a question"
            yield Problem(f"{where}.{place}", f"{shown(text)}: {what} quotes nothing; say the number in a line")


def _on_show(case: Case, quotes: Quotes, where: str, step: Step) -> Iterator[Problem]:
    if step.stage is not None and step.stage not in (names := [stage.name for stage in case.stages]):
        yield Problem(f"{where}.stage", not_among(step.stage, "a stage", names))
    try:
        quotes.check_run(RunName(step.scenario))
    except DesignError as error:
        yield Problem(f"{where}.scenario", str(error))
        return
    for key, run in zip(("design", "fix"), shows(step), strict=False):
        try:
            quotes.check_run(run)
        except DesignError as error:
            yield Problem(f"{where}.{key}", str(error))
    if step.at is not None and step.scenario is not None:
        ends = run_end(case, scenario(case, step.scenario))
        if step.at > ends:
            yield Problem(f"{where}.at", f"the run ends {ends:g} s after the start; choose a time within it")


def _quoted(quotes: Quotes, where: str, written: Written) -> Iterator[Problem]:
    for quote in dict.fromkeys(part for part in written if isinstance(part, Quote)):
        try:
            quotes.check(quote)
        except (DesignError, FormulaError) as error:
            yield Problem(where, f"{quote}: {error}")
