"""Fifty people at once: `python -m benchmarks.sessions [--sessions 50]`.

A fresh server of the app. Each session opens Explore, and then all of them turn knobs at once, each its own to places
of its own, quicker than a run takes, and wait for the verdict of their last move. The clock runs from that move to the
page that shows it: the verdict, and the figures with their differences. Every one is held against the design simulated
here, without a page; a single wrong answer, or none in time, and it exits with 1.

The server's memory is its resident set, before, with all sessions open, and after they have left. Streamlit keeps a
session for two minutes after its tab has closed, so "given back" is told by a second crowd as large as the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.session import Session, together
from cases import files
from cases.build import apply
from cases.errors import StagecraftError
from cases.knobs import stops
from cases.spec import Case
from simulator.plan import plan
from simulator.report import headline_figures, table, verdict
from simulator.results import SimulationResult
from simulator.run import simulate
from tests.browser.conftest import serving
from ui.tables import plain

MOVES = 4
PAUSE = 0.2  # seconds between two moves of a hand
STAYS = 2.0  # seconds for which an answer must stand: of a run that another follows at once, a part may never be sent
NEAR = 8  # stops to either side: designs that somebody would try
SEED = 8
MEGABYTE = 1e6


class Hand(NamedTuple):
    """What one session does: its moves, a knob's label, path and text each."""

    moves: tuple[tuple[str, str, str], ...]

    @property
    def design(self) -> dict[str, str]:
        """Where it ends."""
        return {path: text for _, path, text in self.moves}


class Answer(NamedTuple):
    """What a page says of a design: the verdict, and each figure's name, value and difference."""

    verdict: str
    figures: tuple[tuple[str, str, str], ...]


class Waited(NamedTuple):
    """What a session saw, after how many seconds (the first verdict of all, and that of its last move), and the
    server's memory while nobody had left yet (MB)."""

    first: float
    last: float
    answer: Answer
    memory: float


def hands(case: Case, many: int) -> list[Hand]:
    """Moves for so many sessions; no two end at the same design, and all of their designs can be built."""
    luck = random.Random(SEED)
    found: dict[str, Hand] = {}
    knobs = [knob for knob in case.knobs if not knob.choices]
    while len(found) < many:
        moves = []
        for _ in range(MOVES):
            knob = luck.choice(knobs)
            label, texts, current = stops(case, knob, case)
            at = texts.index(current)
            moves.append(
                (label, knob.path, luck.choice([t for t in texts[max(at - NEAR, 0) : at + NEAR] if t != current]))
            )
        hand = Hand(tuple(moves))
        try:
            found[plan(apply(case, hand.design)).key] = hand
        except StagecraftError:
            continue
    return list(found.values())


def right(case: Case, hand: Hand, baseline: SimulationResult) -> Answer:
    """What is to be shown where a hand ends, simulated here."""
    designed = apply(case, hand.design)
    result = simulate(plan(designed))
    said = verdict(designed, result)
    figures = tuple(
        (one.label, one.text, one.difference or "same as baseline") for one in headline_figures(result, baseline)
    )
    return Answer(f"**{plain(said.headline)}** {plain(said.reason)}", figures)


def shown(session: Session) -> Answer:
    """What the page says."""
    said = [one.body for one in session.texts("alert") if one.body.startswith("**")]
    figures = tuple((one.label, one.body, one.delta) for one in session.texts("metric"))
    return Answer(said[0] if said else "", figures)


def settled(session: Session) -> bool:
    """Whether there is a verdict and nothing under way."""
    return bool(shown(session).verdict) and not session.texts("progress")


async def one(address: str, case: Case, hand: Hand, all_there: asyncio.Barrier, patience: float) -> Waited:
    """One session from its opening to the answer to its last move."""
    async with Session("", {"case": case.id}) as session:
        started = time.monotonic()
        await session.open(address)
        async with asyncio.timeout(patience):
            await session.until(settled)
        first = time.monotonic() - started
        await all_there.wait()
        for label, _, text in hand.moves:
            moved = time.monotonic()
            await session.move(label, text)
            await asyncio.sleep(PAUSE)
        answer, answered = Answer("no answer in time", ()), math.inf
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                stands = False
                while not stands:
                    await session.until(lambda s: settled(s) and hand.design.items() <= s.shown_at.items())
                    answer, answered = shown(session), time.monotonic()
                    await asyncio.sleep(STAYS)
                    stands = settled(session) and shown(session) == answer
        waited = Waited(first, answered - moved, answer, memory())
        await all_there.wait()  # nobody leaves before all have their answers
    return waited


async def crowd(address: str, case: Case, hands: list[Hand], patience: float) -> list[Waited]:
    """All of them at once."""
    all_there = asyncio.Barrier(len(hands))
    found: list[Waited] = await together([one(address, case, hand, all_there, patience) for hand in hands])
    return found


def memory() -> float:
    """Resident megabytes of the server; nan where /proc does not tell."""
    pages = _told("statm")[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE if pages else float("nan")


def core_seconds() -> float:
    """Seconds of cores that the server has used."""
    ticks = _told("stat")[13:15]  # of the user, of the system
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") if ticks else float("nan")


def _told(name: str) -> list[str]:
    """What /proc says of the server, the only child of this process."""
    try:
        child = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="utf-8").split()[0]
        return Path(f"/proc/{child}/{name}").read_text(encoding="utf-8").split()
    except (OSError, IndexError):
        return []


def spread(seconds: list[float]) -> dict[str, str]:
    """Median, 95th percentile and the longest."""
    ordered = sorted(seconds)
    return {
        "median s": f"{statistics.median(ordered):.2f}",
        "p95 s": f"{ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]:.2f}",
        "longest s": f"{ordered[-1]:.2f}",
    }


@click.command()
@click.option("--sessions", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--patience", type=click.FloatRange(1), default=120.0, show_default=True, help="Seconds for an answer.")
def main(sessions: int, patience: float) -> None:
    """Sessions that turn knobs at once; exit code 1 unless all of them get right answers."""
    case = files.load(files.catalog()[files.FIRST])
    every = hands(case, 2 * sessions)
    baseline = simulate(plan(case))
    answers = [right(case, hand, baseline) for hand in every]
    rows, wrong, worked = [], [], []
    with serving("app.py") as address:
        asyncio.run(crowd(address, case, every[:1], patience))  # a server that has seen somebody: its imports are made
        grown = [memory()]
        for name, mine in (("first", slice(0, sessions)), ("second", slice(sessions, None))):
            used = core_seconds()
            waited = asyncio.run(crowd(address, case, every[mine], patience))
            grown += [max(one.memory for one in waited), memory()]
            rows.append({"crowd": name, "from": "opening to verdict"} | spread([one.first for one in waited]))
            rows.append({"crowd": name, "from": "last move to verdict"} | spread([one.last for one in waited]))
            worked.append((core_seconds() - used) / sessions)
            pairs = zip(every[mine], waited, answers[mine], strict=True)
            wrong += [
                f"{hand.design}\n  shown {one.answer}\n  right {answer}"
                for hand, one, answer in pairs
                if one.answer != answer
            ]
    click.echo(f"{sessions} sessions, {MOVES} moves each, all at once; {case.id}.\n")
    click.echo("\n".join(table(rows)))
    click.echo(
        "\nMemory of the server, MB: "
        + ", ".join(f"{value:.0f}" for value in grown)
        + " (before; each crowd there and gone)."
    )
    click.echo(f"Seconds of a core for each session, by crowd: {', '.join(f'{one:.1f}' for one in worked)}.")
    click.echo(f"Load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    for line in wrong[:5]:
        click.echo(f"WRONG: {line}")
    click.echo(f"Right answers: {2 * sessions - len(wrong)} of {2 * sessions}.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
