"""Sign in and out, and change the password: forms, and a cookie that no script can read."""

from typing import Annotated, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.api.access import COOKIE, from_own_page, signed_in_account
from app.domain.accounts import Account
from app.domain.errors import AccessDenied, AppError, InvalidInput
from app.services.accounts import SESSION_LENGTH, AccountService

HOME = "/analyst/"
MAX_FIELD_CHARS = 256


class Pages(Protocol):
    """Renders the forms; `message` is an error, `notice` good news."""

    def sign_in(self, target: str, username: str = "", message: str = "", notice: str = "") -> str: ...

    def password(self, username: str, message: str = "") -> str: ...


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


def session_router(accounts: AccountService, pages: Pages, secure_cookies: bool, public_url: str) -> APIRouter:
    """The forms. Each that is sent must come from a page of this site."""
    router, cookie = APIRouter(include_in_schema=False), SessionCookie(secure_cookies)

    @router.get("/sign-in")
    def show_sign_in(next: str = HOME) -> Response:
        return _page(pages.sign_in(safe_target(next)))

    @router.post("/sign-in")
    def sign_in(
        request: Request,
        username: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = HOME,
    ) -> Response:
        target = safe_target(next)
        if not from_own_page(request.headers, public_url):
            return _page(
                pages.sign_in(target, message="The form came from another site. Sign in here instead."), 403
            )
        if max(len(username), len(password)) > MAX_FIELD_CHARS:
            return _page(pages.sign_in(target, message="The user name or the password is too long."), 401)
        try:
            token = accounts.sign_in(username, password)
        except AccessDenied as error:
            return _page(pages.sign_in(target, username, str(error)), 401)
        return cookie.set(RedirectResponse(target, 303), token)

    @router.post("/sign-out")
    def sign_out(request: Request) -> Response:
        if not from_own_page(request.headers, public_url):
            return _page(pages.sign_in(HOME, message="A page of another site asked to sign you out; refused."), 403)
        accounts.sign_out(request.cookies.get(COOKIE, ""))
        return cookie.delete(RedirectResponse("/sign-in", 303))

    @router.get("/password")
    def show_password(account: Annotated[Account, Depends(signed_in_account)]) -> Response:
        return _page(pages.password(account.username))

    @router.post("/password")
    def change_password(
        request: Request,
        account: Annotated[Account, Depends(signed_in_account)],
        current: Annotated[str, Form()] = "",
        new: Annotated[str, Form()] = "",
        repeated: Annotated[str, Form()] = "",
    ) -> Response:
        try:
            if not from_own_page(request.headers, public_url):
                raise AccessDenied("The form came from another site. Use this one instead.")
            if new != repeated:
                raise InvalidInput("The two new passwords differ. Type them again.")
            accounts.change_password(account.username, current, new)
        except AppError as error:
            return _page(pages.password(account.username, str(error)), 400)
        notice = "Your password is changed. Sign in with the new one."
        return cookie.delete(_page(pages.sign_in(HOME, account.username, notice=notice)))

    return router


def safe_target(target: str) -> str:
    """`target` when it is a path of the dashboard, else the dashboard's first page: no open redirect."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return HOME
    inside = parts.path == "/analyst" or parts.path.startswith("/analyst/")
    plain = target.isprintable() and "\\" not in target and ".." not in target
    return target if inside and plain and not parts.scheme and not parts.netloc else HOME


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})
