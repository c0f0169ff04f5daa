"""A real server and a real browser: one of each for the session, a fresh browser context for each test."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from streamlit.runtime.caching import clear_session_resource_cache

from cases import files
from tests.browser.install import REMEDY, find

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
# Playwright's own list of features that are off, for the last list counts; and the suggestions of an address bar that
# nobody sees, two pages for each of ours, a quarter of the work of opening it.
OFF = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={OFF}",
]
AS_WRITTEN = f"?case={files.FIRST}"  # a bare address is the first screen, a case that fails
PATIENCE = 30  # s; what a page does at once takes long on a busy machine
expect.set_options(timeout=PATIENCE * 1000)
# Streamlit's index.html has an inline script, which our policy refuses (nothing visible depends on it); a deep link
# makes Streamlit ask for two addresses below the page before it finds them above.
EXPECTED = re.compile(r"Content Security Policy directive 'script-src|status of 404|404 \(Not Found\)")


@pytest.fixture(autouse=True)
def main_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest leaves its script behind as `__main__`, where hypothesis would find constants (see tests/conftest.py)."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def sessions_end() -> Iterator[None]:
    """All of AppTest's are one session to Streamlit; with the test it ends, and what it waits for is given up."""
    yield
    clear_session_resource_cache("test session id")


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    """The address of a server of the app."""
    with serving("app.py") as address:
        yield address


@contextmanager
def serving(script: str) -> Iterator[str]:
    """A server of a script while it is needed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    ARTIFACTS.mkdir(exist_ok=True)
    log_file = ARTIFACTS / f"{Path(script).stem}.log"
    with log_file.open("w") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, server, log_file)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, f"the server ended: {log.read_text()}"
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise AssertionError("the server did not answer within a minute")


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    """A headless Chromium. No browser is a failure, never a skip."""
    path = find()
    assert path is not None, REMEDY
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """Somebody at a browser: opens pages, waits until they have settled, and remembers what went wrong."""

    def __init__(self, app: str, context: BrowserContext) -> None:
        self.app = app
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            self.complaints.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.app, self.app.replace("http", "ws"), "data:", "blob:")):
            self.outside.append(url)

    def open(self, address: str = f"/{AS_WRITTEN}") -> Page:
        """Go there and wait for the page: if nothing else is said, the first case as written on Explore."""
        self.page.goto(self.app + address)
        return self.settled()

    def settled(self) -> Page:
        """Wait until the script has run and no simulation is under way."""
        for _ in range(2):  # a run that ends begins another one of the script
            self.page.wait_for_selector(
                '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]',
                timeout=240_000,  # the first run on a machine compiles the simulator
            )
            waiting = "[data-testid=stProgress], [data-testid=stSkeleton], [data-stale=true]"
            self.until(f"!document.querySelector('{waiting}')", seconds=240)
            self.page.wait_for_timeout(120)
        return self.page

    def verdict(self) -> str:
        """What the page says of the design."""
        return self.page.locator(".st-key-answer").inner_text().strip()

    def figure(self, label: str) -> str:
        """One of the four figures."""
        metric = self.page.locator('[data-testid="stMetric"]').filter(has_text=label)
        return metric.locator('[data-testid="stMetricValue"]').inner_text().strip()

    def press(self, slider: str, key: str, times: int = 1) -> None:
        """Keys on a knob."""
        knob = self.page.get_by_role("slider", name=slider)
        knob.focus()
        for _ in range(times):
            knob.press(key)

    def address_has(self, text: str) -> None:
        """Wait until the address names something."""
        wanted = json.dumps(urllib.parse.quote_plus(text, safe="="))
        self.until(f"new URLSearchParams(location.search).toString().includes({wanted})")

    def as_written(self) -> None:
        """Wait until the address names the first case and nothing else."""
        self.until(f"location.search === {json.dumps(AS_WRITTEN)}")

    def until(self, script: str, seconds: float = PATIENCE) -> None:
        """Wait until a script is true. (Playwright's own waiting needs eval, which our policy refuses.)"""
        end = time.monotonic() + seconds
        while not self.page.evaluate(script):
            assert time.monotonic() < end, f"not within {seconds} s: {script}; the address is {self.page.url}"
            self.page.wait_for_timeout(50)


@pytest.fixture
def visit(app: str, chrome: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors: visit(width=..., height=..., color_scheme=...)."""
    contexts: list[BrowserContext] = []

    def arrive(width: int = 1440, height: int = 900, **options: object) -> Visitor:
        context = chrome.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        return Visitor(app, context)

    yield arrive
    for context in contexts:
        context.close()
