"""What happens to every request: its size, its visitor's cookie, its place in the numbers."""

import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.guard import protecting
from app.services.metrics import Metrics
from app.services.visitors import VISITOR_COOKIE, VISITOR_SECONDS, Visitors

_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS")


class BodyLimit:
    """Answers 413 to bodies above `limit` bytes at paths below `prefixes`, before anybody reads them."""

    def __init__(self, app: ASGIApp, limit: int, prefixes: Sequence[str]) -> None:
        self._app, self._limit, self._prefixes = app, limit, tuple(prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        body = bytearray()
        too_long = length.isdecimal() and int(length) > self._limit
        messages: list[Message] = []
        while not too_long:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            too_long = len(body) > self._limit
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        if too_long:
            reason = f"The request is longer than {self._limit:,} bytes. Send less at once."
            await JSONResponse({"error": reason}, 413)(scope, receive, send)
            return

        async def read() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, read, send)


class VisitorCookie:
    """Gives a visitor who opens the customers' page a cookie to be known by, if there is none of ours."""

    def __init__(self, app: ASGIApp, visitors: Visitors, secure: bool, pages: Sequence[str] = ("/",)) -> None:
        self._app, self._visitors, self._secure, self._pages = app, visitors, secure, tuple(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._pages:
            await self._app(scope, receive, send)
            return
        known = self._visitors.read(Request(scope).cookies.get(VISITOR_COOKIE, ""))
        cookie = f"{VISITOR_COOKIE}={self._visitors.new()}; HttpOnly; Max-Age={VISITOR_SECONDS}; Path=/"
        cookie += "; SameSite=Lax; Secure" if self._secure else "; SameSite=Lax"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send if known else send_with_cookie)


class RequestNumbers:
    """Counts requests by route, and measures how long the head of the answer took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, path = time.perf_counter(), scope["path"]

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                elapsed = time.perf_counter() - started
                self._metrics.request(_method(scope), _route(scope, path), message["status"], elapsed)
            await send(message)

        await self._app(scope, receive, send_and_count)


def _method(scope: Scope) -> str:
    """One of the usual methods: others would multiply the numbers."""
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def _route(scope: Scope, path: str) -> str:
    """The pattern of the route that answered; the pages' many paths are one each."""
    pattern = getattr(scope.get("route"), "path", "")
    if path.startswith(("/api/", "/v1/", "/healthz", "/readyz", "/metrics", "/sign-", "/password", "/sessions")):
        return pattern or "unknown"
    return protecting(path) or "/"
