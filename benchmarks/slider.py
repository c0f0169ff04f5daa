"""From the release of a knob to the new percentiles on the page: `python -m benchmarks.slider`.

A fresh server of the app, a real browser, a real mouse. A knob is dragged to where it never was, which takes a
simulation, and back to the design that is known, which shows what a rerun of the page costs without one. The clock
runs in the browser: from the time stamp of the release to the frame with the figures of this very design, which the
benchmark has simulated for itself beforehand. Exits with 1 when the median is not below the limit.

The case is the one that a newcomer sees. `--requests` are the measured requests of one answer, all replications
together: what the percentiles on the page rest on.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import NamedTuple

import click
from playwright.sync_api import Browser, Page, sync_playwright

from cases import files
from cases.build import apply
from cases.knobs import stops
from cases.spec import Case
from simulator.plan import plan
from simulator.report import headline_figures
from simulator.run import simulate
from tests.browser.conftest import FLAGS, serving
from tests.browser.install import REMEDY, find

KNOB = "stages.ranking.replicas"
LIMIT = 400.0  # ms
QUIET = 500  # ms in which the page has nothing to do before the next drag
RUNNING = '[data-testid="stApp"]:not([data-test-script-state="notRunning"])'
BUSY = f'{RUNNING}, [data-testid="stProgress"], [data-stale="true"]'
PARTS = ("total", "asking", "server", "drawing")

# 'asking': until the browser has sent the new value. 'server': until the last message before the figures are there.
# 'drawing': until the frame with them has been handed over.
CLOCK = """
(() => {
  const now = () => performance.now();
  let watch = {};
  window.WebSocket = class extends WebSocket {
    constructor(...its) { super(...its); this.addEventListener("message", () => { watch.heard = now(); }); }
    send(data) { if (watch.released) watch.sent ??= now(); super.send(data); }
  };
  addEventListener("pointerup", (event) => { watch.released ??= event.timeStamp; }, true);
  const figures = () =>
    [...document.querySelectorAll('[data-testid="stMetricValue"]')].map((figure) => figure.textContent.trim());
  const settled = (wanted) => JSON.stringify(figures()) === JSON.stringify(wanted);
  window.watchFor = (wanted) => {
    const mine = watch = {};
    if (settled(wanted)) throw new Error("the page shows " + wanted + " already");
    window.seen = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (!mine.released || !settled(wanted)) return;
        observer.disconnect();
        const { released, sent, heard } = mine;
        requestAnimationFrame(() => setTimeout(() => {
          const end = now();
          resolve({ total: end - released, asking: sent - released, server: heard - sent, drawing: end - heard });
        }));
      });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    });
  };
})();
"""


class Stop(NamedTuple):
    """A place of the knob, and what the page says there."""

    number: int
    figures: list[str]
    simulated: float  # ms, by the benchmark itself


Parts = dict[str, float]  # ms, by PARTS


class Slider:
    """The knob on the page, under the mouse."""

    def __init__(self, page: Page, label: str, most: int) -> None:
        self._page, self._most = page, most
        self._knob = page.get_by_role("slider", name=label)

    def drag(self, to: Stop) -> Parts:
        """Take it somewhere, let it go, and wait for the figures; gives the parts in ms."""
        _quiet(self._page)
        track = self._knob.locator("xpath=ancestor::*[@role='group']").bounding_box()
        thumb = self._knob.locator("xpath=../..").bounding_box()
        assert track is not None
        assert thumb is not None
        x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
        mouse = self._page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + (to.number - int(self._knob.input_value())) / self._most * track["width"], y, steps=4)
        assert int(self._knob.input_value()) == to.number, "the knob is not where the mouse took it"
        self._page.evaluate(f"watchFor({json.dumps(to.figures)})")
        mouse.up()
        seen: Parts = self._page.evaluate("seen")
        return seen


def _quiet(page: Page) -> None:
    """Wait until the page has had nothing to do for a while."""
    quiet = 0
    while quiet < QUIET:
        page.wait_for_timeout(50)
        quiet = 0 if page.locator(BUSY).count() else quiet + 50


def known_stops(case: Case, changes: dict[str, str], many: int) -> tuple[str, int, Stop, list[Stop]]:
    """The knob's label, its last number, where it stands, and so many others near by, each with its figures."""
    knob = next(knob for knob in case.knobs if knob.path == KNOB)
    label, texts, current = stops(case, knob, case)
    start = texts.index(current)
    nearest = sorted(range(len(texts)), key=lambda number: abs(number - start))
    if many >= len(texts):
        sys.exit(f"--repetitions: the knob has too few stops; ask for at most {len(texts) - 2}")

    def stop(number: int) -> Stop:
        planned = plan(apply(case, changes | ({} if number == start else {KNOB: texts[number]})))
        started = time.perf_counter()
        result = simulate(planned)
        simulated = (time.perf_counter() - started) * 1000
        return Stop(number, [figure.text for figure in headline_figures(result, result)], simulated)

    simulate(plan(case, requests=10, replications=1), engine="compiled")  # compiles, or reads the cache
    return label, len(texts) - 1, stop(start), [stop(number) for number in nearest[1 : many + 1]]


def measure(
    address: str, browser: Browser, label: str, last: int, start: Stop, others: list[Stop]
) -> dict[str, list[Parts]]:
    """The parts of each drag to a new design, and of each back to the known one."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(CLOCK)
    page.goto(address)
    page.wait_for_selector('[data-testid="stMetricValue"]', timeout=240_000)
    slider = Slider(page, label, last)
    drags = [(slider.drag(other), slider.drag(start)) for other in others]
    return {"a new design": [new for new, _ in drags], "a known one": [known for _, known in drags]}


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


@click.command()
@click.option("--repetitions", type=click.IntRange(1), default=15, show_default=True)
@click.option(
    "--requests",
    type=click.IntRange(1_000),
    default=100_000,
    show_default=True,
    help="Measured, all replications together.",
)
def main(repetitions: int, requests: int) -> None:
    """From the release of a knob to the new percentiles on the page; exit code 1 where that takes too long."""
    executable = find()
    if executable is None:
        sys.exit(REMEDY)
    case = files.load(files.catalog()[files.FIRST])
    each = requests // case.run.replications
    changes = {} if each == case.run.requests else {"run.requests": str(each)}
    label, last, start, others = known_stops(case, changes, repetitions + 1)
    with serving("app.py") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        query = "&".join(f"{path}={text}" for path, text in ({"case": case.id} | changes).items())
        measured = measure(f"{address}/?{query}", browser, label, last, start, others)
        browser.close()
    drags = {kind: every[1:] for kind, every in measured.items()}  # the first finds a server that is not warm yet
    click.echo(
        f"'{label}' of {case.id}, {case.run.replications} replications of {each:,} measured requests, "
        f"{repetitions} interleaved repetitions.\nms from the release to the figures, median (lowest to highest).\n"
    )
    click.echo(f"{'':8}  " + "  ".join(f"{kind:22}" for kind in drags))
    for part in PARTS:
        row = "  ".join(f"{spread([drag[part] for drag in every]):22}" for every in drags.values())
        click.echo(f"{part:8}  {row}".rstrip())
    click.echo(f"\nThe simulation alone, without a page: {spread([one.simulated for one in others[1:]])}.")
    click.echo(f"Load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    median = statistics.median(drag["total"] for drag in drags["a new design"])
    click.echo(f"Limit {LIMIT:g}: {'kept' if median < LIMIT else 'NOT kept'}")
    sys.exit(int(median >= LIMIT))


if __name__ == "__main__":
    main()
