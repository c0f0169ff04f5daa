"""Somebody at the app without a browser: HTTP, and the messages over a websocket that Streamlit's own page sends."""

from __future__ import annotations

import asyncio
import itertools
import urllib.request
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

LARGEST = 50_000_000  # bytes of a message
PARTS = ("/", "/_stcore/health", "/assets/plotly.min.js")  # what a browser fetches besides

WHOLE = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY  # a fragment's end has another status


class Session:
    """One browser tab: what its page shows, and its hand at the knobs."""

    def __init__(self, page: str, query: dict[str, str]) -> None:
        self.query = query
        self.shown: list[Element] = []  # by the last run of the script that came to its end
        self.shown_at: dict[str, str] = {}  # the address then
        self._page = page
        self._script = ""  # the page's hash
        self._widgets: dict[str, WidgetState] = {}
        self._elements: dict[tuple[int, ...], tuple[str, Element]] = {}  # by place; with the run that drew it
        self._timers: dict[str, asyncio.Task[None]] = {}  # fragments that ask again and again
        self._run = ""  # the last that began, of the whole script or of a fragment
        self._news = asyncio.Event()
        self._socket: ClientConnection

    async def __aenter__(self) -> Session:
        return self

    async def open(self, address: str) -> None:
        """Fetch the page, connect, and let the script run."""
        for part in PARTS:
            await asyncio.to_thread(_fetched, address + part)
        where = address.replace("http", "ws") + "/_stcore/stream"
        self._socket = await connect(where, subprotocols=["streamlit"], max_size=LARGEST, origin=address)  # type: ignore[arg-type, list-item]
        self._reader = asyncio.create_task(self._read())
        await self._rerun()

    async def __aexit__(self, *_: object) -> None:
        for task in [*self._timers.values(), self._reader]:
            task.cancel()
        await self._socket.close()

    async def move(self, label: str, text: str) -> None:
        """Take a knob somewhere and let it go."""
        knob = next(
            one.slider for one in self.shown if one.WhichOneof("type") == "slider" and one.slider.label == label
        )
        state = self._widgets.setdefault(knob.id, WidgetState(id=knob.id))
        state.string_array_value.data[:] = [text]
        await self._rerun()

    async def until(self, true: Callable[[Session], bool]) -> None:
        """Wait until what is shown is as wanted."""
        while not true(self):
            self._news.clear()
            if self._reader.done():
                self._reader.result()
            await self._news.wait()

    def texts(self, kind: str) -> list[Any]:
        """All elements of a kind that are shown."""
        return [getattr(one, kind) for one in self.shown if one.WhichOneof("type") == kind]

    async def _rerun(self, fragment: str = "") -> None:
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash, asked.fragment_id = urlencode(self.query), self._script, fragment
        asked.page_name = "" if self._script else self._page
        asked.is_auto_rerun = bool(fragment)
        asked.widget_states.widgets.extend(self._widgets.values())
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for raw in self._socket:
            assert isinstance(raw, bytes)
            message = ForwardMsg.FromString(raw)
            self._heard(message, message.WhichOneof("type"))

    def _heard(self, message: ForwardMsg, kind: str | None) -> None:
        run = message.metadata.run
        run = message.metadata.run
        if kind == "new_session":
            self._run, self._script = run.script_run_id, message.new_session.page_script_hash
            if not run.fragment_ids:
                self._stop(list(self._timers))
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._elements[tuple(message.metadata.delta_path)] = (self._run, message.delta.new_element)
        elif kind == "page_info_changed":
            self.query = dict(parse_qsl(message.page_info_changed.query_string))
        elif kind == "auto_rerun":
            asks = message.auto_rerun
            self._stop([asks.fragment_id])
            self._timers[asks.fragment_id] = asyncio.create_task(self._again(asks.fragment_id, asks.interval))
        elif kind == "stop_auto_rerun":
            self._stop(list(message.stop_auto_rerun.fragment_ids))
        elif kind == "script_finished" and (run.script_run_id, message.script_finished) == (self._run, WHOLE):
            self._whole()

    def _whole(self) -> None:
        """A run of the whole script has ended: what other runs drew is gone, as in a browser."""
        self._elements = {place: one for place, one in self._elements.items() if one[0] == self._run}
        self.shown, self.shown_at = [one for _, one in self._elements.values()], self.query
        self._news.set()

    def _stop(self, fragments: list[str]) -> None:
        for fragment in fragments:
            if (task := self._timers.pop(fragment, None)) is not None:
                task.cancel()

    async def _again(self, fragment: str, seconds: float) -> None:
        for _ in itertools.count():
            await asyncio.sleep(seconds)
            await self._rerun(fragment)


def _fetched(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return len(answer.read())


async def together(work: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All of them at once; the first that fails ends them."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]
