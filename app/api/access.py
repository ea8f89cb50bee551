"""Who is asking: session cookies, and the guard in front of everything that needs one."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied, RoleMissing
from app.services.accounts import AccountService

COOKIE = "bellwether_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HasCookies(Protocol):
    """A request, FastAPI's or Gradio's."""

    @property
    def cookies(self) -> Mapping[str, str]: ...


class Sessions:
    """Finds the account behind a request's session cookie."""

    def __init__(self, accounts: AccountService) -> None:
        self._accounts = accounts

    def signed_in(self, request: HasCookies) -> Account:
        """The signed-in account, whatever its role. Raises AccessDenied."""
        account = self._accounts.account_of(request.cookies.get(COOKIE, ""))
        if account is None:
            raise AccessDenied("You are not signed in, or your session has ended. Sign in again at /sign-in.")
        return account

    def analyst(self, request: HasCookies) -> Account:
        """The signed-in account, at least an analyst. Raises AccessDenied, or RoleMissing for a lesser role."""
        account = self.signed_in(request)
        if not account.may(AccountRole.ANALYST):
            raise RoleMissing("This account may not see the market watch; it needs the analyst role.")
        return account


def current_account(request: Request) -> Account:
    """FastAPI dependency: the signed-in analyst. Raises AccessDenied or RoleMissing."""
    sessions: Sessions = request.app.state.sessions
    return sessions.analyst(request)


def signed_in_account(request: Request) -> Account:
    """FastAPI dependency: the signed-in account, whatever its role. Raises AccessDenied."""
    sessions: Sessions = request.app.state.sessions
    return sessions.signed_in(request)


def from_own_page(headers: Headers, public_url: str = "") -> bool:
    """Whether a request that changes something comes from a page of this site, or from no page at all.

    Browsers name the page's origin; programs other than browsers send none and carry no one's cookies.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return urlsplit(origin).netloc in {headers.get("host"), urlsplit(public_url).netloc} - {"", None}


class AccessGuard:
    """Lets nothing at or below `prefix` through without a session.

    A browser that opens the page itself is sent to the sign-in page (303); everything else answers 401.
    The account is left in the scope as `user`.
    """

    def __init__(self, app: ASGIApp, prefix: str, sessions: Sessions, public_url: str = "") -> None:
        self._app, self._prefix, self._sessions, self._public_url = app, prefix, sessions, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        guarded = path == self._prefix or path.startswith(self._prefix + "/")
        if scope["type"] not in ("http", "websocket") or not guarded:
            await self._app(scope, receive, send)
            return
        refusal = await to_thread.run_sync(self._refusal, scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer that keeps a request out, or None."""
        if scope["type"] == "websocket":  # the dashboard uses none
            return Response(status_code=403)
        request = Request(scope)
        if request.method not in SAFE_METHODS and not from_own_page(request.headers, self._public_url):
            return JSONResponse({"error": "The request comes from another site and was refused."}, 403)
        try:
            account = self._sessions.analyst(request)
        except RoleMissing as error:
            return JSONResponse({"error": str(error)}, 403)
        except AccessDenied as error:
            if request.method in ("GET", "HEAD") and request.url.path.rstrip("/") == self._prefix:
                return RedirectResponse(f"/sign-in?next={quote(self._prefix)}", 303)
            return JSONResponse({"error": str(error)}, 401)
        scope["user"] = account
        return None
