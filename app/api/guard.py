"""The guard in front of the pages that need a session: everything below their prefixes, files and queues too."""

from collections.abc import Mapping
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import SAFE_METHODS, Sessions, from_own_page
from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied, AppError, RequestRefused, RoleMissing

# The least role that may see what is at and below a prefix.
PROTECTED: Mapping[str, AccountRole] = {
    "/agent": AccountRole.AGENT,
    "/analyst": AccountRole.ANALYST,
    "/operations": AccountRole.ADMINISTRATOR,
}


def protecting(path: str) -> str | None:
    """The protected prefix that a path is at or below, in any case; None for other paths."""
    path = path.casefold()
    return next((prefix for prefix in PROTECTED if path == prefix or path.startswith(prefix + "/")), None)


def home_of(account: Account) -> str:
    """The page that an account begins its work on."""
    return "/agent/" if account.role is AccountRole.AGENT else "/analyst/"


class AccessGuard:
    """Lets nothing through to a protected page without a session of a sufficient role.

    A browser that opens the page itself is sent to sign in, or to change a first password (303); everything
    else answers 401 or 403. The account is left in the scope as `user`.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, public_url: str = "") -> None:
        self._app, self._sessions, self._public_url = app, sessions, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = protecting(scope.get("path", "")) if scope["type"] in ("http", "websocket") else None
        if prefix is None:
            await self._app(scope, receive, send)
            return
        refusal = await to_thread.run_sync(self._refusal, scope, prefix)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope, prefix: str) -> Response | None:
        """The answer that keeps a request out, or None."""
        if scope["type"] == "websocket":  # no page uses one
            return Response(status_code=403)
        request = Request(scope)
        if request.method not in SAFE_METHODS and not from_own_page(request.headers, self._public_url):
            return _no("The request comes from another site and was refused.", 403)
        opened = request.method in ("GET", "HEAD") and request.url.path.rstrip("/") == prefix
        try:
            scope["user"] = self._sessions.require(request, PROTECTED[prefix])
        except RequestRefused as error:
            return RedirectResponse("/password", 303) if opened else _no(str(error), 403)
        except RoleMissing as error:
            return _no(str(error), 403)
        except AccessDenied as error:
            return RedirectResponse(f"/sign-in?next={quote(prefix)}", 303) if opened else _no(str(error), 401)
        except AppError as error:  # the database does not answer
            return _no(str(error), 503)
        return None


def _no(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status)
