"""A run that plays in the browser: `python -m benchmarks.playing [--stages 20]`.

A fresh server of the app, a real browser. A case of so many stages, written as one's own, is opened on Explore, which
brings its picture with some hundred requests; then it plays, and the frames that the browser shows are counted, and
how long a frame takes of the thread that draws. The browser draws without a graphics card here. Exits with 1 where
there are fewer frames a second than `LEAST`.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import click
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, serving
from tests.browser.install import REMEDY, find

LEAST = 50.0  # frames a second: of 60 that the screen has
SECONDS = 10
MIDDLE = 4  # stages of a column
PATIENCE = 240_000  # ms, for a page that compiles the simulator first

MOVES = "({ player }) => Boolean(player?.moves && player.data.watch.frames.marks.length)"
FRAMES = """
({ player }, seconds) => new Promise((resolve) => {
  const paint = player.paint, took = [], shown = [];
  player.paint = function () {
    const begun = performance.now();
    paint.call(this);
    took.push(performance.now() - begun);
    shown.push(this.shown);
  };
  const gaps = [];
  let last, begun;
  const count = (now) => {
    begun ??= now;
    if (last !== undefined) gaps.push(now - last);
    last = now;
    if (now - begun < seconds * 1000) return requestAnimationFrame(count);
    player.paint = paint;
    resolve({ gaps, took, dots: shown });
  };
  player.toggle();
  requestAnimationFrame(count);
})
"""


def case_of(stages: int) -> str:
    """A case of so many stages: the first fans out to columns of a few, one after the other; a burst fills queues."""
    names = [f"stage_{i}" for i in range(stages)]
    lines = []
    for i, name in enumerate(names):
        column = (i - 1) // MIDDLE
        before = [] if i == 0 else [names[0]] if column == 0 else names[1 + (column - 1) * MIDDLE : 1 + column * MIDDLE]
        after = f"after: [{', '.join(before)}], " if before else ""
        fleet = "replicas: 2, balancing: least_of 2, concurrency: 2"
        lines.append(f"  - {{name: {name}, {after}{fleet}, service: {{kind: exponential, mean: 8 ms}}}}")
    return "\n".join(
        [
            "format: 1",
            "id: many_stages",
            f"title: {stages} stages",
            "question: Does it play smoothly?",
            "workload: {kind: poisson, rate: 300 requests/s}",
            "stages:",
            *lines,
            "objectives: [{metric: latency, percentile: 99, at_most: 500 ms}]",
            "scenarios: {rush: {label: Rush, events: [{at: 5 s, for: 5 s, path: workload.rate, times: 2}]}}",
            "run: {requests: 6000, warm_up: 1 s, replications: 2}",
        ]
    )


def opened(page: Page, address: str, text: str) -> None:
    """Write the case, and bring it to Explore with what happens to it."""
    page.goto(f"{address}/own")
    field = page.get_by_label("The case, as YAML")
    field.wait_for(timeout=PATIENCE)
    field.fill(text)
    field.press("Control+Enter")
    page.locator("[data-stage=stage_0]").wait_for(timeout=PATIENCE)  # the picture is of this text now
    page.get_by_role("link", name="Explore this").click(timeout=PATIENCE)
    page.get_by_role("combobox", name="What happens").click(timeout=PATIENCE)
    page.get_by_role("option", name="Rush").click()
    until = time.monotonic() + PATIENCE / 1000
    while not page.locator(".diagram").evaluate(MOVES):
        assert time.monotonic() < until, "the requests of the run do not come"
        page.wait_for_timeout(100)
    page.wait_for_timeout(2_000)  # what else comes to the page has come


@click.command()
@click.option("--stages", type=click.IntRange(2, 60), default=20, show_default=True)
def main(stages: int) -> None:
    """Frames a second while a run plays; exit code 1 where they are too few."""
    executable = find()
    if executable is None:
        sys.exit(REMEDY)
    with serving("app.py") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        opened(page, address, case_of(stages))
        seen = page.locator(".diagram").evaluate(FRAMES, SECONDS)
        browser.close()
    rate = 1000 * len(seen["gaps"]) / sum(seen["gaps"])
    slowest = sorted(seen["gaps"])[int(0.99 * len(seen["gaps"]))]
    took, dots = seen["took"], seen["dots"]
    click.echo(
        f"{stages} stages, {SECONDS} s of playing: {rate:.1f} frames a second, "
        f"99 % of them within {slowest:.1f} ms of the one before.\n"
        f"A frame takes {statistics.median(took):.2f} ms of the thread that draws (at most {max(took):.1f}), "
        f"with {statistics.median(dots):.0f} dots (at most {max(dots)})."
    )
    click.echo(f"Load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    click.echo(f"Limit {LEAST:g}: {'kept' if rate >= LEAST else 'NOT kept'}")
    sys.exit(int(rate < LEAST))


if __name__ == "__main__":
    main()
