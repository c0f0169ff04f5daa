"""Finds a Chrome or Chromium for the browser tests, or installs one: `python -m tests.browser.install`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
REMEDY = (
    "no Chrome or Chromium was found, and none could be installed. Install one (Debian: apt-get install chromium; "
    "elsewhere: python -m playwright install chromium), or set CHROME to its path, and run the tests again"
)


def find() -> str | None:
    """The path of a browser: CHROME, one on the PATH, or the one that Playwright installed."""
    named = os.environ.get("CHROME")
    candidates = [named] if named else [*map(shutil.which, NAMES), *PLACES, _playwrights()]
    return next((path for path in candidates if path and Path(path).exists()), None)


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return str(playwright.chromium.executable_path)


def install() -> str:
    """Playwright's download where that works, else Debian's package where this is Debian and we may."""
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        commands += [["apt-get", "update"], [*environment, "apt-get", "install", "-y", "chromium"]]
    for command in commands:
        print("trying:", " ".join(command), flush=True)
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=900)
        found = find()
        if found:
            return found
    sys.exit(REMEDY)


if __name__ == "__main__":
    print("browser:", find() or install())
