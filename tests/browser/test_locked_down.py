"""What the server answers to somebody who is not a visitor: headers, hosts, uploads, failures, telemetry."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import Config, NewSession
from websockets.sync.client import connect

from tests.browser.conftest import PATIENCE, Visitor, serving

MEGABYTE = 1024 * 1024
STREAM = "/_stcore/stream"
ANSWERS = {  # every kind of answer there is, and its status
    "/": 200,
    "/explore": 200,
    "/nothing/here": 200,  # the page says that there is no such page
    "/assets/plotly.min.js": 200,
    "/_stcore/health": 200,
    "/_stcore/host-config": 200,
    "/media/nothing.png": 404,
    "/component/nothing/here.js": 404,
    "/explore/..%2f..%2fapp.py": 400,
}


def answer(app: str, path: str, method: str = "GET", body: object = None, **headers: str) -> http.client.HTTPResponse:
    """What comes back, whatever it is."""
    connection = http.client.HTTPConnection(app.removeprefix("http://"), timeout=PATIENCE)
    connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})  # type: ignore[arg-type]
    found = connection.getresponse()
    found.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [*(("GET", path, status) for path, status in ANSWERS.items()), ("PUT", "/_stcore/upload_file/a/b", 403)],
)
def test_every_answer_carries_the_policy(app: str, method: str, path: str, status: int) -> None:
    found = answer(app, path, method)
    assert found.status == status
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["x-frame-options"] == "DENY"
    assert found.headers["referrer-policy"] == "no-referrer"
    parts = [part.strip().partition(" ") for part in found.headers["content-security-policy"].split(";")]
    policy = {name: set(values.split()) for name, _, values in parts}
    assert len(policy) == len(parts)
    assert policy["default-src"] == policy["base-uri"] == {"'self'"}
    assert policy["frame-ancestors"] == policy["object-src"] == {"'none'"}
    assert policy["script-src"] == {"'self'", "blob:", "'wasm-unsafe-eval'"}
    known = {"'self'", "'none'", "blob:", "data:", "ws:", "wss:", "'unsafe-inline'", "'wasm-unsafe-eval'"}
    assert set.union(*policy.values()) <= known, "no other host"


def test_the_policy_is_kept_by_the_browser(app: str, chrome: Browser) -> None:
    """A script of another host and one in the page are not run."""
    page = chrome.new_page()
    page.goto(app)
    page.evaluate(
        """() => { for (const set of [(s) => { s.textContent = 'window.ran = 1'; },
        (s) => { s.src = 'http://elsewhere.example/x.js'; }]) {
          const script = document.createElement('script'); set(script); document.head.append(script); } }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.parametrize("path", ["/", "/assets/plotly.min.js", "/_stcore/health"])
def test_only_the_hosts_that_are_allowed_are_served(app: str, path: str) -> None:
    """Who brings this machine another name for itself (DNS rebinding) gets nothing."""
    assert answer(app, path, Host="elsewhere.example").status == 400
    assert answer(app, path, Host="localhost").status == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", None, 101),
        ("localhost", "http://localhost", 101),
        ("elsewhere.example", None, 400),
        ("elsewhere.example", "http://elsewhere.example", 400),
        ("127.0.0.1.elsewhere.example", None, 400),
        ("127.0.0.1", "http://elsewhere.example", 403),
        ("127.0.0.1", "null", 403),
    ],
)
def test_only_the_hosts_that_are_allowed_get_a_session(app: str, host: str, origin: str | None, status: int) -> None:
    port = app.rpartition(":")[2]
    headers = {"Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket"}
    headers |= {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    if origin is not None:
        headers["Origin"] = f"{origin}:{port}" if origin == f"http://{host}" else origin
    connection = http.client.HTTPConnection(app.removeprefix("http://"), timeout=PATIENCE)
    connection.request("GET", STREAM, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert connection.getresponse().status == status
    connection.close()


class Guest(NamedTuple):
    """Somebody with a session: what the server told first, and the token against forged requests."""

    told: NewSession
    token: str


@pytest.fixture(scope="module")
def guest(app: str) -> Iterator[Guest]:
    """As Streamlit's page does: the cookie, the websocket, the first run."""
    token = answer(app, "/_stcore/health").headers["set-cookie"].partition("=")[2].partition(";")[0]
    ask = BackMsg()
    ask.rerun_script.page_name = "trust"
    where = app.replace("http", "ws") + STREAM
    with connect(where, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
        socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(bytes(socket.recv(timeout=PATIENCE)))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "new_session":
                break
        yield Guest(message.new_session, token)


def test_nothing_is_told_to_others_and_no_tools_for_developers_are_shown(guest: Guest) -> None:
    assert guest.told.initialize.session_id
    assert not guest.told.config.gather_usage_stats
    assert guest.told.config.toolbar_mode == Config.MINIMAL
    assert guest.told.config.show_error_links == Config.SHOW_ERROR_LINKS_FALSE


def put(app: str, guest: Guest, size: int, token: str | None, session: str = "", streamed: bool = False) -> int:
    """Upload so many bytes; the status."""
    name = session or guest.told.initialize.session_id
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.yaml"\r\n\r\n'
    body = head + b"x" * size + b"\r\n--cut--\r\n"
    headers = {"Content_Type": "multipart/form-data; boundary=cut", "Cookie": f"_streamlit_xsrf={guest.token}"}
    if token is not None:
        headers["X_Xsrftoken"] = token
    pieces = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
    return answer(app, f"/_stcore/upload_file/{name}/file-1", "PUT", pieces if streamed else body, **headers).status


def test_an_upload_needs_the_token(app: str, guest: Guest) -> None:
    assert put(app, guest, 10, token=None) == 403
    assert put(app, guest, 10, token="2|00000000|0000|1700000000") == 403
    assert put(app, guest, 10, token=guest.token) == 204
    assert put(app, guest, 10, token=guest.token, session="somebody-elses") == 400


@pytest.mark.parametrize("streamed", [False, True])
def test_an_upload_is_small(app: str, guest: Guest, streamed: bool) -> None:
    assert put(app, guest, MEGABYTE - 1_000, token=guest.token, streamed=streamed) == 204
    try:
        status = put(app, guest, 8 * MEGABYTE, token=guest.token, streamed=streamed)
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # it did not even listen to the end
    assert status == 413
    assert urllib.request.urlopen(f"{app}/_stcore/health", timeout=PATIENCE).status == 200


def test_a_page_that_fails_tells_no_more_than_that(chrome: Browser) -> None:
    with serving("tests/browser/raises.py") as address:
        visitor = Visitor(address, chrome.new_context())
        page = visitor.page
        page.goto(address)
        box = page.locator('[data-testid="stException"]')
        expect(box).to_contain_text("FileNotFoundError")
        sources = page.content()
        for word in ("secret", "place.yaml", "Traceback", "raises.py", "site-packages"):
            assert word not in sources, word
        assert box.get_by_role("link").count() == 0, "no links to search engines"
        assert visitor.outside == []
        visitor.context.close()
