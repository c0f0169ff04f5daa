"""The Streamlit app object: its script, the one file it serves besides, and its security headers."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import plotly
import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.runs import warm_up

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

# 'blob:' is how Streamlit loads inline components. Nothing comes from another host, and nobody may frame the page.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' blob: 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
    ]
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


class SecurityHeaders:
    """Adds the headers to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


async def plotly_js(_: Request) -> FileResponse:
    """The plotly.js of the installed plotly package."""
    return FileResponse(PLOTLY_JS, media_type="text/javascript", headers={"cache-control": "max-age=86400"})


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """The simulator is made ready while the first browser is still on its way."""
    # Streamlit would say of each thread beside the pages that it has no session.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    warm_up()
    yield


app = st.App(
    "ui/main.py",
    lifespan=lifespan,
    routes=[Route("/assets/plotly.min.js", plotly_js)],
    middleware=[
        Middleware(SecurityHeaders),
        # Streamlit looks at the host of a session only; this is for what it serves besides.
        Middleware(TrustedHostMiddleware, allowed_hosts=st.get_option("server.allowedHosts") or ["*"]),
    ],
)
