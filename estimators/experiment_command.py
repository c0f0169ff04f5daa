"""python -m estimators experiment proportions|means|interleaving|judging|peeking"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from estimators.errors import FormulaError

# What plans is imported by the command that needs it: other commands start without it.
if TYPE_CHECKING:
    from estimators.experiment_plan import Setting
    from estimators.experiment_words import Answer

Command = Callable[..., None]


@click.group("experiment")
def experiment() -> None:
    """How large and how long an experiment must be, or what a given one can see."""


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_sureness = _options(
    click.option("--confidence", default="95 %", show_default=True, metavar="SHARE"),
    click.option("--power", default="80 %", show_default=True, metavar="SHARE"),
)
_traffic = _options(
    click.option("--visitors", metavar="RATE", help="How many can take part, as '20k users/day'."),
    click.option("--share", default="100 %", show_default=True, metavar="SHARE", help="Of them, who do."),
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_arms = _options(
    click.option("--half-width", metavar="SIZE", help="Ask for the interval of a difference to be ± this."),
    click.option("--each", metavar="COUNT", help="Ask what so many in each arm can see."),
    click.option("--duration", metavar="TIME", help="Ask what the visitors of '14 days' can see."),
    click.option("--arms", default="2", show_default=True, metavar="COUNT", help="With the control: '9 banners'."),
    click.option(
        "--against",
        default="control",
        show_default=True,
        metavar="control|all|rest",
        help="Each against a control; every pair; or one that is better than all the rest.",
    ),
    click.option(
        "--correction",
        metavar="none|bonferroni|sidak|dunnett|tukey|gutmann",
        help="For several comparisons; Bonferroni unless said otherwise.",
    ),
    click.option("--correlation", metavar="RHO", help="With the same measurement from before (CUPED), as 0.5."),
    _sureness,
    _traffic,
    _as_json,
)


@experiment.command("proportions")
@click.option("--base", required=True, metavar="SHARE", help="The rate of success without a change, as '5 %'.")
@click.option("--lift", metavar="SHARE", help="Relative change to be found, as '10 %'.")
@click.option("--to", metavar="SHARE", help="The changed rate itself, as '5.5 %'.")
@click.option("--unpooled", is_flag=True, help="Each arm's own variance in the test, in place of a pooled one.")
@click.option("--grid", is_flag=True, help="Also for other base rates and lifts, where yours are not known.")
@_arms
def proportions_command(
    base: str, lift: str | None, to: str | None, unpooled: bool, grid: bool, as_json: bool, **settings: Any
) -> None:
    """Rates of success: clicks, conversions, retention. One of --lift, --to, --half-width, --each, --duration.

    \b
    python -m estimators experiment proportions --base "5 %" --lift "10 %" --visitors "20k users/day"
    python -m estimators experiment proportions --base "5 %" --lift "10 %" --arms "9 banners" --against rest --grid
    python -m estimators experiment proportions --base "50 %" --half-width "0.1 %"
    """

    def answer() -> Answer:
        from estimators.experiment_plan import proportions
        from estimators.experiment_words import told

        return told(proportions(base, lift=lift, to=to, pooled=not unpooled, setting=_setting(**settings)))

    _answer(answer, as_json, grid)


@experiment.command("means")
@click.option("--sd", required=True, metavar="SIZE", help="Standard deviation of one measurement, as '12 min'.")
@click.option("--difference", metavar="SIZE", help="To be found, as '30 s'.")
@_arms
def means_command(sd: str, difference: str | None, as_json: bool, **settings: Any) -> None:
    """Means: time watched, money spent. One of --difference, --half-width, --each, --duration.

    \b
    python -m estimators experiment means --sd "12 min" --difference "30 s" --visitors "20k users/day"
    """

    def answer() -> Answer:
        from estimators.experiment_plan import means
        from estimators.experiment_words import told

        return told(means(sd, difference=difference, setting=_setting(**settings)))

    _answer(answer, as_json)


@experiment.command("interleaving")
@click.option("--preference", default="52 %", show_default=True, metavar="SHARE", help="Of decided queries won.")
@click.option("--decided", default="30 %", show_default=True, metavar="SHARE", help="Of queries, whose clicks decide.")
@click.option("--instead-of", metavar="COUNT", help="What an A/B test would need, in all.")
@click.option("--fewer", default="10..100", show_default=True, metavar="RANGE", help="Times fewer, as published.")
@_traffic
@_sureness
@_as_json
def interleaving_command(preference: str, decided: str, share: str, as_json: bool, **more: Any) -> None:
    """Two rankings mixed into one list: queries needed to tell which is preferred.

    \b
    python -m estimators experiment interleaving --preference "52 %" --instead-of "3.84M users"
    """

    def answer() -> Answer:
        from estimators.experiment_others import interleaving

        return interleaving(preference, decided, share_of=share, **more)

    _answer(answer, as_json)


@experiment.command("judging")
@click.option("--precision", metavar="SHARE", help="About what it will be, as '70 %'.")
@click.option("--half-width", metavar="SHARE", help="How exactly it shall be known, as '2 %'.")
@click.option("--sd", metavar="NUMBER", help="Of one query's difference between two systems, as 0.25.")
@click.option("--difference", metavar="NUMBER", help="Of the two systems' means, to be found, as 0.01.")
@click.option("--queries", metavar="COUNT", help="Or as many as there are: only the work is reckoned.")
@click.option("--results", default="10", show_default=True, metavar="COUNT", help="Judged of each query.")
@click.option("--judgements", default="1", show_default=True, metavar="COUNT", help="Of each result.")
@click.option("--judges", metavar="COUNT", help="People who judge.")
@click.option("--pace", default="60/hour", show_default=True, metavar="RATE", help="Of one judge.")
@click.option("--hours", default="6 hours", show_default=True, metavar="TIME", help="A day.")
@_sureness
@_as_json
def judging_command(as_json: bool, **asked: Any) -> None:
    """Queries for people to judge, and how long they take.

    \b
    python -m estimators experiment judging --precision "70 %" --half-width "2 %" --judges 20
    python -m estimators experiment judging --sd 0.25 --difference 0.01 --judges "20 judges" --pace "90/hour"
    """

    def answer() -> Answer:
        from estimators.experiment_others import judging

        return judging(**asked)

    _answer(answer, as_json)


@experiment.command("peeking")
@click.option("--looks", required=True, metavar="COUNT", help="How often the result is looked at, as 14.")
@click.option("--confidence", default="95 %", show_default=True, metavar="SHARE")
@_as_json
def peeking_command(looks: str, confidence: str, as_json: bool) -> None:
    """What looking before the end does to the false alarms.

    \b
    python -m estimators experiment peeking --looks 14
    """

    def answer() -> Answer:
        from estimators.experiment_others import peeking

        return peeking(looks, confidence)

    _answer(answer, as_json)


def _setting(**settings: Any) -> Setting:
    from estimators.experiment_plan import Setting

    return Setting(**settings)


def _answer(answer: Callable[[], Answer], as_json: bool, grid: bool = False) -> None:
    try:
        found = answer()
        said = json.dumps(found.as_json()) if as_json else readable(found, grid)
    except FormulaError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(said)


def readable(answer: Answer, grid: bool = False) -> str:
    """The answer first, then why, and its tables."""
    from estimators.experiment_words import GRID_TEACHES, claim_rows, curve_rows, grid_rows

    lines = [answer.sentence, *(f"note: {note}" for note in answer.notes)]
    lines += ["", "Working", *(f"  {line}" for line in answer.working)]
    lines += ["", "Assumed", *(f"  {line}" for line in answer.assumptions)]
    for title, rows in (
        ("What it takes to say", claim_rows(answer)),
        ("Power", curve_rows(answer)),
        (f"If the rate is not known. {GRID_TEACHES}", grid_rows(answer) if grid else []),
    ):
        if rows:
            lines += ["", title, *_columns(rows)]
    return "\n".join(lines)


def _columns(rows: list[dict[str, str]]) -> list[str]:
    """Words to the left, numbers to the right."""
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    lines = [""] * len(table)
    for column in zip(*table, strict=True):
        width = max(len(cell) for cell in column)
        numbers = column[1][:1].isdigit()
        lines = [
            f"{line}  {cell:>{width}}" if numbers else f"{line}  {cell:<{width}}"
            for line, cell in zip(lines, column, strict=True)
        ]
    return [line.rstrip() for line in lines]
