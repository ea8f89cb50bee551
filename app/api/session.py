"""Sign in and out, change the password, end sessions: forms, and a cookie that no script can read."""

from collections.abc import Sequence
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.api.access import COOKIE, Sessions, address_of, from_own_page, signed_in_account
from app.api.guard import home_of, protecting
from app.domain.accounts import Account, SignedIn
from app.domain.errors import AccessDenied, AppError, Busy, InvalidInput
from app.services.accounts import SESSION_LENGTH, AccountService
from app.services.limits import Limits

MAX_FIELD_CHARS = 256
Owner = Annotated[Account, Depends(signed_in_account)]
Field = Annotated[str, Form()]


class Pages(Protocol):
    """Renders the forms; `message` is an error, `notice` good news, `token` what the form sends along."""

    def sign_in(self, target: str, username: str = "", message: str = "", notice: str = "") -> str: ...

    def password(self, account: Account, token: str, message: str = "") -> str: ...

    def sessions(self, account: Account, token: str, sessions: Sequence[SignedIn], message: str = "") -> str: ...


class SessionCookie:
    """Sets and deletes the cookie of a session."""

    def __init__(self, secure: bool) -> None:
        self._secure = secure

    def set(self, response: Response, token: str) -> Response:
        seconds = int(SESSION_LENGTH.total_seconds())
        response.set_cookie(COOKIE, token, seconds, httponly=True, samesite="lax", secure=self._secure)
        return response

    def delete(self, response: Response) -> Response:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=self._secure)
        return response


def session_router(
    accounts: AccountService, pages: Pages, limits: Limits, secure_cookies: bool, public_url: str
) -> APIRouter:
    """The forms. Each that is sent must come from a page of this site; those of a session carry its token."""
    router, cookie = APIRouter(include_in_schema=False), SessionCookie(secure_cookies)
    sessions = Sessions(accounts, public_url)

    @router.get("/sign-in")
    def show_sign_in(next: str = "") -> Response:
        return _page(pages.sign_in(safe_target(next)))

    @router.post("/sign-in")
    def sign_in(request: Request, username: Field = "", password: Field = "", next: Field = "") -> Response:
        target = safe_target(next)
        if not from_own_page(request.headers, public_url):
            return _page(
                pages.sign_in(target, message="The form came from another site. Sign in here instead."), 403
            )
        if max(len(username), len(password)) > MAX_FIELD_CHARS:
            return _page(pages.sign_in(target, message="The user name or the password is too long."), 401)
        address = address_of(request)
        try:
            limits.sign_in(address)
            token = accounts.sign_in(username, password, address, request.headers.get("user-agent", ""))
        except Busy as error:
            return _page(pages.sign_in(target, username, str(error)), 429)
        except AccessDenied as error:
            return _page(pages.sign_in(target, username, str(error)), 401)
        account = accounts.account_of(token)
        if account is not None:
            target = "/password" if account.must_change else target or home_of(account)
        return cookie.set(RedirectResponse(target or "/sign-in", 303), token)

    @router.post("/sign-out")
    def sign_out(request: Request) -> Response:
        if not from_own_page(request.headers, public_url):
            return _page(pages.sign_in("", message="A page of another site asked to sign you out; refused."), 403)
        accounts.sign_out(request.cookies.get(COOKIE, ""))
        return cookie.delete(RedirectResponse("/sign-in", 303))

    @router.get("/password")
    def show_password(request: Request, account: Owner) -> Response:
        return _page(pages.password(account, sessions.form_token(request)))

    @router.post("/password")
    def change_password(
        request: Request,
        account: Owner,
        current: Field = "",
        new: Field = "",
        repeated: Field = "",
        token: Field = "",
    ) -> Response:
        try:
            limits.sign_in(address_of(request))
            sessions.check_origin(request, token)
            if new != repeated:
                raise InvalidInput("The two new passwords differ. Type them again.")
            accounts.change_password(account.username, current, new)
        except AppError as error:
            return _page(pages.password(account, sessions.form_token(request), str(error)), 400)
        notice = "Your password is changed. Sign in with the new one."
        return cookie.delete(_page(pages.sign_in("", account.username, notice=notice)))

    @router.get("/sessions")
    def show_sessions(request: Request, account: Owner) -> Response:
        return _page(pages.sessions(account, sessions.form_token(request), accounts.sessions(account)))

    @router.post("/sessions/end")
    def end_session(request: Request, account: Owner, session: Field = "", token: Field = "") -> Response:
        """End one session, or all of them when none is named."""
        try:
            sessions.check_origin(request, token)
            if not session:
                accounts.end_sessions(account)
                return cookie.delete(RedirectResponse("/sign-in", 303))
            accounts.end_session(account, session)
        except AppError as error:
            shown = accounts.sessions(account)
            return _page(pages.sessions(account, sessions.form_token(request), shown, str(error)), 400)
        return RedirectResponse("/sessions", 303)

    return router


def safe_target(target: str) -> str:
    """`target` when it is a path of a page that needs a session, else empty: no open redirect."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    plain = target.isprintable() and "\\" not in target and ".." not in target
    return target if protecting(parts.path) and plain and not parts.scheme and not parts.netloc else ""


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})
